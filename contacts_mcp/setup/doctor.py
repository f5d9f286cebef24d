"""The state of this installation, a line for each thing, with advice where something is wrong.

- Nothing is changed and nothing is left behind. The one request is a read, and no file is made.
- Nothing secret or personal is told. Every text passes `redacted`, and names from others' files pass `words.display`.
- Findings are written from facts (lengths, counts, names of settings), never from contents.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, closing, nullcontext, suppress
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from enum import Enum
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
from pydantic import SecretStr

from contacts_mcp import __version__
from contacts_mcp.book.transfer.files import resolved_roots
from contacts_mcp.config import (
    ONLY_ITS_OWNER,
    Settings,
    files_of_settings,
    is_service_link,
    reach_of_others,
    variable_of,
)
from contacts_mcp.errors import ContactsError
from contacts_mcp.setup import config_files
from contacts_mcp.setup.assistants import CLIENTS, Client, Machine
from contacts_mcp.setup.install import flaw_of
from contacts_mcp.setup.launch import made_by
from contacts_mcp.setup.masking import MASK, SECRETS, holds_credentials, runs_us, shown_command
from contacts_mcp.state.journal import problem_with
from contacts_mcp.state.signing_key import flaw_of as flaw_of_key
from contacts_mcp.state.uptime import uptime
from contacts_mcp.words.display import quoted, visible, word

if TYPE_CHECKING:
    from contacts_mcp.accounts import Issuer
    from contacts_mcp.api.client import HeymarketClient

OLDEST_PYTHON = (3, 11)
PATIENCE = 10.0  # seconds for the one request
SKEW_TO_MENTION = 30.0
SKEW_TOO_MUCH = 240.0  # a token is good for 300 seconds from its time of issue (heymarket-api.md section 2)
LONGEST = 1000  # characters of a finding
SHORTEST_SECRET = 4  # characters; a shorter one would be found inside words
DAY = 24 * 3600.0  # seconds
PROFILE_TOO_OLD = 180  # days
ROOM_TO_MENTION = 0.2  # of the requests of a minute


class Level(Enum):
    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the answer."""

    level: Level
    about: str
    text: str
    advice: str = ""  # the next step
    is_default: bool = False  # a setting that nobody set; told on demand


@dataclass(frozen=True, slots=True)
class Patient:
    """The installation to look at."""

    settings: Settings | ContactsError  # an error where they cannot be used
    flags: frozenset[str]  # the names of settings that were given on the command line
    machine: Machine
    clock: Callable[[], float] = time.time
    uptime: Callable[[], float] = uptime
    borrowed: frozenset[str] = frozenset()  # the names of settings that were taken from a client's file
    lender: str = ""  # that file, for people


def patient_of(flags: Mapping[str, Any], given: frozenset[str], account: str | None, machine: Machine) -> Patient:
    """The installation with these flags. `account` is a name in the file of accounts, None for all of them."""
    from contacts_mcp.accounts import settings_of_one

    try:
        own = Settings.load(**flags)
        chosen = settings_of_one(own, account) if account is not None else own
    except ContactsError as error:
        return Patient(error, given, machine)
    its = frozenset(name for name in Settings.model_fields if getattr(own, name) != getattr(chosen, name))
    return Patient(chosen, given - its, machine, borrowed=its, lender="the file of accounts")


def with_credentials(patient: Patient) -> Patient:
    """The patient with credentials from a client's file, where the environment has none. A terminal seldom has any."""
    settings = patient.settings
    if isinstance(settings, ContactsError) or settings.sandbox or any(getattr(settings, name) for name in SECRETS):
        return patient
    for client in CLIENTS:
        with suppress(ContactsError):
            for entry in _own_entries(client, patient.machine).values():
                found = _lent(settings, _table(entry.get(client.environment)))
                if not found and "--sandbox" in (entry.get("args") or []):
                    found = {"sandbox": True}
                if found:
                    lent = settings.model_copy(update=found)
                    return replace(patient, settings=lent, borrowed=frozenset(found), lender=f"{client.title}'s file")
    return patient


def _lent(settings: Settings, variables: Mapping[str, Any]) -> dict[str, Any]:
    """The credentials among `variables`, with the address beside them. Another service must not be sent them."""
    texts = {name: str(variables[variable_of(name)]) for name in _BORROWED if variables.get(variable_of(name))}
    found: dict[str, Any] = {name: SecretStr(text) for name, text in texts.items() if name in SECRETS}
    address = {name: text for name, text in texts.items() if name not in {*SECRETS, *settings.model_fields_set}}
    checked = Settings.load(**address)
    return found | {name: getattr(checked, name) for name in address} if found else {}


_BORROWED = (*SECRETS, "base_url", "api_key_scheme")


def _own_entries(client: Client, machine: Machine) -> dict[str, Any]:
    """The entries of a client's file that start this server. Raises ContactsError."""
    text = config_files.read(client.place(machine)).text
    return {
        name: entry
        for name, entry in config_files.entries(client.format, text, client.servers).items()
        if runs_us(client, entry)
    }


def examine(patient: Patient) -> list[Finding]:
    """All findings, in the order of the table."""
    findings = [finding for check in ALWAYS for finding in check(patient)]
    if isinstance(patient.settings, Settings):
        findings += [finding for check in WITH_SETTINGS for finding in check(patient, patient.settings)]
    return findings


def is_well(findings: Iterable[Finding]) -> bool:
    return all(finding.level is not Level.PROBLEM for finding in findings)


# How it is told


def told(findings: Iterable[Finding], patient: Patient, *, everything: bool = False) -> str:
    """A line a finding and one for all of them, safe to show to anybody. Problems come last, where they are read first.

    Settings that nobody set are left out, unless `everything` is told.
    """
    worst_last = sorted(findings, key=lambda finding: list(Level).index(finding.level))
    lines = [_line(finding) for finding in worst_last if everything or not finding.is_default]
    return redacted("\n".join([*lines, _summary(worst_last)]), patient)


def _summary(findings: Iterable[Finding]) -> str:
    levels = [finding.level for finding in findings]
    counts = [(levels.count(level), level.value) for level in (Level.PROBLEM, Level.WARNING)]
    said = " and ".join(f"{count} {word}{'s' if count > 1 else ''}" for count, word in counts if count)
    return f"{said}." if said else "All is well."


def report(findings: Iterable[Finding], patient: Patient) -> str:
    """The same as Markdown to paste into an issue."""
    return f"**contacts-mcp doctor**\n\n```text\n{told(findings, patient, everything=True)}\n```"


def _line(finding: Finding) -> str:
    text, advice = (visible(part, limit=LONGEST) for part in (finding.text, finding.advice))
    return f"{finding.level.value:<8} {finding.about}: {text}" + (f"\n{'':9}-> {advice}" if advice else "")


_EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_PHONE = re.compile(r"(?<![\w.-])\+?\(?\d(?:[ ().-]{0,2}\d){9,14}(?![\w-])")


def redacted(text: str, patient: Patient) -> str:
    """`text` without anybody's e-mail or phone, any secret of ours, and the name in the path of the home folder."""
    for secret in _secrets(patient):
        text = text.replace(secret, MASK)
    text = text.replace(str(patient.machine.home), "~") if len(patient.machine.home.parts) > 1 else text
    return _PHONE.sub("(a phone number)", _EMAIL.sub("(an e-mail address)", text))


def _secrets(patient: Patient) -> list[str]:
    known = {name: value for name, value in patient.machine.variables.items() if _is_secret(name)}
    if isinstance(patient.settings, Settings):
        values = [value for _, value in patient.settings if isinstance(value, SecretStr)]
        known |= {str(number): value.get_secret_value() for number, value in enumerate(values)}
    return sorted({value for value in known.values() if len(value) >= SHORTEST_SECRET}, key=len, reverse=True)


def _is_secret(variable: str) -> bool:
    return variable.upper() in {variable_of(name) for name in (*SECRETS, "signing_key")}


# Checks that need no settings


def _interpreter(_: Patient) -> Iterator[Finding]:
    libraries = ", ".join(f"{name} {metadata.version(name)}" for name in ("mcp", "httpx", "pydantic"))
    python = f"Python {platform.python_version()} at {sys.executable}"
    text = f"contacts-mcp {__version__}, {python}, {platform.platform()}, {libraries}"
    if sys.version_info >= OLDEST_PYTHON:
        yield Finding(Level.OK, "program", text)
    else:
        yield Finding(Level.PROBLEM, "program", text, "Python 3.11 or newer is needed.")


def _streams(_: Patient) -> Iterator[Finding]:
    streams = {"stdin": sys.stdin, "stdout": sys.stdout, "stderr": sys.stderr}
    encodings = {name: (getattr(stream, "encoding", None) or "none").lower() for name, stream in streams.items()}
    text = ", ".join(f"{name} {encoding}" for name, encoding in encodings.items())
    if all(encoding.replace("-", "") == "utf8" for encoding in encodings.values()):
        yield Finding(Level.OK, "streams", text)
    else:
        yield Finding(Level.WARNING, "streams", text, "Set PYTHONUTF8=1 where this is started.")


def _settings(patient: Patient) -> Iterator[Finding]:
    if isinstance(patient.settings, ContactsError):
        yield Finding(
            Level.PROBLEM,
            "settings",
            str(patient.settings),
            "Correct or remove the variable; the server does not start with it.",
        )
        return
    for name in Settings.model_fields:
        value, source = _shown(getattr(patient.settings, name)), _source(patient, patient.settings, name)
        text = f"{variable_of(name)} = {value or '(nothing)'} ({source})"
        yield Finding(Level.OK, "setting", text, is_default=source == "default")
    for folder in patient.settings.files or ():
        if not resolved_roots([folder]):
            text = f"{folder} of CONTACTS_MCP_FILES is not open: it is no folder here, or a whole home or disk"
            yield Finding(Level.WARNING, "files", text, "Make the folder, or name folders inside of that home or disk.")
    yield from _ignored(patient, patient.settings)


def _source(patient: Patient, settings: Settings, name: str) -> str:
    if name in patient.flags:
        return "flag"
    if name in patient.borrowed:
        return patient.lender
    return "environment" if name in settings.model_fields_set else "default"


def _shown(value: Any) -> str:
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, list):
        separator = os.pathsep if any(isinstance(one, Path) for one in value) else ", "
        return separator.join(map(str, value))
    return "" if value is None else str(value)


def _ignored(patient: Patient, settings: Settings) -> Iterator[Finding]:
    """Variables that are there and count for nothing."""
    given = {name.upper() for name in patient.machine.variables}
    for name in Settings.model_fields:
        if variable_of(name) in given and name not in settings.model_fields_set:
            yield Finding(
                Level.WARNING,
                "setting",
                f"{variable_of(name)} is blank or an unfilled placeholder, so it counts as not set",
            )
    known = {variable_of(name) for name in Settings.model_fields}
    for stranger in sorted(name for name in given - known if name.startswith(("CONTACTS_MCP_", "HEYMARKET_"))):
        if not is_service_link(stranger):
            text = f"{word(stranger, limit=60)} is not a setting, and counts for nothing"
            yield Finding(Level.WARNING, "setting", text, "Check how it is written.")


def _clients(patient: Patient) -> Iterator[Finding]:
    without = []
    for client in CLIENTS:
        path = client.place(patient.machine)
        try:
            own = _own_entries(client, patient.machine)
        except ContactsError as error:
            advice = "Correct it by hand; the client cannot read it either."
            yield Finding(Level.WARNING, client.title, f"{path} was skipped: {error}", advice)
            continue
        if not own:
            without.append(client.key)
        for name, entry in own.items():
            yield from _entry(client, path, name, entry)
        if own:
            yield from _copies(client, path)
    if without:
        yield Finding(
            Level.OK, "clients", f"not set up in: {', '.join(without)}", "" if len(without) < len(CLIENTS) else ADD_IT
        )


def _table(value: Any) -> Mapping[str, Any]:
    """`value` if it is a table. In a client's file people write anything."""
    return value if isinstance(value, Mapping) else {}


ADD_IT = "contacts-mcp install CLIENT adds it to one of them."


def _entry(client: Client, path: Path, name: str, entry: Mapping[str, Any]) -> Iterator[Finding]:
    command = str(entry.get(client.command))
    shown = visible(shown_command(command))
    where = f"{quoted(name, limit=60)} in {path}"
    again = f"contacts-mcp install {client.key} --name {word(name, limit=60)} puts it right."
    if not (Path(command).is_file() if Path(command).is_absolute() else shutil.which(command)):
        yield Finding(Level.PROBLEM, client.title, f"{where} starts {shown}, which is not there", again)
    elif made_by(command):
        text = f"{where} starts {shown}, in the cache of `{made_by(command)}`, which is emptied from time to time"
        yield Finding(Level.WARNING, client.title, text, again)
    elif not holds_credentials(client, entry) and "--sandbox" not in (entry.get("args") or []):
        yield Finding(Level.WARNING, client.title, f"{where} has no credentials", again)
    elif holds_credentials(client, entry) and not config_files.is_private(path):
        text = f"{where} has credentials that others on this machine can read"
        yield Finding(Level.WARNING, client.title, text, f"chmod 600 {path}")
    else:
        yield Finding(Level.OK, client.title, f"{where} starts {shown}")


def _copies(client: Client, path: Path) -> Iterator[Finding]:
    """Copies that `install` kept in earlier versions, which others could read."""
    for copy in sorted(path.parent.glob(f"{path.name}.*.bak")):
        if not config_files.is_private(copy):
            text = f"others on this machine can read {copy}, a copy that may hold credentials"
            yield Finding(Level.WARNING, client.title, text, f"Delete it, or chmod 600 {copy}")


# Checks of what the settings say


def _credentials(patient: Patient, settings: Settings) -> Iterator[Finding]:
    given = {name: value.get_secret_value() for name in SECRETS if (value := getattr(settings, name))}
    if settings.sandbox:
        yield Finding(Level.OK, "credentials", "not needed for the sandbox")
        return
    if not given and settings.accounts is not None:
        yield Finding(Level.OK, "credentials", "none of its own; accounts.toml names those of each account")
        return
    if not given:
        yield Finding(
            Level.PROBLEM,
            "credentials",
            "none are set",
            "Set HEYMARKET_SECRET_ID and HEYMARKET_SECRET_KEY, or HEYMARKET_API_KEY. With --sandbox none are needed.",
        )
    if ("secret_id" in given) != ("secret_key" in given):
        missing = variable_of("secret_key" if "secret_id" in given else "secret_id")
        yield Finding(
            Level.PROBLEM, "credentials", f"{missing} is missing", "An API secret needs both its id and its key."
        )
    if len(given) == 3:  # noqa: PLR2004 -- all of them
        yield Finding(
            Level.WARNING,
            "credentials",
            "an API secret and an API key are set; the secret is used",
            "Remove the one not meant.",
        )
    for name, value in given.items():
        flaw = flaw_of(value)
        if flaw:
            yield Finding(
                Level.WARNING,
                "credentials",
                f"{variable_of(name)} {flaw}",
                "Copy it again from Heymarket, Admin > API.",
            )
        else:
            yield Finding(
                Level.OK, "credentials", f"{variable_of(name)} ({_source(patient, settings, name)}) looks plausible"
            )


def _data_directory(_: Patient, settings: Settings) -> Iterator[Finding]:
    place = settings.directory
    advice = "Set CONTACTS_MCP_DATA_DIR to a folder that you can write to."
    there = next(path for path in (place, *place.absolute().parents) if os.path.lexists(path))
    if not there.is_dir():
        text = f"{there} is not a folder, so nothing can be changed or taken back"
        yield Finding(Level.PROBLEM, "data directory", text, advice)
    elif there == place:
        yield from _existing(place, advice)
    elif os.access(there, os.W_OK | os.X_OK):
        yield Finding(Level.OK, "data directory", f"{place} will be made when it is needed")
    else:
        yield Finding(Level.PROBLEM, "data directory", f"{place} is not there and cannot be made", advice)


def _existing(place: Path, advice: str) -> Iterator[Finding]:
    try:
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        yield Finding(Level.PROBLEM, "data directory", f"{place} cannot be written to ({type(error).__name__})", advice)
        return
    if config_files.is_private(place):
        yield Finding(Level.OK, "data directory", f"{place} is writable, and yours alone")
    else:
        yield Finding(
            Level.WARNING, "data directory", f"{place} can be read by others on this machine", f"chmod 700 {place}"
        )


def _journal(_: Patient, settings: Settings) -> Iterator[Finding]:
    path = settings.directory / "journal.sqlite3"
    if settings.database_url:
        yield Finding(Level.OK, "journal", "in the database that servers share")
        return
    if not settings.journal:
        yield Finding(Level.OK, "journal", "switched off, so changes can be taken back only while the server runs")
        return
    problem = problem_with(path)
    if problem:
        advice = "Reading works; changes are refused until this is put right, or with CONTACTS_MCP_JOURNAL=off."
        yield Finding(Level.PROBLEM, "journal", f"{path}: {problem}", advice)
    elif settings.directory.is_dir():
        yield Finding(
            Level.OK, "journal", f"{path} can be written" if path.exists() else "will be made at the first change"
        )
    for aside in sorted(path.parent.glob("journal.unreadable-*.sqlite3")) if settings.directory.is_dir() else ():
        text = f"{aside} could not be read and was set aside"
        advice = "Its changes cannot be taken back. Repair it with `sqlite3 FILE .recover`, or delete it."
        yield Finding(Level.WARNING, "journal", text, advice)


def _index(_: Patient, settings: Settings) -> Iterator[Finding]:
    from contacts_mcp.setup.index import is_shared, known_in, summary
    from contacts_mcp.state.index_file import IndexUnavailable, problem_with
    from contacts_mcp.workspace import index_path

    if is_shared(settings):
        yield Finding(Level.OK, "index", "in the database that servers share")
        return
    path = index_path(settings)
    if path is None or not path.exists():
        where = "will be filled at the first search" if path else "in memory while a server runs"
        yield Finding(Level.OK, "index", "switched off" if settings.index == "off" else where)
        return
    try:
        problem = problem_with(path)
        text = problem or summary(known_in(path))
    except IndexUnavailable as error:
        problem = text = str(error)
    yield Finding(Level.WARNING if problem else Level.OK, "index", f"{path}: {text}")


def _profile(patient: Patient, settings: Settings) -> Iterator[Finding]:
    from contacts_mcp.state.profile import Profile
    from contacts_mcp.workspace import account_of

    lines = Profile(settings.directory / "profile.json", account_of(settings)).lines
    if not lines:
        text = "none yet, so every way that the service may behave is tried"
        yield Finding(Level.OK, "profile", text, "contacts-mcp probe makes it, in two minutes.")
        return
    days = max(0.0, patient.clock() - min(line.at for line in lines.values())) / DAY
    known = sum(bool(line.position) for line in lines.values())
    old = f"; the oldest is {days:.0f} days old" if days >= 1 else "; all are of today"
    versions = ", ".join(sorted({line.version for line in lines.values()}))
    advice = "Run contacts-mcp probe again." if days > PROFILE_TOO_OLD else ""
    level = Level.WARNING if advice else Level.OK
    yield Finding(level, "profile", f"{known} lines about the service, seen by {versions}{old}", advice)
    for question, line in lines.items():
        if line.distrusted:
            text = f"{question} is not {line.distrusted} any more: {line.evidence}"
            yield Finding(Level.WARNING, "profile", text, "Run contacts-mcp probe again.")


def _screens(_: Patient, settings: Settings) -> Iterator[Finding]:
    """Whether the assistant that called last says that it shows screens."""
    from contacts_mcp.state.last_client import read

    last = read(settings.directory)
    if not settings.view:
        yield Finding(Level.OK, "screens", "switched off; every answer is text")
    elif last is None:
        yield Finding(Level.OK, "screens", "offered; no assistant has called yet", is_default=True)
    else:
        who = f"{last.name} {last.version}".strip() or "an assistant without a name"
        says = (
            "says that it shows screens" if last.shows_screens else "does not say that it shows screens, so it has text"
        )
        yield Finding(Level.OK, "screens", f"the last assistant ({who}) {says}")


def _signing_key(_: Patient, settings: Settings) -> Iterator[Finding]:
    flaw = "" if settings.signing_key else flaw_of_key(settings.directory / "signing.key")
    if flaw:
        text = f"the key for confirmations in {settings.directory / 'signing.key'} {flaw}"
        yield Finding(Level.WARNING, "signing key", text, "The next start of the server replaces it.")


def _pace(patient: Patient, settings: Settings) -> Iterator[Finding]:
    from contacts_mcp.state.ledger import usage
    from contacts_mcp.workspace import account_of

    limit = settings.requests_per_minute
    if settings.redis_url:
        yield Finding(Level.OK, "requests", f"{limit} a minute, counted in the Redis that servers share")
        return
    path = settings.directory / "pace.sqlite3"
    try:
        sent, pause = usage(path, account_of(settings), patient.uptime()) if path.is_file() else (0, 0.0)
    except sqlite3.Error as error:
        yield Finding(
            Level.WARNING, "requests", f"{path} cannot be read ({type(error).__name__})", "Remove it; it is made again."
        )
        return
    text = f"{max(0, limit - sent)} of {limit} left in this minute"
    if pause:
        yield Finding(
            Level.WARNING, "requests", f"{text}; paused for {pause:.0f} s, because the service asked to", "Wait."
        )
    elif limit - sent < limit * ROOM_TO_MENTION:
        yield Finding(Level.WARNING, "requests", text, "Wait a minute; other servers on this machine count too.")
    else:
        yield Finding(Level.OK, "requests", text)


def _accounts(_: Patient, settings: Settings) -> Iterator[Finding]:
    if settings.accounts is None:
        return
    from contacts_mcp.accounts import read_accounts

    try:
        found = read_accounts(settings)
    except ContactsError as error:
        yield Finding(Level.PROBLEM, "accounts", str(error), "The server does not start until this is put right.")
        return
    tokens = f"{len(found.tokens)} static tokens" if found.tokens else "no static token"
    text = f"{settings.accounts}: {len(found.settings)} accounts, {len(found.issuers)} issuers, {tokens}"
    yield Finding(Level.OK, "accounts", text)
    yield from (Finding(Level.WARNING, "accounts", remark) for remark in found.remarks)
    yield from anyio.run(_keys_of, found.issuers)


async def _keys_of(issuers: Iterable[Issuer]) -> list[Finding]:
    from contacts_mcp.server.identity import Keys

    findings = []
    for issuer in issuers:
        keys = Keys(issuer)
        if await keys.are_known():
            findings.append(Finding(Level.OK, "keys", f"those of {issuer.url} can be fetched"))
        else:
            text = f"those of {issuer.url} cannot be fetched: {keys.problem}"
            findings.append(Finding(Level.PROBLEM, "keys", text, "Check jwks_url and the network. Nobody can log in."))
    return findings


def _files_of_settings(_: Patient, __: Settings) -> Iterator[Finding]:
    for file in files_of_settings():
        if reach_of_others(file):
            yield Finding(Level.WARNING, "setting", f"others on this machine reach {file}", ONLY_ITS_OWNER)


def _replicas(_: Patient, settings: Settings) -> Iterator[Finding]:
    from contacts_mcp.shared import kept_apart

    for told in kept_apart(settings):
        yield Finding(Level.WARNING, "replicas", told)


def _shared_state(_: Patient, settings: Settings) -> Iterator[Finding]:
    if not settings.shares_state:
        return
    from contacts_mcp.shared import MOST_OFF

    try:
        states = anyio.run(_answering, settings)
    except ContactsError as error:
        yield Finding(Level.PROBLEM, "shared state", str(error))
        return
    is_right = states.pop("clock", True)
    if not is_right and states["postgresql"]:
        text = f"is more than {MOST_OFF:.0f} seconds off PostgreSQL's"
        yield Finding(Level.PROBLEM, "clock", text, "Set this machine's clock by a time server.")
    for name, is_there in states.items():
        if name == "clock" and not states["postgresql"]:  # nothing was seen to compare with
            continue
        if is_there:
            yield Finding(Level.OK, name, "agrees with PostgreSQL's" if name == "clock" else "answers")
        else:
            why = _why_away(settings) if name == "postgresql" else ""
            text = f"does not answer: {why}" if why else "does not answer"
            yield Finding(Level.PROBLEM, name, text, _ADVICE[name])


def _why_away(settings: Settings) -> str:
    from contacts_mcp.state.postgres.database import why_away

    return why_away(settings.database_url.get_secret_value()) if settings.database_url else ""


_ADVICE = {
    "postgresql": "Check its address, user and password, that it runs, and that the user owns the database.",
    "redis": "Check its address and password, and that it runs.",
    "clock": "Set the clocks of this machine and of PostgreSQL by a time server.",
}


async def _answering(settings: Settings) -> dict[str, bool]:
    from contacts_mcp.shared import Shared

    async with Shared(settings) as shared:
        return {name: await ask() for name, ask in shared.checks.items()}


def _service(patient: Patient, settings: Settings) -> Iterator[Finding]:
    if settings.sandbox or settings.has_credentials:
        yield from anyio.run(_asked, patient, settings)
    elif settings.accounts is not None:
        yield Finding(Level.OK, "service", "was not asked, because the credentials are those of accounts.toml")
    else:
        yield Finding(Level.WARNING, "service", "was not asked, because there are no credentials")


async def _asked(patient: Patient, settings: Settings) -> list[Finding]:
    """GET /v1/inboxes, once."""
    where = "the sandbox" if settings.sandbox else settings.base_url
    answers: list[tuple[str, float]] = []

    def hear(headers: Mapping[str, str]) -> None:
        answers.append((headers.get("Date", ""), patient.clock()))

    start = time.monotonic()
    try:
        async with _client(settings, hear) as api:
            with anyio.fail_after(PATIENCE):
                inboxes = await api.list_inboxes()
    except ContactsError as error:
        findings = [Finding(Level.PROBLEM, "service", f"{where}: {error}")]
    except TimeoutError:
        text = f"{where}: no answer within {PATIENCE:g} seconds"
        findings = [Finding(Level.PROBLEM, "service", text, "Check the network.")]
    else:
        text = f"{where} accepts the credentials ({len(inboxes)} inboxes, {time.monotonic() - start:.1f} s)"
        findings = [Finding(Level.OK, "service", text)]
    return findings + [finding for date, at in answers[:1] for finding in clock_findings(date, at)]


@asynccontextmanager
async def _client(settings: Settings, hear: Callable[[Mapping[str, str]], None]) -> AsyncIterator[HeymarketClient]:
    """The usual client with a pace and a sandbox in memory: an opened workspace would make files."""
    from contacts_mcp.api.pace import Pace
    from contacts_mcp.api.retries import Schedule
    from contacts_mcp.sandbox import open_sandbox
    from contacts_mcp.state.ledger import SqliteLedger
    from contacts_mcp.workspace import client_for

    pace = Pace(SqliteLedger(None, settings.account), limit=settings.requests_per_minute)
    timeout = min(settings.timeout, PATIENCE)
    with closing(open_sandbox(None, contacts=1)) if settings.sandbox else nullcontext() as sandbox:
        api = client_for(
            settings, pace=pace, sandbox=sandbox, timeout=timeout, schedule=Schedule(attempts=1), hear=hear
        )
        try:
            yield api
        finally:
            await api.aclose()


def clock_findings(date: str, at: float) -> Iterator[Finding]:
    """Findings about our clock from the `Date` of an answer that came at `at`. A signed token depends on the clock."""
    try:
        skew = at - parsedate_to_datetime(date).timestamp()
    except ValueError:
        return
    text = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} the service's"
    if abs(skew) < SKEW_TO_MENTION:
        yield Finding(Level.OK, "clock", "agrees with the service's")
    elif abs(skew) < SKEW_TOO_MUCH:
        yield Finding(Level.WARNING, "clock", text, "Set this machine's clock by a time server.")
    else:
        yield Finding(
            Level.PROBLEM,
            "clock",
            f"{text}, so signed tokens are refused",
            "Set this machine's clock by a time server.",
        )


ALWAYS: tuple[Callable[[Patient], Iterable[Finding]], ...] = (_interpreter, _streams, _settings, _clients)
WITH_SETTINGS: tuple[Callable[[Patient, Settings], Iterable[Finding]], ...] = (
    _credentials,
    _data_directory,
    _journal,
    _index,
    _profile,
    _screens,
    _signing_key,
    _accounts,
    _files_of_settings,
    _replicas,
    _shared_state,
    _pace,
    _service,
)
