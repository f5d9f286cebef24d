"""Every switch of heymarket-api.md section 6, on all its sides. The list and the quota have files of their own."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any

import httpx
import pytest
from support import Clock

from contacts_mcp.sandbox import Behaviour, Sandbox

JORDAN = "/v1/contact/1001"
PHONE = "15105550100"
NEW = "15105553344"


async def read(client: httpx.AsyncClient, path: str = JORDAN) -> Any:
    return (await client.get(path)).json()


def test_every_switch_lists_its_sides_and_the_default_is_one_of_them() -> None:
    switches = Behaviour.switches()
    assert switches["cursor"] == ("strict", "inclusive")
    assert switches["create_status"] == (200, 201)
    assert switches["honours_page"] == (False, True)
    assert all(getattr(Behaviour(), name) in sides for name, sides in switches.items())
    numbers = {
        "batch_limit",
        "page_size",
        "max_limit",
        "requests_per_minute",
        "retry_after",
        "read_delay_writes",
        "lags",
    }
    assert {field.name for field in fields(Behaviour)} == switches.keys() | numbers


def test_a_side_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValueError, match="'strict' or 'inclusive'"):
        Behaviour(cursor="loose")


SIDES = [
    pytest.param(name, side, id=f"{name}={side}") for name, sides in Behaviour.switches().items() for side in sides
]


@pytest.mark.parametrize(("name", "side"), SIDES)
async def test_every_side_can_be_lived_with(sandbox: Sandbox, client: httpx.AsyncClient, name: str, side: Any) -> None:
    """Create, read, change, list and delete answer 2xx in every position. The next request follows the switch."""
    sandbox.behaviour = replace(Behaviour(), **{name: side})
    new = (await client.post("/v1/contact", json={"phone": NEW, "first": "Ana"})).json()["id"]
    calls = [
        await client.get(f"/v1/contact/{new}"),
        await client.put(f"/v1/contact/{new}", json={"phone": NEW, "first": "Ana", "tags": [{"tag_id": 101}]}),
        await client.post("/v1/contacts", json={}),
        await client.post("/v1/contact-fields"),
        await client.delete(f"/v1/contact/{new}"),
    ]
    assert [response.status_code for response in calls] == [200] * 5


@pytest.mark.parametrize("status", [200, 201])
async def test_create_status(sandbox: Sandbox, client: httpx.AsyncClient, status: int) -> None:
    sandbox.behaviour = Behaviour(create_status=status)
    assert (await client.post("/v1/contact", json={"phone": NEW})).status_code == status


@pytest.mark.parametrize(
    ("shape", "media_type", "body"),
    [
        ("error", "application/json", '{"error": "bad_data", "message": "phone is required"}'),
        ("error_code", "application/json", '{"error_code": "bad_data", "message": "phone is required"}'),
        ("text", "text/plain; charset=utf-8", "bad_data: phone is required"),
        ("empty", "text/plain; charset=utf-8", ""),
    ],
)
async def test_error_body(
    sandbox: Sandbox, client: httpx.AsyncClient, *, shape: Any, media_type: str, body: str
) -> None:
    sandbox.behaviour = Behaviour(error_body=shape)
    response = await client.post("/v1/contact", json={})
    assert (response.status_code, response.headers["content-type"], response.text) == (400, media_type, body)


async def test_error_body_in_html(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.behaviour = Behaviour(error_body="html")
    response = await client.post("/v1/contact", json={})
    assert response.text.startswith("<!DOCTYPE html>")
    assert "phone is required" in response.text


@pytest.mark.parametrize(
    ("side", "status", "body"), [("404", 404, "not_found"), ("400", 400, "bad_data"), ("null", 200, None)]
)
@pytest.mark.parametrize("method", ["GET", "DELETE"])
async def test_not_found(
    sandbox: Sandbox, client: httpx.AsyncClient, *, method: str, side: Any, status: int, body: str | None
) -> None:
    sandbox.behaviour = Behaviour(not_found=side)
    response = await client.request(method, "/v1/contact/1")
    assert response.status_code == status
    assert (response.json() or {}).get("error") == body


@pytest.mark.parametrize(("side", "status", "rev", "first"), [("reject", 400, 1, "Jordan"), ("update", 200, 2, "Jo")])
async def test_known_phone(
    sandbox: Sandbox, client: httpx.AsyncClient, *, side: Any, status: int, rev: int, first: str
) -> None:
    sandbox.behaviour = Behaviour(known_phone=side)
    response = await client.post("/v1/contact", json={"phone": PHONE, "first": "Jo", "custom": {"33": "Oakland"}})
    stored = sandbox.store.contact(1001)
    assert stored
    assert (response.status_code, stored["rev"], stored["first"]) == (status, rev, first)
    assert stored["custom"]["31"] == "Gold"
    if side == "update":
        assert response.json() == {"id": 1001, "rev": 2, "uuid": stored["uuid"]}


async def test_known_phone_makes_a_double(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.behaviour = Behaviour(known_phone="double")
    receipt = (await client.post("/v1/contact", json={"phone": PHONE, "first": "Jo"})).json()
    moved = await client.put("/v1/contact/1002", json={"phone": PHONE})
    assert moved.status_code == 200
    assert [contact["id"] for contact in sandbox.store.contacts() if contact["phone"] == PHONE] == [
        1001,
        1002,
        receipt["id"],
    ]


@pytest.mark.parametrize(("side", "is_list"), [("failed", True), ("ok", False), ("contacts", True)])
async def test_batch_reply(sandbox: Sandbox, client: httpx.AsyncClient, side: Any, *, is_list: bool) -> None:
    sandbox.behaviour = Behaviour(batch_reply=side)
    reply = (await client.post("/v1/batch/contacts", json=[{"phone": NEW}, {"phone": "bad"}])).json()
    expected = {"failed": [{"phone": "bad"}], "ok": "ok"}
    assert isinstance(reply, list) is is_list
    assert reply == expected.get(side, reply)
    if side == "contacts":
        assert [contact["phone"] for contact in reply] == [NEW]


@pytest.mark.parametrize(("side", "names"), [("blank", ("", "", "")), ("keep", ("Jordan", "Rivera", "Jordan Rivera"))])
async def test_put_without_names(
    sandbox: Sandbox, client: httpx.AsyncClient, side: Any, names: tuple[str, ...]
) -> None:
    sandbox.behaviour = Behaviour(put_without_names=side)
    await client.put(JORDAN, json={"phone": PHONE})
    stored = sandbox.store.contact(1001)
    assert stored
    assert (stored["first"], stored["last"], stored["display_name"]) == names


@pytest.mark.parametrize(("side", "tags"), [("replace", [102]), ("add", [101, 102])])
async def test_tags_on_put(sandbox: Sandbox, client: httpx.AsyncClient, side: Any, tags: list[int]) -> None:
    sandbox.behaviour = Behaviour(tags_on_put=side)
    await client.put(JORDAN, json={"phone": PHONE, "tags": [{"tag_id": 102}]})
    stored = sandbox.store.contact(1001)
    assert stored
    assert stored["tags"] == tags


async def test_tags_that_add_up_to_more_than_five_are_refused(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.behaviour = Behaviour(tags_on_put="add")
    five_more = [{"tag_id": tag} for tag in range(102, 107)]
    assert (await client.put(JORDAN, json={"phone": PHONE, "tags": five_more})).status_code == 400


@pytest.mark.parametrize("key", ["999", "Plan", "031"])
@pytest.mark.parametrize(("side", "status"), [("drop", 200), ("reject", 400)])
async def test_unknown_custom_key(
    sandbox: Sandbox, client: httpx.AsyncClient, side: Any, status: int, key: str
) -> None:
    sandbox.behaviour = Behaviour(unknown_custom_key=side)
    for method, path, phone in (("POST", "/v1/contact", NEW), ("PUT", JORDAN, PHONE)):
        response = await client.request(method, path, json={"phone": phone, "custom": {key: "x"}})
        assert response.status_code == status
    stored = sandbox.store.contact(1001)
    assert stored
    assert stored["custom"] == {"31": "Gold"}


@pytest.mark.parametrize("value", ["", None], ids=["empty", "null"])
@pytest.mark.parametrize("overwrite", ["false", "true"])
@pytest.mark.parametrize("side", ["empty", "null", "both", "neither"])
async def test_clears_with(
    sandbox: Sandbox, client: httpx.AsyncClient, side: Any, overwrite: str, value: str | None
) -> None:
    """The value that does not clear leaves what is stored alone, for names as for everything else."""
    sandbox.behaviour = Behaviour(clears_with=side)
    texts = ("first", "last", "display_name", "email")
    body = {"phone": PHONE, "custom": {"31": value}, **dict.fromkeys(texts, value)}
    await client.put(JORDAN, params={"overwrite": overwrite}, json=body)
    stored = sandbox.store.contact(1001)
    assert stored
    clears = side == "both" or side == {"": "empty", None: "null"}[value]
    kept = ["Jordan", "Rivera", "Jordan Rivera", "jordan.rivera@example.com", {"31": "Gold"}]
    assert [stored[name] for name in (*texts, "custom")] == (["", "", "", "", {}] if clears else kept)


@pytest.mark.parametrize(
    ("side", "updated"), [("seconds", "2027-01-15T08:00:00Z"), ("micros", "2027-01-15T08:00:00.250000Z")]
)
async def test_timestamps(sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock, side: Any, updated: str) -> None:
    clock.now += 0.25
    sandbox.behaviour = Behaviour(timestamps=side)
    sandbox.store.touch(1001)
    assert (await read(client))["updated"] == updated


@pytest.mark.parametrize(
    ("side", "updated"),
    [("Z", "2027-01-15T08:00:00Z"), ("+00:00", "2027-01-15T08:00:00+00:00"), ("-05:00", "2027-01-15T03:00:00-05:00")],
)
async def test_offset(sandbox: Sandbox, client: httpx.AsyncClient, side: Any, updated: str) -> None:
    sandbox.behaviour = Behaviour(offset=side)
    sandbox.store.touch(1001)
    assert (await read(client))["updated"] == updated


async def test_empty_members(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    contact = f"/v1/contact/{sandbox.store.add_contact(phone=NEW)}"
    left_out = await read(client, contact)
    sandbox.behaviour = Behaviour(empty_members="send")
    sent = await read(client, contact)
    empty = {name: value for name, value in sent.items() if name not in left_out}
    assert empty == {
        **dict.fromkeys(("first", "last", "display_name", "email", "avatar", "op", "external_id", "external_ref"), ""),
        **dict.fromkeys(("assigned_user_id", "creator_id", "inbox_id", "parent_id")),
        "custom": {},
        "tags": [],
        "note": [],
    }
    assert left_out["is_opted_out"] is False


@pytest.mark.parametrize("sends", [False, True])
async def test_sends_opt_out(sandbox: Sandbox, client: httpx.AsyncClient, *, sends: bool) -> None:
    sandbox.behaviour = Behaviour(sends_opt_out=sends)
    assert ("is_opted_out" in await read(client, "/v1/contact/1002")) is sends


@pytest.mark.parametrize("sends", [False, True])
async def test_sends_uuid(sandbox: Sandbox, client: httpx.AsyncClient, *, sends: bool) -> None:
    sandbox.behaviour = Behaviour(sends_uuid=sends)
    assert ("uuid" in await read(client)) is sends
    assert ("uuid" in (await client.put(JORDAN, json={"phone": PHONE})).json()) is sends


@pytest.mark.parametrize("sends", [False, True])
@pytest.mark.parametrize("member", ["rev", "updated"])
async def test_reads_may_lack_rev_or_updated_and_receipts_do_not(
    sandbox: Sandbox, client: httpx.AsyncClient, member: str, *, sends: bool
) -> None:
    sandbox.behaviour = Behaviour(**{f"sends_{member}": sends})
    search = {"contact_channels": [{"channel_type": "phone", "channel_ids": [PHONE]}]}
    reads = [
        await read(client),
        (await client.post("/v1/contact/get", json={"phone": PHONE})).json(),
        (await client.post("/v2/contacts/search", json=search)).json()[0],
        *(await client.post("/v1/contacts", json={})).json(),
    ]
    assert {member in contact for contact in reads} == {sends}
    assert (await client.put(JORDAN, json={"phone": PHONE})).json()["rev"] == 2


@pytest.mark.parametrize(("plus", "phone"), [(False, PHONE), (True, f"+{PHONE}")])
async def test_phone_plus(sandbox: Sandbox, client: httpx.AsyncClient, *, plus: bool, phone: str) -> None:
    sandbox.behaviour = Behaviour(phone_plus=plus)
    assert (await read(client))["phone"] == phone
    assert (await client.post("/v1/contact/status", json={"phone": PHONE})).json()["phone"] == phone


@pytest.mark.parametrize(
    ("side", "tag"), [("tag_id", {"tag_id": 101}), ("object", {"id": 101, "tag": "VIP"}), ("bare", 101)]
)
async def test_tag_shape(sandbox: Sandbox, client: httpx.AsyncClient, side: Any, tag: Any) -> None:
    sandbox.behaviour = Behaviour(tag_shape=side)
    assert (await read(client))["tags"] == [tag]


@pytest.mark.parametrize(
    ("method", "path", "body", "under"),
    [
        ("POST", "/v1/contacts", {}, "contacts"),
        ("POST", "/v2/contacts/search", {"contact_channels": []}, "contacts"),
        ("POST", "/v1/contact-fields", {}, "fields"),
        ("POST", "/v1/tags", {}, "tags"),
        ("GET", "/v1/inboxes", None, "inboxes"),
    ],
)
async def test_lists(
    sandbox: Sandbox, client: httpx.AsyncClient, *, method: str, path: str, body: Any, under: str
) -> None:
    bare = (await client.request(method, path, json=body)).json()
    sandbox.behaviour = Behaviour(lists="wrapped")
    assert (await client.request(method, path, json=body)).json() == {under: bare}


@pytest.mark.parametrize(
    ("behaviour", "field"),
    [
        (Behaviour(), {"id": 31, "title": "Plan"}),
        (Behaviour(ids_as_strings=True), {"id": "31", "title": "Plan"}),
        (Behaviour(field_name_key="name"), {"id": 31, "name": "Plan"}),
    ],
)
async def test_the_shape_of_a_field(
    sandbox: Sandbox, client: httpx.AsyncClient, behaviour: Behaviour, field: Any
) -> None:
    sandbox.behaviour = behaviour
    assert (await client.post("/v1/contact-fields")).json()[0] == field


@pytest.mark.parametrize(("side", "count"), [("number", 40), ("string", "40"), ("object", {"count": 40})])
async def test_count_shape(sandbox: Sandbox, client: httpx.AsyncClient, side: Any, count: Any) -> None:
    sandbox.behaviour = Behaviour(count_shape=side)
    assert (await client.post("/v1/contacts/count", json={})).json() == count
