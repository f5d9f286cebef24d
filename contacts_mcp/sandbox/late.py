"""Writes that are carried out after their client was told something else.

Such a write was held up on its way: the client lost the connection, ran out of patience or got an error.
It becomes due by the sandbox's clock. It meets the rows and the switches of that later moment.
A contact that is gone by then stays gone, and `rev` grows from its value of then.

There is no task in the background. A due write is carried out before anybody looks at the rows again.
That is before the next request is handled, and before the next use of `Sandbox.store`. Due times give the order.
So the clock may be real, or moved by a test, or that of an event loop in which waiting takes no time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from .call import Request
from .replies import Reply


@dataclass(frozen=True)
class LateWrite:
    """A request that is still on its way."""

    due: float  # unix seconds of the sandbox's clock
    request: Request
    carry_out: Callable[[float], Reply] = field(repr=False, compare=False)  # at a time in unix seconds


class LateWrites:
    """The writes that are still on their way."""

    def __init__(self) -> None:
        self._pending: list[LateWrite] = []
        # A served sandbox may run in another thread than the test that looks at its rows.
        self._lock = threading.RLock()

    @property
    def pending(self) -> list[LateWrite]:
        """The writes that are not carried out yet, by due time and then by arrival."""
        with self._lock:
            return sorted(self._pending, key=lambda write: write.due)

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, write: LateWrite) -> None:
        """Puts a write on its way."""
        with self._lock:
            self._pending.append(write)

    def clear(self) -> None:
        """Loses every write for ever."""
        with self._lock:
            self._pending.clear()

    def land(self, *, now: float, everything: bool = False) -> list[Request]:
        """Carries out the writes that are due at `now`, or all of them, and returns their requests in that order.

        A write is carried out as of its due time. A write that is made to land early is carried out as of `now`.
        `Request.landed` becomes the status of the reply that nobody gets.
        """
        landed = []
        with self._lock:
            while (write := next(iter(self.pending), None)) and (everything or write.due <= now):
                self._pending.remove(write)
                write.request.landed = write.carry_out(min(write.due, now)).status
                landed.append(write.request)
        return landed
