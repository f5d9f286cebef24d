"""Adding the server to an assistant and taking it out: the files written, the texts shown, the parts never touched."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from contacts_mcp.cli import main
from contacts_mcp.config import Settings
from contacts_mcp.errors import AccountError, InvalidArgument
from contacts_mcp.server.tools import TOOLS
from contacts_mcp.setup import config_files, install
from contacts_mcp.setup.assistants import BY_KEY, CLIENTS, Client, Machine
from contacts_mcp.setup.install import API_KEY, SECRET_ID, SECRET_KEY, CredentialsUnusable, Talk
from contacts_mcp.setup.launch import made_by
from contacts_mcp.setup.masking import MASK, holds_credentials, runs_us, shown_arguments

ID, KEY = "11111111-2222-3333-4444-555555555555", "sandbox-secret-key"
GIVEN = {SECRET_ID: ID, SECRET_KEY: KEY}
LAUNCH = ["/opt/a folder/contacts-mcp"]

EVERY_CLIENT = pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.key)

Setup = Callable[..., list[str]]


def settings(**given: Any) -> Settings:
    return Settings.load(**given)


@pytest.fixture(autouse=True)
def no_credentials_around(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(("HEYMARKET_", "CONTACTS_MCP_"))]:
        monkeypatch.delenv(name)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine("linux", tmp_path / "a home with späces")


class Person:
    """Somebody at the terminal: remembers what was said, answers as told."""

    def __init__(self, *answers: str, agrees: bool = True) -> None:
        self.heard: list[str] = []
        self._answers = list(answers)
        self._agrees = agrees

    def talk(self, *, is_there: bool = True) -> Talk:
        return Talk(
            say=self.heard.append,
            ask=(lambda _: self._answers.pop(0)) if is_there else None,
            confirm=lambda _: self._agrees,
        )

    @property
    def text(self) -> str:
        return "\n".join(self.heard)


def add(
    client: Client,
    machine: Machine,
    *,
    person: Person | None = None,
    sandbox: bool = False,
    name: str = "contacts",
    **given: Any,
) -> str:
    """Adds it and gives back all that was said."""
    person = person or Person()
    given = given or {"secret_id": ID, "secret_key": KEY}
    install.add(client, machine, settings(**given), person.talk(), name=name, sandbox=sandbox, yes=False)
    return person.text


def entries(client: Client, machine: Machine) -> dict[str, Any]:
    return config_files.entries(client.format, config_files.read(client.place(machine)).text, client.servers)


def backups(client: Client, machine: Machine) -> list[Path]:
    return sorted(client.place(machine).parent.glob("*.bak"))


# What is written


@EVERY_CLIENT
def test_each_client_gets_an_entry_that_starts_us_with_the_credentials(client: Client, machine: Machine) -> None:
    add(client, machine)
    entry = entries(client, machine)["contacts"]
    assert [entry[client.command], *entry["args"]] == [*install.launch_command(), "serve"]
    assert entry[client.environment] == GIVEN
    assert client.constants.items() <= entry.items()


@EVERY_CLIENT
def test_a_second_time_there_is_nothing_to_do(client: Client, machine: Machine) -> None:
    add(client, machine)
    before = client.place(machine).read_bytes()
    assert "Nothing to do" in add(client, machine)
    assert (client.place(machine).read_bytes(), backups(client, machine)) == (before, [])


@EVERY_CLIENT
def test_uninstall_takes_out_only_our_entry(client: Client, machine: Machine) -> None:
    add(client, machine)
    add(client, machine, name="second", sandbox=True)
    install.remove(client, machine, Person().talk(), name="contacts", yes=True)
    assert list(entries(client, machine)) == ["second"]
    assert len(backups(client, machine)) == 2


@EVERY_CLIENT
def test_what_is_there_to_paste_is_what_would_be_written_but_for_the_credentials(
    client: Client, machine: Machine
) -> None:
    add(client, machine)
    pasted = config_files.entries(client.format, install.paste(client, name="contacts", sandbox=False), client.servers)[
        "contacts"
    ]
    written = entries(client, machine)["contacts"]
    assert {**pasted, client.environment: None} == {**written, client.environment: None}
    assert pasted[client.environment].keys() == written[client.environment].keys()
    assert KEY not in str(pasted)


def test_the_sandbox_needs_no_credentials(machine: Machine) -> None:
    install.add(
        BY_KEY["cursor"], machine, settings(), Person().talk(is_there=False), name="contacts", sandbox=True, yes=True
    )
    entry = entries(BY_KEY["cursor"], machine)["contacts"]
    assert entry["args"][-1] == "--sandbox"
    assert "env" not in entry


def test_the_command_is_an_absolute_path_that_runs() -> None:
    """Desktop clients start servers with a search path of their own."""
    command = install.launch_command()
    assert Path(command[0]).is_absolute()
    done = subprocess.run([*command, "--version"], capture_output=True, encoding="utf-8", check=False)
    assert done.stdout.startswith("contacts-mcp")


def test_without_an_installed_script_this_interpreter_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setattr("sysconfig.get_path", lambda *_: str(tmp_path))
    assert install.launch_command() == [str(tmp_path / "python"), "-m", "contacts_mcp"]


# What its owner added


def test_an_update_keeps_what_its_owner_added() -> None:
    client = BY_KEY["cursor"]
    old = {
        "command": "/old/contacts-mcp",
        "args": ["serve", "--sandbox", "--read-only"],
        "env": {API_KEY: "old-api-key", "CONTACTS_MCP_DEFAULT_REGION": "GB", "CONTACTS_MCP_SANDBOX": "1"},
        "disabled": True,
    }
    new = install.entry_for(client, name="contacts", launch=LAUNCH, environment=GIVEN, sandbox=False, old=old)
    assert new == {
        "type": "stdio",
        "command": LAUNCH[0],
        "args": ["serve", "--read-only"],
        "env": {"CONTACTS_MCP_DEFAULT_REGION": "GB", **GIVEN},
        "disabled": True,
    }


def test_credentials_that_are_there_stay_where_no_new_ones_are_given(machine: Machine) -> None:
    client = BY_KEY["codex"]
    add(client, machine)
    install.add(client, machine, settings(), Person().talk(is_there=False), name="contacts", sandbox=True, yes=True)
    install.add(client, machine, settings(), Person().talk(is_there=False), name="contacts", sandbox=False, yes=True)
    assert entries(client, machine)["contacts"]["env"] == GIVEN


def test_a_server_of_somebody_else_under_that_name_is_never_touched(machine: Machine) -> None:
    client = BY_KEY["cursor"]
    text = '{"mcpServers": {"contacts": {"command": "npx", "args": ["-y", "contacts"]}}}'
    client.place(machine).parent.mkdir(parents=True)
    client.place(machine).write_text(text, encoding="utf-8")
    with pytest.raises(AccountError, match="runs another server; choose another name"):
        add(client, machine)
    with pytest.raises(AccountError, match="runs another server"):
        install.remove(client, machine, Person().talk(), name="contacts", yes=True)
    assert client.place(machine).read_text(encoding="utf-8") == text
    add(client, machine, name="heymarket")
    assert list(entries(client, machine)) == ["contacts", "heymarket"]


@pytest.mark.parametrize(
    ("entry", "is_ours"),
    [
        ({"command": "contacts-mcp", "args": ["serve"]}, True),
        ({"command": "C:\\Program Files\\contacts-mcp.exe"}, True),
        ({"command": "/usr/bin/python3", "args": ["-m", "contacts_mcp", "serve"]}, True),
        ({"command": "uvx", "args": ["contacts-mcp", "serve"]}, True),
        ({"command": "/home/contacts-mcp/other"}, False),
        ({"command": "npx", "args": ["contacts"]}, False),
        ({"url": "https://contacts-mcp.example"}, False),
        ("contacts-mcp", False),
    ],
)
def test_an_entry_is_ours_when_it_starts_us(entry: Any, is_ours: bool) -> None:
    assert runs_us(BY_KEY["cursor"], entry) is is_ours


# Credentials


def test_credentials_are_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(SECRET_ID, ID)
    monkeypatch.setenv(SECRET_KEY, KEY)
    monkeypatch.setenv(API_KEY, "an-api-key-too")
    assert install.credentials_of(settings()) == GIVEN


def test_an_address_that_is_not_the_usual_one_goes_with_them() -> None:
    """Else the credentials of a test service would be sent to the live one."""
    assert install.credentials_of(settings(api_key="an-api-key", base_url="http://127.0.0.1:8765")) == {
        API_KEY: "an-api-key",
        "HEYMARKET_BASE_URL": "http://127.0.0.1:8765",
    }


@pytest.mark.parametrize(
    ("answers", "expected"), [((ID, KEY), GIVEN), (("", "an-api-key"), {API_KEY: "an-api-key"})], ids=["secret", "key"]
)
def test_credentials_are_asked_for_where_there_are_none(
    answers: tuple[str, ...], expected: dict[str, str], machine: Machine
) -> None:
    client = BY_KEY["claude-desktop"]
    person = Person(*answers)
    install.add(client, machine, settings(), person.talk(), name="contacts", sandbox=False, yes=False)
    assert entries(client, machine)["contacts"]["env"] == expected
    assert all(answer not in person.text for answer in answers if answer)


def test_without_a_terminal_and_credentials_it_says_which_to_set(machine: Machine) -> None:
    with pytest.raises(CredentialsUnusable, match=f"{SECRET_ID} and {SECRET_KEY}.*{API_KEY}.*--sandbox"):
        install.add(
            BY_KEY["cursor"],
            machine,
            settings(),
            Person().talk(is_there=False),
            name="contacts",
            sandbox=False,
            yes=True,
        )
    assert not BY_KEY["cursor"].place(machine).exists()


@pytest.mark.parametrize(
    "value",
    [
        "",
        "short",
        "your secret's id",
        "<SECRET_ID>",
        '"quoted-key"',
        "Bearer abcdefgh",
        "two words",
        "${KEY_HERE}",
        "key-with-é",
    ],
)
def test_what_cannot_be_a_credential_is_said(value: str) -> None:
    assert install.flaw_of(value)


@pytest.mark.parametrize("value", [ID, KEY, "Zm9vYmFyYmF6cXV4==", "sk_live_0123456789"])
def test_what_can_be_a_credential_passes(value: str) -> None:
    assert install.flaw_of(value) == ""


# What is shown

NEIGHBOURS = """\
{
  "apiKey": "sk-neighbour-0",
  "mcpServers": {
    "github": {
      "command": "npx",
      "env": {"TOKEN": "ghp_neighbour_1"}
    },
    "notion": {
      "headers": {
        "Authorization": "Bearer neighbour-2"
      },
      "args": [
        "--token",
        "neighbour-3"
      ]
    }
  }
}
"""


def test_the_change_is_shown_as_a_diff_without_anybodys_secret(machine: Machine) -> None:
    client = BY_KEY["claude-desktop"]
    client.place(machine).parent.mkdir(parents=True)
    client.place(machine).write_text(NEIGHBOURS, encoding="utf-8")
    said = add(client, machine)
    assert "+++" in said
    assert '+    "contacts": {' in said
    assert f'+        "{SECRET_KEY}": "**********"' in said
    assert [word for word in (ID, KEY, "neighbour") if word in said] == []


def test_a_file_that_is_one_long_line_is_not_shown(machine: Machine) -> None:
    """As Claude Code's may be, which also holds the tokens of its user."""
    client = BY_KEY["claude-code"]
    client.place(machine).parent.mkdir(parents=True)
    client.place(machine).write_text(json.dumps(json.loads(NEIGHBOURS)), encoding="utf-8")
    said = add(client, machine)
    assert f'"{SECRET_KEY}": "**********"' in said
    assert [word for word in (ID, KEY, "neighbour") if word in said] == []


@pytest.mark.parametrize("key", ["codex", "goose"])
def test_neighbours_in_other_formats_are_not_shown_either(key: str, machine: Machine) -> None:
    client = BY_KEY[key]
    texts = {
        "codex": '[mcp_servers.x]\ncommand = "x"\n[mcp_servers.x.env]\nTOKEN = \'their-1\'\nNEXT = "their-2"\n',
        "goose": "extensions:\n  x:\n    envs:\n      TOKEN: their-1\n    args:\n    - their-2\n",
    }
    client.place(machine).parent.mkdir(parents=True)
    client.place(machine).write_text(texts[key], encoding="utf-8")
    assert "their-" not in add(client, machine)
    assert "their-2" in client.place(machine).read_text(encoding="utf-8")


def test_updating_shows_neither_the_old_nor_the_new_secret(machine: Machine) -> None:
    client = BY_KEY["vscode"]
    add(client, machine)
    assert [
        word
        for word in (KEY, "quite-another-key")
        if word in add(client, machine, secret_id=ID, secret_key="quite-another-key")
    ] == []
    assert entries(client, machine)["contacts"]["env"][SECRET_KEY] == "quite-another-key"


IN_ARGUMENTS = [
    ["run", "-i", "--rm", "-e", "HEYMARKET_API_KEY=planted-1", "ghcr.io/acme/planted-image", "contacts-mcp", "serve"],
    ["run", "--env=HEYMARKET_SECRET_KEY=planted-1", "-eTOKEN=planted-2", "--env", "planted-3", "contacts-mcp"],
    ["contacts-mcp", "serve", "--api-key=planted-1", "--api-key", "planted-2", "-p", "planted-3"],
    ["contacts-mcp", "serve", "TOKEN=planted-1", "Authorization: Bearer planted-2", "https://x.example/?key=planted-3"],
    ["-c", "HEYMARKET_API_KEY=planted-1 contacts-mcp serve", "contacts-mcp"],
    ["contacts-mcp", "serve", "--redis-url", "redis://planted-1", "--base-url=https://me:planted-2@api.example.com"],
]


@pytest.mark.parametrize("args", IN_ARGUMENTS, ids=lambda args: " ".join(args)[:60])
@pytest.mark.parametrize("is_one_line", [False, True], ids=["lines", "one line"])
@EVERY_CLIENT
def test_secrets_in_arguments_and_in_members_of_ones_own_are_not_shown(
    client: Client, machine: Machine, args: list[str], is_one_line: bool
) -> None:
    entry = {
        client.command: "docker",
        "args": args,
        client.environment: {"TOKEN": "planted-4", "A B": "planted-5"},
        "headers": {"Authorization": "planted-6"},
        "note": "planted-7",
    }
    place = client.place(machine)
    place.parent.mkdir(parents=True)
    text = config_files.put(client.format, "", client.servers, "contacts", entry)
    if client.format == "json" and is_one_line:
        text = json.dumps(json.loads(text))
    place.write_text(text, encoding="utf-8")
    person = Person()
    add(client, machine, person=person)
    install.remove(client, machine, person.talk(), name="contacts", yes=True)
    assert "planted" not in person.text
    assert KEY not in person.text
    assert "serve" in person.text


def test_what_is_certainly_harmless_is_shown(machine: Machine) -> None:
    client = BY_KEY["cursor"]
    args = ["serve", "--read-only", "--data-dir", "/srv/contacts", "--tools=contacts", "-e", "NAME=x", "word"]
    assert shown_arguments(args) == [*args[:-2], f"NAME={MASK}", MASK]
    assert shown_arguments(["serve", "--sandbox", "word"]) == ["serve", "--sandbox", MASK]
    place = client.place(machine)
    place.parent.mkdir(parents=True)
    text = json.dumps({"mcpServers": {"contacts": {"command": "/old/contacts-mcp", "args": args}}}, indent=2)
    place.write_text(text, encoding="utf-8")
    said = add(client, machine)
    assert '-      "command": "/old/contacts-mcp",' in said


@pytest.mark.parametrize(
    ("entry", "holds"),
    [
        ({"env": {API_KEY: "x"}}, True),
        ({"args": ["run", "-e", f"{API_KEY}=x", "contacts-mcp"]}, True),
        ({"args": ["run", f"--env={SECRET_KEY}=x", "contacts-mcp"]}, True),
        ({"args": ["run", "-e", API_KEY, "contacts-mcp"]}, False),
        ({"args": f"run -e {API_KEY}=x"}, False),
        ({"env": [API_KEY]}, False),
        ({}, False),
        (None, False),
    ],
    ids=str,
)
def test_an_entry_holds_credentials_in_variables_or_arguments(entry: Any, holds: bool) -> None:
    assert holds_credentials(BY_KEY["cursor"], entry) is holds


# A command that lasts

CACHES = {
    "uvx": [
        "/home/jo/.cache/uv/archive-v0/aBc123/bin/python",
        "/Users/jo/.cache/uv/environments-v2/contacts-mcp-1a2b/bin/python3",
        "/srv/my-uv-cache/builds-v0/.tmpX1/bin/python",
        "C:\\Users\\jo\\AppData\\Local\\uv\\cache\\archive-v0\\aBc\\Scripts\\python.exe",
    ],
    "pipx run": [
        "/home/jo/.cache/pipx/1a2b3c/bin/python",
        "/Users/jo/Library/Caches/pipx/1a2b3c/bin/python",
        "/home/jo/.local/pipx/.cache/1a2b3c/bin/python",
        "C:\\Users\\jo\\pipx\\.cache\\1a2b\\Scripts\\python.exe",
    ],
    "": [
        "/usr/bin/python3",
        "/home/jo/.local/share/uv/tools/contacts-mcp/bin/python",
        "/home/jo/.local/share/pipx/venvs/contacts-mcp/bin/python",
        "/home/jo/project/.venv/bin/python",
        "/home/jo/.local/share/uv/python/cpython-3.12/bin/python",
    ],
}


@pytest.mark.parametrize(("program", "path"), [(name, path) for name, paths in CACHES.items() for path in paths])
def test_a_path_into_a_cache_is_known(program: str, path: str) -> None:
    assert made_by(path) == program


@pytest.fixture
def run_from(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Path]:
    """Lets the interpreter, with a script of ours beside it, be in such a folder."""

    def run(folder: str, *, uvx: bool = True, origin: dict[str, Any] | None = None) -> Path:
        place = tmp_path / folder
        place.mkdir(parents=True)
        (place / "contacts-mcp").touch()
        monkeypatch.setattr(sys, "executable", str(place / "python"))
        monkeypatch.setattr("sysconfig.get_path", lambda *_: str(place))
        monkeypatch.setattr("shutil.which", lambda name: "/opt/bin/uvx" if uvx and name == "uvx" else None)
        written = json.dumps(origin) if origin else None
        monkeypatch.setattr(metadata.PathDistribution, "read_text", lambda *_: written)
        return place

    return run


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        (None, []),
        ({"url": "file:///srv/contacts_mcp", "dir_info": {}}, ["--from", "file:///srv/contacts_mcp"]),
        (
            {
                "url": "https://git.example/c.git",
                "vcs_info": {"vcs": "git", "requested_revision": "v1", "commit_id": "1a"},
            },
            ["--from", "git+https://git.example/c.git@v1"],
        ),
        (
            {"url": "https://git.example/c.git", "vcs_info": {"vcs": "git", "commit_id": "1a2b"}},
            ["--from", "git+https://git.example/c.git@1a2b"],
        ),
    ],
    ids=["package index", "folder", "revision", "commit"],
)
def test_from_uvx_the_lasting_command_is_written_with_the_same_source(
    run_from: Callable[..., Path], machine: Machine, origin: Any, words: list[str]
) -> None:
    run_from("uv/archive-v0/aBc/bin", origin=origin)
    client = BY_KEY["cursor"]
    add(client, machine)
    entry = entries(client, machine)["contacts"]
    assert [entry["command"], *entry["args"]] == [str(Path("/opt/bin/uvx").absolute()), *words, "contacts-mcp", "serve"]
    assert "archive-v0" not in client.place(machine).read_text(encoding="utf-8")
    assert runs_us(client, entry)
    assert "Nothing to do" in add(client, machine)


@pytest.mark.parametrize(
    ("folder", "uvx"), [("uv/archive-v0/aBc/bin", False), ("x/.cache/pipx/1a/bin", True)], ids=["no uvx", "pipx run"]
)
def test_where_nothing_lasting_is_known_nothing_is_written(
    run_from: Callable[..., Path], machine: Machine, folder: str, uvx: bool
) -> None:
    run_from(folder, uvx=uvx)
    with pytest.raises(AccountError, match=r"emptied from time to time, so nothing was changed\. Install it to stay"):
        add(BY_KEY["cursor"], machine)
    with pytest.raises(AccountError, match="Install it to stay"):
        install.paste(BY_KEY["cursor"], name="contacts", sandbox=True)
    assert not BY_KEY["cursor"].place(machine).exists()


def test_an_installed_script_is_preferred_to_the_cache_it_was_called_from(
    run_from: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run_from("uv/archive-v0/aBc/bin")
    lasting = tmp_path / "lasting"
    lasting.mkdir()
    (lasting / "contacts-mcp").touch()
    monkeypatch.setattr("sysconfig.get_path", lambda *_: str(lasting))
    assert install.launch_command() == [str(lasting / "contacts-mcp")]


# Which are here


def test_without_a_name_the_eight_are_listed_with_those_that_are_here(machine: Machine) -> None:
    machine.home.mkdir()
    add(BY_KEY["cursor"], machine)
    BY_KEY["goose"].place(machine).parent.mkdir(parents=True)
    BY_KEY["gemini"].place(machine).parent.mkdir(parents=True)
    BY_KEY["gemini"].place(machine).write_text("{", encoding="utf-8")
    told = install.overview(machine)
    lines = {line.split()[0]: line for line in told.splitlines() if line.startswith("  ")}
    assert lines.keys() == BY_KEY.keys()
    assert lines["cursor"].endswith('is here, and has this server as "contacts"')
    assert lines["goose"].endswith("is here")
    assert "its file was skipped, because" in lines["gemini"]
    assert [key for key, line in lines.items() if line.endswith("is not here")] == [
        key for key in BY_KEY if key not in ("cursor", "goose", "gemini")
    ]


def test_a_credential_that_cannot_be_one_is_said_before_the_next_is_asked_for(machine: Machine) -> None:
    person = Person("short")
    with pytest.raises(CredentialsUnusable, match=f"{SECRET_ID} is too short"):
        install.add(BY_KEY["cursor"], machine, settings(), person.talk(), name="contacts", sandbox=False, yes=True)


# When nothing may change


def test_nothing_is_written_without_a_yes(machine: Machine) -> None:
    client = BY_KEY["goose"]
    assert "Nothing was changed" in add(client, machine, person=Person(agrees=False))
    assert not client.place(machine).exists()


@pytest.mark.parametrize(("key", "text"), [("cursor", '{"mcpServers": {'), ("codex", "a = "), ("goose", "a: [")])
def test_a_file_that_cannot_be_parsed_is_left_alone(key: str, text: str, machine: Machine) -> None:
    client = BY_KEY[key]
    client.place(machine).parent.mkdir(parents=True)
    client.place(machine).write_text(text, encoding="utf-8")
    with pytest.raises(AccountError, match="was left alone: it is not valid"):
        add(client, machine)
    assert client.place(machine).read_text(encoding="utf-8") == text


@pytest.mark.parametrize("name", ["", "two words", "a/b", "x" * 41, "-dash", "é"])
def test_a_name_some_client_would_refuse_is_refused(name: str, machine: Machine) -> None:
    with pytest.raises(InvalidArgument, match="--name"):
        add(BY_KEY["cursor"], machine, name=name)


def test_with_the_longest_name_every_tool_stays_under_64_letters(machine: Machine) -> None:
    longest = "x" * install.LONGEST_NAME
    add(BY_KEY["cursor"], machine, name=longest)
    assert max(len(f"mcp__{longest}__{tool.name}") for tool in TOOLS) < 64
    with pytest.raises(InvalidArgument, match="At most 37"):
        add(BY_KEY["cursor"], machine, name=f"{longest}x")
    with pytest.raises(InvalidArgument, match="At most 37"):
        install.paste(BY_KEY["cursor"], name=f"{longest}x", sandbox=True)


def test_an_older_entry_with_a_longer_name_can_still_be_taken_out(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = BY_KEY["cursor"]
    with monkeypatch.context() as earlier:
        earlier.setattr(install, "LONGEST_NAME", 40)
        add(client, machine, name="x" * 40)
    install.remove(client, machine, Person().talk(), name="x" * 40, yes=True)
    assert not entries(client, machine)


posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps rights elsewhere")


@posix
@pytest.mark.parametrize("mode", [0o644, 0o640, 0o600])
@EVERY_CLIENT
def test_a_file_with_credentials_and_its_copy_are_for_the_owner_only_and_it_is_said(
    client: Client, machine: Machine, mode: int
) -> None:
    place = client.place(machine)
    place.parent.mkdir(parents=True)
    place.write_text("{}" if client.format == "json" else "", encoding="utf-8")
    place.chmod(mode)
    said = add(client, machine)
    (copy,) = backups(client, machine)
    assert [stat.S_IMODE(file.stat().st_mode) for file in (place, copy)] == [0o600, 0o600]
    assert f"kept in {copy}, which only you can read" in said
    assert (f"From now on only you can read {place} too" in said) is (mode != 0o600)


@posix
def test_a_file_without_credentials_keeps_its_mode(machine: Machine) -> None:
    client = BY_KEY["cursor"]
    client.place(machine).parent.mkdir(parents=True)
    client.place(machine).write_text("{}", encoding="utf-8")
    client.place(machine).chmod(0o644)
    add(client, machine, sandbox=True)
    assert stat.S_IMODE(client.place(machine).stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("said", "key"),
    [("Claude Desktop", "claude-desktop"), ("VSCODE", "vscode"), ("vs code", "vscode"), ("claude_code", "claude-code")],
)
def test_a_client_is_found_as_people_write_it(said: str, key: str) -> None:
    assert install.client_named(said).key == key


def test_an_unknown_client_is_answered_with_all_there_are() -> None:
    with pytest.raises(InvalidArgument) as caught:
        install.client_named("emacs")
    assert all(client.key in str(caught.value) for client in CLIENTS)


# The command


def run(home: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    env = kept | {"HOME": str(home), "USERPROFILE": str(home)} | variables
    command = [sys.executable, "-m", "contacts_mcp", "install", *arguments]
    return subprocess.run(
        command, env=env, stdin=subprocess.DEVNULL, capture_output=True, encoding="utf-8", check=False
    )


def test_the_command_does_it_all(tmp_path: Path) -> None:
    home = tmp_path / "a home"
    first = run(home, "cursor", "--yes", **GIVEN)
    assert (first.returncode, first.stderr) == (0, "")
    assert KEY not in first.stdout
    assert (
        json.loads((home / ".cursor" / "mcp.json").read_text(encoding="utf-8"))["mcpServers"]["contacts"]["env"]
        == GIVEN
    )
    assert "Nothing to do" in run(home, "cursor", "--yes").stdout
    assert run(home, "cursor", "--uninstall", "--yes").returncode == 0
    assert json.loads((home / ".cursor" / "mcp.json").read_text(encoding="utf-8")) == {"mcpServers": {}}


def test_where_nobody_can_answer_nothing_is_done(tmp_path: Path) -> None:
    asked = run(tmp_path, "cursor", "--sandbox")
    unset = run(tmp_path, "cursor", "--yes")
    assert (asked.returncode, unset.returncode) == (1, 1)
    assert "--yes" in asked.stderr
    assert SECRET_ID in unset.stderr
    assert list(tmp_path.iterdir()) == []


def test_print_prints_nothing_but_what_to_paste(tmp_path: Path) -> None:
    printed = run(tmp_path, "vscode", "--print", **GIVEN)
    assert json.loads(printed.stdout)["servers"]["contacts"]["env"].keys() == GIVEN.keys()
    assert KEY not in printed.stdout + printed.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_help_names_every_client() -> None:
    described = main.commands["install"].help or ""
    assert [client.key for client in CLIENTS if client.key not in described] == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="Windows has no such files")
def test_what_is_no_regular_file_is_left_alone(machine: Machine) -> None:
    """A pipe would be waited for, and a device replaced."""
    client = BY_KEY["cursor"]
    place = client.place(machine)
    place.parent.mkdir(parents=True)
    os.mkfifo(place)
    with pytest.raises(AccountError, match="it is not a regular file"):
        install.add(client, machine, settings(), Person().talk(), name="contacts", sandbox=True, yes=True)
    assert place.is_fifo()


@pytest.mark.parametrize("entry", [{"args": "serve --read-only"}, {"args": {"serve": True}}, {"env": ["A=B"]}], ids=str)
def test_an_entry_of_ours_that_no_client_would_read_is_left_alone(entry: dict[str, Any], machine: Machine) -> None:
    client = BY_KEY["cursor"]
    place = client.place(machine)
    place.parent.mkdir(parents=True)
    text = json.dumps({"mcpServers": {"contacts": {"command": "contacts-mcp", **entry}}})
    place.write_text(text, encoding="utf-8")
    with pytest.raises(AccountError, match="is not as the client would have it"):
        install.add(client, machine, settings(), Person().talk(), name="contacts", sandbox=True, yes=True)
    assert place.read_text(encoding="utf-8") == text


def test_a_sandbox_entry_is_brought_up_to_date_as_one(machine: Machine) -> None:
    client = BY_KEY["cursor"]
    for sandbox in (True, False):
        install.add(
            client, machine, settings(), Person().talk(is_there=False), name="contacts", sandbox=sandbox, yes=True
        )
    assert "--sandbox" in client.place(machine).read_text(encoding="utf-8")


def test_a_copy_that_holds_credentials_is_mentioned(machine: Machine) -> None:
    client, person = BY_KEY["cursor"], Person()
    install.add(
        client, machine, settings(secret_id=ID, secret_key=KEY), person.talk(), name="contacts", sandbox=False, yes=True
    )
    assert "That copy holds the credentials" not in person.text
    install.remove(client, machine, person.talk(), name="contacts", yes=True)
    assert "That copy holds the credentials" in person.text


def test_credentials_of_the_environment_are_looked_at_like_typed_ones(machine: Machine) -> None:
    with pytest.raises(CredentialsUnusable, match="is too short"):
        install.add(
            BY_KEY["cursor"],
            machine,
            settings(secret_id="abc", secret_key="x"),
            Person().talk(),
            name="contacts",
            sandbox=False,
            yes=True,
        )
