"""A journal may take its time, and a lock may be lost, where servers share them: no write is forgotten or doubled."""

from __future__ import annotations

from collections.abc import Sequence

import anyio
import pytest
from support import OpenSession, OpenStage
from support.clock import HURRIED, Backend
from support.lists import table

from contacts_mcp.book.people.requests import Wanted
from contacts_mcp.book.people.update import update
from contacts_mcp.book.transfer.opening import pasted_source
from contacts_mcp.book.transfer.planning import Asked, plan_file
from contacts_mcp.book.transfer.running import run
from contacts_mcp.errors import AccountError
from contacts_mcp.state.journal import Entry, Journal
from contacts_mcp.state.locks import Locks

JORDAN = 1001
WRITES = {"update_contact", "create_contact", "write_contacts"}


@pytest.fixture
def anyio_backend() -> Backend:
    return HURRIED


@pytest.fixture
def _slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every answer of the journal takes two seconds more."""
    begin_all, finish_all = Journal.begin_all, Journal.finish_all

    async def begun(self: Journal, entries: Sequence[Entry]) -> list[Entry]:
        written = await begin_all(self, entries)
        await anyio.sleep(2)
        return written

    async def finished(self: Journal, entries: Sequence[Entry]) -> bool:
        await anyio.sleep(2)
        return await finish_all(self, entries)

    monkeypatch.setattr(Journal, "begin_all", begun)
    monkeypatch.setattr(Journal, "finish_all", finished)


@pytest.mark.usefixtures("_slow")
async def test_a_call_that_ends_while_the_journal_is_written_sends_nothing_and_says_so(
    open_session: OpenSession,
) -> None:
    async with open_session(contacts=3) as session:
        book = await session.workspace.book()
        with anyio.move_on_after(1) as scope:
            await update(book, Wanted(first="Jo"), contact_id=JORDAN)
        assert scope.cancelled_caught
        assert WRITES.isdisjoint(session.operations)
        assert [entry.state for entry in await book.journal.entries()] == ["not_done"]


@pytest.mark.usefixtures("_slow")
async def test_a_write_whose_call_ended_has_an_outcome_all_the_same(open_session: OpenSession) -> None:
    async with open_session(contacts=3) as session:
        book = await session.workspace.book()
        with anyio.move_on_after(3):
            await update(book, Wanted(first="Jo"), contact_id=JORDAN)
        assert "update_contact" in session.operations
        assert [entry.state for entry in await book.journal.entries()] in (["done"], ["unknown"])


def lost(_: Locks) -> None:
    raise AccountError("Nothing was sent: the lock was lost.")


async def test_nothing_is_sent_where_a_lock_was_lost_before(
    open_session: OpenSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Locks, "refuse_if_lost", lost)
    async with open_session(contacts=3) as session:
        book = await session.workspace.book()
        with pytest.raises(AccountError, match="lock was lost"):
            await update(book, Wanted(first="Jo"), contact_id=JORDAN)
        assert WRITES.isdisjoint(session.operations)
        assert [entry.state for entry in await book.journal.entries()] == ["not_done"]


async def test_a_run_stops_where_a_lock_was_lost_and_goes_on_later(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_stage() as stage:
        book = await stage.book()
        source, facts = pasted_source(table(5))
        plan = await plan_file(book, await book.imports.begin("file", facts, Asked().as_json()), source, Asked())
        with monkeypatch.context() as patched:
            patched.setattr(Locks, "refuse_if_lost", lost)
            stopped = await run(book, plan)
        assert (stopped.state, stopped.problem) == ("stopped", "Nothing was sent: the lock was lost.")
        assert WRITES.isdisjoint(request.operation for request in stage.sandbox.requests)
        assert (await run(book, plan)).state == "done"
        assert len(stage.people()) == 7
