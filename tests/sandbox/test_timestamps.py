from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contacts_mcp.sandbox.rows.timestamps import microseconds, nanoseconds, plain_text, text

SECOND = 10**9


@pytest.mark.parametrize(
    ("written", "instant"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:01z", SECOND),
        ("1970-01-01T00:00:00.5Z", SECOND // 2),
        ("1970-01-01T00:00:00.000000001Z", 1),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T19:00:00-05:00", 0),
        ("1969-12-31T23:59:59.25Z", -SECOND * 3 // 4),
        ("1970-01-01T05:30:00.123+05:30", 123_000_000),
        ("0001-01-01T00:00:00+23:00", -(719_162 * 24 + 23) * 3600 * SECOND),
    ],
)
def test_every_way_to_write_an_instant_is_read(written: str, instant: int) -> None:
    assert nanoseconds(written) == instant


@pytest.mark.parametrize(
    "written",
    [
        "",
        "yesterday",
        "2026-01-01",
        "2026-01-01 00:00:00Z",
        "2026-01-01T00:00:00",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00.1234567890Z",
        "0000-01-01T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-02-30T00:00:00Z",
        "2026-01-01T00:00:60Z",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00Z\n",
        "٢٠٢٦-01-01T00:00:00Z",
        "2026-01-01T25:00:00Z",
        "2026-01-01T00:00:00+1:00",
        "1767225600",
    ],
)
def test_anything_else_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        nanoseconds(written)


@given(
    moment=st.datetimes(datetime(1970, 1, 1), datetime(2200, 1, 1)),  # noqa: DTZ001 - so hypothesis wants it
    offset=st.sampled_from(["Z", "+00:00", "-05:00"]),
)
def test_what_is_written_in_microseconds_reads_back_the_same(moment: datetime, offset: str) -> None:
    instant = microseconds(moment.replace(tzinfo=UTC))
    assert microseconds(text(instant, precision="micros", offset=offset)) == instant
    assert microseconds(plain_text(instant)) == instant


def test_seconds_are_cut_not_rounded() -> None:
    assert text(1_999_999) == "1970-01-01T00:00:01Z"


def test_a_time_is_given_as_text_datetime_or_unix_seconds() -> None:
    same = [
        "2027-01-15T08:00:00Z",
        datetime(2027, 1, 15, 10, tzinfo=timezone(timedelta(hours=2))),
        1_800_000_000,
        1_800_000_000.0,
    ]
    assert {microseconds(moment) for moment in same} == {1_800_000_000 * 10**6}
