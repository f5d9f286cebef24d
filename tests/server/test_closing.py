"""An address is closed without losing a connection: a caller who was connected is answered, and others are refused."""

from __future__ import annotations

import asyncio
import socket
import sys
import threading
import time

import pytest

from contacts_mcp.server.closing import until_all_are_accepted

ENDS = 6
CALLERS = 4


def listening() -> socket.socket:
    return socket.create_server(("127.0.0.1", 0))


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(10)
    writer.write(b"answer")
    await writer.drain()
    writer.close()


def ask(port: int, *, timeout: float = 5) -> str:
    """One question, over a connection of its own."""
    try:
        connection = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    except (ConnectionRefusedError, TimeoutError):
        return "refused"
    connection.settimeout(10)
    with connection:
        try:
            connection.sendall(b"ask")
            return connection.recv(10).decode() or "cut off"
        except ConnectionError:
            return "lost"


async def test_a_connection_that_waits_is_accepted_first() -> None:
    """It was made while nobody looked."""
    listener = listening()
    server = await asyncio.start_server(answer, sock=listener)
    said: list[str] = []
    caller = threading.Thread(target=lambda: said.append(ask(listener.getsockname()[1])))
    caller.start()
    time.sleep(0.2)  # noqa: ASYNC251 -- nothing is accepted meanwhile
    await until_all_are_accepted(server.sockets)
    server.close()
    await asyncio.to_thread(caller.join)
    assert said == ["answer"]


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux drops what begins a connection")
async def test_of_all_who_come_while_it_closes_nobody_is_lost() -> None:
    said: list[str] = []

    def go_on_asking(port: int) -> None:
        while not said or said[-1] != "refused":
            said.append(ask(port, timeout=0.2))

    for _ in range(ENDS):
        said.clear()
        listener = listening()
        server = await asyncio.start_server(answer, sock=listener)
        callers = [threading.Thread(target=go_on_asking, args=(listener.getsockname()[1],)) for _ in range(CALLERS)]
        for caller in callers:
            caller.start()
        await asyncio.sleep(0.05)
        await until_all_are_accepted(server.sockets)
        server.close()
        for caller in callers:
            await asyncio.to_thread(caller.join)
        assert {*said} == {"answer", "refused"}
