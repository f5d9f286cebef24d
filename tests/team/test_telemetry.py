"""A hosted server shows what it does: spans, metrics and log lines that belong together. Real processes, real HTTP.

Guards `contacts_mcp/server/telemetry.py`, `seeing.py`, `metrics_page.py` and `logs.py`.
"""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from uuid import uuid4

import httpx
import pytest
from support.hosted import SERVE, Collector, Hosted, breaks, collecting, free_port, hosted, service

from contacts_mcp.errors import AccountError
from contacts_mcp.server.metrics_page import MetricsPage

CALLER = "00f067aa0ba902b7"
SERVER, CLIENT = 2, 3  # kinds of spans in OTLP
READ = "GET /v1/contact/{id}"
ERAS = ("modern", "handshake")


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as listening:
        yield listening


@pytest.fixture(scope="module")
def upstream() -> Iterator[dict[str, str]]:
    with service() as variables:
        yield variables


ACCOUNTS = """
[accounts.office]
base_url = "{HEYMARKET_BASE_URL}"
api_key_env = "HEYMARKET_API_KEY"
requests_per_minute = 100000
[[accounts.office.tokens]]
name = "Front desk"
sha256 = "{hashed}"
scopes = ["contacts:read", "contacts:write"]
"""


@pytest.fixture(scope="module")
def server(
    collector: Collector, upstream: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Hosted]:
    """A server for a team, which keeps no sessions."""
    room = tmp_path_factory.mktemp("seen")
    accounts = room / "accounts.toml"
    accounts.write_text(ACCOUNTS.format(**upstream, hashed=sha256(b"a-token").hexdigest()), encoding="utf-8")
    accounts.chmod(0o600)
    hosting = {"CONTACTS_MCP_ACCOUNTS": str(accounts), "OTEL_EXPORTER_OTLP_ENDPOINT": collector.address}
    with hosted(room, **hosting, **upstream) as running:
        running.http.headers["Authorization"] = "Bearer a-token"
        yield running


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("way", ["header", "meta"])
def test_a_trace_goes_from_the_caller_over_the_call_to_the_request(
    era: str, way: str, server: Hosted, collector: Collector
) -> None:
    trace = uuid4().hex
    told = {"traceparent": f"00-{trace}-{CALLER}-01"}
    params = {"name": "lookup_contact", "arguments": {"contact_id": 1001}} | ({"_meta": told} if way == "meta" else {})
    headers = told if way == "header" else {}
    answer = server.ask("tools/call", params, era=era, headers=headers)
    assert "1001" in answer.text
    collector.wait_for(READ, trace=trace)
    (call,) = collector.wait_for("tools/call lookup_contact", trace=trace)
    requests = [span for span in collector.children(call) if span.name == READ]
    assert (call.trace, call.parent, call.kind) == (trace, CALLER, SERVER)
    assert [(span.trace, span.kind) for span in requests] == [(trace, CLIENT)]
    assert requests[0].attributes.keys() == {
        "http.request.method",
        "url.template",
        "http.response.status_code",
        "heymarket.request_id",
        "heymarket.attempt",
        "heymarket.wait",
    }
    assert {line["trace"] for line in server.lines_of(answer)} == {trace}


def test_calls_at_once_keep_their_spans_apart(server: Hosted, collector: Collector) -> None:
    ids = sorted(uuid4().hex for _ in range(16))

    def call(trace: str) -> httpx.Response:
        return server.call("lookup_contact", {"contact_id": 1002}, headers={"traceparent": f"00-{trace}-{CALLER}-01"})

    with ThreadPoolExecutor(8) as threads:
        assert {answer.status_code for answer in threads.map(call, ids)} == {200}
    calls = [call for one in ids for call in collector.wait_for("tools/call lookup_contact", trace=one)]
    for one in ids:
        collector.wait_for(READ, trace=one)
    assert [call.trace for call in calls] == ids
    assert {(call.trace, child.trace) for call in calls for child in collector.children(call)} == {
        (one, one) for one in ids
    }


def test_every_request_is_one_attempt_that_says_which(
    server: Hosted, collector: Collector, upstream: dict[str, str]
) -> None:
    trace = uuid4().hex
    before = server.metrics()
    breaks(upstream, {"kind": "status", "operation": "get_contact", "status": 503, "times": 1})
    server.call("lookup_contact", {"contact_id": 1003}, headers={"traceparent": f"00-{trace}-{CALLER}-01"})
    spans = collector.wait_for(READ, count=2, trace=trace)
    assert sorted((span.attributes["heymarket.attempt"], span.attributes.get("error.type")) for span in spans) == [
        (1, "503"),
        (2, None),
    ]
    after = server.metrics()
    changed = {name: value - before.get(name, 0) for name, value in after.items() if "_sum" not in name}
    assert changed['contacts_mcp_upstream_retries_total{kind="service_failed",operation="GET /v1/contact/{id}"}'] == 1
    for outcome in ("200", "503"):
        name = f'contacts_mcp_upstream_duration_seconds_count{{operation="{READ}",outcome="{outcome}"}}'
        assert changed[name] == 1, name


def test_the_metrics_count_what_happened(server: Hosted) -> None:
    server.call("lookup_contact", {"contact_id": 1004})
    before = server.metrics()
    for number in (1004, 1005):
        server.call("lookup_contact", {"contact_id": number})
    server.call("lookup_contact", {"contact_id": "no number"})
    server.call("no_such_tool", {})
    server.ask("resources/read", {"uri": "contacts://tags"})
    server.ask("resources/read", {"uri": "contacts://tags"})
    server.call("search_contacts", {"query": "nobody at all"})
    server.http.get("/nowhere")
    after = server.metrics()
    changed = {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)}
    counted = {name: value for name, value in changed.items() if name.startswith("contacts_mcp_calls_total")}
    assert counted == {
        'contacts_mcp_calls_total{kind="answered",outcome="ok",tool="lookup_contact"}': 2,
        'contacts_mcp_calls_total{kind="invalid_argument",outcome="error",tool="lookup_contact"}': 1,
        'contacts_mcp_calls_total{kind="unknown_tool",outcome="error",tool="?"}': 1,
        'contacts_mcp_calls_total{kind="answered",outcome="ok",tool="resource tags"}': 2,
        'contacts_mcp_calls_total{kind="answered",outcome="ok",tool="search_contacts"}': 1,
    }
    assert changed['contacts_mcp_call_duration_seconds_count{outcome="ok",tool="lookup_contact"}'] == 2
    assert changed[f'contacts_mcp_upstream_duration_seconds_count{{operation="{READ}",outcome="200"}}'] == 2
    assert changed['contacts_mcp_names_reads_total{list="tag",outcome="hit"}'] >= 1
    assert changed["contacts_mcp_mirror_age_seconds_count"] == 1
    assert changed['contacts_mcp_http_answers_total{status="404"}'] == 1
    assert after["contacts_mcp_calls_active"] == 0


def test_an_answer_of_ours_and_one_of_the_library_are_one_series(server: Hosted) -> None:
    server.call("lookup_contact", {"contact_id": 1001})  # 200, and the next HTTPStatus.OK
    server.http.get("/readyz")
    page = httpx.get(server.metrics_at).text
    series = [line.rpartition(" ")[0] for line in page.splitlines() if not line.startswith("#")]
    assert len(series) == len(set(series))


def test_the_labels_name_no_account_and_no_scope(server: Hosted) -> None:
    server.call("lookup_contact", {"contact_id": 1001})
    text = httpx.get(server.metrics_at).text
    labels = {
        name for line in text.splitlines() if line.startswith("contacts") for name in re.findall(r'(\w+)="', line)
    }
    assert labels <= {"tool", "kind", "outcome", "operation", "le", "list", "work", "status"}
    assert 'le="0.005"' in text
    assert 'le="60.0"' in text
    assert "process_resident_memory_bytes" in text


def test_the_page_of_metrics_is_there_alone(server: Hosted) -> None:
    assert httpx.get(server.metrics_at.replace("/metrics", "/")).status_code == 404
    assert httpx.post(server.metrics_at).status_code == 405
    assert server.http.get("/metrics").status_code == 404


def test_a_reader_that_breaks_off_leaves_no_line_and_no_harm(server: Hosted) -> None:
    port = httpx.URL(server.metrics_at).port
    assert port
    for text in (b"GET /metrics HT", b"\x00\xff\r\n\r\n", b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port)) as broken:
            broken.sendall(text)
    assert httpx.get(server.metrics_at).status_code == 200
    server.log()  # all lines are JSON still


@pytest.mark.parametrize(
    ("given", "is_kept"),
    [
        ("0af7651916cd43dd8448eb211c80319c", True),
        ("0af76519-16cd-43dd-8448-eb211c80319c", True),
        ("15105557777", False),
    ],
)
def test_the_id_of_a_request_is_that_of_the_proxy_where_it_looks_like_one(
    given: str, is_kept: bool, server: Hosted
) -> None:
    answer = server.call("lookup_contact", {"contact_id": 1001}, headers={"X-Request-Id": given})
    assert (answer.headers["x-request-id"] == given) is is_kept
    assert server.lines_of(answer)


def test_the_log_has_one_line_a_call_and_one_a_request(server: Hosted) -> None:
    server.call("lookup_contact", {"contact_id": 1006})  # fetches the names of fields and tags as well
    answer = server.call("lookup_contact", {"contact_id": 1006})
    lines = server.lines_of(answer)
    assert [(line["event"], line["outcome"]) for line in lines] == [("request", "200"), ("call", "ok")]
    assert lines[0]["operation"] == READ
    assert lines[0]["heymarket_request"]
    assert (lines[1]["tool"], lines[1]["kind"]) == ("lookup_contact", "answered")
    assert {(len(line["account"]), len(line["subject"])) for line in lines} == {(16, 16)}
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]{12}Z", line["time"]) for line in lines)


def test_at_the_end_the_rest_is_sent(upstream: dict[str, str], tmp_path: Path) -> None:
    """Also where the batch is not due for long."""
    with collecting() as late:
        patient = {"OTEL_EXPORTER_OTLP_ENDPOINT": late.address, "OTEL_BSP_SCHEDULE_DELAY": "60000"}
        with hosted(tmp_path, **patient, **upstream) as server:
            server.call("lookup_contact", {"contact_id": 1001})
            assert late.spans == []
            server.end()
        assert {READ, "tools/call lookup_contact"} <= {span.name for span in late.spans}
        assert "contacts_mcp.calls" in late.metrics
        with pytest.raises(httpx.ConnectError):
            httpx.get(server.metrics_at)


def test_a_collector_that_hangs_or_is_not_there_holds_nothing_up(upstream: dict[str, str], tmp_path: Path) -> None:
    """And the log tells of it without the address, which may hold a password."""
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections and never answers
        addresses = {
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": f"http://127.0.0.1:{silent.getsockname()[1]}",
            "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT": f"http://planted-user:planted-word@127.0.0.1:{free_port()}",
            "OTEL_METRIC_EXPORT_INTERVAL": "200",
        }
        with hosted(tmp_path, **addresses, **upstream) as server:
            for _ in range(5):
                assert "1001" in server.call("lookup_contact", {"contact_id": 1001}).text
            begin = time.monotonic()
            server.end()
            assert time.monotonic() - begin < 10  # the exporters themselves would go on for half a minute
    assert any(line.get("logger", "").startswith("opentelemetry") for line in server.log())
    assert "planted" not in "\n".join(server.said)


@pytest.mark.parametrize("address", ["nowhere", "127.0.0.1", "127.0.0.1:port", "127.0.0.1:99999", "a@127.0.0.1:1"])
def test_an_address_of_metrics_that_is_none_is_named(address: str) -> None:
    with pytest.raises(AccountError, match=r"^CONTACTS_MCP_METRICS: expected HOST:PORT"):
        MetricsPage(address, lambda *_: [])


def test_an_address_of_metrics_that_is_taken_is_named_at_the_start(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = subprocess.run(
            [*SERVE, "serve", "--sandbox", "--data-dir", str(tmp_path), "--http", f"127.0.0.1:{free_port()}"],
            env={"CONTACTS_MCP_METRICS": f"127.0.0.1:{taken.getsockname()[1]}"},
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
    assert done.returncode == 2
    assert "CONTACTS_MCP_METRICS: 127.0.0.1:" in done.stderr
    assert "Traceback" not in done.stderr


def test_the_page_may_have_an_address_of_version_6() -> None:
    page = MetricsPage("[::1]:0", lambda _, start: [start("200 OK", []), b"here"][1:])
    assert httpx.get(f"http://[::1]:{page.port}/metrics").text == "here"
    page.close()


def test_a_missing_package_is_named(tmp_path: Path) -> None:
    without = "import sys; sys.modules['opentelemetry.sdk'] = None; from contacts_mcp.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", without, "serve", "--sandbox", "--http", f"127.0.0.1:{free_port()}"],
        env={"CONTACTS_MCP_METRICS": f"127.0.0.1:{free_port()}", "CONTACTS_MCP_DATA_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert done.returncode == 2
    assert "pip install '.[team]'" in done.stderr


def test_a_server_without_telemetry_imports_nothing_of_it() -> None:
    code = (
        "import sys, contacts_mcp.cli\n"
        "from contacts_mcp.server import http, seeing, server\n"
        "print([name for name in ('opentelemetry.sdk', 'prometheus_client', 'opentelemetry.metrics', 'wsgiref')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "[]\n"


def test_over_stdio_nothing_is_sent_to_the_collector_of_the_assistant(tmp_path: Path) -> None:
    """Assistants set such a variable for themselves, and their children inherit it."""
    message = '{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":%s}}\n'
    about = '{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}'
    with collecting() as assistants:
        done = subprocess.run(
            [*SERVE, "serve", "--sandbox", "--data-dir", str(tmp_path)],
            env={"OTEL_EXPORTER_OTLP_ENDPOINT": assistants.address},
            input=message % about,
            capture_output=True,
            text=True,
            check=True,
            timeout=30,
        )
        assert "lookup_contact" in done.stdout
        assert assistants.bodies == []
