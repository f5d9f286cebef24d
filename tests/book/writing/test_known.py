"""The profile of an account: fewer requests where the service is known, and no harm where the profile is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from known import figures
from mcp_types import CallToolResult
from support import HURRIED, Backend, text_of
from support.closers import all_closed
from support.probing import probed
from support.session import OpenSession

from contacts_mcp.book.writing.known import first_way_to_clear, other_way_to_clear
from contacts_mcp.sandbox import Behaviour, Fault, Intervention, Sandbox, open_sandbox
from contacts_mcp.state.profile import Profile, Seen

ADA = {"phone": "15105550101", "first": "Ada", "last": "Example", "email": "ada@example.com"}


@pytest.fixture
def anyio_backend() -> Backend:
    return HURRIED


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    with all_closed(globals(), "open_sandbox"):
        yield


def note_kinds(answer: CallToolResult) -> list[str]:
    return (answer.structured_content or {}).get("note_kinds", [])


def account(**behaviour: object) -> tuple[Sandbox, int]:
    sandbox = open_sandbox(behaviour=Behaviour(**{"requests_per_minute": 0} | behaviour), contacts=3)
    return sandbox, sandbox.store.add_contact(**ADA)


async def test_a_text_is_cleared_in_one_write_where_the_service_wants_null(
    open_session: OpenSession, tmp_path: Path
) -> None:
    needed = []
    for is_known in (False, True):
        sandbox, ada = account(clears_with="null")
        if is_known:
            await probed(sandbox, tmp_path / "known")
        place = tmp_path / ("known" if is_known else "new")
        async with open_session(sandbox=sandbox, data_dir=place) as session:
            answer = await session.call("update_contact", contact_id=ada, clear=["email"])
            needed.append(session.operations)
        assert not answer.is_error
        assert sandbox.store.contact(ada)["email"] == ""
    assert [one.count("update_contact") for one in needed] == [2, 1]
    assert len(needed[1]) < len(needed[0])


async def test_a_service_that_clears_nothing_is_not_asked_twice(open_session: OpenSession, tmp_path: Path) -> None:
    sandbox, ada = account(clears_with="neither")
    await probed(sandbox, tmp_path / "data")
    async with open_session(sandbox=sandbox) as session:
        answer = await session.call("update_contact", contact_id=ada, clear=["email"])
        assert "not_cleared" in note_kinds(answer)
        assert session.operations.count("update_contact") == 1


async def test_a_profile_that_is_wrong_about_clearing_is_distrusted_at_once_and_told(
    open_session: OpenSession, tmp_path: Path
) -> None:
    sandbox, ada = account(clears_with="empty")
    await probed(sandbox, tmp_path / "data")
    sandbox.behaviour = Behaviour(requests_per_minute=0, clears_with="both")
    async with open_session(sandbox=sandbox) as session:
        book = await session.workspace.book()
        book.profile.learn({"clear_empty": Seen("does nothing"), "clear_null": Seen("empties")})
        sandbox.behaviour = Behaviour(requests_per_minute=0, clears_with="empty")
        answer = await session.call("update_contact", contact_id=ada, clear=["email"])
        assert "profile_distrusted" in note_kinds(answer)
        assert book.profile.position("clear_null") == ""
        assert book.profile.lines["clear_null"].distrusted == "empties"
        again = await session.call("update_contact", contact_id=ada, clear=["last"])
        assert "profile_distrusted" not in note_kinds(again)
    assert sandbox.store.contact(ada)["last"] == ""


async def test_names_are_left_out_where_they_are_known_to_stay(open_session: OpenSession, tmp_path: Path) -> None:
    sandbox, ada = account(put_without_names="keep")
    await probed(sandbox, tmp_path / "data")
    async with open_session(sandbox=sandbox) as session:
        await session.call("update_contact", contact_id=ada, email="new@example.com")
        (body,) = [request.body for request in sandbox.requests if request.operation == "update_contact"]
        assert body == {"phone": ADA["phone"], "email": "new@example.com"}
    assert sandbox.store.contact(ada)["first"] == "Ada"


async def test_names_that_do_not_stay_are_given_back_and_the_line_is_distrusted(
    open_session: OpenSession, tmp_path: Path
) -> None:
    sandbox, ada = account(put_without_names="keep")
    await probed(sandbox, tmp_path / "data")
    sandbox.behaviour = Behaviour(requests_per_minute=0, put_without_names="blank")
    async with open_session(sandbox=sandbox) as session:
        answer = await session.call("update_contact", contact_id=ada, email="new@example.com")
        assert "profile_distrusted" in note_kinds(answer)
        assert (await session.workspace.book()).profile.position("put_names") == ""
    row = sandbox.store.contact(ada)
    assert (row["first"], row["last"], row["email"]) == ("Ada", "Example", "new@example.com")


@pytest.mark.parametrize("sends_rev", [True, False])
async def test_a_name_that_somebody_else_gave_at_the_same_moment_stays(
    open_session: OpenSession, tmp_path: Path, *, sends_rev: bool
) -> None:
    """Nothing contradicts the profile, and nothing was set back."""
    sandbox, ada = account(put_without_names="keep", sends_rev=sends_rev)
    await probed(sandbox, tmp_path / "data")
    async with open_session(sandbox=sandbox) as session:
        sandbox.interventions.add(Intervention("edit", "update_contact", contact_id=ada, members={"last": "Other"}))
        answer = await session.call("update_contact", contact_id=ada, email="new@example.com")
        assert session.operations.count("update_contact") == 1
        assert "profile_distrusted" not in note_kinds(answer)
        assert "disturbed" in note_kinds(answer)
        assert "sent phone, first" not in text_of(answer)
        assert (await session.workspace.book()).profile.position("put_names") == "kept"
    row = sandbox.store.contact(ada)
    assert (row["first"], row["last"], row["email"]) == ("Ada", "Other", "new@example.com")


async def test_names_are_given_back_before_anything_else_is_tried(open_session: OpenSession, tmp_path: Path) -> None:
    """The second way to clear gets no answer, which ends the call."""
    sandbox, ada = account(put_without_names="keep")
    await probed(sandbox, tmp_path / "data")
    sandbox.behaviour = Behaviour(requests_per_minute=0, put_without_names="blank", clears_with="null")
    async with open_session(sandbox=sandbox) as session:
        book = await session.workspace.book()
        book.profile.distrust("clear_empty", "for this test")
        sandbox.faults.add(Fault("update_contact", "drop_before", skip=2, times=-1))
        answer = await session.call("update_contact", contact_id=ada, clear=["email"])
        assert answer.is_error
    row = sandbox.store.contact(ada)
    assert (row["first"], row["last"]) == ("Ada", "Example")


@pytest.mark.parametrize("line", ["put_names", "clear_null"])
async def test_a_way_that_the_service_refuses_by_now_is_distrusted_and_the_usual_one_is_taken(
    line: str, open_session: OpenSession, tmp_path: Path
) -> None:
    sandbox, ada = account(put_without_names="keep", clears_with="null" if line == "clear_null" else "both")
    await probed(sandbox, tmp_path / "data")
    sandbox.behaviour = Behaviour(requests_per_minute=0, put_without_names="keep")
    async with open_session(sandbox=sandbox) as session:
        profile = (await session.workspace.book()).profile
        if line == "clear_null":
            profile.distrust("put_names", "for this test")
        profile.news()
        sandbox.faults.add(Fault("update_contact", "status", status=400))
        answer = await session.call("update_contact", contact_id=ada, clear=["email"])
        assert not answer.is_error
        assert "profile_distrusted" in note_kinds(answer)
        assert session.operations.count("update_contact") == 2
        assert profile.position(line) == ""
    assert sandbox.store.contact(ada)["email"] == ""


async def test_a_change_that_is_refused_either_way_contradicts_no_line(
    open_session: OpenSession, tmp_path: Path
) -> None:
    sandbox, ada = account(put_without_names="keep")
    await probed(sandbox, tmp_path / "data")
    async with open_session(sandbox=sandbox) as session:
        sandbox.faults.add(Fault("update_contact", "status", status=400, times=-1))
        assert (await session.call("update_contact", contact_id=ada, email="new@example.com")).is_error
        assert (await session.workspace.book()).profile.position("put_names") == "kept"


async def test_an_opt_in_goes_out_once_and_in_the_usual_form(open_session: OpenSession, tmp_path: Path) -> None:
    """It is never sent twice, so nothing may be left to a second try."""
    sandbox, ada = account(put_without_names="keep")
    await probed(sandbox, tmp_path / "data")
    sandbox.store.touch(ada, is_opted_out=True)
    async with open_session(sandbox=sandbox) as session:
        wish = {"contact_id": ada, "is_opted_out": False, "consent": "by phone today"}
        token = ((await session.call("update_contact", **wish)).structured_content or {})["confirm_token"]
        sandbox.faults.add(Fault("update_contact", "status", status=400))
        assert (await session.call("update_contact", **wish, confirm_token=token)).is_error
        (body,) = [request.body for request in sandbox.requests if request.operation == "update_contact"]
        assert body["first"] == "Ada"
    assert sandbox.store.contact(ada)["is_opted_out"]


async def test_once_one_way_to_clear_is_contradicted_the_other_is_tried_whatever_the_profile_says(
    open_session: OpenSession, tmp_path: Path
) -> None:
    sandbox, ada = account(clears_with="empty")
    await probed(sandbox, tmp_path / "data")
    sandbox.behaviour = Behaviour(requests_per_minute=0, clears_with="null")
    async with open_session(sandbox=sandbox) as session:
        answer = await session.call("update_contact", contact_id=ada, clear=["email"])
        assert "profile_distrusted" in note_kinds(answer)
        assert "not_cleared" not in note_kinds(answer)
    assert sandbox.store.contact(ada)["email"] == ""


async def test_names_that_a_late_copy_took_away_contradict_the_line(open_session: OpenSession, tmp_path: Path) -> None:
    """No look shows the write in time. It is seen when the change is settled, and told then."""
    sandbox, ada = account(put_without_names="keep")
    await probed(sandbox, tmp_path / "data")
    sandbox.behaviour = Behaviour(requests_per_minute=0, put_without_names="blank")
    async with open_session(sandbox=sandbox) as session:
        profile = (await session.workspace.book()).profile
        sandbox.faults.add(Fault("update_contact", "drop_before", late=5.0, times=2))
        assert (await session.call("update_contact", contact_id=ada, email="new@example.com")).is_error
        sandbox.land_all()
        await session.call("list_changes")
        assert profile.position("put_names") == ""
        assert "first, last" in profile.lines["put_names"].evidence


def test_without_a_profile_both_ways_to_clear_are_tried() -> None:
    nobody = Profile(None, "")
    assert first_way_to_clear(nobody) == ""
    assert other_way_to_clear(nobody, "") == (None,)


async def test_a_known_service_needs_fewer_requests() -> None:
    """`scripts/bench known` prints the figures of a list of 10,000."""
    found = await figures(most=1_200)
    assert {name: known < without for name, (without, known) in found.items()} == dict.fromkeys(found, True)
