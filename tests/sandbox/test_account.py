from __future__ import annotations

import httpx
from support import Clock

from contacts_mcp.sandbox import Sandbox


async def test_fields_have_awkward_names(client: httpx.AsyncClient) -> None:
    fields = (await client.post("/v1/contact-fields")).json()
    assert [field["id"] for field in fields] == list(range(31, 41))
    assert fields[0] == {"id": 31, "title": "Plan"}
    assert [fields[6]["title"], fields[7]["title"], fields[8]["title"], fields[9]["title"]] == [
        "",
        "Notes",
        "notes ",
        "Été / Saison",
    ]
    assert (await client.post("/v1/contact-fields", json={})).json() == fields


async def test_fields_are_created_and_doubles_are_named(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    created = (await client.post("/v1/contacts/fields", json=[{"title": "Birthday"}, {"title": "Plan"}])).json()
    assert created == [
        {"id": 41, "title": "Birthday", "duplicate": False},
        {"id": 31, "title": "Plan", "duplicate": True},
    ]
    assert {"id": 41, "title": "Birthday"} in sandbox.store.fields()


async def test_one_bad_field_creates_none(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    assert (await client.post("/v1/contacts/fields", json=[{"title": "Birthday"}, {}])).status_code == 400
    assert len(sandbox.store.fields()) == 10


async def test_tags_have_their_label_under_tag(client: httpx.AsyncClient) -> None:
    tags = (await client.post("/v1/tags", json={})).json()
    assert {tag["id"]: tag["tag"] for tag in tags} == {
        101: "VIP",
        102: "Lead",
        103: "Newsletter",
        104: "Past Due",
        105: "Supplier",
        106: "Do Not Call",
    }
    assert tags[0].keys() == {"id", "tag", "color", "team_id", "created", "updated", "rev"}


async def test_tags_are_paged_by_date(sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock) -> None:
    for number in range(50):
        sandbox.store.add_tag(f"tag {number}")
        clock.now += 1
    first = (await client.post("/v1/tags", json={})).json()
    second = (await client.post("/v1/tags", json={"date": first[-1]["updated"]})).json()
    assert [len(first), len(second)] == [30, 26]
    assert {tag["id"] for tag in first}.isdisjoint(tag["id"] for tag in second)
    assert (await client.post("/v1/tags", json={"date": second[-1]["updated"]})).json() == []


async def test_a_tag_is_created(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    receipt = (await client.post("/v1/tag", json={"tag": "Spring", "color": "#00ff00"})).json()
    stored = sandbox.store.tags()[-1]
    assert receipt == {"id": stored["id"], "rev": 1, "uuid": stored["uuid"]}
    assert (stored["tag"], stored["color"]) == ("Spring", "#00ff00")


async def test_the_team_has_members_with_similar_names(client: httpx.AsyncClient) -> None:
    team = (await client.get("/v1/team")).json()
    assert team.keys() == {"id", "name", "list_size", "members"}
    assert [(member["id"], member["name"]) for member in team["members"]] == [
        (501, "Alex Kim"),
        (502, "Priya Patel"),
        (503, "Marco Rossi"),
        (504, "Dana Lee"),
        (505, "Dana Levy"),
    ]
    assert team["members"][0] == {"id": 501, "name": "Alex Kim", "role": "admin", "email": "alex@example.com"}


async def test_there_are_two_inboxes(client: httpx.AsyncClient) -> None:
    assert [inbox["id"] for inbox in (await client.get("/v1/inboxes")).json()] == [701, 702]
