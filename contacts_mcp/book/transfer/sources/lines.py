"""JSON lines: an object a line. A list of objects is read as well, also one within an object: {"contacts": [...]}.

1. Numbers are the digits that a person would write. Null is nothing.
2. A list of texts under a phone is several columns: "phone", "phone (2)". Any other list is one cell, cut again by the
   reader of tags.
3. The objects inside are columns of their own: {"custom": {"Plan": ...}} is "Plan", {"address": {"city": ...}} is
   "address city".
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain
from typing import Any, BinaryIO

from contacts_mcp.book.transfer.headers import known
from contacts_mcp.book.transfer.limits import LONGEST_CELL, LONGEST_SHOWN, MOST_COLUMNS, unreadable
from contacts_mcp.book.transfer.own import cells_of_object, is_own_object, joined_tags
from contacts_mcp.book.transfer.sources.encoding import Encoding, lines_of
from contacts_mcp.book.transfer.sources.source import NumberText, Record, Source, free_header
from contacts_mcp.book.transfer.sources.tables import unique
from contacts_mcp.words.folding import fold
from contacts_mcp.words.note import Note
from contacts_mcp.words.numbers import number_text

_UNNAMED = frozenset(["custom", "customfields", "fields", "properties", "attributes", "contact", "data", "person"])
_DEEPEST = 4
_OF_PEOPLE = frozenset(["first", "last", "full", "display", "phone", "email"])
_VALUES = ("value", "number", "phone", "email", "name", "address")


def read(stream: BinaryIO, encoding: Encoding) -> Source:
    notes = [encoding.note] if encoding.note else []
    return source_of(lambda: lines_of(stream, encoding.name), encoding=encoding.name, notes=notes)


def source_of(
    lines: Callable[[], Iterable[str]], *, encoding: str = "utf-8", notes: list[Note] | None = None
) -> Source:
    """The objects of a text. `lines` gives its physical lines, from the beginning at each call."""
    not_contacts: list[int] = []
    is_ours = _is_ours(lines())

    def records() -> Iterator[Record]:
        return _own_records(lines()) if is_ours else _records(lines(), not_contacts)

    headers: dict[str, None] = {}
    for record in records():
        headers.update(dict.fromkeys(record.cells))
        if len(headers) > MOST_COLUMNS:
            raise unreadable("too_many_columns", f"The objects have more than {MOST_COLUMNS} different names.")
    return Source(
        format="jsonl",
        encoding=encoding,
        headers=tuple(headers),
        records=records,
        is_ours=is_ours,
        assumptions=notes or [],
        not_contacts=not_contacts,
    )


def _is_ours(lines: Iterable[str]) -> bool:
    """Whether every line is an object that our export wrote."""
    has_any = False
    for line in lines:
        value = _loaded(line)
        if not (isinstance(value, dict) and is_own_object(value)):
            return False
        has_any = True
    return has_any


def _own_records(lines: Iterable[str]) -> Iterator[Record]:
    for number, line in enumerate(lines, start=1):
        cells = cells_of_object(_loaded(line))
        is_long = any(len(cell) > LONGEST_CELL for cell in cells.values())
        yield Record(number, {} if is_long else cells, "cell_too_long" if is_long else "")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object. A name that it says twice is two, as two columns of a table are."""
    found = dict(pairs)
    if len(found) == len(pairs):
        return found
    names, values = zip(*pairs, strict=True)
    return dict(zip(unique(names), values, strict=True))


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def _loaded(line: str) -> Any:
    """The value in a line, None for a line that holds none."""
    try:
        return _DECODER.decode(line)
    except (ValueError, RecursionError):
        return None


def _records(lines: Iterable[str], not_contacts: list[int]) -> Iterator[Record]:
    not_contacts.clear()
    numbered = enumerate(lines, start=1)
    for number, line in numbered:
        text = _stripped(line)
        if text:
            break
        not_contacts.append(number)
    else:
        return
    held = [(number, line)]
    if text.startswith("[") or _may_be_document(text):
        held += numbered  # held whole, and so bounded by the size of the file
        begin = _begin_of_list("".join(line for _, line in held))
        if begin is not None:
            yield from _listed(held, begin)
            return
    for number, line in chain(held, numbered):
        if text := _stripped(line):
            yield _record(number, text.rstrip(","))
        else:
            not_contacts.append(number)


def _stripped(line: str) -> str:
    return line.strip().lstrip("\ufeff")


def _may_be_document(line: str) -> bool:
    """Whether a first line holds no object of its own: it goes on in the next ones, or is around a list of objects."""
    value = _loaded(line.rstrip(","))
    return value is None or (isinstance(value, dict) and bool(_inner_list(value)))


def _inner_list(value: Mapping[str, Any]) -> str:
    """The name of the one list of objects in an object that is no person, "" if there is none."""
    lists = [name for name, item in value.items() if isinstance(item, list) and item and isinstance(item[0], dict)]
    is_person = any((found := known(name)) and found.target in _OF_PEOPLE for name in value)
    return lists[0] if len(lists) == 1 and not is_person else ""


def _begin_of_list(text: str) -> int | None:
    """The place behind the bracket of a list, or of the first object of a text that writes it over several lines."""
    begin = min(at for at in (text.find("["), text.find("{"), len(text)) if at >= 0)
    if text.startswith("[", begin):
        return begin + 1
    try:
        value, end = _DECODER.raw_decode(text, begin)
    except (ValueError, RecursionError):
        return None
    name = _inner_list(value)
    if not name:
        return begin
    around = None if text[end:].strip() else re.search(rf'"{re.escape(name)}"\s*:\s*\[', text)
    return around.end() if around else None


def _listed(pairs: Sequence[tuple[int, str]], at: int) -> Iterator[Record]:
    """The objects of one list, or one behind the other."""
    text = "".join(line for _, line in pairs)
    first = pairs[0][0]
    number, counted = first, 0
    while True:
        while at < len(text) and text[at] in " \t\r\n,":
            at += 1
        number, counted = number + text.count("\n", counted, at), at
        if at >= len(text) or text[at] == "]":
            return
        try:
            value, at = _DECODER.raw_decode(text, at)
        except (ValueError, RecursionError):
            yield Record(number, {}, "not_json", text[at : at + LONGEST_SHOWN])
            return
        yield _of_value(number, value, text[counted:at])


def _record(number: int, text: str) -> Record:
    try:
        value = _DECODER.decode(text)
    except (ValueError, RecursionError):
        return Record(number, {}, "not_json", text)
    return _of_value(number, value, text)


def _of_value(number: int, value: object, text: str) -> Record:
    if not isinstance(value, dict):
        return Record(number, {}, "not_json", text)
    cells: dict[str, str] = {}
    _flatten(value, "", cells, _DEEPEST)
    if any(len(cell) > LONGEST_CELL for cell in cells.values()):
        return Record(number, {}, "cell_too_long", text[:LONGEST_SHOWN])
    return Record(number, cells)


def _flatten(value: dict[str, Any], prefix: str, cells: dict[str, str], depth: int) -> None:
    for name, item in value.items():
        header = f"{prefix} {name}".strip()
        if isinstance(item, dict) and depth:
            _flatten(item, prefix if fold(name) in _UNNAMED else header, cells, depth - 1)
        elif isinstance(item, list):
            _flatten_list(item, header, cells)
        elif item is not None:
            _put(cells, header, _text(item))


def _flatten_list(items: list[Any], header: str, cells: dict[str, str]) -> None:
    meaning = known(header)
    if items and all(isinstance(item, dict) for item in items):
        for item in items:
            _put(cells, *_labelled(header, item))
    elif meaning and meaning.target in ("phone", "email"):
        for item in items:
            _put(cells, header, _text(item))
    elif all(isinstance(item, str) for item in items):
        _put(cells, header, joined_tags(items))
    else:
        _put(cells, header, json.dumps(items, ensure_ascii=False))


def _labelled(header: str, item: dict[str, Any]) -> tuple[str, str]:
    """{"type": "work", "value": ...} as a column and its cell: "phone work"."""
    value = next((item[key] for key in _VALUES if key in item), item)
    label = next((_text(item[key]) for key in ("type", "label", "kind") if item.get(key)), "")
    return f"{header} {label}".strip(), _text(value)


def _put(cells: dict[str, str], header: str, text: str) -> None:
    if text:
        cells[free_header(header, cells)] = text


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, bool | dict | list):
        return json.dumps(value, ensure_ascii=False)
    try:
        return NumberText(number_text(value))
    except ValueError:
        return repr(value)
