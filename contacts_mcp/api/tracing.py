"""A span for each request to the service, below the span that the MCP SDK makes for a tool's call.

- OpenTelemetry's API is used only where it is loaded already, as it is in every server. Nothing is recorded unless an
  SDK with an exporter is set up in the process.
- A span holds the method, the path without ids and query, the status, the kind of a failure and the request id. It
  holds no personal data, and no text of an error.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class RequestSpan:
    """The span of one request, which may be nobody's."""

    def __init__(self, span: Any = None) -> None:
        self._span = span

    def answered(self, status: int, request_id: str) -> None:
        """Note the answer of the service."""
        if self._span is None:
            return
        self._span.set_attribute("http.response.status_code", status)
        if request_id:
            self._span.set_attribute("heymarket.request_id", request_id)
        if status >= _FAILURES:
            self.failed(str(status))

    def failed(self, kind: str) -> None:
        """Note a failure. `kind` is the name of an error's type, or a status."""
        if self._span is None:
            return
        self._span.set_attribute("error.type", kind)
        self._span.set_status(_loaded().StatusCode.ERROR)


_FAILURES = 400


def _loaded() -> Any:
    """OpenTelemetry's API for traces where this process has it, None where not. It takes 20 ms to load."""
    return sys.modules.get("opentelemetry.trace")


@contextmanager
def request_span(method: str, template: str) -> Iterator[RequestSpan]:
    """The span of a request while it is under way. `template` is its path without ids."""
    trace = _loaded()
    if trace is None or isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):  # nobody listens
        yield RequestSpan()
        return
    attributes = {"http.request.method": method, "url.template": template}
    with trace.get_tracer("contacts_mcp").start_as_current_span(
        f"{method} {template}",
        kind=trace.SpanKind.CLIENT,
        attributes=attributes,
        record_exception=False,  # its text may hold a contact's data
        set_status_on_exception=False,
    ) as span:
        yield RequestSpan(span)
