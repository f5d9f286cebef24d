"""The words of `list_changes` and `undo_change`, where a change of their rules would otherwise pass unnoticed.

Guards `contacts_mcp/book/history/`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import anyio
import httpx
import pytest
from support import Backend, OpenStage, Stage, text_of

from contacts_mcp.book.values import values_of
from contacts_mcp.sandbox import Fault
from contacts_mcp.state.journal import IN_FLIGHT, Entry


@pytest.fixture
def anyio_backend(hurried: Backend) -> Backend:
    return hurried


async def ada_changed(stage: Stage, **changed: Any) -> int:
    """An entry of a change of Ada's first name. The members in `changed` differed afterwards too, although unasked."""
    book = await stage.book()
    contact = await book.api.get_contact(stage.ADA)
    before = values_of(contact)
    wanted = before | {"first": "Grace"}
    begun = await book.journal.begin(
        Entry(action="update", contact_id=stage.ADA, before=before, wanted=wanted, rev_before=contact.rev)
    )
    stage.sandbox.store.touch(stage.ADA, first="Grace", **changed)
    await book.journal.finish(replace(begun, state="done", after=wanted | changed, rev_after=contact.rev + 1))
    return int(begun.change_id)


async def listed(stage: Stage, change_id: int) -> dict[str, Any]:
    changes = (await stage.ok("list_changes", limit=50))["changes"]
    return next(entry for entry in changes if entry["change_id"] == change_id)


async def test_what_changed_unasked_is_neither_listed_as_our_change_nor_taken_back(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        change_id = await ada_changed(stage, last="Else")
        assert (await listed(stage, change_id))["changes"] == [{"field": "first", "before": "Ada", "after": "Grace"}]
        assert (await stage.ok("undo_change", change_id=change_id))["status"] == "undone"
        person = stage.people()[stage.ADA]
        assert (person["first"], person["last"]) == ("Ada", "Else")


async def test_a_change_that_was_not_carried_out_is_listed_with_what_was_wanted(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        stage.sandbox.faults.add(Fault("update_contact", "status", times=2))
        await stage.call("update_contact", contact_id=stage.ADA, first="Grace")
        (entry,) = (await stage.ok("list_changes"))["changes"]
        assert entry["state"] == "unknown"
        assert entry["changes"] == [{"field": "first", "before": "Ada", "after": "Grace"}]
        await anyio.sleep(IN_FLIGHT)
        (entry,) = (await stage.ok("list_changes"))["changes"]
        assert entry["state"] == "not_done"
        assert entry["changes"] == [{"field": "first", "before": "Ada", "after": "Grace"}]


async def test_what_did_not_stick_is_not_listed_as_changed_and_leaves_nothing_to_take_back(
    open_stage: OpenStage,
) -> None:
    async with open_stage() as stage:
        await stage.fresh(clears_with="neither")
        change_id = (await stage.ok("update_contact", contact_id=stage.ADA, clear=["email"]))["change_id"]
        assert "changes" not in await listed(stage, change_id)
        facts = await stage.ok("undo_change", change_id=change_id)
        assert facts["status"] == "unchanged"
        assert facts["contact"]["contact_id"] == stage.ADA
        assert facts["notes"] == [f"Change {change_id} left nothing that could be taken back; nothing was sent."]


async def test_an_opt_out_alone_is_left_with_its_reason_and_the_contact_is_shown(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        change_id = (await stage.ok("update_contact", contact_id=stage.ADA, is_opted_out=True))["change_id"]
        facts = await stage.ok("undo_change", change_id=change_id)
        assert facts["contact"]["is_opted_out"] is True
        assert facts["notes"] == [
            "The opt-out was left as it is: nobody is opted in by an undo. To opt in, use update_contact with consent.",
            "Nothing was sent.",
        ]


@pytest.mark.parametrize("since", [{}, {"is_opted_out": True}])
@pytest.mark.parametrize("who", ["ADA", "BEN"])
async def test_an_opt_out_is_mentioned_only_where_the_change_opted_out(
    open_stage: OpenStage, who: str, since: dict[str, Any]
) -> None:
    async with open_stage() as stage:
        contact_id = getattr(stage, who)
        change_id = (await stage.ok("update_contact", contact_id=contact_id, email="new@example.com"))["change_id"]
        stage.sandbox.store.touch(contact_id, **since)
        facts = await stage.ok("undo_change", change_id=change_id)
        assert (facts["status"], facts["notes"]) == ("undone", [])


async def test_a_deletion_that_was_taken_back_says_by_what_and_what_came_back(open_stage: OpenStage) -> None:
    async with open_stage(confirm="off") as stage:
        stage.sandbox.store.touch(stage.ADA, email="", tags=[])
        deleted = (await stage.ok("delete_contact", contact_id=stage.ADA))["change_id"]
        facts = await stage.ok("undo_change", change_id=deleted)
        new_id = facts["contact"]["contact_id"]
        assert facts["change_id"] == deleted + 1
        names = [change["field"] for change in facts["changes"]]
        assert sorted(names) == ["Plan", "Region", "assignee", "display_name", "first", "last", "phone"]
        assert facts["notes"] == [
            (
                f"The contact was created again and has a new id: {new_id} (it was {stage.ADA}). "
                "Its conversation and the day on which it was first created cannot be brought back."
            )
        ]
        assert (await listed(stage, deleted))["undone_by"] == deleted + 1
        again = await stage.ok("undo_change", change_id=deleted)
        assert again["notes"] == [f"Change {deleted} was taken back already, by change {deleted + 1}."]


async def test_why_a_contact_comes_back_opted_out_is_said(open_stage: OpenStage) -> None:
    async with open_stage(confirm="off") as stage:
        deleted = (await stage.ok("delete_contact", contact_id=stage.BEN))["change_id"]
        facts = await stage.ok("undo_change", change_id=deleted)
        assert facts["note_kinds"] == ["created_again", "arrived_opted_out"]
        assert f"had +15105550102 before was opted out of texts (change {deleted})" in facts["notes"][1]

        await stage.fresh(sends_opt_out=False)
        deleted = (await stage.ok("delete_contact", contact_id=stage.ADA))["change_id"]
        facts = await stage.ok("undo_change", change_id=deleted)
        assert facts["note_kinds"] == ["created_again", "arrived_opted_out", "not_shown"]
        assert f"had +15105550101 before may have been opted out of texts (change {deleted})" in facts["notes"][1]
        assert "was sent as opted out" in facts["notes"][1]

        await stage.fresh()
        deleted = (await stage.ok("delete_contact", contact_id=stage.ADA))["change_id"]
        later = stage.sandbox.store.add_contact(phone="15105550101", is_opted_out=True)
        since = (await stage.ok("delete_contact", contact_id=later))["change_id"]
        facts = await stage.ok("undo_change", change_id=deleted)
        assert facts["note_kinds"] == ["created_again", "arrived_opted_out"]
        assert f"had +15105550101 before was opted out of texts (change {since})" in facts["notes"][1]


async def test_no_sentence_says_that_a_contact_is_opted_out_where_it_is_not(open_stage: OpenStage) -> None:
    """The service took the opt-out and did not keep it."""
    async with open_stage(confirm="off") as stage:
        deleted = (await stage.ok("delete_contact", contact_id=stage.BEN))["change_id"]

        async def opted_in_elsewhere(request: httpx.Request) -> None:
            if request.url.path == "/v1/contact":
                stage.sandbox.store.touch(3, is_opted_out=False)

        stage.wire.after = opted_in_elsewhere
        facts = await stage.ok("undo_change", change_id=deleted)
        assert facts["contact"]["is_opted_out"] is False
        assert "suppression_lost" in facts["note_kinds"]
        assert "arrived_opted_out" not in facts["note_kinds"]
        assert not any("is opted out" in note for note in facts["notes"])


async def test_a_contact_without_a_phone_cannot_come_back(open_stage: OpenStage) -> None:
    async with open_stage(confirm="off") as stage:
        stage.sandbox.store.touch(stage.ADA, phone="")
        deleted = (await stage.ok("delete_contact", contact_id=stage.ADA))["change_id"]
        said = text_of(await stage.call("undo_change", change_id=deleted))
        assert said == (
            "The deleted contact had no phone, and Heymarket creates none without. "
            "Its data are in the answer of list_changes."
        )


async def test_several_fields_that_were_changed_since_are_each_shown(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        change = {"first": "Grace", "tags": ["Lead"]}
        change_id = (await stage.ok("update_contact", contact_id=stage.ADA, **change))["change_id"]
        stage.sandbox.store.touch(stage.ADA, first="Else", tags=[103, 104])
        result = await stage.call("undo_change", change_id=change_id)
        assert result.structured_content["kind"] == "change_moved"
        assert text_of(result) == (
            f"Change {change_id} was not taken back, because the contact was changed since: "
            'first was left as "Grace" and is "Else"; tags was left as "Lead" and is "Newsletter", "Past Due". '
            "Decide with the person what it should be now."
        )


async def test_a_change_that_is_not_there_is_named(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        assert text_of(await stage.call("undo_change", change_id=999)).startswith(
            "There is no change 999 in the journal"
        )


async def test_as_many_changes_are_listed_as_are_asked_for(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        for number in range(30):
            await stage.ok("update_contact", contact_id=stage.ADA, first=f"Name {number}")
        assert len((await stage.ok("list_changes", limit=29))["changes"]) == 29
        assert len((await stage.ok("list_changes", limit=30))["changes"]) == 30


async def test_a_create_found_by_looking_knows_its_contact(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        book = await stage.book()
        begun = await book.journal.begin(
            Entry(action="create", before={}, wanted={"phone": "12125550142", "first": "Cleo"})
        )
        contact_id = stage.sandbox.store.add_contact(phone="12125550142", first="Cleo", rev=3)
        await anyio.sleep(IN_FLIGHT + 1)
        await stage.ok("list_changes")
        found = await book.journal.get(begun.change_id)
        assert (found.state, found.contact_id, found.rev_after) == ("done", contact_id, 3)
        assert "may have been there before" in text_of(await stage.call("undo_change", change_id=begun.change_id))
