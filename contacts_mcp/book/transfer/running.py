"""A stored plan -> changes, each proven: look, write down, send, look.

1. A chunk's phones and contacts are held while it runs. A row runs only if the book is as it was planned. A row that is
   as wanted by now is done. Any other row has moved: it is told, and not run.
2. Before anything is sent, the plan's file and the journal know every row of the chunk. New contacts go out in one
   batch. So do updates that the account's profile allows (`batches.py`). All others go out singly. The reply of a
   batch proves nothing.
3. The batches grow as `batches.py` says.
4. A row without a clear outcome stays `sending`. It is looked at again once nothing of it can arrive any more, and is
   planned again only if it is not there then. A killed run leaves such rows, and goes on the same way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from math import ceil

import anyio
import anyio.lowlevel

from contacts_mcp.api.client import Trace
from contacts_mcp.api.pace import bulk_work
from contacts_mcp.api.retries import AMBIGUOUS
from contacts_mcp.book.book import Book
from contacts_mcp.book.people.holding import is_behind
from contacts_mcp.book.transfer.batches import CHUNKS, Batches, body_of
from contacts_mcp.book.transfer.confirming import named
from contacts_mcp.book.transfer.judging import Judge, judge_for
from contacts_mcp.book.transfer.looking import AT_ONCE, Looked, all_of, forms_of, look
from contacts_mcp.book.transfer.outcomes import UNSURE, Sent, is_ours_but_less, once_more, outcome_of, row_as_done
from contacts_mcp.book.transfer.verdicts import ACTIONS, Go, Moved, Verdict
from contacts_mcp.book.values import values_of
from contacts_mcp.book.writing.known import first_way_to_clear, other_way_to_clear, refused_as_known
from contacts_mcp.book.writing.plan import Sight
from contacts_mcp.book.writing.settle import close_run, plan_of, settle_entry
from contacts_mcp.book.writing.write import LOOK_DELAYS, circumstances
from contacts_mcp.errors import (
    AccountError,
    ContactsError,
    OutcomeUnknown,
    Refused,
    Rejected,
    Unreachable,
)
from contacts_mcp.models import Contact, WriteReply
from contacts_mcp.state.imports import StoredPlan, StoredRow, moved_on
from contacts_mcp.state.journal import IN_FLIGHT, Entry

MOST_SINGLES = 25  # requests of one chunk that go out singly
MOST_PASSES = 12
_STEP = 1.0  # seconds of a long wait, after which a run hears that it has to stop
_IN_LINE = 5.0  # seconds that a request may wait for its turn before its entries are made younger
# In place of errors whose own text says that nothing was changed, which is not true of a run.
_WHY_STOPPED = {
    "database_away": "The database that this server shares with others did not answer.",
    "lease_lost": "This server stood still for too long, and another one could have gone on with the run.",
}


def requests_for(decisions: Mapping[str, int], *, updates_in_batches: int = 0) -> int:
    """About how many requests a run takes: batches and singles, with a look before and after each."""
    actions = {name: ACTIONS[name] for name in decisions if name in ACTIONS}
    creates = sum(decisions[name] for name, action in actions.items() if action == "create")
    in_batches = creates + updates_in_batches
    singles = sum(decisions[name] for name in actions) - in_batches
    looks = 2 * ceil(in_batches / AT_ONCE) + 2 * ceil(singles / MOST_SINGLES)
    slow_start = 2 * (len(CHUNKS) - 1) if in_batches > 1 else 0
    return looks + slow_start + ceil(in_batches / CHUNKS[-1]) + singles


Watch = Callable[[int, int], Awaitable[None]]
"""Told how many rows are finished, and of how many."""


async def run(
    book: Book, plan: StoredPlan, *, watch: Watch | None = None, is_time_over: Callable[[], bool] = lambda: False
) -> StoredPlan:
    """Run a confirmed plan, or go on with it, until it is done or stopped.

    `plan` is as it was when that was permitted. It is left as it is where it has been ended or stopped since.
    `is_time_over` is asked between two chunks. Raises Refused where somebody else is running it.
    """
    number = plan.plan
    token = bulk_work.set(True)
    try:
        async with book.locks.plan(number) as is_held:
            if not is_held:
                raise Refused(f"Plan {number} is being run already. Ask import_status for it.", kind="runs_already")
            now = await named(book, number)
            if now.state == "done" or (now.asked and not plan.asked):
                return now
            return await _Run(book, number, watch, is_time_over).run()
    finally:
        bulk_work.reset(token)


async def is_run(book: Book, plan: int) -> bool:
    """Whether some process runs the plan. A killed one leaves a plan that only looks like it."""
    async with book.locks.plan(plan) as is_held:
        return not is_held


async def close(book: Book, parent: Entry) -> None:
    """End a run that stopped on its way, so that it can be taken back. Rows without a clear outcome are looked at once.

    Raises Refused where it is being run.
    """
    plan = int(parent.record["plan"])
    async with book.locks.plan(plan) as is_held:
        if not is_held:
            raise Refused(
                f"Plan {plan} is being run. Stop it first: import_status(plan={plan}, stop=true).", kind="runs"
            )
        if await book.imports.plan(plan) is not None:
            await _Run(book, plan, None, lambda: False).close()
            return
        for entry in await book.journal.unfinished():  # the plan got too old, and the journal alone knows its rows
            if entry.parent == parent.change_id:
                async with book.locks.phones(*_phones_in(entry)), book.locks.contact(*filter(None, [entry.contact_id])):
                    await settle_entry(book, entry.change_id)
        await close_run(book, parent)


@dataclass(slots=True)
class _Run:
    book: Book
    number: int
    watch: Watch | None
    is_time_over: Callable[[], bool]
    parent: Entry = field(init=False)
    judge: Judge = field(init=False)
    total: int = 0
    batches: Batches = field(init=False)
    later: set[int] = field(default_factory=set)  # rows that have to wait for something that may still arrive

    async def run(self) -> StoredPlan:
        plan = await self._plan()
        self.parent = await self._begun(plan)
        self.judge = judge_for(self.book, plan, self.parent.change_id)
        self.batches = Batches.of_run(self.book.profile)
        states = await self.book.imports.states(self.number)
        self.total = sum(count for state, count in states.items() if state)
        change_id = self.parent.change_id if self.book.remembers else None
        await self.book.imports.set(self.number, state="running", problem="", asked=0, change_id=change_id)
        try:
            return await self._carried_on()
        except AccountError as away:  # of the shared database: that of the service is written down
            raise OutcomeUnknown(
                f"Plan {self.number} stopped on its way, because its state cannot be written down any more. "
                "Some of its rows may have been carried out. "
                f"Call import_status(plan={self.number}) in a minute. It tells which, and the run can go on from there."
            ) from away

    async def _carried_on(self) -> StoredPlan:
        """The plan after its rows, or after a failure that it tells. Raises AccountError where it cannot be told."""
        try:
            is_over = await self._passes()
        except ContactsError as error:
            problem = _WHY_STOPPED.get(error.kind, str(error))
            await self.book.imports.set(self.number, state="stopped", problem=problem)
            await self._report()
            return await self._plan()
        except BaseException:
            with anyio.CancelScope(shield=True):  # a run that was cancelled goes on later, and says so
                await self.book.imports.set(self.number, state="stopped", problem="")
            raise
        if is_over:
            await self._finish()
        else:
            await self.book.imports.set(self.number, state="stopped")
        return await self._plan()

    async def close(self) -> None:
        """Leave the rows that were not reached as they are."""
        plan = await self._plan()
        self.parent = await self._begun(plan)
        self.judge = judge_for(self.book, plan, self.parent.change_id)
        await self._look_at_sending()
        await self._finish()

    async def _plan(self) -> StoredPlan:
        """Raises OutcomeUnknown where another server removed it meanwhile, because its clock is ahead."""
        plan = await self.book.imports.plan(self.number)
        if plan is None:
            raise OutcomeUnknown(
                f"Plan {self.number} stopped on its way, because it is not stored any more. Some of its rows were, or "
                "may have been, carried out. list_changes has the run, and undo_change takes it back. Make the plan "
                "again for the rest."
            )
        return plan

    async def _begun(self, plan: StoredPlan) -> Entry:
        """The change of the whole run, begun now or by an earlier part of it."""
        known = await self.book.journal.get(plan.change_id) if plan.change_id else None
        if known is not None:
            return known
        counts = plan.counts.get("decisions", {})
        about = {"plan": plan.plan, "kind": plan.kind, "file": plan.facts.get("file", ""), "counts": counts}
        run = Entry(action="import", before={}, wanted={}, record=about, undoes=plan.facts.get("undoes"))
        # A server that stopped right after it began the change could not write it into the plan.
        begun = await self.book.journal.open_runs()
        same = (each for each in begun if (each.record, each.undoes) == (run.record, run.undoes))
        return next(same, None) or await self.book.journal.begin(run)

    async def _finish(self) -> None:
        await close_run(self.book, self.parent)
        await self.book.imports.finish(self.number)

    # One pass after the other

    async def _passes(self) -> bool:
        """Run what can be run until nothing is left. False where it was stopped on the way."""
        for _ in range(MOST_PASSES):
            if not await self._look_at_sending() or not await self._pass():
                return False
            states = await self.book.imports.states(self.number)
            if not states.get("planned") and not states.get("sending"):
                return True
            if not await self._waited():
                return False
        await self._give_up()
        return True

    async def _pass(self) -> bool:
        """All planned rows once, in order."""
        self.later.clear()
        after = 0
        while rows := await self._next(after):
            if await self._has_to_stop():
                return False
            await self._chunk(rows)
            after = rows[-1].row
            await self._report()
        return True

    async def _next(self, after: int) -> list[StoredRow]:
        """The next chunk. Requests that go out singly make it shorter."""
        most = self.batches.largest + MOST_SINGLES
        chunk: list[StoredRow] = []
        counts = Counter[str]()
        for row in await self.book.imports.rows(self.number, state="planned", after=after, limit=most):
            action = ACTIONS[row.decision]
            goes_by_batch = self.batches.take(row)
            counts[action if goes_by_batch else ""] += 1
            if counts[""] > MOST_SINGLES or (goes_by_batch and counts[action] > self.batches.size(action)):
                break
            chunk.append(row)
        return chunk

    async def _has_to_stop(self) -> bool:
        return (await self._plan()).asked or self.is_time_over()

    async def _waited(self) -> bool:
        """Wait until something may have arrived. False where the run has to stop before."""
        until = anyio.current_time() + await self._seconds_to_wait()
        while (left := until - anyio.current_time()) > 0:
            if await self._has_to_stop():
                return False
            await anyio.sleep(min(left, _STEP))
        return True

    async def _seconds_to_wait(self) -> float:
        """Until something that is on its way cannot arrive any more, by the journal where that knows it."""
        entries = (await self._unfinished_parts()).values()
        sending = await self.book.imports.rows(self.number, state="sending", limit=1_000)
        left = [*map(self.book.journal.seconds_left, entries)] or [*map(self._seconds_in_flight, sending)]
        return max(1.0, min(left, default=IN_FLIGHT if self.later else 1.0))

    def _seconds_in_flight(self, row: StoredRow) -> float:
        """How long a row that was sent may still be on its way, by its own time."""
        return max(0.0, IN_FLIGHT - abs(self.book.imports.now - row.sent_at))

    async def _give_up(self) -> None:
        """Tell the rows that waited too long."""
        for state in ("planned", "sending"):
            while rows := await self.book.imports.rows(self.number, state=state, limit=500):
                why = "may have been carried out; look it up." if state == "sending" else "could not be looked up."
                await self.book.imports.save(self.number, [moved_on(row, "failed", why) for row in rows])

    async def _report(self) -> None:
        if self.watch is not None:
            states = await self.book.imports.states(self.number)
            left = states.get("planned", 0) + states.get("sending", 0)
            await self.watch(self.total - left, self.total)

    # One chunk

    async def _chunk(self, rows: Sequence[StoredRow]) -> None:
        async with self._held(rows):
            ready = await self._without_busy(rows)
            looked = await look(self.book, [row.phone for row in ready], map(self.judge.email_of, ready))
            going, settled = [], []
            for row in ready:
                verdict = await self.judge.verdict(row, looked)
                if await self._is_too_early(row, looked, verdict):
                    self.later.add(row.row)
                elif isinstance(verdict, Go):
                    going.append((row, verdict, self._is_by_batch(row, verdict, looked)))
                else:
                    settled.append(_settled(row, verdict))
            await self.book.imports.save(self.number, settled)
            if going:
                await self._write(going)

    @asynccontextmanager
    async def _held(self, rows: Sequence[StoredRow]) -> AsyncIterator[None]:
        """Nobody else writes to the phones and contacts of these rows."""
        ids = [row.contact_id for row in rows if row.contact_id]
        async with self.book.locks.phones(*_phones_of(rows)), self.book.locks.contact(*ids):
            yield

    async def _without_busy(self, rows: Sequence[StoredRow]) -> list[StoredRow]:
        """The rows about which nothing earlier is on its way. The others have to wait."""
        ids = {row.contact_id for row in rows if row.contact_id}
        busy, busy_ids = await self._on_their_way(_phones_of(rows), ids)
        waiting = {row.row for row in rows if row.contact_id in busy_ids or busy & {*forms_of(row.phone)}}
        self.later |= waiting
        return [row for row in rows if row.row not in waiting]

    async def _on_their_way(self, phones: Sequence[str], ids: set[int]) -> tuple[set[str], set[int]]:
        """The phones and contacts about which an earlier request may still arrive. One that cannot is settled."""
        arriving = await self.book.journal.arriving(None, *phones)
        busy = {phone for entry in arriving for phone in _phones_in(entry)}
        busy_ids = {entry.contact_id for entry in arriving if entry.contact_id}
        for entry in await self.book.journal.unfinished():
            if entry.contact_id not in ids and _phones_in(entry).isdisjoint(phones):
                continue
            if self.book.journal.may_still_arrive(entry):
                busy |= _phones_in(entry)
            else:
                await settle_entry(self.book, entry.change_id)
        return busy, busy_ids

    async def _is_too_early(self, row: StoredRow, looked: Looked, verdict: Verdict) -> bool:
        """Whether the look may lag behind our own change of the phone or the contact."""
        if not looked.unclear.isdisjoint(forms_of(row.phone)):
            return True
        return isinstance(verdict, Go) and verdict.contact is not None and await is_behind(self.book, verdict.contact)

    def _is_by_batch(self, row: StoredRow, go: Go, looked: Looked) -> bool:
        return self.batches.take_now(row, go, is_alone=len(looked.with_phone(row.phone)) == 1)

    async def _write(self, going: Sequence[tuple[StoredRow, Go, bool]]) -> None:
        now = self.book.imports.now
        marked = [moved_on(row, "sending", sent_at=now) for row, *_ in going]
        with anyio.CancelScope(shield=True):  # rows that are marked have their entries, and know them when they go out
            await self.book.imports.save(self.number, marked)
            entries = await self.book.journal.begin_all([self._entry(row, go) for row, go, _ in going])
            sent = [
                Sent(replace(row, change_id=entry.change_id), go.plan, entry, by_batch=by_batch)
                for row, (_, go, by_batch), entry in zip(marked, going, entries, strict=True)
            ]
            await self.book.imports.save(self.number, [one.row for one in sent])
        try:
            await self._send(sent)
            await self._look_after(sent)
        except BaseException:
            with anyio.CancelScope(shield=True):  # the rows are out, also where the call was cancelled
                await self._write_outcomes(sent)
            raise
        await self._write_outcomes(sent)
        stop = next((one.failure for one in sent if isinstance(one.failure, Unreachable | AccountError)), None)
        if stop is not None:
            raise stop
        self.batches.learn_from(sent)

    def _entry(self, row: StoredRow, go: Go) -> Entry:
        wish = row.wish
        return go.plan.entry(parent=self.parent.change_id, undoes=wish.get("undoes"), record=wish.get("record") or {})

    # Sending

    async def _send(self, sent: Sequence[Sent]) -> None:
        creates, updates = (
            [one for one in sent if one.by_batch and one.plan.action == action] for action in ("create", "update")
        )
        singles = [(self._send_one, one) for one in sent if not one.by_batch]
        await all_of([*((self._send_batch, batch) for batch in (creates, updates) if batch), *singles])

    async def _send_batch(self, batch: Sequence[Sent]) -> None:
        """Send creates, or updates."""
        overwrite = batch[0].plan.action == "update"
        try:
            await self.book.api.write_contacts(
                [body_of(one.plan) for one in batch], overwrite=overwrite, trace=self._trace(batch)
            )
        except ContactsError as failure:
            for one in batch:
                one.failure = failure
        else:
            for one in batch:
                one.reply = WriteReply()

    async def _send_one(self, one: Sent) -> None:
        """Send in the form that the profile tells, and in the usual one where the service refuses that."""
        profile, plan, empty = self.book.profile, one.plan, first_way_to_clear(self.book.profile)
        await self._send_cleared(one, empty=empty)
        is_usual = plan.action != "update" or plan.body(empty=empty) == plan.body()
        if is_usual or not isinstance(one.failure, Rejected):
            return
        one.failure = None
        await self._send_cleared(one, empty="")
        if one.failure is None:
            refused_as_known(profile, plan, empty=empty, leaves_names_out=False)

    async def _send_cleared(self, one: Sent, *, empty: str | None) -> None:
        api, plan, one.empty = self.book.api, one.plan, empty
        try:
            if plan.action == "create":
                one.reply = await api.create_contact(plan.body(), trace=self._trace([one]))
                return
            assert plan.contact_id is not None
            if plan.action == "update":
                body = plan.body(empty=empty)
                one.reply = await api.update_contact(
                    plan.contact_id, body, overwrite=plan.overwrite, trace=self._trace([one])
                )
            else:
                await api.delete_contact(plan.contact_id, trace=self._trace([one]))
                one.reply = WriteReply()
        except ContactsError as failure:
            one.failure = failure

    def _trace(self, sent: Sequence[Sent]) -> Trace:
        return Trace(before_each=partial(self._write_moment, sent))

    async def _write_moment(self, sent: Sequence[Sent]) -> None:
        """The journal has the entries of a chunk before any of it goes out, and the locks still hold.

        A request that waited for its turn may arrive for as long as any, so its entries are made as young as it is. It
        does not go out where they cannot say so, because a server that takes over would look too early.
        """
        journal = self.book.journal
        if any(IN_FLIGHT - journal.seconds_left(one.entry) > _IN_LINE for one in sent):
            with anyio.CancelScope(shield=True):
                for one in sent:
                    one.entry = replace(journal.given_up(one.entry), unanswered=one.entry.unanswered)
                    one.row = replace(one.row, sent_at=self.book.imports.now)
                if not await journal.finish_all([one.entry for one in sent if one.entry.change_id]):
                    raise AccountError("The journal that makes changes undoable cannot be written.")
                await self.book.imports.save(self.number, [one.row for one in sent])
            await anyio.lowlevel.checkpoint_if_cancelled()  # nobody waits for it any more, so it does not go out
        self.book.locks.refuse_if_lost()

    # Looking afterwards

    async def _look_after(self, sent: Sequence[Sent]) -> None:
        """Up to three looks at everything that may have been carried out."""
        open_rows = [one for one in sent if not isinstance(one.failure, Unreachable | AccountError)]
        await self._look_until_proven(open_rows, is_over=False)
        again = [one for one in open_rows if self._left_standing(one) and await self._cleared_otherwise(one)]
        await self._look_until_proven(again, is_over=False)

    async def _cleared_otherwise(self, one: Sent) -> bool:
        """Send a row again, because the service may want null where "" did nothing. Whether that may be carried out.

        The first write stands either way.
        """
        other = other_way_to_clear(self.book.profile, one.empty)
        if other is None:
            return False
        second = replace(one)
        await self._send_cleared(second, empty=other[0])
        one.entry, one.row = second.entry, second.row
        if second.failure is not None and not isinstance(second.failure, AMBIGUOUS):
            return False
        one.reply, one.failure, one.writes, one.is_proven = second.reply, second.failure, 2, False
        return True

    @staticmethod
    def _left_standing(one: Sent) -> bool:
        seen = one.contact
        is_update = one.plan.action == "update" and one.is_proven and one.failure is None
        return is_update and seen is not None and bool(one.plan.left_standing(values_of(seen)))

    async def _look_until_proven(self, rows: Sequence[Sent], *, is_over: bool) -> None:
        left = list(rows)
        for pause in LOOK_DELAYS:
            if not left:
                return
            await anyio.sleep(pause)
            try:
                looked = await look(self.book, [one.row.phone for one in left], proves_absence=False)
            except ContactsError:  # blind: what was sent is looked at later
                return
            left = [one for one in left if not await self._is_seen(one, looked, is_over=is_over)]

    async def _is_seen(self, one: Sent, looked: Looked, *, is_over: bool) -> bool:
        """Whether a look proves how the row came out, and shows all of it."""
        one.contact = await self._contact_of(one, looked, is_over=is_over)
        one.made_again = self._made_again(one, looked)
        if one.plan.action == "create" and one.contact is not None:
            one.doubles = [each.id for each in looked.with_phone(one.row.phone) if each.id != one.contact.id]
        given = await circumstances(
            self.book,
            one.plan,
            one.entry,
            reply=one.reply,
            contact=one.contact,
            is_over=is_over,
            is_in_journal=looked.is_in_journal(one.contact),
        )
        proof = one.plan.proof(Sight.of(one.contact), given)
        one.is_proven = proof == "done" or is_ours_but_less(one, given.explained)
        is_whole = one.contact is None or not one.plan.unkept(values_of(one.contact))
        return one.is_proven and is_whole

    async def _contact_of(self, one: Sent, looked: Looked, *, is_over: bool) -> Contact | None:
        """The contact of the row by a look, and by its id where the look does not show it."""
        known = one.plan.contact_id or (one.reply.id if one.reply else None)
        found = next((each for each in looked.with_phone(one.row.phone) if known in (None, each.id)), None)
        needs_proof = found is None and (one.is_unanswered or is_over)
        if needs_proof and one.plan.contact_id is not None:
            return await self.book.api.get_contact(one.plan.contact_id)  # a search proves no absence
        return found

    @staticmethod
    def _made_again(one: Sent, looked: Looked) -> int | None:
        """The contact that a batch made where it should have updated one, because that one lost its phone."""
        if not one.by_batch or one.plan.action != "update" or one.contact is not None:
            return None
        found = (each for each in looked.with_phone(one.row.phone) if each.rev == 1)
        return next((each.id for each in found if not one.plan.unkept(values_of(each))), None)

    async def _write_outcomes(self, sent: Sequence[Sent], *, is_over: bool = False) -> None:
        """Write the outcome of each row down, as far as it is known now: in the journal and in the plan."""
        entries = []
        for one in sent:
            entry, one.result = await outcome_of(self.book, one, is_over=is_over)
            if one.is_proven:
                self._tell_mirror(one)
            if entry.change_id:
                entries.append(entry)
        await self.book.journal.finish_all(entries)
        await self.book.imports.save(self.number, [one.result for one in sent if one.result])

    def _tell_mirror(self, one: Sent) -> None:
        if one.contact is not None:
            self.book.mirror.noticed(one.contact)
        elif one.plan.contact_id is not None:
            self.book.mirror.noticed_gone(one.plan.contact_id)

    # What an earlier chunk or run left

    async def _look_at_sending(self) -> bool:
        """Look at the rows without a clear outcome. Those that can still arrive stay as they are."""
        after, unfinished = 0, await self._unfinished_parts()
        while rows := await self.book.imports.rows(self.number, state="sending", after=after, limit=CHUNKS[-2]):
            if await self._has_to_stop():
                return False
            after = rows[-1].row
            async with self._held(rows):
                sent = await self._without_known([await self._as_sent(row, unfinished) for row in rows])
                over = [one for one in sent if self._seconds_left(one) <= 0]
                young = [one for one in sent if self._seconds_left(one) > 0]
                for some, is_over in ((over, True), (young, False)):
                    await self._look_until_proven(some, is_over=is_over)
                    await self._write_outcomes(some, is_over=is_over)
            await self._report()
        return True

    async def _without_known(self, sent: Sequence[Sent]) -> list[Sent]:
        """The rows to look at. The others are written down as what is known of them already."""
        known = {one.row.row: row for one in sent if (row := await self._known_outcome(one)) is not None}
        await self.book.imports.save(self.number, [*known.values()])
        return [one for one in sent if one.row.row not in known]

    async def _known_outcome(self, one: Sent) -> StoredRow | None:
        """The row where a call about the contact has found out what became of it.

        After a later change of our own, a look at the contact shows that one. An outcome that nobody knows by then
        stays unknown.
        """
        is_overtaken = self._seconds_left(one) <= 0 and await self._is_overtaken(one)
        if is_overtaken:
            await settle_entry(self.book, one.entry.change_id)
            one.entry = await self.book.journal.get(one.entry.change_id) or one.entry
        if one.entry.state == "done":
            return row_as_done(one, _as_left(one.entry))
        if one.entry.state == "not_done":
            return once_more(one.row)
        return moved_on(one.row, "told", UNSURE) if is_overtaken else None

    async def _is_overtaken(self, one: Sent) -> bool:
        """Whether the journal has a later change of the contact, or of the phone where it was to be a new contact."""
        entry, journal = one.entry, self.book.journal
        if not entry.change_id:
            return False
        if one.plan.action != "create":
            return await journal.next_after(entry) is not None
        about = [other for form in forms_of(one.row.phone) for other in await journal.about_phone(form)]
        return any(other.change_id > entry.change_id for other in about)

    async def _unfinished_parts(self) -> dict[tuple[str, int | None], Entry]:
        """The unfinished entries of this run by phone and contact, for rows that do not know their entry."""
        return {
            (str(entry.wanted.get("phone") or entry.before.get("phone")), entry.contact_id): entry
            for entry in await self.book.journal.unfinished()
            if entry.parent == self.parent.change_id
        }

    async def _as_sent(self, row: StoredRow, unfinished: dict[tuple[str, int | None], Entry]) -> Sent:
        entry = await self.book.journal.get(row.change_id) if row.change_id else None
        entry = entry or unfinished.get((row.phone, row.contact_id))
        if entry is None:
            entry = Entry(
                action=ACTIONS[row.decision],
                contact_id=row.contact_id,
                before=row.before,
                wanted=row.wanted,
                at=row.sent_at,
            )
        plan = replace(plan_of(entry), overwrite=bool(row.wish.get("replace")))
        if plan.action == "create":
            plan = replace(plan, contact_id=None)  # the entry has one once it is settled
        return Sent(replace(row, change_id=entry.change_id or None), plan, entry)

    def _seconds_left(self, one: Sent) -> float:
        """How long the request of a row may still be on its way."""
        return self.book.journal.seconds_left(one.entry) if one.entry.change_id else self._seconds_in_flight(one.row)


def _as_left(entry: Entry) -> Sight:
    """A contact as its change left it, by the journal."""
    values = entry.after if entry.action != "delete" else None
    return Sight(values=values, contact_id=entry.contact_id, rev=entry.rev_after, updated=entry.updated_after)


def _settled(row: StoredRow, verdict: Moved | None) -> StoredRow:
    """A row that needs no request any more."""
    if verdict is None:
        return moved_on(row, "done", "is so already.")
    shown = row.shown | ({"now": verdict.now} if verdict.now else {})
    return moved_on(replace(row, shown=shown), "moved", verdict.why)


def _phones_of(rows: Sequence[StoredRow]) -> list[str]:
    """Every form of the phones of these rows, each once."""
    return list(dict.fromkeys(form for row in rows for form in forms_of(row.phone)))


def _phones_in(entry: Entry) -> set[str]:
    """The phones that a change is about."""
    return {str(table.get("phone", "")) for table in (entry.before, entry.wanted)}
