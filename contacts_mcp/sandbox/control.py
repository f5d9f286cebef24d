"""`/_sandbox/...`: the switches over HTTP, for tests against a served sandbox. It asks for no credentials.

| call | does |
|---|---|
| `POST behaviour` | sets the given switches, and answers all |
| `POST faults`, `POST interventions`, `POST oddities` | adds an array of them, and answers all that are pending |
| `GET late` | shows the writes that are still on their way |
| `POST land` | carries out the late writes that are due, and answers their requests |
| `POST land?everything=true` | carries out all of them now |
| `POST catch-up` | shows every write to every read at once |
| `POST reset` | fills the book anew and forgets everything else |
| `GET requests`, `GET contacts` | shows them |

A member of the JSON is a field of the dataclass with that name. Wrong input is answered 400 with the reason.
"""

# ruff: noqa: ARG002 - Starlette gives every endpoint its request

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from pydantic import TypeAdapter, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .behaviour import Behaviour
from .faults import Fault
from .interventions import Intervention
from .oddities import Oddity
from .state import SandboxState

Handle = Callable[[Request], Awaitable[Any]]


class Control:
    """The calls, each as a method."""

    def __init__(self, state: SandboxState, *, reset: Callable[[], None]) -> None:
        self._state = state
        self._reset = reset

    def routes(self) -> list[Route]:
        """All calls as routes."""
        return [
            _route("POST", "behaviour", self.set_behaviour),
            _route("POST", "faults", self.add_faults),
            _route("POST", "interventions", self.add_interventions),
            _route("POST", "oddities", self.add_oddities),
            _route("GET", "late", self.show_late),
            _route("POST", "land", self.land),
            _route("POST", "catch-up", self.catch_up),
            _route("POST", "reset", self.start_over),
            _route("GET", "requests", self.show_requests),
            _route("GET", "contacts", self.show_contacts),
        ]

    async def set_behaviour(self, request: Request) -> Any:
        """Sets the given switches, and shows all."""
        changed = {**asdict(self._state.behaviour), **await request.json()}
        self._state.behaviour = _parsed(Behaviour, changed)
        return asdict(self._state.behaviour)

    async def add_faults(self, request: Request) -> Any:
        """Adds faults, and shows those that are pending."""
        self._state.faults.add(*_parsed(list[Fault], await request.json()))
        return [asdict(fault) for fault in self._state.faults]

    async def add_interventions(self, request: Request) -> Any:
        """Adds interventions, and shows those that are pending."""
        self._state.interventions.add(*_parsed(list[Intervention], await request.json()))
        return [asdict(intervention) for intervention in self._state.interventions]

    async def add_oddities(self, request: Request) -> Any:
        """Adds oddities, and shows all."""
        self._state.oddities.extend(_parsed(list[Oddity], await request.json()))
        return [asdict(oddity) for oddity in self._state.oddities]

    async def show_late(self, request: Request) -> Any:
        """The writes that are still on their way."""
        return [{"due": write.due, **asdict(write.request)} for write in self._state.late.pending]

    async def land(self, request: Request) -> Any:
        """Carries out late writes, and shows their requests."""
        everything = _parsed(bool, json.loads(request.query_params.get("everything", "false")))
        return [asdict(landed) for landed in self._state.land(everything=everything)]

    async def catch_up(self, request: Request) -> Any:
        """Shows every write to every read at once."""
        self._state.replica.catch_up()
        return "ok"

    async def start_over(self, request: Request) -> Any:
        """Fills the book anew and forgets everything else."""
        self._reset()
        return "ok"

    async def show_requests(self, request: Request) -> Any:
        """The requests so far."""
        return [asdict(asked) for asked in self._state.requests]

    async def show_contacts(self, request: Request) -> Any:
        """The rows of all contacts."""
        self._state.land()
        return self._state.records.contacts()


def _route(method: str, name: str, handle: Handle) -> Route:
    async def answer(request: Request) -> Response:
        try:
            return JSONResponse(await handle(request))
        except ValidationError as error:
            return _bad("; ".join(f"{'.'.join(map(str, found['loc']))}: {found['msg']}" for found in error.errors()))
        except (TypeError, ValueError) as error:
            return _bad(str(error))

    return Route(f"/_sandbox/{name}", answer, methods=[method])


def _bad(reason: str) -> Response:
    return JSONResponse({"error": reason}, status_code=400)


def _parsed(kind: Any, value: Any) -> Any:
    """`value` as `kind`. It goes through JSON, where a tuple may be an array. Raises ValueError."""
    return TypeAdapter(kind).validate_json(json.dumps(value))
