"""Both engines answer alike: the same contacts, and every question through the real functions of the search."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from operator import methodcaller
from typing import Any

import pytest
from book import CITY, PLAN, TAGS, people
from questions import KINDS, invented, made_from
from search import _looked_through, row_of
from support.names import names
from support.shared_index import new_index

from contacts_mcp.book.search import duplicates
from contacts_mcp.book.search.describing import counted, use_of, values_in_use
from contacts_mcp.book.search.filters import FieldFilter, Filters
from contacts_mcp.book.search.known import Known
from contacts_mcp.book.search.question import Answer, Question, Sort
from contacts_mcp.book.search.search import everybody_in, not_judged, search
from contacts_mcp.state.index import Index
from contacts_mcp.state.match import Bounds
from contacts_mcp.state.row import Row
from contacts_mcp.state.vocabulary import beginnings_of
from contacts_mcp.state.word_index import WordIndex

CONTACTS, FEW = 1_000, 300
EACH = 3  # questions of a kind
Both = tuple[Index, WordIndex]


def being_filled(index: WordIndex, contacts: int) -> None:
    """Large pages, whose words come with the end of the walk."""
    index.begin_walk(place="page 3")
    rows = [row_of(person) for person in people(contacts)]
    for at in range(0, len(rows), 500):
        index.upsert(rows[at : at + 500])


def walked(index: WordIndex, contacts: int) -> None:
    being_filled(index, contacts)
    index.end_walk(began=1.0, ended=2.0)


def changed(index: WordIndex, contacts: int) -> None:
    """Changes in small pages, whose words come at once. Some contacts go, some come."""
    walked(index, contacts)
    dice = random.Random(5)
    rows = [row_of(person) for person in people(contacts)]
    others = [row_of(person) for person in people(contacts, 2)]
    for _ in range(8):
        page = dice.sample(range(contacts), 30)
        index.upsert(edited(rows[at], others[at], dice) for at in page)
        index.remove(rows[at].id for at in dice.sample(range(contacts), 6))
    index.upsert(replace(row, id=row.id + 1_000_000) for row in others[:150])
    index.upsert(Row(id=2_000_000 + at, first="Odd", tags=(101,), rev=1, unread=("email",)) for at in range(3))


def renewed(index: WordIndex, contacts: int) -> None:
    """Another walk, which misses some, and the words made anew."""
    changed(index, contacts)
    index.begin_walk()
    rows = [row_of(person) for person in people(contacts)]
    index.upsert(row for row in rows if row.id % 7)
    index.end_walk(began=3.0, ended=4.0)
    assert [*index.rebuild()]


def edited(row: Row, other: Row, dice: random.Random) -> Row:
    """The contact with members of another one."""
    taken: dict[str, Any] = {
        name: getattr(other, name) for name in dice.sample(["first", "last", "email", "phone", "custom", "tags"], 3)
    }
    return replace(row, rev=row.rev + dice.randrange(3), updated=(row.updated or 0) + 10**9, **taken)


STAGES: dict[str, tuple[Callable[[WordIndex, int], None], int]] = {
    "walked": (walked, CONTACTS),
    "being filled": (being_filled, FEW),
    "changed": (changed, FEW),
    "renewed": (renewed, FEW),
}


@pytest.fixture(scope="module", params=STAGES.values(), ids=STAGES)
def both(request: pytest.FixtureRequest, prepared_database: str) -> Iterator[Both]:
    """The same contacts in both engines. Another account of the database has the same people, and others."""
    made, contacts = request.param
    strangers = new_index(prepared_database)
    strangers.upsert(replace(row_of(person), tags=(101, 999)) for person in people(200))
    strangers.upsert(row_of(person) for person in people(100, 3))
    with closing(Index.open(None)) as one, closing(new_index(prepared_database)) as other, closing(strangers):
        made(one, contacts)
        made(other, contacts)
        yield one, other


@pytest.fixture(scope="module")
def questions() -> list[str]:
    exact_names, sample = _looked_through(FEW, 1)
    texts = [made.text for made in made_from(sample, exact_names, each=EACH, seed=1)]
    assert len(texts) > EACH * len(KINDS) // 2
    return [*texts, *invented(20, 1, exact_names), *MORE]


MORE = (
    "", "all contacts", "c", "m", "ma", "mari", "o'brien", "J. Smith", "smith, john", "dr. ann", "gold", "oakland gold",
    "the gold plan", "maria oakland", "ends in 44", "begins with 1510", "1510", "+1510", "510", "@gmail", "gmail.com",
    "acme-corp.com", "ann@", "jo@yahoo.com", "C-100", "100500", "2026", "橋", "桃子", "Иван", "smith 44", "l.r.", "§§out",
    "NEAR(a b)", '"', "a'b", "back\\slash", "%", "_", "x" * 90, "jon smyth oakland gold 2026", "müller", "mueller",
    "@gmial.com", "@gmai", "everyone at gmail.com", "March 2027", "14 March 2027", "0151 2345678", "212 and 44 and 510",
    "Мария Гарсиа", "김민준", "maryann smith 510 5550100", "renews 2 May 2027 xyzzyq",
)  # fmt: skip


def alike(both: Both, ask: Callable[..., Any], *rest: Any) -> Any:
    """The answer of both engines to one question."""
    one, other = (ask(index, *rest) for index in both)
    assert one == other
    return one


def test_every_text_finds_the_same_contacts_for_the_same_reasons(both: Both, questions: list[str]) -> None:
    found = 0
    for text in questions:
        question = Question(query=text, limit=25, optional=("Plan",))
        answer: Answer = alike(both, search, question)
        found += bool(answer.hits)
    assert found > len(questions) // 2


SORTS: Sequence[Sort] = ("best", "newest_change", "newest_contact", "name")
FILTERS = {
    "a tag": Filters(tags=(TAGS[0],)),
    "no tag": Filters(tags=(0,)),
    "one of two tags": Filters(tags=(TAGS[1], TAGS[2]), any_tag=True),
    "two tags": Filters(tags=(TAGS[1], TAGS[2])),
    "opted out": Filters(is_opted_out=True),
    "not opted out, with a tag": Filters(is_opted_out=False, tags=(TAGS[0],)),
    "nobody's": Filters(assignee=0),
    "a member's": Filters(assignee=501),
    "e-mail": Filters(has_email=True),
    "no e-mail": Filters(has_email=False),
    "a value": Filters(fields=(FieldFilter(CITY, "is", "OAKLAND"),)),
    "two values": Filters(fields=(FieldFilter(CITY, "is", "oakland"), FieldFilter(PLAN, "is", "gold"))),
    "any value": Filters(fields=(FieldFilter(PLAN, "any"),)),
    "no value": Filters(fields=(FieldFilter(PLAN, "none"), FieldFilter(CITY, "none"))),
    "no value and no e-mail": Filters(fields=(FieldFilter(PLAN, "none"),), has_email=False),
    "an unknown value": Filters(fields=(FieldFilter(PLAN, "is", "Rubber"),)),
    "an area code": Filters(phone_prefixes=("1212", "1213")),
    "a country": Filters(phone_prefixes=("49", "1")),
    "a longer beginning": Filters(phone_prefixes=("12125",), has_email=True),
    "a time of change": Filters(updated_from=1_750_000_000_000_000, updated_before=1_770_000_000_000_000),
    "a time of creation": Filters(created_from=1_700_000_000_000_000, created_before=1_740_000_000_000_000),
    "all at once": Filters(
        tags=(0,), is_opted_out=False, has_email=True, phone_prefixes=("1",), created_from=1_600_000_000_000_000
    ),
}


@pytest.mark.parametrize("filters", FILTERS.values(), ids=FILTERS)
def test_filters_leave_the_same_contacts_in_every_order(both: Both, filters: Filters) -> None:
    alike(both, everybody_in, filters)
    for sort in SORTS:
        question = Question(filters=filters, sort=sort, limit=7)
        alike(both, not_judged, question, alike(both, search, question))
    for text in ("maria", "gold", "ends in 44", "@gmail", "jordn riverra", "garcia 1"):
        alike(both, search, Question(query=text, filters=filters, limit=7))


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("text", ["", "gold", "maria"])
def test_pages_go_on_alike(both: Both, text: str, sort: Sort) -> None:
    cursor, pages = "", 0
    while pages < 9:
        question = Question(query=text, sort=sort, limit=40, cursor=cursor)
        cursor = alike(both, search, question).cursor
        pages += 1
        if not cursor:
            break
    assert pages > 1 or text


@pytest.mark.parametrize("tier", ["sure", "possible"])
def test_the_same_doubles_are_found(both: Both, tier: duplicates.Tier) -> None:
    found = alike(both, partial(duplicates.find, tier=tier, most=60))
    if found.next:
        alike(both, partial(duplicates.find, tier=tier, most=60, below=found.next))
    for person in people(25):
        row = row_of(person)
        given = {"phone": row.phone, "first": row.first, "last": row.last, "email": row.email}
        alike(both, partial(duplicates.probable_doubles_of, **given))


def test_the_account_is_described_alike(both: Both) -> None:
    snapshot = names()
    alike(both, counted, snapshot, Known())
    for field_id in (*range(31, 37), 99):
        alike(both, use_of, field_id, snapshot.fields)
        alike(both, partial(values_in_use, field_id=field_id, most=20))
        alike(both, methodcaller("spread", field_id))
        alike(both, methodcaller("values", field_id, most=5))
    for mark in ("§", "§§t", "§§a", "§§f", "§§p15", "§§31§"):
        alike(both, methodcaller("counts", mark))
    for moment in range(1_600, 1_800, 20):
        bounds = Bounds(created_from=moment * 10**12, updated_before=(moment + 100) * 10**12)
        alike(both, methodcaller("counted", bounds))
    alike(both, lambda index: (replace(index.state, notes=None), index.generation, index.stamp[:2]))


def test_the_words_are_the_same_in_the_same_order(both: Both) -> None:
    for person in people(40):
        for word in f"{person.first} {person.last} {person.custom.get(CITY, '')}".lower().split():
            alike(both, near_words, word)
            alike(both, methodcaller("sounding", word))
            alike(both, methodcaller("containing", word[1:-1]))
            alike(both, methodcaller("known", [word, word[:3]]))


def near_words(index: WordIndex, word: str) -> list[tuple[str, int]]:
    """Without those that only a checksum has in common with the word. Each engine has other checksums."""
    return [each for each in index.near(word) if beginnings_of(word) & beginnings_of(each[0])]


def test_rows_and_facts_are_the_same(both: Both) -> None:
    alike(both, lambda index: index.facts(most=5_000))
    ids = [facts.id for facts in both[0].facts(most=5_000)]
    alike(both, lambda index: index.rows([*reversed(ids), 7]))
    alike(both, lambda index: sorted(index.lines(ids), key=lambda line: line.id))
    alike(both, lambda index: sorted(row.id for row in index.unseen(most=5_000)))
