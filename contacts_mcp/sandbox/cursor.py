"""The order of lists and what lies beyond a cursor (heymarket-api.md, section 4.1), in the precision that clients are shown."""

from __future__ import annotations

from .records import Record
from .timestamps import Precision

_STEPS: dict[Precision, int] = {"seconds": 10**6, "micros": 1}


def rank(row: Record, *, precision: Precision) -> tuple[int, int]:
    """The sort key of a list: latest updated first, then highest id, when sorted in reverse."""
    return row["updated"] // _STEPS[precision], row["id"]


def is_beyond(row: Record, bound: int | None, *, inclusive: bool, precision: Precision) -> bool:
    """Whether `row` comes after a cursor of `bound` nanoseconds; None is the start of the list."""
    if bound is None:
        return True
    shown = int(row["updated"]) // _STEPS[precision] * _STEPS[precision] * 1000
    return shown <= bound if inclusive else shown < bound
