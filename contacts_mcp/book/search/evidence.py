"""Whether two contacts are one person: the evidence, and its weight in two tiers. Pure.

**Sure** rests on like names and on a key that both have: a phone, a mailbox, or a number such as that of a customer.
It is a score, 1 for the same name. Two contacts are a double from `SURE` on.

**Possible** adds bits. A bit doubles the odds. It starts from the odds that two contacts of the account are one person.

| evidence | bits |
|---|---|
| the same name | as rare as it is, up to 14; up to 2.5 more where its words are so rare that nobody would share it |
| a nickname, another spelling, a part of the name | 2, 4 and 9 less |
| another name | -20 |
| the same mailbox; that of a role, as "info" | 18; 5 |
| a mailbox one or two letters apart, where the names are the same or nicknames | 10; 8 |
| the same phone; a digit off where both have names, or without its country | 14; 9 |
| the same number; another number | 16; -7 |
| a value that few have | as rare as it is, up to 7 |
| Jr. on one side | -4 |

A mailbox and a name that differ by one letter are one difference, not two agreements: amina@ is not amira@.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from math import log2
from typing import Literal

from contacts_mcp.state.word_index import Facts
from contacts_mcp.words.alignment import Alignment, Name, aligned, names_of
from contacts_mcp.words.emails import is_role, letters_apart, mailbox
from contacts_mcp.words.folding import unaccented
from contacts_mcp.words.renumbering import other_forms

SURE = 0.74
TWO_KEYS, OTHER_NUMBER, ROLE_ONLY, OTHER_GENERATION = 0.1, -0.15, -0.1, -0.3
NOT_BEFORE = -1.5  # bits: less than one double for each contact is expected
POSSIBLE, POSSIBLE_WITHOUT_KEY = 0.0, 1.5
MOST_OF_WORDS, NAMESAKES_BY_CHANCE = 2.5, 5.5
MOST_OF_NAME, MOST_OF_VALUE, LEAST_OF_VALUE = 14.0, 7.0, 3.0
SHORTEST_NUMBER = 8  # digits of a phone that may lack its country
LONGEST_COUNTRY = 4  # digits, a trunk 0 included
SHORTEST_MAILBOX = 9  # characters of one in which a letter may be wrong

Kind = Literal[
    "name_same", "name_nickname", "name_spelling", "name_part", "name_differs", "generation_differs",
    "email_same", "email_role", "email_alike", "phone_same", "phone_alike", "phone_without_country",
    "number_same", "number_differs", "value_same",
]  # fmt: skip
KEYS: frozenset[Kind] = frozenset({"email_same", "email_role", "phone_same", "number_same"})
HARD: frozenset[Kind] = KEYS | {"email_alike", "phone_alike", "phone_without_country"}
_LESS_THAN_SAME: Mapping[Kind, float] = {"name_same": 0, "name_nickname": 2, "name_spelling": 4, "name_part": 9}
_BITS: Mapping[Kind, float] = {
    "name_differs": -20,
    "generation_differs": -4,
    "email_same": 18,
    "email_role": 5,
    "email_alike": 10,
    "phone_same": 14,
    "phone_alike": 9,
    "phone_without_country": 9,
    "number_same": 16,
    "number_differs": -7,
}
_SECOND_LETTER = -2.0
_KEPT_DIGITS = 5  # at the end of a number, whenever a country changes its numbering


@dataclass(frozen=True, slots=True)
class Evidence:
    """One fact for or against, with the values of both contacts. It explains itself to a person."""

    kind: Kind
    one: str
    other: str
    field_id: int | None = None  # of a custom field
    bits: float = 0.0


@dataclass(frozen=True)
class Person:
    """One contact, prepared to be compared."""

    facts: Facts

    @property
    def id(self) -> int:
        return self.facts.id

    @cached_property
    def own(self) -> tuple[Name, ...]:
        return names_of(self.facts.first, self.facts.last)

    @cached_property
    def shown(self) -> tuple[Name, ...]:
        return tuple(name for name in names_of(self.facts.display_name) if name not in self.own)

    @cached_property
    def mailbox(self) -> str:
        return mailbox(self.facts.email) if self.facts.email else ""

    @cached_property
    def values(self) -> Mapping[int, str]:
        return self.facts.values

    @property
    def name(self) -> str:
        """The name as it is written, both forms where a display name hides the other."""
        own = " ".join(part for part in (self.facts.first, self.facts.last) if part)
        shown = self.facts.display_name if self.shown or not own else ""
        return f"{own} ({shown})" if own and shown else own or shown


@dataclass(frozen=True, kw_only=True)
class Account:
    """The numbers of one account that make evidence rare or common."""

    contacts: int
    numbers: frozenset[int] = frozenset()  # the custom fields that tell one contact from another
    words: Mapping[str, int] = field(default_factory=dict)  # word of a name -> contacts
    known: Collection[str] = ()  # words that so many have that they are no misspellings
    namesakes: Mapping[int, int] = field(default_factory=dict)  # name key -> contacts
    holders: Callable[[int, str], int] = lambda _field, _value: 1  # contacts with that value of a field


@dataclass(frozen=True)
class Comparison:
    """Two contacts with all evidence."""

    evidence: tuple[Evidence, ...]
    likeness: float | None  # of the names, None where one has none
    prior: float

    @cached_property
    def kinds(self) -> frozenset[Kind]:
        return frozenset(each.kind for each in self.evidence)

    @property
    def keys(self) -> int:
        """How many kinds of keys both have."""
        return len({(each.kind, each.field_id) for each in self.evidence if each.kind in KEYS})

    @property
    def score(self) -> float:
        """How sure it is by the sure tier, 0 without a key or without names."""
        if not self.keys or self.likeness is None:
            return 0.0
        kinds = self.kinds
        return (
            self.likeness
            + TWO_KEYS * (self.keys > 1)
            + OTHER_NUMBER * ("number_differs" in kinds)
            + ROLE_ONLY * (kinds & KEYS == {"email_role"})
            + OTHER_GENERATION * ("generation_differs" in kinds)
        )

    @property
    def is_sure(self) -> bool:
        return self.score >= SURE

    @property
    def bits(self) -> float:
        return self.prior + sum(each.bits for each in self.evidence)

    @property
    def is_possible(self) -> bool:
        return self.bits >= (POSSIBLE if self.kinds & HARD else POSSIBLE_WITHOUT_KEY)


def compared(one: Person, other: Person, account: Account) -> Comparison:
    """The evidence about two different contacts. It is the same either way round."""
    names = _names(one, other, account.known)
    about_names = _about_names(one, other, names, account) if names else []
    kind = about_names[0].kind if about_names else None
    evidence = [
        *about_names,
        *_about_phones(one, other, kind),
        *_about_mailboxes(one, other, kind),
        *_about_values(one, other, account),
    ]
    likeness = names.likeness if names else None
    return Comparison(tuple(evidence), likeness, NOT_BEFORE - log2(max(1, account.contacts)))


# Names


def _names(one: Person, other: Person, known: Collection[str]) -> Alignment | None:
    """The best alignment of their names, None where one has none.

    Two own names decide alone, or with a display name of the other side: one company may be the display name of many.
    """
    if one.own and other.own:
        ways = [(one.own, other.own), (one.own, other.shown), (one.shown, other.own)]
    else:
        ways = [(one.own or one.shown, other.own or other.shown), (one.shown, other.shown)]
    found = [
        aligned(name.words, its_name.words, known=known)
        for names, its_names in ways
        for name in names
        for its_name in its_names
    ]
    return max(found, key=lambda each: each.likeness, default=None)


def _about_names(one: Person, other: Person, names: Alignment, account: Account) -> list[Evidence]:
    kind = _kind_of(names)
    namesakes = max(1, _namesakes(one, account), _namesakes(other, account))
    rarity = log2(max(1, account.contacts) / namesakes)
    bits = _BITS.get(kind) or max(0.0, min(MOST_OF_NAME, rarity) - _LESS_THAN_SAME[kind])
    if kind == "name_same" and namesakes <= 2 and (one.own or other.own):  # noqa: PLR2004 -- these two
        bits += _rarity_of_words(names, account)
    found = [Evidence(kind, one.name, other.name, bits=bits)]
    if _generation(one) != _generation(other):
        found.append(Evidence("generation_differs", one.name, other.name, bits=_BITS["generation_differs"]))
    return found


def _rarity_of_words(names: Alignment, account: Account) -> float:
    """More bits where a second contact would hardly have all these words by chance."""
    expected = log2(account.contacts) + sum(
        log2(max(0.5, account.words.get(pair.one, account.contacts) - 1) / account.contacts) for pair in names.pairs
    )
    return max(0.0, min(MOST_OF_WORDS, -expected - NAMESAKES_BY_CHANCE))


def _kind_of(names: Alignment) -> Kind:
    if names.unanswered or not names.pairs:
        return "name_differs"
    if names.is_part:
        return "name_part"
    if not names.has_only:
        return "name_same"
    return "name_nickname" if names.has_only == {"nickname"} else "name_spelling"


def _namesakes(person: Person, account: Account) -> int:
    keys = (person.facts.name_key, person.facts.display_key)
    return max(account.namesakes.get(key, 1) for key in keys if key is not None) if any(keys) else 1


def _generation(person: Person) -> str:
    return next((name.generation for name in (*person.own, *person.shown) if name.generation), "")


# Phones and mailboxes


def _about_phones(one: Person, other: Person, names: Kind | None) -> list[Evidence]:
    """A digit off says nothing of a contact without a name: the phones of one company follow one another."""
    phone, its_phone = one.facts.phone, other.facts.phone
    kind = _phones(phone, its_phone) if phone and its_phone else None
    if kind == "phone_alike" and names is None:
        return []
    return [Evidence(kind, phone, its_phone, bits=_BITS[kind])] if kind else []


def _phones(phone: str, other: str) -> Kind | None:
    has_same_end = phone[-_KEPT_DIGITS:] == other[-_KEPT_DIGITS:]
    if phone == other or (has_same_end and other in other_forms(phone)):
        return "phone_same"
    if len(phone) == len(other):
        return "phone_alike" if _is_slip(phone, other) else None
    shorter, longer = sorted((phone.lstrip("0"), other.lstrip("0")), key=len)
    lacks_country = len(shorter) >= SHORTEST_NUMBER and 0 < len(longer) - len(shorter) <= LONGEST_COUNTRY
    return "phone_without_country" if lacks_country and longer.endswith(shorter) else None


def _is_slip(phone: str, other: str) -> bool:
    """Whether one digit differs, or two neighbours are exchanged."""
    differing = [at for at, (digit, its) in enumerate(zip(phone, other, strict=True)) if digit != its]
    if len(differing) == 1:
        return True
    first, last = (differing[0], differing[-1]) if differing else (0, 0)
    are_neighbours = len(differing) == last - first + 1 == 2  # noqa: PLR2004 -- two of them
    return are_neighbours and phone[first] == other[last] and phone[last] == other[first]


def _about_mailboxes(one: Person, other: Person, names: Kind | None) -> list[Evidence]:
    address, its_address = one.facts.email, other.facts.email
    if not one.mailbox or not other.mailbox:
        return []
    if one.mailbox == other.mailbox:
        kind: Kind = "email_role" if is_role(address) else "email_same"
        return [Evidence(kind, address, its_address, bits=_BITS[kind])]
    shortest = min(len(one.mailbox), len(other.mailbox))
    if names not in ("name_same", "name_nickname") or shortest < SHORTEST_MAILBOX:
        return []
    edits = letters_apart(one.mailbox, other.mailbox)
    if edits is None:
        return []
    bits = _BITS["email_alike"] + _SECOND_LETTER * (edits - 1)
    return [Evidence("email_alike", address, its_address, bits=bits)]


# Custom values


def _about_values(one: Person, other: Person, account: Account) -> list[Evidence]:
    found: list[Evidence] = []
    rarest: Evidence | None = None
    for number, text in one.values.items():
        its_text = other.values.get(number)
        if not its_text:
            continue
        is_same = text == its_text or unaccented(text) == unaccented(its_text)
        if number in account.numbers:
            kind: Kind = "number_same" if is_same else "number_differs"
            found.append(Evidence(kind, text, its_text, number, _BITS[kind]))
        elif is_same:
            bits = min(MOST_OF_VALUE, log2(max(1, account.contacts) / max(1, account.holders(number, text))))
            if bits >= LEAST_OF_VALUE and (rarest is None or bits > rarest.bits):
                rarest = Evidence("value_same", text, its_text, number, bits)
    return [*found, *([rarest] if rarest else [])]
