"""The effect of a write: a body, a stored record and the behaviour in, the new record out. Pure.

A member that is left out stays as it is. Only names may be blanked by a PUT without them.
A text is written. A switch decides whether an empty text or a null empties the member or leaves it alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from .behaviour import Behaviour
from .bodies import MOST_TAGS
from .replies import BadData
from .rows.records import Record

_NAMES = ("first", "last", "display_name")
_TEXTS = (*_NAMES, "email", "avatar")
_CLEARED: Record = dict.fromkeys(_TEXTS, "") | {
    "custom": {},
    "tags": [],
    "assigned_user_id": None,
    "is_opted_out": False,
}


def created(body: dict[str, Any], blank: Record, *, fields: frozenset[int], behaviour: Behaviour) -> Record:
    """A new contact. Without a `display_name` it gets one from the other names. Raises BadData."""
    texts = {name: body.get(name) or "" for name in _TEXTS}
    custom = {key: value for key, value in _known_custom(body, fields, behaviour).items() if value}
    record = {**blank, **texts, **_plain_members(body), "custom": custom, "tags": _tag_ids(body)}
    record["display_name"] = record["display_name"] or f"{record['first']} {record['last']}".strip()
    return record


def updated(
    body: dict[str, Any],
    stored: Record,
    *,
    overwrite: bool,
    fields: frozenset[int],
    behaviour: Behaviour,
    now: int,
) -> Record:
    """The contact after a PUT. Its `rev` has grown by one, and `updated` is `now`. Raises BadData."""
    sent = _known_custom(body, fields, behaviour)
    return {
        **stored,
        **{name: _text(name, body, stored, behaviour) for name in _TEXTS},
        **_plain_members(body),
        "custom": _custom(sent, stored["custom"], overwrite=overwrite, behaviour=behaviour),
        "tags": _tags(body, stored["tags"], behaviour),
        "rev": stored["rev"] + 1,
        "updated": now,
    }


def updated_by_batch(
    body: dict[str, Any], stored: Record, *, fields: frozenset[int], behaviour: Behaviour, now: int
) -> Record:
    """The contact after a batch with `overwrite`. Raises BadData."""
    overwrite = True
    if behaviour.batch_unsent == "keep":
        overwrite, behaviour = "custom" in body, replace(behaviour, put_without_names="keep")
    elif behaviour.batch_unsent == "clear":
        stored = stored | _CLEARED
    return updated(body, stored, overwrite=overwrite, fields=fields, behaviour=behaviour, now=now)


def _plain_members(body: dict[str, Any]) -> Record:
    members: Record = {name: body[name] for name in ("phone", "is_opted_out") if name in body}
    if "assignee_id" in body:
        members["assigned_user_id"] = None if body["assignee_id"] == -1 else body["assignee_id"]
    return members


def _text(name: str, body: dict[str, Any], stored: Record, behaviour: Behaviour) -> str:
    if name not in body:
        is_blanked = name in _NAMES and behaviour.put_without_names == "blank"
        return "" if is_blanked else str(stored[name])
    if body[name]:
        return str(body[name])
    return "" if _clears(body[name], behaviour) else str(stored[name])


def _clears(value: str | None, behaviour: Behaviour) -> bool:
    return behaviour.clears_with in ("both", "null" if value is None else "empty")


def _known_custom(body: dict[str, Any], fields: frozenset[int], behaviour: Behaviour) -> dict[str, Any]:
    sent, keys = body.get("custom", {}), {str(field_id) for field_id in fields}
    known = {key: value for key, value in sent.items() if key in keys}
    if len(known) < len(sent) and behaviour.unknown_custom_key == "reject":
        raise BadData("custom has an unknown field")
    return known


def _custom(sent: dict[str, Any], stored: dict[str, str], *, overwrite: bool, behaviour: Behaviour) -> dict[str, str]:
    after = {key: value for key, value in stored.items() if not overwrite or key in sent}
    for key, value in sent.items():
        if value:
            after[key] = value
        elif _clears(value, behaviour):
            after.pop(key, None)
    return after


def _tag_ids(body: dict[str, Any]) -> list[int]:
    return list(dict.fromkeys(item["tag_id"] for item in body.get("tags", [])))


def _tags(body: dict[str, Any], stored: list[int], behaviour: Behaviour) -> list[int]:
    if "tags" not in body:
        return stored
    if behaviour.tags_on_put == "replace":
        return _tag_ids(body)
    together = list(dict.fromkeys((*stored, *_tag_ids(body))))
    if len(together) > MOST_TAGS:
        raise BadData(f"tags has more than {MOST_TAGS} items")
    return together
