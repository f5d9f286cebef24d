"""Runs mutmut on the modules that guard writes, each against the tests that hold it. Called by `scripts/mutate`.

Prints how many changes were killed and how many survived. mutmut changes the code of functions, not the tables of a
module. A change that makes the tests hang counts as noticed. Exits 1 where fewer than `LEAST` of a module's changes
are noticed. Each module has a copy of the project to itself, so several of these programs can run at once on
different modules.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
WORK = ROOT / "build" / "mutate"
COPIED = ("contacts_mcp", "tests", "benchmarks", "scripts", "prompts", "pyproject.toml", "README.md")
LEAST = 0.90


class Guarded(NamedTuple):
    """A module and the tests that hold it: quick ones, since they run once for every change."""

    module: str
    tests: tuple[str, ...]

    @property
    def work(self) -> Path:
        """The folder with its copy of the project."""
        return WORK / Path(self.module).stem


def _proofs(*names: str) -> tuple[str, ...]:
    return tuple(f"tests/proof/test_{name}.py" for name in names)


MODULES = {
    "retries": Guarded("contacts_mcp/api/retries.py", ("tests/api/test_retries.py", "tests/api/test_client.py")),
    "phones": Guarded("contacts_mcp/words/phones.py", ("tests/words/test_phones.py",)),
    "names": Guarded("contacts_mcp/words/names.py", ("tests/words/test_names.py",)),
    "ledger": Guarded("contacts_mcp/state/ledger.py", ("tests/state/test_ledger.py", "tests/api/test_pace.py")),
    "confirmations": Guarded(
        "contacts_mcp/book/confirmations.py", ("tests/book/test_confirmations.py", *_proofs("asking"))
    ),
    "walk": Guarded("contacts_mcp/book/listing/walk.py", ("tests/book/listing/test_walk.py",)),
    "plan": Guarded(
        "contacts_mcp/book/writing/plan.py",
        ("tests/book/writing", *_proofs("settle", "claims", "somebody_else", "untouched")),
    ),
    "settle": Guarded(
        "contacts_mcp/book/writing/settle.py", ("tests/book/writing", *_proofs("settle", "somebody_else", "history"))
    ),
    "undo": Guarded("contacts_mcp/book/history/undo.py", _proofs("undo", "settle", "history", "claims", "attacks")),
    "changes": Guarded("contacts_mcp/book/history/changes.py", _proofs("history", "undo")),
}

OUTCOMES = {0: "survived", 1: "killed", 3: "killed", 5: "survived", 33: "survived"}
"""The outcomes by the exit code of the tests. Any other code is a signal or a time-out, and so noticed."""


def prepare(guarded: Guarded) -> None:
    """A fresh copy of the project that is set up for one module."""
    shutil.rmtree(guarded.work, ignore_errors=True)
    guarded.work.mkdir(parents=True)
    for name in COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
        copy(ROOT / name, guarded.work / name)
    settings = {
        "source_paths": ["contacts_mcp"],
        "only_mutate": [guarded.module],
        "pytest_add_cli_args_test_selection": list(guarded.tests),
        "also_copy": ["prompts", "benchmarks", "scripts", "README.md"],
    }
    lines = [f"{name} = {json.dumps(value)}\n" for name, value in settings.items()]
    with (guarded.work / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.writelines(["\n[tool.mutmut]\n", *lines])


def outcomes(guarded: Guarded) -> Counter[str]:
    """How many changes came out how."""
    return Counter(_outcome(code) for code in _codes(guarded).values())


def survivors(guarded: Guarded) -> list[str]:
    return [name for name, code in _codes(guarded).items() if _outcome(code) == "survived"]


def _codes(guarded: Guarded) -> dict[str, int | None]:
    codes: dict[str, int | None] = json.loads(
        (guarded.work / "mutants" / f"{guarded.module}.meta").read_text(encoding="utf-8")
    )["exit_code_by_key"]
    return codes


def _outcome(code: int | None) -> str:
    return "not checked" if code is None else OUTCOMES.get(code, "hung")


def run(mutmut: str, guarded: Guarded) -> Counter[str]:
    prepare(guarded)
    log = guarded.work / "mutmut.log"
    with log.open("wb") as output:
        command = [mutmut, "run", "--max-children", str(os.cpu_count() or 1)]
        ended = subprocess.run(
            command, cwd=guarded.work, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, check=False
        )
    if ended.returncode:
        sys.exit(f"mutmut failed:\n{log.read_text(encoding='utf-8', errors='replace')[-2000:]}")
    return outcomes(guarded)


def show(mutmut: str, change: str) -> int:
    """Prints a change, named as in the list of survivors: `contacts_mcp.words.phones.x_parse_phone__mutmut_1`."""
    for guarded in MODULES.values():
        if change.startswith(guarded.module.removesuffix(".py").replace("/", ".") + "."):
            return subprocess.run([mutmut, "show", change], cwd=guarded.work, check=False).returncode
    sys.exit(f"no module has the change {change}")


def main(mutmut: str, chosen: list[str]) -> int:
    match chosen:
        case ["show", change]:
            return show(mutmut, change)
    unknown = [name for name in chosen if name not in MODULES]
    if unknown:
        sys.exit(f"no module {', '.join(unknown)}; there are {', '.join(MODULES)}")
    is_enough = True
    print(f"{'module':<16}{'changes':>9}{'killed':>9}{'hung':>7}{'survived':>10}{'noticed':>9}")
    for name in chosen or MODULES:
        counts = run(mutmut, MODULES[name])
        noticed = (counts["killed"] + counts["hung"]) / max(1, counts.total())
        is_enough &= noticed >= LEAST
        figures = f"{counts.total():>9}{counts['killed']:>9}{counts['hung']:>7}{counts['survived']:>10}"
        print(f"{name:<16}{figures}{noticed:>9.1%}", flush=True)
        if len(chosen) == 1:
            print(*survivors(MODULES[name]), sep="\n")
    return int(not is_enough)


if __name__ == "__main__":
    sys.exit(main(str(Path(sys.argv[1]).absolute()), sys.argv[2:]))
