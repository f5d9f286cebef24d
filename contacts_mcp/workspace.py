"""Settings -> an open address book: the one place where the parts are put together.

Everything here is imported and made on first use, because a server must answer `tools/list` before it needs any of it.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio

from contacts_mcp.config import SANDBOX_URL, Settings
from contacts_mcp.errors import AccountError

if TYPE_CHECKING:
    from contacts_mcp.api.client import HeymarketClient
    from contacts_mcp.api.pace import Pace
    from contacts_mcp.book.book import Book
    from contacts_mcp.sandbox import Sandbox


class Workspace:
    """An address book that is opened when it is first needed, and closed with the server."""

    def __init__(
        self, settings: Settings, *, sandbox: Sandbox | None = None, clock: Callable[[], float] = time.time
    ) -> None:
        """`sandbox` is an open one to work on, whatever the settings say. Its owner closes it. `clock` tells the time of day."""
        self._settings = settings
        self._clock = clock
        self._lent = sandbox
        self._own: Sandbox | None = None
        self._book: Book | None = None
        self._opening = anyio.Lock()

    async def book(self) -> Book:
        """The address book. Raises AccountError where credentials or the data directory are missing, at every call until they are there."""
        if self._book is None:
            async with self._opening:
                if self._book is None:
                    self._book = await self._opened()
        return self._book

    async def aclose(self) -> None:
        """Close what was opened; a later call opens it again."""
        book, self._book = self._book, None
        sandbox, self._own = self._own, None
        if book is not None:
            await book.aclose()
        if sandbox is not None:
            sandbox.close()

    async def _opened(self) -> Book:
        """A book in which nothing is left over from a server that died in the middle of a write, as far as looking tells in time."""
        from contacts_mcp.book.writing.settle import settle

        book = self._open()
        try:
            await settle(book)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await book.aclose()
            raise
        return book

    def _open(self) -> Book:
        from contacts_mcp.api.pace import Pace
        from contacts_mcp.book.book import Book
        from contacts_mcp.book.confirmations import Confirmations
        from contacts_mcp.book.vocabulary import Vocabulary
        from contacts_mcp.state.journal import Journal
        from contacts_mcp.state.ledger import SqliteLedger
        from contacts_mcp.state.locks import Locks

        settings = self._settings
        sandbox = self._sandbox() if settings.sandbox else self._lent
        home = _made(settings.directory)
        ledger = SqliteLedger(home / "pace.sqlite3", settings.account)
        pace = Pace(ledger, limit=settings.requests_per_minute)
        api = client_for(settings, pace=pace, sandbox=sandbox)
        key = (
            settings.signing_key.get_secret_value().encode()
            if settings.signing_key
            else _kept_key(home / "signing.key")
        )
        return Book(
            api=api,
            vocabulary=Vocabulary(api),
            journal=Journal(
                home / "journal.sqlite3" if settings.journal else None, settings.account, clock=self._clock
            ),
            locks=Locks(_made(home / "locks"), settings.account),
            confirmations=Confirmations(settings.account, key=key, clock=self._clock),
            service="the built-in sandbox" if settings.sandbox else settings.base_url,
            region=settings.default_region,
            confirms=settings.confirm != "off",
        )

    def _sandbox(self) -> Sandbox:
        if self._lent is not None:
            return self._lent
        import sqlite3

        from contacts_mcp.sandbox import open_sandbox

        name = self._settings.sandbox_file
        path = (
            None if name == ":memory:" else Path(name) if name else _made(self._settings.directory) / "sandbox.sqlite3"
        )
        try:
            self._own = self._own or open_sandbox(path)
        except (OSError, sqlite3.Error) as error:
            raise AccountError(
                f"The sandbox's file cannot be used ({type(error).__name__}). CONTACTS_MCP_SANDBOX_FILE should name a file that is new or was made by the sandbox."
            ) from None
        return self._own


def client_for(
    settings: Settings, *, pace: Pace, sandbox: Sandbox | None, timeout: float | None = None, **options: Any
) -> HeymarketClient:
    """The client of `sandbox`, or else of the live service. `options` are more arguments of HeymarketClient.

    Raises CredentialsMissing, and AccountError where the network variables of this machine cannot be used.
    """
    from contacts_mcp.api.auth import BearerKey, auth_for
    from contacts_mcp.api.client import HeymarketClient
    from contacts_mcp.api.connection import http_client, proxy_for

    timeout = timeout or settings.timeout
    if sandbox:
        from contacts_mcp.sandbox import Credentials

        http = http_client(SANDBOX_URL, timeout=timeout, transport=sandbox.transport())
        own = BearerKey(Credentials().api_key) if settings.sandbox else auth_for(settings)
        return HeymarketClient(http, auth=own, pace=pace, timeout=timeout, **options)
    auth, proxy = auth_for(settings), proxy_for(settings.base_url)
    http = http_client(settings.base_url, timeout=timeout, proxy=proxy)
    return HeymarketClient(http, auth=auth, pace=pace, timeout=timeout, proxy=proxy, **options)


@contextmanager
def announcing_waits(tell: Callable[[float], Awaitable[None]]) -> Iterator[None]:
    """Within this, `tell` hears of every long wait for the rate limit, in seconds, before it starts."""
    from contacts_mcp.api.pace import on_wait

    token = on_wait.set(tell)
    try:
        yield
    finally:
        on_wait.reset(token)


def _kept_key(path: Path) -> bytes:
    """The machine's own signing key, made once and readable by its owner only: a server may be restarted between a question and its answer."""
    fresh = path.with_name(f"{path.name}.{secrets.token_hex(8)}")
    with suppress(OSError):  # it is there already, or cannot be: then reading tells
        if not path.exists():
            with os.fdopen(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
                file.write(secrets.token_bytes(32))
            os.link(fresh, path)  # whole or not at all, and only by the first
    with suppress(OSError):
        fresh.unlink()
    try:
        return path.read_bytes() or secrets.token_bytes(32)
    except OSError:
        return secrets.token_bytes(32)


def _made(directory: Path) -> Path:
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise AccountError(
            f"The data directory cannot be made ({type(error).__name__}). The owner of this machine can set CONTACTS_MCP_DATA_DIR to a place that is writable."
        ) from None
    return directory
