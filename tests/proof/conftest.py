"""What the proofs share: time that takes no time, and a stage on which one connected assistant meets a fresh account again and again."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from hurried import HurriedLoop, time_of_day
from mcp.client import Client
from mcp_types import CallToolResult

from contacts_mcp.book.book import Book
from contacts_mcp.config import Settings
from contacts_mcp.sandbox import Behaviour, Sandbox, open_sandbox
from contacts_mcp.server.server import build_server
from contacts_mcp.workspace import Workspace

TIMEOUT = 2.0
CALL_TIMEOUT = 60.0


@pytest.fixture
def hurried() -> tuple[str, dict[str, Any]]:
    """The backend for a module whose `anyio_backend` returns it."""
    return "asyncio", {"loop_factory": HurriedLoop}


class Wire:
    """The way to a sandbox: counts what is sent on it, answered or not, and lets a test step in at every request, or answer instead."""

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


class Stage:
    """One server and one client; `fresh()` puts a new account behind them. Two people are in it, and nobody else."""

    ADA = 1
    BEN = 2

    def __init__(self, directory: Path, settings: dict[str, Any]) -> None:
        self._directory = directory
        self._settings = {
            "sandbox": True,
            "requests_per_minute": 100_000,
            "timeout": TIMEOUT,
            "call_timeout": CALL_TIMEOUT,
        } | settings
        self._rooms = itertools.count()
        self._workspace: Workspace | None = None
        self.client: Client
        self.sandbox: Sandbox
        self.wire: Wire
        self.room: Path

    @property
    def settings(self) -> Settings:
        return Settings.load(**self._settings, data_dir=getattr(self, "room", self._directory))

    async def fresh(self, **behaviour: Any) -> Stage:
        """A new account, a new data directory, and a server that has just started."""
        await self.aclose()
        self.sandbox = open_sandbox(
            contacts=0, behaviour=Behaviour(**{"requests_per_minute": 0} | behaviour), clock=time_of_day
        )
        self.room = self._directory / str(next(self._rooms))
        store = self.sandbox.store
        plan = {"31": "Gold", "33": "Oakland"}
        ada = store.add_contact(
            phone="15105550101",
            first="Ada",
            last="Example",
            email="ada@example.com",
            custom=plan,
            tags=[101, 102],
            assigned_user_id=502,
        )
        ben = store.add_contact(
            phone="15105550102", first="Ben", last="Example", is_opted_out=True, custom={"31": "Basic"}
        )
        assert (ada, ben) == (self.ADA, self.BEN)
        self.restart()
        return self

    def restart(self) -> None:
        """The server is started again: same files, same account, an empty memory."""
        self.wire = Wire(self.sandbox)
        self._workspace = Workspace(self.settings, sandbox=self.wire, clock=time_of_day)  # type: ignore[arg-type]

    async def book(self) -> Book:
        assert self._workspace is not None
        return await self._workspace.book()

    async def call(self, tool: str, /, **arguments: Any) -> CallToolResult:
        result = await self.client.call_tool(tool, arguments)
        assert isinstance(result, CallToolResult)
        return result

    async def ok(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        result = await self.call(tool, **arguments)
        assert not result.is_error, self.text(result)
        assert result.structured_content is not None
        return result.structured_content

    @staticmethod
    def text(result: CallToolResult) -> str:
        (block,) = result.content
        assert block.type == "text"
        return block.text

    def people(self) -> dict[int, dict[str, Any]]:
        """Who is in the account, without what every write moves."""
        return {
            person["id"]: {name: value for name, value in person.items() if name not in ("rev", "updated")}
            for person in self.sandbox.store.contacts()
        }

    async def aclose(self) -> None:
        if self._workspace is not None:
            await self._workspace.aclose()
            self.sandbox.close()
            self._workspace = None


OpenStage = Callable[..., AbstractAsyncContextManager[Stage]]


@pytest.fixture
def open_stage(tmp_path: Path) -> OpenStage:
    """Opens a stage: `async with open_stage(mode=..., client=..., behaviour=..., **settings) as stage`."""

    @asynccontextmanager
    async def opened(
        *,
        mode: str = "auto",
        client: dict[str, Any] | None = None,
        behaviour: dict[str, Any] | None = None,
        **settings: Any,
    ) -> AsyncIterator[Stage]:
        stage = Stage(tmp_path, settings)
        server = build_server(stage.settings, workspace=stage)  # type: ignore[arg-type]
        try:
            async with Client(server, mode=mode, **(client or {})) as connected:
                stage.client = connected
                yield await stage.fresh(**(behaviour or {}))
        finally:
            await stage.aclose()

    return opened


# Each kind of error by a phrase that only it has; the first that is found counts.
KINDS = (
    ("unknown", "may or may not have been carried out"),
    ("unknown", "it may still arrive"),
    ("unknown", "could not be seen"),
    ("unknown", "it is still there when looked up"),
    ("unknown", "still shows the contact as it was before"),
    ("not_done", "was not carried out: tried twice"),
    ("too_late", "No end after"),
    ("mistake", "because of a mistake in this server"),
    ("rate_limited", "(429)"),
    ("rate_limited", "rate limit is used up, by this or by others"),
    ("unreachable", "cannot be reached"),
    ("failed", "Heymarket failed (5"),
    ("lost", "did not answer within"),
    ("lost", "The connection to Heymarket broke"),
    ("bad_answer", "with a web page"),
    ("bad_answer", "with something that is not"),
    ("bad_answer", "cannot be read"),
    ("bad_answer", "with nothing"),
    ("rejected", "did not accept the request"),
    ("nobody", "No contact has"),
    ("refused", "belongs to another contact already"),
)


@pytest.fixture
def kind_of() -> Callable[[str], str]:
    """The kind of error a text tells of."""
    return lambda text: next((kind for kind, phrase in KINDS if phrase in text), f"? {text}")
