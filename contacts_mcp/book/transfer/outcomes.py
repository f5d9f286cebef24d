"""A row that was sent and the last look at it -> its outcome, for the journal and for the plan.

| known | journal | plan |
|---|---|---|
| a look proves it | `done` | `done`, or `told` where the contact is otherwise than was sent |
| it did not go out, because nothing does | `not_done` | `planned` again |
| it went out singly and was refused | `not_done` | `failed`, with the reason |
| a create, and the phone has a contact that may be another one | `unknown` | `told` |
| an update in a batch, and a new contact has the values | `unknown` | `told` |
| nothing, and it may still arrive | `unknown` | `sending`, to be looked at again |
| not there, and it cannot arrive any more | `not_done` | `planned` again, singly, or `failed` after some tries |
| neither, and it cannot arrive any more | `unknown` | `told` |
| a later change of our own came after it, and nothing was found out before | `unknown` | `told` |
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from contacts_mcp.api.retries import AMBIGUOUS
from contacts_mcp.book.book import Book
from contacts_mcp.book.people.suppressions import arrives_opted_out
from contacts_mcp.book.values import differences, is_empty, values_of
from contacts_mcp.book.writing.plan import Plan, Sight
from contacts_mcp.book.writing.write import circumstances
from contacts_mcp.errors import AccountError, ContactsError, NotDone, Rejected, Unreachable
from contacts_mcp.models import Contact, WriteReply
from contacts_mcp.state.imports import StoredRow, moved_on
from contacts_mcp.state.journal import Entry

MOST_TRIES = 3  # of one row

_MADE_BY_SERVICE = frozenset(["display_name", "is_opted_out"])  # values that a new contact may have without our doing
_OTHER = "somebody has this phone now, and it may be another contact."
_MADE_AGAIN = "somebody deleted the contact or changed its phone at the same time, and contact {} was made."
UNSURE = "may or may not have been carried out; look the contact up."
_REMARKS = {
    "arrived_opted_out": "It was sent as opted out, because an opted-out contact left, or may have left, its number.",
    "not_kept": "Heymarket did not keep {}.",
    "disturbed": "Heymarket changed {} as well.",
    "stays": "Somebody changed {} after the run, and that stays.",
    "someone_else": "Somebody else wrote to this contact at the same time.",
    "may_have_set_back": "The number and names were sent along as they were read, so new ones may have been set back.",
    "doubles": "Contact {} has this phone, too: another program gave it out at the same moment.",
}


@dataclass(slots=True)
class Sent:
    """One row on its way."""

    row: StoredRow
    plan: Plan
    entry: Entry  # of the journal
    by_batch: bool = False
    empty: str | None = ""  # the value that emptied texts were sent as
    writes: int = 1  # of our own that may have moved `rev`
    reply: WriteReply | None = None
    failure: ContactsError | None = None
    contact: Contact | None = None  # by the last look
    doubles: Sequence[int] = ()  # other contacts with the phone of a new one
    made_again: int | None = None  # the contact that a batch of updates made, because no contact had the phone any more
    is_proven: bool = False  # that look proves that it was carried out
    result: StoredRow | None = None

    @property
    def is_unanswered(self) -> bool:
        return self.reply is None and (self.failure is None or isinstance(self.failure, AMBIGUOUS))


async def outcome_of(book: Book, one: Sent, *, is_over: bool) -> tuple[Entry, StoredRow]:
    """The entry and the row as they are now. `is_over` says that nothing of it can arrive any more."""
    if one.is_proven:
        return _done(book, one)
    if isinstance(one.failure, Unreachable | AccountError):
        return replace(one.entry, state="not_done"), moved_on(one.row, "planned")
    if isinstance(one.failure, NotDone | Rejected) and not one.by_batch:
        return replace(one.entry, state="not_done"), moved_on(one.row, "failed", str(one.failure))
    if one.contact is not None and one.plan.action == "create":
        return replace(one.entry, state="unknown"), moved_on(one.row, "told", _OTHER)
    if one.made_again:
        return replace(one.entry, state="unknown"), moved_on(one.row, "told", _MADE_AGAIN.format(one.made_again))
    return await _unclear(book, one, is_over=is_over)


def is_ours_but_less(one: Sent, explained: frozenset[int]) -> bool:
    """Whether a contact that was not there before the create has nothing but values of ours: some were dropped.

    `explained` are contacts that the journal knows from other changes.
    """
    if one.plan.action != "create" or one.contact is None or one.contact.id in explained or one.contact.rev > 1:
        return False
    more = differences(one.plan.wanted, values_of(one.contact))
    return all(is_empty(has) or key in _MADE_BY_SERVICE for key, (_, has) in more.items())


def _done(book: Book, one: Sent) -> tuple[Entry, StoredRow]:
    seen = Sight.of(one.contact)
    reply_rev = (one.reply.rev or 0) if one.reply else 0
    entry = replace(
        _as_given_up(book, one),
        state="done",
        contact_id=seen.contact_id or one.entry.contact_id,
        after=seen.values or {},
        rev_after=reply_rev or seen.rev,
        updated_after=seen.updated,
    )
    return entry, row_as_done(replace(one, entry=entry), seen)


def row_as_done(one: Sent, seen: Sight) -> StoredRow:
    """A row whose change was carried out, with what is to be told about that."""
    remarks = _remarks_on(one, seen)
    row = replace(one.row, contact_id=one.entry.contact_id, shown=one.row.shown | remarks)
    return moved_on(row, "told" if remarks else "done", _in_words(remarks))


async def _unclear(book: Book, one: Sent, *, is_over: bool) -> tuple[Entry, StoredRow]:
    """A row that no look has proven."""
    if not is_over:
        return replace(_as_given_up(book, one), state="unknown"), one.row
    given = await circumstances(book, one.plan, one.entry, contact=one.contact, is_over=True)
    has_left = one.contact is None and await book.journal.departures_from(one.row.phone, after=one.row.change_id or 0)
    if has_left or one.plan.proof(Sight.of(one.contact), given) != "not_done":
        return replace(one.entry, state="unknown", looked=book.imports.now), moved_on(one.row, "told", UNSURE)
    return replace(one.entry, state="not_done"), once_more(one.row)


def _as_given_up(book: Book, one: Sent) -> Entry:
    """The entry of a row whose request was left unanswered just now. An earlier one keeps its age."""
    is_just_now = isinstance(one.failure, AMBIGUOUS)
    return book.journal.given_up(one.entry) if is_just_now else one.entry


def once_more(row: StoredRow) -> StoredRow:
    """A row that was not carried out is planned again, singly from now on, which tells the reason."""
    tries = int(row.shown.get("tries", 0)) + 1
    if tries >= MOST_TRIES:
        return moved_on(row, "failed", f"was sent {tries} times and is not there.")
    return moved_on(replace(row, shown=row.shown | {"tries": tries, "single": True}), "planned")


def _remarks_on(one: Sent, seen: Sight) -> dict[str, Any]:
    """The ways in which the contact is otherwise than was sent, by the names of `_REMARKS`. {} where it is not."""
    report = one.plan.report(seen, one.reply, writes=one.writes)
    asked = one.row.wish.get("values", one.row.wanted)
    remarks = {
        "arrived_opted_out": one.plan.action == "create" and arrives_opted_out(asked, one.plan.wanted),
        "not_kept": [*report.unkept],
        "disturbed": [*report.disturbed],
        "stays": [*one.row.shown.get("kept", ())],
        "someone_else": report.someone_else or (one.plan.action == "create" and seen.rev > 1),
        "may_have_set_back": report.may_have_set_back and one.writes == 1,  # the reply is that of the last write
        "doubles": [str(each) for each in one.doubles],
    }
    return {name: value for name, value in remarks.items() if value}


def _in_words(remarks: Mapping[str, Any]) -> str:
    return " ".join(
        _REMARKS[name].format(", ".join(value) if isinstance(value, list) else "") for name, value in remarks.items()
    )
