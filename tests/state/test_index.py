"""The local mirror of contacts and its file."""

from __future__ import annotations

import os
import random
import sqlite3
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contacts_mcp.models import Contact
from contacts_mcp.state import index as index_module
from contacts_mcp.state import index_file
from contacts_mcp.state.index import Index
from contacts_mcp.state.index_file import APPLICATION_ID, IndexUnavailable
from contacts_mcp.state.match import Bounds, expression, word
from contacts_mcp.state.row import Row, value_mark
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


@pytest.fixture(params=["on disk", "in memory"])
def index(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Index]:
    opened = Index.open(tmp_path / "index.sqlite3" if request.param == "on disk" else None)
    yield opened
    opened.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.sqlite3"


def with_words(index: Index, *words: str) -> list[int]:
    return index.matching(expression([[word(each)] for each in words]), most=10)


def everything(index: Index) -> Any:
    """All that the index tells."""
    with closing(sqlite3.connect(":memory:")):
        return (
            index.rows(range(1000, 1100)),
            sorted(index.counts("§")),
            {name: with_words(index, name) for name in ("jordan", "ann", "muller", "gold", "acme", "dana")},
            index.holding_part("3344|", most=10),
            [[row.id for row in index.by_name(name)] for name in ("jordan rivera", "ann muller", "dana cruz")],
        )


# Rows


def test_a_row_is_made_of_a_contact_and_comes_back_as_it_was(index: Index) -> None:
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
    "a uuid in capitals": Row(id=5, uuid="8F14E45F-CEEA-467F-A0E6-1F1E2B3C4D5E"),
    "a zero byte": Row(id=5, first="a\0b", custom={31: "\0"}),
    "signs of the index": Row(id=5, first="§§out", last='" OR *', custom={31: "§§t1 §"}),
    "the separator in a value": Row(id=5, custom={31: "a\x1f32:b", 33: "c"}),
    "a value like JSON": Row(id=5, custom={31: "{}"}),
    "a long value": Row(id=5, custom={31: "word " * 5_000}),
    "a value of signs": Row(id=5, custom={31: "+"}),
    "moments before 1970": Row(id=5, created=-5, updated=-4),
}


@pytest.mark.parametrize("row", ODD_ROWS.values(), ids=ODD_ROWS)
def test_an_odd_row_comes_back_as_it_was_and_can_be_removed(index: Index, row: Row) -> None:
    index.upsert([row])
    assert index.rows([5]) == [row]
    index.upsert([replace(row, rev=1, first="Other")])
    index.remove([5])
    index.begin_walk()
    index.end_walk(began=0.0, ended=1.0)
    assert index.state.contacts == 0
    assert index.counts("") == {}


def test_half_a_character_is_replaced(index: Index) -> None:
    index.upsert([Row.of(Contact.model_validate({"id": 5, "first": "a\ud800"}))])
    assert index.rows([5])[0].first == "a?"


# Upserts


def test_an_upsert_twice_changes_nothing(index: Index) -> None:
    assert index.upsert([JORDAN, ANN]) == 2
    before = everything(index)
    assert index.upsert([JORDAN, ANN]) == 0
    assert everything(index) == before


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
def test_a_row_that_is_not_newer_is_left_out(index: Index, row: Row, is_news: bool) -> None:
    index.upsert([JORDAN])
    assert index.upsert([row]) == int(is_news)
    assert index.rows([1001])[0].first == (row.first if is_news else "Jordan")
    assert with_words(index, "jordan") == ([1001] if not is_news else with_words(index, "acme", "jordan"))


def test_after_a_change_the_old_words_find_nobody(index: Index) -> None:
    index.upsert([JORDAN])
    index.upsert([replace(JORDAN, rev=4, first="Dana", custom={31: "Silver"}, email="", phone="15105550000", tags=())])
    assert with_words(index, "jordan") == with_words(index, "gold") == with_words(index, "acme") == []
    assert with_words(index, "dana", "silver", "rivera") == [1001]
    assert index.holding_part("3344|", most=5) == []
    assert index.holding_part("0000|", most=5) == [1001]
    assert index.counts("§§t") == {"§§t0": 1}


ROWS = [
    replace(JORDAN, id=1000 + number, rev=rev, first=first, custom={31: plan}, updated=rev)
    for number in range(3)
    for rev, first, plan in ((1, "Jordan", "Gold"), (2, "Ann", "Silver"), (3, "Dana", "Gold"))
]


@settings(deadline=None, max_examples=25)
@given(st.permutations(ROWS), st.integers(1, 9))
def test_the_order_of_upserts_does_not_matter(rows: list[Row], size: int) -> None:
    with closing(Index.open(None)) as one, closing(Index.open(None)) as other:
        for at in range(0, len(rows), size):
            one.upsert(rows[at : at + size])
        other.upsert(row for row in ROWS if row.rev == 3)
        assert everything(one) == everything(other)


def test_a_page_is_put_in_whole_or_not_at_all(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    with monkeypatch.context() as patch:
        patch.setattr(index_module, "_set", fail)
        with pytest.raises(IndexUnavailable):
            index.upsert([JORDAN], place="page 2")
    assert (index.rows([1001]), index.state.place) == ([], "")
    index.upsert([JORDAN], place="page 2")
    assert (index.rows([1001]), index.state.place) == ([JORDAN], "page 2")


def test_a_contact_that_was_seen_deleted_does_not_come_back_with_a_late_page(index: Index) -> None:
    index.begin_walk()
    index.upsert([JORDAN])
    assert index.remove([1001]) == 1
    assert index.upsert([JORDAN, ANN]) == 1
    index.end_walk(began=1.0, ended=2.0)
    index.begin_walk()
    index.end_walk(began=3.0, ended=4.0)
    assert index.state.contacts == 0


# Finding


def test_a_contact_is_found_by_phone_address_and_name(index: Index) -> None:
    index.upsert([JORDAN, ANN])
    assert index.by_phone("15105553344") == [JORDAN]
    assert index.by_email("JORDAN.rivera@ACME.org") == [JORDAN]
    assert index.by_name("Rivera, Jordan") == [JORDAN]
    assert index.by_name("Ann Mueller") == [ANN]
    assert index.phones_beginning(["1510"], most=5) == [1001]
    assert index.phones_beginning(["49"], most=5) == [1002]


def test_a_missing_phone_address_or_name_is_nobody_s(index: Index) -> None:
    """Trap 17: they must never form a block."""
    index.upsert([Row(id=5), Row(id=6), Row(id=7, phone="0")])
    assert index.by_phone("") == index.by_email("") == index.by_name("") == index.by_name("Dr.") == []


def test_a_display_name_does_not_hide_the_name_behind_it(index: Index) -> None:
    """Trap 7: both have a key."""
    index.upsert([replace(JORDAN, display_name="Acme Dental")])
    assert [row.id for row in index.by_name("jordan rivera")] == [1001]
    assert [row.id for row in index.by_name("dental acme")] == [1001]


def test_marks_tell_values_apart_by_their_signs_and_their_end(index: Index) -> None:
    long = "a" * 60
    values = ["A+", "A-", "a", f"{long}b", f"{long}c", "Été", "two words"]
    index.upsert([Row(id=number, custom={3: value, 31: "x"}) for number, value in enumerate(values, 1)])
    index.upsert([Row(id=50, custom={31: "3"})])
    for number, value in enumerate(values, 1):
        assert with_words(index, value_mark(3, value)) == [number]
    assert with_words(index, value_mark(3, "ete")) == [6]
    assert ("a+", 1) in index.values(3)
    assert index.values(31) == [("3", 1), ("x", 7)]


def test_words_are_found_by_a_slip_a_sound_and_a_part(index: Index) -> None:
    index.upsert([JORDAN, ANN, Row(id=7, first="Philip", last="Schmidt")])
    assert "jordan" in dict(index.near("jordn"))
    assert "schmidt" in index.sounding("shmitt")
    assert index.containing("iver") == ["rivera"]
    assert index.known(["jordan", "gold", "acme", "nobody"]).keys() == {"jordan", "gold"}


def test_a_large_page_brings_its_words_at_the_end_of_the_walk(index: Index) -> None:
    index.begin_walk()
    index.upsert([replace(JORDAN, id=number) for number in range(1, 300)])
    assert index.known(["jordan"]) == {}
    index.end_walk(began=1.0, ended=2.0)
    assert index.known(["jordan"]) == {"jordan": 299}
    assert "jordan" in dict(index.near("jordn"))


def test_bounds_are_part_of_the_search(index: Index) -> None:
    index.upsert([Row(id=number, first="Ann", created=number, updated=number + 10) for number in range(1, 9)])
    bounds = Bounds(created_from=3, updated_before=16)
    ann = expression([[word("ann")]])
    assert index.matching(ann, most=9, bounds=bounds) == [5, 4, 3]
    assert index.count(ann, bounds) == index.counted(bounds) == 3
    assert index.newest(most=2, bounds=bounds) == [5, 4]
    assert index.recent(most=9, bounds=bounds, below=(15, 5)) == [(14, 4), (13, 3)]


# Walks


def test_a_walk_removes_the_contacts_that_it_did_not_see(index: Index) -> None:
    index.begin_walk()
    index.upsert([JORDAN, ANN])
    index.end_walk(began=10.0, ended=20.0, newest="2023-11-14T22:15:00.123456789Z")
    index.begin_walk(place="start")
    index.upsert([JORDAN])
    assert index.end_walk(began=30.0, ended=40.0) == 1
    assert [row.id for row in index.rows([1001, 1002])] == [1001]
    state = index.state
    assert (state.contacts, state.generation, state.complete_since, state.last_walk) == (1, 2, 30.0, 40.0)
    assert state.place == ""
    assert state.newest == "2023-11-14T22:15:00.123456789Z", "the exact text"


def test_a_contact_that_was_written_during_a_walk_stays(index: Index) -> None:
    index.begin_walk()
    index.upsert([ANN])
    assert index.end_walk(began=1.0, ended=2.0) == 0


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


def test_a_forgotten_index_in_memory_is_empty() -> None:
    with closing(Index.open(None)) as index:
        index.upsert([JORDAN])
        index.forget()
        assert index.state.contacts == 0
        assert index.upsert([JORDAN]) == 1


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
