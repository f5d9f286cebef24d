"""The walk against a service of a few lines that answers as `heymarket-api.md` 4.1 leaves open, and against one that answers at random."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts_mcp.book.walk import Ask, Walk
from contacts_mcp.models import Contact, instant

START = datetime(2026, 11, 1, tzinfo=UTC)
ASKED = 5  # rows asked for, where the service listens
MOST = 20  # rows asked for at most


SECOND = 10**6


@dataclass
class Service:
    """A list of contacts, newest first; `times` are microseconds since START by id. Every other field is something nobody knows."""

    times: dict[int, int]
    inclusive: bool = False
    first_page: int | None = None  # None: `page` is ignored
    honours_limit: bool = False
    size: int = 4
    shows_seconds: bool = True
    finer: bool = False  # compares what it does not show
    refuses: frozenset[str] = frozenset()  # kinds of questions it answers with 400
    asked: list[Ask] = field(default_factory=list)

    def answer(self, ask: Ask) -> list[Contact] | None:
        self.asked.append(ask)
        if ask.kind in self.refuses:
            return None
        limit = (MOST if ask.kind == "wide" else ASKED) if self.honours_limit else self.size
        rows = [self.contact(one) for one in self.beyond(ask.date)]
        start = 0 if self.first_page is None or ask.page is None else (ask.page - self.first_page) * limit
        return rows[max(start, 0) :][:limit]

    def beyond(self, date: str | None = None) -> list[int]:
        """Who is there, from a date on."""
        bound = None if date is None else _since_start(date) + self.inclusive
        return [one for one in sorted(self.times, key=self._rank) if bound is None or self._compared(one) < bound]

    def contact(self, one: int) -> Contact:
        moment = START + timedelta(microseconds=self.times[one])
        shown = moment.isoformat(timespec="seconds" if self.shows_seconds else "microseconds")
        return Contact.model_construct(id=one, updated=shown.replace("+00:00", "Z"))

    def _rank(self, one: int) -> tuple[int, int]:
        return -self._compared(one), -one

    def _compared(self, one: int) -> int:
        cuts = self.shows_seconds and not self.finer
        return self.times[one] // SECOND * SECOND if cuts else self.times[one]


def _since_start(date: str) -> int:
    moment = instant(date)
    assert moment is not None
    return (moment - START) // timedelta(microseconds=1)


Answer = Callable[[Ask], list[Contact] | None]


@dataclass
class Trip:
    """What a walk gave, and where it ended."""

    walk: Walk
    given: list[int] = field(default_factory=list)
    requests: int = 0
    fruitful: int = 0

    def ask(self, answer: Answer, *, most: int | None = None) -> None:
        """One question, and at most so many of the contacts in its answer."""
        rows = answer(self.walk.question)
        self.requests += 1
        if rows is None:
            self.walk = self.walk.refused()
            return
        fresh = self.walk.fresh(rows)
        self.fruitful += bool(fresh)
        taken = fresh[:most]
        self.given += [row.id for row in taken]
        self.walk = self.walk.after(rows) if len(taken) == len(fresh) else self.walk.paused(rows, taken)


def walked(answer: Answer, walk: Walk | None = None, *, pauses: Sequence[int] = ()) -> Trip:
    """To the end; `pauses` are how many contacts are taken of one answer, by turns."""
    trip = Trip(walk or Walk())
    while trip.walk.ask is not None:
        trip.ask(answer, most=pauses[trip.requests % len(pauses)] if pauses else None)
        assert trip.requests < 2_000
    return trip


@st.composite
def books(draw: st.DrawFn, *, longest: int = 9) -> dict[int, int]:
    """Contacts in blocks of one second, some a little later within it."""
    blocks = draw(st.lists(st.tuples(st.integers(1, longest), st.integers(1, 2), st.booleans()), max_size=8))
    second, times = 0, {}
    for size, step, is_even in blocks:
        second += step * SECOND
        for number in range(size):
            times[(len(times) + 1) * 7 % 101] = second + (0 if is_even else number % 3 * SECOND // 4)
    return times


@st.composite
def services(draw: st.DrawFn, *, longest: int = 9, **fixed: object) -> Service:
    chosen: dict[str, object] = {
        "inclusive": draw(st.booleans()),
        "first_page": draw(st.sampled_from([None, None, 0, 1])),
        "honours_limit": draw(st.booleans()),
        "size": draw(st.integers(1, 7)),
        "shows_seconds": draw(st.booleans()),
        "finer": draw(st.booleans()),
        "refuses": draw(st.sampled_from([frozenset(), frozenset({"below"}), frozenset({"page", "wide"}), frozenset({"page", "wide", "below"})])),
    }
    return Service(draw(books(longest=longest)), **(chosen | fixed))  # type: ignore[arg-type]


@given(services())
@settings(max_examples=600, deadline=None)
def test_without_a_gap_everybody_was_given(service: Service) -> None:
    """The heart of `complete`: it may be denied where it was so, and is never said where it was not."""
    trip = walked(service.answer)
    assert trip.walk.gap or trip.given == service.beyond()


@given(services(), st.integers(0, 20))
@settings(max_examples=400, deadline=None)
def test_without_a_gap_everybody_below_an_upper_bound_was_given(service: Service, bound: int) -> None:
    date = (START + timedelta(seconds=bound)).isoformat().replace("+00:00", "Z")
    trip = walked(service.answer, Walk(Ask(date)))
    assert trip.walk.gap or trip.given == service.beyond(date)
