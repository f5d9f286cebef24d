"""One writer at a time for one contact and one phone, among tasks and among processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from support import OpenSession

from contacts_mcp.state.locks import Locks
from contacts_mcp.state.uptime import uptime

HOLDER = """
import sys, anyio
from pathlib import Path
from contacts_mcp.state.locks import Locks

async def main():
    async with Locks(Path(sys.argv[1]), "account").contact(7):
        print("held", flush=True)
        await anyio.to_thread.run_sync(sys.stdin.read)

anyio.run(main)
"""


@pytest.fixture(params=["processes", "this process"])
def locks(request: pytest.FixtureRequest, tmp_path: Path) -> Locks:
    return Locks(tmp_path if request.param == "processes" else None, "account")


async def is_free(lock: Any) -> bool:
    """Whether another task gets the lock at once. The task gives it back."""
    had = False

    async def take() -> None:
        nonlocal had
        with anyio.move_on_after(0.06):
            async with lock:
                had = True

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(take)
    return had


async def test_two_tasks_do_not_hold_one_contact_together(locks: Locks) -> None:
    inside, most = 0, 0

    async def work() -> None:
        nonlocal inside, most
        async with locks.contact(7):
            inside += 1
            most = max(most, inside)
            await anyio.lowlevel.checkpoint()
            inside -= 1

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(work)
    assert most == 1


async def test_another_contact_is_free_meanwhile(locks: Locks) -> None:
    async with locks.contact(7):
        assert await is_free(locks.contact(8))
        assert await is_free(locks.phones("15105550100"))
        assert not await is_free(locks.contact(7))
    assert await is_free(locks.contact(7))


async def test_two_phones_taken_in_either_order_never_wait_for_each_other(locks: Locks) -> None:
    phones = [f"1510555{number:04}" for number in range(100, 140)]

    async def work(mine: list[str]) -> None:
        async with locks.phones(*mine):
            await anyio.lowlevel.checkpoint()

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for one, other in zip(phones, reversed(phones), strict=True):
                tasks.start_soon(work, [one, other])


async def test_an_error_inside_gives_the_lock_back(locks: Locks) -> None:
    with pytest.raises(ZeroDivisionError):
        async with locks.contact(7):
            raise ZeroDivisionError
    assert await is_free(locks.contact(7))


async def test_a_waiting_writer_that_gives_up_leaves_the_lock_usable(locks: Locks) -> None:
    async with locks.contact(7):
        assert not await is_free(locks.contact(7))
    assert await is_free(locks.contact(7))


async def test_the_last_write_is_known_once_it_is_over(locks: Locks) -> None:
    async with locks.contact(7):
        pass
    before = uptime()
    async with locks.contact(7):
        pass
    assert before <= await locks.last_write(7) <= uptime() + 1e-6


async def test_only_what_nobody_holds_is_settled(locks: Locks) -> None:
    async def is_held_now() -> None:
        async with locks.if_free(7, "") as is_held:
            seen.append(is_held)

    seen: list[bool] = []
    async with locks.contact(7), anyio.create_task_group() as tasks:
        tasks.start_soon(is_held_now)
    await is_held_now()
    assert seen == [False, True]
    async with locks.if_free(7, ""):
        assert not await is_free(locks.contact(7))
    assert await is_free(locks.contact(7))


async def test_accounts_do_not_wait_for_each_other(tmp_path: Path) -> None:
    one, other = Locks(tmp_path, "one"), Locks(tmp_path, "other")
    async with one.contact(7):
        assert await is_free(other.contact(7))


def names_in(directory: Path) -> list[str]:
    return [file.name for file in directory.iterdir()]


async def test_file_names_say_nothing_about_anybody(tmp_path: Path) -> None:
    async with Locks(tmp_path, "account").phones("15105550100"):
        assert not any("5550100" in name for name in names_in(tmp_path))


@pytest.mark.parametrize("ending", ["exit", "kill"])
async def test_another_process_waits_until_the_holder_is_done_or_dead(tmp_path: Path, ending: str) -> None:
    locks = Locks(tmp_path, "account")
    holder = subprocess.Popen(  # noqa: ASYNC220 -- a short one
        [sys.executable, "-c", HOLDER, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert holder.stdin
    assert holder.stdout
    try:
        assert holder.stdout.readline() == "held\n"
        assert not await is_free(locks.contact(7))
        assert await is_free(locks.contact(8))
        if ending == "kill":
            holder.kill()
        else:
            holder.stdin.close()
        holder.wait(timeout=10)
        assert await is_free(locks.contact(7))
    finally:
        holder.kill()
        holder.wait(timeout=10)
        holder.stdin.close()
        holder.stdout.close()


async def test_concurrent_creates_of_one_phone_make_one_contact(open_session: OpenSession) -> None:
    async with open_session(contacts=2) as session:
        answers: list[str] = []

        async def create(number: int) -> None:
            result = await session.client.call_tool(
                "create_contact", {"phone": "+15105553344", "first": f"Jo {number}"}
            )
            answers.append(result.structured_content["status"])

        async with anyio.create_task_group() as tasks:
            for number in range(8):
                tasks.start_soon(create, number)
        assert sorted(answers) == ["created"] + ["exists"] * 7
        assert len([one for one in session.sandbox.store.contacts() if one["phone"] == "15105553344"]) == 1


async def test_concurrent_updates_of_one_contact_all_count(open_session: OpenSession) -> None:
    """Two servers on one machine, each with tags to add: none is lost although a PUT replaces them all."""
    async with open_session(contacts=2) as one, open_session(sandbox=one.sandbox) as other:
        async with anyio.create_task_group() as tasks:
            for session, tag in zip([one, other] * 2, ["Lead", "Newsletter", "Past Due", "Supplier"], strict=True):
                tasks.start_soon(
                    session.client.call_tool, "update_contact", {"phone": "+15105550100", "add_tags": [tag]}
                )
        assert one.sandbox.store.contact(1001)["tags"] == [101, 102, 103, 104, 105]
