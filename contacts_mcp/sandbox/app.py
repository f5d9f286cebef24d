"""The API as an ASGI app: routes from the table of operations, and what happens to a request on its way.

request -> fault (before) -> credentials -> quota -> handler, in one transaction if it writes -> fault (after) -> delivery.

It is a bare Starlette router: Starlette's own error middleware would turn a dropped connection into a 500.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

import anyio
from starlette.requests import Request as HTTPRequest
from starlette.responses import JSONResponse
from starlette.routing import BaseRoute, Route, Router
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from . import contacts, office
from .answers import Answer, refusal_answer
from .auth import Credentials, authenticate
from .behaviour import Behaviour
from .call import Call, Handler
from .checks import json_body
from .effects import EFFECTS, NO_EFFECT, Effect, send_whole
from .faults import ConnectionDropped, ConnectionRefused, Fault, Faults
from .openapi import document
from .operations import OPERATIONS, Operation
from .quota import Quota
from .records import Records
from .refusals import BadData, Refusal
from .replica import Replica
from .requests import Request, Requests
from .timestamps import microseconds

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
    "list_fields": office.list_fields,
    "create_fields": office.create_fields,
    "list_tags": office.list_tags,
    "create_tag": office.create_tag,
    "get_team": office.get_team,
    "list_inboxes": office.list_inboxes,
}


@dataclass(kw_only=True)
class Desk:
    """Everything a request meets: the state of one sandbox."""

    records: Records
    replica: Replica
    behaviour: Behaviour
    faults: Faults
    credentials: Credentials
    clock: Callable[[], float]
    quota: Quota = field(default_factory=Quota)
    requests: Requests = field(default_factory=Requests)

    def start_over(self, *, behaviour: Behaviour) -> None:
        """Forgets everything but the rows."""
        self.behaviour = behaviour
        self.quota = Quota()
        self.replica.catch_up()
        self.faults.clear()
        self.requests.clear()


def build_app(desk: Desk, *, extra_routes: Sequence[BaseRoute] = ()) -> ASGIApp:
    """The app over `desk`. It needs no lifespan."""
    routes = [
        *(Route(operation.path, Endpoint(desk, operation), methods=[operation.method]) for operation in OPERATIONS),
        Route("/openapi.json", _openapi),
        *extra_routes,
    ]
    return _with_request_id(Router(routes, redirect_slashes=False, default=Elsewhere(desk)))


class Endpoint:
    """One operation as an ASGI app."""

    def __init__(self, desk: Desk, operation: Operation) -> None:
        self._desk = desk
        self._operation = operation
        self._handler = HANDLERS[operation.name]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request, or fails as the fault says that strikes it."""
        behaviour = self._desk.behaviour
        fault = self._desk.faults.take(self._operation.name)
        effect = EFFECTS[fault.kind] if fault else NO_EFFECT
        if not effect.arrives:
            raise ConnectionRefused("refused by a fault")
        raw = await _body(receive)
        request = _record(scope, raw, operation=self._operation.name)
        self._desk.requests.append(request)
        answer = await self._answer_or_fail(scope, raw, behaviour, fault, effect)
        request.status = answer.status
        await effect.deliver(answer, fault, send)

    async def _answer_or_fail(self, scope: Scope, raw: bytes, behaviour: Behaviour, fault: Fault | None, effect: Effect) -> Answer:
        if fault and effect.waits == "before":
            await anyio.sleep(fault.delay)
        answer = self._answer(scope, raw, behaviour) if effect.carried_out else None
        if fault and effect.waits == "after":
            await anyio.sleep(fault.delay)
        if not effect.answered:
            raise ConnectionDropped("dropped by a fault")
        if fault and effect.instead:
            return effect.instead(fault, behaviour, answer)
        assert answer is not None, "a fault that answers carries the request out or says what to answer instead"
        return answer

    def _answer(self, scope: Scope, raw: bytes, behaviour: Behaviour) -> Answer:
        try:
            now = self._desk.clock()
            self._admit(scope, behaviour, now=now)
            call = self._call(scope, json_body(raw), behaviour, now=now)
            with self._desk.records.transaction() if self._operation.writes else nullcontext():
                return self._handler(call)
        except Refusal as refusal:
            return refusal_answer(refusal, behaviour)

    def _admit(self, scope: Scope, behaviour: Behaviour, *, now: float) -> None:
        credential = authenticate(_header(scope, b"authorization"), self._desk.credentials, now=now)
        self._desk.quota.spend(credential, behaviour=behaviour, now=now)

    def _call(self, scope: Scope, body: object, behaviour: Behaviour, *, now: float) -> Call:
        return Call(
            records=self._desk.records,
            replica=self._desk.replica,
            behaviour=behaviour,
            now=microseconds(now),
            path=scope["path_params"],
            query=_query(scope),
            body=body,
        )


class Elsewhere:
    """Any path that is no operation."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers 404 in the behaviour's error shape."""
        request = _record(scope, await _body(receive), operation="")
        request.status = NoSuchPath.status
        self._desk.requests.append(request)
        await send_whole(refusal_answer(NoSuchPath("no such path"), self._desk.behaviour), None, send)


class NoSuchPath(Refusal):
    """The path, not the contact, is unknown."""

    status = 404
    name = "not_found"


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
