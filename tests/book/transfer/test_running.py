"""Plans that run. They do exactly the planned, through every fault on the way."""

from __future__ import annotations

import io
import random
from contextlib import suppress
from typing import Any

import anyio
import pytest
from support import OpenStage, Stage
from support.clock import HURRIED, Backend
from support.lists import table

from contacts_mcp.book.book import Book
from contacts_mcp.book.people.requests import Wanted
from contacts_mcp.book.transfer.deciding import Switches
from contacts_mcp.book.transfer.looking import look
from contacts_mcp.book.transfer.many import Chosen, begin_change, edit_for, plan_change
from contacts_mcp.book.transfer.opening import pasted_source
from contacts_mcp.book.transfer.planning import Asked, plan_file
from contacts_mcp.book.transfer.running import run
from contacts_mcp.book.transfer.sources import choosing
from contacts_mcp.book.transfer.undoing import begin_undo, plan_undo
from contacts_mcp.book.values import differences, values_of
from contacts_mcp.sandbox import Fault, Intervention, Lag
from contacts_mcp.state.imports import StoredPlan, moved_on
from contacts_mcp.state.profile import Seen


@pytest.fixture
def anyio_backend() -> Backend:
    return HURRIED


async def planned(book: Book, text: str, **choices: Any) -> StoredPlan:
    _, facts = pasted_source("Phone\n1")
    source = choosing.read(io.BytesIO(text.encode()), region="US")
    asked = Asked(switches=Switches(**choices))
    return await plan_file(book, await book.imports.begin("file", facts, asked.as_json()), source, asked)


async def outcomes(book: Book, plan: StoredPlan) -> dict[str, int]:
    return {state: count for state, count in (await book.imports.states(plan.plan)).items() if state}


def phones_of(stage: Stage) -> list[str]:
    return sorted(person["phone"] for person in stage.people().values())


async def test_new_contacts_are_created_as_planned(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        book = await stage.book()
        plan = await planned(book, table(180))
        assert plan.counts["decisions"] == {"new": 180}
        done = await run(book, plan)
        assert (done.state, done.problem, await outcomes(book, plan)) == ("done", "", {"done": 180})
        assert len(phones_of(stage)) == 182
        again = await planned(book, table(180))
        assert again.counts["decisions"] == {"same": 180}


async def until_done(book: Book, plan: StoredPlan, *, most: int = 60) -> StoredPlan:
    """The run, gone on with as often as something stops it."""
    now = plan
    for _ in range(most):
        now = await run(book, plan)
        if now.state == "done":
            return now
    raise AssertionError(now.problem)


BATCH_FAULTS = [
    pytest.param({"kind": "drop_before"}, id="lost on the way there"),
    pytest.param({"kind": "drop_after"}, id="carried out, answer lost"),
    pytest.param({"kind": "drop_before", "late": 20.0}, id="carried out 20 s after the client gave up"),
    pytest.param({"kind": "silence", "late": 30.0}, id="silence, carried out 30 s later"),
    pytest.param({"kind": "status", "status": 500}, id="500, nothing carried out"),
    pytest.param({"kind": "status_after", "status": 500}, id="500, carried out"),
    pytest.param({"kind": "gateway_after", "status": 504}, id="the gateway gave up, carried out"),
    pytest.param({"kind": "html_after"}, id="a page, carried out"),
    pytest.param({"kind": "truncate"}, id="half an answer"),
    pytest.param({"kind": "empty"}, id="an empty answer"),
    pytest.param({"kind": "wrong_type"}, id="called text"),
    pytest.param({"kind": "pretend"}, id="only pretended"),
    pytest.param({"kind": "status", "status": 400}, id="refused as a whole"),
    pytest.param({"kind": "status", "status": 429, "retry_after": 2}, id="rate"),
    pytest.param({"kind": "refuse"}, id="no connection"),
    pytest.param({"kind": "drop_after", "items": 11}, id="half carried out, answer lost"),
    pytest.param({"kind": "status_after", "status": 500, "items": 11}, id="500, half carried out"),
    pytest.param({"kind": "drop_before", "late": 20.0, "items": 11}, id="half carried out 20 s later"),
    pytest.param({"kind": "lag", "lag": Lag(seconds=1.0), "items": 11}, id="half carried out, all well by its answer"),
]


@pytest.mark.parametrize("known_phone", ["reject", "update", "double"])
@pytest.mark.parametrize("fault", BATCH_FAULTS)
async def test_whatever_becomes_of_a_batch_everybody_is_there_once(
    open_stage: OpenStage, fault: dict[str, Any], known_phone: str
) -> None:
    async with open_stage() as stage:
        await stage.fresh(known_phone=known_phone)
        book = await stage.book()
        plan = await planned(book, table(60))
        stage.sandbox.faults.add(Fault(operation="batch_contacts", skip=2, **fault))
        await until_done(book, plan)
        stage.sandbox.land_all()
        phones = phones_of(stage)
        assert len(phones) == len({*phones}) == 62
        assert await outcomes(book, plan) == {"done": 60}


@pytest.mark.parametrize("known_phone", ["reject", "update", "double"])
@pytest.mark.parametrize("seed", range(4))
async def test_a_fifth_of_all_requests_fail_and_some_arrive_late_and_nobody_is_lost_or_doubled(
    open_stage: OpenStage, known_phone: str, seed: int
) -> None:
    async with open_stage() as stage:
        await stage.fresh(known_phone=known_phone)
        stage.sandbox.faults.clear()
        stage.sandbox.faults._dice.seed(seed)  # another sequence of the same faults
        book = await stage.book()
        plan = await planned(book, table(150))
        chances = {
            "drop_before": {"late": 25.0},
            "drop_after": {},
            "status_after": {"status": 502},
            "status": {"status": 500},
            "truncate": {},
        }
        for operation in ("batch_contacts", "create_contact", "search_contacts"):
            for kind, options in chances.items():
                more = {} if operation == "search_contacts" and "late" in options else options
                fault = Fault(operation=operation, kind=kind, times=-1, probability=0.04, **more)
                stage.sandbox.faults.add(fault)
        await until_done(book, plan)
        stage.sandbox.land_all()
        phones = phones_of(stage)
        assert len(phones) == len({*phones}) == 152
        assert {*await outcomes(book, plan)} <= {"done", "told"}


class Killed(BaseException):
    """The process dies: nothing is written down after it."""


async def nothing(*_: object) -> None:
    """A dead process writes nothing."""


async def killed_at(book: Book, plan: StoredPlan, at: int) -> None:
    """Run a plan in a process that dies when it is about to make its n-th request."""
    sent = 0

    async def dying(call: Any) -> Any:
        nonlocal sent
        sent += 1
        if sent == at:
            book.journal.finish_all = nothing
            book.imports.save = nothing
            raise Killed
        return await requesting(call)

    requesting = book.api._request  # the door that every request goes through
    book.api._request = dying
    with suppress(Killed):
        await run(book, plan)


@pytest.mark.parametrize("at", range(1, 26))
async def test_a_run_that_is_killed_at_any_request_goes_on_without_doubling_or_losing(
    open_stage: OpenStage, at: int
) -> None:
    async with open_stage() as stage:
        book = await stage.book()
        plan = await planned(book, table(120))
        await killed_at(book, plan, at)
        stage.restart()
        book = await stage.book()
        await until_done(book, plan)
        phones = phones_of(stage)
        assert len(phones) == len({*phones}) == 122
        assert await outcomes(book, plan) == {"done": 120}


async def test_a_batch_that_is_too_long_for_the_service_goes_out_singly(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        await stage.fresh(batch_limit=10)
        book = await stage.book()
        plan = await planned(book, table(60))
        await until_done(book, plan)
        assert len(phones_of(stage)) == 62
        assert await outcomes(book, plan) == {"done": 60}


@pytest.mark.parametrize("drops", ["custom", "tags", "email"])
async def test_what_a_batch_drops_in_silence_is_told_after_one_contact_and_the_rest_goes_out_singly(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch, drops: str
) -> None:
    from contacts_mcp.sandbox import app

    whole = app.HANDLERS["batch_contacts"]

    def dropping(call: Any) -> Any:
        for item in call.body:
            item.pop(drops, None)
        return whole(call)

    monkeypatch.setitem(app.HANDLERS, "batch_contacts", dropping)
    async with open_stage() as stage:
        book = await stage.book()
        rows = (f"510555{number:04},F{number},p{number}@example.com,Gold,VIP" for number in range(200, 230))
        plan = await planned(book, "\n".join(["Phone,First name,Email,Plan,Tags", *rows]))
        await until_done(book, plan)
        assert await outcomes(book, plan) == {"told": 1, "done": 29}
        (told,) = await book.imports.rows(plan.plan, state="told")
        assert "did not keep" in told.outcome
        said = await stage.text("import_status", plan=plan.plan, show="problems")
        assert f"did not keep {'Plan' if drops == 'custom' else drops}." in said
        assert len(phones_of(stage)) == 32


DRIFTS: dict[str, dict[str, Any]] = {
    "first": {"first": "Adah"},
    "last": {"last": "Other"},
    "display_name": {"display_name": "Ada the first"},
    "email": {"email": "other@example.com"},
    "avatar": {"avatar": "https://example.com/a.png"},
    "tags": {"tags": [101]},
    "assignee": {"assigned_user_id": 503},
    "opt-out": {"is_opted_out": True},
    "custom": {"custom": {"31": "Silver", "33": "Oakland"}},
    "phone": {"phone": "15105550177"},
}


@pytest.mark.parametrize("change", DRIFTS.values(), ids=DRIFTS)
async def test_a_contact_that_somebody_changed_since_the_plan_is_told_and_not_touched(
    open_stage: OpenStage, change: dict[str, Any]
) -> None:
    async with open_stage() as stage:
        book = await stage.book()
        plan = await planned(book, "Phone,Last name,Plan\n510 555 0101,Lovelace,Basic\n", existing="overwrite")
        assert plan.counts["decisions"] == {"update": 1}
        row = stage.row(stage.ADA)
        stage.sandbox.state.records.replace({**row, **change, "rev": row["rev"] + 1})
        before = stage.people()
        await run(book, plan)
        assert await outcomes(book, plan) == {"moved": 1}
        assert stage.people() == before


async def test_a_contact_that_is_as_wanted_by_now_is_done_without_a_request(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        book = await stage.book()
        plan = await planned(book, "Phone,Last name\n510 555 0101,Lovelace\n", existing="overwrite")
        row = stage.row(stage.ADA)
        stage.sandbox.state.records.replace({**row, "last": "Lovelace", "rev": row["rev"] + 1})
        stage.sandbox.requests.clear()
        await run(book, plan)
        assert await outcomes(book, plan) == {"done": 1}
        assert [request.operation for request in stage.sandbox.requests] == ["search_contacts"]


async def test_a_contact_that_appeared_since_the_plan_is_told_and_not_doubled(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        book = await stage.book()
        plan = await planned(book, table(3))
        stage.sandbox.store.add_contact(phone="15105550201", first="Somebody")
        await run(book, plan)
        assert await outcomes(book, plan) == {"done": 2, "moved": 1}
        assert phones_of(stage).count("15105550201") == 1


async def test_a_number_that_was_left_opted_out_arrives_opted_out(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        token = (await stage.ok("delete_contact", contact_id=stage.BEN))["confirm_token"]
        await stage.ok("delete_contact", contact_id=stage.BEN, confirm_token=token)
        book = await stage.book()
        text = "Phone,First name,Opted out\n510 555 0102,Benny,no\n"
        said = await stage.text("import_contacts", text=text)
        assert (
            "New contacts that arrive opted out, because an opted-out contact left, or may have left, their number: 1."
            in said
        )
        assert '"Benny" +15105550102 (arrives opted out, because of a contact that left the number)' in said
        plan = await planned(book, text)
        await run(book, plan)
        assert await outcomes(book, plan) == {"told": 1}
        (row,) = await book.imports.rows(plan.plan, state="told")
        assert row.outcome == (
            "It was sent as opted out, because an opted-out contact left, or may have left, its number."
        )
        (benny,) = [person for person in stage.people().values() if person["phone"] == "15105550102"]
        assert benny["is_opted_out"] is True


async def test_a_double_that_somebody_else_makes_at_the_same_moment_is_told(open_stage: OpenStage) -> None:
    async with open_stage(behaviour={"known_phone": "double"}) as stage:
        book = await stage.book()
        plan = await planned(book, table(2))
        other = Intervention(
            "create", operation="batch_contacts", when="after", members={"phone": "15105550200", "first": "Somebody"}
        )
        stage.sandbox.interventions.add(other)
        await run(book, plan)
        (somebody,) = [person["id"] for person in stage.people().values() if person["first"] == "Somebody"]
        assert phones_of(stage).count("15105550200") == 2
        (row,) = await book.imports.rows(plan.plan, state="told")
        assert row.outcome == f"Contact {somebody} has this phone, too: another program gave it out at the same moment."


async def test_a_name_that_somebody_else_had_just_changed_may_be_set_back_and_that_is_told(
    open_stage: OpenStage,
) -> None:
    async with open_stage() as stage:
        book = await stage.book()
        plan = await planned(book, "Phone,Plan\n5105550101,Basic\n", existing="overwrite")
        stage.sandbox.interventions.add(
            Intervention("edit", operation="update_contact", contact_id=stage.ADA, members={"last": "New"})
        )
        await run(book, plan)
        assert stage.people()[stage.ADA]["last"] == "Example"
        (row,) = await book.imports.rows(plan.plan, state="told")
        assert "new ones may have been set back" in row.outcome


def a_random_file(dice: random.Random, phones: list[str]) -> str:
    """Rows about known and new people, some twice, some unreadable."""
    rows = []
    for _ in range(dice.randint(5, 40)):
        phone = dice.choice([*phones, *(f"510555{dice.randint(300, 340):04}" for _ in range(3)), "12", ""])
        name = dice.choice(["", "Ada", "ada", "Grace", "Ben"])
        email = dice.choice(["", "ada@example.com", "new@example.com", "not an address"])
        tags = dice.choice(["", "VIP", "VIP;Lead", "Nobody knows this tag"])
        out = dice.choice(["", "yes", "no"])
        rows.append(f"{phone},{name},Example,{email},{dice.choice(['', 'Gold', 'Basic'])},{tags},{out}")
    return "\n".join(["Phone,First name,Last name,Email,Plan,Tags,Opted out", *rows])


async def everybody_is_as_planned(stage: Stage, before: dict[str, Any], wanted: dict[str, Any]) -> None:
    """The rows have their values, others are untouched, and nobody was opted in."""
    found = await look(await stage.book(), [*wanted])
    for phone, values in wanted.items():
        (contact,) = found.with_phone(phone)
        assert differences(values, values_of(contact), among=values) == {}
    for person in stage.people().values():
        phone = person["phone"]
        if phone not in wanted:
            assert person == before[phone]
        assert not before.get(phone, {}).get("is_opted_out") or person["is_opted_out"]


@pytest.mark.parametrize("seed", range(40))
async def test_what_runs_is_what_was_planned_and_a_second_plan_has_nothing_to_do(
    open_stage: OpenStage, seed: int
) -> None:
    dice = random.Random(seed)
    async with open_stage() as stage:
        book = await stage.book()
        before = {person["phone"]: person for person in stage.people().values()}
        text = a_random_file(dice, [*before])
        choices = {
            "existing": dice.choice(["fill", "overwrite", "skip"]),
            "twice": dice.choice(["tell", "merge"]),
        }
        plan = await planned(book, text, **choices)
        wanted = {row.phone: row.wanted async for row in book.imports.every_row(plan.plan) if row.state == "planned"}
        await until_done(book, plan)
        assert {*await outcomes(book, plan)} <= {"done"}
        await everybody_is_as_planned(stage, before, wanted)
        ran = {row.row async for row in book.imports.every_row(plan.plan) if row.state}
        again = await planned(book, text, **choices)
        rows = [row async for row in book.imports.every_row(again.plan) if row.row in ran]
        # What contradicted the book beside an empty field that was filled does so still.
        assert {row.reason or row.decision for row in rows} <= {"same", "skip", "says_otherwise"}


async def undone(stage: Stage, change_id: int) -> StoredPlan:
    """The run of a plan that takes that change back, gone on with until it is done."""
    book = await stage.book()
    entry = await book.journal.get(change_id)
    assert entry is not None
    plan = await plan_undo(book, await begin_undo(book, entry), entry)
    return await until_done(book, plan)


async def test_an_undo_restores_what_is_as_the_run_left_it_and_names_what_is_kept(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        before = stage.people()
        book = await stage.book()
        text = f"{table(6)}\n5105550101,Grace,Hopper,grace@example.com\n5105550102,Benjamin,Franklin,b@example.com"
        plan = await planned(book, text, existing="overwrite")
        done = await until_done(book, plan)
        assert await outcomes(book, plan) == {"done": 8}
        changed = next(person for person in stage.sandbox.store.contacts() if person["phone"] == "15105550203")
        for number, change in ((changed["id"], {"first": "Changed"}), (stage.ADA, {"last": "Changed"})):
            row = stage.row(number)
            stage.sandbox.state.records.replace({**row, **change, "rev": row["rev"] + 1})
        assert done.change_id is not None
        undo = await undone(stage, done.change_id)
        assert undo.counts["decisions"] == {"delete": 5, "kept": 1, "restore": 2}
        after = stage.people()
        assert after.keys() == {*before, changed["id"]}
        assert after[stage.BEN] == before[stage.BEN]
        assert after[stage.ADA] == {**before[stage.ADA], "last": "Changed"}


async def test_an_undo_of_an_undo_puts_everything_back(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        book = await stage.book()
        text = f"{table(4)}\n5105550101,Grace,Hopper,grace@example.com"
        plan = await planned(book, text, existing="overwrite")
        done = await until_done(book, plan)
        imported = {person["phone"]: person["first"] for person in stage.people().values()}
        assert done.change_id is not None
        first = await undone(stage, done.change_id)
        assert first.change_id is not None
        again = await undone(stage, first.change_id)
        assert again.counts["decisions"] == {"create_again": 4, "restore": 1}
        assert {person["phone"]: person["first"] for person in stage.people().values()} == imported


@pytest.mark.parametrize("at", range(1, 14))
async def test_an_undo_that_is_killed_at_any_request_goes_on_to_its_end(open_stage: OpenStage, at: int) -> None:
    async with open_stage() as stage:
        before = stage.people()
        book = await stage.book()
        plan = await planned(book, f"{table(8)}\n5105550101,Grace,Hopper,grace@example.com", existing="overwrite")
        done = await until_done(book, plan)
        assert done.change_id is not None
        entry = await book.journal.get(done.change_id)
        assert entry is not None
        undo = await plan_undo(book, await begin_undo(book, entry), entry)
        await killed_at(book, undo, at)
        stage.restart()
        book = await stage.book()
        await until_done(book, undo)
        assert stage.people() == before


async def test_an_undo_opts_nobody_in(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        book = await stage.book()
        plan = await planned(book, "Phone,Opted out,Last name\n5105550101,yes,Lovelace\n", existing="overwrite")
        done = await until_done(book, plan)
        assert done.change_id is not None
        await undone(stage, done.change_id)
        ada = stage.people()[stage.ADA]
        assert (ada["is_opted_out"], ada["last"]) == (True, "Example")


SINGLE_FAULTS = [fault for fault in BATCH_FAULTS if "items" not in fault.values[0]]


@pytest.mark.parametrize("known_phone", ["reject", "update", "double"])
@pytest.mark.parametrize("fault", SINGLE_FAULTS)
async def test_whatever_becomes_of_a_single_create_everybody_is_there_once(
    open_stage: OpenStage, fault: dict[str, Any], known_phone: str
) -> None:
    async with open_stage() as stage:
        await stage.fresh(known_phone=known_phone, batch_limit=1)
        book = await stage.book()
        plan = await planned(book, table(12))
        stage.sandbox.faults.add(Fault(operation="create_contact", skip=2, **fault))
        await until_done(book, plan)
        stage.sandbox.land_all()
        phones = phones_of(stage)
        assert len(phones) == len({*phones})
        failed = {row.phone for row in await book.imports.rows(plan.plan, state="failed", limit=99)}
        assert len(phones) + len(failed - {*phones}) == 14
        assert not failed & {*phones}


@pytest.mark.parametrize("fault", SINGLE_FAULTS)
async def test_whatever_becomes_of_an_update_it_is_told_rightly(open_stage: OpenStage, fault: dict[str, Any]) -> None:
    async with open_stage() as stage:
        book = await stage.book()
        text = "Phone,First name,Last name\n5105550101,Grace,Hopper\n5105550102,Benjamin,Franklin\n"
        plan = await planned(book, text, existing="overwrite")
        stage.sandbox.faults.add(Fault(operation="update_contact", skip=1, **fault))
        await until_done(book, plan)
        stage.sandbox.land_all()
        names = {person["phone"]: person["last"] for person in stage.people().values()}
        wanted = {"15105550101": "Hopper", "15105550102": "Franklin"}
        async for row in book.imports.every_row(plan.plan):
            assert (names[row.phone] == wanted[row.phone]) == (row.state == "done"), row


async def cleared(book: Book, *ids: int) -> StoredPlan:
    """A plan that empties the e-mail of these contacts."""
    chosen, wanted = Chosen(contact_ids=ids), Wanted(clear=["email"])
    edit = await edit_for(book, chosen, wanted)
    return await plan_change(book, await begin_change(book, chosen, wanted, edit), chosen, edit)


async def test_a_text_that_is_cleared_in_a_second_write_is_done_and_nobody_else_is_blamed(
    open_stage: OpenStage,
) -> None:
    async with open_stage(behaviour={"clears_with": "null"}) as stage:
        book = await stage.book()
        plan = await cleared(book, stage.ADA)
        await until_done(book, plan)
        assert stage.sandbox.store.contact(stage.ADA)["email"] == ""
        assert [(row.state, row.outcome) async for row in book.imports.every_row(plan.plan)] == [("done", "")]


@pytest.mark.parametrize("second", [{"kind": "status", "status": 400}, {"kind": "refuse", "times": -1}])
async def test_a_second_write_that_is_refused_does_not_undo_the_first(
    open_stage: OpenStage, second: dict[str, Any]
) -> None:
    """The looks after it fail."""
    async with open_stage(behaviour={"clears_with": "null"}) as stage:
        book = await stage.book()
        plan = await cleared(book, stage.ADA)
        stage.sandbox.faults.add(Fault("update_contact", skip=1, **second))
        stage.sandbox.faults.add(Fault("search_contacts", "status", skip=2, times=-1))
        with suppress(AssertionError):
            await until_done(book, plan, most=1)
        stage.sandbox.faults.clear()
        (row,) = [row async for row in book.imports.every_row(plan.plan)]
        (entry,) = await book.journal.entries(contact_id=stage.ADA)
        assert (row.state, entry.state) == ("told", "done")
        assert "did not keep email" in row.outcome


async def test_null_that_is_refused_by_now_is_distrusted_in_a_run_too(open_stage: OpenStage) -> None:
    async with open_stage(behaviour={"clears_with": "empty"}) as stage:
        book = await stage.book()
        book.profile.learn({"clear_empty": Seen("does nothing"), "clear_null": Seen("empties")})
        plan = await cleared(book, stage.ADA)
        stage.sandbox.faults.add(Fault("update_contact", "status", status=400))
        await until_done(book, plan)
        assert stage.sandbox.store.contact(stage.ADA)["email"] == ""
        assert await outcomes(book, plan) == {"done": 1}
        assert book.profile.position("clear_null") == ""


async def test_a_run_that_waits_for_a_late_answer_stops_when_its_time_is_over(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        book = await stage.book()
        plan = await planned(book, table(3))
        waiting = [moved_on(row, "sending", sent_at=book.imports.now) for row in await book.imports.rows(plan.plan)]
        await book.imports.save(plan.plan, waiting)
        begun = anyio.current_time()
        stopped = await run(book, plan, is_time_over=lambda: anyio.current_time() >= begun + 5)
        assert stopped.state == "stopped"
        assert 5 <= anyio.current_time() - begun < 8
        assert (await run(book, plan)).state == "done"
        assert len(phones_of(stage)) == 5
