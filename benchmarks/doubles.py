"""Doubles, found and measured: a book with planted doubles, and with people who only look like doubles.

Usage: doubles.py [contacts] [seed] [--hard]. Exits 1 where a figure is missed. 100,000 contacts take a minute.

- *Plain*: 12 kinds of double that have a key in common (phone, mailbox, customer number).
- *Hard*: five more kinds without any. Three have a digit off, a country left out, or a mistyped address.
  A fourth has such a slip beside another form of the name. The last has nothing in common but a rare name and the city.
- Traps: households, families with one mailbox, namesakes, companies with one phone, twins, juniors, "info@".
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import combinations, islice
from pathlib import Path

from book import CITIES, CITY, NICKNAMES, NUMBER, RENEWAL, Person, people, plain
from measuring import MISSED, OK

from contacts_mcp.book.search.duplicates import Tier, find
from contacts_mcp.state.index import Index
from contacts_mcp.state.row import Row

DOUBLES, TRAPS = 2_000, 1_880
BULK = 5_000
RARE = "rare name and city alone"
MOST_TRIES = 3_000  # of finding somebody who fits
KEYS = "abcdefghijklmnopqrstuvwxyz"

Pairs = dict[frozenset[int], str]


class Maker:
    """Makes doubles and traps of the people of a book. All its choices are those of one seed."""

    def __init__(self, book: list[Row], seed: int) -> None:
        self.dice = random.Random(seed)
        self.book = book
        self.firsts = [row.first for row in book if row.first.isalpha()]
        self.names = Counter(_plain_name(row) for row in book)
        self.last_id = book[-1].id
        self.used: set[int] = set()

    def another(self, fits: Callable[[Row], bool]) -> Row:
        """Somebody of the book who was not taken yet. A small book may have nobody who fits."""
        free = (row for row in self.dice.choices(self.book, k=MOST_TRIES) if row.id not in self.used)
        row = next((row for row in free if fits(row)), None)
        if row is None:
            return self.another(is_named)
        self.used.add(row.id)
        return row

    def like(self, row: Row, **changes: object) -> Row:
        """A further contact with most of what `row` has."""
        self.last_id += 1
        custom = {number: text for number, text in row.custom.items() if number != NUMBER and self.dice.random() < 0.6}
        values = {"id": self.last_id, "custom": custom, "email": row.email if self.dice.random() < 0.5 else ""}
        return replace(row, **(values | changes))  # type: ignore[arg-type] # a double of whatever was given

    def phone(self) -> str:
        return f"1{self.dice.randrange(201, 990)}{self.dice.randrange(2_000_000, 10_000_000)}"

    def slip(self, word: str) -> str:
        """The word with one letter other, less, doubled, or exchanged with its neighbour."""
        at = self.dice.randrange(1, len(word) - 1)
        forms = (
            word[:at] + self.dice.choice(KEYS) + word[at + 1 :],
            word[:at] + word[at + 1 :],
            word[:at] + word[at] + word[at:],
            word[:at] + word[at + 1] + word[at] + word[at + 2 :],
        )
        return next((form for form in self.dice.sample(forms, 4) if form != word), f"{word}s")

    def phone_slip(self, phone: str) -> str:
        at = self.dice.randrange(4, len(phone) - 1)
        if self.dice.random() < 0.5 and phone[at] != phone[at + 1]:
            return phone[:at] + phone[at + 1] + phone[at] + phone[at + 2 :]
        return phone[:at] + self.dice.choice([digit for digit in "0123456789" if digit != phone[at]]) + phone[at + 1 :]

    def other_first(self, row: Row) -> str:
        """A first name that is another one."""
        return next(name for name in iter(lambda: self.dice.choice(self.firsts), "") if _differs(name, row.first))

    def email_slip(self, address: str) -> str:
        local, _, domain = address.partition("@")
        return f"{self.slip(local)}@{domain}" if self.dice.random() < 0.75 else f"{local}@{self.slip(domain)}"


def _plain_name(row: Row) -> str:
    return str(plain(f"{row.first} {row.last} {row.display_name}"))


def _differs(one: str, other: str) -> bool:
    return bool(plain(one)[:2] != plain(other)[:2])


def is_named(row: Row) -> bool:
    return len(row.first) > 4 and len(row.last) > 4 and row.first.isalpha()


def is_no_junior(row: Row) -> bool:
    return is_named(row) and "Jr." not in row.last


def has_email(row: Row) -> bool:
    return is_named(row) and len(row.email.partition("@")[0]) > 6


def has_number(row: Row) -> bool:
    return is_named(row) and NUMBER in row.custom


def has_nickname(row: Row) -> bool:
    return is_named(row) and row.first.lower() in NICKNAMES


def has_both(row: Row) -> bool:
    return has_nickname(row) and has_email(row)


def has_accent(row: Row) -> bool:
    return is_named(row) and not row.last.isascii() and plain(row.last).isascii()


def has_home_phone(row: Row) -> bool:
    return is_named(row) and row.phone.startswith("1")


def has_city(row: Row) -> bool:
    return is_named(row) and CITY in row.custom


def nickname(row: Row) -> str:
    return str(NICKNAMES[row.first.lower()])


Fits = Callable[[Row], bool]
Kind = tuple[str, Fits, Callable[[Maker, Row], Row]]

PLAIN: tuple[Kind, ...] = (
    ("first name mistyped", is_named, lambda make, row: make.like(row, first=make.slip(row.first))),
    ("last name mistyped", is_named, lambda make, row: make.like(row, last=make.slip(row.last))),
    ("nickname", has_nickname, lambda make, row: make.like(row, first=nickname(row))),
    ("fields exchanged", is_named, lambda make, row: make.like(row, first=row.last, last=row.first)),
    ("accents left out", has_accent, lambda make, row: make.like(row, last=plain(row.last).title())),
    (
        "display name alone",
        is_named,
        lambda make, row: make.like(row, first="", last="", display_name=f"{row.first} {row.last}"),
    ),
    ("case of the e-mail", has_email, lambda make, row: make.like(row, phone=make.phone(), email=row.email.upper())),
    (
        "alias of the e-mail",
        has_email,
        lambda make, row: make.like(row, phone=make.phone(), email=row.email.replace("@", "+shop@")),
    ),
    ("new phone, same e-mail", has_email, lambda make, row: make.like(row, phone=make.phone(), email=row.email)),
    (
        "new phone, same number",
        has_number,
        lambda make, row: make.like(row, phone=make.phone(), email="", custom={NUMBER: row.custom[NUMBER]}),
    ),
    ("initial", is_named, lambda make, row: make.like(row, first=row.first[0])),
    ("middle name", is_named, lambda make, row: make.like(row, first=f"{row.first} {make.other_first(row)}")),
)


def respelled(make: Maker, row: Row) -> Row:
    """No equal key, and another form of the name."""
    first = nickname(row) if make.dice.random() < 0.5 else make.slip(row.first)
    if make.dice.random() < 0.5:
        return make.like(row, first=first, phone=make.phone_slip(row.phone), email="")
    return make.like(row, first=nickname(row), phone=make.phone(), email=make.email_slip(row.email))


HARD: tuple[Kind, ...] = (
    ("digit off", has_home_phone, lambda make, row: make.like(row, phone=make.phone_slip(row.phone), email="")),
    ("country left out", has_home_phone, lambda make, row: make.like(row, phone=row.phone[1:], email="")),
    (
        "e-mail mistyped",
        has_email,
        lambda make, row: make.like(row, phone=make.phone(), email=make.email_slip(row.email)),
    ),
    ("slip, and another form of the name", has_both, respelled),
    (
        RARE,
        has_city,
        lambda make, row: make.like(row, phone=make.phone(), email="", custom={CITY: row.custom.get(CITY, CITIES[0])}),
    ),
)


def household(make: Maker, row: Row) -> Row:
    return make.like(row, first=make.other_first(row), email="")


def namesake(make: Maker, row: Row) -> Row:
    return make.like(row, phone=make.phone(), email="", custom={})


def twin(make: Maker, row: Row) -> Row:
    """Another first name with the same first letter, the same phone and day."""
    mine = [name for name in make.firsts if name[0] == row.first[0] and plain(name)[:3] != plain(row.first)[:3]]
    custom = {RENEWAL: row.custom.get(RENEWAL, "2026-05-05"), CITY: row.custom.get(CITY, "Napa")}
    return make.like(row, first=make.dice.choice(mine or [make.other_first(row)]), custom=custom, email="")


TRAP_KINDS: tuple[Kind, ...] = (
    ("household", is_named, household),
    (
        "family with one mailbox",
        has_email,
        lambda make, row: make.like(row, first=make.other_first(row), phone=make.phone(), email=row.email),
    ),
    ("namesake", is_named, namesake),
    (
        "phone of a company",
        is_named,
        lambda make, row: replace(
            make.dice.choice(make.book), id=make.like(row).id, phone=row.phone, email="", custom={}
        ),
    ),
    ("twin", is_named, twin),
    (
        "junior",
        is_no_junior,
        lambda make, row: make.like(row, last=f"{row.last} Jr.", email="", phone=make.phone()),
    ),
    (
        "mailbox of a role",
        is_named,
        lambda make, row: make.like(
            row, first=make.other_first(row), last=make.other_first(row), phone=make.phone(), email="info@acme-corp.com"
        ),
    ),
)
SAME_CITY: Kind = (
    "namesake in the same city",
    has_city,
    lambda make, row: make.like(row, phone=make.phone(), email="", custom={CITY: row.custom.get(CITY, CITIES[0])}),
)


def planted(book: list[Row], seed: int, *, is_hard: bool) -> tuple[list[Row], Pairs, Pairs]:
    """The doubles and traps, the true pairs by kind, and the pairs that are traps."""
    make = Maker(book, seed)
    rows: list[Row] = []
    true, traps = Pairs(), Pairs()
    kinds = [*PLAIN, *HARD] if is_hard else [*PLAIN]
    scale = len(book) / 100_000
    for at in range(round(DOUBLES * scale)):
        name, fits, double = kinds[at % len(kinds)]
        row = make.another(_rare(make, fits) if name == RARE else fits)
        rows.append(double(make, row))
        true[frozenset((row.id, rows[-1].id))] = name
    trap_kinds = [*TRAP_KINDS, SAME_CITY] if is_hard else [*TRAP_KINDS]
    for at in range(round(TRAPS * scale)):
        name, fits, trap = trap_kinds[at % len(trap_kinds)]
        row = make.another(_common(make, fits) if name == SAME_CITY[0] else fits)
        rows.append(trap(make, row))
        traps[frozenset((row.id, rows[-1].id))] = name
    return rows, true, traps


def _rare(make: Maker, fits: Fits) -> Fits:
    return lambda row: fits(row) and make.names[_plain_name(row)] == 1


def _common(make: Maker, fits: Fits) -> Fits:
    return lambda row: fits(row) and make.names[_plain_name(row)] > 1


def row_of(person: Person, taken: Counter[str]) -> Row:
    """A contact of the book, its e-mail made its own."""
    local, at, domain = person.email.partition("@")
    taken[person.email] += 1
    own = f"{local}{7919 * taken[person.email] % 10_000:04}" if local and taken[person.email] > 1 else local
    return Row(
        id=person.id,
        phone=person.phone,
        first=person.first,
        last=person.last,
        display_name=person.display,
        email=f"{own}{at}{domain}",
        custom=person.custom,
        tags=person.tags,
        created=person.created * 1_000_000,
        updated=person.updated * 1_000_000,
        rev=1,
    )


def built(path: Path, contacts: int, seed: int, *, is_hard: bool) -> tuple[Pairs, Pairs]:
    """Write the index. Returns the true pairs and the traps."""
    taken: Counter[str] = Counter()
    book = [row_of(person, taken) for person in people(contacts, seed)]
    more, true, traps = planted(book, seed, is_hard=is_hard)
    index = Index.open(path)
    index.begin_walk()
    source: Iterator[Row] = iter([*book, *more])
    while page := [*islice(source, BULK)]:
        index.upsert(page)
    index.end_walk(began=0.0, ended=1.0)
    index.close()
    return true, traps


def searched(path: Path, tier: Tier) -> tuple[set[frozenset[int]], float, float, int]:
    """In a process of its own: the pairs, CPU seconds of the first page, memory in MB, and the sets."""
    index = Index.open(path)
    before = _peak()
    start = time.process_time()
    first = find(index, tier=tier, most=10)
    spent, memory = time.process_time() - start, _peak() - before
    pairs: set[frozenset[int]] = set()
    below = None
    while True:
        page = find(index, tier=tier, most=500, below=below)
        for found in page.sets:
            pairs.update(frozenset(pair) for pair in combinations((row.id for row in found.contacts), 2))
        below = page.next
        if below is None:
            return pairs, spent, memory, first.total


def _peak() -> float:
    """The most memory that this process had, in MB. `resource` would tell that of its parent, if that had more."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


def _figures(found: Iterable[frozenset[int]], true: Pairs) -> tuple[float, float]:
    mine = {*found}
    right = len(mine & true.keys())
    return right / max(1, len(mine)), right / max(1, len(true))


class Report:
    """The lines of the report, and how many targets were missed."""

    def __init__(self) -> None:
        self.missed = 0

    def add(self, what: str, value: float, target: float | None = None, *, at_least: bool = False) -> None:
        is_met = target is None or (value >= target if at_least else value <= target)
        self.missed += not is_met
        bound = "" if target is None else f"at {'least' if at_least else 'most'} {target:g}"
        print(f"{what:<44}{value:>10.4g} {bound:<16}{'' if target is None else OK if is_met else MISSED}", flush=True)


def measured(contacts: int, seed: int, *, is_hard: bool, report: Report) -> None:
    name = "hard" if is_hard else "plain"
    scale = max(1.0, contacts / 100_000)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "index.sqlite3"
        true, traps = built(path, contacts, seed, is_hard=is_hard)
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            sure, sure_cpu, sure_memory, sure_sets = pool.apply(searched, (path, "sure"))
        with multiprocessing.get_context("spawn").Pool(1) as pool:
            possible, cpu, memory, sets = pool.apply(searched, (path, "possible"))
    precision, recall = _figures(sure, true)
    report.add(f"{name}: sure, precision", precision, None if is_hard else 0.99, at_least=True)
    report.add(f"{name}: sure, recall", recall, None if is_hard else 0.99, at_least=True)
    report.add(f"{name}: sure, CPU s", sure_cpu, 3 * scale)
    report.add(f"{name}: sure, memory MB", sure_memory)
    report.add(f"{name}: sure, sets", sure_sets)
    report.add(f"{name}: traps called sure", len(sure & traps.keys()), 2 * scale)
    precision, recall = _figures(sure | possible, true)
    report.add(f"{name}: both tiers, precision", precision, 0.98, at_least=True)
    report.add(f"{name}: both tiers, recall", recall, 0.97, at_least=True)
    report.add(f"{name}: possible, CPU s", cpu, 15 * scale)
    report.add(f"{name}: possible, memory MB", memory)
    report.add(f"{name}: possible, sets", sets)
    _print_misses(sure, possible, true, traps)


def _print_misses(sure: set[frozenset[int]], possible: set[frozenset[int]], true: Pairs, traps: Pairs) -> None:
    found = sure | possible
    print("  missed:", dict(Counter(kind for pair, kind in true.items() if pair not in found)))
    print("  not sure:", dict(Counter(kind for pair, kind in true.items() if pair not in sure)))
    for name, pairs in (("sure", sure), ("possible", possible - sure)):
        false = Counter(traps.get(pair, "of the book") for pair in pairs if pair not in true)
        print(f"  false, {name}:", dict(false))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("contacts", nargs="?", type=int, default=100_000)
    parser.add_argument("seed", nargs="?", type=int, default=1)
    parser.add_argument("--hard", action="store_true", help="the hard set alone")
    given = parser.parse_args()
    report = Report()
    for is_hard in (True,) if given.hard else (False, True):
        measured(given.contacts, given.seed, is_hard=is_hard, report=report)
    print(f"targets missed: {report.missed}")
    return int(report.missed > 0)


if __name__ == "__main__":
    sys.exit(main())
