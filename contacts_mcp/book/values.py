"""A contact as a flat table of values: the form in which contacts are compared, changed, written down and restored.

Keys are the names of `fields.FIELDS` that can be written, and `custom:<field id>`. An empty text and a missing text are
the same value, `""`. Tags are a sorted list, because their order means nothing. Everything here is pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from contacts_mcp.book.fields import ALWAYS_SENT, BY_NAME, NAMES, WRITTEN, ContactField
from contacts_mcp.models import Contact, Value, Values

CUSTOM = "custom:"


def values_of(contact: Contact) -> Values:
    """Everything about `contact` that a write can change."""
    values: Values = {field.name: getattr(contact, field.member) for field in WRITTEN}
    values["tags"] = sorted(contact.tags)
    return values | {custom_key(field): text for field, text in contact.custom.items()}


def custom_key(field_id: int) -> str:
    return f"{CUSTOM}{field_id}"


def field_id(key: str) -> int | None:
    """The field of a `custom:` key, None for any other key."""
    return int(key.removeprefix(CUSTOM)) if key.startswith(CUSTOM) else None


def is_text(key: str) -> bool:
    return key not in BY_NAME or BY_NAME[key].is_text


def nothing_for(key: str) -> Value:
    """The value of an emptied `key`."""
    return BY_NAME[key].nothing if key in BY_NAME else ""


def is_empty(value: Value) -> bool:
    return value in (None, "", [])


def is_hidden(key: str, seen: Mapping[str, Value]) -> bool:
    """Whether `seen` cannot tell about `key`: an opt-out that the service does not show (`heymarket-api.md` 3.1)."""
    return key == "is_opted_out" and seen.get(key) is None


def is_unread(key: str, contact: Contact) -> bool:
    """Whether the service shows the value under `key` in a form that cannot be read. It looks empty, and is not."""
    if key in BY_NAME:
        return BY_NAME[key].member in contact.unread
    return key.replace(":", ".") in contact.unread or "custom" in contact.unread


def differences(
    before: Mapping[str, Value], after: Mapping[str, Value], *, among: Iterable[str] | None = None
) -> dict[str, tuple[Value, Value]]:
    """key -> (before, after) of everything that differs, in a steady order."""
    keys = among if among is not None else [*before, *(key for key in after if key not in before)]
    pairs = {key: (before.get(key, nothing_for(key)), after.get(key, nothing_for(key))) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def body_for(
    wanted: Mapping[str, Value],
    changed: Mapping[str, Value],
    *,
    overwrite: bool = False,
    empty: str | None = "",
    keeps_names: bool = False,
) -> dict[str, Any]:
    """The body of a write that sets `changed` and leaves the rest of `wanted` alone (`heymarket-api.md` 3.2, 3.3).

    Phone and names are always sent, because a PUT requires the one and may blank the others. `keeps_names` leaves
    names out that nobody changes, for a service that is known to keep them.
    With `overwrite` all custom values of `wanted` are sent, because those that are not sent would be lost.
    An emptied text is sent as `empty`.
    """
    left_out = NAMES if keeps_names else ()
    kept = {name: wanted[name] for name in ALWAYS_SENT if wanted.get(name) and name not in left_out}
    sent = kept | dict(changed)
    body = {field.sent_as: _encoded(field, sent[field.name], empty) for field in WRITTEN if field.name in sent}
    if is_hidden("is_opted_out", changed):
        body.pop("is_opted_out", None)
    custom = _custom_in(wanted if overwrite else changed, empty, with_empty=not overwrite)
    return body | ({"custom": custom} if custom or overwrite else {})


def _encoded(field: ContactField, value: Value, empty: str | None) -> Any:
    return empty if field.is_text and is_empty(value) else field.encode(value)


def _custom_in(table: Mapping[str, Value], empty: str | None, *, with_empty: bool) -> dict[str, Any]:
    """The custom values of `table` as the API takes them."""
    values = {number: value for key, value in table.items() if (number := field_id(key)) is not None}
    return {str(number): value or empty for number, value in values.items() if value or with_empty}
