"""How large a file may be, and the refusal of one that cannot be read.

A refusal is about the file as a whole. A single row that cannot be read is refused by its own reason.
"""

from __future__ import annotations

from contacts_mcp.errors import Refused

MOST_BYTES = 50_000_000
MOST_ROWS = 200_000
LARGE_BYTES = 500_000_000  # where the person says that the file is large
LARGE_ROWS = 1_000_000
MOST_SHEET_ROWS = 250_000  # the library of sheets holds all of them
MOST_COLUMNS = 500
LONGEST_CELL = 32_768  # characters, as in a sheet
LONGEST_LINE = 1_000_000  # characters of one line of text
LARGEST_CARD = 1_000_000  # characters, pictures aside
MOST_UNPACKED = 500_000_000  # bytes of a sheet's parts together
MOST_PARTS = 2_000  # of a sheet's archive
HIGHEST_RATIO = 200  # unpacked to packed bytes
SMALLEST_BOMB = 10_000_000  # unpacked bytes; a smaller part harms nobody
LONGEST_SHOWN = 200  # characters of a refused text


def smaller(*, is_large: bool) -> str:
    """The advice about a file that is too large. `is_large` says whether the limit is that of large files already."""
    return "Import it in parts." if is_large else "Import it in parts, or with contacts-mcp import FILE --large."


def unreadable(kind: str, problem: str, advice: str = "") -> Refused:
    """The refusal of a whole file. `kind` is stable, such as too_large, too_many_rows or not_readable."""
    return Refused(" ".join(filter(None, (problem, advice, "Nothing was imported."))), kind=kind)
