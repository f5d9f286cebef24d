"""What may be sent again, and when.

- A request goes out again only if that cannot do harm: a read after any failure that may pass, a write only after a failure that
  proves it was not carried out. Proof is a 429 (refused) or a connection that never came to be; nothing else is.
- Waits grow exponentially with full jitter (anything from nothing to the whole step); a `Retry-After` is a lower bound.
- Nobody waits past the deadline of the call, and a budget keeps retries a small share of all requests, so that a service that is
  down is not hammered by everyone's second and third try.

Pure but for the budget's one number; the loop that sleeps is in `client.py`. A ready-made library (tenacity, stamina) schedules waits
but knows neither the two columns of the table below nor the budget, which are the point.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum

from contacts_mcp.errors import AnswerLost, BadAnswer, ContactsError, RateLimited, ServiceFailed, Unreachable


class Kind(Enum):
    """What a request does upstream. Many reads are a `POST`; the method says nothing."""

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
    """How often and how long: at most `attempts` in all (`attempts_when_refused` for rate, which costs the service nothing), the n-th wait drawn from 0 to `first * 2**(n-1)`, at most `longest` seconds."""

    attempts: int = 4
    attempts_when_refused: int = 8
    first: float = 0.4
    longest: float = 8.0

    def wait(self, attempt: int, *, at_least: float, draw: Callable[[], float]) -> float:
        """Seconds to wait after the failed `attempt` (from 1); `draw` gives a number from 0 to 1."""
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
