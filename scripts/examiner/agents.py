"""The examined agent answers a line with a line. A child process speaks JSON lines on its stdin and stdout."""

from __future__ import annotations

import json
import shlex
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import anyio
from anyio.streams.buffered import BufferedByteReceiveStream

from .tasks import Row

LONGEST_LINE = 1_000_000
GOODBYE = 2.0  # seconds an agent has to end after the last line


class AgentFailed(Exception):
    """The agent ended, hung, or wrote something that is no line of ours."""


class Agent(Protocol):
    """One conversation. Each has a new agent."""

    async def answer(self, line: Row) -> Any:
        """The agent's line after `line`. Raises AgentFailed."""

    async def end(self, line: Row) -> None:
        """Tells it how it ended."""


OpenAgent = Callable[[], AbstractAsyncContextManager[Agent]]


class InProcess:
    """A function in this process: line in, line out."""

    def __init__(self, answer: Callable[[Row], Row]) -> None:
        self._answer = answer

    async def answer(self, line: Row) -> Any:
        try:
            return self._answer(line)
        except Exception as error:  # an agent may fail in any way, and the run goes on
            raise AgentFailed(f"the agent failed: {error!r}") from error

    async def end(self, line: Row) -> None:
        """There is nobody to tell."""


class Child:
    """A child process, a line each way."""

    def __init__(self, process: anyio.abc.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin = process.stdin
        self._stdout = BufferedByteReceiveStream(process.stdout)

    async def answer(self, line: Row) -> Any:
        await self._send(line)
        try:
            answer = await self._stdout.receive_until(b"\n", LONGEST_LINE)
        except (anyio.EndOfStream, anyio.IncompleteRead, anyio.ClosedResourceError, anyio.BrokenResourceError):
            raise AgentFailed("the agent ended") from None
        except anyio.DelimiterNotFound:
            raise AgentFailed(f"the agent wrote a line of more than {LONGEST_LINE} bytes") from None
        try:
            return json.loads(answer)
        except (ValueError, RecursionError):
            raise AgentFailed(f"the agent wrote what is not JSON: {answer[:80]!r}") from None

    async def end(self, line: Row) -> None:
        try:
            await self._send(line)
            await self._stdin.aclose()
        except AgentFailed:
            return

    async def _send(self, line: Row) -> None:
        try:
            await self._stdin.send(json.dumps(line, ensure_ascii=False).encode() + b"\n")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise AgentFailed("the agent ended") from None


def child_of(command: str) -> OpenAgent:
    """Starts `command` once for each conversation. Its stderr is ours."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Agent]:
        process = await anyio.open_process(shlex.split(command), stderr=None)
        try:
            yield Child(process)
            with anyio.move_on_after(GOODBYE):
                await process.wait()
        finally:
            if process.returncode is None:
                process.kill()
            with anyio.CancelScope(shield=True):
                await process.aclose()

    return opened


def inside(make: Callable[[], Callable[[Row], Row]]) -> OpenAgent:
    """An agent in this process. `make` is called once for each conversation."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[Agent]:
        yield InProcess(make())

    return opened
