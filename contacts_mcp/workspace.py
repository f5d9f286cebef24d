"""Settings -> an open address book: the one place where the parts are put together.

Everything here is imported and made on first use, because a server must answer `tools/list` before it needs any of it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import aclosing, closing, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, Self

import anyio

from contacts_mcp.config import SANDBOX_URL, Settings
from contacts_mcp.errors import AccountError, ContactsError
from contacts_mcp.state.account import Account

if TYPE_CHECKING:
    from contacts_mcp.api.client import HeymarketClient
    from contacts_mcp.api.pace import Pace
    from contacts_mcp.book.book import Book
    from contacts_mcp.book.search.mirror import FillingRight, Run
    from contacts_mcp.sandbox import Sandbox
    from contacts_mcp.shared import Shared
    from contacts_mcp.state.ledger import Ledger
    from contacts_mcp.state.profile import Profile
    from contacts_mcp.state.protocols import Imports, Journal, Locks
    from contacts_mcp.state.word_index import WordIndex

SEARCHES_AT_ONCE = 4  # of one account, in threads that all accounts share
INTRODUCTION = 5.0  # seconds of the first call with a new credential


def signing_keys(settings: Settings) -> list[bytes]:
    """The keys of confirmations and sealed questions: the first signs, all are accepted.

    The first is the one in the settings, or the one this machine keeps.
    """
    from contacts_mcp.state.signing_key import kept_key

    own = settings.signing_key
    first = own.get_secret_value().encode() if own else kept_key(settings.directory / "signing.key")
    return [*dict.fromkeys((first, *settings.accepted_signing_keys))]


class Workspace:
    """An address book that is opened when it is first needed, and closed with the server."""

    def __init__(
        self,
        settings: Settings,
        *,
        sandbox: Sandbox | None = None,
        clock: Callable[[], float] = time.time,
        for_one_call: bool = False,
        index_runs: Run | None = None,
        shared: Shared | None = None,
    ) -> None:
        """`sandbox` is an open one to work on, which its owner closes. `clock` tells the time of day.

        `for_one_call` says that the workspace ends with its first call, and with it a journal in memory.
        `index_runs` does the work of the local index, which is done in threads otherwise.
        `shared` is the state that replicas share, which its owner closes. Without it the settings say whether one is
        opened.
        """
        self._shared = shared
        self._own_shared: Shared | None = None
        self._settings = settings
        self._index_runs = index_runs
        self._remembers = settings.journal or not for_one_call
        self._clock = clock
        self._lent = sandbox
        self._own: Sandbox | None = None
        self._book: Book | None = None
        self._opening = anyio.Lock()

    async def book(self) -> Book:
        """The address book. Raises AccountError at every call until there are credentials."""
        if self._book is None:
            async with self._opening:
                if self._book is None:
                    self._book = await self._opened()
        return self._book

    @property
    def is_at_work(self) -> bool:
        """Whether it reads contacts, though no call waits for them."""
        return self._book is not None and self._book.mirror.is_filling

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all that was opened, also in a call that was cancelled."""
        with anyio.CancelScope(shield=True):
            await self.aclose()

    async def aclose(self) -> None:
        """Close all that was opened. A later call opens it again."""
        book, self._book = self._book, None
        sandbox, self._own = self._own, None
        shared, self._own_shared = self._own_shared, None
        if book is not None:
            await book.aclose()
        if shared is not None:
            await shared.aclose()
        if sandbox is not None:
            sandbox.close()

    async def _opened(self) -> Book:
        """The book, with nothing made in the data directory yet. Reading works where nothing can be written."""
        account = account_of(self._settings)
        book = self._open(account)
        try:
            # Replicas and renewed credentials meet under the team, and the files of this machine may know nobody.
            if account.may_have_other_names or (self._settings.database_url and account.is_unknown):
                await _introduce(book)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await book.aclose()
            raise
        return book

    def _open(self, account: Account) -> Book:
        from contacts_mcp.api.pace import Pace
        from contacts_mcp.book.book import Book
        from contacts_mcp.book.confirmations import Confirmations
        from contacts_mcp.book.search.mirror import Mirror, in_turns
        from contacts_mcp.book.vocabulary import Vocabulary

        settings, home = self._settings, self._settings.directory
        sandbox = self._sandbox() if settings.sandbox else self._lent
        state = self._state_of(account)
        pace = Pace(state.ledger, limit=settings.requests_per_minute)
        api = client_for(settings, pace=pace, sandbox=sandbox, learn=account.learn)
        profile = self._profile(account, api)
        mirror = Mirror(
            api,
            state.journal,
            path=None if self._lent and settings.sandbox else index_path(settings),
            is_off=settings.index == "off",
            clock=self._clock,
            run=self._index_runs or in_turns(SEARCHES_AT_ONCE),
            profile=profile,
            open_index=state.open_index,
            filling_right=state.filling_right,
        )
        return Book(
            api=api,
            vocabulary=Vocabulary(api, zone=settings.zone),
            journal=state.journal,
            mirror=mirror,
            locks=state.locks,
            confirmations=Confirmations(settings.account, keys=signing_keys(settings), clock=self._clock),
            imports=state.imports,
            profile=profile,
            folders=tuple(settings.folders),
            home=home,
            requests_per_minute=settings.requests_per_minute,
            service="the built-in sandbox" if settings.sandbox else settings.base_url,
            region=settings.default_region,
            remembers=self._remembers,
            confirms=settings.confirm != "off",
        )

    def _state_of(self, account: Account) -> _State:
        """The state of the account, shared with other replicas or in files of this machine."""
        shared = self._shared_state()
        if shared is None:
            return self._state_in_files(account)
        lasting, ledger = shared.lasting(account), shared.ledger(account)
        if lasting is None:
            in_files = self._state_in_files(account)
            return replace(in_files, ledger=ledger or in_files.ledger)
        journal, locks, imports = lasting
        is_shared = self._settings.index == "disk"
        return _State(
            ledger=ledger or self._ledger_in_file(account),
            journal=journal,
            locks=locks,
            imports=imports,
            open_index=shared.index(account) if is_shared else None,
            filling_right=shared.filling_right(account) if is_shared else None,
        )

    def _shared_state(self) -> Shared | None:
        if self._shared is None and self._own_shared is None and self._settings.shares_state:
            from contacts_mcp.shared import Shared

            self._own_shared = Shared(self._settings)
        return self._shared or self._own_shared

    def _state_in_files(self, account: Account) -> _State:
        from contacts_mcp.state.imports import Imports
        from contacts_mcp.state.journal import Journal
        from contacts_mcp.state.locks import Locks

        settings, home = self._settings, self._settings.directory
        # Where nothing is journalled, used confirmations are still shared among processes.
        places = (home / "journal.sqlite3", None) if settings.journal else (None, home / "tokens.sqlite3")
        return _State(
            ledger=self._ledger_in_file(account),
            journal=Journal(places[0], account, tokens=places[1], clock=self._clock),
            locks=Locks(home / "locks", account),
            imports=Imports(home / "imports.sqlite3" if settings.journal else None, account, clock=self._clock),
        )

    def _ledger_in_file(self, account: Account) -> Ledger:
        from contacts_mcp.state.ledger import SqliteLedger

        return SqliteLedger(self._settings.directory / "pace.sqlite3", account)

    def _profile(self, account: Account, api: HeymarketClient) -> Profile:
        """The profile of the account, which hears every answer."""
        from contacts_mcp.api.facts import InPassing
        from contacts_mcp.state.profile import Profile

        profile = Profile(self._settings.directory / "profile.json", account, clock=self._clock)
        if profile.lines:  # else there is nothing to compare an answer with
            api.listeners.append(InPassing(profile).hear)
        return profile

    def _sandbox(self) -> Sandbox:
        if self._lent is None and self._own is None:
            self._own = _opened_sandbox(self._settings)
        sandbox = self._lent or self._own
        assert sandbox
        return sandbox


@dataclass(frozen=True, slots=True, kw_only=True)
class _State:
    """The state of one account, in files or shared."""

    ledger: Ledger
    journal: Journal
    locks: Locks
    imports: Imports
    open_index: Callable[[], WordIndex] | None = None  # of an index that is shared
    filling_right: FillingRight | None = None


def account_of(settings: Settings) -> Account:
    """The account in use, with its other names. The sandbox has only one."""
    directory = None if settings.sandbox else settings.directory / "accounts"
    return Account(settings.account, address=settings.base_url, directory=directory)


def index_path(settings: Settings) -> Path | None:
    """The file of the account's local index, None where it is kept in memory. It is not created here."""
    name = settings.account
    if settings.sandbox and settings.sandbox_file:
        if settings.sandbox_file == ":memory:":
            return None
        name = hashlib.sha256(f"{name}\n{Path(settings.sandbox_file).absolute()}".encode()).hexdigest()[:16]
    return settings.directory / f"index-{name}.sqlite3" if settings.index == "disk" else None


def _opened_sandbox(settings: Settings) -> Sandbox:
    """The sandbox that `settings` name. Raises AccountError."""
    import sqlite3

    from contacts_mcp.sandbox import open_sandbox

    name = settings.sandbox_file
    path = None if name == ":memory:" else Path(name) if name else settings.directory / "sandbox.sqlite3"
    if path is not None and path.parent == settings.directory:  # those of accounts of a file stand there, too
        _made(settings.directory)
    try:
        return open_sandbox(path)
    except (OSError, sqlite3.Error) as error:
        raise AccountError(
            f"The sandbox's file cannot be used ({type(error).__name__}). "
            "CONTACTS_MCP_SANDBOX_FILE should name a file that is new or was made by the sandbox."
        ) from None


def keeps_files(directory: Path) -> bool:
    """Whether files can be written in the data directory, which is made where it is missing."""
    try:
        with TemporaryFile(dir=_made(directory)) as file:
            file.write(b"1")
    except (AccountError, OSError):  # at its end, too: a disk may be full
        return False
    return True


async def reset_sandbox(settings: Settings) -> str:
    """Put the sandbox back as it was at first, and forget its changes. Returns its name. Raises AccountError."""
    from contacts_mcp.state.imports import Imports
    from contacts_mcp.state.index import Index
    from contacts_mcp.state.journal import Journal

    with closing(_opened_sandbox(settings)) as sandbox:
        sandbox.reset()
    journal = settings.directory / "journal.sqlite3"
    if journal.exists():
        async with aclosing(Journal(journal, settings.account)) as opened:
            await opened.forget_own()
    if (plans := settings.directory / "imports.sqlite3").exists():
        async with aclosing(Imports(plans, settings.account)) as kept:
            await kept.forget_own()
    index = index_path(settings)
    if index and index.exists():
        with closing(Index(index)) as mirrored:
            mirrored.forget()
    return settings.sandbox_file or "sandbox.sqlite3 in the data directory"


async def forget_changes(settings: Settings) -> int:
    """Forget the finished changes of all accounts, and their plans of imports, where these settings keep them.

    Returns how many changes there were. Raises AccountError.
    """
    from contacts_mcp.state.imports import Imports
    from contacts_mcp.state.journal import Journal

    if settings.database_url:
        from contacts_mcp.shared import Shared

        async with Shared(settings) as shared:
            return await shared.forget_changes()
    home = settings.directory
    if (plans := home / "imports.sqlite3").exists():
        async with aclosing(Imports(plans, "")) as kept:
            await kept.forget()
    if not (journal := home / "journal.sqlite3").exists():
        return 0
    async with aclosing(Journal(journal, "")) as opened:
        return await opened.forget()


@contextmanager
def noting_writes() -> Iterator[Callable[[], bool]]:
    """Within this, the function tells whether a change was sent already, answered or not."""
    from contacts_mcp.api.client import on_write

    sent: list[None] = []
    token = on_write.set(lambda: sent.append(None))
    try:
        yield lambda: bool(sent)
    finally:
        on_write.reset(token)


async def _introduce(book: Book) -> None:
    """Ask once which team a new credential belongs to. Its account may be known here under an older credential."""
    with suppress(ContactsError), anyio.move_on_after(INTRODUCTION):
        await book.api.get_team()


def client_for(
    settings: Settings, *, pace: Pace, sandbox: Sandbox | None, timeout: float | None = None, **options: Any
) -> HeymarketClient:
    """The client of `sandbox`, or else of the live service. `options` are more arguments of HeymarketClient.

    Raises CredentialsMissing, and AccountError where the network variables of this machine cannot be used.
    """
    from contacts_mcp.api.auth import BearerKey, auth_for
    from contacts_mcp.api.client import HeymarketClient
    from contacts_mcp.api.connection import proxy_for, transport_to

    timeout = timeout or settings.timeout
    if sandbox:
        from contacts_mcp.sandbox import Credentials

        own = BearerKey(Credentials().api_key) if settings.sandbox else auth_for(settings)
        return HeymarketClient(SANDBOX_URL, sandbox.transport(), auth=own, pace=pace, timeout=timeout, **options)
    auth, proxy = auth_for(settings), proxy_for(settings.base_url)
    transport = transport_to(settings.base_url, proxy)
    return HeymarketClient(settings.base_url, transport, auth=auth, pace=pace, timeout=timeout, proxy=proxy, **options)


@contextmanager
def announcing(
    waits: Callable[[float], Awaitable[None]], progress: Callable[[str, int, int | None], Awaitable[None]]
) -> Iterator[None]:
    """Within this, `waits` hears of every long wait for the rate limit, in seconds, before it starts.

    `progress` hears how far longer work is that a call waits for, as `pace.on_progress` does.
    """
    from contacts_mcp.api.pace import on_progress, on_wait

    tokens = on_wait.set(waits), on_progress.set(progress)
    try:
        yield
    finally:
        on_wait.reset(tokens[0])
        on_progress.reset(tokens[1])


def _made(directory: Path) -> Path:
    try:
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise AccountError(
            f"The data directory cannot be made ({type(error).__name__}). "
            "The owner of this machine can set CONTACTS_MCP_DATA_DIR to a place that is writable."
        ) from None
    return directory
