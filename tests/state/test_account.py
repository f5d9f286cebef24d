"""One account under the names of all its credentials: the data of the old one are found with the new one."""

from __future__ import annotations

import stat
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp.client import Client
from support import Assistant

from contacts_mcp.config import Settings
from contacts_mcp.sandbox import Behaviour, Credentials, Sandbox, open_sandbox, serve
from contacts_mcp.server.server import build_server
from contacts_mcp.state.account import Account
from contacts_mcp.state.journal import Entry, Journal
from contacts_mcp.state.locks import Locks
from contacts_mcp.workspace import Workspace

ADDRESS = "https://api.heymarket.com"
ENTRY = Entry(action="update", contact_id=7, before={"phone": "15105550101"}, wanted={"phone": "15105550102"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "accounts"


def account(folder: Path, name: str, *, team: int | None = None, address: str = ADDRESS) -> Account:
    made = Account(name, address=address, directory=folder)
    if team is not None:
        made.learn(team)
    return made


def test_an_account_has_the_names_of_its_credentials_own_first(folder: Path) -> None:
    one, two, new = account(folder, "b", team=17), account(folder, "a", team=17), account(folder, "c")
    account(folder, "z", team=18)
    account(folder, "y", team=17, address="https://elsewhere.example")
    assert (one.names, two.names, new.names) == (("b", "a"), ("a", "b"), ("c",))
    new.learn(17)
    assert (one.names, new.names) == (("b", "a", "c"), ("c", "a", "b"))
    assert (one.name, new.name) == ("b", "c")


def test_only_a_new_credential_among_others_of_its_address_may_have_other_names(folder: Path) -> None:
    first = account(folder, "a")
    assert not first.may_have_other_names
    first.learn(17)
    assert not first.may_have_other_names
    assert account(folder, "b").may_have_other_names
    assert not account(folder, "b", address="https://elsewhere.example").may_have_other_names


def test_the_first_word_about_the_team_counts(folder: Path) -> None:
    one, other = account(folder, "a", team=17), account(folder, "b", team=18)
    one.learn(18)
    assert (one.names, other.names) == (("a",), ("b",))


def test_the_files_say_nothing_and_are_for_the_owner_only(folder: Path) -> None:
    account(folder, "a", team=170_171)
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert "170171" not in file.read_text(encoding="ascii")
    assert "heymarket" not in file.read_text(encoding="ascii")


def test_where_nothing_can_be_written_the_team_is_known_to_this_process_alone(tmp_path: Path) -> None:
    (tmp_path / "accounts").touch()
    known = account(tmp_path / "accounts", "a", team=17)
    assert (known.names, known.may_have_other_names) == (("a",), False)
    assert not known.is_unknown, "the team is known until the process ends"
    assert len(known.lock_names) == 2


@pytest.mark.parametrize("content", [b"", b"half", b"\xff\xfe", b"one two three"])
def test_an_odd_file_in_the_folder_is_passed_over(folder: Path, content: bytes) -> None:
    known = account(folder, "a", team=17)
    (folder / "b").write_bytes(content)
    assert known.names == ("a",)


# What is remembered


async def test_the_journal_is_read_under_all_names_and_written_under_the_own(folder: Path, tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    old, new, stranger = account(folder, "a", team=17), account(folder, "b"), account(folder, "c", team=18)
    async with (
        aclosing(Journal(path, old)) as before,
        aclosing(Journal(path, new)) as after,
        aclosing(Journal(path, stranger)) as other,
    ):
        begun = await before.begin(ENTRY)
        assert await after.entries() == []
        new.learn(17)
        assert await after.entries() == await after.arriving(7) == await after.about_phone("15105550102") == [begun]
        await after.finish(ENTRY.__class__(**{**_members(begun), "state": "done", "rev_after": 4}))
        assert await before.rev_written(7) == 4
        mine = await after.begin(ENTRY)
        assert [entry.change_id for entry in await before.entries()] == [mine.change_id, begun.change_id]
        assert await other.entries() == []
    async with aclosing(Journal(path, Account("b"))) as alone:
        assert [entry.change_id for entry in await alone.entries()] == [mine.change_id]


def _members(entry: Entry) -> dict[str, Any]:
    return {name: getattr(entry, name) for name in Entry.__dataclass_fields__}


@pytest.mark.parametrize("is_known", [False, True], ids=["team not known yet", "team known"])
async def test_locks_keep_out_who_has_the_same_credential_or_the_same_team(
    folder: Path, tmp_path: Path, is_known: bool
) -> None:
    unknowing = Locks(tmp_path / "locks", Account("b"))
    old = Locks(tmp_path / "locks", account(folder, "a", team=17))
    new = Locks(tmp_path / "locks", account(folder, "b", team=17 if is_known else None))
    stranger = Locks(tmp_path / "locks", account(folder, "c", team=18))
    async with new.contact(7):
        free = []
        for locks in (unknowing, old, stranger):
            async with locks.if_free(7, "") as is_free:
                free.append(is_free)
    assert free == [False, not is_known, True]
    assert (await old.last_write(7) == await new.last_write(7)) is is_known


# In the chain


@asynccontextmanager
async def served() -> AsyncIterator[tuple[Sandbox, str]]:
    with closing(open_sandbox(contacts=3, behaviour=Behaviour(requests_per_minute=0))) as sandbox:
        async with anyio.create_task_group() as tasks:
            yield sandbox, await tasks.start(serve, sandbox)
            tasks.cancel_scope.cancel()


class Person(Assistant):
    def __init__(self, client: Client) -> None:
        self.client = client


@asynccontextmanager
async def server(url: str, home: Path, **credential: str) -> AsyncIterator[Person]:
    settings = Settings.load(base_url=url, data_dir=home, confirm="off", **credential)
    workspace = Workspace(settings)
    try:
        async with Client(build_server(settings, workspace=workspace)) as client:
            yield Person(client)
    finally:
        await workspace.aclose()


OLD = {"api_key": Credentials().api_key}
NEW = {"secret_id": Credentials().secret_id, "secret_key": Credentials().secret_key}


async def test_a_new_credential_finds_the_changes_of_the_old_one_and_takes_them_back(tmp_path: Path) -> None:
    async with served() as (sandbox, url):
        before = sandbox.store.contact(1001)
        async with server(url, tmp_path, **OLD) as person:
            await person.ok("update_contact", contact_id=1001, first="Somebody")
        async with server(url, tmp_path, **NEW) as person:
            (change,) = (await person.ok("list_changes"))["changes"]
            await person.ok("undo_change", change_id=change["change_id"])
        after = sandbox.store.contact(1001)
        assert (after["first"], after["rev"]) == (before["first"], 3)


async def test_the_team_is_asked_for_once_by_a_new_credential_and_never_by_the_first(tmp_path: Path) -> None:
    asked = []
    async with served() as (sandbox, url):
        for credential in (OLD, OLD, NEW, NEW, OLD):
            sandbox.requests.clear()
            async with server(url, tmp_path, **credential) as person:
                await person.ok("lookup_contact", phone="+15105550199")
                await person.ok("list_contacts", limit=1)
            asked.append([request.operation for request in sandbox.requests].count("get_team"))
    assert [number > asked[0] for number in asked] == [False, False, True, False, False]
