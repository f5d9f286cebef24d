"""The servers that a team's deployment stands on: real ones, thrown away afterwards."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from itertools import count

import pytest
from postgres_server import PostgresServer, is_installed, running_postgres
from redis_server import RedisServer
from support.missing import needs

from contacts_mcp.state.postgres.database import SharedDatabase

_numbers = count(1)

# Redis


@pytest.fixture(scope="session")
def lasting_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A redis-server that all tests share. Each uses keys of its own, and none harms it."""
    yield from _redis_servers(tmp_path_factory)


@pytest.fixture(scope="session")
def redis(lasting_redis: RedisServer) -> str:
    """The URL of a redis-server that all tests share."""
    return lasting_redis.url


@pytest.fixture
def redis_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A redis-server for one test, which may harm it."""
    yield from _redis_servers(tmp_path_factory)


def _redis_servers(folders: pytest.TempPathFactory) -> Iterator[RedisServer]:
    needs(programs=("redis-server",), packages=("redis",))
    server = RedisServer(folders.mktemp("redis"))
    yield server
    server.kill()


# PostgreSQL


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
    needs(programs=() if is_installed() else ("postgres",), packages=("psycopg",))
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
