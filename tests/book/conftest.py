"""Shared by the tests of the address book, besides `tests/support`."""

from __future__ import annotations

from pathlib import Path

import pytest
from support import OpenStage, open_stages


@pytest.fixture
def open_stage(tmp_path: Path) -> OpenStage:
    return open_stages(tmp_path)
