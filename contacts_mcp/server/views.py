"""What tools answer: a few lines that stand alone, and the same facts as a compact structure.

Texts from contacts are data written by strangers. Wherever one goes it passes `safe`: nothing in it hidden, on one line, cut with a mark. In lines
they stand in quotes that nothing in them can close, or are plainly a `word`, and are never formatted as if they were ours.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple

from mcp_types import CallToolResult, TextContent
from pydantic import BaseModel, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from contacts_mcp.words.display import quoted, visible, word

if TYPE_CHECKING:
    from contacts_mcp.book import Card, Change, Entry, Found, Listing, Outcome, ShownChange

NAME = 60  # characters of a name
LABEL = 700  # of a field, tag or member: shown safe and short already, and must read back, so never cut here
VALUE = 200  # of a value where there are many
MOST = 50  # items of one list or object
ANSWER = 60_000  # bytes of a whole answer, about 15,000 tokens
ENDING = 12_000  # bytes of its last lines, which say how to go on


class Cut(NamedTuple):
    """How much is shown: characters of a value, items of a list or object."""

    value: int = VALUE
    items: int = MOST


# From the most that is shown of one contact to what keeps even a page of the longest ones within an answer.
CUTS = (Cut(value=2_000), Cut(), Cut(value=NAME, items=20), Cut(value=20, items=5))

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
    """Answer of list_contacts; `next_cursor` is empty at the end, `total` is that of the account and comes with the first page of everybody."""

    contacts: list[Facts]
    next_cursor: str
    complete: bool
    notes: list[str]
    total: int | None = None


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
    card = outcome.card
    shows_contact = card and (
        outcome.status in ("exists", "deleted") or (outcome.confirm_token and not outcome.changes)
    )

    def shown(cut: Cut) -> Shown:
        facts = WriteResult(
            status=outcome.status,
            contact=whole(card, cut) if card else {},
            changes=_changes(outcome.changes, cut),
            notes=outcome.notes,
            change_id=outcome.change_id,
            question=outcome.question or None,
            confirm_token=outcome.confirm_token or None,
        )
        contact = detail_lines(card, cut) if card and shows_contact else []
        changes = [_change_line(change, cut) for change in outcome.changes]
        return [_headline(outcome), *contact, *changes, *_confirmation_lines(outcome), *outcome.notes], facts

    return answer(shown)


def looked_up(found: Found) -> CallToolResult:
    """The answer to a look-up."""
    cards = found.cards[:MOST]
    more = (
        [f"{len(found.cards) - len(cards)} more have it too and are not shown."]
        if len(found.cards) > len(cards)
        else []
    )
    notes = [*found.notes, *more]

    def shown(cut: Cut) -> Shown:
        facts = LookupResult(found=bool(cards), contacts=[whole(card, cut) for card in cards], notes=notes)
        lines = [line for card in cards for line in (_who(card), *detail_lines(card, cut))]
        return [*lines, *notes], facts

    return answer(shown)


def listed(
    listing: Listing, *, detail: Detail, shown_fields: Sequence[str] = (), shows_created: bool = False
) -> CallToolResult:
    """The answer to a listing: a line a contact, and how to go on. What was asked for is shown: those custom fields, the day of creation."""
    is_full = detail == "full"

    def shown(cut: Cut) -> Shown:
        contacts = [
            whole(card, cut) if is_full else concise(card, shown_fields, cut, shows_created=shows_created)
            for card in listing.cards
        ]
        facts = ListResult(
            contacts=contacts,
            next_cursor=listing.next_cursor,
            complete=listing.complete,
            notes=listing.notes,
            total=listing.total,
        )
        lines: list[str] = []
        for card in listing.cards:
            lines += (
                [_who(card), *detail_lines(card, cut)]
                if is_full
                else [_line(card, shown_fields, shows_created=shows_created)]
            )
        return [*lines, *_ending_lines(listing), *listing.notes], facts

    return answer(shown, cuts=CUTS[1:])


def fields_listed(fields: Sequence[tuple[int, str]], *, query: str) -> CallToolResult:
    """The answer to a question for custom fields."""
    facts = FieldsResult(fields=[{"field_id": number, "name": label} for number, label in fields])
    lines = [f"{number}: {word(label, limit=LABEL)}" for number, label in fields]
    nothing = (
        f"No custom field is called like {quoted(query, limit=NAME)}." if query else "The account has no custom fields."
    )
    return answer(lambda _: (lines or [nothing], facts))


def declined(facts: Mapping[str, Any]) -> CallToolResult:
    """The answer where the person, asked whether to go on, said no; `facts` are those of the needs_confirmation before."""
    contact = dict(facts.get("contact") or {})
    result = WriteResult(
        status="declined", contact=contact, changes=[], notes=["The person was asked and said no; nothing was changed."]
    )
    name = quoted(str(contact["name"]), limit=NAME) if contact.get("name") else ""
    who = " ".join(filter(None, (str(contact.get("contact_id", "")), name, str(contact.get("phone", "")))))
    headline = f"{_HEADLINES['declined']}: contact {who}."
    return answer(lambda _: ([headline], result))


def with_note(result: CallToolResult, note: str) -> CallToolResult:
    """`result` with one more sentence, in both its forms."""
    facts = dict(result.structured_content or {})
    texts = [
        TextContent(type="text", text=f"{block.text}\n{note}") if isinstance(block, TextContent) else block
        for block in result.content
    ]
    return CallToolResult(content=texts, structured_content=facts | {"notes": [*facts.get("notes", []), note]})


def changes_listed(told: Sequence[ShownChange], *, next_cursor: int | None) -> CallToolResult:
    """The answer to the question what was done."""
    more = [f"More: repeat this call with cursor {next_cursor}."] if next_cursor else []
    nothing = "The journal holds no such change. It goes back 30 days at most, and knows only what the servers on this machine did."

    def shown(cut: Cut) -> Shown:
        facts = ChangesResult(changes=[_told_facts(one, cut) for one in told], next_cursor=next_cursor)
        return [*(_told_line(one, cut) for one in told), *more] or [nothing], facts

    return answer(shown, cuts=CUTS[1:])


def _told_facts(one: ShownChange, cut: Cut) -> dict[str, Any]:
    entry = one.entry
    facts = {
        "change_id": entry.change_id,
        "at": _at(entry.at),
        "action": entry.action,
        "state": entry.state,
        "contact_id": entry.contact_id,
        "name": visible(_name_in(entry), limit=NAME),
        "changes": _changes(one.changes[: cut.items], cut),
        "consent": visible(entry.consent, limit=VALUE),
        "undoes": entry.undoes,
        "undone_by": entry.undone_by,
    }
    return {name: value for name, value in facts.items() if value not in (None, "", [])}


def _told_line(one: ShownChange, cut: Cut) -> str:
    entry = one.entry
    state = {
        "done": "",
        "not_done": " (not carried out)",
        "begun": " (under way)",
        "unknown": " (not known whether it was carried out)",
    }[entry.state]
    undone = f"; taken back by {entry.undone_by}" if entry.undone_by else ""
    undoes = f"; takes back {entry.undoes}" if entry.undoes else ""
    who = f"contact {entry.contact_id or '(no id yet)'} {quoted(_name_in(entry), limit=NAME)}"
    consent = f"; consent given: {quoted(entry.consent, limit=VALUE)}" if entry.consent else ""
    more = f"; … (+{len(one.changes) - cut.items} more)" if len(one.changes) > cut.items else ""
    what = "; ".join(_change_line(change, cut).removeprefix("- ") for change in one.changes[: cut.items])
    return (
        f"change {entry.change_id}, {_at(entry.at)}: {entry.action} {who}{state}{undoes}{undone}: {what}{more}{consent}"
    )


def _name_in(entry: Entry) -> str:
    known = entry.before or entry.after or entry.wanted
    return str(known.get("display_name") or " ".join(str(known[name]) for name in ("first", "last") if known.get(name)))


def _at(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _changes(changes: Sequence[Change], cut: Cut) -> list[dict[str, Any]]:
    return [
        {"field": change.field, "before": safe(change.before, cut), "after": safe(change.after, cut)}
        for change in changes
    ]


Shown = tuple[list[str], BaseModel]
"""The same facts twice: lines for those who read, a structure for programs."""


def answer(shown: Callable[[Cut], Shown], *, cuts: Sequence[Cut] = CUTS) -> CallToolResult:
    """What is shown, cut as little as its length allows."""
    for cut in cuts:
        lines, facts = shown(cut)
        text, structure = "\n".join(lines), facts.model_dump(mode="json", exclude_none=True)
        if max(_size(text), _size(json.dumps(structure, ensure_ascii=False))) <= ANSWER:
            break
    return CallToolResult(content=[TextContent(type="text", text=_without_middle(text))], structured_content=structure)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _without_middle(text: str) -> str:
    """`text` without so many of its middle lines as it is too long: the last ones say how to go on."""
    if _size(text) <= ANSWER:
        return text
    lines = text.split("\n")
    last = _fitting(lines[::-1], ENDING)[::-1]
    first = _fitting(lines[: len(lines) - len(last)], ANSWER - ENDING)
    return "\n".join([*first, f"… ({len(lines) - len(first) - len(last)} lines left out; ask for less) …", *last])


def _fitting(lines: Sequence[str], most: int) -> list[str]:
    kept: list[str] = []
    for line in lines:
        most -= _size(line) + 1
        if most < 0:
            break
        kept.append(line)
    return kept


def safe(value: Any, cut: Cut = CUTS[1]) -> Any:
    """`value` with every text in it fit to be shown, and nothing in it longer than can be read."""
    if isinstance(value, str):
        return visible(value, limit=cut.value)
    if isinstance(value, dict):
        kept = {visible(str(key), limit=LABEL): safe(item, cut) for key, item in list(value.items())[: cut.items]}
        return kept | ({"…": f"(+{len(value) - cut.items} more)"} if len(value) > cut.items else {})
    if isinstance(value, list | tuple):
        kept_items = [safe(item, cut) for item in value[: cut.items]]
        return [*kept_items, f"… (+{len(value) - cut.items} more)"] if len(value) > cut.items else kept_items
    return value


def whole(card: Card, cut: Cut = CUTS[0]) -> dict[str, Any]:
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
    return {name: safe(value, cut) for name, value in facts.items() if value not in ("", (), {})}


def concise(
    card: Card, shown_fields: Sequence[str] = (), cut: Cut = CUTS[1], *, shows_created: bool = False
) -> dict[str, Any]:
    """What tells one contact from another."""
    brief = cut._replace(value=min(NAME, cut.value))
    facts = {
        "contact_id": card.contact_id,
        "name": safe(card.name, brief),
        "phone": card.phone,
        "email": safe(card.email, brief),
        "custom_fields": safe({name: text for name, text in card.custom_fields.items() if name in shown_fields}, brief),
        "tags": safe(card.tags, cut),
        "assignee": card.assignee,
        "is_opted_out": opt_out(card),
        "created": visible(card.created, limit=NAME) if shows_created else "",
        "updated": visible(card.updated, limit=NAME),
    }
    return {name: value for name, value in facts.items() if value not in ("", [], {}, False)}


def opt_out(card: Card) -> bool | str:
    return "unknown" if card.is_opted_out is None else card.is_opted_out


def detail_lines(card: Card, cut: Cut = CUTS[1]) -> list[str]:
    """Everything about a contact but what is empty, as lines."""
    fields = list(card.custom_fields.items())
    texts = [
        ("first", card.first),
        ("last", card.last),
        ("email", card.email),
        ("avatar", card.avatar),
        *fields[: cut.items],
    ]
    lines = [f"  {word(name, limit=LABEL)}: {quoted(text, limit=cut.value)}" for name, text in texts if text]
    lines += [f"  … (+{len(fields) - cut.items} more custom fields)"] if len(fields) > cut.items else []
    lines += [f"  tags: {_joined(card.tags)}"] if card.tags else []
    lines += [f"  assignee: {word(card.assignee, limit=LABEL)}"] if card.assignee else []
    return [
        *lines,
        f"  opted out of texts: {_yes_no(opt_out(card))}",
        *_note_lines(card, cut),
        f"  created {word(card.created, limit=NAME)}, updated {word(card.updated, limit=NAME)}",
    ]


def _note_lines(card: Card, cut: Cut) -> list[str]:
    """What the team wrote about the contact, which can only be read (`heymarket-api.md` 3.1)."""
    given = card.other.get("note")
    notes = [note for note in given if isinstance(note, Mapping)] if isinstance(given, list) else []
    lines = [f"  note{_by(note)}: {quoted(str(note.get('text', '')), limit=cut.value)}" for note in notes[: cut.items]]
    return [*lines, *([f"  … (+{len(notes) - cut.items} more notes)"] if len(notes) > cut.items else [])]


def _by(note: Mapping[str, Any]) -> str:
    """Whose it is, and from when: " (Priya Patel, 2026-05-04)"."""
    known = [word(str(part), limit=NAME) for part in (note.get("name"), str(note.get("date") or "")[:10]) if part]
    return f" ({', '.join(known)})" if known else ""


def _headline(outcome: Outcome) -> str:
    change = f" (change {outcome.change_id})" if outcome.change_id else ""
    who = f": {_who(outcome.card)}" if outcome.card else ""
    return f"{_HEADLINES[outcome.status]}{who}{change}."


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


def _change_line(change: Change, cut: Cut) -> str:
    return f"- {word(change.field, limit=LABEL)}: {_value(change.before, cut)} -> {_value(change.after, cut)}"


def _value(value: Any, cut: Cut) -> str:
    if isinstance(value, bool):
        return _yes_no(value)
    if isinstance(value, list | tuple):
        return _joined(value)
    return quoted(str(value), limit=cut.value) if value != "" else "(empty)"


def _yes_no(value: bool | str) -> str:
    return value if isinstance(value, str) else "yes" if value else "no"


def _joined(items: Sequence[Any]) -> str:
    return ", ".join(word(str(item), limit=LABEL) for item in items[:MOST])


def _who(card: Card) -> str:
    name = f"{quoted(card.name, limit=NAME)} " if card.name else ""
    return f"contact {card.contact_id} {name}{card.phone}".rstrip()


def _line(card: Card, shown_fields: Sequence[str], *, shows_created: bool) -> str:
    fields = [
        f"{word(name, limit=LABEL)} {quoted(card.custom_fields[name], limit=NAME)}"
        for name in shown_fields
        if name in card.custom_fields
    ]
    parts = [
        f"{card.contact_id} {quoted(card.name, limit=NAME)} {card.phone}",
        word(card.email, limit=NAME) if card.email else "",
        *fields,
        f"tags {_joined(card.tags)}" if card.tags else "",
        f"assignee {word(card.assignee, limit=LABEL)}" if card.assignee else "",
        {True: "OPTED OUT", None: "opt-out unknown", False: ""}[card.is_opted_out],
        f"created {word(card.created[:10])}" if shows_created else "",
        f"updated {word(card.updated[:10])}",
    ]
    return "; ".join(part for part in parts if part)


def _ending_lines(listing: Listing) -> list[str]:
    many = f"{len(listing.cards)} contact{'s' if len(listing.cards) != 1 else ''}"
    if listing.next_cursor:
        of_all = f" of {listing.total}" if listing.total is not None else ""
        return [f"{many}{of_all}; more may follow: repeat this call with cursor {listing.next_cursor}"]
    return [f"{many}; that is all." if listing.complete else f"{many}; may not be all."]
