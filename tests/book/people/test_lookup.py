"""Finding one contact by a value that identifies it exactly."""

from __future__ import annotations

from typing import Any

import pytest
from support import Clock, Session, bare_book, kinds

from contacts_mcp.book.book import Book
from contacts_mcp.book.people.holding import ContactRef
from contacts_mcp.book.people.lookup import lookup, ref_of
from contacts_mcp.errors import InvalidArgument, InvalidPhone
from contacts_mcp.sandbox import Oddity
from contacts_mcp.state.journal import Journal

JORDAN = 1001


@pytest.mark.parametrize(
    "how",
    [
        {"contact_id": JORDAN},
        {"phone": "+1 510 555 0100"},
        {"phone": "5105550100"},
        {"email": "jordan.rivera@example.com"},
        {"email": " jordan.rivera@example.com "},
    ],
    ids=str,
)
async def test_a_contact_is_found_by_id_phone_and_email(book: Book, how: Any) -> None:
    assert [card.contact_id for card in (await lookup(book, **how)).cards] == [JORDAN]


@pytest.mark.parametrize(
    "how", [{"contact_id": 999_999}, {"phone": "+15105553344"}, {"email": "nobody@example.com"}], ids=str
)
async def test_nobody_is_an_empty_answer(book: Book, how: Any) -> None:
    found = await lookup(book, **how)
    assert found.cards == []
    assert kinds(found.notes) == ["not_found", "exact_spelling"] if "email" in how else ["not_found"]


async def test_an_email_is_also_found_in_small_letters_and_told_once(session: Session, book: Book) -> None:
    for email in ("Jordan.Rivera@Example.com", "jordan.rivera@example.com"):
        session.sandbox.requests.clear()
        found = await lookup(book, email=email)
        assert [card.contact_id for card in found.cards] == [JORDAN]
        assert "search_contacts" in session.operations


async def test_a_look_up_costs_one_request_where_no_name_is_needed(session: Session, book: Book) -> None:
    session.sandbox.store.touch(JORDAN, custom={}, tags=[], assigned_user_id=None)
    session.sandbox.requests.clear()
    await lookup(book, contact_id=JORDAN)
    assert session.operations == ["get_contact"]


@pytest.mark.parametrize(
    "how",
    [
        {},
        {"contact_id": 1, "phone": "+15105550100"},
        {"contact_id": 1, "email": "a@b.com"},
        {"phone": "x", "email": "a@b.com"},
        {"contact_id": 1, "phone": "x", "email": "y"},
    ],
    ids=str,
)
async def test_exactly_one_way_must_be_given(book: Book, how: Any) -> None:
    with pytest.raises(InvalidArgument, match="contact_id, phone or email: exactly one is needed"):
        await lookup(book, **how)


async def test_all_contacts_with_one_email_are_found(session: Session, book: Book) -> None:
    twins = [
        session.sandbox.store.add_contact(phone=f"1510555334{number}", email="office@example.com")
        for number in range(3)
    ]
    assert [card.contact_id for card in (await lookup(book, email="office@example.com")).cards] == twins


CASES = [
    "priya@example.com",
    "Priya@Example.com",
    "Priya@example.com",
    "PRIYA@EXAMPLE.COM",
    "priya@Example.Com",
    "Priya@Example.Com",
]


@pytest.mark.parametrize("asked", CASES)
async def test_an_email_is_found_in_every_usual_case_and_nobody_is_told_twice(
    session: Session, book: Book, asked: str
) -> None:
    """The service compares exactly, and several contacts may hold one address in several cases."""
    stored = [
        session.sandbox.store.add_contact(phone=f"1510555334{number}", email=email)
        for number, email in enumerate(CASES)
    ]
    session.sandbox.requests.clear()
    found = await lookup(book, email=asked)
    assert sorted(card.contact_id for card in found.cards) == stored
    assert session.operations.count("search_contacts") == 1


@pytest.mark.parametrize(
    ("stored", "asked"),
    [
        ("Priya.Patel@Example.com", "priya.patel@example.com"),
        ("priya.patel@example.com", "PRIYA.PATEL@EXAMPLE.COM"),
        ("Mary-Ann.O'Neil@x.org", "mary-ann.o'neil@x.org"),
        ("Élodie@x.org", "élodie@X.ORG"),
    ],
)
async def test_a_name_in_an_email_may_have_capitals(session: Session, book: Book, stored: str, asked: str) -> None:
    there = session.sandbox.store.add_contact(phone="15105553340", email=stored)
    assert [card.contact_id for card in (await lookup(book, email=asked)).cards] == [there]


async def test_somebody_with_another_email_is_not_told(session: Session, book: Book) -> None:
    """A service that ignores what it was asked for answers with anybody."""
    session.sandbox.oddities.append(Oddity(JORDAN, members={"email": "somebody.else@example.com"}))
    assert (await lookup(book, email="jordan.rivera@example.com")).cards == []


async def test_an_email_that_cannot_be_read_is_believed_to_be_the_one(session: Session, book: Book) -> None:
    session.sandbox.oddities.append(Oddity(JORDAN, members={"email": ["jordan.rivera@example.com"]}))
    assert [card.contact_id for card in (await lookup(book, email="jordan.rivera@example.com")).cards] == [JORDAN]


@pytest.mark.parametrize("email", ["", "@", "jo", "@ @", "jo@", "@example.com"])
async def test_what_is_no_email_is_refused_unasked(session: Session, book: Book, email: str) -> None:
    session.sandbox.requests.clear()
    with pytest.raises(InvalidArgument, match="is not an e-mail address"):
        await lookup(book, email=email)
    assert session.operations == []


async def test_of_two_contacts_with_one_phone_the_service_shows_one_and_each_is_found_by_id(
    session: Session, book: Book
) -> None:
    twin = session.sandbox.store.add_contact(phone="15105550100", first="Twin")
    assert len((await lookup(book, phone="+15105550100")).cards) == 1
    assert [card.first for card in (await lookup(book, contact_id=twin)).cards] == ["Twin"]


async def test_an_assumed_country_is_noted_even_where_nobody_is_found(book: Book) -> None:
    notes = (await lookup(book, phone="510 555 3344")).notes
    assert kinds(notes) == ["not_found", "assumed_country"]
    assert notes[0] == "No contact has the phone +15105553344."


async def test_a_long_id_that_nobody_has_is_said_to_look_like_a_phone(book: Book) -> None:
    assert (await lookup(book, contact_id=15105553344)).notes == [
        "No contact has the id 15105553344 (that looks like a phone; pass it as phone)."
    ]


# Which contact is meant


@pytest.fixture
def unasked() -> Book:
    """A book that asks nobody."""
    clock = Clock()
    return bare_book(Journal(None, "account", clock=clock), clock)


def test_a_contact_is_meant_by_its_id(unasked: Book) -> None:
    assert ref_of(unasked, contact_id=7, phone=None) == ContactRef(7)


def test_a_contact_is_meant_by_its_phone(unasked: Book) -> None:
    ref = ref_of(unasked, contact_id=None, phone="(510) 555-0100")
    assert ref.phone
    assert (ref.contact_id, ref.phones, kinds(ref.notes)) == (None, ("15105550100",), ["assumed_country"])


@pytest.mark.parametrize(
    "how", [{"contact_id": None, "phone": None}, {"contact_id": 7, "phone": "+15105550100"}], ids=["neither", "both"]
)
def test_the_contact_meant_is_checked_before_anything_is_asked(unasked: Book, how: Any) -> None:
    with pytest.raises(InvalidArgument) as refused:
        ref_of(unasked, **how)
    assert "contact_id or phone: exactly one" in str(refused.value)


def test_two_ways_to_mean_a_contact_may_be_meant_as_a_new_number(unasked: Book) -> None:
    with pytest.raises(InvalidArgument) as refused:
        ref_of(unasked, contact_id=7, phone="+15105550100", changes=True)
    assert "new_phone" in str(refused.value)


async def test_a_phone_that_is_none_is_refused(book: Book) -> None:
    with pytest.raises(InvalidPhone):
        await lookup(book, phone=str(JORDAN))


@pytest.mark.parametrize("digits", ["123", "0070", "99999999999999999"])
async def test_a_stored_number_of_a_length_that_no_phone_has_is_found_as_it_is_shown(
    session: Session, book: Book, digits: str
) -> None:
    """The read by phone refuses it, so a search is asked, too."""
    odd = session.sandbox.store.add_contact(phone=digits, first="Odd")
    (shown,) = (await lookup(book, contact_id=odd)).cards
    assert [card.contact_id for card in (await lookup(book, phone=shown.phone)).cards] == [odd]
    deletion = await session.ok("delete_contact", phone=shown.phone)
    assert deletion["contact"]["contact_id"] == odd
