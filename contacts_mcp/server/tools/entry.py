"""One tool as it stands in the table: its function, and the facts that stand under it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import KW_ONLY, dataclass
from typing import TYPE_CHECKING, Literal, Protocol

from pydantic import BaseModel

from contacts_mcp.server.views.fitting import Answer

if TYPE_CHECKING:
    from contacts_mcp.book import Book
    from contacts_mcp.server.jobs import Work

# What a caller must be allowed to do. `contacts:bulk` is for tools that change many contacts in one call.
Scope = Literal["contacts:read", "contacts:write", "contacts:delete", "contacts:bulk"]


class Opener(Protocol):
    """The owner of an address book."""

    async def book(self) -> Book:
        """The address book, opened when it is first needed. Raises AccountError where it cannot be."""


class App(Opener, Protocol):
    """The part of a running server that tools use. It is the first parameter of every tool."""

    def is_under_way(self, number: int) -> bool:
        """Whether the work of that number goes on in this server."""

    async def carry_on(self, number: int, work: Work) -> bool:
        """Do work that may take longer than a call (`jobs.py`). Returns whether it is over."""

    async def news_of(self, number: int, seconds: float) -> bool:
        """Wait for the end of such work, at most so long. Returns whether it is over."""


@dataclass(frozen=True, slots=True)
class ToolEntry:
    """A tool. Its name, description and parameters are those of the function."""

    function: Callable[..., Awaitable[Answer]]
    _: KW_ONLY
    answers: type[BaseModel]  # the structure of its answers
    title: str
    group: str
    scopes: tuple[Scope, ...]
    destructive: bool = False  # the four hints are all given, because the protocol's own defaults are the worst case
    idempotent: bool = True
    has_screen: bool = True  # whether the chat view draws its answers
    keeps_empty: tuple[str, ...] = ()  # the arguments whose empty value could be meant, and is refused with the way

    @property
    def name(self) -> str:
        return self.function.__name__

    @property
    def description(self) -> str:
        return " ".join((self.function.__doc__ or "").split())  # on one line, however it is wrapped in the code

    @property
    def reads_only(self) -> bool:
        return set(self.scopes) == {"contacts:read"}
