"""PostgreSQL's clock as a server with any clock of its own reads it."""

from __future__ import annotations

import time

import pytest

from contacts_mcp.state.journal import IN_FLIGHT, Entry
from contacts_mcp.state.postgres.clock import DatabaseClock
from contacts_mcp.state.postgres.database import SharedDatabase
from contacts_mcp.state.postgres.journal import PostgresJournal

UPDATE = Entry(action="update", contact_id=7, before={"first": "Jo"}, wanted={"first": "Joe"})


class Ticks:
    """The time that a machine has been running, moved by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_time_lies_between_what_the_travel_of_an_answer_allows() -> None:
    ticks = Ticks()
    clock = DatabaseClock(ticks)
    clock.seen(5_000.0, asked=100.0, answered=100.4)
    ticks.now = 110.4
    assert (clock.earliest, clock.latest) == pytest.approx((5_010.0, 5_010.4))


def test_a_quicker_answer_is_kept_for_a_while_and_a_newer_one_counts_then() -> None:
    ticks = Ticks()
    clock = DatabaseClock(ticks)
    clock.seen(5_000.0, asked=100.0, answered=100.1)
    clock.seen(5_005.0, asked=104.0, answered=106.0)
    ticks.now = 106.0
    assert (clock.earliest, clock.latest) == pytest.approx((5_005.9, 5_006.0))
    clock.seen(6_000.0, asked=119.0, answered=120.0)  # the clock was set, or another server took over
    ticks.now = 120.0
    assert (clock.earliest, clock.latest) == pytest.approx((6_000.0, 6_001.0))


async def test_a_server_whose_own_clock_is_a_month_off_ages_entries_like_the_others(
    db: SharedDatabase, postgres: str, account: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = await PostgresJournal(db, account).begin(UPDATE)
    right = time.time
    monkeypatch.setattr(time, "time", lambda: right() + 30 * 86_400)
    other = SharedDatabase(postgres)
    theirs = PostgresJournal(other, account)
    assert await theirs.arriving(7) == [begun]
    assert IN_FLIGHT - 5 < theirs.seconds_left(begun) <= IN_FLIGHT
    late = await theirs.begin(UPDATE)
    assert 0 <= late.at - begun.at < 5
    assert theirs.given_up(late).uptime == pytest.approx(late.at, abs=1)
    assert other.clock.off == pytest.approx(30 * 86_400, abs=2)
    await other.aclose()
