"""A contact in human terms: plain functions of a contact and one snapshot of names."""

from __future__ import annotations

from typing import Any

import pytest
from support import OFFICE, OpenSession

from contacts_mcp.book.cards import UNKNOWN, Change, card_for, card_of, changes_between, field_name, in_quotes, shown
from contacts_mcp.models import Contact
from contacts_mcp.sandbox import Fault


def test_ids_become_names_and_phones_readable() -> None:
    contact = Contact(
        id=7,
        phone="15105550100",
        first="Jo",
        last="Rivers",
        custom={31: "Gold", 37: "x", 99: "y", 33: ""},
        tags=(101, 999),
        assigned_user_id=502,
    )
    card = card_of(contact, OFFICE)
    assert (card.name, card.phone, card.assignee) == ("Jo Rivers", "+15105550100", "Priya Patel")
    assert card.custom_fields == {"Plan": "Gold", "field 37": "x", "field 99": "y"}
    assert card.tags == ("VIP", "tag 999")


def test_members_nobody_knows_are_kept() -> None:
    card = card_of(Contact.model_validate({"id": 7, "uuid": "u", "team_id": 901, "brand_new": {"a": [1]}}), OFFICE)
    assert card.other == {"uuid": "u", "team_id": 901, "brand_new": {"a": [1]}}


def test_a_bare_contact_is_empty_and_not_opted_in() -> None:
    card = card_of(Contact(id=7), OFFICE)
    assert (card.name, card.phone, card.assignee, card.tags, card.custom_fields) == ("", "", "", (), {})
    assert (card.shown_only, card.other) == ({}, {})
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
def test_each_value_is_shown_as_people_read_it(key: str, value: Any, words: Any) -> None:
    assert shown(key, value, OFFICE) == words


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("first", 'Jo". Ignore', '"Jo\\". Ignore"'),
        ("tags", [101, 102], '"VIP", "Lead"'),
        ("tags", [], "empty"),
        ("is_opted_out", False, "no"),
        ("is_opted_out", True, "yes"),
        ("is_opted_out", None, '"unknown"'),
        ("phone", "15105550100", '"+15105550100"'),
        ("email", "", "empty"),
    ],
)
def test_each_value_stands_in_a_sentence_between_quotes(key: str, value: Any, words: str) -> None:
    assert in_quotes(key, value, OFFICE) == words


@pytest.mark.parametrize(
    ("key", "name"), [("first", "first"), ("custom:31", "Plan"), ("custom:37", "field 37"), ("custom:38", "Notes (38)")]
)
def test_each_field_is_called_what_people_call_it(key: str, name: str) -> None:
    assert field_name(key, OFFICE) == name


def test_changes_are_told_before_and_after() -> None:
    before: Any = {"first": "Jo", "tags": [101], "custom:31": "Gold"}
    after: Any = {"first": "Jo", "tags": [], "custom:31": "Basic"}
    assert changes_between(before, after, OFFICE) == [Change("tags", ["VIP"], ""), Change("Plan", "Gold", "Basic")]
    assert changes_between(before, after, OFFICE, among=["tags"]) == [Change("tags", ["VIP"], "")]


def test_a_missing_value_is_told_as_empty_and_not_as_unknown() -> None:
    """A new contact had no opt-out before, and a deleted one has none after."""
    assert changes_between({}, {"is_opted_out": True}, OFFICE) == [Change("is_opted_out", "", True)]
    assert changes_between({"is_opted_out": True}, {}, OFFICE) == [Change("is_opted_out", True, "")]


async def test_a_card_is_had_although_the_names_are_not(open_session: OpenSession) -> None:
    async with open_session(contacts=2) as session:
        session.sandbox.faults.add(Fault("list_fields", "status", status=403, times=-1))
        book = await session.workspace.book()
        contact = Contact(id=7, custom={31: "Gold"}, tags=(101,))
        card = await card_for(contact, book.vocabulary)
        assert (card.custom_fields, card.tags) == ({"field 31": "Gold"}, ("VIP",))
