"""A table pasted into a chat: CSV, tabs, a Markdown table, vCards or JSON lines.

Models pay for every row that they repeat, so a longer list is a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from io import BytesIO
from itertools import pairwise

from contacts_mcp.book.transfer.limits import unreadable
from contacts_mcp.book.transfer.sources import cards, delimited, lines
from contacts_mcp.book.transfer.sources.encoding import Encoding
from contacts_mcp.book.transfer.sources.source import Record, Source
from contacts_mcp.book.transfer.sources.tables import Cells, find_header, headers_of, records_of

MOST_PASTED_ROWS = 200
MOST_PASTED_BYTES = 50_000

_FENCES = re.compile(r"\A\s*```[^\n`]*|```\s*\Z")  # of a block of code
_RULE = re.compile(r"\s*\|?\s*:?-+:?\s*(?:\|\s*:?-+:?\s*)*\|?\s*")
_INCHES = re.compile(r'(?<=\d)"(?=\s)')
_BAR = re.compile(r"(?<!\\)\|")
_STRESSED = re.compile(r"(\*\*|__|\*|`)(?P<text>[^*`]+)\1")


def read(text: str, *, region: str = "US") -> Source:
    """The table in a pasted text. Raises Refused for one that is too long: a longer one is a file."""
    size = len(text.encode("utf-8", "replace"))
    if size > MOST_PASTED_BYTES or text.count("\n") > MOST_PASTED_ROWS + 10:
        problem = f"A pasted table may have {MOST_PASTED_ROWS} rows and {MOST_PASTED_BYTES:,} bytes."
        raise unreadable("too_large", problem, "Import a longer one in parts, or as a file where folders are open.")
    text = _FENCES.sub("", text.removeprefix("\ufeff"))
    start = text.lstrip("\ufeff \t\r\n")
    if cards.is_cards(text):
        return cards.read(BytesIO(text.encode("utf-8", "replace")), Encoding("utf-8"), region=region)
    if is_markdown(text.splitlines()):
        return of_markdown(text)
    if start.startswith(("{", "[{")):
        return lines.source_of(lambda: iter(text.splitlines(keepends=True)))
    return delimited.read(BytesIO(text.encode("utf-8", "replace")), Encoding("utf-8"))


def is_markdown(physical: list[str]) -> bool:
    """Whether one of the first lines is a row of bars with the rule of a Markdown table under it.

    Two such lines in a cell of a CSV are none: the quote before them is still open. Inches (12" tall) open none.
    """
    quotes = 0
    for head, rule in pairwise(physical[:40]):
        quotes += _INCHES.sub("", head).count('"')
        if "|" in head and "|" in rule and _RULE.fullmatch(rule) and quotes % 2 == 0:
            return True
    return False


def of_markdown(text: str, *, encoding: str = "utf-8") -> Source:
    physical = text.splitlines()
    table = [Cells(number, _cells(line)) for number, line in enumerate(physical, start=1) if "|" in line]
    rows = [row for row in table if not _RULE.fullmatch(physical[row.line - 1])]
    found = find_header(rows)
    at = found.at if found.at is not None else 0
    headers = headers_of(rows[at].cells, rows[at + 1 :])
    not_contacts: list[int] = []

    def records() -> Iterator[Record]:
        return records_of(rows, headers, rows[at].line, not_contacts)

    return Source(
        format="table",
        encoding=encoding,
        header_line=rows[at].line,
        headers=headers,
        records=records,
        not_contacts=not_contacts,
    )


def _cells(line: str) -> list[str]:
    inner = line.strip()
    parts = _BAR.split(inner)
    if inner.startswith("|"):
        parts = parts[1:]
    if parts and not parts[-1].strip() and inner.endswith("|"):
        parts = parts[:-1]
    return [_unstressed(part.strip()).replace("\\|", "|") for part in parts]


def _unstressed(text: str) -> str:
    """The text of a cell that stands in bold, in italics or as code as a whole."""
    stressed = _STRESSED.fullmatch(text)
    return stressed["text"] if stressed else text
