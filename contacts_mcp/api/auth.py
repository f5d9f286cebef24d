"""The three ways to prove who we are (`heymarket-api.md` section 2). Each gives an `Authorization` header."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from typing import Protocol

from contacts_mcp.config import Settings
from contacts_mcp.errors import CredentialsMissing

TOKEN_LIFETIME = 300.0  # seconds from `iat`; DOC
RENEW_AFTER = TOKEN_LIFETIME - 60


class Auth(Protocol):
    """Something that can authorize the next request."""

    def header(self) -> str: ...


class BearerKey:
    """The team API key as a bearer token."""

    def __init__(self, key: str) -> None:
        self._header = f"Bearer {key}"

    def header(self) -> str:
        return self._header


class BasicKey:
    """The team API key as the user name of HTTP Basic, with an empty password."""

    def __init__(self, key: str) -> None:
        self._header = f"Basic {base64.b64encode(f'{key}:'.encode()).decode('ascii')}"

    def header(self) -> str:
        return self._header


class SignedToken:
    """A JWT signed with the API secret, renewed a minute before the service would refuse it.

    The HMAC key is the literal text `SECRET_ID||SECRET_KEY`. The payload holds `iss` and `iat` and nothing else.
    """

    def __init__(self, secret_id: str, secret_key: str, *, clock: Callable[[], float] = time.time) -> None:
        self._secret_id = secret_id
        self._signing_key = f"{secret_id}||{secret_key}"
        self._clock = clock
        self._issued = float("-inf")
        self._header = ""

    def header(self) -> str:
        now = self._clock()
        if not 0 <= now - self._issued < RENEW_AFTER:  # a clock that was set back makes the token unusable as well
            self._header = f"Bearer {self.token(int(now))}"
            self._issued = now
        return self._header

    def token(self, issued_at: int) -> str:
        import jwt

        return jwt.encode(
            {"iss": self._secret_id, "iat": issued_at}, self._signing_key, algorithm="HS256", sort_headers=True
        )


def auth_for(settings: Settings) -> Auth:
    """The strongest proof the settings allow: a signed token before an API key. Raises CredentialsMissing."""
    if settings.secret_id and settings.secret_key:
        return SignedToken(settings.secret_id.get_secret_value(), settings.secret_key.get_secret_value())
    if settings.api_key:
        key = settings.api_key.get_secret_value()
        return BasicKey(key) if settings.api_key_scheme == "basic" else BearerKey(key)
    if settings.secret_id or settings.secret_key:
        missing = "HEYMARKET_SECRET_KEY" if settings.secret_id else "HEYMARKET_SECRET_ID"
        raise CredentialsMissing(
            f"{missing} is not set: an API secret needs both its id and its key. Set it and restart the server."
        )
    raise CredentialsMissing(
        "No Heymarket credentials are set. Set HEYMARKET_SECRET_ID and HEYMARKET_SECRET_KEY (or HEYMARKET_API_KEY) "
        "where this server is configured and restart it, or set CONTACTS_MCP_SANDBOX=1 to try it without an account."
    )
