"""The account described: its fields with their kind and use, its tags and members with counts, and the mirror's state.

The mirror counts. So every number is as old as the mirror, and says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Literal

from contacts_mcp.book.book import Book
from contacts_mcp.book.search.known import Known
from contacts_mcp.book.search.mirror import mirror_of, ready_for_call
from contacts_mcp.book.vocabulary import LISTS, Snapshot
from contacts_mcp.state.index_file import IndexUnavailable
from contacts_mcp.state.match import expression
from contacts_mcp.state.match import word as match_word
from contacts_mcp.state.row import (
    ASSIGNEES,
    HAS_EMAIL,
    OPTED_OUT,
    TAGS,
    UNKNOWN,
    assignee_mark,
    field_mark,
    tag_mark,
    value_mark,
)
from contacts_mcp.state.word_index import WordIndex
from contacts_mcp.words.dates import is_day
from contacts_mcp.words.folding import fold, unaccented
from contacts_mcp.words.names import Named, Names

MOST_CHOICES = 12  # values of a field that is a choice
SHARE_OF_KIND = 0.95  # of a field's contacts whose value is of one kind
MOST_FOR_DOUBLES = 100_000  # contacts up to which doubles are counted
LEAST_FOR_CHOICE = 3  # contacts a value on average
_SAMPLE = 25  # contacts that are asked how they write a value

Kind = Literal["text", "number", "date", "choice", "empty"]

_FORMS: Mapping[Kind, re.Pattern[str]] = {
    "date": re.compile(r"\d{4}-\d{2}-\d{2}"),
    "number": re.compile(r"[-+]?[$\u20ac\u00a3]? ?(?:\d{1,3}(?:[., '\u2019]\d{3})+|\d+)(?:[.,]\d+)?"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldUse:
    """One custom field, and how it is used."""

    field_id: int
    name: str
    kind: Kind | None = None  # None where nothing is known of its values
    contacts: int | None = None  # that have a value
    values: Sequence[tuple[str, int]] = ()  # of a choice, each with its contacts, the most frequent first
    twins: Sequence[str] = ()  # other fields of nearly the same name


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """The account."""

    fields: Sequence[FieldUse]
    tags: Sequence[tuple[str, int | None]]
    members: Sequence[tuple[str, int | None]]
    counts: dict[str, int] = field(default_factory=dict)
    known: Known


async def describe(book: Book) -> Description:
    """The account, with counts where there is a mirror. Raises UpstreamError."""
    names = await book.vocabulary.read(*LISTS)
    known = await ready_for_call(book)
    if not known.is_there:
        return Description(
            fields=[FieldUse(field_id=one.id, name=names.fields.label(one.id)) for one in names.fields.items],
            tags=[(names.tags.label(one.id), None) for one in names.tags.items],
            members=[(names.members.label(one.id), None) for one in names.members.items],
            known=known,
        )
    account = await book.mirror.ask(lambda index: counted(index, names, known))
    return replace(account, counts=account.counts | await book.mirror.ask(_doubles))


def _doubles(index: WordIndex) -> dict[str, int]:
    """How many sets of contacts are one person for sure. In a large book that takes too long to be told here."""
    if index.state.contacts > MOST_FOR_DOUBLES:
        return {}
    from contacts_mcp.book.search.duplicates import find

    return {"sets_of_doubles": find(index, most=1).total}


def counted(index: WordIndex, names: Snapshot, known: Known) -> Description:
    """The account as the mirror has it. Values that are counted one by one may be many, so each kind is asked for."""
    tags, members = index.counts(TAGS), index.counts(ASSIGNEES)
    return Description(
        fields=[use_of(index, one.id, names.fields) for one in names.fields.items],
        tags=[(names.tags.label(one.id), tags.get(tag_mark(one.id), 0)) for one in names.tags.items],
        members=[(names.members.label(one.id), members.get(assignee_mark(one.id), 0)) for one in names.members.items],
        counts={
            "contacts": index.state.contacts,
            "without_name": index.nameless(),
            "opted_out": index.holders(OPTED_OUT),
            "opt_out_unknown": index.holders(UNKNOWN),
            "without_tags": tags.get(tag_mark(0), 0),
            "without_assignee": members.get(assignee_mark(None), 0),
            "with_email": index.holders(HAS_EMAIL),
        },
        known=known,
    )


async def described_so_far(book: Book) -> Description | None:
    """The knowledge of a mirror in use, without a request. None where there is none."""
    if not book.mirror.is_in_use:
        return None
    names, known = await book.vocabulary.read(*LISTS), await mirror_of(book).known()
    if not known.is_there:
        return None
    with suppress(IndexUnavailable):
        return await book.mirror.ask(lambda index: counted(index, names, known))
    return None


def use_of(index: WordIndex, number: int, fields: Names) -> FieldUse:
    """How one custom field is used."""
    one = next((each for each in fields.items if each.id == number), Named(number, ""))
    contacts, values = index.holders(field_mark(number)), index.values(number)
    kind = kind_of(values, contacts)
    frequent = sorted(values, key=_most_frequent_first) if kind == "choice" else []
    return FieldUse(
        field_id=number,
        name=fields.label(number),
        kind=kind,
        contacts=contacts,
        values=[(_as_written(index, number, text), count) for text, count in frequent],
        twins=[
            fields.label(other.id) for other in fields.items if other.id != number and are_twins(one.name, other.name)
        ],
    )


def kind_of_value(text: str) -> Kind:
    """The kind of one value alone."""
    return next((kind for kind, form in _FORMS.items() if form.fullmatch(text.strip())), "text")


def kind_of(values: Sequence[tuple[str, int]], contacts: int) -> Kind:
    """The kind of a field by the values in use, folded and with the number of their contacts."""
    if not contacts or not values:
        return "empty"
    known = sum(count for _, count in values)
    for kind in _FORMS:
        if _of_kind(kind, values, known) >= SHARE_OF_KIND * known:
            return kind
    is_choice = len(values) <= MOST_CHOICES and known >= LEAST_FOR_CHOICE * len(values)
    return "choice" if is_choice else "text"


def _of_kind(kind: Kind, values: Sequence[tuple[str, int]], known: int) -> int:
    """How many contacts have a value of that kind. Where most have days in the usual form, other forms count, too."""
    usual = sum(count for text, count in values if _FORMS[kind].fullmatch(text))
    if kind != "date" or 2 * usual <= known:
        return usual
    return usual + sum(count for text, count in values if not _FORMS[kind].fullmatch(text) and is_day(text))


def values_in_use(index: WordIndex, field_id: int, *, most: int) -> list[str]:
    """The most frequent values of a field as they are written, the most frequent first."""
    frequent = sorted(index.values(field_id), key=_most_frequent_first)
    return [_as_written(index, field_id, text) for text, _ in frequent[:most]]


def _most_frequent_first(value: tuple[str, int]) -> tuple[int, str]:
    text, contacts = value
    return -contacts, text


def _as_written(index: WordIndex, field_id: int, folded: str) -> str:
    """A value in use as most of its contacts have it."""
    return next((text for text, _ in writings(index, field_id, folded)), folded)


def writings(index: WordIndex, field_id: int, text: str) -> list[tuple[str, int]]:
    """The ways in which the newest contacts write a value, with their number, the most frequent first."""
    ids = index.matching(expression([[match_word(value_mark(field_id, text))]]), most=_SAMPLE)
    written = Counter(row.custom.get(field_id, "") for row in index.rows(ids))
    return [(each, count) for each, count in written.most_common() if unaccented(each) == unaccented(text)]


def are_twins(one: str, other: str) -> bool:
    """Whether two names of fields may mean one thing: "Plan" and "plan tier", "E-mail 2" and "email"."""
    words, others = ({*re.findall(r"[^\W_]+", unaccented(name))}.difference(_QUALIFIERS) for name in (one, other))
    return (bool(words) and words == others) or fold(one) == fold(other) != ""


_QUALIFIERS = (
    *("tier", "type", "level", "kind", "name", "value", "field", "code", "no", "number", "id", "info", "status"),
    *("current", "new", "old", "1", "2"),
)
