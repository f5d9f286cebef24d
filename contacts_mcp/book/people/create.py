"""Adding a contact, and never a second one with the same phone."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from contacts_mcp.book.book import Book, Outcome
from contacts_mcp.book.cards import card_of, changes_between
from contacts_mcp.book.people.lookup import Who, held
from contacts_mcp.book.people.requests import Edit, Wanted, resolve
from contacts_mcp.book.people.update import change
from contacts_mcp.book.values import values_of
from contacts_mcp.book.writing.notes import notes_on
from contacts_mcp.book.writing.write import write_new
from contacts_mcp.errors import Refused, Rejected
from contacts_mcp.models import Contact
from contacts_mcp.words.display import word
from contacts_mcp.words.phones import Phone

WAS_OPTED_OUT = "Whoever had this phone before was opted out of texts (see change {}): ask the person before anything is sent to them."
STILL_OPTED_OUT = "This contact is opted out of texts and stays so. To opt in, use update_contact with is_opted_out false and consent."


async def create(
    book: Book, phone: str, wanted: Wanted, *, if_exists: Literal["report", "update"] = "report"
) -> Outcome:
    """Add a contact, or report (or update) the one that has the phone already.

    `status` is created, exists, updated or unchanged. Raises InvalidArgument, UpstreamError, OutcomeUnknown.
    """
    number = book.phone(phone)
    edit = await resolve(replace(wanted, phone=number.digits), book.directory)
    edit.applied_to({})
    async with book.locks.phones(number.digits):
        existing = await book.api.find_contact(number.digits)
        if existing is None:
            try:
                return await _create(book, edit, number)
            except Rejected:
                existing = await book.api.find_contact(number.digits)
                if existing is None:
                    raise
        return await _meet(book, existing, edit, number, if_exists=if_exists)


async def _create(book: Book, edit: Edit, number: Phone) -> Outcome:
    # A new contact is not opted out; saying so could opt in one that appears at this very moment.
    wanted = {
        key: value for key, value in edit.applied_to({}).items() if not (key == "is_opted_out" and value is False)
    }
    written = await write_new(book, wanted)
    after = values_of(written.after)
    merged = [MERGED] if written.rev > 1 else []
    return Outcome(
        status="updated" if merged else "created",
        card=await card_of(written.after, book.directory),
        changes=await changes_between(
            {}, {key: value for key, value in after.items() if key in edit.values}, book.directory
        ),
        notes=[*number.notes, *merged, *_on_former_opt_out(book, written.after), *await notes_on(book, written)],
        change_id=written.change_id,
    )


def _on_former_opt_out(book: Book, contact: Contact) -> list[str]:
    """Whom this server deleted or gave another phone may have been opted out, and the suppression is gone from the phone."""
    former = [entry for entry in book.journal.departures_from(contact.phone) if entry.before.get("is_opted_out")]
    return [WAS_OPTED_OUT.format(former[-1].change_id)] if former and not contact.is_opted_out else []


MERGED = "A contact with this phone appeared at the same moment, and Heymarket put these values into it instead of making a second one."


async def _meet(book: Book, existing: Contact, edit: Edit, number: Phone, *, if_exists: str) -> Outcome:
    """Somebody has the phone already. Tags given for a new contact are added to those of one that is there: nothing says that those should go."""
    edit = _adding_tags(edit)
    if if_exists == "update":
        async with held(book, Who(existing.id)) as fresh:
            if fresh.phone != number.digits:
                raise Refused(
                    f"Contact {fresh.id} had this phone and was given another one at this very moment. Nothing was changed. Call again."
                )
            return await change(
                book, fresh, _without_opting_in(edit, fresh), notes=[*number.notes, *_on_opt_out(edit, fresh)]
            )
    asked = _without_opting_in(edit, existing)
    differing = await changes_between(values_of(existing), asked.worked_out(values_of(existing)), book.directory)
    notes = [*number.notes, "A contact with this phone exists already; nothing was changed."]
    if differing:
        names = ", ".join(word(found.field) for found in differing)
        notes.append(
            f"It differs from what was given in: {names}. To change it, use update_contact, or create_contact with if_exists update."
        )
    return Outcome(
        status="exists", card=await card_of(existing, book.directory), notes=[*notes, *_on_opt_out(edit, existing)]
    )


def _adding_tags(edit: Edit) -> Edit:
    tags = edit.values.get("tags")
    if not isinstance(tags, list):
        return edit
    return replace(
        edit, values={key: value for key, value in edit.values.items() if key != "tags"}, add_tags=tuple(tags)
    )


def _without_opting_in(edit: Edit, existing: Contact) -> Edit:
    if existing.is_opted_out is False or edit.values.get("is_opted_out") is not False:
        return edit
    return replace(edit, values={key: value for key, value in edit.values.items() if key != "is_opted_out"})


def _on_opt_out(edit: Edit, existing: Contact) -> list[str]:
    if existing.is_opted_out:
        return [STILL_OPTED_OUT] if edit.values.get("is_opted_out") is not True else []
    if existing.is_opted_out is None and edit.values.get("is_opted_out") is False:
        return ["Heymarket does not say whether this contact is opted out; that was left as it is."]
    return []
