"""The tools about what this server did."""

from __future__ import annotations

from typing import Annotated

from contacts_mcp import book
from contacts_mcp.server import views
from contacts_mcp.server.tools import parameters as p
from contacts_mcp.server.tools.calls import Call, book_of


async def list_changes(
    ctx: Call,
    contact_id: Annotated[p.Id | None, p.described("Only changes of this contact.")] = None,
    limit: Annotated[p.UpTo50, p.described("How many.")] = 10,
    cursor: Annotated[p.Id | None, p.described("next_cursor of the answer before.")] = None,
) -> views.ChangesListed:
    """List what this server changed in the last 30 days, newest first, with before and after. Give a change_id to undo_change to take one back."""
    told = await book.changes_of(await book_of(ctx), contact_id=contact_id, before=cursor, limit=limit + 1)
    shown, older = told[:limit], told[limit:]
    return views.changes_listed(shown, next_cursor=shown[-1].entry.change_id if older else None)


async def undo_change(
    ctx: Call,
    change_id: Annotated[p.Id, p.described("From the answer of the change, or from list_changes.")],
    confirm_token: p.ConfirmToken = None,
) -> views.Wrote:
    """Take one change back: restores exactly what it changed, creates a deleted contact again (with a new id), or after a confirmation deletes a created one. Refused where the contact was changed since."""
    return views.wrote(await book.undo(await book_of(ctx), change_id, confirm_token=confirm_token or ""))
