"""Probes that are killed with SIGKILL at a request, each in a forked process, and the next run after each.

Prints a line of JSON for each kill: the request, whether it was carried out, and the end of the next run.
Run as a program with a folder, the first request, and the step between requests.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import Any

import anyio
from hurried import HurriedLoop
from support.probing import dump, probed

from contacts_mcp.api.client import HeymarketClient
from contacts_mcp.sandbox import Behaviour, open_sandbox

MOST = 70


def killed_at(number: int, *, carried_out: bool, file: Path, room: Path) -> bool:
    """Whether a probe reached that request, at which it was killed."""
    child = os.fork()
    if child == 0:
        _run_and_die(number, carried_out=carried_out, file=file, room=room)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def _run_and_die(number: int, *, carried_out: bool, file: Path, room: Path) -> None:
    whole, seen = HeymarketClient._exchange, [0]

    async def exchange(self: Any, call: Any, proof: str) -> Any:
        seen[0] += 1
        if seen[0] == number and not carried_out:
            os.kill(os.getpid(), signal.SIGKILL)
        answer = await whole(self, call, proof)
        if seen[0] == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return answer

    HeymarketClient._exchange = exchange  # type: ignore[method-assign]  # the process ends in it
    _probe(file, room)
    os._exit(0)


def _probe(file: Path, room: Path, *, writes: bool = True) -> tuple[Any, list[str]]:
    sandbox = open_sandbox(file, behaviour=Behaviour(requests_per_minute=0), contacts=40)

    async def work() -> Any:
        return await probed(sandbox, room, writes=writes)

    end = anyio.run(work, backend_options={"loop_factory": HurriedLoop})
    try:
        return end, dump(sandbox)
    finally:
        sandbox.close()


def main(folder: Path, first: int, step: int) -> None:
    fresh = open_sandbox(folder / "fresh.sqlite3", contacts=40)
    before = dump(fresh)
    fresh.close()
    for number in range(first, MOST, step):
        for carried_out in (False, True):
            room = folder / f"{number}-{carried_out}"
            room.mkdir()
            file = room / "sandbox.sqlite3"
            shutil.copy(folder / "fresh.sqlite3", file)
            if not killed_at(number, carried_out=carried_out, file=file, room=room):
                return
            end, rows = _probe(file, room, writes=False)
            told = {"request": number, "carried_out": carried_out, "is_same": rows == before}
            print(json.dumps(told | {"is_clean": end.is_clean, "notes": end.notes}), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
