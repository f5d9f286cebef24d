"""Planning a large file: `python benchmarks/plan.py [rows]`. Exits 1 where a figure is missed.

- A list is made up. It has 12 columns, an opt-out among them. One phone in fifty is British, one row in a hundred
  repeats a phone, and one contact in ten is in the book.
- A stand-in for the service answers each look-up in the process. The client is the real one and counts. The CPU time
  of the stand-in is taken off, and there is no network.
- Each list is planned in a process of its own. Its memory is told above that of a small plan, which has loaded
  everything by then. As in a server, the modules are not looked through for garbage.
- More than 200,000 rows are what the command takes with `--large`.
"""

from __future__ import annotations

import argparse
import csv
import gc
import json
import multiprocessing
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import anyio
import httpx
from measuring import MISSED, OK, Row

from contacts_mcp.book.transfer.limits import MOST_SHEET_ROWS
from contacts_mcp.book.transfer.opening import opened_source
from contacts_mcp.book.transfer.planning import Asked, plan_file
from contacts_mcp.config import Settings
from contacts_mcp.sandbox import Behaviour, Sandbox, open_sandbox
from contacts_mcp.workspace import Workspace

ROWS = 100_000
HEADERS = (
    "First name", "Last name", "Phone", "E-mail", "Tags", "Plan", "Region", "Customer #", "Company", "Job title",
    "City", "Opted out",
)  # fmt: skip
AREAS = (201, 202, 203, 205, 206, 207, 208, 209, 210, 212, 213, 214, 215, 216, 217, 218)
FIRST = ("Jordan", "Amina", "Bob", "Zoë", "Wei", "Priya", "Lars", "Fatima", "Kofi", "Inés", "Marek", "Thủy")
LAST = ("Rivera", "Okafor", "Müller", "Nguyen", "Patel", "O'Brien", "Kowalski", "Silva", "Çelik", "Haddad")
FORMS = ("({0}) {1}-{2}", "{0}-{1}-{2}", "+1 {0} {1} {2}", "{0}.{1}.{2}", "{0}{1}{2}", "1-{0}-{1}-{2}")
TIMES = 2  # the better one counts, because machines are shared
WARM = 300  # rows of the small plan


def parts_of(number: int) -> tuple[str, str, str]:
    """Area, exchange and line: each number has its own."""
    rest = number // len(AREAS)
    return str(AREAS[number % len(AREAS)]), str(220 + rest // 10_000), f"{rest % 10_000:04}"


def digits_of(number: int) -> str:
    """The phone of a person as the service knows it."""
    if number % 50 == 7:
        return f"447400{number % 1_000_000:06}"
    return "1" + "".join(parts_of(number))


def written(number: int) -> str:
    digits = digits_of(number)
    if digits.startswith("44"):
        return f"+44 {digits[2:6]} {digits[6:]}"
    return FORMS[number % len(FORMS)].format(*parts_of(number))


def row_of(at: int) -> list[str]:
    """One row of the list. Every hundredth says the phone of the one before, and something else about it."""
    number = at - 1 if at % 100 == 99 else at
    first, last = FIRST[number % len(FIRST)], f"{LAST[number % len(LAST)]}{chr(97 + number % 26)}"
    return [
        first,
        last,
        written(number),
        email_of(number) if at % 10 < 7 else "",
        ("VIP", "Lead", "", "VIP, Newsletter")[at % 4],
        ("Gold", "Silver", "Basic", "")[at % 4],
        ("Oakland", "Fresno", "Napa")[at % 3],
        f"C-{number:07}",
        f"{last} Plumbing" if at % 5 == 0 else "",
        ("Owner", "", "Manager")[at % 3],
        ("Oakland", "Fresno", "Napa")[at % 3],
        "yes" if at % 25 == 3 else "",
    ]


def email_of(number: int) -> str:
    return f"person{number}@example.com"


def write_csv(path: Path, rows: int) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADERS)
        writer.writerows(map(row_of, range(rows)))


def write_xlsx(path: Path, rows: int) -> None:
    import xlsxwriter

    with xlsxwriter.Workbook(path, {"constant_memory": True, "strings_to_numbers": False}) as book:
        sheet = book.add_worksheet()
        sheet.write_row(0, 0, HEADERS)
        for at in range(rows):
            sheet.write_row(at + 1, 0, row_of(at))


class StandIn:
    """The way to a sandbox, with a tenth of the list in its book. Look-ups are answered from a table."""

    def __init__(self, sandbox: Sandbox, rows: int) -> None:
        self._sandbox = sandbox
        self._known = {digits_of(number): number for number in range(0, rows, 10)}
        self.requests = 0
        self.spent = 0.0  # CPU seconds

    def transport(self) -> httpx.AsyncBaseTransport:
        return _Answering(self, self._sandbox.transport())

    def search(self, request: httpx.Request) -> httpx.Response:
        begun = time.process_time()
        channels = json.loads(request.content)["contact_channels"]
        asked = [
            phone for channel in channels if channel["channel_type"] == "phone" for phone in channel["channel_ids"]
        ]
        found = [_contact(number) for phone in asked if (number := self._known.get(phone)) is not None]
        answer = httpx.Response(200, json=found, request=request)
        self.requests += 1
        self.spent += time.process_time() - begun
        return answer


class _Answering(httpx.AsyncBaseTransport):
    def __init__(self, service: StandIn, others: httpx.AsyncBaseTransport) -> None:
        self._service = service
        self._others = others

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v2/contacts/search":
            return self._service.search(request)
        return await self._others.handle_async_request(request)

    async def aclose(self) -> None:
        await self._others.aclose()


def _contact(number: int) -> dict[str, Any]:
    """Every second one lacks the last name and the plan, every third is of another region."""
    row = row_of(number)
    return {
        "id": 1 + number,
        "uuid": f"00000000-0000-4000-8000-{number:012x}",
        "phone": digits_of(number),
        "first": row[0],
        "last": row[1],
        "display_name": "",
        "email": email_of(number),
        "custom": {"31": "" if number % 20 else row[5], "33": row[6] if number % 3 else "Davis"},
        "tags": [101],
        "assigned_user_id": 502,
        "is_opted_out": number % 25 == 3,
        "created": "2026-01-01T00:00:00Z",
        "updated": "2026-01-01T00:00:00Z",
        "rev": 1,
    }


@dataclass(frozen=True)
class Figures:
    """The cost of one plan."""

    cpu: float  # seconds, without those of the stand-in
    memory: float  # MB above that of a small plan
    requests: int
    counts: dict[str, int] = field(default_factory=dict)
    file: float = 0.0  # MB of the file of plans


def planned(path: Path, rows: int) -> Figures:
    """Plan a file in a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_planned, (path, rows))


def _planned(path: Path, rows: int) -> Figures:
    return anyio.run(_plan, path, rows)


async def _plan(path: Path, rows: int) -> Figures:
    with tempfile.TemporaryDirectory() as home:
        settings = Settings.load(sandbox=True, requests_per_minute=100_000, data_dir=Path(home), index="off")
        sandbox = open_sandbox(contacts=0, behaviour=Behaviour(requests_per_minute=0))
        service = StandIn(sandbox, rows)
        workspace = Workspace(settings, sandbox=cast("Sandbox", service))
        book = await workspace.book()
        small = Path(home) / f"small{path.suffix}"
        (write_csv if path.suffix == ".csv" else write_xlsx)(small, WARM)
        await _of_file(book, small)
        gc.freeze()
        before, requests, spent = memory("VmRSS"), service.requests, service.spent
        start = time.process_time()
        plan = await _of_file(book, path)
        took = time.process_time() - start - (service.spent - spent)
        figures = Figures(
            cpu=took,
            memory=memory("VmHWM") - before,
            requests=service.requests - requests,
            counts=plan.counts["decisions"],
            file=(Path(home) / "imports.sqlite3").stat().st_size / 1e6,
        )
        await workspace.aclose()
        sandbox.close()
        return figures


async def _of_file(book: Any, path: Path) -> Any:
    asked = Asked(large=True)
    with opened_source(path.name, [path.parent], region="US", large=True) as (source, facts):
        return await plan_file(book, await book.imports.begin("file", facts, asked.as_json()), source, asked)


def memory(name: str) -> float:
    """A line of /proc/self/status, in MB."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith(name)).split()[1]) / 1024


class Report:
    """The lines of the table, and how many targets were missed."""

    def __init__(self) -> None:
        self.missed = 0

    def add(self, what: str, value: float, target: float, unit: str = "", *, at_least: bool = False) -> None:
        is_met = value >= target if at_least else value <= target
        self.missed += not is_met
        bound = f"{value:.4g} {unit}".ljust(20) + f"at {'least' if at_least else 'most'} {target:.6g}"
        print(Row(what, bound, OK if is_met else MISSED), flush=True)


def measure(rows: int, report: Report, folder: Path) -> None:
    """Plan a CSV and a workbook of so many rows. The targets are those of 100,000, in proportion."""
    share = rows / ROWS
    for ending, write, cpu, most in (("csv", write_csv, 12, 120), ("xlsx", write_xlsx, 14, 250)):
        if ending == "xlsx" and rows > MOST_SHEET_ROWS:
            continue
        path = folder / f"list.{ending}"
        write(path, rows)
        found = min((planned(path, rows) for _ in range(TIMES)), key=lambda one: one.cpu)
        counts = ", ".join(f"{count:,} {name}" for name, count in found.counts.items())
        print(f"{rows:,} rows of {ending}: {counts}; {found.requests:,} requests, {found.file:.0f} MB of plans")
        report.add(f"{ending}: CPU, no network", found.cpu, cpu * share, "s")
        report.add(f"{ending}: memory above that of {WARM} rows", found.memory, most, "MB")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("rows", nargs="?", type=int, default=ROWS)
    given = parser.parse_args()
    report = Report()
    with tempfile.TemporaryDirectory() as folder:
        measure(given.rows, report, Path(folder))
    print(f"targets missed: {report.missed}")
    return int(report.missed > 0)


if __name__ == "__main__":
    sys.exit(main())
