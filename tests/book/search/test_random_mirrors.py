"""Random accounts that are mirrored while somebody changes them. A mirror that calls itself complete has everybody.

The service is the one of `benchmarks/walks.py`, which answers in any of the ways that the API leaves open.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any, cast

import anyio
import pytest
from walks import SECOND, Behaviour, Kind, Row, Service

from contacts_mcp.api.answers import Rows
from contacts_mcp.api.client import HeymarketClient
from contacts_mcp.book.search.filling import Filler
from contacts_mcp.book.search.known import known_from
from contacts_mcp.models import Contact
from contacts_mcp.state.index import Index
from contacts_mcp.state.journal import Journal

MIRRORS = 150
VISITS = 4
ONE_AFTER_THE_OTHER = 0.5


class Account(Service):
    """The service, with reads of single contacts too."""

    def _shown_at(self, row: Row) -> int:
        return row.updated // SECOND * SECOND if self.behaviour.in_seconds else row.updated

    async def list_contacts(self, **asked: Any) -> Rows[Contact]:
        await anyio.lowlevel.checkpoint()
        return await super().list_contacts(**asked)

    async def count_contacts(self) -> int | None:
        await anyio.lowlevel.checkpoint()
        return await super().count_contacts()

    async def get_contact(self, contact_id: int) -> Contact | None:
        self._between_requests()
        row = self._seen("list").get(contact_id)
        return self._shown(row) if row else None

    async def search_contacts(self, *, phones: Any = (), emails: Any = ()) -> Rows[Contact]:
        return Rows()

    def here(self) -> dict[int, int]:
        """Who is there now, and visible as it is, with the moment that is shown."""
        seen = self._seen("list") if self.past or self.behaviour.lag != "replica" else {}
        return {one: self._shown_at(row) for one, row in self._rows.items() if seen.get(one) == row}


class Visits:
    """One mirror of one account, looked at a few times."""

    def __init__(self, name: str, kind: Kind) -> None:
        self.dice = random.Random(name)
        self.account = Account(Behaviour.drawn(self.dice, kind), self.dice)
        self.kind = kind
        self.index = Index.open(None)
        self.journal = Journal(None, "account")
        self.filler = Filler(
            cast("HeymarketClient", self.account),
            self.journal,
            in_index=self._in_index,
            is_in_memory=False,
            clock=lambda: self.account.now / SECOND,
            moved=lambda: None,
            failed=lambda _: None,
        )

    async def _in_index(self, work: Any) -> Any:
        return work(self.index)

    async def _walked(self) -> bool:
        await self.filler.walk()
        return True

    async def _walked_and_refreshed(self) -> bool:
        """Both at once, as a call does it, or one after the other."""
        if self.dice.random() < ONE_AFTER_THE_OTHER:
            await self.filler.walk()
            return await self.filler.refresh(requests=20)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.filler.walk)
            return await self.filler.refresh(requests=20)

    async def visited(self, *, again: bool) -> tuple[bool, set[int]]:
        """Whether the mirror calls itself complete, and the contacts that it lacks or has in an old state."""
        self.account.persistent = None
        before = self.account.here()
        is_fresh = await self._walked_and_refreshed() if again else await self._walked()
        known, after = known_from(self.index.state), self.account.here()
        mirror = {row.id: row.updated for row in self.index.rows([*before])}
        there = before.keys() if self.account.persistent is None else before.keys() & self.account.persistent
        missing = there - mirror.keys()
        if self.kind != "lagging":
            missing |= {one for one, at in before.items() if at == after.get(one) != mirror.get(one)}
        return known.complete and is_fresh, missing

    def pass_time(self) -> None:
        for _ in range(0 if self.kind == "quiet" else self.dice.randint(0, 3)):
            self.account.change()
        self.account.now += self.dice.choice((0, 1, SECOND, 1_000 * SECOND))


async def mirrored(name: str, kind: Kind) -> tuple[Counter[str], list[str]]:
    """How often a mirror was complete, and every time that it was wrong."""
    said, wrong, visits = Counter[str](), [], Visits(name, kind)
    for number in range(VISITS):
        complete, missing = await visits.visited(again=number > 0)
        said[f"{'' if complete else 'not '}complete, {'some' if missing else 'no'}body missing"] += 1
        if (complete and missing) or (kind == "quiet" and not complete):
            wrong.append(f"{name}, visit {number}: missing {sorted(missing)}: {visits.account.behaviour}")
        visits.pass_time()
    visits.index.close()
    await visits.journal.aclose()
    return said, wrong


@pytest.mark.parametrize(("kind", "most_wrong"), [("quiet", 0), ("edited", 0), ("lagging", 1)])
async def test_nobody_is_missing_from_a_mirror_that_is_complete(kind: Kind, most_wrong: int) -> None:
    said, wrong = Counter[str](), []
    for number in range(MIRRORS):
        one, errors = await mirrored(f"{kind}/{number}", kind)
        said += one
        wrong += errors
    assert len(wrong) <= most_wrong, "\n".join(wrong[:5])
    assert said["complete, nobody missing"] > MIRRORS
