"""The tools about contacts that are one person."""

from __future__ import annotations

from typing import Annotated, Literal

from contacts_mcp import book as books
from contacts_mcp.server.tools import parameters as p
from contacts_mcp.server.tools.entry import App, ToolEntry
from contacts_mcp.server.views.doubles import DuplicatesResult, MergeResult, duplicates_found, merged
from contacts_mcp.server.views.fitting import Answer


async def find_duplicates(
    app: App,
    tier: Annotated[
        Literal["sure", "possible"], p.described("sure: the same person by all signs; possible: worth a look.")
    ] = "sure",
    limit: Annotated[p.UpTo50, p.described("Sets per page.")] = 10,
    cursor: Annotated[str | None, p.described("next_cursor of the last answer, same tier.")] = None,
) -> Answer:
    """Find contacts that are, or may be, one person, in sets with the evidence. Changes nothing: ask the person which
    to merge, then use merge_contacts."""
    return duplicates_found(await books.find_doubles(await app.book(), tier=tier, limit=limit, cursor=cursor or ""))


FIND = ToolEntry(
    find_duplicates, answers=DuplicatesResult, title="Find duplicates", group="duplicates", scopes=("contacts:read",)
)


async def merge_contacts(
    app: App,
    keep: Annotated[p.Id, p.described("contact_id that stays.")],
    others: Annotated[p.Ids, p.described("contact_ids that are deleted, with their conversations.")],
    confirm_token: p.ConfirmToken = None,
) -> Answer:
    """Make one contact of several: fills the empty fields of keep from the others, then deletes those. The first call
    changes nothing: it answers a plan and a confirm_token. undo_change takes it back."""
    outcome = await books.merge(await app.book(), keep, others, confirm_token=confirm_token or "")
    return merged(outcome)


MERGE = ToolEntry(
    merge_contacts,
    answers=MergeResult,
    title="Merge contacts",
    group="duplicates",
    scopes=("contacts:write", "contacts:delete"),
    destructive=True,
)

TOOLS = (FIND, MERGE)
