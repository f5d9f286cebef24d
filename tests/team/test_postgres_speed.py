"""No question that a write asks reads a whole journal, however the planner guesses."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from contacts_mcp.state.journal import Entry
from contacts_mcp.state.postgres.database import SharedDatabase
from contacts_mcp.state.postgres.journal import PostgresJournal

ENTRIES = 20_000
READ = 200  # rows, at most
UPDATE = Entry(action="update", contact_id=7, before={"phone": "1"}, wanted={"phone": "2"})
FILL = f"""
    INSERT INTO journal (account, at, sent, action, state, contact_id, before, wanted, phone_before, phone_wanted,
        lock, fence)
    SELECT account.id, 1e9, 1e9, 'update', 'done', n % 1000, '{{}}', '{{}}', (n % 1000)::text, (n % 1000)::text, '', 0
    FROM account, generate_series(1, {ENTRIES}) AS n
"""


class Planned(SharedDatabase):
    """A database that remembers how many rows each statement read."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.read: list[int] = []
        self.has_statistics = False

    async def fetch(self, query: str, values: Any = None, **options: Any) -> Any:
        if "journal" in query:
            (row,) = await super().fetch(f"EXPLAIN (ANALYZE, FORMAT JSON) {query}", values)
            self.read.append(rows_read(row["QUERY PLAN"][0]["Plan"]))
            if "INSERT" in query or "UPDATE" in query:
                return []
        return await super().fetch(query, values, **options)


def rows_read(node: dict[str, Any]) -> int:
    own = 0
    if "Scan" in node["Node Type"] and "Relation Name" in node:
        removed = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
        own = int((node["Actual Rows"] + removed) * node["Actual Loops"])
    return own + sum(map(rows_read, node.get("Plans", [])))


QUESTIONS: dict[str, Callable[[PostgresJournal], Awaitable[Any]]] = {
    "arriving": lambda journal: journal.arriving(7, "7", "8"),
    "unfinished": lambda journal: journal.unfinished(),
    "open_runs": lambda journal: journal.open_runs(),
    "entries of one": lambda journal: journal.entries(contact_id=7),
    "recent": lambda journal: journal.recent(),
    "get": lambda journal: journal.get(5),
    "phone_given_out": lambda journal: journal.phone_given_out("7"),
    "departures_from": lambda journal: journal.departures_from("7"),
    "about_phone": lambda journal: journal.about_phone("7"),
    "known_phones": lambda journal: journal.known_phones(["7"]),
    "known_contacts": lambda journal: journal.known_contacts([7]),
    "last_after": lambda journal: journal.last_after(7),
    "deleted": lambda journal: journal.deleted(7),
    "creation_of": lambda journal: journal.creation_of(7),
    "rev_written": lambda journal: journal.rev_written(7),
    "by_token": lambda journal: journal.by_token("digest"),
    "of_merge": lambda journal: journal.of_merge("1:a"),
    "parts_of": lambda journal: journal.parts_of(7),
    "made_by_probe": lambda journal: journal.made_by_probe(),
    "entries": lambda journal: journal.entries(),
    "page": lambda journal: journal.entries(before=10**12, limit=50),
    "finish": lambda journal: journal.finish(replace(UPDATE, change_id=5, state="done", undoes=4, uptime=0.0)),
}


@pytest.fixture(params=["no statistics", "statistics"])
async def large(request: pytest.FixtureRequest, empty_database: str) -> AsyncIterator[Planned]:
    """Three accounts with twenty thousand old changes each."""
    db = Planned(empty_database)
    for account in ("one", "two", "three"):
        await PostgresJournal(db, account).get(1)
    await db.execute("ALTER TABLE journal SET (autovacuum_enabled = false)")
    await db.execute(FILL, patience=60)
    if request.param == "statistics":
        await db.execute("ANALYZE", patience=60)
        db.has_statistics = True
    yield db
    await db.aclose()


async def test_no_question_of_a_write_reads_more_than_a_few_rows(large: Planned) -> None:
    journal = PostgresJournal(large, "two")
    read = {}
    for name, ask in QUESTIONS.items():
        large.read.clear()
        await ask(journal)
        read[name] = sum(large.read)
    lists = () if large.has_statistics else ("entries", "page")  # which sort twenty thousand until there are some
    assert {name: count for name, count in read.items() if count > READ and name not in lists} == {}, json.dumps(read)
