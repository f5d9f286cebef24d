"""A request about a contact: first in human terms (`Wanted`), then in ids (`Edit`).

- Omitted means untouched, a value means set, and only `clear` empties. An empty text is therefore refused, never sent.
  Beside `clear` of the same field it says nothing new.
- Names of fields, tags and members become ids here, before anything is sent. Every other check that needs no contact is
  made here, too.
- `Edit.applied_to` is the whole meaning of an edit: a table of values in, the wanted table out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from contacts_mcp.book.fields import BY_NAME, CLEARABLE, MOST_TAGS, WRITTEN
from contacts_mcp.book.values import CUSTOM, custom_key, field_id, nothing_for
from contacts_mcp.book.vocabulary import EVERYTHING, LISTS, NOBODY, ListName, Snapshot, Vocabulary
from contacts_mcp.errors import InvalidArgument, UnknownName
from contacts_mcp.models import Values
from contacts_mcp.words.cleaning import Cleaned, clean_lines, clean_value
from contacts_mcp.words.dates import looks_like_date_field, read_date
from contacts_mcp.words.display import quoted, word
from contacts_mcp.words.emails import read_email
from contacts_mcp.words.folding import fold
from contacts_mcp.words.names import Named, Names

SETTABLE_TEXTS = ("first", "last", "display_name", "email", "avatar")

Result = TypeVar("Result")

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
    create_missing_tags: bool = False
    is_opted_out: bool | None = None
    clear: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Edit:
    """The same request with every name resolved. Tags are worked out against the contact."""

    values: Values  # the fields to set, emptied ones included
    replace_custom: bool = False
    add_tags: tuple[int, ...] = ()
    remove_tags: tuple[int, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)  # on values that are not stored as they came

    def applied_to(self, before: Values) -> Values:
        """The table that the contact should have afterwards.

        It may have more tags than Heymarket allows (`excess_tags`).
        """
        kept = {key: value for key, value in before.items() if not (self.replace_custom and key.startswith(CUSTOM))}
        wanted = kept | self.values
        if self.add_tags or self.remove_tags:
            had = before.get("tags") or []
            assert isinstance(had, list)
            wanted["tags"] = sorted({*had, *self.add_tags} - {*self.remove_tags})
        return wanted

    def without(self, key: str) -> Edit:
        """The same edit, leaving `key` alone."""
        return replace(self, values={name: value for name, value in self.values.items() if name != key})


def excess_tags(before: Values, wanted: Values) -> list[int]:
    """The tags that the contact would have, where a change makes them more than Heymarket allows."""
    tags = wanted.get("tags")
    is_changed = tags != before.get("tags")
    return tags if is_changed and isinstance(tags, list) and len(tags) > MOST_TAGS else []


def too_many_tags(before: Values, excess: Sequence[int], name: str, names: Snapshot, *, added: bool) -> InvalidArgument:
    """The error on more tags than a contact may have. It names those that the contact has, and asks whom to ask."""
    had = before.get("tags")
    present = ", ".join(word(names.tags.label(tag)) for tag in had) if isinstance(had, list) else ""
    who = quoted(name, limit=60) if name else "The contact"
    has = f" {who} has {present}." if present else ""
    way = (
        "Ask the person which of these to take off, and name it in remove_tags of update_contact."
        if added and present
        else f"Ask the person which {MOST_TAGS} it should have."
    )
    return InvalidArgument(
        "add_tags" if added else "tags",
        f"{who} would have {len(excess)} tags, and Heymarket allows {MOST_TAGS}.",
        expected=f"Nothing was changed.{has} {way}",
    )


def needed_lists(wanted: Wanted) -> list[ListName]:
    """The lists of names that `wanted` mentions."""
    by_name = [name for name in wanted.clear if not _standard(name) or _may_be_custom(name)]
    mentioned: dict[ListName, bool] = {
        "fields": bool(wanted.custom_fields or by_name),
        "tags": bool(wanted.tags or wanted.add_tags or wanted.remove_tags),
        "members": wanted.assignee is not None,
    }
    return [name for name in LISTS if mentioned[name]]


async def resolved(wanted: Wanted, vocabulary: Vocabulary) -> Edit:
    """`wanted` in ids.

    Only the lists of names that it mentions are asked for, and none where it is refused without them.
    """
    wanted = _without_echoes_of_clear(wanted)
    plain = _plain_values(wanted)
    return await vocabulary.resolving(needed_lists(wanted), lambda names: _resolve(wanted, names, *plain))


def _without_echoes_of_clear(wanted: Wanted) -> Wanted:
    """`wanted` without the empty values of fields that `clear` names, too: both ask for the same."""
    cleared = {_standard(name) for name in wanted.clear}
    given = {name: getattr(wanted, name) for name in CLEARABLE if name in cleared}
    echoes: dict[str, Any] = {name: None for name, text in given.items() if text is not None and _is_blank(text)}
    return replace(wanted, **echoes)


def _is_blank(value: str | Sequence[str]) -> bool:
    texts = [value] if isinstance(value, str) else value
    return not any(text.strip() for text in texts)


def resolve(wanted: Wanted, names: Snapshot) -> Edit:
    """`wanted` in ids.

    Raises InvalidArgument, or UnknownName with every name that is not known, before anything is changed.
    """
    return _resolve(wanted, names, *_plain_values(wanted))


def resolve_custom(given: Mapping[str, str], names: Snapshot) -> Edit:
    """As `resolve`, for custom values alone."""
    misses, notes = _Misses(), list[str]()
    values = _custom_values(given, names, misses, notes, cleared=())
    misses.raise_if_any()
    return Edit(values, notes=tuple(notes))


def _resolve(wanted: Wanted, names: Snapshot, plain: Values, remarks: Sequence[str]) -> Edit:
    values, notes, misses = dict(plain), list(remarks), _Misses()
    cleared = [key for name in wanted.clear if (key := misses.collected(partial(_cleared_key, name, names)))]
    values |= _custom_values(wanted.custom_fields, names, misses, notes, cleared=cleared)
    if wanted.assignee is not None:
        values |= misses.collected(lambda: {"assignee": _member(str(wanted.assignee), names)}) or {}
    if wanted.tags is not None:
        values["tags"] = sorted({*_tags(wanted.tags, "tags", names, misses)})
    added = _tags(wanted.add_tags, "add_tags", names, misses)
    removed = _tags(wanted.remove_tags, "remove_tags", names, misses)
    misses.raise_if_any()
    _check_set_once(values, cleared, added, removed, names)
    values |= {key: nothing_for(key) for key in cleared}
    return Edit(values, wanted.replace_custom_fields, add_tags=added, remove_tags=removed, notes=tuple(notes))


def _plain_values(wanted: Wanted) -> tuple[Values, list[str]]:
    """The values that need no list of names, and notes on them, with every check that needs none.

    Raises InvalidArgument.
    """
    _check_contradictions(wanted)
    if wanted.tags is not None:
        _check_not_empty("tags", is_empty=_is_blank(wanted.tags))
    cleaned = _plain_texts(wanted)
    values: Values = {name: clean.text for name, clean in cleaned.items()}
    given = {"phone": wanted.phone, "is_opted_out": wanted.is_opted_out}
    values |= {name: value for name, value in given.items() if value is not None}
    return values, [note for clean in cleaned.values() for note in clean.notes]


def _plain_texts(wanted: Wanted) -> dict[str, Cleaned]:
    texts = {name: text for name in SETTABLE_TEXTS if (text := getattr(wanted, name)) is not None}
    for name, text in texts.items():
        _check_not_empty(name, is_empty=not text.strip())
    cleaned = clean_lines({name: text for name, text in texts.items() if name != "email"})
    if "email" in texts:
        cleaned["email"] = read_email(texts["email"])
    if "avatar" in cleaned:
        _check_address(cleaned["avatar"].text)
    return cleaned


class _Misses:
    """The unknown names of one request, so that the caller hears of all of them at once."""

    def __init__(self) -> None:
        self._found: list[UnknownName] = []

    def collected(self, resolve: Callable[[], Result]) -> Result | None:
        try:
            return resolve()
        except UnknownName as unknown:
            self._found.append(unknown)
            return None

    def raise_if_any(self) -> None:
        if self._found:
            raise UnknownName.of_several(self._found)


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
            expected="To empty fields, name them in clear. To set some and keep the rest, leave this out.",
        )


def _check_set_once(
    values: Values, cleared: Sequence[str], added: Sequence[int], removed: Sequence[int], names: Snapshot
) -> None:
    if both := [key for key in cleared if key in values]:
        number = field_id(both[0])
        raise _set_and_cleared(both[0] if number is None else names.fields.label(number))
    if tags := {*added} & {*removed}:
        raise InvalidArgument(
            "add_tags",
            f"{word(names.tags.label(min(tags)))} is both added and removed.",
            expected="Mention it in one place only.",
        )


def _check_not_empty(name: str, *, is_empty: bool) -> None:
    if is_empty:
        raise InvalidArgument(
            name,
            "is empty.",
            expected=f'To leave it as it is, leave it out. To empty it, use update_contact with clear: ["{name}"].',
        )


def _check_address(text: str) -> None:
    if not _URL.fullmatch(text):
        raise InvalidArgument(
            "avatar",
            f"{quoted(text, limit=60)} is not the address of an image.",
            expected="Expected one that starts with https://.",
        )


def _custom_values(
    given: Mapping[str, str], names: Snapshot, misses: _Misses, notes: list[str], *, cleared: Sequence[str]
) -> Values:
    values: Values = {}
    for name, text in given.items():
        field = misses.collected(partial(_field, name, names))
        if field is None:
            continue
        key = custom_key(field.id)
        if key in values:
            raise InvalidArgument(
                "custom_fields",
                f"{quoted(name, limit=60)} is a second name for a field that is also given by another.",
                expected="Give each field once.",
            )
        if key in cleared and _is_blank(text):
            continue
        clean = _custom_value(name, field, text, names)
        values[key] = clean.text
        notes += clean.notes
    return values


def _field(name: str, names: Snapshot) -> Named:
    try:
        return names.fields.resolve(name, argument="custom_fields")
    except UnknownName as unknown:
        standard = _standard(name)
        if unknown.is_ambiguous or standard in ("", "phone"):
            raise
        way = f"create_contact and update_contact take {standard} beside custom_fields."
        raise UnknownName(unknown.argument, names.fields.absence(name), expected=way) from None


def _custom_value(name: str, field: Named, text: str, names: Snapshot) -> Cleaned:
    if not text.strip():
        raise InvalidArgument(
            "custom_fields",
            f"{quoted(name, limit=60)} is empty.",
            expected="To empty a field, name it in clear. To leave it as it is, leave it out.",
        )
    label = word(names.fields.label(field.id))
    clean = clean_value(text, argument=label)
    if not looks_like_date_field(field.name):
        return clean
    day = read_date(clean.text, argument="custom_fields", field=label)
    return Cleaned(day.text, [*clean.notes, *day.notes])


def _member(text: str, names: Snapshot) -> int | None:
    _check_not_empty("assignee", is_empty=not text.strip())
    if text.strip().casefold() not in NOBODY:
        return names.members.resolve(text, argument="assignee").id
    if namesake := names.members.named(text):
        raise UnknownName(
            "assignee",
            f"{quoted(text, limit=60)} may be nobody, or {_listed(namesake, names.members)} of the team.",
            candidates=[names.members.label(member.id) for member in namesake],
            expected='Write the colleague with the id, or use clear: ["assignee"] for nobody.',
            is_ambiguous=True,
        )
    return None


def _tags(given: Sequence[str], argument: str, names: Snapshot, misses: _Misses) -> tuple[int, ...]:
    found = [misses.collected(partial(_tag, text, argument, names)) for text in given]
    return tuple(tag.id for tag in found if tag)


def _tag(text: str, argument: str, names: Snapshot) -> Named:
    try:
        return names.tags.resolve(text, argument=argument)
    except UnknownName as unknown:
        raise _about_none_or_all(text, unknown, names.tags, _NO_TAG_CALLED[argument]) from None


_NO_TAG_CALLED = {
    "tags": 'For no tags on a new contact, leave tags out. To take all off, use update_contact with clear: ["tags"].',
    "add_tags": "Name each tag to add, or leave add_tags out.",
    "remove_tags": 'To take all tags off, use clear: ["tags"]. To keep all, leave remove_tags out.',
}


def _about_none_or_all(text: str, unknown: UnknownName, among: Names, expected: str) -> UnknownName:
    """`unknown`, or for a word like "none" or "all" the way that it asks for. A name near that word is not meant."""
    if unknown.is_ambiguous or text.strip().casefold() not in NOBODY | EVERYTHING:
        return unknown
    return UnknownName(unknown.argument, among.absence(text), expected=expected)


def _cleared_key(name: str, names: Snapshot) -> str:
    """The key of the field that `name` means in `clear`. Raises InvalidArgument, UnknownName."""
    standard = _standard(name)
    if not standard:
        return _custom_key_to_clear(name, names)
    if not BY_NAME[standard].can_be_cleared:
        raise InvalidArgument(
            "clear",
            f"{standard} cannot be cleared.",
            expected=f"Standard fields that can: {', '.join(CLEARABLE)}. Every custom field can.",
        )
    namesakes = [] if _OWN.fullmatch(name) else names.fields.named(name)
    if namesakes:
        raise UnknownName(
            "clear",
            f"{quoted(name, limit=60)} may be the contact's own {standard}, "
            f"or the custom field {_listed(namesakes, names.fields)}.",
            candidates=[f"{standard} (own)", *_with_ids(namesakes)],
            expected=f'Write "{standard} (own)" or "{_with_ids(namesakes)[0]}".',
            is_ambiguous=True,
        )
    return standard


def _with_ids(items: Sequence[Named]) -> list[str]:
    return [f"{word(item.name, limit=60)} ({item.id})" for item in items]


def _listed(items: Sequence[Named], names: Names) -> str:
    return " or ".join(word(names.label(item.id)) for item in items)


def _custom_key_to_clear(name: str, names: Snapshot) -> str:
    try:
        return custom_key(names.fields.resolve(name, argument="clear").id)
    except UnknownName as unknown:
        if unknown.is_ambiguous or not name.strip():
            raise
        expected = f"{unknown.expected} Standard fields: {', '.join(CLEARABLE)}."
        miss = UnknownName(unknown.argument, unknown.problem, candidates=unknown.candidates, expected=expected)
        way = "Name each field that is to be emptied. To empty none, leave clear out."
        raise _about_none_or_all(name, miss, names.fields, way) from None


def _standard(name: str) -> str:
    """The standard field called `name`, however it is written ("E-mail", "Display Name"). "" where there is none."""
    own = _OWN.fullmatch(name)
    return _STANDARD.get(fold(own["name"] if own else name), "")


def _may_be_custom(name: str) -> bool:
    """Whether a custom field of that name would make it ambiguous."""
    return bool(BY_NAME[_standard(name)].can_be_cleared) and not _OWN.fullmatch(name)


_OWN = re.compile(r"\s*(?P<name>\S.*?)\s*\(own\)\s*", re.IGNORECASE | re.DOTALL)
_STANDARD = {fold(field.name): field.name for field in WRITTEN}


def _set_and_cleared(name: str) -> InvalidArgument:
    return InvalidArgument("clear", f"{word(name)} is both set and cleared.", expected="Mention it in one place only.")
