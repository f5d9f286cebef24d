"""The commands for many contacts at once: the same plans, runs and rules as over MCP, at a terminal."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from contacts_mcp.book.book import Book
from contacts_mcp.book.people.requests import Wanted
from contacts_mcp.book.transfer.confirming import examples_of
from contacts_mcp.book.transfer.files import at_home
from contacts_mcp.book.transfer.many import Chosen, begin_change, edit_for, plan_change
from contacts_mcp.book.transfer.mapping import mapping_of
from contacts_mcp.book.transfer.opening import opened_source
from contacts_mcp.book.transfer.planning import Asked, plan_file
from contacts_mcp.book.transfer.problems import problems_file
from contacts_mcp.book.transfer.report import Decided, report
from contacts_mcp.book.transfer.running import run
from contacts_mcp.book.transfer.sources.source import Source
from contacts_mcp.book.transfer.where import yes_or_no
from contacts_mcp.config import Settings
from contacts_mcp.errors import AccountError, CredentialsMissing, InvalidArgument, Refused
from contacts_mcp.server.views import transfer as view
from contacts_mcp.state.imports import StoredPlan
from contacts_mcp.words.display import quoted
from contacts_mcp.words.names import Names
from contacts_mcp.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class FileToImport:
    """A file named at the terminal, and how to read it."""

    path: Path
    asked: Asked
    encoding: str = ""
    sheet: str = ""

    @property
    def folders(self) -> list[Path]:
        """The file's own folder: who sits at the terminal may read it."""
        return [at_home(self.path).absolute().parent]

    @property
    def name(self) -> str:
        return self.path.name

    def source(self, region: str) -> AbstractContextManager[tuple[Source, dict[str, Any]]]:
        """The opened file, as `opened_source` yields it."""
        large = self.asked.large
        return opened_source(
            self.name, self.folders, region=region, encoding=self.encoding, sheet=self.sheet, large=large
        )


def as_json_lines(settings: Settings, file: FileToImport) -> Iterator[str]:
    """The plan of a file as JSON lines: first the file, then its rows, each with its decision. Nothing is changed.

    Without credentials it is the reading alone: every row is new, invalid or a duplicate.
    """
    try:
        lines: list[str] = anyio.run(_planned_lines, settings, file)
    except Refused as refused:
        lines = [json.dumps({"file": file.name, "refused": refused.kind, "problem": str(refused)}, ensure_ascii=False)]
    yield from lines


async def _planned_lines(settings: Settings, file: FileToImport) -> list[str]:
    async with Workspace(settings, for_one_call=True) as workspace:
        with file.source(settings.default_region) as (source, facts):
            try:
                book = await workspace.book()
            except CredentialsMissing:
                return _lines(source, None, {}, file, settings.default_region)
            names = (await book.vocabulary.read("fields")).fields
            if not mapping_of(source, fields=names, given=file.asked.columns, region=book.region).has_phones:
                return _lines(source, names, {}, file, book.region)
            plan = await planned(book, source, facts, file.asked)
            decisions = {
                row.row: Decided(row.decision, row.reason, row.shown.get("problem", ""))
                async for row in book.imports.every_row(plan.plan)
            }
            await book.imports.drop(plan.plan)
            return _lines(source, names, decisions, file, book.region)


async def planned(book: Book, source: Source, facts: Mapping[str, Any], asked: Asked) -> StoredPlan:
    """A new plan for a source."""
    plan = await book.imports.begin("file", facts, asked.as_json())
    return await plan_file(book, plan, source, asked)


def _lines(
    source: Source, names: Names | None, decisions: Mapping[int, Decided], file: FileToImport, region: str
) -> list[str]:
    columns = mapping_of(source, fields=names, given=file.asked.columns, region=region)
    return [*report(source, columns, name=file.name, region=region, decided=decisions)]


@dataclass(frozen=True, slots=True)
class Terminal:
    """The person at the terminal."""

    say: Callable[[str], object]
    confirm: Callable[[str], bool]
    progress: Callable[[str], AbstractContextManager[Callable[[int, int | None], None]]]  # under that label


def import_file(settings: Settings, file: FileToImport, terminal: Terminal, *, dry_run: bool, yes: bool) -> bool:
    """Show the plan of a file, ask, run it, and write the file of problems. False where rows failed or it stopped."""

    async def make(book: Book) -> StoredPlan:
        with file.source(book.region) as (source, facts):
            return await planned(book, source, facts, file.asked)

    again = f"contacts-mcp call import_contacts plan={{}}{_account_in(settings)}"
    return anyio.run(_carry_out, settings, make, terminal, dry_run, yes, file.folders, again)


def update_many(
    settings: Settings, where: Mapping[str, str], wanted: Wanted, terminal: Terminal, *, dry_run: bool, yes: bool
) -> bool:
    """The same for one change of many contacts."""

    async def make(book: Book) -> StoredPlan:
        chosen = Chosen(where=where)
        edit = await edit_for(book, chosen, wanted)
        return await plan_change(book, await begin_change(book, chosen, wanted, edit), chosen, edit)

    again = f"contacts-mcp call update_contacts plan={{}}{_account_in(settings)}"
    return anyio.run(_carry_out, settings, make, terminal, dry_run, yes, [], again)


def _account_in(settings: Settings) -> str:
    return f" --account {settings.name}" if settings.name else ""


_LISTS = {"add_tag": "add_tags", "remove_tag": "remove_tags", "clear": "clear"}


def wanted_of(pairs: Sequence[tuple[str, str]]) -> Wanted:
    """The change that `--set` describes. A name that is no field of every contact is a custom field."""
    lists: dict[str, list[str]] = {name: [] for name in _LISTS.values()}
    custom: dict[str, str] = {}
    assignee: str | None = None
    opted_out: bool | None = None
    for name, value in pairs:
        if name in _LISTS:
            lists[_LISTS[name]].append(value)
        elif name == "assignee":
            assignee = value
        elif name == "is_opted_out":
            opted_out = _opt_out(value)
        else:
            custom[name] = value
    return Wanted(
        custom_fields=custom,
        assignee=assignee,
        is_opted_out=opted_out,
        add_tags=lists["add_tags"],
        remove_tags=lists["remove_tags"],
        clear=lists["clear"],
    )


def _opt_out(value: str) -> bool:
    answer = yes_or_no(value)
    if answer is None:
        raise InvalidArgument(
            "is_opted_out", f"{quoted(value, limit=40)} is no answer.", expected="Expected yes or no."
        )
    return answer


async def _carry_out(
    settings: Settings,
    make: Callable[[Book], Awaitable[StoredPlan]],
    terminal: Terminal,
    dry_run: bool,
    yes: bool,
    folders: list[Path],
    again: str,
) -> bool:
    if settings.read_only and not dry_run:
        raise AccountError("CONTACTS_MCP_READ_ONLY is set. Nothing was changed. --dry-run shows the plan.")
    async with Workspace(settings, for_one_call=True) as workspace:
        book = await workspace.book()
        plan = await make(book)
        has_work = bool((await book.imports.states(plan.plan)).get("planned"))
        terminal.say("\n".join((await _lines_of(book, plan))[: -2 if has_work else -1]))
        if dry_run or not has_work:
            place = await problems_file(book, plan, [*folders, Path.cwd()]) if folders and not dry_run else ""
            if place:
                terminal.say(f"The rows that were not imported are in {place}.")
            return True
        question = f"Carry this out ({view.requests_of(plan):,} requests)?"
        if not yes and not await anyio.to_thread.run_sync(terminal.confirm, question):
            await book.imports.drop(plan.plan)
            terminal.say("Nothing was changed.")
            return True
        return await _run(book, plan, terminal, folders, again)


async def _lines_of(book: Book, plan: StoredPlan) -> Sequence[str]:
    """The plan as the tool shows it, with one example of each decision."""
    examples, names = await examples_of(book, plan)
    return view.planned(plan, examples, names, token="", per_minute=book.requests_per_minute).lines


async def _run(book: Book, plan: StoredPlan, terminal: Terminal, folders: list[Path], again: str) -> bool:
    with terminal.progress("Contacts") as announce:

        async def watch(finished: int, total: int) -> None:
            announce(finished, total)

        done = await run(book, plan, watch=watch)
    states = await book.imports.states(plan.plan)
    status: view.Status = "stopped" if done.state == "stopped" else "done"
    place = await problems_file(book, done, [*folders, Path.cwd()]) if folders and status == "done" else ""
    for line in view.progress(done, states, status=status, problems_file=place).lines:
        terminal.say(line)
    if status == "stopped":
        terminal.say(f"Go on with: {again.format(plan.plan)}")
    return status == "done" and not states.get("failed")
