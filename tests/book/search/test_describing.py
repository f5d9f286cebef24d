"""The facts that an index tells of an account as a whole."""

from __future__ import annotations

from contextlib import closing

import pytest

from contacts_mcp.book.search.describing import counted, kind_of
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


KINDS: dict[str, tuple[dict[str, int], str]] = {
    "numbers with separators": ({"1,200": 5, "3.400,50": 5, "-12": 5, "$ 10": 5}, "number"),
    "days": ({"2026-01-05": 9, "2026-02-07": 9}, "date"),
    "days, some in another form": ({"2026-01-05": 9, "3 may 2026": 8}, "date"),
    "most days in another form": ({"2026-01-05": 8, "3 may 2026": 9}, "choice"),
    "days and words": ({"2026-01-05": 9, "soon": 8}, "choice"),
    "months": ({"2026-01-05": 9, "may 2026": 8}, "choice"),
    "versions": ({"1.2.3": 9, "1.2.4": 9}, "choice"),
}


@pytest.mark.parametrize(("values", "kind"), KINDS.values(), ids=KINDS)
def test_a_field_has_the_kind_of_nearly_all_its_values(values: dict[str, int], kind: str) -> None:
    assert kind_of([*values.items()], sum(values.values())) == kind
