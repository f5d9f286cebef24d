"""How rows look in a reply, with every switch that changes it."""

# ruff: noqa: ARG005 - the functions of a table share one signature

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .behaviour import Behaviour
from .rows.records import Record
from .rows.timestamps import text

_INTERNAL = frozenset({"blocked"})
# False is not empty: "not opted out" is a statement, and a switch of its own decides whether it is sent.
_EMPTY: tuple[Any, ...] = ("", None, [], {})

_TAG_SHAPES: dict[str, Callable[[int, str], Any]] = {
    "tag_id": lambda tag_id, label: {"tag_id": tag_id},
    "object": lambda tag_id, label: {"id": tag_id, "tag": label},
    "bare": lambda tag_id, label: tag_id,
}
_COUNT_SHAPES: dict[str, Callable[[int], Any]] = {
    "number": int,
    "string": str,
    "object": lambda count: {"count": count},
}


def contact(record: Record, *, labels: dict[int, str], behaviour: Behaviour) -> Record:
    """A contact as reads send it (section 3.1). `labels` names the tags."""
    tag = _TAG_SHAPES[behaviour.tag_shape]
    shown = {
        **record,
        "phone": phone(record, behaviour),
        "created": _time(record["created"], behaviour),
        "updated": _time(record["updated"], behaviour),
        "tags": [tag(tag_id, labels.get(tag_id, "")) for tag_id in record["tags"]],
    }
    hidden = _hidden(behaviour)
    return {name: value for name, value in shown.items() if name not in hidden and _is_sent(value, behaviour)}


def receipt(record: Record, behaviour: Behaviour) -> Record:
    """The reply to a write. It is not the row itself."""
    return {name: record[name] for name in ("id", "rev", "uuid") if name != "uuid" or behaviour.sends_uuid}


def status(record: Record, behaviour: Behaviour) -> Record:
    """Whether a contact is unsubscribed or blocked."""
    return {
        "id": record["id"],
        "phone": phone(record, behaviour),
        "unsubscribed": record["is_opted_out"],
        "blocked": record["blocked"],
    }


def field(row: Record, behaviour: Behaviour) -> Record:
    """A custom field."""
    return {"id": str(row["id"]) if behaviour.ids_as_strings else row["id"], behaviour.field_name_key: row["title"]}


def tag(row: Record, *, team_id: int, behaviour: Behaviour) -> Record:
    """A tag. Its label is under `tag`."""
    return {
        "id": row["id"],
        "tag": row["tag"],
        "color": row["color"],
        "team_id": team_id,
        "created": _time(row["created"], behaviour),
        "updated": _time(row["updated"], behaviour),
        "rev": row["rev"],
    }


def count(number: int, behaviour: Behaviour) -> Any:
    """A number of contacts."""
    return _COUNT_SHAPES[behaviour.count_shape](number)


def listing(items: list[Any], *, under: str, behaviour: Behaviour) -> Any:
    """A list, bare or in an object."""
    return {under: items} if behaviour.lists == "wrapped" else items


def phone(record: Record, behaviour: Behaviour) -> str:
    """The phone, with a plus if the behaviour sends one."""
    return f"+{record['phone']}" if behaviour.phone_plus and record["phone"] else str(record["phone"])


def _hidden(behaviour: Behaviour) -> frozenset[str]:
    switched = {
        "uuid": behaviour.sends_uuid,
        "is_opted_out": behaviour.sends_opt_out,
        "rev": behaviour.sends_rev,
        "updated": behaviour.sends_updated,
    }
    return _INTERNAL | {name for name, sent in switched.items() if not sent}


def _is_sent(value: Any, behaviour: Behaviour) -> bool:
    return behaviour.empty_members == "send" or value not in _EMPTY


def _time(instant: int, behaviour: Behaviour) -> str:
    return text(instant, precision=behaviour.timestamps, offset=behaviour.offset)
