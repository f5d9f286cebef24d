"""Filling the mirror from the list of the service, and keeping it fresh.

- A **walk** reads every contact by `listing/walk.py`, and writes its place down with every few pages. So it goes on
  after any stop, and holds no more than those pages. Its end removes the contacts that it did not see.
- A **refresh** reads from the newest contact down to the mark of the walk or refresh before. Where nothing was changed,
  that is one request. All rows of its pages are taken in, so that another change within one second is seen.
- A contact that should have come and did not is looked up. Deletions elsewhere are found by the account's own count,
  and removed by the next walk.
- A walk that has doubts removes only contacts that a look proves gone. The doubts stay in the state of the index. The
  contacts of our own changes that it did not show are looked up: an import makes many in one moment.
- Somebody may empty the index meanwhile. A walk notices by its generation, and begins again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, TypeVar

import anyio
from pydantic import TypeAdapter

from contacts_mcp.api.client import HeymarketClient
from contacts_mcp.book.listing import cursor as cursors
from contacts_mcp.book.listing.cursor import Position
from contacts_mcp.book.listing.filters import Filters
from contacts_mcp.book.listing.listing import DOUBTS, Part, changes_since, read_on, unreadable
from contacts_mcp.book.listing.walk import MOST_LAPS, Mark
from contacts_mcp.book.search.checking import Checked, by_phone, check
from contacts_mcp.book.search.known import doubts_in, number_in, written_doubts
from contacts_mcp.errors import ContactsError, InvalidArgument, RateLimited, UpstreamError
from contacts_mcp.models import Contact
from contacts_mcp.state.index_file import IndexUnavailable
from contacts_mcp.state.profile import Profile
from contacts_mcp.state.protocols import Journal
from contacts_mcp.state.row import Row
from contacts_mcp.state.word_index import MOST_IN_MEMORY, State, WalkIsOver, WordIndex
from contacts_mcp.words.note import Note

FULL_WALK = 6 * 3600.0  # seconds after which a walk looks for deletions again
COUNT_AGAIN = 600.0  # seconds after which a refresh asks for the account's count too
PART = 5  # requests between two places written down
SHORTEST_PAUSE = 60.0  # seconds between a walk with doubts and the next
PAUSE_SHARE = 10  # ... or so many times as long as the walk took
MOST_LOOKED_UP = 200  # contacts that a walk with doubts did not see
PAUSES = (5.0, 30.0, 120.0)  # seconds before a walk goes on after a failure that may pass
NO_FILTERS = Filters()
UNREAD = "rows_unreadable"  # the doubt that another walk does not lift
DIFFERS = "count_differs"  # the doubt that a later count may lift

Result = TypeVar("Result")


class InIndex(Protocol):
    """Does work on the index, in a thread where that may take a while. Raises IndexUnavailable."""

    async def __call__(self, work: Callable[[WordIndex], Result], /) -> Result: ...


_MARK = TypeAdapter(Mark)


class Filler:
    """Reads the account into an index."""

    def __init__(
        self,
        api: HeymarketClient,
        journal: Journal,
        *,
        in_index: InIndex,
        is_in_memory: bool,
        clock: Callable[[], float],
        moved: Callable[[], None],
        failed: Callable[[ContactsError | None], None],
        profile: Profile | None = None,
    ) -> None:
        """`moved` is called after every step that shows in the index.

        `failed` is told of a failure that a walk waits out, and of None when it goes on.
        """
        self._api = api
        self._journal = journal
        self._do = in_index
        self._is_in_memory = is_in_memory
        self._clock = clock
        self._moved = moved
        self._failed = failed
        self._profile = profile
        self._writing = anyio.Lock()  # of the state: a walk may end during a refresh

    # The walk

    def is_due(self, state: State) -> bool:
        """Whether a walk should begin, or go on."""
        said = state.notes or {}
        doubts = doubts_in(state)
        if state.last_walk is None or state.place or state.needs_rebuild:
            return True
        if state.complete_since is None and not doubts:  # stopped right before its end
            return True
        passed = abs(self._clock() - state.last_walk)  # on either side: a clock may be set
        is_doubtful = "differs" in said or any(doubt.kind != UNREAD for doubt in doubts)
        pause = max(SHORTEST_PAUSE, PAUSE_SHARE * number_in(state, "took"))
        return passed > FULL_WALK or (is_doubtful and passed > pause)

    async def walk(self) -> None:
        """Walk through the whole account, from the place where the last walk stopped. Raises ContactsError.

        A failure that may pass is waited for. Where nothing is due, nothing is done.
        """
        state = await self._state()
        if state.needs_rebuild:
            await self._renew()
            state = await self._state()
        while self.is_due(state):
            generation, position = await self._begun(state)
            with suppress(WalkIsOver):
                await self._walked(generation, position)
                return
            state = await self._state()

    async def _renew(self) -> None:
        """Fold the contacts by the rules of this version, in steps between which others can use the index."""
        steps = await self._do(lambda index: index.rebuild())
        while await self._do(lambda _: next(steps, None)) is not None:
            self._moved()

    async def _begun(self, state: State) -> tuple[int, Position | None]:
        if state.place:
            with suppress(InvalidArgument):  # of another version
                return state.generation, cursors.opened(state.place, NO_FILTERS)
        began = str(self._clock())
        return await self._do(lambda index: index.begin_walk(place=None, began=began)), None

    async def _walked(self, generation: int, position: Position | None) -> None:
        """Walk to the end. Raises WalkIsOver where the index was emptied meanwhile, or another walk began."""
        while True:
            began = self._clock()
            part = await self._next_part(position)
            position = part.position
            self._check_size(part)
            is_over = position.walk.ask is None
            said = {} if is_over else {"place": cursors.sealed(position, NO_FILTERS)}
            if position.watch and position.watch.count is not None:
                said["count"] = str(position.watch.count)
            await self._do(partial(_take_in, rows=part.rows, walk=generation, said=said))
            self._moved()
            if is_over:
                await self._end(part, began, generation)
                return

    async def _next_part(self, position: Position | None) -> Part:
        for pause in PAUSES:
            try:
                part = await read_on(self._api, position, requests=PART, profile=self._profile)
            except (RateLimited, UpstreamError) as failure:
                self._failed(failure)
                await anyio.sleep(pause)
            else:
                self._failed(None)
                return part
        return await read_on(self._api, position, requests=PART, profile=self._profile)

    def _check_size(self, part: Part) -> None:
        watch = part.position.watch
        if self._is_in_memory and watch and watch.count is not None and watch.count > MOST_IN_MEMORY:
            raise IndexUnavailable("too_large")

    async def _end(self, part: Part, last_began: float, generation: int) -> None:
        """End a walk whose every page was taken in. Its last pages were read from `last_began` on."""
        state = await self._state()
        is_sure, now = _is_sure(part), self._clock()
        if not is_sure:
            await self._add_own()
        began = number_in(state, "began", otherwise=last_began)
        if is_sure or await self._unseen_are_settled():
            # Complete is said with the comparison, not before.
            end = partial(_end_walk, walk=generation, began=began, ended=now, complete_since=state.complete_since)
            await self._do(end)
        else:
            await self._do(lambda index: index.set_state(place=None, last_walk=now))
        said: dict[str, Any] = {"took": str(abs(now - began)), "unread": str(len(part.position.unread))}
        # A mirror that was complete goes on from its own mark after a walk with doubts, and with its own doubts.
        if is_sure or state.complete_since is None:
            said |= _written_mark(part.position.walk.mark)
            said["as_of"] = str(last_began if part.position.walk.lap > 1 else began)
            await self._compare(doubts=_doubts_after(part, state.contacts), began=began if is_sure else None, **said)
        else:
            await self._compare(**said)
        self._moved()

    async def _add_own(self) -> None:
        """Look up the contacts of our own changes that the walk did not show, as far as that can be done.

        The list shows one page of a moment, and an import makes many contacts in one.
        """
        after = 0
        with suppress(ContactsError):
            while own := await self._journal.own_phones(after=after, limit=MOST_LOOKED_UP):
                after = max(own)
                hidden = await self._do(partial(_not_in, own))
                await self._take_in([*(await by_phone(self._api, hidden)).values()])

    async def _unseen_are_settled(self) -> bool:
        """Look up the contacts that a walk with doubts did not see. False where those are too many."""
        unseen = await self._do(lambda index: index.unseen(most=MOST_LOOKED_UP + 1))
        if len(unseen) > MOST_LOOKED_UP:
            return False
        checked = await check(self._api, self._journal, unseen)
        await self.corrected(checked)
        return not checked.unseen

    # The refresh

    async def refresh(self, *, requests: float) -> bool:
        """Read the changes since the last walk or refresh. False where so many requests do not show all of them.

        Raises ContactsError.
        """
        state, began = await self._state(), self._clock()
        mark = _mark_in(state)
        position = changes_since(mark) if mark else None
        missing = set(mark.ids) if mark else set()
        while position is None or position.walk.ask is not None:
            if requests <= 0:
                return False
            part = await read_on(self._api, position, requests=PART, checks=False, profile=self._profile)
            await self._take_in(part.rows)
            if part.failure is not None:
                raise part.failure
            missing -= {row.id for row in part.rows}
            position, requests = part.position, requests - PART
        is_hurried = position.walk.lap == MOST_LAPS and "changing" in position.walk.doubts
        if is_hurried and len(position.walk.doubts) == 1:  # others change more than was read: once more from the mark
            return False
        await self._look_for(missing)
        await self._write_down(position, began, looked_for=mark is not None and not is_hurried)
        return True

    async def _write_down(self, position: Position, began: float, *, looked_for: bool) -> None:
        """The end of a refresh. `looked_for` says that contacts which did not come again were looked up."""
        told = [DOUBTS[doubt] for doubt in sorted(position.walk.doubts - ({"changing"} if looked_for else set()))]
        unread = [unreadable(len(position.unread))] if position.unread else []
        fresh = _written_mark(position.walk.mark) | {"as_of": str(began)}

        def work(index: WordIndex) -> bool:
            state = index.state  # as it is now: a walk may have ended meanwhile
            doubts = [*doubts_in(state), *told, *_crowded(position, state.contacts), *unread]
            known = {doubt.kind: doubt for doubt in doubts}
            index.set_state(**fresh, doubts=written_doubts(known.values()))
            return DIFFERS in known or abs(self._clock() - number_in(state, "counted_at")) > COUNT_AGAIN

        async with self._writing:
            is_open = await self._do(work)
        if is_open:
            await self._compare()

    async def _look_for(self, missing: set[int]) -> None:
        """The newest contacts of the refresh before should have come again. Those that did not are looked up."""
        rows = await self._do(lambda index: index.rows(missing))
        if rows:
            await self.corrected(await check(self._api, self._journal, rows))

    async def corrected(self, checked: Checked) -> None:
        """Take in what a check saw."""
        await self._take_in(checked.contacts)
        if checked.gone:
            await self._do(lambda index: index.remove(checked.gone))

    async def _take_in(self, contacts: Sequence[Contact]) -> None:
        await self._do(lambda index: index.upsert(map(Row.of, contacts)))

    async def _compare(self, *, doubts: Sequence[Note] | None = None, began: float | None = None, **said: Any) -> None:
        """Compare the index with the account's own count, and write down whether they agree, and all that is `said`.

        `doubts` are those of a walk that ended, instead of those before. `began` says that it saw everybody from then.
        """
        count = await self._count()
        if count is None and doubts is None and not said:
            return

        def work(index: WordIndex) -> None:
            state = index.state
            known = state.contacts + int(said.get("unread", number_in(state, "unread")))
            before = doubts_in(state) if doubts is None else doubts
            others = [doubt for doubt in before if doubt.kind != DIFFERS]
            # More contacts than counted were deleted meanwhile, and may hide one that is still missing.
            is_open = len(others) < len(before) and count != known
            if count is None or count > known or is_open:
                others.append(_differs(count, state.contacts))
            counted = {"count": str(count), "counted_at": str(self._clock())} if count is not None else {}
            whole = {"complete_since": began} if began is not None else {}
            differs = None if count == known else "1"
            index.set_state(differs=differs, doubts=written_doubts(others), **counted, **whole, **said)

        async with self._writing:
            await self._do(work)

    async def _count(self) -> int | None:
        with suppress(ContactsError):
            return await self._api.count_contacts()
        return None

    async def _state(self) -> State:
        return await self._do(lambda index: index.state)


def _take_in(index: WordIndex, *, rows: Sequence[Contact], walk: int, said: Mapping[str, str]) -> None:
    index.upsert(map(Row.of, rows), walk=walk, **said)


def _end_walk(index: WordIndex, *, walk: int, began: float, ended: float, complete_since: float | None) -> None:
    index.end_walk(began=began, ended=ended, walk=walk, complete_since=complete_since)


def _not_in(asked: Mapping[int, str], index: WordIndex) -> dict[int, str]:
    """Those of the contacts, given by their ids, that the index does not have."""
    known = {row.id for row in index.rows(asked)}
    return {each: phone for each, phone in asked.items() if each not in known}


def _is_sure(part: Part) -> bool:
    """Whether the walk gave everybody who was there all the time.

    A count that differs only says that contacts were deleted during the walk, if the walk itself has no doubt. The
    index is compared with the count anyway.
    """
    kinds = {reason.kind for reason in part.reasons}
    return not kinds or (kinds <= {"count_differs", "rows_unreadable"} and not part.position.walk.doubts)


def _crowded(position: Position, contacts: int) -> list[Note]:
    """The doubt about a mark that a later change may hide behind.

    One moment fills its page, is not over yet, and the account has more contacts than a page.
    """
    walk = position.walk
    is_whole = walk.size is not None and contacts <= walk.size
    is_hiding = walk.mark is not None and "crowded" in walk.mark.doubts_about(walk.settled)
    return [DOUBTS["crowded"]] if is_hiding and not is_whole else []


def _doubts_after(part: Part, contacts: int) -> list[Note]:
    """The doubts that a walk leaves behind."""
    reasons = [reason for reason in part.reasons if reason.kind == UNREAD] if _is_sure(part) else part.reasons
    return [*reasons, *_crowded(part.position, contacts)]


def _differs(count: int | None, known: int) -> Note:
    counted = "does not say how many contacts there are" if count is None else f"counts {count} contacts"
    return Note(DIFFERS, f"Heymarket {counted}, and its list showed {known}.")


def _mark_in(state: State) -> Mark | None:
    text = (state.notes or {}).get("mark")
    with suppress(ValueError):  # a damaged file; without a mark, everything is read
        return _MARK.validate_json(text) if text else None
    return None


def _written_mark(mark: Mark | None) -> dict[str, str | None]:
    text = _MARK.dump_json(mark).decode() if mark else None
    return {"mark": text, "newest": mark.head if mark else None}
