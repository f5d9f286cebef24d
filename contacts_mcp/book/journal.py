"""What this server did: a before-image of every change, for telling and for taking back.

- An entry is written before the request is sent (`begun`) and completed after (`done`, `not_done` or `unknown`), so that a process that
  dies in between leaves an entry that can be resolved by looking.
- One SQLite file in the data directory, readable by its owner only, shared by all servers of the machine; entries older than 30 days go.
- It holds personal data, because nothing could be restored without; nothing else the server writes does.
"""

from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from contacts_mcp.book.values import Values
from contacts_mcp.errors import AccountError

KEEP = 30 * 24 * 3600.0

Action = Literal["create", "update", "delete"]
State = Literal["begun", "done", "not_done", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One change. `change_id` is 0 until it is written."""

    action: Action
    before: Values
    wanted: Values
    contact_id: int | None = None
    after: Values = field(default_factory=dict)
    state: State = "begun"
    rev_before: int = 0
    rev_after: int = 0
    consent: str = ""
    undoes: int | None = None
    undone_by: int | None = None
    record: dict[str, Any] = field(default_factory=dict)
    token: str = ""
    change_id: int = 0
    at: float = 0.0


_TABLES = ("before", "wanted", "after", "record")
_COLUMNS = tuple(name for name in Entry.__dataclass_fields__ if name != "change_id")


class Journal:
    """The changes of one account. `path` None keeps them in memory; see `NoJournal` for none at all."""

    def __init__(self, path: Path | None, account: str, *, clock: Callable[[], float] = time.time) -> None:
        self._account = account
        self._clock = clock
        self._db = _open(path)
        self._db.execute("DELETE FROM changes WHERE at < ? AND state <> 'begun'", (clock() - KEEP,))

    def begin(self, entry: Entry) -> Entry:
        """Write `entry` down before anything is sent; answers it with its id. Raises AccountError where it cannot be written."""
        begun = replace(entry, at=self._clock(), state="begun")
        try:
            cursor = self._db.execute(_INSERT, (self._account, *(_column(begun, name) for name in _COLUMNS)))
        except sqlite3.Error as error:
            raise _unusable(error) from None
        return replace(begun, change_id=cursor.lastrowid or 0)

    def finish(self, entry: Entry) -> None:
        """Write down how it came out."""
        self._db.execute(_UPDATE, (*(_column(entry, name) for name in _COLUMNS), entry.change_id))

    def mark_undone(self, change_id: int, *, by: int) -> None:
        self._db.execute("UPDATE changes SET undone_by = ? WHERE change_id = ?", (by, change_id))

    def get(self, change_id: int) -> Entry | None:
        return next(self._select("change_id = ?", change_id), None)

    def entries(self, *, contact_id: int | None = None, before: int | None = None, limit: int = 25) -> list[Entry]:
        """Newest first; `before` is the id to go on below."""
        where = "(?1 IS NULL OR contact_id = ?1) AND (?2 IS NULL OR change_id < ?2)"
        query = f"SELECT * FROM changes WHERE account = ?3 AND {where} ORDER BY change_id DESC LIMIT ?4"  # noqa: S608 -- constants only
        return [_entry(row) for row in self._db.execute(query, (contact_id, before, self._account, limit))]

    def unfinished(self) -> list[Entry]:
        """Begun and never completed (in the making, or left behind by a process that died), or with an unknown outcome. Oldest first."""
        return list(self._select("state IN ('begun', 'unknown')"))

    def by_token(self, digest: str) -> Entry | None:
        """The change that a confirmation allowed."""
        return next(self._select("token = ? AND state <> 'not_done'", digest), None)

    def clear(self) -> int:
        """Forget everything that is finished; answers how many entries that were."""
        return self._db.execute("DELETE FROM changes WHERE state <> 'begun'").rowcount

    def close(self) -> None:
        self._db.close()

    def _select(self, where: str, *values: Any) -> Iterator[Entry]:
        query = f"SELECT * FROM changes WHERE account = ? AND {where} ORDER BY change_id"  # noqa: S608 -- constants only
        return map(_entry, self._db.execute(query, (self._account, *values)))


_INSERT = f"INSERT INTO changes (account, {', '.join(_COLUMNS)}) VALUES (?{', ?' * len(_COLUMNS)})"  # noqa: S608 -- constants only
_UPDATE = f"UPDATE changes SET {', '.join(f'{name} = ?' for name in _COLUMNS)} WHERE change_id = ?"  # noqa: S608 -- constants only


def _column(entry: Entry, name: str) -> Any:
    value = getattr(entry, name)
    return json.dumps(value, ensure_ascii=False) if name in _TABLES else value


def _entry(row: sqlite3.Row) -> Entry:
    columns = {name: json.loads(row[name]) if name in _TABLES else row[name] for name in Entry.__dataclass_fields__}
    return Entry(**columns)


def _open(path: Path | None) -> sqlite3.Connection:
    try:
        if path:
            _make_private(path)
        db = sqlite3.connect(str(path) if path else ":memory:", isolation_level=None, timeout=5, check_same_thread=False)
        db.row_factory = sqlite3.Row
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA secure_delete = ON")
        db.executescript(files(__package__).joinpath("journal.sql").read_text(encoding="utf-8"))
    except (OSError, sqlite3.Error) as error:
        raise _unusable(error) from None
    return db


def _make_private(path: Path) -> None:
    """SQLite gives its side files the mode of the main one, so it must be right before the first byte."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    if os.name == "posix":
        path.chmod(0o600)


def _unusable(error: Exception) -> AccountError:
    return AccountError(
        f"Nothing was changed: the journal that makes changes undoable cannot be written ({type(error).__name__}). The owner of this machine can make the "
        "data directory writable, set CONTACTS_MCP_DATA_DIR to one that is, or give up undo with CONTACTS_MCP_JOURNAL=off."
    )
