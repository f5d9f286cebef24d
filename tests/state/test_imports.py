"""The file of plans: private, by account, and gone after a day."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.clock import Clock
from support.closers import all_aclosed

from contacts_mcp.state.imports import KEEP, Imports, StoredRow, moved_on


@pytest.fixture(autouse=True)
async def _closed() -> AsyncIterator[None]:
    async with all_aclosed(globals(), "Imports"):
        yield


def a_row(number: int, **facts: object) -> StoredRow:
    phone = f"1510555{number:04}"
    return StoredRow(row=number, line=number + 1, decision="new", state="planned", phone=phone, **facts)


async def test_a_plan_and_its_rows_come_back_as_they_were_stored(tmp_path: Path) -> None:
    imports = Imports(tmp_path / "imports.sqlite3", "ours")
    plan = await imports.begin("file", {"file": "list.csv"}, {"existing": "fill"})
    rows = [a_row(1, wanted={"first": "Åsa", "tags": [3]}), a_row(2)]
    await imports.add(plan, rows)
    assert await imports.rows(plan) == rows
    found = await imports.plan(plan)
    assert found is not None
    assert (found.facts, found.switches, found.state) == ({"file": "list.csv"}, {"existing": "fill"}, "reading")


async def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    imports = Imports(tmp_path / "imports.sqlite3", "ours")
    await imports.begin("file", {}, {})
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert {*modes.values()} == {0o600}, modes


async def test_a_plan_of_another_account_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "imports.sqlite3"
    plan = await Imports(path, "ours").begin("file", {}, {})
    assert await Imports(path, "theirs").plan(plan) is None


@pytest.mark.parametrize(("age", "is_there"), [(KEEP - 60, True), (KEEP + 60, False)], ids=["a day", "more"])
async def test_a_plan_goes_after_a_day(tmp_path: Path, age: float, is_there: bool) -> None:
    clock = Clock()
    imports = Imports(tmp_path / "imports.sqlite3", "ours", clock=clock, uptime=clock)
    plan = await imports.begin("file", {}, {})
    await imports.add(plan, [a_row(1)])
    clock.now += age
    assert (await imports.plan(plan) is not None, bool(await imports.rows(plan))) == (is_there, is_there)


async def test_a_finished_plan_keeps_what_there_is_to_tell_and_no_other_values(tmp_path: Path) -> None:
    imports = Imports(tmp_path / "imports.sqlite3", "ours")
    plan = await imports.begin("file", {}, {})
    await imports.add(plan, [a_row(1, wanted={"first": "Ada"}), a_row(2, wanted={"first": "Ben"})])
    first, second = await imports.rows(plan)
    await imports.save(plan, [moved_on(first, "done"), moved_on(second, "failed", "was refused.")])
    await imports.finish(plan)
    assert [(row.wanted, row.outcome) for row in await imports.rows(plan)] == [
        ({}, ""),
        ({"first": "Ben"}, "was refused."),
    ]
    assert await imports.states(plan) == {"done": 1, "failed": 1}
