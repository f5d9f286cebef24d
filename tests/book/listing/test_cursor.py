"""A cursor is read only as it was written. Every other text gets one clear error."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from contacts_mcp.book.listing.cursor import fingerprint, opened
from contacts_mcp.book.listing.filters import Filters
from contacts_mcp.errors import InvalidArgument
from contacts_mcp.models import Contact

NO_FILTERS = Filters()


def packed(value: Any) -> str:
    text = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(zlib.compress(text)).decode().rstrip("=")


SOUND: dict[str, Any] = {
    "version": 3,
    "filters": fingerprint(NO_FILTERS),
    "position": {"walk": {"ask": {"date": "2026-05-01T00:00:00Z"}, "last": "2026-05-01T00:00:00Z"}},
}
WRONG_INSIDE: list[tuple[list[str], Any]] = [
    (["version"], "3"),
    (["version"], 2),
    (["filters"], 7),
    (["position"], []),
    (["position", "seen"], -1),
    (["position", "seen"], "5"),
    (["position", "walk"], None),
    (["position", "walk", "ask"], None),
    (["position", "walk", "ask"], {"date": 7}),
    (["position", "walk", "ask"], {"date": "soon"}),
    (["position", "walk", "ask"], {"date": {"$gt": ""}}),
    (["position", "walk", "ask"], {"date": "0001-01-01T00:00:00+14:00"}),
    (["position", "walk", "ask"], {"kind": "delete"}),
    (["position", "walk", "ask"], {"page": 0}),
    (["position", "walk", "ask"], {"page": 10**30}),
    (["position", "walk", "ask"], {"page": "2"}),
    (["position", "walk", "ask"], {"done": 1}),
    (["position", "walk", "skip"], "12"),
    (["position", "walk", "skip"], [["1"]]),
    (["position", "walk", "skip"], [1.5]),
    (["position", "walk", "last"], 5),
    (["position", "walk", "last"], "later"),
    (["position", "walk", "settled"], "sooner"),
    (["position", "walk", "mark"], {"head": "2026-05-01T00:00:00Z", "floor": "x"}),
    (["position", "walk", "until"], {"head": "", "floor": "2026-05-01T00:00:00Z"}),
    (["position", "walk", "start"], {"date": ""}),
    (["position", "watch"], {"head": 5}),
    (["position", "watch"], {"head": "", "count": -1}),
    (["position", "walk", "futile"], ["everything"]),
    (["position", "walk", "doubts"], ["no"]),
    (["position", "walk", "size"], []),
]


@pytest.mark.parametrize(("path", "value"), WRONG_INSIDE, ids=str)
def test_a_cursor_with_something_wrong_inside_is_refused(path: list[str], value: Any) -> None:
    forged = json.loads(json.dumps(SOUND))
    place = forged
    for name in path[:-1]:
        place = place[name]
    place[path[-1]] = value
    with pytest.raises(InvalidArgument, match="is not one that list_contacts gave"):
        opened(packed(forged), NO_FILTERS)


GARBLED = [
    "x",
    "====",
    "é",
    "a" * 200_000,
    packed(b""),
    packed(b"null"),
    packed(b"[1,2"),
    packed(b"\xff"),
    packed([1] * 5),
    packed(b"[" * 90_000),
    packed({}),
]


@pytest.mark.parametrize("cursor", GARBLED, ids=lambda cursor: cursor[:20])
def test_a_garbled_cursor_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidArgument, match="cursor: is not one that list_contacts gave"):
        opened(cursor, NO_FILTERS)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(),
    lambda inner: st.lists(inner, max_size=4),
    max_leaves=6,
)
MEMBERS = ["ask", "start", "settled", "skip", "last", "mark", "until", "size", "doubts", "asked", "lap", "futile"]
WALKS = st.fixed_dictionaries({}, optional=dict.fromkeys(MEMBERS, JSON))


def test_a_cursor_that_is_sound_is_taken() -> None:
    """Or the tests above would prove nothing."""
    assert opened(packed(SOUND), NO_FILTERS).walk.last == "2026-05-01T00:00:00Z"


@given(st.text() | st.binary().map(packed) | JSON.map(packed))
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_no_cursor_is_refused_whatever_it_is(cursor: str) -> None:
    with pytest.raises(InvalidArgument):
        opened(cursor, NO_FILTERS)


@given(WALKS)
@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow])
def test_a_forged_cursor_is_refused_or_can_be_walked_from(walk: dict[str, Any]) -> None:
    try:
        start = opened(packed(SOUND | {"position": {"walk": walk}}), NO_FILTERS).walk
    except InvalidArgument:
        return
    row = Contact(id=1, updated="2026-05-01T00:00:00Z")
    assert start.after([row]).after([]) is not None


@given(st.data())
@settings(deadline=None, max_examples=60)
def test_a_cursor_with_one_letter_changed_is_refused(data: st.DataObject) -> None:
    cursor = packed(SOUND)
    at = data.draw(st.integers(4, len(cursor) - 8))
    letter = data.draw(st.sampled_from("AZaz09-_").filter(lambda one: one != cursor[at]))
    with pytest.raises(InvalidArgument):
        opened(cursor[:at] + letter + cursor[at + 1 :], NO_FILTERS)
