"""Who sent how many requests when: the times of the requests of the last minute, shared by the servers of one machine.

- Each desktop client starts a server of its own, so the times are kept in one small SQLite file, by account.
- Any window of `WINDOW` seconds holds at most `limit` requests. The window is a little longer than a minute, because
  requests sent a minute apart can arrive less than a minute apart.
- Times are uptimes (`uptime.py`), so a time of day that jumps forgets nothing.
- While less than three quarters of the limit are used, a server takes a few places ahead. The requests of one call then
  cost one look into the file.
- Nobody waits here. Where another process has the file, `reserve` raises LedgerBusy, and the caller comes again.
- A server that cannot use the file counts alone for `ALONE` seconds and then tries again.
- A server keeps its own times in memory, too. It writes them down where the file lacks them: after a time alone, or
  when somebody deleted or replaced the file.
"""

from __future__ import annotations

import logging
import secrets
import sqlite3
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

from contacts_mcp.state.account import Account
from contacts_mcp.state.database import Identity, connect, identity, is_busy, is_spoilt

WINDOW = 61.0
AHEAD = 1.0  # seconds within which places taken ahead are used, or lost
AHEAD_MOST = 8
SWEEP_EVERY = 5.0  # seconds between two clearances of what is older than the window
ALONE = 3.0  # seconds for which a server counts alone before it tries the file again

_SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (account TEXT NOT NULL, at REAL NOT NULL, server INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS requests_by_time ON requests (account, at);
CREATE TABLE IF NOT EXISTS pauses (account TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
"""
_SETTINGS = """
PRAGMA journal_mode = MEMORY; -- switching to WAL fails where several servers start at once
PRAGMA synchronous = OFF;     -- a power cut loses a minute at most
"""
_ENTER = "INSERT INTO requests VALUES (?, ?, ?)"
_SWEEP = "DELETE FROM requests WHERE at <= ? OR at > ?"
_WITHDRAW = "DELETE FROM requests WHERE server = ?"
_GIVE_BACK = """
DELETE FROM requests WHERE rowid IN (
    SELECT rowid FROM requests WHERE account = ? AND at = ? AND server = ? LIMIT ?)
"""
# A pause beyond the window is from before the machine was started again.
_PAUSE = """
INSERT INTO pauses VALUES (?, ?) ON CONFLICT (account) DO UPDATE SET
    until = CASE WHEN until > ? THEN excluded.until ELSE max(until, excluded.until) END
"""
_IS_MADE = "SELECT 1 FROM sqlite_master WHERE name = 'requests'"
_NEVER = float("-inf")

_log = logging.getLogger(__name__)


class LedgerBusy(Exception):
    """Another process has the ledger at this moment, which takes it some thousandths of a second."""


class Ledger(Protocol):
    """Who sent when. All times are readings of one clock that only grows."""

    async def reserve(self, now: float, limit: int, *, bulk: bool = False, alone: bool = False) -> float:
        """Take a place in the window and answer 0, or take none and answer the seconds until one may be free.

        `bulk` says that the request is one of many on behalf of one call, and can wait. If `alone`, only the requests
        from here are counted. Raises LedgerBusy where another process has the ledger.
        """

    async def pause(self, now: float, until: float) -> None:
        """Nobody sends before `until`, a moment within the window."""

    async def aclose(self) -> None: ...


class SqliteLedger:
    """A ledger in a file shared by the processes of one machine, or in memory for one process (`path` None)."""

    def __init__(self, path: Path | None, account: Account | str) -> None:
        self._path = path
        self._account = Account.of(account)
        self._db: sqlite3.Connection | None = None
        self._identity: Identity | None = None
        self._server = secrets.randbits(62)
        self._swept = _NEVER
        self._ahead = 0
        self._ahead_until = _NEVER
        self._alone_until = _NEVER
        self._told = False
        # What this server knows without the file, and whether the file may lack some of it.
        self._own: list[float] = []
        self._paused = _NEVER
        self._is_apart = True

    async def reserve(
        self,
        now: float,
        limit: int,
        *,
        bulk: bool = False,  # noqa: ARG002 -- the file counts all work alike; `limit` leaves the reserve
        alone: bool = False,
    ) -> float:
        if self._ahead and 0 <= self._ahead_until - now <= AHEAD:
            self._ahead -= 1
            self._own.append(now)
            return 0.0
        if alone or now < self._alone_until:
            return self._reserve_alone(now, limit)
        try:
            return self._reserve(now, limit)
        except (OSError, sqlite3.Error) as error:
            if is_busy(error):
                raise LedgerBusy from None
            self._give_up(error)
            return self._reserve_alone(now, limit)

    async def pause(self, now: float, until: float) -> None:
        self._paused = max(until, self._paused if self._paused <= now + WINDOW else _NEVER)
        if now < self._alone_until:
            return
        try:
            with self._transaction(now) as db:
                self._give_back(db)
        except (OSError, sqlite3.Error) as error:
            if not is_busy(error):  # else the next request writes it down
                self._give_up(error)

    async def aclose(self) -> None:
        self._close()

    def _close(self) -> None:
        if self._db:
            self._db.close()
            self._db = None

    # Alone

    def _give_up(self, error: Exception) -> None:
        """Count alone for a while."""
        self._close()
        if is_spoilt(error) and self._path:
            self._path.unlink(missing_ok=True)  # it holds nothing that is older than a minute, and is made anew
        if not self._told:
            _log.warning(
                "the request pace is not shared with other servers: its file cannot be used (%s)", type(error).__name__
            )
        self._told = True

    def _reserve_alone(self, now: float, limit: int) -> float:
        if self._alone_until <= now:
            self._alone_until = now + ALONE
        self._is_apart = True
        self._forget_old(now)
        nth_last = self._own[-limit] if len(self._own) >= limit else _NEVER
        wait = max(self._pause_left(now, self._paused), nth_last + WINDOW - now)
        if not wait:
            self._own.append(now)
        return wait

    def _forget_old(self, now: float) -> None:
        del self._own[: bisect_right(self._own, now - WINDOW)]

    # In the file

    @contextmanager
    def _transaction(self, now: float) -> Iterator[sqlite3.Connection]:
        """The file, locked for writing, with everything in it that this server knows and the file did not."""
        db = self._opened()
        db.execute("BEGIN IMMEDIATE")
        with db:
            self._hand_over(db, now)
            yield db
        self._is_apart = False
        self._told = False

    def _opened(self) -> sqlite3.Connection:
        if self._db is not None and identity(self._path) != self._identity:
            self._close()  # it was deleted or replaced; nobody else sees what is written to the old one
        if self._db is None:
            self._db = _open(self._path)
            self._identity = identity(self._path)
            self._is_apart = True
        return self._db

    def _hand_over(self, db: sqlite3.Connection, now: float) -> None:
        self._forget_old(now)
        if self._is_apart:
            self._ahead = 0
            db.execute(_WITHDRAW, (self._server,))
            db.executemany(_ENTER, [self._row(at) for at in self._own])
        if self._paused > now:
            db.execute(_PAUSE, (self._account.name, self._paused, now + WINDOW))

    def _reserve(self, now: float, limit: int) -> float:
        with self._transaction(now) as db:
            self._give_back(db)
            wait = self._wait(db, now, limit)
            places = 0 if wait else self._enter(db, now, limit)
        if not wait:
            self._ahead, self._ahead_until = places, now + AHEAD
            self._own.append(now)
        return wait

    def _give_back(self, db: sqlite3.Connection) -> None:
        """Take out the places taken ahead that were not used in time."""
        if self._ahead:
            db.execute(_GIVE_BACK, (*self._row(self._ahead_until), self._ahead))
            self._ahead = 0

    def _enter(self, db: sqlite3.Connection, now: float, limit: int) -> int:
        """Write the request down. In quiet times take the next few places, too, as used at their last moment."""
        is_quiet = self._nth_last(db, self._account.names, limit * 3 // 4) <= now - WINDOW
        places = min(AHEAD_MOST, limit // 50) if is_quiet else 0
        db.executemany(_ENTER, [self._row(now), *[self._row(now + AHEAD)] * places])
        return places

    def _row(self, at: float) -> tuple[str, float, int]:
        return self._account.name, at, self._server

    def _wait(self, db: sqlite3.Connection, now: float, limit: int) -> float:
        if not 0 <= now - self._swept < SWEEP_EVERY:
            # Times that are still to come are from before the machine was started again.
            db.execute(_SWEEP, (now - WINDOW, now + 2 * AHEAD))
            self._swept = now
        names = self._account.names
        pauses = db.execute(f"SELECT until FROM pauses WHERE {_among(names)}", names)
        longest = max((self._pause_left(now, until) for (until,) in pauses), default=0.0)
        return longest or max(0.0, self._nth_last(db, names, limit) + WINDOW - now)

    @staticmethod
    def _pause_left(now: float, until: float) -> float:
        return until - now if now < until <= now + WINDOW else 0.0

    @staticmethod
    def _nth_last(db: sqlite3.Connection, names: tuple[str, ...], n: int) -> float:
        """When the n-th last request was sent. Where there are not so many, that was long ago."""
        query = f"SELECT at FROM requests WHERE {_among(names)} ORDER BY at DESC LIMIT 1 OFFSET ?"
        found = db.execute(query, (*names, n - 1)).fetchone() if n else None
        return float(found[0]) if found else _NEVER


def _among(names: tuple[str, ...]) -> str:
    """The condition that a row belongs to an account with these names."""
    return f"account IN ({', '.join('?' * len(names))})"


def _open(path: Path | None) -> sqlite3.Connection:
    db = connect(path, patience=0)
    try:
        db.executescript(_SETTINGS + _SCHEMA)
    except sqlite3.Error:
        db.close()
        raise
    return db


def usage(path: Path, account: Account | str, now: float) -> tuple[int, float]:
    """How many requests the file at `path` holds for the last minute, and how many seconds a pause still lasts.

    Reads only. Raises sqlite3.Error.
    """
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=1)) as db:
        if not db.execute(_IS_MADE).fetchone():
            return 0, 0.0  # an earlier version made it, or somebody is just making it
        names = Account.of(account).names
        count = f"SELECT count(*) FROM requests WHERE {_among(names)} AND at > ? AND at <= ?"
        (sent,) = db.execute(count, (*names, now - WINDOW, now + AHEAD)).fetchone()
        query = f"SELECT coalesce(max(until), 0) FROM pauses WHERE {_among(names)} AND until <= ?"
        (until,) = db.execute(query, (*names, now + WINDOW)).fetchone()
    return int(sent), max(0.0, float(until) - now)
