"""Listing against the real sandbox in the process, in every position of the switches of `heymarket-api.md` 4.1."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import accumulate, count, product
from pathlib import Path
from typing import Any

import anyio
import pytest
from support import kinds

from contacts_mcp import models
from contacts_mcp.api.client import PAGE
from contacts_mcp.book.book import Book
from contacts_mcp.book.cursors import unpacked
from contacts_mcp.book.listing.filters import Filters
from contacts_mcp.book.listing.listing import Listing, list_contacts
from contacts_mcp.config import Settings
from contacts_mcp.errors import InvalidArgument, Rejected, UnknownName
from contacts_mcp.models import Contact
from contacts_mcp.sandbox import Behaviour, Fault, Lag, Sandbox, open_sandbox
from contacts_mcp.workspace import Workspace

NO_FILTERS = Filters()
EVERYBODY = Filters(updated_after="1970-01-01")
PLAIN = Behaviour(requests_per_minute=0)
MODES = [
    replace(
        PLAIN,
        cursor=cursor,
        honours_page=page,
        honours_limit=limit,
        timestamps=timestamps,
        offset="-05:00" if page else "Z",
    )
    for cursor, page, limit, timestamps in product(
        ("strict", "inclusive"), (False, True), (False, True), ("seconds", "micros")
    )
]


def mode_name(mode: Behaviour) -> str:
    return (
        "-".join([mode.cursor, "page" * mode.honours_page, "limit" * mode.honours_limit, mode.timestamps])
        .replace("--", "-")
        .replace("--", "-")
    )


every_mode = pytest.mark.parametrize("mode", MODES, ids=mode_name)
modes_in_seconds = pytest.mark.parametrize(
    "mode", [mode for mode in MODES if mode.timestamps == "seconds"], ids=mode_name
)


@asynccontextmanager
async def opened(sandbox: Sandbox, home: Path) -> AsyncIterator[Book]:
    """The address book of a server that works on `sandbox`."""
    sandbox.requests.clear()
    workspace = Workspace(
        Settings.load(sandbox=True, data_dir=home, requests_per_minute=100_000, time_zone="UTC"), sandbox=sandbox
    )
    yield await workspace.book()
    await workspace.aclose()


@pytest.fixture(scope="module")
def office() -> Iterator[Sandbox]:
    """300 contacts, in which blocks of up to 20 share one moment. Nobody may write to it."""
    with closing(open_sandbox(contacts=300, behaviour=PLAIN)) as sandbox:
        yield sandbox


@pytest.fixture(scope="module")
def blocks() -> Iterator[Sandbox]:
    """300 contacts in three blocks of 100 that share one moment. Nobody may write to it."""
    with closing(open_sandbox(contacts=300, behaviour=PLAIN)) as sandbox:
        ids = [contact["id"] for contact in sandbox.store.contacts()]
        for number in range(3):
            sandbox.store.set_updated(ids[number::3], f"2026-10-0{number + 1}T12:00:00Z")
        yield sandbox


@pytest.fixture
def few() -> Iterator[Sandbox]:
    """A sandbox of nobody yet, to be filled and written to."""
    with closing(open_sandbox(contacts=0, behaviour=PLAIN)) as sandbox:
        yield sandbox


@dataclass
class Told:
    """The answers of several calls in a row."""

    ids: list[int] = field(default_factory=list)
    listings: list[Listing] = field(default_factory=list)

    @property
    def last(self) -> Listing:
        return self.listings[-1]


async def everything(book: Book, filters: Filters = NO_FILTERS, *, limit: int = 100) -> Told:
    """Call after call until there is no cursor."""
    told = Told()
    cursor = ""
    while not told.listings or cursor:
        listing = await list_contacts(book, filters, limit=limit, cursor=cursor)
        assert len(listing.cards) <= limit
        assert listing.complete is False or not listing.next_cursor
        told.ids += [card.contact_id for card in listing.cards]
        told.listings.append(listing)
        cursor = listing.next_cursor
        assert len(told.listings) < 100
    return told


async def ids(book: Book, **filters: Any) -> list[int]:
    """Whom one call finds, which must be all there are."""
    listing = await list_contacts(book, Filters(**filters), limit=100)
    assert listing.complete, listing.notes
    return [card.contact_id for card in listing.cards]


def in_order(sandbox: Sandbox) -> list[int]:
    return [
        contact["id"]
        for contact in sorted(sandbox.store.contacts(), key=lambda one: (one["updated"], one["id"]), reverse=True)
    ]


def asked(sandbox: Sandbox, operation: str = "list_contacts") -> int:
    """How often since the last time, and forget it."""
    number = [request.operation for request in sandbox.requests].count(operation)
    sandbox.requests.clear()
    return number


def add(sandbox: Sandbox, number: int, *, updated: str = "", **members: Any) -> int:
    return sandbox.store.add_contact(
        phone=f"1510555{2000 + number}",
        updated=updated or f"2026-05-01T10:{number // 60:02}:{number % 60:02}Z",
        **members,
    )


@every_mode
async def test_a_whole_account_is_listed_in_order_and_known_to_be_complete(
    office: Sandbox, mode: Behaviour, tmp_path: Path
) -> None:
    office.behaviour = mode
    async with opened(office, tmp_path) as book:
        told = await everything(book, EVERYBODY)
    assert (told.ids, told.last.complete, told.last.notes) == (in_order(office), True, [])
    assert told.last.looked_through == 300


@every_mode
async def test_ties_beyond_a_page_are_reached_by_page_or_limit_and_missed_openly_otherwise(
    blocks: Sandbox, mode: Behaviour, tmp_path: Path
) -> None:
    blocks.behaviour = mode
    async with opened(blocks, tmp_path) as book:
        told = await everything(book)
    reachable = mode.honours_page or mode.honours_limit
    assert (len(told.ids), told.last.complete) == ((300, True) if reachable else (90, False))
    assert len(set(told.ids)) == len(told.ids)
    assert reachable or "Heymarket counts 300 contacts and its list showed 90." in told.last.notes


@modes_in_seconds
async def test_ties_beyond_a_page_count_against_a_range_of_dates_too(
    blocks: Sandbox, mode: Behaviour, tmp_path: Path
) -> None:
    """There is no count to compare with, so every page's end must have been seen from both sides."""
    blocks.behaviour = mode
    async with opened(blocks, tmp_path) as book:
        told = await everything(book, Filters(updated_after="2026-10-02", updated_before="2026-10-03"))
    reachable = mode.honours_page or mode.honours_limit
    assert (len(told.ids), told.last.complete) == ((100, True) if reachable else (30, False))
    assert reachable or "share one moment of change" in told.last.notes[-1]


@modes_in_seconds
async def test_several_calls_give_each_contact_once_and_in_order(
    office: Sandbox, mode: Behaviour, tmp_path: Path
) -> None:
    """With a limit that is no divisor of a page, over ties, in about one request a call."""
    office.behaviour = mode
    async with opened(office, tmp_path) as book:
        told = await everything(book, limit=7)
    assert told.ids == in_order(office)
    assert told.last.complete
    assert asked(office) <= 1.3 * 300 / 7 + 6


@modes_in_seconds
async def test_several_calls_give_each_of_a_block_of_ties_once(
    blocks: Sandbox, mode: Behaviour, tmp_path: Path
) -> None:
    blocks.behaviour = mode
    async with opened(blocks, tmp_path) as book:
        by_few = await everything(book, limit=23)
        at_once = await everything(book, limit=100)
    assert by_few.ids == at_once.ids
    assert max(len(listing.next_cursor) for listing in by_few.listings) < 1_000


async def test_a_filter_loses_nothing_between_calls(office: Sandbox, tmp_path: Path) -> None:
    office.behaviour = PLAIN
    wanted = [contact["id"] for contact in office.store.contacts() if 101 in contact["tags"]]
    async with opened(office, tmp_path) as book:
        told = await everything(book, Filters(tags=["VIP"]), limit=4)
    assert sorted(told.ids) == sorted(wanted)
    assert told.last.complete


async def test_a_first_page_is_one_request_and_the_count(office: Sandbox, tmp_path: Path) -> None:
    office.behaviour = PLAIN
    async with opened(office, tmp_path) as book:
        await book.vocabulary.read("fields", "tags", "members")
        office.requests.clear()
        listing = await list_contacts(book, NO_FILTERS, limit=25)
    assert [request.operation for request in office.requests] == ["list_contacts", "count_contacts"]
    assert (len(listing.cards), listing.complete, listing.notes) == (25, False, [])


async def test_a_small_account_is_complete_after_one_page_the_count_and_the_page_again(
    few: Sandbox, tmp_path: Path
) -> None:
    """Without the second look a contact could be hidden behind one that was deleted before the count."""
    wanted = [add(few, number) for number in range(5)][::-1]
    async with opened(few, tmp_path) as book:
        assert await ids(book) == wanted
        operations = [request.operation for request in few.requests]
        assert operations == ["list_contacts", "count_contacts", "list_contacts"]
        assert (await list_contacts(book, NO_FILTERS, limit=5)).complete


async def test_an_empty_account_is_complete(few: Sandbox, tmp_path: Path) -> None:
    async with opened(few, tmp_path) as book:
        assert await ids(book) == []


async def test_one_call_makes_no_more_requests_than_it_may(few: Sandbox, tmp_path: Path) -> None:
    few.behaviour = replace(PLAIN, page_size=3)
    for number in range(200):
        add(few, number)
    async with opened(few, tmp_path) as book:
        first = await list_contacts(book, Filters(name="nobody"), limit=10)
        assert asked(few) == 60
        assert first.notes == [
            f"Stopped after looking through {first.looked_through} contacts; go on with next_cursor."
        ]
        rest = await list_contacts(book, Filters(name="nobody"), limit=10, cursor=first.next_cursor)
    assert (rest.looked_through, rest.complete) == (200, True)


async def test_a_lower_bound_ends_the_walk_early(office: Sandbox, tmp_path: Path) -> None:
    office.behaviour = PLAIN
    newest = in_order(office)[:40]
    since = office.store.contact(newest[-1])["updated"]
    async with opened(office, tmp_path) as book:
        assert (await ids(book, updated_after=since))[:40] == newest
        assert asked(office) <= 3
        assert len(await ids(book, created_after="2026-10-01")) > 1
        assert asked(office) <= 3


async def test_an_upper_bound_starts_the_walk_late(office: Sandbox, tmp_path: Path) -> None:
    office.behaviour = PLAIN
    oldest = in_order(office)[-10:]
    until = office.store.contact(in_order(office)[-11])["updated"]
    async with opened(office, tmp_path) as book:
        assert await ids(book, updated_before=until) == oldest
    assert {request.operation for request in office.requests} <= {
        "list_contacts",
        "list_fields",
        "list_tags",
        "get_team",
    }
    assert asked(office) <= 4


PEOPLE: dict[str, dict[str, Any]] = {
    "zoe": {
        "first": "Zoë",
        "last": "Łukasz-García",
        "tags": [101],
        "assigned_user_id": 501,
        "custom": {31: "Gold"},
        "updated": "2026-05-01T00:00:00Z",
    },
    "zoltan": {
        "first": "Zoltán",
        "last": "Nagy",
        "tags": [101, 102],
        "assigned_user_id": 502,
        "updated": "2026-05-01T23:59:59Z",
    },
    "acme": {
        "display_name": "ACME Zoology",
        "is_opted_out": True,
        "custom": {31: "gold "},
        "updated": "2026-05-02T00:00:00Z",
    },
    "nobody": {"assigned_user_id": None, "created": "2026-04-01T00:00:00Z", "updated": "2026-05-02T05:00:00Z"},
}
FILTERS: list[tuple[dict[str, Any], str]] = [
    ({"name": "zo"}, "acme zoltan zoe"),
    ({"name": "ZOE"}, "zoe"),
    ({"name": "garcia"}, "zoe"),
    ({"name": "zoe łukasz"}, "zoe"),
    ({"name": "Zoltan Nagy"}, "zoltan"),
    ({"name": "xx"}, ""),
    ({"tags": ["vip"]}, "zoltan zoe"),
    ({"tags": ["Lead"], "name": "z"}, "zoltan"),
    ({"tags": ["VIP", "Lead"]}, "zoltan"),
    ({"tags": ["VIP", "Lead"], "any_tag": True}, "zoltan zoe"),
    ({"tags": ["none"]}, "nobody acme"),
    ({"custom_fields": {"Plan": "*"}}, "acme zoe"),
    ({"area_code": "510"}, "nobody acme zoltan zoe"),
    ({"area_code": "415"}, ""),
    ({"country": "US"}, "nobody acme zoltan zoe"),
    ({"country": "CA"}, ""),
    ({"has_email": False}, "nobody acme zoltan zoe"),
    ({"assignee": "Alex Kim"}, "zoe"),
    ({"assignee": "priya@example.com"}, "zoltan"),
    ({"assignee": "none"}, "nobody acme"),
    ({"assignee": "Unassigned"}, "nobody acme"),
    ({"custom_fields": {"plan": "GOLD"}}, "acme zoe"),
    ({"custom_fields": {"Plan": "Gold", "Region": ""}}, "acme zoe"),
    ({"custom_fields": {"Plan": ""}}, "nobody zoltan"),
    ({"is_opted_out": True}, "acme"),
    ({"is_opted_out": False}, "nobody zoltan zoe"),
    ({"updated_after": "2026-05-02"}, "nobody acme"),
    ({"updated_after": "2026-05-02T00:00:00Z"}, "nobody acme"),
    ({"updated_after": "2026-05-02T00:00:00-05:00"}, "nobody"),
    ({"updated_after": "2026-05-02T02:00:00+02:00"}, "nobody acme"),
    ({"updated_before": "2026-05-02"}, "zoltan zoe"),
    ({"updated_before": "2026-05-02T00:00:00.000001Z"}, "acme zoltan zoe"),
    ({"updated_before": "2026-05-01"}, ""),
    ({"updated_after": "2026-05-01", "updated_before": "2026-05-02"}, "zoltan zoe"),
    ({"created_after": "2026-05-02"}, "acme"),
    ({"created_before": "2026-05-01"}, "nobody"),
    ({"created_before": "2026-05-01T00:00:00Z", "updated_after": "2026-05-02"}, "nobody"),
]  # fmt: skip


@pytest.mark.parametrize(("filters", "expected"), FILTERS, ids=str)
@pytest.mark.parametrize("cursor", ["strict", "inclusive"])
async def test_filters(few: Sandbox, tmp_path: Path, cursor: Any, filters: dict[str, Any], expected: str) -> None:
    """Here days are days in UTC. `_after` takes its moment in, and `_before` does not."""
    few.behaviour = replace(PLAIN, cursor=cursor, offset="-05:00")
    who = {add(few, number, **members): name for number, (name, members) in enumerate(PEOPLE.items())}
    async with opened(few, tmp_path) as book:
        told = await everything(book, Filters(**filters))
    assert " ".join(who[one] for one in told.ids) == expected
    assert told.last.complete or "updated_before" in filters


@pytest.mark.parametrize(
    ("filters", "argument"),
    [
        ({"updated_after": "yesterday"}, "updated_after"),
        ({"created_before": "2026-02-30"}, "created_before"),
        ({"created_after": ""}, "created_after"),
        ({"updated_before": "0001-01-01T00:00:00+14:00"}, "updated_before"),
        ({"name": " "}, "name"),
    ],
    ids=str,
)
async def test_a_filter_that_cannot_be_used_is_refused_unasked(
    few: Sandbox, tmp_path: Path, filters: dict[str, Any], argument: str
) -> None:
    async with opened(few, tmp_path) as book:
        with pytest.raises(InvalidArgument) as refusal:
            await list_contacts(book, Filters(**filters))
    assert refusal.value.argument == argument
    assert not few.requests


@pytest.mark.parametrize(
    ("custom", "notes"),
    [
        ({"plan": "Gold plan"}, ['No contact checked so far has Plan "Gold plan". Values found: "Gold", "Silver".']),
        ({"plan": "gold"}, []),
        ({"plan": ""}, []),
        ({"plan": "Silver", "31": "Gold"}, []),
        ({"Customer #": "C-999"}, []),
    ],
    ids=str,
)
async def test_where_nobody_has_a_custom_value_the_ones_there_are_are_named(
    few: Sandbox, tmp_path: Path, custom: Any, notes: list[str]
) -> None:
    """Nobody has a customer number here, so there is nothing to name."""
    for number, plan in enumerate(["Gold", "Gold", "Silver", ""]):
        few.store.add_contact(phone=f"1510555010{number}", custom={31: plan} if plan else {})
    async with opened(few, tmp_path) as book:
        assert (await list_contacts(book, Filters(custom_fields=custom))).notes == notes


@pytest.mark.parametrize(
    ("name", "notes"),
    [
        ("Jordon Rivera", ['Nearest names: 1 "Jordan Rivera" +15105550100.']),
        ("Mulller", ['Nearest names: 2 "Emily Müller" +15105550101.']),
        ("Mueller", []),
        ("Emily", []),
        ("Xu", []),
    ],
)
async def test_where_nobody_is_called_so_the_nearest_names_are_offered(
    few: Sandbox, tmp_path: Path, name: str, notes: list[str]
) -> None:
    for number, (first, last) in enumerate([("Jordan", "Rivera"), ("Emily", "Müller"), ("", "")]):
        few.store.add_contact(
            phone=f"1510555010{number}", first=first, last=last, display_name=f"{first} {last}".strip()
        )
    async with opened(few, tmp_path) as book:
        assert (await list_contacts(book, Filters(name=name))).notes == notes


@pytest.mark.parametrize("member", ["created", "updated"])
@pytest.mark.parametrize("before", ["2026-05-01", "2026-05-03"])
async def test_a_range_of_dates_that_holds_nobody_is_refused(
    office: Sandbox, tmp_path: Path, member: str, before: str
) -> None:
    async with opened(office, tmp_path) as book:
        with pytest.raises(InvalidArgument, match=f"{member}_before: is not later than {member}_after"):
            await list_contacts(book, Filters(**{f"{member}_after": "2026-05-03", f"{member}_before": before}))
    assert asked(office) == 0


async def test_what_is_no_date_is_told_what_day_it_is(office: Sandbox, tmp_path: Path) -> None:
    async with opened(office, tmp_path) as book:
        with pytest.raises(InvalidArgument, match=rf"Today is {datetime.now(UTC):%Y-%m-}\d\d \(UTC\)\."):
            await list_contacts(book, Filters(created_after="yesterday"))


async def test_only_the_commonest_values_are_named(few: Sandbox, tmp_path: Path) -> None:
    for number in range(12):
        few.store.add_contact(phone=f"151055501{number:02}", custom={31: f"Plan {min(number, 9)}"})
    async with opened(few, tmp_path) as book:
        (note,) = (await list_contacts(book, Filters(custom_fields={"Plan": "Nonne"}))).notes
    assert note.startswith('No contact checked so far has Plan "Nonne". Most common values: "Plan 9", ')
    assert note.count("Plan ") == 6


@pytest.mark.parametrize(
    "filters", [{"tags": ["vipp"]}, {"assignee": "Alx"}, {"custom_fields": {"Plam": "Gold"}}], ids=str
)
async def test_a_name_that_is_unknown_is_refused_before_anybody_is_looked_at(
    few: Sandbox, tmp_path: Path, filters: dict[str, Any]
) -> None:
    async with opened(few, tmp_path) as book:
        with pytest.raises(UnknownName):
            await list_contacts(book, Filters(**filters))
    assert asked(few) == 0


@pytest.mark.parametrize("wanted", [True, False])
async def test_it_is_said_when_the_service_does_not_say_who_is_opted_out(
    few: Sandbox, tmp_path: Path, wanted: bool
) -> None:
    few.behaviour = replace(PLAIN, sends_opt_out=False)
    add(few, 1)
    async with opened(few, tmp_path) as book:
        listing = await list_contacts(book, Filters(is_opted_out=wanted))
        assert (listing.cards, kinds(listing.notes)) == ([], ["opt_out_hidden"])
        assert (await list_contacts(book, NO_FILTERS)).notes == []


async def test_the_first_page_of_everybody_says_how_many_there_are(office: Sandbox, tmp_path: Path) -> None:
    office.behaviour = PLAIN
    async with opened(office, tmp_path) as book:
        first = await list_contacts(book, NO_FILTERS, limit=5)
        assert first.total == len(in_order(office))
        assert (await list_contacts(book, NO_FILTERS, limit=5, cursor=first.next_cursor)).total is None
        assert (await list_contacts(book, Filters(tags=["VIP"]), limit=5)).total is None


@pytest.mark.parametrize(
    "fault",
    [Fault("count_contacts", kind, times=-1, delay=9) for kind in ("status", "empty", "stall")],
    ids=lambda fault: fault.kind,
)
async def test_a_count_that_cannot_be_had_costs_nothing_that_was_found(
    office: Sandbox, tmp_path: Path, fault: Fault
) -> None:
    office.behaviour = PLAIN
    office.faults.add(fault)
    async with opened(office, tmp_path) as book:
        with anyio.fail_after(3):
            page = await list_contacts(book, NO_FILTERS, limit=5)
    office.faults.clear()
    assert ([card.contact_id for card in page.cards], page.total) == (in_order(office)[:5], None)


async def test_without_a_count_nothing_is_said_to_be_complete(office: Sandbox, tmp_path: Path) -> None:
    office.behaviour = PLAIN
    office.faults.add(Fault("count_contacts", "empty", times=-1))
    async with opened(office, tmp_path) as book:
        told = await everything(book)
    office.faults.clear()
    assert told.ids == in_order(office)
    assert (told.last.complete, told.last.notes) == (
        False,
        ["The end of the list was reached, but Heymarket gives no count to check it against."],
    )


async def test_a_contact_edited_between_two_calls_is_listed_all_the_same(few: Sandbox, tmp_path: Path) -> None:
    wanted = [add(few, number) for number in range(50)][::-1]
    async with opened(few, tmp_path) as book:
        first = await list_contacts(book, NO_FILTERS, limit=10)
        few.store.touch(wanted[40], first="Edited")
        rest = await everything_after(book, first)
    assert sorted(rest.ids) == sorted(wanted)
    assert rest.ids[-1] == wanted[40]
    assert rest.last.complete


async def test_a_contact_created_between_two_calls_is_listed_too(few: Sandbox, tmp_path: Path) -> None:
    for number in range(50):
        add(few, number)
    async with opened(few, tmp_path) as book:
        first = await list_contacts(book, NO_FILTERS, limit=10)
        new = few.store.add_contact(phone="15105559999")
        rest = await everything_after(book, first)
    assert rest.ids[-1] == new
    assert (len(rest.ids), rest.last.complete) == (51, True)


async def test_a_contact_edited_after_it_was_given_comes_again_and_hides_no_loss(few: Sandbox, tmp_path: Path) -> None:
    """It may have been given before or not. Only the proof that nothing was missed makes the listing complete."""
    few.behaviour = replace(PLAIN, page_size=5)
    wanted = [add(few, number) for number in range(20)][::-1]
    few.store.set_updated(wanted[10:16], "2026-04-01T00:00:00Z")  # one more than a page holds
    async with opened(few, tmp_path) as book:
        first = await list_contacts(book, NO_FILTERS, limit=3)
        few.store.touch(wanted[0], first="Edited")
        rest = await everything_after(book, first)
    assert rest.ids.count(wanted[0]) == 2
    assert len(set(rest.ids)) == 19
    assert not rest.last.complete


async def test_a_deletion_does_not_hide_that_a_contact_moved_past_the_walk(few: Sandbox, tmp_path: Path) -> None:
    """The count would agree by accident. The second look finds the one that moved."""
    few.behaviour = replace(PLAIN, page_size=10)
    wanted = [add(few, number) for number in range(50)][::-1]
    async with opened(few, tmp_path) as book:
        first = await list_contacts(book, NO_FILTERS, limit=10)
        few.store.delete(wanted[2])
        few.store.touch(wanted[45], first="Edited")
        rest = await everything_after(book, first)
    assert sorted(rest.ids) == sorted(wanted)


async def test_the_head_is_looked_at_again_even_where_the_count_agrees(few: Sandbox, tmp_path: Path) -> None:
    wanted = [add(few, number) for number in range(59)][
        ::-1
    ]  # two pages are full, so nothing asks for the count before the end
    async with opened(few, tmp_path) as book:
        first = await list_contacts(book, NO_FILTERS, limit=59)
        few.store.touch(wanted[-1], first="Edited")
        rest = await everything_after(book, first)
    assert rest.ids == [*wanted, wanted[-1]]
    assert rest.last.complete


async def test_a_contact_edited_in_the_second_of_the_newest_one_is_not_overlooked(few: Sandbox, tmp_path: Path) -> None:
    """The list was begun in that second, and the edit brought the contact among those that were given already."""
    few.behaviour = replace(PLAIN, page_size=10)
    wanted = [add(few, number) for number in range(50)][::-1]
    now = "2026-05-01T11:00:00Z"
    few.store.set_updated(wanted[:3], now)
    async with opened(few, tmp_path) as book:
        first = await list_contacts(book, NO_FILTERS, limit=10)
        few.store.set_updated([wanted[45]], now)
        rest = await everything_after(book, first)
    assert sorted(rest.ids) == sorted(wanted)
    assert rest.last.complete


Deed = Callable[[], object]


def meanwhile(book: Book, deeds: dict[int, Deed], *, of: str = "list_contacts") -> None:
    """Let somebody else act right after the requests with these numbers, from 1."""
    ask, numbers = getattr(book.api, of), count(1)

    async def asked_by_us(**arguments: Any) -> Any:
        answer = await ask(**arguments)
        deeds.get(next(numbers), lambda: None)()
        return answer

    setattr(book.api, of, asked_by_us)


async def test_a_count_that_agrees_by_accident_hides_nobody(few: Sandbox, tmp_path: Path) -> None:
    """Six share a moment, and a strict cursor shows five. One is deleted after it was given, so the count agrees."""
    few.behaviour = replace(PLAIN, page_size=5)
    wanted = [add(few, number) for number in range(20)][::-1]
    few.store.set_updated(wanted[10:16], "2026-04-01T00:00:00Z")
    async with opened(few, tmp_path) as book:
        meanwhile(book, {3: lambda: few.store.delete(wanted[7])})
        listing = await list_contacts(book, NO_FILTERS, limit=100)
    assert (len(listing.cards), len(few.store.contacts())) == (19, 19)
    assert (listing.complete, kinds(listing.notes)) == (False, ["count_differs", "ties_hidden"])


async def test_a_contact_deleted_between_the_first_page_and_the_count_hides_nobody(
    few: Sandbox, tmp_path: Path
) -> None:
    few.behaviour = replace(PLAIN, page_size=5)
    wanted = [add(few, number) for number in range(6)][::-1]
    async with opened(few, tmp_path) as book:
        meanwhile(book, {1: lambda: few.store.delete(wanted[0])})
        listing = await list_contacts(book, NO_FILTERS, limit=100)
    assert {card.contact_id for card in listing.cards} >= set(wanted[1:])


async def test_a_contact_deleted_while_pages_are_stepped_hides_nobody(few: Sandbox, tmp_path: Path) -> None:
    """The contacts behind it move up, and one of them slips from the next page to the page before."""
    few.behaviour = replace(PLAIN, page_size=5, honours_page=True)
    wanted = [add(few, number, updated="2026-04-01T00:00:00Z") for number in range(20)]
    newest = add(few, 99)
    async with opened(few, tmp_path) as book:
        meanwhile(book, {4: lambda: few.store.delete(wanted[-1])})
        listing = await list_contacts(book, Filters(updated_before="2026-04-30"), limit=100)
    assert newest not in {card.contact_id for card in listing.cards}
    assert len(listing.cards) == 19
    assert (listing.complete, kinds(listing.notes)) == (False, ["pages_may_shift"])


async def test_in_a_block_of_this_very_moment_a_change_could_go_unnoticed(few: Sandbox, tmp_path: Path) -> None:
    """A page full of one moment would look the same after it. In ten minutes the same list is known to be whole."""
    few.behaviour = replace(PLAIN, page_size=5, honours_page=True)
    for updated, complete in ((datetime.now(UTC), False), (datetime.now(UTC) - timedelta(minutes=11), True)):
        for number in range(8):
            add(few, number + 10 * complete, updated=f"{updated:%Y-%m-%dT%H:%M:%SZ}")
        async with opened(few, tmp_path) as book:
            listing = await list_contacts(book, NO_FILTERS, limit=100)
        assert listing.complete is complete, listing.notes
        for card in listing.cards:
            few.store.delete(card.contact_id)
    assert len(listing.cards) == 8


async def test_a_timestamp_is_read_once_for_each_contact(
    office: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An index of a million contacts stands on it."""
    office.behaviour = PLAIN
    seen: list[Contact] = []
    read: Counter[str] = Counter()
    instant = models.instant

    def counted(timestamp: str) -> datetime | None:
        read[timestamp] += 1
        return instant(timestamp)

    async with opened(office, tmp_path) as book:
        ask = book.api.list_contacts

        async def noting(**arguments: Any) -> list[Contact]:
            rows = await ask(**arguments)
            seen.extend(rows)
            return rows

        monkeypatch.setattr(book.api, "list_contacts", noting)
        monkeypatch.setattr(models, "instant", counted)
        filters = Filters(created_after="2020-01-01", created_before="2027-01-01", updated_after="2020-01-01")
        listing = await list_contacts(book, filters, limit=100)
    assert len(listing.cards) == 100
    assert len(seen) > 100
    assert read <= Counter(at for one in seen for at in (one.created, one.updated))


async def test_each_answer_says_how_many_were_given_so_far(office: Sandbox, tmp_path: Path) -> None:
    office.behaviour = PLAIN
    async with opened(office, tmp_path) as book:
        told = await everything(book, Filters(tags=["VIP"]), limit=20)
    assert [listing.given for listing in told.listings] == list(accumulate(len(one.cards) for one in told.listings))


@pytest.mark.parametrize(("limit", "most", "expected"), [(100, 25, ["limit_lowered"]), (25, 25, []), (7, 25, [])])
async def test_an_answer_that_holds_fewer_than_asked_for_says_so(
    office: Sandbox, tmp_path: Path, limit: int, most: int, expected: list[str]
) -> None:
    office.behaviour = PLAIN
    async with opened(office, tmp_path) as book:
        listing = await list_contacts(book, NO_FILTERS, limit=limit, most=most)
        assert (len(listing.cards), kinds(listing.notes)) == (min(limit, most), expected)
        few = await list_contacts(book, Filters(name="zzz"), limit=limit, most=most)
        assert "limit_lowered" not in kinds(few.notes)


async def everything_after(book: Book, first: Listing) -> Told:
    told = Told([card.contact_id for card in first.cards], [first])
    while told.last.next_cursor:
        told.listings.append(await list_contacts(book, NO_FILTERS, limit=10, cursor=told.last.next_cursor))
        told.ids += [card.contact_id for card in told.last.cards]
    return told


async def test_what_was_found_before_a_failure_is_told_and_can_be_gone_on_from(office: Sandbox, tmp_path: Path) -> None:
    office.behaviour = PLAIN
    office.faults.add(Fault("list_contacts", "status", status=400, skip=2, times=2))
    async with opened(office, tmp_path) as book:
        first = await list_contacts(book, EVERYBODY, limit=100)
        assert first.notes == [
            "Stopped after looking through 59 contacts because of a failure (Rejected); go on with next_cursor."
        ]
        rest = await list_contacts(book, EVERYBODY, limit=100, cursor=first.next_cursor)
    assert [card.contact_id for card in (*first.cards, *rest.cards)] == in_order(office)[:159]


async def test_a_failure_before_anything_was_found_is_raised(few: Sandbox, tmp_path: Path) -> None:
    few.faults.add(Fault("list_contacts", "status", status=400, times=2))
    async with opened(few, tmp_path) as book:
        with pytest.raises(Rejected):
            await list_contacts(book, NO_FILTERS)


async def test_a_service_that_refuses_a_page_size_is_asked_without(few: Sandbox, tmp_path: Path) -> None:
    one = add(few, 1)
    few.faults.add(Fault("list_contacts", "status", status=400))
    async with opened(few, tmp_path) as book:
        assert await ids(book) == [one]
    assert [request.body for request in few.requests if request.operation == "list_contacts"] == [
        {"limit": 100},
        {},
        {},
    ]


async def cursor_of(book: Book, filters: Filters = NO_FILTERS) -> str:
    return (await list_contacts(book, filters, limit=2)).next_cursor


async def test_a_cursor_is_good_for_the_filters_it_was_given_for(office: Sandbox, tmp_path: Path) -> None:
    office.behaviour = PLAIN
    async with opened(office, tmp_path) as book:
        cursor = await cursor_of(book)
        office.requests.clear()
        with pytest.raises(InvalidArgument, match="other filters"):
            await list_contacts(book, Filters(tags=["VIP"]), cursor=cursor)
    assert not office.requests


async def test_a_cursor_holds_no_contact_data_but_ids_and_moments(office: Sandbox, tmp_path: Path) -> None:
    office.behaviour = PLAIN
    async with opened(office, tmp_path) as book:
        cursor = await cursor_of(book, Filters(name="a"))
        held = json.loads(unpacked(cursor, book.account))
    assert held.keys() == {"version", "filters", "position"}
    assert held["position"]["walk"].keys() <= {"ask", "skip", "settled", "last", "mark", "asked", "size"}
    assert len(cursor) < 400


async def test_a_full_first_page_that_shows_a_deleted_contact_is_not_all_there_is(few: Sandbox, tmp_path: Path) -> None:
    """The count has just as many contacts as the page has rows. The next page shows the one who is missing."""
    people = [add(few, number) for number in range(PAGE + 1)]
    few.store.delete(people[-1], lag=Lag(seconds=60, of=("list_contacts",)))
    async with opened(few, tmp_path) as book:
        told = await everything(book)
        assert people[0] in told.ids
        assert told.last.complete is False


@pytest.mark.parametrize(("many", "requests"), [(PAGE - 1, 2), (PAGE, 3)])
async def test_a_first_page_that_is_the_whole_account_costs_one_more_only_if_it_is_full(
    few: Sandbox, tmp_path: Path, many: int, requests: int
) -> None:
    people = [add(few, number) for number in range(many)]
    async with opened(few, tmp_path) as book:
        told = await everything(book)
        assert (sorted(told.ids), told.last.complete, asked(few)) == (people, True, requests)
