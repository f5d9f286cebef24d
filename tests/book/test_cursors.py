"""A cursor gives back the bytes that it was made of. No other text gives any, and none takes much memory."""

from __future__ import annotations

import base64
import tracemalloc
import zlib
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts_mcp.book.cursors import LONGEST, packed, unpacked
from contacts_mcp.book.listing.cursor import opened as position_in_list
from contacts_mcp.book.listing.filters import Filters
from contacts_mcp.book.search.doubles import _opened as place_of_doubles
from contacts_mcp.book.search.question import Position, Question, sealed
from contacts_mcp.book.search.question import opened as position_in_search
from contacts_mcp.errors import InvalidArgument

READERS: dict[str, Callable[[str], Any]] = {
    "list_contacts": lambda cursor: position_in_list(cursor, Filters()),
    "search_contacts": lambda cursor: position_in_search(Question(cursor=cursor), 0),
    "find_duplicates": lambda cursor: place_of_doubles(cursor, "sure"),
}
QUESTION = Question(query="lee")


def in_search(**members: Any) -> str:
    """A cursor of the question, with other contents."""
    return sealed(Position(**members), QUESTION, 0)


@given(st.binary(max_size=2_000))
def test_a_cursor_holds_what_it_was_made_of(held: bytes) -> None:
    cursor = packed(held)
    assert unpacked(cursor) == held
    assert cursor.isascii()
    assert not {*cursor} & {*"+/=&?# "}, "it would not go through a URL"


@given(st.binary(min_size=1, max_size=200), st.integers(min_value=1))
def test_a_cursor_that_was_cut_off_is_none(held: bytes, cut: int) -> None:
    cursor = packed(held)
    with pytest.raises(ValueError):  # noqa: PT011 -- of base64, zlib or ours
        unpacked(cursor[: -min(2 + cut % len(cursor), len(cursor))])


def test_a_cursor_is_never_unpacked_beyond_what_a_sound_one_holds() -> None:
    bomb = base64.urlsafe_b64encode(zlib.compress(bytes(50_000_000), 9)).decode()
    assert len(bomb) < LONGEST
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="too long"):
            unpacked(bomb)
        assert tracemalloc.get_traced_memory()[1] < 10 * LONGEST
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("tool", READERS)
@pytest.mark.parametrize(
    "held",
    [
        b"",
        b"null",
        b"[1,2",
        b"\xff",
        b"{}",
        b"[" * 90_000,
        b'["sure",[1e999,[1]]]',
        b'["sure",[NaN,[1]]]',
        b'["sure",[1.5,[-1]]]',
        b'["sure",[1.5,["1"]]]',
        b'["sure",[1.5,[1180591620717411303424]]]',
        b'["sure",[1.5]]',
        b'[1,"",0,{"last":1}]',
    ],
    ids=lambda held: held[:40].decode("latin-1"),
)
def test_a_forged_cursor_is_one_clear_error(tool: str, held: bytes) -> None:
    with pytest.raises(InvalidArgument, match="cursor"):
        READERS[tool](packed(held))


@pytest.mark.parametrize("tool", READERS)
@given(st.text())
def test_a_text_that_is_no_cursor_is_one_clear_error(tool: str, text: str) -> None:
    if not text and tool == "search_contacts":
        return  # it stands for the first page
    with pytest.raises(InvalidArgument, match="cursor"):
        READERS[tool](text)


@pytest.mark.parametrize("member", ["below", "moment", "last", "shown"])
@pytest.mark.parametrize("value", [-1, 2**63, 1.5, "1", [1]])
@pytest.mark.filterwarnings("ignore:Pydantic serializer warnings")  # of what is wrong here on purpose
def test_a_cursor_of_a_search_with_a_number_that_is_none_is_refused(member: str, value: Any) -> None:
    with pytest.raises(InvalidArgument, match="is not a cursor of this tool"):
        position_in_search(Question(query="lee", cursor=in_search(**{member: value})), 0)


def test_a_cursor_of_a_search_that_is_sound_is_taken() -> None:
    """Or the tests above would prove nothing."""
    cursor = in_search(below=7, shown=2)
    assert position_in_search(Question(query="lee", cursor=cursor), 0) == Position(below=7, shown=2)
