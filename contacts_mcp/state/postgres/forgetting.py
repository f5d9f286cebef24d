"""Forgetting what the shared database has of all accounts, for the commands of its owner.

PostgreSQL takes the bytes out of its files later, when it cleans them (VACUUM), and out of its backups never.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contacts_mcp.state.journal import IN_FLIGHT, LONGEST_CALL
from contacts_mcp.state.postgres.clock import NOW
from contacts_mcp.state.postgres.database import PATIENCE_FOR_STEPS, Row, SharedDatabase
from contacts_mcp.state.postgres.index_filling import TABLES

if TYPE_CHECKING:
    import psycopg

# As `Journal.forget`: a change that is being made is kept, and one whose request may still arrive.
_FINISHED = f"""
    DELETE FROM journal WHERE NOT (
        state = 'begun' AND at > {NOW} - {LONGEST_CALL}
        OR (state = 'unknown' OR unanswered) AND sent > {NOW} - {IN_FLIGHT}
    )
"""
_PLANS = "DELETE FROM import_plan WHERE state NOT IN ('reading', 'running')"


async def forget_changes(db: SharedDatabase) -> int:
    """Delete the finished changes and all plans that are not at work. Returns how many changes there were.

    Raises DatabaseAway, AccountError.
    """
    await db.execute(_PLANS, patience=PATIENCE_FOR_STEPS, again=True)
    return await db.execute(_FINISHED, patience=PATIENCE_FOR_STEPS, again=True)


async def forget_index(db: SharedDatabase) -> int:
    """Delete the mirror of every account. Returns how many there were. Raises DatabaseAway, AccountError."""

    async def forget(one: psycopg.AsyncConnection[Row]) -> int:
        async with one.transaction():
            found = await (await one.execute("SELECT account FROM mirror FOR UPDATE")).fetchall()
            for table in TABLES:
                await one.execute(f"DELETE FROM {table}".encode())
        return len(found)

    return await db.run(forget, patience=PATIENCE_FOR_STEPS, again=True)
