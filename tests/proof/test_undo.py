"""A change is taken back exactly, only while it still stands, once, and never somebody's opt-out.

Guards `contacts_mcp/book/history/undo.py`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support import OpenSession, Session

from contacts_mcp.sandbox import Behaviour, Lag
from contacts_mcp.state.journal import Entry, Journal

SOMEBODY: dict[str, Any] = {
    "first": "Jordan",
    "last": "Rivera",
    "display_name": "JR",
    "email": "jordan@example.com",
    "avatar": "https://pictures.example.com/1.png",
    "custom": {"31": "Gold", "33": "Oakland", "37": "x"},
    "tags": [103, 101],
    "assigned_user_id": 502,
    "is_opted_out": False,
}
WRITES = {"create_contact", "update_contact", "delete_contact"}


async def person(session: Session, **members: Any) -> int:
    contact_id: int = session.sandbox.store.add_contact(**({"phone": "12125550142"} | SOMEBODY | members))
    return contact_id


def lasting(session: Session, contact_id: int) -> dict[str, Any]:
    """Everything about a contact but the members that every write moves. The order of tags means nothing."""
    contact = session.sandbox.store.contact(contact_id)
    return {name: value for name, value in contact.items() if name not in ("rev", "updated")} | {
        "tags": sorted(contact["tags"])
    }


async def deleted(session: Session, contact_id: int) -> dict[str, Any]:
    token = (await session.ok("delete_contact", contact_id=contact_id))["confirm_token"]
    answer: dict[str, Any] = await session.ok("delete_contact", contact_id=contact_id, confirm_token=token)
    assert answer["status"] == "deleted"
    return answer


async def undone(session: Session, answer: dict[str, Any], **arguments: Any) -> dict[str, Any]:
    facts: dict[str, Any] = await session.ok("undo_change", change_id=answer["change_id"], **arguments)
    return facts


# Updates

UPDATES: dict[str, dict[str, Any]] = {
    "texts": {"first": "Jo", "email": "jo@example.com"},
    "custom": {"custom_fields": {"Plan": "Basic", "Renewal Date": "2027-01-01"}},
    "cleared": {"clear": ["last", "avatar", "Region", "assignee", "tags"]},
    "replaced": {"custom_fields": {"Plan": "Basic"}, "replace_custom_fields": True},
    "tags": {"tags": ["Lead", "Supplier"]},
    "tags_edited": {"add_tags": ["Lead"], "remove_tags": ["VIP"]},
    "assignee": {"assignee": "Dana Levy"},
    "phone": {"new_phone": "+12125550143"},
}


@pytest.mark.parametrize("call", UPDATES.values(), ids=UPDATES)
async def test_an_update_is_taken_back_to_the_byte(open_session: OpenSession, call: dict[str, Any]) -> None:
    async with open_session() as session:
        contact_id = await person(session)
        before = lasting(session, contact_id)
        answer = await session.ok("update_contact", contact_id=contact_id, **call)
        assert lasting(session, contact_id) != before
        assert (await undone(session, answer))["status"] == "undone"
        assert lasting(session, contact_id) == before


async def test_what_the_change_did_not_change_stays_as_others_left_it(open_session: OpenSession) -> None:
    async with open_session() as session:
        contact_id = await person(session)
        answer = await session.ok("update_contact", contact_id=contact_id, custom_fields={"Plan": "Basic"})
        session.sandbox.store.touch(contact_id, last="Changed", custom={"31": "Basic", "33": "Miami"})
        assert (await undone(session, answer))["status"] == "undone"
        after = lasting(session, contact_id)
        assert (after["last"], after["custom"]) == ("Changed", {"31": "Gold", "33": "Miami"})


async def test_it_is_refused_with_the_difference_when_what_it_changed_was_changed_since(
    open_session: OpenSession, era: str
) -> None:
    async with open_session(mode=era) as session:
        contact_id = await person(session)
        answer = await session.ok(
            "update_contact",
            contact_id=contact_id,
            email="jo@example.com",
            custom_fields={"Plan": "Basic"},
            tags=["Lead"],
        )
        session.sandbox.store.touch(contact_id, email="", custom={"31": "Evil\x1b[2J"}, tags=[104])
        before = session.sandbox.store.contact(contact_id)
        said = await session.refused("undo_change", change_id=answer["change_id"])
        assert 'email was left as "jo@example.com" and is empty' in said
        assert 'Plan was left as "Basic" and is "Evil\\u{1b}[2J"' in said
        assert 'tags was left as "Lead" and is "Past Due"' in said
        assert session.sandbox.store.contact(contact_id) == before
        assert not WRITES & set(session.operations)


async def test_one_that_was_set_back_by_hand_counts_as_unchanged(open_session: OpenSession) -> None:
    async with open_session() as session:
        contact_id = await person(session)
        answer = await session.ok("update_contact", contact_id=contact_id, first="Jo")
        session.sandbox.store.touch(contact_id, first="Jordan")
        assert (await undone(session, answer))["status"] == "unchanged"
        assert not WRITES & set(session.operations)


async def test_twice_is_once(open_session: OpenSession, era: str) -> None:
    async with open_session(mode=era) as session:
        contact_id = await person(session)
        answer = await session.ok("update_contact", contact_id=contact_id, first="Jo")
        first = await undone(session, answer)
        again = await undone(session, answer)
        assert again["status"] == "unchanged"
        assert f"taken back already, by change {first['change_id']}" in again["notes"][0]
        assert not WRITES & set(session.operations)


async def test_an_undo_can_be_taken_back_and_the_change_then_once_more(open_session: OpenSession) -> None:
    async with open_session() as session:
        contact_id = await person(session)
        answer = await session.ok("update_contact", contact_id=contact_id, first="Jo")
        undo = await undone(session, answer)
        assert lasting(session, contact_id)["first"] == "Jordan"
        assert (await undone(session, undo))["status"] == "undone"
        assert lasting(session, contact_id)["first"] == "Jo"
        assert (await undone(session, answer))["status"] == "undone"
        assert lasting(session, contact_id)["first"] == "Jordan"


async def test_a_phone_that_somebody_took_meanwhile_is_not_given_back(open_session: OpenSession) -> None:
    async with open_session() as session:
        contact_id = await person(session)
        answer = await session.ok("update_contact", contact_id=contact_id, new_phone="+12125550143")
        await person(session)
        assert "belongs to another contact already" in await session.refused(
            "undo_change", change_id=answer["change_id"]
        )
        assert lasting(session, contact_id)["phone"] == "12125550143"


async def test_what_heymarket_keeps_although_it_is_taken_back_is_said(open_session: OpenSession) -> None:
    async with open_session(behaviour=Behaviour(requests_per_minute=0, clears_with="neither")) as session:
        contact_id = await person(session)
        answer = await session.ok(
            "update_contact", contact_id=contact_id, custom_fields={"Renewal Date": "2027-01-01"}, first="Jo"
        )
        notes = (await undone(session, answer))["notes"]
        assert notes == ['Not cleared: Heymarket kept Renewal Date as "2027-01-01".']
        assert lasting(session, contact_id)["first"] == "Jordan"


# Opt-outs


async def test_an_opt_out_is_never_taken_back(open_session: OpenSession, era: str) -> None:
    async with open_session(mode=era) as session:
        contact_id = await person(session)
        alone = await session.ok("update_contact", contact_id=contact_id, is_opted_out=True)
        answer = await undone(session, alone)
        assert answer["status"] == "unchanged"
        assert "nobody is opted in by an undo" in answer["notes"][0]
        assert not WRITES & set(session.operations)
        assert lasting(session, contact_id)["is_opted_out"]


async def test_the_rest_of_a_change_that_opted_out_is_taken_back(open_session: OpenSession) -> None:
    async with open_session() as session:
        contact_id = await person(session)
        answer = await undone(
            session, await session.ok("update_contact", contact_id=contact_id, is_opted_out=True, first="Jo")
        )
        assert answer["status"] == "undone"
        assert "nobody is opted in by an undo" in answer["notes"][0]
        assert lasting(session, contact_id) == lasting(session, contact_id) | {"first": "Jordan", "is_opted_out": True}


async def test_an_opt_in_is_taken_back_and_that_is_not(open_session: OpenSession) -> None:
    async with open_session() as session:
        contact_id = await person(session, is_opted_out=True)
        call = {"contact_id": contact_id, "is_opted_out": False, "consent": "Asked by phone on 2026-03-04"}
        token = (await session.ok("update_contact", **call))["confirm_token"]
        undo = await undone(session, await session.ok("update_contact", **call, confirm_token=token))
        assert lasting(session, contact_id)["is_opted_out"]
        assert (await undone(session, undo))["status"] == "unchanged"
        assert lasting(session, contact_id)["is_opted_out"]


# Deletes


async def test_a_deleted_contact_is_created_again_with_everything_and_a_new_id(
    open_session: OpenSession, era: str
) -> None:
    async with open_session(mode=era) as session:
        contact_id = await person(session, is_opted_out=True)
        before = lasting(session, contact_id)
        answer = await undone(session, await deleted(session, contact_id))
        new_id = answer["contact"]["contact_id"]
        assert answer["status"] == "undone"
        assert answer["notes"][0].startswith(
            f"The contact was created again and has a new id: {new_id} (it was {contact_id})."
        )
        assert answer["note_kinds"] == ["created_again", "arrived_opted_out"]
        assert {name: lasting(session, new_id)[name] for name in (*SOMEBODY, "phone")} == {
            name: before[name] for name in (*SOMEBODY, "phone")
        }


async def test_a_deleted_contact_does_not_come_back_beside_another_with_its_phone(open_session: OpenSession) -> None:
    async with open_session() as session:
        answer = await deleted(session, await person(session))
        await person(session, first="Somebody else")
        assert "belongs to another contact already" in await session.refused(
            "undo_change", change_id=answer["change_id"]
        )


async def test_a_deleted_contact_of_unknown_opt_out_comes_back_opted_out(open_session: OpenSession) -> None:
    async with open_session(behaviour=Behaviour(requests_per_minute=0, sends_opt_out=False)) as session:
        answer = await undone(session, await deleted(session, await person(session)))
        assert session.sandbox.store.contact(answer["contact"]["contact_id"])["is_opted_out"]
        assert answer["note_kinds"] == ["created_again", "arrived_opted_out", "not_shown"]


async def test_an_older_delete_does_not_bring_a_phone_back_that_was_opted_out_later(open_session: OpenSession) -> None:
    async with open_session() as session:
        older = await deleted(session, await person(session))
        later = await deleted(session, await person(session, is_opted_out=True))
        answer = await undone(session, older)
        assert session.sandbox.store.contact(answer["contact"]["contact_id"])["is_opted_out"]
        assert answer["note_kinds"] == ["created_again", "arrived_opted_out"]
        assert f"(change {later['change_id']})" in answer["notes"][1]


async def test_the_journal_keeps_what_no_write_can_bring_back(open_session: OpenSession) -> None:
    async with open_session() as session:
        note = [
            {
                "id": 5001,
                "user_id": 501,
                "name": "Alex Kim",
                "text": "Ask for the back office",
                "date": "2026-05-04T09:30:00Z",
            }
        ]
        answer = await deleted(session, await person(session, note=note, external_ref="crm-7"))
        kept = await (await session.workspace.book()).journal.get(answer["change_id"])
        assert (kept.record["note"], kept.record["external_ref"]) == (note, "crm-7")


# Creates


async def test_a_created_contact_is_deleted_after_a_confirmation(open_session: OpenSession, era: str) -> None:
    async with open_session(mode=era) as session:
        created = await session.ok("create_contact", phone="+12125550142", first="Jo")
        asked = await undone(session, created)
        assert asked["status"] == "needs_confirmation"
        assert session.sandbox.store.contact_by_phone("12125550142")
        answer = await undone(session, created, confirm_token=asked["confirm_token"])
        assert answer["status"] == "undone"
        assert session.sandbox.store.contact_by_phone("12125550142") is None
        assert (await undone(session, created, confirm_token=asked["confirm_token"]))["status"] == "unchanged"
        back = await undone(session, answer)
        assert (back["status"], back["contact"]["first"]) == ("undone", "Jo")


@pytest.mark.parametrize(
    "since", [{"last": "Changed"}, {"custom": {"38": "Ask for the back office"}}, {"is_opted_out": True}], ids=str
)
async def test_a_created_contact_that_was_worked_on_since_is_not_deleted(
    open_session: OpenSession, since: dict[str, Any]
) -> None:
    async with open_session() as session:
        created = await session.ok("create_contact", phone="+12125550142", first="Jo")
        session.sandbox.store.touch(created["contact"]["contact_id"], **since)
        assert "changed since" in await session.refused("undo_change", change_id=created["change_id"])
        assert session.sandbox.store.contact_by_phone("12125550142")


async def test_a_create_that_heymarket_put_into_an_existing_contact_does_not_delete_it_when_taken_back(
    open_session: OpenSession,
) -> None:
    async with open_session(behaviour=Behaviour(requests_per_minute=0, known_phone="update")) as session:
        contact_id = await person(session)
        session.sandbox.store.hide(contact_id, Lag(reads=1))  # it appeared after we had looked
        merged = await session.ok("create_contact", phone="+12125550142", first="Jo")
        assert merged["status"] == "updated"
        assert "may have been there before" in await session.refused("undo_change", change_id=merged["change_id"])
        assert session.sandbox.store.contact(contact_id)


async def test_a_contact_that_is_gone_cannot_be_taken_back_to(open_session: OpenSession) -> None:
    async with open_session() as session:
        contact_id = await person(session)
        answer = await session.ok("update_contact", contact_id=contact_id, first="Jo")
        session.sandbox.store.delete(contact_id)
        assert "No contact has the id" in await session.refused("undo_change", change_id=answer["change_id"])


# The list, and whose it is


async def test_changes_are_listed_newest_first_by_contact_and_page_by_page(open_session: OpenSession, era: str) -> None:
    async with open_session(mode=era) as session:
        one, other = await person(session), await person(session, phone="12125550143")
        made = [
            (await session.ok("update_contact", contact_id=who, first=f"Name {n}"))["change_id"]
            for n, who in enumerate([one, other, one, one])
        ]
        listed = await session.ok("list_changes")
        assert [entry["change_id"] for entry in listed["changes"]] == made[::-1]
        assert listed["changes"][0]["changes"] == [{"field": "first", "before": "Name 2", "after": "Name 3"}]
        assert {entry["contact_id"] for entry in (await session.ok("list_changes", contact_id=other))["changes"]} == {
            other
        }
        page = await session.ok("list_changes", limit=2, contact_id=one)
        rest = await session.ok("list_changes", limit=2, contact_id=one, cursor=page["next_cursor"])
        assert [entry["change_id"] for entry in (*page["changes"], *rest["changes"])] == [made[3], made[2], made[0]]
        assert rest["next_cursor"] == ""


async def test_a_last_page_that_is_full_promises_no_more(open_session: OpenSession) -> None:
    async with open_session() as session:
        contact_id = await person(session)
        for name in ("Jo", "Jordan"):
            await session.ok("update_contact", contact_id=contact_id, first=name)
        assert (await session.ok("list_changes", limit=2))["next_cursor"] == ""


async def test_nothing_done_is_said_and_a_change_that_is_not_there_is_refused(open_session: OpenSession) -> None:
    async with open_session() as session:
        assert (await session.ok("list_changes"))["changes"] == []
        for number in (7, 2**53 - 1):
            assert "There is no change" in await session.refused("undo_change", change_id=number)


async def test_two_accounts_in_one_journal_never_see_each_other(tmp_path: Path) -> None:
    ours, theirs = (Journal(tmp_path / "journal.sqlite3", account) for account in ("ours", "theirs"))
    entry = await theirs.begin(
        Entry(
            action="delete",
            contact_id=7,
            before={"phone": "12125550142", "is_opted_out": True},
            wanted={},
            token="digest",
        )
    )
    assert (
        await ours.entries(),
        await ours.unfinished(),
        await ours.get(entry.change_id),
        await ours.by_token("digest"),
    ) == (
        [],
        [],
        None,
        None,
    )
    mine = await ours.begin(Entry(action="delete", contact_id=7, before={"phone": "12125550142"}, wanted={}))
    assert mine.change_id > entry.change_id
    assert [found.change_id for found in await ours.departures_from("12125550142")] == [mine.change_id]
    assert await ours.departures_from("12125550142", after=mine.change_id) == []
    await ours.aclose()
    await theirs.aclose()


async def test_without_a_journal_nothing_is_kept_on_disk_and_the_server_remembers_while_it_runs(
    open_session: OpenSession, tmp_path: Path
) -> None:
    async with open_session(journal=False) as session:
        contact_id = await person(session)
        answer = await session.ok("update_contact", contact_id=contact_id, first="Jo")
        assert (await undone(session, answer))["status"] == "undone"
        assert not list((tmp_path / "data").glob("journal*"))
