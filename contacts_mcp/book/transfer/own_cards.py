"""Our own export as vCards: the properties of a card, and the texts in them, both directions together.

1. N, FN, TEL, EMAIL and CATEGORIES stand in their own places, so that any address book reads them.
2. All else stands in properties of our own. They also say what the card cannot: an empty display name, a text of
   blanks.
3. A carriage return is written as `\\r`, which vCard has no sign for.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from typing import Protocol

from contacts_mcp.book.transfer.own import joined_tags

PRODUCT = "-//contacts_mcp//export//EN"
FIELD = "X-CONTACTS-FIELD"
WIDEST = 75  # bytes of a line

PLACES = {  # property -> column of our export
    "TEL": "phone",
    "EMAIL": "email",
    "X-CONTACTS-DISPLAY-NAME": "display_name",
    "X-CONTACTS-ASSIGNEE": "assignee",
    "X-CONTACTS-OPTED-OUT": "opted out",
    "X-CONTACTS-AVATAR": "avatar",
    "X-CONTACTS-CREATED": "created",
    "REV": "updated",
    "X-CONTACTS-ID": "contact id",
}
_SIGNS = {"\\": "\\\\", "\n": "\\n", "\r": "\\r", ",": "\\,", ";": "\\;"}
_TEXTS = {sign: char for char, sign in _SIGNS.items()}


class Property(Protocol):
    """A property as the reader of cards has it."""

    @property
    def name(self) -> str: ...
    @property
    def value(self) -> str: ...


def card_of(cells: Mapping[str, str], custom: Mapping[str, str], tags: Iterable[str], *, version: str) -> list[str]:
    """The lines of one card, folded, without their ends."""
    full = cells["display_name"] or " ".join(filter(None, (cells["first"], cells["last"]))) or cells["phone"]
    named = {
        "VERSION": version,
        "PRODID": PRODUCT,
        "N": f"{_signed(cells['last'])};{_signed(cells['first'])};;;",
        "FN": _signed(full),
        "CATEGORIES": ",".join(map(_signed, tags)),
        **{name: _signed(cells[column]) for name, column in PLACES.items()},
    }
    named["TEL;TYPE=CELL"] = named.pop("TEL")
    properties = [f"{name}:{value}" for name, value in named.items() if value]
    fields = [f"{FIELD}:{_signed(label)};{_signed(text)}" for label, text in custom.items()]
    return [line for one in ("BEGIN:VCARD", *properties, *fields, "END:VCARD") for line in _folded(one)]


def is_own(properties: Iterable[Property]) -> bool:
    return any(one.name == "PRODID" and one.value == PRODUCT for one in properties)


def cells_of(properties: Iterable[Property]) -> dict[str, str]:
    """The cells of a card that `card_of` made, by our own columns and the labels of custom fields."""
    cells: dict[str, str] = {}
    for one in properties:
        if one.name in PLACES:
            cells[PLACES[one.name]] = _text(one.value)
        elif one.name == "N":
            cells["last"], cells["first"] = map(_text, _parts(one.value, ";")[:2])
        elif one.name == "CATEGORIES":
            cells["tags"] = joined_tags(map(_text, _parts(one.value, ",")))
        elif one.name == FIELD:
            label, text = map(_text, _parts(one.value, ";")[:2])
            cells[label] = text
    return {header: text for header, text in cells.items() if text}


def _signed(text: str) -> str:
    return "".join(_SIGNS.get(char, char) for char in text)


def _text(value: str) -> str:
    return re.sub(r"\\.", lambda match: _TEXTS.get(match[0], match[0]), value)


def _parts(value: str, separator: str) -> list[str]:
    """The parts of a value between separators that no backslash stands before."""
    ends = [match.start() for match in re.finditer(rf"\\.|{separator}", value) if match[0] == separator]
    return [value[start + 1 : end] for start, end in pairwise([-1, *ends, len(value)])]


def _folded(line: str) -> Iterator[str]:
    """The line in pieces of at most 75 bytes. No piece is blanks alone, which a reader would take for an empty line."""
    piece, size = "", 0
    for at, char in enumerate(line):
        width = len(char.encode("utf-8", "replace"))
        if size + width > WIDEST and not piece.isspace() and not line[at:].isspace():
            yield piece
            piece, size = " ", 1
        piece, size = piece + char, size + width
    yield piece
