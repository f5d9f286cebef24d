"""The way to a sandbox, with a place to step in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import httpx

from contacts_mcp.sandbox import Sandbox


class Wire:
    """Counts the requests on the way to a sandbox, answered or not. A test can step in at each, or answer instead."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self.sent = 0
        self.headers: dict[str, str] = {}
        self.before: Callable[[httpx.Request], Awaitable[None]] | None = None
        self.after: Callable[[httpx.Request], Awaitable[None]] | None = None
        self.answer: tuple[int, str] | None = None

    def transport(self) -> httpx.AsyncBaseTransport:
        return _WatchedTransport(self, self._sandbox.transport())


class _WatchedTransport(httpx.AsyncBaseTransport):
    def __init__(self, wire: Wire, inner: httpx.AsyncBaseTransport) -> None:
        self._wire = wire
        self._inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self._wire.sent += 1
        if self._wire.before:
            await self._wire.before(request)
        if self._wire.answer:
            status, text = self._wire.answer
            return httpx.Response(status, text=text, headers=self._wire.headers)
        response = await self._inner.handle_async_request(request)
        if self._wire.after:
            await self._wire.after(request)
        return response
