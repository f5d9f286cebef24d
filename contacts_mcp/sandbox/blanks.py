"""Rows as they are before anybody filled them in."""

from __future__ import annotations

import uuid

from .records import Record


def blank_contact(*, team_id: int, now: int) -> Record:
    """A contact of which nothing is known yet; times are microseconds."""
    return {
        "uuid": str(uuid.uuid4()),
        "first": "",
        "last": "",
        "display_name": "",
        "email": "",
        "phone": "",
        "avatar": "",
        "assigned_user_id": None,
        "is_opted_out": False,
        "blocked": False,
        "team_id": team_id,
        "creator_id": None,
        "inbox_id": None,
        "parent_id": None,
        "shared": True,
        "created": now,
        "updated": now,
        "rev": 1,
        "op": "",
        "type": "contact",
        "external_id": "",
        "external_ref": "",
        "note": [],
        "custom": {},
        "tags": [],
    }


def new_tag(label: str, *, color: str, now: int) -> Record:
    """The row of a tag that was not there before."""
    return {"uuid": str(uuid.uuid4()), "tag": label, "color": color, "created": now, "updated": now, "rev": 1}
