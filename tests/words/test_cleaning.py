"""Texts that people give are stored without what nobody sees, and the answer says what changed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts_mcp.errors import InvalidArgument
from contacts_mcp.words.cleaning import Cleaned, clean_line, clean_value
from contacts_mcp.words.display import is_invisible, visible

TAKEN_OUT = "first: characters that nobody sees were taken out ({})."
FLAG = "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"

# id: (given, stored, what the note names)
CLEANED = {
    "zero-width-space": ("Jo\u200brdan", "Jordan", TAKEN_OUT.format("U+200B")),
    "byte-order-mark": ("\ufeffJordan", "Jordan", TAKEN_OUT.format("U+FEFF")),
    "soft-hyphen": ("Jor\u00addan", "Jordan", TAKEN_OUT.format("U+00AD")),
    "bidi": ("\u202eJordan\u202c \u2066x\u2069", "Jordan x", TAKEN_OUT.format("U+202E, U+202C, U+2066 and 1 more")),
    "direction-marks": ("\u200eJordan\u200f", "Jordan", TAKEN_OUT.format("U+200E, U+200F")),
    "nul": ("Jor\x00dan", "Jordan", TAKEN_OUT.format("U+0000")),
    "delete": ("Jordan\x7f", "Jordan", TAKEN_OUT.format("U+007F")),
    "escape": ("\x1bJordan", "Jordan", TAKEN_OUT.format("U+001B")),
    "terminal-colours": ("\x1b[1;31mJordan\x1b[0m", "Jordan", TAKEN_OUT.format("U+001B")),
    "hangul-filler-at-the-end": ("Jordan\u3164", "Jordan", TAKEN_OUT.format("U+3164")),
    "hangul-filler-as-a-space": ("Jordan\u3164Rivera", "Jordan Rivera", TAKEN_OUT.format("U+3164")),
    "braille-blank": ("Jordan\u2800Rivera", "Jordan Rivera", TAKEN_OUT.format("U+2800")),
    "tag-characters": ("Jordan\U000e0041\U000e0042", "Jordan", TAKEN_OUT.format("U+E0041, U+E0042")),
    "selector-after-a-letter": ("J\ufe0fordan", "Jordan", TAKEN_OUT.format("U+FE0F")),
    "joiner-between-latin-letters": ("Jor\u200ddan", "Jordan", TAKEN_OUT.format("U+200D")),
    "noncharacter": ("Jordan\ufdd0\U0001ffff", "Jordan", TAKEN_OUT.format("U+FDD0, U+1FFFF")),
    "copied-picture": ("Jordan\ufffc", "Jordan", TAKEN_OUT.format("U+FFFC")),
    "line-break": ("Jordan\nRivera", "Jordan Rivera", "first: line breaks became spaces."),
    "line-break-of-windows": ("Jordan \r\n Rivera", "Jordan Rivera", "first: line breaks became spaces."),
    "line-separator": ("Jordan\u2028Rivera", "Jordan Rivera", "first: line breaks became spaces."),
    "next-line": ("Jordan\x85Rivera", "Jordan Rivera", "first: line breaks became spaces."),
    "tab": ("Jordan\tRivera", "Jordan Rivera", "first: tabs became spaces."),
    "wrong-code-page": (
        "O\x92Brien \x96 \x93Bob\x94",
        "O’Brien – “Bob”",
        "first: Windows characters that came as Latin-1 were put right.",
    ),
    "several": (
        "Jo\u200b\nO\x92Brien",
        "Jo O’Brien",
        (
            "first: Windows characters that came as Latin-1 were put right, line breaks became spaces, "
            "characters that nobody sees were taken out (U+200B)."
        ),
    ),
}

# Stored as they are, except for the spaces around them.
UNHARMED = {
    "plain": "Jordan Rivera",
    "spaces-around": "  Jordan\n",
    "ideographic-space-around": "\u3000山田太郎\u3000",
    "no-break-space-around": "\u00a0Jordan\u00a0",
    "no-break-space-inside": "Jordan\u00a0Rivera",
    "accents": "Éléonore Müller-Ñuñez",
    "combining-accent": "Jose\u0301",
    "apostrophe": "O’Brien",
    "persian-joiner": "علی\u200cرضا",
    "hindi-joiner": "क्\u200dष",
    "malayalam-old-chillu": "രാജന\u0d4d\u200d",
    "emoji-family": "👩\u200d👩\u200d👧\u200d👦",
    "emoji-selector": "❤\ufe0f",
    "emoji-selector-and-joiner": "❤\ufe0f\u200d🔥",
    "keycap": "1\ufe0f\u20e3",
    "flag-of-letters": "🇺🇸",
    "flag-of-tags": FLAG,
    "ideograph-variant": "葛\U000e0100城",
    "markup": "<b>Jo</b> &amp; [x](y)",
}

BROKEN = {
    "replacement-character": ("Jos\ufffd", "holds U+FFFD"),
    "replacement-character-alone": ("\ufffd", "holds U+FFFD"),
    "half-an-emoji": ("Jo \ud83d", "holds half a character"),
    "empty": ("", "is empty."),
    "blank": (" \t\n\u00a0", "is empty."),
    "zero-width-alone": ("\u200b\u200b", "holds only characters that nobody sees (U+200B)."),
    "hangul-filler-alone": ("\u3164", "holds only characters that nobody sees (U+3164)."),
    "braille-blank-alone": ("\u2800 \u2800", "holds only characters that nobody sees (U+2800)."),
    "controls-alone": ("\x00\x1b[0m", "holds only characters that nobody sees (U+0000, U+001B)."),
    "selector-alone": ("\ufe0f", "holds only characters that nobody sees (U+FE0F)."),
}


@pytest.mark.parametrize(("given", "stored", "note"), CLEANED.values(), ids=CLEANED.keys())
def test_characters_that_nobody_sees_go_and_the_note_says_so(given: str, stored: str, note: str) -> None:
    clean = clean_line(given, argument="first")
    assert clean == Cleaned(stored, [note])
    assert [each.kind for each in clean.notes] == ["cleaned_text"]


@pytest.mark.parametrize("given", UNHARMED.values(), ids=UNHARMED.keys())
def test_ordinary_writing_is_only_trimmed(given: str) -> None:
    assert clean_line(given, argument="first") == (given.strip(), [])
    assert clean_value(given, argument="Plan") == (given.strip(), [])


@pytest.mark.parametrize(("given", "problem"), BROKEN.values(), ids=BROKEN.keys())
@pytest.mark.parametrize("clean", [clean_line, clean_value])
def test_a_broken_or_empty_text_is_refused(clean, given: str, problem: str) -> None:
    with pytest.raises(InvalidArgument, match=r"^last: ") as caught:
        clean(given, argument="last")
    assert caught.value.problem.startswith(problem)


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        ("Suite 4\nOakland", "Suite 4\nOakland"),
        ("Suite 4\r\nOakland\r\n", "Suite 4\nOakland"),
        ("Suite 4 \u2028\n  Oakland", "Suite 4\n\n  Oakland"),
        ("\n\n- a\n- b\n\n", "- a\n- b"),
    ],
    ids=["lines", "windows", "separators-and-indent", "around"],
)
def test_a_value_keeps_its_lines(given: str, stored: str) -> None:
    assert clean_value(given, argument="Address") == (stored, [])


def test_a_value_loses_what_nobody_sees_between_its_lines() -> None:
    clean = clean_value("Suite 4\u200b\nOakland\x00", argument="Address")
    assert clean.text == "Suite 4\nOakland"
    assert clean.notes == ["Address: characters that nobody sees were taken out (U+200B, U+0000)."]


ANYTHING = st.text(st.characters(exclude_categories=[]))
NEIGHBOURS = st.text(
    "\u200c\u200d\ufe0f\u200b\u20e3\U000e0067\U000e0100\u180b\u3164\x1b[0m\n\r\t a1❤👩🏴कल्ی葛ᠠ\x92\x85"
)


@pytest.mark.parametrize("clean", [clean_line, clean_value])
@given(given=ANYTHING | NEIGHBOURS)
def test_a_clean_text_is_clean(clean, given: str) -> None:
    try:
        text, notes = clean(given, argument="first")
    except InvalidArgument:
        return
    again = clean(text, argument="first")
    assert again.text == text
    assert {note.kind for note in again.notes} <= {"word_for_nothing"}  # about "null", which is what it was
    assert visible(text.replace("\n", ""), limit=1_000) == text.replace("\n", "")
    assert text == text.strip() != ""
    assert notes or text.split() == given.split()


@given(ANYTHING)
def test_nothing_that_is_seen_is_lost_but_the_codes_of_terminals(given: str) -> None:
    try:
        text = clean_value(given, argument="first").text
    except InvalidArgument:
        return
    seen = [char for char in given if not is_invisible(char) and not char.isspace() and char != "\ufffc"]
    rest = iter(text)
    assert "\x1b" in given or all(char in rest for char in seen)
