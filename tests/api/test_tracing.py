"""Each request is a span below the span of the tool's call, and it names nobody. In a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

# OpenTelemetry lets a process choose once who records its spans, so the recorder has a process for itself.
RECORDER = """
import json, sys, tempfile
from contextlib import closing, contextmanager
import anyio
from opentelemetry import trace

spans = []

class Kept(trace.NonRecordingSpan):
    def __init__(self, name, kind, attributes):
        context = trace.SpanContext(1, len(spans) + 1, False, trace.TraceFlags(1))
        super().__init__(context)
        parent = trace.get_current_span().get_span_context().span_id
        self.kept = {"id": context.span_id, "parent": parent, "name": name, "kind": kind.name, "status": "",
                     "attributes": dict(attributes or {}), "events": 0}
        spans.append(self.kept)
    def is_recording(self): return True
    def set_attribute(self, key, value): self.kept["attributes"][key] = value
    def set_attributes(self, attributes): self.kept["attributes"].update(attributes)
    def set_status(self, status, description=None): self.kept["status"] = f"{status} {description or ''}"
    def record_exception(self, *given, **more): self.kept["events"] += 1

class Keeper(trace.Tracer):
    def start_span(self, name, context=None, kind=trace.SpanKind.INTERNAL, attributes=None, *given, **more):
        return Kept(name, kind, attributes)
    @contextmanager
    def start_as_current_span(self, name, context=None, kind=trace.SpanKind.INTERNAL, attributes=None, **more):
        quietly = {"record_exception": False, "set_status_on_exception": False}
        with trace.use_span(Kept(name, kind, attributes), **quietly) as span:
            yield span

class Provider(trace.TracerProvider):
    def get_tracer(self, *given, **more): return Keeper()

trace.set_tracer_provider(Provider())

from mcp.client import Client
from contacts_mcp.config import Settings
from contacts_mcp.sandbox import Behaviour, Fault, open_sandbox
from contacts_mcp.server.server import build_server
from contacts_mcp.workspace import Workspace

async def main(tool, arguments, fault):
    with tempfile.TemporaryDirectory() as home, closing(open_sandbox(contacts=3)) as sandbox:
        if fault:
            sandbox.faults.add(Fault(**fault))
        settings = Settings.load(sandbox=True, data_dir=home, timeout=1.0)
        workspace = Workspace(settings, sandbox=sandbox)
        async with Client(build_server(settings, workspace=workspace)) as client:
            spans.clear()
            await client.call_tool(tool, arguments)
        await workspace.aclose()
    print(json.dumps(spans))

anyio.run(main, *json.loads(sys.argv[1]))
"""


def spans_of(tool: str, arguments: dict[str, Any], fault: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", RECORDER, json.dumps([tool, arguments, fault])],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    spans: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return spans


def test_each_request_is_a_span_below_that_of_the_tool() -> None:
    spans = spans_of("update_contact", {"phone": "+15105550100", "email": "new.address@example.com"})
    (call,) = [span for span in spans if span["name"] == "tools/call update_contact" and span["kind"] == "SERVER"]
    requests = [span for span in spans if "url.template" in span["attributes"]]
    assert [span["name"] for span in requests][:3] == [
        "POST /v1/contact/get",
        "PUT /v1/contact/{id}",
        "GET /v1/contact/{id}",
    ]
    for span in requests:
        assert (span["parent"], span["kind"], span["status"]) == (call["id"], "CLIENT", "")
        assert span["attributes"].keys() == {
            "http.request.method",
            "url.template",
            "http.response.status_code",
            "heymarket.request_id",
            "heymarket.attempt",
            "heymarket.wait",
        }
        assert span["attributes"]["http.response.status_code"] == 200
    for personal in ("5105550100", "example.com", "1001", "Jordan"):
        assert personal not in json.dumps(requests)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        ({"kind": "status", "operation": "get_contact", "status": 403, "times": 1}, "403"),
        ({"kind": "truncate", "operation": "get_contact", "times": 1}, "Error"),
    ],
    ids=["refused", "dropped"],
)
def test_a_request_that_failed_says_how_and_nothing_of_its_text(fault: dict[str, Any], kind: str) -> None:
    spans = spans_of("lookup_contact", {"contact_id": 1001}, fault)
    failed = next(span for span in spans if span["name"] == "GET /v1/contact/{id}")
    assert kind in failed["attributes"]["error.type"]
    assert failed["status"].strip() in ("StatusCode.ERROR", "2")
    assert failed["events"] == 0


def test_where_the_api_is_not_loaded_it_is_not_loaded_for_a_request() -> None:
    code = (
        "import sys\n"
        "from contacts_mcp.api.tracing import RequestSpan\n"
        "with RequestSpan('GET', '/v1/team') as span:\n"
        "    span.answered(500, 'r-1')\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "[]\n"
