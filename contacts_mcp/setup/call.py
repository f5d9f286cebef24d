"""One tool call from the shell: a real client and the real server, in one process; and lists as a table."""

from __future__ import annotations

import sys
from typing import Any

import anyio
import click
from mcp.client import Client, ClientRequestContext
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult

from contacts_mcp.config import Settings
from contacts_mcp.server.server import build_server
from contacts_mcp.server.tools import TOOLS

WIDEST = 40  # characters of one cell


def call_tool(settings: Settings, tool: str, arguments: dict[str, Any]) -> CallToolResult:
    """The tool's answer. A confirmation is asked for on the terminal, where there is one."""

    async def run() -> CallToolResult:
        callback = _ask if sys.stdin.isatty() else None
        async with Client(build_server(settings), elicitation_callback=callback) as client:
            return await client.call_tool(tool, arguments)

    return anyio.run(run)


def tool_names() -> list[str]:
    return [offer.name for offer in TOOLS]


def table(facts: dict[str, Any]) -> str:
    """The list of an answer (contacts, fields, changes) in aligned columns; empty where it has none."""
    rows = next(
        (value for value in facts.values() if isinstance(value, list) and value and isinstance(value[0], dict)), []
    )
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [columns, *([_cell(row.get(name, "")) for name in columns] for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        value = ", ".join(f"{name}: {item}" for name, item in value.items())
    if isinstance(value, list):
        value = ", ".join(map(_cell, value))
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


async def _ask(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:  # noqa: ARG001 -- the SDK's signature
    approved = await anyio.to_thread.run_sync(click.confirm, params.message)
    return ElicitResult(action="accept", content={"approve": approved})
