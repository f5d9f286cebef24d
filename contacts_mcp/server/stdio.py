"""Serving on stdin and stdout, and ending well on a signal: as if the client had closed stdin.

- The client is spoken to through duplicates of stdin and stdout. The numbers 0 and 1 lead elsewhere meanwhile, so that
  no child of ours and no stray `print` touches the protocol.
- A read of stdin cannot be interrupted, so it is made by a thread that nobody waits for. A signal ends what that thread
  passes on. The server then closes journal and sandbox as always, and exits 0. A second signal has its usual effect.
- Requests made before the end of the input are still answered, within `LAST_WORDS`. So a script may write all its lines
  at once and close.
- The event loop itself writes the answers, piece by piece, while the client has room for them. So a client that does
  not read holds up nothing but itself.
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable
from concurrent.futures import CancelledError
from contextlib import suppress
from typing import Any

import anyio
from anyio.abc import ObjectReceiveStream, ObjectSendStream
from anyio.streams.memory import MemoryObjectSendStream
from mcp.server.lowlevel.server import Server
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCError, JSONRPCMessage, JSONRPCRequest, JSONRPCResponse, RequestId

from contacts_mcp.server.lines import Lines, Unreadable

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_STDIN, _STDOUT, _STDERR = range(3)
_CHUNK = 65536
LAST_WORDS = 0.5  # seconds after the end of the input in which calls are answered, and then read by the client
_NEVER_ANSWERED = ("subscriptions/listen",)  # as long as the client listens


def serve(server: Server[Any]) -> None:
    """Serve one client until it closes stdin, or until a signal."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    anyio.run(_serve, server, _moved(_STDIN, nowhere), _moved(_STDOUT, _STDERR if _is_open(_STDERR) else nowhere))


def _moved(number: int, elsewhere: int) -> int:
    """Another number for the file with `number`, which then leads `elsewhere`. So does one that was never open."""
    if not _is_open(number):
        return elsewhere
    moved = os.dup(number)
    os.dup2(elsewhere, number)
    return moved


def _is_open(number: int) -> bool:
    with suppress(OSError):
        os.fstat(number)
        return True
    return False


class _OpenRequests:
    """The requests without an answer so far."""

    def __init__(self) -> None:
        self._ids: set[RequestId] = set()
        self._none = anyio.Event()

    def given(self, message: JSONRPCMessage) -> None:
        if isinstance(message, JSONRPCRequest) and message.method not in _NEVER_ANSWERED:
            self._ids.add(message.id)

    def written(self, message: JSONRPCMessage) -> None:
        if isinstance(message, JSONRPCResponse | JSONRPCError) and message.id is not None:
            self._ids.discard(message.id)
            if not self._ids:
                self._none.set()

    def forget(self) -> None:
        self._ids.clear()
        self._none.set()

    async def answered(self) -> None:
        """Return once there is none."""
        self._none = anyio.Event()
        if self._ids:
            await self._none.wait()


async def _serve(server: Server[Any], stdin: int, stdout: int) -> None:
    ending, chunks = anyio.create_memory_object_stream[bytes](1)
    given, messages = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    answers, written = anyio.create_memory_object_stream[SessionMessage](0)
    loop, open_requests, writing = asyncio.get_running_loop(), _OpenRequests(), anyio.CancelScope()

    def end() -> None:
        open_requests.forget()
        ending.close()
        writing.deadline = loop.time() + LAST_WORDS

    _on_signals(lambda: loop.call_soon_threadsafe(end))
    threading.Thread(target=_pass_on, args=(stdin, ending, loop), daemon=True).start()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_read, chunks, given, answers.clone(), open_requests)
        tasks.start_soon(_write, stdout, written, open_requests, writing, end)
        await server.run(messages, answers, server.create_initialization_options())
        tasks.cancel_scope.deadline = anyio.current_time() + LAST_WORDS


def _on_signals(end: Callable[[], object]) -> None:
    """The first signal calls `end`."""

    def first(*_: object) -> None:
        for each in _SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        end()

    for each in _SIGNALS:
        signal.signal(each, first)


def _pass_on(stdin: int, chunks: MemoryObjectSendStream[bytes], loop: asyncio.AbstractEventLoop) -> None:
    """Pass on what comes, and its end. It may still be reading when the loop has ended."""
    with suppress(OSError, RuntimeError, CancelledError, anyio.ClosedResourceError, anyio.BrokenResourceError):
        while (data := _next_of(stdin)) and not loop.is_closed():
            asyncio.run_coroutine_threadsafe(chunks.send(data), loop).result()
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(chunks.close)


def _next_of(stdin: int) -> bytes:
    """The next piece, b"" at the end. A parent may have left the file as one whose reads do not wait."""
    while True:
        try:
            return os.read(stdin, _CHUNK)
        except BlockingIOError:
            select.select([stdin], [], [])


async def _read(
    chunks: ObjectReceiveStream[bytes],
    messages: ObjectSendStream[SessionMessage | Exception],
    answers: ObjectSendStream[SessionMessage],
    open_requests: _OpenRequests,
) -> None:
    """Every line as a message for the server. A line that is none is answered here, and holds up no other line."""
    lines = Lines()
    async with messages, answers, anyio.create_task_group() as refusals:
        async for line in _split(chunks):
            for message in lines.read(line):
                if isinstance(message, Unreadable):
                    refusals.start_soon(answers.send, SessionMessage(message.answer))
                    continue
                open_requests.given(message)
                await messages.send(SessionMessage(message))
        refusals.cancel_scope.deadline = anyio.current_time() + LAST_WORDS
        await open_requests.answered()


async def _split(chunks: ObjectReceiveStream[bytes]) -> AsyncIterator[str]:
    """The lines. The last one may lack its end."""
    rest = bytearray()
    async for chunk in chunks:
        *ends, start = chunk.split(b"\n")
        for end in ends:
            yield (rest + end).decode(errors="replace")
            rest.clear()
        rest += start
    yield rest.decode(errors="replace")


async def _write(
    stdout: int,
    messages: ObjectReceiveStream[SessionMessage],
    open_requests: _OpenRequests,
    writing: anyio.CancelScope,
    end: Callable[[], None],
) -> None:
    """A line a message, for as long as `writing` lasts. Where nobody reads them any more, the input ends, too."""
    with writing:
        async for session_message in messages:
            message = session_message.message
            line = message.model_dump_json(by_alias=True, exclude_unset=True)
            try:
                await _put(stdout, line.encode() + b"\n")
            except OSError:
                end()
            open_requests.written(message)
    async for _ in messages:  # the server must not wait for a client that does not read
        pass


async def _put(stdout: int, data: bytes) -> None:
    """Write without making the event loop wait for a client that does not read. Raises OSError where it is gone."""
    while data:
        if sys.platform == "win32":  # where only a socket can be asked for room
            sent = await anyio.to_thread.run_sync(os.write, stdout, data)
        else:
            if not select.select([], [stdout], [], 0)[1]:
                await anyio.wait_writable(stdout)
            sent = os.write(stdout, data[: select.PIPE_BUF])  # a pipe with room has that much
        data = data[sent:]
