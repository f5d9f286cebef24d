"""Walking the list of all contacts to its end, whichever way the service's cursor turns out to work (`heymarket-api.md` 4.1).

- The next page is asked for with the `updated` of the last contact, exactly as it was received.
- Many contacts can share one `updated` (an import makes thousands in a second). Where the cursor is inclusive they come again and are
  recognized by id. Where it is strict, those that did not fit on the page are lost, so the boundary is asked for once more with a
  moment just after it (`nudged`): the contacts there come again, and with them the ones that were missed.
- While a page holds one moment only, `page` is stepped. Where the service ignores `page` and repeats itself, the walk goes on
  below that moment and remembers the `gap`.
- A page that is not full may or may not be the last; only an empty one is the end.
- It never loops: an answer that brings nothing new leads to another kind of question, and finally to the end.

`Walk` is a value: `take` what came back, get the next walk and the contacts not given before. No I/O; the loop is in `listing.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from contacts_mcp.models import Contact, instant

_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Ask:
    """One page to ask for. `nudged`: to see the contacts at `date` itself once more."""

    date: str | None = None
    page: int | None = None
    nudged: bool = False

    @property
    def sent_date(self) -> str | None:
        """The cursor to send: the string received, unless it is nudged."""
        return _moved(self.date, _TICK) if self.nudged and self.date else self.date


@dataclass(frozen=True, slots=True)
class Walk:
    """Where a walk stands. `ask` is what to ask next, None at the end.

    `skip` are the ids at the boundary that were given already, `head` the newest `updated` at the start, `then` what follows a nudge,
    `gap` says that contacts are known to be out of reach, `unproven` that some boundary was crossed without seeing both its sides.
    """

    ask: Ask | None = Ask()
    skip: frozenset[int] = frozenset()
    head: str = ""
    then: Ask | None = None
    then_skip: frozenset[int] = frozenset()
    tied: bool = False
    below: bool = False
    gap: bool = False
    unproven: bool = False
    thorough: bool = False

    def take(self, rows: Sequence[Contact]) -> tuple[Walk, list[Contact]]:
        """The walk after `rows` came back for `ask`, and those of them that are new."""
        assert self.ask is not None
        if self.ask.nudged:
            return self._take_nudged(rows)
        fresh = [row for row in rows if row.id not in self.skip]
        onward = replace(self._onward(rows, fresh), head=self.head or (rows[0].updated if rows else ""))
        return self._look_at_boundary(onward, rows), fresh

    def _onward(self, rows: Sequence[Contact], fresh: Sequence[Contact]) -> Walk:
        if not rows:
            return self._after_empty_page()
        if not fresh:
            return self._after_repeated_page(rows)
        last = rows[-1].updated
        if not last:
            return replace(self, ask=None, gap=True)
        if _is_one_moment(rows):
            page = Ask(self.ask.date if self.ask else None, ((self.ask and self.ask.page) or 1) + 1)
            return replace(self, ask=page, skip=_ids(rows), then=Ask(last), then_skip=_ids(rows), tied=True, below=False)
        tail = [row for row in rows if row.updated == last]
        return replace(self, ask=Ask(last), skip=_ids(tail), then=None, then_skip=frozenset(), tied=len(tail) > 1, below=False)

    def _after_empty_page(self) -> Walk:
        """The end, unless it was a `page` beyond what the service serves: then the date has the last word."""
        if self.ask and self.ask.page and self.then and self.then.date != self.ask.date:
            return replace(self, ask=self.then, skip=self.then_skip, then=None)
        return replace(self, ask=None)

    def _after_repeated_page(self, rows: Sequence[Contact]) -> Walk:
        """Nothing new: the cursor is inclusive and sticks, or `page` is ignored. Try the page, then the date, then go below."""
        assert self.ask is not None
        moment = rows[-1].updated
        if self.ask.page is None and not self.below:
            return replace(self, ask=Ask(self.ask.date, 2), skip=_ids(rows), then=None)
        if self.then is not None and self.then.date != self.ask.date:
            return replace(self, ask=self.then, skip=self.then_skip, then=None)
        if self.below or not moment or instant(moment) is None:
            return replace(self, ask=None, gap=True)
        return replace(self, ask=Ask(_moved(moment, -_TICK)), skip=frozenset(), then=None, gap=True, below=True)

    def _look_at_boundary(self, onward: Walk, rows: Sequence[Contact]) -> Walk:
        """Nudge at a boundary where contacts may have been lost: a strict cursor, and ties on the near side or no proof of none."""
        assert self.ask is not None
        date = self.ask.date
        if date is None or self.ask.page is not None or self.below or any(row.updated == date for row in rows):
            return onward
        if not (self.tied or self.thorough):
            return replace(onward, unproven=True)
        return replace(onward, ask=Ask(date, nudged=True), skip=self.skip, then=onward.ask, then_skip=onward.skip)

    def _take_nudged(self, rows: Sequence[Contact]) -> tuple[Walk, list[Contact]]:
        assert self.ask is not None
        ties = [row for row in rows if row.updated == self.ask.date]
        overflows = bool(ties) and len(ties) == len(rows) and len(rows) > 1
        onward = replace(
            self,
            ask=self.then,
            skip=self.then_skip,
            then=None,
            then_skip=frozenset(),
            gap=self.gap or overflows,
            unproven=self.unproven or not ties,
        )
        return onward, [row for row in ties if row.id not in self.skip]


def _is_one_moment(rows: Sequence[Contact]) -> bool:
    return len(rows) > 1 and len({row.updated for row in rows}) == 1


def _ids(rows: Sequence[Contact]) -> frozenset[int]:
    return frozenset(row.id for row in rows)


def _moved(timestamp: str, by: timedelta) -> str:
    moment = instant(timestamp)
    return timestamp if moment is None else (moment + by).isoformat(timespec="microseconds").replace("+00:00", "Z")
