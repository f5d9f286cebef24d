"""The published contract: it is complete, and the running app keeps to it."""

from __future__ import annotations

import json
import re
from datetime import date
from functools import cache
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, FormatChecker
from starlette.routing import Route

from contacts_mcp.sandbox import Sandbox
from contacts_mcp.sandbox.app import HANDLERS
from contacts_mcp.sandbox.bodies import checked
from contacts_mcp.sandbox.openapi import document
from contacts_mcp.sandbox.operations import OPERATIONS, Operation
from contacts_mcp.sandbox.replies import BadData

CALENDAR = FormatChecker(formats=())


@CALENDAR.checks("date-time", raises=ValueError)
def _is_a_day(text: object) -> bool:
    # The pattern in the schema checks everything but the calendar.
    return not isinstance(text, str) or bool(date.fromisoformat(text[:10]))


@cache
def published(name: str) -> Draft202012Validator:
    """A validator for the bodies of the schema `name`."""
    schema = {"$ref": f"#/components/schemas/{name}", "components": document()["components"]}
    return Draft202012Validator(schema, format_checker=CALENDAR)


def described() -> list[dict[str, Any]]:
    return [item for path in document()["paths"].values() for item in path.values()]


async def test_the_document_is_served_without_credentials(client: httpx.AsyncClient) -> None:
    response = await client.get("/openapi.json", headers={"Authorization": ""})
    assert response.json() == document()


def test_every_operation_is_described_and_handled_once() -> None:
    names = [operation.name for operation in OPERATIONS]
    assert sorted(names) == sorted(item["operationId"] for item in described()) == sorted(HANDLERS)
    assert len(set(names)) == len(names) == 17


def test_every_reference_leads_somewhere_and_every_schema_is_used() -> None:
    references = set(re.findall(r'"#/components/schemas/(\w+)"', json.dumps(document())))
    assert references == document()["components"]["schemas"].keys()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_paths_are_routes_with_their_parameters(operation: Any) -> None:
    item = document()["paths"][operation.path][operation.method.lower()]
    named = {parameter["name"] for parameter in item.get("parameters", []) if parameter["in"] == "path"}
    assert named == Route(operation.path, lambda request: None).param_convertors.keys()


def test_every_schema_is_a_schema() -> None:
    for schema in document()["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


PHONE = "15105553344"
TAG = {"tag_id": 101}
CHANNEL = {"channel_type": "phone", "channel_ids": [PHONE]}
STATUS = {"id": "1001", "status": "active"}

# operation -> what is said about the body -> the body, and whether it is accepted
PROBES: dict[str, dict[str, tuple[Any, bool]]] = {
    "create_contact": {
        "phone alone": ({"phone": PHONE}, True),
        "no phone": ({"first": "Ana"}, False),
        "phone a number": ({"phone": 15105553344}, False),
        "phone null": ({"phone": None}, False),
        "phone with a plus": ({"phone": f"+{PHONE}"}, False),
        "phone with a line end": ({"phone": f"{PHONE}\n"}, False),
        "phone in other digits": ({"phone": "١٥١٠٥٥٥٣٣٤٤"}, False),
        "phone too short": ({"phone": "1234567"}, False),
        "phone too long": ({"phone": "1234567890123456"}, False),
        "names null": ({"phone": PHONE, "first": None, "last": None, "display_name": None}, True),
        "names empty": ({"phone": PHONE, "first": "", "last": ""}, True),
        "name a number": ({"phone": PHONE, "first": 5}, False),
        "e-mail without @": ({"phone": PHONE, "email": "ana"}, False),
        "e-mail empty": ({"phone": PHONE, "email": ""}, True),
        "e-mail a list": ({"phone": PHONE, "email": ["ana@example.com"]}, False),
        "avatar false": ({"phone": PHONE, "avatar": False}, False),
        "custom": ({"phone": PHONE, "custom": {"31": "Gold", "32": None}}, True),
        "custom value a number": ({"phone": PHONE, "custom": {"31": 5}}, False),
        "custom value a list": ({"phone": PHONE, "custom": {"31": ["Gold"]}}, False),
        "custom null": ({"phone": PHONE, "custom": None}, False),
        "5 tags": ({"phone": PHONE, "tags": [{"tag_id": tag} for tag in range(101, 106)]}, True),
        "6 tags": ({"phone": PHONE, "tags": [{"tag_id": tag} for tag in range(101, 107)]}, False),
        "tag_id in a string": ({"phone": PHONE, "tags": [{"tag_id": "101"}]}, False),
        "tag_id true": ({"phone": PHONE, "tags": [{"tag_id": True}]}, False),
        "tag_id 101.0": ({"phone": PHONE, "tags": [{"tag_id": 101.0}]}, True),
        "tag_id 101.5": ({"phone": PHONE, "tags": [{"tag_id": 101.5}]}, False),
        "tag with a label": ({"phone": PHONE, "tags": [{**TAG, "tag": "VIP"}]}, False),
        "tags bare": ({"phone": PHONE, "tags": [101]}, False),
        "tags null": ({"phone": PHONE, "tags": None}, False),
        "assignee": ({"phone": PHONE, "assignee_id": 501}, True),
        "assignee -1": ({"phone": PHONE, "assignee_id": -1}, True),
        "assignee in a string": ({"phone": PHONE, "assignee_id": "501"}, False),
        "assignee null": ({"phone": PHONE, "assignee_id": None}, False),
        "opt-out in words": ({"phone": PHONE, "is_opted_out": "true"}, False),
        "opt-out a number": ({"phone": PHONE, "is_opted_out": 1}, False),
        "opt-out null": ({"phone": PHONE, "is_opted_out": None}, False),
        "suppressions": ({"phone": PHONE, "email_suppressions": [1, 2]}, True),
        "suppressions in strings": ({"phone": PHONE, "email_suppressions": ["1"]}, False),
        "a member that only reads have": ({"phone": PHONE, "assigned_user_id": 501}, False),
        "a misspelt member": ({"phone": PHONE, "fisrt": "Ana"}, False),
        "empty": ({}, False),
        "a list": ([{"phone": PHONE}], False),
        "null": (None, False),
    },
    "update_contact": {
        "phone and name": ({"phone": PHONE, "first": "Ana"}, True),
        "no phone": ({"first": "Ana"}, False),
        "unknown member": ({"phone": PHONE, "rev": 3}, False),
    },
    "list_contacts": {
        "empty": ({}, True),
        "date": ({"date": "2026-01-01T00:00:00.123456789+05:30"}, True),
        "date with a space": ({"date": "2026-01-01 00:00:00Z"}, False),
        "date without an offset": ({"date": "2026-01-01T00:00:00"}, False),
        "date at the edge": ({"date": "0001-01-01T00:00:00+23:00"}, True),
        "month 13": ({"date": "2026-13-01T00:00:00Z"}, False),
        "February 30": ({"date": "2026-02-30T00:00:00Z"}, False),
        "second 60": ({"date": "2026-01-01T00:00:60Z"}, False),
        "date with a line end": ({"date": "2026-01-01T00:00:00Z\n"}, False),
        "date a number": ({"date": 1_700_000_000}, False),
        "limit 1": ({"limit": 1}, True),
        "limit 0": ({"limit": 0}, False),
        "limit 30.0": ({"limit": 30.0}, True),
        "limit 2 to the 31": ({"limit": 2**31}, False),
        "limit in a string": ({"limit": "30"}, False),
        "page -1": ({"page": -1}, False),
        "members without a description": ({"order": 1, "ascending": None, "filter": {}, "archived": "x"}, True),
        "unknown member": ({"cursor": "x"}, False),
        "a list": ([], False),
    },
    "count_contacts": {
        "empty": ({}, True),
        "a member": ({"x": 1}, False),
        "null": (None, False),
        "a list": ([], False),
    },
    "find_contact": {
        "id": ({"id": "1001"}, True),
        "phone and id": ({"phone": PHONE, "id": "1"}, True),
        "neither": ({}, False),
        "id a number": ({"id": 1001}, False),
        "id of 19 digits": ({"id": "1" * 19}, False),
        "id null beside a phone": ({"phone": PHONE, "id": None}, False),
        "phone with a plus": ({"phone": f"+{PHONE}"}, False),
    },
    "contact_status": {"id": ({"id": "1001"}, True), "neither": ({}, False), "unknown": ({"id": "1", "x": 1}, False)},
    "set_contact_status": {
        "id and status": (STATUS, True),
        "status alone": ({"status": "active"}, False),
        "no status": ({"id": "1001"}, False),
        "unknown status": ({**STATUS, "status": "gone"}, False),
        "status null": ({**STATUS, "status": None}, False),
    },
    "create_fields": {
        "none": ([], True),
        "two": ([{"title": "One"}, {"title": " Two "}], True),
        "one blank": ([{"title": "One"}, {"title": " \t"}], False),
        "without a title": ([{}], False),
        "a bare title": (["One"], False),
        "an object": ({"title": "One"}, False),
    },
    "batch_contacts": {
        "two": ([{"phone": PHONE}, {"phone": "15105553345"}], True),
        "a bad one beside a good one": ([{"phone": PHONE}, {"phone": 5}], True),
        "an object": ({"phone": PHONE}, False),
    },
    "search_contacts": {
        "nothing": ({"contact_channels": []}, True),
        "a phone": ({"contact_channels": [CHANNEL]}, True),
        "by name": ({"contact_channels": [{**CHANNEL, "channel_type": "name"}]}, False),
        "an id that is no list": ({"contact_channels": [{**CHANNEL, "channel_ids": PHONE}]}, False),
        "a number": ({"contact_channels": [{**CHANNEL, "channel_ids": [15105553344]}]}, False),
        "without ids": ({"contact_channels": [{"channel_type": "phone"}]}, False),
        "empty": ({}, False),
    },
    "list_tags": {
        "empty": ({}, True),
        "date": ({"date": "2026-01-01T00:00:00Z"}, True),
        "limit": ({"limit": 5}, False),
    },
    "create_tag": {
        "label": ({"tag": "New"}, True),
        "label and color": ({"tag": "New", "color": ""}, True),
        "blank label": ({"tag": "\n"}, False),
        "color null": ({"tag": "New", "color": None}, False),
        "no label": ({"color": "red"}, False),
    },
}
WITH_BODY = {operation.name: operation for operation in OPERATIONS if operation.body}


def test_every_body_is_probed() -> None:
    assert PROBES.keys() == WITH_BODY.keys()


@pytest.mark.parametrize(
    ("operation", "body", "is_accepted"),
    [
        pytest.param(WITH_BODY[name], body, is_accepted, id=f"{name}, {what}")
        for name, probes in PROBES.items()
        for what, (body, is_accepted) in probes.items()
    ],
)
async def test_the_document_and_the_app_accept_the_same_bodies(
    client: httpx.AsyncClient, operation: Operation, body: Any, *, is_accepted: bool
) -> None:
    assert published(operation.body.__name__).is_valid(body) is is_accepted
    path = operation.path.format(id=1001)
    response = await client.request(operation.method, path, content=json.dumps(body))
    assert response.status_code in ((200, 404) if is_accepted else (400,))


@pytest.mark.parametrize("operation", WITH_BODY.values(), ids=WITH_BODY)
async def test_a_body_may_be_left_out_where_the_document_says_so(
    client: httpx.AsyncClient, operation: Operation
) -> None:
    described = document()["paths"][operation.path][operation.method.lower()]["requestBody"]
    response = await client.request(operation.method, operation.path.format(id=1001))
    assert (response.status_code == 400) is described["required"]


ODD = [None, True, False, 0, 1, -1, 501, 2**31, 10**30, 1.0, 0.5, 1e300, "", " ", "x", "@", "a@b", "1001", "٣", [], {}]
ODD += [
    PHONE,
    PHONE + "\n",
    "\n",
    "active",
    "phone",
    [TAG],
    [TAG] * 6,
    [5],
    ["x"],
    [{}],
    {"31": "x"},
    {"31": None},
    {"x": 1},
    [CHANNEL],
]
ODD += [
    "2026-02-28T23:59:59Z",
    "2026-02-29T00:00:00Z",
    "2024-02-29t00:00:00.5z",
    "0000-01-01T00:00:00Z",
    "9999-12-31T23:59:59-23:59",
]
values = st.sampled_from(ODD) | st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@cache
def start(operation: Operation) -> tuple[Any, list[str]]:
    """A body that is accepted, or an item of it, and the members that are worth changing."""
    body = next(body for body, is_accepted in PROBES[operation.name].values() if is_accepted and body)
    probes = [probe for probe, _ in PROBES[operation.name].values() if isinstance(probe, dict)]
    names = {name for probe in [*probes, *(body if isinstance(body, list) else [])] for name in probe}
    return body, sorted(names)


def changed(body: Any, name: str, value: Any) -> Any:
    return [*body[:-1], {**body[-1], name: value}] if isinstance(body, list) else {**body, name: value}


def agree(operation: Operation, body: Any) -> bool:
    is_valid = published(operation.body.__name__).is_valid(body)
    try:
        checked(operation.body, body)
    except BadData:
        return not is_valid
    return is_valid


NOT_COUNT = [pytest.param(operation, id=name) for name, operation in WITH_BODY.items() if name != "count_contacts"]


@pytest.mark.parametrize("operation", NOT_COUNT)
def test_every_odd_value_in_every_member_is_judged_alike(operation: Operation) -> None:
    body, names = start(operation)
    bodies = [changed(body, name, value) for name in names for value in ODD]
    assert [odd for odd in [*bodies, *ODD] if not agree(operation, odd)] == []


@pytest.mark.parametrize("operation", NOT_COUNT)
@given(data=st.data())
def test_so_are_a_few_at_once(operation: Operation, data: st.DataObject) -> None:
    body, names = start(operation)
    for name in data.draw(st.lists(st.sampled_from(names) | st.text(max_size=4), max_size=3)):
        body = changed(body, name, data.draw(values))
    assert agree(operation, body)


@given(st.sampled_from(list(WITH_BODY)), values)
def test_a_refusal_never_repeats_a_value(name: str, value: Any) -> None:
    secret = "Augusta King-Noel"
    body = {
        "phone": secret,
        "date": secret,
        "title": secret,
        "tag": value,
        "status": secret,
        "contact_channels": secret,
    }
    with pytest.raises(BadData) as refused:
        checked(WITH_BODY[name].body, body)
    assert secret not in str(refused.value)


async def test_the_replies_are_as_published(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    """Every call of the default sandbox, once."""
    bodies = {
        name: next(body for body, is_accepted in probes.values() if is_accepted) for name, probes in PROBES.items()
    }
    bodies |= {"find_contact": {"id": "1002"}, "update_contact": {"phone": "15105550100"}, "batch_contacts": [{}]}
    order = sorted(OPERATIONS, key=lambda operation: operation.name == "delete_contact")
    for operation in order:
        path = operation.path.format(id=1001)
        response = await client.request(operation.method, path, json=bodies.get(operation.name))
        assert response.status_code == 200, operation.name
        published(operation.reply.__name__).validate(response.json())
    refused = await client.post("/v1/contact", json={})
    published("Error").validate(refused.json())
