"""Failures on order, as data (after the Retry Test API of googleapis/storage-testbench).

Faults are a list of instructions. A request goes down the list and is struck by the first fault that fits.
A fault fits if it is for the request's operation, has no more requests to skip, and its dice fall.
One request is struck by one fault at most, before its credentials and the quota are looked at.

| kind | carried out | the client gets |
|---|---|---|
| `status`, `status_after` | no, yes | `status` with an error body, `Retry-After` if given |
| `html`, `html_after` | no, yes | 200 with an HTML page |
| `gateway`, `gateway_after` | no, yes | `status` with an HTML page of a gateway, without `X-Request-Id` |
| `empty` | yes | 200 with an empty body |
| `wrong_type` | yes | the right body, called text/plain |
| `stall` | after `delay` seconds | the right reply. In one process, a client that gives up ends it |
| `stall_after` | yes | the right reply, `delay` seconds later |
| `drip` | yes | the right reply, `delay` seconds between any two bytes |
| `truncate` | yes | the right headers and half of the body |
| `drop_before`, `drop_after` | no, yes | a connection that ends without a reply |
| `silence` | no | nothing, until it gives up |
| `pretend` | only seemingly | the right reply to a write that changes nothing. `pretended_rev` chooses its `rev` |
| `lag` | yes | the right reply, but reads lag behind as `lag` says |
| `refuse` | no, and not recorded | no connection. Over a real socket it is the same as `drop_before` |

`late` goes with every kind that arrives, and is neither carried out nor pretended.
A write that is struck by it is carried out so many seconds later (see `late.py`).
`items` goes with a batch: its first items are carried out, at once or late, and the others never.
`lag` goes with every kind that is carried out, at once or late. It begins then (see `rows/replica.py`).

A drop is the exception ConnectionDropped, raised by the app.
`Sandbox.transport()` and `serve()` turn it into the error that a client would see.
"""

# ruff: noqa: ARG001 - the functions of a table share one signature

from __future__ import annotations

import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal

import anyio
from pydantic import ConfigDict
from pydantic.dataclasses import dataclass as pydantic_dataclass
from starlette.types import Send

from .behaviour import Behaviour
from .operations import WRITES
from .orders import Orders, check_operation
from .replies import BadData, RateLimited, Refusal, Reply, Unauthorized, error_reply, html_reply, json_reply
from .rows.replica import Lag

FaultKind = Literal[
    "status",
    "status_after",
    "html",
    "html_after",
    "gateway",
    "gateway_after",
    "empty",
    "wrong_type",
    "stall",
    "stall_after",
    "drip",
    "truncate",
    "drop_before",
    "drop_after",
    "silence",
    "pretend",
    "lag",
    "refuse",
]

PretendedRev = Literal["grown", "same", "none"]

_FIRST_ERROR = 400


class ConnectionDropped(ConnectionError):
    """The client gets no reply at all."""


class ConnectionRefused(ConnectionDropped):
    """The request never reached the app."""


@pydantic_dataclass(frozen=True, config=ConfigDict(strict=True, extra="forbid"))
class Fault:
    """One instruction for the requests of one operation.

    Raises ValueError for a fault that would never strike, or never show.
    """

    operation: str  # `*` is every operation
    kind: FaultKind
    times: int = 1  # it strikes so many requests. -1 is for ever
    skip: int = 0  # so many requests go well before
    status: int = 500
    delay: float = 0.0  # seconds
    retry_after: int | None = None  # seconds
    probability: float = 1.0  # below 1 it strikes some requests only, and only those count for `times`
    late: float | None = None  # a write is carried out so many seconds after it arrived
    lag: Lag | None = None  # the reads that do not see the write yet, in addition to those of the Behaviour
    items: int | None = None  # of a batch, only so many of the first items are carried out
    pretended_rev: PretendedRev = "grown"  # as if the write was made, as if it was not, or left out

    def __post_init__(self) -> None:
        check_operation(self.operation)
        if self.late is not None and not self._can_be_late:
            raise ValueError(f"a {self.kind} of {self.operation} leaves nothing to carry out late")
        if self.lag is not None and not self._can_lag:
            raise ValueError(f"a {self.kind} of {self.operation} leaves no write that reads could lag behind")
        if self.items is not None and self.operation not in ("*", "batch_contacts"):
            raise ValueError(f"{self.operation} has no items, of which some could be carried out")
        if self.lag is None and self.kind == "lag":
            raise ValueError("a lag needs its lag")

    @property
    def _is_for_a_write(self) -> bool:
        return self.operation == "*" or self.operation in WRITES

    @property
    def _can_be_late(self) -> bool:
        effect = effect_of(self)
        return self._is_for_a_write and effect.arrives and not effect.carried_out

    @property
    def _can_lag(self) -> bool:
        effect = effect_of(self)
        return self._is_for_a_write and (self.late is not None or (effect.carried_out and effect.kept))


class Faults(Orders[Fault]):
    """The faults that are still to come, in order."""

    def __init__(self, *, seed: int = 0) -> None:
        super().__init__()
        self._seed = seed
        self._dice = random.Random(seed)

    def clear(self) -> None:
        """Forgets every fault and starts the dice anew."""
        super().clear()
        self._dice.seed(self._seed)

    def take(self, operation: str) -> Fault | None:
        """The fault that strikes this request, or None. The strike is counted."""
        for index, fault in enumerate(self._pending):
            if self._is_due(index, operation) and self._falls(fault):
                self._use(index)
                return fault
        return None

    def _falls(self, fault: Fault) -> bool:
        return fault.probability >= 1 or self._dice.random() < fault.probability


def error_page(fault: Fault, behaviour: Behaviour, reply: Reply | None) -> Reply:
    """The status of the fault, in the behaviour's error shape."""
    failure = _NAMED.get(fault.status, Refusal)("fault on order")
    headers = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
    return replace(error_reply(failure, behaviour), status=fault.status, headers=headers)


def html_page(fault: Fault, behaviour: Behaviour, reply: Reply | None) -> Reply:
    """200 with a page in place of JSON."""
    return html_reply("Something went wrong")


def gateway_page(fault: Fault, behaviour: Behaviour, reply: Reply | None) -> Reply:
    """The status of the fault, with the page of a gateway."""
    headers = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
    return replace(html_reply(f"{fault.status} Gateway", status=fault.status), headers=headers)


def pretended(fault: Fault, behaviour: Behaviour, reply: Reply | None) -> Reply:
    """The reply to a write that was only pretended, with the `rev` that the fault chooses."""
    assert reply is not None, "a pretended write is answered"
    said = json.loads(reply.body) if reply.status < _FIRST_ERROR else None
    if not isinstance(said, dict) or "rev" not in said:
        return reply
    rev = said.pop("rev")
    chosen = {"grown": {"rev": rev}, "same": {"rev": max(rev - 1, 1)}, "none": {}}[fault.pretended_rev]
    return json_reply({**said, **chosen}, status=reply.status)


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
    kept: bool = True  # False: carried out on rows that forget it
    waits: Literal["never", "before", "after", "for ever"] = "never"  # before or after it is carried out
    answered: bool = True
    identified: bool = True  # by an X-Request-Id
    instead: Callable[[Fault, Behaviour, Reply | None], Reply] | None = None  # makes another reply
    deliver: Callable[[Reply, Fault | None, Send], Awaitable[None]] = send_whole


_NO_EFFECT = Effect()

EFFECTS: dict[FaultKind, Effect] = {
    "status": Effect(carried_out=False, instead=error_page),
    "status_after": Effect(instead=error_page),
    "html": Effect(carried_out=False, instead=html_page),
    "html_after": Effect(instead=html_page),
    "gateway": Effect(carried_out=False, instead=gateway_page, identified=False),
    "gateway_after": Effect(instead=gateway_page, identified=False),
    "empty": Effect(instead=empty_reply),
    "wrong_type": Effect(instead=mislabelled),
    "stall": Effect(waits="before"),
    "silence": Effect(carried_out=False, waits="for ever", answered=False),
    "pretend": Effect(kept=False, instead=pretended),
    "lag": Effect(),
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


def effect_of(fault: Fault | None) -> Effect:
    """The effect of a fault, or of none."""
    return EFFECTS[fault.kind] if fault else _NO_EFFECT
