"""The commands of a terminal, where journal, index and requests are in servers that replicas share."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from support import logging_put_back

from contacts_mcp.cli import main

Run = Callable[..., str]


@pytest.fixture
def run(empty_database: str, redis: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs a command on a sandbox in a file, and gives what it printed."""
    monkeypatch.setenv("CONTACTS_MCP_DATABASE_URL", empty_database)
    monkeypatch.setenv("CONTACTS_MCP_REDIS_URL", redis)
    monkeypatch.setenv("CONTACTS_MCP_SANDBOX", "1")
    monkeypatch.setenv("CONTACTS_MCP_DATA_DIR", str(tmp_path))

    def run(*words: str, ends_with: int = 0) -> str:
        with logging_put_back():
            done = CliRunner().invoke(main, [*words])
        assert done.exit_code == ends_with, done.output
        return done.output

    return run


def test_the_index_is_built_shown_and_forgotten(run: Run) -> None:
    assert "not complete" in run("index", "status")
    assert "300 contacts, complete" in run("index", "build")
    status = run("index", "status")
    assert "in the database that servers share" in status
    assert "300 contacts, complete" in status
    assert run("index", "forget", "--yes") == "Deleted 1 index.\n"
    assert "0 contacts" in run("index", "status")


def test_changes_are_made_listed_and_forgotten(run: Run, tmp_path: Path) -> None:
    assert "Created" in run("call", "create_contact", "phone=+15105553344", "first=Jordan")
    assert "Jordan (1301) was added" in run("call", "list_changes")
    assert not (tmp_path / "journal.sqlite3").exists()
    assert run("journal", "clear", "--yes") == "Forgot 1 changes.\n"
    assert "was added" not in run("call", "list_changes")


def test_the_doctor_says_whether_they_answer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    report = run("doctor")
    assert "postgresql: answers" in report
    assert "redis: answers" in report
    assert "replicas" not in report
    monkeypatch.delenv("CONTACTS_MCP_REDIS_URL")
    assert "warning  replicas: CONTACTS_MCP_REDIS_URL is not set." in run("doctor")
    monkeypatch.setenv("CONTACTS_MCP_DATABASE_URL", "postgresql://127.0.0.1:9/nothing?password=verysecret")
    report = run("doctor", ends_with=1)
    assert "postgresql: does not answer" in report
    assert "user and password" in report
    assert "clock" not in report
    assert "verysecret" not in report


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("postgresql://127.0.0.1:9/nothing", "nothing listens at that address"),
        ("postgresql://no-such-host.invalid/nothing", "there is no such host"),
    ],
)
def test_the_doctor_says_why_postgresql_does_not_answer(
    address: str, why: str, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTACTS_MCP_DATABASE_URL", address)
    assert f"postgresql: does not answer: {why}" in run("doctor", ends_with=1)


def test_the_doctor_says_that_there_is_no_such_database(
    run: Run, empty_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONTACTS_MCP_DATABASE_URL", re.sub(r"own-\d+", "not-there", empty_database))
    report = run("doctor", ends_with=1)
    assert "postgresql: does not answer: there is no such database" in report
    assert "not-there" not in report


def test_the_journal_cannot_be_off_where_it_is_shared(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTACTS_MCP_JOURNAL", "off")
    assert "CONTACTS_MCP_JOURNAL=off cannot be used" in run("call", "list_changes", ends_with=1)
