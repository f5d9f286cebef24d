"""Whether a row of a plan may run now: as planned, already so, or moved since. Pure but for the journal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from contacts_mcp.book.book import Book
from contacts_mcp.book.transfer.deciding import Switches
from contacts_mcp.book.transfer.looking import Looked, judged
from contacts_mcp.book.transfer.planning import switches_of, wish_from
from contacts_mcp.book.transfer.undoing import UndoJudge
from contacts_mcp.book.transfer.verdicts import Go, Moved, Verdict
from contacts_mcp.book.values import differences
from contacts_mcp.book.writing.plan import Plan, update_of
from contacts_mcp.models import Contact, Values
from contacts_mcp.state.imports import StoredPlan, StoredRow


class Judge(Protocol):
    """The rule for the rows of one plan."""

    def email_of(self, row: StoredRow) -> str:
        """The e-mail to look up with the row, or ""."""

    async def verdict(self, row: StoredRow, looked: Looked) -> Verdict:
        """The verdict on the row by this look."""


def judge_for(book: Book, plan: StoredPlan, change_id: int) -> Judge:
    if plan.kind == "undo":
        return UndoJudge(book)
    switches = switches_of(plan) if plan.kind == "file" else Switches(existing="overwrite")
    return _RowJudge(book, switches, change_id)


@dataclass(frozen=True, slots=True)
class _RowJudge:
    """Decides a row again and compares."""

    book: Book
    switches: Switches
    change_id: int

    def email_of(self, row: StoredRow) -> str:
        return str(row.wish["values"].get("email", "")) if row.decision == "new" else ""

    async def verdict(self, row: StoredRow, looked: Looked) -> Verdict:
        wish = wish_from(row)
        besides = await self._made_here(looked.with_email(wish.email))
        found = await judged(self.book, wish, looked, None, self.switches, besides=besides)
        now = found.decision
        contact = found.contacts[0] if len(found.contacts) == 1 else None
        is_as_planned = (now.decision, now.contact_id, now.before) == (row.decision, row.contact_id, row.before)
        if is_as_planned and _is_as_wanted(now.wanted, row.wanted):
            plan = _plan(row, now.wanted, contact, overwrite=bool(row.wish["replace"]))
            return Moved("would opt somebody in.") if plan.opts_in else Go(plan, contact)
        if now.decision == "same":
            return None
        return Moved(_why(row, now.reason, contact), {} if contact is None else _shown(row.before, now.before))

    async def _made_here(self, contacts: Sequence[Contact]) -> set[int]:
        """Those of the contacts that an earlier row of this very plan wrote: two rows may have one e-mail."""
        written = {contact.id: await self.book.journal.last_after(contact.id) for contact in contacts}
        return {each for each, entry in written.items() if entry is not None and entry.parent == self.change_id}


def _is_as_wanted(now: Values, planned: Values) -> bool:
    """Whether the same would be written. An opt-out may have come to the number since."""
    return all(key == "is_opted_out" and wanted is True for key, (_, wanted) in differences(planned, now).items())


def _plan(row: StoredRow, wanted: Values, contact: Contact | None, *, overwrite: bool) -> Plan:
    if contact is None:
        values = {key: value for key, value in wanted.items() if not (key == "is_opted_out" and value is False)}
        return Plan(action="create", before={}, wanted=values)
    return replace(update_of(contact, wanted, overwrite=overwrite), before=row.before)


def _why(row: StoredRow, reason: str, contact: Contact | None) -> str:
    if reason == "two_contacts":
        return "two contacts have this phone now."
    if reason == "another_number":
        return "a contact with another number has this e-mail now."
    if contact is None:
        return "the contact is not there with this phone any more."
    if row.contact_id is None:
        return "a contact with this phone appeared since."
    return "the contact was changed since."


def _shown(before: Values, now: Values) -> Mapping[str, Any]:
    return {key: list(pair) for key, pair in differences(before, now).items()}
