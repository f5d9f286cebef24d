"""The address book in human terms: every rule about contacts, without MCP and without HTTP.

`Book` is the open state of one account. The tools and the command line are two faces of it, and take functions from
here by name. The package is imported on first use, because a server must list its tools before it needs any of it.

Terms that are ours:

- look: one read of a contact, made to find out what became of a write.
- sight: the result of a look.
- plan: one write as a value: the state it starts from and the state that is wanted.
- proof: the judgement about a plan by a sight: `done`, `not_done` or `unknown`.
- settle: to find the proof for a change whose outcome is not known.
- walk: reading the list page by page. A moment is one `updated` timestamp in it.
- gap: contacts that the walk may have missed.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contacts_mcp.book.book import Book, Outcome
    from contacts_mcp.book.cards import Card, Change
    from contacts_mcp.book.history.changes import ShownChange, changes_of
    from contacts_mcp.book.history.undo import undo
    from contacts_mcp.book.listing.filters import Filters
    from contacts_mcp.book.listing.listing import Listing, list_contacts
    from contacts_mcp.book.people.create import create as create_contact
    from contacts_mcp.book.people.delete import delete as delete_contact
    from contacts_mcp.book.people.lookup import Found, identified
    from contacts_mcp.book.people.lookup import lookup as look_up
    from contacts_mcp.book.people.requests import Wanted
    from contacts_mcp.book.people.update import update as update_contact
    from contacts_mcp.book.search.describing import Description, FieldUse, describe, described_so_far
    from contacts_mcp.book.search.doubles import DoublesShown, find_doubles
    from contacts_mcp.book.search.finding import Finding, Matched, find
    from contacts_mcp.book.search.known import Known
    from contacts_mcp.book.search.merge import Loss, Merged, Source, merge
    from contacts_mcp.book.search.naming import called
    from contacts_mcp.book.search.picture import Picture, picture
    from contacts_mcp.book.transfer.export import Exported, export
    from contacts_mcp.book.transfer.formats import Format
    from contacts_mcp.book.vocabulary import NameList
    from contacts_mcp.book.writing.settle import settle
    from contacts_mcp.state.journal import Entry

__all__ = [
    "Book",
    "Card",
    "Change",
    "Description",
    "DoublesShown",
    "Entry",
    "Exported",
    "FieldUse",
    "Filters",
    "Finding",
    "Format",
    "Found",
    "Known",
    "Listing",
    "Loss",
    "Matched",
    "Merged",
    "NameList",
    "Outcome",
    "Picture",
    "ShownChange",
    "Source",
    "Wanted",
    "called",
    "changes_of",
    "create_contact",
    "delete_contact",
    "describe",
    "described_so_far",
    "export",
    "find",
    "find_doubles",
    "identified",
    "list_contacts",
    "look_up",
    "merge",
    "picture",
    "settle",
    "undo",
    "update_contact",
]

_HOME = {
    "Book": "book.Book",
    "Card": "cards.Card",
    "NameList": "vocabulary.NameList",
    "Change": "cards.Change",
    "Entry": "contacts_mcp.state.journal.Entry",
    "Filters": "listing.filters.Filters",
    "Found": "people.lookup.Found",
    "Listing": "listing.listing.Listing",
    "Outcome": "book.Outcome",
    "ShownChange": "history.changes.ShownChange",
    "Wanted": "people.requests.Wanted",
    "changes_of": "history.changes.changes_of",
    "create_contact": "people.create.create",
    "delete_contact": "people.delete.delete",
    "list_contacts": "listing.listing.list_contacts",
    "look_up": "people.lookup.lookup",
    "settle": "writing.settle.settle",
    "undo": "history.undo.undo",
    "update_contact": "people.update.update",
    "Description": "search.describing.Description",
    "FieldUse": "search.describing.FieldUse",
    "describe": "search.describing.describe",
    "described_so_far": "search.describing.described_so_far",
    "Finding": "search.finding.Finding",
    "Matched": "search.finding.Matched",
    "find": "search.finding.find",
    "Known": "search.known.Known",
    "called": "search.naming.called",
    "identified": "people.lookup.identified",
    "DoublesShown": "search.doubles.DoublesShown",
    "find_doubles": "search.doubles.find_doubles",
    "Loss": "search.merge.Loss",
    "Merged": "search.merge.Merged",
    "Source": "search.merge.Source",
    "merge": "search.merge.merge",
    "Exported": "transfer.export.Exported",
    "Format": "transfer.formats.Format",
    "Picture": "search.picture.Picture",
    "export": "transfer.export.export",
    "picture": "search.picture.picture",
}


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, attribute = _HOME[name].rsplit(".", 1)
    found = globals()[name] = getattr(
        import_module(module if module.startswith("contacts_mcp.") else f"{__name__}.{module}"), attribute
    )
    return found
