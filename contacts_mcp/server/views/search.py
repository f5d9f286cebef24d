"""The answers of a search, and the description of the account."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel

from contacts_mcp.server.views.contacts import Detail, concise, detail_lines, line, who, whole
from contacts_mcp.server.views.fitting import (
    CUTS,
    Answer,
    Facts,
    Shown,
    completeness,
    fitted,
    going_on,
    noted,
    with_members,
)
from contacts_mcp.words.display import LABEL, Cut, all_in_line, quoted, visible, word

if TYPE_CHECKING:
    from contacts_mcp.book import Description, FieldUse, Finding, Known, Matched

MOST_NAMES = 60  # tags or members that are described

FoundFacts = Annotated[
    dict[str, Any],
    with_members(contact_id="integer", name="string", phone="string", match="string", why="string"),
]


class SearchResult(BaseModel):
    """Answer of search_contacts."""

    contacts: list[FoundFacts]
    total: int | None = None  # contacts that match; left out where only a part of the book was looked through
    complete: bool  # whether the whole book was searched
    searched: int | None = None  # contacts; left out where the service itself was asked for one
    of: int | None = None
    as_of: str | None = None
    next_cursor: str
    notes: list[str]
    note_kinds: list[str] | None = None


class AccountResult(BaseModel):
    """Answer of describe_account."""

    fields: list[Facts]
    tags: list[Facts]
    members: list[Facts]
    counts: dict[str, int]
    complete: bool
    as_of: str | None = None
    notes: list[str]
    note_kinds: list[str] | None = None


def found(finding: Finding, *, detail: Detail, shows_created: bool = False) -> Answer:
    """The answer to a search: a line a contact with the reason, then how many there are and what was searched."""

    def shown(cut: Cut) -> Shown:
        facts = SearchResult(
            contacts=[_facts(one, finding, detail, cut, shows_created=shows_created) for one in finding.matched],
            total=finding.total,
            complete=finding.complete,
            searched=finding.searched,
            of=finding.of,
            as_of=finding.as_of or None,
            next_cursor=finding.next_cursor,
            **noted(finding.notes),
        )
        lines = [
            text for one in finding.matched for text in _lines(one, finding, detail, cut, shows_created=shows_created)
        ]
        return [*lines, _ending(finding), *finding.notes], facts

    return fitted(shown, cuts=CUTS[1:])


def _facts(one: Matched, finding: Finding, detail: Detail, cut: Cut, *, shows_created: bool) -> dict[str, Any]:
    is_full = detail == "full"
    facts = (
        whole(one.card, cut) if is_full else concise(one.card, finding.shown_fields, cut, shows_created=shows_created)
    )
    why = {"why": visible(one.why, limit=cut.value)} if one.why else {}
    return {**facts, "match": one.match, **why}


def _lines(one: Matched, finding: Finding, detail: Detail, cut: Cut, *, shows_created: bool) -> list[str]:
    reason = f" [{one.match}: {one.why}]" if one.why else ""
    if detail == "full":
        return [f"{who(one.card)}{reason}", *detail_lines(one.card, cut)]
    return [f"{line(one.card, finding.shown_fields, shows_created=shows_created)}{reason}"]


def _ending(finding: Finding) -> str:
    """How many match, how much of the book that is, and how to go on."""
    parts = [_how_many(finding), completeness(finding.complete)]
    if not finding.complete and finding.searched is not None:
        of = f" of {finding.of}" if finding.of is not None else ""
        parts.append(f"{finding.searched}{of} contacts searched so far, others may match")
    if finding.as_of:
        parts.append(f"as of {finding.as_of}")
    if finding.next_cursor:
        parts.append(going_on(finding.next_cursor))
    return "; ".join(parts) + "."


def _how_many(finding: Finding) -> str:
    if finding.total is None:
        return f"{len(finding.matched)} contacts shown here"
    least = "" if finding.is_exact else "at least "
    match = "contact matches" if finding.total == 1 else "contacts match"
    shown = f", {len(finding.matched)} shown here" if len(finding.matched) < finding.total else ""
    return f"{least}{finding.total} {match}{shown}"


# The account


def described(account: Description) -> Answer:
    """The answer to a question for the account's fields, tags and team."""

    def shown(cut: Cut) -> Shown:
        facts = AccountResult(
            fields=[_field_facts(one, cut) for one in account.fields],
            tags=[_counted_facts(name, count) for name, count in account.tags],
            members=[_counted_facts(name, count) for name, count in account.members],
            counts=account.counts,
            complete=account.known.complete,
            as_of=account.known.as_of or None,
            **noted(account.known.notes),
        )
        counts = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in account.counts.items())
        lines = [
            *([f"Of the account: {counts}."] if counts else []),
            "Custom fields:",
            *(f"- {_field_line(one)}" for one in account.fields),
            f"Tags: {_names_line(account.tags)}.",
            f"Team: {_names_line(account.members)}.",
            *_state_lines(account.known),
        ]
        return [*lines, *account.known.notes], facts

    return fitted(shown, cuts=CUTS[1:])


def _field_facts(one: FieldUse, cut: Cut) -> dict[str, Any]:
    facts = {
        "field_id": one.field_id,
        "name": one.name,
        "kind": one.kind,
        "contacts": one.contacts,
        "values": [{"value": visible(text, limit=cut.value), "contacts": count} for text, count in one.values],
        "twins": list(one.twins),
    }
    return {name: value for name, value in facts.items() if value not in (None, [])}


def _counted_facts(name: str, count: int | None) -> dict[str, Any]:
    return {"name": name} | ({"contacts": count} if count is not None else {})


def _field_line(one: FieldUse) -> str:
    kind = f" ({one.kind})" if one.kind else ""
    count = f": {one.contacts} contact{'' if one.contacts == 1 else 's'}" if one.contacts is not None else ""
    values = ", ".join(f"{quoted(text, limit=40)} {number}" for text, number in one.values)
    twins = f"; may mean the same as {all_in_line(one.twins)}" if one.twins else ""
    return f"{word(one.name, limit=LABEL)}{kind}{count}{f'; values {values}' if values else ''}{twins}"


def _names_line(names: Sequence[tuple[str, int | None]]) -> str:
    shown = [
        f"{word(name, limit=LABEL)}{f' {count}' if count is not None else ''}" for name, count in names[:MOST_NAMES]
    ]
    more = [f"and {len(names) - MOST_NAMES} more"] if len(names) > MOST_NAMES else []
    return ", ".join([*shown, *more]) or "none"


def _state_lines(known: Known) -> list[str]:
    if not known.is_there:
        return []
    of = f" of {known.of}" if known.of is not None else ""
    whole_book = "all contacts" if known.complete else f"{known.searched}{of} contacts"
    return [f"Counted from {whole_book}; {completeness(known.complete)}; as of {known.as_of or 'now'}."]
