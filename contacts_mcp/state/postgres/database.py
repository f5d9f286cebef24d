"""The connections to the PostgreSQL that all servers of a deployment share.

- A question is given up after a second, also where PostgreSQL is frozen and says nothing. For a second after that
  nobody is asked, because one call would wait for the same several times.
- A question that has begun is not cancelled with its caller. It takes a second at most, and its answer decides which
  records there are.
- A question that only waits for a free connection is not given up while others get their answers.
- A connection that was lost is never used again. Reads are repeated once on another one. A write is not where its first
  copy may have been carried out.
- No error and no log line holds the address, which may hold a password.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import anyio
import anyio.to_thread

from contacts_mcp.errors import AccountError
from contacts_mcp.state.postgres.clock import NOW, DatabaseClock, ticks
from contacts_mcp.state.postgres.driver import address_of, drivers
from contacts_mcp.state.postgres.migrations import Step, bring_up_to_date, is_up_to_date, known_steps

if TYPE_CHECKING:
    import psycopg
    import psycopg_pool

CONNECTIONS = 10
PATIENCE = 1.0  # seconds for one question
PATIENCE_FOR_MANY = 10.0  # seconds for a statement about some hundred rows
PATIENCE_FOR_STEPS = 120.0  # seconds for the schema, which another process may be preparing
LEASE_LIFE = 40.0  # seconds: longer than a request to Heymarket, and short enough for somebody who waits
SILENCE = 1.0  # seconds after a failure in which nobody is asked
REASON_AGAIN = 60.0  # seconds between two looks for the reason of a failure
_IN_LINE = 10.0  # seconds to wait for a free connection, at most
_GRACE = 0.1  # seconds for an answer that is there already, where this process is busy
_HANG_UP = 0.1  # seconds for PostgreSQL to end a question that was given up, before its connection is dropped
_AGAIN = ("40001", "40P01")  # another transaction was in the way, and this one was rolled back
_WRITES = "current_setting('transaction_read_only') = 'off'"
_STANDBY = "25006"  # a database that takes no writes, which a failover leaves behind for a moment

Row = dict[str, Any]
Result = TypeVar("Result")
Pool: TypeAlias = "psycopg_pool.AsyncConnectionPool[psycopg.AsyncConnection[Row]]"
Work = Callable[["psycopg.AsyncConnection[Row]"], Awaitable[Result]]

_log = logging.getLogger(__name__)


class DatabaseAway(AccountError):
    """The shared database does not answer. Nothing was sent to Heymarket."""

    kind = "database_away"

    def __init__(self, why: str) -> None:
        super().__init__(
            f"Nothing was changed: the database that this server shares with others cannot be reached ({why}). "
            "Try again in a minute. If that does not help, tell the owner of this server."
        )


class SharedDatabase:
    """The connections of this process to the shared database. They are made when they are first needed."""

    def __init__(self, url: str, *, lease_life: float = LEASE_LIFE, steps: list[Step] | None = None) -> None:
        """`url` is CONTACTS_MCP_DATABASE_URL. `lease_life` is in seconds. `steps` are those of another version.

        Raises AccountError where the driver is not installed, or where the address cannot be used.
        """
        self._driver, self._pools = drivers()
        self._address = address_of(self._driver, url)
        self._steps = steps or known_steps()
        self._pool: Pool | None = None
        self._opening = anyio.Lock()
        self._asked: dict[asyncio.Future[Any], float] = {}  # those that have a connection, and since when
        self._answered = float("-inf")
        self._silent_until = float("-inf")
        self._why_silent = ""
        self._reason_from = float("-inf")  # when the reason was looked for
        self._chores: set[asyncio.Task[Any]] = set()
        self._closers: list[Callable[[], Awaitable[None]]] = []
        self._parts: dict[str, Any] = {}
        self.clock = DatabaseClock()
        self.lease_life = lease_life

    def part(self, name: str, make: Callable[[], Result]) -> Result:
        """The one object of that name that this process has for the database, made at the first use."""
        if name not in self._parts:
            self._parts[name] = make()
        part: Result = self._parts[name]
        return part

    async def open(self) -> None:
        """Connect, and bring the schema up to date. Every question does that where it was not done.

        Raises DatabaseAway, and AccountError where a newer version prepared the schema.
        """
        await self._opened()

    async def aclose(self) -> None:
        """Give back all that this process holds, and close the connections."""
        with anyio.CancelScope(shield=True):
            for close in reversed(self._closers):
                with suppress(AccountError):
                    await close()
            pool, self._pool = self._pool, None
            for chore in [*self._chores]:
                chore.cancel()
            if pool is not None:
                await pool.close(timeout=PATIENCE)

    def on_close(self, close: Callable[[], Awaitable[None]]) -> None:
        """Call `close` before the connections are closed. The first one is called last."""
        self._closers.append(close)

    async def is_up(self) -> bool:
        """Whether PostgreSQL answers, and takes writes. It takes a second at most."""
        try:
            (row,) = await self.fetch(f"SELECT {NOW} AS clock, {_WRITES} AS writes")
        except AccountError:
            return False
        if not row["writes"]:
            self._look_for_the_reason()
        return bool(row["writes"])

    async def fetch(
        self, query: str, values: Mapping[str, Any] | None = None, *, patience: float = PATIENCE, again: bool = False
    ) -> list[Row]:
        """The rows of one statement, which is a transaction of its own.

        `patience` is in seconds. `again` says that it may be carried out twice. A column `clock` of the first row is
        PostgreSQL's time. The statement may name a value `asked`: PostgreSQL's time when it is sent, in Unix seconds.
        One that a frozen server carries out later can tell by it that nobody waits any more.
        Raises DatabaseAway, AccountError.
        """

        async def ask(db: psycopg.AsyncConnection[Row]) -> list[Row]:
            asked = ticks()
            cursor = await db.execute(query.encode(), values and {**values, "asked": self.clock.latest})
            rows = await cursor.fetchall() if cursor.description else []
            if rows and rows[0].get("clock") is not None:
                self.clock.seen(rows[0]["clock"], asked=asked, answered=ticks())
            return rows

        return await self.run(ask, patience=patience, again=again)

    async def execute(
        self, query: str, values: Mapping[str, Any] | None = None, *, patience: float = PATIENCE, again: bool = False
    ) -> int:
        """Carry out one statement, as `fetch` does. Returns how many rows it wrote."""

        async def ask(db: psycopg.AsyncConnection[Row]) -> int:
            return (await db.execute(query.encode(), values)).rowcount

        return await self.run(ask, patience=patience, again=again)

    async def run(self, work: Work[Result], *, patience: float = PATIENCE, again: bool = False) -> Result:
        """Carry out `work` on a connection, where each statement is a transaction. Returns its result.

        Raises DatabaseAway, AccountError.
        """
        try:
            try:
                return await self._once(work, patience)
            except self._driver.Error as error:
                if not again or not self._is_passing(error):
                    raise
            await self._drop_dead_connections()
            return await self._once(work, patience)
        except self._driver.Error as error:
            raise self._translated(error) from None

    def later(self, work: Awaitable[Any]) -> None:
        """Do something beside the calls, until the database is closed."""
        chore = asyncio.ensure_future(work)
        self._chores.add(chore)
        chore.add_done_callback(self._chores.discard)
        chore.add_done_callback(_heard)

    # One question

    async def _once(self, work: Work[Result], patience: float) -> Result:
        self._refuse_in_silence()
        pool = await self._opened()
        with anyio.CancelScope(shield=True):
            return await self._in_time(pool, work, patience)
        raise AssertionError  # not reached, but the type checker believes that a scope may swallow its body

    async def _in_time(self, pool: Pool, work: Work[Result], patience: float) -> Result:
        """Give `work` up where PostgreSQL says nothing for so many seconds. The caller goes on at once.

        A question that waits for a free connection waits for as long as others get their answers.
        """
        begun = ticks()
        task = asyncio.ensure_future(self._on_connection(pool, work))
        task.add_done_callback(_heard)  # also where this one is cancelled, as chores are at the end
        while not task.done():
            in_line = max(begun, self._answered) + min(patience, PATIENCE)
            until = self._asked[task] + patience if task in self._asked else in_line
            left = min(until, begun + patience + _IN_LINE) - ticks()
            await asyncio.wait({task}, timeout=max(left, _GRACE))
            if left <= 0:
                break
        if task.done():
            return task.result()
        task.cancel()  # asks PostgreSQL to end the statement, which a frozen one does not hear
        asyncio.get_running_loop().call_later(_HANG_UP, task.cancel)
        raise self._away("no answer", since=begun)

    async def _on_connection(self, pool: Pool, work: Work[Result]) -> Result:
        task = asyncio.current_task()
        assert task
        try:
            async with pool.connection(timeout=PATIENCE_FOR_MANY + _IN_LINE) as db:
                self._asked[task] = ticks()
                result = await work(db)
        finally:
            self._asked.pop(task, None)
        self._answered = ticks()
        return result

    def _translated(self, error: psycopg.Error) -> AccountError:
        if self._is_passing(error) or isinstance(error, self._driver.InterfaceError):
            return self._away(type(error).__name__, since=ticks())
        _log.warning("the shared database refuses: %s", type(error).__name__)
        return AccountError(
            f"Nothing was changed: the database that this server shares with others refused ({type(error).__name__}). "
            "Tell the owner of this server."
        )

    def _away(self, why: str, *, since: float) -> DatabaseAway:
        """The error on a question that nobody answered. A slow one, while others are answered, silences nobody."""
        if self._answered < since:
            self._silent_until, self._why_silent = ticks() + SILENCE, why
            self.later(self._drop_dead_connections())
            self._look_for_the_reason()
        _log.warning("the shared database does not answer: %s", why)
        return DatabaseAway(why)

    def _look_for_the_reason(self) -> None:
        """Log it beside the calls. The pool only tells that there is no connection."""
        if ticks() - self._reason_from >= REASON_AGAIN:
            self._reason_from = ticks()
            self.later(self._tell_the_reason())

    async def _tell_the_reason(self) -> None:
        why = await anyio.to_thread.run_sync(why_away, self._address, abandon_on_cancel=True)
        if why:
            _log.warning("the shared database cannot be reached: %s", why)

    def _refuse_in_silence(self) -> None:
        if ticks() < self._silent_until:
            raise DatabaseAway(self._why_silent)

    async def _drop_dead_connections(self) -> None:
        """Replace the idle connections, which died with the server. A check of each would wait for a frozen one."""
        if self._pool is not None:
            with anyio.CancelScope(shield=True):
                await self._pool.drain()

    def _is_passing(self, error: psycopg.Error) -> bool:
        """Whether another try may succeed: no connection, or one that another transaction or a failover ended."""
        is_operational = isinstance(error, self._driver.OperationalError)
        return is_operational or error.sqlstate in _AGAIN or error.sqlstate == _STANDBY

    # The connections

    async def _opened(self) -> Pool:
        if self._pool is None:
            async with self._opening:
                if self._pool is None:
                    self._refuse_in_silence()  # those who waited here need not try the same again
                    self._pool = await self._newly_opened()
        return self._pool

    async def _newly_opened(self) -> Pool:
        pool: Pool = self._pools.AsyncConnectionPool(
            self._address,
            kwargs={"autocommit": True, "prepare_threshold": None, "row_factory": self._driver.rows.dict_row},
            min_size=1,
            max_size=CONNECTIONS,
            reconnect_timeout=2 * PATIENCE,  # then the next question tries again, without ever longer pauses
            open=False,
        )
        try:
            with anyio.CancelScope(shield=True):
                await pool.open()
                if not await self._in_time(pool, self._is_prepared, PATIENCE):
                    await self._in_time(pool, self._prepare, PATIENCE_FOR_STEPS)
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                await pool.close(timeout=PATIENCE)
            if isinstance(error, self._driver.Error):
                raise self._translated(error) from None
            raise
        return pool

    async def _prepare(self, db: psycopg.AsyncConnection[Row]) -> None:
        await bring_up_to_date(db, self._steps)

    async def _is_prepared(self, db: psycopg.AsyncConnection[Row]) -> bool:
        asked = ticks()
        found = await (await db.execute(f"SELECT {NOW} AS clock".encode())).fetchone()
        assert found
        self.clock.seen(found["clock"], asked=asked, answered=ticks())
        return await is_up_to_date(db, self._steps)


def _heard(task: asyncio.Task[Any]) -> None:
    """Nobody waits for the task, and its failure was told already."""
    if not task.cancelled():
        task.exception()


# What PostgreSQL and the network say in English, and the same without an address, a user or a database.
_REASONS = {
    "password authentication failed": "the user or the password is wrong",
    "no password supplied": "the address has no password",
    "no pg_hba.conf entry": "its pg_hba.conf lets this machine, user or database not in",
    'database "': "there is no such database, or the user may not use it",
    'role "': "there is no such user",
    "Connection refused": "nothing listens at that address",
    "resolve": "there is no such host",
    "imeout": "no answer in time",
}


def why_away(url: str) -> str:
    """Why no connection can be made, in words of our own. "" where one can, or for another reason.

    Raises AccountError as `SharedDatabase` does.
    """
    driver, _ = drivers()
    address = address_of(driver, url)
    try:
        with driver.connect(address) as db:
            found = db.execute(f"SELECT {_WRITES}".encode()).fetchone()
    except driver.Error as error:
        said = str(error)
        return next((ours for theirs, ours in _REASONS.items() if theirs in said), "")
    return "" if found and found[0] else "it takes no writes, as a standby or one with a full disk"
