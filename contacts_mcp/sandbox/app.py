"""The API as an ASGI app: the routes from the table of operations, and the way of a request.

request -> fault (before) -> credentials -> quota -> body -> handler -> fault (after) -> delivery.
A handler that writes runs in one transaction.

The app is a bare Starlette router. Starlette's own error middleware would turn a dropped connection into a 500.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any
from urllib.parse import parse_qsl

import anyio
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import account, contacts
from .auth import authenticate
from .behaviour import Behaviour
from .bodies import checked, json_body
from .call import Call, Handler, Request
from .faults import EFFECTS, NO_EFFECT, ConnectionDropped, ConnectionRefused, Effect, Fault, send_whole
from .openapi import document
from .operations import OPERATIONS, Operation
from .replies import BadData, NoSuchPath, Refusal, Reply, refusal_reply
from .rows.timestamps import microseconds
from .state import SandboxState

HANDLERS: dict[str, Handler] = {
    "create_contact": contacts.create_contact,
    "get_contact": contacts.get_contact,
    "update_contact": contacts.update_contact,
    "delete_contact": contacts.delete_contact,
    "list_contacts": contacts.list_contacts,
    "count_contacts": contacts.count_contacts,
    "find_contact": contacts.find_contact,
    "contact_status": contacts.contact_status,
    "set_contact_status": contacts.set_contact_status,
    "batch_contacts": contacts.batch_contacts,
    "search_contacts": contacts.search_contacts,
    "list_fields": account.list_fields,
    "create_fields": account.create_fields,
    "list_tags": account.list_tags,
    "create_tag": account.create_tag,
    "get_team": account.get_team,
    "list_inboxes": account.list_inboxes,
}


def build_app(state: SandboxState, *, extra_routes: Sequence[BaseRoute] = ()) -> ASGIApp:
    """The app over `state`. It needs no lifespan."""
    routes = [
        *(Route(operation.path, Endpoint(state, operation), methods=[operation.method]) for operation in OPERATIONS),
        Route("/openapi.json", _openapi),
        *extra_routes,
    ]
    return _with_request_id(Router(routes, redirect_slashes=False, default=Elsewhere(state)))


class Endpoint:
    """One operation as an ASGI app."""

    def __init__(self, state: SandboxState, operation: Operation) -> None:
        self._state = state
        self._operation = operation
        self._handler = HANDLERS[operation.name]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or fails as its fault says."""
        behaviour = self._state.behaviour
        fault = self._state.faults.take(self._operation.name)
        effect = EFFECTS[fault.kind] if fault else NO_EFFECT
        if not effect.arrives:
            raise ConnectionRefused("refused by a fault")
        raw = await _body(receive)
        request = _record(scope, raw, operation=self._operation.name)
        self._state.requests.append(request)
        reply = await self._answer_or_fail(scope, raw, behaviour, fault, effect)
        request.status = reply.status
        await effect.deliver(reply, fault, send)

    async def _answer_or_fail(
        self, scope: Scope, raw: bytes, behaviour: Behaviour, fault: Fault | None, effect: Effect
    ) -> Reply:
        if fault and effect.waits == "before":
            await anyio.sleep(fault.delay)
        reply = self._answer(scope, raw, behaviour) if effect.carried_out else None
        if fault and effect.waits == "after":
            await anyio.sleep(fault.delay)
        if not effect.answered:
            raise ConnectionDropped("dropped by a fault")
        if fault and effect.instead:
            return effect.instead(fault, behaviour, reply)
        assert reply is not None, "a fault that answers has a reply of its own, or lets the request be carried out"
        return reply

    def _answer(self, scope: Scope, raw: bytes, behaviour: Behaviour) -> Reply:
        try:
            now = self._state.clock()
            self._admit(scope, behaviour, now=now)
            call = Call(
                records=self._state.records,
                replica=self._state.replica,
                behaviour=behaviour,
                now=microseconds(now),
                path=scope["path_params"],
                query=_query(scope),
                body=self._checked(raw),
            )
            with self._state.records.transaction() if self._operation.writes else nullcontext():
                return self._handler(call)
        except Refusal as refusal:
            return refusal_reply(refusal, behaviour)

    def _admit(self, scope: Scope, behaviour: Behaviour, *, now: float) -> None:
        credential = authenticate(_header(scope, b"authorization"), self._state.credentials, now=now)
        self._state.quota.spend(credential, behaviour=behaviour, now=now)

    def _checked(self, raw: bytes) -> Any:
        operation = self._operation
        body = json_body(raw)
        if operation.body is None:
            return body
        if not operation.body_required and not raw.strip():
            body = {}
        return checked(operation.body, body)


class Elsewhere:
    """Any path that is no operation."""

    def __init__(self, state: SandboxState) -> None:
        self._state = state

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 404 in the behaviour's error shape."""
        request = _record(scope, await _body(receive), operation="")
        request.status = NoSuchPath.status
        self._state.requests.append(request)
        await send_whole(refusal_reply(NoSuchPath("no such path"), self._state.behaviour), None, send)


def _with_request_id(app: ASGIApp) -> ASGIApp:
    """`app` with an `X-Request-Id` on every response, also on those that the router makes itself."""

    async def identified(scope: Scope, receive: Receive, send: Send) -> None:
        request_id = str(uuid.uuid4())
        scope["sandbox.request_id"] = request_id

        async def send_identified(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), (b"x-request-id", request_id.encode())]
            await send(message)

        await app(scope, receive, send_identified)

    return identified


async def _openapi(_request: HTTPRequest) -> JSONResponse:
    return JSONResponse(document())


async def _body(receive: Receive) -> bytes:
    parts = []
    while True:
        message = await receive()
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


def _record(scope: Scope, raw: bytes, *, operation: str) -> Request:
    try:
        body = json_body(raw)
    except BadData:
        body = raw.decode(errors="replace")
    return Request(
        operation=operation,
        method=scope["method"],
        path=scope["path"],
        query=_query(scope),
        body=body,
        request_id=scope["sandbox.request_id"],
    )


def _query(scope: Scope) -> dict[str, str]:
    return dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))


def _header(scope: Scope, name: bytes) -> str | None:
    return next((value.decode("latin-1") for key, value in scope["headers"] if key == name), None)
