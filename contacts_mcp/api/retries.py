"""Which requests may be sent again, and when.

- A read goes out again after any failure that may pass.
- A write goes out again only after a failure that proves that it was not carried out. That is a 429 (refused), or a
  connection that never came to be.
- Waits grow exponentially with full jitter, anything from nothing to the whole step. A `Retry-After` is a lower bound.
- Nobody waits past the deadline of the call.
- A budget keeps retries a small share of all requests. Otherwise everyone's second and third try would hammer a service
  that is down.

All of it is pure but for the budget's one number. The loop that sleeps is in `client.py`.
Ready-made libraries (tenacity, stamina) schedule waits. They know neither the two columns of the table below nor the
budget, which are the point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from contacts_mcp.errors import AnswerLost, BadAnswer, ContactsError, RateLimited, ServiceFailed, Unreachable


class Kind(Enum):
    """The effect of a request upstream. Many reads are a `POST`, so the method says nothing."""

    READ = "read"
    WRITE = "write"


REPEATABLE: dict[type[ContactsError], frozenset[Kind]] = {
    RateLimited: frozenset({Kind.READ, Kind.WRITE}),
    Unreachable: frozenset({Kind.READ, Kind.WRITE}),
    ServiceFailed: frozenset({Kind.READ}),
    AnswerLost: frozenset({Kind.READ}),
    BadAnswer: frozenset({Kind.READ}),
}

AMBIGUOUS = (ServiceFailed, AnswerLost, BadAnswer)
"""Failures after which a write may have been carried out all the same."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """How often a request is tried and how long it waits. The n-th wait is drawn from 0 to `first * 2**(n-1)`."""

    attempts: int = 4  # in all
    attempts_when_refused: int = 8  # ... for rate, which costs the service nothing
    first: float = 0.4
    longest: float = 8.0  # seconds of one wait

    def wait(self, attempt: int, *, at_least: float, draw: Callable[[], float]) -> float:
        """Seconds to wait after the failed `attempt`, counted from 1. `draw` gives a number from 0 to 1."""
        return at_least + draw() * min(self.longest, self.first * 2.0 ** (attempt - 1))


class Budget:
    """Retries may be a tenth of the requests, after a reserve for short trouble."""

    SHARE = 0.1
    RESERVE = 20.0

    def __init__(self) -> None:
        self._left = self.RESERVE

    def earn(self) -> None:
        self._left = min(self.RESERVE, self._left + self.SHARE)

    def spend(self) -> bool:
        if self._left < 1:
            return False
        self._left -= 1
        return True


def may_repeat(failure: ContactsError, kind: Kind) -> bool:
    """Whether sending the same request again after `failure` cannot do harm and may help."""
    return kind in REPEATABLE.get(type(failure), frozenset())
