"""The names an account gives to its custom fields, tags and team members.

- `Vocabulary` keeps the three lists. Each is fetched when it is first needed and kept for ten minutes.
- A call takes one `Snapshot` of the lists that its request or its contacts mention. Resolving and labelling are then
  plain functions.
- A name that is in no list may be new. The lists that missed it are fetched again, at most once in 30 seconds.
- A snapshot also holds the time zone that the days of an answer are in.
- An answer can do without a name. A list that cannot be had is not asked for again for 30 seconds, and its items show
  as "field 37".
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Literal, NamedTuple, TypeVar

import anyio

from contacts_mcp.api.client import PAGE, HeymarketClient
from contacts_mcp.book.values import field_id
from contacts_mcp.errors import ContactsError, UnknownName
from contacts_mcp.models import Member, Tag, Value
from contacts_mcp.state import watching
from contacts_mcp.words.names import Named, Names

KEEP = 600.0  # seconds
REFETCH_AFTER = 30.0
LABEL_PATIENCE = 5.0  # seconds for a name that an answer can do without
MOST_TAG_PAGES = 40  # requests for one list of tags; the account's limit is 500 a minute
NOBODY = frozenset({"none", "nobody", "no one", "unassigned", "unassign"})
EVERYTHING = frozenset({"all", "any", "every", "everything", "everybody", "anybody", "anyone", "*"})

ListName = Literal["fields", "tags", "members"]
LISTS: tuple[ListName, ...] = ("fields", "tags", "members")

# The list that an argument's names stand in.
_LIST_OF: Mapping[str, ListName] = {
    "custom_fields": "fields",
    "by": "fields",
    "clear": "fields",
    "tag": "tags",
    "tags": "tags",
    "add_tags": "tags",
    "remove_tags": "tags",
    "assignee": "members",
}

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The lists as one call sees them. A list that was not taken is empty or older."""

    fields: Names
    tags: Names
    members: Names
    zone: tzinfo | None = UTC  # None is the zone of this machine


class Found(NamedTuple):
    """A list as it was fetched."""

    items: list[Named]
    unread: int  # how many rows, or names of rows, could not be read


class NameList:
    """One list of named things, cached. `fetch` gets all of it."""

    def __init__(
        self,
        kind: str,
        fetch: Callable[[], Awaitable[Found]],
        *,
        hint: str,
        hint_for: Collection[str] = (),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.names = Names(kind, (), hint=hint, hint_for=hint_for)
        self._fetch = fetch
        self._clock = clock
        self._fetched = float("-inf")
        self._failed = float("-inf")
        self._fetching = anyio.Lock()

    async def no_older_than(self, seconds: float) -> Names:
        """The list, fetched again where it is older. Raises ContactsError where it cannot be fetched."""
        is_hit = self._clock() - self._fetched <= seconds
        if watcher := watching.watcher:
            watcher.named(self.names.kind, is_hit=is_hit)
        if is_hit:
            return self.names
        async with self._fetching:
            if self._clock() - self._fetched > seconds:
                found = await self._fetch()
                was = self.names
                self.names = Names(was.kind, found.items, hint=was.hint, hint_for=was.hint_for, unread=found.unread)
                self._fetched = self._clock()
            return self.names

    async def naming(self, ids: set[int]) -> Names:
        """The list with a name for each of `ids`, as far as that can be had soon. Never fails."""
        unnamed = ids - self.names.ids if self._clock() - self._fetched <= KEEP else ids
        if not unnamed:
            if watcher := watching.watcher:
                watcher.named(self.names.kind, is_hit=True)
        elif self._clock() - self._failed >= REFETCH_AFTER:
            try:
                with anyio.fail_after(LABEL_PATIENCE):
                    names = await self.no_older_than(KEEP)
                    if not names.ids >= ids:
                        await self.no_older_than(REFETCH_AFTER)
            except (ContactsError, TimeoutError):
                self._failed = self._clock()
        return self.names


class Vocabulary:
    """The three lists of one account."""

    def __init__(
        self,
        api: HeymarketClient,
        *,
        zone: tzinfo | None = UTC,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`zone` is the time zone of days, None for that of this machine."""
        self._api = api
        self.zone = zone
        self.lists: Mapping[ListName, NameList] = {
            "fields": NameList(
                "custom field", self._fields, hint="Call list_contact_fields to see them all.", clock=clock
            ),
            "tags": NameList(
                "tag",
                self._tags,
                hint="Only create_contact and update_contact make a tag, with create_missing_tags: ask first.",
                hint_for=("tags", "add_tags"),
                clock=clock,
            ),
            "members": NameList(
                "team member", self._members, hint='Use a name, an e-mail or an id; "none" unassigns.', clock=clock
            ),
        }

    async def read(self, *lists: ListName, no_older_than: float = KEEP) -> Snapshot:
        """A snapshot in which `lists` are fresh. Raises ContactsError where one cannot be fetched."""
        for name in lists:
            await self.lists[name].no_older_than(no_older_than)
        return self._snapshot()

    async def resolving(self, lists: Iterable[ListName], resolve: Callable[[Snapshot], Result]) -> Result:
        """The result of `resolve` on a snapshot of `lists`.

        A name that is not found renews its list once. Raises UnknownName.
        """
        snapshot = await self.read(*lists)
        try:
            return resolve(snapshot)
        except UnknownName as unknown:
            missed = dict.fromkeys(_LIST_OF[miss.argument] for miss in unknown.misses if not miss.is_ambiguous)
            if not missed:
                raise
        return resolve(await self.read(*missed, no_older_than=REFETCH_AFTER))

    async def naming(self, *tables: Mapping[str, Value]) -> Snapshot:
        """A snapshot that names every id in these tables of values, as far as that can be had soon. Never fails."""
        for name, ids in _ids_in(tables).items():
            if ids:
                await self.lists[name].naming(ids)
        return self._snapshot()

    def _snapshot(self) -> Snapshot:
        fields, tags, members = (self.lists[name].names for name in LISTS)
        return Snapshot(fields, tags, members, self.zone)

    async def _fields(self) -> Found:
        rows = await self._api.list_custom_fields()
        unread = len(rows.unread) + sum(field.is_name_unread for field in rows)
        return Found([Named(field.id, field.label) for field in rows], unread)

    async def _members(self) -> Found:
        team = await self._api.get_team()
        unread = team.unread_members + sum(member.is_name_unread for member in team.members)
        return Found([Named(member.id, member.name, _other_names(member)) for member in team.members], unread)

    async def _tags(self) -> Found:
        """All tags, page after page. The end is a page that is not full, or one that brings nothing new."""
        found: dict[int, Named] = {}
        unread: set[str] = set()  # a row may come on two pages
        date = None
        for _ in range(MOST_TAG_PAGES):
            page = await self._api.list_tags(date=date)
            fresh = {tag.id: Named(tag.id, tag.tag) for tag in page if tag.id not in found}
            found |= fresh
            unread |= {repr(row) for row in page.unread} | {str(tag.id) for tag in page if tag.is_name_unread}
            onward = _onward(page, date, is_new=bool(fresh))
            if len(page) + len(page.unread) < PAGE or onward == date:
                break
            date = onward
        return Found(list(found.values()), len(unread))


def _ids_in(tables: Iterable[Mapping[str, Value]]) -> dict[ListName, set[int]]:
    """The ids that these values mention, by the list that names them."""
    ids: dict[ListName, set[int]] = {name: set() for name in LISTS}
    for table in tables:
        for key, value in table.items():
            if (number := field_id(key)) is not None:
                ids["fields"].add(number)
            elif key == "tags" and isinstance(value, list):
                ids["tags"].update(value)
            elif key == "assignee" and isinstance(value, int):
                ids["members"].add(value)
    return ids


def _onward(page: Sequence[Tag], date: str | None, *, is_new: bool) -> str:
    """The cursor after `page`: the last moment that differs from the page's final one.

    Tags that share the final moment come again and are dropped by id.
    """
    last = page[-1].updated if page else ""
    behind = next((tag.updated for tag in reversed(page) if tag.updated != last), last)
    return behind if is_new and behind != date else last


def _other_names(member: Member) -> tuple[str, ...]:
    """Other names of a colleague: the e-mail, and the first name alone.

    A first name that two have is refused as ambiguous.
    """
    return tuple(filter(None, (member.email, *member.name.split()[:1])))
