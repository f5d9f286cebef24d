"""What each kind of fault does to a request, as a table."""

# ruff: noqa: ARG001 - the functions of a table share one signature

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Literal

import anyio
from starlette.types import Send

from .answers import Answer, error_answer, html_page
from .behaviour import Behaviour
from .faults import Fault, FaultKind
from .refusals import BadData, RateLimited, Refusal, Unauthorized


def error_page(fault: Fault, behaviour: Behaviour, answer: Answer | None) -> Answer:
    """The status that the fault asks for, in the behaviour's error shape."""
    failure = _NAMED.get(fault.status, Refusal)("fault on order")
    headers = {} if fault.retry_after is None else {"retry-after": str(fault.retry_after)}
    return replace(error_answer(failure, behaviour), status=fault.status, headers=headers)


def html_answer(fault: Fault, behaviour: Behaviour, answer: Answer | None) -> Answer:
    """200 with a page where JSON was due."""
    return Answer(200, html_page("Something went wrong").encode(), "text/html; charset=utf-8")


def empty_answer(fault: Fault, behaviour: Behaviour, answer: Answer | None) -> Answer:
    """200 with nothing."""
    return Answer(200, b"")


def mislabelled(fault: Fault, behaviour: Behaviour, answer: Answer | None) -> Answer:
    """The right body under the wrong content type."""
    return replace(answer or Answer(200, b""), media_type="text/plain; charset=utf-8")


async def send_whole(answer: Answer, fault: Fault | None, send: Send) -> None:
    """The answer as it is meant to arrive."""
    await _send_start(answer, send)
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})


async def send_dripping(answer: Answer, fault: Fault | None, send: Send) -> None:
    """The answer byte by byte."""
    await _send_start(answer, send)
    for byte in answer.body:
        await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
        await anyio.sleep(fault.delay if fault else 0)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def send_half(answer: Answer, fault: Fault | None, send: Send) -> None:
    """Headers that announce the whole body, and the first half of it."""
    await _send_start(answer, send)
    await send({"type": "http.response.body", "body": answer.body[: len(answer.body) // 2], "more_body": False})


async def _send_start(answer: Answer, send: Send) -> None:
    await send({"type": "http.response.start", "status": answer.status, "headers": answer.raw_headers()})


@dataclass(frozen=True, kw_only=True)
class Effect:
    """Whether the request arrives and is carried out, where it waits, what is answered instead, and how it is delivered."""

    arrives: bool = True
    carried_out: bool = True
    waits: Literal["never", "before", "after"] = "never"
    answered: bool = True
    instead: Callable[[Fault, Behaviour, Answer | None], Answer] | None = None
    deliver: Callable[[Answer, Fault | None, Send], Awaitable[None]] = send_whole


NO_EFFECT = Effect()

EFFECTS: dict[FaultKind, Effect] = {
    "status": Effect(carried_out=False, instead=error_page),
    "status_after": Effect(instead=error_page),
    "html": Effect(carried_out=False, instead=html_answer),
    "html_after": Effect(instead=html_answer),
    "empty": Effect(instead=empty_answer),
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
