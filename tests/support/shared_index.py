"""An index in PostgreSQL for a test: a prepared database, and an account of its own each time."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import psycopg

from contacts_mcp.state.postgres.index import PostgresIndex
from contacts_mcp.state.postgres.migrations import known_steps

if TYPE_CHECKING:
    from contacts_mcp.state.postgres.index_pool import Pool

_accounts = count(1)


def prepare(url: str) -> None:
    """Bring a new database up to date."""
    with psycopg.connect(url, autocommit=True) as db:
        for step in known_steps():
            db.execute(step.script.encode())


def new_index(at: str | Pool) -> PostgresIndex:
    """The empty index of an account that no other test uses."""
    return PostgresIndex(at, next(_accounts))
