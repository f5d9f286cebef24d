"""One person with one token, as a client of the server speaks: plain HTTP, in either protocol era."""

from __future__ import annotations

import itertools
import json
import ssl
from dataclasses import dataclass, field
from typing import Any

import httpx

MODERN = "2026-07-28"  # stateless; every request says who asks
LEGACY = "2025-06-18"  # with a handshake, which a stateless server does not insist on
ERAS = (MODERN, LEGACY)
ANSWERED_WITHIN = 60  # seconds

_numbers = itertools.count(1)


@dataclass(frozen=True)
class Answer:
    """The answer to one request."""

    status: int
    headers: httpx.Headers
    message: dict[str, Any]  # the JSON-RPC message, or the whole JSON of another body

    @property
    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = self.message.get("result") or {}
        return found

    @property
    def facts(self) -> dict[str, Any]:
        """The structure of a tool's answer."""
        found: dict[str, Any] = self.result.get("structuredContent") or {}
        return found

    @property
    def text(self) -> str:
        """The text of a tool's answer."""
        return "\n".join(block.get("text", "") for block in self.result.get("content", []))

    @property
    def is_carried_out(self) -> bool:
        """Whether the tool did what it was asked for."""
        return self.status == httpx.codes.OK and "result" in self.message and not self.result.get("isError")

    def __str__(self) -> str:
        return f"{self.status} {self.text or json.dumps(self.message)[:300]}"


@dataclass
class Caller:
    """Makes requests at one address. `era` is a revision of the protocol."""

    url: str
    token: str = field(default="", repr=False)
    era: str = MODERN
    trust: ssl.SSLContext | bool = True
    _client: httpx.Client = field(init=False, repr=False)

    def __post_init__(self) -> None:
        # A connection for each request, as the proxies of many people have it.
        limits = httpx.Limits(max_keepalive_connections=0)
        self._client = httpx.Client(verify=self.trust, timeout=ANSWERED_WITHIN, limits=limits, trust_env=False)

    def call(self, tool: str, **arguments: Any) -> Answer:
        """Calls a tool."""
        return self.ask("tools/call", name=tool, arguments=arguments)

    def ask(self, method: str, **params: Any) -> Answer:
        """Makes one request of the protocol. Raises httpx.HTTPError where no answer comes."""
        return answer_in(self._client.send(request(self.url, self.token, self.era, method, params)))

    def initialize(self) -> Answer:
        """The handshake of the eras before."""
        about = {"name": "scripts/team", "version": "1"}
        return self.ask("initialize", protocolVersion=self.era, capabilities={}, clientInfo=about)

    def get(self, path: str, **headers: str) -> httpx.Response:
        """A plain GET of this address."""
        return self._client.get(f"{self.url}{path}", headers=headers)


def request(url: str, token: str, era: str, method: str, params: dict[str, Any]) -> httpx.Request:
    """One request of the protocol as HTTP."""
    headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": era}
    if era == MODERN:
        headers["Mcp-Method"] = method
        if "name" in params:
            headers["Mcp-Name"] = params["name"]
        params["_meta"] = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientInfo": {"name": "scripts/team", "version": "1"},
            "io.modelcontextprotocol/clientCapabilities": {},
        }
    if token:
        headers["Authorization"] = f"Bearer {token}"
    message = {"jsonrpc": "2.0", "id": next(_numbers), "method": method, "params": params}
    timeout = dict.fromkeys(("connect", "read", "write", "pool"), ANSWERED_WITHIN)
    return httpx.Request("POST", f"{url}/mcp", json=message, headers=headers, extensions={"timeout": timeout})


def answer_in(response: httpx.Response) -> Answer:
    """The answer of the protocol in a response that was read."""
    return Answer(response.status_code, response.headers, _message_in(response))


def _message_in(answer: httpx.Response) -> dict[str, Any]:
    text = answer.text
    if answer.headers.get("content-type", "").startswith("text/event-stream"):
        text = next((line[5:] for line in text.splitlines() if line.startswith("data:") and "jsonrpc" in line), "")
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
