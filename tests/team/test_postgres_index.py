"""The shared index: the way of a search, its accounts, the rest after `forget`, and several servers at it.

The rules of every index are in `tests/state/test_word_index.py`, the answers to searches in
`test_postgres_index_answers.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import psycopg
import pytest
from support.indexes import ANN, JORDAN, everything, with_words
from support.shared_index import new_index

from contacts_mcp.state.match import Bounds, expression, in_name, word
from contacts_mcp.state.postgres.index import PostgresIndex
from contacts_mcp.state.postgres.index_filling import _UNSEEN, TABLES
from contacts_mcp.state.postgres.index_pool import new_pool
from contacts_mcp.state.postgres.index_records import _OF_IDS
from contacts_mcp.state.row import Row, value_mark
from contacts_mcp.words import search_words


@pytest.fixture
def index(prepared_database: str) -> Iterator[PostgresIndex]:
    with closing(new_index(prepared_database)) as opened:
        yield opened


def test_a_frequent_word_is_found_on_the_way_down(index: PostgresIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contacts_mcp.state.postgres.index._FEW", 10)
    index.begin_walk()
    names = {number: "Ann" if number % 3 else "Bo" for number in range(1, 150)}
    index.upsert(Row(id=number, first=name, updated=number, custom={331: "x"}) for number, name in names.items())
    index.end_walk(began=1.0, ended=2.0)
    expected = [number for number in range(149, 0, -1) if number % 3]
    for term in (word("§§unknown"), word("ann"), word("§§f331"), word(value_mark(331, "X")), *in_name(["ann"])):
        wanted = expression([[word("§§unknown")], [term, word("zed")], [word("ann")]])
        assert index._is_frequent(wanted, 5)
        assert index.matching(wanted, most=5) == expected[:5]
        assert index.matching(wanted, most=5, below=100) == [each for each in expected if each < 100][:5]
        assert index.matching(wanted, most=5, bounds=Bounds(updated_before=50))[0] == 49
        assert index.count(wanted) == len(expected)
        assert index.matching(wanted._replace(without=("§§mail", "§§f33")), most=5) == expected[:5]
        assert index.matching(wanted._replace(without=("§§t0",)), most=5) == []


def test_words_of_the_same_keys_fill_no_limit(index: PostgresIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contacts_mcp.state.postgres.index_vocabulary.MOST_CANDIDATES", 1)
    assert index._ids("SELECT mirror_keys(7, '{|siq}') = mirror_keys(7, '{|ger}')", []) == [True]
    index.upsert([Row(id=1, first="Masiq", last="Christophersen"), Row(id=2, first="German", last="Christo")])
    assert index.containing("ger") == ["german"]
    assert dict(index.near("christa")).keys() == {"christo"}, "not that longer one, which begins alike"


def test_another_server_goes_on_with_a_walk(index: PostgresIndex, prepared_database: str) -> None:
    walk = index.begin_walk(place="page 1", region="US")
    index.upsert([JORDAN], walk=walk, place="page 2")
    with closing(PostgresIndex(prepared_database, index._account)) as other:
        assert (other.state.place, other.state.notes, other.state.contacts) == ("page 2", {"region": "US"}, 1)
        other.upsert([ANN], walk=walk)
        assert other.end_walk(began=1.0, ended=2.0, walk=walk) == 0
    assert index.state.contacts == 2


def test_a_server_of_the_version_before_does_not_fold_again(
    index: PostgresIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two versions side by side would fold everything in turns."""
    index.upsert([JORDAN])
    monkeypatch.setattr("contacts_mcp.state.postgres.index.VERSION", search_words.VERSION + 1)
    monkeypatch.setattr("contacts_mcp.state.row.value_words", lambda text: ("other", *search_words.value_words(text)))
    assert index.state.needs_rebuild
    assert list(index.rebuild()) == [1]
    assert not index.state.needs_rebuild
    assert with_words(index, "other", "gold") == with_words(index, "jordan") == [1001]
    monkeypatch.undo()
    assert not index.state.needs_rebuild


# Accounts


def test_accounts_with_the_same_people_see_nothing_of_each_other(index: PostgresIndex, prepared_database: str) -> None:
    with closing(new_index(prepared_database)) as other:
        for each in (index, other):
            each.begin_walk()
            each.upsert([JORDAN, ANN])
            each.end_walk(began=1.0, ended=2.0)
        theirs, stamp = everything(other), other.stamp
        index.upsert([replace(JORDAN, rev=9, first="Dana", phone="15105550000"), Row(id=1005, first="Zed", rev=1)])
        index.remove([1002])
        index.begin_walk()
        index.end_walk(began=3.0, ended=4.0)
        index.set_state(place="mine")
        assert (everything(other), other.stamp, other.state.place) == (theirs, stamp, "")
        assert with_words(other, "zed") == with_words(other, "dana") == other.by_phone("15105550000") == []
        assert index.state.contacts == 0
        index.forget()
        assert everything(other) == theirs
        assert other.count(expression([[word("jordan")]])) == 1
        assert dict(other.near("jordn")) == {"jordan": 1}


def test_the_work_for_an_account_that_postgresql_has_not_counted_yet_grows_with_its_size_alone(
    index: PostgresIndex, prepared_database: str
) -> None:
    """Each id is looked up, and the unseen ones are found at once. PostgreSQL takes such an account for empty."""
    index.upsert([Row(id=number, first="Ann", updated=number) for number in range(2_000)])
    new = index._account + 100_000
    with psycopg.connect(prepared_database, autocommit=True) as db:
        db.execute("ANALYZE mirror_contact")
        of_ids = db.execute(f"EXPLAIN SELECT c.id {_OF_IDS}".encode(), [[1], new]).fetchall()
        unseen = db.execute(f"EXPLAIN {_UNSEEN}".encode(), {"account": new, "most": 9}).fetchall()
    assert "mirror_contact_pkey" in str(of_ids)
    assert "Nested Loop" not in str(unseen)


def test_nothing_is_left_of_a_forgotten_account(index: PostgresIndex, prepared_database: str) -> None:
    index.begin_walk(place="page 1")
    index.upsert([JORDAN, ANN])
    index.remove([1002])
    index.forget()
    assert (index.state.contacts, index.generation, everything(index)[:2]) == (0, 0, ([], []))
    with psycopg.connect(prepared_database) as db:
        tables = "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'mirror%'"
        assert {name for (name,) in db.execute(tables)} == {*TABLES}
        for table in TABLES:
            query = f"SELECT count(*) FROM {table} WHERE account = %s".encode()
            assert db.execute(query, [index._account]).fetchone() == (0,), table
    assert index.upsert([JORDAN]) == 1
    assert index.known(["jordan"]) == {"jordan": 1}


# Together


def test_many_threads_write_and_read_at_once_over_one_pool(prepared_database: str) -> None:
    """Two servers, each with a pool, and two threads on each index."""
    with new_pool(prepared_database) as pool, new_pool(prepared_database) as other_pool:
        first = new_index(pool)
        indexes = [first, PostgresIndex(other_pool, first._account)] * 2
        failures: list[Exception] = []

        def write(index: PostgresIndex, begin: int) -> None:
            try:
                for at in range(begin, begin + 100, 20):
                    index.upsert(replace(JORDAN, id=1 + number % 250, rev=number) for number in range(at, at + 20))
                    index.remove([at % 7])
            except Exception as error:  # noqa: BLE001 -- told below
                failures.append(error)

        writers = [threading.Thread(target=write, args=(index, 70 * at)) for at, index in enumerate(indexes)]
        for writer in writers:
            writer.start()
        while any(writer.is_alive() for writer in writers):
            assert len(with_words(first, "jordan")) <= 10
        assert failures == []
        contacts = len(first.facts(most=1_000))
        assert first.state.contacts == first.holders("§§mail") == contacts
        assert first.count(expression([[word("rivera")], [word("gold")]])) == contacts
