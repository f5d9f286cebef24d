"""The attacks on the design that once worked, each held off from now on.

Guards `contacts_mcp/book/writing/` and `contacts_mcp/book/confirmations.py`.
"""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from mcp_types import ElicitResult
from support import Backend, OpenStage, text_of

from contacts_mcp.sandbox import Behaviour, Fault
from contacts_mcp.state.journal import IN_FLIGHT

PHONE = "12125550142"


@pytest.fixture
def anyio_backend(hurried: Backend) -> Backend:
    return hurried


async def test_a_refused_second_try_is_looked_up_like_any_other(open_stage: OpenStage) -> None:
    """The refusal may be of what the first try has already done."""
    async with open_stage() as stage:
        stage.sandbox.behaviour = Behaviour(requests_per_minute=0, read_delay_writes=4, not_found="400")
        token = (await stage.ok("delete_contact", contact_id=stage.ADA))["confirm_token"]
        stage.sandbox.faults.add(Fault("delete_contact", "status_after"))
        await stage.call("delete_contact", contact_id=stage.ADA, confirm_token=token)
        assert stage.ADA not in stage.people()
        (change,) = (await stage.ok("list_changes"))["changes"]
        assert change["state"] != "not_done"


async def test_a_no_does_nothing_whatever_the_request_needs_by_then(open_stage: OpenStage) -> None:
    async def opted_in_elsewhere_then_no(*_: Any) -> ElicitResult:
        stage.sandbox.store.touch(stage.BEN, is_opted_out=False)
        await anyio.sleep(2)
        return ElicitResult(action="accept", content={"approve": False})

    async with open_stage(client={"elicitation_callback": opted_in_elsewhere_then_no}) as stage:
        answer = await stage.ok(
            "update_contact", contact_id=stage.BEN, is_opted_out=False, consent="By phone", first="Zed"
        )
        assert answer["status"] == "declined"
        assert stage.people()[stage.BEN]["first"] == "Ben"


async def test_the_question_names_everything_a_yes_would_change(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        asked = await stage.ok(
            "update_contact", contact_id=stage.BEN, is_opted_out=False, consent="By phone", first="Zed", clear=["last"]
        )
        assert "This also changes: first, last." in asked["question"]


async def test_one_consent_opts_in_one_number(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        refused = await stage.call(
            "update_contact", contact_id=stage.BEN, is_opted_out=False, consent="By phone", new_phone=f"+{PHONE}"
        )
        assert refused.is_error
        assert "consent is for one number" in text_of(refused)


async def test_a_colleagues_contact_is_not_claimed_by_a_lost_create(open_stage: OpenStage) -> None:
    async with open_stage() as stage:

        async def add_gil(request: Any) -> None:
            if request.url.path == "/v1/contact":
                stage.wire.after = None
                stage.sandbox.store.add_contact(phone=PHONE, first="Gil")

        stage.sandbox.faults.add(Fault("create_contact", "status"))
        stage.wire.after = add_gil
        result = await stage.call("create_contact", phone=f"+{PHONE}", first="Hal")
        assert result.structured_content["kind"] == "unknown_outcome"
        assert "contact 3 has this phone now" in text_of(result)
        (change,) = (await stage.ok("list_changes"))["changes"]
        assert change["state"] == "unknown"


@pytest.mark.parametrize(
    "behaviour",
    [
        {},
        {"sends_rev": False},
        {"sends_rev": False, "sends_updated": False},
    ],
    ids=["dated", "without-rev", "undated"],
)
async def test_an_opt_in_token_is_used_up_for_every_server_of_the_machine(
    open_stage: OpenStage, behaviour: dict[str, Any]
) -> None:
    """It cannot undo a later STOP, not even where the contact looks as it did when the token was given."""
    async with open_stage(behaviour=behaviour) as stage:
        deed = {"contact_id": stage.BEN, "is_opted_out": False, "consent": "By phone"}
        token = (await stage.ok("update_contact", **deed))["confirm_token"]
        await stage.ok("update_contact", **deed, confirm_token=token)
        await anyio.sleep(IN_FLIGHT)
        stage.sandbox.store.touch(stage.BEN, is_opted_out=True)
        stage.restart()
        again = await stage.ok("update_contact", **deed, confirm_token=token)
        assert (again["status"], again["note_kinds"]) == ("needs_confirmation", ["token_refused"])
        assert "the contact was changed since" in again["notes"][0]
        assert stage.people()[stage.BEN]["is_opted_out"] is True


@pytest.mark.parametrize(("name", "found"), [("Smith & Sons", 1), ("& Smith", 1), ("Smith 🙂", 1), ("Smyth", 0)])
async def test_signs_in_a_name_do_not_hide_its_words(open_stage: OpenStage, name: str, found: int) -> None:
    async with open_stage() as stage:
        stage.sandbox.store.add_contact(phone=PHONE, display_name="Smith & Sons")
        contacts = (await stage.ok("search_contacts", query=name))["contacts"]
        assert len([one for one in contacts if one["match"] == "sure"]) == found


@pytest.mark.parametrize(
    ("asked", "stored", "found"), [("A+", "A-", 0), ("1.5", "15", 0), ("a+", "A+", 1), ("San Jose", "San José", 1)]
)
async def test_signs_in_a_custom_value_count_and_accents_do_not(
    open_stage: OpenStage, asked: str, stored: str, found: int
) -> None:
    async with open_stage() as stage:
        stage.sandbox.store.add_contact(phone=PHONE, custom={"31": stored})
        assert len((await stage.ok("list_contacts", custom_fields={"Plan": asked}))["contacts"]) == found


async def test_tags_that_share_the_last_moment_of_a_page_are_all_known(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        for number in range(40):
            if number == 20:
                await anyio.sleep(2)
            stage.sandbox.store.add_tag(f"Made at once {number}")
        for number in range(40):
            await stage.ok("update_contact", contact_id=stage.ADA, tags=[f"Made at once {number}"])


async def test_a_deleted_contact_with_more_tags_than_are_allowed_comes_back_with_what_is(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        many = stage.sandbox.store.add_contact(phone=PHONE, first="Cleo", tags=[101, 102, 103, 104, 105, 106])
        token = (await stage.ok("delete_contact", contact_id=many))["confirm_token"]
        gone = await stage.ok("delete_contact", contact_id=many, confirm_token=token)
        back = await stage.ok("undo_change", change_id=gone["change_id"])
        assert back["status"] == "undone"
        assert any(note.startswith("Left out, because Heymarket would not take them: tags") for note in back["notes"])


async def test_an_opt_in_token_is_no_answer_to_a_delete(open_stage: OpenStage) -> None:
    async with open_stage() as stage:
        deed = {"contact_id": stage.BEN, "is_opted_out": False, "consent": "By phone"}
        token = (await stage.ok("update_contact", **deed))["confirm_token"]
        await stage.ok("update_contact", **deed, confirm_token=token)
        stage.sandbox.store.delete(stage.BEN)
        result = await stage.call("delete_contact", contact_id=stage.BEN, confirm_token=token)
        assert "No contact has the id" in text_of(result)
