"""`contacts-mcp index`: the local index of contacts looked at, filled, and forgotten."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

import anyio

from contacts_mcp.book.search.known import Known, known_from
from contacts_mcp.book.search.mirror import mirror_of
from contacts_mcp.config import Settings, variable_of
from contacts_mcp.errors import AccountError
from contacts_mcp.state.index_file import problem_with
from contacts_mcp.workspace import Workspace, index_path

MEGABYTE = 1_000_000


def described(settings: Settings, *, check: bool = False) -> list[str]:
    """The index of the account in use, a sentence a line. `check` reads every page of its file.

    Nothing is changed. Raises ContactsError.
    """
    if is_shared(settings):
        return [
            f"The index is in the database that servers share ({variable_of('database_url')}).",
            *_told_of_shared(settings),
        ]
    path = index_path(settings)
    if path is None:
        return [_elsewhere(settings)]
    if not path.exists():
        return [f"There is no index at {path} yet. The first search fills it, or contacts-mcp index build."]
    size = sum(each.stat().st_size for each in path.parent.glob(f"{path.name}*"))
    where = f"The index is {path} ({size / MEGABYTE:.1f} MB)."
    problem = problem_with(path, thoroughly=check)
    if problem:
        return [where, f"It cannot be used: {problem}."]
    known = known_in(path)
    checked = ["Every page of the file was checked, and is sound."] if check else []
    return [where, *told(known), *checked]


def is_shared(settings: Settings) -> bool:
    """Whether the index is in a database that servers share."""
    return settings.database_url is not None and settings.index == "disk"


def _told_of_shared(settings: Settings) -> list[str]:
    async def known() -> Known:
        async with Workspace(settings) as workspace:
            return await mirror_of(await workspace.book()).known()

    return told(anyio.run(known))


def known_in(path: Path) -> Known:
    """How much the file at `path` holds."""
    from contacts_mcp.state.index import Index

    with closing(Index(path)) as index:
        return known_from(index.state)


def told(known: Known) -> list[str]:
    """How much is in the index, a sentence a line."""
    return [f"It has {summary(known)}.", *known.notes]


def summary(known: Known) -> str:
    """The same in a few words."""
    of = "" if known.complete or known.of is None else f" of {known.of:,}"
    when = f" as of {known.as_of}" if known.as_of else ""
    return f"{known.searched:,}{of} contacts, {'complete' if known.complete else 'not complete'}{when}"


def build(settings: Settings, say: Callable[[str], None]) -> Known:
    """Fill the index of the account, from the place where it was stopped. `say` is told of the progress.

    Raises ContactsError where it cannot be filled.
    """
    if index_path(settings) is None and not is_shared(settings):
        raise AccountError(_elsewhere(settings))

    async def announce(searched: int, of: int | None) -> None:
        say(f"{searched:,} of {of:,} contacts" if of is not None else f"{searched:,} contacts")

    async def run() -> Known:
        async with Workspace(settings) as workspace:
            mirror = mirror_of(await workspace.book())
            return await mirror.ready(wait=math.inf, announce=announce)

    known = anyio.run(run)
    if known.failure:
        raise known.failure
    return known


async def forget(settings: Settings) -> int:
    """Delete the indexes of all accounts, in the data directory or in the database that servers share.

    Returns how many there were. A file that another program has open is emptied where it cannot be deleted. Raises
    ContactsError.
    """
    from contacts_mcp.state.index import Index

    if is_shared(settings):
        from contacts_mcp.shared import Shared

        async with Shared(settings) as shared:
            return await shared.forget_index()
    paths = sorted(settings.directory.glob("index-*.sqlite3"))
    for path in paths:
        with closing(Index(path)) as index:
            index.forget()
    for rest in [*settings.directory.glob("index-*.unreadable*"), *settings.directory.glob("index-*.lock")]:
        with suppress(OSError):  # a lock that a server holds, or a file on Windows
            rest.unlink()
    return len(paths)


def _elsewhere(settings: Settings) -> str:
    if settings.index == "off":
        return "The index is switched off (CONTACTS_MCP_INDEX=off)."
    return "The index is kept in memory while a server runs, and no file has any of it."
