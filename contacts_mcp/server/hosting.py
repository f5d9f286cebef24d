"""The server for any address: the MCP application with its way in, for the accounts of a file or for one on loopback.

    hosting = hosted(settings, host, port)
    serve_hosted(hosting, host, port, ready=...)          # http.py

- `/mcp` speaks both eras without sessions, so any replica answers any request.
- `/healthz` and `/readyz` need no token and tell nothing secret. The document about OAuth needs none either.
- A configuration that would let strangers in, or replicas refuse each other's answers, does not start.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import anyio
import anyio.to_thread
from mcp.server.auth.middleware.auth_context import AuthContextMiddleware
from mcp.server.auth.middleware.bearer_auth import BearerAuthBackend
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import Lifespan

from contacts_mcp.accounts import SCOPES, read_accounts
from contacts_mcp.config import InvalidSettings, Settings, is_this_machine
from contacts_mcp.server.gate import LARGEST_BODY, PATH, Challenge, Door, Pages, ScopeGate
from contacts_mcp.server.identity import Verifier
from contacts_mcp.server.many import ManyAccounts
from contacts_mcp.server.served import OneAccount, Served
from contacts_mcp.server.server import build_server
from contacts_mcp.server.tools import TOOLS
from contacts_mcp.workspace import Workspace, keeps_files

METADATA = "/.well-known/oauth-protected-resource"
CHECK_WITHIN = 2.0  # seconds
CHECKED_AGAIN = 1.0  # seconds after which readiness is looked at anew

_log = logging.getLogger(__name__)

_LOOPBACK_HOSTS = ["127.0.0.1", "localhost", "[::1]"]
_SERVICE_FAILS = {"unreachable", "service_failed", "answer_lost", "bad_answer"}  # kinds of errors


@dataclass(frozen=True, slots=True)
class Check:
    """One condition of being ready."""

    name: str
    ask: Callable[[], Awaitable[bool]]


def refuse_unsafe(settings: Settings, host: str) -> None:
    """Raises InvalidSettings where these settings cannot be served at that address."""
    is_public = not is_this_machine(host.strip("[]"))
    if is_public and settings.accounts is None:
        raise InvalidSettings(
            f"Others can reach {host}, so CONTACTS_MCP_ACCOUNTS is needed: a file with the issuers or the tokens of "
            "those who may come in. Without it, serve on 127.0.0.1."
        )
    if settings.public_url and settings.accounts is None and not is_this_machine(_host_of(settings.public_url)):
        raise InvalidSettings(
            "CONTACTS_MCP_PUBLIC_URL is an address that others can reach, so CONTACTS_MCP_ACCOUNTS is needed: a file "
            "with the issuers or the tokens of those who may come in. For one person on this machine, set neither."
        )
    if is_public and not settings.public_url:
        raise InvalidSettings(
            f"Others can reach {host}, so CONTACTS_MCP_PUBLIC_URL is needed: the address of this server for its "
            "clients, such as https://contacts.example.com."
        )
    if (settings.shares_state or settings.replicas_most > 1) and settings.signing_key is None:
        raise InvalidSettings(
            "Several servers share these accounts, so CONTACTS_MCP_SIGNING_KEY is needed, the same for all. "
            "Without it each would refuse the confirmations that another one asked for."
        )


def _host_of(url: str) -> str:
    return urlsplit(url).hostname or ""


def hosted(settings: Settings, host: str, port: int) -> Hosting:
    """The server of these settings, with the state that they share with other replicas. Raises AccountError."""
    from contacts_mcp.shared import Shared, kept_apart

    for told in kept_apart(settings):
        _log.warning("%s", told)
    if not settings.shares_state:
        return Hosting(settings, host, port)

    shared = Shared(settings)
    checks = [Check(name, ask) for name, ask in shared.checks.items()]
    return Hosting(settings, host, port, checks=checks, make=partial(Workspace, shared=shared), around=shared)


class Hosting:
    """The application of one server, with its readiness and its end."""

    def __init__(
        self,
        settings: Settings,
        host: str,
        port: int,
        *,
        checks: Sequence[Check] = (),
        make: Callable[[Settings], Workspace] = Workspace,
        around: AbstractAsyncContextManager[Any] | None = None,
    ) -> None:
        """`make` makes the workspace of an account. `checks` decide with others whether this server is ready.

        `around` is entered before the first account is opened, and left when all are closed. Raises InvalidSettings,
        and AccountError for an unknown tool in the settings.
        """
        refuse_unsafe(settings, host)
        self.settings = settings
        self.accounts = read_accounts(settings) if settings.accounts else None
        for remark in self.accounts.remarks if self.accounts else ():
            _log.warning("%s", remark)
        self.is_draining = False
        self._address = settings.public_url or f"http://{f'[{host}]' if ':' in host else host}:{port}"
        self._verifier = Verifier(self.accounts) if self.accounts else None
        self._served: Served = (
            ManyAccounts(self.accounts.settings, make) if self.accounts else OneAccount(make(settings))
        )
        self._listening = ListenHandler(InMemorySubscriptionBus())
        self._readiness = Readiness([*checks, *self._own_checks()])
        self.app = self._application(host)
        if around is not None:
            self.app.router.lifespan_context = _within(around, self.app.router.lifespan_context)

    def begin_drain(self) -> None:
        """Say from now on that this server is about to end. Long streams end, and work stops at its next chunk."""
        self.is_draining = True
        self._listening.close()
        self._served.end_soon()

    def _own_checks(self) -> Iterator[Check]:
        if self._verifier is not None:
            yield Check("keys", self._verifier.has_keys)
        if self.settings.database_url is None:  # else nothing that a change needs is in files
            in_turn = anyio.CapacityLimiter(1)  # on a disk that hangs, the next look waits for the last one

            async def can_write() -> bool:
                return await anyio.to_thread.run_sync(
                    keeps_files, self.settings.directory, abandon_on_cancel=True, limiter=in_turn
                )

            yield Check("files", can_write)

    def _application(self, host: str) -> Starlette:
        server = build_server(self.settings, served=self._served, listening=self._listening)
        server.middleware.append(self._readiness.watch)
        app = server.streamable_http_app(
            streamable_http_path=PATH,
            stateless_http=True,
            max_request_body_size=LARGEST_BODY,
            transport_security=TransportSecuritySettings(
                allowed_hosts=self._hosts(host), allowed_origins=self._origins(host)
            ),
            token_verifier=self._verifier,  # a second lock: nobody unknown reaches the SDK's part
            custom_starlette_routes=self._routes(),
        )
        app.user_middleware[:] = self._way_in()
        return app

    def _way_in(self) -> list[Middleware]:
        """The parts that a request passes, the outermost first."""
        needs = {tool.name: tool.scopes for tool in TOOLS}
        has_issuers = self.accounts is not None and bool(self.accounts.issuers)
        metadata = f"{self._address}{METADATA}{PATH}" if has_issuers else ""
        known = (
            [
                Middleware(AuthenticationMiddleware, backend=BearerAuthBackend(self._verifier)),
                Middleware(AuthContextMiddleware),
            ]
            if self._verifier
            else []
        )
        return [
            *([Middleware(Pages, origins=self.settings.allowed_origins)] if self.settings.allowed_origins else []),
            Middleware(Door, is_draining=lambda: self.is_draining),
            *known,
            Middleware(
                ScopeGate,
                needs=needs,
                challenge=Challenge(metadata) if self._verifier else None,
                open_paths={route.path for route in self._routes()},
            ),
        ]

    def _hosts(self, host: str) -> list[str]:
        """The names under which clients may reach this server, each with any port where it is said without one."""
        named = [self._address.partition("://")[2], *self.settings.allowed_hosts]
        names = [*named, *(_LOOPBACK_HOSTS if is_this_machine(host.strip("[]")) else [])]
        return [*names, *(f"{name}:*" for name in names if ":" not in name.rpartition("]")[2])]

    def _origins(self, host: str) -> list[str]:
        own = [f"http://{name}:*" for name in _LOOPBACK_HOSTS]
        return [*self.settings.allowed_origins, *(own if is_this_machine(host.strip("[]")) else [])]

    def _routes(self) -> list[Route]:
        routes = [Route("/healthz", _is_alive), Route("/readyz", self._is_ready)]
        if self.accounts is not None and self.accounts.issuers:
            routes += [Route(f"{METADATA}{path}", self._metadata) for path in ("", PATH)]
        return routes

    async def _is_ready(self, _: Request) -> Response:
        if self.is_draining:
            return JSONResponse({"ready": False, "draining": True}, HTTPStatus.SERVICE_UNAVAILABLE)
        states = await self._readiness.states()
        is_ready = all(states.values())
        told: dict[str, Any] = {"ready": is_ready}
        told |= {name: "ok" if is_well else "failing" for name, is_well in states.items()}
        told["heymarket"] = self._readiness.service
        return JSONResponse(told, HTTPStatus.OK if is_ready else HTTPStatus.SERVICE_UNAVAILABLE)

    async def _metadata(self, _: Request) -> Response:
        """The document about this resource (RFC 9728), for clients anywhere."""
        assert self.accounts
        document = {
            "resource": f"{self._address}{PATH}",
            "authorization_servers": [issuer.url for issuer in self.accounts.issuers],
            "scopes_supported": [*SCOPES],
            "bearer_methods_supported": ["header"],
            "resource_name": "Heymarket contacts",
        }
        return JSONResponse(
            document, headers={"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=3600"}
        )


class Readiness:
    """Whether a server may get requests. The service behind it is told of, and decides nothing: all would leave."""

    def __init__(self, checks: Sequence[Check]) -> None:
        self._checks = checks
        self._states: dict[str, bool] = {}
        self._looked_at = float("-inf")
        self._turn = anyio.Lock()
        self.service = "not asked yet"

    async def states(self) -> dict[str, bool]:
        """The state of each check, at most `CHECKED_AGAIN` old."""
        async with self._turn:
            if anyio.current_time() - self._looked_at >= CHECKED_AGAIN:
                found = dict.fromkeys((check.name for check in self._checks), False)
                async with anyio.create_task_group() as tasks:
                    for check in self._checks:
                        tasks.start_soon(_ask, check, found)
                self._states, self._looked_at = found, anyio.current_time()
        return self._states

    async def watch(self, ctx: ServerRequestContext[Any, Any], call_next: CallNext) -> HandlerResult:
        """Notes by the answers of tools whether the service answers."""
        result = await call_next(ctx)
        if ctx.method == "tools/call":
            facts = _error_in(result)
            if facts is None:
                self.service = "ok"
            elif facts.get("kind") in _SERVICE_FAILS:
                self.service = "failing"
        return result


def _within(around: AbstractAsyncContextManager[Any], life: Lifespan[Any]) -> Lifespan[Any]:
    @asynccontextmanager
    async def lived(app: Any) -> AsyncIterator[Any]:
        async with around, life(app) as state:
            yield state

    return lived


async def _ask(check: Check, found: dict[str, bool]) -> None:
    try:
        with anyio.move_on_after(CHECK_WITHIN):
            found[check.name] = await check.ask()
    except Exception:  # noqa: BLE001 -- whatever is wrong with it, this server is not ready
        found[check.name] = False


def _error_in(result: HandlerResult) -> dict[str, Any] | None:
    """The facts of an answer that is an error, None of another."""
    if isinstance(result, dict):
        return (result.get("structuredContent") or {}) if result.get("isError") else None
    return (getattr(result, "structured_content", None) or {}) if getattr(result, "is_error", False) else None


async def _is_alive(_: Request) -> Response:
    return PlainTextResponse("ok")
