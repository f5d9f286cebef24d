"""The rules of every index of contacts: in a file, in memory, and in PostgreSQL.

Rules of one engine are in `test_index.py` and `tests/team/test_postgres_index.py`, answers to searches in
`tests/team/test_postgres_index_answers.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from itertools import permutations
from pathlib import Path

import pytest
from support.indexes import ANN, JORDAN, NOW, everything, with_words

from contacts_mcp.models import Contact
from contacts_mcp.state.index import Index
from contacts_mcp.state.index_file import IndexUnavailable
from contacts_mcp.state.match import Bounds, beginning, expression, in_email, in_name, in_name_beginning, word
from contacts_mcp.state.row import Row, value_mark
from contacts_mcp.state.word_index import WalkIsOver, WordIndex

ENGINES = ("on disk", "in memory", "in PostgreSQL")
NewIndex = Callable[[], WordIndex]


@pytest.fixture(params=ENGINES)
def new_index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NewIndex]:
    """Opens another empty index of the engine."""
    opened: list[WordIndex] = []

    def new() -> WordIndex:
        if request.param == "in PostgreSQL":
            from support import shared_index  # its driver is not everywhere

            index: WordIndex = shared_index.new_index(request.getfixturevalue("prepared_database"))
        else:
            index = Index.open(tmp_path / f"{len(opened)}.sqlite3" if request.param == "on disk" else None)
        opened.append(index)
        return index

    yield new
    for each in opened:
        each.close()


@pytest.fixture
def index(new_index: NewIndex) -> WordIndex:
    return new_index()


# Rows


def test_a_row_is_made_of_a_contact_and_comes_back_as_it_was(index: WordIndex) -> None:
    contact = Contact.model_validate(
        {
            "id": 1001,
            "uuid": JORDAN.uuid,
            "phone": "+15105553344",
            "first": "Jordan",
            "last": "Rivera",
            "email": "Jordan.Rivera@acme.org",
            "custom": {"31": "Gold", "32": "Oakland", "33": ""},
            "tags": [101, 102],
            "assigned_user_id": 501,
            "is_opted_out": False,
            "created": "2023-11-14T22:13:20Z",
            "updated": "2023-11-14T22:15:00Z",
            "rev": 3,
        }
    )
    assert Row.of(contact) == JORDAN
    index.upsert([JORDAN])
    assert index.rows([1001]) == [JORDAN]


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
def test_an_odd_row_comes_back_as_it_was_and_can_be_removed(index: WordIndex, row: Row) -> None:
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


def test_half_a_character_is_replaced(index: WordIndex) -> None:
    index.upsert([Row.of(Contact.model_validate({"id": 5, "first": "a\ud800"}))])
    assert index.rows([5])[0].first == "a?"


# Upserts


def test_an_upsert_twice_changes_nothing(index: WordIndex) -> None:
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
def test_a_row_that_is_not_newer_is_left_out(index: WordIndex, row: Row, is_news: bool) -> None:
    index.upsert([JORDAN])
    stamp = index.stamp
    assert index.upsert([row]) == int(is_news)
    assert index.rows([1001])[0].first == (row.first if is_news else "Jordan")
    assert with_words(index, row.first.lower(), "rivera") == ([1001] if is_news else [])
    assert (index.stamp != stamp) is is_news


def test_after_a_change_the_old_words_find_nobody(index: WordIndex) -> None:
    index.upsert([JORDAN])
    index.upsert([replace(JORDAN, rev=4, first="Dana", custom={31: "Silver"}, email="", phone="15105550000", tags=())])
    assert with_words(index, "jordan") == with_words(index, "gold") == with_words(index, "acme") == []
    assert with_words(index, "dana", "silver", "rivera") == [1001]
    assert index.holding_part("3344|", most=5) == []
    assert index.holding_part("0000|", most=5) == [1001]
    assert index.counts("§§t") == {"§§t0": 1}


def test_the_order_of_upserts_does_not_matter(new_index: NewIndex) -> None:
    people = [JORDAN, replace(JORDAN, rev=4, first="Ann", updated=1), replace(JORDAN, rev=5, first="Dana")]
    newest = new_index()
    newest.upsert(people[2:])
    for order in permutations(people):
        other = new_index()
        for page in (order[:1], order[1:]):
            other.upsert(page)
        assert everything(other) == everything(newest)


def test_a_page_is_put_in_whole_or_not_at_all(index: WordIndex) -> None:
    with pytest.raises((TypeError, IndexUnavailable)):
        index.upsert([JORDAN], place="page 2", unknown=object())
    assert (index.rows([1001]), index.state.place, index.counts("§")) == ([], "", {})
    index.upsert([JORDAN], place="page 2")
    assert (index.rows([1001]), index.state.place) == ([JORDAN], "page 2")


def test_a_contact_that_was_seen_deleted_does_not_come_back_with_a_late_page(index: WordIndex) -> None:
    index.begin_walk()
    index.upsert([JORDAN])
    assert index.remove([1001]) == 1
    assert index.upsert([JORDAN, ANN]) == 1
    index.end_walk(began=1.0, ended=2.0)
    index.begin_walk()
    index.end_walk(began=3.0, ended=4.0)
    assert index.state.contacts == 0


# Finding


def test_a_contact_is_found_by_phone_address_and_name(index: WordIndex) -> None:
    index.upsert([JORDAN, ANN])
    assert index.by_phone("15105553344") == [JORDAN]
    assert index.by_email("JORDAN.rivera@ACME.org") == [JORDAN]
    assert index.by_name("Rivera, Jordan") == [JORDAN]
    assert index.by_name("Ann Mueller") == [ANN]
    assert index.phones_beginning(["1510"], most=5) == [1001]
    assert index.phones_beginning(["49", "1"], most=5) == [1002, 1001]
    assert with_words(index, value_mark(31, "gold")) == [1001]


def test_a_missing_phone_address_or_name_is_nobody_s(index: WordIndex) -> None:
    index.upsert([Row(id=5), Row(id=6), Row(id=7, phone="0")])
    assert index.by_phone("") == index.by_email("") == index.by_name("") == index.by_name("Dr.") == []
    assert index.nameless() == 3


def test_a_display_name_does_not_hide_the_name_behind_it(index: WordIndex) -> None:
    """Trap 7: both have a key."""
    index.upsert([replace(JORDAN, display_name="Acme Dental")])
    assert [row.id for row in index.by_name("jordan rivera")] == [1001]
    assert [row.id for row in index.by_name("dental acme")] == [1001]


def test_marks_tell_values_apart_by_their_signs_and_their_end(index: WordIndex) -> None:
    long = "a" * 60
    values = ["A+", "A-", "a", f"{long}b", f"{long}c", "Été", "two words"]
    index.upsert([Row(id=number, custom={3: value, 31: "x"}) for number, value in enumerate(values, 1)])
    index.upsert([Row(id=50, custom={31: "3"})])
    for number, value in enumerate(values, 1):
        assert with_words(index, value_mark(3, value)) == [number]
    assert with_words(index, value_mark(3, "ete")) == [6]
    assert ("a+", 1) in index.values(3)
    assert index.values(31) == [("3", 1), ("x", 7)]


def test_words_are_found_by_a_slip_a_sound_and_a_part(index: WordIndex) -> None:
    index.upsert([JORDAN, ANN, Row(id=7, first="Philip", last="Schmidt")])
    assert "jordan" in dict(index.near("jordn"))
    assert "schmidt" in index.sounding("shmitt")
    assert index.containing("iver") == ["rivera"]
    assert index.known(["jordan", "gold", "acme", "nobody"]).keys() == {"jordan", "gold"}


def test_a_large_page_brings_its_words_at_the_end_of_the_walk(index: WordIndex) -> None:
    index.begin_walk()
    index.upsert([replace(JORDAN, id=number) for number in range(1, 300)])
    assert index.known(["jordan"]) == {}
    index.end_walk(began=1.0, ended=2.0)
    assert index.known(["jordan"]) == {"jordan": 299}
    assert "jordan" in dict(index.near("jordn"))


GOLD_S_TWIN = "48109"  # field 31 with it has the checksum of the same with "gold" in PostgreSQL


def test_a_term_finds_its_place_alone(index: WordIndex) -> None:
    """Also among terms of other kinds, and beside values of one checksum."""
    seven = Row(id=7, first="Acme", custom={31: "Jordan", 33: "C-1"}, email="gold@rivera.example")
    index.upsert([JORDAN, seven, ANN, Row(id=8, first="Jordy", custom={31: GOLD_S_TWIN, 331: "Zinc"})])
    expected = {
        "in a name": ([[*in_name(["jordan", "acme"])]], [1001, 7]),
        "in a name, and a value": ([[*in_name(["acme"])], [word(value_mark(31, "jordan"))]], [7]),
        "in an address": ([[in_email("acme")]], [1001]),
        "in an address or a value": ([[in_email("rivera"), word(value_mark(31, "gold"))]], [1001, 7]),
        "in an address or anywhere": ([[in_email("acme"), word("muller")]], [1002, 1001]),
        "a field or an address": ([[word("§§f33"), in_email("acme")]], [1001, 7]),
        "a beginning anywhere": ([[beginning("gol")]], [1001, 7]),
        "a beginning in a name": ([[in_name_beginning("jord")]], [1001, 8]),
        "a longer one": ([[in_name_beginning("jorda")]], [1001]),
        "an initial": ([[beginning("a")]], [1001, 7, 1002]),
        "an initial in a name": ([[in_name_beginning("a")]], [7, 1002]),
        "an initial, or a longer one": ([[beginning("z"), in_name_beginning("jorda")]], [1001, 8]),
        "a value": ([[word(value_mark(31, "gold"))]], [1001]),
        "no value": ([[word(value_mark(31, "c-1"))]], []),
    }
    for name, (clauses, ids) in expected.items():
        wanted = expression(clauses)
        assert sorted(index.matching(wanted, most=9)) == sorted(ids), name
        assert index.matching_each([wanted], most=9) == [sorted(ids, reverse=True)], name
        assert index.matching_and_count(wanted, most=1, bounds=Bounds())[1] == len(ids), name
    assert index.matching(expression([[word("§§unknown")]], without=["§§f33"]), most=9) == [1002, 8]


def test_bounds_are_part_of_the_search(index: WordIndex) -> None:
    index.upsert([Row(id=number, first="Ann", created=number, updated=number + 10) for number in range(1, 9)])
    bounds = Bounds(created_from=3, updated_before=16)
    ann = expression([[word("ann")]])
    assert index.matching(ann, most=9, bounds=bounds) == [5, 4, 3]
    assert index.count(ann, bounds) == index.counted(bounds) == 3
    assert index.newest(most=2, bounds=bounds) == [5, 4]
    assert index.recent(most=9, bounds=bounds, below=(15, 5)) == [(14, 4), (13, 3)]


# Walks


def test_a_walk_removes_the_contacts_that_it_did_not_see(index: WordIndex) -> None:
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


def test_a_contact_that_was_written_during_a_walk_stays(index: WordIndex) -> None:
    index.begin_walk()
    index.upsert([ANN])
    assert index.end_walk(began=1.0, ended=2.0) == 0


def test_a_walker_that_slept_while_another_walk_began_changes_nothing(index: WordIndex) -> None:
    """It would remove all contacts that the new walk has not seen yet."""
    old = index.begin_walk()
    index.upsert([JORDAN, ANN], walk=old)
    new = index.begin_walk(place="page 1")
    with pytest.raises(WalkIsOver):
        index.upsert([replace(JORDAN, rev=9)], walk=old, place="page 9")
    with pytest.raises(WalkIsOver):
        index.end_walk(began=1.0, ended=2.0, walk=old)
    assert (index.state.contacts, index.state.place, index.state.complete_since) == (2, "page 1", None)
    assert index.upsert([JORDAN], walk=new) == 0
    assert index.end_walk(began=1.0, ended=2.0, walk=new) == 1


# Forgetting


def test_a_forgotten_index_is_empty_and_may_be_filled_again(index: WordIndex) -> None:
    index.begin_walk(place="page 1")
    index.upsert([JORDAN, ANN])
    index.remove([1002])
    index.forget()
    assert (index.state.contacts, index.generation, index.state.place, everything(index)[:2]) == (0, 0, "", ([], []))
    assert index.upsert([JORDAN]) == 1
    assert index.known(["jordan"]) == {"jordan": 1}
