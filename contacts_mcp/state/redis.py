"""The Redis that the replicas of a hosted server share. All that is in it may vanish at any moment.

- A failure is no error to callers of tools. After it, nobody asks for a while.
- An empty, restarted or other Redis has another mark. So has one whose clock was set forward, or far back.
- Every replica shows itself in a heartbeat. So each knows how many there are, and soon sees another mark.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from contacts_mcp.config import InvalidSettings
from contacts_mcp.errors import AccountError
from contacts_mcp.state.ledger import WINDOW
from contacts_mcp.state.uptime import uptime

if TYPE_CHECKING:
    from redis.asyncio import Redis
    from redis.commands.core import AsyncScript

TIMEOUT = 0.25  # seconds to connect, and seconds for an answer
BEATS_OF_ALL = 4  # heartbeats after which each ledger asks, also one without a promise
BEATS_MISSED = 3  # heartbeats after which a replica is taken for silent
BEATS_KEPT = 600.0  # seconds for which a number of replicas counts
LATE = 1.0  # seconds by which a question may arrive late before Redis's clock is believed to be set forward
CONNECTIONS = 8
_NEVER = float("-inf")
_UNKNOWN = 1e15  # a moment after all others

_log = logging.getLogger(__name__)

# Every script begins with this. Redis's own id tells a restart with old contents, which has the mark of before.
BIRTH = """
local t, a = redis.call('TIME'), cjson.decode(ARGV[1])
local now = t[1] + t[2] / 1000000
local run = string.match(redis.call('INFO', 'server'), 'run_id:(%x+)')
local born = redis.call('GET', KEYS[1]) or ''
local at = tonumber(string.match(born, '^' .. run .. ' ([%d.]+)$'))
if not at or at > now + 1 or now > a.latest or redis.call('ZCOUNT', KEYS[2], now + a.window, '+inf') > 0 then
  at, born = now, string.format('%s %.6f', run, now)
  redis.call('SET', KEYS[1], born, 'EX', 600)
end
redis.call('ZREMRANGEBYSCORE', KEYS[2], now + a.window, '+inf')
"""
# KEYS: mark, replicas.
_HEARTBEAT = f"""{BIRTH}
redis.call('EXPIRE', KEYS[1], 600)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', now - a.gone)
if a.leaving then redis.call('ZREM', KEYS[2], a.me) else redis.call('ZADD', KEYS[2], now, a.me) end
redis.call('EXPIRE', KEYS[2], 600)
return cjson.encode({{born = born, now = now, replicas = redis.call('ZCARD', KEYS[2])}})
"""
_PREFIX = "contacts_mcp:"


class Rhythm(NamedTuple):
    """Seconds between the steps of everybody who uses one Redis. All of them need the same."""

    beat: float = 2.0  # between two heartbeats
    silence: float = 1.0  # without asking after a failure; else every request would wait for the timeout
    settle: float = 4.0  # in which everyone has seen another mark: at least a beat, a silence and two timeouts


RHYTHM = Rhythm()


class Kept(Protocol):
    """A thing in Redis that tells it from time to time what it has to know."""

    @property
    def is_urgent(self) -> bool:
        """Whether others wait for its word at every heartbeat."""

    async def refresh(self) -> None:
        """Tell Redis, and hear the answer. Raises RedisLost."""


class RedisLost(Exception):
    """Redis does not answer at this moment, or it refuses."""


class SharedRedis:
    """The connections of one process to the Redis of all replicas, with the heartbeat of this one."""

    def __init__(self, url: str, *, clock: Callable[[], float] = uptime, rhythm: Rhythm = RHYTHM) -> None:
        """`clock` only grows. Nothing is connected yet.

        Raises AccountError where the package `redis` is missing, and InvalidSettings for a `url` that cannot be used.
        """
        self.name = secrets.token_hex(4)
        self.seen_since_start = False
        self.lost_at: float | None = None  # when it first failed to answer, None while it answers
        self.silent_until = _NEVER  # it failed a moment ago, and is not asked before then
        self.rhythm = rhythm
        self._clock = clock
        self._redis = _connections(url)
        self._scripts: dict[str, AsyncScript] = {}
        self._ahead_by = _UNKNOWN  # most by which Redis's clock is ahead of ours
        self._mark = ""
        self._beats = 0
        self._counts: deque[tuple[float, int]] = deque()  # numbers of replicas that were seen, with their moments
        self._kept: set[Kept] = set()
        self._beating: asyncio.Task[None] | None = None
        self._is_closing = False

    @property
    def replicas(self) -> int:
        """The most replicas at once that the last ten minutes saw, at least this one."""
        since = self._clock() - BEATS_KEPT
        while self._counts and self._counts[0][0] < since:
            self._counts.popleft()
        return max((count for _, count in self._counts), default=1)

    async def open(self) -> None:
        """Look once whether Redis is there, and start the heartbeat. A Redis that is not there is no error."""
        with suppress(RedisLost):
            await self._beat()

    async def aclose(self) -> None:
        """Take this replica off the list and close all connections. Ledgers are closed before."""
        self._is_closing = True
        if self._beating is not None:
            self._beating.cancel()
            with suppress(asyncio.CancelledError):
                await self._beating
            self._beating = None
        with suppress(RedisLost):
            await self._heartbeat(leaving=True)
        await self._redis.aclose()

    def enter(self, kept: Kept) -> None:
        """Refresh it from time to time, and soon after the mark has changed, until it leaves."""
        self._kept.add(kept)

    def leave(self, kept: Kept) -> None:
        self._kept.discard(kept)

    async def ask(self, script: str, keys: list[str], letter: dict[str, Any]) -> dict[str, Any]:
        """The answer of `script` to `letter`. Raises RedisLost, at once within a silence after a failure."""
        self._start()
        start = self._clock()
        if start < self.silent_until:
            raise RedisLost
        letter["latest"] = min(start + self._ahead_by + LATE, _UNKNOWN)
        answer: dict[str, Any] = json.loads(
            await self._bounded(lambda: self._script(script)([_PREFIX + key for key in keys], [json.dumps(letter)]))
        )
        self._ahead_by = answer["now"] - start
        return answer

    def _script(self, text: str) -> AsyncScript:
        if text not in self._scripts:
            self._scripts[text] = self._redis.register_script(text)
        return self._scripts[text]

    async def names_of(self, team: str, name: str) -> set[str]:
        """All names of the account that other replicas know under `team`, after adding `name`. Raises RedisLost."""
        key = f"{_PREFIX}{{{team}}}names"

        async def exchange() -> list[Any]:
            async with self._redis.pipeline(transaction=False) as several:
                for command in (several.sadd(key, name), several.expire(key, 600), several.smembers(key)):
                    assert command is not None  # a pipeline takes them down, and there is nothing to wait for
                return list(await several.execute())

        return {found.decode() for found in (await self._bounded(exchange))[-1]}

    async def _bounded(self, exchange: Callable[[], Any]) -> Any:
        from redis.exceptions import RedisError

        try:
            async with asyncio.timeout(2 * TIMEOUT):  # to connect, and for the answer
                answer = await exchange()
        except (RedisError, OSError, TimeoutError) as error:
            self._lose(error)
            raise RedisLost from None
        if self.lost_at is not None:
            _log.warning("Redis answers again: the request pace is shared with the other replicas")
        self.seen_since_start, self.lost_at = True, None
        return answer

    def _lose(self, error: Exception) -> None:
        now = self._clock()
        self.silent_until = now + self.rhythm.silence
        if self.lost_at is None:
            self.lost_at = now
            _log.warning(
                "the request pace is not shared with the other replicas: Redis cannot be used (%s)",
                type(error).__name__,
            )

    def _start(self) -> None:
        if not self._is_closing and (self._beating is None or self._beating.done()):
            self._beating = asyncio.get_running_loop().create_task(self._beat_for_ever())

    async def _beat_for_ever(self) -> None:
        while not self._is_closing:  # asyncio.wait_for of Python 3.11, in the driver, loses cancellations
            await asyncio.sleep(max(self.rhythm.beat, self.silent_until - self._clock() + 0.001))
            with suppress(RedisLost):
                await self._beat()

    async def _beat(self) -> None:
        mark, replicas = await self._heartbeat()
        self._counts.append((self._clock(), replicas))
        is_for_all = mark != self._mark or self._beats % BEATS_OF_ALL == 0
        for kept in tuple(self._kept):
            if is_for_all or kept.is_urgent:
                await kept.refresh()
        self._mark = mark
        self._beats += 1

    async def _heartbeat(self, *, leaving: bool = False) -> tuple[str, int]:
        """The mark of Redis, and the number of replicas there are."""
        letter = {"me": self.name, "window": WINDOW, "gone": BEATS_MISSED * self.rhythm.beat, "leaving": leaving}
        answer = await self.ask(_HEARTBEAT, ["born", "replicas"], letter)
        return answer["born"], int(answer["replicas"])


def _connections(url: str) -> Redis:
    try:
        from redis.asyncio import BlockingConnectionPool, Redis
        from redis.asyncio.connection import parse_url
        from redis.asyncio.retry import Retry
        from redis.backoff import NoBackoff
    except ImportError:
        raise AccountError(
            "CONTACTS_MCP_REDIS_URL needs a package that is not installed: "
            "pip install '.[team]' in a copy of the repository."
        ) from None
    ours: dict[str, Any] = {
        "max_connections": CONNECTIONS,
        "timeout": TIMEOUT,
        "socket_timeout": TIMEOUT,
        "socket_connect_timeout": TIMEOUT,
        "retry": Retry(NoBackoff(), 0),
        "protocol": 2,
        "decode_responses": False,
    }
    try:
        # The URL could set some of ours, too.
        pool = BlockingConnectionPool(**{**parse_url(url), **ours})
        pool.connection_class(**pool.connection_kwargs)  # knows the options after a "?", and connects to nothing yet
    except (ValueError, TypeError):
        # The original's text may hold a piece of the password.
        raise InvalidSettings(
            "CONTACTS_MCP_REDIS_URL: expected an address such as redis://:PASSWORD@host:6379/0 (rediss:// over TLS)."
        ) from None
    return Redis.from_pool(pool)
