"""The JSON bodies of requests and replies, as pydantic models.

One set of models checks the requests and publishes itself in the OpenAPI document, so the two cannot differ.

- A request body has no members but the known ones. Types are strict: no text is taken for a number.
- A member that may be left out may still not be null, unless its type says so.
- The message of a refusal names the member and repeats its description. It never repeats a value.
- The document cannot know which tags and members exist. The handlers check those ids.
"""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, NoReturn, get_args

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    RootModel,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails

from .replies import BadData
from .rows.timestamps import RFC3339, nanoseconds

MOST_TAGS = 5

# A member that was left out is not in the checked body, so nobody ever reads this default.
_LEFT_OUT: Any = None

# Python's regular expressions let `$` match before a line end. Those of JavaScript, which JSON Schema means, do not.
_END = r"(?!\n)$"


def checked(model: type[BaseModel], body: Any) -> Any:
    """`body` as plain dicts and lists, without the members that were left out. Raises BadData."""
    try:
        return model.model_validate(body).model_dump(exclude_unset=True)
    except ValidationError as error:
        raise BadData(_complaint(model, error.errors(include_input=False)[0])) from None


def json_body(raw: bytes) -> Any:
    """The parsed body, or None for no body. Raises BadData for anything but JSON in UTF-8."""
    if not raw.strip():
        return None
    try:
        value = json.loads(raw.decode(), parse_constant=_no_constant)
        if b"\\u" in raw:
            json.dumps(value, ensure_ascii=False).encode()  # a lone surrogate is JSON, but no text
    except (ValueError, RecursionError) as error:
        raise BadData("the body is not JSON") from error
    return value


def _complaint(model: type[BaseModel], error: ErrorDetails) -> str:
    path = [part for part in error["loc"] if isinstance(part, str)]
    if not path:
        return _BODY_COMPLAINTS.get(error["type"]) or str(error["ctx"]["error"])
    name = path[0][:40]
    if len(path) == 1 and error["type"] in _MEMBER_COMPLAINTS:
        return _MEMBER_COMPLAINTS[error["type"]].format(name=name, **error.get("ctx", {}))
    return f"{name} must be {_fields(model)[name].description}"


def _fields(model: type[BaseModel]) -> Any:
    """The fields of `model`, or those of its items if it is an array."""
    return (
        get_args(model.model_fields["root"].annotation)[0].model_fields
        if issubclass(model, RootModel)
        else model.model_fields
    )


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_BODY_COMPLAINTS = {"model_type": "the body must be a JSON object", "list_type": "the body must be a JSON array"}
_MEMBER_COMPLAINTS = {
    "missing": "{name} is required",
    "extra_forbidden": "{name} is not a known member",
    "too_long": "{name} has more than {max_length} items",
}


def _whole(value: Any) -> Any:
    # JSON has one kind of number, so 5.0 is an integer.
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _an_instant(value: str) -> str:
    nanoseconds(value)
    return value


Integer = Annotated[int, BeforeValidator(_whole)]
Positive = Annotated[int, Field(ge=1, lt=2**31, description="a number above 0"), BeforeValidator(_whole)]
Text = Annotated[str | None, Field(description="a string")]
Email = Annotated[
    Annotated[str, Field(pattern="^$|@")] | None,
    Field(description="a string that is empty or an e-mail address"),
]
Filled = Annotated[str, Field(pattern=r"\S", description="a string that is not blank")]
Phone = Annotated[str, Field(pattern=f"^[0-9]{{8,15}}{_END}", description="a string of 8 to 15 digits without a plus")]
ContactId = Annotated[str, Field(pattern=f"^[0-9]{{1,18}}{_END}", description="a number in a string")]
Moment = Annotated[
    str,
    # The pattern alone lets the 30th of February pass.
    Field(pattern=RFC3339, description="an RFC 3339 timestamp", json_schema_extra={"format": "date-time"}),
    AfterValidator(_an_instant),
]


class RequestBody(BaseModel):
    """A request body that is an object, or an object inside one."""

    model_config = ConfigDict(strict=True, extra="forbid", regex_engine="python-re", defer_build=True)


class Nothing(RequestBody):
    """An object without members."""


class TagId(RequestBody):
    """A tag by its id."""

    tag_id: Integer


class ContactWrite(RequestBody):
    """The body of a create or an update (heymarket-api.md, section 3.2)."""

    phone: Phone
    first: Text = _LEFT_OUT
    last: Text = _LEFT_OUT
    display_name: Text = _LEFT_OUT
    email: Email = _LEFT_OUT
    avatar: Text = _LEFT_OUT
    custom: dict[str, str | None] = Field(_LEFT_OUT, description="a flat object of strings")
    assignee_id: Integer = Field(_LEFT_OUT, description="a number: the id of a member, or -1")
    tags: list[TagId] = Field(_LEFT_OUT, max_length=MOST_TAGS, description='an array of {"tag_id": number}')
    is_opted_out: bool = Field(_LEFT_OUT, description="a boolean")
    email_suppressions: list[Integer] = Field(_LEFT_OUT, description="an array of numbers")


class ContactWrites(RootModel[list[Any]]):
    """Bodies of creates. Each is checked on its own, and the reply names those that failed."""

    model_config = ConfigDict(strict=True, defer_build=True)


class ListQuery(RequestBody):
    """The page of contacts that is asked for."""

    date: Moment = _LEFT_OUT
    limit: Positive = _LEFT_OUT
    page: Positive = _LEFT_OUT
    # The vendor names these members and describes them nowhere. They have no effect.
    order: Any = _LEFT_OUT
    ascending: Any = _LEFT_OUT
    filter: Any = _LEFT_OUT
    archived: Any = _LEFT_OUT
    assigned: Any = _LEFT_OUT


_EITHER = ("phone", "id")


class Who(RequestBody):
    """A contact by its phone or its id. The phone wins."""

    model_config = ConfigDict(json_schema_extra={"anyOf": [{"required": [name]} for name in _EITHER]})

    phone: Phone = _LEFT_OUT
    id: ContactId = _LEFT_OUT

    @model_validator(mode="after")
    def _names_somebody(self) -> Who:
        if self.model_fields_set.isdisjoint(_EITHER):
            raise ValueError("phone or id is required")
        return self


class StatusWrite(Who):
    """A contact and its new status."""

    status: Literal["active", "blocked", "unblocked", "subscribed", "unsubscribed"] = Field(
        description="one of active, blocked, unblocked, subscribed, unsubscribed"
    )


class FieldWrite(RequestBody):
    """A custom field that is to be created."""

    title: Filled


class FieldsWrite(RootModel[list[FieldWrite]]):
    """Custom fields that are to be created, all or none."""

    model_config = ConfigDict(strict=True, defer_build=True)


class Channel(RequestBody):
    """Values of one kind to look for."""

    channel_type: Literal["phone", "email"]
    channel_ids: list[str]


class Search(RequestBody):
    """The values that a contact may have one of."""

    contact_channels: list[Channel] = Field(
        description='an array of {"channel_type": "phone" or "email", "channel_ids": array of strings}'
    )


class TagQuery(RequestBody):
    """The page of tags that is asked for."""

    date: Moment = _LEFT_OUT


class TagWrite(RequestBody):
    """A tag that is to be created."""

    tag: Filled
    color: str = Field(_LEFT_OUT, description="a string")


class ReplyBody(BaseModel):
    """A reply, or an object inside one. It may have more members than these."""

    model_config = ConfigDict(strict=True, regex_engine="python-re", defer_build=True)


class Contact(ReplyBody):
    """A contact. Empty members are left out (heymarket-api.md, section 3.1)."""

    id: int
    uuid: str = _LEFT_OUT
    first: str = _LEFT_OUT
    last: str = _LEFT_OUT
    display_name: str = _LEFT_OUT
    email: str = _LEFT_OUT
    phone: str = _LEFT_OUT
    avatar: str = _LEFT_OUT
    custom: dict[str, str] = _LEFT_OUT
    tags: list[TagId] = _LEFT_OUT
    assigned_user_id: int = _LEFT_OUT
    is_opted_out: bool = _LEFT_OUT
    team_id: int = _LEFT_OUT
    creator_id: int = _LEFT_OUT
    inbox_id: int = _LEFT_OUT
    parent_id: int = _LEFT_OUT
    shared: bool = _LEFT_OUT
    created: Moment
    updated: Moment
    rev: int
    op: str = _LEFT_OUT
    type: str = _LEFT_OUT
    external_id: str = _LEFT_OUT
    external_ref: str = _LEFT_OUT
    note: list[dict[str, Any]] = _LEFT_OUT


class Contacts(RootModel[list[Contact]]):
    """Contacts."""


class Receipt(ReplyBody):
    """The reply to a write: not the row itself."""

    id: int
    rev: int
    uuid: str = _LEFT_OUT


class Word(RootModel[str]):
    """A word that says all went well."""


class Count(RootModel[int]):
    """A number of contacts."""


class Status(ReplyBody):
    """Whether a contact can be written to."""

    id: int
    phone: str
    unsubscribed: bool
    blocked: bool


class CustomField(ReplyBody):
    """A custom field."""

    id: int
    title: str


class CustomFields(RootModel[list[CustomField]]):
    """All custom fields."""


class CreatedField(CustomField):
    """A custom field that was created, or was there already."""

    duplicate: bool


class CreatedFields(RootModel[list[CreatedField]]):
    """The fields in the order of the request."""


class FailedWrites(RootModel[list[Any]]):
    """The bodies that were not carried out."""


class Tag(ReplyBody):
    """A tag. Its label is under `tag`."""

    id: int
    tag: str
    color: str
    team_id: int
    created: Moment
    updated: Moment
    rev: int


class Tags(RootModel[list[Tag]]):
    """Tags."""


class Member(ReplyBody):
    """A member of the team."""

    id: int
    name: str
    role: str
    email: str


class Team(ReplyBody):
    """The team and its members."""

    id: int
    name: str
    list_size: int
    members: list[Member]


class Inbox(ReplyBody):
    """An inbox."""

    id: int
    name: str
    phone: str


class Inboxes(RootModel[list[Inbox]]):
    """All inboxes."""


class Error(ReplyBody):
    """A refusal."""

    error: str
    message: str
