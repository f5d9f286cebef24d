"""Contacts that have something in common, found in constant memory: keys in a private file that SQLite sorts.

- A key is a hash. The file holds hashes and ids, no text of anybody, and the system deletes it with its last reader.
- A key that very many have tells nothing about two of them. Its block is counted, and left out.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import NamedTuple, Self

from contacts_mcp.state.index_file import unavailable

_CACHE = -16_000  # kibibytes of pages in memory, as SQLite writes it
_CHUNK = 2_000  # pairs


class Crowd(NamedTuple):
    """A key that too many have."""

    kind: int
    contacts: int
    one_of_them: int  # the lowest id


class Blocks:
    """Ids under keys, each of a `kind`. Use it in a `with` statement, which raises IndexUnavailable."""

    def __init__(self, *, most: int) -> None:
        """`most` is the size of the largest block that counts."""
        self._most = most
        self._db = sqlite3.connect("", isolation_level=None, check_same_thread=False)
        self._db.execute(f"PRAGMA cache_size = {_CACHE}")
        self._db.execute("PRAGMA journal_mode = OFF")
        self._db.execute("CREATE TABLE entry (kind INTEGER, key INTEGER, id INTEGER)")
        self._db.execute("CREATE TABLE pair (one INTEGER, other INTEGER, PRIMARY KEY (one, other)) WITHOUT ROWID")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._db.close()
        if isinstance(error, sqlite3.Error):  # no room for the file
            raise unavailable(error) from None

    def add(self, entries: Iterable[tuple[int, int, int]]) -> None:
        """Put ids in: kind, key, id."""
        self._db.execute("BEGIN")
        self._db.executemany("INSERT INTO entry VALUES (?, ?, ?)", entries)
        self._db.execute("COMMIT")

    def pair(self) -> None:
        """Find the pairs of all blocks. An id that is twice under one key makes no pair with itself."""
        query = (
            "SELECT group_concat(id) FROM entry GROUP BY kind, key "
            f"HAVING count(*) > 1 AND count(DISTINCT id) BETWEEN 2 AND {self._most:d}"
        )
        self._db.execute("BEGIN")
        for (ids,) in self._db.execute(query):
            block = sorted({*map(int, ids.split(","))})
            pairs = ((one, other) for at, one in enumerate(block) for other in block[at + 1 :])
            self._db.executemany("INSERT OR IGNORE INTO pair VALUES (?, ?)", pairs)
        self._db.execute("COMMIT")

    def pairs(self) -> Iterator[list[tuple[int, int]]]:
        """All pairs, the lower id first, in steady order, some at a time."""
        found = self._db.execute("SELECT one, other FROM pair ORDER BY one, other")
        while chunk := found.fetchmany(_CHUNK):
            yield chunk

    def crowds(self, kinds: Iterable[int]) -> list[Crowd]:
        """The blocks of these kinds that are too large, the largest first."""
        among = ", ".join(f"{kind:d}" for kind in kinds)
        query = (
            f"SELECT kind, count(DISTINCT id) AS contacts, min(id) FROM entry WHERE kind IN ({among}) "
            f"GROUP BY kind, key HAVING contacts > {self._most:d} ORDER BY contacts DESC, min(id)"
        )
        return [Crowd(*each) for each in self._db.execute(query)]
