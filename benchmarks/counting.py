"""Counts the requests that a call makes of the API. A count is the same in every run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import anyio
from mcp.client import Client
from measuring import MISSED, OK, Row

from contacts_mcp.config import Settings
from contacts_mcp.sandbox import open_sandbox
from contacts_mcp.server.server import build_server
from contacts_mcp.workspace import Workspace

NAMED: dict[str, Any] = {"custom_fields": {"Plan": "Gold"}, "tags": ["VIP"], "assignee": "Priya Patel"}
CALLS: list[tuple[str, str, dict[str, Any], int]] = [
    ("lookup_contact by phone, names unknown", "lookup_contact", {"phone": "+1 510 555 0100"}, 3),
    ("create_contact, names unknown", "create_contact", {"phone": "(510) 555-3301"} | NAMED, 4),
    ("lookup_contact by id", "lookup_contact", {"contact_id": 1001}, 1),
    ("lookup_contact by phone", "lookup_contact", {"phone": "+1 510 555 0100"}, 1),
    ("create_contact", "create_contact", {"phone": "(510) 555-3302"} | NAMED, 3),
    ("update_contact", "update_contact", {"contact_id": 1001, "first": "Jo"} | NAMED, 3),
]
"""The calls, in this order, and the most requests that each may make.

Three kinds of names are fetched once, when they are first needed.
"""


def measure() -> Iterator[Row]:
    """One row a call."""
    yield from anyio.run(_count)


async def _count() -> list[Row]:
    rows = []
    with tempfile.TemporaryDirectory() as home, closing(open_sandbox()) as sandbox:
        settings = Settings.load(sandbox=True, data_dir=home)
        workspace = Workspace(settings, sandbox=sandbox)
        async with Client(build_server(settings, workspace=workspace)) as client:
            for what, tool, arguments, most in CALLS:
                sandbox.requests.clear()
                result = await client.call_tool(tool, arguments)
                if result.is_error:
                    raise RuntimeError(f"{what}: {result.content}")
                made = [request.operation for request in sandbox.requests]
                rows.append(
                    Row(
                        f"requests of {what}",
                        f"{len(made)}, at most {most}: {', '.join(made)}",
                        OK if len(made) <= most else MISSED,
                    )
                )
        await workspace.aclose()
    return rows
