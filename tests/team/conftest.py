"""The servers that a team's deployment stands on: real ones, thrown away afterwards."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count

import pytest
from postgres_server import PostgresServer, is_installed, running_postgres

from contacts_mcp.state.postgres.database import SharedDatabase

_numbers = count(1)


def need(is_there: bool, program: str) -> None:
    """Skip where a server's program is not installed. CONTACTS_MCP_TEAM_TESTS=must makes that a failure."""
    if is_there:
        return
    reason = f"{program} is not installed"
    if os.environ.get("CONTACTS_MCP_TEAM_TESTS") == "must":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A server that stays up. Tests share it, each with accounts or a database of its own."""
    need(is_installed(), "PostgreSQL")
    with running_postgres(in_memory=True) as server:
        yield server


@pytest.fixture(scope="session")
def postgres(postgres_server: PostgresServer) -> str:
    """The URL of an empty database."""
    return postgres_server.new_database("shared")


@pytest.fixture
def empty_database(postgres_server: PostgresServer) -> str:
    """The URL of an empty database of this test alone."""
    return postgres_server.new_database(f"own-{next(_numbers)}")


@pytest.fixture(scope="session")
def mortal_server() -> Iterator[PostgresServer]:
    """A server that tests stop and freeze."""
    need(is_installed(), "PostgreSQL")
    with running_postgres(in_memory=True) as server:
        yield server


@pytest.fixture
def mortal(mortal_server: PostgresServer) -> Iterator[PostgresServer]:
    """That server, which is up again for the next test."""
    yield mortal_server
    mortal_server.revive()


@pytest.fixture
async def db(postgres: str) -> AsyncIterator[SharedDatabase]:
    """The connections of one replica."""
    opened = SharedDatabase(postgres)
    await opened.open()
    yield opened
    await opened.aclose()


@pytest.fixture
def new_account() -> Callable[[], str]:
    """A name that no other test uses."""
    return lambda: f"account-{next(_numbers)}"


@pytest.fixture
def account(new_account: Callable[[], str]) -> str:
    return new_account()
