"""The servers that the tests of a hosted deployment run against."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis_server import RedisServer
from support.missing import needs

# Redis


@pytest.fixture(scope="session")
def lasting_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A redis-server that all tests share. Each uses keys of its own, and none harms it."""
    yield from _redis_servers(tmp_path_factory)


@pytest.fixture
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
