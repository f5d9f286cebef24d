"""Finding one contact by what identifies it exactly: its id, its phone, its e-mail."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from contacts_mcp.book.book import Book
from contacts_mcp.book.cards import Card, card_of
from contacts_mcp.book.writing.write import LOOKS
from contacts_mcp.errors import ContactNotFound, InvalidArgument, Refused
from contacts_mcp.models import Contact
from contacts_mcp.words.display import quoted, visible
from contacts_mcp.words.phones import Phone

SHORTEST_PHONE = 10**9


@dataclass(frozen=True, slots=True)
class Found:
    """Who has an id, phone or e-mail: nobody, one, or (by e-mail) several."""

    cards: list[Card]
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Who:
    """Which contact is meant: exactly one of id and phone."""

    contact_id: int | None = None
    phone: Phone | None = None

    @property
    def notes(self) -> list[str]:
        return [*self.phone.notes] if self.phone else []

    @property
    def described(self) -> str:
        """In a sentence: "the phone +15105553344". A long id is probably a phone in the wrong place."""
        if self.phone is not None:
            return f"the phone {self.phone}"
        slip = " (that looks like a phone; pass it as phone)" if (self.contact_id or 0) >= SHORTEST_PHONE else ""
        return f"the id {self.contact_id}{slip}"

    @property
    def phones(self) -> tuple[str, ...]:
        return (self.phone.digits,) if self.phone else ()


async def lookup(
    book: Book, *, contact_id: int | None = None, phone: str | None = None, email: str | None = None
) -> Found:
    """The contacts with that id, phone or e-mail. Raises InvalidArgument unless exactly one is given."""
    if email is None:
        who = who_is(book, contact_id=contact_id, phone=phone, also="email")
        contact = await read(book, who)
        return await _found(book, [contact] if contact else [], who.notes, sought=who.described)
    if contact_id is not None or phone is not None:
        raise _exactly_one("email")
    address = _checked(email)
    spellings = list(
        dict.fromkeys((address, address.lower()))
    )  # Heymarket compares exactly; most addresses are stored in small letters
    found = await book.api.search_contacts(emails=spellings)
    notes = (
        []
        if found
        else ["E-mails are found by their exact spelling and in small letters; one stored otherwise is not."]
    )
    return await _found(book, found, notes, sought=f"the e-mail {quoted(address, limit=60)}")


async def _found(book: Book, contacts: list[Contact], notes: list[str], *, sought: str) -> Found:
    missed = [] if contacts else [f"No contact has {sought}."]
    return Found([await card_of(contact, book.directory) for contact in contacts], [*missed, *notes])


def who_is(book: Book, *, contact_id: int | None, phone: str | None, also: str = "", changes: bool = False) -> Who:
    """Who is meant, before anything is asked of the service. Raises InvalidArgument, InvalidPhone."""
    if (contact_id is None) == (phone is None):
        raise _exactly_one(also, changes_number=changes and phone is not None)
    return Who(contact_id) if phone is None else Who(phone=book.phone(phone))


async def read(book: Book, who: Who) -> Contact | None:
    """The contact meant, as it is now; None where there is none."""
    if who.contact_id is not None:
        return await book.api.get_contact(who.contact_id)
    assert who.phone is not None
    return await book.api.find_contact(who.phone.digits)


async def read_existing(book: Book, who: Who) -> Contact:
    """As `read`. Raises ContactNotFound."""
    contact = await read(book, who)
    if contact is None:
        raise ContactNotFound(
            f"No contact has {who.described}. Check it with the person, look by another value, or list contacts to find them. Nothing was changed."
        )
    return contact


@asynccontextmanager
async def held(book: Book, who: Who) -> AsyncIterator[Contact]:
    """The contact meant, read and locked: no other server of this machine changes it meanwhile. Raises ContactNotFound."""
    if who.contact_id is not None:
        async with book.locks.contact(who.contact_id):
            yield await _up_to_date(book, await read_existing(book, who))
        return
    started = time.time()
    contact = await read_existing(book, who)
    async with book.locks.contact(contact.id):
        if book.locks.last_write(contact.id) >= started:  # changed between the read and the lock
            contact = await read_existing(book, Who(contact.id))
            if contact.phone not in who.phones:
                raise ContactNotFound(
                    f"Contact {contact.id} gave up {who.described} at this very moment. Look again. Nothing was changed."
                )
        yield await _up_to_date(book, contact)


async def _up_to_date(book: Book, contact: Contact) -> Contact:
    """`contact`, looked at again while it is older than what was written here just now: a change worked out from that would undo it. Raises Refused."""
    written = book.journal.rev_written(contact.id)
    for pause in LOOKS[1:]:
        if not 0 < contact.rev < written:
            return contact
        await anyio.sleep(pause)
        contact = await read_existing(book, Who(contact.id))
    if 0 < contact.rev < written:
        raise Refused(
            f"Heymarket still shows contact {contact.id} as it was before the last change (rev {contact.rev}, where {written} was written). "
            "Nothing was changed. Try again in a minute."
        )
    return contact


def _exactly_one(also: str, *, changes_number: bool = False) -> InvalidArgument:
    if changes_number:
        return InvalidArgument(
            "contact_id or phone",
            "exactly one says who is meant.",
            expected="To change the number, pass the new one as new_phone.",
        )
    names = "contact_id, phone or email" if also else "contact_id or phone"
    return InvalidArgument(
        names,
        "exactly one is needed.",
        expected='An id is a number from an earlier answer, a phone is as people write it: "(510) 555-3344".'
        + ("" if also else _BY_OTHER_MEANS),
    )


_BY_OTHER_MEANS = " To find somebody by e-mail or name, look them up first: lookup_contact, list_contacts."


def _checked(email: str) -> str:
    if "@" not in email.strip("@ "):
        raise InvalidArgument(
            "email",
            f'"{visible(email, limit=60)}" is not an e-mail address.',
            expected="Expected one such as jordan@example.com.",
        )
    return email.strip()
