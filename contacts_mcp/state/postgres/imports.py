"""The plans of imports and their rows: `state/imports.py` with the same answers, in PostgreSQL.

- The right to run a plan is a lease (`PostgresLocks.plan`). Another server takes a run over once that ended.
- The holder of that lease writes to the plan only while it lasts, by PostgreSQL's own clock. A statement that comes
  later leaves the rows of the next holder as they are.
- Every age is by PostgreSQL's clock.
- Nothing of another account is ever told, and `forget` deletes only the plans of this one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from contacts_mcp.state.account import Account
from contacts_mcp.state.database import json_text
from contacts_mcp.state.imports import KEEP, PlanKind, PlanState, RowState, StoredPlan, StoredRow
from contacts_mcp.state.postgres.accounts import AccountNumber
from contacts_mcp.state.postgres.clock import NOW, ticks
from contacts_mcp.state.postgres.database import PATIENCE, PATIENCE_FOR_MANY, Row, SharedDatabase
from contacts_mcp.state.postgres.leases import HELD, LeaseLost, Leases
from contacts_mcp.state.postgres.locks import lease_name

if TYPE_CHECKING:
    import psycopg

_PURGE_EVERY = 600.0  # seconds
_AT_ONCE = 500  # rows of one answer

_JSON = ("wish", "before", "wanted", "shown")
_COLUMNS = tuple(StoredRow.__dataclass_fields__)
_PLAN_COLUMNS = tuple(StoredPlan.__dataclass_fields__)
_PLAN_JSON = ("facts", "switches", "counts")
_RUN_COLUMNS = {
    "row": "bigint",
    "state": "text",
    "outcome": "text",
    "sent_at": "double precision",
    "change_id": "bigint",
    "contact_id": "bigint",
    "decision": "text",
    "shown": "json",
}


def _quoted(names: Iterable[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)  # `row` is a word of SQL


_COPY = f"COPY import_row (account, plan, {_quoted(_COLUMNS)}) FROM STDIN"
_SELECT_ROWS = f"SELECT {_quoted(_COLUMNS)} FROM import_row WHERE account = %(account)s AND plan = %(plan)s"
_SELECT_PLANS = f"SELECT {_quoted(_PLAN_COLUMNS)}, {NOW} AS clock FROM import_plan WHERE account = %(account)s"
_CONFIRMED = '"row", line, decision, contact_id, expected, wanted::text'
_SAVE = f"""
    UPDATE import_row AS r
    SET {
    ", ".join(
        f"{name} = n.{name}{'::json' if kind == 'json' else ''}" for name, kind in _RUN_COLUMNS.items() if name != "row"
    )
}
    FROM unnest({
    ", ".join(f"%({name})s::{'text' if kind == 'json' else kind}[]" for name, kind in _RUN_COLUMNS.items())
})
        AS n ({_quoted(_RUN_COLUMNS)})
    WHERE r.account = %(account)s AND r.plan = %(plan)s AND r."row" = n."row"
"""
_OF_PLAN = "WHERE account = %(account)s AND plan = %(plan)s"
_END = f"UPDATE import_plan SET state = 'done', problem = '' {_OF_PLAN}"
_BLANK = f"""UPDATE import_row SET {", ".join(f"{name} = '{{}}'" for name in _JSON)} {_OF_PLAN} AND state = 'done'"""
# A killed process leaves a plan that looks running.
_PURGE = f"""
    DELETE FROM import_plan WHERE account = %(account)s
    AND made < {NOW} - {KEEP} AND (state <> 'running' OR made < {NOW} - 2 * {KEEP})
"""


class PostgresImports:
    """The plans of one account. Raises DatabaseAway, AccountError where the shared database cannot be used."""

    def __init__(self, db: SharedDatabase, account: Account | str) -> None:
        self._db = db
        self._account = AccountNumber.of(db, account)
        self._leases = Leases.of(db)
        self._purged = float("-inf")

    @property
    def now(self) -> float:
        return self._db.clock.latest

    # Plans

    async def begin(self, kind: PlanKind, facts: Mapping[str, Any], switches: Mapping[str, Any]) -> int:
        """A new plan without rows. Returns its number."""
        await self._purge()
        rows = await self._db.fetch(
            "INSERT INTO import_plan (account, kind, state, made, facts, switches) "
            f"VALUES (%(account)s, %(kind)s, 'reading', {NOW}, %(facts)s, %(switches)s) RETURNING plan",
            {
                "account": await self._account.get(),
                "kind": kind,
                "facts": json_text(facts),
                "switches": json_text(switches),
            },
        )
        return int(rows[0]["plan"])

    async def plan(self, plan: int) -> StoredPlan | None:
        """A plan of this account that is not too old."""
        await self._purge()
        return next(iter(await self._plans("plan = %(plan)s", plan=plan)), None)

    async def plans(self, *states: PlanState) -> list[StoredPlan]:
        """The plans in one of these states, the newest first."""
        await self._purge()
        return await self._plans("state = ANY(%(states)s::text[]) ORDER BY plan DESC", states=[*states])

    async def set(self, plan: int, **changes: Any) -> None:
        """Set columns of a plan."""
        values = {f"new_{name}": _plan_column(name, value) for name, value in changes.items()}
        assigned = ", ".join(f"{name} = %(new_{name})s" for name in changes)
        await self._write(plan, f"UPDATE import_plan SET {assigned} {_OF_PLAN}", **values)

    async def finish(self, plan: int) -> None:
        """The run is over. Of rows that came out as planned, what they held is in the journal alone from now on."""
        await self._write(plan, _END, _BLANK)

    @asynccontextmanager
    async def filling(self, plan: int) -> AsyncIterator[None]:
        """While its rows are added. A plan that cannot be filled to its end is forgotten: it is none."""
        try:
            yield
        except BaseException:
            await self.drop(plan)
            raise

    async def drop(self, plan: int) -> None:
        await self._execute("DELETE FROM import_plan WHERE account = %(account)s AND plan = %(plan)s", plan=plan)

    async def forget(self) -> None:
        """Delete every plan of this account, but for those that are running."""
        await self._execute("DELETE FROM import_plan WHERE account = %(account)s AND state <> 'running'")

    async def forget_own(self) -> None:
        """Delete every plan of this account: the account itself is no more."""
        await self._execute("DELETE FROM import_plan WHERE account = %(account)s")

    # Rows

    async def add(self, plan: int, rows: Iterable[StoredRow]) -> None:
        account = await self._account.get()

        async def copy(db: psycopg.AsyncConnection[Row]) -> None:
            async with db.cursor() as cursor, cursor.copy(_COPY.encode()) as into:
                for row in rows:
                    await into.write_row((account, plan, *(_column(name, getattr(row, name)) for name in _COLUMNS)))

        await self._db.run(copy, patience=PATIENCE_FOR_MANY)

    async def save(self, plan: int, rows: Sequence[StoredRow]) -> None:
        """Write down how far these rows came, all or none."""
        if not rows:
            return
        columns = {name: [_column(name, getattr(row, name)) for row in rows] for name in _RUN_COLUMNS}
        await self._write(plan, _SAVE, **columns)

    async def rows(
        self,
        plan: int,
        *,
        state: RowState | None = None,
        decision: str | None = None,
        after: int = 0,
        limit: int = 25,
    ) -> list[StoredRow]:
        """The next rows above `after`, in order."""
        query = f'{_SELECT_ROWS} AND "row" > %(after)s'
        query += " AND state = %(state)s" if state is not None else ""
        query += " AND decision = %(decision)s" if decision is not None else ""
        values: dict[str, Any] = {"state": state, "decision": decision, "after": after, "limit": limit}
        found = await self._fetch(f'{query} ORDER BY "row" LIMIT %(limit)s', plan=plan, **values)
        return [StoredRow(**row) for row in found]

    async def every_row(self, plan: int) -> AsyncIterator[StoredRow]:
        """All rows in order, some hundred at a time."""
        after = 0
        while found := await self.rows(plan, after=after, limit=_AT_ONCE):
            for row in found:
                yield row
            after = found[-1].row

    async def confirmed(self, plan: int) -> AsyncIterator[tuple[Any, ...]]:
        """All rows in order, as far as a person confirms them, just as they are stored."""
        query = (
            f"SELECT {_CONFIRMED} FROM import_row WHERE account = %(account)s AND plan = %(plan)s "
            f'AND "row" > %(after)s ORDER BY "row" LIMIT {_AT_ONCE}'
        )
        after = 0
        while found := await self._fetch(query, plan=plan, after=after):
            for row in found:
                yield tuple(row.values())
            after = found[-1]["row"]

    async def states(self, plan: int) -> dict[str, int]:
        """State -> rows in it."""
        query = (
            "SELECT state, count(*) AS n FROM import_row WHERE account = %(account)s AND plan = %(plan)s GROUP BY state"
        )
        return {row["state"]: row["n"] for row in await self._fetch(query, plan=plan)}

    async def aclose(self) -> None:
        """Nothing is to be closed: the connections belong to the process."""

    # The database

    async def _plans(self, where: str, **values: Any) -> list[StoredPlan]:
        rows = await self._fetch(f"{_SELECT_PLANS} AND {where}", patience=PATIENCE, **values)
        return [StoredPlan(**{name: row[name] for name in _PLAN_COLUMNS}) for row in rows]

    async def _fetch(self, query: str, *, patience: float = PATIENCE_FOR_MANY, **values: Any) -> list[Row]:
        values["account"] = await self._account.get()
        return await self._db.fetch(query, values, patience=patience, again=True)

    async def _write(self, plan: int, *updates: str, **values: Any) -> None:
        """Carry out these updates, whose WHERE is their end, all or none.

        Raises LeaseLost where the caller runs the plan and may have lost it.
        """
        account, name = await self._account.get(), lease_name("plan", str(plan))
        lease = self._leases.of_caller(account, name)
        values |= {"account": account, "plan": plan, **self._leases.proof([lease] if lease else [])}
        parts = [f"w{number} AS ({update} AND (SELECT is_so FROM held))" for number, update in enumerate(updates)]
        query = f"WITH {', '.join([HELD, *parts])} SELECT is_so FROM held"
        (answer,) = await self._db.fetch(query, values, patience=PATIENCE_FOR_MANY)
        if not answer["is_so"]:
            raise LeaseLost

    async def _execute(self, statement: str, **values: Any) -> int:
        values["account"] = await self._account.get()
        return await self._db.execute(statement, values, patience=PATIENCE_FOR_MANY)

    async def _purge(self) -> None:
        now = ticks()
        if now - self._purged >= _PURGE_EVERY:
            self._purged = now
            await self._execute(_PURGE)


def _column(name: str, value: Any) -> Any:
    if name in _JSON:
        return _json(value)
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def _plan_column(name: str, value: Any) -> Any:
    if name in _PLAN_JSON:
        return _json(value)
    return bool(value) if name == "asked" else value


def _json(value: Any) -> str:
    return json_text(value) if value != {} else "{}"
