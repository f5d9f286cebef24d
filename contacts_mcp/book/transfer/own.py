"""Our own export: its columns, and the texts in its cells, both directions together.

1. A cell that a spreadsheet would take for a formula gets one apostrophe in front. The reader takes one away, so every
   text comes back as it was.
2. Tags are joined by semicolons. A tag with a comma, a semicolon or a quotation mark stands in quotes.
3. An opt-out is "yes" or "no", and "" if Heymarket does not say.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

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


CUSTOM = "custom"  # in JSON lines, the member that holds the custom values
_MEMBERS = (*FIRST_COLUMNS, CUSTOM, *LAST_COLUMNS)


def own_header(custom: Iterable[str]) -> tuple[str, ...]:
    """The header of an export with these custom fields, named by their labels."""
    return (*FIRST_COLUMNS, *custom, *LAST_COLUMNS)


def is_own_header(headers: Sequence[str]) -> bool:
    return tuple(headers[: len(FIRST_COLUMNS)]) == FIRST_COLUMNS and tuple(headers[-3:]) == LAST_COLUMNS


def is_own_object(value: Mapping[str, object]) -> bool:
    """Whether an object of JSON lines has the members that our export gives it, in their order."""
    names = [*value]
    return names[: len(_MEMBERS)] == [*_MEMBERS]


def cells_of_object(value: Mapping[str, object]) -> dict[str, str]:
    """The cells of such an object, by our own columns and the labels of custom fields."""
    custom, tags, out = value[CUSTOM], value["tags"], value["opted out"]
    texts = {name: text for name, text in value.items() if name in FIRST_COLUMNS and isinstance(text, str)}
    texts |= {name: str(value[name]) for name in LAST_COLUMNS}
    texts["tags"] = joined_tags(map(str, tags)) if isinstance(tags, list) else ""
    texts["opted out"] = opt_out_text(out if isinstance(out, bool) else None)
    if isinstance(custom, dict):
        texts |= {label: text for label, text in custom.items() if isinstance(text, str)}
    return {name: text for name, text in texts.items() if text}


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
