"""Adding this server to an assistant's configuration file, and taking it out again.

- Ours is the entry that runs us, under the name asked for. One of that name that runs something else is never touched.
- Of our own entry only what this command decides changes: the command, `--sandbox`, and credentials where new ones are given.
  What its owner added (flags, variables, the client's own switches) stays.
- Nothing secret is shown: values of variables are masked, and of lines that are not ours only the names are shown.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import sys
import sysconfig
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Any

from contacts_mcp.config import Settings, variable_of
from contacts_mcp.errors import AccountError, InvalidArgument
from contacts_mcp.setup import config_files
from contacts_mcp.setup.assistants import CLIENTS, Client, Machine
from contacts_mcp.setup.config_files import ConfigFile, ConfigFileUnusable

Entry = dict[str, Any]

MASK = "**********"
SECRET_ID, SECRET_KEY, API_KEY = (variable_of(name) for name in ("secret_id", "secret_key", "api_key"))
CREDENTIALS = (SECRET_ID, SECRET_KEY, API_KEY)
PLACEHOLDERS = {SECRET_ID: "your secret's id", SECRET_KEY: "your secret's key"}

_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,39}")  # what every client accepts
_ADDRESS = ("base_url", "api_key_scheme")  # settings that credentials are worth nothing without


class CredentialsUnusable(AccountError):
    """No credentials were given, or what was given cannot be one."""


# What to write


def client_named(key: str) -> Client:
    """The client with that key. Raises InvalidArgument with all there are."""
    wanted = key.strip().lower().replace("_", "-").replace(" ", "-")
    found = next((client for client in CLIENTS if wanted in (client.key, client.title.lower().replace(" ", "-"))), None)
    if found is None:
        raise InvalidArgument(
            "CLIENT", f'there is none called "{key}".', expected=f"One of: {', '.join(each.key for each in CLIENTS)}."
        )
    return found


def launch_command() -> list[str]:
    """What starts us, whatever the search path of the client is: the installed script, else this interpreter."""
    script = "contacts-mcp.exe" if os.name == "nt" else "contacts-mcp"
    places = [
        Path(sys.executable).parent,
        Path(sysconfig.get_path("scripts")),
        Path(sysconfig.get_path("scripts", f"{os.name}_user")),
    ]
    found = next((place / script for place in places if (place / script).is_file()), None)
    return [str(found.absolute())] if found else [sys.executable, "-m", "contacts_mcp"]


def credentials_of(settings: Settings) -> dict[str, str]:
    """Credentials as variables, with the address they are for where it is not the usual one; empty where there are none."""
    given = {name: getattr(settings, name) for name in ("secret_id", "secret_key", "api_key")}
    names = ("secret_id", "secret_key") if given["secret_id"] and given["secret_key"] else ("api_key",)
    found = {variable_of(name): given[name].get_secret_value() for name in names if given[name]}
    address = {
        variable_of(name): str(getattr(settings, name)) for name in _ADDRESS if name in settings.model_fields_set
    }
    return found | address if found else {}


def asked_credentials(ask: Callable[[str], str]) -> dict[str, str]:
    """Credentials as a person gives them. Raises CredentialsUnusable."""
    secret_id = ask("API secret: its id (leave empty to give a team API key)").strip()
    if secret_id:
        return _checked({SECRET_ID: secret_id, SECRET_KEY: ask("API secret: its key").strip()})
    return _checked({API_KEY: ask("Team API key").strip()})


def _checked(given: dict[str, str]) -> dict[str, str]:
    for variable, value in given.items():
        flaw = flaw_of(value)
        if flaw:
            raise CredentialsUnusable(f"{variable} {flaw}. Nothing was changed.")
    return given


def flaw_of(value: str) -> str:
    """Why `value` cannot be an id or a key of the service; empty where it can. How the service makes them is not documented."""
    flaws = {
        "is empty": not value,
        "has characters that are not plain letters, digits and signs, such as a space or a line break": not re.fullmatch(
            "[!-~]*", value
        ),
        "is in quotation marks": value[:1] in "\"'" and value[:1] == value[-1:] and len(value) > 1,
        "looks like a placeholder": bool(
            re.search(r"(?i)^<.*>$|^\$|^%.*%$|your|xxx|\.\.\.|change.?me|example|placeholder", value)
        ),
        "begins with the word Bearer, which is not part of it": value.lower().startswith("bearer"),
        "is too short": len(value) < 8,  # noqa: PLR2004 -- shorter than any key that protects something
    }
    return next((flaw for flaw, is_so in flaws.items() if is_so), "")


def runs_us(client: Client, entry: Any) -> bool:
    """Whether an entry starts this server, however it is called."""
    if not isinstance(entry, Mapping):
        return False
    args = entry.get("args") or []
    words = [entry.get(client.command), *(args if isinstance(args, list) else str(args).split())]
    return any(
        PureWindowsPath(word).stem in ("contacts-mcp", "contacts_mcp") for word in words if isinstance(word, str)
    )


def entry_for(
    client: Client,
    *,
    name: str,
    launch: list[str],
    environment: Mapping[str, str],
    sandbox: bool,
    old: Entry | None = None,
) -> Entry:
    """The entry of this server: `old` with only that changed which is decided here."""
    old = old or {}
    entry: Entry = ({"name": name} if client.names_itself else {}) | dict(client.constants) | old
    entry[client.command] = launch[0]
    entry["args"] = [*launch[1:], "serve", *_flags(old.get("args") or [], sandbox=sandbox)]
    variables = _variables(old.get(client.environment) or {}, environment, sandbox=sandbox)
    if variables or client.environment in old:
        entry[client.environment] = variables
    return entry


def _flags(args: list[Any], *, sandbox: bool) -> list[Any]:
    """What stood behind `serve`, with or without --sandbox."""
    flags = args[args.index("serve") + 1 :] if "serve" in args else []
    if not sandbox:
        return [flag for flag in flags if flag != "--sandbox"]
    return flags if "--sandbox" in flags else [*flags, "--sandbox"]


def _variables(old: Mapping[str, Any], new: Mapping[str, str], *, sandbox: bool) -> dict[str, Any]:
    """New credentials replace old ones of any kind; without new ones the old ones stay."""
    outdated = {*CREDENTIALS, *(variable_of(name) for name in _ADDRESS)} if new else set()
    outdated |= set() if sandbox else {variable_of("sandbox")}
    return {name: value for name, value in old.items() if name not in outdated} | dict(new)


def snippet(client: Client, name: str, entry: Entry) -> str:
    """The entry as it would stand in an otherwise empty file."""
    return config_files.put(client.format, "", client.servers, name, entry)


# The change


@dataclass(frozen=True, slots=True)
class Change:
    """One file before and after. `old` and `new` are our entry there, None where there is none."""

    client: Client
    name: str
    file: ConfigFile
    after: str
    old: Entry | None
    new: Entry | None

    @property
    def is_needed(self) -> bool:
        return self.file.text != self.after

    @property
    def had_credentials(self) -> bool:
        """Whether the entry had credentials before."""
        return self._holds_credentials(self.old)

    @property
    def has_credentials(self) -> bool:
        """Whether the entry has credentials once the change is made."""
        return self._holds_credentials(self.new)

    def _holds_credentials(self, entry: Entry | None) -> bool:
        return not set(CREDENTIALS).isdisjoint((entry or {}).get(self.client.environment) or {})


def planned(client: Client, path: Path, name: str, make: Callable[[Entry | None], Entry | None]) -> Change:
    """The change that turns our entry into what `make` makes of it (None: no entry). Raises AccountError, which names the file."""
    if not _NAME.fullmatch(name):
        raise InvalidArgument(
            "--name", f'"{name}" cannot be used.', expected="Letters, digits, - and _ (at most 40), such as contacts."
        )
    try:
        file = config_files.read(path)
        old = _own_entry(client, file.text, name)
        new = make(old)
        return Change(client, name, file, _edited(client, file.text, name, new), old, new)
    except ConfigFileUnusable as error:
        raise _left_alone(path, error) from None


def _own_entry(client: Client, text: str, name: str) -> Entry | None:
    entry: Entry | None = config_files.entries(client.format, text, client.servers).get(name)
    if entry is not None and not runs_us(client, entry):
        raise ConfigFileUnusable(f'its entry "{name}" runs another server; choose another name with --name')
    if entry is not None and not (
        isinstance(entry.get("args") or [], list) and isinstance(entry.get(client.environment) or {}, Mapping)
    ):
        raise ConfigFileUnusable(
            f'its entry "{name}" is not as the client would have it (args is a list, {client.environment} a table); correct it by hand'
        )
    return entry


def _edited(client: Client, text: str, name: str, entry: Entry | None) -> str:
    if entry is None:
        return config_files.drop(client.format, text, client.servers, name)
    return config_files.put(client.format, text, client.servers, name, entry)


def carry_out(change: Change) -> Path | None:
    """Write the file. The backup that was kept, None for a new file. Raises AccountError; then nothing has changed."""
    try:
        return config_files.write(change.file, change.after)
    except ConfigFileUnusable as error:
        raise _left_alone(change.file.path, error) from None


def _left_alone(path: Path, error: ConfigFileUnusable) -> AccountError:
    return AccountError(f"{path} was left alone: {error}.")


# Showing it


def shown(change: Change) -> str:
    """The change as a unified diff that is safe to show and to paste."""
    name = change.file.path.name
    lines = difflib.unified_diff(change.file.text.splitlines(), change.after.splitlines(), name, name, n=2, lineterm="")
    hide = _hider(change)
    diff = [line if line.startswith(("---", "+++", "@@")) else line[:1] + hide(line[1:]) for line in lines]
    if _is_one_line(change.file.text) and change.new is not None:
        diff += ["The file is one long line; the entry in it becomes:", *(hide(line) for line in _lines_of(change))]
    return "\n".join(diff)


def masked_snippet(client: Client, name: str, entry: Entry) -> str:
    """The entry to read, not to paste: its variables are masked."""
    variables = entry.get(client.environment)
    return snippet(client, name, entry | ({client.environment: dict.fromkeys(variables, MASK)} if variables else {}))


def _lines_of(change: Change) -> list[str]:
    return snippet(change.client, change.name, change.new or {}).splitlines()


def _is_one_line(text: str) -> bool:
    return bool(text.strip()) and "\n" not in text.strip()


def _hider(change: Change) -> Callable[[str], str]:
    """What may be shown of a line: all of one that has only our own words in it, else the name it begins with."""
    environments = [dict((entry or {}).get(change.client.environment) or {}) for entry in (change.old, change.new)]
    secrets = sorted(
        {json.dumps(value, ensure_ascii=False) for each in environments for value in each.values()},
        key=len,
        reverse=True,
    )
    public = {change.client.servers, change.name, MASK, *(name for each in environments for name in each)}
    for entry in (change.old, change.new):
        public |= set(
            _words({name: value for name, value in (entry or {}).items() if name != change.client.environment})
        )
    public.add(change.client.environment)

    def hide(line: str) -> str:
        for secret in secrets:
            line = re.sub(rf"(?<=[:=] ){re.escape(secret)}", json.dumps(MASK), line)
        return line if all(_is_public(word, public) for word in _WORD.findall(line)) else _outline(line)

    return hide


_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s"{}\[\],:=]+')
_KEY = re.compile(r'\s*(?:"(?:[^"\\]|\\.)*"|[\w.-]+)\s*[:=]')


def _words(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from _words(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _words(inner)
    else:
        yield value if isinstance(value, str) else json.dumps(value, default=str)


def _is_public(word: str, public: set[str]) -> bool:
    if word.startswith('"'):
        try:
            return json.loads(word) in public
        except ValueError:
            return False
    return word in public or all(part in public for part in word.split("."))


def _outline(line: str) -> str:
    key = _KEY.match(line)
    return f"{key[0]} …" if key else f"{line[: len(line) - len(line.lstrip())]}…"


# The dialogue


@dataclass(frozen=True, slots=True)
class Talk:
    """How to speak with the person: `say` tells, `ask` gets something secret, `confirm` a yes or no. `ask` is None where nobody is there."""

    say: Callable[[str], None]
    ask: Callable[[str], str] | None
    confirm: Callable[[str], bool]


def add(
    client: Client, machine: Machine, settings: Settings, talk: Talk, *, name: str, sandbox: bool, yes: bool
) -> None:
    """Add this server to a client's file, or bring its entry up to date. Raises AccountError."""

    def make(old: Entry | None) -> Entry:
        stays_sandbox = sandbox or ("--sandbox" in ((old or {}).get("args") or []) and not credentials_of(settings))
        given = {} if stays_sandbox else _credentials(settings, (old or {}).get(client.environment) or {}, talk)
        return entry_for(client, name=name, launch=launch_command(), environment=given, sandbox=stays_sandbox, old=old)

    change = planned(client, client.place(machine), name, make)
    if not change.is_needed:
        talk.say(f'Nothing to do: {client.title} has this server already, as "{name}" in {change.file.path}.')
    elif _done(change, talk, yes=yes):
        talk.say(client.afterwards)


def remove(client: Client, machine: Machine, talk: Talk, *, name: str, yes: bool) -> None:
    """Take this server out of a client's file. Raises AccountError."""
    change = planned(client, client.place(machine), name, lambda _: None)
    if not change.is_needed:
        talk.say(f'Nothing to do: there is no "{name}" in {change.file.path}.')
    else:
        _done(change, talk, yes=yes)


def paste(client: Client, *, name: str, sandbox: bool) -> str:
    """What to paste into the client's file by hand; the credentials are left to fill in."""
    environment = {} if sandbox else PLACEHOLDERS
    return snippet(
        client, name, entry_for(client, name=name, launch=launch_command(), environment=environment, sandbox=sandbox)
    )


def _credentials(settings: Settings, old: Mapping[str, Any], talk: Talk) -> dict[str, str]:
    """Those of the environment, else those that are there already (none to write), else those a person gives."""
    found = credentials_of(settings)
    _checked({name: value for name, value in found.items() if name in CREDENTIALS})
    if found or set(CREDENTIALS) & set(old):
        return found
    if talk.ask is None:
        raise CredentialsUnusable(
            f"There are no credentials to write. Set {SECRET_ID} and {SECRET_KEY} (or {API_KEY}), or use --sandbox to try it without an account."
        )
    return asked_credentials(talk.ask)


def _done(change: Change, talk: Talk, *, yes: bool) -> bool:
    path = change.file.path
    talk.say(f"{change.client.title}: {path}\n{shown(change)}")
    if not yes and not talk.confirm("Make this change?"):
        talk.say("Nothing was changed.")
        return False
    backup = carry_out(change)
    talk.say(f"Done.{f' What was there before is kept in {backup}.' if backup else ''}")
    if backup and change.had_credentials:
        talk.say("That copy holds the credentials that were there; delete it once all is well.")
    if change.has_credentials and not config_files.is_private(path):
        talk.say(f"Others on this machine can read {path}, which holds the credentials; chmod 600 keeps them out.")
    return True
