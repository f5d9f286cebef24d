"""Short random sequences of calls keep the laws of `benchmarks/sequences.py`, whenever writes land and reads show them.

`scripts/bench sequences` tries 20,000. Guards `contacts_mcp/book/people/holding.py` and `contacts_mcp/book/writing/`.
"""

from __future__ import annotations

import pytest
import sequences

from contacts_mcp.state.journal import Entry, Journal


def test_no_sequence_breaks_a_law() -> None:
    figures = sequences.run(150, seed=1)
    assert figures.wrong == []
    assert figures.sequences == 150
    assert figures.late > 40, "the sequences are too easy to prove anything"
    assert figures.by_others > 80
    assert figures.entries["done"] > 300


async def nothing_arrives(*_: object) -> list[Entry]:
    return []


def test_a_server_that_does_not_wait_for_late_writes_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Journal, "arriving", nothing_arrives)
    assert sequences.run(60, seed=1).wrong
