"""Text from strangers is shown so that nothing in it hides, moves the cursor or runs on."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts_mcp.words.display import is_invisible, visible

ANYTHING = st.text(st.characters(exclude_categories=[]))  # lone surrogates too

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
    "flag-of-england": ("🏴\U000e0067", r"🏴\u{e0067}"),
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
    "no-break-space": "a\u00a0b",
    "backslash": r"C:\new",
    "markup": "<b>**x**</b>",
}


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
    assert not any("\U000e0000" <= char <= "\U000e007f" for char in shown)


@given(ANYTHING)
def test_showing_twice_changes_nothing(text: str) -> None:
    once = visible(text, limit=1000)
    assert visible(once, limit=100_000) == once


@given(ANYTHING)
def test_what_can_be_seen_is_kept_in_order(text: str) -> None:
    seen = [char for char in text if not is_invisible(char)]
    shown = iter(visible(text, limit=1000))
    assert all(char in shown for char in seen)


def test_a_megabyte_is_shown_in_milliseconds() -> None:
    started = time.perf_counter()
    shown = visible("\u202e" * 1_000_000)
    assert time.perf_counter() - started < 0.05
    assert len(shown) < 2_000
