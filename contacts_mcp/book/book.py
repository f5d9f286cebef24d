"""The state of one address book: one account, one data directory.

A server makes it once and passes it to every function here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, get_args

from contacts_mcp.api.client import HeymarketClient
from contacts_mcp.book.cards import Card, Change
from contacts_mcp.book.confirmations import LIFETIME, REASONS, Confirmations, RiskyAction, digest_of
from contacts_mcp.book.values import values_of
from contacts_mcp.book.vocabulary import Vocabulary
from contacts_mcp.models import Contact
from contacts_mcp.state import imports as plans
from contacts_mcp.state.profile import Profile
from contacts_mcp.state.protocols import Imports, Journal, Locks
from contacts_mcp.words.note import Note
from contacts_mcp.words.phones import Phone, parse_phone

if TYPE_CHECKING:
    from contacts_mcp.state.word_index import WordIndex

Result = TypeVar("Result")

Status = Literal["created", "exists", "updated", "unchanged", "deleted", "undone", "declined", "needs_confirmation"]
STATUSES: tuple[str, ...] = get_args(Status)


class Noticing(Protocol):
    """The local mirror of the contacts, as a write needs it (`search/mirror.py`)."""

    @property
    def is_in_use(self) -> bool:
        """Whether there is a mirror already."""

    @property
    def is_filling(self) -> bool:
        """Whether this process reads contacts into it now."""

    async def ask(self, question: Callable[[WordIndex], Result]) -> Result:
        """The answer of the mirror as it is. Raises ContactsError."""

    def noticed(self, contact: Contact) -> None:
        """The service shows the contact like this."""

    def noticed_gone(self, contact_id: int) -> None:
        """The service does not have the contact any more."""

    async def aclose(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Book:
    """One open address book."""

    api: HeymarketClient
    vocabulary: Vocabulary
    journal: Journal
    locks: Locks
    confirmations: Confirmations
    mirror: Noticing
    imports: Imports = field(default_factory=lambda: plans.Imports(None, ""))
    profile: Profile = field(default_factory=lambda: Profile(None, ""))
    service: str = ""  # where the contacts are, for people
    region: str = "US"
    remembers: bool = True  # False where no later call knows the changes: their numbers are not told
    folders: tuple[Path, ...] = ()  # open to imports and exports
    home: Path | None = None  # the data directory, for a file that fits nowhere else
    requests_per_minute: int = 500  # of the account
    confirms: bool = True  # False skips the confirmation of risky changes (`CONTACTS_MCP_CONFIRM=off`)

    @property
    def account(self) -> str:
        """The fingerprint of the account, by which cursors and confirmations know theirs."""
        return self.confirmations.account

    @property
    def zone(self) -> tzinfo | None:
        """The time zone of the days that people name and read, None for that of this machine."""
        return self.vocabulary.zone

    def phone(self, text: str, *, argument: str = "phone", naming: bool = False) -> Phone:
        """`text` as a phone in E.164. `naming` is for the phone of a contact that exists. Raises InvalidPhone."""
        return parse_phone(text, region=self.region, argument=argument, naming=naming)

    async def aclose(self) -> None:
        await self.mirror.aclose()
        await self.api.aclose()
        await self.journal.aclose()
        await self.imports.aclose()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """The result of a request to change something."""

    status: Status
    card: Card | None = None
    changes: list[Change] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)  # each a Note
    change_id: int | None = None  # of the journal's entry, for undo
    confirm_token: str = ""  # where a confirmation is needed
    question: str = ""  # ... the question to put to a person


def risky(
    name: str, contact: Contact, arguments: dict[str, Any] | None = None, *, others: Sequence[Contact] = ()
) -> RiskyAction:
    """The action `name` on `contact` and the `others`, each in the state it is in now."""
    all_of_them = (contact, *others)
    states = {each.id: json.dumps([each.rev, each.updated, values_of(each)], sort_keys=True) for each in all_of_them}
    return RiskyAction(name, states, arguments or {}, frozenset(each.id for each in all_of_them if not each.rev))


async def _told_apart(book: Book, action: RiskyAction) -> RiskyAction:
    """`action` with our own last change in the states of contacts without `rev`, which may come again."""
    newest = {each: await book.journal.entries(contact_id=each, limit=1) for each in action.undated}
    last = {each: str(entry.change_id) for each, entries in newest.items() for entry in entries}
    return replace(action, contacts={each: state + last.get(each, "") for each, state in action.contacts.items()})


async def refusal(book: Book, action: RiskyAction, token: str, *, lifetime: float = LIFETIME) -> list[str] | None:
    """None if `token` permits the action. Otherwise the notes on a token that does not.

    `lifetime` is that of tokens for such an action, in seconds. A token that permits the action is used up by this
    call, in every process that shares the journal.
    """
    reason = book.confirmations.refusal(token, action, lifetime=lifetime) if token else ""
    if token and not reason:
        if await book.journal.spend_token(digest_of(token)):
            return None
        reason = REASONS["used"]
    return [Note("token_refused", f"Not done: {reason}. Here is a new one.")] if reason else []


async def decline(book: Book, token: str) -> bool:
    """Use `token` up without its action, because the person said no to it. False where it was used up before."""
    return await book.journal.spend_token(digest_of(token))


async def confirmed(
    book: Book,
    action: RiskyAction,
    token: str,
    *,
    card: Card,
    question: str,
    changes: Sequence[Change] = (),
    notes: Sequence[str] = (),
    always_asks: bool = False,
) -> Outcome | None:
    """The answer that asks for a confirmation of `action`, None if `token` permits it or nothing is confirmed.

    `always_asks` confirms also where the settings confirm nothing.

    A token that permits the action is used up by this call, in every process that shares the journal.
    """
    if not book.confirms and not always_asks:
        return None
    action = await _told_apart(book, action)
    refused = await refusal(book, action, token)
    if refused is None:
        return None
    return Outcome(
        status="needs_confirmation",
        card=card,
        changes=list(changes),
        notes=[*notes, *refused],
        confirm_token=book.confirmations.token_for(action),
        question=question,
    )
