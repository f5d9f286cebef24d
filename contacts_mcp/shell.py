"""One tool call from the shell: a real client and the real server, in one process."""

from __future__ import annotations

import sys
from typing import Any

import anyio
import click
from mcp.client import Client, ClientRequestContext
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult

from contacts_mcp.config import Settings
from contacts_mcp.server import build_server


def call_tool(settings: Settings, tool: str, arguments: dict[str, Any]) -> CallToolResult:
    """The tool's answer. A confirmation is asked for on the terminal, where there is one."""

    async def run() -> CallToolResult:
        callback = _ask if sys.stdin.isatty() else None
        async with Client(build_server(settings), elicitation_callback=callback) as client:
            return await client.call_tool(tool, arguments)

    return anyio.run(run)


async def _ask(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:  # noqa: ARG001 -- the SDK's signature
    approved = await anyio.to_thread.run_sync(click.confirm, params.message)
    return ElicitResult(action="accept", content={"approve": approved})
