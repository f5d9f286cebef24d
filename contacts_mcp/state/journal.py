"""What this server did: a before-image of every change, for telling and for taking back.

- An entry is written before the request is sent (`begun`) and completed after (`done`, `not_done` or `unknown`), so that a process that
  dies in between leaves an entry that can be resolved by looking.
- One SQLite file in the data directory, readable by its owner only, shared by all servers of the machine; entries older than 30 days go.
- A server whose file was deleted writes a new one: what goes into a deleted file is kept by nobody.
- It holds personal data, because nothing could be restored without; nothing else the server writes does.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal

from contacts_mcp.errors import AccountError
from contacts_mcp.models import Values

KEEP = 30 * 24 * 3600.0
STILL_ARRIVING = 60.0  # seconds in which a request that nobody waits for any more may still be carried out
_PURGE_EVERY = 3600.0
_LONGEST_CALL = 3600.0  # what was begun before that is in nobody's hands any more
_VERSION = 1  # of journal.sql
_TRIES, _PAUSE = 50, 0.02  # seconds
_PATIENCE = 1.0  # seconds for another server's write, which takes a few thousandths; nothing else goes on meanwhile

_log = logging.getLogger(__name__)

Action = Literal["create", "update", "delete"]
State = Literal["begun", "done", "not_done", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One change. `change_id` is 0 until it is written; `looked` is when looking was last tried on an unfinished one."""

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
    looked: float = 0.0
    change_id: int = 0
    at: float = 0.0


_TABLES = ("before", "wanted", "after", "record")
_COLUMNS = tuple(name for name in Entry.__dataclass_fields__ if name != "change_id")
_OUTCOME = ("state", "contact_id", "after", "rev_after", "looked")


class Journal:
    """The changes of one account. `path` None keeps them in memory, for as long as the server runs. Raises AccountError where it cannot be used."""

    def __init__(self, path: Path | None, account: str, *, clock: Callable[[], float] = time.time) -> None:
        self._path = path
        self._account = account
        self._clock = clock
        self._purged = float("-inf")
        self._db = _open(path)
        if path is None:
            self._number_apart()
        self._identity = _identity(path)
        self._purge()

    def begin(self, entry: Entry) -> Entry:
        """Write `entry` down before anything is sent; answers it with its id. Raises AccountError where it cannot be written."""
        self._purge()
        begun = replace(entry, at=self._clock(), state="begun")
        cursor = self._execute(_INSERT, self._account, *(_column(begun, name) for name in _COLUMNS))
        return replace(begun, change_id=cursor.lastrowid or 0)

    def finish(self, entry: Entry) -> None:
        """Write down how it came out, and on the change it took back that it did.

        Never fails, because the deed is done: what cannot be written stays unfinished, and is settled by looking.
        """
        try:
            self._execute("BEGIN IMMEDIATE")
            self._execute(
                _UPDATE, *(_column(entry, name) for name in _OUTCOME), entry.change_id, self._account, entry.at
            )
            if entry.state == "done" and entry.undoes:
                self._execute("UPDATE changes SET undone_by = ? WHERE change_id = ?", entry.change_id, entry.undoes)
                self._execute(_IN_FORCE_AGAIN, entry.undoes)
            self._execute("COMMIT")
        except AccountError:
            _log.warning("how change %d came out could not be written down; it will be looked up", entry.change_id)
            if self._db.in_transaction:
                self._db.rollback()

    def get(self, change_id: int) -> Entry | None:
        self._purge()
        return next(iter(self._select("change_id = ?", change_id)), None)

    def entries(self, *, contact_id: int | None = None, before: int | None = None, limit: int = 25) -> list[Entry]:
        """Newest first; `before` is the id to go on below."""
        self._purge()
        chosen = {"account = ?": self._account, "contact_id = ?": contact_id, "change_id < ?": before}
        given = {test: value for test, value in chosen.items() if value is not None}
        query = f"SELECT * FROM changes WHERE {' AND '.join(given)} ORDER BY change_id DESC LIMIT ?"  # noqa: S608 -- constants only
        return [_entry(row) for row in self._rows(query, *given.values(), limit)]

    def unfinished(self) -> list[Entry]:
        """What looking may still settle, oldest first: begun and never completed (in the making, or left behind by a process that died), or
        with an unknown outcome and not looked at since the last moment at which its request could arrive."""
        return self._select("(state = 'begun' OR state = 'unknown' AND looked < at + ?)", STILL_ARRIVING)

    def may_still_arrive(self, entry: Entry) -> bool:
        """Whether the request of `entry` may be on its way, so that not seeing its effect proves nothing yet. The clock may have been set back."""
        return abs(self._clock() - entry.at) < STILL_ARRIVING

    def rev_written(self, contact_id: int) -> int:
        """The highest `rev` of that contact that was written within the last minute; what shows a lower one is behind."""
        recent = self._select("contact_id = ? AND abs(? - at) < ?", contact_id, self._clock(), STILL_ARRIVING)
        return max((entry.rev_after for entry in recent), default=0)

    def looked_at(self, entry: Entry) -> None:
        """Write down what looking at an unfinished entry told."""
        self.finish(replace(entry, looked=self._clock()))

    def by_token(self, digest: str) -> Entry | None:
        """The change that a confirmation allowed."""
        return next(iter(self._select("token = ? AND state <> 'not_done'", digest)), None)

    def creation_of(self, contact_id: int) -> Entry | None:
        """The change that is known to have created that contact."""
        return next(iter(self._select("contact_id = ? AND action = 'create' AND state = 'done'", contact_id)), None)

    def next_after(self, entry: Entry) -> Entry | None:
        """The next change of the same contact. It was begun with a look: its before-image is what `entry` left."""
        where = "change_id > ? AND contact_id = ? AND action <> 'create'"
        return next(iter(self._select(where, entry.change_id, entry.contact_id)), None)

    def departures_from(self, phone: str, *, after: int = 0) -> list[Entry]:
        """The changes that may have taken that phone away from whoever had it (deletions, new numbers), oldest first; `after` is the id to start above."""
        where = (
            "change_id > ? AND action <> 'create' AND state <> 'not_done' "
            "AND json_extract(before, '$.phone') = ? AND json_extract(wanted, '$.phone') IS NOT json_extract(before, '$.phone')"
        )
        return self._select(where, after, phone)

    def close(self) -> None:
        self._db.close()

    def _select(self, where: str, *values: Any) -> list[Entry]:
        query = f"SELECT * FROM changes WHERE account = ? AND {where} ORDER BY change_id"  # noqa: S608 -- constants only
        return [_entry(row) for row in self._rows(query, self._account, *values)]

    def _purge(self) -> None:
        now = self._clock()
        if now - self._purged >= _PURGE_EVERY:
            self._execute("DELETE FROM changes WHERE at < ?", now - KEEP)
            self._purged = now

    def _rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        try:
            return self._execute(query, *values).fetchall()
        except sqlite3.Error as error:
            raise _unusable(error) from None

    def _execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        try:
            if _identity(self._path) != self._identity and not self._db.in_transaction:
                self._reopen()
            return self._db.execute(statement, values)
        except (sqlite3.Error, OverflowError) as error:
            raise _unusable(error) from None

    def _reopen(self) -> None:
        _log.warning("the journal's file was deleted or replaced; earlier changes can no longer be taken back")
        if self._path:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        fresh = _open(self._path)
        self._db.close()
        self._db, self._identity = fresh, _identity(self._path)
        self._number_apart()

    def _number_apart(self) -> None:
        """Number the changes of an empty journal from the clock on: a number that was told before, or by another server, must not mean one of them."""
        self._db.execute(
            "INSERT INTO sqlite_sequence SELECT 'changes', ? WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence)",
            (int(self._clock()),),
        )


_INSERT = f"INSERT INTO changes (account, {', '.join(_COLUMNS)}) VALUES (?{', ?' * len(_COLUMNS)})"  # noqa: S608 -- constants only
_UPDATE = (
    f"UPDATE changes SET {', '.join(f'{name} = ?' for name in _OUTCOME)} WHERE change_id = ? AND account = ? AND at = ?"  # noqa: S608 -- constants only
)
# An undo that is itself taken back no longer stands against undoing its change.
_IN_FORCE_AGAIN = (
    "UPDATE changes SET undone_by = NULL WHERE change_id = (SELECT undoes FROM changes WHERE change_id = ?)"
)


def _column(entry: Entry, name: str) -> Any:
    value = getattr(entry, name)
    return json.dumps(value) if name in _TABLES else value


def _entry(row: sqlite3.Row) -> Entry:
    columns = {name: json.loads(row[name]) if name in _TABLES else row[name] for name in Entry.__dataclass_fields__}
    return Entry(**columns)


def _open(path: Path | None) -> sqlite3.Connection:
    try:
        if path:
            _make_private(path)
        db = sqlite3.connect(
            str(path) if path else ":memory:", isolation_level=None, timeout=_PATIENCE, check_same_thread=False
        )
    except (OSError, sqlite3.Error) as error:
        raise _unusable(error) from None
    try:
        _prepare(db)
    except sqlite3.Error as error:
        db.close()
        raise _unusable(error) from None
    except AccountError:
        db.close()
        raise
    return db


def _prepare(db: sqlite3.Connection) -> None:
    db.row_factory = sqlite3.Row
    _switch_to_wal(db)
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA secure_delete = ON")
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if version > _VERSION:
        raise AccountError(
            "Nothing was changed: the journal that makes changes undoable was written by a newer contacts-mcp. The owner of this machine can update this "
            "one, set CONTACTS_MCP_DATA_DIR to another place, or give up undo with CONTACTS_MCP_JOURNAL=off."
        )
    if version < _VERSION:
        schema = files(__package__).joinpath("journal.sql").read_text(encoding="utf-8")
        db.executescript(f"BEGIN IMMEDIATE; {schema}; PRAGMA user_version = {_VERSION}; COMMIT")


def _switch_to_wal(db: sqlite3.Connection) -> None:
    """Here alone SQLite does not wait for another server, such as one that starts at the same moment."""
    for attempt in range(_TRIES):
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if attempt == _TRIES - 1:
                raise
            time.sleep(_PAUSE)
        else:
            return


def _identity(path: Path | None) -> tuple[int, int] | None:
    """Which file is at `path` now."""
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found else None


def _make_private(path: Path) -> None:
    """SQLite gives its side files the mode of the main one, so it must be right before the first byte."""
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    if os.name == "posix":
        path.chmod(0o600)


def _unusable(error: Exception) -> AccountError:
    return AccountError(
        f"Nothing was changed: the journal that makes changes undoable cannot be used ({type(error).__name__}). The owner of this machine can make the "
        "data directory writable, set CONTACTS_MCP_DATA_DIR to one that is, or give up undo with CONTACTS_MCP_JOURNAL=off."
    )


def clear(path: Path) -> int:
    """Forget every finished change of every account in the file at `path`, down to its bytes; answers how many there were."""
    if not path.exists():
        return 0
    db = _open(path)
    try:
        count = db.execute(
            "DELETE FROM changes WHERE state <> 'begun' OR at < ?", (time.time() - _LONGEST_CALL,)
        ).rowcount
        db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # while a server has the file open, closing it does not
    except sqlite3.Error as error:
        raise _unusable(error) from None
    finally:
        db.close()
    return count
