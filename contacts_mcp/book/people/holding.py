"""Holding one contact or one phone: read, locked, and with no earlier write still on its way.

- Before any write, and before "unchanged" is said, the journal is asked for earlier writes about the contact and its
  phones. While one may still arrive, the call waits outside the locks, or is refused where it has no time to wait.
- An unfinished change of the contact is settled before the next one, because afterwards `rev` no longer tells.
- A read that is older than our own last change is repeated, and refused in the end.
- Absence proves nothing about a contact that got its phone within the last minute. The journal knows that contact, and
  it is asked for by id.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from math import inf

import anyio

from contacts_mcp.api.pace import on_wait
from contacts_mcp.book.book import Book
from contacts_mcp.book.writing.plan import Sight
from contacts_mcp.book.writing.settle import settle_entry
from contacts_mcp.book.writing.write import LOOK_DELAYS, has_left, last_change
from contacts_mcp.errors import ContactNotFound, ContactsError, Refused
from contacts_mcp.models import Contact
from contacts_mcp.state.journal import Entry
from contacts_mcp.state.uptime import uptime
from contacts_mcp.words.display import quoted
from contacts_mcp.words.nicknames import may_be_called
from contacts_mcp.words.phones import Phone, show
from contacts_mcp.words.renumbering import other_forms

MOST_OTHERS = 5  # further contacts of one number that are looked up
SHORTEST_PHONE = 10**9
PHONE_LENGTHS = range(8, 16)  # digits of a phone in requests (heymarket-api.md 3.1)
LEFT_FOR_WORK = 10.0  # seconds of a call that a wait leaves for the write and its look
WORTH_TELLING = 2.0  # seconds of a wait that the client hears of


@dataclass(frozen=True, slots=True)
class ContactRef:
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


async def read(book: Book, ref: ContactRef) -> Contact | None:
    """The contact meant, as the service shows it, None if there is none."""
    if ref.contact_id is not None:
        return await book.api.get_contact(ref.contact_id)
    assert ref.phone is not None
    return await with_any_form(book, ref.phone.digits, ref.phone.variants)


async def with_any_form(book: Book, phone: str, others: Sequence[str]) -> Contact | None:
    """The contact with `phone`, or else one with another form of the same number (`words/renumbering.py`)."""
    found = await book.api.find_contact(phone)
    # A search takes any digits. The other read may refuse a length that no phone has, though a contact has it.
    sought = others if len(phone) in PHONE_LENGTHS else (phone, *others)
    if found is None and sought:
        found = next((one for one in await book.api.search_contacts(phones=sought) if one.phone in sought), None)
    return found


async def others_with_phone(book: Book, contact: Contact) -> list[Contact]:
    """Further contacts of the same number, as the service shows them now. Its own look by phone answers with one.

    The mirror says who they may be. Where it knows none, or is not in use, nothing is asked.
    """
    if not contact.phone or not book.mirror.is_in_use:
        return []
    with suppress(ContactsError):
        rows = await book.mirror.ask(lambda index: index.by_phone(contact.phone))
        ids = [row.id for row in rows if row.id != contact.id and not await book.journal.deleted(row.id)]
        found = [await book.api.get_contact(each) for each in ids[:MOST_OTHERS]]
        return [one for one in found if one is not None and one.phone == contact.phone]
    return []


async def _refuse_several(book: Book, contact: Contact, ref: ContactRef) -> None:
    """The check that the phone alone says who is meant. Raises Refused."""
    if ref.phone is None or not (others := await others_with_phone(book, contact)):
        return
    who = "; ".join(f"contact {one.id} {quoted(one.name, limit=60)}" for one in (contact, *others))
    raise Refused(
        f"{1 + len(others)} contacts have {ref.described}: {who}. Nothing was changed. Ask the person who is meant, "
        "then give contact_id.",
        kind="several_of_that_phone",
    )


def nobody(ref: ContactRef) -> ContactNotFound:
    return ContactNotFound(
        f"No contact has {ref.described}. "
        "Check it with the person, look by another value, or list contacts to find them. "
        "Nothing was changed."
    )


def is_called(contact: Contact, name: str) -> bool:
    """Whether the contact may be the person of that name."""
    return may_be_called(name, first=contact.first, last=contact.last, display_name=contact.display_name)


def refuse_other_name(contact: Contact, name: str | None) -> None:
    """The check that `contact` may be the person whom the caller calls `name`.

    Raises Refused where that is somebody else.
    """
    if name is None or is_called(contact, name):
        return
    own = quoted(contact.name, limit=60) if contact.name else "a contact without a name"
    number = f"The phone {show(contact.phone)}" if contact.phone else "This id"
    raise Refused(
        f"{number} belongs to {own} (contact_id {contact.id}), not to {quoted(name, limit=60)}. Nothing was changed. "
        "Ask the person who is meant. To find somebody by name use search_contacts.",
        kind="name_mismatch",
    )


@asynccontextmanager
async def locked_contact(book: Book, ref: ContactRef, *, phones: Sequence[str] = ()) -> AsyncIterator[Contact]:
    """The contact meant, read and locked together with `phones`.

    Raises ContactNotFound, and Refused where the caller must wait.
    """
    asked = _forms_of(*ref.phones, *phones)
    while True:
        async with book.locks.phones(*asked), _locked(book, ref) as contact:
            arriving = await book.journal.arriving(contact.id, *asked, *_forms_of(contact.phone))
            if not arriving:
                await _refuse_several(book, contact, ref)
                unfinished = await book.journal.unfinished()
                settled = await _settle_about(book, unfinished, contact.id, *asked, *_forms_of(contact.phone))
                yield await _up_to_date(book, contact, ref, settled=settled)
                return
        await _wait_for(book, arriving)


@asynccontextmanager
async def locked_phone(book: Book, phone: str) -> AsyncIterator[None]:
    """The right to give `phone` to a contact, with no earlier write about it still on its way.

    Raises Refused where the caller must wait.
    """
    forms = _forms_of(phone)
    while True:
        async with book.locks.phones(*forms):
            arriving = await book.journal.arriving(None, *forms)
            if not arriving:
                await _settle_about(book, await book.journal.unfinished(), None, *forms)
                yield
                return
        await _wait_for(book, arriving)


@asynccontextmanager
async def locked_contacts(book: Book, contact_ids: Sequence[int]) -> AsyncIterator[list[Contact]]:
    """Several contacts, read and locked together, in the order of their ids as given.

    Raises ContactNotFound, and Refused where the caller must wait.
    """
    refs = [ContactRef(each) for each in contact_ids]
    while True:
        async with book.locks.contact(*contact_ids):
            contacts = [await _existing(book, ref) for ref in refs]
            about = [(contact, _forms_of(contact.phone)) for contact in contacts]
            arriving = [entry for one, forms in about for entry in await book.journal.arriving(one.id, *forms)]
            if not arriving:
                unfinished = await book.journal.unfinished()
                settled = [await _settle_about(book, unfinished, one.id, *forms) for one, forms in about]
                yield [
                    await _up_to_date(book, one, ref, settled=changed)
                    for one, ref, changed in zip(contacts, refs, settled, strict=True)
                ]
                return
        await _wait_for(book, arriving)


def _forms_of(*phones: str) -> list[str]:
    """Every form of these numbers: a contact may be stored under any of them."""
    return [form for phone in phones if phone for form in (phone, *other_forms(phone))]


@asynccontextmanager
async def _locked(book: Book, ref: ContactRef) -> AsyncIterator[Contact]:
    if ref.contact_id is not None:
        async with book.locks.contact(ref.contact_id):
            yield await _existing(book, ref)
        return
    started = uptime()
    contact = await _existing(book, ref)
    async with book.locks.contact(contact.id):
        if await book.locks.last_write(contact.id) >= started:  # changed between the read and the lock
            contact = await _existing(book, ContactRef(contact.id))
        yield contact


async def _existing(book: Book, ref: ContactRef) -> Contact:
    """The contact meant. Raises ContactNotFound."""
    if ref.phone is None:
        contact = await read(book, ref)
    else:
        contact = await holder_of(book, ref.phone.digits, ref.phone.variants)
    known_id = contact.id if contact else ref.contact_id
    if known_id is None or await book.journal.deleted(known_id):  # a read may still show it
        raise nobody(ref)
    if contact is not None:
        return contact
    creation = await book.journal.creation_of(known_id)
    if creation is None or not book.journal.may_still_arrive(creation):
        raise nobody(ref)
    return await _shown_soon(book, creation)


async def holder_of(book: Book, phone: str, others: Sequence[str] = ()) -> Contact | None:
    """The contact that has `phone`, or another form of it, by the newest evidence there is.

    A contact that the journal knows there is asked for by its id, too. Raises Refused while reads lag behind a change
    of the last minute.
    """
    found = await with_any_form(book, phone, others)
    if found is not None and not await has_left(book, found, found.phone):
        return found
    forms = (phone, *others)
    for entry in await _given_out(book, forms):
        contact = await _now_of(book, entry)
        if contact is not None and contact.phone in forms:  # else somebody else has moved or deleted it since
            return contact
    return None


async def _given_out(book: Book, forms: Sequence[str]) -> list[Entry]:
    """The changes that gave one of these forms to a contact that should still have it, by the journal."""
    entries = [entry for form in forms for entry in reversed(await book.journal.phone_given_out(form, within=inf))]
    return [entry for entry in entries if entry.state == "done" and await _should_be_there(book, entry, forms)]


async def _should_be_there(book: Book, entry: Entry, forms: Sequence[str]) -> bool:
    if entry.contact_id is None or await book.journal.deleted(entry.contact_id):
        return False
    newest = await book.journal.last_after(entry.contact_id)
    return newest is None or newest.after.get("phone") in forms


async def _now_of(book: Book, entry: Entry) -> Contact | None:
    assert entry.contact_id is not None
    is_recent = book.journal.may_still_arrive(entry)
    return await (_shown_soon(book, entry) if is_recent else book.api.get_contact(entry.contact_id))


async def _shown_soon(book: Book, entry: Entry) -> Contact:
    """The contact of a change made within the minute, looked up by its id until the service shows it.

    Raises Refused.
    """
    assert entry.contact_id is not None
    for pause in LOOK_DELAYS:
        await anyio.sleep(pause)
        contact = await book.api.get_contact(entry.contact_id)
        if contact is not None and not await is_behind(book, contact):
            return contact
    phone = show(str(entry.after.get("phone", "")))
    raise Refused(
        f"Contact {entry.contact_id} got the phone {phone} less than a minute ago (change {entry.change_id}), "
        "and Heymarket does not show that yet. Nothing was changed. Try again in a minute.",
        kind="lagging_read",
    )


async def _up_to_date(book: Book, contact: Contact, ref: ContactRef, *, settled: bool) -> Contact:
    """`contact`, read again while it is older than our own last change.

    A change worked out from that would undo it. `settled` says that a change was found just now, after the look at
    `contact`. Raises Refused.
    """
    if settled:
        contact = await _existing(book, ContactRef(contact.id))
    for pause in LOOK_DELAYS[1:]:
        if not await is_behind(book, contact, settled=settled):
            break
        await anyio.sleep(pause)
        contact = await _existing(book, ContactRef(contact.id))
    if await is_behind(book, contact, settled=settled):
        raise Refused(
            f"Heymarket still shows contact {contact.id} as it was before the last change. Nothing was changed. "
            "Try again in a minute.",
            kind="lagging_read",
        )
    if ref.phone is not None and contact.phone not in (ref.phone.digits, *ref.phone.variants):
        raise ContactNotFound(
            f"Contact {contact.id} gave up {ref.described} at this very moment. Look again. Nothing was changed."
        )
    return contact


async def is_behind(book: Book, contact: Contact, *, settled: bool = False) -> bool:
    """Whether a read shows the contact as it was before our own last change."""
    if contact.rev and contact.rev < await book.journal.rev_written(contact.id):
        return True
    newest = await last_change(book, contact.id, is_recent=settled)
    return newest is not None and newest.is_newer_than(Sight.of(contact))


async def _settle_about(book: Book, unfinished: Sequence[Entry], contact_id: int | None, *phones: str) -> bool:
    """Find out about the `unfinished` changes of that contact, and those that gave one of `phones` to a contact.

    Afterwards `rev` no longer tells. Answers whether one of them changed the contact.
    """
    changed = False
    for entry in unfinished:
        gave_phone = entry.wanted.get("phone") in phones and entry.before.get("phone") not in phones
        is_of_contact = contact_id is not None and entry.contact_id == contact_id
        if is_of_contact or gave_phone:
            await settle_entry(book, entry.change_id)
            found = await book.journal.get(entry.change_id)
            changed |= found is not None and found.state == "done" and found.contact_id == contact_id
    return changed


async def _wait_for(book: Book, arriving: Sequence[Entry]) -> None:
    """Return when nothing of `arriving` can arrive any more.

    Raises Refused at once where that is too long for this call.
    """
    last = max(arriving, key=book.journal.seconds_left)
    seconds = book.journal.seconds_left(last)
    left = anyio.current_effective_deadline() - anyio.current_time() - LEFT_FOR_WORK
    if seconds > min(left, book.locks.patience):
        raise Refused(
            f"Nothing was sent: an earlier {last.action} (change {last.change_id}) got no answer and may still arrive. "
            f"Look the contact up in {seconds:.0f} seconds, and then repeat this call.",
            kind="may_still_arrive",
        )
    tell = on_wait.get()
    if tell is not None and seconds > WORTH_TELLING:
        await tell(seconds)
    await anyio.sleep(seconds)
