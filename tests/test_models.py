"""The API's nouns are read tolerantly (`heymarket-api.md` 3.1 and 4) and held in one shape."""

from __future__ import annotations

import json
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
    ("custom", {"31": 5.0}, {31: "5"}),
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


@pytest.mark.parametrize("came", [None, "", "five", 5.5, True, 0, -5, [5], {"id": 5}, float("nan"), "5_0"], ids=repr)
def test_a_row_without_a_usable_id_is_no_contact(came: Any) -> None:
    with pytest.raises(ValidationError):
        contact(id=came)


@pytest.mark.parametrize("row", [None, 5, "Jo", [], ["id", 5], {}, {"first": "Jo"}], ids=repr)
def test_a_row_of_another_kind_is_no_contact(row: Any) -> None:
    with pytest.raises(ValidationError):
        Contact.model_validate(row)


# id: (the members as they came, what is read of them, what is kept unread)
ODD = {
    "name-list": ({"first": ["Jo"]}, {"first": ""}, {"first": ["Jo"]}),
    "name-object": ({"first": {"en": "Jo"}}, {"first": ""}, {"first": {"en": "Jo"}}),
    "email-list": ({"email": ["jo@x.org", "j@y.org"]}, {"email": ""}, {"email": ["jo@x.org", "j@y.org"]}),
    "phone-word": ({"phone": "unknown"}, {"phone": ""}, {"phone": "unknown"}),
    "phone-list": ({"phone": ["15105553344"]}, {"phone": ""}, {"phone": ["15105553344"]}),
    "phone-rounded": ({"phone": "1.51056E+10"}, {"phone": ""}, {"phone": "1.51056E+10"}),
    "custom-list": ({"custom": ["31"]}, {"custom": {}}, {"custom": ["31"]}),
    "custom-text": ({"custom": "Plan=Gold"}, {"custom": {}}, {"custom": "Plan=Gold"}),
    "custom-key": ({"custom": {"plan": "Premium", "32": "x"}}, {"custom": {32: "x"}}, {"custom.plan": "Premium"}),
    "custom-key-negative": ({"custom": {"-1": "x", "32": "y"}}, {"custom": {32: "y"}}, {"custom.-1": "x"}),
    "custom-value-list": ({"custom": {"31": ["a"], "32": "x"}}, {"custom": {32: "x"}}, {"custom.31": ["a"]}),
    "custom-value-object": ({"custom": {"31": {"a": 1}}}, {"custom": {}}, {"custom.31": {"a": 1}}),
    "custom-value-nan": ({"custom": {"31": float("nan")}}, {"custom": {}}, {"custom.31": ["nan"]}),
    "tags-text": ({"tags": "VIP"}, {"tags": ()}, {"tags": "VIP"}),
    "tags-object": ({"tags": {"tag_id": 7}}, {"tags": ()}, {"tags": {"tag_id": 7}}),
    "tags-words": ({"tags": ["VIP", 7, "Lead"]}, {"tags": (7,)}, {"tags": ["VIP", "Lead"]}),
    "tags-null": ({"tags": [None]}, {"tags": ()}, {"tags": [None]}),
    "tags-nested": ({"tags": [[7], {"id": 8}]}, {"tags": (8,)}, {"tags": [[7]]}),
    "tags-without-id": ({"tags": [{"tag": "VIP"}]}, {"tags": ()}, {"tags": [{"tag": "VIP"}]}),
    "tags-zero": ({"tags": [0, 7, {"id": -1}]}, {"tags": (7,)}, {"tags": [0, {"id": -1}]}),
    "tags-true": ({"tags": [True]}, {"tags": ()}, {"tags": [True]}),
    "tags-half": ({"tags": [7.5]}, {"tags": ()}, {"tags": [7.5]}),
    "tags-infinite": ({"tags": [float("inf")]}, {"tags": ()}, {"tags": ["inf"]}),
    "assignee-name": ({"assigned_user_id": "Sam"}, {"assigned_user_id": None}, {"assigned_user_id": "Sam"}),
    "assignee-true": ({"assigned_user_id": True}, {"assigned_user_id": None}, {"assigned_user_id": True}),
    "assignee-object": ({"assigned_user_id": {"id": 7}}, {"assigned_user_id": None}, {"assigned_user_id": {"id": 7}}),
    "opt-out-word": ({"is_opted_out": "perhaps"}, {"is_opted_out": None}, {"is_opted_out": "perhaps"}),
    "opt-out-list": ({"is_opted_out": [True]}, {"is_opted_out": None}, {"is_opted_out": [True]}),
    "rev-word": ({"rev": "three"}, {"rev": 0}, {"rev": "three"}),
    "moment-object": ({"updated": {"at": "2024"}}, {"updated": ""}, {"updated": {"at": "2024"}}),
    "several": (
        {"first": ["Jo"], "last": "Rivera", "custom": {"31": []}, "email": {}, "rev": []},
        {"first": "", "last": "Rivera", "custom": {31: ""}, "email": "", "rev": 0},
        {"first": ["Jo"]},
    ),
}


@pytest.mark.parametrize(("came", "read", "unread"), ODD.values(), ids=ODD.keys())
def test_an_odd_member_is_kept_unread_and_the_rest_is_read(
    came: dict[str, Any], read: dict[str, Any], unread: dict[str, Any]
) -> None:
    found = contact(**came, uuid="u", team_id=901)
    assert {name: getattr(found, name) for name in read} == read
    assert found.unread == unread
    assert (found.id, found.uuid, found.model_extra) == (5, "u", {"team_id": 901})


@pytest.mark.parametrize("came", [came for came, _, _ in ODD.values()], ids=ODD.keys())
def test_a_record_of_an_odd_contact_loses_nothing_and_reads_back(came: dict[str, Any]) -> None:
    found = contact(**came)
    record = json.loads(json.dumps(found.model_dump(mode="json"), allow_nan=False))
    again = Contact.model_validate(record)
    assert again == found
    assert again.unread == found.unread


def test_a_contact_may_have_a_member_that_is_called_unread() -> None:
    """The service counts unread messages in some answers."""
    found = contact(unread=3, email=["x"])
    assert (found.unread, found.model_extra) == ({"email": ["x"]}, {"unread": 3})


def _nested(depth: int, value: Any = "x") -> Any:
    for level in range(depth):
        value = [value] if level % 2 else {"a": value}
    return value


@pytest.mark.parametrize("depth", [3, 40, 300, 900])
@pytest.mark.parametrize("member", ["first", "email", "tags", "created", "is_opted_out"])
def test_a_deep_member_is_bounded_and_can_be_handed_on(member: str, depth: int) -> None:
    found = contact(**{member: _nested(depth), "last": "Rivera"})
    text = found.model_dump_json()
    assert len(text) < 3_000
    assert found.last == "Rivera"
    assert Contact.model_validate_json(text) == found


@pytest.mark.parametrize("depth", [3, 300])
def test_a_deep_custom_value_is_bounded(depth: int) -> None:
    found = contact(custom={"31": _nested(depth), "32": "x"})
    assert found.custom == {32: "x"}
    assert Contact.model_validate_json(found.model_dump_json()) == found


@pytest.mark.parametrize(
    "long",
    ["x" * 100_000, ["x" * 100_000], [["y"] * 50_000], {"a": {str(n): n for n in range(9_000)}}],
    ids=["text", "list", "many", "object"],
)
def test_a_long_unread_member_is_cut(long: Any) -> None:
    found = contact(tags=long)
    assert 500 < len(json.dumps(found.unread["tags"])) < 2_100
    assert Contact.model_validate(json.loads(found.model_dump_json())) == found


def test_numbers_in_texts_are_written_as_people_do() -> None:
    found = contact(first=5.0, custom={"31": 94110.0, "32": 10**25, "33": 1e300})
    assert found.first == "5"
    assert found.custom == {31: "94110", 32: "1" + "0" * 25, 33: "1e+300"}


def _json_values(floats: st.SearchStrategy[float]) -> st.SearchStrategy[Any]:
    keys = st.text() | st.integers(0, 99).map(str)
    return st.recursive(
        st.none() | st.booleans() | st.integers() | floats | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
        max_leaves=12,
    )


READ_MEMBERS = [name for name in Contact.model_fields if name not in ("id", "email_suppressions")]
# Of the members that are not read, decoding has made NaN and infinity texts.
KEPT_MEMBERS = st.text().filter(lambda name: name not in READ_MEMBERS) | st.just("email_suppressions")


@given(
    st.dictionaries(st.sampled_from(READ_MEMBERS), _json_values(st.floats())),
    st.dictionaries(KEPT_MEMBERS, _json_values(st.floats(allow_nan=False, allow_infinity=False)), max_size=3),
)
def test_whatever_members_a_contact_has_it_is_read_and_its_record_reads_back(
    members: dict[str, Any], kept: dict[str, Any]
) -> None:
    found = Contact.model_validate(members | kept | {"id": 5})
    assert found.id == 5
    again = Contact.model_validate(json.loads(json.dumps(found.model_dump(mode="json"), allow_nan=False)))
    assert again == found


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
        contact().first = "Jo"


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


def test_the_other_nouns_are_read_without_their_odd_members() -> None:
    odd = Tag.model_validate({"id": 7, "tag": ["VIP"], "updated": {}})
    assert (odd.id, odd.tag, odd.updated, odd.is_name_unread) == (7, "", "", True)
    assert not Tag.model_validate({"id": 7, "tag": None}).is_name_unread
    assert CustomField.model_validate({"id": 31, "title": {"en": "Plan"}, "name": "Plan"}).label == "Plan"
    assert WriteReply.model_validate({"id": "five", "rev": [2], "uuid": {}}) == WriteReply()
    assert Team.model_validate({"id": True, "name": [], "members": None}) == Team()


@pytest.mark.parametrize("members", ["Sam", {"id": 5}, 5, True], ids=repr)
def test_a_team_whose_members_are_no_list_is_none(members: Any) -> None:
    """An empty list would say that nobody is in the team."""
    with pytest.raises(ValidationError):
        Team.model_validate({"id": 1, "members": members})


def test_a_member_without_an_id_is_left_out_of_the_team() -> None:
    rows = [{"name": "Ana"}, None, "Sam", {"id": "x"}, {"id": 2001, "name": "Sam", "email": ["sam@x.org"]}]
    assert Team.model_validate({"id": 1, "members": rows}).members == (Member(id=2001, name="Sam"),)


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
first, last = datetime(1, 1, 3), datetime(9999, 12, 29)  # noqa: DTZ001 -- Hypothesis adds the zone
moments = st.datetimes(first, last, timezones=offsets)


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
