"""The changes that this server made: a before-image of each, for telling and for taking back.

- An entry is written before the request is sent (`begun`) and completed after (`done`, `not_done` or `unknown`).
  A process that dies in between leaves an entry whose outcome a look can find out.
- The journal is one SQLite file in the data directory, for its owner only, shared by all servers of the machine.
- It is opened when it is first needed, because reading contacts must work without it.
- A server whose file was deleted writes a new one, because nobody keeps a deleted file. It writes down again its own
  changes whose request may still arrive, and the confirmations that it used up.
- A file that cannot be read is set aside under another name, and the caller is told.
- Ages of a minute are measured by the uptime of the machine (`uptime.py`), because a time of day can be set.
- Entries older than 30 days go, once the machine has run for a day since it saw that time of day (`_purge`).
- An import is one entry without values, and its contacts are entries below it. All questions about contacts and
  phones see those like any other.
- The journal holds personal data, because nothing could be restored without. No other file of the server does.
"""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field, replace
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeVar

from filelock import FileLock, Timeout

from contacts_mcp.errors import AccountError
from contacts_mcp.models import Values
from contacts_mcp.state.account import Account
from contacts_mcp.state.acting import who
from contacts_mcp.state.database import (
    Identity,
    code_of,
    identity,
    is_spoilt,
    opened,
    steps_of,
    transaction,
    version_of,
)
from contacts_mcp.state.uptime import passed, uptime

KEEP = 30 * 24 * 3600.0
KEEP_TOKENS = 24 * 3600.0
IN_FLIGHT = 60.0  # seconds in which a request that nobody waits for any more may still be carried out
RUN_FIRST = 24 * 3600.0  # seconds that the machine must have run since a time of day before it counts as right
LONGEST_CALL = 3600.0  # seconds for which a change that was begun may be in somebody's hands
_PURGE_EVERY = 3600.0
_PATIENCE = 1.0  # seconds for another server's write, which takes a few thousandths; nothing else goes on meanwhile
_SCHEMA = "journal.sql"
_NEWER = (
    "Nothing was changed: the journal that makes changes undoable was written by a newer contacts-mcp. "
    "The owner of this machine can update this one, set CONTACTS_MCP_DATA_DIR to another place, "
    "or give up undo with CONTACTS_MCP_JOURNAL=off."
)

_log = logging.getLogger(__name__)

Result = TypeVar("Result")
Action = Literal["create", "update", "delete", "import"]
State = Literal["begun", "done", "not_done", "unknown"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One change."""

    action: Action
    before: Values
    wanted: Values
    contact_id: int | None = None
    after: Values = field(default_factory=dict)
    state: State = "begun"
    rev_before: int = 0
    rev_after: int = 0
    consent: str = ""
    undoes: int | None = None
    undone_by: int | None = None
    record: dict[str, Any] = field(default_factory=dict)
    token: str = ""
    updated_before: str = ""  # as the service wrote it
    updated_after: str = ""
    unanswered: bool = False  # one of its requests got no answer, and may arrive whatever came of the others
    merge: str = ""  # the name that the changes of one merge share, "" for any other change
    looked: float = 0.0  # when an unfinished one was looked up after its request could no longer arrive
    parent: int | None = None  # the import that it is a part of
    who: str = ""  # the person on whose behalf it was made, where that is known
    change_id: int = 0  # 0 until it is written
    at: float = 0.0  # Unix seconds
    uptime: float | None = None  # of the machine at that moment; None in entries of the first version


class JournalSetAside(AccountError):
    """The journal's file could not be read. It was given another name, and the next call begins a new one."""


_TABLES = ("before", "wanted", "after", "record")
_COLUMNS = tuple(name for name in Entry.__dataclass_fields__ if name != "change_id")
_OUTCOME = ("state", "contact_id", "after", "rev_after", "updated_after", "unanswered", "uptime", "looked")
# As the indexes have them, or SQLite would not use those.
_OPEN = "(state IN ('begun', 'unknown') OR unanswered)"
_FROM_PHONE, _TO_PHONE = "json_extract(before, '$.phone')", "json_extract(wanted, '$.phone')"


class Journal:
    """The changes of one account. Without a `path` they are in memory, for as long as the server runs.

    Raises AccountError where it cannot be used.
    """

    def __init__(
        self,
        path: Path | None,
        account: Account | str,
        *,
        tokens: Path | None = None,
        clock: Callable[[], float] = time.time,
        uptime: Callable[[], float] = uptime,
    ) -> None:
        """`tokens` is a file of its own for used confirmations, which servers without a journal must share, too."""
        self._path = path
        self._account = Account.of(account)
        self._tokens = Journal(tokens, account, clock=clock, uptime=uptime) if tokens else None
        self._clock = clock
        self._uptime = uptime
        self._purged = float("-inf")
        self._db: sqlite3.Connection | None = None
        self._identity: Identity | None = None
        self._starts_apart = path is None
        self._failed: tuple[float, Exception] | None = None  # the last failure to open it, and when
        self._untold: AccountError | None = None
        self._out: dict[int, Entry] = {}  # changes from here whose request is, or may be, on its way
        self._spent: set[str] = set()  # the confirmations that were used up from here
        self._lost: set[int] = set()  # those of them that were being made when the file was deleted

    # Writing down

    async def begin(self, entry: Entry) -> Entry:
        """Write `entry` down before anything is sent. Returns it with its id."""
        (begun,) = await self.begin_all([entry])
        return begun

    async def begin_all(self, entries: Sequence[Entry]) -> list[Entry]:
        """Write several down before any of them is sent, all or none. Returns them with their ids."""
        self._purge()
        at, running = self._clock(), self._uptime()
        person = who.get()
        begun = [replace(entry, at=at, uptime=running, state="begun", who=entry.who or person) for entry in entries]
        ids = self._done(lambda db: self._inserted(db, begun))
        begun = [replace(entry, change_id=number) for entry, number in zip(begun, ids, strict=True)]
        still = {number: out for number, out in self._out.items() if self._is_out(out)}
        self._out = still | {entry.change_id: entry for entry in begun}
        return begun

    def _inserted(self, db: sqlite3.Connection, entries: Sequence[Entry]) -> list[int]:
        with transaction(db):
            account = self._account.name
            rows = ([account, *(_column(entry, name) for name in _COLUMNS)] for entry in entries)
            return [db.execute(_INSERT, row).lastrowid or 0 for row in rows]

    async def finish(self, entry: Entry) -> bool:
        """Write down how it came out, and on the change it took back that it did. Answers whether that worked.

        Never fails, because the request is out. An entry that cannot be completed is looked up later.
        """
        return await self.finish_all([entry])

    async def finish_all(self, entries: Sequence[Entry]) -> bool:
        """As `finish`, for several at once."""
        try:
            self._done(lambda db: self._completed(db, entries))
        except AccountError as error:
            self._untold = error if isinstance(error, JournalSetAside) else None
            ids = ", ".join(str(entry.change_id) for entry in entries[:3])
            _log.warning("how change %s came out could not be written down; it will be looked up", ids)
            return False
        finally:  # not before: a file that was deleted meanwhile gets back those that are still being made
            self._out.update({entry.change_id: entry for entry in entries if entry.change_id in self._out})
        self._lost -= {entry.change_id for entry in entries}
        return True

    def _completed(self, db: sqlite3.Connection, entries: Sequence[Entry]) -> None:
        outcome = f"UPDATE changes SET {_ASSIGNED} WHERE change_id = ? AND at = ? AND {self._ours}"
        names = self._account.names
        with transaction(db):
            for entry in entries:
                if entry.change_id in self._lost:
                    self._write_again(db, entry)
                values = (_column(entry, name) for name in _OUTCOME)
                db.execute(outcome, (*values, entry.change_id, entry.at, *names))
                if entry.state == "done" and entry.undoes:
                    db.execute("UPDATE changes SET undone_by = ? WHERE change_id = ?", (entry.change_id, entry.undoes))
                    db.execute(_IN_FORCE_AGAIN, (entry.undoes,))

    def given_up(self, entry: Entry) -> Entry:
        """`entry` with a copy of its request left unanswered just now."""
        return replace(entry, unanswered=True, uptime=self._uptime())

    async def looked_at(self, entry: Entry) -> None:
        """Write down what looking at an unfinished entry told."""
        await self.finish(replace(entry, looked=0.0 if self.may_still_arrive(entry) else self._clock()))

    async def spend_token(self, digest: str) -> bool:
        """Use a confirmation up, in all processes at once. False where it was used up before."""
        if self._tokens:
            return await self._tokens.spend_token(digest)
        self._purge()
        is_fresh = self._execute(_SPEND, digest, self._clock()).rowcount > 0
        self._spent.add(digest)
        return is_fresh

    # What was done

    async def get(self, change_id: int) -> Entry | None:
        self._purge()
        return next(iter(self._select("change_id = ?", change_id)), None)

    async def entries(
        self, *, contact_id: int | None = None, before: int | None = None, limit: int = 25
    ) -> list[Entry]:
        """The newest entries first. `before` is the id to go on below.

        The parts of an import are given only where a contact is asked for.
        """
        self._purge()
        chosen = {"contact_id = ?": contact_id, "change_id < ?": before}
        given = {test: value for test, value in chosen.items() if value is not None}
        where = " AND ".join([self._ours, *given, *(["parent IS NULL"] if contact_id is None else [])])
        query = f"SELECT * FROM changes WHERE {where} ORDER BY change_id DESC LIMIT ?"
        return [_entry(row) for row in self._rows(query, *self._account.names, *given.values(), limit)]

    async def parts_of(self, change_id: int, *, after: int = 0, limit: int = 1_000) -> list[Entry]:
        """The changes below an import, oldest first. `after` is the id to go on above."""
        query = f"SELECT * FROM changes WHERE {self._ours} AND parent = ? AND change_id > ? ORDER BY change_id LIMIT ?"
        return [_entry(row) for row in self._rows(query, *self._account.names, change_id, after, limit)]

    async def by_token(self, digest: str) -> Entry | None:
        """The change that a confirmation allowed."""
        return next(iter(self._select("token = ? AND state <> 'not_done'", digest)), None)

    async def of_merge(self, merge: str) -> list[Entry]:
        """The changes of one merge that were carried out or may have been, oldest first."""
        return self._select("merge = ? AND state <> 'not_done'", merge) if merge else []

    async def made_by_probe(self) -> list[Entry]:
        """The creations of a probe that may have left a contact behind, oldest first."""
        gone = f"SELECT contact_id FROM changes WHERE {self._ours} AND action = 'delete' AND state = 'done'"
        where = (
            "action = 'create' AND state <> 'not_done' AND json_extract(record, '$.probe') IS NOT NULL "
            f"AND (contact_id IS NULL OR contact_id NOT IN ({gone}))"
        )
        return self._select(where, *self._account.names)

    async def creation_of(self, contact_id: int) -> Entry | None:
        """The change that is known to have created that contact."""
        return next(iter(self._select("contact_id = ? AND action = 'create' AND state = 'done'", contact_id)), None)

    async def deleted(self, contact_id: int) -> Entry | None:
        """The change that is known to have deleted that contact. The service gives no id out twice."""
        return next(iter(self._select("contact_id = ? AND action = 'delete' AND state = 'done'", contact_id)), None)

    async def last_after(self, contact_id: int) -> Entry | None:
        """The newest change of that contact that was seen done. Its `after` is the newest state that is known."""
        where = "contact_id = ? AND action <> 'delete' AND state = 'done'"
        return next(reversed(self._select(where, contact_id)), None)

    async def next_after(self, entry: Entry) -> Entry | None:
        """The next change of the same contact. It began with a look: its before-image is the state after `entry`."""
        where = "change_id > ? AND contact_id = ? AND action <> 'create'"
        return next(iter(self._select(where, entry.change_id, entry.contact_id)), None)

    async def departures_from(self, phone: str, *, after: int = 0) -> list[Entry]:
        """The changes that may have taken that phone away from its contact (deletions, new numbers), oldest first.

        `after` is the id to start above.
        """
        where = (
            f"change_id > ? AND action <> 'create' AND state <> 'not_done' "
            f"AND {_FROM_PHONE} = ? AND {_TO_PHONE} IS NOT {_FROM_PHONE}"
        )
        return self._select(where, after, phone)

    async def about_phone(self, phone: str) -> list[Entry]:
        """The changes of contacts that had that phone before or were to have it after, oldest first.

        Changes that were not carried out are left out.
        """
        ids = f"SELECT change_id FROM changes WHERE {self._ours} AND"
        either = f"change_id IN ({ids} {_FROM_PHONE} = ? UNION {ids} {_TO_PHONE} = ?)"  # an OR would read all of them
        names = self._account.names
        return self._select(f"{either} AND state <> 'not_done'", *names, phone, *names, phone)

    async def known_phones(self, phones: Sequence[str]) -> set[str]:
        """Those of `phones` that a change was about, at most some hundred at once."""
        if not phones:
            return set()
        marks = ", ".join("?" * len(phones))
        asked = [
            f"SELECT {phone} FROM changes WHERE {self._ours} AND {phone} IN ({marks})"
            for phone in (_FROM_PHONE, _TO_PHONE)
        ]
        names = self._account.names
        return {str(row[0]) for row in self._rows(" UNION ".join(asked), *names, *phones, *names, *phones)}

    async def known_contacts(self, contact_ids: Sequence[int]) -> set[int]:
        """Those of the contacts that a change was about, at most some hundred at once."""
        if not contact_ids:
            return set()
        marks = ", ".join("?" * len(contact_ids))
        query = f"SELECT DISTINCT contact_id FROM changes WHERE {self._ours} AND contact_id IN ({marks})"
        return {int(row[0]) for row in self._rows(query, *self._account.names, *contact_ids)}

    async def own_phones(self, *, after: int, limit: int) -> dict[int, str]:
        """Id -> phone, by our last change, of contacts that we wrote, by ids above `after`. "" for deleted ones."""
        query = (
            f"SELECT contact_id, {_TO_PHONE} AS phone, max(change_id) FROM changes WHERE {self._ours} "
            "AND state = 'done' AND contact_id > ? GROUP BY contact_id ORDER BY contact_id LIMIT ?"
        )
        return {row["contact_id"]: row["phone"] or "" for row in self._rows(query, *self._account.names, after, limit)}

    async def phone_given_out(self, phone: str, within: float = IN_FLIGHT) -> list[Entry]:
        """The changes of the last `within` seconds that gave a contact that phone, or may have, oldest first."""
        young, moments = self._younger_than(within)
        where = f"{_TO_PHONE} = ? AND {_FROM_PHONE} IS NOT {_TO_PHONE} AND state <> 'not_done' AND {young}"
        return self._select(where, phone, *moments)

    async def rev_written(self, contact_id: int) -> int:
        """The highest `rev` of that contact that is known. A read with a lower one is behind, because `rev` only grows.

        A change of unknown outcome counts for a minute: the reply that named its `rev` may have been wrong.
        """
        young, moments = self._younger_than(IN_FLIGHT)
        where = f"{self._ours} AND contact_id = ? AND (state = 'done' OR state <> 'not_done' AND {young})"
        query = f"SELECT max(rev_after) FROM changes WHERE {where}"
        (row,) = self._rows(query, *self._account.names, contact_id, *moments)
        return int(row[0] or 0)

    async def recent(self, limit: int = 25) -> list[Entry]:
        """The changes of the last minute, newest first, among the last `limit`. [] where they cannot be had at once.

        It is for those who only read. The file is neither made, mended nor waited for, and mostly not even opened.
        """
        if self._path is not None and not _was_written_lately(self._path):
            return []
        young, moments = self._younger_than(IN_FLIGHT)
        last = f"SELECT * FROM changes WHERE {self._ours} ORDER BY change_id DESC LIMIT ?"
        query, values = f"SELECT * FROM ({last}) WHERE {young}", (*self._account.names, limit, *moments)
        if self._path is None:
            return [_entry(row) for row in self._rows(query, *values)] if self._db else []
        try:
            with closing(sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True, timeout=0)) as db:
                db.row_factory = sqlite3.Row
                return [_entry(row) for row in db.execute(query, values)]
        except (OSError, sqlite3.Error, IndexError):  # the last of a file from before a column was there
            return []

    # What is not known yet

    async def unfinished(self) -> list[Entry]:
        """The entries that looking may still settle, oldest first.

        Some were begun and never completed: they are being made, or their process died. The outcome of others is
        unknown, and they were not looked up since their request could arrive for the last time.
        """
        try:
            return self._select(
                f"{_OPEN} AND action <> 'import' AND (state = 'begun' OR state = 'unknown' AND looked = 0)"
            )
        except JournalSetAside as told_to_nobody:  # whoever settles goes on without
            self._untold = told_to_nobody
            raise

    async def open_runs(self) -> list[Entry]:
        """The changes of whole runs that were begun and not completed, oldest first."""
        return self._select("action = 'import' AND state = 'begun'")

    async def arriving(self, contact_id: int | None, *phones: str) -> list[Entry]:
        """The entries about that contact, or about one of `phones`, whose request may still arrive, oldest first.

        An entry is about a phone that the contact had before it, and about the one that it asks for.
        """
        young, moments = self._younger_than(IN_FLIGHT)
        marks = ", ".join("?" * len(phones))
        about = f"(contact_id = ? OR {_FROM_PHONE} IN ({marks}) OR {_TO_PHONE} IN ({marks}))"
        where = f"{_OPEN} AND {about} AND {young}"
        return self._select(where, contact_id, *phones, *phones, *moments)

    def may_still_arrive(self, entry: Entry) -> bool:
        """Whether the request of `entry` may be on its way, so that not seeing its effect proves nothing yet."""
        return self.seconds_left(entry) > 0

    def seconds_left(self, entry: Entry) -> float:
        """How long the request of `entry` may still be on its way. At 0 it cannot arrive any more."""
        if entry.uptime is None:
            return max(0.0, IN_FLIGHT - abs(self._clock() - entry.at))
        return max(0.0, IN_FLIGHT - passed(entry.uptime, self._uptime()))

    def seconds_since(self, at: float) -> float:
        """The distance of a time of day from now, whichever side it is on."""
        return abs(self._clock() - at)

    async def forget(self) -> int:
        """Delete every change of every account, down to its bytes. Returns how many there were.

        Changes that another server is making are kept, and those whose request may still arrive. The next change of
        the same contact has to wait for them.
        """
        made, its_moments = self._younger_than(LONGEST_CALL)
        young, moments = self._younger_than(IN_FLIGHT)
        kept = f"state = 'begun' AND {made} OR (state = 'unknown' OR unanswered) AND {young}"
        query = f"DELETE FROM changes WHERE NOT ({kept})"
        count = self._execute(query, *its_moments, *moments).rowcount
        self._execute("VACUUM")
        self._execute("PRAGMA wal_checkpoint(TRUNCATE)")  # while a server has the file open, closing it does not
        return count

    async def forget_own(self) -> None:
        """Delete every change of this account, whatever is on its way: the account itself is no more."""
        self._out.clear()
        self._execute(f"DELETE FROM changes WHERE {self._ours}", *self._account.names)

    async def aclose(self) -> None:
        """Close the file. It is opened again when it is needed."""
        if self._tokens:
            await self._tokens.aclose()
        self._close()

    def _close(self) -> None:
        if self._db:
            self._db.close()
            self._db = None

    # The file

    def _younger_than(self, seconds: float) -> tuple[str, tuple[float, ...]]:
        """The condition that an entry was begun in the last `seconds`, as `seconds_left` counts, and its values."""
        now = self._uptime()
        age = "CASE WHEN uptime IS NULL THEN abs(? - at) WHEN uptime <= ? THEN ? - uptime ELSE ? END"
        return f"{age} < ?", (self._clock(), now, now, now, seconds)

    def _select(self, where: str, *values: Any) -> list[Entry]:
        query = f"SELECT * FROM changes WHERE {self._ours} AND {where} ORDER BY change_id"
        return [_entry(row) for row in self._rows(query, *self._account.names, *values)]

    @property
    def _ours(self) -> str:
        """The condition that an entry belongs to the account, under whichever of its names."""
        return f"account IN ({', '.join('?' * len(self._account.names))})"

    def _purge(self) -> None:
        """Remove old entries, counted from a time of day that was seen before the machine ran for a day.

        A clock that is a month ahead would otherwise empty the journal. `watch` holds that time of day. It starts again
        where the clock was set back behind it.
        """
        now = self._uptime()
        if now - self._purged < _PURGE_EVERY:
            return
        self._purged = now
        watch = next(iter(self._rows("SELECT at, uptime, ran FROM watch")), None)
        if watch is None or self._clock() < watch["at"]:
            self._watch_from(self._clock(), ran=0.0)
            return
        ran = watch["ran"] + passed(watch["uptime"], now)
        if ran < RUN_FIRST:
            self._watch_from(watch["at"], ran=ran)
            return
        self._execute("DELETE FROM changes WHERE at < ?", watch["at"] - KEEP)
        self._execute("DELETE FROM tokens WHERE at < ?", watch["at"] - KEEP_TOKENS)
        self._watch_from(self._clock(), ran=0.0)

    def _watch_from(self, at: float, *, ran: float) -> None:
        self._execute("INSERT OR REPLACE INTO watch VALUES (1, ?, ?, ?)", at, self._uptime(), ran)

    def _rows(self, query: str, *values: Any) -> list[sqlite3.Row]:
        return self._done(lambda db: db.execute(query, values).fetchall())

    def _execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        return self._done(lambda db: db.execute(statement, values))

    def _done(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """`work`, carried out on the open file. Raises AccountError in words for the owner of the machine."""
        if self._untold:
            untold, self._untold = self._untold, None
            raise untold
        try:
            return work(self._opened())
        except (OSError, sqlite3.Error, OverflowError) as error:
            if self._path and is_spoilt(error):
                raise self._set_aside(self._path) from None
            raise _unusable(error) from None

    def _opened(self) -> sqlite3.Connection:
        """The file, opened when it is first needed, and again where it was deleted or replaced."""
        if self._db and not self._db.in_transaction and identity(self._path) != self._identity:
            _log.warning("the journal's file was deleted or replaced; earlier changes can no longer be taken back")
            self._db.close()
            self._db, self._starts_apart = None, True
        if self._db is None:
            self._db = self._newly_opened()
            self._identity = identity(self._path)
            if self._starts_apart:
                self._number_apart(self._db)
                self._save_those_out(self._db)
        return self._db

    def _is_out(self, entry: Entry) -> bool:
        is_settled = entry.state in ("done", "not_done") and not entry.unanswered
        return entry.state == "begun" or (not is_settled and self.may_still_arrive(entry))

    def _write_again(self, db: sqlite3.Connection, entry: Entry) -> None:
        values = (_column(entry, name) for name in _COLUMNS)
        db.execute(_INSERT_AGAIN, (entry.change_id, self._account.name, *values))

    def _save_those_out(self, db: sqlite3.Connection) -> None:
        """Write used confirmations, and the changes whose request may still arrive, into a new file.

        A change that is being made follows when it is finished.
        """
        db.executemany(_SPEND, [(digest, self._clock()) for digest in self._spent])
        for entry in filter(self._is_out, self._out.values()):
            if entry.state == "begun":
                self._lost.add(entry.change_id)
            else:
                self._write_again(db, entry)

    def _newly_opened(self) -> sqlite3.Connection:
        """Raises the failure of a moment ago again at once, because one call would wait for the same several times."""
        now = self._uptime()
        if self._failed and 0 <= now - self._failed[0] < _PATIENCE:
            raise self._failed[1]
        try:
            return opened(self._path, _SCHEMA, patience=_PATIENCE, newer=_NEWER)
        except (OSError, sqlite3.Error) as error:
            self._identity = identity(self._path)
            self._failed = None if is_spoilt(error) else (now, error)
            raise

    def _set_aside(self, path: Path) -> JournalSetAside:
        """Keep a file that cannot be read under another name, so that the next call can begin a new one."""
        unreadable = self._identity
        self._close()
        stamp = time.strftime("%Y%m%d-%H%M%S", time.localtime(self._clock()))
        aside = path.with_name(f"{path.stem}.unreadable-{stamp}{path.suffix}")
        try:
            with FileLock(path.with_name(f"{path.name}.lock"), timeout=_PATIENCE, mode=0o600):
                if identity(path) == unreadable:  # else another server has done it meanwhile
                    for side in ("", "-wal", "-shm"):
                        with suppress(FileNotFoundError):
                            path.with_name(path.name + side).rename(aside.with_name(aside.name + side))
        except (OSError, Timeout) as error:
            raise _unusable(error) from None
        self._starts_apart = True
        _log.error("the journal could not be read and was set aside as %s", aside.name)
        return JournalSetAside(
            "Nothing was changed: the journal that makes changes undoable could not be read. "
            f"It was set aside as {aside.name} in the data directory, and the next call begins a new one. "
            "Earlier changes cannot be taken back through this server any more, unless its owner repairs that file."
        )

    def _number_apart(self, db: sqlite3.Connection) -> None:
        """Number the changes of an empty journal from the clock on.

        A number that was told before, or by another server, must not mean one of them.
        """
        db.execute(
            "INSERT INTO sqlite_sequence SELECT 'changes', ? WHERE NOT EXISTS (SELECT 1 FROM sqlite_sequence)",
            (int(self._clock()),),
        )


_INSERT = f"INSERT INTO changes (account, {', '.join(_COLUMNS)}) VALUES (?{', ?' * len(_COLUMNS)})"
_INSERT_AGAIN = _INSERT.replace("INSERT INTO changes (", "INSERT OR IGNORE INTO changes (change_id, ").replace(
    "VALUES (?", "VALUES (?, ?"
)
_SPEND = "INSERT OR IGNORE INTO tokens VALUES (?, ?)"
_ASSIGNED = ", ".join(f"{name} = ?" for name in _OUTCOME)
# An undo that is itself taken back no longer stands against undoing its change.
_IN_FORCE_AGAIN = (
    "UPDATE changes SET undone_by = NULL WHERE change_id = (SELECT undoes FROM changes WHERE change_id = ?)"
)


def _column(entry: Entry, name: str) -> Any:
    value = getattr(entry, name)
    if name not in _TABLES:
        return value
    return json.dumps(value) if value else "{}"


def _entry(row: sqlite3.Row) -> Entry:
    columns = {name: json.loads(row[name]) if name in _TABLES else row[name] for name in Entry.__dataclass_fields__}
    return Entry(**columns | {"unanswered": bool(row["unanswered"])})


def _was_written_lately(path: Path) -> bool:
    """Whether some process wrote to the journal in the last minute, by the clock of the files."""
    try:  # each look-up comes by here
        return any(
            time.time() - os.stat(file).st_mtime < IN_FLIGHT  # noqa: PTH116 -- the quicker way
            for file in (path, f"{path}-wal")
        )
    except OSError:  # there is no journal, or nothing that is not in it yet
        return False


def _steps() -> list[list[str]]:
    return steps_of(files(__package__).joinpath(_SCHEMA).read_text(encoding="utf-8"))


def _unusable(error: Exception) -> AccountError:
    """The error that names the obstacle, and the way out for the owner of the machine."""
    if isinstance(error, AccountError):
        return error
    why, advice = _reason_of(error)
    because = f", because {why}" if why else f" ({type(error).__name__})"
    return AccountError(
        f"Nothing was changed: the journal that makes changes undoable cannot be used{because}. "
        f"The owner of this machine can {advice}, or give up undo with CONTACTS_MCP_JOURNAL=off."
    )


def _reason_of(error: Exception) -> tuple[str, str]:
    """The obstacle, empty where it is not known, and the way out."""
    if isinstance(error, FileExistsError | NotADirectoryError):
        return "a file stands where its folder should be", "set CONTACTS_MCP_DATA_DIR to a folder"
    return next((found for numbers, found in _REASONS if code_of(error) in numbers), ("", _WRITABLE))


_WRITABLE = "make the data directory writable, set CONTACTS_MCP_DATA_DIR to one that is"
_REASONS: tuple[tuple[tuple[int, ...], tuple[str, str]], ...] = (
    (
        (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED),
        ("another program has locked it", "end that program, such as a backup or a viewer of databases"),
    ),
    ((sqlite3.SQLITE_FULL,), ("the disk is full", "make room on the disk")),
    ((sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM), ("it cannot be written", _WRITABLE)),
)


def problem_with(path: Path) -> str:
    """Why the journal at `path` cannot be used, empty where it can or where there is none. Changes nothing."""
    if not path.exists():
        return ""
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=_PATIENCE)) as db:
            db.isolation_level = None
            (sound,) = db.execute("PRAGMA quick_check(1)").fetchone()
            if version_of(db) > len(_steps()):
                return "it was written by a newer contacts-mcp"
            db.execute("BEGIN IMMEDIATE")
            db.execute("ROLLBACK")
    except (OSError, sqlite3.Error) as error:
        if not is_spoilt(error):
            return _reason_of(error)[0] or f"it cannot be used ({type(error).__name__})"
        sound = ""
    return "" if sound == "ok" else "it cannot be read; the next change sets it aside and begins a new one"
