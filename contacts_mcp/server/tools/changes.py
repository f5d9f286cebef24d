"""The tools about the changes that this server made."""

from __future__ import annotations

from typing import Annotated

from contacts_mcp import book as books
from contacts_mcp.server.tools import parameters as p
from contacts_mcp.server.tools.entry import App, ToolEntry
from contacts_mcp.server.tools.transfer import undo_run
from contacts_mcp.server.views.changes import ChangesResult, changes_listed
from contacts_mcp.server.views.fitting import Answer
from contacts_mcp.server.views.transfer import UndoResult
from contacts_mcp.server.views.writes import wrote


async def list_changes(
    app: App,
    contact_id: Annotated[p.Id | None, p.described("Only changes of this contact.")] = None,
    limit: Annotated[p.UpTo50, p.described("Changes per page.")] = 10,
    cursor: Annotated[p.ChangeCursor | None, p.described("next_cursor of the last answer.")] = None,
) -> Answer:
    """List the changes this server made in the last 30 days, newest first, with before and after.
    Give a change_id to undo_change to take one back."""
    told = await books.changes_of(await app.book(), contact_id=contact_id, before=cursor, limit=limit + 1)
    return changes_listed(told[:limit], is_more=len(told) > limit)


LIST = ToolEntry(list_changes, answers=ChangesResult, title="List changes", group="history", scopes=("contacts:read",))


async def undo_change(
    app: App,
    change_id: Annotated[p.Id, p.described("From the answer of the change, or from list_changes.")],
    confirm_token: p.ConfirmToken = None,
) -> Answer:
    """Take back one change, or a whole import. Restores exactly the fields it changed, or creates a deleted contact
    again (with a new id). Deletes created contacts after a confirmation. A contact that was changed since stays."""
    book = await app.book()
    entry = await book.journal.get(change_id)
    if entry is not None and entry.action == "import":
        return await undo_run(app, book, entry, confirm_token or "")
    return wrote(await books.undo(book, change_id, confirm_token=confirm_token or ""))


UNDO = ToolEntry(
    undo_change,
    answers=UndoResult,
    title="Undo change",
    group="history",
    scopes=("contacts:write", "contacts:delete"),  # of a created contact
    destructive=True,
)

TOOLS = (LIST, UNDO)
