"""Somebody else writes at the same moment. No answer claims their work as ours, or denies our work that they undid.

Guards `contacts_mcp/book/writing/plan.py`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import anyio
import httpx
import pytest
from support import Backend, OpenStage, Stage, text_of

from contacts_mcp.book.values import values_of
from contacts_mcp.sandbox import Fault, FaultKind
from contacts_mcp.state.journal import IN_FLIGHT, Entry

PHONE = "12125550142"
LATER = IN_FLIGHT + 1


@pytest.fixture
def anyio_backend(hurried: Backend) -> Backend:
    return hurried


async def unfinished(stage: Stage, action: Any, **wanted: Any) -> int:
    """An entry of a change of Ada, or of a create, that got no answer."""
    book = await stage.book()
    begun = Entry(action=action, before={}, wanted=wanted)
    if action != "create":
        contact = await book.api.get_contact(stage.ADA)
        before = values_of(contact)
        begun = replace(
            begun, contact_id=stage.ADA, before=before, wanted=before | wanted if wanted else {}, rev_before=contact.rev
        )
    begun = await book.journal.begin(begun)
    await book.journal.finish(replace(begun, state="unknown"))
    return int(begun.change_id)


async def state_of(stage: Stage, change_id: int) -> str:
    """The state that looking finds once no write can be on its way any more."""
    await anyio.sleep(LATER)
    return str(
        next(entry["state"] for entry in (await stage.ok("list_changes"))["changes"] if entry["change_id"] == change_id)
    )


def nobody_can_read(stage: Stage, operation: str, *, skip: int = 0) -> None:
    """One look fails with all its repetitions, and the call goes on without it."""
    stage.sandbox.faults.add(Fault(operation, "html", skip=skip, times=4))


@pytest.mark.parametrize("kind", ["status", "html", "drop_before"])
async def test_a_contact_that_somebody_else_made_is_not_called_created(open_stage: OpenStage, kind: FaultKind) -> None:
    async with open_stage() as stage:
        stage.sandbox.faults.add(Fault("create_contact", kind))

        async def quicker(request: httpx.Request) -> None:
            if request.url.path == "/v1/contact":
                stage.sandbox.store.add_contact(phone=PHONE, first="Somebody's")

        stage.wire.before = quicker
        result = await stage.call("create_contact", phone=f"+{PHONE}", first="Cleo")
        assert result.structured_content["kind"] == "unknown_outcome"
        assert "contact 3 has this phone now, and it may be somebody else's" in text_of(result)
        stage.wire.before = None
        change_id = (await stage.ok("list_changes"))["changes"][0]["change_id"]
        assert await state_of(stage, change_id) == "unknown"


DEPARTURES: dict[str, tuple[str, dict[str, Any]]] = {
    "deleted": ("delete_contact", {}),
    "given-another-phone": ("update_contact", {"new_phone": "+12125550143"}),
}


@pytest.mark.parametrize(("tool", "arguments"), DEPARTURES.values(), ids=DEPARTURES)
async def test_a_create_whose_contact_was_changed_here_since_is_known_from_the_look_before(
    open_stage: OpenStage, tool: str, arguments: dict[str, Any]
) -> None:
    async with open_stage(confirm="off") as stage:
        change_id = await unfinished(stage, "create", phone=PHONE, first="Cleo")
        made = stage.sandbox.store.add_contact(phone=PHONE, first="Cleo")
        await anyio.sleep(LATER)
        await stage.ok(tool, contact_id=made, **arguments)
        assert await state_of(stage, change_id) == "done"


@pytest.mark.parametrize(("tool", "arguments"), DEPARTURES.values(), ids=DEPARTURES)
async def test_a_create_whose_contact_has_left_unseen_is_not_called_not_carried_out(
    open_stage: OpenStage, tool: str, arguments: dict[str, Any]
) -> None:
    async with open_stage(confirm="off") as stage:
        change_id = await unfinished(stage, "create", phone=PHONE, first="Cleo")
        made = stage.sandbox.store.add_contact(phone=PHONE, first="Cleo")
        await anyio.sleep(LATER)
        nobody_can_read(stage, "search_contacts")
        await stage.ok(tool, contact_id=made, **arguments)
        assert await state_of(stage, change_id) == "unknown"


async def test_a_contact_created_by_another_change_is_not_claimed_by_a_lost_create(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        change_id = await unfinished(stage, "create", phone=PHONE, first="Cleo")
        await anyio.sleep(LATER)
        nobody_can_read(stage, "search_contacts")
        assert (await stage.ok("create_contact", phone=f"+{PHONE}", first="Cleo"))["status"] == "created"
        assert await state_of(stage, change_id) == "not_done"


TWICE: dict[str, tuple[str, dict[str, Any], str, dict[str, Any]]] = {
    "update": ("update", {"first": "Grace"}, "update_contact", {"first": "Grace"}),
    "delete": ("delete", {}, "delete_contact", {}),
}


@pytest.mark.parametrize(("action", "wanted", "tool", "arguments"), TWICE.values(), ids=TWICE)
async def test_what_a_later_change_made_is_not_claimed_twice(
    open_stage: OpenStage, action: str, wanted: dict[str, Any], tool: str, arguments: dict[str, Any]
) -> None:
    async with open_stage(confirm="off") as stage:
        change_id = await unfinished(stage, action, **wanted)
        await anyio.sleep(LATER)
        later = (await stage.ok(tool, contact_id=stage.ADA, **arguments))["change_id"]
        assert await state_of(stage, change_id) == "not_done"
        assert await state_of(stage, later) == "done"


@pytest.mark.parametrize(("action", "wanted", "tool", "arguments"), TWICE.values(), ids=TWICE)
async def test_what_a_later_change_made_is_not_claimed_twice_where_no_look_came_between(
    open_stage: OpenStage, action: str, wanted: dict[str, Any], tool: str, arguments: dict[str, Any]
) -> None:
    async with open_stage(confirm="off") as stage:
        change_id = await unfinished(stage, action, **wanted)
        await anyio.sleep(LATER)
        nobody_can_read(stage, "get_contact", skip=1)
        later = (await stage.ok(tool, contact_id=stage.ADA, **arguments))["change_id"]
        assert await state_of(stage, change_id) == "unknown"
        assert await state_of(stage, later) == "done"


@pytest.mark.parametrize("looks", [True, False], ids=["looked-at-between", "found-by-the-later-one"])
async def test_an_update_that_a_later_one_found_made_is_done_whatever_came_of_it_then(
    open_stage: OpenStage, looks: bool
) -> None:
    async with open_stage() as stage:
        change_id = await unfinished(stage, "update", first="Grace")
        stage.sandbox.store.touch(stage.ADA, first="Grace")
        await anyio.sleep(LATER)
        if not looks:
            nobody_can_read(stage, "get_contact", skip=1)
        await stage.ok("update_contact", contact_id=stage.ADA, first="Ada")
        assert await state_of(stage, change_id) == "done"


async def test_a_change_that_was_never_made_does_not_stand_for_a_later_one(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        change_id = await unfinished(stage, "update", first="Grace")
        await anyio.sleep(LATER)
        nobody_can_read(stage, "get_contact", skip=1)
        stage.sandbox.faults.add(Fault("update_contact", "status", status=400))
        assert (await stage.call("update_contact", contact_id=stage.ADA, first="Zed")).is_error
        assert await state_of(stage, change_id) == "not_done"


@pytest.mark.parametrize(
    "call",
    [("update_contact", {"last": "New"}), ("create_contact", {"email": "new@example.com", "if_exists": "fill"})],
    ids=["update", "create"],
)
async def test_a_contact_that_is_given_another_phone_at_this_moment_keeps_it(
    open_stage: OpenStage, call: tuple[str, dict[str, Any]]
) -> None:
    async with open_stage() as stage:
        book = await stage.book()
        answers = []

        async def by_phone() -> None:
            tool, arguments = call
            answers.append(text_of(await stage.call(tool, phone="+15105550101", **arguments)))

        async with anyio.create_task_group() as tasks, book.locks.contact(stage.ADA):
            tasks.start_soon(by_phone)
            await anyio.sleep(1)  # it has found the contact by phone, and waits
            stage.sandbox.store.touch(stage.ADA, phone=PHONE)
        person = stage.people()[stage.ADA]
        assert (person["phone"], person["last"]) == (PHONE, "Example")
        assert "at this very moment" in answers[0]
