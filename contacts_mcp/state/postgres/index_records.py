"""One contact in the shared index: a row of `mirror_contact` <-> a `Row`.

PostgreSQL takes no NUL in a text, and the service may send one. U+001A and a digit stand for it, and for themselves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from contacts_mcp.state.postgres.index_words import address_key, text_of
from contacts_mcp.state.row import COLUMNS, Row, custom_of, words_and_record_of
from contacts_mcp.state.word_index import Facts, Line

if TYPE_CHECKING:
    from contacts_mcp.state.postgres.index_pool import Connection

OWN = ("words", "local")  # columns that the file of an index does not have
_TEXTS = frozenset({"first", "last", "display_name", "email", "custom", "unread", "names"})
_KEPT = COLUMNS[:-1]  # a walk is written down elsewhere
_ROW = (
    "c.id, c.uuid, c.phone, c.first, c.last, c.display_name, c.email, c.custom, c.tags, c.assignee, c.opted_out, "
    "c.created, c.updated, c.rev, c.unread"
)
_LINE = "c.id, c.names, c.first, c.last, c.email, c.custom, c.phone, c.updated, c.created"
_FACTS = "c.id, c.phone, c.first, c.last, c.display_name, c.email, c.custom, c.name_key, c.display_key"
# The offset holds PostgreSQL to looking each id up. It would rather read a small table whole, every time.
_OF_IDS = (
    "FROM unnest(%s::bigint[]) asked (id), "
    "LATERAL (SELECT * FROM mirror_contact WHERE account = %s AND id = asked.id OFFSET 0) c"
)
_UUID_BYTES = 16
_NO_UUID = b"\xff"  # which no text has in UTF-8
_COPY = f"COPY mirror_contact (account, {', '.join(_KEPT + OWN)}) FROM STDIN"

Record = tuple[Any, ...]


def put_in(db: Connection, account: int, rows: Iterable[Row]) -> list[str]:
    """Write rows whose contacts are not there. The caller has a transaction open. Returns the words of each.

    PostgreSQL takes the ones in while the next ones are folded. Raises psycopg.Error.
    """
    words = []
    with db.cursor() as cursor, cursor.copy(_COPY) as copy:
        for row in rows:
            record = _record_of(row, account)
            words.append(record[-len(OWN)])
            copy.write_row(record)
    return words


def _record_of(row: Row, account: int) -> Record:
    words, plain = words_and_record_of(row, 0)
    named = dict(zip(_KEPT, plain, strict=False))
    named |= {name: _shielded(named[name]) for name in _TEXTS}
    named |= {"uuid": _uuid_in(named["uuid"]), "phone": row.phone or None, "email_key": address_key(named["email_key"])}
    return account, *named.values(), text_of(words), _local(words.parts, named["email"])


# Reading


def rows(db: Connection, rest: str, values: Sequence[Any] | Mapping[str, Any]) -> list[Row]:
    """The contacts of `mirror_contact c` with that rest of the query. Raises psycopg.Error, as all of these."""
    query = f"SELECT {_ROW} FROM mirror_contact c {rest}"
    return [_row(*record) for record in db.execute(query.encode(), values)]


def rows_of(db: Connection, account: int, ids: Sequence[int]) -> list[Row]:
    """The contacts of these ids."""
    return [_row(*record) for record in db.execute(f"SELECT {_ROW} {_OF_IDS}".encode(), [[*ids], account])]


def rows_and_words(db: Connection, rest: str, values: Sequence[Any]) -> list[tuple[Row, str]]:
    """As `rows`, with the words that are kept."""
    query = f"SELECT c.words, {_ROW} FROM mirror_contact c {rest}"
    return [(_row(*record), words) for words, *record in db.execute(query.encode(), values)]


def rows_and_words_of(db: Connection, account: int, ids: Sequence[int]) -> list[tuple[Row, str]]:
    """As `rows_of`, with the words that are kept."""
    found = db.execute(f"SELECT c.words, {_ROW} {_OF_IDS}".encode(), [[*ids], account])
    return [(_row(*record), words) for words, *record in found]


def lines_of(db: Connection, account: int, ids: Sequence[int]) -> list[Line]:
    """As `rows_of`, as a search ranks them."""
    return [_line(*record) for record in db.execute(f"SELECT {_LINE} {_OF_IDS}".encode(), [[*ids], account])]


def facts(db: Connection, rest: str, values: Sequence[Any]) -> list[Facts]:
    """As `rows`, as they tell doubles."""
    query = f"SELECT {_FACTS} FROM mirror_contact c {rest}"
    return [_facts(*record) for record in db.execute(query.encode(), values)]


def facts_of(db: Connection, account: int, ids: Sequence[int]) -> list[Facts]:
    """As `rows_of`, as they tell doubles."""
    return [_facts(*record) for record in db.execute(f"SELECT {_FACTS} {_OF_IDS}".encode(), [[*ids], account])]


def _row(
    contact_id: int,
    uuid: bytes,
    phone: str | None,
    first: str,
    last: str,
    display_name: str,
    email: str,
    custom: str,
    tags: str,
    assignee: int | None,
    opted_out: bool | None,
    created: int | None,
    updated: int | None,
    rev: int,
    unread: str,
) -> Row:
    return Row(
        id=contact_id,
        uuid=_uuid_out(uuid),
        phone=phone or "",
        first=_bare(first),
        last=_bare(last),
        display_name=_bare(display_name),
        email=_bare(email),
        custom=custom_of(_bare(custom)),
        tags=tuple(map(int, tags.split())),
        assignee=assignee,
        is_opted_out=opted_out,
        created=created,
        updated=updated,
        rev=rev,
        unread=tuple(_bare(unread).split()),
    )


def _line(
    contact_id: int,
    names: str,
    first: str,
    last: str,
    email: str,
    custom: str,
    phone: str | None,
    updated: int | None,
    created: int | None,
) -> Line:
    folded = _bare(names) or f"{first} {last}§".lower()
    return Line(contact_id, folded, _bare(email), _bare(custom), phone or "", updated or 0, created or 0)


def _facts(
    contact_id: int,
    phone: str | None,
    first: str,
    last: str,
    display_name: str,
    email: str,
    custom: str,
    name_key: int | None,
    display_key: int | None,
) -> Facts:
    first, last, display_name, email, custom = map(_bare, (first, last, display_name, email, custom))
    return Facts(contact_id, phone or "", first, last, display_name, email, custom, name_key, display_key)


def _local(parts: str, email: str) -> str | None:
    """The local part of the address, None where `mirror_trigrams` makes the same one."""
    local = parts.partition("| ")[2].replace("\0", "")
    return None if email.isascii() and email.partition("@")[0].lower() == local else local


def _shielded(text: str) -> str:
    return text.replace("\x1a", "\x1a1").replace("\0", "\x1a0") if "\0" in text or "\x1a" in text else text


def _bare(text: str) -> str:
    return text.replace("\x1a0", "\0").replace("\x1a1", "\x1a") if "\x1a" in text else text


def _uuid_in(value: bytes | str) -> bytes:
    if isinstance(value, bytes):
        return value
    text = _NO_UUID + value.encode()
    return text if len(text) != _UUID_BYTES else _NO_UUID + text


def _uuid_out(value: bytes) -> str:
    return str(UUID(bytes=value)) if len(value) == _UUID_BYTES else value.lstrip(_NO_UUID).decode()
