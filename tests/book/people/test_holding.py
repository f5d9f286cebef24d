"""Holding one contact or one phone.

Nothing of an earlier write may be on its way, and no read may be older than our own last change.

The loop's clock jumps, so a minute of waiting takes no time and every wait is exact.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Any

import anyio
import httpx
import pytest
from hurried import time_of_day
from support import HURRIED, Backend, OpenStage, Stage

from contacts_mcp.api.pace import on_wait
from contacts_mcp.book.book import Book
from contacts_mcp.book.people.create import create
from contacts_mcp.book.people.delete import delete
from contacts_mcp.book.people.holding import (
    LEFT_FOR_WORK,
    WORTH_TELLING,
    ContactRef,
    holder_of,
    locked_contact,
    locked_phone,
)
from contacts_mcp.book.people.lookup import ref_of
from contacts_mcp.book.people.requests import Wanted
from contacts_mcp.book.people.update import update
from contacts_mcp.book.search.mirror import at_once
from contacts_mcp.book.values import values_of
from contacts_mcp.book.writing.write import LOOK_DELAYS
from contacts_mcp.errors import ContactNotFound, OutcomeUnknown, Refused
from contacts_mcp.models import Contact
from contacts_mcp.sandbox import Fault, FaultKind, Lag
from contacts_mcp.state.journal import IN_FLIGHT, Entry, Journal
from contacts_mcp.words.phones import parse_phone
from contacts_mcp.workspace import Workspace

ADA, BEN = Stage.ADA, Stage.BEN
ADAS, BENS, FREE, STRANGE = "15105550101", "15105550102", "15105550103", "15105550104"
MOMENT = 1e-6  # seconds that a hurried loop may need to come round
LOOKS = sum(LOOK_DELAYS)


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


@pytest.fixture
async def other(stage: Stage, book: Book) -> AsyncIterator[Journal]:
    """The journal of another server of this machine: the same file, another connection."""
    journal = Journal(stage.room / "journal.sqlite3", stage.settings.account, clock=time_of_day)
    yield journal
    await journal.aclose()


async def contact(book: Book, contact_id: int) -> Contact:
    found = await book.api.get_contact(contact_id)
    assert found is not None
    return found


async def written(journal: Journal, entry: Entry, **outcome: Any) -> Entry:
    """An entry of a write that came out like that."""
    begun = replace(await journal.begin(entry), **outcome)
    if begun.state != "begun":
        await journal.finish(begun)
    return begun


# What may still arrive

CREATE = Entry(action="create", before={}, wanted={"phone": FREE, "first": "Cleo"})
EDIT = Entry(
    action="update", contact_id=ADA, before={"phone": ADAS, "first": "A"}, wanted={"phone": ADAS, "first": "B"}
)
MOVE = Entry(action="update", contact_id=ADA, before={"phone": ADAS}, wanted={"phone": FREE})
DELETE = Entry(action="delete", contact_id=ADA, before={"phone": ADAS}, wanted={})


@dataclass(frozen=True)
class Grip:
    """One way to take hold: of a contact by id or by phone, with further phones, or of a phone alone."""

    name: str
    contact_id: int | None = None
    phone: str = ""
    phones: tuple[str, ...] = ()

    def hold(self, book: Book) -> AbstractAsyncContextManager[Any]:
        if self.contact_id:
            return locked_contact(book, ContactRef(self.contact_id), phones=self.phones)
        if self.phones:
            return locked_phone(book, self.phones[0])
        return locked_contact(book, ContactRef(phone=parse_phone(f"+{self.phone}")))


BY_ID = Grip("Ada by id", contact_id=ADA)
BY_PHONE = Grip("Ada by phone", phone=ADAS)
ADAS_NUMBER = Grip("Ada's number", phones=(ADAS,))
FREE_NUMBER = Grip("the free number", phones=(FREE,))
BEN_TO_FREE = Grip("Ben to the free number", contact_id=BEN, phones=(FREE,))
BEN_TO_ADAS = Grip("Ben to Ada's number", contact_id=BEN, phones=(ADAS,))
JUST_BEN = Grip("Ben by phone", phone=BENS)

# An unfinished write -> who has to wait for it, and who has not.
WAITING: dict[str, tuple[Entry, tuple[Grip, ...], tuple[Grip, ...]]] = {
    "create": (CREATE, (FREE_NUMBER, BEN_TO_FREE), (BY_ID, BY_PHONE, ADAS_NUMBER, JUST_BEN)),
    "edit": (EDIT, (BY_ID, BY_PHONE, ADAS_NUMBER, BEN_TO_ADAS), (FREE_NUMBER, BEN_TO_FREE, JUST_BEN)),
    "move": (MOVE, (BY_ID, BY_PHONE, ADAS_NUMBER, FREE_NUMBER, BEN_TO_ADAS, BEN_TO_FREE), (JUST_BEN,)),
    "delete": (DELETE, (BY_ID, BY_PHONE, ADAS_NUMBER, BEN_TO_ADAS), (FREE_NUMBER, BEN_TO_FREE, JUST_BEN)),
}
HELD_BACK = [
    pytest.param(entry, grip, id=f"{name}, {grip.name}") for name, (entry, held, _) in WAITING.items() for grip in held
]
FREE_TO_GO = [
    pytest.param(entry, grip, id=f"{name}, {grip.name}") for name, (entry, _, free) in WAITING.items() for grip in free
]


@pytest.mark.parametrize(("entry", "grip"), HELD_BACK)
async def test_a_write_that_may_still_arrive_is_waited_for(
    book: Book, other: Journal, entry: Entry, grip: Grip
) -> None:
    await written(other, entry, state="unknown")
    started = anyio.current_time()
    async with grip.hold(book):
        assert anyio.current_time() - started == pytest.approx(IN_FLIGHT, abs=MOMENT)


@pytest.mark.parametrize(("entry", "grip"), HELD_BACK)
async def test_a_call_without_the_time_to_wait_is_refused_at_once(
    book: Book, other: Journal, entry: Entry, grip: Grip
) -> None:
    begun = await written(other, entry, state="unknown")
    started = anyio.current_time()
    with anyio.fail_after(50), pytest.raises(Refused) as refused:
        async with grip.hold(book):
            raise AssertionError("held")
    assert refused.value.kind == "may_still_arrive"
    assert f"change {begun.change_id}" in str(refused.value)
    assert f"in {IN_FLIGHT:.0f} seconds" in str(refused.value)
    assert anyio.current_time() == pytest.approx(started, abs=MOMENT)


@pytest.mark.parametrize(("entry", "grip"), FREE_TO_GO)
async def test_a_write_about_others_is_not_waited_for(book: Book, other: Journal, entry: Entry, grip: Grip) -> None:
    await written(other, entry, state="unknown")
    started = anyio.current_time()
    async with grip.hold(book):
        assert anyio.current_time() == pytest.approx(started, abs=MOMENT)


@pytest.mark.parametrize(
    ("outcome", "is_awaited"),
    [
        ({"state": "begun"}, True),
        ({"state": "unknown"}, True),
        ({"state": "done", "unanswered": True}, True),
        ({"state": "not_done", "unanswered": True}, True),
        ({"state": "done"}, False),
        ({"state": "not_done"}, False),
    ],
    ids=str,
)
async def test_a_write_is_waited_for_while_one_of_its_copies_is_unaccounted_for(
    book: Book, other: Journal, outcome: Any, is_awaited: bool
) -> None:
    await written(other, EDIT, **outcome)
    started = anyio.current_time()
    async with BY_ID.hold(book):
        assert anyio.current_time() - started == pytest.approx(IN_FLIGHT if is_awaited else 0, abs=MOMENT)


@pytest.mark.parametrize("passed", [1.0, 30.0, IN_FLIGHT - 0.5, IN_FLIGHT, 3600.0])
async def test_only_the_rest_of_the_minute_is_waited_for(book: Book, other: Journal, passed: float) -> None:
    await written(other, EDIT, state="unknown")
    await anyio.sleep(passed)
    started = anyio.current_time()
    async with BY_ID.hold(book):
        assert anyio.current_time() - started == pytest.approx(max(0.0, IN_FLIGHT - passed), abs=MOMENT)


@pytest.mark.parametrize("spare", [1, -1], ids=["a second too much", "a second too little"])
async def test_a_wait_leaves_time_for_the_write_and_its_look(book: Book, other: Journal, spare: float) -> None:
    await anyio.sleep(3600)
    await written(other, EDIT, state="unknown")
    started = anyio.current_time()
    with anyio.fail_after(IN_FLIGHT + LEFT_FOR_WORK + spare):
        if spare > 0:
            async with BY_ID.hold(book):
                assert anyio.current_time() - started == pytest.approx(IN_FLIGHT, abs=MOMENT)
        else:
            with pytest.raises(Refused):
                await _hold(BY_ID, book)


async def test_the_last_of_several_writes_is_waited_for(book: Book, other: Journal) -> None:
    await written(other, EDIT, state="unknown")
    await anyio.sleep(20)
    await written(other, DELETE, state="unknown")
    await anyio.sleep(20)
    started = anyio.current_time()
    async with BY_ID.hold(book):
        assert anyio.current_time() - started == pytest.approx(IN_FLIGHT - 20, abs=MOMENT)


async def test_a_write_that_begins_during_the_wait_is_waited_for_too(book: Book, other: Journal) -> None:
    await written(other, EDIT, state="unknown")

    async def another_server() -> None:
        await anyio.sleep(30)
        await written(other, EDIT, state="unknown")

    started = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(another_server)
        async with BY_ID.hold(book):
            assert anyio.current_time() - started == pytest.approx(30 + IN_FLIGHT, abs=MOMENT)


async def test_nobody_is_kept_out_by_somebody_who_waits(book: Book, other: Journal) -> None:
    await written(other, MOVE, state="unknown")
    async with anyio.create_task_group() as tasks:
        started = anyio.current_time()
        tasks.start_soon(_hold, BY_ID, book)
        await anyio.sleep(1)
        async with book.locks.phones(ADAS, FREE), book.locks.contact(ADA):
            assert anyio.current_time() - started == pytest.approx(1, abs=MOMENT)


async def _hold(grip: Grip, book: Book) -> None:
    async with grip.hold(book):
        pass


@pytest.mark.parametrize(("seconds", "told"), [(IN_FLIGHT, [IN_FLIGHT]), (WORTH_TELLING, [])], ids=["long", "short"])
async def test_a_long_wait_is_told_before_it_starts(
    book: Book, other: Journal, seconds: float, told: list[float]
) -> None:
    heard: list[float] = []

    async def hear(wait: float) -> None:
        heard.append(wait)

    await written(other, EDIT, state="unknown")
    await anyio.sleep(IN_FLIGHT - seconds)
    token = on_wait.set(hear)
    async with BY_ID.hold(book):
        assert heard == pytest.approx(told)
    on_wait.reset(token)


# ... is settled before the next change, because afterwards the contact's `rev` no longer tells


async def left_unfinished(book: Book, other: Journal, **wanted: Any) -> Entry:
    ada = await contact(book, ADA)
    before = values_of(ada)
    entry = Entry(action="update", contact_id=ADA, before=before, wanted=before | wanted, rev_before=ada.rev)
    return await written(other, entry, state="unknown")


@pytest.mark.parametrize(("arrived", "outcome"), [(True, "done"), (False, "not_done")], ids=["arrived", "lost"])
@pytest.mark.parametrize("grip", [BY_ID, BY_PHONE], ids=["by id", "by phone"])
async def test_an_unfinished_change_of_the_contact_is_settled_first(
    stage: Stage, book: Book, other: Journal, grip: Grip, arrived: bool, outcome: str
) -> None:
    entry = await left_unfinished(book, other, first="Grace")
    if arrived:
        stage.sandbox.store.touch(ADA, first="Grace")
    async with grip.hold(book) as held:
        assert held.first == ("Grace" if arrived else "Ada")
        settled = await other.get(entry.change_id)
        assert settled
        assert settled.state == outcome


@pytest.mark.parametrize(("arrived", "outcome"), [(True, "done"), (False, "not_done")], ids=["arrived", "lost"])
async def test_an_unfinished_create_is_settled_before_its_phone_is_given_out(
    stage: Stage, book: Book, other: Journal, arrived: bool, outcome: str
) -> None:
    entry = await written(other, CREATE, state="unknown")
    if arrived:
        stage.sandbox.store.add_contact(phone=FREE, first="Cleo")
    async with FREE_NUMBER.hold(book):
        settled = await other.get(entry.change_id)
        assert settled
        assert settled.state == outcome


@pytest.mark.parametrize("contact_id", [None, BEN], ids=["nobody", "another"])
async def test_a_contact_that_an_unfinished_create_made_is_held_with_its_creation_settled(
    stage: Stage, book: Book, other: Journal, contact_id: int | None
) -> None:
    """Otherwise nobody would know that the contact is ours, and its creation could not be taken back."""
    entry = await written(other, CREATE, state="unknown")
    cleo = stage.sandbox.store.add_contact(phone=FREE, first="Cleo")
    async with locked_contact(book, ContactRef(contact_id or cleo)):
        settled = await other.get(entry.change_id)
        assert settled
        made = ("unknown", None) if contact_id else ("done", cleo)
        assert (settled.state, settled.contact_id) == made


async def test_an_unfinished_change_of_another_contact_is_left_to_others(book: Book, other: Journal) -> None:
    entry = await left_unfinished(book, other, first="Grace")
    await anyio.sleep(IN_FLIGHT)
    async with JUST_BEN.hold(book):
        assert await other.get(entry.change_id) == entry


# The same by whole calls, with a service that carries out late


async def test_an_opt_out_after_a_lost_opt_in_is_not_undone_by_it(stage: Stage, book: Book) -> None:
    """The opt-in lands six seconds later. The opt-out that was asked for meanwhile must win."""
    consent = {"contact_id": BEN, "consent": "Asked for texts again by phone"}
    token = (await update(book, Wanted(is_opted_out=False), **consent)).confirm_token
    stage.sandbox.faults.add(Fault("update_contact", "drop_before", late=6.0))
    with pytest.raises(OutcomeUnknown):
        await update(book, Wanted(is_opted_out=False), **consent, confirm_token=token)
    with anyio.fail_after(50), pytest.raises(Refused) as refused:
        await update(book, Wanted(is_opted_out=True), contact_id=BEN)
    assert refused.value.kind == "may_still_arrive"
    assert (await update(book, Wanted(is_opted_out=True), contact_id=BEN)).status == "updated"
    await anyio.sleep(IN_FLIGHT)
    assert stage.people()[BEN]["is_opted_out"] is True


async def test_nothing_is_called_unchanged_while_something_may_arrive(stage: Stage, book: Book) -> None:
    stage.sandbox.faults.add(Fault("update_contact", "drop_before", times=2, late=20.0))
    with pytest.raises(OutcomeUnknown):
        await update(book, Wanted(first="Ann"), contact_id=ADA)
    with anyio.fail_after(30), pytest.raises(Refused) as refused:
        await update(book, Wanted(first="Ada"), contact_id=ADA)
    assert refused.value.kind == "may_still_arrive"
    outcome = await update(book, Wanted(first="Ada"), contact_id=ADA)
    assert (outcome.status, stage.people()[ADA]["first"]) == ("updated", "Ada")


@pytest.mark.parametrize("kind", ["drop_before", "status", "gateway"])
async def test_a_late_write_does_not_set_back_the_one_after_it(stage: Stage, book: Book, kind: FaultKind) -> None:
    """It carries the names as they were read, so it would undo a change of the last name that it knows nothing of."""
    stage.sandbox.faults.add(Fault("update_contact", kind, times=2, status=504, late=20.0))
    with pytest.raises(OutcomeUnknown):
        await update(book, Wanted(first="Ann"), contact_id=ADA)
    await update(book, Wanted(last="New"), contact_id=ADA)
    await anyio.sleep(IN_FLIGHT)
    ada = stage.people()[ADA]
    assert (ada["first"], ada["last"]) == ("Ann", "New")


async def test_another_server_of_the_machine_waits_as_well(stage: Stage, book: Book) -> None:
    stage.sandbox.faults.add(Fault("create_contact", "drop_before", late=20.0))
    with pytest.raises(OutcomeUnknown):
        await create(book, f"+{FREE}", Wanted(first="Cleo"))
    wire: Any = stage.wire
    second = Workspace(stage.settings, sandbox=wire, clock=time_of_day, index_runs=at_once)
    outcome = await create(await second.book(), f"+{FREE}", Wanted(first="Cleo"))
    assert outcome.status == "exists"
    assert [person["first"] for person in stage.people().values() if person["phone"] == FREE] == ["Cleo"]
    await second.aclose()


# Reads that lag behind our own last change

GET: Any = ("get_contact",)
FIND: Any = ("find_contact",)


async def noted(book: Book, contact_id: int | None, phone: str, **entry: Any) -> Entry:
    """A change of our own, written down with the contact as it is now. Here the search never lags."""
    (shown,) = await book.api.search_contacts(phones=[phone])
    assert contact_id in (None, shown.id)
    after = values_of(shown)
    found = {"contact_id": shown.id, "after": after, "rev_after": shown.rev, "updated_after": shown.updated}
    return await written(
        book.journal, Entry(**{"action": "update", "before": {}, "wanted": after} | entry | found), state="done"
    )


async def changed(stage: Stage, book: Book, lag: Lag, **after: Any) -> None:
    """We change Ada, and some reads do not show that yet."""
    before = await contact(book, ADA)
    await anyio.sleep(1)
    stage.sandbox.store.touch(ADA, lag=lag, **after)
    had = {"before": values_of(before), "rev_before": before.rev, "updated_before": before.updated}
    await noted(book, ADA, str(after.get("phone", ADAS)), **had)


async def created(stage: Stage, book: Book, lag: Lag) -> int:
    """We create Cleo, and some reads do not show her yet."""
    cleo = stage.sandbox.store.add_contact(phone=FREE, first="Cleo", lag=lag)
    await noted(book, cleo, FREE, action="create")
    return cleo


async def gone(stage: Stage, book: Book, contact_id: int, lag: Lag) -> None:
    """We delete a contact, and some reads still show it."""
    had = values_of(await contact(book, contact_id))
    stage.sandbox.store.delete(contact_id, lag=lag)
    await written(book.journal, Entry(action="delete", contact_id=contact_id, before=had, wanted={}), state="done")


DATED_BY: dict[str, dict[str, Any]] = {
    "rev": {"sends_updated": False},
    "updated": {"sends_rev": False},
    "values": {"sends_rev": False, "sends_updated": False},
}


@pytest.mark.parametrize("dated_by", DATED_BY)
@pytest.mark.parametrize(
    ("lag", "waited"),
    [
        (Lag(of=GET), 0),
        (Lag(reads=1, of=GET), LOOK_DELAYS[1]),
        (Lag(reads=2, of=GET), LOOKS),
        (Lag(seconds=1.0, of=GET), LOOKS),
    ],
    ids=["none", "one read", "two reads", "a second"],
)
async def test_a_read_that_is_older_than_our_last_change_is_repeated(
    stage: Stage, dated_by: str, lag: Lag, waited: float
) -> None:
    await stage.fresh(**DATED_BY[dated_by])
    book = await stage.book()
    await changed(stage, book, lag, first="Grace")
    started = anyio.current_time()
    async with BY_ID.hold(book) as held:
        assert held.first == "Grace"
        assert anyio.current_time() - started == pytest.approx(waited, abs=MOMENT)


@pytest.mark.parametrize("dated_by", DATED_BY)
@pytest.mark.parametrize("grip", [BY_ID, BY_PHONE], ids=["by id", "by phone"])
async def test_a_read_that_stays_older_is_refused(stage: Stage, dated_by: str, grip: Grip) -> None:
    """A change worked out from it would undo our last one."""
    await stage.fresh(**DATED_BY[dated_by])
    book = await stage.book()
    await changed(stage, book, Lag(reads=9, of=(*GET, *FIND)), first="Grace")
    started = anyio.current_time()
    with pytest.raises(Refused) as refused:
        async with grip.hold(book):
            raise AssertionError("held")
    assert refused.value.kind == "lagging_read"
    assert "Nothing was changed" in str(refused.value)
    assert anyio.current_time() - started == pytest.approx(LOOKS, abs=MOMENT)


@pytest.mark.parametrize("dated_by", ["rev", "updated"])
async def test_a_colleague_who_sets_our_change_back_is_no_lagging_read(stage: Stage, dated_by: str) -> None:
    await stage.fresh(**DATED_BY[dated_by])
    book = await stage.book()
    await changed(stage, book, Lag(), first="Grace")
    await anyio.sleep(1)
    stage.sandbox.store.touch(ADA, first="Ada")
    async with BY_ID.hold(book) as held:
        assert held.first == "Ada"


async def test_a_whole_update_after_a_lagging_one_keeps_both(stage: Stage, book: Book) -> None:
    await changed(stage, book, Lag(reads=2, of=GET), first="Grace")
    await update(book, Wanted(last="Hopper"), contact_id=ADA)
    assert (stage.people()[ADA]["first"], stage.people()[ADA]["last"]) == ("Grace", "Hopper")


# Who has a phone


@pytest.mark.parametrize(("phone", "holder"), [(ADAS, ADA), (BENS, BEN), (FREE, None)])
async def test_without_changes_of_our_own_the_service_says_who_has_a_phone(
    book: Book, phone: str, holder: int | None
) -> None:
    found = await holder_of(book, phone)
    assert (found.id if found else None) == holder


async def test_a_contact_that_was_just_created_is_asked_for_by_its_id(stage: Stage, book: Book) -> None:
    """The look by phone may lag behind, and "nobody" would make a second contact."""
    cleo = await created(stage, book, Lag(seconds=30.0, of=FIND))
    found = await holder_of(book, FREE)
    assert found
    assert found.id == cleo
    assert (await create(book, f"+{FREE}", Wanted(first="Cleo"))).status == "exists"
    assert len(stage.people()) == 3


async def test_a_contact_that_was_just_created_and_shows_nowhere_is_refused_and_not_created_again(
    stage: Stage, book: Book
) -> None:
    cleo = await created(stage, book, Lag(seconds=30.0, of=(*FIND, *GET)))
    for call in (create(book, f"+{FREE}", Wanted(first="Cleo")), update(book, Wanted(last="X"), contact_id=cleo)):
        with pytest.raises(Refused) as refused:
            await call
        assert refused.value.kind == "lagging_read"
        assert f"Contact {cleo} got the phone +{FREE} less than a minute ago" in str(refused.value)
    assert len(stage.people()) == 3


async def test_a_new_contact_is_waited_for_by_its_id(stage: Stage, book: Book) -> None:
    cleo = await created(stage, book, Lag(reads=2, of=GET))
    async with locked_contact(book, ContactRef(cleo)) as held:
        assert held.first == "Cleo"


async def test_a_phone_that_we_took_away_is_free_although_reads_still_show_it(stage: Stage, book: Book) -> None:
    await changed(stage, book, Lag(seconds=30.0, of=FIND), phone=FREE)
    assert await holder_of(book, ADAS) is None
    found = await holder_of(book, FREE)
    assert found
    assert found.id == ADA


async def test_a_contact_is_held_by_the_phone_that_the_journal_knows_it_has(stage: Stage, book: Book) -> None:
    cleo = await created(stage, book, Lag(seconds=30.0, of=FIND))
    async with locked_contact(book, ContactRef(phone=parse_phone(f"+{FREE}"))) as held:
        assert held.id == cleo
    await changed(stage, book, Lag(seconds=30.0, of=FIND), phone=STRANGE)
    with pytest.raises(ContactNotFound):
        await _hold(BY_PHONE, book)


async def test_a_new_contact_that_we_moved_on_has_left_its_first_phone(stage: Stage, book: Book) -> None:
    cleo = await created(stage, book, Lag())
    before = values_of(await contact(book, cleo))
    stage.sandbox.store.touch(cleo, phone=STRANGE, lag=Lag(seconds=30.0, of=GET))
    await noted(book, cleo, STRANGE, before=before)
    assert await holder_of(book, FREE) is None


async def test_the_phone_of_a_contact_that_we_deleted_is_free_although_reads_still_show_it(
    stage: Stage, book: Book
) -> None:
    await gone(stage, book, ADA, Lag(seconds=30.0, of=FIND))
    assert await holder_of(book, ADAS) is None


async def test_a_contact_that_we_created_and_deleted_within_the_minute_has_no_phone(stage: Stage, book: Book) -> None:
    cleo = await created(stage, book, Lag())
    await gone(stage, book, cleo, Lag(seconds=30.0, of=FIND))
    assert await holder_of(book, FREE) is None
    with pytest.raises(ContactNotFound):
        async with locked_contact(book, ContactRef(cleo)):
            raise AssertionError("held")


async def test_a_contact_that_a_colleague_moved_right_after_we_created_it_has_left_its_phone(
    stage: Stage, book: Book
) -> None:
    cleo = await created(stage, book, Lag())
    stage.sandbox.store.touch(cleo, phone=STRANGE)
    assert await holder_of(book, FREE) is None
    assert (await create(book, f"+{FREE}", Wanted(first="Dora"))).status == "created"


async def test_a_phone_that_a_colleague_gave_to_another_contact_is_that_ones(stage: Stage, book: Book) -> None:
    cleo = await created(stage, book, Lag())
    stage.sandbox.store.touch(cleo, phone=STRANGE)
    stage.sandbox.store.touch(BEN, phone=FREE)
    found = await holder_of(book, FREE)
    assert found
    assert found.id == BEN


# Which contact is held


async def test_a_contact_is_held_as_it_is_now(book: Book) -> None:
    async with locked_contact(book, ref_of(book, contact_id=None, phone=f"+{ADAS}")) as held:
        assert (held.id, held.first) == (ADA, "Ada")


@pytest.mark.parametrize("ref", [ContactRef(999_999), ContactRef(phone=parse_phone(f"+{FREE}"))], ids=["id", "phone"])
async def test_nobody_cannot_be_held(book: Book, ref: ContactRef) -> None:
    with pytest.raises(ContactNotFound) as refused:
        async with locked_contact(book, ref):
            raise AssertionError("held")
    assert refused.value.kind == "not_found"
    assert ref.described in str(refused.value)


async def _held(book: Book, grip: Grip, seen: list[Contact]) -> None:
    async with grip.hold(book) as held:
        seen.append(held)


@pytest.mark.parametrize("grip", [BY_ID, BY_PHONE], ids=["by id", "by phone"])
async def test_a_contact_that_was_changed_while_its_lock_was_waited_for_is_read_again(
    stage: Stage, book: Book, grip: Grip
) -> None:
    """By phone a contact must be read before it can be locked. The holder of the lock may change it meanwhile."""
    has_read, seen = anyio.Event(), []

    async def note_the_read(request: httpx.Request) -> None:
        has_read.set()

    stage.wire.after = note_the_read
    async with anyio.create_task_group() as tasks, book.locks.contact(ADA):
        tasks.start_soon(_held, book, grip, seen)
        if grip is BY_PHONE:
            await has_read.wait()
        await anyio.sleep(1)
        stage.sandbox.store.touch(ADA, first="Moved")
    assert [held.first for held in seen] == ["Moved"]


async def test_a_contact_that_gave_up_its_phone_while_its_lock_was_waited_for_is_not_the_one_meant(
    stage: Stage, book: Book
) -> None:
    async def move(request: httpx.Request) -> None:
        stage.wire.after = None
        stage.sandbox.store.touch(ADA, phone=STRANGE)

    async with anyio.create_task_group() as tasks, book.locks.contact(ADA):
        stage.wire.after = move
        tasks.start_soon(_refused_as_gone, book)
        await anyio.sleep(1)


async def _refused_as_gone(book: Book) -> None:
    with pytest.raises(ContactNotFound) as refused:
        async with BY_PHONE.hold(book):
            raise AssertionError("held")
    assert f"the phone +{ADAS}" in str(refused.value)


async def test_a_deletion_that_is_repeated_by_phone_finds_the_contact_gone(stage: Stage, book: Book) -> None:
    token = (await delete(book, phone=f"+{ADAS}")).confirm_token
    assert (await delete(book, phone=f"+{ADAS}", confirm_token=token)).status == "deleted"
    with pytest.raises(ContactNotFound):
        await delete(book, phone=f"+{ADAS}")
