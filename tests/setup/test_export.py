"""`contacts-mcp export` and `contacts-mcp describe`."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from support import logging_put_back

from contacts_mcp.cli import main


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`contacts-mcp` with these words, on a sandbox in a data directory of its own."""
    monkeypatch.setenv("CONTACTS_MCP_SANDBOX", "1")
    monkeypatch.setenv("CONTACTS_MCP_DATA_DIR", str(tmp_path / "data"))

    def invoked(*words: Any, **options: Any) -> Result:
        return CliRunner().invoke(main, [*map(str, words)], **options)

    with logging_put_back():
        yield invoked


def test_the_ending_of_the_file_says_the_format(run: Any, tmp_path: Path) -> None:
    starts = {".csv": b"\xef\xbb\xbfphone,", ".xlsx": b"PK", ".vcf": b"BEGIN:VCARD", ".jsonl": b'{"phone"'}
    for ending, start in starts.items():
        path = tmp_path / f"contacts{ending}"
        done = run("export", path)
        assert (done.exit_code, done.output) == (0, f'Wrote 300 contacts into "{path}"; complete: true.\n')
        assert path.read_bytes().startswith(start)
    assert run("export", tmp_path / "contacts.doc").exit_code == 1


def test_filters_are_pairs_of_name_and_value(run: Any, tmp_path: Path) -> None:
    done = run("export", tmp_path / "some.jsonl", "--where", "tag=VIP", "--where", "Plan=gold")
    assert done.exit_code == 0
    rows = [json.loads(line) for line in (tmp_path / "some.jsonl").read_text().splitlines()]
    assert rows
    assert {(row["custom"]["Plan"], "VIP" in row["tags"]) for row in rows} == {("Gold", True)}
    assert run("export", tmp_path / "none.csv", "--where", "Shoe size=9").exit_code == 1
    assert run("export", tmp_path / "none.csv", "--where", "tag").exit_code == 2
    assert not (tmp_path / "none.csv").exists()


def test_a_file_that_is_there_is_kept_unless_overwritten(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "contacts.csv"
    path.write_text("theirs")
    refused = run("export", path)
    assert refused.exit_code == 1
    assert "already" in refused.output
    assert path.read_text() == "theirs"
    assert run("export", path, "--overwrite", "--where", "tag=VIP").exit_code == 0
    assert next(csv.reader(StringIO(path.read_text("utf-8-sig"))))[0] == "phone"


def test_a_folder_that_the_person_reaches_by_a_link_is_theirs(run: Any, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "short").symlink_to(tmp_path / "real")
    assert run("export", tmp_path / "short" / "vips.csv", "--where", "tag=VIP").exit_code == 0
    assert (tmp_path / "real" / "vips.csv").exists()


def test_nothing_is_sent_that_changes_anything_where_only_reading_is_allowed(run: Any, tmp_path: Path) -> None:
    assert run("export", tmp_path / "vips.csv", "--read-only", "--where", "tag=VIP").exit_code == 0


def test_without_an_index_the_whole_list_is_read(run: Any, tmp_path: Path) -> None:
    path = tmp_path / "contacts.csv"
    assert run("export", path, "--index", "off").output == f'Wrote 300 contacts into "{path}"; complete: true.\n'


def test_the_book_is_shown_in_counts(run: Any) -> None:
    done = run("describe", "Plan")
    assert done.exit_code == 0
    lines = done.output.splitlines()
    for part in ("filled", "tag", "Plan", "opted out", "created"):
        assert part in lines
    gold = next(line for line in lines if line.startswith("  Gold "))
    assert re.fullmatch(r"  Gold +█+ +[0-9]+", gold)
    assert max(map(len, lines[:20])) <= 80
    assert "Counted from all 300 contacts; complete: true; as of " in done.output
    assert run("describe", "Shoe size").exit_code == 1
