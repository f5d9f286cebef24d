"""A write that may still arrive holds back the next one about its contact and its phones, whoever makes it.

In each case a write is lost on its way and is carried out seconds later. Guards `contacts_mcp/book/people/holding.py`
and `contacts_mcp/book/writing/settle.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio
import pytest
from support import Assistant, Backend, OpenStage, Stage

from contacts_mcp.sandbox import Fault
from contacts_mcp.state.journal import IN_FLIGHT, Journal

LATE = 6.0  # seconds
AT_MOST = 20.0  # seconds that a write may be late in these proofs
PATIENT = 2 * IN_FLIGHT  # seconds of a call that has the time to wait
CONSENT = "Asked for texts again by phone on 2026-03-04"
NEW = "+12125550142"
OTHER = "+12125550143"
ADA, BEN = "+15105550101", "+15105550102"
PICTURE = "https://pictures.example.com/ada.png"
Records = dict[int, dict[str, Any]]
Person = dict[str, Any]


@pytest.fixture
def anyio_backend(hurried: Backend) -> Backend:
    return hurried


# How a write is lost. Every copy of it is lost so, and the first one is carried out late.

LOST: dict[str, dict[str, Any]] = {
    "reset": {"kind": "drop_before"},
    "no-answer": {"kind": "silence"},
    "504": {"kind": "gateway", "status": 504},
    "a gateway's 403": {"kind": "gateway", "status": 403},
    "a gateway's 404": {"kind": "gateway", "status": 404},
    "a gateway's 409": {"kind": "gateway", "status": 409},
    "500": {"kind": "status"},
    "web-page": {"kind": "html"},
}


def lose(stage: Stage, operation: str, *, late: float = LATE, copies: int = 2, **how: Any) -> None:
    """The next write of `operation` is carried out `late`, whatever its client is told.

    Further copies are lost for good.
    """
    order = how or LOST["reset"]
    stage.sandbox.faults.add(Fault(operation, late=late, **order))
    if copies > 1:
        stage.sandbox.faults.add(Fault(operation, times=copies - 1, **order))


@dataclass(frozen=True, kw_only=True)
class Case:
    """A write that is lost, and one that is asked for before it arrives."""

    operation: str
    lost: tuple[str, dict[str, Any]]
    next: tuple[str, dict[str, Any]]
    holds: Callable[[Records], bool]  # what must be so once the next call has said that it is done
    statuses: tuple[str, ...] = ("updated", "unchanged", "undone")  # of a next call that has succeeded
    gone: bool = False  # whether the lost write takes the contact away, so that the next call finds nobody
    before: tuple[tuple[str, dict[str, Any]], ...] = ()


def update(contact_id: int = Stage.ADA, **values: Any) -> tuple[str, dict[str, Any]]:
    return "update_contact", {"contact_id": contact_id, **values}


def create(phone: str = NEW, **values: Any) -> tuple[str, dict[str, Any]]:
    return "create_contact", {"phone": phone, **values}


def has(contact_id: int = Stage.ADA, **values: Any) -> Callable[[Records], bool]:
    return lambda people: values.items() <= people.get(contact_id, {}).items()


def one_has(phone: str, **values: Any) -> Callable[[Records], bool]:
    def holds(people: Records) -> bool:
        found = [person for person in people.values() if person["phone"] == phone.removeprefix("+")]
        return len(found) == 1 and values.items() <= found[0].items()

    return holds


CASES = {
    "opt-in, then opt-out": Case(
        operation="update_contact",
        lost=update(Stage.BEN, is_opted_out=False, consent=CONSENT),
        next=update(Stage.BEN, is_opted_out=True),
        holds=has(Stage.BEN, is_opted_out=True),
    ),
    "one name, then the other": Case(
        operation="update_contact",
        lost=update(first="Ann"),
        next=update(last="New"),
        holds=has(last="New"),
    ),
    "a name, then the same name as before": Case(
        operation="update_contact",
        lost=update(first="Ann"),
        next=update(first="Ada"),
        holds=has(first="Ada"),
    ),
    "a name, then an opt-out": Case(
        operation="update_contact",
        lost=update(first="Ann"),
        next=update(is_opted_out=True),
        holds=has(is_opted_out=True),
    ),
    "custom values, then all of them anew": Case(
        operation="update_contact",
        lost=update(custom_fields={"Plan": "Basic"}),
        next=update(custom_fields={"Region": "Reno"}, replace_custom_fields=True),
        holds=has(custom={"33": "Reno"}),
    ),
    "tags, then tags": Case(
        operation="update_contact",
        lost=update(tags=["Lead"]),
        next=update(tags=["VIP"]),
        holds=has(tags=[101]),
    ),
    "a change, then by phone": Case(
        operation="update_contact",
        lost=update(first="Ann"),
        next=("update_contact", {"phone": ADA, "last": "New"}),
        holds=has(last="New"),
    ),
    "a change, then create or fill": Case(
        operation="update_contact",
        lost=update(first="Ann"),
        next=create(ADA, avatar=PICTURE, if_exists="fill"),
        holds=has(avatar=PICTURE),
    ),
    "a change, then an undo": Case(
        operation="update_contact",
        before=(update(last="New"),),
        lost=update(first="Ann"),
        next=("undo_change", {"change_id": 1}),
        holds=has(last="Example"),
    ),
    "an undo, then the change again": Case(
        operation="update_contact",
        before=(update(first="Ann"),),
        lost=("undo_change", {"change_id": 1}),
        next=update(first="Ann"),
        holds=has(first="Ann"),
    ),
    "a new number, then the old one": Case(
        operation="update_contact",
        lost=update(new_phone=NEW),
        next=update(new_phone=ADA),
        holds=has(phone=ADA[1:]),
    ),
    "a new number, then another contact there": Case(
        operation="update_contact",
        lost=update(new_phone=NEW),
        next=create(NEW, first="Cleo"),
        holds=one_has(NEW),
        statuses=("exists",),
    ),
    "a new number, then a contact moves there": Case(
        operation="update_contact",
        lost=update(new_phone=NEW),
        next=update(Stage.BEN, new_phone=NEW),
        holds=one_has(NEW, first="Ada"),
        statuses=("phone_taken",),
    ),
    "a new number, then another contact on the old one": Case(
        operation="update_contact",
        lost=update(new_phone=NEW),
        next=create(ADA, first="Cleo"),
        holds=one_has(ADA, first="Cleo"),
        statuses=("created",),
    ),
    "a create, then the same": Case(
        operation="create_contact",
        lost=create(first="Cleo"),
        next=create(first="Cleo"),
        holds=one_has(NEW, first="Cleo"),
        statuses=("exists",),
    ),
    "a create, then create or fill": Case(
        operation="create_contact",
        lost=create(first="Cleo"),
        next=create(last="New", if_exists="fill"),
        holds=one_has(NEW, first="Cleo", last="New"),
    ),
    "a create, then a contact moves there": Case(
        operation="create_contact",
        lost=create(first="Cleo"),
        next=update(new_phone=NEW),
        holds=one_has(NEW, first="Cleo"),
        statuses=("phone_taken",),
    ),
    "a deletion, then an opt-out": Case(
        operation="delete_contact",
        lost=("delete_contact", {"contact_id": Stage.ADA}),
        next=update(is_opted_out=True),
        holds=lambda people: Stage.ADA not in people,
        gone=True,
    ),
    "a deletion, then a deletion": Case(
        operation="delete_contact",
        lost=("delete_contact", {"contact_id": Stage.ADA}),
        next=("delete_contact", {"contact_id": Stage.ADA}),
        holds=lambda people: Stage.ADA not in people,
        gone=True,
    ),
    "a deletion, then a contact on its number": Case(
        operation="delete_contact",
        lost=("delete_contact", {"contact_id": Stage.ADA}),
        next=create(ADA, first="Cleo"),
        holds=one_has(ADA, first="Cleo"),
        statuses=("created",),
    ),
    "a create taken back, then created again": Case(
        operation="delete_contact",
        before=(create(first="Cleo"),),
        lost=("undo_change", {"change_id": 1}),
        next=create(first="Cleo"),
        holds=one_has(NEW, first="Cleo"),
        statuses=("created",),
    ),
    "a deletion taken back, then again": Case(
        operation="create_contact",
        before=(("delete_contact", {"contact_id": Stage.ADA}),),
        lost=("undo_change", {"change_id": 1}),
        next=("undo_change", {"change_id": 1}),
        holds=one_has(ADA, first="Ada"),
        statuses=("unchanged",),
    ),
    "a deletion taken back, then another contact": Case(
        operation="create_contact",
        before=(("delete_contact", {"contact_id": Stage.ADA}),),
        lost=("undo_change", {"change_id": 1}),
        next=create(ADA, first="Cleo"),
        holds=one_has(ADA, first="Ada"),
        statuses=("exists",),
    ),
}
BEHAVIOURS: dict[str, dict[str, Any]] = {
    "plain": {},
    "undated": {"sends_rev": False, "sends_updated": False},
}
HELD = ("may_still_arrive", "change_unknown")  # kinds of errors that say when to look again


@asynccontextmanager
async def the_other(stage: Stage, where: str) -> AsyncIterator[Assistant]:
    """The server that is asked next."""
    if where == "another process":
        async with stage.another_server() as other:
            yield other
    else:
        if where == "restarted":
            stage.restart()
        yield stage


async def all_has_landed(stage: Stage) -> None:
    await anyio.sleep(AT_MOST)
    stage.sandbox.land_due()
    assert not stage.sandbox.late


@pytest.mark.parametrize("behaviour", BEHAVIOURS.values(), ids=BEHAVIOURS)
@pytest.mark.parametrize("where", ["the same server", "restarted", "another process"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_the_next_call_waits_for_a_write_that_may_still_arrive(
    open_stage: OpenStage, case: Case, where: str, behaviour: dict[str, Any]
) -> None:
    """Its answer is still true when everything has arrived."""
    async with open_stage(
        confirm="off", call_timeout=PATIENT, behaviour={"known_phone": "double"} | behaviour
    ) as stage:
        await lose_and_ask(stage, case)
        async with the_other(stage, where) as server:
            kind = await server.kind_of(case.next[0], **case.next[1])
        await all_has_landed(stage)
        assert kind == "not_found" if case.gone else kind in case.statuses
        assert case.holds(stage.people())


@pytest.mark.parametrize("where", ["the same server", "restarted", "another process"])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
async def test_a_call_without_the_time_to_wait_is_refused_and_says_when_to_look_again(
    open_stage: OpenStage, case: Case, where: str
) -> None:
    async with open_stage(confirm="off", behaviour={"known_phone": "double"}) as stage:
        await lose_and_ask(stage, case)
        people = stage.people()
        async with the_other(stage, where) as server:
            stage.sandbox.requests.clear()
            assert await server.kind_of(case.next[0], **case.next[1]) in HELD
            assert not {"create_contact", "update_contact", "delete_contact"} & operations(stage)
            assert stage.people() == people
            await anyio.sleep(IN_FLIGHT)
            kind = await server.kind_of(case.next[0], **case.next[1])
        await all_has_landed(stage)
        assert kind == "not_found" if case.gone else kind in case.statuses
        assert case.holds(stage.people())


async def lose_and_ask(stage: Stage, case: Case, **how: Any) -> None:
    for tool, arguments in case.before:
        await stage.ok(tool, **arguments)
    if case.before:
        await anyio.sleep(IN_FLIGHT)  # or absence would prove nothing yet
    lose(stage, case.operation, **how)
    assert await stage.kind_of(case.lost[0], **case.lost[1]) == "unknown_outcome"
    assert len(stage.sandbox.late) == 1


def operations(stage: Stage) -> set[str]:
    return {request.operation for request in stage.sandbox.requests}


OPT_IN, RENAME = CASES["opt-in, then opt-out"], CASES["one name, then the other"]


@pytest.mark.parametrize("how", LOST.values(), ids=LOST)
@pytest.mark.parametrize("late", [10.0, AT_MOST])
@pytest.mark.parametrize("case", [OPT_IN, RENAME], ids=["opt-in", "rename"])
async def test_it_waits_however_the_write_was_lost(
    open_stage: OpenStage, case: Case, how: dict[str, Any], late: float
) -> None:
    async with open_stage(confirm="off", call_timeout=PATIENT) as stage:
        await lose_and_ask(stage, case, late=late, **how)
        assert await stage.kind_of(case.next[0], **case.next[1]) in case.statuses
        await all_has_landed(stage)
        assert case.holds(stage.people())


@pytest.mark.parametrize("case", [OPT_IN, RENAME], ids=["opt-in", "rename"])
@pytest.mark.parametrize("gives_up", ["deadline", "cancelled", "reset of the second copy"])
async def test_it_waits_where_the_call_ended_before_its_write(open_stage: OpenStage, case: Case, gives_up: str) -> None:
    """A call at its deadline, a call that its client cancelled,
    and a copy that followed while the first one was out.
    """
    seconds = 1.0 if gives_up == "deadline" else PATIENT
    async with open_stage(confirm="off", call_timeout=seconds) as stage:
        kind = "drop_before" if gives_up == "reset of the second copy" else "silence"
        stage.sandbox.faults.add(Fault("update_contact", kind, late=LATE))
        with anyio.move_on_after(1.0 if gives_up == "cancelled" else None):
            await stage.call(case.lost[0], **case.lost[1])
        async with stage.another_server(call_timeout=PATIENT) as server:
            assert await server.kind_of(case.next[0], **case.next[1]) in case.statuses
        await all_has_landed(stage)
        assert case.holds(stage.people())


async def test_a_copy_that_was_sent_again_counts_from_when_it_was_given_up(open_stage: OpenStage) -> None:
    """The second copy went out fifteen seconds after the first, and is as late as a write can be."""
    async with open_stage(confirm="off", timeout=15.0, call_timeout=PATIENT) as stage:
        stage.sandbox.faults.add(Fault("update_contact", "silence"), Fault("update_contact", "silence", late=74.0))
        assert await stage.kind_of(*RENAME.lost[:1], **RENAME.lost[1]) == "unknown_outcome"
        assert await stage.kind_of(*RENAME.next[:1], **RENAME.next[1]) == "updated"
        stage.sandbox.land_all()
        assert RENAME.holds(stage.people())


async def not_written(*_: object) -> bool:
    return False


async def test_no_second_copy_goes_out_that_the_journal_cannot_be_told_of(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next call would take the one that it sees for both, and not wait for the other."""
    async with open_stage(confirm="off") as stage:
        await stage.ok("list_changes")
        lose(stage, RENAME.operation, copies=1)
        with monkeypatch.context() as broken:
            broken.setattr(Journal, "finish", not_written)  # as where another program has locked it
            assert await stage.kind_of(*RENAME.lost[:1], **RENAME.lost[1]) == "unknown_outcome"
        assert [request.operation for request in stage.sandbox.requests].count("update_contact") == 1
        assert await stage.kind_of(*RENAME.next[:1], **RENAME.next[1]) in HELD


async def test_an_opt_in_is_sent_once(open_stage: OpenStage) -> None:
    async with open_stage(confirm="off") as stage:
        lose(stage, "update_contact", copies=1)
        assert await stage.kind_of(OPT_IN.lost[0], **OPT_IN.lost[1]) == "unknown_outcome"
        assert [request.operation for request in stage.sandbox.requests].count("update_contact") == 1


async def test_a_create_is_sent_once_whatever_it_was_answered(open_stage: OpenStage) -> None:
    for how in LOST.values():
        async with open_stage(behaviour={"known_phone": "double"}) as stage:
            lose(stage, "create_contact", copies=1, **how)
            assert await stage.kind_of("create_contact", phone=NEW, first="Cleo") == "unknown_outcome"
            assert [request.operation for request in stage.sandbox.requests].count("create_contact") == 1
            await all_has_landed(stage)
            assert one_has(NEW, first="Cleo")(stage.people())


async def test_the_rest_of_the_book_does_not_wait(open_stage: OpenStage) -> None:
    async with open_stage(confirm="off") as stage:
        await lose_and_ask(stage, RENAME)
        started = anyio.current_time()
        assert await stage.kind_of("update_contact", contact_id=stage.BEN, first="Zed") == "updated"
        assert await stage.kind_of("create_contact", phone=NEW, first="Cleo") == "created"
        assert anyio.current_time() - started < 1


async def test_a_write_that_was_answered_holds_nothing_back(open_stage: OpenStage) -> None:
    async with open_stage(confirm="off") as stage:
        started = anyio.current_time()
        for number in range(5):
            assert await stage.kind_of("update_contact", contact_id=stage.ADA, first=f"Name {number}") == "updated"
        assert await stage.kind_of("delete_contact", contact_id=stage.ADA) == "deleted"
        assert await stage.kind_of("create_contact", phone=ADA, first="Cleo") == "created"
        assert anyio.current_time() - started < 1


# Not carried out is said only when nothing can arrive any more


async def states(stage: Stage) -> list[str]:
    return [entry["state"] for entry in (await stage.ok("list_changes"))["changes"]]


UNSETTLED: dict[str, tuple[str, tuple[str, dict[str, Any]]]] = {
    "create": ("create_contact", create(first="Cleo")),
    "update": ("update_contact", update(first="Ann")),
    "opt-out": ("update_contact", update(is_opted_out=True)),
    "move": ("update_contact", update(new_phone=NEW)),
    "delete": ("delete_contact", ("delete_contact", {"contact_id": Stage.ADA})),
}


@pytest.mark.parametrize(("operation", "lost"), UNSETTLED.values(), ids=UNSETTLED)
@pytest.mark.parametrize("arrives", [True, False], ids=["arrives", "never-arrives"])
async def test_the_journal_says_unknown_until_nothing_can_arrive(
    open_stage: OpenStage, operation: str, lost: tuple[str, dict[str, Any]], arrives: bool
) -> None:
    async with open_stage(confirm="off") as stage:
        if arrives:
            lose(stage, operation, late=AT_MOST)
        else:
            stage.sandbox.faults.add(Fault(operation, "drop_before", times=2))
        await stage.call(lost[0], **lost[1])
        stage.sandbox.faults.clear()
        for _ in range(5):
            assert await states(stage) == ["unknown"]
            await anyio.sleep(3)
        await anyio.sleep(IN_FLIGHT)
        assert await states(stage) == ["done" if arrives else "not_done"]


@pytest.mark.parametrize("rev", ["grown", "same", "none"])
async def test_a_copy_that_was_answered_and_did_nothing_does_not_speak_for_one_that_may_still_arrive(
    open_stage: OpenStage, rev: Any
) -> None:
    async with open_stage(confirm="off") as stage:
        stage.sandbox.faults.add(
            Fault("update_contact", "drop_before", late=AT_MOST),
            Fault("update_contact", "pretend", pretended_rev=rev),
        )
        assert await stage.kind_of("update_contact", contact_id=stage.ADA, first="Ann") == "unknown_outcome"
        assert await states(stage) == ["unknown"]
        await anyio.sleep(IN_FLIGHT)
        assert await states(stage) == ["done"]


LOOKS: dict[str, tuple[str, dict[str, Any]]] = {
    "the list of changes": ("list_changes", {}),
    "an undo": ("undo_change", {"change_id": 1}),
    "a change of the contact": update(Stage.BEN, last="New"),
    "a contact on its number": create(BEN, first="Cleo"),
}


@pytest.mark.parametrize("meanwhile", LOOKS.values(), ids=LOOKS)
async def test_a_late_deletion_can_be_taken_back_and_its_opt_out_is_remembered(
    open_stage: OpenStage, meanwhile: tuple[str, dict[str, Any]]
) -> None:
    """This holds for any look at the contact in the meantime, when it was still there."""
    async with open_stage(confirm="off") as stage:
        lose(stage, "delete_contact", late=AT_MOST)
        assert await stage.kind_of("delete_contact", contact_id=stage.BEN) == "unknown_outcome"
        stage.sandbox.faults.clear()
        await stage.call(meanwhile[0], **meanwhile[1])
        await anyio.sleep(IN_FLIGHT)
        assert await states(stage) == ["done"]
        facts = await stage.ok("undo_change", change_id=1)
        assert (facts["status"], facts["contact"]["is_opted_out"]) == ("undone", True)
        assert one_has(BEN, first="Ben", is_opted_out=True)(stage.people())


async def test_a_contact_on_the_number_of_a_late_deletion_arrives_opted_out(open_stage: OpenStage) -> None:
    async with open_stage(confirm="off", call_timeout=PATIENT) as stage:
        lose(stage, "delete_contact", late=AT_MOST)
        assert await stage.kind_of("delete_contact", contact_id=stage.BEN) == "unknown_outcome"
        stage.sandbox.faults.clear()
        facts = await stage.ok("create_contact", phone=BEN, first="Cleo")
        assert (facts["status"], facts["contact"]["is_opted_out"]) == ("created", True)
        assert facts["note_kinds"] == ["arrived_opted_out"]


# A 2xx that did nothing is not done


@dataclass(frozen=True, kw_only=True)
class Nothing:
    """A call whose write is answered and not carried out."""

    operation: str
    call: tuple[str, dict[str, Any]]
    before: tuple[tuple[str, dict[str, Any]], ...] = field(default=())


PRETENDED = {
    "update": Nothing(operation="update_contact", call=update(first="Ann")),
    "opt-out": Nothing(operation="update_contact", call=update(is_opted_out=True)),
    "opt-in": Nothing(operation="update_contact", call=update(Stage.BEN, is_opted_out=False, consent=CONSENT)),
    "clear": Nothing(operation="update_contact", call=update(clear=["email", "Plan"])),
    "move": Nothing(operation="update_contact", call=update(new_phone=NEW)),
    "create-or-fill": Nothing(operation="update_contact", call=create(ADA, avatar=PICTURE, if_exists="fill")),
    "create": Nothing(operation="create_contact", call=create(first="Cleo")),
    "delete": Nothing(operation="delete_contact", call=("delete_contact", {"contact_id": Stage.ADA})),
    "undo-update": Nothing(
        operation="update_contact", call=("undo_change", {"change_id": 1}), before=(update(first="Ann"),)
    ),
    "undo-delete": Nothing(
        operation="create_contact",
        call=("undo_change", {"change_id": 1}),
        before=(("delete_contact", {"contact_id": Stage.BEN}),),
    ),
    "undo-create": Nothing(
        operation="delete_contact", call=("undo_change", {"change_id": 1}), before=(create(first="Cleo"),)
    ),
}
DATED: dict[str, dict[str, Any]] = {
    "dated": {},
    "by-updated": {"sends_rev": False},
    "undated": {"sends_rev": False, "sends_updated": False},
}
Again = Callable[[Stage], Awaitable[Any]]


@pytest.mark.parametrize("behaviour", DATED.values(), ids=DATED)
@pytest.mark.parametrize("rev", ["grown", "same", "none"])
@pytest.mark.parametrize("case", PRETENDED.values(), ids=PRETENDED)
async def test_a_write_that_was_accepted_and_did_nothing_is_not_called_done(
    open_stage: OpenStage, case: Nothing, rev: Any, behaviour: dict[str, Any]
) -> None:
    """Once that is known, it can be asked for again."""
    async with open_stage(confirm="off", call_timeout=PATIENT, behaviour=behaviour) as stage:
        for tool, arguments in case.before:
            await stage.ok(tool, **arguments)
        await anyio.sleep(IN_FLIGHT)
        people, known = stage.people(), len(case.before)
        stage.sandbox.faults.add(Fault(case.operation, "pretend", pretended_rev=rev))
        kind = await stage.kind_of(case.call[0], **case.call[1])
        assert kind in ("not_done", "unknown_outcome")
        assert stage.people() == people
        says_so = case.operation == "update_contact" and rev == "same" and behaviour.get("sends_rev", True)
        assert (kind == "not_done") == says_so
        await anyio.sleep(IN_FLIGHT)
        state = (await states(stage))[0]
        is_dated = case.operation != "update_contact" or behaviour.get("sends_updated", True)
        assert state == ("not_done" if is_dated else "unknown")
        facts = await stage.ok(case.call[0], **case.call[1])
        assert facts["status"] in ("created", "updated", "deleted", "undone")
        assert facts["change_id"] == known + 2
        assert stage.people() != people


@pytest.mark.parametrize("when", ["while it is sent", "afterwards"])
async def test_a_journal_that_is_deleted_forgets_no_write_that_may_still_arrive(
    open_stage: OpenStage, when: str
) -> None:
    async with open_stage() as stage:

        def delete_it() -> None:
            for file in stage.room.glob("journal*"):
                file.unlink()

        async def before(request: Any) -> None:
            if request.method == "PUT":
                stage.wire.before = None
                delete_it()

        stage.wire.before = before if when == "while it is sent" else None
        lose(stage, "update_contact")
        assert await stage.kind_of("update_contact", contact_id=stage.ADA, first="Ann") == "unknown_outcome"
        if when == "afterwards":
            delete_it()
        assert await stage.kind_of("update_contact", contact_id=stage.ADA, last="New") == "may_still_arrive"
