"""Changing a contact: only what was asked, what was seen afterwards, and opting in only with consent."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from support import HURRIED, OpenSession, Session, kinds

from contacts_mcp.book.book import Book, Outcome
from contacts_mcp.book.people.delete import delete
from contacts_mcp.book.people.requests import Wanted
from contacts_mcp.book.people.update import update
from contacts_mcp.errors import (
    ContactNotFound,
    InvalidArgument,
    InvalidPhone,
    NotDone,
    OutcomeUnknown,
    Refused,
    Rejected,
)
from contacts_mcp.sandbox import Behaviour, Fault, Intervention
from contacts_mcp.state.journal import IN_FLIGHT

JORDAN, SAM, THIRD = 1001, 1002, 1003
JORDANS, SAMS, NEW = "+15105550100", "+15105550101", "+15105553344"
FULL = {
    "email": "jordan.rivera@example.com",
    "avatar": "https://example.com/j.png",
    "custom": {"31": "Gold", "33": "Oakland", "38": "x"},
    "tags": [101, 102],
    "assigned_user_id": 503,
}
CONSENT = "Asked for texts again by phone"


@pytest.fixture
async def session(open_session: OpenSession) -> AsyncIterator[Session]:
    async with open_session(contacts=3) as opened:
        opened.sandbox.store.touch(JORDAN, **FULL)
        yield opened


@pytest.fixture
async def book(session: Session) -> Book:
    return await session.workspace.book()


async def change(
    session: Session,
    contact_id: int = JORDAN,
    /,
    *,
    new_phone: str | None = None,
    consent: str = "",
    confirm_token: str = "",
    **wanted: Any,
) -> Outcome:
    return await update(
        await session.workspace.book(),
        Wanted(**wanted),
        contact_id=contact_id,
        new_phone=new_phone,
        consent=consent,
        confirm_token=confirm_token,
    )


async def confirmed(session: Session, contact_id: int = JORDAN, /, **wanted: Any) -> Outcome:
    """The change, confirmed where that is asked for."""
    asked = await change(session, contact_id, **wanted)
    assert asked.status == "needs_confirmation"
    return await change(session, contact_id, **wanted, confirm_token=asked.confirm_token)


def stored(session: Session, contact_id: int = JORDAN) -> dict[str, Any]:
    record: dict[str, Any] = session.sandbox.store.contact(contact_id)
    return {name: value for name, value in record.items() if name not in ("rev", "updated")}


def meanwhile(session: Session, action: Any = "edit", *, when: Any = "before", **members: Any) -> None:
    """Somebody else steps in right before or right after our write is carried out."""
    session.sandbox.interventions.add(
        Intervention(action, "update_contact", when=when, contact_id=JORDAN, members=members)
    )


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
    before, others = stored(session), [stored(session, other) for other in (SAM, THIRD)]
    outcome = await change(session, **wanted)
    assert outcome.status == "updated"
    assert stored(session) == before | changed
    assert [stored(session, other) for other in (SAM, THIRD)] == others
    assert set(kinds(outcome.notes)) <= {"display_name_stays"}


async def test_a_change_to_the_values_that_are_there_is_sent_to_nobody(session: Session, book: Book) -> None:
    session.sandbox.requests.clear()
    outcome = await change(session, first="Jordan", tags=["Lead", "VIP"], assignee="Marco Rossi")
    assert (outcome.status, kinds(outcome.notes), outcome.change_id) == ("unchanged", ["nothing_to_change"], None)
    assert "update_contact" not in session.operations
    assert await book.journal.entries() == []


async def test_a_request_for_nothing_is_refused(session: Session) -> None:
    with pytest.raises(InvalidArgument) as refused:
        await change(session)
    assert "nothing to change was given" in str(refused.value)


async def test_the_phone_moves_only_to_one_that_is_free(session: Session) -> None:
    outcome = await change(session, new_phone="+1 510 555 3344")
    assert [(one.field, one.before, one.after) for one in outcome.changes] == [("phone", JORDANS, NEW)]
    with pytest.raises(Refused) as refused:
        await change(session, new_phone=SAMS)
    assert refused.value.kind == "phone_taken"
    assert f"(contact_id {SAM})" in str(refused.value)
    assert stored(session)["phone"] == NEW[1:]


async def test_the_new_phone_may_be_the_old_one(book: Book) -> None:
    outcome = await update(book, Wanted(), phone=JORDANS, new_phone="(510) 555-0100")
    assert outcome.status == "unchanged"


async def test_a_new_phone_that_is_none_is_named_as_such(session: Session) -> None:
    with pytest.raises(InvalidPhone) as refused:
        await change(session, new_phone="12")
    assert refused.value.argument == "new_phone"


@pytest.mark.parametrize(
    ("new_phone", "status"), [(None, "no_phone"), (NEW, "updated")], ids=["none given", "one given"]
)
async def test_a_contact_without_a_phone_is_changed_only_together_with_one(
    session: Session, new_phone: str | None, status: str
) -> None:
    session.sandbox.store.touch(JORDAN, phone="")
    if new_phone:
        assert (await change(session, first="Jo", new_phone=new_phone)).status == status
    else:
        with pytest.raises(Refused) as refused:
            await change(session, first="Jo")
        assert refused.value.kind == status


async def test_nobody_is_created_by_an_update(session: Session, book: Book) -> None:
    for who in ({"contact_id": 999_999}, {"phone": NEW}):
        with pytest.raises(ContactNotFound) as refused:
            await update(book, Wanted(first="Jo"), **who)
        assert "Nothing was changed" in str(refused.value)
    assert len(session.sandbox.store.contacts()) == 3


async def test_a_sixth_tag_is_refused_before_anything_is_sent(session: Session) -> None:
    session.sandbox.requests.clear()
    with pytest.raises(InvalidArgument) as refused:
        await change(session, add_tags=["103", "104", "105", "106"])
    assert '"Jordan Rivera" would have 6 tags' in str(refused.value)
    assert "VIP, Lead" in str(refused.value)
    assert "update_contact" not in session.operations


# display_name


@pytest.mark.parametrize(
    ("wanted", "is_said"),
    [
        ({"first": "Jo"}, True),
        ({"last": "Smith"}, True),
        ({"first": "Jo", "display_name": "Jo R."}, False),
        ({"email": "j@example.com"}, False),
    ],
    ids=["first", "last", "both", "neither"],
)
async def test_a_display_name_that_does_not_follow_is_said(session: Session, wanted: Any, is_said: bool) -> None:
    outcome = await change(session, **wanted)
    assert kinds(outcome.notes) == ["display_name_stays"] * is_said


async def test_a_display_name_of_its_own_is_not_expected_to_follow(session: Session) -> None:
    session.sandbox.store.touch(JORDAN, display_name="JR Plumbing")
    assert kinds((await change(session, first="Jo")).notes) == []


# Somebody else


async def test_somebody_elses_change_between_read_and_write_is_told(session: Session) -> None:
    meanwhile(session, email="theirs@example.com")
    outcome = await change(session, first="Jo")
    assert {"someone_else", "may_have_set_back", "disturbed"} <= {*kinds(outcome.notes)}
    (told,) = [note for note in outcome.notes if kinds([note]) == ["disturbed"]]
    assert 'email was "jordan.rivera@example.com" and is "theirs@example.com"' in told
    assert stored(session)["email"] == "theirs@example.com"
    assert stored(session)["first"] == "Jo"


async def test_a_name_that_somebody_else_had_just_changed_may_be_set_back_and_that_is_told(session: Session) -> None:
    """A PUT without names may blank them, so they are sent along as they were read."""
    meanwhile(session, last="Theirs")
    outcome = await change(session, first="Jo")
    assert stored(session)["last"] == "Rivera"
    assert "may_have_set_back" in kinds(outcome.notes)


async def test_somebody_elses_later_change_of_the_same_value_leaves_the_outcome_unknown(session: Session) -> None:
    """Theirs came right after ours. A reply alone is no proof, and no look can show a value that is gone."""
    meanwhile(session, when="after", first="Theirs")
    with pytest.raises(OutcomeUnknown, match="somebody changed the contact again after it") as unknown:
        await change(session, first="Jo")
    assert "as it was before" not in str(unknown.value)
    assert stored(session)["first"] == "Theirs"


async def test_a_contact_that_somebody_deleted_meanwhile_is_not_there(session: Session) -> None:
    meanwhile(session, "delete")
    with pytest.raises(Rejected):
        await change(session, first="Jo")


async def test_a_write_that_was_accepted_and_did_nothing_is_not_done(session: Session, book: Book) -> None:
    session.sandbox.faults.add(Fault("update_contact", "pretend", pretended_rev="same"))
    with pytest.raises(NotDone) as refused:
        await change(session, first="Jo")
    assert refused.value.kind == "not_done"
    assert [entry.state for entry in await book.journal.entries()] == ["not_done"]


@pytest.mark.parametrize(
    "shown",
    [{}, {"sends_updated": False}, {"sends_rev": False}, {"sends_rev": False, "sends_updated": False}],
    ids=["rev and updated", "rev", "updated", "neither"],
)
async def test_several_changes_within_a_second_are_each_seen(open_session: OpenSession, shown: Any) -> None:
    async with open_session(contacts=2, behaviour=Behaviour(requests_per_minute=0, **shown)) as session:
        session.sandbox.state.clock = lambda: 1_800_000_000.0
        for first in ("Jo", "Joe", "Joel", "Jo"):
            assert (await change(session, first=first)).status == "updated"
            assert stored(session)["first"] == first


async def test_our_own_two_writes_are_not_somebody_else(open_session: OpenSession) -> None:
    """Where "" does not clear, null is tried after it. That moves `rev` by two."""
    async with open_session(contacts=2, behaviour=Behaviour(clears_with="null", requests_per_minute=0)) as session:
        outcome = await change(session, clear=["email", "Plan"])
        assert outcome.notes == []
        assert (stored(session)["email"], stored(session)["custom"]) == ("", {})


async def test_somebody_else_before_our_own_two_writes_is_told(open_session: OpenSession) -> None:
    async with open_session(contacts=2, behaviour=Behaviour(clears_with="null", requests_per_minute=0)) as session:
        meanwhile(session, last="Theirs")
        outcome = await change(session, clear=["email"])
        assert stored(session)["last"] == "Rivera"
        assert {"someone_else", "may_have_set_back"} <= {*kinds(outcome.notes)}


@pytest.mark.parametrize("clears_with", Behaviour.switches()["clears_with"])
async def test_clearing_is_verified_and_told_where_it_does_not_work(
    open_session: OpenSession, clears_with: Any
) -> None:
    async with open_session(contacts=2, behaviour=Behaviour(clears_with=clears_with, requests_per_minute=0)) as session:
        outcome = await change(session, clear=["email", "last", "Plan"])
        kept = [kind for kind in kinds(outcome.notes) if kind == "not_cleared"]
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


async def test_a_value_that_is_dropped_silently_is_told(session: Session, book: Book) -> None:
    """The field went away after the server had learned its name. The service answers 200 and forgets the value."""
    gone = session.sandbox.store.add_field("Shoe Size")
    await book.vocabulary.read("fields")
    session.sandbox.store.remove("fields", gone)
    outcome = await change(session, custom_fields={"Shoe Size": "42"}, first="Jo")
    assert 'Not kept by Heymarket: Shoe Size was sent as "42" and is empty now.' in outcome.notes
    assert stored(session)["first"] == "Jo"


# Consent


@pytest.mark.parametrize("consent", ["", "  ", "yes", "ok", "yes\n"], ids=["none", "blank", "bare", "short", "line"])
async def test_opting_in_needs_consent(session: Session, consent: str) -> None:
    with pytest.raises(Refused) as refused:
        await change(session, SAM, is_opted_out=False, consent=consent)
    assert refused.value.kind == "consent_needed"
    assert stored(session, SAM)["is_opted_out"] is True


async def test_consent_may_be_written_in_a_script_without_spaces(session: Session) -> None:
    assert (await confirmed(session, SAM, is_opted_out=False, consent="三月四日に電話で同意")).status == "updated"


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
    assert kinds(moved.notes) == ["token_refused"]
    done = await change(session, SAM, is_opted_out=False, consent="By phone", confirm_token=moved.confirm_token)
    assert done.status == "updated"
    assert stored(session, SAM)["is_opted_out"] is False


@pytest.mark.parametrize("anyio_backend", [HURRIED], ids=["hurried"])
@pytest.mark.parametrize("shown", [{}, {"sends_rev": False, "sends_updated": False}], ids=["rev", "no rev"])
async def test_a_used_token_cannot_undo_a_later_stop(open_session: OpenSession, shown: Any) -> None:
    """Without `rev` and `updated` the contact looks as it did when the token was made."""
    async with open_session(contacts=2, behaviour=Behaviour(requests_per_minute=0, **shown)) as session:
        asked = await change(session, SAM, is_opted_out=False, consent=CONSENT)
        token = asked.confirm_token
        await change(session, SAM, is_opted_out=False, consent=CONSENT, confirm_token=token)
        session.sandbox.store.touch(SAM, is_opted_out=True)
        await anyio.sleep(IN_FLIGHT)  # until then the old value could be a read that lags
        again = await change(session, SAM, is_opted_out=False, consent=CONSENT, confirm_token=token)
        assert (again.status, kinds(again.notes)) == ("needs_confirmation", ["token_refused"])
        assert stored(session, SAM)["is_opted_out"] is True


async def test_an_opt_in_says_what_else_it_changes(session: Session) -> None:
    asked = await change(session, SAM, is_opted_out=False, consent=CONSENT, first="Samuel", tags=["VIP"])
    assert asked.question.endswith("This also changes: first, tags.")
    assert [one.field for one in asked.changes] == ["first", "tags", "is_opted_out"]


async def test_an_opt_out_nobody_knows_counts_as_one(open_session: OpenSession) -> None:
    async with open_session(contacts=2, behaviour=Behaviour(sends_opt_out=False, requests_per_minute=0)) as session:
        asked = await change(session, JORDAN, is_opted_out=False, consent="By phone")
        assert "may be opted out of texts (Heymarket does not say)" in asked.question


async def test_a_contact_that_is_not_opted_out_needs_no_consent(session: Session) -> None:
    assert (await change(session, is_opted_out=False)).status == "unchanged"


async def test_consent_changes_nothing_by_itself(session: Session) -> None:
    assert (await change(session, SAM, first="Samuel", consent="By phone")).status == "updated"
    assert stored(session, SAM)["is_opted_out"] is True


async def test_without_confirmations_consent_is_still_needed(open_session: OpenSession) -> None:
    async with open_session(contacts=2, confirm="off") as session:
        with pytest.raises(Refused) as refused:
            await change(session, SAM, is_opted_out=False)
        assert refused.value.kind == "consent_needed"
        assert (await change(session, SAM, is_opted_out=False, consent="By phone")).status == "updated"


# Opt-outs belong to numbers


async def test_moving_an_opted_out_contact_off_its_number_is_confirmed(session: Session) -> None:
    """Another contact could get the old number then, and be texted."""
    asked = await change(session, SAM, new_phone=NEW, first="Samuel")
    assert asked.status == "needs_confirmation"
    assert asked.question == (
        '"Sam O\'Neil" (+15105550101) is opted out of texts. Change the number to +15105553344? '
        "Another contact could get the old number then, and be texted. This also changes: first."
    )
    assert stored(session, SAM)["phone"] == SAMS[1:]
    done = await change(session, SAM, new_phone=NEW, first="Samuel", confirm_token=asked.confirm_token)
    assert (stored(session, SAM)["phone"], stored(session, SAM)["is_opted_out"]) == (NEW[1:], True)
    assert "left_opted_out" in kinds(done.notes)


@pytest.mark.parametrize(
    ("contact_id", "sends_opt_out", "is_asked"),
    [(JORDAN, True, False), (SAM, True, True), (JORDAN, False, True)],
    ids=["not opted out", "opted out", "unknown"],
)
async def test_a_move_is_confirmed_unless_the_contact_is_known_not_to_be_opted_out(
    open_session: OpenSession, contact_id: int, sends_opt_out: bool, is_asked: bool
) -> None:
    behaviour = Behaviour(sends_opt_out=sends_opt_out, requests_per_minute=0)
    async with open_session(contacts=2, behaviour=behaviour) as session:
        outcome = await change(session, contact_id, new_phone=NEW)
        assert outcome.status == ("needs_confirmation" if is_asked else "updated")


async def test_a_contact_without_a_phone_leaves_no_number(session: Session) -> None:
    session.sandbox.store.touch(SAM, phone="")
    assert (await change(session, SAM, new_phone=NEW)).status == "updated"


async def number_left(session: Session, how: str) -> None:
    """Sam, who is opted out, leaves his number."""
    if how == "moved":
        await confirmed(session, SAM, new_phone=NEW)
    else:
        book = await session.workspace.book()
        token = (await delete(book, contact_id=SAM)).confirm_token
        await delete(book, contact_id=SAM, confirm_token=token)


@pytest.mark.parametrize("how", ["moved", "deleted"])
@pytest.mark.parametrize("asked", [None, True, False], ids=["not mentioned", "asked for", "asked not to be"])
async def test_a_contact_that_moves_onto_a_number_left_opted_out_arrives_opted_out(
    session: Session, how: str, asked: bool | None
) -> None:
    await number_left(session, how)
    outcome = await change(session, new_phone=SAMS, is_opted_out=asked)
    assert outcome.status == "updated"
    assert (stored(session)["phone"], stored(session)["is_opted_out"]) == (SAMS[1:], True)
    assert kinds(outcome.notes) == ["arrived_opted_out"]


async def test_a_contact_that_moves_onto_a_number_that_was_not_opted_out_stays_as_it_is(session: Session) -> None:
    await change(session, new_phone=NEW)
    outcome = await change(session, THIRD, new_phone=JORDANS)
    assert (outcome.status, kinds(outcome.notes)) == ("updated", [])
    assert stored(session, THIRD)["is_opted_out"] is False


async def test_a_hidden_arrival_is_sent_as_opted_out_and_said_so(open_session: OpenSession) -> None:
    async with open_session(contacts=2, behaviour=Behaviour(sends_opt_out=False, requests_per_minute=0)) as session:
        await number_left(session, "moved")
        outcome = await confirmed(session, JORDAN, new_phone=SAMS)
        assert stored(session)["is_opted_out"] is True
        assert kinds(outcome.notes) == ["arrived_opted_out", "left_opted_out", "not_shown"]


@pytest.mark.parametrize("opted_out", [True, None], ids=["opted out", "unknown"])
async def test_opting_in_and_changing_the_number_are_two_calls(
    open_session: OpenSession, opted_out: bool | None
) -> None:
    behaviour = Behaviour(sends_opt_out=opted_out is not None, requests_per_minute=0)
    async with open_session(contacts=2, behaviour=behaviour) as session:
        for how in ("free", "left opted out"):
            if how != "free":
                await number_left(session, "moved")
            phone = "+15105553355" if how == "free" else SAMS
            with pytest.raises(Refused) as refused:
                await change(session, SAM, new_phone=phone, is_opted_out=False, consent=CONSENT)
            assert refused.value.kind == "consent_for_one_number"


async def test_a_contact_that_is_not_opted_out_may_say_so_when_it_moves(session: Session) -> None:
    assert (await change(session, new_phone=NEW, is_opted_out=False)).status == "updated"
    assert stored(session)["is_opted_out"] is False


async def test_an_opt_out_that_the_service_forgets_on_arrival_is_told(session: Session) -> None:
    await number_left(session, "deleted")
    meanwhile(session, when="after", is_opted_out=False)
    outcome = await change(session, new_phone=SAMS)
    assert {"suppression_lost", "not_kept"} <= {*kinds(outcome.notes)}
    assert "arrived_opted_out" not in kinds(outcome.notes)
