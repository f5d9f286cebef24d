"""Writes the snapshots of everything an assistant gets: tools, prompts, resources and instructions. Tests hold them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
from mcp.client import Client

from contacts_mcp.config import Settings
from contacts_mcp.server.server import build_server

SNAPSHOTS = Path(__file__).parent.parent / "tests" / "snapshots"


async def contracts() -> dict[str, Any]:
    """Everything that is listed, by the name of its snapshot.

    Listing needs no account and makes no request.
    """
    async with Client(build_server(Settings.load(sandbox=True))) as client:
        return {
            "instructions": client.instructions,
            "tools": _plain((await client.list_tools()).tools),
            "prompts": _plain((await client.list_prompts()).prompts),
            "resources": _plain((await client.list_resources()).resources),
            "resource_templates": _plain((await client.list_resource_templates()).resource_templates),
        }


def _plain(listed: Sequence[Any]) -> list[Any]:
    """The items without `_meta` and the chat view, which `tests/view` holds."""
    shown = [item for item in listed if item.name != "view"]
    return [item.model_dump(by_alias=True, exclude_none=True, mode="json", exclude={"meta"}) for item in shown]


def main() -> None:
    SNAPSHOTS.mkdir(exist_ok=True)
    for name, listed in anyio.run(contracts).items():
        text = json.dumps(listed, indent=2, ensure_ascii=False)
        SNAPSHOTS.joinpath(f"{name}.json").write_text(f"{text}\n", encoding="utf-8")


if __name__ == "__main__":
    main()
