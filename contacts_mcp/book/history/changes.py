"""The changes made here, for people to read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from contacts_mcp.book.book import Book
from contacts_mcp.book.cards import Change, changes_between
from contacts_mcp.book.vocabulary import Snapshot
from contacts_mcp.book.writing.settle import plan_of, settle
from contacts_mcp.models import Values
from contacts_mcp.state.journal import Entry
from contacts_mcp.words.zones import local


@dataclass(frozen=True, slots=True)
class ShownChange:
    """One change as people read it."""

    entry: Entry
    at: str  # RFC 3339, in the account's time zone
    changes: list[Change]


async def changes_of(
    book: Book, *, contact_id: int | None = None, before: int | None = None, limit: int = 25
) -> list[ShownChange]:
    """The changes made here, newest first. Unfinished entries are settled where that is possible.

    `before` is a change_id to go on below.
    """
    await settle(book)
    entries = await book.journal.entries(contact_id=contact_id, before=before, limit=limit)
    tables = [_asked(entry) for entry in entries]
    names = await book.vocabulary.naming(*(table for pair in tables for table in pair))
    return [
        ShownChange(entry, _local(entry.at, names), changes_between(had, now, names))
        for entry, (had, now) in zip(entries, tables, strict=True)
    ]


def _local(seconds: float, names: Snapshot) -> str:
    return local(datetime.fromtimestamp(int(seconds), UTC), names.zone)


def _asked(entry: Entry) -> tuple[Values, Values]:
    """The values that `entry` asked to change, as they were and as they are.

    A change of unknown outcome shows the values it asked for.
    """
    if entry.action == "import":
        return {}, {}
    after = entry.after if entry.state == "done" else entry.wanted
    asked = plan_of(entry).asked
    return (
        {key: entry.before[key] for key in asked if key in entry.before},
        {key: after[key] for key in asked if key in after},
    )
