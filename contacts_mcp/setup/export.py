"""`contacts-mcp export` and `contacts-mcp picture`: the same exports and counts as over MCP, at a terminal."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import TypeVar

import anyio

from contacts_mcp.api.pace import on_progress
from contacts_mcp.book import Book, Exported, Format, export, picture
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
    place = file.expanduser().absolute()
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


def _with_book(settings: Settings, work: Callable[[Book], Awaitable[Result]], announce: Announce) -> Result:
    async def heard(_: str, done: int, of: int | None) -> None:
        announce(done, of)

    async def run() -> Result:
        on_progress.set(heard)
        async with Workspace(settings) as workspace:
            return await work(await workspace.book())

    return anyio.run(run)
