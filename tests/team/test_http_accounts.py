"""The file of accounts, with every mistake in it. Guards `contacts_mcp/accounts.py`."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from contacts_mcp.accounts import Accounts, InvalidAccounts, Issuer, StaticToken, read_accounts
from contacts_mcp.config import Settings
from contacts_mcp.workspace import Workspace

SECRET, CAPITALS = "a-secret-that-is-planted", "KRUGS4ZANFZSAYJA"
HASH = hashlib.sha256(b"of the front desk").hexdigest()
ISSUER = 'url = "https://login.example.com/"\njwks_url = "https://login.example.com/keys"\n'
GOOD = f"""
[[issuers]]
{ISSUER}

[[issuers]]
url = "https://other.example.com"
audience = "contacts"
jwks_url = "http://127.0.0.1:9/keys?tenant=1"
groups = "https://example.com/groups"
scopes = "permissions"

[accounts.oakland]
secret_id_env = "OAKLAND_ID"
secret_key_file = "oakland.key"
time_zone = "america/los_angeles"
read_only = true
requests_per_minute = 120
subjects = ["https://login.example.com/ auth0|1 2"]
groups = ["https://login.example.com/ Office Oakland"]

[[accounts.oakland.tokens]]
name = "Front desk"
sha256 = "{HASH.upper()}"
scopes = ["contacts:read", "contacts:write"]

[accounts.berlin]
api_key_env = "BERLIN_KEY"
default_region = "de"
base_url = "https://api.example.com"
groups = ["https://login.example.com/ all", "https://other.example.com all"]

[accounts.trial]
sandbox = true
subjects = ["https://other.example.com auth0|1 2"]
"""

Read = Callable[..., Accounts]


@pytest.fixture
def read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Read:
    for name in ("HEYMARKET_SECRET_ID", "HEYMARKET_SECRET_KEY", "HEYMARKET_API_KEY"):
        monkeypatch.setenv(name, f"{SECRET}-of-this-server")
    monkeypatch.setenv("OAKLAND_ID", "oakland id")
    monkeypatch.setenv("BERLIN_KEY", SECRET)
    (tmp_path / "oakland.key").write_text("oakland key\n", encoding="utf-8")
    (tmp_path / "oakland.key").chmod(0o600)
    (tmp_path / "two.lines").write_text(f"{SECRET}\n{SECRET}\n", encoding="utf-8")

    def reading(text: str, **settings: object) -> Accounts:
        file = tmp_path / "accounts.toml"
        file.write_text(text, encoding="utf-8")
        usual = {"accounts": file, "data_dir": tmp_path / "data", "public_url": "https://contacts.example.com"}
        return read_accounts(Settings.load(**(usual | {"files": [], "time_zone": "UTC"} | settings)))

    return reading


def test_a_file_names_issuers_accounts_and_those_who_use_them(read: Read) -> None:
    accounts = read(GOOD)
    assert accounts.issuers == (
        Issuer("https://login.example.com/", "https://contacts.example.com/mcp", "https://login.example.com/keys"),
        Issuer(
            "https://other.example.com",
            "contacts",
            "http://127.0.0.1:9/keys?tenant=1",
            groups="https://example.com/groups",
            scopes="permissions",
        ),
    )
    assert [*accounts.settings] == ["oakland", "berlin", "trial"]
    assert accounts.tokens == {
        HASH: StaticToken("Front desk", "oakland", frozenset({"contacts:read", "contacts:write"}))
    }


def test_each_account_has_settings_of_its_own(read: Read, tmp_path: Path) -> None:
    oakland, berlin, trial = read(GOOD, call_timeout=7.0).settings.values()
    assert oakland.secret_id
    assert oakland.secret_id.get_secret_value() == "oakland id"
    assert oakland.secret_key
    assert oakland.secret_key.get_secret_value() == "oakland key"
    assert (oakland.time_zone, oakland.read_only, oakland.requests_per_minute) == ("America/Los_Angeles", True, 120)
    assert berlin.api_key
    assert berlin.api_key.get_secret_value() == SECRET
    assert (berlin.time_zone, berlin.default_region, berlin.base_url) == ("UTC", "DE", "https://api.example.com")
    assert trial.sandbox
    assert trial.sandbox_file == str(tmp_path / "data" / "sandbox-trial.sqlite3")
    assert {one.call_timeout for one in (oakland, berlin, trial)} == {7.0}
    assert {len(one.folders) for one in (oakland, berlin, trial)} == {0}
    assert len({one.account for one in (oakland, berlin, trial)}) == 3


def test_no_account_gets_a_credential_of_this_server(read: Read) -> None:
    settings = read(GOOD).settings
    assert settings["oakland"].api_key is None
    assert settings["berlin"].secret_id is settings["berlin"].secret_key is None
    assert not settings["trial"].has_credentials


def test_two_sandboxes_are_two_accounts(read: Read) -> None:
    text = f'[[issuers]]\n{ISSUER}[accounts.a]\nsubjects = ["https://login.example.com/ a"]\n'
    both = read(f'{text}[accounts.b]\nsubjects = ["https://login.example.com/ b"]\n', sandbox=True).settings
    assert len({one.account for one in both.values()} | {Settings.load(sandbox=True).account}) == 3
    assert both["a"].sandbox_file != both["b"].sandbox_file


async def test_a_sandbox_opens_in_a_data_directory_that_is_not_there_yet(read: Read, tmp_path: Path) -> None:
    chosen = read("[accounts.a]\nsandbox = true\n" + TOKEN, data_dir=tmp_path / "new" / "data").settings["a"]
    async with Workspace(chosen) as workspace:
        await workspace.book()
    assert (tmp_path / "new" / "data" / "sandbox-a.sqlite3").is_file()


@pytest.mark.parametrize(
    ("issuer", "subject", "groups", "account"),
    [
        ("https://login.example.com/", "auth0|1 2", (), "oakland"),
        ("https://login.example.com/", "auth0|1 2", ("all",), "oakland"),
        ("https://other.example.com", "auth0|1 2", ("all",), "trial"),
        ("https://other.example.com", "x", ("all",), "berlin"),
        ("https://login.example.com/", "x", ("all", "Office Oakland"), "oakland"),
        ("https://login.example.com/", "x", ("Office Oakland", "all"), "oakland"),
        ("https://login.example.com/", "x", ("Office",), ""),
        ("https://login.example.com/", "all", (), ""),
        ("https://login.example.com", "auth0|1 2", (), ""),
        ("", "", (), ""),
    ],
    ids=str,
)
def test_a_subject_counts_before_the_groups_and_nobody_gets_a_default(
    read: Read, issuer: str, subject: str, groups: tuple[str, ...], account: str
) -> None:
    assert read(GOOD).account_of(issuer, subject, groups) == account


TOKEN = f'[[accounts.a.tokens]]\nname = "Jo"\nsha256 = "{HASH}"\nscopes = ["contacts:read"]\n'
ACCOUNT = f"[accounts.a]\nsandbox = true\n{TOKEN}"
USED = 'subjects = ["https://login.example.com/ x"]\n'

MISTAKES: dict[str, tuple[str, str]] = {
    "no toml": ("[accounts", "expected TOML"),
    "empty": ("", "accounts is missing; expected a table for each account"),
    "no accounts": ("[accounts]\n", "a table for each account"),
    "unknown table": (f"{ACCOUNT}[issuer]\n", '"issuer" is not known there; expected issuers'),
    "unknown member of an account": (ACCOUNT.replace("sandbox", "sandbocks"), '"sandbocks" is not known there'),
    "unknown member of a token": (f"{ACCOUNT}scope = 1\n", '"scope" is not known there; expected scopes'),
    "unknown member of an issuer": (f"[[issuers]]\n{ISSUER}jwks = 1\n{ACCOUNT}", '"jwks" is not known there'),
    "name of an account": (ACCOUNT.replace("accounts.a", 'accounts."A b"'), '"A b" is no name of an account'),
    "account that is none": ('accounts.a = "x"\n', "it is a text; expected a table"),
    "no credentials": (ACCOUNT.replace("sandbox = true", ""), "it has no credentials; expected secret_id_env"),
    "half a credential": (ACCOUNT.replace("sandbox = true", 'secret_id_env = "OAKLAND_ID"'), "secret_id stands alone"),
    "two credentials": (
        ACCOUNT.replace("sandbox = true", 'api_key_env = "BERLIN_KEY"\nsecret_id_env = "OAKLAND_ID"'),
        "expected one kind of credential",
    ),
    "env and file": (
        ACCOUNT.replace("sandbox = true", 'api_key_env = "BERLIN_KEY"\napi_key_file = "oakland.key"'),
        "api_key_env and api_key_file are both there",
    ),
    "variable not set": (ACCOUNT.replace("sandbox = true", 'api_key_env = "NO_KEY"'), '"NO_KEY" is not set'),
    "credential for the name of its variable": (
        ACCOUNT.replace("sandbox = true", f'api_key_env = "{SECRET}"'),
        "no variable of that name is set; expected the name of one, not the credential itself",
    ),
    "sandbox and credential": (
        ACCOUNT.replace("= true", '= true\napi_key_env = "BERLIN_KEY"'),
        "sandbox = true and a credential are both there; expected one of them",
    ),
    "file not there": (
        ACCOUNT.replace("sandbox = true", 'api_key_file = "no.key"'),
        "from the folder of accounts.toml on, of a file",
    ),
    "credential for the name of its file": (
        ACCOUNT.replace("sandbox = true", f'api_key_file = "{SECRET}"'),
        "[accounts.a] api_key_file: that file cannot be read (FileNotFoundError)",
    ),
    "a file name that no system takes": (
        ACCOUNT.replace("sandbox = true", f'api_key_file = "{SECRET}\\u0000"'),
        "api_key_file has a control character",
    ),
    "credential in capitals for the name of its variable": (
        ACCOUNT.replace("sandbox = true", f'api_key_env = "{CAPITALS}"'),
        "no variable of that name is set",
    ),
    "credential in the file": (ACCOUNT.replace("sandbox = true", f'api_key = "{SECRET}"'), '"api_key" is not known'),
    "one credential for two": (
        '[accounts.b]\napi_key_env = "BERLIN_KEY"\n' + ACCOUNT.replace("sandbox = true", 'api_key_env = "BERLIN_KEY"'),
        "[accounts.a]: its credential is that of b, too",
    ),
    "text for a number": (f'[accounts.a]\nsandbox = true\nrequests_per_minute = "5"\n{TOKEN}', "is a text; expected a"),
    "number for a switch": (ACCOUNT.replace("= true", "= 1"), "sandbox is a number; expected true or false"),
    "zone": (f'[accounts.a]\nsandbox = true\ntime_zone = "Oakland"\n{TOKEN}', "time_zone cannot be used; expected a"),
    "address": (f'[accounts.a]\nsandbox = true\nbase_url = "http://x.com"\n{TOKEN}', "base_url cannot be used"),
    "too few requests": (
        f"[accounts.a]\nsandbox = true\nrequests_per_minute = 0\n{TOKEN}",
        "requests_per_minute cannot be used; expected greater than or equal to 1",
    ),
    "used by nobody": ("[accounts.a]\nsandbox = true\n", "[accounts.a]: nobody uses it"),
    "issuer twice": (f"[[issuers]]\n{ISSUER}[[issuers]]\n{ISSUER}{ACCOUNT}", "is there twice"),
    "issuer without keys": (f'[[issuers]]\nurl = "https://x.com"\n{ACCOUNT}', "jwks_url is missing"),
    "issuer without https": (f"[[issuers]]\n{ISSUER.replace('https', 'http')}{ACCOUNT}", "url is"),
    "keys of a file": (f"[[issuers]]\n{ISSUER.replace('https://login.example.com/keys', 'file:///k')}", "jwks_url is"),
    "half a bracket": (f"[[issuers]]\n{ISSUER.replace('login.example.com/keys', '[::1/k')}", "jwks_url is"),
    "no port": (f"[[issuers]]\n{ISSUER.replace('example.com/keys', 'example.com:99999/k')}", "jwks_url is"),
    "control character": ("[[issuers]]\n" + ISSUER.replace("/keys", "/k\\u0000"), "jwks_url has a control"),
    "subject of no issuer": (f"[accounts.a]\nsandbox = true\n{USED}", '"https://login.example.com/" is no issuer'),
    "issuer without its slash": (
        f'[[issuers]]\n{ISSUER}[accounts.a]\nsandbox = true\ngroups = ["https://login.example.com x"]\n',
        'expected "ISSUER GROUP" with the url of one of the issuers; nearest: "https://login.example.com/"',
    ),
    "subject without its issuer": (f'[[issuers]]\n{ISSUER}[accounts.a]\nsandbox = true\nsubjects = ["x"]', '"x" names'),
    "subjects that are no list": (
        ACCOUNT.replace("= true", '= true\nsubjects = "x y"'),
        "it is a text; expected a list",
    ),
    "subject twice": (
        f"[[issuers]]\n{ISSUER}[accounts.a]\nsandbox = true\n{USED}[accounts.b]\nsandbox = true\n{USED}",
        "is in a already",
    ),
    "group twice": (
        (
            f"[[issuers]]\n{ISSUER}[accounts.a]\nsandbox = true\n{USED.replace('subjects', 'groups')}"
            f"[accounts.b]\nsandbox = true\n{USED.replace('subjects', 'groups')}"
        ),
        "is in a already",
    ),
    "hash twice": (
        f"{ACCOUNT}[accounts.b]\nsandbox = true\n{TOKEN.replace('accounts.a', 'accounts.b')}",
        "is that of a",
    ),
    "name twice": (f"{ACCOUNT}{TOKEN.replace(HASH, HASH[::-1])}", '"Jo" is there twice'),
    "token for its hash": (ACCOUNT.replace(HASH, SECRET), "not the token"),
    "no scopes": (ACCOUNT.replace('scopes = ["contacts:read"]', ""), "scopes is missing; expected a list"),
    "unknown scope": (ACCOUNT.replace("contacts:read", "contacts:all"), '"contacts:all"'),
    "without reading": (ACCOUNT.replace("contacts:read", "contacts:write"), "scopes lacks contacts:read"),
    "name of several lines": (ACCOUNT.replace('"Jo"', '"Jo\\nMo"'), "name has a control character or several lines"),
    "subject that no database holds": (
        f"[[issuers]]\n{ISSUER}[accounts.a]\nsandbox = true\n{USED}".replace(" x", " x\\u0000y"),
        "names no issuer and name",
    ),
    "blank audience": (f'[[issuers]]\n{ISSUER}audience = " "\n{ACCOUNT}', "audience is an empty text"),
    "two lines in the file of a credential": (
        ACCOUNT.replace("sandbox = true", 'secret_id_file = "two.lines"\nsecret_key_file = "oakland.key"'),
        "secret_id cannot be used; expected it alone, without line breaks",
    ),
    "tokens that are no tables": ("[accounts.a]\nsandbox = true\ntokens = [1]\n", "tables between double brackets"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_told_with_its_place_and_without_secrets(name: str, read: Read) -> None:
    text, expected = MISTAKES[name]
    with pytest.raises(InvalidAccounts) as caught:
        read(text)
    told = str(caught.value)
    assert told.startswith("accounts.toml")
    assert expected in told
    assert SECRET not in told
    assert CAPITALS not in told
    assert SECRET not in repr(caught.value.__cause__)


def test_files_of_editors_that_begin_with_a_mark_are_read(read: Read, tmp_path: Path) -> None:
    (tmp_path / "oakland.key").write_text("\ufeffoakland key\n", encoding="utf-8")
    assert read(f"\ufeff{GOOD}").settings["oakland"].account == read(GOOD).settings["oakland"].account
    secret_key = read(GOOD).settings["oakland"].secret_key
    assert secret_key is not None
    assert secret_key.get_secret_value() == "oakland key"


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidAccounts, match=r"CONTACTS_MCP_ACCOUNTS: .* cannot be read \(FileNotFoundError\)"):
        read_accounts(Settings.load(accounts=tmp_path / "none.toml"))


@pytest.mark.parametrize(
    ("file", "mode", "told"),
    [
        ("accounts.toml", 0o644, ""),
        ("accounts.toml", 0o664, "accounts.toml, the file: its group may change that file"),
        ("accounts.toml", 0o602, "the file: everybody on this machine may change"),
        ("oakland.key", 0o600, ""),
        ("oakland.key", 0o640, ""),
        ("oakland.key", 0o444, "[accounts.oakland] secret_key_file: everybody on this machine may read"),
        ("oakland.key", 0o620, "[accounts.oakland] secret_key_file: its group may change"),
        ("oakland.key", 0o666, "[accounts.oakland] secret_key_file: everybody on this machine may change"),
    ],
    ids=str,
)
def test_a_file_that_others_reach_is_remarked_on_or_refused(
    file: str, mode: int, told: str, read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read(GOOD)
    (tmp_path / file).chmod(mode)
    if mode & 0o002:
        with pytest.raises(InvalidAccounts) as caught:
            read(GOOD)
        assert told in str(caught.value)
    else:
        remarks = read(GOOD).remarks
        assert [told in remark for remark in remarks] == [True] * bool(told)
    # A secret that a container gets is somebody else's, or on a mount that nobody in there can change.
    monkeypatch.setattr("os.geteuid", lambda: 4242)
    assert [remark for remark in (read(GOOD).remarks if not mode & 0o002 else ()) if "read" in remark] == []
    monkeypatch.setattr("os.statvfs", lambda _: SimpleNamespace(f_flag=os.ST_RDONLY))
    assert read(GOOD).remarks == ()


def test_without_a_public_address_an_issuer_needs_its_audience(read: Read) -> None:
    with pytest.raises(InvalidAccounts, match="audience is missing"):
        read(GOOD, public_url="")


def test_secrets_do_not_print(read: Read) -> None:
    assert SECRET not in repr(read(GOOD))
