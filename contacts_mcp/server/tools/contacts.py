"""The tools about contacts. Their descriptions are the interface: what, when, when not, what comes back."""

from __future__ import annotations

from typing import Annotated, Literal

from contacts_mcp import book
from contacts_mcp.server import views
from contacts_mcp.server.tools import parameters as p
from contacts_mcp.server.tools.calls import Call, book_of

MOST_IN_FULL = 25


async def create_contact(
    ctx: Call,
    phone: p.Phone,
    first: p.First = None,
    last: p.Last = None,
    display_name: p.DisplayName = None,
    email: p.Email = None,
    custom_fields: p.CustomFields = None,
    avatar: p.Avatar = None,
    assignee: p.FirstAssignee = None,
    tags: p.FirstTags = None,
    is_opted_out: p.IsOptedOut = None,
    if_exists: Annotated[
        Literal["report", "update"], p.described("What to do when somebody has that phone: report changes nothing.")
    ] = "report",
) -> views.Wrote:
    """Add one contact. Looks the phone up first, so it never makes a second contact with the same phone. To change a known contact use update_contact."""
    wanted = book.Wanted(
        first=first,
        last=last,
        display_name=display_name,
        email=email,
        custom_fields=custom_fields or {},
        avatar=avatar,
        assignee=assignee,
        tags=tags,
        is_opted_out=is_opted_out,
    )
    return views.wrote(await book.create_contact(await book_of(ctx), phone, wanted, if_exists=if_exists))


async def lookup_contact(
    ctx: Call,
    contact_id: p.ContactId = None,
    phone: p.WhosePhone = None,
    email: p.Email = None,
) -> views.LookedUp:
    """Get everything about the contact with exactly this id, phone or e-mail (give one). To find people by name, tag, field or date use list_contacts."""
    return views.looked_up(await book.look_up(await book_of(ctx), contact_id=contact_id, phone=phone, email=email))


async def update_contact(
    ctx: Call,
    contact_id: p.ContactId = None,
    phone: p.WhosePhone = None,
    new_phone: p.NewPhone = None,
    first: p.First = None,
    last: p.Last = None,
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
) -> views.Wrote:
    """Change one contact, found by contact_id or phone. What is not given stays as it is; only clear empties. Answers what was before and after."""
    wanted = book.Wanted(
        first=first,
        last=last,
        display_name=display_name,
        email=email,
        custom_fields=custom_fields or {},
        replace_custom_fields=bool(replace_custom_fields),
        avatar=avatar,
        assignee=assignee,
        tags=tags,
        add_tags=add_tags or (),
        remove_tags=remove_tags or (),
        is_opted_out=is_opted_out,
        clear=clear or (),
    )
    outcome = await book.update_contact(
        await book_of(ctx),
        wanted,
        contact_id=contact_id,
        phone=phone,
        new_phone=new_phone,
        consent=consent or "",
        confirm_token=confirm_token or "",
    )
    return views.wrote(outcome)


async def delete_contact(
    ctx: Call,
    contact_id: p.ContactId = None,
    phone: p.WhosePhone = None,
    confirm_token: p.ConfirmToken = None,
) -> views.Wrote:
    """Delete one contact and its whole conversation for good. The first call only answers what would go and a confirm_token; to stop texts, update is_opted_out instead."""
    return views.wrote(
        await book.delete_contact(
            await book_of(ctx), contact_id=contact_id, phone=phone, confirm_token=confirm_token or ""
        )
    )


async def list_contacts(
    ctx: Call,
    limit: Annotated[p.UpTo100, p.described("How many contacts to answer.")] = 25,
    cursor: Annotated[str | None, p.described("next_cursor of the answer before, with the same filters.")] = None,
    detail: Annotated[
        views.Detail,
        p.described("concise leaves out custom fields not filtered by; full shows all, at most 25 contacts."),
    ] = "concise",
    name: Annotated[str | None, p.described("Part of a name.")] = None,
    tag: Annotated[str | None, p.described("Has this tag.")] = None,
    assignee: Annotated[str | None, p.described('Owned by this team member; "none": by nobody.')] = None,
    custom_fields: Annotated[p.CustomFields, p.described('Has exactly these custom values; "" is none.')] = None,
    is_opted_out: Annotated[bool | None, p.described("Is opted out of texts, or is not.")] = None,
    created_after: Annotated[str | None, p.described("Day (2026-11-01, UTC) or RFC 3339 moment, inclusive.")] = None,
    created_before: Annotated[str | None, p.described("Exclusive.")] = None,
    updated_after: Annotated[str | None, p.described("Inclusive.")] = None,
    updated_before: Annotated[str | None, p.described("Exclusive.")] = None,
) -> views.Listed:
    """List or search contacts, last changed first; filters combine. Answers next_cursor while there may be more, the total where no filter is given, and complete true only where all were seen."""
    filters = book.Filters(
        name=name,
        tag=tag,
        assignee=assignee,
        custom_fields=custom_fields or {},
        is_opted_out=is_opted_out,
        created_after=created_after,
        created_before=created_before,
        updated_after=updated_after,
        updated_before=updated_before,
    )
    opened = await book_of(ctx)
    most = min(limit, MOST_IN_FULL) if detail == "full" else limit
    listing = await book.list_contacts(opened, filters, limit=most, cursor=cursor or "")
    return views.listed(
        listing,
        detail=detail,
        shown_fields=listing.shown_fields,
        shows_created=bool(created_after or created_before),
    )
