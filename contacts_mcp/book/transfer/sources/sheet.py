"""Spreadsheets (XLSX). `python-calamine` reads the values. The parts of the archive are looked through before.

1. An archive that unpacks to too much, or a cell far away from all others, is refused before the library sees it.
2. Hidden sheets are left alone. Of the visible ones the one with the best known header is read, the first of equals.
3. Hidden rows count, and are told. An error is its own text (`#N/A`), a formula without a stored value its formula.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from datetime import date, datetime, time
from html import unescape
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from contacts_mcp.book.transfer.limits import (
    HIGHEST_RATIO,
    MOST_COLUMNS,
    MOST_PARTS,
    MOST_SHEET_ROWS,
    MOST_UNPACKED,
    SMALLEST_BOMB,
    unreadable,
)
from contacts_mcp.book.transfer.own import is_own_header
from contacts_mcp.book.transfer.sources.source import NumberText, Record, Source
from contacts_mcp.book.transfer.sources.tables import (
    HEADER_WITHIN,
    Cells,
    find_header,
    headers_of,
    records_of,
)
from contacts_mcp.words.display import word
from contacts_mcp.words.note import Note
from contacts_mcp.words.numbers import number_text

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

MOST_SHEETS = 30
_CHUNK = 1 << 20
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,  # an unknown way to pack
    RuntimeError,  # a password
    KeyError,
    ValueError,
)
_LONGEST_TAG = 1 << 17


class _Oddities(NamedTuple):
    """The cells and rows of one sheet that the library does not tell about."""

    hidden: set[int]  # rows from 1
    errors: dict[tuple[int, int], str]  # (row, column) from 1 -> "#N/A"
    formulas: dict[tuple[int, int], str]  # without a stored value -> "=A1&B1"

    @property
    def texts(self) -> dict[tuple[int, int], str]:
        return {**self.errors, **self.formulas}


def is_archive(start: bytes) -> bool:
    return start.startswith(b"PK\x03\x04")


def read(stream: BinaryIO, *, sheet: str = "") -> Source:
    """The table in a sheet. Raises Refused for an archive that is no spreadsheet, and one that is too large."""
    from python_calamine import CalamineError, CalamineWorkbook

    parts = _checked_parts(stream)
    stream.seek(0)
    try:
        workbook = CalamineWorkbook.from_filelike(stream)
        visible, hidden = _sheets(workbook)
        table, others = _chosen(workbook, visible, sheet)
        notes = _on_sheets(table.name, others, hidden)
        return _source(table, notes, parts.get(table.name) or _Oddities(set(), {}, {}))
    except CalamineError as error:
        raise unreadable("not_readable", f"The spreadsheet is damaged ({str(error)[:100]}).") from None
    except BaseException as error:
        if type(error).__name__ == "PanicException":  # the library's own crash on a broken part
            raise unreadable("not_readable", "The spreadsheet is damaged.") from None
        raise


def _source(table: CalamineSheet, notes: list[Note], oddities: _Oddities) -> Source:
    texts = oddities.texts

    def rows() -> Iterator[Cells]:
        return _rows(table, oddities.hidden, texts)

    sample = [row for row, _ in zip(rows(), range(10 * HEADER_WITHIN), strict=False)]
    at = find_header(sample).at
    header = sample[at].cells if at is not None else [""] * max((len(row.cells) for row in sample), default=0)
    headers = headers_of(header, sample if at is None else sample[at + 1 :])
    header_line = sample[at].line if at is not None else 0
    not_contacts: list[int] = []

    def records() -> Iterator[Record]:
        return records_of(rows(), headers, header_line, not_contacts)

    return Source(
        format="xlsx",
        sheet=table.name,
        header_line=header_line,
        headers=headers,
        records=records,
        is_ours=is_own_header(headers),
        assumptions=notes,
        not_contacts=not_contacts,
    )


def _on_sheets(name: str, others: list[str], hidden: list[str]) -> list[Note]:
    notes = []
    if others:
        listed = ", ".join(map(word, others))
        notes.append(
            Note("other_sheets", f"Only the sheet {word(name)} is read. Others look like lists too: {listed}.")
        )
    if hidden:
        notes.append(Note("hidden_sheets", f"Hidden sheets are left alone: {', '.join(map(word, hidden))}."))
    return notes


def _sheets(workbook: CalamineWorkbook) -> tuple[list[str], list[str]]:
    from python_calamine import SheetTypeEnum, SheetVisibleEnum

    tables = [each for each in workbook.sheets_metadata if each.typ == SheetTypeEnum.WorkSheet]
    visible = [each.name for each in tables if each.visible == SheetVisibleEnum.Visible]
    return visible[:MOST_SHEETS], [each.name for each in tables if each.name not in visible]


def _chosen(workbook: CalamineWorkbook, visible: list[str], wanted: str) -> tuple[CalamineSheet, list[str]]:
    """The sheet to read, and the names of others that look like lists. One sheet is held at a time. Raises Refused."""
    if wanted and wanted not in visible:
        listed = ", ".join(map(word, visible))
        raise unreadable("no_such_sheet", f"There is no sheet {word(wanted)}.", f"There are: {listed}.")
    best, best_score, lists = None, (-1, False), []
    for name in [wanted] if wanted else visible:
        table = workbook.get_sheet_by_name(name)
        score = _score(table)
        lists += [name] if score[0] else []
        if score > best_score:  # the first of equals
            best, best_score = table, score
    if best is None:
        raise unreadable("empty", "The spreadsheet has no visible sheet.")
    return best, [name for name in lists if name != best.name]


def _score(table: CalamineSheet) -> tuple[int, bool]:
    """How well the header is known, and whether there is anything at all."""
    start = [row for row, _ in zip(_rows(table, set(), {}), range(HEADER_WITHIN), strict=False)]
    return find_header(start).score, any(any(row.cells) for row in start)


def _rows(table: CalamineSheet, hidden: set[int], texts: dict[tuple[int, int], str]) -> Iterator[Cells]:
    odd_rows = {row for row, _ in texts}
    first_column = 1 + (table.start[1] if table.start else 0)  # empty columns in front are left out, empty rows are not
    for number, values in enumerate(table.iter_rows(), start=1):
        cells = [_text(value) for value in values]
        if number in odd_rows:
            cells = [texts.get((number, at), cell) for at, cell in enumerate(cells, start=first_column)]
        yield Cells(number, cells, notes=("hidden_row",) if number in hidden else ())


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return _number(value)
    if isinstance(value, datetime):
        return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
    return value.isoformat() if isinstance(value, date | time) else str(value)


def _number(value: float) -> str:
    try:
        return NumberText(number_text(value))
    except ValueError:
        return repr(value)


# The archive


def _checked_parts(stream: BinaryIO) -> dict[str, _Oddities]:
    """Sheet name -> its oddities. Raises Refused for an archive that is too large, or no spreadsheet."""
    stream.seek(0)
    try:
        with zipfile.ZipFile(stream) as archive:
            _refuse_bomb(archive)
            names = set(archive.namelist())
            if "xl/workbook.xml" not in names:
                advice = "Save it as XLSX or CSV."
                raise unreadable("not_readable", "The file is an archive, and no XLSX spreadsheet.", advice)
            _read_through(archive, [name for name in names if not name.startswith("xl/worksheets/")])
            paths = _paths(archive)
            return {name: _looked_through(archive, path) for name, path in paths.items() if path in names}
    except _DAMAGED as error:
        problem = f"The spreadsheet is damaged ({type(error).__name__})."
        raise unreadable("not_readable", problem) from None


def _refuse_bomb(archive: zipfile.ZipFile) -> None:
    parts = archive.infolist()
    too_dense = any(
        part.file_size > SMALLEST_BOMB and part.file_size > HIGHEST_RATIO * max(part.compress_size, 1) for part in parts
    )
    if len(parts) > MOST_PARTS or sum(part.file_size for part in parts) > MOST_UNPACKED or too_dense:
        raise unreadable("too_large", "The spreadsheet would unpack to far more than a list of contacts needs.")


def _read_through(archive: zipfile.ZipFile, names: list[str]) -> None:
    """Reads whole parts, so that one that holds other than its header says is found here."""
    for name in names:
        with archive.open(name) as part:
            while part.read(_CHUNK):
                pass


def _paths(archive: zipfile.ZipFile) -> dict[str, str]:
    """Sheet name -> the part that holds it."""
    book = archive.read("xl/workbook.xml").decode("utf-8", "replace")
    links = archive.read("xl/_rels/workbook.xml.rels").decode("utf-8", "replace")
    targets = {
        attributes.get("Id", ""): attributes.get("Target", "")
        for tag in re.findall(r"<(?:\w+:)?Relationship\b[^>]*>", links)
        if (attributes := _attributes(tag))
    }
    found = {}
    for tag in re.findall(r"<(?:\w+:)?sheet\b[^>]*>", book):
        attributes = _attributes(tag)
        target = targets.get(next((text for key, text in attributes.items() if key.endswith(":id")), ""), "")
        found[attributes.get("name", "")] = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    return found


def _attributes(tag: str) -> dict[str, str]:
    return {name: unescape(text) for name, _, text in re.findall(r"([\w:]+)\s*=\s*([\"'])(.*?)\2", tag)}


_ROW = rb"<(?:\w+:)?row\b(?P<row>[^>]*)>"
_ERROR = rb"<(?:\w+:)?c\b(?P<error>[^>]*\bt=\"e\"[^>]*)>(?P<inside>.*?)</(?:\w+:)?c>"
_UNSTORED = (
    rb"<(?:\w+:)?c\b(?P<cell>[^>]*)>\s*<(?:\w+:)?f\b[^>]*?(?:/>|>(?P<formula>[^<]*)</(?:\w+:)?f>)\s*"
    rb"(?:<(?:\w+:)?v\s*/>|<(?:\w+:)?v>\s*</(?:\w+:)?v>)?\s*</(?:\w+:)?c>"
)
_FAR = rb"<(?:\w+:)?c\b[^>]*\br=\"(?P<far>S[G-Z]|[T-Z][A-Z]|[A-Z]{3})\d+\"[^>/]*>\s*<(?:\w+:)?(?:v|is)\b"
_INTERESTING = re.compile(b"|".join((_ROW, _ERROR, _UNSTORED, _FAR)), re.DOTALL)
_REFERENCE = re.compile(rb"\br=\"([A-Z]{1,3})(\d{1,7})\"")


def _looked_through(archive: zipfile.ZipFile, path: str) -> _Oddities:
    found = _Oddities(set(), {}, {})
    number = 0
    with archive.open(path) as part:
        rest = b""
        while chunk := part.read(_CHUNK):
            data = rest + chunk
            whole = data.rfind(b"</row>") + 6 if b"</row>" in data else len(data) - _LONGEST_TAG
            rest = data[max(whole, 0) :]
            number = _noted(data[: max(whole, 0)], number, found)
        _noted(rest, number, found)
    return found


def _noted(data: bytes, number: int, found: _Oddities) -> int:
    """Notes the oddities of a stretch of rows. Returns the number of its last row. Raises Refused."""
    for match in _INTERESTING.finditer(data):
        if match["far"]:
            raise unreadable("too_many_columns", f"The sheet has more than {MOST_COLUMNS} columns.")
        if match["row"] is None:
            _note_cell(match, found)
            continue
        said = re.search(rb"\br=\"(\d{1,9})\"", match["row"])
        number = int(said[1]) if said else number + 1
        if number > MOST_SHEET_ROWS:
            problem = f"The sheet has more than {MOST_SHEET_ROWS:,} rows."
            raise unreadable("too_many_rows", problem, "Save it as CSV.")
        if re.search(rb"\bhidden=\"(?:1|true)\"", match["row"]):
            found.hidden.add(number)
    return number


def _note_cell(match: re.Match[bytes], found: _Oddities) -> None:
    """Notes an error, or a formula without a value. A formula whose value is an empty text has one."""
    place = _place(match["error"] or match["cell"] or b"")
    if place and match["error"]:
        inside = re.search(rb"<(?:\w+:)?v>([^<]*)<", match["inside"])
        found.errors[place] = _plain(inside[1]) if inside else "#ERROR!"
    elif place and b't="str"' not in match["cell"]:
        found.formulas[place] = "=" + _plain(match["formula"] or b"")


def _place(attributes: bytes) -> tuple[int, int] | None:
    reference = _REFERENCE.search(b" " + attributes)
    if not reference:
        return None
    column = 0
    for letter in reference[1]:
        column = 26 * column + letter - 64
    return int(reference[2]), column


def _plain(data: bytes) -> str:
    return unescape(data.decode("utf-8", "replace"))
