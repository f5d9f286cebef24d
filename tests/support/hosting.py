"""A hosted server in the process, spoken to in raw HTTP of both eras."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx

from contacts_mcp.config import Settings
from contacts_mcp.sandbox import Behaviour, Sandbox, open_sandbox
from contacts_mcp.server.hosting import Check, Hosting
from contacts_mcp.workspace import Workspace

ADDRESS = "https://contacts.example.com"
MODERN, HANDSHAKE = "2026-07-28", "2025-06-18"
ERAS = (MODERN, HANDSHAKE)
_numbers = itertools.count(1)


def digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def holder(account: str, name: str, token: str, *scopes: str) -> str:
    """The lines of the accounts file for one static token."""
    listed = ", ".join(f'"contacts:{scope}"' for scope in scopes)
    return f'[[accounts.{account}.tokens]]\nname = "{name}"\nsha256 = "{digest(token)}"\nscopes = [{listed}]\n'


def message(
    era: str, method: str, params: dict[str, Any] | None = None, *, asks: bool = False
) -> tuple[dict[str, str], dict[str, Any]]:
    """The headers and the body of a request. `asks` says that the client can ask its user."""
    params = dict(params or {})
    headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": era}
    if era == MODERN:
        headers["Mcp-Method"] = method
        if name := params.get("name") or params.get("uri"):
            headers["Mcp-Name"] = str(name)
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": era,
            "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
            "io.modelcontextprotocol/clientCapabilities": {"elicitation": {"form": {}}} if asks else {},
        }
    return headers, {"jsonrpc": "2.0", "id": next(_numbers), "method": method, "params": params}


def read(response: httpx.Response) -> dict[str, Any]:
    """The one message in an answer, as JSON or as an event."""
    text = response.text
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        text = next(line[6:] for line in reversed(text.splitlines()) if line.startswith("data: {"))
    answer: dict[str, Any] = json.loads(text)
    return answer


class Team:
    """A hosted server, and the sandboxes behind it by account."""

    def __init__(self, hosting: Hosting, client: httpx.AsyncClient, sandboxes: dict[str, Sandbox]) -> None:
        self.hosting = hosting
        self.client = client
        self.sandboxes = sandboxes

    async def post(
        self, era: str, method: str, params: dict[str, Any] | None = None, *, token: str | None = None, **headers: str
    ) -> httpx.Response:
        given, body = message(era, method, params)
        given |= {name.replace("_", "-"): value for name, value in headers.items()}
        if token is not None:
            given["Authorization"] = f"Bearer {token}"
        return await self.client.post("/mcp", json=body, headers=given)

    async def ask(self, era: str, method: str, params: dict[str, Any] | None = None, *, token: str) -> dict[str, Any]:
        """The result of a request, or its error."""
        response = await self.post(era, method, params, token=token)
        assert response.status_code in (200, 400, 404), (response.status_code, response.text)
        answer = read(response)
        found: dict[str, Any] = answer.get("result") or answer["error"]
        return found

    async def call(self, era: str, tool: str, token: str, /, **arguments: Any) -> dict[str, Any]:
        """The facts of a tool's answer."""
        result = await self.ask(era, "tools/call", {"name": tool, "arguments": arguments}, token=token)
        facts: dict[str, Any] = result.get("structuredContent", result)
        return facts


@asynccontextmanager
async def hosted(
    folder: Path,
    accounts: str,
    *,
    host: str = "0.0.0.0",
    checks: list[Check] | None = None,
    contacts: int = 30,
    wrap: Callable[[Workspace], Workspace] = lambda workspace: workspace,
    prepare: Callable[[str, Sandbox], None] = lambda _, __: None,
    shared: dict[str, Sandbox] | None = None,
    **settings: Any,
) -> AsyncIterator[Team]:
    """A server with these accounts, each on a sandbox of its own.

    `prepare` gets each sandbox with the account's name. `shared` are those of another server, which closes them.
    """
    file = folder / "accounts.toml"
    file.write_text(accounts, encoding="utf-8")
    usual = {"accounts": file, "public_url": ADDRESS, "data_dir": folder / "data", "sandbox_file": ":memory:"}
    usual |= {"time_zone": "UTC", "files": [], "requests_per_minute": 100_000, "signing_key": "a key of the whole team"}
    chosen = Settings.load(**(usual | settings))
    sandboxes: dict[str, Sandbox] = {} if shared is None else shared

    def make(its: Settings) -> Workspace:
        name = names[its.account]
        if name not in sandboxes:
            sandboxes[name] = open_sandbox(behaviour=Behaviour(requests_per_minute=0), contacts=contacts)
            prepare(name, sandboxes[name])
        return wrap(Workspace(its, sandbox=sandboxes[name]))

    hosting = Hosting(chosen, host, 8000, checks=checks or (), make=make)
    assert hosting.accounts
    names = {its.account: name for name, its in hosting.accounts.settings.items()}
    transport = httpx.ASGITransport(hosting.app)
    try:
        async with (
            hosting.app.router.lifespan_context(hosting.app),
            httpx.AsyncClient(transport=transport, base_url=ADDRESS, timeout=30) as client,
        ):
            yield Team(hosting, client, sandboxes)
    finally:
        for sandbox in sandboxes.values() if shared is None else ():
            sandbox.close()
