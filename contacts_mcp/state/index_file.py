"""The file of the index: opened, prepared, found unusable, thrown away.

- The index is a copy. A file that cannot be read any more is thrown away, and filled again from the service.
- A file that is not ours, or of a newer version, is left alone, and the caller goes on without the index.
- A Python without FTS5 exists: some builds of July 2025 that `uv` keeps and uses.
"""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing, suppress
from importlib.resources import files
from pathlib import Path
from typing import Literal

from filelock import FileLock, Timeout

from contacts_mcp.errors import AccountError
from contacts_mcp.state.database import (
    Identity,
    bring_up_to,
    code_of,
    connect,
    identity,
    is_busy,
    is_spoilt,
    steps_of,
    switch_to_wal,
    version_of,
)

APPLICATION_ID = 0x434D4958  # "CMIX"
PATIENCE = 1.0  # seconds for another process's write
_CACHE = -8_000  # kibibytes of pages in memory, as SQLite writes it
# The statements are always the same, so a table that is missing was there.
_SIGNS_OF_DAMAGE = ("malformed", "Could not decode", "no such table", "no such column", "no column named")
_PROBE = "CREATE VIRTUAL TABLE temp.probe USING fts5 (a, tokenize = 'trigram')"
_SIDES = ("", "-wal", "-shm")

Reason = Literal[
    "no_fts5", "newer_version", "foreign", "corrupt", "busy", "disk_full", "unwritable", "too_large",
    "unreachable", "refused",
]  # fmt: skip

_log = logging.getLogger(__name__)

_TEXTS: dict[Reason, str] = {
    "no_fts5": "this Python's SQLite lacks its full-text search (FTS5); "
    "`uv python install --reinstall` gets one that has it, and so does Python from python.org",
    "newer_version": "it was written by a newer contacts-mcp; update this one",
    "foreign": "another program's file has its name; move that file, or set CONTACTS_MCP_DATA_DIR to another place",
    "corrupt": "it cannot be read, and could not be removed; delete it",
    "busy": "another program has locked it",
    "disk_full": "the disk is full",
    "unwritable": "the data directory cannot be written; set CONTACTS_MCP_DATA_DIR to one that can",
    "too_large": "the account has too many contacts for an index in memory; set CONTACTS_MCP_INDEX=disk",
    "unreachable": "its database cannot be reached; try again in a minute",
    "refused": "its database refused a question; tell the owner of this server",
}
_OF_SHARED: tuple[Reason, ...] = ("unreachable", "refused")


_DAMAGED = "it cannot be read; the next search throws it away and fills it again"


class IndexUnavailable(AccountError):
    """The index cannot be used now. `reason` says why, and the caller goes on without it."""

    def __init__(self, reason: Reason) -> None:
        self.reason = reason
        which = "shared" if reason in _OF_SHARED else "local"
        super().__init__(f"The {which} index of contacts cannot be used: {_TEXTS[reason]}.")


def open_index(path: Path | None) -> sqlite3.Connection:
    """The prepared file at `path`, or a database in memory. Raises IndexUnavailable, sqlite3.Error, OSError."""
    db = connect(path, patience=PATIENCE)
    try:
        _check_fts5(db)
        _prepare(db)
    except BaseException:
        db.close()
        raise
    return db


def open_reader(path: Path) -> sqlite3.Connection:
    """A second connection to a prepared file. It reads while the first one writes."""
    db = connect(path, patience=PATIENCE)
    db.execute(f"PRAGMA cache_size = {_CACHE}")
    db.execute("PRAGMA query_only = ON")
    return db


def problem_with(path: Path, *, thoroughly: bool = False) -> str:
    """Why the file at `path` cannot be used, empty where it can. Changes nothing.

    `thoroughly` reads every page: half a second for 100,000 contacts.
    """
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=PATIENCE)) as db:
            (application,) = db.execute("PRAGMA application_id").fetchone()
            if application != APPLICATION_ID:
                return _TEXTS["foreign"]
            if version_of(db) > len(_steps()):
                return _TEXTS["newer_version"]
            db.execute("SELECT count(*) FROM state").fetchone()
            if not has_fts5(db):
                return _TEXTS["no_fts5"]
            if thoroughly and db.execute("PRAGMA quick_check(1)").fetchone()[0] != "ok":
                return _DAMAGED
    except (OSError, sqlite3.Error) as error:
        return _DAMAGED if is_unreadable(error) else _TEXTS[unavailable(error).reason]
    return ""


def throw_away(path: Path, unreadable: Identity | None) -> None:
    """Remove a file that cannot be read, unless another process replaced it meanwhile. Raises IndexUnavailable."""
    aside = path.with_name(f"{path.name}.unreadable")
    try:
        with FileLock(path.with_name(f"{path.name}.lock"), timeout=PATIENCE, mode=0o600):
            if unreadable is None or identity(path) == unreadable:
                # Renamed first: a name that is free again is enough where the old file cannot be deleted yet.
                for side in _SIDES:
                    with suppress(FileNotFoundError):
                        path.with_name(path.name + side).replace(aside.with_name(aside.name + side))
        for side in _SIDES:
            with suppress(OSError):
                aside.with_name(aside.name + side).unlink()
    except (OSError, Timeout):
        raise IndexUnavailable("corrupt") from None
    _log.warning("the index could not be read; it is started over")


def remove(path: Path) -> bool:
    """Delete the file and its side files. False where another program has them open (Windows)."""
    try:
        for side in _SIDES:
            with suppress(FileNotFoundError):
                path.with_name(path.name + side).unlink()
    except OSError:
        return False
    return True


def empty(db: sqlite3.Connection) -> None:
    """Drop everything, down to its bytes, and begin again in the same file."""
    db.execute("PRAGMA writable_schema = OFF")
    for (name,) in db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND sql LIKE 'CREATE VIRTUAL%'"
    ).fetchall():
        db.execute(f"DROP TABLE {name}")
    for (name,) in db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    ).fetchall():
        db.execute(f"DROP TABLE {name}")
    db.execute("PRAGMA user_version = 0")
    bring_up_to(db, _steps())
    db.execute("VACUUM")
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def is_unreadable(error: Exception) -> bool:
    """Whether the file's content is damaged. SQLite notices some damage late, as a text that is no text."""
    is_no_text = isinstance(error, UnicodeDecodeError)  # even the words of an error may come from the file
    return is_no_text or is_spoilt(error) or any(sign in str(error) for sign in _SIGNS_OF_DAMAGE)


def unavailable(error: Exception) -> IndexUnavailable:
    """The error for a failure that is not the content's."""
    if isinstance(error, IndexUnavailable):
        return error
    if is_busy(error):
        return IndexUnavailable("busy")
    return IndexUnavailable("disk_full" if code_of(error) == sqlite3.SQLITE_FULL else "unwritable")


def has_fts5(db: sqlite3.Connection) -> bool:
    """Whether this Python's SQLite has the full-text search with its trigram tokenizer."""
    try:
        db.execute(_PROBE)
        db.execute("DROP TABLE temp.probe")
    except sqlite3.OperationalError as error:
        if "no such" not in str(error) and "tokenizer" not in str(error):
            raise
        return False
    return True


def _check_fts5(db: sqlite3.Connection) -> None:
    if not has_fts5(db):
        raise IndexUnavailable("no_fts5")


def _prepare(db: sqlite3.Connection) -> None:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (tables,) = db.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if application != APPLICATION_ID and (application or tables):
        raise IndexUnavailable("foreign")
    if version_of(db) > len(_steps()):
        raise IndexUnavailable("newer_version")
    db.execute("PRAGMA auto_vacuum = INCREMENTAL")  # of a new file
    switch_to_wal(db, patience=PATIENCE)
    db.execute("PRAGMA synchronous = NORMAL")
    db.execute("PRAGMA secure_delete = ON")
    db.execute(f"PRAGMA cache_size = {_CACHE}")
    db.execute("PRAGMA temp_store = FILE")
    if application != APPLICATION_ID:
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    bring_up_to(db, _steps())


def _steps() -> list[list[str]]:
    return steps_of(files(__package__).joinpath("index.sql").read_text(encoding="utf-8"))
