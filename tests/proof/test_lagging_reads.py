"""Nothing is claimed from a look that is older than what is known already,
and absence proves nothing about a new contact.

The reads of these proofs go to replicas that are behind, some kinds of read or all of them, with and without `rev` and
`updated`. Guards `contacts_mcp/book/writing/plan.py` and `contacts_mcp/book/people/holding.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import anyio
import pytest
from support import Backend, OpenStage, Stage

from contacts_mcp.sandbox import Behaviour, Fault, FaultKind, Lag
from contacts_mcp.state.journal import IN_FLIGHT

CONSENT = "Asked for texts again by phone on 2026-03-04"
NEW = "+12125550142"
OTHER = "+12125550143"
ADA, BEN = "+15105550101", "+15105550102"
PATIENT = 2 * IN_FLIGHT  # seconds of a call that has the time to wait
DONE = ("created", "updated", "deleted", "undone")

BEHIND = {
    "every read": Lag(reads=10, seconds=3),
    "reads by id": Lag(reads=10, seconds=3, of=("get_contact",)),
    "reads by phone": Lag(reads=10, seconds=3, of=("find_contact", "search_contacts")),
    "searches": Lag(reads=10, seconds=3, of=("search_contacts",)),
    "all but searches": Lag(reads=10, seconds=3, of=("get_contact", "find_contact")),
}
DATED: dict[str, dict[str, Any]] = {
    "dated": {},
    "by-updated": {"sends_rev": False},
    "undated": {"sends_rev": False, "sends_updated": False},
}

Call = tuple[str, dict[str, Any]]


@pytest.fixture
def anyio_backend(hurried: Backend) -> Backend:
    return hurried


def update(contact_id: int = Stage.ADA, **values: Any) -> Call:
    return "update_contact", {"contact_id": contact_id, **values}


def create(phone: str = NEW, **values: Any) -> Call:
    return "create_contact", {"phone": phone, **values}


def delete(contact_id: int = Stage.ADA) -> Call:
    return "delete_contact", {"contact_id": contact_id}


def undo(change_id: int) -> Call:
    return "undo_change", {"change_id": change_id}


async def states(stage: Stage) -> dict[int, str]:
    return {entry["change_id"]: entry["state"] for entry in (await stage.ok("list_changes"))["changes"]}


async def a_minute(stage: Stage) -> None:
    """So long that nothing can arrive any more, and that no read is behind."""
    await anyio.sleep(IN_FLIGHT)
    stage.sandbox.catch_up()


def with_phone(stage: Stage, phone: str) -> list[dict[str, Any]]:
    return [person for person in stage.people().values() if person["phone"] == phone.removeprefix("+")]


# A change that was lost, and a look at the time before the change before it

THERE_AND_BACK: dict[str, tuple[Call, Call]] = {
    "opt-in, opt-out": (update(Stage.BEN, is_opted_out=False, consent=CONSENT), update(Stage.BEN, is_opted_out=True)),
    "opt-in, undone": (update(Stage.BEN, is_opted_out=False, consent=CONSENT), undo(1)),
    "a name and back": (update(first="Grace"), update(first="Ada")),
    "a name, undone": (update(first="Grace"), undo(1)),
    "a number and back": (update(new_phone=NEW), update(new_phone=ADA)),
    "a custom value and back": (update(custom_fields={"Plan": "Basic"}), update(custom_fields={"Plan": "Gold"})),
    "tags and back": (update(add_tags=["Newsletter"]), update(remove_tags=["Newsletter"])),
    "an owner and back": (update(clear=["assignee"]), update(assignee="Priya Patel")),
    "emptied and back": (update(clear=["email"]), update(email="ada@example.com")),
}


@pytest.mark.parametrize("behaviour", DATED.values(), ids=DATED)
@pytest.mark.parametrize(("there", "back"), THERE_AND_BACK.values(), ids=THERE_AND_BACK)
async def test_a_look_from_before_our_last_change_does_not_show_that_a_lost_one_was_made(
    open_stage: OpenStage, there: Call, back: Call, behaviour: dict[str, Any]
) -> None:
    async with open_stage(confirm="off", behaviour=behaviour) as stage:
        contact_id = there[1]["contact_id"]
        old = stage.row(contact_id)
        await stage.ok(there[0], **there[1])
        await anyio.sleep(2)
        people = stage.people()
        stage.sandbox.faults.add(Fault("update_contact", "drop_before", times=-1))
        stage.wire.before = once_written(lambda: stage.show_again(old, Lag(reads=10)))
        assert await stage.kind_of(back[0], **back[1]) == "unknown_outcome"
        assert stage.people() == people
        assert (await states(stage))[2] == "unknown"
        await a_minute(stage)
        is_dated = behaviour.get("sends_updated", True)
        assert (await states(stage))[2] == ("not_done" if is_dated else "unknown")


def once_written(act: Any) -> Any:
    """Does something once, right before the first write goes out."""
    done = False

    async def before(request: Any) -> None:
        nonlocal done
        if request.method in ("PUT", "DELETE") or request.url.path == "/v1/contact":
            if not done:
                act()
            done = True

    return before


# A new contact that reads do not show yet


@pytest.mark.parametrize("behaviour", DATED.values(), ids=DATED)
@pytest.mark.parametrize("lag", BEHIND.values(), ids=BEHIND)
@pytest.mark.parametrize("how", ["created here", "taken back", "created by somebody else"])
async def test_a_lost_deletion_of_a_new_contact_is_not_claimed_from_its_absence(
    open_stage: OpenStage, how: str, lag: Lag, behaviour: dict[str, Any]
) -> None:
    async with open_stage(confirm="off", behaviour=behaviour) as stage:
        if how == "created here":
            made = (await stage.ok("create_contact", phone=NEW, first="Cleo"))["contact"]["contact_id"]
        elif how == "taken back":
            deleted = await stage.ok("delete_contact", contact_id=stage.ADA)
            made = (await stage.ok("undo_change", change_id=deleted["change_id"]))["contact"]["contact_id"]
        else:
            made = stage.sandbox.store.add_contact(phone=NEW, first="Cleo")
        await anyio.sleep(2)
        stage.sandbox.faults.add(Fault("delete_contact", "drop_before", times=-1))
        stage.wire.before = once_written(lambda: stage.sandbox.store.hide(made, lag))
        assert await stage.kind_of("delete_contact", contact_id=made) == "unknown_outcome"
        change_id = max(await states(stage))
        assert (await states(stage))[change_id] == "unknown"
        assert made in stage.people()
        await a_minute(stage)
        assert (await states(stage))[change_id] == "not_done"


MADE: dict[str, tuple[tuple[Call, ...], str]] = {
    "created": ((create(first="Cleo"),), NEW),
    "moved there": ((update(new_phone=NEW),), NEW),
    "moved back": ((update(new_phone=NEW), undo(1)), ADA),
    "deleted and taken back": ((delete(), undo(1)), ADA),
    "created or filled": ((create(first="Cleo", if_exists="fill"),), NEW),
}
ARRIVALS: dict[str, Call] = {
    "create": create("", first="Cleo"),
    "create or fill": create("", first="Cleo", last="New", if_exists="fill"),
    "move": update(Stage.BEN, new_phone=""),
}


@pytest.mark.parametrize("lag", BEHIND.values(), ids=BEHIND)
@pytest.mark.parametrize("arrival", ARRIVALS.values(), ids=ARRIVALS)
@pytest.mark.parametrize(("made", "phone"), MADE.values(), ids=MADE)
async def test_a_phone_that_was_just_given_out_is_not_given_out_again(
    open_stage: OpenStage, made: tuple[Call, ...], phone: str, arrival: Call, lag: Lag
) -> None:
    """The service would make two contacts of one phone, and no read shows the first one yet."""
    async with open_stage(confirm="off", behaviour={"known_phone": "double", "lags": (lag,)}) as stage:
        for number, (tool, arguments) in enumerate(made, start=1):
            await stage.call(tool, **arguments)
            if number < len(made):
                await a_minute(stage)
                await stage.call("list_changes")
        arguments = {name: value or phone for name, value in arrival[1].items()}
        await stage.call(arrival[0], **arguments)
        assert len(with_phone(stage, phone)) == 1
        await a_minute(stage)
        await stage.call(arrival[0], **arguments)
        assert len(with_phone(stage, phone)) == 1


@pytest.mark.parametrize("lag", BEHIND.values(), ids=BEHIND)
@pytest.mark.parametrize("kind", ["status_after", "gateway_after", "html_after", "drop_after", "truncate"])
async def test_a_create_without_an_answer_makes_one_contact_whatever_reads_show(
    open_stage: OpenStage, kind: FaultKind, lag: Lag
) -> None:
    async with open_stage(behaviour={"known_phone": "double"}) as stage:
        stage.sandbox.faults.add(Fault("create_contact", kind, lag=lag))
        said = await stage.kind_of("create_contact", phone=NEW, first="Cleo")
        assert said in ("created", "unknown_outcome")
        assert len(with_phone(stage, NEW)) == 1
        await a_minute(stage)
        assert await states(stage) == {1: "done"}
        assert await stage.kind_of("create_contact", phone=NEW, first="Cleo") == "exists"


# A contact that is gone, and that reads still show


@pytest.mark.parametrize("behaviour", DATED.values(), ids=DATED)
@pytest.mark.parametrize("lag", BEHIND.values(), ids=BEHIND)
async def test_a_lost_undo_of_a_deletion_does_not_claim_the_contact_that_is_gone(
    open_stage: OpenStage, lag: Lag, behaviour: dict[str, Any]
) -> None:
    """Its old id is known to be deleted, however often a read shows it."""
    async with open_stage(confirm="off", behaviour=behaviour) as stage:
        old = stage.row(stage.ADA)
        deleted = (await stage.ok("delete_contact", contact_id=stage.ADA))["change_id"]
        stage.show_again(old, lag)
        stage.sandbox.faults.add(Fault("create_contact", "drop_before", times=-1))
        assert await stage.kind_of("undo_change", change_id=deleted) == "unknown_outcome"
        assert with_phone(stage, ADA) == []
        stage.sandbox.faults.clear()
        await a_minute(stage)
        assert (await states(stage))[deleted + 1] == "not_done"
        facts = await stage.ok("undo_change", change_id=deleted)
        assert (facts["status"], len(with_phone(stage, ADA))) == ("undone", 1)
        assert facts["contact"]["contact_id"] != stage.ADA


@pytest.mark.parametrize("lag", BEHIND.values(), ids=BEHIND)
@pytest.mark.parametrize("then", [create(ADA, first="Cleo"), update(Stage.BEN, new_phone=ADA)], ids=["create", "move"])
@pytest.mark.parametrize("left", [delete(), update(new_phone=OTHER)], ids=["deleted", "moved"])
async def test_a_contact_that_has_left_its_phone_is_neither_reported_nor_called_a_double(
    open_stage: OpenStage, left: Call, then: Call, lag: Lag
) -> None:
    async with open_stage(confirm="off") as stage:
        old = stage.row(stage.ADA)
        await stage.ok(left[0], **left[1])
        stage.show_again(old, lag)
        facts = await stage.ok(then[0], **then[1])
        assert facts["status"] in ("created", "updated")
        assert "doubles" not in facts.get("note_kinds", [])
        assert len(with_phone(stage, ADA)) == 1


@pytest.mark.parametrize("call", [delete(), update(first="Grace")], ids=["delete", "update"])
async def test_a_deleted_contact_that_is_shown_again_is_not_worked_on(open_stage: OpenStage, call: Call) -> None:
    async with open_stage(confirm="off") as stage:
        old = stage.row(stage.ADA)
        await stage.ok("delete_contact", contact_id=stage.ADA)
        stage.show_again(old, Lag(reads=10, seconds=3))
        stage.sandbox.requests.clear()
        assert await stage.kind_of(call[0], **call[1]) == "not_found"
        assert {request.operation for request in stage.sandbox.requests} <= {"get_contact"}


# An accepted write that reads do not show yet


@dataclass(frozen=True, kw_only=True)
class Accepted:
    """A call whose write is accepted."""

    call: Call
    before: tuple[Call, ...] = ()


ACCEPTED = {
    "create": Accepted(call=create(first="Cleo", custom_fields={"Plan": "Gold"})),
    "create or fill": Accepted(call=create(ADA, avatar="https://example.com/a.png", if_exists="fill")),
    "update": Accepted(call=update(first="Grace", clear=["Plan"])),
    "opt-out": Accepted(call=update(is_opted_out=True)),
    "opt-in": Accepted(call=update(Stage.BEN, is_opted_out=False, consent=CONSENT)),
    "move": Accepted(call=update(new_phone=NEW)),
    "delete": Accepted(call=delete()),
    "undo an update": Accepted(call=undo(1), before=(update(first="Grace"),)),
    "undo a deletion": Accepted(call=undo(1), before=(delete(),)),
    "undo a create": Accepted(call=undo(1), before=(create(first="Cleo"),)),
}
LAGS = {
    "never": Lag(),
    "one read": Lag(reads=1),
    "two reads": Lag(reads=2),
    "a second": Lag(seconds=1),
    "three seconds": Lag(seconds=3),
    "ten reads": Lag(reads=10),
    **BEHIND,
}


@pytest.mark.parametrize("behaviour", DATED.values(), ids=DATED)
@pytest.mark.parametrize("lag", LAGS.values(), ids=LAGS)
@pytest.mark.parametrize("case", ACCEPTED.values(), ids=ACCEPTED)
async def test_an_accepted_write_is_told_as_it_is_or_as_unknown(
    open_stage: OpenStage, case: Accepted, lag: Lag, behaviour: dict[str, Any]
) -> None:
    """The journal tells the truth at last, and the answer never claims an old state to be the result."""
    async with open_stage(confirm="off", behaviour=behaviour) as stage:
        for tool, arguments in case.before:
            await stage.ok(tool, **arguments)
            await a_minute(stage)
        stage.sandbox.behaviour = Behaviour(requests_per_minute=0, **behaviour, lags=(lag,))
        facts = (await stage.call(case.call[0], **case.call[1])).structured_content
        assert facts.get("kind", "unknown_outcome") == "unknown_outcome"
        if facts.get("status") in DONE:
            shown, stored = facts["contact"], stage.people().get(facts["contact"]["contact_id"])
            assert (stored is None) == (facts["status"] == "deleted" or (case.call == undo(1) and stored is None))
            if stored is not None:
                assert (shown["first"], shown.get("email", "")) == (stored["first"], stored["email"])
                assert shown["is_opted_out"] is stored["is_opted_out"]
            assert not {"not_kept", "not_cleared", "disturbed", "someone_else", "doubles"} & {
                *facts.get("note_kinds", ())
            }
        await a_minute(stage)
        assert (await states(stage))[len(case.before) + 1] == "done"


# A look-up right after a change

SOUGHT: dict[str, tuple[tuple[Call, ...], dict[str, Any]]] = {
    "created, by phone": ((create(first="Cleo"),), {"phone": NEW}),
    "created, by e-mail": ((create(email="cleo@example.com"),), {"email": "cleo@example.com"}),
    "moved, by phone": ((update(new_phone=NEW),), {"phone": NEW}),
    "opted out, by id": ((update(is_opted_out=True),), {"contact_id": Stage.ADA}),
    "renamed, by e-mail": ((update(first="Grace"),), {"email": "ada@example.com"}),
    "deleted, by phone": ((delete(),), {"phone": ADA}),
    "deleted, by id": ((delete(),), {"contact_id": Stage.ADA}),
}


@pytest.mark.parametrize("behaviour", DATED.values(), ids=DATED)
@pytest.mark.parametrize(("made", "sought"), SOUGHT.values(), ids=SOUGHT)
async def test_a_look_up_that_is_older_than_our_own_change_says_so(
    open_stage: OpenStage, made: tuple[Call, ...], sought: dict[str, Any], behaviour: dict[str, Any]
) -> None:
    """And one that is not says nothing."""
    async with open_stage(confirm="off", behaviour={**behaviour, "lags": (Lag(seconds=5),)}) as stage:
        for tool, arguments in made:
            await stage.call(tool, **arguments)
        kinds = (await stage.ok("lookup_contact", **sought)).get("note_kinds", [])
        assert {"lagging_read", "may_still_arrive"} & {*kinds}
        assert "exact_spelling" not in kinds
        await a_minute(stage)
        kinds = (await stage.ok("lookup_contact", **sought)).get("note_kinds", [])
        assert not {"lagging_read", "may_still_arrive"} & {*kinds}


async def test_a_look_up_says_that_a_change_may_still_arrive(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        stage.sandbox.faults.add(Fault("update_contact", "drop_before", late=20))
        stage.sandbox.faults.add(Fault("update_contact", "drop_before"))
        assert await stage.kind_of("update_contact", contact_id=stage.ADA, first="Ann") == "unknown_outcome"
        assert "may_still_arrive" in (await stage.ok("lookup_contact", phone=ADA))["note_kinds"]
        assert "note_kinds" not in await stage.ok("lookup_contact", phone=BEN)


async def test_a_look_up_that_shows_the_change_says_nothing_more(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.ok("update_contact", contact_id=stage.ADA, first="Grace")
        assert "note_kinds" not in await stage.ok("lookup_contact", phone=ADA)


# A merge that is asked for again


async def test_a_merge_that_was_done_already_is_not_told_from_before_it(open_stage: OpenStage) -> None:
    async with open_stage(confirm="off") as stage:
        old = stage.row(stage.ADA)
        await stage.ok("update_contact", contact_id=stage.BEN, email="ben@example.com", is_opted_out=True)
        assert (await stage.ok("merge_contacts", keep=stage.ADA, others=[stage.BEN]))["status"] == "merged"
        stage.show_again(old, Lag(reads=10, seconds=3))
        assert await stage.kind_of("merge_contacts", keep=stage.ADA, others=[stage.BEN]) == "lagging_read"
        await a_minute(stage)
        facts = await stage.ok("merge_contacts", keep=stage.ADA, others=[stage.BEN])
        assert (facts["status"], facts["contact"]["is_opted_out"]) == ("unchanged", True)
