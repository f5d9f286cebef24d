"""A contact in human terms: names instead of ids, readable phones, and the fields that differ between two states."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from contacts_mcp.book.fields import SHOWN_ONLY
from contacts_mcp.book.values import CUSTOM, differences, field_id, is_empty, values_of
from contacts_mcp.book.vocabulary import Snapshot, Vocabulary
from contacts_mcp.models import Contact, Value
from contacts_mcp.words.display import quoted, word
from contacts_mcp.words.phones import show
from contacts_mcp.words.zones import local

UNKNOWN = "unknown"
_CUSTOM_KEY = re.compile(rf"\b{CUSTOM}\d+\b")


@dataclass(frozen=True, slots=True)
class Card:
    """A contact as answers show it. Empty members are empty, never left out."""

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
    is_opted_out: bool | None  # None where the service does not say
    created: str  # RFC 3339, in the account's time zone; as it came where it names no moment
    updated: str
    rev: int
    shown_only: Mapping[str, Any]  # fields that Heymarket shows and nobody can write here
    other: Mapping[str, Any]  # members this package does not know, as they came


@dataclass(frozen=True, slots=True)
class Change:
    """One field that differs, in human terms."""

    field: str
    before: Any
    after: Any


def card_of(contact: Contact, names: Snapshot) -> Card:
    """`contact` with every id named. An id without a name is shown as "field 37"."""
    name, created, updated, unread = contact.name, contact.created_at, contact.updated_at, contact.unread
    return Card(
        contact_id=contact.id,
        name=name,
        first=contact.first,
        last=contact.last,
        display_name=contact.display_name,
        phone=show(contact.phone),
        email=contact.email,
        avatar=contact.avatar,
        custom_fields={names.fields.label(number): text for number, text in contact.custom.items() if text},
        tags=tuple(names.tags.label(tag) for tag in contact.tags),
        assignee=names.members.label(contact.assigned_user_id) if contact.assigned_user_id else "",
        is_opted_out=contact.is_opted_out,
        created=local(created, names.zone) or contact.created,
        updated=local(updated, names.zone) or contact.updated,
        rev=contact.rev,
        shown_only={field.name: value for field in SHOWN_ONLY if (value := getattr(contact, field.member))},
        other=_other(contact, unread),
    )


def _other(contact: Contact, unread: Mapping[str, Any]) -> dict[str, Any]:
    uuid = {"uuid": contact.uuid} if contact.uuid else {}
    kept = {"not readable": dict(unread)} if unread else {}
    return {**uuid, **(contact.model_extra or {}), **kept}


async def card_for(contact: Contact, vocabulary: Vocabulary) -> Card:
    """`contact` as a card, named as far as that can be had. Never fails."""
    return card_of(contact, await vocabulary.naming(values_of(contact)))


def changes_between(
    before: Mapping[str, Value], after: Mapping[str, Value], names: Snapshot, *, among: Iterable[str] | None = None
) -> list[Change]:
    """Everything that differs, with fields and values named."""
    return [
        Change(
            field_name(key, names),
            shown(key, old, names) if key in before else "",
            shown(key, new, names) if key in after else "",
        )
        for key, (old, new) in differences(before, after, among=among).items()
    ]


def field_name(key: str, names: Snapshot) -> str:
    """The name that people give the value under `key`."""
    number = field_id(key)
    return key if number is None else names.fields.label(number)


def with_names(sentence: str, names: Snapshot) -> str:
    """A sentence of ours with the names of custom fields in place of their keys."""
    return _CUSTOM_KEY.sub(lambda key: word(field_name(key[0], names)), sentence)


def shown(key: str, value: Value, names: Snapshot) -> Any:
    """The value under `key` as people read it."""
    if key == "is_opted_out":
        return UNKNOWN if value is None else value
    if is_empty(value):
        return ""
    if key == "tags" and isinstance(value, list):
        return [names.tags.label(tag) for tag in value]
    if key == "assignee" and isinstance(value, int):
        return names.members.label(value)
    return show(str(value)) if key == "phone" else value


def in_quotes(key: str, value: Value, names: Snapshot) -> str:
    """The value under `key` inside a sentence of ours, so that no stranger's text can end the quotation."""
    return value_in_quotes(shown(key, value, names))


def value_in_quotes(value: object) -> str:
    """A value that `shown` made, inside a sentence of ours."""
    if isinstance(value, list):
        return ", ".join(map(value_in_quotes, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return quoted(str(value)) if value else "empty"
