"""The filling under the rate limit, by a clock that takes no time: who waits for whom, and for how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest
from hurried import time_of_day
from support import HURRIED, Backend

from contacts_mcp.api import pace
from contacts_mcp.api.client import PAGE
from contacts_mcp.api.pace import LEAST_RESERVE
from contacts_mcp.book import look_up
from contacts_mcp.book.book import Book
from contacts_mcp.book.search.filling import PAUSES
from contacts_mcp.book.search.mirror import at_once, mirror_of
from contacts_mcp.config import Settings
from contacts_mcp.errors import ServiceFailed
from contacts_mcp.sandbox import Behaviour, Fault, Sandbox, open_sandbox
from contacts_mcp.state.ledger import WINDOW
from contacts_mcp.workspace import Workspace

LIMIT = 50
PEOPLE = 3_000
LONGEST_WAIT = 2.0


@pytest.fixture
def anyio_backend() -> Backend:
    return HURRIED


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    with closing(
        open_sandbox(contacts=PEOPLE, behaviour=Behaviour(requests_per_minute=0), clock=time_of_day)
    ) as opened:
        yield opened


@pytest.fixture
async def book(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Book]:
    monkeypatch.setattr(pace, "uptime", anyio.current_time)
    settings = Settings.load(sandbox=True, data_dir=tmp_path, requests_per_minute=LIMIT, time_zone="UTC")
    workspace = Workspace(settings, sandbox=sandbox, clock=time_of_day, index_runs=at_once)
    opened = await workspace.book()
    monkeypatch.setattr(opened.api._pace, "_clock", anyio.current_time)
    yield opened
    await workspace.aclose()


async def test_calls_find_room_while_the_mirror_is_filled(book: Book, sandbox: Sandbox) -> None:
    mirror = mirror_of(book)
    waits: list[float] = []
    await mirror.ready()
    while not (await mirror.known()).complete:
        await anyio.sleep(1.2 * WINDOW / LEAST_RESERVE)
        began = anyio.current_time()
        await look_up(book, contact_id=1001)
        waits.append(anyio.current_time() - began)
    assert len(waits) > 2
    assert max(waits) <= LONGEST_WAIT


async def test_the_filling_uses_what_the_limit_leaves_to_it(book: Book, sandbox: Sandbox) -> None:
    began = anyio.current_time()
    known = await mirror_of(book).ready(wait=3_600)
    took = anyio.current_time() - began
    assert known.complete
    requests = len(sandbox.requests)
    assert requests >= PEOPLE / PAGE
    # The first window's share goes out at once, so whole windows are what the rest takes.
    windows = -(-requests // (LIMIT - LEAST_RESERVE)) - 1
    assert took <= windows * WINDOW / 0.95


async def test_a_failure_that_may_pass_is_told_at_once_and_waited_for(book: Book, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("list_contacts", "status", status=503, skip=10, times=8))
    mirror, began = mirror_of(book), anyio.current_time()
    known = await mirror.ready(wait=3_600)
    assert anyio.current_time() - began < 60
    assert (known.complete, [note.kind for note in known.notes]) == (False, ["index_stopped"])
    assert isinstance(known.failure, ServiceFailed)
    await mirror.finished()
    known = await mirror.known()
    assert (known.complete, known.failure) == (True, None)


async def test_a_failure_that_does_not_pass_ends_the_filling_until_the_next_call(book: Book, sandbox: Sandbox) -> None:
    sandbox.faults.add(Fault("list_contacts", "status", status=503, skip=10, times=-1))
    mirror, began = mirror_of(book), anyio.current_time()
    await mirror.ready()
    await mirror.finished()
    assert sum(PAUSES) <= anyio.current_time() - began < 2 * sum(PAUSES)
    known = await mirror.known()
    assert (known.complete, [note.kind for note in known.notes]) == (False, ["index_stopped"])
    assert known.searched > 0
    sandbox.faults.clear()
    assert (await mirror.ready(wait=3_600)).complete


async def test_a_call_that_waits_stops_at_its_deadline(book: Book) -> None:
    began = anyio.current_time()
    known = await mirror_of(book).ready(wait=20)
    assert anyio.current_time() - began == pytest.approx(20, abs=0.01)
    assert not known.complete
    assert 0 < known.searched < PEOPLE
    assert known.of == PEOPLE


async def test_a_mirror_closes_also_in_the_moment_in_which_its_last_work_ended(book: Book) -> None:
    """The loop tells of the end of a task one turn after it. Since Python 3.12, a wait for it takes no turn."""
    mirror = mirror_of(book)
    await mirror.ready(wait=3_600)
    await mirror.finished()
    mirror.noticed(await book.api.get_contact(1001))
    while not all(task.done() for task in mirror._tasks):  # noqa: ASYNC110 -- to stop in this very turn
        await asyncio.sleep(0)
    assert mirror._tasks
    await mirror.aclose()
