"""Nobody who is opted out of texts is opted in again, except by `update_contact` with consent and a confirmation of it.

That holds for the number as much as for the contact. A contact on a number that was left opted out is opted out too.

Guards `contacts_mcp/book/people/update.py` and `contacts_mcp/book/people/suppressions.py`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test
from mcp.client import Client
from mcp_types import CallToolResult

from contacts_mcp.config import Settings
from contacts_mcp.sandbox import Behaviour, Lag, open_sandbox
from contacts_mcp.server.server import build_server
from contacts_mcp.workspace import Workspace

PHONES = [f"1212555010{last}" for last in range(5)]
phones = st.sampled_from(PHONES[:3])
CONSENT = "Asked for texts again by phone on 2026-03-04"


class Office(RuleBasedStateMachine):
    """Everything an assistant can do with three phones, in any order, and somebody else who edits meanwhile."""

    portal: BlockingPortal

    def __init__(self) -> None:
        super().__init__()
        self.open = ExitStack()
        self.tokens: dict[str, dict[str, Any]] = {}
        self.changes: list[int] = []
        self.left_opted_out: set[str] = (
            set()
        )  # numbers that an opted-out contact left here, and that nobody opted in since

    @initialize(shows=st.sampled_from([True, True, False]), known_phone=st.sampled_from(["reject", "update", "double"]))
    def start(self, *, shows: bool, known_phone: Any) -> None:
        self.shows = shows
        behaviour = Behaviour(requests_per_minute=0, sends_opt_out=shows, known_phone=known_phone)
        self.sandbox = open_sandbox(behaviour=behaviour, contacts=0)
        self.store = self.sandbox.store
        self.open.callback(self.sandbox.close)
        directory = self.open.enter_context(tempfile.TemporaryDirectory())
        chosen = Settings.load(sandbox=True, data_dir=Path(directory), requests_per_minute=100_000)
        workspace = Workspace(chosen, sandbox=self.sandbox)
        self.open.callback(self.portal.call, workspace.aclose)
        client = Client(build_server(chosen, workspace=workspace))
        self.client = self.open.enter_context(self.portal.wrap_async_context_manager(client))
        self.store.add_contact(phone=PHONES[0], first="Sam", is_opted_out=True)
        self.store.add_contact(phone=PHONES[1], first="Jo")

    def teardown(self) -> None:
        self.open.close()

    # What the assistant does

    @rule(
        phone=phones,
        is_opted_out=st.sampled_from([None, None, True, False]),
        if_exists=st.sampled_from(["report", "fill"]),
        first=st.sampled_from(["A", "B"]),
    )
    def create(self, phone: str, is_opted_out: bool | None, if_exists: str, first: str) -> None:
        was = self.store.contact_by_phone(phone)
        facts = self.does(
            "create_contact", phone=f"+{phone}", first=first, is_opted_out=is_opted_out, if_exists=if_exists
        )
        if was and was["is_opted_out"] and self.shows and is_opted_out is not True:
            assert "still_opted_out" in facts["note_kinds"]

    @rule(
        phone=phones,
        is_opted_out=st.sampled_from([None, True, False, False]),
        first=st.sampled_from([None, "A", "C"]),
        consent=st.sampled_from([None, CONSENT]),
    )
    def update(self, phone: str, is_opted_out: bool | None, first: str | None, consent: str | None) -> None:
        self.does("update_contact", phone=f"+{phone}", is_opted_out=is_opted_out, first=first, consent=consent)

    @rule(
        phone=st.sampled_from(PHONES),
        new_phone=st.sampled_from(PHONES),
        is_opted_out=st.sampled_from([None, None, False]),
        confirmed=st.booleans(),
    )
    def move(self, phone: str, new_phone: str, is_opted_out: bool | None, confirmed: bool) -> None:
        call = {"phone": f"+{phone}", "new_phone": f"+{new_phone}", "is_opted_out": is_opted_out}
        asked = self.does("update_contact", **call)
        if confirmed and (token := asked.get("confirm_token")):
            self.does("update_contact", **call, confirm_token=token)

    @rule(phone=phones)
    def delete(self, phone: str) -> None:
        self.does("delete_contact", phone=f"+{phone}")

    @rule(phone=phones, undone=st.booleans())
    def delete_with_a_confirmation(self, phone: str, undone: bool) -> None:
        asked = self.does("delete_contact", phone=f"+{phone}")
        if token := asked.get("confirm_token"):
            answer = self.does("delete_contact", phone=f"+{phone}", confirm_token=token)
            if undone:
                self.does("undo_change", change_id=answer["change_id"])

    @precondition(lambda self: self.changes)
    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        self.does("undo_change", change_id=data.draw(st.sampled_from(self.changes[-6:])))

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), latest=st.booleans())
    def confirm(self, data: st.DataObject, latest: bool) -> None:
        """Repeats a call with the token of its answer. The token may be used up, or the contact may have moved."""
        token = list(self.tokens)[-1] if latest else self.draw_token(data)
        call = dict(self.tokens[token])
        self.does(call.pop("tool"), **call, confirm_token=token)

    @precondition(lambda self: self.tokens)
    @rule(data=st.data(), phone=phones)
    def confirm_something_else(self, data: st.DataObject, phone: str) -> None:
        token = self.draw_token(data)
        self.does(
            "update_contact", phone=f"+{phone}", is_opted_out=False, consent="Another consent", confirm_token=token
        )

    def draw_token(self, data: st.DataObject) -> str:
        return list(self.tokens)[data.draw(st.integers(0, len(self.tokens) - 1))]

    @rule(tool=st.sampled_from(["list_contacts", "list_contact_fields", "list_changes"]))
    def read(self, tool: str) -> None:
        self.does(tool)

    @rule()
    def look(self) -> None:
        self.does("list_changes")
        for contact in self.store.contacts():
            (found,) = self.does("lookup_contact", contact_id=contact["id"])["contacts"]
            assert found["is_opted_out"] == (contact["is_opted_out"] if self.shows else "unknown")

    # What somebody else does

    @rule(phone=phones, change=st.sampled_from([{"first": "Z"}, {"is_opted_out": True}, {"is_opted_out": False}]))
    def somebody_edits(self, phone: str, change: dict[str, Any]) -> None:
        if contact := self.store.contact_by_phone(phone):
            self.store.touch(contact["id"], **change)

    # What must hold after every step

    def does(self, tool: str, **arguments: Any) -> dict[str, Any]:
        given = {name: value for name, value in arguments.items() if value is not None}
        before = {contact["id"]: contact for contact in self.store.contacts()}
        result = self.portal.call(self.client.call_tool, tool, given)
        assert isinstance(result, CallToolResult)
        facts: dict[str, Any] = result.structured_content or {"notes": [block.text for block in result.content]}
        self.judge(before, tool, given, facts)
        self.remember(tool, given, facts)
        return facts

    def judge(self, before: dict[int, Any], tool: str, given: dict[str, Any], facts: dict[str, Any]) -> None:
        after = {contact["id"]: contact for contact in self.store.contacts()}
        for contact_id in before.keys() & after.keys():
            if before[contact_id]["is_opted_out"] and not after[contact_id]["is_opted_out"]:
                self.judge_opt_in(tool, given, facts)
                self.left_opted_out.discard(after[contact_id]["phone"])
        kinds = facts.get("note_kinds", [])
        left = {
            was["phone"]: was for number, was in before.items() if was["phone"] != after.get(number, {}).get("phone")
        }
        for contact in after.values():
            if contact["phone"] != before.get(contact["id"], {}).get("phone"):
                self.judge_arrival(contact, kinds)
        for phone, was in left.items():
            self.judge_departure(was, given, kinds)
            if was["is_opted_out"]:
                self.left_opted_out.add(phone)

    def judge_departure(self, was: dict[str, Any], given: dict[str, Any], kinds: list[str]) -> None:
        is_known_to_be_in = self.shows and not was["is_opted_out"]
        assert ("left_opted_out" in kinds) == (not is_known_to_be_in)
        assert is_known_to_be_in or "confirm_token" in given, "an opted-out contact left its number unconfirmed"

    def judge_arrival(self, contact: dict[str, Any], kinds: list[str]) -> None:
        if contact["phone"] in self.left_opted_out:
            assert contact["is_opted_out"], "a number that was left opted out can be texted"
            assert "arrived_opted_out" in kinds

    def judge_opt_in(self, tool: str, given: dict[str, Any], facts: dict[str, Any]) -> None:
        assert tool == "update_contact"
        assert given.get("is_opted_out") is False
        asked = self.tokens.pop(given["confirm_token"])  # a second use is no longer there
        assert asked == {"tool": tool, **{name: value for name, value in given.items() if name != "confirm_token"}}
        listed = self.portal.call(self.client.call_tool, "list_changes", {"limit": 1})
        (entry,) = listed.structured_content["changes"]
        assert entry["change_id"] == facts["change_id"]
        assert entry["consent"] == given["consent"] != ""

    def remember(self, tool: str, given: dict[str, Any], facts: dict[str, Any]) -> None:
        if token := facts.get("confirm_token"):
            self.tokens[token] = {
                "tool": tool,
                **{name: value for name, value in given.items() if name != "confirm_token"},
            }
        if change_id := facts.get("change_id"):
            self.changes.append(change_id)


@pytest.fixture(scope="module")
def portal() -> Iterator[BlockingPortal]:
    with start_blocking_portal() as opened:
        yield opened


def test_no_sequence_of_calls_opts_anybody_in_without_consent_and_confirmation(portal: BlockingPortal) -> None:
    def office() -> Office:
        machine = Office()
        machine.portal = portal
        return machine

    checks = settings(
        max_examples=40,
        stateful_step_count=25,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    run_state_machine_as_test(office, settings=checks)


OpenSession = Callable[..., Any]


async def test_opting_in_asks_for_consent_then_for_a_confirmation_and_keeps_the_words(
    open_session: OpenSession, era: str
) -> None:
    async with open_session(mode=era) as session:
        session.sandbox.store.touch(1001, is_opted_out=True)
        assert "consent is needed" in await session.refused("update_contact", contact_id=1001, is_opted_out=False)
        asked = await session.ok("update_contact", contact_id=1001, is_opted_out=False, consent=CONSENT)
        assert asked["status"] == "needs_confirmation"
        assert CONSENT in asked["question"]
        assert session.sandbox.store.contact(1001)["is_opted_out"]
        again = {"contact_id": 1001, "is_opted_out": False, "consent": CONSENT, "confirm_token": asked["confirm_token"]}
        assert (await session.ok("update_contact", **again))["status"] == "updated"
        assert not session.sandbox.store.contact(1001)["is_opted_out"]
        (entry,) = (await session.ok("list_changes", limit=1))["changes"]
        assert entry["consent"] == CONSENT
        assert (await session.ok("update_contact", **again))["status"] == "unchanged"


async def test_a_create_that_meets_an_opted_out_contact_in_the_act_does_not_opt_it_in(
    open_session: OpenSession,
) -> None:
    """A service may turn a create with a known phone into an update.

    Then the contact may appear between our look and our create.
    """
    async with open_session(behaviour=Behaviour(requests_per_minute=0, known_phone="update")) as session:
        # It appears after we have looked.
        contact_id = session.sandbox.store.add_contact(
            phone="12125550142", first="Sam", is_opted_out=True, lag=Lag(reads=1)
        )
        answer = await session.ok("create_contact", phone="+12125550142", first="Sam", is_opted_out=False)
        assert session.sandbox.store.contact(contact_id)["is_opted_out"]
        assert answer["status"] == "updated"


async def test_an_unknown_opt_out_is_shown_as_unknown_and_treated_as_an_opt_out(open_session: OpenSession) -> None:
    async with open_session(behaviour=Behaviour(requests_per_minute=0, sends_opt_out=False)) as session:
        (found,) = (await session.ok("lookup_contact", contact_id=1001))["contacts"]
        assert found["is_opted_out"] == "unknown"
        assert "consent is needed" in await session.refused("update_contact", contact_id=1001, is_opted_out=False)
