"""JSON as people keep it by hand: with comments and trailing commas, read with positions so that it can be spliced.

A new member goes last, indented as its neighbours are, behind a comma where they end in one.
An object on one line stays on one line.
Putting an entry in and taking it out again gives the text there was.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from contacts_mcp.setup.config_files.errors import ConfigFileUnusable

_BLANK = re.compile(r"(?:\s+|//[^\n]*|/\*.*?\*/)*+", re.DOTALL)
_REMARK = re.compile(r"(?:[ \t]*(?://[^\r\n]*|/\*(?:(?!\*/)[^\r\n])*\*/))*+")  # comments that share the line
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*+"')
_ATOM = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null")


@dataclass(slots=True)
class _Node:
    """A value and where it stands."""

    start: int
    end: int = 0
    value: Any = None
    members: list[_Member] = field(default_factory=list)

    def member(self, name: str) -> _Member | None:
        """The last of that name, which is the one that counts."""
        return next((member for member in reversed(self.members) if member.name == name), None)


@dataclass(slots=True)
class _Member:
    """A member from the start of its name. `comma` is the place of the comma after it, if there is one."""

    name: str
    start: int
    node: _Node
    comma: int | None = None


def parse(text: str) -> Any:
    """The value of `text`, an empty object where there is nothing in it. Raises ConfigFileUnusable."""
    return _read(text).value if text.strip() else {}


def put(text: str, servers: str, name: str, entry: dict[str, Any]) -> str:
    if not text.strip():
        return json.dumps({servers: {name: entry}}, indent=2, ensure_ascii=False) + "\n"
    root = _read(text)
    table = root.member(servers)
    if table is None:
        return _inserted(text, root, servers, {name: entry})
    if table.node.value is None:
        return _with(text, table.node.start, table.node.end, _written(text, table.start, {name: entry}))
    own = table.node.member(name)
    if own is None:
        return _inserted(text, table.node, name, entry)
    return _with(text, own.node.start, own.node.end, _written(text, own.start, entry))


def drop(text: str, servers: str, name: str) -> str:
    while True:
        table = _read(text).member(servers)
        own = table and table.node.member(name)
        if not table or not own:
            return text
        text = _without(text, table.node, own)


# Splicing


def _with(text: str, start: int, end: int, new: str) -> str:
    return text[:start] + new + text[end:]


def _inserted(text: str, owner: _Node, name: str, value: Any) -> str:
    if not owner.members:
        return _filled(text, owner, name, value)
    first, last = owner.members[0], owner.members[-1]
    if "\n" not in text[owner.start : first.start]:
        piece = f" {_pair(name, json.dumps(value, ensure_ascii=False))}"
        end = last.node.end
    else:
        piece = f"{_newline(text)}{_indent(text, first.start)}{_pair(name, _written(text, first.start, value))}"
        start = last.node.end if last.comma is None else last.comma + 1
        end = _REMARK.match(text, start).end()  # type: ignore[union-attr] # it matches nothing, too
    if last.comma is not None:
        return _with(text, max(end, last.comma + 1), max(end, last.comma + 1), f"{piece},")
    return f"{text[: last.node.end]},{text[last.node.end : end]}{piece}{text[end:]}"


def _filled(text: str, owner: _Node, name: str, value: Any) -> str:
    """An object that had no member. A comment in it stays on top."""
    remarks = text[owner.start + 1 : owner.end - 1].rstrip()
    if _is_one_line(text):
        return _with(text, owner.start, owner.end, f"{{{_pair(name, json.dumps(value, ensure_ascii=False))}}}")
    outer = _newline(text) + _indent(text, owner.start)
    inner = outer + _unit(text)
    written = json.dumps(value, indent=_unit(text), ensure_ascii=False).replace("\n", inner)
    return _with(text, owner.start, owner.end, f"{{{remarks}{inner}{_pair(name, written)}{outer}}}")


def _without(text: str, owner: _Node, own: _Member) -> str:
    at = owner.members.index(own)
    start = len(text[: own.start].rstrip())
    end = own.node.end if own.comma is None else own.comma + 1
    if "\n" in text[start : own.start]:  # what is on a line of its own goes with the remark beside it
        end = _REMARK.match(text, end).end()  # type: ignore[union-attr] # it matches nothing, too
    before = owner.members[at - 1] if at else None
    if own.comma is None and before is not None and before.comma is not None:
        text, start, end = text[: before.comma] + text[before.comma + 1 :], start - 1, end - 1
    text = _with(text, start, end, "")
    if len(owner.members) == 1:
        rest = re.compile(r"\s*\}").match(text, owner.start + 1)
        return _with(text, owner.start, rest.end(), "{}") if rest else text
    return text


def _pair(name: str, written: str) -> str:
    return f"{json.dumps(name, ensure_ascii=False)}: {written}"


def _written(text: str, at: int, value: Any) -> str:
    """`value` for the line that `at` is on."""
    if _is_one_line(text):
        return json.dumps(value, ensure_ascii=False)
    return json.dumps(value, indent=_unit(text), ensure_ascii=False).replace("\n", _newline(text) + _indent(text, at))


def _is_one_line(text: str) -> bool:
    return "\n" not in text.strip() and text.strip() != "{}"


def _newline(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _indent(text: str, at: int) -> str:
    """The white space that the line of `at` begins with."""
    line = text[text.rfind("\n", 0, at) + 1 : at]
    return line[: len(line) - len(line.lstrip())]


def _unit(text: str) -> str:
    """The blanks of one level."""
    found = re.search(r"^([ \t]+)\S", text, re.MULTILINE)
    return found[1] if found else "  "


# Reading


def _read(text: str) -> _Node:
    try:
        return _Reader(text).document()
    except RecursionError:
        raise ConfigFileUnusable("it is nested too deeply") from None


class _Reader:
    """A recursive descent over JSON with comments and trailing commas."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0

    def document(self) -> _Node:
        root = self._value()
        self._blank()
        if self._at != len(self._text):
            raise self._unexpected()
        return root

    def _value(self) -> _Node:
        self._blank()
        match self._text[self._at : self._at + 1]:
            case "{":
                return self._object()
            case "[":
                return self._array()
            case _:
                return self._scalar()

    def _object(self) -> _Node:
        node = _Node(self._at)
        self._at += 1
        while not self._passes("}"):
            if node.members and node.members[-1].comma is None:
                raise self._unexpected()
            name = self._scalar(_STRING)  # blanks before it were read by `_passes`
            if not self._passes(":"):
                raise self._unexpected()
            member = _Member(name.value, name.start, self._value())
            member.comma = self._comma()
            node.members.append(member)
        node.end = self._at
        node.value = {member.name: member.node.value for member in node.members}
        return node

    def _array(self) -> _Node:
        node = _Node(self._at, value=[])
        self._at += 1
        is_open = True
        while not self._passes("]"):
            if not is_open:
                raise self._unexpected()
            node.value.append(self._value().value)
            is_open = self._comma() is not None
        node.end = self._at
        return node

    def _scalar(self, *kinds: re.Pattern[str]) -> _Node:
        for kind in kinds or (_STRING, _ATOM):
            found = kind.match(self._text, self._at)
            if found:
                node = _Node(self._at, found.end(), self._decoded(found[0]))
                self._at = found.end()
                return node
        raise self._unexpected()

    def _decoded(self, token: str) -> Any:
        try:
            return json.loads(token)
        except ValueError:
            raise self._unexpected() from None

    def _comma(self) -> int | None:
        return self._at - 1 if self._passes(",") else None

    def _passes(self, char: str) -> bool:
        """Whether `char` comes next, blanks aside. It has then been read, and else the blanks have."""
        self._blank()
        if self._text[self._at : self._at + 1] != char:
            return False
        self._at += 1
        return True

    def _blank(self) -> None:
        self._at = _BLANK.match(self._text, self._at).end()  # type: ignore[union-attr] # it matches nothing, too

    def _unexpected(self) -> ConfigFileUnusable:
        line = self._text.count("\n", 0, self._at) + 1
        return ConfigFileUnusable(f"it is not valid JSON (line {line})")
