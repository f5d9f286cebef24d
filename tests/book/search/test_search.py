"""Finding people by what is remembered of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contacts_mcp.book.search.filters import FieldFilter, Filters
from contacts_mcp.book.search.question import Answer, Question
from contacts_mcp.book.search.search import search
from contacts_mcp.errors import InvalidArgument
from contacts_mcp.state.index import Index
from contacts_mcp.state.row import Row

Ask = Callable[..., Answer]


def names(answer: Answer) -> list[str]:
    return [hit.row.name for hit in answer.hits]


# text -> the first hit, how certain, and how its words were found
FOUND = {
    "the full name": ("jordan rivera", "Jordan Rivera", "sure", ["same", "same"]),
    "the other order": ("RIVERA, Jordan", "Jordan Rivera", "sure", ["same", "same"]),
    "one word": ("rivera", "Jordan Rivera", "sure", ["same"]),
    "a title": ("Mrs. Rivera", "Jordan Rivera", "sure", ["same"]),
    "a slip": ("jordn", "Jordan Rivera", "likely", ["misspelled"]),
    "a slip in a full name": ("jordn rivera", "Jordan Rivera", "likely", ["misspelled", "same"]),
    "a slip in each word": ("jordn rivra", "Jordan Rivera", "likely", ["misspelled", "misspelled"]),
    "a nickname": ("bob smith", "Robert Smith", "likely", ["nickname", "same"]),
    "another spelling": ("muhammad haddad", "Mohammed Haddad", "likely", ["nickname", "same"]),
    "the umlaut": ("Müller", "Hans Müller", "sure", ["same"]),
    "without it": ("muller", "Hans Müller", "sure", ["same"]),
    "written out": ("mueller hans", "Hans Müller", "sure", ["same", "same"]),
    "words apart": ("mary ann lee", "Maryann Lee", "sure", ["same", "same"]),
    "words together": ("annalee", "Anna Lee", "sure", ["same", "same"]),
    "a hyphen": ("min-jun kim", "Min-jun Kim", "sure", ["same", "same"]),
    "without the hyphen": ("minjun kim", "Min-jun Kim", "sure", ["same", "same"]),
    "a blank for the hyphen": ("min jun kim", "Min-jun Kim", "sure", ["same", "same", "same"]),
    "an apostrophe": ("sean obrien", "Sean O'Brien", "sure", ["same", "same"]),
    "without the O": ("brien", "Sean O'Brien", "sure", ["same"]),
    "particles joined": ("ana delacruz", "Ana de la Cruz", "sure", ["same", "same"]),
    "romanized": ("ivan shchukin", "Иван Щукин", "sure", ["same", "same"]),
    "Cyrillic": ("щукин", "Иван Щукин", "sure", ["same"]),
    "ideographs without a blank": ("橋本桃子", "桃子 橋本", "sure", ["same"]),
    "a beginning": ("riv", "Jordan Rivera", "likely", ["begins_with"]),
    "an initial": ("j. rivera", "Jordan Rivera", "likely", ["begins_with", "same"]),
    "a sound": ("filip shmit", "Philip Schmidt", "guess", ["sounds_like", "sounds_like"]),
    "inside a word": ("chmid", "Philip Schmidt", "likely", ["inside"]),
    "a value": ("hans gold", "Hans Müller", "likely", ["same", "same"]),
    "a sentence": ("Jordan from Oakland", "Jordan Rivera", "likely", ["same", "same"]),
    "a number among the values": ("C-123456", "Maria Garcia", "likely", ["same"]),
    "its digits": ("123456", "Maria Garcia", "likely", ["same"]),
    "the full phone": ("(510) 555-3344", "Jordan Rivera", "sure", ["phone"]),
    "a foreign phone": ("+49 151 12345678", "Hans Müller", "sure", ["phone"]),
    "an ending": ("ends in 0104", "Robert Smith", "sure", ["phone_ends_with"]),
    "four digits": ("0104", "Robert Smith", "likely", ["phone_ends_with"]),
    "a zero in front": ("ends in 0421", "Carla Reid", "sure", ["phone_ends_with"]),
    "a beginning of a phone": ("begins with 212", "Anna Lee", "sure", ["phone_begins_with"]),
    "a piece of a phone": ("55501", "Robert Smith", "likely", ["phone_has"]),
    "a name and an ending": ("jordan 3344", "Jordan Rivera", "likely", ["same", "phone_ends_with"]),
    "a number as it is dialled at home": ("0151 12345678", "Hans Müller", "likely", ["phone_ends_with"]),
    "the same beside a name": ("Hans (0)151 12345678", "Hans Müller", "likely", ["same", "phone_ends_with"]),
    "a phone and a word of nobody": ("510-555-3344 ext 7", "Jordan Rivera", "guess", ["phone_ends_with"]),
    "both ends": ("starts with 212 and ends with 3344", "Anna Lee", "likely", ["phone_has", "phone_ends_with"]),
    "another local part at that domain": ("jordan@acme", "Jordan Rivera", "guess", ["same", "same"]),
    "a name and a domain": ("jordan acme.org", "Jordan Rivera", "likely", ["same", "same"]),
    "a slip in a domain": ("@acne.org", "Jordan Rivera", "guess", ["misspelled"]),
    "a slip in the first half of an address": ("jordna.rivera@acme.org", "Jordan Rivera", "guess", ["misspelled"]),
    "the beginning of a domain": ("@ac", "Jordan Rivera", "likely", ["email_has"]),
    "everybody at, in a sentence": ("everyone at acme.org", "Jordan Rivera", "likely", ["email_has"]),
    "a sentence with a hyphen": ("What's Sean's e-mail?", "Sean O'Brien", "sure", ["other_spelling"]),
    "a day in words": ("March 5, 2027", "Carla Reid", "likely", ["same"]),
    "a month": ("carla march 2027", "Carla Reid", "likely", ["same", "begins_with"]),
    "a day and a word of nobody": ("renewing 3/5/2027", "Carla Reid", "guess", ["same"]),
    "another script for a name": ("Филип Шмидт", "Philip Schmidt", "likely", ["sounds_like", "misspelled"]),
    "another script, joined": ("金智宇", "Zhiyu Jin", "sure", ["same", "same"]),
    "an address": ("JORDAN.RIVERA@acme.org", "Jordan Rivera", "sure", ["email"]),
    "a part of an address": ("jordan.rivera@", "Jordan Rivera", "likely", ["email_has"]),
    "an address that nobody has": ("jordan.rivera@elsewhere.org", "Jordan Rivera", "guess", ["same", "same"]),
    "a domain": ("acme.org", "Jordan Rivera", "likely", ["email_has"]),
    "everybody at": ("@acme.org", "Jordan Rivera", "likely", ["email_has"]),
}  # fmt: skip


@pytest.mark.parametrize(("text", "name", "match", "how"), FOUND.values(), ids=FOUND)
def test_a_contact_is_found_and_the_hit_says_why(ask: Ask, text: str, name: str, match: str, how: list[str]) -> None:
    hit = ask(text).hits[0]
    assert (hit.row.name, hit.match, [why.how for why in hit.why]) == (name, match, how)


NOBODY = [
    "xqzwk",
    "???",
    "",
    "\ud800",
    "\0",
    '"l.r."',
    "* OR NOT",
    "zorquib vexplon",
    "999999",
    "nobody@nowhere.example",
]


@pytest.mark.parametrize("text", NOBODY[:2] + NOBODY[3:])
def test_nobody_is_found_where_nobody_fits(ask: Ask, text: str) -> None:
    answer = ask(text)
    assert (answer.hits, answer.total, answer.cursor) == ((), 0, "")


def test_a_word_that_no_hit_has_is_named(ask: Ask) -> None:
    answer = ask("jordan xqzwk")
    assert names(answer)[0] == "Jordan Rivera"
    assert (answer.hits[0].match, answer.ignored) == ("guess", ("xqzwk",))
    assert ask("jordan from oakland").ignored == (), "a word of the sentence is not worth a mention"


SENTENCES = {
    "who in Oakland": "Jordan Rivera",
    "that Müller with the gold plan": "Hans Müller",
    "Jordan from the Oakland office": "Jordan Rivera",
    "the one ending 0104": "Robert Smith",
    "everybody on the silver plan": "Robert Smith",
    "how many are on Silver?": "Robert Smith",
    "the person called Schmidt": "Philip Schmidt",
}


@pytest.mark.parametrize(("sentence", "name"), SENTENCES.items(), ids=SENTENCES)
def test_a_sentence_finds_the_person_and_no_word_of_it_is_missed(ask: Ask, sentence: str, name: str) -> None:
    answer = ask(sentence, optional=("Plan", "Office"))
    assert names(answer)[0] == name
    assert answer.hits[0].match in ("sure", "likely")
    assert answer.ignored == ()


def test_an_optional_word_counts_where_a_contact_has_it() -> None:
    rows = [Row(id=1, first="Ann", last="Lee", rev=1), Row(id=2, first="Ann", last="Plan", rev=1)]
    with closing(one_of_many(rows)) as index:
        hits = search(index, Question(query="ann plan", optional=("Plan",))).hits
        assert hits[0].row.id == 2


def test_the_field_of_a_value_is_told(ask: Ask) -> None:
    (gold,) = [why for why in ask("hans gold").hits[0].why if why.said == "gold"]
    assert (gold.where, gold.field_id, gold.found) == ("field", 31, "gold")


@settings(deadline=None, max_examples=200)
@given(
    st.text(st.characters(exclude_categories=()), max_size=40)
    | st.text("a@\ud800.0", max_size=9)
    | st.text("ab '\"*()-:^.{}§@0123", max_size=20)
)
def test_a_search_never_fails(index: Index, text: str) -> None:
    answer = search(index, Question(query=text))
    assert len(answer.hits) <= max(answer.total, 0)
    filtered = search(index, Question(query=text, filters=Filters(tags=(101,), has_email=False)))
    assert all(Filters(tags=(101,), has_email=False).passes(hit.row) for hit in filtered.hits)


# Filters

FILTERS = {
    "a tag": Filters(tags=(103,)),
    "all of the tags": Filters(tags=(102, 103)),
    "any of the tags": Filters(tags=(101, 103), any_tag=True),
    "no tags": Filters(tags=(0,)),
    "a member": Filters(assignee=501),
    "nobody's": Filters(assignee=0),
    "opted out": Filters(is_opted_out=True),
    "not opted out": Filters(is_opted_out=False),
    "with an address": Filters(has_email=True),
    "without one": Filters(has_email=False),
    "a value": Filters(fields=(FieldFilter(31, "is", "GOLD"),)),
    "any value": Filters(fields=(FieldFilter(31, "any"),)),
    "no value": Filters(fields=(FieldFilter(31, "none"),)),
    "two values": Filters(fields=(FieldFilter(31, "is", "gold"), FieldFilter(32, "is", "oakland"))),
    "an area code": Filters(phone_prefixes=("1510",)),
    "a country": Filters(phone_prefixes=("49",)),
    "a longer beginning": Filters(phone_prefixes=("151055501",)),
    "one of several beginnings": Filters(phone_prefixes=("1212", "151055501")),
    "created from": Filters(created_from=5),
    "created before": Filters(created_before=5),
    "updated between": Filters(updated_from=90, updated_before=95),
    "all at once": Filters(tags=(101,), has_email=True, fields=(FieldFilter(31, "is", "gold"),), created_before=9),
}


@pytest.mark.parametrize("filters", FILTERS.values(), ids=FILTERS)
@pytest.mark.parametrize("sort", ["best", "newest_change", "newest_contact", "name"])
def test_a_filter_finds_exactly_the_contacts_that_pass_it(index: Index, ask: Ask, filters: Filters, sort: Any) -> None:
    wanted = {row.id for row in index.rows(range(1, 50)) if filters.passes(row)}
    answer = ask(filters=filters, sort=sort)
    assert {hit.row.id for hit in answer.hits} == wanted
    assert answer.total == len(wanted)
    assert answer.is_exact


@pytest.mark.parametrize("filters", FILTERS.values(), ids=FILTERS)
@pytest.mark.parametrize("text", ["lee", "rivera jordn", "3344", "ends in 0104", "510", "acme.org", "gold", "bob"])
def test_a_text_and_a_filter_find_the_hits_of_the_text_that_pass(ask: Ask, filters: Filters, text: str) -> None:
    without = [hit.row for hit in ask(text).hits if filters.passes(hit.row)]
    found = [hit.row for hit in ask(text, filters=filters).hits]
    assert all(filters.passes(row) for row in found)
    assert {row.id for row in without} <= {row.id for row in found}


# Orders and pages


def book_of(*first_names: str, last: str = "Lee") -> list[Row]:
    return [
        Row(id=number, first=name, last=last, created=number, updated=1_000 - number, rev=1)
        for number, name in enumerate(first_names, 1)
    ]


def all_pages(index: Index, question: Question) -> list[int]:
    found: list[int] = []
    for _ in range(1_000):
        answer = search(index, question)
        found += [hit.row.id for hit in answer.hits]
        if not answer.cursor:
            return found
        question = Question(
            query=question.query,
            filters=question.filters,
            sort=question.sort,
            limit=question.limit,
            cursor=answer.cursor,
        )
    pytest.fail("the pages have no end")


@pytest.mark.parametrize("sort", ["best", "newest_change", "newest_contact", "name"])
@pytest.mark.parametrize(
    ("query", "filters"),
    [
        ("lee", Filters()),
        ("lee", Filters(has_email=False)),
        ("", Filters()),
        ("", Filters(has_email=False)),
        ("", Filters(created_from=1)),
    ],
)
def test_the_pages_together_are_everybody_once(query: str, filters: Filters, sort: Any) -> None:
    with closing(Index.open(None)) as index:
        index.upsert(book_of(*(f"Name{chr(97 + number % 26)}" for number in range(700))))
        found = all_pages(index, Question(query=query, filters=filters, sort=sort, limit=90))
        assert sorted(found) == list(range(1, 701))
        assert search(index, Question(query=query, filters=filters, sort=sort)).total == 700


ORDERS = [
    ("newest_change", [1, 2, 3]),
    ("newest_contact", [3, 2, 1]),
    ("name", [2, 3, 1]),
]


@pytest.mark.parametrize("query", ["", "lee"])
@pytest.mark.parametrize(("sort", "order"), ORDERS)
def test_an_order_is_kept(query: str, sort: Any, order: list[int]) -> None:
    with closing(Index.open(None)) as index:
        index.upsert(book_of("Zoe", "Ann", "Émile"))
        assert [hit.row.id for hit in search(index, Question(query=query, sort=sort)).hits] == order


def test_a_cursor_is_good_for_its_own_question_alone(ask: Ask) -> None:
    cursor = ask("lee", limit=1).cursor
    assert names(ask("lee", limit=1, cursor=cursor)) != names(ask("lee", limit=1))
    for query, text in (("smith", cursor), ("lee", "x"), ("lee", cursor[:-4]), ("lee", "e30"), ("lee", "W10")):
        with pytest.raises(InvalidArgument, match="cursor"):
            ask(query, cursor=text)


def test_a_cursor_ends_with_the_walk_that_it_is_from() -> None:
    with closing(Index.open(None)) as index:
        index.upsert(book_of("Ann", "Bea"))
        cursor = search(index, Question(query="lee", limit=1)).cursor
        index.begin_walk()
        with pytest.raises(InvalidArgument, match="too old"):
            search(index, Question(query="lee", limit=1, cursor=cursor))


def test_a_contact_that_went_between_two_pages_shifts_nothing() -> None:
    with closing(Index.open(None)) as index:
        index.upsert(book_of(*"abcdef"))
        first = search(index, Question(query="lee", limit=2))
        index.remove([first.hits[0].row.id])
        second = search(index, Question(query="lee", limit=2, cursor=first.cursor))
        shown = [hit.row.id for page in (first, second) for hit in page.hits]
        assert len({*shown}) == 4


def test_the_rows_of_a_page_are_those_of_the_index(index: Index, ask: Ask) -> None:
    hits = ask("lee").hits
    assert [hit.row for hit in hits] == index.rows(hit.row.id for hit in hits)


# Traps that were measured


def one_of_many(rows: Iterable[Row]) -> Index:
    index = Index.open(None)
    index.begin_walk()
    index.upsert(rows)
    index.end_walk(began=1.0, ended=2.0)
    return index


def test_the_limit_of_a_rung_does_not_hide_the_exact_name() -> None:
    """Trap 6: the full name is among the oldest of hundreds that have both words and more."""
    longer = [Row(id=number, first="Maria", last="Garcia Lopez", rev=1) for number in range(2, 500)]
    with closing(one_of_many([Row(id=1, first="Garcia", last="Maria", rev=1), *longer])) as index:
        answer = search(index, Question(query="maria garcia"))
        assert answer.hits[0].row.id == 1
        assert answer.total == 499


def test_the_limit_of_a_rung_does_not_hide_a_name_behind_values() -> None:
    """Trap 6: hundreds have the word as a value, and an older contact has it as a name."""
    others = [Row(id=number, first="Ann", custom={31: "Brandt"}, rev=1) for number in range(2, 500)]
    with closing(one_of_many([Row(id=1, first="Ann", last="Brandt-Lee", rev=1), *others])) as index:
        assert search(index, Question(query="ann brandt")).hits[0].row.id == 1


def test_a_filter_is_part_of_the_search_and_not_of_its_first_hits() -> None:
    """Trap 6: the only tagged contact is older than the 300 newest."""
    others = [Row(id=number, first="Ann", last="Lee", rev=1, updated=9) for number in range(2, 500)]
    with closing(one_of_many([Row(id=1, first="Ann", last="Lee", tags=(7,), rev=1, updated=5), *others])) as index:
        for query in ("lee", "ann lee", "ann le", "an lee", ""):
            for filters in (Filters(tags=(7,)), Filters(updated_before=6)):
                hits = search(index, Question(query=query, filters=filters)).hits
                assert [hit.row.id for hit in hits] == [1], (query, filters)


def test_a_single_letter_of_a_value_matches_no_initial(ask: Ask) -> None:
    """Trap 3: Maria Garcia has the customer number "C-123456"."""
    assert names(ask("c reid")) == ["Carla Reid"]
    assert names(ask("c garcia")) == ["Maria Garcia"]
    assert ask("c garcia").hits[0].match == "guess"


def test_a_pair_of_ideographs_in_a_query_finds_no_namesake(ask: Ask) -> None:
    """Trap 5: else 橋本桃子 finds every 橋本."""
    assert names(ask("橋本桃子")) == ["桃子 橋本"]


def test_a_nickname_is_offered_although_the_exact_name_exists() -> None:
    """Trap 11: "Tony Johnson" exists, and Anthony was meant."""
    rows = [Row(id=1, first="Tony", last="Johnson", rev=1), Row(id=2, first="Anthony", last="Johnson", rev=1)]
    with closing(one_of_many(rows)) as index:
        hits = search(index, Question(query="tony johnson")).hits
        assert [(hit.row.id, hit.match) for hit in hits] == [(1, "sure"), (2, "likely")]


def test_many_contacts_of_one_nickname_do_not_hide_the_other_guesses() -> None:
    """Trap 12: "Lon" is a nickname of Lawrence, and ten Lawrences hid every Long."""
    rows = [Row(id=number, first="Lawrence", last=f"A{number}", rev=1) for number in range(10, 30)]
    with closing(one_of_many([*rows, Row(id=1, first="Longfellow", rev=1), Row(id=2, first="Long", rev=1)])) as index:
        first_five = [hit.row.id for hit in search(index, Question(query="lon", limit=5)).hits]
        assert {1, 2} & {*first_five}


@pytest.mark.parametrize("text", ["carlod", "ann carlod", "carlod ann"])
def test_many_contacts_of_one_misspelling_do_not_hide_another(text: str) -> None:
    """ "s" is beside "d" and "n" is not, so each Carlos alone is the better guess."""
    rows = [Row(id=number, first="Ann", last="Carlos", rev=1) for number in range(10, 400)]
    with closing(one_of_many([Row(id=1, first="Ann", last="Carlon", rev=1), *rows])) as index:
        hits = search(index, Question(query=text, limit=5)).hits
        assert hits[0].row.last == "Carlos"
        assert 1 in [hit.row.id for hit in hits]


def test_a_name_that_others_have_in_one_word_is_found_in_two() -> None:
    people = [Row(id=1, first="Mary Ann", last="Summers", rev=1), Row(id=2, first="Maryann", last="Winters", rev=1)]
    with closing(one_of_many(people)) as index:
        assert [hit.row.id for hit in search(index, Question(query="maryann summers")).hits] == [1]


def test_the_total_is_exact_where_all_hits_are_sure() -> None:
    """The guesses that a limit cut are left out beside a sure one."""
    rows = [Row(id=number, last="Hole", rev=1) for number in range(2, 30)]
    with closing(one_of_many([Row(id=1, last="Hale", rev=1), *rows])) as index:
        sure, guesses = (search(index, Question(query=query)) for query in ("hale", "hile"))
        assert (sure.total, sure.is_exact, guesses.is_exact) == (1, True, False)


def test_one_ideograph_is_no_misspelled_name() -> None:
    """Its romanized form is short, and a letter away from many."""
    with closing(one_of_many([Row(id=1, first="Sean", rev=1), Row(id=2, first="Van", rev=1)])) as index:
        assert search(index, Question(query="三")).hits == ()


def test_a_word_of_nobody_hides_no_contact_with_the_others() -> None:
    rows = [Row(id=number, first="Ann", custom={32: "Oakland"}, rev=1) for number in range(2, 6)]
    with closing(one_of_many([Row(id=1, first="May", last="Oakland", rev=1), *rows])) as index:
        answer = search(index, Question(query="oakland depot"))
        assert ([hit.row.id for hit in answer.hits], answer.ignored) == ([1, 5, 4, 3, 2], ("depot",))
        assert {hit.match for hit in answer.hits} == {"guess"}


def test_two_words_that_are_one_name_have_no_guesses_beside_it() -> None:
    rows = [Row(id=number, first="Max", last="Meyer", rev=1) for number in range(2, 6)]
    with closing(one_of_many([Row(id=1, display_name="3M", rev=1), *rows])) as index:
        assert [hit.row.id for hit in search(index, Question(query="3 m")).hits] == [1]


def test_the_usual_short_form_comes_before_a_rare_one() -> None:
    """Bill is a short form of Robert in the large list alone."""
    people = [Row(id=1, first="William", rev=1), Row(id=2, first="Robert", rev=1)]
    with closing(one_of_many(people)) as index:
        assert [hit.row.id for hit in search(index, Question(query="bill")).hits] == [1, 2]


@pytest.mark.parametrize(("query", "match"), [("You Reid", "guess"), ("do you have Reid", "sure")])
def test_a_word_of_a_sentence_that_is_a_name_counts_as_one_where_it_is_written_so(
    ask: Ask, query: str, match: str
) -> None:
    hits = ask(query).hits
    assert [(hit.row.name, hit.match) for hit in hits] == [("Carla Reid", match)]


def test_the_parts_of_a_day_that_nobody_has_name_nobody(ask: Ask) -> None:
    """Anna Lee's phone has 2125, and Carla Reid has another day of 2027."""
    assert names(ask("renewing 1 April 2027")) == names(ask("5 May 2125")) == []


def test_signs_in_a_query_reach_no_expression(ask: Ask) -> None:
    """Trap 2: "l.r." as a phrase is an error of FTS5."""
    for text in ('"jordan rivera"', "jordan*rivera", "(jordan) AND {rivera}", "jordan:rivera^", "n : jordan"):
        assert names(ask(text))[:1] == ["Jordan Rivera"], text


def test_the_rank_is_of_the_rows_and_not_of_the_text_search() -> None:
    """Trap 1: FTS5 ranks at random here. The newest of equal fits comes first, in whatever order they came."""
    with closing(one_of_many(reversed(book_of("Ann", "Ann", "Ann")))) as index:
        assert [hit.row.id for hit in search(index, Question(query="ann lee")).hits] == [1, 2, 3]


def test_nothing_heavy_is_imported_by_the_module_alone() -> None:
    """Trap 13: neither anyascii, nor rapidfuzz, nor the data of nicknames belong to the start."""
    import subprocess
    import sys

    code = (
        "import sys, contacts_mcp.book.search.search, contacts_mcp.words.kindred as kindred;"
        "assert not {'anyascii', 'rapidfuzz', 'nicknames'} & {*sys.modules}, sorted(sys.modules);"
        "assert kindred._tables.cache_info().currsize == 0"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


MANY_WORDS = {
    "hyphens": "a-" * 250,
    "words between hyphens": "-".join(f"w{number}" for number in range(200)),
    "a sign that stands for a sentence": "\ufdfa" * 300,
    "blanks": "ab " * 200,
    "apostrophes": "o'" * 250,
    "ideographs": "橋本" * 250,
    "one word": "x" * 500,
}


@pytest.mark.parametrize("text", MANY_WORDS.values(), ids=MANY_WORDS)
def test_a_query_of_many_words_asks_the_index_no_more_often_than_one_of_eight(
    index: Index, ask: Ask, monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    asked: list[None] = []
    read = Index._read

    def counting(self: Index, *args: Any) -> Any:
        asked.append(None)
        return read(self, *args)

    monkeypatch.setattr(Index, "_read", counting)
    ask("alpha bravo carlos delta echoes foxtrot golfer hotels")
    of_eight = len(asked)
    asked.clear()
    ask(text)
    assert len(asked) <= 3 * of_eight
