"""A number that a program sends is written as a person would write it, or refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts_mcp.words.numbers import number_text

WRITTEN = {
    "int": (94110, "94110"),
    "whole-float": (94110.0, "94110"),
    "phone": (6145550123.0, "6145550123"),
    "zero": (0.0, "0"),
    "minus-zero": (-0.0, "0"),
    "negative": (-5.0, "-5"),
    "fraction": (1.5, "1.5"),
    "negative-fraction": (-0.25, "-0.25"),
    "noise-above": (0.1 + 0.2, "0.3"),
    "noise-below": (0.7 * 3, "2.1"),
    "third": (1 / 3, "0.3333333333333333"),
    "sixteen-digits": (0.1234567890123456, "0.1234567890123456"),
    "money": (1234567.89, "1234567.89"),
    "exponent": (1e21, "1000000000000000000000"),
    "exponent-of-python": (1e16, "10000000000000000"),
    "small": (1e-7, "0.0000001"),
    "largest-exact": (float(2**53 - 1), "9007199254740991"),
    "sixteen-digits-whole": (1_000_000_000_000_001.0, "1000000000000001"),
    "big-int": (10**30 + 1, "1" + "0" * 29 + "1"),
}
REFUSED = {
    "nan": float("nan"),
    "infinity": float("inf"),
    "minus-infinity": float("-inf"),
    "digits-lost": 12345678901234567890.0,
    "too-large": 1e300,
    "too-small": 1e-300,
}


@pytest.mark.parametrize(("value", "text"), WRITTEN.values(), ids=WRITTEN.keys())
def test_a_number_is_written_as_a_person_would(value: float, text: str) -> None:
    assert number_text(value) == text


@pytest.mark.parametrize("value", REFUSED.values(), ids=REFUSED.keys())
def test_a_number_that_nobody_writes_is_refused(value: float) -> None:
    with pytest.raises(ValueError, match=r"not a number|as text"):
        number_text(value)


@given(st.integers(-(2**53) + 1, 2**53 - 1))
def test_a_whole_float_is_written_as_its_int(value: int) -> None:
    assert number_text(float(value)) == number_text(value) == str(value)


@given(st.integers(-(10**12), 10**12), st.integers(0, 6))
def test_a_number_with_few_digits_is_written_with_those_digits(digits: int, places: int) -> None:
    value = json.loads(f"{digits}e-{places}")
    assert float(number_text(value)) == value
    assert "e" not in number_text(value)


@given(st.floats())
def test_any_float_is_written_close_to_itself_or_refused(value: float) -> None:
    try:
        text = number_text(value)
    except ValueError:
        return
    assert float(text) == pytest.approx(value, rel=1e-14)
    assert len(text) <= 40
    assert not text.endswith((".", ".0"))
