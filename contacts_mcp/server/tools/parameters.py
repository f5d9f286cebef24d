"""The parameters that tools share: their types, and the few words about each that an assistant reads.

- A parameter is one scalar, an array of strings or a flat object of strings.
- Some clients send objects and arrays as JSON text, and booleans as "true". Both are read as what they mean.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic.fields import FieldInfo

from contacts_mcp.words.numbers import number_text

LONGEST_TEXT = 10_000
LONGEST_TABLE = 60_000
MOST_ITEMS = 100
MOST_IDS = 1_000
LONGEST_ID = 20  # digits of an id that are looked at
MOST_ID = 2**53  # the first whole number that JSON cannot carry


def from_json(value: object) -> object:
    """An array or object that came as JSON text. An object that says a name twice stays a text, which is refused."""
    if isinstance(value, str) and value.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(value, object_pairs_hook=_each_once)
        except (ValueError, RecursionError):
            return value
    return value


def _each_once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError
    return found


def is_nothing(value: object) -> bool:
    """Null, a blank text, an empty object, or a list of nothing else."""
    if isinstance(value, str):
        return not value.strip()
    if isinstance(value, list | tuple):
        return all(map(is_nothing, value))
    return value is None or value == {}


def _list(value: object) -> object:
    """Several texts. One text or number alone is a list of one."""
    value = from_json(value)
    return [value] if isinstance(value, str | int | float) and not isinstance(value, bool) else value


def _ids(value: object) -> object:
    """Several ids. One alone is a list of one, and a text may part them by commas."""
    value = from_json(value)
    if isinstance(value, str):
        return [part.strip() for part in value.split(",")]
    return [value] if isinstance(value, int | float) else value


def _word(value: object) -> object:
    """A text that came as a number, such as an id or a phone."""
    return number_text(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def in_small_letters(value: object) -> object:
    """A choice, whatever its case."""
    return value.strip().lower() if isinstance(value, str) else value


def _number(value: object) -> object:
    """Python takes true for 1, and contact 1 is somebody."""
    if isinstance(value, bool):
        msg = "a number is expected"
        raise ValueError(msg)  # noqa: TRY004 -- pydantic turns only a ValueError into its own error
    return value


def _change_number(value: object) -> int:
    """The cursor of list_changes. It is a text as every cursor, and holds the number of a change."""
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and 0 < int(text[:LONGEST_ID]) < MOST_ID):
        msg = "should be next_cursor exactly as it was answered"
        raise ValueError(msg)
    return int(text)


def _texts_by_name(value: object) -> object:
    value = from_json(value)
    if not isinstance(value, Mapping):
        return value
    return {name: _plain_text(text) for name, text in value.items()}


def _filters(value: object) -> object:
    """Filters as texts by name. Several tags are a list, as in search_contacts, or stand between commas."""
    value = from_json(value)
    if not isinstance(value, Mapping):
        return value
    joined = {name: value[name] for name in ("tag", "tags") if _is_texts(value.get(name))}
    return _texts_by_name({**value, **{name: ",".join(texts) for name, texts in joined.items()}})


def _is_texts(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, str) for one in value)


def _without_placeholders(value: object) -> object:
    """The texts by name that were really given. A new contact has no value that an empty one could empty."""
    value = from_json(value)
    return {name: text for name, text in value.items() if not is_nothing(text)} if isinstance(value, Mapping) else value


def _plain_text(value: object) -> object:
    """Custom values are texts upstream. A number or a yes/no is written as one."""
    if value is None:
        msg = "null is no value"
        raise ValueError(msg)
    if isinstance(value, bool):
        return "true" if value else "false"
    return number_text(value) if isinstance(value, int | float) else value


_Text = Annotated[str, StringConstraints(max_length=LONGEST_TEXT), BeforeValidator(_word)]
Word = _Text
Names = Annotated[list[_Text], Field(max_length=MOST_ITEMS), BeforeValidator(_list)]
LongText = Annotated[str, StringConstraints(max_length=LONGEST_TABLE)]
Id = Annotated[int, Field(ge=1, lt=MOST_ID), BeforeValidator(_number)]
ManyIds = Annotated[list[Id], Field(max_length=MOST_IDS), BeforeValidator(_ids)]
Ids = Annotated[list[Id], Field(min_length=1, max_length=MOST_ITEMS), BeforeValidator(_ids)]
UpTo50 = Annotated[int, Field(ge=1, le=50), BeforeValidator(_number)]
UpTo100 = Annotated[int, Field(ge=1, le=100), BeforeValidator(_number)]
ChangeCursor = Annotated[int, BeforeValidator(_change_number), WithJsonSchema({"type": "string"})]
TextsByName = Annotated[dict[str, _Text], Field(max_length=MOST_ITEMS), BeforeValidator(_texts_by_name)]
Where = Annotated[dict[str, _Text], Field(max_length=MOST_ITEMS), BeforeValidator(_filters)]


def described(description: str) -> Any:
    """The few words about one parameter that the assistant reads."""
    field: FieldInfo = Field(description=description)
    return field


ContactId = Annotated[Id | None, described("From an answer.")]
# Without a country code the account's region is assumed, so every phone says how to name another country.
_COUNTRY = "No country code: region assumed."
Phone = Annotated[
    _Text, described(f"As the person wrote it. {_COUNTRY} A country said in words: put its code in front.")
]
SoughtPhone = Annotated[_Text | None, described(f"Exact phone. {_COUNTRY}")]
SoughtEmail = Annotated[_Text | None, described("Exact e-mail.")]
WhosePhone = Annotated[_Text | None, described(f"Present phone. {_COUNTRY}")]
SoughtName = Annotated[_Text | None, described("Full name.")]
WhoseName = Annotated[_Text | None, described("To check; alone: in full.")]
NewPhone = Annotated[_Text | None, described("New; region assumed too.")]
First = Annotated[_Text | None, described("First name.")]
Last = Annotated[_Text | None, described("Last name.")]
NewFirst = Annotated[_Text | None, described("New one.")]
NewLast = Annotated[_Text | None, described("New one.")]
DisplayName = Annotated[_Text | None, described("Shown name, set separately.")]
Email = Annotated[_Text | None, described("E-mail.")]
Avatar = Annotated[_Text | None, described("Picture URL.")]
CustomFields = Annotated[TextsByName | None, described("By name (list_contact_fields). Dates: YYYY-MM-DD.")]
FirstCustomFields = Annotated[CustomFields, BeforeValidator(_without_placeholders)]
ReplaceCustomFields = Annotated[bool | None, described("Drops others.")]
FirstAssignee = Annotated[_Text | None, described("Team member: name, e-mail or id.")]
FirstTags = Annotated[Names | None, described("Tag names, at most 5.")]
Assignee = Annotated[_Text | None, described('Team member; "none" unassigns.')]
Tags = Annotated[Names | None, described("Replaces all tags.")]
AddTags = Annotated[Names | None, described("At most 5 in all.")]
RemoveTags = Annotated[Names | None, described("To remove.")]
CreateMissingTags = Annotated[bool | None, described("Makes new ones.")]
IsOptedOut = Annotated[bool | None, described("true stops texts to this contact.")]
IsOptedOutOnUpdate = Annotated[bool | None, described("true stops texts; false needs consent.")]
Consent = Annotated[_Text | None, described("When and how they agreed. Ask, never assume.")]
Clear = Annotated[Names | None, described("Fields to empty.")]
ConfirmToken = Annotated[_Text | None, described("From needs_confirmation, after a yes.")]
