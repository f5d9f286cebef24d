"""Finding one contact by a value that identifies it exactly: its id, its phone, its e-mail."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from contacts_mcp.book.book import Book
from contacts_mcp.book.cards import Card, card_of
from contacts_mcp.book.people.holding import ContactRef, is_behind, is_called, others_with_phone, read
from contacts_mcp.book.values import values_of
from contacts_mcp.errors import AccountError, ContactsError, InvalidArgument
from contacts_mcp.models import Contact
from contacts_mcp.state.journal import Entry
from contacts_mcp.words.display import quoted
from contacts_mcp.words.emails import same_email, spellings
from contacts_mcp.words.note import Note


@dataclass(frozen=True, slots=True)
class Found:
    """The contacts with an id, phone or e-mail: none, one, or (by e-mail) several."""

    cards: list[Card]
    notes: list[str] = field(default_factory=list)


async def lookup(
    book: Book,
    *,
    contact_id: int | None = None,
    phone: str | None = None,
    email: str | None = None,
    called: str | None = None,
) -> Found:
    """The contacts with that id, phone or e-mail. Raises InvalidArgument unless exactly one is given.

    `called` is the name as the person said it. A note says where the contact has another one.
    """
    if email is None:
        ref = ref_of(book, contact_id=contact_id, phone=phone, also="email")
        contact = await read(book, ref)
        others = await others_with_phone(book, contact) if contact and ref.phone else []
        found = [contact, *others] if contact else []
        phones = (ref.phone.digits, *ref.phone.variants) if ref.phone else ()
        recent = await _on_recent_changes(book, found, _Sought(contact_id=ref.contact_id, phones=phones))
        several = f"{len(found)} contacts have this phone. Ask the person who is meant."
        on_name = [Note("several_of_that_phone", several)] if others else _on_other_name(contact, called)
        notes = [*recent, *ref.notes, *on_name]
        return await _found(book, found, notes, sought=ref.described)
    if contact_id is not None or phone is not None:
        raise _exactly_one("email")
    address = _checked(email)
    found = await with_email(book, address)
    missed = (
        "E-mails are found as given, in small letters, in capitals, and with capitals at the start of words. "
        "One stored in another mix of them is not found."
    )
    recent = await _on_recent_changes(book, found, _Sought(email=address))
    notes = [*recent, *([] if found or recent else [Note("exact_spelling", missed)])]
    return await _found(book, found, notes, sought=f"the e-mail {quoted(address, limit=60)}")


async def with_email(book: Book, address: str) -> list[Contact]:
    """The contacts that may have the address, each once. Some services ignore a filter and answer with others."""
    sought = [*dict.fromkeys((*spellings(address), *await _known_spellings(book, spellings(address)[0])))]
    found = {contact.id: contact for contact in await book.api.search_contacts(emails=sought)}
    return [contact for contact in found.values() if _may_have(contact, sought)]


async def _known_spellings(book: Book, address: str) -> list[str]:
    """The address as contacts of the mirror spell it, where one is in use. The service compares exactly."""
    if not book.mirror.is_in_use:
        return []
    with suppress(ContactsError):
        return [row.email for row in await book.mirror.ask(lambda index: index.by_email(address))]
    return []


def _may_have(contact: Contact, emails: Sequence[str]) -> bool:
    return "email" in contact.unread or any(same_email(contact.email, email) for email in emails)


async def identified(book: Book, *, contact_id: int | None, phone: str | None, name: str | None) -> int | None:
    """The id of the contact that is meant, where a name alone says so. Beside an id or a phone a name is a check.

    Raises InvalidArgument where there is no mirror, and Refused unless exactly one contact is meant.
    """
    if contact_id is not None or phone is not None or name is None:
        return contact_id
    from contacts_mcp.book.search.naming import whose  # the mirror costs time, and most calls do not need it

    return await whose(book, name)


def _on_other_name(contact: Contact | None, called: str | None) -> list[Note]:
    if contact is None or called is None or is_called(contact, called):
        return []
    text = f"This contact is not called {quoted(called, limit=60)}. Ask the person who is meant."
    return [Note("name_mismatch", text)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Sought:
    """The value by which a contact is looked up."""

    contact_id: int | None = None
    phones: Sequence[str] = ()
    email: str = ""

    def is_of(self, entry: Entry) -> bool:
        """Whether the change was about a contact with that value."""
        values = entry.wanted or entry.before
        if self.email:
            return same_email(str(values.get("email", "")), self.email)
        is_of_id = self.contact_id is not None and entry.contact_id == self.contact_id
        return is_of_id or values.get("phone") in self.phones


async def _on_recent_changes(book: Book, found: Sequence[Contact], sought: _Sought) -> list[Note]:
    """A note where the journal knows better than the read that found these contacts, or none.

    The newest change counts. Looking up works without a journal, too.
    """
    shown = {contact.id: contact for contact in found}
    with suppress(AccountError):
        for entry in await book.journal.recent():
            is_about = entry.contact_id in shown if shown else sought.is_of(entry)
            if entry.state != "not_done" and is_about:
                return await _on_recent_change(book, entry, shown.get(entry.contact_id or 0))
    return []


async def _on_recent_change(book: Book, entry: Entry, contact: Contact | None) -> list[Note]:
    left = f"{book.journal.seconds_left(entry):.0f} seconds"
    which = f"change {entry.change_id}" if book.remembers else f"the last {entry.action}"
    if entry.state != "done" or entry.unanswered:
        text = f"A request of {which} got no answer, and may still be carried out. Look again in {left}."
        return [Note("may_still_arrive", text)]
    is_gone = entry.action == "delete"
    is_late = contact is not None if is_gone else contact is None or await is_behind(book, contact)
    text = f"Heymarket does not show {which} yet, which was made less than a minute ago. Look again in {left}."
    return [Note("lagging_read", text)] if is_late else []


async def _found(book: Book, contacts: list[Contact], notes: Sequence[str], *, sought: str) -> Found:
    missed = [] if contacts else [Note("not_found", f"No contact has {sought}.")]
    names = await book.vocabulary.naming(*map(values_of, contacts))
    return Found([card_of(contact, names) for contact in contacts], [*missed, *notes])


def ref_of(
    book: Book,
    *,
    contact_id: int | None,
    phone: str | None,
    name: str | None = None,
    also: str = "",
    changes: bool = False,
) -> ContactRef:
    """Which contact is meant, before anything is asked of the service. A name alone is not enough.

    Raises InvalidArgument, InvalidPhone.
    """
    if contact_id is None and phone is None and name is not None:
        raise InvalidArgument(
            "name",
            f"{quoted(name, limit=60)} alone does not say which contact is meant.",
            expected="Find the contact with search_contacts first. Then give contact_id, and name as a check."
            + (" To rename, use first and last." if changes else ""),
        )
    if (contact_id is None) == (phone is None):
        raise _exactly_one(also, changes_number=changes and phone is not None)
    return ContactRef(contact_id) if phone is None else ContactRef(phone=book.phone(phone, naming=True))


def _exactly_one(also: str, *, changes_number: bool = False) -> InvalidArgument:
    if changes_number:
        return InvalidArgument(
            "contact_id or phone",
            "exactly one says which contact is meant.",
            expected="To change the number, pass the new one as new_phone.",
        )
    names = "contact_id, phone or email" if also else "contact_id or phone"
    return InvalidArgument(
        names,
        "exactly one is needed.",
        expected='An id is a number from an earlier answer, a phone is as people write it: "(510) 555-3344".'
        + (_BY_NAME if also else _BY_OTHER_MEANS),
    )


_BY_NAME = " A full name goes into name. By parts of a name use search_contacts."
_BY_OTHER_MEANS = " A full name alone goes into name. By an e-mail find the id first: lookup_contact."


def _checked(email: str) -> str:
    if "@" not in email.strip("@ "):
        raise InvalidArgument(
            "email",
            f"{quoted(email, limit=60)} is not an e-mail address.",
            expected="Expected one such as jordan@example.com.",
        )
    return email.strip()
