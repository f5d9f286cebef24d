"""Random accounts that are mirrored while somebody changes them: what the mirror calls complete is complete.

The service is the one of `benchmarks/walks.py`, which answers in any of the ways that the API leaves open.
"""

from __future__ import annotations

import random
from collections import Counter
from typing import Any, cast

import pytest
from walks import SECOND, Behaviour, Kind, Row, Service

from contacts_mcp.api.answers import Rows
from contacts_mcp.api.client import HeymarketClient
from contacts_mcp.book.search.filling import Filler
from contacts_mcp.book.search.known import known_from
from contacts_mcp.book.search.mirror import at_once
from contacts_mcp.models import Contact
from contacts_mcp.state.index import Index
from contacts_mcp.state.journal import Journal

MIRRORS = 150
VISITS = 4


class Account(Service):
    """The service, with reads of single contacts too."""

    def _shown_at(self, row: Row) -> int:
        return row.updated // SECOND * SECOND if self.behaviour.in_seconds else row.updated

    async def get_contact(self, contact_id: int) -> Contact | None:
        self._between_requests()
        row = self._seen("list").get(contact_id)
        return self._shown(row) if row else None

    async def search_contacts(self, *, phones: Any = (), emails: Any = ()) -> Rows[Contact]:
        return Rows()

    def here(self) -> dict[int, int]:
        """Who is there now, and visible as it is, with the moment that is shown."""
        seen = self._seen("list") if self._past or self.behaviour.lag != "replica" else {}
        return {one: self._shown_at(row) for one, row in self._rows.items() if seen.get(one) == row}


async def mirrored(name: str, kind: Kind) -> tuple[Counter[str], list[str]]:
    """A mirror that is looked at a few times: what it said, and where it was wrong."""
    dice = random.Random(name)
    account = Account(Behaviour.drawn(dice, kind), dice)
    said, wrong = Counter[str](), []
    journal = Journal(None, "account")
    index = Index.open(None)
    now = [account._now / 1e6]

    async def in_index(work: Any) -> Any:
        return await at_once(lambda: work(index))

    filler = Filler(
        cast("HeymarketClient", account),
        journal,
        in_index=in_index,
        is_in_memory=False,
        clock=lambda: now[0],
        moved=lambda: None,
    )
    for visit in range(VISITS):
        now[0] = account._now / 1e6
        account.persistent = None
        before = account.here()
        await filler.walk()
        is_fresh = await filler.refresh(requests=20) if visit else True
        known = known_from(index.state)
        after = account.here()
        mirror = {row.id: row.updated for row in index.rows(range(1, account._next_id + 1))}
        there = account.persistent if account.persistent is not None else before.keys()
        missing = {one for one in before.keys() & there if one not in mirror}
        if kind != "lagging":
            missing |= {one for one in before if before[one] == after.get(one) and before[one] != mirror.get(one)}
        complete = known.complete and is_fresh
        said[f"{'' if complete else 'not '}complete, {'some' if missing else 'no'}body missing"] += 1
        if (complete and missing) or (kind == "quiet" and not complete):
            wrong.append(
                f"{name}, visit {visit}: missing {sorted(missing)} of {sorted(before)}: {known} {account.behaviour}"
            )
        for _ in range(dice.randint(0, 3)):
            if kind != "quiet":
                account._change()
        account._now += dice.choice((0, 1, 10**6, 10**9))
    index.close()
    return said, wrong


@pytest.mark.parametrize(("kind", "most_wrong"), [("quiet", 0), ("edited", 0), ("lagging", 1)])
async def test_nobody_is_missing_from_a_mirror_that_is_complete(kind: Kind, most_wrong: int) -> None:
    said, wrong = Counter[str](), []
    for number in range(MIRRORS):
        one, errors = await mirrored(f"{kind}/{number}", kind)
        said += one
        wrong += errors
    print(said)
    assert len(wrong) <= most_wrong, "\n".join(wrong[:5])
    assert said["complete, nobody missing"] > MIRRORS
