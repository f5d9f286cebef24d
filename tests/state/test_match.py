"""Expressions of the text search."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts_mcp.state.fts5 import query_of, trigrams
from contacts_mcp.state.match import NOBODY, beginning, expression, in_email, in_name, in_name_beginning, word


@pytest.mark.parametrize("text", ["l.r.", "a b", 'a"b', "a-b", "", "*", "a\0", "NEAR(a b)"])
def test_only_whole_words_get_into_an_expression(text: str) -> None:
    """Trap 2: any sign makes a phrase of a word, and an error of the search."""
    assert [make(text) for make in (word, beginning, in_email, in_name_beginning)] == [None] * 4
    assert in_name([text]) == []


def test_a_clause_without_alternatives_matches_nobody() -> None:
    assert expression([[word("a")], [None]]) == expression([[word("a")], []]) == NOBODY
    assert not NOBODY


def test_nothing_wanted_is_everybody() -> None:
    assert query_of(expression([], without=["gold"])).endswith(' NOT ("gold")')


def test_a_place_and_a_beginning_are_told_to_fts5() -> None:
    wanted = expression([[word("ann"), beginning("jo")], in_name(["lee", "li"]), [in_email("acme")]])
    assert query_of(wanted) == '("ann" OR "jo" *) AND ({n} : "lee" OR {n} : "li") AND ({e} : "acme")'


def test_common_marks_are_looked_at_last_and_only_for_those_who_have_the_rest() -> None:
    wanted = expression([[word("§§31§gold")], [word("§§in"), word("§§out")], [word("§§t101")], [word("jo")]])
    counts = {"§§31§gold": 150, "§§in": 900, "§§out": 40}
    rest = '("§§t101") AND ("jo")'
    nested = f'((({rest}) NOT "§") AND ("§§31§gold"))'
    assert query_of(wanted, counts) == f'({nested} NOT "§") AND ("§§in" OR "§§out")'
    assert query_of(wanted, {}) == query_of(wanted)


@given(st.data())
def test_the_order_of_clauses_does_not_change_who_is_found(data: st.DataObject) -> None:
    marks = [f"§§t{number}" for number in range(5)]
    texts = data.draw(st.lists(st.lists(st.sampled_from([*marks, "jo", "li"]), min_size=1, max_size=6), min_size=1))
    words = st.lists(st.sampled_from([*marks, "jo", "li", "nobody"]), min_size=1, max_size=2)
    clauses = data.draw(st.lists(words, min_size=1, max_size=5))
    without = data.draw(st.lists(st.sampled_from(marks), max_size=1))
    counts = data.draw(st.dictionaries(st.sampled_from(marks), st.integers(1, 9)))
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("CREATE VIRTUAL TABLE t USING fts5 (v, content = '', detail = column, tokenize = 'ascii')")
        db.executemany("INSERT INTO t (rowid, v) VALUES (?, ?)", enumerate(map(" ".join, texts)))
        query = query_of(expression([map(word, clause) for clause in clauses], without=without), counts)
        found = [at for (at,) in db.execute("SELECT rowid FROM t WHERE t MATCH ?", (query,))]
    assert found == [
        at
        for at, text in enumerate(texts)
        if all({*clause} & {*text} for clause in clauses) and not {*without} & {*text}
    ]


def test_the_trigrams_of_a_text() -> None:
    assert trigrams("3344|") == '"334" AND "344" AND "44|"'
    assert trigrams('a"b') == '"a""b"'
    assert trigrams("ab") == ""


@given(st.lists(st.text(st.characters(exclude_categories=()), max_size=6), min_size=1, max_size=3))
def test_every_expression_can_be_searched(texts: list[str]) -> None:
    db = sqlite3.connect(":memory:")
    db.execute("CREATE VIRTUAL TABLE t USING fts5 (n, v, e, content = '', detail = column, tokenize = 'ascii')")
    made = [
        expression([[make(text) for text in texts]], without=texts)
        for make in (word, beginning, in_email, in_name_beginning)
    ]
    for each in filter(None, (*made, expression([in_name(texts)]))):
        db.execute("SELECT rowid FROM t WHERE t MATCH ?", (query_of(each),)).fetchall()
    db.execute("CREATE VIRTUAL TABLE p USING fts5 (a, content = '', detail = none, tokenize = 'trigram')")
    for each in filter(None, map(trigrams, texts)):
        db.execute("SELECT rowid FROM p WHERE p MATCH ?", (each,)).fetchall()
    db.close()
