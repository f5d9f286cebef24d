"""The account's names: fetched once, kept ten minutes, fetched again on a miss, at most once in thirty seconds."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
from support import Clock, OpenSession, Session

from contacts_mcp.book.vocabulary import Catalog
from contacts_mcp.errors import ServiceFailed, UnknownName
from contacts_mcp.sandbox import Behaviour, Fault
from contacts_mcp.words.names import Named


class Account:
    """Fields somebody else may add to, and how often they were asked for."""

    def __init__(self) -> None:
        self.fields = [Named(31, "Plan")]
        self.fetches = 0
        self.is_down = False

    async def fetch(self) -> list[Named]:
        self.fetches += 1
        await anyio.lowlevel.checkpoint()
        if self.is_down:
            raise ServiceFailed("down")
        return list(self.fields)


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def fields(account: Account, clock: Clock) -> Catalog:
    return Catalog("custom field", account.fetch, hint="See them all.", clock=clock)


async def test_nothing_is_fetched_before_it_is_needed(fields: Catalog, account: Account) -> None:
    assert account.fetches == 0
    await fields.resolve("plan", argument="custom_fields")
    assert account.fetches == 1


async def test_the_list_is_kept_for_ten_minutes(fields: Catalog, account: Account, clock: Clock) -> None:
    for now, fetches in ((1000.0, 1), (1599.0, 1), (1601.0, 2), (1602.0, 2)):
        clock.now = now
        assert (await fields.resolve("Plan", argument="custom_fields")).id == 31
        assert await fields.label(31) == "Plan"
        assert account.fetches == fetches


async def test_many_at_once_fetch_it_once(fields: Catalog, account: Account) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(fields.label, 31)
    assert account.fetches == 1


async def test_a_miss_fetches_again_and_finds_what_is_new(fields: Catalog, account: Account, clock: Clock) -> None:
    await fields.names()
    account.fields.append(Named(32, "Region"))
    clock.now += 31
    assert (await fields.resolve("region", argument="custom_fields")).id == 32
    assert account.fetches == 2


async def test_an_unknown_id_in_an_answer_fetches_again_too(fields: Catalog, account: Account, clock: Clock) -> None:
    await fields.names()
    account.fields.append(Named(32, "Region"))
    clock.now += 31
    assert await fields.label(32) == "Region"


async def test_misses_fetch_at_most_once_in_thirty_seconds(fields: Catalog, account: Account, clock: Clock) -> None:
    await fields.names()
    for second in range(1, 91):
        clock.now = 1000.0 + second
        with pytest.raises(UnknownName):
            await fields.resolve("Nope", argument="custom_fields")
        assert await fields.label(99) == "field 99"
    assert account.fetches == 3


async def test_an_ambiguous_name_is_no_miss(fields: Catalog, account: Account, clock: Clock) -> None:
    account.fields.append(Named(32, "plan "))
    await fields.names()
    clock.now += 100
    with pytest.raises(UnknownName) as refused:
        await fields.resolve("P L A N", argument="custom_fields")
    assert refused.value.is_ambiguous
    assert account.fetches == 1


async def test_a_label_never_fails_and_a_name_does(fields: Catalog, account: Account, clock: Clock) -> None:
    """An answer that has been earned is not lost because a name for it cannot be had."""
    account.is_down = True
    assert await fields.label(31) == "field 31"
    with pytest.raises(ServiceFailed):
        await fields.resolve("Plan", argument="custom_fields")
    account.is_down = False
    clock.now += 30
    assert await fields.label(31) == "Plan"


async def test_a_list_that_cannot_be_had_is_asked_for_once_by_all_labels_of_an_answer(
    fields: Catalog, account: Account, clock: Clock
) -> None:
    account.is_down = True
    assert [await fields.label(number) for number in (31, 32, 33)] == ["field 31", "field 32", "field 33"]
    assert account.fetches == 1
    clock.now += 30
    await fields.label(31)
    assert account.fetches == 2


async def test_an_old_list_serves_labels_while_the_service_is_down(
    fields: Catalog, account: Account, clock: Clock
) -> None:
    await fields.names()
    account.is_down = True
    clock.now += 601
    assert await fields.label(31) == "Plan"


# Against the sandbox.


@pytest.fixture
async def session(open_session: OpenSession) -> AsyncIterator[Session]:
    async with open_session(contacts=2) as opened:
        yield opened


async def test_a_field_made_upstream_is_found(session: Session) -> None:
    fields = (await session.workspace.book()).directory.fields
    fields._clock = clock = Clock(1000.0)
    await fields.names()
    number = session.sandbox.store.add_field("Shoe Size")
    clock.now += 31
    assert (await fields.resolve("shoe size", argument="custom_fields")).id == number


@pytest.mark.parametrize(
    "switches",
    [{}, {"lists": "wrapped"}, {"cursor": "inclusive"}, {"ids_as_strings": True}, {"field_name_key": "name"}],
    ids=str,
)
async def test_all_tags_and_fields_are_read_page_after_page(open_session: OpenSession, switches: Any) -> None:
    async with open_session(contacts=2, behaviour=Behaviour(requests_per_minute=0, **switches)) as session:
        added = {session.sandbox.store.add_tag(f"Tag {number}", color="") for number in range(3)}
        directory = (await session.workspace.book()).directory
        assert {tag.id for tag in (await directory.tags.names()).items} == {101, 102, 103, 104, 105, 106} | added
        assert len((await directory.fields.names()).items) == 10
        assert (await directory.members.resolve("dana.levy@example.com", argument="assignee")).id == 505


async def test_more_than_a_page_of_tags_made_in_one_moment_is_read(session: Session) -> None:
    """An import makes many tags in one second; the cursor is strict by default."""
    session.sandbox.state.clock = lambda: 1_800_000_000.0
    for number in range(40):
        session.sandbox.store.add_tag(f"Import {number}")
    tags = (await session.workspace.book()).directory.tags
    assert (await tags.resolve("VIP", argument="tags")).id == 101


async def test_a_failed_fetch_of_labels_costs_the_names_and_not_the_answer(session: Session) -> None:
    session.sandbox.faults.add(Fault("list_fields", "status", status=403, times=-1))
    facts = await session.ok("lookup_contact", contact_id=1001)
    assert facts["contacts"][0]["custom_fields"] == {"field 31": "Gold"}
