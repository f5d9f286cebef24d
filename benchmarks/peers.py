"""Servers as child processes, spoken to in raw lines, so that no client's own work is measured."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

HERE = Path(__file__).parent

Era = Literal["handshake", "stateless"]
ERAS: tuple[Era, ...] = ("handshake", "stateless")

_ABOUT = {"name": "bench", "version": "0"}
_HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": _ABOUT}
_META = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": _ABOUT,
        "io.modelcontextprotocol/clientCapabilities": {},
    }
}


def ours(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "contacts_mcp", "serve", *arguments]


def script(name: str) -> list[str]:
    return [sys.executable, str(HERE / name)]


class Peer:
    """A server that is asked one thing at a time."""

    def __init__(self, process: subprocess.Popen[bytes], era: Era) -> None:
        self._process = process
        self._meta = _META if era == "stateless" else {}
        self._count = 0
        if era == "handshake":
            self.ask("initialize", _HELLO)
            self._send({"method": "notifications/initialized"})

    def ask(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """The result of a request. Raises RuntimeError where there is none."""
        assert self._process.stdout
        self._count += 1
        self._send({"id": self._count, "method": method, "params": (params or {}) | self._meta})
        answer = json.loads(self._process.stdout.readline() or "{}")
        result: dict[str, Any] = answer.get("result", {})
        if not result or result.get("isError"):
            raise RuntimeError(f"{method} failed: {answer}")
        return result

    def _send(self, message: dict[str, Any]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"jsonrpc": "2.0"} | message).encode() + b"\n")
        self._process.stdin.flush()


@contextmanager
def started(command: list[str], *, era: Era, **variables: str) -> Iterator[Peer]:
    """A server from its start to its end."""
    with child(command, **variables) as process:
        yield Peer(process, era)


@contextmanager
def child(command: list[str], **variables: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process with pipes, ended by force."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | variables
    ) as process:
        try:
            yield process
        finally:
            process.kill()


@contextmanager
def upstream() -> Iterator[str]:
    """The address of a sandbox over HTTP."""
    with child(script("upstream.py")) as process:
        assert process.stdout
        yield process.stdout.readline().decode().strip()
