"""A merge that is struck at any of its writes is finished by the same call, or taken back: nothing is lost either way.

Time takes no time. Guards `contacts_mcp/book/search/merge.py` and the undo of a merge.
"""

from __future__ import annotations

from typing import Any

import anyio
import httpx
import pytest
from support import Backend, OpenStage, Stage

from contacts_mcp.book.book import Book
from contacts_mcp.book.history.undo import undo
from contacts_mcp.book.search.merge import Merged, merge
from contacts_mcp.errors import ContactsError, Refused
from contacts_mcp.sandbox import Fault, Lag

LATE = 6.0  # seconds
MOST_CALLS = 4
WRITES = {"the update": ("update_contact", 0), "a deletion": ("delete_contact", 0), "the last": ("delete_contact", 1)}
FAULTS: dict[str, dict[str, Any]] = {
    "500": {"kind": "status"},
    "500-after": {"kind": "status_after"},
    "drop": {"kind": "drop_before"},
    "drop-after": {"kind": "drop_after"},
    "late": {"kind": "drop_before", "late": LATE},
    "late-500": {"kind": "status", "late": LATE},
    "silence": {"kind": "silence"},
    "forbidden": {"kind": "status", "status": 403},
    "pretend": {"kind": "pretend"},
    "lag": {"kind": "lag", "lag": Lag(seconds=2.0)},
}


@pytest.fixture
def anyio_backend(hurried: Backend) -> Backend:
    return hurried


def third(stage: Stage) -> int:
    known = {"created": "2026-01-01T00:00:00Z", "updated": "2026-01-01T00:00:00Z"}
    added: int = stage.sandbox.store.add_contact(
        phone="15105550103", first="Ada", last="Example", custom={"36": "Dana"}, tags=[103], **known
    )
    return added


async def merged(book: Book, keep: int, others: list[int]) -> Merged:
    plan = await merge(book, keep, others)
    return plan if plan.status == "unchanged" else await merge(book, keep, others, confirm_token=plan.confirm_token)


async def taken_back(book: Book, change_id: int) -> None:
    try:
        await undo(book, change_id)
    except Refused as refused:
        if refused.kind != "change_not_done":  # it was the only write, and it was not carried out
            raise


def lasting(stage: Stage) -> dict[str, Any]:
    moving = ("id", "uuid", "rev", "created", "updated", "is_opted_out")
    return {
        person["phone"]: {name: value for name, value in person.items() if name not in moving}
        for person in stage.sandbox.store.contacts()
    }


def strike(stage: Stage, write: str, fault: str) -> None:
    operation, skip = WRITES[write]
    stage.sandbox.faults.add(Fault(operation, skip=skip, times=1 if "late" in FAULTS[fault] else 2, **FAULTS[fault]))


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("write", WRITES)
async def test_the_same_call_finishes_a_merge_that_was_struck(open_stage: OpenStage, write: str, fault: str) -> None:
    async with open_stage() as stage:
        cleo = third(stage)
        strike(stage, write, fault)
        for _ in range(MOST_CALLS):
            try:
                done = await merged(await stage.book(), Stage.ADA, [Stage.BEN, cleo])
            except ContactsError:
                assert stage.sandbox.store.contact(Stage.ADA) is not None
                stage.sandbox.faults.clear()
                stage.restart()
            else:
                break
        assert done.status in ("merged", "unchanged")
        await anyio.sleep(2 * LATE)
        people = stage.people()
        assert [*people] == [Stage.ADA]
        assert people[Stage.ADA]["custom"] == {"31": "Gold", "33": "Oakland", "36": "Dana"}
        assert people[Stage.ADA]["is_opted_out"] is True


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("write", WRITES)
async def test_a_merge_that_was_struck_is_taken_back(open_stage: OpenStage, write: str, fault: str) -> None:
    async with open_stage() as stage:
        cleo = third(stage)
        before = lasting(stage)
        strike(stage, write, fault)
        try:
            await merged(await stage.book(), Stage.ADA, [Stage.BEN, cleo])
        except ContactsError:
            stage.sandbox.faults.clear()
            stage.restart()
        await anyio.sleep(2 * 60.0)  # nothing is on its way any more
        book = await stage.book()
        done = [entry for entry in await book.journal.entries() if entry.merge]
        await taken_back(book, done[0].change_id)
        assert lasting(stage) == before


async def test_a_call_that_is_given_up_in_the_middle_is_gone_on_with(open_stage: OpenStage) -> None:
    """The client went away during the first deletion. The deletion itself is carried out, and nothing after it."""
    async with open_stage() as stage:
        cleo = third(stage)
        book = await stage.book()
        plan = await merge(book, Stage.ADA, [Stage.BEN, cleo])
        with anyio.CancelScope() as scope:

            async def give_up(request: httpx.Request) -> None:
                if request.method == "DELETE":
                    stage.wire.before = None
                    scope.cancel()

            stage.wire.before = give_up
            await merge(book, Stage.ADA, [Stage.BEN, cleo], confirm_token=plan.confirm_token)
        assert [*stage.people()] == [Stage.ADA, cleo]
        stage.restart()
        done = await merged(await stage.book(), Stage.ADA, [Stage.BEN, cleo])
        assert (done.status, done.deleted) == ("merged", (cleo,))
        assert [*stage.people()] == [Stage.ADA]


async def test_two_servers_that_merge_the_same_contacts_delete_none_twice_and_keep_one(open_stage: OpenStage) -> None:
    """The one keeps Ada, the other Ben, at the same moment. One of them comes too late."""
    async with open_stage() as stage:
        book = await stage.book()
        plans = {(a, b): await merge(book, a, [b]) for a, b in ((Stage.ADA, Stage.BEN), (Stage.BEN, Stage.ADA))}
        ends: list[str] = []

        async def go(keep: int, other: int) -> None:
            try:
                done = await merge(book, keep, [other], confirm_token=plans[keep, other].confirm_token)
                ends.append(done.status)
            except ContactsError as error:
                ends.append(error.kind)

        async with anyio.create_task_group() as tasks:
            for pair in plans:
                tasks.start_soon(go, *pair)
        assert sorted(ends) == ["merged", "not_found"]
        assert len(stage.people()) == 1


async def test_a_contact_that_somebody_wrote_a_note_on_meanwhile_is_not_deleted(open_stage: OpenStage) -> None:
    """The values that a merge can take over are the same. `rev` tells that something else is not."""
    async with open_stage(confirm="off") as stage:
        cleo = third(stage)

        async def before(request: httpx.Request) -> None:
            if request.method == "PUT":
                stage.sandbox.store.touch(cleo)

        stage.wire.before = before
        refusal = await stage.refusal("merge_contacts", keep=stage.ADA, others=[cleo])
        assert (refusal["kind"], cleo in stage.people()) == ("merge_stopped", True)


async def test_an_error_in_the_middle_does_not_say_that_nothing_was_changed(open_stage: OpenStage) -> None:
    async with open_stage(confirm="off") as stage:
        cleo = third(stage)

        async def after(request: httpx.Request) -> None:
            if request.method == "PUT":
                stage.wire.after = None
                stage.sandbox.faults.add(Fault("get_contact", "status", skip=1, times=-1))

        stage.wire.after = after
        said = await stage.refused("merge_contacts", keep=stage.ADA, others=[cleo])
        assert "The merge stopped in the middle" in said
        assert "Nothing was changed" not in said


async def test_a_merge_of_which_only_the_opt_out_is_left_is_not_called_taken_back(open_stage: OpenStage) -> None:
    """The opt-out came late, and the deletion never. Nobody is opted in by an undo, so nothing is sent."""
    async with open_stage(confirm="off", call_timeout=120) as stage:
        stage.sandbox.store.touch(stage.BEN, custom={}, first="Ada")
        stage.sandbox.faults.add(Fault("update_contact", "drop_before", late=LATE))
        stage.sandbox.faults.add(Fault("update_contact", "drop_before"))
        assert await stage.kind_of("merge_contacts", keep=stage.ADA, others=[stage.BEN]) == "unknown_outcome"
        await anyio.sleep(60)
        facts = await stage.ok("undo_change", change_id=1)
        assert (facts["status"], facts["note_kinds"]) == ("unchanged", ["opt_out_stays", "nothing_sent"])
        assert stage.people()[stage.ADA]["is_opted_out"] is True
