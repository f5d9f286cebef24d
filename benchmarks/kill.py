"""`kill -9` of the stdio server in the middle of its writes, again and again: `python benchmarks/kill.py [times]`.

The sandbox is served over real HTTP, and the way to it kills the server. The moment is before a write is carried out,
instead of that, after it, after its answer, or any request. Four writes are under way each time: a create, an update, a
confirmed delete and an undo. A search is under way, too, so that the local index is written meanwhile. Then the next
server starts, and journal and store must tell the same story. A search must find every contact of the store, and nobody
else.

Gateways answer some of the requests with pages of their own. Some records have members of the wrong shape. Now and
then another program has the journal locked.

A request of the dead server may still arrive, so the next server says "unknown" for a minute. Instead of waiting for
that minute, the journal is made older by it.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from soak import JOURNAL, ODD, locked
from starlette.types import ASGIApp, Receive, Scope, Send

from contacts_mcp.sandbox import Behaviour, ConnectionDropped, Fault, Oddity, Sandbox, open_sandbox, serve

Record = dict[str, Any]

MOMENTS = ("before", "instead", "after", "answered", "any")
FIRST_PHONE = 16465550100
GATEWAYS = tuple(
    Fault("*", kind, status=status, times=-1, probability=0.03)
    for kind in ("gateway", "gateway_after")
    for status in (404, 502)
)
SHARE_OF_LOCKED = 0.15


@dataclass
class Figures:
    """The figures of a run. `wrong` must stay empty."""

    kills: int = 0
    locked: int = 0  # with the journal locked
    unfinished: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def must(self, rule: str, *, holds: bool) -> None:
        if not holds:
            self.wrong.append(f"kill {self.kills}: {rule}")


class DeadlyWay:
    """The way to the sandbox, which kills the client when it is armed."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._kill: Callable[[], None] | None = None
        self._moment = ""
        self._skip = 0
        self._under_way = 0
        self._idle = anyio.Event()

    def arm(self, moment: str, *, skip: int, kill: Callable[[], None]) -> None:
        """Kill at the write after `skip` others, or, where the moment is `any`, at the request after `skip` others."""
        self._moment, self._skip, self._kill = moment, skip, kill

    def disarm(self) -> None:
        """Kill nobody."""
        self._kill = None

    async def wait_until_idle(self) -> None:
        """Until nothing of the dead client is still being carried out."""
        while self._under_way:
            self._idle = anyio.Event()
            await self._idle.wait()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._under_way += 1
        try:
            await self._pass(scope, receive, send)
        finally:
            self._under_way -= 1
            self._idle.set()

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_time(scope):
            await self._app(scope, receive, send)
            return
        kill, self._kill = self._kill, None
        assert kill
        request = await _whole(receive)  # it was sent, so it is carried out whoever waits for it
        if self._moment == "instead":
            kill()
            raise ConnectionDropped
        if self._moment in ("before", "any"):
            kill()
        answer = await _answer_of(self._app, scope, request)
        if self._moment == "after":
            kill()
        for message in answer:
            await send(message)
        if self._moment == "answered":
            kill()

    def _is_time(self, scope: Scope) -> bool:
        if self._kill is None or not (_is_write(scope) or self._moment == "any"):
            return False
        self._skip -= 1
        return self._skip < 0


def _is_write(scope: Scope) -> bool:
    return scope["method"] in ("PUT", "DELETE") or scope["path"] in ("/v1/contact", "/v1/batch/contacts")


async def _answer_of(app: ASGIApp, scope: Scope, receive: Receive) -> list[Any]:
    messages: list[Any] = []

    async def keep(message: Any) -> None:
        messages.append(message)

    await app(scope, receive, keep)
    return messages


async def _whole(receive: Receive) -> Receive:
    messages = [await receive()]
    while messages[-1].get("more_body"):
        messages.append(await receive())

    async def again() -> Any:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    return again


class Server:
    """One `contacts-mcp serve` child, spoken to in JSON-RPC lines, because a client library would wait for the dead."""

    def __init__(self, process: Process) -> None:
        assert process.stdout
        self._process = process
        self._lines = BufferedByteReceiveStream(process.stdout)
        self._last_id = 0
        self._is_killed = False

    def kill(self) -> None:
        if not self._is_killed:
            self._is_killed = True
            with suppress(ProcessLookupError):
                # Process.kill() would take its end away from the event loop, which waits for it.
                os.kill(self._process.pid, signal.SIGKILL)

    async def send(self, method: str, params: Record, *, is_request: bool = True) -> int:
        assert self._process.stdin
        self._last_id += is_request
        message = {"jsonrpc": "2.0", "method": method, "params": params} | ({"id": self._last_id} if is_request else {})
        await self._process.stdin.send(json.dumps(message).encode() + b"\n")
        return self._last_id

    async def answers(self) -> AsyncIterator[tuple[int, Record]]:
        """id and result of every answer, until the server is dead."""
        while True:
            try:
                message = json.loads(await self._lines.receive_until(b"\n", 10_000_000))
            except (anyio.IncompleteRead, anyio.EndOfStream, anyio.ClosedResourceError):
                return
            if "id" in message and "method" not in message:
                yield message["id"], message["result"]

    async def call(self, tool: str, **arguments: Any) -> Record:
        """The facts of an answer that must come. Raises RuntimeError where it is an error or none."""
        number = await self.send("tools/call", {"name": tool, "arguments": arguments})
        async for answered, result in self.answers():
            if answered == number and not result.get("isError"):
                facts: Record = result["structuredContent"]
                return facts
            if answered == number:
                raise RuntimeError(result["content"][0]["text"])
        raise RuntimeError("the server ended")


@asynccontextmanager
async def running(url: str, home: Path) -> AsyncIterator[Server]:
    """A server that has shaken hands. It need not be alive at the end."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(("HEYMARKET_", "CONTACTS_MCP_"))}
    env |= {"HEYMARKET_BASE_URL": url, "HEYMARKET_API_KEY": "sandbox-api-key", "CONTACTS_MCP_DATA_DIR": str(home)}
    env |= {"CONTACTS_MCP_REQUESTS_PER_MINUTE": "100000"}
    process = await anyio.open_process([sys.executable, "-m", "contacts_mcp", "serve"], env=env, stderr=None)
    server = Server(process)
    try:
        hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "kill", "version": "1"}}
        await server.send("initialize", hello)
        await anext(aiter(server.answers()))
        await server.send("notifications/initialized", {}, is_request=False)
        yield server
    finally:
        server.kill()
        await process.aclose()


@dataclass
class Round:
    """The four writes of one round, each with its contact."""

    phone: str
    mark: str
    updated: int
    deleted: int
    restored: int
    undoes: int
    calls: dict[str, tuple[str, Record]] = field(default_factory=dict)
    answered: dict[str, str] = field(default_factory=dict)


async def run(times: int, *, seed: int = 0) -> Figures:
    """Kill a server `times` times, and check after each."""
    figures, dice = Figures(), random.Random(seed)
    sandbox = open_sandbox(behaviour=Behaviour(requests_per_minute=0), contacts=20)
    people = [contact["id"] for contact in sandbox.store.contacts()]
    sandbox.oddities.extend(Oddity(one, members=odd) for one, odd in zip(people, ODD, strict=False))
    way = DeadlyWay(sandbox.app)
    sandbox.app = way
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory)
        async with anyio.create_task_group() as tasks:
            url = await tasks.start(serve, sandbox)
            await _rounds(times, url, home, sandbox, way, figures, dice)
            tasks.cancel_scope.cancel()
    sandbox.close()
    return figures


async def _rounds(
    times: int, url: str, home: Path, sandbox: Sandbox, way: DeadlyWay, figures: Figures, dice: random.Random
) -> None:
    latest: Round | None = None
    before: dict[int, Record] = {}
    for number in range(times + 1):
        async with running(url, home) as server:
            if latest is not None:
                await _check(server, home, sandbox, latest, before, figures)
            if number == times:
                return
            latest = await _prepared(server, sandbox, number)
            before = {contact["id"]: contact for contact in sandbox.store.contacts()}
            moment = dice.choice(MOMENTS)
            way.arm(moment, skip=dice.randrange(14 if moment == "any" else 4), kill=server.kill)
            sandbox.faults.add(*GATEWAYS)
            is_locked = dice.random() < SHARE_OF_LOCKED
            with locked(home / JOURNAL) if is_locked else nullcontext():
                await _write_until_dead(server, latest)
        await way.wait_until_idle()
        sandbox.faults.clear()
        figures.kills += 1
        figures.locked += is_locked
        figures.unfinished += _age(home / JOURNAL)


async def _prepared(server: Server, sandbox: Sandbox, number: int) -> Round:
    add: Callable[..., int] = sandbox.store.add_contact
    phones = [str(FIRST_PHONE + 4 * number + offset) for offset in range(4)]
    updated, deleted, restored = (add(phone=phone, first="Test", custom={"31": "Gold"}) for phone in phones[1:])
    undoes = (await server.call("update_contact", contact_id=restored, last="Changed"))["change_id"]
    token = (await server.call("delete_contact", contact_id=deleted))["confirm_token"]
    await server.call("search_contacts", limit=1)
    this = Round(phones[0], f"round {number}", updated, deleted, restored, undoes)
    this.calls = {
        "create": ("create_contact", {"phone": f"+{this.phone}", "first": this.mark}),
        "update": ("update_contact", {"contact_id": updated, "custom_fields": {"Plan": this.mark}}),
        "delete": ("delete_contact", {"contact_id": deleted, "confirm_token": token}),
        "undo": ("undo_change", {"change_id": undoes}),
    }
    return this


async def _write_until_dead(server: Server, this: Round) -> None:
    sent = {
        await server.send("tools/call", {"name": tool, "arguments": call}): name
        for name, (tool, call) in this.calls.items()
    }
    await server.send("tools/call", {"name": "search_contacts", "arguments": {"limit": 100}})
    answers = 0
    async for number, result in server.answers():
        answers += number in sent
        if not result.get("isError") and number in sent:
            this.answered[sent[number]] = result["structuredContent"]["status"]
        if answers == len(sent):
            server.kill()  # all was answered before the moment came


def _age(journal: Path) -> int:
    """Make the unfinished entries older than any request can be. Answers how many there were."""
    db = sqlite3.connect(journal, isolation_level=None)
    try:
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        return db.execute(
            "UPDATE changes SET at = at - 120, uptime = uptime - 120 WHERE state IN ('begun', 'unknown')"
        ).rowcount
    finally:
        db.close()


async def _check(
    server: Server, home: Path, sandbox: Sandbox, this: Round, before: dict[int, Record], figures: Figures
) -> None:
    listed = (await server.call("list_changes", limit=50))["changes"]
    after = {contact["id"]: contact for contact in sandbox.store.contacts()}
    seen = _carried_out(this, before, after)
    figures.must("an entry is not resolved", holds=not _unresolved(home / JOURNAL))
    _check_journal(this, listed, seen, figures)
    for name, status in this.answered.items():
        figures.must(f"{name} was answered {status} and is not so", holds=seen[name])
    _check_contacts(this, before, after, figures)
    await _check_search(server, after, figures)


async def _check_search(server: Server, after: dict[int, Record], figures: Figures) -> None:
    """A search tells everybody, as they are, and nobody else."""
    told: dict[int, Record] = {}
    page: Record = {"next_cursor": ""}
    while not told or page["next_cursor"]:
        page = await server.call("search_contacts", limit=100, cursor=page["next_cursor"])
        told |= {contact["contact_id"]: contact for contact in page["contacts"]}
    figures.must("a search is not complete", holds=page["complete"])
    figures.must(f"a search tells {told.keys() ^ after.keys()} wrongly", holds=told.keys() == after.keys())
    for number in told.keys() & after.keys():
        first, phone = after[number]["first"], f"+{after[number]['phone']}"
        is_so = told[number]["phone"] == phone and first in told[number].get("name", "")
        figures.must(f"a search tells contact {number} as {told[number]}", holds=is_so)


def _check_journal(this: Round, listed: list[Record], seen: dict[str, bool], figures: Figures) -> None:
    states = {_name_of(entry, this): entry["state"] for entry in listed if entry["change_id"] > this.undoes}
    for name in this.calls:
        state = states.get(name, "not begun")
        figures.outcomes[f"{name}: {state}"] += 1
        figures.must(
            f"{name} is {state} in the journal, which the store contradicts", holds=(state == "done") == seen[name]
        )
    (undone,) = [entry for entry in listed if entry["change_id"] == this.undoes]
    figures.must("the journal does not know what was undone", holds=("undone_by" in undone) == seen["undo"])


def _check_contacts(this: Round, before: dict[int, Record], after: dict[int, Record], figures: Figures) -> None:
    phones = {contact["phone"] for contact in after.values()}
    figures.must("two contacts have one phone", holds=len(phones) == len(after))
    concerned = {this.updated, this.deleted, this.restored}
    others = {number: contact for number, contact in before.items() if number not in concerned}
    figures.must("somebody else's contact changed", holds=others.items() <= after.items())
    for number in (this.updated, this.restored):
        changed = {name for name, value in before[number].items() if after[number][name] != value}
        figures.must(f"an update changed {changed}", holds=changed <= {"custom", "last", "rev", "updated"})


def _name_of(entry: Record, this: Round) -> str:
    return "undo" if entry.get("undoes") == this.undoes else str(entry["action"])


def _carried_out(this: Round, before: dict[int, Record], after: dict[int, Record]) -> dict[str, bool]:
    return {
        "create": any(contact["phone"] == this.phone and contact["first"] == this.mark for contact in after.values()),
        "update": after[this.updated]["custom"] == {"31": this.mark},
        "delete": this.deleted not in after,
        "undo": after[this.restored]["last"] == "" != before[this.restored]["last"],
    }


def _unresolved(journal: Path) -> list[str]:
    db = sqlite3.connect(journal)
    try:
        return [state for (state,) in db.execute("SELECT state FROM changes WHERE state NOT IN ('done', 'not_done')")]
    finally:
        db.close()


def main(times: int) -> int:
    runner: Callable[[int], Awaitable[Figures]] = run
    figures = anyio.run(runner, times)
    print(f"killed {figures.kills} times, {figures.locked} of them with the journal locked")
    print(f"{figures.unfinished} entries were left unfinished")
    for outcome, count in sorted(figures.outcomes.items()):
        print(f"  {outcome}: {count}")
    print(*figures.wrong, f"wrong: {len(figures.wrong)}", sep="\n")
    return int(bool(figures.wrong))


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 100))
