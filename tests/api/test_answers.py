"""Every answer of the service becomes one shape, or BadAnswer."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from contacts_mcp.api import answers
from contacts_mcp.errors import BadAnswer
from contacts_mcp.models import Contact, CustomField, Inbox, Tag, Team, WriteReply


def decode(body: bytes, content_type: str = "application/json") -> Any:
    return answers.decode(body, content_type=content_type, status=200, request_id="r-1")


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b'{"id": 1}', {"id": 1}),
        (b"[]", []),
        (b"null", None),
        (b'"ok"', "ok"),
        (b"17", 17),
        (b"", None),
        (b" \r\n", None),
        ('\ufeff{"id": 1}'.encode(), {"id": 1}),
        ('{"first": "Zoë"}'.encode(), {"first": "Zoë"}),
        (rb'"\ud83d\ude00"', "😀"),
        (rb'["cut \ud83d", "\ude00"]', ["cut �", "�"]),
        (rb'{"\ud83d": "\\ud83d"}', {"�": r"\ud83d"}),
    ],
    ids=str,
)
def test_a_body_is_json_or_nothing(body: bytes, value: Any) -> None:
    assert decode(body) == value


@pytest.mark.parametrize("content_type", ["text/plain; charset=utf-8", "text/html", ""])
def test_the_right_body_under_a_wrong_type_is_read(content_type: str) -> None:
    assert decode(b'{"id": 1}', content_type) == {"id": 1}


@pytest.mark.parametrize(
    ("body", "content_type", "what"),
    [
        (b"<!DOCTYPE html><title>Busy</title>", "text/html", "a web page"),
        (b"  <html>", "application/json", "a web page"),
        (b"We are busy", "text/html; charset=utf-8", "a web page"),
        (b'{"id": 1, "first": "Jo', "application/json", "not JSON"),
        (b"[", "application/json", "not JSON"),
        (b"ok", "text/plain", "not JSON"),
        (b"\xff", "application/json", "not JSON"),
        (b"[" * 100_000, "application/json", "not JSON"),
        (b'["' * 100_000, "application/json", "not JSON"),
    ],
    ids=[
        "page",
        "page called JSON",
        "text called a page",
        "cut object",
        "cut list",
        "bare word",
        "not UTF-8",
        "deep and cut",
        "deep and cut in a string",
    ],
)
def test_what_is_not_json_is_a_bad_answer_that_says_what_came(body: bytes, content_type: str, what: str) -> None:
    with pytest.raises(BadAnswer, match=rf"answered 200 with .*{what} \(X-Request-Id r-1\)") as caught:
        decode(body, content_type)
    assert (caught.value.status, caught.value.request_id) == (200, "r-1")


@pytest.mark.parametrize(
    "answer",
    [
        [1, 2],
        {"contacts": [1, 2]},
        {"contacts": [1, 2], "errors": []},
        {"data": [1, 2]},
        {"items": [1, 2], "total": 2, "next": None},
    ],
    ids=str,
)
def test_a_list_comes_bare_or_wrapped(answer: Any) -> None:
    assert answers.rows(answer, "contacts") == [1, 2]


@pytest.mark.parametrize(
    "answer", [None, [], {}, {"contacts": []}, {"contacts": None}, {"contacts": None, "total": 0}], ids=str
)
def test_an_empty_list_may_be_null_or_left_out(answer: Any) -> None:
    assert answers.rows(answer, "contacts") == []


@pytest.mark.parametrize("answer", ["ok", 5, True, {"id": 5}, {"a": [1], "b": [2]}, {"error": None}], ids=str)
def test_what_holds_no_one_list_is_a_bad_answer(answer: Any) -> None:
    with pytest.raises(BadAnswer, match="not a list"):
        answers.rows(answer, "contacts")


JO = {"id": 5, "first": "Jo"}


@pytest.mark.parametrize("answer", [JO, {"contact": JO}, [JO], {"data": {"contact": JO}}, {"contacts": [JO]}], ids=str)
def test_one_contact_comes_bare_or_wrapped(answer: Any) -> None:
    found = answers.contact(answer)
    assert found is not None
    assert (found.id, found.first) == (5, "Jo")


@pytest.mark.parametrize("answer", [None, [], {}, "", {"contact": None}, {"contacts": []}], ids=str)
def test_a_contact_that_is_not_there_is_none(answer: Any) -> None:
    assert answers.contact(answer) is None


@pytest.mark.parametrize("answer", ["ok", 5, [JO, JO], {"first": "Jo"}, {"id": "five"}, {"id": True}], ids=str)
def test_what_is_no_one_contact_is_a_bad_answer(answer: Any) -> None:
    with pytest.raises(BadAnswer, match="Contact whose member"):
        answers.contact(answer)


def test_a_bad_answer_names_the_member_and_never_its_value() -> None:
    with pytest.raises(BadAnswer, match=r"^Heymarket answered with a Contact whose member \"id\" cannot be read$"):
        answers.contact({"id": "private"})


# --- one odd row, one odd member: the rest is read


ODD_ROWS = [None, {}, {"first": "Jo"}, {"id": "five", "first": "Jo"}, {"id": None}, "Jo", 5, [JO]]


@pytest.mark.parametrize("odd", ODD_ROWS, ids=str)
@pytest.mark.parametrize("model", [Contact, CustomField, Tag, Inbox])
def test_an_odd_row_is_set_apart_and_the_others_are_read(model: type[BaseModel], odd: Any) -> None:
    found = answers.many(model, {"rows": [{"id": 1}, odd, {"id": "2"}]})
    assert [row.id for row in found] == [1, 2]
    assert found.unread == (odd,)


@pytest.mark.parametrize("member", [name for name in Contact.model_fields if name != "id"])
@pytest.mark.parametrize(
    "odd", [["x"], {"a": 1}, [[[]]], {"31": ["x"]}, "x" * 5_000, 1.5], ids=lambda odd: str(odd)[:20]
)
def test_an_odd_member_costs_no_row(member: str, odd: Any) -> None:
    found = answers.many(Contact, [JO, JO | {"id": 6, member: odd}])
    assert [row.id for row in found] == [5, 6]
    assert found.unread == ()


def test_a_page_of_odd_rows_alone_is_a_page() -> None:
    found = answers.many(Contact, [{"first": "Jo"}, None])
    assert (list(found), len(found.unread)) == ([], 2)


@pytest.mark.parametrize("answer", [["ok"], [5, 6], [[JO]], "ok", {"id": 5}], ids=str)
def test_a_list_of_something_else_is_a_bad_answer(answer: Any) -> None:
    with pytest.raises(BadAnswer, match=r"not a list|a list of something other than a Contact"):
        answers.many(Contact, answer)


def _nested(depth: int) -> str:
    return '{"a":[' * depth + "1" + "]}" * depth


@pytest.mark.parametrize("depth", [10, 150, 450, 2_500, 50_000])
def test_a_member_may_be_nested_as_deep_as_it_likes(depth: int) -> None:
    body = f'[{{"id": 1, "note": {_nested(depth)}, "first": "a]}}[{{\\"b"}}, {{"id": 2, "email": {_nested(depth)}}}]'
    found = answers.many(Contact, decode(body.encode()))
    assert [(row.id, row.first) for row in found] == [(1, 'a]}[{"b'), (2, "")]
    assert len(found[0].model_dump_json()) < 200_000
    assert json.dumps(found[1].unread["email"])


def test_a_number_of_thousands_of_digits_costs_its_member() -> None:
    found = answers.many(Contact, decode(b'[{"id": 1, "rev": ' + b"9" * 5_000 + b'}, {"id": 2}]'))
    assert [(row.id, row.rev) for row in found] == [(1, 0), (2, 0)]
    assert found[0].unread["rev"].startswith("9" * 100)


def test_a_byte_that_is_not_utf_8_costs_one_character() -> None:
    found = answers.many(Contact, decode(b'[{"id": 1, "first": "Jos\xe9"}, {"id": 2, "first": "Zo\xc3\xab"}]'))
    assert [row.first for row in found] == ["Jos\ufffd", "Zoë"]
    assert [row.damaged for row in found] == [{"first"}, set()]


@pytest.mark.parametrize(
    ("body", "damaged"),
    [
        (b'"Jos\xe9"', True),
        (b'"Jo \\ud83d"', True),
        (b'"Jo \xed\xa0\xbd"', True),
        (b'"Jo \\ud83d\\ude00"', False),
        (b'"Jos\\ufffd"', False),
        (b'"Jos\xef\xbf\xbd"', False),
    ],
    ids=["latin-1", "half an emoji", "half an emoji in bytes", "an emoji", "U+FFFD escaped", "U+FFFD"],
)
def test_a_text_that_lost_a_part_is_told_from_one_that_is_stored_so(body: bytes, damaged: bool) -> None:
    (found,) = answers.many(Contact, decode(b'[{"id": 1, "last": ' + body + b"}]"))
    assert (found.damaged == {"last"}) is damaged
    found.model_dump_json().encode("utf-8")


def test_a_team_is_read_without_the_members_that_cannot_be() -> None:
    team = answers.parse(Team, {"id": 1, "members": [{"name": "Ana"}, None, {"id": 2001, "name": ["Sam"]}]})
    assert [(member.id, member.name) for member in team.members] == [(2001, "")]


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ({"id": 5, "rev": 2, "uuid": "u"}, (5, 2, "u")),
        ({"id": "5", "rev": None}, (5, None, "")),
        ({}, (None, None, "")),
        (None, (None, None, "")),
        ("ok", (None, None, "")),
        ([], (None, None, "")),
    ],
    ids=str,
)
def test_a_write_answers_ids_or_none(answer: Any, expected: tuple[Any, ...]) -> None:
    reply = answers.reply(answer)
    assert (reply.id, reply.rev, reply.uuid) == expected


@pytest.mark.parametrize(
    ("answer", "count"),
    [
        (17, 17),
        (0, 0),
        ("17", 17),
        ({"count": 17}, 17),
        ({"count": "17"}, 17),
        ({"data": {"count": 17}}, 17),
        ({"count": 17, "ok": True, "unit": "contacts"}, 17),
        ({"count": 17, "limit": 30}, None),
        ({"a": {"count": 1}, "b": {"count": 2}}, None),
        ({}, None),
        (-1, None),
        (True, None),
        (1.5, None),
        ("many", None),
        ("²", None),
        ("-1", None),
        ("", None),
        ("9" * 5000, None),
        ([17], None),
        (None, None),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_count_is_a_number_a_numeric_string_or_an_object_with_one(answer: Any, count: int | None) -> None:
    assert answers.number(answer) == count


def test_a_count_may_be_wrapped_as_deep_as_json_goes() -> None:
    value: Any = 17
    for _ in range(900):
        value = {"count": value}
    assert answers.number(value) == 17


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b'{"error": "bad_data", "message": "phone is required"}', "bad_data phone is required"),
        (b'{"error_code": "bad_data", "message": "phone is required"}', "bad_data phone is required"),
        (b'{"error": "phone is required"}', "phone is required"),
        (b'{"message": null, "detail": "no"}', "no"),
        (b'{"error": {"message": "no"}}', "{'message': 'no'}"),
        (b'"phone is required"', "phone is required"),
        (b"phone\n is\t\trequired\r\n", "phone is required"),
        (b"\xff", "�"),
        (b"\xef\xbb\xbfbad", "bad"),
        (b"<!DOCTYPE html><h1>Bad</h1>", ""),
        (b"\xef\xbb\xbf<html>", ""),
        (b'"<html>"', ""),
        (b"", ""),
        (b"  ", ""),
        (b"{}", ""),
        (b"[]", ""),
        (b"null", ""),
        (b"400", ""),
        (b"\x1b[31mred\x07", "�[31mred�"),
        ("a\u202eb\u200bc".encode(), "a�b�c"),
        (b'"' + b"x" * 300 + b'"', "x" * 200),
        (b"x" * 5000, "x" * 200),
        (b"[" * 4096, "[" * 200),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_an_error_body_is_quoted_cut_and_on_one_line(body: bytes, said: str) -> None:
    assert answers.message(body) == said


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text() | st.sampled_from(["id", "contacts", "count"]), inner, max_size=4)
    ),
    max_leaves=10,
)
MODELS = [Contact, CustomField, Inbox, Tag, Team, WriteReply]
members = sorted({name for model in MODELS for name in model.model_fields} - {"id"})
strange_objects = st.fixed_dictionaries({"id": st.integers()}, optional=dict.fromkeys(members, json_values))

READINGS: list[Callable[[Any], Any]] = [
    answers.contact,
    answers.reply,
    answers.number,
    lambda value: answers.rows(value, "contacts"),
    *(partial(answers.many, model) for model in (Contact, CustomField, Inbox, Tag)),
    *(partial(answers.parse, model) for model in MODELS),
]


@given(value=json_values | strange_objects)
def test_any_json_value_is_read_or_is_a_bad_answer(value: Any) -> None:
    decoded = decode(json.dumps(value).encode())
    for read in READINGS:
        with suppress(BadAnswer):
            read(decoded)


@given(body=st.binary(max_size=60) | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_read_or_are_a_bad_answer(body: bytes) -> None:
    said = answers.message(body)
    assert len(said) <= answers.QUOTED
    assert said.isprintable()
    with suppress(BadAnswer):
        decode(body)


@given(value=json_values)
def test_what_was_decoded_can_be_stored_and_sent_on(value: Any) -> None:
    """A lone surrogate could be neither, and one contact with a cut emoji would stop a whole page."""
    json.dumps(decode(json.dumps(value).encode()), ensure_ascii=False).encode("utf-8")
