"""An httpx transport into the app without a socket. It fails as a socket would.

| the app | the client sees |
|---|---|
| never got the request | ConnectError |
| dropped the connection | ReadError |
| sent less than it announced | RemoteProtocolError |
| sent nothing for longer than the read timeout | ReadTimeout |

httpx times each read, not the whole reply. So an app that drips never times out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import httpx
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .faults import ConnectionDropped, ConnectionRefused


class SandboxTransport(httpx.AsyncBaseTransport):
    """Lets a client talk to a sandbox in the same process."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends one request into the app."""
        patience = request.extensions.get("timeout", {}).get("read")
        with _translated(request), _read_timeout(request, patience) as note_progress:
            response = await httpx.ASGITransport(app=_watched(self._app, note_progress)).handle_async_request(request)
            body = await _body(response)
        _check_length(response, body, request)
        return response


@contextmanager
def _translated(request: httpx.Request) -> Iterator[None]:
    try:
        yield
    except ConnectionRefused as error:
        raise httpx.ConnectError("refused", request=request) from error
    except ConnectionDropped as error:
        raise httpx.ReadError("dropped", request=request) from error


@contextmanager
def _read_timeout(request: httpx.Request, patience: float | None) -> Iterator[Callable[[], None]]:
    """Ends the block when `patience` seconds pass without progress."""
    with anyio.move_on_after(patience) as scope:

        def note_progress() -> None:
            if patience is not None:
                scope.deadline = anyio.current_time() + patience

        yield note_progress
    if scope.cancelled_caught:
        raise httpx.ReadTimeout("nothing came in time", request=request)


def _watched(app: ASGIApp, note_progress: Callable[[], None]) -> Any:
    async def watched(scope: Scope, receive: Receive, send: Send) -> None:
        async def send_watched(message: Message) -> None:
            note_progress()
            await send(message)

        await app(scope, receive, send_watched)

    return watched


async def _body(response: httpx.Response) -> bytes:
    # The stream can be read again. Reading the response would disturb the client's own bookkeeping.
    assert isinstance(response.stream, httpx.AsyncByteStream)
    return b"".join([part async for part in response.stream])


def _check_length(response: httpx.Response, body: bytes, request: httpx.Request) -> None:
    announced = response.headers.get("content-length")
    if announced is not None and len(body) < int(announced) and request.method != "HEAD":
        message = "peer closed connection without sending complete message body"
        raise httpx.RemoteProtocolError(message, request=request)
