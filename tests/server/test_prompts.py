"""Prompts, resources and completions as a client sees them, in both eras."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS, PromptReference, ResourceTemplateReference
from support import Session

from contacts_mcp.sandbox import Fault
from contacts_mcp.server.prompts import PromptFile, load_prompts

PROMPTS = {prompt.name: prompt for prompt in load_prompts()}


def given(prompt: PromptFile) -> dict[str, str]:
    return {argument.name: f"<{argument.name}>" for argument in prompt.arguments}


def test_the_prompts_of_the_design_are_there() -> None:
    assert PROMPTS.keys() >= {
        "add-a-contact",
        "update-from-notes",
        "clean-up-a-contact",
        "find-someone",
        "review-opt-outs",
        "onboarding",
    }


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS)
def test_every_argument_of_a_prompt_has_its_place_in_the_text(prompt: PromptFile) -> None:
    text = prompt.render(**given(prompt))
    assert all(value in text for value in given(prompt).values())
    assert "${" not in text


async def test_every_prompt_is_listed_with_its_arguments_and_can_be_had(session: Session) -> None:
    listed = (await session.client.list_prompts()).prompts
    assert {prompt.name for prompt in listed} == PROMPTS.keys()
    for prompt in listed:
        assert prompt.title
        assert prompt.description
        got = await session.client.get_prompt(prompt.name, given(PROMPTS[prompt.name]))
        assert got.messages[0].content.text == PROMPTS[prompt.name].render(**given(PROMPTS[prompt.name]))


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("add-a-contact", {}, "needs details"),
        ("update-from-notes", {"contact": "Sam"}, "needs notes"),
        ("onboarding", {"tag": "VIP"}, "takes no arguments"),
        ("find-someone", {"description": "x", "colour": "red"}, 'got "colour"'),
        ("find-somebody", {}, "There is no prompt"),
    ],
)
async def test_a_wrong_prompt_or_argument_is_invalid_params(
    session: Session, name: str, arguments: dict[str, str], said: str
) -> None:
    with pytest.raises(MCPError, match=said) as refused:
        await session.client.get_prompt(name, arguments)
    assert refused.value.error.code == INVALID_PARAMS


async def read(session: Session, uri: str) -> Any:
    (content,) = (await session.client.read_resource(uri)).contents
    assert content.mime_type == "application/json"
    return json.loads(content.text)


async def test_the_resources_tell_the_accounts_vocabulary(session: Session) -> None:
    assert {"id": 31, "name": "Plan"} in await read(session, "contacts://fields")
    assert {"id": 37, "name": "field 37"} in await read(session, "contacts://fields")
    assert {"id": 101, "name": "VIP"} in await read(session, "contacts://tags")
    assert {"id": 502, "name": "Priya Patel"} in await read(session, "contacts://team")


async def test_a_contact_is_a_resource(session: Session) -> None:
    contact = await read(session, "contacts://contact/1001")
    assert (contact["name"], contact["phone"]) == ("Jordan Rivera", "+15105550100")


@pytest.mark.parametrize("contact_id", ["999999", "sam", "1" * 5000, "%00", "1001/../1002"])
async def test_nobody_is_not_a_resource(session: Session, contact_id: str) -> None:
    with pytest.raises(MCPError) as refused:
        await session.client.read_resource(f"contacts://contact/{contact_id}")
    assert refused.value.error.code == INVALID_PARAMS
    assert session.sandbox.requests == [] or contact_id == "999999"


async def test_an_error_of_a_resource_has_a_kind(session: Session) -> None:
    session.sandbox.faults.add(Fault("*", "status", status=401, times=-1))
    with pytest.raises(MCPError) as refused:
        await session.client.read_resource("contacts://tags")
    assert refused.value.error.code == INTERNAL_ERROR
    assert refused.value.error.data == {"uri": "contacts://tags", "kind": "credentials_refused"}


async def test_changes_and_status_are_resources(session: Session) -> None:
    assert await read(session, "contacts://changes") == {"changes": [], "next_cursor": "", "complete": True}
    await session.ok("update_contact", contact_id=1001, first="Jo")
    (change,) = (await read(session, "contacts://changes"))["changes"]
    assert change["changes"] == [{"field": "first", "before": "Jordan", "after": "Jo"}]
    status = await read(session, "contacts://status")
    assert (status["service"], status["contacts"], status["custom_fields"]) == ("the built-in sandbox", 30, 10)


@pytest.mark.parametrize(
    ("argument", "typed", "values"),
    [
        ("tag", "v", ["VIP"]),
        ("field", "ren", ["Renewal Date"]),
        ("assignee", "dana", ["Dana Lee", "Dana Levy"]),
        ("description", "x", []),
    ],
)
async def test_names_are_completed(session: Session, argument: str, typed: str, values: list[str]) -> None:
    done = await session.client.complete(PromptReference(name="find-someone"), {"name": argument, "value": typed})
    assert done.completion.values == values


async def test_contact_ids_are_completed_from_what_was_changed_lately(session: Session) -> None:
    await session.ok("update_contact", contact_id=1001, first="Jo")
    reference = ResourceTemplateReference(uri="contacts://contact/{id}")
    done = await session.client.complete(reference, {"name": "id", "value": "10"})
    assert done.completion.values == ["1001"]
