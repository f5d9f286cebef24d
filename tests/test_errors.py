"""The drawing of the tree of errors shows the errors there are."""

from __future__ import annotations

import inspect
import re

import pytest

from contacts_mcp import errors
from contacts_mcp.errors import (
    AccountError,
    ContactsError,
    InvalidArgument,
    InvalidPhone,
    RateLimited,
    ServiceFailed,
    UnknownName,
)


def drawn() -> dict[str, str]:
    """Class -> parent, as drawn at the top of the module."""
    tree: dict[str, str] = {}
    above = ["Exception"]
    for line in inspect.getdoc(errors).splitlines():
        if match := re.match(r"^((?:[│ ]   )*(?:[├└]── )?)([A-Z]\w+)(?: |$)", line):
            depth = len(match[1]) // 4
            above[depth + 1 :] = [match[2]]
            tree[match[2]] = above[depth]
        elif not line and len(tree) > 1:
            break
    return tree


def defined() -> dict[str, str]:
    classes = [
        member for _, member in inspect.getmembers(errors, inspect.isclass) if member.__module__ == errors.__name__
    ]
    return {each.__name__: each.__base__.__name__ for each in classes if each.__base__}


def test_the_drawing_lists_exactly_the_classes_there_are_with_their_parents() -> None:
    tree = drawn()
    tree.pop("Everything", None)
    assert tree == defined()


def test_every_error_says_what_it_means() -> None:
    assert all(getattr(errors, name).__doc__ for name in defined())


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (
            InvalidArgument("tags", "6 tags were given", expected="Give at most 5."),
            "tags: 6 tags were given Give at most 5.",
        ),
        (InvalidArgument("tags", "6 tags were given"), "tags: 6 tags were given"),
        (InvalidPhone("short", "too short"), "phone: too short"),
        (InvalidPhone("short", "too short", argument="new_phone"), "new_phone: too short"),
        (UnknownName("tags", "nobody", candidates=["VIP"]), "tags: nobody"),
        (AccountError("no"), "no"),
        (AccountError("no", request_id="r-1"), "no (X-Request-Id r-1)"),
        (ServiceFailed("no", status=500, request_id="r-1"), "no (X-Request-Id r-1)"),
        (RateLimited("no", retry_after=3.0), "no"),
        (ContactsError("no"), "no"),
    ],
    ids=repr,
)
def test_the_text_is_for_the_reader(error: ContactsError, text: str) -> None:
    assert str(error) == text


def test_data_is_kept_as_attributes() -> None:
    failed = ServiceFailed("no", status=503, request_id="r-1")
    limited = RateLimited("no", retry_after=3.0, request_id="r-2")
    unknown = UnknownName("tags", "nobody", candidates=["VIP", "Gold"], expected="a tag")
    phone = InvalidPhone("short", "too short", expected="more digits")
    assert (failed.status, failed.request_id) == (503, "r-1")
    assert (limited.retry_after, limited.request_id) == (3.0, "r-2")
    assert (unknown.argument, unknown.problem, unknown.candidates, unknown.expected) == (
        "tags",
        "nobody",
        ("VIP", "Gold"),
        "a tag",
    )
    assert (phone.reason, phone.argument, phone.expected) == ("short", "phone", "more digits")
