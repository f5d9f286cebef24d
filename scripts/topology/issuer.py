"""An issuer of tokens: keys made on the fly, and their public halves served as a JWKS on loopback."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

LASTS = 600  # seconds

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


class Issuer:
    """Served from `start` to `stop`. It signs with the key that was added last."""

    def __init__(self) -> None:
        self.keys: dict[str, Key] = {}
        self.add_key("first")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self.jwks_url = f"{self.url}.well-known/jwks.json"

    @property
    def table(self) -> str:
        """It in a file of accounts."""
        return f'[[issuers]]\nurl = "{self.url}"\njwks_url = "{self.jwks_url}"\n'

    def start(self) -> None:
        """Serves in a thread."""
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def add_key(self, kid: str, *, rsa_key: bool = False) -> None:
        """The old ones stay published."""
        size = {"public_exponent": 65537, "key_size": 2048}
        self.keys[kid] = rsa.generate_private_key(**size) if rsa_key else ec.generate_private_key(ec.SECP256R1())

    def token(self, subject: str, *, audience: str, scopes: Sequence[str], **claims: Any) -> str:
        """A signed token. `claims` are added, and win."""
        now, kid = int(time.time()), [*self.keys][-1]
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
        return jwt.encode({**payload, **claims}, self.keys[kid], algorithm="ES256", headers={"kid": kid})

    def document(self) -> dict[str, Any]:
        """The public halves of its keys."""
        rows = []
        for kid, key in self.keys.items():
            kind: Any = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
            rows.append(kind.to_jwk(key.public_key(), as_dict=True) | {"kid": kid, "use": "sig"})
        return {"keys": rows}

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        """Answers a request for its keys."""
        self.send(request, 200)

    def send(self, request: BaseHTTPRequestHandler, status: int) -> None:
        """The keys, under any status."""
        body = json.dumps(self.document()).encode()
        request.send_response(status)
        request.send_header("Content-Type", "application/json")
        request.send_header("Content-Length", str(len(body)))
        request.end_headers()
        request.wfile.write(body)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.answer(self)

            def log_message(self, *_: Any) -> None:
                """Says nothing."""

        return Handler
