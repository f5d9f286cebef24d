"""TOML, cut at its table headers: an entry is the tables `[servers.name]` and `[servers.name.*]`, a new one goes last.

Comments and blank lines at the end of a table are taken to belong to the next one, as people write them.
An entry written in another way (inline, dotted keys) is not found here, and the read-back in `__init__` then refuses.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from contacts_mcp.setup.config_files.errors import ConfigFileUnusable

_TOKEN = re.compile(
    r'"""(?:\\.|(?!""").)*"{3,5}'
    r"|'''(?:(?!''').)*'{3,5}"
    r'|"(?:\\.|[^"\\\n])*"'
    r"|'[^'\n]*'"
    r"|#[^\n]*"
    r"|.",
    re.DOTALL,
)
_BARE_KEY = re.compile("[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class _Table:
    """One table with its header: where it starts, where its last line of substance ends, and its name in parts."""

    start: int
    end: int
    path: tuple[str, ...]


def parse(text: str) -> dict[str, Any]:
    """The document of `text`. Raises ConfigFileUnusable."""
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        line = re.search(r"line \d+", str(error))
        raise ConfigFileUnusable(f"it is not valid TOML ({line[0] if line else 'at its end'})") from None


def put(text: str, servers: str, name: str, entry: dict[str, Any]) -> str:
    block = "\n".join(_written((servers, name), entry)) + "\n"
    own = _own(text, servers, name)
    if own:
        rest = _cut(text, own[1:])
        return rest[: own[0].start] + block.removesuffix("\n") + rest[own[0].end :]
    body = text if not text or text.endswith("\n") else text + "\n"
    return f"{body}\n{block}" if body else block


def drop(text: str, servers: str, name: str) -> str:
    for table in reversed(_own(text, servers, name)):
        before, after = text[: table.start], text[table.end :].removeprefix("\n")
        text = (before.removesuffix("\n") if before.endswith("\n\n") and after[:1] in ("", "\n") else before) + after
    return text


def _cut(text: str, tables: list[_Table]) -> str:
    for table in reversed(tables):
        text = text[: table.start] + text[table.end :].removeprefix("\n")
    return text


def _own(text: str, servers: str, name: str) -> list[_Table]:
    """The tables of one entry. Tables that follow each other are one."""
    found: list[_Table] = []
    follows = False
    for table in _tables(text):
        is_own = table.path[:2] == (servers, name)
        if is_own and follows:
            found[-1] = _Table(found[-1].start, table.end, found[-1].path)
        elif is_own:
            found.append(table)
        follows = is_own
    return found


def _tables(text: str) -> Iterator[_Table]:
    open_since: tuple[int, tuple[str, ...]] | None = None
    substance = 0
    for start, end in _lines(text):
        line = text[start:end].strip()
        if line.startswith("["):
            if open_since is not None:
                yield _Table(open_since[0], substance, open_since[1])
            open_since = (start, _path(line))
        if line and not line.startswith("#"):
            substance = end
    if open_since is not None:
        yield _Table(open_since[0], substance, open_since[1])


def _lines(text: str) -> Iterator[tuple[int, int]]:
    """Lines as TOML counts them: a text or an array that goes on is one."""
    start, depth = 0, 0
    for token in _TOKEN.finditer(text):
        match token[0]:
            case "[" | "{":
                depth += 1
            case "]" | "}":
                depth -= 1
            case "\n" if depth == 0:
                yield start, token.start()
                start = token.end()
    if start < len(text):
        yield start, len(text)


def _path(header: str) -> tuple[str, ...]:
    value: Any = tomllib.loads(header)
    path: list[str] = []
    while isinstance(value, dict) and value:
        ((key, value),) = value.items()
        path.append(key)
    return tuple(path)


def _written(path: tuple[str, ...], table: dict[str, Any]) -> Iterator[str]:
    yield f"[{'.'.join(_key(part) for part in path)}]"
    for key, value in table.items():
        if not isinstance(value, dict):
            yield f"{_key(key)} = {_value(value)}"
    for key, value in table.items():
        if isinstance(value, dict):
            yield ""
            yield from _written((*path, key), value)


def _key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _value(key)


def _value(value: Any) -> str:
    """JSON's texts, numbers, booleans and arrays of them are TOML's too."""
    try:
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    except TypeError:
        raise ConfigFileUnusable("its entry has a value that cannot be written again") from None
