"""Doubles: sure by a key and a like name, possible by bits of evidence, and never by nothing in common.

Guards `contacts_mcp/book/search/duplicates.py`, `evidence.py`, `keys.py` and `contacts_mcp/state/blocks.py`.
"""

from __future__ import annotations

import gc
import sqlite3
import weakref
from collections.abc import Iterable, Iterator
from contextlib import closing
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contacts_mcp.book.search.duplicates import (
    MOST_IN_BLOCK,
    Doubles,
    Tier,
    find,
    number_fields,
    probable_doubles_of,
    sets_of,
)
from contacts_mcp.book.search.evidence import Account, Comparison, Person, compared
from contacts_mcp.book.search.keys import possible_keys
from contacts_mcp.state.blocks import Blocks
from contacts_mcp.state.index import Index
from contacts_mcp.state.index_file import IndexUnavailable
from contacts_mcp.state.row import Row
from contacts_mcp.state.word_index import Facts

PLAN, CITY, NUMBER = 31, 33, 34
PHONE, OTHER_PHONE = "15105553344", "15105559821"
MARIA = {"first": "Maria", "last": "Garcia"}


def index_of(rows: Iterable[Row]) -> Index:
    index = Index.open(None)
    index.begin_walk()
    index.upsert(rows)
    index.end_walk(began=0.0, ended=1.0)
    return index


def crowd(count: int, *, start: int = 1_000) -> list[Row]:
    """Strangers who have nothing in common."""
    return [
        Row(
            id=start + at,
            phone=f"1{2_125_550_100 + at * 7_919}",
            first=f"{chr(97 + at % 26)}ustin{chr(97 + at // 26 % 26)}",
            last=f"{chr(97 + at * 7 % 26)}orel{chr(97 + at // 7 % 26)}o{chr(97 + at // 182 % 26)}",
            email=f"{at * 7_919}x@host{at % 9}.org",
            custom={NUMBER: f"C-{100_000 + at}", PLAN: ("Gold", "Silver")[at % 2]},
            rev=1,
        )
        for at in range(count)
    ]


def found(one: dict[str, Any], other: dict[str, Any], tier: Tier = "sure") -> Doubles:
    with closing(index_of([Row(id=1, rev=1, **one), Row(id=2, rev=1, **other), *crowd(100)])) as index:
        return find(index, tier=tier)


def ids(doubles: Doubles) -> list[list[int]]:
    return [sorted(row.id for row in each.contacts) for each in doubles.sets]


# The two tiers

JO = {"first": "Jordan", "last": "Rivera"}
MAIL = "jordan.rivera@gmail.com"
SURE: dict[str, tuple[dict[str, Any], dict[str, Any], set[str]]] = {
    "phone": (JO | {"phone": PHONE}, JO | {"phone": PHONE}, {"name_same", "phone_same"}),
    "nickname": (
        {"first": "Bob", "last": "Smith", "phone": PHONE},
        {"first": "Robert", "last": "Smith", "phone": PHONE},
        {"name_nickname", "phone_same"},
    ),
    "slip": (JO | {"phone": PHONE}, JO | {"first": "Jordna", "phone": PHONE}, {"name_spelling", "phone_same"}),
    "fields exchanged": (
        JO | {"phone": PHONE},
        {"first": "Rivera", "last": "Jordan", "phone": PHONE},
        {"name_same", "phone_same"},
    ),
    "display name": (
        JO | {"phone": PHONE},
        {"display_name": "Jordan Rivera", "phone": PHONE},
        {"name_same", "phone_same"},
    ),
    "one company shown": (
        JO | {"display_name": "Acme Inc", "phone": PHONE},
        JO | {"phone": PHONE},
        {"name_same", "phone_same"},
    ),
    "case of the e-mail": (JO | {"email": MAIL}, JO | {"email": MAIL.upper()}, {"name_same", "email_same"}),
    "alias": (JO | {"email": MAIL}, JO | {"email": "jordan.rivera+shop@gmail.com"}, {"name_same", "email_same"}),
    "dots of Gmail": (JO | {"email": MAIL}, JO | {"email": "jordanrivera@googlemail.com"}, {"name_same", "email_same"}),
    "number": (JO | {"custom": {NUMBER: "C-7"}}, JO | {"custom": {NUMBER: "c-7"}}, {"name_same", "number_same"}),
    "old form of a number": (
        JO | {"phone": "5215512345678"},
        JO | {"phone": "525512345678"},
        {"name_same", "phone_same"},
    ),
}


@pytest.mark.parametrize(("one", "other", "kinds"), SURE.values(), ids=SURE)
def test_a_key_and_a_like_name_are_a_sure_double(one: Any, other: Any, kinds: set[str]) -> None:
    doubles = found(one, other)
    assert ids(doubles) == [[1, 2]]
    (pair,) = doubles.sets[0].pairs
    assert kinds <= {each.kind for each in pair.evidence}
    assert (doubles.total, doubles.contacts, doubles.searched) == (1, 2, 102)


NOT_SURE: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "household": (MARIA | {"phone": PHONE}, {"first": "Jose", "last": "Garcia", "phone": PHONE}),
    "family e-mail": (MARIA | {"email": MAIL}, {"first": "Jose", "last": "Garcia", "email": MAIL}),
    "namesake": (MARIA | {"phone": PHONE}, MARIA | {"phone": "12125559999"}),
    "one company": (
        MARIA | {"phone": PHONE, "display_name": "Acme Inc"},
        {"first": "Jose", "last": "Lopez", "phone": PHONE, "display_name": "Acme Inc"},
    ),
    "father and son": (
        {"first": "John", "last": "Smith", "phone": PHONE},
        {"first": "John", "last": "Smith Jr.", "phone": PHONE},
    ),
    "a role": (MARIA | {"email": "info@acme.org"}, {"first": "Jose", "last": "Lopez", "email": "info@acme.org"}),
    "no name": ({"phone": PHONE}, MARIA | {"phone": PHONE}),
    "a digit off": (MARIA | {"phone": PHONE}, MARIA | {"phone": "15105553345"}),
}


@pytest.mark.parametrize(("one", "other"), NOT_SURE.values(), ids=NOT_SURE)
def test_people_who_only_share_something_are_no_sure_double(one: Any, other: Any) -> None:
    assert ids(found(one, other)) == []


POSSIBLE: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "digit off": (JO | {"phone": PHONE}, JO | {"phone": "15105553345"}, "phone_alike"),
    "digits exchanged": (JO | {"phone": PHONE}, JO | {"phone": "15105535344"}, "phone_alike"),
    "country left out": (JO | {"phone": PHONE}, JO | {"phone": PHONE[1:]}, "phone_without_country"),
    "trunk zero": (JO | {"phone": "4915112345678"}, JO | {"phone": "015112345678"}, "phone_without_country"),
    "e-mail mistyped": (JO | {"email": MAIL}, JO | {"email": "jordan.rivrea@gmail.com"}, "email_alike"),
    "domain mistyped": (JO | {"email": MAIL}, JO | {"email": "jordan.rivera@gmial.com"}, "email_alike"),
    "slip and digit": (JO | {"phone": PHONE}, JO | {"last": "Rivero", "phone": "15105553345"}, "name_spelling"),
}


@pytest.mark.parametrize(("one", "other", "kind"), POSSIBLE.values(), ids=POSSIBLE)
def test_evidence_without_an_equal_key_is_a_possible_double(one: Any, other: Any, kind: str) -> None:
    doubles = found(one, other, "possible")
    assert ids(doubles) == [[1, 2]]
    assert kind in {each.kind for each in doubles.sets[0].pairs[0].evidence}
    assert ids(found(one, other)) == []


def test_a_digit_off_alone_makes_no_double_of_a_contact_without_a_name() -> None:
    """The phones of one company follow one another."""
    assert ids(found({"phone": PHONE}, JO | {"phone": "15105553345"}, "possible")) == []
    assert ids(found({"phone": PHONE}, JO | {"phone": PHONE}, "possible")) == [[1, 2]]


def test_what_is_sure_is_not_told_as_possible_too() -> None:
    assert ids(found(JO | {"phone": PHONE}, JO | {"phone": PHONE}, "possible")) == []


def test_an_address_and_a_name_that_differ_by_one_letter_prove_nothing() -> None:
    """Trap 16: amina@ and amira@ are one difference, not two agreements."""
    one = {"first": "Amina", "last": "Haddad", "email": "amina.haddad@x.org"}
    assert ids(found(one, {"first": "Amira", "last": "Haddad", "email": "amira.haddad@x.org"}, "possible")) == []


def test_evidence_has_both_values_and_the_field() -> None:
    (each,) = found(JO | {"custom": {NUMBER: "C-7"}}, JO | {"custom": {NUMBER: "C-7"}}).sets[0].pairs
    number = next(one for one in each.evidence if one.kind == "number_same")
    assert (number.one, number.other, number.field_id) == ("C-7", "C-7", NUMBER)


# The laws of evidence

values = st.fixed_dictionaries(
    {
        "phone": st.sampled_from(["", PHONE, "15105553345", PHONE[1:]]),
        "first": st.sampled_from(["", "Maria", "Mary", "M", "Jose"]),
        "last": st.sampled_from(["", "Garcia", "Garcai", "Garcia Jr."]),
        "display_name": st.sampled_from(["", "Acme Inc", "Maria Garcia"]),
        "email": st.sampled_from(["", MAIL, "info@x.org", "jordan.rivrea@gmail.com"]),
        "custom": st.sampled_from(["", f"{NUMBER}:C-7", f"{NUMBER}:C-8", f"{CITY}:Oakland"]),
    }
)


def person(number: int, given: dict[str, Any]) -> Person:
    return Person(Facts(number, name_key=None, display_key=None, **given))


@given(values, values)
def test_evidence_does_not_depend_on_the_order_of_two_contacts(one: Any, other: Any) -> None:
    account = Account(contacts=1_000, numbers=frozenset({NUMBER}))

    def judged(comparison: Comparison) -> tuple[Any, ...]:
        return comparison.is_sure, comparison.is_possible, comparison.kinds, comparison.bits

    there = judged(compared(person(1, one), person(2, other), account))
    assert there == judged(compared(person(2, other), person(1, one), account))


@given(values)
def test_nothing_empty_is_a_key(given: dict[str, Any]) -> None:
    """Trap 17: a missing phone, an empty name and an empty value put nobody side by side."""
    bare = dict.fromkeys(given, "")
    assert [*possible_keys(Facts(1, name_key=None, display_key=None, **bare), {NUMBER})] == []


def test_contacts_without_phone_and_name_have_nothing_in_common() -> None:
    rows = [Row(id=at, rev=1, custom={PLAN: "Gold"}) for at in range(1, 20)]
    with closing(index_of([*rows, *crowd(50)])) as index:
        for tier in ("sure", "possible"):
            assert ids(find(index, tier=tier)) == []


# Sets


@pytest.mark.parametrize(
    ("pairs", "sets"),
    [
        ({(1, 2): 1.0}, [(1, 2)]),
        ({(1, 2): 1.0, (2, 3): 1.0}, [(1, 2, 3)]),
        ({(1, 2): 1.0, (2, 3): 0.8}, [(1, 2), (2, 3)]),
        ({(1, 2): 1.0, (3, 4): 1.0, (2, 3): 0.8}, [(1, 2), (3, 4), (2, 3)]),
        ({(1, 2): 1.0, (3, 4): 1.0, (2, 3): 0.8, (1, 4): 0.8}, [(1, 2, 3, 4)]),
        ({(1, 2): 0.8, (1, 3): 0.8, (2, 3): 0.8}, [(1, 2, 3)]),
    ],
    ids=["two", "strong", "weak-third", "weak-bridge", "two-bridges", "triangle"],
)
def test_a_weak_pair_never_ties_sets_together(pairs: dict[tuple[int, int], float], sets: list[tuple[int, ...]]) -> None:
    assert sorted(each for _, each in sets_of(pairs, strong=0.9)) == sorted(sets)


@given(st.dictionaries(st.sampled_from([(a, b) for a in range(6) for b in range(a + 1, 6)]), st.floats(0.74, 1.2)))
def test_every_pair_is_in_a_set_and_nobody_is_with_itself(pairs: dict[tuple[int, int], float]) -> None:
    sets = [each for _, each in sets_of(pairs, strong=0.9)]
    assert all(len({*each}) == len(each) >= 2 for each in sets)
    assert all(any({*pair} <= {*each} for each in sets) for pair in pairs)


def test_the_order_in_which_contacts_came_does_not_matter() -> None:
    rows = [
        Row(id=at, rev=1, phone=PHONE, **name)
        for at, name in enumerate((JO, JO | {"first": "Jordna"}, {"first": "J", "last": "Rivera"}), 1)
    ]
    answers = []
    for order in permutations(rows):
        with closing(index_of([*order, *crowd(30)])) as index:
            answers.append(ids(find(index)))
    assert answers[0] == [[1, 2, 3]]
    assert answers.count(answers[0]) == len(answers)


# Blocks, pages


def test_a_key_of_too_many_is_told_and_puts_nobody_side_by_side() -> None:
    count = MOST_IN_BLOCK + 1
    rows = [Row(id=at, rev=1, phone=PHONE, email="info@acme.org", **JO) for at in range(1, count + 1)]
    with closing(index_of([*rows, *crowd(100)])) as index:
        doubles = find(index)
    assert ids(doubles) == []
    told = {(each.kind, each.value, each.contacts) for each in doubles.shared}
    assert told == {("email", "info@acme.org", count), ("phone", PHONE, count)}


def test_fields_that_tell_contacts_apart_are_found_from_the_data() -> None:
    with closing(index_of(crowd(100))) as index:
        assert number_fields(index) == {NUMBER}
    with closing(index_of(crowd(15))) as index:
        assert number_fields(index) == frozenset()


def test_pages_show_every_set_once_the_strongest_first() -> None:
    rows = [
        Row(id=at, rev=1, phone=f"1510555{at // 2:04}", first=("Jordan", "J")[at % 3 == 0], last="Rivera")
        for at in range(2, 42)
    ]
    with closing(index_of([*rows, *crowd(50)])) as index:
        whole = find(index, most=100)
        pages, below = [], None
        while True:
            page = find(index, most=7, below=below)
            pages += page.sets
            below = page.next
            if below is None:
                break
    assert len(whole.sets) == whole.total == 20
    assert pages == [*whole.sets]
    strengths = [each.strength for each in pages]
    assert strengths == sorted(strengths, reverse=True)


def test_a_change_of_the_index_is_seen_by_the_next_page() -> None:
    with closing(index_of([Row(id=1, rev=1, phone=PHONE, **JO), Row(id=2, rev=1, phone=PHONE, **JO)])) as index:
        assert find(index).total == 1
        index.remove([2])
        assert find(index).total == 0


def test_a_search_for_doubles_keeps_no_index_alive() -> None:
    index = index_of([Row(id=1, rev=1, phone=PHONE, **JO), Row(id=2, rev=1, phone=PHONE, **JO)])
    find(index)
    index.close()
    gone = weakref.ref(index)
    del index
    gc.collect()
    assert gone() is None


def test_no_room_for_the_keys_is_told_in_the_words_of_the_index() -> None:
    with pytest.raises(IndexUnavailable), Blocks(most=2):
        raise sqlite3.OperationalError("database or disk is full")


# The warning before a contact is created


@pytest.fixture(scope="module")
def office() -> Iterator[Index]:
    rows = [
        Row(id=1, rev=1, phone=PHONE, email=MAIL, **JO),
        *(Row(id=at, rev=1, phone=f"1212555{at:04}", **MARIA) for at in range(10, 20)),
        Row(id=30, rev=1, email="info@acme.org", first="Acme"),
    ]
    with closing(index_of([*rows, *crowd(60)])) as index:
        yield index


@pytest.mark.parametrize(
    ("new", "doubled"),
    [
        ({"phone": PHONE, "first": "Jordan"}, [1]),
        ({"phone": OTHER_PHONE, "first": "Jordan", "last": "Rivera"}, [1]),
        ({"phone": OTHER_PHONE, "display_name": "Rivera, Jordan"}, [1]),
        ({"phone": OTHER_PHONE, "email": MAIL.upper()}, [1]),
        ({"phone": OTHER_PHONE, "first": "Sue", "last": "Lee", "email": MAIL}, []),
        ({"phone": OTHER_PHONE, **MARIA}, []),
        ({"phone": OTHER_PHONE, "first": "Zoe", "last": "New", "email": "info@acme.org"}, []),
        ({}, []),
    ],
    ids=["phone", "name", "display-name", "e-mail", "family", "frequent-name", "role", "nothing"],
)
def test_a_probable_double_is_told_before_it_is_made(office: Index, new: Any, doubled: list[int]) -> None:
    assert [row.id for row, _ in probable_doubles_of(office, **new)] == doubled


@settings(max_examples=30, deadline=None)
@given(st.lists(values, min_size=2, max_size=8), st.randoms())
def test_the_same_doubles_are_found_whatever_ids_the_contacts_have(given: list[Any], dice: Any) -> None:
    def grouped(order: list[int]) -> set[frozenset[int]]:
        rows = [Row(id=number, rev=1, **(each | {"custom": {}})) for number, each in zip(order, given, strict=True)]
        with closing(index_of(rows)) as index:
            return {frozenset(order.index(row.id) for row in each.contacts) for each in find(index, most=100).sets}

    straight = [*range(1, len(given) + 1)]
    shuffled = dice.sample(straight, len(straight))
    assert {each for group in grouped(straight) for each in group} == {
        each for group in grouped(shuffled) for each in group
    }
