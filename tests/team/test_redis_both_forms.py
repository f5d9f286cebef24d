"""The file and Redis keep the same ledger: each rule holds for both.

Guards `contacts_mcp/state/ledger.py` and `contacts_mcp/state/redis_ledger.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
from pathlib import Path
from uuid import uuid4

import anyio
import pytest
from pressing import places

from contacts_mcp.state.account import Account
from contacts_mcp.state.ledger import AHEAD_MOST, WINDOW, Ledger, SqliteLedger
from contacts_mcp.state.redis import Rhythm, SharedRedis
from contacts_mcp.state.redis_ledger import HOLD, RedisLedger
from contacts_mcp.state.uptime import uptime

Open = Callable[..., Ledger]
LIMIT = 10


@pytest.fixture(params=["file", "redis"])
async def open_ledger(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Open]:
    """Opens the ledger of an account as a process of its own would."""
    test = uuid4().hex
    url = request.getfixturevalue("redis") if request.param == "redis" else ""
    async with AsyncExitStack() as opened:
        processes: list[SharedRedis] = []

        def form(account: Account | str = "a") -> Ledger:
            if not url:
                return SqliteLedger(tmp_path / "pace.sqlite3", account)
            name = account if isinstance(account, Account) else f"{test}{account}"
            processes.append(SharedRedis(url, rhythm=Rhythm(beat=0.2, silence=0.1, settle=0.9)))
            return RedisLedger(processes[-1], name, replicas_most=2)

        def opens(account: Account | str = "a") -> Ledger:
            ledger = form(account)
            if processes:
                opened.push_async_callback(processes[-1].aclose)
            opened.push_async_callback(ledger.aclose)
            return ledger

        if url:
            await settled(opens("settling"))
        yield opens


async def settled(ledger: Ledger) -> None:
    """Wait until the Redis is no longer new."""
    wait = await ledger.reserve(uptime(), LIMIT)
    for _ in range(4):
        await anyio.sleep(wait)
        wait = await ledger.reserve(uptime(), LIMIT)
    assert not wait


async def test_the_limit_is_one_for_all_who_share_the_account(open_ledger: Open) -> None:
    one, other = open_ledger(), open_ledger()
    assert not await other.reserve(uptime(), LIMIT)
    first = await places(one, LIMIT)
    assert 1 + first + await places(other, LIMIT) <= LIMIT
    assert first >= LIMIT / 2
    assert 0 < await other.reserve(uptime(), LIMIT) <= WINDOW + HOLD


@pytest.mark.parametrize("limit", [1, 2, 10, 49, 100, 500])
async def test_all_places_are_given_and_not_one_more(open_ledger: Open, limit: int) -> None:
    assert await places(open_ledger(), limit) == limit
    assert await places(open_ledger(), limit) == 0


async def test_accounts_share_nothing(open_ledger: Open) -> None:
    one, other = open_ledger("a"), open_ledger("b")
    await one.pause(uptime(), uptime() + 5)
    assert await places(other, LIMIT) == LIMIT
    assert await one.reserve(uptime(), LIMIT) == pytest.approx(5, abs=0.5)


async def test_bulk_work_with_a_lower_limit_leaves_the_rest_to_others(open_ledger: Open) -> None:
    ledger = open_ledger()
    assert await places(ledger, LIMIT - 3, bulk=True) == LIMIT - 3
    assert await places(ledger, LIMIT) == 3
    assert await ledger.reserve(uptime(), LIMIT - 3, bulk=True) > 0


@pytest.mark.parametrize(("pauses", "longest"), [((4, 1), 4), ((1, 4), 4)], ids=str)
async def test_the_longest_pause_holds_everybody_back(
    open_ledger: Open, pauses: tuple[float, ...], longest: float
) -> None:
    one, other = open_ledger(), open_ledger()
    assert not await other.reserve(uptime(), LIMIT)
    for seconds in pauses:
        await one.pause(uptime(), uptime() + seconds)
    for ledger in (one, other, open_ledger()):
        assert await ledger.reserve(uptime(), LIMIT) == pytest.approx(longest, abs=0.5)


async def test_after_a_pause_everything_goes_on(open_ledger: Open) -> None:
    one, other = open_ledger(), open_ledger()
    await one.pause(uptime(), uptime() + 0.3)
    await anyio.sleep(await other.reserve(uptime(), LIMIT) + 0.002)
    assert await places(other, LIMIT) == LIMIT


async def test_what_was_sent_counts_after_its_process_has_ended(open_ledger: Open) -> None:
    ledger = open_ledger()
    assert await places(ledger, 4) == 4
    await ledger.aclose()
    assert await places(open_ledger(), LIMIT) == LIMIT - 4


async def test_places_taken_ahead_are_given_back_when_they_are_not_used(open_ledger: Open) -> None:
    ledger = open_ledger()
    assert not await ledger.reserve(uptime(), 500)
    await ledger.pause(uptime(), uptime() + 0.05)
    await ledger.aclose()
    await anyio.sleep(0.06)
    async with aclosing(open_ledger()) as another:
        assert await places(another, AHEAD_MOST) == AHEAD_MOST - 1


async def test_the_limit_is_one_for_all_credentials_of_a_team(open_ledger: Open, tmp_path: Path) -> None:
    old, new = (Account(uuid4().hex, address="x", directory=tmp_path / "accounts") for _ in range(2))
    before, after = open_ledger(old), open_ledger(new)
    old.learn(17)
    assert await places(before, 3) == 3
    new.learn(17)
    assert await places(after, LIMIT) == LIMIT - 3
    await before.pause(uptime(), uptime() + 20)
    assert await after.reserve(uptime(), 500) == pytest.approx(20, abs=0.5)
