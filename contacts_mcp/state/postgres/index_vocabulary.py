"""The words of names and values in the shared index (`mirror_word`), as `state/vocabulary.py` has them in a file.

A word's number grows with the time of its arrival, and of words that arrive together, with the word.
So both engines know the same words in the same order.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from contacts_mcp.state.postgres.index_words import KEYS, NAMES_AND_VALUES, trigrams_in
from contacts_mcp.state.vocabulary import LONGEST, MOST_CANDIDATES, MOST_LEFT_OUT, beginnings_of, is_known_kind
from contacts_mcp.words.search_words import sound

if TYPE_CHECKING:
    from contacts_mcp.state.postgres.index_pool import Connection

Item = TypeVar("Item")

_CHUNK = 5_000  # words of one transaction
_LOCK = "SELECT FROM mirror WHERE account = %s FOR UPDATE"
_COUNTED = f"""
    SELECT word, count(*)::integer FROM mirror_contact c, unnest({NAMES_AND_VALUES}) word
    WHERE c.account = %s AND length(word) BETWEEN 1 AND {LONGEST - 1} AND word !~ '[0-9]'
    GROUP BY 1 ORDER BY 1
"""


def add(db: Connection, account: int, words: Iterable[str]) -> None:
    """Add the words that are not there. The caller has locked the account. Raises psycopg.Error."""
    given = [*dict.fromkeys(words)]
    there = {
        word
        for (word,) in db.execute(
            "SELECT word FROM mirror_word WHERE account = %s AND word = ANY(%s)", [account, given]
        )
    }
    new = [(word, 1) for word in given if word not in there]
    if new:
        _put_in(db, account, new)


def renew(db: Connection, account: int, *, anew: bool = False) -> None:
    """Read the vocabulary from all rows: add new words, remove those that no row has, count the others.

    Others can write between the transactions. A word that arrives meanwhile stays. `anew` begins with none.
    Raises psycopg.Error.
    """
    if anew:
        db.execute("DELETE FROM mirror_word WHERE account = %s", [account])
    known = db.execute("SELECT word, n FROM mirror_word WHERE account = %s", [account]).fetchall()
    fresh = _counted(db, account)
    _count_anew(db, account, [(word, fresh[word]) for word, n in known if fresh.get(word, n) != n])
    left = [word for word, _ in known if fresh.pop(word, None) is None]
    for words in _chunks(left):
        db.execute("DELETE FROM mirror_word WHERE account = %s AND word = ANY(%s)", [account, words])
    for chunk in _chunks([*fresh.items()]):
        _add_counted(db, account, dict(chunk))


def _counted(db: Connection, account: int) -> dict[str, int]:
    """The words of all rows in order, each with its count."""
    with db.transaction(), db.cursor(name="counted") as counted:
        counted.itersize = _CHUNK
        counted.execute(_COUNTED, [account])
        return {word: count for word, count in counted if is_known_kind(word)}


def _count_anew(db: Connection, account: int, counts: Sequence[tuple[str, int]]) -> None:
    query = (
        "UPDATE mirror_word w SET n = new.n FROM unnest(%s::text[], %s::integer[]) new (word, n) "
        "WHERE w.account = %s AND w.word = new.word"
    )
    for chunk in _chunks(counts):
        words, n = zip(*chunk, strict=True)
        db.execute(query, [[*words], [*n], account])


def _add_counted(db: Connection, account: int, counts: dict[str, int]) -> None:
    with db.transaction():
        db.execute(_LOCK, [account])
        there = db.execute(
            "SELECT word FROM mirror_word WHERE account = %s AND word = ANY(%s)", [account, [*counts]]
        ).fetchall()
        for (word,) in there:  # it arrived meanwhile
            del counts[word]
        _put_in(db, account, [*counts.items()])


def _put_in(db: Connection, account: int, counts: Sequence[tuple[str, int]]) -> None:
    with db.cursor() as cursor, cursor.copy("COPY mirror_word (account, word, n, sound) FROM STDIN") as copy:
        for word, count in counts:
            copy.write_row((account, word, count, sound(word) or None))


def _chunks(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    return (items[at : at + _CHUNK] for at in range(0, len(items), _CHUNK))


# Finding words


def near(db: Connection, account: int, word: str) -> list[tuple[str, int]]:
    """The words that may be `word` misspelled, each with its count. Most of them are not: compare them."""
    query = (
        f"SELECT word, n FROM mirror_word WHERE {KEYS} && mirror_keys(%s, %s::text[]) AND account + 0 = %s "
        "AND word <> %s AND length(word) BETWEEN %s AND %s ORDER BY id"
    )
    lengths = len(word) - MOST_LEFT_OUT, len(word) + MOST_LEFT_OUT
    return [(found, n) for found, n in db.execute(query, [account, [*beginnings_of(word)], account, word, *lengths])]


def sounding(db: Connection, account: int, word: str, *, most: int) -> list[str]:
    """The most frequent words that sound like `word`."""
    query = "SELECT word FROM mirror_word WHERE account = %s AND sound = %s AND word <> %s ORDER BY n DESC, id LIMIT %s"
    key = sound(word)
    return [found for (found,) in db.execute(query, [account, key, word, most])] if key else []


def containing(db: Connection, account: int, part: str, *, most: int) -> list[str]:
    """The most frequent words that hold `part`, of three letters or more."""
    grams = trigrams_in(part)
    if not grams:
        return []
    # Other words have the keys, too. They must not fill the limit, which the index in a file has for these alone.
    query = (
        f"SELECT word FROM (SELECT word, n, id FROM mirror_word WHERE {KEYS} @> mirror_keys(%s, %s::text[]) "
        "AND account + 0 = %s AND word LIKE ALL(%s::text[]) ORDER BY id LIMIT %s) found "
        "WHERE strpos(word, %s) > 0 ORDER BY n DESC, id LIMIT %s"
    )
    pieces, patterns = [f"|{gram}" for gram in grams], [f"%{gram}%" for gram in grams]
    values = [account, pieces, account, patterns, MOST_CANDIDATES, part, most]
    return [found for (found,) in db.execute(query, values)]


def known(db: Connection, account: int, words: Iterable[str]) -> dict[str, int]:
    """Those of the words that some contact has, each with its count."""
    query = "SELECT word, n FROM mirror_word WHERE account = %s AND word = ANY(%s)"
    return dict(db.execute(query, [account, [*words]]).fetchall())
