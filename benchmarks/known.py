"""Requests with and without a profile: clearing, reading all contacts, importing, changing many. Prints a table.

The service honours a limit of 500 and wants null to clear, which the profile tells.
"""

from __future__ import annotations

import math
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path

import anyio

from contacts_mcp.book.book import Book
from contacts_mcp.book.people.requests import Wanted
from contacts_mcp.book.search.mirror import mirror_of
from contacts_mcp.book.transfer.many import Chosen, begin_change, edit_for, plan_change
from contacts_mcp.book.transfer.opening import opened_source
from contacts_mcp.book.transfer.planning import Asked
from contacts_mcp.book.transfer.running import run
from contacts_mcp.book.values import values_of
from contacts_mcp.book.writing.plan import update_of
from contacts_mcp.book.writing.write import carry_out
from contacts_mcp.config import Settings
from contacts_mcp.sandbox import Behaviour, Sandbox, open_sandbox
from contacts_mcp.setup.probe.running import Plan, probe
from contacts_mcp.setup.transfer import planned
from contacts_mcp.workspace import Workspace

BEHAVIOUR = Behaviour(requests_per_minute=0, honours_limit=True, clears_with="null", batch_unsent="keep")
ROWS = 1_000
Work = Callable[[Book, Sandbox, Path], Awaitable[None]]


async def clear_a_field(book: Book, sandbox: Sandbox, room: Path) -> None:  # noqa: ARG001 -- works share one signature
    """An update that clears an e-mail."""
    first = next(row["id"] for row in sandbox.store.contacts() if row["email"])
    contact = await book.api.get_contact(first)
    assert contact
    written = await carry_out(book, update_of(contact, values_of(contact) | {"email": ""}))
    assert written.after
    assert written.after.email == ""


async def read_all(book: Book, sandbox: Sandbox, room: Path) -> None:  # noqa: ARG001 -- works share one signature
    """All contacts into the local index."""
    known = await mirror_of(book).ready(wait=math.inf, refresh=False)
    assert known.complete


async def tag_all(book: Book, sandbox: Sandbox, room: Path) -> None:  # noqa: ARG001 -- works share one signature
    """One more tag for a thousand contacts."""
    chosen = Chosen(contact_ids=tuple(row["id"] for row in sandbox.store.contacts()))
    wanted = Wanted(add_tags=["Lead"])
    edit = await edit_for(book, chosen, wanted)
    plan = await plan_change(book, await begin_change(book, chosen, wanted, edit), chosen, edit)
    sandbox.requests.clear()  # planning looks everybody up, in both cases
    end = await run(book, plan)
    assert end.state == "done", end


async def import_rows(book: Book, sandbox: Sandbox, room: Path) -> None:
    """An import of new contacts."""
    file = room / "new.csv"
    lines = [f"+1415555{number:04d},Import,Number {number}" for number in range(ROWS)]
    file.write_text("\n".join(["Phone,First name,Last name", *lines]), encoding="utf-8")
    with opened_source(file.name, [room], region="US") as (source, facts):
        plan = await planned(book, source, facts, Asked())
    before = len(sandbox.requests)
    end = await run(book, plan)
    assert end.state == "done", end
    del sandbox.requests[:before]  # planning looks every phone up, in both cases


WORK: dict[str, tuple[int, Work]] = {
    "update_contact clears a field": (50, clear_a_field),
    "a list of 10,000 contacts": (10_000, read_all),
    "an import of 1,000": (50, import_rows),
    "update_contacts for 1,000": (1_000, tag_all),
}


async def requests(work: Work, contacts: int, *, known: bool) -> int:
    """How many requests the work needs, with or without a profile."""
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(open_sandbox(behaviour=BEHAVIOUR, contacts=contacts)) as sandbox,
    ):
        room = Path(folder)
        settings = Settings.load(sandbox=True, data_dir=room / "data", requests_per_minute=100_000)
        async with Workspace(settings, sandbox=sandbox) as workspace:
            book = await workspace.book()
            if known:
                await probe(book, Plan(writes=True))
            sandbox.requests.clear()
            await work(book, sandbox, room)
        return len(sandbox.requests)


async def figures(*, most: int = 10_000) -> dict[str, tuple[int, int]]:
    """work -> requests without a profile, and with one. No book has more than `most` contacts."""
    return {
        name: (
            await requests(work, min(contacts, most), known=False),
            await requests(work, min(contacts, most), known=True),
        )
        for name, (contacts, work) in WORK.items()
    }


def main() -> int:
    print(f"{'requests of':<34} {'without':>8} {'with':>8}")
    missed = 0
    for name, (without, known) in anyio.run(figures).items():
        print(f"{name:<34} {without:>8} {known:>8}")
        missed += known >= without
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
