"""A short version of the benchmark: a book of 3,000 people, and questions of all kinds to it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing

import pytest
from book import people
from questions import KINDS, invented, made_from
from search import _looked_through, row_of

from contacts_mcp.book.search.question import Question
from contacts_mcp.book.search.search import search
from contacts_mcp.state.index import Index

CONTACTS = 3_000


@pytest.fixture(scope="module")
def book_index() -> Iterator[Index]:
    with closing(Index.open(None)) as index:
        index.begin_walk()
        index.upsert(map(row_of, people(CONTACTS)))
        index.end_walk(began=1.0, ended=2.0)
        yield index


def test_the_book_is_the_same_for_the_same_seed() -> None:
    assert [*people(50, 4)] == [*people(50, 4)] != [*people(50, 5)]


def test_nine_of_ten_questions_of_each_kind_find_an_answer_among_five(book_index: Index) -> None:
    exact_names, sample = _looked_through(CONTACTS, 1)
    found: dict[str, list[bool]] = defaultdict(list)
    for made in made_from(sample, exact_names, each=12, seed=1):
        hits = search(book_index, Question(query=made.text, limit=5)).hits
        found[made.kind].append(any(made.accepts(hit.row) for hit in hits))
    assert found.keys() == {kind.name for kind in KINDS}
    assert {kind: hits for kind, hits in found.items() if sum(hits) < 0.9 * len(hits)} == {}


def test_a_made_up_name_is_never_sure(book_index: Index) -> None:
    exact_names, _ = _looked_through(CONTACTS, 1)
    for name in invented(60, 2, exact_names):
        assert "sure" not in [hit.match for hit in search(book_index, Question(query=name)).hits], name
