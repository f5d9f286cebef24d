"""The sandbox must not share a mistake with the client: it shares no code with it."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import contacts_mcp.sandbox

HERE = Path(contacts_mcp.sandbox.__file__).parent


def imported(path: Path) -> set[str]:
    """The names of all imported modules. Those of the sandbox itself are written as in `sandbox.rows.records`."""
    here = ["sandbox", *path.relative_to(HERE).parent.parts]
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) + 1 - node.level] if node.level else []
            assert base or not node.level, f"{path} imports from above the sandbox"
            names.add(".".join([*base, *filter(None, [node.module])]))
    return names


def test_nothing_is_imported_from_the_rest_of_the_package() -> None:
    names = {name for path in HERE.rglob("*.py") for name in imported(path)}
    assert {"sandbox", "sandbox.rows.records"} <= names
    assert not {name for name in names if name.startswith("contacts_mcp")}


def test_the_rows_know_nothing_of_the_api() -> None:
    names = {name for path in (HERE / "rows").glob("*.py") for name in imported(path)}
    assert {name for name in names if name.startswith("sandbox")} == {
        "sandbox.rows.records",
        "sandbox.rows.replica",
        "sandbox.rows.timestamps",
    }


def test_opening_a_sandbox_imports_neither_httpx_nor_uvicorn() -> None:
    program = (
        "import sys; from contacts_mcp.sandbox import open_sandbox; open_sandbox(contacts=1).close();"
        "sys.exit(', '.join({'httpx', 'uvicorn', 'h11'} & set(sys.modules)) or None)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
