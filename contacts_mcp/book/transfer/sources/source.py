"""The one shape of every source: facts about the file, and its rows."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from contacts_mcp.words.note import Note


class NumberText(str):
    """The digits of a number that a program stored as a number. A phone of these is its digits, or nothing."""

    __slots__ = ()


class Record(NamedTuple):
    """One row of a file."""

    line: int  # where it begins, from 1: a physical line, the row of a sheet, or the line of BEGIN:VCARD
    cells: dict[str, str]  # header -> text; empty cells may be left out
    refused: str = ""  # the reason why the row as a whole cannot be read
    value: str = ""  # the text that was refused
    notes: tuple[str, ...] = ()  # kinds of notes


def free_header(header: str, taken: Container[str]) -> str:
    """The header, or with a number where it is taken: the second "Phone" is "Phone (2)"."""
    shown, count = header, 1
    while shown in taken:
        count += 1
        shown = f"{header} ({count})"
    return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A file that can be read. `records` may be called again and reads it anew, one reading at a time."""

    format: str  # csv, xlsx, vcard, jsonl or table
    records: Callable[[], Iterator[Record]]
    headers: tuple[str, ...]
    encoding: str = ""
    delimiter: str = ""
    sheet: str = ""
    header_line: int = 0  # 0 if there is no header
    is_ours: bool = False  # written by our own export, to be read without any guess
    assumptions: list[Note] = field(default_factory=list)
    not_contacts: list[int] = field(default_factory=list)  # lines; complete once the records were read
