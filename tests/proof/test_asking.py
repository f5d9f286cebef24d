"""A confirmation is put to the person where the client can do that, in both eras, and only the shown action is done.

Guards `contacts_mcp/server/confirming.py` and `contacts_mcp/server/asking.py`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp.server.elicitation import render_elicitation_schema
from mcp_types import ElicitRequestFormParams, ElicitResult, InputRequiredResult
from mcp_types._v2025_11_25 import ElicitRequestFormParams as StrictFormParams
from support import Backend, OpenStage, text_of

from contacts_mcp.book.confirmations import LIFETIME
from contacts_mcp.server.asking import ANSWERABLE, PATIENCE_SHARE, Approval
from contacts_mcp.server.server import build_server

ERAS = ("auto", "legacy")
Person = Callable[[Any, ElicitRequestFormParams], Awaitable[ElicitResult]]


@pytest.fixture
def anyio_backend(hurried: Backend) -> Backend:
    return hurried


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def person(
    action: str, content: Any = None, *, seen: list[ElicitRequestFormParams] | None = None, after: float = 2.0
) -> dict[str, Any]:
    """A client whose user always answers the same, `after` so many seconds."""

    async def answer(_: Any, params: ElicitRequestFormParams) -> ElicitResult:
        if seen is not None:
            seen.append(params)
        await anyio.sleep(after)
        return ElicitResult(action=action, content=content)

    return {"elicitation_callback": answer}


YES = {"approve": True}


async def test_a_yes_does_it_in_one_call(era: str, open_stage: OpenStage) -> None:
    seen: list[ElicitRequestFormParams] = []
    async with open_stage(mode=era, client=person("accept", YES, seen=seen)) as stage:
        facts = await stage.ok("delete_contact", contact_id=2)
        assert facts["status"] == "deleted"
        assert stage.sandbox.store.contact(2) is None
        assert len(seen) == 1
        assert "Ben Example" in seen[0].message
        assert "+15105550102" in seen[0].message


async def test_a_yes_opts_in_and_the_journal_keeps_the_consent(era: str, open_stage: OpenStage) -> None:
    seen: list[ElicitRequestFormParams] = []
    async with open_stage(mode=era, client=person("accept", YES, seen=seen)) as stage:
        facts = await stage.ok(
            "update_contact", contact_id=2, is_opted_out=False, consent="Asked by phone on 2026-03-04"
        )
        assert facts["status"] == "updated"
        assert stage.sandbox.store.contact(2)["is_opted_out"] is False
        assert "Asked by phone on 2026-03-04" in seen[0].message
        assert (await (await stage.book()).journal.entries())[0].consent == "Asked by phone on 2026-03-04"


@pytest.mark.parametrize(
    ("action", "content"),
    [("decline", None), ("cancel", None), ("accept", {"approve": False}), ("accept", {"approve": "false"})],
    ids=["no", "cancel", "accepted-without-approval", "accepted-with-the-word-false"],
)
async def test_anything_else_from_a_person_is_a_no(action: str, content: Any, era: str, open_stage: OpenStage) -> None:
    async with open_stage(mode=era, client=person(action, content)) as stage:
        people = stage.people()
        facts = await stage.ok("delete_contact", contact_id=2)
        assert facts["status"] == "declined"
        assert "confirm_token" not in facts
        assert stage.people() == people


@pytest.mark.parametrize(
    ("action", "content"), [("decline", None), ("cancel", None), ("accept", YES), ("accept", {"approve": False})]
)
async def test_a_yes_or_no_faster_than_a_person_reads_falls_back_to_the_token(
    action: str, content: Any, era: str, open_stage: OpenStage
) -> None:
    async with open_stage(mode=era, client=person(action, content, after=1.0)) as stage:
        result = await stage.call("delete_contact", contact_id=2)
        facts = result.structured_content
        assert facts["status"] == "needs_confirmation"
        assert facts["note_kinds"][-1] == "nobody_answered"
        assert facts["notes"][-1] in text_of(result)
        done = await stage.ok("delete_contact", contact_id=2, confirm_token=facts["confirm_token"])
        assert done["status"] == "deleted"


@pytest.mark.parametrize(
    "content", [None, {}, {"approve": "perhaps"}, {"other": True}], ids=["nothing", "empty", "neither", "other"]
)
async def test_an_accepted_form_that_is_not_ours_falls_back_to_the_token(
    content: Any, era: str, open_stage: OpenStage
) -> None:
    async with open_stage(mode=era, client=person("accept", content)) as stage:
        people = stage.people()
        facts = await stage.ok("delete_contact", contact_id=2)
        assert facts["status"] == "needs_confirmation"
        assert stage.people() == people


async def test_a_client_that_hangs_falls_back_to_the_token_within_the_calls_deadline(open_stage: OpenStage) -> None:
    """The server waits up to 2025-11-25 only. In later eras the question is an answer, and no server waits."""

    async def hanging(_: Any, __: Any) -> ElicitResult:
        await anyio.sleep_forever()
        raise AssertionError

    async with open_stage(mode="legacy", client={"elicitation_callback": hanging}) as stage:
        started = anyio.current_time()
        facts = await stage.ok("delete_contact", contact_id=2)
        assert facts["status"] == "needs_confirmation"
        assert anyio.current_time() - started == pytest.approx(PATIENCE_SHARE * stage.settings.call_timeout, abs=1)


async def test_a_client_that_fails_at_asking_falls_back_to_the_token(open_stage: OpenStage) -> None:
    async def failing(_: Any, __: Any) -> Any:
        raise RuntimeError

    async with open_stage(mode="legacy", client={"elicitation_callback": failing}) as stage:
        assert (await stage.ok("delete_contact", contact_id=2))["status"] == "needs_confirmation"


async def test_a_client_that_cannot_ask_gets_the_token(era: str, open_stage: OpenStage) -> None:
    async with open_stage(mode=era) as stage:
        facts = await stage.ok("delete_contact", contact_id=2)
        assert facts["status"] == "needs_confirmation"
        assert facts["confirm_token"]


@pytest.mark.parametrize(("confirm", "status"), [("token", "needs_confirmation"), ("off", "deleted")])
async def test_nobody_is_asked_where_the_setting_says_so(
    confirm: str, status: str, era: str, open_stage: OpenStage
) -> None:
    seen: list[ElicitRequestFormParams] = []
    async with open_stage(mode=era, client=person("accept", YES, seen=seen), confirm=confirm) as stage:
        assert (await stage.ok("delete_contact", contact_id=2))["status"] == status
        assert not seen


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("create_contact", {"phone": "+15105553344"}),
        ("update_contact", {"contact_id": 1, "last": "Sample"}),
        ("lookup_contact", {"contact_id": 1}),
        ("delete_contact", {"contact_id": 99}),
    ],
)
async def test_nobody_is_asked_about_what_needs_no_confirmation(
    tool: str, arguments: dict[str, Any], era: str, open_stage: OpenStage
) -> None:
    seen: list[ElicitRequestFormParams] = []
    async with open_stage(mode=era, client=person("accept", YES, seen=seen)) as stage:
        await stage.call(tool, **arguments)
        assert not seen


async def test_a_call_with_a_good_token_is_not_asked_about_again_and_one_with_a_bad_one_is(
    era: str, open_stage: OpenStage
) -> None:
    seen: list[ElicitRequestFormParams] = []
    async with open_stage(mode=era, client=person("decline", seen=seen, after=0.0)) as stage:
        token = (await stage.ok("delete_contact", contact_id=2))["confirm_token"]
        assert len(seen) == 1
        for wrong in (token, "made-up"):
            assert (await stage.ok("delete_contact", contact_id=1, confirm_token=wrong))[
                "status"
            ] == "needs_confirmation"
        assert len(seen) == 3
        assert (await stage.ok("delete_contact", contact_id=2, confirm_token=token))["status"] == "deleted"
        assert len(seen) == 3


async def test_a_made_up_token_does_not_go_around_the_person_who_said_no(era: str, open_stage: OpenStage) -> None:
    async with open_stage(mode=era, client=person("accept", {"approve": False})) as stage:
        for token in ({}, {"confirm_token": "made-up"}):
            answer = await stage.ok("delete_contact", contact_id=2, **token)
            assert answer["status"] == "declined"
            assert "confirm_token" not in answer
        assert stage.BEN in stage.people()


async def test_a_contact_that_changed_while_the_person_read_is_left_alone(era: str, open_stage: OpenStage) -> None:
    """A yes is for the state that was shown. The contact has another one now, so the person gets a fresh preview."""

    async def slow_yes(_: Any, __: Any) -> ElicitResult:
        stage.sandbox.store.touch(2, first="Benjamin", is_opted_out=False)
        await anyio.sleep(2)
        return ElicitResult(action="accept", content={"approve": True})

    async with open_stage(mode=era, client={"elicitation_callback": slow_yes}) as stage:
        result = await stage.call("delete_contact", contact_id=2)
        facts = result.structured_content
        assert facts["status"] == "needs_confirmation"
        assert "changed since" in text_of(result)
        assert facts["contact"]["first"] == "Benjamin"
        assert stage.sandbox.store.contact(2) is not None


@pytest.mark.parametrize("action", ["accept", "decline", "cancel"])
async def test_a_contact_that_is_gone_when_the_answer_comes_is_an_error_whatever_was_answered(
    action: str, era: str, open_stage: OpenStage
) -> None:
    async def late(_: Any, __: Any) -> ElicitResult:
        stage.sandbox.store.delete(2)
        await anyio.sleep(2)
        return ElicitResult(action=action, content=YES if action == "accept" else None)

    async with open_stage(mode=era, client={"elicitation_callback": late}) as stage:
        result = await stage.call("delete_contact", contact_id=2)
        if action == "accept":
            assert result.is_error
            assert result.structured_content["kind"] == "not_found"
        assert await (await stage.book()).journal.entries() == []


async def test_an_answer_carries_its_confirmation_only_to_the_call_it_was_asked_for(open_stage: OpenStage) -> None:
    """The state a client brings back is sealed: with other arguments, or altered, it opens nothing."""
    async with open_stage(client=person("accept", YES)) as stage:
        people = stage.people()
        asked = await stage.client.session.call_tool("delete_contact", {"contact_id": 2}, allow_input_required=True)
        assert isinstance(asked, InputRequiredResult)
        answers = {key: ElicitResult(action="accept", content=YES) for key in asked.input_requests or {}}
        for arguments, state in (
            ({"contact_id": 1}, asked.request_state),
            ({"contact_id": 2}, f"{asked.request_state}x"),
        ):
            with pytest.raises(Exception, match=r"(?i)state"):
                await stage.client.session.call_tool(
                    "delete_contact", arguments, input_responses=answers, request_state=state, allow_input_required=True
                )
        assert stage.people() == people


async def test_an_answer_that_comes_back_without_the_reply_falls_back_to_the_token(open_stage: OpenStage) -> None:
    async with open_stage(client=person("accept", YES)) as stage:
        asked = await stage.client.session.call_tool("delete_contact", {"contact_id": 2}, allow_input_required=True)
        assert isinstance(asked, InputRequiredResult)
        result = await stage.client.session.call_tool(
            "delete_contact", {"contact_id": 2}, request_state=asked.request_state, allow_input_required=True
        )
        assert result.structured_content["status"] == "needs_confirmation"


async def test_the_form_is_one_the_protocol_allows(era: str, open_stage: OpenStage) -> None:
    """The form is flat, with one boolean. It is the same in both eras, and valid by the protocol's own types."""
    seen: list[ElicitRequestFormParams] = []
    async with open_stage(mode=era, client=person("decline", seen=seen, after=0.0)) as stage:
        await stage.call("delete_contact", contact_id=2)
    schema = seen[0].requested_schema
    StrictFormParams.model_validate({"message": "?", "requestedSchema": schema})
    assert schema["type"] == "object"
    assert {name: form["type"] for name, form in schema["properties"].items()} == {"approve": "boolean"}
    assert schema["required"] == ["approve"]
    assert schema == render_elicitation_schema(Approval)


async def test_the_answer_to_a_question_survives_a_restart(open_stage: OpenStage) -> None:
    """The kept key seals the state. The next server of this machine opens it, for as long as the token lives."""
    async with open_stage(client=person("accept", YES), signing_key="k" * 32) as stage:
        asked = await stage.client.session.call_tool("delete_contact", {"contact_id": 2}, allow_input_required=True)
        assert isinstance(asked, InputRequiredResult)
        answers = {key: ElicitResult(action="accept", content=YES) for key in asked.input_requests or {}}
        await anyio.sleep(800)
        stage.restart()
        restarted = build_server(stage.settings, workspace=stage)
        async with Client(restarted, **person("accept", YES)) as client:
            done = await client.session.call_tool(
                "delete_contact", {"contact_id": 2}, input_responses=answers, request_state=asked.request_state
            )
        assert done.structured_content["status"] == "deleted"
        assert stage.sandbox.store.contact(2) is None


def test_a_question_may_be_answered_for_as_long_as_its_token_lives() -> None:
    assert ANSWERABLE == LIFETIME


LIST = "Phone,First\n5105550181,Ines\n5105550182,Rui"


async def test_a_yes_to_a_plan_carries_that_plan_out_in_one_call(era: str, open_stage: OpenStage) -> None:
    seen: list[ElicitRequestFormParams] = []
    async with open_stage(mode=era, client=person("accept", YES, seen=seen)) as stage:
        facts = await stage.ok("import_contacts", text=LIST)
        assert (facts["status"], facts["outcomes"]) == ("done", {"done": 2})
        assert len(seen) == 1
        assert "create 2 contacts" in seen[0].message
        assert len(stage.people()) == 4


async def test_a_no_to_a_plan_changes_nothing(era: str, open_stage: OpenStage) -> None:
    async with open_stage(mode=era, client=person("decline")) as stage:
        before = stage.people()
        facts = await stage.ok("import_contacts", text=LIST)
        assert facts["status"] == "declined"
        assert stage.people() == before
