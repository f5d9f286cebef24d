"""The caller's credential (heymarket-api.md, section 2), and how often it may ask (section 5).

- `Authorization: Bearer <JWT>`: HS256, payload exactly `iss` and `iat`, keyed with the text `SECRET_ID||SECRET_KEY`.
- `Authorization: Bearer <API key>`.
- `Authorization: Basic`, the API key as the user and an empty password.

A JWT lives for five minutes. Its `iat` may be a minute ahead of the sandbox's clock.
"""

# ruff: noqa: ARG001 - the functions of a table share one signature

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from .behaviour import Behaviour
from .replies import RateLimited, Unauthorized

_OLDEST = 300
_AHEAD = 60
_WINDOW = 60


@dataclass(frozen=True)
class Credentials:
    """The credentials that the sandbox accepts."""

    api_key: str = field(default="sandbox-api-key", repr=False)
    secret_id: str = "11111111-2222-3333-4444-555555555555"  # noqa: S105 - an id, and of a sandbox
    secret_key: str = field(default="sandbox-secret-key", repr=False)


class Quota:
    """Counts the requests of each credential, a minute at a time. A minute begins at a whole minute of the clock."""

    def __init__(self) -> None:
        self._window = 0
        self._used: dict[str, int] = {}

    def spend(self, credential: str, *, behaviour: Behaviour, now: float) -> None:
        """Counts one request. Raises RateLimited when the window is used up."""
        window = int(now // _WINDOW)
        if window != self._window:
            self._window = window
            self._used.clear()
        self._used[credential] = self._used.get(credential, 0) + 1
        if 0 < behaviour.requests_per_minute < self._used[credential]:
            raise RateLimited("rate limit exceeded", retry_after=behaviour.retry_after)


def authenticate(header: str | None, credentials: Credentials, *, now: float) -> str:
    """The credential in use: `api_key` or `secret_id`. Raises Unauthorized."""
    scheme, _, token = (header or "").partition(" ")
    holder = _SCHEMES.get(scheme.lower(), _nobody)(token.strip(), credentials, now)
    if holder is None:
        raise Unauthorized("missing or invalid credentials")
    return holder


def _bearer(token: str, credentials: Credentials, now: float) -> str | None:
    if _is_same(token, credentials.api_key):
        return credentials.api_key
    return credentials.secret_id if _is_signed(token, credentials) and _is_current(token, credentials, now) else None


def _basic(token: str, credentials: Credentials, now: float) -> str | None:
    try:
        pair = base64.b64decode(token, validate=True).decode()
    except ValueError:
        return None
    return credentials.api_key if _is_same(pair, f"{credentials.api_key}:") else None


def _nobody(token: str, credentials: Credentials, now: float) -> str | None:
    return None


_SCHEMES: dict[str, Callable[[str, Credentials, float], str | None]] = {"bearer": _bearer, "basic": _basic}


def _is_same(given: str, expected: str) -> bool:
    return hmac.compare_digest(given.encode(), expected.encode())


def _is_signed(token: str, credentials: Credentials) -> bool:
    signed, _, signature = token.rpartition(".")
    key = f"{credentials.secret_id}||{credentials.secret_key}".encode()
    digest = hmac.new(key, signed.encode(), hashlib.sha256).digest()
    return _is_same(signature, base64.urlsafe_b64encode(digest).decode().rstrip("="))


def _is_current(token: str, credentials: Credentials, now: float) -> bool:
    try:
        header, payload = (_segment(part) for part in token.split(".")[:2])
    except ValueError:
        return False
    return (
        header == {"alg": "HS256", "typ": "JWT"}
        and isinstance(payload, dict)
        and payload.keys() == {"iss", "iat"}
        and payload["iss"] == credentials.secret_id
        and type(payload["iat"]) is int
        and -_AHEAD <= now - payload["iat"] <= _OLDEST
    )


def _segment(part: str) -> Any:
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
