"""One attempt at one task: a fresh server over a fresh sandbox, an agent, and the person's part read from the task.

Calls, words and seconds of a line are bounded, so every attempt ends with a verdict.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import anyio
from mcp import MCPError
from mcp.client import Client
from mcp_types import CallToolResult, TextContent, Tool

from contacts_mcp.config import Settings
from contacts_mcp.sandbox import Behaviour, Sandbox, open_sandbox
from contacts_mcp.server.instructions import instructions_for
from contacts_mcp.server.server import build_server
from contacts_mcp.server.tools import TOOLS
from contacts_mcp.workspace import Workspace

from .agents import Agent, AgentFailed, OpenAgent
from .grading import Attempt, Made, problems
from .matching import is_said
from .office import Office
from .tasks import TODAY, BadTask, Row, Task, Turn

MOST_CALLS = 40
MOST_WORDS = 10
MOST_REPEATS = 2  # of an answer, to somebody who asks again
NOON = datetime.fromisoformat(f"{TODAY}T12:00:00Z").timestamp()


@dataclass(frozen=True)
class Verdict:
    """The result of an attempt."""

    task: Task
    problems: list[str]
    calls: int
    received: int
    sent: int

    @property
    def passed(self) -> bool:
        return not self.problems


async def examine(
    task: Task,
    open_agent: OpenAgent,
    *,
    trial: int = 1,
    timeout: float = 120.0,  # noqa: ASYNC109 -- of each line
) -> Verdict:
    """One attempt at `task`. An agent that fails fails the task, never the run. Raises BadTask."""
    async with _entered(task) as room, open_agent() as agent:
        await _converse(room, agent, trial=trial, timeout=timeout)
        found = list(problems(room.attempt, room.office))
        await agent.end({"type": "end", "passed": not found, "problems": found})
    attempt = room.attempt
    return Verdict(task, found, len(attempt.calls), attempt.received // 4, attempt.sent // 4)


async def _converse(room: Room, agent: Agent, *, trial: int, timeout: float) -> None:  # noqa: ASYNC109 -- of a line
    line: Row | None = room.start(trial)
    while line is not None:
        room.attempt.received += _bytes(line)
        try:
            with anyio.fail_after(timeout):
                answer = await agent.answer(line)
        except TimeoutError:
            room.attempt.broken = f"no answer within {timeout:g} seconds"
            return
        except AgentFailed as failure:
            room.attempt.broken = str(failure)
            return
        room.attempt.sent += _bytes(answer)
        line = await room.reply(answer)


class Room:
    """The server, the sandbox behind it, and the person's part."""

    def __init__(self, client: Client, office: Office, attempt: Attempt, tools: list[Tool]) -> None:
        self._client = client
        self._tools = tools
        self._repeats = 0
        self.office = office
        self.attempt = attempt

    def start(self, trial: int) -> Row:
        """The first line."""
        return {
            "type": "start",
            "task": self.attempt.task.id,
            "trial": trial,
            "today": TODAY,
            "instructions": instructions_for([tool.name for tool in TOOLS]),
            "tools": [tool.model_dump(by_alias=True, exclude_none=True, mode="json") for tool in self._tools],
            "messages": [{"role": "user", "content": self.attempt.task.say}],
        }

    async def reply(self, answer: Any) -> Row | None:
        """The line after the agent's, or None at the end."""
        match answer:
            case {"type": "call", "tool": str(tool), "arguments": dict(arguments)}:
                return await self._call(tool, arguments)
            case {"type": "say", "text": str(text)}:
                return self._listen(text)
        self.attempt.broken = f"neither a call nor a say: {json.dumps(answer)[:120]}"
        return None

    async def _call(self, tool: str, arguments: Row) -> Row | None:
        if len(self.attempt.calls) >= MOST_CALLS:
            self.attempt.broken = f"stopped after {MOST_CALLS} calls"
            return None
        result = await call(self._client, tool, arguments)
        self.attempt.calls.append(Made(tool, arguments, result["is_error"], self.attempt.turns))
        return result

    def _listen(self, text: str) -> Row | None:
        self.attempt.words.append(text)
        if len(self.attempt.words) > MOST_WORDS:
            self.attempt.broken = f"stopped after {MOST_WORDS} messages"
            return None
        words = self._next_words(text)
        return {"type": "user", "content": words} if words else None

    def _next_words(self, text: str) -> str:
        """The person's reply to `text`, which is empty where the conversation is over."""
        attempt, turns = self.attempt, self.attempt.task.turns
        if attempt.turns < len(turns):
            upcoming = turns[attempt.turns]
            return self._given(upcoming) if upcoming.request or self._waits_for(upcoming, text) else ""
        if turns and self._asks_again(turns[-1], text):
            self._repeats += 1
            return turns[-1].answer
        return ""

    def _given(self, turn: Turn) -> str:
        for row in turn.meanwhile:
            self.office.edit(row)
        self.attempt.turns += 1
        self._repeats = 0
        return turn.text

    def _waits_for(self, turn: Turn, text: str) -> bool:
        """Whether `text` asks what `turn` answers, and not only tells what was done already."""
        hanging = [write for write in self.attempt.task.writes if write.after_turn == self.attempt.turns + 1]
        undone = self.attempt.outstanding()
        is_done = not undone if turn.optional else bool(hanging) and not any(write in undone for write in hanging)
        return is_asked(turn, text) and not is_done

    def _asks_again(self, turn: Turn, text: str) -> bool:
        is_open = any(write.after_turn == self.attempt.turns for write in self.attempt.outstanding())
        return bool(turn.answer) and is_open and self._repeats < MOST_REPEATS and is_asked(turn, text)


def is_asked(turn: Turn, text: str) -> bool:
    """Whether `text` puts the question that `turn` answers."""
    return all(is_said(phrase, text) for phrase in turn.asks)


@asynccontextmanager
async def _entered(task: Task) -> AsyncIterator[Room]:
    """A room in the state before."""
    clock = _Clock()
    behaviour = Behaviour(requests_per_minute=0)
    with (
        tempfile.TemporaryDirectory() as home,
        closing(open_sandbox(behaviour=behaviour, contacts=task.book, clock=clock)) as sandbox,
    ):
        settings = Settings.load(sandbox=True, data_dir=home, requests_per_minute=100_000, confirm="token")
        workspace = Workspace(settings, sandbox=sandbox, clock=clock)
        try:
            async with Client(build_server(settings, workspace=workspace)) as client:
                yield await _prepared(task, client, sandbox)
        finally:
            await workspace.aclose()


async def _prepared(task: Task, client: Client, sandbox: Sandbox) -> Room:
    office = Office(sandbox)
    for row in task.before:
        if "call" not in row:
            office.edit(row)
            continue
        result = await call(client, row["call"], row["with"])
        if result["is_error"]:
            raise BadTask(f"{task.id}: before: {result['text']}")
    tools = (await client.list_tools()).tools
    writers = {
        tool.name: _defaults(tool) for tool in tools if not (tool.annotations and tool.annotations.read_only_hint)
    }
    return Room(client, office, Attempt(task, office.contacts(), writers), tools)


def _defaults(tool: Tool) -> Row:
    return {name: schema.get("default") for name, schema in tool.input_schema.get("properties", {}).items()}


async def call(client: Client, tool: str, arguments: Row) -> Row:
    """The line that answers a call. A call that the protocol refuses is an error like any other."""
    try:
        result = await client.call_tool(tool, arguments)
    except MCPError as error:
        return {"type": "result", "text": str(error), "structured": None, "is_error": True}
    assert isinstance(result, CallToolResult)
    text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
    return {"type": "result", "text": text, "structured": result.structured_content, "is_error": bool(result.is_error)}


class _Clock:
    """The time of day on the book's last day. It goes on from noon."""

    def __init__(self) -> None:
        self._entered = time.monotonic()

    def __call__(self) -> float:
        return NOON + time.monotonic() - self._entered


def _bytes(line: Any) -> int:
    return len(json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode())
