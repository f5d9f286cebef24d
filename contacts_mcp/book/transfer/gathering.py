"""Everybody who passes some filters, each as the service has them now: for an export, and for one change to many.

1. The mirror says who may be meant. Every contact is read from the service again, in batches.
2. Without a mirror the list is walked. The same test of the filters decides both ways.
3. Where others may be missing, the result says so, with each reason.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

import anyio

from contacts_mcp.api.pace import bulk_work, telling
from contacts_mcp.book.book import Book
from contacts_mcp.book.fields import NAMES
from contacts_mcp.book.listing.cursor import Position
from contacts_mcp.book.listing.filters import Filters, Meant, matcher_for, meant_by, needed_lists
from contacts_mcp.book.listing.listing import left_out, read_on
from contacts_mcp.book.search import filters as marks
from contacts_mcp.book.search.finding import marks_of, on_values
from contacts_mcp.book.search.mirror import LONGEST_WAIT, mirror_of, ready_for_call
from contacts_mcp.book.search.question import Answer, Question
from contacts_mcp.book.search.search import everybody_in, not_judged
from contacts_mcp.book.transfer.where import in_where
from contacts_mcp.book.vocabulary import Snapshot
from contacts_mcp.errors import RateLimited, UnknownName, UpstreamError
from contacts_mcp.models import Contact
from contacts_mcp.state.row import Row
from contacts_mcp.words.note import Note

BATCH = 100  # contacts that one request reads again
PAGES = 5  # of the list, between two looks at the time
TIME_SHARE = 0.8  # of the time that the call has left, for reading

Announce = Callable[[int, int | None], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class _Sought:
    """The filters: as the mirror knows them, and the part of a name, which it does not know."""

    meant: Meant
    marks: marks.Filters
    has_name: Callable[[Contact], bool]

    def passes(self, contact: Contact) -> bool:
        return self.marks.passes(Row.of(contact)) and self.has_name(contact)

    def may_pass(self, contact: Contact) -> bool:
        """Whether each member that speaks against the contact cannot be read."""
        may_have_name = self.has_name(contact) or any(name in contact.unread for name in NAMES)
        return may_have_name and self.marks.may_pass(Row.of(contact))


@dataclass(slots=True)
class Gathered:
    """The contacts that are meant, as the service has them now."""

    contacts: dict[int, Contact] = field(default_factory=dict)
    is_complete: bool = True
    notes: list[Note] = field(default_factory=list)

    def are_a_part(self, reasons: Sequence[Note]) -> None:
        """Others may be missing, for each of these reasons. Without a reason nobody is."""
        self.is_complete = self.is_complete and not reasons
        self.notes += reasons

    def is_a_part(self, reason: Note) -> None:
        self.are_a_part([reason])

    def sort_in(self, contacts: Sequence[Contact], sought: _Sought) -> dict[int, bool]:
        """Take those that pass. Returns id -> whether a contact may pass, and cannot be judged."""
        unjudged: dict[int, bool] = {}
        for contact in contacts:
            passes = sought.passes(contact)
            unjudged[contact.id] = not passes and sought.may_pass(contact)
            if passes:
                self.contacts[contact.id] = contact
            else:
                self.contacts.pop(contact.id, None)  # it was changed during the walk
        return unjudged


async def gather(book: Book, filters: Filters, *, patience: float = LONGEST_WAIT) -> Gathered:
    """Everybody who passes the filters, as far as the call has time.

    `patience` is how long to wait for the mirror, in seconds. Raises InvalidArgument, UnknownName, UpstreamError.
    """

    def meant(names: Snapshot) -> _Sought:
        matcher = matcher_for(filters, names, book.zone, book.region)
        meant_here = meant_by(filters, names, zone=book.zone, region=book.region)
        return _Sought(meant_here, marks_of(meant_here), matcher.has_name)

    try:
        sought = await book.vocabulary.resolving(needed_lists(filters), meant)
    except UnknownName as unknown:
        raise in_where(unknown) from None
    now = anyio.current_time()
    stop_at = now + TIME_SHARE * (anyio.current_effective_deadline() - now)
    announce = telling("contacts are read")
    known = await ready_for_call(book, patience=patience)
    token = bulk_work.set(True)
    try:
        if not known.is_there:
            return await _walked(book, sought, stop_at, announce)
        gathered = await _verified(book, sought, stop_at, announce)
    finally:
        bulk_work.reset(token)
    gathered.notes += known.notes
    if not gathered.contacts:
        nobody = "No contact" if known.complete else "No contact checked so far"
        gathered.notes += await on_values(book, sought.meant, nobody=nobody)
    if not known.complete:
        of = f" of {known.of:,}" if known.of is not None else ""
        text = f"Only {known.searched:,}{of} contacts of the book were looked through. Others may be missing."
        gathered.is_a_part(Note("book_partial", text))
    return gathered


async def _verified(book: Book, sought: _Sought, stop_at: float, announce: Announce | None) -> Gathered:
    """Those whom the mirror names, read from the service again."""
    mirror, gathered = mirror_of(book), Gathered()
    ids = await mirror.ask(lambda index: everybody_in(index, sought.marks))
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
        gathered.contacts |= {one.id: one for one in checked.contacts if sought.passes(one)}
        if announce:
            await announce(min(at + BATCH, len(ids)), len(ids))
    if unseen:
        text = f"{unseen} changed a moment ago, and Heymarket does not show them yet. Ask again in ten minutes."
        gathered.is_a_part(Note("changed_lately", text))
    odd = await mirror.ask(lambda index: not_judged(index, Question(query="", filters=sought.marks), Answer()))
    if odd:
        gathered.is_a_part(left_out(odd))
    return gathered


async def _walked(book: Book, sought: _Sought, stop_at: float, announce: Announce | None) -> Gathered:
    """Those whom the pages of the list show."""
    gathered = Gathered()
    position: Position | None = None
    unjudged: dict[int, bool] = {}  # id of everybody seen -> whether that contact may pass, and cannot be judged
    while True:
        try:
            part = await read_on(book.api, position, requests=PAGES, profile=book.profile)
        except (RateLimited, UpstreamError) as failure:
            if position is None:
                raise
            gathered.is_a_part(_stopped(len(unjudged), None, failure))
            break
        position = part.position
        unjudged |= gathered.sort_in(part.rows, sought)
        if announce:
            await announce(len(unjudged), None)
        if position.walk.ask is None:  # the end of the list
            gathered.are_a_part(part.reasons)
            break
        if part.failure or anyio.current_time() > stop_at:
            gathered.is_a_part(_stopped(len(unjudged), None, part.failure))
            break
    if odd := sum(unjudged.values()):
        gathered.is_a_part(left_out(odd))
    return gathered


def _stopped(done: int, of: int | None, failure: Exception | None = None) -> Note:
    why = f" because of a failure ({type(failure).__name__})" if failure else " because the call's time was over"
    total = f" of {of:,}" if of is not None else ""
    text = (
        f"Stopped after {done:,}{total} contacts{why}. The same as a command of contacts-mcp takes the time it needs."
    )
    return Note("stopped_early", text)
