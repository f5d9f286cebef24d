"""Rows that are sent in a shape that nobody stored."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from contacts_mcp.sandbox import Behaviour, Oddity, Sandbox

JORDAN = "/v1/contact/1001"
PHONE = "15105550100"


async def reads_of_jordan(client: httpx.AsyncClient) -> list[dict[str, Any]]:
    """Contact 1001 in every read that sends it."""
    search = {"contact_channels": [{"channel_type": "phone", "channel_ids": [PHONE]}]}
    listed = (await client.post("/v1/contacts", json={})).json()
    return [
        (await client.get(JORDAN)).json(),
        (await client.post("/v1/contact/get", json={"id": "1001"})).json(),
        (await client.post("/v2/contacts/search", json=search)).json()[0],
        next(row for row in listed if row["id"] == 1001),
    ]


@pytest.mark.parametrize(
    "members",
    [
        {"custom": {"31": ["Gold"], "32": {"a": 1}, "33": 5, "x": True}},
        {"custom": []},
        {"custom": None},
        {"tags": "VIP"},
        {"tags": [None, "VIP", {"tag_id": "101"}, [101]]},
        {"email": ["jordan.rivera@example.com"]},
        {"phone": 15105550100},
        {"rev": "2", "updated": 5},
        {"unheard_of": {"deep": [[[]]]}},
    ],
    ids=str,
)
async def test_a_contact_is_sent_with_odd_members_by_every_read(
    sandbox: Sandbox, client: httpx.AsyncClient, members: dict[str, Any]
) -> None:
    sandbox.behaviour = Behaviour(honours_limit=True, page_size=40)
    before = await reads_of_jordan(client)
    sandbox.oddities.append(Oddity(1001, members=members))
    assert await reads_of_jordan(client) == [{**contact, **members} for contact in before]
    sandbox.oddities.clear()
    assert await reads_of_jordan(client) == before


async def test_a_contact_is_sent_without_members(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    before = (await client.get(JORDAN)).json()
    sandbox.oddities.append(Oddity(1001, without=("id", "phone")))
    assert (await client.get(JORDAN)).json() == {k: v for k, v in before.items() if k not in ("id", "phone")}


async def test_the_other_rows_and_the_stored_one_stay_as_they_are(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    others = (await client.get("/v1/contact/1002")).json()
    stored = sandbox.store.contact(1001)
    sandbox.oddities.append(Oddity(1001, members={"first": 5}))
    await client.get(JORDAN)
    assert (await client.get("/v1/contact/1002")).json() == others
    assert sandbox.store.contact(1001) == stored


ROWS = [
    ("field", "POST", "/v1/contact-fields", 31, lambda reply: reply[0]),
    ("tag", "POST", "/v1/tags", 101, lambda reply: next(tag for tag in reply if tag.get("tag") == "VIP")),
    ("member", "GET", "/v1/team", 501, lambda reply: reply["members"][0]),
]


@pytest.mark.parametrize(("row", "method", "path", "row_id", "pick"), ROWS, ids=[row[0] for row in ROWS])
async def test_so_are_fields_tags_and_members(
    sandbox: Sandbox,
    client: httpx.AsyncClient,
    *,
    row: Any,
    method: str,
    path: str,
    row_id: int,
    pick: Callable[[Any], dict[str, Any]],
) -> None:
    body = {} if method == "POST" else None
    before = pick((await client.request(method, path, json=body)).json())
    sandbox.oddities.append(Oddity(row_id, row, members={"more": [1]}, without=("id",)))
    seen = pick((await client.request(method, path, json=body)).json())
    assert seen == {**{name: value for name, value in before.items() if name != "id"}, "more": [1]}


async def test_a_contact_and_a_field_of_one_id_are_two_rows(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.oddities.append(Oddity(31, members={"title": 5}))
    assert (await client.post("/v1/contact-fields")).json()[0]["title"] == "Plan"


def test_a_kind_of_row_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="validation error"):
        Oddity(1, "inbox")
