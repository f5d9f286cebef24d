"""Sessions as an assistant has them with an office manager, in both eras of the protocol.
They run on a sandbox in the process and over real HTTP.
"""

from __future__ import annotations

from typing import Any

import pytest
from support import Session

PHONE = "(510) 555-3344"
E164 = "+15105553344"
JORDAN, SAM = 1001, 1002  # of the seeded book; Sam is opted out


@pytest.fixture(params=["in process", "http"])
def wire(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def all_contacts(session: Session, **arguments: Any) -> list[dict[str, Any]]:
    """Every page, as an assistant would follow the cursor."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    for _ in range(40):
        page = await session.ok("list_contacts", **arguments, **cursor)
        found += page["contacts"]
        if not page["next_cursor"]:
            assert page["complete"] is True
            return found
        assert page["complete"] is False
        cursor = {"cursor": page["next_cursor"]}
    raise AssertionError("the list did not end")


async def test_an_office_managers_day(session: Session) -> None:
    """Everything the tools are for, one after the other, each answer checked against what is stored."""
    store = session.sandbox.store
    start = store.contacts()

    fields = await session.ok("list_contact_fields")
    assert {"field_id": 31, "name": "Plan"} in fields["fields"]
    assert len(fields["fields"]) == len(store.fields())

    # "Add Jordan Rivera, plan Premium": first with a phone that has a letter in it and a field that does not exist.
    assert (await session.refusal("create_contact", phone="(510) 555-33O4", first="Jordan"))["reason"] == "letters"
    misspelt = {"plam": "Premium"}
    assert (await session.refusal("create_contact", phone=PHONE, custom_fields=misspelt))["candidates"] == ["Plan"]
    assert store.contacts() == start

    created = await session.ok(
        "create_contact",
        phone=PHONE,
        first="Jo",
        last="Rivers",
        custom_fields={"plan": "Premium"},
        tags=["vip"],
        assignee="Priya Patel",
    )
    jo = created["contact"]["contact_id"]
    assert (created["status"], created["note_kinds"]) == ("created", ["assumed_country"])
    assert E164 in created["notes"][0]
    stored = store.contact(jo)
    names = {"phone": "15105553344", "first": "Jo", "last": "Rivers", "display_name": "Jo Rivers"}
    assert stored.items() >= (names | {"custom": {"31": "Premium"}, "tags": [101], "assigned_user_id": 502}).items()

    # "Add them again": nobody twice.
    again = await session.ok("create_contact", phone="510.555.3344", first="Joe")
    assert (again["status"], again["contact"]["contact_id"]) == ("exists", jo)
    assert "differs" in again["note_kinds"]
    assert len(store.contacts()) == len(start) + 1

    # "Who is that?", in three ways.
    for how in ({"contact_id": jo}, {"phone": E164}):
        assert (await session.ok("lookup_contact", **how))["contacts"] == [again["contact"]]
    by_email = await session.ok("lookup_contact", email="jordan.rivera@example.com")
    assert [contact["contact_id"] for contact in by_email["contacts"]] == [JORDAN]

    # "They went Gold, and it is Lead now rather than VIP."
    updated = await session.ok(
        "update_contact", phone=PHONE, custom_fields={"Plan": "Gold"}, add_tags=["lead"], remove_tags=["VIP"]
    )
    assert updated["status"] == "updated"
    assert updated["changes"] == [
        {"field": "tags", "before": ["VIP"], "after": ["Lead"]},
        {"field": "Plan", "before": "Premium", "after": "Gold"},
    ]
    stored = store.contact(jo)
    assert (stored["first"], stored["last"], stored["display_name"], stored["assigned_user_id"]) == (
        "Jo",
        "Rivers",
        "Jo Rivers",
        502,
    )
    assert (stored["custom"], stored["tags"]) == ({"31": "Gold"}, [102])
    assert (await session.ok("update_contact", contact_id=jo, first="Jo"))["status"] == "unchanged"

    # "Show me everybody", and "who is on Gold?"
    everybody = await all_contacts(session, limit=7)
    assert sorted(contact["contact_id"] for contact in everybody) == [record["id"] for record in store.contacts()]
    gold = await all_contacts(session, custom_fields={"Plan": "gold"})
    assert {contact["contact_id"] for contact in gold} == {
        record["id"] for record in store.contacts() if record["custom"].get("31") == "Gold"
    }

    # "Delete Jo": a look first.
    asked = await session.ok("delete_contact", phone=PHONE)
    assert asked["status"] == "needs_confirmation"
    assert store.contact(jo) is not None
    deleted = await session.ok("delete_contact", phone=PHONE, confirm_token=asked["confirm_token"])
    assert (deleted["status"], deleted["contact"]["contact_id"]) == ("deleted", jo)
    assert store.contact(jo) is None
    assert (await session.ok("lookup_contact", contact_id=jo))["found"] is False

    # "What did you do today?", "bring Jo back", and nobody else was touched.
    told = (await session.ok("list_changes"))["changes"]
    assert [(change["action"], change["state"]) for change in told] == [
        ("delete", "done"),
        ("update", "done"),
        ("create", "done"),
    ]
    undone = await session.ok("undo_change", change_id=deleted["change_id"])
    assert undone["status"] == "undone"
    back = store.contact(undone["contact"]["contact_id"])
    assert back["id"] != jo
    assert {name: back[name] for name in ("phone", "first", "custom", "tags", "assigned_user_id")} == {
        name: stored[name] for name in ("phone", "first", "custom", "tags", "assigned_user_id")
    }
    assert [record for record in store.contacts() if record["id"] != back["id"]] == start


async def test_an_update_is_taken_back_to_the_last_value(session: Session) -> None:
    before = session.sandbox.store.contact(JORDAN)
    changed = await session.ok(
        "update_contact",
        contact_id=JORDAN,
        first="Jo",
        custom_fields={"Plan": "Basic", "Region": "Oakland"},
        clear=["email"],
        tags=["Lead"],
    )
    await session.ok("undo_change", change_id=changed["change_id"])
    after = session.sandbox.store.contact(JORDAN)
    assert {**after, "rev": 0, "updated": ""} == {**before, "rev": 0, "updated": ""}


async def test_opting_in_again_takes_consent_and_a_confirmation(session: Session) -> None:
    refusal = await session.refusal("update_contact", contact_id=SAM, is_opted_out=False)
    assert refusal["kind"] == "consent_needed"
    change = {"contact_id": SAM, "is_opted_out": False, "consent": "Asked by phone on 2026-03-04"}
    asked = await session.ok("update_contact", **change)
    assert asked["status"] == "needs_confirmation"
    assert session.sandbox.store.contact(SAM)["is_opted_out"] is True
    done = await session.ok("update_contact", **change, confirm_token=asked["confirm_token"])
    assert done["status"] == "updated"
    assert session.sandbox.store.contact(SAM)["is_opted_out"] is False
    assert (await session.ok("list_changes"))["changes"][0]["consent"] == change["consent"]


async def test_a_token_is_good_for_what_was_shown_and_nothing_else(session: Session) -> None:
    token = (await session.ok("delete_contact", contact_id=JORDAN))["confirm_token"]
    for other in ({"contact_id": SAM}, {"contact_id": 1003}):
        answer = await session.ok("delete_contact", **other, confirm_token=token)
        assert answer["status"] == "needs_confirmation"
        assert answer["note_kinds"] == ["token_refused"]
    assert len(session.sandbox.store.contacts()) == 30


async def test_a_new_field_can_be_used_without_a_restart(session: Session) -> None:
    """Somebody adds a field in Heymarket while the assistant works. The list is fetched again on a miss."""
    session.sandbox.store.add_field("Shoe Size")
    updated = await session.ok("update_contact", contact_id=JORDAN, custom_fields={"shoe size": 42})
    assert updated["changes"] == [{"field": "Shoe Size", "before": "", "after": "42"}]


async def test_human_words_are_resolved_and_given_back(session: Session) -> None:
    updated = await session.ok(
        "update_contact",
        contact_id=SAM,
        custom_fields={
            "ete saison": "Hiver",
            "renewal-DATE": "2027-01-31",
            "field 37": "x",
            "NOTES (39)": "rings twice",
        },
        add_tags=["past due"],
        assignee="marco@example.com",
    )
    contact = updated["contact"]
    assert contact["custom_fields"] == {
        "Renewal Date": "2027-01-31",
        "field 37": "x",
        "notes (39)": "rings twice",
        "Été / Saison": "Hiver",
    }
    assert (contact["tags"], contact["assignee"]) == (["Past Due"], "Marco Rossi")


async def test_several_meanings_are_offered_and_none_is_chosen(session: Session) -> None:
    before = session.sandbox.store.contacts()
    refusal = await session.refusal("update_contact", contact_id=SAM, custom_fields={" N O T E S": "x"})
    assert refusal["candidates"] == ["Notes (38)", "notes (39)"]
    refusal = await session.refusal("update_contact", contact_id=SAM, assignee="Dana")
    assert refusal["candidates"] == ["Dana Lee (504)", "Dana Levy (505)"]
    assert session.sandbox.store.contacts() == before
