"""An issuer of tokens on this machine: real keys, and its set of public ones (JWKS) over real HTTP."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

AUDIENCE = "https://contacts.example.com/mcp"
ALL_SCOPES = "contacts:read contacts:write contacts:delete contacts:bulk"


class Issuer:
    """Signs tokens. `fetches` counts the requests for its keys, and `status` is that of their answers.

    `misbehaves` writes in place of an answer, until it is told to stop. `sent` counts its bytes.
    """

    def __init__(self) -> None:
        self.keys: dict[str, Any] = {}
        self.fetches = 0
        self.status = 200
        self.delay = 0.0
        self.misbehaves: Iterable[bytes] = ()
        self.sent = 0
        self.add_key("first")
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/"
        self.jwks_url = f"{self.url}jwks.json"

    @property
    def table(self) -> str:
        """It in a file of accounts."""
        return f'[[issuers]]\nurl = "{self.url}"\njwks_url = "{self.jwks_url}"\n'

    @contextmanager
    def serving(self) -> Iterator[Issuer]:
        thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield self
        finally:
            self._server.shutdown()
            self._server.server_close()
            thread.join()

    def add_key(self, kid: str, *, rsa_key: bool = False) -> None:
        size = {"public_exponent": 65537, "key_size": 2048}
        self.keys[kid] = rsa.generate_private_key(**size) if rsa_key else ec.generate_private_key(ec.SECP256R1())

    def document(self) -> dict[str, Any]:
        rows = []
        for kid, key in self.keys.items():
            kind: Any = RSAAlgorithm if isinstance(key, rsa.RSAPrivateKey) else ECAlgorithm
            rows.append(kind.to_jwk(key.public_key(), as_dict=True) | {"kid": kid, "use": "sig"})
        return {"keys": rows}

    def claims(self, **changed: Any) -> dict[str, Any]:
        """Those of a good token. None takes one out."""
        now = int(time.time())
        usual = {"iss": self.url, "aud": AUDIENCE, "sub": "ada", "iat": now, "exp": now + 300, "scope": ALL_SCOPES}
        return {name: value for name, value in (usual | changed).items() if value is not None}

    def token(self, *, kid: str | None = "first", key: Any = None, algorithm: str = "ES256", **changed: Any) -> str:
        headers = {"kid": kid} if kid is not None else {}
        key = key or self.keys.get(kid or "first") or self.keys["first"]
        return jwt.encode(self.claims(**changed), key, algorithm=algorithm, headers=headers)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.fetches += 1
                time.sleep(issuer.delay)
                if issuer.misbehaves:
                    for part in issuer.misbehaves:
                        self.wfile.write(part)  # raises once the other side has gone
                        issuer.sent += len(part)
                    return
                body = json.dumps(issuer.document()).encode()
                self.send_response(issuer.status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def handle(self) -> None:
                with suppress(ConnectionError):
                    super().handle()

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
