"""Walking the list of all contacts to its end, whichever way the service's cursor works (`heymarket-api.md` 4.1).

Nobody says whether the cursor is strict, whether `page` and `limit` count, or how long a page is. Thousands of contacts
can share one `updated`, here called a moment.

- To get the next page, the walk sends the `updated` of the last contact whose moment differs from the page's final one.
  Contacts of the final moment come again and are dropped by id.
- A page that holds one moment only has no such contact. Then the walk asks in other ways, one by one (`TABLE`). A way
  that proves useless is not tried again.
- An empty page is the end. A page shorter than others holds all there is, unless the walk has found that pages vary.
- A contact that is changed meanwhile moves to the head of the list. So the walk looks at the head again, in another
  lap. A lap ends at a moment that the first answer of the lap before showed (`Mark`). The last lap takes one answer.
- The walk keeps a list of its doubts. Without a doubt, everybody was given who was there all the time.
- It never loops. Nothing newer than the date asked for counts as new. An answer with something new ends lower or has a
  higher page number. After an answer without, at most seven other questions come before the end.

`Walk` is a value. The caller asks its question and gives the contacts that are `fresh` in the answer. Then it goes on
with the walk `after` them, or with the walk `paused` among them. Nothing here reads a clock or sends a request.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal, get_args

from contacts_mcp.models import Contact, instant

MOST_PAGES = 1_000  # of one moment: a service that numbers its pages in a circle must not keep us
MOST_LAPS = 5  # where more is changed than a walk can follow, it has a doubt

_TICK = timedelta(microseconds=1)
_FIRST = datetime.min.replace(tzinfo=UTC)

Kind = Literal["next", "page", "wide", "past", "below"]
"""How a page is asked for.

- `next`: from a date on.
- `page`: the same, with a page number.
- `wide`: the same, with a large limit.
- `past`: from the last moment on. The rest of that moment is done with, or given up.
- `below`: from just below the last moment, because the cursor repeats it.
"""

Doubt = Literal["hidden", "disordered", "changing", "paged", "crowded"]
"""Why contacts may be missing.

- `hidden`: a moment holds more contacts than could be reached.
- `disordered`: an answer was not the one asked for.
- `changing`: more was changed meanwhile than the walk could follow.
- `paged`: page numbers were used, and any change meanwhile shifts the contacts on them.
- `crowded`: the newest moment fills the first page, so a change within that very moment cannot be noticed.
"""

Asked = Literal["next", "page 1", "page 2", "page 3+", "wide", "past", "below"]
Sight = Literal[
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
]
"""The answer, as far as the next question depends on it.

- `older`: something new, and a moment that was left behind.
- `ties`: something new, all of one moment.
- `known`: contacts, none of them new.
- `..., stuck`: the cursor is inclusive and can still be moved to the last moment.
- `..., end`: the page is shorter than others.
"""

Move = Literal["next", "stick", "page", "wide", "past", "below", "end"]
Useless = Literal["first", "page", "wide"]  # a way to ask; "first" where page 1 is the one without a number


@dataclass(frozen=True, slots=True)
class Ask:
    """One page to ask for."""

    date: str | None = None
    page: int | None = None
    kind: Kind = "next"
    done: bool = False  # whether the contacts at `date` itself were given, should they come again

    @property
    def may_be_refused(self) -> bool:
        """Whether a service may rightly refuse this. It may know no `page`, no large limit, no date but its own."""
        return self.kind in ("page", "wide", "below")

    @property
    def row(self) -> Asked:
        """The row of `TABLE`."""
        if self.kind != "page":
            return self.kind
        return _PAGES[min(self.page or 1, len(_PAGES)) - 1]


_PAGES: Sequence[Asked] = ("page 1", "page 2", "page 3+")


@dataclass(frozen=True, slots=True)
class Mark:
    """The upper half of the first answer of a lap. The next lap meets it again if nothing is changed."""

    head: str  # the newest moment
    floor: str  # an older moment, at which the next lap ends; the head itself where the answer holds no other
    ids: frozenset[int] = frozenset()  # the contacts newer than `floor` that were given

    @property
    def is_crowded(self) -> bool:
        return self.floor == self.head

    def doubts_about(self, settled: str) -> set[Doubt]:
        """Reasons why another lap could overlook a change. One in the newest moment leaves a crowded page as it is."""
        if not self.is_crowded:
            return set()
        return {"paged" if _is_newer(instant(settled), instant(self.head)) else "crowded"}


@dataclass(frozen=True, slots=True)
class Walk:
    """Where a walk stands."""

    ask: Ask | None = Ask()  # the next question, None at the end
    start: Ask = Ask()  # the first question of every lap
    settled: str = ""  # a moment so long ago that no change can still carry it
    skip: frozenset[int] = frozenset()  # ids in the next answer that were given already
    last: str = ""  # the moment that the walk has come down to
    mark: Mark | None = None  # of this lap
    until: Mark | None = None  # of the lap before
    asked: int = 0  # answers in this lap
    lap: int = 1
    size: int | None = 0  # the longest page, None where pages vary
    short: bool = False  # whether the last page was shorter
    futile: frozenset[Useless] = frozenset()
    doubts: frozenset[Doubt] = frozenset()

    @property
    def question(self) -> Ask:
        """`ask` of a walk that is not at its end."""
        assert self.ask is not None
        return self.ask

    @property
    def is_again(self) -> bool:
        """Whether the end was reached, and the head is looked at again."""
        return self.until is not None

    def fresh(self, rows: Sequence[Contact]) -> list[Contact]:
        """Those of `rows`, the answer to `ask`, that were not given before."""
        ask, until = self.question, self.until
        asked_for = _asked_for(rows, ask)
        ahead = [row for row in asked_for if row.id not in self.skip and not (ask.done and row.updated == ask.date)]
        if until is None:
            return ahead
        floor, known = instant(until.floor), _known(rows, until)
        return [row for row in ahead if row.id not in known and _is_newer(row.updated_at, floor)]

    def after(self, rows: Sequence[Contact], *, length: int | None = None) -> Walk:
        """The walk once everything fresh in `rows` was given.

        `length` counts the rows of the page that could not be read too.
        """
        fresh = self.fresh(rows)
        walk = _measured(_noted(self, rows, fresh), length or len(rows), is_new=bool(fresh))
        if self.until is not None and rows and (walk.short or _comes_down_to(self.until.floor, rows)):
            return walk.ended(rows)
        shown = _in_order(rows, self.question) if fresh else rows
        walk = replace(walk, last=shown[-1].updated) if fresh else walk
        return _moved(walk, _sight(walk, shown, is_new=bool(fresh)), shown, is_new=bool(fresh))

    def paused(self, rows: Sequence[Contact], given: Sequence[Contact], *, length: int | None = None) -> Walk:
        """The walk once only `given`, the first of the fresh contacts in `rows`, was given.

        It goes on from there, or asks the same again.
        """
        walk = replace(_measured(_noted(self, rows, given), length or len(rows), is_new=True), short=False)
        ids = [row.id for row in rows]
        before = _in_order(rows[: ids.index(given[-1].id) + 1], self.question)
        if _edge(before, self.question) is None:
            return replace(walk, skip=self.skip | _ids(given))
        return _to_next(replace(walk, last=before[-1].updated), before)

    def refused(self) -> Walk:
        """The walk where the service does not accept `ask`, which `may_be_refused`."""
        return _moved(self, "refused, end" if self.short else "refused", (), is_new=False)

    def with_other_pages(self) -> Walk:
        """The walk where pages of another length are asked for from now on: none is short beside those before."""
        return self if self.size is None else replace(self, size=0, short=False)

    def after_longer_page(self, length: int) -> Walk:
        """The walk once the service is seen to give pages of `length` contacts.

        If the walk has met one page only, and that page is shorter, it was all there is from `start` on.
        """
        mark = self.mark
        is_only_page = mark is not None and mark.is_crowded and self.question.date == self.start.date
        if mark is None or not is_only_page or self.size is None or length <= self.size:
            return self
        whole = Mark(mark.head, _just_before(mark.head), self.skip)
        return _to_past(replace(self, size=length, short=True, mark=whole))

    def ended(self, rows: Sequence[Contact] = ()) -> Walk:
        """The walk at the end of its lap, whose last answer was `rows`.

        It is over if one answer showed the whole lap, because nothing can have been changed during one answer.
        """
        if self.asked <= 1:
            has_lost = self.until is not None and not self.until.ids <= _ids(rows)
            return replace(self, ask=None, doubts=self.doubts | ({"changing"} if has_lost else set()))
        if self.lap == MOST_LAPS or self.mark is None:
            return replace(self, ask=None, doubts=self.doubts | {"changing" if self.mark else "disordered"})
        again = replace(self, ask=self.start, until=self.mark, mark=None, asked=0, lap=self.lap + 1)
        return replace(again, skip=frozenset(), short=False, doubts=self.doubts | self.mark.doubts_about(self.settled))


# --- the table ---


@dataclass(frozen=True, slots=True)
class Step:
    """The consequence of a sight."""

    to: Move
    hides: bool = False  # whether contacts of the moment may stay hidden
    useless: Useless | None = None  # the way that proved useless


_NEXT = Step("next")  # from the last moment that was left behind
_STICK = Step("stick")  # from the last moment itself, which comes again
_PAGE = Step("page")  # the same with the following page number
_ONE_IS_FIRST = Step("page", useless="first")
_NO_PAGES = Step("wide", useless="page")
_PAST = Step("past")  # below the last moment, all of which was given
_GIVE_UP = Step("past", hides=True)
_NOT_WIDER = Step("past", hides=True, useless="wide")
_BELOW = Step("below")
_END = Step("end")
_END_HIDING = Step("end", hides=True)
_FAILS = None  # the caller reports the refusal

_ROWS: Mapping[Asked, Sequence[Step | None]] = {
    # older; ties, stuck, end; known, stuck, end; nothing; refused, end
    "next": (_NEXT, _PAGE, _STICK, _PAST, _PAGE, _STICK, _PAST, _END, _FAILS, _FAILS),
    "page 1": (_NEXT, _PAGE, _STICK, _PAST, *3 * (_ONE_IS_FIRST,), _PAGE, _NO_PAGES, _NO_PAGES),
    "page 2": (_NEXT, _PAGE, _STICK, _PAST, *3 * (_NO_PAGES,), _PAST, _NO_PAGES, _NO_PAGES),
    "page 3+": (_NEXT, _PAGE, _STICK, _PAST, *3 * (_GIVE_UP,), _PAST, _NO_PAGES, _NO_PAGES),
    "wide": (_NEXT, _GIVE_UP, _STICK, _GIVE_UP, *3 * (_NOT_WIDER,), _NOT_WIDER, _NOT_WIDER, _NOT_WIDER),
    "past": (_NEXT, _PAGE, _STICK, _PAST, *3 * (_BELOW,), _END, _FAILS, _FAILS),
    "below": (_NEXT, _PAGE, _STICK, _PAST, *3 * (_END_HIDING,), _END, _END_HIDING, _END),
}
TABLE: Mapping[Asked, Mapping[Sight, Step | None]] = {
    asked: dict(zip(get_args(Sight), steps, strict=True)) for asked, steps in _ROWS.items()
}
"""How a page was asked for -> the sight of its answer -> the next step."""


def _moved(walk: Walk, sight: Sight, rows: Sequence[Contact], *, is_new: bool) -> Walk:
    """From a walk that has noted `rows`, the answer to its question, to the next question."""
    step = TABLE[walk.question.row][sight]
    assert step is not None
    if step.useless:
        walk = replace(walk, futile=walk.futile | {step.useless})
    if step.hides:
        walk = replace(walk, doubts=walk.doubts | {"hidden"})
    match step.to:
        case "next":
            return _to_next(walk, rows)
        case "stick":
            return _to_stick(walk, rows, is_new=is_new)
        case "page":
            return _to_page(walk, rows, is_new=is_new)
        case "end":
            return walk.ended(rows)
    return _AWAY[step.to](walk)


def _sight(walk: Walk, rows: Sequence[Contact], *, is_new: bool) -> Sight:
    if not rows:
        return "nothing"
    if is_new and _edge(rows, walk.question) is not None:
        return "older"
    if walk.short:
        return "ties, end" if is_new else "known, end"
    if _sticks(walk, rows):
        return "ties, stuck" if is_new else "known, stuck"
    return "ties" if is_new else "known"


# --- the moves ---


def _to_next(walk: Walk, rows: Sequence[Contact]) -> Walk:
    edge = _edge(rows, walk.question)
    assert edge is not None
    return replace(walk, ask=Ask(rows[edge].updated, done=True), skip=_ids(rows[edge + 1 :]))


def _to_stick(walk: Walk, rows: Sequence[Contact], *, is_new: bool) -> Walk:
    given = _ids([row for row in rows if row.updated == walk.last])
    return replace(walk, ask=Ask(walk.last), skip=given if is_new else walk.skip | given)


def _to_page(walk: Walk, rows: Sequence[Contact], *, is_new: bool) -> Walk:
    ask = walk.question
    steps = is_new and ask.page is not None  # page numbers count, so only the page before can come again
    walk = replace(walk, skip=_ids(rows) if steps else walk.skip | _ids(rows))
    if "page" in walk.futile:
        return _to_wide(walk)
    page = ask.page + 1 if ask.page else 2 if "first" in walk.futile else 1
    return _given_up(walk) if page > MOST_PAGES else replace(walk, ask=replace(ask, page=page, kind="page"))


def _to_wide(walk: Walk) -> Walk:
    return (
        _given_up(walk) if "wide" in walk.futile else replace(walk, ask=replace(walk.question, page=None, kind="wide"))
    )


def _given_up(walk: Walk) -> Walk:
    return _to_past(replace(walk, doubts=walk.doubts | {"hidden"}))


def _to_past(walk: Walk) -> Walk:
    """Below the last moment. Without one there is no way on."""
    if instant(walk.last) is None:
        return replace(walk, ask=None, doubts=walk.doubts | {"disordered"})
    return replace(walk, ask=Ask(walk.last, kind="past", done=True), skip=frozenset())


def _to_below(walk: Walk) -> Walk:
    return replace(walk, ask=Ask(_just_before(walk.last), kind="below", done=True))


_AWAY: Mapping[Move, Callable[[Walk], Walk]] = {"wide": _to_wide, "past": _to_past, "below": _to_below}


# --- noting an answer ---


def _noted(walk: Walk, rows: Sequence[Contact], given: Sequence[Contact]) -> Walk:
    """One answer on, with the doubts that it raises. `given` are the fresh contacts that were given."""
    doubts = walk.doubts | {doubt for doubt, is_raised in _DOUBTS.items() if is_raised(walk, rows, given)}
    mark = _first_mark(walk, rows) if walk.question == walk.start else walk.mark
    if mark is not None:
        known = walk.skip | _ids(given) | (_known(rows, walk.until) if walk.until else frozenset())
        floor = instant(mark.floor)
        above = [row for row in rows if row.id in known and _is_newer(row.updated_at, floor)]
        mark = replace(mark, ids=mark.ids | _ids(above))
    return replace(walk, asked=walk.asked + 1, mark=mark, doubts=doubts)


def _measured(walk: Walk, length: int, *, is_new: bool) -> Walk:
    """One page's length on. Pages vary where something new follows a shorter one."""
    if walk.question.kind == "wide":
        return replace(walk, short=False)
    varies = walk.size is None or (walk.short and is_new)
    size = None if varies else max(walk.size or 0, length)
    return replace(walk, size=size, short=size is not None and length < size)


def _first_mark(walk: Walk, rows: Sequence[Contact]) -> Mark | None:
    """The mark of a lap, from an answer to its first question. None for an answer without a moment."""
    if not rows or rows[0].updated_at is None:
        return None
    given = walk.mark.ids if walk.mark else frozenset()
    return Mark(rows[0].updated, _floor(walk, rows), frozenset(row.id for row in rows if row.id in given))


def _floor(walk: Walk, rows: Sequence[Contact]) -> str:
    """The newest older moment in the lower half of a first answer, or the floor of the lap before if that is newer."""
    head = rows[0].updated_at
    older = next((row.updated for row in rows[len(rows) // 2 :] if _is_newer(head, row.updated_at)), None)
    before = walk.until.floor if walk.until and _is_newer(head, instant(walk.until.floor)) else None
    return max(filter(None, (older, before)), key=lambda at: instant(at) or _FIRST, default=rows[0].updated)


def _known(rows: Sequence[Contact], until: Mark) -> frozenset[int]:
    """The contacts in `rows` that the lap before gave, and that were not changed since its first answer."""
    head = instant(until.head)
    return _ids([row for row in rows if row.id in until.ids and not _is_newer(row.updated_at, head)])


# --- doubts: about a walk, the answer to its question, and the contacts given of it ---


def _is_disordered(walk: Walk, rows: Sequence[Contact], _: Sequence[Contact]) -> bool:
    return _in_order(rows, walk.question) != list(rows) or _has_lost_sight(walk, rows)


def _has_lost_sight(walk: Walk, rows: Sequence[Contact]) -> bool:
    """Whether contacts of the last moment had to come again and did not.

    It happens where the service compares more digits than it shows.
    """
    came_again = sum(row.id in walk.skip for row in rows)
    return walk.question == Ask(walk.last) and came_again < min(len(walk.skip), len(rows) or 1)


def _was_given_up(walk: Walk, _: Sequence[Contact], given: Sequence[Contact]) -> bool:
    return bool(given) and walk.question.kind in ("past", "below")


def _counts_pages(walk: Walk, rows: Sequence[Contact], given: Sequence[Contact]) -> bool:
    return walk.question.kind == "page" and (bool(given) or not rows)  # otherwise the service ignores the number


def _has_gone_back(walk: Walk, rows: Sequence[Contact], _: Sequence[Contact]) -> bool:
    """Whether the head lacks a contact that it showed before. It was deleted, or the read lags behind."""
    if walk.question != walk.start:
        return False
    before = walk.mark or walk.until
    is_older = before is not None and (not rows or _is_newer(instant(before.head), rows[0].updated_at))
    return is_older or not walk.skip <= _ids(rows)


_DOUBTS: Mapping[Doubt, Callable[[Walk, Sequence[Contact], Sequence[Contact]], bool]] = {
    "disordered": _is_disordered,
    "hidden": _was_given_up,
    "paged": _counts_pages,
    "changing": _has_gone_back,
}


# --- contacts and moments ---


def _is_newer(one: datetime | None, other: datetime | None) -> bool:
    """Whether both are moments, and `one` is the later."""
    return one is not None and other is not None and one > other


def _comes_down_to(floor: str, rows: Sequence[Contact]) -> bool:
    return not _is_newer(rows[-1].updated_at, instant(floor))


def _asked_for(rows: Sequence[Contact], ask: Ask) -> list[Contact]:
    """Those of `rows` that are not newer than the date asked for."""
    date = instant(ask.date) if ask.date is not None else None
    return [row for row in rows if not _is_newer(row.updated_at, date)]


def _in_order(rows: Sequence[Contact], ask: Ask) -> list[Contact]:
    """`rows` as they should have come: newest first, and none that was not asked for."""
    return sorted(_asked_for(rows, ask), key=lambda row: _FIRST - (row.updated_at or _FIRST))


def _edge(rows: Sequence[Contact], ask: Ask) -> int | None:
    """The index of the last row whose moment was left behind: neither that of the very last, nor the date asked for."""
    date = instant(ask.date) if ask.date is not None else None
    for at in reversed(range(len(rows))):
        row = rows[at]
        is_below = row.updated_at is not None if ask.date is None else _is_newer(date, row.updated_at)
        if is_below and row.updated != rows[-1].updated:
            return at
    return None


def _sticks(walk: Walk, rows: Sequence[Contact]) -> bool:
    """Whether the cursor is seen to be inclusive, and can still be moved to the last moment."""
    date = instant(walk.question.date) if walk.question.date is not None else None
    return _is_newer(date, instant(walk.last)) and any(row.updated_at == date for row in rows)


def _ids(rows: Sequence[Contact]) -> frozenset[int]:
    return frozenset(row.id for row in rows)


def _just_before(timestamp: str) -> str:
    at = instant(timestamp)
    if at is None or at == _FIRST:
        return timestamp
    return (at - _TICK).isoformat(timespec="microseconds").replace("+00:00", "Z")
