"""The facts that an index tells of an account as a whole."""

from __future__ import annotations

from contextlib import closing

from contacts_mcp.book.search.describing import counted
from contacts_mcp.book.search.known import Known
from contacts_mcp.book.vocabulary import Snapshot
from contacts_mcp.state.index import Index
from contacts_mcp.state.row import Row
from contacts_mcp.words.names import Named, Names

PEOPLE, FIELDS = 1_010, 100  # together more values than one look at the index would reach


def test_many_different_values_leave_the_counts_true() -> None:
    values = {number: dict.fromkeys(range(31, 31 + FIELDS), f"v{number}") for number in range(1, PEOPLE + 1)}
    tags, members = Names("tag", [Named(101, "VIP")]), Names("team member", [Named(501, "Priya Patel")])
    names = Snapshot(Names("custom field", []), tags, members)
    with closing(Index.open(None)) as index:
        index.upsert(
            Row(id=number, email="a@example.com", custom=custom, tags=(101,), assignee=501, is_opted_out=True, rev=1)
            for number, custom in values.items()
        )
        account = counted(index, names, Known())
    assert (account.tags, account.members) == ([("VIP", PEOPLE)], [("Priya Patel", PEOPLE)])
    assert (account.counts["with_email"], account.counts["opted_out"]) == (PEOPLE, PEOPLE)
