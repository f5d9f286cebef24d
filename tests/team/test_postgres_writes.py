"""The real chain over shared state: two servers with one account, whose data directories have nothing in common."""

from __future__ import annotations

import random
import re
import time
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import anyio
import httpx
import pytest
from postgres_server import PostgresServer
from support import OpenSession, Session

from contacts_mcp.book.book import Book
from contacts_mcp.book.confirmations import digest_of
from contacts_mcp.book.transfer.confirming import named
from contacts_mcp.book.transfer.running import close, run
from contacts_mcp.book.transfer.undoing import begin_undo, plan_undo
from contacts_mcp.book.values import values_of
from contacts_mcp.book.writing.plan import Circumstances, deletion_of, update_of
from contacts_mcp.book.writing.write import LOOK_DELAYS, circumstances
from contacts_mcp.sandbox import Fault, Lag
from contacts_mcp.state.imports import StoredPlan
from contacts_mcp.state.journal import IN_FLIGHT, Entry
from contacts_mcp.state.postgres.database import SharedDatabase
from contacts_mcp.state.postgres.imports import PostgresImports
from contacts_mcp.state.postgres.journal import PostgresJournal
from contacts_mcp.state.postgres.locks import PostgresLocks

WRITES = {"create_contact", "update_contact", "delete_contact", "write_contacts"}
ADA = "+15105550100"


async def share(session: Session, db: SharedDatabase, account: str) -> Book:
    """Let the session's server keep its state in the database."""
    book = await session.workspace.book()
    journal = PostgresJournal(db, account)
    setattr(book.mirror, "_journal", journal)  # noqa: B010 -- the protocol does not show it
    shared = replace(book, journal=journal, locks=PostgresLocks(db, account), imports=PostgresImports(db, account))
    session.workspace._book = shared
    return shared


@asynccontextmanager
async def two_servers(open_session: OpenSession, url: str, account: str, **life: float) -> AsyncIterator[list[Session]]:
    """Two servers, each with connections of its own, and one sandbox behind both."""
    databases = SharedDatabase(url, **life), SharedDatabase(url, **life)
    try:
        async with open_session() as one, open_session(sandbox=one.sandbox) as other:
            for session, db in zip((one, other), databases, strict=True):
                await share(session, db, account)
            yield [one, other]
    finally:
        for db in databases:
            await db.aclose()


@pytest.fixture
async def servers(open_session: OpenSession, postgres: str, account: str) -> AsyncIterator[list[Session]]:
    async with two_servers(open_session, postgres, account) as opened:
        yield opened


async def test_creates_of_one_phone_on_two_servers_at_once_make_one_contact(servers: list[Session]) -> None:
    answers: list[str] = []

    async def create(session: Session, number: int) -> None:
        facts = await session.ok("create_contact", phone="+15105553344", first=f"Jo {number}")
        answers.append(facts["status"])

    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(create, servers[number % 2], number)
    assert sorted(answers) == ["created"] + ["exists"] * 7
    contacts = servers[0].sandbox.store.contacts()
    assert len([one for one in contacts if one["phone"] == "15105553344"]) == 1


async def test_updates_of_one_contact_on_two_servers_at_once_all_count(servers: list[Session]) -> None:
    """None of the tags is lost, although a PUT replaces them all."""
    async with anyio.create_task_group() as tasks:
        for session, tag in zip(servers * 2, ["Lead", "Newsletter", "Past Due", "Supplier"], strict=True):
            tasks.start_soon(session.client.call_tool, "update_contact", {"phone": ADA, "add_tags": [tag]})
    assert servers[0].sandbox.store.contact(1001)["tags"] == [101, 102, 103, 104, 105]


async def test_one_server_takes_back_the_change_of_another_once(servers: list[Session]) -> None:
    one, other = servers
    before = one.sandbox.store.contact(1001)["first"]
    done = await one.ok("update_contact", contact_id=1001, first="Grace")
    (told,) = (await other.ok("list_changes"))["changes"]
    assert told["change_id"] == done["change_id"]
    statuses: list[str] = []

    async def undo(session: Session) -> None:
        statuses.append((await session.ok("undo_change", change_id=done["change_id"]))["status"])

    async with anyio.create_task_group() as tasks:
        for session in servers * 2:
            tasks.start_soon(undo, session)
    assert sorted(statuses) == ["unchanged"] * 3 + ["undone"]
    assert one.sandbox.store.contact(1001)["first"] == before


async def test_one_confirmation_that_two_servers_get_at_once_allows_one_deletion(servers: list[Session]) -> None:
    asked = await servers[0].ok("delete_contact", contact_id=1001)
    answers: list[Any] = []

    async def delete(session: Session) -> None:
        answers.append(await session.call("delete_contact", contact_id=1001, confirm_token=asked["confirm_token"]))

    async with anyio.create_task_group() as tasks:
        for session in servers * 3:
            tasks.start_soon(delete, session)
    deletions = [
        entry
        for entry in (await servers[1].ok("list_changes", contact_id=1001))["changes"]
        if entry["action"] == "delete"
    ]
    assert len(deletions) == 1
    assert servers[0].sandbox.store.contact(1001) is None


async def test_an_import_runs_on_one_server_and_is_taken_back_on_another(servers: list[Session]) -> None:
    one, other = servers
    text = "Phone,First\n" + "\n".join(f"+1510555{number:04},Jo" for number in range(4000, 4030))
    planned = await one.ok("import_contacts", text=text)
    count = len(one.sandbox.store.contacts())
    await finished(one, planned["plan"], planned["confirm_token"])
    assert len(one.sandbox.store.contacts()) == count + 30
    (run,) = (await other.ok("list_changes"))["changes"]
    undo = await other.ok("undo_change", change_id=run["change_id"])
    done = await other.ok("undo_change", change_id=run["change_id"], confirm_token=undo["confirm_token"])
    while done["status"] == "running":
        done = await other.ok("import_status", plan=undo["plan"])
        await anyio.sleep(0.05)
    assert len(one.sandbox.store.contacts()) == count


async def finished(session: Session, plan: int, token: str) -> None:
    facts = await session.ok("import_contacts", plan=plan, confirm_token=token)
    with anyio.fail_after(30):
        while facts["status"] == "running":
            await anyio.sleep(0.05)
            facts = await session.ok("import_status", plan=plan)
    assert facts["status"] == "done", facts


async def slowly(request: httpx.Request) -> None:
    """A look is old when its write goes out."""
    await anyio.sleep(0.1 if request.method == "PUT" else 0)


async def test_rows_of_runs_and_single_changes_on_two_servers_take_nothing_back(servers: list[Session]) -> None:
    """Runs and calls write to the same contacts and the same new phones at once, on both servers."""
    one, other = servers
    ids, phones = range(1001, 1013), [f"1510555{number}" for number in range(4400, 4412)]
    told: list[dict[str, Any]] = []
    table = "Phone,First\n" + "\n".join(f"+{phone},Jo" for phone in phones)
    runs = [
        (one, "import_contacts", await one.ok("import_contacts", text=table)),
        (other, "update_contacts", await other.ok("update_contacts", contact_ids=[*ids], custom_fields={"Plan": "P"})),
    ]
    gone = await one.ok("delete_contact", contact_id=ids[-1])

    one.wire.before = other.wire.before = slowly

    async def call(session: Session, tool: str, **arguments: Any) -> None:
        await anyio.sleep(0 if "plan" in arguments else random.uniform(0, 0.7))
        told.append(arguments | ((await session.call(tool, **arguments)).structured_content or {}))

    async with anyio.create_task_group() as tasks:

        def start(session: Session, tool: str, **arguments: Any) -> None:
            tasks.start_soon(partial(call, session, tool, **arguments))

        for session, tool, planned in runs:
            start(session, tool, plan=planned["plan"], confirm_token=planned["confirm_token"])
        for number, (contact_id, phone) in enumerate(zip(ids[:-2:2], phones[::2], strict=False)):
            start(servers[number % 2], "update_contact", contact_id=contact_id, last=f"L{contact_id}")
            start(servers[number % 2], "create_contact", phone=f"+{phone}", last="Quill", if_exists="fill")
        start(other, "update_contact", contact_id=ids[-2], new_phone=f"+{phones[-1]}", last="Moved")
        start(one, "delete_contact", contact_id=ids[-1], confirm_token=gone["confirm_token"])
    people = {contact["id"]: contact for contact in one.sandbox.store.contacts()}
    there = [contact["phone"] for contact in people.values()]
    assert len(there) == len({*there})
    assert {*phones} <= {*there}
    lasts = lasts_of(told)
    assert lasts
    assert lasts == {contact_id: people[contact_id]["last"] for contact_id in lasts}
    outcomes = (await other.ok("import_status", plan=runs[1][2]["plan"]))["outcomes"]
    assert outcomes["done"] == sum(contact["custom"].get("31") == "P" for contact in people.values())
    assert sum(outcomes.values()) == len(ids)


def lasts_of(told: list[dict[str, Any]]) -> dict[int, str]:
    """Contact -> the last name that a call says it wrote."""
    return {facts["contact"]["contact_id"]: facts["last"] for facts in told if facts.get("status") == "updated"}


async def test_a_plan_that_two_servers_get_with_one_confirmation_runs_once(servers: list[Session]) -> None:
    one, other = servers
    before = len(one.sandbox.store.contacts())
    text = "Phone,First\n" + "\n".join(f"+1510555{number:04},Jo" for number in range(4300, 4310))
    planned = await one.ok("import_contacts", text=text)
    arguments = {"plan": planned["plan"], "confirm_token": planned["confirm_token"]}
    told: list[Any] = []

    async def confirm(session: Session) -> None:
        told.append((await session.call("import_contacts", **arguments)).structured_content)

    async with anyio.create_task_group() as tasks:
        for session in servers:
            tasks.start_soon(confirm, session)
    said = {facts.get("kind") or facts["status"] for facts in told}
    assert said <= {"done", "running", "runs_already", "plan_done", "needs_confirmation"}, told
    with anyio.fail_after(30):
        facts = told[0]
        while facts.get("status") != "done":
            await anyio.sleep(0.05)
            facts = await other.ok("import_status", plan=planned["plan"])
    assert len(one.sandbox.store.contacts()) == before + 10


async def begun(session: Session, numbers: range) -> tuple[Book, StoredPlan, int]:
    """A run of one server that stopped on its way, as it is then, and its change."""
    text = "Phone,First\n" + "\n".join(f"+1510555{number:04},Jo" for number in numbers)
    planned = await session.ok("import_contacts", text=text)
    book = await session.workspace.book()
    asked = iter([False, False, True])
    stopped = await run(book, await named(book, planned["plan"]), is_time_over=lambda: next(asked))
    assert stopped.state == "stopped"
    assert stopped.change_id
    return book, stopped, stopped.change_id


async def test_a_run_that_was_ended_or_stopped_elsewhere_does_not_go_on(servers: list[Session]) -> None:
    """Somebody's call to go on was permitted just before."""
    one, other = servers
    book, stopped, change_id = await begun(one, range(4100, 4110))
    theirs = await other.workspace.book()
    await theirs.imports.set(stopped.plan, asked=1)
    before = len(one.sandbox.store.contacts())
    assert (await run(book, stopped)).state == "stopped"
    await other.ok("undo_change", change_id=change_id)  # ends the run, and shows what would be taken back
    assert (await run(book, replace(stopped, asked=True))).state == "done"
    assert len(one.sandbox.store.contacts()) == before
    assert (await book.imports.states(stopped.plan))["planned"] > 0, "its other rows are left as they are"


async def undo_of(session: Session, change_id: int) -> StoredPlan:
    """A plan that takes a run back, and is not carried out yet."""
    book = await session.workspace.book()
    parent = await book.journal.get(change_id)
    assert parent
    return await plan_undo(book, await begin_undo(book, parent), parent)


async def test_two_servers_that_take_one_run_back_at_once_do_it_once(servers: list[Session]) -> None:
    """Each has a plan of its own, because both asked before one of them ran. So it is with taking that back."""
    one, _ = servers
    before = len(one.sandbox.store.contacts())
    book, _, change_id = await begun(one, range(4200, 4230))
    there = len(one.sandbox.store.contacts())
    parent = await book.journal.get(change_id)
    assert parent
    await close(book, parent)
    changes = [change_id]
    for left in (before, there):
        plans = [(session, number) for session in servers for number in changes]
        async with anyio.create_task_group() as tasks:
            ready = [(await session.workspace.book(), await undo_of(session, number)) for session, number in plans]
            for theirs, plan in ready:
                tasks.start_soon(run, theirs, plan)
        phones = [contact["phone"] for contact in one.sandbox.store.contacts()]
        assert len(phones) == len({*phones}) == left
        done = [await book.imports.plan(plan.plan) for _, plan in ready]
        changes = [plan.change_id for plan in done if plan and plan.change_id]
    assert one.operations.count("delete_contact") == there - before


async def test_a_row_of_a_run_that_waited_for_its_turn_may_arrive_for_as_long_as_any(
    servers: list[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a server that takes over from a dead one would say too early that it was not carried out."""
    monkeypatch.setattr("contacts_mcp.book.transfer.running._IN_LINE", 0.0)
    one, other = servers
    journal = (await other.workspace.book()).journal
    left: list[float] = []

    async def looked(request: httpx.Request) -> None:
        if request.method == "PUT":
            (entry,) = await journal.unfinished()
            assert entry.uptime is not None
            left.append(entry.uptime - entry.at)

    one.wire.before = looked
    plan = await one.ok("update_contacts", contact_ids=[1001], custom_fields={"Plan": "Silver"})
    facts = await one.ok("update_contacts", plan=plan["plan"], confirm_token=plan["confirm_token"])
    assert facts["status"] == "done", facts
    assert left
    assert all(seconds > 0 for seconds in left), "the entry is as young as the request, not as the chunk"


# PostgreSQL away


async def test_while_postgresql_is_away_reads_work_and_writes_are_refused_before_anything_is_sent(
    open_session: OpenSession, mortal: PostgresServer, account: str
) -> None:
    async with two_servers(open_session, mortal.url(), account) as (session, _):
        await session.ok("update_contact", contact_id=1001, first="Grace")
        mortal.stop()
        start = time.monotonic()
        for tool, arguments in (
            ("update_contact", {"contact_id": 1001, "first": "Ada"}),
            ("create_contact", {"phone": "+12125550142"}),
            ("delete_contact", {"contact_id": 1001}),
        ):
            said = await session.refused(tool, **arguments)
            assert "the database that this server shares with others cannot be reached" in said
            assert not WRITES & {*session.operations}
        assert time.monotonic() - start < 4
        assert "Grace" in await session.text("lookup_contact", contact_id=1001)
        assert "1001" in await session.text("list_contacts")
        mortal.start()
        await anyio.sleep(1.1)
        await session.ok("update_contact", contact_id=1001, first="Ada")


async def test_a_write_whose_outcome_met_a_crash_is_told_and_keeps_no_other_server_waiting(
    open_session: OpenSession, mortal: PostgresServer, account: str
) -> None:
    async with two_servers(open_session, mortal.url(), account) as (one, other):

        async def crash(request: httpx.Request) -> None:
            if request.method == "PUT":
                one.wire.before = None
                mortal.stop()

        await other.ok("list_changes")
        one.wire.before = crash
        done = await one.ok("update_contact", contact_id=1001, first="Grace")
        assert one.operations.count("update_contact") == 1
        assert one.sandbox.store.contact(1001)["first"] == "Grace"
        mortal.start()
        await anyio.sleep(1.1)  # in which the other one asks nobody, because it was refused just now
        with anyio.fail_after(5):
            facts = await other.ok("update_contact", contact_id=1001, last="Quill")
        assert facts["status"] == "updated"
        told = (await other.ok("list_changes"))["changes"]
        assert [(change["change_id"], change["state"]) for change in told][1:] == [(done["change_id"], "done")]
        await other.ok("undo_change", change_id=done["change_id"])


async def test_a_write_without_an_answer_that_loses_postgresql_does_not_say_that_nothing_was_changed(
    open_session: OpenSession, mortal: PostgresServer, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes between the looks and the decision about a second copy."""
    async with two_servers(open_session, mortal.url(), account) as (session, _):
        asked = 0

        async def crashing(*args: Any, **given: Any) -> Circumstances:
            nonlocal asked
            asked += 1
            if asked == len(LOOK_DELAYS) + 1:
                mortal.stop()
            return await circumstances(*args, **given)

        monkeypatch.setattr("contacts_mcp.book.writing.write.circumstances", crashing)
        session.sandbox.faults.add(Fault("update_contact", kind="drop_before", late=5))
        said = await session.refused("update_contact", contact_id=1001, first="Zoe")
        assert asked > len(LOOK_DELAYS)
        assert "may or may not have been carried out" in said
        assert session.operations.count("update_contact") == 1
        mortal.start()


async def test_an_import_that_loses_postgresql_on_its_way_does_not_say_that_nothing_was_changed(
    open_session: OpenSession, mortal: PostgresServer, account: str
) -> None:
    async with two_servers(open_session, mortal.url(), account, lease_life=2.0) as (one, other):

        async def crash(request: httpx.Request) -> None:
            if request.url.path == "/v1/batch/contacts":
                one.wire.before = None
                mortal.stop()

        table = "phone,first\n" + "".join(f"+1212555{number:04},Jo\n" for number in range(20, 30))
        plan = await one.ok("import_contacts", text=table)
        one.wire.before = crash
        said = await one.refused("import_contacts", plan=plan["plan"], confirm_token=plan["confirm_token"])
        assert any(contact["phone"] == "12125550020" for contact in one.sandbox.store.contacts())
        assert "Some of its rows may have been carried out" in said
        assert f"import_status(plan={plan['plan']})" in said
        assert "Nothing was changed" not in said
        mortal.start()
        await anyio.sleep(2.5)
        told = await other.ok("import_status", plan=plan["plan"])
        assert told["status"] == "stopped"


async def test_a_merge_that_loses_postgresql_on_its_way_does_not_say_that_nothing_was_changed(
    open_session: OpenSession, mortal: PostgresServer, account: str
) -> None:
    async with two_servers(open_session, mortal.url(), account) as (session, _):
        other = (await session.ok("create_contact", phone="+12125550177", email="jo@example.com"))["contact"]
        keep = (await session.ok("create_contact", phone="+12125550178"))["contact"]

        async def crash(request: httpx.Request) -> None:
            if request.method == "PUT":
                session.wire.before = None
                mortal.stop()

        merge = {"keep": keep["contact_id"], "others": [other["contact_id"]]}
        asked = await session.ok("merge_contacts", **merge)
        session.wire.before = crash
        said = await session.refused("merge_contacts", **merge, confirm_token=asked["confirm_token"])
        assert session.sandbox.store.contact(keep["contact_id"])["email"] == "jo@example.com"
        assert "The merge stopped in the middle" in said
        assert "Nothing was changed" not in said
        mortal.start()


async def pass_by(postgres: str, begun: Entry, seconds: float) -> None:
    """Make the change older."""
    query = "UPDATE journal SET at = at - %(s)s, sent = sent - %(s)s WHERE id = %(id)s"
    async with aclosing(SharedDatabase(postgres)) as db:
        await db.execute(query, {"s": seconds, "id": begun.change_id})


async def test_the_next_writer_waits_for_a_change_whose_server_died(
    open_session: OpenSession, postgres: str, account: str
) -> None:
    async with two_servers(open_session, postgres, account) as (_, other):
        book = await other.workspace.book()
        contact = await book.api.get_contact(1001)
        assert contact
        plan = update_of(contact, values_of(contact) | {"first": "Zoe"})
        dead = SharedDatabase(postgres)
        begun = await PostgresJournal(dead, account).begin(plan.entry())
        await dead.aclose()
        said = await other.refused("update_contact", contact_id=1001, first="Grace")
        assert f"change {begun.change_id}" in said
        assert "may still arrive" in said
        assert not WRITES & {*other.operations}
        await pass_by(postgres, begun, IN_FLIGHT - 30)
        said = await other.refused("update_contact", contact_id=1001, first="Grace")
        assert re.search("in (29|30) seconds", said), "a call would have the time, and be lost with its replica"
        await pass_by(postgres, begun, 28)
        assert (await other.ok("update_contact", contact_id=1001, first="Grace"))["status"] == "updated"
        found = await book.journal.get(begun.change_id)
        assert found is not None
        assert found.state == "not_done"


async def test_a_deletion_whose_server_died_is_known_by_its_confirmation(
    open_session: OpenSession, postgres: str, account: str
) -> None:
    async with two_servers(open_session, postgres, account) as (one, other):
        asked = await one.ok("delete_contact", contact_id=1001)
        book = await one.workspace.book()
        contact = await book.api.get_contact(1001)
        assert contact
        entry = deletion_of(contact).entry(
            record=contact.model_dump(mode="json", by_alias=True), token=digest_of(asked["confirm_token"])
        )
        dead = SharedDatabase(postgres)
        begun = await PostgresJournal(dead, account).begin(entry)
        await dead.aclose()
        await book.api.delete_contact(1001)
        db = SharedDatabase(postgres)
        await db.execute(
            "UPDATE journal SET at = at - %(s)s, sent = sent - %(s)s WHERE id = %(id)s",
            {"s": IN_FLIGHT, "id": begun.change_id},
        )
        await db.aclose()
        told = await other.ok("delete_contact", contact_id=1001, confirm_token=asked["confirm_token"])
        assert (told["status"], told["change_id"]) == ("deleted", begun.change_id)
        assert "done_before" in told["note_kinds"]


# Time


async def test_a_change_that_may_arrive_late_at_one_server_holds_back_the_other(servers: list[Session]) -> None:
    one, other = servers
    one.sandbox.faults.add(Fault("update_contact", kind="drop_before", late=6))
    one.sandbox.faults.add(Fault("update_contact", kind="drop_before"))
    assert "may or may not have been carried out" in await one.refused("update_contact", contact_id=1001, first="Zoe")
    said = await other.refused("update_contact", contact_id=1001, last="Quill")
    assert "may still arrive" in said
    assert not WRITES & {*other.operations}
    await anyio.sleep(5)
    assert one.sandbox.store.contact(1001)["first"] == "Zoe", "it arrived"
    newest, *_ = (await other.ok("list_changes"))["changes"]
    assert newest["state"] in {"done", "unknown"}, "never that it was not carried out"
    said = await other.refused("update_contact", contact_id=1001, last="Quill")
    assert "may still arrive" in said, "another copy of it may"


async def test_a_read_from_before_the_change_of_another_server_proves_nothing(servers: list[Session]) -> None:
    one, other = servers
    old = one.sandbox.state.records.contact(1001)
    assert old is not None
    await one.ok("update_contact", contact_id=1001, first="Zoe")
    one.sandbox.state.hold_back(1001, old, Lag(reads=2))
    facts = await other.ok("update_contact", contact_id=1001, first=old["first"])
    assert facts["status"] == "updated", "the stale read shows the name that is asked for"
    assert one.sandbox.store.contact(1001)["first"] == old["first"]
