"""The leases that this process holds: rights that end by themselves where their holder dies.

1. A lease is a row. It ends 40 seconds (`LEASE_LIFE`) after it was last extended, by PostgreSQL's clock. This process
   extends its leases every three seconds. One who waits for a holder that does not is refused, and told how long.
2. Every holder gets a fence, a number that only grows. A record of the holder before it is refused by that number.
3. A process that was frozen may find that its leases have ended. It counts by its own clock, from before the question,
   and sends nothing under a lease that has ended (`Lease.is_live`).
4. Names are taken in one order by everybody, so that no two holders wait for each other. The tasks of this process
   stand in line first, so that only one of them asks PostgreSQL.
5. A server that stood still carries out old questions once it goes on. Taking does nothing then (`asked`). A change
   that was begun under a lease is called off only after the lease has ended.
6. Taking and giving back are not flushed to the disk. A lease that was lost with PostgreSQL is refused at the next
   write to the journal, which is flushed.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from math import inf
from weakref import WeakValueDictionary

import anyio

from contacts_mcp.errors import AccountError, Refused
from contacts_mcp.state.postgres.accounts import AccountNumber
from contacts_mcp.state.postgres.clock import NOW, ticks
from contacts_mcp.state.postgres.database import PATIENCE, PATIENCE_FOR_MANY, DatabaseAway, SharedDatabase
from contacts_mcp.state.postgres.owed import Owed
from contacts_mcp.state.uptime import uptime

_TRUSTED = 0.95  # of a lease's life: a holder stops before the lease ends
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.25  # seconds between two tries
_EXTEND_EVERY = 3.0  # seconds
_MISSED = 2.5  # of these steps, after which a holder is taken for dead or frozen
_SHORT = 2.0  # seconds for which such a one is waited for all the same
_LOOK_EVERY = 1.0  # seconds between two looks at who is waited for
_MANY = 50  # names in one statement
_NOT_FLUSHED = "quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))"

_TAKE = f"""
    WITH {_NOT_FLUSHED}, taken AS (
        INSERT INTO lease AS old (account, name, fence, owner, until)
        SELECT %(account)s, name, nextval('fence'), %(owner)s, clock_timestamp() + make_interval(secs => %(life)s)
        FROM quick, unnest(%(names)s::text[]) AS name
        WHERE EXISTS (SELECT 1 FROM account WHERE id = %(account)s AND merged_into IS NULL)
        AND clock_timestamp() < to_timestamp(%(asked)s) + make_interval(secs => %(patience)s)
        AND NOT EXISTS (
            SELECT 1 FROM lease AS busy WHERE busy.account = %(account)s AND busy.name = name.name
            AND busy.until > clock_timestamp() AND busy.owner <> %(owner)s
        )
        ORDER BY name COLLATE "C"
        ON CONFLICT (account, name) DO UPDATE
        SET fence = nextval('fence'), owner = excluded.owner, until = excluded.until,
            written = CASE WHEN old.owner IS NULL THEN old.written ELSE greatest(old.written, old.until) END
        WHERE old.until <= clock_timestamp() OR old.owner = excluded.owner
        RETURNING name, fence, extract(epoch FROM clock_timestamp() - written)::double precision AS age
    )
    SELECT name, fence, age, {NOW} AS clock,
        (SELECT merged_into IS NOT NULL FROM account WHERE id = %(account)s) AS is_merged
    FROM (SELECT 1) AS one LEFT JOIN taken ON true
"""
_LEFT = """
    SELECT extract(epoch FROM until - clock_timestamp())::double precision AS seconds
    FROM lease WHERE account = %(account)s AND name = %(name)s AND owner IS NOT NULL
"""
_OURS = """
    ours AS MATERIALIZED (
        SELECT l.account, l.name FROM lease AS l
        JOIN unnest(%(accounts)s::int[], %(names)s::text[], %(fences)s::bigint[]) AS h (account, name, fence)
        ON l.account = h.account AND l.name = h.name AND l.fence = h.fence
        WHERE l.owner = %(owner)s AND l.name = ANY(%(names)s::text[]) ORDER BY l.account, l.name FOR UPDATE OF l
    )
"""
HELD = """
    ours AS (
        SELECT 1 FROM unnest(%(lease_names)s::text[], %(lease_fences)s::bigint[]) AS h (name, fence)
        JOIN lease AS l ON l.account = %(account)s AND l.name = h.name AND l.fence = h.fence
        WHERE l.owner = %(owner)s AND l.until > clock_timestamp() ORDER BY l.name FOR SHARE OF l
    ), held AS (
        SELECT count(*) = cardinality(%(lease_names)s::text[]) AS is_so FROM ours
    )
"""
"""SQL: whether the caller still has all of its leases, which stay its own until the end of the statement."""
_GIVE_BACK = f"""
    WITH {_NOT_FLUSHED}, {_OURS}
    UPDATE lease AS l SET owner = NULL, until = clock_timestamp(),
        written = CASE WHEN %(marks)s THEN clock_timestamp() ELSE l.written END
    FROM quick, ours WHERE l.account = ours.account AND l.name = ours.name
"""
_EXTEND = f"""
    WITH {_NOT_FLUSHED}, {_OURS}
    UPDATE lease AS l SET until = clock_timestamp() + make_interval(secs => %(life)s)
    FROM quick, ours WHERE l.account = ours.account AND l.name = ours.name AND l.until > clock_timestamp()
    RETURNING l.account, l.name
"""


class LeaseLost(AccountError):
    """This process was stopped for so long that another one may have taken over. Nothing was sent."""

    kind = "lease_lost"

    def __init__(self) -> None:
        super().__init__(
            "Nothing was sent: this server stood still for too long, and another one may be writing to the same "
            "contact by now. Look the contact up, and then repeat the call."
        )


@dataclass(slots=True, eq=False)
class Lease:
    """One lease that this process took."""

    owner: str
    account: int
    name: str
    fence: int
    ends: float  # by `ticks`
    last_write: float  # the uptime (`state/uptime.py`) at the end of the last write before it, at the latest

    @property
    def is_live(self) -> bool:
        """Whether nobody else can have it yet."""
        return ticks() < self.ends


_holding: ContextVar[tuple[Lease, ...]] = ContextVar("holding", default=())  # by the caller


@dataclass(slots=True)
class _Wait:
    """The pauses between tries, a little longer each time, and never the same for two processes."""

    pause: float = field(default=_FIRST_PAUSE)
    looked: float = field(default_factory=ticks)

    async def __call__(self, look: Callable[[], Awaitable[None]]) -> None:
        """A pause, and now and then a `look` at who is waited for."""
        if ticks() - self.looked > _LOOK_EVERY:
            self.looked = ticks()
            await look()
        await anyio.sleep(self.pause * random.uniform(0.75, 1.25))  # noqa: S311 -- no secret
        self.pause = min(_LONGEST_PAUSE, self.pause * 1.5)


class Leases:
    """The leases of one process, of all its accounts."""

    def __init__(self, db: SharedDatabase) -> None:
        self._db = db
        self.owner = secrets.token_hex(8)
        self._life = db.lease_life
        self._beat = min(_EXTEND_EVERY, db.lease_life / 3)
        self._held: dict[tuple[int, str], Lease] = {}
        self._lines: WeakValueDictionary[tuple[int, str], anyio.Lock] = WeakValueDictionary()
        self._extends = False
        self._owed = Owed.of(db)
        db.on_close(self._give_all_back)

    @classmethod
    def of(cls, db: SharedDatabase) -> Leases:
        """The leases of this process in that database."""
        return db.part(cls.__name__, lambda: cls(db))

    def held(self, account: int, name: str) -> Lease | None:
        """The lease of that name where this process has it."""
        return self._held.get((account, name))

    def of_caller(self, account: int, name: str) -> Lease | None:
        """The lease of that name where the caller itself holds it."""
        return next((lease for lease in self.all_of_caller() if (lease.account, lease.name) == (account, name)), None)

    def all_of_caller(self) -> list[Lease]:
        """The leases that the caller holds."""
        return [lease for lease in _holding.get() if lease.owner == self.owner]

    @asynccontextmanager
    async def hold(self, account: AccountNumber, names: Sequence[str], *, marks: bool) -> AsyncIterator[list[Lease]]:
        """Hold all of `names`, which are sorted. `marks` says that giving them back ends a write.

        Raises DatabaseAway, AccountError.
        """
        number = await account.get()
        async with AsyncExitStack() as lines:
            for name in names:
                await lines.enter_async_context(self._line(number, name))
            taken = await self._taken(account, names)
            async with self._as_held(taken, marks=marks):
                yield taken

    @asynccontextmanager
    async def hold_if_free(self, account: AccountNumber, name: str) -> AsyncIterator[bool]:
        """Hold `name` if nobody does. Otherwise yield False at once. Raises DatabaseAway, AccountError."""
        line = self._line(await account.get(), name)
        try:
            line.acquire_nowait()
        except anyio.WouldBlock:
            yield False
            return
        try:
            taken = await self._try(account, [name])
            async with self._as_held(taken, marks=False):
                yield bool(taken)
        finally:
            line.release()

    @asynccontextmanager
    async def _as_held(self, taken: Sequence[Lease], *, marks: bool) -> AsyncIterator[None]:
        before = _holding.get()
        _holding.set((*before, *taken))
        try:
            yield
        finally:
            _holding.set(before)
            await self._give_back(taken, marks=marks)

    def _line(self, account: int, name: str) -> anyio.Lock:
        """The tasks of this process that want the name. It is there for as long as one of them uses it."""
        line = self._lines.get((account, name))
        if line is None:
            self._lines[account, name] = line = anyio.Lock()
        return line

    # Taking

    async def _taken(self, account: AccountNumber, names: Sequence[str]) -> list[Lease]:
        """All of `names`. Those before the first one that somebody else has are kept while it is waited for."""
        taken: list[Lease] = []
        wait = _Wait()
        try:
            while len(taken) < len(names):
                left = names[len(taken) :]
                got = {lease.name: lease for lease in await self._try(account, left)}
                first = [got.pop(name) for name in _while_in(left, got)]
                taken += first
                await self._give_back([*got.values()], marks=False)
                if len(first) < len(left):
                    await wait(partial(self._refuse_if_silent, account, left[len(first)]))
        except BaseException:
            await self._give_back(taken, marks=False)
            raise
        return taken

    async def _refuse_if_silent(self, account: AccountNumber, name: str) -> None:
        """The check that the holder of that name lives. Raises Refused where it did not extend its lease in time."""
        rows = await self._db.fetch(_LEFT, {"account": await account.get(), "name": name}, again=True)
        if rows and _SHORT < rows[0]["seconds"] < self._life - _MISSED * self._beat:
            raise Refused(
                "Nothing was sent: the server that began to change the same contact gives no sign of life, and its "
                f"change may still arrive. Look the contact up in {rows[0]['seconds']:.0f} seconds, and then repeat "
                "this call.",
                kind="may_still_arrive",
            )

    async def _try(self, account: AccountNumber, names: Sequence[str]) -> list[Lease]:
        """Those of `names` that nobody else has, taken now. Outcomes that are owed must not come after that."""
        await self._owed.pay()
        until = ticks() + self._life
        try:
            taken = await self._asked_for(account, names)
        except DatabaseAway:  # it may have taken them all the same
            self._owed.add(("taken", account, *names), partial(self._free, account, names), until=until)
            raise
        self._held.update({(lease.account, lease.name): lease for lease in taken})
        if taken and not self._extends:
            self._extends = True
            self._db.later(self._keep_extending())
        return taken

    async def _asked_for(self, account: AccountNumber, names: Sequence[str]) -> list[Lease]:
        for _ in range(2):
            number, asked = await account.get(), ticks()
            patience = _patience(len(names))
            values = {"account": number, "owner": self.owner, "names": [*names], "life": self._life}
            rows = await self._db.fetch(_TAKE, values | {"patience": patience}, patience=patience, again=True)
            if not rows[0]["is_merged"]:
                break
            account.forget()
        now = uptime()
        return [
            Lease(
                owner=self.owner,
                account=number,
                name=row["name"],
                fence=row["fence"],
                ends=asked + self._life * _TRUSTED,
                last_write=-inf if row["age"] is None else now - row["age"],
            )
            for row in rows
            if row["name"] is not None
        ]

    # Giving back

    async def _give_back(self, leases: Sequence[Lease], *, marks: bool) -> None:
        """Never fails. A lease that cannot be given back now is given back later, or ends by itself."""
        if not leases:
            return
        self._let_go(leases)
        give_back = partial(self._db.execute, _GIVE_BACK, self._of(leases) | {"marks": marks}, again=True)
        try:
            await give_back(patience=_patience(len(leases)))
        except DatabaseAway:
            fences = [lease.fence for lease in leases]
            self._owed.add(("given back", *fences), give_back, until=max(lease.ends for lease in leases))
        except AccountError:
            pass

    async def _free(self, account: AccountNumber, names: Sequence[str]) -> None:
        """Give back what a question took that got no answer. A name that somebody here wants now is left to them."""
        number = await account.get()
        for line, name in [(self._line(number, name), name) for name in names]:
            if not line.locked():
                async with line:
                    await self._give_back(await self._asked_for(account, [name]), marks=False)

    async def end(self, leases: Sequence[Lease]) -> None:
        """End leases whose holder got no answer. A question under them came before this, or does nothing.

        Raises DatabaseAway, AccountError.
        """
        for lease in leases:
            lease.ends = -inf
        self._let_go(leases)
        await self._db.execute(_GIVE_BACK, self._of(leases) | {"marks": True}, again=True)

    def _let_go(self, leases: Sequence[Lease]) -> None:
        for lease in leases:
            if self._held.get((lease.account, lease.name)) is lease:
                del self._held[lease.account, lease.name]

    async def _give_all_back(self) -> None:
        await self._give_back([*self._held.values()], marks=True)

    # Extending

    async def _keep_extending(self) -> None:
        """Extend all that is held, until nothing is."""
        try:
            while self._held:
                await anyio.sleep(self._beat)
                with suppress(AccountError):  # the next time, or it ends
                    await self.extend()
        finally:
            self._extends = False

    async def extend(self) -> None:
        """Extend all that is held by this process. A lease that somebody else has by now is over at once."""
        leases, asked = [*self._held.values()], ticks()
        if not leases:
            return
        rows = await self._db.fetch(_EXTEND, self._of(leases), patience=_patience(len(leases)), again=True)
        extended = {(row["account"], row["name"]) for row in rows}
        for lease in leases:
            lease.ends = asked + self._life * _TRUSTED if (lease.account, lease.name) in extended else -inf

    def proof(self, leases: Iterable[Lease]) -> dict[str, object]:
        """The values that `HELD` needs beside the account. Without a lease it holds."""
        held = [*leases]
        return {
            "owner": self.owner,
            "lease_names": [lease.name for lease in held],
            "lease_fences": [lease.fence for lease in held],
        }

    def _of(self, leases: Sequence[Lease]) -> dict[str, object]:
        return {
            "owner": self.owner,
            "life": self._life,
            "accounts": [lease.account for lease in leases],
            "names": [lease.name for lease in leases],
            "fences": [lease.fence for lease in leases],
        }


def _while_in(names: Sequence[str], got: dict[str, Lease]) -> list[str]:
    """The names up to the first one that is not in `got`."""
    missing = next((at for at, name in enumerate(names) if name not in got), len(names))
    return [*names[:missing]]


def _patience(count: int) -> float:
    return PATIENCE if count <= _MANY else PATIENCE_FOR_MANY
