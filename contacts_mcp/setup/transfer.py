"""The commands for many contacts at once: the same plans, runs and rules as over MCP, at a terminal."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio

from contacts_mcp.book.book import Book
from contacts_mcp.book.transfer.mapping import mapping_of
from contacts_mcp.book.transfer.opening import opened_source
from contacts_mcp.book.transfer.planning import Asked, plan_file
from contacts_mcp.book.transfer.reading import Row
from contacts_mcp.book.transfer.report import report, without_account
from contacts_mcp.book.transfer.sources.source import Source
from contacts_mcp.book.transfer.twins import Earlier
from contacts_mcp.config import Settings
from contacts_mcp.errors import CredentialsMissing, Refused
from contacts_mcp.state.imports import StoredPlan
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
        return [self.path.expanduser().absolute().parent]

    @property
    def name(self) -> str:
        return self.path.name


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
    workspace = Workspace(settings)
    try:
        with opened_source(
            file.name, file.folders, region=settings.default_region, encoding=file.encoding, sheet=file.sheet
        ) as (source, facts):
            try:
                book = await workspace.book()
            except CredentialsMissing:
                return _lines(source, None, {}, file, settings.default_region)
            names = (await book.vocabulary.read("fields")).fields
            if not mapping_of(source, fields=names, given=file.asked.columns, region=book.region).has_phones:
                return _lines(source, names, {}, file, book.region)
            plan = await planned(book, source, facts, file.asked)
            decisions = {row.row: row.decision for row in book.imports.every_row(plan.plan)}
            book.imports.drop(plan.plan)
            return _lines(source, names, decisions, file, book.region)
    finally:
        with anyio.CancelScope(shield=True):
            await workspace.aclose()


async def planned(book: Book, source: Source, facts: Mapping[str, Any], asked: Asked) -> StoredPlan:
    """A new plan for a source."""
    plan = book.imports.begin("file", facts, asked.as_json())
    return await plan_file(book, plan, source, asked)


def _lines(
    source: Source, names: Names | None, decisions: Mapping[int, str], file: FileToImport, region: str
) -> list[str]:
    def decide(row: Row, earlier: Earlier | None) -> str:
        return decisions.get(row.number) or without_account(row, earlier)

    columns = mapping_of(source, fields=names, given=file.asked.columns, region=region)
    return [*report(source, columns, name=file.name, region=region, decide=decide)]
