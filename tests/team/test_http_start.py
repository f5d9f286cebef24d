"""An unsafe configuration does not start. Guards `contacts_mcp/server/hosting.py` and the command."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from support import logging_put_back
from support.hosting import holder

from contacts_mcp.accounts import read_accounts
from contacts_mcp.cli import main
from contacts_mcp.config import Settings
from contacts_mcp.server import hosting
from contacts_mcp.server import http as serving

GOOD = f"[accounts.a]\nsandbox = true\n{holder('a', 'Jo', 'token', 'read')}"
PUBLIC = {"CONTACTS_MCP_PUBLIC_URL": "https://contacts.example.com"}
KEY = {"CONTACTS_MCP_SIGNING_KEY": "a key of the whole team"}
DATABASE = {"CONTACTS_MCP_DATABASE_URL": "postgresql://me:hunter2@db/contacts"}
REDIS = {"CONTACTS_MCP_REDIS_URL": "redis://:hunter2@cache/0"}


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The servers that would have been started."""
    found: list[Any] = []
    monkeypatch.setattr(serving, "serve", lambda app, *place, **_: found.append((app, *place)))
    monkeypatch.setattr(serving, "serve_hosted", lambda app, *place, **_: found.append((app, *place)))
    return found


def run(tmp_path: Path, *words: str, env: dict[str, str] | None = None, accounts: str = "") -> Any:
    given = {"CONTACTS_MCP_DATA_DIR": str(tmp_path / "data"), "CONTACTS_MCP_SANDBOX": "1"} | (env or {})
    if accounts:
        (tmp_path / "accounts.toml").write_text(accounts, encoding="utf-8")
        given["CONTACTS_MCP_ACCOUNTS"] = str(tmp_path / "accounts.toml")
    return CliRunner().invoke(main, ["serve", *words], env=given)


REFUSED: dict[str, tuple[str, dict[str, str], str, str]] = {
    "public without accounts": ("0.0.0.0:8000", PUBLIC, "", "CONTACTS_MCP_ACCOUNTS is needed"),
    "public IPv6 without accounts": ("[::]:8000", PUBLIC, "", "CONTACTS_MCP_ACCOUNTS is needed"),
    "public name without accounts": ("contacts.example.com:80", PUBLIC, "", "CONTACTS_MCP_ACCOUNTS is needed"),
    "private network without accounts": ("10.0.0.7:8000", PUBLIC, "", "CONTACTS_MCP_ACCOUNTS is needed"),
    "address for others without accounts": ("127.0.0.1:8000", PUBLIC, "", "CONTACTS_MCP_ACCOUNTS is needed"),
    "public without its address": ("0.0.0.0:8000", {}, GOOD, "CONTACTS_MCP_PUBLIC_URL is needed"),
    "accounts that nobody uses": ("0.0.0.0:8000", PUBLIC, "[accounts.a]\nsandbox = true\n", "nobody uses it"),
    "empty accounts": ("0.0.0.0:8000", PUBLIC, "[accounts]\n", "a table for each account"),
    "database without a key": ("127.0.0.1:8000", DATABASE, "", "CONTACTS_MCP_SIGNING_KEY is needed"),
    "redis without a key": ("0.0.0.0:8000", PUBLIC | REDIS, GOOD, "CONTACTS_MCP_SIGNING_KEY is needed"),
    "replicas without a key": (
        "0.0.0.0:8000",
        PUBLIC | {"CONTACTS_MCP_REPLICAS_MOST": "3"},
        GOOD,
        "CONTACTS_MCP_SIGNING_KEY is needed",
    ),
    "address without https": (
        "0.0.0.0:8000",
        {"CONTACTS_MCP_PUBLIC_URL": "http://contacts.example.com"},
        GOOD,
        "CONTACTS_MCP_PUBLIC_URL: expected https",
    ),
    "address with a path": (
        "0.0.0.0:8000",
        {"CONTACTS_MCP_PUBLIC_URL": "https://contacts.example.com/mcp"},
        GOOD,
        "without a path",
    ),
    "address with a password": (
        "0.0.0.0:8000",
        {"CONTACTS_MCP_PUBLIC_URL": "https://me:hunter2@contacts.example.com"},
        GOOD,
        "without user name",
    ),
    "short key": ("0.0.0.0:8000", PUBLIC | {"CONTACTS_MCP_SIGNING_KEY": "hunter2"}, GOOD, "at least 16 characters"),
    "short other key": (
        "0.0.0.0:8000",
        PUBLIC | KEY | {"CONTACTS_MCP_OTHER_SIGNING_KEYS": "another key of the team, hunter2"},
        GOOD,
        "CONTACTS_MCP_OTHER_SIGNING_KEYS: expected keys of at least 16",
    ),
    "all proxies": ("0.0.0.0:8000", PUBLIC | {"CONTACTS_MCP_PROXIES": "*"}, GOOD, "CONTACTS_MCP_PROXIES: expected"),
    "all networks": ("0.0.0.0:8000", PUBLIC | {"CONTACTS_MCP_PROXIES": "0.0.0.0/0"}, GOOD, "and not all"),
    "proxy by name": ("0.0.0.0:8000", PUBLIC | {"CONTACTS_MCP_PROXIES": "nginx"}, GOOD, "not names"),
    "host with a path": ("0.0.0.0:8000", PUBLIC | {"CONTACTS_MCP_ALLOWED_HOSTS": "a/b"}, GOOD, "ALLOWED_HOSTS"),
    "all hosts": ("0.0.0.0:8000", PUBLIC | {"CONTACTS_MCP_ALLOWED_HOSTS": "*"}, GOOD, "ALLOWED_HOSTS"),
    "all origins": ("0.0.0.0:8000", PUBLIC | {"CONTACTS_MCP_ALLOWED_ORIGINS": "*"}, GOOD, "ALLOWED_ORIGINS"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_an_unsafe_configuration_does_not_start(name: str, tmp_path: Path, served: list[Any]) -> None:
    address, env, accounts, expected = REFUSED[name]
    done = run(tmp_path, "--http", address, env=env, accounts=accounts)
    assert done.exit_code == 2, done.output
    assert expected in done.stderr
    assert "hunter2" not in done.output
    assert served == []


STARTED: dict[str, tuple[str, dict[str, str], str, bool]] = {
    "one person on this machine": ("127.0.0.1:8000", {}, "", False),
    "one person on IPv6": ("[::1]:8000", {}, "", False),
    "a team on this machine": ("127.0.0.1:8000", {}, GOOD, True),
    "one account with shared state": ("localhost:8000", DATABASE | REDIS | KEY, "", True),
    "a team": ("0.0.0.0:8000", PUBLIC, GOOD, True),
    "a team of replicas": ("[::]:8000", PUBLIC | DATABASE | REDIS | KEY, GOOD, True),
}


@pytest.mark.parametrize("name", STARTED)
def test_what_is_safe_starts(name: str, tmp_path: Path, served: list[Any]) -> None:
    address, env, accounts, is_hosted = STARTED[name]
    done = run(tmp_path, "--http", address, env=env, accounts=accounts)
    assert done.exit_code == 0, done.output
    ((app, host, port),) = served
    assert isinstance(app, hosting.Hosting) == is_hosted
    assert f"{host}" in address
    assert port == 8000


@pytest.mark.parametrize(
    ("env", "missing"),
    [
        (DATABASE | REDIS, []),
        (DATABASE, ["REDIS"]),
        (REDIS, ["DATABASE"]),
        ({"CONTACTS_MCP_REPLICAS_MOST": "2"}, ["DATABASE", "REDIS"]),
        ({}, []),
    ],
    ids=str,
)
def test_a_part_that_replicas_do_not_share_is_said_at_the_start(
    env: dict[str, str], missing: list[str], tmp_path: Path, served: list[Any], caplog: pytest.LogCaptureFixture
) -> None:
    with logging_put_back():
        done = run(tmp_path, "--http", "0.0.0.0:8000", env=PUBLIC | KEY | env, accounts=GOOD)
    assert len(served) == 1
    said = re.findall("CONTACTS_MCP_(REDIS|DATABASE)_URL is not set. The (?:journal|count)", caplog.text)
    assert said == missing
    assert "hunter2" not in done.output + caplog.text


def test_the_environment_of_uvicorn_trusts_no_proxy(
    tmp_path: Path, served: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORWARDED_ALLOW_IPS", "*")
    for proxies, trusted in (("", ["127.0.0.1", "::1"]), ("10.0.0.0/8, 192.168.1.1", ["10.0.0.0/8", "192.168.1.1"])):
        run(tmp_path, "--http", "0.0.0.0:8000", env=PUBLIC | {"CONTACTS_MCP_PROXIES": proxies}, accounts=GOOD)
        assert serving._hosted_config(served.pop()[0]).forwarded_allow_ips == trusted


@pytest.mark.parametrize(
    "name", ['Front "desk"', "C:\\new", "Zo\u00eb \U0001f600", "# [a] = 'b'", "\u0639\u200c\u0631"], ids=ascii
)
def test_a_token_is_printed_once_with_the_lines_that_admit_it(name: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["token", f" {name} ", "--scopes", "contacts:read,contacts:bulk"])
    assert done.exit_code == 0, done.output
    token, *lines = done.stdout.splitlines()
    assert len(token) > 40
    held = tomllib.loads("\n".join(lines))["accounts"]["NAME"]["tokens"][0]
    assert held == {
        "name": name,
        "sha256": hashlib.sha256(token.encode()).hexdigest(),
        "scopes": ["contacts:read", "contacts:bulk"],
    }
    assert token not in "\n".join(lines)
    file = tmp_path / "accounts.toml"
    file.write_text("[accounts.name]\nsandbox = true\n" + "\n".join(lines).replace("NAME", "name"), encoding="utf-8")
    assert read_accounts(Settings.load(accounts=file)).tokens[held["sha256"]].name == name


@pytest.mark.parametrize(
    "name", ["", " ", "\n", "Jo\nMay", "Jo\x1b[2J", "Jo\x7f", "Jo\u2028May", "\udcff", "J" * 101], ids=ascii
)
def test_no_token_is_made_for_a_name_that_is_none(name: str) -> None:
    done = CliRunner().invoke(main, ["token", name])
    assert (done.exit_code, done.stdout) == (2, "")
    assert "1 to 100 characters in one line" in done.stderr


@pytest.mark.parametrize("scopes", ["contacts:all", "contacts:write", ""])
def test_no_token_is_made_for_scopes_that_admit_nobody(scopes: str) -> None:
    done = CliRunner().invoke(main, ["token", "Jo", "--scopes", scopes])
    assert (done.exit_code, done.stdout) == (2, "")


def test_nothing_of_a_hosted_server_is_loaded_for_one_person(tmp_path: Path) -> None:
    program = """
import sys
from contacts_mcp.cli import main
from contacts_mcp.server import http, stdio
from contacts_mcp.server.server import build_server
from contacts_mcp.config import Settings
build_server(Settings.load(sandbox=True)).streamable_http_app(host="127.0.0.1")
hosted = ("accounts", "server.identity", "server.gate", "server.hosting", "server.many", "setup.token")
print([name for name in hosted if f"contacts_mcp.{name}" in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=60)
    assert done.stdout == "[]\n", done.stderr
