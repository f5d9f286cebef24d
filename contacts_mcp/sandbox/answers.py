"""What goes back over the wire, before it is sent."""

# ruff: noqa: ARG005 - the functions of a table share one signature

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .behaviour import Behaviour
from .refusals import BadData, ContactMissing, Refusal

_JSON = "application/json"
_TEXT = "text/plain; charset=utf-8"
_HTML = "text/html; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and headers of one response."""

    status: int
    body: bytes
    media_type: str = _JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers as ASGI wants them, with the length of the whole body."""
        named = {"content-type": self.media_type, "content-length": str(len(self.body)), **self.headers}
        return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in named.items()]


def json_answer(value: Any, *, status: int = 200) -> Answer:
    """`value` as JSON, accents unescaped."""
    return Answer(status, json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def refusal_answer(refusal: Refusal, behaviour: Behaviour) -> Answer:
    """An error in the shape that the behaviour asks for; a contact that is not there may even be a 200."""
    if isinstance(refusal, ContactMissing) and behaviour.not_found != "404":
        return json_answer(None) if behaviour.not_found == "null" else error_answer(BadData(str(refusal)), behaviour)
    return error_answer(refusal, behaviour)


def error_answer(refusal: Refusal, behaviour: Behaviour) -> Answer:
    """An error with its status, name and message."""
    media_type, write = _ERROR_BODIES[behaviour.error_body]
    return Answer(refusal.status, write(refusal.name, str(refusal)).encode(), media_type, refusal.headers)


def html_page(title: str) -> str:
    """The kind of page that a proxy in front of an API puts in its place."""
    return f"<!DOCTYPE html>\n<html><head><title>{title}</title></head><body><h1>{title}</h1></body></html>\n"


_ERROR_BODIES: dict[str, tuple[str, Callable[[str, str], str]]] = {
    "error": (_JSON, lambda name, message: json.dumps({"error": name, "message": message})),
    "error_code": (_JSON, lambda name, message: json.dumps({"error_code": name, "message": message})),
    "text": (_TEXT, lambda name, message: f"{name}: {message}"),
    "html": (_HTML, lambda name, message: html_page(f"{name}: {message}")),
    "empty": (_TEXT, lambda name, message: ""),
}
