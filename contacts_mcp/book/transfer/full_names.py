"""One full name -> first and last, only if that is certain. Otherwise the name is kept whole.

1. Certain are two words, "Last, First", and a particle (van, de la, bin) after the first word.
2. A title before the name and a suffix behind it are set aside. The whole is kept as the display name then.
3. Not certain are one word, three words, an organization, two people, digits, brackets, an address and a formula.
   Neither is a script that writes names without spaces, or with the family first.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from contacts_mcp.words.folding import unaccented

_TITLES = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "miss",
        "mx",
        "dr",
        "prof",
        "professor",
        "sir",
        "dame",
        "lord",
        "lady",
        "rev",
        "reverend",
        "fr",
        "father",
        "sister",
        "capt",
        "captain",
        "col",
        "lt",
        "sgt",
        "hon",
        "judge",
        "herr",
        "frau",
        "hr",
        "fr",
        "dipl-ing",
        "ing",
        "mag",
        "m",
        "mme",
        "mlle",
        "monsieur",
        "madame",
        "mademoiselle",
        "me",
        "maitre",
        "sr",
        "sra",
        "srta",
        "don",
        "dona",
        "senor",
        "senora",
        "senorita",
        "sig",
        "sigra",
        "sigra",
        "dott",
        "dottssa",
        "dhr",
        "mevr",
        "mevrouw",
        "mw",
        "pan",
        "pani",
        "sir",
        "madam",
        "messrs",
    ]
)
_SUFFIXES = frozenset(
    [
        "jr",
        "sr",
        "ii",
        "iii",
        "iv",
        "v",
        "esq",
        "phd",
        "md",
        "dds",
        "dvm",
        "mba",
        "cpa",
        "ma",
        "ba",
        "bsc",
        "msc",
        "rn",
        "do",
        "jd",
        "obe",
        "mbe",
        "junior",
        "senior",
    ]
)
_PARTICLES = frozenset(
    [
        "van",
        "von",
        "de",
        "der",
        "den",
        "del",
        "della",
        "delle",
        "degli",
        "di",
        "da",
        "das",
        "do",
        "dos",
        "du",
        "la",
        "le",
        "las",
        "los",
        "el",
        "al",
        "bin",
        "ibn",
        "bint",
        "ben",
        "ter",
        "ten",
        "te",
        "'t",
        "zu",
        "zum",
        "zur",
        "af",
        "av",
        "auf",
        "dem",
        "op",
        "y",
        "san",
    ]
)
_CERTAIN_CAPITALS = frozenset(["de", "del", "von", "della", "dos", "ibn", "bin"])  # "Van" may be a name: Nguyen Van An
_COUPLES = frozenset(["and", "und", "et", "y", "e", "og", "och", "en", "&", "+", "/", "i", "or", "oder"])
_ORGANIZATIONS = frozenset(
    [
        "inc",
        "llc",
        "llp",
        "ltd",
        "limited",
        "gmbh",
        "mbh",
        "ag",
        "kg",
        "ohg",
        "ug",
        "corp",
        "corporation",
        "co",
        "company",
        "sarl",
        "sas",
        "sa",
        "bv",
        "nv",
        "oy",
        "oyj",
        "ab",
        "as",
        "aps",
        "plc",
        "srl",
        "spa",
        "pty",
        "pvt",
        "sl",
        "lda",
        "eirl",
        "group",
        "holding",
        "holdings",
        "bakery",
        "shop",
        "store",
        "stores",
        "salon",
        "cafe",
        "coffee",
        "restaurant",
        "bar",
        "grill",
        "pizza",
        "pizzeria",
        "clinic",
        "dental",
        "dentist",
        "dentistry",
        "studio",
        "studios",
        "gym",
        "fitness",
        "hotel",
        "motel",
        "inn",
        "church",
        "school",
        "academy",
        "college",
        "university",
        "team",
        "club",
        "office",
        "center",
        "centre",
        "hotline",
        "services",
        "service",
        "solutions",
        "consulting",
        "associates",
        "partners",
        "foundation",
        "bank",
        "insurance",
        "agency",
        "realty",
        "properties",
        "construction",
        "plumbing",
        "electric",
        "motors",
        "auto",
        "garage",
        "market",
        "pharmacy",
        "hospital",
        "desk",
        "reception",
        "support",
        "sales",
        "info",
        "billing",
        "accounting",
        "admin",
        "dept",
        "department",
        "staff",
        "manager",
        "line",
        "phone",
        "mobile",
        "cell",
        "home",
        "work",
        "firma",
        "backerei",
        "praxis",
        "verein",
        "schule",
        "kanzlei",
        "societe",
        "ets",
        "etablissements",
        "stiftung",
        "apotheke",
        "werkstatt",
        "foods",
        "farm",
        "farms",
        "media",
        "labs",
        "systems",
        "technologies",
        "tech",
        "enterprises",
        "industries",
    ]
)
_NOT_OF_NAMES = re.compile(r"[\d@()\[\]{}<>=#*_\\|:;!?\"$%^~]|https?:|\bwww\.")
_FAMILY_FIRST = re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\uf900-\ufaff]")
_OF_OTHERS = _COUPLES | _ORGANIZATIONS
_TWO = 2
_MOST_WORDS_BESIDE_COMMA = 3


class FullName(NamedTuple):
    """The parts of a name. If it is not certain, both are empty. `is_whole` says that the parts leave something out."""

    first: str = ""
    last: str = ""
    is_whole: bool = True


def split_name(text: str) -> FullName:
    """The parts of a full name, as far as they are certain."""
    whole = " ".join(text.split())
    if _NOT_OF_NAMES.search(whole) or _FAMILY_FIRST.search(whole):
        return FullName()
    if "," in whole:
        return _by_comma(whole)
    words, had_more = _bare(whole.split(" "))
    if len(words) < _TWO or not _OF_OTHERS.isdisjoint(map(_plain, words)):
        return FullName()
    is_certain = _is_particled(words[1:]) if len(words) > _TWO else not _is_particle(words[0], is_first=True)
    return FullName(words[0], " ".join(words[1:]), had_more) if is_certain else FullName()


def is_title(text: str) -> bool:
    """Whether a text is a title of a person ("Ms.", "Prof. Dr."), not of a job ("Buyer")."""
    words = text.split()
    return bool(words) and all(_plain(word) in _TITLES for word in words)


def _by_comma(whole: str) -> FullName:
    last, _, behind = (part.strip() for part in whole.partition(","))
    first, had_title = _bare(behind.split())
    words = [*last.split(), *first]
    is_certain = (
        0 < len(last.split()) <= _MOST_WORDS_BESIDE_COMMA
        and 0 < len(first) <= _MOST_WORDS_BESIDE_COMMA
        and "," not in behind
        and (_OF_OTHERS | _SUFFIXES).isdisjoint(map(_plain, words))
    )
    return FullName(" ".join(first), last, had_title) if is_certain else FullName()


def _bare(words: list[str]) -> tuple[list[str], bool]:
    """The words without titles in front and suffixes behind, and whether there were any."""
    start, end = 0, len(words)
    while start < end and _plain(words[start]) in _TITLES:
        start += 1
    while end > start + _TWO and _plain(words[end - 1]) in _SUFFIXES:  # "Ben Do" is a name
        end -= 1
    return words[start:end], (start, end) != (0, len(words))


def _is_particled(rest: list[str]) -> bool:
    """Whether the words behind the first one are particles and then one or two names."""
    count = 0
    while count < len(rest) and _is_particle(rest[count], is_first=count == 0):
        count += 1
    return count > 0 and 1 <= len(rest) - count <= _TWO


def _is_particle(word: str, *, is_first: bool) -> bool:
    plain = _plain(word)
    if plain not in _PARTICLES:
        return False
    return word.islower() or plain in _CERTAIN_CAPITALS or not is_first


def _plain(word: str) -> str:
    return unaccented(word).strip(".,'\u2019").replace(".", "")
