"""Staying under the rate limit, in simulated time."""

from __future__ import annotations

import heapq
import random
from collections.abc import AsyncIterator, Callable, Coroutine, Generator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from pressing import fullest_window

from contacts_mcp.api.pace import BUSY_PAUSES, Pace, bulk_work, on_wait
from contacts_mcp.errors import RateLimited
from contacts_mcp.state.ledger import WINDOW, LedgerBusy, SqliteLedger

MINUTE = 60.0
START = 1_700_000_000.0


class Nap:
    """The awaitable of a simulated sleep: it hands its seconds to the world."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __await__(self) -> Generator[float, None, None]:
        yield self._seconds


class World:
    """Simulated time: every coroutine runs until it sleeps, and the earliest sleeper wakes next."""

    def __init__(self) -> None:
        self.now = START

    def clock(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        await Nap(seconds)

    def run(self, *walkers: Coroutine[Any, Any, None], seconds: float) -> None:
        end = self.now + seconds
        awake = [(self.now, number, walker) for number, walker in enumerate(walkers)]
        while awake and awake[0][0] < end:
            self.now, number, walker = heapq.heappop(awake)
            try:
                heapq.heappush(awake, (self.now + walker.send(None), number, walker))
            except StopIteration:
                continue
        for _, _, walker in awake:
            walker.close()

    def pace(self, ledger: SqliteLedger, limit: int = 60) -> Pace:
        return Pace(ledger, limit=limit, clock=self.clock, sleep=self.sleep)


async def insatiable(
    pace: Pace, sent: list[float], world: World, *, takes: Callable[[], float] = lambda: 0.001
) -> None:
    while True:
        await pace.wait()
        sent.append(world.now)
        await world.sleep(takes())


@asynccontextmanager
async def ledgers(path: Path | None, number: int = 1, account: str = "a") -> AsyncIterator[list[SqliteLedger]]:
    opened = [SqliteLedger(path, account) for _ in range(number)]
    try:
        yield opened
    finally:
        for ledger in opened:
            await ledger.aclose()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
async def ledger() -> AsyncIterator[SqliteLedger]:
    async with aclosing(SqliteLedger(None, "a")) as opened:
        yield opened


class Slept(Exception):
    """Thrown by a sleep that a test does not want to happen."""


def awake(ledger: SqliteLedger, limit: int, world: World) -> Pace:
    """A pace that throws Slept instead of sleeping."""

    async def never(seconds: float) -> None:
        raise Slept(seconds)

    return Pace(ledger, limit=limit, clock=world.clock, sleep=never)


async def places(pace: Pace) -> int:
    """How many requests go out before the first must wait."""
    taken = 0
    while True:
        try:
            await pace.wait()
        except Slept:
            return taken
        taken += 1


@pytest.mark.parametrize("takes", [0.0, 0.4, 2.5], ids=lambda takes: f"{takes} s a request")
async def test_an_hour_at_full_demand_uses_the_limit_and_never_exceeds_it(
    world: World, ledger: SqliteLedger, takes: float
) -> None:
    sent: list[float] = []
    busy = [insatiable(world.pace(ledger), sent, world, takes=lambda: takes) for _ in range(10)]
    world.run(*busy, seconds=60 * MINUTE)
    assert fullest_window(sent, MINUTE) <= 60
    assert len(sent) >= 0.97 * 60 * 60


async def test_it_holds_for_arrivals_too_which_are_up_to_a_second_late(world: World, ledger: SqliteLedger) -> None:
    dice = random.Random(1)
    sent: list[float] = []
    world.run(*[insatiable(world.pace(ledger), sent, world, takes=dice.random) for _ in range(5)], seconds=60 * MINUTE)
    assert fullest_window([moment + dice.random() for moment in sent], MINUTE) <= 60


async def test_four_processes_on_one_file_share_one_limit(world: World, tmp_path: Path) -> None:
    async with ledgers(tmp_path / "pace.sqlite3", 4) as shared:
        sent: list[list[float]] = [[] for _ in shared]
        world.run(
            *[insatiable(world.pace(each), times, world) for each, times in zip(shared, sent, strict=True)],
            seconds=10 * MINUTE,
        )
    together = [moment for times in sent for moment in times]
    assert fullest_window(together, MINUTE) <= 60
    assert len(together) >= 0.95 * 10 * 60
    assert all(sent)


async def test_accounts_do_not_share_a_limit(world: World, tmp_path: Path) -> None:
    async with ledgers(tmp_path / "p", account="a") as (one,), ledgers(tmp_path / "p", account="b") as (other,):
        assert await places(awake(one, 5, world)) == 5
        assert await places(awake(other, 5, world)) == 5


@pytest.mark.parametrize(
    ("limit", "asked", "left"),
    [(600, 0, 582), (100, 0, 85), (100, 7, 85), (100, 10, 80), (100, 40, 50), (20, 0, 10)],
    ids=[
        "97 % of a large limit",
        "enough for some calls",
        "some were asked",
        "twice as much as was asked",
        "never less than half",
        "half of a small limit",
    ],
)
async def test_bulk_work_leaves_a_reserve_that_breathes(
    world: World, ledger: SqliteLedger, limit: int, asked: int, left: int
) -> None:
    pace = awake(ledger, limit, world)
    for _ in range(asked):
        await pace.wait()
    token = bulk_work.set(True)
    used = await places(pace)
    bulk_work.reset(token)
    assert asked + used == max(left, asked)


async def test_the_reserve_shrinks_again_a_minute_after_the_last_question(world: World, ledger: SqliteLedger) -> None:
    pace = awake(ledger, 100, world)
    for _ in range(20):
        await pace.wait()
    world.now += WINDOW + 1
    token = bulk_work.set(True)
    assert await places(pace) == 85
    bulk_work.reset(token)


async def test_bulk_work_with_the_smallest_limit_still_moves(world: World, ledger: SqliteLedger) -> None:
    token = bulk_work.set(True)
    assert await places(awake(ledger, 1, world)) == 1
    bulk_work.reset(token)


async def wait_of(pace: Pace) -> float:
    try:
        await pace.wait()
    except Slept as slept:
        return float(slept.args[0])
    return 0.0


async def test_a_refusal_by_the_service_pauses_every_process(world: World, tmp_path: Path) -> None:
    async with ledgers(tmp_path / "pace.sqlite3", 2) as (one, other):
        await awake(one, 60, world).slow_down(7)
        assert await wait_of(awake(other, 60, world)) == pytest.approx(7)
        world.now += 7.001
        assert await wait_of(awake(other, 60, world)) == 0


@pytest.mark.parametrize(("pauses", "longest"), [((20, 5), 20), ((5, 20), 20), ((3600,), WINDOW)], ids=str)
async def test_the_longest_pause_counts_up_to_a_window(
    world: World, ledger: SqliteLedger, pauses: tuple[float, ...], longest: float
) -> None:
    pace = awake(ledger, 60, world)
    for seconds in pauses:
        await pace.slow_down(seconds)
    assert await wait_of(pace) == pytest.approx(longest)


async def test_after_a_restart_of_the_machine_nobody_is_blocked(world: World, ledger: SqliteLedger) -> None:
    """The uptime begins again at zero, so the requests sent before seem to lie in the future."""
    pace = awake(ledger, 5, world)
    assert await places(pace) == 5
    await pace.slow_down(60)
    world.now = 10.0
    assert await places(pace) == 5
    await pace.slow_down(60)
    assert await wait_of(pace) == pytest.approx(60)


class BusyLedger:
    """A ledger that another process has for the first `times` questions."""

    def __init__(self, times: int) -> None:
        self.times = times
        self.asked: list[bool] = []
        self.bulk: list[bool] = []

    async def reserve(self, now: float, limit: int, *, bulk: bool = False, alone: bool = False) -> float:
        self.asked.append(alone)
        self.bulk.append(bulk)
        if len(self.asked) <= self.times and not alone:
            raise LedgerBusy
        return 0.0

    async def pause(self, now: float, until: float) -> None: ...

    async def aclose(self) -> None: ...


@pytest.mark.parametrize("times", [0, 1, len(BUSY_PAUSES) - 1, 1_000])
async def test_a_ledger_that_another_process_has_is_waited_for_briefly_and_without_blocking(
    world: World, times: int
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    busy = BusyLedger(times)
    await Pace(busy, limit=5, clock=world.clock, sleep=sleep).wait()
    assert slept == list(BUSY_PAUSES[:times])
    assert sum(slept) < 0.25
    assert busy.asked[-1] is (times >= len(BUSY_PAUSES))


async def test_the_ledger_hears_which_work_is_bulk(world: World) -> None:
    ledger = BusyLedger(0)
    pace = Pace(ledger, limit=5, clock=world.clock, sleep=world.sleep)
    await pace.wait()
    token = bulk_work.set(True)
    await pace.wait()
    bulk_work.reset(token)
    assert ledger.bulk == [False, True]


async def test_a_wait_past_the_deadline_is_refused_at_once(world: World, ledger: SqliteLedger) -> None:
    pace = awake(ledger, 1, world)
    await pace.wait()
    world.now += 11
    with (
        anyio.move_on_after(20),
        pytest.raises(RateLimited, match=r"rate limit is used up, .* this was not sent\. Try again in 50 s") as caught,
    ):
        await pace.wait()
    assert caught.value.retry_after == pytest.approx(WINDOW - 11)


async def test_a_wait_within_the_deadline_is_waited(world: World, ledger: SqliteLedger) -> None:
    pace = awake(ledger, 1, world)
    await pace.wait()
    with anyio.move_on_after(3600), pytest.raises(Slept):
        await pace.wait()


async def test_waits_over_two_seconds_are_told_before_they_start(world: World, ledger: SqliteLedger) -> None:
    told: list[float] = []

    async def report(seconds: float) -> None:
        told.append(seconds)

    token = on_wait.set(report)
    pace = awake(ledger, 60, world)
    await pace.slow_down(1.9)
    assert await wait_of(pace) == pytest.approx(1.9)
    assert told == []
    await pace.slow_down(2.1)
    assert await wait_of(pace) == pytest.approx(2.1)
    assert told == [pytest.approx(2.1)]
    on_wait.reset(token)
