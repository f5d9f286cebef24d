"""Shared by the tests of the wire: a client on any transport or address, whose time is simulated."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing

import httpx
import pytest

from contacts_mcp.api.auth import Auth, BearerKey
from contacts_mcp.api.client import HeymarketClient
from contacts_mcp.api.connection import transport_to
from contacts_mcp.api.pace import Pace
from contacts_mcp.sandbox import Credentials, Sandbox, open_sandbox
from contacts_mcp.state.ledger import SqliteLedger

URL = "http://planted-host.example"
KEY = "planted-key-91c2"

OpenClient = Callable[..., AbstractAsyncContextManager[HeymarketClient]]


class Time:
    """A clock that only sleeping moves. It keeps the seconds of each sleep."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.slept: list[float] = []

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with closing(open_sandbox(contacts=40, credentials=Credentials(api_key=KEY))) as opened:
        yield opened


@pytest.fixture
def connect(time: Time) -> OpenClient:
    """Opens a client on a transport, or over real HTTP on a `url`: `async with connect(transport, ...) as client`."""

    @asynccontextmanager
    async def connected(
        transport: httpx.AsyncBaseTransport | None = None,
        *,
        url: str = URL,
        auth: Auth | None = None,
        timeout: float = 2.0,  # noqa: ASYNC109 -- passed on
        limit: int = 100_000,
    ) -> AsyncIterator[HeymarketClient]:
        pace = Pace(SqliteLedger(None, "a"), limit=limit, clock=time.clock, sleep=time.sleep)
        client = HeymarketClient(
            url,
            transport or transport_to(url),
            auth=auth or BearerKey(KEY),
            pace=pace,
            timeout=timeout,
            draw=lambda: 0.5,
            sleep=time.sleep,
        )
        try:
            yield client
        finally:
            await client.aclose()

    return connected


@pytest.fixture
async def client(sandbox: Sandbox, connect: OpenClient) -> AsyncIterator[HeymarketClient]:
    async with connect(sandbox.transport()) as opened:
        yield opened
