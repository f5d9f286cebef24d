"""Dates such as 03/04/2027, read by the other dates of their column: if 25/04/2027 stands there, the day comes first.

A column that shows no order, or both, keeps its texts. The rule of single dates refuses the unclear ones then.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

DayOrder = Literal["day first", "month first"]

_LAST_MONTH = 12
_DATE = re.compile(r"(\d{1,2})([-/. ])(\d{1,2})\2(\d{4})(?!\d)(?P<rest>.*)")


class Shown(NamedTuple):
    """The order of a column, and a text that shows it."""

    order: DayOrder
    text: str


def day_order(texts: Iterable[str]) -> Shown | None:
    """The order that the dates of a column show, None for no order or both."""
    shown: dict[DayOrder, str] = {}
    for text in texts:
        if match := _DATE.fullmatch(text.strip()):
            if int(match[1]) > _LAST_MONTH:
                shown.setdefault("day first", text)
            if int(match[3]) > _LAST_MONTH:
                shown.setdefault("month first", text)
    return Shown(*next(iter(shown.items()))) if len(shown) == 1 else None


def in_iso(text: str, order: DayOrder) -> str:
    """The date as YYYY-MM-DD, with the time behind it as it is. Any other text as it is."""
    match = _DATE.fullmatch(text.strip())
    if not match:
        return text
    day, month = (match[1], match[3]) if order == "day first" else (match[3], match[1])
    return f"{match[4]}-{int(month):02}-{int(day):02}{match['rest']}"
