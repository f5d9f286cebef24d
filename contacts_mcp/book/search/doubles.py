"""Doubles in human terms: the sets that the mirror finds, each confirmed by the service and explained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import FiniteFloat, TypeAdapter

from contacts_mcp.book.book import Book
from contacts_mcp.book.cards import Card, card_of
from contacts_mcp.book.cursors import Number, packed, unpacked
from contacts_mcp.book.search import duplicates
from contacts_mcp.book.search.duplicates import Doubles, DoubleSet, Place, Shared, Tier
from contacts_mcp.book.search.evidence import Evidence, Kind
from contacts_mcp.book.search.known import Known
from contacts_mcp.book.search.mirror import mirror_of, ready_for_call
from contacts_mcp.book.values import custom_key, values_of
from contacts_mcp.book.vocabulary import Snapshot
from contacts_mcp.errors import InvalidArgument
from contacts_mcp.models import Contact, Values
from contacts_mcp.state.row import Row
from contacts_mcp.words.display import quoted, word
from contacts_mcp.words.note import Note
from contacts_mcp.words.phones import show

VALUE = 40  # characters of a value in a reason
MOST_SHARED = 5  # phones or addresses of many contacts that are told

_HELD = TypeAdapter(tuple[Tier, tuple[FiniteFloat, tuple[Number, ...]]])  # the tier, and the place in its sets


@dataclass(frozen=True, slots=True)
class SetShown:
    """Contacts that are, or may be, one person."""

    cards: Sequence[Card]  # the newest change first
    why: str  # in words


@dataclass(frozen=True, slots=True, kw_only=True)
class DoublesShown:
    """One page of the sets, the strongest first."""

    sets: Sequence[SetShown] = ()
    total: int = 0
    contacts: int = 0  # in all sets
    next_cursor: str = ""
    notes: Sequence[str] = ()
    known: Known


async def find_doubles(book: Book, *, tier: Tier = "sure", limit: int = 10, cursor: str = "") -> DoublesShown:
    """The doubles of the book. Raises InvalidArgument where there is no mirror, and UpstreamError."""
    below = _opened(cursor, tier, book.account) if cursor else None
    known = await ready_for_call(book)
    if not known.is_there:
        raise InvalidArgument(
            "find_duplicates",
            f"needs the local index. {' '.join(known.notes)}",
            expected="Look for one person with search_contacts instead.",
        )
    found: Doubles = await book.mirror.ask(lambda index: duplicates.find(index, tier=tier, most=limit, below=below))
    now = await _as_found(book, found.sets)
    names = await _names_for(book, found.sets, now)
    sets = [_shown(one, now, names) for one in found.sets if all(row.id in now for row in one.contacts)]
    notes = [*known.notes, *_on_changed(len(found.sets) - len(sets)), *_on_shared(found.shared, names)]
    return DoublesShown(
        sets=sets,
        total=found.total,
        contacts=found.contacts,
        next_cursor=_sealed(found.next, tier, book.account) if found.next else "",
        notes=notes,
        known=known,
    )


async def _as_found(book: Book, sets: Sequence[DoubleSet]) -> Mapping[int, Contact]:
    """The contacts of these sets as the service has them now. One that was changed meanwhile is left out."""
    rows = {row.id: row for one in sets for row in one.contacts}
    checked = await mirror_of(book).verified(rows)
    return {contact.id: contact for contact in checked.contacts if Row.of(contact) == rows[contact.id]}


async def _names_for(book: Book, sets: Sequence[DoubleSet], contacts: Mapping[int, Contact]) -> Snapshot:
    """The names of the fields in the evidence, and of everything that the contacts have."""
    evidence = (each for one in sets for pair in one.pairs for each in pair.evidence)
    fields: Values = {custom_key(each.field_id): "" for each in evidence if each.field_id is not None}
    return await book.vocabulary.naming(fields, *map(values_of, contacts.values()))


def _shown(one: DoubleSet, now: Mapping[int, Contact], names: Snapshot) -> SetShown:
    cards = [card_of(now[row.id], names) for row in one.contacts]
    pairs = [
        f"{pair.one} and {pair.other}: {', '.join(_reason(each, names) for each in pair.evidence)}"
        for pair in one.pairs
    ]
    return SetShown(cards, "; ".join(pairs))


def _reason(each: Evidence, names: Snapshot) -> str:
    """One fact in words. A fact that speaks against is told, too."""
    one, other = quoted(each.one, limit=VALUE), quoted(each.other, limit=VALUE)
    if each.kind.startswith("phone"):
        one, other = show(each.one), show(each.other)
    field = word(names.fields.label(each.field_id)) if each.field_id is not None else "a value"
    return _REASONS[each.kind].format(one=one, other=other, field=field)


_REASONS: Mapping[Kind, str] = {
    "name_same": "the same name {one}",
    "name_nickname": "{one} and {other} are forms of one name",
    "name_spelling": "{one} is spelled nearly as {other}",
    "name_part": "{one} is a part of {other}",
    "name_differs": "but {one} and {other} differ",
    "generation_differs": "but {one} and {other} may be parent and child",
    "email_same": "the same e-mail {one}",
    "email_role": "the same shared mailbox {one}",
    "email_alike": "e-mails {one} and {other} differ by a letter or two",
    "phone_same": "the same phone {one}",
    "phone_alike": "phones {one} and {other} differ by one digit",
    "phone_without_country": "phones {one} and {other} are the same but for the country",
    "number_same": "the same {field} {one}",
    "number_differs": "but {field} {one} and {other} differ",
    "value_same": "the same {field} {one}",
}


def _on_changed(many: int) -> list[Note]:
    sets = "1 set changed at this moment and is" if many == 1 else f"{many} sets changed at this moment and are"
    return [Note("changed_meanwhile", f"{sets} left out. Call again to see all.")] if many else []


def _on_shared(shared: Sequence[Shared], names: Snapshot) -> list[Note]:
    """Phones and addresses that so many contacts have that they tell nothing about two of them."""
    notes = []
    for one in shared[:MOST_SHARED]:
        what = {"phone": "phone", "email": "e-mail"}.get(one.kind, "")
        label = what or (word(names.fields.label(one.field_id)) if one.field_id is not None else "number")
        value = show(one.value) if one.kind == "phone" else quoted(one.value, limit=VALUE)
        notes.append(
            Note("shared_by_many", f"{one.contacts} contacts share the {label} {value}; they are not compared by it.")
        )
    return notes


def _sealed(place: Place, tier: Tier, account: str) -> str:
    return packed(_HELD.dump_json((tier, place)), account)


def _opened(cursor: str, tier: Tier, account: str = "") -> Place:
    try:
        its_tier, place = _HELD.validate_json(unpacked(cursor, account), strict=True)
    except ValueError:
        raise InvalidArgument(
            "cursor", "is not a cursor of find_duplicates.", expected="Ask again without it."
        ) from None
    if its_tier != tier:
        raise InvalidArgument("cursor", "belongs to the other tier.", expected="Give the same tier, or no cursor.")
    return place
