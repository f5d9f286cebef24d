"""Exporting contacts: who is meant, each as the service has them now, and the file that holds them.

1. The mirror says who is meant. Every contact is read from the service again, in batches, before it is written.
2. Without a mirror the list is walked. The same test of the filters decides both ways.
3. An export of a part of the book says so in the answer and in the name of the file, and never hides it.
4. A call has limited time. It then writes those that it has read, as a part.
"""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import PurePath

import anyio
import anyio.to_thread

from contacts_mcp.api.pace import bulk_work, telling
from contacts_mcp.book.book import Book
from contacts_mcp.book.listing.cursor import Position
from contacts_mcp.book.listing.filters import Filters, meant_by, needed_lists
from contacts_mcp.book.listing.listing import left_out, read_on
from contacts_mcp.book.search import filters as marks
from contacts_mcp.book.search.finding import marks_of
from contacts_mcp.book.search.mirror import LONGEST_WAIT, mirror_of, ready_for_call
from contacts_mcp.book.search.question import Answer, Question
from contacts_mcp.book.search.search import everybody_in, not_judged
from contacts_mcp.book.transfer.files import Place, place_for, resolved_roots
from contacts_mcp.book.transfer.formats import ENDINGS, Format, Line, column_of, line_of, write
from contacts_mcp.book.values import values_of
from contacts_mcp.book.vocabulary import LISTS
from contacts_mcp.errors import InvalidArgument, RateLimited, Refused, UpstreamError
from contacts_mcp.models import Contact
from contacts_mcp.state.row import Row
from contacts_mcp.words.note import Note

MOST_INLINE = 25  # contacts
MOST_INLINE_BYTES = 20_000
MOST_AT_ONCE = 1_000  # contacts that are written in the event loop; more are written in a thread
BATCH = 100  # contacts that one request reads again
PAGES = 5  # of the list, between two looks at the time
TIME_SHARE = 0.8  # of the time that the call has left, for reading

Announce = Callable[[int, int | None], Awaitable[None]]


@dataclass(slots=True)
class Gathered:
    """The contacts that are meant, as the service has them now."""

    contacts: dict[int, Contact] = field(default_factory=dict)
    is_complete: bool = True
    notes: list[Note] = field(default_factory=list)

    def is_a_part(self, note: Note | None = None) -> None:
        self.is_complete = False
        self.notes += [note] if note else []


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What came of an export."""

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
    roots = resolved_roots([str(each) for each in (book.folders if folders is None else folders)]) if file else ()
    place = place_for(file, roots, overwrite=overwrite) if file else None
    if place:
        place.check()
    gathered = await gather(book, filters, patience=patience)
    lines, custom, notes = await _lines(book, gathered)
    if place is None:
        text = _inline(kind, lines, custom)
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


def _inline(kind: Format, lines: Sequence[Line], custom: Sequence[str]) -> str:
    stream = BytesIO()
    if len(lines) <= MOST_INLINE:
        used = {label for line in lines for label in line.custom}
        write(stream, kind, lines, [label for label in custom if label in used])
    if len(lines) > MOST_INLINE or stream.tell() > MOST_INLINE_BYTES:
        text = f"{len(lines):,} contacts are too many for an answer. Give file, such as contacts.csv."
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


# Gathering


async def gather(book: Book, filters: Filters, *, patience: float = LONGEST_WAIT) -> Gathered:
    """Everybody who passes the filters. Raises InvalidArgument, UnknownName, UpstreamError."""
    meant = await book.vocabulary.resolving(
        needed_lists(filters), lambda names: meant_by(filters, names, zone=book.zone, region=book.region)
    )
    wanted = marks_of(meant)
    now = anyio.current_time()
    stop_at = now + TIME_SHARE * (anyio.current_effective_deadline() - now)
    announce = telling("contacts are read for the export")
    known = await ready_for_call(book, patience=patience)
    token = bulk_work.set(True)
    try:
        if not known.is_there:
            return await _walked(book, wanted, stop_at, announce)
        gathered = await _verified(book, wanted, stop_at, announce)
    finally:
        bulk_work.reset(token)
    gathered.notes += known.notes
    if not known.complete:
        of = f" of {known.of:,}" if known.of is not None else ""
        text = f"Only {known.searched:,}{of} contacts of the book were looked through. Others may be missing."
        gathered.is_a_part(Note("book_partial", text))
    return gathered


async def _verified(book: Book, wanted: marks.Filters, stop_at: float, announce: Announce | None) -> Gathered:
    """Those whom the mirror names, read from the service again."""
    mirror, gathered = mirror_of(book), Gathered()
    ids = await mirror.ask(lambda index: everybody_in(index, wanted))
    unseen = 0
    for at in range(0, len(ids), BATCH):
        if anyio.current_time() > stop_at:
            gathered.is_a_part(_stopped(at, len(ids)))
            break
        try:
            checked = await mirror.verified(ids[at : at + BATCH])
        except (RateLimited, UpstreamError) as failure:
            if not at:
                raise
            gathered.is_a_part(_stopped(at, len(ids), failure))
            break
        unseen += len(checked.unseen)
        gathered.contacts |= {one.id: one for one in checked.contacts if wanted.passes(Row.of(one))}
        if announce:
            await announce(min(at + BATCH, len(ids)), len(ids))
    if unseen:
        text = f"{unseen} changed a moment ago, and Heymarket does not show them yet. Export again in ten minutes."
        gathered.is_a_part(Note("changed_lately", text))
    odd = await mirror.ask(lambda index: not_judged(index, Question(query="", filters=wanted), Answer()))
    if odd:
        gathered.is_a_part(left_out(odd))
    return gathered


async def _walked(book: Book, wanted: marks.Filters, stop_at: float, announce: Announce | None) -> Gathered:
    """Those whom the pages of the list show."""
    gathered = Gathered()
    position: Position | None = None
    seen: dict[int, bool] = {}  # id -> whether it may pass, and cannot be judged
    while True:
        try:
            part = await read_on(book.api, position, requests=PAGES, profile=book.profile)
        except (RateLimited, UpstreamError) as failure:
            if position is None:
                raise
            gathered.is_a_part(_stopped(len(seen), None, failure))
            break
        position = part.position
        for contact in part.rows:
            row = Row.of(contact)
            passes = wanted.passes(row)
            seen[contact.id] = not passes and wanted.may_pass(row)
            if passes:
                gathered.contacts[contact.id] = contact
            else:
                gathered.contacts.pop(contact.id, None)  # changed during the walk
        if announce:
            await announce(len(seen), None)
        is_over = position.walk.ask is None
        if is_over or part.failure or anyio.current_time() > stop_at:
            for reason in part.reasons if is_over else [_stopped(len(seen), None, part.failure)]:
                gathered.is_a_part(reason)
            break
    if odd := sum(seen.values()):
        gathered.is_a_part(left_out(odd))
    return gathered


def _stopped(done: int, of: int | None, failure: Exception | None = None) -> Note:
    why = f" because of a failure ({type(failure).__name__})" if failure else " because the call's time was over"
    total = f" of {of:,}" if of is not None else ""
    text = f"Stopped after {done:,}{total} contacts{why}. The command contacts-mcp export takes the time it needs."
    return Note("stopped_early", text)


FOREVER = math.inf
"""The patience of a command."""
