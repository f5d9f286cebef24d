"""Each message speaks of its own case: empty, none and all, given twice, set and cleared, changed since."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from support import OpenSession, Session

JORDAN = 1001  # has an e-mail, the tag VIP and Plan "Gold"


@pytest.fixture
async def session(open_session: OpenSession) -> AsyncIterator[Session]:
    async with open_session() as opened:
        yield opened


def case(name: str, tool: str, said: str, /, *, never: str = "Nearest", **arguments: Any) -> Any:
    return pytest.param(tool, arguments, said, never, id=name)


UPDATE, LIST = "update_contact", "search_contacts"
BOTH = "is both set and cleared. Mention it in one place only."
OFF = 'To take all off, use update_contact with clear: ["tags"].'
ANY = "out to list contacts with any."
EACH = "Name each field that is to be emptied. To empty none, leave clear out."

REFUSED = [
    case("a text set and cleared", UPDATE, f"clear: email {BOTH}", email="a@example.org", clear=["E-mail"]),
    case("a field set and cleared", UPDATE, f"clear: Plan {BOTH}", custom_fields={"Plan": "x"}, clear=["plan"]),
    case("tags added and cleared", UPDATE, f"clear: tags {BOTH}", add_tags=["VIP"], clear=["tags"]),
    case("the owner set and cleared", UPDATE, f"clear: assignee {BOTH}", assignee="Alex Kim", clear=["assignee"]),
    case(
        "one empty name among others",
        UPDATE,
        "clear: one of the names is empty. Leave it out",
        clear=["", "email"],
        never="custom field",
    ),
    case(
        "one empty tag among others",
        UPDATE,
        "tags: one of the names is empty. Leave it out",
        tags=["VIP", " "],
        never="made in Heymarket",
    ),
    case("clear none", UPDATE, f'clear: there is no custom field "none". {EACH}', clear=["none"]),
    case("clear all", UPDATE, f'clear: there is no custom field "all". {EACH}', clear="all", never="Standard fields"),
    case(
        "no tags, as a list", UPDATE, 'To empty it, use update_contact with clear: ["tags"]', tags=[], never="made in"
    ),
    case("no tags, as a word", UPDATE, OFF, tags="none", never="made in Heymarket"),
    case("no tags to add", UPDATE, "Name each tag to add, or leave add_tags out.", add_tags=["none"], never="made in"),
    case("all tags to remove", UPDATE, 'To take all tags off, use clear: ["tags"].', remove_tags=["all"]),
    case("any tag, as a filter", LIST, f"Leave tag {ANY}", tag="any"),
    case("anybody, as a filter", LIST, f"Leave assignee {ANY}", assignee="anybody"),
    case(
        "none beside a real miss",
        LIST,
        'there is no tag "Wholesale"',
        tag="Wholesale",
        assignee="none",
        never="assignee",
    ),
]


@pytest.mark.parametrize(("tool", "arguments", "said", "never"), REFUSED)
async def test_a_refusal_speaks_of_its_own_case(
    session: Session, tool: str, arguments: Any, said: str, never: str
) -> None:
    who = {"contact_id": JORDAN} if tool == UPDATE else {}
    message = (await session.refusal(tool, **who, **arguments))["message"]
    assert said in message
    assert never not in message
    assert "update_contact" not in session.operations


@pytest.mark.parametrize(
    "clear", [["email", "email"], ["email", "E-mail"], ["Email", " email "], ["email", "Email (own)"]], ids=str
)
async def test_a_name_given_twice_in_clear_counts_once(session: Session, clear: Any) -> None:
    facts = await session.ok(UPDATE, contact_id=JORDAN, clear=clear)
    assert [change["field"] for change in facts["changes"]] == ["email"]


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"email": "", "clear": ["email"]}, "email"),
        ({"tags": [], "clear": ["tags"]}, "tags"),
        ({"tags": [""], "clear": ["Tags"]}, "tags"),
        ({"custom_fields": {"plan": " "}, "clear": ["Plan"]}, "Plan"),
    ],
    ids=str,
)
async def test_an_empty_value_beside_clear_asks_for_the_same(session: Session, arguments: Any, field: str) -> None:
    facts = await session.ok(UPDATE, contact_id=JORDAN, **arguments)
    assert [change["field"] for change in facts["changes"]] == [field]


async def test_nobody_is_a_filter_and_a_value_but_no_name(session: Session) -> None:
    nobodys = await session.ok(LIST, assignee="none", limit=100)
    assert nobodys["contacts"]
    assert all("assignee" not in contact for contact in nobodys["contacts"])
    untagged = await session.ok(LIST, tag="none", limit=100)
    assert untagged["contacts"]
    assert all("tags" not in contact for contact in untagged["contacts"])
    plan = await session.ok(LIST, custom_fields={"Plan": "none"})
    assert 'To list the contacts without Plan, pass "".' in plan["notes"][0]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"last": "Lee"}, 'last was left as empty and is "Lee"'),
        ({"add_tags": ["VIP"]}, "tags was left as empty and is"),
        ({"custom_fields": {"Plan": "Gold"}}, 'Plan was left as empty and is "Gold"'),
    ],
    ids=str,
)
async def test_an_undo_of_a_create_that_was_changed_since_advises_to_decide(
    session: Session, changed: Any, said: str
) -> None:
    made = await session.ok("create_contact", phone="+15105557777", first="Kim")
    await session.ok(UPDATE, contact_id=made["contact"]["contact_id"], **changed)
    message = (await session.refusal("undo_change", change_id=made["change_id"]))["message"]
    assert said in message
    assert "Decide with the person" in message
    assert "delete" not in message


@pytest.mark.parametrize("day", ["January 15, 2027", "15.1.2027", "2027/01/15", "2027-01-15", " 2027-1-15 "])
async def test_a_day_is_looked_for_as_it_is_stored(session: Session, day: str) -> None:
    await session.ok(UPDATE, contact_id=JORDAN, custom_fields={"Renewal Date": "2027-01-15"})
    facts = await session.ok(LIST, custom_fields={"Renewal Date": day})
    assert [contact["contact_id"] for contact in facts["contacts"]] == [JORDAN]


async def test_a_text_that_is_stored_in_a_field_of_dates_is_found_as_it_is(session: Session) -> None:
    session.sandbox.store.touch(JORDAN, custom={"34": "01/02/2027"})
    label = next(field["title"] for field in session.sandbox.store.fields() if field["id"] == 34)
    facts = await session.ok(LIST, custom_fields={label: "01/02/2027"})
    assert [contact["contact_id"] for contact in facts["contacts"]] == [JORDAN]
