"""A server that says more than it should: every logger at DEBUG, and errors that hold somebody's data.

It is started as `contacts-mcp` is. Errors are planted where a mistake of ours would show. These are a tool, a resource,
a prompt, a list, and the application around the SDK.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import warnings
from typing import Any

import uvicorn

from contacts_mcp import book
from contacts_mcp.server import http, logs, resources, server
from contacts_mcp.server.prompts import PromptFile

PLANTED = "15105557777 +15105557777 Plantedfirst Plantedlast planted@example.com planted-token-4e1f"
LOGGERS = (
    "asyncio",
    "httpcore",
    "httpcore.http11",
    "httpx",
    "mcp",
    "mcp.server.runner",
    "opentelemetry.exporter",
    "psycopg",
    "psycopg.pool",
    "redis",
    "sse_starlette",
    "starlette",
    "urllib3.connectionpool",
    "uvicorn",
    "uvicorn.access",
    "uvicorn.asgi",
    "uvicorn.error",
    "anybody.else",
)


class SeamBroken(Exception):
    """A mistake whose text names people."""


def at_debug() -> None:
    logging.getLogger().setLevel(logging.DEBUG)
    for name in LOGGERS:
        logging.getLogger(name).setLevel(logging.DEBUG)


def speak() -> None:
    """Each of them speaks in each way there is."""
    for name in LOGGERS:
        logger = logging.getLogger(name)
        for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
            logger.log(level, PLANTED)
            logger.log(level, f"about {PLANTED}")  # noqa: G004 -- as others do
            logger.log(level, "the answer %s of %r", PLANTED, {"name": PLANTED})
            logger.log(level, {"name": PLANTED})
            logger.log(level, "with an extra", extra={"facts": {"name": PLANTED}, "name_of": PLANTED})
        try:
            fail_in_a_group()
        except ExceptionGroup:
            logger.exception("broken for %s", PLANTED, stack_info=True)
        logger.error(SeamBroken(PLANTED))


def fail_in_a_group() -> None:
    try:
        {}[PLANTED]
    except KeyError as error:
        raise ExceptionGroup(PLANTED, [SeamBroken(PLANTED), ValueError(PLANTED)]) from error


def go_wrong() -> None:
    """Errors that nobody catches."""
    warnings.warn(PLANTED, UserWarning, stacklevel=1)

    def fail() -> None:
        raise SeamBroken(PLANTED)

    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()

    class Fragile:
        def __del__(self) -> None:
            raise SeamBroken(PLANTED)

    Fragile()


async def _fail(*_: Any, **__: Any) -> Any:
    raise SeamBroken(PLANTED)


def _plant() -> None:
    real_setup, real_configure = logs.set_up_logging, uvicorn.Config.configure_logging
    real_serve, real_arrivals = http._serve, http.Arrivals

    def set_up(*given: Any, **more: Any) -> None:
        real_setup(*given, **more)
        at_debug()

    def configure(config: uvicorn.Config) -> None:
        real_configure(config)
        at_debug()

    def serve(*given: Any) -> None:
        speak()
        go_wrong()
        real_serve(*given)

    def arrivals(app: Any) -> Any:
        async def troubled(scope: Any, receive: Any, send: Any) -> None:
            if scope.get("path", "").startswith("/broken"):
                asyncio.get_running_loop().create_task(_fail())  # nobody ever asks for its result
                raise SeamBroken(PLANTED)
            await app(scope, receive, send)

        return real_arrivals(troubled)

    logs.set_up_logging = set_up
    uvicorn.Config.configure_logging = configure
    http._serve = serve
    http.Arrivals = arrivals
    book.look_up = _fail
    for name in ("tags", "team"):
        entry = next(one for one in resources.RESOURCES if one.name == name)
        object.__setattr__(entry, "read", _named(name))
    PromptFile.render = _failing
    server._Methods.list_resource_templates = _fail


def _named(name: str) -> Any:
    async def read(_: Any) -> Any:
        raise SeamBroken(PLANTED)

    read.__name__ = name
    return read


def _failing(*_: Any, **__: Any) -> str:
    raise SeamBroken(PLANTED)


if __name__ == "__main__":
    from contacts_mcp.cli import main

    _plant()
    main()
