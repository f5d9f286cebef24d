"""`find_duplicates` and `merge_contacts` through the real chain, in both protocol eras."""

from __future__ import annotations

from typing import Any

import pytest
from support import OpenSession, Session, text_of

JORDAN = 1001
HIDDEN = {"updated": "2025-01-01T00:00:00Z"}  # a change that a look at what is new does not show

Facts = dict[str, Any]


def doubled(session: Session, **members: Any) -> int:
    person = {"phone": "15105557001", "first": "Jordan", "last": "Rivera", "email": "jordan.rivera@example.com"}
    known = {"created": "2026-01-01T00:00:00Z", "updated": "2026-01-01T00:00:00Z"}
    return int(session.sandbox.store.add_contact(**person | members | known))


def sets(facts: Facts) -> list[set[int]]:
    return [{one["contact_id"] for one in each["contacts"]} for each in facts["sets"]]


async def test_a_book_without_doubles_says_so(session: Session) -> None:
    facts = await session.ok("find_duplicates")
    assert (facts["sets"], facts["total"], facts["complete"]) == ([], 0, True)


@pytest.mark.parametrize(
    "members",
    [{}, {"first": "Jordn"}, {"email": "Jordan.Rivera+old@example.com"}, {"first": "Rivera", "last": "Jordan"}],
    ids=str,
)
async def test_a_sure_double_is_found_with_the_evidence(session: Session, members: dict[str, Any]) -> None:
    other = doubled(session, **members)
    result = await session.call("find_duplicates")
    facts = result.structured_content
    assert sets(facts) == [{JORDAN, other}]
    assert all("created" in one for one in facts["sets"][0]["contacts"])  # as its line says
    assert (facts["total"], facts["contacts"]) == (1, 2)
    assert "e-mail" in facts["sets"][0]["why"]
    assert facts["sets"][0]["why"] in text_of(result)


async def test_pages_give_every_set_once(session: Session) -> None:
    for number in range(7):
        for phone in (1, 2):
            doubled(
                session,
                phone=f"151055580{number}{phone}",
                first="Quentin",
                last=f"Marlow{'abcdefg'[number] * 4}",
                email=f"q{number}@example.org",
            )
    at_once = sets(await session.ok("find_duplicates", limit=50))
    found, cursor = [], {}
    while True:
        facts = await session.ok("find_duplicates", limit=2, **cursor)
        found += sets(facts)
        if not facts["next_cursor"]:
            break
        cursor = {"cursor": facts["next_cursor"]}
    assert found == at_once
    assert len(found) == facts["total"] == 7


async def test_a_set_that_was_changed_unseen_is_left_out_and_told(session: Session) -> None:
    other = doubled(session)
    await session.ok("search_contacts")
    session.sandbox.store.touch(other, first="Kim", last="Lee", email="", **HIDDEN)
    facts = await session.ok("find_duplicates")
    assert (facts["sets"], facts["note_kinds"]) == ([], ["changed_meanwhile"])
    assert (await session.ok("find_duplicates"))["total"] == 0


@pytest.mark.parametrize("cursor", ["x", "WyJzdXJlIl0", "5", "WyJzdXJlIixbMSxbSW5maW5pdHldXV0", "W1tb" * 496])
async def test_a_made_up_cursor_is_refused(session: Session, cursor: str) -> None:
    assert (await session.refusal("find_duplicates", cursor=cursor))["argument"] == "cursor"


async def test_without_an_index_it_says_what_it_needs(open_session: OpenSession, era: str) -> None:
    async with open_session(mode=era, index="off") as session:
        refusal = await session.refusal("find_duplicates")
        assert "needs the local index" in refusal["message"]


# Merging.


async def test_a_merge_shows_its_plan_then_does_it_and_is_taken_back(session: Session) -> None:
    other = doubled(session, custom={"33": "Oakland"}, tags=[102])
    (found,) = (await session.ok("find_duplicates"))["sets"]
    keep, others = JORDAN, [one["contact_id"] for one in found["contacts"] if one["contact_id"] != JORDAN]
    result = await session.call("merge_contacts", keep=keep, others=others)
    plan = result.structured_content
    assert plan["status"] == "needs_confirmation"
    assert {"field": "Region", "value": "Oakland", "from": other} in plan["sources"]
    assert [loss["field"] for loss in plan["losses"]] == ["phone"]
    assert plan["question"] in text_of(result)
    assert session.sandbox.store.contact(other) is not None
    done = await session.ok("merge_contacts", keep=keep, others=others, confirm_token=plan["confirm_token"])
    kept = session.sandbox.store.contact(JORDAN)
    assert (done["status"], session.sandbox.store.contact(other)) == ("merged", None)
    assert (kept["custom"]["33"], sorted(kept["tags"])) == ("Oakland", [101, 102])
    assert sets(await session.ok("find_duplicates")) == []
    undone = await session.ok("undo_change", change_id=done["change_id"])
    if undone["status"] == "needs_confirmation":
        undone = await session.ok("undo_change", change_id=done["change_id"], confirm_token=undone["confirm_token"])
    assert undone["status"] == "undone"
    assert "33" not in session.sandbox.store.contact(JORDAN)["custom"]
    assert session.sandbox.store.contact_by_phone("15105557001") is not None


async def test_a_token_of_another_merge_permits_nothing(session: Session) -> None:
    other = doubled(session)
    token = (await session.ok("merge_contacts", keep=JORDAN, others=[other]))["confirm_token"]
    facts = await session.ok("merge_contacts", keep=JORDAN, others=[other, 1002], confirm_token=token)
    assert facts["status"] == "needs_confirmation"
    assert session.sandbox.store.contact(other) is not None


@pytest.mark.parametrize("others", [[JORDAN], [JORDAN, 1002], []], ids=str)
async def test_a_contact_is_not_merged_into_itself(session: Session, others: list[int]) -> None:
    await session.refusal("merge_contacts", keep=JORDAN, others=others)
    assert session.sandbox.store.contact(1002) is not None
