"""The reading of a free text: a phone or a piece of one, an e-mail address or a piece of one, or words.

1. Only digits and the signs of phones is a phone. "ends in", "last four", `...` and `*` say which piece of it.
   Four digits alone are most likely the ending, three an area code. The words in front of it say nothing more: "the
   phone number", "who has".
2. Text without blanks that holds `@`, or is a domain, is an e-mail.
3. All else is words, at most eight. Titles are dropped where other words remain, and a generation is none: "King Jr."
   is not King Sr. A phone among the words is one word. "Jordan's" is also Jordan.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from contacts_mcp.words import phone_text
from contacts_mcp.words.search_words import Piece, pieces
from contacts_mcp.words.titles import GENERATIONS, TITLES

MOST_WORDS = 8
LONGEST_QUERY = 500  # characters
LEAST_PHONE_PIECE = 3  # digits
_LEAST_SAID = 2  # digits of an ending, where somebody said that it is one
_LONGEST_TRUNK = 8  # only longer numbers may have a trunk 0 in front: "0421" is an ending
_LONGEST_PHONE = 18
_NATIONAL = 10  # digits of a number in North America without its country

# Words of a sentence. They count where a contact has them, and are left out where none has.
_FILLERS = """
a all an and any anybody are at by called cell contact contacts digits end ending ends everybody everyone find for from
has have how in is list many me mobile my named number of on our people person phone show somebody someone tel telephone
that the to who whose with
"""
FILLERS = frozenset(_FILLERS.split())
_MEANS_ANYBODY = {"all", "any", "anybody", "contacts", "everybody", "everyone", "people", "somebody", "someone"}

PieceOf = Literal["any", "beginning", "ending", "inside"]

_LEAD = re.compile(
    rf"(?:(?:{'|'.join(sorted({*FILLERS, 'one'} - {'end', 'ending', 'ends'}))})\b[\s:]*)+", re.IGNORECASE
)
_SAYS_ENDING = re.compile(
    r"(?:ends?(?:ing)?(?:\s+(?:in|with|on))?|last\s+(?:\w+\s+)?(?:digits\s+)?(?:are\s+|is\s+)?|"
    r"\.\.\.?|\u2026|\*+|x{2,})[\s:\"']*(?=[\d(])",
    re.IGNORECASE,
)
_SAYS_BEGINNING = re.compile(
    r"(?:(?:begin|start)s?(?:ning|ing)?\s+(?:in|with)|area\s+code)[\s:\"']*(?=[\d(+])",
    re.IGNORECASE,
)
_PHONE_SIGNS = re.compile(r"[\d\s()\-./+]*\d[\d\s()\-./+]*")
_PHONE_INSIDE = re.compile(r"(?<![\w@.])\(?\+?\d[\d().\-/ ]{5,}\d(?![\w@])")
_POSSESSIVE = re.compile(r"\w\w['\u2019]s\W*$", re.IGNORECASE)
_EMAIL = re.compile(r"[^\s@]*@[^\s@]*")
_DOMAIN = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Phone:
    """A phone, or a piece of one."""

    digits: str
    piece: PieceOf = "any"
    has_plus: bool = False


@dataclass(frozen=True, slots=True)
class Email:
    """An address, or a piece of one. Without "@" it is a domain."""

    text: str


@dataclass(frozen=True, slots=True)
class Asked:
    """One word that was said."""

    said: str
    forms: tuple[str, ...]  # the words of the index that are this one; the first is the plain spelling
    parts: tuple[str, ...] = ()  # of a word with a hyphen

    @property
    def plain(self) -> str:
        return self.forms[0]

    @property
    def is_initial(self) -> bool:
        return len(self.plain) == 1 and self.plain.isascii() and self.plain.isalpha()

    @property
    def is_digits(self) -> bool:
        return self.plain.isascii() and self.plain.isdigit() and len(self.plain) >= LEAST_PHONE_PIECE


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a query."""

    words: tuple[Asked, ...]  # without titles
    said: frozenset[str] = frozenset()  # all of them

    @property
    def mean_anybody(self) -> bool:
        """Whether the words ask for everybody: "all contacts", "how many people"."""
        plain = {each.plain for each in self.words}
        return plain <= FILLERS and not plain.isdisjoint(_MEANS_ANYBODY)


Reading = Phone | Email | Words


def read(query: str) -> Reading:
    """The reading of a query. It never fails: text without any letter or digit is no words."""
    text = query[:LONGEST_QUERY].encode("utf-8", "replace").decode("utf-8").strip()  # no half characters
    return _phone(text) or _email(text) or _words(text)


def numbers_meant(phone: Phone, country: str) -> list[str]:
    """The full numbers that digits may be, with `country` as the calling code at home."""
    digits = phone.digits
    found = [digits]
    if not phone.has_plus:
        bare = digits.removeprefix("00")
        if len(digits) > _LONGEST_TRUNK:
            found += [bare] if bare != digits else [country + digits.removeprefix("0")]
        if len(digits) == _NATIONAL:
            found.append(country + digits)
    return list(dict.fromkeys(found))


def _phone(text: str) -> Phone | None:
    plain = (phone_text.fold(text) if not text.isascii() else text).rstrip(" ?!\"'")
    if lead := _LEAD.match(plain):
        plain = plain[lead.end() :]
    piece: PieceOf = "any"
    if says := _SAYS_ENDING.match(plain):
        plain, piece = plain[says.end() :], "ending"
    elif says := _SAYS_BEGINNING.match(plain):
        plain, piece = plain[says.end() :], "beginning"
    elif plain.endswith(("*", "...", "\u2026")):
        plain, piece = plain.rstrip("*.\u2026"), "beginning"
    if not _PHONE_SIGNS.fullmatch(plain):
        return None
    digits = re.sub(r"\D", "", plain)
    has_plus = plain.lstrip(" (").startswith("+")
    least = 1 if has_plus else LEAST_PHONE_PIECE if piece == "any" else _LEAST_SAID
    return Phone(digits, piece, has_plus) if least <= len(digits) <= _LONGEST_PHONE else None


def _email(text: str) -> Email | None:
    bare = text.strip("<>,;:\"'")
    return Email(bare) if (_EMAIL.fullmatch(bare) and len(bare) > 1) or _DOMAIN.fullmatch(bare) else None


def _words(text: str) -> Words:
    found: list[Asked] = []
    for said in _with_phones_joined(text).split():
        found += [_asked(said, piece) for piece in pieces(said)]
    named = [each for at, each in enumerate(found) if not _is_title(each, at)] or found
    words = tuple({word.plain: word for word in named}.values())[:MOST_WORDS]
    return Words(words, frozenset(part for word in found for part in word.parts or word.forms[:1]))


def _asked(said: str, piece: Piece) -> Asked:
    forms = [piece.joined or piece.words[0], *piece.spellings]
    if _POSSESSIVE.search(said):
        forms += [form[:-1] for form in forms]
    return Asked(said, tuple(dict.fromkeys(forms)), piece.words if piece.joined else ())


def _is_title(asked: Asked, at: int) -> bool:
    return asked.plain in TITLES and not (at and asked.plain in GENERATIONS)


def _with_phones_joined(text: str) -> str:
    """The text with every phone in it as one run of digits."""
    return _PHONE_INSIDE.sub(lambda phone: re.sub(r"\D", "", phone[0]), text)
