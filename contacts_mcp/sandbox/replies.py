"""The replies to requests before they are sent, and the refusals that become replies (heymarket-api.md, section 5)."""

# ruff: noqa: ARG005 - the functions of a table share one signature

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .behaviour import Behaviour

_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
_HTML = "text/html; charset=utf-8"


class Refusal(Exception):
    """The request is answered with an error. `str(refusal)` is the message."""

    status = 500
    name = "server_error"

    @property
    def headers(self) -> dict[str, str]:
        """The headers that belong to this refusal."""
        return {}


class BadData(Refusal):
    """The body, the query or the path is malformed. The message names the member."""

    status = 400
    name = "bad_data"


class Unauthorized(Refusal):
    """Credentials are missing or invalid."""

    status = 401
    name = "unauthorized"


class ContactMissing(Refusal):
    """There is no such contact. A switch decides about the reply."""

    status = 404
    name = "not_found"


class NoSuchPath(Refusal):
    """The path is unknown, not the contact."""

    status = 404
    name = "not_found"


class RateLimited(Refusal):
    """The credential has used up its minute."""

    status = 429
    name = "rate_limit_exceeded"

    def __init__(self, message: str, *, retry_after: int | None) -> None:
        super().__init__(message)
        self.retry_after = retry_after

    @property
    def headers(self) -> dict[str, str]:
        """`Retry-After`, if the behaviour says to send one."""
        return {} if self.retry_after is None else {"retry-after": str(self.retry_after)}


@dataclass(frozen=True, slots=True)
class Reply:
    """The status, body and headers of one response."""

    status: int
    body: bytes
    media_type: str = _JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers in ASGI's form, with the length of the whole body."""
        named = {"content-type": self.media_type, "content-length": str(len(self.body)), **self.headers}
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]


def json_reply(value: Any, *, status: int = 200) -> Reply:
    """`value` as JSON. Letters beyond ASCII are not escaped. Half an emoji, as an oddity may have, is a broken byte."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return Reply(status, text.encode("utf-8", "surrogatepass"))


def html_reply(title: str, *, status: int = 200) -> Reply:
    """A page such as a gateway sends in place of the API."""
    return Reply(status, _html_page(title).encode(), _HTML)


def refusal_reply(refusal: Refusal, behaviour: Behaviour) -> Reply:
    """The reply to a refused request. By behaviour, a missing contact is a 404, a 400 or a 200 with `null`."""
    if isinstance(refusal, ContactMissing) and behaviour.not_found != "404":
        return json_reply(None) if behaviour.not_found == "null" else error_reply(BadData(str(refusal)), behaviour)
    return error_reply(refusal, behaviour)


def error_reply(refusal: Refusal, behaviour: Behaviour) -> Reply:
    """An error with its status, name and message in the behaviour's shape."""
    media_type, write = _ERROR_BODIES[behaviour.error_body]
    return Reply(refusal.status, write(refusal.name, str(refusal)).encode(), media_type, refusal.headers)


def _html_page(title: str) -> str:
    return f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"


_ERROR_BODIES: dict[str, tuple[str, Callable[[str, str], str]]] = {
    "error": (_JSON, lambda name, message: json.dumps({"error": name, "message": message})),
    "error_code": (_JSON, lambda name, message: json.dumps({"error_code": name, "message": message})),
    "text": (_TEXT, lambda name, message: f"{name}: {message}"),
    "html": (_HTML, lambda name, message: _html_page(f"{name}: {message}")),
    "empty": (_TEXT, lambda name, message: ""),
}
