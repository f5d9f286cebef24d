"""What the account calls its custom fields, tags and team members.

Each list is fetched when it is first needed and kept for ten minutes. A name or id that is not in it may have been created since, so a
miss fetches again, but at most once in 30 seconds.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence

import anyio

from contacts_mcp.api.client import PAGE, HeymarketClient
from contacts_mcp.errors import ContactsError, UnknownName
from contacts_mcp.models import Member, Tag
from contacts_mcp.words.names import Named, Names

KEEP = 600.0
REFETCH_AFTER = 30.0
NOBODY = frozenset({"none", "nobody", "no one", "unassigned", "unassign"})
LABEL_PATIENCE = 5.0  # seconds for a name that an answer can do without


class Catalog:
    """One list of named things, cached; `fetch` gets all of it."""

    def __init__(
        self,
        kind: str,
        fetch: Callable[[], Awaitable[list[Named]]],
        *,
        hint: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.kind = kind
        self._fetch = fetch
        self._hint = hint
        self._clock = clock
        self._names = Names(kind, (), hint=hint)
        self._fetched = float("-inf")
        self._failed = float("-inf")
        self._fetching = anyio.Lock()

    async def names(self) -> Names:
        """The list, at most ten minutes old."""
        return await self._no_older_than(KEEP)

    async def resolve(self, text: str | int, *, argument: str) -> Named:
        """The one thing called `text`. Raises UnknownName with the nearest names."""
        try:
            return (await self.names()).resolve(text, argument=argument)
        except UnknownName as miss:
            if miss.is_ambiguous:
                raise
            return (await self._no_older_than(REFETCH_AFTER)).resolve(text, argument=argument)

    async def label(self, item: int) -> str:
        """What to call the thing with that id in an answer; "field 37" where its name cannot be had.

        A list that could not be had a moment ago is not asked for again: an answer has many labels, and each would wait as long.
        """
        now = self._clock()
        if now - self._failed < REFETCH_AFTER or (now - self._fetched <= KEEP and item in self._names):
            return self._names.label(item)
        try:
            with anyio.fail_after(LABEL_PATIENCE):
                names = await self.names()
                if item not in names:
                    names = await self._no_older_than(REFETCH_AFTER)
        except (ContactsError, TimeoutError):
            self._failed = self._clock()
            return self._names.label(item)
        return names.label(item)

    async def _no_older_than(self, seconds: float) -> Names:
        if self._clock() - self._fetched <= seconds:
            return self._names
        async with self._fetching:
            if self._clock() - self._fetched > seconds:
                self._names = Names(self.kind, await self._fetch(), hint=self._hint)
                self._fetched = self._clock()
            return self._names


def _onward(page: Sequence[Tag], date: str | None, *, is_new: bool) -> str:
    """The cursor after `page`: the last moment left behind for certain, so that tags sharing the page's last one come again (see `walk.py`)."""
    last = page[-1].updated if page else ""
    behind = next((tag.updated for tag in reversed(page) if tag.updated != last), last)
    return behind if is_new and behind != date else last


def _other_names(member: Member) -> tuple[str, ...]:
    """What people also call a colleague: the e-mail, and the first name alone (which is refused where two have it)."""
    return tuple(filter(None, (member.email, *member.name.split()[:1])))


class Directory:
    """The three lists of one account."""

    def __init__(self, api: HeymarketClient) -> None:
        self._api = api
        self.fields = Catalog("custom field", self._fields, hint="Call list_contact_fields to see them all.")
        self.tags = Catalog("tag", self._tags, hint="Tags are made in Heymarket.")
        self.members = Catalog("team member", self._members, hint='Use a name, an e-mail or an id; "none" unassigns.')

    async def _fields(self) -> list[Named]:
        return [Named(field.id, field.label) for field in await self._api.list_custom_fields()]

    async def _members(self) -> list[Named]:
        team = await self._api.get_team()
        return [Named(member.id, member.name, _other_names(member)) for member in team.members]

    async def _tags(self) -> list[Named]:
        """All tags, page after page; a page that is not full is the last, and so is one that brings nothing new."""
        found: dict[int, Named] = {}
        date = None
        while True:
            page = await self._api.list_tags(date=date)
            fresh = {tag.id: Named(tag.id, tag.tag) for tag in page if tag.id not in found}
            found |= fresh
            onward = _onward(page, date, is_new=bool(fresh))
            if len(page) < PAGE or onward == date:
                return list(found.values())
            date = onward
