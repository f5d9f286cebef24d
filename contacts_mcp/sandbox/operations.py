"""Every call of the API that the sandbox knows (heymarket-api.md, section 4), as one table.

The routes, the OpenAPI document and the faults all read it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pydantic import BaseModel

from . import bodies


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One call of the API."""

    name: str  # as faults and recorded requests give it
    method: str
    path: str
    summary: str
    body: type[BaseModel] | None = None  # None: the body is not looked at
    body_required: bool = True  # False: no body is an empty object
    overwrite: bool = False  # whether the call takes `?overwrite=`
    reply: type[BaseModel]
    writes: bool = False


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="create_contact",
        method="POST",
        path="/v1/contact",
        summary="Create a contact",
        body=bodies.ContactWrite,
        reply=bodies.Receipt,
        writes=True,
    ),
    Operation(
        name="get_contact",
        method="GET",
        path="/v1/contact/{id}",
        summary="Read a contact",
        reply=bodies.Contact,
    ),
    Operation(
        name="update_contact",
        method="PUT",
        path="/v1/contact/{id}",
        summary="Change a contact; ?overwrite=true replaces all custom values",
        body=bodies.ContactWrite,
        overwrite=True,
        reply=bodies.Receipt,
        writes=True,
    ),
    Operation(
        name="delete_contact",
        method="DELETE",
        path="/v1/contact/{id}",
        summary="Delete a contact for good",
        reply=bodies.Word,
        writes=True,
    ),
    Operation(
        name="list_contacts",
        method="POST",
        path="/v1/contacts",
        summary="A page of contacts, newest change first",
        body=bodies.ListQuery,
        reply=bodies.Contacts,
    ),
    Operation(
        name="count_contacts",
        method="POST",
        path="/v1/contacts/count",
        summary="How many contacts there are",
        body=bodies.Nothing,
        body_required=False,
        reply=bodies.Count,
    ),
    Operation(
        name="find_contact",
        method="POST",
        path="/v1/contact/get",
        summary="Read a contact by phone or id; the phone wins",
        body=bodies.Who,
        reply=bodies.Contact,
    ),
    Operation(
        name="contact_status",
        method="POST",
        path="/v1/contact/status",
        summary="Whether a contact is unsubscribed or blocked",
        body=bodies.Who,
        reply=bodies.Status,
    ),
    Operation(
        name="set_contact_status",
        method="POST",
        path="/v1/contact/set_status",
        summary="Block, unblock, subscribe or unsubscribe a contact",
        body=bodies.StatusWrite,
        reply=bodies.Word,
        writes=True,
    ),
    Operation(
        name="list_fields",
        method="POST",
        path="/v1/contact-fields",
        summary="All custom fields",
        reply=bodies.CustomFields,
    ),
    Operation(
        name="create_fields",
        method="POST",
        path="/v1/contacts/fields",
        summary="Create custom fields; a known title is answered as a duplicate",
        body=bodies.FieldsWrite,
        reply=bodies.CreatedFields,
        writes=True,
    ),
    Operation(
        name="batch_contacts",
        method="POST",
        path="/v1/batch/contacts",
        summary="Create many contacts; known phones are skipped unless ?overwrite=true",
        body=bodies.ContactWrites,
        overwrite=True,
        reply=bodies.FailedWrites,
        writes=True,
    ),
    Operation(
        name="search_contacts",
        method="POST",
        path="/v2/contacts/search",
        summary="Contacts with exactly one of these phones or e-mails",
        body=bodies.Search,
        reply=bodies.Contacts,
    ),
    Operation(
        name="list_tags",
        method="POST",
        path="/v1/tags",
        summary="A page of tags, newest change first",
        body=bodies.TagQuery,
        reply=bodies.Tags,
    ),
    Operation(
        name="create_tag",
        method="POST",
        path="/v1/tag",
        summary="Create a tag",
        body=bodies.TagWrite,
        reply=bodies.Receipt,
        writes=True,
    ),
    Operation(
        name="get_team",
        method="GET",
        path="/v1/team",
        summary="The team and its members",
        reply=bodies.Team,
    ),
    Operation(
        name="list_inboxes",
        method="GET",
        path="/v1/inboxes",
        summary="All inboxes",
        reply=bodies.Inboxes,
    ),
)

WRITES = frozenset(operation.name for operation in OPERATIONS if operation.writes)
