"""Other programs' configuration files, edited by splicing: our entry changes, every other byte stays as it is.

- A file holds a table of servers (`servers`), entries by name. `put` writes one entry whole, `drop` takes one out.
- A library that reads and writes whole documents would normalize parts that nobody asked to touch. Even tomlkit, the
  most careful, deletes the comment above a table with the table before it. So the texts are only cut and joined here.
- Every edit is then read back with a parser: exactly the one entry may have changed, or nothing is written.
- A file that cannot be parsed, or cannot be spliced as it is written, is left alone (`ConfigFileUnusable`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from contacts_mcp.setup.config_files import json_text, toml_text, yaml_text
from contacts_mcp.setup.config_files.errors import ConfigFileUnusable
from contacts_mcp.setup.config_files.files import ConfigFile, is_private, read, write

__all__ = ["FORMATS", "ConfigFile", "ConfigFileUnusable", "drop", "entries", "is_private", "put", "read", "write"]

Entry = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Format:
    """How one kind of file is read, and how an entry is spliced into and out of its text."""

    parse: Callable[[str], Any]
    put: Callable[[str, str, str, Entry], str]
    drop: Callable[[str, str, str], str]


FORMATS = {
    "json": Format(json_text.parse, json_text.put, json_text.drop),
    "toml": Format(toml_text.parse, toml_text.put, toml_text.drop),
    "yaml": Format(yaml_text.parse, yaml_text.put, yaml_text.drop),
}


def entries(kind: str, text: str, servers: str) -> dict[str, Any]:
    """All entries of the table `servers`, none where it is missing. Raises ConfigFileUnusable."""
    return dict(_document(kind, text, servers).get(servers) or {})


def put(kind: str, text: str, servers: str, name: str, entry: Entry) -> str:
    """`text` with `entry` under `name`, instead of the one there was. Raises ConfigFileUnusable."""
    wanted = _document(kind, text, servers)
    table = wanted.get(servers) or {}
    if table.get(name) == entry:
        return text
    wanted[servers] = {**table, name: entry}
    return _verified(kind, FORMATS[kind].put(text, servers, name, entry), wanted, servers)


def drop(kind: str, text: str, servers: str, name: str) -> str:
    """`text` without the entry `name`. It stays as it was where there is none. Raises ConfigFileUnusable."""
    wanted = _document(kind, text, servers)
    table = wanted.get(servers) or {}
    if name not in table:
        return text
    wanted[servers] = {other: entry for other, entry in table.items() if other != name}
    return _verified(kind, FORMATS[kind].drop(text, servers, name), wanted, servers)


def _document(kind: str, text: str, servers: str) -> dict[str, Any]:
    document = FORMATS[kind].parse(text)
    if not isinstance(document, dict):
        raise ConfigFileUnusable(f"it does not hold a {kind.upper()} object")
    if not isinstance(document.get(servers), dict | None):
        raise ConfigFileUnusable(f'its "{servers}" is not a table of servers')
    return document


def _verified(kind: str, text: str, wanted: dict[str, Any], servers: str) -> str:
    """`text` if it reads as `wanted`. A table without entries may be gone from it."""
    try:
        found = FORMATS[kind].parse(text)
    except ConfigFileUnusable:
        found = {}
    if {servers: {}, **found} != wanted:
        raise ConfigFileUnusable(
            "its servers are written in a way that cannot be edited safely here; change it by hand (--print)"
        )
    return text
