"""The local mirror of one account's contacts, in which a search finds people. It knows nothing about the service.

- The service decides what is true. A hit of the index is looked up there before it is told as a fact.
- A walk reads every contact of the service: `begin_walk`, `upsert` page by page, `end_walk`. The end removes the
  contacts that the walk did not see, and everything about them from the file.
- A row that is not newer than the one in the index changes nothing, so that pages may come late and in any order.
- Every method may be called from any thread. It works in the calling thread, mostly for some thousandths of a second.
  `end_walk`, `rebuild` and `forget` take seconds. So callers on an event loop use a worker thread.
- Other processes may use the same file. Readers never wait, writers wait for each other for up to a second.
- A file that turns out unreadable is thrown away, and the index is empty again. `State.started_over` says so.
- It is a `WordIndex`: every method raises IndexUnavailable where the index cannot be used, and nothing else.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Sized
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from contacts_mcp.state import vocabulary
from contacts_mcp.state.database import Identity, identity, transaction
from contacts_mcp.state.fts5 import conditions, query_of, trigrams
from contacts_mcp.state.index_file import (
    IndexUnavailable,
    empty,
    is_unreadable,
    open_index,
    open_reader,
    remove,
    throw_away,
    unavailable,
)
from contacts_mcp.state.match import Bounds, Expression
from contacts_mcp.state.row import (
    COLUMNS,
    Row,
    damage_told,
    is_mark,
    is_news,
    newest_of_each,
    phone_key,
    row_of,
    value_in,
    value_marks,
    words_and_record_of,
    words_of,
)
from contacts_mcp.state.word_index import LARGE_PAGE, MOST_IN_MEMORY, MOST_VALUES, Facts, Line, State, WalkIsOver
from contacts_mcp.words.search_words import VERSION, email_key, name_key, pieces

_CHUNK = 1_000  # contacts of one transaction at the end of a walk, so that others can write between
_MOST_REMEMBERED = 50_000  # words that are known to be in the vocabulary
_MANY_CLAUSES = 3  # from which on their order counts
_FEW = 2_000  # contacts that are collected in the time that it takes to count them
_ALL = -1  # SQLite's LIMIT for as many as there are

Result = TypeVar("Result")


class Index:
    """The contacts of one account, on disk or in memory."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._reading = threading.RLock() if path else self._lock
        self._db: sqlite3.Connection | None = None
        self._reader: sqlite3.Connection | None = None
        self._identity: Identity | None = None
        self._remembered: set[str] = set()  # words that are in the vocabulary
        self._remembered_since: float | None = None  # the end of the last walk then
        self._lost = False

    @classmethod
    def open(cls, path: Path | None) -> Index:
        """The index in the file at `path`, which is created if need be, or in memory. Raises IndexUnavailable."""
        index = cls(path)
        index._write(lambda _: None)
        return index

    def close(self) -> None:
        """Close the file. It is opened again when it is needed. One in memory is lost."""
        with self._lock, self._reading:
            for db in (self._reader, self._db):
                if db:
                    db.close()
            self._db = self._reader = None

    # Filling

    def upsert(self, rows: Iterable[Row], *, walk: int | None = None, **state: Any) -> int:
        """Put rows in, all or none of them, and with them the `state` (see `set_state`). Returns how many changed.

        A row that is older than the one in the index, or was seen deleted, is left out. Of two rows of one id the newer
        one counts. Raises IndexUnavailable, with `too_large` for an index in memory, and WalkIsOver where `walk` is
        given and is not the last that began.
        """
        page = newest_of_each(rows)
        return self._write(lambda db: self._upsert(db, page, walk, state))

    def remove(self, ids: Iterable[int]) -> int:
        """Take out contacts that were seen deleted. Returns how many there were. Their last bytes go with a walk."""
        asked = [*ids]

        def work(db: sqlite3.Connection) -> int:
            with transaction(db):
                generation = _generation(db)
                db.executemany("INSERT OR REPLACE INTO gone VALUES (?, ?)", ((each, generation) for each in asked))
                return _delete(db, asked)

        return self._write(work)

    def begin_walk(self, **state: Any) -> int:
        """Begin a walk. Returns its generation. A walk that goes on after a stop does not begin again."""

        def work(db: sqlite3.Connection) -> int:
            with transaction(db):
                generation = _generation(db) + 1
                _set(db, {"generation": generation, **state})
            return generation

        return self._write(work)

    def end_walk(self, *, began: float, ended: float, walk: int | None = None, **state: Any) -> int:
        """End a walk that saw every contact. Returns how many contacts it did not see, which are removed.

        Both times are Unix seconds. Takes seconds for a large account, in transactions short enough for others.
        Raises WalkIsOver as `upsert` does.
        """
        removed = 0
        while count := self._write(partial(_delete_unseen, walk=walk)):
            removed += count
        self._write(vocabulary.renew)
        self._write(_compact)

        def work(db: sqlite3.Connection) -> None:
            with transaction(db):
                db.execute("DELETE FROM gone WHERE walk < ?", (_generation_of(db, walk),))
                _set(db, {"complete_since": began, "last_walk": ended, "place": None, **state})
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()

        self._write(work)
        return removed

    def rebuild(self) -> Iterator[int]:
        """Fold everything again by the rules of this version. Yields the number of contacts done, chunk by chunk.

        The index can be searched meanwhile, and misses the contacts that are still to come.
        """
        self._write(_drop_words)
        self._remembered.clear()
        done, last = 0, 0
        while ids := self._write(partial(_fold_again, after=last)):
            done, last = done + len(ids), ids[-1]
            yield done
        self._write(vocabulary.renew)
        self._write(_compact)
        self.set_state(fold=VERSION)

    def forget(self) -> None:
        """Delete the index with everything in it. It is empty afterwards, and may be filled again."""
        with self._lock, self._reading:
            self._remembered.clear()
            if self._path:
                self.close()
                if remove(self._path):
                    return
            self._write(empty)

    # State

    @property
    def state(self) -> State:
        """A snapshot."""
        stored, contacts = self._read(
            lambda db: (
                dict(db.execute("SELECT name, value FROM state").fetchall()),
                db.execute("SELECT count(*) FROM contact").fetchone()[0],
            )
        )
        known = {name: stored.pop(name) for name in _STATE if name in stored}
        fold = stored.pop("fold", VERSION)
        stored.pop("changes", None)
        return State(
            contacts=contacts,
            needs_rebuild=fold != VERSION,
            started_over=self._lost,
            notes=stored,
            **{name: value for name, value in known.items() if value is not None},
        )

    @property
    def generation(self) -> int:
        """The number of the last walk that began. It is quick to read."""
        return self._read(_generation)

    def set_state(self, **values: Any) -> None:
        """Write down `place`, `newest`, or notes of other names. None removes one."""

        def work(db: sqlite3.Connection) -> None:
            with transaction(db):
                _set(db, values)

        self._write(work)

    def told_of_starting_over(self) -> None:
        """Somebody was told that the file was thrown away."""
        self._lost = False

    # Reading contacts

    def rows(self, ids: Iterable[int]) -> list[Row]:
        """The contacts of these ids that are there, in the order of the ids."""
        asked = [*ids]
        found = self._read(lambda db: {record["id"]: row_of(record) for record in _records(db, asked)})
        return [found[each] for each in asked if each in found]

    def unseen(self, *, most: int) -> list[Row]:
        """Contacts that the walk under way has not seen."""
        query = "SELECT * FROM contact WHERE walk < ? LIMIT ?"
        return self._read(lambda db: [row_of(record) for record in db.execute(query, (_generation(db), most))])

    def by_phone(self, digits: str) -> list[Row]:
        """The contacts of exactly that phone."""
        return self._where("phone = ?", phone_key(digits)) if digits.isascii() and digits.isdigit() else []

    def by_email(self, address: str) -> list[Row]:
        """The contacts of that address, case and width aside."""
        key = email_key(address)
        found = self._where("email_key = ?", name_key([key])) if key else []
        return [row for row in found if email_key(row.email) == key]

    def by_name(self, name: str, *, most: int = 1_000) -> list[Row]:
        """The newest contacts whose name, or display name, has exactly these words in any order.

        Titles, case, accents, and written out letters are forgiven. A few others may be among them (see `name_key`).
        """
        ids = self.ids_by_name([word for piece in pieces(name) for word in piece.words], most=most)
        return self.rows(ids)

    def _where(self, condition: str, value: Any) -> list[Row]:
        query = f"SELECT * FROM contact WHERE {condition} ORDER BY id DESC LIMIT 1000"
        return self._read(lambda db: [row_of(record) for record in db.execute(query, (value,))])

    def nameless(self) -> int:
        """How many contacts have no name of any kind."""
        query = "SELECT count(*) FROM contact WHERE first = '' AND last = '' AND display_name = ''"
        return self._ids(query)[0]

    # Searching

    def ids_by_name(self, words: Iterable[str], *, most: int) -> list[int]:
        """As `by_name`, for folded words."""
        key = name_key(words)
        query = (
            "SELECT id FROM (SELECT id FROM contact WHERE name_key = ? UNION "
            "SELECT id FROM contact WHERE display_key = ?) ORDER BY id DESC LIMIT ?"
        )
        return self._ids(query, key, key, most) if key is not None else []

    def matching(
        self, wanted: Expression, *, most: int, bounds: Bounds | None = None, below: int | None = None, part: str = ""
    ) -> list[int]:
        """The newest contacts that match the expression and the bounds, newest first.

        Their ids are under `below`. `part` is as in `holding_part`.
        """
        if not wanted:
            return []
        source, tests, values = _within(bounds)
        if below is not None:
            tests, values = f"{tests} AND words.rowid < ?", [*values, below]
        if part and not trigrams(part):
            return []
        if part:
            # The plus holds SQLite to reading the list once; it would look the words up for each of its ids.
            tests += " AND +words.rowid IN (SELECT rowid FROM parts WHERE parts MATCH ?)"
            values.append(trigrams(part))
        query = f"SELECT words.rowid FROM {source} WHERE words MATCH ? {tests} ORDER BY words.rowid DESC LIMIT ?"
        return self._ids(query, self._query(wanted), *values, most)

    def matching_each(
        self, wanted: Sequence[Expression], *, most: int, bounds: Bounds | None = None
    ) -> list[list[int]]:
        """As `matching`, for several expressions: at most `most` contacts of each."""
        return [self.matching(each, most=most, bounds=bounds) for each in wanted]

    def matching_and_count(
        self, wanted: Expression, *, most: int, bounds: Bounds, below: int | None = None
    ) -> tuple[list[int], int]:
        """As `matching`, and how many contacts match with any id. Few of several clauses take one look at the words."""
        if len(wanted.clauses) > 1 and below is None:
            source, tests, values = _within(bounds)
            query = f"SELECT words.rowid FROM {source} WHERE words MATCH ? {tests} LIMIT ?"
            found = self._ids(query, self._query(wanted), *values, _FEW + 1)
            if len(found) <= _FEW:
                return sorted(found, reverse=True)[:most], len(found)
        return self.matching(wanted, most=most, bounds=bounds, below=below), self.count(wanted, bounds)

    def _query(self, wanted: Expression) -> str:
        marks = [term.text for clause in wanted.clauses for term in clause if is_mark(term.text)]
        if len(wanted.clauses) < _MANY_CLAUSES or not marks:
            return query_of(wanted)
        return query_of(wanted, self._read(lambda db: vocabulary.common(db, marks)))

    def count(self, wanted: Expression, bounds: Bounds | None = None) -> int:
        """How many contacts match."""
        if not wanted:
            return 0
        source, tests, values = _within(bounds)
        return self._ids(f"SELECT count(*) FROM {source} WHERE words MATCH ? {tests}", self._query(wanted), *values)[0]

    def recent(self, *, most: int, bounds: Bounds, below: tuple[int, int] | None = None) -> list[tuple[int, int]]:
        """The contacts that changed last: pairs of `updated` and id, from `below` on. The words are not looked at."""
        tests, values = conditions(bounds)
        if below:
            tests, values = f"{tests} AND (c.updated, c.id) < (?, ?)", [*values, *below]
        query = (
            f"SELECT c.updated, c.id FROM contact c WHERE c.updated IS NOT NULL {tests} "
            "ORDER BY c.updated DESC, c.id DESC LIMIT ?"
        )
        return self._read(lambda db: [(at, each) for at, each in db.execute(query, (*values, most))])

    def newest(self, *, most: int, bounds: Bounds, below: int | None = None) -> list[int]:
        """The newest contacts within the bounds with ids under `below`. The words are not looked at."""
        tests, values = conditions(bounds)
        if below is not None:
            tests, values = f"{tests} AND c.id < ?", [*values, below]
        return self._ids(f"SELECT c.id FROM contact c WHERE 1 {tests} ORDER BY c.id DESC LIMIT ?", *values, most)

    def counted(self, bounds: Bounds) -> int:
        """How many contacts are within the bounds."""
        tests, values = conditions(bounds)
        return self._ids(f"SELECT count(*) FROM contact c WHERE 1 {tests}", *values)[0]

    def phones_beginning(self, beginnings: Iterable[str], *, longest: int = 15, most: int) -> list[int]:
        """The newest contacts whose phone begins with one of these texts of digits."""
        ranges = [
            (int(digits) * 10**rest, (int(digits) + 1) * 10**rest)
            for digits in beginnings
            for rest in range(longest - len(digits) + 1)
        ]
        if not ranges:
            return []
        any_range = " UNION ALL ".join("SELECT id FROM contact WHERE phone >= ? AND phone < ?" for _ in ranges)
        query = f"SELECT id FROM ({any_range}) ORDER BY id DESC LIMIT ?"
        return self._ids(query, *(end for each in ranges for end in each), most)

    def holding_part(self, part: str, *, most: int) -> list[int]:
        """The newest contacts that may have this part in phone or address. "|" stands at both ends of a phone."""
        wanted = trigrams(part)
        query = "SELECT rowid FROM parts WHERE parts MATCH ? ORDER BY rowid DESC LIMIT ?"
        return self._ids(query, wanted, most) if wanted else []

    def lines(self, ids: Iterable[int]) -> list[Line]:
        """The parts of these contacts by which a search ranks them."""
        asked = [*ids]
        marks = ", ".join("?" * len(asked))
        query = (
            "SELECT id, iif(names = '', lower(first || ' ' || last || '§'), names), email, custom, "
            "coalesce(phone, ''), coalesce(updated, 0), coalesce(created, 0) "
            f"FROM contact WHERE id IN ({marks})"
        )

        def work(db: sqlite3.Connection) -> list[Line]:
            with damage_told():
                return [
                    Line(each, f"{names:s}", f"{email:s}", f"{custom:s}", str(phone), int(updated), int(created))
                    for each, names, email, custom, phone, updated, created in db.execute(query, asked)
                ]

        return self._read(work)

    # Doubles

    def facts(self, *, after: int = 0, most: int) -> list[Facts]:
        """The facts that tell doubles, of the contacts with ids above `after`, in the order of their ids."""
        query = f"{_FACTS} WHERE id > ? ORDER BY id LIMIT ?"
        return self._read(lambda db: [Facts(*record) for record in db.execute(query, (after, most))])

    def facts_of(self, ids: Iterable[int]) -> dict[int, Facts]:
        """The same of the contacts of these ids that are there."""
        asked = [*ids]

        def work(db: sqlite3.Connection) -> dict[int, Facts]:
            found: dict[int, Facts] = {}
            for at in range(0, len(asked), _CHUNK):
                chunk = asked[at : at + _CHUNK]
                query = f"{_FACTS} WHERE id IN ({', '.join('?' * len(chunk))})"
                found.update((record[0], Facts(*record)) for record in db.execute(query, chunk))
            return found

        return self._read(work)

    def namesakes(self, keys: Iterable[int]) -> dict[int, int]:
        """How many contacts have each of these name keys, as name or as display name."""
        asked = [*keys]

        def work(db: sqlite3.Connection) -> dict[int, int]:
            found: dict[int, int] = dict.fromkeys(asked, 0)
            for column in ("name_key", "display_key"):
                for at in range(0, len(asked), _CHUNK):
                    chunk = asked[at : at + _CHUNK]
                    marks = ", ".join("?" * len(chunk))
                    query = f"SELECT {column}, count(*) FROM contact WHERE {column} IN ({marks}) GROUP BY 1"
                    for key, count in db.execute(query, chunk):
                        found[key] += count
            return found

        return self._read(work)

    def spread(self, field_id: int) -> tuple[int, int]:
        """How many different values a custom field has, and how many contacts have one."""
        begin = value_marks(field_id)
        query = "SELECT count(*), coalesce(sum(doc), 0) FROM marks WHERE term >= ? AND term < ?"
        return self._read(lambda db: tuple(db.execute(query, (begin, begin + "\U0010ffff")).fetchone()))

    def holders(self, mark: str) -> int:
        """How many contacts have exactly that mark."""
        query = "SELECT coalesce(sum(doc), 0) FROM marks WHERE term = ?"
        return self._ids(query, mark)[0]

    @property
    def stamp(self) -> tuple[int, int, int]:
        """How many contacts there are, the newest `updated`, and how often contacts were written."""
        query = (
            "SELECT count(*), coalesce(max(updated), 0), "
            "coalesce((SELECT value FROM state WHERE name = 'changes'), 0) FROM contact"
        )
        return self._read(lambda db: tuple(db.execute(query).fetchone()))

    # Words

    def near(self, word: str) -> list[tuple[str, int]]:
        """The words that may be `word` misspelled, each with the number of its contacts."""
        return self._read(lambda db: vocabulary.near(db, word))

    def sounding(self, word: str, *, most: int = 30) -> list[str]:
        """The most frequent words that sound like `word`."""
        return self._read(lambda db: vocabulary.sounding(db, word, most=most))

    def containing(self, part: str, *, most: int = 30) -> list[str]:
        """The most frequent words that hold `part`."""
        return self._read(lambda db: vocabulary.containing(db, part, most=most))

    def known(self, words: Iterable[str]) -> dict[str, int]:
        """Those of the words that a name or value has, each with the number of its contacts."""
        asked = [*words]
        return self._read(lambda db: vocabulary.known(db, asked))

    def values(self, field_id: int, *, most: int = MOST_VALUES) -> list[tuple[str, int]]:
        """The values of a custom field in folded form, each with the number of its contacts, in order of the text."""
        begin = value_marks(field_id)
        found = self._range(begin, begin + "\U0010ffff", most)
        return [(value_in(term), count) for term, count in found]

    def counts(self, mark: str) -> dict[str, int]:
        """How many contacts have each mark that begins so: `counts("§§t")` is {"§§t101": 5, ...}."""
        return dict(self._range(mark, mark + "\U0010ffff", _ALL))

    def _range(self, begin: str, end: str, most: int) -> list[tuple[str, int]]:
        query = "SELECT term, doc FROM marks WHERE term >= ? AND term < ? LIMIT ?"
        return self._read(lambda db: [(term, count) for term, count in db.execute(query, (begin, end, most))])

    def _ids(self, query: str, *values: Any) -> list[int]:
        return self._read(lambda db: [each for (each,) in db.execute(query, values)])

    # The file

    def _upsert(self, db: sqlite3.Connection, page: dict[int, Row], walk: int | None, state: Mapping[str, Any]) -> int:
        with transaction(db):
            self._refuse_too_many(db, page)
            generation = _generation_of(db, walk)
            before = {record["id"]: record for record in _records(db, page)}
            gone = _among(db, "SELECT id FROM gone WHERE id IN", page)
            fresh = [
                row
                for row in page.values()
                if row.id not in gone and (row.id not in before or is_news(row, row_of(before[row.id])))
            ]
            seen = [(generation, each) for each, record in before.items() if record["walk"] != generation]
            db.executemany("UPDATE contact SET walk = ? WHERE id = ?", seen)
            _unindex(db, [before[row.id] for row in fresh if row.id in before])
            words = _index(db, [(row, generation) for row in fresh])
            new = self._unremembered(db, words) if len(page) <= LARGE_PAGE else []
            vocabulary.add(db, new)
            _set(db, state)
        self._remembered.update(new)
        return len(fresh)

    def _refuse_too_many(self, db: sqlite3.Connection, page: dict[int, Row]) -> None:
        if not self._path and _count(db) + len(page) > MOST_IN_MEMORY:
            raise IndexUnavailable("too_large")

    def _unremembered(self, db: sqlite3.Connection, words: Iterable[str]) -> list[str]:
        """The words that are not known to be in the vocabulary. The end of a walk may have removed some, anywhere."""
        found = db.execute("SELECT value FROM state WHERE name = 'last_walk'").fetchone()
        last_walk = found[0] if found else None
        if last_walk != self._remembered_since or len(self._remembered) > _MOST_REMEMBERED:
            self._remembered.clear()
            self._remembered_since = last_walk
        unknown = (word for word in dict.fromkeys(words) if word not in self._remembered)
        return [word for word in unknown if vocabulary.is_known_kind(word)]

    def _write(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        with self._lock:
            return self._done(work, self._writing_connection)

    def _read(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        with self._reading:
            if self._reader and identity(self._path) == self._identity:
                try:
                    return work(self._reader)
                except _FAILURES as error:
                    if not is_unreadable(error):
                        raise unavailable(error) from None
        # Both locks, always in this order: the file is opened, or thrown away.
        with self._lock, self._reading:
            return self._done(work, self._reading_connection)

    def _done(
        self, work: Callable[[sqlite3.Connection], Result], connection: Callable[[], sqlite3.Connection]
    ) -> Result:
        """`work`, on the open file. One that cannot be read is thrown away, and the work done on an empty one."""
        try:
            return work(connection())
        except IndexUnavailable:
            raise
        except _FAILURES as error:
            if not (self._path and is_unreadable(error)):
                raise unavailable(error) from None
            self._start_over(self._path)
        try:
            return work(connection())
        except _FAILURES as error:
            raise unavailable(error) from None

    def _start_over(self, path: Path) -> None:
        unreadable = self._identity or identity(path)
        self.close()
        throw_away(path, unreadable)
        self._remembered.clear()
        self._lost = True

    def _writing_connection(self) -> sqlite3.Connection:
        """The file, opened when it is first needed, and again where it was deleted or replaced."""
        if self._db and self._path and identity(self._path) != self._identity:
            self.close()
            self._remembered.clear()
        if self._db is None:
            self._identity = identity(self._path)
            self._db = open_index(self._path)
            self._identity = identity(self._path)
            if not self._db.execute("SELECT 1 FROM state WHERE name = 'fold'").fetchone():
                self._db.execute("INSERT OR IGNORE INTO state VALUES ('fold', ?)", (VERSION,))
        return self._db

    def _reading_connection(self) -> sqlite3.Connection:
        if self._path is None:
            return self._writing_connection()
        self._writing_connection()
        if self._reader is None:
            self._reader = open_reader(self._path)
        return self._reader


_FAILURES = (OSError, sqlite3.Error, UnicodeDecodeError)
_FACTS = (
    "SELECT id, CAST(coalesce(phone, '') AS TEXT), first, last, display_name, email, custom, name_key, display_key "
    "FROM contact"
)
_STATE = ("generation", "place", "newest", "complete_since", "last_walk")
_INSERT = f"INSERT OR REPLACE INTO contact ({', '.join(COLUMNS)}) VALUES ({', '.join('?' * len(COLUMNS))})"


def _records(db: sqlite3.Connection, ids: Iterable[int]) -> list[sqlite3.Row]:
    asked = [*ids]
    found: list[sqlite3.Row] = []
    for at in range(0, len(asked), _CHUNK):
        chunk = asked[at : at + _CHUNK]
        found += db.execute(f"SELECT * FROM contact WHERE id IN ({', '.join('?' * len(chunk))})", chunk).fetchall()
    return found


def _within(bounds: Bounds | None) -> tuple[str, str, list[int | str]]:
    """The source of a question to `words`, its conditions with an AND before each, and their values."""
    tests, values = conditions(bounds)
    # The cross join holds SQLite to this order: the words first.
    return "words CROSS JOIN contact c ON c.id = words.rowid" if values else "words", tests, values


def _among(db: sqlite3.Connection, query: str, ids: Iterable[int]) -> set[int]:
    asked = [*ids]
    found: set[int] = set()
    for at in range(0, len(asked), _CHUNK):
        chunk = asked[at : at + _CHUNK]
        found.update(each for (each,) in db.execute(f"{query} ({', '.join('?' * len(chunk))})", chunk))
    return found


def _index(db: sqlite3.Connection, rows: Iterable[tuple[Row, int]]) -> Iterator[str]:
    """Put rows in, each with its walk, and their words. Returns the words of names and values."""
    both = [words_and_record_of(row, walk) for row, walk in rows]
    _count_change(db, both)
    db.executemany(_INSERT, (record for _, record in both))
    words = [(record[0], found) for found, record in both]
    insert = "INSERT INTO words (rowid, n, v, e) VALUES (?, ?, ?, ?)"
    db.executemany(insert, ((each, *found[:3]) for each, found in words))
    insert = "INSERT INTO parts (rowid, part) VALUES (?, ?)"
    db.executemany(insert, ((each, found.parts) for each, found in words if found.parts))
    return (word for _, found in words for word in f"{found.name} {found.values}".split() if not is_mark(word))


def _unindex(db: sqlite3.Connection, records: Sequence[Any]) -> None:
    """Take the words of records out. FTS5 must be told exactly the words that went in."""
    words = [(record["id"], words_of(record)) for record in records]
    delete = "INSERT INTO words (words, rowid, n, v, e) VALUES ('delete', ?, ?, ?, ?)"
    db.executemany(delete, ((each, *found[:3]) for each, found in words))
    delete = "INSERT INTO parts (parts, rowid, part) VALUES ('delete', ?, ?)"
    db.executemany(delete, ((each, found.parts) for each, found in words if found.parts))


def _delete(db: sqlite3.Connection, ids: Sequence[int]) -> int:
    records = _records(db, ids)
    _count_change(db, records)
    _unindex(db, records)
    db.executemany("DELETE FROM contact WHERE id = ?", ((record["id"],) for record in records))
    return len(records)


def _count_change(db: sqlite3.Connection, changed: Sized) -> None:
    if changed:
        db.execute("INSERT INTO state VALUES ('changes', 1) ON CONFLICT (name) DO UPDATE SET value = value + 1")


def _delete_unseen(db: sqlite3.Connection, *, walk: int | None) -> int:
    """Delete some contacts that the walk did not see. Returns how many."""
    with transaction(db):
        query = "SELECT id FROM contact WHERE walk < ? LIMIT ?"
        return _delete(db, [each for (each,) in db.execute(query, (_generation_of(db, walk), _CHUNK))])


def _compact(db: sqlite3.Connection) -> None:
    """Merge what FTS5 keeps in parts. Only then are the words of deleted contacts out of the file."""
    for table in ("words", "parts", "inword"):
        db.execute(f"INSERT INTO {table} ({table}) VALUES ('optimize')")
    db.executescript("PRAGMA incremental_vacuum")  # `execute` would free one page
    db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def _drop_words(db: sqlite3.Connection) -> None:
    with transaction(db):
        for table in ("words", "parts", "inword"):
            db.execute(f"INSERT INTO {table} ({table}) VALUES ('delete-all')")
        db.execute("DELETE FROM common")
        db.execute("DELETE FROM near")
        db.execute("DELETE FROM word")


def _fold_again(db: sqlite3.Connection, after: int) -> list[int]:
    """Fold some contacts with ids above `after` again. Returns their ids."""
    with transaction(db):
        query = "SELECT * FROM contact WHERE id > ? ORDER BY id LIMIT ?"
        rows = [(row_of(each), each["walk"]) for each in db.execute(query, (after, _CHUNK))]
        _index(db, rows)
        return [row.id for row, _ in rows]


def _set(db: sqlite3.Connection, values: Mapping[str, Any]) -> None:
    for name, value in values.items():
        if value is None:
            db.execute("DELETE FROM state WHERE name = ?", (name,))
        else:
            db.execute("INSERT OR REPLACE INTO state VALUES (?, ?)", (name, value))


def _generation(db: sqlite3.Connection) -> int:
    found = db.execute("SELECT value FROM state WHERE name = 'generation'").fetchone()
    with damage_told():
        return int(found[0]) if found else 0


def _generation_of(db: sqlite3.Connection, walk: int | None) -> int:
    """The last walk that began, which must be `walk` where one is given."""
    generation = _generation(db)
    if walk not in (None, generation):
        raise WalkIsOver
    return generation


def _count(db: sqlite3.Connection) -> int:
    return int(db.execute("SELECT count(*) FROM contact").fetchone()[0])
