"""Days and moments in the time zone of the account.

A zone is a `tzinfo`, or None for the zone of this machine.
"""

from __future__ import annotations

from datetime import UTC, datetime, tzinfo


def first_moment(text: str, zone: tzinfo | None) -> datetime | None:
    """The moment that `text` names, in UTC: an RFC 3339 moment, or the first one of a day such as `2026-11-01`.

    A day, or a time without an offset, is meant in `zone`. None for text that names no moment.
    """
    try:
        moment = datetime.fromisoformat(text.strip().upper())
        local = moment if moment.tzinfo or zone is None else moment.replace(tzinfo=zone)
        return local.astimezone(UTC)
    except (ValueError, OverflowError, OSError):  # OSError: Windows knows its own zone from 1970 on only
        return None


def local(moment: datetime | None, zone: tzinfo | None) -> str:
    """`moment` in `zone` as RFC 3339, so that its first ten characters are the day there. Empty for None."""
    return moment.astimezone(zone).isoformat().replace("+00:00", "Z") if moment else ""


def day_of(moment: datetime, zone: tzinfo | None) -> str:
    """The day in `zone` that `moment` falls on, such as `2026-11-01`."""
    return f"{moment.astimezone(zone):%Y-%m-%d}"


def name_of(zone: tzinfo | None) -> str:
    """The name of `zone`: the IANA name, or the name that this machine gives its own zone."""
    return str(zone) if zone is not None else datetime.now(UTC).astimezone().tzname() or "local time"
