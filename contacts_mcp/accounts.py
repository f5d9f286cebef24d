"""The file that says who may come in over HTTP, and whose contacts they keep (`CONTACTS_MCP_ACCOUNTS`).

- It names issuers of tokens, and accounts with those who use them: subjects, groups, and holders of static tokens.
- It holds no secret. Credentials are named, as variables of the environment or as files, and of a token it has a hash.
- Nothing in it is overlooked. An unknown name, a person with two accounts or an account without credentials is an
  error at the start. The error says where it stands, what came and what is expected.
"""

from __future__ import annotations

import re
import tomllib
import unicodedata
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from contacts_mcp.config import (
    ONLY_ITS_OWNER,
    InvalidSettings,
    Settings,
    environment,
    is_this_machine,
    reach_of_others,
)
from contacts_mcp.words.display import quoted

SCOPES = ("contacts:read", "contacts:write", "contacts:delete", "contacts:bulk")
ENTRY = "contacts:read"  # the scope without which nobody comes in
LONGEST_NAME = 100  # characters of the name of a person
TOKENS_OF_OURS = "urn:contacts-mcp:tokens"  # the issuer of static tokens

_CREDENTIALS = ("secret_id", "secret_key", "api_key")
_OPTIONS = {
    "time_zone": str,
    "default_region": str,
    "requests_per_minute": int,
    "read_only": bool,
    "base_url": str,
    "api_key_scheme": str,
    "sandbox": bool,
}
_IN_ISSUER = ("url", "audience", "jwks_url", "groups", "scopes")
_IN_ACCOUNT = (
    *_OPTIONS,
    *(f"{name}_{way}" for name in _CREDENTIALS for way in ("env", "file")),
    "subjects",
    "groups",
    "tokens",
)
_IN_TOKEN = ("name", "sha256", "scopes")
_NOT_PLAIN = ("Cc", "Cs", "Zl", "Zp")  # control characters, halves of characters, and ends of lines
_LONGEST = 60  # characters of a value that an error quotes


def is_plain(text: str) -> bool:
    """Whether a name is in one line, and of characters that every part of the server keeps. PostgreSQL takes no NUL."""
    return not any(unicodedata.category(sign) in _NOT_PLAIN for sign in text)


class InvalidAccounts(InvalidSettings):
    """The file of accounts cannot be used. The text says where, what came and what is expected, and no secret."""


@dataclass(frozen=True, slots=True)
class Issuer:
    """One who issues tokens (an OAuth authorization server)."""

    url: str  # `iss`, exactly
    audience: str  # `aud`, exactly
    jwks_url: str  # of its public keys
    groups: str = "groups"  # the claim that lists groups
    scopes: str = ""  # the claim that lists scopes; "" for `scope`, else `scp`


@dataclass(frozen=True, slots=True)
class StaticToken:
    """A token that does not change, known by its hash."""

    name: str  # of its holder
    account: str
    scopes: frozenset[str]


@dataclass(frozen=True, slots=True)
class Accounts:
    """The accounts of one server, and who uses them."""

    settings: Mapping[str, Settings]  # of each account, by name
    issuers: tuple[Issuer, ...] = ()
    subjects: Mapping[tuple[str, str], str] = field(default_factory=dict)  # issuer and subject -> account
    groups: Mapping[tuple[str, str], str] = field(default_factory=dict)  # issuer and group -> account, in order
    tokens: Mapping[str, StaticToken] = field(default_factory=dict)  # SHA-256 in hex -> token
    remarks: tuple[str, ...] = ()  # on files that others reach, for whoever runs the server

    def account_of(self, issuer: str, subject: str, groups: Collection[str]) -> str:
        """The name of a person's account, "" for nobody of ours. A subject counts before the groups."""
        if (issuer, subject) in self.subjects:
            return self.subjects[issuer, subject]
        return next((name for (its, group), name in self.groups.items() if its == issuer and group in groups), "")


def read_accounts(settings: Settings) -> Accounts:
    """The accounts that `settings.accounts` names. Raises InvalidAccounts."""
    path = settings.accounts
    assert path is not None
    try:
        held = tomllib.loads(path.expanduser().read_text(encoding="utf-8-sig"))
    except (OSError, RuntimeError, UnicodeDecodeError) as error:
        raise InvalidAccounts(f"CONTACTS_MCP_ACCOUNTS: {path} cannot be read ({type(error).__name__}).") from None
    except tomllib.TOMLDecodeError as error:
        raise InvalidAccounts(f"{path.name}: expected TOML; {error}.") from None
    return _Reader(settings, path.expanduser()).read(held)


def settings_of_one(settings: Settings, name: str | None) -> Settings:
    """The settings for a command that acts on one account: of the file's account `name`, or of the environment.

    Raises InvalidSettings where the name is none, or where none is given and the environment has no credential.
    """
    if settings.accounts is None:
        if name is None:
            return settings
        raise InvalidSettings("--account is a name in the file of CONTACTS_MCP_ACCOUNTS, which is not set.")
    if name is None and (settings.has_credentials or settings.sandbox):
        return settings
    known = read_accounts(settings).settings
    chosen = known.get(name or "")
    if chosen is not None:
        return chosen
    problem = "Which account?" if name is None else f"There is no account {quoted(name, limit=_LONGEST)}."
    raise InvalidSettings(f"{problem} Give --account with one of: {', '.join(known)}.")


class _Reader:
    """Reads the tables of one file."""

    def __init__(self, settings: Settings, path: Path) -> None:
        self._server = settings
        self._path = path
        self._issuers: dict[str, Issuer] = {}
        self._settings: dict[str, Settings] = {}
        self._subjects: dict[tuple[str, str], str] = {}
        self._groups: dict[tuple[str, str], str] = {}
        self._tokens: dict[str, StaticToken] = {}
        self._remarks: list[str] = []

    def read(self, held: dict[str, Any]) -> Accounts:
        self._look_at(self._path, "the file", may_be_read=True)  # of tokens it has hashes
        self._known(held, ("issuers", "accounts"), "the file")
        for at, table in enumerate(self._tables(held.get("issuers", []), "issuers"), start=1):
            self._read_issuer(table, f"[[issuers]] number {at}")
        accounts = held.get("accounts")
        if not isinstance(accounts, dict) or not accounts:
            raise self._wrong("the file", f"accounts is {_kind(accounts)}", "a table for each account: [accounts.NAME]")
        for name, table in accounts.items():
            self._read_account(name, table)
        for name in self._settings:
            self._check_is_used(name)
        issuers = tuple(self._issuers.values())
        return Accounts(self._settings, issuers, self._subjects, self._groups, self._tokens, tuple(self._remarks))

    # Issuers

    def _read_issuer(self, table: dict[str, Any], where: str) -> None:
        self._known(table, _IN_ISSUER, where)
        texts = {name: self._text(table, name, where) for name in _IN_ISSUER if name in table}
        for name in ("url", "jwks_url"):
            if not _is_safe(texts.get(name, "")):
                came = quoted(texts[name], limit=_LONGEST) if name in texts else "missing"
                raise self._wrong(where, f"{name} is {came}", "an address with https, or http on this machine")
        if not texts.get("audience") and not self._server.public_url:
            raise self._wrong(where, "audience is missing", "it, or CONTACTS_MCP_PUBLIC_URL, to which /mcp is added")
        issuer = Issuer(**{"audience": f"{self._server.public_url}/mcp"} | texts)
        if issuer.url in self._issuers:
            raise self._wrong(where, f"url {quoted(issuer.url, limit=_LONGEST)} is there twice", "each issuer once")
        self._issuers[issuer.url] = issuer

    # Accounts

    def _read_account(self, name: str, table: Any) -> None:
        where = f"[accounts.{name}]"
        if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,39}", name):
            expected = "at most 40 small letters, digits, - and _"
            raise self._wrong("accounts", f"{quoted(name, limit=_LONGEST)} is no name of an account", expected)
        if not isinstance(table, dict):
            raise self._wrong(where, f"it is {_kind(table)}", "a table")
        self._known(table, _IN_ACCOUNT, where)
        chosen = self._settings_of(name, table, where)
        twin = next((other for other, its in self._settings.items() if its.account == chosen.account), None)
        if twin is not None:
            raise self._wrong(where, f"its credential is that of {twin}, too", "one account for each credential")
        self._settings[name] = chosen
        for member, found in (("subjects", self._subjects), ("groups", self._groups)):
            for issuer, who in self._people(table.get(member, []), f"{where} {member}"):
                if (issuer, who) in found:
                    came = f"{quoted(f'{issuer} {who}', limit=_LONGEST)} is in {found[issuer, who]} already"
                    raise self._wrong(f"{where} {member}", came, "each in one account only")
                found[issuer, who] = name
        for at, token in enumerate(self._tables(table.get("tokens", []), f"{where} tokens"), start=1):
            self._read_token(token, name, f"[[accounts.{name}.tokens]] number {at}")

    def _settings_of(self, name: str, table: dict[str, Any], where: str) -> Settings:
        options: dict[str, Any] = {}
        for option, kind in _OPTIONS.items():
            if option in table:
                if type(table[option]) is not kind:
                    raise self._wrong(where, f"{option} is {_kind(table[option])}", _EXPECTED[kind])
                options[option] = table[option]
        credentials = self._credentials(table, where)
        if credentials and options.get("sandbox"):
            raise self._wrong(where, "sandbox = true and a credential are both there", "one of them")
        options |= credentials
        is_sandbox = options.get("sandbox", self._server.sandbox)
        if is_sandbox and self._server.sandbox_file != ":memory:":  # each has a file of its own
            file = Path(self._server.sandbox_file or self._server.directory / "sandbox.sqlite3")
            options["sandbox_file"] = str(file.with_name(f"{file.stem}-{name}{file.suffix}"))
        try:
            chosen = self._server.for_account(name, **options)
        except ValidationError as error:
            raise self._refused(error, where) from None
        if not is_sandbox and not chosen.has_credentials:
            expected = "secret_id_env and secret_key_env, or api_key_env, or the same with _file, or sandbox = true"
            raise self._wrong(where, "it has no credentials", expected)
        return chosen

    def _credentials(self, table: dict[str, Any], where: str) -> dict[str, str]:
        found: dict[str, str] = {}
        for name in _CREDENTIALS:
            variable, file = (table.get(f"{name}_{way}") for way in ("env", "file"))
            if variable is not None and file is not None:
                raise self._wrong(where, f"{name}_env and {name}_file are both there", "one of them")
            if variable is not None:
                found[name] = self._of_variable(self._text(table, f"{name}_env", where), f"{where} {name}_env")
            if file is not None:
                found[name] = self._of_file(self._text(table, f"{name}_file", where), f"{where} {name}_file")
        if "api_key" in found and len(found) > 1:
            raise self._wrong(where, "api_key and secret_id or secret_key are both there", "one kind of credential")
        if len(found) == 1 and "api_key" not in found:
            raise self._wrong(where, f"{next(iter(found))} stands alone", "secret_id and secret_key together")
        return found

    def _of_variable(self, variable: str, where: str) -> str:
        value = environment().get(variable, "").strip()
        if not value and not re.fullmatch("[A-Z]+(_[A-Z0-9]+)+", variable):  # not quoted: it may be the credential
            raise self._wrong(where, "no variable of that name is set", "the name of one, not the credential itself")
        if not value:
            raise self._wrong(where, f"the variable {quoted(variable, limit=_LONGEST)} is not set", "one that is")
        return value

    def _of_file(self, name: str, where: str) -> str:
        try:  # the name is not quoted: it may be the credential
            path = self._path.parent / Path(name).expanduser()
            value = path.read_text(encoding="utf-8-sig").strip()
        except (OSError, RuntimeError, ValueError) as error:
            raise self._wrong(where, f"that file cannot be read ({type(error).__name__})", _FILE) from None
        if not value:
            raise self._wrong(where, "that file is empty", "a file that holds the credential alone")
        self._look_at(path, where)
        return value

    def _look_at(self, path: Path, where: str, *, may_be_read: bool = False) -> None:
        """Refuse a file that everybody may change, and remark on one that others reach in another way."""
        reach = reach_of_others(path)
        if reach == "all":
            raise self._wrong(where, "everybody on this machine may change that file", "a file of one owner: chmod 600")
        if reach == "group" or (reach == "read" and not may_be_read):
            what = "its group may change" if reach == "group" else "everybody on this machine may read"
            self._remarks.append(f"{self._path.name}, {where}: {what} that file. {ONLY_ITS_OWNER}")

    # Those who use them

    def _people(self, held: Any, where: str) -> Iterator[tuple[str, str]]:
        expected = f'"ISSUER {"SUBJECT" if "subj" in where else "GROUP"}" with the url of one of the issuers'
        if not isinstance(held, list):
            raise self._wrong(where, f"it is {_kind(held)}", f"a list of texts: {expected}")
        for line in held:
            issuer, _, who = line.strip().partition(" ") if isinstance(line, str) else ("", "", "")
            if not issuer or not who.strip() or not is_plain(who.strip()):
                came = quoted(line, limit=_LONGEST) if isinstance(line, str) else _kind(line)
                raise self._wrong(where, f"{came} names no issuer and name", expected)
            if issuer not in self._issuers:
                near = get_close_matches(issuer, self._issuers, n=1)
                nearest = f"; nearest: {quoted(near[0], limit=_LONGEST)}" if near else ""
                came = f"{quoted(issuer, limit=_LONGEST)} is no issuer of this file"
                raise self._wrong(where, came, expected + nearest)
            yield issuer, who.strip()

    def _read_token(self, table: dict[str, Any], account: str, where: str) -> None:
        self._known(table, _IN_TOKEN, where)
        name = self._text(table, "name", where)
        digest = self._text(table, "sha256", where).lower()
        if not re.fullmatch("[0-9a-f]{64}", digest):  # not quoted: somebody may have written the token itself
            expected = "the 64 hex digits that `contacts-mcp token` prints, not the token"
            raise self._wrong(where, f"sha256 has {len(digest)} characters, or others than hex digits", expected)
        if digest in self._tokens:
            raise self._wrong(where, f"its sha256 is that of {self._tokens[digest].account}, too", "a token for each")
        if any(token.account == account and token.name == name for token in self._tokens.values()):
            raise self._wrong(where, f"name {quoted(name, limit=_LONGEST)} is there twice", "each name once")
        self._tokens[digest] = StaticToken(name, account, self._scopes(table.get("scopes"), where))

    def _scopes(self, held: Any, where: str) -> frozenset[str]:
        expected = f"a list of {', '.join(SCOPES)}; {ENTRY} is always needed"
        if not isinstance(held, list):
            raise self._wrong(where, f"scopes is {_kind(held)}", expected)
        stranger = next((scope for scope in held if scope not in SCOPES), None)
        if stranger is not None:
            came = quoted(stranger, limit=_LONGEST) if isinstance(stranger, str) else _kind(stranger)
            raise self._wrong(where, f"scopes holds {came}", expected)
        if ENTRY not in held:
            raise self._wrong(where, f"scopes lacks {ENTRY}", expected)
        return frozenset(held)

    def _check_is_used(self, name: str) -> None:
        users = (*self._subjects.values(), *self._groups.values(), *(one.account for one in self._tokens.values()))
        if name not in users:
            raise self._wrong(f"[accounts.{name}]", "nobody uses it", "subjects, groups or tokens")

    # What they share

    def _known(self, table: Mapping[str, Any], names: Collection[str], where: str) -> None:
        for name in table:
            if name not in names:
                near = get_close_matches(name, names, n=1)
                expected = near[0] if near else ", ".join(names)
                raise self._wrong(where, f"{quoted(name, limit=_LONGEST)} is not known there", expected)

    def _tables(self, held: Any, where: str) -> list[dict[str, Any]]:
        if not isinstance(held, list) or not all(isinstance(table, dict) for table in held):
            raise self._wrong(where, f"it is {_kind(held)}", "tables between double brackets")
        return held

    def _text(self, table: Mapping[str, Any], name: str, where: str) -> str:
        held = table.get(name)
        if not isinstance(held, str) or not held.strip():
            raise self._wrong(where, f"{name} is {_kind(held)}", "a text")
        if not is_plain(held.strip()):
            raise self._wrong(where, f"{name} has a control character or several lines", "a text of one line")
        return held.strip()

    def _refused(self, error: ValidationError, where: str) -> InvalidAccounts:
        """The first problem of the settings of an account. Its input is not quoted, which may be a credential."""
        problem = error.errors()[0]
        names = {Settings.model_fields[name].validation_alias: name for name in Settings.model_fields}
        at = problem["loc"][0] if problem["loc"] else ""
        expected = problem["msg"].removeprefix(_PREFIX).removeprefix("Input should be ")
        return self._wrong(where, f"{names.get(str(at), at)} cannot be used", expected)

    def _wrong(self, where: str, came: str, expected: str) -> InvalidAccounts:
        return InvalidAccounts(f"{self._path.name}, {where}: {came}; expected {expected.removeprefix('expected ')}.")


_PREFIX = "Value error, "
_FILE = "the path, from the folder of accounts.toml on, of a file of text that this user can read"
_EXPECTED: Mapping[type, str] = {str: "a text", int: "a whole number", bool: "true or false"}
_KINDS: Mapping[type, str] = {
    type(None): "missing",
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "a table",
}


def _kind(value: Any) -> str:
    """The kind of a value. The value itself is not told, because it may be a secret in a wrong place."""
    is_blank = isinstance(value, str) and not value.strip()
    return "an empty text" if is_blank else _KINDS.get(type(value), "a date")


def _is_safe(url: str) -> bool:
    try:
        parts = urlsplit(url)
        host = parts.hostname if parts.port != 0 else None
    except ValueError:  # of an address in brackets, or of a port
        return False
    if re.search(r"[@#\s\x00-\x1f\x7f]", url) or not host:
        return False
    return parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(host))
