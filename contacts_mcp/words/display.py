"""Text written by strangers, made safe to show: nothing in it can hide, move the cursor or run on.

- An invisible character is written out as `\\u{200b}`. `is_invisible` says which characters these are.
  Line breaks and tabs become `\\n`, `\\r`, `\\t`.
- The characters that writing needs stay: accents, every script, spaces of any width, and the joiners and selectors
  that `needed` finds.
- A long value is cut first and escaped afterwards, so the work is bounded by `limit`. A mark says how much is
  missing: `abc… (+997 characters)`.
- Showing a text twice changes nothing, unless it is cut a second time. A backslash stays a backslash: this is for
  reading, not for decoding.
- A text that stands among ours is `quoted`. A quote inside is written `\\"`, so the quote that ends the text is ours.
  A link, a picture or a tag gets a backslash, so an answer drawn as Markdown shows it as text.
  A `word` is quoted unless it is plainly one word or name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, NamedTuple

VALUE = 200  # characters of one of many values
MOST = 50  # items of one list or object
LABEL = 700  # of a field, tag or member: it is short and safe already, and must read back, so it is never cut here

_INVISIBLE_CATEGORIES = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

# Invisible characters whose category is letter, mark, symbol or "not assigned".
_INVISIBLE_EXTRAS = re.compile(
    "["
    # Default_Ignorable_Code_Point of Unicode, as far as the categories do not say it
    "\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2065\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff"
    # noncharacters: 32 in one block, and the last two of each of the 17 planes
    "\ufdd0-\ufdef" + "".join(f"{chr(plane + 0xFFFE)}{chr(plane + 0xFFFF)}" for plane in range(0, 0x110000, 0x10000)) +
    # blanks that are symbols or marks: Braille, the null notehead of music, the filler of Khitan
    "\u2800\U0001d159\U00016fe4"
    # format characters of Unicode 15, which Python 3.11 does not know yet
    "\U00013439-\U0001343f"
    "]"
)

_NAMED = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}

# Scripts in which a joiner changes the letters beside it: Arabic to Mandaic, India and its neighbours, Mongolian.
_JOINING_LETTER = (
    "[\u0620-\u065f\u066e-\u06d3\u06d5\u06fa-\u06ff\u0710-\u074f\u0750-\u077f\u07ca-\u07f5\u0840-\u085b\u0860-\u0887"
    "\u08a0-\u08c9\u0900-\u0dff\u1000-\u109f\u1780-\u17b3\u17b6-\u17d3\u1820-\u18aa\u1b00-\u1c4f\ua800-\ua82c"
    "\ua880-\ua8c5\ua980-\ua9fe\uaa60-\uaa7f\uabc0-\uabed\U00010d00-\U00010d23\U00011000-\U000110ba"
    "\U00011100-\U00011aff\U0001e900-\U0001e94b]"
)
_VIRAMA = "[\u094d\u09cd\u0a4d\u0acd\u0b4d\u0bcd\u0c4d\u0ccd\u0d4d\u0dca]"
_PICTURE = "[\u00a9\u00ae\u203c\u2049\u2100-\u27ff\u2900-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
_IDEOGRAPH = "[\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
_FLAGS = "|".join(
    "".join(chr(0xE0000 + ord(char)) for char in name) + "\U000e007f" for name in ("gbeng", "gbsct", "gbwls")
)


def is_invisible(char: str) -> bool:
    """Whether one character leaves no mark of its own on a page. Ordinary spaces of any width are not meant.

    These are controls, format characters, half characters, and separators of lines and paragraphs. Then there are the
    characters that Unicode ignores by default, the 66 noncharacters, and a few blanks among letters and symbols.
    """
    return unicodedata.category(char) in _INVISIBLE_CATEGORIES or _INVISIBLE_EXTRAS.match(char) is not None


def is_all_visible(text: str) -> bool:
    """Whether nothing in a text is invisible, and its only blanks are spaces. False may also be said of such a text."""
    return text.isprintable() and (text.isascii() or _INVISIBLE_EXTRAS.search(text) is None)


def needed(text: str) -> set[int]:
    """The positions of invisible characters that the writing around them needs.

    These are joiners between letters or emoji, selectors of the form of a letter or emoji, and the flags of England,
    Scotland and Wales.
    """
    return {at for match in _needed().finditer(text) for at in range(match.start(), match.end())}


@cache
def _needed() -> re.Pattern[str]:
    """Compiled on the first text that is not ASCII."""
    return re.compile(
        rf"(?<={_PICTURE})[\ufe0e\ufe0f]"  # an emoji, or a symbol drawn as text
        r"|(?<=[0-9#*])\ufe0f(?=\u20e3)"  # a keycap
        rf"|(?:(?<={_PICTURE})|(?<={_PICTURE}\ufe0f))\u200d(?={_PICTURE})"  # one emoji of several
        rf"|(?<=\U0001f3f4)(?:{_FLAGS})"  # England, Scotland, Wales
        rf"|(?<={_JOINING_LETTER})[\u200c\u200d](?={_JOINING_LETTER})"
        rf"|(?<={_VIRAMA})\u200d"  # a half letter, also at the end of a word
        r"|(?<=[\u1820-\u18aa])[\u180b-\u180f]"  # the form of a Mongolian letter
        rf"|(?<={_IDEOGRAPH})[\ufe00-\ufe02\U000e0100-\U000e01ef]"  # the form of an ideograph
        r"|[\u0600-\u0605\u06dd\u070f\u0890\u0891\u08e2\U000110bd\U000110cd](?=\d)"  # drawn around the digits behind
    )


def visible(text: str, *, limit: int = 200) -> str:
    """`text` with its invisible characters written out, cut after `limit`. A mark says how much is missing."""
    if len(text) <= limit and text.isascii() and text.isprintable():  # nearly all there is
        return text
    kept, missing = text[:limit], len(text) - limit
    shown = _written_out(kept)
    return f"{shown}… (+{missing} characters)" if missing > 0 else shown


def inert(text: str, *, limit: int = 200) -> str:
    """`text` as `visible` shows it, with nothing that Markdown would draw. It is for a line that stands alone."""
    return _DRAWN.sub(r"\\\g<0>", visible(text, limit=limit))


def shortened(sentence: str, *, limit: int) -> str:
    """A sentence of ours, cut after `limit`. A quotation that is cut gets its end."""
    shown, missing = visible(sentence[:limit], limit=limit), len(sentence) - limit
    if missing <= 0:
        return shown
    end = '"' if '"' in _QUOTATION.sub("", shown) else ""
    return f"{shown.rstrip(_BACKSLASH) if end else shown}{end}… (+{missing} characters)"


def quoted(text: str, *, limit: int = 200) -> str:
    """`text` as `visible` shows it, between quotes that it cannot close, with nothing that Markdown would draw."""
    shown = visible(text, limit=limit)
    if not _TO_ESCAPE.search(shown):
        return f'"{shown}"'
    return f'"{_BEFORE_QUOTE.sub(_escaped_quote, inert(shown, limit=len(shown)))}"'


def word(text: str, *, limit: int = 200) -> str:
    """`text` without quotes if it is plainly a name, an address or a moment. Any other text is `quoted`."""
    shown = visible(text, limit=limit)
    return shown if _PLAIN_WORD.fullmatch(shown) else quoted(text, limit=limit)


# Whole structures and lines of an answer, each in one go


class Cut(NamedTuple):
    """How much is shown: characters of a value, items of a list or object."""

    value: int = VALUE
    items: int = MOST


def safe(value: Any, cut: Cut = Cut()) -> Any:  # noqa: B008 -- a tuple
    """`value` with every text in it fit to be shown, and nothing in it longer than can be read."""
    if isinstance(value, str):
        return visible(value, limit=cut.value)
    if isinstance(value, dict):
        kept = {visible(str(key), limit=LABEL): safe(item, cut) for key, item in list(value.items())[: cut.items]}
        return kept | ({"…": f"(+{len(value) - cut.items} more)"} if len(value) > cut.items else {})
    if isinstance(value, list | tuple):
        kept_items = [safe(item, cut) for item in value[: cut.items]]
        return [*kept_items, f"… (+{len(value) - cut.items} more)"] if len(value) > cut.items else kept_items
    return value


def safe_rows(rows: Iterable[Mapping[str, Any]], cut: Cut) -> list[dict[str, Any]]:
    """`rows` with members of our own names and number, and every value in them `safe`."""
    return [{name: safe(value, cut) for name, value in row.items()} for row in rows]


def in_line(value: Any, *, limit: int = VALUE) -> str:
    """A value inside a line of ours: yes or no, a list of words, "(empty)", or a text in quotes."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list | tuple):
        return all_in_line(value)
    return quoted(str(value), limit=limit) if value != "" else "(empty)"


def all_in_line(items: Sequence[Any]) -> str:
    """Names inside a line of ours."""
    return ", ".join(_label(str(item)) for item in items[:MOST])


def lines_of(rows: Iterable[tuple[str, *tuple[Any, ...]]], cut: Cut) -> list[str]:
    """A line a row: its name, then its value, or the values before and after with an arrow between them."""
    lines = []
    for name, *values in rows:
        sides = " -> ".join(in_line(value, limit=cut.value) for value in values)
        lines.append(f"{_label(name)}: {sides}")
    return lines


@lru_cache(maxsize=512)
def _label(name: str) -> str:
    """A field or tag as a word. An account has few, and every answer names some."""
    return word(name, limit=LABEL)


_TO_ESCAPE = re.compile(r'["\\<\]]')
_BACKSLASH = "\\"
_QUOTATION = re.compile(r'"(?:[^"\\]|\\.)*"')
_BEFORE_QUOTE = re.compile(r'(\\*)("|\Z)')

# `(` of [text](address), `[` of [text][name], `<` of a tag. Not `<` of <jo@example.com>: people write addresses so.
_DRAWN = re.compile(r"(?<=\])[(\[]|<(?=[A-Za-z/!?])(?![^\s<>\"]+@[^\s<>\"]+>)")

# Short, and without the signs that part or end our sentences: quotes, commas, brackets, arrows.
# A colon only in a time, a dot only inside.
_PLAIN_WORD = re.compile(r"(?![-(])(?:[^\s\":;,<>\[\]{}|`\\.]|(?<=\S) (?=\S)|\.(?! )|(?<=\d):(?=\d)){1,40}")


def _escaped_quote(match: re.Match[str]) -> str:
    return match[1] * 2 + ('\\"' if match[2] else "")


def _written_out(text: str) -> str:
    if _is_plain(text):
        return text
    kept = needed(text)
    return "".join(char if at in kept else _shown(char) for at, char in enumerate(text))


def _is_plain(text: str) -> bool:
    return text.isprintable() and _INVISIBLE_EXTRAS.search(text) is None


def _shown(char: str) -> str:
    if not is_invisible(char):
        return char
    return _NAMED.get(char) or f"\\u{{{ord(char):x}}}"
