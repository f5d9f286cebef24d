"""The journal: written before anything is sent, private, kept for thirty days."""

from __future__ import annotations

import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from contacts_mcp.book.history.history import changes_of
from contacts_mcp.errors import AccountError
from contacts_mcp.state.journal import KEEP, Entry, Journal

UPDATE = Entry(
    action="update",
    contact_id=7,
    before={"first": "Jo", "tags": [1]},
    wanted={"first": "Joe", "tags": [1]},
    rev_before=3,
    consent="By phone",
)


class Clock:
    now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.sqlite3"


@pytest.fixture
def journal(path: Path, clock: Clock) -> Iterator[Journal]:
    opened = Journal(path, "account", clock=clock)
    yield opened
    opened.close()


def test_what_is_begun_is_there_as_it_was_given(journal: Journal, clock: Clock) -> None:
    begun = journal.begin(UPDATE)
    assert begun == replace(UPDATE, change_id=1, at=clock.now)
    assert journal.get(1) == begun
    assert journal.unfinished() == [begun]


def test_what_is_finished_says_how_it_came_out(journal: Journal) -> None:
    done = replace(journal.begin(UPDATE), state="done", after={"first": "Joe", "tags": [1]}, rev_after=4)
    journal.finish(done)
    assert journal.get(1) == done
    assert journal.unfinished() == []


def test_a_text_in_any_script_comes_back_as_it_was(journal: Journal) -> None:
    texts = {"first": 'Zoë "李" \\ \n\x00\u202e👩\u200d👧', "custom:31": "x" * 100_000}
    assert journal.begin(replace(UPDATE, before=texts)).before == journal.get(1).before == texts  # type: ignore[union-attr]


def test_entries_come_newest_first_page_after_page_and_by_contact(journal: Journal) -> None:
    for contact_id in (7, 8, 7, 8, 7):
        journal.begin(replace(UPDATE, contact_id=contact_id))
    assert [entry.change_id for entry in journal.entries(limit=2)] == [5, 4]
    assert [entry.change_id for entry in journal.entries(limit=2, before=4)] == [3, 2]
    assert [entry.change_id for entry in journal.entries(contact_id=7)] == [5, 3, 1]


def test_accounts_do_not_see_each_other(journal: Journal, path: Path, clock: Clock) -> None:
    journal.begin(UPDATE)
    other = Journal(path, "another", clock=clock)
    assert (other.entries(), other.get(1), other.unfinished()) == ([], None, [])
    other.close()


def test_two_servers_share_one_file(journal: Journal, path: Path, clock: Clock) -> None:
    second = Journal(path, "account", clock=clock)
    begun = journal.begin(UPDATE)
    assert second.get(begun.change_id) == begun
    assert second.begin(UPDATE).change_id == 2
    second.close()


def test_only_its_owner_can_read_it(journal: Journal, path: Path) -> None:
    """Its side files too: they hold what was written last."""
    journal.begin(UPDATE)
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600, file.name


def test_a_file_that_others_could_read_is_made_private(path: Path, clock: Clock) -> None:
    path.touch(mode=0o644)
    path.chmod(0o644)
    Journal(path, "account", clock=clock).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_entries_are_kept_for_thirty_days(journal: Journal, clock: Clock) -> None:
    old = replace(journal.begin(UPDATE), state="done")
    journal.finish(old)
    clock.now += KEEP - 1
    assert journal.get(1) == old
    journal.finish(replace(journal.begin(UPDATE), state="done"))
    clock.now += 3601
    assert journal.get(1) is None
    assert [entry.change_id for entry in journal.entries()] == [2]


def test_what_is_deleted_leaves_no_trace_in_the_file(journal: Journal, path: Path, clock: Clock) -> None:
    journal.finish(replace(journal.begin(replace(UPDATE, before={"first": "Planted-Name"})), state="done"))
    clock.now += KEEP + 3601
    assert journal.entries() == []
    journal.close()
    assert b"Planted-Name" not in path.read_bytes()


def test_a_confirmation_finds_what_it_allowed_unless_that_was_not_done(journal: Journal) -> None:
    begun = journal.begin(replace(UPDATE, token="digest"))
    assert journal.by_token("digest") == begun
    assert journal.by_token("other") is None
    journal.finish(replace(begun, state="not_done"))
    assert journal.by_token("digest") is None


def test_in_memory_it_works_alike_and_writes_no_file(tmp_path: Path) -> None:
    journal = Journal(None, "account")
    assert journal.get(journal.begin(UPDATE).change_id) is not None
    journal.close()
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_said_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(AccountError, match="Nothing was changed: the journal") as refused:
        Journal(tmp_path / "missing" / "journal.sqlite3", "account")
    assert "CONTACTS_MCP_JOURNAL=off" in str(refused.value)


def test_a_file_that_is_no_journal_is_said_and_left_alone(path: Path) -> None:
    path.write_bytes(b"not a database at all" * 100)
    with pytest.raises(AccountError, match="Nothing was changed"):
        Journal(path, "account")
    assert path.read_bytes().startswith(b"not a database")


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
    open_session: Any, method: str, tool: str, arguments: Any
) -> None:
    seen: list[Entry] = []
    async with open_session(contacts=2, confirm="off") as session:
        book = await session.workspace.book()

        async def look(request: httpx.Request) -> None:
            if request.method == method and not request.url.path.endswith(("/get", "-fields", "/tags")):
                seen.extend(book.journal.unfinished())

        book.api._http.event_hooks = {"request": [look]}
        before = session.sandbox.store.contact(1001)
        await session.ok(tool, **arguments)
        (entry,) = seen
        assert (entry.state, entry.action) == ("begun", tool.removesuffix("_contact"))
        assert entry.before.get("first", "") == ("" if method == "POST" else before["first"])
        assert book.journal.get(entry.change_id).state == "done"


async def test_switched_off_it_is_kept_in_memory_only(open_session: Any, tmp_path: Path) -> None:
    async with open_session(contacts=2, journal=False) as session:
        await session.ok("update_contact", contact_id=1001, first="Jo")
        (told,) = await changes_of(await session.workspace.book())
    assert told.entry.change_id > 1_000_000_000, "a number of another server's journal would be another change"
    assert not list((tmp_path / "data").glob("journal*"))


async def test_a_write_that_cannot_be_journalled_is_not_sent(open_session: Any) -> None:
    async with open_session(contacts=2) as session:
        book = await session.workspace.book()
        book.journal._db.execute("DROP TABLE changes")
        before = session.sandbox.store.contacts()
        assert "Nothing was changed" in await session.refused("update_contact", contact_id=1001, first="Jo")
        assert session.sandbox.store.contacts() == before
        assert "update_contact" not in session.operations
