"""What tests share: one backend, and a real chain in the process: MCP client -> server -> address book -> wire -> ASGI sandbox -> SQLite."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client
from mcp_types import CallToolResult

from contacts_mcp.config import Settings
from contacts_mcp.sandbox import Behaviour, Credentials, Sandbox, open_sandbox, serve
from contacts_mcp.server.server import build_server
from contacts_mcp.workspace import Workspace

ERAS = ("auto", "legacy")  # 2026-07-28, stateless; and the handshake of the revisions before


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Session:
    """One assistant at work: a connected client, and the sandbox behind the server to look into."""

    def __init__(self, client: Client, sandbox: Sandbox, workspace: Workspace) -> None:
        self.client = client
        self.sandbox = sandbox
        self.workspace = workspace

    async def call(self, tool: str, /, **arguments: Any) -> CallToolResult:
        """The answer of a tool, whatever it is; `sandbox.requests` then holds the requests of this call only."""
        self.sandbox.requests.clear()
        result = await self.client.call_tool(tool, arguments)
        assert isinstance(result, CallToolResult)
        return result

    async def ok(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """The structured answer of a call that must succeed."""
        result = await self.call(tool, **arguments)
        assert not result.is_error, text_of(result)
        assert result.structured_content is not None
        return result.structured_content

    async def refused(self, tool: str, /, **arguments: Any) -> str:
        """The text of a call that must be refused."""
        result = await self.call(tool, **arguments)
        assert result.is_error, text_of(result)
        return text_of(result)

    @property
    def operations(self) -> list[str]:
        """What the last call asked of the service."""
        return [request.operation for request in self.sandbox.requests]


def text_of(result: CallToolResult) -> str:
    (block,) = result.content
    assert block.type == "text"
    return block.text


OpenSession = Callable[..., AbstractAsyncContextManager[Session]]


@pytest.fixture
def wire() -> str:
    """How the server reaches the sandbox: in the process. A module that gives "http" too runs over real HTTP as well."""
    return "in process"


@asynccontextmanager
async def connected_to(sandbox: Sandbox, wire: str) -> AsyncIterator[dict[str, Any]]:
    """The settings with which a server reaches `sandbox`."""
    if wire == "in process":
        yield {"sandbox": True}
        return
    async with anyio.create_task_group() as tasks:
        url = await tasks.start(serve, sandbox)
        yield {"base_url": url, "api_key": Credentials().api_key}
        tasks.cancel_scope.cancel()


@pytest.fixture
def open_session(tmp_path: Path, wire: str) -> OpenSession:
    """Opens sessions: `async with open_session(mode=..., behaviour=..., contacts=..., client=..., **settings) as session`.

    `sandbox` works on an open one; `client` are arguments for the SDK's client, such as an elicitation callback.
    """

    @asynccontextmanager
    async def opened(
        *,
        mode: str = "auto",
        behaviour: Behaviour | None = None,
        contacts: int = 30,
        sandbox: Sandbox | None = None,
        client: dict[str, Any] | None = None,
        **settings: Any,
    ) -> AsyncIterator[Session]:
        here = sandbox or open_sandbox(behaviour=behaviour or Behaviour(requests_per_minute=0), contacts=contacts)
        try:
            async with connected_to(here, wire) as reached:
                chosen = Settings.load(
                    **({"data_dir": tmp_path / "data", "requests_per_minute": 100_000} | reached | settings)
                )
                workspace = Workspace(chosen, sandbox=here)
                try:
                    async with Client(
                        build_server(chosen, workspace=workspace), mode=mode, **(client or {})
                    ) as connected:
                        yield Session(connected, here, workspace)
                finally:
                    await workspace.aclose()
        finally:
            if sandbox is None:
                here.close()

    return opened


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    """Both protocol eras in turn."""
    return str(request.param)


@pytest.fixture
async def session(open_session: OpenSession, era: str) -> AsyncIterator[Session]:
    """A session over a book of 30 contacts, in both eras."""
    async with open_session(mode=era) as opened:
        yield opened
