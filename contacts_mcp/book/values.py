"""A contact as a flat table of values, the form in which contacts are compared, changed, journalled and restored.

Keys are `phone`, `first`, `last`, `display_name`, `email`, `avatar`, `assignee`, `tags`, `is_opted_out` and `custom:<field id>`.
Text that is empty and text that is missing are the same value, `""`; tags are a sorted list, because their order means nothing.
Everything here is pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from contacts_mcp.models import Contact, Value, Values

NAMES = ("first", "last", "display_name")
TEXTS = ("phone", *NAMES, "email", "avatar")
CUSTOM = "custom:"
UNASSIGN = -1


def values_of(contact: Contact) -> Values:
    """Everything about `contact` that a write can change."""
    values: Values = {name: getattr(contact, name) for name in TEXTS}
    values |= {"assignee": contact.assigned_user_id, "tags": sorted(contact.tags), "is_opted_out": contact.is_opted_out}
    return values | {custom_key(field): text for field, text in contact.custom.items()}


def custom_key(field_id: int) -> str:
    return f"{CUSTOM}{field_id}"


def field_id(key: str) -> int | None:
    """The field of a `custom:` key, None for any other key."""
    return int(key.removeprefix(CUSTOM)) if key.startswith(CUSTOM) else None


_EMPTY: Values = {"assignee": None, "tags": [], "is_opted_out": None}


def nothing_for(key: str) -> Value:
    """What an emptied `key` holds."""
    return _EMPTY.get(key, "")


def is_empty(value: Value) -> bool:
    return value in (None, "", [])


def is_hidden(key: str, seen: Mapping[str, Value]) -> bool:
    """Whether `seen` cannot tell about `key`: an opt-out that the service does not show (`heymarket-api.md` 3.1)."""
    return key == "is_opted_out" and seen.get(key) is None


def differences(
    before: Mapping[str, Value], after: Mapping[str, Value], *, among: Iterable[str] | None = None
) -> dict[str, tuple[Value, Value]]:
    """key -> (before, after) of everything that differs, in a steady order."""
    keys = among if among is not None else [*before, *(key for key in after if key not in before)]
    pairs = {key: (before.get(key, nothing_for(key)), after.get(key, nothing_for(key))) for key in keys}
    return {key: pair for key, pair in pairs.items() if pair[0] != pair[1]}


def body_for(
    before: Mapping[str, Value], wanted: Mapping[str, Value], *, overwrite: bool = False, empty: str | None = ""
) -> dict[str, Any]:
    """The body of a create or update that turns `before` into `wanted` and touches nothing else (`heymarket-api.md` 3.2, 3.3).

    Phone and names are always sent: a PUT requires the one and may blank the others. Whatever does not differ is left out, except that
    with `overwrite` all custom values are sent, since those that are not would be lost. `empty` is what empties a text.
    """
    changed = {key: after for key, (_, after) in differences(before, wanted).items()}
    body: dict[str, Any] = {name: wanted.get(name) for name in ("phone", *NAMES) if wanted.get(name)}
    body |= {name: changed[name] or empty for name in TEXTS if name in changed}
    custom = {key: value for key, value in wanted.items() if not is_empty(value)} if overwrite else changed
    texts = {str(number): custom[key] or empty for key in custom if (number := field_id(key)) is not None}
    if texts or overwrite:
        body["custom"] = texts
    if "assignee" in changed:
        body["assignee_id"] = changed["assignee"] or UNASSIGN
    if "tags" in changed:
        body["tags"] = [{"tag_id": tag} for tag in changed["tags"] or []]  # type: ignore[union-attr]
    if changed.get("is_opted_out") is not None:
        body["is_opted_out"] = changed["is_opted_out"]
    return body
