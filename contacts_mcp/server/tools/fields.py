"""The tool about the account's custom fields."""

from __future__ import annotations

from typing import Annotated

from contacts_mcp import book as books
from contacts_mcp.server.tools import parameters as p
from contacts_mcp.server.tools.entry import App, ToolEntry
from contacts_mcp.server.views.contacts import MOST_FIELDS, FieldsResult, fields_listed
from contacts_mcp.server.views.fitting import Answer


async def list_contact_fields(
    app: App,
    query: Annotated[str | None, p.described("Part of a field's name; all fields without it.")] = None,
) -> Answer:
    """List the account's custom fields. Their names are the keys of custom_fields in the other tools."""
    book = await app.book()
    fields = (await book.vocabulary.read("fields")).fields
    account = await books.described_so_far(book) if book.mirror.is_in_use else None
    named = fields.matching(query or "")
    shown = [(field.id, fields.label(field.id)) for field in named[:MOST_FIELDS]]
    return fields_listed(shown, query=query or "", total=len(named), unread_rows=fields.unread_rows(), account=account)


LIST = ToolEntry(
    list_contact_fields,
    answers=FieldsResult,
    title="List custom fields",
    group="fields",
    scopes=("contacts:read",),
    has_screen=False,
)

TOOLS = (LIST,)
