"""What somebody asks of a contact: first in human terms (`Wanted`), then in ids (`Edit`).

- Omitted means untouched, a value means set, and only `clear` empties. An empty text is therefore refused, never sent.
- Names of fields, tags and members become ids here, before anything is sent; so does every other check that needs no contact.
- `Edit.applied_to` is the whole meaning of an edit: a table of values in, the wanted table out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from contacts_mcp.book.cards import field_name
from contacts_mcp.book.values import CUSTOM, TEXTS, custom_key, nothing_for
from contacts_mcp.book.vocabulary import NOBODY, Directory
from contacts_mcp.errors import InvalidArgument, UnknownName
from contacts_mcp.models import Values
from contacts_mcp.words.display import visible
from contacts_mcp.words.folding import fold

MOST_TAGS = 5
CLEARABLE = ("first", "last", "display_name", "email", "avatar", "assignee", "tags")
SETTABLE_TEXTS = ("first", "last", "display_name", "email", "avatar")

_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_URL = re.compile(r"https?://\S+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A request in the words of the person who makes it. None and empty mean not mentioned."""

    first: str | None = None
    last: str | None = None
    display_name: str | None = None
    email: str | None = None
    avatar: str | None = None
    phone: str | None = None
    custom_fields: Mapping[str, str] = field(default_factory=dict)
    replace_custom_fields: bool = False
    assignee: str | None = None
    tags: Sequence[str] | None = None
    add_tags: Sequence[str] = ()
    remove_tags: Sequence[str] = ()
    is_opted_out: bool | None = None
    clear: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Edit:
    """The same request with every name resolved. `values` are set, emptied ones included; tags are worked out against the contact."""

    values: Values
    replace_custom: bool = False
    add_tags: tuple[int, ...] = ()
    remove_tags: tuple[int, ...] = ()

    def applied_to(self, before: Values) -> Values:
        """The table the contact should have afterwards. Raises InvalidArgument where it would have more than 5 tags."""
        wanted = self.worked_out(before)
        _check_tag_count(before, wanted)
        return wanted

    def worked_out(self, before: Values) -> Values:
        """The same, whether Heymarket would take it or not."""
        wanted = {
            key: value for key, value in before.items() if not (self.replace_custom and key.startswith(CUSTOM))
        } | self.values
        if self.add_tags or self.remove_tags:
            had = before.get("tags") or []
            assert isinstance(had, list)
            wanted["tags"] = sorted({*had, *self.add_tags} - {*self.remove_tags})
        return wanted


def _check_tag_count(before: Values, wanted: Values) -> None:
    tags = wanted.get("tags")
    if tags != before.get("tags") and isinstance(tags, list) and len(tags) > MOST_TAGS:
        raise InvalidArgument(
            "tags",
            f"the contact would have {len(tags)} tags.",
            expected=f"Heymarket allows {MOST_TAGS}; remove some first. Nothing was changed.",
        )


async def resolve(wanted: Wanted, directory: Directory) -> Edit:
    """`wanted` in ids. Raises InvalidArgument or UnknownName, before anything is changed."""
    _check_contradictions(wanted)
    values: Values = {
        name: _checked_text(name, text) for name in SETTABLE_TEXTS if (text := getattr(wanted, name)) is not None
    }
    if wanted.phone is not None:
        values["phone"] = wanted.phone
    values |= await _custom_values(wanted.custom_fields, directory)
    if wanted.assignee is not None:
        values["assignee"] = await _member(wanted.assignee, directory)
    if wanted.tags is not None:
        _check_not_empty("tags", is_empty=not wanted.tags)
        values["tags"] = sorted(set(await _tags(wanted.tags, "tags", directory)))
    if wanted.is_opted_out is not None:
        values["is_opted_out"] = wanted.is_opted_out
    for key in await _cleared_keys(wanted.clear, directory):
        if key in values:
            raise _set_and_cleared(await field_name(key, directory))
        values[key] = nothing_for(key)
    added, removed = (
        await _tags(wanted.add_tags, "add_tags", directory),
        await _tags(wanted.remove_tags, "remove_tags", directory),
    )
    if both := {*added} & {*removed}:
        tag = await directory.tags.label(min(both))
        raise InvalidArgument(
            "add_tags",
            f"{visible(tag, limit=60)!r} is both added and removed.",
            expected="Mention it in one place only.",
        )
    return Edit(values, replace_custom=wanted.replace_custom_fields, add_tags=added, remove_tags=removed)


def _check_contradictions(wanted: Wanted) -> None:
    if wanted.tags is not None and (wanted.add_tags or wanted.remove_tags):
        raise InvalidArgument(
            "tags",
            "replaces all tags and was given together with add_tags or remove_tags.",
            expected="Use one or the other.",
        )
    if "tags" in map(_standard, wanted.clear) and (wanted.add_tags or wanted.remove_tags):
        raise _set_and_cleared("tags")
    if wanted.replace_custom_fields and not wanted.custom_fields:
        raise InvalidArgument(
            "replace_custom_fields",
            "was given without custom_fields.",
            expected="To empty fields, name them in clear; to set some and keep the rest, leave this out.",
        )


def _check_not_empty(name: str, *, is_empty: bool) -> None:
    if is_empty:
        raise InvalidArgument(
            name,
            "is empty.",
            expected=f'To leave it as it is, leave it out; to empty it, use update_contact with clear: ["{name}"].',
        )


def _checked_text(name: str, given: str) -> str:
    text = given.strip()
    _check_not_empty(name, is_empty=not text)
    if name == "email" and not _EMAIL.fullmatch(text):
        raise InvalidArgument(
            name,
            f'"{visible(text, limit=60)}" is not an e-mail address.',
            expected="Expected one such as jordan@example.com.",
        )
    if name == "avatar" and not _URL.fullmatch(text):
        raise InvalidArgument(
            name,
            f'"{visible(text, limit=60)}" is not the address of an image.',
            expected="Expected one that starts with https://.",
        )
    return text


async def _custom_values(given: Mapping[str, str], directory: Directory) -> Values:
    values: Values = {}
    for name, text in given.items():
        named = await directory.fields.resolve(name, argument="custom_fields")
        key = custom_key(named.id)
        if key in values:
            raise InvalidArgument(
                "custom_fields",
                f'"{visible(name, limit=60)}" is a second name for a field that is also given by another.',
                expected="Give each field once.",
            )
        if not text.strip():
            raise InvalidArgument(
                "custom_fields",
                f'"{visible(name, limit=60)}" has an empty value.',
                expected="To empty a field, name it in clear.",
            )
        values[key] = text.strip()
    return values


async def _member(text: str, directory: Directory) -> int | None:
    if text.strip().casefold() in NOBODY:
        return None
    return (await directory.members.resolve(text, argument="assignee")).id


async def _tags(names: Sequence[str], argument: str, directory: Directory) -> tuple[int, ...]:
    return tuple([(await directory.tags.resolve(name, argument=argument)).id for name in names])


async def _cleared_keys(names: Sequence[str], directory: Directory) -> list[str]:
    keys: list[str] = []
    for name in names:
        standard = _standard(name)
        if standard in CLEARABLE:
            keys.append(standard)
        elif standard in {*TEXTS, "is_opted_out"}:
            raise InvalidArgument(
                "clear",
                f"{standard} cannot be cleared.",
                expected=f"Standard fields that can: {', '.join(CLEARABLE)}; and any custom field.",
            )
        else:
            keys.append(await _custom_key_to_clear(name, directory))
    return keys


async def _custom_key_to_clear(name: str, directory: Directory) -> str:
    try:
        return custom_key((await directory.fields.resolve(name, argument="clear")).id)
    except UnknownName as unknown:
        if unknown.is_ambiguous:
            raise
        expected = f"{unknown.expected} Standard fields: {', '.join(CLEARABLE)}."
        raise UnknownName(unknown.argument, unknown.problem, candidates=unknown.candidates, expected=expected) from None


def _standard(name: str) -> str:
    """The standard field called `name`, however it is written ("E-mail", "Display Name"); "" where there is none."""
    return _STANDARD.get(fold(name), "")


_STANDARD = {fold(name): name for name in (*TEXTS, "assignee", "tags", "is_opted_out")}


def _set_and_cleared(name: str) -> InvalidArgument:
    return InvalidArgument("clear", f"{name!r} is both set and cleared.", expected="Mention it in one place only.")
