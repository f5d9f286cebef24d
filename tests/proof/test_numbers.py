"""An opt-out belongs to the number, whatever path its contact leaves by and whatever path the next one comes by.

Nobody becomes textable on a number that an opted-out contact left, unless there is consent and a confirmation.
Guards `contacts_mcp/book/people/suppressions.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import httpx
import pytest
from support import Backend, OpenStage, Stage

from contacts_mcp.sandbox import Behaviour, Fault, Lag
from contacts_mcp.state.journal import IN_FLIGHT

CONSENT = "Asked for texts again by phone on 2026-03-04"
NUMBER = "+15105550102"  # of Ben, who is opted out
ELSEWHERE = "+12125550142"
THIRD = "+12125550143"
PATIENT = 2 * IN_FLIGHT  # seconds of a call that has the time to wait

Step = Callable[[Stage], Awaitable[Any]]


@pytest.fixture
def anyio_backend(hurried: Backend) -> Backend:
    return hurried


async def ok(stage: Stage, tool: str, **arguments: Any) -> dict[str, Any]:
    """The answer of a call, confirmed if need be."""
    facts = await stage.ok(tool, **arguments)
    if facts["status"] == "needs_confirmation":
        facts = await stage.ok(tool, **arguments, confirm_token=facts["confirm_token"])
    return facts


def on(stage: Stage, phone: str = NUMBER) -> dict[str, Any]:
    """The one contact with a phone."""
    (found,) = [person for person in stage.people().values() if person["phone"] == phone.removeprefix("+")]
    return found


# How the opted-out contact leaves its number


async def moves(stage: Stage) -> None:
    await ok(stage, "update_contact", contact_id=stage.BEN, new_phone=ELSEWHERE)


async def moves_with_other_changes(stage: Stage) -> None:
    await ok(stage, "update_contact", phone=NUMBER, new_phone=ELSEWHERE, first="Benjamin", tags=["Lead"])


async def is_deleted(stage: Stage) -> None:
    await ok(stage, "delete_contact", contact_id=stage.BEN)


async def moves_and_is_deleted(stage: Stage) -> None:
    await moves(stage)
    await is_deleted(stage)


async def moves_and_is_opted_in_there(stage: Stage) -> None:
    """The consent is for the other number."""
    await moves(stage)
    await ok(stage, "update_contact", contact_id=stage.BEN, is_opted_out=False, consent=CONSENT)


async def came_by_a_change_that_is_taken_back(stage: Stage) -> None:
    """Ben had the third number before, and was opted out on this one by somebody else."""
    stage.sandbox.store.touch(stage.BEN, phone=THIRD[1:], is_opted_out=False)
    moved = await ok(stage, "update_contact", contact_id=stage.BEN, new_phone=NUMBER)
    stage.sandbox.store.touch(stage.BEN, is_opted_out=True)
    await ok(stage, "undo_change", change_id=moved["change_id"])


async def was_created_and_that_is_taken_back(stage: Stage) -> None:
    stage.sandbox.store.delete(stage.BEN)
    made = await ok(stage, "create_contact", phone=NUMBER, first="Ben", is_opted_out=True)
    await ok(stage, "undo_change", change_id=made["change_id"])


async def is_deleted_late(stage: Stage) -> None:
    """Nobody knows yet whether it is gone."""
    stage.sandbox.faults.add(Fault("delete_contact", "drop_before", late=20), Fault("delete_contact", "drop_before"))
    asked = await stage.ok("delete_contact", contact_id=stage.BEN)
    token = {"confirm_token": asked["confirm_token"]} if "confirm_token" in asked else {}
    await stage.call("delete_contact", contact_id=stage.BEN, **token)


async def moves_late(stage: Stage) -> None:
    stage.sandbox.faults.add(Fault("update_contact", "drop_before", late=20), Fault("update_contact", "drop_before"))
    arguments = {"contact_id": stage.BEN, "new_phone": ELSEWHERE}
    token = (await stage.ok("update_contact", **arguments))["confirm_token"]
    await stage.call("update_contact", **arguments, confirm_token=token)


DEPARTURES: dict[str, Step] = {
    step.__name__: step
    for step in (
        moves,
        moves_with_other_changes,
        is_deleted,
        moves_and_is_deleted,
        moves_and_is_opted_in_there,
        came_by_a_change_that_is_taken_back,
        was_created_and_that_is_taken_back,
        is_deleted_late,
        moves_late,
    )
}


# How the next one comes


async def is_created(stage: Stage) -> dict[str, Any]:
    return await ok(stage, "create_contact", phone=NUMBER, first="Cleo")


async def is_created_as_not_opted_out(stage: Stage) -> dict[str, Any]:
    return await ok(stage, "create_contact", phone=NUMBER, first="Cleo", is_opted_out=False, if_exists="fill")


async def moves_there(stage: Stage) -> dict[str, Any]:
    return await ok(stage, "update_contact", contact_id=stage.ADA, new_phone=NUMBER)


async def moves_there_as_not_opted_out(stage: Stage) -> dict[str, Any]:
    shows = stage.sandbox.behaviour.sends_opt_out  # else a consent is asked for, and that is for one number
    says = {"is_opted_out": False} if shows else {}
    return await ok(stage, "update_contact", contact_id=stage.ADA, new_phone=NUMBER, **says, first="Augusta")


async def comes_back_by_an_undo(stage: Stage) -> dict[str, Any]:
    """Ada had the number before she was given hers. Ben had it in between."""
    changes = (await stage.ok("list_changes", contact_id=stage.ADA))["changes"]
    return await ok(stage, "undo_change", change_id=changes[-1]["change_id"])


async def comes_back_by_an_undone_deletion(stage: Stage) -> dict[str, Any]:
    changes = (await stage.ok("list_changes"))["changes"]
    deleted = min(one["change_id"] for one in changes if one["action"] == "delete")
    return await ok(stage, "undo_change", change_id=deleted)


async def ada_had_it_first(stage: Stage) -> None:
    stage.sandbox.store.touch(stage.BEN, phone=THIRD[1:])
    stage.sandbox.store.touch(stage.ADA, phone=NUMBER[1:])
    await ok(stage, "update_contact", contact_id=stage.ADA, new_phone="+15105550101")
    stage.sandbox.store.touch(stage.BEN, phone=NUMBER[1:])


async def dan_had_it_first(stage: Stage) -> None:
    stage.sandbox.store.touch(stage.BEN, phone=THIRD[1:])
    dan = stage.sandbox.store.add_contact(phone=NUMBER[1:], first="Dan", created="2026-01-01T00:00:00Z")
    await ok(stage, "delete_contact", contact_id=dan)
    stage.sandbox.store.touch(stage.BEN, phone=NUMBER[1:])


async def nothing(_: Stage) -> None: ...


ARRIVALS: dict[str, tuple[Step, Step]] = {
    "is_created": (nothing, is_created),
    "is_created_as_not_opted_out": (nothing, is_created_as_not_opted_out),
    "moves_there": (nothing, moves_there),
    "moves_there_as_not_opted_out": (nothing, moves_there_as_not_opted_out),
    "comes_back_by_an_undo": (ada_had_it_first, comes_back_by_an_undo),
    "comes_back_by_an_undone_deletion": (dan_had_it_first, comes_back_by_an_undone_deletion),
}


@pytest.mark.parametrize("shows", [True, False], ids=["shown", "hidden"])
@pytest.mark.parametrize(("before", "arrives"), ARRIVALS.values(), ids=ARRIVALS)
@pytest.mark.parametrize("leaves", DEPARTURES.values(), ids=DEPARTURES)
async def test_whoever_comes_to_a_number_that_was_left_opted_out_arrives_opted_out(
    open_stage: OpenStage, leaves: Step, before: Step, arrives: Step, shows: bool
) -> None:
    async with open_stage(call_timeout=PATIENT, behaviour={"sends_opt_out": shows}) as stage:
        await before(stage)
        await anyio.sleep(IN_FLIGHT)
        await leaves(stage)
        stage.sandbox.faults.clear()
        stage.restart()
        facts = await arrives(stage)
        assert facts["status"] in ("created", "updated", "undone")
        assert on(stage)["is_opted_out"] is True
        assert on(stage)["id"] == facts["contact"]["contact_id"] != stage.BEN
        assert facts["contact"]["is_opted_out"] == (True if shows else "unknown")
        assert "arrived_opted_out" in facts["note_kinds"]


@pytest.mark.parametrize("shows", [True, False], ids=["shown", "hidden"])
@pytest.mark.parametrize("leaves", DEPARTURES.values(), ids=DEPARTURES)
async def test_only_consent_and_a_confirmation_end_the_opt_out_of_a_number(
    open_stage: OpenStage, leaves: Step, shows: bool
) -> None:
    async with open_stage(call_timeout=PATIENT, behaviour={"sends_opt_out": shows}) as stage:
        await leaves(stage)
        stage.sandbox.faults.clear()
        cleo = (await is_created(stage))["contact"]["contact_id"]
        opt_in = {"contact_id": cleo, "is_opted_out": False}
        assert await stage.kind_of("update_contact", **opt_in) == "consent_needed"
        token = (await stage.ok("update_contact", **opt_in, consent=CONSENT))["confirm_token"]
        assert on(stage)["is_opted_out"] is True
        await stage.ok("update_contact", **opt_in, consent=CONSENT, confirm_token=token)
        assert on(stage)["is_opted_out"] is False
        if shows:  # else nobody knows, and the next one arrives opted out again
            await ok(stage, "update_contact", contact_id=cleo, new_phone="+12125550144")
            facts = await moves_there(stage)
            assert (on(stage)["is_opted_out"], facts.get("note_kinds", [])) == (False, [])


@pytest.mark.parametrize("shows", [True, False], ids=["shown", "hidden"])
@pytest.mark.parametrize("says", [{}, {"is_opted_out": True}], ids=["move", "move-and-opt-out"])
async def test_a_contact_that_may_be_opted_out_does_not_leave_its_number_unconfirmed(
    open_stage: OpenStage, says: dict[str, Any], shows: bool
) -> None:
    async with open_stage(behaviour={"sends_opt_out": shows}) as stage:
        people = stage.people()
        call = {"contact_id": stage.BEN, "new_phone": ELSEWHERE} | says
        asked = await stage.ok("update_contact", **call)
        assert asked["status"] == "needs_confirmation"
        assert "Another contact could get the old number then" in asked["question"]
        assert stage.people() == people
        facts = await stage.ok("update_contact", **call, confirm_token=asked["confirm_token"])
        assert (facts["status"], "left_opted_out" in facts["note_kinds"]) == ("updated", True)
        assert on(stage, ELSEWHERE)["is_opted_out"] is True


async def test_a_contact_that_is_not_opted_out_leaves_its_number_as_before(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        facts = await stage.ok("update_contact", contact_id=stage.ADA, new_phone=ELSEWHERE)
        assert (facts["status"], facts.get("note_kinds", [])) == ("updated", [])
        made = await stage.ok("create_contact", phone="+15105550101", first="Cleo")
        assert (made["status"], made["contact"]["is_opted_out"], made.get("note_kinds", [])) == ("created", False, [])


@pytest.mark.parametrize("known_phone", ["update", "double"])
async def test_a_create_that_meets_a_contact_in_the_act_still_brings_the_opt_out_of_the_number(
    open_stage: OpenStage, known_phone: str
) -> None:
    """Somebody else gave the number to a contact just now, and does not know that it was left opted out."""
    async with open_stage(behaviour={"known_phone": known_phone}) as stage:
        await is_deleted(stage)
        stage.sandbox.store.add_contact(phone=NUMBER[1:], first="Cleo", lag=Lag(reads=1))
        facts = await stage.ok("create_contact", phone=NUMBER, first="Cleo")
        assert stage.people()[facts["contact"]["contact_id"]]["is_opted_out"] is True
        assert "arrived_opted_out" in facts["note_kinds"]


FORMS = {  # the form of before the country changed such numbers, and the one of today
    "Mexico": ("5215512345678", "+525512345678"),
    "Argentina": ("541123456789", "+5491123456789"),
    "Ivory Coast": ("22507123456", "+2250707123456"),
    "Benin": ("22997123456", "+2290197123456"),
}


@pytest.mark.parametrize(("old", "number"), FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("arrives", ["created", "moved"])
async def test_the_forms_of_a_number_are_one_number(open_stage: OpenStage, old: str, number: str, arrives: str) -> None:
    async with open_stage() as stage:
        stage.sandbox.store.touch(stage.BEN, phone=old)
        await is_deleted(stage)
        if arrives == "created":
            facts = await ok(stage, "create_contact", phone=number, first="Cleo")
        else:
            facts = await ok(stage, "update_contact", contact_id=stage.ADA, new_phone=number)
        assert on(stage, number)["is_opted_out"] is True
        assert "arrived_opted_out" in facts["note_kinds"]


async def test_a_contact_that_gets_the_form_of_today_keeps_its_number(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        old, number = FORMS["Mexico"]
        stage.sandbox.store.touch(stage.BEN, phone=old)
        assert await stage.kind_of("update_contact", contact_id=stage.ADA, new_phone=number) == "phone_taken"
        facts = await stage.ok("update_contact", contact_id=stage.BEN, new_phone=number)
        assert (facts["status"], facts.get("note_kinds", [])) == ("updated", [])
        assert on(stage, number)["is_opted_out"] is True


# No sentence about the outcome is older than the outcome


async def touched_after_the_write(stage: Stage, **members: Any) -> None:
    """Somebody else edits the contact with the number right after our write to it."""

    async def after(request: httpx.Request) -> None:
        if request.method == "PUT" or (request.method == "POST" and request.url.path == "/v1/contact"):
            stage.wire.after = None
            found = stage.sandbox.store.contact_by_phone(NUMBER[1:]) or stage.sandbox.store.contact(stage.BEN)
            assert found is not None
            stage.sandbox.store.touch(found["id"], **members)

    stage.wire.after = after


OUTCOMES: dict[str, tuple[Step, Step]] = {
    "a create": (is_deleted, is_created),
    "a move": (is_deleted, moves_there),
    "an undone deletion": (is_deleted, comes_back_by_an_undone_deletion),
}
CLAIMS = {True: "is opted out of texts", False: "did not keep that"}


@pytest.mark.parametrize("after", [True, False], ids=["kept", "lost"])
@pytest.mark.parametrize(("leaves", "arrives"), OUTCOMES.values(), ids=OUTCOMES)
async def test_an_arrival_is_told_as_it_was_read_back(
    open_stage: OpenStage, leaves: Step, arrives: Step, after: bool
) -> None:
    async with open_stage() as stage:
        await leaves(stage)
        await touched_after_the_write(stage, is_opted_out=after)
        facts = await arrives(stage)
        said = " ".join(facts["notes"])
        assert facts["contact"]["is_opted_out"] is after
        assert CLAIMS[after] in said
        assert CLAIMS[not after] not in said
        assert ("suppression_lost" in facts["note_kinds"]) is not after


@pytest.mark.parametrize("after", [True, False], ids=["kept", "lost"])
async def test_a_departure_is_told_as_it_was_read_back(open_stage: OpenStage, after: bool) -> None:
    async with open_stage() as stage:
        await touched_after_the_write(stage, is_opted_out=after)
        facts = await ok(stage, "update_contact", contact_id=stage.BEN, new_phone=ELSEWHERE)
        said = " ".join(facts["notes"])
        assert ("still opted out" in said, "is not opted out" in said) == (after, not after)


@pytest.mark.parametrize("after", [True, False], ids=["kept", "lost"])
async def test_an_undo_says_that_an_opt_out_stays_only_where_it_does(open_stage: OpenStage, after: bool) -> None:
    async with open_stage() as stage:
        opted_out = await stage.ok("update_contact", contact_id=stage.ADA, is_opted_out=True, first="Grace")
        stage.sandbox.behaviour = Behaviour(requests_per_minute=0)

        async def touched(request: httpx.Request) -> None:
            if request.method == "PUT":
                stage.wire.after = None
                stage.sandbox.store.touch(stage.ADA, is_opted_out=after)

        stage.wire.after = touched
        facts = await stage.ok("undo_change", change_id=opted_out["change_id"])
        assert facts["contact"]["is_opted_out"] is after
        assert ("opt_out_stays" in facts.get("note_kinds", [])) is after
