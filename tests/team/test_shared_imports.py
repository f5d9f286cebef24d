"""The two forms of the plans of imports, a file and PostgreSQL: stored as shown, by account, gone after a day."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from support.clock import Clock

from contacts_mcp.state.imports import KEEP, Imports, StoredRow, moved_on
from contacts_mcp.state.postgres.database import SharedDatabase
from contacts_mcp.state.postgres.imports import PostgresImports

AnyImports = Imports | PostgresImports


@dataclass
class FileForm:
    path: Path
    clock: Clock = field(default_factory=Clock)
    opened: list[Imports] = field(default_factory=list)

    def imports(self, account: str = "ours") -> Imports:
        self.opened.append(Imports(self.path, account, clock=self.clock, uptime=self.clock))
        return self.opened[-1]

    async def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    async def aclose(self) -> None:
        for imports in self.opened:
            await imports.aclose()


@dataclass
class PostgresForm:
    db: SharedDatabase
    prefix: str

    def imports(self, account: str = "ours") -> PostgresImports:
        return PostgresImports(self.db, f"{self.prefix} {account}")

    async def wait(self, seconds: float) -> None:
        of = "account IN (SELECT account FROM account_name WHERE name LIKE %(like)s)"
        values = {"seconds": seconds, "like": f"{self.prefix} %"}
        await self.db.execute(f"UPDATE import_plan SET made = made - %(seconds)s WHERE {of}", values)

    async def aclose(self) -> None:
        await self.db.aclose()


Form = FileForm | PostgresForm


@pytest.fixture(params=["file", "postgres"])
async def form(request: pytest.FixtureRequest, tmp_path: Path, new_account: Callable[[], str]) -> AsyncIterator[Form]:
    if request.param == "file":
        made: Form = FileForm(tmp_path / "imports.sqlite3")
    else:
        made = PostgresForm(SharedDatabase(request.getfixturevalue("postgres")), new_account())
    yield made
    await made.aclose()


@pytest.fixture
def imports(form: Form) -> AnyImports:
    return form.imports()


def a_row(number: int, **facts: Any) -> StoredRow:
    return StoredRow(row=number, line=number + 1, decision="new", state="planned", phone=f"1510555{number:04}", **facts)


async def test_a_plan_and_its_rows_come_back_as_they_were_stored(imports: AnyImports) -> None:
    plan = await imports.begin("file", {"file": "list.csv", "a": [1]}, {"existing": "fill"})
    rows = [a_row(1, wanted={"first": "Åsa\x00\ud800", "tags": [3]}, reason="new\nline\ttab\\"), a_row(2, sent_at=1.5)]
    await imports.add(plan, rows)
    assert await imports.rows(plan) == rows
    found = await imports.plan(plan)
    assert found is not None
    assert (found.facts, found.switches, found.state) == (
        {"file": "list.csv", "a": [1]},
        {"existing": "fill"},
        "reading",
    )
    assert abs(found.made - imports.now) < 5


async def test_what_is_set_of_a_plan_is_told(imports: AnyImports) -> None:
    plan = await imports.begin("update", {}, {})
    await imports.set(plan, state="running", problem="", asked=1, change_id=8, counts={"decisions": {"new": 3}})
    found = await imports.plan(plan)
    assert found is not None
    assert (found.state, found.asked, found.change_id, found.counts) == (
        "running",
        True,
        8,
        {"decisions": {"new": 3}},
    )
    assert await imports.plans("running", "stopped") == [found]
    assert await imports.plans("planned") == []


async def test_rows_are_chosen_and_given_page_after_page(imports: AnyImports) -> None:
    plan = await imports.begin("file", {}, {})
    rows = [replace(a_row(number), decision="new" if number % 2 else "same") for number in range(1, 1102)]
    await imports.add(plan, rows)
    assert [row.row for row in await imports.rows(plan, decision="same", after=4, limit=2)] == [6, 8]
    await imports.save(plan, [moved_on(rows[0], "done"), moved_on(rows[2], "failed", "was refused.")])
    assert [row.row for row in await imports.rows(plan, state="planned", limit=2)] == [2, 4]
    assert await imports.states(plan) == {"done": 1, "failed": 1, "planned": 1099}
    assert [row.row async for row in imports.every_row(plan)] == [row.row for row in rows]


async def test_the_rows_that_a_person_confirms_are_told_as_they_are_stored(imports: AnyImports) -> None:
    plan = await imports.begin("file", {}, {})
    await imports.add(plan, [a_row(number, wanted={"z": 1, "a": "Å"}, expected="x") for number in range(1, 502)])
    rows = [row async for row in imports.confirmed(plan)]
    assert rows == [(number, number + 1, "new", None, "x", '{"z":1,"a":"Å"}') for number in range(1, 502)]


async def test_a_finished_plan_keeps_what_there_is_to_tell_and_no_other_values(imports: AnyImports) -> None:
    plan = await imports.begin("file", {}, {})
    await imports.add(plan, [a_row(1, wanted={"first": "Ada"}), a_row(2, wanted={"first": "Ben"})])
    first, second = await imports.rows(plan)
    await imports.save(plan, [moved_on(first, "done"), moved_on(second, "failed", "was refused.")])
    await imports.finish(plan)
    assert [(row.wanted, row.outcome) for row in await imports.rows(plan)] == [
        ({}, ""),
        ({"first": "Ben"}, "was refused."),
    ]
    found = await imports.plan(plan)
    assert found is not None
    assert found.state == "done"


async def test_a_plan_that_cannot_be_filled_is_none(imports: AnyImports) -> None:
    plan = await imports.begin("file", {}, {})
    with suppress(ZeroDivisionError):
        async with imports.filling(plan):
            await imports.add(plan, [a_row(1)])
            raise ZeroDivisionError
    assert (await imports.plan(plan), await imports.states(plan)) == (None, {})


@pytest.mark.parametrize(("age", "is_there"), [(KEEP - 60, True), (KEEP + 60, False)], ids=["a day", "more"])
async def test_a_plan_goes_after_a_day(form: Form, age: float, is_there: bool) -> None:
    plan = await form.imports().begin("file", {}, {})
    await form.imports().add(plan, [a_row(1)])
    await form.wait(age)
    later = form.imports()
    assert (await later.plan(plan) is not None, bool(await later.rows(plan))) == (is_there, is_there)


async def test_all_plans_of_an_account_are_forgotten_but_those_that_run(form: Form) -> None:
    imports = form.imports()
    running, planned = [await imports.begin("file", {}, {}) for _ in range(2)]
    await imports.set(running, state="running")
    await imports.forget()
    assert (await imports.plan(running) is not None, await imports.plan(planned)) == (True, None)
    await imports.forget_own()
    assert await imports.plan(running) is None


async def test_a_plan_of_another_account_is_not_there(form: Form) -> None:
    ours, theirs = form.imports("ours"), form.imports("theirs")
    plan = await ours.begin("file", {}, {})
    await ours.add(plan, [a_row(1)])
    assert await theirs.plan(plan) is None
    assert await theirs.plans("reading") == []
