"""The quick lane for phones of the North American plan: one pattern for the shape, one for the number.

It reads only numbers that the library calls valid, written in one of the usual ways. Every other text goes the long
way. The second pattern is made of the library's own metadata, so both ways read the same
(`tests/words/test_north_america.py`, `benchmarks/north_america.py`).
"""

from __future__ import annotations

import re
from functools import cache
from typing import NamedTuple

CODE = 1

_SHAPE = re.compile(
    r"(?P<plus>\+)?(?P<code>1)?(?(code)[ .-]?)(?:\((?P<area>[2-9]\d\d)\) ?|(?P<bare>[2-9]\d\d)[ .-]?)"
    r"(?P<exchange>[2-9]\d\d)[ .-]?(?P<line>\d{4})",
    re.ASCII,
)
_KINDS = (
    "fixed_line",
    "mobile",
    "toll_free",
    "premium_rate",
    "shared_cost",
    "personal_number",
    "voip",
    "pager",
    "uan",
    "voicemail",
)


class Quick(NamedTuple):
    """A valid number, and the region that was assumed for it, "" if its country was written."""

    digits: str
    assumed_region: str


def read(text: str, region: str) -> Quick | None:
    """The number of a text in one of the usual ways, None for a text that goes the long way."""
    match = _SHAPE.fullmatch(text)
    if match is None or (match["plus"] and not match["code"]):
        return None
    if not match["plus"] and region not in _regions():
        return None
    national = f"{match['area'] or match['bare']}{match['exchange']}{match['line']}"
    if not _valid().fullmatch(national):
        return None
    return Quick(f"{CODE}{national}", "" if match["code"] else region)


@cache
def _regions() -> frozenset[str]:
    from phonenumbers import COUNTRY_CODE_TO_REGION_CODE

    return frozenset(COUNTRY_CODE_TO_REGION_CODE[CODE])


@cache
def _valid() -> re.Pattern[str]:
    """Every national number that has a kind in some country of the plan."""
    from phonenumbers import PhoneMetadata

    patterns: dict[str, None] = {}
    for region in sorted(_regions(), key=lambda one: one != "US"):
        metadata = PhoneMetadata.metadata_for_region(region, None)
        kinds = [getattr(metadata, kind) for kind in _KINDS] if metadata else []
        patterns.update({kind.national_number_pattern: None for kind in kinds if kind and kind.national_number_pattern})
    return re.compile("|".join(f"(?:{pattern})" for pattern in patterns))
