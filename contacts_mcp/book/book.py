"""The state of one address book: one account, one data directory. Made once by whoever serves it, and passed to everything here."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from contacts_mcp.api.client import HeymarketClient
from contacts_mcp.book.cards import Card, Change
from contacts_mcp.book.confirmations import Confirmations, Deed
from contacts_mcp.book.values import values_of
from contacts_mcp.book.vocabulary import Directory
from contacts_mcp.models import Contact
from contacts_mcp.state.journal import Journal
from contacts_mcp.state.locks import Locks
from contacts_mcp.words.phones import Phone, parse_phone


@dataclass(frozen=True, slots=True)
class Book:
    """`service` says where the contacts are, for people; `confirms` False skips the confirmation of risky changes (`CONTACTS_MCP_CONFIRM=off`)."""

    api: HeymarketClient
    directory: Directory
    journal: Journal
    locks: Locks
    confirmations: Confirmations
    service: str = ""
    region: str = "US"
    confirms: bool = True

    def phone(self, text: str, *, argument: str = "phone") -> Phone:
        """What was written, as E.164. Raises InvalidPhone."""
        return parse_phone(text, region=self.region, argument=argument)

    async def aclose(self) -> None:
        await self.api.aclose()
        self.journal.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of something asked for.

    `status` is one word of the tool's contract. `confirm_token` is there where a confirmation is needed, with the `question` to put to a
    person. `change_id` names the journal's entry, for undo.
    """

    status: str
    card: Card | None = None
    changes: list[Change] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    change_id: int | None = None
    confirm_token: str = ""
    question: str = ""


def deed_for(action: str, contact: Contact, arguments: dict[str, Any] | None = None) -> Deed:
    """`action` on `contact` in the state it is in now."""
    state = json.dumps([contact.rev, contact.updated, values_of(contact)], sort_keys=True)
    return Deed(action, {contact.id: state}, arguments or {})
