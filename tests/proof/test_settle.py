"""A change whose outcome nobody knows is looked up, and the journal claims only what was seen.

The clock of the loop jumps (`benchmarks/hurried.py`), so a minute of waiting takes no time.

Guards `contacts_mcp/book/writing/settle.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest
from support import Backend, OpenStage, Stage, text_of

from contacts_mcp.book.book import Book
from contacts_mcp.book.values import Values, values_of
from contacts_mcp.book.writing.settle import MOST_SETTLED, settle
from contacts_mcp.sandbox import Behaviour, Fault, FaultKind
from contacts_mcp.state.journal import IN_FLIGHT, Entry

LATER = IN_FLIGHT + 1
PHONE = "12125550142"
NEW: Values = {"phone": PHONE, "first": "Cleo", "custom:31": "Gold"}


@pytest.fixture
def anyio_backend(hurried: Backend) -> Backend:
    return hurried


async def left_behind(
    stage: Stage, action: Any, *, state: Any = "begun", contact_id: int | None = None, **wanted: Any
) -> int:
    """An entry as a server leaves it that dies just then."""
    book: Book = await stage.book()
    if contact_id is None:
        begun = await book.journal.begin(Entry(action=action, before={}, wanted=wanted or NEW))
    else:
        contact = await book.api.get_contact(contact_id)
        assert contact
        before = values_of(contact)
        begun = await book.journal.begin(
            Entry(
                action=action,
                contact_id=contact_id,
                before=before,
                wanted=before | wanted if action == "update" else {},
                rev_before=contact.rev,
            )
        )
    if state != "begun":
        await book.journal.finish(replace(begun, state=state))
    return begun.change_id


async def state_of(stage: Stage, change_id: int) -> str:
    """The state that the next server gives it."""
    stage.restart()
    return next(
        entry["state"] for entry in (await stage.ok("list_changes"))["changes"] if entry["change_id"] == change_id
    )


def create(stage: Stage, **members: Any) -> None:
    stage.sandbox.store.add_contact(**({"phone": PHONE, "first": "Cleo", "custom": {"31": "Gold"}} | members))


def change(stage: Stage, **members: Any) -> None:
    stage.sandbox.store.touch(stage.ADA, **members)


def changed_twice(stage: Stage) -> None:
    """The update arrives, and somebody else sets the name back."""
    change(stage, first="Grace")
    change(stage, first="Ada")


def nothing(stage: Stage) -> None: ...


CASES: dict[str, tuple[str, dict[str, Any], Callable[[Any], None], str]] = {
    "created": ("create", {}, create, "done"),
    "not_created": ("create", {}, nothing, "not_done"),
    "created_by_somebody_else": ("create", {}, lambda stage: create(stage, first="Somebody"), "unknown"),
    "updated": ("update", {"first": "Grace"}, lambda stage: change(stage, first="Grace"), "done"),
    "updated_and_more": ("update", {"first": "Grace"}, lambda stage: change(stage, first="Grace", last="Else"), "done"),
    "not_updated": ("update", {"first": "Grace"}, nothing, "not_done"),
    "not_updated_but_else": ("update", {"first": "Grace"}, lambda stage: change(stage, last="Else"), "unknown"),
    "updated_and_set_back": ("update", {"first": "Grace"}, changed_twice, "unknown"),
    "updated_otherwise": ("update", {"first": "Grace"}, lambda stage: change(stage, first="Someone"), "unknown"),
    "half_updated": (
        "update",
        {"first": "Grace", "last": "New"},
        lambda stage: change(stage, first="Grace"),
        "done",
    ),
    "cleared": ("update", {"custom:31": ""}, lambda stage: change(stage, custom={"33": "Oakland"}), "done"),
    "opted_out": ("update", {"is_opted_out": True}, lambda stage: change(stage, is_opted_out=True), "done"),
    "gone": ("update", {"first": "Grace"}, lambda stage: stage.sandbox.store.delete(stage.ADA), "unknown"),
    "deleted": ("delete", {}, lambda stage: stage.sandbox.store.delete(stage.ADA), "done"),
    "not_deleted": ("delete", {}, nothing, "not_done"),
}


@pytest.mark.parametrize("state", ["begun", "unknown"])
@pytest.mark.parametrize(("action", "wanted", "meanwhile", "expected"), CASES.values(), ids=CASES)
async def test_the_next_server_settles_it_by_looking(
    open_stage: OpenStage,
    action: str,
    wanted: dict[str, Any],
    meanwhile: Callable[[Any], None],
    expected: str,
    state: str,
) -> None:
    async with open_stage() as stage:
        change_id = await left_behind(
            stage, action, state=state, contact_id=None if action == "create" else stage.ADA, **wanted
        )
        meanwhile(stage)
        await anyio.sleep(LATER)
        assert await state_of(stage, change_id) == expected
        assert {request.operation for request in stage.sandbox.requests} <= {
            "get_contact",
            "find_contact",
            "search_contacts",
            "list_fields",
            "list_tags",
            "get_team",
        }


@pytest.mark.parametrize(("action", "wanted"), [("create", {}), ("update", {"first": "Grace"}), ("delete", {})])
async def test_what_may_still_arrive_is_not_called_not_done(
    open_stage: OpenStage, action: str, wanted: dict[str, Any]
) -> None:
    async with open_stage() as stage:
        change_id = await left_behind(stage, action, contact_id=None if action == "create" else stage.ADA, **wanted)
        assert await state_of(stage, change_id) == "unknown"
        assert "It is not known whether" in text_of(await stage.call("undo_change", change_id=change_id))
        await anyio.sleep(LATER)
        assert await state_of(stage, change_id) == "not_done"
        assert "was not carried out" in text_of(await stage.call("undo_change", change_id=change_id))


async def test_what_arrives_late_is_found_done_and_can_be_taken_back(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        change_id = await left_behind(stage, "update", contact_id=stage.ADA, first="Grace")
        assert await state_of(stage, change_id) == "unknown"
        change(stage, first="Grace")
        assert (await stage.ok("undo_change", change_id=change_id))["status"] == "undone"
        assert stage.people()[stage.ADA]["first"] == "Ada"


async def test_a_create_that_another_change_made_is_not_claimed_twice(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        change_id = await left_behind(stage, "create")
        await anyio.sleep(LATER)
        made = await stage.ok("create_contact", phone=f"+{PHONE}", first="Cleo", custom_fields={"Plan": "Gold"})
        assert made["status"] == "created"
        assert await state_of(stage, change_id) == "not_done"


async def test_nothing_is_created_while_an_earlier_create_of_the_phone_may_still_arrive(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        change_id = await left_behind(stage, "create")
        text = text_of(await stage.call("create_contact", phone=f"+{PHONE}", first="Cleo"))
        assert f"(change {change_id}) got no answer and may still arrive" in text
        assert stage.sandbox.store.contact_by_phone(PHONE) is None


async def test_an_opt_out_the_service_does_not_show_is_no_reason_for_doubt(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        stage.sandbox.behaviour = Behaviour(requests_per_minute=0, sends_opt_out=False)
        seen = await left_behind(stage, "update", contact_id=stage.ADA, first="Grace", is_opted_out=True)
        change(stage, first="Grace", is_opted_out=True)
        unseen = await left_behind(stage, "update", contact_id=stage.BEN, is_opted_out=True)
        stage.sandbox.store.touch(stage.BEN, is_opted_out=True)
        await anyio.sleep(LATER)
        assert [await state_of(stage, number) for number in (seen, unseen)] == ["done", "unknown"]


async def test_an_undo_that_was_not_completed_is_settled_on_both_its_changes(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        made = await stage.ok("update_contact", contact_id=stage.ADA, first="Grace")
        book = await stage.book()
        contact = await book.api.get_contact(stage.ADA)
        undo = await book.journal.begin(
            Entry(
                action="update",
                contact_id=stage.ADA,
                before=values_of(contact),
                wanted=values_of(contact) | {"first": "Ada"},
                rev_before=contact.rev,
                undoes=made["change_id"],
            )
        )
        change(stage, first="Ada")
        stage.restart()
        again = await stage.ok("undo_change", change_id=made["change_id"])
        assert again["status"] == "unchanged"
        assert f"taken back already, by change {undo.change_id}" in again["notes"][0]


async def test_what_somebody_holds_is_under_way_and_left_alone(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        book = await stage.book()
        update = await left_behind(stage, "update", contact_id=stage.ADA, first="Grace")
        new = await left_behind(stage, "create")
        await anyio.sleep(LATER)
        async with book.locks.phones(PHONE), book.locks.contact(stage.ADA):
            stage.sandbox.requests.clear()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(settle, book)
            assert [(await book.journal.get(number)).state for number in (update, new)] == ["begun", "begun"]
            assert not stage.sandbox.requests
        await settle(book)
        assert [(await book.journal.get(number)).state for number in (update, new)] == ["not_done", "not_done"]


@pytest.mark.parametrize("kind", ["status", "refuse", "drop_before", "stall"])
async def test_while_the_service_is_down_it_stays_open_and_nothing_fails(
    open_stage: OpenStage, kind: FaultKind
) -> None:
    async with open_stage() as stage:
        change_id = await left_behind(stage, "update", contact_id=stage.ADA, first="Grace")
        await anyio.sleep(LATER)
        stage.sandbox.faults.add(Fault("get_contact", kind, times=-1, delay=300))
        assert await state_of(stage, change_id) == "begun"
        stage.sandbox.faults.clear()
        assert await state_of(stage, change_id) == "not_done"


async def test_an_answer_nobody_can_read_does_not_stand_in_the_way_of_the_others(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        unreadable = await left_behind(stage, "update", contact_id=stage.ADA, first="Grace")
        other = await left_behind(stage, "update", contact_id=stage.BEN, first="Grace")
        await anyio.sleep(LATER)
        stage.sandbox.faults.add(Fault("get_contact", "html", times=4))
        assert await state_of(stage, other) == "not_done"
        assert await state_of(stage, unreadable) == "not_done"


async def test_what_looking_cannot_tell_is_not_looked_at_for_ever(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        for _ in range(MOST_SETTLED + 1):
            await left_behind(stage, "update", contact_id=stage.ADA, first="Grace")
        change(stage, first="Someone")
        last = await left_behind(stage, "delete", contact_id=stage.BEN)
        await anyio.sleep(LATER)
        await settle(await stage.book())
        assert await state_of(stage, last) == "not_done"
        stage.sandbox.requests.clear()
        await settle(await stage.book())
        assert not stage.sandbox.requests


async def test_a_call_cut_short_leaves_an_entry_that_the_next_list_settles(
    open_stage: OpenStage, tmp_path: Path
) -> None:
    """The client goes away while the write is on its way. The write is carried out."""
    async with open_stage() as stage:
        stage.sandbox.faults.add(Fault("update_contact", "stall_after", delay=1.5))
        with anyio.move_on_after(1):
            await stage.call("update_contact", contact_id=stage.ADA, first="Grace")
        (entry,) = (await stage.ok("list_changes"))["changes"]
        assert entry["state"] == "done"
        assert stage.people()[stage.ADA]["first"] == "Grace"
