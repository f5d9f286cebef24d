"""The vocabulary of headers: which field of a contact a column holds, by the words above it (`headers.toml`).

1. The whole header counts first, by its letters and digits ("First Name" is "firstname").
2. Then without its filler words and numbers ("Person - First name", "E-mail 1 - Value").
3. Then word by word. A header of nothing but known words is a phone, an e-mail or a consent. One unknown word and it
   is nothing of these: "Emergency phone" is somebody else's.
"""

from __future__ import annotations

import re
import tomllib
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from contacts_mcp.words.folding import fold, unaccented

KIND_ORDER = ("mobile", "main", "work", "home", "other", "never")
SHORTEST_PART = 2  # of a compound: "no" hides in every other word
LONGEST_HEADER = 200  # a longer one is a text, not a header


class Known(NamedTuple):
    """The meaning of a header."""

    target: str
    kind: str = ""


class _Vocabulary(NamedTuple):
    headers: dict[str, Known]
    words: dict[str, frozenset[str]]  # word -> its meanings
    compound: re.Pattern[str]  # a word made of known words: "mobilephone"


@cache
def _vocabulary() -> _Vocabulary:
    table = tomllib.loads((Path(__file__).parent / "headers.toml").read_text(encoding="utf-8"))
    headers: dict[str, Known] = {}
    for entry in table["header"]:
        for name in entry["names"]:
            headers.setdefault(fold(name), Known(entry["target"], entry.get("kind", "")))
    meanings: dict[str, set[str]] = {}
    for entry in table["word"]:
        for word in map(unaccented, entry["words"]):
            meanings.setdefault(word, set()).add(entry["means"])
    longest_first = sorted((word for word in meanings if len(word) > SHORTEST_PART), key=len, reverse=True)
    compound = re.compile("|".join(map(re.escape, longest_first)))
    return _Vocabulary(headers, {word: frozenset(kinds) for word, kinds in meanings.items()}, compound)


@lru_cache(maxsize=4096)
def known(header: str) -> Known | None:
    """The meaning of a header, None for one that nobody knows."""
    if not header.strip() or len(header) > LONGEST_HEADER:
        return None
    headers = _vocabulary().headers
    folded = fold(_without_count(header))
    if whole := headers.get(folded) or headers.get(folded.rstrip("0123456789")):
        return whole if "#" not in header or whole.target == "phone" else Known("id")
    words = words_of(header)
    return _named_within(words) or _composed(words) or _in_two_languages(header)


def kind_of_phone(label: str) -> str:
    """The kind of a phone by the label beside it, in any language. One that nobody knows is "other"."""
    for header in (f"phone {label}", label):
        if (found := known(header)) and found.target == "phone":
            return found.kind
    return "other"


_COUNT = re.compile(r"\s*\(\d+\)\s*$|[*:?]+\s*$")
_POSSESSIVE = re.compile(r"['\u2019]s\b")
_JOINED = (
    (r"\be mails?\b", "email"),
    (r"\be post\b", "epost"),
    (r"\bopt(ed)? ?out\b", "optout"),
    (r"\bopt(ed)? ?in\b", "optin"),
    (r"\b(do not|dont|don t|no|never) (send |contact by |contact via )?(text|sms|message)s?\b", "donottext"),
    (r"\bin box\b", "inbox"),
    (r"\bwhats app\b", "whatsapp"),
    (r"\bi phone\b", "iphone"),
)


def _without_count(header: str) -> str:
    return _COUNT.sub("", header)


@lru_cache(maxsize=4096)
def words_of(header: str) -> tuple[str, ...]:
    """The words of a header, plain and small: "MobilePhone_1" -> mobile, phone."""
    apart = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", _POSSESSIVE.sub("", header))
    plain = " ".join(re.findall(r"[^\W\d_]+|#", unaccented(apart)))
    for form, word in _JOINED:
        plain = re.sub(form, word, plain)
    return tuple(part for word in plain.split() for part in _parts(word))


def _parts(word: str) -> tuple[str, ...]:
    """A word made of known words in its parts, any other as it is."""
    vocabulary = _vocabulary()
    if word in vocabulary.words:
        return (word,)
    parts = vocabulary.compound.findall(word)
    return tuple(parts) if "".join(parts) == word else (word,)


def _in_two_languages(header: str) -> Known | None:
    """The meaning of a header that is written twice: "Nom / Name", "Prénom / First name"."""
    one, _, other = re.sub(r"\s*\n\s*", " / ", header.strip()).partition(" / ")
    first, second = (known(one), known(other)) if other else (None, None)
    if not first or not second or first.target not in _STRIPPED:
        return None
    return first if first.target == second.target or first.kind else None  # "Nom" says what "Name" means


_STRIPPED = frozenset(["first", "last", "middle", "prefix", "suffix", "full", "company", "tags"])


def _named_within(words: tuple[str, ...]) -> Known | None:
    """A header of the vocabulary behind words that say whose it is: "Contact first name". "Last contact" is none."""
    vocabulary = _vocabulary()
    for start in range(1, len(words)):
        if "whose" not in vocabulary.words.get(words[start - 1], ()):
            return None
        found = vocabulary.headers.get("".join(words[start:]))
        if found and found.target in _STRIPPED:
            return found._replace(kind="weak") if found.target == "full" else found
    return None


_ABOUT_ADDRESS = frozenset([*KIND_ORDER, "phone", "email", "label", "textable", "filler"])


def _composed(words: tuple[str, ...]) -> Known | None:
    """A phone, an e-mail, a consent or an id by its words."""
    meanings = [_vocabulary().words.get(word, frozenset()) for word in words]
    found = frozenset().union(*meanings)
    if consent := _consent(meanings, found):
        return consent
    address = None if any(each.isdisjoint(_ABOUT_ADDRESS) for each in meanings) else _address(found)
    if address is None and ("#" in words or (meanings and "id" in meanings[-1])):
        return Known("id")
    return address


def _address(found: frozenset[str]) -> Known | None:
    """A phone or an e-mail, or the label of one, by the meanings of its words."""
    if "email" in found and found.isdisjoint(("phone", "never")):
        return Known("other") if "label" in found else Known("email")
    if found.isdisjoint(("phone", "mobile", "never")):
        return None
    return Known("phone_label") if "label" in found else Known("phone", _kind(found))


def _kind(found: frozenset[str]) -> str:
    """Of several kinds the first: a fax at work is a fax, the mobile of work a mobile."""
    if "textable" in found and "never" not in found:
        return "mobile"
    return next((kind for kind in ("never", "mobile", "other", "work", "home") if kind in found), "main")


_ABOUT_CONSENT = frozenset(["out", "consent", "about_texts", "about_other", "around_consent"])
_ABOUT_MOMENT = _ABOUT_CONSENT | {"moment"}  # of an opt-out


def _consent(meanings: list[frozenset[str]], found: frozenset[str]) -> Known | None:
    """An opt-out of texts, or a consent. Every word must be about that: "Opt-out reason" is none.

    The moment of an opt-out ("Opted out at") is asked about, as a consent is: its texts say neither yes nor no.
    """
    allowed = _ABOUT_MOMENT if "out" in found else _ABOUT_CONSENT
    if found.isdisjoint(("out", "consent")) or any(each.isdisjoint(allowed) for each in meanings):
        return None
    if "about_other" in found and "about_texts" not in found:
        return Known("consent_other")
    if "about_texts" not in found:
        return Known("consent") if "out" in found else None
    return Known("consent" if "consent" in found or _has_moment(meanings) else "opt_out")


def _has_moment(meanings: list[frozenset[str]]) -> bool:
    return any("moment" in each and each.isdisjoint(_ABOUT_CONSENT) for each in meanings)
