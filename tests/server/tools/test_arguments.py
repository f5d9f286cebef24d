"""How arguments are read. The forms that clients really send are understood.
Forms that cannot be meant are refused before anything is sent.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from support import OpenSession, Session

from contacts_mcp.book.fields import CLEARABLE
from contacts_mcp.server.arguments import read_arguments
from contacts_mcp.server.tools import TOOLS
from contacts_mcp.server.tools.schemas import arguments_model

PHONE = "(510) 555-3344"
JORDAN = 1001  # of the seeded book


@pytest.fixture
async def session(open_session: OpenSession) -> AsyncIterator[Session]:
    """Arguments are read alike in both eras. test_sessions goes through both."""
    async with open_session() as opened:
        yield opened


async def refusal(session: Session, tool: str, **arguments: Any) -> dict[str, Any]:
    """The refusal of a call. It must have asked nothing and changed nothing, and its text must be ours."""
    before = session.sandbox.store.contacts()
    facts = await session.refusal(tool, **arguments)
    assert session.operations == []
    assert session.sandbox.store.contacts() == before
    for foreign in ("pydantic", "http", "Traceback", "Error executing"):
        assert foreign not in facts["message"]
    assert len(facts["message"]) < 600
    return facts


# Placeholders.


EMPTY: list[Any] = ["", "  ", 0, 0.0, [], {}, [""], [None], None]
TOOLS_AND_WHO: dict[str, dict[str, Any]] = {
    "create_contact": {"phone": "+15105553344"},
    "lookup_contact": {"email": "jordan.rivera@example.com"},
    "update_contact": {"contact_id": JORDAN, "first": "Jordan"},
    "delete_contact": {"contact_id": JORDAN},
    "list_contacts": {},
    "search_contacts": {},
    "describe_account": {},
    "find_duplicates": {},
    "merge_contacts": {"keep": JORDAN, "others": [JORDAN + 1]},
    "list_contact_fields": {},
    "list_changes": {},
    "undo_change": {"change_id": 1},
}
BY_NAME = {tool.name: tool for tool in TOOLS}
FLAGS = ("is_opted_out", "replace_custom_fields", "create_missing_tags", "opted_out", "has_email")


@pytest.mark.parametrize("empty", EMPTY, ids=repr)
@pytest.mark.parametrize("tool", TOOLS_AND_WHO)
def test_a_placeholder_counts_as_not_given_where_nothing_can_be_emptied(tool: str, empty: Any) -> None:
    entry, who = BY_NAME[tool], TOOLS_AND_WHO[tool]
    fields = arguments_model(entry.function).model_fields
    for name in fields.keys() - who.keys() - {*entry.keeps_empty}:
        if empty == 0 and name in FLAGS:  # false, as a number
            continue
        assert read_arguments(entry, {**who, name: empty}) == read_arguments(entry, who), name


def test_only_what_can_be_cleared_keeps_its_empty_value() -> None:
    assert {tool.name: {*tool.keeps_empty} for tool in TOOLS if tool.keeps_empty} == {
        "update_contact": {*CLEARABLE},
        "search_contacts": {"custom_fields"},
        "update_contacts": {"assignee"},
        "export_contacts": {"where"},
    }


async def test_a_create_with_every_argument_filled_in_takes_one_call(session: Session) -> None:
    names = arguments_model(BY_NAME["create_contact"].function).model_fields.keys() - {
        "phone",
        "first",
        "custom_fields",
    }
    custom = {"Plan": "", "Region": None, "Customer #": 0}
    facts = await session.ok(
        "create_contact", **dict.fromkeys(names, ""), phone="+15105553344", first="Jo", custom_fields=custom
    )
    assert facts["contact"]["first"] == "Jo"
    assert facts["contact"]["custom_fields"] == {"Customer #": "0"}
    assert "email" not in facts["contact"]


async def test_a_filter_for_no_value_is_no_placeholder(session: Session) -> None:
    everybody = await session.ok("list_contacts", limit=100)
    without = await session.ok("list_contacts", limit=100, custom_fields={"Plan": ""})
    assert 0 < len(without["contacts"]) < len(everybody["contacts"])


@pytest.mark.parametrize("empty", ["", [""], "[]"], ids=repr)
async def test_every_empty_form_of_tags_is_refused_with_the_way_to_clear(session: Session, empty: Any) -> None:
    assert 'clear: ["tags"]' in (await refusal(session, "update_contact", contact_id=JORDAN, tags=empty))["message"]


# Names of arguments.


@pytest.mark.parametrize("given", ["VIP", ["VIP"], '["VIP"]'], ids=repr)
async def test_tags_are_taken_for_the_tag_of_a_filter(session: Session, given: Any) -> None:
    by_other_name, by_own = [await session.ok("search_contacts", **{name: given}) for name in ("tags", "tag")]
    assert by_other_name["contacts"] == by_own["contacts"] != []


async def test_the_tags_of_a_filter_under_both_names_are_refused(session: Session) -> None:
    facts = await refusal(session, "search_contacts", tags="VIP", tag="Lead")
    assert (facts["kind"], facts["argument"]) == ("unknown_argument", "tags")


@pytest.mark.parametrize("name", ["sort_by", "orderBy", "order", "orderDirection"])
@pytest.mark.parametrize(("tool", "order"), [("list_contacts", "last changed first"), ("list_changes", "newest first")])
async def test_an_order_that_cannot_be_chosen_is_told(session: Session, tool: str, order: str, name: str) -> None:
    facts = await refusal(session, tool, **{name: "name"})
    assert facts["kind"] == "unknown_argument"
    assert order in facts["message"]


@pytest.mark.parametrize(
    ("tool", "arguments", "candidates"),
    [
        ("create_contact", {"phone": PHONE, "frist": "Jo"}, ["first"]),
        ("create_contact", {"phone": PHONE, "firstName": "Jo"}, ["first"]),
        ("lookup_contact", {"contactId": JORDAN}, ["contact_id"]),
        ("update_contact", {"contact_id": JORDAN, "custom_field": {"Plan": "Gold"}}, ["custom_fields"]),
        ("update_contact", {"contact_id": JORDAN, "opted_out": True}, ["is_opted_out"]),
        ("delete_contact", {"contact_id": JORDAN, "confirm": "x"}, ["confirm_token"]),
        ("search_contacts", {"labels": "VIP"}, ["tag"]),
        ("list_contact_fields", {"zzzzzz": 1}, []),
    ],
)
async def test_an_unknown_argument_is_refused_with_the_nearest_there_is(
    session: Session, tool: str, arguments: Any, candidates: list[str]
) -> None:
    """Dropping a misspelt argument would lose data without a word."""
    facts = await refusal(session, tool, **arguments)
    (*_, unknown) = arguments
    assert (facts["kind"], facts["argument"]) == ("unknown_argument", unknown)
    assert facts.get("candidates", [])[:1] == candidates


@pytest.mark.parametrize("value", ["update", "Overwrite", "upsert", "replace", "merge"])
async def test_a_way_to_overwrite_is_answered_with_the_tool_for_that(session: Session, value: str) -> None:
    facts = await refusal(session, "create_contact", phone=PHONE, if_exists=value)
    assert (facts["kind"], facts["argument"]) == ("invalid_argument", "if_exists")
    assert "use update_contact" in facts["message"]


async def test_an_unknown_argument_is_refused_even_as_null(session: Session) -> None:
    assert (await refusal(session, "create_contact", phone=PHONE, frist=None))["argument"] == "frist"


async def test_a_hostile_argument_name_is_shown_harmless_and_short(session: Session) -> None:
    facts = await refusal(session, "lookup_contact", **{"\u202e\x1b[31m" + "x" * 5000: 1})
    for text in (facts["message"], facts["argument"]):
        assert "\u202e" not in text
        assert "\x1b" not in text
        assert len(text) < 600


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
    facts = await session.refusal("create_contact", phone=PHONE, custom_fields=f'{{"Plan": {number}}}')
    assert "cannot be stored" in facts["message"]


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
    """People are called Null and True. The SDK by itself would turn the one into no name at all."""
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
    pytest.param("create_contact", {"phone": ["a"]}, "phone", id="an array for a phone"),
    pytest.param("create_contact", {"phone": True}, "phone", id="a boolean for a phone"),
    pytest.param("create_contact", {"phone": PHONE, "first": {"a": 1}}, "first", id="an object for a text"),
    pytest.param(
        "create_contact", {"phone": PHONE, "custom_fields": "Plan=Gold"}, "custom_fields", id="prose for an object"
    ),
    pytest.param(
        "create_contact", {"phone": PHONE, "custom_fields": '{"Plan":'}, "custom_fields", id="cut JSON for an object"
    ),
    pytest.param(
        "update_contacts",
        {"where": '{"tag": "VIP", "tag": "Lead"}', "add_tags": ["Newsletter"]},
        "where",
        id="JSON that says a name twice",
    ),
    pytest.param(
        "create_contact", {"phone": PHONE, "custom_fields": ["Plan"]}, "custom_fields", id="an array for an object"
    ),
    pytest.param(
        "create_contact", {"phone": PHONE, "custom_fields": {"Plan": ["a"]}}, "custom_fields.Plan", id="a nested array"
    ),
    pytest.param(
        "update_contact",
        {"contact_id": JORDAN, "custom_fields": {"Plan": None}},
        "custom_fields",
        id="a null for a value",
    ),
    pytest.param("create_contact", {"phone": PHONE, "tags": {"a": 1}}, "tags", id="an object for an array"),
    pytest.param("create_contact", {"phone": PHONE, "tags": ["VIP", None]}, "tags.1", id="a null in an array"),
    pytest.param(
        "create_contact", {"phone": PHONE, "is_opted_out": "maybe"}, "is_opted_out", id="a word for a boolean"
    ),
    pytest.param("create_contact", {"phone": PHONE, "is_opted_out": 2}, "is_opted_out", id="a number for a boolean"),
    pytest.param("create_contact", {"phone": PHONE, "if_exists": "merge"}, "if_exists", id="an unknown choice"),
    pytest.param("lookup_contact", {"contact_id": -1}, "contact_id", id="id -1"),
    pytest.param("lookup_contact", {"contact_id": 2**60}, "contact_id", id="an id JSON cannot carry"),
    pytest.param("lookup_contact", {"contact_id": 10**400}, "contact_id", id="an id of 400 digits"),
    pytest.param("lookup_contact", {"contact_id": 1.5}, "contact_id", id="half an id"),
    pytest.param("lookup_contact", {"contact_id": "abc"}, "contact_id", id="a word for an id"),
    pytest.param("lookup_contact", {"contact_id": "../contacts"}, "contact_id", id="a path for an id"),
    pytest.param("lookup_contact", {"contact_id": True}, "contact_id", id="a boolean for an id"),
    pytest.param("delete_contact", {"contact_id": True}, "contact_id", id="a boolean for an id to delete"),
    pytest.param("undo_change", {"change_id": True}, "change_id", id="a boolean for a change"),
    pytest.param("undo_change", {"change_id": 2**70}, "change_id", id="a change beyond SQLite"),
    pytest.param("list_changes", {"cursor": 2**70}, "cursor", id="a cursor beyond SQLite"),
    pytest.param("list_changes", {"contact_id": 2**70}, "contact_id", id="a contact beyond SQLite"),
    pytest.param("list_contacts", {"limit": 101}, "limit", id="a limit too high"),
    pytest.param("list_contacts", {"limit": True}, "limit", id="a boolean for a limit"),
    pytest.param("list_contacts", {"detail": "all"}, "detail", id="an unknown detail"),
]


@pytest.mark.parametrize(("tool", "arguments", "argument"), WRONG)
async def test_a_wrong_type_is_refused_with_what_came(
    session: Session, tool: str, arguments: Any, argument: str
) -> None:
    """How each is worded stands in tests/snapshots/wording.json."""
    facts = await refusal(session, tool, **arguments)
    assert (facts["kind"], facts["argument"]) == ("invalid_argument", argument)
    came = arguments
    for part in argument.split("."):
        came = came[int(part) if part.isdigit() else part]
    assert json.dumps(came)[:40] in facts["message"]


@pytest.mark.parametrize("arguments", [{}, {"phone": None}], ids=["nothing", "null"])
async def test_a_required_argument_that_is_missing_is_named(session: Session, arguments: Any) -> None:
    facts = await refusal(session, "create_contact", **arguments)
    assert (facts["kind"], facts["argument"]) == ("missing_argument", "phone")


async def test_every_wrong_argument_is_named_at_once(session: Session) -> None:
    facts = await refusal(session, "create_contact", phone=[1], first=[2], is_opted_out="maybe")
    assert facts["argument"] == "phone"
    assert all(f"{name}: " in facts["message"] for name in ("phone", "first", "is_opted_out"))


@pytest.mark.parametrize(
    "arguments",
    [
        {"first": "x" * 10_001},
        {"custom_fields": {"Plan": "x" * 10_001}},
        {"tags": ["VIP"] * 101},
        {"custom_fields": dict.fromkeys(map(str, range(101)), "x")},
    ],
    ids=["text", "custom value", "array", "object"],
)
async def test_what_is_too_long_is_refused_without_repeating_it(session: Session, arguments: Any) -> None:
    (name,) = arguments
    facts = await refusal(session, "create_contact", phone=PHONE, **arguments)
    assert facts["argument"].startswith(name)
    assert len(facts["message"]) < 300


async def test_words_to_search_for_are_no_longer_than_other_texts(session: Session) -> None:
    """Some characters are folded to many, and a long text of them would keep others waiting."""
    facts = await refusal(session, "search_contacts", query="\ufdfa" * 10_001)
    assert facts["argument"] == "query"


async def test_the_longest_text_is_taken(session: Session) -> None:
    facts = await session.ok("create_contact", phone=PHONE, custom_fields={"Notes (38)": "x" * 10_000})
    assert session.sandbox.store.contact(facts["contact"]["contact_id"])["custom"] == {"38": "x" * 10_000}


@pytest.mark.parametrize("name", ["first", "last", "display_name", "email", "avatar"])
@pytest.mark.parametrize("empty", ["", "  \n"], ids=["empty", "blank"])
async def test_an_empty_text_is_refused_with_the_way_to_clear(session: Session, name: str, empty: str) -> None:
    facts = await refusal(session, "update_contact", contact_id=JORDAN, **{name: empty})
    assert (facts["kind"], facts["argument"]) == ("invalid_argument", name)
    assert f'clear: ["{name}"]' in facts["message"]


async def test_an_empty_list_of_tags_is_refused_with_the_way_to_clear(session: Session) -> None:
    """Clients that fill in what was left out send [], and nothing but clear may empty anything."""
    facts = await refusal(session, "update_contact", contact_id=JORDAN, tags=[])
    assert facts["argument"] == "tags"
    assert 'clear: ["tags"]' in facts["message"]


async def test_an_empty_custom_value_is_refused_with_the_way_to_clear(session: Session) -> None:
    facts = await session.refusal("update_contact", contact_id=JORDAN, custom_fields={"Plan": ""})
    assert facts["argument"] == "custom_fields"
    assert "clear" in facts["message"]


@pytest.mark.parametrize(
    "nothing",
    [{}, {"custom_fields": {}}, {"add_tags": [], "clear": []}, {"confirm_token": "", "consent": ""}],
    ids=json.dumps,
)
async def test_an_update_of_nothing_is_refused(session: Session, nothing: Any) -> None:
    facts = await refusal(session, "update_contact", contact_id=JORDAN, **nothing)
    assert (facts["kind"], facts["argument"]) == ("invalid_argument", "update_contact")


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
    facts = await refusal(session, tool, **who)
    assert facts["kind"] == "invalid_argument"
    assert facts["argument"].startswith("contact_id")


async def test_an_id_is_never_taken_for_a_phone_nor_a_phone_for_an_id(session: Session) -> None:
    assert (await refusal(session, "lookup_contact", phone=str(JORDAN)))["argument"] == "phone"
    assert (await refusal(session, "lookup_contact", contact_id="(510) 555-0100"))["argument"] == "contact_id"
    assert (await session.ok("lookup_contact", contact_id=15105550100))["found"] is False


@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("list_contacts", {"detail": " Full"}),
        ("list_contacts", {"detail": "CONCISE"}),
        ("create_contact", {"phone": "+15105550100", "if_exists": "Report"}),
    ],
    ids=str,
)
async def test_a_choice_is_taken_in_any_case(session: Session, tool: str, arguments: Any) -> None:
    await session.ok(tool, **arguments)


async def test_an_object_of_another_form_is_told_the_form(session: Session) -> None:
    rows = [{"name": "Plan", "value": "Gold"}]
    facts = await refusal(session, "update_contact", contact_id=JORDAN, custom_fields=rows)
    assert 'as {"Field": "value"}' in facts["message"]


@pytest.mark.parametrize("others", ["1002", 1002, "[1002]", [1002]])
async def test_one_id_alone_is_a_list_of_one(session: Session, others: Any) -> None:
    assert (await session.ok("merge_contacts", keep=1001, others=others))["status"] == "needs_confirmation"


async def test_a_list_that_must_not_be_empty_says_so_in_words(session: Session) -> None:
    message = (await session.refusal("merge_contacts", keep=1001, others=[]))["message"]
    assert message.startswith("others: should name at least 1; got []. lookup_contact and search_contacts answer ids")


@pytest.mark.parametrize(
    ("tool", "arguments", "says"),
    [
        (
            "create_contact",
            {"phone": "+15105550199", "name": "A", "mobile": "1", "company": "X"},
            ["mobile", "company"],
        ),
        ("describe_account", {"detail": "full"}, ["always shows everything"]),
        ("describe_account", {"page": 2}, ["takes no arguments"]),
        ("lookup_contact", {"contact_id": 1001, "detail": "full"}, ["always shows everything"]),
        ("search_contacts", {"first": "Jordan"}, ["into query"]),
        ("undo_change", {"change_id": "last"}, ['got "last"', "list_changes"]),
        ("merge_contacts", {"keep": "Jordan Rivera", "others": [1002]}, ['got "Jordan Rivera"', "search_contacts"]),
        ("update_contact", {"first": "X"}, ["A full name alone goes into name"]),
        ("import_status", {"cursor": "1"}, ["show"]),
        ("export_contacts", {"by": "tag"}, ['by: "all"']),
        ("search_contacts", {"tag": "vips"}, ['Nearest: "VIP"', "describe_account"]),
        (
            "update_contacts",
            {"contact_ids": [1001], "add_tags": ["Novel"]},
            ["create_contact and update_contact make a tag"],
        ),
        ("merge_contacts", {"ids": [1001, 1002]}, ["others"]),
        ("delete_contact", {"ids": [1001]}, ["Did you mean contact_id?"]),
        ("search_contacts", {"custom_fields": {"Plan": None}}, ["null is no value", 'give ""']),
        ("update_contact", {"contact_id": 1001, "custom_fields": {"Plan": None}}, ["name it in clear"]),
        ("update_contact", {"contact_id": 1001, "custom_fields": {"E-mail": "x"}}, ["take email beside custom_fields"]),
        ("import_contacts", {"text": "Phone\n+15105550100", "sheet": "2"}, ["a pasted table has none"]),
        ("update_contacts", {"where": {"foo": "x"}, "add_tags": ["VIP"]}, ["where: ", '"foo"', "Filters: tag"]),
    ],
    ids=str,
)
async def test_a_wrong_guess_is_told_the_right_next_call(
    session: Session, tool: str, arguments: Any, says: Any
) -> None:
    facts = await session.refusal(tool, **arguments)
    assert [one for one in says if one not in facts["message"]] == [], facts["message"]
    assert facts.get("argument") in arguments or "argument" not in facts or " " in facts["argument"], facts


async def test_a_word_for_nothing_is_stored_and_told(session: Session) -> None:
    facts = await session.ok("update_contact", contact_id=JORDAN, custom_fields={"Plan": "null"})
    assert "word_for_nothing" in facts["note_kinds"]
    assert 'Plan: the word "null" is the value now' in facts["notes"][facts["note_kinds"].index("word_for_nothing")]


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("who is opted out", "give opted_out"),
        ("contacts without email", "has_email"),
        ("unassigned contacts", 'assignee, "none" for nobody'),
        ("added this week", "created_after"),
    ],
)
async def test_words_that_only_a_filter_answers_are_told_and_not_counted_as_nobody(
    session: Session, query: str, says: str
) -> None:
    facts = await session.ok("search_contacts", query=query)
    assert facts["total"] == 0
    assert says in " ".join(facts["notes"])


async def test_a_number_alone_is_a_list_of_one_name(session: Session) -> None:
    assert (await session.ok("search_contacts", tag=101))["total"] > 0
