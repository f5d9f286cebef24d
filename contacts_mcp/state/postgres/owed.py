"""Debts of this process to PostgreSQL, which was away: outcomes that were seen, and leases to give back.

1. Debts are paid in their order, as soon as PostgreSQL answers again. So an outcome is there before its lease is free.
2. Every debt carries a fence. One that comes after the next holder of the contact does nothing.
3. A debt is dropped when its time is over. Then a lease has ended by itself, and an outcome is found by looking.
4. A debt of an outcome goes when a newer outcome of the same change is written.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Hashable, Iterable
from contextlib import suppress
from dataclasses import dataclass

import anyio

from contacts_mcp.errors import AccountError
from contacts_mcp.state.postgres.clock import ticks
from contacts_mcp.state.postgres.database import SILENCE, DatabaseAway, SharedDatabase

OWED_AT_MOST = 5_000
AT_THE_END = 3.0  # seconds for the debts of a process that ends
_PAUSE = SILENCE  # between two tries


@dataclass(frozen=True, slots=True)
class _Debt:
    pay: Callable[[], Awaitable[object]]
    until: float  # by `ticks`


class Owed:
    """The debts of one process."""

    def __init__(self, db: SharedDatabase) -> None:
        self._db = db
        self._debts: dict[Hashable, _Debt] = {}  # those that are being paid, too
        self._paying = anyio.Lock()
        self._tries = False
        db.on_close(self._pay_at_the_end)

    @classmethod
    def of(cls, db: SharedDatabase) -> Owed:
        """The debts of this process to that database."""
        return db.part(cls.__name__, lambda: cls(db))

    def add(self, key: Hashable, pay: Callable[[], Awaitable[object]], *, until: float) -> None:
        """Do `pay` once PostgreSQL is back, but not after `until`. The oldest debt goes where there are too many."""
        self._debts.pop(key, None)
        self._debts[key] = _Debt(pay, until)
        if len(self._debts) > OWED_AT_MOST:
            del self._debts[next(iter(self._debts))]
        if not self._tries:
            self._tries = True
            self._db.later(self._keep_trying())

    async def forget(self, keys: Iterable[Hashable]) -> None:
        """Forget these debts, because something newer is about to be written."""
        owed = self._debts.keys() & keys
        if owed:
            async with self._paying:  # one that is on its way must not overtake
                for key in owed:
                    self._debts.pop(key, None)

    async def pay(self) -> None:
        """Pay all debts now. Raises DatabaseAway where PostgreSQL is not back."""
        if not self._debts:
            return
        async with self._paying:
            while self._debts:
                key, debt = next(iter(self._debts.items()))
                if ticks() < debt.until:
                    await _paid(debt)
                if self._debts.get(key) is debt:
                    del self._debts[key]

    async def _keep_trying(self) -> None:
        try:
            while self._debts:
                await anyio.sleep(_PAUSE)
                with suppress(DatabaseAway):
                    await self.pay()
        finally:
            self._tries = False

    async def _pay_at_the_end(self) -> None:
        with anyio.move_on_after(AT_THE_END):
            while self._debts:
                with suppress(DatabaseAway):
                    await self.pay()
                    return
                await anyio.sleep(_PAUSE / 4)


async def _paid(debt: _Debt) -> None:
    """Raises DatabaseAway. A debt that PostgreSQL refuses is dropped."""
    try:
        await debt.pay()
    except DatabaseAway:
        raise
    except AccountError:
        pass
