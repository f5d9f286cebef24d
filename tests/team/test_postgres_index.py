"""The shared index by itself: its rules of writing, its accounts, and the rest after `forget`.

The answers to searches are in `test_postgres_index_answers.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import permutations
from typing import Any

import psycopg
import pytest
from postgres_server import PostgresServer
from support.shared_index import new_index, prepare

from contacts_mcp.state.index import Index
from contacts_mcp.state.match import Bounds, expression, word
from contacts_mcp.state.postgres.index import PostgresIndex
from contacts_mcp.state.postgres.index_filling import TABLES
from contacts_mcp.state.postgres.index_pool import new_pool
from contacts_mcp.state.row import Row, value_mark
from contacts_mcp.state.word_index import WalkIsOver, WordIndex
from contacts_mcp.words import search_words

NOW = 1_700_000_100_000_000
JORDAN = Row(
    id=1001,
    uuid="8f14e45f-ceea-467f-a0e6-1f1e2b3c4d5e",
    phone="15105553344",
    first="Jordan",
    last="Rivera",
    email="Jordan.Rivera@acme.org",
    custom={31: "Gold", 32: "Oakland"},
    tags=(101, 102),
    assignee=501,
    is_opted_out=False,
    created=1_700_000_000_000_000,
    updated=NOW,
    rev=3,
)
ANN = Row(id=1002, phone="4915112345678", first="Ann", last="Müller", rev=1, updated=1_700_000_200_000_000)


@pytest.fixture(scope="module")
def database(postgres_server: PostgresServer) -> str:
    url = postgres_server.new_database("index")
    prepare(url)
    return url


@pytest.fixture
def index(database: str) -> Iterator[PostgresIndex]:
    with closing(new_index(database)) as opened:
        yield opened


def with_words(index: WordIndex, *words: str) -> list[int]:
    return index.matching(expression([[word(each)] for each in words]), most=10)


def everything(index: WordIndex) -> Any:
    """All that the index tells of these people."""
    names = ("jordan", "ann", "muller", "gold", "acme", "dana", "silver")
    return (
        index.rows(range(1000, 1100)),
        sorted(index.counts("§").items()),
        {name: with_words(index, name) for name in names},
        index.known(names),
        index.holding_part("3344|", most=10),
        [[row.id for row in index.by_name(name)] for name in ("jordan rivera", "ann muller", "dana cruz")],
    )


# Rows

ODD_ROWS = {
    "nothing but an id": Row(id=5),
    "a phone with a zero in front": Row(id=5, phone="0123"),
    "a phone of thirty digits": Row(id=5, phone="1" * 30),
    "a uuid of another shape": Row(id=5, uuid="no-uuid"),
    "a uuid of fifteen letters": Row(id=5, uuid="fifteen letters"),
    "a uuid of sixteen letters": Row(id=5, uuid="sixteen letters!"),
    "a uuid in capitals": Row(id=5, uuid="8F14E45F-CEEA-467F-A0E6-1F1E2B3C4D5E"),
    "a zero byte": Row(id=5, first="a\0b", custom={31: "\0"}, email="\0@\0"),
    "the sign for a zero byte": Row(id=5, first="\x1a0\x1a1\0\x1a", custom={31: "\x1a"}, display_name="\0\x1a\x1a"),
    "signs of the index": Row(id=5, first="§§out", last='" OR *', custom={31: "§§t1 §"}, email="=:@^~\x02@x.org"),
    "signs of a copy": Row(id=5, first="a\tb\nc\\N", last="\\.", custom={31: "\\"}),
    "signs of a query": Row(id=5, first="a' | !b & (c):*", last="''", custom={31: "'\\'"}),
    "the separator in a value": Row(id=5, custom={31: "a\x1f32:b", 33: "c"}),
    "a value like JSON": Row(id=5, custom={31: "{}"}),
    "a long value": Row(id=5, custom={31: "word " * 5_000, 32: "x" * 30_000}),
    "a value of signs": Row(id=5, custom={31: "+"}),
    "moments before 1970": Row(id=5, created=-5, updated=-4),
    "the largest numbers": Row(id=2**62, rev=2**62, created=2**62, assignee=2**40, tags=(2**50,)),
}


@pytest.mark.parametrize("row", ODD_ROWS.values(), ids=ODD_ROWS)
def test_an_odd_row_comes_back_as_it_was_and_can_be_removed(index: PostgresIndex, row: Row) -> None:
    index.upsert([row])
    assert index.rows([row.id]) == [row]
    with closing(Index.open(None)) as other:
        other.upsert([row])
        assert index.counts("§") == other.counts("§")
        assert index.lines([row.id]) == other.lines([row.id])
        assert index.facts(most=9) == other.facts(most=9)
    index.upsert([replace(row, rev=row.rev + 1, first="Other")])
    index.remove([row.id])
    index.begin_walk()
    index.end_walk(began=0.0, ended=1.0)
    assert index.state.contacts == 0
    assert index.counts("") == {}
    assert index.known(["other", "word"]) == {}


# Upserts


def test_an_upsert_twice_changes_nothing(index: PostgresIndex) -> None:
    assert index.upsert([JORDAN, ANN]) == 2
    before, stamp = everything(index), index.stamp
    assert index.upsert([JORDAN, ANN]) == 0
    assert (everything(index), index.stamp) == (before, stamp)


VERSIONS = {
    "a lower rev": (replace(JORDAN, rev=2, first="Old"), False),
    "an equal rev and an older moment": (replace(JORDAN, updated=NOW - 1, first="Old"), False),
    "an older moment without a rev": (replace(JORDAN, rev=0, updated=NOW - 1, first="Old"), False),
    "a higher rev": (replace(JORDAN, rev=4, first="New"), True),
    "a higher rev and an older moment": (replace(JORDAN, rev=4, updated=1, first="New"), True),
    "a newer moment without a rev": (replace(JORDAN, rev=0, updated=NOW + 1, first="New"), True),
    "the same version with another content": (replace(JORDAN, first="New"), True),
}


@pytest.mark.parametrize(("row", "is_news"), VERSIONS.values(), ids=VERSIONS)
def test_a_row_that_is_not_newer_is_left_out(index: PostgresIndex, row: Row, is_news: bool) -> None:
    index.upsert([JORDAN])
    stamp = index.stamp
    assert index.upsert([row]) == int(is_news)
    assert index.rows([1001])[0].first == (row.first if is_news else "Jordan")
    assert with_words(index, row.first.lower(), "rivera") == ([1001] if is_news else [])
    assert (index.stamp != stamp) is is_news


def test_after_a_change_the_old_words_find_nobody(index: PostgresIndex) -> None:
    index.upsert([JORDAN])
    index.upsert([replace(JORDAN, rev=4, first="Dana", custom={31: "Silver"}, email="", phone="15105550000", tags=())])
    assert with_words(index, "jordan") == with_words(index, "gold") == with_words(index, "acme") == []
    assert with_words(index, "dana", "silver", "rivera") == [1001]
    assert index.holding_part("3344|", most=5) == []
    assert index.holding_part("0000|", most=5) == [1001]
    assert index.counts("§§t") == {"§§t0": 1}


def test_the_order_of_upserts_does_not_matter(index: PostgresIndex, database: str) -> None:
    people = [JORDAN, replace(JORDAN, rev=4, first="Ann", updated=1), replace(JORDAN, rev=5, first="Dana")]
    index.upsert(people[2:])
    for order in permutations(people):
        with closing(new_index(database)) as other:
            for row in order:
                other.upsert([row])
            assert other.rows([1001]) == index.rows([1001])
            assert other.counts("§") == index.counts("§")


def test_a_page_is_put_in_whole_or_not_at_all(index: PostgresIndex) -> None:
    with pytest.raises(TypeError):
        index.upsert([JORDAN], place="page 2", unknown=object())
    assert (index.rows([1001]), index.state.place, index.counts("§")) == ([], "", {})
    index.upsert([JORDAN], place="page 2")
    assert (index.rows([1001]), index.state.place) == ([JORDAN], "page 2")


def test_a_contact_that_was_seen_deleted_does_not_come_back_with_a_late_page(index: PostgresIndex) -> None:
    index.begin_walk()
    index.upsert([JORDAN])
    assert index.remove([1001]) == 1
    assert index.upsert([JORDAN, ANN]) == 1
    index.end_walk(began=1.0, ended=2.0)
    index.begin_walk()
    index.end_walk(began=3.0, ended=4.0)
    assert index.state.contacts == 0


# Finding


def test_a_contact_is_found_by_phone_address_and_name(index: PostgresIndex) -> None:
    index.upsert([JORDAN, ANN])
    assert index.by_phone("15105553344") == [JORDAN]
    assert index.by_email("JORDAN.rivera@ACME.org") == [JORDAN]
    assert index.by_name("Rivera, Jordan") == [JORDAN]
    assert index.by_name("Ann Mueller") == [ANN]
    assert index.phones_beginning(["1510"], most=5) == [1001]
    assert index.phones_beginning(["49", "1"], most=5) == [1002, 1001]
    assert with_words(index, value_mark(31, "gold")) == [1001]


def test_a_missing_phone_address_or_name_is_nobody_s(index: PostgresIndex) -> None:
    index.upsert([Row(id=5), Row(id=6), Row(id=7, phone="0")])
    assert index.by_phone("") == index.by_email("") == index.by_name("") == index.by_name("Dr.") == []
    assert index.nameless() == 3


def test_a_large_page_brings_its_words_at_the_end_of_the_walk(index: PostgresIndex) -> None:
    index.begin_walk()
    index.upsert([replace(JORDAN, id=number) for number in range(1, 300)])
    assert index.known(["jordan"]) == {}
    index.end_walk(began=1.0, ended=2.0)
    assert index.known(["jordan"]) == {"jordan": 299}
    assert "jordan" in dict(index.near("jordn"))


def test_a_frequent_word_is_found_on_the_way_down(index: PostgresIndex, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("contacts_mcp.state.postgres.index._FEW", 10)
    index.upsert(Row(id=number, first="Ann" if number % 3 else "Bo", updated=number) for number in range(1, 150))
    expected = [number for number in range(149, 0, -1) if number % 3]
    assert index._is_frequent(expression([[word("§§unknown")]]), 5)
    for mark in ("§§unknown", "ann"):
        wanted = expression([[word("§§unknown")], [word(mark)], [word("ann")]])
        assert index.matching(wanted, most=5) == expected[:5]
        assert index.matching(wanted, most=5, below=100) == [each for each in expected if each < 100][:5]
        assert index.matching(wanted, most=5, bounds=Bounds(updated_before=50))[0] == 49
        assert index.count(wanted) == len(expected)


# Walks


def test_a_walk_removes_the_contacts_that_it_did_not_see(index: PostgresIndex) -> None:
    index.begin_walk()
    index.upsert([JORDAN, ANN])
    index.end_walk(began=10.0, ended=20.0, newest="2023-11-14T22:15:00.123456789Z")
    index.begin_walk(place="start")
    index.upsert([JORDAN])
    assert [row.id for row in index.unseen(most=9)] == [1002]
    assert index.end_walk(began=30.0, ended=40.0) == 1
    assert [row.id for row in index.rows([1001, 1002])] == [1001]
    state = index.state
    assert (state.contacts, state.generation, state.complete_since, state.last_walk) == (1, 2, 30.0, 40.0)
    assert (state.place, state.newest) == ("", "2023-11-14T22:15:00.123456789Z")
    assert index.unseen(most=9) == []


def test_another_server_goes_on_with_a_walk(index: PostgresIndex, database: str) -> None:
    walk = index.begin_walk(place="page 1", region="US")
    index.upsert([JORDAN], walk=walk, place="page 2")
    with closing(PostgresIndex(database, index._account)) as other:
        assert (other.state.place, other.state.notes, other.state.contacts) == ("page 2", {"region": "US"}, 1)
        other.upsert([ANN], walk=walk)
        assert other.end_walk(began=1.0, ended=2.0, walk=walk) == 0
    assert index.state.contacts == 2


@pytest.mark.parametrize("engine", ["postgres", "sqlite"])
def test_a_walker_that_slept_while_another_walk_began_changes_nothing(engine: str, index: PostgresIndex) -> None:
    """It would remove all contacts that the new walk has not seen yet."""
    either: WordIndex = index if engine == "postgres" else Index.open(None)
    old = either.begin_walk()
    either.upsert([JORDAN, ANN], walk=old)
    new = either.begin_walk(place="page 1")
    with pytest.raises(WalkIsOver):
        either.upsert([replace(JORDAN, rev=9)], walk=old, place="page 9")
    with pytest.raises(WalkIsOver):
        either.end_walk(began=1.0, ended=2.0, walk=old)
    assert (either.state.contacts, either.state.place, either.state.complete_since) == (2, "page 1", None)
    assert either.upsert([JORDAN], walk=new) == 0
    assert either.end_walk(began=1.0, ended=2.0, walk=new) == 1
    either.close()


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


def test_accounts_with_the_same_people_see_nothing_of_each_other(index: PostgresIndex, database: str) -> None:
    with closing(new_index(database)) as other:
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


def test_nothing_is_left_of_a_forgotten_account(index: PostgresIndex, database: str) -> None:
    index.begin_walk(place="page 1")
    index.upsert([JORDAN, ANN])
    index.remove([1002])
    index.forget()
    assert (index.state.contacts, index.generation, everything(index)[:2]) == (0, 0, ([], []))
    with psycopg.connect(database) as db:
        tables = "SELECT table_name FROM information_schema.tables WHERE table_name LIKE 'mirror%'"
        assert {name for (name,) in db.execute(tables)} == {*TABLES}
        for table in TABLES:
            query = f"SELECT count(*) FROM {table} WHERE account = %s".encode()
            assert db.execute(query, [index._account]).fetchone() == (0,), table
    assert index.upsert([JORDAN]) == 1
    assert index.known(["jordan"]) == {"jordan": 1}


# Together


def test_many_threads_write_and_read_at_once_over_one_pool(database: str) -> None:
    """Two servers, each with a pool, and two threads on each index."""
    with new_pool(database) as pool, new_pool(database) as other_pool:
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
