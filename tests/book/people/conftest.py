"""A book of three people: Jordan, Sam who is opted out, and a third."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from support import Clock, OpenSession, Session

from contacts_mcp.book.book import Book


@pytest.fixture
async def session(open_session: OpenSession) -> AsyncIterator[Session]:
    async with open_session(contacts=3, clock=Clock()) as opened:
        yield opened


@pytest.fixture
async def book(session: Session) -> Book:
    return await session.workspace.book()
