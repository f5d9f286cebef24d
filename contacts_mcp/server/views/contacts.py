"""The answers that show contacts: a look-up, a page of a list, the custom fields."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel

from contacts_mcp.server.views.fitting import (
    CUTS,
    NAME,
    Answer,
    ContactFacts,
    Shown,
    completeness,
    fitted,
    going_on,
    noted,
    with_members,
)
from contacts_mcp.words.display import (
    LABEL,
    MOST,
    Cut,
    all_in_line,
    lines_of,
    quoted,
    safe,
    safe_rows,
    visible,
    word,
)
from contacts_mcp.words.note import Note

if TYPE_CHECKING:
    from contacts_mcp.book import Card, Description, FieldUse, Found, Listing

MOST_FIELDS = 400  # of one answer

Detail = Literal["concise", "full"]


class LookupResult(BaseModel):
    """Answer of lookup_contact."""

    found: bool
    contacts: list[ContactFacts]
    notes: list[str]
    note_kinds: list[str] | None = None


class ListResult(BaseModel):
    """Answer of list_contacts."""

    contacts: list[ContactFacts]
    next_cursor: str  # empty at the end
    complete: bool
    notes: list[str]
    note_kinds: list[str] | None = None
    total: int | None = None  # of the account; comes with the first page of everybody


FieldFacts = Annotated[dict[str, Any], with_members(field_id="integer", name="string")]


class FieldsResult(BaseModel):
    """Answer of list_contact_fields."""

    fields: list[FieldFacts]
    total: int  # of those asked for; more than are shown, where they are too many
    notes: list[str]
    note_kinds: list[str] | None = None


def looked_up(found: Found) -> Answer:
    """The answer to a look-up."""
    cards = found.cards[:MOST]
    hidden = len(found.cards) - len(cards)
    more = [Note("more_not_shown", f"{hidden} more have it too and are not shown.")] if hidden else []
    notes = [*found.notes, *more]

    def shown(cut: Cut) -> Shown:
        facts = LookupResult(found=bool(cards), contacts=[whole(card, cut) for card in cards], **noted(notes))
        lines = [line for card in cards for line in (who(card), *detail_lines(card, cut))]
        return [*lines, *notes], facts

    return fitted(shown)


def listed(
    listing: Listing, *, detail: Detail, shown_fields: Sequence[str] = (), shows_created: bool = False
) -> Answer:
    """The answer to a listing: a line a contact, and how to go on.

    It shows the custom fields and the day of creation where the caller filtered by them.
    """
    is_full = detail == "full"

    def shown(cut: Cut) -> Shown:
        facts = ListResult(
            contacts=[
                whole(card, cut) if is_full else concise(card, shown_fields, cut, shows_created=shows_created)
                for card in listing.cards
            ],
            next_cursor=listing.next_cursor,
            complete=listing.complete,
            total=listing.total,
            **noted(listing.notes),
        )
        lines: list[str] = []
        for card in listing.cards:
            lines += (
                [who(card), *detail_lines(card, cut)]
                if is_full
                else [line(card, shown_fields, shows_created=shows_created)]
            )
        return [*lines, *_ending_lines(listing), *listing.notes], facts

    return fitted(shown, cuts=CUTS[1:])


def _ending_lines(listing: Listing) -> list[str]:
    """How many those are, and whether there are more. The last of several pages also counts those before it."""
    here, given = len(listing.cards), listing.given
    complete = completeness(listing.complete)
    if listing.next_cursor:
        of_all = f" of {listing.total}" if listing.total is not None else ""
        return [f"{_many(here)}{of_all}; {complete}; {going_on(listing.next_cursor)}"]
    if given > here:
        last = f"{_many(here)} on this last page" if here else "No further contacts"
        return [f"{last}, {given} on all pages; {complete}."]
    return [f"{_many(here)}; {complete}."]


def _many(number: int) -> str:
    return f"{number} contact{'' if number == 1 else 's'}"


def fields_listed(
    fields: Sequence[tuple[int, str]],
    *,
    query: str,
    total: int,
    unread_rows: str = "",
    account: Description | None = None,
) -> Answer:
    """The answer to a question for custom fields.

    `total` is how many there are, of which `fields` are shown. `unread_rows` says that others could not be read.
    `account` is what is known of their use.
    """
    used = {one.field_id: one for one in account.fields} if account else {}
    notes = [_how_many_fields(len(fields), query=query, total=total, is_all=not unread_rows)]
    notes += [Note("rows_unreadable", unread_rows)] if unread_rows else []
    if any(label.endswith(f" ({number})") for number, label in fields):
        text = "A number in brackets belongs to the name: another field has the same name without it."
        notes.append(Note("shared_names", text))
    if account:
        known = account.known
        whose = "all contacts" if known.complete else f"{known.searched} contacts"
        notes.append(Note("counted", f"Kinds and counts are of {whose}, as of {known.as_of or 'now'}."))
    structure = [{"field_id": number, "name": label, **use_facts(used.get(number))} for number, label in fields]
    facts = FieldsResult(fields=structure, total=total, **noted(notes))
    lines = [f"{number}: {word(label, limit=LABEL)}{_use_in_words(used.get(number))}" for number, label in fields]
    return fitted(lambda _: ([*lines, *notes], facts))


def use_facts(use: FieldUse | None) -> dict[str, Any]:
    """The kind of a field and how many contacts have it, where that is known."""
    return {"kind": use.kind, "contacts": use.contacts} if use else {}


def _use_in_words(use: FieldUse | None) -> str:
    return f" ({use.kind}; {_many(use.contacts or 0)})" if use else ""


def _how_many_fields(shown: int, *, query: str, total: int, is_all: bool) -> Note:
    called = f" called like {quoted(query, limit=NAME)}" if query else ""
    if not total and not is_all:
        return Note("no_fields", f"No custom field that can be read is{called}." if query else "No field can be read.")
    if not total:
        return Note("no_fields", f"No custom field is{called}." if query else "The account has no custom fields.")
    if shown < total:
        more = "Give a query to find others."
        return Note("more_not_shown", f"The first {shown} of {total} custom fields{called} are shown. {more}")
    many = f"{total} custom field{'' if total == 1 else 's'}{called}"
    return Note("all_fields", f"{many}; that is all.") if is_all else Note("some_fields", f"{many} can be read.")


# One contact, as a structure and as lines


def whole(card: Card, cut: Cut = CUTS[0]) -> dict[str, Any]:
    """Everything about a contact but empty values."""
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
        **card.shown_only,
        "other": card.other,
    }
    (shown,) = safe_rows([{name: value for name, value in facts.items() if value or value is False}], cut)
    return shown


def concise(
    card: Card, shown_fields: Sequence[str] = (), cut: Cut = CUTS[1], *, shows_created: bool = False
) -> dict[str, Any]:
    """The part of a contact that tells it from another."""
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


def who(card: Card) -> str:
    name = f"{quoted(card.name, limit=NAME)} " if card.name else ""
    return f"contact {card.contact_id} {name}{card.phone}".rstrip()


def detail_lines(card: Card, cut: Cut = CUTS[1]) -> list[str]:
    """The same as lines."""
    fields = list(card.custom_fields.items())
    texts = [
        ("first", card.first),
        ("last", card.last),
        ("email", card.email),
        ("avatar", card.avatar),
        *fields[: cut.items],
    ]
    lines = [f"  {line}" for line in lines_of([(name, text) for name, text in texts if text], cut)]
    lines += [f"  … (+{len(fields) - cut.items} more custom fields)"] if len(fields) > cut.items else []
    lines += [f"  tags: {all_in_line(card.tags)}"] if card.tags else []
    lines += [f"  assignee: {word(card.assignee, limit=LABEL)}"] if card.assignee else []
    return [
        *lines,
        f"  opted out of texts: {_OPTED_OUT[card.is_opted_out]}",
        *(
            f"  {name}: {quoted(json.dumps(safe(value, cut)), limit=cut.value)}"
            for name, value in card.shown_only.items()
        ),
        *_note_lines(card, cut),
        f"  created {word(card.created, limit=NAME)}, updated {word(card.updated, limit=NAME)}",
    ]


_OPTED_OUT = {True: "yes", False: "no", None: "unknown"}


def _note_lines(card: Card, cut: Cut) -> list[str]:
    """The team's notes about the contact, which can only be read (`heymarket-api.md` 3.1)."""
    given = card.other.get("note")
    notes = [note for note in given if isinstance(note, Mapping)] if isinstance(given, list) else []
    lines = [f"  note{_by(note)}: {quoted(str(note.get('text', '')), limit=cut.value)}" for note in notes[: cut.items]]
    return [*lines, *([f"  … (+{len(notes) - cut.items} more notes)"] if len(notes) > cut.items else [])]


def _by(note: Mapping[str, Any]) -> str:
    """The author and the day of a note: " (Priya Patel, 2026-05-04)"."""
    known = [word(str(part), limit=NAME) for part in (note.get("name"), str(note.get("date") or "")[:10]) if part]
    return f" ({', '.join(known)})" if known else ""


def line(card: Card, shown_fields: Sequence[str], *, shows_created: bool) -> str:
    fields = [
        f"{word(name, limit=LABEL)} {quoted(card.custom_fields[name], limit=NAME)}"
        for name in shown_fields
        if name in card.custom_fields
    ]
    parts = [
        f"{card.contact_id} {quoted(card.name, limit=NAME)} {card.phone}",
        word(card.email, limit=NAME) if card.email else "",
        *fields,
        f"tags {all_in_line(card.tags)}" if card.tags else "",
        f"assignee {word(card.assignee, limit=LABEL)}" if card.assignee else "",
        {True: "OPTED OUT", None: "opt-out unknown", False: ""}[card.is_opted_out],
        f"created {word(card.created[:10])}" if shows_created else "",
        f"updated {word(card.updated[:10])}",
    ]
    return "; ".join(part for part in parts if part)
