"""The SQLite files of this room: private, prepared in numbered steps, and told apart when they are replaced."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path

from pydantic_core import PydanticSerializationError, to_json

from contacts_mcp.errors import AccountError

Identity = tuple[int, int]

_PAUSE = 0.02  # seconds between two tries of what SQLite does not wait for itself


def identity(path: Path | None) -> Identity | None:
    """Which file is at `path` now, None where there is none."""
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return (found.st_dev, found.st_ino) if found else None


def connect(path: Path | None, *, patience: float) -> sqlite3.Connection:
    """A connection to the file at `path`, or to a database in memory.

    The file is readable by its owner only. `patience` is how many seconds a statement waits for another process.
    Raises OSError, sqlite3.Error.
    """
    if path:
        _make_private(path)
    place = str(path) if path else ":memory:"
    db = sqlite3.connect(place, isolation_level=None, timeout=patience, check_same_thread=False)
    db.row_factory = sqlite3.Row
    return db


def opened(path: Path | None, schema: str, *, patience: float, newer: str) -> sqlite3.Connection:
    """A connection to the file at `path`, brought up to the steps of `schema`, which is a file of this room.

    Deleted rows are gone down to their bytes. Raises OSError, sqlite3.Error, and AccountError with the text
    `newer` where a newer version wrote the file.
    """
    db = connect(path, patience=patience)
    try:
        switch_to_wal(db, patience=patience)
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute("PRAGMA secure_delete = ON")
        steps = steps_of(files(__package__).joinpath(schema).read_text(encoding="utf-8"))
        _refuse_newer(db, steps, newer)
        bring_up_to(db, steps)
    except BaseException:
        db.close()
        raise
    return db


def _refuse_newer(db: sqlite3.Connection, steps: list[list[str]], text: str) -> None:
    if version_of(db) > len(steps):
        raise AccountError(text)


def _make_private(path: Path) -> None:
    """SQLite gives its side files the mode of the main one, so it must be right before the first byte."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    if os.name == "posix":
        path.chmod(0o600)


def json_text(value: object) -> str:
    """JSON of a value, in a tenth of the time that `json` takes."""
    try:
        return to_json(value).decode()
    except PydanticSerializationError:  # half a character, which `json` writes in ASCII
        return json.dumps(value)


def switch_to_wal(db: sqlite3.Connection, *, patience: float) -> None:
    """Here alone SQLite does not always wait for another process, such as one that starts at the same moment."""
    deadline = time.monotonic() + patience
    while True:
        try:
            db.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(_PAUSE)
        else:
            return


@contextmanager
def transaction(db: sqlite3.Connection, *, kind: str = "IMMEDIATE") -> Iterator[None]:
    """All or none of the statements inside. An immediate one waits for other writers before it reads anything."""
    db.execute(f"BEGIN {kind}")
    try:
        yield
        db.commit()
    except BaseException:
        db.rollback()
        raise


def steps_of(script: str) -> list[list[str]]:
    """The numbered steps of a schema, each a list of statements."""
    steps = re.split(r"(?m)^-- step \d+$", script)[1:]
    return [
        [statement for statement in re.split(r";$", step, flags=re.MULTILINE) if statement.strip()] for step in steps
    ]


def version_of(db: sqlite3.Connection) -> int:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return int(version)


def bring_up_to(db: sqlite3.Connection, steps: list[list[str]]) -> None:
    """Carry out the steps that the file lacks, all or none of them. Another process may be doing the same."""
    if version_of(db) >= len(steps):
        return
    db.execute("BEGIN IMMEDIATE")
    with db:
        for statement in (statement for step in steps[version_of(db) :] for statement in step):
            db.execute(statement)
        db.execute(f"PRAGMA user_version = {len(steps)}")


def is_busy(error: Exception) -> bool:
    """Whether another process has the file."""
    return code_of(error) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


def is_spoilt(error: Exception) -> bool:
    """Whether the file is not, or is no longer, a database."""
    return code_of(error) in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def code_of(error: Exception) -> int:
    """SQLite's number of an error, without the details in its higher bits. Other errors have the number 0."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF
