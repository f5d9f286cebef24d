"""The processor time of a piece of work, for the promise that no text of a stranger holds a server up."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

TRIES = 3


def effort(work: Callable[[], object]) -> float:
    """The seconds of this thread's processor that `work` takes, the least of `TRIES`.

    Work that grows too fast takes long in each of them. The collector is off, because it looks through all that the
    tests before have left.
    """
    gc.disable()
    try:
        return min(_seconds(work) for _ in range(TRIES))
    finally:
        gc.enable()


def _seconds(work: Callable[[], object]) -> float:
    started = time.thread_time()
    work()
    return time.thread_time() - started
