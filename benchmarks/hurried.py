"""Time that takes no time, for proofs and soaks that stay in one process."""

from __future__ import annotations

import asyncio
import selectors
from typing import Any

import anyio

MIDDAY = 1_800_000_000.0
TURN = 1e-9  # seconds that a turn of the loop takes, or a wait too short for the clock's precision would never end


class HurriedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock jumps to the next timer whenever nothing else is to be done.

    So every wait is exact (to the nanosecond a turn takes) and takes no time. Only for programs that stay in this process: to it, waiting for another
    process looks like having nothing to do.
    """

    def __init__(self) -> None:
        self._elapsed = 0.0
        super().__init__(_Hurried(self))

    def time(self) -> float:
        return self._elapsed

    def jump(self, seconds: float) -> None:
        self._elapsed += seconds


class _Hurried(selectors.DefaultSelector):
    def __init__(self, loop: HurriedLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> Any:
        ready = super().select(0 if timeout is None or timeout > 0 else timeout)
        if ready or timeout == 0:
            self._loop.jump(TURN)
            return ready
        if timeout is None:
            return super().select(None)
        self._loop.jump(max(timeout, 0))
        return ready


def time_of_day() -> float:
    """The wall clock that belongs to a hurried loop."""
    return MIDDAY + anyio.current_time()
