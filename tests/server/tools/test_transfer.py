"""Many contacts at once over the real chain: the plan, the confirmation, the run, its status, and taking it back."""

from __future__ import annotations

import stat
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from support import OpenSession, Session, text_of, tokens
from support.lists import table

from contacts_mcp.book.transfer.files import Place
from contacts_mcp.sandbox import Fault
from contacts_mcp.server import jobs

table_of_gold = partial(table, Plan="Gold")


async def facts(session: Session, tool: str, **arguments: Any) -> dict[str, Any]:
    result = await session.call(tool, **arguments)
    assert not result.is_error, text_of(result)
    assert isinstance(result.structured_content, dict)
    return result.structured_content


async def planned_and_run(session: Session, tool: str = "import_contacts", **arguments: Any) -> dict[str, Any]:
    plan = await facts(session, tool, **arguments)
    assert plan["status"] == "needs_confirmation"
    return await facts(session, tool, plan=plan["plan"], confirm_token=plan["confirm_token"])


def text_and_mode(file: Path) -> tuple[str, int]:
    return file.read_text(encoding="utf-8"), stat.S_IMODE(file.stat().st_mode)


def people(session: Session) -> dict[str, dict[str, Any]]:
    """Phone -> the person, without the members that every write moves."""
    moving = ("rev", "updated", "created", "id", "uuid")
    return {
        person["phone"]: {name: value for name, value in person.items() if name not in moving}
        for person in session.sandbox.store.contacts()
    }


async def test_a_pasted_table_is_planned_confirmed_run_and_taken_back(session: Session) -> None:
    before = people(session)
    plan = await facts(session, "import_contacts", text=table_of_gold(40))
    assert (plan["counts"], plan["about"]["columns"]["Plan"]) == ({"new": 40}, "custom")
    assert people(session) == before
    done = await facts(session, "import_contacts", plan=plan["plan"], confirm_token=plan["confirm_token"])
    assert (done["status"], done["outcomes"]) == ("done", {"done": 40})
    assert len(people(session)) == len(before) + 40
    undo = await facts(session, "undo_change", change_id=done["change_id"])
    assert (undo["status"], undo["counts"]) == ("needs_confirmation", {"delete": 40})
    undone = await facts(session, "undo_change", change_id=done["change_id"], confirm_token=undo["confirm_token"])
    assert (undone["status"], undone["outcomes"]) == ("done", {"done": 40})
    assert people(session) == before
    again = await facts(session, "undo_change", change_id=done["change_id"])
    assert again["status"] == "unchanged"
    back = await session.call("undo_change", change_id=undone["change_id"])
    assert "- new contact, create_again: " in text_of(back)


async def test_a_token_runs_its_own_plan_once_and_no_other(session: Session) -> None:
    one = await facts(session, "import_contacts", text=table_of_gold(3))
    other = await facts(session, "import_contacts", text=table_of_gold(3, first=300))
    refused = await facts(session, "import_contacts", plan=other["plan"], confirm_token=one["confirm_token"])
    assert (refused["status"], refused["note_kinds"][-1]) == ("needs_confirmation", "token_refused")
    done = await facts(session, "import_contacts", plan=one["plan"], confirm_token=one["confirm_token"])
    assert done["status"] == "done"
    twice = await session.call("import_contacts", plan=one["plan"], confirm_token=one["confirm_token"])
    assert twice.is_error


async def test_a_client_that_repeats_its_first_call_with_the_token_runs_that_plan(session: Session) -> None:
    plan = await facts(session, "import_contacts", text=table_of_gold(3))
    done = await facts(session, "import_contacts", text=table_of_gold(3), confirm_token=plan["confirm_token"])
    assert (done["status"], done["plan"]) == ("done", plan["plan"])


@pytest.mark.parametrize("by", ["plan", "confirm_token"])
async def test_another_wish_beside_a_plan_is_not_dropped(session: Session, by: str) -> None:
    before = people(session)
    text = table_of_gold(3)
    plans = {
        "import_contacts": (
            {"text": text, "tags": ["VIP"]},
            ({"text": f"{text}\n5105559999"}, {"existing": "overwrite"}, {"columns": {"First": "skip"}}),
        ),
        "update_contacts": (
            {"where": {"tag": "VIP"}, "add_tags": ["Lead"]},
            ({"where": {"tag": "Lead"}}, {"contact_ids": [1002]}, {"is_opted_out": True}),
        ),
    }
    for tool, (made_with, others) in plans.items():
        plan = await facts(session, tool, **made_with)
        for other in others:
            told = await session.refusal(tool, **{by: plan[by]}, **other)
            assert told["kind"] == "other_plan"
            assert f"was not made with this {next(iter(other))}." in told["message"]
    assert people(session) == before
    done = await facts(session, tool, **made_with, plan=plan["plan"], confirm_token=plan["confirm_token"])
    assert done["status"] == "done"


async def test_a_file_is_read_only_below_the_open_folders(open_session: OpenSession, tmp_path: Path) -> None:
    folder = tmp_path / "open"
    folder.mkdir()
    (tmp_path / "secret.csv").write_text(table_of_gold(5), encoding="utf-8")
    async with open_session(files=[folder]) as session:
        gold = next(one for one in session.sandbox.store.contacts() if one["custom"].get("31") == "Gold")
        rows = f"{table_of_gold(5)}\n5105550190x,Bad,Row,,\n{gold['phone']},,,,Basic\n"
        (folder / "list.csv").write_text(rows, encoding="utf-8")
        done = await planned_and_run(session, path="list.csv")
        assert (done["counts"], done["outcomes"]) == ({"new": 5, "invalid": 1, "conflict": 1}, {"done": 5})
        problems = (folder / "list.csv.problems.csv").read_text(encoding="utf-8")
        assert "5105550190x" in problems
        assert "(Plan: has Gold, the file says Basic)" in problems
        for name in (str(tmp_path / "secret.csv"), "../secret.csv"):
            outside = await session.call("import_contacts", path=name)
            assert outside.is_error
            assert outside.structured_content is not None
            assert outside.structured_content["kind"] == "outside_folders"


async def test_one_change_for_many_by_filters_is_planned_run_and_taken_back(session: Session) -> None:
    before = people(session)
    done = await planned_and_run(session, "update_contacts", where={"tag": "VIP"}, add_tags=["Lead"])
    changed = {phone for phone, person in people(session).items() if person != before[phone]}
    assert done["status"] == "done"
    assert len(changed) == done["outcomes"]["done"] > 0
    undo = await facts(session, "undo_change", change_id=done["change_id"])
    await facts(session, "undo_change", change_id=done["change_id"], confirm_token=undo["confirm_token"])
    assert people(session) == before


@pytest.mark.parametrize(
    "tags",
    [{"tag": ["VIP", "Lead"]}, {"tag": "VIP,Lead"}, {"tag": "VIP", "tags": "Lead"}],
    ids=["list", "text", "both"],
)
async def test_several_tags_are_a_list_as_in_the_search_and_all_of_them_count(
    session: Session, tags: dict[str, Any]
) -> None:
    found = await facts(session, "search_contacts", tag=["VIP", "Lead"], limit=1)
    plan = await facts(session, "update_contacts", where=tags, custom_fields={"Plan": "Gold"})
    assert sum(plan["counts"].values()) == found["total"] > 0


async def test_two_names_of_one_filter_that_contradict_each_other_are_refused(session: Session) -> None:
    told = await session.refusal(
        "update_contacts", where={"opted_out": "yes", "is_opted_out": "no"}, custom_fields={"Plan": "Gold"}
    )
    assert told["message"].startswith("where: is_opted_out contradicts another filter.")


async def test_a_value_that_nobody_has_is_told_with_the_values_in_use(session: Session) -> None:
    told = 'No contact has Plan "Golld". Values found: '
    for tool, change in (("update_contacts", {"add_tags": ["VIP"]}), ("export_contacts", {})):
        assert told in text_of(await session.call(tool, where={"Plan": "Golld"}, **change)), tool
        assert told not in text_of(await session.call(tool, where={"Plan": "gold", "tag": "none"}, **change)), tool


@pytest.mark.parametrize(("value", "said"), [("", "no Plan"), ("*", "any Plan"), ("Gold", "Plan Gold")])
async def test_the_question_says_a_field_without_a_value_in_words(session: Session, value: str, said: str) -> None:
    plan = await session.call("update_contacts", where={"Plan": value}, custom_fields={"Region": "Oakland"})
    assert f'for "{said}"' in text_of(plan)


async def test_nobody_is_opted_in_by_a_change_of_many(session: Session) -> None:
    result = await session.call("update_contacts", where={"is_opted_out": "true"}, is_opted_out=False)
    assert result.is_error
    assert result.structured_content is not None
    assert result.structured_content["kind"] == "no_opt_in"
    assert not {operation for operation in session.operations if operation.startswith(("update", "create", "batch"))}


async def test_nobody_is_opted_in_by_a_file_whatever_it_says(session: Session) -> None:
    out = {phone for phone, person in people(session).items() if person["is_opted_out"]}
    assert out
    rows = [f"+{phone},no,Somebody" for phone in out]
    done = await planned_and_run(session, text="\n".join(["Phone,Opted out,Last name", *rows]), existing="overwrite")
    assert done["status"] == "done"
    assert {phone for phone, person in people(session).items() if person["is_opted_out"]} == out


async def test_the_plan_of_10000_rows_costs_at_most_1000_tokens(open_session: OpenSession, tmp_path: Path) -> None:
    rows = "\n".join(f"{2125550000 + number + 10_000 * (number // 10_000)},A{number},B,Gold" for number in range(9_000))
    text = f"Phone,First name,Last name,Plan\n{rows}\n" + "".join(f"x{number},Bad,Row,\n" for number in range(1_000))
    (tmp_path / "long.csv").write_text(text, encoding="utf-8")
    async with open_session(files=[tmp_path]) as session:
        plan = await session.call("import_contacts", path="long.csv")
        assert not plan.is_error, text_of(plan)
        assert tokens(text_of(plan)) <= 1_000


async def test_the_status_shows_rows_by_decision_and_by_problem(session: Session) -> None:
    plan = await facts(session, "import_contacts", text=f"{table_of_gold(30)}\n123,Bad,Row,,\n")
    new = await facts(session, "import_status", plan=plan["plan"], show="new")
    assert (len(new["shown"]), new["next_cursor"], new["complete"]) == (25, "25", False)
    rest = await facts(session, "import_status", plan=plan["plan"], show="new", cursor=new["next_cursor"])
    assert (len(rest["shown"]), rest["next_cursor"], rest["complete"]) == (5, "", True)
    problems = await facts(session, "import_status", show="problems")
    assert [row["line"] for row in problems["shown"]] == [32]


@pytest.mark.parametrize("given", [{}, {"path": "a.csv", "text": "b"}], ids=["nothing", "both"])
async def test_an_import_needs_one_source(session: Session, given: dict[str, str]) -> None:
    assert (await session.call("import_contacts", **given)).is_error


async def test_the_run_is_one_line_among_the_changes_and_a_row_of_each_contact(session: Session) -> None:
    done = await planned_and_run(session, text=table_of_gold(3))
    changes = await facts(session, "list_changes")
    assert [(one["change_id"], one["action"]) for one in changes["changes"]] == [(done["change_id"], "import")]
    found = await facts(session, "lookup_contact", phone="5105550200")
    number = found["contacts"][0]["contact_id"]
    own = await facts(session, "list_changes", contact_id=number)
    assert [(one["action"], one["contact_id"]) for one in own["changes"]] == [("create", number)]


async def test_a_long_run_goes_on_in_the_server_tells_how_far_it_is_and_can_be_stopped(
    open_session: OpenSession,
) -> None:
    heard: list[tuple[float, float | None]] = []

    async def hear(done: float, total: float | None, _: str | None) -> None:
        heard.append((done, total))

    # A call of 11 seconds may work for one of them: ten are kept for its answer.
    async with open_session(call_timeout=11.0) as session:
        session.sandbox.faults.add(Fault("search_contacts", "stall_after", delay=0.4, skip=1, times=-1))
        plan = await facts(session, "import_contacts", text=table_of_gold(150))
        arguments = {"plan": plan["plan"], "confirm_token": plan["confirm_token"]}
        result = await session.client.call_tool("import_contacts", arguments, progress_callback=hear)
        assert result.structured_content is not None
        assert result.structured_content["status"] == "running"
        assert heard
        assert {total for _, total in heard} == {150}
        await facts(session, "import_status", plan=plan["plan"], show="problems", stop=True)
        stopped = await facts(session, "import_status", plan=plan["plan"])
        with anyio.fail_after(30):
            while stopped["status"] == "running":  # the rows under way are finished first
                stopped = await facts(session, "import_status", plan=plan["plan"])
        assert stopped["status"] == "stopped"
        session.sandbox.faults.clear()
        done = await facts(session, "import_contacts", plan=plan["plan"])
        assert (done["status"], done["outcomes"]) == ("done", {"done": 150})


async def test_no_file_is_read_where_no_folder_is_open(open_session: OpenSession, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text(table_of_gold(5), encoding="utf-8")
    async with open_session(files=[]) as session:
        refused = await session.call("import_contacts", path=str(tmp_path / "list.csv"))
        assert refused.structured_content is not None
        assert refused.structured_content["kind"] == "no_folders"


# The words of the answers: each is understood alone, and names the next call.


async def test_the_question_about_a_change_of_many_says_the_change_and_for_whom(session: Session) -> None:
    """A client may show the question alone."""
    plan = await facts(
        session, "update_contacts", where={"tag": "VIP"}, add_tags=["Lead"], custom_fields={"Plan": "Gold"}
    )
    for part in ('Plan = "Gold"', 'add tags "Lead"', '"tag VIP"', f"change {plan['counts']['update']} contact"):
        assert part in plan["question"]


async def test_a_plan_says_which_switches_and_tags_it_has(session: Session) -> None:
    plan = await session.call("import_contacts", text=table_of_gold(2), tags=["VIP"], existing="overwrite")
    assert 'Tags of this import: "VIP".' in text_of(plan)
    assert "Values of the file replace those in the book. Blanks erase nothing." in text_of(plan)
    usual = text_of(await session.call("import_contacts", text=table_of_gold(2)))
    assert "Tags of this import" not in usual
    assert "replace those" not in usual


async def test_a_column_that_is_not_imported_is_named_with_the_way_to_import_it(session: Session) -> None:
    text = "Phone,Shoe size\n5105550201,44\n"
    assert 'columns={"Shoe size": "NAME OF A FIELD"}' in text_of(await session.call("import_contacts", text=text))
    plan = await facts(session, "import_contacts", text=text, columns={"Shoe size": "Plan"})
    assert "not_imported" not in plan["about"]


LEFT: dict[str, tuple[str, str]] = {
    "a second phone": ("Name,Phone,Phone 2\nJo Lee,510-555-4015,510-555-4016", '"Phone 2" 1.'),
    "a second name": ("Name,Phone,Name\nJo,510-555-4015,Lee", '"Name (2)" 1.'),
    "a name said twice": ('{"first":"Jo","phone":"510-555-4015","phone":"510-555-4016"}', '"phone (2)" 1.'),
    "a card": (
        "BEGIN:VCARD\nVERSION:3.0\nFN:Jo\nTEL;CELL:510-555-4015\nTEL;HOME:510-555-4016\nNOTE:Hi\nEND:VCARD",
        '"phone (home)" 1, "note" 1.',
    ),
}


@pytest.mark.parametrize(("text", "told"), LEFT.values(), ids=LEFT)
async def test_a_plan_names_the_texts_that_no_contact_gets(session: Session, text: str, told: str) -> None:
    plan = await session.call("import_contacts", text=text)
    assert f"Not imported, because a contact has one of each, or no place for it: {told}" in text_of(plan)


async def test_a_table_in_a_block_of_code_has_no_rows_of_its_fences(session: Session) -> None:
    plan = await facts(session, "import_contacts", text="\ufeff```csv\nName,Phone\nJo Lee,510-555-4015\n```\n")
    assert (plan["counts"], plan["about"]["columns"]) == ({"new": 1}, {"Name": "full name", "Phone": "phone"})


async def test_a_name_of_several_colleagues_is_not_called_unknown(session: Session) -> None:
    rows = "Phone,Owner\n510-555-4017,Dana\n510-555-4018,Alex Kim\n510-555-4019,Nemo"
    plan = await session.ok("import_contacts", text=rows)
    told = {note for note in plan["notes"] if "Left out" in note or "Not imported" in note}
    assert told == {
        'Left out, because the account does not have them: "Nemo" 1.',
        'Left out, because each may mean several: "Dana" 1.',
    }
    given = await session.call("import_contacts", text=rows, columns={"Owner": "assignee"})
    assert "may mean several colleagues." in text_of(given)


async def test_a_plan_that_was_not_begun_leads_to_its_question(session: Session) -> None:
    plan = await facts(session, "import_contacts", text=table_of_gold(2))
    status = await session.call("import_status", plan=plan["plan"])
    assert f"For its question call import_contacts(plan={plan['plan']})." in text_of(status)
    again = await facts(session, "import_contacts", plan=plan["plan"])
    assert again["question"] == plan["question"]
    nothing = await facts(session, "update_contacts", where={"tag": "VIP"}, add_tags=["VIP"])
    assert "It does nothing." in text_of(await session.call("import_status", plan=nothing["plan"]))


async def test_a_status_without_rows_does_not_say_that_anything_is_complete(session: Session) -> None:
    plan = await facts(session, "import_contacts", text=table_of_gold(2))
    status = await session.call("import_status", plan=plan["plan"])
    assert "complete" not in text_of(status)
    assert status.structured_content is not None
    assert not {"complete", "next_cursor", "shown"} & {*status.structured_content}
    none = await session.call("import_status", plan=plan["plan"], show="conflict")
    assert "There are no such rows.\ncomplete: true." in text_of(none)


async def test_a_run_tells_the_rows_that_it_left_out_and_how_to_see_them(session: Session) -> None:
    text = f"{table_of_gold(2)}\n123,Bad,Row,,\n"
    plan = await facts(session, "import_contacts", text=text)
    done = await session.call("import_contacts", plan=plan["plan"], confirm_token=plan["confirm_token"])
    lines = text_of(done).splitlines()
    assert "- 1 left out: not valid" in lines
    assert f'For the reasons call import_status(plan={plan["plan"]}, show="problems").' in lines
    change = done.structured_content["change_id"] if done.structured_content else 0
    assert lines[-1].endswith(f"To take it back call undo_change(change_id={change}).")


async def test_a_run_is_listed_with_how_its_rows_came_out(session: Session) -> None:
    plan = await facts(session, "update_contacts", where={"tag": "VIP"}, add_tags=["Newsletter"])
    rows = await facts(session, "import_status", plan=plan["plan"], show="update")
    session.sandbox.store.touch(rows["shown"][0]["contact_id"], first="Changed")
    done = await facts(session, "update_contacts", plan=plan["plan"], confirm_token=plan["confirm_token"])
    assert done["outcomes"]["moved"] == 1
    (change,) = (await facts(session, "list_changes"))["changes"]
    assert f"{plan['counts']['update']} update" in change["about"]
    assert f"{done['outcomes']['done']} done" in change["about"]
    assert "1 left alone" in change["about"]


async def test_an_undo_that_has_nothing_to_do_says_so(session: Session) -> None:
    """Nobody is opted in by an undo."""
    done = await planned_and_run(session, "update_contacts", where={"tag": "VIP"}, is_opted_out=True)
    before = people(session)
    undo = await session.call("undo_change", change_id=done["change_id"])
    assert undo.structured_content is not None
    assert (undo.is_error, undo.structured_content.get("status")) == (False, "planned")
    assert "There is nothing to do." in text_of(undo)
    assert "1 kept: changed since, gone, or an opt-out that stays" in text_of(undo)
    assert people(session) == before


async def test_contacts_that_an_undo_keeps_are_named_with_the_reason(session: Session) -> None:
    done = await planned_and_run(session, text=table_of_gold(2))
    await facts(session, "update_contact", phone="+15105550200", last="Changed")
    undo = await session.call("undo_change", change_id=done["change_id"])
    assert undo.structured_content is not None
    number = undo.structured_content["plan"]
    assert f'import_status(plan={number}, show="kept")' in text_of(undo)
    kept = await facts(session, "import_status", plan=number, show="kept")
    assert [(row["phone"], row["why"]) for row in kept["shown"]] == [("15105550200", "the contact was changed since.")]


async def test_a_conflict_shows_both_values_and_the_switch_that_takes_the_files(session: Session) -> None:
    plan = text_of(await session.call("import_contacts", text="Phone,First\n510-555-0100,Jordy\n"))
    assert 'first: the book has "Jordan", the file "Jordy"' in plan
    assert 'existing="overwrite"' in plan


async def test_a_plan_takes_as_long_as_the_limit_of_the_account_says(open_session: OpenSession) -> None:
    limit = 20
    async with open_session(requests_per_minute=limit) as session:
        plan = await session.call("update_contacts", where={"has_email": "true"}, add_tags=["Lead"])
        requests = int(text_of(plan).partition("It takes about ")[2].partition(" requests")[0])
        assert requests > limit
        assert f"about {round(requests / limit)} min" in text_of(plan)


async def test_problems_go_into_the_data_directory_where_the_folder_of_the_file_is_closed(
    open_session: OpenSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "lists"
    folder.mkdir()
    (folder / "fair.csv").write_text(f"{table_of_gold(2)}\n5105550190x,Bad,Row,,\n", encoding="utf-8")
    writing = Place.writing

    def closed(place: Place) -> Any:
        if place.path.parent == folder:  # a test that runs as root may write anywhere
            raise PermissionError
        return writing(place)

    monkeypatch.setattr(Place, "writing", closed)
    async with open_session(files=[folder]) as session:
        done = await planned_and_run(session, path="fair.csv")
        place = Path(done["about"]["problems_file"])
        assert place.is_relative_to(session.workspace._settings.directory)
        text, mode = text_and_mode(place)
        assert ("5105550190x" in text, mode) == (True, 0o600)


async def test_whoever_was_imported_in_one_moment_is_found_by_the_first_search(open_session: OpenSession) -> None:
    """The list shows one page of a moment, and the index is filled after the import here."""
    async with open_session(contacts=60) as session:
        await planned_and_run(session, text=table_of_gold(180))
        found = await facts(session, "search_contacts", custom_fields={"Plan": "Gold"}, created_after="2020-01-01")
        gold = [person for person in session.sandbox.store.contacts() if person["custom"].get("31") == "Gold"]
        assert found["total"] == len(gold) >= 180
        one = await facts(session, "search_contacts", query="F333 L333")
        assert [contact["match"] for contact in one["contacts"]][:1] == ["sure"]


async def test_one_change_for_many_finds_them_by_part_of_a_name_too(session: Session) -> None:
    named = {person["phone"] for person in session.sandbox.store.contacts() if person["last"] == "Rivera"}
    done = await planned_and_run(session, "update_contacts", where={"name": "rivera"}, add_tags=["Lead"])
    assert done["outcomes"] == {"done": len(named)}


@pytest.mark.parametrize("waits", [True, False], ids=["in time", "later"])
async def test_a_plan_that_fails_is_told_whoever_asks_next(
    open_session: OpenSession, monkeypatch: pytest.MonkeyPatch, waits: bool
) -> None:
    """Also where the call that began it was answered before."""
    monkeypatch.setattr(jobs, "LONGEST", 5.0 if waits else 0.0)
    async with open_session() as session:
        session.sandbox.faults.add(Fault("search_contacts", "status", status=403, times=-1))
        begun = await session.call("import_contacts", text=table_of_gold(3))
        if not waits:
            assert begun.structured_content is not None
            assert (begun.is_error, begun.structured_content["status"]) == (False, "planning")
            begun = await session.call("import_status", plan=begun.structured_content["plan"])
        assert begun.is_error
        assert begun.structured_content is not None
        assert begun.structured_content["kind"] == "forbidden"


async def test_the_same_ids_in_any_order_are_the_same_plan(session: Session) -> None:
    change = {"contact_ids": [1001, 1002, 1001], "custom_fields": {"Region": "North"}}
    plan = await facts(session, "update_contacts", **change)
    assert plan["about"]["source"] == "2 contacts by id"
    rows = await facts(session, "import_status", plan=plan["plan"], show="update")
    assert [row for row in rows["shown"] if "line" in row] == []  # contacts of the book stand on no line
    yes = {"confirm_token": plan["confirm_token"]}
    for other in ({"contact_ids": [1001, 1003]}, {"custom_fields": {"Region": "South"}}):
        assert (await session.refusal("update_contacts", **change | other, **yes))["kind"] == "other_plan"
    change["contact_ids"] = [1002, 1001]
    assert (await facts(session, "update_contacts", **change, **yes))["status"] == "done"


async def test_a_plan_without_rows_does_not_send_to_look_at_them(session: Session) -> None:
    nobody = await session.text("update_contacts", where={"Plan": "Golden"}, add_tags=["VIP"])
    assert "search_contacts finds ids" in nobody
    assert "import_status" not in nobody + await session.text("import_contacts", text="Name,Phone")
