"""Text from strangers is shown so that nothing in it hides, moves the cursor or runs on."""

from __future__ import annotations

import sys
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support import effort

from contacts_mcp.words.display import is_all_visible, is_invisible, visible

ANYTHING = st.text(st.characters(exclude_categories=[]))  # lone surrogates too

FLAG = "\U0001f3f4\U000e0067\U000e0062"  # the beginning of the flags of England, Scotland and Wales

# Default_Ignorable_Code_Point, from DerivedCoreProperties.txt of Unicode 17
IGNORED = {
    *(0xAD, 0x34F, 0x61C, 0x3164, 0xFEFF, 0xFFA0),
    *range(0x115F, 0x1161),
    *range(0x17B4, 0x17B6),
    *range(0x180B, 0x1810),
    *range(0x200B, 0x2010),
    *range(0x202A, 0x202F),
    *range(0x2060, 0x2070),
    *range(0xFE00, 0xFE10),
    *range(0xFFF0, 0xFFF9),
    *range(0x1BCA0, 0x1BCA4),
    *range(0x1D173, 0x1D17B),
    *range(0xE0000, 0xE1000),
}
NONCHARACTERS = {
    *range(0xFDD0, 0xFDF0),
    *(plane + last for plane in range(0, 0x110000, 0x10000) for last in (0xFFFE, 0xFFFF)),
}
BLANKS = {0x2800, 0x1D159, 0x16FE4}
YOUNG_FORMATS = {*range(0x13439, 0x13440)}  # format characters of Unicode 15
UNSEEN_CATEGORIES = {"Cc", "Cf", "Cs", "Zl", "Zp"}

HIDDEN = {
    "zero-width-space": ("a\u200bb", r"a\u{200b}b"),
    "bidi-override": ("a\u202etxt.exe", r"a\u{202e}txt.exe"),
    "bidi-isolate": ("\u2066a\u2069", r"\u{2066}a\u{2069}"),
    "tag-block": ("a\U000e0041", r"a\u{e0041}"),
    "unassigned-tag-block": ("a\U000e0080", r"a\u{e0080}"),
    "lone-surrogate": ("a\ud800b", r"a\u{d800}b"),
    "ansi-escape": ("\x1b[31mred\x1b[0m", r"\u{1b}[31mred\u{1b}[0m"),
    "c1-control-sequence": ("\x9b31m", r"\u{9b}31m"),
    "nul": ("a\0b", r"a\u{0}b"),
    "line-break": ("a\nb\r\n", r"a\nb\r\n"),
    "line-separator": ("a\u2028b", r"a\u{2028}b"),
    "tab": ("a\tb", r"a\tb"),
    "soft-hyphen": ("a\u00adb", r"a\u{ad}b"),
    "byte-order-mark": ("\ufeffa", r"\u{feff}a"),
    "hangul-filler": ("a\u3164", r"a\u{3164}"),
    "braille-blank": ("a\u2800", r"a\u{2800}"),
    "joiner-between-latin-letters": ("a\u200db", r"a\u{200d}b"),
    "joiner-at-the-end": ("علی\u200c", r"علی\u{200c}"),
    "joiner-after-an-emoji": ("👩\u200da", r"👩\u{200d}a"),
    "selector-after-a-letter": ("a\ufe0f", r"a\u{fe0f}"),
    "second-selector-after-an-emoji": ("❤\ufe0f\ufe0f", "❤\ufe0f\\u{fe0f}"),
    "smuggled-selectors": ("😀\U000e0100", r"😀\u{e0100}"),
    "part-of-a-flag": ("🏴\U000e0067", r"🏴\u{e0067}"),
    "flag-and-smuggled-tags": (
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f\U000e0061",
        "🏴\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f\\u{e0061}",
    ),
    "flag-of-nowhere": ("🏴\U000e0078\U000e007f", r"🏴\u{e0078}\u{e007f}"),
    "number-sign-alone": ("\u0600a", r"\u{600}a"),
    "noncharacter": ("a\U0001fffeb", r"a\u{1fffe}b"),
    "null-notehead": ("\U0001d159", r"\u{1d159}"),
    "two-joiners": ("علی\u200c\u200cرضا", r"علی\u{200c}\u{200c}رضا"),
}

UNHARMED = {
    "empty": "",
    "accents": "Éléonore Müller-Ñuñez",
    "combining-accent": "e\u0301",
    "cjk": "山田太郎 김민수",
    "ideograph-variant": "葛\U000e0100城",
    "persian-joiner": "علی\u200cرضا",
    "hindi-joiner": "क्\u200dष",
    "emoji-family": "👩\u200d👩\u200d👧\u200d👦",
    "emoji-skin-tone": "👩🏽\u200d🚀",
    "emoji-selector-and-joiner": "❤\ufe0f\u200d🔥",
    "emoji-rainbow-flag": "🏳\ufe0f\u200d🌈",
    "keycap": "1\ufe0f\u20e3",
    "emoji-as-text": "❤\ufe0e",
    "flag-of-scotland": "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "malayalam-old-chillu": "രാജന\u0d4d\u200d",
    "khmer-joiner": "ក\u200cខ",
    "syriac-joiner": "ܐ\u200cܒ",
    "mongolian-form": "ᠠ\u180b",
    "arabic-number-sign": "\u0600١٢",
    "no-break-space": "a\u00a0b",
    "backslash": r"C:\new",
    "markup": "<b>**x**</b>",
}


def test_the_invisible_code_points_are_those_of_the_rule_and_no_others() -> None:
    """All 1,114,112 of them."""
    listed = IGNORED | NONCHARACTERS | BLANKS | YOUNG_FORMATS
    by_rule = {code for code in range(0x110000) if unicodedata.category(chr(code)) in UNSEEN_CATEGORIES} | listed
    assert {code for code in range(0x110000) if is_invisible(chr(code))} == by_rule
    assert len(NONCHARACTERS) == 66


@pytest.mark.parametrize(("text", "shown"), HIDDEN.values(), ids=HIDDEN.keys())
def test_what_cannot_be_seen_is_written_out(text: str, shown: str) -> None:
    assert visible(text) == shown


@pytest.mark.parametrize("text", UNHARMED.values(), ids=UNHARMED.keys())
def test_ordinary_writing_is_unharmed(text: str) -> None:
    assert visible(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [("abcdef", "abc… (+3 characters)"), ("abc", "abc"), ("ab\u200b", r"ab\u{200b}"), ("", "")],
    ids=["longer", "exactly", "escapes-do-not-count", "empty"],
)
def test_long_text_is_cut_and_says_how_much_is_missing(text: str, shown: str) -> None:
    assert visible(text, limit=3) == shown


@given(ANYTHING)
def test_no_control_and_no_lone_surrogate_survives(text: str) -> None:
    shown = visible(text, limit=1000)
    assert not any(unicodedata.category(char) in {"Cc", "Cs", "Zl", "Zp"} for char in shown)
    assert FLAG in shown or not any("\U000e0000" <= char <= "\U000e007f" for char in shown)


NEIGHBOURS = st.text("\u200c\u200d\ufe0f\ufe0e\u200b\u20e3\U000e0067\U000e0100\u180b\u0600a1❤👩🏴कल्ی葛ᠠ")


@given(ANYTHING | NEIGHBOURS)
def test_showing_twice_changes_nothing(text: str) -> None:
    once = visible(text, limit=1000)
    assert visible(once, limit=100_000) == once


@given(ANYTHING)
def test_what_can_be_seen_is_kept_in_order(text: str) -> None:
    seen = [char for char in text if not is_invisible(char)]
    shown = iter(visible(text, limit=1000))
    assert all(char in shown for char in seen)


def test_a_megabyte_is_shown_in_milliseconds() -> None:
    text = "\u202e" * 1_000_000
    assert effort(lambda: visible(text)) < 0.05
    assert len(visible(text)) < 2_000


def test_a_text_called_all_visible_holds_nothing_invisible() -> None:
    """Every character there is. All others go the long way, one by one."""
    every = map(chr, range(sys.maxunicode + 1))
    short = (char for char in every if is_all_visible(char))
    assert [char for char in short if is_invisible(char) or (char.isspace() and char != " ")] == []
