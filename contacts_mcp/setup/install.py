"""Adding this server to an assistant's configuration file, and taking it out again.

- Ours is the entry that runs us, under the name asked for. One of that name that runs something else is never touched.
- Of our own entry only the command, `--sandbox`, and credentials where new ones are given change.
  Additions of its owner stay: flags, variables, the client's own switches.
- Nothing secret is shown (`masking.py`). A file with credentials, and every copy that is kept, is for its owner only.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contacts_mcp.config import Settings, variable_of
from contacts_mcp.errors import AccountError, InvalidArgument
from contacts_mcp.setup import config_files
from contacts_mcp.setup.assistants import CLIENTS, Client, Machine
from contacts_mcp.setup.config_files import ConfigFile, ConfigFileUnusable
from contacts_mcp.setup.launch import launch_command
from contacts_mcp.setup.masking import CREDENTIALS, hider, holds_credentials, runs_us
from contacts_mcp.words.display import quoted

Entry = dict[str, Any]

SECRET_ID, SECRET_KEY, API_KEY = CREDENTIALS
PLACEHOLDERS = {SECRET_ID: "your secret's id", SECRET_KEY: "your secret's key"}

_NAME = re.compile("[A-Za-z0-9][A-Za-z0-9_-]{0,39}")  # what every client accepts
# Clients call a tool mcp__NAME__TOOL, and models take names of less than 64 letters. Older entries may be longer.
LONGEST_NAME = 37
_ADDRESS = ("base_url", "api_key_scheme")  # settings that credentials are worth nothing without


class CredentialsUnusable(AccountError):
    """No credentials were given, or a text that cannot be one."""


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


def credentials_of(settings: Settings) -> dict[str, str]:
    """Credentials as variables, with their address where it is not the usual one. Empty where there are none."""
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
    if not secret_id:
        return _checked({API_KEY: ask("Team API key").strip()})
    given = _checked({SECRET_ID: secret_id})  # before the key is asked for
    return given | _checked({SECRET_KEY: ask("API secret: its key").strip()})


def _checked(given: dict[str, str]) -> dict[str, str]:
    for variable, value in given.items():
        flaw = flaw_of(value)
        if flaw:
            raise CredentialsUnusable(f"{variable} {flaw}. Nothing was changed.")
    return given


def flaw_of(value: str) -> str:
    """Why `value` cannot be an id or a key, empty where it can. The service does not document how it makes them."""
    flaws = {
        "is empty": not value,
        "has characters other than plain letters, digits and signs": not re.fullmatch("[!-~]*", value),
        "is in quotation marks": value[:1] in "\"'" and value[:1] == value[-1:] and len(value) > 1,
        "looks like a placeholder": bool(
            re.search(r"(?i)^<.*>$|^\$|^%.*%$|your|xxx|\.\.\.|change.?me|example|placeholder", value)
        ),
        "begins with the word Bearer, which is not part of it": value.lower().startswith("bearer"),
        "is too short": len(value) < 8,  # noqa: PLR2004 -- shorter than any key that protects something
    }
    return next((flaw for flaw, is_so in flaws.items() if is_so), "")


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
    """The flags that stood behind `serve`, with or without --sandbox."""
    flags = args[args.index("serve") + 1 :] if "serve" in args else []
    if not sandbox:
        return [flag for flag in flags if flag != "--sandbox"]
    return flags if "--sandbox" in flags else [*flags, "--sandbox"]


def _variables(old: Mapping[str, Any], new: Mapping[str, str], *, sandbox: bool) -> dict[str, Any]:
    """New credentials replace old ones of any kind. Without new ones the old ones stay."""
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
        return holds_credentials(self.client, self.old)

    @property
    def has_credentials(self) -> bool:
        """Whether the entry has credentials once the change is made."""
        return holds_credentials(self.client, self.new)


def planned(client: Client, path: Path, name: str, make: Callable[[Entry | None], Entry | None]) -> Change:
    """The change that replaces our entry by `make(entry)`, where None is no entry. Raises AccountError."""
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


def _refuse_too_long(name: str) -> None:
    if len(name) > LONGEST_NAME:
        raise InvalidArgument(
            "--name",
            f"{len(name)} letters are too many, because clients put the name before that of each tool.",
            expected=f"At most {LONGEST_NAME} letters, digits, - and _, such as contacts.",
        )


def _own_entry(client: Client, text: str, name: str) -> Entry | None:
    entry: Entry | None = config_files.entries(client.format, text, client.servers).get(name)
    if entry is not None and not runs_us(client, entry):
        raise ConfigFileUnusable(f'its entry "{name}" runs another server; choose another name with --name')
    if entry is not None and not (
        isinstance(entry.get("args") or [], list) and isinstance(entry.get(client.environment) or {}, Mapping)
    ):
        raise ConfigFileUnusable(
            f'its entry "{name}" is not as the client would have it (args is a list, {client.environment} a table); '
            "correct it by hand"
        )
    return entry


def _edited(client: Client, text: str, name: str, entry: Entry | None) -> str:
    if entry is None:
        return config_files.drop(client.format, text, client.servers, name)
    return config_files.put(client.format, text, client.servers, name, entry)


def carry_out(change: Change) -> Path | None:
    """Write the file. Returns the backup, None for a new file. Raises AccountError, and then nothing has changed."""
    try:
        return config_files.write(change.file, change.after, private=change.has_credentials)
    except ConfigFileUnusable as error:
        raise _left_alone(change.file.path, error) from None


def _left_alone(path: Path, error: ConfigFileUnusable) -> AccountError:
    return AccountError(f"{path} was left alone: {error}.")


# Showing it


def shown(change: Change) -> str:
    """The change as a unified diff that is safe to show and to paste."""
    name = change.file.path.name
    lines = difflib.unified_diff(change.file.text.splitlines(), change.after.splitlines(), name, name, n=2, lineterm="")
    hide = hider(change.client, change.name, [entry for entry in (change.old, change.new) if entry is not None])
    diff = [line if line.startswith(("---", "+++", "@@")) else line[:1] + hide(line[1:]) for line in lines]
    if _is_one_line(change.file.text) and change.new is not None:
        becomes = snippet(change.client, change.name, change.new).splitlines()
        diff += ["The file is one long line; the entry in it becomes:", *map(hide, becomes)]
    return "\n".join(diff)


def _is_one_line(text: str) -> bool:
    return bool(text.strip()) and "\n" not in text.strip()


# The dialogue


@dataclass(frozen=True, slots=True)
class Talk:
    """How to speak with the person."""

    say: Callable[[str], None]
    ask: Callable[[str], str] | None  # for a secret; None where nobody is there
    confirm: Callable[[str], bool]  # a yes or no


def add(
    client: Client, machine: Machine, settings: Settings, talk: Talk, *, name: str, sandbox: bool, yes: bool
) -> None:
    """Add this server to a client's file, or bring its entry up to date. Raises AccountError."""

    def make(old: Entry | None) -> Entry:
        stays_sandbox = sandbox or ("--sandbox" in ((old or {}).get("args") or []) and not credentials_of(settings))
        given = {} if stays_sandbox else _credentials(settings, (old or {}).get(client.environment) or {}, talk)
        return entry_for(client, name=name, launch=launch_command(), environment=given, sandbox=stays_sandbox, old=old)

    _refuse_too_long(name)
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
    """The text to paste into the client's file by hand. The credentials are left to fill in."""
    _refuse_too_long(name)
    environment = {} if sandbox else PLACEHOLDERS
    return snippet(
        client, name, entry_for(client, name=name, launch=launch_command(), environment=environment, sandbox=sandbox)
    )


def overview(machine: Machine) -> str:
    """A line for each client: whether it is on this machine, and under which names it has this server."""
    width = max(len(client.key) for client in CLIENTS)
    lines = [f"  {client.key:<{width}}  {_found_of(client, machine)}" for client in CLIENTS]
    return "\n".join(
        ["Assistants, and which are here:", *lines, "", "Add this server to one: contacts-mcp install NAME"]
    )


def _found_of(client: Client, machine: Machine) -> str:
    path = client.place(machine)
    if not path.exists() and (path.parent == machine.home or not path.parent.exists()):
        return "is not here"
    try:
        entries = config_files.entries(client.format, config_files.read(path).text, client.servers)
    except ConfigFileUnusable as error:
        return f"is here; its file was skipped, because {error}"
    ours = [quoted(name, limit=60) for name, entry in entries.items() if runs_us(client, entry)]
    return f"is here, and has this server as {', '.join(ours)}" if ours else "is here"


def _credentials(settings: Settings, old: Mapping[str, Any], talk: Talk) -> dict[str, str]:
    """Those of the environment, else those that are there already (none to write), else those a person gives."""
    found = credentials_of(settings)
    _checked({name: value for name, value in found.items() if name in CREDENTIALS})
    if found or set(CREDENTIALS) & set(old):
        return found
    if talk.ask is None:
        raise CredentialsUnusable(
            f"There are no credentials to write. Set {SECRET_ID} and {SECRET_KEY} (or {API_KEY}), "
            "or use --sandbox to try it without an account."
        )
    return asked_credentials(talk.ask)


def _done(change: Change, talk: Talk, *, yes: bool) -> bool:
    path = change.file.path
    was_open = change.file.exists and not config_files.is_private(path)
    talk.say(f"{change.client.title}: {path}\n{shown(change)}")
    if not yes and not talk.confirm("Make this change?"):
        talk.say("Nothing was changed.")
        return False
    backup = carry_out(change)
    talk.say(f"Done.{f' What was there before is kept in {backup}, which only you can read.' if backup else ''}")
    if backup and change.had_credentials:
        talk.say("That copy holds the credentials that were there; delete it once all is well.")
    if change.has_credentials and was_open:
        talk.say(f"From now on only you can read {path} too, because it holds the credentials.")
    return True
