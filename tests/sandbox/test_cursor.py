"""The list and its cursor (heymarket-api.md, section 4.1)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from contacts_mcp.sandbox import Behaviour, Sandbox

START = 1_790_000_000
Fill = Callable[[list[Any]], list[int]]


async def page(client: httpx.AsyncClient, **query: Any) -> list[dict[str, Any]]:
    return (await client.post("/v1/contacts", json=query)).json()


async def walk(client: httpx.AsyncClient) -> list[int]:
    """Every id that a plain walk meets, in order. It ends where a page brings nothing new."""
    seen: list[int] = []
    query: dict[str, Any] = {}
    while rows := await page(client, **query):
        fresh = [row["id"] for row in rows if row["id"] not in seen]
        if not fresh:
            break
        seen += fresh
        query = {"date": rows[-1]["updated"]}
    return seen


async def test_newest_first_then_highest_id(client: httpx.AsyncClient, fill: Fill) -> None:
    first, second, third, fourth = fill([START, START + 5, START, START + 1])
    assert [row["id"] for row in await page(client)] == [second, fourth, third, first]


async def test_a_page_has_30_and_a_walk_reaches_all(client: httpx.AsyncClient, fill: Fill) -> None:
    ids = fill([START - second for second in range(75)])
    assert len(await page(client)) == 30
    assert await walk(client) == ids


@pytest.mark.parametrize(
    ("cursor", "reached"),
    [("strict", 30 + 10), ("inclusive", 30)],
    ids=["a strict cursor loses the rest of the block", "an inclusive cursor sticks on the block"],
)
async def test_a_block_of_ties_larger_than_a_page(
    sandbox: Sandbox, client: httpx.AsyncClient, fill: Fill, cursor: str, reached: int
) -> None:
    sandbox.behaviour = Behaviour(cursor=cursor)
    fill([START] * 50 + [START - 1 - second for second in range(10)])
    assert len(await walk(client)) == reached


async def test_ties_across_a_page_end_are_lost_by_strict_and_repeated_by_inclusive(
    sandbox: Sandbox, client: httpx.AsyncClient, fill: Fill
) -> None:
    ids = fill([START - second for second in range(28)] + [START - 100] * 6)
    last = (await page(client))[-1]
    assert await page(client, date=last["updated"]) == []
    sandbox.behaviour = Behaviour(cursor="inclusive")
    assert sorted(row["id"] for row in await page(client, date=last["updated"])) == ids[28:]


@pytest.mark.parametrize(
    ("date", "count"),
    [
        ("2026-01-01T00:00:10Z", 1),
        ("2026-01-01T00:00:10.000Z", 1),
        ("2026-01-01T00:00:10.000000001Z", 2),
        ("2026-01-01T00:00:10.5Z", 2),
        ("2026-01-01T01:00:10+01:00", 1),
        ("2025-12-31T19:00:11-05:00", 2),
        ("2026-01-01T00:00:10.999999999Z", 2),
        ("2026-01-01T00:00:05Z", 0),
    ],
)
async def test_a_cursor_is_compared_as_an_instant(client: httpx.AsyncClient, fill: Fill, date: str, count: int) -> None:
    fill(["2026-01-01T00:00:05Z", "2026-01-01T00:00:10Z"])
    assert len(await page(client, date=date)) == count


@pytest.mark.parametrize(("cursor", "count"), [("strict", 0), ("inclusive", 2)])
async def test_whole_seconds_are_ties_even_where_more_is_known(
    sandbox: Sandbox, client: httpx.AsyncClient, fill: Fill, cursor: str, count: int
) -> None:
    """The order follows the times that the client is shown, not the finer ones behind them."""
    low, high = fill(["2026-01-01T00:00:10.9Z", "2026-01-01T00:00:10.1Z"])
    sandbox.behaviour = Behaviour(cursor=cursor)
    rows = await page(client)
    assert [row["id"] for row in rows] == [high, low]
    assert len(await page(client, date=rows[0]["updated"])) == count


@pytest.mark.parametrize(("cursor", "count"), [("strict", 1), ("inclusive", 2)])
async def test_microseconds_tell_them_apart(
    sandbox: Sandbox, client: httpx.AsyncClient, fill: Fill, cursor: str, count: int
) -> None:
    high, low = fill(["2026-01-01T00:00:10.9Z", "2026-01-01T00:00:10.1Z"])
    sandbox.behaviour = Behaviour(cursor=cursor, timestamps="micros")
    rows = await page(client)
    assert [(row["id"], row["updated"]) for row in rows] == [
        (high, "2026-01-01T00:00:10.900000Z"),
        (low, "2026-01-01T00:00:10.100000Z"),
    ]
    assert len(await page(client, date=rows[0]["updated"])) == count


@pytest.mark.parametrize("offset", ["Z", "+00:00", "-05:00"])
async def test_the_text_that_was_sent_works_as_a_cursor(
    sandbox: Sandbox, client: httpx.AsyncClient, fill: Fill, offset: str
) -> None:
    sandbox.behaviour = Behaviour(offset=offset)
    ids = fill([START - second for second in range(70)])
    assert await walk(client) == ids
    assert (await page(client))[0]["updated"].endswith(offset)


@pytest.mark.parametrize(("honours", "size"), [(False, 30), (True, 45)])
async def test_limit(sandbox: Sandbox, client: httpx.AsyncClient, fill: Fill, *, honours: bool, size: int) -> None:
    sandbox.behaviour = Behaviour(honours_limit=honours)
    fill([START - second for second in range(60)])
    assert len(await page(client, limit=45)) == size


async def test_limit_is_honoured_up_to_a_maximum_and_defaults_to_the_page_size(
    sandbox: Sandbox, client: httpx.AsyncClient, fill: Fill
) -> None:
    sandbox.behaviour = Behaviour(honours_limit=True, max_limit=20, page_size=7)
    fill([START - second for second in range(60)])
    assert [len(await page(client, limit=50)), len(await page(client, limit=3)), len(await page(client))] == [20, 3, 7]


@pytest.mark.parametrize(("honours", "start"), [(False, 0), (True, 30)])
async def test_page(sandbox: Sandbox, client: httpx.AsyncClient, fill: Fill, *, honours: bool, start: int) -> None:
    sandbox.behaviour = Behaviour(honours_page=honours)
    ids = fill([START - second for second in range(70)])
    assert [row["id"] for row in await page(client, page=2)] == ids[start : start + 30]


async def test_page_counts_from_the_date(sandbox: Sandbox, client: httpx.AsyncClient, fill: Fill) -> None:
    sandbox.behaviour = Behaviour(honours_page=True, page_size=10)
    ids = fill([START - second for second in range(70)])
    cursor = (await page(client))[-1]["updated"]
    assert [row["id"] for row in await page(client, date=cursor, page=2)] == ids[20:30]


async def test_a_contact_that_is_edited_jumps_to_the_front(
    sandbox: Sandbox, client: httpx.AsyncClient, fill: Fill
) -> None:
    ids = fill([START - second for second in range(40)])
    sandbox.store.touch(ids[35], first="Edited")
    assert (await page(client))[0]["id"] == ids[35]
