"""Nothing crosses from one account to another: every tool with every handle of the other.

Guards `contacts_mcp/server/many.py` and the binding of cursors and confirmations to an account.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from support.hosting import ERAS, MODERN, Team, holder, hosted, message, read

from contacts_mcp.book.cursors import packed
from contacts_mcp.sandbox import Sandbox
from contacts_mcp.server.tools import TOOLS
from contacts_mcp.server.tools.schemas import input_schema

ADA, BEN = "token-of-ada", "token-of-ben"
EVERYTHING = ("read", "write", "delete", "bulk")
ACCOUNTS = "".join(
    f"[accounts.{name}]\nsandbox = true\n{holder(name, who, token, *EVERYTHING)}"
    for name, who, token in (("oakland", "Ada", ADA), ("berlin", "Ben", BEN))
)
JORDAN = 1001


@pytest.fixture(params=ERAS)
def era(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def prepared(account: str, sandbox: Sandbox) -> None:
    if account == "oakland":
        sandbox.store.add_field("Shoe Size")


@pytest.fixture
async def team(tmp_path: Path) -> AsyncIterator[Team]:
    async with hosted(tmp_path, ACCOUNTS, contacts=60, prepare=prepared) as opened:
        for token in (ADA, BEN):  # both are open, and their sandboxes are alike
            await opened.call(MODERN, "lookup_contact", token, contact_id=JORDAN)
        yield opened


def has(sandbox: Sandbox) -> bool:
    """Whether the contact of the imported table is there."""
    return sandbox.store.contact_by_phone("15105550177") is not None


def alike(facts: Any, *numbers: int) -> Any:
    """Facts without the numbers that were asked for, so that two refusals can be compared."""
    text = repr(facts)
    for number in numbers:
        text = re.sub(rf"\b{number}\b", "N", text)
    return text


# Cursors


CURSORS: dict[str, dict[str, Any]] = {
    "list_contacts": {"limit": 5},
    "search_contacts": {"has_email": True, "limit": 5},
}


@pytest.mark.parametrize("tool", CURSORS)
async def test_a_cursor_of_another_account_is_none(tool: str, era: str, team: Team) -> None:
    first = await team.call(era, tool, ADA, **CURSORS[tool])
    cursor = first["next_cursor"]
    assert "kind" not in await team.call(era, tool, ADA, **CURSORS[tool], cursor=cursor)
    crossed = await team.call(era, tool, BEN, **CURSORS[tool], cursor=cursor)
    none = await team.call(era, tool, BEN, **CURSORS[tool], cursor=packed(b"[]", "nobody"))
    assert crossed["kind"] == "invalid_argument"
    assert crossed == none


async def test_every_tool_with_a_cursor_refuses_one_of_another_account(era: str, team: Team) -> None:
    """The cursors of import_status and list_changes are numbers, which count in the caller's own rows and changes."""
    taking = {tool.name for tool in TOOLS if "cursor" in input_schema(tool.function)["properties"]}
    sealed = taking - {"import_status", "list_changes"}
    assert sealed == {"list_contacts", "search_contacts", "find_duplicates"}
    cursor = (await team.call(era, "list_contacts", ADA, limit=5))["next_cursor"]
    for tool in sealed:
        crossed = await team.call(era, tool, BEN, cursor=cursor)
        assert crossed == await team.call(era, tool, BEN, cursor=packed(b"[]", "nobody")), tool
        assert crossed["kind"] == "invalid_argument"
    made = await team.call(era, "update_contact", ADA, contact_id=JORDAN, first="Jo")
    assert (await team.call(era, "list_changes", BEN, cursor=str(made["change_id"] + 1)))["changes"] == []


# Confirmations


async def test_a_confirmation_of_another_account_is_none(era: str, team: Team) -> None:
    token = (await team.call(era, "delete_contact", ADA, contact_id=JORDAN))["confirm_token"]
    crossed = await team.call(era, "delete_contact", BEN, contact_id=JORDAN, confirm_token=token)
    none = await team.call(era, "delete_contact", BEN, contact_id=JORDAN, confirm_token="made-up")
    for answer in (crossed, none):
        assert answer.pop("confirm_token") != token
    assert crossed == none
    assert crossed["status"] == "needs_confirmation"
    assert team.sandboxes["berlin"].store.contact(JORDAN) is not None
    done = await team.call(era, "delete_contact", ADA, contact_id=JORDAN, confirm_token=token)
    assert done["status"] == "deleted"


async def test_a_confirmation_that_was_used_in_one_account_is_still_good_in_its_own(era: str, team: Team) -> None:
    token = (await team.call(era, "delete_contact", ADA, contact_id=JORDAN))["confirm_token"]
    for _ in range(3):
        await team.call(era, "delete_contact", BEN, contact_id=JORDAN, confirm_token=token)
    assert (await team.call(era, "delete_contact", ADA, contact_id=JORDAN, confirm_token=token))["status"] == "deleted"


# Changes


async def test_a_change_of_another_account_does_not_exist(era: str, team: Team) -> None:
    made = await team.call(era, "update_contact", ADA, contact_id=JORDAN, first="Jo")
    number = made["change_id"]
    crossed = await team.call(era, "undo_change", BEN, change_id=number)
    none = await team.call(era, "undo_change", BEN, change_id=999_999)
    assert alike(crossed, number) == alike(none, 999_999)
    assert "kind" in crossed
    assert (await team.call(era, "list_changes", BEN))["changes"] == []
    assert (await team.call(era, "list_changes", BEN, contact_id=JORDAN))["changes"] == []
    assert (await team.call(era, "undo_change", ADA, change_id=number))["status"] == "undone"


# Plans and runs


async def test_a_plan_of_another_account_does_not_exist(era: str, team: Team) -> None:
    table = "phone,first\n(510) 555-0177,Jo\n"
    planned = await team.call(era, "import_contacts", ADA, text=table)
    number, token = planned["plan"], planned["confirm_token"]
    for tool, arguments in (
        ("import_contacts", {}),
        ("import_contacts", {"confirm_token": token}),
        ("update_contacts", {}),
        ("import_status", {}),
        ("import_status", {"show": "new"}),
        ("import_status", {"stop": True}),
    ):
        crossed = await team.call(era, tool, BEN, plan=number, **arguments)
        none = await team.call(era, tool, BEN, plan=999_999, **arguments)
        assert alike(crossed, number) == alike(none, 999_999), tool
        assert crossed["kind"] == "no_such_plan"
    crossed = await team.call(era, "import_contacts", BEN, text=table, confirm_token=token)
    assert crossed["status"] == "needs_confirmation", "a token alone names the plan in its own account only"
    assert (await team.call(era, "import_contacts", ADA, plan=number, confirm_token=token))["status"] == "done"
    assert {name: has(sandbox) for name, sandbox in team.sandboxes.items()} == {"oakland": True, "berlin": False}


async def test_runs_of_the_same_number_do_not_meet(tmp_path: Path, era: str) -> None:
    """Two accounts with a data directory of their own count alike. Their work goes by the account, too."""
    async with hosted(tmp_path, ACCOUNTS) as team:
        table = "phone,first\n(510) 555-0177,Jo\n"
        plans = {token: await team.call(era, "import_contacts", token, text=table) for token in (ADA, BEN)}
        answers: dict[str, Any] = {}

        async def run(token: str) -> None:
            plan = plans[token]
            answers[token] = await team.call(
                era, "import_contacts", token, plan=plan["plan"], confirm_token=plan["confirm_token"]
            )

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run, ADA)
            tasks.start_soon(run, BEN)
        assert {answer["status"] for answer in answers.values()} == {"done"}
        assert [has(sandbox) for sandbox in team.sandboxes.values()] == [True, True]


# Resources, completions, names


@pytest.mark.parametrize("uri", ["contacts://changes", f"contacts://contact/{JORDAN}", "contacts://fields"])
async def test_a_resource_shows_the_account_of_the_caller(uri: str, era: str, team: Team) -> None:
    before = await team.ask(era, "resources/read", {"uri": uri}, token=BEN)
    await team.call(era, "update_contact", ADA, contact_id=JORDAN, first="Johanna")
    after = await team.ask(era, "resources/read", {"uri": uri}, token=BEN)
    assert re.sub("(?i)as_of.*", "", repr(after["contents"])) == re.sub("(?i)as_of.*", "", repr(before["contents"]))
    assert "Johanna" not in repr(after)


async def test_a_contact_that_only_the_other_account_has_does_not_exist(era: str, team: Team) -> None:
    made = await team.call(era, "create_contact", ADA, phone="(510) 555-0177", first="Zelda")
    number = made["contact"]["contact_id"]
    for tool in ("lookup_contact", "update_contact", "delete_contact"):
        more = {"first": "Z"} if tool == "update_contact" else {}
        crossed = await team.call(era, tool, BEN, contact_id=number, **more)
        none = await team.call(era, tool, BEN, contact_id=999_999, **more)
        assert alike(crossed, number) == alike(none, 999_999), tool
    crossed_uri = await team.ask(era, "resources/read", {"uri": f"contacts://contact/{number}"}, token=BEN)
    none_uri = await team.ask(era, "resources/read", {"uri": "contacts://contact/999999"}, token=BEN)
    assert alike(crossed_uri, number) == alike(none_uri, 999_999)
    found = await team.call(era, "search_contacts", BEN, query="Zelda")
    assert "Zelda" not in repr(found["contacts"])


async def test_completions_name_what_the_caller_has(era: str, team: Team) -> None:
    made = await team.call(era, "update_contact", ADA, contact_id=JORDAN, first="Jo")
    assert made["status"] == "updated"
    for argument, typed in (("field", "Shoe"), ("id", "")):
        asked = {
            "ref": {"type": "ref/resource", "uri": "contacts://contact/{id}"},
            "argument": {"name": argument, "value": typed},
        }
        found = await team.ask(era, "completion/complete", asked, token=BEN)
        assert found["completion"]["values"] == []


async def test_names_of_one_account_are_unknown_in_the_other(era: str, team: Team) -> None:
    for token, expected in ((ADA, "updated"), (BEN, "unknown_name")):
        facts = await team.call(era, "update_contact", token, contact_id=JORDAN, custom_fields={"Shoe Size": "42"})
        assert (facts.get("kind") or facts["status"]) == expected


# Questions


async def test_only_the_person_who_was_asked_can_answer(team: Team) -> None:
    async def deleting(token: str, **more: Any) -> dict[str, Any]:
        params = {"name": "delete_contact", "arguments": {"contact_id": JORDAN}} | more
        headers, body = message(MODERN, "tools/call", params, asks=True)
        response = await team.client.post("/mcp", json=body, headers=headers | {"Authorization": f"Bearer {token}"})
        answer = read(response)
        found: dict[str, Any] = answer.get("result") or answer["error"]
        return found

    asked = await deleting(ADA)
    assert asked["resultType"] == "input_required"
    yes = {
        "inputResponses": {"confirm": {"action": "accept", "content": {"approve": True}}},
        "requestState": asked["requestState"],
    }
    await anyio.sleep(1.6)  # a person reads it
    assert (await deleting(BEN, **yes))["message"] == "Invalid or expired requestState"
    assert team.sandboxes["berlin"].store.contact(JORDAN) is not None
    assert (await deleting(ADA, **yes))["structuredContent"]["status"] == "deleted"


# Who did it


async def test_the_one_who_acts_is_known_while_the_call_goes_on(era: str, tmp_path: Path) -> None:
    from contacts_mcp.state.acting import who
    from contacts_mcp.workspace import Workspace

    seen: list[str] = []

    class Watched(Workspace):
        async def book(self) -> Any:
            seen.append(who.get())
            return await super().book()

    def watched(workspace: Workspace) -> Workspace:
        workspace.__class__ = Watched
        return workspace

    async with hosted(tmp_path, ACCOUNTS, wrap=watched) as team:
        await team.call(era, "lookup_contact", ADA, contact_id=JORDAN)
        await team.call(era, "lookup_contact", BEN, contact_id=JORDAN)
        await team.ask(era, "resources/read", {"uri": "contacts://fields"}, token=ADA)
    assert {*seen} == {"Ada", "Ben"}
    assert seen[-1] == "Ada"
    assert who.get() == ""


async def test_the_journal_says_who_changed_something(era: str, team: Team) -> None:
    await team.call(era, "update_contact", ADA, contact_id=JORDAN, first="Jo")
    (change,) = (await team.call(era, "list_changes", ADA))["changes"]
    assert "Ada" in repr(change)


async def test_a_hosted_server_notes_no_client(era: str, team: Team, tmp_path: Path) -> None:
    await team.call(era, "lookup_contact", ADA, contact_id=JORDAN)
    assert not (tmp_path / "data" / "client.json").exists()
