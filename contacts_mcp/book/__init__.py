"""The address book in human terms: every rule about contacts, without MCP and without HTTP.

`Book` is the state of one account; each module beside it is one thing to do with it. The tools and the command line are two faces of it,
and take what they need from here by name. It is imported when it is first used, because a server must list its tools before it needs any of it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contacts_mcp.book.book import Book, Outcome
    from contacts_mcp.book.cards import Card, Change
    from contacts_mcp.book.create import create as create_contact
    from contacts_mcp.book.delete import delete as delete_contact
    from contacts_mcp.book.directory import Catalog
    from contacts_mcp.book.edits import Wanted
    from contacts_mcp.book.history import Told, changes_of, settle, undo
    from contacts_mcp.book.journal import Entry
    from contacts_mcp.book.listing import Filters, Listing, list_contacts
    from contacts_mcp.book.lookup import Found
    from contacts_mcp.book.lookup import lookup as look_up
    from contacts_mcp.book.update import update as update_contact

__all__ = [
    "Book",
    "Card",
    "Catalog",
    "Change",
    "Entry",
    "Filters",
    "Found",
    "Listing",
    "Outcome",
    "Told",
    "Wanted",
    "changes_of",
    "create_contact",
    "delete_contact",
    "list_contacts",
    "look_up",
    "settle",
    "undo",
    "update_contact",
]

_HOME = {
    "Book": "book.Book",
    "Card": "cards.Card",
    "Catalog": "directory.Catalog",
    "Change": "cards.Change",
    "Entry": "journal.Entry",
    "Filters": "listing.Filters",
    "Found": "lookup.Found",
    "Listing": "listing.Listing",
    "Outcome": "book.Outcome",
    "Told": "history.Told",
    "Wanted": "edits.Wanted",
    "changes_of": "history.changes_of",
    "create_contact": "create.create",
    "delete_contact": "delete.delete",
    "list_contacts": "listing.list_contacts",
    "look_up": "lookup.lookup",
    "settle": "history.settle",
    "undo": "history.undo",
    "update_contact": "update.update",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOME[name].split(".")
    found = globals()[name] = getattr(import_module(f"{__name__}.{module}"), attribute)
    return found
