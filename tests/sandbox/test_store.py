from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from contacts_mcp.sandbox import Sandbox, open_sandbox


def test_add_contact_takes_what_the_api_refuses(sandbox: Sandbox) -> None:
    twin = sandbox.store.add_contact(
        phone="15105550100", first="Jordan", custom={37: "x"}, tags=[101, 102, 103, 104, 105, 106]
    )
    stored = sandbox.store.contact(twin)
    assert stored
    assert (stored["display_name"], stored["custom"], len(stored["tags"])) == ("Jordan", {"37": "x"}, 6)
    assert stored["created"] == stored["updated"] == "2027-01-15T08:00:00Z"


def test_contact_by_phone_gives_the_lowest_id(sandbox: Sandbox) -> None:
    sandbox.store.add_contact(phone="15105550100")
    found = sandbox.store.contact_by_phone("15105550100")
    assert found
    assert found["id"] == 1001
    assert sandbox.store.contact_by_phone("1") is None


@pytest.mark.parametrize("updated", ["2026-05-01T00:00:00Z", 1_777_593_600, datetime(2026, 5, 1, tzinfo=UTC)])
def test_updated_may_be_set(sandbox: Sandbox, updated: object) -> None:
    stored = sandbox.store.contact(sandbox.store.add_contact(phone="1", updated=updated))
    assert stored
    assert stored["created"] == stored["updated"] == "2026-05-01T00:00:00Z"


def test_set_updated_moves_contacts_without_a_new_rev(sandbox: Sandbox) -> None:
    sandbox.store.set_updated([1001, 1002], "2026-05-01T00:00:00.5Z")
    assert [(row["updated"], row["rev"]) for row in sandbox.store.contacts()[:2]] == [
        ("2026-05-01T00:00:00.500000Z", 1)
    ] * 2


def test_touch_is_an_edit_by_somebody_else(sandbox: Sandbox) -> None:
    sandbox.store.touch(1001, first="Jo", tags=[])
    stored = sandbox.store.contact(1001)
    assert stored
    assert (stored["first"], stored["tags"], stored["rev"], stored["updated"]) == ("Jo", [], 2, "2027-01-15T08:00:00Z")


def test_delete(sandbox: Sandbox) -> None:
    sandbox.store.delete(1001)
    assert sandbox.store.contact(1001) is None


def test_who_is_not_there_is_a_key_error(sandbox: Sandbox) -> None:
    with pytest.raises(KeyError):
        sandbox.store.delete(1)
    with pytest.raises(KeyError):
        sandbox.store.touch(1)


def test_a_misspelt_member_is_refused(sandbox: Sandbox) -> None:
    with pytest.raises(TypeError, match="frist"):
        sandbox.store.add_contact(phone="1", frist="x")


def test_fields_and_tags_may_share_a_name(sandbox: Sandbox) -> None:
    field, tag = sandbox.store.add_field("Plan"), sandbox.store.add_tag("VIP")
    assert [row["id"] for row in sandbox.store.fields() if row["title"] == "Plan"] == [31, field]
    assert [row["id"] for row in sandbox.store.tags() if row["tag"] == "VIP"] == [101, tag]


def test_members_and_inboxes_are_there(sandbox: Sandbox) -> None:
    assert len(sandbox.store.members()) == 5
    assert len(sandbox.store.inboxes()) == 2


def test_a_file_that_is_there_is_opened_and_not_seeded_again(tmp_path: Path) -> None:
    path = tmp_path / "book.sqlite3"
    with closing(open_sandbox(path, contacts=5)) as first:
        first.store.delete(1001)
        first.store.add_contact(phone="15105553344", first="Zoë")
        written = first.store.contacts()
    with closing(open_sandbox(str(path), contacts=300)) as again:
        assert again.store.contacts() == written


def test_an_emptied_book_stays_empty(tmp_path: Path) -> None:
    path = tmp_path / "book.sqlite3"
    open_sandbox(path, contacts=0).close()
    with closing(open_sandbox(path)) as again:
        assert again.store.contacts() == []


def test_two_sandboxes_share_a_file(tmp_path: Path) -> None:
    path = tmp_path / "book.sqlite3"
    with closing(open_sandbox(path, contacts=2)) as one, closing(open_sandbox(path)) as other:
        other.store.touch(1001, first="Other")
        seen = one.store.contact(1001)
        assert seen
        assert seen["first"] == "Other"


def test_the_rows_can_be_looked_at_from_another_thread(sandbox: Sandbox) -> None:
    seen: list[int] = []
    thread = threading.Thread(target=lambda: seen.append(len(sandbox.store.contacts())))
    thread.start()
    thread.join()
    assert seen == [40]


def test_a_seed_that_fails_leaves_an_empty_file_behind(tmp_path: Path) -> None:
    path = tmp_path / "book.sqlite3"
    with pytest.raises(ValueError, match="at most"):
        open_sandbox(path, contacts=1_000_000)
    with closing(open_sandbox(path, contacts=3)) as again:
        assert len(again.store.contacts()) == 3


def test_a_file_is_kept_as_the_contract_of_the_sandbox_says(tmp_path: Path) -> None:
    """With WAL a test can look while a server writes. With foreign keys every tag and every owner exists."""
    path = tmp_path / "sandbox.sqlite3"
    with closing(open_sandbox(path, contacts=1)) as sandbox, closing(sqlite3.connect(path)) as visitor:
        assert visitor.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        with pytest.raises(sqlite3.IntegrityError):
            sandbox.store.touch(sandbox.store.contacts()[0]["id"], assigned_user_id=999_999)
