"""Each parameter of a tool is named once, in its signature, and reaches the address book from there."""

from __future__ import annotations

import inspect
from dataclasses import fields
from typing import Any

import pytest

from contacts_mcp import book as books
from contacts_mcp.server.tools import contacts, search
from contacts_mcp.server.tools.requests import filled, request
from contacts_mcp.server.tools.schemas import arguments_model

WANTED = {one.name for one in fields(books.Wanted)}


@pytest.mark.parametrize(
    ("tool", "function"), [(contacts.CREATE, books.create_contact), (contacts.UPDATE, books.update_contact)]
)
def test_every_parameter_goes_to_the_function_or_into_the_wanted_contact(tool: Any, function: Any) -> None:
    parameters = {*arguments_model(tool.function).model_fields}
    asked = request(function, dict.fromkeys(parameters, "x"))
    assert parameters - asked.keys() <= WANTED
    inspect.signature(function).bind("book", **asked)


def test_a_parameter_goes_to_only_one_of_them() -> None:
    """`phone` says who is meant in an update, and so must not become the contact's new phone."""
    asked = request(books.update_contact, {"app": None, "phone": "1", "new_phone": "2", "first": "Jo", "last": None})
    assert asked == {"phone": "1", "new_phone": "2", "wanted": books.Wanted(first="Jo")}


def test_every_filter_is_a_parameter_of_the_search() -> None:
    other_names = {"name": "query", "tags": "tag", "any_tag": "tag_match", "is_opted_out": "opted_out"}
    filters = {other_names.get(one.name, one.name) for one in fields(books.Filters)}
    assert filters <= arguments_model(search.SEARCH.function).model_fields.keys()


def test_what_was_not_given_keeps_its_default() -> None:
    assert filled(books.Filters, {"name": "Jo", "tags": None, "limit": 3}) == books.Filters(name="Jo")
