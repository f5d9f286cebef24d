from __future__ import annotations

import json
import re
from typing import Any

import httpx
import pytest
from starlette.routing import Route

from contacts_mcp.sandbox.app import HANDLERS
from contacts_mcp.sandbox.openapi import document
from contacts_mcp.sandbox.operations import OPERATIONS


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
