"""Several accounts in one server, each with a workspace and jobs of its own.

- The account of a call is that of its person. Nothing else in a request chooses an account.
- A workspace is made at the first call, and closed after `IDLE` without one. At most `MOST_OPEN` are open.
- A workspace in use is never closed, and one that fills its index only to make room. Where all are in use, a call waits
  for a place as long as it may last.
- Nothing is shared among accounts but the process: no cache, journal, lock, limit, job or number.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import anyio
from anyio.abc import TaskGroup

from contacts_mcp.config import Settings
from contacts_mcp.errors import AccountError
from contacts_mcp.server.identity import Person, person_calling
from contacts_mcp.server.jobs import Jobs
from contacts_mcp.server.tools.entry import App, ToolEntry
from contacts_mcp.state.acting import acting_for
from contacts_mcp.workspace import Workspace

if TYPE_CHECKING:
    from contacts_mcp.book import Book

IDLE = 900.0  # seconds without a call, after which a workspace is closed
MOST_OPEN = 200
LOOKS_EVERY = 30.0  # seconds between two looks for idle workspaces
LAST_CHUNK = 3.0  # seconds that work behind the calls has to stop at the end
_AGAIN = 0.5  # seconds between two looks for a place


class ManyAccounts:
    """The accounts of all who call."""

    is_by_caller = True

    def __init__(
        self,
        settings: Mapping[str, Settings],
        make: Callable[[Settings], Workspace] = Workspace,
        *,
        idle: float = IDLE,
        most_open: int = MOST_OPEN,
    ) -> None:
        """`settings` are those of each account, by its name."""
        self._settings = settings
        self._make = make
        self._idle = idle
        self._most_open = most_open
        self._accounts: dict[str, _Account] = {}
        self._group: TaskGroup | None = None
        self._is_ending = False

    @contextmanager
    def using(self) -> Iterator[App]:
        person = _known(person_calling())
        account = self._account(person.account)
        account.users += 1
        subject, fingerprint = f"{person.issuer} {person.subject}", self._settings[person.account].account
        try:
            with acting_for(person.name, person=subject, fingerprint=fingerprint, may=person.scopes):
                yield account.jobs
        finally:
            account.users -= 1
            account.used_at = anyio.current_time()

    def offers(self, tool: ToolEntry) -> bool:
        person = person_calling()
        if person is None or not person.account:
            return False
        is_allowed = tool.reads_only or not self._settings[person.account].read_only
        return is_allowed and person.scopes.issuperset(tool.scopes)

    def end_soon(self) -> None:
        self._is_ending = True
        for account in self._accounts.values():
            account.jobs.end_soon()

    @asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        try:
            async with anyio.create_task_group() as group:
                self._group = group
                group.start_soon(self._close_idle_ones)
                try:
                    yield
                finally:
                    await self._end_work()
                    group.cancel_scope.cancel()
        finally:
            with anyio.CancelScope(shield=True):
                for account in self._accounts.values():
                    await account.workspace.aclose()

    @property
    def open(self) -> list[str]:
        """The names of the accounts that are open."""
        return [name for name, account in self._accounts.items() if account.is_open]

    async def close_idle(self) -> None:
        """Close every workspace that had no call for so long."""
        for account in [*self._accounts.values()]:
            is_idle = anyio.current_time() - account.used_at >= self._idle
            if account.is_open and is_idle and not account.workspace.is_at_work:
                await account.close_unless_used()

    def _account(self, name: str) -> _Account:
        if name not in self._accounts:
            self._accounts[name] = _Account(self._make(self._settings[name]), self._make_room, self._group)
            if self._is_ending:
                self._accounts[name].jobs.end_soon()
        return self._accounts[name]

    async def _make_room(self) -> None:
        """Wait until another workspace may be opened. The one that was used least lately is closed for it.

        Its index may be half filled. It goes on from there another time.
        """
        while len(self.open) >= self._most_open:
            unused = [account for account in self._accounts.values() if account.is_open and not account.is_used]
            if unused:
                await min(unused, key=lambda account: account.used_at).close_unless_used()
            else:
                await anyio.sleep(_AGAIN)

    async def _close_idle_ones(self) -> None:
        while True:
            await anyio.sleep(LOOKS_EVERY)
            await self.close_idle()

    async def _end_work(self) -> None:
        self.end_soon()
        with anyio.move_on_after(LAST_CHUNK, shield=True):
            for account in [*self._accounts.values()]:
                await account.jobs.over()


class _Account:
    """One account: its workspace, its jobs, and who uses it now."""

    def __init__(self, workspace: Workspace, make_room: Callable[[], Awaitable[None]], group: TaskGroup | None) -> None:
        self.workspace = workspace
        self.jobs = Jobs(self, group=group)
        self.users = 0  # calls at work
        self.used_at = 0.0
        self.is_open = False
        self._make_room = make_room
        self._turn = anyio.Lock()  # to open and to close

    @property
    def is_used(self) -> bool:
        return self.users > 0 or self.jobs.has_work

    async def book(self) -> Book:
        """The address book, opened where there is room. Raises AccountError."""
        if not self.is_open:
            async with self._turn:
                if not self.is_open:
                    await self._make_room()
                    self.is_open = True
        return await self.workspace.book()

    async def close_unless_used(self) -> None:
        async with self._turn:
            if self.is_open and not self.is_used:
                self.is_open = False  # first, so that a new call waits for its turn
                with anyio.CancelScope(shield=True):
                    await self.workspace.aclose()


def _known(person: Person | None) -> Person:
    """The person of a call. Raises AccountError where nobody is known, which the way in does not let happen."""
    if person is None or not person.account:
        raise AccountError("This call comes from nobody who has an account here.")
    return person
