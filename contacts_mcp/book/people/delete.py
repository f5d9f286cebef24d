"""Deleting a contact: for good, so only after a look and a confirmation."""

from __future__ import annotations

from collections.abc import Sequence

from contacts_mcp.book.book import Book, Outcome, deed_for
from contacts_mcp.book.cards import card_of
from contacts_mcp.book.confirmations import digest_of
from contacts_mcp.book.people.lookup import Who, held, who_is
from contacts_mcp.book.writing.write import remove
from contacts_mcp.errors import ContactNotFound
from contacts_mcp.models import Contact
from contacts_mcp.state.journal import Entry
from contacts_mcp.words.display import quoted


async def delete(
    book: Book, *, contact_id: int | None = None, phone: str | None = None, confirm_token: str = ""
) -> Outcome:
    """Ask for a confirmation, or with one delete the contact.

    `status` is needs_confirmation or deleted. Raises InvalidArgument, ContactNotFound, UpstreamError, OutcomeUnknown.
    """
    who = who_is(book, contact_id=contact_id, phone=phone)
    try:
        async with book.locks.phones(*who.phones), held(book, who) as contact:
            return await delete_held(book, contact, confirm_token, notes=who.notes)
    except ContactNotFound:
        done = book.journal.by_token(digest_of(confirm_token)) if confirm_token else None
        if done is None or done.action != "delete" or not _is_about(done, who):
            raise
        card = await card_of(Contact.model_validate(done.record), book.directory)
        notes = ["This was done already, by the same confirm_token; nothing was sent again."]
        return Outcome(status="deleted", card=card, notes=[*who.notes, *notes], change_id=done.change_id)


async def delete_held(
    book: Book, contact: Contact, token: str, *, notes: Sequence[str] = (), undoes: int | None = None
) -> Outcome:
    """Delete `contact`, which the caller holds, if `token` permits it; else answer what to confirm."""
    deed = deed_for("delete", contact)
    reason = book.confirmations.refusal(token, deed) if token else ""
    card = await card_of(contact, book.directory)
    if book.confirms and (reason or not token):
        return Outcome(
            status="needs_confirmation",
            card=card,
            notes=[*notes, *([f"Not done: {reason}. Here is a new one."] if reason else [])],
            confirm_token=book.confirmations.token_for(deed),
            question=f"Delete {quoted(card.name, limit=60) if card.name else 'this contact'} ({card.phone or f'id {card.contact_id}'}) for good, with the whole conversation{_and_notes(contact)}?{''.join(f' {warning}' for warning in _warnings(contact))}",
        )
    book.confirmations.use(token)
    change_id, sent = await remove(book, contact, token=digest_of(token), undoes=undoes)
    lost = ["Heymarket's answer got lost; looked the contact up and saw that it is gone."] if sent.answer_lost else []
    return Outcome(status="deleted", card=card, notes=[*notes, *_warnings(contact), *lost], change_id=change_id)


def _and_notes(contact: Contact) -> str:
    notes = (contact.model_extra or {}).get("note")
    return f" and {len(notes)} note{'s' if len(notes) > 1 else ''}" if isinstance(notes, list) and notes else ""


def _warnings(contact: Contact) -> list[str]:
    if contact.is_opted_out:
        return [
            "This contact is opted out; deleting the contact deletes that suppression too, so a new contact with this phone could be texted."
        ]
    return []


def _is_about(entry: Entry, who: Who) -> bool:
    return entry.contact_id == who.contact_id or (
        who.phone is not None and entry.before.get("phone") == who.phone.digits
    )
