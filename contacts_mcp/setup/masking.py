"""Showing entries of assistants' files without anything secret.

Only harmless words are shown: names, our own flags with their values, the way a program is started. Everything else may
be a secret. People put keys into variables, into arguments (`docker run -e KEY=...`) and into members of their own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import PureWindowsPath
from typing import Any, get_args

from pydantic import SecretStr

from contacts_mcp.config import Settings, variable_of
from contacts_mcp.setup.assistants import Client

MASK = "**********"
SECRETS = ("secret_id", "secret_key", "api_key")  # settings
CREDENTIALS = tuple(variable_of(name) for name in SECRETS)
OURS = ("contacts-mcp", "contacts_mcp")  # the program and the module

# Our flags that take a value, but for those of secrets.
_OUR_FLAGS = {
    f"--{name.replace('_', '-')}"
    for name, setting in Settings.model_fields.items()
    if setting.annotation is not bool and SecretStr not in get_args(setting.annotation)
}
_OUR_WORDS = {*OURS, "serve", "-m", "run", "exec", "tool", "--from", "true", "false"}
_FLAG = re.compile(r"-[A-Za-z]|--[A-Za-z][A-Za-z-]{0,30}")
_LOGIN = re.compile(r"//[^/]*@")  # a user and a password in an address
_NAMED_VALUE = re.compile(r"(--[A-Za-z][A-Za-z-]{0,30}|[A-Za-z_][A-Za-z0-9_]*)=")


def shown_arguments(args: Iterable[Any], *, known: Iterable[str] = ()) -> list[str]:
    """The arguments of a command with everything masked that may be a secret. `known` are harmless, too."""
    harmless = {*_OUR_WORDS, *known}
    shown, before = [], ""
    for argument in map(str, args):
        named = _NAMED_VALUE.match(argument)
        if (
            argument in harmless
            or _FLAG.fullmatch(argument)
            or (before in _OUR_FLAGS and not _LOGIN.search(argument))
            or (named and named[1] in _OUR_FLAGS and not _LOGIN.search(argument))
        ):
            shown.append(argument)
        else:
            shown.append(f"{named[0]}{MASK}" if named else MASK)
        before = argument
    return shown


def shown_command(command: Any) -> str:
    """A command that is a plain path or name. Anything else in its place is masked."""
    text = command if isinstance(command, str) else ""
    return text if re.fullmatch(r"[^=\n\r]{1,300}", text) else MASK


def holds_credentials(client: Client, entry: Mapping[str, Any] | None) -> bool:
    """Whether an entry has a credential, in a variable or in an argument."""
    variables, args = (entry or {}).get(client.environment), (entry or {}).get("args")
    named = isinstance(variables, Mapping) and not set(CREDENTIALS).isdisjoint(variables)
    written = [argument for argument in args if isinstance(argument, str)] if isinstance(args, list) else []
    return named or any(f"{name}=" in argument for name in CREDENTIALS for argument in written)


def runs_us(client: Client, entry: Any) -> bool:
    """Whether an entry starts this server, however it is called."""
    if not isinstance(entry, Mapping):
        return False
    args = entry.get("args") or []
    words = [entry.get(client.command), *(args if isinstance(args, list) else str(args).split())]
    return any(PureWindowsPath(word).stem in OURS for word in words if isinstance(word, str))


def hider(client: Client, name: str, entries: Iterable[Mapping[str, Any]]) -> Callable[[str], str]:
    """A function that shows a line of the client's file: all of it if every word is harmless, else the name in front.

    `entries` are those of ours, before and after the change.
    """
    secrets: dict[str, str] = {}
    public = {client.servers, client.environment, name, MASK, "true", "false", *_leaves(client.constants)}
    for entry in entries:
        variables, args = entry.get(client.environment) or {}, entry.get("args") or []
        masked = shown_arguments(args, known=[name])
        public |= {*map(str, entry), *map(str, variables), *masked, shown_command(entry.get(client.command))}
        secrets |= {_quoted(old): _quoted(new) for old, new in zip(args, masked, strict=True) if str(old) != new}
        secrets |= {_quoted(value): _quoted(MASK) for value in variables.values()}

    def hide(line: str) -> str:
        shown = _WORD.sub(lambda found: secrets.get(found[0], found[0]), line)
        return shown if all(_is_public(word, public) for word in _WORD.findall(shown)) else _outline(line)

    return hide


_WORD = re.compile(r'"(?:[^"\\]|\\.)*"|[^\s"{}\[\],:=]+')
_KEY = re.compile(r'\s*(?:"(?:[^"\\]|\\.)*"|[\w.-]+)\s*[:=]')


def _quoted(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)


def _leaves(value: Any) -> Iterator[str]:
    """Every name and value in `value`, as text."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield str(name)
            yield from _leaves(inner)
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
