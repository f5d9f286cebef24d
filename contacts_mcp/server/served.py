"""The accounts behind a server: the one of a single user, or those of all who call (`many.py`)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, nullcontext
from typing import Protocol

from contacts_mcp.server.jobs import Jobs
from contacts_mcp.server.tools.entry import App, Opener, ToolEntry
from contacts_mcp.workspace import Workspace


class Served(Protocol):
    """The accounts that a server serves."""

    @property
    def is_by_caller(self) -> bool:
        """Whether the account and the tools depend on the caller."""

    def using(self) -> AbstractContextManager[App]:
        """The account of the call at hand, which stays open within this."""

    def offers(self, tool: ToolEntry) -> bool:
        """Whether the caller may use this tool."""

    def end_soon(self) -> None:
        """Let work behind the calls stop between two chunks."""

    def living(self) -> AbstractAsyncContextManager[None]:
        """The life of the server. All that was opened is closed at its end."""


class OneAccount:
    """The account of a single user, who may do everything."""

    is_by_caller = False

    def __init__(self, own: Workspace, lent: Opener | None = None) -> None:
        """`own` is closed with the server. `lent` is used in its place, and its owner closes it."""
        self._own = own
        self._jobs = Jobs(lent or own)
        self._using = nullcontext[App](self._jobs)

    def using(self) -> AbstractContextManager[App]:
        return self._using

    def offers(self, _: ToolEntry) -> bool:
        return True

    def end_soon(self) -> None:
        self._jobs.end_soon()

    @asynccontextmanager
    async def living(self) -> AsyncIterator[None]:
        async with self._own, self._jobs.served():  # `own` is never opened where there is a lent one
            yield
