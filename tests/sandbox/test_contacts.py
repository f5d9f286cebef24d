from __future__ import annotations

from typing import Any

import httpx
import pytest

from contacts_mcp.sandbox import Behaviour, Fault, Sandbox

JORDAN = "/v1/contact/1001"
PHONE = "15105550100"
NEW = "15105553344"
NOW = "2027-01-15T08:00:00Z"
MISSING = 999_999


async def test_create_answers_id_rev_and_uuid_and_not_the_contact(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    response = await client.post("/v1/contact", json={"phone": NEW})
    stored = sandbox.store.contact_by_phone(NEW)
    assert stored
    assert response.status_code == 200
    assert response.json() == {"id": stored["id"], "rev": 1, "uuid": stored["uuid"]}


async def test_create_stores_every_member(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    body = {
        "phone": NEW,
        "first": "Ana",
        "last": "Núñez",
        "display_name": "Ana N.",
        "email": "ana@example.com",
        "avatar": "https://example.com/ana.png",
        "custom": {"31": "Premium", "33": "Oakland"},
        "assignee_id": 502,
        "tags": [{"tag_id": 103}, {"tag_id": 101}, {"tag_id": 103}],
        "is_opted_out": True,
        "email_suppressions": [1],
    }
    await client.post("/v1/contact", json=body)
    stored = sandbox.store.contact_by_phone(NEW)
    assert stored
    expected = {
        name: body[name]
        for name in ("phone", "first", "last", "display_name", "email", "avatar", "custom", "is_opted_out")
    }
    assert {name: stored[name] for name in expected} == expected
    assert (stored["assigned_user_id"], stored["tags"], stored["rev"]) == (502, [103, 101], 1)
    assert (stored["created"], stored["updated"], stored["team_id"]) == (NOW, NOW, 901)


@pytest.mark.parametrize(
    ("names", "display_name"),
    [
        ({"first": "Ana", "last": "Lima"}, "Ana Lima"),
        ({"last": "Lima"}, "Lima"),
        ({"first": "Ana", "display_name": ""}, "Ana"),
        ({"first": "Ana", "display_name": "Dr. A"}, "Dr. A"),
        ({"first": None}, ""),
    ],
)
async def test_display_name_defaults_to_first_and_last(
    sandbox: Sandbox, client: httpx.AsyncClient, names: Any, display_name: str
) -> None:
    await client.post("/v1/contact", json={"phone": NEW, **names})
    stored = sandbox.store.contact_by_phone(NEW)
    assert stored
    assert stored["display_name"] == display_name


async def test_a_read_gives_the_contact_with_ids_as_the_contract_has_them(client: httpx.AsyncClient) -> None:
    contact = (await client.get(JORDAN)).json()
    assert contact["id"] == 1001
    assert contact["phone"] == PHONE
    assert contact["custom"] == {"31": "Gold"}
    assert contact["tags"] == [{"tag_id": 101}]
    assert contact["is_opted_out"] is False
    assert "blocked" not in contact


async def test_put_merges_custom_and_moves_the_contact_to_the_front(
    sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    before = sandbox.store.contact(1001)
    assert before
    response = await client.put(JORDAN, json={"phone": PHONE, "custom": {"33": "Oakland"}})
    assert response.json() == {"id": 1001, "rev": before["rev"] + 1, "uuid": before["uuid"]}
    after = sandbox.store.contact(1001)
    assert after
    assert after["custom"] == {"31": "Gold", "33": "Oakland"}
    assert (after["updated"], after["created"]) == (NOW, before["created"])
    assert (await client.post("/v1/contacts", json={})).json()[0]["id"] == 1001


@pytest.mark.parametrize(
    ("overwrite", "custom", "after"),
    [
        ("false", {"33": "Oakland"}, {"31": "Gold", "33": "Oakland"}),
        ("true", {"33": "Oakland"}, {"33": "Oakland"}),
        ("true", {}, {}),
        ("true", None, {}),
        ("false", None, {"31": "Gold"}),
    ],
    ids=["merge", "replace", "replace by nothing", "replace without custom", "leave alone"],
)
async def test_overwrite_replaces_all_custom_values(
    sandbox: Sandbox, client: httpx.AsyncClient, overwrite: str, custom: Any, after: Any
) -> None:
    body = {"phone": PHONE} if custom is None else {"phone": PHONE, "custom": custom}
    assert (await client.put(JORDAN, params={"overwrite": overwrite}, json=body)).status_code == 200
    stored = sandbox.store.contact(1001)
    assert stored
    assert stored["custom"] == after


async def test_put_leaves_what_is_not_sent(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.store.touch(1001, assigned_user_id=503, avatar="https://example.com/j.png")
    await client.put(JORDAN, json={"phone": PHONE, "first": "Jo"})
    stored = sandbox.store.contact(1001)
    assert stored
    assert (stored["email"], stored["tags"], stored["assigned_user_id"]) == ("jordan.rivera@example.com", [101], 503)
    assert stored["avatar"] == "https://example.com/j.png"


async def test_assignee_is_written_under_one_name_read_under_another_and_taken_off_by_minus_one(
    client: httpx.AsyncClient,
) -> None:
    await client.put(JORDAN, json={"phone": PHONE, "assignee_id": 504})
    assert (await client.get(JORDAN)).json()["assigned_user_id"] == 504
    await client.put(JORDAN, json={"phone": PHONE, "assignee_id": -1})
    assert "assigned_user_id" not in (await client.get(JORDAN)).json()


async def test_put_can_change_the_phone_but_not_to_one_that_is_taken(
    sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    assert (await client.put(JORDAN, json={"phone": "15105550101"})).status_code == 400
    assert (await client.put(JORDAN, json={"phone": NEW})).status_code == 200
    assert sandbox.store.contact_by_phone(PHONE) is None


async def test_two_contacts_that_share_a_phone_can_still_be_changed(
    sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    sandbox.store.add_contact(phone=PHONE)
    assert (await client.put(JORDAN, json={"phone": PHONE, "first": "Jo"})).status_code == 200


async def test_delete_answers_a_word_and_takes_everything_along(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    assert (await client.delete(JORDAN)).json() == "ok"
    assert sandbox.store.contact(1001) is None
    assert (await client.get(JORDAN)).status_code == 404


async def test_an_id_is_never_given_twice(client: httpx.AsyncClient) -> None:
    first = (await client.post("/v1/contact", json={"phone": NEW})).json()["id"]
    await client.delete(f"/v1/contact/{first}")
    assert (await client.post("/v1/contact", json={"phone": NEW})).json()["id"] > first


async def test_count_counts(client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/contacts/count", json={})).json() == 40
    assert (await client.post("/v1/contacts/count")).json() == 40


@pytest.mark.parametrize(
    "who", [{"phone": PHONE}, {"id": "1001"}, {"phone": PHONE, "id": "1002"}], ids=["phone", "id", "phone wins"]
)
async def test_find_takes_a_phone_or_an_id(client: httpx.AsyncClient, who: Any) -> None:
    assert (await client.post("/v1/contact/get", json=who)).json()["id"] == 1001


@pytest.mark.parametrize("who", [{"phone": "15105550101"}, {"id": "1002"}])
async def test_status_tells_unsubscribed_and_blocked(client: httpx.AsyncClient, who: Any) -> None:
    status = (await client.post("/v1/contact/status", json=who)).json()
    assert status == {"id": 1002, "phone": "15105550101", "unsubscribed": True, "blocked": False}


@pytest.mark.parametrize(
    ("status", "change"),
    [
        ("active", {"blocked": False, "is_opted_out": False}),
        ("blocked", {"blocked": True, "is_opted_out": True}),
        ("unblocked", {"blocked": False, "is_opted_out": True}),
        ("subscribed", {"blocked": True, "is_opted_out": False}),
        ("unsubscribed", {"blocked": True, "is_opted_out": True}),
    ],
)
async def test_set_status(sandbox: Sandbox, client: httpx.AsyncClient, status: str, change: Any) -> None:
    sandbox.store.touch(1001, blocked=True, is_opted_out=True, rev=4)
    assert (await client.post("/v1/contact/set_status", json={"id": "1001", "status": status})).json() == "success"
    stored = sandbox.store.contact(1001)
    assert stored
    assert {name: stored[name] for name in change} == change
    assert (stored["rev"], stored["updated"]) == (5, NOW)


@pytest.mark.parametrize(
    ("channels", "ids"),
    [
        ([{"channel_type": "phone", "channel_ids": [PHONE, "15105550101", "19999999999"]}], [1001, 1002]),
        ([{"channel_type": "email", "channel_ids": ["jordan.rivera@example.com"]}], [1001]),
        ([{"channel_type": "email", "channel_ids": ["JORDAN.RIVERA@EXAMPLE.COM"]}], []),
        ([{"channel_type": "phone", "channel_ids": ["1510555"]}], []),
        (
            [
                {"channel_type": "phone", "channel_ids": [PHONE]},
                {"channel_type": "email", "channel_ids": ["jordan.rivera@example.com", "sam.oneil@example.com"]},
            ],
            [1001, 1002],
        ),
        ([], []),
    ],
    ids=["phones", "e-mail", "case counts", "no prefixes", "both kinds, each contact once", "nothing asked"],
)
async def test_search_finds_exact_values_only(client: httpx.AsyncClient, channels: Any, ids: list[int]) -> None:
    found = (await client.post("/v2/contacts/search", json={"contact_channels": channels})).json()
    assert [contact["id"] for contact in found] == ids


async def test_batch_creates_skips_the_known_and_answers_what_failed(
    sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    bad = {"phone": "+15105553345"}
    response = await client.post(
        "/v1/batch/contacts", json=[{"phone": NEW, "first": "Ana"}, bad, {"phone": PHONE, "first": "Changed"}]
    )
    assert response.json() == [bad]
    assert sandbox.store.contact_by_phone(NEW)
    jordan = sandbox.store.contact(1001)
    assert jordan
    assert (jordan["first"], jordan["rev"]) == ("Jordan", 1)


async def test_a_batch_names_an_item_with_an_unknown_tag_or_assignee_as_failed(
    sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    bad = [{"phone": NEW, "tags": [{"tag_id": 999}]}, {"phone": "15105553345", "assignee_id": 1}]
    assert (await client.post("/v1/batch/contacts", json=bad)).json() == bad
    assert len(sandbox.store.contacts()) == 40


async def test_a_fault_carries_out_the_first_items_of_a_batch_alone(
    sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    sandbox.faults.add(Fault("batch_contacts", "status_after", status=500, items=1))
    reply = await client.post("/v1/batch/contacts", json=[{"phone": NEW}, {"phone": "15105553345"}])
    assert reply.status_code == 500
    assert [sandbox.store.contact_by_phone(phone) is not None for phone in (NEW, "15105553345")] == [True, False]


def test_only_a_batch_has_items() -> None:
    with pytest.raises(ValueError, match="has no items"):
        Fault("create_contact", "drop_after", items=1)


async def test_a_batch_that_is_too_long_is_refused_as_a_whole(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.behaviour = Behaviour(batch_limit=1, requests_per_minute=0)
    reply = await client.post("/v1/batch/contacts", json=[{"phone": NEW}, {"phone": "15105553345"}])
    assert reply.status_code == 400
    assert sandbox.store.contact_by_phone(NEW) is None


async def test_batch_with_overwrite_updates_the_known(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    await client.post(
        "/v1/batch/contacts?overwrite=true", json=[{"phone": PHONE, "first": "Changed", "custom": {"33": "Oakland"}}]
    )
    jordan = sandbox.store.contact(1001)
    assert jordan
    assert (jordan["first"], jordan["rev"], jordan["custom"]) == ("Changed", 2, {"33": "Oakland"})


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", f"/v1/contact/{MISSING}", None),
        ("PUT", f"/v1/contact/{MISSING}", {"phone": NEW}),
        ("DELETE", f"/v1/contact/{MISSING}", None),
        ("POST", "/v1/contact/get", {"phone": NEW}),
        ("POST", "/v1/contact/get", {"id": str(MISSING)}),
        ("POST", "/v1/contact/status", {"id": str(MISSING)}),
        ("POST", "/v1/contact/set_status", {"phone": NEW, "status": "active"}),
    ],
)
async def test_a_contact_that_is_not_there_is_404_everywhere(
    client: httpx.AsyncClient, method: str, path: str, body: Any
) -> None:
    response = await client.request(method, path, json=body)
    assert response.status_code == 404
    assert response.json() == {"error": "not_found", "message": "contact not found"}


async def test_every_response_carries_its_own_request_id(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    paths = [JORDAN, "/v1/contact/0", "/v1/nowhere", "/v1/contacts", "/openapi.json"]
    ids = [(await client.get(path)).headers["x-request-id"] for path in paths]
    assert len(set(ids)) == len(paths)
    assert ids[0] == sandbox.requests[0].request_id


async def test_an_unknown_path_is_404_and_a_wrong_method_405(client: httpx.AsyncClient) -> None:
    assert (await client.get("/v1/nowhere")).status_code == 404
    assert (await client.get("/v1/contacts")).status_code == 405


async def test_requests_are_recorded_in_order(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    await client.put(f"{JORDAN}?overwrite=true", json={"phone": PHONE})
    await client.post("/v1/contact", content=b"{not json")
    await client.get("/v1/nowhere")
    seen = [
        (asked.operation, asked.method, asked.path, asked.query, asked.body, asked.status) for asked in sandbox.requests
    ]
    assert seen == [
        ("update_contact", "PUT", JORDAN, {"overwrite": "true"}, {"phone": PHONE}, 200),
        ("create_contact", "POST", "/v1/contact", {}, "{not json", 400),
        ("", "GET", "/v1/nowhere", {}, None, 404),
    ]
    sandbox.requests.clear()
    assert sandbox.requests == []
