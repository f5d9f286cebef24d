"""A stored plan -> changes, each proven: look, write down, send, look.

1. A chunk's phones and contacts are held while it runs. A row runs only if the book is as it was planned. A row that is
   as wanted by now is done. Any other row has moved: it is told, and not run.
2. Before anything is sent, the plan's file and the journal know every row of the chunk. New contacts go out in one batch,
   all others singly. The reply of a batch proves nothing.
3. The first chunk has one row. The chunks grow while every look shows every field as it was sent. On any difference the
   rest goes out singly.
4. A row without a clear outcome stays `sending`. It is looked at again once nothing of it can arrive any more, and is
   planned again only if it is not there then. A killed run leaves such rows, and goes on the same way.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import anyio

from contacts_mcp.api.client import Trace
from contacts_mcp.api.pace import bulk_work
from contacts_mcp.api.retries import AMBIGUOUS
from contacts_mcp.book.book import Book
from contacts_mcp.book.people.holding import is_behind
from contacts_mcp.book.transfer.judging import Go, Judge, Moved, judge_for
from contacts_mcp.book.transfer.looking import Looked, all_of, forms_of, look
from contacts_mcp.book.values import differences, is_empty, values_of
from contacts_mcp.book.writing.known import first_way_to_clear, other_way_to_clear
from contacts_mcp.book.writing.plan import Plan, Sight
from contacts_mcp.book.writing.settle import settle_entry
from contacts_mcp.book.writing.write import LOOK_DELAYS, circumstances
from contacts_mcp.errors import (
    AccountError,
    ContactsError,
    NotDone,
    Refused,
    Rejected,
    Unreachable,
)
from contacts_mcp.models import Contact, WriteReply
from contacts_mcp.state.imports import StoredPlan, StoredRow, moved_on
from contacts_mcp.state.journal import IN_FLIGHT, Action, Entry

CHUNKS = (1, 5, 25, 100, 500)  # rows, while every look shows what was sent
KNOWN_TO_WORK = CHUNKS.index(25)  # the first chunk where the account's profile knows how a batch creates
MOST_SINGLES = 25  # requests of one chunk that go out singly
MOST_TRIES = 3  # of one row
MOST_PASSES = 12
_SIDE_BY_SIDE = 8

ACTIONS: dict[str, Action] = {
    "new": "create",
    "create_again": "create",
    "fill": "update",
    "update": "update",
    "restore": "update",
    "delete": "delete",
}


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is."""

    finished: int
    total: int


Watch = Callable[[Progress], Awaitable[None]]


async def run(
    book: Book, plan: int, *, watch: Watch | None = None, is_time_over: Callable[[], bool] = lambda: False
) -> StoredPlan:
    """Run a confirmed plan, or go on with it, until it is done or stopped.

    `is_time_over` is asked between two chunks. Raises Refused where somebody else is running it.
    """
    token = bulk_work.set(True)
    try:
        async with book.locks.plan(plan) as is_held:
            if not is_held:
                raise Refused(f"Plan {plan} is being run already. Ask import_status for it.", kind="runs_already")
            return await _Run(book, plan, watch, is_time_over).run()
    finally:
        bulk_work.reset(token)


async def close(book: Book, plan: int) -> None:
    """End a run that stopped on its way, so that it can be taken back. Rows without a clear outcome are looked at once.

    Raises Refused where it is being run.
    """
    async with book.locks.plan(plan) as is_held:
        if not is_held:
            raise Refused(
                f"Plan {plan} is being run. Stop it first: import_status(plan={plan}, stop=true).", kind="runs"
            )
        await _Run(book, plan, None, lambda: False).close()


@dataclass(slots=True)
class _Sent:
    """One row on its way."""

    row: StoredRow
    plan: Plan
    entry: Entry
    reply: WriteReply | None = None
    failure: ContactsError | None = None
    contact: Contact | None = None
    is_proven: bool = False
    result: StoredRow | None = None

    @property
    def is_unanswered(self) -> bool:
        return self.reply is None and (self.failure is None or isinstance(self.failure, AMBIGUOUS))


@dataclass(slots=True)
class _Run:
    book: Book
    number: int
    watch: Watch | None
    is_time_over: Callable[[], bool]
    parent: Entry = field(init=False)
    judge: Judge = field(init=False)
    total: int = 0
    grown: int = 0  # the place in CHUNKS
    by_singles: bool = False
    later: set[int] = field(default_factory=set)  # rows that have to wait for something that may still arrive

    async def run(self) -> StoredPlan:
        plan = self._plan()
        self.parent = self._begun(plan)
        self.judge = judge_for(self.book, plan, self.parent.change_id)
        self.grown = KNOWN_TO_WORK if self.book.profile.position("batch_creates") == "yes" else 0
        states = self.book.imports.states(self.number)
        self.total = sum(count for state, count in states.items() if state)
        self.book.imports.set(self.number, state="running", problem="", asked=0, change_id=self.parent.change_id)
        try:
            is_over = await self._passes()
        except ContactsError as error:
            self.book.imports.set(self.number, state="stopped", problem=str(error))
            await self._report()
            return self._plan()
        except BaseException:
            self.book.imports.set(self.number, state="stopped", problem="")
            raise
        if is_over:
            self._finish()
        else:
            self.book.imports.set(self.number, state="stopped")
        return self._plan()

    async def close(self) -> None:
        """Leave the rows that were not reached as they are."""
        plan = self._plan()
        self.parent = self._begun(plan)
        self.judge = judge_for(self.book, plan, self.parent.change_id)
        await self._look_at_sending()
        self._finish()

    def _plan(self) -> StoredPlan:
        plan = self.book.imports.plan(self.number)
        assert plan is not None
        return plan

    def _begun(self, plan: StoredPlan) -> Entry:
        """The change of the whole run, begun now or by an earlier part of it."""
        known = self.book.journal.get(plan.change_id) if plan.change_id else None
        if known is not None:
            return known
        counts = plan.counts.get("decisions", {})
        about = {"plan": plan.plan, "kind": plan.kind, "file": plan.facts.get("file", ""), "counts": counts}
        return self.book.journal.begin(
            Entry(action="import", before={}, wanted={}, record=about, undoes=plan.facts.get("undoes"))
        )

    def _finish(self) -> None:
        states = self.book.imports.states(self.number)
        is_whole = not states.get("failed") and not states.get("planned")
        undoes = self.parent.undoes if is_whole else None  # else the rest can still be taken back
        self.book.journal.finish(replace(self.parent, state="done", undoes=undoes))
        self.book.imports.finish(self.number)

    # One pass after the other

    async def _passes(self) -> bool:
        """Run what can be run until nothing is left. False where it was stopped on the way."""
        for _ in range(MOST_PASSES):
            if not await self._look_at_sending() or not await self._pass():
                return False
            states = self.book.imports.states(self.number)
            if not states.get("planned") and not states.get("sending"):
                return True
            if self.is_time_over():
                return False
            await anyio.sleep(self._seconds_to_wait())
        self._give_up()
        return True

    async def _pass(self) -> bool:
        """All planned rows once, in order."""
        self.later.clear()
        after = 0
        while rows := self._next(after):
            if self._has_to_stop():
                return False
            await self._chunk(rows)
            after = rows[-1].row
            await self._report()
        return True

    def _next(self, after: int) -> list[StoredRow]:
        """The next chunk. Requests that go out singly make it shorter."""
        size = CHUNKS[self.grown]
        chunk: list[StoredRow] = []
        in_batch = singles = 0
        for row in self.book.imports.rows(self.number, state="planned", after=after, limit=size + MOST_SINGLES):
            goes_by_batch = self._goes_by_batch(row)
            in_batch += goes_by_batch
            singles += not goes_by_batch
            if in_batch > size or singles > MOST_SINGLES:
                break
            chunk.append(row)
        return chunk

    def _goes_by_batch(self, row: StoredRow) -> bool:
        return ACTIONS[row.decision] == "create" and not self.by_singles and not row.shown.get("single")

    def _has_to_stop(self) -> bool:
        return self._plan().asked or self.is_time_over()

    def _seconds_to_wait(self) -> float:
        """Until something that is on its way cannot arrive any more."""
        sending = self.book.imports.rows(self.number, state="sending", limit=1_000)
        left = [IN_FLIGHT - abs(self.book.imports.now - row.sent_at) for row in sending]
        return max(1.0, min(left, default=IN_FLIGHT if self.later else 1.0))

    def _give_up(self) -> None:
        """Tell the rows that waited too long."""
        for state in ("planned", "sending"):
            while rows := self.book.imports.rows(self.number, state=state, limit=500):
                why = "may have been carried out; look it up." if state == "sending" else "could not be looked up."
                self.book.imports.save(self.number, [moved_on(row, "failed", why) for row in rows])

    async def _report(self) -> None:
        if self.watch is not None:
            states = self.book.imports.states(self.number)
            left = states.get("planned", 0) + states.get("sending", 0)
            await self.watch(Progress(self.total - left, self.total))

    # One chunk

    async def _chunk(self, rows: Sequence[StoredRow]) -> None:
        phones = list(dict.fromkeys(form for row in rows for form in forms_of(row.phone)))
        ids = [row.contact_id for row in rows if row.contact_id]
        async with self.book.locks.phones(*phones), self.book.locks.contacts(*ids):
            ready = await self._without_arriving(rows, phones)
            looked = await look(self.book, [row.phone for row in ready], map(self.judge.email_of, ready))
            going, settled = [], []
            for row in ready:
                if looked.unclear & {*forms_of(row.phone)}:
                    self.later.add(row.row)
                    continue
                verdict = self.judge.verdict(row, looked)
                if isinstance(verdict, Go):
                    if verdict.contact is not None and is_behind(self.book, verdict.contact):
                        self.later.add(row.row)
                        continue
                    going.append((row, verdict.plan))
                else:
                    settled.append(_settled(row, verdict))
            self.book.imports.save(self.number, settled)
            if going:
                await self._write(going)

    async def _without_arriving(self, rows: Sequence[StoredRow], phones: Sequence[str]) -> list[StoredRow]:
        """The rows about whose phone nothing earlier is on its way. What was left unfinished is settled first."""
        ids = {row.contact_id for row in rows if row.contact_id}
        arriving = self.book.journal.arriving(None, *phones)
        busy = {str(table.get("phone", "")) for entry in arriving for table in (entry.before, entry.wanted)}
        busy_ids = {entry.contact_id for entry in arriving if entry.contact_id}
        for entry in self.book.journal.unfinished():
            about = {str(entry.before.get("phone", "")), str(entry.wanted.get("phone", ""))}
            if entry.contact_id in ids or about & {*phones}:
                if self.book.journal.may_still_arrive(entry):
                    busy |= about
                else:
                    await settle_entry(self.book, entry.change_id)
        ready = []
        for row in rows:
            if busy & {*forms_of(row.phone)} - {""} or row.contact_id in busy_ids:
                self.later.add(row.row)
            else:
                ready.append(row)
        return ready

    async def _write(self, going: Sequence[tuple[StoredRow, Plan]]) -> None:
        now = self.book.imports.now
        marked = [moved_on(row, "sending", sent_at=now) for row, _ in going]
        self.book.imports.save(self.number, marked)
        entries = self.book.journal.begin_all([self._entry(row, plan) for row, plan in going])
        sent = [
            _Sent(replace(row, change_id=entry.change_id), plan, entry)
            for row, (_, plan), entry in zip(marked, going, entries, strict=True)
        ]
        try:
            await self._send(sent)
            await self._look_after(sent)
        except BaseException:
            self._write_outcomes(sent)
            raise
        self._write_outcomes(sent)
        stop = next((one.failure for one in sent if isinstance(one.failure, Unreachable | AccountError)), None)
        if stop is not None:
            raise stop
        self._grow(sent)

    def _entry(self, row: StoredRow, plan: Plan) -> Entry:
        return Entry(
            action=plan.action,
            contact_id=plan.contact_id,
            before=plan.before,
            wanted=plan.wanted,
            rev_before=plan.rev_before,
            updated_before=plan.updated_before,
            parent=self.parent.change_id,
            undoes=row.wish.get("undoes"),
            record=row.wish.get("record") or {},
        )

    def _grow(self, sent: Sequence[_Sent]) -> None:
        """The next chunk is larger if everything of a batch is there as it was sent. Otherwise batches are over."""
        batch = [one for one in sent if self._goes_by_batch(one.row)]
        if not batch:
            return
        if all(one.result is not None and one.result.state == "done" for one in batch):
            self.grown = min(self.grown + 1, len(CHUNKS) - 1)
        else:
            self.by_singles = True
            if any(one.result is not None and "not_kept" in one.result.shown for one in batch):
                self.book.profile.distrust("batch_creates", "a batch did not keep all that was sent")

    # Sending

    async def _send(self, sent: Sequence[_Sent]) -> None:
        batch = [one for one in sent if self._goes_by_batch(one.row)]
        limiter = anyio.CapacityLimiter(_SIDE_BY_SIDE)

        async def single(one: _Sent) -> None:
            async with limiter:
                await self._send_one(one)

        calls: list[tuple[Any, ...]] = [(single, one) for one in sent if one not in batch]
        await all_of([*([(self._send_batch, batch)] if batch else []), *calls])

    async def _send_batch(self, batch: Sequence[_Sent]) -> None:
        try:
            await self.book.api.create_contacts([one.plan.body() for one in batch], trace=_trace())
        except ContactsError as failure:
            for one in batch:
                one.failure = failure
        else:
            for one in batch:
                one.reply = WriteReply()

    async def _send_one(self, one: _Sent) -> None:
        await self._send_cleared(one, empty=first_way_to_clear(self.book.profile))

    async def _send_cleared(self, one: _Sent, *, empty: str | None) -> None:
        api, plan = self.book.api, one.plan
        try:
            if plan.action == "create":
                one.reply = await api.create_contact(plan.body(), trace=_trace())
                return
            assert plan.contact_id is not None
            if plan.action == "update":
                body = plan.body(empty=empty)
                one.reply = await api.update_contact(plan.contact_id, body, overwrite=plan.overwrite, trace=_trace())
            else:
                await api.delete_contact(plan.contact_id, trace=_trace())
                one.reply = WriteReply()
        except ContactsError as failure:
            one.failure = failure

    # Looking afterwards

    async def _look_after(self, sent: Sequence[_Sent]) -> None:
        """Up to three looks at everything that may have been carried out."""
        open_rows = [one for one in sent if not isinstance(one.failure, Unreachable | AccountError)]
        await self._look_until_proven(open_rows, is_over=False)
        tried = first_way_to_clear(self.book.profile)
        stubborn = [one for one in open_rows if self._left_standing(one)]
        other = other_way_to_clear(self.book.profile, tried) if stubborn else None
        if other is None:
            return
        for one in stubborn:  # the service may want null where "" did nothing
            await self._send_cleared(one, empty=other[0])
            one.is_proven = False
        await self._look_until_proven(stubborn, is_over=False)

    @staticmethod
    def _left_standing(one: _Sent) -> bool:
        seen = one.contact
        is_update = one.plan.action == "update" and one.is_proven and one.failure is None
        return is_update and seen is not None and bool(one.plan.left_standing(values_of(seen)))

    async def _look_until_proven(self, rows: Sequence[_Sent], *, is_over: bool) -> None:
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

    async def _is_seen(self, one: _Sent, looked: Looked, *, is_over: bool) -> bool:
        """Whether a look proves how the row came out, and shows all of it."""
        found = looked.with_phone(one.row.phone)
        known = one.plan.contact_id or (one.reply.id if one.reply else None)
        one.contact = next((contact for contact in found if known in (None, contact.id)), None)
        if one.contact is None and one.plan.contact_id is not None and (one.is_unanswered or is_over):
            one.contact = await self.book.api.get_contact(one.plan.contact_id)  # a search proves no absence
        given = circumstances(self.book, one.plan, one.entry, reply=one.reply, contact=one.contact, is_over=is_over)
        proof = one.plan.proof(Sight.of(one.contact), given)
        one.is_proven = proof == "done" or (one.contact is not None and self._is_ours_but_less(one, given.explained))
        is_whole = one.contact is None or not one.plan.unkept(values_of(one.contact))
        return one.is_proven and is_whole

    @staticmethod
    def _is_ours_but_less(one: _Sent, explained: frozenset[int]) -> bool:
        """Whether a contact that was not there before the create has nothing but values of ours: some were dropped."""
        if one.plan.action != "create" or one.contact is None or one.contact.id in explained or one.contact.rev > 1:
            return False
        own = {"display_name", "is_opted_out"}  # the service may make these itself
        more = differences(one.plan.wanted, values_of(one.contact))
        return all(is_empty(has) or key in own for key, (_, has) in more.items())

    def _write_outcomes(self, sent: Sequence[_Sent], *, is_over: bool = False) -> None:
        """What is known of each row now, for the journal and for the plan."""
        entries = []
        for one in sent:
            entry, one.result = self._outcome(one, is_over=is_over)
            if entry.change_id:
                entries.append(entry)
        self.book.journal.finish_all(entries)
        self.book.imports.save(self.number, [one.result for one in sent if one.result])

    def _outcome(self, one: _Sent, *, is_over: bool) -> tuple[Entry, StoredRow]:
        if one.is_proven:
            return self._done(one)
        if isinstance(one.failure, Unreachable | AccountError):
            return replace(one.entry, state="not_done"), moved_on(one.row, "planned")
        if isinstance(one.failure, NotDone | Rejected) and not self._goes_by_batch(one.row):
            return replace(one.entry, state="not_done"), moved_on(one.row, "failed", str(one.failure))
        if one.contact is not None and one.plan.action == "create":
            return replace(one.entry, state="unknown"), moved_on(one.row, "told", _OTHER)
        return self._unclear(one, is_over=is_over)

    def _unclear(self, one: _Sent, *, is_over: bool) -> tuple[Entry, StoredRow]:
        """A row that no look has proven."""
        if not is_over:
            return replace(self._as_given_up(one), state="unknown"), one.row
        given = circumstances(self.book, one.plan, one.entry, contact=one.contact, is_over=True)
        if one.plan.proof(Sight.of(one.contact), given) != "not_done":
            return replace(one.entry, state="unknown", looked=self.book.imports.now), moved_on(one.row, "told", _UNSURE)
        return replace(one.entry, state="not_done"), self._once_more(one.row)

    def _done(self, one: _Sent) -> tuple[Entry, StoredRow]:
        seen = Sight.of(one.contact)
        if one.contact is not None:
            self.book.mirror.noticed(one.contact)
        elif one.plan.contact_id is not None:
            self.book.mirror.noticed_gone(one.plan.contact_id)
        reply_rev = (one.reply.rev or 0) if one.reply else 0
        entry = replace(
            self._as_given_up(one),
            state="done",
            contact_id=seen.contact_id or one.entry.contact_id,
            after=seen.values or {},
            rev_after=reply_rev or seen.rev,
            updated_after=seen.updated,
        )
        report = one.plan.report(seen, one.reply)
        told = {
            "not_kept": [*report.unkept],
            "disturbed": [*report.disturbed],
            "someone_else": report.someone_else or (one.plan.action == "create" and seen.rev > 1),
        }
        shown = one.row.shown | {name: value for name, value in told.items() if value}
        is_told = any(told.values())
        row = replace(one.row, contact_id=entry.contact_id, shown=shown)
        return entry, moved_on(row, "told" if is_told else "done", _told_of(told) if is_told else "")

    def _as_given_up(self, one: _Sent) -> Entry:
        """The entry of a row whose request was left unanswered just now. An earlier one keeps its age."""
        is_just_now = isinstance(one.failure, AMBIGUOUS)
        return self.book.journal.given_up(one.entry) if is_just_now else one.entry

    @staticmethod
    def _once_more(row: StoredRow) -> StoredRow:
        """A row that was not carried out is planned again, singly from now on, which tells the reason."""
        tries = int(row.shown.get("tries", 0)) + 1
        if tries >= MOST_TRIES:
            return moved_on(row, "failed", f"was sent {tries} times and is not there.")
        return moved_on(replace(row, shown=row.shown | {"tries": tries, "single": True}), "planned")

    # What an earlier chunk or run left

    async def _look_at_sending(self) -> bool:
        """Look at the rows without a clear outcome. Those that can still arrive stay as they are."""
        after, unfinished = 0, self._unfinished_parts()
        while rows := self.book.imports.rows(self.number, state="sending", after=after, limit=CHUNKS[-2]):
            if self._has_to_stop():
                return False
            after = rows[-1].row
            phones = list(dict.fromkeys(form for row in rows for form in forms_of(row.phone)))
            ids = [row.contact_id for row in rows if row.contact_id]
            async with self.book.locks.phones(*phones), self.book.locks.contacts(*ids):
                sent = [self._as_sent(row, unfinished) for row in rows]
                over = [one for one in sent if self._seconds_left(one) <= 0]
                young = [one for one in sent if self._seconds_left(one) > 0]
                for some, is_over in ((over, True), (young, False)):
                    await self._look_until_proven(some, is_over=is_over)
                    self._write_outcomes(some, is_over=is_over)
            await self._report()
        return True

    def _unfinished_parts(self) -> dict[tuple[str, int | None], Entry]:
        """The unfinished entries of this run by phone and contact, for rows that do not know their entry."""
        return {
            (str(entry.wanted.get("phone") or entry.before.get("phone")), entry.contact_id): entry
            for entry in self.book.journal.unfinished()
            if entry.parent == self.parent.change_id
        }

    def _as_sent(self, row: StoredRow, unfinished: dict[tuple[str, int | None], Entry]) -> _Sent:
        entry = self.book.journal.get(row.change_id) if row.change_id else None
        entry = entry or unfinished.get((row.phone, row.contact_id))
        action = ACTIONS[row.decision]
        assert action != "import"
        if entry is None:
            entry = Entry(
                action=action, contact_id=row.contact_id, before=row.before, wanted=row.wanted, at=row.sent_at
            )
        plan = Plan(
            action=action,
            contact_id=entry.contact_id if action != "create" else None,
            before=entry.before,
            wanted=entry.wanted,
            rev_before=entry.rev_before,
            updated_before=entry.updated_before,
            overwrite=bool(row.wish.get("replace")),
        )
        return _Sent(replace(row, change_id=entry.change_id or None), plan, entry)

    def _seconds_left(self, one: _Sent) -> float:
        if one.entry.change_id:
            return self.book.journal.seconds_left(one.entry)
        return max(0.0, IN_FLIGHT - abs(self.book.imports.now - one.row.sent_at))


_OTHER = "somebody has this phone now, and it may be another contact."
_UNSURE = "may or may not have been carried out; look the contact up."


def _settled(row: StoredRow, verdict: Moved | None) -> StoredRow:
    """A row that needs no request any more."""
    if verdict is None:
        return moved_on(row, "done", "is so already.")
    shown = row.shown | ({"now": verdict.now} if verdict.now else {})
    return moved_on(replace(row, shown=shown), "moved", verdict.why)


def _told_of(told: dict[str, Any]) -> str:
    texts = {
        "not_kept": "Heymarket did not keep {}.",
        "disturbed": "Heymarket changed {} as well.",
        "someone_else": "Somebody else wrote to this contact at the same time.",
    }
    return " ".join(
        texts[name].format(", ".join(value) if isinstance(value, list) else "") for name, value in told.items() if value
    )


def _trace() -> Trace:
    return Trace(before_each=lambda: None)
