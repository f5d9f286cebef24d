"""A contact's fields, one row each: how a field is read, written, emptied and asked for.

A field that Heymarket only shows needs a member in `models.Contact` and a row here, and nothing else. Custom fields are
not in the table, because every account has its own. Their keys are `custom:<field id>`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from contacts_mcp.models import Value

MOST_TAGS = 5  # of one contact (heymarket-api.md 3.2)
UNASSIGN = -1


def _as_is(value: Value) -> Any:
    return value


def _assignee(value: Value) -> Any:
    return value or UNASSIGN


def _tags(value: Value) -> Any:
    return [{"tag_id": tag} for tag in value] if isinstance(value, list) else []


@dataclass(frozen=True, slots=True, kw_only=True)
class ContactField:
    """One field of a contact."""

    name: str  # in requests, answers and the journal
    member: str  # of models.Contact
    sent_as: str = ""  # in the body of a write; "" for a field that is only shown
    encode: Callable[[Value], Any] = _as_is  # the value in that body
    nothing: Value = ""  # the value of an emptied field
    is_text: bool = True  # an emptied text is "" or null, and nobody knows which (heymarket-api.md 3.3)
    always_sent: bool = False  # a PUT without it is refused, or blanks it
    can_be_cleared: bool = False  # by naming it in `clear`


FIELDS = (
    ContactField(name="phone", member="phone", sent_as="phone", always_sent=True),
    ContactField(name="first", member="first", sent_as="first", always_sent=True, can_be_cleared=True),
    ContactField(name="last", member="last", sent_as="last", always_sent=True, can_be_cleared=True),
    ContactField(
        name="display_name", member="display_name", sent_as="display_name", always_sent=True, can_be_cleared=True
    ),
    ContactField(name="email", member="email", sent_as="email", can_be_cleared=True),
    ContactField(name="avatar", member="avatar", sent_as="avatar", can_be_cleared=True),
    ContactField(
        name="assignee",
        member="assigned_user_id",
        sent_as="assignee_id",
        encode=_assignee,
        nothing=None,
        is_text=False,
        can_be_cleared=True,
    ),
    ContactField(
        name="tags", member="tags", sent_as="tags", encode=_tags, nothing=[], is_text=False, can_be_cleared=True
    ),
    ContactField(name="is_opted_out", member="is_opted_out", sent_as="is_opted_out", nothing=None, is_text=False),
    ContactField(name="email_suppressions", member="email_suppressions", nothing=[], is_text=False),
)

BY_NAME = {field.name: field for field in FIELDS}
WRITTEN = tuple(field for field in FIELDS if field.sent_as)
ALWAYS_SENT = tuple(field.name for field in WRITTEN if field.always_sent)
SHOWN_ONLY = tuple(field for field in FIELDS if not field.sent_as)
CLEARABLE = tuple(field.name for field in FIELDS if field.can_be_cleared)
NAMES = ("first", "last", "display_name")
