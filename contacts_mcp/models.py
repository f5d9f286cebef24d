"""The API's nouns, read tolerantly and held in one shape.

- Reading accepts what `heymarket-api.md` (section 3 and 4) leaves open: members left out or null, ids as strings, phones with a
  plus, three shapes of tags, members nobody knows (kept as they came).
- Inside the package there is one shape: empty text is `""`, custom keys and tags are integers, a phone is digits without plus.
- Timestamps stay the exact string received, because the list cursor must be sent back unchanged. A contact reads each of its own once.
- `is_opted_out` is None where the service did not say: not known is not the same as no.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from contacts_mcp.words.phones import from_api


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    msg = "text expected"
    raise ValueError(msg)


def _custom(value: object) -> dict[int, str]:
    if not value:
        return {}
    if not isinstance(value, Mapping):
        msg = "an object of custom values expected"
        raise ValueError(msg)  # noqa: TRY004 -- pydantic turns only a ValueError into its own error
    return {int(key): _text(item) for key, item in value.items()}


def _tag_ids(value: object) -> tuple[int, ...]:
    if not value:
        return ()
    if not isinstance(value, Iterable) or isinstance(value, str | bytes | Mapping):
        msg = "a list of tags expected"
        raise ValueError(msg)  # noqa: TRY004 -- as above
    return tuple(_tag_id(item) for item in value)


def _tag_id(item: Any) -> int:
    return _whole(item.get("tag_id") or item.get("id") if isinstance(item, Mapping) else item)


def _whole(value: Any) -> int:
    try:
        return int(value)
    except (TypeError, OverflowError):
        msg = "a whole number expected"
        raise ValueError(msg) from None  # the only one that pydantic turns into its own error


def _assignee(value: object) -> int | None:
    """Nobody is assigned where the member is missing, null, 0 or -1 (the value that unassigns on a write)."""
    number = _whole(value) if isinstance(value, int | float | str) and value != "" else 0
    return number if number > 0 else None


Value = str | bool | int | list[int] | None
Values = dict[str, Value]
"""A contact as a flat table (`book/values.py`), the form in which it is compared, written down and restored."""

Text = Annotated[str, BeforeValidator(_text)]
Whole = Annotated[int, BeforeValidator(lambda value: 0 if value in (None, "") else value)]
Known = Annotated[bool | None, BeforeValidator(lambda value: None if value == "" else value)]


class Contact(BaseModel):
    """One person, as `GET /v1/contact/{id}` gives it (`heymarket-api.md` 3.1); unknown members are kept in `model_extra`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: int
    uuid: Text = ""
    phone: Annotated[str, BeforeValidator(from_api)] = ""
    first: Text = ""
    last: Text = ""
    display_name: Text = ""
    email: Text = ""
    avatar: Text = ""
    custom: Annotated[dict[int, str], BeforeValidator(_custom)] = Field(default_factory=dict)
    tags: Annotated[tuple[int, ...], BeforeValidator(_tag_ids)] = ()
    assigned_user_id: Annotated[int | None, BeforeValidator(_assignee)] = None
    is_opted_out: Known = None
    email_suppressions: Any = None  # numbers of unknown meaning, as they came (heymarket-api.md 3.2)
    created: Text = ""
    updated: Text = ""
    rev: Whole = 0

    @property
    def name(self) -> str:
        """What people call this contact: the display name, else first and last; may be empty."""
        return self.display_name or " ".join(part for part in (self.first, self.last) if part)

    # A walk compares every timestamp some ten times, so each is read once.

    @cached_property
    def created_at(self) -> datetime | None:
        """The moment that `created` names, in UTC; None where it names none."""
        return instant(self.created)

    @cached_property
    def updated_at(self) -> datetime | None:
        """The moment that `updated` names, in UTC; None where it names none."""
        return instant(self.updated)


class WriteReply(BaseModel):
    """What a create or update answers: never the contact (`heymarket-api.md` 4). Any member may be missing."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: int | None = None
    rev: int | None = None
    uuid: Text = ""


class CustomField(BaseModel):
    """A custom field: numeric id and display name, the name under `title` or `name`, possibly empty or shared."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: int
    title: Text = ""
    name: Text = ""

    @property
    def label(self) -> str:
        return self.title or self.name


class Tag(BaseModel):
    """A tag; `tag` is its label, `updated` the cursor of the next page."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: int
    tag: Text = ""
    updated: Text = ""


class Member(BaseModel):
    """One of the team; the id is what `assignee_id` takes (INFERRED, `heymarket-api.md` 4)."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: int
    name: Text = ""
    email: Text = ""
    role: Text = ""


class Team(BaseModel):
    """The team a credential belongs to."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: int | None = None
    name: Text = ""
    members: tuple[Member, ...] = ()


class Inbox(BaseModel):
    """An inbox; read only as a harmless check of the credentials."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: int
    name: Text = ""


def instant(timestamp: str) -> datetime | None:
    """The moment an RFC 3339 string names, in UTC; None for text that names none.

    Accepts `Z`, offsets and 0 to 9 fractional digits. A moment without an offset counts as UTC.
    """
    try:
        moment = datetime.fromisoformat(timestamp.upper())  # a small z is RFC 3339 as well
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # OverflowError: an offset moved the calendar's first or last hours out of it
        return None
