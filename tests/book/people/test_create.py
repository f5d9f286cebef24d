"""Adding a contact, and never a second one with the same phone."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from support import OpenSession, Session

from contacts_mcp.book.people.create import STILL_OPTED_OUT, WAS_OPTED_OUT, create
from contacts_mcp.book.people.delete import delete
from contacts_mcp.book.people.requests import Wanted
from contacts_mcp.errors import InvalidArgument, InvalidPhone, Rejected
from contacts_mcp.sandbox import Behaviour, Fault

PHONE, DIGITS = "+1 510 555 3344", "15105553344"
JORDANS, SAMS = "+15105550100", "+15105550101"
JORDAN, SAM = 1001, 1002
MERGES = Behaviour(known_phone="update", requests_per_minute=0)


@pytest.fixture
async def session(open_session: OpenSession) -> AsyncIterator[Session]:
    async with open_session(contacts=2) as opened:
        yield opened


def with_phone(session: Session) -> list[dict[str, Any]]:
    return [record for record in session.sandbox.store.contacts() if record["phone"] == DIGITS]


def when_creating(session: Session, deed: Any) -> None:
    """`deed` is what somebody else does after our look and before our create arrives."""

    async def meanwhile(request: httpx.Request) -> None:
        if request.method == "POST" and request.url.path == "/v1/contact" and not done:
            done.append(deed())

    done: list[Any] = []
    session.wire.before = meanwhile


async def test_a_new_contact_has_what_was_given_and_says_so(session: Session) -> None:
    book = await session.workspace.book()
    outcome = await create(
        book, PHONE, Wanted(first="Jo", custom_fields={"plan": "Gold"}, assignee="Alex Kim", is_opted_out=True)
    )
    assert outcome.status == "created"
    assert {change.field: change.after for change in outcome.changes} == {
        "phone": "+15105553344",
        "first": "Jo",
        "Plan": "Gold",
        "assignee": "Alex Kim",
        "is_opted_out": True,
    }
    (stored,) = with_phone(session)
    assert (stored["first"], stored["custom"], stored["assigned_user_id"], stored["is_opted_out"]) == (
        "Jo",
        {"31": "Gold"},
        501,
        True,
    )


async def test_a_known_phone_is_reported_with_what_differs_and_left_alone(session: Session) -> None:
    before = session.sandbox.store.contacts()
    outcome = await create(
        await session.workspace.book(), JORDANS, Wanted(first="Jordan", last="Smith", custom_fields={"Plan": "Basic"})
    )
    assert (outcome.status, outcome.change_id) == ("exists", None)
    assert outcome.notes[-1].startswith("It differs from what was given in: last, Plan.")
    assert session.sandbox.store.contacts() == before


async def test_a_known_phone_with_the_same_values_differs_in_nothing(session: Session) -> None:
    outcome = await create(
        await session.workspace.book(), JORDANS, Wanted(first="Jordan", custom_fields={"Plan": "Gold"})
    )
    assert outcome.notes == ["A contact with this phone exists already; nothing was changed."]


async def test_a_known_phone_is_updated_where_that_is_asked_for(session: Session) -> None:
    outcome = await create(await session.workspace.book(), JORDANS, Wanted(last="Smith"), if_exists="update")
    assert outcome.status == "updated"
    assert [(change.field, change.before, change.after) for change in outcome.changes] == [("last", "Rivera", "Smith")]
    stored = session.sandbox.store.contact(JORDAN)
    assert (stored["first"], stored["last"], stored["custom"], stored["tags"]) == (
        "Jordan",
        "Smith",
        {"31": "Gold"},
        [101],
    )


async def test_an_update_of_the_same_values_is_unchanged(session: Session) -> None:
    assert (
        await create(await session.workspace.book(), JORDANS, Wanted(first="Jordan"), if_exists="update")
    ).status == "unchanged"


@pytest.mark.parametrize(("if_exists", "tags"), [("report", [101]), ("update", [101, 102])])
async def test_tags_for_a_known_phone_are_added_to_those_there_are(
    session: Session, if_exists: Any, tags: list[int]
) -> None:
    """Nothing was said of the tag that is there; update_contact is where tags are replaced."""
    session.sandbox.store.touch(JORDAN, tags=[101])
    outcome = await create(await session.workspace.book(), JORDANS, Wanted(tags=["lead"]), if_exists=if_exists)
    assert session.sandbox.store.contact(JORDAN)["tags"] == tags
    assert outcome.status == ("updated" if if_exists == "update" else "exists")


async def test_a_tag_that_is_there_already_is_no_difference(session: Session) -> None:
    session.sandbox.store.touch(JORDAN, tags=[101, 102])
    outcome = await create(await session.workspace.book(), JORDANS, Wanted(tags=["vip"]))
    assert not any("differs" in note for note in outcome.notes)


@pytest.mark.parametrize(
    ("opted_out", "again", "is_told"), [(True, None, True), (True, True, False), (False, None, False)]
)
async def test_whoever_was_opted_out_when_deleted_is_told_of_when_added_again(
    session: Session, opted_out: bool, again: bool | None, is_told: bool
) -> None:
    """Heymarket forgets the suppression with the contact; the journal remembers."""
    session.sandbox.store.touch(SAM, is_opted_out=opted_out)
    book = await session.workspace.book()
    token = (await delete(book, contact_id=SAM)).confirm_token
    deleted = await delete(book, contact_id=SAM, confirm_token=token)
    outcome = await create(book, SAMS, Wanted(first="Sam", is_opted_out=again))
    assert outcome.status == "created"
    assert (WAS_OPTED_OUT.format(deleted.change_id) in outcome.notes) is is_told


@pytest.mark.parametrize("opted_out", [None, False], ids=["not mentioned", "asked for false"])
@pytest.mark.parametrize("if_exists", ["report", "update"])
async def test_an_opted_out_contact_stays_so_and_it_is_said(
    session: Session, opted_out: bool | None, if_exists: Any
) -> None:
    outcome = await create(
        await session.workspace.book(), SAMS, Wanted(first="Samuel", is_opted_out=opted_out), if_exists=if_exists
    )
    assert STILL_OPTED_OUT in outcome.notes
    assert session.sandbox.store.contact(SAM)["is_opted_out"] is True


async def test_an_unknown_opt_out_is_left_as_it_is_and_said(open_session: OpenSession) -> None:
    async with open_session(contacts=2, behaviour=Behaviour(sends_opt_out=False, requests_per_minute=0)) as session:
        outcome = await create(await session.workspace.book(), SAMS, Wanted(is_opted_out=False), if_exists="update")
        assert "Heymarket does not say whether this contact is opted out; that was left as it is." in outcome.notes
        assert session.sandbox.store.contact(SAM)["is_opted_out"] is True


async def test_who_appears_meanwhile_is_met_and_not_doubled(session: Session) -> None:
    """Somebody creates the same phone between our look and our create; the service refuses ours."""
    when_creating(session, lambda: session.sandbox.store.add_contact(phone=DIGITS, first="Other"))
    outcome = await create(await session.workspace.book(), PHONE, Wanted(first="Jo"))
    assert outcome.status == "exists"
    assert [record["first"] for record in with_phone(session)] == ["Other"]


async def test_who_appears_meanwhile_is_updated_where_that_is_asked_for(session: Session) -> None:
    when_creating(session, lambda: session.sandbox.store.add_contact(phone=DIGITS, first="Other", last="Person"))
    outcome = await create(await session.workspace.book(), PHONE, Wanted(first="Jo"), if_exists="update")
    assert outcome.status == "updated"
    assert [(record["first"], record["last"]) for record in with_phone(session)] == [("Jo", "Person")]


async def test_a_service_that_merges_into_who_appeared_is_found_out(open_session: OpenSession) -> None:
    async with open_session(contacts=2, behaviour=MERGES) as session:
        when_creating(
            session, lambda: session.sandbox.store.add_contact(phone=DIGITS, first="Other", email="o@example.com")
        )
        outcome = await create(await session.workspace.book(), PHONE, Wanted(first="Jo"))
        assert outcome.status == "updated"
        assert any("appeared at the same moment" in note for note in outcome.notes)
        assert len(with_phone(session)) == 1


async def test_a_create_that_is_refused_for_another_reason_says_it(session: Session) -> None:
    session.sandbox.faults.add(Fault("create_contact", "status", status=400))
    with pytest.raises(Rejected, match="nothing was changed"):
        await create(await session.workspace.book(), PHONE, Wanted(first="Jo"))
    assert with_phone(session) == []


async def test_an_answer_that_got_lost_is_looked_for(session: Session) -> None:
    session.sandbox.faults.add(Fault("create_contact", "drop_after"))
    outcome = await create(await session.workspace.book(), PHONE, Wanted(first="Jo"))
    assert outcome.status == "created"
    assert "Heymarket's answer got lost; looked the contact up and saw that the change was made." in outcome.notes
    assert len(with_phone(session)) == 1


@pytest.mark.parametrize(
    ("phone", "wanted", "error"),
    [("12", Wanted(), InvalidPhone), (PHONE, Wanted(email="jo"), InvalidArgument), (PHONE, Wanted(tags=["101", "102", "103", "104", "105", "106"]), InvalidArgument)],
    ids=["phone", "e-mail", "six tags"],
)  # fmt: skip
async def test_what_cannot_be_is_refused_before_the_phone_is_looked_up(
    session: Session, phone: str, wanted: Wanted, error: Any
) -> None:
    session.sandbox.requests.clear()
    with pytest.raises(error):
        await create(await session.workspace.book(), phone, wanted)
    assert not {"find_contact", "create_contact"} & {*session.operations}
