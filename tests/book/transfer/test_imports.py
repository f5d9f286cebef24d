"""Files as people bring them, row by row, against their right readings (`imports/README.md`)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from contacts_mcp.book.transfer.mapping import mapping_of
from contacts_mcp.book.transfer.report import report
from contacts_mcp.book.transfer.sources import choosing
from contacts_mcp.words.names import Named, Names

IMPORTS = Path(__file__).parent / "imports"
FILES = sorted(path.name for path in IMPORTS.iterdir() if path.is_file() and path.name != "README.md")
FIELDS = Names("custom field", [Named(31, "Plan")])

FACTS = ("format", "encoding", "delimiter", "sheet", "header_line", "refused", "not_contacts")
COUNTS = ("rows", "contacts", "refused_rows", "duplicates")
NAMES = ("first", "last", "display_name")

# Two notes of the expected readings are comments on other parsers, not kinds.
COMMENTS = ("the parser alone",)


def read(name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    region = expected(name)[0]["region"]
    with (IMPORTS / name).open("rb") as stream:
        source = choosing.read(stream, region=region)
        mapping = mapping_of(source, fields=FIELDS, region=region)
        head, *rows = map(json.loads, report(source, mapping, name=name, region=region))
    return head, rows


def expected(name: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    text = (IMPORTS / "expected" / f"{name}.jsonl").read_text(encoding="utf-8")
    head, *rows = map(json.loads, text.splitlines())
    return head, rows


def test_there_are_39_files() -> None:
    assert len(FILES) == 39


@pytest.mark.parametrize("name", FILES)
def test_the_file_is_found_out(name: str) -> None:
    head, _ = read(name)
    right, _ = expected(name)
    assert {key: head.get(key) for key in FACTS if key in right} == {key: right[key] for key in FACTS if key in right}
    assert {key: head[key] for key in COUNTS} == {key: right[key] for key in COUNTS}
    assert {*right.get("questions", ())} <= {*head.get("questions", ())}
    assert sum(head["counts"].values()) == head["rows"]


@pytest.mark.parametrize("name", FILES)
def test_the_columns_are_proposed(name: str) -> None:
    head, _ = read(name)
    wanted = expected(name)[0].get("columns", {})
    assert {header: head["columns"].get(header) for header in wanted} == wanted


@pytest.mark.parametrize("name", FILES)
def test_every_row_is_read_right(name: str) -> None:
    _, rows = read(name)
    _, right = expected(name)
    assert [_comparable(row, wanted) for row, wanted in zip(rows, right, strict=True)] == [
        _comparable(wanted, wanted) for wanted in right
    ]


@pytest.mark.parametrize("name", FILES)
def test_everything_that_must_be_kept_or_said_is(name: str) -> None:
    _, rows = read(name)
    _, right = expected(name)
    for row, wanted in zip(rows, right, strict=True):
        assert {*wanted["other"].values()} <= {*row["other"].values()}, row["line"]
        kinds = {note for note in wanted.get("notes", ()) if not note.startswith(COMMENTS)}
        assert kinds <= {*row.get("notes", ())}, row["line"]


def _comparable(row: dict[str, Any], wanted: dict[str, Any]) -> dict[str, Any]:
    """The members that must be equal. Of a refused row, the expected readings leave some names out."""
    left_out = {name for name in NAMES if "refused" in wanted and not wanted[name]}
    keys = {"line", "phone", "refused", "value", "duplicate_of_line", "email", "tags", "opt_out", *NAMES} - left_out
    return {key: row[key] for key in keys if key in row}
