"""Telemetry of a hosted server with OpenTelemetry: spans that name nobody, metrics, and a page of them for Prometheus.

- The MCP SDK makes a span for each message, and `api/tracing.py` one below it for each request to the service. The
  SDK's hold names that a client made up, and texts of errors. So every span is made anew before it is exported.
- Of a span only the attributes of `KEPT` stay, each held against the values it may have. Events, links and the text of
  its status go, and so does the `tracestate` of the caller.
- Metrics have the labels of `state/watching.py` and no others. Names of tools that there are not become `?`.
- The exporters read OpenTelemetry's own variables (OTEL_EXPORTER_OTLP_ENDPOINT and the others) themselves.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Collection
from typing import Any

from mcp_types import methods
from mcp_types.version import KNOWN_PROTOCOL_VERSIONS
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.metrics import Meter, Observation
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import MetricReader, PeriodicExportingMetricReader
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanContext, SpanKind, Status

from contacts_mcp import __version__
from contacts_mcp.config import Settings, environment
from contacts_mcp.server.metrics_page import MetricsPage
from contacts_mcp.server.prompts import load_prompts
from contacts_mcp.server.tools import TOOLS
from contacts_mcp.state.watching import Watcher, watch

LAST_WORDS = 2.0  # seconds at the end for what was not sent yet
UNKNOWN = "?"
OURS = "contacts_mcp"  # the scope of our own spans and metrics

# Seconds. OpenTelemetry's own boundaries are made for milliseconds, and put nearly all of these into the first.
SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 20.0, 30.0, 60.0)
AGES = (1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 14_400.0, 86_400.0)

TOOL_NAMES = frozenset(tool.name for tool in TOOLS)
PROMPT_NAMES = frozenset(prompt.name for prompt in load_prompts())
METHODS = (
    methods.SPEC_CLIENT_METHODS
    | methods.SPEC_CLIENT_NOTIFICATION_METHODS
    | {method for method, _ in methods.SERVER_REQUESTS}
)


# Spans


def _one_of(values: Collection[str]) -> Callable[[Any], bool]:
    return lambda value: value in values


def _like(pattern: str) -> Callable[[Any], bool]:
    expected = re.compile(pattern)
    return lambda value: isinstance(value, str) and expected.fullmatch(value) is not None


def _number(value: object) -> bool:
    return isinstance(value, int | float)


_NAME_OF_A_TYPE = _like(r"[A-Za-z_][A-Za-z_0-9]{0,60}|-?[0-9]{1,6}")

KEPT: dict[str, Callable[[Any], bool]] = {
    "mcp.method.name": _one_of(METHODS),
    "mcp.protocol.version": _one_of(KNOWN_PROTOCOL_VERSIONS),
    "gen_ai.operation.name": _one_of({"execute_tool"}),
    "gen_ai.tool.name": _one_of(TOOL_NAMES),
    "gen_ai.prompt.name": _one_of(PROMPT_NAMES),
    "error.type": _NAME_OF_A_TYPE,
    "rpc.response.status_code": _NAME_OF_A_TYPE,
    "http.request.method": _one_of({"GET", "POST", "PUT", "DELETE"}),
    "url.template": _like(r"(/[a-z0-9-]+|/\{id\})+"),
    "http.response.status_code": _number,
    "heymarket.request_id": _like(r"[A-Za-z0-9_.:-]{1,100}"),
    "heymarket.attempt": _number,
    "heymarket.wait": _number,
}
"""The attributes that stay, and which values of each."""


class Discreet(SpanProcessor):
    """Hands on spans that name nobody."""

    def __init__(self, inner: SpanProcessor) -> None:
        self._inner = inner

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        """Nothing is handed on before a span has ended."""

    def on_end(self, span: ReadableSpan) -> None:
        self._inner.on_end(discreet(span))

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._inner.force_flush(timeout_millis)


def discreet(span: ReadableSpan) -> ReadableSpan:
    """The span without anything that a client or the service made up."""
    given = span.attributes or {}
    attributes = {name: value for name, value in given.items() if name in KEPT and KEPT[name](value)}
    return ReadableSpan(
        name=_name_of(span, attributes),
        context=_bare(span.context),
        parent=_bare(span.parent),
        resource=span.resource,
        attributes=attributes,
        kind=span.kind,
        status=Status(span.status.status_code),
        start_time=span.start_time,
        end_time=span.end_time,
        instrumentation_scope=span.instrumentation_scope,
    )


def _name_of(span: ReadableSpan, attributes: dict[str, Any]) -> str:
    """The method and the tool or prompt, or of our own spans the method and the path without ids."""
    if "url.template" in attributes:
        return f"{attributes.get('http.request.method', UNKNOWN)} {attributes['url.template']}"
    method = attributes.get("mcp.method.name", UNKNOWN)
    target = attributes.get("gen_ai.tool.name") or attributes.get("gen_ai.prompt.name")
    if target is None and method in ("tools/call", "prompts/get"):
        target = UNKNOWN
    sending = "MCP send " if span.kind is SpanKind.CLIENT else ""
    return f"{sending}{method}{f' {target}' if target else ''}"


def _bare(found: SpanContext | None) -> SpanContext | None:
    """The ids without the caller's `tracestate`, which may hold anything."""
    return found and SpanContext(found.trace_id, found.span_id, found.is_remote, found.trace_flags)


# Metrics


class Meters(Watcher):
    """Counts what happens."""

    def __init__(self, meter: Meter) -> None:
        def histogram(name: str, description: str, boundaries: tuple[float, ...] = SECONDS) -> Any:
            return meter.create_histogram(
                name, unit="s", description=description, explicit_bucket_boundaries_advisory=boundaries
            )

        self._calls = meter.create_counter("contacts_mcp.calls", description="Calls that were answered.")
        self._active = 0
        meter.create_observable_up_down_counter(
            "contacts_mcp.calls.active", [lambda _: [Observation(self._active)]], description="Calls under way."
        )
        self._call = histogram("contacts_mcp.call.duration", "Time of calls.")
        self._answers = meter.create_counter("contacts_mcp.http.answers", description="Answers over HTTP.")
        self._upstream = histogram("contacts_mcp.upstream.duration", "Time of requests to Heymarket, each copy alone.")
        self._retries = meter.create_counter("contacts_mcp.upstream.retries", description="Requests sent once more.")
        self._wait = histogram("contacts_mcp.limit.wait", "Waits for the rate limit.")
        self._names = meter.create_counter("contacts_mcp.names.reads", description="Uses of a list of names.")
        self._age = histogram("contacts_mcp.mirror.age", "Age of the local index at each search.", AGES)

    def began(self) -> None:
        self._active += 1

    def ended(self) -> None:
        self._active -= 1

    def called(self, tool: str, *, kind: str, is_error: bool, seconds: float) -> None:
        known = tool if tool in TOOL_NAMES or tool.startswith("resource ") else UNKNOWN
        outcome = "error" if is_error else "ok"
        self._calls.add(1, {"tool": known, "outcome": outcome, "kind": kind})
        self._call.record(seconds, {"tool": known, "outcome": outcome})

    def sent(self, operation: str, *, outcome: str, seconds: float) -> None:
        self._upstream.record(seconds, {"operation": operation, "outcome": outcome})

    def repeated(self, operation: str, *, kind: str) -> None:
        self._retries.add(1, {"operation": operation, "kind": kind})

    def waited(self, seconds: float, *, is_bulk: bool) -> None:
        self._wait.record(seconds, {"work": "bulk" if is_bulk else "call"})

    def named(self, names: str, *, is_hit: bool) -> None:
        self._names.add(1, {"list": names.replace(" ", "_"), "outcome": "hit" if is_hit else "fetched"})

    def searched(self, *, age: float) -> None:
        self._age.record(age)

    def answered(self, status: int) -> None:
        self._answers.add(1, {"status": int(status)})  # an HTTPStatus would be a second series of the same name


# All of it


class Telemetry:
    """The running telemetry of this process."""

    def __init__(self, settings: Settings) -> None:
        """Raises AccountError where the address of the page of metrics cannot be used."""
        resource = Resource.create({SERVICE_NAME: "contacts-mcp", SERVICE_VERSION: __version__})
        self._page: MetricsPage | None = None
        readers: list[MetricReader] = []
        if settings.metrics:
            reader, self._page = _page_at(settings.metrics)
            readers.append(reader)
        if _goes_to_a_collector("METRICS"):
            readers.append(_pushed())
        # An exemplar is a trace's id beside a number. They double the price of a metric.
        self._metering = MeterProvider(readers, resource, AlwaysOffExemplarFilter(), shutdown_on_exit=False)
        self._tracing: TracerProvider | None = None
        if _goes_to_a_collector("TRACES"):
            self._tracing = TracerProvider(resource=resource, shutdown_on_exit=False)
            self._tracing.add_span_processor(Discreet(_batched()))
            trace.set_tracer_provider(self._tracing)
        self._before = watch(Meters(self._metering.get_meter(OURS, __version__)))

    def close(self) -> None:
        """Send the rest, within `LAST_WORDS` also where the collector hangs, and close the page."""
        watch(self._before)
        last = threading.Thread(target=self._send_the_rest, daemon=True, name="telemetry-end")
        last.start()
        last.join(LAST_WORDS)
        if self._page:
            self._page.close()

    def _send_the_rest(self) -> None:
        if self._tracing:
            self._tracing.shutdown()
        self._metering.shutdown()


def set_up_telemetry(settings: Settings) -> Telemetry:
    """Begin the telemetry of this process, once. Raises AccountError."""
    return Telemetry(settings)


def _goes_to_a_collector(kind: str) -> bool:
    """Whether OpenTelemetry's variables name a collector for `TRACES` or `METRICS`."""
    variables = environment()
    is_off = variables.get(f"OTEL_{kind}_EXPORTER") == "none"
    names = (f"OTEL_EXPORTER_OTLP_{kind}_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    return not is_off and any(variables.get(name) for name in names)


def _batched() -> SpanProcessor:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter

    return BatchSpanProcessor(OTLPSpanExporter())


def _pushed() -> MetricReader:
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

    return PeriodicExportingMetricReader(OTLPMetricExporter())


def _page_at(address: str) -> tuple[MetricReader, MetricsPage]:
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from prometheus_client import CollectorRegistry, GCCollector, PlatformCollector, ProcessCollector, make_wsgi_app

    registry = CollectorRegistry()
    for collect in (ProcessCollector, PlatformCollector, GCCollector):
        collect(registry=registry)
    reader = PrometheusMetricReader(scope_info_enabled=False, registry=registry)
    return reader, MetricsPage(address, make_wsgi_app(registry))
