"""An index in PostgreSQL for a test: a prepared database, and an account of its own each time."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import anyio

from contacts_mcp.state.postgres.database import SharedDatabase
from contacts_mcp.state.postgres.index import PostgresIndex

if TYPE_CHECKING:
    from contacts_mcp.state.postgres.index_pool import Pool

_accounts = count(1_001)


def prepare(url: str) -> None:
    """Bring a new database up to date."""

    async def opened() -> None:
        db = SharedDatabase(url)
        await db.open()
        await db.aclose()

    anyio.run(opened)


def new_index(at: str | Pool) -> PostgresIndex:
    """The empty index of an account that no other test uses."""
    return PostgresIndex(at, next(_accounts))
