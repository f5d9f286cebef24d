"""Errors as answers: a text for the reader, and a structure with a stable `kind` for programs.

- The text of one of our own errors was written for the reader, so it passes.
- The text of any other error may hold somebody's data. The answer names only its type, and the log its place too.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from typing import Any

from contacts_mcp.errors import AnswerLost, BadAnswer, ContactsError, NotDone, Rejected, ServiceFailed
from contacts_mcp.server.logs import place_of
from contacts_mcp.server.tools import TOOLS
from contacts_mcp.server.views.fitting import Answer
from contacts_mcp.words.display import quoted, safe, shortened

_log = logging.getLogger(__name__)

LONGEST = 4_000  # characters of a text

_LATER = "Nothing was changed. Try again in a minute."
_FOR_SUPPORT = " If it stays so, the account owner can give the X-Request-Id to Heymarket's support."

# The next step, where the wire that raised the error cannot know it. After a write that may have been carried out
# another error comes instead.
NEXT: dict[type[ContactsError], str] = {
    ServiceFailed: _LATER,
    AnswerLost: _LATER,
    BadAnswer: _LATER,
    NotDone: "It can be tried again later.",
    Rejected: "Check the values with the person. The same call would be refused again.",
}

# The attributes of errors that help a program. Their names are part of the contract, and none is a name of another
# answer's field with another meaning: clients may hold an error against the tool's output schema.
FACTS = ("argument", "reason", "candidates", "is_ambiguous", "retry_after", "request_id", "change_id", "contact_id")


def explain(error: Exception, tool: str) -> Answer:
    """The answer that tells of `error`, which came out of `tool`."""
    if not isinstance(error, ContactsError):
        return _mistake(error, tool)
    known = {name: getattr(error, name, None) for name in FACTS}
    facts = {name: value for name, value in known.items() if value not in (None, "", (), []) and value is not False}
    text = str(error)
    step = NEXT.get(type(error))
    if step and not (error.is_midway and step == _LATER):  # then it is not true that nothing was changed
        support = _FOR_SUPPORT if step == _LATER and "request_id" in facts else ""
        text = f"{text.rstrip('.')}. {step}{support}"
    return refusal(error.kind, text, **facts)


def refusal(kind: str, text: str, **facts: Any) -> Answer:
    """An answer that is an error."""
    message = shortened(text, limit=LONGEST)
    return Answer([message], {"kind": kind, "message": message} | safe(facts), is_error=True)


def too_late(seconds: float, *, wrote: bool) -> Answer:
    """The call was stopped at its deadline. `wrote` tells whether it had sent a change by then."""
    stopped = f"Stopped after {seconds:g} seconds without an answer."
    if not wrote:
        return refusal("too_late", f"{stopped} Nothing was changed. Try again, or ask for less.")
    return refusal(
        "too_late", f"{stopped} A change may have been carried out: look the contact up before trying again."
    )


def no_such_tool(name: str, enabled: Collection[str]) -> Answer:
    """The tool that was called is switched off, or there is none of that name."""
    from contacts_mcp.server.tools.aliases import right_tools

    all_of_them = f"There are: {', '.join(enabled)}."
    if any(tool.name == name for tool in TOOLS):
        return refusal("tool_off", f"The account owner does not offer {name} here. {all_of_them} Nothing was changed.")
    near = right_tools(name, enabled)
    hint = f"Did you mean {' or '.join(near)}?" if near else all_of_them
    return refusal(
        "unknown_tool",
        f"There is no tool {quoted(name, limit=60)}. {hint} Nothing was changed.",
        candidates=near or list(enabled),
    )


def _mistake(error: Exception, tool: str) -> Answer:
    _log.error("%s failed unexpectedly: %s at %s", tool, type(error).__name__, place_of(error))
    return refusal(
        "internal",
        f"{tool} failed because of a mistake in this server ({type(error).__name__}). "
        "Look the contact up before trying again. The server's log names the place in the code.",
    )
