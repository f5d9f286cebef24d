"""Short random sequences of calls at two replicas keep the laws of `benchmarks/sequences.py`, amid faults of time.

Both share a real PostgreSQL, and lose it for seconds at a time. `scripts/bench sequences --replicas 2` tries more.
Guards `contacts_mcp/state/postgres/`, `contacts_mcp/book/people/holding.py` and `contacts_mcp/book/writing/`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import sequences
from postgres_server import PostgresServer
from replicas import HurriedPostgres

from contacts_mcp.state.journal import Entry
from contacts_mcp.state.postgres.journal import PostgresJournal


@pytest.fixture
def hurried(postgres_server: PostgresServer) -> Iterator[HurriedPostgres]:
    with HurriedPostgres.on(postgres_server) as opened:
        yield opened


def test_no_sequence_at_two_replicas_breaks_a_law(hurried: HurriedPostgres) -> None:
    figures = sequences.run(20, seed=1, replicas=2, postgres=hurried)
    assert figures.wrong == []
    assert figures.late > 5, "the sequences are too easy to prove anything"
    assert figures.calls["database_away"] > 5
    assert figures.entries["done"] > 50


async def nothing_arrives(*_: object) -> list[Entry]:
    return []


def test_replicas_that_do_not_wait_for_late_writes_are_seen(
    hurried: HurriedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PostgresJournal, "arriving", nothing_arrives)
    assert sequences.run(16, seed=116, replicas=2, postgres=hurried).wrong
