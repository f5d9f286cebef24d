"""The API's nouns are read tolerantly (`heymarket-api.md` 3.1 and 4) and held in one shape."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from contacts_mcp.models import Contact, CustomField, Inbox, Member, Tag, Team, WriteReply, instant

FULL = {
    "id": 5,
    "uuid": "u-5",
    "phone": "15105553344",
    "first": "Jordan",
    "last": "Rivera",
    "display_name": "Jo",
    "email": "jo@example.com",
    "avatar": "https://example.com/jo.png",
    "custom": {"31": "Premium"},
    "tags": [{"tag_id": 7}],
    "assigned_user_id": 2001,
    "is_opted_out": False,
    "created": "2024-01-02T03:04:05Z",
    "updated": "2024-01-02T03:04:05.123456789-07:00",
    "rev": 3,
}


def contact(**members: Any) -> Contact:
    return Contact.model_validate({"id": 5} | members)


def test_a_full_contact_is_read_as_it_is() -> None:
    read = Contact.model_validate(FULL).model_dump()
    assert read == FULL | {"custom": {31: "Premium"}, "tags": (7,), "email_suppressions": None}


def test_only_the_id_is_needed() -> None:
    read = contact()
    assert (read.first, read.phone, read.custom, read.tags, read.assigned_user_id, read.rev) == (
        "",
        "",
        {},
        (),
        None,
        0,
    )


READINGS = [
    ("id", 5, 5),
    ("id", "5", 5),
    ("id", 5.0, 5),
    ("first", None, ""),
    ("first", "", ""),
    ("first", 7, "7"),
    ("first", True, "true"),
    ("phone", "+15105553344", "15105553344"),
    ("phone", "+1 (510) 555-3344", "15105553344"),
    ("phone", 15105553344, "15105553344"),
    ("phone", None, ""),
    ("phone", [], ""),
    ("custom", None, {}),
    ("custom", {}, {}),
    ("custom", [], {}),
    ("custom", "", {}),
    ("custom", {"31": None, "32": 5, "33": False, "34": 1.5}, {31: "", 32: "5", 33: "false", 34: "1.5"}),
    ("custom", {31: "x"}, {31: "x"}),
    ("tags", None, ()),
    ("tags", [], ()),
    ("tags", "", ()),
    ("tags", [{"tag_id": 7}, {"tag_id": "8"}], (7, 8)),
    ("tags", [{"id": 7, "tag": "VIP"}], (7,)),
    ("tags", [{"tag_id": None, "id": 7}], (7,)),
    ("tags", [7, "8"], (7, 8)),
    ("assigned_user_id", 2001, 2001),
    ("assigned_user_id", "2001", 2001),
    ("assigned_user_id", 2001.0, 2001),
    ("assigned_user_id", 0, None),
    ("assigned_user_id", -1, None),
    ("assigned_user_id", "", None),
    ("assigned_user_id", None, None),
    ("is_opted_out", True, True),
    ("is_opted_out", "false", False),
    ("is_opted_out", 0, False),
    ("is_opted_out", None, None),
    ("is_opted_out", "", None),
    ("created", None, ""),
    ("updated", "2024-01-02T03:04:05.1200Z", "2024-01-02T03:04:05.1200Z"),
    ("rev", None, 0),
    ("rev", "", 0),
    ("rev", "3", 3),
]


@pytest.mark.parametrize(("member", "came", "read"), READINGS, ids=lambda value: str(value)[:40])
def test_what_the_contract_leaves_open_is_read_either_way(member: str, came: Any, read: Any) -> None:
    value = getattr(contact(**{member: came}), member)
    assert (value, type(value)) == (read, type(read))


@pytest.mark.parametrize(
    ("member", "came"),
    [
        ("id", None),
        ("id", "five"),
        ("id", 5.5),
        ("first", ["Jo"]),
        ("first", {"en": "Jo"}),
        ("custom", ["31"]),
        ("custom", {"plan": "Premium"}),
        ("custom", {"31": ["a"]}),
        ("tags", "VIP"),
        ("tags", {"tag_id": 7}),
        ("tags", ["VIP"]),
        ("tags", [None]),
        ("tags", [[7]]),
        ("tags", [{"tag": "VIP"}]),
        ("tags", [float("inf")]),
        ("assigned_user_id", "Sam"),
        ("assigned_user_id", float("inf")),
        ("is_opted_out", "perhaps"),
        ("rev", "three"),
    ],
    ids=str,
)
def test_what_cannot_be_understood_is_an_error_of_validation_and_no_guess(member: str, came: Any) -> None:
    with pytest.raises(ValidationError):
        contact(**{member: came})


def test_members_nobody_knows_are_kept_as_they_came() -> None:
    strange = {"note": [{"id": 1, "text": "hi"}], "op": "x", "name": "shadow", "": None, "ünknown": [1.5]}
    assert contact(**strange).model_extra == strange


def test_not_known_is_not_the_same_as_not_opted_out() -> None:
    assert contact().is_opted_out is None


@pytest.mark.parametrize(
    ("members", "name"),
    [
        ({"display_name": "Jo", "first": "Jordan", "last": "Rivera"}, "Jo"),
        ({"first": "Jordan", "last": "Rivera"}, "Jordan Rivera"),
        ({"first": "Jordan"}, "Jordan"),
        ({"last": "Rivera"}, "Rivera"),
        ({}, ""),
    ],
    ids=str,
)
def test_a_contact_is_called_by_display_name_or_first_and_last(members: dict[str, str], name: str) -> None:
    assert contact(**members).name == name


def test_a_contact_cannot_be_changed_in_passing() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        contact().first = "Jo"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("came", "read"),
    [
        ({"id": 31, "title": "Plan"}, (31, "Plan")),
        ({"id": "31", "name": "Plan"}, (31, "Plan")),
        ({"id": 31, "title": "", "name": "Plan"}, (31, "Plan")),
        ({"id": 31, "title": None}, (31, "")),
        ({"id": 31, "type": "text"}, (31, "")),
    ],
    ids=str,
)
def test_a_field_has_its_name_under_title_or_name_or_none(came: dict[str, Any], read: tuple[int, str]) -> None:
    field = CustomField.model_validate(came)
    assert (field.id, field.label) == read


def test_the_other_nouns_need_little_and_keep_the_rest() -> None:
    assert Tag.model_validate({"id": "7", "tag": "VIP", "color": "red"}).model_extra == {"color": "red"}
    assert Inbox.model_validate({"id": 1}).name == ""
    assert WriteReply.model_validate({}).id is None
    team = Team.model_validate({"members": [{"id": "2001", "name": "Sam", "role": None}]})
    assert team.members == (Member(id=2001, name="Sam"),)


MOMENT = datetime(2024, 1, 2, 3, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("timestamp", "moment"),
    [
        ("2024-01-02T03:04:05Z", MOMENT),
        ("2024-01-02t03:04:05z", MOMENT),
        ("2024-01-02 03:04:05Z", MOMENT),
        ("2024-01-02T03:04:05", MOMENT),
        ("2024-01-02T03:04:05+00:00", MOMENT),
        ("2024-01-02T03:04:05-00:00", MOMENT),
        ("2024-01-02T10:04:05+07:00", MOMENT),
        ("2024-01-01T19:34:05-07:30", MOMENT),
        ("2024-01-02T03:04:05.1Z", MOMENT.replace(microsecond=100_000)),
        ("2024-01-02T03:04:05.12345Z", MOMENT.replace(microsecond=123_450)),
        ("2024-01-02T03:04:05.123456789Z", MOMENT.replace(microsecond=123_456)),
        ("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC)),
        ("0001-01-01T00:00:00+14:00", None),
        ("9999-12-31T23:59:59-01:00", None),
        ("2024-13-02T03:04:05Z", None),
        ("yesterday", None),
        ("1700000000", None),
        ("", None),
    ],
)
def test_an_instant_is_read_in_every_form_of_the_contract(timestamp: str, moment: datetime | None) -> None:
    assert instant(timestamp) == moment


offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=offsets)  # noqa: DTZ001 -- Hypothesis adds the zone


@given(moment=moments, digits=st.integers(0, 9))
def test_an_instant_is_the_same_moment_in_utc_to_the_microsecond(moment: datetime, digits: int) -> None:
    step = 10 ** max(0, 6 - digits)
    exact = moment.replace(microsecond=moment.microsecond // step * step)
    fraction = f".{exact.microsecond:06d}000"[: digits + 1] if digits else ""
    offset = exact.strftime("%z")
    read = instant(f"{exact:%Y-%m-%dT%H:%M:%S}".rjust(19, "0") + f"{fraction}{offset[:3]}:{offset[3:]}")
    assert read == exact
    assert read is not None
    assert read.tzinfo is UTC


@given(
    text=st.text(max_size=40)
    | st.from_regex(r"[0-9]{1,5}-[0-9]{1,3}-[0-9]{2}[Tt ][0-9:.]*([Zz]|[+-][0-9:]{1,6})?", fullmatch=True)
)
def test_any_text_names_an_instant_or_none(text: str) -> None:
    moment = instant(text)
    assert moment is None or moment.tzinfo is UTC
