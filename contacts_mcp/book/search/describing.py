"""What the account holds: its fields with their kind and use, tags and members with counts, and the state of the mirror.

The mirror counts. So every number is as old as the mirror, and says so.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Literal

from contacts_mcp.api.pace import on_progress
from contacts_mcp.book.book import Book
from contacts_mcp.book.search.known import Known
from contacts_mcp.book.search.mirror import mirror_of, waiting_time
from contacts_mcp.book.vocabulary import LISTS, Snapshot
from contacts_mcp.state.index import Index
from contacts_mcp.state.index_file import IndexUnavailable
from contacts_mcp.state.match import Bounds, expression
from contacts_mcp.state.match import word as match_word
from contacts_mcp.state.row import (
    HAS_EMAIL,
    OPTED_OUT,
    UNKNOWN,
    assignee_mark,
    field_mark,
    microseconds,
    tag_mark,
    value_mark,
)
from contacts_mcp.words.folding import fold, unaccented
from contacts_mcp.words.names import Named, Names

MOST_CHOICES = 12  # values of a field that is a choice
SHARE_OF_KIND = 0.95  # of a field's contacts whose value is of one kind
MONTHS = 12
MOST_SHOWN_VALUES = 25
LEAST_FOR_CHOICE = 3  # contacts a value on average

Kind = Literal["text", "number", "date", "choice", "empty"]


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
    """What the account holds. Raises UpstreamError."""
    names = await book.vocabulary.read(*LISTS)
    mirror = mirror_of(book)
    known = await mirror.ready(wait=waiting_time(), announce=on_progress.get())
    if not known.is_there:
        return Description(
            fields=[FieldUse(field_id=one.id, name=names.fields.label(one.id)) for one in names.fields.items],
            tags=[(names.tags.label(one.id), None) for one in names.tags.items],
            members=[(names.members.label(one.id), None) for one in names.members.items],
            known=known,
        )
    return await mirror.ask(lambda index: _counted(index, names, known))


def _counted(index: Index, names: Snapshot, known: Known) -> Description:
    counts = index.counts("§")
    return Description(
        fields=[_use(index, one, names.fields, counts) for one in names.fields.items],
        tags=[(names.tags.label(one.id), counts.get(tag_mark(one.id), 0)) for one in names.tags.items],
        members=[(names.members.label(one.id), counts.get(assignee_mark(one.id), 0)) for one in names.members.items],
        counts={
            "contacts": index.state.contacts,
            "without_name": index.nameless(),
            "opted_out": counts.get(OPTED_OUT, 0),
            "opt_out_unknown": counts.get(UNKNOWN, 0),
            "without_tags": counts.get(tag_mark(0), 0),
            "without_assignee": counts.get(assignee_mark(0), 0),
            "with_email": counts.get(HAS_EMAIL, 0),
        },
        known=known,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """The whole book in counts of contacts."""

    account: Description
    field: str = ""  # the custom field that was asked for, as its label
    values: Sequence[tuple[str, int]] = ()  # of that field, the most frequent first
    other_values: int = 0  # further values of that field
    months: Sequence[tuple[str, int]] = ()  # "2026-11", by creation, the newest first
    earlier: int = 0  # contacts created before these months


async def picture(book: Book, *, by: str = "") -> Picture:
    """The book in counts, and by the values of one custom field. Raises UnknownName, UpstreamError."""
    field_id: int | None = None
    if by:
        resolve = partial(_field_named, text=by)
        field_id = await book.vocabulary.resolving(["fields"], resolve)
    account = await describe(book)
    if not account.known.is_there:
        return Picture(account=account)
    names = await book.vocabulary.read("fields")
    starts = _months(datetime.now(book.zone))

    def counted(index: Index) -> Picture:
        moments = [microseconds(start.astimezone(UTC)) for start in starts]
        counts = [
            index.counted(Bounds(created_from=start, created_before=end))
            for start, end in zip(moments, [None, *moments], strict=False)
        ]
        values = _counted_values(index, field_id) if field_id is not None else []
        return Picture(
            account=account,
            field=names.fields.label(field_id) if field_id is not None else "",
            values=values[:MOST_SHOWN_VALUES],
            other_values=max(0, len(values) - MOST_SHOWN_VALUES),
            months=[(f"{start:%Y-%m}", count) for start, count in zip(starts, counts, strict=True) if count],
            earlier=index.counted(Bounds(created_before=moments[-1])),
        )

    return await mirror_of(book).ask(counted)


def _field_named(names: Snapshot, text: str) -> int:
    return names.fields.resolve(text, argument="by").id


def _months(now: datetime) -> list[datetime]:
    """The first moments of the last twelve months, the newest first."""
    year, month = now.year, now.month
    counted = [divmod(12 * year + month - 1 - back, 12) for back in range(MONTHS)]
    return [datetime(each, number + 1, 1, tzinfo=now.tzinfo) for each, number in counted]


def _counted_values(index: Index, field_id: int) -> list[tuple[str, int]]:
    frequent = sorted(index.values(field_id), key=lambda value: (-value[1], value[0]))
    shown = [(_as_written(index, field_id, text), count) for text, count in frequent[:MOST_SHOWN_VALUES]]
    return [*shown, *frequent[MOST_SHOWN_VALUES:]]


async def fields_in_use(book: Book) -> tuple[dict[int, FieldUse], Known | None]:
    """How each custom field is used, and how much of the book says so: without a request, from a mirror in use."""
    if not book.mirror.is_in_use:
        return {}, None
    names, known = await book.vocabulary.read("fields"), await mirror_of(book).known()
    if not known.is_there:
        return {}, None
    with suppress(IndexUnavailable):
        described = await book.mirror.ask(lambda index: _counted(index, names, known))
        return {use.field_id: use for use in described.fields}, known
    return {}, None


def use_of(index: Index, number: int, fields: Names) -> FieldUse:
    """How one custom field is used."""
    one = next((each for each in fields.items if each.id == number), Named(number, ""))
    return _use(index, one, fields, index.counts(field_mark(number)))


def _use(index: Index, one: Named, fields: Names, counts: dict[str, int]) -> FieldUse:
    contacts, values = counts.get(field_mark(one.id), 0), index.values(one.id)
    kind = kind_of(values, contacts)
    frequent = sorted(values, key=lambda value: (-value[1], value[0])) if kind == "choice" else []
    return FieldUse(
        field_id=one.id,
        name=fields.label(one.id),
        kind=kind,
        contacts=contacts,
        values=[(_as_written(index, one.id, text), count) for text, count in frequent],
        twins=[
            fields.label(other.id) for other in fields.items if other.id != one.id and are_twins(one.name, other.name)
        ],
    )


def kind_of_value(text: str) -> Kind:
    """The kind of one value alone."""
    return "date" if _DAY.fullmatch(text.strip()) else "number" if _NUMBER.fullmatch(text.strip()) else "text"


def kind_of(values: Sequence[tuple[str, int]], contacts: int) -> Kind:
    """The kind of a field by the values in use, folded and with the number of their contacts."""
    if not contacts or not values:
        return "empty"
    known = sum(count for _, count in values)
    for kind, pattern in (("date", _DAY), ("number", _NUMBER)):
        if sum(count for text, count in values if pattern.fullmatch(text)) >= SHARE_OF_KIND * known:
            return kind  # type: ignore[return-value]  # one of the two
    is_choice = len(values) <= MOST_CHOICES and known >= LEAST_FOR_CHOICE * len(values)
    return "choice" if is_choice else "text"


def values_in_use(index: Index, field_id: int, *, most: int) -> list[str]:
    """The most frequent values of a field as they are written, the most frequent first."""
    frequent = sorted(index.values(field_id), key=lambda value: (-value[1], value[0]))
    return [_as_written(index, field_id, text) for text, _ in frequent[:most]]


def _as_written(index: Index, field_id: int, folded: str) -> str:
    """A value in use as one of its contacts has it."""
    ids = index.matching(expression([[match_word(value_mark(field_id, folded))]]), most=1)
    return next((row.custom.get(field_id, folded) for row in index.rows(ids)), folded)


def are_twins(one: str, other: str) -> bool:
    """Whether two names of fields may mean one thing: "Plan" and "plan tier", "E-mail 2" and "email"."""
    words, others = ({*re.findall(r"[^\W_]+", unaccented(name))} - _QUALIFIERS for name in (one, other))
    return (bool(words) and words == others) or fold(one) == fold(other) != ""


_QUALIFIERS = frozenset(
    "tier type level kind name value field code no number id info status current new old 1 2".split()  # noqa: SIM905 -- a list of words
)


_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_NUMBER = re.compile(r"[-+]?\d+(?:[.,]\d+)?")
