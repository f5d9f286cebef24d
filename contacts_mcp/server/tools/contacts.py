"""The tools about contacts. Their descriptions are the interface: purpose, when to use another tool, the answer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator

from contacts_mcp import book as books
from contacts_mcp.server.tools import parameters as p
from contacts_mcp.server.tools.entry import App, ToolEntry
from contacts_mcp.server.tools.requests import filled, request
from contacts_mcp.server.views.contacts import Detail, ListResult, LookupResult, listed, looked_up
from contacts_mcp.server.views.fitting import Answer
from contacts_mcp.server.views.writes import CreateResult, DeleteResult, UpdateResult, wrote

MOST_IN_FULL = 25


async def create_contact(
    app: App,
    phone: p.Phone,
    first: p.First = None,
    last: p.Last = None,
    display_name: p.DisplayName = None,
    email: p.Email = None,
    custom_fields: p.FirstCustomFields = None,
    avatar: p.Avatar = None,
    assignee: p.FirstAssignee = None,
    tags: p.FirstTags = None,
    is_opted_out: p.IsOptedOut = None,
    if_exists: Annotated[
        Literal["report", "fill"],
        BeforeValidator(p.in_small_letters),
        p.described("If somebody has that phone: report changes nothing; fill sets empty fields and adds tags."),
    ] = "report",
) -> Answer:
    """Add one contact. Looks the phone up first, so it never makes a second contact with the same phone.
    To change a known contact use update_contact."""
    asked = request(books.create_contact, locals())
    return wrote(await books.create_contact(await app.book(), **asked))


CREATE = ToolEntry(
    create_contact, answers=CreateResult, title="Create contact", group="contacts", scopes=("contacts:write",)
)


async def lookup_contact(
    app: App,
    contact_id: p.ContactId = None,
    phone: p.SoughtPhone = None,
    email: p.SoughtEmail = None,
) -> Answer:
    """Get everything about the contact with exactly this id, phone or e-mail (give one).
    Answers found false if nobody has it. By name, tag, field or date use list_contacts."""
    return looked_up(await books.look_up(await app.book(), contact_id=contact_id, phone=phone, email=email))


LOOKUP = ToolEntry(
    lookup_contact, answers=LookupResult, title="Look up contact", group="contacts", scopes=("contacts:read",)
)


async def update_contact(
    app: App,
    contact_id: p.ContactId = None,
    phone: p.WhosePhone = None,
    name: p.WhoseName = None,
    new_phone: p.NewPhone = None,
    first: p.NewFirst = None,
    last: p.NewLast = None,
    display_name: p.DisplayName = None,
    email: p.Email = None,
    custom_fields: p.CustomFields = None,
    replace_custom_fields: p.ReplaceCustomFields = None,
    avatar: p.Avatar = None,
    assignee: p.Assignee = None,
    tags: p.Tags = None,
    add_tags: p.AddTags = None,
    remove_tags: p.RemoveTags = None,
    is_opted_out: p.IsOptedOutOnUpdate = None,
    consent: p.Consent = None,
    clear: p.Clear = None,
    confirm_token: p.ConfirmToken = None,
) -> Answer:
    """Change one contact, by contact_id or phone. Fields not given stay. Only clear empties.
    To add one use create_contact."""
    asked = request(books.update_contact, locals())
    return wrote(await books.update_contact(await app.book(), **asked))


UPDATE = ToolEntry(
    update_contact,
    answers=UpdateResult,
    title="Update contact",
    group="contacts",
    scopes=("contacts:write",),
    destructive=True,
    keeps_empty=("first", "last", "display_name", "email", "avatar", "assignee", "tags"),
)


async def delete_contact(
    app: App,
    contact_id: p.ContactId = None,
    phone: p.WhosePhone = None,
    name: p.WhoseName = None,
    confirm_token: p.ConfirmToken = None,
) -> Answer:
    """Delete one contact, by contact_id or phone, and its whole conversation for good. The first call deletes nothing:
    it shows the contact and answers a confirm_token. To stop texts, set is_opted_out with update_contact instead."""
    deleted = await books.delete_contact(
        await app.book(), contact_id=contact_id, phone=phone, name=name, confirm_token=confirm_token or ""
    )
    return wrote(deleted)


DELETE = ToolEntry(
    delete_contact,
    answers=DeleteResult,
    title="Delete contact",
    group="contacts",
    scopes=("contacts:delete",),
    destructive=True,
)


async def list_contacts(
    app: App,
    limit: Annotated[p.UpTo100, p.described("Contacts per page.")] = 25,
    cursor: Annotated[str | None, p.described("next_cursor of the last answer, with the same filters.")] = None,
    detail: Annotated[
        Detail,
        BeforeValidator(p.in_small_letters),
        p.described("concise shows only the custom fields you filter by; full shows all, of at most 25 contacts."),
    ] = "concise",
    name: Annotated[str | None, p.described("Part of a name.")] = None,
    tag: Annotated[str | None, p.described("Has this tag.")] = None,
    assignee: Annotated[str | None, p.described('Assigned to this team member; "none" for nobody.')] = None,
    custom_fields: Annotated[p.CustomFields, p.described('Exactly these custom values; "" for no value.')] = None,
    is_opted_out: Annotated[bool | None, p.described("Opted out of texts, or not.")] = None,
    created_after: Annotated[str | None, p.described("Local day (2026-11-01) or RFC 3339 moment, inclusive.")] = None,
    created_before: Annotated[str | None, p.described("Exclusive.")] = None,
    updated_after: Annotated[str | None, p.described("Inclusive.")] = None,
    updated_before: Annotated[str | None, p.described("Exclusive.")] = None,
) -> Answer:
    """List or search contacts, last changed first. Filters combine. Answers next_cursor while there may be more, the
    total if no filter is given, and complete true only if all were seen. One exact phone or e-mail: lookup_contact."""
    filters = filled(books.Filters, locals())
    book = await app.book()
    most = MOST_IN_FULL if detail == "full" else limit
    listing = await books.list_contacts(book, filters, limit=limit, most=most, cursor=cursor or "")
    return listed(
        listing,
        detail=detail,
        shown_fields=listing.shown_fields,
        shows_created=bool(created_after or created_before),
    )


LIST = ToolEntry(
    list_contacts,
    answers=ListResult,
    title="List contacts",
    group="contacts",
    scopes=("contacts:read",),
)

TOOLS = (CREATE, LOOKUP, UPDATE, DELETE, LIST)
