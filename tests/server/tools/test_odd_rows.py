"""Odd members and rows that the service sends: each costs nothing but itself, and every answer names it."""

from __future__ import annotations

from typing import Any

import pytest
from support import OpenSession, text_of

from contacts_mcp.sandbox import Behaviour, Oddity

JORDAN = 1001


async def test_a_field_that_heymarket_only_shows_is_shown(open_session: OpenSession) -> None:
    async with open_session() as session:
        session.sandbox.oddities.append(Oddity(JORDAN, members={"email_suppressions": [3, 4]}))
        result = await session.call("lookup_contact", contact_id=JORDAN)
        assert result.structured_content["contacts"][0]["email_suppressions"] == [3, 4]
        assert "email_suppressions" in text_of(result)


async def test_too_many_fields_are_counted_and_the_first_are_shown(open_session: OpenSession) -> None:
    async with open_session() as session:
        for number in range(450):
            session.sandbox.store.add_field(f"Extra {number}")
        facts = await session.ok("list_contact_fields")
        assert len(facts["fields"]) == 400
        assert facts["total"] == 460
        assert facts["note_kinds"][0] == "more_not_shown"
        facts = await session.ok("list_contact_fields", query="Extra 449")
        assert [field["name"] for field in facts["fields"]] == ["Extra 449"]


@pytest.mark.parametrize("contacts", [5, 40])
async def test_a_row_that_cannot_be_read_leaves_the_list_incomplete_and_is_told(
    contacts: int, open_session: OpenSession
) -> None:
    async with open_session(contacts=contacts, behaviour=Behaviour(requests_per_minute=0)) as session:
        given: list[Any] = []
        session.sandbox.oddities.append(Oddity(JORDAN, members={"id": None}))
        cursor: dict[str, str] = {}
        while True:
            page = await session.ok("list_contacts", limit=30, **cursor)
            given += page["contacts"]
            if not page["next_cursor"]:
                break
            cursor = {"cursor": page["next_cursor"]}
        assert len(given) == contacts - 1
        assert page["complete"] is False
        assert "rows_unreadable" in page["note_kinds"]
