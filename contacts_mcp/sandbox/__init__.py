"""A local stand-in of the Heymarket API, for trying everything without an account and for tests.

It shares no code with the client, so it cannot share a mistake with it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .auth import Credentials
from .behaviour import Behaviour
from .call import Request, Requests
from .faults import ConnectionDropped, Fault, FaultKind, Faults
from .interventions import Intervention, Interventions
from .late import LateWrite, LateWrites
from .oddities import Oddities, Oddity
from .rows.replica import Lag
from .rows.store import Store
from .sandbox import Sandbox, open_sandbox
from .state import SandboxState

if TYPE_CHECKING:
    from .serving import serve

__all__ = [
    "Behaviour",
    "ConnectionDropped",
    "Credentials",
    "Fault",
    "FaultKind",
    "Faults",
    "Intervention",
    "Interventions",
    "Lag",
    "LateWrite",
    "LateWrites",
    "Oddities",
    "Oddity",
    "Request",
    "Requests",
    "Sandbox",
    "SandboxState",
    "Store",
    "open_sandbox",
    "serve",
]


def __getattr__(name: str) -> Any:
    if name == "serve":  # only a sandbox that is served needs uvicorn
        from .serving import serve

        return serve
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
