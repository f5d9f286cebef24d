"""The sandbox on a port of its own."""

from __future__ import annotations

import socket
from typing import Any

import anyio
import h11
import uvicorn
from anyio.abc import TaskStatus
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from .faults import ConnectionDropped
from .sandbox import Sandbox


async def serve(
    sandbox: Sandbox,
    host: str = "127.0.0.1",
    port: int = 0,
    *,
    task_status: TaskStatus[str] = anyio.TASK_STATUS_IGNORED,
) -> None:
    """Serves until a signal or a cancellation ends it.

    Port 0 takes a free port. `task_status` gets the URL when the sandbox listens.
    Raises OSError for an address that cannot be used.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listener:
        # asyncio sets this on its own sockets only. Without it each request takes 40 ms.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        server = uvicorn.Server(_config(sandbox.app))
        task_status.started(_url(listener))
        try:
            await server.serve(sockets=[listener])
        finally:
            await _shut_down(server, listener)


def _config(app: ASGIApp) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        http=_DroppingProtocol,
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )


def _url(listener: socket.socket) -> str:
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


async def _shut_down(server: uvicorn.Server, listener: socket.socket) -> None:
    """Closes the connections that uvicorn leaves open when it is cancelled instead of signalled."""
    if server.started and not server.should_exit:
        with anyio.CancelScope(shield=True):
            await server.shutdown(sockets=[listener])


class _DroppingProtocol(H11Protocol):
    """Ends the connection when a fault says so. Uvicorn alone would answer 500 and log a traceback."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._inner: Any = self.app
        self.app = self._answer_or_drop

    async def _answer_or_drop(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._inner(scope, receive, send)
        except (ConnectionDropped, h11.LocalProtocolError):  # h11 complains about a truncated body
            self.transport.close()
            while (await receive())["type"] != "http.disconnect":
                pass
