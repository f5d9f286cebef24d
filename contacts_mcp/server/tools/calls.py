"""How a tool reaches the address book of the server it runs in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from mcp.server.mcpserver import Context

if TYPE_CHECKING:
    from contacts_mcp.book import Book


class App(Protocol):
    """What the server keeps while it runs."""

    async def book(self) -> Book:
        """The address book, opened when it is first needed. Raises AccountError where it cannot be."""


Call: TypeAlias = Context[Any, Any]


async def book_of(ctx: Call) -> Book:
    """The address book of the server that received this call."""
    app: App = ctx.request_context.lifespan_context
    return await app.book()
