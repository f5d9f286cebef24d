"""The lines of stdin as messages, so that every line gets an answer or a protocol error.

- A byte order mark before a line is dropped.
- Half an emoji (`"\\ud83d"`) becomes U+FFFD. The SDK cannot read such a line, and its sender would wait for ever.
- A batch is taken apart where the version asked for has batches: only 2025-03-26. Each request gets its own answer.
- Any other line that is no message gets the error of JSON-RPC, with the id of the request where there is one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from mcp_types import (
    INVALID_REQUEST,
    PARSE_ERROR,
    ErrorData,
    JSONRPCError,
    JSONRPCMessage,
    JSONRPCNotification,
    jsonrpc_message_adapter,
)

BATCHING = "2025-03-26"
MARK = "\ufeff"


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A line that is no message, and the error to answer with."""

    answer: JSONRPCError


class Lines:
    """The lines of one client. It remembers the version that the client asked for."""

    def __init__(self) -> None:
        self._version = ""

    def read(self, line: str) -> Iterator[JSONRPCMessage | Unreadable]:
        """The messages in `line`. A blank line is nothing."""
        text = line.strip().lstrip(MARK)
        if not text.strip():
            return
        if '"initialize"' not in text and (message := _message(text)):
            yield message
            return
        try:
            given = json.loads(text)
        except (ValueError, RecursionError):
            yield _error(PARSE_ERROR, "This line is not JSON.")
            return
        if not isinstance(given, list):
            yield self._read(given)
        elif self._version != BATCHING:
            yield _error(
                INVALID_REQUEST, f"Only version {BATCHING} of the protocol has batches. Send one message a line."
            )
        elif not given:
            yield _error(INVALID_REQUEST, "This batch is empty.")
        else:
            yield from map(self._read, given)

    def _read(self, given: Any) -> JSONRPCMessage | Unreadable:
        text = json.dumps(given, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        message = _message(text)
        if message is None:
            return _error(INVALID_REQUEST, "This is not a message of JSON-RPC 2.0.", given)
        if given.get("method") == "initialize" and isinstance(given.get("params"), dict):
            self._version = str(given["params"].get("protocolVersion", ""))
        return message


def _message(text: str) -> JSONRPCMessage | None:
    try:
        message = jsonrpc_message_adapter.validate_json(text, by_name=False)
    except ValueError:
        return None
    # The SDK takes a request with `"id": 1.5` or null for a notification, and its sender would wait for ever.
    is_request = isinstance(message, JSONRPCNotification) and "id" in json.loads(text)
    return None if is_request else message


def _error(code: int, message: str, given: object = None) -> Unreadable:
    number = given.get("id") if isinstance(given, dict) else None
    is_id = isinstance(number, int | str) and not isinstance(number, bool)
    # Half an emoji in an id could not be written either.
    number = number.encode(errors="replace").decode() if isinstance(number, str) else number
    error = ErrorData(code=code, message=message)
    return Unreadable(JSONRPCError(jsonrpc="2.0", id=number if is_id else None, error=error))
