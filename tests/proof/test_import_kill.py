"""`kill -9` of an import in a process of its own: the next one goes on, and nobody is lost or doubled.

`benchmarks/kill_import.py` kills 50 processes amid faults, late writes, a second writer and undos.

Guards `contacts_mcp/book/transfer/running.py` and `contacts_mcp/state/imports.py`.
"""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import kill_import
import pytest
from anyio.abc import Process

from contacts_mcp.sandbox import Behaviour, Credentials, open_sandbox, serve

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kill -9 is a word of POSIX systems")

ROWS = 140
MOMENTS = (4, 6, 3, 5)  # the request of each process at which it dies


class Deadly(list[Any]):
    """The requests of a sandbox, in which the n-th kills the process that sent it."""

    def __init__(self) -> None:
        super().__init__()
        self.kill: Callable[[], None] | None = None
        self.left = 0

    def append(self, request: Any) -> None:
        super().append(request)
        self.left -= 1
        if self.left == 0 and self.kill is not None:
            self.kill()


async def test_an_import_that_is_killed_again_and_again_comes_to_its_end(tmp_path: Path) -> None:
    rows = "".join(f"510555{number:04},F{number},L{number}\n" for number in range(200, 200 + ROWS))
    file = anyio.Path(tmp_path / "list.csv")
    await file.write_text(f"Phone,First name,Last name\n{rows}")
    sandbox = open_sandbox(contacts=0, behaviour=Behaviour(requests_per_minute=0))
    requests = sandbox.state.requests = Deadly()
    async with anyio.create_task_group() as tasks:
        environment = _environment(await tasks.start(serve, sandbox), tmp_path)
        first = ["import", str(file), "--yes"]
        again = ["call", "import_contacts", "plan=1"]
        killed = 0
        for at, words in zip(MOMENTS, [first, *[again] * len(MOMENTS)], strict=False):
            async with await _started(words, environment) as process:
                requests.left, requests.kill = at + 4 * (words is first), _killing(process)
                killed += await process.wait() == -signal.SIGKILL
        requests.kill = None
        async with await _started(again, environment) as process:
            assert await process.wait() == 0
        tasks.cancel_scope.cancel()
    phones = [person["phone"] for person in sandbox.store.contacts()]
    sandbox.close()
    assert killed >= 2
    assert len(phones) == len({*phones}) == ROWS


async def test_an_undo_that_is_killed_twice_takes_every_row_back(tmp_path: Path) -> None:
    rows = "".join(f"510555{number:04},F{number},L{number}\n" for number in range(200, 200 + ROWS))
    file = anyio.Path(tmp_path / "list.csv")
    await file.write_text(f"Phone,First name,Last name\n{rows}")
    sandbox = open_sandbox(contacts=0, behaviour=Behaviour(requests_per_minute=0))
    ada = sandbox.store.add_contact(phone="15105550200", first="F200")
    before = sandbox.store.contact(ada)
    requests = sandbox.state.requests = Deadly()
    async with anyio.create_task_group() as tasks:
        environment = _environment(await tasks.start(serve, sandbox), tmp_path)
        await _answer(["import", str(file), "--yes"], environment)
        changed = next(one for one in sandbox.store.contacts() if one["phone"] == "15105550300")
        sandbox.store.touch(changed["id"], last="Somebody else's")
        change = str(
            json.loads(await _answer(["call", "list_changes", "--json"], environment))["changes"][0]["change_id"]
        )
        undo = ["call", "undo_change", f"change_id={change}", "--json"]
        token = json.loads(await _answer(undo, environment))["confirm_token"]
        killed = 0
        for at, words in ((30, [*undo, f"confirm_token={token}"]), (40, undo)):
            async with await _started(words, environment) as process:
                requests.left, requests.kill = at, _killing(process)
                killed += await process.wait() == -signal.SIGKILL
            _age(tmp_path / "data")
        requests.kill = None
        done = json.loads(await _answer(undo, environment))
        named = await _answer(["call", "import_status", f"plan={done['plan']}", "show=problems"], environment)
        tasks.cancel_scope.cancel()
    left = sandbox.store.contacts()
    sandbox.close()
    assert killed == 2
    assert done["status"] == "done"
    assert {person["phone"] for person in left} == {"15105550200", "15105550300"}
    (restored,) = (person for person in left if person["id"] == ada)
    assert before is not None
    assert {**restored, "rev": 0, "updated": ""} == {**before, "rev": 0, "updated": ""}
    assert "0300" in named


def _age(data: Path) -> None:
    """Make everything that was sent older than any request can be, so that nobody waits for it."""
    for name, change in (
        ("journal", "changes SET at = at - 120, uptime = uptime - 120 WHERE state IN ('begun', 'unknown')"),
        ("imports", "rows SET sent_at = sent_at - 120 WHERE state = 'sending'"),
    ):
        with closing(sqlite3.connect(data / f"{name}.sqlite3", isolation_level=None)) as db:
            db.execute(f"UPDATE {change}")


def _environment(url: str, home: Path) -> dict[str, str]:
    return {
        **os.environ,
        "HEYMARKET_BASE_URL": url,
        "HEYMARKET_API_KEY": Credentials().api_key,
        "CONTACTS_MCP_DATA_DIR": str(home / "data"),
    }


async def _answer(words: list[str], environment: dict[str, str]) -> str:
    """The output of a command that ends well."""
    done = await anyio.run_process([sys.executable, "-m", "contacts_mcp", *words], env=environment, stderr=None)
    return done.stdout.decode()


async def _started(words: list[str], environment: dict[str, str]) -> Process:
    command = [sys.executable, "-m", "contacts_mcp", *words]
    return await anyio.open_process(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def _killing(process: Process) -> Callable[[], None]:
    return lambda: os.kill(process.pid, signal.SIGKILL)


async def test_imports_that_are_killed_amid_faults_and_undone_lose_and_double_nobody() -> None:
    figures = await kill_import.run(4, seed=3, each=2)
    assert figures.wrong == []
    assert figures.kills >= 4
    assert figures.rows["done"] > 10


async def test_a_row_that_is_told_wrongly_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The proof is worth nothing if it overlooks what it is for."""
    monkeypatch.setattr(kill_import, "UNSURE", ())
    monkeypatch.setattr(kill_import.Round, "_edit", _delete_somebody)
    figures = await kill_import.run(1, seed=3, each=1)
    assert figures.wrong


def _delete_somebody(this: kill_import.Round, _: int) -> None:
    """Somebody of the file is gone, and nobody says so."""
    people = [one for one in this.sandbox.store.contacts() if one["phone"] in this.rows and one["id"] > 30]
    if people:
        this.sandbox.store.delete(people[0]["id"])
