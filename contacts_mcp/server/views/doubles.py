"""The answers about contacts that are one person: the sets that were found, and a merge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

from contacts_mcp.server.views.changes import change_facts, change_lines
from contacts_mcp.server.views.contacts import concise, line, who, whole
from contacts_mcp.server.views.fitting import (
    CUTS,
    Answer,
    Facts,
    Shown,
    completeness,
    fitted,
    going_on,
    noted,
)
from contacts_mcp.server.views.writes import ConfirmableResult, confirmation_lines
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


class MergeResult(ConfirmableResult):
    """Answer of merge_contacts."""

    status: Literal["merged", "unchanged", "declined", "needs_confirmation"]
    others: list[Facts]  # as `contact`
    sources: list[Facts]
    losses: list[Facts]


def duplicates_found(doubles: DoublesShown) -> Answer:
    """The answer to a search for doubles: the contacts of each set, and why they are one person."""

    def shown(cut: Cut) -> Shown:
        facts = DuplicatesResult(
            sets=[
                {
                    "contacts": [concise(card, (), cut, shows_created=True) for card in one.cards],
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
    onward = [going_on(doubles.next_cursor)] if doubles.next_cursor else []
    return "; ".join([sets, completeness(doubles.known.complete), *onward]) + "."


HEADLINES = {
    "needs_confirmation": "needs_confirmation, so nothing was done yet: keep",
    "merged": "merged into",
    "unchanged": "unchanged, done before:",
}


def merged(outcome: Merged) -> Answer:
    """The answer to a merge, made or still to be confirmed: the values with their sources, and the losses."""

    def shown(cut: Cut) -> Shown:
        return [*_merge_lines(outcome, cut), *outcome.notes], _merge_facts(outcome, cut)

    return fitted(shown)


def _merge_facts(outcome: Merged, cut: Cut) -> MergeResult:
    return MergeResult.model_construct(
        status=outcome.status,
        contact=whole(outcome.card, cut) if outcome.card else {},
        others=[whole(card, cut) for card in outcome.others],
        sources=[_value_facts(one, cut) for one in outcome.sources],
        losses=[_value_facts(one, cut) | {"reason": one.reason} for one in outcome.losses],
        changes=change_facts(outcome.changes, cut),
        change_id=outcome.change_id,
        question=outcome.question or None,
        confirm_token=outcome.confirm_token or None,
        **noted(outcome.notes),
    )


def _merge_lines(outcome: Merged, cut: Cut) -> list[str]:
    kept = who(outcome.card) if outcome.card else "the contact"
    change = f" (change {outcome.change_id})" if outcome.change_id else ""
    return [
        f"{HEADLINES[outcome.status]} {kept}{change}.",
        *(f"  {'deleted' if outcome.deleted else 'to be deleted'}: {who(card)}" for card in outcome.others),
        *(f"- {text}" for text in change_lines(outcome.changes, cut)),
        *(f"- {_source_line(one, cut)}" for one in outcome.sources if outcome.confirm_token),
        *(f"- lost: {_loss_line(one, cut)}" for one in outcome.losses),
        *confirmation_lines(outcome.question, outcome.confirm_token),
    ]


def _value_facts(one: Source | Loss, cut: Cut) -> dict[str, Any]:
    return {"field": one.field, "value": safe(one.value, cut), "from": one.contact_id}


def _source_line(one: Source, cut: Cut) -> str:
    return f"{word(one.field, limit=LABEL)}: {in_line(one.value, limit=cut.value)} from {one.contact_id}"


def _loss_line(one: Loss, cut: Cut) -> str:
    said = f"{word(one.field, limit=LABEL)} {in_line(one.value, limit=cut.value)} of {one.contact_id}"
    return f"{said}, because {REASONS[one.reason]}"
