"""The plans of imports and their rows. A plan is stored as it was shown, and runs as it is stored.

- The plans are in one SQLite file beside the journal, for its owner only. Without a path they are in memory.
- A row is a state, not a place in a count: a run that was killed anywhere leaves rows that say how far they came.
- The file holds personal data. A plan that is done keeps only the rows that there is something to tell about. A day
  after it was made, a plan goes. One that is running stays a day longer.
"""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from operator import attrgetter
from pathlib import Path
from typing import Any, Literal

import anyio

from contacts_mcp.errors import AccountError
from contacts_mcp.models import Values
from contacts_mcp.state.account import Account
from contacts_mcp.state.database import is_spoilt, json_text, opened, transaction
from contacts_mcp.state.uptime import passed, uptime

KEEP = 24 * 3600.0  # seconds
_PATIENCE = 5.0  # seconds for another process
_PURGE_EVERY = 600.0
_NEWER = "The plans of imports were written by a newer contacts-mcp. Update this one."

PlanKind = Literal["file", "update", "undo"]
PlanState = Literal["reading", "planned", "running", "stopped", "done"]
RowState = Literal["", "planned", "sending", "done", "told", "moved", "failed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredPlan:
    """One plan without its rows."""

    plan: int
    kind: PlanKind
    state: PlanState
    made: float
    facts: dict[str, Any]
    switches: dict[str, Any]
    counts: dict[str, Any] = field(default_factory=dict)
    digest: str = ""
    change_id: int | None = None
    problem: str = ""
    asked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRow:
    """One row of a plan."""

    row: int
    line: int
    decision: str
    phone: str = ""
    reason: str = ""
    contact_id: int | None = None
    state: RowState = ""
    wish: dict[str, Any] = field(default_factory=dict)
    expected: str = ""
    before: Values = field(default_factory=dict)
    wanted: Values = field(default_factory=dict)
    shown: dict[str, Any] = field(default_factory=dict)
    outcome: str = ""
    sent_at: float = 0.0
    change_id: int | None = None


_TABLES = ("wish", "before", "wanted", "shown")
_PLAIN = tuple(name for name in StoredRow.__dataclass_fields__ if name not in _TABLES)
_COLUMNS = (*_PLAIN, *_TABLES)
_RUN_COLUMNS = ("state", "outcome", "sent_at", "change_id", "contact_id", "decision", "shown")
_plain_of, _tables_of = attrgetter(*_PLAIN), attrgetter(*_TABLES)
_run_columns_of = attrgetter(*_RUN_COLUMNS[:-1])
_INSERT = f"INSERT INTO rows (plan, {', '.join(_COLUMNS)}) VALUES (?{', ?' * len(_COLUMNS)})"
_UPDATE = f"UPDATE rows SET {', '.join(f'{name} = ?' for name in _RUN_COLUMNS)} WHERE plan = ? AND row = ?"
_CONFIRMED = "row, line, decision, contact_id, expected, wanted"
_PLAN_TABLES = ("facts", "switches", "counts")


class Imports:
    """The plans of one account. Raises AccountError where their file cannot be used."""

    def __init__(
        self,
        path: Path | None,
        account: Account | str,
        *,
        clock: Callable[[], float] = time.time,
        uptime: Callable[[], float] = uptime,
    ) -> None:
        self._path = path
        self._account = Account.of(account)
        self._clock = clock
        self._uptime = uptime
        self._seen = clock(), uptime()  # the last time of day that counts, and when that was
        self._db: sqlite3.Connection | None = None
        self._purged = float("-inf")

    @property
    def now(self) -> float:
        return self._clock()

    # Plans

    async def begin(self, kind: PlanKind, facts: Mapping[str, Any], switches: Mapping[str, Any]) -> int:
        """A new plan without rows. Returns its number."""
        self._purge()
        with self._transaction() as db:
            made = db.execute(
                "INSERT INTO plans (account, kind, state, made, facts, switches) VALUES (?, ?, 'reading', ?, ?, ?)",
                (self._account.name, kind, self._clock(), _json(facts), _json(switches)),
            )
        return made.lastrowid or 0

    async def plan(self, plan: int) -> StoredPlan | None:
        """A plan of this account that is not too old."""
        self._purge()
        return next(iter(self._plans("plan = ?", plan)), None)

    async def plans(self, *states: PlanState) -> list[StoredPlan]:
        """The plans in one of these states, the newest first."""
        self._purge()
        marks = ", ".join("?" * len(states))
        return self._plans(f"state IN ({marks}) ORDER BY plan DESC", *states)

    async def set(self, plan: int, **changes: Any) -> None:
        """Set columns of a plan."""
        values = [_json(value) if name in _PLAN_TABLES else value for name, value in changes.items()]
        assigned = ", ".join(f"{name} = ?" for name in changes)
        with self._transaction() as db:
            db.execute(f"UPDATE plans SET {assigned} WHERE plan = ?", (*values, plan))

    async def finish(self, plan: int) -> None:
        """The run is over. Of rows that came out as planned, what they held is in the journal alone from now on."""
        with self._transaction() as db:
            db.execute("UPDATE plans SET state = 'done', problem = '' WHERE plan = ?", (plan,))
            blank = ", ".join(f"{name} = '{{}}'" for name in _TABLES)
            db.execute(f"UPDATE rows SET {blank} WHERE plan = ? AND state = 'done'", (plan,))

    @asynccontextmanager
    async def filling(self, plan: int) -> AsyncIterator[None]:
        """While its rows are added. A plan that cannot be filled to its end is forgotten: it is none."""
        try:
            yield
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self.drop(plan)
            raise

    async def drop(self, plan: int) -> None:
        with self._transaction() as db:
            db.execute("DELETE FROM rows WHERE plan = ?", (plan,))
            db.execute("DELETE FROM plans WHERE plan = ?", (plan,))

    async def forget(self) -> None:
        """Delete every plan of every account, down to its bytes, but for those that are running."""
        kept = "SELECT plan FROM plans WHERE state = 'running'"
        with self._transaction() as db:
            db.execute(f"DELETE FROM rows WHERE plan NOT IN ({kept})")
            db.execute("DELETE FROM plans WHERE state <> 'running'")
        with self._opened() as db:
            db.execute("VACUUM")
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    async def forget_own(self) -> None:
        """Delete every plan of this account: the account itself is no more."""
        for plan in await self.plans("reading", "planned", "running", "stopped", "done"):
            await self.drop(plan.plan)

    # Rows

    async def add(self, plan: int, rows: Iterable[StoredRow]) -> None:
        with self._transaction() as db:
            db.executemany(_INSERT, ((plan, *_columns_of(row)) for row in rows))

    async def save(self, plan: int, rows: Sequence[StoredRow]) -> None:
        """Write down how far these rows came, all or none."""
        with self._transaction() as db:
            db.executemany(_UPDATE, ((*_run_columns_of(row), _json(row.shown), plan, row.row) for row in rows))

    async def rows(
        self,
        plan: int,
        *,
        state: RowState | None = None,
        decision: str | None = None,
        after: int = 0,
        limit: int = 25,
    ) -> list[StoredRow]:
        """The next rows above `after`, in order."""
        chosen = {"state = ?": state, "decision = ?": decision}
        given = {test: value for test, value in chosen.items() if value is not None}
        where = " AND ".join(["plan = ?", "row > ?", *given])
        query = f"SELECT * FROM rows WHERE {where} ORDER BY row LIMIT ?"
        with self._opened() as db:
            return [_row(row) for row in db.execute(query, (plan, after, *given.values(), limit))]

    async def every_row(self, plan: int) -> AsyncIterator[StoredRow]:
        """All rows in order, some hundred at a time."""
        after = 0
        while found := await self.rows(plan, after=after, limit=500):
            for row in found:
                yield row
            after = found[-1].row

    async def confirmed(self, plan: int) -> AsyncIterator[tuple[Any, ...]]:
        """All rows in order, as far as a person confirms them, just as they are stored."""
        query = f"SELECT {_CONFIRMED} FROM rows WHERE plan = ? AND row > ? ORDER BY row LIMIT 500"
        after = 0
        while True:
            with self._opened() as db:
                found = [*map(tuple, db.execute(query, (plan, after)))]
            if not found:
                return
            for row in found:
                yield row
            after = found[-1][0]

    async def states(self, plan: int) -> dict[str, int]:
        """State -> rows in it."""
        with self._opened() as db:
            found = db.execute("SELECT state, count(*) FROM rows WHERE plan = ? GROUP BY state", (plan,))
            return dict(map(tuple, found))

    # The file

    async def aclose(self) -> None:
        """Close the file. It is opened again when it is needed."""
        self._close()

    def _close(self) -> None:
        if self._db:
            self._db.close()
            self._db = None

    def _plans(self, where: str, *values: Any) -> list[StoredPlan]:
        names = self._account.names
        ours = f"account IN ({', '.join('?' * len(names))})"
        with self._opened() as db:
            return [
                _plan(row) for row in db.execute(f"SELECT * FROM plans WHERE {ours} AND {where}", (*names, *values))
            ]

    def _purge(self) -> None:
        """Remove old plans, by a time of day that grows no faster than the machine's uptime.

        A clock that is set a month ahead would otherwise remove the plan that is being made or run.
        """
        (at, since), running = self._seen, self._uptime()
        now = min(self._clock(), at + passed(since, running))
        self._seen = now, running  # so that a clock that is corrected, and set ahead again, counts as little
        if abs(now - self._purged) < _PURGE_EVERY:
            return
        self._purged = now
        with self._transaction() as db:
            old = "made < ? AND (state <> 'running' OR made < ?)"  # a killed process leaves a plan that looks running
            moments = (now - KEEP, now - 2 * KEEP)
            db.execute(f"DELETE FROM rows WHERE plan IN (SELECT plan FROM plans WHERE {old})", moments)
            db.execute(f"DELETE FROM plans WHERE {old}", moments)

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._opened() as db, transaction(db):
            yield db

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        """The file, opened when it is first needed. A file that is no database any more is made anew."""
        try:
            if self._db is None:
                self._db = opened(self._path, "imports.sql", patience=_PATIENCE, newer=_NEWER)
            yield self._db
        except (OSError, sqlite3.Error) as error:
            if is_spoilt(error) and self._path:
                self._close()
                for side in ("", "-wal", "-shm"):
                    self._path.with_name(self._path.name + side).unlink(missing_ok=True)
            raise AccountError(
                f"Nothing was changed: the file with the plans of imports cannot be used ({type(error).__name__}). "
                "The owner of this machine can make the data directory writable, "
                "or set CONTACTS_MCP_DATA_DIR to one that is."
            ) from None


_NOTHING = "{}"


def _json(value: Any) -> str:
    return json_text(value) if value != {} else _NOTHING


def _columns_of(row: StoredRow) -> tuple[Any, ...]:
    return (*_plain_of(row), *map(_json, _tables_of(row)))


def _row(row: sqlite3.Row) -> StoredRow:
    return StoredRow(**{name: _read(row[name]) if name in _TABLES else row[name] for name in _COLUMNS})


def _read(text: str) -> Any:
    return json.loads(text) if text != _NOTHING else {}


def _plan(row: sqlite3.Row) -> StoredPlan:
    columns = {
        name: json.loads(row[name]) if name in _PLAN_TABLES else row[name] for name in StoredPlan.__dataclass_fields__
    }
    return StoredPlan(**columns | {"asked": bool(row["asked"])})


def moved_on(row: StoredRow, state: RowState, outcome: str = "", **changes: Any) -> StoredRow:
    """The row in another state."""
    return replace(row, state=state, outcome=outcome, **changes)
