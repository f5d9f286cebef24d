"""A PostgreSQL server of our own, in a folder that goes with it. Nothing is left to a default of the machine."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psycopg

USER = "postgres"  # the server refuses to run as root
OLD_PLACE = "/usr/lib/postgresql/15/bin"
MEMORY = Path("/dev/shm")
STARTING = 20.0  # seconds


def program(name: str) -> str | None:
    return shutil.which(name) or shutil.which(name, path=OLD_PLACE)


def is_installed() -> bool:
    return program("initdb") is not None and program("postgres") is not None


class PostgresServer:
    """A server on a port of its own. It flushes to the disk as a real one does."""

    def __init__(self, *, in_memory: bool = False) -> None:
        """`in_memory` keeps its files in memory if the machine can: on a disk, a start after a crash takes seconds."""
        place = str(MEMORY) if in_memory and MEMORY.is_dir() else None
        self.folder = Path(tempfile.mkdtemp(prefix="contacts-mcp-pg-", dir=place))
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        if os.getuid() == 0:
            shutil.chown(self.folder, USER, USER)
        self._run("initdb", "-D", self._data, "-U", USER, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync")

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def url(self, database: str = "postgres") -> str:
        return f"postgresql://{USER}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        options = {"listen_addresses": "127.0.0.1", "unix_socket_directories": str(self.folder), "port": str(self.port)}
        given = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                self._command("postgres", "-D", self._data, *given), stdout=log, stderr=log, cwd="/"
            )
        deadline = time.monotonic() + STARTING
        while True:
            try:
                self.ask("SELECT 1")
            except psycopg.OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
            else:
                return

    def stop(self) -> None:
        """At once, as a crash does. It recovers at the next start."""
        if self._process is not None:
            self.thaw()
            with suppress(ProcessLookupError):
                os.kill(self.pid, signal.SIGQUIT)
            self._process.wait(timeout=STARTING)
            self._process = None

    def revive(self) -> None:
        """Let it run again, whatever befell it."""
        if self._process is None:
            self.start()
        else:
            self.thaw()

    def freeze(self) -> None:
        for pid in self._pids():
            os.kill(pid, signal.SIGSTOP)

    def thaw(self) -> None:
        for pid in reversed(self._pids()):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)

    @contextmanager
    def frozen_connections(self) -> Iterator[None]:
        """Only the connections of this moment are frozen. Afterwards each has done what it was asked, or has ended."""
        others = "FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
        pids = [int(str(pid)) for (pid,) in self.ask(f"SELECT pid {others}")]
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        try:
            yield
        finally:
            for pid in pids:
                os.kill(pid, signal.SIGCONT)
            is_busy = f"pid = ANY(ARRAY{pids}) AND state <> 'idle'"
            end = time.monotonic() + STARTING
            while not all(map(_sleeps, pids)) or self.ask(f"SELECT pid {others} AND {is_busy}"):
                if time.monotonic() > end:
                    raise TimeoutError("a connection that was frozen does not go on")
                time.sleep(0.02)

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def new_database(self, name: str) -> str:
        """The URL of an empty database."""
        self.ask(f'CREATE DATABASE "{name}"')
        return self.url(name)

    def ask(self, query: str, database: str = "postgres") -> list[tuple[object, ...]]:
        with psycopg.connect(self.url(database), autocommit=True, connect_timeout=2) as db:
            cursor = db.execute(query.encode())
            return cursor.fetchall() if cursor.description else []

    @property
    def pid(self) -> int:
        return int((self.folder / "data" / "postmaster.pid").read_text(encoding="ascii").split()[0])

    def _pids(self) -> list[int]:
        """The server's processes, the first of them before its children."""
        children = subprocess.run(["pgrep", "-P", str(self.pid)], capture_output=True, text=True, check=False).stdout
        return [self.pid, *map(int, children.split())]

    def _run(self, name: str, *arguments: str) -> None:
        subprocess.run(self._command(name, *arguments), check=True, capture_output=True, cwd="/")

    @staticmethod
    def _command(name: str, *arguments: str) -> list[str]:
        found = program(name)
        assert found
        if os.getuid() != 0:
            return [found, *arguments]
        user = pwd.getpwnam(USER)
        return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", found, *arguments]


@contextmanager
def running_postgres(*, in_memory: bool = False) -> Iterator[PostgresServer]:
    server = PostgresServer(in_memory=in_memory)
    try:
        server.start()
        yield server
    finally:
        server.remove()


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


def _sleeps(pid: int) -> bool:
    """Whether the process waits for something, or has ended. One that goes on reads first what it was sent."""
    said = subprocess.run(["ps", "-o", "state=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout
    return said.strip()[:1] in ("", "S")
