"""Filling the mirror of a large account: `python benchmarks/mirror.py [contacts]`.

The service is a list in this process that costs next to nothing. So the figures are those of the mirror.
They are CPU seconds, the added memory, the size of the file, and the cost of a refresh of the unchanged account.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import anyio

from contacts_mcp.api.answers import Rows
from contacts_mcp.api.client import PAGE, HeymarketClient
from contacts_mcp.book.search.mirror import Mirror
from contacts_mcp.models import Contact, instant
from contacts_mcp.state.journal import Journal

CONTACTS = 20_000
NEWEST = datetime(2026, 11, 1, tzinfo=UTC)
FIRST = ("Jordan", "Amina", "Bob", "Zoë", "Wei", "Priya", "Lars", "Fatima", "Kofi", "Ines", "Marek")
LAST = ("Rivera", "Okafor", "Müller", "Nguyen", "Patel", "O'Brien", "Kowalski", "Silva", "Yilmaz", "Haddad")


class Account:
    """The list of an account that nobody changes: one contact a second, newest first."""

    def __init__(self, contacts: int) -> None:
        self._contacts = contacts
        self.requests = 0

    async def list_contacts(self, *, date: str | None = None, limit: int | None = None, page: int | None = None) -> Any:
        del limit, page  # ignored, as the service may
        self.requests += 1
        moment = instant(date) if date else None
        first = 0 if moment is None else int((NEWEST - moment) / timedelta(seconds=1)) + 1
        return Rows(self._contact(at) for at in range(first, min(first + PAGE, self._contacts)))

    async def count_contacts(self) -> int:
        self.requests += 1
        return self._contacts

    def _contact(self, at: int) -> Contact:
        number = self._contacts - at
        first, last = FIRST[number % len(FIRST)], f"{LAST[number % len(LAST)]}{chr(97 + number % 26)}"
        return Contact(
            id=number,
            phone=str(15_100_000_000 + number),
            first=first,
            last=last,
            email=f"{first}.{last}{number}@example.com".lower(),
            custom={31: ("Gold", "Silver", "Basic")[number % 3], 32: f"C-{number:06}"},
            tags=(101 + number % 4,),
            created=f"{NEWEST - timedelta(days=9, seconds=at):%Y-%m-%dT%H:%M:%SZ}",
            updated=f"{NEWEST - timedelta(seconds=at):%Y-%m-%dT%H:%M:%SZ}",
            rev=1,
        )


async def measure(contacts: int) -> None:
    account = Account(contacts)
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "index.sqlite3"
        journal = Journal(None, "account")
        mirror = Mirror(cast("HeymarketClient", account), journal, path=path)
        await mirror.known()
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
        known = await mirror.ready(wait=3_600)
        took = time.process_time() - start
        more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
        assert known.complete, known
        requests, start = account.requests, time.process_time()
        await mirror.ready()
        refresh, asked = time.process_time() - start, account.requests - requests
        await mirror.aclose()
        print(f"{contacts} contacts: {took:.1f} s of computing, {took / contacts * 1e6:.0f} µs a contact")
        print(f"  {requests} requests, {more / 1024:.0f} MB more memory, {path.stat().st_size / 1e6:.0f} MB of file")
        print(f"  a refresh: {asked} request, {refresh * 1000:.1f} ms of computing")


if __name__ == "__main__":
    anyio.run(measure, int(sys.argv[1]) if len(sys.argv) > 1 else CONTACTS)
