"""The programs of the topology: how each is found, started, waited for and ended."""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

POSTGRES_HOMES = ("/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt")
ANOTHER_USER = "nobody"  # for servers that refuse to run as root, or would change to another user by themselves
PORTS = (15_000, 32_000)
STARTED_WITHIN = 30  # seconds
ENDED_WITHIN = 10


class ProgramMissing(Exception):
    """A program of the topology is not installed."""


class NotStarted(Exception):
    """A part did not get ready. The text has the end of its log."""


def find(program: str) -> str:
    """The path of a program. Raises ProgramMissing."""
    places = [os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"]
    for home in POSTGRES_HOMES:  # Debian puts the servers of PostgreSQL on no search path
        places += [str(path) for path in sorted(Path(home).glob("*/bin"), reverse=True)]
    found = shutil.which(program, path=os.pathsep.join(places))
    if found is None:
        raise ProgramMissing(f"{program} is not installed")
    return found


def command_of_ours() -> str:
    """The installed `contacts-mcp`, beside the interpreter that runs this."""
    return str(Path(sys.executable).with_name("contacts-mcp"))


def free_port() -> int:
    """A port of loopback that nobody listens on. No connection going out gets one of these."""
    while True:
        port = random.randrange(*PORTS)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def is_listening(port: int) -> bool:
    """Whether somebody takes connections at a port of loopback."""
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def without_root() -> dict[str, Any]:
    """Options of `subprocess` that start a program as somebody else. None where this does not run as root."""
    return {"user": ANOTHER_USER, "group": _group_of(ANOTHER_USER), "extra_groups": []} if os.geteuid() == 0 else {}


def _group_of(user: str) -> str:
    import grp  # not on Windows
    import pwd

    return grp.getgrgid(pwd.getpwnam(user).pw_gid).gr_name


def folder_for(parent: Path, name: str) -> Path:
    """A new folder that belongs to the user of `without_root`."""
    folder = parent / name
    folder.mkdir(mode=0o700)
    if os.geteuid() == 0:
        shutil.chown(folder, ANOTHER_USER, _group_of(ANOTHER_USER))
    return folder


@dataclass
class Part:
    """One program. It has a session of its own, so a Ctrl-C at the terminal reaches it through us alone."""

    name: str
    command: Sequence[str]
    log: Path
    is_ready: Callable[[], bool]
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    said: str = field(default="", repr=False)  # goes to its stdin
    as_root: bool = True
    ends_by: signal.Signals = signal.SIGKILL
    process: subprocess.Popen[str] | None = field(default=None, init=False, repr=False)

    def start(self) -> None:
        """Starts it without waiting."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.command,
                stdin=subprocess.PIPE if self.said else subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**_plain_environment(), **self.environment},
                cwd=self.log.parent,
                text=True,
                start_new_session=True,
                **({} if self.as_root else without_root()),
            )
        if self.said:
            assert self.process.stdin
            self.process.stdin.write(self.said)
            self.process.stdin.close()

    def wait_until_ready(self, within: float = STARTED_WITHIN) -> None:
        """Raises NotStarted where it ends first, or takes longer."""
        until = time.monotonic() + within
        while not self.is_ready():
            if not self.is_running:
                raise NotStarted(f"{self.name} ended while it started:\n{self.last_words()}")
            if time.monotonic() > until:
                raise NotStarted(f"{self.name} was not ready after {within:g} seconds:\n{self.last_words()}")
            time.sleep(0.05)

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def last_words(self, lines: int = 15) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])

    def tell(self, number: signal.Signals) -> None:
        """Sends a signal, if it still runs."""
        if self.process is not None and self.is_running:
            self.process.send_signal(number)

    def end(self, within: float = ENDED_WITHIN) -> int | None:
        """Ends it in its way, and kills it with its children after `within` seconds. Returns its exit code."""
        if self.process is None:
            return None
        self.tell(self.ends_by)
        try:
            return self.process.wait(within)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int | None:
        """As if the machine had died: it gets no chance to say anything."""
        if self.process is None:
            return None
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait(ENDED_WITHIN)


def _plain_environment() -> dict[str, str]:
    """The environment without any setting of ours, of Heymarket or of PostgreSQL's client, and without proxies."""
    ours = ("CONTACTS_MCP_", "HEYMARKET_", "PG", "OTEL_")
    return {
        name: value
        for name, value in os.environ.items()
        if not name.upper().startswith(ours) and not name.upper().endswith("_PROXY")
    }
