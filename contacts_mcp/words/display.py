"""Text written by strangers, made safe to show: nothing in it can hide, move the cursor or run on.

- What cannot be seen is written out as `\\u{200b}`: controls (so no ANSI escape survives), bidi and other format characters, zero-width
  characters, Hangul and Braille blanks, the tag block U+E0000, variation selectors, lone surrogates, noncharacters. Line breaks and tabs
  become `\\n`, `\\r`, `\\t`.
- What writing needs stays: accents, every script, spaces of any width, a joiner (U+200C, U+200D) between two letters of the scripts that
  use it (Arabic to Sinhala), a joiner or U+FE0F inside an emoji, one variation selector after a CJK ideograph.
  Flags spelled with tag characters (England, Scotland, Wales) are the price: their tags are written out.
- A long value is cut first and escaped afterwards, so the work is bounded by `limit`, and says what is missing: `abc… (+997 characters)`.
- Showing twice changes nothing, unless the text is cut a second time. A backslash stays a backslash: this is for reading, not for decoding.
- Where a text stands among ours it is `quoted`: a quote in it is written `\"` (and backslashes before a quote twice), so that the one that ends it
  is ours; what would be a link, a picture or a tag where the answer is drawn as Markdown gets a backslash that takes it apart. A `word` is quoted
  only where it is not plainly one.
"""

from __future__ import annotations

import re
import unicodedata

_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

# Invisible although their category says letter, mark, symbol or "not assigned".
_INVISIBLE_EXTRAS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u2800\u3164\ufdd0-\ufdef\ufe00-\ufe0f\uffa0\ufff0-\ufff8\ufffe\uffff\U000e0000-\U000e0fff]"
)

_NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}

_PICTURE = "[\u00a9\u00ae\u203c\u2049\u2100-\u27ff\u2900-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
_JOINING_LETTER = "[\u0620-\u065f\u066e-\u06d3\u06d5\u06fa-\u06ff\u0750-\u077f\u08a0-\u08c7\u0900-\u0dff]"
_IDEOGRAPH = "[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"

# Invisible characters that the writing around them needs.
_NEEDED = re.compile(
    rf"(?<={_PICTURE})\ufe0f"
    r"|(?<=[0-9#*])\ufe0f(?=\u20e3)"
    rf"|(?<=[{_PICTURE[1:-1]}\ufe0f])\u200d(?={_PICTURE})"
    rf"|(?<={_JOINING_LETTER})[\u200c\u200d](?={_JOINING_LETTER})"
    rf"|(?<={_IDEOGRAPH})[\ufe00-\ufe02\U000e0100-\U000e01ef]"
)


def is_invisible(char: str) -> bool:
    """Whether one character leaves no mark of its own on a page. Ordinary spaces of any width are not meant."""
    return unicodedata.category(char) in _INVISIBLE_CATEGORIES or _INVISIBLE_EXTRAS.match(char) is not None


def visible(text: str, *, limit: int = 200) -> str:
    """`text` with everything invisible written out, cut after `limit` characters of the original; a mark says how many are missing."""
    if len(text) <= limit and text.isascii() and text.isprintable():  # nearly all there is
        return text
    kept, missing = text[:limit], len(text) - limit
    shown = _written_out(kept)
    return f"{shown}… (+{missing} characters)" if missing > 0 else shown


def quoted(text: str, *, limit: int = 200) -> str:
    """`text` as `visible` shows it, between quotes that nothing in it can close, and taken apart where it would be drawn as more than text."""
    shown = visible(text, limit=limit)
    if not _TO_ESCAPE.search(shown):
        return f'"{shown}"'
    inert = _DRAWN.sub(r"\\\g<0>", shown)
    return f'"{_BEFORE_QUOTE.sub(_escaped_quote, inert)}"'


def word(text: str, *, limit: int = 200) -> str:
    """A name, an address or a moment as it is, where it cannot be mistaken for anything else; else `quoted`."""
    shown = visible(text, limit=limit)
    return shown if _PLAIN_WORD.fullmatch(shown) else quoted(text, limit=limit)


_TO_ESCAPE = re.compile(r'["\\<\]]')
_BEFORE_QUOTE = re.compile(r'(\\*)("|\Z)')

# `(` of [text](address), `[` of [text][name], `<` of a tag; not of <jo@example.com>, which is how people write addresses.
_DRAWN = re.compile(r"(?<=\])[(\[]|<(?=[A-Za-z/!?])(?![^\s<>\"]+@[^\s<>\"]+>)")

# Short, and without what parts or ends anything we say: quotes, commas, brackets, arrows; a colon only in a time, a dot only inside.
_PLAIN_WORD = re.compile(r"(?![-(])(?:[^\s\":;,<>\[\]{}|`\\.]|(?<=\S) (?=\S)|\.(?! )|(?<=\d):(?=\d)){1,40}")


def _escaped_quote(match: re.Match[str]) -> str:
    return match[1] * 2 + ('\\"' if match[2] else "")


def _written_out(text: str) -> str:
    if _is_plain(text):
        return text
    needed = {match.start() for match in _NEEDED.finditer(text)}
    return "".join(char if at in needed else _shown(char) for at, char in enumerate(text))


def _is_plain(text: str) -> bool:
    return text.isprintable() and _INVISIBLE_EXTRAS.search(text) is None


def _shown(char: str) -> str:
    if not is_invisible(char):
        return char
    return _NAMED.get(char) or f"\\u{{{ord(char):x}}}"
