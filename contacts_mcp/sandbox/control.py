"""`/_sandbox/...`: the switches over HTTP, for tests against a served sandbox. There are no credentials on it."""

# ruff: noqa: ARG001 - Starlette hands every endpoint its request

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from .faults import Fault

if TYPE_CHECKING:
    from .app import Desk


def control_routes(desk: Desk, *, reset: Callable[[], None]) -> list[Route]:
    """The routes that read and set `desk`; wrong input is answered 400 with the reason."""

    async def set_behaviour(request: Request) -> Response:
        try:
            desk.behaviour = replace(desk.behaviour, **await request.json())
        except (TypeError, ValueError) as error:
            return _bad(error)
        return JSONResponse(asdict(desk.behaviour))

    async def add_faults(request: Request) -> Response:
        try:
            desk.faults.add(*[Fault(**item) for item in await request.json()])
        except (TypeError, ValueError) as error:
            return _bad(error)
        return JSONResponse([asdict(fault) for fault in desk.faults])

    async def start_over(request: Request) -> Response:
        reset()
        return JSONResponse("ok")

    async def show_requests(request: Request) -> Response:
        return JSONResponse([asdict(asked) for asked in desk.requests])

    async def show_contacts(request: Request) -> Response:
        return JSONResponse(desk.records.contacts())

    return [
        Route("/_sandbox/behaviour", set_behaviour, methods=["POST"]),
        Route("/_sandbox/faults", add_faults, methods=["POST"]),
        Route("/_sandbox/reset", start_over, methods=["POST"]),
        Route("/_sandbox/requests", show_requests),
        Route("/_sandbox/contacts", show_contacts),
    ]


def _bad(error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, status_code=400)
