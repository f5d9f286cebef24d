"""The tools that find people and describe the account, from the local mirror and the service together."""

from __future__ import annotations

from typing import Annotated, Literal

from contacts_mcp import book as books
from contacts_mcp.server.tools import parameters as p
from contacts_mcp.server.tools.entry import App, ToolEntry
from contacts_mcp.server.tools.requests import filled
from contacts_mcp.server.views.contacts import Detail
from contacts_mcp.server.views.fitting import Answer
from contacts_mcp.server.views.search import AccountResult, SearchResult, described, found

MOST_IN_FULL = 25


async def search_contacts(
    app: App,
    query: Annotated[
        p.Word | None,
        p.described('Words of names, values, e-mails, phones, as said: "ends in 3344".'),
    ] = None,
    tag: Annotated[p.Names | None, p.described('Tags; "none" for no tags.')] = None,
    tag_match: Annotated[Literal["all", "any"], p.described("Of several tags.")] = "all",
    assignee: Annotated[str | None, p.described('Team member; "none" for nobody.')] = None,
    custom_fields: Annotated[p.CustomFields, p.described('Exact values by field name; "" no value, "*" any.')] = None,
    opted_out: Annotated[bool | None, p.described("Opted out of texts, or not.")] = None,
    has_email: Annotated[bool | None, p.described("Or without.")] = None,
    area_code: Annotated[p.Word | None, p.described("As 510.")] = None,
    country: Annotated[str | None, p.described("Of the phone: two letters, as DE.")] = None,
    created_after: Annotated[str | None, p.described("Day (2026-11-01) or moment.")] = None,
    created_before: Annotated[str | None, p.described("Exclusive.")] = None,
    updated_after: Annotated[str | None, p.described("From then on.")] = None,
    updated_before: Annotated[str | None, p.described("Exclusive.")] = None,
    sort: Annotated[Literal["best", "newest_change", "newest_contact", "name"], p.described("By fit.")] = "best",
    limit: Annotated[p.UpTo100, p.described("Per page.")] = 25,
    cursor: Annotated[str | None, p.described("next_cursor, same question.")] = None,
    detail: Annotated[Detail, p.described("full: all fields, of 25.")] = "concise",
) -> Answer:
    """Find or count contacts by any words and exact filters together. Answers why each was found (match: sure,
    likely, guess), the total, and complete true only if all were searched."""
    given = {name: value for name, value in locals().items() if name not in ("tag", "opted_out")}
    filters = filled(books.Filters, given | {"tags": tag, "any_tag": tag_match == "any", "is_opted_out": opted_out})
    most = min(limit, MOST_IN_FULL) if detail == "full" else limit
    finding = await books.find(await app.book(), filters, query=query or "", sort=sort, limit=most, cursor=cursor or "")
    return found(finding, detail=detail, shows_created=bool(created_after or created_before))


SEARCH = ToolEntry(
    search_contacts,
    answers=SearchResult,
    title="Search contacts",
    group="search",
    scopes=("contacts:read",),
    keeps_empty=("custom_fields",),
)


async def describe_account(app: App) -> Answer:
    """Show the custom fields with their kind and values, the tags and the team members, each with the number of
    contacts, and the totals."""
    return described(await books.describe(await app.book()))


DESCRIBE = ToolEntry(
    describe_account, answers=AccountResult, title="Describe account", group="search", scopes=("contacts:read",)
)

TOOLS = (SEARCH, DESCRIBE)
