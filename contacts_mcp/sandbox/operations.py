"""Every call of the API that the sandbox knows (heymarket-api.md, section 4), as one table.

The routes, the OpenAPI document and the faults all read it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Operation:
    """One call: its name in faults and recorded requests, where it is, what it takes and answers (names of schemas)."""

    name: str
    method: str
    path: str
    summary: str
    body: str | None = None
    reply: str
    writes: bool = False


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="create_contact",
        method="POST",
        path="/v1/contact",
        summary="Create a contact",
        body="ContactWrite",
        reply="Receipt",
        writes=True,
    ),
    Operation(name="get_contact", method="GET", path="/v1/contact/{id}", summary="Read a contact", reply="Contact"),
    Operation(
        name="update_contact",
        method="PUT",
        path="/v1/contact/{id}",
        summary="Change a contact; ?overwrite=true replaces all custom values",
        body="ContactWrite",
        reply="Receipt",
        writes=True,
    ),
    Operation(
        name="delete_contact",
        method="DELETE",
        path="/v1/contact/{id}",
        summary="Delete a contact for good",
        reply="Word",
        writes=True,
    ),
    Operation(
        name="list_contacts",
        method="POST",
        path="/v1/contacts",
        summary="A page of contacts, newest change first",
        body="ListQuery",
        reply="Contacts",
    ),
    Operation(
        name="count_contacts",
        method="POST",
        path="/v1/contacts/count",
        summary="How many contacts there are",
        body="Nothing",
        reply="Count",
    ),
    Operation(
        name="find_contact",
        method="POST",
        path="/v1/contact/get",
        summary="Read a contact by phone or id; the phone wins",
        body="Who",
        reply="Contact",
    ),
    Operation(
        name="contact_status",
        method="POST",
        path="/v1/contact/status",
        summary="Whether a contact is unsubscribed or blocked",
        body="Who",
        reply="Status",
    ),
    Operation(
        name="set_contact_status",
        method="POST",
        path="/v1/contact/set_status",
        summary="Block, unblock, subscribe or unsubscribe a contact",
        body="StatusWrite",
        reply="Word",
        writes=True,
    ),
    Operation(name="list_fields", method="POST", path="/v1/contact-fields", summary="All custom fields", reply="Fields"),
    Operation(
        name="create_fields",
        method="POST",
        path="/v1/contacts/fields",
        summary="Create custom fields; a title that is there already is answered as a duplicate",
        body="FieldsWrite",
        reply="CreatedFields",
        writes=True,
    ),
    Operation(
        name="batch_contacts",
        method="POST",
        path="/v1/batch/contacts",
        summary="Create many contacts; known phones are skipped unless ?overwrite=true",
        body="ContactWrites",
        reply="BatchReply",
        writes=True,
    ),
    Operation(
        name="search_contacts",
        method="POST",
        path="/v2/contacts/search",
        summary="Contacts with exactly one of these phones or e-mails",
        body="Search",
        reply="Contacts",
    ),
    Operation(name="list_tags", method="POST", path="/v1/tags", summary="A page of tags", body="TagQuery", reply="Tags"),
    Operation(
        name="create_tag",
        method="POST",
        path="/v1/tag",
        summary="Create a tag",
        body="TagWrite",
        reply="Receipt",
        writes=True,
    ),
    Operation(name="get_team", method="GET", path="/v1/team", summary="The team and its members", reply="Team"),
    Operation(name="list_inboxes", method="GET", path="/v1/inboxes", summary="All inboxes", reply="Inboxes"),
)
