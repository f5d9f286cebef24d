"""`describe_account`, the kinds in `list_contact_fields`, and remarks on values, in both protocol eras."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from support import OpenSession, Session, text_of

JORDAN = 1001
PHONE = "+15105553344"

Facts = dict[str, Any]


def named(rows: list[Facts], name: str) -> Facts:
    (one,) = (row for row in rows if row["name"] == name)
    return one


async def test_fields_tags_and_team_come_with_their_counts(session: Session) -> None:
    people = session.sandbox.store.contacts()
    facts = await session.ok("describe_account")
    plans = Counter(one["custom"]["31"] for one in people if "31" in one["custom"])
    plan = named(facts["fields"], "Plan")
    assert (plan["kind"], plan["contacts"]) == ("choice", sum(plans.values()))
    assert {each["value"]: each["contacts"] for each in plan["values"]} == plans
    assert named(facts["tags"], "VIP")["contacts"] == sum(101 in one["tags"] for one in people)
    assert named(facts["members"], "Priya Patel")["contacts"] == sum(one["assigned_user_id"] == 502 for one in people)


KINDS = {"Plan": "choice", "Renewal Date": "date", "Customer #": "text"}


@pytest.mark.parametrize(("field", "kind"), KINDS.items(), ids=KINDS)
async def test_the_kind_of_a_field_is_told_by_what_is_there(session: Session, field: str, kind: str) -> None:
    assert named((await session.ok("describe_account"))["fields"], field)["kind"] == kind


async def test_the_totals_are_those_of_the_account(session: Session) -> None:
    session.sandbox.store.add_contact(phone="15105557001")
    session.sandbox.store.add_contact(
        phone="15105557002", first="Jordan", last="Rivera", email="jordan.rivera@example.com"
    )
    people = session.sandbox.store.contacts()
    counts = (await session.ok("describe_account"))["counts"]
    assert counts == {
        "contacts": len(people),
        "without_name": 1,
        "opted_out": sum(one["is_opted_out"] is True for one in people),
        "opt_out_unknown": 0,
        "without_tags": sum(not one["tags"] for one in people),
        "without_assignee": sum(not one["assigned_user_id"] for one in people),
        "with_email": sum(bool(one["email"]) for one in people),
        "sets_of_doubles": 1,
    }


async def test_a_field_of_nearly_the_same_name_is_named(session: Session) -> None:
    session.sandbox.store.add_field("Plan tier")
    fields = (await session.ok("describe_account"))["fields"]
    assert named(fields, "Plan")["twins"] == ["Plan tier"]
    assert named(fields, "Plan tier")["kind"] == "empty"


async def test_the_resources_have_the_counts_once_the_mirror_is_in_use(session: Session) -> None:
    async def read(uri: str) -> Any:
        return json.loads((await session.client.read_resource(uri)).contents[0].text)

    assert (await read("contacts://status"))["local_index"] == "not in use"
    assert "contacts" not in named(await read("contacts://tags"), "VIP")
    account = await session.ok("describe_account")
    for uri, rows in (("contacts://tags", account["tags"]), ("contacts://team", account["members"])):
        assert {one["name"]: one["contacts"] for one in await read(uri)} == {
            one["name"]: one["contacts"] for one in rows
        }
    index = (await read("contacts://status"))["local_index"]
    assert (index["contacts"], index["complete"]) == (30, True)


async def test_without_an_index_there_are_names_and_no_counts(open_session: OpenSession, era: str) -> None:
    async with open_session(mode=era, index="off") as session:
        facts = await session.ok("describe_account")
        assert (facts["complete"], facts["counts"]) == (False, {})
        assert "contacts" not in named(facts["fields"], "Plan")
        assert "index_off" in facts["note_kinds"]


async def test_the_fields_come_with_kind_and_count_once_the_mirror_knows_them(session: Session) -> None:
    before = await session.ok("list_contact_fields")
    assert not any("kind" in field for field in before["fields"])
    account = await session.ok("describe_account")
    result = await session.call("list_contact_fields")
    facts = result.structured_content
    assert session.operations == []
    assert "counted" in facts["note_kinds"]
    for field in facts["fields"]:
        described = named(account["fields"], field["name"])
        assert (field["kind"], field["contacts"]) == (described["kind"], described["contacts"])
    assert f"31: Plan (choice; {named(facts['fields'], 'Plan')['contacts']} contacts)" in text_of(result)
    (resource,) = (await session.client.read_resource("contacts://fields")).contents
    assert named(json.loads(resource.text), "Plan") == {
        "id": 31,
        "name": "Plan",
        "kind": "choice",
        "contacts": named(facts["fields"], "Plan")["contacts"],
    }


# Remarks on a change, by what the mirror holds.

REMARKS: dict[str, tuple[dict[str, str], list[str], str]] = {
    "another spelling": ({"Plan": "gold"}, ["unusual_value"], 'Others have Plan "Gold", not "gold".'),
    "a new value of a choice": (
        {"Plan": "Platinum"},
        ["unusual_value"],
        'The local index knows no other contact with Plan "Platinum".',
    ),
    "a value in use": ({"Plan": "Gold"}, [], ""),
    "a free text": ({"Notes": "Prefers mornings"}, [], ""),
}


@pytest.mark.parametrize("tool", ["create_contact", "update_contact"])
@pytest.mark.parametrize(("values", "expected", "said"), REMARKS.values(), ids=REMARKS)
async def test_a_value_that_looks_wrong_for_its_field_is_remarked(
    session: Session, tool: str, values: dict[str, str], expected: list[str], said: str
) -> None:
    await session.ok("search_contacts")
    who = {"phone": PHONE} if tool == "create_contact" else {"contact_id": 1002}
    facts = await session.ok(tool, **who, custom_fields=values)
    assert [kind for kind in facts.get("note_kinds", []) if kind == "unusual_value"] == expected
    assert said in " ".join(facts["notes"])


async def test_another_spelling_is_remarked_only_where_several_others_have_it(session: Session) -> None:
    for phone, region in (("15105557001", "Lyon"), ("15105557002", "Lyon"), ("15105557003", "PARIS")):
        session.sandbox.store.add_contact(phone=phone, custom={"40": region})
    await session.ok("search_contacts")
    told = await session.ok("update_contact", contact_id=JORDAN, custom_fields={"40": "lyon"})
    assert 'not "lyon"' in " ".join(told["notes"])
    quiet = await session.ok("update_contact", contact_id=JORDAN, custom_fields={"40": "Paris"})
    assert "unusual_value" not in quiet.get("note_kinds", [])


@pytest.mark.parametrize(("value", "said"), [("3 May 2026", "written otherwise"), ("soon", "is none")])
async def test_a_value_that_is_no_date_as_the_others_is_remarked(session: Session, value: str, said: str) -> None:
    start = session.sandbox.store.add_field("Start")
    for number in range(4):
        session.sandbox.store.add_contact(phone=f"1510555700{number}", custom={str(start): f"2026-05-0{number + 1}"})
    await session.ok("search_contacts")
    facts = await session.ok("update_contact", contact_id=JORDAN, custom_fields={"Start": value})
    assert f'"{value}"' in " ".join(facts["notes"])
    assert said in " ".join(facts["notes"])


async def test_a_twin_of_a_field_is_remarked(session: Session) -> None:
    session.sandbox.store.add_field("plan tier")
    await session.ok("search_contacts")
    facts = await session.ok("update_contact", contact_id=JORDAN, custom_fields={"Plan": "Silver"})
    assert "field_twin" in facts["note_kinds"]


@pytest.mark.parametrize(
    "person",
    [
        {"first": "Jordan", "last": "Rivera"},
        {"first": "Rivera", "last": "Jordan"},
        {"display_name": "Jordan Rivera"},
        {"first": "Jordan", "last": "R", "email": "Jordan.Rivera@example.com"},
    ],
    ids=str,
)
async def test_a_probable_double_is_told_before_anybody_forgets(session: Session, person: dict[str, str]) -> None:
    await session.ok("search_contacts")
    result = await session.call("create_contact", phone=PHONE, **person)
    assert result.structured_content["status"] == "created"
    assert "probable_double" in result.structured_content["note_kinds"]
    assert '"Jordan Rivera" +15105550100 (contact_id 1001)' in text_of(result)


async def test_a_stranger_is_no_double(session: Session) -> None:
    await session.ok("search_contacts")
    facts = await session.ok("create_contact", phone=PHONE, first="Zelda", last="Quartz")
    assert "probable_double" not in facts.get("note_kinds", [])


async def test_remarks_cost_no_request(session: Session) -> None:
    await session.ok("search_contacts", limit=100)
    person = {"first": "Jordan", "last": "Rivera", "custom_fields": {"Plan": "Gold"}}
    await session.ok("create_contact", phone=PHONE, **person)
    with_mirror = list(session.operations)
    assert "list_contacts" not in with_mirror
    assert with_mirror.count("search_contacts") <= 1
