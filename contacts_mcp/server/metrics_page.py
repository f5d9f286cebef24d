"""The page of metrics for Prometheus, on a port of its own, where nobody logs in. It serves `GET /metrics` alone."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterable
from socketserver import TCPServer, ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from contacts_mcp.errors import AccountError

PATH = "/metrics"
PATIENCE = 10.0  # seconds for a request
HIGHEST_PORT = 65_535
END_WITHIN = 0.1  # seconds until the page notices its end

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


class MetricsPage:
    """Serves a page in a thread, so that a busy event loop can be looked at."""

    def __init__(self, address: str, page: Application) -> None:
        """`address` is HOST:PORT. Raises AccountError where it cannot be used."""
        host, port = _host_and_port(address)
        family = _PageV6 if ":" in host else _Page
        try:
            self._server = family((host, port), _Quiet)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            raise AccountError(f"CONTACTS_MCP_METRICS: {address} cannot be used ({reason}).") from None
        self._server.set_app(_only_at_its_path(page))
        self.port = self._server.server_port
        serve = {"poll_interval": END_WITHIN}
        threading.Thread(target=self._server.serve_forever, kwargs=serve, daemon=True, name="metrics").start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Page(ThreadingMixIn, WSGIServer):
    daemon_threads = True

    def server_bind(self) -> None:
        TCPServer.server_bind(self)  # the one between asks the name service for this machine's name
        self.server_name, self.server_port = str(self.server_address[0]), self.server_address[1]
        self.setup_environ()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A request that breaks off is nobody's business. The standard library would print it."""


class _PageV6(_Page):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    timeout = PATIENCE

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 -- the name of the standard library
        """No line for each look at the page."""


def _only_at_its_path(page: Application) -> Application:
    def answer(environ: dict[str, Any], start: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == PATH:
            return page(environ, start)
        start("404 Not Found", [("Content-Type", "text/plain")])
        return [b"The metrics are at /metrics.\n"]

    return answer


def _host_and_port(address: str) -> tuple[str, int]:
    match = re.fullmatch(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):([0-9]{1,5})", address)
    if match is None or int(match[3]) > HIGHEST_PORT:
        raise AccountError(f"CONTACTS_MCP_METRICS: expected HOST:PORT, such as 127.0.0.1:9464; got {address}.")
    return match[1] or match[2], int(match[3])
