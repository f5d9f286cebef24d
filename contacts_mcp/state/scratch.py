"""A table of texts that is too large for memory, for as long as one piece of work takes.

It is in a temporary file of SQLite that has no name. The system deletes it when it is closed, also after a kill.
Nearly every key is new. A table of marks in memory tells that without a question to the file, and new texts go into it
many at a time.
"""

from __future__ import annotations

import sqlite3

from contacts_mcp.errors import AccountError

_CACHE = 16_000  # KB of the file that stay in memory
_MARKS = 1 << 22  # bytes; two keys with one mark only cost a question
_AT_ONCE = 1_000
_ADD = "INSERT INTO texts VALUES (?, ?)"
_REPLACE = "INSERT INTO texts VALUES (?, ?) ON CONFLICT DO UPDATE SET text = excluded.text"


class Scratch:
    """Key -> text. Raises AccountError where there is no room for it."""

    def __init__(self) -> None:
        self._marks = bytearray(_MARKS)
        self._new: list[tuple[str, str]] = []  # not in the file yet
        self._db = sqlite3.connect("", isolation_level=None)
        for setting in ("journal_mode = OFF", "synchronous = OFF", f"cache_size = -{_CACHE}"):
            self._db.execute(f"PRAGMA {setting}")
        self._db.execute("CREATE TABLE texts (key TEXT PRIMARY KEY, text TEXT NOT NULL) WITHOUT ROWID")
        self._db.execute("BEGIN")  # without an end: each end would write to the file

    def get(self, key: str) -> str | None:
        if not self._marks[hash(key) % _MARKS]:
            return None
        self._flush()
        return next((text for (text,) in self._run("SELECT text FROM texts WHERE key = ?", (key,))), None)

    def keep(self, key: str, text: str) -> str | None:
        """Keep the text, unless the key has one. Returns that one."""
        known = self.get(key)
        if known is None:
            self._marks[hash(key) % _MARKS] = 1
            self._new.append((key, text))
            if len(self._new) >= _AT_ONCE:
                self._flush()
        return known

    def put(self, key: str, text: str) -> None:
        self._flush()
        self._marks[hash(key) % _MARKS] = 1
        self._run(_REPLACE, (key, text))

    def close(self) -> None:
        self._db.close()

    def _flush(self) -> None:
        if not self._new:
            return
        new, self._new = self._new, []
        try:
            self._db.executemany(_ADD, new)
        except sqlite3.Error as error:
            raise _no_room(error) from None

    def _run(self, statement: str, values: tuple[str, ...]) -> sqlite3.Cursor:
        try:
            return self._db.execute(statement, values)
        except sqlite3.Error as error:
            raise _no_room(error) from None


def _no_room(error: sqlite3.Error) -> AccountError:
    return AccountError(f"Nothing was changed: there is no room for a temporary file ({type(error).__name__}).")
