"""Looking up many phones and e-mails at once, with the judgement of single look-ups about what a read can prove."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Awaitable, Callable, Container, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice, zip_longest
from typing import Any, TypeVar

import anyio

from contacts_mcp.book.book import Book
from contacts_mcp.book.people.holding import holder_of
from contacts_mcp.book.people.suppressions import left_opted_out
from contacts_mcp.book.transfer.deciding import Decision, Switches, decide
from contacts_mcp.book.transfer.twins import Earlier
from contacts_mcp.book.transfer.wishes import Wish
from contacts_mcp.book.values import values_of
from contacts_mcp.book.writing.write import has_left
from contacts_mcp.errors import Refused
from contacts_mcp.models import Contact
from contacts_mcp.words.emails import same_email
from contacts_mcp.words.folding import caseless
from contacts_mcp.words.renumbering import other_forms

AT_ONCE = 100  # phones and e-mails of one search; nobody says how many the service takes
_SIDE_BY_SIDE = 8  # requests under way

Item = TypeVar("Item")


def in_parts(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of at most `size`, taken from an iterator only as they are needed."""
    source = iter(items)
    while part := list(islice(source, size)):
        yield part


@dataclass(slots=True)
class Looked:
    """The contacts of many phones and e-mails, as they are now."""

    known: frozenset[str] = frozenset()  # phones that the journal knows
    unclear: set[str] = field(default_factory=set)  # phones of which reads lag behind our own change
    in_journal: set[int] = field(default_factory=set)  # of the contacts that a search found
    searched: set[int] = field(default_factory=set)
    _by_phone: dict[str, list[Contact]] = field(default_factory=lambda: defaultdict(list))
    _by_email: dict[str, list[Contact]] = field(default_factory=lambda: defaultdict(list))

    def add(self, contact: Contact) -> None:
        """A contact that was found. One that is found twice counts once."""
        for table, key in ((self._by_phone, contact.phone), (self._by_email, caseless(contact.email))):
            if key and all(contact.id != other.id for other in table[key]):
                table[key].append(contact)

    def is_in_journal(self, contact: Contact | None) -> bool:
        """Whether the journal may have an entry of that contact."""
        return contact is None or contact.id in self.in_journal or contact.id not in self.searched

    async def add_found(self, book: Book, found: Sequence[Contact]) -> None:
        """The answer of a search, without those that have left their phone already."""
        in_journal = await book.journal.known_contacts([contact.id for contact in found])
        self.in_journal |= in_journal
        self.searched |= {contact.id for contact in found}
        for contact in found:
            is_known = contact.id in in_journal and contact.phone in self.known
            if not (is_known and await has_left(book, contact, contact.phone)):
                self.add(contact)

    def with_phone(self, phone: str) -> list[Contact]:
        """The contacts with that phone in any of its forms."""
        return [contact for form in forms_of(phone) for contact in self._by_phone.get(form, ())]

    def with_email(self, email: str) -> list[Contact]:
        found = self._by_email.get(caseless(email), ()) if email else ()
        return [contact for contact in found if same_email(contact.email, email)]


def forms_of(phone: str) -> tuple[str, ...]:
    return (phone, *other_forms(phone)) if phone else ()


async def look(book: Book, phones: Iterable[str], emails: Iterable[str] = (), *, proves_absence: bool = True) -> Looked:
    """Who has these phones, in whatever form, and these e-mails.

    If it `proves_absence`, a phone that the journal knows and nobody seems to have is asked for singly: reads may lag
    behind our own change.
    """
    wanted = list(dict.fromkeys(form for phone in phones for form in forms_of(phone)))
    # A single look-up asks for more spellings of an address. Here each of them would be another request.
    addresses = list(dict.fromkeys(text for email in emails if email for text in (email, email.lower())))
    known = [found for part in in_parts(wanted, AT_ONCE) for found in await book.journal.known_phones(part)]
    looked = Looked(frozenset(known))
    await _search(book, wanted, addresses, looked)
    if proves_absence:
        await _ask_singly(book, looked)
    return looked


async def _search(book: Book, phones: Sequence[str], emails: Sequence[str], looked: Looked) -> None:
    """Add everybody with one of these, but for those that left their phone by our own change."""

    async def search(some: list[str] | None, others: list[str] | None) -> None:
        await looked.add_found(book, await book.api.search_contacts(phones=some or [], emails=others or []))

    await all_of((search, *parts) for parts in zip_longest(in_parts(phones, AT_ONCE), in_parts(emails, AT_ONCE)))


async def _ask_singly(book: Book, looked: Looked) -> None:
    """Add the holders of known phones that nobody seems to have."""
    for phone in looked.known:
        if looked.with_phone(phone):
            continue
        try:
            holder = await holder_of(book, phone, other_forms(phone))
        except Refused:
            looked.unclear.add(phone)
            continue
        if holder is not None:
            looked.add(holder)


async def all_of(calls: Iterable[tuple[Any, ...]]) -> None:
    """Make these calls, each a function and its arguments, some of them at a time. Raises the first of their errors."""
    limiter = anyio.CapacityLimiter(_SIDE_BY_SIDE)

    async def one(function: Callable[..., Awaitable[object]], *arguments: Any) -> None:
        async with limiter:
            await function(*arguments)

    try:
        async with anyio.create_task_group() as tasks:
            for call in calls:
                tasks.start_soon(one, *call)
    except BaseExceptionGroup as errors:
        first: BaseException = errors
        while isinstance(first, BaseExceptionGroup):
            first = first.exceptions[0]
        raise first from None


@dataclass(frozen=True, slots=True)
class Judged:
    """The decision on a row, and the state of the contacts that it was made against."""

    decision: Decision
    contacts: tuple[Contact, ...]

    @property
    def state(self) -> str:
        """A digest of 128 bits, which a confirmation is bound to."""
        if not self.contacts:
            return ""
        states = sorted(json.dumps([one.id, one.rev, one.updated, values_of(one)]) for one in self.contacts)
        return hashlib.blake2b("\n".join(states).encode(), digest_size=16).hexdigest()


async def judged(
    book: Book,
    wish: Wish,
    looked: Looked,
    earlier: Earlier | None,
    switches: Switches,
    *,
    besides: Container[int] = (),
) -> Judged:
    """The decision on one row now. A new contact on a number that was left opted out arrives opted out.

    `besides` are the ids of contacts whose e-mail does not count.
    """
    with_phone = looked.with_phone(wish.phone)
    with_email = [contact for contact in looked.with_email(wish.email) if contact.id not in besides]
    decision = decide(wish, with_phone, with_email, earlier, switches)
    is_known = any(form in looked.known for form in forms_of(wish.phone))
    if decision.decision == "new" and is_known and await left_opted_out(book, wish.phone):
        decision = replace(decision, wanted=decision.wanted | {"is_opted_out": True})
    return Judged(decision, tuple(with_phone))
