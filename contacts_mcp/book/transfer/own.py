"""Our own export: its columns, and the texts in its cells, both directions together.

1. A cell that a spreadsheet would take for a formula gets one apostrophe in front. The reader takes one away, so every
   text comes back as it was.
2. Tags are joined by semicolons. A tag with a comma, a semicolon or a quotation mark stands in quotes.
3. An opt-out is "yes" or "no", and "" if Heymarket does not say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

FIRST_COLUMNS = (
    "phone",
    "first",
    "last",
    "display_name",
    "email",
    "tags",
    "assignee",
    "opted out",
    "avatar",
)
LAST_COLUMNS = ("created", "updated", "contact id")  # told, never imported

_GUARDED = re.compile(r"'*[=+\-@\t\r]")
_TO_UNGUARD = re.compile(r"'+[=+\-@\t\r]")
_TAG = re.compile(r'\s*(?:"((?:[^"]|"")*)"|([^";]*))\s*(?:;|$)')


def own_header(custom: Iterable[str]) -> tuple[str, ...]:
    """The header of an export with these custom fields, named by their labels."""
    return (*FIRST_COLUMNS, *custom, *LAST_COLUMNS)


def is_own_header(headers: Sequence[str]) -> bool:
    return tuple(headers[: len(FIRST_COLUMNS)]) == FIRST_COLUMNS and tuple(headers[-3:]) == LAST_COLUMNS


def guarded(text: str) -> str:
    """The text as a cell of CSV that no spreadsheet computes."""
    return f"'{text}" if _GUARDED.match(text) else text


def unguarded(cell: str) -> str:
    """The text of a cell that `guarded` wrote."""
    return cell[1:] if _TO_UNGUARD.match(cell) else cell


def joined_tags(names: Iterable[str]) -> str:
    """The names of tags in one cell."""
    return "; ".join('"{}"'.format(name.replace('"', '""')) if _needs_quotes(name) else name for name in names)


def parted_tags(cell: str) -> list[str]:
    """The names that `joined_tags` wrote."""
    return [
        match[1].replace('""', '"') if match[1] is not None else match[2].strip()
        for match in _TAG.finditer(cell)
        if match[1] is not None or match[2].strip()
    ]


def _needs_quotes(name: str) -> bool:
    return not name or any(char in name for char in '",;') or name != name.strip()


def opt_out_text(value: bool | None) -> str:
    return {True: "yes", False: "no", None: ""}[value]
