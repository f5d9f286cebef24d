"""The shared index while PostgreSQL is away, and the mirrors of two servers over one index."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest
from postgres_server import PostgresServer
from support import Clock, Wire
from support.shared_index import new_index, prepare

from contacts_mcp.book import update_contact
from contacts_mcp.book.book import Book
from contacts_mcp.book.listing.filters import Filters
from contacts_mcp.book.people.requests import Wanted
from contacts_mcp.book.search import filling
from contacts_mcp.book.search.finding import find
from contacts_mcp.book.search.known import Known
from contacts_mcp.book.search.mirror import Mirror, in_thread
from contacts_mcp.config import Settings
from contacts_mcp.sandbox import Behaviour, Credentials, Sandbox, open_sandbox
from contacts_mcp.shared import Shared
from contacts_mcp.state.account import Account
from contacts_mcp.state.index_file import IndexUnavailable
from contacts_mcp.state.postgres.accounts import AccountNumber
from contacts_mcp.state.postgres.database import SharedDatabase
from contacts_mcp.state.postgres.index import PostgresIndex
from contacts_mcp.state.postgres.index_filling import TABLES
from contacts_mcp.state.postgres.index_pool import Connections, new_pool
from contacts_mcp.state.postgres.locks import PostgresLocks
from contacts_mcp.state.row import Row
from contacts_mcp.state.word_index import WordIndex
from contacts_mcp.workspace import Workspace

PEOPLE = 300
ENOUGH = 20.0  # seconds of waiting that no test needs
JORDAN = Row(id=1001, phone="15105553344", first="Jordan", last="Rivera", rev=3)


@pytest.fixture
def database(mortal: PostgresServer) -> str:
    """A prepared database of a server that tests stop and freeze."""
    name = f"mirror-{time.monotonic_ns()}"
    url = mortal.new_database(name)
    prepare(url)
    return url


def reason(index: PostgresIndex) -> str:
    with pytest.raises(IndexUnavailable) as refused:
        index.rows([1001])
    assert str(refused.value).startswith("The shared index of contacts cannot be used: ")
    return refused.value.reason


# PostgreSQL away


def test_while_postgresql_is_stopped_the_index_cannot_be_reached_and_then_it_can(
    database: str, mortal: PostgresServer
) -> None:
    with closing(new_index(database)) as index:
        index.upsert([JORDAN])
        mortal.stop()
        start = time.monotonic()
        assert [reason(index) for _ in range(50)] == ["unreachable"] * 50
        assert time.monotonic() - start < 3, "a search asks many questions, and waits once"
        mortal.start()
        deadline = time.monotonic() + 10
        while True:
            try:
                assert index.rows([1001]) == [JORDAN]
            except IndexUnavailable:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            else:
                break


def test_after_a_restart_no_question_meets_a_dead_connection(database: str, mortal: PostgresServer) -> None:
    with new_pool(database, connections=4) as pool, closing(new_index(pool)) as index:
        index.upsert([JORDAN])
        held = [pool.getconn() for _ in range(4)]
        for each in held:
            pool.putconn(each)
        mortal.stop()
        mortal.start()
        assert [index.rows([1001]) for _ in range(8)] == [[JORDAN]] * 8
        assert index.upsert([replace(JORDAN, rev=4)]) == 1


def test_a_frozen_postgresql_is_given_up(database: str, mortal: PostgresServer) -> None:
    connections = Connections(database)
    with closing(connections), closing(new_index(database)) as index:
        assert connections.run(lambda db: db.execute("SELECT 1").fetchone()) == (1,)
        mortal.freeze()
        start = time.monotonic()
        with pytest.raises(IndexUnavailable) as refused:
            connections.run(lambda db: db.execute("SELECT 1").fetchone(), patience=0.3)
        assert (refused.value.reason, time.monotonic() - start < 2) == ("unreachable", True)
        assert reason(index) == "unreachable"
        mortal.thaw()
        time.sleep(1.1)
        assert index.rows([1001]) == []


def test_a_question_waits_for_its_turn_while_others_are_answered(database: str) -> None:
    """More threads than connections, for longer than a question waits for PostgreSQL."""
    with new_pool(database, connections=2) as pool:
        connections = Connections(pool)
        with ThreadPoolExecutor(10) as threads:
            asked = [
                threads.submit(connections.run, lambda db: db.execute("SELECT 1 FROM pg_sleep(0.4)").fetchone())
                for _ in range(10)
            ]
            assert [each.result() for each in asked] == [(1,)] * 10


def test_a_slow_question_alone_is_given_up(database: str) -> None:
    with closing(Connections(database)) as connections:
        assert connections.run(lambda db: db.execute("SELECT 1").fetchone()) == (1,)
        with pytest.raises(IndexUnavailable):
            connections.run(lambda db: db.execute("SELECT pg_sleep(9)"), patience=0.2)
        assert connections.run(lambda db: db.execute("SELECT 1").fetchone()) == (1,), "nobody else is kept waiting"


def test_a_page_that_was_cut_off_is_whole_or_not_there(database: str, mortal: PostgresServer) -> None:
    rows = [replace(JORDAN, id=number) for number in range(1, 2_001)]
    with closing(new_index(database)) as index:
        index.begin_walk()
        index.upsert(rows[:500], place="page 1")
        index._connections.run(
            lambda _: mortal.ask(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        )
        index.upsert(rows[500:], place="page 2")
        assert (index.state.contacts, index.state.place) == (2_000, "page 2")
        assert index.holders("§§unknown") == len(index.facts(most=5_000)) == 2_000


def test_a_database_that_nobody_prepared_refuses(mortal: PostgresServer, caplog: pytest.LogCaptureFixture) -> None:
    url = mortal.new_database(f"bare-{time.monotonic_ns()}")
    with closing(new_index(url)) as index:
        assert reason(index) == "refused"
        with pytest.raises(IndexUnavailable):
            index.by_phone("15105553344")
    assert "UndefinedTable" in caplog.text
    assert "5105553344" not in caplog.text


def test_no_address_is_told(caplog: pytest.LogCaptureFixture) -> None:
    with closing(PostgresIndex("postgresql://somebody:secret@127.0.0.1:1/none", 1)) as index:
        assert reason(index) == "unreachable"
    assert "secret" not in caplog.text


# Accounts


def indexes_of(shared: Shared, *accounts: Account) -> list[WordIndex]:
    """The indexes of accounts, as their books open them. It works in a worker thread."""
    return [opened() for account in accounts if (opened := shared.index(account))]


async def test_an_account_has_the_same_number_for_everything(database: str) -> None:
    one, two = map(Account.of, ("fingerprint-a", "b"))

    def work() -> None:
        first, second = indexes_of(shared, one, two)
        first.upsert([JORDAN])
        assert (first.state.contacts, second.state.contacts) == (1, 0)

    async with Shared(Settings(database_url=database)) as shared:
        await in_thread(work)
        assert shared.database
        numbers = [await AccountNumber.of(shared.database, account).get() for account in (one, two)]
    with closing(PostgresIndex(database, numbers[0])) as index:
        assert index.rows([1001]) == [JORDAN]


async def test_of_two_accounts_that_turn_out_to_be_one_no_row_is_orphaned(database: str, tmp_path: Path) -> None:
    """A renewed credential. The mirror of one of the two is left, and is filled again if need be."""
    old, new = (Account(name, address="https://x", directory=tmp_path / name) for name in ("old", "new"))

    def filled() -> list[WordIndex]:
        for index in (indexes := indexes_of(shared, old, new)):
            index.begin_walk()
            index.upsert([JORDAN])
            index.remove([5])
        return indexes

    async with Shared(Settings(database_url=database)) as shared:
        indexes = await in_thread(filled)
        assert shared.database
        number = await AccountNumber.of(shared.database, old).get()
        assert number != await AccountNumber.of(shared.database, new).get()
        for account in (old, new):
            account.learn(7)
            assert await AccountNumber.of(shared.database, account).get() == number
        assert await in_thread(lambda: [index.rows([1001]) for index in indexes]) == [[JORDAN], [JORDAN]]
    with psycopg.connect(database) as plain:
        for table in TABLES:
            assert plain.execute(f"SELECT DISTINCT account FROM {table}".encode()).fetchall() in ([(number,)], []), (
                table
            )


# Mirrors


class Replica:
    """One of several servers on the sandbox, which share the index."""

    def __init__(self, book: Book, mirror: Mirror) -> None:
        self.book = replace(book, mirror=mirror)
        self.mirror = mirror

    async def has_some(self) -> bool:
        return (await self.mirror.known()).searched > 0

    async def has_all(self) -> bool:
        return (await self.mirror.ready(wait=ENOUGH)).complete


async def until(is_true: Callable[[], Awaitable[bool]]) -> None:
    with anyio.fail_after(ENOUGH):
        while not await is_true():  # noqa: ASYNC110 -- the database does not tell
            await anyio.sleep(0.02)


Start = Callable[[], AbstractAsyncContextManager[Replica]]


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with closing(open_sandbox(contacts=PEOPLE, behaviour=Behaviour(requests_per_minute=0))) as opened:
        yield opened


@pytest.fixture
def start(sandbox: Sandbox, tmp_path: Path, database: str) -> Start:
    """Starts another server."""
    clock, account = Clock(), "the account"

    @asynccontextmanager
    async def started() -> AsyncIterator[Replica]:
        lent: Any = Wire(sandbox)
        given = {"api_key": Credentials().api_key, "requests_per_minute": 100_000, "time_zone": "UTC", "index": "off"}
        settings = Settings.load(data_dir=tmp_path, **given)
        workspace = Workspace(settings, sandbox=lent, clock=clock)
        book = await workspace.book()
        db = SharedDatabase(database)
        mirror = Mirror(
            book.api,
            book.journal,
            path=None,
            clock=clock,
            open_index=lambda: PostgresIndex(database, AccountNumber.of(db, account).from_thread),
            filling_right=PostgresLocks(db, account).filling,
        )
        try:
            yield Replica(book, mirror)
        finally:
            await mirror.aclose()
            await workspace.aclose()
            await db.aclose()

    return started


def kinds(known: Known) -> list[str]:
    return [note.kind for note in known.notes]


async def test_one_server_fills_the_index_and_all_search_it(start: Start, sandbox: Sandbox) -> None:
    async with start() as one, start() as two:
        async with anyio.create_task_group() as both:
            both.start_soon(one.mirror.ready)
            both.start_soon(two.mirror.ready)
        known = [await each.mirror.ready(wait=ENOUGH) for each in (one, two)]
        assert [(each.complete, each.searched, each.notes) for each in known] == [(True, PEOPLE, ())] * 2
        assert len([each for each in sandbox.requests if each.operation == "list contacts"]) < PEOPLE
        person = next(each for each in sandbox.store.contacts() if each["first"] and each["last"])
        name = f"{person['first']} {person['last']}"
        found = [(await find(each.book, Filters(), query=name)).matched for each in (one, two)]
        assert found[0] == found[1] != []


async def test_a_write_of_one_server_is_found_by_another(start: Start, sandbox: Sandbox) -> None:
    async with start() as one, start() as two:
        await one.mirror.ready(wait=ENOUGH)
        person = next(each for each in sandbox.store.contacts() if each["first"] and each["phone"])
        await update_contact(one.book, Wanted(last="Quillfeather"), contact_id=person["id"])
        await one.mirror.finished()
        rows = await two.mirror.ask(lambda index: index.by_name(f"{person['first']} Quillfeather"))
        assert [row.id for row in rows] == [person["id"]]


async def test_another_server_goes_on_where_one_was_stopped(
    start: Start, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "PART", 1)
    async with start() as one:
        await one.mirror.ready()
        await until(one.has_some)
    async with start() as two:
        known = await two.mirror.known()
        sandbox.requests.clear()
        assert 0 < known.searched < PEOPLE
        assert (await two.mirror.ready(wait=ENOUGH)).complete


async def test_without_postgresql_a_search_says_so_and_recovers(start: Start, mortal: PostgresServer) -> None:
    async with start() as one:
        assert (await one.mirror.ready(wait=ENOUGH)).complete
        mortal.stop()
        known = await one.mirror.ready()
        assert (known.is_there, kinds(known)) == (False, ["index_unavailable"])
        found = await find(one.book, Filters(), query="a", limit=5)
        assert any("shared index of contacts cannot be used" in note for note in found.notes)
        assert found.matched, "the list is looked through instead"
        mortal.start()
        await until(one.has_all)
        known = await one.mirror.ready(wait=ENOUGH)
        assert (known.searched, known.notes) == (PEOPLE, ())


async def test_a_filling_that_postgresql_interrupted_goes_on(
    start: Start, mortal: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "PART", 1)
    async with start() as one:
        await one.mirror.ready()
        await until(one.has_some)
        mortal.stop()
        await one.mirror.finished()
        assert not (await one.mirror.known()).is_there
        mortal.start()
        await until(one.has_all)
