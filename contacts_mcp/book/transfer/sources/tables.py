"""Rows of cells -> the header among them, and the rows under it as `Record`s.

1. The header is the row whose cells are known words the most. The rows above it are titles.
2. A file without any known word has its header in the first full row. If that holds data, there is no header.
3. Blank rows, repeated headers, sub-totals, totals and footers are no contacts. Their lines are kept.
4. A row with more cells than the header is refused: nobody knows which of its cells are meant.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import Literal, NamedTuple

from contacts_mcp.book.transfer.headers import known
from contacts_mcp.book.transfer.limits import LONGEST_CELL, MOST_COLUMNS, unreadable
from contacts_mcp.book.transfer.sources.source import Record, free_header
from contacts_mcp.words.folding import unaccented

HEADER_WITHIN = 40  # rows from the top
_LEAST_KNOWN = 2
_MOST_OF_TOTAL = 4  # cells: a total and its amounts
_LONGEST_FOOTER = 20  # rows

_CONTACT_TARGETS = frozenset(["first", "last", "full", "display", "phone", "email", "tags", "opt_out"])
_DATA = re.compile(r"@|\d{5}|\d[ ().-]+\d{3}")
_TOTAL = re.compile(
    r"(?:(?:sub|grand|running) ?-?total|totals?|sum|average|count|summe|gesamt(?:summe)?|zwischensumme|somme|"
    r"sous-total|totale|subtotale|subtotal|totaal|subtotaal|suma|summa|delsumma|razem|celkem|"
    r"itogo|итого|всего|合計|小計|总计)\b"
)
_FOOTER = re.compile(
    r"(?:generated|exported|printed|created|report(?:ed)?|end of|page \d|\d+ (?:rows?|records?|contacts?|results?)|"
    r"(?:rows?|records?|contacts?|results?): ?\d|copyright|\u00a9|confidential|powered by|source:|note:|notes:|"
    r"erstellt|exportiert|stand:|seite \d|page \d|genere le|generado|\*|--+|==+)"
)
_AMOUNT = re.compile(r"[^\d]{0,4}-?[\d.,\u00a0' ]*\d%?[^\d]{0,4}")


class Cells(NamedTuple):
    """One row of a table as it stands in the file."""

    line: int
    cells: Sequence[str]
    raw: Sequence[str] = ()  # the physical lines, for a text
    refused: str = ""
    notes: tuple[str, ...] = ()


class Header(NamedTuple):
    """The place of the header among the first rows, None if there is none. `score` says how sure it is."""

    at: int | None
    score: int


def find_header(rows: Sequence[Cells]) -> Header:
    """The header among the first rows of a table."""
    scores = [_score(row.cells) for row in rows[:HEADER_WITHIN]]
    best = max(scores, default=0)
    if best >= _LEAST_KNOWN:
        return Header(scores.index(best), best)
    first = next((at for at, row in enumerate(rows) if _is_full(row.cells, rows)), None)
    if first is None or _has_data(rows[first].cells):
        return Header(None, 0)
    return Header(first, 0)


def headers_of(header: Sequence[str], rows: Iterable[Cells]) -> tuple[str, ...]:
    """The names of the columns, each once: "Email", "Email (2)". A column without one is called by its place.

    If most rows have more cells than the header, its last columns have no names.
    """
    names = [name.strip() for name in header]
    widths = [_width(row.cells) for row in rows]
    wider = [width for width in widths if width > len(names)]
    if 2 * len(wider) > len(widths):
        names += [""] * (max(wider) - len(names))
    used = max([_width(names), *widths])
    if len(names[:used]) > MOST_COLUMNS:
        raise unreadable("too_many_columns", f"The table has {len(names)} columns. {MOST_COLUMNS} are the most.")
    return unique(name or f"(column {place})" for place, name in enumerate(names[:used], start=1))


def unique(names: Iterable[str]) -> tuple[str, ...]:
    """Each name once, as `free_header` tells them apart."""
    found: dict[str, None] = {}
    for name in names:
        found[free_header(name, found)] = None
    return tuple(found)


def records_of(
    rows: Iterable[Cells], headers: tuple[str, ...], header_line: int, not_contacts: list[int]
) -> Iterator[Record]:
    """The rows under the header. The lines of all others are put into `not_contacts`."""
    not_contacts.clear()
    folded = [name.casefold().strip() for name in headers]
    for row, is_footer in _with_footers(rows, is_table=len(headers) > _LEAST_KNOWN):
        cells = row.cells
        if row.line == header_line:
            continue
        if row.line < header_line or is_footer or (not row.refused and _is_no_contact(cells, folded)):
            not_contacts.append(row.line)
            continue
        refused = row.refused or _fault(cells, len(headers))
        if refused:
            value = "".join(row.raw).rstrip("\r\n") if row.raw else ", ".join(cells)
            yield Record(row.line, {}, refused, value, row.notes)
        else:
            yield Record(row.line, dict(zip(headers, cells, strict=False)), notes=row.notes)


def _with_footers(rows: Iterable[Cells], *, is_table: bool) -> Iterator[tuple[Cells, bool]]:
    """Each row, and whether it is a text alone in the footer of a report: beside a line that says so by its words.

    A blank row stands between the contacts and the texts in front of that line.
    """
    held: list[Cells] = []
    has_footer = False
    for row in rows:
        sign = _sign_of_footer(row) if is_table else "none"
        is_apart = sign != "none" and (sign != "text" or has_footer or bool(held))
        has_footer = is_apart and (has_footer or sign == "footer")
        held.append(row)
        if has_footer or not is_apart or len(held) > _LONGEST_FOOTER:
            yield from zip(held, repeat(has_footer), strict=False)
            held = []
    yield from zip(held, repeat(False), strict=False)


def _sign_of_footer(row: Cells) -> Literal["footer", "blank", "text", "none"]:
    """Whether a row is a line that footers have, a blank one, or a text alone, as it may stand beside such a line."""
    filled = [cell for cell in row.cells if cell and not cell.isspace()]
    if row.refused or len(filled) > 1:
        return "none"
    text = "".join(filled)
    if _FOOTER.match(unaccented(text[:80])):
        return "footer"
    return "blank" if not text else "none" if _DATA.search(text) else "text"


def _fault(cells: Sequence[str], most: int) -> str:
    if len(cells) > most and any(cell.strip() for cell in cells[most:]):
        return "too_many_cells"
    return "cell_too_long" if max(map(len, cells), default=0) > LONGEST_CELL else ""


def _score(cells: Sequence[str]) -> int:
    """How many cells are headers, with those of a contact's own fields twice. 0 for a row with data in it."""
    if len(cells) > MOST_COLUMNS or _has_data(cells):
        return 0
    found = [meaning for cell in cells if (meaning := known(cell.strip()))]
    contact = sum(meaning.target in _CONTACT_TARGETS for meaning in found)
    filled = sum(1 for cell in cells if cell.strip())
    is_mostly_unknown = len(found) * 8 < filled
    return 0 if not contact or is_mostly_unknown else len(found) + contact


def _has_data(cells: Sequence[str]) -> bool:
    return any(_DATA.search(cell) for cell in cells)


def _is_full(cells: Sequence[str], rows: Sequence[Cells]) -> bool:
    widest = max((_width(row.cells) for row in rows), default=0)
    filled = sum(1 for cell in cells if cell.strip())
    return filled > 0 and filled * 2 >= widest


def _width(cells: Sequence[str]) -> int:
    """The cells of a row without the empty ones at its end."""
    width = len(cells)
    while width and not cells[width - 1].strip():
        width -= 1
    return width


def _is_no_contact(cells: Sequence[str], header: Sequence[str]) -> bool:
    """Whether a row is blank, the header again, a total or a footer."""
    filled = [cell for cell in cells if cell and not cell.isspace()]
    if len(filled) <= _MOST_OF_TOTAL and _is_total(filled, is_table=len(header) > 1):
        return True
    if len(cells) <= 1 or header[:1] not in ([], [cells[0].casefold().strip()]):
        return False
    return [cell.casefold().strip() for cell in cells[: len(header)]] == header[: len(cells)]


def _is_total(filled: Sequence[str], *, is_table: bool) -> bool:
    """Whether the cells of a row are none, the word for a total and amounts, or a footer in one cell."""
    if not filled:
        return True
    first, others = unaccented(filled[0][:80]), filled[1:]
    if total := _TOTAL.match(first):
        return all(map(_AMOUNT.fullmatch, others)) if others else first == total[0]
    return is_table and not others and _FOOTER.match(first) is not None
