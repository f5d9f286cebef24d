"""The two forms of the locks, files and leases in PostgreSQL: one writer at a time in both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pytest

from contacts_mcp.state.locks import Locks
from contacts_mcp.state.postgres.database import SharedDatabase
from contacts_mcp.state.postgres.locks import PostgresLocks
from contacts_mcp.state.uptime import uptime

AnyLocks = Locks | PostgresLocks


@dataclass
class Replicas:
    """Two servers, each with locks of its own for one account, and one more for another account."""

    one: AnyLocks
    other: AnyLocks
    foreign: AnyLocks


@pytest.fixture(params=["files", "postgres"])
async def replicas(
    request: pytest.FixtureRequest, tmp_path: Path, new_account: Callable[[], str]
) -> AsyncIterator[Replicas]:
    if request.param == "files":  # whose names hash these contacts to different files
        yield Replicas(Locks(tmp_path, "account"), Locks(tmp_path, "account"), Locks(tmp_path, "other"))
        return
    account, foreign = new_account(), new_account()
    url = request.getfixturevalue("postgres")
    databases = SharedDatabase(url), SharedDatabase(url)
    one, other = databases
    yield Replicas(PostgresLocks(one, account), PostgresLocks(other, account), PostgresLocks(one, foreign))
    for db in databases:
        await db.aclose()


async def is_free(lock: Any) -> bool:
    """Whether another task gets the lock within a moment. The task gives it back."""
    had = False

    async def take() -> None:
        nonlocal had
        with anyio.move_on_after(0.3):
            async with lock:
                had = True

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take)
    return had


async def test_tasks_of_two_servers_never_hold_one_contact_together(replicas: Replicas) -> None:
    inside, most, count = 0, 0, 0

    async def work(locks: AnyLocks) -> None:
        nonlocal inside, most, count
        async with locks.contact(7):
            inside += 1
            count += 1
            most = max(most, inside)
            await anyio.sleep(0.001)
            inside -= 1

    async with anyio.create_task_group() as tasks:
        for locks in [replicas.one, replicas.other] * 8:
            tasks.start_soon(work, locks)
    assert (most, count) == (1, 16)


async def test_another_contact_phone_and_account_is_free_meanwhile(replicas: Replicas) -> None:
    async with replicas.one.contact(7):
        assert await is_free(replicas.other.contact(8))
        assert await is_free(replicas.other.phones("15105550100"))
        assert await is_free(replicas.foreign.contact(7))
        assert not await is_free(replicas.other.contact(7))
        assert not await is_free(replicas.other.contact(6, 7, 8))
    assert await is_free(replicas.other.contact(6, 7, 8))


async def test_many_taken_in_any_order_never_wait_for_each_other(replicas: Replicas) -> None:
    numbers = [f"1510555{number:04}" for number in range(100, 112)]

    async def work(locks: AnyLocks, mine: list[str]) -> None:
        async with locks.phones(*mine), locks.contact(*map(int, mine[:3])):
            await anyio.lowlevel.checkpoint()

    with anyio.fail_after(20):
        async with anyio.create_task_group() as tasks:
            for at in range(12):
                locks = replicas.one if at % 2 else replicas.other
                tasks.start_soon(work, locks, numbers[at:] + numbers[:at])


async def test_an_error_inside_gives_the_lock_back(replicas: Replicas) -> None:
    with pytest.raises(ZeroDivisionError):
        async with replicas.one.contact(7):
            raise ZeroDivisionError
    assert await is_free(replicas.other.contact(7))


async def test_a_waiting_writer_that_gives_up_leaves_the_lock_usable(replicas: Replicas) -> None:
    async with replicas.one.contact(7):
        assert not await is_free(replicas.other.contact(7))
        assert not await is_free(replicas.one.contact(7))
    assert await is_free(replicas.other.contact(7))


async def test_the_last_write_of_another_server_is_known_once_it_is_over(replicas: Replicas) -> None:
    async with replicas.one.contact(7):
        pass
    before = uptime()
    await anyio.sleep(0.02)
    async with replicas.one.contact(7):
        pass
    ended = uptime()
    assert before <= await replicas.other.last_write(7) <= uptime()
    async with replicas.other.contact(7):
        assert before <= await replicas.other.last_write(7) <= ended + 0.05
    assert await replicas.other.last_write(1000) < before


async def test_a_look_in_passing_is_no_write(replicas: Replicas) -> None:
    before = uptime()
    async with replicas.one.if_free(9, "") as is_held:
        assert is_held
    assert await replicas.other.last_write(9) < before


async def test_only_a_contact_or_phone_that_nobody_holds_is_taken_in_passing(replicas: Replicas) -> None:
    for key in ((7, ""), (None, "15105550100")):
        async with replicas.one.if_free(*key) as is_held:
            assert is_held
            async with replicas.other.if_free(*key) as is_held_twice:
                assert not is_held_twice
        async with replicas.other.if_free(*key) as is_held:
            assert is_held
    async with replicas.one.phones("15105550100"), replicas.other.if_free(None, "15105550100") as is_held:
        assert not is_held


async def test_a_plan_is_run_by_one_server(replicas: Replicas) -> None:
    async with replicas.one.plan(3) as is_ours:
        assert is_ours
        async with replicas.other.plan(3) as is_theirs, replicas.other.plan(4) as is_free_one:
            assert (is_theirs, is_free_one) == (False, True)
    async with replicas.other.plan(3) as is_theirs:
        assert is_theirs


async def test_a_tag_that_was_asked_for_is_known_to_the_next_and_can_be_taken_back(replicas: Replicas) -> None:
    before = uptime()
    async with replicas.one.tag("new") as making:
        assert await making.last() < before
        await making.note()
        assert before <= await making.last() <= uptime()
    async with replicas.other.tag("new") as making:
        assert before <= await making.last() <= uptime()
        await making.forget()
    async with replicas.other.tag("new") as making:
        assert await making.last() < before


async def test_the_right_to_undo_a_change_is_one(replicas: Replicas) -> None:
    async with replicas.one.change(12):
        assert not await is_free(replicas.other.change(12))
    assert await is_free(replicas.other.change(12))
