"""Two names, word by word: order, nicknames and slips are forgiven, another word is not."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from contacts_mcp.words.alignment import Alignment, aligned, names_of

KNOWN = {"maria", "mario", "daniel", "daniela"}

SAME: dict[str, tuple[str, str]] = {
    "order": ("Maria Garcia", "GARCIA, Maria"),
    "accents": ("José Peña", "Jose Pena"),
    "written out": ("Jürgen Müller", "Juergen Mueller"),
    "joined": ("Juan de la Cruz", "Juan Delacruz"),
    "hyphen": ("Min-jun Kim", "Minjun Kim"),
    "title": ("Dr. Ann Lee", "Ann Lee"),
    "generation": ("Ann Lee Jr.", "Ann Lee"),
    "middle name": ("Maria Elena Garcia", "Maria Garcia"),
    "other script": ("Иван Щукин", "ЩУКИН Иван"),
}
LIKE: dict[str, tuple[str, str, float]] = {
    "nickname": ("Bob Smith", "Robert Smith", 0.95),
    "initial": ("J Rivera", "Jordan Rivera", 0.875),
    "beginning": ("Jordan Riv", "Jordan Rivera", 0.9),
    "slip": ("Jordna Rivera", "Jordan Rivera", 0.94),
    "one word of two": ("Garcia", "Maria Garcia", 0.8),
}
OTHER: dict[str, tuple[str, str]] = {
    "household": ("Maria Garcia", "Jose Garcia"),
    "one letter between two names": ("Maria Garcia", "Mario Garcia"),
    "the beginning of another name": ("Daniel Kim", "Daniela Kim"),
    "other middle name": ("Maria Elena Garcia", "Maria Luisa Garcia"),
    "other initial": ("Maria E. Garcia", "Maria A. Garcia"),
    "one company": ("Maria Garcia (Acme)", "Jose Lopez (Acme)"),
    "nothing in common": ("Ann Lee", "Robert Smith"),
}


def of(one: str, other: str) -> Alignment:
    return aligned(names_of(one)[0].words, names_of(other)[0].words, known=KNOWN)


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_the_same_name_is_the_same_in_every_form(one: str, other: str) -> None:
    found = of(one, other)
    assert (found.likeness, found.has_only, found.unanswered) == (1.0, frozenset(), 0)


@pytest.mark.parametrize(("one", "other", "likeness"), LIKE.values(), ids=LIKE)
def test_another_form_of_a_name_is_like_it(one: str, other: str, likeness: float) -> None:
    assert of(one, other).likeness == pytest.approx(likeness, abs=0.011)


@pytest.mark.parametrize(("one", "other"), OTHER.values(), ids=OTHER)
def test_a_word_that_nothing_answers_weighs_more_than_the_words_that_match(one: str, other: str) -> None:
    assert of(one, other).likeness <= 0.5


def test_a_name_of_another_script_has_its_latin_form_too() -> None:
    assert [name.words for name in names_of("Иван", "Щукин")] == [("иван", "щукин"), ("ivan", "shchukin")]
    assert names_of("", "") == ()


@pytest.mark.parametrize("text", ["John Smith Jr.", "John Smith III"])
def test_a_generation_stands_apart_from_the_words(text: str) -> None:
    (name,) = names_of(text)
    assert (name.words, bool(name.generation)) == (("john", "smith"), True)


words = st.lists(
    st.sampled_from(
        ["maria", "mario", "jordan", "jordna", "j", "bob", "robert", "rob", "de", "la", "cruz", "delacruz"]
    ),
    max_size=4,
)


@given(words, words)
def test_an_alignment_is_the_same_either_way_round(one: list[str], other: list[str]) -> None:
    there, back = aligned(one, other, known=KNOWN), aligned(other, one, known=KNOWN)
    assert (there.likeness, there.unanswered) == (pytest.approx(back.likeness), back.unanswered)
    assert 0.0 <= there.likeness <= 1.0


@given(words)
@example(["cruz", "la", "de", "delacruz"])
def test_a_name_is_like_itself_in_any_order(one: list[str]) -> None:
    assert aligned(one, [*reversed(one)]).likeness == (1.0 if one else 0.0)
