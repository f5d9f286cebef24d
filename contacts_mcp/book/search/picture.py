"""A picture of the whole book in counts of contacts: filled fields, opt-outs, tags, values and months.

The mirror counts. So every number is as old as the mirror, and says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from contacts_mcp.book.book import Book
from contacts_mcp.book.search.describing import Description, describe, values_in_use
from contacts_mcp.book.search.mirror import mirror_of
from contacts_mcp.state.match import Bounds
from contacts_mcp.state.row import microseconds
from contacts_mcp.state.word_index import WordIndex

MONTHS = 12
MOST_VALUES = 25  # of the field


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
        field_id = await book.vocabulary.resolving(["fields"], lambda names: names.fields.resolve(by, argument="by").id)
    account = await describe(book)
    if not account.known.is_there:
        return Picture(account=account)
    label = next((one.name for one in account.fields if one.field_id == field_id), "")
    starts = _months(datetime.now(book.zone))
    return await mirror_of(book).ask(lambda index: _counted(index, account, field_id, label, starts))


def _counted(
    index: WordIndex, account: Description, field_id: int | None, label: str, starts: Sequence[datetime]
) -> Picture:
    moments = [microseconds(start.astimezone(UTC)) for start in starts]
    counts = [
        index.counted(Bounds(created_from=start, created_before=end))
        for start, end in zip(moments, [None, *moments], strict=False)
    ]
    values = _values(index, field_id) if field_id is not None else []
    return Picture(
        account=account,
        field=label,
        values=values[:MOST_VALUES],
        other_values=max(0, len(values) - MOST_VALUES),
        months=[(f"{start:%Y-%m}", count) for start, count in zip(starts, counts, strict=True) if count],
        earlier=index.counted(Bounds(created_before=moments[-1])),
    )


def _months(now: datetime) -> list[datetime]:
    """The first moments of the last twelve months, the newest first."""
    counted = [divmod(12 * now.year + now.month - 1 - back, 12) for back in range(MONTHS)]
    return [datetime(year, month + 1, 1, tzinfo=now.tzinfo) for year, month in counted]


def _values(index: WordIndex, field_id: int) -> list[tuple[str, int]]:
    """The values of a field with the number of their contacts, the most frequent first and as they are written."""
    frequent = sorted(index.values(field_id), key=lambda value: (-value[1], value[0]))
    written = values_in_use(index, field_id, most=MOST_VALUES)
    shown = [(text, count) for text, (_, count) in zip(written, frequent, strict=False)]
    return [*shown, *frequent[MOST_VALUES:]]
