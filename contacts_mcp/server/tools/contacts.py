"""The tools about contacts. Their descriptions are the interface: purpose, when to use another tool, the answer."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator

from contacts_mcp import book as books
from contacts_mcp.server.tools import parameters as p
from contacts_mcp.server.tools.entry import App, ToolEntry
from contacts_mcp.server.tools.requests import request
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
    create_missing_tags: p.CreateMissingTags = None,
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
    name: p.SoughtName = None,
) -> Answer:
    """Get everything about the contact with exactly this id, phone, e-mail or full name (give one).
    Answers found false if nobody has it. By parts of a name, tag, field or date use search_contacts."""
    book = await app.book()
    if name is not None and contact_id is None and phone is None and email is None:
        return looked_up(await books.called(book, name))
    return looked_up(await books.look_up(book, contact_id=contact_id, phone=phone, email=email, called=name))


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
    create_missing_tags: p.CreateMissingTags = None,
    is_opted_out: p.IsOptedOutOnUpdate = None,
    consent: p.Consent = None,
    clear: p.Clear = None,
    confirm_token: p.ConfirmToken = None,
) -> Answer:
    """Change one contact, by id, phone or full name. Fields not given stay. Only clear empties."""
    asked = request(books.update_contact, locals())
    book = await app.book()
    contact_id = await books.identified(book, contact_id=contact_id, phone=phone, name=name)
    return wrote(await books.update_contact(book, **asked | {"contact_id": contact_id}))


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
    """Delete one contact, by id, phone or full name, and its whole conversation for good. The first call deletes
    nothing: it answers a confirm_token. To stop texts, set is_opted_out with update_contact instead."""
    book = await app.book()
    is_by_name = contact_id is None and phone is None
    contact_id = await books.identified(book, contact_id=contact_id, phone=phone, name=name)
    deleted = await books.delete_contact(
        book, contact_id=contact_id, phone=phone, name=name, confirm_token=confirm_token or "", always_asks=is_by_name
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
    cursor: Annotated[str | None, p.described("next_cursor of the last answer.")] = None,
    detail: Annotated[
        Detail,
        BeforeValidator(p.in_small_letters),
        p.described("full shows all fields, of at most 25 contacts."),
    ] = "concise",
) -> Answer:
    """List all contacts, last changed first. To find or count some use search_contacts.
    Answers next_cursor while there may be more, the total, and complete true only if all were seen."""
    most = MOST_IN_FULL if detail == "full" else limit
    listing = await books.list_contacts(await app.book(), books.Filters(), limit=limit, most=most, cursor=cursor or "")
    return listed(listing, detail=detail)


LIST = ToolEntry(
    list_contacts,
    answers=ListResult,
    title="List contacts",
    group="contacts",
    scopes=("contacts:read",),
)

TOOLS = (CREATE, LOOKUP, UPDATE, DELETE, LIST)
