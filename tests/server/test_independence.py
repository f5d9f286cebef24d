"""`build_server` changes nothing outside itself, and two servers in one process do not meet."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import anyio
import pytest

from contacts_mcp.config import Settings
from contacts_mcp.sandbox import Behaviour, open_sandbox
from contacts_mcp.server.server import build_server

JORDAN = 1001
ROUNDS = 12


def loggers() -> dict[str, Any]:
    """Level, handlers, filters and flags of every logger there is."""
    known = {name: logging.getLogger(name) for name in logging.Logger.manager.loggerDict} | {"": logging.getLogger()}
    return {
        name: (logger.level, [*logger.handlers], [*logger.filters], logger.propagate, logger.disabled)
        for name, logger in known.items()
    }


@pytest.mark.parametrize("level", ["DEBUG", "WARNING", "CRITICAL"])
def test_building_a_server_leaves_every_logger_as_it_was(
    level: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])  # pytest's own; with any, `basicConfig` does nothing
    before = loggers()
    build_server(Settings.load(sandbox=True, data_dir=tmp_path, log_level=level))
    assert {name: logger for name, logger in loggers().items() if name in before} == before
    assert logging.getLogger("contacts_mcp").level == before["contacts_mcp"][0]


def test_building_a_server_makes_no_file(tmp_path: Path) -> None:
    build_server(Settings.load(sandbox=True, data_dir=tmp_path / "data"))
    assert [*tmp_path.iterdir()] == []


@pytest.fixture
async def two(open_session: Any, tmp_path: Path) -> AsyncIterator[tuple[Any, Any]]:
    """Two servers with an account, a data directory and settings of their own. The second one's names are others."""
    async with AsyncExitStack() as stack:
        sandboxes = [
            stack.enter_context(closing(open_sandbox(contacts=30, behaviour=Behaviour(requests_per_minute=0))))
            for _ in range(2)
        ]
        sandboxes[1].store.add_field("Shoe Size")
        sandboxes[1].store.touch(JORDAN, first="Somebody", last="Else")
        first, second = [
            await stack.enter_async_context(
                open_session(sandbox=sandbox, data_dir=tmp_path / str(number), log_level=level)
            )
            for number, (sandbox, level) in enumerate(zip(sandboxes, ("DEBUG", "CRITICAL"), strict=True))
        ]
        yield first, second


async def test_two_servers_at_work_at_once_each_see_their_own_account(two: tuple[Any, Any]) -> None:
    async def work(session: Any, name: str) -> None:
        for number in range(ROUNDS):
            answer = await session.ok("update_contact", contact_id=JORDAN, first=f"{name} {number}")
            assert answer["contact"]["first"] == f"{name} {number}"

    async with anyio.create_task_group() as tasks:
        for session, name in zip(two, ("Ada", "Ben"), strict=True):
            tasks.start_soon(work, session, name)
    for session, name in zip(two, ("Ada", "Ben"), strict=True):
        assert session.sandbox.store.contact(JORDAN)["first"] == f"{name} {ROUNDS - 1}"
        told = (await session.ok("list_changes", limit=50))["changes"]
        assert len(told) == ROUNDS
        assert all(name in change["changes"][0]["after"] for change in told)


async def test_names_of_one_account_are_unknown_in_the_other(two: tuple[Any, Any]) -> None:
    first, second = two
    await second.ok("update_contact", contact_id=JORDAN, custom_fields={"Shoe Size": "42"})
    refused = await first.call("update_contact", contact_id=JORDAN, custom_fields={"Shoe Size": "42"})
    assert refused.structured_content["kind"] == "unknown_name"


async def test_a_confirmation_counts_only_in_the_server_that_asked(two: tuple[Any, Any]) -> None:
    first, second = two
    token = (await first.ok("delete_contact", contact_id=JORDAN))["confirm_token"]
    assert (await second.ok("delete_contact", contact_id=JORDAN, confirm_token=token))["status"] == "needs_confirmation"
    assert (await first.ok("delete_contact", contact_id=JORDAN, confirm_token=token))["status"] == "deleted"
    assert second.sandbox.store.contact(JORDAN) is not None


async def test_one_server_that_ends_leaves_the_other_at_work(open_session: Any, tmp_path: Path) -> None:
    async with open_session(data_dir=tmp_path / "a") as first:
        async with open_session(data_dir=tmp_path / "b") as second:
            await second.ok("lookup_contact", contact_id=JORDAN)
            await first.ok("lookup_contact", contact_id=JORDAN)
        await first.ok("lookup_contact", contact_id=JORDAN)
