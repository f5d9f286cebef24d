"""How arguments are read: what clients really send is understood, and what cannot be meant is refused before anything is sent."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support import OpenSession, Session

PHONE = "(510) 555-3344"
JORDAN = 1001  # of the seeded book


@pytest.fixture
async def session(open_session: OpenSession) -> AsyncIterator[Session]:
    """Arguments are read alike in both eras; test_sessions goes through both."""
    async with open_session() as opened:
        yield opened


async def refused(session: Session, tool: str, **arguments: Any) -> str:
    """Why a call is refused; it must have asked nothing and changed nothing, and its text must be ours."""
    before = session.sandbox.store.contacts()
    text: str = await session.refused(tool, **arguments)
    assert session.operations == []
    assert session.sandbox.store.contacts() == before
    for foreign in ("pydantic", "http", "Traceback", "Error executing", "mistake in this server"):
        assert foreign not in text
    assert len(text) < 600
    return text


# Names of arguments.


@pytest.mark.parametrize(
    ("tool", "arguments", "hint"),
    [
        ("create_contact", {"phone": PHONE, "frist": "Jo"}, "frist: there is no such argument. Did you mean first"),
        ("create_contact", {"phone": PHONE, "firstName": "Jo"}, "firstName: there is no such argument. Did you mean"),
        ("lookup_contact", {"contactId": JORDAN}, "contactId: there is no such argument. Did you mean contact_id?"),
        ("update_contact", {"contact_id": JORDAN, "custom_field": {"Plan": "Gold"}}, "Did you mean custom_fields"),
        ("update_contact", {"contact_id": JORDAN, "opted_out": True}, "Did you mean is_opted_out?"),
        ("delete_contact", {"contact_id": JORDAN, "confirm": "x"}, "Did you mean confirm_token"),
        ("list_contacts", {"tags": "VIP"}, "Did you mean tag"),
        ("list_contact_fields", {"zzzzzz": 1}, "zzzzzz: there is no such argument. Known: query."),
    ],
)
async def test_an_unknown_argument_is_refused_with_the_nearest_there_is(
    session: Session, tool: str, arguments: Any, hint: str
) -> None:
    """Dropping a misspelt argument would lose data without a word."""
    assert hint in await refused(session, tool, **arguments)


async def test_an_unknown_argument_is_refused_even_as_null(session: Session) -> None:
    assert "frist" in await refused(session, "create_contact", phone=PHONE, frist=None)


async def test_a_hostile_argument_name_is_shown_harmless_and_short(session: Session) -> None:
    text = await refused(session, "lookup_contact", **{"\u202e\x1b[31m" + "x" * 5000: 1})
    assert "\u202e" not in text
    assert "\x1b" not in text


# What clients send instead of what the schema says.


@pytest.mark.parametrize(
    "given",
    [{"Plan": "Premium"}, '{"Plan": "Premium"}', ' {"plan": "Premium"} '],
    ids=["object", "JSON", "JSON with spaces"],
)
async def test_an_object_may_come_as_json_text(session: Session, given: Any) -> None:
    facts = await session.ok("create_contact", phone=PHONE, custom_fields=given)
    assert facts["contact"]["custom_fields"] == {"Plan": "Premium"}


@pytest.mark.parametrize("given", [["VIP", "Lead"], '["VIP", "Lead"]', "[101, 102]", ["101", 102]], ids=repr)
async def test_an_array_may_come_as_json_text_and_tags_as_ids(session: Session, given: Any) -> None:
    facts = await session.ok("create_contact", phone=PHONE, tags=given)
    assert facts["contact"]["tags"] == ["VIP", "Lead"]


async def test_one_text_is_a_list_of_one(session: Session) -> None:
    facts = await session.ok("create_contact", phone=PHONE, tags="Past Due")
    assert facts["contact"]["tags"] == ["Past Due"]


@pytest.mark.parametrize("given", [True, "true", "True", 1])
async def test_a_boolean_may_come_as_text(session: Session, given: Any) -> None:
    facts = await session.ok("create_contact", phone=PHONE, is_opted_out=given)
    assert facts["contact"]["is_opted_out"] is True


async def test_a_false_that_comes_as_text_is_no_true(session: Session) -> None:
    facts = await session.ok("create_contact", phone=PHONE, is_opted_out="false")
    assert facts["contact"]["is_opted_out"] is False


async def test_numbers_are_texts_where_texts_are_wanted(session: Session) -> None:
    facts = await session.ok(
        "create_contact", phone=15105553344, first=7, custom_fields={"Customer #": 42, "Plan": 1.5, "Region": True}
    )
    assert facts["contact"]["phone"] == "+15105553344"
    assert facts["contact"]["first"] == "7"
    assert facts["contact"]["custom_fields"] == {"Customer #": "42", "Plan": "1.5", "Region": "true"}


async def test_whole_floats_have_no_decimals(session: Session) -> None:
    facts = await session.ok("create_contact", phone=15105553344.0, custom_fields={"Customer #": 94110.0, "Plan": -0.0})
    assert facts["contact"]["phone"] == "+15105553344"
    assert facts["contact"]["custom_fields"] == {"Customer #": "94110", "Plan": "0"}


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e400"])
async def test_a_number_that_is_none_is_refused(session: Session, number: str) -> None:
    assert "cannot be stored" in await refused(
        session, "create_contact", phone=PHONE, custom_fields=f'{{"Plan": {number}}}'
    )


@pytest.mark.parametrize("given", [JORDAN, str(JORDAN), float(JORDAN)], ids=repr)
async def test_an_id_may_come_as_text(session: Session, given: Any) -> None:
    facts = await session.ok("lookup_contact", contact_id=given)
    assert [contact["contact_id"] for contact in facts["contacts"]] == [JORDAN]


async def test_a_null_counts_as_not_given(session: Session) -> None:
    facts = await session.ok(
        "update_contact",
        contact_id=JORDAN,
        phone=None,
        first=None,
        tags=None,
        custom_fields=None,
        clear=None,
        is_opted_out=None,
        last="Rivers",
    )
    assert [change["field"] for change in facts["changes"]] == ["last"]


@pytest.mark.parametrize("word", ["null", "true", "None", "[1]", "{}", '{"a": 1}', "NaN", "0", "-"])
async def test_a_name_that_looks_like_json_stays_a_name(session: Session, word: str) -> None:
    """People are called Null and True; the SDK by itself would turn the one into no name at all."""
    facts = await session.ok("create_contact", phone=PHONE, first=word, last=word, custom_fields={"Plan": word})
    stored = session.sandbox.store.contact(facts["contact"]["contact_id"])
    assert (stored["first"], stored["last"], stored["custom"]) == (word, word, {"31": word})


@pytest.mark.parametrize("text", ["  Jo  ", "Zoë\u0301", "李 小龍", 'O\'Neil "Jo" \\ <b>', "👩\u200d👧"], ids=ascii)
async def test_a_text_is_sent_as_it_was_written(session: Session, text: str) -> None:
    """But for the blanks around it, which nobody means."""
    facts = await session.ok("create_contact", phone=PHONE, last=text, custom_fields={"Plan": text})
    stored = session.sandbox.store.contact(facts["contact"]["contact_id"])
    assert (stored["last"], stored["custom"]) == (text.strip(), {"31": text.strip()})


# What cannot be meant.

WRONG = [
    pytest.param("create_contact", {}, "phone: is required and was not given. Nothing was changed.", id="no phone"),
    pytest.param("create_contact", {"phone": None}, "phone", id="null for a phone"),
    pytest.param("create_contact", {"phone": ["a"]}, 'phone: should be a text; got ["a"]', id="an array for a phone"),
    pytest.param("create_contact", {"phone": True}, "phone: should be a text; got true", id="a boolean for a phone"),
    pytest.param("create_contact", {"phone": PHONE, "first": {"a": 1}}, 'first: should be a text; got {"a": 1}', id="an object for a text"),
    pytest.param("create_contact", {"phone": PHONE, "custom_fields": "Plan=Gold"}, "custom_fields:", id="prose for an object"),
    pytest.param("create_contact", {"phone": PHONE, "custom_fields": '{"Plan":'}, "custom_fields:", id="cut JSON for an object"),
    pytest.param("create_contact", {"phone": PHONE, "custom_fields": ["Plan"]}, "custom_fields:", id="an array for an object"),
    pytest.param("create_contact", {"phone": PHONE, "custom_fields": {"Plan": ["a"]}}, 'custom_fields.Plan: should be a text; got ["a"]', id="a nested array"),
    pytest.param("create_contact", {"phone": PHONE, "custom_fields": {"Plan": None}}, "to empty a field, name it in clear", id="a null for a value"),
    pytest.param("create_contact", {"phone": PHONE, "tags": {"a": 1}}, "tags:", id="an object for an array"),
    pytest.param("create_contact", {"phone": PHONE, "tags": [None]}, "tags.0:", id="a null in an array"),
    pytest.param("create_contact", {"phone": PHONE, "is_opted_out": "maybe"}, "is_opted_out: should be true or false", id="a word for a boolean"),
    pytest.param("create_contact", {"phone": PHONE, "is_opted_out": 2}, "got 2", id="a number for a boolean"),
    pytest.param("create_contact", {"phone": PHONE, "if_exists": "merge"}, "'report' or 'update'; got \"merge\"", id="an unknown choice"),
    pytest.param("lookup_contact", {"contact_id": 0}, "contact_id: should be greater than or equal to 1; got 0", id="id 0"),
    pytest.param("lookup_contact", {"contact_id": -1}, "got -1", id="id -1"),
    pytest.param("lookup_contact", {"contact_id": 2**60}, "contact_id", id="an id JSON cannot carry"),
    pytest.param("lookup_contact", {"contact_id": 10**400}, "contact_id", id="an id of 400 digits"),
    pytest.param("lookup_contact", {"contact_id": 1.5}, "got 1.5", id="half an id"),
    pytest.param("lookup_contact", {"contact_id": "abc"}, 'got "abc"', id="a word for an id"),
    pytest.param("lookup_contact", {"contact_id": "../contacts"}, 'got "../contacts"', id="a path for an id"),
    pytest.param("lookup_contact", {"contact_id": True}, "contact_id: a number is expected; got true", id="a boolean for an id"),
    pytest.param("delete_contact", {"contact_id": True}, "contact_id: a number is expected", id="a boolean for an id to delete"),
    pytest.param("undo_change", {"change_id": True}, "change_id: a number is expected", id="a boolean for a change"),
    pytest.param("undo_change", {"change_id": 2**70}, "change_id", id="a change beyond SQLite"),
    pytest.param("list_changes", {"cursor": 2**70}, "cursor", id="a cursor beyond SQLite"),
    pytest.param("list_changes", {"contact_id": 2**70}, "contact_id", id="a contact beyond SQLite"),
    pytest.param("list_contacts", {"limit": 0}, "limit: should be greater than or equal to 1", id="a limit of 0"),
    pytest.param("list_contacts", {"limit": 101}, "limit: should be less than or equal to 100; got 101", id="a limit too high"),
    pytest.param("list_contacts", {"limit": True}, "limit: a number is expected", id="a boolean for a limit"),
    pytest.param("list_contacts", {"detail": "all"}, "'concise' or 'full'", id="an unknown detail"),
]  # fmt: skip


@pytest.mark.parametrize(("tool", "arguments", "said"), WRONG)
async def test_a_wrong_type_is_refused_with_what_came_and_what_is_expected(
    session: Session, tool: str, arguments: Any, said: str
) -> None:
    assert said in await refused(session, tool, **arguments)


async def test_every_wrong_argument_is_named_at_once(session: Session) -> None:
    text = await refused(session, "create_contact", phone=[1], first=[2], is_opted_out="maybe")
    assert all(f"{name}: " in text for name in ("phone", "first", "is_opted_out"))


@pytest.mark.parametrize(
    "arguments",
    [{"first": "x" * 10_001}, {"custom_fields": {"Plan": "x" * 10_001}}, {"tags": ["VIP"] * 101}, {"custom_fields": dict.fromkeys(map(str, range(101)), "x")}],
    ids=["text", "custom value", "array", "object"],
)  # fmt: skip
async def test_what_is_too_long_is_refused_without_repeating_it(session: Session, arguments: Any) -> None:
    (name,) = arguments
    text = await refused(session, "create_contact", phone=PHONE, **arguments)
    assert text.startswith(name)
    assert "at most 10" in text
    assert len(text) < 300


async def test_the_longest_text_is_taken(session: Session) -> None:
    facts = await session.ok("create_contact", phone=PHONE, custom_fields={"Notes (38)": "x" * 10_000})
    assert session.sandbox.store.contact(facts["contact"]["contact_id"])["custom"] == {"38": "x" * 10_000}


@pytest.mark.parametrize("name", ["first", "last", "display_name", "email", "avatar"])
@pytest.mark.parametrize("empty", ["", "  \n"], ids=["empty", "blank"])
async def test_an_empty_text_is_refused_with_the_way_to_clear(session: Session, name: str, empty: str) -> None:
    text = await refused(session, "update_contact", contact_id=JORDAN, **{name: empty})
    assert (
        f'{name}: is empty. To leave it as it is, leave it out. To empty it, use update_contact with clear: ["{name}"].'
        in text
    )


async def test_an_empty_list_of_tags_is_refused_with_the_way_to_clear(session: Session) -> None:
    """Clients that fill in what was left out send [], and nothing but clear may empty anything."""
    assert 'use update_contact with clear: ["tags"]' in await refused(
        session, "update_contact", contact_id=JORDAN, tags=[]
    )


async def test_an_empty_custom_value_is_refused_with_the_way_to_clear(session: Session) -> None:
    text = await session.refused("update_contact", contact_id=JORDAN, custom_fields={"Plan": ""})
    assert '"Plan" is empty. To empty a field, name it in clear.' in text


@pytest.mark.parametrize(
    "nothing",
    [{}, {"custom_fields": {}}, {"add_tags": [], "clear": []}, {"confirm_token": "", "consent": ""}],
    ids=json.dumps,
)
async def test_an_update_of_nothing_is_refused(session: Session, nothing: Any) -> None:
    assert "nothing to change was given" in await refused(session, "update_contact", contact_id=JORDAN, **nothing)


@pytest.mark.parametrize(
    ("tool", "who"),
    [
        ("lookup_contact", {}),
        ("lookup_contact", {"contact_id": JORDAN, "phone": PHONE}),
        ("lookup_contact", {"phone": PHONE, "email": "jo@example.com"}),
        ("lookup_contact", {"contact_id": JORDAN, "email": "jo@example.com"}),
        ("update_contact", {"first": "Jo"}),
        ("update_contact", {"contact_id": JORDAN, "phone": PHONE, "first": "Jo"}),
        ("delete_contact", {}),
        ("delete_contact", {"contact_id": JORDAN, "phone": PHONE}),
    ],
    ids=str,
)
async def test_whom_is_meant_must_be_said_in_exactly_one_way(session: Session, tool: str, who: Any) -> None:
    assert "exactly one" in await refused(session, tool, **who)


async def test_an_id_is_never_taken_for_a_phone_nor_a_phone_for_an_id(session: Session) -> None:
    assert "phone: " in await refused(session, "lookup_contact", phone=str(JORDAN))
    assert "contact_id: " in await refused(session, "lookup_contact", contact_id="(510) 555-0100")
    assert (await session.ok("lookup_contact", contact_id=15105550100))["found"] is False
