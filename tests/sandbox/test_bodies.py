from __future__ import annotations

from typing import Any

import httpx
import pytest

from contacts_mcp.sandbox import Sandbox

PHONE = "15105553344"
DEEP = b"[" * 100_000

BAD_WRITES: dict[str, tuple[Any, str]] = {
    "no phone": ({"first": "Ana"}, "phone is required"),
    "null phone": ({"phone": None}, "phone"),
    "number": ({"phone": 15105553344}, "phone"),
    "plus": ({"phone": "+15105553344"}, "phone"),
    "dashes": ({"phone": "510-555-3344"}, "phone"),
    "other digits": ({"phone": "١٥١٠٥٥٥٣٣٤٤"}, "phone"),
    "7 digits": ({"phone": "1234567"}, "phone"),
    "16 digits": ({"phone": "1234567890123456"}, "phone"),
    "line end": ({"phone": "15105553344\n"}, "phone"),
    "name a number": ({"phone": PHONE, "first": 5}, "first"),
    "name a list": ({"phone": PHONE, "last": ["x"]}, "last"),
    "display name an object": ({"phone": PHONE, "display_name": {}}, "display_name"),
    "e-mail without @": ({"phone": PHONE, "email": "ana"}, "email"),
    "avatar false": ({"phone": PHONE, "avatar": False}, "avatar"),
    "custom a list": ({"phone": PHONE, "custom": []}, "custom"),
    "custom null": ({"phone": PHONE, "custom": None}, "custom"),
    "custom a number": ({"phone": PHONE, "custom": {"31": 5}}, "custom"),
    "custom nested": ({"phone": PHONE, "custom": {"31": {"a": "b"}}}, "custom"),
    "assignee a name": ({"phone": PHONE, "assignee_id": "Alex Kim"}, "assignee_id"),
    "assignee unknown": ({"phone": PHONE, "assignee_id": 1}, "assignee_id"),
    "assignee null": ({"phone": PHONE, "assignee_id": None}, "assignee_id"),
    "assignee true": ({"phone": PHONE, "assignee_id": True}, "assignee_id"),
    "tags bare": ({"phone": PHONE, "tags": [101]}, "tags"),
    "tags by name": ({"phone": PHONE, "tags": ["VIP"]}, "tags"),
    "tags by id": ({"phone": PHONE, "tags": [{"id": 101}]}, "tags"),
    "tag id in a string": ({"phone": PHONE, "tags": [{"tag_id": "101"}]}, "tags"),
    "tag id and more": ({"phone": PHONE, "tags": [{"tag_id": 101, "tag": "VIP"}]}, "tags"),
    "tag unknown": ({"phone": PHONE, "tags": [{"tag_id": 999}]}, "tags has an unknown tag_id"),
    "tag huge": ({"phone": PHONE, "tags": [{"tag_id": 10**30}]}, "tags has an unknown tag_id"),
    "6 tags": ({"phone": PHONE, "tags": [{"tag_id": tag} for tag in range(101, 107)]}, "tags has more than 5"),
    "tags null": ({"phone": PHONE, "tags": None}, "tags"),
    "opt-out a word": ({"phone": PHONE, "is_opted_out": "true"}, "is_opted_out"),
    "opt-out a number": ({"phone": PHONE, "is_opted_out": 1}, "is_opted_out"),
    "opt-out null": ({"phone": PHONE, "is_opted_out": None}, "is_opted_out"),
    "read name": ({"phone": PHONE, "assigned_user_id": 501}, "assigned_user_id is not a known member"),
    "misspelt": ({"phone": PHONE, "fisrt": "Ana"}, "fisrt is not a known member"),
    "list": ([{"phone": PHONE}], "JSON object"),
    "null": (None, "JSON object"),
    "word": ("phone", "JSON object"),
}


@pytest.mark.parametrize(("body", "complaint"), BAD_WRITES.values(), ids=BAD_WRITES.keys())
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/v1/contact"), ("PUT", "/v1/contact/1001")], ids=["create", "update"]
)
async def test_a_malformed_write_is_400_names_the_member_and_changes_nothing(
    sandbox: Sandbox, client: httpx.AsyncClient, *, method: str, path: str, body: Any, complaint: str
) -> None:
    before = sandbox.store.contacts()
    response = await client.request(method, path, json=body)
    assert response.status_code == 400
    assert response.json()["error"] == "bad_data"
    assert complaint in response.json()["message"]
    assert sandbox.store.contacts() == before


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b'{"phone": NaN}',
        b'{"phone": "15105553344", "first": "\\ud800"}',
        DEEP,
        b"phone=15105553344",
    ],
    ids=["nothing", "half", "not UTF-8", "NaN", "lone surrogate", "deep", "form"],
)
async def test_what_is_not_json_is_400(client: httpx.AsyncClient, raw: bytes) -> None:
    assert (await client.post("/v1/contact", content=raw)).status_code == 400


@pytest.mark.parametrize(
    ("path", "body", "complaint"),
    [
        ("/v1/contacts", None, "JSON object"),
        ("/v1/contacts", [], "JSON object"),
        ("/v1/contacts", {"date": "yesterday"}, "date"),
        ("/v1/contacts", {"date": None}, "date"),
        ("/v1/contacts", {"date": 1_700_000_000}, "date"),
        ("/v1/contacts", {"date": "2026-02-30T00:00:00Z"}, "date"),
        ("/v1/contacts", {"limit": 0}, "limit"),
        ("/v1/contacts", {"limit": "30"}, "limit"),
        ("/v1/contacts", {"page": 0}, "page"),
        ("/v1/contacts", {"cursor": "x"}, "cursor"),
        ("/v1/contacts/count", {"x": 1}, "x"),
        ("/v1/contact/get", {}, "phone or id"),
        ("/v1/contact/get", {"id": 1001}, "id"),
        ("/v1/contact/get", {"phone": "+15105550100"}, "phone"),
        ("/v1/contact/status", {}, "phone or id"),
        ("/v1/contact/set_status", {"id": "1001"}, "status"),
        ("/v1/contact/set_status", {"status": "active"}, "phone or id"),
        ("/v1/contact/set_status", {"id": "1001", "status": "gone"}, "status"),
        ("/v1/contacts/fields", {"title": "Plan"}, "JSON array"),
        ("/v1/contacts/fields", [{"title": " "}], "title"),
        ("/v1/contacts/fields", ["Plan"], "JSON object"),
        ("/v1/batch/contacts", {"phone": PHONE}, "JSON array"),
        ("/v1/batch/contacts?overwrite=yes", [], "overwrite"),
        ("/v2/contacts/search", {}, "contact_channels"),
        ("/v2/contacts/search", {"contact_channels": {}}, "contact_channels"),
        (
            "/v2/contacts/search",
            {"contact_channels": [{"channel_type": "name", "channel_ids": ["Ana"]}]},
            "channel_type",
        ),
        ("/v2/contacts/search", {"contact_channels": [{"channel_type": "phone", "channel_ids": PHONE}]}, "channel_ids"),
        ("/v1/tags", {"date": "x"}, "date"),
        ("/v1/tags", {"limit": 5}, "limit"),
        ("/v1/tag", {"color": "red"}, "tag is required"),
        ("/v1/tag", {"tag": "VIP"}, "tag is there already"),
        ("/v1/tag", {"tag": "New", "color": 5}, "color"),
    ],
)
async def test_every_other_body_is_checked_too(client: httpx.AsyncClient, path: str, body: Any, complaint: str) -> None:
    response = await client.post(path, json=body)
    assert response.status_code == 400
    assert complaint in response.json()["message"]


@pytest.mark.parametrize(("path", "complaint"), [("abc", "id"), ("1" * 30, "id"), ("1001?overwrite=1", "overwrite")])
async def test_the_path_and_the_query_are_checked(client: httpx.AsyncClient, path: str, complaint: str) -> None:
    response = await client.put(f"/v1/contact/{path}", json={"phone": PHONE})
    assert response.status_code == 400
    assert complaint in response.json()["message"]


async def test_a_list_takes_the_members_nobody_describes(client: httpx.AsyncClient) -> None:
    body = {
        "order": "name",
        "ascending": True,
        "filter": {"a": 1},
        "archived": False,
        "assigned": 501,
        "limit": 5,
        "page": 2,
    }
    assert (await client.post("/v1/contacts", json=body)).json() == (await client.post("/v1/contacts", json={})).json()
