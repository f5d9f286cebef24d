"""A hosted server as people run it: a process, its service over HTTP, and a collector of its telemetry."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from contacts_mcp.sandbox import Credentials

PATIENCE = 20.0  # seconds for a process to start or to end, and for telemetry to arrive
SERVE = (sys.executable, "-m", "contacts_mcp")
JSON_OR_EVENTS = {"Accept": "application/json, text/event-stream"}
HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}}
ABOUT = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
    "io.modelcontextprotocol/clientCapabilities": {},
}


@dataclass
class SeenSpan:
    """A span as the collector got it."""

    name: str
    kind: int
    trace: str
    id: str
    parent: str
    attributes: dict[str, Any]
    has_text: bool  # of its status, an event or a link


@dataclass
class Collector:
    """Takes telemetry over OTLP/HTTP, as the real ones do."""

    address: str
    bodies: list[tuple[str, bytes]] = field(default_factory=list)

    @property
    def raw(self) -> bytes:
        return b"\n".join(body for _, body in self.bodies)

    @property
    def spans(self) -> list[SeenSpan]:
        requests = [ExportTraceServiceRequest.FromString(body) for path, body in self.bodies if path == "/v1/traces"]
        return [
            _seen(span)
            for request in requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]

    @property
    def metrics(self) -> set[str]:
        requests = [ExportMetricsServiceRequest.FromString(body) for path, body in self.bodies if path == "/v1/metrics"]
        return {
            metric.name
            for request in requests
            for resource in request.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
        }

    def wait_for(self, name: str, *, count: int = 1, trace: str = "") -> list[SeenSpan]:
        """The spans of that name, and of that trace where one is given, once there are so many."""
        end = time.monotonic() + PATIENCE
        while len(found := [one for one in self.spans if one.name == name and trace in ("", one.trace)]) < count:
            assert time.monotonic() < end, [span.name for span in self.spans]
            time.sleep(0.05)
        return found

    def children(self, span: SeenSpan) -> list[SeenSpan]:
        return [other for other in self.spans if other.parent == span.id]


def _seen(span: Any) -> SeenSpan:
    values = {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}
    has_text = bool(span.status.message or span.events or span.links or span.trace_state)
    return SeenSpan(
        name=span.name,
        kind=span.kind,
        trace=span.trace_id.hex(),
        id=span.span_id.hex(),
        parent=span.parent_span_id.hex(),
        attributes=values,
        has_text=has_text,
    )


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector while it listens."""

    class Take(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            collector.bodies.append((self.path, body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Take) as server:
        collector = Collector(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield collector
        server.shutdown()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


@dataclass
class Hosted:
    """A server that runs, and all that it wrote on stderr."""

    process: subprocess.Popen[str]
    http: httpx.Client
    metrics_at: str
    said: list[str] = field(default_factory=list)
    file: Path = Path()  # of the log, where there is one

    def post(self, message: Any, *, path: str = "/mcp", headers: dict[str, str] | None = None) -> httpx.Response:
        return self.http.post(path, json=message, headers=JSON_OR_EVENTS | (headers or {}))

    def ask(
        self, method: str, params: dict[str, Any], *, era: str = "modern", headers: dict[str, str] | None = None
    ) -> httpx.Response:
        """One request in an era of the protocol, `modern` or `handshake`. The latter has a session of its own."""
        more = headers or {}
        message = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
        if era == "handshake":
            hello = self.post({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}, headers=more)
            session = {"Mcp-Session-Id": hello.headers["mcp-session-id"]} if "mcp-session-id" in hello.headers else {}
            known = {"MCP-Protocol-Version": HELLO["protocolVersion"]} | session
            self.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, headers=known)
            return self.post(message, headers=known | more)
        message["params"] = params | {"_meta": ABOUT | params.get("_meta", {})}
        target = params.get("name", params.get("uri"))
        routing = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": method}
        routing |= {"Mcp-Name": target} if isinstance(target, str) and target.isascii() else {}
        return self.post(message, headers=routing | more)

    def call(self, tool: str, arguments: dict[str, Any], **options: Any) -> httpx.Response:
        return self.ask("tools/call", {"name": tool, "arguments": arguments}, **options)

    def metrics(self) -> dict[str, float]:
        """The page of metrics, a number a line. Only ours, and no buckets."""
        text = httpx.get(self.metrics_at).text
        lines = [line for line in text.splitlines() if line.startswith("contacts_mcp") and "_bucket" not in line]
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.said]

    def lines_of(self, answer: httpx.Response) -> list[dict[str, Any]]:
        """The lines of the log of one request, once that of its call is among them."""
        end = time.monotonic() + PATIENCE
        while True:
            found = [line for line in self.log() if line.get("request") == answer.headers["x-request-id"]]
            if any(line["event"] == "call" for line in found):
                return found
            assert time.monotonic() < end, found
            time.sleep(0.02)

    def end(self) -> float:
        """Ends it as a container is ended. Returns how long that took, in seconds."""
        begin = time.monotonic()
        self.process.terminate()
        assert self.process.wait(PATIENCE) == 0, self.said
        return time.monotonic() - begin


@contextmanager
def hosted(room: Path, *, command: tuple[str, ...] = SERVE, **variables: str) -> Iterator[Hosted]:
    """A server over HTTP with a page of metrics and a log of JSON lines."""
    port, page = free_port(), free_port()
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("CONTACTS_", "HEYMARKET", "OTEL"))
    }
    given = {
        "CONTACTS_MCP_DATA_DIR": str(room),
        "CONTACTS_MCP_METRICS": f"127.0.0.1:{page}",
        "CONTACTS_MCP_LOG_FORMAT": "json",
        "CONTACTS_MCP_LOG_LEVEL": "INFO",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    process = subprocess.Popen(
        [*command, "serve", "--http", f"127.0.0.1:{port}"],
        env=kept | given | variables,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stderr is not None
    with process, httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=PATIENCE) as http:
        server = Hosted(process, http, f"http://127.0.0.1:{page}/metrics")
        watchdog = threading.Timer(3 * PATIENCE, process.kill)
        watchdog.start()
        is_ready = threading.Event()

        def listen() -> None:
            for line in process.stderr or ():
                server.said.append(line.rstrip("\n"))
                if "Serving at" in line:
                    is_ready.set()
            is_ready.set()

        listener = threading.Thread(target=listen, daemon=True)
        listener.start()
        try:
            assert is_ready.wait(PATIENCE)
            while process.poll() is None and not _answers(http):
                time.sleep(0.05)
            yield server
        finally:
            process.terminate()
            process.wait(PATIENCE)
            listener.join(PATIENCE)
            watchdog.cancel()


def _answers(http: httpx.Client) -> bool:
    try:
        http.get("/nowhere")
    except httpx.TransportError:
        return False
    return True


@contextmanager
def service(**variables: str) -> Iterator[dict[str, str]]:
    """A sandbox over HTTP with its switches. Gives the variables of a server that works on it."""
    command = [*SERVE, "sandbox", "--port", "0", "--control"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, encoding="utf-8", env=os.environ | variables) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (address,) = [part for part in process.stdout.readline().split() if part.startswith("HEYMARKET_BASE_URL=")]
        yield {"HEYMARKET_BASE_URL": address.partition("=")[2], "HEYMARKET_API_KEY": Credentials().api_key}
        process.terminate()


def breaks(at: dict[str, str], *faults: dict[str, Any]) -> None:
    """Lets a `service` fail as told."""
    httpx.post(f"{at['HEYMARKET_BASE_URL']}/_sandbox/faults", json=[*faults]).raise_for_status()
