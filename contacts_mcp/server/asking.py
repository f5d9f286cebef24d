"""Asking the person through an MCP client (elicitation).

Up to 2025-11-25 the question is a request in the middle of the call. From 2026-07-28 on it is an answer, and the client
comes back with the reply. The SDK's `Resolve` and `Elicit` ask before a tool runs and inside its arguments. Here the
question depends on what the tool found, and the token must be the same with and without a person. So the two ways of
the protocol are used directly.
"""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any

import anyio
from mcp.server.context import ServerRequestContext
from mcp.server.request_state import AESGCMRequestStateCodec
from mcp.shared.exceptions import MCPError
from mcp_types import (
    CallToolRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    ElicitResult,
    InputRequiredResult,
)
from mcp_types.version import is_version_at_least
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from contacts_mcp.server.boundary import Deadline
from contacts_mcp.server.confirming import Ask, Question, Reply, Returned, reply_of
from contacts_mcp.state.uptime import passed, uptime

PATIENCE_SHARE = 0.6  # of what is left of the call, for a person to read and answer; the rest is for doing it
ANSWERABLE = 900.0  # seconds that a question may wait for its reply, which is the life of its token
_ASKS_BY_ANSWER = "2026-07-28"
_KEY = "confirm"
_OURS = secrets.token_hex(8)  # of this process


def _keep_to_the_form(schema: dict[str, Any]) -> None:
    """A form of the protocol has neither title nor description. Pydantic would make them of our own words."""
    for name in ("title", "description"):
        schema.pop(name, None)


class Seal:
    """Seals the state of a question, so that only this server's own comes back.

    `keys` are read when they are first needed. The first seals, and all are accepted. They are kept, so a question
    asked before a restart can be answered after it.
    """

    def __init__(self, keys: Callable[[], Sequence[bytes]]) -> None:
        self._keys = keys
        self._codec: AESGCMRequestStateCodec | None = None

    def seal(self, payload: bytes) -> str:
        return self._opened().seal(payload)

    def unseal(self, token: str) -> bytes:
        """Raises InvalidRequestState for a state that this server did not seal."""
        return self._opened().unseal(token)

    def _opened(self) -> AESGCMRequestStateCodec:
        if self._codec is None:
            ring = [hashlib.sha256(b"questions\0" + key).digest() for key in self._keys()]
            self._codec = AESGCMRequestStateCodec(ring)
        return self._codec


class Approval(BaseModel):
    """The form the user sees under the question."""

    model_config = ConfigDict(json_schema_extra=_keep_to_the_form)

    approve: bool = Field(title="Yes, do it", description="Leave it off to change nothing.")


def asker(ctx: ServerRequestContext[Any, Any], deadline: Deadline) -> Ask | None:
    """The way to ask the person behind this client, or None where the client cannot."""
    if not _can_ask(ctx):
        return None

    async def ask(question: Question) -> Reply | None:
        if is_version_at_least(ctx.protocol_version, _ASKS_BY_ANSWER):
            return None
        with anyio.move_on_after(PATIENCE_SHARE * deadline.left):
            return await _asked_in_the_call(ctx, question)
        return Reply.NOBODY

    return ask


def _can_ask(ctx: ServerRequestContext[Any, Any]) -> bool:
    """Whether the client says that it can put a form to its user."""
    capabilities = ctx.session.client_capabilities
    elicitation = capabilities.elicitation if capabilities else None
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


async def _asked_in_the_call(ctx: ServerRequestContext[Any, Any], question: Question) -> Reply:
    asked = anyio.current_time()
    try:
        result = await ctx.session.elicit_form(question.text, Approval.model_json_schema(), ctx.request_id)
    except (MCPError, ValueError):  # the client cannot after all, or answered with no form at all
        return Reply.NOBODY
    return _reply(result, after=anyio.current_time() - asked)


def question_for(question: Question) -> InputRequiredResult:
    """The answer that makes the client ask and come back. `returned_by` then reads the reply."""
    form = ElicitRequestFormParams(message=question.text, requested_schema=Approval.model_json_schema())
    state: dict[str, Any] = {"text": question.text, "token": question.token, "contact": question.contact}
    state |= {"by": _OURS, "asked": uptime(), "at": time.time()}
    return InputRequiredResult(
        input_requests={_KEY: ElicitRequest(params=form)}, request_state=json.dumps(state)
    )  # the SDK seals the state, so it comes back as it was sent


def returned_by(params: CallToolRequestParams) -> Returned | None:
    """The reply with which a client came back, or None for a first call."""
    if not params.request_state:
        return None
    state = json.loads(params.request_state)
    question = Question(state["text"], state["token"], state["contact"])
    answered = (params.input_responses or {}).get(_KEY)
    if not isinstance(answered, ElicitResult):
        return Returned(question, Reply.NOBODY)
    # Another replica has another uptime. Between two machines only the time of day says how long it took.
    after = passed(state["asked"], uptime()) if state["by"] == _OURS else time.time() - state["at"]
    return Returned(question, _reply(answered, after=after))


def _reply(result: ElicitResult, *, after: float) -> Reply:
    try:
        approves = result.action == "accept" and Approval.model_validate(result.content).approve
    except ValidationError:  # something else than the form
        return Reply.NOBODY
    return reply_of(approves=approves, after=after)
