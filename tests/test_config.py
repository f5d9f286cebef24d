"""Settings: every one from the environment and by override, bad values named without secrets."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from contacts_mcp import config
from contacts_mcp.config import LIVE_URL, InvalidSettings, Settings, variable_of

SECRET = "hunter2-very-secret"

# field: variable, text in the environment, what it means, another value by override
SETTINGS: dict[str, tuple[str, str, Any, Any]] = {
    "secret_id": ("HEYMARKET_SECRET_ID", "id-1", SecretStr("id-1"), SecretStr("id-2")),
    "secret_key": ("HEYMARKET_SECRET_KEY", "key-1", SecretStr("key-1"), SecretStr("key-2")),
    "api_key": ("HEYMARKET_API_KEY", "api-1", SecretStr("api-1"), SecretStr("api-2")),
    "base_url": ("HEYMARKET_BASE_URL", "https://one.example/", "https://one.example", "https://two.example"),
    "api_key_scheme": ("CONTACTS_MCP_API_KEY_SCHEME", "basic", "basic", "bearer"),
    "sandbox": ("CONTACTS_MCP_SANDBOX", "1", True, False),
    "sandbox_file": ("CONTACTS_MCP_SANDBOX_FILE", ":memory:", ":memory:", "other.sqlite3"),
    "default_region": ("CONTACTS_MCP_DEFAULT_REGION", "gb", "GB", "DE"),
    "time_zone": ("CONTACTS_MCP_TIME_ZONE", "asia/kolkata", "Asia/Kolkata", "UTC"),
    "read_only": ("CONTACTS_MCP_READ_ONLY", "yes", True, False),
    "tools": ("CONTACTS_MCP_TOOLS", "contacts, fields", ["contacts", "fields"], ["history"]),
    "requests_per_minute": ("CONTACTS_MCP_REQUESTS_PER_MINUTE", "100", 100, 200),
    "timeout": ("CONTACTS_MCP_TIMEOUT", "2.5", 2.5, 3.5),
    "call_timeout": ("CONTACTS_MCP_CALL_TIMEOUT", "20", 20.0, 30.0),
    "confirm": ("CONTACTS_MCP_CONFIRM", "token", "token", "off"),
    "signing_key": (
        "CONTACTS_MCP_SIGNING_KEY",
        "sign-1-of-16-letters",
        SecretStr("sign-1-of-16-letters"),
        SecretStr("sign-2-of-16-letters"),
    ),
    "journal": ("CONTACTS_MCP_JOURNAL", "off", False, True),
    "view": ("CONTACTS_MCP_VIEW", "off", False, True),
    "files": ("CONTACTS_MCP_FILES", f"/lists{os.pathsep}/more", [Path("/lists"), Path("/more")], [Path("/other")]),
    "index": ("CONTACTS_MCP_INDEX", "memory", "memory", "off"),
    "accounts": ("CONTACTS_MCP_ACCOUNTS", "/a.toml", Path("/a.toml"), Path("/b.toml")),
    "public_url": ("CONTACTS_MCP_PUBLIC_URL", "https://One.example/", "https://one.example", "https://two.example"),
    "allowed_hosts": ("CONTACTS_MCP_ALLOWED_HOSTS", "One.example, [::1]:80", ["one.example", "[::1]:80"], ["two"]),
    "allowed_origins": ("CONTACTS_MCP_ALLOWED_ORIGINS", "http://one:*", ["http://one:*"], ["https://two.example"]),
    "proxies": ("CONTACTS_MCP_PROXIES", "10.0.0.0/8, ::1", ["10.0.0.0/8", "::1"], ["192.168.1.1"]),
    "other_signing_keys": (
        "CONTACTS_MCP_OTHER_SIGNING_KEYS",
        "sign-3-of-16-letters,sign-4-of-16-letters",
        SecretStr("sign-3-of-16-letters,sign-4-of-16-letters"),
        SecretStr("sign-5-of-16-letters"),
    ),
    "database_url": ("CONTACTS_MCP_DATABASE_URL", "postgresql://a", SecretStr("postgresql://a"), SecretStr("x")),
    "redis_url": ("CONTACTS_MCP_REDIS_URL", "redis://a", SecretStr("redis://a"), SecretStr("redis://b")),
    "replicas_most": ("CONTACTS_MCP_REPLICAS_MOST", "3", 3, 4),
    "metrics": ("CONTACTS_MCP_METRICS", "127.0.0.1:9100", "127.0.0.1:9100", "0.0.0.0:9100"),
    "log_format": ("CONTACTS_MCP_LOG_FORMAT", "json", "json", "text"),
    "data_dir": ("CONTACTS_MCP_DATA_DIR", "/data", Path("/data"), Path("/other")),
    "log_level": ("CONTACTS_MCP_LOG_LEVEL", "debug", "DEBUG", "ERROR"),
    "log_file": ("CONTACTS_MCP_LOG_FILE", "/tmp/log", Path("/tmp/log"), Path("/tmp/other")),
}
ROWS = [(field, *row) for field, row in SETTINGS.items()]


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.upper().startswith(("HEYMARKET_", "CONTACTS_MCP_")):
            monkeypatch.delenv(name)


@pytest.mark.parametrize(
    ("public_url", "is_right"),
    [
        ("https://contacts.example.com", True),
        ("https://contacts.example.com:8443/", True),
        ("http://127.0.0.1:8000", True),
        ("http://localhost:8000", True),
        ("http://contacts.example.com", False),
        ("https://contacts.example.com/mcp", False),
        ("https://me@contacts.example.com", False),
        ("contacts.example.com", False),
        ("https://kontakte-münchen.example.com", False),
        ("https://", False),
    ],
)
def test_the_address_for_clients_is_https_or_on_this_machine(public_url: str, is_right: bool) -> None:
    if is_right:
        assert Settings.load(public_url=public_url).public_url == public_url.rstrip("/")
    else:
        assert "CONTACTS_MCP_PUBLIC_URL: expected" in refusal(public_url=public_url)


def test_the_usual_port_is_left_out_as_clients_leave_it_out() -> None:
    for said, meant in (("https://One.example:443", "https://one.example"), ("http://[::1]:80", "http://[::1]")):
        settings = Settings.load(public_url=said, allowed_origins=[said])
        assert (settings.public_url, settings.allowed_origins) == (meant, [meant])
    assert Settings.load(public_url="https://one.example:80").public_url == "https://one.example:80"


def test_the_signing_keys_of_a_ring_are_those_between_commas() -> None:
    ring = Settings.load(other_signing_keys=" sign-3-of-16-letters , ,sign-4-of-16-letters")
    assert ring.accepted_signing_keys == [b"sign-3-of-16-letters", b"sign-4-of-16-letters"]
    assert Settings.load().accepted_signing_keys == []


def refusal(**given: Any) -> str:
    with pytest.raises(InvalidSettings) as caught:
        Settings.load(**given)
    return str(caught.value)


def test_the_table_has_every_setting() -> None:
    assert Settings.model_fields.keys() == SETTINGS.keys()


@pytest.mark.parametrize(("field", "variable", "text", "value", "other"), ROWS, ids=SETTINGS)
def test_a_setting_comes_from_its_variable_and_an_override_wins(
    monkeypatch: pytest.MonkeyPatch, field: str, variable: str, text: str, value: Any, other: Any
) -> None:
    assert variable_of(field) == variable
    monkeypatch.setenv(variable, text)
    assert getattr(Settings.load(), field) == value
    assert getattr(Settings.load(**{field: other}), field) == other
    assert getattr(Settings.load(**{field: None}), field) == value


@pytest.mark.parametrize("field", ["secret_key", "database_url", "tools"])
def test_a_container_may_get_a_setting_as_a_file(field: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable wins over its file, and an empty file counts as not set."""
    monkeypatch.setattr(config, "SECRETS", tmp_path)
    file = tmp_path / variable_of(field).lower()
    file.write_text("\n", encoding="utf-8")
    assert getattr(Settings.load(), field) == Settings.model_fields[field].get_default(call_default_factory=True)
    file.write_text("from the file\n", encoding="utf-8")
    assert "from the file" in _open(Settings.load(), field)
    file.chmod(0o666)
    with pytest.raises(InvalidSettings, match=f"{file.name}: everybody on this machine may change it"):
        Settings.load()
    file.chmod(0o444)
    monkeypatch.setenv(variable_of(field), "from the environment")
    assert "from the environment" in _open(Settings.load(), field)


def test_a_file_of_a_setting_is_not_overlooked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "SECRETS", tmp_path)
    (tmp_path / "contacts_mcp_readonly").write_text("on", encoding="utf-8")
    assert "contacts_mcp_readonly is not a setting. Did you mean CONTACTS_MCP_READ_ONLY?" in refusal()
    (tmp_path / "contacts_mcp_readonly").rename(tmp_path / "CONTACTS_MCP_READ_ONLY")
    assert Settings.load().read_only is True
    (tmp_path / "CONTACTS_MCP_READ_ONLY").chmod(0o666)
    assert "CONTACTS_MCP_READ_ONLY: everybody on this machine may change it" in refusal()
    (tmp_path / "CONTACTS_MCP_READ_ONLY").unlink()
    (tmp_path / "contacts_mcp_signing_key").write_bytes(b"\xff" * 32)
    assert "contacts_mcp_signing_key cannot be read as a file of text (UnicodeDecodeError)" in refusal()
    (tmp_path / "contacts_mcp_signing_key").unlink()
    (tmp_path / "contacts_mcp_signing_key").mkdir()
    assert "contacts_mcp_signing_key cannot be read as a file of text (IsADirectoryError)" in refusal()


def _open(settings: Settings, field: str) -> Any:
    value = getattr(settings, field)
    return value.get_secret_value() if isinstance(value, SecretStr) else value


@pytest.mark.parametrize("kind", ["missing", "locked"])
def test_without_such_a_folder_nothing_is_said(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(config, "SECRETS", tmp_path / "folder")
    if kind == "locked":
        (tmp_path / "folder").mkdir(mode=0o000)
    assert Settings.load().secret_key is None


@pytest.mark.parametrize(
    "blank", ["", "  ", "${user_config.value}", " ${X} "], ids=["empty", "spaces", "placeholder", "padded placeholder"]
)
@pytest.mark.parametrize(("field", "variable", "text", "value", "other"), ROWS, ids=SETTINGS)
def test_a_blank_variable_is_not_set(
    monkeypatch: pytest.MonkeyPatch, field: str, variable: str, text: str, value: Any, other: Any, blank: str
) -> None:
    default = getattr(Settings.load(), field)
    monkeypatch.setenv(variable, blank)
    assert getattr(Settings.load(), field) == default


def test_a_value_that_was_pasted_with_spaces_is_taken_without(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEYMARKET_API_KEY", f" {SECRET}\r\n")
    key = Settings.load().api_key
    assert key is not None
    assert key.get_secret_value() == SECRET


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "clé", "nul\0", "“quoted”"])
def test_a_key_that_fits_no_header_is_refused_without_showing_it(key: str) -> None:
    text = refusal(api_key=key)
    assert text.startswith("HEYMARKET_API_KEY: expected the key alone")
    assert key not in text


BAD = [
    ("api_key_scheme", "digest"),
    ("sandbox", "perhaps"),
    ("default_region", "USA"),
    ("default_region", "1A"),
    ("default_region", "ÜS"),
    ("time_zone", "Mars/Olympus"),
    ("time_zone", "America"),
    ("time_zone", "../UTC"),
    ("time_zone", "UTC+2"),
    ("read_only", "2"),
    ("requests_per_minute", "0"),
    ("requests_per_minute", "many"),
    ("requests_per_minute", "100001"),
    ("timeout", "0"),
    ("timeout", "301"),
    ("timeout", "nan"),
    ("call_timeout", "-1"),
    ("call_timeout", "inf"),
    ("confirm", "never"),
    ("journal", "perhaps"),
    ("log_level", "chatty"),
    ("base_url", "api.heymarket.com"),
]


@pytest.mark.parametrize(("field", "text"), BAD, ids=[f"{field} {text}" for field, text in BAD])
def test_a_bad_value_is_named_by_its_variable_wherever_it_came_from(
    monkeypatch: pytest.MonkeyPatch, field: str, text: str
) -> None:
    by_override = refusal(**{field: text}, api_key=SECRET)
    monkeypatch.setenv(variable_of(field), text)
    assert refusal(api_key=SECRET) == by_override
    assert by_override.startswith(f"{variable_of(field)}: ")
    assert SECRET not in by_override
    assert "pydantic" not in by_override


@pytest.mark.parametrize(
    ("name", "nearest"),
    [("America/Los_Angles", "America/Los_Angeles"), ("europe/berln", "Europe/Berlin"), ("zzzzzzz", "")],
)
def test_a_misspelt_time_zone_is_refused_with_the_nearest(name: str, nearest: str) -> None:
    said = refusal(time_zone=name)
    assert ("nearest" in said) == bool(nearest)
    assert said.endswith(f"nearest: {nearest}." if nearest else "such as America/Los_Angeles.")


def test_without_a_time_zone_it_is_that_of_this_machine() -> None:
    assert Settings.load().zone is None
    assert str(Settings.load(time_zone="Asia/Kolkata").zone) == "Asia/Kolkata"


def test_all_bad_values_are_named_at_once() -> None:
    text = refusal(timeout=0, confirm="never", api_key=SECRET)
    assert "CONTACTS_MCP_TIMEOUT: " in text
    assert "CONTACTS_MCP_CONFIRM: " in text


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("https://api.heymarket.com", "https://api.heymarket.com"),
        ("https://api.heymarket.com/", "https://api.heymarket.com"),
        ("https://proxy.example:8443/", "https://proxy.example:8443"),
        ("https://api.heymarket.com/v1", "https://api.heymarket.com"),
        ("https://api.heymarket.com/v2/", "https://api.heymarket.com"),
        ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
        ("http://127.9.9.9", "http://127.9.9.9"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://api.localhost", "http://api.localhost"),
        ("http://[::1]:8080", "http://[::1]:8080"),
        ("HTTP://LOCALHOST", "http://LOCALHOST"),
    ],
)
def test_the_address_is_https_or_http_on_this_machine(given: str, kept: str) -> None:
    assert Settings.load(base_url=given).base_url == kept


@pytest.mark.parametrize(
    "url",
    [
        "http://api.heymarket.com",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://0.0.0.0",
        "http://10.0.0.1",
        "ftp://localhost",
        "file:///etc/passwd",
        "//api.heymarket.com",
        "https://",
        "https:///v1",
        f"https://user:{SECRET}@api.heymarket.com",
        f"https://:{SECRET}@api.heymarket.com",
        f"https://{SECRET}@api.heymarket.com",
        f"http://localhost\\@{SECRET}.example",
        f"https://api.heymarket.com?key={SECRET}",
        f"https://api.heymarket.com#{SECRET}",
        "https://api.heymarket.com?",
        "https://api.heymarket.com:99999",
        "https://api.heymarket.com:port",
        "https://api heymarket.com",
        "https://api.heymarket.com\n/v1",
        "https://[::1",
        "https://api.heymarket.com/v1/contacts",
        "https://api.heymarket.com/v3",
        "https://api.heymarket.com/api/v1",
        "https://proxy.example/heymarket/",
        "http://127.0.0.1:8765/x",
    ],
)
def test_any_other_address_is_refused_without_repeating_it(url: str) -> None:
    text = refusal(base_url=url)
    assert text.startswith("HEYMARKET_BASE_URL: ")
    assert SECRET not in text


@pytest.mark.parametrize(
    ("given", "names"),
    [("a", ["a"]), ("a,b", ["a", "b"]), (" a , ,b, ", ["a", "b"]), (["a", "b"], ["a", "b"])],
    ids=str,
)
def test_tools_are_a_comma_separated_list(given: Any, names: list[str]) -> None:
    assert Settings.load(tools=given).tools == names


def test_secrets_are_masked_wherever_settings_are_shown() -> None:
    settings = Settings.load(secret_id=SECRET, secret_key=SECRET, api_key=SECRET, signing_key=SECRET)
    for shown in (
        repr(settings),
        str(settings),
        repr(settings.model_dump()),
        settings.model_dump_json(),
        f"{settings.api_key}",
    ):
        assert SECRET not in shown
        assert "**********" in shown


def test_even_the_error_of_the_plain_constructor_hides_what_came() -> None:
    with pytest.raises(ValidationError) as caught:
        Settings(base_url="http://:hunter2@h")
    assert "hunter2" not in str(caught.value)


PAIR = {"secret_id": "id-1", "secret_key": "key-1"}
ACCOUNTS: dict[str, dict[str, Any]] = {
    "nobody": {},
    "sandbox": {"sandbox": True},
    "key": {"api_key": "id-2"},
    "another key": {"api_key": "id-3"},
    "pair": PAIR,
    "another pair": {"secret_id": "id-4", "secret_key": "key-1"},
    "elsewhere": PAIR | {"base_url": "https://elsewhere.example"},
}


def test_every_credential_and_address_has_its_own_fingerprint() -> None:
    prints = {name: Settings.load(**given).account for name, given in ACCOUNTS.items()}
    assert len(set(prints.values())) == len(ACCOUNTS)


@pytest.mark.parametrize(
    ("given", "same_as"),
    [
        (PAIR | {"secret_key": "renewed"}, PAIR),
        (PAIR | {"api_key": "id-2"}, PAIR),
        ({"secret_id": "id-1", "api_key": "id-2"}, {"api_key": "id-2"}),
        (PAIR | {"sandbox": True}, {"sandbox": True}),
        (PAIR | {"base_url": f"{LIVE_URL}/"}, PAIR),
        (PAIR | {"timeout": 3}, PAIR),
    ],
    ids=["new key of the pair", "pair beside key", "half a pair beside key", "sandbox", "slash", "other settings"],
)
def test_the_fingerprint_is_of_the_credential_in_use(given: dict[str, Any], same_as: dict[str, Any]) -> None:
    assert Settings.load(**given).account == Settings.load(**same_as).account


def test_the_fingerprint_shows_nothing_of_the_credential() -> None:
    account = Settings.load(api_key=SECRET).account
    assert len(account) == 16
    assert set(account) <= set("0123456789abcdef")


@pytest.mark.parametrize(
    ("given", "complete"),
    [({}, False), ({"secret_id": "i"}, False), ({"secret_key": "k"}, False), (PAIR, True), ({"api_key": "k"}, True)],
    ids=str,
)
def test_credentials_are_a_key_or_a_whole_pair(given: dict[str, str], complete: bool) -> None:
    assert Settings.load(**given).has_credentials is complete


def test_the_data_directory_is_the_given_one_or_the_platforms(tmp_path: Path) -> None:
    assert Settings.load(data_dir=tmp_path).directory == tmp_path
    assert Settings.load(data_dir="~/x").directory == Path("~/x").expanduser()
    assert Settings.load().directory.name == "contacts-mcp"


def test_settings_do_not_change_after_loading() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings.load().timeout = 1.0


def test_variables_of_others_are_none_of_our_business(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEYMARKET_WHATEVER", "x")
    monkeypatch.setenv("TIMEOUT", "x")
    assert Settings.load().timeout == 15.0


MISSPELT = {
    "READONLY": "READ_ONLY",
    "read_only_mode": "READ_ONLY",
    "REDONLY": "READ_ONLY",
    "SANDBX": "SANDBOX",
    "SAND_BOX": "SANDBOX",
    "TOOL": "TOOLS",
    "CONFIRMS": "CONFIRM",
    "LOGLEVEL": "LOG_LEVEL",
    "DATADIR": "DATA_DIR",
    "REQUESTS_PER_MINUTES": "REQUESTS_PER_MINUTE",
}


@pytest.mark.parametrize(("name", "meant"), MISSPELT.items(), ids=MISSPELT)
def test_a_misspelt_setting_of_ours_is_not_passed_over(monkeypatch: pytest.MonkeyPatch, name: str, meant: str) -> None:
    """A person who set READONLY believes that nothing can be changed."""
    monkeypatch.setenv(f"CONTACTS_MCP_{name}", "1")
    with pytest.raises(InvalidSettings) as refused:
        Settings.load()
    variable = f"CONTACTS_MCP_{name.upper() if os.name == 'nt' else name}"
    assert str(refused.value) == f"{variable} is not a setting. Did you mean CONTACTS_MCP_{meant}?"


@pytest.mark.parametrize(
    "name",
    [
        "PORT",
        "SERVICE_HOST",
        "SERVICE_PORT",
        "SERVICE_PORT_HTTP",
        "PORT_8000_TCP",
        "PORT_8000_TCP_ADDR",
        "PORT_8000_TCP_PROTO",
        "PORT_53_UDP_PORT",
        "SANDBOX_PORT",
        "SANDBOX_SERVICE_HOST",
        "CALL_TIMEOUT_PORT",
        "TOOLS_PORT_80_TCP_ADDR",
        "HOST",
        "IMAGE",
        "VERSION",
        "NO_SUCH_SETTING",
    ],
)
def test_a_variable_that_is_near_to_no_setting_stops_nothing(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"CONTACTS_MCP_{name}", "tcp://10.0.0.1:8000")
    assert Settings.load() == Settings()


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"default_region": "UK"}, "the United Kingdom is GB"),
        ({"default_region": "XX"}, "expected a country code"),
        ({"signing_key": "short"}, "at least 16 characters"),
        ({"tools": " , "}, "expected names of tools"),
        ({"files": "~no-such-user-here/x"}, "CONTACTS_MCP_FILES: there is no such user"),
    ],
    ids=str,
)
def test_what_would_only_fail_later_is_refused_at_the_start(setting: Any, said: str) -> None:
    with pytest.raises(InvalidSettings, match=said):
        Settings.load(**setting)


def test_a_home_of_nobody_is_no_data_directory() -> None:
    with pytest.raises(InvalidSettings, match="CONTACTS_MCP_DATA_DIR"):
        _ = Settings.load(data_dir="~no-such-user-here/x").directory
