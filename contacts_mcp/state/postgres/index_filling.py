"""Writing to the shared index. Every function here works for one account, on a connection without a transaction.

Who writes locks the account's row in `mirror` first. A page is written whole or not at all.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from contacts_mcp.state.postgres import index_records as records
from contacts_mcp.state.postgres import index_vocabulary as vocabulary
from contacts_mcp.state.postgres.index_words import marks_in, names_and_values_in
from contacts_mcp.state.row import Row, is_news
from contacts_mcp.state.vocabulary import is_known_kind
from contacts_mcp.state.word_index import LARGE_PAGE, WalkIsOver
from contacts_mcp.words.search_words import VERSION

if TYPE_CHECKING:
    from contacts_mcp.state.postgres.index_pool import Connection

TABLES = (
    "mirror", "mirror_note", "mirror_contact", "mirror_mark", "mirror_word", "mirror_seen", "mirror_gone",
)  # fmt: skip
CHUNK = 1_000  # contacts of one transaction
_MOST_UNSEEN = 50_000  # ids that are held at once
_TIDY = (
    "SELECT gin_clean_pending_list('mirror_contact_words'), gin_clean_pending_list('mirror_contact_parts'), "
    "gin_clean_pending_list('mirror_word_keys')"
)
_IS_CHANGED = """
    SELECT n_mod_since_analyze > 0.1 * n_live_tup FROM pg_stat_user_tables WHERE relid = 'mirror_contact'::regclass
"""
_UNSEEN = """
    SELECT id FROM mirror_contact
    WHERE account = %(account)s AND (SELECT is_walking FROM mirror WHERE account = %(account)s)
    EXCEPT SELECT unnest(ids) FROM mirror_seen WHERE account = %(account)s LIMIT %(most)s
"""
_SEEN_SINCE = "SELECT coalesce(array_agg(id), '{}') FROM mirror_seen, unnest(ids) id WHERE account = %s AND at > %s"


class Walk(NamedTuple):
    """The last walk that began."""

    generation: int
    is_under_way: bool


def locked(db: Connection, account: int, walk: int | None = None) -> Walk:
    """Lock the account's mirror until the end of the transaction. Raises WalkIsOver, psycopg.Error."""
    query = "SELECT generation, is_walking FROM mirror WHERE account = %s FOR UPDATE"
    found = db.execute(query, [account]).fetchone()
    if found is None:
        db.execute("INSERT INTO mirror (account) VALUES (%s) ON CONFLICT DO NOTHING", [account])
        db.execute("INSERT INTO mirror_note VALUES (%s, 'fold', %s) ON CONFLICT DO NOTHING", [account, str(VERSION)])
        found = db.execute(query, [account]).fetchone()
    assert found
    if walk not in (None, found[0]):
        raise WalkIsOver
    return Walk(*found)


# Contacts


def upsert(
    db: Connection,
    account: int,
    page: Mapping[int, Row],
    *,
    walk: int | None,
    state: Mapping[str, Any],
    unknown: Callable[[Connection, Iterable[str]], list[str]],
) -> tuple[int, list[str]]:
    """Put rows in, and the state. `unknown` says which words may be new.

    Returns how many rows changed, and these words. Raises WalkIsOver, psycopg.Error.
    """
    with db.transaction():
        now = locked(db, account, walk)
        query = "SELECT id FROM mirror_gone WHERE account = %s AND id = ANY(%s)"
        gone = {each for (each,) in db.execute(query, [account, [*page]])}
        there = [each for each in page if each not in gone]
        fresh, before = _news(db, account, [page[each] for each in there])
        new: list[str] = []
        if fresh:
            words = _replace(db, account, fresh, before)
            new = unknown(db, _vocabulary_of(words)) if len(page) <= LARGE_PAGE else []
            vocabulary.add(db, account, new)
        if now.is_under_way and there:
            query = "INSERT INTO mirror_seen (account, generation, ids) VALUES (%s, %s, %s)"
            db.execute(query, [account, now.generation, there])
        write_notes(db, account, state)
    if fresh and len(page) <= LARGE_PAGE:
        tidy(db)
    return len(fresh), new


def _news(db: Connection, account: int, rows: Sequence[Row]) -> tuple[list[Row], dict[int, str]]:
    """The rows that differ and are not older, and the words of those of them that are there."""
    found = records.rows_and_words_of(db, account, [row.id for row in rows])
    known = {row.id: (row, words) for row, words in found}
    fresh = [row for row in rows if row.id not in known or is_news(row, known[row.id][0])]
    return fresh, {row.id: known[row.id][1] for row in fresh if row.id in known}


def remove(db: Connection, account: int, ids: Sequence[int]) -> int:
    """Take out contacts that were seen deleted. Returns how many there were. Raises psycopg.Error."""
    with db.transaction():
        now = locked(db, account)
        db.execute(
            "INSERT INTO mirror_gone SELECT %s, id, %s FROM unnest(%s::bigint[]) id "
            "ON CONFLICT (account, id) DO UPDATE SET generation = excluded.generation",
            [account, now.generation, [*dict.fromkeys(ids)]],
        )
        return _delete(db, account, ids)


def unseen_ids(db: Connection, account: int, *, most: int) -> list[int]:
    """Contacts that the walk under way has not seen. Raises psycopg.Error."""
    return [each for (each,) in db.execute(_UNSEEN, {"account": account, "most": most})]


def delete_unseen(db: Connection, account: int, walk: int | None) -> int:
    """Delete some contacts that the walk did not see. Returns how many. Raises WalkIsOver, psycopg.Error."""
    with db.transaction():
        now = locked(db, account, walk)
        (last,) = db.execute(
            "SELECT coalesce(max(at), 0) FROM mirror_seen WHERE account = %s", [account]
        ).fetchone() or (0,)
    unseen = unseen_ids(db, account, most=_MOST_UNSEEN)
    removed = 0
    for at in range(0, len(unseen), CHUNK):
        with db.transaction():
            locked(db, account, now.generation)
            (arrived,) = db.execute(_SEEN_SINCE, [account, last]).fetchone() or ([],)
            removed += _delete(db, account, [*{*unseen[at : at + CHUNK]}.difference(arrived)])
    return removed


def fold_again(db: Connection, account: int, after: int) -> list[int]:
    """Fold some contacts with ids above `after` again. Returns their ids. Raises psycopg.Error."""
    with db.transaction():
        locked(db, account)
        rest = "WHERE c.account = %s AND c.id > %s ORDER BY c.id LIMIT %s"
        found = records.rows_and_words(db, rest, [account, after, CHUNK])
        _replace(db, account, [row for row, _ in found], {row.id: words for row, words in found})
        return [row.id for row, _ in found]


def tidy(db: Connection) -> None:
    """Put new entries where they belong, which every search would look through otherwise. Raises psycopg.Error."""
    db.execute(_TIDY)


def settle(db: Connection) -> None:
    """After many changes: put new entries where they belong, and have PostgreSQL learn what there is."""
    tidy(db)
    if (db.execute(_IS_CHANGED).fetchone() or (True,))[0]:
        db.execute("ANALYZE mirror_contact")
        db.execute("ANALYZE mirror_word")


def _replace(db: Connection, account: int, rows: Iterable[Row], before: Mapping[int, str]) -> list[str]:
    """Write rows anew. `before` has the words of those that are there. Returns the words of all, a text each."""
    if before:
        db.execute("DELETE FROM mirror_contact WHERE account = %s AND id = ANY(%s)", [account, [*before]])
    words = records.put_in(db, account, rows)
    _count_marks(db, account, added=words, taken=before.values())
    return words


def _delete(db: Connection, account: int, ids: Sequence[int]) -> int:
    query = "DELETE FROM mirror_contact WHERE account = %s AND id = ANY(%s) RETURNING words"
    words = [text for (text,) in db.execute(query, [account, [*ids]])]
    if words:
        _count_marks(db, account, added=(), taken=words)
    return len(words)


def _count_marks(db: Connection, account: int, *, added: Iterable[str], taken: Iterable[str]) -> None:
    """Count marks up and down. The contacts changed, so the mirror's number of changes grows, too."""
    counts = Counter(mark for text in added for mark in marks_in(text))
    counts.subtract(mark for text in taken for mark in marks_in(text))
    # In no order: keys that come in order leave every page of a B-tree but the last one half empty.
    changed = {mark: count for mark, count in sorted(counts.items(), key=hash) if count}
    db.execute(
        "WITH changed AS (UPDATE mirror SET changes = changes + 1 WHERE account = %s) "
        "INSERT INTO mirror_mark SELECT %s, * FROM unnest(%s::text[], %s::integer[]) "
        "ON CONFLICT (account, mark) DO UPDATE SET n = mirror_mark.n + excluded.n",
        [account, account, [*changed], [*changed.values()]],
    )
    if fewer := [mark for mark, count in changed.items() if count < 0]:
        db.execute("DELETE FROM mirror_mark WHERE account = %s AND mark = ANY(%s) AND n <= 0", [account, fewer])


def _vocabulary_of(texts: Iterable[str]) -> Iterable[str]:
    return (word for text in texts for word in names_and_values_in(text) if is_known_kind(word))


# Walks and the state


def begin_walk(db: Connection, account: int, state: Mapping[str, Any]) -> int:
    """Begin a walk. Returns its generation. Raises psycopg.Error."""
    with db.transaction():
        generation = locked(db, account).generation + 1
        db.execute("UPDATE mirror SET generation = %s, is_walking = true WHERE account = %s", [generation, account])
        db.execute("DELETE FROM mirror_seen WHERE account = %s", [account])
        write_notes(db, account, state)
    return generation


def end_walk(db: Connection, account: int, walk: int | None, state: Mapping[str, Any]) -> None:
    """Write down that a walk is over. Raises WalkIsOver, psycopg.Error."""
    with db.transaction():
        now = locked(db, account, walk)
        db.execute("DELETE FROM mirror_gone WHERE account = %s AND generation < %s", [account, now.generation])
        db.execute("DELETE FROM mirror_seen WHERE account = %s", [account])
        db.execute("UPDATE mirror SET is_walking = false WHERE account = %s", [account])
        write_notes(db, account, state)


def write_notes(db: Connection, account: int, values: Mapping[str, Any]) -> None:
    """Write notes down. None removes one. The caller has locked the account. Raises psycopg.Error."""
    kept = {name: json.dumps(value) for name, value in values.items() if value is not None}
    if removed := [name for name in values if name not in kept]:
        db.execute("DELETE FROM mirror_note WHERE account = %s AND name = ANY(%s)", [account, removed])
    if kept:
        db.execute(
            "INSERT INTO mirror_note SELECT %s, * FROM unnest(%s::text[], %s::text[]) "
            "ON CONFLICT (account, name) DO UPDATE SET value = excluded.value",
            [account, [*kept], [*kept.values()]],
        )


def set_notes(db: Connection, account: int, values: Mapping[str, Any]) -> None:
    """Write notes down. Raises psycopg.Error."""
    with db.transaction():
        locked(db, account)
        write_notes(db, account, values)


def forget(db: Connection, account: int) -> None:
    """Delete everything of the account. Raises psycopg.Error."""
    with db.transaction():
        locked(db, account)
        for table in TABLES:
            db.execute(f"DELETE FROM {table} WHERE account = %s".encode(), [account])
