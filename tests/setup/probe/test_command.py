"""The command `contacts-mcp probe`, as a person types it, on the built-in sandbox."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support import logging_put_back

from contacts_mcp.cli import main
from contacts_mcp.setup.probe.asking import MOST_REQUESTS
from contacts_mcp.setup.probe.questions import QUESTIONS


@pytest.fixture(autouse=True)
def _logging() -> object:
    with logging_put_back():
        yield


def probe(room: Path, *arguments: str, answer: str = "", **variables: str) -> Result:
    environment = {"CONTACTS_MCP_DATA_DIR": str(room), **variables}
    return CliRunner().invoke(main, ["probe", "--sandbox", *arguments], input=answer, env=environment)


def test_it_says_what_it_will_do_and_asks(tmp_path: Path) -> None:
    declined = probe(tmp_path, "--write", answer="n\n")
    assert declined.exit_code == 0
    assert "It makes a contact with a fictional phone" in declined.stderr
    assert "question" not in declined.stdout
    assert not (tmp_path / "profile.json").exists()
    assert "question" in probe(tmp_path, answer="y\n").stdout


def test_the_table_has_every_question_with_what_was_seen_expected_and_what_follows(tmp_path: Path) -> None:
    done = probe(tmp_path, "--write", "--yes")
    assert done.exit_code == 0
    head, _, *lines = done.stdout.splitlines()
    assert [cell.strip() for cell in head.split("|")] == ["question", "seen", "expected", "what follows"]
    rows = [[cell.strip() for cell in line.split(" | ")] for line in lines[: len(QUESTIONS)]]
    assert [row[0] for row in rows] == [one.asks for one in QUESTIONS]
    assert ["Is the cursor strict or inclusive?", "strict"] in [row[:2] for row in rows]
    sent = int(done.stdout.splitlines()[-1].split()[0])
    assert 0 < sent <= MOST_REQUESTS
    assert json.loads((tmp_path / "profile.json").read_text(encoding="utf-8"))["accounts"]


def test_the_report_is_markdown_and_the_record_a_file(tmp_path: Path) -> None:
    done = probe(tmp_path, "--yes", "--report", "--record", str(tmp_path / "exchange.json"))
    assert done.exit_code == 0
    assert done.stdout.startswith("**contacts-mcp ")
    assert "| Is the cursor strict or inclusive? | strict |" in done.stdout
    assert json.loads((tmp_path / "exchange.json").read_text(encoding="utf-8"))["exchanges"]


def test_a_phone_of_ones_own_is_for_writing_and_is_never_opted_out(tmp_path: Path) -> None:
    assert probe(tmp_path, "--phone", "510-555-3399").exit_code == 2
    done = probe(tmp_path, "--write", "--yes", "--phone", "510-555-3399")
    assert done.exit_code == 0
    assert "it was not tried on a phone of somebody's own" in done.stdout
    assert "5105553399" not in done.stdout


def test_a_phone_that_somebody_has_is_refused(tmp_path: Path) -> None:
    call = ["call", "--sandbox", "create_contact", "phone=510-555-3398", "first=Ada"]
    CliRunner().invoke(main, call, env={"CONTACTS_MCP_DATA_DIR": str(tmp_path)})
    done = probe(tmp_path, "--write", "--yes", "--phone", "510-555-3398")
    assert "Nothing was written" in done.stdout


def test_writing_is_refused_where_the_server_may_only_read(tmp_path: Path) -> None:
    done = probe(tmp_path, "--write", "--yes", CONTACTS_MCP_READ_ONLY="1")
    assert (done.exit_code, "Nothing was asked" in done.stderr) == (1, True)


def test_the_doctor_shows_the_age_of_the_profile(tmp_path: Path) -> None:
    probe(tmp_path, "--yes")
    told = CliRunner().invoke(main, ["doctor", "--sandbox"], env={"CONTACTS_MCP_DATA_DIR": str(tmp_path)}).stdout
    assert "lines about the service" in told
    assert "all are of today" in told
