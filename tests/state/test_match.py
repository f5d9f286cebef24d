"""Expressions of the text search."""

from __future__ import annotations

import sqlite3

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
