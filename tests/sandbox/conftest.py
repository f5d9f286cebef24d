"""A small sandbox with a clock that stands still, and a client that is let in."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from support import Clock

from contacts_mcp.sandbox import Sandbox, open_sandbox


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[Sandbox]:
    with closing(open_sandbox(contacts=40, clock=clock)) as opened:
        yield opened


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    headers = {"Authorization": "Bearer sandbox-api-key"}
    async with httpx.AsyncClient(transport=sandbox.transport(), base_url="http://sandbox", headers=headers) as opened:
        yield opened


@pytest.fixture
def fill(sandbox: Sandbox) -> Callable[..., list[int]]:
    """Replaces the whole book by contacts with the `updated` given, and returns their ids."""

    def replace_all(updates: list[Any]) -> list[int]:
        for contact in sandbox.store.contacts():
            sandbox.store.delete(contact["id"])
        return [
            sandbox.store.add_contact(phone=f"1510555{number:04d}", updated=moment)
            for number, moment in enumerate(updates, 2000)
        ]

    return replace_all
