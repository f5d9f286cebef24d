"""A book without a service, for rules that ask the journal only."""

from __future__ import annotations

from typing import Any

from contacts_mcp.book.book import Book
from contacts_mcp.book.confirmations import Confirmations
from contacts_mcp.state.journal import Journal

from .clock import Clock


def bare_book(journal: Journal, clock: Clock, **settings: Any) -> Book:
    """A book that has `journal` and confirmations, and nothing that could send a request."""
    confirmations = Confirmations("account", keys=[b"shared"], clock=clock)
    nothing: Any = None
    return Book(
        api=nothing,
        vocabulary=nothing,
        locks=nothing,
        mirror=nothing,
        journal=journal,
        confirmations=confirmations,
        **settings,
    )
