"""Filters as flat pairs of name and text, as a command line and a short parameter give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from contacts_mcp.book.listing.filters import Filters
from contacts_mcp.errors import InvalidArgument, UnknownName

_TEXTS = (
    "name", "assignee", "area_code", "country", "created_after", "created_before", "updated_after", "updated_before",
)  # fmt: skip
_FLAGS = {"is_opted_out": "is_opted_out", "opted_out": "is_opted_out", "has_email": "has_email"}
# Parameters of the search that narrow nothing down here. They would be taken for custom fields.
_NO_FILTERS = frozenset(["query", "tag_match", "sort", "limit", "cursor", "detail", "custom_fields"])
_FILTERS = f"Filters: tag, opted_out, has_email, {', '.join(_TEXTS)}, or a custom field by its name."
_YES_OR_NO = {"true": True, "yes": True, "false": False, "no": False}


def filters_of(where: Mapping[str, str]) -> Filters:
    """The filters of a search, and part of a name. Any other name is a custom field. Raises InvalidArgument.

    Several tags stand between commas, and all of them must be there. `tag` and `tags` add up.
    """
    if wrong := _NO_FILTERS & {*where}:
        raise InvalidArgument("where", f"{min(wrong)} is no filter here.", expected=_FILTERS)
    given: dict[str, Any] = {}
    custom: dict[str, str] = {}
    for name, value in where.items():
        if name in _TEXTS:
            given[name] = value
        elif name in ("tag", "tags"):
            given["tags"] = [*given.get("tags", ()), *(tag.strip() for tag in value.split(","))]
        elif name not in _FLAGS:
            custom[name] = value
        elif given.setdefault(_FLAGS[name], answer := _answer(name, value)) is not answer:
            raise InvalidArgument("where", f"{name} contradicts another filter.", expected="Give one of them.")
    return Filters(**given, custom_fields=custom)


def _answer(name: str, value: str) -> bool:
    answer = yes_or_no(value)
    if answer is None:
        raise InvalidArgument("where", f"{name} is true or false.")
    return answer


def in_where(unknown: UnknownName) -> UnknownName:
    """The same error about `where`. A name there that is no filter is taken for a custom field."""
    misses = [
        UnknownName(
            "where",
            miss.problem,
            candidates=miss.candidates,
            expected=f"{miss.expected} {_FILTERS}" if miss.argument == "custom_fields" else miss.expected,
            is_ambiguous=miss.is_ambiguous,
        )
        for miss in unknown.misses
    ]
    return UnknownName.of_several(misses)


def yes_or_no(text: str) -> bool | None:
    """The answer in a text, None where it is neither."""
    return _YES_OR_NO.get(text.strip().casefold())
