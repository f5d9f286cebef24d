"""No call outlives its deadline, and the journal tells the truth wherever a call is cut off.

Guards `contacts_mcp/server/boundary.py` and `contacts_mcp/book/writing/write.py`.
"""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable, Generator
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from mcp.client import Client
from support import Backend, OpenStage, Stage

from contacts_mcp.book.book import Book
from contacts_mcp.book.history.undo import undo
from contacts_mcp.book.people.create import create
from contacts_mcp.book.people.delete import delete
from contacts_mcp.book.people.requests import Wanted
from contacts_mcp.book.people.update import update
from contacts_mcp.config import Settings
from contacts_mcp.sandbox import Fault, open_sandbox
from contacts_mcp.sandbox.behaviour import Behaviour
from contacts_mcp.server.server import build_server
from contacts_mcp.state.journal import Entry
from contacts_mcp.workspace import Workspace

NEW = "+15105553344"
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "create": ("create_contact", {"phone": NEW, "first": "Jo", "custom_fields": {"Plan": "Gold"}, "tags": ["VIP"]}),
    "create-or-fill": (
        "create_contact",
        {"phone": "+15105550101", "avatar": "https://example.com/a.png", "if_exists": "fill"},
    ),
    "lookup": ("lookup_contact", {"contact_id": 1}),
    "lookup-phone": ("lookup_contact", {"phone": "+15105550102"}),
    "lookup-email": ("lookup_contact", {"email": "ada@example.com"}),
    "update": ("update_contact", {"contact_id": 1, "last": "Sample", "clear": ["Plan"]}),
    "delete": ("delete_contact", {"contact_id": 2}),
    "list": ("list_contacts", {"tag": "VIP"}),
    "fields": ("list_contact_fields", {}),
    "changes": ("list_changes", {}),
    "undo": ("undo_change", {"change_id": 1}),
}
LASTING = {
    "stalling": {"kind": "stall", "delay": 1e6},
    "stalling-after": {"kind": "stall_after", "delay": 1e6},
    "dripping": {"kind": "drip", "delay": 0.9},
    "slow": {"kind": "stall", "delay": 1.9},
    "refusing": {"kind": "refuse"},
    "failing": {"kind": "status", "status": 503},
    "limiting": {"kind": "status", "status": 429, "retry_after": 20},
    "dropping": {"kind": "drop_after"},
    "garbling": {"kind": "html_after"},
}
DEADLINES = (0.3, 7.0)


@pytest.fixture
def anyio_backend(hurried: Backend) -> Backend:
    return hurried


@pytest.mark.parametrize("fault", LASTING)
@pytest.mark.parametrize("deadline", DEADLINES)
async def test_every_call_under_every_fault_ends_within_a_second_of_its_deadline(
    fault: str, deadline: float, open_stage: OpenStage
) -> None:
    async with open_stage(confirm="off", call_timeout=deadline) as stage:
        for name, (tool, arguments) in CALLS.items():
            await stage.fresh()
            if name in ("changes", "undo"):
                await _rename(stage)
            stage.sandbox.faults.add(Fault("*", times=-1, **LASTING[fault]))
            started = anyio.current_time()
            await stage.call(tool, **arguments)
            assert anyio.current_time() - started <= deadline + 1, name


async def _rename(stage: Stage) -> None:
    await update(await stage.book(), Wanted(first="Augusta"), contact_id=1)
    stage.restart()


async def test_the_deadline_holds_by_the_clock_on_the_wall_too(tmp_path: Path) -> None:
    """The one test here that takes time: the same without the hurried clock."""

    async def main() -> float:
        sandbox = open_sandbox(contacts=1, behaviour=Behaviour(requests_per_minute=0))
        sandbox.faults.add(Fault("*", "drip", times=-1, delay=0.05))
        settings = Settings.load(sandbox=True, data_dir=tmp_path, call_timeout=0.3, timeout=5.0)
        workspace = Workspace(settings, sandbox=sandbox)
        async with Client(build_server(settings, workspace=workspace)) as client:
            started = anyio.current_time()
            result = await client.call_tool("lookup_contact", {"contact_id": 1001})
            took = anyio.current_time() - started
        await workspace.aclose()
        sandbox.close()
        assert result.is_error
        return took

    assert await anyio.to_thread.run_sync(lambda: anyio.run(main)) <= 1.3


Deed = Callable[[Book], Awaitable[Any]]

DEEDS: dict[str, Deed] = {
    "create": lambda book: create(book, NEW, Wanted(first="Jo", tags=["VIP"])),
    "create-or-fill": lambda book: create(
        book, "+15105550101", Wanted(avatar="https://example.com/a.png"), if_exists="fill"
    ),
    "update": lambda book: update(book, Wanted(last="Sample", custom_fields={"Region": "Reno"}), contact_id=1),
    "move": lambda book: update(book, Wanted(), phone="+15105550102", new_phone=NEW),
    "delete": lambda book: delete(book, contact_id=2),
    "undo-update": lambda book: undo(book, 1),
}


@pytest.mark.parametrize("deed", DEEDS)
async def test_cut_off_at_any_await_the_journal_tells_the_truth_afterwards(deed: str, open_stage: OpenStage) -> None:
    """Cut off once at its first suspension, once at its second, and so on, until it comes through."""
    async with open_stage(confirm="off") as stage:
        for step in range(1, 1000):
            await stage.fresh()
            await _rename(stage)
            book = await stage.book()
            stage.wire.before = stage.wire.after = _suspend
            was_cut = await _cut_off(DEEDS[deed], book, at=step)
            await _check_truth(stage)
            if not was_cut:
                break
        assert step > 10


@pytest.mark.parametrize("side", ["before", "after"])
@pytest.mark.parametrize("deed", DEEDS)
async def test_cut_off_at_any_request_the_journal_tells_the_truth_afterwards(
    deed: str, side: str, open_stage: OpenStage
) -> None:
    """The same by the wire: before the n-th request goes out, and once it was carried out but its answer is unread."""
    async with open_stage(confirm="off") as stage:
        for number in range(1, 100):
            await stage.fresh()
            await _rename(stage)
            book = await stage.book()
            with anyio.CancelScope() as scope:
                setattr(stage.wire, side, _cancelling(scope, at=number))
                await DEEDS[deed](book)
            await _check_truth(stage)
            if not scope.cancelled_caught:
                break
        assert number > 3


def _cancelling(scope: anyio.CancelScope, *, at: int) -> Callable[[Any], Awaitable[None]]:
    seen = 0

    async def hook(_: Any) -> None:
        nonlocal seen
        seen += 1
        if seen == at:
            scope.cancel()
            await anyio.lowlevel.checkpoint()

    return hook


async def _suspend(_: Any) -> None:
    """A real connection waits here."""
    await anyio.sleep(0.1)


async def _cut_off(deed: Deed, book: Book, *, at: int) -> bool:
    with anyio.CancelScope() as scope:
        await _stepped(deed(book), lambda step: scope.cancel() if step == at else None)
    return scope.cancelled_caught


@types.coroutine
def _stepped(work: Awaitable[Any], on_step: Callable[[int], None]) -> Generator[Any, Any, Any]:
    """`work`, telling of each of its suspensions before it happens."""
    inner = work.__await__()
    step, waiting_for = 0, next(inner, None)
    while True:
        step += 1
        on_step(step)
        try:
            answer = yield waiting_for
        except BaseException as error:  # noqa: BLE001 -- passed on, as `await` does
            send, value = inner.throw, error
        else:
            send, value = inner.send, answer
        try:
            waiting_for = send(value)
        except StopIteration as done:
            return done.value


async def _check_truth(stage: Stage) -> None:
    """No finished entry is wrong at once. After a restart an hour later no entry is open, and none is wrong."""
    people = {person["id"]: person for person in stage.sandbox.store.contacts()}
    assert len({person["phone"] for person in people.values()}) == len(people)
    _check_newest(await (await stage.book()).journal.entries(), people)
    await anyio.sleep(3600)
    stage.restart()
    await stage.ok("list_changes")
    entries = await (await stage.book()).journal.entries()
    assert {entry.state for entry in entries} <= {"done", "not_done"}
    _check_newest(entries, people)
    assert [entry.undone_by for entry in entries[1:]] == [
        entries[0].change_id if _takes_back(entries[0]) else None
    ] * len(entries[1:])


def _takes_back(entry: Entry) -> bool:
    return entry.undoes is not None and entry.state == "done"


def _check_newest(entries: list[Entry], people: dict[int, dict[str, Any]]) -> None:
    """Checks the newest entry only, because it may have changed the results of older ones."""
    entry = entries[0]
    if entry.state not in ("done", "not_done"):
        return
    if entry.action == "create":
        is_so = any(person["phone"] == entry.wanted["phone"] for person in people.values())
    elif entry.action == "delete":
        is_so = entry.contact_id not in people
    else:
        assert entry.contact_id is not None
        keys = ("first", "last", "phone", "avatar")
        names = [name for name in keys if entry.before.get(name) != entry.wanted.get(name)]
        is_so = bool(names) and all(people[entry.contact_id][name] == entry.wanted[name] for name in names)
    assert is_so is (entry.state == "done")
