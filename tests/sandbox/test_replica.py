"""`read_delay_writes`: a write shows only after so many further reads of that contact."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from contacts_mcp.sandbox import Behaviour, Sandbox

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
