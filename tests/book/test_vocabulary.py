"""The account's names: fetched once, kept ten minutes, fetched again on a miss, at most once in thirty seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import anyio
import pytest
from support import HURRIED, OFFICE, Clock, OpenSession, Session

from contacts_mcp.api.client import PAGE
from contacts_mcp.book.people.requests import Edit, Wanted, resolved
from contacts_mcp.book.vocabulary import (
    KEEP,
    LABEL_PATIENCE,
    LISTS,
    MOST_TAG_PAGES,
    REFETCH_AFTER,
    Found,
    NameList,
    Snapshot,
    Vocabulary,
)
from contacts_mcp.errors import Forbidden, InvalidArgument, ServiceFailed, UnknownName
from contacts_mcp.sandbox import Behaviour, Fault
from contacts_mcp.words.names import Named

START = 1000.0


class Account:
    """Fields that somebody else may add to, and how often they were asked for."""

    def __init__(self) -> None:
        self.fields = [Named(31, "Plan")]
        self.fetches = 0
        self.is_down = False
        self.takes = 0.0  # seconds

    async def fetch(self) -> Found:
        self.fetches += 1
        await anyio.sleep(self.takes)
        if self.is_down:
            raise ServiceFailed("down")
        return Found(list(self.fields), unread=0)


@pytest.fixture
def clock() -> Clock:
    return Clock(START)


@pytest.fixture
def account() -> Account:
    return Account()


@pytest.fixture
def fields(account: Account, clock: Clock) -> NameList:
    return NameList("custom field", account.fetch, hint="See them all.", clock=clock)


async def labels(fields: NameList, *ids: int) -> list[str]:
    """The labels of `ids` in an answer that mentions them all."""
    names = await fields.naming({*ids})
    return [names.label(number) for number in ids]


async def test_nothing_is_fetched_before_it_is_needed(fields: NameList, account: Account) -> None:
    assert await labels(fields) == []
    assert account.fetches == 0
    assert (await fields.no_older_than(KEEP)).resolve("plan", argument="custom_fields").id == 31
    assert account.fetches == 1


async def test_the_list_is_kept_for_ten_minutes(fields: NameList, account: Account, clock: Clock) -> None:
    for passed, fetches in ((0, 1), (599, 1), (600, 1), (601, 2), (602, 2)):
        clock.now = START + passed
        assert (await fields.no_older_than(KEEP)).label(31) == "Plan"
        assert await labels(fields, 31) == ["Plan"]
        assert account.fetches == fetches


async def test_many_at_once_fetch_it_once(fields: NameList, account: Account) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(fields.naming, {31})
            tasks.start_soon(fields.no_older_than, KEEP)
    assert account.fetches == 1


async def test_all_labels_of_an_answer_are_had_at_once(fields: NameList, account: Account) -> None:
    assert await labels(fields, 31, 32, 33) == ["Plan", "field 32", "field 33"]
    assert account.fetches == 1


async def test_an_unknown_id_in_an_answer_fetches_again(fields: NameList, account: Account, clock: Clock) -> None:
    await fields.no_older_than(KEEP)
    account.fields.append(Named(32, "Region"))
    clock.now += REFETCH_AFTER + 1
    assert await labels(fields, 31, 32) == ["Plan", "Region"]
    assert account.fetches == 2


async def test_an_unknown_id_fetches_at_most_once_in_thirty_seconds(
    fields: NameList, account: Account, clock: Clock
) -> None:
    for second in range(91):
        clock.now = START + second
        assert await labels(fields, 99) == ["field 99"]
    assert account.fetches == 3


async def test_a_label_never_fails_and_a_name_does(fields: NameList, account: Account, clock: Clock) -> None:
    """An answer that has been earned is not lost because a name for it cannot be had."""
    account.is_down = True
    assert await labels(fields, 31) == ["field 31"]
    with pytest.raises(ServiceFailed):
        await fields.no_older_than(KEEP)
    account.is_down = False
    clock.now += REFETCH_AFTER
    assert await labels(fields, 31) == ["Plan"]


async def test_a_list_that_cannot_be_had_is_not_asked_for_again_for_thirty_seconds(
    fields: NameList, account: Account, clock: Clock
) -> None:
    account.is_down = True
    for second in range(60):
        clock.now = START + second
        assert await labels(fields, 31, 32) == ["field 31", "field 32"]
    assert account.fetches == 2


async def test_a_list_that_could_not_be_had_for_labels_is_still_fetched_for_a_name(
    fields: NameList, account: Account
) -> None:
    account.is_down = True
    await labels(fields, 31)
    account.is_down = False
    assert (await fields.no_older_than(KEEP)).resolve("Plan", argument="custom_fields").id == 31


async def test_an_old_list_serves_labels_while_the_service_is_down(
    fields: NameList, account: Account, clock: Clock
) -> None:
    await fields.no_older_than(KEEP)
    account.is_down = True
    clock.now += KEEP + 1
    assert await labels(fields, 31) == ["Plan"]


@pytest.mark.parametrize("anyio_backend", [HURRIED], ids=["hurried"])
@pytest.mark.parametrize(
    ("takes", "label", "waited"),
    [(LABEL_PATIENCE - 0.1, "Plan", LABEL_PATIENCE - 0.1), (3600.0, "field 31", LABEL_PATIENCE)],
    ids=["in time", "too late"],
)
async def test_an_answer_waits_only_so_long_for_a_name(
    fields: NameList, account: Account, takes: float, label: str, waited: float
) -> None:
    account.takes = takes
    before = anyio.current_time()
    assert await labels(fields, 31) == [label]
    assert anyio.current_time() - before == pytest.approx(waited)


# Three lists of one account, as calls take them. Against the sandbox.


@pytest.fixture
async def session(open_session: OpenSession) -> AsyncIterator[Session]:
    async with open_session(contacts=2) as opened:
        yield opened


@pytest.fixture
async def vocabulary(session: Session, clock: Clock) -> Vocabulary:
    book = await session.workspace.book()
    session.sandbox.requests.clear()
    return Vocabulary(book.api, clock=clock)


def fetched(session: Session) -> Counter[str]:
    """The requests since the last time this was asked, by operation."""
    count = Counter(session.operations)
    session.sandbox.requests.clear()
    return count


async def test_the_lists_are_those_of_the_office(vocabulary: Vocabulary) -> None:
    snapshot = await vocabulary.read(*LISTS)
    for name in LISTS:
        items, office = (getattr(one, name).items for one in (snapshot, OFFICE))
        assert sorted(items, key=lambda item: item.id) == list(office), name


async def test_a_snapshot_costs_only_the_lists_that_are_asked_for(session: Session, vocabulary: Vocabulary) -> None:
    assert (await vocabulary.read()).fields.items == ()
    assert fetched(session) == {}
    snapshot = await vocabulary.read("tags")
    assert (len(snapshot.tags.items), snapshot.fields.items, snapshot.members.items) == (6, (), ())
    assert fetched(session) == {"list_tags": 1}


@pytest.mark.parametrize(
    ("tables", "asked"),
    [
        ([], {}),
        ([{}, {"first": "Jo", "tags": [], "assignee": None, "is_opted_out": None}], {}),
        ([{"custom:31": ""}], {"list_fields": 1}),
        ([{"tags": [101]}], {"list_tags": 1}),
        ([{"assignee": 501}], {"get_team": 1}),
        ([{"tags": [101]}, {"custom:31": "x", "tags": [102]}], {"list_fields": 1, "list_tags": 1}),
    ],
    ids=["no table", "nothing to name", "a field", "a tag", "an owner", "two tables"],
)
async def test_naming_costs_only_the_lists_that_values_mention(
    session: Session, vocabulary: Vocabulary, tables: Any, asked: Any
) -> None:
    await vocabulary.naming(*tables)
    assert fetched(session) == asked


async def test_a_page_of_contacts_costs_one_list_of_fields(session: Session, vocabulary: Vocabulary) -> None:
    snapshot = await vocabulary.naming(*({"custom:31": str(number), "custom:33": "x"} for number in range(25)))
    assert (snapshot.fields.label(31), snapshot.fields.label(33)) == ("Plan", "Region")
    assert fetched(session) == {"list_fields": 1}


def add_field(session: Session) -> int:
    return session.sandbox.store.add_field("Shoe Size")


def add_tag(session: Session) -> int:
    return session.sandbox.store.add_tag("Wholesale")


@pytest.mark.parametrize(
    ("add", "wanted", "key", "renewed"),
    [
        (add_field, Wanted(custom_fields={"shoe size": "42"}), "custom:{0}", "list_fields"),
        (add_field, Wanted(clear=["shoe size"]), "custom:{0}", "list_fields"),
        (add_tag, Wanted(tags=["wholesale"]), "tags", "list_tags"),
    ],
    ids=["a field to set", "a field to clear", "a tag"],
)
async def test_a_name_made_upstream_is_found(
    session: Session,
    vocabulary: Vocabulary,
    clock: Clock,
    add: Callable[[Session], int],
    wanted: Wanted,
    key: str,
    renewed: str,
) -> None:
    await vocabulary.read(*LISTS)
    number = add(session)
    clock.now += REFETCH_AFTER + 1
    fetched(session)
    edit = await resolved(wanted, vocabulary)
    assert edit.values.keys() == {key.format(number)}
    assert fetched(session) == {renewed: 1}


async def test_a_miss_renews_only_the_lists_that_missed(session: Session, vocabulary: Vocabulary, clock: Clock) -> None:
    await vocabulary.read(*LISTS)
    clock.now += REFETCH_AFTER + 1
    fetched(session)
    everything: dict[str, Any] = {"custom_fields": {"Plan": "Gold"}, "assignee": "Alex Kim", "tags": ["VIP"]}
    for missing, renewed in (
        ({"tags": ["Nope"]}, {"list_tags": 1}),
        ({"assignee": "Nope"}, {"get_team": 1}),
        ({"custom_fields": {"Nope": "x"}}, {"list_fields": 1}),
    ):
        with pytest.raises(UnknownName):
            await resolved(Wanted(**everything | missing), vocabulary)
        assert fetched(session) == renewed


async def test_misses_of_several_lists_renew_each_once(session: Session, vocabulary: Vocabulary, clock: Clock) -> None:
    await vocabulary.read(*LISTS)
    session.sandbox.store.add_tag("Wholesale")
    clock.now += REFETCH_AFTER + 1
    fetched(session)
    with pytest.raises(UnknownName) as refused:
        await resolved(Wanted(tags=["Wholesale", "Nope"], custom_fields={"Nope": "x", "Nix": "y"}), vocabulary)
    assert [miss.argument for miss in refused.value.misses] == ["custom_fields", "custom_fields", "tags"]
    assert fetched(session) == {"list_tags": 1, "list_fields": 1}


async def test_misses_fetch_at_most_once_in_thirty_seconds(
    session: Session, vocabulary: Vocabulary, clock: Clock
) -> None:
    for second in range(91):
        clock.now = START + second
        with pytest.raises(UnknownName):
            await resolved(Wanted(custom_fields={"Nope": "x"}), vocabulary)
    assert fetched(session) == {"list_fields": 3}


async def test_an_ambiguous_name_is_no_miss(session: Session, vocabulary: Vocabulary, clock: Clock) -> None:
    await vocabulary.read(*LISTS)
    clock.now += REFETCH_AFTER + 1
    fetched(session)
    with pytest.raises(UnknownName) as refused:
        await resolved(Wanted(custom_fields={"N O T E S": "x"}), vocabulary)
    assert refused.value.is_ambiguous
    assert fetched(session) == {}


async def test_a_request_without_names_costs_nothing(session: Session, vocabulary: Vocabulary) -> None:
    assert await resolved(Wanted(first="Jo"), vocabulary) == Edit({"first": "Jo"})
    assert fetched(session) == {}


@pytest.mark.parametrize(
    "wanted",
    [
        Wanted(email="jo", tags=["VIP"]),
        Wanted(tags=["VIP"], add_tags=["Lead"]),
        Wanted(tags=[], custom_fields={"Plan": "x"}),
        Wanted(first=" ", assignee="Alex"),
        Wanted(replace_custom_fields=True, clear=["Plan"]),
    ],
    ids=["e-mail", "two ways to tag", "no tags", "blank name", "nothing to replace with"],
)
async def test_a_request_that_is_refused_without_names_asks_for_none(
    session: Session, vocabulary: Vocabulary, wanted: Wanted
) -> None:
    with pytest.raises(InvalidArgument):
        await resolved(wanted, vocabulary)
    assert fetched(session) == {}


async def test_resolving_never_awaits(vocabulary: Vocabulary) -> None:
    """It is handed one snapshot, so a list that changes meanwhile cannot give one call two answers."""
    seen: list[Snapshot] = []
    await vocabulary.resolving(["fields"], seen.append)
    assert [type(one) for one in seen] == [Snapshot]


async def test_a_list_that_cannot_be_fetched_refuses_names_and_costs_an_answer_only_labels(
    session: Session, vocabulary: Vocabulary
) -> None:
    session.sandbox.faults.add(Fault("list_fields", "status", status=403, times=-1))
    with pytest.raises(Forbidden):
        await resolved(Wanted(custom_fields={"Plan": "Gold"}), vocabulary)
    snapshot = await vocabulary.naming({"custom:31": "Gold", "tags": [101]})
    assert (snapshot.fields.label(31), snapshot.tags.label(101)) == ("field 31", "VIP")


@pytest.mark.parametrize(
    "switches",
    [{}, {"lists": "wrapped"}, {"cursor": "inclusive"}, {"ids_as_strings": True}, {"field_name_key": "name"}],
    ids=str,
)
async def test_all_tags_and_fields_are_read_page_after_page(open_session: OpenSession, switches: Any) -> None:
    async with open_session(contacts=2, behaviour=Behaviour(requests_per_minute=0, **switches)) as session:
        added = {session.sandbox.store.add_tag(f"Tag {number}", color="") for number in range(3)}
        names = await (await session.workspace.book()).vocabulary.read(*LISTS)
        assert {tag.id for tag in names.tags.items} == {101, 102, 103, 104, 105, 106} | added
        assert len(names.fields.items) == 10
        assert names.members.resolve("dana.levy@example.com", argument="assignee").id == 505


async def test_more_than_a_page_of_tags_made_in_one_moment_is_read(session: Session, vocabulary: Vocabulary) -> None:
    """An import makes many tags in one second. The cursor is strict by default."""
    session.sandbox.state.clock = lambda: 1_800_000_000.0
    for number in range(40):
        session.sandbox.store.add_tag(f"Import {number}")
    names = await vocabulary.read("tags")
    assert names.tags.resolve("VIP", argument="tags").id == 101


@pytest.mark.parametrize("cursor", ["strict", "inclusive"])
async def test_a_list_of_tags_costs_at_most_so_many_requests(
    open_session: OpenSession, clock: Clock, cursor: Any
) -> None:
    """An account of endless tags must not use up the minute's requests."""
    async with open_session(contacts=2, behaviour=Behaviour(cursor=cursor, requests_per_minute=0)) as session:
        session.sandbox.state.clock = Clock()
        for number in range((MOST_TAG_PAGES + 3) * PAGE):
            session.sandbox.state.clock.now += 1
            session.sandbox.store.add_tag(f"Import {number}")
        vocabulary = Vocabulary((await session.workspace.book()).api, clock=clock)
        names = await vocabulary.read("tags")
        assert fetched(session) == {"list_tags": MOST_TAG_PAGES}
        # Neighbouring pages share up to two tags, because the cursor goes back behind the last moment.
    assert MOST_TAG_PAGES * (PAGE - 2) <= len(names.tags.items) <= MOST_TAG_PAGES * PAGE


async def test_a_failed_fetch_of_labels_costs_the_names_and_not_the_answer(session: Session) -> None:
    session.sandbox.faults.add(Fault("list_fields", "status", status=403, times=-1))
    facts = await session.ok("lookup_contact", contact_id=1001)
    assert facts["contacts"][0]["custom_fields"] == {"field 31": "Gold"}
