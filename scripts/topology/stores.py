"""PostgreSQL and Redis, with passwords that are made here."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
from pathlib import Path

from topology.parts import NotStarted, Part, find, folder_for, is_listening, without_root

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "synchronous_commit": "on",
    "timezone": "UTC",
}


def postgres(parent: Path, port: int) -> tuple[Part, str]:
    """An empty cluster of PostgreSQL, made but not started, and the URL of its database."""
    folder, password = folder_for(parent, "postgres"), secrets.token_urlsafe(24)
    file = parent / "postgres.password"
    with os.fdopen(os.open(file, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="ascii") as secret:
        secret.write(password)
    if os.geteuid() == 0:
        shutil.chown(file, folder.owner())
    data = folder / "data"
    options = ["--username=contacts", f"--pwfile={file}", "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
    command = [find("initdb"), "--pgdata", str(data), "--no-sync", *options]
    made = subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True, **without_root())
    file.unlink()
    if made.returncode:
        raise NotStarted(f"initdb made no cluster:\n{made.stderr}")
    settings = [word for name, value in {**SETTINGS, "port": str(port)}.items() for word in ("-c", f"{name}={value}")]
    part = Part(
        "postgres",
        [find("postgres"), "-D", str(data), *settings],
        parent / "postgres.log",
        lambda: is_listening(port),
        as_root=False,
        ends_by=signal.SIGINT,  # ends sessions at once
    )
    return part, f"postgresql://contacts:{password}@127.0.0.1:{port}/postgres"


def redis(parent: Path, port: int) -> tuple[Part, str]:
    """A Redis that keeps nothing on disk and evicts nothing, not started, and its URL."""
    folder, password = folder_for(parent, "redis"), secrets.token_urlsafe(24)
    settings = f"""
        bind 127.0.0.1
        port {port}
        save ""
        appendonly no
        maxmemory 64mb
        maxmemory-policy noeviction
        dir {folder}
        requirepass {password}
    """
    part = Part(
        "redis",
        [find("redis-server"), "-"],
        parent / "redis.log",
        lambda: _answers(port, password),
        said=settings,
        as_root=False,
        ends_by=signal.SIGTERM,
    )
    return part, f"redis://:{password}@127.0.0.1:{port}/0"


def _answers(port: int, password: str) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(f"AUTH {password}\r\nPING\r\n".encode())
            return connection.recv(100).startswith(b"+OK")
    except OSError:
        return False
