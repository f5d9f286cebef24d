"""The tools about what this server did."""

from __future__ import annotations

from typing import Annotated

from contacts_mcp.book.history import changes_of, undo
from contacts_mcp.tools import parameters as p
from contacts_mcp.tools import views
from contacts_mcp.tools.calls import Call, book_of


async def list_changes(
    ctx: Call,
    contact_id: Annotated[int | None, p.described("Only changes of this contact.", ge=1)] = None,
    limit: Annotated[int, p.described("How many.", ge=1, le=50)] = 10,
    cursor: Annotated[int | None, p.described("next_cursor of the answer before.", ge=1)] = None,
) -> views.ChangesListed:
    """List what this server changed in the last 30 days, newest first, with before and after. Give a change_id to undo_change to take one back."""
    told = await changes_of(await book_of(ctx), contact_id=contact_id, before=cursor, limit=limit)
    return views.changes_listed(told, next_cursor=told[-1].entry.change_id if len(told) == limit else None)


async def undo_change(
    ctx: Call,
    change_id: Annotated[int, p.described("From the answer of the change, or from list_changes.", ge=1)],
    confirm_token: p.ConfirmToken = None,
) -> views.Wrote:
    """Take one change back: restores exactly what it changed, creates a deleted contact again (with a new id), or after a confirmation deletes a created one. Refused where the contact was changed since."""
    return views.wrote(await undo(await book_of(ctx), change_id, confirm_token=confirm_token or ""))
