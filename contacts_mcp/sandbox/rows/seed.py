"""The office book that a new sandbox opens with.

Every value follows from the seed: one seed gives one book. Phones are valid numbers that are reserved for fiction.
E-mail goes to example.com. The book ends at a fixed date, so nothing depends on the day it is opened.

Some contacts share one `updated`, as after an import. In the default book no such block crosses a page of 30.
So a strict cursor can walk the untouched list to its end.
"""

from __future__ import annotations

import random
import unicodedata
import uuid
from collections.abc import Iterator

from .records import Record, Records, blank_contact, new_tag
from .timestamps import microseconds

FIRST_ID = 1001
END = microseconds("2026-11-01T12:00:00Z")

_SECOND = 10**6
_YEAR = 365 * 24 * 3600 * _SECOND
_TEAM: Record = {"id": 901, "name": "Example Office"}

_MEMBERS = (
    (501, "Alex Kim", "admin", "alex@example.com"),
    (502, "Priya Patel", "member", "priya@example.com"),
    (503, "Marco Rossi", "member", "marco@example.com"),
    (504, "Dana Lee", "member", "dana.lee@example.com"),
    (505, "Dana Levy", "member", "dana.levy@example.com"),
)

_INBOXES = ((701, "Front Desk", "15105550198"), (702, "Sales", "14155550198"))

# Awkward on purpose: an empty name, two names that differ in case and spaces only, accents, a slash, a sign.
_FIELDS = (
    (31, "Plan"),
    (32, "Renewal Date"),
    (33, "Region"),
    (34, "Customer #"),
    (35, "Preferred Language"),
    (36, "Account Manager"),
    (37, ""),
    (38, "Notes"),
    (39, "notes "),
    (40, "Été / Saison"),
)

_TAGS = (
    (101, "VIP", "#f5a623"),
    (102, "Lead", "#4a90e2"),
    (103, "Newsletter", "#7ed321"),
    (104, "Past Due", "#d0021b"),
    (105, "Supplier", "#9b9b9b"),
    (106, "Do Not Call", "#000000"),
)

# libphonenumber calls 555-01xx and 555-1000..9999 valid in these area codes.
_AREAS = (  # noqa: SIM905 - a list of words reads best as words
    "510 415 212 305 206 312 617 303 512 404 718 213 602 503 619 702 215 713 214 734"
).split()
_LINES = (*range(100, 198), *range(1000, 10000))
_MOST = len(_AREAS) * (len(_LINES) - 2)
_ABROAD = {11: "442079460011", 47: "442079460147", 83: "442079460583", 131: "442079460931", 59: "33199001234"}

# People who are in the book twice, under two numbers: position -> position of the other.
_TWICE = {152: 21, 204: 98}

_FIRSTS = (  # noqa: SIM905 - see above
    "Aaliyah Adaeze Ahmed Aiko Amara Ana Andrés Anjali Arjun Astrid Ayşe Beatriz Bogdan Caroline Chidi Chloé "
    "Daniel Diego Elena Emily Fatima François Freya Gabriel Grace Hana Hiroshi Ingrid Isabel Ivan Jamal James "
    "Jin João Karin Kofi Laila Leila Liam Linh Lucía Łukasz Maria Mateo Mei Michael Min-jun Nadia Ngozi Noah "
    "Olga Olivia Omar Paolo Quỳnh Rafael Renée Robert Rosa Samuel Sana Sofía Søren Tariq Thabo Thomas Tomáš "
    "Valentina Wei William Yara Yuki Zainab Zoë"
).split()
_LASTS = (  # noqa: SIM905 - see above
    "Abdi Adeyemi Almeida Andersen Baker Bianchi Brown Carter Chen Clarke Cohen Cruz Dąbrowski Davis Delgado "
    "Diallo Dubois Eriksson Evans Fernández Fischer Fitzgerald García Ghosh González Green Gupta Haddad Hansen "
    "Hernández Hughes Ibrahim Ito Jackson Janssen Jensen Johnson Kaya Khan Kowalski Kim Kumar Laurent Lee "
    "Lindström López Mbeki Mendoza Müller Nakamura Nguyễn Novák Nowak Okafor Okonkwo Papadopoulos Park Pérez "
    "Petrov Popescu Ramírez Reyes Robinson Rossi Sánchez Sato Schmidt Silva Singh Smith Suzuki Taylor Thompson "
    "Tran Turner Walker Wang Watanabe Weber Williams Wójcik Wright Y\N{LATIN SMALL LETTER DOTLESS I}lmaz Young "
    "Zhang"
).split()
_COMPANIES = (
    "Golden Gate Printing",
    "Harbor Plumbing Supply",
    "Mission Bakery",
    "Lakeside Couriers",
    "Redwood IT Services",
    "Pier 9 Catering",
)

_PLANS = ("Basic", "Silver", "Gold", "Premium")
_REGIONS = ("Oakland", "San Francisco", "Berkeley", "San José", "New York", "Miami", "Seattle")
_LANGUAGES = ("English", "Spanish", "French", "Mandarin", "Portuguese")
_REMARKS = ("Prefers texts after 5 pm", "Met at the spring fair", "Pays by invoice", "Ask for the back office")
_SEASONS = ("Été", "Hiver", "Printemps")

# Ranks in the list (of each 300) where a block begins that shares one `updated`, and its size.
_BLOCKS = ((40, 12), (95, 9), (160, 20), (221, 6))


def fill(records: Records, *, contacts: int, seed: int) -> None:
    """Puts the team, its fields and tags, and `contacts` people into empty tables.

    Raises ValueError when there are not enough numbers.
    """
    if contacts > _MOST:
        raise ValueError(f"at most {_MOST} contacts")
    dice = random.Random(seed)
    _fill_office(records, dice)
    times = _times(contacts, dice)
    ranks = dice.sample(range(contacts), contacts)
    for position, (person, phone) in enumerate(zip(_people(contacts, dice), _phones(contacts), strict=True)):
        records.insert(_contact(position, phone, person, times[ranks[position]], dice))


def _fill_office(records: Records, dice: random.Random) -> None:
    records.add_row("team", _TEAM)
    for member_id, name, role, email in _MEMBERS:
        records.add_row("members", {"id": member_id, "name": name, "role": role, "email": email})
    for inbox_id, name, phone in _INBOXES:
        records.add_row("inboxes", {"id": inbox_id, "name": name, "phone": phone})
    for field_id, title in _FIELDS:
        records.add_row("fields", {"id": field_id, "title": title})
    for position, (tag_id, label, color) in enumerate(_TAGS):
        tag = new_tag(label, color=color, now=END - _YEAR + position * 3600 * _SECOND)
        records.add_row("tags", {**tag, "id": tag_id, "uuid": _uuid(dice)})


def _times(contacts: int, dice: random.Random) -> list[int]:
    """`updated` by rank. It falls through the last year and is level within a block."""
    step = _YEAR // max(contacts, 1) // _SECOND
    times = [END - (rank * step + dice.randrange(step)) * _SECOND for rank in range(contacts)]
    return [times[_block_start(rank)] for rank in range(contacts)]


def _block_start(rank: int) -> int:
    within = rank % 300
    return next((rank - within + start for start, size in _BLOCKS if start <= within < start + size), rank)


def _phones(contacts: int) -> Iterator[str]:
    yield from ("15105550100", "15105550101")[:contacts]
    fictional = (f"1{area}555{line:04d}" for line in _LINES[2:] for area in _AREAS)
    for position in range(2, contacts):
        yield _ABROAD.get(position) or next(fictional)


def _contact(position: int, phone: str, person: Record, updated: int, dice: random.Random) -> Record:
    made = updated - dice.randrange(max((updated - END + _YEAR) // _SECOND, 1)) * _SECOND
    record = {
        **blank_contact(team_id=_TEAM["id"], now=updated),
        "id": FIRST_ID + position,
        "uuid": _uuid(dice),
        "created": made,
        "creator_id": dice.choice(_MEMBERS)[0],
        "inbox_id": dice.choice(_INBOXES)[0],
        "phone": phone,
        **person,
    }
    record["display_name"] = record["display_name"] or f"{record['first']} {record['last']}".strip()
    return record


def _people(contacts: int, dice: random.Random) -> list[Record]:
    people = [_FIXED[position] if position < len(_FIXED) else _person(position, dice) for position in range(contacts)]
    for position, original in _TWICE.items():
        if position < contacts:
            people[position] = {name: people[original][name] for name in ("first", "last", "email")}
    return people


def _person(position: int, dice: random.Random) -> Record:
    if position % 37 == 0:
        return {"display_name": dice.choice(_COMPANIES), "tags": [105], "custom": {"38": dice.choice(_REMARKS)}}
    if position % 97 == 0:
        return {}  # a person who wrote once and never gave a name
    return {
        **_name(position, dice),
        "custom": dict(_custom(position, dice)),
        "tags": sorted(dice.sample([101, 102, 103, 104, 106], dice.choice((0, 0, 0, 1, 1, 2, 3)))),
        "assigned_user_id": dice.choice((None, None, *(member[0] for member in _MEMBERS))),
        "is_opted_out": _falls(dice, 0.05),
        "rev": dice.randint(1, 6),
        "note": _note(dice),
    }


def _name(position: int, dice: random.Random) -> Record:
    first, last = dice.choice(_FIRSTS), dice.choice(_LASTS)
    mailbox = f"{_plain(first)}.{_plain(last)}.{position}@example.com"
    return {"first": first, "last": last, "email": mailbox if _falls(dice, 0.8) or position in _TWICE.values() else ""}


def _custom(position: int, dice: random.Random) -> Iterator[tuple[str, str]]:
    values = (
        ("31", 0.8, dice.choice(_PLANS)),
        ("32", 0.5, f"2027-{dice.randint(1, 12):02d}-{dice.randint(1, 28):02d}"),
        ("33", 0.7, dice.choice(_REGIONS)),
        ("34", 0.6, f"C-{position:05d}"),
        ("35", 0.4, dice.choice(_LANGUAGES)),
        ("36", 0.3, dice.choice(_MEMBERS)[1]),
        ("37", 0.05, "x"),
        ("38", 0.2, dice.choice(_REMARKS)),
        ("39", 0.05, dice.choice(_REMARKS)),
        ("40", 0.1, dice.choice(_SEASONS)),
    )
    for field_id, share, value in values:
        if _falls(dice, share):
            yield field_id, value


def _note(dice: random.Random) -> list[Record]:
    if not _falls(dice, 0.06):
        return []
    author, name = dice.choice(_MEMBERS)[:2]
    number = dice.randint(5000, 9999)
    text = dice.choice(_REMARKS)
    return [{"id": number, "user_id": author, "name": name, "text": text, "date": "2026-05-04T09:30:00Z"}]


def _falls(dice: random.Random, share: float) -> bool:
    """Whether a chance of `share` comes true."""
    return dice.random() < share


def _plain(name: str) -> str:
    """`name` in the letters of an e-mail address."""
    letters = unicodedata.normalize("NFKD", name.translate(_LETTERS)).encode("ascii", "ignore").decode()
    return letters.lower().replace("-", "")


def _uuid(dice: random.Random) -> str:
    return str(uuid.UUID(int=dice.getrandbits(128), version=4))


# NFKD does not decompose these letters.
_LETTERS = str.maketrans({"ł": "l", "Ł": "L", "ø": "o", "Ø": "O", "\N{LATIN SMALL LETTER DOTLESS I}": "i"})

# Documents and tests name these people.
_FIXED: tuple[Record, ...] = (
    {
        "first": "Jordan",
        "last": "Rivera",
        "email": "jordan.rivera@example.com",
        "custom": {"31": "Gold"},
        "tags": [101],
    },
    {
        "first": "Sam",
        "last": "O'Neil",
        "email": "sam.oneil@example.com",
        "is_opted_out": True,
    },
)
