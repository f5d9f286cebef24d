"""The tool that exports contacts, and that shows the whole book in counts."""

from __future__ import annotations

from typing import Annotated, Literal

from contacts_mcp import book as books
from contacts_mcp.errors import InvalidArgument, UnknownName
from contacts_mcp.server.tools import parameters as p
from contacts_mcp.server.tools.entry import App, ToolEntry
from contacts_mcp.server.views.export import ExportResult, pictured, written
from contacts_mcp.server.views.fitting import Answer

ALL = "all"


async def export_contacts(
    app: App,
    where: Annotated[
        p.Where | None, p.described('As {"tag": "VIP", "Plan": "Gold"}: filters of search_contacts.')
    ] = None,
    file: Annotated[
        str | None, p.described("Name, as vips.xlsx; without one the answer holds up to 25 contacts.")
    ] = None,
    format: Annotated[  # noqa: A002 -- the name that callers use
        Literal["csv", "xlsx", "vcard", "vcard4", "jsonl"] | None, p.described("Without it: by the ending.")
    ] = None,
    overwrite: Annotated[bool, p.described("Replace a file that exists.")] = False,
    by: Annotated[
        str | None, p.described('Instead of contacts: counts of the whole book, by this custom field or "all".')
    ] = None,
) -> Answer:
    """Write contacts into a file on this machine, or show the whole book in counts (by). complete
    is false if contacts may be missing: the file is then NAME.partial.csv."""
    from contacts_mcp.book.transfer.where import filters_of

    if by:
        if file or where:
            raise InvalidArgument("by", "shows the whole book.", expected="Leave out file and where.")
        try:
            return pictured(await books.picture(await app.book(), by="" if by.strip().lower() == ALL else by))
        except UnknownName as unknown:
            if unknown.is_ambiguous:
                raise
            way = f'{unknown.expected} by: "all" counts tags, opt-outs and months.'
            raise UnknownName("by", unknown.problem, candidates=unknown.candidates, expected=way) from None
    exported = await books.export(
        await app.book(), filters_of(where or {}), file=file or "", kind=format, overwrite=overwrite
    )
    return written(exported)


EXPORT = ToolEntry(
    export_contacts,
    answers=ExportResult,
    title="Export contacts",
    group="transfer",
    scopes=("contacts:read",),
    keeps_empty=("where",),
)

TOOLS = (EXPORT,)
