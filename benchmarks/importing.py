"""Running a large import: `python benchmarks/importing.py [contacts]`. Exits 1 where a figure is missed.

- Requests: new contacts without faults go into the sandbox of this process, which counts.
- Speed: the same against the sandbox in a process of its own, without a limit and with the journal on. One waits while
  the other works, so a machine with nothing else to do takes the CPU seconds of both. They count, because machines are
  shared. The wall clock is told beside them.
- The limit: the account takes no batches, so each contact is a request. Time is not waited for (`hurried.py`), and the
  sandbox refuses what is over its limit. Once the import is alone, once somebody asks every five seconds.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import anyio
from hurried import HurriedLoop, time_of_day
from plan import HEADERS, Report, digits_of, row_of, written

from contacts_mcp.book.book import Book
from contacts_mcp.book.transfer.opening import opened_source
from contacts_mcp.book.transfer.planning import Asked, plan_file
from contacts_mcp.book.transfer.running import run
from contacts_mcp.config import Settings
from contacts_mcp.sandbox import Behaviour, Credentials, Sandbox, open_sandbox
from contacts_mcp.sandbox.call import Request, Requests
from contacts_mcp.state.imports import StoredPlan
from contacts_mcp.workspace import Workspace

CONTACTS = 10_000
LIMIT = 500  # requests a minute
MINUTE = 60.0
TOO_MANY = 429
HERE = Path(__file__).parent


def write_list(path: Path, contacts: int) -> None:
    """New contacts, each with a phone and an e-mail of its own."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADERS)
        for number in range(contacts):
            row = row_of(number)
            writer.writerow([*row[:2], written(number), f"p{digits_of(number)}@example.com", *row[4:]])


@asynccontextmanager
async def opened(home: Path, *, sandbox: Sandbox | None = None, url: str = "", limit: int) -> AsyncIterator[Book]:
    chosen: dict[str, Any] = {"base_url": url, "api_key": Credentials().api_key} if url else {"sandbox": True}
    settings = Settings.load(**chosen, requests_per_minute=limit, data_dir=home, index="off")
    clock = time.time if url else time_of_day
    workspace = Workspace(settings, sandbox=sandbox, clock=clock)
    try:
        yield await workspace.book()
    finally:
        await workspace.aclose()


async def planned(book: Book, path: Path) -> StoredPlan:
    with opened_source(path.name, [path.parent], region="US") as (source, facts):
        return await plan_file(book, await book.imports.begin("file", facts, Asked().as_json()), source, Asked())


async def done(book: Book, plan: StoredPlan) -> int:
    return (await book.imports.states(plan.plan)).get("done", 0)


# Requests


async def count_requests(contacts: int, folder: Path, report: Report) -> None:
    sandbox = open_sandbox(contacts=0, behaviour=Behaviour(requests_per_minute=0), clock=time_of_day)
    path = folder / "list.csv"
    write_list(path, contacts)
    async with opened(folder / "requests", sandbox=sandbox, limit=100_000) as book:
        plan = await planned(book, path)
        of_planning = len(sandbox.requests)
        await run(book, plan)
        report.add("contacts that are there", len(sandbox.store.contacts()), contacts, at_least=True)
    requests = len(sandbox.requests)
    print(f"{contacts:,} new contacts: {of_planning} requests for the plan, {requests - of_planning} for the run")
    # A run begins with small chunks, so a short one needs more for each contact.
    report.add("requests of plan and run", requests, 30 + 390 * contacts / CONTACTS)
    sandbox.close()


# Speed


@contextmanager
def upstream() -> Iterator[tuple[str, int]]:
    """The address of a sandbox in another process, and the id of that."""
    with subprocess.Popen(
        [sys.executable, str(HERE / "upstream.py")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stdin
        yield process.stdout.readline().strip(), process.pid
        process.stdin.close()


async def time_run(contacts: int, folder: Path, report: Report) -> None:
    path = folder / "list.csv"
    write_list(path, contacts)
    with upstream() as (url, process):
        async with opened(folder / "speed", url=url, limit=100_000) as book:
            plan = await planned(book, path)
            start, ours, its = time.perf_counter(), time.process_time(), cpu_of(process)
            await run(book, plan)
            took, ours, its = time.perf_counter() - start, time.process_time() - ours, cpu_of(process) - its
            assert await done(book, plan) == contacts
    each = f"{ours / contacts * 1e6:.0f} us a contact here, {its / contacts * 1e6:.0f} us in the sandbox"
    print(f"a run of {contacts:,}: {each}; {contacts / took:,.0f} contacts a second by the wall clock")
    report.add("contacts a CPU second of both", contacts / (ours + its), 1_500, at_least=True)


def cpu_of(process: int) -> float:
    """The CPU seconds that another process used so far."""
    stat = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")


# The limit


async def use_limit(contacts: int, folder: Path, report: Report, *, limit: int, is_asked: bool) -> None:
    """An import that goes out singly, against a sandbox that counts by the minute."""
    behaviour = Behaviour(requests_per_minute=limit, batch_limit=1)
    sandbox = open_sandbox(contacts=1, behaviour=behaviour, clock=time_of_day)
    (known,) = (contact["id"] for contact in sandbox.store.contacts())
    path = folder / "list.csv"
    write_list(path, contacts)
    waits: list[float] = []

    async def ask(book: Book) -> None:
        while True:
            await anyio.sleep(5)
            asked = anyio.current_time()
            await book.api.get_contact(known)
            waits.append(anyio.current_time() - asked)

    async with opened(folder / f"limit-{is_asked}", sandbox=sandbox, limit=limit) as book:
        plan = await planned(book, path)
        await anyio.sleep(2 * MINUTE)
        requests = sandbox.state.requests = Timed()
        async with anyio.create_task_group() as tasks:
            if is_asked:
                tasks.start_soon(ask, book)
            await run(book, plan)
            tasks.cancel_scope.cancel()
        assert await done(book, plan) == contacts
    sandbox.close()
    how = "asked meanwhile" if is_asked else "alone"
    report.add(f"{how}: refused for the limit", sum(one.status == TOO_MANY for one in requests), 0)
    if is_asked:
        report.add(f"{how}: longest wait for an answer", max(waits), 2, "s")
    else:
        report.add(f"{how}: use of the limit", requests.use(limit), 0.97, at_least=True)


class Timed(Requests):
    """Requests, and when they came."""

    def __init__(self) -> None:
        super().__init__()
        self.moments: list[float] = []

    def append(self, request: Request) -> None:
        super().append(request)
        self.moments.append(anyio.current_time())

    def use(self, limit: int) -> float:
        """The share of the limit that was used in the whole minutes from the first request on."""
        begun = self.moments[0]
        minutes = int((self.moments[-1] - begun) // MINUTE)
        inside = sum(moment < begun + minutes * MINUTE for moment in self.moments)
        return inside / (limit * minutes)


def in_hurry(work: Callable[..., Coroutine[Any, Any, None]], *given: Any, **chosen: Any) -> None:
    """Do work whose waits take no time."""
    with asyncio.Runner(loop_factory=HurriedLoop) as runner:
        runner.run(work(*given, **chosen))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contacts", nargs="?", type=int, default=CONTACTS)
    contacts = parser.parse_args().contacts
    report = Report()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        in_hurry(count_requests, contacts, folder, report)
        anyio.run(time_run, contacts, folder, report)
        for is_asked in (False, True):
            in_hurry(use_limit, contacts // 4, folder, report, limit=LIMIT, is_asked=is_asked)
    print(f"targets missed: {report.missed}")
    return int(report.missed > 0)


if __name__ == "__main__":
    sys.exit(main())
