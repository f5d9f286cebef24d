"""The issuer of `scripts/team`, which can misbehave, and signs any claims with any key."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler
from typing import Any, Self

import jwt
from topology import issuer

AUDIENCE = "https://contacts.example.com/mcp"
ALL_SCOPES = "contacts:read contacts:write contacts:delete contacts:bulk"


class Issuer(issuer.Issuer):
    """Signs tokens. `fetches` counts the requests for its keys, and `status` is that of their answers.

    `misbehaves` writes in place of an answer, until it is told to stop. `sent` counts its bytes.
    """

    def __init__(self) -> None:
        super().__init__()
        self.fetches = 0
        self.status = 200
        self.delay = 0.0
        self.misbehaves: Iterable[bytes] = ()
        self.sent = 0

    @contextmanager
    def serving(self) -> Iterator[Self]:
        self.start()
        try:
            yield self
        finally:
            self.stop()

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Those of a good token. None takes one out."""
        now = int(time.time())
        usual = {"iss": self.url, "aud": AUDIENCE, "sub": "ada", "iat": now, "exp": now + 300, "scope": ALL_SCOPES}
        return {name: value for name, value in (usual | changed).items() if value is not None}

    def signed(self, *, kid: str | None = "first", key: Any = None, algorithm: str = "ES256", **changed: Any) -> str:
        headers = {"kid": kid} if kid is not None else {}
        key = key or self.keys.get(kid or "first") or self.keys["first"]
        return jwt.encode(self.claims(**changed), key, algorithm=algorithm, headers=headers)

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.fetches += 1
        time.sleep(self.delay)
        with suppress(ConnectionError):  # the other side has gone
            for part in self.misbehaves:
                request.wfile.write(part)
                self.sent += len(part)
            if not self.misbehaves:
                self.send(request, self.status)
