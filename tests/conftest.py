"""The backend of every test, and the fixtures that open a session of `tests/support`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings
from support import OpenSession, Session, open_sessions
from support.missing import needs

if TYPE_CHECKING:
    from postgres_server import PostgresServer

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


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A server that stays up. Tests share it, each with accounts or a database of its own."""
    needs(packages=("psycopg",))
    from postgres_server import is_installed, running_postgres

    needs(programs=() if is_installed() else ("postgres",))
    with running_postgres(in_memory=True) as server:
        yield server


@pytest.fixture(scope="session")
def prepared_database(postgres_server: PostgresServer) -> str:
    """A database that is up to date. Tests share it, each with accounts of its own."""
    from support.shared_index import prepare

    url = postgres_server.new_database("prepared")
    prepare(url)
    return url
