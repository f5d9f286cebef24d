"""Text is compared in one place, at three levels. Each level forgives everything that the level before forgives."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts_mcp.words.folding import caseless, fold, foldings, snake, unaccented

LEVELS = [caseless, unaccented, fold]
ANYTHING = st.text(st.characters(exclude_categories=[]))  # lone surrogates too

# id: (one, other, the strictest level that takes them for the same)
SAME = {
    "case": ("Plan", "PLAN", caseless),
    "sharp-s": ("Straße", "STRASSE", caseless),
    "spaces-around": ("  Plan\n", "plan", caseless),
    "double-spaces": ("Lead  Source", "Lead Source", caseless),
    "no-break-space": ("Renewal\u00a0Date", "Renewal Date", caseless),
    "invisible": ("Pl\u200ban", "plan", caseless),
    "control": ("Pl\x00an", "plan", caseless),
    "entity": ("R&amp;D", "R&D", caseless),
    "entity-twice": ("R&amp;amp;D", "r&d", caseless),
    "entity-numbered": ("M&#38;M &#x3C;", "m&m <", caseless),
    "entity-numbered-twice": ("M&#38;amp;M", "m&m", caseless),
    "entity-quotes": ("&quot;O&#39;Brien&quot; &lt;x&gt;", '"O\'Brien" <x>', caseless),
    "entity-space": ("a&nbsp;b", "a b", caseless),
    "accents": ("Été", "ete", unaccented),
    "decomposed-accents": ("E\u0301te\u0301", "Été", unaccented),
    "strokes": ("Łódź Øst", "lodz ost", unaccented),
    "ligatures": ("Æsop Œuvre", "aesop oeuvre", unaccented),
    "turkish-capital": ("İstanbul", "istanbul", unaccented),
    "full-width": ("Ｐｌａｎ", "plan", unaccented),
    "full-width-entity": ("R＆ａｍｐ；D", "R&D", unaccented),
    "hebrew-points": ("שָׁלוֹם", "שלום", unaccented),
    "arabic-vowels": ("مُحَمَّد", "محمد", unaccented),
    "underscore": ("renewal_date", "Renewal Date", fold),
    "hyphen": ("RENEWAL-DATE", "Renewal Date", fold),
    "camel-case": ("renewalDate", "Renewal Date", fold),
    "punctuation": ("Follow-up?", "follow up", fold),
}

# Pairs that no level takes for the same.
DISTINCT = {
    "symbols": ("#", "%"),
    "emoji": ("🔥", "❄"),
    "thai-vowels": ("กิ", "กา"),
    "hindi-vowels": ("कि", "कु"),
    "kana-voicing": ("かき", "がき"),
    "digits": ("Line 1", "Line 2"),
    "entity-without-its-end": ("AT&amp", "AT&"),
}


@pytest.mark.parametrize(("one", "other", "strictest"), SAME.values(), ids=SAME.keys())
def test_what_a_person_takes_for_the_same_is_the_same_from_one_level_on(
    one: str, other: str, strictest: Callable[[str], str]
) -> None:
    assert [level(one) == level(other) for level in LEVELS] == [
        LEVELS.index(level) >= LEVELS.index(strictest) for level in LEVELS
    ]


@pytest.mark.parametrize(("one", "other"), DISTINCT.values(), ids=DISTINCT.keys())
def test_different_names_stay_different_at_every_level(one: str, other: str) -> None:
    assert all(level(one) != level(other) for level in LEVELS)


def test_signs_count_in_values_and_not_in_names() -> None:
    assert unaccented("A+") != unaccented("A-")
    assert fold("A+") == fold("A-")


def test_a_name_has_both_spellings_of_its_letters() -> None:
    assert foldings("M\u00fcller") == foldings("Mu\u0308ller") == ("muller", "mueller")
    assert foldings("Mueller") == ("mueller",)


@pytest.mark.parametrize("level", LEVELS)
@given(text=ANYTHING | st.text("&;#amp39ltgquo ＆；"))
def test_applying_a_level_twice_changes_nothing(level: Callable[[str], str], text: str) -> None:
    assert level(level(text)) == level(text)


@given(ANYTHING, ANYTHING)
def test_a_looser_level_forgives_what_a_stricter_one_forgives(one: str, other: str) -> None:
    for text in (one + other, f"{one}\u200b {other}", one.upper() + other.swapcase()):
        if caseless(text) == caseless(one + other):
            assert unaccented(text) == unaccented(one + other)
        if unaccented(text) == unaccented(one + other):
            assert fold(text) == fold(one + other)


@given(st.text(st.characters(max_codepoint=127)))
def test_the_short_cut_for_ascii_gives_what_the_long_way_gives(text: str) -> None:
    assert unaccented(text) == unaccented(text + "\u0301")


@pytest.mark.parametrize(
    ("name", "snaked"),
    [("renewalDate", "renewal_date"), ("renewal-date", "renewal_date"), ("Get Contact.list", "get_contact_list")],
)
def test_identifiers_are_compared_as_python_writes_them(name: str, snaked: str) -> None:
    assert snake(name) == snaked
