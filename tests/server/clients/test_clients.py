"""The published limits of every client as data, with their sources, held against all that the server lists.

A client drops a tool, or a whole server, without a word when it leaves the limits. A limit that changed over time
stands here in its narrowest form. `scripts/interop` shows which clients really connect.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import pytest
from jsonschema import Draft202012Validator
from mcp_types import TextContent
from support import OpenSession, Session

from contacts_mcp.server.prompts import load_prompts
from contacts_mcp.server.resources import RESOURCES
from contacts_mcp.server.tools import TOOLS

Json = Any
Schema = dict[str, Json]
Tool = dict[str, Json]

SERVER_NAMES = (
    "contacts",
    "contacts-mcp",
    "heymarket-contacts",
)  # what `install` and people call us in a client's file

SCALARS = {"type", "description", "enum", "default", "minimum", "maximum", "format", "title"}
PLAIN = SCALARS | {"items", "properties", "required", "minItems"}
COMBINED = {"anyOf", "oneOf", "allOf"}


# Transformations that are standard on the way to an API


def as_strict(schema: Schema) -> Schema:
    """OpenAI's own advice for strict mode: everything is required, and an optional parameter may be null.

    Strict mode has no free-form objects, so they become JSON texts.
    """
    required = schema.get("required", [])
    properties = {name: _strictly(inner, optional=name not in required) for name, inner in schema["properties"].items()}
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}


def _strictly(schema: Schema, *, optional: bool) -> Schema:
    plain = {key: value for key, value in schema.items() if key != "default"}
    if plain["type"] == "object":
        plain = {"type": "string", "description": f"{plain.get('description', '')} (as JSON)"}
    if optional:
        plain["type"] = [plain["type"], "null"]
        plain |= {"enum": [*plain["enum"], None]} if "enum" in plain else {}
    return plain


def as_openapi(schema: Json) -> Json:
    """The schema as adapters write it for Gemini's `parameters`, whose protobuf knows no additionalProperties.

    `parametersJsonSchema` takes ours as it is.
    """
    if isinstance(schema, dict):
        return {key: as_openapi(value) for key, value in schema.items() if key != "additionalProperties"}
    return [as_openapi(value) for value in schema] if isinstance(schema, list) else schema


# The limits


@dataclass(frozen=True, kw_only=True)
class Limits:
    """The limits of one client, or of the API behind it."""

    client: str
    sources: tuple[str, ...]
    shown: str = "{tool}"  # how it calls a tool of a server
    name: str = r"[a-zA-Z0-9_-]{1,64}"  # of the tool as shown
    tools: int = 128
    description: int = 1024  # characters
    instructions: int = 2048
    parameter: str = r"[a-zA-Z0-9_.-]{1,64}"
    keywords: frozenset[str] = frozenset(PLAIN | {"additionalProperties"} | COMBINED)
    refused_at_root: frozenset[str] = frozenset(COMBINED)
    type_lists: bool = False
    all_required: bool = False
    text_enums: bool = False
    deepest: int = 5
    prepared: Callable[[Schema], Schema] = dict


LIMITS = (
    Limits(
        client="Anthropic API",
        sources=(
            "https://docs.anthropic.com/en/docs/agents-and-tools/tool-use/implement-tool-use (names)",
            "https://github.com/anthropics/claude-code/issues/2485 (64 characters)",
            "https://github.com/anthropics/claude-code/issues/40075 (nothing combined at the root)",
            "https://github.com/PrefectHQ/fastmcp/issues/839 (keys of properties)",
        ),
        type_lists=True,
    ),
    Limits(
        client="Claude Desktop",
        sources=("https://github.com/anthropics/claude-code/issues/34960 (64 characters)",),
        type_lists=True,
    ),
    Limits(
        client="Claude Code",
        sources=(
            "https://code.claude.com/docs/en/mcp (mcp__server__tool; descriptions and instructions are cut at 2 KB)",
            "https://github.com/thedotmack/claude-mem/pull/360 (64 characters with the prefix)",
        ),
        shown="mcp__{server}__{tool}",
        description=2048,
        type_lists=True,
    ),
    Limits(
        client="Claude Code, as a plugin",
        sources=("https://github.com/ChromeDevTools/chrome-devtools-mcp/issues/1169",),
        shown="mcp__plugin_contacts_contacts__{tool}",
        description=2048,
        type_lists=True,
    ),
    Limits(
        client="OpenAI function calling",
        sources=(
            "https://platform.openai.com/docs/guides/function-calling",
            "https://github.com/openai/openai-openapi (FunctionObject: name; tools: at most 128)",
        ),
        type_lists=True,
    ),
    Limits(
        client="OpenAI function calling, strict",
        sources=(
            "https://platform.openai.com/docs/guides/structured-outputs (supported schemas)",
            (
                "https://community.openai.com/t"
                "/measuring-maximum-depth-and-object-properties-in-structured-outputs/918388 (5 levels, 100 properties)"
            ),
        ),
        keywords=frozenset((PLAIN - {"default"}) | {"additionalProperties", "anyOf"}),
        type_lists=True,
        all_required=True,
        prepared=as_strict,
    ),
    Limits(
        client="Gemini API, parameters",
        sources=(
            "https://ai.google.dev/api/caching#Schema (the fields there are; enum of strings)",
            (
                "https://cloud.google.com/vertex-ai/generative-ai/docs/reference"
                "/nodejs/1.1.0/vertexai/functiondeclaration (names)"
            ),
            "https://github.com/brainlid/langchain/pull/599 (no additionalProperties)",
            "https://github.com/TableProApp/TablePro/pull/1276 (no lists of types)",
        ),
        name=r"[a-zA-Z_][a-zA-Z0-9_-]{0,62}",
        keywords=frozenset(PLAIN | {"nullable", "anyOf"}),
        text_enums=True,
        prepared=as_openapi,
    ),
    Limits(
        client="Gemini CLI",
        sources=(
            (
                "https://google-gemini.github.io/gemini-cli/docs/tools/mcp-server.html"
                " (mcp_server_tool, at most 63 characters)"
            ),
            (
                "https://pub.dev/documentation/googleapis/15.0.0/aiplatform_v1"
                "/GoogleCloudAiplatformV1GenerationConfig/responseJsonSchema.html (keywords)"
            ),
        ),
        shown="mcp_{server}_{tool}",
        name=r"[a-zA-Z0-9_.-]{1,63}",
        text_enums=True,
    ),
    Limits(
        client="VS Code",
        sources=(
            "https://code.visualstudio.com/docs/copilot/chat/chat-tools (128 tools a request)",
            "https://github.com/microsoft/vscode/issues/246119 (an array must have items)",
        ),
        shown="mcp_{server}_{tool}",
    ),
    Limits(
        client="Cursor",
        sources=(
            "https://github.com/awslabs/mcp/issues/1283 (60 characters with the server's name)",
            "https://github.com/anyproto/anytype-mcp/issues/5 (40 tools)",
        ),
        shown="{server}:{tool}",
        name=r"[a-zA-Z0-9_:-]{1,59}",
        tools=40,
    ),
)


# What a client would object to


def objections(limits: Limits, tool: Tool, server: str) -> list[str]:
    """Everything about one tool that leaves the limits of a client."""
    shown = limits.shown.format(server=server, tool=tool["name"])
    schema = limits.prepared(tool["inputSchema"])
    found = [] if re.fullmatch(limits.name, shown) else [f"name {shown}"]
    found += [] if 0 < len(tool.get("description", "").strip()) <= limits.description else ["length of the description"]
    found += (
        []
        if schema.get("type") == "object" and isinstance(schema.get("properties"), dict)
        else ["no object at the root"]
    )
    found += [f"{key} at the root" for key in limits.refused_at_root & schema.keys()]
    for path, inner in schemas_in(schema):
        found += [f"{path}: {text}" for text in _objections(limits, inner, depth=path.count("."))]
    return found


def _objections(limits: Limits, schema: Schema, *, depth: int) -> Iterator[str]:
    yield from (f"keyword {key}" for key in schema.keys() - limits.keywords)
    yield from (
        f"parameter {name}" for name in schema.get("properties", {}) if not re.fullmatch(limits.parameter, name)
    )
    if depth > limits.deepest:
        yield "too deep"
    yield from _objections_to_types(limits, schema)
    if limits.all_required and "object" in _types(schema):
        yield from _objections_to_an_open_object(schema)


def _objections_to_types(limits: Limits, schema: Schema) -> Iterator[str]:
    if isinstance(schema.get("type"), list) and not limits.type_lists:
        yield "a list of types"
    if "array" in _types(schema) and not isinstance(schema.get("items"), dict):
        yield "an array without items"
    if limits.text_enums and not all(isinstance(value, str) and value for value in schema.get("enum", [])):
        yield "an enum of something else than texts"


def _objections_to_an_open_object(schema: Schema) -> Iterator[str]:
    if set(schema.get("required", [])) != set(schema.get("properties", {})):
        yield "something is optional"
    if schema.get("additionalProperties") is not False:
        yield "an object takes more than is said"


def _types(schema: Schema) -> list[str]:
    said = schema.get("type")
    return said if isinstance(said, list) else [said]


def schemas_in(schema: Schema, path: str = "") -> Iterator[tuple[str, Schema]]:
    """Every schema there is, by where it is."""
    yield path, schema
    for name, inner in schema.get("properties", {}).items():
        yield from schemas_in(inner, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from schemas_in(schema[key], f"{path}.{key}")


# The matrix


async def dumped(listing: Any, kind: str) -> list[Json]:
    return list((await listing).model_dump(by_alias=True, exclude_none=True, mode="json")[kind])


@pytest.fixture
async def tools(session: Session) -> list[Tool]:
    return await dumped(session.client.list_tools(), "tools")


@pytest.mark.parametrize("server", SERVER_NAMES)
@pytest.mark.parametrize("limits", LIMITS, ids=lambda limits: limits.client)
async def test_no_client_has_an_objection(tools: list[Tool], limits: Limits, server: str) -> None:
    assert {tool["name"]: found for tool in tools if (found := objections(limits, tool, server))} == {}


@pytest.mark.parametrize("limits", LIMITS, ids=lambda limits: limits.client)
async def test_there_are_not_too_many_tools_for_any_client(tools: list[Tool], limits: Limits) -> None:
    assert len(tools) <= limits.tools


@pytest.mark.parametrize("limits", LIMITS, ids=lambda limits: limits.client)
async def test_the_instructions_are_not_cut_by_any_client(session: Session, limits: Limits) -> None:
    assert 0 < len(session.client.instructions.encode()) <= limits.instructions


def _tool(schema: Schema | None = None, **other: Json) -> Tool:
    return {
        "name": "look",
        "description": "Looks.",
        "inputSchema": {"type": "object", "properties": {}} | (schema or {}),
    } | other


def _with(parameter: Schema) -> Tool:
    return _tool({"properties": {"one": parameter}, "required": ["one"], "additionalProperties": False})


PLANTED = [
    pytest.param(_tool(name="x" * 65), {limits.client for limits in LIMITS}, id="a long name"),
    pytest.param(
        _tool(name="list_the_contacts_of_this_heymarket_account"), {"Claude Code, as a plugin"}, id="43 characters"
    ),
    pytest.param(_tool(name="look up"), {limits.client for limits in LIMITS}, id="a space in a name"),
    pytest.param(_tool(description=""), {limits.client for limits in LIMITS}, id="no description"),
    pytest.param(
        _tool({"properties": {"filter[x]": {"type": "string"}}}), {limits.client for limits in LIMITS}, id="brackets"
    ),
    pytest.param(
        _with({"type": ["string", "null"]}), {"Gemini API, parameters", "Gemini CLI", "VS Code", "Cursor"}, id="types"
    ),
    pytest.param(
        _with({"type": "integer", "enum": [1, 2]}), {"Gemini API, parameters", "Gemini CLI"}, id="an enum of numbers"
    ),
    pytest.param(_with({"type": "array"}), {limits.client for limits in LIMITS}, id="an array of anything"),
    pytest.param(
        _with({"type": "string", "$ref": "#/$defs/x"}), {limits.client for limits in LIMITS}, id="a reference"
    ),
]


@pytest.mark.parametrize(("tool", "clients"), PLANTED)
def test_the_matrix_finds_what_is_planted(tool: Tool, clients: set[str]) -> None:
    assert {limits.client for limits in LIMITS if objections(limits, tool, "contacts-mcp")} >= clients


def test_a_root_that_is_combined_is_found() -> None:
    tool = _tool({"anyOf": [{"required": ["a"]}]})
    refusing = {limits.client for limits in LIMITS if limits.prepared is not as_strict}
    assert {limits.client for limits in LIMITS if objections(limits, tool, "contacts")} == refusing


def test_each_limit_says_where_it_is_published() -> None:
    assert all(source.startswith("https://") for limits in LIMITS for source in limits.sources)
    assert all(limits.sources for limits in LIMITS)


# OpenAI's strict mode


async def test_as_they_are_our_schemas_are_not_strict(tools: list[Tool]) -> None:
    """An optional parameter is simply not required, and custom fields are a free-form object.

    So a client asks for `strict: false`, or transforms the schema.
    """
    strict = next(limits for limits in LIMITS if limits.all_required)
    for tool in tools:
        found = {text for _, inner in schemas_in(tool["inputSchema"]) for text in _objections(strict, inner, depth=0)}
        assert found <= {"something is optional", "an object takes more than is said", "keyword default"}, tool["name"]


async def test_transformed_to_strict_each_tool_has_under_100_properties(tools: list[Tool]) -> None:
    assert all(len(as_strict(tool["inputSchema"])["properties"]) <= 100 for tool in tools)


async def test_a_strict_call_means_what_a_plain_one_means(session: Session, tools: list[Tool]) -> None:
    """Every parameter is there, those without a value are null, and custom fields come as JSON text."""
    schema = next(as_strict(tool["inputSchema"]) for tool in tools if tool["name"] == "create_contact")
    given = dict.fromkeys(schema["properties"]) | {
        "phone": "510 555 3344",
        "first": "Jordan",
        "custom_fields": '{"plan": "Premium"}',
    }
    Draft202012Validator(schema).validate(given)
    facts = await session.ok("create_contact", **given)
    assert facts["status"] == "created"
    assert facts["contact"]["custom_fields"] == {"Plan": "Premium"}


async def test_a_strict_update_touches_nothing_that_is_null(session: Session, tools: list[Tool]) -> None:
    schema = next(as_strict(tool["inputSchema"]) for tool in tools if tool["name"] == "update_contact")
    given = dict.fromkeys(schema["properties"]) | {"contact_id": 1001, "last": "Quill"}
    Draft202012Validator(schema).validate(given)
    facts = await session.ok("update_contact", **given)
    assert [change["field"] for change in facts["changes"]] == ["last"]


# The shapes that the TypeScript SDK parses (https://github.com/modelcontextprotocol/typescript-sdk, src/types.ts)
# It refuses the whole list where one entry has another shape.


def _record(needed: str = "", /, **properties: Schema) -> Schema:
    return {"type": "object", "properties": properties, "required": needed.split()}


TEXT = {"type": "string"}
TEXTS = {"type": "array", "items": TEXT}
YES_NO = {"type": "boolean"}
OBJECT_SCHEMA = _record(
    "type",
    type={"const": "object"},
    properties={"type": "object", "additionalProperties": {"type": "object"}},
    required=TEXTS,
)
ICONS = {"type": "array", "items": _record("src", src=TEXT, mimeType=TEXT, sizes=TEXTS)}
HINTS = ("readOnlyHint", "destructiveHint", "idempotentHint", "openWorldHint")
PARSED = {
    "tools": _record(
        "name title description inputSchema outputSchema annotations",
        name=TEXT,
        title=TEXT,
        description=TEXT,
        inputSchema=OBJECT_SCHEMA,
        outputSchema=OBJECT_SCHEMA,
        icons=ICONS,
        annotations=_record(" ".join(HINTS), **dict.fromkeys(HINTS, YES_NO)),
    ),
    "prompts": _record(
        "name title description arguments",
        name=TEXT,
        title=TEXT,
        description=TEXT,
        icons=ICONS,
        arguments={
            "type": "array",
            "items": _record("name description required", name=TEXT, description=TEXT, required=YES_NO),
        },
    ),
    "resources": _record(
        "uri name title description mimeType", uri=TEXT, name=TEXT, title=TEXT, description=TEXT, mimeType=TEXT
    ),
    "resourceTemplates": _record(
        "uriTemplate name title description mimeType",
        uriTemplate=TEXT,
        name=TEXT,
        title=TEXT,
        description=TEXT,
        mimeType=TEXT,
    ),
}
LISTS = {
    "tools": "list_tools",
    "prompts": "list_prompts",
    "resources": "list_resources",
    "resourceTemplates": "list_resource_templates",
}


@pytest.mark.parametrize("kind", LISTS)
async def test_the_typescript_sdk_parses_what_is_listed(session: Session, kind: str) -> None:
    listed = await dumped(getattr(session.client, LISTS[kind])(), kind)
    assert listed
    for thing in listed:
        Draft202012Validator(PARSED[kind]).validate(thing)


@pytest.mark.parametrize("kind", LISTS)
async def test_names_and_titles_are_short_and_single(session: Session, kind: str) -> None:
    listed = await dumped(getattr(session.client, LISTS[kind])(), kind)
    names = [thing["name"] for thing in listed]
    assert len(set(names)) == len(names)
    for thing in listed:
        assert re.fullmatch(r"[a-z][a-z0-9_-]{0,39}", thing["name"])
        assert 0 < len(thing["title"]) <= 40
        assert 0 < len(thing["description"]) <= 1024
        assert "\n" not in thing["title"] + thing["description"]


async def test_everything_is_listed_in_the_order_of_its_table(session: Session) -> None:
    client = session.client
    fixed = [*(entry.name for entry in RESOURCES if not entry.is_template), "view"]
    templates = [*(entry.name for entry in RESOURCES if entry.is_template), "view"]
    assert [tool.name for tool in (await client.list_tools()).tools] == [tool.name for tool in TOOLS]
    assert [prompt.name for prompt in (await client.list_prompts()).prompts] == [
        prompt.name for prompt in load_prompts()
    ]
    assert [resource.name for resource in (await client.list_resources()).resources] == fixed
    assert [template.name for template in (await client.list_resource_templates()).resource_templates] == templates


async def test_prompts_come_as_commands_that_can_be_typed(session: Session) -> None:
    """Claude Code offers /mcp__server__prompt, VS Code /mcp.server.prompt, with arguments by place."""
    for prompt in (await session.client.list_prompts()).prompts:
        assert re.fullmatch(r"[a-z][a-z-]*", prompt.name)
        needed = [bool(argument.required) for argument in prompt.arguments or []]
        assert needed == sorted(needed, reverse=True), prompt.name


async def test_resources_have_addresses_that_can_be_parsed(session: Session) -> None:
    for resource in (await session.client.list_resources()).resources:
        parts = urlsplit(str(resource.uri))
        assert (parts.scheme, bool(parts.netloc)) == ("ui" if resource.name == "view" else "contacts", True)
    for template in (await session.client.list_resource_templates()).resource_templates:
        assert re.fullmatch(r"(contacts|ui)://[a-z-]+/\{[a-z_]+\}", template.uri_template)


# What a client is told beside the lists


async def test_the_server_has_a_title_a_version_and_an_icon_without_a_network(session: Session) -> None:
    info = session.client.server_info
    assert info.title
    assert info.version
    assert all(
        icon.src.startswith("data:image/svg+xml;base64,") and icon.mime_type == "image/svg+xml" for icon in info.icons
    )
    assert len(info.icons) == 1


async def test_lists_may_be_kept_where_the_protocol_can_say_so(open_session: OpenSession) -> None:
    """2026-07-28 says how long, and that the lists hold nothing of one user's."""
    async with open_session(mode="auto") as session:
        for method in LISTS.values():
            listed = await getattr(session.client, method)()
            assert (listed.ttl_ms, listed.cache_scope) == (3_600_000, "public"), method


# What a client does with long answers
# Claude Code: https://code.claude.com/docs/en/mcp, https://qiita.com/akihidem/items/32e331a9cbe0abf3af11

MOST_CHARACTERS = 50_000  # longer ones are put into a file
MOST_TOKENS = 25_000
MOST_OF_AN_ERROR = 11_000


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("list_contacts", {"limit": 100}),
        ("list_contacts", {"limit": 100, "detail": "full"}),
        ("list_contact_fields", {}),
        ("list_changes", {"limit": 50}),
        ("lookup_contact", {"contact_id": 1001}),
    ],
    ids=str,
)
async def test_the_longest_answers_reach_the_model(
    open_session: OpenSession, era: str, tool: str, arguments: Json
) -> None:
    async with open_session(mode=era, contacts=120) as session:
        result = await session.call(tool, **arguments)
        text = "".join(block.text for block in result.content if isinstance(block, TextContent))
        assert not result.is_error
        for said in (text, json.dumps(result.structured_content, ensure_ascii=False)):
            assert len(said) <= MOST_CHARACTERS
            assert len(said.encode()) / 4 <= MOST_TOKENS


async def test_the_longest_error_reaches_the_model(session: Session) -> None:
    assert len(await session.refused("lookup_contact", **{"x" * 100_000: 1})) <= MOST_OF_AN_ERROR
    assert len(await session.refused("create_contact", phone="9" * 100_000)) <= MOST_OF_AN_ERROR
