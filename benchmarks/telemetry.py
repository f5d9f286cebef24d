"""The price of telemetry: processor time of a server for each `lookup_contact` over HTTP, without it and with it.

- Four servers are asked in turns. One has no telemetry, one the page of metrics, one spans, and one all of it with a
  log of JSON lines. A collector takes what they send.
- The time is that of the whole process, so that the threads that send count too.
- Exits 1 where all of it costs more than `MOST` a call, by more than the noise.

Needs Linux, where the processor time of another process can be read.
"""

from __future__ import annotations

import json
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from random import Random
from socket import create_server
from statistics import mean, median

import httpx
from peers import child, ours, upstream

MOST = 0.5e-3  # seconds of processor time a call
BLOCKS = 25
BLOCK = 60  # calls
ABOUT = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "0"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
CALL = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "tools/call",
    "params": {"name": "lookup_contact", "arguments": {"contact_id": 1001}, "_meta": ABOUT},
}
HEADERS = {
    "Accept": "application/json, text/event-stream",
    "MCP-Protocol-Version": "2026-07-28",
    "Mcp-Method": "tools/call",
    "Mcp-Name": "lookup_contact",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}


class Asked:
    """A server that is asked, and the processor time that it took."""

    def __init__(self, pid: int, http: httpx.Client) -> None:
        self._clock = (~pid << 3) | 2  # of all threads of that process
        self._http = http
        self.seconds: list[float] = []  # a call, of each block

    def block(self, calls: int) -> None:
        begin = time.clock_gettime(self._clock)
        for _ in range(calls):
            self._http.post("/mcp", json=CALL, headers=HEADERS).raise_for_status()
        self.seconds.append((time.clock_gettime(self._clock) - begin) / calls)


@contextmanager
def collector() -> Iterator[str]:
    """The address of a collector that forgets all it gets."""

    class Take(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Take) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@contextmanager
def asked(room: Path, **variables: str) -> Iterator[Asked]:
    """A server that has answered already."""
    port = _free_port()
    given = {"CONTACTS_MCP_DATA_DIR": str(room), "CONTACTS_MCP_REQUESTS_PER_MINUTE": "100000"}
    command = ours("--http", f"127.0.0.1:{port}")
    with child(command, **given, **variables) as process, httpx.Client(base_url=f"http://127.0.0.1:{port}") as http:
        end = time.monotonic() + 20
        while True:
            try:
                answer = http.post("/mcp", json=CALL, headers=HEADERS)
                break
            except httpx.ConnectError:
                if time.monotonic() > end:
                    raise
                time.sleep(0.1)
        if json.loads(answer.text).get("result", {}).get("isError"):
            raise RuntimeError(answer.text)
        yield Asked(process.pid, http)


def _free_port() -> int:
    with create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def ways(at: str) -> dict[str, dict[str, str]]:
    """The variables of each server, by its name. `at` is the collector's address."""
    page = {"CONTACTS_MCP_METRICS": f"127.0.0.1:{_free_port()}"}
    spans = {"OTEL_EXPORTER_OTLP_ENDPOINT": at, "OTEL_METRICS_EXPORTER": "none"}
    everything = {
        "CONTACTS_MCP_METRICS": f"127.0.0.1:{_free_port()}",
        "OTEL_EXPORTER_OTLP_ENDPOINT": at,
        "CONTACTS_MCP_LOG_FORMAT": "json",
        "CONTACTS_MCP_LOG_FILE": "/dev/null",
        "CONTACTS_MCP_SIGNING_KEY": "a-key-of-the-benchmark",
    }
    return {"nothing": {}, "the page of metrics": page, "spans": spans, "all, with a JSON log": everything}


def measure(*, blocks: int = BLOCKS, calls: int = BLOCK) -> dict[str, list[float]]:
    """Processor seconds a call, of each block, by the name of the server."""
    with tempfile.TemporaryDirectory() as folder, upstream() as url, collector() as at, ExitStack() as running:
        service = {"HEYMARKET_BASE_URL": url, "HEYMARKET_API_KEY": "sandbox-api-key"}
        servers = {
            name: running.enter_context(asked(Path(folder, str(number)), **variables, **service))
            for number, (name, variables) in enumerate(ways(at).items())
        }
        for block in range(-2, blocks):
            for server in sorted(servers.values(), key=id, reverse=block % 2 == 1):
                server.block(calls)
            if block < 0:  # to warm up
                for server in servers.values():
                    server.seconds.clear()
        return {name: server.seconds for name, server in servers.items()}


def added(with_it: list[float], without: list[float]) -> tuple[float, float]:
    """The median of the differences of blocks that ran one after the other, and half its 95 % interval."""
    differences = [more - less for more, less in zip(with_it, without, strict=True)]
    dice = Random(0)
    medians = sorted(median(dice.choices(differences, k=len(differences))) for _ in range(400))
    return median(differences), (medians[389] - medians[10]) / 2


def main() -> int:
    if not sys.platform.startswith("linux"):
        print("This needs Linux.", file=sys.stderr)
        return 2
    found = measure()
    without = found["nothing"]
    print(f"{'telemetry':<24}{'ms a call':>10}{'added':>10}")
    print(f"{'nothing':<24}{1000 * mean(without):>10.3f}")
    cost = noise = 0.0
    for name, seconds in list(found.items())[1:]:
        cost, noise = added(seconds, without)
        print(f"{name:<24}{1000 * mean(seconds):>10.3f}{1000 * cost:>10.3f} ± {1000 * noise:.3f}")
    is_missed = cost - noise > MOST
    print(f"all of it: at most {1000 * MOST:.1f} ms{': MISSED' if is_missed else ', ok'}")
    return int(is_missed)


if __name__ == "__main__":
    sys.exit(main())
