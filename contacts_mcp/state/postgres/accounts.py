"""The number of an account in the shared database.

- The names of an account are those that `state/account.py` knows: a digest of each credential, and one of the team.
- Servers that know one of the names find the same number. A server that learns another name writes it down.
- Names of two numbers turn out to be of one team where a credential was renewed. The rows of both go under the older
  number then. A server that still uses the other one notices at its next write, and asks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from anyio import from_thread

from contacts_mcp.state.account import Account
from contacts_mcp.state.postgres.clock import ticks
from contacts_mcp.state.postgres.database import PATIENCE_FOR_MANY, DatabaseAway, Row, SharedDatabase
from contacts_mcp.state.postgres.index_filling import TABLES as MIRROR

if TYPE_CHECKING:
    import psycopg

_VALID_FOR = 60.0  # seconds for which a number is used without asking
_LOCK = "LOCK TABLE account_name IN SHARE ROW EXCLUSIVE MODE"
_NEW_NUMBER = "INSERT INTO account DEFAULT VALUES RETURNING id"
_NAME_IT = "INSERT INTO account_name SELECT unnest(%s::text[]), %s ON CONFLICT DO NOTHING"
_KNOWN = "SELECT name, account FROM account_name WHERE name = ANY(%(names)s)"
_MOVED = ("journal", "import_plan")  # import_row follows its plan
_DROPPED = ("lease", *MIRROR)  # their holders notice, and write nothing more; a mirror is filled again


class AccountNumber:
    """The number of one account, as this process knows it."""

    def __init__(self, db: SharedDatabase, account: Account) -> None:
        self._db = db
        self._account = account
        self._names: tuple[str, ...] = ()
        self._number = 0
        self._asked = 0.0

    @classmethod
    def of(cls, db: SharedDatabase, account: Account | str) -> AccountNumber:
        """The number of `account`, which all parts of this process share."""
        known = Account.of(account)
        return db.part(f"account {known.name}", lambda: cls(db, known))

    async def get(self) -> int:
        """Raises DatabaseAway, AccountError. A number that is known is enough for what is owed to PostgreSQL."""
        return self._known or await self._asked_for()

    def from_thread(self) -> int:
        """The same for a worker thread of an event loop."""
        return self._known or from_thread.run(self._asked_for)

    @property
    def _known(self) -> int | None:
        is_valid = self._names == self._account.all_names and ticks() - self._asked <= _VALID_FOR
        return self._number if is_valid else None

    async def _asked_for(self) -> int:
        names, asked = self._account.all_names, ticks()
        try:
            self._number = await self._found(names)
        except DatabaseAway:
            if names != self._names:
                raise
            return self._number
        self._names, self._asked = names, asked
        return self._number

    def forget(self) -> None:
        """Ask again at the next use, because the number was merged into another one."""
        self._names = ()

    async def _found(self, names: Sequence[str]) -> int:
        known = await self._db.fetch(_KNOWN, {"names": [*names]}, again=True)
        numbers = {row["account"] for row in known}
        if len(numbers) == 1 and len(known) == len(names):
            return int(numbers.pop())

        async def write_down(db: psycopg.AsyncConnection[Row]) -> int:
            return await _written_down(db, names)

        return await self._db.run(write_down, patience=PATIENCE_FOR_MANY, again=True)


async def _written_down(db: psycopg.AsyncConnection[Row], names: Sequence[str]) -> int:
    """The one number of all `names`, made or united now."""
    async with db.transaction():
        await db.execute(_LOCK)
        known = await (await db.execute(_KNOWN, {"names": [*names]})).fetchall()
        numbers = sorted({row["account"] for row in known})
        number = numbers[0] if numbers else await _made(db)
        for other in numbers[1:]:
            await _unite(db, number, other)
        await db.execute(_NAME_IT, [[*names], number])
    return number


async def _made(db: psycopg.AsyncConnection[Row]) -> int:
    found = await (await db.execute(_NEW_NUMBER)).fetchone()
    assert found
    return int(found["id"])


async def _unite(db: psycopg.AsyncConnection[Row], kept: int, other: int) -> None:
    """Put all that is under the number `other` under `kept`."""
    values: dict[str, Any] = {"kept": kept, "other": other}
    await db.execute("UPDATE account SET merged_into = %(kept)s WHERE id = %(other)s", values)
    await db.execute("UPDATE account_name SET account = %(kept)s WHERE account = %(other)s", values)
    for table in _DROPPED:
        await db.execute(f"DELETE FROM {table} WHERE account = %(other)s".encode(), values)
    await db.execute(
        "INSERT INTO used_token SELECT %(kept)s, digest, spender, at FROM used_token WHERE account = %(other)s "
        "ON CONFLICT DO NOTHING",
        values,
    )
    await db.execute("DELETE FROM used_token WHERE account = %(other)s", values)
    for table in _MOVED:
        await db.execute(f"UPDATE {table} SET account = %(kept)s WHERE account = %(other)s".encode(), values)
