"""Taking a run back: a plan of its own, with a row for each change of the run.

1. A contact that the run created, and nobody changed since, is deleted.
2. Of a contact that it changed, exactly those fields are restored that still are as the run left them.
3. A contact that it deleted, as an undo does, is created again.
4. Everything else is kept and named. Nobody is opted in: an opt-out stays.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

from contacts_mcp.book.book import Book
from contacts_mcp.book.people.suppressions import left_opted_out
from contacts_mcp.book.transfer.looking import AT_ONCE, Looked, look
from contacts_mcp.book.transfer.outcomes import UNSURE
from contacts_mcp.book.transfer.planning import Counts, sealed
from contacts_mcp.book.transfer.verdicts import Go, Moved, Verdict
from contacts_mcp.book.values import differences, is_empty, nothing_for, values_of
from contacts_mcp.book.writing.plan import Plan, deletion_of, update_of
from contacts_mcp.book.writing.settle import plan_of
from contacts_mcp.models import Contact, Values
from contacts_mcp.state.imports import StoredPlan, StoredRow
from contacts_mcp.state.journal import Entry

_LOOKED_UP = 8 * AT_ONCE  # changes looked up together
_DECISIONS = {"create": "delete", "update": "restore", "delete": "create_again"}


async def begin_undo(book: Book, parent: Entry) -> int:
    """The number of a plan that is to take that run back."""
    return await book.imports.begin("undo", {"file": parent.record.get("file", ""), "undoes": parent.change_id}, {})


async def plan_that_undoes(book: Book, parent: Entry) -> StoredPlan | None:
    """The newest plan that takes that run back and is not over."""
    plans = await book.imports.plans("planned", "running", "stopped")
    return next((plan for plan in plans if plan.facts.get("undoes") == parent.change_id), None)


async def plan_undo(book: Book, plan: int, parent: Entry) -> StoredPlan:
    """Fill the plan that takes that run back."""
    counts, numbers = Counts(book), itertools.count(1)
    async with book.imports.filling(plan):
        async for part in _parts(book, parent):
            looked = await look(book, [_phone_of(entry) for entry in part])
            rows = [await _row(book, number, entry, looked) for entry, number in zip(part, numbers, strict=False)]
            for row in rows:
                counts.add(row)
            await book.imports.add(plan, rows)
        await book.imports.set(plan, counts=counts.as_json())
        return await sealed(book, plan)


async def _parts(book: Book, parent: Entry) -> AsyncIterator[list[Entry]]:
    """The changes of the run that stand, and those of which nobody knows whether they do, some hundred at a time."""
    after = 0
    while found := await book.journal.parts_of(parent.change_id, after=after, limit=_LOOKED_UP):
        after = found[-1].change_id
        yield [entry for entry in found if entry.state != "not_done" and not entry.undone_by]


async def _row(book: Book, number: int, entry: Entry, looked: Looked) -> StoredRow:
    contact = _contact_of(entry, looked)
    verdict = await undone(book, entry, contact, looked) if entry.state == "done" else Moved(UNSURE)
    shown: dict[str, Any] = {"name": _name(entry)}
    if isinstance(verdict, Go):
        decision = _DECISIONS[entry.action]
        if kept := _kept(entry, contact):
            shown["kept"] = kept
        return StoredRow(
            row=number,
            line=number,
            phone=_phone_of(entry),
            decision=decision,
            contact_id=None if decision == "create_again" else entry.contact_id,
            state="planned",
            wish={"undoes": entry.change_id, "record": _record(verdict)},
            before=verdict.plan.before,
            wanted=verdict.plan.wanted,
            shown=shown,
        )
    reason = "" if verdict is None else verdict.why
    return StoredRow(
        row=number,
        line=number,
        phone=_phone_of(entry),
        decision="same" if verdict is None else "kept",
        contact_id=entry.contact_id,
        shown=shown | ({"problem": reason} if reason else {}),
    )


def _record(verdict: Go) -> dict[str, Any]:
    """A contact that is deleted, as it was, for taking that back."""
    contact = verdict.contact
    return contact.model_dump(mode="json") if verdict.plan.action == "delete" and contact else {}


@dataclass(frozen=True, slots=True)
class UndoJudge:
    """Decides a row of an undo again."""

    book: Book

    def email_of(self, row: StoredRow) -> str:  # noqa: ARG002 -- the shape of the judges
        return ""

    async def verdict(self, row: StoredRow, looked: Looked) -> Verdict:
        entry = await self.book.journal.get(row.wish["undoes"])
        if entry is None:
            return Moved("the change is not in the journal any more.")
        if entry.undone_by:
            return None
        found = await undone(self.book, entry, _contact_of(entry, looked), looked)
        if isinstance(found, Go) and (found.plan.before, found.plan.wanted) != (row.before, row.wanted):
            return Moved("the contact was changed since.")
        return found


async def undone(book: Book, entry: Entry, contact: Contact | None, looked: Looked) -> Verdict:
    """The verdict on taking one change back now. None where nothing is left to take back."""
    if entry.action == "delete":
        return await _created_again(book, entry, looked)
    if contact is None:
        return Moved("the contact is gone, or has another phone.")
    now = values_of(contact)
    if entry.action == "create":
        if entry.rev_after > 1:
            return Moved("the contact may have been there before the run.")
        if differences(entry.after, now) or (contact.rev and contact.rev > entry.rev_after > 0):
            return Moved("the contact was changed since.")
        return Go(
            deletion_of(contact),
            contact,
        )
    return _restored(entry, contact, now)


def _restored(entry: Entry, contact: Contact, now: Values) -> Verdict:
    """The fields of an update that still are as it left them."""
    made = _made(entry)
    restored = {key: old for key, (old, left) in made.items() if now.get(key, nothing_for(key)) == left}
    if restored.get("is_opted_out") is not True:
        restored.pop("is_opted_out", None)
    others = {key for key in made if key != "is_opted_out"}
    if not restored:
        return Moved("the contact was changed since.") if others else Moved("the opt-out stays.")
    return Go(
        update_of(contact, now | restored),
        contact,
    )


async def _created_again(book: Book, entry: Entry, looked: Looked) -> Verdict:
    wanted = {key: value for key, value in entry.before.items() if not is_empty(value) and value is not False}
    phone = str(wanted.get("phone", ""))
    if not phone:
        return Moved("the deleted contact had no phone.")
    if looked.with_phone(phone):
        return Moved("somebody has this phone now.")
    if await left_opted_out(book, phone):
        wanted["is_opted_out"] = True
    return Go(Plan(action="create", before={}, wanted=wanted))


def _made(entry: Entry) -> dict[str, tuple[Any, Any]]:
    return differences(entry.before, entry.after, among=plan_of(entry).asked)


def _kept(entry: Entry, contact: Contact | None) -> list[str]:
    """The fields of an update that were changed since, and stay."""
    if entry.action != "update" or contact is None:
        return []
    now = values_of(contact)
    return [key for key, (_, left) in _made(entry).items() if now.get(key, nothing_for(key)) != left]


def _contact_of(entry: Entry, looked: Looked) -> Contact | None:
    return next((one for one in looked.with_phone(_phone_of(entry)) if one.id == entry.contact_id), None)


def _phone_of(entry: Entry) -> str:
    table = entry.before if entry.action == "delete" else entry.after or entry.wanted
    return str(table.get("phone", ""))


def _name(entry: Entry) -> str:
    table = entry.after or entry.before or entry.wanted
    return str(table.get("display_name") or f"{table.get('first', '')} {table.get('last', '')}".strip())
