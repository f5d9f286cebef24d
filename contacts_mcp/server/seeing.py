"""Seeing a hosted server at work: an id for each HTTP request, its trace, and telemetry where somebody wants it.

- A client or a proxy may bring an id (`X-Request-Id`). It counts only in the form of a UUID or of 32 hexadecimal
  digits, because the log holds it. The answer always has one.
- A trace that comes in the header `traceparent` goes on in the spans of the call. One in the message's `_meta` wins.
- OpenTelemetry's SDK is imported only where telemetry is wanted: it takes time and memory.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry import context, propagate  # the API alone, which the MCP SDK has loaded already
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from contacts_mcp.config import Settings, environment
from contacts_mcp.errors import AccountError
from contacts_mcp.state import acting, watching

_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_COLLECTORS = tuple(f"OTEL_EXPORTER_OTLP_{kind}ENDPOINT" for kind in ("", "TRACES_", "METRICS_"))


class Arrivals:
    """Around the whole application: gives each request its id and its trace, and counts the answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        given = headers.get("x-request-id", "")
        request = given if _ID.fullmatch(given) else uuid.uuid4().hex

        async def answer(message: Message) -> None:
            if message["type"] == "http.response.start":
                if watcher := watching.watcher:
                    watcher.answered(message["status"])
                MutableHeaders(scope=message)["X-Request-Id"] = request
            await send(message)

        token = acting.request.set(request)
        trace = context.attach(propagate.extract(headers)) if "traceparent" in headers else None
        try:
            await self._app(scope, receive, answer)
        finally:
            if trace is not None:
                context.detach(trace)
            acting.request.reset(token)


def is_wanted(settings: Settings) -> bool:
    """Whether somebody wants telemetry: a page of metrics, or a collector in OpenTelemetry's own variables."""
    variables = environment()
    return bool(settings.metrics) or any(variables.get(name) for name in _COLLECTORS)


@contextmanager
def telemetry(settings: Settings) -> Iterator[None]:
    """Within this, telemetry goes where it is wanted. At its end the rest is sent, within seconds.

    For `serve --http`. Over stdio there is none: people set OpenTelemetry's variables for their assistant, whose
    children inherit them.
    Raises AccountError for an address of metrics that cannot be used, and where a package is missing.
    """
    if not is_wanted(settings):
        yield
        return
    try:
        from contacts_mcp.server.telemetry import set_up_telemetry
    except ImportError as error:
        raise AccountError(
            f"Telemetry needs more packages ({error.name}). Install them, by pip install '.[team]' in a copy of the "
            "repository, or remove CONTACTS_MCP_METRICS and OTEL_EXPORTER_OTLP_ENDPOINT."
        ) from None
    running = set_up_telemetry(settings)
    try:
        yield
    finally:
        running.close()
