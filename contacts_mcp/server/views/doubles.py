"""The answers about contacts that are one person: the sets that were found, and a merge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

from contacts_mcp.server.views.changes import change_facts, change_lines
from contacts_mcp.server.views.contacts import concise, line, who, whole
from contacts_mcp.server.views.fitting import CUTS, Answer, ContactFacts, Facts, Shown, fitted, going_on, noted
from contacts_mcp.server.views.writes import confirmation_lines
from contacts_mcp.words.display import LABEL, Cut, in_line, safe, visible, word

if TYPE_CHECKING:
    from contacts_mcp.book import DoublesShown, Loss, Merged, Source

REASONS = {
    "conflict": "the kept contact has another value",
    "too_many_tags": "a contact has at most five tags",
    "number": "a contact has one phone",
    "unreadable": "it cannot be read here",
    "cannot_be_written": "Heymarket writes it alone",
}


class DuplicatesResult(BaseModel):
    """Answer of find_duplicates."""

    sets: list[Facts]
    total: int
    contacts: int
    complete: bool
    next_cursor: str
    notes: list[str]
    note_kinds: list[str] | None = None


class MergeResult(BaseModel):
    """Answer of merge_contacts. A field that does not apply is left out."""

    status: Literal["merged", "unchanged", "declined", "needs_confirmation"]
    contact: ContactFacts
    others: list[ContactFacts]
    sources: list[Facts]
    losses: list[Facts]
    changes: list[Facts]
    notes: list[str]
    note_kinds: list[str] | None = None
    change_id: int | None = None
    question: str | None = None
    confirm_token: str | None = None


def duplicates_found(doubles: DoublesShown) -> Answer:
    """The answer to a search for doubles: the contacts of each set, and why they are one person."""

    def shown(cut: Cut) -> Shown:
        facts = DuplicatesResult(
            sets=[
                {
                    "contacts": [concise(card, (), cut) for card in one.cards],
                    "why": visible(one.why, limit=4 * cut.value),
                }
                for one in doubles.sets
            ],
            total=doubles.total,
            contacts=doubles.contacts,
            complete=doubles.known.complete,
            next_cursor=doubles.next_cursor,
            **noted(doubles.notes),
        )
        lines = []
        for number, one in enumerate(doubles.sets, start=1):
            lines += [f"Set {number}. {one.why}", *(f"  {line(card, (), shows_created=True)}" for card in one.cards)]
        return [*lines, _ending(doubles), *doubles.notes], facts

    return fitted(shown, cuts=CUTS[1:])


def _ending(doubles: DoublesShown) -> str:
    sets = f"{doubles.total} set{'' if doubles.total == 1 else 's'} with {doubles.contacts} contacts"
    complete = f"complete: {'true' if doubles.known.complete else 'false'}"
    return "; ".join(filter(None, [sets, complete, doubles.next_cursor and going_on(doubles.next_cursor)])) + "."


HEADLINES = {
    "needs_confirmation": "needs_confirmation, so nothing was done yet: keep",
    "merged": "merged into",
    "unchanged": "unchanged, done before:",
}


def merged(outcome: Merged) -> Answer:
    """The answer to a merge, made or still to be confirmed: each value with its source, and what is lost."""

    def shown(cut: Cut) -> Shown:
        facts = MergeResult.model_construct(
            status=outcome.status,
            contact=whole(outcome.card, cut) if outcome.card else {},
            others=[whole(card, cut) for card in outcome.others],
            sources=[_source_facts(one, cut) for one in outcome.sources],
            losses=[_loss_facts(one, cut) for one in outcome.losses],
            changes=change_facts(outcome.changes, cut),
            change_id=outcome.change_id,
            question=outcome.question or None,
            confirm_token=outcome.confirm_token or None,
            **noted(outcome.notes),
        )
        kept = who(outcome.card) if outcome.card else "the contact"
        change = f" (change {outcome.change_id})" if outcome.change_id else ""
        lines = [
            f"{HEADLINES[outcome.status]} {kept}{change}.",
            *(f"  {'deleted' if outcome.deleted else 'to be deleted'}: {who(card)}" for card in outcome.others),
            *(f"- {text}" for text in change_lines(outcome.changes, cut)),
            *(f"- {_source_line(one, cut)}" for one in outcome.sources if outcome.confirm_token),
            *(f"- lost: {_loss_line(one, cut)}" for one in outcome.losses),
            *confirmation_lines(outcome.question, outcome.confirm_token),
        ]
        return [*lines, *outcome.notes], facts

    return fitted(shown)


def _source_facts(one: Source, cut: Cut) -> dict[str, Any]:
    return {"field": one.field, "value": safe(one.value, cut), "from": one.contact_id}


def _loss_facts(one: Loss, cut: Cut) -> dict[str, Any]:
    return {"field": one.field, "value": safe(one.value, cut), "from": one.contact_id, "reason": one.reason}


def _source_line(one: Source, cut: Cut) -> str:
    return f"{word(one.field, limit=LABEL)}: {in_line(one.value, limit=cut.value)} from {one.contact_id}"


def _loss_line(one: Loss, cut: Cut) -> str:
    said = f"{word(one.field, limit=LABEL)} {in_line(one.value, limit=cut.value)} of {one.contact_id}"
    return f"{said}, because {REASONS[one.reason]}"
