"""Opt-outs belong to numbers: the opt-out that a contact left behind on its number holds for the next contact there.

Every path that puts a contact on a number asks `left_opted_out`. The contact arrives opted out. Opting in needs consent
and a confirmation afterwards, as for any other contact.
"""

from __future__ import annotations

from contacts_mcp.book.book import Book
from contacts_mcp.book.writing.settle import plan_of
from contacts_mcp.models import Contact
from contacts_mcp.state.journal import Entry
from contacts_mcp.words.note import Note
from contacts_mcp.words.phones import show
from contacts_mcp.words.renumbering import other_forms

HOW_TO_OPT_IN = "To opt in, use update_contact with is_opted_out false and consent."


def left_opted_out(book: Book, phone: str) -> Entry | None:
    """The change that left the number opted out, None if the journal knows of none.

    A contact whose opt-out was not known counts as opted out. A later opt-in on the number, with consent, ends it.
    A number may have several forms (`words/renumbering.py`), and the opt-out holds for all of them.
    """
    forms = (phone, *other_forms(phone))
    entries = {entry.change_id: entry for form in forms for entry in book.journal.about_phone(form)}
    left: Entry | None = None
    for _, entry in sorted(entries.items()):
        is_departure = entry.before.get("phone") in forms and entry.wanted.get("phone") not in forms
        if is_departure and entry.before.get("is_opted_out") is not False:
            left = entry
        elif entry.consent and entry.state == "done" and plan_of(entry).opts_in:
            left = None
    return left


def leaves_number(before: Contact, phone: str) -> bool:
    """Whether the contact would have another number with `phone`, and not another form of its own."""
    return bool(before.phone) and phone not in (before.phone, *other_forms(before.phone))


def note_on_arrival(left: Entry, after: Contact) -> Note:
    """Why the contact is opted out now, by what was read back."""
    was = "was opted out" if left.before.get("is_opted_out") else "may have been opted out"
    why = f"because a contact that had {show(after.phone)} before {was} of texts (change {left.change_id})"
    if after.is_opted_out:
        return Note("arrived_opted_out", f"This contact is opted out of texts, {why}. {HOW_TO_OPT_IN}")
    if after.is_opted_out is None:
        return Note("arrived_opted_out", f"This contact was sent as opted out of texts, {why}. {HOW_TO_OPT_IN}")
    return Note(
        "suppression_lost",
        f"This contact was sent as opted out of texts, {why}, and Heymarket did not keep that. "
        "Do not text this number before the person agrees.",
    )


def notes_on_departure(before: Contact, after: Contact) -> list[str]:
    """The number that an opted-out contact left, by what was read back."""
    if before.is_opted_out is False or not leaves_number(before, after.phone):
        return []
    state = {
        True: f"The contact is still opted out, with {show(after.phone)}.",
        False: f"The contact is not opted out with {show(after.phone)}.",
        None: "Heymarket does not say whether the contact is opted out now.",
    }[after.is_opted_out]
    others = f"A contact that is added here with {show(before.phone)} arrives opted out, too."
    return [Note("left_opted_out", f"{state} {others}")]
