"""Streamable HTTP for clients on this machine: one address, taken before anything is said about it, and left well on a signal.

On SIGINT or SIGTERM no new call is taken, those under way have `LAST_WORDS` to end, and the process exits 0 with the journal closed.
uvicorn by itself waits for them without end and then raises the signal again, which would kill it in the middle of closing.
"""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Callable

import anyio
import uvicorn
from starlette.types import ASGIApp

LAST_WORDS = 0.3  # seconds


def serve(app: ASGIApp, host: str, port: int, *, ready: Callable[[], None]) -> None:
    """Serve until a signal; `ready` is called once the address is ours. Raises OSError where it cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listener:
        listener.setsockopt(
            socket.IPPROTO_TCP, socket.TCP_NODELAY, 1
        )  # asyncio leaves it out for sockets it did not make: 40 ms a request
        server = uvicorn.Server(_config(app))

        def end(*_: object) -> None:
            server.should_exit = True
            logging.getLogger("uvicorn.error").setLevel(
                logging.CRITICAL
            )  # it would report every call that is cut off, with its traceback

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(
                number, end
            )  # for a signal before uvicorn listens for any, and for the one it raises again afterwards
        ready()
        anyio.run(server.serve, [listener])


def _config(app: ASGIApp) -> uvicorn.Config:
    patience: int = LAST_WORDS  # type: ignore[assignment]  # uvicorn only hands it on to asyncio, which takes parts of a second
    return uvicorn.Config(app, log_level="warning", access_log=False, timeout_graceful_shutdown=patience)
