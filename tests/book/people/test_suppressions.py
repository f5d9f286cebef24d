"""Opt-outs belong to numbers: a journal in, the change that left a number opted out."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support import Clock, bare_book, kinds

from contacts_mcp.book.book import Book
from contacts_mcp.book.people.suppressions import left_opted_out, note_on_arrival, notes_on_departure
from contacts_mcp.models import Contact
from contacts_mcp.state.journal import Entry, Journal
from contacts_mcp.words.phones import show

P, Q = "15105550101", "15105550102"
IN: Any = {"phone": P, "is_opted_out": False}
OUT: Any = {"phone": P, "is_opted_out": True}
HIDDEN: Any = {"phone": P, "is_opted_out": None}


def delete(before: Any, **outcome: Any) -> Entry:
    return Entry(**{"action": "delete", "contact_id": 7, "before": before, "wanted": {}, "state": "done"} | outcome)


def update(before: Any, wanted: Any, **outcome: Any) -> Entry:
    entry = {"action": "update", "contact_id": 7, "before": before, "wanted": before | wanted, "state": "done"}
    return Entry(**entry | outcome)


def create(wanted: Any, **outcome: Any) -> Entry:
    return Entry(**{"action": "create", "contact_id": 8, "before": {}, "wanted": wanted, "state": "done"} | outcome)


def seen(after: Any) -> Entry:
    """A change of another field, after which the contact was seen like this."""
    return update(after, {"first": "Grace"}, after=after)


AWAY = {"phone": Q}
CONSENT = {"consent": "Asked for texts again by phone"}
OPT_IN = update(OUT, {"is_opted_out": False}, **CONSENT)

# A journal -> the place of the entry that left P opted out, None where P may be texted.
JOURNALS: dict[str, tuple[list[Entry], int | None]] = {
    "nothing": ([], None),
    # who was there
    "opted out, deleted": ([delete(OUT)], 0),
    "opted out, moved away": ([update(OUT, AWAY)], 0),
    "unknown, deleted": ([delete(HIDDEN)], 0),
    "unknown, moved away": ([update(HIDDEN, AWAY)], 0),
    "never said, deleted": ([delete({"phone": P})], 0),
    "not opted out, deleted": ([delete(IN)], None),
    "not opted out, moved away": ([update(IN, AWAY)], None),
    # whether it left
    "opted out, still there": ([update(IN, {"is_opted_out": True})], None),
    "opted out, renamed": ([update(OUT, {"first": "Grace"})], None),
    "opted out, came here": ([update({"phone": Q, "is_opted_out": True}, {"phone": P})], None),
    "opted out, left another number": ([delete({"phone": Q, "is_opted_out": True})], None),
    # who is gone without a change of ours
    "opted out here, gone": ([seen(OUT)], 0),
    "unknown here, gone": ([seen(HIDDEN)], 0),
    "not opted out here, gone": ([seen(IN)], None),
    "opted out here, not any more, gone": ([seen(OUT), seen(IN)], None),
    "maybe opted out here, gone": ([update(IN, {"is_opted_out": True}, state="unknown")], 0),
    "opted out elsewhere": ([seen(OUT | {"phone": Q})], None),
    "created opted out, gone": ([create(OUT, after=OUT)], 0),
    "opted out here, opted in again": ([seen(OUT), OPT_IN], None),
    "opted out here, then another left": ([seen(OUT), delete(IN, contact_id=8)], 0),
    "opted out here, then left not opted out": ([seen(OUT), delete(IN)], None),
    "not opted out here, after another left": ([delete(OUT), replace(seen(IN), contact_id=8)], 0),
    # an opt-out that came at the moment of leaving
    "opted out while it moved away": ([update(IN, AWAY, after=OUT | AWAY)], 0),
    "opted out by moving away": ([update(IN, AWAY | {"is_opted_out": True}, after=OUT | AWAY)], None),
    # how it came out
    "maybe deleted": ([delete(OUT, state="unknown")], 0),
    "being deleted": ([delete(OUT, state="begun")], 0),
    "not deleted": ([delete(OUT, state="not_done")], None),
    "not moved away": ([update(OUT, AWAY, state="not_done")], None),
    "deleted for certain after all": ([delete(OUT, state="not_done"), delete(OUT)], 1),
    # who came after
    "another was created": ([delete(OUT), create({"phone": P, "is_opted_out": True})], 0),
    "another left, opted out": ([delete(OUT), update(OUT, AWAY, contact_id=8)], 1),
    "another left, not opted out": ([delete(OUT), delete(IN, contact_id=8)], 0),
    # an opt-in with consent ends it
    "opted in again": ([delete(OUT), OPT_IN], None),
    "unknown, opted in again": ([delete(OUT), update(HIDDEN, {"is_opted_out": False}, **CONSENT)], None),
    "opted in without consent": ([delete(OUT), replace(OPT_IN, consent="")], 0),
    "maybe opted in": ([delete(OUT), replace(OPT_IN, state="unknown")], 0),
    "opting in": ([delete(OUT), replace(OPT_IN, state="begun")], 0),
    "not opted in": ([delete(OUT), replace(OPT_IN, state="not_done")], 0),
    "opted in before it left": ([OPT_IN, delete(OUT)], 1),
    "opted in on another number": ([delete(OUT), replace(OPT_IN, before=OUT | AWAY, wanted=IN | AWAY)], 0),
    "opted in, and opted out again by leaving": ([delete(OUT), OPT_IN, delete(HIDDEN)], 2),
    # consent to nothing
    "consent, and nobody opted in": ([delete(OUT), update(IN, {"first": "Grace"}, **CONSENT)], 0),
    "consent, opted out": ([delete(OUT), update(IN, {"is_opted_out": True}, **CONSENT)], 0),
    "consent, and moved away": ([delete(OUT), update(IN, AWAY, **CONSENT)], 0),
    "consent, and came here": ([delete(OUT), update(IN | AWAY, {"phone": P}, **CONSENT)], 0),
}


@pytest.fixture
async def book() -> AsyncIterator[Book]:
    clock = Clock()
    journal = Journal(None, "account", clock=clock)
    yield bare_book(journal, clock)
    await journal.aclose()


async def written(book: Book, entry: Entry) -> Entry:
    begun = replace(await book.journal.begin(entry), state=entry.state)
    if entry.state != "begun":
        await book.journal.finish(begun)
    return begun


@pytest.mark.parametrize(("entries", "left"), JOURNALS.values(), ids=JOURNALS)
async def test_a_number_is_left_opted_out_by_the_last_contact_that_left_it_so(
    book: Book, entries: list[Entry], left: int | None
) -> None:
    journal = [await written(book, entry) for entry in entries]
    assert await left_opted_out(book, P) == (None if left is None else journal[left])


async def test_a_contact_that_gets_another_form_of_its_own_number_has_not_left_it(book: Book) -> None:
    entry = await written(book, seen(OUT))
    assert await left_opted_out(book, P, mover=7) is None
    assert await left_opted_out(book, P, mover=8) == entry
    left = await written(book, delete(OUT, contact_id=8))
    assert await left_opted_out(book, P, mover=7) == left


async def test_a_number_is_not_left_opted_out_by_a_contact_of_another_account(tmp_path: Path) -> None:
    clock = Clock()
    ours, theirs = (Journal(tmp_path / "journal.sqlite3", account, clock=clock) for account in ("ours", "theirs"))
    await written(bare_book(theirs, clock), delete(OUT))
    assert await left_opted_out(bare_book(theirs, clock), P)
    assert await left_opted_out(bare_book(ours, clock), P) is None
    await ours.aclose()
    await theirs.aclose()


def contact(opted_out: bool | None, phone: str = P) -> Contact:
    return Contact(id=7, phone=phone, is_opted_out=opted_out)


@pytest.mark.parametrize(
    ("before", "after", "kind", "said"),
    [
        (OUT, True, "arrived_opted_out", "is opted out of texts"),
        (HIDDEN, True, "arrived_opted_out", "may have been opted out"),
        (OUT, None, "arrived_opted_out", "was sent as opted out"),
        (OUT, False, "suppression_lost", "did not keep that"),
        (HIDDEN, False, "suppression_lost", "may have been opted out"),
    ],
)
def test_an_arrival_is_told_by_what_was_read_back(before: Any, after: bool | None, kind: str, said: str) -> None:
    note = note_on_arrival(replace(delete(before), change_id=3), contact(after))
    assert kinds([note]) == [kind]
    assert said in note
    assert "change 3" in note
    assert show(P) in note


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        (contact(True), contact(True, Q), "still opted out"),
        (contact(True), contact(False, Q), "is not opted out"),
        (contact(True), contact(None, Q), "does not say"),
        (contact(None), contact(None, Q), "does not say"),
        (contact(None), contact(False, Q), "is not opted out"),
        (contact(False), contact(False, Q), None),
        (contact(False), contact(True, Q), None),
        (contact(True), contact(True), None),
        (contact(True, ""), contact(True, Q), None),
    ],
    ids=str,
)
def test_a_departure_is_told_by_what_was_read_back(before: Contact, after: Contact, said: str | None) -> None:
    notes = notes_on_departure(before, after)
    assert kinds(notes) == ([] if said is None else ["left_opted_out"])
    if said is not None:
        assert said in notes[0]
        assert show(P) in notes[0]
