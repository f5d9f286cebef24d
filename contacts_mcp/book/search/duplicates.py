"""Doubles: contacts of one account that are, or may be, the same person. No request is sent here.

1. Contacts with a common key are put side by side (`keys.py`). A key that more than `MOST_IN_BLOCK` contacts have puts
   nobody side by side, and is told: "37 contacts have this phone".
2. Each pair is judged by its evidence (`evidence.py`).
3. Pairs become sets. A weak pair never ties two sets together, or a further contact to one: it is a set of its own.

The sure tier compares some thousand pairs. The possible tier compares more, and leaves out the pairs that are sure.
Memory does not grow with the account: keys and pairs lie in a file, and of the contacts some thousand are read at once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal
from weakref import WeakKeyDictionary

from contacts_mcp.book.search.evidence import KEYS, Account, Comparison, Evidence, Person, compared
from contacts_mcp.book.search.keys import MAILBOX, PHONE, SURE_KINDS, possible_keys, sure_keys
from contacts_mcp.state.blocks import Blocks, Crowd
from contacts_mcp.state.row import FIELDS, Row, value_mark
from contacts_mcp.state.word_index import Facts, WordIndex
from contacts_mcp.words.emails import mailbox
from contacts_mcp.words.folding import unaccented

Tier = Literal["sure", "possible"]
Place = tuple[float, tuple[int, ...]]  # the strength and the ids of a set

MOST_IN_BLOCK = 30
STRONG = {"sure": 0.9, "possible": 6.0}  # from here on a pair ties a further contact to a set by itself
LEAST_DISTINCT, LEAST_VALUES = 0.95, 20  # of the values of a field that tells contacts apart
LONGEST_NUMBER = 24  # characters of most of its values
MOST_NAMESAKES = 3  # contacts of one name, of which each may be the person that is meant
_SAMPLE = 50
_CHUNK = 2_000  # contacts read at once
_MANY = 10  # contacts that have a word, from which on it is no slip of the pen in an account of 100,000
_MOST_REMEMBERED = 4  # searches for doubles whose sets are kept, for the next page


@dataclass(frozen=True, slots=True)
class PairFound:
    """Two contacts of a set, and why."""

    one: int
    other: int
    tier: Tier
    strength: float  # a score of the sure tier, or bits of the possible one
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class DoubleSet:
    """Contacts that are, or may be, one person."""

    contacts: tuple[Row, ...]  # the newest change first
    pairs: tuple[PairFound, ...]  # the strongest first
    strength: float  # of the pair that the set rests on


@dataclass(frozen=True, slots=True)
class Shared:
    """A phone, mailbox or number of so many contacts that it tells nothing about two of them."""

    kind: Literal["phone", "email", "number"]
    value: str
    contacts: int
    field_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubles:
    """One page of the sets, the strongest first, with the totals of all pages."""

    tier: Tier
    sets: tuple[DoubleSet, ...]
    total: int  # sets
    contacts: int  # contacts in all sets
    searched: int  # contacts of the index
    shared: tuple[Shared, ...] = ()
    numbers: tuple[int, ...] = ()  # the custom fields that were taken for a number of one person
    next: Place | None = None  # pass it as `below` for the next page


@dataclass(frozen=True, slots=True)
class _Search:
    """The whole result of a search, without the contacts themselves and without the index."""

    places: tuple[Place, ...]
    contacts: int
    numbers: frozenset[int]
    shared: tuple[Shared, ...]


_remembered: WeakKeyDictionary[WordIndex, dict[tuple[object, ...], _Search]] = WeakKeyDictionary()


def find(index: WordIndex, *, tier: Tier = "sure", most: int = 10, below: Place | None = None) -> Doubles:
    """The sets of doubles after `below`, at most `most` of them. It takes seconds, so callers use a worker thread.

    The next page of an index that has not changed costs little. Raises IndexUnavailable.
    """
    search = _searched(index, tier)
    onward = [place for place in search.places if below is None or _order(place) > _order(below)]
    page = onward[:most]
    return Doubles(
        tier=tier,
        sets=tuple(_with_evidence(index, page, tier, _account(index, search.contacts, search.numbers))),
        total=len(search.places),
        contacts=len({each for _, ids in search.places for each in ids}),
        searched=search.contacts,
        shared=search.shared,
        numbers=tuple(sorted(search.numbers)),
        next=page[-1] if len(onward) > len(page) else None,
    )


def probable_doubles_of(
    index: WordIndex, *, phone: str = "", first: str = "", last: str = "", display_name: str = "", email: str = ""
) -> list[tuple[Row, tuple[Evidence, ...]]]:
    """The contacts that a new one would probably double, the surest first, by three looks into the index.

    `phone` is digits. A contact of the same name alone is among them only where the name is rare.
    """
    new = Row(id=0, phone=phone, first=first, last=last, display_name=display_name, email=email)
    rows = [*index.by_phone(phone), *index.by_email(email), *index.by_name(new.name, most=MOST_IN_BLOCK)]
    person, account = Person(_facts_of(new)), Account(contacts=1)
    judged = [
        (row, compared(person, Person(_facts_of(row)), account)) for row in {row.id: row for row in rows}.values()
    ]
    is_rare = sum("name_same" in its.kinds and not its.keys for _, its in judged) <= MOST_NAMESAKES
    probable = [(row, its) for row, its in judged if _is_probable(its, is_rare=is_rare)]
    probable.sort(key=lambda each: (-each[1].score, -each[1].bits, -each[0].id))
    return [(row, its.evidence) for row, its in probable]


def _is_probable(comparison: Comparison, *, is_rare: bool) -> bool:
    if "name_differs" in comparison.kinds:
        return False
    own_keys = comparison.kinds & KEYS - {"email_role"}
    return bool(own_keys) or ("name_same" in comparison.kinds and is_rare)


def _facts_of(row: Row) -> Facts:
    return Facts(row.id, row.phone, row.first, row.last, row.display_name, row.email, "", None, None)


# The whole search


def _searched(index: WordIndex, tier: Tier) -> _Search:
    remembered = _remembered.setdefault(index, {})
    key = (tier, index.stamp)
    if key not in remembered:
        while len(remembered) >= _MOST_REMEMBERED:
            remembered.pop(next(iter(remembered)))
        remembered[key] = _search(index, tier)
    return remembered[key]


def _search(index: WordIndex, tier: Tier) -> _Search:
    account = _account(index, index.stamp[0], number_fields(index))
    with Blocks(most=MOST_IN_BLOCK) as blocks:
        keys = sure_keys if tier == "sure" else possible_keys
        for chunk in _everybody(index):
            blocks.add(entry for facts in chunk for entry in keys(facts, account.numbers))
        blocks.pair()
        pairs = dict(_judged(index, blocks, tier, account))
        crowds = blocks.crowds(SURE_KINDS)
    places = [(round(strength, 3), ids) for strength, ids in sets_of(pairs, strong=STRONG[tier])]
    told = tuple(_told(index, crowds, account))
    return _Search(tuple(sorted(places, key=_order)), account.contacts, account.numbers, told)


def _account(index: WordIndex, contacts: int, numbers: frozenset[int]) -> Account:
    return Account(contacts=contacts, numbers=numbers, holders=_holders(index))


def _everybody(index: WordIndex) -> Iterator[list[Facts]]:
    last = 0
    while chunk := index.facts(after=last, most=_CHUNK):
        yield chunk
        last = chunk[-1].id


def number_fields(index: WordIndex) -> frozenset[int]:
    """The custom fields whose values tell contacts apart, as a customer number does. Found from the values alone."""
    fields = [int(mark.removeprefix(FIELDS)) for mark in index.counts(FIELDS)]
    return frozenset(each for each in fields if _tells_apart(index, each))


def _tells_apart(index: WordIndex, field_id: int) -> bool:
    different, contacts = index.spread(field_id)
    if different <= LEAST_VALUES or different < LEAST_DISTINCT * contacts:
        return False
    sample = [value for value, _ in index.values(field_id, most=_SAMPLE)]
    short = [value for value in sample if len(value) <= LONGEST_NUMBER and any(map(str.isdigit, value))]
    return len(short) * 2 > len(sample)


def _holders(index: WordIndex) -> Callable[[int, str], int]:
    known: dict[str, int] = {}

    def holders(field_id: int, text: str) -> int:
        mark = value_mark(field_id, text)
        if mark not in known:
            known[mark] = index.holders(mark)
        return known[mark]

    return holders


def _judged(index: WordIndex, blocks: Blocks, tier: Tier, account: Account) -> Iterator[tuple[tuple[int, int], float]]:
    for chunk in blocks.pairs():
        for one, other, comparison in _compared(index, chunk, account):
            strength = _strength(comparison, tier)
            if strength is not None:
                yield (one, other), strength


def _strength(comparison: Comparison, tier: Tier) -> float | None:
    """The strength of a pair in its tier, None where the pair is not of this tier."""
    if comparison.is_sure:
        return comparison.score if tier == "sure" else None
    return comparison.bits if tier == "possible" and comparison.is_possible else None


def _compared(
    index: WordIndex, pairs: Sequence[tuple[int, int]], account: Account
) -> Iterator[tuple[int, int, Comparison]]:
    """The comparisons of these pairs, as far as both are still there."""
    found = index.facts_of({each for pair in pairs for each in pair})
    people = {each: Person(facts) for each, facts in found.items()}
    around = _with_surroundings(index, people.values(), account)
    for one, other in pairs:
        if one in people and other in people:
            yield one, other, compared(people[one], people[other], around)


def _with_surroundings(index: WordIndex, people: Iterable[Person], account: Account) -> Account:
    """The account, with the frequency of the names of these people."""
    everybody = [*people]
    keys = {key for each in everybody for key in (each.facts.name_key, each.facts.display_key) if key is not None}
    words = sorted({word for each in everybody for name in (*each.own, *each.shown) for word in name.words})
    counts: dict[str, int] = {}
    for at in range(0, len(words), _CHUNK):
        counts |= index.known(words[at : at + _CHUNK])
    many = max(3, _MANY * account.contacts // 100_000)
    return Account(
        contacts=account.contacts,
        numbers=account.numbers,
        words=counts,
        known={word for word, count in counts.items() if count >= many},
        namesakes=index.namesakes(keys),
        holders=account.holders,
    )


# Sets


def sets_of(pairs: dict[tuple[int, int], float], *, strong: float) -> list[tuple[float, tuple[int, ...]]]:
    """The sets that these pairs make: the strength of the weakest pair that was needed, and the ids in order.

    The strongest pairs come first. Two contacts alone are a set by any pair. A set grows by a strong pair, or by pairs
    with two of its contacts. A pair that ties nothing is a set of its own.
    """
    set_of: dict[int, list[int]] = {}
    strength: dict[int, float] = {}  # of a set, by its first contact
    left: list[tuple[float, tuple[int, ...]]] = []
    for (one, other), weight in sorted(pairs.items(), key=lambda each: (-each[1], each[0])):
        mine, its = set_of.get(one, [one]), set_of.get(other, [other])
        if mine is its:
            continue
        if weight < strong and not _are_tied(mine, its, pairs):
            left.append((weight, (one, other)))
            continue
        joined = [*mine, *its]
        floor = min(weight, *(strength.pop(each[0], weight) for each in (mine, its)))
        strength[joined[0]] = floor
        set_of.update(dict.fromkeys(joined, joined))
    whole = [(strength[ids[0]], tuple(sorted(ids))) for ids in {id(each): each for each in set_of.values()}.values()]
    return [*whole, *((weight, ids) for weight, ids in left if set_of.get(ids[0]) is not set_of.get(ids[1]))]


def _are_tied(mine: Sequence[int], its: Sequence[int], pairs: Collection[tuple[int, int]]) -> bool:
    """Whether weak pairs make one set of these two: two contacts alone by one pair, else by two pairs."""
    links = sum((min(a, b), max(a, b)) in pairs for a in mine for b in its)
    return links > 1 or len(mine) == len(its) == 1


def _order(place: Place) -> tuple[float, tuple[int, ...]]:
    strength, ids = place
    return -strength, tuple(ids)


# Showing


def _with_evidence(index: WordIndex, places: Sequence[Place], tier: Tier, account: Account) -> Iterator[DoubleSet]:
    """These sets with their contacts and evidence."""
    asked = [pair for _, ids in places for pair in combinations(ids, 2)]
    found = {(pair.one, pair.other): pair for pair in _pairs_found(index, asked, tier, account)}
    rows = {row.id: row for row in index.rows({each for _, ids in places for each in ids})}
    for strength, ids in places:
        pairs = [found[pair] for pair in combinations(ids, 2) if pair in found]
        contacts = [rows[each] for each in ids if each in rows]
        yield DoubleSet(
            tuple(sorted(contacts, key=_newest_first)), tuple(sorted(pairs, key=_strongest_first)), strength
        )


def _pairs_found(
    index: WordIndex, asked: Sequence[tuple[int, int]], tier: Tier, account: Account
) -> Iterator[PairFound]:
    for at in range(0, len(asked), _CHUNK):
        for one, other, comparison in _compared(index, asked[at : at + _CHUNK], account):
            strength = _strength(comparison, tier)
            if strength is not None:
                yield PairFound(one, other, tier, round(strength, 3), comparison.evidence)


def _newest_first(row: Row) -> tuple[int, int]:
    return -(row.updated or 0), -row.id


def _strongest_first(pair: PairFound) -> float:
    return -pair.strength


def _told(index: WordIndex, crowds: Sequence[Crowd], account: Account) -> Iterator[Shared]:
    """The keys that too many have, in words."""
    people = index.facts_of(each.one_of_them for each in crowds)
    for crowd in crowds:
        facts = people.get(crowd.one_of_them)
        if facts is None:
            continue
        if crowd.kind == PHONE:
            yield Shared("phone", facts.phone, crowd.contacts)
        elif crowd.kind == MAILBOX:
            yield Shared("email", mailbox(facts.email), crowd.contacts)
        else:
            yield from _told_number(index, facts, crowd, account)


def _told_number(index: WordIndex, facts: Facts, crowd: Crowd, account: Account) -> Iterator[Shared]:
    for number, text in facts.values.items():
        if number in account.numbers and index.holders(value_mark(number, text)) == crowd.contacts:
            yield Shared("number", unaccented(text), crowd.contacts, number)
            return
