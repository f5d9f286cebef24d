"""The backend of every test, and the fixtures that open a session of `tests/support`."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import settings
from support import OpenSession, Session, open_sessions

settings.register_profile("untimed", deadline=None)  # a slow machine fails no test; speed is for benchmarks
settings.load_profile("untimed")

ERAS = ("auto", "legacy")  # 2026-07-28, stateless; and the handshake of the revisions before


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def wire() -> str:
    """The server reaches the sandbox in the process. A module that gives "http" too runs over real HTTP as well."""
    return "in process"


@pytest.fixture
def open_session(tmp_path: Path, wire: str) -> OpenSession:
    return open_sessions(tmp_path, wire)


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    """Both protocol eras in turn."""
    return str(request.param)


@pytest.fixture
async def session(open_session: OpenSession, era: str) -> AsyncIterator[Session]:
    """A session over a book of 30 contacts, in both eras."""
    async with open_session(mode=era) as opened:
        yield opened
