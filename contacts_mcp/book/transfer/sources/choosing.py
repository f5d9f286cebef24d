"""The format of a file by what is in it, never by its ending: a `.csv` may be UTF-16 with tabs, a `.txt` a table."""

from __future__ import annotations

from typing import BinaryIO

from contacts_mcp.book.transfer.limits import unreadable
from contacts_mcp.book.transfer.sources import cards, delimited, lines, pasted, sheet
from contacts_mcp.book.transfer.sources.encoding import encoding_of, lines_of
from contacts_mcp.book.transfer.sources.source import Source

_OTHERS = {
    b"\xd0\xcf\x11\xe0": ("an old or protected Excel file", "Save it as XLSX without a password, or as CSV."),
    b"%PDF": ("a PDF", "Export the list as CSV or XLSX."),
    b"\x89PNG": ("a picture", "Export the list as CSV or XLSX."),
    b"\xff\xd8\xff": ("a picture", "Export the list as CSV or XLSX."),
    b"{\\rtf": ("a text document (RTF)", "Save the list as CSV or XLSX."),
    b"\x1f\x8b": ("a packed file", "Unpack it first."),
    b"<!DOCTYPE": ("a web page", "Save the list as CSV or XLSX."),
    b"<html": ("a web page", "Save the list as CSV or XLSX."),
    b"<?xml": ("an XML file", "Save the list as CSV or XLSX."),
    b"SQLite format 3": ("a database", "Export the list as CSV or XLSX."),
}
_START = 4_000


def read(
    stream: BinaryIO, *, region: str = "US", encoding: str = "", delimiter: str = "", sheet_name: str = ""
) -> Source:
    """The rows of a file. Raises Refused for one that holds none that can be read."""
    stream.seek(0)
    start = stream.read(_START)
    if not start.strip(b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"):
        raise unreadable("empty", "The file is empty.")
    if sheet.is_archive(start):
        return sheet.read(stream, sheet=sheet_name)
    for mark, (shown, advice) in _OTHERS.items():
        if start.lower().startswith(mark.lower()):
            raise unreadable("not_readable", f"The file is {shown}, and no list of contacts.", advice)
    found = encoding_of(stream, region=region, given=encoding)
    first_lines = [line for line, _ in zip(lines_of(stream, found.name), range(60), strict=False)]
    text = "".join(first_lines).lstrip("\ufeff")
    if _is_binary(text):
        raise unreadable("not_readable", "The file is no text, and no spreadsheet that can be read.")
    if cards.is_cards(text):
        return cards.read(stream, found, region=region)
    if text.lstrip().startswith(("{", "[{")) or text.lstrip().replace("\n", "").replace(" ", "").startswith("[{"):
        return lines.read(stream, found)
    if pasted.is_markdown(text.splitlines()):
        return pasted.of_markdown("".join(lines_of(stream, found.name)), encoding=found.name)
    return delimited.read(stream, found, delimiter=delimiter)


def _is_binary(text: str) -> bool:
    """Whether a text is mostly characters that no text has."""
    odd = sum(1 for char in text if (char < " " and char not in "\t\r\n\f\v\x1b") or char == "\ufffd")
    return odd * 5 > len(text)
