"""Serving streamable HTTP: to clients on this machine, or hosted for a team (`hosting.py`).

On SIGINT, SIGTERM or SIGHUP the server takes no new call, gives those under way time to end, and exits 0 with the
journal closed. uvicorn by itself waits for them without end. Then it raises the signal again, which would kill the
process in the middle of closing.

- On this machine they have `GRACE`, because a client that ends its server waits for it.
- Hosted, nobody may notice. `/readyz` says first that this server ends, and every answer closes its connection. After
  `NOTICED` the address is closed (`closing.py`). Requests that are in the socket by then have `SETTLED` to be read, and
  calls have as long as any call. Where a proxy keeps no connections to its replicas, no request is lost.
"""

from __future__ import annotations

import logging
import math
import signal
import socket
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

import anyio
import uvicorn
from sse_starlette.sse import AppStatus
from starlette.applications import Starlette
from starlette.types import ASGIApp

from contacts_mcp.server.closing import until_all_are_accepted
from contacts_mcp.server.seeing import Arrivals

if TYPE_CHECKING:
    from contacts_mcp.server.hosting import Hosting

GRACE = 0.3  # seconds
NOTICED = 1.5  # seconds in which a balancer looks at /readyz twice
SETTLED = 1.0  # seconds
KEEP_ALIVE = 75  # seconds without a request; longer than balancers keep a connection, or a request could be lost
_STEP = 0.05


def serve(app: Starlette, host: str, port: int, *, ready: Callable[[], None]) -> None:
    """Serve until a signal. `ready` is called once the address is taken. Raises OSError where it cannot be."""
    app.router.redirect_slashes = False  # a redirect would lead to the host that the client names
    _serve(_Server(_config(app)), host, port, ready)


def serve_hosted(hosting: Hosting, host: str, port: int, *, ready: Callable[[], None]) -> None:
    """The same for any address, with an end that loses no call."""

    # It would cut every answer that is a stream of events within half a second of the signal.
    AppStatus.disable_automatic_graceful_drain()  # type: ignore[no-untyped-call]  # the package has no such types
    _serve(_HostedServer(hosting), host, port, ready)


def _serve(server: uvicorn.Server, host: str, port: int, ready: Callable[[], None]) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listener:
        # asyncio sets this only on sockets that it made itself. Without it a request takes 40 ms more.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # For a signal before uvicorn listens for any, and for the one that it raises again afterwards.
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, server.handle_exit)
        hangup = getattr(signal, "SIGHUP", None)  # Windows has none, and `nohup` lets it be ignored
        if hangup is not None and signal.getsignal(hangup) == signal.SIG_DFL:
            signal.signal(hangup, server.handle_exit)
        ready()
        anyio.run(server.serve, [listener])


class _Server(uvicorn.Server):
    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        # uvicorn would report every call that is cut off, with its traceback.
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)
        super().handle_exit(sig, frame)


class _HostedServer(uvicorn.Server):
    def __init__(self, hosting: Hosting) -> None:
        super().__init__(_hosted_config(hosting))
        self._hosting = hosting
        self._is_hurried = False

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        if not self.should_exit:
            super().handle_exit(sig, frame)
            return
        self._is_hurried = True  # somebody waits for it, and means this end without patience
        self.config.timeout_graceful_shutdown = GRACE  # type: ignore[assignment]  # as in `_config`
        logging.getLogger("uvicorn.error").setLevel(logging.CRITICAL)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End in the order that loses no call. uvicorn then closes idle connections and waits for the others."""
        self._hosting.begin_drain()
        await self._pause(NOTICED)
        for server in self.servers:
            await until_all_are_accepted(server.sockets)
            server.close()
        await self._pause(SETTLED)
        await super().shutdown(sockets)

    async def _pause(self, seconds: float) -> None:
        """Go on serving, unless a second signal comes."""
        until = anyio.current_time() + seconds
        while not self._is_hurried and anyio.current_time() < until:  # noqa: ASYNC110 -- a signal's handler sets it
            await anyio.sleep(_STEP)


def _config(app: ASGIApp) -> uvicorn.Config:
    patience: int = GRACE  # type: ignore[assignment]  # uvicorn hands it on to asyncio, which takes parts of a second
    return uvicorn.Config(
        Arrivals(app),
        log_config=None,  # its lines go to our log, which writes no text of an exception
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=patience,
    )


def _hosted_config(hosting: Hosting) -> uvicorn.Config:
    return uvicorn.Config(
        Arrivals(hosting.app),
        access_log=False,
        log_config=None,  # its lines go where ours go, in the same form
        server_header=False,
        forwarded_allow_ips=[*hosting.settings.proxies] or ["127.0.0.1", "::1"],  # said, or the environment counts
        timeout_keep_alive=KEEP_ALIVE,
        timeout_graceful_shutdown=math.ceil(hosting.settings.call_timeout),
    )
