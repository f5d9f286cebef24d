"""Adding a contact, and never a second one with the same phone."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from contacts_mcp.book.book import Book, Outcome
from contacts_mcp.book.cards import card_of, changes_between, field_name, value_in_quotes
from contacts_mcp.book.people.holding import ContactRef, holder_of, locked_contact, locked_phone
from contacts_mcp.book.people.new_tags import resolved_with_new_tags, telling_of
from contacts_mcp.book.people.requests import Edit, Wanted, excess_tags, too_many_tags
from contacts_mcp.book.people.suppressions import HOW_TO_OPT_IN, left_opted_out, note_on_arrival
from contacts_mcp.book.people.update import change
from contacts_mcp.book.search.remarks import on_new, on_values
from contacts_mcp.book.values import differences, is_empty, is_unread, values_of
from contacts_mcp.book.writing.notes import notes_on
from contacts_mcp.book.writing.plan import Plan
from contacts_mcp.book.writing.write import Origin, Written, carry_out
from contacts_mcp.errors import Refused, Rejected
from contacts_mcp.models import Contact, Values
from contacts_mcp.state.journal import Entry
from contacts_mcp.words.display import word
from contacts_mcp.words.note import Note
from contacts_mcp.words.phones import Phone

STILL_OPTED_OUT = Note("still_opted_out", f"This contact is opted out of texts and stays so. {HOW_TO_OPT_IN}")
OPT_OUT_NOT_SHOWN = Note(
    "not_shown", "Heymarket does not say whether this contact is opted out; that was left as it is."
)
MERGED = Note(
    "merged",
    "A contact with this phone appeared at the same moment, "
    "and Heymarket put these values into it instead of making a second one.",
)


async def create(book: Book, phone: str, wanted: Wanted, *, if_exists: Literal["report", "fill"] = "report") -> Outcome:
    """Add a contact, or report (or fill) the one that has the phone already.

    A value that is there is never overwritten.

    `status` is created, exists, updated or unchanged. Raises InvalidArgument, Refused, UpstreamError, OutcomeUnknown.
    """
    number = book.phone(phone)
    remarks = number.notes
    wanted = replace(wanted, phone=number.digits)

    async def besides(edit: Edit) -> int | None:
        tags = edit.values.get("tags") or []
        existing = await holder_of(book, number.digits, number.variants)
        if existing is not None and if_exists == "report":
            return None
        assert isinstance(tags, list)
        return len({*tags, *(existing.tags if existing else ())})

    edit, made = await resolved_with_new_tags(book, wanted, besides=besides)
    edit = replace(edit, notes=(*remarks, *edit.notes, *made, *await on_values(book, edit.values)))
    with telling_of(made):
        return await _create_or_fill(book, number, edit, if_exists=if_exists)


async def _create_or_fill(book: Book, number: Phone, edit: Edit, *, if_exists: Literal["report", "fill"]) -> Outcome:
    if excess := excess_tags({}, edit.values):
        raise too_many_tags({}, excess, "", await book.vocabulary.naming(edit.values), added=False)
    async with locked_phone(book, number.digits):
        existing = await holder_of(book, number.digits, number.variants)
        if existing is None:
            try:
                return await _create(book, edit)
            except Rejected:
                existing = await holder_of(book, number.digits)
                if existing is None:
                    raise
        if if_exists == "report":
            return await _report(book, existing, edit)
    # The contact's own lock comes with its phone's, and in their own order.
    return await _fill(book, existing, edit, number)


async def write_new(book: Book, wanted: Values, *, undoes: int | None = None) -> tuple[Written, Entry | None]:
    """Create a contact with `wanted`, and the change that left its number opted out.

    The caller holds the phone and saw that it is free.
    """
    left = await left_opted_out(book, str(wanted["phone"]))
    if left:
        wanted = wanted | {"is_opted_out": True}
    elif wanted.get("is_opted_out") is False:
        # A new contact is not opted out. Saying so could opt in one that appears at this very moment.
        wanted = {key: value for key, value in wanted.items() if key != "is_opted_out"}
    written = await carry_out(book, Plan(action="create", before={}, wanted=wanted), origin=Origin(undoes=undoes))
    return written, left


async def _create(book: Book, edit: Edit) -> Outcome:
    doubles = await on_new(book, edit.values)
    written, left = await write_new(book, edit.applied_to({}))
    assert written.after is not None
    after = values_of(written.after)
    names = await book.vocabulary.naming(after, edit.values)
    is_merged = written.rev > 1
    return Outcome(
        status="updated" if is_merged else "created",
        card=card_of(written.after, names),
        changes=changes_between({}, {key: value for key, value in after.items() if key in edit.values}, names),
        notes=[
            *edit.notes,
            *doubles,
            *([MERGED] if is_merged else []),
            *([note_on_arrival(left, written.after)] if left else []),
            *notes_on(written, names),
        ],
        change_id=written.change_id,
    )


async def _fill(book: Book, existing: Contact, edit: Edit, number: Phone) -> Outcome:
    """Fill the empty fields of the contact that has the phone already, and add the tags to those that it has."""
    async with locked_contact(book, ContactRef(existing.id), phones=[number.digits]) as fresh:
        if fresh.phone not in (number.digits, *number.variants):
            raise Refused(
                f"Contact {fresh.id} had this phone and was given another one at this very moment. "
                "Nothing was changed. "
                "Call again.",
                kind="moved_meanwhile",
            )
        asked = _without_opting_in(_adding_tags(edit), fresh)
        had = values_of(fresh)
        taken = {key: value for key, value in asked.values.items() if not _is_open(key, fresh)}
        for key in taken:
            asked = asked.without(key)
        there = {key: had.get(key) for key in taken}
        kept = await _differences(book, fresh, there, taken)
        notes = [*edit.notes, *_on_opt_out(edit, fresh), *kept]
        return await change(book, fresh, asked, notes=notes)


def _is_open(key: str, contact: Contact) -> bool:
    """Whether a value can be filled in. A value in a form that cannot be read looks empty and is not."""
    return is_empty(values_of(contact).get(key)) and not is_unread(key, contact)


async def _report(book: Book, existing: Contact, edit: Edit) -> Outcome:
    """Report the contact that has the phone already, and how it differs."""
    had = values_of(existing)
    wanted = _without_opting_in(_adding_tags(edit), existing).applied_to(had)
    names = await book.vocabulary.naming(had)
    differing = await _differences(book, existing, had, wanted)
    notes = [*edit.notes, *differing, *_on_opt_out(edit, existing)]
    return Outcome(status="exists", card=card_of(existing, names), notes=notes)


async def _differences(book: Book, contact: Contact, had: Values, given: Values) -> list[str]:
    """Notes that show the values of the contact beside those that were given."""
    names = await book.vocabulary.naming(had, given)
    differing = differences(had, given)
    unread = [key for key in differing if is_unread(key, contact)]
    told = ", ".join(word(field_name(key, names)) for key in unread)
    text = f"Heymarket shows {told} of this contact in a form that cannot be read. It was left as it is."
    notes: list[str] = [Note("unreadable_member", text)] if unread else []
    pairs = "; ".join(
        f"{word(one.field)} is {value_in_quotes(one.before)}, given was {value_in_quotes(one.after)}"
        for one in changes_between(had, given, names, among=[key for key in differing if key not in unread])
    )
    if pairs:
        notes.append(Note("differs", f"Kept as it is: {pairs}. To change it, ask the person, then use update_contact."))
    return notes


def _adding_tags(edit: Edit) -> Edit:
    tags = edit.values.get("tags")
    return replace(edit.without("tags"), add_tags=tuple(tags)) if isinstance(tags, list) else edit


def _without_opting_in(edit: Edit, existing: Contact) -> Edit:
    opts_in = edit.values.get("is_opted_out") is False and existing.is_opted_out is not False
    return edit.without("is_opted_out") if opts_in else edit


def _on_opt_out(edit: Edit, existing: Contact) -> list[str]:
    if existing.is_opted_out:
        return [STILL_OPTED_OUT] if edit.values.get("is_opted_out") is not True else []
    if existing.is_opted_out is None and edit.values.get("is_opted_out") is False:
        return [OPT_OUT_NOT_SHOWN]
    return []
