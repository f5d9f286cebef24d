"""Serving on stdin and stdout, and ending well on a signal: as if the client had closed stdin.

A read of stdin cannot be interrupted. Without the pipe below, SIGINT would hang and SIGTERM would kill in the middle of
a call. So stdin is passed on through a pipe of our own, and a signal closes that pipe. The server reads the end of its
input, closes journal and sandbox as always, and exits 0. A second signal has its usual effect.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
from mcp.server.lowlevel.server import Server
from mcp.server.stdio import stdio_server

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STDIN = 0
_CHUNK = 65536


def serve(server: Server[Any]) -> None:
    """Serve one client until it closes stdin, or until a signal."""

    async def run() -> None:
        async with stdio_server() as (reading, writing):
            await server.run(reading, writing, server.create_initialization_options())

    with _ending_on_signals():
        anyio.run(run)


@contextmanager
def _ending_on_signals() -> Iterator[None]:
    """Within this, SIGINT and SIGTERM close stdin. The process is about to end, so nothing is put back."""
    try:
        client = os.dup(_STDIN)
    except OSError:  # started without a stdin: there is nothing to wait for
        yield
        return
    reading, writing = os.pipe()
    os.dup2(reading, _STDIN)
    os.close(reading)
    for number in _SIGNALS:
        signal.signal(number, lambda *_: _end(writing))
    threading.Thread(target=_pass_on, args=(client, writing), daemon=True).start()
    yield


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
