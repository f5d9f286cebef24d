"""The mirror of one account's contacts in PostgreSQL, which several servers share. It is a `WordIndex`.

- It gives the same ids in the same order, and the same counts, as the index in a file (`state/index.py`).
- It is made for one account. The account's number stands in every primary key, before every word that is indexed, and
  in every statement.
- Who writes to an account's mirror locks its row in `mirror` first. So one writes at a time, and reads never wait.
- A contact's words are one text (`index_words.py`), and the index on them is PostgreSQL's own: no extension.
- A walk writes down the ids that it has seen beside the contacts. To mark the contacts would write all of them anew.
- `forget` deletes every row. PostgreSQL takes the bytes out of its files later, when it cleans them (VACUUM).
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from math import prod
from typing import TYPE_CHECKING, Any, TypeVar

from contacts_mcp.errors import AccountError
from contacts_mcp.state.index_file import IndexUnavailable
from contacts_mcp.state.match import Bounds, Expression
from contacts_mcp.state.postgres import index_filling as filling
from contacts_mcp.state.postgres import index_records as records
from contacts_mcp.state.postgres import index_vocabulary as vocabulary
from contacts_mcp.state.postgres.index_pool import PATIENCE_FOR_ALL, PATIENCE_FOR_PAGES, PATIENCE_FOR_READS, Connections
from contacts_mcp.state.postgres.index_words import (
    TRIGRAMS,
    VECTOR,
    address_key,
    conditions,
    in_one,
    on_address,
    on_text_alone,
    on_words,
    trigrams,
)
from contacts_mcp.state.row import EVERYBODY, Row, is_mark, newest_of_each, value_in, value_marks
from contacts_mcp.state.word_index import MOST_VALUES, Facts, Line, State
from contacts_mcp.words.search_words import VERSION, email_key, name_key, pieces

if TYPE_CHECKING:
    from contacts_mcp.state.postgres.index_pool import Connection, Pool

_GUESS_FOR = 60.0  # seconds for which a count is good enough to choose the way of a search
_MOST_GUESSES = 10_000
_FEW = 20_000  # contacts that are collected and sorted in a few thousandths of a second
_TO_LOOK_AT = 8  # the time to look at one contact on the way, as a multiple of the time to collect one
_MOST_REMEMBERED = 50_000  # words that are known to be in the vocabulary
_NOTES = ("place", "newest", "complete_since", "last_walk")
_STATE = f"""
    SELECT name, value FROM mirror_note WHERE account = %(account)s
    UNION ALL SELECT ' generation', generation::text FROM mirror WHERE account = %(account)s
    UNION ALL SELECT ' contacts', coalesce(sum(n), 0)::text FROM mirror_mark
        WHERE account = %(account)s AND mark IN {EVERYBODY}
"""

Result = TypeVar("Result")


class PostgresIndex:
    """The contacts of one account in the shared database."""

    def __init__(self, at: str | Pool, account: int | Callable[[], int]) -> None:
        """`at` is an address, or a pool that serves the indexes of other accounts too.

        `account` is its number, or asks for it. Nothing is connected before the first question. Raises AccountError.
        """
        self._connections = Connections(at)
        self._number = account
        self._remembering = threading.Lock()
        self._remembered: set[str] = set()  # words that are in the vocabulary
        self._remembered_since: tuple[int, Any] | None = None  # the account, and the end of its last walk then
        self._guesses: dict[str, tuple[float, int]] = {}  # when, and how many have a word

    @property
    def _account(self) -> int:
        if isinstance(self._number, int):
            return self._number
        try:
            return self._number()
        except AccountError:
            raise IndexUnavailable("unreachable") from None

    def _do(self, work: Callable[[Connection], Result], *, patience: float = PATIENCE_FOR_READS) -> Result:
        return self._connections.run(work, patience=patience)

    def _ids(self, query: str, values: Sequence[Any] | Mapping[str, Any]) -> list[int]:
        return self._do(lambda db: [each for (each,) in db.execute(query.encode(), values)])

    def close(self) -> None:
        """Close connections of our own. They are opened again when they are needed."""
        self._connections.close()

    # Filling

    def upsert(self, rows: Iterable[Row], *, walk: int | None = None, **state: Any) -> int:
        """As `WordIndex.upsert`."""
        page, account = newest_of_each(rows), self._account
        unknown = partial(self._unremembered, account)
        work = partial(filling.upsert, account=account, page=page, walk=walk, state=state, unknown=unknown)
        changed, new = self._do(work, patience=PATIENCE_FOR_PAGES)
        with self._remembering:
            self._remembered.update(new)
        return changed

    def remove(self, ids: Iterable[int]) -> int:
        """As `WordIndex.remove`."""
        return self._do(partial(filling.remove, account=self._account, ids=[*ids]), patience=PATIENCE_FOR_PAGES)

    def begin_walk(self, **state: Any) -> int:
        """As `WordIndex.begin_walk`."""
        work = partial(filling.begin_walk, account=self._account, state=state)
        return self._do(work, patience=PATIENCE_FOR_PAGES)

    def end_walk(self, *, began: float, ended: float, walk: int | None = None, **state: Any) -> int:
        """As `WordIndex.end_walk`. It may be repeated after a failure."""
        account, removed = self._account, 0
        while count := self._do(partial(filling.delete_unseen, account=account, walk=walk), patience=PATIENCE_FOR_ALL):
            removed += count
        self._settle(account)
        said = {"complete_since": began, "last_walk": ended, "place": None, **state}
        self._do(partial(filling.end_walk, account=account, walk=walk, state=said), patience=PATIENCE_FOR_PAGES)
        self._guesses.clear()
        return removed

    def rebuild(self) -> Iterator[int]:
        """As `WordIndex.rebuild`. A contact that is still to come is found by its old words meanwhile."""
        account, done, last = self._account, 0, 0
        while ids := self._do(partial(filling.fold_again, account=account, after=last), patience=PATIENCE_FOR_PAGES):
            done, last = done + len(ids), ids[-1]
            yield done
        with self._remembering:
            self._remembered.clear()
        self._settle(account, anew=True)
        self.set_state(fold=VERSION)

    def forget(self) -> None:
        """As `WordIndex.forget`."""
        self._do(partial(filling.forget, account=self._account), patience=PATIENCE_FOR_ALL)
        with self._remembering:
            self._remembered.clear()
        self._guesses.clear()

    def _settle(self, account: int, *, anew: bool = False) -> None:
        self._do(partial(vocabulary.renew, account=account, anew=anew), patience=PATIENCE_FOR_ALL)
        self._do(filling.settle, patience=PATIENCE_FOR_ALL)

    def _unremembered(self, account: int, db: Connection, words: Iterable[str]) -> list[str]:
        """The words that are not known to be in the vocabulary. The end of a walk may have removed some, anywhere."""
        query = "SELECT value FROM mirror_note WHERE account = %s AND name = 'last_walk'"
        since = account, db.execute(query, [account]).fetchone()
        with self._remembering:
            if since != self._remembered_since or len(self._remembered) > _MOST_REMEMBERED:
                self._remembered.clear()
                self._remembered_since = since
            return [word for word in dict.fromkeys(words) if word not in self._remembered]

    # State

    @property
    def state(self) -> State:
        """As `WordIndex.state`."""
        values = {"account": self._account}
        stored: dict[str, Any] = {
            name: json.loads(value)
            for name, value in self._do(lambda db: db.execute(_STATE.encode(), values).fetchall())
        }
        contacts, generation = stored.pop(" contacts"), stored.pop(" generation", 0)
        known = {name: stored.pop(name) for name in _NOTES if name in stored}
        # Servers of two versions may run beside each other: the newer one's words serve both.
        needs_rebuild = int(stored.pop("fold", VERSION)) < VERSION
        return State(contacts=contacts, generation=generation, needs_rebuild=needs_rebuild, notes=stored, **known)

    @property
    def generation(self) -> int:
        """As `WordIndex.generation`."""
        return next(iter(self._ids("SELECT generation FROM mirror WHERE account = %s", [self._account])), 0)

    def set_state(self, **values: Any) -> None:
        """As `WordIndex.set_state`."""
        self._do(partial(filling.set_notes, account=self._account, values=values))

    def told_of_starting_over(self) -> None:
        """Nothing is started over here."""

    # Reading contacts

    def rows(self, ids: Iterable[int]) -> list[Row]:
        """As `WordIndex.rows`."""
        asked = [*ids]
        if not asked:
            return []
        found = {row.id: row for row in self._do(lambda db: records.rows_of(db, self._account, asked))}
        return [found[each] for each in asked if each in found]

    def unseen(self, *, most: int) -> list[Row]:
        """As `WordIndex.unseen`."""
        account = self._account
        work = partial(filling.unseen_ids, account=account, most=most)
        return self.rows(self._do(work, patience=PATIENCE_FOR_PAGES))

    def by_phone(self, digits: str) -> list[Row]:
        """As `WordIndex.by_phone`."""
        is_phone = digits.isascii() and digits.isdigit()
        test = "c.account = %(account)s AND mirror_digits(c.phone) = mirror_digits(%(value)s) AND c.phone = %(value)s"
        return self._where(test, value=digits) if is_phone else []

    def by_email(self, address: str) -> list[Row]:
        """As `WordIndex.by_email`."""
        key = email_key(address)
        short = address_key(name_key([key]) if key else None)
        if short is None:
            return []
        test = f"{VECTOR} @@ %(query)s::tsquery AND c.email_key = %(value)s AND c.account + 0 = %(account)s"
        found = self._where(test, value=short, query=on_address(short, self._account))
        return [row for row in found if email_key(row.email) == key]

    def by_name(self, name: str, *, most: int = 1_000) -> list[Row]:
        """As `WordIndex.by_name`."""
        ids = self.ids_by_name([word for piece in pieces(name) for word in piece.words], most=most)
        return self.rows(ids)

    def nameless(self) -> int:
        """As `WordIndex.nameless`."""
        query = (
            "SELECT count(*) FROM mirror_contact WHERE account = %s AND first = '' AND last = '' AND display_name = ''"
        )
        return self._ids(query, [self._account])[0]

    def _where(self, test: str, **given: Any) -> list[Row]:
        rest, values = f"WHERE {test} ORDER BY c.id DESC LIMIT 1000", {"account": self._account, **given}
        return self._do(lambda db: records.rows(db, rest, values))

    # Searching

    def ids_by_name(self, words: Iterable[str], *, most: int) -> list[int]:
        """As `WordIndex.ids_by_name`."""
        key = name_key(words)
        query = (
            f"SELECT id FROM (SELECT c.id FROM mirror_contact c WHERE {_has_key('name_key')} UNION "
            f"SELECT c.id FROM mirror_contact c WHERE {_has_key('display_key')}) found ORDER BY id DESC LIMIT %(most)s"
        )
        return self._ids(query, {"account": self._account, "value": key, "most": most}) if key is not None else []

    def matching(
        self, wanted: Expression, *, most: int, bounds: Bounds | None = None, below: int | None = None, part: str = ""
    ) -> list[int]:
        """As `WordIndex.matching`."""
        account = self._account
        grams = trigrams(part, account)
        if not wanted or (part and not grams):
            return []
        on_the_way = not part and self._is_frequent(wanted, most)
        tests, values = _tests(wanted, None if on_the_way else account, bounds)
        if grams:
            tests, values = f"{tests} AND {TRIGRAMS} @> %s", [*values, grams]
        if below is not None:
            tests, values = f"{tests} AND c.id < %s", [*values, below]
        if on_the_way:
            return self._ids(f"{_ON_THE_WAY.format(tests)} LIMIT %s", [account, *values, most])
        # Nothing is added to the ids and the account, but it holds PostgreSQL to the index on the words.
        query = f"SELECT c.id FROM mirror_contact c WHERE c.account + 0 = %s {tests} ORDER BY c.id + 0 DESC LIMIT %s"
        return self._ids(query, [account, *values, most])

    def matching_each(
        self, wanted: Sequence[Expression], *, most: int, bounds: Bounds | None = None
    ) -> list[list[int]]:
        """As `WordIndex.matching_each`, in one question to PostgreSQL."""
        account = self._account
        asked = [in_one(each, account) for each in wanted]
        if None in asked:
            return [self.matching(each, most=most, bounds=bounds) for each in wanted]
        queries, patterns = zip(*filter(None, asked), strict=True) if asked else ((), ())
        tests, values = conditions(bounds)
        query = (
            "SELECT asked.at, found.id FROM unnest(%s::text[], %s::text[]) WITH ORDINALITY asked (query, texts, at), "
            f"LATERAL (SELECT c.id FROM mirror_contact c WHERE {VECTOR} @@ asked.query::tsquery "
            f"AND c.words LIKE ALL(string_to_array(asked.texts, ' ')) AND c.account + 0 = %s {tests} "
            "ORDER BY c.id + 0 DESC LIMIT %s) found ORDER BY asked.at, found.id DESC"
        )
        found: list[list[int]] = [[] for _ in wanted]
        for at, each in self._pairs(query, [[*queries], [*patterns], account, *values, most]):
            found[at - 1].append(each)
        return found

    def matching_and_count(
        self, wanted: Expression, *, most: int, bounds: Bounds, below: int | None = None
    ) -> tuple[list[int], int]:
        """As `WordIndex.matching_and_count`, in one question to PostgreSQL if all must be collected to count them."""
        if not wanted or (bounds == Bounds() and marks_that_count(wanted) is not None):
            return self.matching(wanted, most=most, bounds=bounds, below=below), self.count(wanted, bounds)
        tests, values = _tests(wanted, self._account, bounds)
        query = (
            f"WITH found AS MATERIALIZED (SELECT c.id FROM mirror_contact c WHERE c.account + 0 = %s {tests}) "
            "SELECT (SELECT count(*) FROM found), ARRAY(SELECT id FROM found WHERE id < %s ORDER BY id DESC LIMIT %s)"
        )
        values = [self._account, *values, _LAST_ID if below is None else below, most]
        ((count, ids),) = self._pairs(query, values)
        return ids, count

    def count(self, wanted: Expression, bounds: Bounds | None = None) -> int:
        """As `WordIndex.count`."""
        if not wanted:
            return 0
        account = self._account
        if (bounds is None or bounds == Bounds()) and (marks := marks_that_count(wanted)) is not None:
            return self._sum_of_marks(*marks)
        tests, values = _tests(wanted, account, bounds)
        # The words have the account's number.
        return self._ids(f"SELECT count(*) FROM mirror_contact c WHERE true {tests}", values)[0]

    def _sum_of_marks(self, added: Sequence[str], taken: Sequence[str]) -> int:
        query = (
            "SELECT coalesce(sum(CASE WHEN mark = ANY(%s) THEN n ELSE -n END), 0)::bigint FROM mirror_mark "
            "WHERE account = %s AND mark = ANY(%s)"
        )
        return self._ids(query, [[*added], self._account, [*added, *taken]])[0]

    def recent(self, *, most: int, bounds: Bounds, below: tuple[int, int] | None = None) -> list[tuple[int, int]]:
        """As `WordIndex.recent`."""
        tests, values = conditions(bounds)
        if below:
            tests, values = f"{tests} AND (c.updated, c.id) < (%s, %s)", [*values, *below]
        query = (
            f"SELECT c.updated, c.id FROM mirror_contact c WHERE c.account = %s AND c.updated IS NOT NULL {tests} "
            "ORDER BY c.updated DESC, c.id DESC LIMIT %s"
        )
        asked = [self._account, *values, most]
        return self._do(lambda db: [(at, each) for at, each in db.execute(query.encode(), asked)])

    def newest(self, *, most: int, bounds: Bounds, below: int | None = None) -> list[int]:
        """As `WordIndex.newest`."""
        tests, values = conditions(bounds)
        if below is not None:
            tests, values = f"{tests} AND c.id < %s", [*values, below]
        query = f"SELECT c.id FROM mirror_contact c WHERE c.account = %s {tests} ORDER BY c.id DESC LIMIT %s"
        return self._ids(query, [self._account, *values, most])

    def counted(self, bounds: Bounds) -> int:
        """As `WordIndex.counted`."""
        tests, values = conditions(bounds)
        if not tests:
            return self._sum_of_marks(EVERYBODY, ())
        query = f"SELECT count(*) FROM mirror_contact c WHERE c.account = %s {tests}"
        return self._ids(query, [self._account, *values])[0]

    def phones_beginning(self, beginnings: Iterable[str], *, longest: int = 15, most: int) -> list[int]:
        """As `WordIndex.phones_beginning`."""
        asked, account = [*beginnings], self._account
        any_range = " UNION ALL ".join(
            "SELECT id FROM mirror_contact WHERE account = %s AND mirror_digits(phone) BETWEEN mirror_digits(%s) "
            "AND mirror_digits(%s) AND phone ^@ %s AND length(phone) <= %s"
            for _ in asked
        )
        query = f"SELECT id FROM ({any_range}) found ORDER BY id DESC LIMIT %s"
        values = [part for each in asked for part in (account, each, each + "9" * 9, each, longest)]
        return self._ids(query, [*values, most]) if asked else []

    def holding_part(self, part: str, *, most: int) -> list[int]:
        """As `WordIndex.holding_part`."""
        grams = trigrams(part, self._account)
        query = (
            f"SELECT c.id FROM mirror_contact c WHERE {TRIGRAMS} @> %s AND c.account + 0 = %s "
            "ORDER BY c.id + 0 DESC LIMIT %s"
        )
        return self._ids(query, [grams, self._account, most]) if grams else []

    def lines(self, ids: Iterable[int]) -> list[Line]:
        """As `WordIndex.lines`."""
        asked = [*ids]
        return self._do(lambda db: records.lines_of(db, self._account, asked)) if asked else []

    # The way of a search

    def _is_frequent(self, wanted: Expression, most: int) -> bool:
        """Whether so many contacts match that the newest are found sooner on the way from the newest contact down."""
        contacts = self._guessed([*EVERYBODY])
        if contacts <= _FEW:
            return False
        shares = []
        for clause in wanted.clauses:
            if any(term.is_beginning or term.place == "e" for term in clause):
                return False  # nobody knows how many these are
            shares.append(min(1.0, self._guessed([term.text for term in clause]) / contacts))
        to_collect = min(shares) * contacts
        passed = most / max(prod(shares), 1 / contacts)
        return to_collect > _FEW and passed * _TO_LOOK_AT < to_collect

    def _guessed(self, words: Sequence[str]) -> int:
        """About how many contacts have one of these words or marks. Words of addresses alone count as none."""
        account, now = self._account, time.monotonic()
        known = self._guesses
        if asked := [word for word in words if known.get(word, (0.0, 0))[0] < now - _GUESS_FOR]:
            query = (
                "SELECT mark, n FROM mirror_mark WHERE account = %(account)s AND mark = ANY(%(words)s) UNION ALL "
                "SELECT word, n FROM mirror_word WHERE account = %(account)s AND word = ANY(%(words)s)"
            )
            values = {"account": account, "words": asked}
            found: dict[str, int] = dict(self._pairs(query, values))
            if len(known) > _MOST_GUESSES:
                known.clear()
            known.update((word, (now, found.get(word, 0))) for word in asked)
        return sum(known.get(word, (0.0, 0))[1] for word in words)

    # Doubles

    def facts(self, *, after: int = 0, most: int) -> list[Facts]:
        """As `WordIndex.facts`."""
        rest = "WHERE c.account = %s AND c.id > %s ORDER BY c.id LIMIT %s"
        return self._do(lambda db: records.facts(db, rest, [self._account, after, most]))

    def facts_of(self, ids: Iterable[int]) -> dict[int, Facts]:
        """As `WordIndex.facts_of`."""
        asked = [*ids]
        found = self._do(lambda db: records.facts_of(db, self._account, asked))
        return {each.id: each for each in found}

    def namesakes(self, keys: Iterable[int]) -> dict[int, int]:
        """As `WordIndex.namesakes`."""
        asked, account = [*keys], self._account
        found = dict.fromkeys(asked, 0)
        for column in ("name_key", "display_key"):
            query = (
                f"SELECT c.{column}, count(*) FROM mirror_contact c WHERE c.{column} # c.account = ANY(%s) "
                f"AND c.{column} = ANY(%s) AND c.account + 0 = %s GROUP BY 1"
            )
            for key, count in self._pairs(query, [[key ^ account for key in asked], asked, account]):
                found[key] += count
        return found

    def spread(self, field_id: int) -> tuple[int, int]:
        """As `WordIndex.spread`."""
        begin = value_marks(field_id)
        query = (
            "SELECT count(*), coalesce(sum(n), 0)::bigint FROM mirror_mark "
            "WHERE account = %s AND mark >= %s AND mark < %s"
        )
        return self._pairs(query, [self._account, begin, begin + _LAST])[0]

    def holders(self, mark: str) -> int:
        """As `WordIndex.holders`."""
        query = "SELECT n FROM mirror_mark WHERE account = %s AND mark = %s"
        return next(iter(self._ids(query, [self._account, mark])), 0)

    @property
    def stamp(self) -> tuple[int, int, int]:
        """As `WordIndex.stamp`."""
        query = (
            "SELECT coalesce((SELECT max(updated) FROM mirror_contact WHERE account = %(account)s), 0), "
            "coalesce((SELECT changes FROM mirror WHERE account = %(account)s), 0)"
        )
        contacts = self._sum_of_marks(EVERYBODY, ())
        ((newest, changes),) = self._pairs(query, {"account": self._account})
        return contacts, newest, changes

    # Words

    def near(self, word: str) -> list[tuple[str, int]]:
        """As `WordIndex.near`."""
        return self._do(lambda db: vocabulary.near(db, self._account, word))

    def sounding(self, word: str, *, most: int = 30) -> list[str]:
        """As `WordIndex.sounding`."""
        return self._do(lambda db: vocabulary.sounding(db, self._account, word, most=most))

    def containing(self, part: str, *, most: int = 30) -> list[str]:
        """As `WordIndex.containing`."""
        return self._do(lambda db: vocabulary.containing(db, self._account, part, most=most))

    def known(self, words: Iterable[str]) -> dict[str, int]:
        """As `WordIndex.known`."""
        return self._do(lambda db: vocabulary.known(db, self._account, words))

    def values(self, field_id: int, *, most: int = MOST_VALUES) -> list[tuple[str, int]]:
        """As `WordIndex.values`."""
        begin = value_marks(field_id)
        return [(value_in(mark), count) for mark, count in self._range(begin, most)]

    def counts(self, mark: str) -> dict[str, int]:
        """As `WordIndex.counts`. Marks alone are counted."""
        return dict(self._range(mark, None))

    def _range(self, begin: str, most: int | None) -> list[tuple[str, int]]:
        query = "SELECT mark, n FROM mirror_mark WHERE account = %s AND mark >= %s AND mark < %s ORDER BY mark LIMIT %s"
        return self._pairs(query, [self._account, begin, begin + _LAST, most])

    def _pairs(self, query: str, values: Sequence[Any] | Mapping[str, Any]) -> list[tuple[Any, Any]]:
        return self._do(lambda db: [(one, other) for one, other in db.execute(query.encode(), values)])


def _has_key(column: str) -> str:
    """The condition on a key. The zero holds PostgreSQL to the index, in which the account is a part of the key."""
    return (
        f"c.{column} # c.account = %(value)s # %(account)s AND c.{column} = %(value)s AND c.account + 0 = %(account)s"
    )


_LAST = "\U0010ffff"  # the character after all others
_LAST_ID = 2**63 - 1
# From the newest contact down, until enough match. The offset holds PostgreSQL to that way.
_ON_THE_WAY = (
    "SELECT c.id FROM (SELECT * FROM mirror_contact WHERE account = %s ORDER BY id DESC OFFSET 0) c WHERE true {}"
)


def _tests(wanted: Expression, account: int | None, bounds: Bounds | None) -> tuple[str, list[Any]]:
    """The conditions of an expression, with an AND before each, and their values. Without an account no index helps."""
    tests, values = on_text_alone(wanted) if account is None else on_words(wanted, account)
    others, their_values = conditions(bounds)
    return tests + others, [*values, *their_values]


def marks_that_count(wanted: Expression) -> tuple[Sequence[str], Sequence[str]] | None:
    """The marks whose numbers, added and taken away, are the number of the contacts that match. None for other words.

    Every contact has one of `EVERYBODY`. So nobody is counted twice.
    """
    if len(wanted.clauses) > 1 or len(wanted.without) > 1:
        return None
    texts = [term.text for term in wanted.clauses[0]]
    is_everybody = {*texts} == {*EVERYBODY}
    if wanted.without and not is_everybody:
        return None
    if is_everybody or (len(texts) == 1 and is_mark(texts[0]) and not wanted.clauses[0][0].is_beginning):
        return texts, wanted.without
    return None
