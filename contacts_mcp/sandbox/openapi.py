"""The sandbox's own OpenAPI 3.1 document, written from the table of operations.

It describes the default behaviour; switches and faults can change what is answered.
"""

from __future__ import annotations

from typing import Any

from .operations import OPERATIONS, Operation

Schema = dict[str, Any]


def document() -> Schema:
    """The whole document."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "Heymarket contacts sandbox", "version": "1", "description": "A local stand-in; no data leaves this machine."},
        "servers": [{"url": "/"}],
        "security": [{"bearer": []}, {"basic": []}],
        "paths": _paths(),
        "components": {
            "schemas": _SCHEMAS,
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer", "description": "The API key, or a JWT signed with the API secret"},
                "basic": {"type": "http", "scheme": "basic", "description": "The API key as the user and an empty password"},
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
            "200": {"description": "Done", "headers": _HEADERS, "content": _content(operation.reply)},
            "default": {"description": "Refused", "headers": _HEADERS, "content": _content("Error")},
        },
    }
    if parameters := _parameters(operation):
        item["parameters"] = parameters
    if operation.body:
        item["requestBody"] = {"required": operation.body != "Nothing", "content": _content(operation.body)}
    return item


def _parameters(operation: Operation) -> list[Schema]:
    parameters: list[Schema] = []
    if "{id}" in operation.path:
        parameters.append({"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}})
    if "?overwrite=" in operation.summary:
        parameters.append({"name": "overwrite", "in": "query", "schema": {"type": "boolean", "default": False}})
    return parameters


def _content(schema: str) -> Schema:
    return {"application/json": {"schema": _ref(schema)}}


def _ref(schema: str) -> Schema:
    return {"$ref": f"#/components/schemas/{schema}"}


def _array(items: Schema) -> Schema:
    return {"type": "array", "items": items}


def _object(properties: Schema, *, required: tuple[str, ...] = (), closed: bool = False) -> Schema:
    schema: Schema = {"type": "object", "properties": properties}
    if required:
        schema["required"] = list(required)
    return {**schema, "additionalProperties": False} if closed else schema


_HEADERS: Schema = {"X-Request-Id": {"schema": {"type": "string"}}}
_INTEGER: Schema = {"type": "integer"}
_STRING: Schema = {"type": "string"}
_TEXT: Schema = {"type": ["string", "null"]}
_BOOLEAN: Schema = {"type": "boolean"}
_TIME: Schema = {"type": "string", "format": "date-time"}
_PHONE: Schema = {"type": "string", "pattern": "^[0-9]{8,15}$"}
_ID_TEXT: Schema = {"type": "string", "pattern": "^[0-9]{1,18}$"}
_TAG_IDS: Schema = {**_array(_object({"tag_id": _INTEGER}, required=("tag_id",), closed=True)), "maxItems": 5}
_WHO: Schema = {"phone": _PHONE, "id": _ID_TEXT}

_SCHEMAS: Schema = {
    "Contact": _object(
        {
            **dict.fromkeys(("id", "assigned_user_id", "team_id", "creator_id", "inbox_id", "parent_id", "rev"), _INTEGER),
            **dict.fromkeys(("uuid", "first", "last", "display_name", "email", "phone", "avatar"), _STRING),
            **dict.fromkeys(("op", "type", "external_id", "external_ref"), _STRING),
            **dict.fromkeys(("is_opted_out", "shared"), _BOOLEAN),
            **dict.fromkeys(("created", "updated"), _TIME),
            "custom": {"type": "object", "additionalProperties": _STRING},
            "tags": _TAG_IDS,
            "note": _array({"type": "object"}),
        },
        required=("id", "rev", "created", "updated"),
    ),
    "ContactWrite": _object(
        {
            "phone": _PHONE,
            **dict.fromkeys(("first", "last", "display_name", "email", "avatar"), _TEXT),
            "custom": {"type": "object", "additionalProperties": _TEXT},
            "assignee_id": _INTEGER,
            "tags": _TAG_IDS,
            "is_opted_out": _BOOLEAN,
            "email_suppressions": _array(_INTEGER),
        },
        required=("phone",),
        closed=True,
    ),
    "Receipt": _object({"id": _INTEGER, "rev": _INTEGER, "uuid": _STRING}, required=("id", "rev")),
    "Word": _STRING,
    "Error": _object({"error": _STRING, "message": _STRING}),
    "Nothing": _object({}, closed=True),
    "Contacts": _array(_ref("Contact")),
    "ContactWrites": _array(_ref("ContactWrite")),
    "BatchReply": _array(_ref("ContactWrite")),
    "ListQuery": _object(
        {"date": _TIME, "limit": _INTEGER, "page": _INTEGER, "order": {}, "ascending": {}, "filter": {}, "archived": {}, "assigned": {}},
        closed=True,
    ),
    "Count": _INTEGER,
    "Who": _object(_WHO, closed=True),
    "Status": _object({"id": _INTEGER, "phone": _STRING, "unsubscribed": _BOOLEAN, "blocked": _BOOLEAN}),
    "StatusWrite": _object(
        {**_WHO, "status": {"enum": ["active", "blocked", "unblocked", "subscribed", "unsubscribed"]}}, required=("status",), closed=True
    ),
    "Fields": _array(_object({"id": _INTEGER, "title": _STRING})),
    "FieldsWrite": _array(_object({"title": _STRING}, required=("title",), closed=True)),
    "CreatedFields": _array(_object({"id": _INTEGER, "title": _STRING, "duplicate": _BOOLEAN})),
    "Search": _object(
        {
            "contact_channels": _array(
                _object(
                    {"channel_type": {"enum": ["phone", "email"]}, "channel_ids": _array(_STRING)},
                    required=("channel_type", "channel_ids"),
                    closed=True,
                )
            )
        },
        required=("contact_channels",),
        closed=True,
    ),
    "TagQuery": _object({"date": _TIME}, closed=True),
    "TagWrite": _object({"tag": _STRING, "color": _STRING}, required=("tag",), closed=True),
    "Tags": _array(
        _object(
            {"id": _INTEGER, "tag": _STRING, "color": _STRING, "team_id": _INTEGER, "created": _TIME, "updated": _TIME, "rev": _INTEGER}
        )
    ),
    "Team": _object(
        {
            "id": _INTEGER,
            "name": _STRING,
            "list_size": _INTEGER,
            "members": _array(_object({"id": _INTEGER, "name": _STRING, "role": _STRING, "email": _STRING})),
        }
    ),
    "Inboxes": _array(_object({"id": _INTEGER, "name": _STRING, "phone": _STRING})),
}
