"""What tools answer: a few lines that stand alone, and the same facts as a compact structure.

Texts from contacts are data written by strangers. Wherever one goes it passes `safe`: nothing in it hidden, on one line, cut with a mark. In lines
they stand in quotes, or after a colon, and are never formatted as if they were ours.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from contacts_mcp.book.book import Outcome
from contacts_mcp.book.cards import Card, Change
from contacts_mcp.book.history import Told
from contacts_mcp.book.journal import Entry
from contacts_mcp.book.listing import Listing
from contacts_mcp.book.lookup import Found
from contacts_mcp.text import visible

NAME = 60  # characters of a name
LABEL = 700  # of a field, tag or member: shown safe and short already, and must read back, so never cut here
VALUE = 200  # of a value where there are many
WHOLE_VALUE = 2_000  # of a value where one contact is shown
ANSWER = 40_000  # of a whole answer, about 10,000 tokens
MOST = 50  # items of one list or object

Facts = Annotated[dict[str, Any], WithJsonSchema({"type": "object"})]
Detail = Literal["concise", "full"]


class WriteResult(BaseModel):
    """Answer of the tools that change a contact; what does not apply is left out."""

    status: str
    contact: Facts
    changes: list[Facts]
    notes: list[str]
    change_id: int | None = None
    question: SkipJsonSchema[str | None] = None
    confirm_token: str | None = None


class LookupResult(BaseModel):
    """Answer of lookup_contact."""

    found: bool
    contacts: list[Facts]
    notes: list[str]


class ListResult(BaseModel):
    """Answer of list_contacts; `next_cursor` is empty at the end."""

    contacts: list[Facts]
    next_cursor: str
    complete: bool
    notes: list[str]


class FieldsResult(BaseModel):
    """Answer of list_contact_fields."""

    fields: list[Facts]


class ChangesResult(BaseModel):
    """Answer of list_changes; without `next_cursor` there is nothing older."""

    changes: list[Facts]
    next_cursor: int | None = None


Wrote = Annotated[CallToolResult, WriteResult]
LookedUp = Annotated[CallToolResult, LookupResult]
Listed = Annotated[CallToolResult, ListResult]
ChangesListed = Annotated[CallToolResult, ChangesResult]
FieldsListed = Annotated[CallToolResult, FieldsResult]


def wrote(outcome: Outcome) -> CallToolResult:
    """The answer to a change, made or still to be confirmed."""
    facts = WriteResult(
        status=outcome.status,
        contact=whole(outcome.card) if outcome.card else safe(outcome.record, VALUE),
        changes=_changes(outcome.changes),
        notes=outcome.notes,
        change_id=outcome.change_id,
        question=outcome.question or None,
        confirm_token=outcome.confirm_token or None,
    )
    lines = [_headline(outcome), *map(_change_line, outcome.changes), *_confirmation_lines(outcome), *outcome.notes]
    if outcome.card and (outcome.status == "exists" or (outcome.confirm_token and not outcome.changes)):
        lines[1:1] = detail_lines(outcome.card)  # what is there, or what would go
    return answer(lines, facts)


def looked_up(found: Found) -> CallToolResult:
    """The answer to a look-up."""
    shown = found.cards[:MOST]
    more = [f"{len(found.cards) - len(shown)} more have it too and are not shown."] if len(found.cards) > len(shown) else []
    facts = LookupResult(found=bool(found.cards), contacts=[whole(card) for card in shown], notes=[*found.notes, *more])
    lines = [line for card in shown for line in (f"{_who(card)}", *detail_lines(card))]
    return answer([*(lines or ["Nobody has that."]), *facts.notes], facts)


def listed(listing: Listing, *, detail: Detail, shown_fields: Sequence[str] = ()) -> CallToolResult:
    """The answer to a listing: a line a contact, and how to go on."""
    is_full = detail == "full"
    contacts = [whole(card, VALUE) if is_full else concise(card, shown_fields) for card in listing.cards]
    facts = ListResult(contacts=contacts, next_cursor=listing.next_cursor, complete=listing.complete, notes=listing.notes)
    lines = []
    for card in listing.cards:
        lines += [_who(card), *detail_lines(card, VALUE)] if is_full else [_line(card, shown_fields)]
    return answer([*lines, *_ending_lines(listing), *listing.notes], facts)


def fields_listed(fields: Sequence[tuple[int, str]], *, query: str) -> CallToolResult:
    """The answer to a question for custom fields."""
    facts = FieldsResult(fields=[{"field_id": number, "name": label} for number, label in fields])
    lines = [f"{number}: {label}" for number, label in fields]
    return answer(
        lines or [f'No custom field is called like "{visible(query, limit=NAME)}".' if query else "The account has no custom fields."],
        facts,
    )


def declined(facts: Mapping[str, Any]) -> CallToolResult:
    """The answer where the person, asked whether to go on, said no; `facts` are those of the needs_confirmation before."""
    contact = dict(facts.get("contact") or {})
    result = WriteResult(status="declined", contact=contact, changes=[], notes=["The person was asked and said no; nothing was changed."])
    return answer([f"{_HEADLINES['declined']}: contact {contact.get('contact_id', '')}.".replace(" .", ".")], result)


def with_note(result: CallToolResult, note: str) -> CallToolResult:
    """`result` with one more sentence, in both its forms."""
    facts = dict(result.structured_content or {})
    texts = [
        TextContent(type="text", text=f"{block.text}\n{note}") if isinstance(block, TextContent) else block for block in result.content
    ]
    return CallToolResult(content=texts, structured_content=facts | {"notes": [*facts.get("notes", []), note]})


def changes_listed(told: Sequence[Told], *, next_cursor: int | None) -> CallToolResult:
    """The answer to the question what was done."""
    facts = ChangesResult(changes=[_told_facts(one) for one in told], next_cursor=next_cursor)
    more = [f"More: repeat this call with cursor {next_cursor}."] if next_cursor else []
    return answer([*map(_told_line, told), *more] or ["This server has changed nothing here in the last 30 days."], facts)


def _told_facts(one: Told) -> dict[str, Any]:
    entry = one.entry
    facts = {
        "change_id": entry.change_id,
        "at": _at(entry.at),
        "action": entry.action,
        "state": entry.state,
        "contact_id": entry.contact_id,
        "name": visible(_name_in(entry), limit=NAME),
        "changes": _changes(one.changes),
        "consent": visible(entry.consent, limit=VALUE),
        "undoes": entry.undoes,
        "undone_by": entry.undone_by,
    }
    return {name: value for name, value in facts.items() if value not in (None, "", [])}


def _told_line(one: Told) -> str:
    entry = one.entry
    state = {"done": "", "not_done": " (not carried out)", "begun": " (under way)", "unknown": " (not known whether it was carried out)"}[
        entry.state
    ]
    undone = f"; taken back by {entry.undone_by}" if entry.undone_by else ""
    undoes = f"; takes back {entry.undoes}" if entry.undoes else ""
    who = f'contact {entry.contact_id or "(no id yet)"} "{visible(_name_in(entry), limit=NAME)}"'
    what = "; ".join(_change_line(change).removeprefix("- ") for change in one.changes[:MOST])
    return f"change {entry.change_id}, {_at(entry.at)}: {entry.action} {who}{state}{undoes}{undone}: {what}"


def _name_in(entry: Entry) -> str:
    known = entry.before or entry.after or entry.wanted
    return str(known.get("display_name") or " ".join(str(known[name]) for name in ("first", "last") if known.get(name)))


def _at(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _changes(changes: Sequence[Change]) -> list[dict[str, Any]]:
    return [{"field": change.field, "before": safe(change.before), "after": safe(change.after)} for change in changes]


def answer(lines: Sequence[str], facts: BaseModel) -> CallToolResult:
    """Text for those who read, `facts` for programs."""
    text = "\n".join(lines)
    if len(text) > ANSWER:
        text = f"{text[:ANSWER]}\n… (+{len(text) - ANSWER} characters)"
    return CallToolResult(
        content=[TextContent(type="text", text=text)], structured_content=facts.model_dump(mode="json", exclude_none=True)
    )


def safe(value: Any, limit: int = VALUE) -> Any:
    """`value` with every text in it fit to be shown, and nothing in it longer than can be read."""
    if isinstance(value, str):
        return visible(value, limit=limit)
    if isinstance(value, Mapping):
        kept = {visible(str(key), limit=LABEL): safe(item, limit) for key, item in list(value.items())[:MOST]}
        return kept | ({"…": f"(+{len(value) - MOST} more)"} if len(value) > MOST else {})
    if isinstance(value, Sequence):
        kept_items = [safe(item, limit) for item in value[:MOST]]
        return [*kept_items, f"… (+{len(value) - MOST} more)"] if len(value) > MOST else kept_items
    return value


def whole(card: Card, limit: int = WHOLE_VALUE) -> dict[str, Any]:
    """Everything about a contact but what is empty."""
    facts: dict[str, Any] = {
        "contact_id": card.contact_id,
        "name": card.name,
        "first": card.first,
        "last": card.last,
        "display_name": card.display_name,
        "phone": card.phone,
        "email": card.email,
        "avatar": card.avatar,
        "custom_fields": card.custom_fields,
        "tags": card.tags,
        "assignee": card.assignee,
        "is_opted_out": opt_out(card),
        "created": card.created,
        "updated": card.updated,
        "other": card.other,
    }
    shown = {name: safe(value, limit) for name, value in facts.items() if value not in ("", (), {})}
    return shown if limit <= VALUE or len(json.dumps(shown)) <= ANSWER else whole(card, VALUE)


def concise(card: Card, shown_fields: Sequence[str] = ()) -> dict[str, Any]:
    """What tells one contact from another."""
    facts = {
        "contact_id": card.contact_id,
        "name": visible(card.name, limit=NAME),
        "phone": card.phone,
        "email": visible(card.email, limit=NAME),
        "custom_fields": safe({name: text for name, text in card.custom_fields.items() if name in shown_fields}, NAME),
        "tags": list(card.tags),
        "assignee": card.assignee,
        "is_opted_out": opt_out(card),
        "updated": visible(card.updated, limit=NAME),
    }
    return {name: value for name, value in facts.items() if value not in ("", [], {}, False)}


def opt_out(card: Card) -> bool | str:
    return "unknown" if card.is_opted_out is None else card.is_opted_out


def detail_lines(card: Card, limit: int = VALUE) -> list[str]:
    """Everything about a contact but what is empty, as lines."""
    texts = [
        ("first", card.first),
        ("last", card.last),
        ("email", card.email),
        ("avatar", card.avatar),
        *list(card.custom_fields.items())[:MOST],
    ]
    lines = [f'  {name}: "{visible(text, limit=limit)}"' for name, text in texts if text]
    lines += [f"  … (+{len(card.custom_fields) - MOST} more custom fields)"] if len(card.custom_fields) > MOST else []
    lines += [f"  tags: {', '.join(card.tags)}"] if card.tags else []
    lines += [f"  assignee: {card.assignee}"] if card.assignee else []
    return [
        *lines,
        f"  opted out of texts: {_yes_no(opt_out(card))}",
        f"  created {visible(card.created, limit=NAME)}, updated {visible(card.updated, limit=NAME)}",
    ]


def _headline(outcome: Outcome) -> str:
    change = f" (change {outcome.change_id})" if outcome.change_id else ""
    return f"{_HEADLINES[outcome.status]}: {_who(outcome.card) if outcome.card else 'the contact'}{change}."


_HEADLINES = {
    "created": "Created",
    "exists": "Exists already, nothing done",
    "updated": "Updated",
    "unchanged": "Unchanged",
    "deleted": "Deleted",
    "undone": "Taken back",
    "declined": "Declined by the person, nothing done",
    "needs_confirmation": "Nothing done yet, to be confirmed",
}


def _confirmation_lines(outcome: Outcome) -> list[str]:
    if not outcome.confirm_token:
        return []
    return [
        f"Ask the person: {outcome.question}",
        f"If they say yes, repeat this call with confirm_token {outcome.confirm_token} (good for 15 minutes, once).",
    ]


def _change_line(change: Change) -> str:
    return f"- {change.field}: {_value(change.before)} -> {_value(change.after)}"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return _yes_no(value)
    if isinstance(value, list | tuple):
        return _joined(value)
    return f'"{visible(str(value), limit=VALUE)}"' if value != "" else "(empty)"


def _yes_no(value: bool | str) -> str:
    return value if isinstance(value, str) else "yes" if value else "no"


def _joined(items: Sequence[Any]) -> str:
    return ", ".join(visible(str(item), limit=NAME) for item in items)


def _who(card: Card) -> str:
    name = f'"{visible(card.name, limit=NAME)}" ' if card.name else ""
    return f"contact {card.contact_id} {name}{card.phone}".rstrip()


def _line(card: Card, shown_fields: Sequence[str]) -> str:
    fields = [f'{name} "{visible(card.custom_fields[name], limit=NAME)}"' for name in shown_fields if name in card.custom_fields]
    parts = [
        f'{card.contact_id} "{visible(card.name, limit=NAME)}" {card.phone}',
        visible(card.email, limit=NAME),
        *fields,
        f"tags {', '.join(card.tags)}" if card.tags else "",
        f"assignee {card.assignee}" if card.assignee else "",
        {True: "OPTED OUT", None: "opt-out unknown", False: ""}[card.is_opted_out],
        f"updated {visible(card.updated[:10], limit=NAME)}",
    ]
    return "; ".join(part for part in parts if part)


def _ending_lines(listing: Listing) -> list[str]:
    many = f"{len(listing.cards)} contact{'s' if len(listing.cards) != 1 else ''}"
    if listing.next_cursor:
        return [f"{many}; more may follow: repeat this call with cursor {listing.next_cursor}"]
    return [f"{many}; that is all." if listing.complete else f"{many}; may not be all."]
