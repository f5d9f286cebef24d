"""Reads that lag behind writes: by how much, which kinds of read, and from when on."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, get_args

import httpx
import pytest
from support import Clock

from contacts_mcp.sandbox import Behaviour, Fault, FaultKind, Lag, Sandbox
from contacts_mcp.sandbox.rows.replica import READ_KINDS, ReadKind

JORDAN = "/v1/contact/1001"
PHONE = "15105550100"
NEW = "15105553344"


@pytest.fixture(autouse=True)
def lag(sandbox: Sandbox) -> None:
    sandbox.behaviour = Behaviour(read_delay_writes=2, put_without_names="keep")


async def rename(client: httpx.AsyncClient, first: str = "Jo") -> None:
    await client.put(JORDAN, json={"phone": PHONE, "first": first})


async def test_an_update_shows_after_two_reads(client: httpx.AsyncClient) -> None:
    await rename(client)
    assert [(await client.get(JORDAN)).json()["first"] for _ in range(3)] == ["Jordan", "Jordan", "Jo"]


@pytest.mark.parametrize("reads", [0, 1, 3])
async def test_the_delay_is_a_number_of_reads(sandbox: Sandbox, client: httpx.AsyncClient, reads: int) -> None:
    sandbox.behaviour = Behaviour(read_delay_writes=reads)
    await rename(client)
    assert [(await client.get(JORDAN)).json()["first"] for _ in range(4)] == ["Jordan"] * reads + ["Jo"] * (4 - reads)


async def test_a_created_contact_is_missing_for_two_reads(client: httpx.AsyncClient) -> None:
    await client.post("/v1/contact", json={"phone": NEW})
    assert [(await client.post("/v1/contact/get", json={"phone": NEW})).status_code for _ in range(3)] == [
        404,
        404,
        200,
    ]


async def test_a_deleted_contact_is_there_for_two_reads(client: httpx.AsyncClient) -> None:
    await client.delete(JORDAN)
    assert [(await client.get(JORDAN)).status_code for _ in range(3)] == [200, 200, 404]


async def test_a_changed_phone_is_found_under_the_old_one_for_two_reads(client: httpx.AsyncClient) -> None:
    await client.put(JORDAN, json={"phone": NEW})
    search = {"contact_channels": [{"channel_type": "phone", "channel_ids": [PHONE, NEW]}]}
    assert [(await client.post("/v2/contacts/search", json=search)).json()[0]["phone"] for _ in range(3)] == [
        PHONE,
        PHONE,
        NEW,
    ]


async def test_the_list_shows_the_old_state_in_the_old_place(client: httpx.AsyncClient) -> None:
    before = (await client.post("/v1/contacts", json={})).json()
    moved = before[20]
    await client.put(f"/v1/contact/{moved['id']}", json={"phone": moved["phone"], "first": "Moved"})
    pages = [(await client.post("/v1/contacts", json={})).json() for _ in range(3)]
    assert pages[:2] == [before, before]
    assert pages[2][0]["first"] == "Moved"


async def test_the_list_has_full_pages_while_a_contact_from_further_down_lags(client: httpx.AsyncClient) -> None:
    first = (await client.post("/v1/contacts", json={})).json()
    second = (await client.post("/v1/contacts", json={"date": first[-1]["updated"]})).json()
    moved = second[5]
    await client.put(f"/v1/contact/{moved['id']}", json={"phone": moved["phone"], "first": "Moved"})
    assert (await client.post("/v1/contacts", json={})).json() == first
    assert (await client.post("/v1/contacts", json={"date": first[-1]["updated"]})).json() == second


async def test_the_count_lags_too(client: httpx.AsyncClient) -> None:
    await client.post("/v1/contact", json={"phone": NEW})
    await client.delete("/v1/contact/1002")
    await client.delete("/v1/contact/1003")
    assert [(await client.post("/v1/contacts/count", json={})).json() for _ in range(3)] == [40, 40, 39]


async def test_other_contacts_are_not_held_back(client: httpx.AsyncClient) -> None:
    await rename(client)
    await client.get("/v1/contact/1002")
    await client.get("/v1/contact/1002")
    assert (await client.get(JORDAN)).json()["first"] == "Jordan"


async def test_a_second_write_waits_anew_behind_the_first_state(client: httpx.AsyncClient) -> None:
    await rename(client, "One")
    await client.get(JORDAN)
    await rename(client, "Two")
    assert [(await client.get(JORDAN)).json()["first"] for _ in range(3)] == ["Jordan", "Jordan", "Two"]


async def test_writes_see_each_other_at_once(client: httpx.AsyncClient) -> None:
    await client.post("/v1/contact", json={"phone": NEW})
    again: Any = await client.post("/v1/contact", json={"phone": NEW})
    assert again.status_code == 400


# kind of read -> whether it sees that contact 1001 is opted out or gone (True) or not yet (False)


async def sees_by_id(client: httpx.AsyncClient) -> bool:
    return (await client.get(JORDAN)).json().get("is_opted_out", True)


async def sees_found(client: httpx.AsyncClient) -> bool:
    return (await client.post("/v1/contact/get", json={"phone": PHONE})).json().get("is_opted_out", True)


async def sees_searched(client: httpx.AsyncClient) -> bool:
    channels = [{"channel_type": "phone", "channel_ids": [PHONE]}]
    found = (await client.post("/v2/contacts/search", json={"contact_channels": channels})).json()
    return all(contact["is_opted_out"] for contact in found)


async def sees_listed(client: httpx.AsyncClient) -> bool:
    rows = (await client.post("/v1/contacts", json={"limit": 100})).json()
    return all(row["is_opted_out"] for row in rows if row["id"] == 1001)


async def sees_counted(client: httpx.AsyncClient) -> bool:
    return (await client.post("/v1/contacts/count", json={})).json() == 39


async def sees_status(client: httpx.AsyncClient) -> bool:
    return (await client.post("/v1/contact/status", json={"id": "1001"})).json().get("unsubscribed", True)


LOOKS: dict[ReadKind, Callable[[httpx.AsyncClient], Awaitable[bool]]] = {
    "get_contact": sees_by_id,
    "find_contact": sees_found,
    "search_contacts": sees_searched,
    "list_contacts": sees_listed,
    "count_contacts": sees_counted,
    "contact_status": sees_status,
}
OF_A_CONTACT = [kind for kind in READ_KINDS if kind != "count_contacts"]


def lagging(*lags: Lag) -> Behaviour:
    return Behaviour(lags=lags, put_without_names="keep", honours_limit=True)


async def opt_out(client: httpx.AsyncClient) -> None:
    await client.put(JORDAN, json={"phone": PHONE, "is_opted_out": True})


def test_every_kind_of_read_is_looked_at() -> None:
    assert LOOKS.keys() == set(READ_KINDS) == set(get_args(ReadKind))


@pytest.mark.parametrize("kind", READ_KINDS)
async def test_each_kind_of_read_can_lag_by_reads(sandbox: Sandbox, client: httpx.AsyncClient, kind: ReadKind) -> None:
    sandbox.behaviour = lagging(Lag(reads=3, of=(kind,)))
    await client.delete(JORDAN)
    assert [await LOOKS[kind](client) for _ in range(5)] == [False] * 3 + [True] * 2


@pytest.mark.parametrize("kind", READ_KINDS)
async def test_each_kind_of_read_can_lag_by_seconds(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock, kind: ReadKind
) -> None:
    sandbox.behaviour = lagging(Lag(seconds=3, of=(kind,)))
    await client.delete(JORDAN)
    seen = []
    for _ in range(5):
        seen.append(await LOOKS[kind](client))
        clock.now += 1
    assert seen == [False] * 3 + [True] * 2


@pytest.mark.parametrize("kind", OF_A_CONTACT)
async def test_one_kind_lags_and_the_others_do_not(sandbox: Sandbox, client: httpx.AsyncClient, kind: ReadKind) -> None:
    sandbox.behaviour = lagging(Lag(reads=2, of=(kind,)))
    await opt_out(client)
    seen = {other: await LOOKS[other](client) for other in OF_A_CONTACT}
    assert seen == {other: other != kind for other in OF_A_CONTACT}


async def test_kinds_that_lag_together_count_together(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.behaviour = lagging(Lag(reads=2, of=("get_contact", "find_contact")))
    await opt_out(client)
    looks = (sees_by_id, sees_status, sees_found, sees_by_id, sees_found)
    assert [await look(client) for look in looks] == [False, True, False, True, True]


async def test_kinds_may_lag_differently(sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock) -> None:
    sandbox.behaviour = lagging(Lag(reads=1, of=("get_contact",)), Lag(seconds=9, of=("list_contacts",)))
    await opt_out(client)
    assert [await sees_by_id(client), await sees_by_id(client), await sees_listed(client)] == [False, True, False]
    clock.now += 9
    assert await sees_listed(client)


async def test_a_read_of_one_kind_does_not_count_for_another(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.behaviour = lagging(Lag(reads=1, of=("get_contact",)), Lag(reads=3, of=("list_contacts",)))
    await opt_out(client)
    looks = (sees_listed, sees_listed, sees_by_id, sees_by_id, sees_listed, sees_listed)
    assert [await look(client) for look in looks] == [False, False, False, True, False, True]


async def test_reads_and_seconds_must_both_pass(sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock) -> None:
    sandbox.behaviour = lagging(Lag(reads=2, seconds=3))
    await opt_out(client)
    assert [await sees_by_id(client) for _ in range(3)] == [False] * 3
    clock.now += 3
    assert await sees_by_id(client)
    await client.put("/v1/contact/1002", json={"phone": "15105550101", "is_opted_out": False})
    clock.now += 3
    seen = [(await client.get("/v1/contact/1002")).json()["is_opted_out"] for _ in range(3)]
    assert seen == [True, True, False]


async def test_a_replica_that_is_seconds_behind_goes_through_every_state(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock
) -> None:
    sandbox.behaviour = lagging(Lag(seconds=3))
    seen = []
    for first in ("One", "Two", "Three", None, None, None):
        if first:
            await rename(client, first)
        clock.now += 1
        seen.append((await client.get(JORDAN)).json()["first"])
    assert seen == ["Jordan", "Jordan", "One", "Two", "Three", "Three"]


@pytest.mark.parametrize("seconds", [0, 1, 2, 3])
async def test_the_lag_begins_at_a_chosen_moment(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock, seconds: int
) -> None:
    """A write of before is seen at once, and turning the lag off does not show a write that already lags."""
    sandbox.behaviour = lagging()
    await rename(client, "Before")
    sandbox.behaviour = lagging(Lag(seconds=seconds))
    await rename(client, "After")
    sandbox.behaviour = lagging()
    clock.now += 1
    assert (await client.get(JORDAN)).json()["first"] == ("Before" if seconds > 1 else "After")


async def test_a_write_without_a_lag_waits_behind_one_that_lags(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.behaviour = lagging(Lag(reads=1))
    await rename(client, "One")
    sandbox.behaviour = lagging()
    await rename(client, "Two")
    assert [(await client.get(JORDAN)).json()["first"] for _ in range(2)] == ["Jordan", "Two"]


@pytest.mark.parametrize(
    ("kind", "status"), [("lag", 200), ("status_after", 500), ("gateway_after", 500), ("drop_after", None)]
)
async def test_one_write_may_lag_also_if_it_seems_to_fail(
    sandbox: Sandbox, client: httpx.AsyncClient, kind: FaultKind, status: int | None
) -> None:
    sandbox.behaviour = lagging()
    sandbox.faults.add(Fault("update_contact", kind, skip=1, lag=Lag(reads=2, of=("get_contact",))))
    await rename(client, "First")
    assert await sees_by_id(client) is False
    try:
        response = await client.put(JORDAN, json={"phone": PHONE, "is_opted_out": True})
        assert response.status_code == status
    except httpx.ReadError:
        assert status is None
    assert await sees_found(client)
    assert [await sees_by_id(client) for _ in range(3)] == [False, False, True]


async def test_nothing_is_kept_of_a_write_that_every_read_has_seen(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.behaviour = lagging(Lag(reads=1))
    for contact in sandbox.store.contacts():
        await client.delete(f"/v1/contact/{contact['id']}")
    assert len(sandbox.state.replica._versions) == 40
    await sees_counted(client)
    await sees_counted(client)
    assert sandbox.state.replica._versions == {}


async def test_a_created_contact_that_lags_is_nowhere_and_a_deleted_one_everywhere(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock
) -> None:
    """Also for the count: one came, one went, and one came and went."""
    sandbox.behaviour = lagging(Lag(seconds=3))
    await client.post("/v1/contact", json={"phone": NEW})
    await client.delete(JORDAN)
    gone = (await client.post("/v1/contact", json={"phone": "15105553345"})).json()["id"]
    await client.delete(f"/v1/contact/{gone}")
    await client.delete("/v1/contact/1002")
    for passed, count, phones in ((0, 40, {PHONE}), (3, 39, {NEW})):
        clock.now += passed
        listed = (await client.post("/v1/contacts", json={"limit": 100})).json()
        assert (await client.post("/v1/contacts/count", json={})).json() == len(listed) == count
        assert {row["phone"] for row in listed} & {PHONE, NEW, "15105553345"} == phones


@pytest.mark.parametrize("lag", [None, Lag(reads=1)])
async def test_somebody_elses_edit_shows_at_once_unless_it_lags(
    sandbox: Sandbox, client: httpx.AsyncClient, lag: Lag | None
) -> None:
    sandbox.behaviour = lagging(Lag(reads=9))
    sandbox.store.touch(1001, lag=lag, is_opted_out=True)
    new = sandbox.store.add_contact(phone=NEW, lag=lag)
    sandbox.store.delete(1002, lag=lag)
    statuses = [
        [await sees_by_id(client), *[(await client.get(f"/v1/contact/{who}")).status_code for who in (new, 1002)]]
        for _ in range(2)
    ]
    assert statuses == [[False, 404, 200] if lag else [True, 200, 404], [True, 200, 404]]


async def test_a_contact_can_be_hidden_and_everything_shown_again(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.store.hide(1001, Lag(seconds=1e9))
    assert (await client.get(JORDAN)).status_code == 404
    sandbox.catch_up()
    assert (await client.get(JORDAN)).status_code == 200


@pytest.mark.parametrize(
    "make",
    [
        lambda: Lag(of=("get_team",)),
        lambda: Fault("update_contact", "lag"),
        lambda: Fault("update_contact", "drop_before", lag=Lag(reads=1)),
        lambda: Fault("update_contact", "pretend", lag=Lag(reads=1)),
        lambda: Fault("get_contact", "lag", lag=Lag(reads=1)),
    ],
    ids=["no read", "no lag", "nothing carried out", "only pretended", "no write"],
)
def test_a_lag_that_could_never_show_is_refused(make: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="validation error"):
        make()
