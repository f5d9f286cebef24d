"""The server in odd places: code pages, no home, an empty environment, folders with spaces. And how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from contacts_mcp.config import InvalidSettings, Settings

COMMAND = [sys.executable, "-m", "contacts_mcp"]
SOON = 1.0  # seconds a server may take to end
NAME = "Zoë Ōno 😀 \u2028"
NEEDED = {
    name: os.environ[name] for name in ("SYSTEMROOT",) if name in os.environ
}  # Windows' Python does not start without

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")


class Server:
    """A server as a child process, spoken to in bytes."""

    def __init__(self, *flags: str, cwd: Path, env: dict[str, str]) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [*COMMAND, "serve", *flags], cwd=cwd, env=NEEDED | env, stdin=pipe, stdout=pipe, stderr=pipe
        )
        self.ask(
            1,
            "initialize",
            {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}},
        )
        self.send({"method": "notifications/initialized"})

    def send(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **message}, ensure_ascii=False).encode() + b"\n")
        self.process.stdin.flush()

    def call(self, number: int, tool: str, **arguments: Any) -> dict[str, Any]:
        result: dict[str, Any] = self.ask(number, "tools/call", {"name": tool, "arguments": arguments})["result"]
        return result

    def ask(self, number: int, method: str, params: dict[str, Any]) -> dict[str, Any]:
        assert self.process.stdout is not None
        self.send({"id": number, "method": method, "params": params})
        for line in self.process.stdout:
            answer: dict[str, Any] = json.loads(line)
            if answer.get("id") == number:
                return answer
        raise AssertionError(self.process.communicate()[1].decode())

    def ended(self) -> tuple[int, bytes, float]:
        """Exit code, what was said on stderr, and how long it took from now."""
        start = time.monotonic()
        code = self.process.wait(timeout=20)
        seconds = time.monotonic() - start
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.stdin = None
        return code, self.process.communicate()[1], seconds


def end(server: Server, way: str) -> None:
    if way == "closed stdin":
        assert server.process.stdin is not None
        server.process.stdin.close()
    else:
        server.process.send_signal(getattr(signal, way))


WAYS = pytest.mark.parametrize(
    "way", ["closed stdin", pytest.param("SIGINT", marks=posix), pytest.param("SIGTERM", marks=posix)]
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    folder = tmp_path / "a place with späces"
    folder.mkdir()
    return folder


# How it ends


@WAYS
def test_it_ends_at_once_and_well(way: str, place: Path) -> None:
    """It is started as desktop clients do, without PATH, HOME or locale.

    Everything is written, nothing is left open, and it says not a word.
    """
    server = Server("--sandbox", "--data-dir", str(place / "data"), cwd=place, env={})
    long = f"{'x' * 300_000}@example.com"  # more than a pipe holds: stdin passes through one of ours
    assert all(
        "result" in server.ask(number, "tools/call", {"name": "lookup_contact", "arguments": {"email": long}})
        for number in (2, 3)
    )
    assert not server.call(4, "create_contact", phone="(510) 555-3344", first="Quincy")["isError"]
    end(server, way)
    code, said, seconds = server.ended()
    assert (code, said) == (0, b"")
    assert seconds < SOON
    assert is_sound(place / "data" / "journal.sqlite3")
    assert [
        file.name
        for file in (place / "data").iterdir()
        if file.name.endswith(("-wal", "-shm", "-journal")) and file.stat().st_size
    ] == []


def is_sound(database: Path) -> bool:
    with closing(sqlite3.connect(database)) as opened:
        return bool(opened.execute("PRAGMA integrity_check").fetchone() == ("ok",))


@pytest.fixture
def stalled() -> Iterator[str]:
    """A service that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@WAYS
def test_it_ends_at_once_in_the_middle_of_a_call(way: str, place: Path, stalled: str) -> None:
    env = {
        "HEYMARKET_API_KEY": "not-a-real-key",
        "HEYMARKET_BASE_URL": stalled,
        "CONTACTS_MCP_DATA_DIR": str(place / "data"),
    }
    server = Server(cwd=place, env=env)
    server.send(
        {"id": 2, "method": "tools/call", "params": {"name": "lookup_contact", "arguments": {"contact_id": 1001}}}
    )
    wait_until((place / "data" / "pace.sqlite3").exists)
    end(server, way)
    code, said, seconds = server.ended()
    assert (code, said) == (0, b"")
    assert seconds < SOON


@posix
@pytest.mark.parametrize("way", ["SIGINT", "SIGTERM"])
@pytest.mark.parametrize("is_busy", [False, True], ids=["idle", "in the middle of a call"])
def test_over_http_it_ends_at_once_too(way: str, is_busy: bool, place: Path, stalled: str) -> None:
    env = {
        "HEYMARKET_API_KEY": "not-a-real-key",
        "HEYMARKET_BASE_URL": stalled,
        "CONTACTS_MCP_DATA_DIR": str(place / "data"),
    }
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [*COMMAND, "serve", "--http", f"127.0.0.1:{port}"]
    with subprocess.Popen(
        command, cwd=place, env=NEEDED | env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as process:
        assert process.stderr is not None
        assert process.stderr.readline() == f"Serving at http://127.0.0.1:{port}/mcp\n".encode()
        caller = threading.Thread(target=look_up_over_http, args=(port,), daemon=True)
        if is_busy:
            caller.start()
            wait_until((place / "data" / "pace.sqlite3").exists)
        process.send_signal(getattr(signal, way))
        start = time.monotonic()
        try:
            code = process.wait(timeout=20)
        finally:
            process.kill()
        assert (code, time.monotonic() - start < SOON) == (0, True)
        assert process.stderr.read() == b""


def look_up_over_http(port: int) -> None:
    call = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "lookup_contact", "arguments": {"contact_id": 1001}, **MODERN},
    }
    accept = {
        "Accept": "application/json, text/event-stream",
        "MCP-Protocol-Version": "2026-07-28",
        "Mcp-Method": "tools/call",
        "Mcp-Name": "lookup_contact",
    }
    with suppress(httpx.HTTPError):
        httpx.post(f"http://127.0.0.1:{port}/mcp", json=call, headers=accept, timeout=30)


MODERN = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
        "io.modelcontextprotocol/clientCapabilities": {},
    }
}


def test_an_address_in_use_is_said_and_nothing_else(place: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--sandbox", "--http", f"127.0.0.1:{port}", cwd=place, env={})
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr.decode().startswith(f"Error: 127.0.0.1:{port} cannot be used (")
    assert done.stderr.decode().endswith("Choose another address.\n")


def wait_until(is_so: Any) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


# Where it lives


CODE_PAGES = [{"PYTHONIOENCODING": "ascii:strict"}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}]


def test_all_text_is_utf8_whatever_the_code_page(place: Path) -> None:
    data = ["--sandbox", "--data-dir", str(place / "data")]
    server = Server(*data, cwd=place, env={"PYTHONIOENCODING": "cp1252"})
    made = server.call(2, "create_contact", phone="(510) 555-3344", first=NAME)
    assert made["structuredContent"]["contact"]["first"].startswith("Zoë Ōno 😀")
    end(server, "closed stdin")
    assert server.ended()[:2] == (0, b"")
    for env in CODE_PAGES:
        shown = run("call", "lookup_contact", "phone=(510) 555-3344", *data, cwd=place, env=env)
        assert (shown.returncode, shown.stderr) == (0, b"")
        assert "Zoë Ōno 😀" in shown.stdout.decode("utf-8")


def run(*arguments: str, cwd: Path, env: dict[str, str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [*COMMAND, *arguments], cwd=cwd, env=NEEDED | env, stdin=subprocess.DEVNULL, capture_output=True, check=False
    )


def test_without_a_stdin_it_ends_quietly(place: Path) -> None:
    done = run("serve", "--sandbox", "--data-dir", str(place / "data"), cwd=place, env={})
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_the_doctor_works_without_a_home_variable(place: Path) -> None:
    done = run("doctor", "--sandbox", "--data-dir", str(place / "data"), cwd=place, env={})
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a folder called ~ would be made wherever the server is started."""
    monkeypatch.setattr("platformdirs.user_data_dir", lambda *_, **__: "~/.local/share/contacts-mcp")
    monkeypatch.delenv("CONTACTS_MCP_DATA_DIR", raising=False)
    with pytest.raises(InvalidSettings, match="CONTACTS_MCP_DATA_DIR"):
        _ = Settings.load().directory
