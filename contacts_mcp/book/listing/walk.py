"""Walking the list of all contacts to its end, whichever way the service's cursor turns out to work (`heymarket-api.md` 4.1).

Nobody says whether the cursor is strict, whether `page` and `limit` count, or how long a page is; and thousands of contacts can share one `updated`.

- The next page is asked for with the last moment that was left behind for certain: the one before the moment on which the page ended, exactly
  as it was received. What shares the page's last moment then comes again, whole, and is recognized by id: nothing is lost where ties fit on a page.
- Where a page holds one moment only there is no such moment. Then other questions follow, each once the one before brings nothing new (`Kind`).
  What proves futile is not asked again. Contacts that may lie between are a `gap`.
- An empty page is the end. A page shorter than others holds all there is, unless the walk has found that pages vary.
- A contact that is changed meanwhile moves to the head. So the head is walked again, down to where it was (`floor`), until one page shows it all.
- It never loops. Nothing newer than the date asked for counts as new; a page with something new ends lower or has a higher number; and after
  one without there are at most seven other questions before the end.

`Walk` is a value: what is `fresh` in an answer, then the walk `after` all of that was given or `paused` after a part. The loop is in `listing.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from contacts_mcp.models import Contact, instant

MOST_PAGES = 1_000  # of one moment: a service that numbers its pages in a circle must not keep us
MOST_LAPS = 5  # over the head: where more is changed than a walk can follow, it has a gap

_TICK = timedelta(microseconds=1)
_FIRST = datetime.min.replace(tzinfo=UTC)

Kind = Literal["next", "page", "wide", "past", "below"]
"""What a page is asked for, in the order in which they are asked: from a date on; the same with `page` (from 1, as some count from 0); the same with a large
limit; from the last moment on, where what was not shown of it is given up; from just below it, where an inclusive cursor sticks."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One page to ask for. `done` says that the contacts at `date` itself were given, should they come again."""

    date: str | None = None
    page: int | None = None
    kind: Kind = "next"
    done: bool = False

    @property
    def may_be_refused(self) -> bool:
        """Whether a service may rightly not accept this: it knows no `page`, not so large a limit, no date but those it gave."""
        return self.kind in ("page", "wide", "below")


@dataclass(frozen=True, slots=True)
class Walk:
    """Where a walk stands. `ask` is what to ask next, None at the end.

    Where it is: `skip` are ids in the next answer that were given already, `last` is the `updated` that it has come down to.
    This lap: `head` is the newest `updated` at its start, `floor` where it ends ("" for the end of the list), `asked` counts answers.
    What it learned: `size` is the longest page, None where pages vary; `short` says that the last page was shorter; `futile` are the kinds that
    never bring anything, and "first" where page 1 is the one without a number; `stepped` says that `page` was used, which a change
    meanwhile may have shifted; `gap` says that contacts may be missing.
    """

    ask: Ask | None = Ask()
    skip: frozenset[int] = frozenset()
    last: str = ""
    head: str = ""
    floor: str = ""
    asked: int = 0
    lap: int = 1
    size: int | None = 0
    short: bool = False
    futile: frozenset[Kind | Literal["first"]] = frozenset()
    stepped: bool = False
    gap: bool = False

    @property
    def question(self) -> Ask:
        """`ask` of a walk that is not at its end."""
        assert self.ask is not None
        return self.ask

    @property
    def is_again(self) -> bool:
        """Whether the end was reached, and it is only looked for what was changed meanwhile."""
        return self.floor != ""

    def fresh(self, rows: Sequence[Contact]) -> list[Contact]:
        """Those of `rows`, the answer to `ask`, that were not given before."""
        return [row for row in rows if row.id not in self.skip and self._is_ahead(row)]

    def after(self, rows: Sequence[Contact]) -> Walk:
        """The walk once everything fresh in `rows` was given."""
        fresh = self.fresh(rows)
        walk = _measured(_noting(self, rows), len(rows), is_new=bool(fresh))
        if self.is_again and rows and not is_after(rows[-1].updated, self.floor):
            return walk.ended()
        return _onward(walk, _in_order(rows, self.question)) if fresh else _otherwise(walk, rows)

    def paused(self, rows: Sequence[Contact], given: Sequence[Contact]) -> Walk:
        """The walk once only `given`, the first of what is fresh in `rows`, was given: it goes on from there, or asks the same again."""
        walk = replace(_measured(_noting(self, rows), len(rows), is_new=True), short=False)
        before = _in_order(rows[: rows.index(given[-1]) + 1], self.question)
        if _edge(before, self.question) is None:
            return replace(walk, skip=self.skip | _ids(given))
        return _onward(walk, before)

    def refused(self) -> Walk:
        """The walk where the service does not accept `ask`, which `may_be_refused`."""
        match self.question.kind:
            case "page" | "wide":
                return _futile(self)
            case _:
                return replace(self, gap=self.gap or not self.short).ended()

    def ended(self) -> Walk:
        """The walk at the end of its lap: at its end, if one answer showed it all, for then nothing can have been changed meanwhile."""
        if self.asked <= 1 or not self.head:
            return replace(self, ask=None)
        if self.lap == MOST_LAPS:
            return replace(self, ask=None, gap=True)
        return replace(self, ask=Ask(), skip=frozenset(), floor=self.head, asked=0, lap=self.lap + 1)

    def _is_ahead(self, row: Contact) -> bool:
        if self.floor and not is_after(row.updated, self.floor):
            return False
        return _is_asked_for(row, self.question) and not (self.question.done and row.updated == self.question.date)


def is_after(one: str, other: str) -> bool:
    """Whether both are moments, and `one` is the later."""
    first, second = instant(one), instant(other)
    return first is not None and second is not None and first > second


# From one question to the next. Each takes a walk that has noted the answer to its `ask`.


def _noting(walk: Walk, rows: Sequence[Contact]) -> Walk:
    """One answer on; with a gap, if the answer is not as it should be."""
    head = rows[0].updated if walk.ask == Ask() and rows else walk.head
    is_plain = _in_order(rows, walk.question) == list(rows) and not _has_lost_sight(walk, rows)
    gave_up = walk.question.kind in ("past", "below")
    may_have_shifted = walk.stepped and walk.is_again
    is_doubtful = not is_plain or ((gave_up or may_have_shifted) and bool(walk.fresh(rows)))
    return replace(walk, asked=walk.asked + 1, head=head, gap=walk.gap or is_doubtful)


def _has_lost_sight(walk: Walk, rows: Sequence[Contact]) -> bool:
    """Whether contacts of the last moment were to come again and did not, as where the service compares finer than it shows."""
    came_again = sum(row.id in walk.skip for row in rows)
    return walk.question == Ask(walk.last) and came_again < min(len(walk.skip), len(rows) or 1)


def _measured(walk: Walk, length: int, *, is_new: bool) -> Walk:
    if walk.question.kind == "wide":
        return replace(walk, short=False)
    varies = walk.size is None or (walk.short and is_new)
    size = None if varies else max(walk.size or 0, length)
    return replace(walk, size=size, short=size is not None and length < size)


def _onward(walk: Walk, rows: Sequence[Contact]) -> Walk:
    """From `rows`, some of which are new, to what follows them."""
    below = replace(walk, last=rows[-1].updated)
    edge = _edge(rows, walk.question)
    if edge is None:
        return _within(below, rows, is_new=True)
    return replace(below, ask=Ask(rows[edge].updated, done=True), skip=_ids(rows[edge + 1 :]))


def _within(walk: Walk, rows: Sequence[Contact], *, is_new: bool) -> Walk:
    """From `rows` that end at the first moment there is: on with the same moment."""
    if walk.short:
        return _past(walk)
    if _sticks(walk, rows):
        skip = _ids([row for row in rows if row.updated == walk.last])
        return replace(walk, ask=Ask(walk.last), skip=skip if is_new else walk.skip | skip)
    if walk.question.kind == "wide":
        return _past(walk, gap=True)
    return _paged(walk, rows, is_new=is_new)


def _otherwise(walk: Walk, rows: Sequence[Contact]) -> Walk:
    """The next kind of question, where `rows` hold nothing new."""
    match walk.question.kind:
        case "next":
            return _within(walk, rows, is_new=False) if rows else walk.ended()
        case "page":
            return _nothing_on_page(walk, rows)
        case "wide":
            return _futile(walk)
        case "past" if rows:
            return replace(walk, ask=Ask(_just_before(walk.last), kind="below", done=True))
        case _:
            return replace(walk, gap=walk.gap or bool(rows)).ended()


def _nothing_on_page(walk: Walk, rows: Sequence[Contact]) -> Walk:
    """`page` counts from 1, or is not honoured, or was stepped past its end."""
    match walk.question.page:
        case 1:
            return _paged(replace(walk, futile=walk.futile | {"first"}) if rows else walk, rows)
        case 2 if rows:
            return _futile(walk)
        case _:
            return _past(walk, gap=bool(rows))


def _paged(walk: Walk, rows: Sequence[Contact], *, is_new: bool = False) -> Walk:
    counts = is_new and walk.question.page is not None  # pages are honoured, so only the one before can come again
    onward = replace(walk, skip=_ids(rows) if counts else walk.skip | _ids(rows), stepped=walk.stepped or counts)
    page = walk.question.page + 1 if walk.question.page else 2 if "first" in walk.futile else 1
    if "page" in walk.futile:
        return _widened(onward)
    return (
        replace(onward, ask=replace(walk.question, page=page, kind="page"))
        if page <= MOST_PAGES
        else _past(onward, gap=True)
    )


def _widened(walk: Walk) -> Walk:
    if "wide" in walk.futile:
        return _past(walk, gap=True)
    return replace(walk, ask=replace(walk.question, page=None, kind="wide"))


def _futile(walk: Walk) -> Walk:
    """From a kind of question that the service takes no notice of, to what is next."""
    kind = walk.question.kind
    learned = replace(walk, futile=walk.futile | {kind})
    return _widened(learned) if kind == "page" else _past(learned, gap=True)


def _past(walk: Walk, *, gap: bool = False) -> Walk:
    """From a moment that is done with, or given up, to what lies below it."""
    passed = replace(walk, gap=walk.gap or gap, skip=frozenset())
    if instant(walk.last) is None:
        return replace(passed, gap=True).ended()
    return replace(passed, ask=Ask(walk.last, kind="past", done=True))


# About rows


def _is_asked_for(row: Contact, ask: Ask) -> bool:
    """Whether a contact is not newer than the date asked for."""
    return ask.date is None or not is_after(row.updated, ask.date)


def _in_order(rows: Sequence[Contact], ask: Ask) -> list[Contact]:
    """`rows` as they should have come: newest first, and none that was not asked for."""
    return sorted((row for row in rows if _is_asked_for(row, ask)), key=_age)


def _age(row: Contact) -> timedelta:
    """The sort key for newest first; no moment is the oldest."""
    return _FIRST - (instant(row.updated) or _FIRST)


def _edge(rows: Sequence[Contact], ask: Ask) -> int | None:
    """The index of the last row whose moment was left behind: neither that of the very last, nor the date asked for."""
    return next(
        (at for at in reversed(range(len(rows))) if rows[at].updated != rows[-1].updated and _is_below(rows[at], ask)),
        None,
    )


def _is_below(row: Contact, ask: Ask) -> bool:
    return instant(row.updated) is not None if ask.date is None else is_after(ask.date, row.updated)


def _sticks(walk: Walk, rows: Sequence[Contact]) -> bool:
    """Whether the cursor is seen to be inclusive, and can still be moved to the last moment."""
    date = walk.question.date
    return date is not None and is_after(date, walk.last) and any(instant(row.updated) == instant(date) for row in rows)


def _ids(rows: Sequence[Contact]) -> frozenset[int]:
    return frozenset(row.id for row in rows)


def _just_before(timestamp: str) -> str:
    at = instant(timestamp)
    if at is None or at == _FIRST:
        return timestamp
    return (at - _TICK).isoformat(timespec="microseconds").replace("+00:00", "Z")
