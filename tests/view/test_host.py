"""The packages of the browser tests: exact versions, from whichever registry the machine uses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

HOST = Path(__file__).parent / "host"


def read(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((HOST / name).read_text(encoding="utf-8"))
    return found


def test_the_lock_names_no_registry_and_has_a_hash_of_every_package() -> None:
    packages = {path: one for path, one in read("package-lock.json")["packages"].items() if path}
    assert [path for path, one in packages.items() if "resolved" in one] == []
    assert [path for path, one in packages.items() if not one.get("integrity")] == []


def test_the_packages_are_wanted_in_the_versions_of_the_lock() -> None:
    locked = read("package-lock.json")["packages"]
    wanted = read("package.json")["devDependencies"]
    assert wanted == {name: locked[f"node_modules/{name}"]["version"] for name in wanted}
