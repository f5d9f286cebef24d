"""Every fault of the service at every request of every tool, once and for ever.

The outcome of each is a row of `faults.txt`. Laws hold for all rows: no phone is doubled, no false success is claimed,
and no true one is denied.

Guards `contacts_mcp/api/client.py` and `contacts_mcp/book/writing/write.py`.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from support import Backend, OpenStage, Stage, text_of

from contacts_mcp.sandbox import Fault, Store

FAULTS: dict[str, dict[str, Any]] = {
    "429": {"kind": "status", "status": 429},
    "429-wait": {"kind": "status", "status": 429, "retry_after": 2},
    "500": {"kind": "status"},
    "500-after": {"kind": "status_after"},
    "refuse": {"kind": "refuse"},
    "drop": {"kind": "drop_before"},
    "drop-after": {"kind": "drop_after"},
    "slow": {"kind": "stall", "delay": 1},
    "too-slow": {"kind": "stall", "delay": 10},
    "too-slow-after": {"kind": "stall_after", "delay": 10},
    "drip": {"kind": "drip", "delay": 1},
    "truncate": {"kind": "truncate"},
    "html": {"kind": "html"},
    "html-after": {"kind": "html_after"},
    "wrong-type": {"kind": "wrong_type"},
    "empty": {"kind": "empty"},
}
TIMES = {"once": 1, "always": -1}


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """One call of a tool, the operations it asks of the service, and how the store looks when it did what it says.

    `get_contact+1` is the read after the first one. It reads back, or looks whether a write was carried out.
    """

    tool: str
    arguments: dict[str, Any] = field(default_factory=dict)
    operations: str
    is_done: Callable[[Store], bool] = lambda _: True
    before: tuple[tuple[str, dict[str, Any]], ...] = ()


def has(contact_id: int, **values: Any) -> Callable[[Store], bool]:
    return lambda store: values.items() <= (store.contact(contact_id) or {}).items()


NEW = "(510) 555-3344"
RENAMED = ("update_contact", {"contact_id": 1, "first": "Augusta"})
DELETED = ("delete_contact", {"contact_id": 2})

SCENARIOS = {
    "create": Scenario(
        tool="create_contact",
        arguments={
            "phone": NEW,
            "first": "Jo",
            "custom_fields": {"Plan": "Gold"},
            "tags": ["VIP"],
            "assignee": "Priya Patel",
        },
        operations="list_fields list_tags get_team find_contact create_contact search_contacts",
        is_done=has(3, first="Jo", phone="15105553344", tags=[101], assigned_user_id=502, custom={"31": "Gold"}),
    ),
    "create-existing": Scenario(
        tool="create_contact", arguments={"phone": "+15105550102", "first": "Jo"}, operations="find_contact"
    ),
    "create-or-fill": Scenario(
        tool="create_contact",
        arguments={"phone": "+15105550101", "avatar": "https://example.com/a.png", "if_exists": "fill"},
        operations="find_contact get_contact update_contact",
        is_done=has(1, avatar="https://example.com/a.png", last="Example"),
    ),
    "lookup-id": Scenario(
        tool="lookup_contact", arguments={"contact_id": 1}, operations="get_contact list_fields list_tags get_team"
    ),
    "lookup-phone": Scenario(tool="lookup_contact", arguments={"phone": "+15105550102"}, operations="find_contact"),
    "lookup-email": Scenario(
        tool="lookup_contact", arguments={"email": "ada@example.com"}, operations="search_contacts"
    ),
    "update": Scenario(
        tool="update_contact",
        arguments={"contact_id": 1, "first": "Augusta", "custom_fields": {"Plan": "Basic"}},
        operations="list_fields get_contact update_contact get_contact+1",
        is_done=has(1, first="Augusta", last="Example", custom={"31": "Basic", "33": "Oakland"}, tags=[101, 102]),
    ),
    "update-names": Scenario(
        tool="update_contact",
        arguments={"contact_id": 1, "add_tags": ["Newsletter"], "assignee": "Alex Kim"},
        operations="list_tags get_team update_contact get_contact+1",
        is_done=has(1, first="Ada", tags=[101, 102, 103], assigned_user_id=501),
    ),
    "update-phone": Scenario(
        tool="update_contact",
        arguments={"contact_id": 2, "new_phone": NEW},
        operations="find_contact update_contact get_contact",
        is_done=has(2, first="Ben", phone="15105553344", is_opted_out=True),
    ),
    "delete": Scenario(
        tool="delete_contact",
        arguments={"contact_id": 2},
        operations="get_contact delete_contact get_contact+1",
        is_done=lambda store: store.contact(2) is None,
    ),
    "delete-phone": Scenario(
        tool="delete_contact",
        arguments={"phone": "+15105550102"},
        operations="find_contact delete_contact get_contact",
        is_done=lambda store: store.contact(2) is None,
    ),
    "list": Scenario(tool="list_contacts", operations="list_contacts count_contacts"),
    "search-tag": Scenario(tool="search_contacts", arguments={"tag": "VIP"}, operations="list_tags list_contacts"),
    "fields": Scenario(tool="list_contact_fields", operations="list_fields"),
    "changes": Scenario(
        tool="list_changes",
        operations="list_fields",
        before=(("update_contact", {"contact_id": 1, "clear": ["Plan"]}),),
    ),
    "undo-update": Scenario(
        tool="undo_change",
        arguments={"change_id": 1},
        operations="get_contact update_contact get_contact+1",
        is_done=has(1, first="Ada", last="Example"),
        before=(RENAMED,),
    ),
    "undo-delete": Scenario(
        tool="undo_change",
        arguments={"change_id": 1},
        operations="find_contact list_fields create_contact search_contacts",
        is_done=lambda store: (store.contact_by_phone("15105550102") or {}).get("is_opted_out") is True,
        before=(DELETED,),
    ),
    "undo-create": Scenario(
        tool="undo_change",
        arguments={"change_id": 1},
        operations="get_contact delete_contact get_contact+1",
        is_done=lambda store: store.contact_by_phone("15105553344") is None,
        before=(("create_contact", {"phone": NEW, "first": "Jo"}),),
    ),
}

CLAIMS = {"created", "updated", "deleted", "undone"}
MAY_BE_DONE = {"unknown_outcome", "too_late"}

Rows = dict[str, list[str]]


@pytest.fixture
def anyio_backend(hurried: Backend) -> Backend:
    return hurried


def expected() -> dict[tuple[str, str, str], Rows]:
    """scenario, operation, times -> outcome -> the faults that lead to it."""
    found: dict[tuple[str, str, str], Rows] = defaultdict(dict)
    for line in Path(__file__).with_name("faults.txt").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            scenario, operation, times, outcome, faults = (part.strip() for part in line.split("|"))
            found[scenario, operation, times][outcome] = faults.split()
    return found


CELLS = [
    pytest.param(name, operation, times, id=f"{name}-{operation}-{times}")
    for name, scenario in SCENARIOS.items()
    for operation in scenario.operations.split()
    for times in TIMES
]


@pytest.mark.parametrize(("name", "operation", "times"), CELLS)
async def test_every_fault_has_exactly_the_outcome_of_its_row(
    name: str, operation: str, times: str, open_stage: OpenStage
) -> None:
    rows: Rows = {}
    async with open_stage(confirm="off") as stage:
        for fault, details in FAULTS.items():
            await stage.fresh()
            random.seed(fault)  # the jitter decides how many tries fit into a time
            outcome = await _outcome(stage, SCENARIOS[name], _fault(operation, times, details))
            rows.setdefault(outcome, []).append(fault)
    assert rows == expected().get((name, operation, times), {}), "\n".join(_lines(name, operation, times, rows))


def _fault(operation: str, times: str, details: dict[str, Any]) -> Fault:
    plain, _, skip = operation.partition("+")
    return Fault(plain, times=TIMES[times], skip=int(skip or 0), **details)


def _lines(name: str, operation: str, times: str, rows: Rows) -> Iterable[str]:
    return (
        "",
        *(f"{name} | {operation} | {times} | {outcome} | {' '.join(faults)}" for outcome, faults in rows.items()),
    )


async def _outcome(stage: Stage, scenario: Scenario, fault: Fault) -> str:
    """The answer, the number of requests, the change of the contacts and the state in the journal, as one text.

    The laws are checked on the way.
    """
    for tool, arguments in scenario.before:
        await stage.ok(tool, **arguments)
        stage.restart()
    people = stage.people()
    journal = (await stage.book()).journal
    known = len(await journal.entries())
    stage.sandbox.faults.add(fault)
    result = await stage.call(scenario.tool, **scenario.arguments)
    text = text_of(result)
    facts = result.structured_content
    answer = facts["kind"] if result.is_error else _status(facts)
    sent, entries = stage.wire.sent, await journal.entries()
    state = entries[0].state if len(entries) > known else "no entry"
    difference = _difference(people, stage.people())
    _check_laws(
        answer, text, difference, state, is_done=scenario.is_done(stage.sandbox.store), store=stage.sandbox.store
    )
    if state in ("unknown", "not_done"):
        await _check_settled(stage, known=known, is_changed=difference != "same")
    return f"{answer}, {sent} sent, {difference}, {state}"


def _status(facts: dict[str, Any]) -> str:
    if "status" in facts:
        return str(facts["status"])
    if "found" in facts:
        return "found" if facts["found"] else "not found"
    return "complete" if facts.get("complete") else "partial" if "complete" in facts else "answered"


def _difference(before: dict[int, Any], after: dict[int, Any]) -> str:
    changed = [number for number in before.keys() & after.keys() if before[number] != after[number]]
    counts = {
        "added": len(after.keys() - before.keys()),
        "gone": len(before.keys() - after.keys()),
        "changed": len(changed),
    }
    return " ".join(f"{count} {what}" for what, count in counts.items() if count) or "same"


def _check_laws(answer: str, text: str, difference: str, state: str, *, is_done: bool, store: Store) -> None:
    phones = [contact["phone"] for contact in store.contacts()]
    assert len(phones) == len({*phones}), "two contacts have one phone"
    if answer in CLAIMS:
        assert is_done, f"claimed and not so: {text}"
        assert state == "done"
    elif answer in MAY_BE_DONE:
        assert "ook the contact up" in text or "ook it up again" in text, f"does not say what to do: {text}"
    else:
        assert difference == "same", f"denied and yet so: {text}"
        assert state in ("no entry", "not_done")


async def _check_settled(stage: Stage, *, known: int, is_changed: bool) -> None:
    """With the service well again, the next server finds out how it was, and its journal agrees with the store."""
    stage.sandbox.faults.clear()
    await anyio.sleep(3600)
    stage.restart()
    await stage.ok("list_changes")
    entries = await (await stage.book()).journal.entries()
    assert [entry.state for entry in entries[: len(entries) - known]] == ["done" if is_changed else "not_done"]


async def test_the_rows_speak_of_every_fault_exactly_once() -> None:
    for where, rows in expected().items():
        assert sorted(fault for faults in rows.values() for fault in faults) == sorted(FAULTS), where
    assert len(expected()) == len(CELLS)
