"""Three hundred random calls, twenty at once, while a fifth of the requests fail:
every answer is true, and nothing happens unasked.

`benchmarks/soak.py` makes 10,000. Guards the whole chain, `contacts_mcp/book/` first.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from typing import Any

import pytest
import soak
from support import Backend

from contacts_mcp.api.client import HeymarketClient
from contacts_mcp.server.tools import TOOLS
from contacts_mcp.state.journal import Entry, Journal
from contacts_mcp.state.locks import Locks


@pytest.fixture
def anyio_backend(hurried: Backend) -> Backend:
    return hurried


async def test_no_answer_is_false_and_nothing_happens_unasked() -> None:
    figures = await soak.run(300, seed=7)
    assert figures.wrong == []
    assert figures.calls.total() == 300
    assert figures.calls.keys() == {tool.name for tool in TOOLS} - {"merge_contacts"}  # `test_merges` strikes merges
    assert 0.1 < figures.struck.total() / figures.requests < 0.3
    assert figures.writes > 60
    assert figures.entries["done"] > 60
    assert figures.entries["begun"] == 0


async def test_a_write_that_is_made_twice_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The soak is worth nothing if it overlooks what it is for."""
    create = HeymarketClient.create_contact

    async def careless(self: HeymarketClient, body: dict[str, Any], **options: Any) -> Any:
        reply = await create(self, body, **options)
        await self.update_contact(reply.id, body)
        return reply

    monkeypatch.setattr(HeymarketClient, "create_contact", careless)
    figures = await soak.run(30, seed=7)
    assert any("nobody asked for" in wrong for wrong in figures.wrong)


async def nothing_arrives(*_: object) -> list[Entry]:
    return []


async def test_servers_that_do_not_wait_for_one_another_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Locks, "_hold", lambda *_: nullcontext())
    monkeypatch.setattr(Journal, "arriving", nothing_arrives)  # which would make up for much of what locks prevent
    assert (await soak.run(300, seed=4)).wrong


async def test_a_batch_that_is_sent_twice_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    create = HeymarketClient.write_contacts

    async def careless(self: HeymarketClient, bodies: Sequence[dict[str, Any]], **options: Any) -> None:
        await create(self, bodies, **options)
        for body in bodies:
            await self.create_contact(body)

    monkeypatch.setattr(HeymarketClient, "write_contacts", careless)
    figures = await soak.run(100, seed=7)
    assert any("have one phone" in wrong for wrong in figures.wrong)
