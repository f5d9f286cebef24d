"""A real chain in the process: MCP client -> server -> address book -> wire -> ASGI sandbox -> SQLite."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
from mcp.client import Client
from mcp_types import CallToolResult

from contacts_mcp.config import Settings
from contacts_mcp.sandbox import Behaviour, Credentials, Sandbox, open_sandbox, serve
from contacts_mcp.server.server import build_server
from contacts_mcp.workspace import Workspace

from .assistant import Assistant
from .clock import Clock
from .wire import Wire


class Session(Assistant):
    """One assistant at work: a connected client, and the sandbox behind the server to look into."""

    def __init__(
        self, client: Client, sandbox: Sandbox, workspace: Workspace, *, wire: Wire, clock: Clock | None
    ) -> None:
        self.client = client
        self.sandbox = sandbox
        self.workspace = workspace
        self.wire = wire  # over real HTTP no request comes by here
        self._clock = clock

    @property
    def clock(self) -> Clock:
        """The server's time of day, in a session that was opened with a clock."""
        assert self._clock is not None
        return self._clock

    async def call(self, tool: str, /, **arguments: Any) -> CallToolResult:
        """The answer of a tool, whatever it is. `sandbox.requests` then holds the requests of this call only."""
        self.sandbox.requests.clear()
        return await super().call(tool, **arguments)

    @property
    def operations(self) -> list[str]:
        """The operations that the last call asked of the service, in order."""
        return [request.operation for request in self.sandbox.requests]


OpenSession = Callable[..., AbstractAsyncContextManager[Session]]


def open_sessions(directory: Path, wire: str) -> OpenSession:
    """Opens sessions.

    `async with open_session(mode=..., behaviour=..., contacts=..., client=..., **settings) as session` opens one.
    `sandbox` works on an open one. `client` are arguments for the SDK's client, such as an elicitation callback.
    `clock` tells the server the time of day, which is the real one otherwise.
    """

    @asynccontextmanager
    async def opened(
        *,
        mode: str = "auto",
        behaviour: Behaviour | None = None,
        contacts: int = 30,
        sandbox: Sandbox | None = None,
        client: dict[str, Any] | None = None,
        clock: Clock | None = None,
        **settings: Any,
    ) -> AsyncIterator[Session]:
        here = sandbox or open_sandbox(behaviour=behaviour or Behaviour(requests_per_minute=0), contacts=contacts)
        try:
            async with _connected_to(here, wire) as reached:
                chosen = Settings.load(
                    **(
                        {"data_dir": directory / "data", "requests_per_minute": 100_000, "time_zone": "UTC"}
                        | reached
                        | settings
                    )
                )
                way = Wire(here)
                lent: Any = way if wire == "in process" else None
                workspace = Workspace(chosen, sandbox=lent, clock=clock or time.time)
                try:
                    async with Client(
                        build_server(chosen, workspace=workspace), mode=mode, **(client or {})
                    ) as connected:
                        yield Session(connected, here, workspace, wire=way, clock=clock)
                finally:
                    await workspace.aclose()
        finally:
            if sandbox is None:
                here.close()

    return opened


@asynccontextmanager
async def _connected_to(sandbox: Sandbox, wire: str) -> AsyncIterator[dict[str, Any]]:
    """The settings with which a server reaches `sandbox`."""
    if wire == "in process":
        yield {"sandbox": True}
        return
    async with anyio.create_task_group() as tasks:
        url = await tasks.start(serve, sandbox)
        yield {"base_url": url, "api_key": Credentials().api_key}
        tasks.cancel_scope.cancel()
