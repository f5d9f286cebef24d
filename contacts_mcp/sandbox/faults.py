"""Failures on order, as data (after the Retry Test API of googleapis/storage-testbench).

A fault strikes before anybody looks at credentials or quotas. Faults are an instruction list: a request goes down the list and is
struck by the first fault that is for its operation, is not still skipping, and whose dice fall. One request, one fault at most.

| kind | carried out | what the client gets |
|---|---|---|
| `status`, `status_after` | no, yes | `status` with an error body, `Retry-After` if given |
| `html`, `html_after` | no, yes | 200 with an HTML page |
| `empty` | yes | 200 with an empty body |
| `wrong_type` | yes | the right body called text/plain |
| `stall` | after `delay` seconds | the right answer; in one process, a client that gives up meanwhile takes the request with it |
| `stall_after` | yes | the right answer `delay` seconds later |
| `drip` | yes | the right answer, `delay` seconds between any two bytes |
| `truncate` | yes | the right headers and half of the body |
| `drop_before`, `drop_after` | no, yes | a connection that ends without an answer |
| `refuse` | no, and not recorded | no connection; over a real socket it is the same as `drop_before` |

A drop is the exception ConnectionDropped out of the app. `Sandbox.transport()` and `serve()` turn it into what a client would see.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

from .operations import OPERATIONS

FaultKind = Literal[
    "status",
    "status_after",
    "html",
    "html_after",
    "empty",
    "wrong_type",
    "stall",
    "stall_after",
    "drip",
    "truncate",
    "drop_before",
    "drop_after",
    "refuse",
]

_OPERATIONS = frozenset({"*", *(operation.name for operation in OPERATIONS)})


class ConnectionDropped(ConnectionError):
    """The client gets no answer at all."""


class ConnectionRefused(ConnectionDropped):
    """The request never reached the app."""


@dataclass(frozen=True)
class Fault:
    """One instruction: what befalls `times` requests of `operation` after `skip` of them went well.

    `times=-1` is for ever. `probability` below 1 strikes only some, and only a strike is counted.
    Raises ValueError for an operation or kind that does not exist: such a fault would never strike.
    """

    operation: str
    kind: FaultKind
    times: int = 1
    skip: int = 0
    status: int = 500
    delay: float = 0.0
    retry_after: int | None = None
    probability: float = 1.0

    def __post_init__(self) -> None:
        if self.operation not in _OPERATIONS:
            raise ValueError(f"operation is one of {', '.join(sorted(_OPERATIONS))}")
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"kind is one of {', '.join(get_args(FaultKind))}")

    def is_for(self, operation: str) -> bool:
        """Whether a request of `operation` can be struck."""
        return self.operation in ("*", operation)


class Faults:
    """The faults that are still to come, in order."""

    def __init__(self, *, seed: int = 0) -> None:
        self._seed = seed
        self._dice = random.Random(seed)
        self._pending: list[Fault] = []

    @property
    def pending(self) -> list[Fault]:
        """What is left, with the `times` and `skip` that are left."""
        return list(self._pending)

    def __iter__(self) -> Iterator[Fault]:
        return iter(self.pending)

    def __len__(self) -> int:
        return len(self._pending)

    def add(self, *faults: Fault) -> None:
        """Puts `faults` at the end of the list."""
        self._pending.extend(faults)

    def clear(self) -> None:
        """Forgets every fault and starts the dice anew."""
        self._pending.clear()
        self._dice.seed(self._seed)

    def take(self, operation: str) -> Fault | None:
        """The fault that strikes this request, if one does; it is used up by that."""
        for index, fault in enumerate(self._pending):
            if fault.is_for(operation) and self._strikes(index, fault):
                return fault
        return None

    def _strikes(self, index: int, fault: Fault) -> bool:
        if fault.skip > 0:
            self._pending[index] = replace(fault, skip=fault.skip - 1)
            return False
        if fault.probability < 1 and self._dice.random() >= fault.probability:
            return False
        self._use(index, fault)
        return True

    def _use(self, index: int, fault: Fault) -> None:
        if fault.times == 1:
            del self._pending[index]
        elif fault.times > 1:
            self._pending[index] = replace(fault, times=fault.times - 1)
