"""The end of a hosted server: nothing that was begun is lost. Seen from outside, with real processes and signals.

Guards `contacts_mcp/server/http.py`.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import httpx2
import pytest
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from support.hosting import ERAS, MODERN, holder, message, read

from contacts_mcp.sandbox import Behaviour, Credentials, Fault, Sandbox, open_sandbox, serve

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")

TOKEN = "token-of-ada"
ACCOUNTS = f'[accounts.a]\napi_key_env = "KEY_OF_A"\n{holder("a", "Ada", TOKEN, "read", "write")}'
CALL_TIMEOUT = 2.0
CALLERS = 8
NOTICED, SETTLED = 0.8, 0.3  # seconds, shorter than in earnest
LONG = 25.0  # seconds of a drain that something hastens, or that is none
LATEST = 15.0  # seconds in which a busy machine, too, ends a server
PROGRAM = """
import signal, sys
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup, which a server respects
from contacts_mcp.cli import main
from contacts_mcp.server import http
http.NOTICED, http.SETTLED = float(sys.argv.pop(1)), float(sys.argv.pop(1))
main()
"""


@asynccontextmanager
async def sandbox_at_work() -> AsyncIterator[tuple[Sandbox, str]]:
    sandbox = open_sandbox(behaviour=Behaviour(requests_per_minute=0), contacts=30)
    async with anyio.create_task_group() as tasks:
        yield sandbox, await tasks.start(serve, sandbox)
        tasks.cancel_scope.cancel()
    sandbox.close()


@contextmanager
def replica(
    folder: Path, url: str, *, hosted: bool = True, call_timeout: float = CALL_TIMEOUT, noticed: float = NOTICED
) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A server in a process of its own, once it is ready."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    variables = {
        "PATH": os.environ["PATH"],
        "KEY_OF_A": Credentials().api_key,
        "HEYMARKET_BASE_URL": url,
        "CONTACTS_MCP_DATA_DIR": str(folder / "data"),
        "CONTACTS_MCP_CALL_TIMEOUT": str(call_timeout),
        "CONTACTS_MCP_INDEX": "off",
        "CONTACTS_MCP_ALLOWED_ORIGINS": "https://chat.example.com",
    }
    if hosted:
        (folder / "accounts.toml").write_text(ACCOUNTS, encoding="utf-8")
        variables["CONTACTS_MCP_ACCOUNTS"] = str(folder / "accounts.toml")
    else:
        variables["HEYMARKET_API_KEY"] = Credentials().api_key
    command = [sys.executable, "-c", PROGRAM, str(noticed), str(SETTLED), "serve", "--http", f"127.0.0.1:{port}"]
    with subprocess.Popen(command, env=variables, stderr=subprocess.PIPE) as process:
        try:
            assert process.stderr
            assert b"Serving at" in process.stderr.readline()
            yield process, f"http://127.0.0.1:{port}"
        finally:
            process.kill()


async def call(address: str, era: str, tool: str, **arguments: Any) -> dict[str, Any]:
    """The facts of an answer, over a connection of its own, as a proxy without keepalive makes it."""
    headers, body = message(era, "tools/call", {"name": tool, "arguments": arguments})
    async with httpx.AsyncClient(timeout=20) as client:
        response = await client.post(
            f"{address}/mcp", json=body, headers=headers | {"Authorization": f"Bearer {TOKEN}"}
        )
    assert response.status_code == 200, response.text
    facts: dict[str, Any] = read(response)["result"]["structuredContent"]
    return facts


async def is_ready(address: str) -> bool:
    async with httpx.AsyncClient(timeout=5) as client:
        return (await client.get(f"{address}/readyz")).status_code == 200


async def ended(process: subprocess.Popen[bytes]) -> None:
    """Wait until a process has ended, well."""
    with anyio.fail_after(LATEST):
        while process.poll() is None:  # noqa: ASYNC110 -- of another process
            await anyio.sleep(0.02)
    assert process.returncode == 0
    assert process.stderr
    assert process.stderr.read() == b""


async def test_no_call_is_lost_while_callers_are_sent_elsewhere(tmp_path: Path) -> None:
    """A balancer looks at /readyz, and sends nothing more once it says no."""
    answered: list[str] = []
    async with sandbox_at_work() as (sandbox, url):
        with replica(tmp_path, url, call_timeout=30) as (process, address):
            assert await is_ready(address)
            sandbox.faults.add(Fault("*", "stall", delay=0.03, times=-1))
            goes_on = True

            async def caller(era: str, number: int) -> None:
                while goes_on:
                    facts = await call(
                        address, era, "update_contact", contact_id=1001 + number, first=f"N{len(answered)}"
                    )
                    answered.append(facts.get("kind") or facts["status"])

            async with anyio.create_task_group() as tasks:
                for number in range(CALLERS):
                    tasks.start_soon(caller, ERAS[number % 2], number)
                while len(answered) < 2 * CALLERS:  # noqa: ASYNC110 -- there is nothing to wait for but time
                    await anyio.sleep(0.02)
                process.send_signal(signal.SIGTERM)
                while await is_ready(address):  # noqa: ASYNC110 -- a balancer polls, too
                    await anyio.sleep(0.05)
                goes_on = False
            await ended(process)
    assert {*answered} == {"updated"}
    assert not [*(tmp_path / "data").glob("*-wal")], "the journal was closed"


async def test_a_call_under_way_is_answered_and_new_ones_are_not_taken(tmp_path: Path) -> None:
    async with sandbox_at_work() as (sandbox, url):
        with replica(tmp_path, url) as (process, address):
            await call(address, MODERN, "lookup_contact", contact_id=1001)
            said: list[dict[str, Any]] = []
            sandbox.faults.add(Fault("update_contact", "stall", delay=1.7))

            async def slow() -> None:
                said.append(await call(address, MODERN, "update_contact", contact_id=1001, first="Jo"))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(slow)
                await anyio.sleep(0.2)
                process.send_signal(signal.SIGTERM)
                await anyio.sleep(NOTICED + 0.2)
                assert said == []
                with pytest.raises(httpx.ConnectError):
                    await is_ready(address)
            assert said[0]["status"] == "updated"
            await ended(process)
            assert sandbox.store.contact(1001)["first"] == "Jo"


async def test_a_call_without_end_is_answered_within_its_time(tmp_path: Path) -> None:
    async with sandbox_at_work() as (sandbox, url):
        with replica(tmp_path, url) as (process, address):
            await call(address, MODERN, "lookup_contact", contact_id=1001)
            sandbox.faults.add(Fault("*", "silence", times=-1))
            said: list[dict[str, Any]] = []

            async def endless() -> None:
                said.append(await call(address, MODERN, "lookup_contact", contact_id=1002))

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(endless)
                await anyio.sleep(0.2)
                process.send_signal(signal.SIGHUP)  # of a terminal that is closed, or of somebody who means "reload"
            assert said[0]["kind"] == "too_late"
            await ended(process)


async def test_idle_connections_and_long_streams_do_not_hold_it(tmp_path: Path) -> None:
    async with sandbox_at_work() as (_, url):
        with replica(tmp_path, url) as (process, address):
            async with httpx.AsyncClient(timeout=20) as client, anyio.create_task_group() as tasks:
                assert (await client.get(f"{address}/healthz")).text == "ok"
                headers, body = message(MODERN, "subscriptions/listen", {"notifications": {"toolsListChanged": True}})
                headers |= {"Authorization": f"Bearer {TOKEN}"}
                listening = client.stream("POST", f"{address}/mcp", json=body, headers=headers)
                async with listening as response:
                    lines = response.aiter_lines()
                    assert "acknowledged" in await anext(line async for line in lines if "data" in line)
                    process.send_signal(signal.SIGTERM)
                    rest = [line async for line in lines]
                assert "result" in "".join(rest), "the stream has an end of its own"
                tasks.cancel_scope.cancel()
            await ended(process)


async def test_a_second_interrupt_hastens_it(tmp_path: Path) -> None:
    async with sandbox_at_work() as (_, url):
        with replica(tmp_path, url, noticed=LONG) as (process, address):
            assert await is_ready(address)
            process.send_signal(signal.SIGINT)
            await anyio.sleep(0.2)
            process.send_signal(signal.SIGINT)
            await ended(process)


async def test_a_server_for_one_person_ends_at_once(tmp_path: Path) -> None:
    async with sandbox_at_work() as (_, url):
        with replica(tmp_path, url, hosted=False, noticed=LONG) as (process, address):
            headers, body = message(MODERN, "tools/call", {"name": "lookup_contact", "arguments": {"contact_id": 1001}})
            async with httpx.AsyncClient(timeout=20) as client:
                assert (await client.post(f"{address}/mcp", json=body, headers=headers)).status_code == 200
                assert (await client.get(f"{address}/readyz")).status_code == 404
                led = await client.get(f"{address}/mcp/", headers={"Host": "evil.example.com"})
                assert (led.status_code, "location" in led.headers) == (404, False)
                process.send_signal(signal.SIGTERM)
                await ended(process)


async def test_the_sdks_own_client_works_with_it(tmp_path: Path) -> None:
    async with sandbox_at_work() as (_, url):
        with replica(tmp_path, url) as (process, address):
            for mode in ("auto", "legacy"):
                carrier = httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=20)
                way = streamable_http_client(f"{address}/mcp", http_client=carrier)
                async with carrier, Client(way, mode=mode) as client:
                    tools = {tool.name for tool in (await client.list_tools()).tools}
                    assert "update_contact" in tools
                    assert "delete_contact" not in tools
                    answer = await client.call_tool("update_contact", {"contact_id": 1001, "first": mode})
                    assert not answer.is_error
            process.terminate()
            await ended(process)


async def sent_for_ever(stream: anyio.abc.SocketStream) -> None:
    while True:
        await stream.send(b"1000\r\n" + b"x" * 0x1000 + b"\r\n")


async def test_slow_and_large_requests_are_ended_over_a_real_socket(tmp_path: Path) -> None:
    async with sandbox_at_work() as (_, url):
        with replica(tmp_path, url) as (process, address):
            port = int(address.rpartition(":")[2])
            head = f"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAuthorization: Bearer {TOKEN}\r\n"
            for more, status in (
                ("Content-Length: 300000\r\n", b"413"),
                ("Content-Length: 10\r\nTransfer-Encoding: chunked\r\n", b"400"),
                (f"Authorization: Bearer {TOKEN}\r\nContent-Length: 0\r\n", b"400"),
            ):
                async with await anyio.connect_tcp("127.0.0.1", port) as stream:
                    await stream.send(f"{head}{more}\r\n".encode())
                    with anyio.fail_after(LATEST):
                        assert (await stream.receive()).split()[1] == status, more
            asks = b"OPTIONS /mcp HTTP/1.1\r\nOrigin: https://a.example\r\nAccess-Control-Request-Method: POST\r\n"
            for beginning in (b"POST /mcp HTTP/1.1\r\n", asks):
                async with await anyio.connect_tcp("127.0.0.1", port) as stream:  # a stranger who sends for ever
                    await stream.send(beginning + b"Host: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n")
                    with anyio.fail_after(LATEST), pytest.raises(anyio.BrokenResourceError):
                        await sent_for_ever(stream)
            process.terminate()
            await ended(process)
