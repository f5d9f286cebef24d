"""The walk against a service of a few lines that answers in any way of `heymarket-api.md` 4.1, and in none."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from contacts_mcp.book.listing.walk import MOST_LAPS, MOST_PAGES, TABLE, Ask, Asked, Doubt, Mark, Sight, Walk
from contacts_mcp.models import Contact, instant

START = datetime(2026, 11, 1, tzinfo=UTC)
ASKED = 5  # rows asked for, where the service listens
MOST = 20  # rows asked for at most


SECOND = 10**6
SETTINGS = settings(deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])


@dataclass
class Service:
    """A list of contacts, newest first. `times` are microseconds since START by id. Nobody knows the other fields."""

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
        start = 0 if self.first_page is None or ask.page is None else (ask.page - self.first_page) * limit
        return [self.contact(one) for one in self.beyond(ask.date)[max(start, 0) :][:limit]]

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
    """The contacts that a walk gave, and where it ended."""

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


def walked(answer: Answer, walk: Walk | None = None, *, trip: Trip | None = None, pauses: Sequence[int] = ()) -> Trip:
    """To the end. `pauses` are how many contacts are taken of one answer, by turns."""
    trip = trip or Trip(walk or Walk())
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
        "refuses": draw(
            st.sampled_from(
                [frozenset(), frozenset({"below"}), frozenset({"page", "wide"}), frozenset({"page", "wide", "below"})]
            )
        ),
    }
    return Service(draw(books(longest=longest)), **(chosen | fixed))


def page_of(service: Service) -> int:
    return ASKED if service.honours_limit else service.size


def longest_tie(service: Service) -> int:
    shown = [service.contact(one).updated for one in service.times]
    return max(map(shown.count, shown), default=0)


@given(services())
@settings(SETTINGS, max_examples=250)
def test_without_a_doubt_everybody_was_given(service: Service) -> None:
    """The heart of `complete`: it may be denied where it was so, and is never said where it was not."""
    trip = walked(service.answer)
    assert trip.walk.doubts or trip.given == service.beyond()


@given(services(), st.integers(0, 20))
@settings(SETTINGS, max_examples=60)
def test_without_a_doubt_everybody_below_an_upper_bound_was_given(service: Service, bound: int) -> None:
    """A date that no page ended on is a cursor like any other."""
    date = (START + timedelta(seconds=bound)).isoformat().replace("+00:00", "Z")
    trip = walked(service.answer, Walk(Ask(date)))
    assert trip.walk.doubts or trip.given == service.beyond(date)


@given(services(), st.lists(st.integers(1, 5), max_size=3))
@settings(SETTINGS, max_examples=60)
def test_nobody_is_given_twice_and_the_order_is_kept(service: Service, pauses: list[int]) -> None:
    given = walked(service.answer, pauses=pauses).given
    assert given == [one for one in service.beyond() if one in set(given)]
    assert len(given) == len(set(given))


@given(services(finer=False), st.lists(st.integers(1, 5), max_size=3))
@settings(SETTINGS, max_examples=60)
def test_everybody_is_reached_where_ties_fit_on_a_page(service: Service, pauses: list[int]) -> None:
    """With a strict cursor too, and whatever else the service ignores or refuses."""
    assume(longest_tie(service) <= page_of(service))
    assume(longest_tie(service) < page_of(service) or "below" not in service.refuses)
    assert walked(service.answer, pauses=pauses).given == service.beyond()


@given(services(finer=False, first_page=None), st.lists(st.integers(1, 5), max_size=3))
@settings(SETTINGS, max_examples=60)
def test_that_everybody_was_reached_is_known_where_ties_leave_room_on_a_page(
    service: Service, pauses: list[int]
) -> None:
    """Room for one more shows that there was none. Only a list of one moment that fills no page looks like a block."""
    assume(longest_tie(service) < page_of(service) < len(service.times))
    assert not walked(service.answer, pauses=pauses).walk.doubts


@given(services(finer=False, refuses=frozenset()), st.sampled_from([0, 1]), st.lists(st.integers(1, 5), max_size=3))
@settings(SETTINGS, max_examples=60)
def test_everybody_is_reached_where_pages_are_honoured(service: Service, first_page: int, pauses: list[int]) -> None:
    """However many share one moment, and whether pages count from 0 or from 1."""
    service.first_page = first_page
    assert walked(service.answer, pauses=pauses).given == service.beyond()


@given(
    services(longest=MOST - 1, finer=False, honours_limit=True, refuses=frozenset()),
    st.lists(st.integers(1, 5), max_size=3),
)
@settings(SETTINGS, max_examples=60)
def test_everybody_is_reached_where_a_large_limit_is_honoured(service: Service, pauses: list[int]) -> None:
    """Ties that fit on the largest page, where `page` says nothing."""
    assert walked(service.answer, pauses=pauses).given == service.beyond()


@given(services())
@settings(SETTINGS, max_examples=60)
def test_no_more_than_seven_questions_follow_one_that_brought_something(service: Service) -> None:
    trip = walked(service.answer)
    assert trip.requests <= 8 * (trip.fruitful + 1)


@given(
    st.lists(
        st.lists(
            st.tuples(
                st.integers(1, 30), st.sampled_from(["", "soon", *(f"2026-11-01T00:00:{n:02}Z" for n in range(20))])
            )
        )
    ),
    st.data(),
)
@settings(SETTINGS, max_examples=60)
def test_it_ends_whatever_is_answered(pages: list[list[tuple[int, str]]], data: st.DataObject) -> None:
    """Answers out of order, beside the question, with moments that are none."""
    answers = [[Contact.model_construct(id=one, updated=moment) for one, moment in page] for page in pages]

    def answer(ask: Ask) -> list[Contact] | None:
        return data.draw(st.sampled_from(answers)) if answers else []

    walked(answer, pauses=data.draw(st.lists(st.integers(1, 5), max_size=2)))


@pytest.mark.parametrize("size", [1, 2, 30])
def test_it_ends_where_pages_come_round_in_a_circle(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contacts_mcp.book.listing.walk.MOST_PAGES", 20)
    block = [Contact.model_construct(id=one, updated="2026-11-01T00:00:00Z") for one in range(3 * size)]
    trip = walked(lambda ask: block[(ask.page or 0) % 3 * size :][:size])
    assert trip.requests <= 20 + 8
    assert trip.walk.doubts


def test_it_ends_in_doubt_where_the_date_is_ignored() -> None:
    service = Service({one: one * SECOND for one in range(1, 10)})
    trip = walked(lambda ask: service.answer(replace(ask, date=None)))
    assert trip.given == [9, 8, 7, 6]
    assert "disordered" in trip.walk.doubts
    assert trip.requests <= 9


def test_it_ends_in_doubt_where_nobody_has_a_moment() -> None:
    rows = [Contact.model_construct(id=one, updated="") for one in range(4)]
    trip = walked(lambda ask: rows)
    assert trip.given == [0, 1, 2, 3]
    assert "disordered" in trip.walk.doubts


def test_a_list_out_of_order_raises_a_doubt() -> None:
    service = Service({one: one * SECOND for one in range(1, 4)})
    assert walked(lambda ask: (service.answer(ask) or [])[::-1]).walk.doubts


def test_pages_that_vary_in_length_prove_no_end() -> None:
    """The service leaves out rows after it cut the page. A short page is not the last then, and proves nothing."""
    service = Service({one: max(one, 5) * SECOND for one in range(1, 20)}, size=5)
    hidden = {18, 2, 3, 4, 5}
    trip = walked(
        lambda ask: [row for row in service.answer(ask) or [] if row.id not in hidden],
        Walk(Ask("2026-12-01T00:00:00Z")),
    )
    assert trip.walk.size is None
    assert trip.walk.doubts


@pytest.mark.parametrize(("inclusive", "reached"), [(False, 12 + 1), (True, 12)])
def test_pages_that_are_cut_off_raise_a_doubt(inclusive: bool, reached: int) -> None:
    """After the last page that is served comes an empty one, as if the list were at its end. Below it there is more."""
    times = dict.fromkeys(range(1, 21), SECOND) | {0: 0}
    service = Service(times, size=4, first_page=1, inclusive=inclusive, refuses=frozenset({"below"}))
    trip = walked(lambda ask: [] if (ask.page or 1) > 3 else service.answer(ask))
    assert len(trip.given) == reached
    assert trip.walk.doubts


def test_a_service_that_compares_finer_than_it_shows_is_found_out() -> None:
    """Asked for all up to a second that it shows, an inclusive one leaves out what fell later within that second."""
    quarters = [0, 1, 2, 0, 1, 2]
    service = Service(
        {one: SECOND + quarter * SECOND // 4 for one, quarter in enumerate(quarters)} | {6: 2 * SECOND, 7: 2 * SECOND},
        inclusive=True,
        finer=True,
        size=5,
    )
    trip = walked(service.answer, Walk(Ask("2026-11-01T00:00:02Z")))
    assert len(trip.given) < 8
    assert trip.walk.doubts


def test_a_change_while_pages_are_stepped_raises_a_doubt() -> None:
    """One that was given leaves the block, so the one at the edge of the next page slips to the page before."""
    service = Service(dict.fromkeys(range(20), SECOND) | {20: 2 * SECOND, 21: 3 * SECOND}, size=4, first_page=1)

    def answer(ask: Ask) -> list[Contact] | None:
        if ask.page == 3:
            service.times[19] = 100 * SECOND
        return service.answer(ask)

    trip = walked(answer)
    assert len(set(trip.given)) == 21
    assert trip.walk.doubts


@pytest.mark.parametrize("inclusive", [False, True], ids=["strict", "inclusive"])
@pytest.mark.parametrize("contacts", [0, 1, 29, 30, 31, 300])
def test_a_walk_without_ties_asks_for_few_pages_more_than_there_are(contacts: int, inclusive: bool) -> None:
    """Of a page, a strict cursor repeats one row and an inclusive one two. The end must be seen besides."""
    service = Service({one: one * SECOND for one in range(contacts)}, inclusive=inclusive, size=30)
    trip = walked(service.answer)
    assert trip.given == service.beyond()
    assert trip.requests <= contacts / 28 + 8


def test_a_strict_cursor_loses_what_does_not_fit_and_says_so() -> None:
    service = Service(dict.fromkeys(range(1, 10), SECOND) | {10: 0, 11: 2 * SECOND}, size=4)
    trip = walked(service.answer)
    assert trip.given == [11, 9, 8, 7, 6, 10]
    assert trip.walk.doubts


CHANGES = st.dictionaries(
    st.integers(1, 8), st.tuples(st.sampled_from(["edit", "create", "delete"]), st.integers(0, 40)), max_size=3
)


@given(st.booleans(), st.booleans(), st.integers(5, 40), CHANGES, st.lists(st.integers(1, 5), max_size=2))
@settings(SETTINGS, max_examples=80)
def test_a_contact_changed_meanwhile_is_met_at_the_second_look(
    inclusive: bool, in_seconds: bool, contacts: int, changes: dict[int, tuple[str, int]], pauses: list[int]
) -> None:
    """After some answers somebody edits, creates or deletes, at most one page of contacts.

    Everybody who is left was given.
    """
    service = Service(
        {one: one * SECOND for one in range(contacts)}, inclusive=inclusive, size=5, shows_seconds=in_seconds
    )

    def answer(ask: Ask) -> list[Contact] | None:
        before_last_look = not trip.walk.is_again
        if before_last_look and len(service.asked) in changes:
            meddle(service, *changes[len(service.asked)], at=(100 + len(service.asked)) * SECOND)
        return service.answer(ask)

    trip = Trip(Walk())
    walked(answer, trip=trip, pauses=pauses)
    assert set(service.times) <= set(trip.given)


def meddle(service: Service, what: str, whom: int, *, at: int) -> None:
    if what == "create":
        service.times[1000 + at] = at
    elif what == "edit" and whom in service.times:
        service.times[whom] = at
    else:
        service.times.pop(whom, None)


def test_many_changes_are_followed_until_one_page_shows_them_all() -> None:
    service = Service({one: one * SECOND for one in range(40)}, size=4)

    def answer(ask: Ask) -> list[Contact] | None:
        if len(service.asked) == 9:
            service.times |= {one: (100 + one) * SECOND for one in range(12)}
        return service.answer(ask)

    trip = walked(answer)
    assert set(trip.given) == set(range(40))
    assert not trip.walk.doubts


def test_it_ends_in_doubt_where_more_is_changed_than_it_can_follow() -> None:
    service = Service({one: one * SECOND for one in range(20)}, size=4)

    def answer(ask: Ask) -> list[Contact] | None:
        now = 100 + 10 * len(service.asked)
        service.times |= {one: (now + one) * SECOND for one in range(6)}
        return service.answer(ask)

    trip = walked(answer)
    assert trip.walk.doubts
    assert trip.requests < 100


def test_what_is_ignored_is_not_tried_again() -> None:
    """Of the first block of ties it takes four questions to learn that nothing helps, of every other one."""
    blocks = {one: one // 10 * SECOND for one in range(100)}
    service = Service(blocks, size=4)
    trip = walked(service.answer)
    kinds = [ask.kind for ask in service.asked]
    assert (kinds.count("page"), kinds.count("wide")) == (2, 1)
    assert "hidden" in trip.walk.doubts


def test_pages_are_stepped_from_where_they_were_found_to_begin() -> None:
    service = Service({one: one // 10 * SECOND for one in range(100)}, size=4, first_page=1)
    walked(service.answer)
    assert [ask.page for ask in service.asked].count(1) == 1


# The table, cell by cell: the next question, with "!" where contacts may stay hidden. "-" cannot come about.
SIGHTS: tuple[Sight, ...] = (
    "older",
    "ties",
    "ties, stuck",
    "ties, end",
    "known",
    "known, stuck",
    "known, end",
    "nothing",
    "refused",
    "refused, end",
)
CELLS: dict[Asked, str] = {
    "next":    "next at 40 | page 1 | next at 30 | past  | page 1 | next at 30 | past   | end    | -      | -     ",
    "page 1":  "next at 40 | page 2 | next at 30 | past  | page 2 | page 2     | page 2 | page 2 | wide   | wide  ",
    "page 2":  "next at 40 | page 3 | next at 30 | past  | wide   | wide       | wide   | past   | wide   | wide  ",
    "page 3+": "next at 40 | page 4 | next at 30 | past  | past ! | past !     | past ! | past   | wide   | wide  ",
    "wide":    "next at 40 | past ! | next at 30 | -     | past ! | past !     | -      | past ! | past ! | past !",
    "past":    "next at 40 | page 1 | next at 30 | past  | below  | -          | below  | end    | -      | -     ",
    "below":   "next at 40 | page 1 | next at 30 | past  | end !  | -          | end !  | end    | end !  | end   ",
}  # fmt: skip
TRIED = [
    pytest.param(asked, sight, cell.strip(), id=f"{asked}: {sight}")
    for asked, cells in CELLS.items()
    for sight, cell in zip(SIGHTS, cells.split("|"), strict=True)
    if cell.strip() != "-"
]


def at(second: int) -> str:
    return f"2026-11-01T00:00:{second:02}Z"


def rows(*contacts: tuple[int, int]) -> list[Contact]:
    return [Contact.model_construct(id=one, updated=at(second)) for one, second in contacts]


ASKS: dict[Asked, Ask] = {
    "next": Ask(at(50)),
    "page 1": Ask(at(50), page=1, kind="page"),
    "page 2": Ask(at(50), page=2, kind="page"),
    "page 3+": Ask(at(50), page=3, kind="page"),
    "wide": Ask(at(50), kind="wide"),
    "past": Ask(at(50), kind="past", done=True),
    "below": Ask(at(50), kind="below", done=True),
}


def answer_that_shows(sight: Sight, asked: Asked) -> list[Contact]:
    """Three contacts fill a page. 1, 2 and 3 were given, 5 is at the date asked for."""
    repeats = (
        50 if asked in ("past", "below") else 30
    )  # these two ask below the last moment, so only that can come again
    answers = {
        "older": rows((7, 40), (8, 30), (9, 30)),
        "ties": rows((7, 30), (8, 30), (9, 30)),
        "ties, stuck": rows((5, 50), (7, 30), (8, 30)),
        "ties, end": rows((7, 30)),
        "known": rows((1, repeats), (2, repeats), (3, repeats)),
        "known, stuck": rows((5, 50), (1, 30), (2, 30)),
        "known, end": rows((1, repeats)),
        "nothing": rows(),
    }
    return answers[sight]


@pytest.mark.parametrize(("asked", "sight", "cell"), TRIED)
def test_the_next_question_follows_from_the_last_one_and_what_came(asked: Asked, sight: Sight, cell: str) -> None:
    last = at(50) if asked in ("past", "below") else at(30)
    start = Ask(at(59))
    walk = Walk(ASKS[asked], start, skip=frozenset({1, 2, 3, 5}), last=last, asked=0, size=3)
    if sight.startswith("refused"):
        after = replace(walk, short=sight == "refused, end").refused()
    else:
        after = walk.after(answer_that_shows(sight, asked))
    assert described(after) == cell.removesuffix(" !")
    is_seen_too_late = asked in ("past", "below") and (sight == "older" or sight.startswith("ties"))
    assert ("hidden" in after.doubts) == (cell.endswith("!") or is_seen_too_late)


def described(walk: Walk) -> str:
    ask = walk.ask
    if ask is None:
        return "end"
    if ask.kind == "next":
        return f"next at {ask.date[17:19]}"
    return f"page {ask.page}" if ask.kind == "page" else ask.kind


def test_the_table_has_a_step_for_every_sight_but_a_refusal_that_is_an_error() -> None:
    missing = [(asked, sight) for asked, steps in TABLE.items() for sight in SIGHTS if steps[sight] is None]
    assert missing == [(asked, sight) for asked in ("next", "past") for sight in SIGHTS[-2:]]
    assert not any(ASKS[asked].may_be_refused for asked in ("next", "past"))


# Laps, marks and doubts


def marked(*contacts: tuple[int, int], **members: Any) -> Mark | None:
    """The mark of a walk that gave these, (id, second), as its first answer."""
    return Walk(**members).after(rows(*contacts)).mark


@pytest.mark.parametrize(
    ("contacts", "head", "floor", "ids"),
    [
        ([(9, 50), (8, 40), (7, 30), (6, 20)], 50, 30, {9, 8}),
        ([(9, 50), (8, 40), (7, 30)], 50, 40, {9}),
        ([(9, 50), (8, 40)], 50, 40, {9}),
        ([(9, 50), (8, 50), (7, 50), (6, 20)], 50, 20, {9, 8, 7}),
        ([(9, 50), (8, 40), (7, 40), (6, 40)], 50, 40, {9}),
        ([(9, 50), (8, 50), (7, 50)], 50, 50, set()),
    ],
    ids=str,
)
def test_a_mark_is_the_upper_half_of_the_first_answer(
    contacts: list[tuple[int, int]], head: int, floor: int, ids: set[int]
) -> None:
    mark = marked(*contacts)
    assert mark == Mark(at(head), at(floor), frozenset(ids))
    assert mark.is_crowded == (head == floor)


def test_an_answer_without_a_moment_leaves_no_mark() -> None:
    assert marked() is None
    assert Walk().after([Contact.model_construct(id=1, updated="soon")]).mark is None


def test_a_mark_holds_only_those_who_were_given() -> None:
    page = rows((9, 50), (8, 50), (7, 40), (6, 30))
    walk = Walk().paused(page, page[:1])
    assert walk.mark == Mark(at(50), at(40), frozenset({9}))
    walk = walk.paused(page, page[1:2])
    assert walk.mark == Mark(at(50), at(40), frozenset({9, 8}))


def second_lap(*contacts: tuple[int, int], **members: Any) -> Walk:
    """A walk at the head again, after a lap whose first answer these were."""
    walk = Walk(**members).after(rows(*contacts))
    return replace(walk, asked=2).ended()


PAGE = [(9, 50), (8, 40), (7, 30), (6, 20)]


def test_a_lap_begins_where_the_walk_began_and_with_nothing_but_what_was_learned() -> None:
    start = Ask(at(59))
    walk = replace(
        Walk(start, start, futile=frozenset({"page"}), size=9).after(rows(*PAGE)),
        asked=3,
        skip=frozenset({1}),
        short=True,
    )
    again = walk.ended()
    assert again.is_again
    assert not walk.is_again
    assert again == Walk(
        start, start, last=at(20), until=walk.mark, lap=2, size=9, futile=frozenset({"page"}), doubts=frozenset()
    )


@pytest.mark.parametrize(
    ("answer", "fresh"),
    [
        (PAGE, []),
        ([(5, 55), *PAGE], [5]),
        ([(8, 55), (9, 50), (7, 30)], [8]),  # given before, and changed since
        ([(5, 50), *PAGE], [5]),  # changed in the moment of the newest one
        ([(9, 50), (8, 50), (7, 30)], []),  # the same, but it was given
        ([(9, 50), (5, 45), (8, 40)], [5]),  # it arrived late
        ([(9, 50), (8, 40), (5, 30)], []),  # the floor itself is of the lap before
    ],
    ids=str,
)
def test_another_lap_gives_those_who_were_changed_or_not_given(answer: list[tuple[int, int]], fresh: list[int]) -> None:
    assert [row.id for row in second_lap(*PAGE).fresh(rows(*answer))] == fresh


@pytest.mark.parametrize(
    ("answer", "lap", "doubts"),
    [
        (PAGE, 2, set()),
        ([(5, 55), *PAGE], 2, set()),
        ([(9, 50), (7, 30)], 2, {"changing"}),  # the contact 8 is gone
        ([(8, 40), (7, 30)], 2, {"changing"}),  # the newest one is gone
        ([], 2, {"changing"}),
    ],
    ids=str,
)
def test_a_lap_of_one_answer_is_the_last_and_must_show_again_what_was_given(
    answer: list[tuple[int, int]], lap: int, doubts: set[Doubt]
) -> None:
    walk = second_lap(*PAGE).after(rows(*answer))
    assert (walk.ask, walk.lap, walk.doubts) == (None, lap, doubts)


def test_a_lap_of_several_answers_is_followed_by_another_to_a_newer_floor() -> None:
    walk = second_lap(*PAGE).after(rows((1, 59), (2, 58), (3, 57), (4, 56)))
    assert (walk.lap, walk.mark) == (2, Mark(at(59), at(57), frozenset({1, 2})))
    walk = walk.after(rows((4, 56), *PAGE))
    assert (walk.lap, walk.until) == (3, Mark(at(59), at(57), frozenset({1, 2})))


def test_the_floor_of_a_lap_is_never_below_that_of_the_lap_before() -> None:
    walk = second_lap(*PAGE)
    page = rows((5, 55), *PAGE, (4, 10), (3, 10))
    assert walk.paused(page, page[:1]).mark == Mark(at(55), at(30), frozenset({5, 9, 8}))


@pytest.mark.parametrize(
    ("members", "doubts"),
    [
        ({"lap": MOST_LAPS}, {"changing"}),
        ({"lap": MOST_LAPS - 1}, set()),
        ({"mark": None}, {"disordered"}),
        ({"asked": 1}, set()),
    ],
    ids=str,
)
def test_the_laps_end(members: dict[str, Any], doubts: set[Doubt]) -> None:
    walk = replace(Walk(mark=Mark(at(50), at(30)), asked=2), **members).ended()
    assert walk.doubts == doubts
    assert (walk.ask is None) == (members != {"lap": MOST_LAPS - 1})


@pytest.mark.parametrize(
    ("settled", "doubts"), [(at(51), {"paged"}), (at(50), {"crowded"}), (at(49), {"crowded"}), ("", {"crowded"})]
)
def test_a_first_page_of_one_moment_hides_a_change_in_that_moment_unless_it_is_long_over(
    settled: str, doubts: set[Doubt]
) -> None:
    assert second_lap((9, 50), (8, 50), settled=settled).doubts == doubts
    assert second_lap(*PAGE, settled=settled).doubts == set()


@pytest.mark.parametrize(
    ("ask", "answer", "doubts"),
    [
        (Ask(at(50), page=1, kind="page"), [(7, 40)], {"paged"}),
        (Ask(at(50), page=1, kind="page"), [], {"paged"}),
        (Ask(at(50), page=1, kind="page"), [(1, 40)], set()),  # the number is ignored
        (Ask(at(50), kind="wide"), [(7, 40), (8, 30)], set()),
        (Ask(at(50), kind="past", done=True), [(7, 40)], {"hidden"}),
        (Ask(at(50), kind="below", done=True), [(7, 40)], {"hidden"}),
        (Ask(at(50)), [(7, 30), (8, 40)], {"disordered"}),
        (Ask(at(50)), [(7, 55)], {"disordered"}),
        (Ask(at(40)), [(1, 40), (7, 40)], set()),
        (Ask(at(40)), [(7, 40), (8, 40)], {"disordered"}),  # the one that was given does not come again
        (Ask(at(40)), [], {"disordered"}),
    ],
    ids=str,
)
def test_an_answer_raises_its_doubts(ask: Ask, answer: list[tuple[int, int]], doubts: set[Doubt]) -> None:
    walk = Walk(ask, Ask(at(59)), skip=frozenset({1}), last=at(40), size=2)
    assert walk.after(rows(*answer)).doubts - ({"hidden"} if ask.kind == "wide" else set()) == doubts


@pytest.mark.parametrize(
    ("answer", "doubts"),
    [(PAGE, set()), ([(9, 50), (7, 30)], {"changing"}), ([(7, 30)], {"changing"})],
    ids=str,
)
def test_the_same_question_asked_again_must_show_what_was_given(
    answer: list[tuple[int, int]], doubts: set[Doubt]
) -> None:
    page = rows((9, 50), (8, 50), (7, 30))
    walk = Walk().paused(page, page[:2])
    assert walk.ask == Ask()
    assert walk.after(rows(*[(one, 50 if one == 8 else second) for one, second in answer])).doubts == doubts


@pytest.mark.parametrize(("page", "skipped"), [(None, {1, 2, 3, 4}), (2, {3, 4})], ids=["none yet", "numbered"])
def test_of_numbered_pages_only_the_one_before_can_come_again(page: int | None, skipped: set[int]) -> None:
    ask = Ask(at(50), page=page, kind="page" if page else "next")
    walk = Walk(ask, Ask(at(59)), skip=frozenset({1, 2}), last=at(50), size=2).after(rows((3, 50), (4, 50)))
    assert walk.ask == Ask(at(50), page=3 if page else 1, kind="page")
    assert walk.skip == skipped


@pytest.mark.parametrize(
    ("page", "following", "doubts"),
    [
        (MOST_PAGES - 1, Ask(at(50), page=MOST_PAGES, kind="page"), {"paged"}),
        (MOST_PAGES, Ask(at(50), kind="past", done=True), {"paged", "hidden"}),
    ],
    ids=["one more", "the last one"],
)
def test_a_moment_of_too_many_pages_is_given_up(page: int, following: Ask, doubts: set[Doubt]) -> None:
    ask = Ask(at(50), page=page, kind="page")
    walk = Walk(ask, Ask(at(59)), skip=frozenset({1, 2}), last=at(50), size=2).after(rows((3, 50), (4, 50)))
    assert (walk.ask, walk.doubts) == (following, doubts)


def test_a_wide_question_has_no_page_number() -> None:
    ask = Ask(at(50), page=2, kind="page")
    walk = Walk(ask, Ask(at(59)), skip=frozenset({1, 2}), last=at(50), size=2).after(rows((1, 50), (2, 50)))
    assert walk.ask == Ask(at(50), kind="wide")


@pytest.mark.parametrize(
    ("length", "is_whole"), [(2, False), (3, True)], ids=["another page as long", "another page that is longer"]
)
def test_a_page_of_one_moment_is_all_there_is_where_other_pages_are_longer(length: int, is_whole: bool) -> None:
    start = Ask(at(59))
    walk = Walk(start, start).after(rows((9, 50), (8, 50)))
    assert (walk.question.kind, walk.question.page) == ("page", 1)
    learned = walk.after_longer_page(length)
    if not is_whole:
        assert learned == walk
        return
    assert learned.ask == Ask(at(50), kind="past", done=True)
    assert (learned.size, learned.short, learned.skip) == (3, True, frozenset())
    assert learned.mark == Mark(at(50), "2026-11-01T00:00:49.999999Z", frozenset({9, 8}))
    again = learned.after([])
    assert (again.ask, again.doubts) == (start, set())
    assert again.after(rows((9, 50), (8, 50))).ask is None
    assert [row.id for row in again.fresh(rows((5, 50), (9, 50), (8, 50)))] == [5]


def test_a_walk_that_has_come_further_learns_nothing_from_a_longer_page() -> None:
    for walk in (Walk(), Walk().after(rows(*PAGE)), Walk(Ask(at(50), page=1, kind="page"), mark=Mark(at(50), at(50)))):
        assert walk.after_longer_page(99) == walk


def test_pages_that_cannot_be_read_whole_are_as_long_as_they_were() -> None:
    walk = Walk(size=3).after(rows((9, 50), (8, 40)), length=3)
    assert not walk.short
    assert Walk(size=3).after(rows((9, 50), (8, 40))).short
    page = rows((9, 50), (8, 40))
    assert Walk().paused(page, page[:1], length=7).size == 7
