"""Failures on order, as data (after the Retry Test API of googleapis/storage-testbench).

Faults are a list of instructions. A request goes down the list and is struck by the first fault that fits:
it is for the request's operation, it has no more requests to skip, and its dice fall.
One request is struck by one fault at most, before its credentials and the quota are looked at.

| kind | carried out | the client gets |
|---|---|---|
| `status`, `status_after` | no, yes | `status` with an error body, `Retry-After` if given |
| `html`, `html_after` | no, yes | 200 with an HTML page |
| `empty` | yes | 200 with an empty body |
| `wrong_type` | yes | the right body, called text/plain |
| `stall` | after `delay` seconds | the right reply. In one process, a client that gives up takes the request with it |
| `stall_after` | yes | the right reply, `delay` seconds later |
| `drip` | yes | the right reply, `delay` seconds between any two bytes |
| `truncate` | yes | the right headers and half of the body |
| `drop_before`, `drop_after` | no, yes | a connection that ends without a reply |
| `refuse` | no, and not recorded | no connection. Over a real socket it is the same as `drop_before` |

A drop is the exception ConnectionDropped, raised by the app.
`Sandbox.transport()` and `serve()` turn it into the error that a client would see.
"""

# ruff: noqa: ARG001 - the functions of a table share one signature

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from typing import Literal, get_args

import anyio
from starlette.types import Send

from .behaviour import Behaviour
from .operations import OPERATIONS
from .replies import BadData, RateLimited, Refusal, Reply, Unauthorized, error_reply, html_reply

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
    """The client gets no reply at all."""


class ConnectionRefused(ConnectionDropped):
    """The request never reached the app."""


@dataclass(frozen=True)
class Fault:
    """One instruction for the requests of one operation.

    Raises ValueError for an operation or a kind that does not exist, because such a fault would never strike.
    """

    operation: str  # `*` is every operation
    kind: FaultKind
    times: int = 1  # it strikes so many requests. -1 is for ever
    skip: int = 0  # so many requests go well before
    status: int = 500
    delay: float = 0.0  # seconds
    retry_after: int | None = None  # seconds
    probability: float = 1.0  # below 1 it strikes some requests only, and only those count for `times`

    def __post_init__(self) -> None:
        if self.operation not in _OPERATIONS:
            raise ValueError(f"operation is one of {', '.join(sorted(_OPERATIONS))}")
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"kind is one of {', '.join(get_args(FaultKind))}")

    def is_for(self, operation: str) -> bool:
        """Whether it can strike a request of `operation`."""
        return self.operation in ("*", operation)


class Faults:
    """The faults that are still to come, in order."""

    def __init__(self, *, seed: int = 0) -> None:
        self._seed = seed
        self._dice = random.Random(seed)
        self._pending: list[Fault] = []

    @property
    def pending(self) -> list[Fault]:
        """The remaining faults, with their remaining `times` and `skip`."""
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
        """The fault that strikes this request, or None. The strike is counted."""
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
        if fault.times == 1:
            del self._pending[index]
        elif fault.times > 1:
            self._pending[index] = replace(fault, times=fault.times - 1)
        return True


def error_page(fault: Fault, behaviour: Behaviour, reply: Reply | None) -> Reply:
    """The status of the fault, in the behaviour's error shape."""
    failure = _NAMED.get(fault.status, Refusal)("fault on order")
    headers = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
    return replace(error_reply(failure, behaviour), status=fault.status, headers=headers)


def html_page(fault: Fault, behaviour: Behaviour, reply: Reply | None) -> Reply:
    """200 with a page in place of JSON."""
    return html_reply("Something went wrong")


def empty_reply(fault: Fault, behaviour: Behaviour, reply: Reply | None) -> Reply:
    """200 with an empty body."""
    return Reply(200, b"")


def mislabelled(fault: Fault, behaviour: Behaviour, reply: Reply | None) -> Reply:
    """The right body under the wrong content type."""
    return replace(reply or Reply(200, b""), media_type="text/plain; charset=utf-8")


async def send_whole(reply: Reply, fault: Fault | None, send: Send) -> None:
    """Sends the reply as it should arrive."""
    await _send_start(reply, send)
    await send({"type": "http.response.body", "body": reply.body, "more_body": False})


async def send_dripping(reply: Reply, fault: Fault | None, send: Send) -> None:
    """Sends the reply byte by byte."""
    await _send_start(reply, send)
    for byte in reply.body:
        await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
        await anyio.sleep(fault.delay if fault else 0)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def send_half(reply: Reply, fault: Fault | None, send: Send) -> None:
    """Sends headers that announce the whole body, and the first half of it."""
    await _send_start(reply, send)
    await send({"type": "http.response.body", "body": reply.body[: len(reply.body) // 2], "more_body": False})


async def _send_start(reply: Reply, send: Send) -> None:
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.raw_headers()})


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The effect of one kind of fault on a request."""

    arrives: bool = True
    carried_out: bool = True
    waits: Literal["never", "before", "after"] = "never"  # before or after it is carried out
    answered: bool = True
    instead: Callable[[Fault, Behaviour, Reply | None], Reply] | None = None  # makes another reply
    deliver: Callable[[Reply, Fault | None, Send], Awaitable[None]] = send_whole


NO_EFFECT = Effect()

EFFECTS: dict[FaultKind, Effect] = {
    "status": Effect(carried_out=False, instead=error_page),
    "status_after": Effect(instead=error_page),
    "html": Effect(carried_out=False, instead=html_page),
    "html_after": Effect(instead=html_page),
    "empty": Effect(instead=empty_reply),
    "wrong_type": Effect(instead=mislabelled),
    "stall": Effect(waits="before"),
    "stall_after": Effect(waits="after"),
    "drip": Effect(deliver=send_dripping),
    "truncate": Effect(deliver=send_half),
    "drop_before": Effect(carried_out=False, answered=False),
    "drop_after": Effect(answered=False),
    "refuse": Effect(arrives=False, carried_out=False, answered=False),
}

_NAMED: dict[int, Callable[[str], Refusal]] = {
    400: BadData,
    401: Unauthorized,
    429: lambda message: RateLimited(message, retry_after=None),
}
