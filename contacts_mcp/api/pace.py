"""Staying under the rate limit, together with every other process of this machine that uses the same credential.

- The service allows a number of requests a minute per key (`heymarket-api.md` section 5). Each desktop client starts a server of its own,
  so the times of the requests sent are kept in one small SQLite file, by a fingerprint of the credential.
- Any window of `WINDOW` seconds holds at most `limit` requests. The window is a little longer than a minute, because requests
  sent a minute apart can arrive less than a minute apart.
- While less than three quarters of the limit are used, a server takes a few places ahead, so that the requests of one call cost one look into the file.
- Bulk work may use only `BULK_SHARE` of the limit, so that a question asked meanwhile does not wait behind an import.
- A 429 says that somebody else uses the key too: every process then pauses until the service should answer again. Where it does not say
  when, the pause doubles from `UNSAID` seconds on, until a request goes through.

A limiter shared among machines would be another `Ledger`.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from pathlib import Path
from typing import Protocol, TypeVar

import anyio

from contacts_mcp.errors import RateLimited

WINDOW = 61.0
BULK_SHARE = 0.8
WORTH_REPORTING = 2.0
AHEAD = 1.0  # seconds within which places taken ahead are used, or lost
AHEAD_MOST = 8
UNSAID = 1.0  # seconds of the first pause after a 429 without Retry-After
SWEEP_EVERY = 5.0  # seconds between two clearances of what is older than the window

on_wait: ContextVar[Callable[[float], Awaitable[None]] | None] = ContextVar("on_wait", default=None)
"""Told of every wait of more than `WORTH_REPORTING` seconds, before it starts."""

bulk_work: ContextVar[bool] = ContextVar("bulk_work", default=False)
"""Set while many requests are made on behalf of one call; leaves room for others."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sent (account TEXT NOT NULL, at REAL NOT NULL);
CREATE INDEX IF NOT EXISTS sent_by_time ON sent (account, at);
CREATE TABLE IF NOT EXISTS pause (account TEXT PRIMARY KEY, until REAL NOT NULL) WITHOUT ROWID;
"""

_log = logging.getLogger(__name__)

Result = TypeVar("Result")


class Ledger(Protocol):
    """Who sent when."""

    def reserve(self, now: float, limit: int) -> float:
        """Take a place in the window and answer 0, or take none and answer the seconds until one may be free."""

    def pause(self, until: float) -> None:
        """Nobody sends before `until`."""

    def close(self) -> None: ...


class SqliteLedger:
    """A ledger in a file shared by the processes of one machine, or in memory for one process (`path` None)."""

    def __init__(self, path: Path | None, account: str) -> None:
        self._account = account
        self._swept = float("-inf")
        self._ahead = 0
        self._ahead_until = float("-inf")
        self._db = _open(path)

    def reserve(self, now: float, limit: int) -> float:
        if self._ahead and 0 <= self._ahead_until - now <= AHEAD:
            self._ahead -= 1
            return 0.0
        return self._keep_going(lambda: self._reserve(now, limit))

    def _reserve(self, now: float, limit: int) -> float:
        self._db.execute("BEGIN IMMEDIATE")
        with self._db:
            self._give_back()
            wait = self._wait(now, limit)
            if not wait:
                self._enter(now, limit)
        return wait

    def _give_back(self) -> None:
        """Take out the places taken ahead that were not used in time."""
        if self._ahead:
            unused = "SELECT rowid FROM sent WHERE account = ? AND at = ? LIMIT ?"
            self._db.execute(
                f"DELETE FROM sent WHERE rowid IN ({unused})",  # noqa: S608 -- constants only
                (self._account, self._ahead_until, self._ahead),
            )
            self._ahead = 0

    def _enter(self, now: float, limit: int) -> None:
        """Write the request down; in quiet times also the next few, as sent at the last moment they may be."""
        places = min(AHEAD_MOST, limit // 50) if self._nth_last(limit * 3 // 4) <= now - WINDOW else 0
        entries = [(self._account, now), *[(self._account, now + AHEAD)] * places]
        self._db.executemany("INSERT INTO sent VALUES (?, ?)", entries)
        self._ahead, self._ahead_until = places, now + AHEAD

    def _wait(self, now: float, limit: int) -> float:
        account = self._account
        if not 0 <= now - self._swept < SWEEP_EVERY:
            # Entries from the future are left by a clock that was set back; they would block everybody for as long.
            self._db.execute(
                "DELETE FROM sent WHERE account = ? AND (at <= ? OR at > ?)", (account, now - WINDOW, now + 2 * AHEAD)
            )
            self._swept = now
        (paused,) = self._db.execute(
            "SELECT coalesce(max(until), 0) FROM pause WHERE account = ?", (account,)
        ).fetchone()
        if now < paused <= now + WINDOW:
            return float(paused - now)
        return max(0.0, self._nth_last(limit) + WINDOW - now)

    def _nth_last(self, n: int) -> float:
        """When the n-th last request was sent; long ago where there are not so many."""
        query = "SELECT at FROM sent WHERE account = ? ORDER BY at DESC LIMIT 1 OFFSET ?"
        found = self._db.execute(query, (self._account, n - 1)).fetchone() if n else None
        return float(found[0]) if found else float("-inf")

    def pause(self, until: float) -> None:
        self._keep_going(lambda: self._pause(until))

    def _pause(self, until: float) -> None:
        self._give_back()
        self._db.execute(
            "INSERT INTO pause VALUES (?, ?) ON CONFLICT (account) DO UPDATE SET until = max(until, excluded.until)",
            (self._account, until),
        )

    def _keep_going(self, work: Callable[[], Result]) -> Result:
        """`work`, in memory from now on where the file has become unusable (disk full, removed, locked by a process that hangs)."""
        try:
            return work()
        except sqlite3.Error as error:
            self._db.close()
            self._db = _in_memory(error)
            return work()

    def close(self) -> None:
        self._db.close()


def _open(path: Path | None) -> sqlite3.Connection:
    try:
        return _connect(str(path) if path else ":memory:")
    except sqlite3.Error as error:
        return _in_memory(error)


def _in_memory(error: sqlite3.Error) -> sqlite3.Connection:
    _log.warning(
        "the request pace is not shared with other servers: its file cannot be used (%s)", type(error).__name__
    )
    return _connect(":memory:")


def _connect(place: str) -> sqlite3.Connection:
    db = sqlite3.connect(place, isolation_level=None, timeout=5, check_same_thread=False)
    try:
        db.execute("PRAGMA journal_mode = MEMORY")  # switching to WAL fails where several servers start at once
        db.execute("PRAGMA synchronous = OFF")  # what a power cut loses here is a minute old at most
        db.executescript(_SCHEMA)
    except sqlite3.Error:
        db.close()
        raise
    return db


class Pace:
    """Lets requests through no faster than the limit."""

    def __init__(
        self,
        ledger: Ledger,
        *,
        limit: int,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._ledger = ledger
        self._limit = limit
        self._clock = clock
        self._sleep = sleep
        self._unsaid = UNSAID
        self._paused_until = float("-inf")

    async def wait(self) -> None:
        """Return once a request may be sent. Raises RateLimited at once when that would be after the caller's deadline."""
        limit = max(1, int(self._limit * BULK_SHARE)) if bulk_work.get() else self._limit
        while seconds := self._ledger.reserve(self._clock(), limit):
            await self._announce(seconds)
            await self._sleep(seconds)

    async def _announce(self, seconds: float) -> None:
        if seconds > anyio.current_effective_deadline() - anyio.current_time():
            raise RateLimited(
                f"Heymarket's rate limit is used up, by this or by others that use the account; this was not sent. Try again in {seconds:.0f} seconds.",
                retry_after=seconds,
            )
        report = on_wait.get()
        if report is not None and seconds > WORTH_REPORTING:
            await report(seconds)

    def slow_down(self, seconds: float | None) -> None:
        """The service refused for rate; hold everybody's requests for `seconds`, or where it did not say, twice as long as the last time."""
        now = self._clock()
        if (
            seconds is None and now >= self._paused_until
        ):  # several that were under way at once are refused together, and count once
            self._paused_until = now + self._unsaid
            self._unsaid = min(2 * self._unsaid, WINDOW)
        self._ledger.pause(self._paused_until if seconds is None else now + min(seconds, WINDOW))

    def went_through(self) -> None:
        """The service took a request: the next refusal is the first of its kind again."""
        self._unsaid = UNSAID

    def close(self) -> None:
        self._ledger.close()
