"""The one boundary around every tool, where errors become answers.

- Texts we wrote for the reader pass. Everything else is reported by its kind only, and logged without data.
- Arguments are read as `tools.parameters` says; one that is not known is refused, because a misspelt one that is dropped is lost.
- Each call is bounded in time, waits for the rate limit are told as progress, and confirmations are put to the user where that can be.
"""

from __future__ import annotations

import json
import logging
import traceback
from collections.abc import Collection
from functools import cache
from typing import Any

import anyio
from mcp.server.context import CallNext, HandlerResult, ServerMiddleware, ServerRequestContext
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.exceptions import ToolError, UnexpectedToolError
from mcp.server.mcpserver.tools import Tool
from mcp.server.mcpserver.utilities.func_metadata import FuncMetadata, func_metadata
from mcp_types import CallToolResult, TextContent, ToolAnnotations
from pydantic import BaseModel, PrivateAttr, ValidationError

from contacts_mcp.config import Settings
from contacts_mcp.errors import AnswerLost, BadAnswer, ContactsError, InvalidArgument, NotDone, Rejected, ServiceFailed
from contacts_mcp.server import confirming, views
from contacts_mcp.server.tools import TOOLS, Offer
from contacts_mcp.server.tools.parameters import PlainSchema
from contacts_mcp.words.display import visible
from contacts_mcp.workspace import announcing_waits

# Below WARNING these write down what they are given: addresses, arguments, whole answers. That is personal data, whatever our own level is.
TALKATIVE = ("httpx", "httpcore", "mcp", "sse_starlette", "uvicorn")

_log = logging.getLogger(__name__)


def log_at(level: str) -> None:
    """Let this package write from `level` on, and the libraries below it nothing personal."""
    logging.getLogger("contacts_mcp").setLevel(level)
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)


def tool_for(offer: Offer, settings: Settings) -> Tool:
    """The SDK's tool for an offer, with our boundary around it.

    Not by the SDK's `from_function`, which derives schemas that are not the plain ones, at twice the time.
    """
    arguments = func_metadata(offer.function, skip_names=["ctx"], structured_output=False).arg_model
    reading = _Arguments(
        tool=offer.name, arg_model=arguments, output_model=offer.answers, output_schema=_plain(offer.answers)
    )
    tool = ContactsTool(
        fn=offer.function,
        name=offer.name,
        title=offer.title,
        description=offer.description,
        parameters=_plain(arguments) | {"additionalProperties": False},
        fn_metadata=reading,
        is_async=True,
        context_kwarg="ctx",
        annotations=ToolAnnotations(
            read_only_hint=offer.reads_only,
            destructive_hint=offer.destructive,
            idempotent_hint=offer.idempotent,
            open_world_hint=True,
        ),
    )
    tool.bound(settings.call_timeout, asks=settings.confirm == "auto")
    return tool


@cache
def _plain(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(schema_generator=PlainSchema, mode="validation")


class _Arguments(FuncMetadata):
    """Reads arguments as `tools.parameters` says, not by the SDK's guess, which turns the first name "null" into no name."""

    tool: str

    def validate_arguments(self, arguments_to_validate: dict[str, Any]) -> dict[str, Any]:
        known = self.arg_model.model_fields
        unknown = next((name for name in arguments_to_validate if name not in known), None)
        if unknown is not None:
            raise InvalidArgument(
                visible(unknown, limit=60),
                "there is no such argument.",
                expected=_advice(self.tool, unknown, list(known)),
            )
        given = {name: value for name, value in arguments_to_validate.items() if value is not None}
        return self.arg_model.model_validate(given).model_dump_one_level()


PATIENCE_SHARE = 0.6  # of what is left of the call, for a person to read and answer; then there must be time to do it


class ContactsTool(Tool):
    """A tool inside the boundary: whatever happens, the call ends in time with an answer written for its reader."""

    _seconds: float = PrivateAttr(default=50.0)
    _asks: bool = PrivateAttr(default=True)

    def bound(self, seconds: float, *, asks: bool) -> None:
        """End a call after `seconds`; put confirmations to the user if `asks` and the client can."""
        self._seconds = seconds
        self._asks = asks

    async def run(self, arguments: dict[str, Any], context: Context[Any, Any], convert_result: bool = False) -> Any:
        deadline = anyio.current_time() + self._seconds
        came_back = confirming.returned(context)
        if came_back is None:
            result = await self._answer(arguments, context, convert_result)
            question = confirming.question_in(result)
            if not question or not self._asks or not confirming.can_ask(context):
                return result
            facts = result.structured_content
            token = facts["confirm_token"]
            reply = await confirming.ask(
                context, question, token, facts, patience=PATIENCE_SHARE * (deadline - anyio.current_time())
            )
        else:
            token, reply, contact = came_back
            facts = {"contact": contact}
            # Without a no, the request still stands; after one, nothing is done, whatever it would need by now.
            result = (
                await self._answer(arguments, context, convert_result) if reply is confirming.Reply.NOBODY else None
            )
        match reply:
            case confirming.Reply.YES:
                return await self._answer(
                    arguments | {"confirm_token": token}, context, convert_result, deadline=deadline
                )
            case confirming.Reply.NO:
                return views.declined(facts)
            case confirming.Reply.NOBODY if confirming.question_in(result):
                return views.with_note(
                    result,
                    "The question was declined before a person could read it, or nobody answered in time, so ask the person yourself. "
                    "If they have said no already, that is their answer.",
                )
            case confirming.Reply.NOBODY:
                return result
            case _:
                return reply

    async def _answer(
        self,
        arguments: dict[str, Any],
        context: Context[Any, Any],
        convert_result: bool,
        *,
        deadline: float | None = None,
    ) -> Any:
        seconds = self._seconds if deadline is None else deadline - anyio.current_time()
        try:
            with anyio.fail_after(seconds), announcing_waits(lambda seconds: _announce(context, seconds)):
                return await super().run(arguments, context, convert_result)
        except TimeoutError:
            return _error(_too_late(self._seconds, writes=not (self.annotations and self.annotations.read_only_hint)))
        except ToolError as error:
            return _error(explain(error, self.name))


async def _announce(context: Context[Any, Any], seconds: float) -> None:
    await context.report_progress(0, message=f"Heymarket's rate limit is used up; going on in {seconds:.0f} seconds.")


LONGEST_ERROR = 4_000


def _error(text: str) -> CallToolResult:
    return CallToolResult(content=[TextContent(type="text", text=visible(text, limit=LONGEST_ERROR))], is_error=True)


def explain(error: Exception, tool: str) -> str:
    cause = (isinstance(error, ToolError) and error.__cause__) or error
    match cause:
        case ContactsError():
            return f"{str(cause).rstrip('.')}. {NEXT[type(cause)]}" if type(cause) in NEXT else str(cause)
        case ValidationError() if cause is not error and not isinstance(
            error, UnexpectedToolError
        ):  # of the arguments, not of something inside
            return " ".join(
                _explain_argument(problem) for problem in cause.errors(include_url=False, include_context=False)
            )
        case TimeoutError():
            return "The call ran out of time."
        case _:
            _log.error("%s failed unexpectedly: %s at %s", tool, type(cause).__name__, _place(cause))
            return f"{tool} failed because of a mistake in this server ({type(cause).__name__}). Look the contact up before trying again; the server's log says where it was."


_LATER = "Nothing was changed. Try again in a minute; if it stays so, the account owner can ask Heymarket's support and quote the X-Request-Id."

# What the reader can do, where the wire that raised the error cannot know it: after a write that may have been carried out it never gets here.
NEXT: dict[type[ContactsError], str] = {
    ServiceFailed: _LATER,
    AnswerLost: _LATER,
    BadAnswer: _LATER,
    NotDone: "It can be tried again later.",
    Rejected: "Check the values with the person; the same call will be answered the same.",
}


def _explain_argument(problem: Any) -> str:
    name = ".".join(str(part) for part in problem["loc"])
    if problem["type"] == "missing":
        return f"{name} is required and was not given."
    came = visible(_as_json(problem["input"])[:120], limit=80)
    expected = problem["msg"].removeprefix("Value error, ").partition(", unable")[0]
    for theirs, ours in _PLAINER.items():
        expected = expected.replace(theirs, ours)
    return f"{name}: {expected}; got {came}. Nothing was changed."


# The type checker's words, and those of people and of JSON.
_PLAINER = {
    "Input should be": "should be",
    "a valid string": "a text",
    "a valid integer": "a whole number",
    "a valid boolean": "true or false",
    "a valid dictionary": "an object",
    "a valid list": "an array",
}


def _as_json(value: Any) -> str:
    """As the caller wrote it."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return repr(value)


def _too_late(seconds: float, *, writes: bool) -> str:
    if writes:
        return f"No end after {seconds:g} seconds, so this was given up. A change may have been carried out: look the contact up before trying again."
    return f"No end after {seconds:g} seconds, so this was given up. Nothing was changed; try again, or ask for less."


def _advice(tool: str, unknown: str, known: list[str]) -> str:
    from contacts_mcp.server.tools.aliases import advice

    return f"{advice(tool, unknown, known)} Nothing was changed."


def naming_tools(offered: Collection[str]) -> ServerMiddleware[Any]:
    """Answers a call of a tool there is not with the one there is; the SDK says no more than that it is unknown."""

    async def check(ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        name = (ctx.params or {}).get("name")
        if ctx.method != "tools/call" or not isinstance(name, str) or name in offered:
            return await call_next(ctx)
        return _error(_no_such_tool(name, offered))

    return check


def _no_such_tool(name: str, offered: Collection[str]) -> str:
    from contacts_mcp.server.tools.aliases import right_tool

    if any(offer.name == name for offer in TOOLS):
        return f"The account owner does not offer {name} here. There are: {', '.join(offered)}. Nothing was changed."
    near = right_tool(name, offered)
    hint = f"Did you mean {' or '.join(near)}?" if near else f"There are: {', '.join(offered)}."
    return f'There is no tool "{visible(name, limit=60)}". {hint} Nothing was changed.'


def _place(error: BaseException) -> str:
    """Where it happened, without a word of what was being worked on."""
    return " < ".join(
        f"{frame.name}:{frame.lineno}" for frame in reversed(traceback.extract_tb(error.__traceback__)[-4:])
    )
