"""The ledger of requests: one limit for all servers of a machine, whatever becomes of its file."""

from __future__ import annotations

import logging
import re
import shutil
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from contacts_mcp.state.account import Account
from contacts_mcp.state.ledger import AHEAD, AHEAD_MOST, ALONE, SWEEP_EVERY, WINDOW, LedgerBusy, SqliteLedger, usage

NOW = 5_000.0
LIMIT = 5


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pace.sqlite3"


@pytest.fixture
async def ledger(path: Path) -> AsyncIterator[SqliteLedger]:
    async with aclosing(SqliteLedger(path, "a")) as opened:
        yield opened


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process has the file and does not let go."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


async def places(ledger: SqliteLedger, now: float, limit: int = LIMIT, **how: Any) -> int:
    """How many requests go out before the first must wait."""
    taken = 0
    while not await ledger.reserve(now, limit, **how):
        taken += 1
    return taken


def rows(path: Path) -> list[float]:
    """The times in the file."""
    with closing(sqlite3.connect(path)) as db:
        return [at for (at,) in db.execute("SELECT at FROM requests ORDER BY at")]


def contents(path: Path) -> bytes:
    return path.read_bytes()


async def filled(path: Path, *times: float, account: str = "a") -> None:
    """A file in which another server was at work at these moments."""
    async with aclosing(SqliteLedger(path, account)) as ledger:
        await ledger.reserve(NOW - WINDOW, LIMIT)
    with closing(sqlite3.connect(path)) as db:
        db.executemany("INSERT INTO requests VALUES (?, ?, 0)", [(account, at) for at in times])
        db.commit()


# Places taken ahead


@pytest.mark.parametrize(("limit", "ahead"), [(49, 0), (50, 1), (100, 2), (399, 7), (400, 8), (10_000, 8)])
async def test_in_quiet_times_some_places_are_taken_ahead_and_need_no_look_into_the_file(
    ledger: SqliteLedger, path: Path, limit: int, ahead: int
) -> None:
    assert await ledger.reserve(NOW, limit) == 0
    assert rows(path) == [NOW, *[NOW + AHEAD] * ahead]
    assert usage(path, "a", NOW) == (1 + ahead, 0.0)
    with locked(path):
        for number in range(ahead):
            assert await ledger.reserve(NOW + AHEAD * number / 8, limit) == 0
        with pytest.raises(LedgerBusy):
            await ledger.reserve(NOW, limit)


@pytest.mark.parametrize("moment", [NOW - 0.001, NOW + AHEAD + 0.001])
async def test_they_are_lost_after_a_second(ledger: SqliteLedger, path: Path, moment: float) -> None:
    await ledger.reserve(NOW, 500)
    with locked(path):
        for fine in (NOW, NOW + AHEAD):
            assert await ledger.reserve(fine, 500) == 0
        with pytest.raises(LedgerBusy):
            await ledger.reserve(moment, 500)


@pytest.mark.parametrize("by", ["reserve", "pause"])
async def test_those_that_were_not_used_are_given_back(ledger: SqliteLedger, path: Path, by: str) -> None:
    for _ in range(4):
        await ledger.reserve(NOW, 500)
    used = [NOW, *[NOW + AHEAD] * 3]
    if by == "reserve":
        await ledger.reserve(NOW + 2, 500)
        assert rows(path) == [*used, NOW + 2, *[NOW + 2 + AHEAD] * AHEAD_MOST]
    else:
        await ledger.pause(NOW, NOW + 5)
        assert rows(path) == used
        with locked(path), pytest.raises(LedgerBusy):
            await ledger.reserve(NOW, 500)


@pytest.mark.parametrize(("used", "is_quiet"), [(74, True), (75, False)])
async def test_times_are_quiet_until_three_quarters_are_used(
    ledger: SqliteLedger, path: Path, used: int, is_quiet: bool
) -> None:
    await filled(path, *[NOW - 1] * used)
    await ledger.reserve(NOW, 100)
    assert (NOW + AHEAD in rows(path)) is is_quiet


# Another process has it


async def test_a_file_that_another_process_has_is_not_waited_for(ledger: SqliteLedger, path: Path) -> None:
    await ledger.reserve(NOW, LIMIT)
    with locked(path):
        start = time.monotonic()
        with pytest.raises(LedgerBusy):
            await ledger.reserve(NOW + 1, LIMIT)
        await ledger.pause(NOW + 1, NOW + 3)
        assert time.monotonic() - start < 0.1
    assert await ledger.reserve(NOW + 1, LIMIT) == pytest.approx(2), "the pause was kept until it could be written"


async def test_so_is_a_file_that_another_process_is_just_making(ledger: SqliteLedger, path: Path) -> None:
    sqlite3.connect(path).close()
    with locked(path), pytest.raises(LedgerBusy):
        await ledger.reserve(NOW, LIMIT)
    assert await ledger.reserve(NOW, LIMIT) == 0


async def test_a_server_that_goes_alone_keeps_the_limit_and_tells_the_others_afterwards(
    ledger: SqliteLedger, path: Path
) -> None:
    assert not await ledger.reserve(NOW, LIMIT)
    with locked(path):
        assert await places(ledger, NOW + 1, alone=True) == LIMIT - 1
        assert await ledger.reserve(NOW + 2, LIMIT) == pytest.approx(WINDOW - 2), (
            "it does not ask the file at every request"
        )
        await ledger.pause(NOW + 2, NOW + 20)
        await ledger.pause(NOW + 2, NOW + 9)
        assert await ledger.reserve(NOW + 2, 500) == pytest.approx(18)
        with pytest.raises(LedgerBusy):
            await ledger.reserve(NOW + 1 + ALONE, LIMIT)
    async with aclosing(SqliteLedger(path, "a")) as other:
        assert await ledger.reserve(NOW + 5, LIMIT) == pytest.approx(15)
        assert await other.reserve(NOW + 5, LIMIT) == pytest.approx(15)
        assert await other.reserve(NOW + 21, LIMIT) == pytest.approx(WINDOW - 21)
        assert await other.reserve(NOW + WINDOW + 1, LIMIT) == 0


# Its file is not as it was


def deleted(path: Path) -> None:
    path.unlink()


def replaced(path: Path) -> None:
    new = path.with_name("new")
    shutil.copy(path, new)
    with closing(sqlite3.connect(new)) as db:
        db.execute("DELETE FROM requests")
        db.execute("INSERT INTO requests VALUES ('a', ?, 0)", (NOW,))
        db.commit()
    new.replace(path)


@pytest.mark.parametrize(("befalls", "others"), [(deleted, 0), (replaced, 1)], ids=["deleted", "replaced"])
async def test_a_file_that_was_deleted_or_replaced_is_noticed_and_nothing_is_forgotten(
    ledger: SqliteLedger, path: Path, befalls: Callable[[Path], None], others: int
) -> None:
    for _ in range(3):
        assert not await ledger.reserve(NOW, LIMIT)
    befalls(path)
    assert await places(ledger, NOW + 1) == LIMIT - 3 - others
    async with aclosing(SqliteLedger(path, "a")) as other:
        assert await other.reserve(NOW + 1, LIMIT) > 0


def not_a_database(path: Path) -> None:
    path.write_bytes(b"not a database" * 100)


def no_tables(path: Path) -> None:
    with closing(sqlite3.connect(path)) as other:
        other.executescript("DROP TABLE requests; DROP TABLE pauses")


def a_directory(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def freed(path: Path) -> None:
    path.rmdir()


@pytest.mark.parametrize(
    ("befalls", "is_late"),
    [(not_a_database, False), (not_a_database, True), (no_tables, True), (a_directory, False), (a_directory, True)],
    ids=lambda value: getattr(value, "__name__", "later" if value else "from the start"),
)
async def test_an_unusable_file_is_said_once_counted_without_and_tried_again(
    ledger: SqliteLedger,
    path: Path,
    caplog: pytest.LogCaptureFixture,
    befalls: Callable[[Path], None],
    is_late: bool,
) -> None:
    if is_late:
        await ledger.reserve(NOW, LIMIT)
    befalls(path)
    assert await places(ledger, NOW + 1) == LIMIT - is_late
    assert await ledger.reserve(NOW + 1 + ALONE, LIMIT) > 0
    (record,) = caplog.records
    assert record.levelno == logging.WARNING
    assert re.fullmatch(
        r"the request pace is not shared with other servers: its file cannot be used \((?!None)\w+Error\)",
        record.getMessage(),
    )
    if befalls is a_directory:
        freed(path)
        await ledger.reserve(NOW + 1 + 2 * ALONE, LIMIT)
    async with aclosing(SqliteLedger(path, "a")) as other:
        assert await other.reserve(NOW + 1 + 2 * ALONE, LIMIT) > 0, "all that was sent meanwhile is in the file now"


async def test_a_file_of_an_earlier_version_is_used_beside_what_is_in_it(ledger: SqliteLedger, path: Path) -> None:
    with closing(sqlite3.connect(path)) as earlier:
        earlier.executescript("CREATE TABLE sent (account, at); INSERT INTO sent VALUES ('a', 1.7e9)")
    assert usage(path, "a", NOW) == (0, 0.0)
    assert await places(ledger, NOW) == LIMIT


# What it holds


async def test_what_left_the_window_leaves_the_file(ledger: SqliteLedger, path: Path) -> None:
    for second in range(1000):
        await ledger.reserve(NOW + second, 500)
    with closing(sqlite3.connect(path)) as db:
        (left,) = db.execute("SELECT count(*) FROM requests").fetchone()
        assert WINDOW <= left <= WINDOW + SWEEP_EVERY + AHEAD_MOST + 1


async def test_a_pause_from_before_a_restart_of_the_machine_does_not_disable_the_next(
    ledger: SqliteLedger, path: Path
) -> None:
    await ledger.pause(900_000.0, 900_050.0)
    async with aclosing(SqliteLedger(path, "a")) as later:
        assert not await later.reserve(10.0, LIMIT)
        await later.pause(10.0, 30.0)
        assert await later.reserve(10.0, LIMIT) == pytest.approx(20)


async def test_every_five_seconds_the_file_is_swept(ledger: SqliteLedger, path: Path) -> None:
    await filled(path, NOW - WINDOW + 4)
    await ledger.reserve(NOW, LIMIT)
    await ledger.reserve(NOW + SWEEP_EVERY - 0.1, LIMIT)
    assert NOW - WINDOW + 4 in rows(path)
    await ledger.reserve(NOW + SWEEP_EVERY, LIMIT)
    assert NOW - WINDOW + 4 not in rows(path)


async def test_times_that_are_still_to_come_are_from_before_a_restart_and_go(ledger: SqliteLedger, path: Path) -> None:
    await filled(path, NOW + 1.5, NOW + 2.5)
    await ledger.reserve(NOW, LIMIT)
    assert rows(path) == [NOW, NOW + 1.5]


async def test_a_shorter_pause_of_another_server_does_not_end_a_longer_one(ledger: SqliteLedger, path: Path) -> None:
    async with aclosing(SqliteLedger(path, "a")) as other:
        await ledger.pause(NOW, NOW + 50)
        await other.pause(NOW, NOW + 5)
        assert await other.reserve(NOW, LIMIT) == pytest.approx(50)


async def test_a_pause_that_cannot_be_written_is_kept_and_said_once(
    ledger: SqliteLedger, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    a_directory(path)
    for _ in range(2):
        await ledger.pause(NOW, NOW + 20)
    assert await ledger.reserve(NOW, LIMIT) == pytest.approx(20)
    assert len(caplog.records) == 1


async def test_a_busy_file_is_nothing_to_report(
    ledger: SqliteLedger, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    await ledger.reserve(NOW, LIMIT)
    with locked(path):
        await ledger.pause(NOW, NOW + 20)
        assert await ledger.reserve(NOW, LIMIT, alone=True) == pytest.approx(20)
    assert caplog.records == []


async def test_the_limit_is_one_for_all_credentials_of_a_team(tmp_path: Path, path: Path) -> None:
    old, new = (Account(name, address="x", directory=tmp_path / "accounts") for name in ("a", "b"))
    old.learn(17)
    async with aclosing(SqliteLedger(path, old)) as before, aclosing(SqliteLedger(path, new)) as after:
        for _ in range(3):
            assert not await before.reserve(NOW, LIMIT)
        assert usage(path, new, NOW) == (0, 0.0)
        new.learn(17)
        assert usage(path, new, NOW) == (3, 0.0)
        assert await places(after, NOW) == LIMIT - 3
        await before.pause(NOW, NOW + 30)
        assert await after.reserve(NOW, 500) == pytest.approx(30)
        assert usage(path, new, NOW)[1] == pytest.approx(30)


async def test_its_use_can_be_read_without_writing(ledger: SqliteLedger, path: Path) -> None:
    for _ in range(3):
        await ledger.reserve(NOW, LIMIT)
    await ledger.pause(NOW, NOW + 30)
    before = contents(path)
    assert usage(path, "a", NOW + AHEAD) == (3, pytest.approx(29))
    assert usage(path, "a", NOW + WINDOW) == (0, 0.0)
    assert usage(path, "another", NOW) == (0, 0.0)
    assert contents(path) == before
    with pytest.raises(sqlite3.Error):
        usage(path.with_name("none.sqlite3"), "a", NOW)


CHILD = """
import asyncio, logging, sys, time
from pathlib import Path
from contacts_mcp.state.ledger import LedgerBusy, SqliteLedger
logging.basicConfig()

async def took(ledger):
    while True:
        try:
            return not await ledger.reserve(time.monotonic(), 1)
        except LedgerBusy:
            time.sleep(0.0005)

async def main():
    print("ready", flush=True)
    begin, taken = float(sys.stdin.readline()), 0
    for round_ in range(60):
        while time.monotonic() < begin + round_ * 0.015:
            pass
        for account in "abcdef":
            ledger = SqliteLedger(Path(sys.argv[1], f"{round_}.sqlite3"), account)
            taken += await took(ledger)
            await ledger.aclose()
    print(taken, flush=True)

asyncio.run(main())
"""


def test_two_real_processes_that_start_at_once_share_one_limit(tmp_path: Path) -> None:
    """Sixty times both open a new file at the same moment, as the servers of a desktop do.

    Both want the only place of each account.
    """
    command = [sys.executable, "-c", CHILD, str(tmp_path)]
    children = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for child in children:
        assert child.stdout is not None
        assert child.stdout.readline() == "ready\n"
    begin = time.monotonic() + 0.05
    for child in children:
        assert child.stdin is not None
        child.stdin.write(f"{begin}\n")
        child.stdin.flush()
    answers = [child.communicate(timeout=20) for child in children]
    assert [err for _, err in answers] == ["", ""]
    assert sum(int(out) for out, _ in answers) == 60 * 6
