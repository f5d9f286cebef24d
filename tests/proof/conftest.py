"""Shared by the proofs: time that takes no time, and a stage of `tests/support`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hurried import HurriedLoop
from support import Backend, OpenStage, logging_put_back, open_stages

from contacts_mcp.server.logs import set_up_logging


@pytest.fixture
def hurried() -> Backend:
    """The backend for a module whose `anyio_backend` returns it."""
    return "asyncio", {"loop_factory": HurriedLoop}


@pytest.fixture
def open_stage(tmp_path: Path) -> OpenStage:
    return open_stages(tmp_path)


@pytest.fixture
def log_of_a_server() -> Iterator[Callable[[str], None]]:
    """`set_up_logging` as `serve` does it."""
    with logging_put_back():
        yield set_up_logging
