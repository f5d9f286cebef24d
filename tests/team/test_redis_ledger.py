"""The ledger in Redis: the price of a question, and the limit while Redis is harmed.

Guards `contacts_mcp/state/redis.py` and `contacts_mcp/state/redis_ledger.py`. Windows last some seconds here.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from uuid import uuid4

import anyio
import pytest
from pressing import places
from redis_server import RedisServer
from support.missing import needs

from contacts_mcp.config import InvalidSettings
from contacts_mcp.errors import AccountError
from contacts_mcp.state.account import Account
from contacts_mcp.state.ledger import AHEAD, AHEAD_MOST
from contacts_mcp.state.redis import BEATS_MISSED, Rhythm, SharedRedis
from contacts_mcp.state.redis_ledger import HOLD, SHARE, WAITERS_MOST, RedisLedger
from contacts_mcp.state.uptime import uptime

LIMIT = 60
REPLICAS = 3
QUICK = Rhythm(beat=0.1, silence=0.05, settle=0.8)
NOTICED = 0.1 + 0.8  # seconds after which another Redis has settled for all
NOBODY = "redis://127.0.0.1:9/0"  # the port that nobody listens at

Open = Callable[..., Awaitable[RedisLedger]]


@pytest.fixture(autouse=True)
def installed() -> None:
    needs(packages=("redis",))


@pytest.fixture
async def replica() -> AsyncIterator[Open]:
    """Opens the ledger of an account in a replica of its own, when its Redis has settled."""
    account = uuid4().hex
    async with AsyncExitStack() as opened:

        async def opens(url: str, *, window: float = 61.0, account: Account | str = account) -> RedisLedger:
            shared = SharedRedis(url, rhythm=QUICK)
            opened.push_async_callback(shared.aclose)
            await shared.open()
            ledger = RedisLedger(shared, account, replicas_most=REPLICAS, window=window)
            opened.push_async_callback(ledger.aclose)
            if shared.lost_at is None:
                await ledger.refresh()
                await anyio.sleep(max(0.0, ledger.settling_until - uptime()))
                await ledger.refresh()
            return ledger

        yield opens


async def replicas(replica: Open, url: str, window: float) -> list[RedisLedger]:
    """Three replicas that know of each other."""
    opened = [await replica(url, window=window) for _ in range(REPLICAS)]
    for ledger in opened:
        await ledger.refresh()
    return opened


# The price


async def test_all_who_wait_in_a_process_ask_at_once(replica: Open, lasting_redis: RedisServer) -> None:
    ledger = await replica(lasting_redis.url)
    before = lasting_redis.scripts_run()
    assert not any(await asyncio.gather(*(ledger.reserve(uptime(), 10_000) for _ in range(4 * WAITERS_MOST))))
    assert lasting_redis.scripts_run() - before <= 4 + 2


async def test_a_call_of_some_requests_asks_once_in_quiet_times(replica: Open, lasting_redis: RedisServer) -> None:
    ledger = await replica(lasting_redis.url)
    before = lasting_redis.scripts_run()
    for _ in range(1 + AHEAD_MOST):
        assert not await ledger.reserve(uptime(), 500)
    assert lasting_redis.scripts_run() - before <= 1 + 2


async def test_when_no_place_is_free_nobody_asks_before_one_is(replica: Open, lasting_redis: RedisServer) -> None:
    ledger = await replica(lasting_redis.url)
    assert await places(ledger, LIMIT) == LIMIT
    before = lasting_redis.scripts_run()
    assert all(await asyncio.gather(*(ledger.reserve(uptime(), LIMIT) for _ in range(100))))
    assert lasting_redis.scripts_run() - before <= 2


async def test_a_place_taken_ahead_is_void_after_a_second_and_given_back(
    replica: Open, lasting_redis: RedisServer
) -> None:
    ledger = await replica(lasting_redis.url, account="ahead")
    assert not await ledger.reserve(uptime(), 500)
    assert lasting_redis.ask("ZCARD", "contacts_mcp:{ahead}led") == f":{1 + AHEAD_MOST}"
    await anyio.sleep(AHEAD + 0.01)
    await ledger.refresh()
    assert lasting_redis.ask("ZCARD", "contacts_mcp:{ahead}led") == ":1"


async def test_a_caller_who_gives_up_takes_no_place_from_the_others(replica: Open, redis: str) -> None:
    ledger = await replica(redis)
    waiting = [asyncio.create_task(ledger.reserve(uptime(), 2)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting[0].cancel()
    assert min(await asyncio.gather(*waiting[1:])) == 0
    assert await places(ledger, 2) <= 1


async def test_a_place_that_was_not_used_at_once_is_void(replica: Open, lasting_redis: RedisServer) -> None:
    ledger = await replica(lasting_redis.url, account="void")
    caller = asyncio.create_task(ledger.reserve(uptime(), 40))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    caller.cancel()
    await anyio.sleep(HOLD + 0.05)
    now = time.time()
    assert not await ledger.reserve(uptime(), 40)
    (_, used_until) = lasting_redis.ask("ZRANGE", "contacts_mcp:{void}led", "-1", "-1", "WITHSCORES").split("\r\n")[
        2::2
    ]
    assert float(used_until) >= now + HOLD


async def test_no_key_outlives_ten_minutes(replica: Open, lasting_redis: RedisServer) -> None:
    ledger = await replica(lasting_redis.url)
    await ledger.reserve(uptime(), 500)
    await ledger.pause(uptime(), uptime() + 30)
    keys = [word for word in lasting_redis.ask("KEYS", "*").split("\r\n") if word.startswith("contacts_mcp:")]
    assert len(keys) >= len(("born", "replicas", "led", "pause", "alone"))
    assert all(0 < int(lasting_redis.ask("TTL", key).removeprefix(":")) <= 600 for key in keys)


# Redis is lost


async def test_without_redis_interactive_work_goes_on_with_its_part_and_bulk_work_waits(
    replica: Open, redis_server: RedisServer
) -> None:
    all_three = await replicas(replica, redis_server.url, 61.0)
    for ledger in all_three:
        for _ in range(5):
            assert not await ledger.reserve(uptime(), LIMIT)
        await ledger.pause(uptime(), uptime())  # gives back the places that were taken ahead
    await anyio.sleep(QUICK.beat)
    redis_server.kill()
    start = time.monotonic()
    assert all([await ledger.reserve(uptime(), LIMIT, bulk=True) for ledger in all_three])
    alone = [await places(ledger, LIMIT) for ledger in all_three]
    assert time.monotonic() - start < 2
    assert all(alone)
    assert 15 + sum(alone) <= LIMIT


async def test_alone_nobody_takes_what_another_took_right_before_the_loss(
    replica: Open, redis_server: RedisServer
) -> None:
    """The others have not heard of it: only what was promised to them is theirs."""
    all_three = await replicas(replica, redis_server.url, 61.0)
    taken = [await ledger.reserve(uptime(), LIMIT) for ledger in all_three].count(0)
    taken += await places(all_three[0], LIMIT)
    redis_server.kill()
    alone = [await places(ledger, LIMIT) for ledger in all_three]
    assert taken + sum(alone) <= LIMIT
    assert taken > LIMIT / 3
    assert all(alone[1:])


async def test_a_window_after_the_loss_everyone_has_a_fixed_part(replica: Open, redis_server: RedisServer) -> None:
    window = 1.0
    ledger = await replica(redis_server.url, window=window)
    assert await places(ledger, LIMIT) == LIMIT
    redis_server.kill()
    await ledger.reserve(uptime() + window, LIMIT)
    await anyio.sleep(window + AHEAD + HOLD)
    assert await places(ledger, LIMIT) == int(SHARE * LIMIT / REPLICAS)


async def test_a_replica_that_never_saw_redis_is_not_seen_and_sends_nothing_for_a_minute(replica: Open) -> None:
    async with AsyncExitStack() as closing:
        shared = SharedRedis(NOBODY, rhythm=QUICK)
        closing.push_async_callback(shared.aclose)
        ledger = RedisLedger(shared, "a")
        start = time.monotonic()
        assert 0 < await ledger.reserve(uptime(), LIMIT) <= QUICK.silence
        assert time.monotonic() - start < 1
        assert not shared.seen_since_start


async def test_a_frozen_redis_delays_a_request_once(replica: Open, redis_server: RedisServer) -> None:
    ledger = await replica(redis_server.url)
    assert not await ledger.reserve(uptime(), LIMIT)
    await ledger.pause(uptime(), uptime())  # gives back the places that were taken ahead
    redis_server.freeze()
    took: list[float] = []
    for _ in range(3):
        start = time.monotonic()
        assert not await ledger.reserve(start, LIMIT)
        took.append(time.monotonic() - start)
    assert took[0] < 0.7
    assert max(took[1:]) < 0.1


async def test_the_loss_is_said_once_by_the_kind_of_error_only(
    replica: Open, redis_server: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    ledger = await replica(redis_server.url)
    redis_server.kill()
    for _ in range(3):
        await ledger.reserve(uptime(), LIMIT)
    await anyio.sleep(QUICK.silence + 0.1)
    await ledger.reserve(uptime(), LIMIT)
    redis_server.start()
    await anyio.sleep(2 * NOTICED)
    told = [
        (record.levelno, record.getMessage()) for record in caplog.records if record.name.startswith("contacts_mcp")
    ]
    assert told == [
        (
            logging.WARNING,
            "the request pace is not shared with the other replicas: Redis cannot be used (ConnectionError)",
        ),
        (logging.WARNING, "Redis answers again: the request pace is shared with the other replicas"),
    ]


# Redis is not the one of before


def emptied(server: RedisServer) -> None:
    server.ask("FLUSHALL")


def restarted(server: RedisServer) -> None:
    server.kill()
    server.start()


@pytest.mark.parametrize("befalls", [emptied, restarted])
async def test_a_redis_that_has_forgotten_is_no_free_minute(
    replica: Open, redis_server: RedisServer, befalls: Callable[[RedisServer], None]
) -> None:
    all_three = await replicas(replica, redis_server.url, 61.0)
    taken = sum([await places(ledger, LIMIT) for ledger in all_three])
    assert taken == LIMIT
    await all_three[0].pause(uptime(), uptime() + 0.2)
    befalls(redis_server)
    await anyio.sleep(NOTICED)
    assert [await places(ledger, LIMIT) for ledger in all_three] == [0, 0, 0]
    assert redis_server.ask("KEYS", "*led") != "*0"


async def test_a_redis_that_has_just_forgotten_gives_nothing_before_all_have_told_it(
    replica: Open, redis_server: RedisServer
) -> None:
    """Nobody but one replica knows what it sent, and the other asks first."""
    one, other = await replica(redis_server.url), await replica(redis_server.url)
    taken = await places(one, LIMIT)
    emptied(redis_server)
    assert taken > LIMIT / 2
    assert taken + await places(other, LIMIT) <= LIMIT
    assert await other.reserve(uptime(), LIMIT) <= QUICK.settle


async def test_places_used_alone_while_redis_is_asked_are_used_only_once(
    replica: Open, redis_server: RedisServer
) -> None:
    ledger = await replica(redis_server.url)
    assert not await ledger.reserve(uptime(), LIMIT)
    await ledger.pause(uptime(), uptime())  # gives back the places that were taken ahead
    emptied(redis_server)
    await ledger.refresh()
    asking = asyncio.create_task(ledger.refresh())
    await asyncio.sleep(0)
    assert await places(ledger, LIMIT)
    await asking
    assert not await places(ledger, LIMIT)


async def test_a_redis_that_starts_with_old_contents_has_forgotten_too(
    replica: Open, redis_server: RedisServer
) -> None:
    one, other = await replica(redis_server.url), await replica(redis_server.url)
    assert await places(one, 10) == 10
    redis_server.ask("SAVE")
    taken = await places(one, LIMIT)
    redis_server.kill()
    redis_server.start()
    await anyio.sleep(NOTICED)
    assert 10 + taken + await places(other, LIMIT) + await places(one, LIMIT) <= LIMIT


async def test_a_pause_survives_that_redis_is_emptied(replica: Open, redis_server: RedisServer) -> None:
    one, other = await replica(redis_server.url), await replica(redis_server.url)
    await one.pause(uptime(), uptime() + 30)
    emptied(redis_server)
    await anyio.sleep(NOTICED)
    assert await other.reserve(uptime(), LIMIT) > 15


async def test_requests_far_in_the_future_are_from_before_its_clock_was_set_back(
    replica: Open, redis_server: RedisServer
) -> None:
    one, other = await replica(redis_server.url, account="a"), await replica(redis_server.url, account="a")
    assert await places(one, LIMIT - 10) == LIMIT - 10
    later = str(int(time.time()) + 3600)
    for name in redis_server.ask("ZRANGE", "contacts_mcp:{a}led", "0", "-1").split("\r\n")[2::2]:
        redis_server.ask("ZADD", "contacts_mcp:{a}led", later, name)
    await anyio.sleep(2 * NOTICED)
    left = await places(other, LIMIT) + await places(one, LIMIT)
    assert 0 < left <= 10


async def test_a_clock_of_redis_that_was_set_forward_frees_no_place(redis_server: RedisServer) -> None:
    """Seen from a replica whose own clock goes back, Redis's clock goes forward."""
    shift = 0.0

    def clock() -> float:
        return uptime() + shift

    shared = SharedRedis(redis_server.url, clock=clock, rhythm=QUICK)
    ledger = RedisLedger(shared, "a", clock=clock)
    await shared.open()
    await anyio.sleep(QUICK.settle)
    await ledger.refresh()
    mark = redis_server.ask("GET", "contacts_mcp:born")
    await ledger.refresh()
    assert redis_server.ask("GET", "contacts_mcp:born") == mark
    shift = -5.0
    await ledger.refresh()
    assert redis_server.ask("GET", "contacts_mcp:born") != mark
    await ledger.aclose()
    await shared.aclose()


# Who shares


async def test_credentials_of_one_team_share_across_machines(replica: Open, redis: str, tmp_path: Path) -> None:
    """No machine knows the other's credential: they meet in Redis under the team's name."""
    team = time.monotonic_ns()
    one, other = (Account(uuid4().hex, address="x", directory=tmp_path / name) for name in ("one", "other"))
    before, after = await replica(redis, account=one), await replica(redis, account=other)
    assert await places(before, 20) == 20
    one.learn(team)
    other.learn(team)
    for ledger in (before, after, before):
        await ledger.refresh()
    assert 20 + await places(after, LIMIT) + await places(before, LIMIT) <= LIMIT


async def test_replicas_that_die_one_after_another_leave_room_for_the_others(
    replica: Open, lasting_redis: RedisServer
) -> None:
    """A dead one may be cut off from Redis alone, and then it uses its promise. So that stays for two minutes."""
    limit = 10 * LIMIT
    alive = [await replica(lasting_redis.url, account="dying") for _ in range(REPLICAS)]
    for ledger in alive:
        assert not await ledger.reserve(uptime(), limit)
    for _ in range(2 * REPLICAS):
        dead = alive.pop(0)._redis
        dead._is_closing = True  # no heartbeat any more, and not a word about it
        await asyncio.sleep((BEATS_MISSED + 1) * QUICK.beat)
        alive.append(await replica(lasting_redis.url, account="dying"))
        assert [await ledger.reserve(uptime(), limit) for ledger in alive] == [0.0] * REPLICAS
    held = lasting_redis.ask("HVALS", "contacts_mcp:{dying}alone").split("\r\n")
    promises = [int(value.split()[0]) for value in held if " " in value]
    used = int(lasting_redis.ask("ZCARD", "contacts_mcp:{dying}led").removeprefix(":"))
    assert len(promises) == 3 * REPLICAS
    assert sum(promises) + used <= limit


async def test_a_replica_that_leaves_gives_its_promise_back(replica: Open, redis: str) -> None:
    one, other = await replica(redis), await replica(redis)
    assert not await other.reserve(uptime(), LIMIT)
    assert await places(one, LIMIT) < LIMIT - 1
    await other.aclose()
    await anyio.sleep(1.1)
    assert await places(one, LIMIT) > 0


@pytest.mark.parametrize("steps", range(12))
async def test_closing_ends_the_heartbeat_in_the_middle_of_a_question_too(redis: str, steps: int) -> None:
    shared = SharedRedis(redis, rhythm=QUICK._replace(beat=0.0))
    await shared.open()
    for _ in range(steps):
        await asyncio.sleep(0)
    with anyio.fail_after(2):
        await shared.aclose()


# Addresses and packages


@pytest.mark.parametrize(
    "url",
    [
        "",
        "planted",
        "http://:planted@h",
        "redis://:plan/ted@h:1",
        "redis://:planted@h:x",
        "redis://:planted@[::1",
        "redis://h:1/0?planted=1",
    ],
)
def test_an_address_that_cannot_be_used_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(InvalidSettings, match=r"^CONTACTS_MCP_REDIS_URL: expected an address such as redis://") as told:
        SharedRedis(url)
    assert "plan" not in str(told.value)
    assert told.value.__suppress_context__


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "redis"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(AccountError, match=r"pip install '\.\[team\]'"):
        SharedRedis(NOBODY)


async def test_the_address_cannot_take_the_time_limits_away(redis: str) -> None:
    shared = SharedRedis(f"{redis}?socket_timeout=60&socket_connect_timeout=60&protocol=3")
    await shared.open()
    assert shared.seen_since_start
    await shared.aclose()
