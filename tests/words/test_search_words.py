"""The words by which the search compares."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts_mcp.words.search_words import (
    email_key,
    email_words,
    name_key,
    name_words,
    pieces,
    sound,
    value_words,
    without_titles,
)

NAMES = {
    "plain": (("Jordan", "Rivera", ""), {"jordan", "rivera"}),
    "case and accents": (("JOSÉ", "Núñez", ""), {"jose", "nunez"}),
    "letters that are written out": (("Jörg", "Müller", ""), {"jorg", "joerg", "muller", "mueller"}),
    "Nordic letters": (("Åse", "Sørensen", ""), {"ase", "aase", "sorensen", "soerensen"}),
    "letters that stay whole in Unicode": (("Łukasz", "Đorđević", ""), {"lukasz", "dordevic"}),
    "a schwa": (("Elçin", "Əliyev", ""), {"elcin", "eliyev"}),
    "a sharp s": (("Hans", "Groß", ""), {"hans", "gross"}),
    "a hyphen": (("Min-jun", "Kim", ""), {"min", "jun", "minjun", "kim"}),
    "an apostrophe parts nothing": (("Sean", "O'Brien", ""), {"sean", "obrien", "brien"}),
    "a curly apostrophe": (("Sean", "O\u2019Brien", ""), {"sean", "obrien", "brien"}),
    "initials": (("J.R.", "Smith", ""), {"j", "r", "jr", "smith"}),
    "a last name with particles": (("Ana", "de la Cruz", ""), {"ana", "de", "la", "cruz", "delacruz"}),
    "two surnames are not joined": (("Ana", "García López", ""), {"ana", "garcia", "lopez"}),
    "a display name adds its words": (("Ana", "Ruiz", "Acme Dental"), {"ana", "ruiz", "acme", "dental"}),
    "Cyrillic and its romanized form": (("Иван", "Щукин", ""), {"иван", "щукин", "ivan", "shchukin"}),
    "Greek": (("Νίκος", "Παπάς", ""), {"νικοσ", "παπασ", "nikos", "papas"}),
    "a diphthong of Greek": (("Γιώργος", "Ρούσου", ""), {"γιωργοσ", "ρουσου", "giorgos", "rousou"}),
    "the article of Arabic": (("محمد", "الحسن", ""), {"محمد", "الحسن", "mhmd", "alhsn"}),
    "full width": (("Ｊｏｒｄａｎ", "", ""), {"jordan"}),
    "an invisible character": (("Jor\u200bdan", "", ""), {"jordan"}),
    "an HTML entity": (("R&amp;D", "", ""), {"r", "d", "rd"}),
    "marks spell words in Devanagari": (("शर्मा", "", ""), {"शर्मा", "srma"}),
    "half a character": (("\ud800", "", ""), set()),
    "signs alone": (("???", "-", "*"), set()),
}  # fmt: skip


@pytest.mark.parametrize(("name", "words"), NAMES.values(), ids=NAMES)
def test_a_name_has_these_words(name: tuple[str, str, str], words: set[str]) -> None:
    found = name_words(*name)
    assert {*found.words, *found.forms} == words


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [
        ("桃子", "橋本", "橋本桃子"),
        ("桃子", "橋本", "桃子橋本"),
        ("伟", "张", "张伟"),
        ("민준", "김", "김민준"),
        ("伟", "张", "zhangwei"),
        ("민준", "김", "kim"),
        ("지우", "박", "park"),
        ("민준", "김", "minjun"),
    ],
)
def test_an_ideographic_name_is_found_joined_and_romanized(first: str, last: str, said: str) -> None:
    found = name_words(first, last, "")
    assert said in {*found.words, *found.forms}


def test_pairs_of_ideographs_are_for_the_index_not_for_the_query() -> None:
    """Else 橋本桃子 would find every 橋本 (trap 5)."""
    (piece,) = pieces("橋本桃子")
    assert "橋本" in piece.inner
    assert "橋本" not in {*piece.words, *piece.spellings}


def test_a_value_has_no_single_letters() -> None:
    """ "C-123456" must not find "c reid" (trap 3)."""
    assert value_words("C-123456") == ("123456", "c123456")


def test_m_is_an_initial_and_no_title() -> None:
    """Trap 3: "M." is a title in French, and an initial everywhere."""
    assert without_titles(["m", "reid"]) == ["m", "reid"]
    assert without_titles(["dr", "reid"]) == ["reid"]
    assert without_titles(["dr"]) == ["dr"]


def test_an_address_has_the_words_of_both_sides() -> None:
    assert email_words("jordan.rivera@mail.acme.org") == ("jordan", "rivera", "mail", "acme")
    assert email_key(" Jo@ACME.org ") == "jo@acme.org"


SAME_KEY = [
    ("Jordan Rivera", "rivera JORDAN"),
    ("José Núñez", "jose nunez"),
    ("Hans Müller", "mueller hans"),
    ("Hans Muller", "mueller hans"),
    ("Dr. Ann Lee", "ann lee"),
    ("Ann Lee Jr.", "lee ann"),
]


@pytest.mark.parametrize(("one", "other"), SAME_KEY)
def test_the_same_words_have_the_same_key(one: str, other: str) -> None:
    assert key(one) == key(other)


def test_other_words_have_another_key_and_no_words_have_none() -> None:
    assert key("Ann Lee") != key("Ann Leigh")
    assert key("") is None


def key(name: str) -> int | None:
    return name_key(word for piece in pieces(name) for word in piece.words)


ALIKE = [
    ("smith", "smyth"),
    ("schmidt", "schmitt"),
    ("philip", "filip"),
    ("catherine", "kathryn"),
    ("meyer", "maier"),
    ("wright", "rite"),
    ("jackson", "jakson"),
    ("steven", "stephen"),
]


@pytest.mark.parametrize(("one", "other"), ALIKE)
def test_words_that_sound_alike_have_one_key(one: str, other: str) -> None:
    assert sound(one) == sound(other) != ""


def test_short_words_and_other_scripts_have_no_sound() -> None:
    assert [sound(word) for word in ("ann", "hs", "иван", "a1bc", "")] == [""] * 5
    assert sound("hsn") == sound("hassan"), "Arabic writes no short vowels"


@given(st.text(st.characters(exclude_categories=())))
def test_any_text_has_words_without_blanks_and_signs_of_the_search(text: str) -> None:
    for piece in pieces(text):
        for word in (*piece.words, *piece.spellings, *piece.inner):
            assert word
            assert not any(char.isspace() or (char.isascii() and not char.isalnum()) or char == "§" for char in word)
            word.encode()


SHORT = st.text(st.characters(codec="ascii", categories=["L", "N"]), max_size=70)


@given(SHORT, SHORT)
def test_the_short_way_of_plain_names_ends_as_the_long_one(first: str, last: str) -> None:
    assert name_words(first, last, "") == name_words(f" {first}", f"{last} ", "")


@given(st.text(st.characters(codec="ascii"), max_size=70), SHORT)
def test_the_short_way_of_plain_addresses_ends_as_the_long_one(local: str, domain: str) -> None:
    words = [word for piece in pieces(f"{local} {domain}") for word in piece.words if len(word) > 1]
    assert email_words(f"{local}@{domain}.com") == tuple(dict.fromkeys(words))
