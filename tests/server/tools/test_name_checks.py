"""A name beside a phone or id is a check: a mistyped number changes no stranger."""

from __future__ import annotations

from typing import Any

import pytest
from support import OpenSession, Session

JORDAN, SAM = 1001, 1002  # Jordan Rivera and Sam O'Neil of the seeded book
WHO: list[dict[str, Any]] = [{"contact_id": JORDAN}, {"phone": "(510) 555-0100"}]
TOOLS: dict[str, dict[str, Any]] = {"update_contact": {"custom_fields": {"Plan": "Basic"}}, "delete_contact": {}}


@pytest.mark.parametrize("name", ["Sam", "Jordan Smith", "Samantha O'Neil"])
@pytest.mark.parametrize("who", WHO, ids=["id", "phone"])
@pytest.mark.parametrize("tool", TOOLS)
async def test_another_name_changes_nothing_and_says_who_it_is(
    session: Session, tool: str, who: dict[str, Any], name: str
) -> None:
    before = session.sandbox.store.contacts()
    refusal = await session.refusal(tool, **who, **TOOLS[tool], name=name)
    assert refusal["kind"] == "name_mismatch"
    assert '"Jordan Rivera" (contact_id 1001)' in refusal["message"]
    assert "confirm_token" not in refusal
    assert session.sandbox.store.contacts() == before


@pytest.mark.parametrize("name", ["Jordan", "rivera, JORDAN", "J. Rivera", "Jördan Rivera", "Jordy Rivera"])
@pytest.mark.parametrize("who", WHO, ids=["id", "phone"])
async def test_the_same_name_in_other_words_passes(session: Session, who: dict[str, Any], name: str) -> None:
    facts = await session.ok("update_contact", **who, name=name, custom_fields={"Plan": "Basic"})
    assert facts["status"] == "updated"
    assert session.sandbox.store.contact(JORDAN)["first"] == "Jordan"
    facts = await session.ok("delete_contact", **who, name=name)
    assert facts["status"] == "needs_confirmation"


async def test_a_confirmation_does_not_excuse_another_name(session: Session) -> None:
    token = (await session.ok("delete_contact", contact_id=JORDAN, name="Jordan"))["confirm_token"]
    refusal = await session.refusal("delete_contact", contact_id=JORDAN, name="Sam", confirm_token=token)
    assert refusal["kind"] == "name_mismatch"
    facts = await session.ok("delete_contact", contact_id=JORDAN, name="Jordan", confirm_token=token)
    assert facts["status"] == "deleted"


async def test_a_nameless_contact_is_nobody_that_was_named(open_session: OpenSession) -> None:
    async with open_session() as session:
        session.sandbox.store.touch(SAM, first="", last="", display_name="")
        refusal = await session.refusal("update_contact", contact_id=SAM, name="Sam", email="sam@example.com")
        assert refusal["kind"] == "name_mismatch"
        assert "without a name" in refusal["message"]
