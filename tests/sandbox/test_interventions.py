"""Somebody else who acts between any two requests."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import httpx
import pytest
from support import Clock

from contacts_mcp.sandbox import Fault, FaultKind, Intervention, Lag, Sandbox

JORDAN = "/v1/contact/1001"
PHONE = "15105550100"
NEW = "15105553344"


async def firsts(client: httpx.AsyncClient, times: int) -> list[str | None]:
    """`first` of contact 1001, read so many times. None is not found."""
    return [(await client.get(JORDAN)).json().get("first") for _ in range(times)]


def edit(first: str, **when: Any) -> Intervention:
    return Intervention("edit", contact_id=1001, members={"first": first}, **when)


@pytest.mark.parametrize("skip", range(4))
async def test_somebody_edits_between_any_two_requests(sandbox: Sandbox, client: httpx.AsyncClient, skip: int) -> None:
    sandbox.interventions.add(edit("Jo", skip=skip))
    assert await firsts(client, 4) == ["Jordan"] * skip + ["Jo"] * (4 - skip)
    stored = sandbox.store.contact(1001)
    assert stored
    assert (stored["rev"], len(sandbox.interventions)) == (2, 0)


@pytest.mark.parametrize(
    ("when", "seen"),
    [
        ({"when": "before"}, ["Jo", "Jo", "Jo"]),
        ({"when": "after"}, ["Jordan", "Jo", "Jo"]),
        ({"operation": "get_contact", "skip": 2}, ["Jordan", "Jordan", "Jo"]),
        ({"operation": "get_contact", "when": "after", "skip": 1}, ["Jordan", "Jordan", "Jo"]),
        ({"operation": "count_contacts"}, ["Jordan", "Jordan", "Jordan"]),
    ],
    ids=["before", "after", "before the third read", "after the second read", "never"],
)
async def test_before_or_after_the_requests_of_an_operation(
    sandbox: Sandbox, client: httpx.AsyncClient, when: dict[str, Any], seen: list[str]
) -> None:
    sandbox.interventions.add(edit("Jo", **when))
    assert await firsts(client, 3) == seen


async def test_after_a_write_comes_before_it_is_answered(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.interventions.add(edit("Theirs", operation="update_contact", when="after"))
    receipt = (await client.put(JORDAN, json={"phone": PHONE, "first": "Ours"})).json()
    seen = (await client.get(JORDAN)).json()
    assert (receipt["rev"], seen["rev"], seen["first"]) == (2, 3, "Theirs")


@pytest.mark.parametrize("kind", ["status", "drop_before", "drop_after", "gateway_after"])
async def test_a_request_that_fails_is_one_too(sandbox: Sandbox, client: httpx.AsyncClient, kind: FaultKind) -> None:
    sandbox.faults.add(Fault("get_contact", kind))
    sandbox.interventions.add(edit("Jo", when="after"))
    with suppress(httpx.ReadError):
        await client.get(JORDAN)
    assert await firsts(client, 1) == ["Jo"]


async def test_a_request_that_never_arrives_is_none(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.faults.add(Fault("get_contact", "refuse"))
    sandbox.interventions.add(edit("Jo"))
    with pytest.raises(httpx.ConnectError):
        await client.get(JORDAN)
    assert len(sandbox.interventions) == 1


async def test_somebody_deletes_and_creates_anew(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    """All that is due at one request happens, in order."""
    sandbox.interventions.add(
        Intervention("delete", phone=PHONE, skip=1),
        Intervention("create", members={"phone": PHONE, "first": "Somebody"}, skip=1),
    )
    found = [(await client.post("/v1/contact/get", json={"phone": PHONE})).json() for _ in range(2)]
    assert [(contact["id"], contact["first"]) for contact in found] == [(1001, "Jordan"), (1041, "Somebody")]


async def test_a_phone_is_looked_up_at_that_moment(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    """So the contact that the client itself just created can be meant."""
    sandbox.interventions.add(Intervention("edit", "get_contact", phone=NEW, members={"phone": "15105553345"}))
    new = (await client.post("/v1/contact", json={"phone": NEW})).json()["id"]
    assert (await client.get(f"/v1/contact/{new}")).json()["phone"] == "15105553345"


@pytest.mark.parametrize("action", ["edit", "delete"])
async def test_nobody_acts_on_a_contact_that_is_not_there(
    sandbox: Sandbox, client: httpx.AsyncClient, action: Any
) -> None:
    before = sandbox.store.contacts()
    sandbox.interventions.add(Intervention(action, contact_id=1), Intervention(action, phone=NEW))
    assert (await client.get(JORDAN)).status_code == 200
    assert (sandbox.store.contacts(), len(sandbox.interventions)) == (before, 0)


async def test_they_may_act_many_times_or_for_ever(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.interventions.add(edit("Jo", times=2, skip=1), edit("Eve", operation="update_contact", times=-1))
    await firsts(client, 5)
    stored = sandbox.store.contact(1001)
    assert stored
    assert stored["rev"] == 3
    for _ in range(3):
        assert (await client.put(JORDAN, json={"phone": PHONE, "first": "Ours"})).status_code == 200
    assert sandbox.interventions.pending == [edit("Eve", operation="update_contact", times=-1)]


async def test_reads_may_lag_behind_them(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.interventions.add(edit("Jo", lag=Lag(reads=2)))
    assert await firsts(client, 4) == ["Jordan", "Jordan", "Jo", "Jo"]


async def test_they_come_after_the_late_writes_that_are_due(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock
) -> None:
    sandbox.faults.add(Fault("update_contact", "status", late=6))
    await client.put(JORDAN, json={"phone": PHONE, "first": "Late"})
    sandbox.interventions.add(edit("Jo"))
    clock.now += 6
    assert await firsts(client, 1) == ["Jo"]
    stored = sandbox.store.contact(1001)
    assert stored
    assert stored["rev"] == 3


@pytest.mark.parametrize(
    "make",
    [
        lambda: Intervention("rename", contact_id=1001),
        lambda: Intervention("edit", "gett_contact", contact_id=1001),
        lambda: Intervention("edit", when="during", contact_id=1001),
        lambda: Intervention("delete"),
        lambda: Intervention("edit", contact_id=1001, members={"frist": "Jo"}),
    ],
    ids=["action", "operation", "when", "whom", "member"],
)
def test_an_instruction_that_cannot_be_followed_is_refused(make: Callable[[], Intervention]) -> None:
    with pytest.raises((ValueError, TypeError), match=r"validation error|a contact has no frist"):
        make()
