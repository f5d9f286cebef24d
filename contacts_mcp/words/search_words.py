"""Text -> the words that the search compares. The index and a query are folded here, by the same rules.

1. A word is a run of letters, digits and marks, without case, accents and invisible characters.
2. A piece is text without blanks. A piece of several words also has its joined form: "Min-jun" is min, jun, minjun.
   An apostrophe parts nothing: "O'Brien" is obrien, and also brien.
3. Letters that people write out have both spellings: "Müller" is muller and mueller.
4. Words of other scripts have their romanized form, too, and Korean family names the forms that their bearers use
   abroad: "박" is bag and park. The words of Chinese, Japanese and Korean have all pairs of neighbouring characters,
   because nobody writes blanks there. The pairs are for the index, never for a query.
5. Single letters of a name are words (initials). Single letters of a value are not: "C-123456" must not find "c reid".
6. `VERSION` changes with every rule here. An index of another version is rebuilt from its own rows.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator
from functools import lru_cache
from hashlib import blake2b
from itertools import chain
from typing import NamedTuple

from contacts_mcp.words.display import is_invisible
from contacts_mcp.words.folding import ACCENTS, UNDECOMPOSED, WRITTEN_OUT, caseless, is_significant
from contacts_mcp.words.titles import TITLES

VERSION = 3

LONGEST_TEXT = 1_000  # characters of a name or value that are read
LONGEST_WORD = 60
_LEAST_PART = 3  # digits of a piece that also stand alone: of "2026-05-11", 2026 and 20260511 are words
_MOST_ROMANIZED = 4  # syllables that also stand alone
_MOST_JOINED = 3  # words of a last name that are joined, too
_LONGEST_PARTICLE = 3  # letters of its first word, as in "de la Cruz", "van Dam"

_LETTERS = UNDECOMPOSED | str.maketrans({"ə": "e"})
_APOSTROPHES = "'`\u00b4\u2018\u2019\u02bc\u2032"
_ASCII_WORD = re.compile("[a-z0-9]+")
_GREEK_OU = re.compile("\u03bf[\u03c5\u03cd]")
_ARABIC_ARTICLE = re.compile("^\u0627\u0644(?=..)")
# Family names as they are written abroad, where that is not their romanization.
_KOREAN_NAMES = """
김 kim / 이 lee yi rhee / 박 park pak / 최 choi / 정 jung chung / 강 kang / 조 cho / 윤 yoon / 장 chang / 임 lim / 오 oh
서 suh / 신 shin / 권 kwon / 안 ahn / 류 yoo / 유 yoo / 전 jun / 고 ko / 문 moon / 손 sohn / 백 baek paik / 허 hur huh
노 noh roh / 곽 kwak / 성 sung / 우 woo / 구 koo / 주 joo / 심 shim / 석 seok suk
"""
_KOREAN = {name: spellings for name, *spellings in map(str.split, re.split(r"[/\n]", _KOREAN_NAMES.strip()))}
_IDEOGRAPH = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff]+")


class Piece(NamedTuple):
    """The words of text without blanks."""

    words: tuple[str, ...]  # as they stand there, in plain letters
    joined: str  # the words in one, "" for a single word
    spellings: tuple[str, ...]  # other forms of the words: written out, romanized
    inner: tuple[str, ...]  # parts that only the index has: ideographs in pairs, syllables, words behind an apostrophe


class NameWords(NamedTuple):
    """The words of a contact's name."""

    words: tuple[str, ...]
    forms: tuple[str, ...]  # everything else that the name may be found by
    own: tuple[str, ...]  # the words of first and last name
    shown: tuple[str, ...]  # the words of the display name


def pieces(text: str) -> list[Piece]:
    """The pieces of a text that hold a word."""
    shortened = text[:LONGEST_TEXT]
    if "&" in shortened:
        shortened = caseless(shortened)  # reads HTML entities
    return [piece for piece in map(_piece, shortened.split()) if piece.words]


def name_words(first: str, last: str, display_name: str) -> NameWords:
    """The words of a name. A display name adds its own. "de la Cruz" is delacruz, too."""
    if not display_name and _is_plain(first) and _is_plain(last):  # as most names are
        plain = first.lower()[:LONGEST_WORD], last.lower()[:LONGEST_WORD]
        return NameWords(tuple(dict.fromkeys(plain)), (), plain, ())
    return _words_of_name(first, last, display_name)


def _words_of_name(first: str, last: str, display_name: str) -> NameWords:
    """The same, for any name."""
    words: dict[str, None] = {}
    forms: dict[str, None] = {}
    parts = [pieces(part) for part in (first, last, display_name)]
    for piece in chain(*parts):
        words.update(dict.fromkeys(piece.words))
        forms.update(dict.fromkeys((piece.joined, *piece.spellings, *piece.inner)))
    forms.update(dict.fromkeys(_joined_surname(parts[1])))
    for given, family in ((parts[0], parts[1]), (parts[2][:1], parts[2][1:2])):
        if given and family and _IDEOGRAPH.match(family[0].words[0]):
            forms.update(dict.fromkeys(_joined_both_ways(_run(given), _run(family))))
    others = tuple(form for form in forms if form and form not in words)
    return NameWords(tuple(words), others, _words_of(parts[0] + parts[1]), _words_of(parts[2]))


def _is_plain(text: str) -> bool:
    return text.isascii() and text.isalnum()


def _words_of(part: list[Piece]) -> tuple[str, ...]:
    return tuple(word for piece in part for word in piece.words)


def _joined_surname(surname: list[Piece]) -> list[str]:
    words = _words_of(surname)
    has_particle = 1 < len(words) <= _MOST_JOINED and len(words[0]) <= _LONGEST_PARTICLE
    return ["".join(words)] if has_particle else []


@lru_cache(maxsize=10_000)
def value_words(text: str) -> tuple[str, ...]:
    """The words of a custom value, without single letters, and without the days and months of dates."""
    found: dict[str, None] = {}
    for piece in pieces(text):
        words = [word for word in piece.words if not (piece.joined and len(word) < _LEAST_PART and word.isdigit())]
        found.update(dict.fromkeys((*words, piece.joined, *piece.spellings, *piece.inner)))
    return tuple(word for word in found if len(word) > 1 or not word.isascii())


def email_words(address: str) -> tuple[str, ...]:
    """The words of an e-mail address without its last label, as "com". Single letters are left out."""
    local, _, domain = address.rpartition("@")
    text = f"{local} {domain.rpartition('.')[0]}"
    is_plain = text.isascii() and "&" not in text and len(text) <= LONGEST_TEXT  # as in most addresses
    found = _words_in(text.lower())[0] if is_plain else [word for piece in pieces(text) for word in piece.words]
    return tuple(dict.fromkeys(word for word in found if len(word) > 1 or not word.isascii()))


def email_key(address: str) -> str:
    """The text by which equal addresses are found, "" for none."""
    if address.isascii() and address.isprintable():
        return "".join(address.lower().split())
    return "".join(_visible(unicodedata.normalize("NFKC", address)).casefold().split())


def without_titles(words: Iterable[str]) -> list[str]:
    """The words without titles, or all of them if they are nothing else. "M." stays: it is an initial elsewhere."""
    given = list(words)
    return [word for word in given if word not in TITLES] or given


def name_key(words: Iterable[str]) -> int | None:
    """The number that names of the same words have, in any order, with letters written out or not. None for no word.

    Different names may share it by chance, or as "Mueler" and "Muler" do: it finds candidates, and proves nothing.
    """
    plain = sorted(map(_unwritten, without_titles(words)))
    if not plain:
        return None
    # Six bytes, which SQLite keeps as they are. Among a million names two share a number once in six hundred books.
    return int.from_bytes(
        blake2b(" ".join(plain).encode("utf-8", "replace"), digest_size=6).digest(), "big", signed=True
    )


def is_ideographic(word: str) -> bool:
    """Whether the word is of Chinese, Japanese or Korean characters alone."""
    return _IDEOGRAPH.fullmatch(word) is not None


def sound(word: str) -> str:
    """The consonants of a word by kind: "schmidt", "smith" -> "smt". Short words and other scripts have none.

    Arabic writes no short vowels, so three letters without one may stand for a long word: "hsn" for "hassan".
    """
    has_vowel = not _VOWELS.isdisjoint(word)
    if not word.isascii() or not word.isalpha() or len(word) < _LEAST_SOUND - (not has_vowel):
        return ""
    for pattern, letter in _SOUNDS:
        word = pattern.sub(letter, word)
    head, tail = word[0], word[1:].translate(_SILENT)
    key = re.sub(r"(.)\1+", r"\1", ("a" if head in "aeiouy" else head) + tail)
    return key if len(key) > 1 else ""


_LEAST_SOUND = 4
_VOWELS = frozenset("aeiouy")
_SILENT = str.maketrans("", "", "aeiouyhj")
_SOUNDS = tuple(
    (re.compile(pattern), letter)
    for pattern, letter in (
        (r"^(?:wr|rh)|rr", "r"), (r"^(?:kn|gn|pn)|nn", "n"), (r"tsch|tch|sch|sh|cz|sz|ch(?=[ei])", "s"),
        (r"ph|pf|ff|[vw]", "f"), (r"c(?=[eiy])|[zx]|ts|ss", "s"), (r"ght|dt|th|tt|dd|d", "t"),
        (r"ck|ch|kh|gh|q|c|g", "k"), (r"b", "p"), (r"^h(?=[aeiouy])", "h"), (r"m(?=b?$)b?", "m"),
    )
)  # fmt: skip


# One piece


@lru_cache(maxsize=40_000)
def _piece(text: str) -> Piece:
    spellings: tuple[str, ...] = ()
    if text.isascii():
        if text.isalnum():  # most pieces
            return Piece((text.lower()[:LONGEST_WORD],), "", (), ())
        plain = text.lower()
    else:
        composed = unicodedata.normalize("NFKC", _visible(text)).casefold()
        plain = _in_plain_letters(composed)
        spellings = tuple(_other_spellings(composed, plain))
    words, behind = _words_in(plain)
    inner = [*behind, *(part for word in words if not word.isascii() for part in (*_pairs(word), *_syllables(word)))]
    return Piece(tuple(words), "".join(words)[:LONGEST_WORD] if len(words) > 1 else "", spellings, tuple(inner))


def _words_in(plain: str) -> tuple[list[str], list[str]]:
    """The words of a piece, and the parts of words with an apostrophe."""
    if plain.isascii() and "'" not in plain and "`" not in plain:
        return [word[:LONGEST_WORD] for word in _ASCII_WORD.findall(plain)], []
    words, behind = [], []
    for segment in "".join(char if char in _APOSTROPHES or is_significant(char) else " " for char in plain).split():
        runs = list(filter(None, re.split(f"[{_APOSTROPHES}]+", segment)))
        words.append("".join(runs)[:LONGEST_WORD])
        behind += [run[:LONGEST_WORD] for run in runs[:-1] + runs[1:] if len(run) > 1]
    return list(filter(None, words)), behind


def _visible(text: str) -> str:
    return text if text.isascii() else "".join(char for char in text if char.isspace() or not is_invisible(char))


def _in_plain_letters(composed: str) -> str:
    decomposed = unicodedata.normalize("NFKD", composed).casefold()
    return unicodedata.normalize("NFC", ACCENTS.sub("", decomposed).translate(_LETTERS))


def _other_spellings(composed: str, plain: str) -> Iterator[str]:
    written_out = _in_plain_letters(composed.translate(WRITTEN_OUT))
    if written_out != plain:
        yield "".join(filter(is_significant, written_out))[:LONGEST_WORD]
    if not plain.isascii() and (latin := _romanized(composed)):
        yield latin
        yield from _KOREAN.get(composed, ())


def _romanized(text: str) -> str:
    """The word in Latin letters. The table of `anyascii` goes letter by letter, and these two go together."""
    together = _GREEK_OU.sub("ou", _ARABIC_ARTICLE.sub("al", text))
    return "".join(re.findall(r"[a-z0-9]+", _latin(together).lower()))[:LONGEST_WORD]


def _syllables(word: str) -> list[str]:
    """The romanized syllables of a few ideographs: "zhang", "wei"."""
    if not _IDEOGRAPH.search(word):
        return []
    found = re.findall(r"[A-Z][a-z]+", _latin(word))
    return [syllable.lower() for syllable in found] if 1 < len(found) <= _MOST_ROMANIZED else []


def _latin(text: str) -> str:
    from anyascii import anyascii  # only other scripts need it, and it takes 30 ms to load

    return anyascii(text)


def _pairs(word: str) -> Iterator[str]:
    """The neighbouring characters of an ideographic word of three or more."""
    for run in _IDEOGRAPH.findall(word):
        if len(run) > 2:  # noqa: PLR2004 -- a pair of two is the word itself
            yield from (run[at : at + 2] for at in range(len(run) - 1))


def _joined_both_ways(given: str, family: str) -> Iterator[str]:
    """The forms of a whole name without a blank, as Chinese, Japanese and Korean write it."""
    for joined in (family + given, given + family):
        yield joined
        yield _romanized(joined)
    yield from _pairs(family + given)


def _run(part: list[Piece]) -> str:
    return "".join(_words_of(part))[:LONGEST_WORD]


@lru_cache(maxsize=40_000)
def _unwritten(word: str) -> str:
    """The word with the second letter of ae, oe, ue and aa left out, whether it was written out or not."""
    return re.sub(r"(?<=[aou])e|(?<=a)a", "", word)
