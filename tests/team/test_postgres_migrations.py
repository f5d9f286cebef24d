"""The schema of the shared database: prepared once, and by versions that run side by side."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from contacts_mcp.errors import AccountError
from contacts_mcp.state.journal import Entry
from contacts_mcp.state.postgres.database import SharedDatabase
from contacts_mcp.state.postgres.imports import PostgresImports
from contacts_mcp.state.postgres.journal import PostgresJournal
from contacts_mcp.state.postgres.locks import PostgresLocks
from contacts_mcp.state.postgres.migrations import Step, known_steps

UPDATE = Entry(action="update", contact_id=7, before={"first": "Jo"}, wanted={"first": "Joe"})
LAST = known_steps()[-1].number
ADDS = "ALTER TABLE journal ADD COLUMN mood text;\nCREATE TABLE later (account integer PRIMARY KEY);"

STARTER = """
import sys, anyio
from contacts_mcp.state.postgres.database import SharedDatabase

async def main(url):
    db = SharedDatabase(url)
    print("ready", flush=True)
    sys.stdin.readline()
    await db.open()
    await db.aclose()

anyio.run(main, sys.argv[1])
"""


async def used(db: SharedDatabase) -> None:
    """The database serves every part."""
    journal, locks, imports = (part(db, "one") for part in (PostgresJournal, PostgresLocks, PostgresImports))
    async with locks.contact(7):
        assert await journal.finish(replace(await journal.begin(UPDATE), state="done"))
    assert await imports.plan(await imports.begin("file", {}, {}))


def test_steps_are_numbered_without_a_gap() -> None:
    assert [step.number for step in known_steps()] == [*range(1, LAST + 1)]


async def test_many_servers_that_start_at_once_prepare_one_schema(empty_database: str) -> None:
    children = [
        subprocess.Popen(  # noqa: ASYNC220 -- short ones
            [sys.executable, "-c", STARTER, empty_database], stdin=-1, stdout=-1, stderr=-1, text=True
        )
        for _ in range(5)
    ]
    for child in children:
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin
        child.stdin.write("go\n")
        child.stdin.flush()
    assert [child.communicate(timeout=60)[1] for child in children] == [""] * 5
    db = SharedDatabase(empty_database)
    rows = await db.fetch("SELECT version FROM schema_version ORDER BY version")
    assert [row["version"] for row in rows] == [*range(1, LAST + 1)]
    await used(db)
    await db.aclose()


async def test_a_server_of_the_version_before_keeps_running_and_can_start_again(empty_database: str) -> None:
    old = SharedDatabase(empty_database)
    await used(old)
    new = SharedDatabase(empty_database, steps=[*known_steps(), Step(LAST + 1, ADDS)])
    await used(new)
    await used(old)
    await old.aclose()
    again = SharedDatabase(empty_database)
    await used(again)
    assert (await new.fetch("SELECT max(version) AS version FROM schema_version"))[0]["version"] == LAST + 1
    for db in (new, again):
        await db.aclose()


async def test_a_server_that_is_too_old_for_the_schema_says_so_and_changes_nothing(empty_database: str) -> None:
    script = f"-- needs step {LAST + 1}\nALTER TABLE journal RENAME COLUMN consent TO words;"
    new = SharedDatabase(empty_database, steps=[*known_steps(), Step(LAST + 1, script)])
    await new.open()
    old = SharedDatabase(empty_database)
    with pytest.raises(AccountError, match="prepared by a newer contacts-mcp"):
        await old.open()
    for db in (new, old):
        await db.aclose()


async def test_a_step_that_fails_leaves_the_schema_as_it_was(empty_database: str) -> None:
    broken = SharedDatabase(
        empty_database, steps=[*known_steps(), Step(LAST + 1, "CREATE TABLE x (y int); SELECT 1/0;")]
    )
    with pytest.raises(AccountError, match="DivisionByZero"):
        await broken.open()
    db = SharedDatabase(empty_database)
    assert (await db.fetch("SELECT to_regclass('x') AS x")) == [{"x": None}]
    await used(db)
    for each in (broken, db):
        await each.aclose()


WITHOUT = """
import sys
sys.modules["psycopg"] = None
import contacts_mcp.state.postgres.journal, contacts_mcp.state.postgres.locks, contacts_mcp.state.postgres.imports
from contacts_mcp.errors import AccountError
from contacts_mcp.state.postgres.database import SharedDatabase
try:
    SharedDatabase("postgresql://localhost/x")
except AccountError as error:
    print(error)
"""


def test_without_the_driver_the_way_out_is_named() -> None:
    said = subprocess.run([sys.executable, "-c", WITHOUT], capture_output=True, text=True, check=True).stdout
    assert "pip install '.[team]'" in said
