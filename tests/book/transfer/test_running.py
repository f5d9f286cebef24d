"""Plans that run: what was planned is what is done, whatever happens on the way."""

from __future__ import annotations

import io
from typing import Any

import pytest
from support import OpenStage, Stage
from support.clock import HURRIED, Backend

from contacts_mcp.book.book import Book
from contacts_mcp.book.transfer.deciding import Switches
from contacts_mcp.book.transfer.opening import pasted_source
from contacts_mcp.book.transfer.planning import Asked, plan_file
from contacts_mcp.book.transfer.running import run
from contacts_mcp.book.transfer.sources import choosing
from contacts_mcp.sandbox import Fault
from contacts_mcp.state.imports import StoredPlan


@pytest.fixture
def anyio_backend() -> Backend:
    return HURRIED


def table(count: int, *, first: int = 200) -> str:
    rows = (f"510555{number:04},F{number},L{number},p{number}@example.com" for number in range(first, first + count))
    return "\n".join(["Phone,First name,Last name,Email", *rows])


async def planned(book: Book, text: str, **choices: Any) -> StoredPlan:
    _, facts = pasted_source("Phone\n1")
    source = choosing.read(io.BytesIO(text.encode()), region="US")
    asked = Asked(switches=Switches(**choices))
    return await plan_file(book, book.imports.begin("file", facts, asked.as_json()), source, asked)


def outcomes(book: Book, plan: StoredPlan) -> dict[str, int]:
    return {state: count for state, count in book.imports.states(plan.plan).items() if state}


def phones_of(stage: Stage) -> list[str]:
    return sorted(person["phone"] for person in stage.people().values())


async def test_new_contacts_are_created_as_planned(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        book = await stage.book()
        plan = await planned(book, table(180))
        assert plan.counts["decisions"] == {"new": 180}
        done = await run(book, plan.plan)
        assert (done.state, done.problem, outcomes(book, plan)) == ("done", "", {"done": 180})
        assert len(phones_of(stage)) == 182
        again = await planned(book, table(180))
        assert again.counts["decisions"] == {"same": 180}


async def until_done(book: Book, plan: StoredPlan, *, most: int = 60) -> StoredPlan:
    """The run, gone on with as often as something stops it."""
    now = plan
    for _ in range(most):
        now = await run(book, plan.plan)
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
        assert outcomes(book, plan) == {"done": 60}


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
        assert {*outcomes(book, plan)} <= {"done", "told"}


class Killed(BaseException):
    """The process dies: nothing is written down after it."""


@pytest.mark.parametrize("at", range(1, 26))
async def test_a_run_that_is_killed_at_any_request_goes_on_without_doubling_or_losing(
    open_stage: OpenStage, at: int
) -> None:
    async with open_stage() as stage:
        book = await stage.book()
        plan = await planned(book, table(120))
        sent = 0

        async def dying(call: Any) -> Any:
            nonlocal sent
            sent += 1
            if sent == at:
                book.journal.finish_all = book.imports.save = lambda *_: None  # type: ignore[method-assign,assignment]
                raise Killed
            return await requesting(call)

        requesting = book.api._request  # the door that every request goes through
        book.api._request = dying  # type: ignore[method-assign]
        try:
            await run(book, plan.plan)
        except Killed:
            stage.restart()
        book = await stage.book()
        await until_done(book, plan)
        phones = phones_of(stage)
        assert len(phones) == len({*phones}) == 122
        assert outcomes(book, plan) == {"done": 120}
