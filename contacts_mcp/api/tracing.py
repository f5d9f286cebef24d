"""A span for each request to the service, below the span that the MCP SDK makes for a tool's call.

- OpenTelemetry's API is used only where it is loaded already, as it is in every server. Nothing is recorded unless an
  SDK with an exporter is set up in the process.
- A span holds the method, the path without ids and query, the status, the kind of a failure and the request id. It
  also tells which attempt it was, and the wait for the rate limit before it.
- It holds no personal data, and no text of an error.
- The watcher (`state/watching.py`) hears of each request too.
"""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import lru_cache
from types import TracebackType
from typing import Any, Self

from contacts_mcp.state import watching


@dataclass(frozen=True, slots=True)
class Attempt:
    """One copy of a request on its way."""

    number: int = 1
    waited: float = 0.0  # seconds for the rate limit


FIRST = Attempt()


class RequestSpan:
    """The span of one request while it is under way. It may be nobody's."""

    def __init__(self, method: str, template: str, attempt: Attempt = FIRST) -> None:
        """`template` is the path without ids."""
        self._operation = f"{method} {template}"
        self._recording = _span(self._operation, method, template, attempt)
        self._span: Any = None
        self._begin = 0.0
        self.outcome = ""  # a status, or the name of an error's type

    def __enter__(self) -> Self:
        self._begin = time.perf_counter()
        self._span = self._recording.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None and not self.outcome:  # of a caller who gave up, or an answer that is none
            self.failed(kind.__name__)
        self._recording.__exit__(kind, error, trace)
        if watcher := watching.watcher:
            watcher.sent(self._operation, outcome=self.outcome, seconds=time.perf_counter() - self._begin)

    def answered(self, status: int, request_id: str) -> None:
        """Note the answer of the service."""
        self.outcome = str(status)
        if self._span is None:
            return
        self._span.set_attribute("http.response.status_code", status)
        if request_id:
            self._span.set_attribute("heymarket.request_id", request_id)
        if status >= _FAILURES:
            self.failed(str(status))

    def failed(self, kind: str) -> None:
        """Note a failure. `kind` is the name of an error's type, or a status."""
        self.outcome = kind
        if self._span is None:
            return
        self._span.set_attribute("error.type", kind)
        self._span.set_status(_loaded().StatusCode.ERROR)


_FAILURES = 400


def _loaded() -> Any:
    """OpenTelemetry's API for traces where this process has it, None where not. It takes 20 ms to load."""
    return sys.modules.get("opentelemetry.trace")


_NOBODY = nullcontext()


@lru_cache(maxsize=1)
def _tracer(provider: Any) -> Any:
    return provider.get_tracer("contacts_mcp")


def _span(operation: str, method: str, template: str, attempt: Attempt) -> AbstractContextManager[Any]:
    """The span of OpenTelemetry, None where nobody listens."""
    trace = _loaded()
    provider = trace and trace.get_tracer_provider()
    if trace is None or isinstance(provider, trace.ProxyTracerProvider):
        return _NOBODY
    attributes = {
        "http.request.method": method,
        "url.template": template,
        "heymarket.attempt": attempt.number,
        "heymarket.wait": round(attempt.waited, 3),
    }
    span: AbstractContextManager[Any] = _tracer(provider).start_as_current_span(
        operation,
        kind=trace.SpanKind.CLIENT,
        attributes=attributes,
        record_exception=False,  # its text may hold a contact's data
        set_status_on_exception=False,
    )
    return span
