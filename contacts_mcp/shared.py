"""The state that the replicas of a deployment share, as one process uses it.

- PostgreSQL holds all that must last: journal, locks, used confirmations, plans of imports, and the search index.
- Redis counts the requests of all replicas. All of it may vanish.
- Either of them is used where its setting names it. The state of the other one stays in files of this machine.
- Connections are made when they are first needed. A server that is not there yet keeps nobody from starting.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from functools import cached_property
from typing import TYPE_CHECKING, Self

import anyio
from anyio import from_thread

from contacts_mcp.config import InvalidSettings, Settings
from contacts_mcp.errors import AccountError
from contacts_mcp.state.account import Account

if TYPE_CHECKING:
    from contacts_mcp.book.search.mirror import FillingRight
    from contacts_mcp.state.ledger import Ledger
    from contacts_mcp.state.postgres.database import SharedDatabase
    from contacts_mcp.state.postgres.index_pool import Pool
    from contacts_mcp.state.protocols import Imports, Journal, Locks
    from contacts_mcp.state.redis import SharedRedis
    from contacts_mcp.state.word_index import WordIndex

MOST_OFF = 5.0  # seconds between this machine's clock and PostgreSQL's

_log = logging.getLogger(__name__)


def kept_apart(settings: Settings) -> list[str]:
    """The state that replicas on several machines do not share, with each setting that is missing.

    A server sees no other one. So it asks where several are meant: by one of the two addresses, or by their number.
    """
    if not settings.shares_state and settings.replicas_most == 1:
        return []
    lacking = []
    if settings.database_url is None:
        lacking.append(
            "CONTACTS_MCP_DATABASE_URL is not set. The journal, locks, used confirmations, plans of imports and the "
            "index stay in files of this machine, and servers on two machines could do the same change twice."
        )
    if settings.redis_url is None:
        lacking.append(
            "CONTACTS_MCP_REDIS_URL is not set. The count of requests stays in a file of this machine, and servers on "
            "two machines together send more than Heymarket's limit."
        )
    return [f"{told} Set it where replicas run on several machines." for told in lacking]


class Shared:
    """The connections of one process to PostgreSQL and Redis. Enter it, or open and close it."""

    def __init__(self, settings: Settings) -> None:
        """Raises AccountError where a driver is not installed, and InvalidSettings for an address of no use."""
        self._replicas_most = settings.replicas_most
        self._database_url = settings.database_url.get_secret_value() if settings.database_url else ""
        self.database: SharedDatabase | None = None
        self.redis: SharedRedis | None = None
        if self._database_url:
            from contacts_mcp.state.postgres.database import SharedDatabase

            if not settings.journal:
                raise InvalidSettings(
                    "CONTACTS_MCP_JOURNAL=off cannot be used with CONTACTS_MCP_DATABASE_URL: "
                    "replicas find each other's changes in the journal alone."
                )
            self.database = SharedDatabase(self._database_url)
        if settings.redis_url:
            from contacts_mcp.state.redis import SharedRedis

            self.redis = SharedRedis(settings.redis_url.get_secret_value())

    async def open(self) -> None:
        """Look for both once. One that is not there is no error, because it may come later."""
        if self.redis is not None:
            await self.redis.open()
        if self.database is not None:
            try:
                await self.database.open()
            except AccountError as error:
                _log.warning("the shared database cannot be used yet: %s", error.kind)

    async def aclose(self) -> None:
        """Close all connections. Books that use them are closed before."""
        with anyio.CancelScope(shield=True):
            if "_index_pool" in self.__dict__:
                await anyio.to_thread.run_sync(self._index_pool.close)
            if self.database is not None:
                await self.database.aclose()
            if self.redis is not None:
                await self.redis.aclose()

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    @property
    def checks(self) -> dict[str, Callable[[], Awaitable[bool]]]:
        """Name -> the question whether it is ready. Redis may be lost again later."""
        asked: dict[str, Callable[[], Awaitable[bool]]] = {}
        if self.database is not None:
            asked["postgresql"] = self.database.is_up
            asked["clock"] = self._has_right_clock
        if self.redis is not None:
            asked["redis"] = self._has_seen_redis
        return asked

    async def _has_right_clock(self) -> bool:
        """Whether this machine's clock agrees with PostgreSQL's. By it tokens of the issuer and questions expire."""
        assert self.database is not None
        return abs(self.database.clock.off) <= MOST_OFF

    async def _has_seen_redis(self) -> bool:
        assert self.redis is not None
        return self.redis.seen_since_start

    # The parts of one account

    def ledger(self, account: Account) -> Ledger | None:
        """The count of requests, None without Redis."""
        if self.redis is None:
            return None
        from contacts_mcp.state.redis_ledger import RedisLedger

        return RedisLedger(self.redis, account, replicas_most=self._replicas_most)

    def lasting(self, account: Account) -> tuple[Journal, Locks, Imports] | None:
        """Journal, locks and plans of imports, None without PostgreSQL."""
        if self.database is None:
            return None
        from contacts_mcp.state.postgres.imports import PostgresImports
        from contacts_mcp.state.postgres.journal import PostgresJournal
        from contacts_mcp.state.postgres.locks import PostgresLocks

        db = self.database
        return PostgresJournal(db, account), PostgresLocks(db, account), PostgresImports(db, account)

    def index(self, account: Account) -> Callable[[], WordIndex] | None:
        """The function that opens the search index in a worker thread, None without PostgreSQL."""
        if self.database is None:
            return None
        from contacts_mcp.state.index_file import IndexUnavailable
        from contacts_mcp.state.postgres.accounts import AccountNumber
        from contacts_mcp.state.postgres.index import PostgresIndex

        database = self.database

        def opened() -> WordIndex:
            try:
                from_thread.run(database.open)  # it prepares the tables, where nothing else was asked before
            except AccountError:
                raise IndexUnavailable("unreachable") from None
            return PostgresIndex(self._index_pool, AccountNumber.of(database, account).from_thread)

        return opened

    def filling_right(self, account: Account) -> FillingRight | None:
        """Says whether this replica may fill the index, None without PostgreSQL. While it does, others may not."""
        if self.database is None:
            return None
        from contacts_mcp.state.postgres.locks import PostgresLocks

        return PostgresLocks(self.database, account).filling

    # All accounts

    async def forget_changes(self) -> int:
        """Forget the finished changes of all accounts, and their plans of imports. Returns how many changes there were.

        Raises DatabaseAway.
        """
        from contacts_mcp.state.postgres.forgetting import forget_changes

        return await forget_changes(self.database) if self.database is not None else 0

    async def forget_index(self) -> int:
        """Forget the index of all accounts. Returns how many there were. Raises DatabaseAway."""
        from contacts_mcp.state.postgres.forgetting import forget_index

        return await forget_index(self.database) if self.database is not None else 0

    @cached_property
    def _index_pool(self) -> Pool:
        from contacts_mcp.state.postgres.index_pool import new_pool

        return new_pool(self._database_url)
