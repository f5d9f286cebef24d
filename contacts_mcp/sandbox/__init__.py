"""A local stand-in of the Heymarket API, to try everything without an account and to test against.

It shares no code with the client, so that it cannot share a mistake with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .auth import Credentials
from .behaviour import Behaviour
from .faults import ConnectionDropped, Fault, FaultKind, Faults
from .requests import Request, Requests
from .sandbox import Sandbox, open_sandbox
from .store import Store

if TYPE_CHECKING:
    from .serving import serve

__all__ = [
    "Behaviour",
    "ConnectionDropped",
    "Credentials",
    "Fault",
    "FaultKind",
    "Faults",
    "Request",
    "Requests",
    "Sandbox",
    "Store",
    "open_sandbox",
    "serve",
]


def __getattr__(name: str) -> Any:
    if name == "serve":  # uvicorn is only for a sandbox that is served
        from .serving import serve  # noqa: PLC0415

        return serve
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
