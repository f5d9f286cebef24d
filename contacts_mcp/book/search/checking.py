"""Checking contacts of the mirror against the service, before they are told as facts.

- Many are asked for in one request, by their phones. A contact that this does not show is asked for by its id.
- A contact is gone if neither shows it. One that was created within the last minutes may not be visible yet.
- The journal knows our own deletions, which a read may still show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from contacts_mcp.api.client import HeymarketClient
from contacts_mcp.errors import Forbidden, Rejected
from contacts_mcp.models import Contact
from contacts_mcp.state.protocols import Journal
from contacts_mcp.state.row import Row

BATCH = 100  # phones of one request
YOUNG = 600.0  # seconds for which a new contact may stay hidden, clocks that differ included


@dataclass(frozen=True, slots=True)
class Checked:
    """Contacts as the service shows them now."""

    contacts: tuple[Contact, ...]  # in the order asked for
    gone: tuple[int, ...] = ()  # ids of those that the service does not have any more
    unseen: tuple[int, ...] = ()  # ids of those that changed so lately that it does not show it yet


async def check(api: HeymarketClient, journal: Journal, rows: Sequence[Row]) -> Checked:
    """The contacts of these rows as they are now: one request, and one more for each that changed its phone or is gone.

    Raises ContactsError.
    """
    contacts = await by_phone(api, {row.id: row.phone for row in rows})
    contacts |= await _by_id(api, [row.id for row in rows if _is_behind(contacts.get(row.id), row)])
    fates = {row.id: await _fate(journal, row, contacts.get(row.id)) for row in rows}
    return Checked(
        contacts=tuple(contacts[each] for each, fate in fates.items() if fate == "seen"),
        gone=tuple(each for each, fate in fates.items() if fate == "gone"),
        unseen=tuple(each for each, fate in fates.items() if fate == "unseen"),
    )


async def _fate(journal: Journal, row: Row, contact: Contact | None) -> Literal["seen", "gone", "unseen"]:
    if await journal.deleted(row.id):
        return "gone"
    if contact is None:
        return "unseen" if await _is_young(journal, row) else "gone"
    return "unseen" if _is_behind(contact, row) else "seen"


async def by_phone(api: HeymarketClient, asked: Mapping[int, str]) -> dict[int, Contact]:
    """Those of the contacts, given as id -> phone, that a search by phone shows. Not every account may search."""
    phones = [*dict.fromkeys(filter(None, asked.values()))]
    found: dict[int, Contact] = {}
    try:
        for at in range(0, len(phones), BATCH):
            contacts = await api.search_contacts(phones=phones[at : at + BATCH])
            found |= {contact.id: contact for contact in contacts if contact.id in asked}
    except (Forbidden, Rejected):
        return found
    return found


async def _by_id(api: HeymarketClient, ids: Sequence[int]) -> dict[int, Contact]:
    looks = [(contact_id, await api.get_contact(contact_id)) for contact_id in ids]
    return {contact_id: contact for contact_id, contact in looks if contact is not None}


def _is_behind(contact: Contact | None, row: Row) -> bool:
    """Whether a read lacks the contact, or shows it as it was before a version that is known."""
    return contact is None or (bool(contact.rev) and contact.rev < row.rev)


async def _is_young(journal: Journal, row: Row) -> bool:
    creation = await journal.creation_of(row.id)
    if creation is not None:
        return journal.may_still_arrive(creation)
    return row.created is None or journal.seconds_since(row.created / 1e6) < YOUNG
