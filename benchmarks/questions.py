"""Questions to the book of `book.py`, with their answers.

A question is made from one contact. Every contact that fits it as well counts as an answer. Those are the contacts of
the same name, or for a part of a name everybody who has that part. A misspelled name that is the exact name of three
others is no question.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from book import CITY, NICKNAMES, NUMBER, PLAN, Person, plain, romanized

from contacts_mcp.state.row import Row

Accepts = Callable[[Row], bool]

_BESIDE = {
    "a": "s",
    "s": "a",
    "d": "f",
    "e": "r",
    "r": "t",
    "t": "y",
    "i": "o",
    "o": "i",
    "n": "m",
    "m": "n",
    "l": "k",
    "u": "i",
    "c": "v",
}
_WRITTEN_OUT: dict[int, str] = {
    ord(letter): out for letter, out in zip("äöüåø", ("ae", "oe", "ue", "aa", "oe"), strict=True)
}
_SOUNDS = (
    ("ph", "f"), ("ck", "k"), ("sch", "sh"), ("ie", "y"), ("y", "i"), ("c", "k"), ("tt", "t"), ("ll", "l"), ("ss", "s"),
    ("z", "s"), ("th", "t"), ("ei", "ai"), ("v", "w"), ("ou", "u"), ("ee", "i"), ("k", "c"), ("t", "tt"), ("n", "nn"),
)  # fmt: skip


class Made(NamedTuple):
    """A question of one kind."""

    kind: str
    text: str
    accepts: Accepts


class Kind(NamedTuple):
    """How a kind of question is made from a contact. `make` is None for a contact that has none of the kind."""

    name: str
    make: Callable[[Person, random.Random], tuple[str, Accepts | None] | None]
    is_noisy: bool = False


def stored_words(row: Row) -> set[str]:
    return set(plain(f"{row.first} {row.last} {row.display_name}").split())


def same_name(person: Person) -> Accepts:
    """Everybody who has all words of that name, and not many more."""
    wanted = {*plain(f"{person.true_first} {person.true_last}").split()}
    return lambda row: wanted <= stored_words(row)


def has_beginnings(*starts: str) -> Accepts:
    return lambda row: all(any(word.startswith(plain(start)) for word in stored_words(row)) for start in starts)


def typo(word: str, dice: random.Random) -> str:
    """The word, or one word of a name, with one slip of the fingers."""
    at = dice.choice([at for at in range(1, len(word)) if " " not in word[at - 1 : at + 1]] or [len(word) - 1])
    slips = (
        word[:at] + word[at + 1 :],
        word[:at] + word[at] + word[at:],
        word[: at - 1] + word[at] + word[at - 1] + word[at + 1 :],
        word[:at] + _BESIDE.get(word[at], "e") + word[at + 1 :],
        word[:at] + dice.choice("aeiourstln") + word[at:],
    )
    return dice.choice([slip for slip in slips if slip != word] or [word + "e"])


def resounded(word: str, dice: random.Random) -> str | None:
    """The word written as it sounds, in two places."""
    usable = [(old, new) for old, new in _SOUNDS if old in word[1:]]
    dice.shuffle(usable)
    changed, count = word, 0
    for old, new in usable:
        if old in changed[1:] and count < 2:
            changed = changed[0] + changed[1:].replace(old, new, 1)
            count += changed != word
    return changed if count == 2 and changed != word else None


def _is_latin(person: Person) -> bool:
    return bool(person.true_first) and "script" not in person.language


def _names(person: Person) -> tuple[str, str] | None:
    """The folded first word and last name of a person who can be asked for."""
    if not _is_latin(person):
        return None
    first, last = plain(person.true_first), plain(person.true_last)
    return (first, last) if len(first) > 2 and len(last) > 3 else None


def _of_names(
    build: Callable[[str, str, random.Random], str | None],
) -> Callable[[Person, random.Random], tuple[str, Accepts | None] | None]:
    def make(person: Person, dice: random.Random) -> tuple[str, Accepts | None] | None:
        names = _names(person)
        text = build(*names, dice) if names else None
        return (text, None) if text else None

    return make


def _nickname(person: Person, _: random.Random) -> tuple[str, Accepts | None] | None:
    names = _names(person)
    nick = NICKNAMES.get(names[0]) if names else None
    if not names or not nick:
        return None
    formal, last = {names[0], nick.lower()}, {*names[1].split()}
    return f"{nick} {names[1]}", lambda row: bool(formal & stored_words(row)) and last <= stored_words(row)


def _initial(person: Person, _: random.Random) -> tuple[str, Accepts | None] | None:
    names = _names(person)
    if not names:
        return None
    accepts = has_beginnings(names[0][0], *names[1].split())
    return f"{names[0][0]}. {names[1]}", accepts


def _beginnings(person: Person, _: random.Random) -> tuple[str, Accepts | None] | None:
    names = _names(person)
    if not names or len(names[1].split()[0]) < 6:
        return None
    start = names[1].split()[0][:4]
    return f"{names[0]} {start}", has_beginnings(*names[0].split(), start)


def _inside(person: Person, _: random.Random) -> tuple[str, Accepts | None] | None:
    names = _names(person)
    word = names[1].split()[0] if names else ""
    if len(word) < 8:
        return None
    part = word[2:8]
    return part, lambda row: any(part in stored for stored in stored_words(row))


def _surname(person: Person, dice: random.Random) -> tuple[str, Accepts | None] | None:
    names = _names(person)
    word = names[1].split()[0] if names else ""
    if len(word) < 6:
        return None
    return typo(word, dice), lambda row: word in stored_words(row)


def _phone(shape: Callable[[str], str]) -> Callable[[Person, random.Random], tuple[str, Accepts | None] | None]:
    def make(person: Person, _: random.Random) -> tuple[str, Accepts | None] | None:
        if len(person.phone) != 11 or not person.phone.startswith("1"):
            return None
        return shape(person.phone), lambda row: row.phone == person.phone

    return make


def _ending(person: Person, _: random.Random) -> tuple[str, Accepts | None] | None:
    end = person.phone[-4:]
    return f"ends in {end}", lambda row: row.phone.endswith(end)


def _long_ending(person: Person, _: random.Random) -> tuple[str, Accepts | None] | None:
    end = person.phone[-7:]
    return end, lambda row: end in row.phone


def _name_and_ending(person: Person, _: random.Random) -> tuple[str, Accepts | None] | None:
    names = _names(person)
    if not names or not person.first:
        return None
    end = person.phone[-4:]
    return f"{names[0]} {end}", lambda row: row.phone.endswith(end) and names[0] in plain(f"{row.first} {row.last}")


def _email(person: Person, _: random.Random) -> tuple[str, Accepts | None] | None:
    return (person.email.upper(), lambda row: row.email == person.email) if person.email else None


def _local_part(person: Person, _: random.Random) -> tuple[str, Accepts | None] | None:
    local = person.email.partition("@")[0]
    return (f"{local}@", lambda row: local in row.email) if len(local) > 5 else None


def _name_and_host(person: Person, _: random.Random) -> tuple[str, Accepts | None] | None:
    names = _names(person)
    if not names or not person.email:
        return None
    host = person.email.partition("@")[2].partition(".")[0].split("-")[0]
    return (
        f"{names[1]} {host}",
        lambda row: (
            host in row.email and {*names[1].split()} <= stored_words(row) | {*re.findall(r"[a-z]+", row.email)}
        ),
    )


def _value(field: int, *, with_first: bool) -> Callable[[Person, random.Random], tuple[str, Accepts | None] | None]:
    def make(person: Person, _: random.Random) -> tuple[str, Accepts | None] | None:
        names, value = _names(person), person.custom.get(field, "")
        if not names or not value or not (person.first or person.display):
            return None
        name = names[0] if with_first else names[1]
        wanted = {*plain(name).split()}
        return f"{name} {value.lower()}", lambda row: row.custom.get(field) == value and wanted <= stored_words(row)

    return make


def _number(person: Person, _: random.Random) -> tuple[str, Accepts | None] | None:
    number = person.custom.get(NUMBER, "")
    return (number, lambda row: row.custom.get(NUMBER) == number) if number else None


def _bare_number(person: Person, _: random.Random) -> tuple[str, Accepts | None] | None:
    number = person.custom.get(NUMBER, "")
    return (number[2:], lambda row: row.custom.get(NUMBER) == number or number[2:] in row.phone) if number else None


def _native(person: Person, _: random.Random) -> tuple[str, Accepts | None] | None:
    if "script" not in person.language or not person.true_first:
        return None
    return (
        f"{person.true_last} {person.true_first}",
        lambda row: (
            person.true_first.lower() in f"{row.first} {row.last} {row.display_name}".lower()
            and person.true_last.lower() in f"{row.first} {row.last} {row.display_name}".lower()
        ),
    )


def _native_joined(person: Person, _: random.Random) -> tuple[str, Accepts | None] | None:
    if person.language not in ("zh_CN script", "ja_JP script", "ko_KR script") or not person.true_first:
        return None
    return (
        f"{person.true_last}{person.true_first}",
        lambda row: {person.true_first, person.true_last} <= {*f"{row.first} {row.last} {row.display_name}".split()},
    )


def _romanized(person: Person, _: random.Random) -> tuple[str, Accepts | None] | None:
    if person.language.partition(" ")[0] not in ("ru_RU", "bg_BG", "el_GR") or not person.true_first:
        return None
    return (
        romanized(f"{person.true_first} {person.true_last}"),
        lambda row: (
            person.true_first.lower() in f"{row.first} {row.last} {row.display_name}".lower()
            and person.true_last.lower() in f"{row.first} {row.last} {row.display_name}".lower()
        ),
    )


def _written_out(person: Person, _: random.Random) -> tuple[str, Accepts | None] | None:
    text = f"{person.true_first} {person.true_last}".lower()
    out = text.translate(_WRITTEN_OUT)
    return (out, None) if _is_latin(person) and out != text else None


def _accented(person: Person, _: random.Random) -> tuple[str, Accepts | None] | None:
    text = f"{person.true_first} {person.true_last}"
    return (text, None) if _is_latin(person) and not text.isascii() else None


def _without_second_surname(person: Person, _: random.Random) -> tuple[str, Accepts | None] | None:
    names = _names(person)
    if not names or len(names[1].split()) < 2:
        return None
    wanted = {*names[0].split(), names[1].split()[0]}
    return f"{names[0]} {names[1].split()[0]}", lambda row: wanted <= stored_words(row)


def _name_of_sentence(person: Person, _: random.Random) -> tuple[str, Accepts | None] | None:
    names, city = _names(person), person.custom.get(CITY, "")
    if not names or not city or not person.first:
        return None
    wanted = {*names[0].split(), *names[1].split()}
    return f"{names[0]} {names[1]} from {city}", lambda row: wanted <= stored_words(row)


def _heard(first: str, last: str, dice: random.Random) -> str | None:
    heard = resounded(last, dice)
    return f"{first} {heard}" if heard else None


def _two_slips(first: str, last: str, dice: random.Random) -> str | None:
    return f"{typo(first, dice)} {typo(last, dice)}" if min(len(first), len(last)) > 4 else None


def _slipped_twice(first: str, last: str, dice: random.Random) -> str | None:
    return f"{first} {typo(typo(last, dice), dice)}" if len(last) > 7 else None


def _joined(first: str, last: str, _: random.Random) -> str | None:
    return f"{first}{last}" if " " not in first + last else None


KINDS = (
    Kind("exact: first last", _of_names(lambda first, last, _: f"{first} {last}")),
    Kind("exact: last first", _of_names(lambda first, last, _: f"{last.upper()}, {first.title()}")),
    Kind("exact: with a title", _of_names(lambda first, last, _: f"Dr. {first} {last}")),
    Kind("accents as written", _accented),
    Kind("written out (mueller)", _written_out),
    Kind("first surname alone", _without_second_surname),
    Kind("typo in first", _of_names(lambda first, last, dice: f"{typo(first, dice)} {last}"), is_noisy=True),
    Kind("typo in last", _of_names(lambda first, last, dice: f"{first} {typo(last, dice)}"), is_noisy=True),
    Kind("typo in last, turned", _of_names(lambda first, last, dice: f"{typo(last, dice)} {first}"), is_noisy=True),
    Kind("typo in both", _of_names(_two_slips), is_noisy=True),
    Kind("two typos in last", _of_names(_slipped_twice), is_noisy=True),
    Kind("surname alone with a typo", _surname, is_noisy=True),
    Kind("as it sounds", _of_names(_heard), is_noisy=True),
    Kind("words joined", _of_names(_joined), is_noisy=True),
    Kind("nickname last", _nickname),
    Kind("initial last", _initial),
    Kind("first and a beginning", _beginnings),
    Kind("inside a word", _inside),
    Kind("a sentence", _name_of_sentence),
    Kind("first and city", _value(CITY, with_first=True)),
    Kind("last and city", _value(CITY, with_first=False)),
    Kind("last and plan", _value(PLAN, with_first=False)),
    Kind("customer number", _number),
    Kind("customer number's digits", _bare_number),
    Kind("phone, +", _phone(lambda digits: f"+{digits}")),
    Kind("phone, national", _phone(lambda digits: f"({digits[1:4]}) {digits[4:7]}-{digits[7:]}")),
    Kind("ends in", _ending),
    Kind("seven digits", _long_ending),
    Kind("first and ending", _name_and_ending),
    Kind("e-mail", _email),
    Kind("e-mail's local part", _local_part),
    Kind("last and mail host", _name_and_host),
    Kind("another script", _native),
    Kind("another script, joined", _native_joined),
    Kind("romanized by hand", _romanized),
)  # fmt: skip


def made_from(people: Iterable[Person], exact_names: Counter[str], *, each: int, seed: int) -> list[Made]:
    """`each` questions of every kind, from contacts spread over the book."""
    dice = random.Random(seed)
    candidates = [*people]
    found: list[Made] = []
    for kind in KINDS:
        dice.shuffle(candidates)
        count = 0
        for person in candidates:
            made = kind.make(person, dice) if person.first or person.last or person.display else None
            if made is None or (kind.is_noisy and _is_somebody_else(made[0], exact_names)):
                continue
            found.append(Made(kind.name, made[0], made[1] or same_name(person)))
            count += 1
            if count == each:
                break
    return found


def _is_somebody_else(text: str, exact_names: Counter[str]) -> bool:
    """Whether three contacts have exactly this name, or one word as a part of it. Nobody could tell what was meant."""
    words = plain(text).split()
    return exact_names[" ".join(sorted({*words})) if len(words) > 1 else f"{words[0]} alone"] >= 3


def invented(count: int, seed: int, exact_names: Counter[str]) -> list[str]:
    """Names that nobody has."""
    dice = random.Random(seed)
    syllables = (
        "zor",
        "quib",
        "vex",
        "plon",
        "drask",
        "mup",
        "yil",
        "grent",
        "fosh",
        "wim",
        "tarb",
        "nolk",
        "jes",
        "urp",
    )
    found: list[str] = []
    while len(found) < count:
        name = " ".join("".join(dice.choices(syllables, k=dice.choice((2, 3)))) for _ in range(2))
        if not exact_names[" ".join(sorted(name.split()))]:
            found.append(name)
    return found
