"""Asking a ledger for places, and counting what it gave."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Iterable

from contacts_mcp.state.ledger import Ledger
from contacts_mcp.state.uptime import uptime


def fullest_window(times: Iterable[float], seconds: float) -> int:
    """The most that any window of `seconds` holds."""
    window: deque[float] = deque()
    fullest = 0
    for moment in sorted(times):
        window.append(moment)
        while window[0] <= moment - seconds:
            window.popleft()
        fullest = max(fullest, len(window))
    return fullest


async def places(ledger: Ledger, limit: int, *, bulk: bool = False) -> int:
    """How many requests go out before the first must wait."""
    taken = 0
    while not await ledger.reserve(uptime(), limit, bulk=bulk):
        taken += 1
    return taken


async def press(
    ledger: Ledger,
    limit: int,
    times: list[float],
    *,
    until: float,
    tasks: int = 20,
    rest: float = 0.0,
    skew: float = 0.0,
) -> None:
    """Take as many places as there are until that moment. `times` hears when each was given.

    After each place a task rests up to twice `rest` seconds. The ledger's clock is ahead by `skew` seconds. All other
    moments are of the machine's clock.
    """

    async def one() -> None:
        while (now := time.monotonic()) < until:
            wait = await ledger.reserve(now + skew, limit)
            if not wait:
                times.append(time.monotonic())
                wait = random.random() * 2 * rest
            await asyncio.sleep(max(0.0, min(wait, until - time.monotonic())))

    await asyncio.gather(*(one() for _ in range(tasks)))
