"""The journal's two forms, a file and PostgreSQL: the same answers to every question."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from postgres_server import PostgresServer

from contacts_mcp.state.acting import who
from contacts_mcp.state.journal import IN_FLIGHT, KEEP, LONGEST_CALL, Action, Entry, Journal, State
from contacts_mcp.state.postgres.database import SharedDatabase
from contacts_mcp.state.postgres.journal import PostgresJournal

AnyJournal = Journal | PostgresJournal

UPDATE = Entry(
    action="update",
    contact_id=7,
    before={"first": "Jo", "tags": [1]},
    wanted={"first": "Joe", "tags": [1]},
    rev_before=3,
    consent="By phone",
)
CREATE = Entry(action="create", before={}, wanted={"phone": "15105550101"})
MOVE = Entry(action="update", contact_id=7, before={"phone": "15105550101"}, wanted={"phone": "15105550102"})
DELETE = Entry(action="delete", contact_id=7, before={"phone": "15105550101"}, wanted={})


@dataclass
class Clock:
    """The time of day and the uptime of the machine that has the file."""

    now: float = 1_800_000_000.0
    ran: float = 5_000.0

    def __call__(self) -> float:
        return self.now

    def uptime(self) -> float:
        return self.ran


@dataclass
class FileForm:
    """Journals of accounts in one file."""

    path: Path
    clock: Clock = field(default_factory=Clock)
    opened: list[Journal] = field(default_factory=list)

    def journal(self, account: str = "one") -> Journal:
        self.opened.append(Journal(self.path, account, clock=self.clock, uptime=self.clock.uptime))
        return self.opened[-1]

    async def wait(self, seconds: float) -> None:
        self.clock.now += seconds
        self.clock.ran += seconds

    async def purged_after(self, journal: AnyJournal, days: int) -> None:
        for _ in range(days * 24):
            await self.wait(3600)
            await journal.entries()

    async def aclose(self) -> None:
        for journal in self.opened:
            await journal.aclose()


@dataclass
class PostgresForm:
    """Journals of accounts in one database. Time passes by making all that is there older."""

    server: PostgresServer
    db: SharedDatabase
    prefix: str

    def journal(self, account: str = "one") -> PostgresJournal:
        return PostgresJournal(self.db, f"{self.prefix} {account}")

    async def wait(self, seconds: float) -> None:
        of = "account IN (SELECT account FROM account_name WHERE name LIKE %(like)s)"
        values = {"seconds": seconds, "like": f"{self.prefix} %"}
        await self.db.execute(f"UPDATE journal SET at = at - %(seconds)s, sent = sent - %(seconds)s WHERE {of}", values)
        older = "at = at - make_interval(secs => %(seconds)s)"
        await self.db.execute(f"UPDATE used_token SET {older} WHERE {of}", values)

    async def purged_after(self, journal: AnyJournal, days: int) -> None:
        assert isinstance(journal, PostgresJournal)
        await self.wait(days * 24 * 3600.0)
        await journal.purge()

    async def aclose(self) -> None:
        pass


Form = FileForm | PostgresForm


@pytest.fixture(params=["file", "postgres"])
async def form(request: pytest.FixtureRequest, tmp_path: Path, new_account: Callable[[], str]) -> AsyncIterator[Form]:
    if request.param == "file":
        made: Form = FileForm(tmp_path / "journal.sqlite3")
        yield made
        await made.aclose()
        return
    server = request.getfixturevalue("postgres_server")
    db = SharedDatabase(request.getfixturevalue("postgres"))
    yield PostgresForm(server, db, new_account())
    await db.aclose()


@pytest.fixture
def journal(form: Form) -> AnyJournal:
    return form.journal()


def ids(entries: list[Entry]) -> list[int]:
    return [entry.change_id for entry in entries]


async def finished(journal: AnyJournal, entry: Entry, **outcome: Any) -> Entry:
    done = replace(await journal.begin(entry), **outcome)
    if done.state != "begun":
        assert await journal.finish(done)
    return done


async def test_what_is_begun_is_there_as_it_was_given(journal: AnyJournal) -> None:
    begun = await journal.begin(UPDATE)
    assert begun == replace(UPDATE, change_id=begun.change_id, at=begun.at, uptime=begun.uptime)
    assert await journal.get(begun.change_id) == begun
    assert await journal.unfinished() == [begun]


async def test_what_is_finished_says_how_it_came_out(journal: AnyJournal) -> None:
    done = replace(await journal.begin(UPDATE), state="done", after={"first": "Joe", "tags": [1]}, rev_after=4)
    assert await journal.finish(done)
    assert await journal.get(done.change_id) == done
    assert await journal.unfinished() == []


async def test_every_text_comes_back_as_it_was(journal: AnyJournal) -> None:
    texts = {
        "first": 'Zoë "李" \\ \n\x00\u202e👩\u200d👧',
        "half": "\ud800",
        "custom:31": "x" * 100_000,
        "z": 1,
        "a": 2,
    }
    begun = await journal.begin(replace(UPDATE, before=texts, record={"note": [texts]}))
    found = await journal.get(begun.change_id)
    assert found is not None
    assert found == begun
    assert [*found.before] == [*texts], "the order of the values is the order in which people read them"


async def test_it_says_who_acted(journal: AnyJournal) -> None:
    token = who.set("ada@example.com")
    try:
        begun = await journal.begin(UPDATE)
    finally:
        who.reset(token)
    nobody = await journal.begin(UPDATE)
    assert [entry.who for entry in await journal.entries()] == ["", "ada@example.com"]
    assert (begun.who, nobody.who) == ("ada@example.com", "")


async def test_entries_come_newest_first_page_after_page_and_by_contact(journal: AnyJournal) -> None:
    one, two, three, four, five = [
        (await journal.begin(replace(UPDATE, contact_id=contact_id))).change_id for contact_id in (7, 8, 7, 8, 7)
    ]
    assert one < two < three < four < five
    assert ids(await journal.entries(limit=2)) == [five, four]
    assert ids(await journal.entries(limit=2, before=four)) == [three, two]
    assert ids(await journal.entries(contact_id=7)) == [five, three, one]


async def test_no_account_sees_anything_of_another(form: Form) -> None:
    ours, theirs = form.journal("ours"), form.journal("theirs")
    begun = await finished(ours, replace(MOVE, token="digest", merge="7:x"), state="unknown")
    number = begun.change_id
    assert await theirs.get(number) is None
    assert [await theirs.entries(), await theirs.unfinished(), await theirs.recent(), await theirs.of_merge("7:x")] == [
        []
    ] * 4
    assert [await theirs.arriving(7, "15105550101"), await theirs.about_phone("15105550101")] == [[], []]
    assert (await theirs.by_token("digest"), await theirs.known_contacts([7])) == (None, set())
    assert await theirs.known_phones(["15105550101"]) == set()
    await theirs.finish(replace(begun, state="done"))
    found = await ours.get(number)
    assert found is not None
    assert found.state == "unknown"
    assert await ours.spend_token("another")
    if isinstance(ours, PostgresJournal):  # in a file a digest, which the account is part of, is enough
        assert await theirs.spend_token("another")


async def test_two_servers_share_it(form: Form) -> None:
    one, other = form.journal(), form.journal()
    begun = await one.begin(UPDATE)
    assert await other.get(begun.change_id) == begun
    assert (await other.begin(UPDATE)).change_id > begun.change_id


async def test_a_token_is_spent_once_among_all(form: Form) -> None:
    one, other = form.journal(), form.journal()
    assert await one.spend_token("digest")
    assert not await one.spend_token("digest")
    assert not await other.spend_token("digest")
    assert await other.spend_token("another")


async def test_a_confirmation_finds_what_it_allowed_unless_that_was_not_done(journal: AnyJournal) -> None:
    begun = await journal.begin(replace(UPDATE, token="digest"))
    assert await journal.by_token("digest") == begun
    assert await journal.by_token("other") is None
    await journal.finish(replace(begun, state="not_done"))
    assert await journal.by_token("digest") is None


OUTCOMES: list[tuple[dict[str, Any], bool]] = [
    ({"state": "begun"}, True),
    ({"state": "unknown"}, True),
    ({"state": "done"}, False),
    ({"state": "not_done"}, False),
    ({"state": "done", "unanswered": True}, True),
    ({"state": "not_done", "unanswered": True}, True),
]
ABOUT = [
    (CREATE, None, ["15105550101"]),
    (MOVE, 7, []),
    (MOVE, None, ["15105550101"]),
    (MOVE, 99, ["15105550102"]),
    (DELETE, None, ["15105550199", "15105550101"]),
]


@pytest.mark.parametrize(("outcome", "arrives"), OUTCOMES, ids=str)
async def test_a_request_that_may_still_arrive_is_found_by_contact_and_by_phone(
    form: Form, outcome: Any, arrives: bool
) -> None:
    for number, (entry, contact_id, phones) in enumerate(ABOUT):
        journal = form.journal(str(number))
        begun = await finished(journal, entry, **outcome)
        assert ids(await journal.arriving(contact_id, *phones)) == [begun.change_id] * arrives
        assert await journal.arriving(8, "15105550188") == []
        assert journal.may_still_arrive(begun)
        assert IN_FLIGHT - 2 < journal.seconds_left(begun) <= IN_FLIGHT
        await form.wait(IN_FLIGHT)
        assert await journal.arriving(contact_id, *phones) == []
        old = await journal.get(begun.change_id)
        assert old is not None
        assert not journal.may_still_arrive(old)


async def test_a_second_copy_makes_an_entry_young_again(form: Form, journal: AnyJournal) -> None:
    begun = await journal.begin(MOVE)
    await form.wait(50)
    old = await journal.get(begun.change_id)
    assert old is not None
    assert journal.seconds_left(old) < 15
    again = journal.given_up(old)
    assert journal.seconds_left(again) > 55
    assert await journal.finish(replace(again, state="unknown"))
    assert await journal.get(begun.change_id) == replace(again, state="unknown")
    await form.wait(50)
    assert ids(await journal.arriving(7)) == [begun.change_id]


async def test_an_unknown_outcome_is_looked_up_until_nothing_can_arrive_and_then_no_more(
    form: Form, journal: AnyJournal
) -> None:
    entry = await finished(journal, MOVE, state="unknown")
    await journal.looked_at(entry)
    assert ids(await journal.unfinished()) == [entry.change_id]
    await form.wait(IN_FLIGHT)
    old = await journal.get(entry.change_id)
    assert old is not None
    await journal.looked_at(old)
    assert await journal.unfinished() == []


@pytest.mark.parametrize("state", ["begun", "done", "unknown", "not_done"])
async def test_a_phone_that_was_given_out_within_the_minute_is_known(form: Form, state: State) -> None:
    cases = [
        (CREATE, "15105550101", True),
        (MOVE, "15105550102", True),
        (MOVE, "15105550101", False),
        (replace(MOVE, wanted={"phone": "15105550101", "first": "Jo"}), "15105550101", False),
        (DELETE, "15105550101", False),
    ]
    for number, (entry, phone, is_given_out) in enumerate(cases):
        journal = form.journal(str(number))
        begun = await finished(journal, entry, state=state)
        expected = [begun.change_id] * (is_given_out and state != "not_done")
        assert ids(await journal.phone_given_out(phone)) == expected
        await form.wait(IN_FLIGHT)
        assert await journal.phone_given_out(phone) == []
        assert ids(await journal.phone_given_out(phone, within=90)) == expected
        assert ids(await journal.phone_given_out(phone, within=float("inf"))) == expected


async def test_an_undo_is_written_on_its_change_and_taken_off_again(journal: AnyJournal) -> None:
    async def undone_by(change: Entry) -> int | None:
        found = await journal.get(change.change_id)
        assert found is not None
        return found.undone_by

    first = await finished(journal, UPDATE, state="done")
    undo = await finished(journal, replace(UPDATE, undoes=first.change_id), state="done")
    assert await undone_by(first) == undo.change_id
    redo = await finished(journal, replace(UPDATE, undoes=undo.change_id), state="done")
    assert (await undone_by(first), await undone_by(undo)) == (None, redo.change_id)
    await finished(journal, replace(UPDATE, undoes=first.change_id), state="not_done")
    assert await undone_by(first) is None


async def test_an_import_is_one_change_in_the_list_and_its_contacts_are_found(journal: AnyJournal) -> None:
    parent = await journal.begin(Entry(action="import", before={}, wanted={}, record={"plan": 7}))
    parts = await journal.begin_all(
        [
            Entry(action="create", before={}, wanted={"phone": phone}, parent=parent.change_id)
            for phone in ("15105550101", "15105550102", "15105550103")
        ]
    )
    assert ids(parts) == sorted(ids(parts))
    assert [part.wanted["phone"][-1] for part in parts] == ["1", "2", "3"]
    assert ids(await journal.open_runs()) == [parent.change_id]
    assert await journal.finish_all(
        [replace(part, state="done", contact_id=1000 + at, rev_after=1) for at, part in enumerate(parts)]
    )
    assert await journal.finish(replace(parent, state="done"))
    assert await journal.open_runs() == await journal.unfinished() == []
    assert ids(await journal.entries()) == [parent.change_id]
    assert ids(await journal.entries(contact_id=1001)) == [parts[1].change_id]
    assert ids(await journal.parts_of(parent.change_id)) == ids(parts)
    assert ids(await journal.parts_of(parent.change_id, after=parts[0].change_id, limit=1)) == [parts[1].change_id]


async def test_entries_go_once_they_are_thirty_days_old_whatever_their_state(form: Form, journal: AnyJournal) -> None:
    for state in ("done", "begun", "unknown", "not_done"):
        await finished(journal, UPDATE, state=state)
    await journal.spend_token("digest")
    await form.purged_after(journal, int(KEEP / 86_400) - 1)
    assert len(await journal.entries()) == 4
    await form.purged_after(journal, 3)
    assert await journal.entries() == []
    assert await journal.spend_token("digest")


@pytest.mark.parametrize(("outcome", "is_kept"), OUTCOMES, ids=str)
async def test_forgetting_keeps_what_may_still_arrive(
    form: Form, journal: AnyJournal, outcome: Any, is_kept: bool
) -> None:
    await finished(journal, UPDATE, **outcome)
    await journal.spend_token("digest")
    assert await journal.forget() == (0 if is_kept else 1)
    assert len(await journal.entries()) == is_kept
    assert not await journal.spend_token("digest")
    await form.wait(LONGEST_CALL)
    assert await journal.forget() == is_kept


async def test_all_of_an_account_is_forgotten_and_nothing_of_another(form: Form) -> None:
    ours, theirs = form.journal("ours"), form.journal("theirs")
    await ours.begin(UPDATE)
    await theirs.begin(UPDATE)
    await ours.forget_own()
    assert (len(await ours.entries()), len(await theirs.entries())) == (0, 1)


# Any history

ACTIONS: list[Action] = ["create", "update", "update", "delete"]
STATES: list[State] = ["begun", "done", "done", "done", "not_done", "unknown"]
PHONES = [f"1510555010{number}" for number in range(5)]
CONTACTS = range(1, 5)


def an_entry(dice: random.Random, known: list[int]) -> tuple[Entry, dict[str, Any]]:
    action = dice.choice(ACTIONS)
    before = {} if action == "create" else {"phone": dice.choice([*PHONES, ""]), "first": "Jo"}
    wanted = {} if action == "delete" else {"phone": dice.choice(PHONES), "first": dice.choice(["Jo", "Joe"])}
    if dice.random() < 0.2:
        wanted.pop("phone", None)
    contact = dice.choice(CONTACTS)
    entry = Entry(
        action=action,
        before=before,
        wanted=wanted,
        contact_id=None if action == "create" else contact,
        merge=dice.choice(["", "", "1:a", "2:b"]),
        token=dice.choice(["", "", "digest", "other"]),
        undoes=dice.choice([None, None, *known]),
        parent=dice.choice([None, None, None, *known]),
        record=dice.choice([{}, {"probe": "x"}]),
        rev_before=dice.randrange(9),
    )
    state = dice.choice(STATES)
    outcome = {"state": state, "rev_after": dice.randrange(9), "unanswered": dice.random() < 0.2}
    if action == "create" and state == "done":
        outcome["contact_id"] = contact
    return entry, outcome if state != "begun" else {}


def in_common(entry: Entry | None, names: dict[int, int]) -> Entry | None:
    """The entry without all that differs between the forms: numbers and times."""
    if entry is None:
        return None
    numbers = ("change_id", "undoes", "undone_by", "parent")
    return replace(entry, **{name: names.get(getattr(entry, name) or 0) for name in numbers}, at=0, uptime=0)


async def lists(journal: AnyJournal, names: dict[int, int]) -> AsyncIterator[tuple[str, list[Entry]]]:
    for name in ("entries", "unfinished", "open_runs", "made_by_probe", "recent"):
        yield name, await getattr(journal, name)()
    for merge in ("1:a", "2:b", ""):
        yield f"of_merge {merge}", await journal.of_merge(merge)
    for number, step in names.items():
        yield f"parts_of {step}", await journal.parts_of(number)
    for name in ("departures_from", "about_phone", "phone_given_out"):
        for phone in PHONES:
            yield f"{name} {phone}", await getattr(journal, name)(phone)
    for contact in CONTACTS:
        yield f"entries {contact}", await journal.entries(contact_id=contact)
        yield f"arriving {contact}", await journal.arriving(contact, PHONES[contact])
        yield f"arriving at {contact}", await journal.arriving(None, PHONES[contact])


async def single_ones(journal: AnyJournal, names: dict[int, int]) -> AsyncIterator[tuple[str, Entry | None]]:
    for digest in ("digest", "other"):
        yield f"by_token {digest}", await journal.by_token(digest)
    for name in ("creation_of", "deleted", "last_after"):
        for contact in CONTACTS:
            yield f"{name} {contact}", await getattr(journal, name)(contact)
    for number, step in names.items():
        entry = await journal.get(number)
        assert entry is not None
        yield f"get {step}", entry
        yield f"next_after {step}", await journal.next_after(entry)


async def answers(journal: AnyJournal, names: dict[int, int]) -> dict[str, Any]:
    """All answers about a history. `names` are the steps in which its changes were begun."""
    return (
        {name: [in_common(entry, names) for entry in entries] async for name, entries in lists(journal, names)}
        | {name: in_common(entry, names) async for name, entry in single_ones(journal, names)}
        | {f"rev_written {contact}": await journal.rev_written(contact) for contact in CONTACTS}
        | {
            "known_phones": await journal.known_phones(PHONES[:3]),
            "known_contacts": await journal.known_contacts([1, 2, 9]),
            "own_phones": await journal.own_phones(after=1, limit=2),
        }
    )


@pytest.mark.parametrize("seed", range(4))
async def test_the_forms_answer_every_question_about_any_history_alike(
    tmp_path: Path, db: SharedDatabase, account: str, seed: int
) -> None:
    async def told(journal: AnyJournal) -> list[dict[str, Any]]:
        dice, names = random.Random(seed), dict[int, int]()
        heard = []
        for step in range(1, 25):
            entry, outcome = an_entry(dice, [*names])
            begun = await journal.begin(entry)
            names[begun.change_id] = step
            if outcome:
                assert await journal.finish(replace(begun, **outcome))
            if not step % 8:
                heard.append(await answers(journal, names))
        return heard

    file = FileForm(tmp_path / "journal.sqlite3")
    in_file = await told(file.journal(account))
    await file.aclose()
    for here, there in zip(in_file, await told(PostgresJournal(db, account)), strict=True):
        for question, answer in here.items():
            assert there[question] == answer, question
