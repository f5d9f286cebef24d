"""`contacts-mcp export` and `contacts-mcp describe`: the same exports and counts as over MCP, at a terminal."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import TypeVar

import anyio

from contacts_mcp.api.pace import on_progress
from contacts_mcp.book import Book, Exported, Format, export, picture
from contacts_mcp.book.transfer.files import at_home
from contacts_mcp.book.transfer.where import filters_of
from contacts_mcp.config import Settings
from contacts_mcp.server.views.export import pictured, written
from contacts_mcp.server.views.fitting import Answer
from contacts_mcp.workspace import Workspace

Announce = Callable[[int, int | None], None]
Result = TypeVar("Result")


def export_file(
    settings: Settings,
    file: Path,
    where: Mapping[str, str],
    *,
    kind: Format | None,
    overwrite: bool,
    announce: Announce,
) -> Exported:
    """Write the contacts into the file. `announce` hears how many were read, and of how many.

    Who sits at the terminal may write into the file's own folder, whatever folders are open to an assistant.
    Raises ContactsError.
    """
    filters = filters_of(where)
    place = at_home(file).absolute()
    # The folder is resolved here: a link in front of it is the person's own.
    folders = [place.parent.resolve()]

    async def work(book: Book) -> Exported:
        return await export(
            book,
            filters,
            file=str(folders[0] / place.name),
            kind=kind,
            overwrite=overwrite,
            folders=folders,
            patience=math.inf,
        )

    return _with_book(settings, work, announce)


def told(exported: Exported) -> str:
    """The result of an export, in words."""
    return written(exported).text


def book_in_counts(settings: Settings, by: str, announce: Announce) -> Answer:
    """The picture of the book. Raises ContactsError."""
    return _with_book(settings, lambda book: _pictured(book, by), announce)


async def _pictured(book: Book, by: str) -> Answer:
    return pictured(await picture(book, by=by))


def in_bars(answer: Answer, width: int) -> Iterator[str]:
    """The counts of the picture as bars of text, part by part, and the lines below its table."""
    counts = [one for one in answer.facts.get("counts") or () if one["contacts"] is not None]
    room = max(10, min(width, _WIDEST) - _NAME - _COUNT - 6)
    for part, rows in groupby(counts, key=lambda one: one["part"]):
        listed = [*rows]
        most = max(one["contacts"] for one in listed) or 1
        yield _cut(part)
        for one in listed:
            bar = "█" * round(room * one["contacts"] / most)
            yield f"  {_cut(one['name']):<{_NAME}} {bar:<{room}} {one['contacts']:>{_COUNT},}"
    yield from (line for line in answer.text.splitlines() if not line.startswith("|"))


def _cut(name: str) -> str:
    return name if len(name) <= _NAME else f"{name[: _NAME - 1]}…"


_NAME, _COUNT, _WIDEST = 36, 9, 100  # characters


def _with_book(settings: Settings, work: Callable[[Book], Awaitable[Result]], announce: Announce) -> Result:
    async def heard(_: str, done: int, of: int | None) -> None:
        announce(done, of)

    async def run() -> Result:
        on_progress.set(heard)
        async with Workspace(settings) as workspace:
            return await work(await workspace.book())

    return anyio.run(run)
