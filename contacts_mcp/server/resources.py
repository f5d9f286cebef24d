"""What a client can show or attach without a tool: the account's vocabulary, one contact, what was changed, how the server is set up."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contacts_mcp import book as books
from contacts_mcp.book.vocabulary import KEEP
from contacts_mcp.errors import ContactNotFound, ContactsError
from contacts_mcp.server import views
from contacts_mcp.words.display import visible

if TYPE_CHECKING:
    from contacts_mcp.book import Book, NameList

MOST_COMPLETIONS = 100


@dataclass(frozen=True, slots=True)
class Offered:
    """One resource, or (with a `{...}` in its uri) a template of them. `read` answers what becomes JSON."""

    uri: str
    title: str
    description: str
    read: Callable[..., Awaitable[Any]]

    @property
    def name(self) -> str:
        return self.read.__name__


async def fields(book: Book) -> Any:
    return await _named(book.vocabulary.lists["fields"])


async def tags(book: Book) -> Any:
    return await _named(book.vocabulary.lists["tags"])


async def team(book: Book) -> Any:
    return await _named(book.vocabulary.lists["members"])


async def changes(book: Book) -> Any:
    return views.changes_listed(await books.changes_of(book), next_cursor=None).structured_content


async def status(book: Book) -> Any:
    """Everything that can be seen; what cannot says why."""
    return {
        "service": book.service,
        "region": book.region,
        "risky_changes_are_confirmed": book.confirms,
        "contacts": await _counted(book.api.count_contacts),
        "custom_fields": await _counted(lambda: _size(book.vocabulary.lists["fields"])),
        "tags": await _counted(lambda: _size(book.vocabulary.lists["tags"])),
        "team_members": await _counted(lambda: _size(book.vocabulary.lists["members"])),
    }


async def contact(book: Book, id: str) -> Any:  # noqa: A002 -- what the template calls it
    if not re.fullmatch("[0-9]{1,15}", id):
        raise ContactNotFound(f'No contact has the id "{visible(id, limit=40)}"; ids are numbers.')
    found = await books.look_up(book, contact_id=int(id))
    if not found.cards:
        raise ContactNotFound(f"No contact has the id {int(id)}.")
    return views.whole(found.cards[0])


RESOURCES: tuple[Offered, ...] = (
    Offered("contacts://fields", "Custom fields", "The account's custom fields, by id and name.", fields),
    Offered("contacts://tags", "Tags", "The account's tags, by id and name.", tags),
    Offered("contacts://team", "Team", "The people contacts can be assigned to, by id and name.", team),
    Offered("contacts://contact/{id}", "Contact", "Everything about one contact.", contact),
    Offered("contacts://changes", "Changes", "What this server changed lately, newest first.", changes),
    Offered("contacts://status", "Status", "What this account holds and how this server is set up.", status),
)


async def completions(book: Book, argument: str, typed: str) -> list[str]:
    """How what was typed for a prompt's or template's argument may go on: names of fields, tags, members; ids of contacts changed lately."""
    if argument == "id":
        recent = {
            str(told.entry.contact_id): None
            for told in await books.changes_of(book, limit=MOST_COMPLETIONS)
            if told.entry.contact_id
        }
        return [number for number in recent if number.startswith(typed)]
    catalogs = {
        "field": book.vocabulary.lists["fields"],
        "tag": book.vocabulary.lists["tags"],
        "assignee": book.vocabulary.lists["members"],
    }
    if argument not in catalogs:
        return []
    names = await catalogs[argument].no_older_than(KEEP)
    return [names.label(item.id) for item in names.matching(typed)][:MOST_COMPLETIONS]


async def _named(catalog: NameList) -> list[dict[str, Any]]:
    names = await catalog.no_older_than(KEEP)
    return [{"id": item.id, "name": names.label(item.id)} for item in names.items]


async def _size(catalog: NameList) -> int:
    return len((await catalog.no_older_than(KEEP)).items)


async def _counted(count: Callable[[], Awaitable[int | None]]) -> int | str:
    try:
        found = await count()
    except ContactsError as error:
        return f"not known: {error}"
    return "not known" if found is None else found
