"""The way in over HTTP, around the SDK's application: who comes in, and with how much.

A request passes these in order, and each may answer it:

- `Pages`, where pages of other origins may call: their browsers ask first.
- `Door`: no headers that contradict each other. It answers 503 where an issuer's keys cannot be had.
- The SDK's own check of the bearer token, with `identity.Verifier`.
- `ScopeGate`: 401 for nobody, 403 without an account or a scope, 413 and 408 for a body that is too large or too slow.
  It answers 429 to one person with too many requests at once. It reads the name of the tool from the body, because only
  one era of the protocol has it in a header. No other path than those it knows leads further, because Starlette may
  read a path in another way: `/mcp%0A` is `/mcp` there.

A tool that a caller may not use is also missing in the server behind (`Served.offers`). So nothing depends on reading
the body here as the SDK reads it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import anyio
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware.cors import CORSMiddleware
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contacts_mcp.accounts import ENTRY, SCOPES
from contacts_mcp.server.identity import Admitted, KeysUnavailable, Person

PATH = "/mcp"
LARGEST_BODY = 256 * 1024  # bytes
BODY_WITHIN = 10.0  # seconds
MOST_AT_ONCE = 256  # requests of one person: each holds connections of the proxy, and a stream does so without end
LEAST_BODY = 16 * 1024  # bytes of a body that nobody wants, which are thrown away before the answer
LEAST_WITHIN = 0.5  # seconds
_MANY = 100  # messages of one body whose names are looked at; the SDK takes one
_CLOSE = {"Connection": "close"}


class Pages(CORSMiddleware):
    """Answers browsers that ask whether the page of another origin may call, and lets the page read the answers.

    Such a question has no token and no body. So the connection ends with the answer: uvicorn would read a body
    for ever. `origins` may end in `:*`, for any port.
    """

    def __init__(self, app: ASGIApp, *, origins: Sequence[str]) -> None:
        super().__init__(
            app,
            allow_origin_regex="|".join(re.escape(origin).replace(r":\*", r":\d+") for origin in origins),
            allow_methods=["GET", "POST"],
            allow_headers=["*"],
            expose_headers=["WWW-Authenticate", "Retry-After", "Mcp-Session-Id"],
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_asked = scope["type"] == "http" and scope["method"] == "OPTIONS"
        await super().__call__(scope, receive, _closing(send, lambda: True) if is_asked else send)


class Door:
    """The outermost part, but for `Pages`. `is_draining` tells whether the server is about to end."""

    def __init__(self, app: ASGIApp, *, is_draining: Callable[[], bool]) -> None:
        self._app = app
        self._is_draining = is_draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _closing(send, self._is_draining)
        # The list of names is compared letter by letter, and a client may write a name as its person typed it.
        scope["headers"] = [(name, it.lower() if name == b"host" else it) for name, it in scope["headers"]]
        headers = Headers(scope=scope)
        if len(headers.getlist("authorization")) > 1 or {"content-length", "transfer-encoding"} <= {*headers}:
            # Two servers on the way could read such a request as two different ones.
            refusal = refused(HTTPStatus.BAD_REQUEST, "invalid_request", "These headers contradict each other.", _CLOSE)
            await refusal(scope, receive, send)
            return
        try:
            await self._app(scope, receive, send)
        except KeysUnavailable as error:  # it comes from the check of the token, before anything was answered
            later = {"Retry-After": str(round(error.retry_after))}
            text = "The keys of the issuer of this token cannot be fetched now."
            refusal = refused(HTTPStatus.SERVICE_UNAVAILABLE, "keys_unavailable", text, later)
            await refusal(scope, receive, await _without_body(receive, send))


@dataclass(frozen=True, slots=True)
class Challenge:
    """The header that tells a client how to come in. `metadata` is the address of our document, "" without one."""

    metadata: str

    def header(self, scopes: Collection[str], *, error: str = "", text: str = "") -> dict[str, str]:
        parts = {
            "error": error,
            "error_description": text,
            "scope": in_order(scopes),
            "resource_metadata": self.metadata,
        }
        told = ", ".join(f'{name}="{value}"' for name, value in parts.items() if value)
        return {"WWW-Authenticate": f"Bearer {told}"}


class ScopeGate:
    """The part behind the check of the token.

    `needs` are the scopes of each tool, and `open_paths` the addresses for everybody. Without a `challenge` nobody has
    to say who they are.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        needs: Mapping[str, Sequence[str]],
        challenge: Challenge | None,
        open_paths: Collection[str] = (),
        largest: int = LARGEST_BODY,
        within: float = BODY_WITHIN,
        most: int = MOST_AT_ONCE,
    ) -> None:
        self._app = app
        self._needs = needs
        self._challenge = challenge
        self._open_paths = open_paths
        self._largest = largest
        self._within = within
        self._most = most
        self._under_way: Counter[tuple[str, str]] = Counter()  # requests by issuer and subject

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if scope["path"] != PATH:
            is_open = scope["path"] in self._open_paths
            answer = self._app if is_open else PlainTextResponse("Not Found", HTTPStatus.NOT_FOUND)
            await answer(scope, receive, await _without_body(receive, send))
            return
        person = _person(scope)
        who = (person.issuer, person.subject) if person else ("", "")
        self._under_way[who] += 1
        try:
            is_too_many = person is not None and self._under_way[who] > self._most
            await self._let_in(scope, receive, send, is_too_many=is_too_many)
        finally:
            self._under_way[who] -= 1
            if not self._under_way[who]:
                del self._under_way[who]

    async def _let_in(self, scope: Scope, receive: Receive, send: Send, *, is_too_many: bool) -> None:
        refusal = self._refusal_of_caller(scope)
        if refusal is None and is_too_many:
            text = f"One person may have {self._most} requests under way."
            refusal = refused(HTTPStatus.TOO_MANY_REQUESTS, "too_many", text, {"Retry-After": "1"})
        if refusal is None and scope["method"] != "POST":  # a server without sessions has no other stream
            refusal = Response(status_code=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "POST"})
        if refusal is not None:
            await refusal(scope, receive, await _without_body(receive, send))
            return
        body = await self._body(scope, receive)
        refusal = body if isinstance(body, Response) else self._refusal_of_tools(scope, body)
        if refusal is not None:
            await refusal(scope, receive, send)
        elif isinstance(body, bytes):
            await self._app(scope, _again(body, receive), send)

    def _refusal_of_caller(self, scope: Scope) -> Response | None:
        if self._challenge is None:
            return None
        person = _person(scope)
        if person is None:
            return self._who_are_you(has_token="authorization" in Headers(scope=scope))
        if not person.account:
            text = "The holder of this token has no account here. The owner of this server can give one."
            return refused(HTTPStatus.FORBIDDEN, "no_account", text)
        return self._lacking([ENTRY], person)

    def _who_are_you(self, *, has_token: bool) -> Response:
        assert self._challenge
        # A client asks for all scopes at once. The issuer gives those that the person may have.
        if has_token:
            text = "The token is not good, or no longer."
            headers = self._challenge.header(SCOPES, error="invalid_token", text=text)
            return refused(HTTPStatus.UNAUTHORIZED, "invalid_token", text, headers)
        headers = self._challenge.header(SCOPES)
        return refused(HTTPStatus.UNAUTHORIZED, "unauthorized", "A bearer token is needed.", headers)

    def _refusal_of_tools(self, scope: Scope, body: bytes) -> Response | None:
        person = _person(scope)
        if self._challenge is None or person is None:
            return None
        return self._lacking([need for name in _tools_in(body) for need in self._needs.get(name, ())], person)

    def _lacking(self, needed: Collection[str], person: Person) -> Response | None:
        """The refusal of a person who lacks one of the scopes. It names those that a new token should have."""
        missing = {*needed} - person.scopes
        if not missing:
            return None
        assert self._challenge
        text = f"This needs more scopes: {in_order(missing)}"
        headers = self._challenge.header(missing | person.scopes, error="insufficient_scope", text=text)
        return refused(HTTPStatus.FORBIDDEN, "insufficient_scope", f"{text}.", headers)

    async def _body(self, scope: Scope, receive: Receive) -> bytes | Response:
        """The whole body, or the refusal of one that is too large, too slow, or of somebody who went away."""
        length = Headers(scope=scope).get("content-length", "0")
        if length.isascii() and length.isdigit() and int(length[:20]) > self._largest:
            return self._too_large()
        held = bytearray()
        with anyio.move_on_after(self._within):
            while True:
                message = await receive()
                if message["type"] != "http.request":
                    return Response(status_code=HTTPStatus.BAD_REQUEST)  # nobody reads it
                held += message.get("body", b"")
                if len(held) > self._largest:
                    return self._too_large()
                if not message.get("more_body", False):
                    return bytes(held)
        text = f"The request did not arrive within {self._within:.0f} seconds."
        return refused(HTTPStatus.REQUEST_TIMEOUT, "too_slow", text, _CLOSE)

    def _too_large(self) -> Response:
        text = f"A request may have {self._largest // 1024} KiB."
        return refused(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too_large", text, _CLOSE)


def refused(status: HTTPStatus, error: str, text: str, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in the form that OAuth has for errors."""
    return JSONResponse({"error": error, "error_description": text}, status_code=status, headers=dict(headers or {}))


def in_order(scopes: Collection[str]) -> str:
    """Scopes as one text, always in the same order."""
    return " ".join(scope for scope in SCOPES if scope in scopes)


def _person(scope: Scope) -> Person | None:
    user = scope.get("user")
    token = user.access_token if isinstance(user, AuthenticatedUser) else None
    return token.person if isinstance(token, Admitted) else None


def _tools_in(body: bytes) -> list[str]:
    """The tools that a body calls. One that cannot be read calls none, and the SDK refuses it."""
    try:
        held = json.loads(body)
    except (ValueError, RecursionError):
        return []
    messages = held[:_MANY] if isinstance(held, list) else [held]
    return [name for message in messages if (name := _tool_of(message))]


def _tool_of(message: Any) -> str:
    if not isinstance(message, dict) or message.get("method") != "tools/call":
        return ""
    params = message.get("params")
    name = params.get("name") if isinstance(params, dict) else None
    return name if isinstance(name, str) else ""


async def _without_body(receive: Receive, send: Send) -> Send:
    """Throw away the body of a request that is answered without it. `send` ends the connection of a long or slow one.

    Otherwise somebody without a token could send for ever, and uvicorn would read it. A connection that is closed at
    once may take the answer with it.
    """
    left = LEAST_BODY
    with anyio.move_on_after(LEAST_WITHIN):
        while left >= 0:
            message = await receive()
            if message["type"] != "http.request" or not message.get("more_body", False):
                return send
            left -= len(message.get("body", b""))
    return _closing(send, lambda: True)


def _closing(send: Send, is_so: Callable[[], bool]) -> Send:
    """The same, with an end of the connection after the answer where that is so."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start" and is_so():
            MutableHeaders(scope=message)["Connection"] = "close"
        await send(message)

    return sent


def _again(body: bytes, receive: Receive) -> Receive:
    """`receive` with the body that was read already in front."""
    ahead: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replayed() -> Message:
        return ahead.pop() if ahead else await receive()

    return replayed
