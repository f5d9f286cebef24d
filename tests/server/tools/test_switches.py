"""The same session against every side of every switch of the sandbox:
nobody knows how the service behaves, so each way must come out right.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from support import OpenSession, Session

from contacts_mcp.sandbox import Behaviour

PHONE = "(510) 555-3344"
DIGITS = "15105553344"
JORDAN, SAM = 1001, 1002  # Sam is opted out
SIDES = [(name, side) for name, sides in Behaviour.switches().items() for side in sides]


@pytest.fixture(params=SIDES, ids=lambda param: f"{param[0]}={param[1]}")
async def session(request: pytest.FixtureRequest, open_session: OpenSession) -> AsyncIterator[Session]:
    name, side = request.param
    async with open_session(behaviour=Behaviour(**{"requests_per_minute": 0, name: side}), contacts=40) as opened:
        yield opened


def sticks(session: Session) -> bool:
    """Whether the service can empty a text at all."""
    return bool(session.sandbox.behaviour.clears_with != "neither")


async def test_every_outcome_is_right_whichever_way_the_service_works(session: Session) -> None:
    created = await create(session)
    await meet_again(session, created)
    await update(session, created)
    await clear(session, created)
    await respect_the_opt_out(session)
    await find(session, created)
    await walk_the_whole_list(session)
    await delete_and_undo(session, created)


async def create(session: Session) -> int:
    answer = await session.ok(
        "create_contact",
        phone=PHONE,
        first="Jo",
        last="Rivers",
        custom_fields={"Plan": "Gold", "Region": "Oakland"},
        tags=["VIP"],
    )
    assert answer["status"] == "created"
    assert answer["contact"]["custom_fields"] == {"Plan": "Gold", "Region": "Oakland"}
    assert answer["contact"]["phone"] == f"+{DIGITS}"
    contact_id: int = answer["contact"]["contact_id"]
    stored = session.sandbox.store.contact(contact_id)
    assert (stored["first"], stored["last"], stored["display_name"], stored["tags"]) == (
        "Jo",
        "Rivers",
        "Jo Rivers",
        [101],
    )
    return contact_id


async def meet_again(session: Session, contact_id: int) -> None:
    answer = await session.ok("create_contact", phone=PHONE, first="Joe")
    assert (answer["status"], answer["contact"]["contact_id"]) == ("exists", contact_id)
    assert [record["id"] for record in session.sandbox.store.contacts() if record["phone"] == DIGITS] == [contact_id]


async def update(session: Session, contact_id: int) -> None:
    """Only what was asked is different afterwards, names and other custom values included."""
    before = session.sandbox.store.contact(contact_id)
    answer = await session.ok(
        "update_contact",
        contact_id=contact_id,
        email="jo@example.com",
        custom_fields={"Plan": "Basic"},
        assignee="Alex Kim",
        add_tags=["Lead"],
    )
    assert answer["status"] == "updated"
    assert {change["field"] for change in answer["changes"]} == {"email", "Plan", "assignee", "tags"}
    assert answer["notes"] == []
    changed = {
        "email": "jo@example.com",
        "custom": {"31": "Basic", "33": "Oakland"},
        "assigned_user_id": 501,
        "tags": [101, 102],
    }
    after = session.sandbox.store.contact(contact_id)
    assert {**after, "rev": 0, "updated": ""} == {**before, **changed, "rev": 0, "updated": ""}


async def clear(session: Session, contact_id: int) -> None:
    """Clear some fields. They are empty afterwards, or the answer says that they are not."""
    answer = await session.ok(
        "update_contact", contact_id=contact_id, clear=["email", "Region", "assignee"], remove_tags=["Lead"]
    )
    stored = session.sandbox.store.contact(contact_id)
    assert (stored["email"], stored["custom"].get("33", "")) == (
        ("", "") if sticks(session) else ("jo@example.com", "Oakland")
    )
    assert stored["custom"]["31"] == "Basic"
    assert stored["assigned_user_id"] is None
    kinds = answer.get("note_kinds", [])
    assert kinds.count("not_cleared") == (0 if sticks(session) else 2)
    removed = session.sandbox.behaviour.tags_on_put == "replace"
    assert stored["tags"] == ([101] if removed else [101, 102])
    assert ("not_kept" in kinds) is not removed


async def respect_the_opt_out(session: Session) -> None:
    answer = await session.ok("create_contact", phone="+15105550101", first="Sam", is_opted_out=False, if_exists="fill")
    assert answer["status"] in ("unchanged", "updated")
    assert session.sandbox.store.contact(SAM)["is_opted_out"] is True
    shown = answer["contact"]["is_opted_out"]
    assert shown is True if session.sandbox.behaviour.sends_opt_out else shown == "unknown"
    refusal = await session.refusal("update_contact", contact_id=SAM, is_opted_out=False)
    assert refusal["kind"] == "consent_needed"
    assert session.sandbox.store.contact(SAM)["is_opted_out"] is True


async def find(session: Session, contact_id: int) -> None:
    for how in ({"contact_id": contact_id}, {"phone": PHONE}):
        answer = await session.ok("lookup_contact", **how)
        assert [contact["contact_id"] for contact in answer["contacts"]] == [contact_id]
    assert (await session.ok("lookup_contact", contact_id=999_999))["found"] is False
    assert (await session.ok("lookup_contact", phone="(510) 555-9999"))["found"] is False
    assert [
        one["contact_id"] for one in (await session.ok("lookup_contact", email="jordan.rivera@example.com"))["contacts"]
    ] == [JORDAN]
    assert (await session.refusal("update_contact", contact_id=999_999, first="Jo"))["kind"] == "not_found"


async def walk_the_whole_list(session: Session) -> None:
    found: list[int] = []
    cursor: dict[str, str] = {}
    while True:
        page = await session.ok("list_contacts", limit=15, **cursor)
        found += [contact["contact_id"] for contact in page["contacts"]]
        if not page["next_cursor"]:
            break
        cursor = {"cursor": page["next_cursor"]}
        assert len(found) <= 41
    # Without `updated` there is no cursor that leads to the next page.
    assert page["complete"] is session.sandbox.behaviour.sends_updated
    if not page["complete"]:
        return
    assert sorted(found) == [record["id"] for record in session.sandbox.store.contacts()]


async def delete_and_undo(session: Session, contact_id: int) -> None:
    record = session.sandbox.store.contact(contact_id)
    asked = await session.ok("delete_contact", contact_id=contact_id)
    assert session.sandbox.store.contact(contact_id) == record
    deleted = await session.ok("delete_contact", contact_id=contact_id, confirm_token=asked["confirm_token"])
    assert deleted["status"] == "deleted"
    assert session.sandbox.store.contact(contact_id) is None
    undone = await session.ok("undo_change", change_id=deleted["change_id"])
    back = session.sandbox.store.contact(undone["contact"]["contact_id"])
    for name in ("phone", "first", "last", "display_name", "email", "custom", "tags", "assigned_user_id"):
        assert back[name] == record[name], name
