"""The index in a file: the file, its version, its bytes, and several programs at it.

The rules of every index are in `test_word_index.py`.
"""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.indexes import ANN, JORDAN, with_words

from contacts_mcp.state import index as index_module
from contacts_mcp.state import index_file, vocabulary
from contacts_mcp.state.index import Index
from contacts_mcp.state.index_file import APPLICATION_ID, IndexUnavailable
from contacts_mcp.state.match import expression, word
from contacts_mcp.state.row import Row, tag_mark, value_mark
from contacts_mcp.words import search_words


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.sqlite3"


def test_the_state_survives_the_process(path: Path) -> None:
    first = Index.open(path)
    first.begin_walk(place="page 7", newest="t", region="US")
    first.upsert([JORDAN])
    first.close()
    second = Index.open(path)
    state = second.state
    assert (state.place, state.newest, state.contacts, state.generation) == ("page 7", "t", 1, 1)
    assert state.notes == {"region": "US"}
    assert state.complete_since is None
    second.close()


SECRET = "Zyxwvut"


def test_of_a_deleted_contact_no_byte_is_left_after_the_walk(path: Path) -> None:
    """Trap 8: the name was in the file four times after the deletion, and twice after the index was compacted."""
    index = Index.open(path)
    secret = Row(
        id=7,
        first=SECRET,
        last="Qponmlk",
        email=f"{SECRET}@secretive.example",
        phone="15109998887",
        custom={31: f"{SECRET} plan"},
    )
    index.begin_walk()
    index.upsert([JORDAN, ANN, secret])
    index.upsert([replace(JORDAN, id=number, first=f"Name{number}") for number in range(2000, 2200)])
    index.end_walk(began=1.0, ended=2.0)
    assert SECRET.lower().encode() in bytes_of(path).lower()
    index.begin_walk()
    index.upsert([JORDAN, ANN])
    index.end_walk(began=3.0, ended=4.0)
    left = bytes_of(path).lower()
    for text in (SECRET.lower(), "qponmlk", "secretive", "15109998887", "|15109998887|", "name2100"):
        assert text.encode() not in left, text
    assert not any(part in left for part in (b"zyx", b"ponm")), "no piece of a word"
    assert index.near(SECRET.lower()) == []
    index.close()
    assert SECRET.lower().encode() not in bytes_of(path).lower()


def test_the_marks_of_many_are_counted_at_the_end_of_a_walk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(vocabulary, "_COMMON", 3)
    index = Index.open(None)
    many = [replace(JORDAN, id=number, tags=(101, number), custom={31: "Gold"}) for number in range(200, 205)]
    marks = [tag_mark(101), tag_mark(203), value_mark(31, "gold")]
    wanted = expression([[word(mark)] for mark in reversed(marks)])
    for rows, counts in ((many, {marks[0]: 5, marks[2]: 5}), (many[3:], {})):
        index.begin_walk()
        index.upsert(rows)
        assert index.matching(wanted, most=9) == [203]
        index.end_walk(began=1.0, ended=2.0)
        assert index._read(lambda db: vocabulary.common(db, marks)) == counts
        assert index.matching(wanted, most=9) == [203]
    index.close()


def bytes_of(path: Path) -> bytes:
    return b"".join(each.read_bytes() for each in path.parent.glob(f"{path.name}*"))


def test_with_other_rules_of_folding_the_index_is_rebuilt_from_its_own_rows(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index = Index.open(path)
    index.upsert([JORDAN, ANN])
    assert not index.state.needs_rebuild
    index.close()
    monkeypatch.setattr(index_module, "VERSION", search_words.VERSION + 1)
    monkeypatch.setattr("contacts_mcp.state.row.value_words", lambda text: ("other", *search_words.value_words(text)))
    index = Index.open(path)
    assert index.state.needs_rebuild
    assert list(index.rebuild()) == [2]
    assert not index.state.needs_rebuild
    assert with_words(index, "other", "gold") == [1001]
    assert with_words(index, "jordan") == [1001]
    assert "jordan" in dict(index.near("jordn"))
    index.close()


# The file


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_the_files_are_readable_by_their_owner_alone(path: Path) -> None:
    index = Index.open(path)
    index.upsert([JORDAN])
    files = list(path.parent.glob("index.sqlite3*"))
    assert {each.name for each in files} >= {"index.sqlite3", "index.sqlite3-wal"}
    assert {stat.S_IMODE(each.stat().st_mode) for each in files} == {0o600}
    index.close()


def test_forgetting_leaves_no_file(path: Path) -> None:
    index = Index.open(path)
    index.upsert([JORDAN])
    index.forget()
    assert not path.exists()
    assert index.state.contacts == 0
    index.close()


def test_where_the_file_cannot_be_deleted_it_is_emptied(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Windows does not delete a file that another process has open."""
    monkeypatch.setattr(index_module, "remove", lambda _: False)
    other = Index.open(path)
    index = Index.open(path)
    index.upsert([JORDAN])
    assert other.rows([1001]) == [JORDAN]
    index.forget()
    assert b"Rivera" not in bytes_of(path)
    assert b"jordan" not in bytes_of(path).lower()
    assert other.rows([1001]) == []
    index.upsert([ANN])
    assert index.rows([1002]) == [ANN]
    index.close()
    other.close()


def test_an_index_in_memory_refuses_a_large_account(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_module, "MOST_IN_MEMORY", 2)
    with closing(Index.open(None)) as index:
        index.upsert([JORDAN, ANN])
        with pytest.raises(IndexUnavailable, match="too many contacts for an index in memory") as refused:
            index.upsert([Row(id=7)])
        assert refused.value.reason == "too_large"
        assert index.state.contacts == 2


def no_database(path: Path) -> None:
    path.write_bytes(b"this is no database" * 999)


def torn(path: Path) -> None:
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


def shuffled(path: Path) -> None:
    whole = bytearray(path.read_bytes())
    dice = random.Random(5)
    for at in range(200, len(whole)):
        if dice.random() < 0.2:
            whole[at] = dice.randrange(256)
    path.write_bytes(whole)


@pytest.mark.parametrize("befall", [no_database, torn, shuffled])
def test_a_file_that_cannot_be_read_is_started_over_and_nobody_gets_an_error(
    path: Path, befall: Callable[[Path], None]
) -> None:
    index = Index.open(path)
    index.upsert([replace(JORDAN, id=number) for number in range(1, 200)])
    index.close()
    for side in ("-wal", "-shm"):
        path.with_name(path.name + side).unlink(missing_ok=True)
    befall(path)
    index = Index.open(path)
    index.rows(range(1, 200))
    with_words(index, "jordan", "rivera")
    index.upsert([ANN])
    assert index.rows([1002]) == [ANN]
    assert index.state.started_over
    assert index.state.complete_since is None
    index.told_of_starting_over()
    assert not index.state.started_over
    assert [each.name for each in path.parent.glob("*unreadable*")] == []
    index.close()


@settings(deadline=None, max_examples=15)
@given(st.integers(0, 10_000))
def test_flipped_bytes_raise_nothing(tmp_path_factory: pytest.TempPathFactory, seed: int) -> None:
    """Trap 9: SQLite notices few of them. No error but IndexUnavailable gets out."""
    path = tmp_path_factory.mktemp("flips") / "index.sqlite3"
    index = Index.open(path)
    index.upsert([replace(JORDAN, id=number, first=f"Ann{number}") for number in range(1, 60)])
    index.close()
    dice, whole = random.Random(seed), bytearray(path.read_bytes())
    for _ in range(400):
        whole[dice.randrange(100, len(whole))] ^= 1 << dice.randrange(8)
    path.write_bytes(whole)
    index = Index(path)
    try:
        index.rows(range(1, 60))
        with_words(index, "jordan")
        index.near("rivers")
        index.upsert([replace(JORDAN, id=number, rev=9) for number in range(1, 60)])
        index.begin_walk()
        index.end_walk(began=1.0, ended=2.0)
    except IndexUnavailable:
        pass
    finally:
        index.close()


def test_another_program_s_file_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE precious (a)")
    with pytest.raises(IndexUnavailable) as refused:
        Index.open(path)
    assert refused.value.reason == "foreign"
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("precious",)]


def test_a_newer_version_s_file_is_left_alone(path: Path) -> None:
    Index.open(path).close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA user_version = 99")
    with pytest.raises(IndexUnavailable, match="newer contacts-mcp") as refused:
        Index.open(path)
    assert refused.value.reason == "newer_version"


def test_the_file_says_whose_it_is(path: Path) -> None:
    Index.open(path).close()
    with closing(sqlite3.connect(path)) as db:
        assert db.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)


def test_without_fts5_the_way_out_is_told(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(index_file, "_PROBE", "CREATE VIRTUAL TABLE temp.probe USING no_such_module (a)")
    with pytest.raises(IndexUnavailable, match="uv python install --reinstall") as refused:
        Index.open(path)
    assert refused.value.reason == "no_fts5"


def test_a_directory_in_its_place_is_explained(path: Path) -> None:
    path.mkdir()
    with pytest.raises(IndexUnavailable) as refused:
        Index.open(path)
    assert refused.value.reason == "unwritable"


def test_a_file_that_was_deleted_meanwhile_is_begun_again(path: Path) -> None:
    index = Index.open(path)
    index.upsert([JORDAN])
    for side in ("", "-wal", "-shm"):
        path.with_name(path.name + side).unlink()
    assert index.rows([1001]) == []
    assert index.upsert([ANN]) == 1
    assert index.known(["ann"]) == {"ann": 1}
    index.close()


# Together


def test_two_writers_and_a_reader_do_not_disturb_each_other(path: Path) -> None:
    """Each has its own connections, as processes have."""
    indexes = [Index.open(path) for _ in range(3)]
    failures: list[Exception] = []

    def write(index: Index, first: int) -> None:
        try:
            for at in range(first, first + 400, 20):
                index.upsert([replace(JORDAN, id=number) for number in range(at, at + 20)])
        except Exception as error:  # noqa: BLE001 -- told below
            failures.append(error)

    writers = [threading.Thread(target=write, args=(index, 1 + 1_000 * at)) for at, index in enumerate(indexes[:2])]
    for writer in writers:
        writer.start()
    while any(writer.is_alive() for writer in writers):
        assert len(with_words(indexes[2], "jordan")) <= 10
    assert failures == []
    assert indexes[2].state.contacts == 800
    assert indexes[2].count(expression([[word("rivera")]])) == 800
    for index in indexes:
        index.close()


def test_a_reader_does_not_wait_for_a_writer(path: Path) -> None:
    index = Index.open(path)
    index.upsert([JORDAN])
    assert index.rows([1001]) == [JORDAN]
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        start = time.monotonic()
        assert index.rows([1001]) == [JORDAN]
        assert time.monotonic() - start < 0.5
        with pytest.raises(IndexUnavailable) as refused:
            index.upsert([ANN])
        assert refused.value.reason == "busy"
        other.execute("ROLLBACK")
    assert index.upsert([ANN]) == 1
    index.close()
