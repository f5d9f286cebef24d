"""Builds the bundle for desktop assistants: an MCPB archive with the source and the names of what it needs.

Its format is manifest 0.4, server type `uv`. The manifest is `bundle/manifest.json`, with the version and the tools
filled in from the code. uv runs the source where it is unpacked, so the bundle has a pyproject.toml of its own. It
names the dependencies and builds nothing. The same source gives the same bytes.
"""

from __future__ import annotations

import json
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import contacts_mcp
from contacts_mcp.server.tools import TOOLS

ROOT = Path(__file__).parent.parent
PACKAGE = Path(contacts_mcp.__file__).parent  # the one at work, which CI takes from the wheel
EPOCH = (1980, 1, 1, 0, 0, 0)  # the oldest time a zip can hold


def project() -> dict[str, Any]:
    described: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return described


def manifest() -> dict[str, Any]:
    """The manifest with what the code knows better."""
    written: dict[str, Any] = json.loads((ROOT / "bundle" / "manifest.json").read_text(encoding="utf-8"))
    tools = [{"name": tool.name, "description": tool.description} for tool in TOOLS]
    return written | {"version": project()["version"], "tools": tools}


def requirements() -> str:
    """The bundle's pyproject.toml: nothing to build, only what to install."""
    described = project()
    lines = [
        "[project]",
        *(f"{name} = {json.dumps(described[name])}" for name in ("name", "version", "requires-python", "dependencies")),
    ]
    return "\n".join([*lines, "", "[tool.uv]", "package = false", ""])


def contents() -> Iterator[tuple[str, bytes]]:
    """Name and content of every file, in order."""
    yield "manifest.json", (json.dumps(manifest(), indent=2, ensure_ascii=False) + "\n").encode()
    yield "pyproject.toml", requirements().encode()
    yield "icon.png", (ROOT / "assets" / "icon.png").read_bytes()
    for name in ("README.md", "LICENSE"):
        yield name, (ROOT / name).read_bytes()
    files = {f"prompts/{path.name}": path for path in (ROOT / "prompts").glob("*.md")}
    files |= {
        path.relative_to(PACKAGE).as_posix(): path
        for path in PACKAGE.rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    for name, path in sorted(files.items()):
        yield f"contacts_mcp/{name}", path.read_bytes()


def build(folder: Path) -> Path:
    """Write the bundle into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / f"contacts-mcp-{project()['version']}.mcpb"
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in contents():
            archive.writestr(_info(name), data, compresslevel=9)
    return target


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, EPOCH)
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    info.create_system = 3  # the same bytes wherever it is built
    return info


if __name__ == "__main__":
    bundle = build(Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "dist")
    print(f"{bundle} ({bundle.stat().st_size // 1024} KB)")
