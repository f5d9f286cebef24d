"""The schemas of a tool: plain ones, which every client accepts (no null, no anyOf, no $ref, no titles)."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, Literal

from pydantic import BaseModel, create_model
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import CoreSchema, core_schema


@cache
def arguments_model(function: Callable[..., Awaitable[Any]]) -> type[BaseModel]:
    """The arguments a caller gives to a tool: all parameters of its function but the first, which is the server's."""
    _, *given = inspect.signature(function, eval_str=True).parameters.values()
    fields: dict[str, Any] = {
        one.name: (one.annotation, ... if one.default is one.empty else one.default) for one in given
    }
    return create_model(function.__name__, **fields)


@cache
def input_schema(function: Callable[..., Awaitable[Any]]) -> dict[str, Any]:
    return _plain(arguments_model(function)) | {"additionalProperties": False}


@cache
def output_schema(answers: type[BaseModel]) -> dict[str, Any]:
    """The published structure of an answer. Nothing in it is required.

    Clients built on version 1 of the TypeScript SDK hold the structure of an error against this schema too. A schema
    that asked for more than an error has would hide the error's text from the assistant (typescript-sdk issue 2748).
    An answer may hold more than is published: `_FOR_READING` names members that no next call needs.
    """
    published = {name: part for name, part in _plain(answers).items() if name != "required"}
    members = {name: _lean(part) for name, part in published["properties"].items() if name not in _FOR_READING}
    return published | {"properties": members}


def _lean(member: dict[str, Any]) -> dict[str, Any]:
    """The items of an array are published where they have members that a program may count on."""
    return {name: part for name, part in member.items() if name != "items" or "properties" in part}


def _plain(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(schema_generator=_PlainSchema, mode="validation")


class _PlainSchema(GenerateJsonSchema):
    """JSON schema without titles, nulls and null defaults: an optional parameter is simply not required."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> JsonSchemaValue:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> JsonSchemaValue:
        plain = super().default_schema(schema)
        if plain.get("default", ...) is None:
            del plain["default"]
        return plain

    def field_title_should_be_set(self, schema: Any) -> bool:  # noqa: ARG002 -- pydantic's signature
        return False

    def _update_class_schema(self, json_schema: JsonSchemaValue, cls: type[Any], config: Any) -> None:
        super()._update_class_schema(json_schema, cls, config)
        json_schema.pop("title", None)
        json_schema.pop("description", None)

    def generate(
        self, schema: CoreSchema, mode: Literal["validation", "serialization"] = "validation"
    ) -> JsonSchemaValue:
        plain: JsonSchemaValue = _without_lengths(super().generate(schema, mode))
        return plain


def _without_lengths(schema: Any) -> Any:
    """Limits are checked and said when they are passed. Publishing them costs tokens in every conversation."""
    if isinstance(schema, dict):
        return {key: _without_lengths(value) for key, value in schema.items() if key not in _UNPUBLISHED}
    return [_without_lengths(value) for value in schema] if isinstance(schema, list) else schema


_FOR_READING = frozenset({"note_kinds", "about", "sources", "losses"})
_UNPUBLISHED = frozenset({"minimum", "maxLength", "maxItems", "maxProperties", "exclusiveMaximum"})
