"""Five hundred random walks of each kind over lists that somebody changes. `benchmarks/walks.py` tries 20,000.

Guards `contacts_mcp/book/listing/`: whether `complete` is the truth.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import walks

from contacts_mcp.book.listing.listing import _Call
from contacts_mcp.book.listing.walk import Walk


async def test_on_a_quiet_account_every_listing_ends_complete() -> None:
    found = await walks.walk_many(500, 11, "quiet")
    assert found.wrong == []
    assert found.ends.keys() == {"complete, nobody missing"}


async def test_nobody_is_missing_from_a_listing_that_is_complete_whatever_others_do_meanwhile() -> None:
    found = await walks.walk_many(500, 11, "edited")
    assert found.wrong == []
    assert found.ends["complete, nobody missing"] > 200
    assert found.ends["not complete, somebody missing"] > 50, "the walks are too easy to prove anything"


async def test_reads_that_lag_behind_are_noticed_nearly_always() -> None:
    found = await walks.walk_many(500, 11, "lagging")
    assert len(found.wrong) <= 1
    assert found.ends["complete, nobody missing"] > 200


async def believes(*args: Any) -> bool:
    return True


def only_above_the_head(self: Walk) -> Walk:
    """The second lap as it was once: without the moment at which the first one began."""
    again = ended(self)
    until = again.until
    return again if until is None else replace(again, until=replace(until, floor=until.head, ids=frozenset()))


ended = Walk.ended


@pytest.mark.parametrize(
    ("of", "name", "instead"),
    [
        pytest.param(_Call, "_is_proven", believes, id="a count that agrees beside a doubt proves nothing"),
        pytest.param(Walk, "ended", lambda self, rows=(): only_above_the_head(self), id="the head's own second counts"),
    ],
)
async def test_the_walks_notice_a_rule_that_is_missing(
    monkeypatch: pytest.MonkeyPatch, of: type, name: str, instead: Any
) -> None:
    """They are worth nothing if they overlook what they are for."""
    monkeypatch.setattr(of, name, instead)
    assert (await walks.walk_many(2_000, 11, "edited", most_wrong=1)).wrong
