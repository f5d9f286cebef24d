"""The resources: data that a client can show or attach without a tool."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contacts_mcp import book as books
from contacts_mcp.errors import ContactNotFound, ContactsError
from contacts_mcp.server.views.changes import changes_listed
from contacts_mcp.server.views.contacts import use_facts, whole
from contacts_mcp.words.display import quoted
from contacts_mcp.words.zones import name_of

if TYPE_CHECKING:
    from contacts_mcp.book import Book, Description
    from contacts_mcp.book.vocabulary import ListName
    from contacts_mcp.words.names import Names

MOST_COMPLETIONS = 100
MOST_LISTED = 1_000  # items of one list
MOST_CHANGES = 25


@dataclass(frozen=True, slots=True)
class ResourceEntry:
    """One resource, or a template of them."""

    uri: str  # with a `{...}` where it is a template
    title: str
    description: str
    read: Callable[..., Awaitable[Any]]  # answers what becomes JSON

    @property
    def name(self) -> str:
        return self.read.__name__

    @property
    def is_template(self) -> bool:
        return "{" in self.uri


async def fields(book: Book) -> Any:
    account = await _described(book)
    used = {one.field_id: one for one in account.fields} if account else {}
    return [row | use_facts(used.get(row.get("id", 0))) for row in await _named(book, "fields")]


async def tags(book: Book) -> Any:
    account = await _described(book)
    return _with_counts(await _named(book, "tags"), account.tags if account else ())


async def team(book: Book) -> Any:
    account = await _described(book)
    return _with_counts(await _named(book, "members"), account.members if account else ())


async def changes(book: Book) -> Any:
    told = await books.changes_of(book, limit=MOST_CHANGES + 1)
    return changes_listed(told[:MOST_CHANGES], is_more=len(told) > MOST_CHANGES).facts


async def status(book: Book) -> Any:
    """The account and the settings. A count that cannot be had says why."""
    return {
        "service": book.service,
        "region": book.region,
        "time_zone": name_of(book.zone),
        "risky_changes_are_confirmed": book.confirms,
        "local_index": await _index(book),
        "contacts": await _counted(book.api.count_contacts),
        "custom_fields": await _counted(lambda: _size(book, "fields")),
        "tags": await _counted(lambda: _size(book, "tags")),
        "team_members": await _counted(lambda: _size(book, "members")),
    }


async def contact(book: Book, id: str) -> Any:  # noqa: A002 -- what the template calls it
    if not re.fullmatch("[0-9]{1,15}", id):
        raise ContactNotFound(f"No contact has the id {quoted(id, limit=40)}; ids are numbers.")
    found = await books.look_up(book, contact_id=int(id))
    if not found.cards:
        raise ContactNotFound(f"No contact has the id {int(id)}.")
    return whole(found.cards[0])


RESOURCES: tuple[ResourceEntry, ...] = (
    ResourceEntry(
        "contacts://fields",
        "Custom fields",
        "The account's custom fields, by id and name, with kind and count where known.",
        fields,
    ),
    ResourceEntry("contacts://tags", "Tags", "The account's tags, by id and name.", tags),
    ResourceEntry(
        "contacts://team", "Team", "The team members that contacts can be assigned to, by id and name.", team
    ),
    ResourceEntry("contacts://contact/{id}", "Contact", "Everything about one contact.", contact),
    ResourceEntry("contacts://changes", "Changes", "The latest changes this server made, newest first.", changes),
    ResourceEntry("contacts://status", "Status", "How much this account holds, and how this server is set up.", status),
)


async def completions(book: Book, argument: str, typed: str) -> list[str]:
    """How a text typed for a prompt's or a template's argument may go on.

    Fields, tags and members are completed by name, contacts by the ids of those changed lately.
    """
    if argument == "id":
        recent = {
            str(told.entry.contact_id): None
            for told in await books.changes_of(book, limit=MOST_COMPLETIONS)
            if told.entry.contact_id
        }
        return [number for number in recent if number.startswith(typed)]
    if argument not in _COMPLETED:
        return []
    names = await _names(book, _COMPLETED[argument])
    return [names.label(item.id) for item in names.matching(typed)[:MOST_COMPLETIONS]]


_COMPLETED: dict[str, ListName] = {"field": "fields", "tag": "tags", "assignee": "members"}


async def _names(book: Book, which: ListName) -> Names:
    names: Names = getattr(await book.vocabulary.read(which), which)
    return names


async def _named(book: Book, which: ListName) -> list[dict[str, Any]]:
    """The first items of a list by id and name. A last row says how many others there are."""
    names = await _names(book, which)
    more = len(names.items) - MOST_LISTED
    listed: list[dict[str, Any]] = [{"id": item.id, "name": names.label(item.id)} for item in names.items[:MOST_LISTED]]
    return [*listed, *([{"not_shown": more}] if more > 0 else [])]


async def _described(book: Book) -> Description | None:
    """The local index tells about the account, if it is in use already."""
    return await books.described_so_far(book) if book.mirror.is_in_use else None


def _with_counts(rows: list[dict[str, Any]], counts: Sequence[tuple[str, int | None]]) -> list[dict[str, Any]]:
    """Each row with the number of its contacts, where that is known."""
    known = {name: count for name, count in counts if count is not None}
    return [row | ({"contacts": known[row["name"]]} if row.get("name") in known else {}) for row in rows]


async def _index(book: Book) -> dict[str, Any] | str:
    account = await _described(book)
    if account is None:
        return "not in use"
    known = account.known
    return {"contacts": known.searched, "complete": known.complete, "as_of": known.as_of}


async def _size(book: Book, which: ListName) -> int:
    return len((await _names(book, which)).items)


async def _counted(count: Callable[[], Awaitable[int | None]]) -> int | str:
    try:
        found = await count()
    except ContactsError as error:
        return f"not known: {error}"
    return "not known" if found is None else found
