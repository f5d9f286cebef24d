"""The rows behind the API: SQLite in, plain dicts out.

A contact is a dict of every column plus `custom` (field id as text -> value) and `tags` (ids). Times are microseconds.
The handlers decide what a client may do. This module checks nothing.

Lists are sorted by `updated`, then by id, both descending (heymarket-api.md, section 4.1).
They are sorted in the precision that clients are shown.
"""

# ruff: noqa: S608 - table and column names are ours; every value is a parameter

from __future__ import annotations

import json
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from .timestamps import Precision

Record = dict[str, Any]

COLUMNS = (
    "uuid",
    "first",
    "last",
    "display_name",
    "email",
    "phone",
    "avatar",
    "assigned_user_id",
    "is_opted_out",
    "blocked",
    "team_id",
    "creator_id",
    "inbox_id",
    "parent_id",
    "shared",
    "created",
    "updated",
    "rev",
    "op",
    "type",
    "external_id",
    "external_ref",
    "note",
)

_BOOLEANS = ("is_opted_out", "blocked", "shared")
_JSON = ("custom", "tags", "note")
_TABLES = ("contact_tags", "contact_fields", "contacts", "tags", "fields", "inboxes", "members", "team")
_SCHEMA_VERSION = 1

# The sort key of the list, and how many microseconds one step of it has. Each key has an index of the same expression.
_SORT_KEYS: dict[Precision, tuple[str, int]] = {"seconds": ("updated / 1000000", 10**6), "micros": ("updated", 1)}

_COLUMN_LIST = ", ".join(COLUMNS)
_MARKS = ", ".join("?" for _ in COLUMNS)


class Records:
    """All rows of one database, in memory or in a file.

    `seed` fills a new database. It is called inside the transaction that creates the tables.
    So two processes that open one file at once cannot both fill it.
    """

    def __init__(self, path: str | Path | None, *, seed: Callable[[Records], None]) -> None:
        # A server under test may run in a thread of its own while the test looks at the rows.
        self._db = sqlite3.connect(":memory:" if path is None else path, isolation_level=None, check_same_thread=False)
        self._db.row_factory = sqlite3.Row
        self._lock = threading.RLock()
        for pragma in ("journal_mode = WAL", "synchronous = NORMAL", "foreign_keys = ON"):
            self._db.execute(f"PRAGMA {pragma}")
        try:
            self._create(seed)
        except BaseException:
            self.close()
            raise

    def _create(self, seed: Callable[[Records], None]) -> None:
        schema = resources.files(__package__).joinpath("schema.sql").read_text(encoding="utf-8")
        with self._lock:
            self._db.executescript(f"BEGIN IMMEDIATE; {schema}")
            if self._db.execute("PRAGMA user_version").fetchone()[0] == 0:
                seed(self)
                self._db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            self._db.execute("COMMIT")

    def close(self) -> None:
        """Closes the database. A database in memory is gone then."""
        self._db.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Makes the writes inside all or nothing. No other thread or process writes in between."""
        with self._lock:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")

    def empty(self) -> None:
        """Deletes every row and lets ids begin anew."""
        for table in (*_TABLES, "sqlite_sequence"):
            self._db.execute(f"DELETE FROM {table}")

    # Contacts, read

    def contact(self, contact_id: int) -> Record | None:
        """The contact with this id."""
        rows = self._contacts("WHERE id = ?", contact_id)
        return rows[0] if rows else None

    def contacts(self) -> list[Record]:
        """Every contact, by id."""
        return self._contacts("ORDER BY id")

    def with_values(self, column: str, values: Sequence[str]) -> list[Record]:
        """The contacts whose `column` is exactly one of `values`, by id."""
        return self._contacts(f"WHERE {column} IN (SELECT value FROM json_each(?)) ORDER BY id", json.dumps(values))

    def page(
        self, *, before: int | None, inclusive: bool, precision: Precision, limit: int, offset: int = 0
    ) -> list[Record]:
        """A page of contacts in the order of lists, from `before` (nanoseconds) on."""
        key, step = _SORT_KEYS[precision]
        order = f"ORDER BY {key} DESC, id DESC LIMIT ? OFFSET ?"
        if before is None:
            return self._contacts(order, limit, offset)
        # A whole number is at most x when it is at most floor(x), and below x when it is below ceil(x).
        bound = before // (step * 1000) if inclusive else -(-before // (step * 1000))
        return self._contacts(f"WHERE {key} {'<=' if inclusive else '<'} ? {order}", bound, limit, offset)

    def count(self) -> int:
        """How many contacts there are."""
        return int(self._db.execute("SELECT count(*) FROM contacts").fetchone()[0])

    def _contacts(self, clauses: str, *parameters: Any) -> list[Record]:
        return [_record(row) for row in self._db.execute(f"SELECT * FROM contact_records {clauses}", parameters)]

    # Contacts, written

    def insert(self, record: Record) -> int:
        """Adds a contact and returns its id. An id in `record` is kept."""
        cursor = self._db.execute(
            f"INSERT INTO contacts (id, {_COLUMN_LIST}) VALUES (?, {_MARKS})",
            (record.get("id"), *_column_values(record)),
        )
        contact_id = int(cursor.lastrowid or 0)
        self._insert_lists(contact_id, record)
        return contact_id

    def replace(self, record: Record) -> None:
        """Writes every column, custom value and tag of a contact that is there."""
        contact_id = record["id"]
        self._db.execute(
            f"UPDATE contacts SET ({_COLUMN_LIST}) = ({_MARKS}) WHERE id = ?", (*_column_values(record), contact_id)
        )
        self._db.execute("DELETE FROM contact_fields WHERE contact_id = ?", (contact_id,))
        self._db.execute("DELETE FROM contact_tags WHERE contact_id = ?", (contact_id,))
        self._insert_lists(contact_id, record)

    def delete(self, contact_id: int) -> None:
        """Removes a contact with its custom values and tags."""
        self._db.execute("DELETE FROM contacts WHERE id = ?", (contact_id,))

    def set_updated(self, contact_ids: Iterable[int], updated: int) -> None:
        """Moves contacts in the list without another trace."""
        self._db.executemany(
            "UPDATE contacts SET updated = ? WHERE id = ?", [(updated, contact_id) for contact_id in contact_ids]
        )

    def _insert_lists(self, contact_id: int, record: Record) -> None:
        values = [(contact_id, int(field_id), value) for field_id, value in record["custom"].items()]
        tags = [(contact_id, tag_id, position) for position, tag_id in enumerate(record["tags"])]
        self._db.executemany("INSERT INTO contact_fields VALUES (?, ?, ?)", values)
        self._db.executemany("INSERT INTO contact_tags VALUES (?, ?, ?)", tags)

    # Everything else

    def team(self) -> Record:
        """The only team there is."""
        return self._rows("team")[0]

    def members(self) -> list[Record]:
        """The people in the team, by id."""
        return self._rows("members")

    def inboxes(self) -> list[Record]:
        """The inboxes, by id."""
        return self._rows("inboxes")

    def fields(self) -> list[Record]:
        """The custom fields, by id."""
        return self._rows("fields")

    def tags(self) -> list[Record]:
        """The tags, by id."""
        return self._rows("tags")

    def add_row(self, table: str, row: Record) -> int:
        """Adds a row to a table other than the contacts and returns its id."""
        columns, marks = ", ".join(row), ", ".join("?" for _ in row)
        cursor = self._db.execute(f"INSERT INTO {table} ({columns}) VALUES ({marks})", tuple(row.values()))
        return int(cursor.lastrowid or 0)

    def rename_row(self, table: str, row_id: int, *, column: str, name: str) -> None:
        """Gives a row of a table other than the contacts another name."""
        self._db.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", (name, row_id))

    def delete_row(self, table: str, row_id: int) -> None:
        """Deletes a row of a table other than the contacts."""
        self._db.execute(f"DELETE FROM {table} WHERE id = ?", (row_id,))

    def ids(self, table: str) -> frozenset[int]:
        """All ids in a table."""
        return frozenset(row[0] for row in self._db.execute(f"SELECT id FROM {table}"))

    def _rows(self, table: str) -> list[Record]:
        return [dict(row) for row in self._db.execute(f"SELECT * FROM {table} ORDER BY id")]


class ForgetfulRecords(Records):
    """The same rows, but a write only seems to be one: it gives a fitting answer and changes nothing."""

    def __init__(self, records: Records) -> None:
        vars(self).update(vars(records))  # the same database

    def insert(self, record: Record) -> int:
        """The id that the contact would get."""
        return int(record.get("id") or self._next_id("contacts"))

    def replace(self, record: Record) -> None:
        """Does nothing."""

    def delete(self, contact_id: int) -> None:
        """Does nothing."""

    def add_row(self, table: str, row: Record) -> int:
        """The id that the row would get."""
        return int(row.get("id") or self._next_id(table))

    def _next_id(self, table: str) -> int:
        row = self._db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)).fetchone()
        return int(row[0]) + 1 if row else 1


def blank_contact(*, team_id: int, now: int) -> Record:
    """A contact with every member empty. `now` is in microseconds."""
    return {
        "uuid": str(uuid.uuid4()),
        "first": "",
        "last": "",
        "display_name": "",
        "email": "",
        "phone": "",
        "avatar": "",
        "assigned_user_id": None,
        "is_opted_out": False,
        "blocked": False,
        "team_id": team_id,
        "creator_id": None,
        "inbox_id": None,
        "parent_id": None,
        "shared": True,
        "created": now,
        "updated": now,
        "rev": 1,
        "op": "",
        "type": "contact",
        "external_id": "",
        "external_ref": "",
        "note": [],
        "custom": {},
        "tags": [],
    }


def new_tag(label: str, *, color: str, now: int) -> Record:
    """The row of a new tag. `now` is in microseconds."""
    return {"uuid": str(uuid.uuid4()), "tag": label, "color": color, "created": now, "updated": now, "rev": 1}


def rank(row: Record, *, precision: Precision) -> tuple[int, int]:
    """The sort key of a list that is sorted in reverse."""
    return row["updated"] // _SORT_KEYS[precision][1], row["id"]


def is_beyond(row: Record, bound: int | None, *, inclusive: bool, precision: Precision) -> bool:
    """Whether `row` comes after a cursor of `bound` nanoseconds. None is the start of the list."""
    if bound is None:
        return True
    step = _SORT_KEYS[precision][1]
    shown = int(row["updated"]) // step * step * 1000
    return shown <= bound if inclusive else shown < bound


def _record(row: sqlite3.Row) -> Record:
    record = dict(row)
    for name in _BOOLEANS:
        record[name] = bool(record[name])
    for name in _JSON:
        record[name] = json.loads(record[name])
    return record


def _column_values(record: Record) -> tuple[Any, ...]:
    return tuple(json.dumps(record[name], ensure_ascii=False) if name == "note" else record[name] for name in COLUMNS)
