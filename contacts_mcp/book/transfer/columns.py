"""One column of a file, by its header alone.

1. Our own export is known by its exact header.
2. A header is looked up in the vocabulary (`headers`), then among the account's custom fields by name. If both know it,
   the contact's own field is taken, and the plan asks.
3. The caller may name the target of any column.
"""

from __future__ import annotations

from collections.abc import Mapping as Table
from functools import lru_cache
from typing import NamedTuple

from contacts_mcp.book.transfer.headers import KIND_ORDER, Known, kind_of_phone, known
from contacts_mcp.book.transfer.sources import cards
from contacts_mcp.book.transfer.sources.source import Source
from contacts_mcp.errors import InvalidArgument, UnknownName
from contacts_mcp.words.display import quoted, word
from contacts_mcp.words.names import Names
from contacts_mcp.words.note import Note

UNKNOWN = Known("other", "unknown")
INVERSE = "inverse"  # the kind of an opt-out whose "no" means out: "Accepts texts"

_OWN_FIELDS = frozenset(["first", "last", "full", "display", "phone", "email", "tags", "opt_out", "assignee"])
_TOLD_OF_CUSTOM = frozenset(["consent", "id"])  # a custom field stays one of these besides

# Targets as they are shown and may be given.
SHOWN = {
    "first": "first",
    "last": "last",
    "full": "full name",
    "display": "display_name",
    "phone": "phone",
    "email": "email",
    "tags": "tags",
    "tags_if_wanted": "tags, if wanted",
    "opt_out": "is_opted_out",
    "assignee": "assignee",
    "country": "country of the phone",
    "custom": "custom",
}
_GIVEN = {
    **{shown: Known(target) for target, shown in SHOWN.items() if target != "custom"},
    "phone": Known("phone", "main"),
    "tags, if wanted": Known("tags"),
    "not is_opted_out": Known("opt_out", INVERSE),
    "country": Known("country"),
    "other": Known("other"),
    "skip": Known("other"),
}
_OURS = {
    "phone": Known("phone", "main"),
    "first": Known("first"),
    "last": Known("last"),
    "display_name": Known("display"),
    "email": Known("email"),
    "tags": Known("tags"),
    "assignee": Known("assignee"),
    "opted out": Known("opt_out"),
    "avatar": Known("avatar"),
}


class Column(NamedTuple):
    """One column of a file."""

    header: str
    target: str  # a target of headers.toml, "custom", "avatar", "id" or "other"
    kind: str = ""
    field: str = ""  # the label of a custom field
    label: str = ""  # of a phone: the header of the column that says its kind
    is_given: bool = False  # the caller named the target

    @property
    def is_phone(self) -> bool:
        """Whether its numbers may be texted."""
        return self.target == "phone" and self.kind != "never"


def columns_of(source: Source, fields: Names | None, given: Table[str, str], questions: list[Note]) -> list[Column]:
    """The columns by their headers, or by the targets given. Raises InvalidArgument, UnknownName."""
    unknown = [header for header in given if header not in source.headers]
    if unknown:
        there = ", ".join(word(header, limit=40) for header in source.headers[:20])
        problem = f"there is no column {quoted(unknown[0], limit=40)}."
        raise InvalidArgument("columns", problem, expected=f"Columns: {there}.")
    return [
        _given_column(header, given[header], fields) if header in given else _column(header, source, fields, questions)
        for header in source.headers
    ]


@lru_cache(maxsize=1024)
def kind_of_label(text: str) -> str:
    """The kind of a phone by the label beside it: "Mobile", "* Work Fax"."""
    label = text.strip().lstrip("* ").strip()
    return kind_of_phone(label) if label else "main"


def rank(kind: str) -> int:
    """The place of a kind of phone among those to try."""
    return KIND_ORDER.index(kind or "main")


def _column(header: str, source: Source, fields: Names | None, questions: list[Note]) -> Column:
    if source.format == "vcard" and not source.is_ours:
        return _column_of_card(header, fields)
    label = _custom_label(header, fields)
    if source.is_ours:
        custom = Column(header, "custom" if label else "other", field=label)
        return Column(header, *_OURS[header]) if header in _OURS else custom
    meaning = known(header) or UNKNOWN
    if not label or meaning.target == "country":
        return Column(header, *meaning)
    if meaning.target in _OWN_FIELDS:
        both = f"may be the contact's own field or the custom field {word(label)}"
        questions.append(Note("own_or_custom", f"{quoted(header, limit=40)} {both}. The own one was taken. Right?"))
        return Column(header, *meaning)
    return Column(header, "custom", meaning.target if meaning.target in _TOLD_OF_CUSTOM else "", field=label)


def _column_of_card(header: str, fields: Names | None) -> Column:
    name = header.removeprefix(cards.OUR_FIELD)
    label = _custom_label(name, fields) if name != header else ""
    return Column(header, "custom", field=label) if label else Column(header, *(cards.meaning(header) or UNKNOWN))


def _custom_label(header: str, fields: Names | None) -> str:
    if fields is None or header.strip().isdecimal():
        return ""
    try:
        return fields.label(fields.resolve(header, argument="columns").id)
    except UnknownName:
        return ""


def _given_column(header: str, target: str, fields: Names | None) -> Column:
    if own_field := _GIVEN.get(target.strip().casefold()):
        return Column(header, *own_field, is_given=True)
    if fields is None:
        problem = f"{quoted(target, limit=40)} is no field of a contact."
        raise InvalidArgument("columns", problem, expected=f"Fields: {', '.join(_GIVEN)}.")
    return Column(header, "custom", field=fields.label(fields.resolve(target, argument="columns").id), is_given=True)
