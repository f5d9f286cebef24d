"""From the arguments of a tool to a request of the address book, so that no parameter is named twice."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import fields
from typing import Any, TypeVar

from contacts_mcp import book as books

Request = TypeVar("Request")


def request(function: Callable[..., Awaitable[Any]], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments for a `function` of the book that takes a `wanted`, from the `locals()` of a tool.

    An argument that `function` names goes to it. All others describe the contact that is wanted.
    """
    own = {name for name in inspect.signature(function).parameters if name in given}
    wanted = filled(books.Wanted, {name: value for name, value in given.items() if name not in own})
    return {name: given[name] for name in own if given[name] is not None} | {"wanted": wanted}


def filled(kind: type[Request], given: Mapping[str, Any]) -> Request:
    """A dataclass with every field that was `given`. The others keep their defaults."""
    names = [one.name for one in fields(kind)]  # type: ignore[arg-type]  # any dataclass
    return kind(**{name: given[name] for name in names if given.get(name) is not None})
