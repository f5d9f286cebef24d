"""The API as an ASGI app: the routes from the table of operations, and the way of a request.

1. The request meets its fault, and it is recorded. Somebody else acts before it.
2. Late writes that are due are carried out.
3. The request is carried out: credentials, quota, body, handler. A handler that writes runs in one transaction.
4. Somebody else acts after it. The fault may change or hold back the reply.

A write that is late leaves out step 3, and takes it up later.

The app is a bare Starlette router. Starlette's own error middleware would turn a dropped connection into a 500.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
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
from .faults import ConnectionDropped, ConnectionRefused, Effect, Fault, effect_of, send_whole
from .interventions import When
from .late import LateWrite
from .openapi import document
from .operations import OPERATIONS, Operation
from .replies import BadData, NoSuchPath, Refusal, Reply, refusal_reply
from .rows.records import ForgetfulRecords
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


@dataclass(frozen=True, slots=True)
class _Arrival:
    """A request that arrived, and the fault that strikes it."""

    scope: Scope
    raw: bytes
    at: float  # unix seconds
    fault: Fault | None

    @property
    def effect(self) -> Effect:
        return effect_of(self.fault)


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
        if not effect_of(fault).arrives:
            raise ConnectionRefused("refused by a fault")
        arrival = _Arrival(scope, await _body(receive), self._state.now(), fault)
        request = _record(scope, arrival.raw, operation=self._operation.name)
        self._state.requests.append(request)
        if not arrival.effect.identified:
            scope["sandbox.request_id"] = None
        self._others_act("before")
        self._send_on_its_way(arrival, request)
        reply = await self._answer_or_fail(arrival, behaviour, receive)
        request.status = reply.status
        await arrival.effect.deliver(reply, fault, send)

    def _others_act(self, when: When) -> None:
        self._state.interventions.happen(when, self._operation.name, self._state.store)

    def _send_on_its_way(self, arrival: _Arrival, request: Request) -> None:
        if arrival.fault is None or arrival.fault.late is None or not self._operation.writes:
            return

        def carry_out(now: float) -> Reply:
            return self._carry_out(arrival, self._state.behaviour, now=now)

        self._state.late.add(LateWrite(arrival.at + arrival.fault.late, request, carry_out))

    async def _answer_or_fail(self, arrival: _Arrival, behaviour: Behaviour, receive: Receive) -> Reply:
        fault, effect = arrival.fault, arrival.effect
        if fault and effect.waits == "before":
            await anyio.sleep(fault.delay)
        self._state.land()
        reply = self._carry_out(arrival, behaviour, now=self._state.now()) if effect.carried_out else None
        self._others_act("after")
        if fault and effect.waits == "after":
            await anyio.sleep(fault.delay)
        if effect.waits == "for ever":
            await _departure(receive)
        if not effect.answered:
            raise ConnectionDropped("dropped by a fault")
        if fault and effect.instead:
            return effect.instead(fault, behaviour, reply)
        assert reply is not None, "a fault that answers has a reply of its own, or lets the request be carried out"
        return reply

    def _carry_out(self, arrival: _Arrival, behaviour: Behaviour, *, now: float) -> Reply:
        state, fault = self._state, arrival.fault
        try:
            # The age of a JWT counts when its request arrives, not when a late write is carried out.
            credential = authenticate(_header(arrival.scope, b"authorization"), state.credentials, now=arrival.at)
            state.quota.spend(credential, behaviour=behaviour, now=now)
            call = self._call(arrival, behaviour, now=now)
            with state.records.transaction() if self._operation.writes else nullcontext():
                reply = self._handler(call)
        except Refusal as refusal:
            return refusal_reply(refusal, behaviour)
        if arrival.effect.kept:
            lags = [*behaviour.every_lag, *([fault.lag] if fault and fault.lag else [])]
            for contact_id, before in call.written:
                state.replica.hold_back(contact_id, before, lags=lags, now=now)
        return reply

    def _call(self, arrival: _Arrival, behaviour: Behaviour, *, now: float) -> Call:
        records = self._state.records
        return Call(
            records=records if arrival.effect.kept else ForgetfulRecords(records),
            replica=self._state.replica.view(self._operation.name, now=now),
            oddities=self._state.oddities,
            behaviour=behaviour,
            now=microseconds(now),
            path=arrival.scope["path_params"],
            query=_query(arrival.scope),
            body=self._checked(arrival.raw),
            items=arrival.fault.items if arrival.fault else None,
        )

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
    """`app` with an `X-Request-Id` on every response, unless somebody takes `sandbox.request_id` out of the scope.

    The responses that the router makes itself get one too.
    """

    async def identified(scope: Scope, receive: Receive, send: Send) -> None:
        scope["sandbox.request_id"] = str(uuid.uuid4())

        async def send_identified(message: Message) -> None:
            request_id = scope["sandbox.request_id"]
            if message["type"] == "http.response.start" and request_id is not None:
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


async def _departure(receive: Receive) -> None:
    """Waits until the client is gone."""
    while (await receive())["type"] != "http.disconnect":
        pass


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
