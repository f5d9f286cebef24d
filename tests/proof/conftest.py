"""What the proofs share: time that takes no time, and a stage; `tests/support` says what that is."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hurried import HurriedLoop
from support import Backend, OpenStage, open_stages

from contacts_mcp.server.logs import TALKATIVE, set_up_logging


@pytest.fixture
def hurried() -> Backend:
    """The backend for a module whose `anyio_backend` returns it."""
    return "asyncio", {"loop_factory": HurriedLoop}


@pytest.fixture
def open_stage(tmp_path: Path) -> OpenStage:
    return open_stages(tmp_path)


@pytest.fixture
def log_of_a_server() -> Iterator[Callable[[str], None]]:
    """`set_up_logging` as `serve` does it, put back afterwards: it is about the whole process."""
    names = (None, "contacts_mcp", *TALKATIVE)
    before = {name: logging.getLogger(name).level for name in names}
    yield set_up_logging
    for name, level in before.items():
        logging.getLogger(name).setLevel(level)
