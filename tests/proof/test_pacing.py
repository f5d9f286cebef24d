"""An assistant is told of a long wait for the rate limit while it lasts. A wait that is too long is refused at once.

Guards `contacts_mcp/api/pace.py`.
"""

from __future__ import annotations

import pytest
from support import Backend, OpenStage, text_of


@pytest.fixture
def anyio_backend(hurried: Backend) -> Backend:
    return hurried


@pytest.fixture(params=["auto", "legacy"])
def mode(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_long_wait_is_told_as_progress(open_stage: OpenStage, mode: str) -> None:
    told: list[str | None] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append(message)

    async with open_stage(mode=mode, requests_per_minute=4, call_timeout=100) as stage:
        await stage.ok("lookup_contact", contact_id=stage.ADA)  # the contact, its fields, its tags, the team
        assert told == []
        result = await stage.client.call_tool("lookup_contact", {"contact_id": stage.BEN}, progress_callback=hear)
        assert not result.is_error
    assert told
    assert all(message and "rate limit is used up; going on in" in message for message in told)


async def test_a_wait_beyond_the_calls_deadline_is_refused_at_once_and_sends_nothing(
    open_stage: OpenStage, mode: str
) -> None:
    async with open_stage(mode=mode, requests_per_minute=4, call_timeout=20) as stage:
        await stage.ok("lookup_contact", contact_id=stage.ADA)
        sent = stage.wire.sent
        text = text_of(await stage.call("update_contact", contact_id=stage.BEN, first="Benno"))
        assert "rate limit is used up, by this or by others that use the account; this was not sent" in text
        assert stage.wire.sent == sent
