"""Wrong names of tools and parameters are answered with the right ones, in both eras, and never obeyed."""

from __future__ import annotations

import pytest
from support import OpenSession, Session

from contacts_mcp.server.tools import TOOLS, aliases
from contacts_mcp.server.tools.schemas import arguments_model

BY_NAME = {tool.name: {*arguments_model(tool.function).model_fields} for tool in TOOLS}


@pytest.mark.parametrize(
    ("called", "right"),
    [
        ("get_contact", "lookup_contact"),
        ("add_contact", "create_contact"),
        ("find_contacts", "search_contacts"),
        ("count_contacts", "search_contacts"),
        ("list_tags", "describe_account"),
        ("dedupe", "find_duplicates"),
        ("merge", "merge_contacts"),
        ("remove_contact", "delete_contact"),
        ("list_custom_fields", "list_contact_fields"),
        ("undo", "undo_change"),
        ("getContact", "lookup_contact"),
        ("lookup-contact", "lookup_contact"),
        ("mcp__contacts__lookup_contact", "lookup_contact"),
        ("mcp__contacts__edit_contact", "update_contact"),
        ("lookup_contacts", "lookup_contact"),
        ("create_contac", "create_contact"),
    ],
)
async def test_an_unknown_tool_is_answered_with_the_one_there_is(session: Session, called: str, right: str) -> None:
    before = session.sandbox.store.contacts()
    refusal = await session.refusal(called, contact_id=1001, phone="510 555 3344")
    assert (refusal["kind"], refusal["candidates"][0]) == ("unknown_tool", right)
    assert all(name in refusal["message"] for name in (called, right))
    assert session.operations == []
    assert session.sandbox.store.contacts() == before


async def test_a_name_like_no_other_is_answered_with_all_there_are(session: Session) -> None:
    refusal = await session.refusal("zzz")
    assert refusal["candidates"] == [tool.name for tool in TOOLS]
    assert all(tool.name in refusal["message"] for tool in TOOLS)


async def test_a_hostile_tool_name_is_shown_harmless_and_short(session: Session) -> None:
    text = await session.refused("\u202e\x1b[31m" + "x" * 50_000)
    assert "\u202e" not in text
    assert "\x1b" not in text
    assert len(text) < 600


async def test_a_tool_that_is_switched_off_is_called_that(open_session: OpenSession, era: str) -> None:
    async with open_session(mode=era, read_only=True) as session:
        refusal = await session.refusal("delete_contact", contact_id=1001)
        assert refusal["kind"] == "tool_off"
        assert "lookup_contact" in refusal["message"]
        assert "create_contact" not in await session.refused("add_contact")


@pytest.mark.parametrize(
    ("tool", "called", "meant"),
    [
        ("create_contact", "name", ["first", "last"]),
        ("create_contact", "first_name", ["first"]),
        ("create_contact", "firstName", ["first"]),
        ("create_contact", "mobile", ["phone"]),
        ("create_contact", "fields", ["custom_fields"]),
        ("create_contact", "owner", ["assignee"]),
        ("update_contact", "phone_number", ["phone", "new_phone"]),
        ("update_contact", "id", ["contact_id"]),
        ("update_contact", "tag", ["add_tags", "tags"]),
        ("lookup_contact", "id", ["contact_id"]),
        ("undo_change", "id", ["change_id"]),
        ("search_contacts", "q", ["query"]),
        ("search_contacts", "owner", ["assignee"]),
        ("search_contacts", "label", ["tag"]),
        ("merge_contacts", "confirm", ["confirm_token"]),
        ("list_contacts", "page_token", ["cursor"]),
        ("list_contacts", "Page Size", ["limit"]),
        ("list_contact_fields", "search", ["query"]),
    ],
)
async def test_an_unknown_parameter_is_answered_with_the_one_there_is(
    session: Session, tool: str, called: str, meant: list[str]
) -> None:
    refusal = await session.refusal(tool, **{called: "x"})
    assert (refusal["kind"], refusal["argument"], refusal["candidates"]) == ("unknown_argument", called, meant)
    assert " or ".join(meant) in refusal["message"]
    assert session.operations == []


@pytest.mark.parametrize(
    ("tool", "called"),
    [
        ("lookup_contact", "full_name"),
        ("list_contacts", "phoneNumber"),
        ("search_contacts", "email"),
        ("update_contact", "notes"),
    ],
)
async def test_a_parameter_of_another_tool_is_answered_with_that_tool(session: Session, tool: str, called: str) -> None:
    refusal = await session.refusal(tool, **{called: "x"})
    assert "candidates" not in refusal
    assert aliases.ELSEWHERE[tool][1] in refusal["message"]


async def test_a_parameter_like_no_other_is_answered_with_all_there_are(session: Session) -> None:
    refusal = await session.refusal("undo_change", zzz="x")
    assert "candidates" not in refusal
    assert all(name in refusal["message"] for name in BY_NAME["undo_change"])


@pytest.mark.parametrize("tool", ["create_contact", "update_contact", "search_contacts"])
async def test_a_custom_field_given_as_an_argument_is_told_where_it_goes(session: Session, tool: str) -> None:
    """And never that it might be `last`, which looks like "plan" to a machine."""
    refusal = await session.refusal(tool, plan="Gold")
    assert "candidates" not in refusal
    assert "goes into custom_fields" in refusal["message"]
    assert session.operations == []


def test_every_guess_leads_to_a_tool_there_is_and_is_none_itself() -> None:
    assert {*aliases.TOOLS.values()} <= BY_NAME.keys()
    assert not aliases.TOOLS.keys() & BY_NAME.keys()
    assert aliases.ELSEWHERE.keys() <= BY_NAME.keys()


@pytest.mark.parametrize("tool", aliases.ELSEWHERE)
def test_no_tool_sends_away_what_it_takes_itself(tool: str) -> None:
    assert not aliases.ELSEWHERE[tool][0] & BY_NAME[tool]


def test_every_guess_leads_to_a_parameter_there_is() -> None:
    known = set[str]().union(*BY_NAME.values())
    for called, meant in aliases.PARAMETERS.items():
        assert {*meant} <= known, called


@pytest.mark.parametrize("tool", BY_NAME)
def test_a_parameter_that_a_tool_has_is_never_called_wrong(tool: str) -> None:
    for name in BY_NAME[tool]:
        assert aliases.right_parameters(tool, name, BY_NAME[tool]) == [name]


@pytest.mark.parametrize("tool", ["update_contacts", "export_contacts"])
@pytest.mark.parametrize("name", ["tag", "opted_out", "area_code", "updated_after"])
async def test_a_filter_beside_where_is_told_to_go_into_it(session: Session, tool: str, name: str) -> None:
    """Of `tag`, "Did you mean add_tags?" would change people who were meant to be found."""
    refusal = await session.refusal(tool, **{name: "VIP"})
    assert refusal["candidates"] == ["where"]
    assert 'Filters go into where, as {"tag": "VIP"' in refusal["message"]


async def test_a_trial_of_a_change_of_many_is_told_that_the_first_call_is_one(session: Session) -> None:
    for tool in ("import_contacts", "update_contacts"):
        assert "The first call only answers the plan" in await session.refused(tool, dry_run=True)


@pytest.mark.parametrize(
    ("tool", "name", "right"),
    [
        ("import_contacts", "file", "path"),
        ("import_contacts", "overwrite", "existing"),
        ("import_contacts", "if_exists", "existing"),
        ("export_contacts", "path", "file"),
        ("export_contacts", "filters", "where"),
        ("export_contacts", "assignee", "where"),
    ],
)
async def test_the_parameters_for_many_contacts_are_known_by_their_usual_names(
    session: Session, tool: str, name: str, right: str
) -> None:
    assert (await session.refusal(tool, **{name: "x"}))["candidates"] == [right]
