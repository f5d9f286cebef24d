"""The changes that the servers of a deployment made: `state/journal.py` with the same answers, in PostgreSQL.

1. A change is begun by one statement. It checks that the caller still holds its leases and that nobody else used its
   confirmation, and writes the entry.
2. An outcome is written under a fence, the number of the holder of the contact's or phone's lease. An entry whose lease
   went to somebody else since takes no outcome from the holder before. It is looked up later.
3. A caller without the lease, who found an outcome by looking, may write it while nobody holds the lease.
4. Ages are by PostgreSQL's clock: `Entry.at` is when the entry was begun. `Entry.uptime` is when a copy of its request
   was last given up, in Unix seconds.
5. Entries older than 30 days go, some hundred at a time. So do used confirmations and leases after a day.
6. Nothing of another account is ever told, and `forget` deletes only the changes of this one.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence, Sized
from dataclasses import replace
from functools import partial
from typing import Any

from contacts_mcp.errors import AccountError, Refused
from contacts_mcp.state.account import Account
from contacts_mcp.state.acting import who
from contacts_mcp.state.journal import IN_FLIGHT, KEEP, KEEP_TOKENS, LONGEST_CALL, Entry
from contacts_mcp.state.postgres.accounts import AccountNumber
from contacts_mcp.state.postgres.clock import NOW, ticks
from contacts_mcp.state.postgres.database import PATIENCE, PATIENCE_FOR_MANY, DatabaseAway, SharedDatabase
from contacts_mcp.state.postgres.leases import HELD, Lease, LeaseLost, Leases
from contacts_mcp.state.postgres.locks import lease_name
from contacts_mcp.state.postgres.owed import Owed

_PURGE_EVERY = 3600.0  # seconds
_PURGED_AT_ONCE = 500
_MANY = 50  # entries of one statement
_KEPT_FENCES = 10_000
_OWED_FOR = 600.0  # seconds: longer than a failover of PostgreSQL

_log = logging.getLogger(__name__)

_JSON = ("before", "wanted", "after", "record")
_TEXTS = ("consent", "token", "updated_before", "updated_after", "merge", "who")
_RENAMED = {"change_id": "id", "uptime": "sent"}
_SELECTED = ", ".join(
    f"{_RENAMED[name]} AS {name}" if name in _RENAMED else name for name in Entry.__dataclass_fields__
)
_READ = f"SELECT {_SELECTED}, {NOW} AS clock FROM journal WHERE account = %(account)s AND"
_OPEN = "(state IN ('begun', 'unknown') OR unanswered)"  # as the index has it
_YOUNG = f"abs({NOW} - sent) < %(within)s"

# The columns that a new entry brings along. The database adds the moment, and the fence where there is no lease.
_BEGUN: dict[str, str] = {
    "action": "text",
    "contact_id": "bigint",
    "before": "json",
    "wanted": "json",
    "after": "json",
    "rev_before": "bigint",
    "rev_after": "bigint",
    "consent": "text",
    "undoes": "bigint",
    "undone_by": "bigint",
    "record": "json",
    "token": "text",
    "updated_before": "text",
    "updated_after": "text",
    "unanswered": "boolean",
    "merge": "text",
    "looked": "double precision",
    "parent": "bigint",
    "who": "text",
    "phone_before": "text",
    "phone_wanted": "text",
    "by_probe": "boolean",
    "lock": "text",
    "fence": "bigint",
}
_ENDED: dict[str, str] = {
    "id": "bigint",
    "lock": "text",
    "fence": "bigint",
    "state": "text",
    "contact_id": "bigint",
    "after": "json",
    "rev_after": "bigint",
    "updated_after": "text",
    "unanswered": "boolean",
    "sent": "double precision",
    "looked": "double precision",
    "undoes": "bigint",
}
_OUTCOME = ("state", "contact_id", "after", "rev_after", "updated_after", "unanswered", "sent", "looked")


def _table(columns: Mapping[str, str]) -> str:
    """SQL: the rows that are passed as one JSON array, and the number of each. One value is quicker than many arrays.

    JSON comes as text inside of it, because a NUL in there cannot be taken apart.
    """
    named = ", ".join(f"{name} {'text' if kind == 'json' else kind}" for name, kind in columns.items())
    return f"ROWS FROM (json_to_recordset(%(rows)s::json) AS ({named})) WITH ORDINALITY AS n ({', '.join(columns)}, nr)"


def _values(columns: Mapping[str, str]) -> str:
    return ", ".join(f"n.{name}{'::json' if kind == 'json' else ''}" for name, kind in columns.items())


_BEGIN = f"""
    WITH {HELD}, live AS (
        SELECT held.is_so FROM held, account WHERE account.id = %(account)s AND account.merged_into IS NULL
    ), spent AS (
        INSERT INTO used_token AS t (account, digest, spender)
        SELECT %(account)s, digest, %(owner)s FROM unnest(%(tokens)s::text[]) AS digest, live WHERE live.is_so
        ON CONFLICT (account, digest) DO UPDATE SET spender = t.spender WHERE t.spender = excluded.spender
        RETURNING 1
    ), allowed AS (
        SELECT live.is_so AND (SELECT count(*) FROM spent) = cardinality(%(tokens)s::text[]) AS is_so FROM live
    ), line AS (
        INSERT INTO journal (account, at, sent, state, {", ".join(_BEGUN)})
        SELECT %(account)s, moment.now, moment.now, 'begun',
            {_values(_BEGUN).replace("n.fence", "coalesce(n.fence, nextval('fence'))")}
        FROM {_table(_BEGUN)}, (SELECT {NOW} AS now) AS moment, allowed WHERE allowed.is_so
        ORDER BY n.nr
        RETURNING id, at, fence
    )
    SELECT {NOW} AS clock, (SELECT is_so FROM live) AS is_held, (SELECT is_so FROM allowed) AS is_allowed,
        id, at, fence
    FROM (SELECT 1) AS one LEFT JOIN line ON true ORDER BY id
"""
_CONCLUDE = f"""
    WITH new AS MATERIALIZED (
        SELECT n.*, lease.fence AS newest, lease.owner IS NOT NULL AND lease.until > clock_timestamp() AS is_held
        FROM {_table(_ENDED)} LEFT JOIN lease
            ON lease.account = %(account)s AND lease.name = n.lock AND lease.name = ANY(%(locks)s::text[])
    ), ended AS (
        UPDATE journal AS j SET fence = coalesce(new.fence, nextval('fence')),
            {", ".join(f"{name} = new.{name}{'::json' if name == 'after' else ''}" for name in _OUTCOME)}
        FROM new WHERE j.account = %(account)s AND j.id = new.id AND j.id = ANY(%(ids)s::bigint[])
            AND CASE WHEN new.fence IS NULL THEN NOT coalesce(new.is_held, false)
            ELSE j.fence <= new.fence AND coalesce(new.newest, 0) <= new.fence END
        RETURNING j.id, j.state, new.undoes
    )
"""
_CONCLUDED = f"SELECT id, {NOW} AS clock FROM ended"
# An undo that is itself taken back no longer stands against undoing its change.
_UNDONE = """
    , undone AS (
        UPDATE journal AS j SET undone_by = ended.id FROM ended
        WHERE ended.state = 'done' AND j.account = %(account)s AND j.id = ended.undoes
        RETURNING j.undoes
    ), again AS (
        UPDATE journal AS j SET undone_by = NULL FROM undone
        WHERE j.account = %(account)s AND j.id = undone.undoes
    )
"""
_NOT_SENT = """
    UPDATE journal SET state = 'not_done'
    WHERE account = %(account)s AND state = 'begun' AND fence = ANY(%(fences)s) AND NOT id = ANY(%(known)s)
"""
_SPEND = """
    INSERT INTO used_token (account, digest, spender) VALUES (%(account)s, %(digest)s, %(owner)s)
    ON CONFLICT DO NOTHING
"""
_PURGES = (
    f"""
    DELETE FROM journal WHERE account = %(account)s AND at < {NOW} - {KEEP} AND id IN (
        SELECT id FROM journal WHERE account = %(account)s ORDER BY id LIMIT {_PURGED_AT_ONCE}
    )
    """,
    f"""
    DELETE FROM used_token WHERE account = %(account)s AND at < clock_timestamp() - make_interval(secs => {KEEP_TOKENS})
    """,
    f"""
    DELETE FROM lease WHERE account = %(account)s
    AND greatest(until, written) < clock_timestamp() - make_interval(secs => {KEEP_TOKENS})
    """,
)


class PostgresJournal:
    """The changes of one account, in the shared database. Raises DatabaseAway, AccountError where it cannot be used."""

    def __init__(self, db: SharedDatabase, account: Account | str) -> None:
        self._db = db
        self._account = AccountNumber.of(db, account)
        self._leases = Leases.of(db)
        self._owed = Owed.of(db)
        self._purged = float("-inf")
        self._fences: dict[int, int] = {}  # of the changes that were begun here and have no outcome yet

    # Writing down

    async def begin(self, entry: Entry) -> Entry:
        """Write `entry` down before anything is sent. Returns it with its id."""
        (begun,) = await self.begin_all([entry])
        return begun

    async def begin_all(self, entries: Sequence[Entry]) -> list[Entry]:
        """Write several down before any of them is sent, all or none. Returns them with their ids.

        Raises LeaseLost where the caller may no longer hold the contacts and phones, and Refused where somebody else
        used the confirmation.
        """
        if not entries:
            return []
        self._purge_later()
        entries = [replace(entry, state="begun", who=entry.who or who.get()) for entry in entries]
        for _ in range(2):
            account = await self._account.get()
            held = self._held_for(account, entries)
            values = self._to_begin(account, entries, held)
            try:
                rows = await self._db.fetch(_BEGIN, values, patience=_patience(entries))
            except DatabaseAway:  # they may be there all the same
                self._owe("begun", *values["lease_fences"], pay=partial(self._call_not_sent, [*held.values()]))
                raise
            if rows[0]["is_held"] is not None:
                break
            self._account.forget()  # it was merged into another one
        if not rows[0]["is_held"]:
            raise LeaseLost
        if not rows[0]["is_allowed"]:
            raise Refused("Nothing was sent: the confirm_token was used already.", kind="token_refused")
        begun = [
            replace(entry, change_id=row["id"], at=row["at"], uptime=row["at"])
            for entry, row in zip(entries, rows, strict=True)
        ]
        self._fences.update({row["id"]: row["fence"] for row in rows})
        for old in [*self._fences][:-_KEPT_FENCES]:
            del self._fences[old]
        return begun

    async def _call_not_sent(self, held: Sequence[Lease]) -> None:
        """Close the entries that were begun without an answer, under leases that nobody else had before or since.

        The leases end first. Else a server that stood still could write such an entry after this.
        """
        await self._leases.end(held)
        fences = [lease.fence for lease in held]
        values = {"account": await self._account.get(), "fences": fences, "known": [*self._fences]}
        await self._db.execute(_NOT_SENT, values, again=True)

    def _owe(self, *key: object, pay: Callable[[], Awaitable[object]]) -> None:
        self._owed.add(key, pay, until=ticks() + _OWED_FOR)

    def _held_for(self, account: int, entries: Sequence[Entry]) -> dict[str, Lease]:
        return {
            name: lease
            for entry in entries
            for name in _locks_of(entry)
            if (lease := self._leases.of_caller(account, name))
        }

    def _to_begin(self, account: int, entries: Sequence[Entry], held: Mapping[str, Lease]) -> dict[str, Any]:
        rows = [
            {name: _column(entry, name) for name in _BEGUN.keys() & _ENTRY_COLUMNS}
            | {"phone_before": _phone_in(entry.before), "phone_wanted": _phone_in(entry.wanted)}
            | {"by_probe": entry.record.get("probe") is not None, "lock": (lock := _lock_of(entry))}
            | {"fence": held[lock].fence if lock in held else None}
            for entry in entries
        ]
        return {
            "account": account,
            "rows": json.dumps(rows),
            "tokens": sorted({_text(entry.token) for entry in entries if entry.token}),
            **self._leases.proof(held.values()),
        }

    async def finish(self, entry: Entry) -> bool:
        """Write down how it came out, and on the change it took back that it did. Answers whether that worked.

        Never fails, because the request is out. Where PostgreSQL is away, the outcome is written once it is back.
        An entry that cannot be completed is looked up later. That is so, too, where somebody else took over the
        contact.
        """
        return await self.finish_all([entry])

    async def finish_all(self, entries: Sequence[Entry]) -> bool:
        """As `finish`, for several at once."""
        if not entries:
            return True
        try:
            ended = await self._ended(entries)
        except AccountError:
            ended = set()
        left = [str(entry.change_id) for entry in entries if entry.change_id not in ended]
        if left:
            ids = ", ".join(left[:3])
            _log.warning("how change %s came out could not be written down now; it will be, or is looked up", ids)
        return not left

    async def _ended(self, entries: Sequence[Entry]) -> set[int]:
        """Write the outcomes down. Returns the ids of those that were taken."""
        await self._owed.forget(("change", entry.change_id) for entry in entries)
        rows = self._to_end(await self._account.get(), entries)
        try:
            return await self._write_ends(rows)
        except DatabaseAway:
            for row in rows:
                if row["fence"] is not None:  # else nobody could tell whether somebody found out more meanwhile
                    self._owe("change", row["id"], pay=partial(self._write_ends, [row]))
            raise

    async def _write_ends(self, rows: Sequence[dict[str, Any]]) -> set[int]:
        values = {
            "account": await self._account.get(),
            "rows": json.dumps(rows),
            "ids": [row["id"] for row in rows],  # said twice, because the planner cannot guess how few rows there are
            "locks": [row["lock"] for row in rows],
        }
        is_undo = any(row["undoes"] and row["state"] == "done" for row in rows)
        query = f"{_CONCLUDE} {_UNDONE if is_undo else ''} {_CONCLUDED}"
        ended = {row["id"] for row in await self._db.fetch(query, values, patience=_patience(rows))}
        for row in rows:
            is_over = row["state"] in ("done", "not_done") and not row["unanswered"]
            if row["id"] in ended and is_over:
                self._fences.pop(row["id"], None)
        return ended

    def _to_end(self, account: int, entries: Sequence[Entry]) -> list[dict[str, Any]]:
        rows = []
        for entry in entries:
            lock = _lock_of(entry)
            lease = self._leases.of_caller(account, lock)
            fence = lease.fence if lease else self._fences.get(entry.change_id)
            own = {"id": entry.change_id, "lock": lock, "fence": fence, "sent": entry.uptime, "undoes": entry.undoes}
            rows.append({name: own[name] if name in own else _column(entry, name) for name in _ENDED})
        return rows

    def given_up(self, entry: Entry) -> Entry:
        """`entry` with a copy of its request left unanswered just now."""
        return replace(entry, unanswered=True, uptime=round(self._db.clock.latest, 6))

    async def looked_at(self, entry: Entry) -> None:
        """Write down what looking at an unfinished entry told."""
        await self.finish(replace(entry, looked=0.0 if self.may_still_arrive(entry) else self._db.clock.latest))

    async def spend_token(self, digest: str) -> bool:
        """Use a confirmation up, in all processes at once. False where it was used up before."""
        self._purge_later()
        values = {"account": await self._account.get(), "digest": _text(digest), "owner": self._leases.owner}
        return await self._db.execute(_SPEND, values) > 0

    # What was done

    async def get(self, change_id: int) -> Entry | None:
        return _first(await self._select("id = %(id)s", id=change_id))

    async def entries(
        self, *, contact_id: int | None = None, before: int | None = None, limit: int = 25
    ) -> list[Entry]:
        """The newest entries first. `before` is the id to go on below.

        The parts of an import are given only where a contact is asked for.
        """
        self._purge_later()
        tests = ["parent IS NULL" if contact_id is None else "contact_id = %(contact_id)s"]
        tests += ["id < %(before)s"] if before is not None else []
        query = f"{_READ} {' AND '.join(tests)} ORDER BY id DESC LIMIT %(limit)s"
        return await self._read(query, contact_id=contact_id, before=before, limit=limit)

    async def parts_of(self, change_id: int, *, after: int = 0, limit: int = 1_000) -> list[Entry]:
        """The changes below an import, oldest first. `after` is the id to go on above."""
        query = f"{_READ} parent = %(parent)s AND id > %(after)s ORDER BY id LIMIT %(limit)s"
        return await self._read(query, parent=change_id, after=after, limit=limit)

    async def by_token(self, digest: str) -> Entry | None:
        """The change that a confirmation allowed."""
        where = "token = %(token)s AND token <> '' AND state <> 'not_done'"
        return _first(await self._select(where, token=_text(digest)))

    async def of_merge(self, merge: str) -> list[Entry]:
        """The changes of one merge that were carried out or may have been, oldest first."""
        if not merge:
            return []
        return await self._select("merge = %(merge)s AND merge <> '' AND state <> 'not_done'", merge=_text(merge))

    async def made_by_probe(self) -> list[Entry]:
        """The creations of a probe that may have left a contact behind, oldest first."""
        return await self._select(
            "by_probe AND action = 'create' AND state <> 'not_done' AND (contact_id IS NULL OR NOT EXISTS ("
            "SELECT 1 FROM journal AS gone WHERE gone.account = %(account)s AND gone.contact_id = journal.contact_id "
            "AND gone.action = 'delete' AND gone.state = 'done'))"
        )

    async def creation_of(self, contact_id: int) -> Entry | None:
        """The change that is known to have created that contact."""
        return _first(await self._of_contact(contact_id, "action = 'create' AND state = 'done'"))

    async def deleted(self, contact_id: int) -> Entry | None:
        """The change that is known to have deleted that contact. The service gives no id out twice."""
        return _first(await self._of_contact(contact_id, "action = 'delete' AND state = 'done'"))

    async def last_after(self, contact_id: int) -> Entry | None:
        """The newest change of that contact that was seen done. Its `after` is the newest state that is known."""
        query = (
            f"{_READ} contact_id = %(contact_id)s AND action <> 'delete' AND state = 'done' ORDER BY id DESC LIMIT 1"
        )
        return _first(await self._read(query, contact_id=contact_id))

    async def next_after(self, entry: Entry) -> Entry | None:
        """The next change of the same contact. It began with a look: its before-image is the state after `entry`."""
        query = f"{_READ} contact_id = %(contact_id)s AND id > %(after)s AND action <> 'create' ORDER BY id LIMIT 1"
        return _first(await self._read(query, contact_id=entry.contact_id, after=entry.change_id))

    async def departures_from(self, phone: str, *, after: int = 0) -> list[Entry]:
        """The changes that may have taken that phone away from its contact (deletions, new numbers), oldest first.

        `after` is the id to start above.
        """
        where = (
            "id > %(after)s AND action <> 'create' AND state <> 'not_done' "
            "AND phone_before = %(phone)s AND phone_wanted IS DISTINCT FROM phone_before"
        )
        return await self._select(where, after=after, phone=_text(phone))

    async def about_phone(self, phone: str) -> list[Entry]:
        """The changes of contacts that had that phone before or were to have it after, oldest first.

        Changes that were not carried out are left out.
        """
        where = "(phone_before = %(phone)s OR phone_wanted = %(phone)s) AND state <> 'not_done'"
        return await self._select(where, phone=_text(phone))

    async def known_phones(self, phones: Sequence[str]) -> set[str]:
        """Those of `phones` that a change was about, at most some hundred at once."""
        if not phones:
            return set()
        query = " UNION ".join(
            f"SELECT {column} AS phone FROM journal WHERE account = %(account)s AND {column} = ANY(%(phones)s)"
            for column in ("phone_before", "phone_wanted")
        )
        return {row["phone"] for row in await self._rows(query, phones=[*map(_text, phones)])}

    async def known_contacts(self, contact_ids: Sequence[int]) -> set[int]:
        """Those of the contacts that a change was about, at most some hundred at once."""
        if not contact_ids:
            return set()
        of_them = "account = %(account)s AND contact_id = ANY(%(ids)s::bigint[])"
        query = f"SELECT DISTINCT contact_id FROM journal WHERE {of_them}"
        return {row["contact_id"] for row in await self._rows(query, ids=[*contact_ids])}

    async def own_phones(self, *, after: int, limit: int) -> dict[int, str]:
        """Id -> phone, by our last change, of contacts that we wrote, by ids above `after`. "" for deleted ones."""
        query = (
            "SELECT DISTINCT ON (contact_id) contact_id, phone_wanted FROM journal WHERE account = %(account)s "
            "AND state = 'done' AND contact_id > %(after)s ORDER BY contact_id, id DESC LIMIT %(limit)s"
        )
        rows = await self._rows(query, after=after, limit=limit)
        return {row["contact_id"]: row["phone_wanted"] or "" for row in rows}

    async def phone_given_out(self, phone: str, within: float = IN_FLIGHT) -> list[Entry]:
        """The changes of the last `within` seconds that gave a contact that phone, or may have, oldest first."""
        where = (
            "phone_wanted = %(phone)s AND phone_before IS DISTINCT FROM phone_wanted "
            f"AND state <> 'not_done' AND {_YOUNG}"
        )
        return await self._select(where, phone=_text(phone), within=float(within))

    async def rev_written(self, contact_id: int) -> int:
        """The highest `rev` of that contact that is known. A read with a lower one is behind, because `rev` only grows.

        A change of unknown outcome counts for a minute: the reply that named its `rev` may have been wrong.
        """
        query = (
            "SELECT coalesce(max(rev_after), 0) AS rev FROM journal WHERE account = %(account)s "
            f"AND contact_id = %(contact_id)s AND (state = 'done' OR state <> 'not_done' AND {_YOUNG})"
        )
        (row,) = await self._rows(query, contact_id=contact_id, within=IN_FLIGHT)
        return int(row["rev"])

    async def recent(self, limit: int = 25) -> list[Entry]:
        """The changes of the last minute, newest first, among the last `limit`. [] where they cannot be had.

        It is for those who only read, which works without the database.
        """
        last = f"{_READ} true ORDER BY id DESC LIMIT %(limit)s"
        try:
            entries = await self._read(last, limit=limit)
        except AccountError:
            return []
        return [entry for entry in entries if self.may_still_arrive(entry)]

    # What is not known yet

    async def unfinished(self) -> list[Entry]:
        """The entries that looking may still settle, oldest first.

        Some were begun and never completed: they are being made, or their process died. The outcome of others is
        unknown, and they were not looked up since their request could arrive for the last time.
        """
        return await self._select(
            f"{_OPEN} AND action <> 'import' AND (state = 'begun' OR state = 'unknown' AND looked = 0)"
        )

    async def open_runs(self) -> list[Entry]:
        """The changes of whole runs that were begun and not completed, oldest first."""
        return await self._select(f"{_OPEN} AND action = 'import' AND state = 'begun'")

    async def arriving(self, contact_id: int | None, *phones: str) -> list[Entry]:
        """The entries about that contact, or about one of `phones`, whose request may still arrive, oldest first.

        An entry is about a phone that the contact had before it, and about the one that it asks for.
        """
        with_phone = " OR ".join(f"{column} = ANY(%(phones)s)" for column in ("phone_before", "phone_wanted"))
        # The few open ones first: by contact and phones the planner may read all that there ever was about them.
        ours = f"WITH journal AS MATERIALIZED (SELECT * FROM journal WHERE account = %(account)s AND {_OPEN})"
        query = f"{ours} {_READ} (contact_id = %(contact_id)s::bigint OR {with_phone}) AND {_YOUNG} ORDER BY id"
        return await self._read(query, contact_id=contact_id, phones=[*map(_text, phones)], within=IN_FLIGHT)

    def may_still_arrive(self, entry: Entry) -> bool:
        """Whether the request of `entry` may be on its way, so that not seeing its effect proves nothing yet."""
        return self.seconds_left(entry) > 0

    def seconds_left(self, entry: Entry) -> float:
        """How long the request of `entry` may still be on its way. At 0 it cannot arrive any more."""
        since = entry.at if entry.uptime is None else entry.uptime
        return max(0.0, IN_FLIGHT - abs(self._db.clock.earliest - since))

    def seconds_since(self, at: float) -> float:
        """The distance of a time of day from now, whichever side it is on."""
        return abs(self._db.clock.earliest - at)

    async def forget(self) -> int:
        """Delete every change of this account. Returns how many there were.

        Changes that another server is making are kept, and those whose request may still arrive. The next change of
        the same contact has to wait for them.
        """
        made = f"state = 'begun' AND abs({NOW} - sent) < {LONGEST_CALL}"
        kept = f"{made} OR (state = 'unknown' OR unanswered) AND {_YOUNG}"
        return await self._execute(
            f"DELETE FROM journal WHERE account = %(account)s AND NOT ({kept})", within=IN_FLIGHT
        )

    async def forget_own(self) -> None:
        """Delete every change of this account, whatever is on its way: the account itself is no more."""
        await self._execute("DELETE FROM journal WHERE account = %(account)s")

    async def aclose(self) -> None:
        """Nothing is to be closed: the connections belong to the process."""

    # The database

    async def _of_contact(self, contact_id: int, where: str) -> list[Entry]:
        return await self._select(f"contact_id = %(contact_id)s AND {where}", contact_id=contact_id)

    async def _select(self, where: str, **values: Any) -> list[Entry]:
        return await self._read(f"{_READ} {where} ORDER BY id", **values)

    async def _read(self, query: str, **values: Any) -> list[Entry]:
        return [_entry(row) for row in await self._rows(query, **values)]

    async def _rows(self, query: str, **values: Any) -> list[dict[str, Any]]:
        return await self._db.fetch(query, values | {"account": await self._account.get()}, again=True)

    async def _execute(self, statement: str, **values: Any) -> int:
        account = await self._account.get()
        return await self._db.execute(statement, values | {"account": account}, patience=PATIENCE_FOR_MANY)

    def _purge_later(self) -> None:
        """Remove what is too old, beside the calls."""
        now = ticks()
        if now - self._purged >= _PURGE_EVERY:
            self._purged = now
            self._db.later(self.purge())

    async def purge(self) -> None:
        """Remove entries after 30 days, and used confirmations and free leases after one. Raises AccountError."""
        entries, *others = _PURGES
        while await self._execute(entries) == _PURGED_AT_ONCE:
            pass
        for statement in others:
            await self._execute(statement)


_ENTRY_COLUMNS = frozenset(Entry.__dataclass_fields__)


def _column(entry: Entry, name: str) -> Any:
    value = getattr(entry, name)
    if name in _JSON:
        return json.dumps(value)  # in ASCII, because the database takes no half character
    return _text(value) if name in _TEXTS else value


def _entry(row: dict[str, Any]) -> Entry:
    return Entry(**{name: row[name] for name in Entry.__dataclass_fields__})


def _text(value: str) -> str:
    """`value` as a text column takes it. The NUL character and half characters are replaced."""
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def _phone_in(values: Mapping[str, Any]) -> str | None:
    phone = values.get("phone")
    return None if phone is None else _text(str(phone))


def _lock_of(entry: Entry) -> str:
    """The name of the lease whose holder alone writes about the entry. A run has none."""
    if entry.action == "import":
        return ""
    if entry.action == "create" or entry.contact_id is None:
        return lease_name("phone", str(entry.wanted.get("phone", "")))
    return lease_name("contact", str(entry.contact_id))


def _locks_of(entry: Entry) -> list[str]:
    """The names of all leases that the writer of the entry may hold."""
    phones = [str(values["phone"]) for values in (entry.before, entry.wanted) if values.get("phone")]
    return [_lock_of(entry), *(lease_name("phone", phone) for phone in phones)]


def _first(entries: Sequence[Entry]) -> Entry | None:
    return next(iter(entries), None)


def _patience(written: Sized) -> float:
    return PATIENCE if len(written) <= _MANY else PATIENCE_FOR_MANY
