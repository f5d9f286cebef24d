"""Remarks on a change, by what the mirror holds. They ask the service nothing, and hold back nothing.

- A value that is unusual for its field: another spelling of one in use, or a new one beside a few choices.
- A value that is no date, or no number, where the others are.
- A field with a twin, such as "Plan" beside "plan tier".
- A new contact that is probably in the book already.

Without a mirror in use there are no remarks. A mirror that fails says nothing either: the change itself matters more.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from contacts_mcp.book.book import Book
from contacts_mcp.book.values import field_id
from contacts_mcp.book.vocabulary import Snapshot
from contacts_mcp.errors import ContactsError
from contacts_mcp.models import Values
from contacts_mcp.words.dates import is_day
from contacts_mcp.words.display import all_in_line, quoted, word
from contacts_mcp.words.note import Note
from contacts_mcp.words.phones import show

if TYPE_CHECKING:
    from contacts_mcp.book.search.describing import FieldUse
    from contacts_mcp.state.row import Row

MOST_TOLD = 3  # contacts or values in one remark
NAME = 60  # characters of a name or value


async def on_values(book: Book, values: Values) -> list[Note]:
    """Remarks on the custom values of a change."""
    given = {number: str(text) for key, text in values.items() if (number := field_id(key)) is not None and text}
    if not given or not book.mirror.is_in_use:
        return []
    from contacts_mcp.book.search.describing import use_of, writings

    names = await book.vocabulary.naming(values)
    with suppress(ContactsError):
        uses = await book.mirror.ask(
            lambda index: [
                (use_of(index, number, names.fields), writings(index, number, text)) for number, text in given.items()
            ]
        )
        return [note for use, written in uses for note in _on_value(use, given[use.field_id], written, names)]
    return []


def _on_value(use: FieldUse, text: str, written: Sequence[tuple[str, int]], names: Snapshot) -> list[Note]:
    from contacts_mcp.book.search.describing import kind_of_value

    label, said = word(names.fields.label(use.field_id)), quoted(text, limit=NAME)
    notes: list[Note] = []
    spelled, writers = next(iter(written), (None, 0))
    are_others = writers > max(1, dict(written).get(text, 0))  # one alone may be the contact itself
    if use.kind == "choice" and spelled is None:
        others = ", ".join(quoted(value, limit=NAME) for value, _ in use.values[:MOST_TOLD])
        notes.append(
            Note("unusual_value", f"The local index knows no other contact with {label} {said}. In use are {others}.")
        )
    elif use.kind in ("choice", "text") and are_others:
        notes.append(Note("unusual_value", f"Others have {label} {quoted(str(spelled), limit=NAME)}, not {said}."))
    elif use.kind in ("date", "number") and kind_of_value(text) != use.kind:
        form = {"date": "dates such as 2026-11-01", "number": "numbers"}[use.kind]
        differs = "written otherwise" if use.kind == "date" and is_day(text) else "none"
        notes.append(Note("unusual_value", f"Others have {form} in {label}, and {said} is {differs}."))
    if use.twins:
        notes.append(
            Note("field_twin", f"{label} may mean the same as {all_in_line(use.twins)}. Check which one is meant.")
        )
    return notes


async def on_new(book: Book, values: Values) -> list[Note]:
    """A remark on contacts that the new one probably doubles, by its names and e-mail.

    The phone was looked for before, in the service itself.
    """
    if not book.mirror.is_in_use:
        return []
    from contacts_mcp.book.search.duplicates import probable_doubles_of

    text = {name: str(values.get(name) or "") for name in ("first", "last", "display_name", "email")}
    with suppress(ContactsError):
        found = await book.mirror.ask(lambda index: probable_doubles_of(index, **text))
        return [_on_doubles([row for row, _ in found])] if found else []
    return []


def _on_doubles(rows: Sequence[Row]) -> Note:
    shown = ", ".join(
        f"{quoted(row.name, limit=NAME)} {show(row.phone)} (contact_id {row.id})" for row in rows[:MOST_TOLD]
    )
    more = f" and {len(rows) - MOST_TOLD} more" if len(rows) > MOST_TOLD else ""
    return Note(
        "probable_double",
        f"This may be a person who was in the book before: {shown}{more}. Ask the person. merge_contacts makes one of "
        "them.",
    )
