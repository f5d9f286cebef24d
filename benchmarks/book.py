"""A synthetic book of contacts with the names of many languages, and the dirt of real ones. The same for the same seed.

- The names are those of the US census with their frequencies, and of Faker's lists. A Markov chain over letters makes
  new surnames like those of a language.
- Dirt: exchanged fields, a display name alone, companies, a phone alone, capitals, middle names, nicknames, titles,
  names typed without their accents.
- The folding and the romanization here are not those of the product, so that the product does not grade itself.
"""

from __future__ import annotations

import importlib
import random
import re
import unicodedata
from bisect import bisect
from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

# Share of the book, and Faker's locales.
SOURCES = (
    (14.0, "es_ES es_MX es_CO"), (3.0, "en_IN"), (2.0, "en_PK"), (4.0, "de_DE"), (3.0, "fr_FR"), (4.0, "it_IT"),
    (4.0, "pl_PL"), (3.0, "pt_BR pt_PT"), (2.0, "tr_TR"), (1.5, "sv_SE"), (1.0, "da_DK"), (1.0, "no_NO"),
    (1.5, "cs_CZ"), (0.5, "sk_SK"), (1.0, "hu_HU"), (1.0, "ro_RO"), (1.0, "hr_HR"), (1.5, "nl_NL"), (1.0, "fi_FI"),
    (1.5, "ga_IE"), (0.5, "is_IS"), (0.8, "yo_NG"), (0.8, "zu_ZA"), (0.8, "tw_GH"), (0.6, "sw"), (1.0, "id_ID"),
    (1.0, "ja_JP"),
)  # fmt: skip
OTHER_SCRIPTS = "ru_RU uk_UA bg_BG el_GR zh_CN ja_JP ko_KR he_IL hi_IN th_TH ar_AA"
US_SHARE, SCRIPTS_SHARE, MARKOV = 40.0, 4.5, 0.22

CITIES = (
    "Oakland", "Fresno", "Berkeley", "Alameda", "Hayward", "Vallejo", "Stockton", "Modesto", "Napa", "Concord",
    "Fremont", "Merced", "Salinas", "Davis",
)  # fmt: skip
PLANS = ("Gold", "Silver", "Bronze", "Platinum", "Free trial")
MAIL_HOSTS = ("gmail.com", "yahoo.com", "outlook.com", "acme-corp.com", "riverside.org", "stjude.edu")
PLAN, CITY, NUMBER, RENEWAL, MANAGER, NOTE = 31, 32, 33, 34, 35, 36
TAGS = range(101, 141)
MEMBERS = range(501, 513)

NICKNAMES = {
    "robert": "Bob", "william": "Bill", "elizabeth": "Liz", "margaret": "Peggy", "richard": "Dick", "james": "Jim",
    "michael": "Mike", "thomas": "Tom", "anthony": "Tony", "katherine": "Kate", "patricia": "Pat", "edward": "Ted",
    "joseph": "Joe", "charles": "Chuck", "francisco": "Paco", "jose": "Pepe", "alexander": "Sasha", "samuel": "Sam",
    "jennifer": "Jen", "rebecca": "Becky", "deborah": "Debbie", "christopher": "Chris", "nicholas": "Nick",
    "daniel": "Dan", "benjamin": "Ben", "gregory": "Greg", "kenneth": "Ken", "andrew": "Drew", "dorothy": "Dot",
    "susan": "Sue", "pamela": "Pam", "steven": "Steve", "lawrence": "Larry", "frederick": "Fred", "ronald": "Ron",
}  # fmt: skip

_CYRILLIC_SOUNDS = "a b v g d e e zh z i y k l m n o p r s t u f kh ts ch sh shch  y  e yu ya i yi ye g"
_CYRILLIC = dict(zip("абвгдеёжзийклмнопрстуфхцчшщъыьэюяіїєґ", _CYRILLIC_SOUNDS.split(" "), strict=True))
_GREEK_SOUNDS = "a v g d e z i th i k l m n x o p r s s t y f ch ps o"
_GREEK = dict(zip("αβγδεζηθικλμνξοπρσςτυφχψω", _GREEK_SOUNDS.split(" "), strict=True))
_PLAIN = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "\u0131": "i", "ß": "ss", "æ": "ae", "œ": "oe", "þ": "th", "ə": "e"}
)


class Person(NamedTuple):
    """A contact as stored, and the name of the person behind it."""

    id: int
    first: str
    last: str
    display: str
    phone: str
    email: str
    custom: dict[int, str]
    tags: tuple[int, ...]
    assignee: int | None
    out: bool
    created: int  # seconds since 1970
    updated: int
    true_first: str  # "" for a company, or for nothing but a phone
    true_last: str
    language: str


def plain(text: str) -> str:
    """The text without case and accents, its words parted by one blank."""
    letters = unicodedata.normalize("NFD", text.lower().translate(_PLAIN))
    kept = "".join(char for char in letters if not unicodedata.combining(char) or not char < "\u0370")
    return " ".join(re.findall(r"\w+", kept.translate(_PLAIN)))


def romanized(text: str) -> str:
    """Cyrillic and Greek in Latin letters, by hand."""
    bare = unicodedata.normalize("NFC", text.lower())
    table = _CYRILLIC if any(char in _CYRILLIC for char in bare) else _GREEK
    if table is _GREEK:
        bare = "".join(char for char in unicodedata.normalize("NFD", bare) if not unicodedata.combining(char))
    return "".join(table.get(char, char) for char in bare)


class Names:
    """First and last names of one source."""

    def __init__(
        self,
        language: str,
        firsts: Sequence[str],
        lasts: Sequence[str],
        weights: tuple[Sequence[float], Sequence[float]] | None = None,
    ) -> None:
        self.language = language
        self._firsts, self._lasts = firsts, lasts
        zipf = ([1 / (at + 3) ** 0.7 for at in range(len(firsts))], [1 / (at + 3) ** 0.7 for at in range(len(lasts))])
        self._first_weights, self._last_weights = ([*accumulate(each)] for each in weights or zipf)
        self._markov: dict[str, str] = defaultdict(str)
        if weights is None:
            for name in lasts:
                text = f"^^{name.lower()}$"
                for at in range(len(text) - 2):
                    self._markov[text[at : at + 2]] += text[at + 2]

    def first(self, dice: random.Random) -> str:
        return self._firsts[bisect(self._first_weights, dice.random() * self._first_weights[-1] * 0.999999)]

    def last(self, dice: random.Random) -> str:
        if self._markov and self.language in _LATIN and dice.random() < MARKOV:
            return self._invented(dice)
        return self._lasts[bisect(self._last_weights, dice.random() * self._last_weights[-1] * 0.999999)]

    def _invented(self, dice: random.Random) -> str:
        text = "^^"
        while len(text) < 16:
            char = dice.choice(self._markov[text[-2:]] or "$")
            if char == "$":
                if len(text) > 6:
                    break
                return self.last(dice)
            text += char
        return text[2:].title()


_LATIN = frozenset(locale for _, locales in SOURCES for locale in locales.split())


def names_of(locale: str) -> Names:
    """Faker's lists of a locale. Those of Japan are the romanized ones where the locale counts as Latin."""
    provider = importlib.import_module(f"faker.providers.person.{locale}").Provider
    firsts = _listed(provider, "first_names", "first_names_female", "first_names_male", "first_names_unisex")
    lasts = _listed(provider, "last_names", "unisex_last_names", "last_names_without_suffix", "last_names_female")
    return Names(locale, firsts, lasts)


def _listed(provider: type, *attributes: str) -> list[str]:
    found: dict[str, None] = {}
    for attribute in attributes:
        items = getattr(provider, attribute, ())
        found.update(
            dict.fromkeys(item for item in items if isinstance(item, str) and "{" not in item and len(item) > 0)
        )
    return [*found]


def _romanized_japanese() -> Names:
    provider = importlib.import_module("faker.providers.person.ja_JP").Provider
    return Names("ja_JP", _listed(provider, "first_romanized_names"), _listed(provider, "last_romanized_names"))


def census() -> Names:
    """The names of the US census, with their frequencies."""
    import names

    folder = Path(names.__file__).parent

    def table(name: str) -> tuple[list[str], list[float]]:
        rows = [line.split() for line in (folder / name).read_text(encoding="ascii").splitlines()]
        return [row[0].title() for row in rows], [float(row[1]) + 0.0005 for row in rows]

    (women, of_women), (men, of_men), (lasts, of_lasts) = map(
        table, ("dist.female.first", "dist.male.first", "dist.all.last")
    )
    return Names("en_US", [*women, *men], lasts, ([*of_women, *of_men], of_lasts))


def people(count: int, seed: int = 1) -> Iterator[Person]:
    """The contacts of the book, oldest first."""
    dice = random.Random(seed)
    sources, shares = [census()], [US_SHARE]
    for share, locales in SOURCES:
        for locale in locales.split():
            sources.append(_romanized_japanese() if locale == "ja_JP" else names_of(locale))
            shares.append(share / len(locales.split()))
    for locale in OTHER_SCRIPTS.split():
        names = names_of(locale)
        names.language = f"{locale} script"
        sources.append(names)
        shares.append(SCRIPTS_SHARE / len(OTHER_SCRIPTS.split()))
    bounds = [*accumulate(shares)]
    area_codes = [str(code) for code in dice.sample(range(201, 990), 320)]
    for number in range(1, count + 1):
        names = sources[min(len(sources) - 1, bisect(bounds, dice.random() * bounds[-1]))]
        yield _person(1000 + number, names, dice, area_codes)


def _person(number: int, names: Names, dice: random.Random, area_codes: list[str]) -> Person:
    first, last = names.first(dice), names.last(dice)
    if names.language.startswith("es_") and dice.random() < 0.6:
        last = f"{last} {names.last(dice)}"
    phone = _phone(dice, area_codes)
    email = _email(dice, first, last) if dice.random() < 0.6 else ""
    created = 1_500_000_000 + number * 200
    custom = _custom(number, dice)
    stored_first, stored_last, display = _dirtied(first, last, names, dice)
    is_person = bool(stored_first or stored_last or (display and " Inc" not in display))
    return Person(
        id=number,
        first=stored_first,
        last=stored_last,
        display=display,
        phone=phone,
        email=email,
        custom=custom,
        tags=tuple(sorted(dice.sample(TAGS, dice.choice((0, 0, 1, 1, 2, 3))))),
        assignee=dice.choice(MEMBERS) if dice.random() < 0.5 else None,
        out=dice.random() < 0.04,
        created=created,
        updated=created + dice.randrange(50_000_000),
        true_first=first if is_person else "",
        true_last=last if is_person else "",
        language=names.language,
    )


def _dirtied(first: str, last: str, names: Names, dice: random.Random) -> tuple[str, str, str]:
    """First, last and display name as somebody stored them."""
    chance = dice.random()
    if chance < 0.03:
        return "", "", ""
    if chance < 0.07:
        company = f"{last} {dice.choice(('Plumbing', 'Dental', 'Bakery', 'Legal'))} Inc"
        return "", "", company
    if chance < 0.10:
        return "", "", f"{first} {last}"
    if chance < 0.13:
        first, last = last, first
    stored_first, stored_last = first, last
    if dice.random() < 0.25:
        stored_first, stored_last = _without_accents(stored_first), _without_accents(stored_last)
    stored_first, stored_last = _rewritten(stored_first, stored_last, names, dice)
    return stored_first, stored_last, ""


def _rewritten(first: str, last: str, names: Names, dice: random.Random) -> tuple[str, str]:
    """In capitals, with a middle name, a title, or as it is."""
    forms = (
        (0.03, (first.upper(), last.upper())),
        (0.06, (first.lower(), last.lower())),
        (0.10, (f"{first} {names.first(dice)[0]}.", last)),
        (0.12, (f"{first} {names.first(dice)}", last)),
        (0.13, (first, f"{last} Jr.")),
        (0.14, (f"Dr. {first}", last)),
    )
    chance = dice.random()
    return next((form for bound, form in forms if chance < bound), (first, last))


def _without_accents(text: str) -> str:
    """As somebody types it on an English keyboard. Other scripts stay."""
    if any(ord(char) > 0x24F for char in text):
        return text
    return "".join(
        char for char in unicodedata.normalize("NFD", text.translate(_PLAIN)) if not unicodedata.combining(char)
    )


def _phone(dice: random.Random, area_codes: list[str]) -> str:
    if dice.random() < 0.75:
        return f"1{dice.choice(area_codes)}{dice.randrange(2_000_000, 10_000_000)}"
    country = dice.choice(("44", "49", "33", "34", "52", "91", "48", "39", "55", "81"))
    return f"{country}{dice.randrange(10**8, 10**10)}"


def _email(dice: random.Random, first: str, last: str) -> str:
    one, other = (re.sub(r"[^a-z]", "", plain(each)) or "info" for each in (first, last))
    local = dice.choice(
        (f"{one}.{other}", f"{one[0]}{other}", f"{one}{dice.randrange(100)}", f"{one}_{other}", f"{other}.{one[0]}")
    )
    return f"{local}@{dice.choice(MAIL_HOSTS)}"


def _custom(number: int, dice: random.Random) -> dict[int, str]:
    found = {}
    if dice.random() < 0.7:
        found[PLAN] = dice.choice(PLANS)
    if dice.random() < 0.6:
        found[CITY] = dice.choice(CITIES)
    if dice.random() < 0.5:
        found[NUMBER] = f"C-{100_000 + number}"
    if dice.random() < 0.4:
        found[RENEWAL] = f"2026-{dice.randrange(1, 13):02}-{dice.randrange(1, 29):02}"
    if dice.random() < 0.2:
        found[MANAGER] = dice.choice(("Dana Whitfield", "Omar Haddad", "Priya Nair", "Leo Brandt"))
    if dice.random() < 0.1:
        found[NOTE] = dice.choice(("prefers texts after five", "asked for a quote", "moved from the old system"))
    return found
