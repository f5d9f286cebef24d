"""How many requests a call costs (issue 2, "What it must reach").
Each one is a wait for the person and a part of the account's minute.
"""

from __future__ import annotations

from typing import Any

import pytest
from support import Session

PHONE = "(510) 555-3344"
JORDAN = 1001
JORDANS_PHONE = "+15105550100"
NAMED = {"custom_fields": {"Plan": "Gold"}, "tags": ["VIP"], "assignee": "Priya Patel"}


async def learn_names(session: Session) -> None:
    """Have the lists fetched, as the first call does that needs them: fields, tags, team members."""
    await session.ok("create_contact", phone="(510) 555-3399", **NAMED)


async def test_listing_tools_and_connecting_make_none(session: Session) -> None:
    await session.client.list_tools()
    assert session.operations == []


@pytest.mark.parametrize(
    ("who", "operations"),
    [
        ({"contact_id": JORDAN}, ["get_contact"]),
        ({"phone": JORDANS_PHONE}, ["find_contact"]),
        ({"email": "jordan.rivera@example.com"}, ["search_contacts"]),
        ({"contact_id": 999_999}, ["get_contact"]),
    ],
    ids=["id", "phone", "email", "nobody"],
)
async def test_a_lookup_makes_one(session: Session, who: Any, operations: list[str]) -> None:
    await learn_names(session)
    await session.ok("lookup_contact", **who)
    assert session.operations == operations


async def test_the_first_lookup_asks_for_the_names_it_shows_and_for_no_others(session: Session) -> None:
    await session.ok("lookup_contact", contact_id=JORDAN)  # has a field and a tag, and nobody is assigned
    assert sorted(session.operations) == ["get_contact", "list_fields", "list_tags"]


async def test_a_create_looks_writes_and_reads_back(session: Session) -> None:
    await session.ok("create_contact", phone=PHONE, first="Jo", last="Rivers", email="jo@example.com")
    assert session.operations == ["find_contact", "create_contact", "search_contacts"]


async def test_each_list_of_names_is_fetched_once_when_it_is_first_needed(session: Session) -> None:
    await session.ok("create_contact", phone=PHONE, custom_fields={"Plan": "Gold"})
    assert sorted(session.operations) == ["create_contact", "find_contact", "list_fields", "search_contacts"]
    await session.ok("update_contact", phone=PHONE, tags=["VIP"], custom_fields={"Plan": "Basic"})
    assert "list_fields" not in session.operations
    assert session.operations.count("list_tags") == 1
    await session.ok("update_contact", phone=PHONE, assignee="Alex Kim", tags=["Lead"])
    assert session.operations.count("get_team") == 1
    await session.ok("update_contact", phone=PHONE, **NAMED)
    assert not {"list_fields", "list_tags", "get_team"} & {*session.operations}


async def test_a_create_of_a_known_phone_makes_one(session: Session) -> None:
    await learn_names(session)
    await session.ok("create_contact", phone=JORDANS_PHONE, first="Jo")
    assert session.operations == ["find_contact"]


@pytest.mark.parametrize("who", [{"contact_id": JORDAN}, {"phone": JORDANS_PHONE}], ids=["id", "phone"])
async def test_an_update_reads_writes_and_reads_back(session: Session, who: Any) -> None:
    """Also on the very first call, and by phone as well as by id."""
    await learn_names(session)
    await session.ok(
        "update_contact", **who, first="Jo", custom_fields={"Plan": "Basic"}, add_tags=["Lead"], assignee="none"
    )
    assert session.operations == ["find_contact" if "phone" in who else "get_contact", "update_contact", "get_contact"]


async def test_an_update_of_what_is_so_already_makes_one(session: Session) -> None:
    await learn_names(session)
    await session.ok("update_contact", contact_id=JORDAN, first="Jordan", custom_fields={"plan": "Gold"})
    assert session.operations == ["get_contact"]


async def test_a_new_phone_costs_one_look_more(session: Session) -> None:
    await learn_names(session)
    await session.ok("update_contact", contact_id=JORDAN, new_phone=PHONE)
    assert session.operations == ["get_contact", "find_contact", "update_contact", "search_contacts"]


@pytest.mark.parametrize("who", [{"contact_id": JORDAN}, {"phone": JORDANS_PHONE}], ids=["id", "phone"])
async def test_a_delete_makes_one_to_show_and_three_to_do(session: Session, who: Any) -> None:
    await learn_names(session)
    read = "find_contact" if "phone" in who else "get_contact"
    asked = await session.ok("delete_contact", **who)
    assert session.operations == [read]
    await session.ok("delete_contact", **who, confirm_token=asked["confirm_token"])
    assert session.operations == [read, "delete_contact", "get_contact"]


async def test_a_page_of_the_list_makes_one_and_the_first_of_everybody_one_for_the_count(session: Session) -> None:
    await learn_names(session)
    first = await session.ok("list_contacts", limit=5)
    assert session.operations == ["list_contacts", "count_contacts"]
    await session.ok("list_contacts", limit=5, cursor=first["next_cursor"])
    assert session.operations == ["list_contacts"]


async def test_listing_the_fields_makes_one_and_later_none(session: Session) -> None:
    await session.ok("list_contact_fields")
    assert session.operations == ["list_fields"]
    await session.ok("list_contact_fields", query="plan")
    assert session.operations == []


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("create_contact", {"phone": "12"}),
        ("create_contact", {"phone": PHONE, "email": "jo"}),
        ("update_contact", {"contact_id": JORDAN}),
        ("update_contact", {"contact_id": JORDAN, "tags": ["VIP"], "add_tags": ["Lead"]}),
        ("list_contacts", {"cursor": "x"}),
    ],
    ids=str,
)
async def test_what_is_refused_at_once_makes_none(session: Session, tool: str, arguments: Any) -> None:
    await session.refused(tool, **arguments)
    assert session.operations == []
