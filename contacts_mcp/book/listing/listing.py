"""Listing contacts: page after page to a wanted number, with filters the service does not have, saying whether that was all.

- The walk itself is `walk.py`; here is the loop that asks, the filters, and the cursor that lets a later call go on.
- A cursor holds where the walk stands, in which page, and what of that page was given already: contact ids and a timestamp, no other contact data.
- `complete` is said only where the end was seen: of the whole account with a count that agrees, or of the range of dates asked for with every page
  boundary seen from both sides. Everything else says why not.
- Newest `updated` first, so a lower bound on `updated` or `created` ends the walk early (nothing is created after it was updated).
"""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Annotated

import anyio
from annotated_types import Ge
from pydantic import TypeAdapter

from contacts_mcp.api.client import PAGE
from contacts_mcp.api.pace import bulk_work
from contacts_mcp.book.book import Book
from contacts_mcp.book.cards import Card, card_of
from contacts_mcp.book.listing.walk import MOST_PAGES, Ask, Walk, is_after
from contacts_mcp.book.values import custom_key, values_of
from contacts_mcp.book.vocabulary import NOBODY, ListName, Snapshot
from contacts_mcp.errors import ContactsError, InvalidArgument, RateLimited, Rejected, UpstreamError
from contacts_mcp.models import Contact, Values, instant
from contacts_mcp.words.display import quoted, visible, word
from contacts_mcp.words.folding import fold
from contacts_mcp.words.folding import unaccented as _value
from contacts_mcp.words.names import Named, Names

PAGE_ASKED = (
    100  # always the same, or the numbers of pages would mean something else at every call; the service may give fewer
)
MOST_ASKED = 1_000  # for contacts that share one moment, and do not fit on a page
REQUESTS_PER_CALL = 60
MOST_NAMES = 3  # that are offered where nobody is called as asked
MOST_VALUES = 5  # that are named where nobody has the one asked for
TIME_SHARE = 0.6  # of what is left until the call's deadline, for the walk, and then again for the count: what was found must still be told


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which contacts are wanted; None means any. Dates are days (`2026-11-01`, in UTC) or RFC 3339 moments; `_before` is exclusive."""

    name: str | None = None
    tag: str | None = None
    assignee: str | None = None
    custom_fields: Mapping[str, str] = field(default_factory=dict)
    is_opted_out: bool | None = None
    created_after: str | None = None
    created_before: str | None = None
    updated_after: str | None = None
    updated_before: str | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """One page of an answer. `next_cursor` is empty where there is nothing more to ask for.

    `total` is how many contacts the account has by its own count: told with the first page of all of them, where it can be had.
    """

    cards: list[Card]
    next_cursor: str
    complete: bool
    notes: list[str]
    looked_through: int
    total: int | None = None
    shown_fields: list[str] = field(default_factory=list)  # the custom fields that were filtered by


Test = Callable[[Contact], bool]


@dataclass(frozen=True, slots=True)
class _Sieve:
    """The filters with names resolved: what a contact must pass, and how far back the walk must go. `custom` are the values asked for, by field."""

    tests: Sequence[Test]
    custom: Sequence[tuple[int, str]]
    since: datetime | None = None
    until: datetime | None = None
    is_by_opt_out: bool = False
    is_by_name: bool = False

    def first_walk(self) -> Walk:
        """From the top, or from the upper bound."""
        return Walk() if self.until is None else Walk(Ask(self.until.isoformat().replace("+00:00", "Z")))

    def passes(self, contact: Contact) -> bool:
        return all(test(contact) for test in self.tests)

    def is_below(self, contact: Contact) -> bool:
        """Whether everything from this contact on was updated before the range asked for."""
        changed = instant(contact.updated)
        return self.since is not None and changed is not None and changed < self.since


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a listing stands between two calls.

    `seen` contacts were looked through; besides, `changed` were met at the second look at the head, which may have been seen before.
    `is_below` says that the range of dates was left at its lower end.
    """

    walk: Walk
    seen: Annotated[int, Ge(0)] = 0
    changed: Annotated[int, Ge(0)] = 0
    is_below: bool = False


async def list_contacts(book: Book, filters: Filters, *, limit: int = 25, cursor: str = "") -> Listing:
    """The next contacts that pass `filters`, at most `limit`. Raises InvalidArgument for a cursor that does not belong to `filters`."""
    start = _read_cursor(cursor, filters) if cursor else None
    sieve = await book.vocabulary.resolving(_needed_lists(filters), lambda names: _sieve(filters, names))
    step = _Step(book, sieve, start, limit=limit)
    token = bulk_work.set(bool(sieve.tests))
    try:
        await step.run()
        complete, notes = await step.verdict()
        notes += [*_names_instead(filters.name, step), *await _values_instead(book, sieve, step.values)]
        total = await step.count() if start is None and not sieve.tests else None
    finally:
        bulk_work.reset(token)
    asked_for: Values = {custom_key(number): "" for number, _ in sieve.custom}
    names = await book.vocabulary.naming(asked_for, *map(values_of, step.found))
    shown_fields = [names.fields.label(number) for number, _ in sieve.custom]
    cards = [card_of(contact, names) for contact in step.found]
    return Listing(
        cards,
        "" if step.is_over else _write_cursor(step.place, filters),
        complete,
        notes,
        step.place.seen,
        total,
        shown_fields,
    )


class _Step:
    """The part of a walk that one call makes."""

    def __init__(self, book: Book, sieve: _Sieve, start: _Place | None, *, limit: int) -> None:
        self._book = book
        self._sieve = sieve
        self._limit = limit
        self._page_size: int | None = PAGE_ASKED
        self._is_whole = start is None
        self._given: set[int] = set()
        self._count: int | None = None
        self._is_counted = False
        self._requests = 0
        self._is_silent = False
        self.place = start or _Place(sieve.first_walk())
        self.found: list[Contact] = []
        self.names: list[Named] = []
        self.values: dict[int, Counter[str]] = {number: Counter() for number, wanted in sieve.custom if wanted}
        self.failure: ContactsError | None = None

    @property
    def is_over(self) -> bool:
        return self.place.walk.ask is None

    @property
    def _is_full(self) -> bool:
        return len(self.found) >= self._limit

    @property
    def _has_count(self) -> bool:
        """Whether the whole account is walked; for a range of dates there is no count."""
        return self._sieve.until is None and not self.place.is_below

    async def run(self) -> None:
        stop_at = _share_of_deadline()
        while not self.is_over and not self._is_full:
            if self._requests >= REQUESTS_PER_CALL or anyio.current_time() > stop_at:
                return
            try:
                await self._next_page()
            except (RateLimited, UpstreamError) as failure:
                if not self._given:
                    raise
                self.failure = failure
                return

    async def _next_page(self) -> None:
        walk = self.place.walk
        rows = await self._fetch(walk.question)
        if rows is None:
            self._go_to(walk.refused())
            return
        fresh = walk.fresh(rows)
        taken = self._examine(fresh)
        if len(taken) < len(fresh):
            self._go_to(walk.paused(rows, taken))
            return
        self._go_to(walk.after(rows))
        if not self.place.walk.is_again:
            await self._look_for_end(rows, is_new=bool(fresh))

    async def _look_for_end(self, rows: Sequence[Contact], *, is_new: bool) -> None:
        """End the walk where the range of dates was left, or where nothing is missing by the account's own count."""
        is_below = bool(rows) and self._sieve.is_below(rows[-1])
        walk = self.place.walk
        may_be_last = not is_new or walk.short or (walk.asked == 1 and len(rows) < PAGE)
        if is_below or (may_be_last and self._has_count and await self._agrees_with_count()):
            self.place = replace(self.place, walk=walk.ended(), is_below=is_below)

    def _go_to(self, walk: Walk) -> None:
        self.place = replace(self.place, walk=walk)

    def _examine(self, fresh: Sequence[Contact]) -> Sequence[Contact]:
        """Look through contacts until there are enough of them; those that were looked through."""
        for number, contact in enumerate(fresh):
            if self._is_full:
                return fresh[:number]
            if contact.id not in self._given:
                self._given.add(contact.id)
                self._account_for(contact)
        return fresh

    def _account_for(self, contact: Contact) -> None:
        """Count it, and keep it if it passes. Without all the ids of calls before, only a new contact is certainly seen for the first time."""
        walk, seen, changed = self.place.walk, self.place.seen, self.place.changed
        is_certain = not walk.is_again or self._is_whole or is_after(contact.created, walk.floor)
        self.place = replace(self.place, seen=seen + is_certain, changed=changed + (not is_certain))
        self._is_silent |= contact.is_opted_out is None
        if self._sieve.is_by_name and contact.name:
            self.names.append(Named(contact.id, contact.name, (contact.first, contact.last)))
        for number, values in self.values.items():
            values.update(filter(None, [contact.custom.get(number)]))
        if self._sieve.passes(contact):
            self.found.append(contact)

    async def _fetch(self, ask: Ask) -> list[Contact] | None:
        """One page; None where the service does not accept what is asked. One that refuses a page size is asked without."""
        self._requests += 1
        size = MOST_ASKED if ask.kind == "wide" else self._page_size
        try:
            return await self._book.api.list_contacts(date=ask.date, limit=size, page=ask.page)
        except Rejected:
            if ask.may_be_refused:
                return None
            if self._page_size is None:
                raise
            self._page_size = None
            return await self._fetch(ask)

    async def _agrees_with_count(self, *, anew: bool = False) -> bool:
        """Whether as many contacts were seen as there are. Where some may have been seen twice, only a walk without a gap can say."""
        if self.place.walk.gap and not self._is_whole:
            return False  # what was deleted between two calls may make up for what was not shown
        count = await self.count(anew=anew)
        seen, changed = self.place.seen, self.place.changed
        return count is not None and seen <= count <= seen + (0 if self.place.walk.gap else changed)

    async def count(self, *, anew: bool = False) -> int | None:
        """How many contacts the account has by its own count; None where it does not say so soon enough."""
        if anew or not self._is_counted:
            self._count, self._is_counted = None, True
            with suppress(ContactsError), anyio.CancelScope(deadline=_share_of_deadline()):
                self._count = await self._book.api.count_contacts()
        return self._count

    async def verdict(self) -> tuple[bool, list[str]]:
        """Whether everything there is was given by now, and what the reader should know."""
        why_not = await self._why_not_complete()
        notes = [] if self._is_full and not self.is_over else why_not  # that there is more is what next_cursor says
        return not why_not, [*notes, _SILENT] if self._sieve.is_by_opt_out and self._is_silent else notes

    async def _why_not_complete(self) -> list[str]:
        """Every reason to doubt that everything there is was given; none for everything."""
        may_be_missing = [_MAY_BE_MISSING] if self.place.walk.gap else []
        if not self.is_over:
            return [_stopped(self.place.seen, self.failure)]
        if not self._has_count:
            return may_be_missing
        if await self._agrees_with_count():
            return []
        if self._count is not None and await self._agrees_with_count(
            anew=True
        ):  # the one before may be older than the second look
            return []
        return [self._disagreement(), *may_be_missing]

    def _disagreement(self) -> str:
        if self._count is None:
            return "The end of the list was reached, but Heymarket gives no count to check it against."
        return f"Heymarket counts {self._count} contacts and its list showed {self.place.seen + self.place.changed}."


def _share_of_deadline() -> float:
    """When to stop, by the event loop's clock."""
    now = anyio.current_time()
    return now + TIME_SHARE * (anyio.current_effective_deadline() - now)


_SILENT = "Contacts may be left out here: of some, Heymarket does not say whether they are opted out."
_MAY_BE_MISSING = "Contacts may be missing: several share one moment of change, and Heymarket's list does not show more of them than fit on one page."


def _stopped(seen: int, failure: ContactsError | None) -> str:
    why = f" because of a failure ({type(failure).__name__})" if failure else ""
    return f"Stopped after looking through {seen} contacts{why}; go on with next_cursor."


def _names_instead(name: str | None, step: _Step) -> list[str]:
    """Where nobody is called like that, who is called nearly so: names are heard and typed wrong."""
    if name is None or step.found:
        return []
    near = Names("contact", step.names).nearest(name)[:MOST_NAMES]
    return (
        [f"Nearest names: {', '.join(f'{contact.id} {quoted(contact.name, limit=60)}' for contact in near)}."]
        if near
        else []
    )


async def _values_instead(book: Book, sieve: _Sieve, values: Mapping[int, Counter[str]]) -> list[str]:
    """Where nobody has a custom value asked for, which there are: the person may have said it in other words."""
    notes = []
    for number, wanted in sieve.custom:
        seen = values.get(number)
        if seen and wanted and _value(wanted) not in map(_value, seen):
            label = word((await book.vocabulary.naming({custom_key(number): ""})).fields.label(number))
            common = ", ".join(quoted(text, limit=60) for text, _ in seen.most_common(MOST_VALUES))
            there_are = "the commonest values are" if len(seen) > MOST_VALUES else "the values are"
            notes.append(f"Nobody looked through has {label} {quoted(wanted, limit=60)}; {there_are} {common}.")
    return notes


def _needed_lists(filters: Filters) -> list[ListName]:
    """The lists of names that the filters mention."""
    mentioned: dict[ListName, bool] = {
        "fields": bool(filters.custom_fields),
        "tags": filters.tag is not None,
        "members": filters.assignee is not None and not _is_nobody(filters.assignee),
    }
    return [name for name, is_mentioned in mentioned.items() if is_mentioned]


def _is_nobody(text: str) -> bool:
    return text.strip().casefold() in NOBODY


def _sieve(filters: Filters, names: Snapshot) -> _Sieve:
    """The filters with every name and date resolved. Raises InvalidArgument, UnknownName."""
    bounds = {name: _bound(text, name) for name in _DATES if (text := getattr(filters, name)) is not None}
    for member in ("created", "updated"):
        _check_range(member, bounds)
    tests: list[Test] = [_by_date(name, bound) for name, bound in bounds.items()]
    if filters.name is not None:
        tests.append(_by_name(filters.name))
    if filters.tag is not None:
        tests.append(_by_tag(names.tags.resolve(filters.tag, argument="tag").id))
    if filters.assignee is not None:
        is_nobody = _is_nobody(filters.assignee)
        owner = None if is_nobody else names.members.resolve(filters.assignee, argument="assignee").id
        tests.append(_by_assignee(owner))
    custom = [
        (names.fields.resolve(name, argument="custom_fields").id, text.strip())
        for name, text in filters.custom_fields.items()
    ]
    tests += [_by_custom(number, text) for number, text in custom]
    if filters.is_opted_out is not None:
        tests.append(_by_opt_out(filters.is_opted_out))
    lower = [bounds[name] for name in ("updated_after", "created_after") if name in bounds]
    return _Sieve(
        tests,
        custom,
        max(lower, default=None),
        bounds.get("updated_before"),
        filters.is_opted_out is not None,
        filters.name is not None,
    )


_DATES = ("created_after", "created_before", "updated_after", "updated_before")


def _check_range(member: str, bounds: Mapping[str, datetime]) -> None:
    after, before = bounds.get(f"{member}_after"), bounds.get(f"{member}_before")
    if after and before and after >= before:
        raise InvalidArgument(
            f"{member}_before",
            f"is not later than {member}_after, so nobody can be between.",
            expected="Exchange them, or leave one out.",
        )


def _bound(text: str, argument: str) -> datetime:
    bound = instant(text.strip())
    if bound is None:
        raise InvalidArgument(
            argument,
            f'"{visible(text, limit=40)}" is not a date.',
            expected=f"Expected a day such as 2026-11-01 or a moment such as 2026-11-01T09:00:00Z. Today is {datetime.now(UTC):%Y-%m-%d} (UTC).",
        )
    return bound


def _by_date(name: str, bound: datetime) -> Test:
    member, side = name.split("_")

    def test(contact: Contact) -> bool:
        at = instant(getattr(contact, member))
        return at is not None and (at >= bound if side == "after" else at < bound)

    return test


def _by_name(text: str) -> Test:
    """Every word of `text` is in the name, in any order: "Rossi, Hiroshi" finds Hiroshi Rossi."""
    words = [fold(word) for word in text.replace(",", " ").split() if any(map(str.isalnum, word))]
    if not words:
        raise InvalidArgument("name", "is empty.", expected='Expected part of a name, such as "rivera".')
    if "@" in text or not any(char.isalpha() for char in text):
        problem = f'"{visible(text, limit=60)}" is not part of a name.'
        raise InvalidArgument("name", problem, expected="Look up a phone, e-mail or id with lookup_contact.")

    def test(contact: Contact) -> bool:
        names = [fold(name) for name in (contact.display_name, f"{contact.first} {contact.last}")]
        return any(all(word in name for word in words) for name in names)

    return test


def _by_tag(tag: int) -> Test:
    return lambda contact: tag in contact.tags


def _by_assignee(member: int | None) -> Test:
    return lambda contact: contact.assigned_user_id == member


def _by_custom(number: int, text: str) -> Test:
    wanted = _value(text)
    return lambda contact: _value(contact.custom.get(number, "")) == wanted


def _by_opt_out(wanted: bool) -> Test:
    return lambda contact: contact.is_opted_out is wanted


_VERSION = 2
_LONGEST_CURSOR = 100_000


@dataclass(frozen=True, slots=True)
class _Sealed:
    """What a cursor holds."""

    version: int
    filters: str
    place: _Place


_SEALED = TypeAdapter(_Sealed)


def _write_cursor(place: _Place, filters: Filters) -> str:
    sealed = _SEALED.dump_json(_Sealed(_VERSION, _fingerprint(filters), place), exclude_defaults=True)
    return base64.urlsafe_b64encode(zlib.compress(sealed, 9)).decode("ascii").rstrip("=")


def _read_cursor(cursor: str, filters: Filters) -> _Place:
    try:
        sealed = _SEALED.validate_json(_unpacked(cursor), strict=True)
    except (ValueError, zlib.error):
        raise _not_ours() from None
    if sealed.version != _VERSION or not _is_sound(sealed.place.walk):
        raise _not_ours()
    if sealed.filters != _fingerprint(filters):
        raise InvalidArgument(
            "cursor",
            "was given for other filters.",
            expected="Repeat the filters of the first call together with its next_cursor, or leave cursor out.",
        )
    return sealed.place


def _not_ours() -> InvalidArgument:
    return InvalidArgument(
        "cursor",
        "is not one that list_contacts gave.",
        expected="Pass next_cursor exactly as it was answered, or leave cursor out to start at the top.",
    )


def _unpacked(cursor: str) -> bytes:
    """At most so much of what a cursor holds as one of ours can hold. Raises ValueError, zlib.error."""
    packed = base64.b64decode(cursor[:_LONGEST_CURSOR] + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    return zlib.decompressobj().decompress(packed, _LONGEST_CURSOR)


def _is_sound(walk: Walk) -> bool:
    """Whether a walk can stand there: only moments are sent to the service as a date, and only pages that can be meant."""
    if walk.ask is None or (walk.ask.page is not None and not 1 <= walk.ask.page <= MOST_PAGES):
        return False
    return all(instant(text) for text in (walk.ask.date, walk.last, walk.head, walk.floor) if text)


def _fingerprint(filters: Filters) -> str:
    return hashlib.blake2b(json.dumps(asdict(filters), sort_keys=True).encode(), digest_size=6).hexdigest()
