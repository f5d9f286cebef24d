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


HUGE = 2**70  # more than SQLite keeps


@pytest.mark.parametrize("member", ["rev", "assigned_user_id", "team_id"])
async def test_a_number_that_no_record_can_keep_blinds_nothing(
    open_session: OpenSession, era: str, member: str
) -> None:
    async with open_session(mode=era) as session:
        session.sandbox.oddities.append(Oddity(JORDAN, members={member: HUGE}))
        facts = await session.ok("search_contacts", query="Jordan Rivera")
        assert ([one["contact_id"] for one in facts["contacts"]], facts["complete"]) == ([JORDAN], True)
        assert (await session.ok("update_contact", contact_id=JORDAN, email="jo@example.org"))["status"] == "updated"


# A write beside values that cannot be read loses none of them.

SAM = 1002
HALF = "Jos\ud83d"  # half an emoji, as a broken byte: the rest of the text can be shown, and not sent back
LOSSES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "a tag to add": ({"tags": [101, "VIP"]}, {"add_tags": ["Lead"]}, "some tags"),
    "a tag to remove": ({"tags": [101, {"x": 1}]}, {"remove_tags": ["VIP"]}, "some tags"),
    "a tag to add to none": ({"tags": "VIP"}, {"add_tags": ["Lead"]}, "some tags"),
    "custom fields to replace": (
        {"custom": {"31": "Gold", "33": ["Oakland"]}},
        {"custom_fields": {"Plan": "Basic"}, "replace_custom_fields": True},
        "some custom values",
    ),
    "all custom fields to replace": (
        {"custom": "Gold"},
        {"custom_fields": {"Plan": "Basic"}, "replace_custom_fields": True},
        "some custom values",
    ),
    "a name with a broken part": ({"first": HALF}, {"email": "jo@example.org"}, "first"),
    "two of them": ({"first": HALF, "last": ["Rivera"]}, {"add_tags": ["Lead"]}, "first and last"),
    "an e-mail to clear": ({"email": ["jo@example.org"]}, {"clear": ["email"]}, "email"),
    "a field to clear": ({"custom": {"31": ["Gold"]}}, {"clear": ["Plan"]}, "Plan"),
    "an owner to take off": ({"assigned_user_id": "nobody knows"}, {"assignee": "none"}, "assignee"),
    "tags that seem to be so": ({"tags": [101, "VIP"]}, {"tags": ["VIP"]}, "tags"),
    "tags to clear that seem empty": ({"tags": "VIP"}, {"clear": ["tags"]}, "tags"),
}


@pytest.mark.parametrize(("members", "change", "told"), LOSSES.values(), ids=LOSSES)
async def test_a_change_that_would_lose_what_cannot_be_read_is_refused(
    open_session: OpenSession, members: dict[str, Any], change: dict[str, Any], told: str
) -> None:
    async with open_session() as session:
        session.sandbox.oddities.append(Oddity(JORDAN, members=members))
        facts = await session.refusal("update_contact", contact_id=JORDAN, **change)
        assert facts["kind"] == "unreadable_member"
        assert f"shows {told} of this contact in a form that cannot be read" in facts["message"]
        assert "Nothing was changed." in facts["message"]
        assert "update_contact" not in session.operations


KEPT: dict[str, tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = {
    "another field": ({"tags": [101, "VIP"]}, {"email": "jo@example.org"}, {"email": "jo@example.org"}),
    "all tags": ({"tags": [101, "VIP"]}, {"tags": ["Lead"]}, {"tags": ["Lead"]}),
    "one field beside an odd one": (
        {"custom": {"31": "Gold", "33": ["x"]}},
        {"custom_fields": {"Plan": "Basic"}},
        {"Plan": "Basic"},
    ),
    "replaced by the odd one itself": (
        {"custom": {"31": ["Gold"]}},
        {"custom_fields": {"Plan": "Basic"}, "replace_custom_fields": True},
        {"Plan": "Basic"},
    ),
    "the broken name itself": ({"first": HALF}, {"first": "José"}, {"first": "José"}),
    "a name of U+FFFD that is stored so": ({"first": "Jos\ufffd"}, {"email": "a@b.org"}, {"email": "a@b.org"}),
}


@pytest.mark.parametrize(("members", "change", "after"), KEPT.values(), ids=KEPT)
async def test_a_change_that_loses_nothing_is_made(
    open_session: OpenSession, members: dict[str, Any], change: dict[str, Any], after: dict[str, Any]
) -> None:
    async with open_session() as session:
        session.sandbox.oddities.append(Oddity(JORDAN, members=members))
        sent = await session.call("update_contact", contact_id=JORDAN, **change)
        assert "update_contact" in session.operations
        session.sandbox.oddities.clear()
        assert "Traceback" not in text_of(sent)
        stored = (await session.ok("lookup_contact", contact_id=JORDAN))["contacts"][0]
        stored |= stored.get("custom_fields", {})
        assert {name: stored.get(name) for name in after} == after


async def test_a_broken_name_is_shown_as_far_as_it_can_be(open_session: OpenSession) -> None:
    async with open_session() as session:
        session.sandbox.oddities.append(Oddity(JORDAN, members={"first": HALF}))
        assert (await session.ok("lookup_contact", contact_id=JORDAN))["contacts"][0]["first"] == "Jos\ufffd"


# Absence is not said of a list with rows that could not be read.

ROWS: dict[str, tuple[Oddity, dict[str, Any]]] = {
    "a field without an id": (Oddity(31, row="field", without=("id",)), {"custom_fields": {"Plan": "Gold"}}),
    "a field with a list for a name": (
        Oddity(31, row="field", members={"title": ["Plan"], "name": None}),
        {"custom_fields": {"Plan": "Gold"}},
    ),
    "a tag without an id": (Oddity(101, row="tag", without=("id",)), {"tag": "VIP"}),
    "a tag with an object for a name": (Oddity(101, row="tag", members={"tag": {"a": 1}}), {"tag": "VIP"}),
    "a member without an id": (Oddity(501, row="member", without=("id",)), {"assignee": "Alex Kim"}),
    "a member with a list for a name": (
        Oddity(501, row="member", members={"name": ["Alex"]}),
        {"assignee": "Alex Kim"},
    ),
    "any tag": (Oddity(101, row="tag", without=("id",)), {"tag": "any"}),
}


@pytest.mark.parametrize(("odd", "sought"), ROWS.values(), ids=ROWS)
async def test_a_name_is_not_denied_from_a_list_with_unread_rows(
    open_session: OpenSession, odd: Oddity, sought: dict[str, Any]
) -> None:
    async with open_session() as session:
        session.sandbox.oddities.append(odd)
        message = (await session.refusal("list_contacts", **sought))["message"]
        assert "there is no" not in message
        assert "1 row of Heymarket's list of" in message
        assert "could not be read" in message


async def test_the_list_of_fields_says_that_a_row_could_not_be_read(open_session: OpenSession) -> None:
    async with open_session() as session:
        session.sandbox.oddities.append(Oddity(31, row="field", without=("id",)))
        for query in ({}, {"query": "Plan"}):
            facts = await session.ok("list_contact_fields", **query)
            assert facts["note_kinds"][:2] in (["some_fields", "rows_unreadable"], ["no_fields", "rows_unreadable"])
            assert "that is all" not in facts["notes"][0]


FILTERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a tag": ({"tags": "VIP"}, {"tag": "VIP"}),
    "a custom value": ({"custom": {"31": ["Gold"]}}, {"custom_fields": {"Plan": "Gold"}}),
    "any custom value": ({"custom": "Gold"}, {"custom_fields": {"Plan": "Gold"}}),
    "an owner": ({"assigned_user_id": ["Alex"]}, {"assignee": "Alex Kim"}),
    "a name": ({"first": ["Jordan"], "display_name": ["Jordan"], "email": ""}, {"name": "Jordan"}),
}


@pytest.mark.parametrize(("members", "sought"), FILTERS.values(), ids=FILTERS)
async def test_whom_a_filter_cannot_judge_is_counted(
    open_session: OpenSession, members: dict[str, Any], sought: dict[str, Any]
) -> None:
    async with open_session() as session:
        before = await session.ok("list_contacts", limit=100, **sought)
        assert "filter_unreadable" not in before.get("note_kinds", [])
        session.sandbox.oddities.append(Oddity(JORDAN, members=members))
        facts = await session.ok("list_contacts", limit=100, **sought)
        assert JORDAN not in [one["contact_id"] for one in facts["contacts"]]
        assert "1 contact is left out here" in " ".join(facts["notes"])


@pytest.mark.parametrize("if_exists", ["report", "fill"])
async def test_a_value_that_cannot_be_read_is_not_told_as_empty(open_session: OpenSession, if_exists: str) -> None:
    async with open_session() as session:
        session.sandbox.oddities.append(Oddity(JORDAN, members={"email": ["jo@example.org"]}))
        facts = await session.ok(
            "create_contact", phone="+15105550100", email="a@example.org", last="Lee", if_exists=if_exists
        )
        told = " ".join(facts["notes"])
        assert "shows email of this contact in a form that cannot be read. It was left as it is." in told
        assert 'last is "Rivera", given was "Lee"' in told
        assert "email is empty" not in told
        assert "update_contact" not in session.operations


async def test_a_custom_value_of_no_field_that_can_be_blinds_nothing(open_session: OpenSession) -> None:
    async with open_session() as session:
        session.sandbox.oddities.append(Oddity(JORDAN, members={"custom": {"31": "Gold", "-1": "x", "0": "y"}}))
        found = await session.ok("search_contacts", query="Jordan Rivera", custom_fields={"Plan": "Gold"})
        assert [one["contact_id"] for one in found["contacts"]] == [JORDAN]
        for tool, given in (("find_duplicates", {}), ("describe_account", {}), ("export_contacts", {"by": "Plan"})):
            assert (await session.ok(tool, **given))["complete"] is True, tool


@pytest.mark.parametrize(
    ("members", "lost"),
    [
        ({"tags": [101, {"tag": "Gone"}, [102]]}, "tags \"{'tag': 'Gone'}\", \"[102]\" of 1001"),
        ({"custom": {"31": ["Gold"]}}, "Plan Gold of 1001"),
    ],
    ids=["tags", "field"],
)
async def test_a_merge_names_what_cannot_be_read_as_lost(
    open_session: OpenSession, members: dict[str, Any], lost: str
) -> None:
    async with open_session() as session:
        session.sandbox.oddities.append(Oddity(JORDAN, members=members))
        plan = await session.ok("merge_contacts", keep=SAM, others=[JORDAN])
        assert lost in plan["question"]
        assert "unreadable" in {loss["reason"] for loss in plan["losses"]}


@pytest.mark.parametrize(
    ("tool", "change"),
    [("lookup_contact", {}), ("update_contact", {"email": "jo@example.org"}), ("delete_contact", {})],
    ids=["look-up", "update", "delete"],
)
async def test_a_contact_that_is_shown_under_another_id_changes_no_stranger(
    open_session: OpenSession, tool: str, change: dict[str, Any]
) -> None:
    async with open_session() as session:
        before = session.sandbox.store.contact(SAM)
        session.sandbox.oddities.append(Oddity(JORDAN, members={"id": SAM, "phone": "15105550101"}))
        facts = await session.refusal(tool, contact_id=JORDAN, **change)
        assert facts["kind"] == "bad_answer"
        assert f"contact {SAM}, and contact {JORDAN} was asked for" in facts["message"]
        assert session.sandbox.store.contact(SAM) == before
