"""Exporting contacts: those who are meant, each as the service has them now, and the file that holds them.

An export of a part of the book says so in the answer and in the name of the file, and never hides it. A call has
limited time. It then writes those that it has read, as a part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePath

import anyio.to_thread

from contacts_mcp.book.book import Book
from contacts_mcp.book.listing.filters import Filters
from contacts_mcp.book.search.mirror import LONGEST_WAIT
from contacts_mcp.book.transfer.files import Place, place_for, resolved_roots
from contacts_mcp.book.transfer.formats import ENDINGS, Format, Line, column_of, line_of, write
from contacts_mcp.book.transfer.gathering import Gathered, gather
from contacts_mcp.book.values import values_of
from contacts_mcp.book.vocabulary import LISTS
from contacts_mcp.errors import InvalidArgument, Refused
from contacts_mcp.words.note import Note

MOST_INLINE = 25  # contacts
MOST_INLINE_BYTES = 20_000
MOST_AT_ONCE = 1_000  # contacts that are written in the event loop; more are written in a thread
_WITHOUT_FILES = (
    "No folder is open to files here, and over HTTP none ever is. "
    f"Choose up to {MOST_INLINE} with where, or page with search_contacts (detail full, next_cursor). "
    "For all of them the owner of this server runs contacts-mcp export FILE."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """The result of an export."""

    format: Format
    contacts: int
    complete: bool  # whether everybody who is meant is in it
    path: str = ""  # of the file
    text: str = ""  # the content, where there is no file
    notes: Sequence[str] = ()  # each a Note


async def export(
    book: Book,
    filters: Filters,
    *,
    file: str = "",
    kind: Format | None = None,
    overwrite: bool = False,
    folders: Sequence[PurePath] | None = None,
    patience: float = LONGEST_WAIT,
) -> Exported:
    """Write the contacts that pass the filters into a file, or answer them as text where they are few.

    `folders` are those of the book unless others are given. `patience` is how long to wait for the mirror, in seconds.
    Raises InvalidArgument, UnknownName, Refused, UpstreamError.
    """
    kind = _format_of(file, kind)
    roots = resolved_roots([str(each) for each in (book.folders if folders is None else folders)])
    if file and not roots:
        raise Refused(_WITHOUT_FILES, kind="no_folders")
    place = place_for(file, roots, overwrite=overwrite) if file else None
    if place:
        place.check()
    gathered = await gather(book, filters, patience=patience)
    lines, custom, notes = await _lines(book, gathered)
    if place is None:
        text = _inline(kind, lines, custom, otherwise="Give file." if roots else _WITHOUT_FILES)
        return Exported(
            format=kind, contacts=len(lines), complete=gathered.is_complete, text=text, notes=[*gathered.notes, *notes]
        )
    if not gathered.is_complete:
        place = place.called(partial_name(place.path.name))
    if len(lines) > MOST_AT_ONCE:
        await anyio.to_thread.run_sync(_written, place, kind, lines, custom)
    else:
        _written(place, kind, lines, custom)
    return Exported(
        format=kind,
        contacts=len(lines),
        complete=gathered.is_complete,
        path=str(place.path),
        notes=[*gathered.notes, *notes],
    )


def _written(place: Place, kind: Format, lines: Sequence[Line], custom: Sequence[str]) -> None:
    with place.writing() as stream:
        write(stream, kind, lines, custom)


def partial_name(name: str) -> str:
    """The name of a file that holds a part of the book: "contacts.csv" -> "contacts.partial.csv"."""
    path = PurePath(name)
    return f"{path.stem}.partial{path.suffix}"


def _format_of(file: str, kind: Format | None) -> Format:
    """The format that was asked for, else the one that the ending of the file means."""
    if kind or not file:
        if kind == "xlsx" and not file:
            raise InvalidArgument("format", "xlsx needs a file.", expected="Give file, or ask for csv.")
        return kind or "csv"
    ending = PurePath(file).suffix.lower()
    if ending not in ENDINGS:
        raise InvalidArgument(
            "file", "its ending says no format.", expected=f"Endings: {', '.join(ENDINGS)}. Or give format."
        )
    return ENDINGS[ending]


def _inline(kind: Format, lines: Sequence[Line], custom: Sequence[str], *, otherwise: str) -> str:
    """The content as text. Raises Refused where it is too long, and says what to do `otherwise`."""
    stream = BytesIO()
    if len(lines) <= MOST_INLINE:
        used = {label for line in lines for label in line.custom}
        write(stream, kind, lines, [label for label in custom if label in used])
    if len(lines) > MOST_INLINE or stream.tell() > MOST_INLINE_BYTES:
        text = f"{len(lines):,} contacts are too many for an answer, which holds {MOST_INLINE}. {otherwise}"
        raise Refused(text, kind="too_many_for_answer")
    return stream.getvalue().decode("utf-8-sig")


async def _lines(book: Book, gathered: Gathered) -> tuple[list[Line], list[str], list[Note]]:
    """The contacts by phone, and the columns of custom fields: those of the account, then unknown ones in use."""
    contacts = [*gathered.contacts.values()]
    await book.vocabulary.read(*LISTS)
    names = await book.vocabulary.naming(*map(values_of, contacts))
    numbers = dict.fromkeys(one.id for one in names.fields.items)
    numbers |= dict.fromkeys(sorted({number for one in contacts for number, text in one.custom.items() if text}))
    lines = [line_of(one, names) for one in sorted(contacts, key=lambda one: (one.phone, one.id))]
    odd = sum(bool(one.unread) for one in contacts)
    text = (
        f"Of {odd} contact{'' if odd == 1 else 's'} Heymarket shows a value in a form that cannot be read. It is empty."
    )
    return lines, [column_of(each, names) for each in numbers], [Note("values_unreadable", text)] if odd else []
