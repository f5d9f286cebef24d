"""The price of the server for an assistant in tokens, against its budgets.

A token is four bytes of compact UTF-8 JSON, or of text. Prints a table, and exits 1 when something is over.
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple

import anyio
from mcp.client import Client
from mcp_types import CallToolResult, ListToolsResult, TextContent, Tool

from contacts_mcp.config import Settings
from contacts_mcp.sandbox import open_sandbox
from contacts_mcp.server.instructions import instructions_for
from contacts_mcp.server.server import build_server
from contacts_mcp.server.tools import TOOLS
from contacts_mcp.workspace import Workspace

CATALOGUE = 5_300
BASIC_TOOLS = 2_600
ONE_TOOL = 600
INSTRUCTION = 400
PAGE = 2_000
ANY_ANSWER = 20_000

BASIC = ("create_contact", "lookup_contact", "update_contact", "delete_contact", "list_contacts", "list_contact_fields")


class Cost(NamedTuple):
    """One row of the table."""

    what: str
    tokens: int
    budget: int


def tokens(value: object) -> int:
    """About how many tokens a text costs, or anything else once it is JSON: four bytes each, rounded up."""
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return -(-len(text.encode()) // 4)


def text_of(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


def _as_models_see(tool: Tool) -> dict[str, Any]:
    """A tool without `_meta`, which goes to no model."""
    return tool.model_dump(by_alias=True, exclude_none=True, mode="json", exclude={"meta"})


def catalogue_costs(listed: ListToolsResult) -> Iterator[Cost]:
    """A row a tool, and their sums."""
    tools = {tool.name: tokens(_as_models_see(tool)) for tool in listed.tools}
    for name, cost in tools.items():
        yield Cost(f"tool {name}", cost, ONE_TOOL)
    yield Cost("the six basic tools", sum(tools[name] for name in BASIC), BASIC_TOOLS)
    yield Cost("whole catalogue", sum(tools.values()), CATALOGUE)
    yield Cost("instructions", tokens(instructions_for([tool.name for tool in TOOLS])), INSTRUCTION)


def answer_costs(what: str, result: CallToolResult, budget: int) -> Iterator[Cost]:
    """The price of an answer for an assistant, and of its structure for a program."""
    yield Cost(f"{what}: text", tokens(text_of(result)), budget)
    yield Cost(f"{what}: structure", tokens(result.structured_content), ANY_ANSWER)


async def costs() -> list[Cost]:
    """Everything there is a budget for, measured on the sandbox in this process."""
    with tempfile.TemporaryDirectory() as home, closing(open_sandbox()) as sandbox:
        settings = Settings.load(sandbox=True, data_dir=home)
        workspace = Workspace(settings, sandbox=sandbox)
        async with Client(build_server(settings, workspace=workspace)) as client:
            rows = list(catalogue_costs(await client.list_tools()))
            rows += answer_costs("25 concise contacts", await client.call_tool("list_contacts", {"limit": 25}), PAGE)
            rows += answer_costs(
                "one look-up", await client.call_tool("lookup_contact", {"contact_id": 1001}), ANY_ANSWER
            )
            change = {"contact_id": 1001, "custom_fields": {"Plan": "Premium"}, "add_tags": ["Lead"]}
            rows += answer_costs("one update", await client.call_tool("update_contact", change), ANY_ANSWER)
        await workspace.aclose()
    return rows


def main() -> int:
    rows = anyio.run(costs)
    for row in rows:
        print(f"{row.what:<32}{row.tokens:>7,} of {row.budget:>6,}{'   OVER' if row.tokens > row.budget else ''}")
    return int(any(row.tokens > row.budget for row in rows))


if __name__ == "__main__":
    sys.exit(main())
