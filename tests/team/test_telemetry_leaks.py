"""Nobody's phone, name, e-mail or token is in a span, a metric, a log line or the page, at any level.

The server is a real one with every logger at DEBUG and with planted errors (`loud_server.py`). Its requests hold
planted data wherever a request can hold anything.

Guards `contacts_mcp/server/telemetry.py`, `logs.py` and `seeing.py`.
"""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import httpx
import pytest
from redis_server import RedisServer
from support.hosted import HELLO, Collector, Hosted, breaks, collecting, hosted, service

from contacts_mcp.server.prompts import load_prompts

LOUD = (sys.executable, str(Path(__file__).with_name("loud_server.py")))
ERAS = ("modern", "handshake")
PHONE, WRITTEN = "15105557777", "(510) 555-7777"
NAME, MAIL, TOKEN = "Plantedfirst", "planted@example.com", "planted-token-4e1f"
PLANTED = (
    PHONE,
    "5105557777",
    "555-7777",
    "Planted",
    "planted@",
    "planted-token",
    "planted.example",
    "sandbox-api-key",
)
EVERYTHING = f"{PHONE} {NAME} {MAIL} {TOKEN}"

CALLS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("create_contact", {"phone": WRITTEN, "first": NAME, "last": "Plantedlast", "email": MAIL}),
    ("lookup_contact", {"phone": WRITTEN}),
    ("search_contacts", {"query": NAME}),
    ("update_contact", {"phone": WRITTEN, "last": f"{NAME}son"}),
    ("update_contact", {"phone": WRITTEN, "email": f"{NAME} at home"}),
    ("update_contact", {"phone": WRITTEN, NAME: PHONE}),
    ("list_changes", {}),
    ("delete_contact", {"phone": WRITTEN}),
    (f"lookup_{PHONE}", {"phone": PHONE}),
    (NAME, {}),
    (MAIL, {}),
)
READS = (
    f"contacts://{PHONE}",
    f"contacts://contact/{NAME}",
    f"contacts://contact/{PHONE}",
    f"planted://{MAIL}",
    "contacts://tags",
    "contacts://team",
    "contacts://status",
)
HEADERS: tuple[dict[str, str], ...] = (
    {"Authorization": f"Bearer {TOKEN}"},
    {"X-Request-Id": PHONE},
    {"X-Request-Id": EVERYTHING},
    {"traceparent": f"00-{PHONE}-{NAME}-01"},
    {
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "tracestate": f"planted={PHONE}",
        "baggage": f"name={NAME},mail={MAIL}",
    },
    {"Mcp-Name": NAME},
    {"Mcp-Method": EVERYTHING},
    {"MCP-Protocol-Version": EVERYTHING},
    {"Mcp-Session-Id": EVERYTHING},
    {"Host": "planted.example"},
    {"Origin": f"https://planted.example/{PHONE}"},
    {"User-Agent": EVERYTHING},
    {"Cookie": f"name={NAME}"},
    {"X-Forwarded-For": EVERYTHING},
    {"Content-Type": EVERYTHING},
)
BODIES = (
    f'{{"jsonrpc": "2.0", "phone": "{PHONE}"',
    f'"{EVERYTHING}"',
    EVERYTHING,
    "[" * 3_000 + PHONE,
    f'{{"jsonrpc": "2.0", "id": "{PHONE}", "method": "{NAME}/{PHONE}", "params": {{"name": "{MAIL}"}}}}',
    f'{{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {{"name": {PHONE}, "arguments": "{NAME}"}}}}',
    f'{{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": "{NAME}"}}',
    f'{{"jsonrpc": "2.0", "id": {{"{NAME}": 1}}, "method": "tools/list"}}',
    f'{{"jsonrpc": "2.0", "method": "notifications/{NAME}", "params": {{"name": "{MAIL}"}}}}',
    f'{{"jsonrpc": "{PHONE}", "id": 1, "method": "tools/list"}}',
)


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as listening:
        yield listening


@pytest.fixture(scope="module")
def upstream() -> Iterator[dict[str, str]]:
    with service() as variables:
        yield variables


@pytest.fixture(scope="module", params=["json", "text"])
def server(
    request: pytest.FixtureRequest,
    collector: Collector,
    upstream: dict[str, str],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Hosted]:
    room = tmp_path_factory.mktemp(request.param)
    variables = {
        "CONTACTS_MCP_LOG_LEVEL": "DEBUG",
        "CONTACTS_MCP_LOG_FORMAT": request.param,
        "CONTACTS_MCP_LOG_FILE": str(room / "log"),
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
    }
    with hosted(room, command=LOUD, **variables | upstream) as running:
        running.file = room / "log"
        yield running
        running.end()
        assert_clean(running, collector)


@pytest.fixture(scope="module")
def team(
    collector: Collector,
    upstream: dict[str, str],
    postgres: str,
    lasting_redis: RedisServer,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Hosted]:
    room = tmp_path_factory.mktemp("team")
    accounts = room / "accounts.toml"
    accounts.write_text(ACCOUNTS.format(sha256(TOKEN.encode()).hexdigest()), encoding="utf-8")
    accounts.chmod(0o600)
    variables = {
        "CONTACTS_MCP_LOG_LEVEL": "DEBUG",
        "CONTACTS_MCP_LOG_FILE": str(room / "log"),
        "CONTACTS_MCP_ACCOUNTS": str(accounts),
        "CONTACTS_MCP_SIGNING_KEY": "planted-token-that-signs",
        "CONTACTS_MCP_DATABASE_URL": postgres,
        "CONTACTS_MCP_REDIS_URL": lasting_redis.url,
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address,
    }
    with hosted(room, command=LOUD, **variables | upstream) as running:
        running.file = room / "log"
        yield running
        running.end()
        assert_clean(running, collector)


def assert_clean(server: Hosted, collector: Collector) -> None:
    page = httpx.get(server.metrics_at).text if server.process.poll() is None else ""
    places = {
        "stderr": "\n".join(server.said),
        "file": server.file.read_text(encoding="utf-8"),
        "page": page,
        "collector": collector.raw.decode("ascii", "backslashreplace"),
    }
    for place, text in places.items():
        for word in PLANTED:
            at = text.find(word)
            assert at < 0, f"{word} in {place}: ...{text[max(0, at - 300) : at + 100]}"


@pytest.mark.parametrize("era", ERAS)
def test_calls_and_their_refusals(era: str, server: Hosted, collector: Collector, upstream: dict[str, str]) -> None:
    for fault in (None, "status", "truncate", "html"):
        if fault:
            breaks(upstream, {"kind": fault, "operation": "*", "times": 1})
        for tool, arguments in CALLS:
            server.call(tool, arguments, era=era)
    collector.wait_for("tools/call ?")
    collector.wait_for("tools/call create_contact")
    assert_clean(server, collector)


@pytest.mark.parametrize("era", ERAS)
def test_errors_in_tools_resources_prompts_and_lists(era: str, server: Hosted, collector: Collector) -> None:
    for uri in READS:
        server.ask("resources/read", {"uri": uri}, era=era)
    server.ask("prompts/get", {"name": NAME, "arguments": {"name": PHONE}}, era=era)
    for prompt in load_prompts():
        given = {argument.name: EVERYTHING for argument in prompt.arguments}
        server.ask("prompts/get", {"name": prompt.name, "arguments": given}, era=era)
    server.ask("resources/templates/list", {}, era=era)
    reference = {"type": "ref/prompt", "name": NAME}
    server.ask("completion/complete", {"ref": reference, "argument": {"name": "tag", "value": PHONE}}, era=era)
    server.ask(f"{NAME}/{PHONE}", {"name": MAIL}, era=era)
    server.http.get("/broken")
    collector.wait_for("resources/read")
    collector.wait_for("resources/templates/list")
    collector.wait_for("prompts/get ?")
    errors = {span.attributes.get("error.type") for span in collector.spans}
    assert "SeamBroken" in errors
    assert_clean(server, collector)


def test_headers_queries_paths_and_bodies(server: Hosted, collector: Collector) -> None:
    for headers in HEADERS:
        for era in ERAS:
            server.call("lookup_contact", {"phone": WRITTEN}, era=era, headers=headers)
    for path in (f"/mcp?phone={PHONE}&name={NAME}", f"/mcp/{PHONE}", f"/{NAME}", f"/broken/{PHONE}?{MAIL}"):
        server.post({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO}, path=path)
        server.http.get(path)
        server.http.delete(path)
    for body in BODIES:
        for version in ("2026-07-28", "2025-06-18"):
            known = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
            server.http.post("/mcp", content=body, headers=known | {"MCP-Protocol-Version": version})
    about = {"name": NAME, "version": PHONE}
    server.ask("tools/list", {"_meta": {"io.modelcontextprotocol/clientInfo": about, "progressToken": PHONE}})
    server.ask("tools/list", {"_meta": {"io.modelcontextprotocol/protocolVersion": EVERYTHING}})
    server.ask("tools/list", {"_meta": {"traceparent": EVERYTHING, "tracestate": f"a={PHONE}", "baggage": NAME}})
    server.post({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO | {"clientInfo": about}})
    assert_clean(server, collector)


def test_requests_that_are_no_http(server: Hosted, collector: Collector) -> None:
    address = (server.http.base_url.host, server.http.base_url.port or 0)
    for raw in (
        EVERYTHING.encode(),
        f"GET /{PHONE} HTTP/1.1\r\n{NAME}\r\n\r\n".encode(),
        f"POST /mcp HTTP/1.1\r\nHost: {address[0]}\r\nContent-Length: {NAME}\r\n\r\n".encode(),
        f"POST /mcp HTTP/1.1\r\nHost: {address[0]}\r\nContent-Length: 500\r\n\r\n{EVERYTHING}".encode(),
    ):
        with socket.create_connection(address) as broken:
            broken.sendall(raw)
            broken.settimeout(0.2)
            try:
                broken.recv(1_000)
            except TimeoutError:
                continue
    assert_clean(server, collector)


ACCOUNTS = """
[accounts.plantedfirst_office]
sandbox = true
[[accounts.plantedfirst_office.tokens]]
name = "Plantedfirst Plantedlast <planted@example.com>"
sha256 = "{}"
scopes = ["contacts:read"]
"""


@pytest.mark.parametrize("era", ERAS)
def test_the_people_of_a_team(era: str, team: Hosted, collector: Collector) -> None:
    """Their lines belong together, and name neither them nor their account nor their token."""
    for credential in (f"Bearer {TOKEN}", f"Bearer {TOKEN}x", f"Basic {TOKEN}", EVERYTHING, ""):
        for tool in ("lookup_contact", "create_contact", NAME):
            team.call(tool, {"phone": WRITTEN}, era=era, headers={"Authorization": credential} if credential else {})
    team.http.get(f"/readyz?{PHONE}")
    team.http.get(f"/.well-known/oauth-protected-resource/{NAME}")
    lines = [line for line in team.log() if "subject" in line]
    assert [line for line in lines if line["event"] == "call"]
    assert {(len(line["subject"]), len(line["account"])) for line in lines} == {(16, 16)}
    assert len({(line["subject"], line["account"]) for line in lines}) == 1
    answers = {name: count for name, count in team.metrics().items() if "http_answers" in name}
    assert {'contacts_mcp_http_answers_total{status="401"}', 'contacts_mcp_http_answers_total{status="403"}'} <= {
        *answers
    }
    assert_clean(team, collector)


def test_the_loud_ones_were_heard(server: Hosted, collector: Collector) -> None:
    """Each of them wrote its lines, or the tests above would say nothing."""
    server.http.get("/broken")
    said = "\n".join(server.said)
    for name in ("psycopg.pool", "redis", "httpcore.http11", "uvicorn.error", "asyncio", "py.warnings", "anybody.else"):
        assert name in said, name
    assert "the answer %s of %r" in said
    assert "SeamBroken" in said
    assert "a thread ended with an error" in said
    assert "an error at the end of an object" in said
    assert "KeyError" in said
    if server.said[0].startswith("{"):
        assert all(json.loads(line) for line in server.said)
    assert all(not span.has_text for span in collector.spans)
