"""One writer at a time for one contact and for one phone, among all servers of a deployment: `state/locks.py`, shared.

- A lock is a lease (`leases.py`). It outlives a dead holder by 40 seconds at most.
- Each contact, change and plan has a lease of its own name. Names of phones and tags are digests.
- `last_write` is PostgreSQL's time, as an age before its answer. So it errs to the side that costs a read.
"""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from math import inf

from contacts_mcp.errors import AccountError
from contacts_mcp.state.account import Account
from contacts_mcp.state.postgres.accounts import AccountNumber
from contacts_mcp.state.postgres.database import SharedDatabase
from contacts_mcp.state.postgres.leases import Lease, LeaseLost, Leases
from contacts_mcp.state.uptime import uptime

_AGE = """
    SELECT extract(epoch FROM clock_timestamp() - greatest(
        written, CASE WHEN owner IS NOT NULL THEN least(until, clock_timestamp()) END
    ))::double precision AS age
    FROM lease WHERE account = %(account)s AND name = %(name)s
"""
_NOTE = """
    UPDATE lease SET written = CASE WHEN %(is_asked)s THEN clock_timestamp() END
    WHERE account = %(account)s AND name = %(name)s AND fence = %(fence)s
"""


class PostgresLocks:
    """The locks of one account. Every method raises DatabaseAway where PostgreSQL does not answer."""

    patience = 10.0  # a longer call is lost where its client, a proxy or its replica ends first

    def __init__(self, db: SharedDatabase, account: Account | str) -> None:
        self._db = db
        self._leases = Leases.of(db)
        self._account = AccountNumber.of(db, account)

    @asynccontextmanager
    async def phones(self, *phones: str) -> AsyncIterator[None]:
        """Hold the right to create a contact with, or move one to, any of `phones`."""
        async with self._hold("phone", phones):
            yield

    @asynccontextmanager
    async def change(self, change_id: int) -> AsyncIterator[None]:
        """Hold the right to take that change back."""
        async with self._hold("change", [str(change_id)]):
            yield

    @asynccontextmanager
    async def contact(self, *contact_ids: int) -> AsyncIterator[None]:
        """Hold the right to change that contact, or all of several."""
        async with self._hold("contact", map(str, contact_ids)):
            yield

    @asynccontextmanager
    async def plan(self, plan: int) -> AsyncIterator[bool]:
        """Hold the right to run that plan. Yields False at once where somebody has it.

        The right ends 40 seconds after its process dies.
        """
        async with self._leases.hold_if_free(self._account, lease_name("plan", str(plan))) as is_held:
            yield is_held

    @asynccontextmanager
    async def filling(self) -> AsyncIterator[bool]:
        """Hold the right to fill the account's mirror. Yields False at once where another server has it."""
        async with self._leases.hold_if_free(self._account, lease_name("mirror", "all")) as is_held:
            yield is_held

    @asynccontextmanager
    async def tag(self, name: str) -> AsyncIterator[PostgresMaking]:
        """Hold the right to make the tag of that name."""
        async with self._leases.hold(self._account, [lease_name("tag", name)], marks=False) as (lease,):
            yield PostgresMaking(self._db, lease)

    @asynccontextmanager
    async def if_free(self, contact_id: int | None, phone: str) -> AsyncIterator[bool]:
        """Hold the contact, or the phone where it has no id yet, if nobody does. Otherwise yield False at once."""
        kind, key = ("phone", phone) if contact_id is None else ("contact", str(contact_id))
        if not key:
            yield True
            return
        async with self._leases.hold_if_free(self._account, lease_name(kind, key)) as is_held:
            yield is_held

    async def last_write(self, contact_id: int) -> float:
        """The uptime (`uptime.py`) at the end of the last change to that contact, at the latest."""
        account, name = await self._account.get(), lease_name("contact", str(contact_id))
        held = self._leases.held(account, name)
        if held is not None:  # nobody else has written since
            return held.last_write
        rows = await self._db.fetch(_AGE, {"account": account, "name": name}, again=True)
        age = rows[0]["age"] if rows else None
        return -inf if age is None else uptime() - age

    def refuse_if_lost(self) -> None:
        """The check right before a request goes out that all locks of the caller are still its own.

        Raises LeaseLost where this process stood still for so long that another one may have taken one over.
        """
        if not self.still_held():
            raise LeaseLost

    def still_held(self) -> bool:
        """Whether nobody else can have a lock that the caller holds."""
        return all(lease.is_live for lease in self._leases.all_of_caller())

    @asynccontextmanager
    async def _hold(self, kind: str, keys: Iterable[str]) -> AsyncIterator[None]:
        names = sorted({lease_name(kind, key) for key in keys if key})
        async with self._leases.hold(self._account, names, marks=True):
            yield


class PostgresMaking:
    """A tag that is being made, by the holder of its lock."""

    def __init__(self, db: SharedDatabase, lease: Lease) -> None:
        self._db = db
        self._lease = lease

    async def last(self) -> float:
        """The uptime (`uptime.py`) at which the tag was last asked for. It was long ago where nobody noted it."""
        return self._lease.last_write

    async def note(self) -> None:
        """Note that the tag is asked for now. Raises LeaseLost, DatabaseAway."""
        if not await self._write(is_asked=True):
            raise LeaseLost
        self._lease.last_write = uptime()

    async def forget(self) -> None:
        """Take the note back, because the request was certainly not carried out. A note that stays costs a minute."""
        with suppress(AccountError):
            await self._write(is_asked=False)
        self._lease.last_write = -inf

    async def _write(self, *, is_asked: bool) -> bool:
        of = {"account": self._lease.account, "name": self._lease.name, "fence": self._lease.fence}
        return await self._db.execute(_NOTE, of | {"is_asked": is_asked}) > 0


def lease_name(kind: str, key: str) -> str:
    """The name of a lease. Numbers are shown, and all else is digested."""
    if kind in ("phone", "tag"):
        key = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
    return f"{kind}-{key}"
