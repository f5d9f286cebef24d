"""Phones and e-mail addresses, whole or in pieces -> contacts."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from contacts_mcp.book.search.filters import Filters
from contacts_mcp.book.search.question import Hit, How, Where, Why
from contacts_mcp.book.search.reading import Email, Phone, numbers_meant, without_trunk
from contacts_mcp.state.match import expression, in_email, in_email_beginning, word
from contacts_mcp.state.row import Row
from contacts_mcp.state.word_index import WordIndex
from contacts_mcp.words.emails import letters_apart
from contacts_mcp.words.search_words import email_key, email_words, value_words

MOST = 300
_AREA = 3  # digits that are most likely an area code; more are an ending
_SAID = 0.97  # the piece is where somebody said it is
_LIKELY, _LESS_LIKELY, _INSIDE = 0.93, 0.9, 0.85
GUESSED_ADDRESS = 0.75  # the most for a contact without the address that was asked for, but of nearly that, or its name
_LEAST_BEGINNING = 2  # letters of a word of an address that has a slip behind them
_LEAST_LOOSE = 5  # letters of a domain that may be misspelled


@dataclass(slots=True)
class Pieces:
    """The contacts for a phone or an address."""

    hits: list[Hit]  # the best first
    is_capped: bool = False


def by_phone(index: WordIndex, phone: Phone, filters: Filters, country: str) -> Pieces:
    """The contacts of a phone, or whose phone has that piece. As it is dialled at home, it may be of any country."""
    found = _by_digits(index, phone, filters, country)
    if found.hits or (bare := without_trunk(phone)) is None:
        return found
    abroad = _by_digits(index, bare, filters, country)
    return Pieces([replace(hit, score=_LIKELY) for hit in abroad.hits], abroad.is_capped)


def _by_digits(index: WordIndex, phone: Phone, filters: Filters, country: str) -> Pieces:
    whole = _exact(index, phone, country) if phone.piece == "any" else []
    whole = [hit for hit in whole if filters.passes(hit.row)]
    if whole:
        return Pieces(whole)
    found: dict[int, Hit] = {}
    is_capped = False
    for score, how in _pieces(phone):
        ids = _with_piece(index, phone, how, filters, country)
        is_capped |= len(ids) >= MOST
        for row in _wanted(index, ids, filters):
            if row.id not in found and _has(row, phone, how, country):
                found[row.id] = _hit(row, score, phone.digits, row.phone, how, "phone")
    in_values = expression([[word(phone.digits)], *filters.clauses], without=filters.without)
    for row in _wanted(index, index.matching(in_values, most=MOST, bounds=filters.bounds), filters):
        if row.id not in found:
            found[row.id] = _value_hit(row, phone.digits)
    return Pieces(_in_order(found.values()), is_capped)


def by_email(index: WordIndex, email: Email, filters: Filters) -> Pieces:
    """The contacts of an address, or whose address has that piece."""
    whole = [_hit(row, 1.0, email.text, row.email, "email", "email") for row in index.by_email(email.text)]
    whole = [hit for hit in whole if filters.passes(hit.row)]
    if whole:
        return Pieces(whole)
    key = email_key(email.text)
    ids = _with_words_of(index, key, filters)
    local = key.partition("@")[0]
    if local:
        wanted = expression(filters.clauses, without=filters.without)
        in_local = index.holding_part(local, most=MOST) if filters.are_none else []
        ids = [*ids, *(in_local or index.matching(wanted, most=MOST, bounds=filters.bounds, part=local))]
    rows = _wanted(index, dict.fromkeys(ids), filters)
    hits = [
        _hit(row, _LESS_LIKELY, email.text, row.email, "email_has", "email")
        for row in rows
        if key in email_key(row.email)
    ]
    return Pieces(_in_order(hits), is_capped=len(ids) >= MOST) if hits else _misspelled(index, email, filters)


def _misspelled(index: WordIndex, email: Email, filters: Filters) -> Pieces:
    """The contacts whose address, or whose part of it, is a slip or two from this one."""
    key = email_key(email.text)
    named = words_of_address(key)
    ids: dict[int, None] = {}
    for at, loose in enumerate(named):
        half = max(_LEAST_BEGINNING, len(loose) // 2)
        clauses = [
            [in_email(each)] if other != at else [in_email_beginning(each[:half])] for other, each in enumerate(named)
        ]
        found = expression([*clauses, *filters.clauses], without=filters.without)
        ids |= dict.fromkeys(index.matching(found, most=MOST, bounds=filters.bounds))
    hits = []
    for row in _wanted(index, ids, filters):
        part = _same_part(key, email_key(row.email))
        slips = letters_apart(key.strip("@"), part) if len(part) >= _LEAST_LOOSE else None
        if slips:
            why = Why(said=email.text, found=part, how="misspelled", where="email", edits=slips)
            hits.append(Hit(row=row, score=GUESSED_ADDRESS - slips / 100, why=(why,)))
    return Pieces(_in_order(hits), is_capped=len(ids) >= MOST)


def _same_part(key: str, address: str) -> str:
    """The part of the address that the key is: all of it, its local part, or its domain."""
    local, _, domain = address.partition("@")
    asked_local, at, asked_domain = key.partition("@")
    if asked_local and asked_domain:
        return address
    return local if asked_local and at else domain


def _exact(index: WordIndex, phone: Phone, country: str) -> list[Hit]:
    return [
        _hit(row, 1.0, phone.digits, row.phone, "phone", "phone")
        for digits in numbers_meant(phone, country)
        for row in index.by_phone(digits)
    ]


def _pieces(phone: Phone) -> list[tuple[float, How]]:
    """The relations that a piece may have to a phone, the likeliest first."""
    if phone.piece == "beginning":
        return [(_SAID, "phone_begins_with")]
    if phone.piece == "ending":
        return [(_SAID, "phone_ends_with")]
    if phone.has_plus:
        return [(_LIKELY, "phone_begins_with")]
    if len(phone.digits) == _AREA:
        return [(_LIKELY, "phone_begins_with"), (_LESS_LIKELY, "phone_ends_with"), (_INSIDE, "phone_has")]
    return [(_LIKELY, "phone_ends_with"), (_LESS_LIKELY, "phone_begins_with"), (_INSIDE, "phone_has")]


def _beginnings(phone: Phone, country: str) -> tuple[str, ...]:
    """The digits that a full number may begin with."""
    both = (phone.digits,) if phone.has_plus else (country + phone.digits, phone.digits)
    return tuple(number for number in dict.fromkeys(both) if not number.startswith("0"))


def _with_piece(index: WordIndex, phone: Phone, how: How, filters: Filters, country: str) -> list[int]:
    """The newest contacts that may have this piece of a phone. A filter belongs into the search, before its limit."""
    beginnings = _beginnings(phone, country)
    part = f"{phone.digits}|" if how == "phone_ends_with" else phone.digits
    if filters.are_none and how == "phone_begins_with":
        return index.phones_beginning(beginnings, most=MOST)
    if filters.are_none:
        return index.holding_part(part, most=MOST)
    if how == "phone_begins_with":
        prefixed = replace(filters, phone_prefixes=beginnings)
        wanted = expression([*filters.clauses, *prefixed.clauses], without=filters.without)
        return index.matching(wanted, most=MOST, bounds=prefixed.bounds)
    wanted = expression(filters.clauses, without=filters.without)
    return index.matching(wanted, most=MOST, bounds=filters.bounds, part=part)


def _has(row: Row, phone: Phone, how: How, country: str) -> bool:
    """Whether the row's phone really has the piece there. Trigrams may stand apart."""
    if how == "phone_begins_with":
        return row.phone.startswith(_beginnings(phone, country))
    return row.phone.endswith(phone.digits) if how == "phone_ends_with" else phone.digits in row.phone


def _value_hit(row: Row, digits: str) -> Hit:
    """A customer number, or another value with these digits."""
    field_id = next((number for number, text in row.custom.items() if digits in value_words(text)), None)
    where: Where = "field" if field_id is not None else "name" if digits in row.name else "email"
    return Hit(
        row=row, score=_LESS_LIKELY, why=(Why(said=digits, found=digits, how="same", where=where, field_id=field_id),)
    )


def _with_words_of(index: WordIndex, key: str, filters: Filters) -> list[int]:
    """The contacts whose address has all the words of this one."""
    named = words_of_address(key)
    if not named:
        return []
    is_cut = "@" in key and "." not in key.rpartition("@")[2]  # "@kont"
    clauses = [[in_email(each)] for each in named[:-1]] + [
        [in_email_beginning(named[-1]) if is_cut else in_email(named[-1])]
    ]
    found = expression([*clauses, *filters.clauses], without=filters.without)
    return index.matching(found, most=MOST, bounds=filters.bounds)


def words_of_address(key: str) -> tuple[str, ...]:
    """The words of an address, or of its domain alone. The last label is none, unless it is all there is."""
    local, _, domain = key.rpartition("@")
    return email_words(f"{local}@{domain}" if "." in domain else f"{local}@{domain}.")


def _wanted(index: WordIndex, ids: Iterable[int], filters: Filters) -> list[Row]:
    return [row for row in index.rows(ids) if filters.passes(row)]


def _hit(row: Row, score: float, said: str, found: str, how: How, where: Where) -> Hit:
    return Hit(row=row, score=score, why=(Why(said=said, found=found, how=how, where=where),))


def _in_order(hits: Iterable[Hit]) -> list[Hit]:
    return sorted(hits, key=lambda hit: (-hit.score, -(hit.row.updated or 0), -hit.row.id))
