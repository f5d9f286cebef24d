"""The file of plans: private, by account, and gone after a day."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.clock import Clock
from support.closers import all_closed

from contacts_mcp.state.imports import KEEP, Imports, StoredRow, moved_on


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    with all_closed(globals(), "Imports"):
        yield


def a_row(number: int, **facts: object) -> StoredRow:
    phone = f"1510555{number:04}"
    return StoredRow(row=number, line=number + 1, decision="new", state="planned", phone=phone, **facts)


def test_a_plan_and_its_rows_come_back_as_they_were_stored(tmp_path: Path) -> None:
    imports = Imports(tmp_path / "imports.sqlite3", "ours")
    plan = imports.begin("file", {"file": "list.csv"}, {"existing": "fill"})
    rows = [a_row(1, wanted={"first": "Åsa", "tags": [3]}), a_row(2)]
    imports.add(plan, rows)
    assert imports.rows(plan) == rows
    found = imports.plan(plan)
    assert found is not None
    assert (found.facts, found.switches, found.state) == ({"file": "list.csv"}, {"existing": "fill"}, "reading")


def test_the_file_is_for_its_owner_only(tmp_path: Path) -> None:
    imports = Imports(tmp_path / "imports.sqlite3", "ours")
    imports.begin("file", {}, {})
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert {*modes.values()} == {0o600}, modes


def test_a_plan_of_another_account_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "imports.sqlite3"
    plan = Imports(path, "ours").begin("file", {}, {})
    assert Imports(path, "theirs").plan(plan) is None


@pytest.mark.parametrize(("age", "is_there"), [(KEEP - 60, True), (KEEP + 60, False)], ids=["a day", "more"])
def test_a_plan_goes_after_a_day(tmp_path: Path, age: float, is_there: bool) -> None:
    clock = Clock()
    imports = Imports(tmp_path / "imports.sqlite3", "ours", clock=clock)
    plan = imports.begin("file", {}, {})
    imports.add(plan, [a_row(1)])
    clock.now += age
    assert (imports.plan(plan) is not None, bool(imports.rows(plan))) == (is_there, is_there)


def test_a_finished_plan_keeps_what_there_is_to_tell_and_no_other_values(tmp_path: Path) -> None:
    imports = Imports(tmp_path / "imports.sqlite3", "ours")
    plan = imports.begin("file", {}, {})
    imports.add(plan, [a_row(1, wanted={"first": "Ada"}), a_row(2, wanted={"first": "Ben"})])
    first, second = imports.rows(plan)
    imports.save(plan, [moved_on(first, "done"), moved_on(second, "failed", "was refused.")])
    imports.finish(plan)
    assert [(row.wanted, row.outcome) for row in imports.rows(plan)] == [({}, ""), ({"first": "Ben"}, "was refused.")]
    assert imports.states(plan) == {"done": 1, "failed": 1}
