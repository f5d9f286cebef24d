"""The search over the index in PostgreSQL, measured: building it, its size, and the time of each kind of question.

Usage: shared_search.py [contacts] [seed] [--url URL] [--alike EACH]. Without an address a server of our own is started
and removed. Times are by the clock on the wall, because most of the work is PostgreSQL's. So run it on a quiet machine.
With `--alike 180` the questions are 6,000, and each is put to an index in a file, too: the answers must be the same.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path
from statistics import quantiles

import psycopg
from book import CITY, PLAN, TAGS, people
from measuring import MISSED, OK
from postgres_server import running_postgres
from questions import invented, made_from
from search import _looked_through, _peak, row_of

from contacts_mcp.book.search.filters import FieldFilter, Filters
from contacts_mcp.book.search.question import Question
from contacts_mcp.book.search.search import not_judged, search
from contacts_mcp.state.index import Index
from contacts_mcp.state.postgres.index import PostgresIndex
from contacts_mcp.state.postgres.migrations import known_steps
from contacts_mcp.state.word_index import WordIndex

EACH = 60  # questions of one kind
PAGE = 1_000
ACCOUNT = 7


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("contacts", nargs="?", type=int, default=100_000)
    parser.add_argument("seed", nargs="?", type=int, default=1)
    parser.add_argument("--url", help="an empty database to use")
    parser.add_argument("--alike", type=int, metavar="EACH", help="compare the answers to so many questions of a kind")
    given = parser.parse_args()
    report = Report()
    with database(given.url) as url, closing(PostgresIndex(url, ACCOUNT)) as index:
        prepare(url)
        built(index, given.contacts, given.seed, report)
        with psycopg.connect(url, autocommit=True) as db:
            db.execute("VACUUM ANALYZE")  # which PostgreSQL does by itself within a minute
            sizes(db, given.contacts, report)
        if given.alike:
            compared(index, given.contacts, given.seed, given.alike, report)
        else:
            asked(index, questions(given.contacts, given.seed), report)
            changed(index, given.seed, report)
    print(f"targets missed: {report.missed}")
    return int(report.missed > 0)


class Report:
    """The lines of the report, and how many targets were missed."""

    def __init__(self) -> None:
        self.missed = 0

    def add(self, what: str, value: float, target: float, unit: str) -> None:
        is_met = value <= target
        self.missed += not is_met
        print(f"{what:<44}{value:>10.4g} {unit:<4}at most {target:<8g}{OK if is_met else MISSED}", flush=True)


@contextmanager
def database(url: str | None) -> Iterator[str]:
    """The address of an empty database: the given one, or one of a server as it is after its installation."""
    if url:
        yield url
        return
    with running_postgres() as server:
        yield server.new_database("search")


def prepare(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as db:
        for step in known_steps():
            db.execute(step.script.encode())


def built(index: WordIndex, contacts: int, seed: int, report: Report) -> None:
    """The time of a walk in pages, and the memory of the walker."""
    before = _peak()
    spent, ending = walked(index, contacts, seed)
    print(f"pages {spent:.1f} s, end of the walk {ending:.1f} s, {_peak() - before:.0f} MB more than before")
    report.add("build", spent + ending, 5 + 145 * contacts / 1e6, "s")


def walked(index: WordIndex, contacts: int, seed: int) -> tuple[float, float]:
    """Seconds of the pages, without the time in which the contacts are made up, and of the end of the walk."""
    source, spent = people(contacts, seed), 0.0
    index.begin_walk()
    while page := [row_of(person) for person in islice(source, PAGE)]:
        start = time.perf_counter()
        index.upsert(page)
        spent += time.perf_counter() - start
    start = time.perf_counter()
    index.end_walk(began=0.0, ended=1.0)
    return spent, time.perf_counter() - start


def sizes(db: psycopg.Connection[tuple[str, float]], contacts: int, report: Report) -> None:
    query = (
        "SELECT relname, pg_relation_size(oid) / 1e6 FROM pg_class WHERE relname LIKE 'mirror%' "
        "AND relkind IN ('r', 'i') AND pg_relation_size(oid) > 100000 ORDER BY 2 DESC"
    )
    found = [(name, float(size)) for name, size in db.execute(query)]
    print(", ".join(f"{name.removeprefix('mirror_')} {size:.0f}" for name, size in found))
    report.add("size", sum(size for _, size in found), 50 + 800 * contacts / 1e6, "MB")


def questions(contacts: int, seed: int, each: int = EACH) -> list[tuple[str, Question]]:
    """Questions, each with its kind."""
    exact_names, sample = _looked_through(contacts, seed)
    texts = made_from(sample, exact_names, each=each, seed=seed)
    city, gold = FieldFilter(CITY, "is", "oakland"), FieldFilter(PLAN, "is", "gold")
    narrow = [Filters(tags=(tag,)) for tag in TAGS]
    return [
        *((made.kind, Question(query=made.text, limit=25)) for made in texts),
        *(("tag, with its count", Question(filters=each)) for each in narrow),
        *(("tag and name", Question(query="maria", filters=each)) for each in narrow),
        *(("tag and city", Question(filters=Filters(tags=(tag,), fields=(city,)))) for tag in TAGS),
        *(("tag, city and plan", Question(filters=Filters(tags=(tag,), fields=(city, gold)))) for tag in TAGS),
        *(("city and plan", Question(filters=Filters(fields=(city, gold)))) for _ in TAGS),
        *(("area code", Question(filters=Filters(phone_prefixes=(f"1{code}",)))) for code in range(201, 241)),
        *(("by change", Question(sort="newest_change")) for _ in TAGS),
        *(("all, with their count", Question()) for _ in TAGS),
    ]


def asked(index: PostgresIndex, made: list[tuple[str, Question]], report: Report) -> None:
    """The time of each kind, after one round that warms the caches."""
    spent: dict[str, list[float]] = defaultdict(list)
    for _, question in made[::5]:
        search(index, question)
    for kind, question in made:
        start = time.perf_counter()
        search(index, question)
        spent[kind].append((time.perf_counter() - start) * 1000)
    print(f"{'kind':<28}{'n':>5}{'p50 ms':>9}{'p95 ms':>9}{'p99 ms':>9}")
    for kind, times in spent.items():
        cuts = quantiles(times, n=100)
        print(f"{kind:<28}{len(times):>5}{cuts[49]:>9.2f}{cuts[94]:>9.2f}{cuts[98]:>9.2f}")
    slowest = max(spent, key=lambda kind: quantiles(spent[kind], n=20)[18])
    report.add(f"p95, {slowest}", quantiles(spent[slowest], n=20)[18], 25, "ms")
    cuts = quantiles([each for times in spent.values() for each in times], n=100)
    print(f"all kinds: p50 {cuts[49]:.2f}, p95 {cuts[94]:.2f}, p99 {cuts[98]:.2f} ms")


def compared(index: PostgresIndex, contacts: int, seed: int, each: int, report: Report) -> None:
    """The same ids in the same order, for the same reasons and with the same notes, by an index in a file."""
    with tempfile.TemporaryDirectory() as folder, closing(Index.open(Path(folder) / "index.sqlite3")) as other:
        walked(other, contacts, seed)
        made = questions(contacts, seed, each)
        made += [("nobody", Question(query=text)) for text in invented(each, seed, _looked_through(contacts, seed)[0])]
        differing = []
        for kind, question in made:
            one, its = (search(engine, question) for engine in (index, other))
            if (one, not_judged(index, question, one)) != (its, not_judged(other, question, its)):
                differing.append(f"{kind}: {question.query!r}")
    print(*differing[:20], sep="\n", end="\n" if differing else "")
    report.add(f"other answers to {len(made)} questions", len(differing), 0, "")


def changed(index: PostgresIndex, seed: int, report: Report) -> None:
    """Changes one by one, and a page that shows nothing new, as a walk sees it."""
    rows = [row_of(person) for person in islice(people(PAGE, seed), 300)]
    singles = []
    changes = [replace(row, rev=2, custom={**row.custom, PLAN: "Silver"}) for row in rows]
    for row in changes:
        start = time.perf_counter()
        index.upsert([row])
        singles.append((time.perf_counter() - start) * 1000)
    start = time.perf_counter()
    index.upsert(changes)
    print(f"a page of {len(rows)} without news: {(time.perf_counter() - start) * 1000:.1f} ms")
    report.add("upsert of one, p50", quantiles(singles, n=2)[0], 5, "ms")


if __name__ == "__main__":
    sys.exit(main())
