"""Our own server with the tools, prompts and resources of fixed names that the public conformance suite calls.

Everything else is the server people use: `build_server` with its methods, instructions and cache hints, over streamable
HTTP on loopback. A second server holds the fixtures, and the first one hands the calls of the suite on to it. Run by
`scripts/interop` as `fixture_server.py PORT`. Names, texts and shapes are those of `@modelcontextprotocol/conformance`
(`conformance list --server` and the description of each scenario).
"""

from __future__ import annotations

import base64
import json
import sys
import tempfile
from collections.abc import Callable
from typing import Annotated, Any

import anyio
import uvicorn
from mcp.server.lowlevel.server import Server
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.prompts.base import Prompt, UserMessage
from mcp.server.streamable_http import EventCallback, EventId, EventMessage, EventStore, StreamId
from mcp.shared.exceptions import MCPError
from mcp_types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    CreateMessageRequest,
    CreateMessageRequestParams,
    CreateMessageResult,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    EmbeddedResource,
    EmptyResult,
    ImageContent,
    InputRequiredResult,
    JSONRPCMessage,
    ListRootsRequest,
    ListRootsResult,
    SamplingMessage,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
    UnsubscribeRequestParams,
)
from pydantic import BaseModel, Field

from contacts_mcp.config import Settings
from contacts_mcp.server.server import build_server

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
SILENCE = base64.b64encode(
    b"RIFF&\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0@\x1f\0\0\x80>\0\0\2\0\x10\0data\2\0\0\0\0\0"
).decode()
WHY = "For the conformance suite."
PAUSE = 0.05  # the suite wants to see messages arrive one by one

Ctx = Context[Any, Any]


# Content


def test_simple_text() -> str:
    return "This is a simple text response for testing."


def test_image_content() -> list[ImageContent]:
    return [ImageContent(type="image", data=PIXEL, mime_type="image/png")]


def test_audio_content() -> list[AudioContent]:
    return [AudioContent(type="audio", data=SILENCE, mime_type="audio/wav")]


def embedded(uri: str, mime_type: str, text: str) -> EmbeddedResource:
    return EmbeddedResource(type="resource", resource=TextResourceContents(uri=uri, mime_type=mime_type, text=text))


def test_embedded_resource() -> list[EmbeddedResource]:
    return [embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")]


def test_multiple_content_types() -> list[TextContent | ImageContent | EmbeddedResource]:
    return [
        TextContent(type="text", text="Multiple content types test:"),
        ImageContent(type="image", data=PIXEL, mime_type="image/png"),
        embedded("test://mixed-content-resource", "application/json", '{"test": "data", "value": 123}'),
    ]


def test_error_handling() -> str:
    raise RuntimeError("This tool intentionally returns an error for testing")


# Messages on the way


async def test_tool_with_logging(ctx: Ctx) -> str:
    await ctx.info("Tool execution started")
    await anyio.sleep(PAUSE)
    await ctx.info("Tool processing data")
    await anyio.sleep(PAUSE)
    await ctx.info("Tool execution completed")
    return "Logged."


async def test_tool_with_progress(ctx: Ctx) -> str:
    for done in (0, 50, 100):
        await ctx.report_progress(done, 100)
        await anyio.sleep(PAUSE)
    return "Done."


async def test_logging_tool(ctx: Ctx) -> str:
    await ctx.info("Heard only by a client that asked for a log level")
    return "Logged."


async def test_reconnection(ctx: Ctx) -> str:
    await ctx.close_sse_stream()
    await anyio.sleep(4 * PAUSE)
    return "Here again."


async def test_trigger_tool_change(ctx: Ctx) -> str:
    await ctx.notify_tools_changed()
    return "Told."


async def test_trigger_prompt_change(ctx: Ctx) -> str:
    await ctx.notify_prompts_changed()
    return "Told."


# Questions to the client, in the revisions up to 2025-11-25: a request of the server's own


class Answer(BaseModel):
    response: str = Field(description="User's response")


class Defaults(BaseModel):
    name: str = "John Doe"
    age: int = 30
    score: float = 95.5
    status: str = Field("active", json_schema_extra={"enum": ["active", "inactive", "pending"]})
    verified: bool = True


def choices(**titles: str) -> list[dict[str, str]]:
    return [{"const": value, "title": title} for value, title in titles.items()]


class Choices(BaseModel):
    untitledSingle: str = Field(  # noqa: N815 -- the suite's name
        json_schema_extra={"enum": ["option1", "option2", "option3"]}
    )
    titledSingle: str = Field(  # noqa: N815 -- the suite's name
        json_schema_extra={"oneOf": choices(value1="First", value2="Second", value3="Third")}
    )
    legacyEnum: str = Field(  # noqa: N815 -- the suite's name
        json_schema_extra={"enum": ["opt1", "opt2"], "enumNames": ["Option one", "Option two"]}
    )
    untitledMulti: list[str] = Field(  # noqa: N815 -- the suite's name
        json_schema_extra={"items": {"type": "string", "enum": ["option1", "option2"]}}
    )
    titledMulti: list[str] = Field(  # noqa: N815 -- the suite's name
        json_schema_extra={"items": {"anyOf": choices(value1="First", value2="Second")}}
    )


async def asked(ctx: Ctx, message: str, schema: type[BaseModel]) -> str:
    answer = await ctx.elicit(message, schema)
    content = answer.data.model_dump_json() if answer.action == "accept" else "{}"
    return f"User response: action={answer.action}, content={content}"


async def test_elicitation(message: str, ctx: Ctx) -> str:
    return await asked(ctx, message, Answer)


async def test_elicitation_sep1034_defaults(ctx: Ctx) -> str:
    return await asked(ctx, "Please check these values", Defaults)


async def test_elicitation_sep1330_enums(ctx: Ctx) -> str:
    return await asked(ctx, "Please choose", Choices)


async def test_sampling(prompt: str, ctx: Ctx) -> str:
    message = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    result = await ctx.session.create_message(messages=[message], max_tokens=100)
    return f"LLM response: {result.content.text if isinstance(result.content, TextContent) else ''}"


# Questions to the client, from 2026-07-28 on: a result that says what is missing


def form(message: str, **kinds: str) -> ElicitRequest:
    schema = {
        "type": "object",
        "properties": {name: {"type": kind} for name, kind in kinds.items()},
        "required": list(kinds),
    }
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(text: str) -> CreateMessageRequest:
    message = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[message], max_tokens=50))


def needs(state: str | None = None, **requests: Any) -> InputRequiredResult:
    return InputRequiredResult(input_requests=requests, request_state=state)


def accepted(ctx: Ctx, key: str) -> dict[str, Any] | None:
    """The form that the user filled in under `key`, if it was asked and accepted."""
    answer = (ctx.input_responses or {}).get(key)
    return dict(answer.content or {}) if isinstance(answer, ElicitResult) and answer.action == "accept" else None


async def test_input_required_result_elicitation(ctx: Ctx) -> str | InputRequiredResult:
    user = accepted(ctx, "user_name")
    return f"Hello, {user['name']}!" if user else needs(user_name=form("What is your name?", name="string"))


async def test_input_required_result_sampling(ctx: Ctx) -> str | InputRequiredResult:
    answer = (ctx.input_responses or {}).get("capital_question")
    if isinstance(answer, CreateMessageResult):
        return f"The model said: {answer.content.text if isinstance(answer.content, TextContent) else ''}"
    return needs(capital_question=sample("What is the capital of France?"))


async def test_input_required_result_list_roots(ctx: Ctx) -> str | InputRequiredResult:
    answer = (ctx.input_responses or {}).get("client_roots")
    return (
        f"{len(answer.roots)} roots" if isinstance(answer, ListRootsResult) else needs(client_roots=ListRootsRequest())
    )


async def test_input_required_result_request_state(ctx: Ctx) -> str | InputRequiredResult:
    if accepted(ctx, "confirm") and ctx.request_state == "asked":
        return "state-ok: what was kept came back."
    return needs("asked", confirm=form("Please confirm", ok="boolean"))


async def test_input_required_result_tampered_state(ctx: Ctx) -> str | InputRequiredResult:
    return await test_input_required_result_request_state(ctx)


async def test_input_required_result_multiple_inputs(ctx: Ctx) -> str | InputRequiredResult:
    missing = {
        "user_name": form("What is your name?", name="string"),
        "greeting": sample("Generate a greeting"),
        "client_roots": ListRootsRequest(),
    }
    if not missing.keys() - (ctx.input_responses or {}).keys() and ctx.request_state:
        return "All three came."
    return needs("three asked", **missing)


async def test_input_required_result_multi_round(ctx: Ctx) -> str | InputRequiredResult:
    if ctx.request_state == "2" and (color := accepted(ctx, "step2")):
        return f"You like {color['color']}."
    if ctx.request_state == "1" and accepted(ctx, "step1"):
        return needs("2", step2=form("Step 2: What is your favorite color?", color="string"))
    return needs("1", step1=form("Step 1: What is your name?", name="string"))


async def test_input_required_result_capabilities(ctx: Ctx) -> str | InputRequiredResult:
    declared = ctx.client_capabilities
    requests: dict[str, Any] = {}
    if declared and declared.elicitation is not None:
        requests["user_name"] = form("What is your name?", name="string")
    if declared and declared.sampling is not None:
        requests["greeting"] = sample("Generate a greeting")
    return needs(**requests) if requests else "This client can be asked nothing."


async def test_streaming_elicitation(ctx: Ctx) -> str | InputRequiredResult:
    await ctx.report_progress(1, 2)
    return "Answered." if accepted(ctx, "go_on") else needs(go_on=form("Go on?", ok="boolean"))


async def test_missing_capability(ctx: Ctx) -> str:
    if ctx.client_capabilities and ctx.client_capabilities.sampling is not None:
        return "Sampling is there."
    raise MCPError(
        code=MISSING_REQUIRED_CLIENT_CAPABILITY,
        message="Sampling is needed",
        data={"requiredCapabilities": {"sampling": {}}},
    )


# Schemas


def test_headers(region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})]) -> str:
    return f"region: {region}"


def json_schema_2020_12_tool() -> str:
    return "ok"


SCHEMAS: dict[str, Any] = {
    "json_schema_2020_12_tool": {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
            }
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": False,
    }
}

TOOLS: tuple[Callable[..., Any], ...] = (
    test_simple_text,
    test_image_content,
    test_audio_content,
    test_embedded_resource,
    test_multiple_content_types,
    test_error_handling,
    test_tool_with_logging,
    test_tool_with_progress,
    test_logging_tool,
    test_reconnection,
    test_trigger_tool_change,
    test_trigger_prompt_change,
    test_elicitation,
    test_elicitation_sep1034_defaults,
    test_elicitation_sep1330_enums,
    test_sampling,
    test_input_required_result_elicitation,
    test_input_required_result_sampling,
    test_input_required_result_list_roots,
    test_input_required_result_request_state,
    test_input_required_result_tampered_state,
    test_input_required_result_multiple_inputs,
    test_input_required_result_multi_round,
    test_input_required_result_capabilities,
    test_streaming_elicitation,
    test_missing_capability,
    test_headers,
    json_schema_2020_12_tool,
)


# Prompts


def test_simple_prompt() -> list[UserMessage]:
    return [UserMessage("This is a simple prompt for testing.")]


def test_prompt_with_arguments(arg1: str, arg2: str) -> list[UserMessage]:
    return [UserMessage(f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'")]


def test_prompt_with_embedded_resource(resourceUri: str) -> list[UserMessage]:  # noqa: N803 -- the suite's name
    return [
        UserMessage(embedded(resourceUri, "text/plain", "Embedded resource content for testing.")),
        UserMessage("Please read it."),
    ]


def test_prompt_with_image() -> list[UserMessage]:
    return [
        UserMessage(ImageContent(type="image", data=PIXEL, mime_type="image/png")),
        UserMessage("Please look at it."),
    ]


async def test_input_required_result_prompt(ctx: Ctx) -> list[UserMessage] | InputRequiredResult:
    given = accepted(ctx, "user_context")
    if given is None:
        return needs(user_context=form("What context should the prompt use?", context="string"))
    return [UserMessage(f"Mind this: {given['context']}")]


PROMPTS: tuple[Callable[..., Any], ...] = (
    test_simple_prompt,
    test_prompt_with_arguments,
    test_prompt_with_embedded_resource,
    test_prompt_with_image,
    test_input_required_result_prompt,
)


# Resources


def add_resources(server: MCPServer[Any]) -> None:
    @server.resource("test://static-text", mime_type="text/plain")
    def static_text() -> str:
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", mime_type="image/png")
    def static_binary() -> bytes:
        return base64.b64decode(PIXEL)

    @server.resource("test://watched-resource", mime_type="text/plain")
    def watched() -> str:
        return "Watched resource content"

    @server.resource("test://template/{id}/data", mime_type="application/json")
    def template(id: str) -> str:  # noqa: A002 -- the suite's name
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})


# Methods that the SDK's server leaves to others


async def accept(_: Any, __: Any) -> EmptyResult:
    return EmptyResult()


def add_methods(server: Server[Any]) -> None:
    server.add_request_handler("logging/setLevel", SetLevelRequestParams, accept)
    server.add_request_handler("resources/subscribe", SubscribeRequestParams, accept)
    server.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, accept)


class Events(EventStore):
    """Keeps what was sent, so that a client that lost its stream can go on."""

    def __init__(self) -> None:
        self.sent: list[tuple[StreamId, JSONRPCMessage | None]] = []

    async def store_event(self, stream_id: StreamId, message: JSONRPCMessage | None) -> EventId:
        self.sent.append((stream_id, message))
        return str(len(self.sent))

    async def replay_events_after(self, last_event_id: EventId, send_callback: EventCallback) -> StreamId | None:
        if not last_event_id.isdigit() or not 0 < int(last_event_id) <= len(self.sent):
            return None
        stream = self.sent[int(last_event_id) - 1][0]
        for number, (other, message) in enumerate(self.sent[int(last_event_id) :], int(last_event_id) + 1):
            if other == stream and message is not None:
                await send_callback(EventMessage(message, str(number)))
        return stream


def fixtures() -> MCPServer[Any]:
    server: MCPServer[Any] = MCPServer("fixtures", log_level="WARNING")
    for function in TOOLS:
        server.add_tool(function, description=WHY)
        if function.__name__ in SCHEMAS:
            server._tool_manager._tools[function.__name__].parameters = SCHEMAS[function.__name__]
    for prompt in PROMPTS:
        server.add_prompt(Prompt.from_function(prompt, description=WHY))
    add_resources(server)
    return server


# The lists that both servers have, and the requests that go to the one or the other.
LISTS = {
    "tools/list": "tools",
    "prompts/list": "prompts",
    "resources/list": "resources",
    "resources/templates/list": "resource_templates",
}
NAMES = {thing.__name__ for thing in (*TOOLS, *PROMPTS)}
ADDRESSED: dict[str, Callable[[Any], bool]] = {
    "tools/call": lambda params: params.name in NAMES,
    "prompts/get": lambda params: params.name in NAMES,
    "resources/read": lambda params: params.uri.startswith("test:"),
    "subscriptions/listen": lambda _: True,  # only the fixtures tell of changes
}


def join(server: Server[Any], other: Server[Any]) -> None:
    """Let `server` list what `other` has too, and hand on what is addressed to it."""

    def both(method: str, part: str) -> None:
        mine, others = server.get_request_handler(method), other.get_request_handler(method)
        assert mine
        assert others

        async def listed(ctx: Any, params: Any) -> Any:
            first, second = await mine.handler(ctx, params), await others.handler(ctx, params)
            return first.model_copy(update={part: [*getattr(first, part), *getattr(second, part)]})

        server.add_request_handler(method, mine.params_type, listed)

    def one(method: str, is_for_other: Callable[[Any], bool]) -> None:
        mine, others = server.get_request_handler(method), other.get_request_handler(method)
        assert mine
        assert others

        async def handled(ctx: Any, params: Any) -> Any:
            return await (others if is_for_other(params) else mine).handler(ctx, params)

        server.add_request_handler(method, mine.params_type, handled)

    for method, part in LISTS.items():
        both(method, part)
    for method, is_for_other in ADDRESSED.items():
        one(method, is_for_other)
    schemas = server.get_tool_input_schema, other.get_tool_input_schema
    server.get_tool_input_schema = lambda name: next((found for of in schemas if of and (found := of(name))), None)


def build(home: str) -> Server[Any]:
    server = build_server(Settings.load(sandbox=True, data_dir=home))
    join(server, fixtures()._lowlevel_server)
    add_methods(server)
    return server


def main() -> None:
    with tempfile.TemporaryDirectory() as home:
        app = build(home).streamable_http_app(event_store=Events(), retry_interval=100)
        uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning")


if __name__ == "__main__":
    main()
