"""The answers of tools: a text that is enough by itself, and the same facts as a structure of the published schema.

Both keep within their budget.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from mcp_types import CallToolResult, ElicitResult
from support import OpenSession, Session, text_of, tokens

from contacts_mcp.sandbox import Behaviour
from contacts_mcp.sandbox.rows.store import Store
from contacts_mcp.server.views import contacts, fitting
from contacts_mcp.state.acting import who
from contacts_mcp.state.journal import Entry
from contacts_mcp.words.display import quoted

PHONE = "(510) 555-3344"
JORDAN, SAM = 1001, 1002
MOST = 20_000  # tokens of any answer
NAME = 'The "front" desk'
CONSENT = "Asked by phone on 2026-03-04"


@pytest.fixture
async def session(open_session: OpenSession) -> AsyncIterator[Session]:
    async with open_session() as opened:
        yield opened


async def created(session: Session) -> CallToolResult:
    return await session.call(
        "create_contact", phone=PHONE, first="Jo", last="Rivers", custom_fields={"Plan": "Gold"}, tags=["VIP"]
    )


async def exists(session: Session) -> CallToolResult:
    return await session.call("create_contact", phone="510 555 0100", first="Jo", custom_fields={"Plan": "Basic"})


async def updated(session: Session) -> CallToolResult:
    change = {
        "first": "Jo",
        "custom_fields": {"Plan": "Basic"},
        "add_tags": ["Lead"],
        "assignee": "Alex Kim",
        "clear": ["email"],
        "is_opted_out": True,
    }
    return await session.call("update_contact", phone="510 555 0100", **change)


async def unchanged(session: Session) -> CallToolResult:
    return await session.call("update_contact", contact_id=JORDAN, first="Jordan")


async def to_be_confirmed(session: Session) -> CallToolResult:
    return await session.call("delete_contact", phone="510 555 0100")


async def opt_in_to_be_confirmed(session: Session) -> CallToolResult:
    return await session.call("update_contact", contact_id=SAM, is_opted_out=False, consent=CONSENT)


async def deleted(session: Session) -> CallToolResult:
    token = (await session.ok("delete_contact", contact_id=JORDAN))["confirm_token"]
    return await session.call("delete_contact", contact_id=JORDAN, confirm_token=token)


async def deleted_already(session: Session) -> CallToolResult:
    token = (await session.ok("delete_contact", contact_id=JORDAN))["confirm_token"]
    await session.ok("delete_contact", contact_id=JORDAN, confirm_token=token)
    return await session.call("delete_contact", contact_id=JORDAN, confirm_token=token)


async def undone(session: Session) -> CallToolResult:
    change = (await session.ok("update_contact", contact_id=JORDAN, first="Jo"))["change_id"]
    return await session.call("undo_change", change_id=change)


WRITES = {
    "created": created,
    "exists": exists,
    "updated": updated,
    "unchanged": unchanged,
    "needs_confirmation": to_be_confirmed,
    "needs_confirmation ": opt_in_to_be_confirmed,
    "deleted": deleted,
    "deleted ": deleted_already,
    "undone": undone,
}
TOOL_OF = {
    "created": "create_contact",
    "exists": "create_contact",
    "needs_confirmation": "delete_contact",
    "deleted": "delete_contact",
    "deleted ": "delete_contact",
    "undone": "undo_change",
}  # update_contact is the tool of the others
HEADLINES = {
    "created": "Created: contact ",
    "exists": "Exists, so nothing was done: contact ",
    "updated": "Updated: contact ",
    "unchanged": "Unchanged: contact ",
    "needs_confirmation": "needs_confirmation, so nothing was done yet: contact ",
    "deleted": "Deleted: contact ",
    "undone": "Undone: contact ",
}


async def assert_valid(session: Session, tool: str, result: CallToolResult) -> None:
    schema = next(one.output_schema for one in (await session.client.list_tools()).tools if one.name == tool)
    Draft202012Validator(schema).validate(result.structured_content)


def words_of(value: Any) -> list[str]:
    """The words of one value of a change that must be readable in the text."""
    if isinstance(value, bool):
        return ["yes" if value else "no"]
    return [str(item) for item in value] if isinstance(value, list) else [str(value) or "(empty)"]


@pytest.mark.parametrize("status", WRITES)
async def test_the_text_of_a_write_is_enough_by_itself(session: Session, status: str) -> None:
    """Some clients show only the text: status, who, every change, every note, what is to be confirmed and how."""
    result = await WRITES[status](session)
    text, facts = text_of(result), result.structured_content
    contact = facts["contact"]
    assert facts["status"] == status.strip()
    assert text.startswith(f'{HEADLINES[status.strip()]}{contact["contact_id"]} "{contact["name"]}" {contact["phone"]}')
    for change in facts["changes"]:
        (line,) = [line for line in text.splitlines() if line.startswith(f"- {change['field']}: ")]
        before, after = line.split(" -> ")
        assert all(word in before for word in words_of(change["before"]))
        assert all(word in after for word in words_of(change["after"]))
    assert all(note in text.splitlines() for note in facts["notes"])
    assert str(facts.get("change_id", "")) in text
    if facts["status"] == "needs_confirmation":
        assert facts["confirm_token"] in text
        assert facts["question"] in text
    assert "\n\n" not in text


@pytest.mark.parametrize("status", WRITES)
async def test_each_note_has_a_kind(session: Session, status: str) -> None:
    """In a list of their own, because `notes` is a list of texts and stays one. Without notes there is none."""
    facts = (await WRITES[status](session)).structured_content
    kinds = facts.get("note_kinds", [])
    assert len(kinds) == len(facts["notes"])
    assert "note" not in kinds
    assert ("note_kinds" in facts) == bool(kinds)


@pytest.mark.parametrize("status", WRITES)
async def test_the_structure_of_a_write_keeps_its_schema(session: Session, status: str) -> None:
    result = await WRITES[status](session)
    tool = TOOL_OF.get(status, "update_contact")
    await assert_valid(session, tool, result)
    assert "null" not in json.dumps(result.structured_content)


async def test_a_person_who_says_no_is_told_apart(
    open_session: OpenSession, era: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`declined` is a status of its own. Nothing is done."""
    monkeypatch.setattr("contacts_mcp.server.confirming.FASTEST_PERSON", 0.0)  # no person is that quick

    async def no(*_: Any) -> ElicitResult:
        return ElicitResult(action="decline")

    async with open_session(mode=era, client={"elicitation_callback": no}) as session:
        result = await session.call("delete_contact", contact_id=JORDAN)
        assert result.structured_content["status"] == "declined"
        assert result.structured_content["contact"]["contact_id"] == JORDAN
        assert (
            text_of(result)
            == f'Declined by the person, so nothing was done: contact {JORDAN} "Jordan Rivera" +15105550100.'
        )
        await assert_valid(session, "delete_contact", result)
        assert session.sandbox.store.contact(JORDAN) is not None


async def test_what_would_go_and_what_went_is_told_in_full(session: Session) -> None:
    asked = text_of(await session.call("delete_contact", contact_id=JORDAN))
    gone = text_of(await deleted(session))
    for text in (asked, gone):
        assert all(line in text for line in ('  email: "jordan.rivera@example.com"', '  Plan: "Gold"', "  tags: VIP"))


async def test_the_second_answer_to_one_deletion_names_the_same_contact_as_the_first(session: Session) -> None:
    token = (await session.ok("delete_contact", contact_id=JORDAN))["confirm_token"]
    first = await session.ok("delete_contact", contact_id=JORDAN, confirm_token=token)
    again = await session.ok("delete_contact", contact_id=JORDAN, confirm_token=token)
    assert again["contact"] == first["contact"]
    assert again["change_id"] == first["change_id"]
    assert session.operations == ["get_contact"]


async def test_a_lookup_tells_everything_in_words(session: Session) -> None:
    note = {"id": 1, "user_id": 502, "name": "Priya Patel", "text": "Rings twice", "date": "2026-05-04T09:30:00Z"}
    members = {
        "custom": {"31": "Gold", "37": "x", "38": "a", "39": "b"},
        "tags": [101, 104],
        "assigned_user_id": 502,
        "note": [note],
    }
    session.sandbox.store.touch(JORDAN, avatar="https://example.com/j.png", **members)
    result = await session.call("lookup_contact", contact_id=JORDAN)
    (contact,) = result.structured_content["contacts"]
    assert text_of(result).splitlines() == [
        f'contact {JORDAN} "Jordan Rivera" +15105550100',
        '  first: "Jordan"',
        '  last: "Rivera"',
        '  email: "jordan.rivera@example.com"',
        '  avatar: "https://example.com/j.png"',
        '  Plan: "Gold"',
        '  field 37: "x"',
        '  Notes (38): "a"',
        '  notes (39): "b"',
        "  tags: VIP, Past Due",
        "  assignee: Priya Patel",
        "  opted out of texts: no",
        '  note (Priya Patel, 2026-05-04): "Rings twice"',
        f"  created {contact['created']}, updated {contact['updated']}",
    ]
    assert contact["custom_fields"] == {"Plan": "Gold", "field 37": "x", "Notes (38)": "a", "notes (39)": "b"}
    assert contact["other"]["note"] == [note]
    await assert_valid(session, "lookup_contact", result)


async def test_nobody_found_is_an_answer_and_no_error(session: Session) -> None:
    result = await session.call("lookup_contact", phone="(510) 555-9999")
    facts = result.structured_content
    assert (facts["found"], facts["contacts"]) == (False, [])
    assert facts["note_kinds"] == ["not_found", "assumed_country"]
    assert text_of(result).splitlines() == facts["notes"]
    assert "+15105559999" in facts["notes"][0]


async def test_labels_read_back_as_what_they_were_shown_for(session: Session) -> None:
    """`field 37` for a field without a name, `Region (41)` where a name is shared."""
    second = session.sandbox.store.add_field("Region")
    session.sandbox.store.touch(JORDAN, custom={"33": "Oakland", str(second): "West", "37": "x"})
    (contact,) = (await session.ok("lookup_contact", contact_id=JORDAN))["contacts"]
    assert contact["custom_fields"] == {"Region (33)": "Oakland", f"Region ({second})": "West", "field 37": "x"}
    for label in contact["custom_fields"]:
        await session.ok("update_contact", contact_id=JORDAN, custom_fields={label: f"new {label}"})
    stored = session.sandbox.store.contact(JORDAN)["custom"]
    assert stored == {"33": "new Region (33)", str(second): f"new Region ({second})", "37": "new field 37"}
    await session.ok("update_contact", contact_id=JORDAN, clear=list(contact["custom_fields"]))
    assert session.sandbox.store.contact(JORDAN)["custom"] == {}


async def test_each_listed_field_can_be_written_by_the_name_it_is_listed_with(session: Session) -> None:
    fields = (await session.ok("list_contact_fields"))["fields"]
    await session.ok(
        "update_contact", contact_id=SAM, custom_fields={field["name"]: str(field["field_id"]) for field in fields}
    )
    assert session.sandbox.store.contact(SAM)["custom"] == {
        str(field["field_id"]): str(field["field_id"]) for field in fields
    }


async def test_an_opt_out_that_is_not_known_is_shown_as_unknown(open_session: OpenSession) -> None:
    async with open_session(behaviour=Behaviour(sends_opt_out=False, requests_per_minute=0)) as session:
        looked_up = await session.call("lookup_contact", contact_id=SAM)
        assert "  opted out of texts: unknown" in text_of(looked_up)
        assert looked_up.structured_content["contacts"][0]["is_opted_out"] == "unknown"
        listed = await session.call("list_contacts", limit=3)
        assert text_of(listed).count("; opt-out unknown; ") == 3
        assert [one["is_opted_out"] for one in listed.structured_content["contacts"]] == ["unknown"] * 3


async def test_an_assumed_country_is_said_and_a_written_one_is_not(session: Session) -> None:
    facts = await session.ok("lookup_contact", phone="510 555 0100")
    assert facts["note_kinds"] == ["assumed_country"]
    assert "+15105550100" in facts["notes"][0]
    assert "note_kinds" not in await session.ok("lookup_contact", phone="+1 510 555 0100")


@pytest.mark.parametrize("detail", ["concise", "full"])
async def test_a_page_says_the_same_in_both_forms_and_how_to_go_on(session: Session, detail: str) -> None:
    result = await session.call("list_contacts", limit=7, detail=detail)
    text, facts = text_of(result), result.structured_content
    for contact in facts["contacts"]:
        assert f'{contact["contact_id"]} "{contact.get("name", "")}" {contact["phone"]}' in text
        assert contact.get("email", "") in text
    assert (
        text.splitlines()[-1] == "7 contacts of 30; complete: false; to go on, repeat this call with cursor = "
        f"next_cursor: {facts['next_cursor']}"
    )
    await assert_valid(session, "list_contacts", result)


@pytest.mark.parametrize(
    ("filters", "is_shown"), [({"created_after": "2020-01-01"}, True), ({"updated_after": "2020-01-01"}, False)]
)
async def test_who_is_sought_by_day_of_creation_is_shown_with_it(
    session: Session, filters: Any, is_shown: bool
) -> None:
    result = await session.call("list_contacts", limit=2, **filters)
    for contact in result.structured_content["contacts"]:
        created = session.sandbox.store.contact(contact["contact_id"])["created"]
        assert (contact.get("created") == created) is is_shown
        assert (f"; created {created[:10]}; " in text_of(result)) is is_shown


async def test_the_end_of_the_list_is_said(session: Session) -> None:
    result = await session.call("list_contacts", limit=100)
    assert result.structured_content["complete"] is True
    assert text_of(result).splitlines()[-1] == "30 contacts; complete: true."


async def test_who_made_a_change_is_told_in_both_forms(session: Session) -> None:
    await updated(session)
    book = await session.workspace.book()
    token = who.set(NAME)
    begun = await book.journal.begin_all(
        [
            Entry(action="delete", contact_id=7, before={"first": "Jo"}, wanted={}),
            Entry(action="import", before={}, wanted={}, record={"plan": 1, "file": "list.csv"}),
        ]
    )
    who.reset(token)
    await book.journal.finish_all([replace(entry, state="done") for entry in begun])
    result = await session.call("list_changes")
    assert [change.get("who") for change in result.structured_content["changes"]] == [NAME, NAME, None]
    run, deletion, own, _ = text_of(result).splitlines()
    by = f", by {quoted(NAME)}: "
    assert (by in run, by in deletion, ", by " in own) == (True, True, False)


async def test_changes_are_told_in_both_forms(session: Session) -> None:
    first = await updated(session)
    await session.ok("undo_change", change_id=first.structured_content["change_id"])
    result = await session.call("list_changes")
    newest, oldest = result.structured_content["changes"]
    assert (newest["undoes"], oldest["undone_by"]) == (oldest["change_id"], newest["change_id"])
    lines = text_of(result).splitlines()
    assert lines[0].startswith(f"change {newest['change_id']}, ")
    assert f"takes back {oldest['change_id']}" in lines[0]
    assert f"taken back by {newest['change_id']}" in lines[1]
    assert 'Plan: "Gold" -> "Basic"' in lines[1]
    await assert_valid(session, "list_changes", result)


async def test_the_words_of_a_consent_are_told(session: Session) -> None:
    token = (await opt_in_to_be_confirmed(session)).structured_content["confirm_token"]
    await session.ok("update_contact", contact_id=SAM, is_opted_out=False, consent=CONSENT, confirm_token=token)
    assert f'consent given: "{CONSENT}"' in text_of(await session.call("list_changes"))


# What an answer may cost.


async def test_a_page_of_25_contacts_costs_less_than_2000_tokens(open_session: OpenSession) -> None:
    async with open_session(contacts=300) as session:
        cursor: dict[str, str] = {}
        for _ in range(12):
            result = await session.call("list_contacts", limit=25, **cursor)
            assert len(result.structured_content["contacts"]) == 25
            assert tokens(text_of(result)) < 2_000
            cursor = {"cursor": result.structured_content["next_cursor"]}


def fill_to_the_brim(store: Store, *, fields: int = 100, contacts: int = 1, **members: Any) -> list[int]:
    """Contacts with so many custom values of 10,000 characters, in a script whose letters take three bytes."""
    numbers = [store.add_field(f"Longest {number}") for number in range(fields)]
    custom = dict.fromkeys(numbers, "長" * 10_000)
    return [
        store.add_contact(phone=f"1510555{number:04}", first="Jo", custom=custom, **members)
        for number in range(2000, 2000 + contacts)
    ]


async def assert_short(result: CallToolResult) -> None:
    assert not result.is_error, text_of(result)
    assert tokens(text_of(result)) <= MOST
    assert tokens(result.structured_content) <= MOST


async def test_a_contact_too_long_to_be_read_is_cut_everywhere(session: Session) -> None:
    """A hundred custom values of 10,000 characters: every answer about it stays within 20,000 tokens,
    and keeps how to go on.
    """
    (longest,) = fill_to_the_brim(session.sandbox.store)
    await assert_short(await session.call("lookup_contact", contact_id=longest))
    await assert_short(await session.call("list_contacts", limit=100, detail="full"))
    changed = await session.call(
        "update_contact", contact_id=longest, clear=[f"Longest {number}" for number in range(100)]
    )
    await assert_short(changed)
    await assert_short(await session.call("list_changes"))
    asked = await session.call("delete_contact", contact_id=longest)
    await assert_short(asked)
    assert asked.structured_content["confirm_token"] in text_of(asked)
    await assert_short(
        await session.call(
            "delete_contact", contact_id=longest, confirm_token=asked.structured_content["confirm_token"]
        )
    )


async def test_fifty_contacts_with_one_email_are_cut_and_all_named(session: Session) -> None:
    ids = fill_to_the_brim(session.sandbox.store, fields=10, contacts=50, email="office@example.com")
    result = await session.call("lookup_contact", email="office@example.com")
    await assert_short(result)
    assert [contact["contact_id"] for contact in result.structured_content["contacts"]] == ids
    assert all(f"contact {contact_id} " in text_of(result) for contact_id in ids)


async def test_more_than_fifty_contacts_with_one_email_are_said_to_be_more(session: Session) -> None:
    fill_to_the_brim(session.sandbox.store, fields=1, contacts=53, email="office@example.com")
    result = await session.call("lookup_contact", email="office@example.com")
    assert result.structured_content["note_kinds"] == ["more_not_shown"]
    assert result.structured_content["notes"][0].startswith("3 ")
    await assert_short(result)


async def test_a_long_page_keeps_its_cursor(session: Session) -> None:
    fill_to_the_brim(session.sandbox.store, fields=20, contacts=30)
    result = await session.call("list_contacts", limit=25, detail="full")
    await assert_short(result)
    assert result.structured_content["next_cursor"] in text_of(result)
    assert len(result.structured_content["contacts"]) == 25


def test_of_a_text_that_cannot_be_made_short_the_middle_goes() -> None:
    """The last lines say how to go on: a cursor, a token, the notes."""
    lines = [f"{number} {'長' * 100}" for number in range(1000)]
    text = fitting.fitted(lambda _: (lines, contacts.FieldsResult(fields=[], total=0, notes=[]))).text
    shown = text.splitlines()
    assert tokens(text) <= MOST
    assert (shown[0], shown[-1]) == (lines[0], lines[-1])
    (mark,) = [line for line in shown if line.startswith("…")]
    assert mark == f"… ({len(lines) - len(shown) + 1} lines left out; ask for less) …"


async def test_a_value_that_did_not_stick_is_told_cut_and_harmless(session: Session) -> None:
    """A note quotes what was sent: 10,000 characters with an escape in them must not come back as they are."""
    await learn_of_a_field_that_goes(session)
    result = await session.call(
        "update_contact", contact_id=JORDAN, custom_fields={"Shoe Size": "\x1b[31m\n" + "x" * 9_000}, first="Jo"
    )
    facts = result.structured_content
    (note,) = [note for note, kind in zip(facts["notes"], facts["note_kinds"], strict=True) if kind == "not_kept"]
    assert len(note) < 600
    assert "\x1b" not in text_of(result)
    assert "\n" not in note


async def learn_of_a_field_that_goes(session: Session) -> None:
    """The server knows a field that somebody deletes in Heymarket: from then on its values are dropped silently."""
    gone = session.sandbox.store.add_field("Shoe Size")
    await session.ok("list_contact_fields")
    session.sandbox.store.remove("fields", gone)
