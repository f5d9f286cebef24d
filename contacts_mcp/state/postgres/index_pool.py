"""The connections of the shared index, which works in threads. They are given back after every question.

- A question whose connection was lost is asked once more on another one. Every write of the index may be repeated.
- A question is given up after its `patience`, also where PostgreSQL is frozen and says nothing: its socket is shut.
- PostgreSQL away, frozen or full is told as IndexUnavailable. For a second nobody is asked then, because one search
  would wait for the same several times. After that the next question may find it back.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from math import inf
from typing import TYPE_CHECKING, Any, TypeVar
from weakref import WeakKeyDictionary

from contacts_mcp.state.index_file import IndexUnavailable, Reason
from contacts_mcp.state.postgres.driver import address_of, drivers

if TYPE_CHECKING:
    import psycopg
    from psycopg_pool import ConnectionPool

    Connection = psycopg.Connection[tuple[Any, ...]]
    Pool = ConnectionPool[Connection]

CONNECTIONS = 10  # of a pool of our own
PATIENCE = 1.0  # seconds for a connection
PATIENCE_FOR_TURNS = 10.0  # seconds for a connection while others are answered
PATIENCE_FOR_READS = 3.0  # seconds for a question
PATIENCE_FOR_PAGES = 30.0  # seconds for a page of contacts
PATIENCE_FOR_ALL = 900.0  # seconds for a statement about all contacts of an account
_NAP, _LEAST_NAP, _NAPS_TO_THE_END = 1.0, 0.1, 10  # seconds of the watch, and so many without a question
_SILENCE = 1.0  # seconds after a failure in which nobody is asked
_REASONS: dict[str, Reason] = {
    "53100": "disk_full",
    "55P03": "busy",  # lock_not_available
    "57014": "busy",  # query_canceled, by a limit on time
}
_LOST = ("08", "53", "57", "25006", "40")  # the connection, the server, a standby, a deadlock

Result = TypeVar("Result")

_log = logging.getLogger(__name__)


def new_pool(url: str, *, connections: int = CONNECTIONS) -> Pool:
    """A pool for the indexes of all accounts of a process. It connects when it is first needed.

    Raises AccountError where the driver is not installed, or where the address cannot be used.
    """
    driver, pools = drivers()
    pool: Pool = pools.ConnectionPool(
        address_of(driver, url),
        kwargs={"autocommit": True, "prepare_threshold": None},
        min_size=0,
        max_size=connections,
        timeout=PATIENCE,
        reconnect_timeout=2 * PATIENCE,
        open=False,
    )
    return pool


@dataclass(eq=False, slots=True)
class _Watched:
    file: int  # of the socket
    deadline: float
    is_shut: bool = False


class Watch:
    """Shuts the sockets of questions that take too long. A thread does that, which ends when nobody asks."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._watched: set[_Watched] = set()
        self._is_running = False
        self._wakes_at = 0.0

    @contextmanager
    def over(self, file: int, seconds: float) -> Iterator[_Watched]:
        """Watch over a socket for as long as the body runs."""
        mine = _Watched(file, time.monotonic() + seconds)
        with self._changed:
            self._watched.add(mine)
            if not self._is_running:
                self._is_running = True
                threading.Thread(target=self._run, daemon=True, name="index-watch").start()
            elif mine.deadline < self._wakes_at:
                self._changed.notify()
        try:
            yield mine
        finally:
            with self._changed:
                self._watched.discard(mine)

    def _run(self) -> None:
        with self._changed:
            idle = 0
            while idle < _NAPS_TO_THE_END:
                now = time.monotonic()
                for each in [each for each in self._watched if each.deadline <= now]:
                    self._watched.discard(each)
                    each.is_shut = True
                    _shut(each.file)
                idle = 0 if self._watched else idle + 1
                first = min((each.deadline for each in self._watched), default=now + _NAP)
                self._wakes_at = max(first, now + _LEAST_NAP)
                self._changed.wait(self._wakes_at - now)
            self._is_running = False


def _shut(file: int) -> None:
    with suppress(OSError), socket.socket(fileno=os.dup(file)) as doubled:
        doubled.shutdown(socket.SHUT_RDWR)


@dataclass(slots=True)
class _Health:
    """The last news of one database, for all indexes over one pool."""

    answered_at: float = -inf
    silent_until: float = -inf

    @property
    def is_alive(self) -> bool:
        """Whether others had an answer just now. Then a question that got none is slow, or waits for its turn."""
        return time.monotonic() - self.answered_at < PATIENCE


_WATCH = Watch()
_healths: WeakKeyDictionary[ConnectionPool[Any], _Health] = WeakKeyDictionary()


class Connections:
    """A pool as one index uses it."""

    def __init__(self, at: str | Pool) -> None:
        """`at` is an address, or a pool that others use too and that is theirs to close. Raises AccountError."""
        self._url = at if isinstance(at, str) else ""
        self._pool: Pool | None = None if isinstance(at, str) else at
        self._opening = threading.Lock()

    def run(self, work: Callable[[Connection], Result], *, patience: float = PATIENCE_FOR_READS) -> Result:
        """The result of `work`, on a connection of its own. It may be done twice. Raises IndexUnavailable."""
        import psycopg
        from psycopg_pool import PoolTimeout

        pool = self._made()
        health = _healths.setdefault(pool, _Health())
        if time.monotonic() < health.silent_until:
            raise IndexUnavailable("unreachable")
        tries, deadline, watched = pool.max_size + 1, time.monotonic() + PATIENCE_FOR_TURNS, _Watched(0, 0.0)
        while True:
            try:
                with self._opened(pool).connection() as db, _WATCH.over(db.fileno(), patience) as watched:
                    result = work(db)
            except PoolTimeout as error:
                if not health.is_alive or time.monotonic() > deadline:
                    raise _translated(error, health) from None
            except psycopg.Error as error:
                tries -= 1  # all connections may have died with the server
                if watched.is_shut or not tries or not _is_lost(error):
                    raise _translated(error, health) from None
            else:
                health.answered_at = time.monotonic()
                return result

    def close(self) -> None:
        """Close a pool of our own. It is opened again when it is needed."""
        with self._opening:
            if self._url and self._pool is not None:
                self._pool.close()
                self._pool = None

    def _made(self) -> Pool:
        with self._opening:
            self._pool = self._pool or new_pool(self._url)
            return self._pool

    def _opened(self, pool: Pool) -> Pool:
        if pool.closed:
            with self._opening:
                pool.open()
        return pool


def _translated(error: psycopg.Error, health: _Health) -> IndexUnavailable:
    if reason := _REASONS.get(error.sqlstate or ""):
        return IndexUnavailable(reason)
    if not _is_lost(error):
        _log.error("the shared index refused: %s %s", type(error).__name__, error.sqlstate)
        return IndexUnavailable("refused")
    _log.warning("the shared index cannot be reached: %s", type(error).__name__)
    if not health.is_alive:
        health.silent_until = time.monotonic() + _SILENCE
    return IndexUnavailable("unreachable")


def _is_lost(error: psycopg.Error) -> bool:
    """Whether another connection may succeed. An error without a code is the driver's own, as of a lost connection."""
    from psycopg import InterfaceError, OperationalError

    if error.sqlstate is None:
        return isinstance(error, InterfaceError | OperationalError)
    return error.sqlstate.startswith(_LOST)
