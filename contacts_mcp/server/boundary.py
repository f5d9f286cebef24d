"""The one boundary around tools and resources: a call ends in time, with an answer written for its reader."""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Protocol, TypeVar

import anyio

from contacts_mcp.server.arguments import read_arguments
from contacts_mcp.server.explain import explain, too_late
from contacts_mcp.server.tools import TOOLS
from contacts_mcp.server.tools.aliases import successor
from contacts_mcp.server.tools.entry import App, ToolEntry
from contacts_mcp.server.tools.parameters import from_json, is_nothing
from contacts_mcp.server.views.fitting import Answer
from contacts_mcp.state import watching
from contacts_mcp.words.note import Note
from contacts_mcp.workspace import announcing, noting_writes

_log = logging.getLogger(__name__)

Result = TypeVar("Result")


class Announce(Protocol):
    """Tells the client how a call goes on: a text, and how much of how much is done, where that is known."""

    async def __call__(self, text: str, done: float = 0, total: float | None = None) -> None: ...


class Deadline:
    """The moment at which a call is stopped. All parts of the call share it."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.at = anyio.current_time() + seconds

    @property
    def left(self) -> float:
        return self.at - anyio.current_time()


async def call(
    tool: ToolEntry, app: App, arguments: Mapping[str, Any], *, deadline: Deadline, announce: Announce
) -> Answer:
    """The answer of `tool`. `announce` hears of each long wait."""

    async def answered() -> Answer:
        entry = _moved_to(tool, arguments) or tool
        answer = await entry.function(app, **read_arguments(entry, arguments))
        answer = answer if entry is tool else answer.with_note(_moved(tool, entry))
        tool.answers.model_validate(answer.facts)  # an answer keeps its published schema, or it is our mistake
        return answer

    with under_way(tool.name) as note:
        answer = await bounded(answered, tool.name, deadline=deadline, announce=announce)
        note(answer)
    return answer


@contextmanager
def under_way(name: str) -> Iterator[Callable[[object], None]]:
    """Within this a call is under way. The function takes its result, for the log and for whoever watches."""
    begin = time.perf_counter()
    results: list[object] = []
    if watcher := watching.watcher:
        watcher.began()
    try:
        yield results.append
    finally:
        if watcher := watching.watcher:
            watcher.ended()
        log_call(name, results[0] if results else _GIVEN_UP, seconds=time.perf_counter() - begin)


_GIVEN_UP = Answer([], {"kind": "cancelled"}, is_error=True)  # by its caller


def log_call(tool: str, result: object, *, seconds: float) -> None:
    """One line, without the arguments and the result, which name people."""
    is_error = isinstance(result, Answer) and result.is_error
    facts = result.facts if isinstance(result, Answer) else {}
    kind = facts.get("kind" if is_error else "status", "answered")
    if watcher := watching.watcher:
        watcher.called(tool, kind=kind, is_error=is_error, seconds=seconds)
    if not _log.isEnabledFor(logging.INFO):
        return
    outcome, took = "error" if is_error else "ok", seconds * 1000
    request_id = facts.get("request_id", "-") if is_error else "-"
    told = {"event": "call", "tool": tool, "outcome": outcome, "kind": kind, "ms": round(took)}
    told |= {"heymarket_request": request_id} if request_id != "-" else {}
    _log.info("call %s: %s %s, %.0f ms, request %s", tool, outcome, kind, took, request_id, extra={"facts": told})


def _moved_to(tool: ToolEntry, arguments: Mapping[str, Any]) -> ToolEntry | None:
    """The other tool that these arguments are for, since they moved there."""
    given = (name for name, value in arguments.items() if not is_nothing(from_json(value)))
    other = successor(tool.name, given)  # looks at them only where a tool has moved ones
    return next((entry for entry in TOOLS if entry.name == other), None) if other else None


def _moved(tool: ToolEntry, other: ToolEntry) -> Note:
    return Note("moved", f"{tool.name} has no filters now: {other.name} answered this, and takes the next page too.")


async def bounded(
    work: Callable[[], Awaitable[Result]], name: str, *, deadline: Deadline, announce: Announce | None = None
) -> Result | Answer:
    """The result of `work`, or the answer that explains why there is none.

    `name` is the tool or resource that `work` is for. `announce` hears of each long wait.
    """
    with _announcing(announce), noting_writes() as wrote, anyio.CancelScope(deadline=deadline.at):
        try:
            return await work()
        except Exception as error:  # noqa: BLE001 -- the boundary
            return explain(error, name)
    return too_late(deadline.seconds, wrote=wrote())


def _announcing(announce: Announce | None) -> AbstractContextManager[None]:
    if announce is None:
        return nullcontext()

    async def waits(seconds: float) -> None:
        await announce(f"Heymarket's rate limit is used up; going on in {seconds:.0f} seconds.")

    async def progress(clause: str, done: int, of: int | None) -> None:
        share = f"{done:,} of {of:,}" if of is not None else f"{done:,}"
        await announce(f"{share} {clause}.", done, of)

    return announcing(waits=waits, progress=progress)
