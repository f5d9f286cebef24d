"""One contact as the index keeps it, and the words under which the index finds it.

A mark is a word that begins with `§§`, which no folded text has. Filters and text are one search because of it:

| mark | contacts |
|---|---|
| `§§t101`, `§§t0` | with the tag 101, without tags |
| `§§a501`, `§§a0` | assigned to 501, to nobody |
| `§§out`, `§§in`, `§§unknown` | opted out, not opted out, not said. Every contact has one of these. |
| `§§mail` | with an e-mail address |
| `§§f31` | with a value of field 31 |
| `§§31§gold` | whose value of field 31 is "gold", case, accents and width aside |
| `§§p1510` | whose phone begins with these four digits |
| `§§odd` | with a member that the service sent in a form that cannot be read |

All of them begin alike, because FTS5 also keeps a list of contacts for each beginning of one and two characters.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sized
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple
from zlib import crc32

from contacts_mcp.models import Contact, instant
from contacts_mcp.words.folding import unaccented
from contacts_mcp.words.search_words import (
    NameWords,
    email_key,
    email_words,
    name_key,
    name_words,
    value_words,
)

NOT_OPTED_OUT, OPTED_OUT, UNKNOWN = EVERYBODY = ("§§in", "§§out", "§§unknown")
HAS_EMAIL = "§§mail"
ODD = "§§odd"
TAGS, ASSIGNEES, FIELDS = "§§t", "§§a", "§§f"  # the beginnings of their marks
PHONE_MARK = 4  # digits
_LONGEST_VALUE = 40  # characters of a value in its mark
_LONGEST_INTEGER = 18  # digits that SQLite keeps as an integer
_BETWEEN = "\x1f"  # the unit separator
_EPOCH = instant("1970-01-01T00:00:00Z")
_MICROSECOND = timedelta(microseconds=1)

_DAMAGE = (ValueError, TypeError, AttributeError, LookupError)
_HEX_OF_A_UUID = 32
_UUID = re.compile("[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")

# A custom value of another name than a number's cannot be asked for.
_MEMBER = re.compile(r"[a-z_]+|custom\.[0-9]+")

# Signs part words in the index, and distinguish values ("A+", "A-"). In a mark they are private characters.
_AS_PRIVATE = {code: 0xE000 + code for code in range(128) if not chr(code).isalnum()}
_FROM_PRIVATE = {private: code for code, private in _AS_PRIVATE.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One contact in the mirror."""

    id: int
    uuid: str = ""
    phone: str = ""  # digits without a plus
    first: str = ""
    last: str = ""
    display_name: str = ""
    email: str = ""
    custom: Mapping[int, str] = field(default_factory=dict)  # field id -> value, without empty ones
    tags: tuple[int, ...] = ()
    assignee: int | None = None
    is_opted_out: bool | None = None
    created: int | None = None  # microseconds since 1970
    updated: int | None = None
    rev: int = 0
    unread: tuple[str, ...] = ()  # names of members in a form that cannot be read, in order: "tags", "custom.31"

    @classmethod
    def of(cls, contact: Contact) -> Row:
        """The row of a contact as the service sent it."""
        return cls(
            id=contact.id,
            uuid=storable(contact.uuid),
            phone=contact.phone,
            first=storable(contact.first),
            last=storable(contact.last),
            display_name=storable(contact.display_name),
            email=storable(contact.email),
            custom={number: storable(text) for number, text in contact.custom.items() if text},
            tags=contact.tags,
            assignee=contact.assigned_user_id,
            is_opted_out=contact.is_opted_out,
            created=microseconds(contact.created_at),
            updated=microseconds(contact.updated_at),
            rev=contact.rev,
            unread=tuple(sorted(filter(_MEMBER.fullmatch, contact.unread))),
        )

    @property
    def name(self) -> str:
        """The name that people use: the display name, else first and last. It may be empty."""
        return self.display_name or " ".join(part for part in (self.first, self.last) if part)


class Words(NamedTuple):
    """The words of a row, as the index takes them."""

    name: str
    values: str  # and marks
    email: str
    parts: str


def microseconds(moment: datetime | None) -> int | None:
    """The moment in microseconds since 1970."""
    return (moment - _EPOCH) // _MICROSECOND if moment and _EPOCH else None


def storable(text: str) -> str:
    """JSON may hold half a character, which no file can."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")


def newest_of_each(rows: Iterable[Row]) -> dict[int, Row]:
    """The rows by their ids, of two rows of one id the newer one."""
    page: dict[int, Row] = {}
    for row in rows:
        if row.id not in page or _version(row) >= _version(page[row.id]):
            page[row.id] = row
    return page


def is_news(row: Row, before: Row) -> bool:
    """Whether the row differs from the one that is known, and is not older. Without a `rev` in both, times decide."""
    versions = [_version(row), _version(before)]
    if not (row.rev and before.rev):
        versions = [(0, updated) for _, updated in versions]
    return versions[0] >= versions[1] and row != before


def _version(row: Row) -> tuple[int, int]:
    return row.rev, row.updated or 0


# Row <-> record


COLUMNS = (
    "id", "uuid", "phone", "name_key", "display_key", "email_key", "created", "updated", "rev", "assignee",
    "opted_out", "first", "last", "display_name", "email", "custom", "tags", "unread", "names", "walk",
)  # fmt: skip


def record_of(row: Row, walk: int) -> tuple[Any, ...]:
    """The values of `COLUMNS`."""
    names = name_words(row.first, row.last, row.display_name)
    own = name_key(names.own)
    shown = name_key(names.shown) if names.shown else None
    key = email_key(row.email)
    return (
        row.id,
        _uuid_in(row.uuid),
        phone_key(row.phone),
        own,
        shown if shown != own else None,
        name_key([key]) if key else None,
        row.created,
        row.updated,
        row.rev,
        row.assignee,
        row.is_opted_out,
        row.first,
        row.last,
        row.display_name,
        row.email,
        _custom_in(row.custom),
        " ".join(map(str, row.tags)),
        " ".join(row.unread),
        "" if _is_plain(row, names) else f"{' '.join(names.words)}§{' '.join(names.forms)}",
        walk,
    )


def _is_plain(row: Row, names: NameWords) -> bool:
    """Whether the words are first and last name in small letters. The file need not hold them again then."""
    text = f"{row.first} {row.last}"
    return text.isascii() and not (row.display_name or names.forms) and " ".join(names.words) == text.lower()


def names_in(record: Any) -> str:
    """The folded words of the name, § and its other forms."""
    return record["names"] or f"{record['first']} {record['last']}§".lower()


def row_of(record: Any) -> Row:
    """The row of a record, whose members are named as `COLUMNS`. Raises sqlite3.DatabaseError for a damaged one."""
    try:  # without `damage_told`, because a search shows many
        return _row_of(record)
    except _DAMAGE:
        raise sqlite3.DatabaseError("malformed record") from None


@contextmanager
def damage_told() -> Iterator[None]:
    """Reading a value of another type or form than was written raises sqlite3.DatabaseError."""
    try:
        yield
    except _DAMAGE:
        raise sqlite3.DatabaseError("malformed record") from None


def _row_of(record: Any) -> Row:
    return Row(
        id=record["id"],
        uuid=_uuid_of(record["uuid"]),
        phone="" if record["phone"] is None else str(record["phone"]),
        first=record["first"],
        last=record["last"],
        display_name=record["display_name"],
        email=record["email"],
        custom=custom_of(record["custom"]),
        tags=tuple(map(int, record["tags"].split())),
        assignee=record["assignee"],
        is_opted_out=None if record["opted_out"] is None else bool(record["opted_out"]),
        created=record["created"],
        updated=record["updated"],
        rev=record["rev"],
        unread=tuple(record["unread"].split()),
    )


def custom_of(text: str) -> dict[int, str]:
    """The custom values of a record. Raises sqlite3.DatabaseError for damaged ones."""
    if not text:
        return {}
    try:  # without `damage_told`, because a search comes by some hundred times
        if text.startswith("{"):
            return {int(number): str(value) for number, value in json.loads(text).items()}
        pairs = (pair.partition(":") for pair in text.split(_BETWEEN))
        return {int(number): value for number, _, value in pairs}
    except _DAMAGE:
        raise sqlite3.DatabaseError("malformed custom values") from None


def _custom_in(custom: Mapping[int, str]) -> str:
    """`31:Gold` and so on with a separator between, which is a quarter shorter than JSON. JSON, if a value has that."""
    text = _BETWEEN.join([f"{number}:{value}" for number, value in custom.items()])
    if text.count(_BETWEEN) >= len(custom) > 0:
        return json.dumps({str(number): value for number, value in custom.items()})
    return text


def _uuid_in(text: str) -> bytes | str:
    return bytes.fromhex(text.replace("-", "")) if _UUID.fullmatch(text) else text


def _uuid_of(kept: bytes | str) -> str:
    if isinstance(kept, str):
        return kept
    text = kept.hex()
    if len(text) != _HEX_OF_A_UUID:
        raise ValueError
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"  # three times as quick as `uuid.UUID`


def phone_key(digits: str) -> int | str | None:
    """The phone as the file has it, None for none."""
    if not digits:
        return None
    return int(digits) if len(digits) <= _LONGEST_INTEGER and digits[0] != "0" else digits


# The words of a record


def words_of(record: Any) -> Words:
    """The words of a record, whose members are named as `COLUMNS`."""
    with damage_told():
        return _words(
            names_in(record),
            record["email"],
            custom_of(record["custom"]),
            "" if record["phone"] is None else str(record["phone"]),
            _marks(record["opted_out"], record["tags"].split(), record["assignee"], record["unread"]),
        )


def words_and_record_of(row: Row, walk: int) -> tuple[Words, tuple[Any, ...]]:
    """The words of a row, and its record."""
    record = record_of(row, walk)
    names = record[COLUMNS.index("names")] or f"{row.first} {row.last}§".lower()
    marks = _marks(row.is_opted_out, row.tags, row.assignee, row.unread)
    return _words(names, row.email, row.custom, row.phone, marks), record


def _words(names: str, email: str, custom: Mapping[int, str], phone: str, marks: list[str]) -> Words:
    values = [word for text in custom.values() for word in value_words(text)]
    if email:
        marks.append(HAS_EMAIL)
    if phone:
        marks.append(phone_mark(phone))
    for number, text in custom.items():
        marks += (field_mark(number), value_mark(number, text))
    local = (email_key(email).rpartition("@")[0] or email_key(email)) if email else ""
    return Words(
        name=names.replace("§", " "),
        values=" ".join(dict.fromkeys((*values, *marks))),
        email=" ".join(email_words(email)) if email else "",
        parts=f"|{phone}| {local}" if phone or local else "",
    )


def _marks(opted_out: int | None, tags: Iterable[int | str], assignee: int | None, unread: Sized) -> list[str]:
    has = [*map(tag_mark, tags)] or [tag_mark(0)]
    odd = [ODD] if unread else []
    return [EVERYBODY[2 if opted_out is None else int(opted_out)], *has, assignee_mark(assignee), *odd]


def tag_mark(tag: int | str) -> str:
    return f"{TAGS}{tag}"


def assignee_mark(member: int | None) -> str:
    return f"{ASSIGNEES}{member or 0}"


def is_mark(word: str) -> bool:
    return word.startswith("§§")


def field_mark(field_id: int) -> str:
    return f"{FIELDS}{field_id}"


def value_marks(field_id: int) -> str:
    """The beginning of the marks of a field's values."""
    return f"§§{field_id}§"


def phone_mark(digits: str) -> str:
    """The mark of phones that begin so. With fewer digits than a mark has, it is the beginning of marks."""
    return f"§§p{digits[:PHONE_MARK]}"


@lru_cache(maxsize=10_000)
def value_mark(field_id: int, text: str) -> str:
    """The mark of one value. Longer values are told apart by a checksum."""
    plain = unaccented(storable(text))
    cut = plain if len(plain) <= _LONGEST_VALUE else f"{plain[:_LONGEST_VALUE]}§{crc32(plain.encode()):x}"
    return f"{value_marks(field_id)}{cut.translate(_AS_PRIVATE)}"


def value_in(mark: str) -> str:
    """The value in a mark, folded and perhaps cut."""
    return mark.split("§", 3)[3].partition("§")[0].translate(_FROM_PRIVATE)
