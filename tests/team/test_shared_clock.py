"""The readiness of a server by the clock of the database that it shares."""

from __future__ import annotations

import pytest

from contacts_mcp.config import Settings
from contacts_mcp.shared import MOST_OFF, Shared


@pytest.mark.parametrize(("off", "is_ready"), [(0, True), (MOST_OFF - 1, True), (MOST_OFF + 1, False), (-60, False)])
async def test_a_server_whose_clock_is_far_off_is_not_ready(
    postgres: str, monkeypatch: pytest.MonkeyPatch, off: float, *, is_ready: bool
) -> None:
    async with Shared(Settings.load(database_url=postgres)) as shared:
        assert shared.database is not None
        assert await shared.checks["postgresql"]()
        now = shared.database.clock.earliest
        monkeypatch.setattr("contacts_mcp.state.postgres.clock.time.time", lambda: now + off)
        assert await shared.checks["clock"]() is is_ready
