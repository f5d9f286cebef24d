"""Deleting: a look first, a confirmation of exactly that, and a way to see what went."""

from __future__ import annotations

from typing import Any

import pytest
from support import OpenSession, Session, kinds

from contacts_mcp.book.book import Book
from contacts_mcp.book.confirmations import LIFETIME, REASONS, RiskyAction, digest_of
from contacts_mcp.book.people.delete import delete
from contacts_mcp.errors import ContactNotFound, Forbidden, InvalidArgument, OutcomeUnknown
from contacts_mcp.sandbox import Behaviour, Fault

JORDAN, SAM, THIRD = 1001, 1002, 1003


def ids(session: Session) -> list[int]:
    return [record["id"] for record in session.sandbox.store.contacts()]


async def test_the_first_call_only_shows_and_asks(session: Session, book: Book) -> None:
    asked = await delete(book, contact_id=JORDAN)
    assert (asked.status, asked.card.contact_id, asked.change_id) == ("needs_confirmation", JORDAN, None)
    assert asked.question == 'Delete "Jordan Rivera" (+15105550100) for good, with the whole conversation?'
    assert ids(session) == [JORDAN, SAM, THIRD]


@pytest.mark.parametrize("who", [{"contact_id": JORDAN}, {"phone": "+15105550100"}], ids=["id", "phone"])
async def test_with_its_token_exactly_that_contact_goes(session: Session, book: Book, who: Any) -> None:
    token = (await delete(book, **who)).confirm_token
    done = await delete(book, **who, confirm_token=token)
    assert (done.status, done.card.contact_id) == ("deleted", JORDAN)
    assert ids(session) == [SAM, THIRD]


async def test_a_token_asked_for_by_id_is_good_by_phone(session: Session, book: Book) -> None:
    token = (await delete(book, contact_id=JORDAN)).confirm_token
    assert (await delete(book, phone="510 555 0100", confirm_token=token)).status == "deleted"


async def test_an_opted_out_contact_is_warned_about_before_and_after(book: Book) -> None:
    """Its suppression goes with it: a new contact with that phone could be texted."""
    asked = await delete(book, contact_id=SAM)
    done = await delete(book, contact_id=SAM, confirm_token=asked.confirm_token)
    assert kinds(done.notes) == ["left_opted_out"]
    for told in (asked.question, *done.notes):
        assert "opted out" in told
        assert "suppression" in told
    assert "opted out" not in (await delete(book, contact_id=JORDAN)).question


async def test_an_opt_out_that_the_service_does_not_show_is_warned_about(open_session: OpenSession) -> None:
    async with open_session(contacts=2, behaviour=Behaviour(sends_opt_out=False, requests_per_minute=0)) as session:
        asked = await delete(await session.workspace.book(), contact_id=JORDAN)
        assert "may be opted out" in asked.question


async def test_the_question_says_what_goes_with_the_contact(session: Session, book: Book) -> None:
    session.sandbox.store.touch(JORDAN, note=[{"id": 1, "text": "Rings twice"}, {"id": 2, "text": "Pays late"}])
    asked = await delete(book, contact_id=JORDAN)
    assert "with the whole conversation and 2 notes?" in asked.question


async def token_of_another_contact(session: Session, book: Book) -> str:
    token: str = (await delete(book, contact_id=THIRD)).confirm_token
    return token


async def token_of_another_action(session: Session, book: Book) -> str:
    token: str = book.confirmations.token_for(RiskyAction("opt in", {JORDAN: ""}))
    return token


async def token_of_a_moved_contact(session: Session, book: Book) -> str:
    token: str = (await delete(book, contact_id=JORDAN)).confirm_token
    session.sandbox.store.touch(JORDAN, first="Moved")
    return token


async def token_that_expired(session: Session, book: Book) -> str:
    token: str = (await delete(book, contact_id=JORDAN)).confirm_token
    session.clock.now += LIFETIME + 1
    return token


async def token_that_was_altered(session: Session, book: Book) -> str:
    token: str = (await delete(book, contact_id=JORDAN)).confirm_token
    return f"{'B' if token[0] != 'B' else 'C'}{token[1:]}"  # its expiry


async def token_that_was_used(session: Session, book: Book) -> str:
    token: str = (await delete(book, contact_id=JORDAN)).confirm_token
    assert await book.journal.spend_token(digest_of(token))
    return token


@pytest.mark.parametrize(
    ("wrong", "reason"),
    [
        (token_of_another_contact, "contacts"),
        (token_of_another_action, "action"),
        (token_of_a_moved_contact, "states"),
        (token_that_expired, "expired"),
        (token_that_was_altered, "form"),
        (token_that_was_used, "used"),
    ],
)
async def test_a_wrong_token_is_refused_with_its_reason_and_a_fresh_preview(
    session: Session, book: Book, wrong: Any, reason: str
) -> None:
    token = await wrong(session, book)
    answer = await delete(book, contact_id=JORDAN, confirm_token=token)
    assert (answer.status, answer.card.contact_id) == ("needs_confirmation", JORDAN)
    assert answer.notes == [f"Not done: {REASONS[reason]}. Here is a new one."]
    assert kinds(answer.notes) == ["token_refused"]
    assert ids(session) == [JORDAN, SAM, THIRD]
    assert (await delete(book, contact_id=JORDAN, confirm_token=answer.confirm_token)).status == "deleted"


async def test_a_call_sent_again_answers_what_was_done(session: Session, book: Book) -> None:
    """The client lost the answer and repeats the call: nothing is sent again, and it is told the same contact."""
    token = (await delete(book, contact_id=JORDAN)).confirm_token
    first = await delete(book, contact_id=JORDAN, confirm_token=token)
    session.sandbox.requests.clear()
    for who in ({"contact_id": JORDAN}, {"phone": "+15105550100"}):
        again = await delete(book, **who, confirm_token=token)
        assert (again.status, again.change_id, again.card) == ("deleted", first.change_id, first.card)
        assert kinds(again.notes)[-1] == "done_before"
    assert {*session.operations} == {"get_contact", "find_contact"}


async def test_a_used_token_says_nothing_about_another_contact(session: Session, book: Book) -> None:
    token = (await delete(book, contact_id=JORDAN)).confirm_token
    await delete(book, contact_id=JORDAN, confirm_token=token)
    with pytest.raises(ContactNotFound):
        await delete(book, contact_id=999_999, confirm_token=token)
    assert (await delete(book, contact_id=SAM, confirm_token=token)).status == "needs_confirmation"


async def test_a_token_that_was_used_for_nothing_may_not_delete_a_new_contact_of_that_phone(
    session: Session, book: Book
) -> None:
    token = (await delete(book, phone="+15105550100")).confirm_token
    await delete(book, phone="+15105550100", confirm_token=token)
    fresh = session.sandbox.store.add_contact(phone="15105550100", first="New")
    assert (await delete(book, phone="+15105550100", confirm_token=token)).status == "needs_confirmation"
    assert fresh in ids(session)


async def test_an_answer_that_got_lost_is_looked_for(session: Session, book: Book) -> None:
    token = (await delete(book, contact_id=JORDAN)).confirm_token
    session.sandbox.faults.add(Fault("delete_contact", "drop_after"))
    done = await delete(book, contact_id=JORDAN, confirm_token=token)
    assert done.status == "deleted"
    assert kinds(done.notes) == ["answer_lost"]
    assert "it is gone" in done.notes[0]
    assert session.sandbox.store.contact(JORDAN) is None


@pytest.mark.parametrize("who", [{}, {"contact_id": JORDAN, "phone": "+15105550100"}], ids=["neither", "both"])
async def test_whom_is_said_in_exactly_one_way(book: Book, who: Any) -> None:
    with pytest.raises(InvalidArgument, match="exactly one"):
        await delete(book, **who)


async def test_nobody_is_not_found(book: Book) -> None:
    with pytest.raises(ContactNotFound) as refused:
        await delete(book, phone="(510) 555-3344")
    assert refused.value.kind == "not_found"
    assert "No contact has the phone +15105553344." in str(refused.value)


async def test_a_token_that_was_acted_on_is_used_up_whatever_came_of_it(session: Session, book: Book) -> None:
    """The deletion failed. To try again is a new decision, which a new question asks for."""
    token = (await delete(book, contact_id=JORDAN)).confirm_token
    session.sandbox.faults.add(Fault("delete_contact", "status", status=403))
    with pytest.raises(Forbidden):
        await delete(book, contact_id=JORDAN, confirm_token=token)
    again = await delete(book, contact_id=JORDAN, confirm_token=token)
    assert (again.status, kinds(again.notes)) == ("needs_confirmation", ["token_refused"])
    assert REASONS["used"] in again.notes[0]
    assert JORDAN in ids(session)


async def test_a_deletion_that_was_accepted_and_did_nothing_is_not_called_done(session: Session, book: Book) -> None:
    token = (await delete(book, contact_id=JORDAN)).confirm_token
    session.sandbox.faults.add(Fault("delete_contact", "pretend"))
    with pytest.raises(OutcomeUnknown) as unknown:
        await delete(book, contact_id=JORDAN, confirm_token=token)
    assert unknown.value.kind == "unknown_outcome"
    assert [entry.state for entry in await book.journal.entries()] == ["unknown"]
    assert unknown.value.change_id == (await book.journal.entries())[0].change_id


async def test_the_whole_record_is_kept_with_the_deletion(session: Session, book: Book) -> None:
    session.sandbox.store.touch(JORDAN, note=[{"id": 1, "text": "Rings twice"}])
    token = (await delete(book, contact_id=JORDAN)).confirm_token
    await delete(book, contact_id=JORDAN, confirm_token=token)
    (entry,) = await book.journal.entries()
    assert (entry.record["first"], entry.record["note"][0]["text"]) == ("Jordan", "Rings twice")
    assert entry.token == digest_of(token)


async def test_without_confirmations_the_first_call_deletes(open_session: OpenSession) -> None:
    async with open_session(contacts=2, confirm="off") as session:
        assert (await delete(await session.workspace.book(), contact_id=JORDAN)).status == "deleted"
        assert ids(session) == [SAM]
