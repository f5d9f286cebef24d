"""Finding out what became of changes whose outcome is not known.

- An entry is settled by a look at the contact itself, and judged by `plan.py` as a live write is.
- The state in which a later change found the contact may prove that an entry was carried out. It never proves the
  opposite.
- After a later change, a look at the contact proves nothing about an entry, because the later change may have done the
  same.
- `not_done` is written only once nothing of the write can arrive any more, and after several looks that agree.
- A failure to look leaves the entry as it is. There will be another time.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import anyio

from contacts_mcp.book.book import Book
from contacts_mcp.book.writing.known import keeps_names, lost_names
from contacts_mcp.book.writing.plan import Circumstances, Plan, Proof, Sight
from contacts_mcp.book.writing.write import circumstances, is_explained, with_phone
from contacts_mcp.errors import BadAnswer, ContactsError, Forbidden, Rejected
from contacts_mcp.models import Values, WriteReply
from contacts_mcp.state.journal import Entry

MOST_SETTLED = 20
SETTLING = 5.0  # seconds of a call for entries left unfinished
LOOKS_TO_BE_SURE = 12  # in a row, before a change is called not done: some of them may go to a replica that is behind


def plan_of(entry: Entry) -> Plan:
    """The write that `entry` describes, which is no import: that has writes below it."""
    assert entry.action != "import"
    return Plan(
        action=entry.action,
        contact_id=entry.contact_id,
        before=entry.before,
        wanted=entry.wanted,
        rev_before=entry.rev_before,
        updated_before=entry.updated_before,
    )


async def settle(book: Book) -> None:
    """Complete the unfinished entries whose contact nobody holds, as far as looking tells in time. Never fails."""
    with suppress(ContactsError), anyio.move_on_after(SETTLING):
        entries = (await book.journal.unfinished())[:MOST_SETTLED]
        for run in await book.journal.open_runs():  # the journal was away when it ended, or its process died
            plan = await book.imports.plan(int(run.record["plan"]))
            if plan is None or plan.state == "done":
                await close_run(book, run)
        for entry in entries:
            async with book.locks.if_free(entry.contact_id, str(entry.wanted.get("phone", ""))) as is_held:
                if is_held:
                    await settle_entry(book, entry.change_id)


async def close_run(book: Book, run: Entry) -> None:
    """Write down that a run is over, and how many rows came out how. An undo of which rows are left can be repeated."""
    states = await book.imports.states(int(run.record["plan"]))
    is_whole = bool(states) and not states.get("failed") and not states.get("planned")
    outcomes: Values = {state: count for state, count in states.items() if state and count}
    await book.journal.finish(replace(run, state="done", after=outcomes, undoes=run.undoes if is_whole else None))


async def settle_entry(book: Book, change_id: int) -> None:
    """Complete one unfinished entry by looking.

    The caller holds its contact or phone. Raises ContactsError where nothing can be looked up.
    """
    entry = await book.journal.get(change_id)
    if entry is None or entry.state not in ("begun", "unknown"):
        return
    try:
        for _ in range(LOOKS_TO_BE_SURE):
            found, seen = await _judged(book, entry)
            if found != "not_done":
                break
    except (BadAnswer, Rejected, Forbidden):  # this one cannot be read; others may
        return
    if found == "not_done" and book.journal.may_still_arrive(entry):  # another copy of it may, whatever this one said
        found = "unknown"
    if found != "done":
        await book.journal.looked_at(replace(entry, state=found))
        return
    await _complete(book, entry, seen)


async def _complete(book: Book, entry: Entry, seen: Sight) -> None:
    """Write down that `entry` was carried out, as `seen` shows."""
    if entry.action == "delete" and entry.contact_id is not None:
        book.mirror.noticed_gone(entry.contact_id)
    if entry.action == "update" and entry.parent is None and keeps_names(book.profile):  # a run always sends names
        lost_names(book.profile, plan_of(entry), seen, change=f" (change {entry.change_id})")
    await book.journal.looked_at(
        replace(
            entry,
            state="done",
            contact_id=seen.contact_id or entry.contact_id,
            after=seen.values or {},
            rev_after=seen.rev,
            updated_after=seen.updated,
        )
    )


async def _judged(book: Book, entry: Entry) -> tuple[Proof, Sight]:
    plan = plan_of(entry)
    reply = WriteReply(rev=entry.rev_after) if entry.rev_after else None  # the service accepted it
    given = await circumstances(book, plan, entry, reply=reply, is_over=not book.journal.may_still_arrive(entry))
    if plan.action == "create":
        return await _judged_create(book, entry, plan, given)
    later = await book.journal.next_after(entry)
    while later is not None:
        seen = Sight(
            values=later.before, contact_id=entry.contact_id, rev=later.rev_before, updated=later.updated_before
        )
        # The later change found the contact up to date with all that was known before it.
        if plan.proof(seen, replace(given, last_change=None)) == "done":
            return "done", seen
        if later.state != "not_done":  # the contact shows the later change by now
            return "unknown", seen
        later = await book.journal.next_after(later)
    assert entry.contact_id is not None
    seen = Sight.of(await book.api.get_contact(entry.contact_id))
    return plan.proof(seen, given), seen


async def _judged_create(book: Book, entry: Entry, plan: Plan, given: Circumstances) -> tuple[Proof, Sight]:
    """Every contact with the phone is looked at. One that left the phone since may have been ours."""
    phone = str(plan.wanted["phone"])
    found = await with_phone(book, phone)
    unexplained = [contact for contact in found if not await is_explained(book, contact.id, besides=entry)]
    if await book.journal.departures_from(phone, after=entry.change_id):
        return "unknown", Sight(values=None)
    if not unexplained:
        return plan.proof(Sight(values=None), given), Sight(values=None)
    seen = [Sight.of(contact) for contact in unexplained]
    return next((("done", one) for one in seen if plan.proof(one, given) == "done"), ("unknown", seen[0]))
