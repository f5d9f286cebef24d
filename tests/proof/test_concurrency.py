"""Nothing is lost, doubled or kept quiet while others write too: in this process, in another one, or somewhere else.

Guards `contacts_mcp/state/locks.py`.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream
from support import OpenSession, OpenStage

from contacts_mcp.sandbox import Behaviour, Sandbox, open_sandbox, serve
from contacts_mcp.state.locks import Locks

WRITES = {"create_contact", "update_contact", "delete_contact"}
PHONE = "+12125550142"

# Twenty changes of one contact that have nothing to do with one another.
UPDATES: list[dict[str, Any]] = [
    {"first": "Ada"},
    {"last": "Example"},
    {"display_name": "Ada E."},
    {"email": "ada@example.com"},
    {"avatar": "https://pictures.example.com/ada.png"},
    {"assignee": "Dana Levy"},
    *({"custom_fields": {str(field): f"value {field}"}} for field in range(31, 41)),
    *({"add_tags": [tag]} for tag in ("VIP", "Lead", "Newsletter", "Past Due")),
]
ALL = {
    "first": "Ada",
    "last": "Example",
    "display_name": "Ada E.",
    "email": "ada@example.com",
    "avatar": "https://pictures.example.com/ada.png",
    "assigned_user_id": 505,
    "custom": {str(field): f"value {field}" for field in range(31, 41)},
    "tags": [101, 102, 103, 104],
}


async def at_once(calls: list[Callable[[], Awaitable[Any]]]) -> list[Any]:
    answers: list[Any] = [None] * len(calls)

    async def one(position: int) -> None:
        answers[position] = await calls[position]()

    async with anyio.create_task_group() as tasks:
        for position in range(len(calls)):
            tasks.start_soon(one, position)
    return answers


def assert_nothing_is_lost(sandbox: Sandbox, contact_id: int) -> None:
    stored = sandbox.store.contact(contact_id)
    assert stored is not None
    assert {name: stored[name] for name in ALL} | {"tags": sorted(stored["tags"])} == ALL
    assert stored["rev"] == 1 + len(UPDATES)


def assert_one_has_the_phone(sandbox: Sandbox, statuses: list[str]) -> None:
    assert Counter(statuses) == {"created": 1, "exists": len(statuses) - 1}
    assert [contact["rev"] for contact in sandbox.store.contacts() if contact["phone"] == PHONE[1:]] == [1]


async def test_twenty_updates_of_one_contact_at_once_lose_nothing(open_session: OpenSession, era: str) -> None:
    async with open_session(mode=era) as session:
        contact_id = session.sandbox.store.add_contact(phone="12125550100")
        answers = await at_once(
            [lambda one=one: session.ok("update_contact", contact_id=contact_id, **one) for one in UPDATES]
        )
        assert {answer["status"] for answer in answers} == {"updated"}
        assert not [
            note
            for answer in answers
            for note in answer["notes"]
            if "Somebody else" in note or "not by this request" in note
        ]
        assert_nothing_is_lost(session.sandbox, contact_id)


async def test_updates_by_phone_and_by_id_wait_for_one_another(open_session: OpenSession) -> None:
    async with open_session() as session:
        contact_id = session.sandbox.store.add_contact(phone="12125550100")
        ways = [{"contact_id": contact_id}, {"phone": "+12125550100"}]
        await at_once(
            [lambda n=n, one=one: session.ok("update_contact", **ways[n % 2], **one) for n, one in enumerate(UPDATES)]
        )
        assert_nothing_is_lost(session.sandbox, contact_id)


@pytest.mark.parametrize("known_phone", ["reject", "update", "double"])
async def test_twenty_creates_of_one_phone_at_once_make_one_contact(
    open_session: OpenSession, known_phone: Any
) -> None:
    async with open_session(behaviour=Behaviour(requests_per_minute=0, known_phone=known_phone)) as session:
        answers = await at_once([lambda: session.ok("create_contact", phone=PHONE, first="Ada")] * 20)
        assert_one_has_the_phone(session.sandbox, [answer["status"] for answer in answers])


@pytest.mark.parametrize("known_phone", ["reject", "update", "double"])
async def test_two_servers_with_one_data_directory_wait_for_one_another(
    open_session: OpenSession, known_phone: Any
) -> None:
    async with AsyncExitStack() as opened:
        one = await opened.enter_async_context(
            open_session(behaviour=Behaviour(requests_per_minute=0, known_phone=known_phone))
        )
        other = await opened.enter_async_context(open_session(sandbox=one.sandbox))
        servers = [one, other]
        contact_id = one.sandbox.store.add_contact(phone="12125550100")
        await at_once(
            [
                lambda n=n, what=what: servers[n % 2].ok("update_contact", contact_id=contact_id, **what)
                for n, what in enumerate(UPDATES)
            ]
        )
        assert_nothing_is_lost(one.sandbox, contact_id)
        creates = [lambda n=n: servers[n % 2].ok("create_contact", phone=PHONE, first="Ada") for n in range(20)]
        assert_one_has_the_phone(one.sandbox, [answer["status"] for answer in await at_once(creates)])


# One of several servers: says when it is ready, starts when it is told, tells what came of its share.
SERVER = """
import json, sys
import anyio
from contacts_mcp.book.people.create import create
from contacts_mcp.book.people.requests import Wanted
from contacts_mcp.book.people.update import update
from contacts_mcp.config import Settings
from contacts_mcp.workspace import Workspace

async def main(url, data_dir, contact_id, phone, share):
    workspace = Workspace(
        Settings.load(base_url=url, api_key="sandbox-api-key", data_dir=data_dir, requests_per_minute=100_000)
    )
    book = await workspace.book()
    await book.vocabulary.read("fields", "tags", "members")
    print("ready", flush=True)
    await anyio.to_thread.run_sync(sys.stdin.readline)
    statuses = []
    async def change(what):
        await update(book, Wanted(**what), contact_id=contact_id)
    async def add():
        statuses.append((await create(book, phone, Wanted(first="Ada"))).status)
    async with anyio.create_task_group() as tasks:
        for what in share:
            tasks.start_soon(change, what)
            tasks.start_soon(add)
    await workspace.aclose()
    print(json.dumps(statuses), flush=True)

anyio.run(main, *json.loads(sys.argv[1]))
"""


@pytest.mark.parametrize("known_phone", ["reject", "update", "double"])
async def test_three_processes_on_one_machine_lose_and_double_nothing(tmp_path: Path, known_phone: Any) -> None:
    sandbox = open_sandbox(behaviour=Behaviour(requests_per_minute=0, known_phone=known_phone), contacts=3)
    contact_id = sandbox.store.add_contact(phone="12125550100")
    async with anyio.create_task_group() as tasks:
        url = await tasks.start(serve, sandbox)
        shares = [UPDATES[start::3] for start in range(3)]
        commands = [
            [sys.executable, "-c", SERVER, json.dumps([url, str(tmp_path), contact_id, PHONE, share])]
            for share in shares
        ]
        processes = [await anyio.open_process(command, stderr=None) for command in commands]
        outputs = [BufferedByteReceiveStream(process.stdout) for process in processes if process.stdout]
        assert [await line_of(output) for output in outputs] == [b"ready"] * 3
        for process in processes:
            await tell_to_start(process)
        statuses = [status for output in outputs for status in json.loads(await line_of(output))]
        assert [await process.wait() for process in processes] == [0, 0, 0]
        for process in processes:
            await process.aclose()
        tasks.cancel_scope.cancel()
    assert_nothing_is_lost(sandbox, contact_id)
    assert_one_has_the_phone(sandbox, statuses)
    sandbox.close()


async def line_of(output: BufferedByteReceiveStream) -> bytes:
    return await output.receive_until(b"\n", 10_000)


async def tell_to_start(process: Process) -> None:
    assert process.stdin
    await process.stdin.send(b"go\n")


def delete_files(directory: Path) -> None:
    for file in directory.iterdir():
        file.unlink()


async def test_a_lock_whose_file_was_deleted_is_given_back_all_the_same(tmp_path: Path) -> None:
    locks = Locks(tmp_path, "account")
    async with locks.contact(7):
        delete_files(tmp_path)
    with anyio.fail_after(2):
        async with Locks(tmp_path, "account").contact(7), locks.if_free(7, "") as is_held:
            assert not is_held
        async with locks.if_free(7, "") as is_held:
            assert is_held


# A client that lost an answer calls once more


async def test_a_repeated_create_update_or_add_tags_changes_nothing_twice(open_session: OpenSession, era: str) -> None:
    async with open_session(mode=era) as session:
        for tool, call, status in (
            ("create_contact", {"phone": PHONE, "first": "Ada", "tags": ["VIP"]}, "exists"),
            ("update_contact", {"phone": PHONE, "custom_fields": {"Plan": "Gold"}, "last": "Example"}, "unchanged"),
            ("update_contact", {"phone": PHONE, "add_tags": ["Lead"], "remove_tags": ["VIP"]}, "unchanged"),
            ("create_contact", {"phone": PHONE, "email": "ada@example.com", "if_exists": "fill"}, "unchanged"),
        ):
            first = await session.ok(tool, **call)
            stored = session.sandbox.store.contacts()
            again = await session.ok(tool, **call)
            assert (first["status"] in {"created", "updated"}, again["status"]) == (True, status)
            assert session.sandbox.store.contacts() == stored
            assert not WRITES & set(session.operations)


async def test_a_repeated_delete_with_its_token_answers_deleted_and_sends_nothing(
    open_session: OpenSession, era: str
) -> None:
    async with open_session(mode=era) as session:
        token = (await session.ok("delete_contact", contact_id=1001))["confirm_token"]
        first = await session.ok("delete_contact", contact_id=1001, confirm_token=token)
        again = await session.ok("delete_contact", contact_id=1001, confirm_token=token)
        assert (first["status"], again["status"]) == ("deleted", "deleted")
        assert first["change_id"] == again["change_id"]
        assert "done already" in again["notes"][0]
        assert not WRITES & set(session.operations)


async def test_a_token_used_by_five_calls_at_once_deletes_once(open_session: OpenSession) -> None:
    async with open_session() as session:
        token = (await session.ok("delete_contact", contact_id=1001))["confirm_token"]
        answers = await at_once([lambda: session.ok("delete_contact", contact_id=1001, confirm_token=token)] * 5)
        assert {answer["status"] for answer in answers} == {"deleted"}
        assert len({answer["change_id"] for answer in answers}) == 1
        assert len((await session.ok("list_changes"))["changes"]) == 1


@pytest.mark.parametrize("deed", ["update", "delete"])
async def test_an_undo_called_five_times_at_once_is_done_once(open_session: OpenSession, deed: str) -> None:
    async with open_session() as session:
        call = {"contact_id": 1001} | ({"last": "Changed"} if deed == "update" else {})
        answer = await session.ok(f"{deed}_contact", **call)
        if deed == "delete":
            answer = await session.ok("delete_contact", **call, confirm_token=answer["confirm_token"])
        answers = await at_once([lambda: session.ok("undo_change", change_id=answer["change_id"])] * 5)
        assert Counter(one["status"] for one in answers) == {"undone": 1, "unchanged": 4}
        assert [
            contact["last"] for contact in session.sandbox.store.contacts() if contact["phone"] == "15105550100"
        ] == ["Rivera"]
        assert len((await session.ok("list_changes"))["changes"]) == 2


# Somebody else, whom no lock of ours holds


@asynccontextmanager
async def meddling(open_stage: OpenStage, moment: str, **members: Any) -> AsyncIterator[Any]:
    """A stage on which somebody else edits Ada just `before` or `after` our next write."""
    async with open_stage() as stage:

        async def meddle(request: httpx.Request) -> None:
            if request.method == "PUT":
                setattr(stage.wire, moment, None)
                stage.sandbox.store.touch(stage.ADA, **members)

        setattr(stage.wire, moment, meddle)
        yield stage


async def test_a_write_of_somebody_else_between_our_read_and_our_write_is_reported(open_stage: OpenStage) -> None:
    async with meddling(
        open_stage, "before", email="theirs@example.com", custom={"31": "Silver", "33": "Miami"}
    ) as stage:
        answer = await stage.ok("update_contact", contact_id=stage.ADA, custom_fields={"Plan": "Premium"})
        notes = " ".join(answer["notes"])
        assert "Somebody else changed this contact at the same time" in notes
        assert "Region" in notes
        assert "Miami" in notes
        assert "theirs@example.com" in notes
        assert answer["changes"] == [{"field": "Plan", "before": "Gold", "after": "Premium"}]
        assert stage.people()[stage.ADA]["custom"] == {"31": "Premium", "33": "Miami"}


async def test_a_write_of_somebody_else_over_ours_is_reported_with_what_did_not_survive(open_stage: OpenStage) -> None:
    async with meddling(open_stage, "after", email="theirs@example.com") as stage:
        answer = await stage.ok("update_contact", contact_id=stage.ADA, email="ours@example.com", last="Ours")
        notes = " ".join(answer["notes"])
        assert "Somebody else changed this contact at the same time" in notes
        assert "email" in notes
        assert "theirs@example.com" in notes
        assert {change["field"]: change["after"] for change in answer["changes"]} == {
            "email": "theirs@example.com",
            "last": "Ours",
        }


async def test_without_anybody_else_nothing_of_the_kind_is_said(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        assert (await stage.ok("update_contact", contact_id=stage.ADA, email="ours@example.com", clear=["Region"]))[
            "notes"
        ] == []
