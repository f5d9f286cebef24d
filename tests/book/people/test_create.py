"""Adding a contact, and never a second one with the same phone."""

from __future__ import annotations

from typing import Any

import pytest
from support import OpenSession, Session, kinds

from contacts_mcp.book.book import Book
from contacts_mcp.book.people.create import OPT_OUT_NOT_SHOWN, STILL_OPTED_OUT, create
from contacts_mcp.book.people.delete import delete
from contacts_mcp.book.people.requests import Wanted
from contacts_mcp.book.people.update import update
from contacts_mcp.errors import InvalidArgument, InvalidPhone, Rejected, UnknownName
from contacts_mcp.sandbox import Behaviour, Fault, Intervention, Oddity

PHONE, DIGITS = "+1 510 555 3344", "15105553344"
JORDANS, SAMS = "+15105550100", "+15105550101"
JORDAN, SAM = 1001, 1002
MERGES = Behaviour(known_phone="update", requests_per_minute=0)
OTHER = Intervention("create", "create_contact", members={"phone": DIGITS, "first": "Other", "last": "Person"})


def with_phone(session: Session) -> list[dict[str, Any]]:
    return [record for record in session.sandbox.store.contacts() if record["phone"] == DIGITS]


async def test_a_new_contact_has_what_was_given_and_says_so(session: Session, book: Book) -> None:
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


async def test_a_known_phone_is_reported_with_what_differs_and_left_alone(session: Session, book: Book) -> None:
    before = session.sandbox.store.contacts()
    outcome = await create(book, JORDANS, Wanted(first="Jordan", last="Smith", custom_fields={"Plan": "Basic"}))
    assert (outcome.status, outcome.change_id, outcome.changes) == ("exists", None, [])
    assert kinds(outcome.notes) == ["differs"]
    assert 'last is "Rivera", given was "Smith"; Plan is "Gold", given was "Basic"' in outcome.notes[-1]
    assert session.sandbox.store.contacts() == before


async def test_a_known_phone_with_the_same_values_differs_in_nothing(book: Book) -> None:
    outcome = await create(book, JORDANS, Wanted(first="Jordan", custom_fields={"Plan": "Gold"}))
    assert kinds(outcome.notes) == []


CREATED_BARE = {"last": "", "display_name": "", "email": "", "custom": {}, "assigned_user_id": None, "tags": []}


async def test_fill_sets_every_empty_field_of_a_known_phone(session: Session, book: Book) -> None:
    session.sandbox.store.touch(JORDAN, **CREATED_BARE)
    wanted = Wanted(
        last="Rivera",
        display_name="JR",
        email="jr@example.com",
        avatar="https://example.com/jr.png",
        assignee="Alex Kim",
        custom_fields={"Plan": "Basic"},
        tags=["VIP"],
    )
    outcome = await create(book, JORDANS, wanted, if_exists="fill")
    stored = session.sandbox.store.contact(JORDAN)
    assert (outcome.status, "differs" in kinds(outcome.notes)) == ("updated", False)
    assert [stored[key] for key in ("first", "last", "display_name", "email", "avatar")] == [
        *("Jordan", "Rivera", "JR", "jr@example.com", "https://example.com/jr.png")
    ]
    assert (stored["assigned_user_id"], stored["custom"], stored["tags"]) == (501, {"31": "Basic"}, [101])


TAKEN = [
    pytest.param({"first": "Jo"}, "first", id="first"),
    pytest.param({"last": "Smith"}, "last", id="last"),
    pytest.param({"display_name": "Jo"}, "display_name", id="shown name"),
    pytest.param({"email": "other@example.com"}, "email", id="e-mail"),
    pytest.param({"avatar": "https://example.com/o.png"}, "avatar", id="avatar"),
    pytest.param({"assignee": "Priya Patel"}, "assignee", id="assignee"),
    pytest.param({"custom_fields": {"Plan": "Basic"}}, "Plan", id="custom field"),
    pytest.param({"is_opted_out": True}, "is_opted_out", id="opt-out"),
]


@pytest.mark.parametrize(("given", "field"), TAKEN)
async def test_fill_never_overwrites_and_shows_both_values(
    session: Session, book: Book, given: dict[str, Any], field: str
) -> None:
    session.sandbox.store.touch(
        JORDAN, display_name="JR", email="jr@example.com", avatar="https://example.com/a.png", assigned_user_id=501
    )
    before = session.sandbox.store.contact(JORDAN)
    outcome = await create(book, JORDANS, Wanted(**given), if_exists="fill")
    assert session.sandbox.store.contact(JORDAN) == before
    assert outcome.status == "unchanged"
    (note,) = [note for note in outcome.notes if getattr(note, "kind", "") == "differs"]
    assert f"{field} is " in note
    assert "given was" in note
    assert "update_contact" in note


async def test_fill_sets_the_empty_and_tells_the_taken(session: Session, book: Book) -> None:
    outcome = await create(book, JORDANS, Wanted(last="Smith", avatar="https://example.com/a.png"), if_exists="fill")
    stored = session.sandbox.store.contact(JORDAN)
    assert (stored["last"], stored["avatar"]) == ("Rivera", "https://example.com/a.png")
    assert (outcome.status, [change.field for change in outcome.changes]) == ("updated", ["avatar"])
    assert 'last is "Rivera", given was "Smith"' in "".join(outcome.notes)


async def test_a_value_that_cannot_be_read_is_not_filled(session: Session, book: Book) -> None:
    """It looks empty and is not."""
    before = session.sandbox.store.contact(JORDAN)
    session.sandbox.oddities.append(Oddity(JORDAN, members={"email": ["jr@example.com"], "custom": {"31": {"a": 1}}}))
    wanted = Wanted(email="new@example.com", custom_fields={"Plan": "Basic"})
    assert (await create(book, JORDANS, wanted, if_exists="fill")).status == "unchanged"
    assert session.sandbox.store.contact(JORDAN) == before


async def test_filling_with_the_same_values_is_unchanged(book: Book) -> None:
    outcome = await create(book, JORDANS, Wanted(first="Jordan"), if_exists="fill")
    assert (outcome.status, kinds(outcome.notes)) == ("unchanged", ["nothing_to_change"])


@pytest.mark.parametrize(("if_exists", "tags"), [("report", [101]), ("fill", [101, 102])])
async def test_tags_for_a_known_phone_are_added_to_those_there_are(
    session: Session, book: Book, if_exists: Any, tags: list[int]
) -> None:
    """Nothing was said of the tag that is there. Tags are replaced by update_contact."""
    session.sandbox.store.touch(JORDAN, tags=[101])
    outcome = await create(book, JORDANS, Wanted(tags=["lead"]), if_exists=if_exists)
    assert session.sandbox.store.contact(JORDAN)["tags"] == tags
    assert outcome.status == ("updated" if if_exists == "fill" else "exists")


async def test_a_tag_that_is_there_already_is_no_difference(session: Session, book: Book) -> None:
    session.sandbox.store.touch(JORDAN, tags=[101, 102])
    outcome = await create(book, JORDANS, Wanted(tags=["vip"]))
    assert kinds(outcome.notes) == []


async def test_tags_that_would_be_too_many_are_refused_naming_those_there_are(session: Session, book: Book) -> None:
    session.sandbox.store.touch(JORDAN, tags=[101, 102, 103])
    wanted = Wanted(tags=["104", "105", "106"])
    with pytest.raises(InvalidArgument) as refused:
        await create(book, JORDANS, wanted, if_exists="fill")
    assert '"Jordan Rivera" would have 6 tags' in str(refused.value)
    assert "VIP, Lead, Newsletter" in str(refused.value)
    assert (await create(book, JORDANS, wanted)).status == "exists"  # a report changes nothing, so nothing is too many


# Opt-outs belong to numbers


async def deleted(book: Book, contact_id: int) -> int | None:
    token = (await delete(book, contact_id=contact_id)).confirm_token
    return (await delete(book, contact_id=contact_id, confirm_token=token)).change_id


@pytest.mark.parametrize("asked", [None, True, False], ids=["not mentioned", "asked for", "asked not to be"])
async def test_a_contact_that_is_added_on_a_number_left_opted_out_arrives_opted_out(
    session: Session, book: Book, asked: bool | None
) -> None:
    """Heymarket forgets the suppression with the contact. The journal remembers it."""
    change_id = await deleted(book, SAM)
    outcome = await create(book, SAMS, Wanted(first="Sam", is_opted_out=asked))
    assert outcome.status == "created"
    assert session.sandbox.store.contact_by_phone(SAMS[1:])["is_opted_out"] is True
    (note,) = [note for note in outcome.notes if "arrived_opted_out" in kinds([note])]
    assert f"(change {change_id})" in note
    assert outcome.card
    assert outcome.card.is_opted_out is True


async def test_a_contact_that_is_added_on_a_number_that_was_not_opted_out_is_not(session: Session, book: Book) -> None:
    await deleted(book, JORDAN)
    outcome = await create(book, JORDANS, Wanted(first="Jordan"))
    assert kinds(outcome.notes) == []
    assert session.sandbox.store.contact_by_phone(JORDANS[1:])["is_opted_out"] is False


async def test_a_number_that_an_opted_out_contact_moved_off_is_left_opted_out(session: Session, book: Book) -> None:
    token = (await update(book, Wanted(), contact_id=SAM, new_phone=PHONE)).confirm_token
    await update(book, Wanted(), contact_id=SAM, new_phone=PHONE, confirm_token=token)
    outcome = await create(book, SAMS, Wanted(first="New"))
    assert "arrived_opted_out" in kinds(outcome.notes)
    assert session.sandbox.store.contact_by_phone(SAMS[1:])["is_opted_out"] is True


async def test_a_hidden_opt_out_counts_as_one_that_was_left(open_session: OpenSession) -> None:
    async with open_session(contacts=3, behaviour=Behaviour(sends_opt_out=False, requests_per_minute=0)) as session:
        book = await session.workspace.book()
        await deleted(book, SAM)
        outcome = await create(book, SAMS, Wanted(first="Sam"))
        assert session.sandbox.store.contact_by_phone(SAMS[1:])["is_opted_out"] is True
        assert kinds(outcome.notes) == ["arrived_opted_out", "not_shown"]
        assert "may have been opted out" in outcome.notes[0]


async def test_an_opt_in_with_consent_ends_the_opt_out_of_the_number(session: Session, book: Book) -> None:
    await deleted(book, SAM)
    added = (await create(book, SAMS, Wanted(first="Sam"))).card
    assert added
    how = {"contact_id": added.contact_id, "consent": "Asked for texts again by phone"}
    token = (await update(book, Wanted(is_opted_out=False), **how)).confirm_token
    await update(book, Wanted(is_opted_out=False), **how, confirm_token=token)
    await deleted(book, added.contact_id)
    assert kinds((await create(book, SAMS, Wanted(first="Sam"))).notes) == []
    assert session.sandbox.store.contact_by_phone(SAMS[1:])["is_opted_out"] is False


@pytest.mark.parametrize("opted_out", [None, False], ids=["not mentioned", "asked for false"])
@pytest.mark.parametrize("if_exists", ["report", "fill"])
async def test_an_opted_out_contact_stays_so_and_it_is_said(
    session: Session, book: Book, opted_out: bool | None, if_exists: Any
) -> None:
    outcome = await create(book, SAMS, Wanted(first="Samuel", is_opted_out=opted_out), if_exists=if_exists)
    assert STILL_OPTED_OUT in outcome.notes
    assert session.sandbox.store.contact(SAM)["is_opted_out"] is True


async def test_an_unknown_opt_out_is_left_as_it_is_and_said(open_session: OpenSession) -> None:
    async with open_session(contacts=2, behaviour=Behaviour(sends_opt_out=False, requests_per_minute=0)) as session:
        outcome = await create(await session.workspace.book(), SAMS, Wanted(is_opted_out=False), if_exists="fill")
        assert OPT_OUT_NOT_SHOWN in outcome.notes
        assert session.sandbox.store.contact(SAM)["is_opted_out"] is True


@pytest.mark.parametrize("behaviour", [Behaviour(requests_per_minute=0), MERGES], ids=["refuses", "merges"])
async def test_a_create_opts_nobody_in_who_appeared_opted_out_at_the_same_moment(
    open_session: OpenSession, behaviour: Behaviour
) -> None:
    members = {"phone": DIGITS, "first": "Other", "is_opted_out": True}
    async with open_session(contacts=2, behaviour=behaviour) as session:
        session.sandbox.interventions.add(Intervention("create", "create_contact", members=members))
        await create(await session.workspace.book(), PHONE, Wanted(first="Jo", is_opted_out=False))
        (stored,) = with_phone(session)
        assert stored["is_opted_out"] is True


# Somebody else, and answers that get lost


async def test_a_contact_that_appears_meanwhile_is_met_and_not_doubled(session: Session, book: Book) -> None:
    """Somebody creates the same phone between our look and our create. The service refuses ours."""
    session.sandbox.interventions.add(OTHER)
    outcome = await create(book, PHONE, Wanted(first="Jo"))
    assert outcome.status == "exists"
    assert [record["first"] for record in with_phone(session)] == ["Other"]


async def test_a_contact_that_appears_meanwhile_is_filled_where_that_is_asked_for(session: Session, book: Book) -> None:
    session.sandbox.interventions.add(OTHER)
    outcome = await create(book, PHONE, Wanted(first="Jo", email="jo@example.com"), if_exists="fill")
    assert outcome.status == "updated"
    assert [(record["first"], record["email"]) for record in with_phone(session)] == [("Other", "jo@example.com")]


async def test_a_service_that_merges_into_the_contact_that_appeared_is_found_out(open_session: OpenSession) -> None:
    async with open_session(contacts=2, behaviour=MERGES) as session:
        session.sandbox.interventions.add(OTHER)
        outcome = await create(await session.workspace.book(), PHONE, Wanted(first="Jo"))
        assert outcome.status == "updated"
        assert "merged" in kinds(outcome.notes)
        assert len(with_phone(session)) == 1


async def test_two_contacts_of_one_phone_are_both_told(session: Session, book: Book) -> None:
    """Another program adds the same phone right after ours was carried out, and the service takes both."""
    session.sandbox.interventions.add(
        Intervention("create", "create_contact", when="after", members={"phone": DIGITS, "first": "Other"})
    )
    outcome = await create(book, PHONE, Wanted(first="Jo"))
    ours, theirs = with_phone(session)
    assert (outcome.status, kinds(outcome.notes)[-1]) == ("created", "doubles")
    assert outcome.card
    assert outcome.card.contact_id == ours["id"]
    assert f"contact {ours['id']} and contact {theirs['id']}" in outcome.notes[-1]


async def test_a_create_that_is_refused_for_another_reason_says_it(session: Session, book: Book) -> None:
    session.sandbox.faults.add(Fault("create_contact", "status", status=400))
    with pytest.raises(Rejected) as refused:
        await create(book, PHONE, Wanted(first="Jo"))
    assert refused.value.kind == "rejected"
    assert with_phone(session) == []


async def test_an_answer_that_got_lost_is_looked_for(session: Session, book: Book) -> None:
    session.sandbox.faults.add(Fault("create_contact", "drop_after"))
    outcome = await create(book, PHONE, Wanted(first="Jo"))
    assert outcome.status == "created"
    assert kinds(outcome.notes) == ["answer_lost"]
    assert "the change was made" in outcome.notes[0]
    assert len(with_phone(session)) == 1


# What is refused before anything is asked

SIX = ["101", "102", "103", "104", "105", "106"]


@pytest.mark.parametrize(
    ("phone", "wanted", "error"),
    [
        ("12", Wanted(), InvalidPhone),
        (PHONE, Wanted(email="jo"), InvalidArgument),
        (PHONE, Wanted(tags=SIX), InvalidArgument),
        (PHONE, Wanted(tags=["VIPP"]), UnknownName),
    ],
    ids=["phone", "e-mail", "six tags", "unknown tag"],
)
async def test_a_request_that_cannot_be_is_refused_before_the_phone_is_looked_up(
    session: Session, book: Book, phone: str, wanted: Wanted, error: Any
) -> None:
    session.sandbox.requests.clear()
    with pytest.raises(error):
        await create(book, phone, wanted)
    assert {*session.operations} <= {"list_tags"}


async def test_a_new_contact_of_too_many_tags_has_none_to_take_off(book: Book) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await create(book, PHONE, Wanted(tags=SIX))
    assert "would have 6 tags" in str(refused.value)
    assert "remove_tags" not in str(refused.value)
