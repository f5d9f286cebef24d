"""PostgreSQL away, a server killed and a server frozen: nothing is sent twice, and nothing waits for long."""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest
from postgres_server import PostgresServer

from contacts_mcp.errors import AccountError, Refused
from contacts_mcp.state.imports import StoredRow, moved_on
from contacts_mcp.state.journal import Entry
from contacts_mcp.state.postgres import leases
from contacts_mcp.state.postgres.clock import ticks
from contacts_mcp.state.postgres.database import LEASE_LIFE, DatabaseAway, SharedDatabase
from contacts_mcp.state.postgres.imports import PostgresImports
from contacts_mcp.state.postgres.journal import PostgresJournal
from contacts_mcp.state.postgres.leases import LeaseLost, Leases
from contacts_mcp.state.postgres.locks import PostgresLocks
from contacts_mcp.state.postgres.owed import Owed

UPDATE = Entry(action="update", contact_id=7, before={"first": "Jo"}, wanted={"first": "Joe"})
LIFE = 2.0  # seconds of a lease in these tests
# Bounds between what is promised, a second or two, and what else would come to pass: ten seconds, and minutes.
ABOUT_A_SECOND = 2.5
SOON = 10.0

REPLICA = """
import sys, anyio
from dataclasses import replace
from contacts_mcp.state.journal import Entry
from contacts_mcp.state.postgres.database import SharedDatabase
from contacts_mcp.state.postgres.journal import PostgresJournal
from contacts_mcp.state.postgres.leases import LeaseLost, Leases
from contacts_mcp.state.postgres.locks import PostgresLocks

UPDATE = Entry(action="update", contact_id=7, before={"first": "Jo"}, wanted={"first": "Joe"})

async def main(url, account):
    db = SharedDatabase(url, lease_life=2.0)
    journal, locks = PostgresJournal(db, account), PostgresLocks(db, account)
    async with locks.contact(7), locks.plan(1):
        begun = await journal.begin(UPDATE)
        print(begun.change_id, flush=True)
        await anyio.to_thread.run_sync(sys.stdin.readline)
        print(locks.still_held(), flush=True)
        print(await journal.finish(replace(begun, state="done")), flush=True)
        try:
            await journal.begin(UPDATE)
        except LeaseLost:
            print("LeaseLost", flush=True)
    await db.aclose()

anyio.run(main, *sys.argv[1:])
"""


@pytest.fixture
async def replica(mortal: PostgresServer) -> AsyncIterator[SharedDatabase]:
    db = SharedDatabase(mortal.url())
    await db.open()
    yield db
    await db.aclose()


async def in_seconds(work: Callable[[], Awaitable[Any]]) -> float:
    """How long it takes to be refused."""
    start = time.monotonic()
    with pytest.raises(DatabaseAway) as told:
        await work()
    assert "Nothing was changed" in str(told.value)
    assert "127.0.0.1" not in str(told.value)
    return time.monotonic() - start


async def connected(db: SharedDatabase) -> None:
    """Make connections for all questions of a test, because a new one is not frozen."""
    everybody = asyncio.Barrier(8)
    await asyncio.gather(*(db.run(lambda _: everybody.wait(), patience=20) for _ in range(everybody.parties)))


async def back(db: SharedDatabase) -> None:
    """Soon the database answers again."""
    with anyio.fail_after(SOON):
        while not await db.is_up():  # noqa: ASYNC110 -- nothing here tells of it
            await anyio.sleep(0.05)


@pytest.mark.parametrize("way", ["stopped", "frozen"])
async def test_while_it_is_away_every_question_is_refused_within_about_a_second(
    mortal: PostgresServer, replica: SharedDatabase, account: str, way: str
) -> None:
    journal, locks = PostgresJournal(replica, account), PostgresLocks(replica, account)
    imports = PostgresImports(replica, account)

    async def take() -> None:
        async with locks.contact(8):
            pass

    async with locks.contact(7), locks.contact(9):
        begun = await journal.begin(UPDATE)
        await journal.purge()  # which begins beside that, and an answer to it would be no silence
        await connected(replica)
        (mortal.stop if way == "stopped" else mortal.freeze)()
        questions = lambda: journal.begin(replace(UPDATE, contact_id=9)), journal.entries, take
        waits = await asyncio.gather(*map(in_seconds, questions))
        assert max(*waits, await in_seconds(lambda: imports.plan(1))) < ABOUT_A_SECOND
        assert await in_seconds(journal.entries) < 0.5, "one call would wait for the same several times"
        await anyio.sleep(1.0)
        start = time.monotonic()
        assert not await journal.finish(replace(begun, state="done")), "it never fails"
        assert await journal.recent() == []
        assert not await replica.is_up()
        assert time.monotonic() - start < ABOUT_A_SECOND
    if way == "stopped":
        mortal.start()
    else:
        mortal.thaw()
    await back(replica)
    await with_nothing_left(mortal, account)
    found = await journal.get(begun.change_id)
    assert found is not None
    assert found.state == "done", "what was seen is written down without another call"
    assert (await journal.begin(UPDATE)).change_id


async def test_a_question_that_is_carried_out_long_after_it_was_given_up_leaves_nothing_behind(
    mortal: PostgresServer, replica: SharedDatabase, account: str
) -> None:
    journal, locks = PostgresJournal(replica, account), PostgresLocks(replica, account)

    async def take() -> None:
        async with locks.contact(8):
            pass

    await connected(replica)
    async with locks.contact(7):
        with mortal.frozen_connections():  # new connections are answered, and so all that is owed is paid
            await asyncio.gather(in_seconds(lambda: journal.begin(UPDATE)), in_seconds(take))
            await back(replica)
            with anyio.fail_after(SOON):
                while Owed.of(replica)._debts:  # noqa: ASYNC110 -- nothing here tells of it
                    await anyio.sleep(0.05)
        assert not locks.still_held(), "what was begun under it may be there, and was called off"
        with pytest.raises(LeaseLost):
            await journal.begin(UPDATE)
    await with_nothing_left(mortal, account)
    assert [entry.state for entry in await journal.entries()] in ([], ["not_done"])


async def test_a_run_that_another_server_took_over_is_written_to_by_that_one_alone(
    mortal: PostgresServer, replica: SharedDatabase, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither by what stood still in PostgreSQL meanwhile, nor by a server that stood still itself and goes on."""
    monkeypatch.setattr("contacts_mcp.state.postgres.imports.PATIENCE_FOR_MANY", 0.3)
    other = SharedDatabase(mortal.url())
    imports, theirs = PostgresImports(replica, account), PostgresImports(other, account)
    plan = await imports.begin("file", {}, {})
    rows = [StoredRow(row=number, line=number, phone="", decision="new", state="planned") for number in (1, 2)]
    await imports.add(plan, rows)
    done = [moved_on(row, "done") for row in rows]
    writes: list[Callable[[], Awaitable[None]]] = [
        lambda: imports.save(plan, [moved_on(rows[0], "sending", sent_at=1.0)]),
        lambda: imports.set(plan, state="stopped"),
        lambda: imports.finish(plan),
    ]
    await connected(replica)
    async with PostgresLocks(replica, account).plan(plan) as is_ours:
        assert is_ours
        await imports.set(plan, state="running", asked=0)
        with mortal.frozen_connections():
            await asyncio.gather(*map(in_seconds, writes))
            await other.execute("UPDATE lease SET until = clock_timestamp()")  # forty seconds later
            async with PostgresLocks(other, account).plan(plan) as is_theirs:
                assert is_theirs
                await theirs.save(plan, done)
        await back(replica)
        for write in writes:
            with pytest.raises(LeaseLost):
                await write()
        await theirs.set(plan, asked=1)  # anybody may stop a run
    found = await theirs.plan(plan)
    assert found is not None
    assert (found.state, found.asked, await theirs.rows(plan)) == ("running", True, done)
    await other.aclose()


async def with_nothing_left(server: PostgresServer, account: str) -> None:
    """Soon no change is open and no contact is held, though some questions were heard that nobody waited for."""
    other = SharedDatabase(server.url())
    with anyio.fail_after(LEASE_LIFE / 2):  # so no lease ended by itself
        for contact_id in (7, 8, 9):
            async with PostgresLocks(other, account).contact(contact_id):
                pass
        while await PostgresJournal(other, account).unfinished():  # noqa: ASYNC110 -- nothing here tells of it
            await anyio.sleep(0.05)
    await other.aclose()


async def test_an_outage_of_any_length_is_over_soon_after_its_end(
    mortal: PostgresServer, replica: SharedDatabase
) -> None:
    mortal.stop()
    with anyio.move_on_after(4):
        while True:
            assert not await replica.is_up()
            await anyio.sleep(0.1)
    mortal.start()
    await back(replica)


async def test_an_outcome_that_met_a_crash_is_written_and_its_lease_given_back_once_postgresql_is_there(
    mortal: PostgresServer, replica: SharedDatabase, account: str
) -> None:
    """Long before the lease ends. PostgreSQL goes between the sending and the outcome."""
    journal, locks = PostgresJournal(replica, account), PostgresLocks(replica, account)
    other = SharedDatabase(mortal.url())
    theirs, their_locks = PostgresJournal(other, account), PostgresLocks(other, account)
    async with locks.contact(7), locks.plan(1):
        begun = await journal.begin(UPDATE)
        mortal.stop()
        assert not await journal.finish(journal.given_up(begun))
        assert not await journal.finish(replace(begun, state="done"))
    mortal.start()
    await back(other)
    with anyio.fail_after(LEASE_LIFE / 2):
        async with their_locks.contact(7), their_locks.plan(1) as is_free:
            assert is_free
            assert [(one.state, one.unanswered) for one in await theirs.entries()] == [("done", False)]
    await other.aclose()


async def test_an_outcome_that_comes_late_leaves_what_the_next_holder_found_out(
    mortal: PostgresServer, replica: SharedDatabase, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("contacts_mcp.state.postgres.owed._PAUSE", 60.0)
    journal, locks = PostgresJournal(replica, account), PostgresLocks(replica, account)
    other = SharedDatabase(mortal.url())
    theirs, their_locks = PostgresJournal(other, account), PostgresLocks(other, account)
    async with locks.contact(7):
        begun = await journal.begin(UPDATE)
        mortal.stop()
        assert not await journal.finish(replace(begun, state="unknown"))
    mortal.start()
    await back(other)
    async with their_locks.if_free(7, "") as is_held:
        assert not is_held, "the first holder may live, and its lease has not ended"
    await other.execute("UPDATE lease SET until = clock_timestamp()")  # forty seconds later
    async with their_locks.if_free(7, "") as is_held:
        assert is_held
        assert await theirs.finish(replace(begun, state="done", after={"first": "Joe"}))
        await back(replica)
        await Owed.of(replica).pay()
        async with locks.if_free(7, "") as is_ours:
            assert not is_ours, "the lease of the next holder is its own"
    assert [entry.state for entry in await journal.entries()] == ["done"]
    await other.aclose()


async def test_a_server_that_ends_writes_first_what_it_still_owes(mortal: PostgresServer, account: str) -> None:
    db = SharedDatabase(mortal.url())
    journal, locks = PostgresJournal(db, account), PostgresLocks(db, account)
    async with locks.contact(7):
        begun = await journal.begin(UPDATE)
        mortal.stop()
        assert not await journal.finish(replace(begun, state="done"))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(anyio.to_thread.run_sync, mortal.start)
            await db.aclose()
    other = SharedDatabase(mortal.url())
    assert [entry.state for entry in await PostgresJournal(other, account).entries()] == ["done"]
    async with PostgresLocks(other, account).if_free(7, "") as is_free:
        assert is_free
    await other.aclose()


async def test_a_server_that_ends_without_postgresql_is_not_kept_for_long(
    mortal: PostgresServer, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more is kept than there is room for, the newest first, and only for its time."""
    monkeypatch.setattr("contacts_mcp.state.postgres.owed.OWED_AT_MOST", 2)
    monkeypatch.setattr("contacts_mcp.state.postgres.owed.AT_THE_END", 1.2)
    db, paid = SharedDatabase(mortal.url()), list[int]()
    owed = Owed.of(db)

    async def pay(number: int) -> None:
        paid.append(number)
        if number == 3:
            raise DatabaseAway("stopped")

    for number, seconds in enumerate((9.0, -1.0, 9.0, 9.0)):
        owed.add(number, partial(pay, number), until=ticks() + seconds)
    owed.add(2, partial(pay, 2), until=ticks() + 9.0)
    start = time.monotonic()
    await db.aclose()
    assert 1 < time.monotonic() - start < 6
    assert {*paid} == {3}, "what is newer is kept, and paid after it"


async def test_two_seconds_of_lease_are_extended_while_they_are_held(postgres: str, account: str) -> None:
    one, other = SharedDatabase(postgres, lease_life=LIFE), SharedDatabase(postgres, lease_life=LIFE)
    locks, theirs = PostgresLocks(one, account), PostgresLocks(other, account)
    async with locks.contact(7):
        for _ in range(3):
            await anyio.sleep(LIFE / 2.2)
            assert locks.still_held()
            async with theirs.if_free(7, "") as is_held:
                assert not is_held
    await one.aclose()
    await other.aclose()


@pytest.mark.parametrize("lives", [True, False], ids=["alive", "dead"])
async def test_a_holder_that_gives_no_sign_of_life_is_not_waited_for(
    postgres: str, db: SharedDatabase, account: str, monkeypatch: pytest.MonkeyPatch, *, lives: bool
) -> None:
    monkeypatch.setattr(leases, "_EXTEND_EVERY", 0.2)
    monkeypatch.setattr(leases, "_LOOK_EVERY", 0.05)
    one, locks = SharedDatabase(postgres), PostgresLocks(db, account)
    said: list[str] = []

    async def wait() -> None:
        try:
            async with locks.phones("15105550100"), locks.contact(7):
                said.append("held")
        except Refused as refused:
            said.append(str(refused))

    async with anyio.create_task_group() as tasks, PostgresLocks(one, account).contact(7):
        if not lives:
            monkeypatch.setattr(Leases, "extend", lambda _: anyio.sleep_forever())
        tasks.start_soon(wait)
        await anyio.sleep(1.2)
    if lives:
        assert said == ["held"]
    else:
        assert re.search("no sign of life.*in 3[89] seconds", said[0])
    async with PostgresLocks(one, account).phones("15105550100"):  # which the one that was refused gave back
        pass
    await one.aclose()


@pytest.fixture
def child(postgres: str, account: str) -> Any:
    process = subprocess.Popen(
        [sys.executable, "-c", REPLICA, postgres, account], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    yield process
    process.kill()
    process.communicate()


async def test_what_a_killed_server_held_is_free_after_its_lease(db: SharedDatabase, account: str, child: Any) -> None:
    journal, locks = PostgresJournal(db, account), PostgresLocks(db, account)
    change_id = int(await asyncio.to_thread(child.stdout.readline))
    async with locks.plan(1) as is_ours:
        assert not is_ours, "its run is not over"
    child.kill()
    start = time.monotonic()
    with anyio.fail_after(LIFE + SOON):
        async with locks.contact(7), locks.plan(1) as is_ours:
            assert is_ours, "the run is taken over"
            assert time.monotonic() - start > 0.5
            (left,) = await journal.unfinished()
            assert left.change_id == change_id
            assert journal.may_still_arrive(left), "the next writer waits for it"
            assert await locks.last_write(7) > start, "a read from before may be stale"


async def test_a_server_that_was_frozen_past_its_lease_sends_nothing_and_writes_no_outcome(
    db: SharedDatabase, account: str, child: Any
) -> None:
    journal, locks = PostgresJournal(db, account), PostgresLocks(db, account)
    change_id = int(await asyncio.to_thread(child.stdout.readline))
    child.send_signal(signal.SIGSTOP)
    async with locks.contact(7):
        begun = await journal.get(change_id)
        assert begun is not None
        assert await journal.finish(replace(begun, state="unknown", rev_after=3))
        child.send_signal(signal.SIGCONT)
        child.stdin.write("go\n")
        child.stdin.flush()
        said = (await asyncio.to_thread(child.communicate))[0].split()
        assert said == ["False", "False", "LeaseLost"]
        found = await journal.get(change_id)
        assert found is not None
        assert (found.state, found.rev_after) == ("unknown", 3)
        assert (await journal.begin(UPDATE)).change_id > change_id
    assert locks.still_held()


async def test_a_late_outcome_is_written_where_nobody_took_over(db: SharedDatabase, account: str) -> None:
    journal, locks = PostgresJournal(db, account), PostgresLocks(db, account)
    async with locks.contact(7):
        begun = await journal.begin(UPDATE)
        await db.execute("UPDATE lease SET until = clock_timestamp()")
        assert await journal.finish(replace(begun, state="done"))
        with pytest.raises(LeaseLost):
            await journal.begin(UPDATE)


async def test_somebody_who_looks_leaves_an_entry_to_its_living_holder(
    postgres: str, db: SharedDatabase, account: str
) -> None:
    other = SharedDatabase(postgres)
    journal, locks, theirs = PostgresJournal(db, account), PostgresLocks(db, account), PostgresJournal(other, account)
    async with locks.contact(7):
        begun = await journal.begin(UPDATE)
        assert not await theirs.finish(replace(begun, state="unknown"))
        assert await journal.finish(replace(begun, state="done"))
    assert await theirs.finish(replace(begun, state="done", looked=5.0))
    await other.aclose()


async def test_of_three_hundred_takers_of_one_contact_and_one_token_one_wins(postgres: str, account: str) -> None:
    replicas = [SharedDatabase(postgres) for _ in range(3)]
    winners: list[Entry] = []

    async def take(db: SharedDatabase) -> None:
        journal, locks = PostgresJournal(db, account), PostgresLocks(db, account)
        async with locks.if_free(7, "") as is_held:
            if is_held and await journal.spend_token("digest"):
                winners.append(await journal.begin(replace(UPDATE, token="digest")))
        if not is_held and await journal.spend_token("digest"):
            winners.append(UPDATE)

    async with anyio.create_task_group() as tasks:
        for number in range(300):
            tasks.start_soon(take, replicas[number % 3])
    assert len(winners) == 1
    for db in replicas:
        await db.aclose()


async def test_a_token_that_another_server_used_begins_nothing(postgres: str, db: SharedDatabase, account: str) -> None:
    """Also where the first use was lost with PostgreSQL, and both were told that they may."""
    other = SharedDatabase(postgres)
    journal, theirs = PostgresJournal(db, account), PostgresJournal(other, account)
    assert await theirs.spend_token("digest")
    with pytest.raises(Refused, match="used already"):
        await journal.begin(replace(UPDATE, token="digest"))
    assert await journal.entries() == []
    assert (await theirs.begin(replace(UPDATE, token="digest"))).change_id
    await other.aclose()


async def test_no_error_and_no_log_tells_the_address(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    for url in (
        "postgresql://ada:planted-secret@127.0.0.1:1/planted-name",
        "postgresql://ada:planted-secret@127.0.0.1:port/planted-name",
        "host=127.0.0.1 port=1 password=planted-secret nonsense",
    ):
        with pytest.raises(AccountError) as told:
            await SharedDatabase(url).open()
        assert "planted" not in str(told.value)
        assert "planted" not in caplog.text
        assert told.value.__cause__ is None


async def test_the_log_says_why_it_cannot_be_reached(empty_database: str, caplog: pytest.LogCaptureFixture) -> None:
    db = SharedDatabase(re.sub(r"own-\d+", "planted-name", empty_database))
    with pytest.raises(AccountError):
        await db.open()
    with anyio.fail_after(SOON):
        while "cannot be reached: there is no such database" not in caplog.text:  # noqa: ASYNC110 -- a thread says it
            await anyio.sleep(0.05)
    assert "planted" not in caplog.text
    assert not await db.is_up()
    await anyio.sleep(0.2)
    assert caplog.text.count("cannot be reached") == 1, "a line a second would hide others"
    await db.aclose()


async def test_one_that_takes_no_writes_is_not_up(replica: SharedDatabase, caplog: pytest.LogCaptureFixture) -> None:
    """A provider makes it so where the disk is full, and a failover may leave one so. No connection ends."""
    try:
        await replica.execute("ALTER SYSTEM SET default_transaction_read_only = on")
        await replica.execute("SELECT pg_reload_conf()")
        with anyio.fail_after(SOON):
            while await replica.is_up():  # noqa: ASYNC110 -- nothing here tells of it
                await anyio.sleep(0.02)
            while "cannot be reached: it takes no writes" not in caplog.text:  # noqa: ASYNC110 -- a thread says it
                await anyio.sleep(0.02)
    finally:
        await replica.execute("ALTER SYSTEM RESET default_transaction_read_only")
        await replica.execute("SELECT pg_reload_conf()")
    await back(replica)
    assert "does not answer" not in caplog.text


async def test_of_two_servers_that_find_a_lease_free_at_the_same_moment_one_gets_it(
    postgres: str, db: SharedDatabase, account: str
) -> None:
    """Both have looked, and both wait for the row, which a third one has in its hands."""
    locks, other = PostgresLocks(db, account), SharedDatabase(postgres)
    async with locks.contact(7):
        pass
    held = 0

    async def take(mine: PostgresLocks) -> None:
        nonlocal held
        async with mine.if_free(7, "") as is_held:
            held += is_held
            await anyio.sleep(0.5)

    async with await psycopg.AsyncConnection.connect(postgres) as third, anyio.create_task_group() as tasks:
        await PostgresLocks(other, account).last_write(7)  # so that it is connected
        await third.execute("SELECT 1 FROM lease FOR UPDATE")
        for mine in (locks, PostgresLocks(other, account)):
            tasks.start_soon(take, mine)
        await anyio.sleep(0.3)
        await third.commit()
    assert held == 1
    await other.aclose()
