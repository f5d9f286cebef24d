"""The price of a write in the shared state: begin and conclude, a lock, and many writers at once. Prints a table.

A PostgreSQL of its own is started, which flushes to the disk as a real one does. One flush is printed beside the rest,
because everything that lasts costs one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from statistics import quantiles

import anyio
from measuring import CLOSE, MISSED, OK, Row
from postgres_server import is_installed, running_postgres

from contacts_mcp.state.imports import StoredRow
from contacts_mcp.state.journal import Entry
from contacts_mcp.state.postgres.database import SharedDatabase
from contacts_mcp.state.postgres.imports import PostgresImports
from contacts_mcp.state.postgres.journal import PostgresJournal
from contacts_mcp.state.postgres.locks import PostgresLocks
from contacts_mcp.state.protocols import Imports, Journal, Locks

WRITES = 500
WRITERS = 30
MOST = {"begin + conclude": (0.006, 0.015)}  # seconds: half of them, and 95 in a hundred
UPDATE = Entry(
    action="update",
    before={"phone": "15105550100", "first": "Jo", "tags": [1]},
    wanted={"phone": "15105550100", "first": "Joe", "tags": [1]},
    record={},
)


class Writer:
    """One replica at work."""

    def __init__(self, db: SharedDatabase) -> None:
        self._db = db
        self._journal: Journal = PostgresJournal(db, "benchmark")
        self._locks: Locks = PostgresLocks(db, "benchmark")
        self._imports: Imports = PostgresImports(db, "benchmark")

    async def begin_and_conclude(self, number: int) -> None:
        begun = await self._journal.begin(replace(UPDATE, contact_id=number, token=f"token {number}"))
        assert await self._journal.finish(replace(begun, state="done", after=UPDATE.wanted, rev_after=2))

    async def lock(self, number: int) -> None:
        async with self._locks.contact(number):
            pass

    async def whole_write(self, number: int) -> None:
        async with self._locks.phones("15105550100"), self._locks.contact(number):
            assert not await self._journal.arriving(number, "15105550100")
            await self._journal.unfinished()
            await self.begin_and_conclude(number)

    async def plan(self, number: int) -> None:  # noqa: ARG002 -- works share one signature
        plan = await self._imports.begin("file", {"file": "list.csv"}, {})
        await self._imports.add(plan, [StoredRow(row=row, line=row, decision="new") for row in range(1, 501)])
        await self._imports.drop(plan)

    async def flush(self, number: int) -> None:
        await self._db.execute("INSERT INTO flushed VALUES (%(number)s)", {"number": number})


async def measured(what: str, work: Callable[[int], Awaitable[None]], *, first: int, times: int = WRITES) -> Row:
    """The line of one kind of work, one after the other."""
    seconds = []
    for number in range(first, first + times):
        start = time.perf_counter()
        await work(number)
        seconds.append(time.perf_counter() - start)
    half, most = quantiles(seconds, n=20)[9], quantiles(seconds, n=20)[18]
    figures = f"{half * 1000:6.2f} ms, 95 % within {most * 1000:6.2f} ms"
    if what not in MOST:
        return Row(what, figures)
    is_met = half <= MOST[what][0] and most <= MOST[what][1]
    asked = " and ".join(f"{each * 1000:.0f}" for each in MOST[what])
    is_busy = os.getloadavg()[0] > (os.cpu_count() or 1)  # then the others are measured as well
    return Row(what, f"{figures}   at most {asked} ms", OK if is_met else CLOSE if is_busy else MISSED)


async def at_once(writer: Writer) -> Row:
    """Many writers to contacts of their own."""

    async def write(own: int) -> None:
        for number in range(own * 100, own * 100 + 20):
            await writer.begin_and_conclude(1_000_000 + number)

    start = time.perf_counter()
    async with anyio.create_task_group() as tasks:
        for own in range(WRITERS):
            tasks.start_soon(write, own)
    a_second = WRITERS * 20 / (time.perf_counter() - start)
    return Row(f"begin + conclude, {WRITERS} writers at once", f"{a_second:6.0f} a second")


async def measure(url: str) -> list[Row]:
    db = SharedDatabase(url)
    writer = Writer(db)
    await db.execute("CREATE TABLE flushed (number bigint)")
    await measured("", writer.whole_write, first=1)  # warms everything up
    rows = [
        await measured("one row, flushed", writer.flush, first=1),
        await measured("begin + conclude", writer.begin_and_conclude, first=10_000),
        await measured("lock and release", writer.lock, first=20_000),
        await measured("locks, questions, begin + conclude, release", writer.whole_write, first=30_000),
        await measured("a plan of 500 rows, stored and dropped", writer.plan, first=1, times=20),
        await at_once(writer),
        Row("others at work here", f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} processors"),
    ]
    await db.aclose()
    return rows


def main() -> int:
    if not is_installed():
        print("PostgreSQL is not installed here.")
        return 1
    with running_postgres() as server:
        rows = anyio.run(measure, server.new_database("benchmark"))
    print(*rows, sep="\n")
    return int(any(row.verdict == MISSED for row in rows))


if __name__ == "__main__":
    raise SystemExit(main())
