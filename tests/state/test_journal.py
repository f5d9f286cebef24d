"""The journal: written before anything is sent, private, kept for thirty days."""

from __future__ import annotations

import re
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, closing, suppress
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import httpx
import pytest
from support import OpenSession

from contacts_mcp.errors import AccountError
from contacts_mcp.state.acting import who
from contacts_mcp.state.database import steps_of
from contacts_mcp.state.journal import IN_FLIGHT, LONGEST_CALL, Entry, Journal, JournalSetAside

DAY = 24 * 3600.0
WRITES = {"create_contact", "update_contact", "delete_contact"}

UPDATE = Entry(
    action="update",
    contact_id=7,
    before={"first": "Jo", "tags": [1]},
    wanted={"first": "Joe", "tags": [1]},
    rev_before=3,
    consent="By phone",
)


class Clock:
    """The time of day and the uptime of a machine. `jump` sets the one, `run` moves both."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0
        self.ran = 5_000.0

    def __call__(self) -> float:
        return self.now

    def uptime(self) -> float:
        return self.ran

    def run(self, seconds: float) -> None:
        self.now += seconds
        self.ran += seconds

    def jump(self, seconds: float) -> None:
        self.now += seconds

    def restart(self, *, after: float = 30.0) -> None:
        """The machine is started again."""
        self.now += after
        self.ran = 0.0


@pytest.fixture
def clock() -> Clock:
    return Clock()


def opened(path: Path | None, clock: Clock, account: str = "account") -> Journal:
    return Journal(path, account, clock=clock, uptime=clock.uptime)


def ids(entries: list[Entry]) -> list[int]:
    return [entry.change_id for entry in entries]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


@pytest.fixture
async def journal(path: Path, clock: Clock) -> AsyncIterator[Journal]:
    made = opened(path, clock)
    yield made
    await made.aclose()


async def test_what_is_begun_is_there_as_it_was_given(journal: Journal, clock: Clock) -> None:
    begun = await journal.begin(UPDATE)
    assert begun == replace(UPDATE, change_id=1, at=clock.now, uptime=clock.ran)
    assert await journal.get(1) == begun
    assert await journal.unfinished() == [begun]


async def test_an_entry_says_on_whose_behalf_it_was_made(journal: Journal) -> None:
    nobody = await journal.begin(UPDATE)
    token = who.set("Front desk")
    known, told = await journal.begin_all([UPDATE, replace(UPDATE, who="Jo")])
    who.reset(token)
    await journal.finish(replace(known, state="done"))
    assert [entry.who for entry in (nobody, known, told)] == ["", "Front desk", "Jo"]
    assert [entry.who for entry in await journal.entries()] == ["Jo", "Front desk", ""]


async def test_what_is_finished_says_how_it_came_out(journal: Journal) -> None:
    done = replace(await journal.begin(UPDATE), state="done", after={"first": "Joe", "tags": [1]}, rev_after=4)
    await journal.finish(done)
    assert await journal.get(1) == done
    assert await journal.unfinished() == []


async def test_a_text_in_any_script_comes_back_as_it_was(journal: Journal) -> None:
    texts = {"first": 'Zoë "李" \\ \n\x00\u202e👩\u200d👧', "custom:31": "x" * 100_000}
    assert (await journal.begin(replace(UPDATE, before=texts))).before == (await journal.get(1)).before == texts


async def test_entries_come_newest_first_page_after_page_and_by_contact(journal: Journal) -> None:
    for contact_id in (7, 8, 7, 8, 7):
        await journal.begin(replace(UPDATE, contact_id=contact_id))
    assert [entry.change_id for entry in await journal.entries(limit=2)] == [5, 4]
    assert [entry.change_id for entry in await journal.entries(limit=2, before=4)] == [3, 2]
    assert [entry.change_id for entry in await journal.entries(contact_id=7)] == [5, 3, 1]


async def test_accounts_do_not_see_each_other(journal: Journal, path: Path, clock: Clock) -> None:
    await journal.begin(UPDATE)
    other = opened(path, clock, "another")
    assert (await other.entries(), await other.get(1), await other.unfinished()) == ([], None, [])
    await other.aclose()


async def test_two_servers_share_one_file(journal: Journal, path: Path, clock: Clock) -> None:
    second = opened(path, clock)
    begun = await journal.begin(UPDATE)
    assert await second.get(begun.change_id) == begun
    assert (await second.begin(UPDATE)).change_id == 2
    await second.aclose()


async def test_only_its_owner_can_read_it(journal: Journal, path: Path) -> None:
    """Its side files too: they hold what was written last."""
    await journal.begin(UPDATE)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


async def test_a_file_that_others_could_read_is_made_private(path: Path, clock: Clock) -> None:
    path.touch(mode=0o644)
    path.chmod(0o644)
    async with aclosing(opened(path, clock)) as journal:
        await journal.entries()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_a_confirmation_finds_what_it_allowed_unless_that_was_not_done(journal: Journal) -> None:
    begun = await journal.begin(replace(UPDATE, token="digest"))
    assert await journal.by_token("digest") == begun
    assert await journal.by_token("other") is None
    await journal.finish(replace(begun, state="not_done"))
    assert await journal.by_token("digest") is None


# What is asked before and after a write

CREATE = Entry(action="create", before={}, wanted={"phone": "15105550101"})
MOVE = Entry(action="update", contact_id=7, before={"phone": "15105550101"}, wanted={"phone": "15105550102"})
DELETE = Entry(action="delete", contact_id=7, before={"phone": "15105550101"}, wanted={})
OUTCOMES: list[tuple[dict[str, Any], bool]] = [
    ({"state": "begun"}, True),
    ({"state": "unknown"}, True),
    ({"state": "done"}, False),
    ({"state": "not_done"}, False),
    ({"state": "done", "unanswered": True}, True),
    ({"state": "not_done", "unanswered": True}, True),
]


async def finished(journal: Journal, entry: Entry, **outcome: Any) -> Entry:
    """An entry that was begun and came out like that."""
    done = replace(await journal.begin(entry), **outcome)
    if done.state != "begun":
        await journal.finish(done)
    return done


@pytest.mark.parametrize(("outcome", "arrives"), OUTCOMES, ids=str)
@pytest.mark.parametrize(
    ("entry", "contact_id", "phones"),
    [
        (CREATE, None, ["15105550101"]),
        (MOVE, 7, []),
        (MOVE, None, ["15105550101"]),
        (MOVE, 99, ["15105550102"]),
        (DELETE, 7, ["15105550199"]),
        (DELETE, None, ["15105550199", "15105550101"]),
    ],
    ids=["created phone", "contact", "phone before", "phone wanted", "deleted contact", "phone of the deleted"],
)
async def test_a_request_that_may_still_arrive_is_found_by_contact_and_by_phone(
    journal: Journal, clock: Clock, entry: Entry, contact_id: int | None, phones: list[str], outcome: Any, arrives: bool
) -> None:
    begun = await finished(journal, entry, **outcome)
    assert ids(await journal.arriving(contact_id, *phones)) == [begun.change_id] * arrives
    assert await journal.arriving(8, "15105550188") == []
    clock.run(IN_FLIGHT)
    assert await journal.arriving(contact_id, *phones) == []


async def test_another_process_sees_what_may_still_arrive_and_another_account_does_not(
    journal: Journal, path: Path, clock: Clock
) -> None:
    begun = await journal.begin(MOVE)
    async with aclosing(opened(path, clock)) as second, aclosing(opened(path, clock, "another")) as stranger:
        assert await second.arriving(7) == [begun]
        assert await stranger.arriving(7, "15105550101", "15105550102") == []


@pytest.mark.parametrize(
    ("doors", "index"),
    [
        (lambda journal: journal.arriving(7, "15105550101"), "changes_open"),
        (lambda journal: journal.phone_given_out("15105550101"), "changes_to_phone"),
        (lambda journal: journal.departures_from("15105550101"), "changes_from_phone"),
        (lambda journal: journal.about_phone("15105550101"), "changes_from_phone"),
        (lambda journal: journal.last_after(7), "changes_of_contact"),
        (lambda journal: journal.deleted(7), "changes_of_contact"),
    ],
    ids=["arriving", "phone_given_out", "departures_from", "about_phone", "last_after", "deleted"],
)
async def test_no_question_before_a_write_reads_the_whole_journal(
    path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch, doors: Callable[[Journal], Any], index: str
) -> None:
    asked: list[str] = []
    connect = sqlite3.connect

    def overheard(*arguments: Any, **options: Any) -> sqlite3.Connection:
        db = connect(*arguments, **options)
        db.set_trace_callback(lambda query: asked.append(query) if query.startswith("SELECT * FROM changes") else None)
        return db

    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", overheard)
        async with aclosing(opened(path, clock)) as journal:
            await doors(journal)
    with closing(sqlite3.connect(path)) as db:
        plans = [row[3] for query in asked for row in db.execute(f"EXPLAIN QUERY PLAN {query}")]
    assert any(index in plan for plan in plans)
    assert [plan for plan in plans if plan.startswith("SCAN changes") and "INDEX" not in plan] == []


@pytest.mark.parametrize("jump", [-40 * DAY, -90.0, 90.0, 40 * DAY], ids=lambda jump: f"{jump:.0f} s")
@pytest.mark.parametrize("waited", [0.0, IN_FLIGHT - 1, IN_FLIGHT])
async def test_a_clock_that_jumps_does_not_change_what_may_still_arrive(
    journal: Journal, clock: Clock, jump: float, waited: float
) -> None:
    begun = await journal.begin(MOVE)
    clock.jump(jump)
    clock.run(waited)
    arrives = waited < IN_FLIGHT
    assert journal.may_still_arrive(begun) is arrives
    assert journal.seconds_left(begun) == IN_FLIGHT - waited
    assert ids(await journal.arriving(7)) == [begun.change_id] * arrives
    assert ids(await journal.phone_given_out("15105550102")) == [begun.change_id] * arrives


async def test_after_a_restart_of_the_machine_a_request_may_arrive_for_one_more_minute(
    journal: Journal, clock: Clock
) -> None:
    begun = await journal.begin(MOVE)
    clock.restart()
    assert journal.seconds_left(begun) == IN_FLIGHT
    clock.run(IN_FLIGHT)
    assert not journal.may_still_arrive(begun)


async def test_a_token_is_spent_once_among_all_processes_and_after_a_restart(path: Path, clock: Clock) -> None:
    async with aclosing(opened(path, clock)) as one, aclosing(opened(path, clock)) as other:
        assert await one.spend_token("digest")
        assert not await one.spend_token("digest")
        assert not await other.spend_token("digest")
        assert await other.spend_token("another digest")
    async with aclosing(opened(path, clock)) as later:
        assert not await later.spend_token("digest")


def test_many_processes_that_spend_one_token_at_once_have_one_winner(path: Path) -> None:
    children = [
        subprocess.Popen([sys.executable, "-c", SPENDER, str(path)], stdin=-1, stdout=-1, text=True) for _ in range(4)
    ]
    for child in children:
        assert child.stdout
        assert child.stdout.readline() == "ready\n"
    for child in children:
        assert child.stdin
        child.stdin.write("go\n")
        child.stdin.flush()
    won = [set(child.communicate(timeout=20)[0].split()) for child in children]
    assert sum(map(len, won)) == len(set[str]().union(*won)) == 50


SPENDER = """
import sys
from pathlib import Path
import anyio
from contacts_mcp.state.journal import Journal
async def spend():
    journal = Journal(Path(sys.argv[1]), "account")
    print("ready", flush=True)
    sys.stdin.readline()
    print(*[number for number in range(50) if await journal.spend_token(f"digest {number}")])
    await journal.aclose()
anyio.run(spend)
"""


async def test_the_newest_state_that_was_seen_is_told_with_its_rev(journal: Journal, clock: Clock) -> None:
    assert await journal.last_after(7) is None
    await finished(journal, MOVE, state="done", after={"first": "Jo"}, rev_after=4)
    newest = await finished(journal, MOVE, state="done", after={"first": "Joe"}, rev_after=5)
    for state in ("begun", "unknown", "not_done"):
        await finished(journal, MOVE, state=state)
    await finished(journal, replace(MOVE, contact_id=8), state="done", rev_after=9)
    assert await journal.last_after(7) == newest
    assert (newest.after, newest.rev_after, newest.at) == ({"first": "Joe"}, 5, clock.now)


@pytest.mark.parametrize(
    ("state", "is_deleted"), [("done", True), ("begun", False), ("unknown", False), ("not_done", False)]
)
async def test_an_id_that_was_deleted_is_known(journal: Journal, state: Any, is_deleted: bool) -> None:
    entry = await finished(journal, DELETE, state=state)
    assert await journal.deleted(7) == (entry if is_deleted else None)
    assert await journal.deleted(8) is None


@pytest.mark.parametrize(
    ("entry", "phone", "is_given_out"),
    [
        (CREATE, "15105550101", True),
        (MOVE, "15105550102", True),
        (MOVE, "15105550101", False),
        (replace(MOVE, wanted={"phone": "15105550101", "first": "Jo"}), "15105550101", False),
        (DELETE, "15105550101", False),
    ],
    ids=["created", "moved to", "moved from", "changed otherwise", "deleted"],
)
@pytest.mark.parametrize(("state", "counts"), [("begun", True), ("done", True), ("unknown", True), ("not_done", False)])
async def test_a_phone_that_was_given_out_within_the_minute_is_known(
    journal: Journal, clock: Clock, entry: Entry, phone: str, is_given_out: bool, state: Any, counts: bool
) -> None:
    begun = await finished(journal, entry, state=state)
    assert ids(await journal.phone_given_out(phone)) == [begun.change_id] * (is_given_out and counts)
    clock.run(IN_FLIGHT)
    assert await journal.phone_given_out(phone) == []
    assert ids(await journal.phone_given_out(phone, within=90)) == [begun.change_id] * (is_given_out and counts)


async def test_an_unknown_outcome_is_looked_up_until_nothing_can_arrive_and_then_no_more(
    journal: Journal, clock: Clock
) -> None:
    entry = await finished(journal, MOVE, state="unknown")
    await journal.looked_at(entry)
    clock.jump(40 * DAY)
    assert ids(await journal.unfinished()) == [entry.change_id]
    clock.run(IN_FLIGHT)
    await journal.looked_at(entry)
    assert await journal.unfinished() == []


# How long it is kept


async def days_pass(journal: Journal, clock: Clock, days: float) -> None:
    """The machine runs, and the server with it."""
    for _ in range(int(days * 24)):
        clock.run(3600)
        await journal.entries()


async def test_entries_go_once_they_are_thirty_days_old_whatever_their_state(journal: Journal, clock: Clock) -> None:
    for state in ("done", "begun", "unknown", "not_done"):
        await finished(journal, UPDATE, state=state)
    await days_pass(journal, clock, 30)
    assert len(await journal.entries()) == 4
    await days_pass(journal, clock, 2)
    assert await journal.entries() == []


async def test_what_is_deleted_leaves_no_trace_in_the_file(journal: Journal, path: Path, clock: Clock) -> None:
    await finished(journal, replace(UPDATE, before={"first": "Planted-Name"}), state="done")
    await days_pass(journal, clock, 32)
    assert await journal.entries() == []
    await journal.aclose()
    assert b"Planted-Name" not in path.read_bytes()


JUMPS: dict[str, list[float]] = {
    "a month ahead": [31 * DAY],
    "a month ahead and back": [31 * DAY, -31 * DAY],
    "ahead twice": [31 * DAY, 400 * DAY],
    "to and fro": [31 * DAY, -60 * DAY, 90 * DAY, -61 * DAY],
    "back to the year of the chip": [-1_000 * DAY, 1_000 * DAY],
}


@pytest.mark.parametrize("is_restarted", [False, True], ids=["one server", "a new server each time"])
@pytest.mark.parametrize("jumps", JUMPS.values(), ids=JUMPS)
async def test_a_clock_that_is_wrong_for_an_afternoon_wipes_nothing(
    path: Path, clock: Clock, jumps: list[float], is_restarted: bool
) -> None:
    journal = opened(path, clock)
    for _ in range(3):
        await finished(journal, UPDATE, state="done")
    assert await journal.spend_token("digest")
    for jump in jumps:
        clock.jump(jump)
        for _ in range(5):
            clock.run(3600)
            await finished(journal, UPDATE, state="done")
            if is_restarted:
                await journal.aclose()
                journal = opened(path, clock)
    assert len(await journal.entries(limit=100)) == 3 + 5 * len(jumps)
    assert not await journal.spend_token("digest")
    await journal.aclose()


async def test_a_machine_that_is_switched_off_every_evening_forgets_all_the_same(path: Path, clock: Clock) -> None:
    async with aclosing(opened(path, clock)) as journal:
        await finished(journal, UPDATE, state="done")
    for _ in range(36):
        clock.restart(after=15 * 3600)
        for _ in range(9):
            async with aclosing(opened(path, clock)) as journal:
                left = await journal.entries()
            clock.run(3600)
    assert left == []


async def test_a_spent_token_is_forgotten_days_later(journal: Journal, clock: Clock) -> None:
    assert await journal.spend_token("digest")
    await days_pass(journal, clock, 4)
    assert await journal.spend_token("digest")


@pytest.mark.parametrize(("outcome", "is_kept"), OUTCOMES, ids=str)
async def test_forgetting_all_keeps_what_may_still_arrive(
    journal: Journal, path: Path, clock: Clock, outcome: Any, is_kept: bool
) -> None:
    for account in ("account", "another"):
        async with aclosing(opened(path, clock, account)) as each:
            await finished(each, replace(UPDATE, before={"first": "Planted-Name"}), **outcome)
    assert await journal.spend_token("digest")
    assert await journal.forget() == (0 if is_kept else 2)
    assert len(await journal.entries()) == is_kept
    written = b"".join(file.read_bytes() for file in path.parent.iterdir() if not file.name.endswith("-shm"))
    assert (b"Planted-Name" in written) is is_kept
    assert not await journal.spend_token("digest")
    clock.jump(-40 * DAY)
    clock.run(LONGEST_CALL)
    assert await journal.forget() == (2 if is_kept else 0)


# The file


async def test_a_journal_of_the_first_version_is_read_and_gets_what_it_lacks(path: Path, clock: Clock) -> None:
    first, *_ = steps_of(resources.files("contacts_mcp.state").joinpath("journal.sql").read_text(encoding="utf-8"))
    with closing(sqlite3.connect(path)) as db:
        for statement in first:
            db.execute(statement)
        db.execute("PRAGMA user_version = 1")
        insert = (
            "INSERT INTO changes (account, at, action, state, contact_id, before, wanted, looked)"
            " VALUES (?,?,?,?,?,?,?,?)"
        )
        for state, looked in (("done", 0), ("unknown", clock.now + 5), ("unknown", clock.now + 100), ("begun", 0)):
            db.execute(insert, ("account", clock.now, "update", state, 7, '{"phone": "1"}', '{"phone": "2"}', looked))
        db.commit()
    async with aclosing(opened(path, clock)) as journal:
        assert ids(await journal.entries()) == [4, 3, 2, 1]
        assert {entry.who for entry in await journal.entries()} == {""}
        assert ids(await journal.unfinished()) == [2, 4]
        assert ids(await journal.arriving(7)) == [2, 3, 4]
        clock.run(IN_FLIGHT)
        assert await journal.arriving(7) == []
        assert (await journal.begin(UPDATE)).change_id == 5
    async with aclosing(opened(path, clock)) as again:
        assert len(await again.entries()) == 5


def test_many_servers_bring_one_file_up_to_date_at_once(path: Path) -> None:
    first, *_ = steps_of(resources.files("contacts_mcp.state").joinpath("journal.sql").read_text(encoding="utf-8"))
    with closing(sqlite3.connect(path)) as db:
        for statement in first:
            db.execute(statement)
        db.execute("PRAGMA user_version = 1")
    children = [
        subprocess.Popen([sys.executable, "-c", SPENDER, str(path)], stdin=-1, stdout=-1, stderr=-1, text=True)
        for _ in range(4)
    ]
    assert [child.communicate("go\n", timeout=20)[1] for child in children] == [""] * 4


async def test_in_memory_it_works_alike_and_writes_no_file(tmp_path: Path) -> None:
    journal = Journal(None, "account")
    assert await journal.get((await journal.begin(UPDATE)).change_id) is not None
    await journal.aclose()
    assert list(tmp_path.iterdir()) == []


async def test_it_touches_nothing_until_it_is_used(path: Path, clock: Clock) -> None:
    await opened(path, clock).aclose()
    assert not path.exists()


async def a_file_in_the_way(path: Path, clock: Clock) -> Path:
    path.parent.joinpath("a file").touch()
    return path.parent / "a file" / path.name


async def a_directory(path: Path, clock: Clock) -> Path:
    path.mkdir()
    return path


async def locked(path: Path, clock: Clock) -> Path:
    async with aclosing(opened(path, clock)) as journal:
        await journal.begin(UPDATE)
    other = sqlite3.connect(path, isolation_level=None)
    HOLDERS.append(other)
    other.execute("PRAGMA locking_mode = EXCLUSIVE")
    other.execute("BEGIN EXCLUSIVE")
    return path


HOLDERS: list[sqlite3.Connection] = []


@pytest.mark.parametrize(
    ("befalls", "why", "advice"),
    [
        (
            a_file_in_the_way,
            ", because a file stands where its folder should be",
            "set CONTACTS_MCP_DATA_DIR to a folder",
        ),
        (a_directory, " (IsADirectoryError)", "make the data directory writable"),
        (locked, ", because another program has locked it", "end that program"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_what_stands_in_its_way_is_said_within_a_second_with_the_way_out(
    path: Path, clock: Clock, befalls: Callable[[Path, Clock], Awaitable[Path]], why: str, advice: str
) -> None:
    place = await befalls(path, clock)
    start = time.monotonic()
    try:
        async with aclosing(opened(place, clock)) as journal:
            for question in (lambda: journal.arriving(7), lambda: journal.begin(UPDATE), journal.entries):
                with pytest.raises(AccountError) as refused:
                    await question()
                assert str(refused.value).startswith(
                    f"Nothing was changed: the journal that makes changes undoable cannot be used{why}. "
                )
                assert f"can {advice}" in str(refused.value)
                assert "CONTACTS_MCP_JOURNAL=off" in str(refused.value)
        assert time.monotonic() - start < 1.5
    finally:
        while HOLDERS:
            HOLDERS.pop().close()


async def test_what_stood_in_its_way_is_forgotten_once_it_is_gone(path: Path, clock: Clock) -> None:
    path.mkdir()
    async with aclosing(opened(path, clock)) as journal:
        with pytest.raises(AccountError):
            await journal.begin(UPDATE)
        path.rmdir()
        clock.run(1)
        assert (await journal.begin(UPDATE)).change_id


async def test_a_full_disk_is_named_as_that(path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = sqlite3.connect

    def on_a_full_disk(*arguments: Any, **options: Any) -> sqlite3.Connection:
        db = connect(*arguments, **options)
        (pages,) = db.execute("PRAGMA page_count").fetchone()
        db.execute(f"PRAGMA max_page_count = {pages}")
        return db

    async with aclosing(opened(path, clock)) as journal:
        await journal.begin(UPDATE)
    with monkeypatch.context() as patched:
        patched.setattr(sqlite3, "connect", on_a_full_disk)
        async with aclosing(opened(path, clock)) as journal:
            with pytest.raises(AccountError, match="the disk is full"):
                await journal.begin(replace(UPDATE, consent="x" * 100_000))


# A file that cannot be read


def not_a_database(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 1000)


def cut_short(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:5_000])


def overwritten_inside(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))


SPOILERS = pytest.mark.parametrize(
    "spoil", [not_a_database, cut_short, overwritten_inside], ids=lambda spoil: spoil.__name__
)


async def spoilt_after_use(path: Path, clock: Clock, spoil: Callable[[Path], None]) -> bytes:
    """The bytes of a journal that was spoilt after its server had ended well."""
    async with aclosing(opened(path, clock)) as journal:
        for number in range(30):
            await finished(journal, replace(UPDATE, contact_id=number, consent="x" * 500), state="done")
    spoil(path)
    return path.read_bytes()


def aside(path: Path) -> list[Path]:
    return sorted(path.parent.glob("journal.unreadable-*.sqlite3"))


@SPOILERS
async def test_a_file_that_cannot_be_read_is_set_aside_and_named_and_the_next_call_begins_a_new_one(
    path: Path, clock: Clock, spoil: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    content = await spoilt_after_use(path, clock, spoil)
    async with aclosing(opened(path, clock)) as journal:
        with pytest.raises(JournalSetAside) as told:
            await journal.begin(UPDATE)
        (kept,) = aside(path)
        assert kept.read_bytes() == content
        assert f"set aside as {kept.name} in the data directory, and the next call begins a new one" in str(told.value)
        assert kept.name in caplog.text
        begun = await journal.begin(UPDATE)
        assert begun.change_id > 1_000_000_000, "a number that was told before would be another change"
        assert await journal.entries() == [begun]
    assert aside(path) == [kept]


@SPOILERS
async def test_it_is_told_also_where_the_first_to_meet_it_looks_away(
    path: Path, clock: Clock, spoil: Callable[[Path], None]
) -> None:
    """Before changes are listed, unfinished ones are settled, which never fails."""
    await spoilt_after_use(path, clock, spoil)
    async with aclosing(opened(path, clock)) as journal:
        with suppress(AccountError):
            await journal.unfinished()
            await journal.finish(replace(UPDATE, change_id=1))
        with pytest.raises(JournalSetAside):
            await journal.entries()
        assert await journal.entries() == []
        assert await journal.unfinished() == []


async def test_a_file_that_is_spoilt_while_servers_have_it_is_set_aside_by_one_and_noticed_by_the_others(
    path: Path, clock: Clock
) -> None:
    async with aclosing(opened(path, clock)) as one, aclosing(opened(path, clock)) as other:
        await other.begin(UPDATE)
        await one.entries()
        with closing(sqlite3.connect(path)) as db:
            db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        overwritten_inside(path)
        with pytest.raises(JournalSetAside):
            await one.entries()
        begun = await one.begin(UPDATE)
        assert await other.get(begun.change_id) == begun
    assert len(aside(path)) == 1


async def test_a_server_whose_file_was_deleted_writes_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    journal = Journal(path, "account")
    await journal.begin(UPDATE)
    for file in tmp_path.iterdir():
        file.unlink()
    begun = await journal.begin(UPDATE)
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT change_id FROM changes").fetchall() == [(begun.change_id,)]
    db.close()
    await journal.aclose()


@pytest.mark.parametrize("is_finished_before", [True, False])
async def test_a_server_whose_file_was_deleted_still_knows_of_its_requests_that_may_arrive(
    tmp_path: Path, clock: Clock, is_finished_before: bool
) -> None:
    """A change that is being made comes back when it is finished."""
    path = tmp_path / "journal.sqlite3"
    async with aclosing(opened(path, clock)) as journal:
        done = await journal.begin(replace(UPDATE, contact_id=8))
        await journal.finish(replace(done, state="done"))
        lost = journal.given_up(replace(await journal.begin(UPDATE), state="unknown"))
        if is_finished_before:
            await journal.finish(lost)
        for file in tmp_path.iterdir():
            file.unlink()
        assert await journal.entries() == ([lost] if is_finished_before else [])
        await journal.finish(lost)
        assert await journal.entries() == [lost]
        async with aclosing(opened(path, clock)) as other:
            assert await other.arriving(7) == [lost]
        clock.now += IN_FLIGHT
        clock.ran += IN_FLIGHT
        for file in tmp_path.iterdir():
            file.unlink()
        assert await journal.entries() == []


async def test_a_change_can_be_taken_back_whose_file_was_deleted_while_it_was_made(
    tmp_path: Path, clock: Clock
) -> None:
    """Nothing asks the journal between the deletion and the outcome."""
    async with aclosing(opened(tmp_path / "journal.sqlite3", clock)) as journal:
        done = replace(await journal.begin(UPDATE), state="done")
        for file in tmp_path.iterdir():
            file.unlink()
        assert await journal.finish(done)
        assert await journal.entries() == [done]


async def test_a_confirmation_stays_used_where_the_file_was_deleted(tmp_path: Path, clock: Clock) -> None:
    async with aclosing(opened(tmp_path / "journal.sqlite3", clock)) as journal:
        assert await journal.spend_token("digest")
        for file in tmp_path.iterdir():
            file.unlink()
        assert not await journal.spend_token("digest")
        async with aclosing(opened(tmp_path / "journal.sqlite3", clock)) as other:
            assert not await other.spend_token("digest")


async def test_a_change_that_was_cleared_does_not_come_back(journal: Journal, clock: Clock) -> None:
    lost = journal.given_up(replace(await journal.begin(UPDATE), state="unknown"))
    await journal.finish(lost)
    clock.ran += IN_FLIGHT
    await journal.forget()
    await journal.looked_at(lost)
    assert await journal.entries() == []


async def test_a_server_that_opens_the_file_while_another_makes_it_waits(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    other = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    other.execute("CREATE TABLE something (x)")
    ready = threading.Timer(0.05, other.execute, ["COMMIT"])
    ready.start()
    journal = Journal(path, "account")
    assert (await journal.begin(UPDATE)).change_id
    ready.join()
    await journal.aclose()
    other.close()


async def test_a_file_of_a_newer_version_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    async with aclosing(Journal(path, "account")) as journal:
        await journal.begin(UPDATE)
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    async with aclosing(Journal(path, "account")) as later:
        with pytest.raises(AccountError, match="newer contacts-mcp"):
            await later.begin(UPDATE)


# In the chain.


@pytest.mark.parametrize(
    ("method", "tool", "arguments"),
    [
        ("POST", "create_contact", {"phone": "+15105553344", "first": "Jo"}),
        ("PUT", "update_contact", {"contact_id": 1001, "first": "Jo"}),
        ("DELETE", "delete_contact", {"contact_id": 1001}),
    ],
)
async def test_the_before_image_is_written_before_anything_is_sent(
    open_session: OpenSession, method: str, tool: str, arguments: Any
) -> None:
    seen: list[Entry] = []
    async with open_session(contacts=2, confirm="off") as session:
        book = await session.workspace.book()

        async def look(request: httpx.Request) -> None:
            if request.method == method and re.fullmatch("/v1/contact(/[0-9]+)?", request.url.path):
                seen.extend(await book.journal.unfinished())

        session.wire.before = look
        before = session.sandbox.store.contact(1001)
        await session.ok(tool, **arguments)
        (entry,) = seen
        assert (entry.state, entry.action) == ("begun", tool.removesuffix("_contact"))
        assert entry.before.get("first", "") == ("" if method == "POST" else before["first"])
        assert (await book.journal.get(entry.change_id)).state == "done"


async def test_switched_off_it_is_kept_in_memory_only(open_session: OpenSession, tmp_path: Path) -> None:
    async with open_session(contacts=2, journal=False) as session:
        await session.ok("update_contact", contact_id=1001, first="Jo")
        (told,) = (await session.ok("list_changes"))["changes"]
    assert told["change_id"] > 1_000_000_000, "a number of another server's journal would be another change"
    assert not list((tmp_path / "data").glob("journal*"))


async def test_a_write_that_cannot_be_journalled_is_not_sent(open_session: OpenSession, tmp_path: Path) -> None:
    async with open_session(contacts=2) as session:
        await session.ok("list_changes")
        with closing(sqlite3.connect(tmp_path / "data" / "journal.sqlite3")) as db:
            db.execute("DROP TABLE changes")
        before = session.sandbox.store.contacts()
        assert "Nothing was changed" in await session.refused("update_contact", contact_id=1001, first="Jo")
        assert session.sandbox.store.contacts() == before
        assert "update_contact" not in session.operations


@pytest.mark.parametrize("obstacle", ["data", "data/journal.sqlite3", "data/locks"])
async def test_where_the_journal_or_the_locks_cannot_be_written_nothing_is_sent(
    open_session: OpenSession, tmp_path: Path, obstacle: str
) -> None:
    """A file in the place of a directory, or the other way round, is as good as a read-only place.

    It stops root too.
    """
    place = tmp_path / obstacle
    place.parent.mkdir(exist_ok=True)
    if obstacle.endswith("sqlite3"):
        place.mkdir()
    else:
        place.touch()
    async with open_session() as session:
        said = await session.refused("create_contact", phone="+12125550142")
        assert "owner of this machine" in said
        assert not WRITES & set(session.operations)


async def test_a_journal_that_breaks_while_the_server_runs_stops_writes_before_anything_is_sent(
    open_session: OpenSession, tmp_path: Path
) -> None:
    async with open_session() as session:
        await session.ok("update_contact", contact_id=1001, first="Jo")
        with sqlite3.connect(tmp_path / "data" / "journal.sqlite3") as db:
            db.execute("DROP TABLE changes")
        db.close()
        for tool, call in (
            ("update_contact", {"contact_id": 1001, "first": "Ada"}),
            ("create_contact", {"phone": "+12125550142"}),
        ):
            assert (await session.refused(tool, **call)).startswith("Nothing was changed: the journal")
            assert not WRITES & set(session.operations)
        assert (await session.ok("lookup_contact", contact_id=1001))["found"]


async def test_a_journal_that_breaks_in_the_middle_of_a_write_does_not_turn_it_into_a_failure(
    open_session: OpenSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_session() as session:
        book = await session.workspace.book()
        begun = await book.journal.begin(UPDATE)
        with sqlite3.connect(tmp_path / "data" / "journal.sqlite3") as db:
            db.execute("DROP TABLE changes")
        db.close()
        await book.journal.finish(begun)
        assert "could not be written down" in caplog.text
        with closing(sqlite3.connect(tmp_path / "data" / "journal.sqlite3", timeout=0)) as db:
            db.execute("BEGIN IMMEDIATE")  # would fail if the journal were still in the middle of its own


@pytest.fixture
async def journal_of_ours(path: Path, clock: Clock) -> AsyncIterator[Journal]:
    async with aclosing(Journal(path, "ours", clock=clock)) as journal:
        yield journal


async def an_import(journal: Journal, *phones: str) -> tuple[Entry, list[Entry]]:
    """An import that is begun, with a create for each phone."""
    parent = await journal.begin(Entry(action="import", before={}, wanted={}, record={"plan": 7}))
    wanted = ({"phone": phone} for phone in phones)
    return parent, await journal.begin_all(
        [Entry(action="create", before={}, wanted=values, parent=parent.change_id) for values in wanted]
    )


async def test_an_import_is_one_change_in_the_list_and_its_contacts_are_found_by_contact(
    journal_of_ours: Journal,
) -> None:
    journal = journal_of_ours
    parent, parts = await an_import(journal, "15105550101", "15105550102")
    await journal.finish_all(
        [replace(part, state="done", contact_id=1000 + at, rev_after=1) for at, part in enumerate(parts)]
    )
    await journal.finish(replace(parent, state="done"))
    assert [entry.change_id for entry in await journal.entries()] == [parent.change_id]
    assert [entry.change_id for entry in await journal.entries(contact_id=1001)] == [parts[1].change_id]
    assert [entry.change_id for entry in await journal.parts_of(parent.change_id)] == [part.change_id for part in parts]


async def test_the_rows_of_an_import_are_seen_by_every_question_about_contacts_and_phones(
    journal_of_ours: Journal,
) -> None:
    journal = journal_of_ours
    parent, (create, left) = await an_import(journal, "15105550101", "15105550102")
    await journal.finish(replace(create, state="done", contact_id=1001, rev_after=4, after=create.wanted))
    move = Entry(
        action="update",
        contact_id=1001,
        before={"phone": "15105550101"},
        wanted={"phone": "15105550109"},
        parent=parent.change_id,
    )
    (moved,) = await journal.begin_all([move])
    creation = await journal.creation_of(1001)
    assert creation is not None
    assert creation.change_id == create.change_id
    assert await journal.rev_written(1001) == 4
    assert [entry.change_id for entry in await journal.departures_from("15105550101")] == [moved.change_id]
    assert {entry.change_id for entry in await journal.unfinished()} == {left.change_id, moved.change_id}
    assert [entry.change_id for entry in await journal.arriving(None, "15105550102")] == [left.change_id]
    assert await journal.known_phones(["15105550101", "15105550102", "15105550103"]) == {"15105550101", "15105550102"}


async def test_a_journal_of_the_second_version_keeps_its_changes_and_its_numbers(path: Path, clock: Clock) -> None:
    steps = steps_of(resources.files("contacts_mcp.state").joinpath("journal.sql").read_text(encoding="utf-8"))
    with closing(sqlite3.connect(path)) as db, db:
        for statement in (statement for step in steps[:2] for statement in step):
            db.execute(statement)
        insert = (
            "INSERT INTO changes (change_id, account, at, action, state, before, wanted) VALUES (?, ?, ?, ?, ?, ?, ?)"
        )
        rows = [(number, "ours", clock(), "create", "done", "{}", '{"phone": "15105550101"}') for number in (5, 9)]
        db.executemany(insert, rows)
        db.execute("DELETE FROM changes WHERE change_id = 9")
        db.execute("PRAGMA user_version = 2")
    async with aclosing(Journal(path, "ours", clock=clock)) as journal:
        assert [(entry.change_id, entry.parent) for entry in await journal.entries()] == [(5, None)]
        assert (await journal.begin(Entry(action="import", before={}, wanted={}))).change_id == 10
