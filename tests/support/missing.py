"""Tests that need a program or a package which is not there."""

from __future__ import annotations

import importlib.util
import os
import shutil

import pytest


def needs(*, programs: tuple[str, ...] = (), packages: tuple[str, ...] = ()) -> None:
    """Skip the test where one of them is not installed. Where CONTACTS_MCP_TEAM_TESTS is `must`, the test fails."""
    absent = [name for name in programs if shutil.which(name) is None]
    absent += [name for name in packages if importlib.util.find_spec(name) is None]
    if not absent:
        return
    reason = f"not installed: {', '.join(absent)}"
    if os.environ.get("CONTACTS_MCP_TEAM_TESTS") == "must":
        pytest.fail(reason)
    pytest.skip(reason)
