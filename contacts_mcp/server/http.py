"""Serving streamable HTTP to clients on this machine: one address, and a good end on a signal.

On SIGINT or SIGTERM the server takes no new call, gives those under way `GRACE` to end, and exits 0 with the journal
closed. uvicorn by itself waits for them without end. Then it raises the signal again, which would kill the process in
the middle of closing.
"""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Callable
from types import FrameType

import anyio
import uvicorn
from starlette.types import ASGIApp

GRACE = 0.3  # seconds


def serve(app: ASGIApp, host: str, port: int, *, ready: Callable[[], None]) -> None:
    """Serve until a signal. `ready` is called once the address is taken. Raises OSError where it cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listener:
        # asyncio sets this only on sockets that it made itself. Without it a request takes 40 ms more.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = _Server(_config(app))
        # For a signal before uvicorn listens for any, and for the one that it raises again afterwards.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, server.handle_exit)
        ready()
        anyio.run(server.serve, [listener])


class _Server(uvicorn.Server):
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn would report every call that is cut off, with its traceback.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        super().handle_exit(sig, frame)


def _config(app: ASGIApp) -> uvicorn.Config:
    patience: int = GRACE  # type: ignore[assignment]  # uvicorn hands it on to asyncio, which takes parts of a second
    return uvicorn.Config(
        app,
        log_config=None,  # its lines go to our log, which writes no text of an exception
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=patience,
    )
