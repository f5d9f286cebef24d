"""Two servers that know nothing of each other work on one account. Answers tell what each did to the other.

Each laptop has its own data directory, so neither locks nor the journal hold one of them back.
Guards `contacts_mcp/book/writing/notes.py` and `contacts_mcp/book/writing/write.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import pytest
from support import Assistant, Backend, OpenStage, Server, Stage

from contacts_mcp.sandbox import Fault, FaultKind, Lag

NEW = "+12125550142"
ADA = "+15105550101"
Call = tuple[str, dict[str, Any]]


@pytest.fixture
def anyio_backend(hurried: Backend) -> Backend:
    return hurried


@asynccontextmanager
async def two_laptops(open_stage: OpenStage, **behaviour: Any) -> AsyncIterator[tuple[Stage, Server]]:
    """A stage, and a second server on its account. Each request takes a moment, so calls at once meet each other."""

    async def takes_a_moment(_: httpx.Request) -> None:
        await anyio.sleep(0.1)

    async with (
        open_stage(confirm="off", behaviour={"known_phone": "double"} | behaviour) as stage,
        stage.another_server(laptop=True) as other,
    ):
        stage.wire.before = takes_a_moment
        other.wire.before = takes_a_moment
        yield stage, other


async def at_once(*calls: tuple[Assistant, Call], apart: float = 0.0) -> list[dict[str, Any]]:
    """The answers of calls that begin together, or `apart` seconds from one another."""
    answers: list[dict[str, Any]] = [{}] * len(calls)

    async def one(place: int, server: Assistant, call: Call) -> None:
        await anyio.sleep(place * apart)
        answers[place] = (await server.call(call[0], **call[1])).structured_content or {}

    async with anyio.create_task_group() as tasks:
        for place, (server, call) in enumerate(calls):
            tasks.start_soon(one, place, server, call)
    return answers


def with_phone(stage: Stage, phone: str) -> list[int]:
    return [person["id"] for person in stage.people().values() if person["phone"] == phone.removeprefix("+")]


def create(phone: str = NEW, **values: Any) -> Call:
    return "create_contact", {"phone": phone, **values}


def update(contact_id: int, **values: Any) -> Call:
    return "update_contact", {"contact_id": contact_id, **values}


# Two contacts of one phone

FIRST: dict[str, Call] = {
    "create": create(first="Cleo"),
    "create or fill": create(first="Cleo", if_exists="fill"),
    "move": update(Stage.ADA, new_phone=NEW),
}
SECOND: dict[str, Call] = {
    "create": create(first="Dan"),
    "create with the same values": create(first="Cleo"),
    "move": update(Stage.BEN, new_phone=NEW),
}


@pytest.mark.parametrize("other", SECOND.values(), ids=SECOND)
@pytest.mark.parametrize("one", FIRST.values(), ids=FIRST)
async def test_both_see_the_double_that_they_made_at_once(open_stage: OpenStage, one: Call, other: Call) -> None:
    """A move reads the contact before it asks who has the phone, so a create that meets it begins one request later."""
    later = 0.1 * (other[0] == "update_contact") - 0.1 * (one[0] == "update_contact")
    async with two_laptops(open_stage) as (here, there):
        calls = [(there, other), (here, one)] if later > 0 else [(here, one), (there, other)]
        answers = await at_once(*calls, apart=abs(later))
        both = with_phone(here, NEW)
        assert len(both) == 2
        for facts in answers:
            (other_id,) = {*both} - {facts["contact"]["contact_id"]}
            note = facts["notes"][facts["note_kinds"].index("doubles")]
            assert f"contact {other_id}" in note


@pytest.mark.parametrize("apart", [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 1.0])
@pytest.mark.parametrize("other", SECOND.values(), ids=SECOND)
@pytest.mark.parametrize("one", FIRST.values(), ids=FIRST)
async def test_no_double_is_made_without_a_word(open_stage: OpenStage, one: Call, other: Call, apart: float) -> None:
    """However far apart they begin, the later one tells, and only where there is one."""
    async with two_laptops(open_stage) as (here, there):
        answers = await at_once((here, one), (there, other), apart=apart)
        told = ["doubles" in facts.get("note_kinds", []) for facts in answers]
        assert any(told) == (len(with_phone(here, NEW)) == 2)


async def test_an_undone_deletion_and_a_create_at_once_are_told(open_stage: OpenStage) -> None:
    async with two_laptops(open_stage) as (here, there):
        deleted = (await here.ok("delete_contact", contact_id=here.ADA))["change_id"]
        answers = await at_once((here, ("undo_change", {"change_id": deleted})), (there, create(ADA, first="Dan")))
        assert len(with_phone(here, ADA)) == 2
        assert all("doubles" in facts["note_kinds"] for facts in answers)


async def test_a_lost_create_does_not_claim_the_double(open_stage: OpenStage) -> None:
    """Each of them sent other values, and one of them got no answer and was not carried out."""
    async with two_laptops(open_stage) as (here, there):
        here.sandbox.faults.add(Fault("create_contact", "drop_before"))
        kinds: dict[str, str] = {}

        async def ask(server: Assistant, who: str, first: str) -> None:
            kinds[who] = await server.kind_of("create_contact", phone=NEW, first=first)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask, here, "here", "Cleo")
            tasks.start_soon(ask, there, "there", "Dan")
        assert sorted(kinds.values()) == ["created", "unknown_outcome"]
        assert len(with_phone(here, NEW)) == 1


# A change that sets back what the other laptop changed

SET_BACK: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "first": ({"first": "Augusta"}, {"email": "new@example.com"}),
    "last": ({"last": "Lovelace"}, {"tags": ["Lead"]}),
    "display name": ({"display_name": "The Countess"}, {"custom_fields": {"Plan": "Basic"}}),
    "phone": ({"new_phone": NEW}, {"assignee": "Alex Kim"}),
    "one name by another": ({"first": "Augusta"}, {"last": "King"}),
}
Change = Callable[[httpx.Request], Any]


@asynccontextmanager
async def quicker(open_stage: OpenStage, theirs: dict[str, Any], **behaviour: Any) -> AsyncIterator[Stage]:
    """A stage on which the other laptop changes Ada between our read and our write."""
    async with open_stage(confirm="off", behaviour=behaviour) as stage, stage.another_server(laptop=True) as other:

        async def before(request: httpx.Request) -> None:
            if request.method == "PUT":
                stage.wire.before = None
                await other.ok("update_contact", contact_id=stage.ADA, **theirs)

        stage.wire.before = before
        yield stage


@pytest.mark.parametrize(("theirs", "ours"), SET_BACK.values(), ids=SET_BACK)
async def test_a_change_that_sets_back_what_a_colleague_changed_says_so(
    open_stage: OpenStage, theirs: dict[str, Any], ours: dict[str, Any]
) -> None:
    async with quicker(open_stage, theirs) as stage:
        before = stage.people()[stage.ADA]
        facts = await stage.ok("update_contact", contact_id=stage.ADA, **ours)
        assert {"someone_else", "may_have_set_back"} <= {*facts["note_kinds"]}
        (key,) = ["phone" if name == "new_phone" else name for name in theirs]
        assert stage.people()[stage.ADA][key] == before[key]
        note = facts["notes"][facts["note_kinds"].index("may_have_set_back")]
        assert key in note


def quicker_than_the_second(stage: Stage, other: Server) -> Callable[[httpx.Request], Awaitable[None]]:
    """A colleague, who renames Ada right before the second PUT arrives."""
    puts = 0

    async def before(request: httpx.Request) -> None:
        nonlocal puts
        puts += request.method == "PUT"
        if request.method == "PUT" and puts == 2:
            await other.ok("update_contact", contact_id=stage.ADA, first="Augusta")

    return before


@pytest.mark.parametrize("kind", ["drop_before", "status", "gateway", "html"])
async def test_a_copy_that_was_sent_again_says_so_too(open_stage: OpenStage, kind: FaultKind) -> None:
    """The first copy was lost, and the colleague was quicker than the second. It may as well have been ours."""
    async with open_stage(confirm="off") as stage, stage.another_server(laptop=True) as other:
        stage.wire.before = quicker_than_the_second(stage, other)
        stage.sandbox.faults.add(Fault("update_contact", kind))
        facts = await stage.ok("update_contact", contact_id=stage.ADA, email="ours@example.com")
        assert stage.people()[stage.ADA]["first"] == "Ada"
        assert facts["note_kinds"] == ["sent_again", "may_have_set_back"]


@pytest.mark.parametrize("sends_rev", [True, False])
async def test_the_second_write_of_a_change_that_clears_says_so_too(open_stage: OpenStage, sends_rev: bool) -> None:
    """The service wants null where "" did nothing. A colleague is quicker than that write, and no read shows it yet."""
    behaviour = {"clears_with": "null", "sends_rev": sends_rev}
    async with open_stage(confirm="off", behaviour=behaviour) as stage, stage.another_server(laptop=True) as other:
        stage.wire.before = quicker_than_the_second(stage, other)
        facts = await stage.ok("update_contact", contact_id=stage.ADA, clear=["Plan"], email="one@example.com")
        assert stage.people()[stage.ADA]["first"] == "Ada"
        assert "may_have_set_back" in facts["note_kinds"]
        stage.wire.before = None
        facts = await stage.ok("update_contact", contact_id=stage.ADA, clear=["Region"], email="two@example.com")
        assert "note_kinds" not in facts


async def test_what_we_did_ourselves_is_not_called_somebody_elses(open_stage: OpenStage) -> None:
    """Both copies of a change were carried out, so `rev` grew by two."""
    async with open_stage(confirm="off") as stage:
        # No look shows the first copy, and the second one meets it.
        stage.sandbox.faults.add(Fault("update_contact", "drop_after", lag=Lag(reads=3)))
        facts = await stage.ok("update_contact", contact_id=stage.ADA, last="King")
        assert stage.sandbox.store.contact(stage.ADA)["rev"] == 3
        assert "sent_again" in facts["note_kinds"]
        assert "someone_else" not in facts["note_kinds"]


async def test_a_colleague_who_opts_out_meanwhile_is_not_overruled(open_stage: OpenStage) -> None:
    """An opt-out is sent only where it was asked for."""
    async with quicker(open_stage, {"is_opted_out": True}) as stage:
        facts = await stage.ok("update_contact", contact_id=stage.ADA, last="King")
        assert stage.people()[stage.ADA]["is_opted_out"] is True
        assert facts["contact"]["is_opted_out"] is True
        assert {"someone_else", "disturbed"} <= {*facts["note_kinds"]}


@pytest.mark.parametrize("theirs", [{"first": "Augusta"}, {"is_opted_out": True}], ids=["name", "opt-out"])
async def test_a_confirmation_does_not_outlive_the_state_it_was_given_for(
    open_stage: OpenStage, theirs: dict[str, Any]
) -> None:
    async with open_stage() as stage, stage.another_server(laptop=True) as other:
        token = (await stage.ok("delete_contact", contact_id=stage.ADA))["confirm_token"]
        await other.ok("update_contact", contact_id=stage.ADA, **theirs)
        facts = await stage.ok("delete_contact", contact_id=stage.ADA, confirm_token=token)
        assert (facts["status"], facts["note_kinds"]) == (
            "needs_confirmation",
            [*facts["note_kinds"][:-1], "token_refused"],
        )
        assert stage.ADA in stage.people()
