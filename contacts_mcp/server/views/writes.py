"""The answers of the tools that change a contact: done, nothing to do, to be confirmed, or declined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

from contacts_mcp.server.views.changes import change_facts, change_lines
from contacts_mcp.server.views.contacts import detail_lines, who, whole
from contacts_mcp.server.views.fitting import NAME, Answer, ContactFacts, Facts, Shown, fitted, noted
from contacts_mcp.words.display import Cut, quoted
from contacts_mcp.words.note import Note

if TYPE_CHECKING:
    from contacts_mcp.book import Outcome

Status = Literal["created", "exists", "updated", "unchanged", "deleted", "undone", "declined", "needs_confirmation"]


class WriteResult(BaseModel):
    """Answer of a tool that changes a contact. A field that does not apply is left out."""

    status: str
    contact: ContactFacts
    changes: list[Facts]
    notes: list[str]
    note_kinds: list[str] | None = None
    change_id: int | None = None


class ConfirmableResult(WriteResult):
    """The same of a tool that may ask for a confirmation."""

    question: str | None = None
    confirm_token: str | None = None


# Each tool publishes the statuses that it can have.


class CreateResult(WriteResult):
    """Answer of create_contact."""

    status: Literal["created", "exists", "updated", "unchanged"]


class UpdateResult(ConfirmableResult):
    """Answer of update_contact."""

    status: Literal["updated", "unchanged", "declined", "needs_confirmation"]


class DeleteResult(ConfirmableResult):
    """Answer of delete_contact."""

    status: Literal["deleted", "declined", "needs_confirmation"]


def wrote(outcome: Outcome) -> Answer:
    """The answer to a change, made or still to be confirmed."""
    card = outcome.card
    shows_contact = card and (
        outcome.status in ("exists", "deleted") or (outcome.confirm_token and not outcome.changes)
    )

    def shown(cut: Cut) -> Shown:
        facts = ConfirmableResult(
            status=outcome.status,
            contact=whole(card, cut) if card else {},
            changes=change_facts(outcome.changes, cut),
            change_id=outcome.change_id,
            question=outcome.question or None,
            confirm_token=outcome.confirm_token or None,
            **noted(outcome.notes),
        )
        contact = detail_lines(card, cut) if card and shows_contact else []
        changes = [f"- {line}" for line in change_lines(outcome.changes, cut)]
        return [
            _headline(outcome),
            *contact,
            *changes,
            *confirmation_lines(outcome.question, outcome.confirm_token),
            *outcome.notes,
        ], facts

    return fitted(shown)


def declined(contact: Mapping[str, Any]) -> Answer:
    """The answer to a no. `contact` is the one that the person was shown, in the form of `whole`. It is {} for many."""
    note = Note("declined", "The person was asked and said no. Nothing was changed.")
    result = ConfirmableResult(status="declined", contact=dict(contact), changes=[], **noted([note]))
    name = quoted(str(contact["name"]), limit=NAME) if contact.get("name") else ""
    about = " ".join(filter(None, (str(contact.get("contact_id", "")), name, str(contact.get("phone", "")))))
    shown = f": contact {about}" if about else ""
    return fitted(lambda _: ([f"{HEADLINES['declined']}{shown}."], result))


def _headline(outcome: Outcome) -> str:
    change = f" (change {outcome.change_id})" if outcome.change_id else ""
    about = f": {who(outcome.card)}" if outcome.card else ""
    return f"{HEADLINES[outcome.status]}{about}{change}."


HEADLINES: dict[Status, str] = {
    "created": "Created",
    "exists": "Exists, so nothing was done",
    "updated": "Updated",
    "unchanged": "Unchanged",
    "deleted": "Deleted",
    "undone": "Undone",
    "declined": "Declined by the person, so nothing was done",
    "needs_confirmation": "needs_confirmation, so nothing was done yet",
}


def confirmation_lines(question: str, token: str) -> list[str]:
    """How to go on with a change that needs a confirmation."""
    if not token:
        return []
    return [
        f"Ask the person: {question}",
        f"If they say yes, repeat this call with confirm_token {token} (valid once, for 15 minutes).",
    ]
