"""Time that nobody can set: how long the machine has been running.

A time of day may be wrong by a month and be corrected at any moment. So ages are measured by the uptime: it only grows.
All processes of a machine share it. After a restart of the machine it begins again at zero.
"""

from __future__ import annotations

import asyncio
import time


def uptime() -> float:
    """Seconds since the machine was started.

    Inside an event loop this is the loop's clock, so that waits and ages agree.
    """
    try:
        return asyncio.get_running_loop().time()  # a tenth of the time of anyio.current_time, at every request
    except RuntimeError:  # no event loop is running
        return time.monotonic()


def passed(since: float, now: float) -> float:
    """The seconds that have certainly passed between two readings of the uptime.

    A reading above `now` is from before the machine was started again. All of `now` has passed since then.
    """
    return now - since if since <= now else now
