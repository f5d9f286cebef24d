"""Answers of the service -> facts about their shape. Pure: the JSON of an answer in, positions and evidence out.

- A fact is the position of one question, with the evidence for it. No evidence holds a value of a person.
- The probe asks on purpose. Ordinary calls refresh a profile in passing (`state/profile.py`), by the same functions.
- A position is given only where the rows prove it. An absent member proves nothing where it may just be empty.
- Rows that disagree give no position.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from contacts_mcp.api import answers
from contacts_mcp.api.client import Call, Heard
from contacts_mcp.errors import BadAnswer
from contacts_mcp.state.profile import Profile, Seen

Row = Mapping[str, Any]

ENOUGH = 5  # timestamps without a fraction, before it is said that the service shows none
LIST_MEMBERS = {
    "/v1/contacts": "contacts",
    "/v1/contact-fields": "fields",
    "/v1/tags": "tags",
    "/v1/inboxes": "inboxes",
}
_MAY_BE_EMPTY = ("first", "last", "display_name", "email", "avatar", "custom", "tags", "assigned_user_id", "note")
_EMPTY: tuple[Any, ...] = ("", None, [], {})
_FRACTION = re.compile(r"\.\d+")
_OFFSET = re.compile(r"(?:[Zz]|[+-]\d\d:\d\d)$")


LOOK_EVERY = 60.0  # seconds between two answers of one kind that are looked at in passing


class InPassing:
    """Refreshes the lines of a profile from the answers that ordinary calls get, one of each kind a minute."""

    def __init__(self, profile: Profile, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._profile = profile
        self._clock = clock
        self._looked: dict[str, float] = {}

    def hear(self, call: Call, heard: Heard) -> None:
        """Look at an answer, if the account has a profile."""
        now = self._clock()
        is_due = now - self._looked.get(call.template, float("-inf")) > LOOK_EVERY
        if not is_due or heard.status not in _GOOD or not self._profile.lines:
            return
        self._looked[call.template] = now
        try:
            value = json.loads(heard.body)
        except (ValueError, RecursionError):
            return
        self._profile.refresh(facts_of(call.template, value))


_GOOD = range(200, 300)


def facts_of(template: str, value: Any) -> dict[str, Seen]:
    """The facts in one answer of the service to a request with that path."""
    if template == "/v1/contacts/count":
        return _known(count_shape=count_shape(value))
    if template == "/v1/contact/{id}":
        return contact_facts([value]) if isinstance(value, Mapping) and "id" in value else {}
    if template not in LIST_MEMBERS:
        return {}
    found = rows_of(template, value)
    facts = _known(lists=list_shape(value)) if found else {}
    if template == "/v1/contacts":
        return facts | contact_facts(found)
    return facts | (field_facts(found) if template == "/v1/contact-fields" else {})


def rows_of(template: str, value: Any) -> list[Row]:
    """The rows of a list as they came, without items that are no objects. Empty for something that is no list."""
    try:
        return [row for row in answers.rows(value, LIST_MEMBERS[template]) if isinstance(row, Mapping)]
    except BadAnswer:
        return []


def contact_facts(rows: Sequence[Row]) -> dict[str, Seen]:
    """The facts in contacts as reads show them."""
    if not rows:
        return {}
    return _known(
        timestamps=_precision(rows),
        offset=_offset(rows),
        phone_form=_agreed(
            ("with a plus" if phone.startswith("+") else "digits" for phone in _texts(rows, "phone")), "phones"
        ),
        tag_shape=_agreed((_tag_shape(tag) for tag in _tags(rows)), "tags of contacts"),
        empty_members=_empty_members(rows),
        sends_uuid=_presence(rows, "uuid"),
        sends_rev=_presence(rows, "rev"),
        sends_updated=_presence(rows, "updated"),
        sends_opt_out=_opt_out(rows),
    )


def field_facts(rows: Sequence[Row]) -> dict[str, Seen]:
    """The facts in custom fields."""
    return _known(
        field_ids=_agreed(("strings" if isinstance(row.get("id"), str) else "numbers" for row in rows), "fields"),
        field_name=_agreed((name for row in rows if (name := _name_member(row))), "fields"),
    )


def count_shape(value: Any) -> Seen | None:
    """How the count is written."""
    if answers.number(value) is None:
        return None
    kind = "object" if isinstance(value, Mapping) else "string" if isinstance(value, str) else "number"
    return Seen(kind, f"the count came as {'an' if kind == 'object' else 'a'} {kind}")


def list_shape(value: Any) -> Seen | None:
    """Whether a list comes bare or in an object."""
    if isinstance(value, list):
        return Seen("bare", "a list came as an array")
    return Seen("wrapped", "a list came inside an object") if isinstance(value, Mapping) else None


def _known(**found: Seen | None) -> dict[str, Seen]:
    return {name: seen for name, seen in found.items() if seen is not None}


def _agreed(positions: Iterable[str], of: str) -> Seen | None:
    """The position that all rows share."""
    all_of_them = list(positions)
    if not all_of_them or len({*all_of_them}) > 1:
        return None
    return Seen(all_of_them[0], f"all of {len(all_of_them)} {of}")


def _texts(rows: Sequence[Row], *members: str) -> list[str]:
    found = (row.get(member) for row in rows for member in members)
    return [text for text in found if isinstance(text, str) and text]


def _precision(rows: Sequence[Row]) -> Seen | None:
    texts = {*_texts(rows, "updated", "created")}
    with_fraction = sum(bool(_FRACTION.search(text)) for text in texts)
    if with_fraction:
        return Seen("fractions of a second", f"{with_fraction} of {len(texts)} timestamps have a fraction")
    return Seen("whole seconds", f"none of {len(texts)} timestamps has a fraction") if len(texts) >= ENOUGH else None


def _offset(rows: Sequence[Row]) -> Seen | None:
    endings = [_OFFSET.search(text) for text in _texts(rows, "updated", "created")]
    return _agreed((ending[0] if ending else "none" for ending in endings), "timestamps")


def _tags(rows: Sequence[Row]) -> list[Any]:
    return [tag for row in rows if isinstance(row.get("tags"), list) for tag in row["tags"]]


def _tag_shape(tag: Any) -> str:
    if not isinstance(tag, Mapping):
        return "a bare number" if isinstance(tag, int) else "something else"
    return "{tag_id}" if "tag_id" in tag else "{id, tag}" if "id" in tag else "something else"


def _empty_members(rows: Sequence[Row]) -> Seen | None:
    """Members that come empty prove the one side. Members that only some rows have prove the other."""
    having = {name: [row[name] for row in rows if name in row] for name in _MAY_BE_EMPTY}
    sent = {name for name, values in having.items() if _has_empty(values)}
    missing = {name for name, values in having.items() if 0 < len(values) < len(rows)}
    if sent and not missing:
        return Seen("sent", f"{', '.join(sorted(sent))} came empty among {len(rows)} contacts")
    if missing and not sent:
        return Seen("left out", f"{', '.join(sorted(missing))} missing in some of {len(rows)} contacts, none empty")
    return None


def _has_empty(values: Sequence[Any]) -> bool:
    return any(value in _EMPTY for value in values)


def _presence(rows: Sequence[Row], member: str) -> Seen | None:
    having = sum(row.get(member) not in (None, "") for row in rows)
    if having not in (0, len(rows)):
        return None
    return Seen("sent" if having else "left out", f"in {having} of {len(rows)} contacts")


def _opt_out(rows: Sequence[Row]) -> Seen | None:
    """Its absence proves nothing: it may be left out where nobody opted out."""
    having = sum(isinstance(row.get("is_opted_out"), bool) for row in rows)
    return Seen("sent", f"in {having} of {len(rows)} contacts") if having else None


def _name_member(row: Row) -> str:
    return next((name for name in ("title", "name") if isinstance(row.get(name), str)), "")
