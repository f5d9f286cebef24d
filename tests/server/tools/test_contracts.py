"""The catalogue that an assistant reads before its first call:
names, descriptions, schemas and hints of the tools, and their cost.

The snapshot is renewed by `scripts/snapshots`, on purpose only: assistants depend on every word of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from jsonschema import Draft202012Validator
from support import OpenSession, Session, tokens

from contacts_mcp.book.book import STATUSES
from contacts_mcp.config import Settings
from contacts_mcp.errors import AccountError
from contacts_mcp.server.instructions import SENTENCES, instructions_for
from contacts_mcp.server.tools import TOOLS, enabled_tools
from contacts_mcp.server.tools.entry import Scope, ToolEntry
from contacts_mcp.server.tools.schemas import output_schema
from contacts_mcp.server.views.doubles import HEADLINES as OF_A_MERGE
from contacts_mcp.server.views.writes import HEADLINES

SNAPSHOTS = Path(__file__).parents[2] / "snapshots"
README = Path(__file__).parents[3].joinpath("README.md").read_text(encoding="utf-8")
SIX = ("create_contact", "lookup_contact", "update_contact", "delete_contact", "list_contacts", "list_contact_fields")
READING = [
    "lookup_contact",
    "list_contacts",
    "search_contacts",
    "describe_account",
    "find_duplicates",
    "list_contact_fields",
    "list_changes",
    "export_contacts",
]
DELETING = ("delete_contact", "merge_contacts", "undo_change")
HINTS = {"readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint"}
SCALARS = ("string", "integer", "number", "boolean")
# What makes clients drop a server, or read a schema otherwise than it is meant.
FORBIDDEN_KEYWORDS = {
    "anyOf",
    "oneOf",
    "allOf",
    "not",
    "$ref",
    "$defs",
    "definitions",
    "nullable",
    "if",
    "patternProperties",
}

Json = Any
Tool = dict[str, Json]


def schemas_in(schema: Json) -> Iterator[dict[str, Json]]:
    """The schema and every schema inside it."""
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from schemas_in(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from schemas_in(value)


@pytest.fixture
async def catalogue(session: Session) -> list[Tool]:
    listed = (await session.client.list_tools()).tools
    return plain(listed)


def plain(listed: Iterable[Any]) -> list[Json]:
    """Without `_meta` and the chat view, which `tests/view` holds."""
    shown = [item for item in listed if item.name != "view"]
    return [item.model_dump(by_alias=True, exclude_none=True, mode="json", exclude={"meta"}) for item in shown]


def snapshot(name: str) -> Json:
    return json.loads(SNAPSHOTS.joinpath(f"{name}.json").read_text(encoding="utf-8"))


async def test_each_tool_is_as_in_the_snapshot(catalogue: list[Tool]) -> None:
    """Name, title, description, both schemas and the hints. `scripts/snapshots` renews it."""
    assert catalogue == snapshot("tools")


async def test_instructions_prompts_and_resources_are_as_in_their_snapshots(session: Session) -> None:
    client = session.client
    assert client.instructions == snapshot("instructions")
    assert plain((await client.list_prompts()).prompts) == snapshot("prompts")
    assert plain((await client.list_resources()).resources) == snapshot("resources")
    assert plain((await client.list_resource_templates()).resource_templates) == snapshot("resource_templates")


async def test_tools_come_in_the_order_of_the_table(catalogue: list[Tool]) -> None:
    assert [tool["name"] for tool in catalogue] == [tool.name for tool in TOOLS]


async def test_the_catalogue_is_the_same_bytes_every_time(open_session: OpenSession, era: str) -> None:
    """Clients and model vendors cache it, key for key."""
    seen = set()
    for _ in range(2):
        async with open_session(mode=era) as session:
            seen.add((await session.client.list_tools()).model_dump_json(by_alias=True))
    assert len(seen) == 1


async def test_listing_the_tools_asks_nothing_of_the_service(session: Session) -> None:
    session.sandbox.requests.clear()
    await session.client.list_tools()
    assert session.operations == []


# The subset of JSON schema that every client accepts (design, section 3).


async def test_parameters_are_one_object_that_takes_nothing_else(catalogue: list[Tool]) -> None:
    for tool in catalogue:
        assert tool["inputSchema"]["type"] == "object", tool["name"]
        assert tool["inputSchema"]["additionalProperties"] is False, tool["name"]


@pytest.mark.parametrize("side", ["inputSchema", "outputSchema"])
async def test_no_schema_uses_what_clients_stumble_over(catalogue: list[Tool], side: str) -> None:
    for tool in catalogue:
        for schema in schemas_in(tool[side]):
            assert not FORBIDDEN_KEYWORDS & schema.keys(), (tool["name"], schema)
            assert not isinstance(schema.get("type"), list), (tool["name"], schema)
            assert schema.get("type") != "null", (tool["name"], schema)
            assert schema.get("default", ...) is not None, (tool["name"], schema)
            assert None not in schema.get("enum", []), (tool["name"], schema)


async def test_each_parameter_is_a_scalar_an_array_of_scalars_or_a_flat_object_of_strings(
    catalogue: list[Tool],
) -> None:
    for tool in catalogue:
        for name, schema in tool["inputSchema"]["properties"].items():
            match schema["type"]:
                case "array":
                    assert schema["items"]["type"] in SCALARS, (tool["name"], name)
                case "object":
                    assert schema["additionalProperties"] == {"type": "string"}, (tool["name"], name)
                case scalar:
                    assert scalar in SCALARS, (tool["name"], name)


async def test_each_parameter_is_described(catalogue: list[Tool]) -> None:
    for tool in catalogue:
        for name, schema in tool["inputSchema"]["properties"].items():
            assert schema.get("description", "").strip(), (tool["name"], name)


async def test_each_tool_is_described_on_one_line(catalogue: list[Tool]) -> None:
    """Descriptions are not dedented on Python 3.11, so a second line would carry its indent along."""
    for tool in catalogue:
        assert tool["description"].strip() == tool["description"] != ""
        assert "\n" not in tool["description"]


async def test_each_schema_is_valid_itself(catalogue: list[Tool]) -> None:
    for tool in catalogue:
        Draft202012Validator.check_schema(tool["inputSchema"])
        Draft202012Validator.check_schema(tool["outputSchema"])


async def test_an_output_schema_has_no_part_that_says_nothing(catalogue: list[Tool]) -> None:
    """Kinds of notes and the facts for reading are answered and not published. An array has items with members."""
    for tool in catalogue:
        members = tool["outputSchema"]["properties"]
        assert not {"note_kinds", "about", "sources", "losses"} & {*members}, tool["name"]
        assert all("properties" in one["items"] for one in members.values() if "items" in one), tool["name"]


async def test_names_are_short_and_plain(catalogue: list[Tool]) -> None:
    for tool in catalogue:
        assert len(tool["name"]) <= 40
        assert tool["name"].replace("_", "").isalpha()
        assert tool["title"]


async def test_all_four_hints_are_given(catalogue: list[Tool]) -> None:
    """The protocol's defaults are destructive and open-world, so nothing is left to them."""
    for tool in catalogue:
        assert tool["annotations"].keys() >= HINTS, tool["name"]


async def test_the_hints_say_what_the_tools_do(catalogue: list[Tool]) -> None:
    hints = {tool["name"]: tool["annotations"] for tool in catalogue}
    assert [name for name, hint in hints.items() if hint["readOnlyHint"]] == READING
    assert [name for name, hint in hints.items() if hint["destructiveHint"]] == [
        "update_contact",
        "delete_contact",
        "merge_contacts",
        "undo_change",
        "import_contacts",
        "update_contacts",
    ]
    assert all(hint["openWorldHint"] for hint in hints.values())


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_a_tool_needs_the_scopes_of_what_it_does(tool: ToolEntry) -> None:
    assert tool.reads_only == (tool.name in READING)
    assert ("contacts:delete" in tool.scopes) == (tool.name in DELETING)
    assert {*tool.scopes} <= {*get_args(Scope)}


async def test_the_statuses_of_a_change_are_published(catalogue: list[Tool]) -> None:
    """Each tool publishes the statuses that it can have."""
    published: dict[str, list[str]] = {}
    for tool in catalogue:
        if status := tool["outputSchema"]["properties"].get("status"):
            published[tool["name"]] = status["enum"]
    assert [*published] == [tool.name for tool in TOOLS if not tool.reads_only]
    of_runs = {"planned", "planning", "running", "stopped", "done"}
    assert {status for statuses in published.values() for status in statuses} - of_runs == {*STATUSES, *OF_A_MERGE}
    assert {*HEADLINES} == {*STATUSES}


# What it costs (design, section 3: bytes divided by four).


async def test_the_catalogue_costs_at_most_5300_tokens(catalogue: list[Tool]) -> None:
    assert tokens(catalogue) <= 5_300


async def test_the_catalogue_without_the_tools_for_many_contacts_costs_at_most_4300_tokens(
    catalogue: list[Tool],
) -> None:
    many = {tool.name for tool in TOOLS if tool.group == "transfer"}
    assert tokens([tool for tool in catalogue if tool["name"] not in many]) <= 4_300


async def test_an_office_leaves_the_tools_for_many_contacts_out_by_the_setting_that_the_readme_names(
    open_session: OpenSession, era: str, catalogue: list[Tool]
) -> None:
    """The catalogue is then under 4,300 tokens, by as much as the readme says. No text speaks of these tools."""
    (named,) = re.findall(r"`CONTACTS_MCP_TOOLS=([\w,]+)`", README)
    many = {tool.name for tool in TOOLS if tool.group == "transfer"}
    async with open_session(mode=era, tools=named.split(",")) as session:
        listed = plain((await session.client.list_tools()).tools)
        said = session.client.instructions
    assert [tool["name"] for tool in listed] == [tool.name for tool in TOOLS if tool.name not in many]
    assert tokens(listed) < 4_300
    (saved,) = re.findall(r"reads about ([\d,]+) tokens less", README)
    assert tokens(catalogue) - tokens(listed) == pytest.approx(int(saved.replace(",", "")), abs=100)
    assert not [name for name in many if names(said, name)]


async def test_the_six_tools_cost_at_most_2600_tokens(catalogue: list[Tool]) -> None:
    assert tokens([tool for tool in catalogue if tool["name"] in SIX]) <= 2_600


async def test_one_tool_costs_at_most_600_tokens(catalogue: list[Tool]) -> None:
    assert {tool["name"]: cost for tool in catalogue if (cost := tokens(tool)) > 600} == {}


async def test_instructions_are_served_and_cost_at_most_400_tokens(session: Session) -> None:
    assert session.client.instructions == instructions_for([tool.name for tool in TOOLS])
    assert tokens(session.client.instructions) < 400


def names(text: str, tool: str) -> bool:
    """Whether a text names a tool. The name of one may be the beginning of another's."""
    return re.search(rf"\b{tool}\b", text) is not None


@pytest.mark.parametrize("tool", TOOLS, ids=lambda tool: tool.name)
def test_instructions_speak_of_no_tool_that_is_switched_off_and_of_every_confirmation(tool: ToolEntry) -> None:
    text = instructions_for([tool.name])
    assert [other.name for other in TOOLS if names(text, other.name) and other is not tool] == []
    confirms = "question" in output_schema(tool.answers)["properties"]
    assert ("needs_confirmation" in text) == confirms
    assert "never instructions" in text


async def test_instructions_and_prompts_say_nothing_of_what_is_switched_off(
    open_session: OpenSession, era: str
) -> None:
    async with open_session(mode=era, read_only=True) as session:
        texts = [session.client.instructions]
        for prompt in (await session.client.list_prompts()).prompts:
            arguments = {argument.name: "x" for argument in prompt.arguments or []}
            texts.append((await session.client.get_prompt(prompt.name, arguments)).messages[0].content.text)
    assert len(texts) > 1
    assert not [tool.name for tool in TOOLS if not tool.reads_only and any(tool.name in text for text in texts)]


def test_every_sentence_of_the_instructions_needs_tools_that_it_or_its_topic_names() -> None:
    tools = {tool.name for tool in TOOLS}
    for sentence, needs in SENTENCES:
        assert {*needs} <= tools
        assert {name for name in tools if names(sentence, name)} <= {*needs}


async def test_the_instructions_name_only_tools_and_arguments_there_are(catalogue: list[Tool]) -> None:
    known = {tool["name"] for tool in catalogue}
    for tool in catalogue:
        known |= {*tool["inputSchema"]["properties"], *tool["outputSchema"]["properties"]}
        known |= {"needs_confirmation"}
    words = {word.strip(".,:;()") for word in instructions_for([tool.name for tool in TOOLS]).split()}
    assert {word for word in words if "_" in word} <= known


# Which tools are on.


async def test_read_only_leaves_the_tools_that_read(open_session: OpenSession, era: str) -> None:
    async with open_session(mode=era, read_only=True) as session:
        assert [tool.name for tool in (await session.client.list_tools()).tools] == READING


@pytest.mark.parametrize("tool", sorted({tool.name for tool in TOOLS} - {*READING}))
async def test_read_only_cannot_be_talked_into_writing(open_session: OpenSession, tool: str) -> None:
    async with open_session(read_only=True) as session:
        before = session.sandbox.store.contacts()
        try:
            result = await session.client.call_tool(
                tool, {"contact_id": 1001, "phone": "510 555 3344", "first": "Jo", "change_id": 1}
            )
        except Exception:  # noqa: BLE001 -- how an unknown tool is refused is the SDK's business
            result = None
        assert result is None or result.is_error
        assert session.sandbox.store.contacts() == before


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        pytest.param("lookup_contact", ["lookup_contact"], id="one tool"),
        pytest.param(
            "list_contacts, lookup_contact", ["lookup_contact", "list_contacts"], id="the order of the table counts"
        ),
        pytest.param("contacts", list(SIX[:5]), id="a group"),
        pytest.param(
            "history,list_contact_fields",
            ["list_contact_fields", "list_changes", "undo_change"],
            id="a group and a tool",
        ),
        pytest.param("", [tool.name for tool in TOOLS], id="all by default"),
    ],
)
def test_tools_are_chosen_by_name_and_by_group(monkeypatch: pytest.MonkeyPatch, names: str, shown: list[str]) -> None:
    monkeypatch.setenv("CONTACTS_MCP_TOOLS", names)
    assert [tool.name for tool in enabled_tools(Settings.load())] == shown


def test_read_only_counts_for_chosen_tools_too() -> None:
    assert [tool.name for tool in enabled_tools(Settings.load(tools=["contacts"], read_only=True))] == [
        "lookup_contact",
        "list_contacts",
    ]


def test_an_unknown_name_is_refused_with_those_there_are() -> None:
    with pytest.raises(AccountError) as refused:
        enabled_tools(Settings.load(tools=["contact"]))
    assert str(refused.value).startswith('CONTACTS_MCP_TOOLS names "contact", which is neither a tool nor a group.')
    assert all(tool.name in str(refused.value) and tool.group in str(refused.value) for tool in TOOLS)
