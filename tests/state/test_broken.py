"""Reading works with a broken data directory. A write says in a second what stands in its way."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from support import OpenSession

from contacts_mcp.book.confirmations import digest_of
from contacts_mcp.sandbox import Behaviour, open_sandbox

READS: list[tuple[str, dict[str, Any]]] = [
    ("lookup_contact", {"contact_id": 1001}),
    ("lookup_contact", {"phone": "+15105550100"}),
    ("list_contacts", {"limit": 5}),
    ("list_contact_fields", {}),
]
WRITES = {"create_contact", "update_contact", "delete_contact"}


def a_file(home: Path) -> None:
    home.touch()


def no_database(home: Path) -> None:
    home.mkdir()
    (home / "journal.sqlite3").write_bytes(b"not a database" * 500)


def directory_called(name: str) -> Callable[[Path], None]:
    def befall(home: Path) -> None:
        (home / name).mkdir(parents=True)

    return befall


def file_called(name: str) -> Callable[[Path], None]:
    def befall(home: Path) -> None:
        home.mkdir()
        (home / name).write_text("in the way", encoding="utf-8")

    return befall


def nothing(home: Path) -> None: ...


@contextmanager
def locked(home: Path) -> Iterator[None]:
    with closing(sqlite3.connect(home / "journal.sqlite3", isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode = EXCLUSIVE")
        other.execute("BEGIN EXCLUSIVE")
        yield


BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "the data directory is a file": (a_file, "owner of this machine can"),
    "the journal is a directory": (directory_called("journal.sqlite3"), "owner of this machine can"),
    "the journal is no database": (no_database, "was set aside as journal.unreadable-"),
    "the folder of locks is a file": (file_called("locks"), "owner of this machine can"),
    "the ledger is a directory": (directory_called("pace.sqlite3"), ""),
    "the ledger is no database": (file_called("pace.sqlite3"), ""),
    "the signing key is a directory": (directory_called("signing.key"), ""),
    "the folder of accounts is a file": (file_called("accounts"), ""),
    "nothing": (nothing, ""),
}


@pytest.mark.parametrize(("befall", "refusal"), BROKEN.values(), ids=BROKEN)
async def test_reading_works_and_a_write_says_what_is_wrong(
    open_session: OpenSession, tmp_path: Path, befall: Callable[[Path], None], refusal: str
) -> None:
    befall(tmp_path / "data")
    async with open_session(contacts=3) as session:
        start = time.monotonic()
        for tool, arguments in READS:
            await session.ok(tool, **arguments)
        assert time.monotonic() - start < 2
        journals = {path.name for path in (tmp_path / "data").glob("journal*")}
        assert journals <= {"journal.sqlite3"}, "reading does not touch it"
        if refusal:
            start = time.monotonic()
            said = await session.refused("update_contact", contact_id=1001, first="Jo")
            assert said.startswith("Nothing was changed")
            assert refusal in said
            assert time.monotonic() - start < 2
            assert not WRITES & set(session.operations)
        else:
            await session.ok("update_contact", contact_id=1001, first="Jo")


async def test_with_the_journal_locked_reading_is_as_quick_as_ever(open_session: OpenSession, tmp_path: Path) -> None:
    with closing(open_sandbox(contacts=3, behaviour=Behaviour(requests_per_minute=0))) as sandbox:
        async with open_session(sandbox=sandbox) as session:
            await session.ok("update_contact", contact_id=1001, first="Ann")
        async with open_session(sandbox=sandbox) as session:
            with locked(tmp_path / "data"):
                start = time.monotonic()
                for tool, arguments in READS:
                    await session.ok(tool, **arguments)
                assert time.monotonic() - start < 1
                start = time.monotonic()
                said = await session.refused("update_contact", contact_id=1001, first="Jo")
                assert "because another program has locked it" in said
                assert time.monotonic() - start < 3
                assert not WRITES & set(session.operations)
            await anyio.sleep(1)  # it is not tried again before
            await session.ok("update_contact", contact_id=1001, first="Jo")


async def test_after_the_journal_was_set_aside_the_same_call_works(open_session: OpenSession, tmp_path: Path) -> None:
    no_database(tmp_path / "data")
    async with open_session(contacts=3) as session:
        assert "was set aside as" in await session.refused("list_changes")
        assert (await session.ok("list_changes"))["changes"] == []
        done = await session.ok("update_contact", contact_id=1001, first="Jo")
        await session.ok("undo_change", change_id=done["change_id"])


async def test_without_a_journal_a_used_confirmation_is_used_up_for_all_servers(
    open_session: OpenSession, tmp_path: Path
) -> None:
    async with (
        open_session(contacts=3, journal=False) as one,
        open_session(sandbox=one.sandbox, journal=False) as other,
    ):
        token = (await one.ok("delete_contact", contact_id=1001))["confirm_token"]
        await one.ok("delete_contact", contact_id=1001, confirm_token=token)
        assert not await (await other.workspace.book()).journal.spend_token(digest_of(token))
    assert not list((tmp_path / "data").glob("journal*"))
