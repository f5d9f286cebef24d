"""Changing a contact: only what was asked, what was seen afterwards, and opting in only with consent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from support import OpenSession, Session

from contacts_mcp.book.people.requests import Wanted
from contacts_mcp.book.people.update import update
from contacts_mcp.errors import ContactNotFound, InvalidArgument, InvalidPhone, Refused
from contacts_mcp.sandbox import Behaviour

JORDAN, SAM = 1001, 1002
FULL = {
    "email": "jordan.rivera@example.com",
    "avatar": "https://example.com/j.png",
    "custom": {"31": "Gold", "33": "Oakland", "38": "x"},
    "tags": [101, 102],
    "assigned_user_id": 503,
}


@pytest.fixture
async def session(open_session: OpenSession) -> AsyncIterator[Session]:
    async with open_session(contacts=3) as opened:
        opened.sandbox.store.touch(JORDAN, **FULL)
        yield opened


async def change(
    session: Session, contact_id: int = JORDAN, /, *, consent: str = "", confirm_token: str = "", **wanted: Any
) -> Any:
    return await update(
        await session.workspace.book(),
        Wanted(**wanted),
        contact_id=contact_id,
        consent=consent,
        confirm_token=confirm_token,
    )


def stored(session: Session, contact_id: int = JORDAN) -> dict[str, Any]:
    record: dict[str, Any] = session.sandbox.store.contact(contact_id)
    return {name: value for name, value in record.items() if name not in ("rev", "updated")}


def when_putting(session: Session, deed: Any) -> None:
    """`deed` is what somebody else does after our read and before our write arrives."""

    async def meanwhile(request: httpx.Request) -> None:
        if request.method == "PUT" and not done:
            done.append(deed())

    done: list[Any] = []
    session.wire.before = meanwhile


@pytest.mark.parametrize(
    ("wanted", "changed"),
    [
        pytest.param({"first": "Jo"}, {"first": "Jo"}, id="first"),
        pytest.param({"display_name": "J. R."}, {"display_name": "J. R."}, id="display name"),
        pytest.param({"email": "j@example.com"}, {"email": "j@example.com"}, id="e-mail"),
        pytest.param(
            {"custom_fields": {"Plan": "Basic"}},
            {"custom": {"31": "Basic", "33": "Oakland", "38": "x"}},
            id="a custom value",
        ),
        pytest.param(
            {"custom_fields": {"Plan": "Basic"}, "replace_custom_fields": True},
            {"custom": {"31": "Basic"}},
            id="all custom values",
        ),
        pytest.param({"add_tags": ["Past Due"]}, {"tags": [101, 102, 104]}, id="a tag more"),
        pytest.param({"remove_tags": ["VIP"]}, {"tags": [102]}, id="a tag less"),
        pytest.param({"tags": ["Supplier"]}, {"tags": [105]}, id="other tags"),
        pytest.param({"assignee": "Priya Patel"}, {"assigned_user_id": 502}, id="owner"),
        pytest.param({"assignee": "none"}, {"assigned_user_id": None}, id="no owner"),
        pytest.param({"is_opted_out": True}, {"is_opted_out": True}, id="opt-out"),
        pytest.param({"clear": ["email", "Plan"]}, {"email": "", "custom": {"33": "Oakland", "38": "x"}}, id="clear"),
        pytest.param(
            {"clear": ["first", "last", "display_name"]},
            {"first": "", "last": "", "display_name": ""},
            id="clear names",
        ),
        pytest.param(
            {"clear": ["tags", "assignee", "avatar"]},
            {"tags": [], "assigned_user_id": None, "avatar": ""},
            id="clear the rest",
        ),
    ],
)
async def test_only_what_was_asked_is_different(session: Session, wanted: Any, changed: Any) -> None:
    before, others = stored(session), [stored(session, other) for other in (SAM, 1003)]
    outcome = await change(session, **wanted)
    assert outcome.status == "updated"
    assert stored(session) == before | changed
    assert [stored(session, other) for other in (SAM, 1003)] == others
    assert not [note for note in outcome.notes if "display_name still reads" not in note]


async def test_the_phone_moves_only_to_one_that_is_free(session: Session) -> None:
    book = await session.workspace.book()
    outcome = await update(book, Wanted(), contact_id=JORDAN, new_phone="+1 510 555 3344")
    assert [(one.field, one.before, one.after) for one in outcome.changes] == [
        ("phone", "+15105550100", "+15105553344")
    ]
    with pytest.raises(Refused, match=rf"belongs to another contact already \(contact_id {SAM}\)"):
        await update(book, Wanted(), contact_id=JORDAN, new_phone="+15105550101")
    assert stored(session)["phone"] == "15105553344"


async def test_the_new_phone_may_be_the_old_one(session: Session) -> None:
    outcome = await update(await session.workspace.book(), Wanted(), phone="+15105550100", new_phone="(510) 555-0100")
    assert outcome.status == "unchanged"


async def test_a_new_phone_that_is_none_is_named_as_such(session: Session) -> None:
    with pytest.raises(InvalidPhone) as refused:
        await update(await session.workspace.book(), Wanted(), contact_id=JORDAN, new_phone="12")
    assert refused.value.argument == "new_phone"


async def test_nobody_is_created_by_an_update(session: Session) -> None:
    book = await session.workspace.book()
    for who in ({"contact_id": 999_999}, {"phone": "+15105553344"}):
        with pytest.raises(ContactNotFound, match="Nothing was changed"):
            await update(book, Wanted(first="Jo"), **who)
    assert len(session.sandbox.store.contacts()) == 3


async def test_a_sixth_tag_is_refused_before_anything_is_sent(session: Session) -> None:
    session.sandbox.requests.clear()
    with pytest.raises(InvalidArgument, match="would have 6 tags"):
        await change(session, add_tags=["103", "104", "105", "106"])
    assert "update_contact" not in session.operations


# display_name


@pytest.mark.parametrize(
    ("wanted", "is_said"),
    [({"first": "Jo"}, True), ({"last": "Smith"}, True), ({"first": "Jo", "display_name": "Jo R."}, False), ({"email": "j@example.com"}, False)],
    ids=["first", "last", "both", "neither"],
)  # fmt: skip
async def test_a_display_name_that_does_not_follow_is_said(session: Session, wanted: Any, is_said: bool) -> None:
    outcome = await change(session, **wanted)
    assert any("display_name still reads" in note for note in outcome.notes) is is_said


async def test_a_display_name_of_its_own_is_not_expected_to_follow(session: Session) -> None:
    session.sandbox.store.touch(JORDAN, display_name="JR Plumbing")
    assert (await change(session, first="Jo")).notes == []


# Somebody else


async def test_somebody_elses_change_between_read_and_write_is_told(session: Session) -> None:
    when_putting(session, lambda: session.sandbox.store.touch(JORDAN, email="theirs@example.com"))
    outcome = await change(session, first="Jo")
    assert any(note.startswith("Somebody else changed this contact at the same time") for note in outcome.notes)
    (told,) = [note for note in outcome.notes if note.startswith("Also different now")]
    assert 'email was "jordan.rivera@example.com" and is "theirs@example.com"' in told
    assert stored(session)["email"] == "theirs@example.com"
    assert stored(session)["first"] == "Jo"


async def test_somebody_elses_later_change_of_the_same_value_is_told(session: Session) -> None:
    """Ours arrived, theirs came right after it: what was asked is not what is there."""

    async def afterwards(request: httpx.Request) -> None:
        if request.method == "PUT":
            session.sandbox.store.touch(JORDAN, first="Theirs")

    session.wire.after = afterwards
    outcome = await change(session, first="Jo")
    assert 'Not kept by Heymarket: first was sent as "Jo" and is "Theirs" now.' in outcome.notes
    assert any(note.startswith("Somebody else changed") for note in outcome.notes)


async def test_a_contact_that_somebody_deleted_meanwhile_is_not_there(session: Session) -> None:
    when_putting(session, lambda: session.sandbox.store.delete(JORDAN))
    answer = await session.refused("update_contact", contact_id=JORDAN, first="Jo")
    assert "404" in answer or "not there" in answer


async def test_our_own_two_writes_are_not_somebody_else(open_session: OpenSession) -> None:
    """Where "" does not clear, null is tried after it; that moves `rev` by two."""
    async with open_session(contacts=2, behaviour=Behaviour(clears_with="null", requests_per_minute=0)) as session:
        outcome = await change(session, clear=["email", "Plan"])
        assert outcome.notes == []
        assert (stored(session)["email"], stored(session)["custom"]) == ("", {})


@pytest.mark.parametrize("clears_with", Behaviour.switches()["clears_with"])
async def test_clearing_is_verified_and_told_where_it_does_not_work(
    open_session: OpenSession, clears_with: Any
) -> None:
    async with open_session(contacts=2, behaviour=Behaviour(clears_with=clears_with, requests_per_minute=0)) as session:
        outcome = await change(session, clear=["email", "last", "Plan"])
        kept = [note for note in outcome.notes if note.startswith("Not cleared: Heymarket kept ")]
        record = stored(session)
        if clears_with == "neither":
            assert len(kept) == 3
            assert (record["email"], record["last"], record["custom"]) == (
                "jordan.rivera@example.com",
                "Rivera",
                {"31": "Gold"},
            )
        else:
            assert kept == []
            assert (record["email"], record["last"], record["custom"]) == ("", "", {})
        assert record["first"] == "Jordan"


async def test_a_value_that_is_dropped_silently_is_told(session: Session) -> None:
    """The field went away upstream after the server had learned its name; the service answers 200 and forgets the value."""
    gone = session.sandbox.store.add_field("Shoe Size")
    book = await session.workspace.book()
    await book.directory.fields.names()
    session.sandbox.store.remove("fields", gone)
    outcome = await change(session, custom_fields={"Shoe Size": "42"}, first="Jo")
    assert 'Not kept by Heymarket: Shoe Size was sent as "42" and is empty now.' in outcome.notes
    assert stored(session)["first"] == "Jo"


# Consent


@pytest.mark.parametrize("consent", ["", "  ", "yes"], ids=["none", "blank", "bare"])
async def test_opting_in_needs_consent(session: Session, consent: str) -> None:
    with pytest.raises(Refused, match="consent is needed"):
        await change(session, SAM, is_opted_out=False, consent=consent)
    assert stored(session, SAM)["is_opted_out"] is True


async def test_opting_in_needs_a_confirmation_of_exactly_that(session: Session) -> None:
    asked = await change(session, SAM, is_opted_out=False, consent="By phone")
    assert asked.status == "needs_confirmation"
    assert (
        asked.question == '"Sam O\'Neil" (+15105550101) is opted out of texts. Opt in again? Consent given: "By phone"'
    )
    for other in ({"consent": "By mail"}, {"consent": "By phone", "first": "Samuel"}):
        refused = await change(session, SAM, is_opted_out=False, **other, confirm_token=asked.confirm_token)
        assert refused.notes == ["Not done: the confirm_token was given for other arguments. Here is a new one."]
    session.sandbox.store.touch(SAM)
    moved = await change(session, SAM, is_opted_out=False, consent="By phone", confirm_token=asked.confirm_token)
    assert stored(session, SAM)["is_opted_out"] is True
    assert moved.notes == ["Not done: the contact was changed since the confirm_token was given. Here is a new one."]
    done = await change(session, SAM, is_opted_out=False, consent="By phone", confirm_token=moved.confirm_token)
    assert done.status == "updated"
    assert stored(session, SAM)["is_opted_out"] is False


async def test_an_opt_out_nobody_knows_counts_as_one(open_session: OpenSession) -> None:
    async with open_session(contacts=2, behaviour=Behaviour(sends_opt_out=False, requests_per_minute=0)) as session:
        asked = await change(session, JORDAN, is_opted_out=False, consent="By phone")
        assert "may be opted out of texts (Heymarket does not say)" in asked.question


async def test_who_is_not_opted_out_needs_no_consent(session: Session) -> None:
    assert (await change(session, is_opted_out=False)).status == "unchanged"


async def test_consent_changes_nothing_by_itself(session: Session) -> None:
    assert (await change(session, SAM, first="Samuel", consent="By phone")).status == "updated"
    assert stored(session, SAM)["is_opted_out"] is True


async def test_without_confirmations_consent_is_still_needed(open_session: OpenSession) -> None:
    async with open_session(contacts=2, confirm="off") as session:
        with pytest.raises(Refused, match="consent is needed"):
            await change(session, SAM, is_opted_out=False)
        assert (await change(session, SAM, is_opted_out=False, consent="By phone")).status == "updated"
