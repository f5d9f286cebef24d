"""Which word somebody meant who typed another."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts_mcp.words.likeness import likeness, misspelled

WORDS = ["jordan", "rivera", "garcia", "smith", "ann", "christopher"]
MEANT = [
    ("jordn", "jordan", 1),
    ("jodran", "jordan", 1),
    ("jjordan", "jordan", 1),
    ("jorden", "jordan", 1),
    ("garica", "garcia", 1),
    ("smyth", "smith", 1),
    ("cristofer", "christopher", None),
    ("chrstophr", "christopher", 2),
    ("an", "ann", 1),
]


@pytest.mark.parametrize(("typed", "meant", "edits"), MEANT)
def test_a_slip_finds_the_word(typed: str, meant: str, edits: int | None) -> None:
    assert misspelled(typed, WORDS).get(meant, (0, None))[1] == edits


def test_a_short_word_has_one_slip_at_most() -> None:
    assert misspelled("smth", ["smitt"]) == {}


def test_fingers_slip_more_easily_in_some_ways() -> None:
    """Exchanged and doubled letters, then a neighbouring key, then any other, then another beginning."""
    typed = ("jodran", "jorddan", "jordam", "jordax", "xordan")
    alike = [likeness(word, "jordan", edits=1) for word in typed]
    assert alike[0] == pytest.approx(alike[1], abs=0.02)
    assert min(alike[:2]) > alike[2] > alike[3] > alike[4]


@given(st.text("abcde", min_size=1, max_size=9), st.text("abcde", min_size=1, max_size=9))
def test_likeness_is_below_one_for_other_words_and_the_same_word_is_none(one: str, other: str) -> None:
    found = misspelled(one, [other])
    assert all(0 <= alike < 1 for alike, _ in found.values())
    assert one not in misspelled(one, [one])
