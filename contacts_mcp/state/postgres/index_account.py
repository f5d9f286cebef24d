"""The number of an account for the shared index, which works in threads. `accounts.py` has it for all else.

- A number is asked for again after a minute, because two accounts may turn out to be one (`accounts.py`).
- Names that nobody knows yet get a number here. Names of two numbers are united there. Until then the older one counts.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from contacts_mcp.state.account import Account
from contacts_mcp.state.postgres.accounts import LOCK, NAME_IT, NEW_NUMBER, VALID_FOR
from contacts_mcp.state.postgres.index_pool import Connections

if TYPE_CHECKING:
    from contacts_mcp.state.postgres.index_pool import Connection

_KNOWN = "SELECT min(account) FROM account_name WHERE name = ANY(%s)"


class NumberOf:
    """Finds the number of one account out. Any thread may call it."""

    def __init__(self, connections: Connections, account: Account | str) -> None:
        self._connections = connections
        self._account = Account.of(account)
        self._known: tuple[float, tuple[str, ...], int] = (0.0, (), 0)

    def __call__(self) -> int:
        """Raises IndexUnavailable."""
        names = self._account.all_names
        asked, of, number = self._known
        if of != names or time.monotonic() - asked > VALID_FOR:
            number = self._connections.run(lambda db: _number(db, names))
            self._known = time.monotonic(), names, number
        return number


def _number(db: Connection, names: Sequence[str]) -> int:
    found = _first(db, _KNOWN, [[*names]])
    return found if found is not None else _made(db, names)


def _made(db: Connection, names: Sequence[str]) -> int:
    with db.transaction():
        db.execute(LOCK)
        number = _first(db, _KNOWN, [[*names]])  # another server may have been quicker
        if number is None:
            number = _first(db, NEW_NUMBER, [])
        db.execute(NAME_IT, [[*names], number])
    assert number is not None
    return number


def _first(db: Connection, query: str, values: Sequence[object]) -> int | None:
    found = db.execute(query.encode(), values).fetchone()
    return found[0] if found else None
