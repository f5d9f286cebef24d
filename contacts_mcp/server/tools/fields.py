"""The tool about the account's custom fields."""

from __future__ import annotations

from typing import Annotated

from contacts_mcp.server import views
from contacts_mcp.server.tools import parameters as p
from contacts_mcp.server.tools.calls import Call, book_of


async def list_contact_fields(
    ctx: Call,
    query: Annotated[str | None, p.described("Part of a field's name; all fields without it.")] = None,
) -> views.FieldsListed:
    """List the account's custom fields. Their names are the keys of custom_fields in the other tools."""
    fields = (await (await book_of(ctx)).vocabulary.read("fields")).fields
    named = fields.matching(query or "")
    return views.fields_listed([(field.id, fields.label(field.id)) for field in named], query=query or "")
