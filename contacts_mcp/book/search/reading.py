"""The reading of a free text: a phone or a piece of one, an e-mail address or a piece of one, or words.

1. Only digits and the signs of phones is a phone. "ends in", "last four", `...`, `xxx-xxx-` and "area code" say which
   piece of it. Four digits alone are most likely the ending, three an area code. The words around it say nothing more:
   "the phone number", "who has a 212 number".
2. A word that holds `@`, or is a domain, is an e-mail. The words around it may only be those of a sentence.
3. All else is words, at most eight: of a long sentence those that tell something. Titles are dropped where other words
   remain, and a generation is none: "King Jr." is not King Sr. A phone among the words is one word. "Jordan's" is also
   Jordan.
4. A day or a month among the words is one word, in the form in which days are stored: "14 March 2027", "March 2027".
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from contacts_mcp.words import phone_text
from contacts_mcp.words.dates import days_of
from contacts_mcp.words.search_words import Piece, pieces
from contacts_mcp.words.titles import GENERATIONS, TITLES

MOST_WORDS = 8
LONGEST_QUERY = 500  # characters
LEAST_PHONE_PIECE = 3  # digits
LEAST_ENDING = 2  # digits; a single one tells nobody apart
_LONGEST_TRUNK = 8  # only longer numbers may have a trunk 0 in front: "0421" is an ending
_LONGEST_PHONE = 18
_NATIONAL = 10  # digits of a number in North America without its country

# Words of a sentence. They count where a contact has them, and are left out where none has.
_FILLERS = """
a address all an and any anybody anyone are at begin beginning begins book by call called cell contact contacts digits
do does email emails end ending ends everybody everyone find for from give has have how i in is list look mail many me
mobile my named need number numbers of office on or our people person phone phones please search show somebody someone
start starting starts tel telephone text that the there to up we what whats where which who whos whose with you
"""
FILLERS = frozenset(_FILLERS.split())
_NAMES_TOO = frozenset(("an", "do", "my", "you"))
_MEANS_ANYBODY = {
    "all",
    "any",
    "anybody",
    "anyone",
    "contacts",
    "everybody",
    "everyone",
    "people",
    "somebody",
    "someone",
}

PieceOf = Literal["any", "beginning", "ending", "inside"]

_SAY_A_PIECE = {"begin", "beginning", "begins", "end", "ending", "ends", "start", "starting", "starts"}
_ANY_FILLER = rf"(?:{'|'.join(sorted({*FILLERS, 'one'} - _SAY_A_PIECE))})\b"
_LEAD = re.compile(rf"(?:{_ANY_FILLER}[\s:]*)+", re.IGNORECASE)
_TRAIL = re.compile(rf"(?:[\s,]+{_ANY_FILLER})+$", re.IGNORECASE)
_MASK = r"(?:\+?1?[\s(]*(?:[x*#\u2022]{2,}+[\s().-]*+)+|\.\.\.?|\u2026|\*)"  # "(xxx) xxx-3344"
_SAYS_ENDING = re.compile(
    rf"(?:ends?(?:ing)?(?:\s+(?:in|with|on))?|last\s+(?:(?:\d|[a-z]+)[\s:]+)?(?:digits[\s:]+)?(?:are\s+|is\s+)?|"
    rf"{_MASK})[\s:\"'-]*(?=[\d(])",
    re.IGNORECASE,
)
_SAYS_BEGINNING = re.compile(
    r"(?:(?:begin|start)s?(?:ning|ing)?\s+(?:in|with)|area\s+code)[\s:\"']*(?=[\d(+])",
    re.IGNORECASE,
)
_AREA_CODE_BEHIND = re.compile(r"(?<=[\d)])\s+area\s+code$", re.IGNORECASE)
_TRUNK = re.compile(r"\(\s*0\s*\)")
_PHONE_SIGNS = re.compile(r"[\d\s()\-./+]*\d[\d\s()\-./+]*")
_PHONE_INSIDE = re.compile(r"(?<![\w@.])\(?\+?\d[\d().\-/ ]{5,}\d(?![\w@])")
_YEAR = re.compile(r"(?<!\d)(?:19|20|21)\d\d(?!\d)")
_MOST_OF_DATE = 4  # words, as in "14th of March 2027"
_POSSESSIVE = re.compile(r"\w\w['\u2019]s\W*$", re.IGNORECASE)
_EMAIL = re.compile(r"[^\s@]*@[^\s@]*")
_LAST_LABELS = frozenset(
    ("biz", "ca", "com", "de", "edu", "es", "fr", "gov", "info", "io", "it", "net", "nl", "org", "uk")
)
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
    parts: tuple[str, ...] = ()  # of a word with a hyphen, or of a date
    date: Literal["", "day", "month", "part"] = ""

    @property
    def plain(self) -> str:
        return self.forms[0]

    @property
    def spellings(self) -> tuple[str, ...]:
        """The word as it stands, and in Latin letters where it is of another script."""
        return (self.plain, *(form for form in self.forms[1:] if form.isascii() and not self.plain.isascii()))

    @property
    def is_initial(self) -> bool:
        return len(self.plain) == 1 and self.plain.isascii() and self.plain.isalpha()

    @property
    def is_digits(self) -> bool:
        are_digits = self.plain.isascii() and self.plain.isdigit()
        return are_digits and len(self.plain) >= LEAST_PHONE_PIECE and not self.date


@dataclass(frozen=True, slots=True)
class Words:
    """The words of a query."""

    words: tuple[Asked, ...]  # without titles
    said: frozenset[str] = frozenset()  # all of them
    unread: tuple[str, ...] = ()  # words beyond the most that are looked for

    @property
    def mean_anybody(self) -> bool:
        """Whether the words ask for everybody: "all contacts", "how many people"."""
        plain = {each.plain for each in self.words}
        return plain <= FILLERS and not plain.isdisjoint(_MEANS_ANYBODY)


Reading = Phone | Email | Words


def is_filler(asked: Asked, words: Sequence[Asked], fillers: Collection[str]) -> bool:
    """Whether a word says nothing beside the others. "You Chen" is a name, and "do you have Chen" is a sentence."""
    is_of_a_name = asked.plain in _NAMES_TOO and all(each.said[:1].isupper() for each in words)
    return asked.plain in fillers and not is_of_a_name


def read(query: str) -> Reading:
    """The reading of a query. It never fails: text without any letter or digit is no words."""
    text = query[:LONGEST_QUERY].encode("utf-8", "replace").decode("utf-8").strip()  # no half characters
    return _phone(text) or _email(text) or words_of(text)


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


def without_trunk(phone: Phone) -> Phone | None:
    """The digits that other countries have, too, of a whole number as it is dialled in its own. None for others."""
    digits = phone.digits
    if phone.piece != "any" or phone.has_plus or not digits.startswith("0"):
        return None
    if digits.startswith("00") and len(digits) > LEAST_PHONE_PIECE + len("00"):
        return Phone(digits[2:], "beginning", has_plus=True)
    return Phone(digits[1:], "ending") if len(digits) > _LONGEST_TRUNK else None


def _phone(text: str) -> Phone | None:
    plain = (phone_text.fold(text) if not text.isascii() else text).rstrip(" ?!\"'")
    plain = _TRAIL.sub("", plain[lead.end() :] if (lead := _LEAD.match(plain)) else plain)
    piece: PieceOf = "any"
    if says := _SAYS_ENDING.match(plain):
        plain, piece = plain[says.end() :], "ending"
    elif says := _SAYS_BEGINNING.match(plain):
        plain, piece = plain[says.end() :], "beginning"
    elif says := _AREA_CODE_BEHIND.search(plain):
        plain, piece = plain[: says.start()], "beginning"
    elif plain.endswith(("*", "...", "\u2026")):
        plain, piece = plain.rstrip("*.\u2026"), "beginning"
    if not _PHONE_SIGNS.fullmatch(plain):
        return None
    digits = _digits_of(plain)
    has_plus = plain.lstrip(" (").startswith("+")
    least = LEAST_PHONE_PIECE if piece == "any" and not has_plus else 1
    return Phone(digits, piece, has_plus) if least <= len(digits) <= _LONGEST_PHONE else None


def _digits_of(phone: str) -> str:
    """The digits of a written phone. A 0 in brackets belongs to a number as it is dialled at home."""
    bare = re.sub(r"\D", "", _TRUNK.sub("", phone))
    is_whole_at_home = not phone.lstrip(" (").startswith(("+", "00")) and len(bare) >= _LONGEST_TRUNK
    return re.sub(r"\D", "", phone) if is_whole_at_home else bare


def _email(text: str) -> Email | None:
    telling = [each for each in text.split() if re.sub(r"\W", "", each).casefold() not in FILLERS]
    bare = (telling[0] if len(telling) == 1 else text).strip("<>,;:\"'?!")
    return Email(bare) if (_EMAIL.fullmatch(bare) and len(bare) > 1) or _DOMAIN.fullmatch(bare) else None


def words_of(text: str) -> Words:
    """The reading of a text as words, whatever else it may be."""
    found: list[Asked] = []
    for part in _with_dates_apart(text):
        if isinstance(part, Asked):
            found.append(part)
        else:
            found += [_asked(said, piece) for said in _with_phones_joined(part).split() for piece in pieces(said)]
    named = [each for at, each in enumerate(found) if not _is_title(each, at)] or found
    words, unread = _most_telling([*{word.plain: word for word in named}.values()])
    return Words(words, frozenset(part for word in found for part in word.parts or word.forms[:1]), unread)


def _most_telling(words: Sequence[Asked]) -> tuple[tuple[Asked, ...], tuple[str, ...]]:
    """At most as many words as are looked for, and the others, as they were said. Fillers go first."""
    if len(words) > MOST_WORDS:
        words = [each for each in words if each.plain not in FILLERS] or words
    return tuple(words[:MOST_WORDS]), tuple(each.said for each in words[MOST_WORDS:])


def _with_dates_apart(text: str) -> Iterator[str | Asked]:
    """The text in parts, of which a day or a month is one."""
    given = text.rstrip(" ?!").split()
    start = 0
    at = 0 if _YEAR.search(text) else len(given)
    while at < len(given):
        for end in range(min(at + _MOST_OF_DATE, len(given)), at, -1):
            if date := _date(" ".join(given[at:end])):
                yield " ".join(given[start:at])
                yield date
                start = at = end
                break
        else:
            at += 1
    yield " ".join(given[start:])


def _date(said: str) -> Asked | None:
    if said.isdigit():
        return None
    days = days_of(said)
    forms = tuple(day.replace("-", "") for day in days)
    parts = tuple(word for piece in pieces(said) for word in piece.words)
    return Asked(said, forms, parts, "month" if days[0].count("-") == 1 else "day") if forms else None


def _asked(said: str, piece: Piece) -> Asked:
    forms = [piece.joined or piece.words[0], *piece.spellings]
    if _POSSESSIVE.search(said):
        forms += [form[:-1] for form in forms]
    return Asked(said, tuple(dict.fromkeys(forms)), _parts_of(said, piece) if piece.joined else ())


def _parts_of(said: str, piece: Piece) -> tuple[str, ...]:
    """The words of a piece. The last label of a domain is none, as in the index."""
    is_domain = _DOMAIN.fullmatch(said.rpartition("@")[2].strip("<>,;:?!")) and piece.words[-1] in _LAST_LABELS
    return piece.words[:-1] if is_domain else piece.words


def _is_title(asked: Asked, at: int) -> bool:
    return asked.plain in TITLES and not (at and asked.plain in GENERATIONS)


def _with_phones_joined(text: str) -> str:
    """The text with every phone in it as one run of digits, without what is dialled before a number abroad."""

    def joined(phone: re.Match[str]) -> str:
        digits = _digits_of(phone[0])
        is_written_as_phone = not phone[0].isdigit() and len(digits) > _LONGEST_TRUNK
        return digits.lstrip("0") if is_written_as_phone else digits

    return _PHONE_INSIDE.sub(joined, text)
