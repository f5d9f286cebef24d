"""A full name alone says who is meant, in both protocol eras: exactly one contact, or nobody is touched."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from support import OpenSession, Session, text_of

JORDAN, COHEN = 1001, 1004
CHANGE: dict[str, Any] = {"custom_fields": {"Plan": "Silver"}}

# The three tools that take a name, each with the rest of a call.
TOOLS: dict[str, dict[str, Any]] = {"lookup_contact": {}, "update_contact": CHANGE, "delete_contact": {}}
WRITING = ["update_contact", "delete_contact"]


def another(session: Session, **members: Any) -> int:
    known = {"created": "2026-01-01T00:00:00Z", "updated": "2026-01-01T00:00:00Z"}
    return int(session.sandbox.store.add_contact(**{"phone": "15105557001"} | members | known))


@pytest.mark.parametrize("name", ["Jordan Rivera", "jordan RIVERA", "Rivera, Jordan", "Mr. Jordan Rivera"])
async def test_one_contact_of_that_full_name_is_changed_in_one_call(session: Session, name: str) -> None:
    facts = await session.ok("update_contact", name=name, **CHANGE)
    assert (facts["status"], facts["contact"]["contact_id"]) == ("updated", JORDAN)
    assert session.sandbox.store.contact(JORDAN)["custom"]["31"] == "Silver"


async def test_one_contact_of_that_full_name_is_looked_up(session: Session) -> None:
    (found,) = (await session.ok("lookup_contact", name="Zoe Diallo"))["contacts"]
    assert (found["contact_id"], found["custom_fields"]["Plan"]) == (1005, "Gold")


@pytest.mark.parametrize("confirm", ["auto", "off"])
async def test_a_deletion_by_name_is_always_asked(open_session: OpenSession, era: str, confirm: str) -> None:
    async with open_session(mode=era, confirm=confirm) as session:
        asked = await session.ok("delete_contact", name="Jordan Rivera")
        assert asked["status"] == "needs_confirmation"
        assert session.sandbox.store.contact(JORDAN) is not None
        done = await session.ok("delete_contact", name="Jordan Rivera", confirm_token=asked["confirm_token"])
        assert (done["status"], session.sandbox.store.contact(JORDAN)) == ("deleted", None)


async def test_a_deletion_by_id_is_not_asked_where_nothing_is_confirmed(open_session: OpenSession, era: str) -> None:
    async with open_session(mode=era, confirm="off") as session:
        assert (await session.ok("delete_contact", contact_id=JORDAN, name="Jordan"))["status"] == "deleted"


# Several, near ones, nobody.


@pytest.mark.parametrize("tool", WRITING)
async def test_several_of_one_name_are_offered_with_what_distinguishes_them(session: Session, tool: str) -> None:
    second = another(session, first="Jordan", last="Rivera", email="jr@example.org", custom={"31": "Basic"})
    refusal = await session.refusal(tool, name="Jordan Rivera", **TOOLS[tool])
    message = refusal["message"]
    assert refusal["kind"] == "several_of_that_name"
    assert f"contact {JORDAN} " in message
    assert f"contact {second} " in message
    assert all(told in message for told in ("+15105550100", "+15105557001", "jr@example.org"))
    assert "Nothing was changed." in message
    assert tool not in session.operations


async def test_several_of_one_name_are_all_looked_up(session: Session) -> None:
    second = another(session, display_name="Jordan Rivera")
    facts = await session.ok("lookup_contact", name="Jordan Rivera")
    assert {one["contact_id"] for one in facts["contacts"]} == {JORDAN, second}
    assert facts["note_kinds"] == ["several_of_that_name"]


NEAR = {
    "misspelled": "Jordn Rivera",
    "a part": "Jordan",
    "a nickname": "Mike Cohen",
    "another last name": "Jordan Riveri",
}


@pytest.mark.parametrize("tool", WRITING)
@pytest.mark.parametrize("name", NEAR.values(), ids=NEAR)
async def test_a_near_name_is_offered_and_never_taken(session: Session, tool: str, name: str) -> None:
    before = session.sandbox.store.contacts()
    refusal = await session.refusal(tool, name=name, **TOOLS[tool])
    assert refusal["kind"] == "nobody_of_that_name"
    assert f"contact {COHEN if 'Cohen' in name else JORDAN} " in refusal["message"]
    assert session.sandbox.store.contacts() == before


# A name as said, and the name that is in the book.
OTHERS = {
    "a father": ("Martin King Sr.", ("Martin", "King Jr.")),
    "a name that the index takes for it": ("Rafal Kowalski", ("Rafael", "Kowalski")),
    "the same letters": ("Ann Abell", ("Anna", "Bell")),
}


@pytest.mark.parametrize("tool", WRITING)
@pytest.mark.parametrize(("said", "names"), OTHERS.values(), ids=OTHERS)
async def test_a_name_of_somebody_else_is_offered_and_never_taken(
    session: Session, tool: str, said: str, names: tuple[str, str]
) -> None:
    other = another(session, first=names[0], last=names[1])
    refusal = await session.refusal(tool, name=said, **TOOLS[tool])
    assert refusal["kind"] == "nobody_of_that_name"
    assert f"contact {other} " in refusal["message"]


async def test_a_son_is_told_from_his_father(session: Session) -> None:
    another(session, first="Martin", last="King Sr.")
    son = another(session, phone="15105557002", first="Martin", last="King Jr.")
    assert (await session.ok("update_contact", name="Martin King Jr", **CHANGE))["contact"]["contact_id"] == son


@pytest.mark.parametrize(
    ("said", "first", "last"), [("橋本桃子", "桃子", "橋本"), ("Anne Delacruz", "Anne", "de la Cruz")]
)
async def test_a_full_name_may_have_other_blanks(session: Session, said: str, first: str, last: str) -> None:
    meant = another(session, first=first, last=last)
    assert (await session.ok("update_contact", name=said, **CHANGE))["contact"]["contact_id"] == meant


async def test_a_near_name_is_offered_by_a_look_up(session: Session) -> None:
    facts = await session.ok("lookup_contact", name="Jordn Rivera")
    assert (facts["found"], facts["note_kinds"]) == (False, ["not_found", "nearest_names"])
    assert "contact 1001" in facts["notes"][1]


@pytest.mark.parametrize("tool", WRITING)
async def test_a_name_that_nobody_has_is_refused(session: Session, tool: str) -> None:
    refusal = await session.refusal(tool, name="Quentin Zzyzx", **TOOLS[tool])
    assert refusal["kind"] == "nobody_of_that_name"
    assert 'Nobody is called "Quentin Zzyzx".' in refusal["message"]


@pytest.mark.parametrize("name", ["555", "!", "12 34"])
@pytest.mark.parametrize("tool", TOOLS)
async def test_a_text_without_letters_is_no_name(session: Session, tool: str, name: str) -> None:
    assert (await session.refusal(tool, name=name, **TOOLS[tool]))["argument"] == "name"


# The mirror is not enough: the service confirms.

HIDDEN = {"updated": "2025-01-01T00:00:00Z"}  # a change that a look at what is new does not show


@pytest.mark.parametrize("tool", WRITING)
async def test_a_contact_that_was_renamed_unseen_is_not_taken(session: Session, tool: str) -> None:
    await session.ok("search_contacts")
    session.sandbox.store.touch(JORDAN, first="Kim", last="Lee", display_name="", **HIDDEN)
    refusal = await session.refusal(tool, name="Jordan Rivera", **TOOLS[tool])
    assert refusal["kind"] == "nobody_of_that_name"
    assert tool not in session.operations


@pytest.mark.parametrize("tool", WRITING)
async def test_a_contact_that_was_deleted_elsewhere_is_not_taken(session: Session, tool: str) -> None:
    await session.ok("search_contacts")
    session.sandbox.store.delete(JORDAN)
    assert (await session.refusal(tool, name="Jordan Rivera", **TOOLS[tool]))["kind"] == "nobody_of_that_name"


async def test_a_namesake_that_was_added_a_moment_ago_is_seen(session: Session) -> None:
    await session.ok("search_contacts")
    session.sandbox.store.add_contact(phone="15105557002", first="Jordan", last="Rivera")
    refusal = await session.refusal("update_contact", name="Jordan Rivera", **CHANGE)
    assert refusal["kind"] == "several_of_that_name"


async def test_a_name_decides_nothing_while_the_mirror_is_partial(open_session: OpenSession, era: str) -> None:
    async with open_session(mode=era, contacts=400) as session:
        given = 0

        async def step_in(request: httpx.Request) -> None:
            nonlocal given
            is_page = request.url.path.endswith("/v1/contacts")
            session.wire.answer = (403, "") if is_page and given >= 7 else None
            given += is_page

        session.wire.before = step_in
        newest = max(session.sandbox.store.contacts(), key=lambda one: one["updated"])
        name = f"{newest['first']} {newest['last']}"
        for called, kind in ((name, "name_not_certain"), ("Quentin Zzyzx", "nobody_of_that_name")):
            refusal = await session.refusal("update_contact", name=called, **CHANGE)
            assert refusal["kind"] == kind
            assert "so far" in refusal["message"]
        looked = await session.call("lookup_contact", name="Quentin Zzyzx")
        assert "Nobody found so far" in text_of(looked)
        assert session.sandbox.store.contact(newest["id"])["custom"] == newest["custom"]


async def test_without_an_index_a_name_alone_is_told_the_way(open_session: OpenSession, era: str) -> None:
    async with open_session(mode=era, index="off") as session:
        for tool, others in TOOLS.items():
            refusal = await session.refusal(tool, name="Jordan Rivera", **others)
            assert (refusal["kind"], refusal["argument"]) == ("invalid_argument", "name")
            assert "search_contacts" in refusal["message"]


async def test_a_name_beside_an_id_or_a_phone_is_a_check_and_needs_no_mirror(session: Session) -> None:
    assert (await session.refusal("update_contact", contact_id=JORDAN, name="Sam", **CHANGE))["kind"] == "name_mismatch"
    await session.ok("update_contact", phone="510 555 0100", name="Jordan", **CHANGE)
    assert "list_contacts" not in session.operations


async def test_everyone_is_the_name_of_nobody_and_near_to_nobody(session: Session) -> None:
    facts = await session.refusal("update_contact", name="everyone", email="all@example.org")
    assert facts["message"].startswith('Nobody is called "everyone". Nothing was changed.')


async def test_a_phone_that_two_contacts_have_says_of_nobody_that_they_are_meant(session: Session) -> None:
    twin = another(session, phone="15105550100", first="Joan", last="Rivera")
    await session.ok("search_contacts", query="Joan")  # the index knows both
    for tool in WRITING:
        told = await session.refusal(tool, phone="510 555 0100", **TOOLS[tool])
        assert told["kind"] == "several_of_that_phone"
        assert f'contact {JORDAN} "Jordan Rivera"' in told["message"]
        assert f'contact {twin} "Joan Rivera"' in told["message"]
    for tool, given in (("lookup_contact", {"phone": "510 555 0100"}), ("search_contacts", {"query": "510 555 0100"})):
        found = await session.ok(tool, **given)
        assert {one["contact_id"] for one in found["contacts"]} == {JORDAN, twin}, tool
    assert (await session.ok("update_contact", contact_id=twin, email="joan@example.org"))["status"] == "updated"
    session.sandbox.store.touch(twin, phone="15105557009")
    assert (await session.ok("update_contact", phone="510 555 0100", **CHANGE))["status"] == "updated"
