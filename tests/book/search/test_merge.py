"""Merging: one contact gets everything that it lacks, and only then the others go. Nothing is lost without a word.

Guards `contacts_mcp/book/search/merge.py`, and the undo of a merge in `contacts_mcp/book/history/undo.py`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import aclosing, closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from anyio import fail_after
from hypothesis import given
from hypothesis import strategies as st
from support import OpenSession, Session, kinds

from contacts_mcp.book.book import Book
from contacts_mcp.book.fields import MOST_TAGS
from contacts_mcp.book.history.changes import changes_of
from contacts_mcp.book.history.undo import undo
from contacts_mcp.book.people.create import create
from contacts_mcp.book.people.requests import Wanted
from contacts_mcp.book.people.update import update
from contacts_mcp.book.search.merge import Merged, merge, plan_of
from contacts_mcp.book.values import values_of
from contacts_mcp.errors import ContactNotFound, ContactsError, InvalidArgument, OutcomeUnknown, Refused
from contacts_mcp.models import Contact
from contacts_mcp.sandbox import Behaviour, Fault, Lag
from contacts_mcp.state.journal import Journal

Person = dict[str, Any]
KEPT: Person = {"phone": "12125550141", "first": "Jordan", "last": "Rivera", "tags": [101], "custom": {"31": "Gold"}}
OTHER: Person = {
    "phone": "12125550142",
    "first": "Jordan",
    "last": "Rivera",
    "email": "jordan@example.com",
    "tags": [101, 103],
    "custom": {"31": "Silver", "33": "Oakland"},
    "assigned_user_id": 502,
}
THIRD: Person = {"phone": "12125550143", "first": "Jordan", "last": "Rivera-Lee", "custom": {"35": "es"}}


@pytest.fixture
async def session(open_session: OpenSession) -> AsyncIterator[Session]:
    async with open_session(contacts=0) as opened:
        yield opened


@pytest.fixture
async def book(session: Session) -> Book:
    return await session.workspace.book()


def added(session: Session, *people: Person) -> list[int]:
    """Contacts that have been there for long: of a new one, its absence would prove nothing."""
    known = {"created": "2026-01-01T00:00:00Z", "updated": "2026-01-01T00:00:00Z"}
    return [session.sandbox.store.add_contact(**person | known) for person in people]


def stored(session: Session, contact_id: int) -> Person:
    person: Person = session.sandbox.store.contact(contact_id)
    return person


async def merged(book: Book, keep: int, *others: int) -> Merged:
    token = (await merge(book, keep, others)).confirm_token
    return await merge(book, keep, others, confirm_token=token)


# The plan


async def test_the_first_call_shows_the_plan_and_changes_nothing(session: Session, book: Book) -> None:
    keep, other = added(session, KEPT, OTHER)
    plan = await merge(book, keep, [other])
    assert plan.status == "needs_confirmation"
    assert {(each.field, each.contact_id) for each in plan.sources} == {
        ("phone", keep),
        ("first", keep),
        ("last", keep),
        ("display_name", keep),
        ("Plan", keep),
        ("email", other),
        ("tags", other),
        ("assignee", other),
        ("Region", other),
        ("is_opted_out", keep),
    }
    assert {(each.field, each.value, each.reason) for each in plan.losses} == {
        ("Plan", "Silver", "conflict"),
        ("phone", "+12125550142", "number"),
    }
    assert "the whole conversation" in plan.question
    assert 'Plan "Silver"' in plan.question
    assert [stored(session, each)["rev"] for each in (keep, other)] == [1, 1]
    assert await book.journal.entries() == []


async def test_a_confirmed_merge_fills_the_kept_contact_and_deletes_the_others(session: Session, book: Book) -> None:
    keep, other, third = added(session, KEPT, OTHER, THIRD)
    done = await merged(book, keep, other, third)
    assert (done.status, done.deleted) == ("merged", (other, third))
    kept = stored(session, keep)
    assert kept["custom"] == {"31": "Gold", "33": "Oakland", "35": "es"}
    assert (kept["email"], kept["assigned_user_id"]) == ("jordan@example.com", 502)
    assert sorted(kept["tags"]) == [101, 103]
    assert [stored(session, each) for each in (other, third)] == [None, None]
    assert done.card is not None
    assert done.card.email == "jordan@example.com"


async def test_the_kept_contact_is_written_and_seen_before_anything_is_deleted(session: Session, book: Book) -> None:
    keep, other = added(session, KEPT, OTHER)
    token = (await merge(book, keep, [other])).confirm_token
    session.sandbox.requests.clear()
    await merge(book, keep, [other], confirm_token=token)
    assert session.operations == [
        "get_contact",
        "get_contact",
        "update_contact",
        "get_contact",
        "get_contact",
        "delete_contact",
        "get_contact",
    ]


async def test_where_nothing_is_filled_the_kept_contact_is_not_written(session: Session, book: Book) -> None:
    keep, other = added(session, OTHER, KEPT | {"custom": {}, "tags": []})
    assert (await merged(book, keep, other)).status == "merged"
    assert stored(session, keep)["rev"] == 1


@pytest.mark.parametrize(
    ("kept", "other", "wanted"),
    [
        ({"first": "Jordan"}, {"first": "Jordan", "last": "Rivera"}, {"last": "Rivera"}),
        ({"first": "J."}, {"first": "Jordan", "last": "Rivera"}, {"first": "J.", "last": "Rivera"}),
        ({"first": "Rivera"}, {"first": "Jordan", "last": "Rivera"}, {"first": "Rivera", "last": ""}),
        ({}, {"first": "Jordan", "last": "Rivera"}, {"first": "Jordan", "last": "Rivera"}),
        ({"last": "Rivera"}, {"first": "Sue", "last": "Lee"}, {"first": "", "last": "Rivera"}),
        ({"first": "Jo", "last": "Lee"}, {"display_name": "Lee, Jo"}, {"display_name": ""}),
        ({"first": "Jo", "last": "Lee"}, {"display_name": "JL"}, {"display_name": "JL"}),
    ],
    ids=["last", "initial", "other-field", "both", "somebody-else", "same-display", "own-display"],
)
def test_a_name_is_filled_from_one_contact_alone(kept: Person, other: Person, wanted: Person) -> None:
    plan = plan_of(Contact(id=1, phone="12125550141", **kept), [Contact(id=2, **other)])
    assert {key: plan.wanted[key] for key in wanted} == wanted


def test_tags_are_united_up_to_the_limit_and_the_rest_is_named() -> None:
    kept = Contact(id=1, phone="12125550141", tags=(1, 2, 3, 4))
    plan = plan_of(kept, [Contact(id=2, tags=(4, 5, 6, 7))])
    assert plan.wanted["tags"] == [1, 2, 3, 4, 5]
    assert ("tags", [6, 7], 2, "too_many_tags") in plan.losses


def test_what_nobody_can_write_is_named_as_lost() -> None:
    other = Contact.model_validate({"id": 2, "note": [{"text": "Rings twice"}], "email_suppressions": [3], "email": []})
    plan = plan_of(Contact(id=1, phone="12125550141"), [other])
    assert {(name, reason) for name, _, _, reason in plan.losses} == {
        ("note", "cannot_be_written"),
        ("email_suppressions", "cannot_be_written"),
    }


def test_a_value_that_cannot_be_read_is_not_overwritten() -> None:
    kept = Contact.model_validate({"id": 1, "phone": "12125550141", "email": {"odd": 1}})
    plan = plan_of(kept, [Contact(id=2, email="jo@example.com")])
    assert (plan.wanted["email"], plan.losses) == ("", [("email", "jo@example.com", 2, "unreadable")])


texts = st.sampled_from(["", "A", "B"])
people = st.builds(
    lambda **values: values,
    first=texts,
    last=texts,
    email=texts,
    display_name=texts,
    custom=st.dictionaries(st.sampled_from([31, 33]), st.sampled_from(["x", "y"])),
    tags=st.lists(st.integers(1, 8), max_size=5, unique=True),
    assigned_user_id=st.sampled_from([None, 501, 502]),
    is_opted_out=st.sampled_from([None, False, True]),
)


survivors = people.map(lambda person: Contact(id=1, phone="12125550141", **person))
rests = st.lists(people, min_size=1, max_size=3).map(
    lambda others: [Contact(id=at, phone="12125550141", **other) for at, other in enumerate(others, 2)]
)


@given(kept=survivors, others=rests)
def test_every_value_is_kept_or_named_as_lost(kept: Contact, others: list[Contact]) -> None:
    """The law of the merge for any contacts. Tags and opt-outs have laws of their own."""
    plan = plan_of(kept, others)
    lost = [(key, value) for key, value, _, _ in plan.losses]
    assert plan.wanted.items() >= _single_values(kept).items()
    for other in others:
        for key, value in _single_values(other).items():
            # A display name is not taken where it says what the name says.
            places = ("first", "last", "display_name") if key == "display_name" else (key,)
            assert value in [plan.wanted[place] for place in places] or (key, value) in lost


def _single_values(contact: Contact) -> dict[str, Any]:
    manifold = ("tags", "is_opted_out")
    return {key: value for key, value in values_of(contact).items() if key not in manifold and value not in (None, "")}


@given(kept=survivors, others=rests)
def test_every_tag_is_kept_or_named_as_lost(kept: Contact, others: list[Contact]) -> None:
    plan = plan_of(kept, others)
    lost = {tag for key, tags, _, _ in plan.losses if key == "tags" for tag in tags}
    assert len(plan.wanted["tags"]) <= MOST_TAGS
    for contact in (kept, *others):
        assert {*contact.tags} <= {*plan.wanted["tags"]} | lost


@given(kept=survivors, others=rests)
def test_the_most_restrictive_opt_out_of_any_wins(kept: Contact, others: list[Contact]) -> None:
    theirs = {other.is_opted_out for other in others}
    is_stricter = True in theirs or (kept.is_opted_out is False and None in theirs)
    assert plan_of(kept, others).wanted["is_opted_out"] is (True if is_stricter else kept.is_opted_out)


# Opt-outs


@pytest.mark.parametrize(("kept", "other"), [(False, True), (True, False), (True, True)])
async def test_the_most_restrictive_opt_out_wins(session: Session, book: Book, kept: bool, other: bool) -> None:
    keep, gone = added(session, KEPT | {"is_opted_out": kept}, OTHER | {"is_opted_out": other})
    await merged(book, keep, gone)
    assert stored(session, keep)["is_opted_out"] is True


async def test_the_number_that_becomes_free_stays_opted_out(session: Session, book: Book) -> None:
    keep, gone = added(session, KEPT, OTHER | {"is_opted_out": True})
    done = await merged(book, keep, gone)
    assert "left_opted_out" in kinds(done.notes)
    new = await create(book, "+12125550142", Wanted(first="Somebody"))
    assert new.card is not None
    assert new.card.is_opted_out is True


async def test_an_undo_opts_nobody_in(session: Session, book: Book) -> None:
    keep, gone = added(session, KEPT, OTHER | {"is_opted_out": True})
    done = await merged(book, keep, gone)
    assert done.change_id is not None
    back = await undo(book, done.change_id)
    assert back.card is not None
    assert back.card.contact_id == keep
    assert "phone" not in {change.field for change in back.changes}, "the changes are those of the contact that is told"
    assert {each["phone"]: each["is_opted_out"] for each in session.sandbox.store.contacts()} == {
        "12125550141": True,
        "12125550142": True,
    }


# Confirmation


async def test_a_token_holds_for_the_state_that_was_shown(session: Session, book: Book) -> None:
    keep, other = added(session, KEPT, OTHER)
    for moved in (keep, other):
        token = (await merge(book, keep, [other])).confirm_token
        session.sandbox.store.touch(moved, first="Moved")
        assert "token_refused" in kinds((await merge(book, keep, [other], confirm_token=token)).notes)
    assert stored(session, other) is not None


async def test_a_token_holds_for_one_direction(session: Session, book: Book) -> None:
    keep, other = added(session, KEPT, OTHER)
    token = (await merge(book, keep, [other])).confirm_token
    assert (await merge(book, other, [keep], confirm_token=token)).status == "needs_confirmation"


@pytest.mark.parametrize("others", [[], [1], [*range(2, 12)]], ids=["nobody", "itself", "too-many"])
async def test_the_others_are_a_few_other_contacts(book: Book, others: list[int]) -> None:
    with pytest.raises(InvalidArgument):
        await merge(book, 1, others)


async def test_a_contact_that_is_not_there_is_not_merged(session: Session, book: Book) -> None:
    (keep,) = added(session, KEPT)
    with pytest.raises(ContactNotFound):
        await merge(book, keep, [999_999])


async def test_a_contact_without_a_phone_cannot_be_filled(session: Session, book: Book) -> None:
    keep, other = added(session, KEPT | {"phone": ""}, OTHER)
    with pytest.raises(Refused) as refused:
        await merge(book, keep, [other])
    assert refused.value.kind == "no_phone"


# Faults


@pytest.mark.parametrize("operation", ["update_contact", "delete_contact"])
@pytest.mark.parametrize("kind", ["drop_after", "status_after", "html_after", "gateway_after"])
async def test_a_lost_answer_is_looked_for(session: Session, book: Book, operation: str, kind: Any) -> None:
    keep, other = added(session, KEPT, OTHER)
    session.sandbox.faults.add(Fault(operation, kind, status=502 if kind == "gateway_after" else 500))
    done = await merged(book, keep, other)
    assert (done.status, stored(session, other)) == ("merged", None)
    assert "answer_lost" in kinds(done.notes)


async def test_a_value_that_was_not_kept_stops_the_merge_before_anything_is_deleted(open_session: OpenSession) -> None:
    async with open_session(contacts=0) as session:
        book = await session.workspace.book()
        keep, other = added(session, KEPT, OTHER)

        async def spoil(request: httpx.Request) -> None:
            if request.method == "PUT":
                session.sandbox.store.touch(keep, email="")

        token = (await merge(book, keep, [other])).confirm_token
        session.wire.after = spoil
        with pytest.raises(Refused) as stopped:
            await merge(book, keep, [other], confirm_token=token)
        assert stopped.value.kind == "merge_stopped"
        assert "email" in str(stopped.value)
        assert stored(session, other) is not None


async def test_somebody_elses_edit_in_between_stops_the_deletion_and_the_same_call_goes_on(
    session: Session, book: Book
) -> None:
    keep, other = added(session, KEPT, OTHER)

    async def edit(request: httpx.Request) -> None:
        if request.method == "PUT":
            session.wire.after = None
            session.sandbox.store.touch(other, custom={"36": "Dana"})

    token = (await merge(book, keep, [other])).confirm_token
    session.wire.after = edit
    with pytest.raises(Refused, match="stopped in the middle"):
        await merge(book, keep, [other], confirm_token=token)
    assert stored(session, other) is not None
    assert (await merged(book, keep, other)).status == "merged"
    assert stored(session, keep)["custom"]["36"] == "Dana"


async def test_a_merge_that_stopped_says_so_and_is_finished_by_the_same_call(session: Session, book: Book) -> None:
    keep, other, third = added(session, KEPT, OTHER, THIRD)
    token = (await merge(book, keep, [other, third])).confirm_token
    session.sandbox.faults.add(Fault("delete_contact", "status", status=403, skip=1))
    with pytest.raises(ContactsError, match=f"Deleted so far: {other}. Not deleted: {third}") as stopped:
        await merge(book, keep, [other, third], confirm_token=token)
    assert "undo_change" in str(stopped.value)
    again = await merged(book, keep, other, third)
    assert (again.status, again.deleted) == ("merged", (third,))
    assert "merge_resumed" in kinds(again.notes)
    assert len({entry.merge for entry in await book.journal.entries() if entry.state == "done"}) == 1


async def test_a_merge_that_stopped_can_be_taken_back(session: Session, book: Book) -> None:
    keep, other, third = added(session, KEPT, OTHER, THIRD)
    before = stored(session, keep)
    token = (await merge(book, keep, [other, third])).confirm_token
    session.sandbox.faults.add(Fault("delete_contact", "status", status=403, skip=1))
    with pytest.raises(ContactsError):
        await merge(book, keep, [other, third], confirm_token=token)
    newest = next(entry for entry in await book.journal.entries() if entry.state == "done")
    assert (await undo(book, newest.change_id)).status == "undone"
    assert len(session.sandbox.store.contacts()) == 3
    assert stored(session, keep)["custom"] == before["custom"]


async def test_a_deletion_of_unknown_outcome_is_told_and_found_later(session: Session, book: Book) -> None:
    keep, other = added(session, KEPT, OTHER)
    token = (await merge(book, keep, [other])).confirm_token
    session.sandbox.faults.add(Fault("delete_contact", "pretend"))
    with pytest.raises(OutcomeUnknown, match="stopped in the middle"):
        await merge(book, keep, [other], confirm_token=token)
    session.sandbox.store.delete(other)
    done = await merge(book, keep, [other])
    assert (done.status, kinds(done.notes)) == ("unchanged", ["done_before"])


async def test_a_merge_sent_again_answers_what_was_done(session: Session, book: Book) -> None:
    keep, other = added(session, KEPT, OTHER)
    token = (await merge(book, keep, [other])).confirm_token
    first = await merge(book, keep, [other], confirm_token=token)
    again = await merge(book, keep, [other], confirm_token=token)
    assert (again.status, again.deleted, again.change_id) == ("unchanged", (other,), first.change_id)


# Undo


@pytest.mark.parametrize("which", [0, 1, 2], ids=["update", "first-deletion", "second-deletion"])
async def test_any_of_its_changes_takes_the_whole_merge_back(session: Session, book: Book, which: int) -> None:
    keep, other, third = added(session, KEPT, OTHER, THIRD)
    before = {each["phone"]: _lasting(each) for each in session.sandbox.store.contacts()}
    await merged(book, keep, other, third)
    changes = [told.entry.change_id for told in reversed(await changes_of(book))]
    back = await undo(book, changes[which])
    assert back.status == "undone"
    assert {each["phone"]: _lasting(each) for each in session.sandbox.store.contacts()} == before
    assert kinds(back.notes).count("created_again") == 2
    again = await undo(book, changes[0])
    assert (again.status, kinds(again.notes)) == ("unchanged", ["undone_before"])


def _lasting(person: Person) -> Person:
    moving = ("id", "uuid", "rev", "created", "updated")
    return {name: value for name, value in person.items() if name not in moving} | {"tags": sorted(person["tags"])}


async def test_a_kept_contact_that_was_changed_since_stands_against_the_undo(session: Session, book: Book) -> None:
    keep, other = added(session, KEPT, OTHER)
    done = await merged(book, keep, other)
    await update(book, Wanted(email="new@example.com"), contact_id=keep)
    assert done.change_id is not None
    with pytest.raises(Refused) as refused:
        await undo(book, done.change_id)
    assert refused.value.kind == "change_moved"
    assert len(session.sandbox.store.contacts()) == 1


async def test_an_undo_that_stopped_says_so_and_goes_on(session: Session, book: Book) -> None:
    keep, other, third = added(session, KEPT, OTHER, THIRD)
    done = await merged(book, keep, other, third)
    assert done.change_id is not None
    session.sandbox.faults.add(Fault("create_contact", "status", status=403, skip=1))
    with pytest.raises(ContactsError, match="taken back in part"):
        await undo(book, done.change_id)
    assert (await undo(book, done.change_id)).status == "undone"
    assert len(session.sandbox.store.contacts()) == 3
    assert "email" not in stored(session, keep) or not stored(session, keep)["email"]


async def test_a_contact_of_the_same_number_is_not_created_beside_the_kept_one(session: Session, book: Book) -> None:
    keep, other, third = added(session, KEPT, OTHER | {"phone": KEPT["phone"]}, THIRD)
    done = await merged(book, keep, other, third)
    assert done.change_id is not None
    back = await undo(book, done.change_id)
    assert (back.status, kinds(back.notes).count("not_created_again")) == ("undone", 1)
    assert sorted(each["phone"] for each in session.sandbox.store.contacts()) == [KEPT["phone"], THIRD["phone"]]
    assert not stored(session, keep)["email"]
    again = await undo(book, done.change_id)
    assert (again.status, kinds(again.notes)) == ("unchanged", ["not_created_again"])


# Time


async def test_a_deletion_that_may_still_arrive_holds_the_merge_back(open_session: OpenSession) -> None:
    """The earlier write got no answer. Whether it still comes is not known, so the merge does not overtake it."""
    async with open_session(contacts=0, timeout=0.2, call_timeout=5) as session:
        book = await session.workspace.book()
        keep, other = added(session, KEPT, OTHER)
        session.sandbox.faults.add(Fault("update_contact", "drop_before", times=2))
        with pytest.raises(OutcomeUnknown):
            await update(book, Wanted(email="late@example.com"), contact_id=other)
        with pytest.raises(Refused) as refused, fail_after(15):
            await merge(book, keep, [other])
        assert refused.value.kind == "may_still_arrive"


async def test_a_read_that_lags_behind_our_own_change_is_not_merged(open_session: OpenSession) -> None:
    behaviour = Behaviour(requests_per_minute=0)
    async with open_session(contacts=0, behaviour=behaviour) as session:
        book = await session.workspace.book()
        keep, other = added(session, KEPT, OTHER)
        record = session.sandbox.state.records.contact(other)
        await update(book, Wanted(email="newer@example.com"), contact_id=other)
        assert record is not None
        session.sandbox.state.hold_back(other, record, Lag(reads=2))
        plan = await merge(book, keep, [other])
        assert {each.value for each in plan.sources if each.field == "email"} == {"newer@example.com"}


# The journal


async def test_a_journal_of_the_version_before_is_read(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite3"
    async with aclosing(Journal(path, "account")) as journal:
        await journal.entries()
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("DROP INDEX changes_of_merge")
        db.execute("ALTER TABLE changes DROP COLUMN merge")
        db.execute("PRAGMA user_version = 2")
        db.execute(
            "INSERT INTO changes (account, at, action, state, before, wanted, uptime) "
            "VALUES ('account', 1, 'update', 'done', '{}', '{}', 1)"
        )
    async with aclosing(Journal(path, "account")) as journal:
        (entry,) = await journal.entries()
        assert (entry.merge, await journal.of_merge("")) == ("", [])
