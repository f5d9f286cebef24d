"""Lets programs of others use the server, each in a scratch home on the sandbox, and says what happened.

- MCP Inspector makes lists, strictly checked, and a call, in both eras, over stdio and over `serve --http`.
- The public conformance suite runs every scenario that a revision requires, against tests/interop/fixture_server.py.
- Claude Code and Gemini CLI are set up by our own `install`, and say themselves whether they are connected.

Everything is bounded in time. Without Node, or where a package cannot be installed, a line says SKIPPED and why.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parent.parent
FIXTURES = ROOT / "tests" / "interop"
COMMAND = str(Path(sys.executable).with_name("contacts-mcp"))

NODE = "node@22"
NODE_FROM = (22, 19)
TESTERS = ("@modelcontextprotocol/inspector@2.12.0", "@modelcontextprotocol/conformance@0.2.0-alpha.12")
CLIENTS = {"claude-code": ("@anthropic-ai/claude-code", "claude"), "gemini": ("@google/gemini-cli", "gemini")}
REVISIONS = ("2025-11-25", "2026-07-28")
ERAS = ("legacy", "modern")

INSTALLED_WITHIN = 120  # seconds
STARTED_WITHIN = 30
ANSWERED_WITHIN = 60
REVISION_WITHIN = 150
WIDEST = 300  # columns; the suite prints whole minified files
QUIET = {
    "npm_config_update_notifier": "false",
    "npm_config_fund": "false",
    "npm_config_fetch_retries": "1",
    "DISABLE_AUTOUPDATER": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "GEMINI_TELEMETRY_ENABLED": "false",
    "GEMINI_CLI_TRUST_WORKSPACE": "true",  # Gemini connects to nothing in a folder nobody trusts
    "NO_COLOR": "1",
}


class FailedError(Exception):
    """It ran, and it is not as it must be."""


class SkippedError(Exception):
    """It cannot run here."""


@dataclass
class Tally:
    """The results of the checks so far."""

    passed: int = 0
    failed: int = 0
    skipped: int = 0

    def run(self, name: str, check: Callable[[], str]) -> bool:
        """Run one check and print its line, with the words of `check` about a success. Answers whether it was one."""
        try:
            said = check()
        except SkippedError as reason:
            self.skipped += 1
            print(f"SKIPPED: {name}: {cut(str(reason))}", flush=True)
            return False
        except FailedError as reason:
            self.failed += 1
            print(f"FAILED: {name}: {cut(str(reason))}", flush=True)
            return False
        self.passed += 1
        print(f"ok  {name}{f': {said}' if said else ''}", flush=True)
        return True

    def __str__(self) -> str:
        return f"{self.passed} passed, {self.failed} failed, {self.skipped} skipped"


def cut(text: str, lines: int = 25) -> str:
    """The last lines, none of them wide."""
    kept = [line[:WIDEST] for line in text.splitlines() if line.strip()]
    return "\n    ".join(kept[-lines:])


def reason_in(error: str) -> str:
    """The first lines of npm that are no warnings."""
    return " ".join([line for line in error.splitlines() if not line.startswith(("npm warn", "npm notice"))][:4])


@dataclass(frozen=True)
class Ended:
    """A program that came to its end."""

    code: int
    out: str
    err: str


def run(command: list[str], *, within: float, env: dict[str, str], cwd: Path) -> Ended:
    """Run a program to its end, or end it and all its children after `within` seconds. Raises FailedError then."""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env,
        cwd=cwd,
        start_new_session=True,
    ) as process:
        try:
            out, err = process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            end(process)
            process.communicate()
            raise FailedError(f"no end after {within:g} seconds: {' '.join(command)[:100]}") from None
    return Ended(process.returncode, out.decode(errors="replace"), err.decode(errors="replace"))


def end(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


# Node and its packages


@dataclass
class Toolbox:
    """Packages of the npm registry, and a Node recent enough for them.

    `path` is the PATH to use once they are installed.
    """

    packages: tuple[str, ...]
    path: str = field(default="", init=False)

    def install(self) -> str:
        """Answers what was installed. Raises SkippedError where that cannot be."""
        npx = shutil.which("npx")
        if npx is None:
            raise SkippedError("this machine has no npx")
        packages = self.packages if node_version() >= NODE_FROM else (NODE, *self.packages)
        given = [part for package in packages for part in ("-p", package)]
        with tempfile.TemporaryDirectory() as elsewhere:
            try:
                ended = run(
                    [npx, "-y", *given, "--", "node", "-p", "process.env.PATH"],
                    within=INSTALLED_WITHIN,
                    env={**os.environ, **QUIET},
                    cwd=Path(elsewhere),
                )
            except FailedError as reason:
                raise SkippedError(str(reason)) from None
        if ended.code or not ended.out.strip():
            raise SkippedError(f"npx could not install {' '.join(packages)}: {reason_in(ended.err)}")
        self.path = ended.out.strip().splitlines()[-1]
        return " ".join(packages)


def node_version() -> tuple[int, ...]:
    """(0,) where there is none."""
    node = shutil.which("node")
    said = (
        subprocess.run([node, "--version"], capture_output=True, text=True, check=False, timeout=20).stdout
        if node
        else ""
    )
    return tuple(int(part) for part in re.findall(r"\d+", said)[:2]) or (0,)


# Our server


@contextlib.contextmanager
def serving(command: list[str], port: int, env: dict[str, str], cwd: Path) -> Iterator[str]:
    """The address of a server over HTTP, as long as it is needed."""
    with (
        (cwd / "server.log").open("wb") as log,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=env, cwd=cwd, start_new_session=True
        ) as process,
    ):
        try:
            wait_for(port, process, cwd / "server.log")
            yield f"http://127.0.0.1:{port}/mcp"
        finally:
            end(process)


def wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < until and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.1)
    raise FailedError(f"the server did not start:\n{log.read_text(encoding='utf-8', errors='replace')}")


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


# The Inspector


EXPECTED: dict[str, set[str]] = {
    "tools": {
        tool["name"] for tool in json.loads((ROOT / "tests" / "snapshots" / "tools.json").read_text(encoding="utf-8"))
    },
    "prompts": {path.stem for path in (ROOT / "prompts").glob("*.md")},
    "resources": {"fields", "tags", "team", "changes", "status", "view"},
}


@dataclass(frozen=True)
class Inspection:
    """One call of the Inspector. `target` is the address or the command of the server."""

    box: Toolbox
    transport: str
    era: str
    method: str
    target: list[str]
    env: dict[str, str]
    cwd: Path

    @property
    def name(self) -> str:
        return f"Inspector: {self.method}, {self.transport}, {self.era}"

    def ask(self, *options: str) -> dict[str, object]:
        env = {**self.env, "PATH": self.box.path}
        command = [
            "mcp-inspector",
            "--cli",
            "--protocol-era",
            self.era,
            "--format",
            "json",
            "--method",
            self.method,
            *options,
            *self.target,
        ]
        ended = run(
            [shutil.which(command[0], path=env["PATH"]) or command[0], *command[1:]],
            within=ANSWERED_WITHIN,
            env=env,
            cwd=self.cwd,
        )
        if ended.code:
            raise FailedError(f"exit {ended.code}\n{ended.out}\n{ended.err}")
        answer = json.loads(ended.out)
        if answer.get("schemaFindings"):  # mere warnings do not change the exit code
            raise FailedError(json.dumps(answer["schemaFindings"], indent=1))
        result: dict[str, object] = answer["result"]
        return result

    def check(self) -> str:
        if self.method == "tools/call":
            result = self.ask("--tool-name", "list_contact_fields", "--tool-args-json", '{"query": "plan"}')
            if result.get("isError") or not result.get("structuredContent"):
                raise FailedError(json.dumps(result))
            return ""
        kind = self.method.removesuffix("/list")
        result = self.ask(*(["--strict"] if kind == "tools" else []))
        listed = result[kind]
        assert isinstance(listed, list)
        names = {thing["name"] for thing in listed}
        if names != EXPECTED[kind]:
            raise FailedError(f"{sorted(names)} instead of {sorted(EXPECTED[kind])}")
        return f"{len(names)} {kind}"


def inspect(tally: Tally, box: Toolbox, env: dict[str, str], scratch: Path) -> str:
    """Two at a time, because each waits for its own processes."""
    port = free_port()
    with serving([COMMAND, "serve", "--sandbox", "--http", f"127.0.0.1:{port}"], port, env, scratch) as url:
        targets = {"stdio": [COMMAND, "serve", "--sandbox"], "http": [url]}
        inspections = [
            Inspection(box, transport, era, method, target, env, scratch)
            for transport, target in targets.items()
            for era in ERAS
            for method in ("tools/list", "tools/call", "prompts/list", "resources/list")
        ]
        with ThreadPoolExecutor(2) as pool:
            for inspection, future in [(inspection, pool.submit(inspection.check)) for inspection in inspections]:
                tally.run(inspection.name, future.result)
    return "was there throughout"


# Conformance


EXPECTED_FAILURES = FIXTURES / "expected-failures.yml"
SCENARIO = re.compile(r"^\S (\S+): (\d+) passed, (\d+) failed", re.MULTILINE)
CHECKING_NOTHING = {"tasks-status-notifications"}  # of an extension we do not serve


def conform(box: Toolbox, revision: str, env: dict[str, str], scratch: Path) -> str:
    port = free_port()
    env = {**env, "PATH": box.path}
    fixture = [sys.executable, str(FIXTURES / "fixture_server.py"), str(port)]
    with serving(fixture, port, env, scratch) as url:
        suite = shutil.which("conformance", path=env["PATH"]) or "conformance"
        command = [
            suite,
            "server",
            "--url",
            url,
            "--requirements",
            revision,
            "--expected-failures",
            str(EXPECTED_FAILURES),
        ]
        ended = run(command, within=REVISION_WITHIN, env=env, cwd=scratch)
    return conformed(ended, set(re.findall(r"^ +- (\S+)", EXPECTED_FAILURES.read_text(encoding="utf-8"), re.MULTILINE)))


def conformed(ended: Ended, expected: set[str]) -> str:
    """The suite's sums. Raises FailedError unless exactly the expected failures fail.

    The suite itself lets pass what it does not score.
    """
    summary = ended.out.partition("=== SUMMARY ===")[2]
    checks = {name: (int(passed), int(failed)) for name, passed, failed in SCENARIO.findall(summary)}
    failing = {name for name, (_, failed) in checks.items() if failed}
    wrong = {
        "fail": failing - expected,
        "do not fail any more": (expected & checks.keys()) - failing,
        "checked nothing": {name for name, sums in checks.items() if sums == (0, 0)} - CHECKING_NOTHING,
    }
    if ended.code or not checks or any(wrong.values()):
        raise FailedError(f"{_remarks(summary or ended.out)}\n{ended.err}\n{_shown(wrong)}")
    passed = sum(passed for passed, _ in checks.values())
    scenarios = f"{len(checks) - len(failing)} of {len(checks)} scenarios pass, {passed} checks"
    return f"{scenarios}; {len(failing)} fail as expected"


def _remarks(said: str) -> str:
    """The lines about everything but a success."""
    return "\n".join(line for line in said.splitlines() if not line.startswith("✓"))


def _shown(wrong: dict[str, set[str]]) -> str:
    return "; ".join(f"{what}: {sorted(names)}" for what, names in wrong.items() if names)


# Real clients


def connect(client: str, box: Toolbox, env: dict[str, str], scratch: Path) -> str:
    """Install ourselves into the client, and ask it."""
    box.install()
    program = CLIENTS[client][1]
    env = {**env, "PATH": box.path}
    set_up = run([COMMAND, "install", client, "--sandbox", "--yes"], within=ANSWERED_WITHIN, env=env, cwd=scratch)
    if set_up.code:
        raise FailedError(f"install: {set_up.out}\n{set_up.err}")
    asked = run(
        [shutil.which(program, path=env["PATH"]) or program, "mcp", "list"],
        within=ANSWERED_WITHIN,
        env=env,
        cwd=scratch,
    )
    said = f"{asked.out}\n{asked.err}"
    if not re.search(r"^\W*contacts: .* - \W*Connected$", said, re.MULTILINE):
        raise FailedError(said)
    version = run(
        [shutil.which(program, path=env["PATH"]) or program, "--version"], within=ANSWERED_WITHIN, env=env, cwd=scratch
    )
    return version.out.strip()


def environment(home: Path) -> dict[str, str]:
    """Ours, without a home and without anything that sets the server up."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("HEYMARKET_", "CONTACTS_MCP_"))}
    return {**ours, **QUIET, "HOME": str(home), "CONTACTS_MCP_DATA_DIR": str(home / "data")}


def main() -> int:
    start = time.monotonic()
    tally = Tally()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        env = environment(scratch)
        testers = Toolbox(TESTERS)
        if tally.run("Inspector and conformance suite", testers.install):
            tally.run("serve --http", lambda: inspect(tally, testers, env, scratch))
            for revision in REVISIONS:
                tally.run(f"conformance with {revision}", partial(conform, testers, revision, env, scratch))
        for client, (package, program) in CLIENTS.items():
            tally.run(f"{program} mcp list", partial(connect, client, Toolbox((package,)), env, scratch))
    print(f"... in {time.monotonic() - start:.0f} seconds")
    print(tally)
    return int(tally.failed > 0)


if __name__ == "__main__":
    sys.exit(main())
