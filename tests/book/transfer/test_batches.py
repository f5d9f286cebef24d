"""Updates in batches: only where a probe saw that they change nothing else, and with the end of single ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from support import OpenStage, Stage
from support.clock import HURRIED, Backend

from contacts_mcp.book.book import Book
from contacts_mcp.book.people.requests import Wanted
from contacts_mcp.book.transfer import batches
from contacts_mcp.book.transfer.many import Chosen, begin_change, edit_for, plan_change
from contacts_mcp.book.transfer.running import run
from contacts_mcp.book.transfer.undoing import begin_undo, plan_undo
from contacts_mcp.sandbox import Behaviour, Fault
from contacts_mcp.server.views.transfer import requests_of
from contacts_mcp.setup.probe.running import Plan as ProbePlan
from contacts_mcp.setup.probe.running import probe
from contacts_mcp.state.imports import StoredPlan
from contacts_mcp.state.profile import Profile, Seen

from .test_running import BATCH_FAULTS, killed_at, outcomes, planned, until_done

KEPT = ("batch_names", "batch_custom", "batch_tags", "batch_owner", "batch_opt_out")
KNOWN = {"batch_overwrite": "it does"} | dict.fromkeys(KEPT, "kept")
KEEP = {"batch_unsent": "keep"}
PEOPLE = 60
_COUNTED = {"created", "updated", "rev"}


@pytest.fixture
def anyio_backend() -> Backend:
    return HURRIED


async def crowd(stage: Stage, *, many: int = PEOPLE) -> list[int]:
    """Contacts that have something in every field."""
    return [
        stage.sandbox.store.add_contact(
            phone=f"1510555{number:04}",
            first=f"F{number}",
            last="Example",
            email=f"p{number}@example.com",
            custom={"31": "Silver", "33": "Oakland"},
            tags=[101],
            assigned_user_id=502,
            is_opted_out=False,
        )
        for number in range(200, 200 + many)
    ]


async def known(stage: Stage, positions: Mapping[str, str] = KNOWN) -> Book:
    book = await stage.book()
    book.profile.learn({line: Seen(position) for line, position in positions.items()})
    return book


async def changed(book: Book, ids: list[int], wanted: Wanted) -> StoredPlan:
    chosen = Chosen(contact_ids=tuple(ids))
    edit = await edit_for(book, chosen, wanted)
    return await plan_change(book, await begin_change(book, chosen, wanted, edit), chosen, edit)


def asked_for(stage: Stage) -> list[str]:
    return [request.operation for request in stage.sandbox.requests]


def book_of(stage: Stage) -> dict[str, dict[str, Any]]:
    """phone -> the contact, without its age."""
    return {
        person["phone"]: {key: value for key, value in person.items() if key not in _COUNTED}
        for person in stage.people().values()
    }


WISHES: dict[str, tuple[Wanted, dict[str, Any]]] = {
    "a tag": (Wanted(add_tags=["Lead"]), {"tags": [101, 102]}),
    "an owner": (Wanted(assignee="Alex Kim"), {"assigned_user_id": 501}),
    "names": (Wanted(first="All", last="Alike"), {"first": "All", "last": "Alike"}),
}
TAG = WISHES["a tag"][0]


@pytest.mark.parametrize("is_known", [False, True], ids=["singly", "in batches"])
@pytest.mark.parametrize(("wanted", "now"), WISHES.values(), ids=WISHES)
async def test_a_change_of_many_ends_alike_singly_and_in_batches(
    open_stage: OpenStage, wanted: Wanted, now: dict[str, Any], *, is_known: bool
) -> None:
    async with open_stage(behaviour=KEEP) as stage:
        before, ids = book_of(stage), await crowd(stage)
        changed_by_now = {phone: person | now for phone, person in book_of(stage).items() if phone not in before}
        book = await known(stage, KNOWN if is_known else {})
        plan = await changed(book, ids, wanted)
        stage.sandbox.requests.clear()
        await run(book, plan)
        assert await outcomes(book, plan) == {"done": PEOPLE}
        assert book_of(stage) == before | changed_by_now
        assert asked_for(stage).count("update_contact") == (0 if is_known else PEOPLE)
        assert len(stage.sandbox.requests) < (20 if is_known else 90)
        assert requests_of(plan) == pytest.approx(len(stage.sandbox.requests), abs=8)


NOT_IN_BATCHES: dict[str, Wanted] = {
    "an opt-out": Wanted(is_opted_out=True),
    "a custom value": Wanted(custom_fields={"Plan": "Gold"}),
    "all custom values": Wanted(custom_fields={"Plan": "Gold"}, replace_custom_fields=True),
    "an emptied text": Wanted(clear=["Plan"]),
    "a tag less": Wanted(remove_tags=["VIP"]),
    "nobody's": Wanted(clear=["assignee"]),
}


@pytest.mark.parametrize("wanted", NOT_IN_BATCHES.values(), ids=NOT_IN_BATCHES)
async def test_what_a_batch_may_do_otherwise_goes_out_singly(open_stage: OpenStage, wanted: Wanted) -> None:
    async with open_stage(behaviour=KEEP) as stage:
        ids = await crowd(stage, many=10)
        book = await known(stage)
        plan = await changed(book, ids, wanted)
        await run(book, plan)
        assert {*await outcomes(book, plan)} == {"done"}
        assert "batch_contacts" not in asked_for(stage)


async def test_a_contact_that_is_opted_out_goes_out_singly_because_one_made_anew_would_not_be(
    open_stage: OpenStage,
) -> None:
    async with open_stage(behaviour=KEEP) as stage:
        ids = await crowd(stage, many=4)
        stage.sandbox.store.touch(ids[0], is_opted_out=True)
        book = await known(stage)
        plan = await changed(book, ids, TAG)
        await run(book, plan)
        assert asked_for(stage).count("update_contact") == 1
        assert await outcomes(book, plan) == {"done": 4}


async def test_an_undo_goes_out_singly_where_another_contact_has_the_phone_by_now(open_stage: OpenStage) -> None:
    async with open_stage(behaviour=KEEP | {"known_phone": "double"}) as stage:
        ids = await crowd(stage, many=3)
        book = await known(stage)
        plan = await changed(book, ids, Wanted(first="All"))
        done = await until_done(book, plan)
        stage.sandbox.store.touch(stage.ADA, phone="15105550200")
        ada = stage.row(stage.ADA)
        entry = await book.journal.get(done.change_id or 0)
        assert entry is not None
        await until_done(book, await plan_undo(book, await begin_undo(book, entry), entry))
        assert stage.row(stage.ADA) == ada


async def test_new_contacts_and_changes_of_one_import_begin_with_one_row_each(open_stage: OpenStage) -> None:
    async with open_stage(behaviour=KEEP) as stage:
        await crowd(stage, many=60)
        book = await known(stage, KNOWN | {"batch_creates": "yes"})
        rows = [*range(200, 260), *range(700, 760)]
        text = "\n".join(["Phone,Last name", *(f"510555{number:04},Alike" for number in rows)])
        plan = await planned(book, text, existing="overwrite")
        await until_done(book, plan)
        assert await outcomes(book, plan) == {"done": 120}
        sizes = {"true": list[int](), "false": list[int]()}
        for request in stage.sandbox.requests:
            if request.operation == "batch_contacts":
                sizes[request.query["overwrite"]].append(len(request.body))
        assert sizes["true"][:3] == [1, 5, 25]
        assert max(sizes["true"]) <= 25
        assert sum(sizes["false"]) == 60


async def test_a_line_that_is_distrusted_during_a_run_ends_its_batches(open_stage: OpenStage) -> None:
    async with open_stage(behaviour=KEEP) as stage:
        ids = await crowd(stage, many=30)
        book = await known(stage)
        plan = await changed(book, ids, TAG)
        whole = book.api.write_contacts

        async def first(*args: Any, **options: Any) -> None:
            await whole(*args, **options)
            book.profile.distrust("batch_names", "seen otherwise")

        book.api.write_contacts = first  # type: ignore[method-assign]  # the next batch sees it
        stage.sandbox.requests.clear()
        await run(book, plan)
        assert asked_for(stage).count("batch_contacts") == 1
        assert await outcomes(book, plan) == {"done": 30}


@pytest.mark.parametrize("line", KNOWN)
@pytest.mark.parametrize("position", ["", "lost", "changed"])
def test_batches_are_known_only_by_all_lines(line: str, position: str) -> None:
    profile = Profile(None, "account")
    profile._lines = {}
    for name, known_position in (KNOWN | {line: position}).items():
        profile._lines[name] = type("Line", (), {"position": known_position})()
    assert not batches.are_known(profile)


@pytest.mark.parametrize("behaviour", [{"sends_rev": False}, {"sends_opt_out": False}], ids=str)
async def test_a_service_that_shows_too_little_gets_no_batches(
    open_stage: OpenStage, behaviour: dict[str, Any]
) -> None:
    async with open_stage(behaviour=KEEP | behaviour) as stage:
        ids = await crowd(stage, many=6)
        book = await stage.book()
        await probe(book, ProbePlan(writes=True))
        plan = await changed(book, ids, TAG)
        stage.sandbox.requests.clear()
        await run(book, plan)
        assert "batch_contacts" not in asked_for(stage)


@pytest.mark.parametrize("side", Behaviour.switches()["batch_unsent"])
async def test_a_probe_alone_decides_whether_batches_are_used(open_stage: OpenStage, side: str) -> None:
    async with open_stage(behaviour={"batch_unsent": side}) as stage:
        ids = await crowd(stage, many=6)
        book = await stage.book()
        await probe(book, ProbePlan(writes=True))
        before = book_of(stage)
        plan = await changed(book, ids, TAG)
        stage.sandbox.requests.clear()
        await run(book, plan)
        assert ("batch_contacts" in asked_for(stage)) == (side == "keep")
        assert await outcomes(book, plan) == {"done": 6}
        for phone, person in book_of(stage).items():
            assert person | {"tags": None} == before[phone] | {"tags": None}


async def test_a_profile_that_is_wrong_costs_one_contact_which_is_told(open_stage: OpenStage) -> None:
    async with open_stage(behaviour={"batch_unsent": "clear"}) as stage:
        ids = await crowd(stage)
        book = await known(stage)
        before = book_of(stage)
        plan = await changed(book, ids, TAG)
        await run(book, plan)
        assert await outcomes(book, plan) == {"done": PEOPLE - 1, "told": 1}
        (told,) = await book.imports.rows(plan.plan, state="told")
        assert told.outcome.startswith("Heymarket changed ")
        assert book.profile.position("batch_overwrite") == ""
        (note,) = book.profile.news()
        assert "batch_overwrite" in note
        differing = [phone for phone, person in book_of(stage).items() if person["custom"] != before[phone]["custom"]]
        assert differing == [told.phone]


@pytest.mark.parametrize("fault", BATCH_FAULTS)
async def test_whatever_becomes_of_a_batch_of_updates_it_is_told_rightly(
    open_stage: OpenStage, fault: dict[str, Any]
) -> None:
    async with open_stage(behaviour=KEEP) as stage:
        ids = await crowd(stage)
        book = await known(stage)
        before = book_of(stage)
        plan = await changed(book, ids, TAG)
        stage.sandbox.faults.add(Fault(operation="batch_contacts", skip=2, **fault))
        await until_done(book, plan)
        stage.sandbox.land_all()
        after = book_of(stage)
        assert await outcomes(book, plan) == {"done": PEOPLE}
        assert after.keys() == before.keys()
        for phone, person in after.items():
            assert person == before[phone] | ({"tags": [101, 102]} if phone >= "15105550200" else {})


@pytest.mark.parametrize("at", range(1, 16))
async def test_a_run_of_batches_that_is_killed_goes_on_and_is_taken_back(open_stage: OpenStage, at: int) -> None:
    async with open_stage(behaviour=KEEP) as stage:
        ids = await crowd(stage)
        book = await known(stage)
        before = book_of(stage)
        plan = await changed(book, ids, WISHES["names"][0])
        await killed_at(book, plan, at)
        stage.restart()
        book = await stage.book()
        done = await until_done(book, plan)
        assert await outcomes(book, plan) == {"done": PEOPLE}
        assert done.change_id is not None
        entry = await book.journal.get(done.change_id)
        assert entry is not None
        stage.sandbox.requests.clear()
        undo = await plan_undo(book, await begin_undo(book, entry), entry)
        await until_done(book, undo)
        assert book_of(stage) == before
        assert "update_contact" not in asked_for(stage)


async def test_a_contact_that_goes_away_under_a_batch_is_told(
    open_stage: OpenStage, monkeypatch: pytest.MonkeyPatch
) -> None:
    from contacts_mcp.sandbox import app

    whole, gone = app.HANDLERS["batch_contacts"], []

    def deleting(call: Any) -> Any:
        if not gone:
            (row,) = call.records.with_values("phone", [call.body[0]["phone"]])
            call.records.delete(row["id"])
            gone.append(row["id"])
        return whole(call)

    monkeypatch.setitem(app.HANDLERS, "batch_contacts", deleting)
    async with open_stage(behaviour=KEEP) as stage:
        ids = await crowd(stage, many=4)
        book = await known(stage)
        plan = await changed(book, ids, TAG)
        await until_done(book, plan)
        (told,) = await book.imports.rows(plan.plan, state="told")
        (again,) = [number for number, person in stage.people().items() if person["phone"] == told.phone]
        assert told.outcome.endswith(f"contact {again} was made.")
        assert await outcomes(book, plan) == {"done": 3, "told": 1}
