"""Pages of a known service: as long as the profile says, and of the usual length once an answer contradicts it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from support import HURRIED, Backend
from support.closers import all_closed
from support.probing import probed
from support.session import OpenSession

from contacts_mcp.book.book import Book
from contacts_mcp.book.listing.cursor import Position
from contacts_mcp.book.listing.listing import PAGE_ASKED, read_on
from contacts_mcp.sandbox import Behaviour, Fault, Sandbox, open_sandbox
from contacts_mcp.state.profile import Seen

LARGE = Behaviour(requests_per_minute=0, honours_limit=True)


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    with all_closed(globals(), "open_sandbox"):
        yield


@pytest.fixture
def anyio_backend() -> Backend:
    return HURRIED


async def walked(book: Book, *, may_doubt: bool = False) -> tuple[set[int], Position]:
    """All contacts that a walk of the whole list gives, and its end. It must have no reason to doubt, or it may."""
    given: set[int] = set()
    position: Position | None = None
    while position is None or position.walk.ask is not None:
        part = await read_on(book.api, position, requests=5, profile=book.profile)
        given |= {row.id for row in part.rows}
        position = part.position
    assert may_doubt or part.reasons == []
    return given, position


def limits(sandbox: Sandbox) -> list[int | None]:
    return [request.body.get("limit") for request in sandbox.requests if request.operation == "list_contacts"]


async def test_pages_are_as_long_as_the_service_gives_them(open_session: OpenSession, tmp_path: Path) -> None:
    sandbox = open_sandbox(behaviour=LARGE, contacts=1_200)
    await probed(sandbox, tmp_path / "data", writes=False)
    async with open_session(sandbox=sandbox) as session:
        sandbox.requests.clear()
        given, _ = await walked(await session.workspace.book())
    assert len(given) == 1_200
    assert {*limits(sandbox)} == {500}


@pytest.mark.parametrize("change", ["shorter", "refused"])
async def test_a_service_that_gives_shorter_pages_now_is_walked_to_the_end(
    change: str, open_session: OpenSession, tmp_path: Path
) -> None:
    sandbox = open_sandbox(behaviour=LARGE, contacts=1_200)
    await probed(sandbox, tmp_path / "data", writes=False)
    if change == "shorter":
        sandbox.behaviour = Behaviour(requests_per_minute=0)
    else:
        sandbox.faults.add(Fault("list_contacts", "status", status=400))
    async with open_session(sandbox=sandbox) as session:
        book = await session.workspace.book()
        sandbox.requests.clear()
        given, _ = await walked(book)
        assert len(given) == 1_200
        assert book.profile.position("largest_page") == ""
        assert book.profile.lines["largest_page"].distrusted == "500"
        assert limits(sandbox)[-1] == PAGE_ASKED


async def test_pages_that_get_shorter_at_our_own_wish_hide_nobody_of_one_moment(
    open_session: OpenSession, tmp_path: Path
) -> None:
    """The second long page is refused. The usual one then holds a single moment, which goes on behind it."""
    sandbox = open_sandbox(
        behaviour=Behaviour(requests_per_minute=0, honours_limit=True, honours_page=True), contacts=1_200
    )
    await probed(sandbox, tmp_path / "data", writes=False)
    rows = sorted(sandbox.store.contacts(), key=lambda row: (row["updated"], row["id"]), reverse=True)
    sandbox.state.records.set_updated([row["id"] for row in rows[300:]], 1_500_000_000_000_000)
    sandbox.state.records.set_updated([row["id"] for row in rows[800:]], 1_400_000_000_000_000)
    async with open_session(sandbox=sandbox) as session:
        book = await session.workspace.book()
        sandbox.faults.add(Fault("list_contacts", "status", status=400, skip=1))
        given, _ = await walked(book, may_doubt=True)
    assert len(given) == 1_200
    assert book.profile.position("largest_page") == ""


@pytest.mark.parametrize("length", ["9" * 5_000, "2000000000"])
async def test_a_length_that_no_probe_wrote_is_not_asked_for(
    length: str, open_session: OpenSession, tmp_path: Path
) -> None:
    sandbox = open_sandbox(behaviour=LARGE, contacts=120)
    await probed(sandbox, tmp_path / "data", writes=False)
    async with open_session(sandbox=sandbox) as session:
        book = await session.workspace.book()
        assert book.profile.learn({"largest_page": Seen(length)})
        sandbox.requests.clear()
        given, _ = await walked(book)
    assert len(given) == 120
    assert {*limits(sandbox)} == {PAGE_ASKED}


async def test_a_service_that_counts_limit_after_all_is_noticed(open_session: OpenSession, tmp_path: Path) -> None:
    sandbox = open_sandbox(contacts=120)
    await probed(sandbox, tmp_path / "data", writes=False)
    sandbox.behaviour = LARGE
    async with open_session(sandbox=sandbox) as session:
        book = await session.workspace.book()
        assert book.profile.position("limit") == "ignored"
        answer = await session.call("list_contacts", limit=50)
        assert "profile_distrusted" in (answer.structured_content or {})["note_kinds"]
        assert book.profile.position("limit") == ""


async def test_many_contacts_of_one_moment_are_given_up_at_once_where_nothing_reaches_them(
    open_session: OpenSession, tmp_path: Path
) -> None:
    """A strict cursor, no pages, no limit: the ways that are known to be useless are not tried."""
    needed = []
    for place in ("new", "known"):
        sandbox = open_sandbox(behaviour=Behaviour(requests_per_minute=0), contacts=300)
        if place == "known":
            await probed(sandbox, tmp_path / place, writes=False)
        rows = [row["id"] for row in sandbox.store.contacts()[:80]]
        sandbox.state.records.set_updated(rows, 1_700_000_000_000_000)
        async with open_session(sandbox=sandbox, data_dir=tmp_path / place) as session:
            book = await session.workspace.book()
            sandbox.requests.clear()
            position = None
            while position is None or position.walk.ask is not None:
                part = await read_on(book.api, position, requests=20, profile=book.profile)
                position = part.position
            assert [note.kind for note in part.reasons]  # never called complete
            needed.append(len(sandbox.requests))
    assert needed[1] < needed[0]


async def test_ordinary_answers_refresh_the_profile_in_passing(open_session: OpenSession, tmp_path: Path) -> None:
    sandbox = open_sandbox(contacts=40)
    await probed(sandbox, tmp_path / "data", writes=False)
    sandbox.behaviour = Behaviour(requests_per_minute=0, offset="-05:00", phone_plus=True)
    async with open_session(sandbox=sandbox) as session:
        await session.call("list_contacts")
        lines = (await session.workspace.book()).profile.lines
        assert (lines["offset"].distrusted, lines["phone_form"].distrusted) == ("Z", "digits")
        assert lines["cursor"].position == "strict"


async def test_without_a_profile_no_answer_is_looked_at(tmp_path: Path, open_session: OpenSession) -> None:
    async with open_session() as session:
        await session.call("list_contacts")
        assert not (await session.workspace.book()).profile.lines
    assert not (tmp_path / "data" / "profile.json").exists()
