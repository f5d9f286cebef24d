"""Putting a confirmation to the user, where the client can ask its user (elicitation).

- The tool has answered needs_confirmation with a question and a token. The question goes to the user, and on their yes the same call is made again
  with the token: the token stays the one mechanism, and what was confirmed is exactly what was shown.
- Up to 2025-11-25 the question is a request in the middle of the call; from 2026-07-28 on it is an answer that the client returns with.
- Several clients declare that they can ask and then decline without showing anything. No person reads and declines within `READING`, so
  such an answer is not a person's, and the token goes to the assistant instead; so it does when nobody answers in time.

The SDK's `Resolve` and `Elicit` ask before a tool runs and inside its arguments; here the question depends on what the tool found, and the
token must come out the same with and without a person, so the two ways of the protocol are used directly.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from enum import Enum
from typing import Any, NamedTuple

import anyio
from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from mcp_types.version import is_version_at_least
from pydantic import BaseModel, ConfigDict, Field, ValidationError

READING = 1.5  # seconds
_ASKS_BY_ANSWER = "2026-07-28"
_KEY = "confirm"


def _keep_to_the_form(schema: dict[str, Any]) -> None:
    """A form of the protocol has neither title nor description; pydantic would make them of our own words."""
    for name in ("title", "description"):
        schema.pop(name, None)


class Approval(BaseModel):
    """The form the user sees under the question."""

    model_config = ConfigDict(json_schema_extra=_keep_to_the_form)

    approve: bool = Field(title="Yes, do it", description="Leave it off to change nothing.")


class Reply(Enum):
    YES = "yes"
    NO = "no"
    NOBODY = "nobody"
    """The client answered by itself, too late or not at all."""


class Returned(NamedTuple):
    """What a client came back with: the token that was asked about, the user's reply, and the contact as it was shown."""

    token: str
    reply: Reply
    contact: dict[str, Any] | None


def can_ask(context: Context[Any, Any]) -> bool:
    """Whether the client says that it can put a form to its user."""
    capabilities = context.client_capabilities
    elicitation = capabilities.elicitation if capabilities else None
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def question_in(result: Any) -> str:
    """The question of an answer that needs a confirmation; empty for any other."""
    facts = result.structured_content if isinstance(result, CallToolResult) and not result.is_error else None
    return str(facts.get("question", "")) if facts and facts.get("status") == "needs_confirmation" else ""


async def ask(
    context: Context[Any, Any], question: str, token: str, facts: Mapping[str, Any], *, patience: float
) -> Reply | InputRequiredResult:
    """The user's reply within `patience` seconds, or what to answer so that the client asks and comes back (then see `returned`)."""
    if is_version_at_least(context.protocol_version or "", _ASKS_BY_ANSWER):
        form = ElicitRequestFormParams(message=question, requested_schema=Approval.model_json_schema())
        state = json.dumps({"token": token, "asked": time.time(), "contact": facts.get("contact")})
        return InputRequiredResult(input_requests={_KEY: ElicitRequest(params=form)}, request_state=state)
    asked = anyio.current_time()
    with anyio.move_on_after(patience):
        try:
            result = await context.elicit(question, Approval)
        except (MCPError, ValueError):  # the client cannot after all, or answered with something else than the form
            return Reply.NOBODY
        approve = result.action == "accept" and result.data.approve
        return _reply(result.action, approve=approve, after=anyio.current_time() - asked)
    return Reply.NOBODY


def returned(context: Context[Any, Any]) -> Returned | None:
    """Where the client came back to a question; None for a first call."""
    if not context.request_state:
        return None
    state = json.loads(context.request_state)  # sealed by the SDK: what comes back is what was sent
    answered = (context.input_responses or {}).get(_KEY)
    if not isinstance(answered, ElicitResult):
        return Returned(state["token"], Reply.NOBODY, state["contact"])
    try:
        approve = answered.action == "accept" and Approval.model_validate(answered.content).approve
    except ValidationError:  # something else than the form
        return Returned(state["token"], Reply.NOBODY, state["contact"])
    return Returned(
        state["token"], _reply(answered.action, approve=approve, after=time.time() - state["asked"]), state["contact"]
    )


def _reply(action: str, *, approve: bool, after: float) -> Reply:
    if approve:
        return Reply.YES
    return Reply.NOBODY if action != "accept" and after < READING else Reply.NO
