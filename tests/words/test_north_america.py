"""The quick lane reads the same as the long way, and only what it is certain of."""

from __future__ import annotations

import dataclasses
from typing import Any

import north_america as benchmark
import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts_mcp.errors import InvalidPhone
from contacts_mcp.words import north_america
from contacts_mcp.words.phones import parse_phone

FORMS = (
    "{0}{1}{2}",
    "({0}) {1}-{2}",
    "({0}){1}-{2}",
    "{0}-{1}-{2}",
    "{0}.{1}.{2}",
    "{0} {1} {2}",
    "1{0}{1}{2}",
    "1-{0}-{1}-{2}",
    "1 ({0}) {1}-{2}",
    "+1{0}{1}{2}",
    "+1 {0} {1} {2}",
    "+1 ({0}) {1}-{2}",
    "+1-{0}-{1}-{2}",
    "+{0}{1}{2}",
    "{0} {1}{2}",
)
NUMBERS = (
    ("510", "555", "0101"),
    ("212", "555", "0193"),
    ("416", "555", "0123"),
    ("876", "555", "0123"),
    ("800", "555", "0199"),
    ("207", "946", "0143"),
    ("999", "555", "0101"),
    ("242", "322", "0123"),
)


def told(text: str, region: str) -> Any:
    """Everything about the phone, or the reason of the refusal."""
    try:
        return dataclasses.astuple(parse_phone(text, region=region))
    except InvalidPhone as invalid:
        return invalid.reason


def on_the_long_way(text: str, region: str) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(north_america, "read", lambda text, region: None)
        return told(text, region)


def test_the_lane_and_the_library_agree_on_areas_and_exchanges() -> None:
    """Every 97th pair. `benchmarks/north_america.py` holds all 640,000 against each other."""
    assert benchmark.disagreements(step=97) == []


@pytest.mark.parametrize("region", ["US", "CA", "JM", "GB", "DE", "JP", "XX"])
@pytest.mark.parametrize("form", FORMS)
def test_every_form_reads_as_on_the_long_way(form: str, region: str) -> None:
    texts = [form.format(*parts) for parts in NUMBERS]
    assert [told(text, region) for text in texts] == [on_the_long_way(text, region) for text in texts]


@given(st.text(alphabet="+1 2570.-()\u00a0٥x", min_size=9, max_size=16), st.sampled_from(["US", "CA", "GB"]))
def test_any_text_reads_as_on_the_long_way(text: str, region: str) -> None:
    assert told(text, region) == on_the_long_way(text, region)


@pytest.mark.parametrize("text", ["(510) 555-0101", "5105550101", "1-510-555-0101", "+1 510 555 0101"])
def test_the_usual_ways_take_the_lane(text: str) -> None:
    assert north_america.read(text, "US") is not None
