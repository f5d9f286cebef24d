"""A real PostgreSQL whose time is that of a hurried loop, and the replicas' ways to it.

Time in PostgreSQL is whatever `clock_timestamp` says, so the database has one of its own. Each statement tells it the
time first. A statement blocks the loop, so it takes no time there but what the dice give its way.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio
import psycopg
from hurried import MIDDAY, time_of_day
from postgres_server import PostgresServer
from psycopg.rows import dict_row

from contacts_mcp.config import Settings
from contacts_mcp.shared import Shared
from contacts_mcp.state.account import Account
from contacts_mcp.state.postgres.clock import ticks
from contacts_mcp.state.postgres.database import PATIENCE, SharedDatabase
from contacts_mcp.state.protocols import Imports, Journal, Locks

TRIPS = (0.0, 0.0005, 0.002, 0.05)  # seconds of a way to PostgreSQL
_NAME = "hurried"
_CLOCK = """
    CREATE SCHEMA hurried;
    CREATE FUNCTION hurried.clock_timestamp() RETURNS timestamptz LANGUAGE sql VOLATILE AS
        $$ SELECT to_timestamp(current_setting('hurried.now')::double precision) $$;
"""
_SETTINGS = (
    f"ALTER DATABASE {_NAME} SET search_path = hurried, pg_catalog",
    f"ALTER DATABASE {_NAME} SET hurried.now = '{MIDDAY}'",
)


class HurriedPostgres:
    """The server, with one connection that all replicas of a program use one after the other."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.connection: psycopg.Connection[dict[str, Any]] = psycopg.connect(
            url, autocommit=True, row_factory=dict_row
        )

    @classmethod
    @contextmanager
    def on(cls, server: PostgresServer) -> Iterator[HurriedPostgres]:
        """A database of that server, with the tables that the first replica makes. Ends with the block."""
        url = server.new_database(_NAME)
        server.ask(_CLOCK, _NAME)
        for setting in _SETTINGS:
            server.ask(setting)
        anyio.run(_prepared, url)
        hurried, right = cls(url), time.clock_gettime
        time.clock_gettime = lambda _: asyncio.get_running_loop().time()  # `ticks` asks it
        try:
            yield hurried
        finally:
            time.clock_gettime = right
            hurried.connection.close()
            server.ask(f"DROP DATABASE {_NAME}")


async def _prepared(url: str) -> None:
    db = SharedDatabase(url)
    await db.open()
    await db.aclose()


class ReplicaDatabase(SharedDatabase):
    """The database as one replica reaches it, or does not. Dice say how long a statement is on its way."""

    def __init__(self, server: HurriedPostgres, dice: random.Random) -> None:
        super().__init__(server.url)
        self._server, self._dice = server, dice
        self._knows_time = False
        self.away: tuple[float, float] = (0.0, 0.0)  # from when until when, by `ticks`

    def die(self, *, after: float) -> None:
        """The process is killed after so many seconds. PostgreSQL hears nothing of it from then on."""
        self.away = (ticks() + after, float("inf"))

    async def _once(self, work: Any, patience: float) -> Any:  # noqa: ARG002 -- an answer comes, or none
        self._refuse_in_silence()
        with anyio.CancelScope(shield=True):
            if not self._knows_time:
                await self._tried(self._is_prepared)
                self._knows_time = True
            return await self._tried(work)

    async def _tried(self, work: Any) -> Any:
        begun, connection = ticks(), _AsIfAsync(self._server.connection)
        await anyio.sleep(self._dice.choice(TRIPS))
        if self.away[0] <= ticks() < self.away[1]:
            if self.away[1] < float("inf") and self._dice.random() < 0.5:
                await work(connection)  # its answer is lost
            await anyio.sleep(PATIENCE)
            raise self._away("no answer", since=begun)
        result = await work(connection)
        self._answered = ticks()
        await anyio.sleep(self._dice.choice(TRIPS))
        return result


class _AsIfAsync:
    """A connection that blocks, for code that awaits it."""

    def __init__(self, connection: psycopg.Connection[dict[str, Any]]) -> None:
        self._connection = connection
        connection.execute("SELECT set_config('hurried.now', %s, false)", [repr(time_of_day())])

    async def execute(self, query: bytes, values: Mapping[str, Any] | list[Any] | None = None) -> _Cursor:
        return _Cursor(self._connection.execute(query, values))

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        with self._connection.transaction():
            yield


class _Cursor:
    def __init__(self, cursor: psycopg.Cursor[dict[str, Any]]) -> None:
        self._cursor = cursor
        self.description, self.rowcount = cursor.description, cursor.rowcount

    async def fetchall(self) -> list[dict[str, Any]]:
        return self._cursor.fetchall()

    async def fetchone(self) -> dict[str, Any] | None:
        return self._cursor.fetchone()


class ReplicaState(Shared):
    """The shared state of one replica, of an account that a sequence has for itself."""

    def __init__(self, server: HurriedPostgres, dice: random.Random, account: str) -> None:
        super().__init__(Settings.load(database_url=server.url))
        self.replica = self.database = ReplicaDatabase(server, dice)
        self._account = Account.of(account)

    def lasting(self, account: Account) -> tuple[Journal, Locks, Imports] | None:  # noqa: ARG002 -- its own one
        return super().lasting(self._account)
