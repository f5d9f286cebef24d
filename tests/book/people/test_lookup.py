"""Finding one contact by what identifies it exactly."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest
from support import OpenSession, Session

from contacts_mcp.book.book import Book
from contacts_mcp.book.people.lookup import Who, held, lookup, who_is
from contacts_mcp.errors import ContactNotFound, InvalidArgument, InvalidPhone

JORDAN = 1001


@pytest.fixture
async def session(open_session: OpenSession) -> AsyncIterator[Session]:
    async with open_session(contacts=3) as opened:
        yield opened


@pytest.fixture
async def book(session: Session) -> Book:
    return await session.workspace.book()


@pytest.mark.parametrize(
    "how",
    [{"contact_id": JORDAN}, {"phone": "+1 510 555 0100"}, {"phone": "5105550100"}, {"email": "jordan.rivera@example.com"}, {"email": " jordan.rivera@example.com "}],
    ids=str,
)  # fmt: skip
async def test_a_contact_is_found_by_id_phone_and_email(book: Book, how: Any) -> None:
    assert [card.contact_id for card in (await lookup(book, **how)).cards] == [JORDAN]


@pytest.mark.parametrize(
    "how", [{"contact_id": 999_999}, {"phone": "+15105553344"}, {"email": "nobody@example.com"}], ids=str
)
async def test_nobody_is_an_empty_answer(book: Book, how: Any) -> None:
    assert (await lookup(book, **how)).cards == []


@pytest.mark.parametrize(
    "how",
    [{}, {"contact_id": 1, "phone": "+15105550100"}, {"contact_id": 1, "email": "a@b.com"}, {"phone": "x", "email": "a@b.com"}, {"contact_id": 1, "phone": "x", "email": "y"}],
    ids=str,
)  # fmt: skip
async def test_exactly_one_way_must_be_given(book: Book, how: Any) -> None:
    with pytest.raises(InvalidArgument, match="contact_id, phone or email: exactly one is needed"):
        await lookup(book, **how)


async def test_all_contacts_with_one_email_are_found(session: Session, book: Book) -> None:
    twins = [
        session.sandbox.store.add_contact(phone=f"1510555334{number}", email="office@example.com")
        for number in range(3)
    ]
    assert [card.contact_id for card in (await lookup(book, email="office@example.com")).cards] == twins


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
    assert (await lookup(book, phone="510 555 3344")).notes == [
        "No contact has the phone +15105553344.",
        "No country was written; US was assumed for +15105553344.",
    ]


async def test_a_long_id_that_nobody_has_is_said_to_look_like_a_phone(book: Book) -> None:
    assert (await lookup(book, contact_id=15105553344)).notes == [
        "No contact has the id 15105553344 (that looks like a phone; pass it as phone)."
    ]


async def test_who_is_meant_is_checked_before_anything_is_asked(book: Book) -> None:
    with pytest.raises(InvalidArgument, match="contact_id or phone: exactly one"):
        who_is(book, contact_id=None, phone=None)


async def test_a_phone_that_is_none_is_refused(book: Book) -> None:
    with pytest.raises(InvalidPhone):
        await lookup(book, phone=str(JORDAN))


async def test_a_contact_is_held_as_it_is_now(session: Session, book: Book) -> None:
    who = who_is(book, contact_id=None, phone="+15105550100")
    async with held(book, who) as contact:
        assert (contact.id, contact.first) == (JORDAN, "Jordan")


async def test_nobody_cannot_be_held(book: Book) -> None:
    with pytest.raises(ContactNotFound, match="No contact has the id 999999"):
        async with held(book, Who(999_999)):
            raise AssertionError("unreachable")


async def test_what_was_changed_while_waiting_for_the_lock_is_read_again(session: Session, book: Book) -> None:
    """By phone the contact must be read before it can be locked; whoever holds it meanwhile may change it."""
    has_read, seen = anyio.Event(), []

    async def note_the_read(request: httpx.Request) -> None:
        has_read.set()

    async def hold() -> None:
        async with held(book, who_is(book, contact_id=None, phone="+15105550100")) as contact:
            seen.append(contact.first)

    session.wire.after = note_the_read
    async with anyio.create_task_group() as tasks, book.locks.contact(JORDAN):
        tasks.start_soon(hold)
        await has_read.wait()
        session.sandbox.store.touch(JORDAN, first="Moved")
    assert seen == ["Moved"]
