"""The findings of the doctor, which tell nothing secret or personal."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import aclosing, closing
from email.utils import formatdate
from pathlib import Path
from typing import Any

import anyio
import pytest
from support.issuer import Issuer

from contacts_mcp.config import InvalidSettings, Settings
from contacts_mcp.sandbox import Credentials, open_sandbox
from contacts_mcp.setup import doctor
from contacts_mcp.setup.assistants import BY_KEY, Machine
from contacts_mcp.setup.doctor import Finding, Level, Patient
from contacts_mcp.state.index import Index
from contacts_mcp.state.journal import Journal
from contacts_mcp.state.ledger import SqliteLedger
from contacts_mcp.state.row import Row
from contacts_mcp.state.signing_key import kept_key
from contacts_mcp.workspace import index_path

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps rights elsewhere")

NOW = 1_800_000_000.0
UP = 5_000.0
NOBODY_HOME = "http://127.0.0.1:9"
ID, KEY = "11111111-2222-3333-4444-555555555555", "sandbox-secret-key"


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("HEYMARKET_", "CONTACTS_MCP_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "jordan rivera"
    folder.mkdir()
    return folder


def patient(home: Path, **given: Any) -> Patient:
    settings = Settings.load(**{"data_dir": home / "data", **given})
    return Patient(
        settings, frozenset(given), Machine("linux", home, dict(os.environ)), clock=lambda: NOW, uptime=lambda: UP
    )


def about(topic: str, findings: list[Finding]) -> list[Finding]:
    return [finding for finding in findings if finding.about == topic]


def worst(topic: str, who: Patient) -> Level:
    levels = [finding.level for finding in about(topic, doctor.examine(who))]
    return max(levels, key=list(Level).index)


def told(who: Patient) -> str:
    return doctor.told(doctor.examine(who), who)


def put_entry(home: Path, entry: dict[str, Any], *, mode: int = 0o600) -> Path:
    path = BY_KEY["cursor"].place(Machine("linux", home))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"mcpServers": {"contacts": entry}}), encoding="utf-8")
    path.chmod(mode)
    return path


def test_all_is_well_in_the_sandbox(home: Path) -> None:
    findings = doctor.examine(patient(home, sandbox=True))
    assert [finding for finding in findings if finding.level is not Level.OK and finding.about != "streams"] == []
    assert doctor.is_well(findings)
    assert {
        "program",
        "streams",
        "setting",
        "clients",
        "credentials",
        "data directory",
        "index",
        "profile",
        "screens",
        "requests",
        "service",
    } == {finding.about for finding in findings}


def test_it_leaves_nothing_behind(home: Path) -> None:
    doctor.examine(patient(home, sandbox=True))
    assert list(home.iterdir()) == []


def test_without_credentials_it_works_and_says_what_to_set(home: Path) -> None:
    findings = doctor.examine(patient(home))
    assert not doctor.is_well(findings)
    assert "HEYMARKET_SECRET_ID" in about("credentials", findings)[0].advice


def test_a_team_needs_no_credentials_beside_those_of_its_accounts(home: Path) -> None:
    (home / "key").write_text("sandbox-api-key", encoding="utf-8")
    (home / "key").chmod(0o600)
    accounts = home / "accounts.toml"
    token = f'[[accounts.a.tokens]]\nname = "Jo"\nsha256 = "{"0" * 64}"\nscopes = ["contacts:read"]\n'
    accounts.write_text(f'[accounts.a]\napi_key_file = "key"\n{token}', encoding="utf-8")
    findings = doctor.examine(patient(home, accounts=accounts))
    (credentials,) = about("credentials", findings)
    (service,) = about("service", findings)
    assert "each account" in credentials.text
    assert "accounts.toml" in service.text
    assert {finding.level for finding in findings} == {Level.OK}
    (home / "key").chmod(0o644)
    _, remark = about("accounts", doctor.examine(patient(home, accounts=accounts)))
    assert (remark.level, "everybody on this machine may read" in remark.text) == (Level.WARNING, True)


def test_the_keys_of_an_issuer_are_fetched_as_the_server_would(home: Path) -> None:
    file = home / "accounts.toml"
    with Issuer().serving() as issuer:
        file.write_text(
            f'{issuer.table}audience = "x"\n[accounts.a]\nsandbox = true\nsubjects = ["{issuer.url} ada"]\n',
            encoding="utf-8",
        )
        (keys,) = about("keys", doctor.examine(patient(home, accounts=file)))
        assert (keys.level, keys.text) == (Level.OK, f"those of {issuer.url} can be fetched")
        issuer.status = 404
        (keys,) = about("keys", doctor.examine(patient(home, accounts=file)))
        assert (keys.level, "the answer has the status 404" in keys.text) == (Level.PROBLEM, True)
    (keys,) = about("keys", doctor.examine(patient(home, accounts=file)))
    assert "nothing listens at that address" in keys.text


@pytest.mark.parametrize(
    ("given", "level"),
    [
        ({"secret_id": ID}, Level.PROBLEM),
        ({"api_key": "your-api-key"}, Level.WARNING),
        ({"api_key": "0123456789abcdef"}, Level.OK),
        ({"api_key": "0123456789abcdef", "secret_id": ID, "secret_key": KEY}, Level.WARNING),
    ],
    ids=["half a secret", "placeholder", "plausible", "both kinds"],
)
def test_credentials_are_judged_by_their_shape(given: dict[str, str], level: Level, home: Path) -> None:
    assert worst("credentials", patient(home, base_url=NOBODY_HOME, **given)) is level


def test_each_setting_says_where_it_came_from(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTACTS_MCP_DEFAULT_REGION", "GB")
    monkeypatch.setenv("CONTACTS_MCP_TIMEOUT", "99")
    who = patient(home, sandbox=True, timeout=20.0)
    for everything in (False, True):
        text = doctor.told(doctor.examine(who), who, everything=everything)
        assert "CONTACTS_MCP_DEFAULT_REGION = GB (environment)" in text
        assert "CONTACTS_MCP_TIMEOUT = 20.0 (flag)" in text
        assert ("CONTACTS_MCP_CONFIRM = auto (default)" in text) is everything
    assert "CONTACTS_MCP_CONFIRM = auto (default)" in doctor.report(doctor.examine(who), who)


def test_the_folders_of_files_are_shown_as_they_are_written(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONTACTS_MCP_FILES", f"/srv/lists{os.pathsep}/srv/fairs")
    who = patient(home, sandbox=True)
    assert f"CONTACTS_MCP_FILES = /srv/lists{os.pathsep}/srv/fairs (environment)" in doctor.told(
        doctor.examine(who), who
    )


def test_a_folder_of_files_that_is_not_open_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "lists").mkdir()
    closed = [str(home / "lost"), str(Path.home())]
    monkeypatch.setenv("CONTACTS_MCP_FILES", os.pathsep.join([str(home / "lists"), *closed]))
    findings = about("files", doctor.examine(patient(home, sandbox=True)))
    assert [finding.level for finding in findings] == [Level.WARNING] * 2
    assert all(place in finding.text for place, finding in zip(closed, findings, strict=True))


def test_where_a_client_is_set_up_on_the_sandbox_that_is_what_is_asked(home: Path) -> None:
    place = BY_KEY["cursor"].place(Machine("linux", home))
    place.parent.mkdir(parents=True)
    entry = {"command": sys.executable, "args": ["-m", "contacts_mcp", "serve", "--sandbox"]}
    place.write_text(json.dumps({"mcpServers": {"contacts": entry}}), encoding="utf-8")
    who = doctor.with_credentials(patient(home))
    text = told(who)
    assert "CONTACTS_MCP_SANDBOX = True (Cursor's file)" in text
    assert text.endswith("All is well.")


def test_the_last_line_counts_what_is_wrong(home: Path) -> None:
    assert told(patient(home)).splitlines()[-1] == "1 problem and 1 warning."


def test_a_variable_that_counts_for_nothing_is_mentioned(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEYMARKET_API_KEY", "${user_config.api_key}")
    monkeypatch.setenv("HEYMARKET_API_KEYS", "1")
    text = told(patient(home, sandbox=True))
    assert "HEYMARKET_API_KEY is blank or an unfilled placeholder" in text
    assert "HEYMARKET_API_KEYS is not a setting" in text


def test_settings_that_cannot_be_used_are_one_problem_among_the_findings(home: Path) -> None:
    who = Patient(InvalidSettings("CONTACTS_MCP_TIMEOUT: expected a number."), frozenset(), Machine("linux", home))
    findings = doctor.examine(who)
    assert about("settings", findings)[0].level is Level.PROBLEM
    assert about("clients", findings)


# The clock


@pytest.mark.parametrize(
    ("skew", "level"),
    [
        (0, Level.OK),
        (-20, Level.OK),
        (45, Level.WARNING),
        (-100, Level.WARNING),
        (400, Level.PROBLEM),
        (-400, Level.PROBLEM),
    ],
)
def test_the_clock_is_compared_with_the_services(skew: int, level: Level) -> None:
    assert [finding.level for finding in doctor.clock_findings(formatdate(NOW, usegmt=True), NOW + skew)] == [level]


@pytest.mark.parametrize("date", ["", "yesterday"])
def test_an_answer_without_a_date_says_nothing_about_the_clock(date: str) -> None:
    assert list(doctor.clock_findings(date, NOW)) == []


# The service


@pytest.fixture(scope="module")
def service() -> Iterator[str]:
    """The sandbox over HTTP, in a process of its own."""
    command = [sys.executable, "-m", "contacts_mcp", "sandbox", "--port", "0", "--contacts", "1"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, encoding="utf-8", env={**os.environ, "PYTHONUNBUFFERED": "1"}
    ) as child:
        assert child.stdout is not None
        url = next(
            word.split("=", 1)[1]
            for line in child.stdout
            for word in line.split()
            if word.startswith("HEYMARKET_BASE_URL=")
        )
        yield url
        child.terminate()


def test_a_live_service_is_asked_once_and_its_clock_read(home: Path, service: str) -> None:
    who = patient(home, base_url=service, api_key=Credentials().api_key)
    findings = doctor.examine(who)
    assert about("service", findings)[0].level is Level.OK
    assert [finding.level for finding in about("clock", findings)] == [Level.PROBLEM]  # our clock stands in 2027
    assert Credentials().api_key not in told(who)


def test_refused_credentials_are_a_problem_and_are_not_told(home: Path, service: str) -> None:
    who = patient(home, base_url=service, api_key="not-the-right-key")
    assert worst("service", who) is Level.PROBLEM
    assert "not-the-right-key" not in told(who)


def test_a_service_that_is_not_there_is_a_problem(home: Path) -> None:
    assert worst("service", patient(home, base_url="http://127.0.0.1:9", api_key="0123456789abcdef")) is Level.PROBLEM


# The rest of the machine


def test_room_under_the_rate_limit_comes_from_the_ledger_of_all_servers(home: Path) -> None:
    who = patient(home, sandbox=True, requests_per_minute=10)
    assert isinstance(who.settings, Settings)
    who.settings.directory.mkdir()
    ledger = SqliteLedger(who.settings.directory / "pace.sqlite3", who.settings.account)

    async def nine_requests() -> None:
        for _ in range(9):
            await ledger.reserve(UP - 5, 10)

    anyio.run(nine_requests)
    assert about("requests", doctor.examine(who))[0].text == "1 of 10 left in this minute"
    assert worst("requests", who) is Level.WARNING
    anyio.run(ledger.pause, UP, UP + 30)
    assert "paused for 30 s" in told(who)
    anyio.run(ledger.aclose)


def test_a_ledger_that_cannot_be_read_is_mentioned(home: Path) -> None:
    (home / "data").mkdir()
    (home / "data" / "pace.sqlite3").write_bytes(b"not a database, but long enough to look at" * 50)
    assert worst("requests", patient(home, sandbox=True)) is Level.WARNING


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps rights elsewhere")
def test_a_data_directory_others_can_read_is_mentioned(home: Path) -> None:
    (home / "data").mkdir(mode=0o700)
    assert worst("data directory", patient(home, sandbox=True)) is Level.OK
    (home / "data").chmod(0o755)
    assert worst("data directory", patient(home, sandbox=True)) is Level.WARNING


def test_a_data_directory_that_cannot_be_made_is_a_problem(home: Path) -> None:
    (home / "data").write_text("a file is in the way", encoding="utf-8")
    assert worst("data directory", patient(home, sandbox=True, data_dir=home / "data" / "below")) is Level.PROBLEM


def a_file(home: Path) -> None:
    (home / "data").touch()


def index_with(home: Path, *contacts: Row, sound: bool = True) -> None:
    path = index_path(Settings.load(data_dir=home / "data", sandbox=True))
    assert path
    with closing(Index.open(path)) as index:
        index.begin_walk(as_of=str(NOW))
        index.upsert(contacts)
        index.end_walk(began=NOW, ended=NOW)
    if not sound:
        path.write_bytes(b"not a database" * 500)


def test_the_index_is_told_and_left_as_it_is(home: Path) -> None:
    def found(**given: Any) -> list[tuple[Level, str]]:
        return [(one.level, one.text) for one in about("index", doctor.examine(patient(home, sandbox=True, **given)))]

    assert found() == [(Level.OK, "will be filled at the first search")]
    assert found(index="off") == [(Level.OK, "switched off")]
    assert found(index="memory") == [(Level.OK, "in memory while a server runs")]
    assert not [*home.glob("data/index*")]
    index_with(home, Row(id=1, first="Zbigniewa"))
    before = [path.name for path in home.glob("data/index*")]
    [(level, text)] = found()
    assert (level, text.partition(": ")[2]) == (Level.OK, "1 contacts, complete as of 2027-01-15T08:00:00Z")
    assert [path.name for path in home.glob("data/index*")] == before
    index_with(home, sound=False)
    [(level, text)] = found()
    assert (level, "it cannot be read" in text) == (Level.WARNING, True)


def no_journal_at_all(home: Path) -> None:
    (home / "data").mkdir(mode=0o700)


def spoilt(home: Path) -> None:
    no_journal_at_all(home)
    (home / "data" / "journal.sqlite3").write_bytes(b"not a database" * 500)


def spoilt_inside(home: Path) -> None:
    well(home)
    content = (home / "data" / "journal.sqlite3").read_bytes()
    (home / "data" / "journal.sqlite3").write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


def newer(home: Path) -> None:
    well(home)
    with closing(sqlite3.connect(home / "data" / "journal.sqlite3")) as db:
        db.execute("PRAGMA user_version = 99")


def locked(home: Path) -> None:
    well(home)
    HOLDERS.append(sqlite3.connect(home / "data" / "journal.sqlite3", isolation_level=None))
    HOLDERS[-1].execute("BEGIN IMMEDIATE")


def well(home: Path) -> None:
    no_journal_at_all(home)
    anyio.run(used, home / "data" / "journal.sqlite3")


async def used(path: Path) -> None:
    async with aclosing(Journal(path, "account")) as journal:
        await journal.entries()


HOLDERS: list[sqlite3.Connection] = []


@pytest.mark.parametrize(
    ("befall", "topic", "level", "said"),
    [
        (a_file, "data directory", Level.PROBLEM, "is not a folder, so nothing can be changed"),
        (no_journal_at_all, "journal", Level.OK, "will be made at the first change"),
        (well, "journal", Level.OK, "can be written"),
        (spoilt, "journal", Level.PROBLEM, "it cannot be read; the next change sets it aside"),
        (spoilt_inside, "journal", Level.PROBLEM, "it cannot be read; the next change sets it aside"),
        (newer, "journal", Level.PROBLEM, "written by a newer contacts-mcp"),
        (locked, "journal", Level.PROBLEM, "another program has locked it"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_the_journal_is_tried_and_left_as_it_is(
    home: Path, befall: Callable[[Path], None], topic: str, level: Level, said: str
) -> None:
    befall(home)
    before = {path.name: path.read_bytes() for path in home.glob("data/journal.sqlite3")}
    try:
        (finding,) = about(topic, doctor.examine(patient(home, sandbox=True)))
    finally:
        while HOLDERS:
            HOLDERS.pop().close()
    assert finding.level is level
    assert said in finding.text
    assert {path.name: path.read_bytes() for path in home.glob("data/journal.sqlite3")} == before


def test_a_journal_that_was_set_aside_is_named(home: Path) -> None:
    well(home)
    (home / "data" / "journal.unreadable-20261125-101112.sqlite3").touch()
    *_, finding = about("journal", doctor.examine(patient(home, sandbox=True)))
    assert finding.level is Level.WARNING
    assert "journal.unreadable-20261125-101112.sqlite3 could not be read and was set aside" in finding.text


@posix
def test_a_signing_key_that_others_can_read_is_mentioned(home: Path) -> None:
    who = patient(home, sandbox=True)
    kept_key(home / "data" / "signing.key")
    assert about("signing key", doctor.examine(who)) == []
    (home / "data" / "signing.key").chmod(0o644)
    assert worst("signing key", who) is Level.WARNING


def test_names_from_a_clients_file_can_neither_draw_nor_break_lines(home: Path) -> None:
    path = put_entry(home, {})
    name = 'x" \x1b[31m**bold** [link](https://evil.example)\nok       journal: fine'
    entry = {"command": "/gone/contacts-mcp\u202e\nok", "args": ["contacts-mcp", "--sandbox"]}
    path.write_text(json.dumps({"mcpServers": {name: entry}}), encoding="utf-8")
    findings = about("Cursor", doctor.examine(patient(home, sandbox=True)))
    text, advice, summary = doctor.told(findings, patient(home, sandbox=True)).split("\n")
    assert (advice.split()[0], summary) == ("->", "1 problem.")
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "[link](" not in text


def test_a_command_that_holds_a_secret_is_not_told(home: Path) -> None:
    put_entry(home, {"command": "API_KEY=planted-1 contacts-mcp", "args": ["contacts-mcp", "serve"]})
    assert "planted" not in told(patient(home, sandbox=True))


def test_credentials_in_the_arguments_of_a_container_count(home: Path) -> None:
    args = ["run", "-i", "-e", f"HEYMARKET_API_KEY={KEY}", "contacts-mcp", "serve"]
    put_entry(home, {"command": sys.executable, "args": args})
    (finding,) = about("Cursor", doctor.examine(patient(home, sandbox=True)))
    assert finding.level is Level.OK
    put_entry(home, {"command": sys.executable, "args": args}, mode=0o644)
    assert worst("Cursor", patient(home, sandbox=True)) is (Level.OK if sys.platform == "win32" else Level.WARNING)
    assert KEY not in told(patient(home, sandbox=True))


def test_a_command_in_a_cache_is_mentioned(home: Path) -> None:
    place = home / ".cache" / "uv" / "archive-v0" / "aBc" / "bin"
    place.mkdir(parents=True)
    (place / "contacts-mcp").touch()
    put_entry(home, {"command": str(place / "contacts-mcp"), "args": ["serve", "--sandbox"]})
    (finding,) = about("Cursor", doctor.examine(patient(home, sandbox=True)))
    assert finding.level is Level.WARNING
    assert "in the cache of `uvx`, which is emptied from time to time" in finding.text
    assert "contacts-mcp install cursor" in finding.advice


@posix
def test_a_copy_that_others_can_read_is_mentioned(home: Path) -> None:
    path = put_entry(home, {"command": sys.executable, "args": ["-m", "contacts_mcp", "serve", "--sandbox"]})
    copy = path.with_name("mcp.json.20260101-101112-000001.bak")
    copy.write_text("{}", encoding="utf-8")
    copy.chmod(0o644)
    assert worst("Cursor", patient(home, sandbox=True)) is Level.WARNING
    copy.chmod(0o600)
    assert worst("Cursor", patient(home, sandbox=True)) is Level.OK


def test_problems_come_last_where_they_are_read_first(home: Path) -> None:
    lines = [line for line in told(patient(home)).splitlines() if not line.startswith(" ")][:-1]
    levels = [line.split()[0] for line in lines]
    assert levels == sorted(levels, key=["ok", "warning", "problem"].index)
    assert levels[-1] == "problem"


def test_borrowed_credentials_go_only_where_they_belong(home: Path) -> None:
    """Else the key of a test service would be sent to the live one."""
    variables = {
        "HEYMARKET_API_KEY": KEY,
        "HEYMARKET_BASE_URL": "http://127.0.0.1:9",
        "CONTACTS_MCP_API_KEY_SCHEME": "basic",
    }
    put_entry(home, {"command": sys.executable, "args": ["-m", "contacts_mcp", "serve"], "env": variables})
    settings = doctor.with_credentials(patient(home)).settings
    assert isinstance(settings, Settings)
    assert (settings.base_url, settings.api_key_scheme) == ("http://127.0.0.1:9", "basic")
    mine = doctor.with_credentials(patient(home, base_url="http://127.0.0.1:10")).settings
    assert isinstance(mine, Settings)
    assert mine.base_url == "http://127.0.0.1:10"


@pytest.mark.parametrize(
    "variable", ["CONTACTS_MCP_PORT", "CONTACTS_MCP_SERVICE_HOST", "CONTACTS_MCP_PORT_80_TCP_ADDR"]
)
def test_service_links_of_a_cluster_are_nothing_to_mention(
    home: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.setenv(variable, "tcp://10.0.0.1:80")
    assert variable not in told(patient(home, sandbox=True))


def test_the_files_of_clients_are_looked_at(home: Path) -> None:
    path = put_entry(home, {"command": sys.executable, "args": ["-m", "contacts_mcp", "serve", "--sandbox"]})
    (finding,) = about("Cursor", doctor.examine(patient(home, sandbox=True)))
    assert finding.level is Level.OK
    assert str(path) in finding.text


@pytest.mark.parametrize(
    ("entry", "mode", "level"),
    [
        ({"command": "/gone/contacts-mcp", "args": ["serve", "--sandbox"]}, 0o600, Level.PROBLEM),
        ({"command": sys.executable, "args": ["-m", "contacts_mcp", "serve"]}, 0o600, Level.WARNING),
        (
            {"command": sys.executable, "args": ["-m", "contacts_mcp"], "env": {"HEYMARKET_API_KEY": KEY}},
            0o600,
            Level.OK,
        ),
        pytest.param(
            {"command": sys.executable, "args": ["-m", "contacts_mcp"], "env": {"HEYMARKET_API_KEY": KEY}},
            0o644,
            Level.WARNING,
            marks=pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps rights elsewhere"),
        ),
    ],
    ids=["command is gone", "no credentials", "well", "others can read them"],
)
def test_what_is_wrong_with_an_entry_is_said_with_the_command_that_mends_it(
    entry: Any, mode: int, level: Level, home: Path
) -> None:
    put_entry(home, entry, mode=mode)
    (finding,) = about("Cursor", doctor.examine(patient(home, sandbox=True)))
    assert finding.level is level
    assert level is Level.OK or "install cursor --name contacts" in finding.advice or "chmod" in finding.advice


def test_a_client_file_that_cannot_be_read_is_mentioned(home: Path) -> None:
    path = put_entry(home, {})
    path.write_text("{", encoding="utf-8")
    assert worst("Cursor", patient(home, sandbox=True)) is Level.WARNING


def test_a_terminal_without_credentials_uses_those_of_a_client(home: Path, service: str) -> None:
    """Else nobody who installed it into a client could check that it works."""
    key = Credentials().api_key
    put_entry(
        home, {"command": sys.executable, "args": ["-m", "contacts_mcp", "serve"], "env": {"HEYMARKET_API_KEY": key}}
    )
    who = doctor.with_credentials(patient(home, base_url=service))
    text = told(who)
    assert "HEYMARKET_API_KEY = ********** (Cursor's file)" in text
    assert key not in text
    assert worst("service", who) is Level.OK


# What is told


def test_nothing_secret_or_personal_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = {
        "HEYMARKET_SECRET_ID": "id-0123456789",
        "HEYMARKET_SECRET_KEY": "key-0123456789-0123456789",
        "CONTACTS_MCP_SIGNING_KEY": "sign-0123456789-0123456789",
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    who = patient(home, base_url="http://127.0.0.1:9")
    said = [
        Finding(Level.OK, "x", f"{value}, jordan@example.com, (510) 555-3344, +15105553344, {home}/x")
        for value in secrets.values()
    ]
    text = doctor.report([*doctor.examine(who), *said], who)
    assert [word for word in (*secrets.values(), "jordan", "rivera", "555") if word in text] == []
    assert "~/x" in text


def test_versions_paths_and_dates_are_not_taken_for_phones(home: Path) -> None:
    text = "Python 3.11.7, Linux-6.18.44-fc-v669-x86_64, 500 of 500, 0.2 s, 20261123-040538-019724.bak"
    assert doctor.redacted(text, patient(home)) == text


def run(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    env = kept | {"HOME": str(home), "USERPROFILE": str(home)} | variables
    command = [sys.executable, "-m", "contacts_mcp", "doctor", *arguments]
    return subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", check=False
    )


def test_the_command_exits_0_where_all_is_well_and_1_where_it_is_not(home: Path) -> None:
    well, ill = run(home, "--sandbox", "--report"), run(home, CONTACTS_MCP_TIMEOUT="soon")
    assert (well.returncode, well.stderr) == (0, "")
    assert well.stdout.startswith("**contacts-mcp doctor**\n\n```text\nok ")
    assert (ill.returncode, ill.stderr) == (1, "")
    assert "problem  settings: CONTACTS_MCP_TIMEOUT" in ill.stdout


def test_the_sandbox_of_the_doctor_is_not_the_users(home: Path) -> None:
    """The sandbox of the user is a file, and it stays as it is."""
    (home / "data").mkdir()
    path = home / "data" / "sandbox.sqlite3"
    open_sandbox(path, contacts=1).close()
    before = path.read_bytes()
    assert worst("service", patient(home, sandbox=True)) is Level.OK
    assert path.read_bytes() == before
