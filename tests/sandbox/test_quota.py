from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest
from support import Clock

from contacts_mcp.sandbox import Behaviour, Sandbox


async def statuses(client: httpx.AsyncClient, times: int, **options: Any) -> list[int]:
    return [(await client.get("/v1/inboxes", **options)).status_code for _ in range(times)]


async def test_the_limit_is_counted_in_fixed_windows_of_a_minute(
    sandbox: Sandbox, client: httpx.AsyncClient, clock: Clock
) -> None:
    sandbox.behaviour = Behaviour(requests_per_minute=3)
    assert await statuses(client, 5) == [200, 200, 200, 429, 429]
    clock.now += 59
    assert await statuses(client, 1) == [429]
    clock.now += 1
    assert await statuses(client, 4) == [200, 200, 200, 429]


async def test_the_default_is_500_a_minute(client: httpx.AsyncClient) -> None:
    assert (await statuses(client, 501))[-2:] == [200, 429]


async def test_zero_is_no_limit(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.behaviour = Behaviour(requests_per_minute=0)
    assert set(await statuses(client, 501)) == {200}


async def test_who_is_not_let_in_uses_nothing_up(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.behaviour = Behaviour(requests_per_minute=1)
    assert await statuses(client, 2, headers={"Authorization": "Bearer wrong"}) == [401, 401]
    assert await statuses(client, 2) == [200, 429]


async def test_a_429_was_not_carried_out(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.behaviour = Behaviour(requests_per_minute=1)
    await statuses(client, 1)
    assert (await client.delete("/v1/contact/1001")).status_code == 429
    assert sandbox.store.contact(1001)


@pytest.mark.parametrize(("retry_after", "header"), [(None, None), (7, "7")])
async def test_retry_after_is_sent_where_the_behaviour_says_so(
    sandbox: Sandbox, client: httpx.AsyncClient, retry_after: int | None, header: str | None
) -> None:
    sandbox.behaviour = replace(Behaviour(), requests_per_minute=1, retry_after=retry_after)
    await statuses(client, 1)
    response = await client.get("/v1/inboxes")
    assert (response.headers.get("retry-after"), response.json()["error"]) == (header, "rate_limit_exceeded")
