"""The rows of a run that were not imported, as a file that can be corrected and imported again.

It has the file's own columns in their order, then `line` and `problem`. Those two are not imported.
"""

from __future__ import annotations

import csv
from collections.abc import AsyncIterator
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO

from contacts_mcp.book.book import Book
from contacts_mcp.book.cards import with_names
from contacts_mcp.book.transfer.files import Place
from contacts_mcp.book.transfer.own import guarded
from contacts_mcp.book.vocabulary import Snapshot
from contacts_mcp.errors import Refused
from contacts_mcp.state.imports import StoredPlan, StoredRow

REASONS = {
    "no_phone": "has no phone",
    "letters": "has letters in its phone",
    "local": "has no area code",
    "digits_lost": "lost digits of its phone in a spreadsheet",
    "extension": "has an extension",
    "several": "holds several phones in one cell",
    "short_code": "is a short code",
    "invalid_or_length": "has no valid phone",
    "opt_out_unclear": "says neither yes nor no about the opt-out",
    "another_number": "belongs to somebody with another number",
    "two_contacts": "belongs to two contacts",
    "says_otherwise": "says otherwise than the contact",
    "seen_in_file": "has the phone of an earlier line",
}
_MOST_NAMES = 100


def problem_of(row: StoredRow) -> str:
    """Why a row was not imported as it stands, in words. "" where it was, or where there was nothing to do."""
    if row.state in ("moved", "failed", "told"):
        return row.outcome
    if row.decision == "invalid":
        why = str(row.shown.get("problem") or REASONS.get(row.reason, row.reason.replace("_", " ")))
        return why if any(row.shown.get("cells", {}).values()) else f"{why}: {row.shown.get('value', '')}"
    if row.decision == "kept":  # of an undo
        return str(row.shown.get("problem", ""))
    if row.decision == "conflict":
        pairs = row.shown.get("conflicts", {})
        told = "; ".join(f"{key}: has {_text(had)}, the file says {_text(said)}" for key, (had, said) in pairs.items())
        return f"{REASONS.get(row.reason, row.reason)}{f' ({told})' if told else ''}"
    if row.decision == "duplicate" and row.shown.get("likeness") in ("says_otherwise", "knows_more", "other_name"):
        return f"{REASONS['seen_in_file']} ({row.shown.get('of_line')})"
    return ""


async def problems_file(book: Book, plan: StoredPlan, folders: list[Path]) -> str:
    """The place of the file of problems, which is written when it is first asked for. "" where there is none."""
    if "problems_file" not in plan.facts:
        written = await _write_problems(book, plan, folders)
        plan.facts["problems_file"] = str(written) if written else ""
        await book.imports.set(plan.plan, facts=plan.facts)
    return str(plan.facts["problems_file"])


async def _write_problems(book: Book, plan: StoredPlan, folders: list[Path]) -> Path | None:
    """The file of problems in the first of `folders` that can be written. None where there is no problem.

    Nothing that is there is overwritten.
    """
    if not await _has_problems(book, plan):
        return None
    for folder in folders:
        with suppress(Refused, OSError):
            return await _written(book, plan, _made(folder))
    return None


async def _has_problems(book: Book, plan: StoredPlan) -> bool:
    async for row in book.imports.every_row(plan.plan):
        if problem_of(row):
            return True
    return False


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


async def _written(book: Book, plan: StoredPlan, folder: Path) -> Path:
    """The file under the first free name. Raises Refused, OSError."""
    name = Path(str(plan.facts.get("file", "import"))).name
    names = await book.vocabulary.naming(dict.fromkeys(plan.counts.get("keys", {}), ""))
    for number in range(1, _MOST_NAMES):
        place = Place(folder, (f"{name}.problems{f'-{number}' if number > 1 else ''}.csv",), overwrite=False)
        try:
            with place.writing() as stream:
                await _write(stream, list(plan.facts.get("headers", [])), book.imports.every_row(plan.plan), names)
        except Refused as refused:
            if refused.kind != "name_taken":
                raise
        else:
            return place.path
    raise FileExistsError(name)


async def _write(stream: BinaryIO, headers: list[str], rows: AsyncIterator[StoredRow], names: Snapshot) -> None:
    text = TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    table = csv.writer(text)
    table.writerow([*map(guarded, headers), "line", "problem"])
    async for row in rows:
        if problem := with_names(problem_of(row), names):
            cells = row.shown.get("cells", {})
            table.writerow([*(guarded(cells.get(header, "")) for header in headers), row.line, guarded(problem)])
    text.detach()


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
