"""The one way to compare text: three levels, each forgiving everything that the level before forgives.

| level | forgives | compares |
|---|---|---|
| `caseless` | case, the kind and number of spaces, invisible characters, HTML entities (`R&amp;D`) | names, strictly |
| `unaccented` | accents, strokes, ligatures, width and other forms of a letter | values, where "A+" is not "A-" |
| `fold` | punctuation and spaces | names as people say them |

Applying a level twice changes nothing. `snake` compares identifiers of programs, which are ASCII.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from html import unescape

from contacts_mcp.words.display import is_all_visible, is_invisible

# Letters that Unicode does not take apart although people type them as plain letters.
UNDECOMPOSED = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "ħ": "h", "ŧ": "t", "\u0131": "i", "æ": "ae", "œ": "oe", "þ": "th"}
)
# Letters that people also write out, in the way of German and of the Nordic languages.
WRITTEN_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})

# Accents of Latin, Greek and Cyrillic, points of Hebrew, short vowels of Arabic. People leave them out.
# The vowel signs of other scripts are not here: they spell words.
ACCENTS = re.compile("[\u0300-\u036f\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670]")

# A service that escapes text twice sends `&amp;amp;`.
_NUMBERED = "|".join(f"#0*{ord(char)}|#x0*{ord(char):x}" for char in "&<>\"'\xa0")
_ENTITY = re.compile(rf"&(?:(?:amp|#0*38|#x0*26);)*((?:amp|lt|gt|quot|apos|nbsp|{_NUMBERED});)")


def caseless(text: str) -> str:
    """The text in one case, with single spaces between words, none around them, and nothing invisible."""
    if not is_all_visible(text):
        text = "".join(char for char in text if char.isspace() or not is_invisible(char))
    lower = text.casefold()
    if "&" in lower:
        lower = _ENTITY.sub(lambda entity: unescape(f"&{entity[1]}"), lower)
    return " ".join(lower.split())


def unaccented(text: str) -> str:
    """The `caseless` text in plain letters: "Été" -> "ete", "Łódź" -> "lodz"."""
    if text.isascii():
        return caseless(text)
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold()).translate(UNDECOMPOSED)
    return caseless(ACCENTS.sub("", plain))


def fold(name: str) -> str:
    """The letters and digits of the `unaccented` text: "Renewal-DATE" -> "renewaldate".

    A name of nothing but symbols ("#", "%") keeps them, so that it stays distinct.
    """
    plain = unaccented(name)
    return "".join(filter(is_significant, plain)) or plain


def foldings(name: str) -> tuple[str, ...]:
    """The folded text, and where it differs with the letters that people write out: "Müller" -> "muller", "mueller"."""
    plain = fold(name)
    written_out = (
        plain if name.isascii() else fold(unicodedata.normalize("NFC", name).casefold().translate(WRITTEN_OUT))
    )
    return (plain,) if written_out == plain else (plain, written_out)


def snake(name: str) -> str:
    """An identifier in the way of Python: "renewalDate", "renewal-date" -> "renewal_date". Reads 100 characters."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|[-\s.]+", "_", name[:100]).lower()


@lru_cache(maxsize=4096)
def is_significant(char: str) -> bool:
    """Letters, digits, and marks: the accents are gone by now, and the marks that are left spell words."""
    return unicodedata.category(char)[0] in "LNM" and not is_invisible(char)
