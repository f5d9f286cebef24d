"""RFC 3339 text <-> whole numbers, both ways.

Inside the sandbox an instant is a whole number of microseconds since 1970-01-01T00:00:00Z.
A cursor is read in nanoseconds, because a client may send nine fractional digits.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal

Precision = Literal["seconds", "micros"]
Offset = Literal["Z", "+00:00", "-05:00"]
Timestamp = str | int | float | datetime

# It means the same in Python and in JavaScript, where JSON Schema has its patterns from.
RFC3339 = (
    r"^(?!0000)([0-9]{4})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])"
    r"[Tt]([01][0-9]|2[0-3]):([0-5][0-9]):([0-5][0-9])(?:\.([0-9]{1,9}))?"
    r"(?:[Zz]|([+-])([01][0-9]|2[0-3]):([0-5][0-9]))(?!\n)$"
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ZONES: dict[Offset, timezone] = {"Z": UTC, "+00:00": UTC, "-05:00": timezone(timedelta(hours=-5))}
_DIGITS: dict[Precision, str] = {"seconds": "seconds", "micros": "microseconds"}


def nanoseconds(text: str) -> int:
    """The instant of an RFC 3339 text. Raises ValueError for anything else."""
    match = re.match(RFC3339, text)
    if match is None:
        raise ValueError("not an RFC 3339 timestamp")
    *calendar, fraction, sign, hours, minutes = match.groups()
    local = datetime(*map(int, calendar), tzinfo=UTC)  # type: ignore[misc,arg-type]  # six, by the pattern
    ahead = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    # In this order: a time near the year 1 minus its offset is no datetime.
    return ((local - _EPOCH) - ahead) // timedelta(seconds=1) * 10**9 + int((fraction or "").ljust(9, "0"))


def microseconds(moment: Timestamp) -> int:
    """The instant of an RFC 3339 text, a datetime with a zone, or unix seconds as the clock gives them."""
    if isinstance(moment, str):
        return nanoseconds(moment) // 1000
    if isinstance(moment, datetime):
        return (moment - _EPOCH) // timedelta(microseconds=1)
    return round(moment * 10**6)


def text(instant: int, *, precision: Precision = "seconds", offset: Offset = "Z") -> str:
    """`instant` (microseconds) as RFC 3339. Fractions of a second are cut, not rounded."""
    local = (_EPOCH + timedelta(microseconds=instant)).astimezone(_ZONES[offset])
    written = local.isoformat(timespec=_DIGITS[precision])
    return written[:-6] + "Z" if offset == "Z" else written


def plain_text(instant: int) -> str:
    """`instant` with `Z`. A fraction is shown only if there is one."""
    return text(instant, precision="micros" if instant % 10**6 else "seconds")
