"""The commands for many contacts at once, at a terminal that is none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support import logging_put_back

from contacts_mcp.cli import main

HEADER = "Phone,First name,Last name,Tags\n"
GOOD = HEADER + "".join(f"510555{number:04},F{number},L{number},VIP\n" for number in range(7000, 7012))


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "lists" / "fair.csv"
    path.parent.mkdir()
    path.write_text(f"{GOOD}12,Bad,Row,\n", encoding="utf-8")
    return path


def run(tmp_path: Path, *words: str, answer: str = "") -> Result:
    flags = ["--sandbox", "--data-dir", str(tmp_path / "data")]
    return CliRunner().invoke(main, [*words, *flags], input=answer)


@pytest.fixture(autouse=True)
def own_log() -> Iterator[None]:
    """A command sets up the log of its process."""
    with logging_put_back():
        yield


def test_a_dry_run_shows_the_plan_and_changes_nothing(tmp_path: Path, file: Path) -> None:
    shown = run(tmp_path, "import", str(file), "--dry-run")
    assert shown.exit_code == 0, shown.output
    assert "12 to create" in shown.output
    again = run(tmp_path, "import", str(file), "--dry-run")
    assert "12 to create" in again.output
    assert [*file.parent.iterdir()] == [file]


def test_a_dry_run_as_json_is_the_file_and_then_each_row_with_its_decision(tmp_path: Path, file: Path) -> None:
    printed = run(tmp_path, "import", str(file), "--dry-run", "--json")
    head, *rows = map(json.loads, printed.stdout.splitlines())
    assert (head["file"], head["format"], head["counts"]) == ("fair.csv", "csv", {"new": 12, "invalid": 1})
    assert [row["decision"] for row in rows] == ["new"] * 12 + ["invalid"]


def test_a_file_that_cannot_be_read_is_refused_in_one_line_of_json(tmp_path: Path) -> None:
    (tmp_path / "empty.csv").write_text("", encoding="utf-8")
    printed = run(tmp_path, "import", str(tmp_path / "empty.csv"), "--dry-run", "--json")
    assert json.loads(printed.stdout)["refused"] == "empty"


def test_without_credentials_a_dry_run_as_json_is_the_reading(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HEYMARKET_SECRET_ID", "HEYMARKET_SECRET_KEY", "HEYMARKET_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    printed = CliRunner().invoke(
        main, ["import", str(file), "--dry-run", "--json", "--data-dir", str(tmp_path / "data")]
    )
    head, *_ = map(json.loads, printed.stdout.splitlines())
    assert head["counts"] == {"new": 12, "invalid": 1}


def test_an_import_is_done_after_a_yes_and_its_problems_are_in_a_file(tmp_path: Path, file: Path) -> None:
    done = run(tmp_path, "import", str(file), answer="y\n")
    assert done.exit_code == 0, done.output
    assert "12 done" in done.output
    problems = file.with_name("fair.csv.problems.csv").read_text(encoding="utf-8-sig").splitlines()
    assert problems[0] == f"{HEADER.strip()},line,problem"
    assert problems[1].startswith("12,Bad,Row,,14,")
    assert "12 already as wanted" in run(tmp_path, "import", str(file), "--dry-run").output


def test_a_second_file_of_problems_stands_beside_the_first(tmp_path: Path, file: Path) -> None:
    taken = file.with_name("fair.csv.problems.csv")
    taken.write_text("mine", encoding="utf-8")
    done = run(tmp_path, "import", str(file), answer="y\n")
    second = file.with_name("fair.csv.problems-2.csv")
    assert str(second) in done.output
    assert second.read_text(encoding="utf-8-sig").splitlines()[1].startswith("12,Bad,Row,,14,")
    assert (taken.read_text(encoding="utf-8"), {*file.parent.iterdir()}) == ("mine", {file, taken, second})


@pytest.mark.parametrize("journal", ["true", "false"])
def test_a_run_says_that_it_can_be_taken_back_only_where_a_later_command_can(
    tmp_path: Path, file: Path, monkeypatch: pytest.MonkeyPatch, journal: str
) -> None:
    monkeypatch.setenv("CONTACTS_MCP_JOURNAL", journal)
    done = run(tmp_path, "import", str(file), "--yes")
    assert "12 done" in done.output
    assert ("undo_change" in done.output) is (journal == "true")


def test_an_import_is_left_after_a_no(tmp_path: Path, file: Path) -> None:
    assert "Nothing was changed." in run(tmp_path, "import", str(file), answer="n\n").output
    assert "12 to create" in run(tmp_path, "import", str(file), "--dry-run").output


def test_corrected_problems_are_imported_without_their_two_columns(tmp_path: Path, file: Path) -> None:
    run(tmp_path, "import", str(file), "--yes")
    problems = file.with_name("fair.csv.problems.csv")
    problems.write_text(problems.read_text(encoding="utf-8-sig").replace("12,Bad", "5105557055,Good"), encoding="utf-8")
    done = run(tmp_path, "import", str(problems), "--yes")
    assert "1 to create" in done.output
    assert "1 done" in done.output


def test_one_change_for_many_is_done_at_the_terminal(tmp_path: Path, file: Path) -> None:
    run(tmp_path, "import", str(file), "--yes", "--tag", "Supplier")
    words = ["update", "--where", "tag=Supplier", "--set", "Plan=Gold", "--set", "add_tag=Lead", "--yes"]
    done = run(tmp_path, *words)
    assert done.exit_code == 0, done.output
    assert "is change" in done.output
    assert "already as wanted" in run(tmp_path, *words).output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["update", "--where", "tag=VIP", "--set", "is_opted_out=false"], "Nobody is opted in"),
        (["update", "--where", "tag=VIP", "--set", "is_opted_out=maybe"], "Expected yes or no"),
        (["update", "--where", "tag=VIP"], "nothing to change"),
        (["update", "--set", "Plan=Gold"], "exactly one says which contacts"),
        (["update", "--where", "tag=VIP", "--set", "Plan"], "NAME=VALUE"),
    ],
    ids=["opt in", "no answer", "no change", "nobody", "no value"],
)
def test_a_change_of_many_that_makes_no_sense_is_refused(tmp_path: Path, words: list[str], said: str) -> None:
    refused = run(tmp_path, *words, "--yes")
    assert refused.exit_code != 0
    assert said in refused.output


def test_clearing_the_journal_forgets_the_plans_too(tmp_path: Path, file: Path) -> None:
    run(tmp_path, "import", str(file), "--yes")
    cleared = CliRunner().invoke(main, ["journal", "clear", "--yes", "--data-dir", str(tmp_path / "data")])
    assert cleared.exit_code == 0, cleared.output
    assert b"Bad" not in (tmp_path / "data" / "imports.sqlite3").read_bytes()


def test_a_row_that_its_values_refuse_says_why_and_is_no_first_one(tmp_path: Path) -> None:
    file = tmp_path / "tags.csv"
    tags = "VIP;Lead;Newsletter;Past Due;Supplier;Do Not Call"
    file.write_text(f"Phone,Name,Tags\n+15105550188,Ada Byron,{tags}\n+15105550188,Ada Byron,VIP\n", encoding="utf-8")
    head, refused, taken = map(
        json.loads, run(tmp_path, "import", str(file), "--dry-run", "--json").output.splitlines()
    )
    assert head["counts"] == {"invalid": 1, taken["decision"]: 1}
    assert (head["refused_rows"], head["duplicates"]) == (1, 0)
    assert (refused["decision"], refused["refused"]) == ("invalid", "too_many_tags")
    assert "6 tags" in refused["value"]
    assert "duplicate_of_line" not in taken


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["update", "--where", "tag=VIP", "--where", "tag=Lead", "--set", "Plan=Gold"], "tag=VIP,Lead"),
        (["export", "all.csv", "--where", "tag=VIP", "--where", "tag=Lead"], "tag=VIP,Lead"),
        (["import", "FILE", "--column", "Tags=tags", "--column", "Tags=last"], "one field"),
    ],
)
def test_a_name_that_is_given_twice_is_refused_and_not_half_forgotten(
    tmp_path: Path, file: Path, words: list[str], said: str
) -> None:
    refused = run(tmp_path, *(str(file) if word == "FILE" else word for word in words), "--read-only")
    assert refused.exit_code == 2
    assert "is given twice" in refused.output
    assert said in refused.output


def test_several_tags_stand_between_commas_and_all_of_them_count(tmp_path: Path, file: Path) -> None:
    both = file.parent / "both.jsonl"
    assert run(tmp_path, "export", str(both), "--where", "tag=VIP,Lead").exit_code == 0
    tags = [json.loads(line)["tags"] for line in both.read_text(encoding="utf-8").splitlines()]
    assert tags
    assert all({"VIP", "Lead"} <= {*one} for one in tags)


def test_where_only_reading_is_allowed_a_plan_is_shown_and_nothing_is_changed(tmp_path: Path, file: Path) -> None:
    change = ["update", "--where", "tag=VIP", "--set", "Plan=Gold"]
    for words in (["import", str(file)], change):
        refused = run(tmp_path, *words, "--yes", "--read-only")
        assert refused.exit_code == 1
        assert "CONTACTS_MCP_READ_ONLY" in refused.output
    assert "12 to create" in run(tmp_path, "import", str(file), "--dry-run", "--read-only").output
    assert "to change" in run(tmp_path, *change, "--dry-run", "--read-only").output


def test_a_file_that_is_too_large_is_told_of_the_way_for_large_ones_and_of_none_beyond_that(tmp_path: Path) -> None:
    huge = tmp_path / "huge.csv"
    for size, words, advice in ((50_000_001, [], "FILE --large."), (500_000_001, ["--large"], "in parts.")):
        with huge.open("wb") as stream:
            stream.truncate(size)  # without a byte on the disk
        refused = run(tmp_path, "import", str(huge), "--dry-run", *words)
        assert refused.exit_code == 1
        assert f"{size:,} bytes" in refused.output
        assert advice in refused.output


@pytest.mark.parametrize("command", ["import", "export"])
def test_a_home_that_nobody_has_is_refused(tmp_path: Path, command: str) -> None:
    refused = run(tmp_path, command, "~nobody-has-this-home/list.csv")
    assert refused.exit_code != 0
    assert refused.exception is None or isinstance(refused.exception, SystemExit)
    assert {"import": "does not exist", "export": "There is no user as"}[command] in refused.output
