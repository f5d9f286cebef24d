"""Runs of many contacts that something happens to: a second hand, a clock, a restart, a journal that is off.

Guards `contacts_mcp/book/transfer/running.py`, `undoing.py`, `confirming.py` and `contacts_mcp/state/imports.py`.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from support import OpenStage, Stage
from support.assistant import Assistant
from support.clock import HURRIED, Backend
from support.lists import table

from contacts_mcp.book.book import Book
from contacts_mcp.book.transfer.confirming import named
from contacts_mcp.book.transfer.running import run
from contacts_mcp.sandbox import Fault, Lag
from contacts_mcp.state.imports import KEEP
from contacts_mcp.state.journal import Entry

PHONE = "15105550{:03}"


@pytest.fixture
def anyio_backend() -> Backend:
    return HURRIED


def phones_of(stage: Stage) -> list[str]:
    return sorted(person["phone"] for person in stage.people().values())


class Killed(BaseException):
    """The process dies: nothing is written down after it."""


async def killed_after(book: Book, plan: int, operation: str) -> None:
    """Run a plan in a process that dies right after the first request of that kind was carried out."""
    await _killed(book, plan, lambda call, _: operation in f"{call.method} {call.path}")


async def killed_at(book: Book, plan: int, at: int) -> None:
    """Run a plan in a process that dies right after its n-th request was carried out."""
    await _killed(book, plan, lambda _, sent: sent >= at)


async def _nothing(*_: object, **__: object) -> Literal[False]:
    """A dead process writes nothing."""
    return False


async def _killed(book: Book, plan: int, is_end: Callable[[Any, int], bool]) -> None:
    requesting = book.api._request  # the door that every request goes through
    permitted = await named(book, plan)
    sent = 0

    async def dying(call: Any) -> Any:
        nonlocal sent
        answer = await requesting(call)
        sent += 1
        if is_end(call, sent):
            book.journal.finish_all = _nothing  # type: ignore[method-assign] # the dying process
            book.imports.save = _nothing  # type: ignore[method-assign] # the dying process
            book.imports.set = _nothing  # type: ignore[method-assign] # the dying process
            raise Killed
        return answer

    book.api._request = dying  # type: ignore[method-assign] # the dying process
    with suppress(Killed):
        await run(book, permitted)


async def planned(stage: Stage, text: str, **choices: Any) -> tuple[int, str]:
    """The number of a plan, and the token that permits it."""
    facts = await stage.ok("import_contacts", text=text, **choices)
    return facts["plan"], facts["confirm_token"]


async def until_done(
    stage: Assistant, plan: int, token: str = "", *, tool: str = "import_contacts", **words: Any
) -> dict[str, Any]:
    """The answer of a run that is gone on with until it is done."""
    words = words or {"plan": plan}
    confirmed = {"confirm_token": token} if token else {}
    for _ in range(30):
        facts = await stage.ok(tool, **words, **confirmed)
        confirmed = {}
        while facts["status"] == "running":
            facts = await stage.ok("import_status", plan=plan)
        if facts["status"] == "done":
            return facts
    raise AssertionError(facts)


# A second hand while the outcome of a row is not known


async def test_a_contact_that_was_deleted_before_the_run_went_on_is_not_created_again(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        plan, _ = await planned(stage, table(1))
        await killed_after(await stage.book(), plan, "POST /v1/batch")
        stage.restart()
        assert PHONE.format(200) in phones_of(stage)
        await anyio.sleep(70)
        token = (await stage.ok("delete_contact", phone="+15105550200"))["confirm_token"]
        await stage.ok("delete_contact", phone="+15105550200", confirm_token=token)
        await until_done(stage, plan)
        assert PHONE.format(200) not in phones_of(stage)


@pytest.mark.parametrize("text", [table(1), "Phone,First name\n5105550200,Flo"], ids=["by e-mail", "by phone alone"])
async def test_a_contact_that_got_another_phone_before_the_run_went_on_is_not_doubled(
    open_stage: OpenStage, text: str
) -> None:
    async with open_stage() as stage:
        plan, _ = await planned(stage, text)
        await killed_after(await stage.book(), plan, "POST /v1/batch")
        stage.restart()
        await anyio.sleep(70)
        await stage.ok("update_contact", phone="+15105550200", new_phone="+15105550299")
        await until_done(stage, plan)
        assert phones_of(stage)[2:] == [PHONE.format(299)]


async def test_an_update_that_was_changed_again_before_the_run_went_on_is_not_made_twice(
    open_stage: OpenStage,
) -> None:
    async with open_stage() as stage:
        plan, _ = await planned(stage, "Phone,Last name\n5105550101,Lovelace", existing="overwrite")
        await killed_after(await stage.book(), plan, "PUT /v1/contact")
        stage.restart()
        await anyio.sleep(70)
        await stage.ok("update_contact", contact_id=stage.ADA, last="King")
        await until_done(stage, plan)
        assert stage.people()[stage.ADA]["last"] == "King"


async def test_a_row_is_not_called_done_for_what_a_later_change_of_the_contact_did(open_stage: OpenStage) -> None:
    """Its own request did nothing, and where the service sends neither `rev` nor `updated`, no look tells."""
    async with open_stage(behaviour={"sends_rev": False, "sends_updated": False}) as stage:
        plan, _ = await planned(stage, "Phone,Last name\n5105550101,Lovelace", existing="overwrite")
        stage.sandbox.faults.add(Fault(operation="update_contact", kind="pretend", pretended_rev="none"))
        await killed_after(await stage.book(), plan, "PUT /v1/contact")
        stage.restart()
        await anyio.sleep(70)
        await stage.ok("update_contact", contact_id=stage.ADA, last="Lovelace")
        facts = await until_done(stage, plan)
        assert facts["outcomes"] == {"told": 1}
        changes = (await stage.ok("list_changes", contact_id=stage.ADA))["changes"]
        assert [change["state"] for change in changes] == ["done", "unknown"]


async def test_a_row_is_not_called_done_for_a_contact_that_a_later_call_made(open_stage: OpenStage) -> None:
    """Its own request did nothing, which was found out before. The later one arrives late, and has fewer values."""
    async with open_stage() as stage:
        plan, _ = await planned(stage, table(1))
        stage.sandbox.faults.add(Fault(operation="batch_contacts", kind="pretend"))
        await killed_after(await stage.book(), plan, "POST /v1/batch")
        stage.restart()
        await anyio.sleep(70)
        stage.sandbox.faults.add(Fault(operation="create_contact", kind="silence", late=10.0))
        assert "may or may not" in await stage.refused("create_contact", phone="+15105550200")
        await anyio.sleep(15)
        assert (await until_done(stage, plan))["outcomes"] == {"moved": 1}
        (contact,) = [number for number, person in stage.people().items() if person["phone"] == PHONE.format(200)]
        changes = (await stage.ok("list_changes", contact_id=contact))["changes"]
        assert [(change["state"], change["action"]) for change in changes] == [("done", "create")]
        book = await stage.book()
        (row,) = await book.imports.rows(plan)
        assert row.change_id not in [change["change_id"] for change in changes]


async def test_a_run_that_was_killed_before_its_plan_knew_its_change_is_one_change(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_stage() as stage:
        plan, _ = await planned(stage, table(3))
        book = await stage.book()

        async def killed(*_: object, **__: object) -> None:
            raise Killed

        monkeypatch.setattr(book.imports, "set", killed)
        with pytest.raises(Killed):
            await run(book, await named(book, plan))
        stage.restart()
        book = await stage.book()
        await run(book, await named(book, plan))
        (change,) = (await stage.ok("list_changes"))["changes"]
        assert change["state"] == "done"
        assert len(await book.journal.parts_of(change["change_id"])) == 3


# The clock


async def test_a_run_that_stopped_is_taken_back_also_after_its_plan_is_gone(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        before = stage.people()
        plan, _ = await planned(stage, table(30))
        await killed_after(await stage.book(), plan, "POST /v1/batch")
        stage.restart()
        await anyio.sleep(KEEP + 700)
        (run,) = (await stage.ok("list_changes"))["changes"]
        token = (await stage.ok("undo_change", change_id=run["change_id"]))["confirm_token"]
        await stage.ok("undo_change", change_id=run["change_id"], confirm_token=token)
        assert stage.people() == before


async def test_a_run_that_is_under_way_when_its_plan_gets_too_old_comes_to_its_end(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        plan, token = await planned(stage, table(30))
        stage.sandbox.faults.add(Fault(operation="batch_contacts", kind="silence", skip=1))
        assert (await stage.ok("import_contacts", plan=plan, confirm_token=token))["status"] == "running"
        book = await stage.book()
        made = await book.imports.plan(plan)
        assert made is not None
        await book.imports.set(plan, made=made.made - KEEP + 1)
        book.imports._purged = float("-inf")
        facts = await stage.ok("import_status", plan=plan)
        while facts["status"] == "running":
            facts = await stage.ok("import_status", plan=plan)
        assert (facts["status"], facts["outcomes"]) == ("done", {"done": 30})


async def test_a_run_of_yesterday_does_not_go_on(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        plan, _ = await planned(stage, table(30))
        await killed_after(await stage.book(), plan, "POST /v1/batch")
        stage.restart()
        await anyio.sleep(KEEP + 700)
        there = phones_of(stage)
        assert "Make the plan again" in await stage.refused("import_contacts", plan=plan)
        assert phones_of(stage) == there
        again, token = await planned(stage, table(30))
        await until_done(stage, again, token)
        assert len(phones_of(stage)) == len({*phones_of(stage)}) == 32


@pytest.mark.parametrize("jump", [-3600.0, 3600.0, 40 * KEEP], ids=["back", "ahead", "a month ahead"])
async def test_a_run_waits_for_a_late_batch_also_where_the_time_of_day_is_set_meanwhile(
    open_stage: OpenStage, jump: float
) -> None:
    async with open_stage() as stage:
        plan, token = await planned(stage, table(1))
        stage.sandbox.faults.add(Fault(operation="batch_contacts", kind="silence", late=50.0))
        book, sent = await stage.book(), anyio.current_time()
        for part in (book.imports, book.journal):
            clock = part._clock
            part._clock = lambda clock=clock: clock() + (jump if anyio.current_time() > sent + 1 else 0)
        assert (await until_done(stage, plan, token))["outcomes"] == {"done": 1}


async def test_a_run_whose_plan_is_removed_under_it_tells_what_is_left(open_stage: OpenStage) -> None:
    """Another server may do so whose clock is a month ahead. The journal has what was done."""
    async with open_stage() as stage:
        before = stage.people()
        plan, token = await planned(stage, table(30))
        book = await stage.book()
        stage.sandbox.faults.add(Fault(operation="batch_contacts", kind="stall", delay=0.2, skip=1))

        async def remove() -> None:
            await anyio.sleep(0.1)
            await book.imports.drop(plan)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(remove)
            told = await stage.refused("import_contacts", plan=plan, confirm_token=token)
        assert "list_changes has the run" in told
        (change,) = (await stage.ok("list_changes"))["changes"]
        assert len(stage.people()) > len(before)
        token = (await stage.ok("undo_change", change_id=change["change_id"]))["confirm_token"]
        await stage.ok("undo_change", change_id=change["change_id"], confirm_token=token)
        assert stage.people() == before


# Told as it is


async def test_a_run_that_was_killed_is_told_as_stopped_and_says_how_it_goes_on(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        plan, _ = await planned(stage, table(30))
        await killed_after(await stage.book(), plan, "POST /v1/batch")
        stage.restart()
        facts = await stage.ok("import_status")
        assert (facts["status"], facts["plan"]) == ("stopped", plan)
        assert f"import_contacts(plan={plan}" in str(facts["notes"]) + (await stage.text("import_status"))


async def test_the_change_of_a_run_is_closed_although_the_journal_was_away_at_its_end(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with open_stage() as stage:
        book = await stage.book()
        finish = book.journal.finish

        async def away_at_the_end(entry: Entry) -> bool:
            return entry.action != "import" and await finish(entry)

        monkeypatch.setattr(book.journal, "finish", away_at_the_end)
        plan, token = await planned(stage, table(3))
        await stage.ok("import_contacts", plan=plan, confirm_token=token)
        monkeypatch.undo()
        (run,) = (await stage.ok("list_changes"))["changes"]
        assert run["state"] == "done"


async def test_an_undo_names_the_rows_of_which_nobody_knows_the_outcome(open_stage: OpenStage) -> None:
    """The reads show nobody while the run looks, and the contact was there before the run is taken back."""
    async with open_stage() as stage:
        plan, token = await planned(stage, table(6))
        book = await stage.book()
        done = await until_done(stage, plan, token)
        (row, *_) = await book.imports.rows(plan)
        entry = await book.journal.get(row.change_id or 0)
        assert entry is not None
        book.journal._execute("UPDATE changes SET state = 'unknown', looked = 1 WHERE change_id = ?", entry.change_id)
        facts = await stage.ok("undo_change", change_id=done["change_id"])
        assert facts["counts"] == {"delete": 5, "kept": 1}
        shown = await stage.text("import_status", plan=facts["plan"], show="problems")
        assert "may or may not" in shown
        assert "+15105550200" in shown


# Taking a run back, with edits and kills in between


@pytest.mark.parametrize("seed", range(12))
async def test_an_undo_that_is_killed_twice_restores_or_names_every_row(open_stage: OpenStage, seed: int) -> None:
    dice = random.Random(seed)
    async with open_stage() as stage:
        for number in range(10):
            stage.sandbox.store.add_contact(phone=PHONE.format(300 + number), first="Old", last=f"L{number}")
        before = stage.people()
        rows = "\n".join(f"5105550{number},New,N{number}" for number in (*range(300, 310), *range(400, 420)))
        plan, token = await planned(stage, f"Phone,First name,Last name\n{rows}", existing="overwrite")
        done = await until_done(stage, plan, token)
        edited = dice.sample([number for number in stage.people() if number > stage.BEN], 6)
        for number in edited[:5]:
            stage.sandbox.store.touch(number, first="Edited")
        stage.sandbox.store.delete(edited[5])
        left = stage.people()
        facts = await stage.ok("undo_change", change_id=done["change_id"])
        undo = facts["plan"]
        for _ in range(2):
            await killed_at(await stage.book(), undo, dice.randrange(1, 12))
            stage.restart()
        await until_done(stage, undo, tool="undo_change", change_id=done["change_id"])
        named = {row["contact_id"] for row in await problems(stage, undo)}
        assert named == {*edited}
        after = stage.people()
        for number, person in after.items():
            restored = {**before.get(number, person), "first": "Edited", "display_name": person["display_name"]}
            assert person == (restored if number in edited else before[number])
        assert {*before, *edited[:5]} - {edited[5]} == after.keys()
        assert left.keys() >= after.keys()


async def problems(stage: Stage, plan: int) -> list[dict[str, Any]]:
    """All rows of a plan about which there is something to tell."""
    found: list[dict[str, Any]] = []
    page: dict[str, Any] = {"next_cursor": None}
    while page["next_cursor"] != "":
        words = {"cursor": page["next_cursor"]} if page["next_cursor"] else {}
        page = await stage.ok("import_status", plan=plan, show="problems", **words)
        found += page.get("shown", [])
    return found


# Answers of a batch that are not the service's own, and reads that lag behind


@pytest.mark.parametrize("known_phone", ["reject", "double"])
@pytest.mark.parametrize("status", [403, 404, 429, 502, 503])
@pytest.mark.parametrize("kind", ["gateway", "gateway_after", "status"])
async def test_a_batch_that_a_gateway_refuses_loses_and_doubles_nobody(
    open_stage: OpenStage, kind: str, status: int, known_phone: str
) -> None:
    async with open_stage(behaviour={"known_phone": known_phone}) as stage:
        plan, token = await planned(stage, table(60))
        stage.sandbox.faults.add(Fault(operation="batch_contacts", kind=kind, status=status, skip=1, times=6))
        facts = await until_done(stage, plan, token)
        assert facts["outcomes"] == {"done": 60}
        assert len(phones_of(stage)) == len({*phones_of(stage)}) == 62


@pytest.mark.parametrize("known_phone", ["reject", "update", "double"])
@pytest.mark.parametrize("lost", [False, True], ids=["answered", "answer lost"])
@pytest.mark.parametrize("of", [(), ("search_contacts", "find_contact")], ids=["all reads", "searches"])
async def test_reads_that_lag_60_seconds_behind_double_nobody(
    open_stage: OpenStage, known_phone: str, lost: bool, of: tuple[str, ...]
) -> None:
    lag = Lag(seconds=59.0, of=of) if of else Lag(seconds=59.0)
    async with open_stage(behaviour={"known_phone": known_phone, "lags": (lag,)}) as stage:
        text = f"{table(20)}\n5105550101,Grace,Hopper,grace@example.com"
        plan, token = await planned(stage, text, existing="overwrite")
        if lost:
            stage.sandbox.faults.add(Fault(operation="batch_contacts", kind="drop_after", skip=1))
        facts = await until_done(stage, plan, token)
        phones = phones_of(stage)
        assert len(phones) == len({*phones}) == 22
        assert facts["outcomes"].keys() <= {"done", "told"}
        assert stage.people()[stage.ADA]["last"] == "Hopper"


@pytest.mark.parametrize("reply", ["ok", "failed", "contacts"])
async def test_a_batch_that_says_well_and_does_nothing_is_not_believed(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch, reply: str
) -> None:
    from contacts_mcp.sandbox import app

    whole = app.HANDLERS["batch_contacts"]
    monkeypatch.setitem(app.HANDLERS, "batch_contacts", lambda call: whole(replace(call, items=0)))
    async with open_stage(behaviour={"batch_reply": reply}) as stage:
        plan, token = await planned(stage, table(40))
        facts = await until_done(stage, plan, token)
        assert facts["outcomes"] == {"done": 40}
        assert len(phones_of(stage)) == len({*phones_of(stage)}) == 42


# Two at once


@pytest.mark.parametrize("laptop", [False, True], ids=["one machine", "two machines"])
async def test_two_imports_of_the_same_people_at_once_double_nobody(open_stage: OpenStage, laptop: bool) -> None:
    """Two machines share no lock. There the service must refuse the second contact of a phone."""
    behaviour = {"known_phone": "reject" if laptop else "double"}
    async with open_stage(behaviour=behaviour) as stage, stage.another_server(laptop=laptop) as other:
        first, second = await planned(stage, table(80)), await other.ok("import_contacts", text=table(80, first=240))

        async def run_first() -> None:
            await until_done(stage, *first)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run_first)
            await until_done(other, second["plan"], second["confirm_token"])
        phones = phones_of(stage)
        assert len(phones) == len({*phones}) == 122


async def test_a_plan_that_is_confirmed_twice_at_once_runs_once(open_stage: OpenStage) -> None:
    async with open_stage(behaviour={"known_phone": "double"}) as stage, stage.another_server() as other:
        plan, token = await planned(stage, table(60))
        kinds: list[str] = []

        async def confirm(server: Any) -> None:
            kinds.append(await server.kind_of("import_contacts", plan=plan, confirm_token=token))

        async with anyio.create_task_group() as tasks:
            for server in (stage, other, stage, other):
                tasks.start_soon(confirm, server)
        assert "done" in kinds
        assert {*kinds} <= {"done", "running", "runs_already", "plan_done", "needs_confirmation"}
        assert len(phones_of(stage)) == len({*phones_of(stage)}) == 62
        batches = [request for request in stage.sandbox.requests if request.operation == "batch_contacts"]
        assert sum(len(request.body) for request in batches) == 60
        runs = [change for change in (await stage.ok("list_changes"))["changes"] if change["action"] == "import"]
        assert len(runs) == 1


# Calls and servers that end


async def test_a_run_ends_after_its_chunk_where_its_call_is_cancelled_and_goes_on_when_asked(
    open_stage: OpenStage,
) -> None:
    async with open_stage(behaviour={"known_phone": "double"}) as stage:
        plan, token = await planned(stage, table(120))
        stage.sandbox.faults.add(Fault(operation="batch_contacts", kind="stall", delay=1.5, times=-1))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(stage.ok, "import_contacts", plan=plan, confirm_token=token))
            await anyio.sleep(3.0)
            tasks.cancel_scope.cancel()
        await anyio.sleep(30.0)
        assert (await stage.ok("import_status", plan=plan))["status"] == "stopped"
        assert 2 < len(phones_of(stage)) < 122
        await until_done(stage, plan)
        assert len(phones_of(stage)) == len({*phones_of(stage)}) == 122


@pytest.mark.parametrize("after", [0.0, 0.5, 1.0, 2.0, 3.2, 5.0])
async def test_a_server_that_is_shut_down_during_a_run_and_started_again_goes_on(
    open_stage: OpenStage, after: float
) -> None:
    async with open_stage(behaviour={"known_phone": "double"}) as stage:
        plan, token = await planned(stage, table(120))
        stage.sandbox.faults.add(Fault(operation="batch_contacts", kind="stall", delay=1.5, times=-1))
        async with stage.another_server() as other, anyio.create_task_group() as tasks:
            tasks.start_soon(partial(other.client.call_tool, "import_contacts", {"plan": plan, "confirm_token": token}))
            await anyio.sleep(after)
            tasks.cancel_scope.cancel()
        facts = await stage.ok("import_status", plan=plan)
        assert facts["status"] == "stopped"
        await until_done(stage, plan)
        assert len(phones_of(stage)) == len({*phones_of(stage)}) == 122


# The file, and the journal


async def test_a_file_that_changed_or_vanished_does_not_change_the_plan(open_stage: OpenStage, tmp_path: Path) -> None:
    folder = anyio.Path(tmp_path / "lists")
    await folder.mkdir()
    async with open_stage(files=[str(folder)]) as stage:
        for number, name in enumerate(("changed.csv", "vanished.csv")):
            await (folder / name).write_text(table(5, first=200 + 20 * number))
            facts = await stage.ok("import_contacts", path=name)
            if name == "changed.csv":
                await (folder / name).write_text(table(5, first=900))
            else:
                await (folder / name).unlink()
            await until_done(stage, facts["plan"], facts["confirm_token"])
        assert phones_of(stage)[2:] == [PHONE.format(first + number) for first in (200, 220) for number in range(5)]


async def test_an_import_without_a_journal_doubles_nobody(open_stage: OpenStage) -> None:
    async with open_stage(journal=False, behaviour={"known_phone": "double"}) as stage:
        plan, token = await planned(stage, table(60))
        stage.sandbox.faults.add(Fault(operation="batch_contacts", kind="drop_after", skip=2))
        facts = await until_done(stage, plan, token)
        assert facts["outcomes"] == {"done": 60}
        assert len(phones_of(stage)) == len({*phones_of(stage)}) == 62


@pytest.mark.parametrize("operation", ["POST /v1/batch", "POST /v2/contacts/search"])
async def test_a_killed_import_without_a_journal_is_planned_again_and_doubles_nobody(
    open_stage: OpenStage, operation: str
) -> None:
    async with open_stage(journal=False, behaviour={"known_phone": "double"}) as stage:
        plan, _ = await planned(stage, table(60))
        await killed_after(await stage.book(), plan, operation)
        stage.restart()
        assert "Make the plan again" in await stage.refused("import_contacts", plan=plan)
        await until_done(stage, *await planned(stage, table(60)))
        assert len(phones_of(stage)) == len({*phones_of(stage)}) == 62
