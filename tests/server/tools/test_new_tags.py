"""`create_missing_tags`: a tag is made only where the caller says so, and nothing is left behind a refusal."""

from __future__ import annotations

from typing import Any

import pytest
from support import OpenSession, Session

from contacts_mcp.sandbox import Fault

JORDAN, SAM = 1001, 1002
PHONE = "+15105553344"
NEW = "Ambassador"

CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "a new contact": ("create_contact", {"phone": PHONE, "tags": ["VIP", NEW]}),
    "tags to add": ("update_contact", {"contact_id": JORDAN, "add_tags": [NEW]}),
    "tags to set": ("update_contact", {"contact_id": JORDAN, "tags": ["VIP", NEW]}),
    "a contact to fill": (
        "create_contact",
        {"phone": "+15105550100", "tags": [NEW], "if_exists": "fill"},
    ),
}


def tags(session: Session) -> list[str]:
    return [tag["tag"] for tag in session.sandbox.store.tags()]


@pytest.mark.parametrize(("tool", "arguments"), CALLS.values(), ids=CALLS)
async def test_a_missing_tag_is_made_and_set_in_one_call(
    session: Session, tool: str, arguments: dict[str, Any]
) -> None:
    facts = await session.ok(tool, **arguments, create_missing_tags=True)
    assert {*facts["contact"]["tags"]} == {"VIP", NEW}
    assert "tag_made" in facts["note_kinds"]
    assert tags(session).count(NEW) == 1


@pytest.mark.parametrize(("tool", "arguments"), CALLS.values(), ids=CALLS)
async def test_no_tag_is_made_unasked(session: Session, tool: str, arguments: dict[str, Any]) -> None:
    for flag in ({}, {"create_missing_tags": False}):
        refusal = await session.refusal(tool, **arguments, **flag)
        assert refusal["kind"] == "unknown_name"
    assert NEW not in tags(session)


@pytest.mark.parametrize("written", ["vip", " VIP ", "101"], ids=repr)
async def test_a_tag_that_is_there_is_taken(session: Session, written: str) -> None:
    facts = await session.ok("update_contact", contact_id=SAM, add_tags=[written], create_missing_tags=True)
    assert facts["contact"]["tags"] == ["VIP"]
    assert "create_tag" not in session.operations


async def test_two_spellings_of_a_new_tag_are_one(session: Session) -> None:
    await session.ok("update_contact", contact_id=SAM, add_tags=[NEW, NEW.upper()], create_missing_tags=True)
    assert [name for name in tags(session) if name.casefold() == NEW.casefold()] == [NEW]


async def test_a_near_tag_is_named(session: Session) -> None:
    facts = await session.ok("update_contact", contact_id=SAM, add_tags=["Newsleter"], create_missing_tags=True)
    assert 'Like it are "Newsletter"' in " ".join(facts["notes"])


# Refused, and nothing is made.

REFUSED: dict[str, tuple[str, dict[str, Any]]] = {
    "an unknown field": ("update_contact", {"contact_id": JORDAN, "custom_fields": {"Plam": "x"}}),
    "nobody's id": ("update_contact", {"contact_id": 999_999}),
    "another name": ("update_contact", {"contact_id": JORDAN, "name": "Sam"}),
    "too many tags": ("update_contact", {"contact_id": JORDAN, "add_tags": ["A1x", "B2x", "C3x", "D4x", NEW]}),
    "an opt-in": ("update_contact", {"contact_id": SAM, "is_opted_out": False, "consent": "By phone on Monday"}),
    "a new phone": ("update_contact", {"contact_id": SAM, "new_phone": PHONE}),
    "a wrong phone": ("create_contact", {"phone": "12", "tags": [NEW]}),
    "no tag at all": ("update_contact", {"contact_id": JORDAN, "add_tags": ["none"]}),
    "a number": ("update_contact", {"contact_id": JORDAN, "add_tags": ["999"]}),
}


@pytest.mark.parametrize(("tool", "arguments"), REFUSED.values(), ids=REFUSED)
async def test_a_call_that_is_refused_leaves_no_tag(session: Session, tool: str, arguments: dict[str, Any]) -> None:
    before = tags(session), session.sandbox.store.contacts()
    who = {} if tool == "create_contact" else {"add_tags": [NEW]}
    await session.refusal(tool, **who | arguments, create_missing_tags=True)
    assert (tags(session), session.sandbox.store.contacts()) == before


async def test_a_contact_that_exists_is_reported_and_no_tag_is_made(session: Session) -> None:
    facts = await session.ok("create_contact", phone="+15105550100", tags=[NEW], create_missing_tags=True)
    assert (facts["status"], NEW in tags(session)) == ("exists", False)


# Faults.


@pytest.mark.parametrize("kind", ["drop_after", "status_after"])
async def test_a_lost_answer_is_looked_for(open_session: OpenSession, era: str, kind: Any) -> None:
    async with open_session(mode=era) as session:
        session.sandbox.faults.add(Fault("create_tag", kind))
        facts = await session.ok("update_contact", contact_id=SAM, add_tags=[NEW], create_missing_tags=True)
        assert (facts["contact"]["tags"], tags(session).count(NEW)) == ([NEW], 1)


async def test_a_tag_that_was_not_made_stops_the_change(open_session: OpenSession, era: str) -> None:
    async with open_session(mode=era) as session:
        session.sandbox.faults.add(Fault("create_tag", "drop_before"))
        refusal = await session.refusal("update_contact", contact_id=SAM, add_tags=[NEW], create_missing_tags=True)
        assert (refusal["kind"], session.sandbox.store.contact(SAM)["tags"]) == ("tag_not_made", [])


async def test_an_error_after_it_tells_of_the_tag(open_session: OpenSession, era: str) -> None:
    async with open_session(mode=era) as session:
        session.sandbox.faults.add(Fault("update_contact", "status", status=403))
        message = await session.refused("update_contact", contact_id=SAM, add_tags=[NEW], create_missing_tags=True)
        assert f'The tag "{NEW}" was made' in message


async def test_a_new_tag_is_offered_only_where_it_would_be_set(session: Session) -> None:
    way = "create_missing_tags"
    for tool, arguments in (
        ("update_contact", {"contact_id": JORDAN, "remove_tags": ["Leed"]}),
        ("search_contacts", {"tag": ["Leed"]}),
    ):
        assert way not in (await session.refusal(tool, **arguments))["message"], tool
    assert way in (await session.refusal("update_contact", contact_id=JORDAN, add_tags=["Leed"]))["message"]
