"""The sandbox's own OpenAPI 3.1 document, made from the table of operations and the models of their bodies.

It describes the default behaviour. Switches and faults can change the replies.
"""

# ruff: noqa: ARG002 - the signatures are pydantic's

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaMode, JsonSchemaValue, models_json_schema
from pydantic_core import CoreSchema

from .bodies import Error
from .operations import OPERATIONS, Operation

Schema = dict[str, Any]

_REFERENCE = "#/components/schemas/{model}"
_REQUEST_ID: Schema = {"X-Request-Id": {"schema": {"type": "string"}}}


def document() -> Schema:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Heymarket contacts sandbox",
            "version": "1",
            "description": "A local stand-in; no data leaves this machine.",
        },
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"basic": []}],
        "paths": _paths(),
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {
                "bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "The API key, or a JWT signed with the API secret",
                },
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "The API key as the user and an empty password",
                },
            },
        },
    }


def _paths() -> Schema:
    paths: Schema = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _path_item(operation)
    return paths


def _path_item(operation: Operation) -> Schema:
    item: Schema = {
        "operationId": operation.name,
        "summary": operation.summary,
        "responses": {
            "200": {"description": "Done", "headers": _REQUEST_ID, "content": _content(operation.reply)},
            "default": {"description": "Refused", "headers": _REQUEST_ID, "content": _content(Error)},
        },
    }
    if parameters := _parameters(operation):
        item["parameters"] = parameters
    if operation.body:
        item["requestBody"] = {"required": operation.body_required, "content": _content(operation.body)}
    return item


def _parameters(operation: Operation) -> list[Schema]:
    parameters: list[Schema] = []
    if "{id}" in operation.path:
        number = {"type": "integer", "minimum": 0, "exclusiveMaximum": 10**18}
        parameters.append({"name": "id", "in": "path", "required": True, "schema": number})
    if operation.overwrite:
        parameters.append({"name": "overwrite", "in": "query", "schema": {"type": "boolean", "default": False}})
    return parameters


def _content(model: type[BaseModel]) -> Schema:
    return {"application/json": {"schema": {"$ref": _REFERENCE.format(model=model.__name__)}}}


def _schemas() -> Schema:
    models = {operation.reply for operation in OPERATIONS} | {Error}
    models |= {operation.body for operation in OPERATIONS if operation.body}
    inputs: list[tuple[type[BaseModel], JsonSchemaMode]] = [
        (model, "validation") for model in sorted(models, key=lambda model: model.__name__)
    ]
    _, schemas = models_json_schema(inputs, ref_template=_REFERENCE, schema_generator=_Plain)
    return dict(schemas["$defs"])


class _Plain(GenerateJsonSchema):
    """Schemas without titles, and without defaults. A member that is left out has no value."""

    def default_schema(self, schema: Any) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def field_title_should_be_set(self, schema: CoreSchema | Any) -> bool:
        return False
