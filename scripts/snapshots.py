"""Writes the snapshots that tests hold the server to: each tool as an assistant gets it, in the order in which it is listed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
from mcp.client import Client

from contacts_mcp.config import Settings
from contacts_mcp.server import build_server

SNAPSHOTS = Path(__file__).parent.parent / "tests" / "snapshots"


async def tools() -> list[dict[str, Any]]:
    """The whole catalogue; listing it needs no account and makes no request."""
    async with Client(build_server(Settings.load(sandbox=True))) as client:
        return [tool.model_dump(by_alias=True, exclude_none=True, mode="json") for tool in (await client.list_tools()).tools]


def main() -> None:
    text = json.dumps(anyio.run(tools), indent=2, ensure_ascii=False)
    SNAPSHOTS.mkdir(exist_ok=True)
    SNAPSHOTS.joinpath("tools.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
