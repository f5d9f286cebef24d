"""The table of texts that is too large for memory."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contacts_mcp.state import scratch as module
from contacts_mcp.state.scratch import Scratch


@pytest.fixture
def scratch() -> Iterator[Scratch]:
    with closing(Scratch()) as opened:
        yield opened


def test_the_first_text_of_a_key_is_kept(scratch: Scratch) -> None:
    assert [scratch.keep("a", text) for text in ("first", "second")] == [None, "first"]
    assert scratch.get("a") == "first"
    assert scratch.get("b") is None


def test_a_text_can_be_replaced(scratch: Scratch) -> None:
    scratch.keep("a", "first")
    scratch.put("a", "second")
    scratch.put("b", "third")
    assert (scratch.get("a"), scratch.keep("b", "fourth")) == ("second", "third")


@settings(deadline=None)  # a busy machine takes long to make a file
@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["keep", "put", "get"]), st.text("xyz"))))
def test_it_is_as_a_table_in_memory(steps: list[tuple[str, str, str]]) -> None:
    """Also where all keys have one mark, and where texts go into the file one by one."""
    for marks, at_once in ((1, 2), (1 << 22, 1_000)):
        with pytest.MonkeyPatch.context() as patch, closing(_opened(patch, marks, at_once)) as scratch:
            table: dict[str, str] = {}
            for key, way, text in steps:
                if way == "put":
                    scratch.put(key, text)
                    table[key] = text
                elif way == "keep":
                    assert scratch.keep(key, text) == table.get(key)
                    table.setdefault(key, text)
                else:
                    assert scratch.get(key) == table.get(key)


def _opened(patch: pytest.MonkeyPatch, marks: int, at_once: int) -> Scratch:
    patch.setattr(module, "_MARKS", marks)
    patch.setattr(module, "_AT_ONCE", at_once)
    return Scratch()
