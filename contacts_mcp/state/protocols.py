"""The state that lasts, as the rest of the package needs it: journal, plans of imports, and locks.

Each has a form in files of one machine (`journal.py`, `imports.py`, `locks.py`). It has another form in a database that
servers share (`postgres/`). An instance is made for one account, and no method names another one.

- A method that may have to wait is asynchronous. So an answer may be out of date by the next line, unless the caller
  holds a lock.
- All of them raise AccountError where the state cannot be used. `finish` and `finish_all` of the journal never do.
- Both forms have the same methods with the same results. The docstrings here say what a caller may rely on.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

from contacts_mcp.state.imports import PlanKind, PlanState, RowState, StoredPlan, StoredRow
from contacts_mcp.state.journal import IN_FLIGHT, Entry


class Journal(Protocol):
    """The changes that were made of one account, newest and oldest, finished or not."""

    # Writing down

    async def begin(self, entry: Entry) -> Entry:
        """Write `entry` down before anything is sent. Returns it with its id."""

    async def begin_all(self, entries: Sequence[Entry]) -> list[Entry]:
        """Write several down before any of them is sent, all or none. Returns them with their ids."""

    async def finish(self, entry: Entry) -> bool:
        """Write down how it came out, and on the change it took back that it did. Answers whether that worked."""

    async def finish_all(self, entries: Sequence[Entry]) -> bool:
        """As `finish`, for several at once."""

    def given_up(self, entry: Entry) -> Entry:
        """`entry` with a copy of its request left unanswered just now."""

    async def looked_at(self, entry: Entry) -> None:
        """Write down what looking at an unfinished entry told."""

    async def spend_token(self, digest: str) -> bool:
        """Use a confirmation up, in all processes at once. False where it was used up before."""

    # What was done

    async def get(self, change_id: int) -> Entry | None:
        """The change with that id."""

    async def entries(
        self, *, contact_id: int | None = None, before: int | None = None, limit: int = 25
    ) -> list[Entry]:
        """The newest entries first. `before` is the id to go on below."""

    async def parts_of(self, change_id: int, *, after: int = 0, limit: int = 1_000) -> list[Entry]:
        """The changes below an import, oldest first. `after` is the id to go on above."""

    async def by_token(self, digest: str) -> Entry | None:
        """The change that a confirmation allowed."""

    async def of_merge(self, merge: str) -> list[Entry]:
        """The changes of one merge that were carried out or may have been, oldest first."""

    async def made_by_probe(self) -> list[Entry]:
        """The creations of a probe that may have left a contact behind, oldest first."""

    async def creation_of(self, contact_id: int) -> Entry | None:
        """The change that is known to have created that contact."""

    async def deleted(self, contact_id: int) -> Entry | None:
        """The change that is known to have deleted that contact."""

    async def last_after(self, contact_id: int) -> Entry | None:
        """The newest change of that contact that was seen done."""

    async def next_after(self, entry: Entry) -> Entry | None:
        """The next change of the same contact."""

    async def departures_from(self, phone: str, *, after: int = 0) -> list[Entry]:
        """The changes that may have taken that phone away from its contact, oldest first."""

    async def about_phone(self, phone: str) -> list[Entry]:
        """The changes of contacts that had that phone before or were to have it after, oldest first."""

    async def known_phones(self, phones: Sequence[str]) -> set[str]:
        """Those of `phones` that a change was about."""

    async def known_contacts(self, contact_ids: Sequence[int]) -> set[int]:
        """Those of the contacts that a change was about."""

    async def own_phones(self, *, after: int, limit: int) -> dict[int, str]:
        """Id -> phone, by our last change, of contacts that we wrote, by ids above `after`. "" for deleted ones."""

    async def phone_given_out(self, phone: str, within: float = IN_FLIGHT) -> list[Entry]:
        """The changes of the last `within` seconds that gave a contact that phone, or may have, oldest first."""

    async def rev_written(self, contact_id: int) -> int:
        """The highest `rev` of that contact that is known."""

    async def recent(self, limit: int = 25) -> list[Entry]:
        """The changes of the last minute, newest first. [] where they cannot be had at once."""

    # What is not known yet

    async def unfinished(self) -> list[Entry]:
        """The entries that looking may still settle, oldest first."""

    async def open_runs(self) -> list[Entry]:
        """The changes of whole runs that were begun and not completed, oldest first."""

    async def arriving(self, contact_id: int | None, *phones: str) -> list[Entry]:
        """The entries about that contact, or about one of `phones`, whose request may still arrive, oldest first."""

    def may_still_arrive(self, entry: Entry) -> bool:
        """Whether the request of `entry` may be on its way, so that not seeing its effect proves nothing yet."""

    def seconds_left(self, entry: Entry) -> float:
        """How long the request of `entry` may still be on its way. At 0 it cannot arrive any more."""

    def seconds_since(self, at: float) -> float:
        """The distance of a time of day from now, whichever side it is on."""

    async def aclose(self) -> None:
        """Give back what is open. It is opened again when it is needed."""


class Imports(Protocol):
    """The plans of imports of one account, with their rows."""

    @property
    def now(self) -> float:
        """The time of day that plans and rows are dated by, in Unix seconds."""

    async def begin(self, kind: PlanKind, facts: Mapping[str, Any], switches: Mapping[str, Any]) -> int:
        """A new plan without rows. Returns its number."""

    async def plan(self, plan: int) -> StoredPlan | None:
        """A plan of this account that is not too old."""

    async def plans(self, *states: PlanState) -> list[StoredPlan]:
        """The plans in one of these states, the newest first."""

    async def set(self, plan: int, **changes: Any) -> None:
        """Set columns of a plan."""

    async def finish(self, plan: int) -> None:
        """The run is over. Of rows that came out as planned, what they held is in the journal alone from now on."""

    def filling(self, plan: int) -> AbstractAsyncContextManager[None]:
        """While its rows are added. A plan that cannot be filled to its end is forgotten: it is none."""

    async def drop(self, plan: int) -> None:
        """Delete a plan and its rows."""

    async def add(self, plan: int, rows: Iterable[StoredRow]) -> None:
        """Add rows to a plan."""

    async def save(self, plan: int, rows: Sequence[StoredRow]) -> None:
        """Write down how far these rows came, all or none."""

    async def rows(
        self,
        plan: int,
        *,
        state: RowState | None = None,
        decision: str | None = None,
        after: int = 0,
        limit: int = 25,
    ) -> list[StoredRow]:
        """The next rows above `after`, in order."""

    def every_row(self, plan: int) -> AsyncIterator[StoredRow]:
        """All rows in order, read some hundred at a time."""

    def confirmed(self, plan: int) -> AsyncIterator[tuple[Any, ...]]:
        """All rows in order, as far as a person confirms them, just as they are stored."""

    async def states(self, plan: int) -> dict[str, int]:
        """State -> rows in it."""

    async def aclose(self) -> None:
        """Give back what is open. It is opened again when it is needed."""


class Making(Protocol):
    """A tag that is being made, by the holder of its lock."""

    async def last(self) -> float:
        """The uptime (`uptime.py`) at which the tag was last asked for. It was long ago where nobody noted it."""

    async def note(self) -> None:
        """Note that the tag is asked for now."""

    async def forget(self) -> None:
        """Take the note back, because the request was certainly not carried out."""


class Locks(Protocol):
    """One writer at a time for each contact, phone, change, plan and tag of one account."""

    @property
    def patience(self) -> float:
        """How many seconds a call may wait for a change before it. A longer wait is refused, with its seconds."""

    def phones(self, *phones: str) -> AbstractAsyncContextManager[None]:
        """Hold the right to create a contact with, or move one to, any of `phones`."""

    def change(self, change_id: int) -> AbstractAsyncContextManager[None]:
        """Hold the right to take that change back."""

    def contact(self, *contact_ids: int) -> AbstractAsyncContextManager[None]:
        """Hold the right to change that contact, or all of several."""

    def plan(self, plan: int) -> AbstractAsyncContextManager[bool]:
        """Hold the right to run that plan, which dies with the process. Yields False at once where somebody has it."""

    def tag(self, name: str) -> AbstractAsyncContextManager[Making]:
        """Hold the right to make the tag of that name."""

    def if_free(self, contact_id: int | None, phone: str) -> AbstractAsyncContextManager[bool]:
        """Hold the contact, or the phone where it has no id yet, if nobody does. Otherwise yield False at once."""

    async def last_write(self, contact_id: int) -> float:
        """The uptime (`uptime.py`) at the end of the last change to that contact, at the latest."""

    def refuse_if_lost(self) -> None:
        """Raise AccountError where a lock that the caller holds may be somebody else's by now.

        It is asked right before a request goes out. A process that stood still for a minute may have lost a lock that
        runs out.
        """
