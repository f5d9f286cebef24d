"""A tag that does not exist yet is asked for once a minute, and called made only where Heymarket said or shows so.

The request for it is lost, carried out late or refused. Guards `contacts_mcp/book/people/new_tags.py`.
"""

from __future__ import annotations

import anyio
import httpx
import pytest
from support import Assistant, Backend, OpenStage, Stage, text_of

from contacts_mcp.sandbox import Fault, FaultKind
from contacts_mcp.state.journal import IN_FLIGHT

NEW, OTHER = "Winback", "Cold"
LATE = 6.0  # seconds


@pytest.fixture
def anyio_backend(hurried: Backend) -> Backend:
    return hurried


def asked_for(stage: Stage) -> int:
    return sum(request.operation == "create_tag" for request in stage.sandbox.requests)


def tags(stage: Stage) -> list[str]:
    return [tag["tag"] for tag in stage.sandbox.store.tags()]


ASK = {"contact_id": Stage.ADA, "add_tags": [NEW], "create_missing_tags": True}


@pytest.mark.parametrize("where", ["the same server", "restarted", "another process"])
@pytest.mark.parametrize("kind", ["drop_before", "status", "html", "silence"])
async def test_a_tag_that_may_still_come_is_not_asked_for_again(
    open_stage: OpenStage, kind: FaultKind, where: str
) -> None:
    async with open_stage() as stage:
        stage.sandbox.faults.add(Fault("create_tag", kind, late=LATE))
        refusal = await stage.refusal("update_contact", **ASK)
        assert refusal["kind"] == "tag_not_made"
        assert "was made" not in refusal["message"]
        if where == "restarted":
            stage.restart()
        if where == "another process":
            async with stage.another_server() as other:
                assert await other.kind_of("update_contact", **ASK) == "may_still_arrive"
        else:
            assert await stage.kind_of("update_contact", **ASK) == "may_still_arrive"
        assert asked_for(stage) == 1
        await anyio.sleep(IN_FLIGHT)
        facts = await stage.ok("update_contact", **ASK)
        assert NEW in facts["contact"]["tags"]
        assert (asked_for(stage), tags(stage).count(NEW)) == (1, 1)


async def test_a_tag_that_did_not_come_is_asked_for_again_after_a_minute(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        stage.sandbox.faults.add(Fault("create_tag", "drop_before"))
        assert await stage.kind_of("update_contact", **ASK) == "tag_not_made"
        await anyio.sleep(IN_FLIGHT)
        assert NEW in (await stage.ok("update_contact", **ASK))["contact"]["tags"]


async def test_a_tag_that_was_refused_may_be_asked_for_again_at_once(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        stage.sandbox.faults.add(Fault("create_tag", "status", status=403))
        assert await stage.kind_of("update_contact", **ASK) == "forbidden"
        assert NEW in (await stage.ok("update_contact", **ASK))["contact"]["tags"]


async def test_an_error_after_the_first_of_two_tags_tells_of_it(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        stage.sandbox.faults.add(Fault("create_tag", "status", skip=1, status=403))
        said = await stage.refused("update_contact", **ASK | {"add_tags": [NEW, OTHER]})
        assert f'The tag "{NEW}" was made' in said
        assert OTHER not in said


async def test_an_error_after_a_tag_does_not_say_that_nothing_was_changed(open_stage: OpenStage) -> None:
    async with open_stage() as stage:

        async def after(request: httpx.Request) -> None:
            if request.url.path == "/v1/tag":
                stage.sandbox.faults.add(Fault("list_tags", "status", times=-1))

        stage.wire.after = after
        said = text_of(await stage.call("update_contact", **ASK))
        assert f'The tag "{NEW}" was made' in said
        assert "Nothing was changed" not in said


async def test_two_servers_that_want_the_same_tag_at_once_make_one(open_stage: OpenStage) -> None:
    async with open_stage() as stage, stage.another_server() as other:
        ends: list[str] = []

        async def ask(server: Assistant, contact_id: int) -> None:
            ends.append(await server.kind_of("update_contact", **ASK | {"contact_id": contact_id}))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, stage, Stage.ADA)
            tasks.start_soon(ask, other, Stage.BEN)
        assert (ends, asked_for(stage), tags(stage).count(NEW)) == (["updated", "updated"], 1, 1)
