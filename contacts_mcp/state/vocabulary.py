"""The words of names and values in the index, found by another spelling, by their sound, or by a part. Common marks.

- A word is near another if both have the same beginning after up to two letters are left out.
  `near` holds a checksum of every such beginning, and the word's id, in one number.
- New words get in with the row that has them, or all at once at the end of a large read (`renew`), which is quicker.
- Of the marks of filters, only those are known that many contacts have, each with its count at the last walk.
- A word of an e-mail address is none, nor a word with digits: they would double the table, and nobody misspells them.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from itertools import combinations
from zlib import crc32

from contacts_mcp.state.database import transaction
from contacts_mcp.state.fts5 import trigrams
from contacts_mcp.words.search_words import sound

LONGEST = 24
_BEGINNING = 7  # letters
_SHORT = 5  # letters up to which one may be left out, else two
MOST_LEFT_OUT = 2
_KEY = 0x7FFFFF  # 23 bits of the checksum are enough to be right mostly
_ID_BITS = 24
_IDS = (1 << _ID_BITS) - 1
_CHUNK = 5_000  # words of one transaction
MOST_CANDIDATES = 400
_COMMON = 1_000  # contacts that make a mark a common one


def is_known_kind(word: str) -> bool:
    """Whether a word of a row belongs to the vocabulary."""
    return len(word) < LONGEST and (word.isalpha() or not any(map(str.isdigit, word)))


def beginnings_of(word: str) -> set[str]:
    """The word's beginning, and the same with a letter or two left out."""
    start = word[:_BEGINNING]
    most = 1 if len(word) <= _SHORT else MOST_LEFT_OUT
    left = {start}
    for count in range(1, min(most, len(start) - 1) + 1):
        left.update("".join(chars) for chars in combinations(start, len(start) - count))
    return left


def keys_of(word: str) -> set[int]:
    """The checksums of these beginnings."""
    return {crc32(text.encode()) & _KEY for text in beginnings_of(word)}


def add(db: sqlite3.Connection, words: Iterable[str]) -> None:
    """Add the words that are not there. The caller has a transaction open."""
    for word in words:
        cursor = db.execute("INSERT OR IGNORE INTO word (word, n, sound) VALUES (?, 1, ?)", (word, sound(word) or None))
        if cursor.rowcount:
            number = cursor.lastrowid or 0
            db.execute("INSERT INTO inword (rowid, word) VALUES (?, ?)", (number, word))
            db.executemany("INSERT INTO near VALUES (?)", _pairs(word, number))


def renew(db: sqlite3.Connection) -> None:
    """Read the vocabulary from the words of all rows: add new words, remove those that no row has, count the others.

    Another process can write between the transactions.
    """
    _count_marks(db)
    fresh: dict[str, int] = {}  # in memory, because SQLite's temporary files would leave the words on the disk
    counted = "SELECT term, doc FROM vocabulary WHERE col IN ('n', 'v') AND (term < '§' OR term >= '¨')"
    for word, count in db.execute(counted):
        if is_known_kind(word):
            fresh[word] = fresh.get(word, 0) + count
    known = db.execute("SELECT id, word, n FROM word").fetchall()
    _remove(db, [(number, word) for number, word, _ in known if word not in fresh])
    changed = [(fresh[word], number) for number, word, count in known if fresh.get(word, count) != count]
    with transaction(db):
        db.executemany("UPDATE word SET n = ? WHERE id = ?", changed)
    for _, word, _ in known:
        fresh.pop(word, None)
    if fresh:
        _add_all(db, fresh)


def _count_marks(db: sqlite3.Connection) -> None:
    query = "SELECT term, doc FROM marks WHERE term >= '§' AND term < '¨' AND doc >= ?"
    with transaction(db):
        db.execute("DELETE FROM common")
        db.execute(f"INSERT INTO common {query}", (_COMMON,))


def _add_all(db: sqlite3.Connection, counts: Mapping[str, int]) -> None:
    """Add new words. Their keys are sorted by SQLite first, because `near` is ten times quicker to fill then."""
    (last,) = db.execute("SELECT coalesce(max(id), 0) FROM word").fetchone()
    with transaction(db):
        db.executemany(
            "INSERT OR IGNORE INTO word (word, n, sound) VALUES (?, ?, ?)",
            ((word, count, sound(word) or None) for word, count in counts.items()),
        )
        db.execute("INSERT INTO inword (rowid, word) SELECT id, word FROM word WHERE id > ?", (last,))
    db.execute("DROP TABLE IF EXISTS temp.keys")
    db.execute("CREATE TEMP TABLE keys (pair INTEGER)")
    with transaction(db, kind="DEFERRED"):
        db.executemany("INSERT INTO keys VALUES (?)", _all_pairs(db, last))
    with transaction(db):
        db.execute("INSERT OR IGNORE INTO near SELECT pair FROM keys ORDER BY pair")
    db.execute("DROP TABLE keys")


def _all_pairs(db: sqlite3.Connection, last: int) -> Iterator[tuple[int]]:
    for number, word in db.execute("SELECT id, word FROM word WHERE id > ?", (last,)):
        yield from _pairs(word, number)


def _pairs(word: str, number: int) -> Iterator[tuple[int]]:
    return ((key << _ID_BITS | number,) for key in keys_of(word))


def _remove(db: sqlite3.Connection, words: list[tuple[int, str]]) -> None:
    for at in range(0, len(words), _CHUNK):
        chunk = [(number, word) for number, word in words[at : at + _CHUNK]]
        with transaction(db):
            db.executemany("INSERT INTO inword (inword, rowid, word) VALUES ('delete', ?, ?)", chunk)
            pairs = (pair for number, word in chunk for pair in _pairs(word, number))
            db.executemany("DELETE FROM near WHERE pair = ?", pairs)
            db.executemany("DELETE FROM word WHERE id = ?", ((number,) for number, _ in chunk))


# Finding words


def near(db: sqlite3.Connection, word: str) -> list[tuple[str, int]]:
    """The words that may be `word` misspelled, each with its count. Most of them are not: compare them."""
    starts = [key << _ID_BITS for key in keys_of(word)]
    query = (
        f"WITH keys (start) AS (VALUES {', '.join(['(?)'] * len(starts))}) SELECT word, n FROM word WHERE id IN ("
        f"SELECT pair & {_IDS} FROM keys CROSS JOIN near ON pair BETWEEN start AND start + {_IDS}) "
        "AND length(word) BETWEEN ? AND ?"
    )
    lengths = len(word) - MOST_LEFT_OUT, len(word) + MOST_LEFT_OUT
    return [(found, count) for found, count in db.execute(query, (*starts, *lengths)) if found != word]


def sounding(db: sqlite3.Connection, word: str, *, most: int) -> list[str]:
    """The most frequent words that sound like `word`."""
    query = "SELECT word FROM word WHERE sound = ? AND word <> ? ORDER BY n DESC, id LIMIT ?"
    return [found for (found,) in db.execute(query, (sound(word), word, most))] if sound(word) else []


def containing(db: sqlite3.Connection, part: str, *, most: int) -> list[str]:
    """The most frequent words that hold `part`, of three letters or more."""
    wanted = trigrams(part)
    if not wanted:
        return []
    query = (
        "SELECT word FROM word WHERE id IN (SELECT rowid FROM inword WHERE inword MATCH ? LIMIT ?) "
        "AND instr(word, ?) ORDER BY n DESC, id LIMIT ?"
    )
    return [found for (found,) in db.execute(query, (wanted, MOST_CANDIDATES, part, most))]


def known(db: sqlite3.Connection, words: Iterable[str]) -> dict[str, int]:
    """Those of the words that some contact has, each with its count."""
    asked = [*words]
    query = f"SELECT word, n FROM word WHERE word IN ({', '.join('?' * len(asked))})"
    return dict(db.execute(query, asked).fetchall())


def common(db: sqlite3.Connection, marks: Iterable[str]) -> dict[str, int]:
    """Those of the marks that many contacts had at the last walk, each with its count."""
    asked = [*marks]
    query = f"SELECT mark, n FROM common WHERE mark IN ({', '.join('?' * len(asked))})"
    return dict(db.execute(query, asked).fetchall())
