"""Somebody else writes at the same moment: no answer claims their work as ours, and none denies work of ours that they undid.

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
from contacts_mcp.sandbox import Fault
from contacts_mcp.state.journal import IN_FLIGHT, Entry

PHONE = "12125550142"


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
    begun = book.journal.begin(begun)
    book.journal.finish(replace(begun, state="unknown"))
    return int(begun.change_id)


async def state_of(stage: Stage, change_id: int) -> str:
    """What looking tells once nothing can be on its way any more."""
    await anyio.sleep(IN_FLIGHT + 1)
    return str(
        next(entry["state"] for entry in (await stage.ok("list_changes"))["changes"] if entry["change_id"] == change_id)
    )


@pytest.mark.parametrize("kind", ["status", "html", "drop_before"])
async def test_a_contact_that_somebody_else_made_is_not_called_created(open_stage: OpenStage, kind: Any) -> None:
    async with open_stage() as stage:
        stage.sandbox.faults.add(Fault("create_contact", kind))

        async def quicker(request: httpx.Request) -> None:
            if request.url.path == "/v1/contact":
                stage.sandbox.store.add_contact(phone=PHONE, first="Somebody's")

        stage.wire.before = quicker
        said = text_of(await stage.call("create_contact", phone=f"+{PHONE}", first="Cleo"))
        assert "somebody else" in said
        stage.wire.before = None
        assert (await stage.ok("list_changes"))["changes"][0]["state"] == "unknown"


async def test_a_create_whose_contact_was_deleted_since_is_not_called_not_carried_out(open_stage: OpenStage) -> None:
    async with open_stage(confirm="off") as stage:
        change_id = await unfinished(stage, "create", phone=PHONE, first="Cleo")
        made = stage.sandbox.store.add_contact(phone=PHONE, first="Cleo")
        await stage.ok("delete_contact", contact_id=made)
        assert await state_of(stage, change_id) == "unknown"


async def test_a_create_whose_contact_was_given_another_phone_since_is_not_called_not_carried_out(
    open_stage: OpenStage,
) -> None:
    async with open_stage() as stage:
        change_id = await unfinished(stage, "create", phone=PHONE, first="Cleo")
        made = stage.sandbox.store.add_contact(phone=PHONE, first="Cleo")
        await stage.ok("update_contact", contact_id=made, new_phone="+12125550143")
        assert await state_of(stage, change_id) == "unknown"


async def test_a_deletion_that_a_later_one_made_is_not_claimed_twice(open_stage: OpenStage) -> None:
    async with open_stage(confirm="off") as stage:
        change_id = await unfinished(stage, "delete")
        later = (await stage.ok("delete_contact", contact_id=stage.ADA))["change_id"]
        assert await state_of(stage, change_id) == "not_done"
        assert await state_of(stage, later) == "done"


async def test_an_update_that_a_later_one_made_is_not_claimed_twice(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        change_id = await unfinished(stage, "update", first="Grace")
        await stage.ok("update_contact", contact_id=stage.ADA, first="Grace")
        assert await state_of(stage, change_id) == "not_done"


async def test_an_update_that_a_later_one_found_made_is_done_whatever_came_of_it_then(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        change_id = await unfinished(stage, "update", first="Grace")
        stage.sandbox.store.touch(stage.ADA, first="Grace")
        await stage.ok("update_contact", contact_id=stage.ADA, first="Ada")
        assert await state_of(stage, change_id) == "done"


@pytest.mark.parametrize(
    "call",
    [("update_contact", {"last": "New"}), ("create_contact", {"last": "New", "if_exists": "update"})],
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
