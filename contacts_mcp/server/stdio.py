"""Serving on stdin and stdout, and ending well on a signal: as if the client had closed stdin.

A read of stdin cannot be interrupted. Without the pipe below, SIGINT would hang and SIGTERM would kill in the middle of
a call. So stdin is passed on through a pipe of our own, and a signal closes that pipe. The server reads the end of its
input, closes journal and sandbox as always, and exits 0. A second signal has its usual effect.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import IO, Any

import anyio
from anyio.abc import ObjectSendStream
from mcp.server.lowlevel.server import Server
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage

from contacts_mcp.server.lines import Lines

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STDIN = 0
_CHUNK = 65536


def serve(server: Server[Any]) -> None:
    """Serve one client until it closes stdin, or until a signal."""

    async def run(stdin: IO[str] | None) -> None:
        messages = _Messages(stdin) if stdin else None
        # The SDK only iterates over the lines of its stdin.
        async with stdio_server(stdin=messages) as (reading, writing):  # type: ignore[arg-type] # see above
            if messages:
                messages.answers = writing
            await server.run(reading, writing, server.create_initialization_options())

    with _ending_on_signals() as stdin:
        anyio.run(run, stdin)


class _Messages:
    """The messages that come on `stdin`. A line that is none is answered here."""

    answers: ObjectSendStream[SessionMessage]

    def __init__(self, stdin: IO[str]) -> None:
        self._stdin = anyio.wrap_file(stdin)

    async def __aiter__(self) -> AsyncIterator[str]:
        lines = Lines()
        async for line in self._stdin:
            for message in lines.read(line):
                if isinstance(message, str):
                    yield message
                else:
                    await self.answers.send(SessionMessage(message))


@contextmanager
def _ending_on_signals() -> Iterator[IO[str] | None]:
    """The stdin to read, which SIGINT and SIGTERM close. The process is about to end, so nothing is put back."""
    try:
        client = os.dup(_STDIN)
    except OSError:  # started without a stdin: there is nothing to wait for
        yield None
        return
    reading, writing = os.pipe()
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, _STDIN)  # no child of ours reads a message of the client
    os.close(nothing)
    for number in _SIGNALS:
        signal.signal(number, lambda *_: _end(writing))
    threading.Thread(target=_pass_on, args=(client, writing), daemon=True).start()
    # A thread can still read it when the loop has ended, so it is not closed.
    yield open(reading, encoding="utf-8", errors="replace", closefd=False)  # noqa: SIM115 -- see above


def _pass_on(client: int, writing: int) -> None:
    try:
        while data := os.read(client, _CHUNK):
            while data:
                data = data[os.write(writing, data) :]
    except OSError:
        pass
    _close(writing)


def _end(writing: int) -> None:
    _close(writing)
    for each in _SIGNALS:
        signal.signal(each, signal.SIG_DFL)


def _close(writing: int) -> None:
    """Close the pipe but keep its number taken: the other thread may be about to write to it."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, writing)
    os.close(nowhere)
