"""Contacts -> the text of a file: CSV, XLSX, vCard or JSON lines. Pure but for the stream.

1. The columns have a fixed order (`own`), so that our own import reads the file without any guess.
2. CSV is UTF-8 with a mark and CRLF, as spreadsheets expect it. Texts that they would compute are guarded.
3. XLSX holds texts alone, which no spreadsheet computes.
4. JSON lines hold everything, ids too.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from io import TextIOWrapper
from typing import BinaryIO, Literal

from contacts_mcp.book.transfer import own, own_cards
from contacts_mcp.book.vocabulary import Snapshot
from contacts_mcp.errors import Refused
from contacts_mcp.models import Contact
from contacts_mcp.state.row import storable
from contacts_mcp.words.areas import code_apart

Format = Literal["csv", "xlsx", "vcard", "vcard4", "jsonl"]

ENDINGS: Mapping[str, Format] = {
    ".csv": "csv",
    ".xlsx": "xlsx",
    ".vcf": "vcard",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
}
MOST_SHEET_ROWS = 1_000_000
_NO_MOMENT = datetime(2000, 1, 1, tzinfo=UTC)
_LONGEST_WIDTH = 40  # characters of a column that is shown
_SHOWN_FOR_WIDTH = 200  # rows


@dataclass(frozen=True, slots=True)
class Line:
    """One contact, ready to be written."""

    cells: Mapping[str, str]  # the first and the last columns
    custom: Mapping[str, str]  # label -> text, without empty ones
    tags: tuple[str, ...]
    is_opted_out: bool | None
    ids: Mapping[str, object]  # of tags, assignee and fields

    @property
    def phone(self) -> str:
        return self.cells["phone"]


def line_of(contact: Contact, names: Snapshot) -> Line:
    """A contact with every id named."""
    tags = tuple(map(storable, (names.tags.label(tag) for tag in contact.tags)))
    cells = {
        "phone": code_apart(contact.phone),
        "first": contact.first,
        "last": contact.last,
        "display_name": contact.display_name,
        "email": contact.email,
        "tags": own.joined_tags(tags),
        "assignee": _assignee(contact.assigned_user_id, names),
        "opted out": own.opt_out_text(contact.is_opted_out),
        "avatar": contact.avatar,
        "created": contact.created,
        "updated": contact.updated,
        "contact id": str(contact.id),
    }
    fields = {column_of(number, names): number for number, text in contact.custom.items() if text}
    return Line(
        cells={name: storable(text) for name, text in cells.items()},
        custom={label: storable(contact.custom[number]) for label, number in fields.items()},
        tags=tags,
        is_opted_out=contact.is_opted_out,
        ids={
            "uuid": contact.uuid,
            "rev": contact.rev,
            "tag_ids": list(contact.tags),
            "assignee_id": contact.assigned_user_id,
            "field_ids": fields,
        },
    )


def column_of(number: int, names: Snapshot) -> str:
    """The name of the column of a custom field: its label, with the number where a column of ours is called so."""
    label = names.fields.label(number)
    return f"{label} ({number})" if label in (*own.FIRST_COLUMNS, *own.LAST_COLUMNS) else label


def _assignee(number: int | None, names: Snapshot) -> str:
    """The e-mail of a member where it is known, else the name."""
    member = next((one for one in names.members.items if one.id == number), None) if number else None
    emails = member.aliases if member else ()
    return emails[0] if emails else names.members.label(number) if number else ""


def write(stream: BinaryIO, kind: Format, lines: Sequence[Line], custom: Sequence[str]) -> None:
    """Write the contacts. `custom` are the columns of custom fields, in their order."""
    _WRITERS[kind](stream, lines, custom)


def _texts(line: Line, custom: Sequence[str]) -> list[str]:
    return [
        *(line.cells[name] for name in own.FIRST_COLUMNS),
        *(line.custom.get(label, "") for label in custom),
        *(line.cells[name] for name in own.LAST_COLUMNS),
    ]


def _write_csv(stream: BinaryIO, lines: Sequence[Line], custom: Sequence[str]) -> None:
    text = TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(map(own.guarded, own.own_header(custom)))
    for line in lines:
        phone, *others = _texts(line, custom)
        writer.writerow([phone, *map(own.guarded, others)])  # the blank in the phone keeps it a text
    text.detach()


def _write_sheet(stream: BinaryIO, lines: Sequence[Line], custom: Sequence[str]) -> None:
    import xlsxwriter
    from xlsxwriter.exceptions import FileCreateError

    if len(lines) > MOST_SHEET_ROWS:
        raise _too_much(f"A sheet holds at most {MOST_SHEET_ROWS:,} contacts.")
    book = xlsxwriter.Workbook(stream, {"constant_memory": True})
    book.set_properties({"created": _NO_MOMENT})  # the same contacts are the same bytes at any time
    sheet = book.add_worksheet("Contacts")
    header = own.own_header(custom)
    first = [_texts(line, custom) for line in lines[:_SHOWN_FOR_WIDTH]]
    for at, name in enumerate(header):
        longest = max(map(len, (name, *(row[at] for row in first))))
        sheet.set_column(at, at, min(longest, _LONGEST_WIDTH) + 2)
    sheet.freeze_panes(1, 0)
    bold, text_format = book.add_format({"bold": True}), book.add_format({"num_format": "@"})
    for at, name in enumerate(header):
        sheet.write_string(0, at, name, bold)
    for number, line in enumerate(lines, start=1):
        for at, text in enumerate(_texts(line, custom)):
            if text and sheet.write_string(number, at, text, text_format):
                raise _too_much("A text is longer than a cell of a sheet may be.")
    try:
        book.close()
    except FileCreateError as error:  # around the error of the disk
        raise OSError(*error.args[0].args) from None


def _too_much(problem: str) -> Refused:
    return Refused(f"{problem} Export as CSV or JSON lines. Nothing was written.", kind="too_large")


def _write_cards(version: str) -> Callable[[BinaryIO, Sequence[Line], Sequence[str]], None]:
    def written(stream: BinaryIO, lines: Sequence[Line], _: Sequence[str]) -> None:
        for line in lines:
            card = own_cards.card_of(line.cells, line.custom, line.tags, version=version)
            stream.write("".join(f"{each}\r\n" for each in card).encode())

    return written


def _write_json(stream: BinaryIO, lines: Sequence[Line], _: Sequence[str]) -> None:
    stream.writelines(json.dumps(_members(line), ensure_ascii=False).encode() + b"\n" for line in lines)


def _members(line: Line) -> dict[str, object]:
    cells: dict[str, object] = {
        **line.cells,
        "tags": list(line.tags),
        "opted out": line.is_opted_out,
        "contact id": int(line.cells["contact id"]),
    }
    first = {name: cells[name] for name in own.FIRST_COLUMNS}
    last = {name: cells[name] for name in own.LAST_COLUMNS}
    return {**first, own.CUSTOM: dict(line.custom), **last, **line.ids}


_WRITERS: Mapping[Format, Callable[[BinaryIO, Sequence[Line], Sequence[str]], None]] = {
    "csv": _write_csv,
    "xlsx": _write_sheet,
    "vcard": _write_cards("3.0"),
    "vcard4": _write_cards("4.0"),
    "jsonl": _write_json,
}
