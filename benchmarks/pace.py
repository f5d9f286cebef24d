"""The request ledger of replicas: `python benchmarks/pace.py [seconds] [window]`. Exits 1 where a figure is missed.

Processes of their own press on one throwaway Redis, by many tasks each. All moments are of the machine's one clock,
whatever the processes believe. A window of ten seconds shows the same as one of a minute, in a sixth of the time.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median

from pressing import fullest_window, press
from redis_server import RedisServer

from contacts_mcp.state.ledger import WINDOW
from contacts_mcp.state.redis import RHYTHM, Rhythm, SharedRedis
from contacts_mcp.state.redis_ledger import RedisLedger

LIMIT = 500
REPLICAS = 3
TASKS = 200
MINUTE = 60.0
START = 2.0  # seconds for the processes to start


@dataclass(frozen=True)
class Pressure:
    """How one process presses on the ledger."""

    url: str
    window: float
    begin: float
    until: float
    limit: int = LIMIT
    tasks: int = TASKS
    rest: float = 0.0  # seconds that a task rests after a request, on average
    skew: float = 0.0  # seconds by which the clock of the process is ahead
    rhythm: Rhythm = RHYTHM


@dataclass(frozen=True)
class Outcome:
    """The requests of the processes of one run."""

    by_process: list[list[float]]  # when requests went out
    cpu: float  # seconds of all processes, while they pressed

    @property
    def times(self) -> list[float]:
        return sorted(moment for times in self.by_process for moment in times)


async def _pressed(pressure: Pressure) -> None:
    def clock() -> float:
        return time.monotonic() + pressure.skew

    shared = SharedRedis(pressure.url, clock=clock, rhythm=Rhythm(*pressure.rhythm))
    ledger = RedisLedger(shared, "a", replicas_most=REPLICAS, window=pressure.window, clock=clock)
    await shared.open()
    await ledger.refresh()
    await asyncio.sleep(pressure.begin - time.monotonic())
    times: list[float] = []
    start = time.process_time()
    await press(
        ledger,
        pressure.limit,
        times,
        until=pressure.until,
        tasks=pressure.tasks,
        rest=pressure.rest,
        skew=pressure.skew,
    )
    cpu = time.process_time() - start
    await ledger.aclose()
    await shared.aclose()
    json.dump({"times": times, "cpu": cpu}, sys.stdout)


def run(pressures: Sequence[Pressure], meanwhile: Callable[[], None] = lambda: None) -> Outcome:
    """Let a process for each of `pressures` press, while `meanwhile` is done at `begin`. Raises where one fails."""
    children = [
        subprocess.Popen([sys.executable, __file__, "--press", json.dumps(asdict(each))], stdout=subprocess.PIPE)
        for each in pressures
    ]
    time.sleep(max(0.0, pressures[0].begin - time.monotonic()))
    meanwhile()
    patience = pressures[0].until - time.monotonic() + 60
    answers = [child.communicate(timeout=patience)[0] for child in children]
    if any(child.returncode for child in children):
        msg = "a process that pressed has failed"
        raise RuntimeError(msg)
    heard = [json.loads(answer) for answer in answers]
    return Outcome([each["times"] for each in heard], sum(each["cpu"] for each in heard))


@contextmanager
def server(rhythm: Rhythm = RHYTHM) -> Iterator[RedisServer]:
    """A throwaway Redis that has settled."""
    with tempfile.TemporaryDirectory() as folder:
        opened = RedisServer(Path(folder))
        try:
            asyncio.run(_first_beat(opened.url))
            time.sleep(rhythm.settle)
            yield opened
        finally:
            opened.kill()


async def _first_beat(url: str) -> None:
    shared = SharedRedis(url)
    await shared.open()
    await shared.aclose()


def pressures(
    redis: RedisServer, window: float, seconds: float, *, skew: float = 0.0, rhythm: Rhythm = RHYTHM
) -> list[Pressure]:
    """Three processes, the first of which has a clock that is wrong by `skew`."""
    begin = time.monotonic() + START
    return [
        Pressure(redis.url, window, begin, begin + seconds, skew=skew if number == 0 else 0.0, rhythm=rhythm)
        for number in range(REPLICAS)
    ]


class Report:
    """Prints the figures, and counts those that are missed."""

    def __init__(self) -> None:
        self.missed = 0

    def tell(self, what: str, figures: str, *, good: bool = True) -> None:
        print(f"{what:<46}{figures:<58}{'' if good else 'MISSED'}".rstrip(), flush=True)
        self.missed += not good

    def limit(self, what: str, outcome: Outcome, window: float) -> None:
        most = fullest_window(outcome.times, window)
        parts = "+".join(str(len(times)) for times in outcome.by_process)
        self.tell(what, f"{most} of {LIMIT} in the fullest window ({parts})", good=most <= LIMIT)


def use_of_a_minute(times: Sequence[float], window: float) -> float:
    """The part of a limit of 60 s that is used with the product's window, if as much is lost a window as here."""
    cycles = [later - earlier for earlier, later in zip(times, times[LIMIT:], strict=False)]
    return MINUTE / (WINDOW + sum(cycles) / len(cycles) - window)


def under_pressure(report: Report, window: float, seconds: float) -> None:
    """The limit, its use, and the price, with one clock two seconds behind."""
    with server() as redis:
        before = redis.scripts_run()
        outcome = run(pressures(redis, window, seconds, skew=-2.0))
        calls, times = redis.scripts_run() - before, outcome.times
    report.limit("under pressure, one clock 2 s behind", outcome, window)
    use = use_of_a_minute(times, window)
    report.tell("use of the limit, with a window of 61 s", f"{use:.3f} of {LIMIT} in 60 s", good=use >= 0.97)
    report.tell("scripts a request, under pressure", f"{calls / len(times):.2f}", good=calls / len(times) <= 0.5)
    report.tell("CPU a request, all processes", f"{outcome.cpu / len(times) * 1000:.2f} ms")


def in_quiet(report: Report) -> None:
    """One process that sends eight requests every second, one after the other."""
    with server() as redis:
        asks, calls, waits = asyncio.run(_quiet(redis))
    report.tell("scripts a request, eight in a row", f"{calls / asks:.2f}", good=calls / asks <= 0.3)
    report.tell("look-up: median, slowest", f"{median(waits) * 1000:.3f} ms, {max(waits) * 1000:.1f} ms")


async def _quiet(redis: RedisServer) -> tuple[int, int, list[float]]:
    shared = SharedRedis(redis.url)
    ledger = RedisLedger(shared, "a")
    await ledger.reserve(time.monotonic(), LIMIT)
    before, waits = redis.scripts_run(), list[float]()
    for _ in range(5):
        for _ in range(8):
            start = time.monotonic()
            await ledger.reserve(start, LIMIT)
            waits.append(time.monotonic() - start)
        await asyncio.sleep(1.1)
    calls = redis.scripts_run() - before
    await ledger.aclose()
    await shared.aclose()
    return len(waits), calls, waits


def lost(report: Report, window: float) -> None:
    """Redis is killed and comes back empty within a window. Then it is frozen."""
    with server() as redis:

        def harm() -> None:
            time.sleep(window * 0.3)
            redis.kill()
            time.sleep(window * 0.1)
            redis.start()
            time.sleep(window * 1.2)
            redis.freeze()
            time.sleep(window * 0.3)
            redis.thaw()

        outcome = run(pressures(redis, window, 3.5 * window), harm)
    report.limit("Redis killed and emptied, later frozen", outcome, window)
    begin = outcome.times[0]
    each = [sum(0 <= moment - begin - window * number < window for moment in outcome.times) for number in range(3)]
    report.tell("requests of each window", ", ".join(map(str, each)))


def alone(report: Report, window: float) -> None:
    """Redis is killed while there is room under the limit, and does not come back."""
    with server() as redis:
        killed: list[float] = []

        def harm() -> None:
            time.sleep(window * 0.4)
            redis.kill()
            killed.append(time.monotonic())

        light = [
            replace(each, tasks=20, rest=20 * REPLICAS * window / LIMIT * 2)
            for each in pressures(redis, window, 2 * window)
        ]
        outcome = run(light, harm)
    within = [sum(0 < moment - killed[0] <= 2 for moment in times) for times in outcome.by_process]
    report.limit("Redis killed where half is free", outcome, window)
    report.tell("requests alone within 2 s, by process", ", ".join(map(str, within)), good=all(within))


def main() -> int:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("seconds", nargs="?", type=float, default=15.0)
    given.add_argument("window", nargs="?", type=float, default=6.0)
    given.add_argument("--press", help=argparse.SUPPRESS)
    asked = given.parse_args()
    if asked.press:
        asyncio.run(_pressed(Pressure(**json.loads(asked.press))))
        return 0
    report = Report()
    under_pressure(report, asked.window, asked.seconds)
    in_quiet(report)
    lost(report, asked.window)
    alone(report, asked.window)
    print(f"figures missed: {report.missed}")
    return int(report.missed > 0)


if __name__ == "__main__":
    sys.exit(main())
