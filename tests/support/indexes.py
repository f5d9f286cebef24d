"""People for the tests of an index."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contacts_mcp.state.match import expression, word
from contacts_mcp.state.row import Row

if TYPE_CHECKING:
    from contacts_mcp.state.word_index import WordIndex

NOW = 1_700_000_100_000_000
JORDAN = Row(
    id=1001,
    uuid="8f14e45f-ceea-467f-a0e6-1f1e2b3c4d5e",
    phone="15105553344",
    first="Jordan",
    last="Rivera",
    email="Jordan.Rivera@acme.org",
    custom={31: "Gold", 32: "Oakland"},
    tags=(101, 102),
    assignee=501,
    is_opted_out=False,
    created=1_700_000_000_000_000,
    updated=NOW,
    rev=3,
)
ANN = Row(id=1002, phone="4915112345678", first="Ann", last="Müller", rev=1, updated=1_700_000_200_000_000)


def with_words(index: WordIndex, *words: str) -> list[int]:
    return index.matching(expression([[word(each)] for each in words]), most=10)


def everything(index: WordIndex) -> Any:
    """All that the index tells of these people."""
    names = ("jordan", "ann", "muller", "gold", "acme", "dana", "silver")
    return (
        index.rows(range(1000, 1100)),
        sorted(index.counts("§").items()),
        {name: with_words(index, name) for name in names},
        index.holding_part("3344|", most=10),
        [[row.id for row in index.by_name(name)] for name in ("jordan rivera", "ann muller", "dana cruz")],
    )
