"""The API's nouns, read tolerantly and held in one shape.

- Reading accepts everything that `heymarket-api.md` (section 3 and 4) leaves open. Members may be left out or null, ids
  may be strings, phones may have a plus, tags may have three shapes.
- Inside the package there is one shape: empty text is `""`, custom keys and tags are integers, a phone is digits
  without a plus.
- Only a row without an id cannot be read. A member of another shape is kept in `Contact.unread` as it came, and the
  rest of the contact is read. Of the other nouns, such a member is empty.
- An unread member has bounds in depth and length. `api/answers.py` bounds the depth of all others.
- Timestamps stay the exact string received, because the list cursor must be sent back unchanged. A contact reads
  each of its own once.
- `is_opted_out` is None if the service did not say: not known is not the same as no.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Any, ClassVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from contacts_mcp.words.numbers import number_text
from contacts_mcp.words.phones import from_api

DEEPEST_UNREAD = 5  # levels of lists and objects in a member that cannot be read
TOO_DEEP = "(nested too deep)"
LONGEST_PHONE = 20  # digits; longer ones are looked at more closely
LARGEST_WHOLE = 2**63 - 1
LONGEST_WHOLE = 20  # characters of a whole number that came as text
LONGEST_UNREAD = 2_000  # characters of JSON of a member that cannot be read
CUT_UNREAD = 900  # so many are left of a longer one: in a record, its quotes are escaped, and it must not be cut again

Value = str | bool | int | list[int] | None
Values = dict[str, Value]
"""A contact as a flat table (`book/values.py`), the form in which it is compared, written down and restored."""


class DamagedText(str):
    """A text that lost a part on the way: a byte that is not UTF-8, or half an emoji, stands in it as U+FFFD."""

    __slots__ = ()


# Reading one value. Each raises ValueError for a value of another shape, which pydantic turns into its own error.


def _text(value: object) -> str:
    if isinstance(value, str):
        return value
    if _is_nothing(value):
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) or (isinstance(value, float) and math.isfinite(value)):
        return _number(value)
    msg = "text expected"
    raise ValueError(msg)


def _number(value: float) -> str:
    try:
        return number_text(value)
    except ValueError:
        return str(value)


def _phone(value: object) -> str:
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < LONGEST_PHONE:
        return value  # nearly all there are
    digits = from_api(value)
    if not digits and value and not _is_nothing(value):
        msg = "a phone expected"
        raise ValueError(msg)
    return digits


def _whole(value: object) -> int:
    """A whole number, also as text. `True` is none, although Python takes it for 1. SQLite keeps no larger ones."""
    number = None
    if isinstance(value, str) and len(value) <= LONGEST_WHOLE and value.isascii():
        text = value.strip()
        if text.removeprefix("-").isdigit():
            number = int(text)
    elif isinstance(value, float) and value.is_integer():
        number = int(value)
    elif isinstance(value, int) and not isinstance(value, bool):
        number = value
    if number is None or abs(number) > LARGEST_WHOLE:
        msg = "a whole number expected"
        raise ValueError(msg)
    return number


def _id(value: object) -> int:
    number = _whole(value)
    if number < 1:
        msg = "an id expected"
        raise ValueError(msg)
    return number


def _custom(value: object) -> dict[int, str]:
    if _is_nothing(value):
        return {}
    if not isinstance(value, Mapping):
        msg = "an object of custom values expected"
        raise ValueError(msg)  # noqa: TRY004 -- pydantic turns only a ValueError into its own error
    return {_id(key): _text(item) for key, item in value.items()}


def _tag_ids(value: object) -> tuple[int, ...]:
    if _is_nothing(value):
        return ()
    if not isinstance(value, list | tuple):
        msg = "a list of tags expected"
        raise ValueError(msg)  # noqa: TRY004 -- as above
    return tuple(map(_tag_id, value))


def _tag_id(item: object) -> int:
    return _id(item.get("tag_id") or item.get("id") if isinstance(item, Mapping) else item)


def _assignee(value: object) -> int | None:
    """Nobody is assigned if the member is missing, null, 0 or -1 (the value that unassigns on a write)."""
    number = 0 if value is False or _is_nothing(value) else _whole(value)
    return number if number > 0 else None


def _rev(value: object) -> int:
    return 0 if _is_nothing(value) else _whole(value)


def _known(value: object) -> object:
    return None if _is_nothing(value) else value


def _is_nothing(value: object) -> bool:
    """An empty member. Some services write an empty object as `[]`."""
    return value is None or value in ("", [], {}, ())


def _or(nothing: object, read: Callable[[Any], object]) -> BeforeValidator:
    """As `read`, with `nothing` for a value of another shape."""

    def tolerant(value: object) -> object:
        try:
            return read(value)
        except ValueError:
            return nothing

    return BeforeValidator(tolerant)


Id = Annotated[int, BeforeValidator(_id)]
IdOrNone = Annotated[int | None, _or(None, _id)]
Text = Annotated[str, BeforeValidator(_text)]
TextOrNothing = Annotated[str, _or("", _text)]


# Keeping a value that cannot be read


def bounded(value: Any, *, depth: int) -> Any:
    """JSON that can be handed on. Lists and objects that lie deeper are not kept, NaN and infinity are texts."""
    if isinstance(value, dict | list) and depth == 0:
        return TOO_DEEP
    if isinstance(value, list):
        return [bounded(item, depth=depth - 1) for item in value]
    if isinstance(value, dict):
        return {name: bounded(item, depth=depth - 1) for name, item in value.items()}
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _as_unread(value: Any) -> Any:
    """A member that cannot be read, as it came, cut where it is long. A record of it cannot be read either."""
    if isinstance(value, str):
        return value if len(value) <= LONGEST_UNREAD else f"{value[:LONGEST_UNREAD]}…"
    kept = bounded(value, depth=DEEPEST_UNREAD)
    text = json.dumps(kept, ensure_ascii=False)
    if len(text) > LONGEST_UNREAD:
        return [f"{text[:CUT_UNREAD]}…"]
    return [kept] if isinstance(kept, str) else kept


class Contact(BaseModel):
    """One person, as `GET /v1/contact/{id}` gives it (`heymarket-api.md` 3.1). Other members are in `model_extra`."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: Id
    uuid: Text = ""
    phone: Annotated[str, BeforeValidator(_phone)] = ""
    first: Text = ""
    last: Text = ""
    display_name: Text = ""
    email: Text = ""
    avatar: Text = ""
    custom: Annotated[dict[int, str], BeforeValidator(_custom)] = Field(default_factory=dict)
    tags: Annotated[tuple[int, ...], BeforeValidator(_tag_ids)] = ()
    assigned_user_id: Annotated[int | None, BeforeValidator(_assignee)] = None
    is_opted_out: Annotated[bool | None, BeforeValidator(_known)] = None
    email_suppressions: Any = None  # numbers of unknown meaning, as they came (heymarket-api.md 3.2)
    created: Text = ""
    updated: Text = ""
    rev: Annotated[int, BeforeValidator(_rev)] = 0
    _unread: Mapping[str, Any] = PrivateAttr(default_factory=dict)
    _damaged: frozenset[str] = PrivateAttr(default=frozenset())

    @property
    def name(self) -> str:
        """The name that people use: the display name, else first and last. It may be empty."""
        return self.display_name or " ".join(part for part in (self.first, self.last) if part)

    # A walk compares every timestamp some ten times, so each is read once.

    @cached_property
    def created_at(self) -> datetime | None:
        """The moment that `created` names, in UTC. None where it names no moment."""
        return instant(self.created)

    @cached_property
    def updated_at(self) -> datetime | None:
        """The moment that `updated` names, in UTC. None where it names no moment."""
        return instant(self.updated)

    @property
    def unread(self) -> Mapping[str, Any]:
        """The members of another shape than expected: name -> as it came, bounded.

        The name of a custom value is "custom.31". Under "tags" are the items that are no tags. A write cannot keep such
        a member if it sends it.
        """
        return self._unread

    @property
    def damaged(self) -> frozenset[str]:
        """The names of the members whose text lost a part on the way. A write must not send such a text back."""
        return self._damaged

    @model_validator(mode="wrap")
    @classmethod
    def _member_by_member(cls, value: Any, read: ModelWrapValidatorHandler[Contact]) -> Contact:
        if not isinstance(value, Mapping):
            return read(value)
        contact = cls._read(value, read)
        damaged = frozenset(name for name, item in value.items() if isinstance(item, DamagedText))
        contact._damaged = damaged  # noqa: SLF001 -- its own class
        return contact

    @classmethod
    def _read(cls, value: Mapping[str, Any], read: ModelWrapValidatorHandler[Contact]) -> Contact:
        try:
            return read(value)
        except ValidationError as error:
            odd = [str(detail["loc"][0]) for detail in error.errors(include_url=False, include_input=False)]
            members, unread = _set_apart(value, odd)
            contact = read(members)
            contact._unread = unread  # noqa: SLF001 -- its own class
            return contact

    @model_serializer(mode="wrap")
    def _with_unread(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """The members under their own names, the unread ones among them, so that a record loses nothing."""
        members: dict[str, Any] = write(self)
        for name, value in self._unread.items():
            member, dot, key = name.partition(".")
            if dot:
                members[member] = {**members[member], key: value}
            else:
                members[member] = [*members[member], *value] if member == "tags" and _is_list(value) else value
        return members


def _is_list(value: object) -> bool:
    return isinstance(value, list | tuple)


def _set_apart(members: Mapping[str, Any], odd: list[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The members that can be read, and those that cannot. Of custom values and tags each one is looked at."""
    readable = {name: item for name, item in members.items() if name not in odd}
    unread: dict[str, Any] = {}
    for name in {*odd} & members.keys():
        came = members[name]
        if name == "custom" and isinstance(came, Mapping):
            readable[name], others = _parted(came, lambda key, item: {key: item}, _custom)
            unread |= {f"{name}.{key}": _as_unread(item) for key, item in others.items()}
        elif name == "tags" and _is_list(came):
            tags, others = _parted(dict(enumerate(came)), lambda _, item: item, _tag_id)
            readable[name], unread[name] = [*tags.values()], _as_unread([*others.values()])
        else:
            unread[name] = _as_unread(came)
    return readable, unread


Items = dict[Any, Any]


def _parted(
    items: Mapping[Any, Any], part: Callable[[Any, Any], Any], read: Callable[[Any], object]
) -> tuple[Items, Items]:
    """The items of which `read` can read a part, and the others."""
    found = {key: item for key, item in items.items() if _can(part(key, item), read)}
    return found, {key: item for key, item in items.items() if key not in found}


def _can(value: Any, read: Callable[[Any], object]) -> bool:
    try:
        read(value)
    except ValueError:
        return False
    return True


class WriteReply(BaseModel):
    """The answer to a create or update, never the contact (`heymarket-api.md` 4). Any member may be missing."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: IdOrNone = None
    rev: Annotated[int | None, _or(None, _whole)] = None
    uuid: TextOrNothing = ""


class _Called(BaseModel):
    """A thing with a name. `is_name_unread` says that a name came in a form that cannot be read."""

    model_config = ConfigDict(extra="allow", frozen=True)

    NAMED_BY: ClassVar[tuple[str, ...]] = ("name",)

    id: Id
    is_name_unread: bool = False

    @model_validator(mode="before")
    @classmethod
    def _look_at_names(cls, value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value
        came = [value.get(name) for name in cls.NAMED_BY]
        read = [name for name in came if _can(name, _text)]
        return {**value, "is_name_unread": len(read) < len(came) and not any(read)}


class CustomField(_Called):
    """A custom field: numeric id and display name, the name under `title` or `name`, possibly empty or shared."""

    NAMED_BY = ("title", "name")

    title: TextOrNothing = ""
    name: TextOrNothing = ""

    @property
    def label(self) -> str:
        return self.title or self.name


class Tag(_Called):
    """A tag. `tag` is its label, `updated` the cursor of the next page."""

    NAMED_BY = ("tag",)

    tag: TextOrNothing = ""
    updated: TextOrNothing = ""


class Member(_Called):
    """One of the team. Its id is the one that `assignee_id` takes (INFERRED, `heymarket-api.md` 4)."""

    name: TextOrNothing = ""
    email: TextOrNothing = ""
    role: TextOrNothing = ""


def _members(value: Any) -> list[Member]:
    """The rows that are members. The others are left out."""
    if not _is_list(value) and not _is_nothing(value):
        msg = "a list of members expected"
        raise ValueError(msg)
    return [Member.model_validate(row) for row in value or () if _can(row, Member.model_validate)]


class Team(BaseModel):
    """The team a credential belongs to."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: IdOrNone = None
    name: TextOrNothing = ""
    members: Annotated[tuple[Member, ...], BeforeValidator(_members)] = ()
    unread_members: int = 0  # rows of the list that are no members

    @model_validator(mode="before")
    @classmethod
    def _count_unread(cls, value: Any) -> Any:
        rows = value.get("members") if isinstance(value, Mapping) else None
        if not _is_list(rows):
            return value
        return {**value, "unread_members": sum(not _can(row, Member.model_validate) for row in rows or ())}


class Inbox(BaseModel):
    """An inbox, read only as a harmless check of the credentials."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: Id
    name: TextOrNothing = ""


def instant(timestamp: str) -> datetime | None:
    """The moment that an RFC 3339 string names, in UTC. None for text that names no moment.

    Accepts `Z`, offsets and 0 to 9 fractional digits. A moment without an offset counts as UTC.
    """
    try:
        moment = datetime.fromisoformat(timestamp.upper())  # a small z is RFC 3339 as well
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):  # OverflowError: an offset moved the calendar's first or last hours out of it
        return None
