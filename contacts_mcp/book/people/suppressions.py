"""Opt-outs belong to numbers: the opt-out that a contact left behind on its number holds for the next contact there.

Every path that puts a contact on a number asks `left_opted_out`. The contact arrives opted out. Opting in needs consent
and a confirmation afterwards, as for any other contact.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from contacts_mcp.book.book import Book
from contacts_mcp.book.writing.settle import plan_of
from contacts_mcp.models import Contact, Values
from contacts_mcp.state.journal import Entry
from contacts_mcp.words.note import Note
from contacts_mcp.words.phones import show
from contacts_mcp.words.renumbering import other_forms

HOW_TO_OPT_IN = "To opt in, use update_contact with is_opted_out false and consent."


async def left_opted_out(book: Book, phone: str, *, mover: int | None = None) -> Entry | None:
    """The change that left the number opted out, None if the journal knows of none.

    The caller knows that nobody but `mover` has the number. So a contact of the journal that was there has left, even
    where somebody else deleted or moved it.

    A contact whose opt-out was not known counts as opted out. A later opt-in on the number, with consent, ends it.
    A number may have several forms (`words/renumbering.py`), and the opt-out holds for all of them.
    """
    forms = (phone, *other_forms(phone))
    entries = {entry.change_id: entry for form in forms for entry in await book.journal.about_phone(form)}
    left: Entry | None = None
    stayed: dict[int | None, Entry] = {}  # contact -> the change after which it was there, opted out
    for _, entry in sorted(entries.items()):
        stayed.pop(entry.contact_id, None)
        effect = _effect(entry, forms)
        if effect == "opted in":
            left, stayed = None, {}
        elif effect == "left":
            left = entry
        elif effect == "stayed":
            stayed[entry.contact_id] = entry
    if mover is not None:
        stayed.pop(mover, None)
    return max([*filter(None, [left]), *stayed.values()], key=lambda entry: entry.change_id, default=None)


def _effect(entry: Entry, forms: Sequence[str]) -> Literal["opted in", "left", "stayed", "none"]:
    """How the change bears on a number: an opt-in, or a contact that left it or stayed on it and may be opted out."""
    if entry.consent and entry.state == "done" and plan_of(entry).opts_in:
        return "opted in"
    if entry.before.get("phone") in forms and entry.wanted.get("phone") not in forms:
        return "left" if _may_leave_opted_out(entry) else "none"
    return "stayed" if _may_stay_opted_out(entry, forms) else "none"


def _may_leave_opted_out(entry: Entry) -> bool:
    """Whether the contact was, or may have been, opted out when it left.

    An opt-out that shows afterwards and was not asked for came from the person at that moment.
    """
    came = entry.after.get("is_opted_out") and entry.wanted.get("is_opted_out") is not True
    return entry.before.get("is_opted_out") is not False or bool(came)


def _may_stay_opted_out(entry: Entry, forms: Sequence[str]) -> bool:
    """Whether the contact was, or may have been, on the number and opted out after the change."""
    if entry.state == "done":
        return entry.after.get("phone") in forms and entry.after.get("is_opted_out") is not False
    return entry.wanted.get("phone") in forms and entry.wanted.get("is_opted_out") is True


def arrives_opted_out(asked: Values, wanted: Values) -> bool:
    """Whether a new contact is sent as opted out for the sake of its number alone: nobody `asked` for that."""
    return wanted.get("is_opted_out") is True and asked.get("is_opted_out") is not True


def leaves_number(before: Contact, phone: str) -> bool:
    """Whether the contact would have another number with `phone`, and not another form of its own."""
    return bool(before.phone) and phone not in (before.phone, *other_forms(before.phone))


def note_on_arrival(left: Entry, after: Contact) -> Note:
    """Why the contact is opted out now, by what was read back."""
    is_certain = left.before.get("is_opted_out") or left.after.get("is_opted_out")
    was = "was opted out" if is_certain else "may have been opted out"
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
