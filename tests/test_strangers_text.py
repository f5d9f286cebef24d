"""Texts that strangers wrote reach nobody as ours: each passes `words.display` on its way into a sentence.

The test reads the code itself. An f-string may put a name, a value or a label into a sentence in two ways. It calls one
of the functions that make the text safe, or it stands in the list of those that are not strangers'.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import contacts_mcp

HERE = Path(contacts_mcp.__file__).parent
ROOMS = ("api", "book", "server", "state", "words")

SAFE = {
    "word",
    "quoted",
    "visible",
    "in_quotes",
    "all_in_line",
    "in_line",
    "show",
    "len",
    "safe",
    "_quoted",
    "_listed",
    "_with_ids",
}
STRANGERS = {
    *("name", "first", "last", "display_name", "email", "avatar", "consent", "label", "title", "tag", "text", "value"),
}

# What these put into a text is not a stranger's, or the text is not shown.
OURS = {
    ("book/listing/filters.py", "contact.first"),  # compared, not shown
    ("book/listing/filters.py", "contact.last"),
    ("book/transfer/reading.py", "row.display_name"),  # a value made of the file's own
    ("book/transfer/reading.py", "row.first"),
    ("book/transfer/reading.py", "row.last"),
    ("book/transfer/twins.py", "caseless(row.email)"),  # a key
    ("server/views/transfer.py", "field_name(name, names)"),  # a member of the structure
    ("server/boundary.py", "other.name"),  # tools of ours
    ("server/boundary.py", "tool.name"),
    ("server/identity.py", "token.name"),  # of accounts.toml
    ("server/logs.py", "frame.name"),  # a function of ours
    ("server/logs.py", "record.name"),  # a logger
    ("server/seeing.py", "error.name"),  # a package of Python
    ("server/server.py", "entry.name"),  # a resource of ours
    ("server/prompts.py", "self.name"),  # a prompt of ours
    ("state/index.py", "found.name"),  # a file of ours
    ("state/index_file.py", "path.name"),
    ("state/journal.py", "aside.name"),
    ("state/journal.py", "path.name"),
    ("state/postgres/accounts.py", "known.name"),  # a digest
    ("state/row.py", "row.first"),  # split into words, not shown
    ("state/row.py", "row.last"),
    ("state/signing_key.py", "path.name"),
}


def interpolated() -> Iterator[tuple[str, str]]:
    """The module and the expression of every stranger's text that goes into a text of ours as it is."""
    for room in ROOMS:
        for path in sorted((HERE / room).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                for value in put_in(node):
                    if is_bare(value):
                        yield path.relative_to(HERE).as_posix(), ast.unparse(value)


def put_in(node: ast.AST) -> list[ast.expr]:
    """The values that this part of the code puts into a text."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "format":
        return [*node.args, *(each.value for each in node.keywords)]
    return [node.value] if isinstance(node, ast.FormattedValue) else []


def is_bare(node: ast.AST) -> bool:
    """Whether this expression holds a stranger's text that passes no function of `SAFE`."""
    if isinstance(node, ast.Call):
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if called in SAFE:
            return False
        if called in ("label", "field_name"):
            return True
    if isinstance(node, ast.Attribute) and node.attr in STRANGERS:
        return True
    return any(map(is_bare, ast.iter_child_nodes(node)))


def test_every_text_of_a_stranger_is_made_safe_on_its_way_into_a_sentence() -> None:
    assert {*interpolated()} - OURS == set()


def test_nothing_is_excused_that_is_not_there() -> None:
    assert OURS - {*interpolated()} == set()


def test_nobody_puts_quotes_around_a_text_that_could_close_them() -> None:
    """`visible` shows hidden characters. Only `quoted` makes a quotation that nothing in the text can end."""
    found = [
        path.relative_to(HERE).as_posix()
        for room in ROOMS
        for path in (HERE / room).rglob("*.py")
        if '"{visible(' in path.read_text(encoding="utf-8") or "'{visible(" in path.read_text(encoding="utf-8")
    ]
    assert found == []


def test_the_reading_sees_a_bare_name_and_a_safe_one() -> None:
    bare, safe = ast.parse("f'{contact.name} {word(contact.name)}'").body[0].value.values[::2]
    assert (is_bare(bare.value), is_bare(safe.value)) == (True, False)
