"""Listing contacts: page after page to a wanted number, and whether those were all.

- `walk.py` decides the next question. Here is the loop of one call, which asks it, tests the contacts and counts them.
- `complete` is said only if the end was seen and nobody can be missing. Otherwise a note gives the reason.
- The account's own count is taken right after the first page. The walk must then find as many contacts as were there
  at that moment. A contact that was missed cannot hide behind one that was deleted later than the count.
- A walk with doubts ends with another look at the account: the count, then the first page. If both are as they were,
  nothing was changed, and the doubts mean nothing.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import anyio

from contacts_mcp.api.answers import Rows
from contacts_mcp.api.client import PAGE, HeymarketClient
from contacts_mcp.api.pace import bulk_work
from contacts_mcp.book.book import Book
from contacts_mcp.book.cards import Card, card_of
from contacts_mcp.book.listing import cursor as cursors
from contacts_mcp.book.listing.cursor import Position, Watch
from contacts_mcp.book.listing.filters import EVERYBODY, Filters, Matcher, NearMisses, matcher_for, needed_lists
from contacts_mcp.book.listing.walk import Ask, Doubt, Mark, Useless, Walk
from contacts_mcp.book.values import custom_key, values_of
from contacts_mcp.errors import ContactsError, RateLimited, Rejected, UpstreamError
from contacts_mcp.models import Contact, Values, instant
from contacts_mcp.state.profile import Profile
from contacts_mcp.words.note import Note

PAGE_ASKED = 100  # always the same, or page numbers would mean something else at every call; the service may give fewer
MOST_ASKED = 1_000  # for contacts that share one moment and do not fit on a page
REQUESTS_PER_CALL = 60
TIME_SHARE = 0.6  # of the time until the call's deadline, for the walk; then again for each look at its end
COUNT_PATIENCE = 5.0  # seconds for a count that the walk can do without
_ALL = sys.maxsize
LONG_AGO = timedelta(minutes=10)  # the clock of this machine is not off by more: the service would refuse its tokens


@dataclass(frozen=True, slots=True)
class Listing:
    """The answer of one call."""

    cards: list[Card]
    next_cursor: str  # empty at the end
    complete: bool  # whether all calls together gave everybody
    notes: list[str]  # each a Note
    looked_through: int  # contacts, in all calls together
    given: int  # contacts that passed the filters, in all calls together
    total: int | None = None  # the account's own count, with the first page of a listing without filters
    shown_fields: list[str] = field(default_factory=list)  # the custom fields that were filtered by


async def list_contacts(
    book: Book, filters: Filters, *, limit: int = 25, most: int | None = None, cursor: str = ""
) -> Listing:
    """The next contacts that pass `filters`, at most `limit`, and never more than `most`.

    Raises InvalidArgument for a cursor that does not belong to `filters`, and for a filter that cannot be used.
    """
    start = cursors.opened(cursor, filters, book.account) if cursor else None
    matcher = await book.vocabulary.resolving(
        needed_lists(filters), lambda names: matcher_for(filters, names, book.zone, book.region)
    )
    start = start or _first_position(matcher, book.profile, is_long=limit > PAGE_ASKED or not matcher.is_of_all)
    call = _Call(book.api, matcher, start, limit=limit, most=most or limit, profile=book.profile, is_first=not cursor)
    token = bulk_work.set(not matcher.is_of_all)
    try:
        await call.run()
        reasons = await call.reasons_to_doubt()
        total = await call.total()
    finally:
        bulk_work.reset(token)
    asked_for: Values = {custom_key(value.field_id): "" for value in matcher.custom}
    names = await book.vocabulary.naming(asked_for, *map(values_of, call.found))
    return Listing(
        cards=[card_of(contact, names) for contact in call.found],
        next_cursor="" if call.is_over else cursors.sealed(call.position, filters, book.account),
        complete=not reasons,
        notes=[*call.notes(reasons), *book.profile.news()],
        looked_through=call.position.seen + call.position.added,
        given=call.position.given,
        total=total,
        shown_fields=[names.fields.label(value.field_id) for value in matcher.custom],
    )


@dataclass(frozen=True, slots=True)
class Part:
    """Some pages of a walk through the whole list."""

    rows: list[Contact]  # all that the pages showed, also contacts that were given before
    position: Position
    failure: ContactsError | None  # why it stopped early
    reasons: list[Note]  # at the end, why contacts may be missing


async def read_on(
    api: HeymarketClient,
    start: Position | None,
    *,
    requests: int,
    checks: bool = True,
    profile: Profile | None = None,
) -> Part:
    """The next pages of a walk through the whole list, for a caller that keeps its position.

    `checks` compares the end with the account's own count. Raises ContactsError where a page gave nothing new.
    """
    rows: list[Contact] = []
    profile = profile or Profile(None, "")
    position = start or _first_position(EVERYBODY, profile, is_long=True)
    call = _Call(
        api,
        EVERYBODY,
        position,
        limit=_ALL,
        most=_ALL,
        requests=requests,
        keep=rows.extend,
        profile=profile,
        is_first=start is None,
    )
    await call.run()
    reasons = await call.reasons_to_doubt() if call.is_over and checks else []
    return Part(rows, call.position, call.failure, reasons)


def changes_since(mark: Mark) -> Position:
    """A walk from the newest contact down to the mark of an earlier one."""
    return Position(replace(_first_walk(None), until=mark, lap=2))


class _Call:
    """The part of a walk that one call makes."""

    def __init__(
        self,
        api: HeymarketClient,
        matcher: Matcher,
        start: Position,
        *,
        limit: int,
        most: int,
        profile: Profile,
        is_first: bool,
        requests: int = REQUESTS_PER_CALL,
        keep: Callable[[Sequence[Contact]], None] = lambda _: None,
    ) -> None:
        """`keep` is told the rows of every page. `is_first` says that no earlier call was on this walk."""
        self._profile = profile
        self._was_short = False  # whether the last page was shorter than the profile says
        self._api = api
        self._most_requests = requests
        self._keep = keep
        self._matcher = matcher
        self._limit = min(limit, most)
        self._is_lowered = limit > most
        self._started_at_top = is_first
        self._given: set[int] = set()  # ids that this call has looked through
        self._requests = 0
        self._has_counted = False
        self._is_silent = False  # whether the service hides the opt-out of somebody
        self._unsure = 0  # contacts that do not pass, because a member that decides cannot be read
        self._near = NearMisses(matcher)
        self.failure: ContactsError | None = None
        self.position = start
        self.found: list[Contact] = []

    @property
    def is_over(self) -> bool:
        return self.position.walk.ask is None

    @property
    def _is_full(self) -> bool:
        return len(self.found) >= self._limit

    @property
    def _is_of_account(self) -> bool:
        """Whether the whole account is walked. A range of dates has no count to compare with."""
        return self.position.walk.start == Ask() and not self.position.is_below

    async def run(self) -> None:
        """Page after page, until there are enough contacts, the end is reached, or time is up."""
        stop_at = _share_of_deadline()
        while not self.is_over and not self._is_full:
            if self._requests >= self._most_requests or anyio.current_time() > stop_at:
                return
            try:
                await self._next_page()
            except (RateLimited, UpstreamError) as failure:
                if not self._given:
                    raise
                self.failure = failure
                return

    async def _next_page(self) -> None:
        await self._watch_if_needed()
        walk = self.position.walk
        rows = await self._fetch(walk.question)
        walk = self.position.walk
        if rows is None:
            self.position = replace(self.position, walk=walk.refused())
            return
        self._keep(rows)
        if walk.question == Ask() and self.position.watch is None:
            self.position = replace(self.position, watch=_watch(rows))
        self.position = replace(self.position, unread=self.position.unread | {*map(_digest, rows.unread)})
        fresh, length = walk.fresh(rows), len(rows) + len(rows.unread)
        self._compare_length(walk, length, is_new=bool(fresh))
        if fresh and walk.is_again:
            self.position = replace(self.position, has_changes=True)
        taken = self._examine(fresh)
        if len(taken) < len(fresh):
            self.position = replace(self.position, walk=walk.paused(rows, taken, length=length))
            return
        self.position = replace(self.position, walk=walk.after(rows, length=length))
        if not walk.is_again:
            await self._look_for_end(walk.question, rows)

    async def _look_for_end(self, ask: Ask, rows: Sequence[Contact]) -> None:
        """End the lap below the range of dates asked for, or where the account's own count says that those were all."""
        position, walk = self.position, self.position.walk
        if rows and self._matcher.is_below(rows[-1]):
            self.position = replace(self.position, walk=walk.ended(), is_below=True)
        elif self._is_of_account and walk.short and position.watch and position.watch.count == position.seen:
            self.position = replace(self.position, walk=walk.ended())
        elif self._is_of_account and ask == Ask() and await self._is_one_page(rows):
            self.position = replace(self.position, walk=replace(walk, ask=None, doubts=frozenset()))

    async def _is_one_page(self, rows: Sequence[Contact]) -> bool:
        """Whether the first page is the whole account: as long as the count, and the same before and after it."""
        watch = self.position.watch
        if watch is None or (self._is_full and len(rows) >= PAGE):
            return False  # in the latter case there may be more, and nobody needs it yet
        if watch.count is not None:
            is_one_page = watch.count == len(rows) and watch.head == _sight(rows)
        else:
            is_one_page = await self._counted() == len(rows) and await self._looks_like(watch.head)
        return is_one_page and (len(rows) < PAGE or await self._ends_here())

    async def _ends_here(self) -> bool:
        """Whether the next page brings nobody new.

        A full first page may still show a contact that is deleted, in place of one that the count counts.
        """
        walk = self.position.walk
        if walk.ask is None:
            return True
        with suppress(ContactsError), anyio.CancelScope(deadline=_share_of_deadline()):
            following = await self._fetch(walk.ask)
            return following is not None and not walk.fresh(following)
        return False

    def _examine(self, fresh: Sequence[Contact]) -> Sequence[Contact]:
        """Look through contacts until there are enough of them. The answer is those that were looked through."""
        for number, contact in enumerate(fresh):
            if self._is_full:
                return fresh[:number]
            if contact.id not in self._given:
                self._given.add(contact.id)
                self._account_for(contact)
        return fresh

    def _account_for(self, contact: Contact) -> None:
        """Count a contact, and keep it if it passes."""
        position = self.position
        is_added = position.walk.is_again and _is_created_since(position, contact)
        # Only of this call are the ids known that were seen before.
        may_be_seen = position.walk.is_again and not is_added and not self._started_at_top
        passes = self._matcher.passes(contact)
        self.position = replace(
            position,
            seen=position.seen + (not is_added and not may_be_seen),
            added=position.added + is_added,
            changed=position.changed + may_be_seen,
            given=position.given + passes,
        )
        self._is_silent |= contact.is_opted_out is None
        self._unsure += self._matcher.may_pass(contact)
        self._near.add(contact)
        if passes:
            self.found.append(contact)

    # Requests

    async def _fetch(self, ask: Ask) -> Rows[Contact] | None:
        """One page, None where the service refuses the question. If it refuses a page size, it is asked without."""
        self._requests += 1
        usual = self.position.size or PAGE_ASKED
        size = MOST_ASKED if ask.kind == "wide" else None if self.position.refuses_size else usual
        try:
            return await self._api.list_contacts(date=ask.date, limit=size, page=ask.page)
        except Rejected:
            if ask.may_be_refused:
                return None
            if self.position.refuses_size:
                raise
            if self.position.size:
                self._distrust_size(f"a page of {self.position.size} contacts was refused")
            else:
                self.position = replace(self.position, refuses_size=True)
            self.position = replace(self.position, walk=self.position.walk.with_other_pages())
            return await self._fetch(ask)

    def _compare_length(self, walk: Walk, length: int, *, is_new: bool) -> None:
        """Compare a page with the profile. Of pages that are shorter than it says, only the last may be."""
        if self._was_short and is_new and not walk.is_again:
            self._distrust_size(f"a page was shorter than {self.position.size} contacts, and more followed")
        self._was_short = walk.question.kind == "next" and 0 < length < self.position.size and not walk.is_again
        known = _number(self._profile.position("page_size"))
        if known and self._profile.position("limit") == "ignored" and length > known:
            for line in ("limit", "page_size"):
                self._profile.distrust(line, f"a page had {length} contacts")

    def _distrust_size(self, why: str) -> None:
        """Ask for pages of the usual size from now on."""
        self._profile.distrust("largest_page", why)
        self._was_short = False
        self.position = replace(self.position, size=0)

    async def _head(self) -> Rows[Contact] | None:
        """The account's first page as it is now, None where it cannot be had."""
        with suppress(ContactsError), anyio.CancelScope(deadline=_share_of_deadline()):
            return await self._fetch(Ask())
        return None

    async def _watch_if_needed(self) -> None:
        """See how the account looks before the walk goes on, as far as its end will need that.

        A walk of the whole account counts before its second question. A walk of a range looks before it steps through
        pages. The page from which it steps must then still be the same.
        """
        walk = self.position.walk
        if walk.start == Ask():
            await self._counted()
        elif walk.question.kind == "page" and self.position.watch is None and (head := await self._head()) is not None:
            count = await self._count()
            page: Sequence[Contact] = await self._fetch(replace(walk.question, page=None, kind="next")) or []
            watch = replace(_watch(head), count=None if walk.fresh(page) else count)
            self.position = replace(self.position, watch=watch, walk=walk.after_longer_page(len(head)))

    async def _looks_like(self, sight: str) -> bool:
        """Whether the account's first page is still the one of that sight."""
        head = await self._head()
        return head is not None and _sight(head) == sight

    async def _counted(self) -> int | None:
        """The account's own count at the time of the first page. None where it was not told, or not asked for then."""
        watch, walk = self.position.watch, self.position.walk
        is_early = walk.asked == 1 and not walk.is_again
        if watch is not None and watch.count is None and is_early and not self._has_counted:
            self._has_counted = True
            watch = replace(watch, count=await self._count(), is_late=not self._started_at_top)
            self.position = replace(self.position, watch=watch)
        return watch.count if watch else None

    async def total(self) -> int | None:
        """The account's own count, for the first answer of a listing without filters."""
        return await self._counted() if self._started_at_top and self._matcher.is_of_all else None

    async def _count(self) -> int | None:
        with suppress(ContactsError), anyio.CancelScope(deadline=_share_of_deadline(at_most=COUNT_PATIENCE)):
            return await self._api.count_contacts()
        return None

    # The end

    async def reasons_to_doubt(self) -> list[Note]:
        """Every reason why somebody may be missing. There is none where all calls together gave everybody."""
        walk = self.position.walk
        if not self.is_over:
            return [_stopped(self.position, self.failure)]
        if self.position.unread:
            return [unreadable(len(self.position.unread))]
        mismatch = await self._mismatch() if self._is_of_account else None
        if mismatch is None and (not walk.doubts or await self._is_proven(walk.doubts)):
            return []
        told = walk.doubts - {"paged"} or walk.doubts
        return [*filter(None, [mismatch]), *(DOUBTS[doubt] for doubt in sorted(told))]

    async def _mismatch(self) -> Note | None:
        """The reason to doubt that the count gives."""
        position, watch = self.position, self.position.watch
        seen, added, changed = position.seen, position.added, 0 if position.walk.doubts else position.changed
        if watch is not None and watch.count is not None:
            count: int | None = watch.count
            least, most = seen, seen + changed + (added if watch.is_late else 0)
        else:
            count = None if self._has_counted else await self._count()  # a count that failed is not asked for again
            least, most = seen + added, seen + added + changed
        if count is None:
            text = "The end of the list was reached, but Heymarket gives no count to check it against."
            return Note("no_count", text)
        if least <= count <= most:
            return None
        shown = seen + added + position.changed
        return Note("count_differs", f"Heymarket counts {count} contacts and its list showed {shown}.")

    async def _is_proven(self, doubts: frozenset[Doubt]) -> bool:
        """Whether the doubts mean nothing, because nothing was changed since the walk began.

        That alone proves that pages did not shift. Every other doubt relies on the count, which may lag behind where a
        contact was changed a moment ago.
        """
        watch, walk = self.position.watch, self.position.walk
        if watch is None or watch.count is None or self.position.has_changes or "crowded" in doubts:
            return False
        is_calm = self._is_of_account and _is_after(walk.settled, watch.newest)
        if doubts != {"paged"} and not is_calm:
            return False
        return await self._count() == watch.count and await self._looks_like(watch.head)  # in this order

    def notes(self, reasons: Sequence[Note]) -> list[str]:
        """Everything that the reader should know. A full answer that goes on says so by its cursor alone."""
        why_not = [] if self._is_full and not self.is_over else reasons
        silent = [_SILENT] if self._matcher.is_by_opt_out and self._is_silent else []
        unsure = [left_out(self._unsure)] if self._unsure else []
        lowered = [_lowered(self._limit)] if self._is_lowered and self._is_full and not self.is_over else []
        return [*why_not, *silent, *unsure, *lowered, *self._near.notes(is_given=self.position.given > 0)]


_SILENT = Note(
    "opt_out_hidden", "Contacts may be left out here: of some, Heymarket does not say whether they are opted out."
)
DOUBTS: dict[Doubt, Note] = {
    "hidden": Note(
        "ties_hidden",
        "Contacts may be missing: several share one moment of change, and Heymarket's list shows no more of them than "
        "fit on one page.",
    ),
    "disordered": Note("list_disordered", "Contacts may be missing: Heymarket's list was not in order."),
    "changing": Note(
        "changed_meanwhile",
        "Contacts may be missing: some were changed or deleted during the listing. List them again.",
    ),
    "paged": Note(
        "pages_may_shift",
        "Contacts may be missing: many share one moment of change, and a change during the listing can hide some of "
        "them. List them again.",
    ),
    "crowded": Note(
        "newest_crowded",
        "Contacts may be missing: more share the newest moment of change than fit on one page, so a change at that "
        "very moment cannot be noticed. List them again in ten minutes.",
    ),
}


def unreadable(many: int) -> Note:
    text = f"{many} row{'' if many == 1 else 's'} of Heymarket's list could not be read, and cannot be shown."
    return Note("rows_unreadable", text)


def _stopped(position: Position, failure: ContactsError | None) -> Note:
    why = f" because of a failure ({type(failure).__name__})" if failure else ""
    looked_through = position.seen + position.added
    return Note(
        "stopped_early", f"Stopped after looking through {looked_through} contacts{why}; go on with next_cursor."
    )


def left_out(many: int) -> Note:
    """The contacts that may match, and cannot be judged."""
    are = "1 contact is" if many == 1 else f"{many} contacts are"
    text = f"{are} left out here because Heymarket shows a value that you ask for in a form that cannot be read."
    return Note("filter_unreadable", text)


def _lowered(most: int) -> Note:
    return Note("limit_lowered", f"With full detail, one answer holds at most {most} contacts. Go on with next_cursor.")


def _first_position(matcher: Matcher, profile: Profile, *, is_long: bool) -> Position:
    """The start of a walk, with the ways to ask that the profile of the account knows.

    `is_long` says that larger pages pay.
    """
    useless: set[Useless] = set()
    if all(profile.position(line) in _USELESS for line in ("page", "page_beside_date")):
        useless.add("page")
    if profile.position("limit") in _USELESS:
        useless.add("wide")
    largest = _number(profile.position("largest_page"))
    size = largest if is_long and PAGE_ASKED < largest <= MOST_ASKED else 0
    return Position(replace(_first_walk(matcher.until), futile=frozenset(useless)), size=size)


def _number(position: str) -> int:
    """The number that a position names, 0 for any other text."""
    is_number = position.isascii() and position.isdecimal() and len(position) <= _MOST_DIGITS
    return int(position) if is_number else 0


_MOST_DIGITS = 9  # of a length; people can edit the file
_USELESS = ("ignored", "refused")


def _first_walk(until: datetime | None) -> Walk:
    """A walk from the upper bound of the range, or from the top where changes can still come below that bound."""
    settled = datetime.now(UTC).replace(microsecond=0) - LONG_AGO
    start = Ask(_written(until)) if until is not None and until <= settled else Ask()
    return Walk(start, start, settled=_written(settled))


def _written(moment: datetime) -> str:
    return moment.isoformat().replace("+00:00", "Z")


def _watch(rows: Sequence[Contact]) -> Watch:
    return Watch(_sight(rows), rows[0].updated if rows else "")


def _sight(rows: Sequence[Contact]) -> str:
    """A digest of a page: who is on it, and when each was changed."""
    return _digest([(row.id, row.updated) for row in rows])


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def _is_created_since(position: Position, contact: Contact) -> bool:
    """Whether a contact met at another look at the head was created after the walk began."""
    newest = instant(position.watch.newest) if position.watch else None
    return newest is not None and contact.created_at is not None and contact.created_at >= newest


def _is_after(one: str, other: str) -> bool:
    first, second = instant(one), instant(other)
    return first is not None and second is not None and first > second


def _share_of_deadline(*, at_most: float = math.inf) -> float:
    """When to stop, by the event loop's clock."""
    now = anyio.current_time()
    return now + min(at_most, TIME_SHARE * (anyio.current_effective_deadline() - now))
