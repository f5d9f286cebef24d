"""The command line: the same address book, from the shell."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result
from support import logging_put_back

from contacts_mcp import __version__
from contacts_mcp.cli import FLAGS, HOSTING, main
from contacts_mcp.config import InvalidSettings, Settings
from contacts_mcp.server import server
from contacts_mcp.server.tools import TOOLS
from contacts_mcp.server.tools.schemas import input_schema
from contacts_mcp.setup.assistants import CLIENTS
from contacts_mcp.setup.call import sentence, table


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`contacts-mcp` with these words, on a sandbox in a data directory of its own."""
    monkeypatch.setenv("CONTACTS_MCP_SANDBOX", "1")
    monkeypatch.setenv("CONTACTS_MCP_DATA_DIR", str(tmp_path))

    def invoked(*words: str, **options: Any) -> Result:
        return CliRunner().invoke(main, words, **options)

    with logging_put_back():
        yield invoked


def test_the_version_is_told(run: Any) -> None:
    assert run("--version").output == f"contacts-mcp, version {__version__}\n"


def test_a_call_prints_the_text_of_the_answer(run: Any) -> None:
    done = run("call", "lookup_contact", "phone=(510) 555-0100")
    assert done.exit_code == 0
    assert done.stdout.startswith('contact 1001 "Jordan Rivera" +15105550100\n')


def test_a_list_is_printed_as_a_table_and_how_to_go_on_beside_it(run: Any) -> None:
    done = run("call", "list_contacts", "limit=3")
    header, *rows = done.stdout.splitlines()
    assert header.split()[:3] == ["contact_id", "name", "phone"]
    assert len(rows) == 3
    start = header.index("phone")
    assert all(row[start] == "+" and row[start - 1] == " " for row in rows)
    assert done.stderr.startswith("3 of 300 contacts. More: add cursor=")


def test_changes_are_printed_as_sentences(run: Any) -> None:
    run("call", "update_contact", "contact_id=1001", "first=Jo")
    run("call", "undo_change", "change_id=1")
    back, change = run("call", "list_changes").stdout.splitlines()
    assert re.fullmatch(
        r"Change 1, \S+: Jordan Rivera \(1001\) was changed\. first from Jordan to Jo\. Change 2 took it back\.", change
    )
    assert back.endswith("first from Jo to Jordan. This took back change 1.")


@pytest.mark.parametrize(
    ("state", "action", "said"),
    [
        ("done", "create", "Jo (7) was added."),
        ("not_done", "delete", "Jo (7) was not deleted."),
        ("unknown", "update", "Jo (7) may have been changed; that is not known."),
        ("begun", "create", "Jo (7) may have been added; that is not known."),
    ],
)
def test_a_sentence_claims_no_more_than_the_state_of_the_change(state: str, action: str, said: str) -> None:
    change = {"change_id": 3, "at": "now", "action": action, "state": state, "contact_id": 7, "name": "Jo"}
    assert sentence(change | {"changes": []}) == f"Change 3, now: {said}"


@pytest.mark.parametrize("tool", [tool.name for tool in TOOLS])
def test_the_help_of_a_tool_shows_its_parameters(run: Any, tool: str) -> None:
    (parameters,) = [input_schema(one.function)["properties"] for one in TOOLS if one.name == tool]
    done = run("call", tool, "--help")
    assert done.exit_code == 0
    assert [name for name in parameters if f"\n  {name} " not in done.stdout] == []
    assert "CONTACTS_MCP" not in done.stdout


def test_the_help_of_call_alone_and_of_an_unknown_tool(run: Any) -> None:
    assert "--no-journal" in run("call", "--help").stdout
    unknown = run("call", "no_such_tool", "-h")
    assert (unknown.exit_code, "There is no tool no_such_tool" in unknown.stderr) == (2, True)


CONTACT = {"contact_id": 123456789012, "name": "A" * 50, "phone": "+15105550100", "email": "b" * 50, "tags": ["VIP"]}


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_table_fits_the_width_and_cuts_no_id_and_no_phone(width: int) -> None:
    lines = table({"contacts": [CONTACT, CONTACT]}, width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert "123456789012" in lines[1]
    assert "+15105550100" in lines[1]


def test_a_table_shows_no_control_characters() -> None:
    assert "\x1b" not in table({"contacts": [{"contact_id": 1, "name": "\x1b[2Jgone"}]})


@pytest.mark.parametrize("query", ["plan", "zzz"])
def test_each_note_of_a_list_is_printed_once(run: Any, query: str) -> None:
    words = ("call", "list_contact_fields", f"query={query}")
    notes = json.loads(run(*words, "--json").stdout)["notes"]
    printed = run(*words).output
    assert notes
    assert [printed.count(note) for note in notes] == [1] * len(notes)


def test_json_is_the_structured_answer(run: Any) -> None:
    fields = json.loads(run("call", "list_contact_fields", "query=plan", "--json").stdout)
    assert fields["fields"] == [{"field_id": 31, "name": "Plan"}]


def test_a_change_made_in_one_run_can_be_taken_back_in_another(run: Any) -> None:
    made = json.loads(
        run("call", "update_contact", "contact_id=1001", 'custom_fields={"Plan": "Basic"}', "--json").stdout
    )
    undone = json.loads(run("call", "undo_change", f"change_id={made['change_id']}", "--json").stdout)
    assert undone["changes"] == [{"field": "Plan", "before": "Basic", "after": "Gold"}]


@pytest.mark.parametrize(
    ("tool", "given"), [("create_contact", "phone=(510) 555-3344"), ("update_contact", "contact_id=1001")]
)
def test_without_a_journal_no_number_is_told_that_no_later_run_knows(run: Any, tool: str, given: str) -> None:
    assert "(change 1)" in run("call", tool, given, "first=Jo").stdout
    run("sandbox", "reset", "--yes")
    without = run("call", tool, given, "first=Jo", "--no-journal").stdout
    assert "(change" not in without
    assert without.startswith(("Created", "Updated"))
    run("sandbox", "reset", "--yes")
    assert "change_id" not in json.loads(run("call", tool, given, "first=Jo", "--no-journal", "--json").stdout)


def test_what_was_confirmed_in_one_run_counts_in_another(run: Any) -> None:
    """The signing key is kept in the data directory, so a client may restart its server between question and answer."""
    asked = json.loads(run("call", "delete_contact", "contact_id=1001", "--json").stdout)
    done = json.loads(
        run("call", "delete_contact", "contact_id=1001", f"confirm_token={asked['confirm_token']}", "--json").stdout
    )
    assert (asked["status"], done["status"]) == ("needs_confirmation", "deleted")


def test_a_refusal_exits_with_1_and_says_why_on_stderr(run: Any) -> None:
    done = run("call", "lookup_contact", "phone=call me")
    assert done.exit_code == 1
    assert done.stdout == ""
    assert "phone:" in done.stderr


def test_the_structure_of_a_refusal_is_printed_for_programs(run: Any) -> None:
    done = run("call", "lookup_contact", "phone=call me", "--json")
    facts = json.loads(done.stdout)
    assert (done.exit_code, facts["kind"]) == (1, "invalid_phone")
    assert done.stderr == f"{facts['message']}\n"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("call", "lookup_contact", "phone"), "NAME=VALUE"),
        (("serve", "--base-url", "http://example.com"), "HEYMARKET_BASE_URL"),
        (("serve", "--tools", "everything"), "CONTACTS_MCP_TOOLS"),
        (("serve", "--http", "0.0.0.0:8000"), "CONTACTS_MCP_ACCOUNTS"),
        (("serve", "--http", "8000"), "from 1 to 65535"),
        (("serve", "--http", "127.0.0.1:"), "from 1 to 65535"),
        (("serve", "--http", "two words:80"), "from 1 to 65535"),
        (("serve", "--http", "127.0.0.1:99999"), "from 1 to 65535"),
        (("serve", "--http", "127.0.0.1:²"), "from 1 to 65535"),
        (("call",), "There are: create_contact, lookup_contact"),
        (("call", "lookup_contact", "contact_id=1001", "contact_id=1002"), "contact_id is given twice"),
        (("install", "cursor", "--print", "--uninstall"), "give one of them"),
        (("install", "--print"), "`contacts-mcp install` lists them"),
        (("--sandbox", "serve"), "--sandbox goes behind the command that it belongs to: contacts-mcp serve --sandbox"),
        (("--sandbox", "doctor"), "contacts-mcp doctor --sandbox"),
        (("--read-only", "call", "lookup_contact"), "contacts-mcp call --read-only"),
        (("serve", "--uninstall"), "contacts-mcp install --uninstall"),
        (("doctor", "--http", "127.0.0.1:80"), "contacts-mcp serve --http"),
        (("journal", "clear", "--sandbox"), "contacts-mcp serve --sandbox"),
        (("journal", "--all", "clear"), "contacts-mcp doctor --all"),
        (("call", "list_contacts", "--limit", "2"), "written without dashes: limit=VALUE"),
        (("call", "update_contact", "--contact-id=1001"), "written without dashes: contact_id=VALUE"),
        (("call", "lookup_contact", "--http", "127.0.0.1:80"), "contacts-mcp serve --http"),
        (("call", "list_contacts", "--no-such-flag"), "No such option"),
        (("serve", "--no-such-flag"), "No such option"),
    ],
)
def test_wrong_words_exit_with_2_and_say_what_is_expected(run: Any, words: tuple[str, ...], said: str) -> None:
    done = run(*words)
    assert done.exit_code == 2
    assert said in done.stderr


def test_the_journal_is_cleared_after_a_question(run: Any) -> None:
    run("call", "update_contact", "contact_id=1001", "first=Jo")
    assert run("journal", "clear", input="n\n").exit_code == 1
    assert "Forgot 1 changes." in run("journal", "clear", "--yes").stdout
    assert "holds no such change" in run("call", "list_changes").stdout


def test_a_journal_that_is_not_there_has_nothing_to_forget(run: Any, tmp_path: Path) -> None:
    assert "Forgot 0 changes." in run("journal", "clear", "--yes").stdout
    assert list(tmp_path.iterdir()) == []


def test_a_journal_that_cannot_be_cleared_is_said(run: Any, tmp_path: Path) -> None:
    (tmp_path / "journal.sqlite3").mkdir()
    done = run("journal", "clear", "--yes")
    assert done.exit_code == 1
    assert done.stderr.startswith("Error: Nothing was changed: the journal")


def test_the_sandbox_is_put_back_after_a_question_and_its_changes_are_forgotten(run: Any, tmp_path: Path) -> None:
    before = run("call", "lookup_contact", "contact_id=1001").stdout
    run("call", "update_contact", "contact_id=1001", "first=Jo")
    run("call", "delete_contact", "contact_id=1002")
    assert run("sandbox", "reset", input="n\n").exit_code == 1
    assert run("call", "lookup_contact", "contact_id=1001").stdout != before
    done = run("sandbox", "reset", "--yes")
    assert done.stdout == "Done: sandbox.sqlite3 in the data directory is as it was at first.\n"
    assert run("call", "lookup_contact", "contact_id=1001").stdout == before
    assert run("call", "update_contact", "contact_id=1001", "first=Jo").exit_code == 0


def test_a_file_that_is_no_sandbox_is_not_reset(run: Any, tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"something else" * 100)
    done = run("sandbox", "reset", "--yes", "--sandbox-file", str(tmp_path / "other"))
    assert done.exit_code == 1
    assert "The sandbox's file cannot be used" in done.stderr
    assert (tmp_path / "other").read_bytes() == b"something else" * 100


def test_the_index_is_built_looked_at_and_forgotten(run: Any, tmp_path: Path) -> None:
    assert "There is no index at" in run("index", "status").stdout
    assert list(tmp_path.iterdir()) == []
    built = run("index", "build")
    assert built.exit_code == 0
    assert built.stdout.startswith("It has 300 contacts, complete as of 2")
    said = run("index", "status", "--check").stdout
    assert f"The index is {tmp_path / 'index-'}" in said
    assert "It has 300 contacts, complete as of 2" in said
    assert "Every page of the file was checked, and is sound." in said
    assert run("index", "forget", input="n\n").exit_code == 1
    assert run("index", "forget", "--yes").stdout == "Deleted 1 index.\n"
    assert [*tmp_path.glob("index*")] == []
    assert run("index", "forget", "--yes").stdout == "Deleted 0 indexes.\n"


@pytest.mark.parametrize(
    ("where", "said"), [("off", "The index is switched off"), ("memory", "The index is kept in memory")], ids=str
)
def test_an_index_that_has_no_file_cannot_be_built(run: Any, where: str, said: str) -> None:
    assert run("index", "status", "--index", where).stdout.startswith(said)
    refused = run("index", "build", "--index", where)
    assert refused.exit_code == 1
    assert refused.stderr.startswith(f"Error: {said}")


def test_a_damaged_index_is_said_and_left_as_it_is(run: Any, tmp_path: Path) -> None:
    run("index", "build")
    [path] = tmp_path.glob("index-*.sqlite3")
    path.write_bytes(b"not a database" * 500)
    assert "It cannot be used: it cannot be read" in run("index", "status").stdout
    assert path.read_bytes() == b"not a database" * 500
    assert "It has 300 contacts, complete" in run("index", "build").stdout


def test_what_stops_the_filling_of_the_index_is_said_and_it_goes_on_later(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = run("index", "build", env={"CONTACTS_MCP_SANDBOX": "0"})
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert "HEYMARKET_API_KEY" in refused.stderr

    def stopped(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("contacts_mcp.setup.index.build", stopped)
    assert run("index", "build").stderr == "Error: Stopped. The next time goes on from here.\n"


def test_putting_the_sandbox_back_forgets_its_index(run: Any, tmp_path: Path) -> None:
    run("index", "build")
    run("sandbox", "reset", "--yes")
    assert [*tmp_path.glob("index-*.sqlite3")] == []


def test_install_alone_lists_the_assistants(run: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    done = run("install")
    assert done.exit_code == 0
    assert [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  ")] == [
        client.key for client in CLIENTS
    ]


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Settings]:
    """The settings of every server that a command would have begun."""
    found: list[Settings] = []

    def built(settings: Settings) -> None:
        found.append(settings)
        raise InvalidSettings("far enough")

    monkeypatch.setattr(server, "build_server", built)
    return found


@pytest.mark.parametrize(
    ("words", "zone"),
    [
        ((), ""),
        (("--time-zone", "Asia/Kolkata"), "Asia/Kolkata"),
        (("--http", "127.0.0.1:8000"), "UTC"),
        (("--http", "127.0.0.1:8000", "--time-zone", "Asia/Kolkata"), "Asia/Kolkata"),
    ],
    ids=str,
)
def test_days_are_local_over_stdio_and_utc_over_http_unless_a_zone_is_set(
    run: Any, served: list[Settings], words: tuple[str, ...], zone: str
) -> None:
    assert "far enough" in run("serve", *words).stderr
    assert [settings.time_zone for settings in served] == [zone]


@pytest.mark.parametrize(
    ("words", "folders"),
    [
        ((), ["Downloads", "Documents", "Desktop", Path.cwd().name]),
        (("--files", "/lists"), ["lists"]),
        (("--http", "127.0.0.1:8000"), []),
        (("--http", "127.0.0.1:8000", "--files", "/lists"), []),
    ],
    ids=str,
)
def test_an_assistant_has_some_folders_over_stdio_and_none_over_http(
    run: Any, served: list[Settings], words: tuple[str, ...], folders: list[str]
) -> None:
    assert "far enough" in run("serve", *words).stderr
    assert [[folder.name for folder in settings.folders] for settings in served] == [folders]


ONE_ACCOUNT = {
    "call": ["list_changes"],
    "export": ["vips.csv", "--where", "tag=VIP"],
    "import": ["people.csv", "--dry-run"],
    "update": ["--where", "tag=VIP", "--set", "add_tag=Lead", "--dry-run"],
    "describe": [],
    "probe": ["--yes"],
    "index status": [],
    "index build": [],
}


@pytest.fixture
def accounts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two accounts of a file, and no credential of this server's own."""
    monkeypatch.delenv("CONTACTS_MCP_SANDBOX")
    monkeypatch.setenv("CONTACTS_MCP_ACCOUNTS", str(tmp_path / "accounts.toml"))
    monkeypatch.chdir(tmp_path)
    token = '[[accounts.{0}.tokens]]\nname = "Jo"\nsha256 = "{1}"\nscopes = ["contacts:read"]\n'
    text = "".join(
        f"[accounts.{name}]\nsandbox = true\n{token.format(name, digit * 64)}"
        for name, digit in (("oakland", "1"), ("berlin", "2"))
    )
    (tmp_path / "accounts.toml").write_text(text, encoding="utf-8")
    (tmp_path / "people.csv").write_text("phone,first\n(510) 555-0177,Jo\n", encoding="utf-8")


@pytest.mark.parametrize("command", ONE_ACCOUNT)
def test_a_command_about_one_account_names_it(run: Any, accounts: None, command: str) -> None:
    words = [*command.split(), *ONE_ACCOUNT[command]]
    for given, problem in ([], "Which account?"), (["--account", "paris"], 'There is no account "paris".'):
        done = run(*words, *given)
        assert (done.exit_code, done.stdout) == (2, "")
        assert f"{problem} Give --account with one of: oakland, berlin." in done.stderr
    assert run(*words, "--account", "oakland").exit_code == 0


def test_accounts_that_are_named_do_not_meet(run: Any, accounts: None, monkeypatch: pytest.MonkeyPatch) -> None:
    run("call", "update_contact", "contact_id=1001", "first=Jo", "--account", "berlin")
    assert "first from Jordan to Jo" in run("call", "list_changes", "--account", "berlin").stdout
    assert "Jordan" not in run("call", "list_changes", "--account", "oakland").stdout
    report = run("doctor", "--account", "berlin")
    assert "CONTACTS_MCP_SANDBOX = True (the file of accounts)" in report.stdout
    assert "the sandbox accepts the credentials" in report.stdout
    assert "CONTACTS_MCP_CALL_TIMEOUT" not in report.stdout, "nobody set it"
    assert 'There is no account "paris"' in run("doctor", "--account", "paris").stdout
    monkeypatch.delenv("CONTACTS_MCP_ACCOUNTS")
    assert "CONTACTS_MCP_ACCOUNTS, which is not set" in run("call", "list_changes", "--account", "berlin").stderr


def test_every_command_with_the_settings_of_an_account_can_name_one() -> None:
    groups = [main, *(one for one in main.commands.values() if isinstance(one, click.Group))]
    commands = [one for group in groups for one in group.commands.values()]
    flags = {one.name: {param.name for param in one.params} for one in commands}
    assert {name for name, its in flags.items() if "account" not in its and "base_url" in its} == {"serve"}


def test_every_setting_that_is_no_secret_is_a_flag() -> None:
    secrets = {name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)}
    assert FLAGS.keys() | HOSTING.keys() == Settings.model_fields.keys() - secrets


def test_the_log_file_has_a_line_for_each_call_and_request_and_nothing_personal(run: Any, tmp_path: Path) -> None:
    log = tmp_path / "log.txt"
    log.touch(mode=0o644)
    run("call", "update_contact", "contact_id=1001", "first=Jo", "--log-file", str(log))
    refused = run("call", "lookup_contact", "phone=(510) 555-01000", "--log-file", str(log))
    text = log.read_text(encoding="utf-8")
    assert re.search(r" INFO call update_contact: ok updated, \d+ ms, request -\n", text)
    assert re.search(r" INFO call lookup_contact: error invalid_phone, \d+ ms, request -\n", text)
    assert re.search(r" INFO request PUT /v1/contact/\{id\}: 200, \d+ ms, request [\w.:-]{4,}\n", text)
    said = re.sub(r"(?m)^[\d-]+ [\d:,]+ |, \d+ ms, request [\w.:-]+$", "", text)  # without numbers made up by chance
    assert not re.search(r"1001|Jordan|Rivera|Jo\b|555|@|sandbox-api-key", said)
    assert log.stat().st_mode & 0o077 == 0 or os.name == "nt"
    assert "INFO" not in refused.stderr


def test_the_lines_are_for_info_and_the_default_is_silent(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    run("call", "lookup_contact", "contact_id=1001")
    assert caplog.messages == []
    run("call", "lookup_contact", "contact_id=1001", "--log-level", "INFO")
    lines = [message.partition(":")[0] for message in caplog.messages]
    assert lines[0] == "request GET /v1/contact/{id}"
    assert [line for line in lines if line.startswith("call")] == lines[-1:] == ["call lookup_contact"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such devices")
def test_a_log_file_that_is_a_device_stays_open_to_others(run: Any) -> None:
    """Everybody on the machine needs /dev/null."""
    ours, theirs = os.openpty()
    os.fchmod(theirs, 0o622)
    assert run("call", "lookup_contact", "contact_id=1001", "--log-file", os.ttyname(theirs)).exit_code == 0
    assert os.fstat(theirs).st_mode & 0o777 == 0o622
    os.close(theirs)
    os.close(ours)


def test_a_log_file_that_cannot_be_written_is_said(run: Any, tmp_path: Path) -> None:
    done = run("call", "lookup_contact", "contact_id=1001", "--log-file", str(tmp_path))
    assert (done.exit_code, "CONTACTS_MCP_LOG_FILE cannot be written" in done.stderr) == (2, True)
