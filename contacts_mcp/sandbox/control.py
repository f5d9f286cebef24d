"""`/_sandbox/...`: the switches over HTTP, for tests against a served sandbox. It asks for no credentials."""

# ruff: noqa: ARG001 - Starlette gives every endpoint its request

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .faults import Fault
from .state import SandboxState


def control_routes(state: SandboxState, *, reset: Callable[[], None]) -> list[Route]:
    """The routes that read and set `state`. Wrong input is answered 400 with the reason."""

    async def set_behaviour(request: Request) -> Response:
        try:
            state.behaviour = replace(state.behaviour, **await request.json())
        except (TypeError, ValueError) as error:
            return _bad(error)
        return JSONResponse(asdict(state.behaviour))

    async def add_faults(request: Request) -> Response:
        try:
            state.faults.add(*[Fault(**item) for item in await request.json()])
        except (TypeError, ValueError) as error:
            return _bad(error)
        return JSONResponse([asdict(fault) for fault in state.faults])

    async def start_over(request: Request) -> Response:
        reset()
        return JSONResponse("ok")

    async def show_requests(request: Request) -> Response:
        return JSONResponse([asdict(asked) for asked in state.requests])

    async def show_contacts(request: Request) -> Response:
        return JSONResponse(state.records.contacts())

    return [
        Route("/_sandbox/behaviour", set_behaviour, methods=["POST"]),
        Route("/_sandbox/faults", add_faults, methods=["POST"]),
        Route("/_sandbox/reset", start_over, methods=["POST"]),
        Route("/_sandbox/requests", show_requests),
        Route("/_sandbox/contacts", show_contacts),
    ]


def _bad(error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=400)
