"""One change for many: which contacts are meant, and the edit that all of them get."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from contacts_mcp.book.book import Book
from contacts_mcp.book.listing.listing import list_contacts
from contacts_mcp.book.people.requests import Edit, Wanted, resolved
from contacts_mcp.book.transfer.looking import all_of, look
from contacts_mcp.book.transfer.planning import plan_update
from contacts_mcp.book.transfer.where import filters_of
from contacts_mcp.errors import InvalidArgument, Refused
from contacts_mcp.models import Contact
from contacts_mcp.state.imports import StoredPlan
from contacts_mcp.words.display import quoted

_PAGE = 1_000
_VALUE = 40  # characters of a value in the description of a change


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The contacts that are meant: by filters or by ids."""

    where: Mapping[str, str] = field(default_factory=dict)
    contact_ids: Sequence[int] = ()

    @property
    def described(self) -> str:
        if self.contact_ids:
            return f"{len(self.contact_ids)} contacts by id"
        return ", ".join(f"{name} {value}" for name, value in self.where.items())


def told(wanted: Wanted) -> str:
    """The change in the words of the person who asks for it: `Plan = "Gold", add tags "VIP"`."""
    lists = (("add tags", wanted.add_tags), ("remove tags", wanted.remove_tags), ("empty", wanted.clear))
    parts = [
        *(f"{name} = {quoted(value, limit=_VALUE)}" for name, value in wanted.custom_fields.items()),
        *([f"assignee = {quoted(wanted.assignee, limit=_VALUE)}"] if wanted.assignee else []),
        *(f"{verb} {', '.join(quoted(name, limit=_VALUE) for name in names)}" for verb, names in lists if names),
        *(["opt out of texts"] if wanted.is_opted_out else []),
    ]
    return ", ".join(parts)


async def plan_change(book: Book, chosen: Chosen, wanted: Wanted) -> StoredPlan:
    """A plan that makes one change to all of these contacts. Raises InvalidArgument, UnknownName, Refused."""
    if bool(chosen.where) == bool(chosen.contact_ids):
        raise InvalidArgument(
            "where or contact_ids", "exactly one says which contacts are meant.", expected='As where: {"tag": "VIP"}.'
        )
    if wanted.is_opted_out is False:
        raise Refused(
            "Nobody is opted in for many at once, which needs the consent of each. Use update_contact for one. "
            "Nothing was changed.",
            kind="no_opt_in",
        )
    edit = await resolved(wanted, book.vocabulary)
    if edit == Edit({}):
        raise InvalidArgument(
            "update_contacts", "nothing to change was given.", expected='For example add_tags: ["VIP"].'
        )
    contacts, notes = await (_by_ids(book, chosen.contact_ids) if chosen.contact_ids else _by_filters(book, chosen))
    facts = {"file": chosen.described, "change": told(wanted), "edit": repr(edit), "assumptions": notes}
    plan = book.imports.begin("update", facts, {})
    with book.imports.filling(plan):
        return await plan_update(book, plan, contacts, edit)


async def _by_filters(book: Book, chosen: Chosen) -> tuple[list[Contact], list[str]]:
    """The contacts in the order of the list, each as it is now, and the reasons why others may be missing."""
    phones, notes = await _listed(book, chosen)
    looked = await look(book, filter(None, phones.values()))
    found = {contact.id: contact for phone in phones.values() if phone for contact in looked.with_phone(phone)}
    others, _ = await _by_ids(book, [number for number in phones if number not in found])
    found |= {contact.id: contact for contact in others}
    return [found[number] for number in phones if number in found], notes


async def _listed(book: Book, chosen: Chosen) -> tuple[dict[int, str], list[str]]:
    """Id -> the digits of the phone, of everybody who passes the filters, and why the list may lack contacts."""
    filters = filters_of(chosen.where, by_name=True)
    phones: dict[int, str] = {}
    cursor = ""
    while True:
        listing = await list_contacts(book, filters, limit=_PAGE, cursor=cursor)
        phones |= {card.contact_id: "".join(filter(str.isdigit, card.phone)) for card in listing.cards}
        cursor = listing.next_cursor
        if not cursor:
            break
    if listing.complete:
        return phones, []
    return phones, ["The list may lack contacts, because the book was changed while it was read.", *listing.notes]


async def _by_ids(book: Book, ids: Sequence[int]) -> tuple[list[Contact], list[str]]:
    """The contacts in the order of the ids, and a note on ids that nobody has."""
    found: dict[int, Contact] = {}

    async def get(number: int) -> None:
        contact = await book.api.get_contact(number)
        if contact is not None:
            found[number] = contact

    wanted = list(dict.fromkeys(ids))
    await all_of([(get, number) for number in wanted])
    missing = [number for number in wanted if number not in found]
    told = f"{len(missing)} of the ids are no contact: {', '.join(map(str, missing[:5]))}."
    return [found[number] for number in wanted if number in found], [told] if missing else []
