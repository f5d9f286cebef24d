"""PostgreSQL's clock, as it can be read between two answers.

Servers may have wrong clocks, so they age nothing by them. An answer with PostgreSQL's time is compared with the time
that this machine has been running. The travel time of the answer bounds the error on both sides.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf

NOW = "extract(epoch FROM clock_timestamp())::double precision"
"""SQL: Unix seconds by PostgreSQL's clock at this moment, also inside a transaction."""

_FRESH = 10.0  # seconds for which a tighter reading is preferred to a newer one


def ticks() -> float:
    """Seconds that the machine has been running. A machine that was suspended counts that time, where it can tell."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class DatabaseClock:
    """Unix seconds by PostgreSQL's clock."""

    def __init__(self, running: Callable[[], float] = ticks) -> None:
        self._ticks = running
        self._behind = -inf  # what to add to the ticks, at least
        self._ahead = inf  # ... and at most
        self._read_at = -inf

    def seen(self, moment: float, *, asked: float, answered: float) -> None:
        """PostgreSQL said `moment` at some point between these two readings of `ticks`."""
        is_tighter = answered - asked <= self._ahead - self._behind
        if is_tighter or answered - self._read_at > _FRESH:
            self._behind, self._ahead, self._read_at = moment - answered, moment - asked, answered

    @property
    def earliest(self) -> float:
        """The time is at least that. Before the first answer it is this machine's time of day."""
        return time.time() if self._behind == -inf else self._ticks() + self._behind

    @property
    def off(self) -> float:
        """Seconds by which this machine's time of day is ahead of PostgreSQL's. It is negative where it is behind."""
        return time.time() - (self.earliest + self.latest) / 2

    @property
    def latest(self) -> float:
        """The time is at most that."""
        return time.time() if self._ahead == inf else self._ticks() + self._ahead
