"""Writes that are carried out after their client was told something else."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import anyio
import httpx
import pytest
from hurried import HurriedLoop, time_of_day
from support import Clock

from contacts_mcp.sandbox import Behaviour, Credentials, Fault, Lag, Sandbox, Store, open_sandbox

JORDAN = "/v1/contact/1001"
PHONE = "15105550100"
NEW = "15105553344"
OTHER = "15105553345"

Write = Callable[[httpx.AsyncClient], Any]


def has(**values: Any) -> Callable[[Store], bool]:
    return lambda store: values.items() <= (store.contact(1001) or {}).items()


# operation -> the request, and how the rows look after it
WRITES: dict[str, tuple[tuple[str, str, Any], Callable[[Store], bool]]] = {
    "create_contact": (
        ("POST", "/v1/contact", {"phone": NEW}),
        lambda store: store.contact_by_phone(NEW) is not None,
    ),
    "update_contact": (("PUT", JORDAN, {"phone": PHONE, "first": "Jo"}), has(first="Jo", rev=2)),
    "delete_contact": (("DELETE", JORDAN, None), lambda store: store.contact(1001) is None),
    "set_contact_status": (
        ("POST", "/v1/contact/set_status", {"id": "1001", "status": "unsubscribed"}),
        has(is_opted_out=True, rev=2),
    ),
    "batch_contacts": (
        ("POST", "/v1/batch/contacts?overwrite=true", [{"phone": PHONE, "last": "R"}, {"phone": NEW}]),
        lambda store: has(last="R")(store) and store.contact_by_phone(NEW) is not None,
    ),
    "create_fields": (
        ("POST", "/v1/contacts/fields", [{"title": "Birthday"}]),
        lambda store: store.fields()[-1]["title"] == "Birthday",
    ),
    "create_tag": (("POST", "/v1/tag", {"tag": "Spring"}), lambda store: store.tags()[-1]["tag"] == "Spring"),
}

# what the client is told -> the fault that tells it
TOLD: dict[str, dict[str, Any]] = {
    "a reset": {"kind": "drop_before"},
    "nothing": {"kind": "silence"},
    "a 504": {"kind": "status", "status": 504},
    "a gateway's 504": {"kind": "gateway", "status": 504},
    "a page": {"kind": "html"},
}


async def told(client: httpx.AsyncClient, method: str, path: str, body: Any = None) -> str:
    """The end of a request for a client with little patience."""
    try:
        response = await client.request(method, path, json=body, timeout=0.01)
    except httpx.ReadError:
        return "a reset"
    except httpx.ReadTimeout:
        return "nothing"
    if response.status_code == 200:
        return "a page" if response.text.startswith("<!DOCTYPE html>") else "all is well"
    is_known = "x-request-id" in response.headers
    return f"a {response.status_code}" if is_known else f"a gateway's {response.status_code}"


@pytest.mark.parametrize("what", TOLD)
@pytest.mark.parametrize("operation", WRITES)
async def test_a_write_is_carried_out_seconds_after_its_client_was_told_something_else(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock, operation: str, what: str
) -> None:
    request, is_done = WRITES[operation]
    sandbox.faults.add(Fault(operation, late=6, **TOLD[what]))
    assert await told(client, *request) == what
    clock.now += 5.9
    assert not is_done(sandbox.store)
    clock.now += 0.1
    assert is_done(sandbox.store)
    assert (sandbox.requests[-1].landed, len(sandbox.late)) == (200, 0)


def test_every_write_can_be_late() -> None:
    from contacts_mcp.sandbox.operations import WRITES as ALL

    assert WRITES.keys() == ALL


async def test_it_is_carried_out_before_the_next_request_and_as_of_its_due_time(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock
) -> None:
    sandbox.faults.add(Fault("update_contact", "drop_before", late=6))
    await told(client, "PUT", JORDAN, {"phone": PHONE, "first": "Jo"})
    assert (await client.get(JORDAN)).json()["first"] == "Jordan"
    clock.now += 60
    seen = (await client.get(JORDAN)).json()
    assert (seen["first"], seen["rev"], seen["updated"]) == ("Jo", 2, "2027-01-15T08:00:06Z")


async def test_a_refused_or_failed_request_lets_it_land_too(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock
) -> None:
    """The rows are those of the moment, whoever asks: here a read that gets no reply."""
    sandbox.faults.add(Fault("update_contact", "drop_before", late=1), Fault("get_contact", "drop_before"))
    await told(client, "PUT", JORDAN, {"phone": PHONE, "first": "Jo"})
    clock.now += 1
    await told(client, "GET", JORDAN)
    assert len(sandbox.late) == 0


async def test_a_late_write_meets_the_contact_as_it_is_by_then(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock
) -> None:
    """PUT sets what it carries: here the names, and nobody's e-mail."""
    sandbox.faults.add(Fault("update_contact", "drop_before", late=6))
    await told(client, "PUT", JORDAN, {"phone": PHONE, "first": "Jo", "last": "Rivera", "custom": {"33": "Oakland"}})
    other = {"phone": PHONE, "first": "Jordan", "last": "New", "email": "new@example.com", "custom": {"31": "Basic"}}
    assert (await client.put(JORDAN, json=other)).json()["rev"] == 2
    clock.now += 6
    stored = sandbox.store.contact(1001)
    assert stored
    assert (stored["first"], stored["last"], stored["email"], stored["rev"]) == ("Jo", "Rivera", "new@example.com", 3)
    assert stored["custom"] == {"31": "Basic", "33": "Oakland"}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", JORDAN, {"phone": PHONE}),
        ("DELETE", JORDAN, None),
        ("POST", "/v1/contact/set_status", {"phone": PHONE, "status": "active"}),
    ],
)
async def test_a_late_write_to_a_contact_that_is_gone_does_nothing(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock, method: str, path: str, body: Any
) -> None:
    sandbox.faults.add(Fault("*", "drop_before", late=6))
    await told(client, method, path, body)
    sandbox.store.delete(1001)
    clock.now += 6
    assert len(sandbox.store.contacts()) == 39
    assert sandbox.requests[-1].landed == 404


@pytest.mark.parametrize(("known_phone", "landed", "rev"), [("reject", 400, 1), ("update", 200, 2)])
async def test_a_late_create_meets_a_phone_that_is_taken_by_then(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock, *, known_phone: Any, landed: int, rev: int
) -> None:
    """The switches are those of the later moment, too."""
    sandbox.faults.add(Fault("create_contact", "status", status=500, late=6))
    await told(client, "POST", "/v1/contact", {"phone": NEW, "first": "Late"})
    there = sandbox.store.add_contact(phone=NEW, first="There")
    sandbox.behaviour = Behaviour(known_phone=known_phone)
    clock.now += 6
    (stored,) = [contact for contact in sandbox.store.contacts() if contact["phone"] == NEW]
    assert (stored["id"], stored["rev"], sandbox.requests[-1].landed) == (there, rev, landed)


async def test_a_put_that_was_sent_again_and_its_first_copy_are_both_carried_out(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock
) -> None:
    body = {"phone": PHONE, "first": "Jo"}
    sandbox.faults.add(Fault("update_contact", "status", status=502, late=3))
    assert [(await client.put(JORDAN, json=body)).status_code for _ in range(2)] == [502, 200]
    sandbox.store.touch(1001, first="Jordan again")
    clock.now += 3
    stored = sandbox.store.contact(1001)
    assert stored
    assert (stored["first"], stored["rev"]) == ("Jo", 4)


async def test_late_writes_land_in_the_order_of_their_due_times(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock
) -> None:
    for name, seconds in (("slow", 9), ("quick", 3), ("slow too", 9)):
        sandbox.faults.add(Fault("update_contact", "drop_before", late=seconds))
        await told(client, "PUT", JORDAN, {"phone": PHONE, "first": name})
    assert [write.request.body["first"] for write in sandbox.late.pending] == ["quick", "slow", "slow too"]
    assert [write.due - clock.now for write in sandbox.late.pending] == [3, 9, 9]
    clock.now += 10
    assert [landed.body["first"] for landed in sandbox.land_due()] == ["quick", "slow", "slow too"]
    stored = sandbox.store.contact(1001)
    assert stored
    assert (stored["first"], stored["rev"], stored["updated"]) == ("slow too", 4, "2027-01-15T08:00:09Z")


async def test_everything_can_be_made_to_land_at_once(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock
) -> None:
    """A write that lands early is of now."""
    for path, seconds in ((JORDAN, 9), ("/v1/contact/1002", 3)):
        sandbox.faults.add(Fault("delete_contact", "drop_before", late=seconds))
        await told(client, "DELETE", path)
    sandbox.faults.add(Fault("create_contact", "drop_before", late=99))
    await told(client, "POST", "/v1/contact", {"phone": NEW})
    assert sandbox.land_due() == []
    assert [landed.path for landed in sandbox.land_all()] == ["/v1/contact/1002", JORDAN, "/v1/contact"]
    created = sandbox.store.contact_by_phone(NEW)
    assert created
    assert created["updated"] == "2027-01-15T08:00:00Z"
    assert sandbox.land_all() == []


async def test_only_writes_are_late(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.faults.add(Fault("*", "drop_before", late=6))
    assert await told(client, "GET", JORDAN) == "a reset"
    assert sandbox.late.pending == []


async def test_a_late_write_without_credentials_does_nothing(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock
) -> None:
    sandbox.faults.add(Fault("delete_contact", "drop_before", late=6))
    with pytest.raises(httpx.ReadError):
        await client.delete(JORDAN, headers={"Authorization": "Bearer wrong"})
    clock.now += 6
    assert sandbox.store.contact(1001)
    assert sandbox.requests[-1].landed == 401


async def test_a_jwt_may_expire_on_the_way(sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock) -> None:
    import jwt

    ours = Credentials()
    claims = {"iss": ours.secret_id, "iat": int(clock.now)}
    token = jwt.encode(claims, f"{ours.secret_id}||{ours.secret_key}", algorithm="HS256")
    sandbox.faults.add(Fault("delete_contact", "drop_before", late=900))
    with pytest.raises(httpx.ReadError):
        await client.delete(JORDAN, headers={"Authorization": f"Bearer {token}"})
    clock.now += 900
    assert sandbox.store.contact(1001) is None


async def test_reads_may_lag_behind_a_late_write(sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock) -> None:
    sandbox.faults.add(Fault("update_contact", "drop_before", late=6, lag=Lag(seconds=2, reads=1)))
    await told(client, "PUT", JORDAN, {"phone": PHONE, "first": "Jo"})
    seen = []
    for seconds in (5.5, 1, 1, 1):
        clock.now += seconds
        seen.append((await client.get(JORDAN)).json()["first"])
    assert seen == ["Jordan", "Jordan", "Jordan", "Jo"]


async def test_a_stranger_acts_on_the_rows_of_the_moment(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock
) -> None:
    """Each use of the store comes after the late writes that are due, so an edit never lands before them."""
    sandbox.faults.add(Fault("update_contact", "drop_before", late=6))
    await told(client, "PUT", JORDAN, {"phone": PHONE, "first": "Jo"})
    clock.now += 7
    sandbox.store.touch(1001, last="Stranger")
    stored = sandbox.store.contact(1001)
    assert stored
    assert (stored["first"], stored["last"], stored["rev"]) == ("Jo", "Stranger", 3)


async def test_starting_over_loses_them(clock: Clock) -> None:
    with closing(open_sandbox(contacts=1, clock=clock, control=True)) as sandbox:
        transport, headers = sandbox.transport(), {"Authorization": "Bearer sandbox-api-key"}
        async with httpx.AsyncClient(transport=transport, base_url="http://sandbox", headers=headers) as client:
            sandbox.faults.add(Fault("delete_contact", "drop_before", late=6))
            await told(client, "DELETE", JORDAN)
            await client.post("/_sandbox/reset")
        clock.now += 6
        assert sandbox.store.contact(1001)


@pytest.mark.parametrize(
    "order",
    [
        {"operation": "update_contact", "kind": "drop_after"},
        {"operation": "update_contact", "kind": "stall"},
        {"operation": "update_contact", "kind": "pretend"},
        {"operation": "update_contact", "kind": "refuse"},
        {"operation": "get_contact", "kind": "drop_before"},
    ],
    ids=lambda order: f"{order['kind']} of {order['operation']}",
)
def test_a_fault_that_leaves_nothing_for_later_is_refused(order: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="nothing to carry out late"):
        Fault(late=6, **order)


def test_waiting_that_takes_no_time_makes_them_due() -> None:
    """On a hurried event loop with its clock, a second of waiting is a second for a late write."""

    async def run() -> tuple[str, list[str], float]:
        with closing(open_sandbox(contacts=1, clock=time_of_day)) as sandbox:
            sandbox.faults.add(Fault("update_contact", "silence", late=6))
            headers = {"Authorization": "Bearer sandbox-api-key"}
            transport = sandbox.transport()
            async with httpx.AsyncClient(transport=transport, base_url="http://sandbox", headers=headers) as client:
                with pytest.raises(httpx.ReadTimeout) as gave_up:
                    await client.put(JORDAN, json={"phone": PHONE, "first": "Jo"}, timeout=2)
                seen = []
                for _ in range(5):
                    seen.append((await client.get(JORDAN)).json()["first"])
                    await anyio.sleep(1)
            return type(gave_up.value).__name__, seen, anyio.current_time()

    error, seen, elapsed = anyio.run(run, backend_options={"loop_factory": HurriedLoop})
    assert (error, seen) == ("ReadTimeout", ["Jordan"] * 4 + ["Jo"])
    assert elapsed == pytest.approx(7)
