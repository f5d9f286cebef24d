"""A stage for proofs: one connected assistant meets a fresh account again and again."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hurried import time_of_day
from mcp.client import Client

from contacts_mcp.book.book import Book
from contacts_mcp.book.search.mirror import at_once
from contacts_mcp.config import Settings
from contacts_mcp.sandbox import Behaviour, Lag, Sandbox, open_sandbox
from contacts_mcp.sandbox.rows.records import Record
from contacts_mcp.server.server import build_server
from contacts_mcp.workspace import Workspace

from .assistant import Assistant
from .wire import Wire

TIMEOUT = 2.0
CALL_TIMEOUT = 60.0
AN_HOUR = 3600.0


class Server(Assistant):
    """A further server on the account of a stage, and its own way there."""

    def __init__(self, client: Client, wire: Wire) -> None:
        self.client = client
        self.wire = wire


class Stage(Assistant):
    """One server and one client. `fresh()` puts a new account behind them, with two people in it and nobody else."""

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
        self._dead: list[Workspace] = []  # of killed servers, whose files the system would close
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
        # A lagging read may hide a contact that was created just now, so its absence would prove nothing.
        lately = datetime.fromtimestamp(time_of_day() - AN_HOUR, UTC)
        known = {"created": f"{lately:%Y-%m-%dT%H:%M:%SZ}", "updated": f"{lately:%Y-%m-%dT%H:%M:%SZ}"}
        ada = store.add_contact(
            phone="15105550101",
            first="Ada",
            last="Example",
            email="ada@example.com",
            custom={"31": "Gold", "33": "Oakland"},
            tags=[101, 102],
            assigned_user_id=502,
            **known,
        )
        ben = store.add_contact(
            phone="15105550102", first="Ben", last="Example", is_opted_out=True, custom={"31": "Basic"}, **known
        )
        assert (ada, ben) == (self.ADA, self.BEN)
        self.restart()
        return self

    def restart(self) -> None:
        """The server is started again: same files, same account, an empty memory."""
        self._dead += [self._workspace] if self._workspace is not None else []
        self.wire = Wire(self.sandbox)
        self._workspace = Workspace(self.settings, sandbox=self.wire, clock=time_of_day, index_runs=at_once)

    async def book(self) -> Book:
        assert self._workspace is not None
        return await self._workspace.book()

    def people(self) -> dict[int, dict[str, Any]]:
        """The people in the account, without the members that every write moves."""
        return {
            person["id"]: {name: value for name, value in person.items() if name not in ("rev", "updated")}
            for person in self.sandbox.store.contacts()
        }

    def row(self, contact_id: int) -> Record:
        """A contact as the service stores it now, for `show_again`."""
        record = self.sandbox.state.records.contact(contact_id)
        assert record is not None
        return record

    def show_again(self, record: Record, lag: Lag) -> None:
        """From now on, and for as long as `lag` says, its reads show the contact as it was then."""
        self.sandbox.state.hold_back(record["id"], record, lag)

    @asynccontextmanager
    async def another_server(
        self, *, mode: str = "auto", laptop: bool = False, **settings: Any
    ) -> AsyncIterator[Server]:
        """A second server on the same account: on this machine, or on a laptop with a data directory of its own."""
        room = self.room.with_name(f"{self.room.name}-laptop") if laptop else self.room
        chosen = Settings.load(**self._settings | settings, data_dir=room)
        wire = Wire(self.sandbox)
        workspace = Workspace(chosen, sandbox=wire, clock=time_of_day, index_runs=at_once)
        try:
            async with Client(build_server(chosen, workspace=workspace), mode=mode) as connected:
                yield Server(connected, wire)
        finally:
            await workspace.aclose()

    async def aclose(self) -> None:
        while self._dead:
            await self._dead.pop().aclose()
        if self._workspace is not None:
            await self._workspace.aclose()
            self.sandbox.close()
            self._workspace = None


OpenStage = Callable[..., AbstractAsyncContextManager[Stage]]


def open_stages(directory: Path) -> OpenStage:
    """Opens a stage: `async with open_stage(mode=..., client=..., behaviour=..., **settings) as stage`."""

    @asynccontextmanager
    async def opened(
        *,
        mode: str = "auto",
        client: dict[str, Any] | None = None,
        behaviour: dict[str, Any] | None = None,
        **settings: Any,
    ) -> AsyncIterator[Stage]:
        stage = Stage(directory, settings)
        server = build_server(stage.settings, workspace=stage)
        try:
            async with Client(server, mode=mode, **(client or {})) as connected:
                stage.client = connected
                yield await stage.fresh(**(behaviour or {}))
        finally:
            await stage.aclose()

    return opened
