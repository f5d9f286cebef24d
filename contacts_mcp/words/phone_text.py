"""The text of one phone, before the numbering library sees it: folded to ASCII, or refused as something else.

1. Folding comes first: the digits of every script, full-width forms, every dash and space, invisible characters.
2. A scheme in front (`tel:`, `whatsapp:`), and a full stop or comma behind are dropped. So is the writing of a
   spreadsheet: `'5105553344`, `="5105553344"`, `.0` behind the digits, commas between thousands. `6.145550123E9` is
   read, with every digit there. `6.14555E+09` has lost its last digits and is refused.
3. Then only the characters of one phone may be left: digits, one leading plus, ( ) - . / and spaces.
   The library would find a number inside prose, and turn a letter O into another number.
4. A word at the end is keypad digits if it has three letters in a row and three digits before it ("1-800-FLOWERS").
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import NamedTuple

from contacts_mcp.words.display import is_invisible

LONGEST_TEXT = 64  # visible characters; nobody writes one phone longer
LONGEST_RAW = 4 * LONGEST_TEXT  # with room for marks that nobody sees
_LEAST_DIGITS_BEFORE_A_WORD = 3


class Unreadable(Exception):
    """A text is no phone. `parse_phone` adds the text itself, and an example where `expected` is empty."""

    def __init__(self, reason: str, problem: str, *, expected: str = "") -> None:
        self.reason = reason
        self.problem = problem
        self.expected = expected
        super().__init__(reason)


class Written(NamedTuple):
    """A folded text in capitals that has the shape of one phone."""

    text: str
    has_decimals: bool = False  # a spreadsheet's decimals, or its commas between thousands, were dropped

    @property
    def is_spelled(self) -> bool:
        return re.search("[A-Z]", self.text) is not None

    @property
    def spelled(self) -> re.Match[str] | None:
        """The `digits` and the `word` of a spelled number."""
        return _WORD.match(self.text)

    @property
    def dialled(self) -> str:
        """The text with keypad digits for letters."""
        return self.text.translate(_KEYPAD)


def read_text(text: str) -> Written:
    """The folded text of one phone. Raises Unreadable for everything that is not the shape of one."""
    folded = fold(text[:LONGEST_RAW]).strip()
    if len(text) > LONGEST_RAW or len(folded) > LONGEST_TEXT:
        problem = f"is {len(text)} characters long; a phone number is shorter than {LONGEST_TEXT}."
        raise Unreadable("text_too_long", problem)
    bare = _SCHEME.sub("", _as_typed(folded)).rstrip(" .,")
    whole = without_decimals(bare)
    for applies, reason, problem in _REFUSALS:
        if applies(whole):
            raise Unreadable(reason, problem)
    return Written(whole, has_decimals=whole != bare)


_SCHEME = re.compile(r"^(?:TEL|SMS|MMS|SMSTO|CALLTO|WHATSAPP|SIGNAL|VIBER):(?://)?\s*")
_SPREADSHEET_TEXT = re.compile(r"=\s*\"(.+)\"|['\u2019](\+?\d[^'\u2019]*)")


def _as_typed(folded: str) -> str:
    """The text without the signs that keep a spreadsheet from making a number of it."""
    match = _SPREADSHEET_TEXT.fullmatch(folded)
    return (match[1] or match[2]).strip() if match else folded


# Folding

_FULL_WIDTH_OFFSET = 0xFEE0
_SAME_AS = {
    # minus signs, hyphen bullet, Japanese long marks, box lines
    **dict.fromkeys("\u2212\u02d7\u2043\u30fc\uff70\u2500\u2501", "-"),
    # dots in the middle, ideographic full stops
    **dict.fromkeys("\u00b7\u2022\u2027\u2219\u22c5\u30fb\uff65\u3002\uff61", "."),
    **dict.fromkeys("\t\n\v\f\r\x85\u2028\u2029", " "),
    "\u2044": "/",
    "\u2215": "/",
    "\u3001": ",",
    "\u066b": ".",  # the decimal mark of Arabic
    "\u20e3": "",  # the box around a keycap digit
}


def fold(text: str) -> str:
    """The text with every digit, dash and space in ASCII, nothing invisible, and its ASCII letters in capitals."""
    ascii_text = "".join(map(_fold_char, text))
    # str.upper would make ASCII of other letters: \u00df -> SS
    return re.sub("[a-z]+", lambda letters: letters[0].upper(), ascii_text)


@lru_cache(maxsize=1024)
def _fold_char(char: str) -> str:
    """One character in ASCII. It is "" if nobody sees it, and stays as it is if it is no part of a phone."""
    if char in _SAME_AS:
        return _SAME_AS[char]
    if "\uff01" <= char <= "\uff5e":
        return chr(ord(char) - _FULL_WIDTH_OFFSET)
    category = unicodedata.category(char)
    if category == "Nd":
        return str(unicodedata.digit(char))
    by_category = {"Pd": "-", "Zs": " "}
    return by_category.get(category) or ("" if is_invisible(char) and category not in {"Cc", "Cs"} else char)


# The numbers of spreadsheets

_DECIMALS = re.compile(r"(\+?\d+)[.,]0+|(.*\d{3})\.0")
_GROUPED = re.compile(r"(\+?\d{1,3}(?:,\d{3}){2,})(?:\.0+)?|(\+?\d{1,3}(?:\.\d{3}){2,}),0+")
_SCIENTIFIC = re.compile(r"(\+?\d+)(?:[.,](\d+))?E\+?(\d{1,3})")


def without_decimals(folded: str) -> str:
    """The digits of a number that a spreadsheet wrote, any other text as it is. Raises Unreadable for a rounded one."""
    if grouped := _GROUPED.fullmatch(folded):
        return re.sub("[,.]", "", grouped[1] or grouped[2])
    if decimals := _DECIMALS.fullmatch(folded):
        return decimals[1] or decimals[2]
    scientific = _SCIENTIFIC.fullmatch(folded)
    if not scientific:
        return folded
    whole, fraction, exponent = scientific[1], scientific[2] or "", int(scientific[3])
    if len(fraction) < exponent or fraction[exponent:].strip("0"):
        raise Unreadable(
            "digits_lost",
            "is a number that a spreadsheet rounded; its last digits are lost.",
            expected="Get the number as text, with all of its digits.",
        )
    return whole + fraction[:exponent]


# Texts that are no phone

_SEVERAL = re.compile(r"[/,;|&]|\b(?:OR|AND)\b|(?=\+)")
_EXTENSION = re.compile(r"(?:(?<=[\d)\s.,;])(?:X|EXT|EXTN|EXTENSION)[.:]?\s*\d+|#\s*\d+|[,;]+\s*\d+|;EXT=.*)$")
_WORD = re.compile(r"^(?P<digits>[^A-Z]*\d[^A-Z]*)(?P<word>[A-Z][A-Z\d .\-]*)$")
_LOOKALIKES = frozenset("OIL")
_KEYPAD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "22233344455566677778889999")


def _is_empty(written: str) -> bool:
    return not re.search(r"[^\s()\-./+]", written)


def _is_email(written: str) -> bool:
    return "@" in written


def _is_several(written: str) -> bool:
    """Two full numbers, or the `78/79` behind a German one."""
    return sum(map(_is_full, _SEVERAL.split(written))) > 1 or re.search(r"\d{2}/\s*\d{1,2}$", written) is not None


def _is_full(part: str) -> bool:
    """Digits enough for a number by itself: `+49 34609` in front of a slash is a country and an area."""
    part = part.strip(" (")
    return len(re.findall(r"\d", part)) >= (9 if part.startswith(("+", "00")) else 7)


def _has_extension(written: str) -> bool:
    return _EXTENSION.search(written) is not None


def _has_misplaced_plus(written: str) -> bool:
    return re.search(r"\+", re.sub(r"^\(?\s*\+", "", written)) is not None


def _has_stray_letters(written: str) -> bool:
    return any(char.isalpha() for char in written) and not _is_spelled(written)


def _is_spelled(written: str) -> bool:
    """`1-800-FLOWERS`: three digits or more, then a word with three letters in a row that are not all like digits."""
    match = _WORD.match(written)
    if match is None or not re.search("[A-Z]{3}", match["word"]):
        return False
    digits, letters = re.findall(r"\d", match["digits"]), re.findall("[A-Z]", match["word"])
    return len(digits) >= _LEAST_DIGITS_BEFORE_A_WORD and not _LOOKALIKES.issuperset(letters)


def _has_a_word(written: str) -> bool:
    return re.search(r"[^\W\d_]{4}", written) is not None and not _is_spelled(written)


def _has_other_characters(written: str) -> bool:
    return re.search(r"[^\dA-Z ()\-./+]", written) is not None


_REFUSALS = [
    (_is_empty, "empty", "holds no phone number."),
    (_is_email, "email", "is an e-mail address, not a phone number."),
    (_is_several, "several", "holds more than one phone number; write one."),
    (
        _has_extension,
        "extension",
        "has an extension, which cannot be texted; write the number without it, if it can be texted itself.",
    ),
    (_has_misplaced_plus, "plus", "has a plus that is not at its beginning."),
    (_has_a_word, "letters", "has words in it; write the digits alone, and for a country its plus and code in front."),
    (_has_stray_letters, "letters", "has letters in it; write the digits alone (0 and 1, not the letters O, I or L)."),
    (_has_other_characters, "characters", "has characters that are no part of a phone number."),
]
