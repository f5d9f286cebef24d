"""A contact in human terms: names instead of ids, phones as people read them, and what was changed from what to what."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from contacts_mcp.book.values import differences, field_id, is_empty
from contacts_mcp.book.vocabulary import Directory
from contacts_mcp.models import Contact, Value
from contacts_mcp.words.phones import show

UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Card:
    """A contact as answers show it. Empty members are empty, never left out; `opted_out` is None where nobody said."""

    contact_id: int
    name: str
    first: str
    last: str
    display_name: str
    phone: str
    email: str
    avatar: str
    custom_fields: Mapping[str, str]
    tags: tuple[str, ...]
    assignee: str
    is_opted_out: bool | None
    created: str
    updated: str
    rev: int
    other: Mapping[str, Any]
    """Members this package does not know, as they came."""


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs, in human terms."""

    field: str
    before: Any
    after: Any


async def card_of(contact: Contact, directory: Directory) -> Card:
    """`contact` with every id named. Names that cannot be had are shown as "field 37"; this never fails."""
    return Card(
        contact_id=contact.id,
        name=contact.name,
        first=contact.first,
        last=contact.last,
        display_name=contact.display_name,
        phone=show(contact.phone),
        email=contact.email,
        avatar=contact.avatar,
        custom_fields={await directory.fields.label(number): text for number, text in contact.custom.items() if text},
        tags=tuple([await directory.tags.label(tag) for tag in contact.tags]),
        assignee=await directory.members.label(contact.assigned_user_id) if contact.assigned_user_id else "",
        is_opted_out=contact.is_opted_out,
        created=contact.created,
        updated=contact.updated,
        rev=contact.rev,
        other={**({"uuid": contact.uuid} if contact.uuid else {}), **(contact.model_extra or {})},
    )


async def changes_between(
    before: Mapping[str, Value], after: Mapping[str, Value], directory: Directory, *, among: Iterable[str] | None = None
) -> list[Change]:
    """What differs, with fields and values named."""
    found = differences(before, after, among=among)
    return [
        Change(
            await field_name(key, directory),
            await shown(key, old, directory) if key in before else "",
            await shown(key, new, directory) if key in after else "",
        )
        for key, (old, new) in found.items()
    ]


async def field_name(key: str, directory: Directory) -> str:
    """What people call the value under `key`."""
    number = field_id(key)
    return key if number is None else await directory.fields.label(number)


async def shown(key: str, value: Value, directory: Directory) -> Any:
    """The value under `key` as people read it."""
    if key == "is_opted_out":
        return UNKNOWN if value is None else value
    if is_empty(value):
        return ""
    if key == "tags" and isinstance(value, list):
        return [await directory.tags.label(tag) for tag in value]
    if key == "assignee" and isinstance(value, int):
        return await directory.members.label(value)
    return show(str(value)) if key == "phone" else value
