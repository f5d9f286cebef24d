"""A conversation with `contacts-mcp serve --sandbox`, as an assistant has it: over MCP, with a child process.

Every step shows the person's words, the call and the answer, and checks what must be so. Exits 1 at the first step
that fails. All people in it are invented. It is read in two minutes, at 80 columns.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any, NoReturn

import anyio
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters
from mcp_types import TextContent

PHONE = "(510) 555-3344"
E164 = "+15105553344"
MANY_TOOLS = {"import_contacts", "import_status", "update_contacts"}
HISTORY_TOOLS = {"list_changes", "undo_change"}
SEEDED = 300  # people in a fresh sandbox
PAGE = 5

WIDTH = 80
HEIGHT = 2  # lines of an answer: the first and the last, with a mark where some are left out

Facts = dict[str, Any]


class StepFailed(Exception):
    """An answer was not as it must be."""


class Conversation:
    """Makes the calls, shows them, and counts what is checked."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._steps = 0
        self.used: set[str] = set()
        self.passed = 0

    async def person(self, words: str, tool: str, **arguments: Any) -> Facts:
        """The facts of the answer to one call. Raises StepFailed where it is refused.

        Without `words` the call is the next of the same step, and is not shown.
        """
        _, facts, is_error = await self._call(words, tool, arguments)
        if is_error:
            self.must("the call is carried out", holds=False)
        return facts

    async def refused(self, words: str, tool: str, **arguments: Any) -> str:
        """Why one call is refused. Raises StepFailed where it is not."""
        text, _, is_error = await self._call(words, tool, arguments)
        if not is_error:
            self.must("the call is refused", holds=False)
        return text

    def must(self, rule: str, *, holds: object) -> None:
        """Counts one check. Raises StepFailed where it does not hold."""
        if not holds:
            print(f"   FAILED: {rule}")
            raise StepFailed(rule)
        self.passed += 1
        print(f"   ok: {rule}")

    async def _call(self, words: str, tool: str, arguments: dict[str, Any]) -> tuple[str, Facts, bool]:
        self.used.add(tool)
        result = await self._client.call_tool(tool, arguments)
        text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
        if words:
            self._steps += 1
            print(f"\n{self._steps}. {words}")
            written = ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in arguments.items())
            print(_cut(f"   {tool}({written})"))
            print(*(_cut(f"   | {line}") for line in _middle_left_out(text.splitlines())), sep="\n")
        return text, result.structured_content or {}, result.is_error


def _cut(line: str) -> str:
    return line if len(line) <= WIDTH else f"{line[: WIDTH - 1]}…"


def _middle_left_out(lines: list[str]) -> list[str]:
    return lines if len(lines) <= HEIGHT else [*lines[: HEIGHT - 1], f"… {lines[-1].lstrip()}"]


async def converse(talk: Conversation, offered: set[str]) -> None:
    """All steps, in the order in which a person would come to them."""
    await add_somebody(talk)
    contact_id = await find_and_change(talk)
    await search(talk, contact_id)
    if "export_contacts" in offered:
        facts = await talk.person("", "export_contacts", by="Plan")
        talk.must("everybody is counted by plan", holds=facts["complete"])
    await go_through_everybody(talk, contact_id)
    change_id = await delete(talk, contact_id)
    if offered >= HISTORY_TOOLS:
        await undo(talk, change_id)
    if offered >= MANY_TOOLS:
        await many(talk)


async def add_somebody(talk: Conversation) -> None:
    facts = await talk.person("What do we keep about people?", "describe_account")
    talk.must("all contacts are counted", holds=facts["complete"] and facts["counts"]["contacts"] == SEEDED)
    facts = await talk.person("", "list_contact_fields")
    talk.must("Plan is a field", holds="Plan" in {field["name"] for field in facts["fields"]})

    text = await talk.refused("", "create_contact", phone="(510) 555-33O4", first="Avery", last="Brooks")
    talk.must(
        "a letter in a phone is refused",
        holds=text.startswith("phone:") and "has letters in it" in text,
    )

    text = await talk.refused(
        f"Add Avery Brooks, {PHONE}, plam Premium.",
        "create_contact",
        phone=PHONE,
        first="Avery",
        custom_fields={"Plam": "Premium"},
    )
    talk.must("the nearest field is offered", holds='"Plam"' in text and '"Plan"' in text)

    facts = await talk.person(
        "I mean plan Premium. Tag VIP, e-mail avery.brooks@example.com.",
        "create_contact",
        phone=PHONE,
        first="Avery",
        last="Brooks",
        email="avery.brooks@example.com",
        custom_fields={"plan": "Premium"},
        tags=["vip"],
    )
    contact = facts["contact"]
    talk.must("the contact is created", holds=facts["status"] == "created" and contact["phone"] == E164)
    talk.must(
        "field and tag are the account's own",
        holds=(contact["custom_fields"], contact["tags"]) == ({"Plan": "Premium"}, ["VIP"]),
    )
    talk.must("the assumed country is said", holds=any("US was assumed" in note for note in facts["notes"]))

    facts = await talk.person(
        "Add 510.555.3344 once more, to be sure.", "create_contact", phone="510.555.3344", first="Somebody"
    )
    talk.must("nobody is added twice", holds=facts["status"] == "exists" and facts["contact"]["first"] == "Avery")


async def find_and_change(talk: Conversation) -> int:
    facts = await talk.person("", "lookup_contact", phone=E164)
    talk.must("one contact is found by phone", holds=facts["found"] and len(facts["contacts"]) == 1)
    contact_id: int = facts["contacts"][0]["contact_id"]

    facts = await talk.person(
        "Avery moves to Platinum, is a lead too, and has no e-mail any more.",
        "update_contact",
        contact_id=contact_id,
        custom_fields={"Plan": "Platinum"},
        add_tags=["Lead"],
        clear=["email"],
    )
    changes = {change["field"]: (change["before"], change["after"]) for change in facts["changes"]}
    talk.must(
        "before and after are answered",
        holds=facts["status"] == "updated" and changes["Plan"] == ("Premium", "Platinum"),
    )
    talk.must("exactly what was asked for changed", holds=changes.keys() == {"Plan", "tags", "email"})
    talk.must("the other tag stays", holds=changes["tags"] == (["VIP"], ["VIP", "Lead"]))

    facts = await talk.person("", "update_contact", contact_id=contact_id, is_opted_out=True)
    talk.must("the opt-out is kept", holds=facts["contact"]["is_opted_out"] is True)
    talk.must("what was not mentioned stays", holds=facts["contact"]["last"] == "Brooks")

    return contact_id


async def search(talk: Conversation, contact_id: int) -> None:
    facts = await talk.person("Find that Avry Broks.", "search_contacts", query="Avry Broks")
    talk.must("two misspellings find one contact", holds=_ids(facts)[:1] == [contact_id])

    await talk.person("", "create_contact", phone="510 555 3345", first="Avery", last="Brooks")
    facts = await talk.person("Is anybody there twice?", "find_duplicates", tier="possible")
    doubles = next(({*_ids(one)} for one in facts["sets"] if contact_id in _ids(one)), set())
    talk.must("the two are found", holds=len(doubles) > 1)

    (other,) = doubles - {contact_id}
    await merge(talk, contact_id, other)


async def merge(talk: Conversation, keep: int, other: int) -> None:
    facts = await talk.person("Make one of them.", "merge_contacts", keep=keep, others=[other])
    talk.must("the plan waits for a yes", holds=facts["status"] == "needs_confirmation")
    token = facts["confirm_token"]
    facts = await talk.person("", "merge_contacts", keep=keep, others=[other], confirm_token=token)
    talk.must("one contact is left", holds=facts["status"] == "merged")


async def go_through_everybody(talk: Conversation, contact_id: int) -> None:
    facts = await talk.person("", "list_contacts", limit=PAGE)
    everybody = _ids(facts)
    talk.must("a page has five, the last changed first", holds=len(everybody) == PAGE and everybody[0] == contact_id)
    talk.must("a list that goes on says so", holds=facts["next_cursor"] and not facts["complete"])

    facts = await talk.person("", "list_contacts", limit=PAGE, cursor=facts["next_cursor"])
    talk.must("five others follow", holds=len({*everybody, *_ids(facts)}) == PAGE + PAGE)
    everybody += _ids(facts)

    while facts["next_cursor"]:
        facts = await talk.person("", "list_contacts", limit=100, cursor=facts["next_cursor"])
        everybody += _ids(facts)
    talk.must("the end says so", holds=facts["complete"])
    talk.must(
        f"all {SEEDED + 1} people were listed, nobody twice", holds=len({*everybody}) == len(everybody) == SEEDED + 1
    )


def _ids(facts: Facts) -> list[int]:
    return [contact["contact_id"] for contact in facts["contacts"]]


async def delete(talk: Conversation, contact_id: int) -> int:
    facts = await talk.person("Delete Avery Brooks.", "delete_contact", name="Avery Brooks")
    talk.must("it waits for a confirmation", holds=facts["status"] == "needs_confirmation" and facts["confirm_token"])
    token = facts["confirm_token"]

    facts = await talk.person("", "lookup_contact", contact_id=contact_id)
    talk.must("nothing was deleted yet", holds=facts["found"])

    facts = await talk.person("", "delete_contact", contact_id=contact_id, confirm_token=token)
    talk.must("after the confirmation the contact is deleted", holds=facts["status"] == "deleted")
    change_id: int = facts["change_id"]

    facts = await talk.person("", "lookup_contact", phone=PHONE)
    talk.must("the contact is gone", holds=not facts["found"] and not facts["contacts"])
    return change_id


async def undo(talk: Conversation, change_id: int) -> None:
    facts = await talk.person("", "list_changes")
    talk.must("the deletion is among the changes", holds=facts["changes"][0]["change_id"] == change_id)

    await talk.person("Bring Avery back.", "undo_change", change_id=change_id)
    facts = await talk.person("", "lookup_contact", phone=PHONE)
    talk.must("the contact is there again", holds=facts["found"])


async def many(talk: Conversation) -> None:
    facts = await talk.person(
        "Add the two from the fair.", "import_contacts", text="Phone,First\n510-555-3361,Ines\n510-555-3362,Rui"
    )
    talk.must("nothing is changed before the plan is confirmed", holds=facts["status"] == "needs_confirmation")
    plan, token = facts["plan"], facts["confirm_token"]
    facts = await talk.person("Yes, add them.", "import_contacts", plan=plan, confirm_token=token)
    talk.must("both were added", holds=facts["outcomes"] == {"done": 2})
    facts = await talk.person("", "import_status", plan=plan)
    talk.must("its status says so, too", holds=facts["status"] == "done")

    facts = await talk.person(
        "Tag everybody called Ines as VIP.", "update_contacts", where={"name": "Ines"}, add_tags=["VIP"]
    )
    talk.must("that is a plan, too", holds=facts["status"] == "needs_confirmation")


def command() -> str:
    """The installed command, beside the interpreter that runs this."""
    here = Path(sys.executable).parent
    return str(next(path for path in (here / "contacts-mcp", here / "contacts-mcp.exe") if path.exists()))


async def show() -> tuple[int, int]:
    """Runs the conversation. Returns how many checks passed and how many failed."""
    with tempfile.TemporaryDirectory() as home:
        server = StdioServerParameters(command=command(), args=["serve", "--sandbox", "--data-dir", home])
        print("A conversation with contacts-mcp on its sandbox, full of invented people.")
        print("Each step: what the person says, the assistant's call, the answer, a check.")
        async with Client(server, read_timeout_seconds=30) as client:
            talk = Conversation(client)
            offered = {tool.name for tool in (await client.list_tools()).tools}
            try:
                await converse(talk, offered)
            except StepFailed:
                return talk.passed, 1
            print(f"\n{len(talk.used & offered)} of {len(offered)} tools were used.")
            return talk.passed, 0


def main() -> NoReturn:
    passed, failed = anyio.run(show)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
