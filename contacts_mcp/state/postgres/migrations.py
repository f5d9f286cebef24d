"""The schema of the shared database, in numbered steps, each a file in the folder `steps`.

1. One process at a time brings the schema up to date, in one transaction. All steps are carried out or none.
2. A published step never changes. A later one adds first. It removes only after a release that does without.
3. A step that an earlier version cannot run with says so in a line: `-- needs step 7` names the oldest step that a
   version must know. Without that line, servers of the version before keep running, and can start again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from contacts_mcp.errors import AccountError

if TYPE_CHECKING:
    import psycopg

_LOCK = 0x636D6370  # any number that nobody else locks in this database
_TABLE = """
    CREATE TABLE IF NOT EXISTS schema_version (
        version integer PRIMARY KEY,
        oldest  integer NOT NULL,
        applied timestamptz NOT NULL DEFAULT clock_timestamp()
    )
"""
_NEWER = (
    "The shared database was prepared by a newer contacts-mcp, which this version cannot work beside. "
    "The owner of this server can update it."
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of the schema."""

    number: int
    script: str

    @property
    def needs(self) -> int:
        """The oldest step that a version must know to work with this one. 0 is any."""
        found = re.search(r"(?m)^-- needs step (\d+)$", self.script)
        return int(found[1]) if found else 0


def known_steps() -> list[Step]:
    """The steps of this version, in order."""
    folder = files(__package__).joinpath("steps")
    named = {file.name: file for file in folder.iterdir() if file.name.endswith(".sql")}
    return [Step(int(name[:4]), named[name].read_text(encoding="utf-8")) for name in sorted(named)]


async def bring_up_to_date(db: psycopg.AsyncConnection[Any], steps: list[Step]) -> None:
    """Carry out the steps that the database lacks. Another process may be doing the same.

    Raises AccountError where a newer version prepared it that this one cannot work beside, psycopg.Error.
    """
    ours = steps[-1].number
    async with db.transaction():
        await db.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCK])
        await db.execute(_TABLE)
        version, oldest = await _version(db)
        _refuse_newer(oldest, ours)
        for step in steps:
            if step.number > version:
                await db.execute(step.script.encode())
                await db.execute("INSERT INTO schema_version VALUES (%s, %s)", [step.number, step.needs])


async def is_up_to_date(db: psycopg.AsyncConnection[Any], steps: list[Step]) -> bool:
    """Whether the database lacks no step. Raises AccountError as `bring_up_to_date` does, psycopg.Error."""
    ours = steps[-1].number
    found = await (await db.execute("SELECT to_regclass('schema_version') IS NOT NULL AS is_there")).fetchone()
    if not found or not found["is_there"]:
        return False
    version, oldest = await _version(db)
    _refuse_newer(oldest, ours)
    return version >= ours


def _refuse_newer(oldest: int, ours: int) -> None:
    if oldest > ours:
        raise AccountError(_NEWER)


async def _version(db: psycopg.AsyncConnection[Any]) -> tuple[int, int]:
    """The newest step that the database has, and the oldest step that a version must know."""
    query = "SELECT coalesce(max(version), 0) AS version, coalesce(max(oldest), 0) AS oldest FROM schema_version"
    row = await (await db.execute(query)).fetchone()
    assert row
    return row["version"], row["oldest"]
