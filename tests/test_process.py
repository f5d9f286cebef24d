"""The server as a client starts it: a child process that speaks on stdin and stdout. Nothing here looks inside it."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp_types import CallToolResult, TextContent

from contacts_mcp.server.tools import TOOLS

if sys.platform != "win32":
    import fcntl
    import termios

SERVE = [sys.executable, "-m", "contacts_mcp", "serve"]
ALL_TOOLS = [tool.name for tool in TOOLS]
READING_TOOLS = {tool.name for tool in TOOLS if tool.reads_only}
SOON = 5.0  # seconds a server may take to end
PATIENCE = 60.0  # seconds until a server that hangs is ended, so that the tests are not

ABOUT_CLIENT = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "0"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
HANDSHAKE = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "0"}}

PHONE = "(510) 555-3344"

CALLS: list[tuple[str, dict[str, Any]]] = [
    (
        "create_contact",
        {"phone": PHONE, "first": "Quincy", "last": "Abernathy", "email": "quincy@example.com", "tags": ["VIP"]},
    ),
    ("create_contact", {"phone": "(510) 555-33O4", "first": "Quincy"}),
    ("create_contact", {"phone": "(510) 555-3345", "custom_fields": {"Plam": "quincy@example.com"}}),
    ("lookup_contact", {"phone": PHONE}),
    ("lookup_contact", {"contact_id": "Quincy"}),
    ("update_contact", {"contact_id": 1001, "frist": "Quincy"}),
    ("update_contact", {"contact_id": 1001, "email": "quincy@example.com"}),
    ("delete_contact", {"phone": PHONE}),
    ("list_contacts", {"limit": 100}),
    ("search_contacts", {"query": "quincy abernathy"}),
    ("list_contact_fields", {}),
    ("no_such_tool", {"first": "Quincy"}),
]
"""A day's work, failures among it."""


def bare(**variables: str) -> dict[str, str]:
    """The smallest environment a client gives: the search path, and on Windows what Python cannot start without."""
    kept = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    return kept | variables


class Child:
    """A server spoken to in raw lines."""

    def __init__(self, *arguments: str, cwd: Path, env: dict[str, str], modern: bool) -> None:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            [*SERVE, *arguments], cwd=cwd, env=env, stdin=pipe, stdout=pipe, stderr=pipe, encoding="utf-8"
        )
        self.lines: list[str] = []
        self._watchdog = threading.Timer(PATIENCE, self.process.kill)
        self._watchdog.start()
        self._meta = {"_meta": ABOUT_CLIENT} if modern else {}
        self._count = 0
        if not modern:
            self.ask("initialize", HANDSHAKE)
            self.send({"method": "notifications/initialized"})

    def send(self, message: dict[str, Any]) -> None:
        self.write(json.dumps({"jsonrpc": "2.0", **message}))

    def write(self, line: str) -> None:
        assert self.process.stdin is not None
        print(line, file=self.process.stdin, flush=True)

    def ask(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """The answer to one request."""
        assert self.process.stdout is not None
        self._count += 1
        self.send({"id": self._count, "method": method, "params": (params or {}) | self._meta})
        while line := self.process.stdout.readline():
            self.lines.append(line)
            answer = json.loads(line)
            if answer.get("id") == self._count:
                return answer
        raise AssertionError(f"no answer to {method}: {self.process.communicate()[1]}")

    def end(self) -> tuple[float, str]:
        """Closes stdin. How long it took to end, and everything it said on stderr."""
        start = time.monotonic()
        out, err = self.process.communicate(timeout=20)
        self.lines += out.splitlines()
        self._watchdog.cancel()
        return time.monotonic() - start, err

    def close(self) -> None:
        """Closes its files, where it has ended already."""
        self._watchdog.cancel()
        with self.process:
            pass


Spoken = tuple[Child, list[dict[str, Any]], float, str]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("a place with späces")


@pytest.fixture(scope="module", params=[False, True], ids=["handshake", "stateless"])
def spoken(request: pytest.FixtureRequest, workplace: Path) -> Spoken:
    """A whole session in a place with spaces, with PATH alone in the environment.

    Gives the child, its answers, the seconds it took to end, and its stderr.
    """
    home = workplace / f"data of {request.param}"
    child = Child("--sandbox", "--data-dir", str(home), cwd=workplace, env=bare(), modern=request.param)
    child.write("this is not JSON")
    answers = [child.ask("tools/list")]
    answers += [child.ask("tools/call", {"name": name, "arguments": arguments}) for name, arguments in CALLS]
    answers.append(child.ask("no/such/method"))
    return child, answers, *child.end()


HALF = {"name": "list_contacts", "arguments": {"name": "HALF"}}
REQUESTS = [{"jsonrpc": "2.0", "id": number, "method": "ping"} for number in ("a", "b")]
LOOSE: list[tuple[str, str, dict[Any, int | None]]] = [
    (
        "half an emoji",
        json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": HALF}).replace("HALF", "Jo \\ud83d"),
        {1: None},
    ),
    ("a byte order mark", "\ufeff" + json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/list"}), {1: None}),
    ("no JSON", "{", {None: -32700}),
    ("no message", json.dumps({"jsonrpc": "2.0", "id": 7}), {7: -32600}),
    ("a number", "7", {None: -32600}),
    ("an id of half", json.dumps({"jsonrpc": "2.0", "id": 1.5, "method": "tools/list"}), {None: -32600}),
    ("a batch", json.dumps(REQUESTS), {"a": None, "b": None}),
    ("an odd batch", json.dumps([REQUESTS[0], 7]), {"a": None, None: -32600}),
    ("an empty batch", "[]", {None: -32600}),
    ("brackets", "[" * 100_000, {None: -32700}),
]  # fmt: skip


def handshake(version: str) -> str:
    params = HANDSHAKE | {"protocolVersion": version}
    return json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params})


def answers_to(lines: list[str], cwd: Path, count: int) -> list[dict[str, Any]]:
    child = Child("--sandbox", "--data-dir", str(cwd), cwd=cwd, env=bare(), modern=True)
    assert child.process.stdout is not None
    for line in lines:
        child.write(line)
    read = [json.loads(child.process.stdout.readline()) for _ in range(count)]
    child.end()
    return read


def test_every_line_gets_an_answer_or_a_protocol_error(tmp_path: Path) -> None:
    """In one session with batches. The handshake itself comes behind a byte order mark."""
    lines = ["\ufeff" + handshake("2025-03-26"), json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"})]
    expected = sorted((str(key), code) for _, _, answers in LOOSE for key, code in answers.items())
    answers = answers_to([*lines, *(line for _, line, _ in LOOSE)], tmp_path, 1 + len(expected))
    told = sorted((str(one["id"]), one.get("error", {}).get("code")) for one in answers if one["id"] != 0)
    assert told == expected


@pytest.mark.parametrize("version", ["2025-06-18", "2024-11-05"])
def test_a_batch_is_refused_where_the_version_has_none(version: str, tmp_path: Path) -> None:
    answers = answers_to([handshake(version), json.dumps(REQUESTS)], tmp_path, 2)
    (refused,) = [one for one in answers if one["id"] is None]  # it may come before the answer to the handshake
    assert refused["error"]["code"] == -32600
    assert "batches" in refused["error"]["message"]


def test_stdout_carries_protocol_and_nothing_else(spoken: Spoken) -> None:
    child = spoken[0]
    messages = [json.loads(line) for line in child.lines]
    assert len(messages) > len(CALLS)
    assert all(message["jsonrpc"] == "2.0" and {"result", "error", "method"} & message.keys() for message in messages)


def test_every_call_of_a_session_is_answered(spoken: Spoken) -> None:
    _, (tools, *results, unknown), *_ = spoken
    refused = [
        name for (name, _), answer in zip(CALLS, results, strict=True) if answer.get("result", {}).get("isError", True)
    ]
    assert [tool["name"] for tool in tools["result"]["tools"]] == ALL_TOOLS
    assert refused == ["create_contact", "create_contact", "lookup_contact", "update_contact", "no_such_tool"]
    assert unknown["error"]["code"] == -32601


def test_nothing_is_logged_at_the_default_level(spoken: Spoken) -> None:
    """And so nobody's phone, name or e-mail is, refused calls included."""
    assert spoken[3] == ""


def test_closing_stdin_ends_the_server(spoken: Spoken) -> None:
    child, _, seconds, _ = spoken
    assert (child.process.returncode, seconds < SOON) == (0, True)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
async def test_the_sdks_own_client_works_with_it(mode: str, workplace: Path) -> None:
    """Each call sees the change before it, and stderr stays empty."""
    server = StdioServerParameters(
        command=SERVE[0], args=[*SERVE[1:], "--sandbox", "--data-dir", str(workplace / mode)], cwd=workplace
    )
    with (workplace / f"{mode}.log").open("w+", encoding="utf-8") as log:
        async with Client(stdio_client(server, errlog=log), mode=mode) as client:
            made = facts(await client.call_tool("create_contact", {"phone": PHONE, "first": "Quincy"}))
            who = {"contact_id": made["contact"]["contact_id"]}
            assert facts(await client.call_tool("update_contact", who | {"last": "Abernathy"}))["status"] == "updated"
            token = facts(await client.call_tool("delete_contact", who))["confirm_token"]
            assert (
                facts(await client.call_tool("delete_contact", who | {"confirm_token": token}))["status"] == "deleted"
            )
            assert facts(await client.call_tool("lookup_contact", {"phone": PHONE}))["found"] is False
        log.seek(0)
        assert log.read() == ""


def facts(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, result.content
    assert result.structured_content is not None
    return result.structured_content


async def test_without_an_account_it_lists_its_tools_and_says_what_to_set(workplace: Path) -> None:
    server = StdioServerParameters(
        command=SERVE[0], args=SERVE[1:], cwd=workplace, env={"CONTACTS_MCP_DATA_DIR": str(workplace / "none")}
    )
    async with Client(server) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ALL_TOOLS
        result = await client.call_tool("lookup_contact", {"contact_id": 1001})
        (block,) = result.content
        assert result.is_error
        assert isinstance(block, TextContent)
        assert re.search(r"HEYMARKET_SECRET_ID.*HEYMARKET_SECRET_KEY|HEYMARKET_API_KEY", block.text)


def test_read_only_leaves_only_the_reading_tools(workplace: Path) -> None:
    child = Child(
        "--sandbox", "--read-only", "--data-dir", str(workplace / "read"), cwd=workplace, env=bare(), modern=True
    )
    tools = child.ask("tools/list")["result"]["tools"]
    refused = child.ask("tools/call", {"name": "delete_contact", "arguments": {"contact_id": 1001}})
    child.end()
    assert {tool["name"] for tool in tools} >= READING_TOOLS
    assert all(tool["annotations"]["readOnlyHint"] for tool in tools)
    assert refused.get("result", {}).get("isError", True)


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CONTACTS_MCP_DEFAULT_REGION", "Freedonia"),
        ("CONTACTS_MCP_REQUESTS_PER_MINUTE", "many"),
        ("CONTACTS_MCP_TOOLS", "telegraph"),
        ("HEYMARKET_BASE_URL", "http://api.example.com"),
        ("HEYMARKET_BASE_URL", "https://me:hunter2@api.example.com"),
    ],
)
def test_a_setting_that_cannot_be_used_ends_it_with_the_name_of_the_variable(
    variable: str, value: str, workplace: Path
) -> None:
    done = subprocess.run(
        SERVE,
        cwd=workplace,
        env=bare(**{variable: value}),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert variable in done.stderr
    assert "hunter2" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGTERM")
def test_sigterm_ends_it(workplace: Path) -> None:
    child = Child("--sandbox", "--data-dir", str(workplace / "term"), cwd=workplace, env=bare(), modern=True)
    child.ask("tools/call", {"name": "lookup_contact", "arguments": {"contact_id": 1001}})
    start = time.monotonic()
    child.process.send_signal(signal.SIGTERM)
    child.process.wait(timeout=20)
    seconds = time.monotonic() - start
    _, said = child.end()
    assert seconds < SOON
    assert "Traceback" not in said


LISTS = [json.dumps({"jsonrpc": "2.0", "id": number, "method": "tools/list"}) for number in range(1, 21)]
SESSION = [handshake("2025-06-18"), json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}), *LISTS]
"""More than a pipe holds of answers."""


def test_a_script_may_write_all_its_lines_and_close(workplace: Path) -> None:
    """Each request is answered. The last line lacks its end."""
    done = subprocess.run(
        [*SERVE, "--sandbox", "--data-dir", str(workplace / "script")],
        cwd=workplace,
        env=bare(),
        input="\n".join(SESSION),
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert sorted(answer["id"] for answer in answers if "result" in answer) == [*range(len(LISTS) + 1)]
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.skipif(sys.platform == "win32", reason="there a thread writes, and waits for the client")
@pytest.mark.parametrize("ending", ["a signal", "nothing more to read", "nobody to write to"])
def test_a_client_that_does_not_read_cannot_keep_the_server(ending: str, workplace: Path) -> None:
    home = str(workplace / "unread")
    again = SESSION[:1] * 2 if ending == "a signal" else []  # the server reads nothing before it has answered the first
    with closing(Child("--sandbox", "--data-dir", home, cwd=workplace, env=bare(), modern=True)) as started:
        child = started.process
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stderr is not None
        if ending == "nobody to write to":
            child.stdout.close()
        print("\n".join([*SESSION, "no message", *again]), file=child.stdin, flush=True)
        if ending == "a signal":
            _until_full(child.stdout.fileno())
            child.send_signal(signal.SIGTERM)
        elif ending == "nothing more to read":
            child.stdin.close()
        assert child.wait(timeout=20) == 0
        assert child.stderr.read() == ""


@pytest.mark.skipif(sys.platform == "win32", reason="there every read waits")
def test_a_parent_may_leave_its_files_as_ones_that_do_not_wait(workplace: Path) -> None:
    mine, its = socket.socketpair()
    its.setblocking(False)
    command = [*SERVE, "--sandbox", "--data-dir", str(workplace / "no wait")]
    with mine, mine.makefile("rw", encoding="utf-8") as lines, its:
        child = subprocess.Popen(command, cwd=workplace, env=bare(), stdin=its, stdout=its)
        its.close()
        mine.settimeout(PATIENCE)
        for line in (SESSION[0], LISTS[0], LISTS[1]):
            print(line, file=lines, flush=True)
            assert "result" in json.loads(lines.readline())
        mine.shutdown(socket.SHUT_WR)
        assert child.wait(timeout=20) == 0


def _until_full(pipe: int) -> None:
    """Wait until nothing more is written to the pipe."""
    waiting, before = -1, -2
    while waiting != before:
        time.sleep(0.5)
        before, waiting = waiting, int.from_bytes(fcntl.ioctl(pipe, termios.FIONREAD, b"\0" * 4), sys.byteorder)


@pytest.mark.skipif(sys.platform == "win32", reason="a shell of Unix closes them")
@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&- 2>&-"])
def test_a_server_without_the_files_of_a_client_ends(closed: str, workplace: Path) -> None:
    command = f"{shlex.join([*SERVE, '--sandbox', '--data-dir', str(workplace / 'none')])} {closed}"
    ended = subprocess.run(
        ["/bin/sh", "-c", command], cwd=workplace, env=bare(), input="", encoding="utf-8", check=False
    )
    assert ended.returncode == 0
