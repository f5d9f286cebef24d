"""Deleting a contact: for good, so only after a look and a confirmation."""

from __future__ import annotations

from collections.abc import Sequence

from contacts_mcp.book.book import Book, Outcome, confirmed, risky
from contacts_mcp.book.cards import card_for
from contacts_mcp.book.confirmations import digest_of
from contacts_mcp.book.people.holding import ContactRef, locked_contact, refuse_other_name
from contacts_mcp.book.people.lookup import ref_of
from contacts_mcp.book.writing.plan import deletion_of
from contacts_mcp.book.writing.settle import settle_entry
from contacts_mcp.book.writing.write import Origin, Written, carry_out
from contacts_mcp.errors import ContactNotFound
from contacts_mcp.models import Contact
from contacts_mcp.state.journal import Entry
from contacts_mcp.words.display import quoted
from contacts_mcp.words.note import Note


async def delete(
    book: Book,
    *,
    contact_id: int | None = None,
    phone: str | None = None,
    name: str | None = None,
    confirm_token: str = "",
    always_asks: bool = False,
) -> Outcome:
    """Ask for a confirmation, or with one delete the contact, if that is the person called `name`.

    `status` is needs_confirmation or deleted. Raises InvalidArgument, ContactNotFound, Refused, UpstreamError,
    OutcomeUnknown. `always_asks` is for a contact that a name alone found: it is confirmed whatever the settings say.
    """
    ref = ref_of(book, contact_id=contact_id, phone=phone, name=name)
    try:
        async with locked_contact(book, ref) as contact:
            refuse_other_name(contact, name)
            return await delete_held(book, contact, confirm_token, notes=ref.notes, always_asks=always_asks)
    except ContactNotFound:
        done = await _permitted_by(book, confirm_token)
        if done is None or done.action != "delete" or done.state != "done" or not _is_about(done, ref):
            raise
        card = await card_for(Contact.model_validate(done.record), book.vocabulary)
        before = Note("done_before", "This was done already, by the same confirm_token; nothing was sent again.")
        return Outcome(status="deleted", card=card, notes=[*ref.notes, before], change_id=done.change_id)


async def _permitted_by(book: Book, confirm_token: str) -> Entry | None:
    """The change that used this confirmation, looked up where its server died before it was told."""
    entry = await book.journal.by_token(digest_of(confirm_token)) if confirm_token else None
    if entry is None or entry.contact_id is None or entry.state not in ("begun", "unknown"):
        return entry
    async with book.locks.contact(entry.contact_id):
        await settle_entry(book, entry.change_id)
    return await book.journal.get(entry.change_id)


async def delete_held(
    book: Book,
    contact: Contact,
    token: str,
    *,
    notes: Sequence[str] = (),
    undoes: int | None = None,
    always_asks: bool = False,
) -> Outcome:
    """Delete `contact`, which the caller holds, if `token` permits it. Else answer the question to confirm."""
    card = await card_for(contact, book.vocabulary)
    warnings = warnings_on_deletion(contact)
    who = quoted(card.name, limit=60) if card.name else "this contact"
    pending = await confirmed(
        book,
        risky("delete", contact),
        token,
        card=card,
        question=(
            f"Delete {who} ({card.phone or f'id {card.contact_id}'}) for good, with the whole conversation"
            f"{_and_notes(contact)}?{''.join(f' {warning}' for warning in warnings)}"
        ),
        notes=notes,
        always_asks=always_asks,
    )
    if pending:
        return pending
    written = await delete_for_good(book, contact, origin=Origin(token=digest_of(token), undoes=undoes))
    lost = "Heymarket's answer got lost. A look at the contact showed that it is gone."
    lost_notes = [Note("answer_lost", lost)] if written.answer_lost else []
    return Outcome(status="deleted", card=card, notes=[*notes, *warnings, *lost_notes], change_id=written.change_id)


async def delete_for_good(book: Book, contact: Contact, *, origin: Origin) -> Written:
    """Delete `contact`, which the caller holds and has a permission for. The journal keeps it as it was."""
    return await carry_out(
        book, deletion_of(contact), record=contact.model_dump(mode="json", by_alias=True), origin=origin
    )


def _and_notes(contact: Contact) -> str:
    notes = (contact.model_extra or {}).get("note")
    return f" and {len(notes)} note{'s' if len(notes) > 1 else ''}" if isinstance(notes, list) and notes else ""


def warnings_on_deletion(contact: Contact) -> list[str]:
    """The suppression that goes with the contact."""
    if contact.is_opted_out is False:
        return []
    state = "is opted out" if contact.is_opted_out else "may be opted out (Heymarket does not say)"
    return [
        Note(
            "left_opted_out",
            f"This contact {state}. Deleting the contact deletes that suppression too, "
            "so a contact that another program adds with this phone could be texted.",
        )
    ]


def _is_about(entry: Entry, ref: ContactRef) -> bool:
    return entry.contact_id == ref.contact_id or (
        ref.phone is not None and entry.before.get("phone") == ref.phone.digits
    )
