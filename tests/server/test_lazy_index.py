"""The index costs nothing until a call needs it. Seen from outside, in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
from pathlib import Path
import anyio
from mcp.client import Client
from contacts_mcp.config import Settings
from contacts_mcp.server.server import build_server

HEAVY = ("contacts_mcp.state.index", "contacts_mcp.book.search.filling", "rapidfuzz", "anyascii")

async def main():
    settings = Settings.load(sandbox=True, data_dir=Path(sys.argv[1]))
    async with Client(build_server(settings)) as client:
        await client.list_tools()
        print("listed", [name for name in HEAVY if name in sys.modules])
        answer = await client.call_tool("lookup_contact", {"contact_id": 1001})
        assert not answer.is_error
        print("looked up", [name for name in HEAVY if name in sys.modules])
        await client.call_tool("update_contact", {"contact_id": 1001, "first": "Jo"})
        print("written", [name for name in HEAVY if name in sys.modules])
    print("files", sorted(path.name for path in Path(sys.argv[1]).glob("index*")))

anyio.run(main)
"""


def test_nothing_of_the_index_is_loaded_or_made_before_a_call_needs_it(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(tmp_path)], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.stdout.splitlines() == ["listed []", "looked up []", "written []", "files []"], done.stderr
