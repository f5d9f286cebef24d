"""YAML in block style, cut at the lines where its keys stand: a new entry goes first under the table of servers.

The parser only says where things are. Values are written as JSON inside block mappings, which every YAML reader takes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode

from contacts_mcp.setup.config_files.errors import ConfigFileUnusable

_PLAIN_KEY = re.compile("(?!(?:true|false|null|yes|no|on|off|y|n)$)[A-Za-z_][A-Za-z0-9_-]*", re.IGNORECASE)


def parse(text: str) -> Any:
    """The document of `text`, an empty mapping where there is nothing in it. Raises ConfigFileUnusable."""
    try:
        value = YAML(typ="safe", pure=True).load(text)
    except (YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        raise ConfigFileUnusable(
            f"it is not valid YAML ({f'line {mark.line + 1}' if mark else 'its values'})"
        ) from None
    return {} if value is None else value


def put(text: str, servers: str, name: str, entry: dict[str, Any]) -> str:
    root = _root(text)
    table = _pair(root, servers) if root else None
    if table is None:
        body = text if not text or text.endswith("\n") else text + "\n"
        return body + _block(servers, {name: entry}, "")
    key, value = table
    if _is_empty(value):
        text = text[: value.start_mark.index].rstrip(" ") + text[value.end_mark.index :]
        return _after_line(text, key.end_mark.index, _block(name, entry, " " * (key.start_mark.column + 2)))
    mapping = _in_block_style(value)
    block = _block(name, entry, " " * mapping.value[0][0].start_mark.column)
    own = _pair(mapping, name)
    if own is None:
        return _after_line(text, key.end_mark.index, block)
    start, end = _lines_of(text, own)
    return text[:start] + block + text[end:]


def drop(text: str, servers: str, name: str) -> str:
    root = _root(text)
    table = _pair(root, servers) if root else None
    mapping = _in_block_style(table[1]) if table else None
    own = _pair(mapping, name) if mapping else None
    if table is None or mapping is None or own is None:
        return text
    start, end = _lines_of(text, own)
    text = text[:start] + text[end:]
    if len(mapping.value) > 1:
        return text
    colon = text.index(":", table[0].end_mark.index) + 1
    return f"{text[:colon]} {{}}{text[colon:]}"


def _root(text: str) -> MappingNode | None:
    root = YAML(typ="safe", pure=True).compose(text)
    return None if root is None or (isinstance(root, ScalarNode) and not root.value) else _in_block_style(root)


def _in_block_style(node: Node) -> MappingNode:
    if not isinstance(node, MappingNode) or node.flow_style:
        raise ConfigFileUnusable(
            "its servers are written in braces, which cannot be edited safely here; change it by hand (--print)"
        )
    return node


def _pair(mapping: MappingNode, name: str) -> tuple[Node, Node] | None:
    return next((pair for pair in mapping.value if pair[0].value == name), None)


def _is_empty(node: Node) -> bool:
    return (isinstance(node, ScalarNode) and node.tag == "tag:yaml.org,2002:null") or (
        isinstance(node, MappingNode) and not node.value
    )


def _lines_of(text: str, pair: tuple[Node, Node]) -> tuple[int, int]:
    """From the start of the line of the key to the end of the last line of its value."""
    start = text.rfind("\n", 0, pair[0].start_mark.index) + 1
    end = _end(pair[1])
    return start, end if text[end - 1 : end] == "\n" else _line_end(text, end)


def _end(node: Node) -> int:
    """The end of a node. The parser has a block collection end at the next thing, so its last leaf is asked."""
    if isinstance(node, CollectionNode) and node.value and not node.flow_style:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    end: int = node.end_mark.index
    return end


def _line_end(text: str, at: int) -> int:
    newline = text.find("\n", at)
    return len(text) if newline < 0 else newline + 1


def _after_line(text: str, at: int, block: str) -> str:
    end = _line_end(text, at)
    return text[:end] + ("" if text[:end].endswith("\n") else "\n") + block + text[end:]


def _block(name: str, value: dict[str, Any], indent: str) -> str:
    return "".join(f"{line}\n" for line in _written(name, value, indent))


def _written(name: str, value: Any, indent: str) -> Iterator[str]:
    key = name if _PLAIN_KEY.fullmatch(name) else json.dumps(name, ensure_ascii=False)
    if isinstance(value, dict) and value:
        yield f"{indent}{key}:"
        for inner, item in value.items():
            yield from _written(str(inner), item, indent + "  ")
    else:
        yield f"{indent}{key}: {_flow(value)}"


def _flow(value: Any) -> str:
    try:
        return json.dumps(value, ensure_ascii=False)
    except TypeError:
        raise ConfigFileUnusable("its entry has a value that cannot be written again") from None
