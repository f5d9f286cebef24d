"""A filling that is killed with -9 at any moment goes on from its place, over real HTTP and in a real process."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from contacts_mcp.api.client import PAGE
from contacts_mcp.api.pace import LEAST_RESERVE
from contacts_mcp.sandbox import Behaviour, Credentials, Sandbox, open_sandbox, serve

PEOPLE = 2_000
SLOW = 55  # requests a minute, of which the filling may send its share at once

BUILD = [sys.executable, "-m", "contacts_mcp", "index", "build"]


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
async def test_a_killed_filling_goes_on_from_its_place(tmp_path: Path) -> None:
    with closing(open_sandbox(contacts=PEOPLE, behaviour=Behaviour(requests_per_minute=0))) as sandbox:
        async with anyio.create_task_group() as tasks:
            url = await tasks.start(serve, sandbox)
            environment = os.environ | {
                "HEYMARKET_BASE_URL": url,
                "HEYMARKET_API_KEY": Credentials().api_key,
                "CONTACTS_MCP_DATA_DIR": str(tmp_path),
                "CONTACTS_MCP_REQUESTS_PER_MINUTE": str(SLOW),
            }
            async with await anyio.open_process(BUILD, env=environment) as process:
                await until_asked(sandbox, SLOW - LEAST_RESERVE - 1)
                process.send_signal(signal.SIGKILL)
            sandbox.requests.clear()
            environment["CONTACTS_MCP_REQUESTS_PER_MINUTE"] = "100000"
            done = await anyio.run_process(BUILD, env=environment)
            tasks.cancel_scope.cancel()
        assert done.stdout.decode().startswith(f"It has {PEOPLE:,} contacts, complete")
        asked = [request for request in sandbox.requests if request.operation == "list_contacts"]
        assert len(asked) < PEOPLE / PAGE - (SLOW - LEAST_RESERVE) / 2


async def until_asked(sandbox: Sandbox, requests: int) -> None:
    with anyio.fail_after(60):
        while len(sandbox.requests) < requests:  # noqa: ASYNC110 -- another process asks
            await anyio.sleep(0.02)
