"""The mirror over the real sandbox: filled, fresh, checked, and honest about the rest."""

from __future__ import annotations

import shutil
import stat
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from support import Clock, Wire

from contacts_mcp.api.client import PAGE
from contacts_mcp.book import create_contact, delete_contact, update_contact
from contacts_mcp.book.book import Book
from contacts_mcp.book.people.requests import Wanted
from contacts_mcp.book.search import filling
from contacts_mcp.book.search.checking import check
from contacts_mcp.book.search.filling import COUNT_AGAIN, FULL_WALK, PART
from contacts_mcp.book.search.known import Known
from contacts_mcp.book.search.mirror import Mirror, mirror_of
from contacts_mcp.config import Settings
from contacts_mcp.errors import CredentialsRefused
from contacts_mcp.sandbox import Behaviour, Credentials, Fault, Intervention, Lag, Oddity, Sandbox, open_sandbox
from contacts_mcp.state.index import Index
from contacts_mcp.state.row import Row
from contacts_mcp.workspace import Workspace, index_path

PLAIN = Behaviour(requests_per_minute=0)
PEOPLE = 300
ENOUGH = 20.0  # seconds of waiting that no test needs


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with closing(open_sandbox(contacts=PEOPLE, behaviour=PLAIN)) as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


def settings_of(home: Path, **given: Any) -> Settings:
    """Settings as for the live service, so that the index is a file."""
    known = {"api_key": Credentials().api_key, "data_dir": home, "requests_per_minute": 100_000, "time_zone": "UTC"}
    return Settings.load(**known | given)


class Server:
    """One server on the sandbox."""

    def __init__(self, sandbox: Sandbox, home: Path, clock: Callable[[], float], **given: Any) -> None:
        self.sandbox = sandbox
        self.wire = Wire(sandbox)
        self.settings = settings_of(home, **given)
        lent: Any = self.wire  # it is only asked for a transport
        self.workspace = Workspace(self.settings, sandbox=lent, clock=clock)
        self.book: Book
        self.mirror: Mirror

    async def filled(self) -> Known:
        known = await self.mirror.ready(wait=ENOUGH)
        self.sandbox.requests.clear()
        return known

    async def walked_again(self) -> Known:
        await self.mirror.ready()
        await self.mirror.finished()
        return await self.filled()

    async def asked_by(self, work: Any) -> tuple[Any, list[str]]:
        """The result, and the requests that it took."""
        self.sandbox.requests.clear()
        result = await work
        return result, [request.operation for request in self.sandbox.requests]

    async def people(self) -> dict[int, Row]:
        ids = [person["id"] for person in self.sandbox.store.contacts()]
        everybody = [*range(1, max(ids, default=0) + 100)]
        return {row.id: row for row in await self.mirror.ask(lambda index: index.rows(everybody))}

    async def agrees(self) -> bool:
        """Whether the mirror has everybody as they are now, and nobody else."""
        own = {one: (row.first, row.last, row.phone, row.email, row.rev) for one, row in (await self.people()).items()}
        return own == {
            person["id"]: (person["first"], person["last"], person["phone"], person["email"], person["rev"])
            for person in self.sandbox.store.contacts()
        }


@asynccontextmanager
async def serving(
    sandbox: Sandbox, home: Path, clock: Callable[[], float] | None = None, **given: Any
) -> AsyncIterator[Server]:
    server = Server(sandbox, home, clock or Clock(), **given)
    try:
        server.book = await server.workspace.book()
        server.mirror = mirror_of(server.book)
        yield server
    finally:
        await server.workspace.aclose()


@pytest.fixture
async def server(sandbox: Sandbox, tmp_path: Path, clock: Clock) -> AsyncIterator[Server]:
    async with serving(sandbox, tmp_path, clock) as opened:
        yield opened


def kinds(known: Known) -> list[str]:
    return [note.kind for note in known.notes]


def files_of(home: Path) -> list[Path]:
    return sorted(home.glob("index*"))


# Filling


async def test_a_mirror_is_filled_by_the_first_call_that_needs_it(server: Server, tmp_path: Path) -> None:
    assert not files_of(tmp_path)
    known = await server.mirror.ready(wait=ENOUGH)
    assert (known.complete, known.searched, known.of, known.notes, known.failure) == (True, PEOPLE, PEOPLE, (), None)
    assert known.as_of.startswith("2027-01-15T08:00:0")  # by the server's clock
    assert await server.agrees()


async def test_filling_costs_a_request_a_page_and_little_more(server: Server) -> None:
    _, operations = await server.asked_by(server.mirror.ready(wait=ENOUGH))
    assert PEOPLE / PAGE <= len(operations) <= PEOPLE / PAGE + 5


@pytest.mark.skipif(sys.platform == "win32", reason="Windows keeps rights elsewhere")
async def test_the_file_is_named_by_the_account_and_is_its_owners_alone(server: Server, tmp_path: Path) -> None:
    await server.filled()
    files, name = files_of(tmp_path), f"index-{server.settings.account}"
    assert {f"{name}.sqlite3", f"{name}.sqlite3-wal"} <= {path.name for path in files}
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}


async def test_a_call_that_waits_hears_of_the_progress(server: Server) -> None:
    told: list[tuple[int, int | None]] = []

    async def announce(searched: int, of: int | None) -> None:
        told.append((searched, of))

    await server.mirror.ready(wait=ENOUGH, announce=announce)
    assert told == sorted(told)
    assert (PEOPLE, PEOPLE) in told
    assert len({searched for searched, _ in told}) > 2


async def test_a_call_waits_no_longer_than_it_wants_and_the_filling_goes_on(server: Server) -> None:
    held = anyio.Event()

    async def hold(_: httpx.Request) -> None:
        await held.wait()

    server.wire.before = hold
    known = await server.mirror.ready(wait=0.05)
    assert (known.is_there, known.complete, known.searched, kinds(known)) == (True, False, 0, ["index_filling"])
    held.set()
    assert (await server.mirror.ready(wait=ENOUGH)).complete


async def test_a_partial_mirror_says_how_much_was_searched(server: Server) -> None:
    server.sandbox.faults.add(Fault("list_contacts", "status", status=403, skip=PART + 2, times=-1))
    known = await server.mirror.ready(wait=ENOUGH)
    assert not known.complete
    assert 0 < known.searched < PEOPLE
    assert known.of == PEOPLE
    assert known.as_of


async def test_what_stops_the_filling_is_kept_and_told_and_the_next_call_goes_on(server: Server) -> None:
    server.sandbox.faults.add(Fault("list_contacts", "status", status=401, skip=PART, times=1))
    known = await server.mirror.ready(wait=ENOUGH)
    assert isinstance(known.failure, CredentialsRefused)
    assert kinds(known) == ["index_stopped"]
    again = await server.mirror.known()
    assert isinstance(again.failure, CredentialsRefused)
    known = await server.mirror.ready(wait=ENOUGH)
    assert (known.complete, known.failure, known.notes) == (True, None, ())


# Resuming


async def stopped_after(requests: int, server: Server) -> None:
    """Have the server read so much of the account, and no more."""
    reached = anyio.Event()

    async def stop(_: httpx.Request) -> None:
        if server.wire.sent > requests:
            reached.set()
            await anyio.sleep_forever()

    server.wire.before = stop
    await server.mirror.ready()
    await reached.wait()


async def test_a_stopped_walk_goes_on_from_its_place(sandbox: Sandbox, tmp_path: Path) -> None:
    async with serving(sandbox, tmp_path) as first:
        await stopped_after(PART + 4, first)
    async with serving(sandbox, tmp_path) as second:
        known = await second.mirror.known()
        assert PEOPLE / 2 > known.searched >= PART * PAGE - PAGE
        known, operations = await second.asked_by(second.mirror.ready(wait=ENOUGH))
        assert known.complete
        assert len(operations) <= PEOPLE / PAGE + 5 - PART
        assert await second.agrees()


async def test_a_server_that_dies_leaves_a_file_from_which_another_goes_on(sandbox: Sandbox, tmp_path: Path) -> None:
    """The files of a server that is still at work are those of one that was killed."""
    before, after = tmp_path / "before", tmp_path / "after"
    async with serving(sandbox, before) as first:
        await stopped_after(PART + 4, first)
        shutil.copytree(before, after)
    async with serving(sandbox, after) as second:
        assert (await second.mirror.known()).searched >= PART * PAGE - PAGE
        assert (await second.filled()).complete
        assert await second.agrees()


async def test_changes_between_a_stop_and_going_on_are_not_missed(sandbox: Sandbox, tmp_path: Path) -> None:
    async with serving(sandbox, tmp_path) as first:
        await stopped_after(PART + 4, first)
    ids = [person["id"] for person in sandbox.store.contacts()]
    for contact_id in ids[::20]:
        sandbox.store.touch(contact_id, last="Changed")
    sandbox.store.delete(ids[1])
    sandbox.store.add_contact(phone="15105559999", first="New")
    async with serving(sandbox, tmp_path) as second:
        assert (await second.filled()).complete
        assert await second.agrees()


async def test_an_index_that_is_emptied_during_a_walk_is_filled_from_the_top(server: Server, tmp_path: Path) -> None:
    path = index_path(server.settings)
    emptied: list[int] = []

    async def forget(_: httpx.Request) -> None:
        if server.wire.sent == 2 * PART and not emptied:
            emptied.append(server.wire.sent)
            with closing(Index(path)) as another:
                another.forget()

    server.wire.before = forget
    assert (await server.mirror.ready(wait=ENOUGH)).complete
    assert emptied
    assert await server.agrees()


# Somebody changes the account meanwhile


async def test_edits_creations_and_deletions_during_a_walk_are_seen(server: Server, clock: Clock) -> None:
    ids = [person["id"] for person in server.sandbox.store.contacts()]
    server.sandbox.interventions.add(
        Intervention("edit", "list_contacts", skip=2, contact_id=ids[0], members={"last": "Edited"}),
        Intervention("create", "list_contacts", skip=3, members={"phone": "15105559999", "first": "Created"}),
        Intervention("delete", "list_contacts", skip=4, contact_id=ids[-1]),
        Intervention("edit", "list_contacts", skip=6, times=3, contact_id=ids[7], members={"last": "Often"}),
    )
    assert (await server.filled()).complete
    clock.now += FULL_WALK + 1
    assert (await server.walked_again()).complete
    assert await server.agrees()


async def test_reads_that_lag_behind_do_not_make_a_mirror_complete_that_is_not(server: Server) -> None:
    new = server.sandbox.store.add_contact(phone="15105559999", first="New", lag=Lag(reads=2, of=("list_contacts",)))
    for _ in range(4):
        known = await server.filled()
        assert not known.complete or new in await server.people()
    assert new in await server.people()


async def test_contacts_that_the_list_hides_leave_the_mirror_incomplete(server: Server) -> None:
    ids = [person["id"] for person in server.sandbox.store.contacts()]
    server.sandbox.store.set_updated(ids[: 3 * PAGE], "2026-10-01T12:00:00Z")
    known = await server.filled()
    assert not known.complete
    assert set(kinds(known)) == {"ties_hidden", "count_differs"}
    assert (known.searched, known.of) == (len(await server.people()), PEOPLE)


async def test_an_unreadable_row_is_counted_and_everybody_else_is_found(server: Server) -> None:
    server.sandbox.oddities.append(Oddity(1005, members={"id": "?"}))
    known = await server.filled()
    assert (known.complete, known.searched, known.of) == (False, PEOPLE - 1, PEOPLE)
    assert kinds(known) == ["rows_unreadable"]


# Freshness


async def test_a_refresh_of_an_unchanged_account_is_one_request(server: Server) -> None:
    await server.filled()
    for _ in range(3):
        known, operations = await server.asked_by(server.mirror.ready())
        assert known.complete
        assert operations == ["list_contacts"]


async def test_a_call_that_needs_no_newer_contacts_makes_no_request(server: Server) -> None:
    await server.filled()
    known, operations = await server.asked_by(server.mirror.ready(refresh=False))
    assert (known.complete, operations) == (True, [])


async def test_calls_at_the_same_moment_share_a_refresh(server: Server) -> None:
    await server.filled()
    async with anyio.create_task_group() as calls:
        for _ in range(5):
            calls.start_soon(server.mirror.ready)
    assert [request.operation for request in server.sandbox.requests] == ["list_contacts"]


async def test_a_refresh_sees_what_others_created_and_edited(server: Server) -> None:
    await server.filled()
    ids = [person["id"] for person in server.sandbox.store.contacts()]
    for contact_id in ids[3:10]:
        server.sandbox.store.touch(contact_id, last="Changed")
    server.sandbox.store.add_contact(phone="15105559999", first="New")
    assert (await server.mirror.ready()).complete
    assert await server.agrees()


async def test_a_second_edit_within_the_same_second_is_seen(tmp_path: Path, clock: Clock) -> None:
    with closing(open_sandbox(contacts=PEOPLE, behaviour=PLAIN, clock=clock)) as sandbox:
        async with serving(sandbox, tmp_path, clock) as server:
            await server.filled()
            for last in ("Once", "Twice", "Thrice"):
                sandbox.store.touch(1007, last=last)
                assert (await server.mirror.ready()).complete
                assert (await server.people())[1007].last == last


async def test_more_changes_than_one_page_shows_are_read_to_their_end(tmp_path: Path, clock: Clock) -> None:
    with closing(open_sandbox(contacts=PEOPLE, behaviour=PLAIN, clock=clock)) as sandbox:
        async with serving(sandbox, tmp_path, clock) as server:
            await server.filled()
            for person in sandbox.store.contacts()[:100]:
                clock.now += 1
                sandbox.store.touch(person["id"], last="Changed")
            assert (await server.mirror.ready()).complete
            assert await server.agrees()


async def test_changes_that_the_list_hides_leave_a_doubt_until_a_walk_without_one(tmp_path: Path, clock: Clock) -> None:
    with closing(open_sandbox(contacts=PEOPLE, behaviour=PLAIN, clock=clock)) as sandbox:
        async with serving(sandbox, tmp_path, clock) as server:
            await server.filled()
            ids = [person["id"] for person in sandbox.store.contacts()]
            for contact_id in ids[: 2 * PAGE]:
                sandbox.store.touch(contact_id, last="Changed")
            clock.now += 60
            await server.mirror.ready()
            await server.mirror.finished()
            known = await server.mirror.known()
            assert (known.complete, "ties_hidden" in kinds(known)) == (False, True)
            for contact_id in ids[: 2 * PAGE]:
                clock.now += 1
                sandbox.store.touch(contact_id, last="Changed again")
            assert not (await server.mirror.ready()).complete
            clock.now += COUNT_AGAIN
            assert (await server.walked_again()).complete
            assert await server.agrees()


async def test_more_changes_than_a_call_can_read_are_read_in_the_background(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("contacts_mcp.book.search.mirror.REFRESH_REQUESTS", 1)
    with closing(open_sandbox(contacts=PEOPLE, behaviour=PLAIN, clock=clock)) as sandbox:
        async with serving(sandbox, tmp_path, clock) as server:
            await server.filled()
            for person in sandbox.store.contacts()[:250]:
                clock.now += 1
                sandbox.store.touch(person["id"], last="Changed")
            known = await server.mirror.ready()
            assert (known.complete, kinds(known)) == (False, ["index_behind"])
            await server.mirror.finished()
            assert (await server.mirror.ready()).complete
            assert await server.agrees()


async def test_a_refresh_that_fails_is_told_and_nobody_is_called_complete(server: Server) -> None:
    await server.filled()
    server.sandbox.faults.add(Fault("list_contacts", "status", status=401, times=1))
    known = await server.mirror.ready()
    assert (known.complete, known.searched, kinds(known)) == (False, PEOPLE, ["index_not_fresh"])
    assert isinstance(known.failure, CredentialsRefused)
    assert (await server.mirror.ready()).complete


async def test_the_newest_contact_deleted_elsewhere_is_noticed_by_a_refresh(server: Server) -> None:
    await server.filled()
    newest = max(server.sandbox.store.contacts(), key=lambda person: person["updated"])
    server.sandbox.store.delete(newest["id"])
    assert (await server.mirror.ready()).complete
    assert await server.agrees()


async def test_other_deletions_are_noticed_by_the_count_and_removed_by_the_next_walk(
    server: Server, clock: Clock
) -> None:
    await server.filled()
    gone = min(server.sandbox.store.contacts(), key=lambda person: person["updated"])
    server.sandbox.store.delete(gone["id"])
    clock.now += COUNT_AGAIN + 1
    _, operations = await server.asked_by(server.mirror.ready())
    assert operations == ["list_contacts", "count_contacts"]
    assert gone["id"] in await server.people()
    clock.now += COUNT_AGAIN + 1
    assert (await server.walked_again()).complete
    assert await server.agrees()


async def test_a_walk_is_made_again_after_an_interval_and_answers_stay_complete_meanwhile(
    server: Server, clock: Clock
) -> None:
    await server.filled()
    clock.now += FULL_WALK + 1
    known = await server.mirror.ready()
    assert known.complete
    await server.mirror.finished()
    _, operations = await server.asked_by(server.mirror.ready())
    assert operations == ["list_contacts"]


async def test_nothing_of_a_deleted_person_is_left_in_the_file_after_the_walk(
    server: Server, tmp_path: Path, clock: Clock
) -> None:
    store = server.sandbox.store
    gone = store.add_contact(
        phone="15105559999", first="Zbigniewa", last="Quarrington", email="zq@unheard.example", custom={"31": "Wolfram"}
    )
    own = store.add_contact(phone="15105559998", first="Ottokaria", last="Vanderquill")
    await server.filled()
    assert remains(tmp_path) == {*WORDS}
    store.delete(gone)
    asked = await delete_contact(server.book, contact_id=own)
    deleted = await delete_contact(server.book, contact_id=own, confirm_token=asked.confirm_token)
    assert deleted.status == "deleted"
    clock.now += FULL_WALK + 1
    await server.walked_again()
    assert remains(tmp_path) == set()


# The phone is a number of six bytes in the file, besides the trigrams that find parts of it.
WORDS = (b"zbigniewa", b"quarrington", b"unheard", b"wolfram", (15105559999).to_bytes(6), b"ottokaria")


def remains(home: Path) -> set[bytes]:
    """The words of the two that the files of the index still hold."""
    bytes_of_files = b"".join(path.read_bytes() for path in files_of(home)).lower()
    return {word for word in WORDS if word in bytes_of_files}


# Own writes


async def test_own_writes_are_in_the_mirror_at_once(server: Server) -> None:
    await server.filled()
    created = await create_contact(server.book, "(510) 555-9999", Wanted(first="Quincy", last="Abernathy"))
    assert created.card
    contact_id = created.card.contact_id
    await server.mirror.ready(refresh=False)
    assert (await server.people())[contact_id].last == "Abernathy"
    await update_contact(server.book, Wanted(last="Brown"), contact_id=contact_id)
    await server.mirror.ready(refresh=False)
    assert (await server.people())[contact_id].last == "Brown"
    asked = await delete_contact(server.book, contact_id=contact_id)
    await delete_contact(server.book, contact_id=contact_id, confirm_token=asked.confirm_token)
    await server.mirror.ready(refresh=False)
    assert contact_id not in await server.people()
    assert await server.agrees()


async def test_a_write_without_a_mirror_makes_none(server: Server, tmp_path: Path) -> None:
    await create_contact(server.book, "(510) 555-9999", Wanted(first="Quincy"))
    await server.mirror.finished()
    assert not files_of(tmp_path)


async def test_a_write_of_a_later_server_is_in_the_mirror_of_an_earlier_one(sandbox: Sandbox, tmp_path: Path) -> None:
    async with serving(sandbox, tmp_path) as first:
        await first.filled()
    async with serving(sandbox, tmp_path) as second:
        asked = await delete_contact(second.book, contact_id=1001)
        await delete_contact(second.book, contact_id=1001, confirm_token=asked.confirm_token)
    async with serving(sandbox, tmp_path) as third:
        assert 1001 not in await third.people()


# Checking hits


async def test_hits_are_checked_in_one_request(server: Server) -> None:
    await server.filled()
    ids = [*range(1001, 1026)]
    checked, operations = await server.asked_by(server.mirror.verified(ids))
    assert [contact.id for contact in checked.contacts] == ids
    assert (checked.gone, checked.unseen, operations) == ((), (), ["search_contacts"])


async def test_a_check_sees_what_changed_moved_or_is_gone_and_corrects_the_mirror(server: Server) -> None:
    store = server.sandbox.store
    blank = store.add_contact(phone="", first="Phoneless")
    await server.filled()
    before = await server.people()
    store.touch(1001, last="Changed")
    store.touch(1002, phone="15105559998")
    store.delete(1003)
    checked, operations = await server.asked_by(server.mirror.verified([1001, 1002, 1003, 1004, blank]))
    assert [(contact.id, contact.last, contact.phone) for contact in checked.contacts[:2]] == [
        (1001, "Changed", before[1001].phone),
        (1002, before[1002].last, "15105559998"),
    ]
    assert [contact.id for contact in checked.contacts[2:]] == [1004, blank]
    assert checked.gone == (1003,)
    assert operations == ["search_contacts", *["get_contact"] * 3]
    assert await server.agrees()


async def test_an_account_that_may_not_search_is_asked_by_id(server: Server) -> None:
    await server.filled()
    server.sandbox.faults.add(Fault("search_contacts", "status", status=403, times=-1))
    checked, operations = await server.asked_by(server.mirror.verified([1001, 1002]))
    assert [contact.id for contact in checked.contacts] == [1001, 1002]
    assert operations == ["search_contacts", "get_contact", "get_contact"]


async def test_a_new_contact_that_reads_do_not_show_yet_is_not_called_gone(server: Server) -> None:
    await server.filled()
    created = await create_contact(server.book, "(510) 555-9999", Wanted(first="Quincy"))
    assert created.card
    await server.mirror.ready(refresh=False)
    server.sandbox.store.hide(created.card.contact_id, Lag(reads=20))
    checked = await server.mirror.verified([created.card.contact_id])
    assert (checked.contacts, checked.gone, checked.unseen) == ((), (), (created.card.contact_id,))
    assert created.card.contact_id in await server.people()


async def test_a_contact_of_our_own_deletion_is_gone_whatever_a_read_shows(server: Server) -> None:
    await server.filled()
    row = (await server.people())[1001]
    server.sandbox.behaviour = replace(PLAIN, lags=(Lag(reads=9, of=("search_contacts",)),))
    asked = await delete_contact(server.book, contact_id=1001)
    await delete_contact(server.book, contact_id=1001, confirm_token=asked.confirm_token)
    checked = await check(server.book.api, server.book.journal, [row])
    assert (checked.contacts, checked.gone) == ((), (1001,))


# Several servers, other places, damage


async def test_one_server_fills_the_index_and_another_reads_it_and_says_so(sandbox: Sandbox, tmp_path: Path) -> None:
    async with serving(sandbox, tmp_path) as first, serving(sandbox, tmp_path) as second:
        await stopped_after(PART + 4, first)
        known, operations = await second.asked_by(second.mirror.ready(wait=0.1))
        assert (known.complete, kinds(known), operations) == (False, ["index_elsewhere"], [])
        assert known.searched > 0
        await first.workspace.aclose()
        known = await second.mirror.ready(wait=ENOUGH)
        assert (known.complete, known.notes) == (True, ())
        assert await second.agrees()


async def test_a_server_that_waits_for_another_hears_when_it_is_done(sandbox: Sandbox, tmp_path: Path) -> None:
    async with serving(sandbox, tmp_path) as first, serving(sandbox, tmp_path) as second:
        known: list[Known] = []

        async def wait(server: Server) -> None:
            known.append(await server.mirror.ready(wait=ENOUGH))

        async with anyio.create_task_group() as calls:
            calls.start_soon(wait, first)
            calls.start_soon(wait, second)
        assert [(one.complete, one.searched) for one in known] == [(True, PEOPLE)] * 2
        assert len([one for one in sandbox.requests if one.operation == "list_contacts"]) < 2 * PEOPLE / PAGE


async def test_a_file_that_cannot_be_read_is_told_once_and_filled_again(sandbox: Sandbox, tmp_path: Path) -> None:
    async with serving(sandbox, tmp_path) as server:
        await server.filled()
        path = index_path(server.settings)
        assert path
    path.write_bytes(b"not a database" * 500)
    async with serving(sandbox, tmp_path) as server:
        known = await server.mirror.ready(wait=0.0)
        assert (known.complete, kinds(known)[0]) == (False, "index_started_over")
        known = await server.mirror.ready(wait=ENOUGH)
        assert (known.complete, known.notes) == (True, ())
        assert await server.agrees()


@pytest.mark.parametrize("name", ["mark", "doubts", "took", "counted_at", "count", "as_of", "began", "unread"])
async def test_damage_in_the_state_of_the_index_is_got_over(server: Server, clock: Clock, name: str) -> None:
    await server.filled()
    await server.mirror.ask(lambda index: index.set_state(**{name: "{damaged"}))
    await server.mirror.ready()
    clock.now += FULL_WALK + 1
    await server.walked_again()
    assert (await server.mirror.ready()).complete
    assert await server.agrees()


@pytest.mark.parametrize("given", [{"index": "memory"}, {"index": "memory", "read_only": True}], ids=str)
async def test_an_index_in_memory_leaves_no_file(sandbox: Sandbox, tmp_path: Path, given: dict[str, Any]) -> None:
    async with serving(sandbox, tmp_path, **given) as server:
        assert (await server.filled()).complete
        assert await server.agrees()
    assert not files_of(tmp_path)


async def test_an_account_too_large_for_memory_is_refused_with_the_reason(
    sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(filling, "MOST_IN_MEMORY", PEOPLE - 1)
    async with serving(sandbox, tmp_path, index="memory") as server:
        for _ in range(2):
            known = await server.mirror.ready(wait=ENOUGH)
            assert (known.is_there, kinds(known)) == (False, ["index_unavailable"])
            assert "CONTACTS_MCP_INDEX=disk" in known.notes[0]
        assert len(sandbox.requests) < PEOPLE / PAGE


async def test_an_index_that_is_off_costs_nothing(sandbox: Sandbox, tmp_path: Path) -> None:
    async with serving(sandbox, tmp_path, index="off") as server:
        known, operations = await server.asked_by(server.mirror.ready(wait=ENOUGH))
        assert (known.is_there, known.complete, kinds(known), operations) == (False, False, ["index_off"], [])
        await create_contact(server.book, "(510) 555-9999", Wanted(first="Quincy"))
    assert not files_of(tmp_path)


async def test_a_data_directory_that_cannot_be_written_is_told(sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file in its place", encoding="utf-8")
    async with serving(sandbox, tmp_path / "data") as server:
        known = await server.mirror.ready(wait=ENOUGH)
        assert (known.is_there, kinds(known)) == (False, ["index_unavailable"])
        assert (await server.mirror.known()).is_there is False
