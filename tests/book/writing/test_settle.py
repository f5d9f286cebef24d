"""Settling judges as the live write does: the same plan, the same circumstances, one function.

The loop's clock jumps, so a minute of waiting takes no time.
Stories of whole servers that die are in `tests/proof/test_settle.py`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support import HURRIED, Backend, OpenStage, Stage

from contacts_mcp.book.book import Book
from contacts_mcp.book.people.create import create
from contacts_mcp.book.people.delete import delete
from contacts_mcp.book.people.requests import Wanted
from contacts_mcp.book.people.update import update
from contacts_mcp.book.values import values_of
from contacts_mcp.book.writing.plan import Circumstances, Plan, Proof, Sight
from contacts_mcp.book.writing.settle import MOST_SETTLED, SETTLING, close_run, plan_of, settle, settle_entry
from contacts_mcp.book.writing.write import circumstances
from contacts_mcp.errors import OutcomeUnknown
from contacts_mcp.models import Values
from contacts_mcp.sandbox import Fault, FaultKind, Lag
from contacts_mcp.state.imports import RowState, StoredRow
from contacts_mcp.state.journal import IN_FLIGHT, Entry, Journal
from contacts_mcp.state.locks import Locks

ADA, BEN = Stage.ADA, Stage.BEN
ADAS, FREE = "15105550101", "15105550103"
LAG = Lag(reads=9, of=("get_contact",))


@pytest.fixture
def anyio_backend() -> Backend:
    return HURRIED


@pytest.fixture
async def stage(open_stage: OpenStage) -> AsyncIterator[Stage]:
    async with open_stage() as opened:
        yield opened


@pytest.fixture
async def book(stage: Stage) -> Book:
    return await stage.book()


async def unfinished(book: Book, contact_id: int, *, action: Any = "update", **wanted: Any) -> Entry:
    """An entry as a server leaves it whose write got no answer, begun with a look."""
    found = await book.api.get_contact(contact_id)
    assert found
    before = values_of(found)
    begun = await book.journal.begin(
        Entry(
            action=action,
            contact_id=contact_id,
            before=before,
            wanted=before | wanted if action == "update" else {},
            rev_before=found.rev,
            updated_before=found.updated,
            record=found.model_dump(mode="json"),
        )
    )
    await book.journal.finish(replace(begun, state="unknown"))
    return begun


async def state_of(book: Book, entry: Entry) -> str:
    await settle_entry(book, entry.change_id)
    settled = await book.journal.get(entry.change_id)
    assert settled
    return settled.state


# One judge


TABLES = st.dictionaries(
    st.sampled_from(["phone", "first", "tags", "is_opted_out", "custom:31"]),
    st.one_of(st.none(), st.booleans(), st.text(max_size=3), st.lists(st.integers(1, 3), max_size=2)),
)
REVS = st.integers(0, 2**31)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    before=TABLES, wanted=TABLES, action=st.sampled_from(["create", "update", "delete"]), rev=REVS, updated=st.text()
)
async def test_a_plan_comes_back_from_the_journal_as_it_went_in(
    before: Values, wanted: Values, action: Any, rev: int, updated: str
) -> None:
    plan = Plan(
        action=action, contact_id=7, before=before, wanted=wanted, rev_before=rev, updated_before=updated.strip("\x00")
    )
    journal = Journal(None, "account", clock=lambda: 0.0, uptime=lambda: 0.0)
    facts = {
        name: getattr(plan, name)
        for name in ("action", "contact_id", "before", "wanted", "rev_before", "updated_before")
    }
    begun = await journal.begin(Entry(**facts))
    found = await journal.get(begun.change_id)
    assert found
    assert plan_of(found) == plan
    await journal.aclose()


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Plan, Sight, Circumstances, Proof]]:
    """Everything that the judge is asked, with its answers."""
    asked = []
    judge = Plan.proof

    def listening(plan: Plan, seen: Sight, given: Circumstances) -> Proof:
        proof = judge(plan, seen, given)
        asked.append((plan, seen, given, proof))
        return proof

    monkeypatch.setattr(Plan, "proof", listening)
    return asked


async def lost_create(book: Book) -> None:
    await create(book, f"+{FREE}", Wanted(first="Cleo"))


async def lost_update(book: Book) -> None:
    await update(book, Wanted(first="Grace"), contact_id=ADA)


async def lost_delete(book: Book) -> None:
    token = (await delete(book, contact_id=ADA)).confirm_token
    await delete(book, contact_id=ADA, confirm_token=token)


@pytest.mark.parametrize("write", [lost_create, lost_update, lost_delete])
@pytest.mark.parametrize("is_young", [True, False], ids=["a change of our own before", "none before"])
async def test_settling_asks_the_judge_what_the_live_write_asked(
    stage: Stage, book: Book, judged: list[Any], write: Callable[[Book], Any], is_young: bool
) -> None:
    if is_young:
        await update(book, Wanted(last="Hopper"), contact_id=ADA)
    for operation in ("create_contact", "update_contact", "delete_contact"):
        stage.sandbox.faults.add(Fault(operation, "drop_before", times=2))
    with pytest.raises(OutcomeUnknown):
        await write(book)
    live = judged[-1]
    judged.clear()
    (entry,) = await book.journal.unfinished()
    await settle_entry(book, entry.change_id)
    assert judged == [live]


# ... in the same circumstances


UNDATED = {"sends_rev": False, "sends_updated": False}


@pytest.mark.parametrize(
    ("seen", "outcome"), [("as it was before our last change", "unknown"), ("as asked", "done")], ids=str
)
async def test_a_look_from_before_our_last_change_does_not_settle_the_next(
    stage: Stage, seen: str, outcome: str
) -> None:
    """Grace -> Ada is carried out, Ada -> Grace is lost. A read that lags shows Grace, as she was before both."""
    await stage.fresh(**UNDATED)
    book = await stage.book()
    await update(book, Wanted(first="Grace"), contact_id=ADA)
    await anyio.sleep(IN_FLIGHT)
    await update(book, Wanted(first="Ada"), contact_id=ADA)
    entry = await unfinished(book, ADA, first="Grace")
    if seen == "as asked":
        stage.sandbox.store.touch(ADA, first="Grace", last="Else")
        stage.sandbox.store.touch(ADA, last="Example")
        # Only once no read can lag any more is it told from the state before our last change.
        await anyio.sleep(IN_FLIGHT)
    else:
        stage.sandbox.store.touch(ADA, first="Grace")
        stage.sandbox.store.touch(ADA, first="Ada", lag=LAG)
    assert await state_of(book, entry) == outcome


@pytest.mark.parametrize("dates", [{}, UNDATED], ids=["dated", "undated"])
async def test_the_state_in_which_a_later_change_found_the_contact_settles_an_earlier_one(
    stage: Stage, dates: Any
) -> None:
    await stage.fresh(**dates)
    book = await stage.book()
    entry = await unfinished(book, ADA, first="Grace")
    stage.sandbox.store.touch(ADA, first="Grace")
    later = await unfinished(book, ADA, first="Jo")
    stage.sandbox.store.touch(ADA, first="Jo")
    assert await state_of(book, later) == "done"
    assert await state_of(book, entry) == "done"


async def test_the_state_in_which_a_later_change_found_the_contact_is_no_proof_of_the_opposite(
    stage: Stage, book: Book
) -> None:
    """The later change was begun while the first could still arrive."""
    entry = await unfinished(book, ADA, first="Grace")
    later = await unfinished(book, ADA, last="Hopper")
    stage.sandbox.store.touch(ADA, last="Hopper")
    assert await state_of(book, later) == "done"
    await anyio.sleep(IN_FLIGHT)
    assert await state_of(book, entry) == "unknown"


@pytest.mark.parametrize(("age", "outcome"), [(0.0, "unknown"), (IN_FLIGHT, "done")], ids=["young", "old"])
async def test_a_contact_that_was_just_created_is_not_gone_because_a_look_does_not_find_it(
    stage: Stage, book: Book, age: float, outcome: str
) -> None:
    cleo = (await create(book, f"+{FREE}", Wanted(first="Cleo"))).card
    assert cleo
    await anyio.sleep(age)
    entry = await unfinished(book, cleo.contact_id, action="delete")
    stage.sandbox.store.hide(cleo.contact_id, Lag(reads=1, of=("get_contact",)))
    assert await state_of(book, entry) == outcome
    if outcome == "unknown":
        await anyio.sleep(IN_FLIGHT)
        assert await state_of(book, entry) == "not_done"


# When it is over


@pytest.mark.parametrize("action", ["update", "delete"])
@pytest.mark.parametrize(
    ("passed", "outcome"), [(IN_FLIGHT - 1, "unknown"), (IN_FLIGHT, "not_done")], ids=["before", "after"]
)
async def test_not_done_is_said_only_once_nothing_can_arrive_any_more(
    book: Book, action: str, passed: float, outcome: str
) -> None:
    entry = await unfinished(book, ADA, action=action, first="Grace")
    await anyio.sleep(passed)
    assert await state_of(book, entry) == outcome


async def test_a_reply_that_named_the_old_rev_speaks_for_its_own_copy_alone(book: Book) -> None:
    """Another copy of the request, sent before, may still arrive."""
    entry = await unfinished(book, ADA, first="Grace")
    await book.journal.finish(replace(entry, state="unknown", rev_after=entry.rev_before))
    assert await state_of(book, entry) == "unknown"
    await anyio.sleep(IN_FLIGHT)
    assert await state_of(book, entry) == "not_done"


async def test_a_change_that_the_first_look_does_not_show_is_looked_for_again(stage: Stage, book: Book) -> None:
    entry = await unfinished(book, ADA, first="Grace")
    await anyio.sleep(IN_FLIGHT)
    stage.sandbox.store.touch(ADA, first="Grace", lag=Lag(reads=1, of=("get_contact",)))
    assert await state_of(book, entry) == "done"


async def test_an_entry_that_stays_unknown_is_not_looked_up_for_ever(stage: Stage, book: Book) -> None:
    entry = await unfinished(book, ADA, first="Grace")
    stage.sandbox.store.touch(ADA, last="Else")
    await settle(book)
    assert await book.journal.unfinished()
    await anyio.sleep(IN_FLIGHT)
    await settle(book)
    assert await book.journal.unfinished() == []
    stage.sandbox.requests.clear()
    await settle(book)
    assert [*stage.sandbox.requests] == []
    assert await state_of(book, entry) == "unknown"


@pytest.mark.parametrize("kind", ["drop_before", "status", "html"])
async def test_a_look_that_fails_leaves_an_entry_as_it_is(stage: Stage, book: Book, kind: FaultKind) -> None:
    entry = await unfinished(book, ADA, first="Grace")
    await anyio.sleep(IN_FLIGHT)
    stage.sandbox.faults.add(Fault("get_contact", kind, times=-1))
    await settle(book)
    left = await book.journal.get(entry.change_id)
    assert left
    assert (left.state, left.looked) == ("unknown", 0.0)
    stage.sandbox.faults.clear()
    await settle(book)
    assert await state_of(book, entry) == "not_done"


@pytest.mark.parametrize("held", ["contact", "phone"])
async def test_an_entry_whose_contact_somebody_holds_is_left_to_them(stage: Stage, book: Book, held: str) -> None:
    entry = (
        await unfinished(book, ADA, first="Grace")
        if held == "contact"
        else await book.journal.begin(Entry(action="create", before={}, wanted={"phone": FREE}))
    )
    await anyio.sleep(IN_FLIGHT)
    other = Locks(stage.room / "locks", stage.settings.account)  # of another server
    async with other.contact(ADA) if held == "contact" else other.phones(FREE):
        await settle(book)
        assert await book.journal.get(entry.change_id) == (
            entry if held == "phone" else replace(entry, state="unknown")
        )
    await settle(book)
    assert await state_of(book, entry) == "not_done"


# A create is judged by everybody who has its phone


NEW: Values = {"phone": FREE, "first": "Cleo", "custom:31": "Gold"}


async def begun_create(book: Book, **outcome: Any) -> Entry:
    begun = await book.journal.begin(Entry(action="create", before={}, wanted=NEW))
    await book.journal.finish(replace(begun, state="unknown", **outcome))
    return begun


async def nobody(stage: Stage, book: Book) -> None: ...


def add(stage: Stage, **members: Any) -> int:
    cleo = {"phone": FREE, "first": "Cleo", "custom": {"31": "Gold"}}
    return stage.sandbox.store.add_contact(**cleo | members)


async def ours(stage: Stage, book: Book) -> None:
    add(stage)


async def somebody_else(stage: Stage, book: Book) -> None:
    add(stage, first="Dora")


async def somebody_else_and_ours(stage: Stage, book: Book) -> None:
    add(stage, first="Dora")
    add(stage)


async def of_another_change(stage: Stage, book: Book) -> None:
    begun = await book.journal.begin(Entry(action="create", before={}, wanted=NEW))
    await book.journal.finish(replace(begun, state="done", contact_id=add(stage)))


async def left(stage: Stage, book: Book, *, state: Any = "done", action: Any = "delete") -> None:
    """A contact of that phone left it by a change of ours."""
    entry = Entry(action=action, contact_id=99, before=NEW, wanted={} if action == "delete" else NEW | {"phone": ADAS})
    await book.journal.finish(replace(await book.journal.begin(entry), state=state))


@pytest.mark.parametrize(
    ("meanwhile", "at_once", "over"),
    [
        (nobody, "unknown", "not_done"),
        (ours, "done", "done"),
        (somebody_else, "unknown", "unknown"),
        (somebody_else_and_ours, "done", "done"),
        (of_another_change, "unknown", "not_done"),
        (left, "unknown", "unknown"),
        (partial(left, action="update"), "unknown", "unknown"),
        (partial(left, state="unknown"), "unknown", "unknown"),
        (partial(left, state="not_done"), "unknown", "not_done"),
    ],
    ids=[
        "nobody",
        "ours",
        "somebody else",
        "somebody else and ours",
        "of another change",
        "deleted since",
        "moved since",
        "maybe deleted since",
        "not deleted since",
    ],
)
@pytest.mark.parametrize("is_over", [False, True], ids=["at once", "over"])
async def test_an_unfinished_create_is_settled_by_who_has_the_phone(
    stage: Stage,
    book: Book,
    meanwhile: Callable[[Stage, Book], Awaitable[None]],
    at_once: str,
    over: str,
    is_over: bool,
) -> None:
    entry = await begun_create(book)
    await meanwhile(stage, book)
    await anyio.sleep(IN_FLIGHT * is_over)
    assert await state_of(book, entry) == (over if is_over else at_once)


async def test_a_contact_that_left_the_phone_before_the_create_tells_nothing(stage: Stage, book: Book) -> None:
    await left(stage, book)
    entry = await begun_create(book)
    await anyio.sleep(IN_FLIGHT)
    assert await state_of(book, entry) == "not_done"


# What is written down


async def test_a_settled_create_knows_its_contact_as_it_was_seen(stage: Stage, book: Book) -> None:
    entry = await begun_create(book)
    cleo = add(stage)
    await settle_entry(book, entry.change_id)
    settled, seen = await book.journal.get(entry.change_id), await book.api.get_contact(cleo)
    assert settled
    assert seen
    found = (settled.contact_id, settled.after, settled.rev_after, settled.updated_after)
    assert found == (cleo, values_of(seen), seen.rev, seen.updated)
    assert await book.journal.creation_of(cleo) == settled


async def test_a_settled_update_knows_the_contact_as_it_was_seen(stage: Stage, book: Book) -> None:
    entry = await unfinished(book, ADA, first="Grace")
    stage.sandbox.store.touch(ADA, first="Grace", last="Else")
    await settle_entry(book, entry.change_id)
    settled, seen = await book.journal.get(entry.change_id), await book.api.get_contact(ADA)
    assert settled
    assert seen
    found = (settled.state, settled.contact_id, settled.after, settled.rev_after, settled.updated_after)
    assert found == ("done", ADA, values_of(seen), seen.rev, seen.updated)


async def test_a_settled_deletion_keeps_its_record_and_leaves_nothing(stage: Stage, book: Book) -> None:
    entry = await unfinished(book, ADA, action="delete")
    stage.sandbox.store.delete(ADA)
    await settle_entry(book, entry.change_id)
    settled = await book.journal.get(entry.change_id)
    assert settled
    assert (settled.state, settled.contact_id, settled.after, settled.rev_after) == ("done", ADA, {}, 0)
    assert settled.record == entry.record != {}


@pytest.mark.parametrize(("action", "gone"), [("delete", [ADA]), ("update", [])])
async def test_the_index_hears_of_a_settled_deletion_and_of_nothing_else_that_is_gone(
    stage: Stage, book: Book, monkeypatch: pytest.MonkeyPatch, action: str, gone: list[int]
) -> None:
    heard: list[int] = []
    monkeypatch.setattr(book.mirror, "noticed_gone", heard.append)
    entry = await unfinished(book, ADA, action=action, first="Grace")
    if action == "delete":
        stage.sandbox.store.delete(ADA)
    else:
        stage.sandbox.store.touch(ADA, first="Grace")
    assert await state_of(book, entry) == "done"
    assert heard == gone


async def test_an_update_that_is_settled_by_a_later_change_knows_the_state_in_which_that_found_it(
    stage: Stage, book: Book
) -> None:
    entry = await unfinished(book, ADA, first="Grace")
    stage.sandbox.store.touch(ADA, first="Grace")
    later = await unfinished(book, ADA, first="Jo")
    stage.sandbox.store.touch(ADA, first="Jo")
    await settle_entry(book, entry.change_id)
    settled = await book.journal.get(entry.change_id)
    assert settled
    found = (settled.contact_id, settled.after, settled.rev_after, settled.updated_after)
    assert found == (ADA, later.before, later.rev_before, later.updated_before)


@pytest.mark.parametrize(
    ("rev", "outcome"),
    [(3, "done"), (2, "unknown"), (4, "unknown"), (0, "unknown")],
    ids=["as accepted", "changed since", "not yet there", "no answer"],
)
async def test_a_write_that_the_service_accepted_is_done_once_the_contact_has_moved_as_the_answer_said(
    stage: Stage, book: Book, rev: int, outcome: str
) -> None:
    """Its value does not show. Of another `rev` nobody knows whose write it is."""
    entry = await unfinished(book, ADA, first="Grace")
    await book.journal.finish(replace(entry, state="unknown", rev_after=rev))
    stage.sandbox.store.touch(ADA, first="Grace")
    stage.sandbox.store.touch(ADA, first="Ada")
    assert await state_of(book, entry) == outcome


@pytest.mark.parametrize(
    ("later", "outcome"),
    [("not_done", "not_done"), ("done", "unknown"), ("begun", "unknown"), ("unknown", "unknown")],
)
async def test_after_a_later_change_the_contact_itself_proves_nothing(
    stage: Stage, book: Book, later: Any, outcome: str
) -> None:
    """The later change may have done the same, or set it back. One that was not carried out did neither."""
    entry = await unfinished(book, ADA, first="Grace")
    begun = await unfinished(book, ADA, last="Hopper")
    await book.journal.finish(replace(begun, state=later))
    await anyio.sleep(IN_FLIGHT)
    assert await state_of(book, entry) == outcome


# Which entries are looked at


@pytest.mark.parametrize("state", ["done", "not_done"])
async def test_an_entry_that_is_settled_is_not_looked_at(stage: Stage, book: Book, state: Any) -> None:
    entry = await unfinished(book, ADA, first="Grace")
    settled = replace(entry, state=state)
    await book.journal.finish(settled)
    stage.sandbox.requests.clear()
    for change_id in (entry.change_id, entry.change_id + 1):
        await settle_entry(book, change_id)
    assert [*stage.sandbox.requests] == []
    assert await book.journal.get(entry.change_id) == settled


@pytest.mark.parametrize("status", [403, 418])
async def test_an_entry_that_cannot_be_read_keeps_no_other_from_being_settled(
    stage: Stage, book: Book, status: int
) -> None:
    entries = [await unfinished(book, ADA, first="Grace"), await unfinished(book, BEN, first="Grace")]
    await anyio.sleep(IN_FLIGHT)
    stage.sandbox.faults.add(Fault("get_contact", "status", status=status))
    await settle(book)
    found = [await book.journal.get(entry.change_id) for entry in entries]
    assert [entry and entry.state for entry in found] == ["unknown", "not_done"]


async def test_settling_ends_in_time_and_goes_on_the_next_time(stage: Stage, book: Book) -> None:
    entries = [await unfinished(book, contact_id, first="Grace") for contact_id in (ADA, BEN)]
    await anyio.sleep(IN_FLIGHT)
    stage.sandbox.faults.add(Fault("get_contact", "silence", times=-1))
    started = anyio.current_time()
    await settle(book)
    assert anyio.current_time() - started <= SETTLING + 0.01  # a try that would not fit is not begun
    stage.sandbox.faults.clear()
    await settle(book)
    assert [await state_of(book, entry) for entry in entries] == ["not_done", "not_done"]


async def unfinished_create_of(book: Book, phone: str) -> Entry:
    begun = await book.journal.begin(Entry(action="create", before={}, wanted={"phone": phone}))
    await book.journal.finish(replace(begun, state="unknown"))
    return begun


async def test_settling_looks_at_the_oldest_entries_and_at_only_so_many(book: Book) -> None:
    phones = [f"1510555{4000 + number}" for number in range(MOST_SETTLED + 2)]
    entries = [await unfinished_create_of(book, phone) for phone in phones]
    await anyio.sleep(IN_FLIGHT)
    await settle(book)
    assert [entry.change_id for entry in await book.journal.unfinished()] == [entry.change_id for entry in entries[-2:]]


# Runs of many contacts


async def run_of(book: Book, *states: RowState, plan_state: str = "done") -> tuple[Entry, Entry]:
    """A change of many, and the open run that takes it back, whose rows are in these states."""
    first = await book.journal.begin(Entry(action="import", before={}, wanted={}, record={"plan": 0}))
    await book.journal.finish(replace(first, state="done"))
    plan = await book.imports.begin("undo", {}, {})
    rows = [StoredRow(row=at, line=at, decision="restore", state=state) for at, state in enumerate(states, start=1)]
    await book.imports.add(plan, rows)
    await book.imports.set(plan, state=plan_state)
    about = {"plan": plan, "kind": "undo"}
    run = await book.journal.begin(Entry(action="import", before={}, wanted={}, record=about, undoes=first.change_id))
    return first, run


async def taken_back_by(book: Book, first: Entry) -> int | None:
    now = await book.journal.get(first.change_id)
    assert now is not None
    return now.undone_by or None


RUNS: dict[str, tuple[tuple[RowState, ...], bool]] = {
    "all done": (("done", "done"), True),
    "done with a remark": (("done", "told"), True),
    "left alone": (("moved",), True),
    "one failed": (("done", "failed"), False),
    "one was not reached": (("done", "planned"), False),
    "no rows any more": ((), False),
}


@pytest.mark.parametrize(("states", "is_whole"), RUNS.values(), ids=RUNS)
async def test_an_undo_of_which_rows_are_left_can_be_made_once_more(
    book: Book, states: tuple[RowState, ...], *, is_whole: bool
) -> None:
    first, run = await run_of(book, *states)
    await close_run(book, run)
    closed = await book.journal.get(run.change_id)
    assert closed is not None
    assert closed.state == "done"
    assert await taken_back_by(book, first) == (run.change_id if is_whole else None)
    assert await book.journal.open_runs() == []


@pytest.mark.parametrize("plan_state", ["done", "running", "stopped", "planned"])
async def test_settling_ends_a_run_that_is_done_and_leaves_one_that_may_go_on(book: Book, plan_state: str) -> None:
    first, run = await run_of(book, "done", plan_state=plan_state)
    other, last = await run_of(book, "done", plan_state="done")
    await settle(book)
    left = [one.change_id for one in await book.journal.open_runs()]
    assert left == ([] if plan_state == "done" else [run.change_id])
    assert await taken_back_by(book, first) == (run.change_id if plan_state == "done" else None)
    assert await taken_back_by(book, other) == last.change_id


async def test_settling_ends_a_run_whose_plan_got_too_old(book: Book) -> None:
    run = await book.journal.begin(Entry(action="import", before={}, wanted={}, record={"plan": 99}))
    await settle(book)
    closed = await book.journal.get(run.change_id)
    assert closed is not None
    assert closed.state == "done"


async def test_a_run_is_no_single_write(book: Book) -> None:
    _, run = await run_of(book, "done")
    with pytest.raises(AssertionError):
        plan_of(run)


# Two writes within the second that `updated` shows


HOUR = 3600.0
AGES: dict[str, tuple[float, float, float | None, bool]] = {
    # the clock's and the machine's seconds since our change before, the clock's since `updated` -> may be one moment
    "long ago": (HOUR, HOUR, HOUR, False),
    "just now": (0.2, 0.2, 0.9, True),
    "just now, and the clock was set back": (-HOUR, 0.2, -HOUR, True),
    "just now, and the clock was set forward": (HOUR, 0.2, HOUR, True),
    "somebody else, just now": (HOUR, HOUR, 1.0, True),
    "long ago, and the clock is behind the service's": (HOUR, HOUR, -5.0, True),
    "long ago, and the machine was started since": (HOUR, -HOUR, HOUR, False),
    "just now, and the machine was started since": (0.2, -HOUR, HOUR, True),
    "just now, and the request was given up later": (0.2, 15.0, HOUR, True),
    "long ago, and reads show no date": (HOUR, HOUR, None, False),
}


@pytest.mark.parametrize(("by_clock", "by_uptime", "since_update", "is_fresh"), AGES.values(), ids=AGES)
async def test_two_changes_may_have_one_timestamp(
    book: Book, *, by_clock: float, by_uptime: float, since_update: float | None, is_fresh: bool
) -> None:
    earlier = await book.journal.begin(Entry(action="update", contact_id=ADA, before={}, wanted={}))
    assert earlier.uptime is not None
    at = 1_800_000_000.0
    book.journal._execute("UPDATE changes SET at = ?, uptime = ?", at - by_clock, 2 * HOUR - by_uptime)
    updated = "" if since_update is None else datetime.fromtimestamp(at - since_update, UTC).isoformat()
    begun = await book.journal.begin(
        Entry(action="update", contact_id=ADA, before={}, wanted={"first": "Grace"}, updated_before=updated)
    )
    later = replace(begun, at=at, uptime=2 * HOUR)
    given = await circumstances(book, plan_of(later), later)
    assert given.is_fresh is is_fresh
