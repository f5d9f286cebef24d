"""Text with a delimiter: commas, semicolons, tabs or bars, as spreadsheets and other programs write it.

1. `sep=;` in the first line says the delimiter and is no row.
2. Else the delimiter is the one under which the header is known best, then the one that cuts rows most steadily.
3. The physical line where a row begins is its number, also where cells hold line breaks.
"""

from __future__ import annotations

import csv
import re
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import islice
from typing import BinaryIO, NamedTuple

from contacts_mcp.book.transfer.limits import unreadable
from contacts_mcp.book.transfer.own import is_own_header, unguarded
from contacts_mcp.book.transfer.sources.encoding import Encoding, lines_of
from contacts_mcp.book.transfer.sources.source import Record, Source
from contacts_mcp.book.transfer.sources.tables import Cells, Header, find_header, headers_of, records_of
from contacts_mcp.errors import Refused

DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_LINES = 300
_SAMPLE_CHARACTERS = 200_000
_MOST_GIVEN_BACK = 100  # times in a file
_SEP = re.compile(r'"?sep=(.)"?[\s;,]*', re.IGNORECASE)


class _Cut(NamedTuple):
    """One way to cut the first rows."""

    delimiter: str
    rows: list[Cells]
    header: Header
    steadiness: float  # the share of rows with the most frequent number of cells, 0 if that is one

    @property
    def headers(self) -> tuple[tuple[str, ...], int]:
        """The names of the columns, and the line of the header, 0 if there is none."""
        at = self.header.at
        if at is None:
            return headers_of([""] * self.width, self.rows), 0
        return headers_of(self.rows[at].cells, self.rows[at + 1 :]), self.rows[at].line

    @property
    def width(self) -> int:
        return max((len(row.cells) for row in self.rows), default=0)

    @property
    def rank(self) -> tuple[int, float, int]:
        return self.header.score, self.steadiness, self.width


def read(stream: BinaryIO, encoding: Encoding, *, delimiter: str = "") -> Source:
    """The table in a text file. Raises Refused for one that is none."""
    sample = _sample(lines_of(stream, encoding.name))
    sep = _SEP.fullmatch(sample[0]) if sample else None
    skipped = 1 if sep else 0
    said = delimiter or (sep[1] if sep else "")
    candidates = [said] if said else [*DELIMITERS]
    best = max((_cut(sample[skipped:], one, first_line=1 + skipped) for one in candidates), key=lambda cut: cut.rank)
    headers, header_line = best.headers
    is_ours = is_own_header(headers)
    if is_ours:
        headers = tuple(map(unguarded, headers))
    not_contacts: list[int] = []

    def records() -> Iterator[Record]:
        lines = lines_of(stream, encoding.name)
        rows = rows_of(lines, best.delimiter, skipped=skipped, skips_blanks=not is_ours, is_whole=True)
        found = records_of(rows, headers, header_line, not_contacts)
        return map(_unguarded, found) if is_ours else found

    return Source(
        format="csv",
        encoding=encoding.name,
        delimiter=best.delimiter,
        header_line=header_line,
        headers=headers,
        records=records,
        is_ours=is_ours,
        assumptions=[encoding.note] if encoding.note else [],
        not_contacts=not_contacts,
    )


def rows_of(
    lines: Iterable[str], delimiter: str, *, skipped: int = 0, skips_blanks: bool = True, is_whole: bool = False
) -> Iterator[Cells]:
    """The rows of a text. `skips_blanks` leaves out the blanks behind a delimiter, so that quotes may follow them.

    Of a whole text, a row over several lines with a quote too many is refused: it may have swallowed others. If these
    lines are as wide as the row before, they are rows again.
    """
    taken = _Taken(islice(lines, skipped, None))
    reader = csv.reader(taken, delimiter=delimiter, skipinitialspace=skips_blanks)
    number, width = 1 + skipped, 0
    while True:
        cells, problem = [], ""
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            problem = f"The row that begins in line {number} cannot be read ({error})."
        raw, taken.lines = taken.lines, []
        is_open = bool(problem) or (is_whole and not _is_well_formed(raw, delimiter))
        if is_open and _are_rows(raw[1:], delimiter, width) and taken.given_back < _MOST_GIVEN_BACK:
            taken.give_back(raw[1:])
            raw = raw[:1]
            reader = csv.reader(taken, delimiter=delimiter, skipinitialspace=skips_blanks)
        elif problem:
            raise unreadable("cell_too_long", problem, "A quotation mark may be without its partner.")
        yield Cells(number, cells, raw, "quote_not_closed" if is_open else "")
        number += len(raw)
        width = width if is_open else len(cells)


def _is_well_formed(raw: list[str], delimiter: str) -> bool:
    """Whether a row, if it is one over several lines, has each quotation mark where one may be."""
    if not raw[1:]:
        return True
    try:
        return len([*csv.reader(raw, delimiter=delimiter, strict=True)]) == 1 and "".join(raw).count('"') % 2 == 0
    except csv.Error:
        return False


def _are_rows(lines: list[str], delimiter: str, width: int) -> bool:
    """Whether there are lines, and each is a row by itself, as wide as the one before them."""
    widths = {_width_alone(line, delimiter) for line in lines if line.strip()}
    return width > 1 and widths == {width}


def _width_alone(line: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader([line], delimiter=delimiter, strict=True), []))
    except csv.Error:  # one more mark without its partner
        return len(line.split(delimiter))


def _unguarded(record: Record) -> Record:
    return record._replace(cells={header: unguarded(cell) for header, cell in record.cells.items()})


class _Taken:
    """An iterator that remembers the lines it gave, and takes some back."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self.lines: list[str] = []  # given since this was emptied
        self.given_back = 0  # times
        self._waiting: deque[str] = deque()  # to be given first

    def __iter__(self) -> _Taken:
        return self

    def __next__(self) -> str:
        line = self._waiting.popleft() if self._waiting else next(self._lines)
        self.lines.append(line)
        return line

    def give_back(self, lines: list[str]) -> None:
        self.given_back += 1
        self._waiting.extendleft(reversed(lines))


def _sample(lines: Iterator[str]) -> list[str]:
    sample: list[str] = []
    size = 0
    for line in islice(lines, _SAMPLE_LINES):
        sample.append(line)
        size += len(line)
        if size > _SAMPLE_CHARACTERS:
            break
    return sample


def _cut(sample: list[str], delimiter: str, *, first_line: int) -> _Cut:
    rows: list[Cells] = []
    with suppress(Refused):  # the whole file is read again, and refused then
        rows.extend(row._replace(line=row.line + first_line - 1) for row in rows_of(sample, delimiter))
    widths = Counter(len(row.cells) for row in rows if any(row.cells))
    (width, count), *_ = widths.most_common(1) or [(0, 0)]
    steadiness = count / widths.total() if width > 1 else 0.0
    return _Cut(delimiter, rows, find_header(rows), steadiness)
