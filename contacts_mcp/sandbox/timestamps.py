"""RFC 3339 text <-> whole numbers, both ways.

Inside the sandbox an instant is a whole number of microseconds since 1970-01-01T00:00:00Z.
A cursor is read in nanoseconds, because a client may send nine fractional digits and two of them may be one microsecond apart or less.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from typing import Literal

Precision = Literal["seconds", "micros"]
Offset = Literal["Z", "+00:00", "-05:00"]
Timestamp = str | int | float | datetime

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:([Zz])|([+-])(\d\d):(\d\d))",
    re.ASCII,
)
_ZONES: dict[Offset, timezone] = {"Z": UTC, "+00:00": UTC, "-05:00": timezone(timedelta(hours=-5))}
_DIGITS: dict[Precision, str] = {"seconds": "seconds", "micros": "microseconds"}


def nanoseconds(text: str) -> int:
    """The instant of an RFC 3339 text. Raises ValueError for anything else."""
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError("not an RFC 3339 timestamp")
    *calendar, fraction, _, sign, hours, minutes = match.groups()
    local = datetime(*map(int, calendar), tzinfo=UTC)  # type: ignore[misc,arg-type]
    ahead = timedelta(hours=int(hours or 0), minutes=int(minutes or 0)) * (-1 if sign == "-" else 1)
    return (local - ahead - _EPOCH) // timedelta(seconds=1) * 10**9 + int((fraction or "").ljust(9, "0"))


def microseconds(moment: Timestamp) -> int:
    """The instant of an RFC 3339 text, a datetime with a zone, or unix seconds as the clock gives them."""
    if isinstance(moment, str):
        return nanoseconds(moment) // 1000
    if isinstance(moment, datetime):
        return (moment - _EPOCH) // timedelta(microseconds=1)
    return round(moment * 10**6)


def text(instant: int, *, precision: Precision = "seconds", offset: Offset = "Z") -> str:
    """`instant` (microseconds) as RFC 3339; seconds are cut, not rounded."""
    local = (_EPOCH + timedelta(microseconds=instant)).astimezone(_ZONES[offset])
    written = local.isoformat(timespec=_DIGITS[precision])
    return written[:-6] + "Z" if offset == "Z" else written


def plain_text(instant: int) -> str:
    """`instant` with `Z`, showing a fraction only where there is one."""
    return text(instant, precision="micros" if instant % 10**6 else "seconds")
