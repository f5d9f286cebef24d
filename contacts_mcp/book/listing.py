"""Listing contacts: page after page to a wanted number, with filters the service does not have, saying whether that was all.

- The walk itself is `walk.py`; here is the loop that asks, the filters, and the cursor that lets a later call go on.
- A cursor holds where the walk stands, in which page, and what of that page was given already: contact ids and a timestamp, no other contact data.
- `complete` is said only where the end was seen: of the whole account with a count that agrees, or of the range of dates asked for with every page
  boundary seen from both sides. Everything else says why not.
- Newest `updated` first, so a lower bound on `updated` or `created` ends the walk early (nothing is created after it was updated).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, date, datetime
from typing import Any

import anyio

from contacts_mcp.api.pace import bulk_work
from contacts_mcp.book.book import Book
from contacts_mcp.book.cards import Card, card_of
from contacts_mcp.book.edits import NOBODY
from contacts_mcp.book.values import custom_key, values_of
from contacts_mcp.book.walk import Ask, Walk
from contacts_mcp.errors import ContactsError, InvalidArgument, Rejected
from contacts_mcp.models import Contact, instant
from contacts_mcp.names import fold
from contacts_mcp.text import visible

PAGE_ASKED = 100  # the service may give fewer
REQUESTS_PER_CALL = 60
TIME_SHARE = 0.6  # of the call's deadline: what was found must still be told

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


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
    """One page of an answer. `next_cursor` is empty where there is nothing more to ask for."""

    cards: list[Card]
    next_cursor: str
    complete: bool
    notes: list[str]
    looked_through: int


Test = Callable[[Contact], bool]


@dataclass(frozen=True, slots=True)
class _Sieve:
    """The filters with names resolved: what a contact must pass, and how far back the walk must go."""

    tests: Sequence[Test]
    since: datetime | None
    until: datetime | None

    def first_walk(self) -> Walk:
        """From the top, or from the upper bound, which no contact stands at the far side of (`below`: there is nothing to look back at)."""
        thorough = self.since is not None or self.until is not None
        if self.until is None:
            return Walk(thorough=thorough)
        return Walk(Ask(self.until.isoformat().replace("+00:00", "Z")), thorough=thorough, below=True)

    def passes(self, contact: Contact) -> bool:
        return all(test(contact) for test in self.tests)

    def is_below(self, contact: Contact) -> bool:
        """Whether everything from this contact on was updated before the range asked for."""
        moment = instant(contact.updated)
        return self.since is not None and moment is not None and moment < self.since


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a listing stands between two calls. `done` are ids of the current page that were examined."""

    walk: Walk
    seen: int = 0
    done: frozenset[int] = frozenset()


async def list_contacts(book: Book, filters: Filters, *, limit: int = 25, cursor: str = "") -> Listing:
    """The next contacts that pass `filters`, at most `limit`. Raises InvalidArgument for a cursor that does not belong to `filters`."""
    sieve = await _sieve(filters, book)
    start = _read_cursor(cursor, filters) if cursor else _Place(sieve.first_walk())
    step = _Step(book, sieve, start, limit=limit, page_size=PAGE_ASKED if sieve.tests else limit)
    token = bulk_work.set(bool(sieve.tests))
    try:
        await step.run()
    finally:
        bulk_work.reset(token)
    complete, notes = await _verdict(step)
    cards = [await card_of(contact, book.directory) for contact in step.found]
    return Listing(cards, "" if step.is_over else _write_cursor(step.place, filters), complete, notes, step.place.seen)


class _Step:
    """The part of a walk that one call makes."""

    def __init__(self, book: Book, sieve: _Sieve, place: _Place, *, limit: int, page_size: int) -> None:
        self._book = book
        self._sieve = sieve
        self._limit = limit
        self._page_size: int | None = page_size
        self._given: set[int] = set()
        self.place = place
        self.found: list[Contact] = []
        self.went_below = False
        self.requests = 0

    @property
    def is_full(self) -> bool:
        return len(self.found) >= self._limit

    @property
    def is_bounded(self) -> bool:
        """Whether only a range of dates was walked, for which there is no count."""
        return self.went_below or self._sieve.until is not None

    @property
    def is_over(self) -> bool:
        return self.place.walk.ask is None or self.went_below

    async def run(self) -> None:
        stop_at = anyio.current_time() + TIME_SHARE * (anyio.current_effective_deadline() - anyio.current_time())
        while not self.is_over and not self.is_full:
            if self.requests >= REQUESTS_PER_CALL or anyio.current_time() > stop_at:
                return
            await self._next_page()

    async def _next_page(self) -> None:
        ask = self.place.walk.ask
        assert ask is not None
        rows = await self._fetch(ask)
        onward, fresh = self.place.walk.take(rows)
        done = set(self.place.done)
        for contact in fresh:
            if contact.id in done or contact.id in self._given:
                continue
            if self.is_full:
                self.place = replace(self.place, done=frozenset(done), seen=self.place.seen + len(done - self.place.done))
                return
            done.add(contact.id)
            self._examine(contact)
        went_on = _Place(onward, self.place.seen + len(done - self.place.done))
        self.went_below = not ask.nudged and bool(rows) and self._sieve.is_below(rows[-1]) and not (onward.ask and onward.ask.nudged)
        self.place = went_on

    def _examine(self, contact: Contact) -> None:
        self._given.add(contact.id)
        if self._sieve.passes(contact):
            self.found.append(contact)

    async def _fetch(self, ask: Ask) -> list[Contact]:
        """One page; a service that refuses a page size is asked without, one that refuses a nudged date shows nothing there."""
        self.requests += 1
        try:
            return await self._book.api.list_contacts(date=ask.sent_date, limit=self._page_size, page=ask.page)
        except Rejected:
            if ask.nudged or ask.page:
                return []
            if self._page_size is None:
                raise
            self._page_size = None
            return await self._fetch(ask)

    async def count(self) -> int | None:
        try:
            return await self._book.api.count_contacts()
        except ContactsError:
            return None

    async def look_at_head(self) -> None:
        """Take in the contacts that were changed, and so moved to the front, while the walk was under way."""
        head = instant(self.place.walk.head)
        for contact in await self._fetch(Ask()):
            moment = instant(contact.updated)
            if head and moment and moment > head and contact.id not in self._given:
                self.place = replace(self.place, seen=self.place.seen + 1)
                self._examine(contact)


_MAY_BE_MISSING = (
    "Contacts may be missing: several share one moment of change, and Heymarket's list does not show more of them than fit on one page."
)


async def _verdict(step: _Step) -> tuple[bool, list[str]]:
    """Whether everything there is was given by now, and where not, why not."""
    if not step.is_over:
        return False, [] if step.is_full else [f"Stopped after looking through {step.place.seen} contacts; go on with next_cursor."]
    walk = step.place.walk
    if step.is_bounded:
        proven = not (walk.gap or walk.unproven)
        return proven, [] if proven else [_MAY_BE_MISSING]
    count = await step.count()
    if count is None:
        return False, ["The end of the list was reached, but Heymarket gives no count to check it against."]
    if count != step.place.seen:
        await step.look_at_head()
    if count == step.place.seen:
        return True, []
    return False, [
        f"Heymarket counts {count} contacts and its list showed {step.place.seen}.",
        *([_MAY_BE_MISSING] if walk.gap or walk.unproven else []),
    ]


async def _sieve(filters: Filters, book: Book) -> _Sieve:
    """The filters with every name and date resolved. Raises InvalidArgument, UnknownName."""
    moments = {name: _moment(text, name) for name in _DATES if (text := getattr(filters, name)) is not None}
    tests: list[Test] = [_by_date(name, moment) for name, moment in moments.items()]
    if filters.name is not None:
        tests.append(_by_name(filters.name))
    if filters.tag is not None:
        tests.append(_by_tag((await book.directory.tags.resolve(filters.tag, argument="tag")).id))
    if filters.assignee is not None:
        nobody = filters.assignee.strip().casefold() in NOBODY
        tests.append(_by_assignee(None if nobody else (await book.directory.members.resolve(filters.assignee, argument="assignee")).id))
    for name, text in filters.custom_fields.items():
        tests.append(_by_custom((await book.directory.fields.resolve(name, argument="custom_fields")).id, text))
    if filters.is_opted_out is not None:
        tests.append(_by_opt_out(filters.is_opted_out))
    lower = [moments[name] for name in ("updated_after", "created_after") if name in moments]
    return _Sieve(tests, max(lower, default=None), moments.get("updated_before"))


_DATES = ("created_after", "created_before", "updated_after", "updated_before")


def _moment(text: str, argument: str) -> datetime:
    moment = (
        datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC) if _DAY.fullmatch(text) and _is_day(text) else instant(text)
    )
    if moment is None:
        raise InvalidArgument(
            argument,
            f'"{visible(text, limit=40)}" is not a date.',
            expected="Expected a day such as 2026-11-01 or a moment such as 2026-11-01T09:00:00Z.",
        )
    return moment


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _by_date(name: str, bound: datetime) -> Test:
    member, side = name.split("_")

    def test(contact: Contact) -> bool:
        moment = instant(getattr(contact, member))
        return moment is not None and (moment >= bound if side == "after" else moment < bound)

    return test


def _by_name(text: str) -> Test:
    wanted = fold(text)
    if not text.strip():
        raise InvalidArgument("name", "is empty.", expected='Expected part of a name, such as "rivera".')
    return lambda contact: any(wanted in fold(name) for name in (contact.display_name, f"{contact.first} {contact.last}"))


def _by_tag(tag: int) -> Test:
    return lambda contact: tag in contact.tags


def _by_assignee(member: int | None) -> Test:
    return lambda contact: contact.assigned_user_id == member


def _by_custom(number: int, text: str) -> Test:
    wanted = text.strip().casefold()
    return lambda contact: str(values_of(contact).get(custom_key(number), "")).strip().casefold() == wanted


def _by_opt_out(wanted: bool) -> Test:
    return lambda contact: contact.is_opted_out is wanted


def _write_cursor(place: _Place, filters: Filters) -> str:
    walk = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in asdict(place.walk).items()}
    state = [_VERSION, _fingerprint(filters), list(walk.values()), place.seen, sorted(place.done)]
    return base64.urlsafe_b64encode(zlib.compress(json.dumps(state, separators=(",", ":")).encode(), 9)).decode("ascii").rstrip("=")


_VERSION = 1


def _read_cursor(cursor: str, filters: Filters) -> _Place:
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        state = json.loads(zlib.decompressobj().decompress(packed, _LARGEST_CURSOR))
        version, fingerprint, walk, seen, done = state
        place = _Place(_walk(walk), int(seen), frozenset(map(int, done)))
    except (binascii.Error, zlib.error, ValueError, TypeError, AttributeError):
        raise InvalidArgument(
            "cursor",
            "is not one that list_contacts gave.",
            expected="Pass next_cursor exactly as it was answered, or leave cursor out to start at the top.",
        ) from None
    if version != _VERSION or fingerprint != _fingerprint(filters):
        raise InvalidArgument(
            "cursor",
            "was given for other filters.",
            expected="Repeat the filters of the first call together with its next_cursor, or leave cursor out.",
        )
    return place


_LARGEST_CURSOR = 100_000


def _walk(fields: Sequence[Any]) -> Walk:
    names = list(Walk.__dataclass_fields__)
    given = dict(zip(names, fields, strict=True))
    for name in ("ask", "then"):
        given[name] = Ask(**given[name]) if given[name] is not None else None
    for name in ("skip", "then_skip"):
        given[name] = frozenset(map(int, given[name]))
    return Walk(**given)


def _fingerprint(filters: Filters) -> str:
    return hashlib.blake2b(json.dumps(asdict(filters), sort_keys=True).encode(), digest_size=6).hexdigest()
