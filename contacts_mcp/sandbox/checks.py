"""Whether what a client sent is well formed, by the sandbox's own rules.

- A body is a JSON object (or array, where the call takes one) without members that are not known.
- `phone` is a string of 8 to 15 digits without a plus; it is required on create and on every PUT.
- `tags` has at most five `{"tag_id": n}`, each of them known; `assignee_id` is a member or -1.
- `custom` is a flat object of strings; texts are strings; either may be null where a value is to be cleared.

Messages name the member and never repeat a value.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NoReturn

from .refusals import BadData
from .timestamps import nanoseconds

MOST_TAGS = 5

_PHONE = re.compile(r"[0-9]{8,15}")
_CONTACT_ID = re.compile(r"[0-9]{1,18}")
_STATUSES = ("active", "blocked", "unblocked", "subscribed", "unsubscribed")


@dataclass(frozen=True)
class Known:
    """The ids that a write may refer to."""

    tags: frozenset[int]
    members: frozenset[int]


Rule = tuple[Callable[[Any], bool], str]
Rules = Mapping[str, tuple[Rule, ...]]


def json_body(raw: bytes) -> Any:
    """The parsed body, None for no body at all. Raises BadData for anything that is not JSON in UTF-8."""
    if not raw.strip():
        return None
    try:
        value = json.loads(raw.decode(), parse_constant=_no_constant)
        if b"\\u" in raw:
            json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate is JSON, but no text
    except (ValueError, RecursionError) as error:
        raise BadData("the body is not JSON") from error
    return value


def contact_id(text: str) -> int:
    """The id in a path or a body. Raises BadData."""
    if not _CONTACT_ID.fullmatch(text):
        raise BadData("id must be a number")
    return int(text)


def overwrite(query: Mapping[str, str]) -> bool:
    """What `?overwrite=` says; left out is false. Raises BadData."""
    said = query.get("overwrite", "false")
    if said not in ("true", "false"):
        raise BadData("overwrite must be true or false")
    return said == "true"


def array(body: Any) -> list[Any]:
    """`body`, if it is an array. Raises BadData."""
    if not isinstance(body, list):
        raise BadData("the body must be a JSON array")
    return body


def contact_write(body: Any, known: Known) -> dict[str, Any]:
    """The body of a create or an update (section 3.2)."""
    return _checked(body, _contact_rules(known), required=("phone",))


def list_query(body: Any) -> dict[str, Any]:
    """The body of the contacts list."""
    return _checked(body, _LIST_QUERY)


def tag_query(body: Any) -> dict[str, Any]:
    """The body of the tags list."""
    return _checked(body, _TAG_QUERY)


def nothing(body: Any) -> dict[str, Any]:
    """A body that has nothing to say, or is not there."""
    return _checked({} if body is None else body, {})


def who(body: Any) -> dict[str, Any]:
    """`phone` or `id` (a string)."""
    return _named(_checked(body, _WHO))


def status_write(body: Any) -> dict[str, Any]:
    """`phone` or `id`, and the new status."""
    return _named(_checked(body, _STATUS_WRITE, required=("status",)))


def field_write(body: Any) -> dict[str, Any]:
    """One custom field to be created."""
    return _checked(body, _FIELD_WRITE, required=("title",))


def tag_write(body: Any) -> dict[str, Any]:
    """A tag to be created."""
    return _checked(body, _TAG_WRITE, required=("tag",))


def search(body: Any) -> list[dict[str, Any]]:
    """The channels of a search."""
    channels = _checked(body, _SEARCH, required=("contact_channels",))["contact_channels"]
    return [_checked(channel, _CHANNEL, required=("channel_type", "channel_ids")) for channel in channels]


def _checked(body: Any, rules: Rules, *, required: tuple[str, ...] = ()) -> dict[str, Any]:
    if not isinstance(body, dict):
        raise BadData("the body must be a JSON object")
    for name in required:
        if name not in body:
            raise BadData(f"{name} is required")
    for name, value in body.items():
        _check_member(name, value, rules)
    return body


def _check_member(name: str, value: Any, rules: Rules) -> None:
    if name not in rules:
        raise BadData(f"{name[:40]} is not a known member")
    for holds, complaint in rules[name]:
        if not holds(value):
            raise BadData(f"{name} {complaint}")


def _contact_rules(known: Known) -> Rules:
    has_known_tags: Rule = (lambda tags: all(item["tag_id"] in known.tags for item in tags), "has an unknown tag_id")
    is_assignee: Rule = (lambda value: value == -1 or value in known.members, "must be the id of a member, or -1")
    return {
        **_CONTACT_WRITE,
        "tags": (*_CONTACT_WRITE["tags"], has_known_tags),
        "assignee_id": (*_CONTACT_WRITE["assignee_id"], is_assignee),
    }


def _named(body: dict[str, Any]) -> dict[str, Any]:
    if "phone" not in body and "id" not in body:
        raise BadData("phone or id is required")
    return body


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _is_int(value: Any) -> bool:
    return type(value) is int  # a boolean is an int in Python, and is not in JSON


def _is_phone(value: Any) -> bool:
    return isinstance(value, str) and _PHONE.fullmatch(value) is not None


def _is_text(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_string(value: Any) -> bool:
    return isinstance(value, str)


def _is_filled(value: Any) -> bool:
    return isinstance(value, str) and value.strip() != ""


def _is_email(value: Any) -> bool:
    return not value or "@" in value


def _is_flat(value: Any) -> bool:
    return isinstance(value, dict) and all(_is_text(item) for item in value.values())


def _is_boolean(value: Any) -> bool:
    return isinstance(value, bool)


def _is_positive(value: Any) -> bool:
    return _is_int(value) and 0 < value < 2**31


def _is_number_list(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_int, value))


def _is_string_list(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def _is_tag_list(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(item, dict) and item.keys() == {"tag_id"} and _is_int(item["tag_id"]) for item in value
    )


def _has_few_tags(value: Any) -> bool:
    return len(value) <= MOST_TAGS


def _is_timestamp(value: Any) -> bool:
    try:
        nanoseconds(value)
    except (TypeError, ValueError, OverflowError):
        return False
    return True


def _is_id_string(value: Any) -> bool:
    return isinstance(value, str) and _CONTACT_ID.fullmatch(value) is not None


def _is_status(value: Any) -> bool:
    return isinstance(value, str) and value in _STATUSES


def _is_channel_type(value: Any) -> bool:
    return isinstance(value, str) and value in ("phone", "email")


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


_A_PHONE: Rule = (_is_phone, "must be a string of 8 to 15 digits without a plus")
_A_TEXT: Rule = (_is_text, "must be a string")
_A_TIMESTAMP: Rule = (_is_timestamp, "must be an RFC 3339 timestamp")
_AN_ID: Rule = (_is_id_string, "must be a number in a string")
_A_NAME: Rule = (_is_filled, "must be a string that is not blank")

_CONTACT_WRITE: Rules = {
    "phone": (_A_PHONE,),
    "first": (_A_TEXT,),
    "last": (_A_TEXT,),
    "display_name": (_A_TEXT,),
    "email": (_A_TEXT, (_is_email, "must be an e-mail address")),
    "avatar": (_A_TEXT,),
    "custom": ((_is_flat, "must be a flat object of strings"),),
    "assignee_id": ((_is_int, "must be a number"),),
    "tags": ((_is_tag_list, 'must be an array of {"tag_id": number}'), (_has_few_tags, f"has more than {MOST_TAGS} items")),
    "is_opted_out": ((_is_boolean, "must be a boolean"),),
    "email_suppressions": ((_is_number_list, "must be an array of numbers"),),
}
_TAG_QUERY: Rules = {"date": (_A_TIMESTAMP,)}
_LIST_QUERY: Rules = {
    "date": (_A_TIMESTAMP,),
    "limit": ((_is_positive, "must be a number above 0"),),
    "page": ((_is_positive, "must be a number above 0"),),
    # Named by the vendor and described nowhere: taken, and without effect.
    "order": (),
    "ascending": (),
    "filter": (),
    "archived": (),
    "assigned": (),
}
_WHO: Rules = {"phone": (_A_PHONE,), "id": (_AN_ID,)}
_STATUS_WRITE: Rules = {**_WHO, "status": ((_is_status, f"must be one of {', '.join(_STATUSES)}"),)}
_FIELD_WRITE: Rules = {"title": (_A_NAME,)}
_TAG_WRITE: Rules = {"tag": (_A_NAME,), "color": ((_is_string, "must be a string"),)}
_SEARCH: Rules = {"contact_channels": ((_is_list, "must be an array"),)}
_CHANNEL: Rules = {
    "channel_type": ((_is_channel_type, "must be phone or email"),),
    "channel_ids": ((_is_string_list, "must be an array of strings"),),
}
