"""A contact as a table of values, and the body of a write that changes what is wanted and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts_mcp.book.fields import NAMES
from contacts_mcp.book.values import (
    body_for,
    custom_key,
    differences,
    field_id,
    is_empty,
    is_hidden,
    is_text,
    nothing_for,
    values_of,
)
from contacts_mcp.book.writing.plan import Plan
from contacts_mcp.models import Contact

JORDAN = Contact(
    id=7,
    phone="15105550100",
    first="Jordan",
    last="Rivera",
    display_name="Jordan Rivera",
    email="jordan@example.com",
    custom={31: "Gold", 33: "Oakland"},
    tags=(103, 101),
    assigned_user_id=501,
    is_opted_out=False,
)
BEFORE = values_of(JORDAN)
ALWAYS = {"phone": "15105550100", "first": "Jordan", "last": "Rivera", "display_name": "Jordan Rivera"}


def test_a_table_holds_everything_a_write_can_change() -> None:
    assert BEFORE == {
        **ALWAYS,
        "email": "jordan@example.com",
        "avatar": "",
        "assignee": 501,
        "tags": [101, 103],
        "is_opted_out": False,
        "custom:31": "Gold",
        "custom:33": "Oakland",
    }


def test_a_bare_contact_has_empty_values_and_an_unknown_opt_out() -> None:
    table = values_of(Contact(id=7))
    assert table.pop("is_opted_out", ...) is None
    assert all(is_empty(value) for value in table.values())


@pytest.mark.parametrize(("key", "number"), [("custom:31", 31), ("first", None), ("phone", None)])
def test_the_key_of_a_custom_value_holds_its_field(key: str, number: int | None) -> None:
    assert field_id(key) == number
    assert number is None or custom_key(number) == key


@pytest.mark.parametrize(
    ("key", "nothing"), [("email", ""), ("custom:31", ""), ("tags", []), ("assignee", None), ("is_opted_out", None)]
)
def test_each_key_has_its_own_nothing(key: str, nothing: Any) -> None:
    assert nothing_for(key) == nothing
    assert is_empty(nothing)


def test_false_is_no_empty_value() -> None:
    assert not is_empty(False)


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("email", True),
        ("avatar", True),
        ("custom:31", True),
        ("tags", False),
        ("assignee", False),
        ("is_opted_out", False),
    ],
)
def test_a_text_is_told_from_what_has_a_shape_of_its_own(key: str, text: bool) -> None:
    assert is_text(key) is text


@pytest.mark.parametrize(
    ("key", "seen", "hidden"),
    [
        ("is_opted_out", {}, True),
        ("is_opted_out", {"is_opted_out": None}, True),
        ("is_opted_out", {"is_opted_out": False}, False),
        ("is_opted_out", {"is_opted_out": True}, False),
        ("email", {}, False),
        ("assignee", {"assignee": None}, False),
    ],
)
def test_only_an_opt_out_can_be_hidden(key: str, seen: Any, hidden: bool) -> None:
    assert is_hidden(key, seen) is hidden


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"first": "a"}, {"first": "a"}, {}),
        ({"first": "a"}, {"first": "b"}, {"first": ("a", "b")}),
        ({}, {"custom:31": "x"}, {"custom:31": ("", "x")}),
        ({"custom:31": "x"}, {}, {"custom:31": ("x", "")}),
        ({"custom:31": ""}, {}, {}),
        ({"tags": []}, {}, {}),
        ({"is_opted_out": None}, {"is_opted_out": False}, {"is_opted_out": (None, False)}),
    ],
)
def test_missing_and_empty_are_one_value(before: Any, after: Any, found: Any) -> None:
    assert differences(before, after) == found


def test_differences_can_be_looked_for_among_some_keys() -> None:
    assert differences({"first": "a", "last": "b"}, {}, among=["last"]) == {"last": ("b", "")}


@pytest.mark.parametrize(
    ("wanted", "body"),
    [
        pytest.param({}, {}, id="nothing"),
        pytest.param({"first": "Jo"}, {"first": "Jo"}, id="a name"),
        pytest.param({"email": "jo@example.com"}, {"email": "jo@example.com"}, id="an e-mail"),
        pytest.param({"email": ""}, {"email": ""}, id="emptied text"),
        pytest.param({"first": ""}, {"first": ""}, id="emptied name"),
        pytest.param({"custom:31": "Basic"}, {"custom": {"31": "Basic"}}, id="a custom value"),
        pytest.param({"custom:31": ""}, {"custom": {"31": ""}}, id="emptied custom value"),
        pytest.param({"assignee": 502}, {"assignee_id": 502}, id="an owner"),
        pytest.param({"assignee": None}, {"assignee_id": -1}, id="no owner"),
        pytest.param({"tags": [101]}, {"tags": [{"tag_id": 101}]}, id="a tag taken off"),
        pytest.param({"tags": []}, {"tags": []}, id="all tags taken off"),
        pytest.param({"is_opted_out": True}, {"is_opted_out": True}, id="an opt-out"),
        pytest.param({"is_opted_out": None}, {}, id="an unknown opt-out is not sent"),
        pytest.param({"phone": "15105550101"}, {"phone": "15105550101"}, id="a phone"),
    ],
)
def test_a_body_holds_phone_names_and_what_is_changed(wanted: Any, body: Any) -> None:
    assert body_for(BEFORE | wanted, wanted) == ALWAYS | body


def body_of(wanted: Any, **how: Any) -> dict[str, Any]:
    """The body of the write that turns Jordan into `wanted`."""
    overwrite = how.pop("overwrite", False)
    return Plan(action="update", before=BEFORE, wanted=wanted, overwrite=overwrite).body(**how)


def test_a_plan_sends_only_what_differs() -> None:
    assert body_of(BEFORE) == ALWAYS
    assert body_of(BEFORE | {"email": "jo@example.com", "tags": [101, 103]}) == ALWAYS | {"email": "jo@example.com"}


def test_an_empty_name_is_sent_only_where_it_was_emptied() -> None:
    """A service that clears by an empty text would clear a name that is sent along empty."""
    nameless = BEFORE | {"last": "", "display_name": ""}
    assert body_for(nameless, {"last": ""}) == {"phone": "15105550100", "first": "Jordan", "last": ""}


def test_null_empties_where_it_is_asked_to() -> None:
    body = body_of(BEFORE | {"email": "", "custom:31": ""}, empty=None)
    assert (body["email"], body["custom"]) == (None, {"31": None})


def test_null_is_for_texts_only() -> None:
    body = body_of(BEFORE | {"tags": [], "assignee": None, "last": ""}, empty=None)
    assert (body["tags"], body["assignee_id"], body["last"]) == ([], -1, None)


def test_overwriting_sends_every_custom_value_that_shall_stay() -> None:
    wanted = {key: value for key, value in BEFORE.items() if key != "custom:33"} | {"custom:40": "x"}
    assert body_of(wanted, overwrite=True)["custom"] == {"31": "Gold", "40": "x"}


def test_overwriting_with_nothing_sends_an_empty_object() -> None:
    wanted = {key: value for key, value in BEFORE.items() if field_id(key) is None}
    assert body_of(wanted, overwrite=True)["custom"] == {}


def test_a_body_of_a_create_holds_only_what_was_given() -> None:
    wanted: Any = {"phone": "15105550100", "first": "Jo", "custom:31": "x", "tags": [1], "is_opted_out": False}
    assert Plan(action="create", before={}, wanted=wanted).body() == {
        "phone": "15105550100",
        "first": "Jo",
        "custom": {"31": "x"},
        "tags": [{"tag_id": 1}],
        "is_opted_out": False,
    }


# The law: applied to a model of the API, whichever way its switches stand, the body gives the wanted values
# and leaves the rest.

WORDS = st.sampled_from(["", "a", "b", "null", " "])
TABLES = st.fixed_dictionaries(
    {
        "phone": st.sampled_from(["15105550100", "15105550101"]),
        **dict.fromkeys((*NAMES, "email", "avatar"), WORDS),
        "assignee": st.sampled_from([None, 501, 502]),
        "tags": st.lists(st.integers(101, 106), max_size=5, unique=True).map(sorted),
        "is_opted_out": st.booleans(),
    },
    optional={custom_key(number): st.sampled_from(["a", "b"]) for number in (31, 32, 33)},
)


def api_put(
    stored: dict[str, Any], body: dict[str, Any], *, overwrite: bool, clears_with: str, blanks_names: bool
) -> dict[str, Any]:
    """A PUT as `heymarket-api.md` 3.3 tells of it, written down once more and independently."""
    after = {key: value for key, value in stored.items() if field_id(key) is None}
    after |= dict.fromkeys(NAMES, "") if blanks_names else {}
    after |= texts_put(stored, body, clears_with)
    after |= custom_put(stored, body, clears_with, overwrite=overwrite)
    if "assignee_id" in body:
        after["assignee"] = None if body["assignee_id"] == -1 else body["assignee_id"]
    if "tags" in body:
        after["tags"] = sorted(item["tag_id"] for item in body["tags"])
    return after | {name: body[name] for name in ("phone", "is_opted_out") if name in body}


def texts_put(stored: dict[str, Any], body: dict[str, Any], clears_with: str) -> dict[str, str]:
    """The names, the email and the picture that the body holds, as they are stored afterwards."""
    sent = [name for name in (*NAMES, "email", "avatar") if name in body]
    return {name: text_put(body[name], stored[name], clears_with) for name in sent}


def custom_put(stored: dict[str, Any], body: dict[str, Any], clears_with: str, *, overwrite: bool) -> dict[str, str]:
    """All custom values as they are stored afterwards. Overwriting drops those that the body does not hold."""
    had = {key: value for key, value in stored.items() if field_id(key) is not None}
    sent = {custom_key(int(number)): value for number, value in body.get("custom", {}).items()}
    kept = {} if overwrite and "custom" in body else had
    return kept | {key: text_put(value, had.get(key, ""), clears_with) for key, value in sent.items()}


def text_put(value: str | None, old: str, clears_with: str) -> str:
    """The text that is stored when `value` was sent for `old`."""
    clears = clears_with in ("both", "null" if value is None else "empty")
    return value or ("" if clears else old)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    before=TABLES,
    wanted=TABLES,
    keys=st.sets(
        st.sampled_from(
            ["phone", *NAMES, "email", "avatar", "assignee", "tags", "is_opted_out", "custom:31", "custom:32"]
        )
    ),
    overwrite=st.booleans(),
    clears_with=st.sampled_from(["both", "empty", "null"]),
    blanks_names=st.booleans(),
)
def test_the_body_makes_what_was_wanted_and_leaves_the_rest(
    before: Any, wanted: Any, keys: set[str], overwrite: bool, clears_with: str, blanks_names: bool
) -> None:
    asked = before | {key: wanted.get(key, nothing_for(key)) for key in keys}
    plan = Plan(action="update", before=before, wanted=asked, overwrite=overwrite)
    body = plan.body(empty=None if clears_with == "null" else "")
    after = api_put(before, body, overwrite=overwrite, clears_with=clears_with, blanks_names=blanks_names)
    emptied_names = {name for name in NAMES if not asked[name] and before[name]}
    assert differences(asked, after) == {}, body
    assert body["phone"] == asked["phone"]
    assert emptied_names <= body.keys()
