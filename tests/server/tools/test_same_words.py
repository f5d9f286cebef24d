"""Text and structure use the same words, and the instructions name them: a table over all tools."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from mcp_types import CallToolResult
from support import Session, text_of

from contacts_mcp.server.instructions import SENTENCES
from contacts_mcp.server.tools import TOOLS
from contacts_mcp.server.tools.schemas import output_schema

JORDAN = 1001
JORDANS = "+15105550100"
NEW = "+15105557777"

Ask = Callable[[Session], Awaitable[CallToolResult]]


def asking(tool: str, **arguments: Any) -> Ask:
    return lambda session: session.call(tool, **arguments)


async def an_undone_change(session: Session) -> CallToolResult:
    made = await session.ok("update_contact", contact_id=JORDAN, last="Lee")
    return await session.call("undo_change", change_id=made["change_id"])


async def an_undo_to_confirm(session: Session) -> CallToolResult:
    made = await session.ok("create_contact", phone=NEW)
    return await session.call("undo_change", change_id=made["change_id"])


async def a_deletion(session: Session) -> CallToolResult:
    token = (await session.ok("delete_contact", contact_id=JORDAN))["confirm_token"]
    return await session.call("delete_contact", contact_id=JORDAN, confirm_token=token)


async def changes_on_two_pages(session: Session) -> CallToolResult:
    for last in ("Lee", "Kim"):
        await session.ok("update_contact", contact_id=JORDAN, last=last)
    return await session.call("list_changes", limit=1)


TABLE = "Phone,First\n5105557781,Ada\n5105557782,Ben"


async def a_run(session: Session) -> CallToolResult:
    plan = await session.ok("import_contacts", text=TABLE)
    return await session.call("import_contacts", plan=plan["plan"], confirm_token=plan["confirm_token"])


async def rows_of_a_plan(session: Session) -> CallToolResult:
    plan = await session.ok("import_contacts", text=TABLE)
    return await session.call("import_status", plan=plan["plan"], show="new")


# The tool, a call of it, and the words that stand in both forms of its answer.
ANSWERS: dict[str, tuple[str, Ask, list[str]]] = {
    "created": ("create_contact", asking("create_contact", phone=NEW), ["created"]),
    "exists": ("create_contact", asking("create_contact", phone=JORDANS, first="Jo"), ["exists"]),
    "filled": ("create_contact", asking("create_contact", phone=JORDANS, tags=["Lead"], if_exists="fill"), ["updated"]),
    "filled with nothing": ("create_contact", asking("create_contact", phone=JORDANS, if_exists="fill"), ["unchanged"]),
    "updated": ("update_contact", asking("update_contact", contact_id=JORDAN, last="Lee"), ["updated"]),
    "unchanged": ("update_contact", asking("update_contact", contact_id=JORDAN, first="Jordan"), ["unchanged"]),
    "an opt-in to confirm": (
        "update_contact",
        asking("update_contact", contact_id=1002, is_opted_out=False, consent="By phone on Monday"),
        ["needs_confirmation", "confirm_token"],
    ),
    "a deletion to confirm": (
        "delete_contact",
        asking("delete_contact", contact_id=JORDAN),
        ["needs_confirmation", "confirm_token"],
    ),
    "deleted": ("delete_contact", a_deletion, ["deleted"]),
    "undone": ("undo_change", an_undone_change, ["undone"]),
    "an undo to confirm": ("undo_change", an_undo_to_confirm, ["needs_confirmation", "confirm_token"]),
    "a page": ("list_contacts", asking("list_contacts", limit=2), ["complete: false", "next_cursor"]),
    "all": ("list_contacts", asking("list_contacts", limit=100), ["complete: true"]),
    "found": ("search_contacts", asking("search_contacts", query="rivera"), ["complete: true", "sure"]),
    "found on pages": ("search_contacts", asking("search_contacts", limit=2), ["complete: true", "next_cursor"]),
    "nobody": ("search_contacts", asking("search_contacts", query="Zzyzx"), ["complete: true"]),
    "the account": ("describe_account", asking("describe_account"), ["complete: true"]),
    "no doubles": ("find_duplicates", asking("find_duplicates"), ["complete: true"]),
    "a merge to confirm": (
        "merge_contacts",
        asking("merge_contacts", keep=JORDAN, others=[1002]),
        ["needs_confirmation", "confirm_token"],
    ),
    "changes": ("list_changes", changes_on_two_pages, ["complete: false", "next_cursor"]),
    "no changes": ("list_changes", asking("list_changes"), ["complete: true"]),
    "an export as text": ("export_contacts", asking("export_contacts", where={"tag": "VIP"}), ["complete: true"]),
    "the book in counts": ("export_contacts", asking("export_contacts", by="Plan"), ["complete: true"]),
    "looked up": ("lookup_contact", asking("lookup_contact", contact_id=JORDAN), []),
    "an import to confirm": (
        "import_contacts",
        asking("import_contacts", text=TABLE),
        ["needs_confirmation", "confirm_token"],
    ),
    "an import that is done": ("import_contacts", a_run, ["done"]),
    "a change of many to confirm": (
        "update_contacts",
        asking("update_contacts", contact_ids=[JORDAN], add_tags=["Lead"]),
        ["needs_confirmation", "confirm_token"],
    ),
    "rows of a plan": ("import_status", rows_of_a_plan, ["complete: true"]),
    "fields": ("list_contact_fields", asking("list_contact_fields"), []),
}


def test_the_table_has_every_tool() -> None:
    assert {tool for tool, *_ in ANSWERS.values()} == {tool.name for tool in TOOLS}


@pytest.mark.parametrize("name", ANSWERS)
async def test_text_and_structure_use_the_same_words(session: Session, name: str) -> None:
    tool, ask, words = ANSWERS[name]
    result = await ask(session)
    text, facts = text_of(result), result.structured_content
    structure = json.dumps(facts)
    (entry,) = [one for one in TOOLS if one.name == tool]
    Draft202012Validator(output_schema(entry.answers)).validate(facts)
    for word in words:
        assert word in text.lower()
        assert word.replace(": ", '": ') in structure
    for key in ("next_cursor", "confirm_token", "question"):
        assert facts.get(key, "") in text
    if "status" in facts:
        assert text.lower().startswith(facts["status"])


@pytest.mark.parametrize("word", ["complete", "next_cursor", "needs_confirmation", "exists", "confirm_token"])
def test_the_instructions_name_the_words_of_the_structure(word: str) -> None:
    assert any(word in sentence for sentence, _ in SENTENCES)


async def test_exists_shows_both_values_and_says_once_that_nothing_was_done(session: Session) -> None:
    result = await session.call("create_contact", phone=JORDANS, first="Jo", custom_fields={"Plan": "Basic"})
    text = text_of(result)
    assert 'first is "Jordan", given was "Jo"' in text
    assert 'Plan is "Gold", given was "Basic"' in text
    said = [words for words in ("nothing was", "Not changed", "not changed", "nothing done") if words in text]
    assert said == ["nothing was"]
    assert text.count("nothing was") == 1


@pytest.mark.parametrize(
    ("tool", "arguments", "assumed"),
    [
        ("create_contact", {"phone": "(510) 555-7777"}, NEW),
        ("lookup_contact", {"phone": "(510) 555-0100"}, JORDANS),
        ("delete_contact", {"phone": "(510) 555-0100"}, JORDANS),
        ("update_contact", {"phone": "(510) 555-0100", "last": "Lee"}, JORDANS),
        ("update_contact", {"phone": JORDANS, "new_phone": "(510) 555-7777"}, NEW),
        ("update_contact", {"phone": "(510) 555-0100", "new_phone": NEW}, JORDANS),
        ("update_contact", {"phone": "(510) 555-0100", "new_phone": "510.555.0100"}, JORDANS),
        (
            "update_contact",
            {"phone": "(510) 555-0100", "new_phone": "(510) 555-7777"},
            f"{JORDANS} and {NEW}",
        ),
    ],
    ids=str,
)
async def test_an_assumed_country_is_said_once_and_of_which_number(
    session: Session, tool: str, arguments: Any, assumed: str
) -> None:
    result = await session.call(tool, **arguments)
    said = [note for note in result.structured_content["notes"] if "assumed" in note]
    assert said == [f"No country was written; US was assumed for {assumed}."]
    assert text_of(result).count("assumed") == 1


def test_there_is_one_kind_of_cursor() -> None:
    """A text, "" at the end, given back as it came."""
    for tool in TOOLS:
        schema = output_schema(tool.answers)["properties"]
        if "next_cursor" in schema:
            assert schema["next_cursor"] == {"type": "string"}
            assert schema["complete"] == {"type": "boolean"}


@pytest.mark.parametrize("cursor", ["2", 2, " "], ids=repr)
async def test_a_cursor_of_changes_is_taken_as_it_was_given_and_as_a_number(session: Session, cursor: Any) -> None:
    for last in ("Lee", "Kim"):
        await session.ok("update_contact", contact_id=JORDAN, last=last)
    older = await session.ok("list_changes", cursor=cursor)
    assert [one["change_id"] for one in older["changes"]] == ([2, 1] if cursor == " " else [1])


@pytest.mark.parametrize("cursor", ["abc", "-1", "0", "1.5", "9" * 30, True, "٣"], ids=repr)
async def test_any_other_cursor_of_changes_is_refused_with_the_way(session: Session, cursor: Any) -> None:
    facts = await session.refusal("list_changes", cursor=cursor)
    assert facts["argument"] == "cursor"
    assert "next_cursor exactly as it was answered" in facts["message"]


def test_a_contact_is_published_with_its_members() -> None:
    """The same in every answer that shows one. Empty members are left out of an answer."""
    published = {}
    for tool in TOOLS:
        members = output_schema(tool.answers)["properties"]
        contact = members.get("contact") or members.get("contacts", {}).get("items")
        if contact:
            published[tool.name] = {name: kind["type"] for name, kind in contact["properties"].items()}
    assert len(published) == 8
    published["search_contacts"] = {
        name: kind for name, kind in published["search_contacts"].items() if name not in ("match", "why")
    }
    assert all(one == {"contact_id": "integer", "name": "string", "phone": "string"} for one in published.values())


def test_a_question_is_published_where_a_confirmation_can_be_asked_for() -> None:
    for tool in TOOLS:
        members = output_schema(tool.answers)["properties"]
        can_ask = "needs_confirmation" in members.get("status", {}).get("enum", [])
        assert ("question" in members) == ("confirm_token" in members) == can_ask, tool.name
