"""`build_server(settings)`: the MCP server, assembled from its tables.

- It changes nothing outside itself: no connection, no file, no logger. Two servers in one process do not meet.
- The SDK's low-level server is used, because `MCPServer` configures the log of the whole process.
- Each method of the protocol is one function here. An answer of ours becomes a result of the SDK in `result_of`, and
  nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any, TypeAlias

import anyio
from mcp.server.caching import CacheableMethod, CacheHint
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPError
from mcp.shared.uri_template import UriTemplate
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    SERVER_INFO_META_KEY,
    CallToolRequestParams,
    CallToolResult,
    CompleteRequestParams,
    CompleteResult,
    Completion,
    GetPromptRequestParams,
    GetPromptResult,
    Icon,
    InputRequiredResult,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    ListToolsResult,
    Prompt,
    PromptArgument,
    PromptMessage,
    ReadResourceRequestParams,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextContent,
    TextResourceContents,
    Tool,
    ToolAnnotations,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from contacts_mcp import __version__
from contacts_mcp.config import Settings
from contacts_mcp.errors import ContactNotFound, ContactsError
from contacts_mcp.server import view
from contacts_mcp.server.asking import ANSWERABLE, Seal, asker, question_for, returned_by
from contacts_mcp.server.boundary import Deadline, bounded, call, log_call, under_way
from contacts_mcp.server.confirming import Question, converse
from contacts_mcp.server.explain import no_such_tool
from contacts_mcp.server.instructions import instructions_for
from contacts_mcp.server.prompts import PromptFile, load_prompts
from contacts_mcp.server.resources import RESOURCES, ResourceEntry, completions
from contacts_mcp.server.served import OneAccount, Served
from contacts_mcp.server.tools import TOOLS, enabled_tools
from contacts_mcp.server.tools.entry import App, Opener, ToolEntry
from contacts_mcp.server.tools.schemas import input_schema, output_schema
from contacts_mcp.server.views.fitting import Answer
from contacts_mcp.state.last_client import LastClient, remember
from contacts_mcp.words.display import quoted, visible
from contacts_mcp.workspace import Workspace, signing_keys

Context: TypeAlias = ServerRequestContext[None, Any]

NAME = "contacts-mcp"
LISTS: tuple[CacheableMethod, ...] = ("tools/list", "prompts/list", "resources/list", "resources/templates/list")
A_BIT = 0.001  # of progress, for a word that has no number: the protocol wants every step higher than the last
LISTS_KEEP = CacheHint(ttl_ms=3_600_000, scope="public")  # the lists do not change while a server runs
LISTS_OF_CALLER_KEEP_MS = 60_000  # after which more scopes of a caller show more tools

ICON = Icon(
    src="data:image/svg+xml;base64,"
    "PHN2ZyB4bWxucz0iaHR0cDovL3d3dy53My5vcmcvMjAwMC9zdmciIHZpZXdCb3g9IjAgMCAyNCAyNCI+PHJlY3Qgd2lkdGg9IjI0IiBoZWln"
    "aHQ9IjI0IiByeD0iNSIgZmlsbD0iIzBiNmI1ZCIvPjxjaXJjbGUgY3g9IjEyIiBjeT0iOSIgcj0iNCIgZmlsbD0iI2ZmZiIvPjxwYXRoIGQ9"
    "Ik00IDIxYzAtNSA0LTcgOC03czggMiA4IDd6IiBmaWxsPSIjZmZmIi8+PC9zdmc+",
    mime_type="image/svg+xml",
    sizes=["any"],
)


def build_server(
    settings: Settings,
    *,
    workspace: Opener | None = None,
    served: Served | None = None,
    listening: ListenHandler | None = None,
) -> Server[None]:
    """A server for one account, or for those of `served`.

    `workspace` is one made by the caller, who then closes it. `listening` is the handler of subscriptions, for a caller
    that ends them. Raises AccountError for an unknown tool in the settings.
    """
    tools = enabled_tools(settings)
    accounts = served or OneAccount(Workspace(settings), workspace)
    methods = _Methods(settings, tools, accounts)

    @asynccontextmanager
    async def lifespan(_: Server[None]) -> AsyncIterator[None]:
        async with accounts.living():
            yield

    kept = CacheHint(ttl_ms=LISTS_OF_CALLER_KEEP_MS, scope="private") if accounts.is_by_caller else LISTS_KEEP
    server = Server(
        NAME,
        title="Heymarket contacts",
        version=__version__,
        instructions=instructions_for([tool.name for tool in tools]),
        icons=[ICON],
        cache_hints=dict.fromkeys(LISTS, kept),
        lifespan=lifespan,
        get_tool_input_schema=methods.input_schema,
        on_list_tools=methods.list_tools,
        on_call_tool=methods.call_tool,
        on_list_prompts=methods.list_prompts,
        on_get_prompt=methods.get_prompt,
        on_list_resources=methods.list_resources,
        on_list_resource_templates=methods.list_resource_templates,
        on_read_resource=methods.read_resource,
        on_completion=methods.complete,
        on_subscriptions_listen=listening or ListenHandler(InMemorySubscriptionBus()),
    )
    sealed = RequestStateSecurity(codec=Seal(lambda: signing_keys(settings)), ttl=ANSWERABLE)
    server.middleware.append(RequestStateBoundary(sealed, default_audience=NAME))
    if accounts.is_by_caller:
        server.middleware.append(methods.instruct_caller)
    if settings.view:
        server.extensions[view.EXTENSION] = {}
    return server


class _Methods:
    """The methods of the protocol, over the tables of tools, prompts and resources."""

    def __init__(self, settings: Settings, tools: Sequence[ToolEntry], accounts: Served) -> None:
        self._accounts = accounts
        self._seconds = settings.call_timeout
        self._puts_questions = settings.confirm == "auto"
        self._tools = {tool.name: tool for tool in tools}
        self._prompts = [(prompt, _calls_for(prompt)) for prompt in load_prompts()]
        self._has_view = settings.view
        self._directory = settings.directory
        self._client: LastClient | None = None
        self._published = [(tool, _published(tool, with_view=settings.view)) for tool in tools]

    # Tools

    def _offered(self) -> dict[str, ToolEntry]:
        """The tools of this caller. Another one is answered as one that is switched off."""
        return {name: tool for name, tool in self._tools.items() if self._accounts.offers(tool)}

    def _offered_one(self, name: str) -> ToolEntry | None:
        tool = self._tools.get(name)
        return tool if tool and self._accounts.offers(tool) else None

    def input_schema(self, name: str) -> dict[str, Any] | None:
        tool = self._offered_one(name)
        return input_schema(tool.function) if tool else None

    async def list_tools(self, _: Context, __: object) -> ListToolsResult:
        return ListToolsResult(tools=[shown for tool, shown in self._published if self._accounts.offers(tool)])

    async def call_tool(self, ctx: Context, params: CallToolRequestParams) -> CallToolResult | InputRequiredResult:
        tool = self._offered_one(params.name)
        if tool is None:
            answer = no_such_tool(params.name, [*self._offered()])
            log_call("(unknown)", answer, seconds=0.0)  # a name that somebody made up may hold anything
            return result_of(answer)
        deadline = Deadline(self._seconds)

        told = 0.0

        async def announce(text: str, done: float = 0, total: float | None = None) -> None:
            nonlocal told
            told = done if done > told else told + A_BIT
            await ctx.session.report_progress(told, total, text)

        with self._accounts.using() as app:
            said = await converse(
                lambda arguments: call(tool, app, arguments, deadline=deadline, announce=announce),
                params.arguments or {},
                ask=asker(ctx, deadline) if self._puts_questions else None,
                shows_screens=self._shows_screens(ctx),
                returned=returned_by(params),
                decline=lambda question: _decline(app, question, deadline),
            )
        if isinstance(said, Question):
            return question_for(said)
        return result_of(said, stamp=_STAMP if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS else None)

    def _shows_screens(self, ctx: Context) -> bool:
        """Whether this client says that it shows screens. Its name and that are noted for `doctor`."""
        session = ctx.session
        shows = self._has_view and view.is_shown_by(session.client_capabilities)
        info = session.client_params.client_info if session.client_params else None
        client = LastClient(name=info.name if info else "", version=info.version if info else "", shows_screens=shows)
        if client != self._client and not self._accounts.is_by_caller:
            self._client = client
            remember(self._directory, client)
        return shows

    async def instruct_caller(self, ctx: Context, call_next: CallNext) -> HandlerResult:
        """Puts the instructions about the caller's own tools in place of those about all."""
        result = await call_next(ctx)
        if ctx.method not in ("initialize", "server/discover") or result is None:
            return result
        told = {"instructions": instructions_for(self._offered())}
        return result | told if isinstance(result, dict) else result.model_copy(update=told)

    # Prompts

    def _offered_prompts(self) -> dict[str, PromptFile]:
        offered = self._offered()
        return {prompt.name: prompt for prompt, needed in self._prompts if needed <= offered.keys()}

    async def list_prompts(self, _: Context, __: object) -> ListPromptsResult:
        return ListPromptsResult(prompts=[_described(prompt) for prompt in self._offered_prompts().values()])

    async def get_prompt(self, _: Context, params: GetPromptRequestParams) -> GetPromptResult:
        prompts, given = self._offered_prompts(), params.arguments or {}
        prompt = prompts.get(params.name)
        if prompt is None:
            known = ", ".join(prompts)
            raise MCPError(INVALID_PARAMS, f"There is no prompt {quoted(params.name, limit=60)}. There are: {known}.")
        if problem := prompt.problem_with(given):
            raise MCPError(INVALID_PARAMS, problem)
        text = TextContent(type="text", text=prompt.render(**given))
        return GetPromptResult(description=prompt.description, messages=[PromptMessage(role="user", content=text)])

    # Resources

    async def list_resources(self, _: Context, __: object) -> ListResourcesResult:
        return ListResourcesResult(
            resources=[
                Resource(uri=one.uri, name=one.name, title=one.title, description=one.description, mime_type=JSON)
                for one in RESOURCES
                if not one.is_template
            ]
            + ([view.resource()] if self._has_view else [])
        )

    async def list_resource_templates(self, _: Context, __: object) -> ListResourceTemplatesResult:
        return ListResourceTemplatesResult(
            resource_templates=[
                ResourceTemplate(
                    uri_template=one.uri, name=one.name, title=one.title, description=one.description, mime_type=JSON
                )
                for one in RESOURCES
                if one.is_template
            ]
            + ([view.template()] if self._has_view else [])
        )

    async def read_resource(self, _: Context, params: ReadResourceRequestParams) -> ReadResourceResult:
        if self._has_view and view.is_at(params.uri):
            return ReadResourceResult(contents=[view.contents(params.uri)])
        entry, parameters = _resource_at(params.uri)

        async def read() -> Any:
            with self._accounts.using() as app:
                return await entry.read(await app.book(), **parameters)

        with under_way(f"resource {entry.name}") as note:
            facts = await bounded(read, entry.name, deadline=Deadline(self._seconds))
            note(facts)
        if isinstance(facts, Answer):
            code = INVALID_PARAMS if facts.facts["kind"] == ContactNotFound.kind else INTERNAL_ERROR
            raise MCPError(code, facts.text, {"uri": params.uri, "kind": facts.facts["kind"]})
        text = json.dumps(facts, ensure_ascii=False, indent=1)
        return ReadResourceResult(contents=[TextResourceContents(uri=params.uri, text=text, mime_type=JSON)])

    # Completions

    async def complete(self, _: Context, params: CompleteRequestParams) -> CompleteResult:
        """Arguments of one name mean the same everywhere, so the prompt or template does not matter."""

        async def completed() -> list[str]:
            with self._accounts.using() as app:
                return await completions(await app.book(), params.argument.name, params.argument.value)

        values = await bounded(completed, "completion", deadline=Deadline(self._seconds))
        known = [] if isinstance(values, Answer) else values  # a completion is a help; without an account there is none
        return CompleteResult(completion=Completion(values=known, total=len(known), has_more=False))


JSON = "application/json"

# Whose answer it is, where the protocol wants that in each one. The SDK alone would send the icon with each, too.
_STAMP = {SERVER_INFO_META_KEY: {"name": NAME, "version": __version__}}


async def _decline(app: App, question: Question, deadline: Deadline) -> bool:
    """Use up the token of a question that a person said no to. False where it was used up before.

    Where that cannot be written, their no is still told.
    """
    from contacts_mcp.book.book import decline

    with suppress(ContactsError), anyio.CancelScope(deadline=deadline.at):
        return await decline(await app.book(), question.token)
    return True


def result_of(answer: Answer, *, stamp: dict[str, Any] | None = None) -> CallToolResult:
    """An answer of ours as the SDK's result."""
    return CallToolResult(
        _meta=stamp,
        content=[TextContent(type="text", text=answer.text)],
        structured_content=answer.facts,
        is_error=answer.is_error,
    )


def _published(tool: ToolEntry, *, with_view: bool) -> Tool:
    return Tool(
        _meta=view.meta_of_tool() if with_view and tool.has_screen else None,
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=input_schema(tool.function),
        output_schema=output_schema(tool.answers),
        annotations=ToolAnnotations(
            read_only_hint=tool.reads_only,
            destructive_hint=tool.destructive,
            idempotent_hint=tool.idempotent,
            open_world_hint=True,
        ),
    )


def _described(prompt: PromptFile) -> Prompt:
    arguments = [
        PromptArgument(name=argument.name, description=argument.description, required=argument.required)
        for argument in prompt.arguments
    ]
    return Prompt(name=prompt.name, title=prompt.title, description=prompt.description, arguments=arguments)


def _calls_for(prompt: PromptFile) -> set[str]:
    """The changing tools that a prompt asks for. Without one of them it makes no sense."""
    return {tool.name for tool in TOOLS if not tool.reads_only and tool.name in prompt.body.template}


def _resource_at(uri: str) -> tuple[ResourceEntry, dict[str, Any]]:
    """The resource at `uri`, and the values in its template."""
    for entry in RESOURCES:
        found = UriTemplate.parse(entry.uri).match(uri)
        if found is not None:
            return entry, found
    raise MCPError(INVALID_PARAMS, f"Unknown resource: {visible(uri)}", {"uri": uri})
