"""Random walks over a changing list: `python benchmarks/walks.py [walks] [seed]`.

Each walk lists a simulated account from its first page to its last, in one call or in several. The service answers in
any of the ways that `heymarket-api.md` 4.1 leaves open. Each walk draws its own. Its clock may stand still.

- In a `quiet` walk nobody changes anything, and the contacts of one moment leave room on a page. A listing that does
  not end with `complete: true` is wrong.
- In an `edited` walk somebody edits, creates and deletes contacts between any two requests. A listing is wrong that
  ends with `complete: true` and never gave a contact that passed the filters all the time.
- In a `lagging` walk, reads also lag behind. A walk that lists and count mislead in the same way cannot notice it. An
  example is a full first page that shows a deleted contact, while the count has just that many. Three walks of ten
  thousand may be wrong.
"""

from __future__ import annotations

import random
import sys
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Literal, cast
from unittest.mock import patch

import anyio

from contacts_mcp.api.answers import Rows
from contacts_mcp.api.client import HeymarketClient
from contacts_mcp.book.book import Book
from contacts_mcp.book.listing import listing as listings
from contacts_mcp.book.listing.filters import Filters
from contacts_mcp.book.listing.listing import Listing, list_contacts
from contacts_mcp.book.vocabulary import Vocabulary
from contacts_mcp.errors import Rejected
from contacts_mcp.models import Contact, instant
from contacts_mcp.state.profile import Profile

WALKS = 20_000
MOST_UNNOTICED = 0.0003  # of the lagging walks
SECOND = 10**6
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = 24 * 3600 * SECOND
MOST_CALLS = 3_000

Dice = random.Random
Kind = Literal["quiet", "edited", "lagging"]
KINDS: tuple[Kind, ...] = ("quiet", "edited", "lagging")
Read = Literal["list", "count"]
Lag = Literal["none", "reads", "seconds", "replica"]
READS: tuple[Read, ...] = ("list", "count")
Ties = Literal["newest id first", "last change first", "any order"]


@dataclass(frozen=True)
class Row:
    """One contact. Times are microseconds since 1970."""

    id: int
    created: int
    updated: int
    place: float  # among contacts of one moment


@dataclass(frozen=True)
class Behaviour:
    """The unknown ways of the service, and its business."""

    size: int  # rows of a page
    inclusive: bool
    first_page: int | None  # None where `page` is ignored
    honours_limit: bool
    in_seconds: bool
    is_finer: bool  # compares what it does not show
    ties: Ties
    refuses: frozenset[str]  # parameters that it answers with 400
    lag: Lag
    most_lag: int  # reads, or seconds
    changes: float  # how likely somebody changes something between two requests
    deletions: float  # how many of the changes are deletions
    pace: int  # at most so many microseconds pass between two requests
    clock_is_off: int  # days
    counts: bool

    most_ties: int  # contacts of one moment
    is_quiet: bool = False

    @classmethod
    def drawn(cls, dice: Dice, kind: Kind) -> Behaviour:
        size = dice.choice((1, 2, 3, 4, 5, 8, 13, 30)[kind == "quiet" :])
        lag: Lag = dice.choice(("reads", "seconds", "replica"))
        drawn = cls(
            size=size,
            inclusive=dice.random() < 0.5,
            first_page=dice.choice((None, None, 0, 1)),
            honours_limit=dice.random() < 0.2,
            in_seconds=dice.random() < 0.75,
            is_finer=dice.random() < 0.15,
            ties=dice.choice(("newest id first", "last change first", "any order")),
            refuses=dice.choice((frozenset(), frozenset(), frozenset({"limit"}), frozenset({"page"}))),
            lag=lag if kind == "lagging" else "none",
            most_lag=dice.choice((1, 3, 10)),
            changes=dice.choice((0.0, 0.05, 0.2, 0.5)),
            deletions=dice.choice((0.0, 0.3, 0.8)),
            pace=dice.choice((0, SECOND // 5, 2 * SECOND, 90 * SECOND)),
            clock_is_off=dice.choice((0, 0, 0, 0, -30, 30)),
            counts=dice.random() < 0.95,
            most_ties=3 * size,
        )
        calm = replace(drawn, changes=0.0, counts=True, is_finer=False, most_ties=size - 1, is_quiet=True)
        return calm if kind == "quiet" else drawn


@dataclass
class Hidden:
    """A contact as some reads still see it, None for not at all."""

    row: Row | None
    by: tuple[Read, ...]
    left: int  # reads, or the moment at which it ends


class Service:
    """The list and the count of one account, in place of the API client. Somebody else may act before each request."""

    def __init__(self, behaviour: Behaviour, dice: Dice) -> None:
        self.behaviour = behaviour
        self._dice = dice
        self.now = int(time.time()) * SECOND + behaviour.clock_is_off * DAY
        self._next_id = 1
        self._rows: dict[int, Row] = {}
        self._hidden: dict[int, Hidden] = {}
        self.past: list[tuple[int, dict[int, Row]]] = []  # the contacts as they were, from when on
        self._delays = {read: dice.randint(0, behaviour.most_lag) * SECOND for read in READS}  # of a replica
        self._fill()
        self.since, self.until = 0, 2**63  # the range of `updated` that is asked for
        self.requests = 0
        self.persistent: set[int] | None = None  # who was in the range at every request

    def _fill(self) -> None:
        """Contacts in blocks that share a second, the newest of them now or long ago."""
        dice, most, moments = self._dice, self.behaviour.most_ties, []
        at = self.now - dice.choice((0, 0, SECOND, 3600 * SECOND, 3600 * SECOND))
        for _ in range(dice.randint(0, 9)):
            size = min(dice.choice((1, 1, 1, 2, 3, self.behaviour.size, dice.randint(1, most))), most)
            moments += [at - (0 if self.behaviour.in_seconds else dice.choice((0, 0, 1, 999))) for _ in range(size)]
            at -= dice.choice((SECOND, SECOND, 60 * SECOND))
        for moment in reversed(moments):
            self._put(self._next_id, created=moment, updated=moment)
            self._next_id += 1

    def _put(self, number: int, *, created: int, updated: int) -> None:
        self._rows[number] = Row(number, created, updated, self._dice.random())

    # What the book asks

    async def list_contacts(self, *, date: str | None, limit: int | None, page: int | None) -> Rows[Contact]:
        self._between_requests()
        behaviour = self.behaviour
        if ("limit" in behaviour.refuses and limit is not None) or ("page" in behaviour.refuses and page is not None):
            raise Rejected("Refused.", status=400)
        size = min(limit, 500) if behaviour.honours_limit and limit is not None else behaviour.size
        start = 0 if behaviour.first_page is None or page is None else max(page - behaviour.first_page, 0) * size
        rows = self._beyond(self._seen("list"), date)[start : start + size]
        self._note_read("list", rows)
        return Rows(self._shown(row) for row in rows)

    async def count_contacts(self) -> int | None:
        self._between_requests()
        if not self.behaviour.counts:
            return None
        seen = self._seen("count")
        self._note_read("count", list(seen.values()))
        return len(seen)

    # What reads see

    def _seen(self, read: Read) -> dict[int, Row]:
        """The contacts as they are, or as a read that lags behind sees them."""
        if self.behaviour.lag == "replica":
            return self._before(self.now - self._delays[read])
        now = 0 if self.behaviour.lag == "reads" else self.now
        self._hidden = {one: hidden for one, hidden in self._hidden.items() if hidden.left > now}
        old = {one: hidden.row for one, hidden in self._hidden.items() if read in hidden.by}
        rows = {one: row for one, row in self._rows.items() if one not in old}
        return rows | {one: row for one, row in old.items() if row is not None}

    def _before(self, at: int) -> dict[int, Row]:
        return next((rows for since, rows in reversed(self.past) if since <= at), self.past[0][1])

    def _note_read(self, read: Read, rows: list[Row]) -> None:
        """Note who could be listed at this moment. A lag of reads passes.

        A contact is in the range if it is there both as it is and as lists show it. Nobody can list what no list shows.
        """
        listed = self._seen("list")
        here = {one for one, row in self._rows.items() if one in listed and self._is_asked(row, listed[one])}
        self.persistent = here if self.persistent is None else self.persistent & here
        if self.behaviour.lag == "reads":
            for one in {row.id for row in rows} & self._hidden.keys():
                self._hidden[one].left -= read in self._hidden[one].by

    def _is_asked(self, *rows: Row) -> bool:
        return all(self.since <= self._compared(row) < self.until for row in rows)

    def _beyond(self, seen: dict[int, Row], date: str | None) -> list[Row]:
        rows = sorted(seen.values(), key=self._rank)
        if date is None:
            return rows
        moment = instant(date)
        assert moment is not None
        bound = (moment - EPOCH) // timedelta(microseconds=1) + self.behaviour.inclusive
        return [row for row in rows if self._compared(row) < bound]

    def _rank(self, row: Row) -> tuple[int, float, int]:
        tie = {"newest id first": -row.id, "last change first": -row.updated, "any order": row.place}
        return -self._compared(row), tie[self.behaviour.ties], -row.id

    def _compared(self, row: Row) -> int:
        cuts = self.behaviour.in_seconds and not self.behaviour.is_finer
        return row.updated // SECOND * SECOND if cuts else row.updated

    def _shown(self, row: Row) -> Contact:
        return Contact(id=row.id, created=self._written(row.created), updated=self._written(row.updated))

    def _written(self, at: int) -> str:
        return written(at, timespec="seconds" if self.behaviour.in_seconds else "microseconds")

    def filters(self) -> Filters:
        """All contacts, or a range of `updated` in whole seconds."""
        dice = self._dice
        bounds = [at // SECOND * SECOND for at in (self.now, *(row.updated for row in self._rows.values()))]
        kinds = ("all", "all", "from", "before", "between")
        is_tiny = len(self._rows) <= self.behaviour.size  # a range of it cannot be told from one that a page cuts off
        kind = dice.choice(kinds[:3] if self.behaviour.is_quiet and is_tiny else kinds)
        if kind in ("from", "between"):
            self.since = dice.choice((0, min(bounds), dice.choice(bounds)))
        if kind in ("before", "between"):
            self.until = max(dice.choice((dice.choice(bounds), self.now + 3600 * SECOND)), self.since + SECOND)
        return Filters(
            updated_after=written(self.since) if kind in ("from", "between") else None,
            updated_before=written(self.until) if kind in ("before", "between") else None,
        )

    # What others do

    def _between_requests(self) -> None:
        if self.requests:
            self.now += self._dice.randint(0, self.behaviour.pace)
            while self._dice.random() < self.behaviour.changes:
                self.change()
        self.requests += 1
        if self.behaviour.lag == "replica":
            self.past.append((self.now, dict(self._rows)))

    def change(self) -> None:
        dice = self._dice
        self.now += dice.choice((0, 1))
        one = dice.choice(list(self._rows)) if self._rows and dice.random() < 0.8 else None
        before = None if one is None else self._rows[one]
        if one is None or before is None:
            one = self._next_id
            self._next_id += 1
            self._put(one, created=self.now, updated=self.now)
        elif dice.random() < self.behaviour.deletions:
            del self._rows[one]
        else:
            self._put(one, created=before.created, updated=self.now)
        if self.behaviour.lag in ("reads", "seconds") and one not in self._hidden and dice.random() < 0.7:
            lag = dice.randint(1, self.behaviour.most_lag)
            left = lag if self.behaviour.lag == "reads" else self.now + lag * SECOND
            self._hidden[one] = Hidden(before, dice.choice((READS, READS, ("list",), ("count",))), left)


def written(at: int, *, timespec: str = "seconds") -> str:
    """Microseconds since 1970 as RFC 3339."""
    return (EPOCH + timedelta(microseconds=at)).isoformat(timespec=timespec).replace("+00:00", "Z")


@dataclass
class Found:
    """The results of many walks."""

    ends: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)
    requests: int = 0


async def walk(name: str, kind: Kind) -> tuple[Service, set[int], Listing]:
    """One walk to its end: the service, whom it gave, and its last answer. The name decides everything."""
    dice = random.Random(name)
    service = Service(Behaviour.drawn(dice, kind), dice)
    book = cast(
        "Book",
        SimpleNamespace(
            api=service,
            vocabulary=Vocabulary(cast("HeymarketClient", service)),
            profile=Profile(None, ""),
            zone=UTC,
            region="US",
            account="",
        ),
    )
    limit = dice.choice((1, 3, 7, 25, 100, 100, 100))
    filters = service.filters()
    given: set[int] = set()
    cursor = ""
    with patch.object(listings, "PAGE", service.behaviour.size):  # the documented one has 30 rows
        for _ in range(MOST_CALLS):
            listing = await list_contacts(book, filters, limit=limit, cursor=cursor)
            given |= {card.contact_id for card in listing.cards}
            cursor = listing.next_cursor
            if not cursor:
                break
    return service, given, listing


async def walk_many(walks: int, seed: int, kind: Kind, *, most_wrong: int = WALKS) -> Found:
    """So many walks, or fewer once `most_wrong` are wrong."""
    found = Found()
    for number in range(walks):
        name = f"{seed}/{number}"
        service, given, listing = await walk(name, kind)
        missing = (service.persistent or set()) - given
        found.ends[f"{'' if listing.complete else 'not '}complete, {'some' if missing else 'no'}body missing"] += 1
        found.requests += service.requests
        if (listing.complete and missing) or (kind == "quiet" and not listing.complete):
            found.wrong.append(
                f"{name}: missing {sorted(missing)} of {len(given)}: {listing.notes} {service.behaviour}"
            )
        if len(found.wrong) == most_wrong:
            break
    return found


def main(arguments: list[str]) -> int:
    walks, seed = (*map(int, arguments), *(WALKS, 1)[len(arguments) :])
    failed = False
    for kind in KINDS:
        started = time.process_time()
        found = anyio.run(walk_many, walks, seed, kind)
        print(f"{walks} {kind} walks, {found.requests} requests, {time.process_time() - started:.0f} s of computing")
        for end, number in sorted(found.ends.items()):
            print(f"  {number:6} {end}")
        for one in found.wrong[:5]:
            print("  wrong:", one)
        failed |= len(found.wrong) > (MOST_UNNOTICED * walks if kind == "lagging" else 0)
    print("FAILED" if failed else "nothing wrong")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
