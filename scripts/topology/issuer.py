"""An issuer of tokens: ES256 keys made on the fly, and their public halves served as a JWKS on loopback."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec
from jwt.algorithms import ECAlgorithm

LASTS = 600  # seconds


class Issuer:
    """Served from `start` to `stop`."""

    def __init__(self) -> None:
        self._keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self.turn_key()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/"
        self.jwks_url = f"{self.url}.well-known/jwks.json"

    def start(self) -> None:
        """Serves in a thread."""
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self) -> None:
        """Ends the thread."""
        self._server.shutdown()
        self._server.server_close()

    def turn_key(self) -> None:
        """Signs with a new key from now on. The old ones stay published."""
        self._kid = secrets.token_hex(4)
        self._keys[self._kid] = ec.generate_private_key(ec.SECP256R1())

    def token(self, subject: str, *, audience: str, scopes: Sequence[str], **claims: Any) -> str:
        """A signed token. `claims` are added, and win."""
        now = int(time.time())
        payload: dict[str, Any] = {
            "iss": self.url,
            "sub": subject,
            "aud": audience,
            "iat": now,
            "exp": now + LASTS,
            "jti": secrets.token_hex(8),
            "client_id": "an-assistant",
            "scope": " ".join(scopes),
        }
        return jwt.encode({**payload, **claims}, self._keys[self._kid], algorithm="ES256", headers={"kid": self._kid})

    def _jwks(self) -> bytes:
        keys = []
        for kid, key in self._keys.items():
            public = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
            keys.append({**public, "kid": kid, "alg": "ES256", "use": "sig"})
        return json.dumps({"keys": keys}).encode()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                is_known = self.path == "/.well-known/jwks.json"
                body = issuer._jwks() if is_known else b""
                self.send_response(200 if is_known else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the base class
                """Says nothing."""

        return Handler
