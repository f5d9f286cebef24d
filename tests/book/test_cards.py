"""A contact in human terms."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from support import OpenSession

from contacts_mcp.book.cards import UNKNOWN, Change, card_of, changes_between, field_name, shown
from contacts_mcp.book.vocabulary import Directory
from contacts_mcp.models import Contact


@pytest.fixture
async def directory(open_session: OpenSession) -> AsyncIterator[Directory]:
    async with open_session(contacts=2) as session:
        yield (await session.workspace.book()).directory


async def test_ids_become_names_and_phones_readable(directory: Directory) -> None:
    contact = Contact(
        id=7,
        phone="15105550100",
        first="Jo",
        last="Rivers",
        custom={31: "Gold", 37: "x", 99: "y", 33: ""},
        tags=(101, 999),
        assigned_user_id=502,
    )
    card = await card_of(contact, directory)
    assert (card.name, card.phone, card.assignee) == ("Jo Rivers", "+15105550100", "Priya Patel")
    assert card.custom_fields == {"Plan": "Gold", "field 37": "x", "field 99": "y"}
    assert card.tags == ("VIP", "tag 999")


async def test_members_nobody_knows_are_kept(directory: Directory) -> None:
    card = await card_of(
        Contact.model_validate({"id": 7, "uuid": "u", "team_id": 901, "brand_new": {"a": [1]}}), directory
    )
    assert card.other == {"uuid": "u", "team_id": 901, "brand_new": {"a": [1]}}


async def test_a_bare_contact_is_empty_and_not_opted_in(directory: Directory) -> None:
    card = await card_of(Contact(id=7), directory)
    assert (card.name, card.phone, card.assignee, card.tags, card.custom_fields) == ("", "", "", (), {})
    assert card.is_opted_out is None


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("phone", "15105550100", "+15105550100"),
        ("phone", "", ""),
        ("first", "Jo", "Jo"),
        ("tags", [101, 102], ["VIP", "Lead"]),
        ("tags", [], ""),
        ("assignee", 501, "Alex Kim"),
        ("assignee", None, ""),
        ("is_opted_out", None, UNKNOWN),
        ("is_opted_out", False, False),
        ("custom:31", "Gold", "Gold"),
        ("custom:31", "", ""),
    ],
)
async def test_each_value_is_shown_as_people_read_it(directory: Directory, key: str, value: Any, words: Any) -> None:
    assert await shown(key, value, directory) == words


@pytest.mark.parametrize(
    ("key", "name"), [("first", "first"), ("custom:31", "Plan"), ("custom:37", "field 37"), ("custom:38", "Notes (38)")]
)
async def test_each_field_is_called_what_people_call_it(directory: Directory, key: str, name: str) -> None:
    assert await field_name(key, directory) == name


async def test_changes_are_told_before_and_after(directory: Directory) -> None:
    before = {"first": "Jo", "tags": [101], "custom:31": "Gold"}
    after = {"first": "Jo", "tags": [], "custom:31": "Basic"}
    assert await changes_between(before, after, directory) == [
        Change("tags", ["VIP"], ""),
        Change("Plan", "Gold", "Basic"),
    ]
    assert await changes_between(before, after, directory, among=["tags"]) == [Change("tags", ["VIP"], "")]
