"""Whom a name means: exactly one contact of that full name, or nobody.

- The mirror must be complete and up to date, and the service must confirm the contact. Else a name decides nothing.
- A full name is first and last name in any order, or the display name. Case, accents, titles and blanks are forgiven.
- Several contacts, and near ones, are offered with what distinguishes them. The caller asks the person.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from contacts_mcp.book.book import Book
from contacts_mcp.book.cards import Card, card_of
from contacts_mcp.book.people.lookup import Found
from contacts_mcp.book.search.mirror import mirror_of, ready_for_call
from contacts_mcp.book.search.question import Question
from contacts_mcp.book.search.search import search
from contacts_mcp.book.values import values_of
from contacts_mcp.errors import InvalidArgument, Refused
from contacts_mcp.models import Contact
from contacts_mcp.state.row import Row
from contacts_mcp.words.areas import calling_code
from contacts_mcp.words.display import quoted, word
from contacts_mcp.words.nicknames import is_full_name
from contacts_mcp.words.note import Note

MOST_OFFERED = 5  # contacts that may be meant
NAME = 60  # characters of a name in a sentence

_PARTIAL = Note("partly_searched", "Not all contacts are in the local index yet.")


@dataclass(frozen=True, slots=True)
class Meant:
    """The contacts that a name may mean."""

    exactly: Sequence[Contact]  # of that full name
    near: Sequence[Contact]
    notes: Sequence[str]  # why somebody may be missing; empty where nobody can be


async def whose(book: Book, name: str) -> int:
    """The id of the one contact of that full name.

    Raises Refused with those that may be meant, and where not everybody is known.
    """
    meant = await _meant(book, name)
    if len(meant.exactly) == 1 and not meant.notes:
        return meant.exactly[0].id
    offers = await _offers(book, meant.exactly or meant.near)
    said = quoted(name, limit=NAME)
    if len(meant.exactly) > 1:
        problem, kind = f"{len(meant.exactly)} contacts are called {said}", "several_of_that_name"
    elif meant.exactly:
        problem, kind = f"One contact found so far is called {said}, and there may be others", "name_not_certain"
    else:
        problem, kind = f"{_nobody(meant)} is called {said}", "nobody_of_that_name"
    offered = f"{':' if meant.exactly else '. The nearest:'} {'; '.join(offers)}" if offers else ""
    after = "Nothing was changed. Ask the person who is meant, then give contact_id."
    raise Refused(" ".join([f"{problem}{offered}.", *meant.notes, after]), kind=kind)


async def called(book: Book, name: str) -> Found:
    """All contacts of that full name. Nearest ones are named in a note where nobody has it."""
    meant = await _meant(book, name)
    names = await book.vocabulary.naming(*map(values_of, meant.exactly))
    notes: list[str] = []
    if not meant.exactly:
        notes.append(Note("not_found", f"{_nobody(meant)} is called {quoted(name, limit=NAME)}."))
        if offers := await _offers(book, meant.near):
            notes.append(Note("nearest_names", f"Nearest names: {'; '.join(offers)}."))
    elif len(meant.exactly) > 1:
        notes.append(
            Note("several_of_that_name", f"{len(meant.exactly)} contacts have this name. Ask the person who is meant.")
        )
    return Found([card_of(one, names) for one in meant.exactly], [*notes, *meant.notes])


def _nobody(meant: Meant) -> str:
    return "Nobody found so far" if meant.notes else "Nobody"


async def _meant(book: Book, name: str) -> Meant:
    if not any(map(str.isalpha, name)):
        raise InvalidArgument("name", f"{quoted(name, limit=NAME)} is not a name.", expected="Expected a full name.")
    known = await ready_for_call(book)
    if not known.is_there:
        raise InvalidArgument(
            "name",
            "cannot say alone who is meant, because the local index is not in use.",
            expected="Find the contact with search_contacts, then give contact_id.",
        )
    exactly = _called_so(name, await _as_seen(book, await book.mirror.ask(lambda index: index.by_name(name))))
    near: Sequence[Contact] = ()
    if not exactly:
        question = Question(query=name, limit=MOST_OFFERED, country=calling_code(book.region))
        answer = await book.mirror.ask(lambda index: search(index, question))
        near = await _as_seen(book, [hit.row for hit in answer.hits if hit.why])  # "everyone" is near to nobody
        exactly = _called_so(name, near)
    return Meant(exactly, near, () if known.complete else known.notes or (_PARTIAL,))


def _called_so(name: str, contacts: Sequence[Contact]) -> list[Contact]:
    """The contacts of that full name. The index finds others too, as Rafael for Rafal."""
    return [
        one for one in contacts if is_full_name(name, first=one.first, last=one.last, display_name=one.display_name)
    ]


async def _as_seen(book: Book, rows: Sequence[Row]) -> list[Contact]:
    """The contacts of these rows as the service has them now. One whose name was changed is left out."""
    names = {row.id: row.name for row in rows}
    checked = await mirror_of(book).verified(names)
    return [contact for contact in checked.contacts if Row.of(contact).name == names[contact.id]]


async def _offers(book: Book, contacts: Sequence[Contact]) -> list[str]:
    """Each with id, name, phone, and the values by which they differ."""
    names = await book.vocabulary.naming(*map(values_of, contacts))
    cards = [card_of(one, names) for one in contacts[:MOST_OFFERED]]
    more = [f"and {len(contacts) - len(cards)} more"] if len(contacts) > len(cards) else []
    return [*(_offer(card, cards) for card in cards), *more]


def _offer(card: Card, among: Sequence[Card]) -> str:
    said = f"contact {card.contact_id} {quoted(card.name, limit=NAME)} {card.phone}".rstrip()
    apart = [
        f"{word(label)} {quoted(text, limit=NAME)}"
        for label, text in (("e-mail", card.email), *card.custom_fields.items())
        if text and any(_value(other, label) != text for other in among if other is not card)
    ]
    return f"{said} ({', '.join(apart[:2])})" if apart else said


def _value(card: Card, label: str) -> str:
    return card.email if label == "e-mail" else card.custom_fields.get(label, "")
