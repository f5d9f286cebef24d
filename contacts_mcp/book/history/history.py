"""What was done, and taking it back.

- An undo restores exactly the fields its change changed, and only while they still are as the change left them; else it is refused, showing
  what is different now.
- A deleted contact is created again: with a new id, without its conversation. A created one is deleted, which needs a confirmation.
- Nobody is opted in by an undo: an opt-out stays, whatever it was before, and so does one that went with a contact deleted later. A deleted
  contact of whom nobody said whether it was opted out comes back opted out.
- An undo is a change like any other. Taking it back puts the first change in force again, which can then be taken back once more.
- Entries that were never completed are settled by looking, when nobody holds their contact. What is not seen is "not carried out" only
  once its request cannot arrive any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import anyio

from contacts_mcp.book.book import Book, Outcome
from contacts_mcp.book.cards import Change, card_of, changes_between, field_name, shown
from contacts_mcp.book.people.create import MERGED
from contacts_mcp.book.people.delete import delete_held
from contacts_mcp.book.people.lookup import Who, held
from contacts_mcp.book.people.requests import MOST_TAGS, Edit
from contacts_mcp.book.people.update import change, check_free
from contacts_mcp.book.values import custom_key, differences, field_id, is_empty, is_hidden, nothing_for, values_of
from contacts_mcp.book.writing.notes import notes_on
from contacts_mcp.book.writing.write import Pairs, is_as_created, write_new
from contacts_mcp.errors import BadAnswer, ContactsError, Forbidden, Refused, Rejected
from contacts_mcp.models import Contact, Value, Values
from contacts_mcp.state.journal import Entry
from contacts_mcp.words.display import quoted

MOST_SETTLED = 20
SETTLING = 5.0  # seconds of a call for entries left unfinished


@dataclass(frozen=True, slots=True)
class Told:
    """One change as people read it."""

    entry: Entry
    changes: list[Change]


async def changes_of(
    book: Book, *, contact_id: int | None = None, before: int | None = None, limit: int = 25
) -> list[Told]:
    """What this server did, newest first, unfinished entries settled where that is possible; `before` is a change_id to go on below."""
    await settle(book)
    entries = book.journal.entries(contact_id=contact_id, before=before, limit=limit)
    return [Told(entry, await _shown_changes(book, entry)) for entry in entries]


async def undo(book: Book, change_id: int, *, confirm_token: str = "") -> Outcome:
    """Take one change back.

    `status` is undone, unchanged or needs_confirmation. Raises Refused where it cannot be, UpstreamError, OutcomeUnknown.
    """
    await settle(book)
    async with book.locks.change(change_id):
        entry = _undoable(book.journal.get(change_id), change_id)
        if entry.undone_by:
            return Outcome(
                status="unchanged", notes=[f"Change {change_id} was taken back already, by change {entry.undone_by}."]
            )
        return await _UNDO[entry.action](book, entry, confirm_token)


def _undoable(entry: Entry | None, change_id: int) -> Entry:
    if entry is None:
        raise Refused(
            f"There is no change {change_id} in the journal (entries are kept for 30 days). Call list_changes to see what there is."
        )
    if entry.state == "not_done":
        raise Refused(f"Change {change_id} was not carried out, so there is nothing to take back.")
    if entry.state != "done":
        raise Refused(f"It is not known whether change {change_id} was carried out. Look the contact up first.")
    return entry


async def _undo_update(book: Book, entry: Entry, token: str) -> Outcome:  # noqa: ARG001 -- the shape of the three
    assert entry.contact_id is not None
    restored = {key: old for key, (old, _) in _made_by(entry).items()}
    gone = await _drop_what_is_gone(book, restored)
    phones = [str(phone)] if (phone := restored.get("phone")) else []
    async with book.locks.phones(*phones), held(book, Who(entry.contact_id)) as contact:
        now = values_of(contact)
        await _refuse_if_moved(
            book, entry, now, among=[key for key, old in restored.items() if now.get(key, nothing_for(key)) != old]
        )
        notes = [*gone, *_keep_opted_out(restored, entry, contact)]
        if not restored:
            nothing = (
                f"Change {entry.change_id} left nothing that could be taken back; nothing was sent."
                if not notes
                else "Nothing was sent."
            )
            return Outcome(status="unchanged", card=await card_of(contact, book.directory), notes=[*notes, nothing])
        if phones and phones[0] != contact.phone:
            await check_free(book, phones[0])
        outcome = await change(book, contact, Edit(restored), notes=notes, undoes=entry.change_id)
    return replace(outcome, status="undone") if outcome.status == "updated" else outcome


async def _undo_delete(book: Book, entry: Entry, token: str) -> Outcome:  # noqa: ARG001 -- the shape of the three
    wanted = {key: value for key, value in entry.before.items() if not is_empty(value) and value is not False}
    phone = str(wanted.get("phone", ""))
    if not phone:
        raise Refused(
            "The deleted contact had no phone, and Heymarket creates none without. Its data are in the answer of list_changes."
        )
    gone = await _drop_what_is_gone(book, wanted)
    stays_opted_out = _why_opted_out(book, entry)
    if stays_opted_out:
        wanted["is_opted_out"] = True
    async with book.locks.phones(phone):
        await check_free(book, phone)
        written = await write_new(book, wanted, undoes=entry.change_id)
    return Outcome(
        status="undone",
        card=await card_of(written.after, book.directory),
        changes=await changes_between({}, values_of(written.after), book.directory, among=wanted),
        notes=[
            f"The contact was created again and has a new id: {written.after.id} (it was {entry.contact_id}). {_lost_for_good(entry)}",
            *([stays_opted_out] if stays_opted_out else []),
            *([MERGED] if written.rev > 1 else []),
            *gone,
            *await notes_on(book, written),
        ],
        change_id=written.change_id,
    )


def _lost_for_good(entry: Entry) -> str:
    """What Heymarket lets nobody write."""
    notes = entry.record.get("note")
    many = f", its {len(notes)} note{'s' if len(notes) > 1 else ''}" if isinstance(notes, list) and notes else ""
    return f"Its conversation{many} and the day on which it was first created cannot be brought back."


async def _drop_fields_that_are_gone(book: Book, wanted: Values) -> list[str]:
    numbers = [number for key in wanted if (number := field_id(key)) is not None]
    known = {field.id for field in (await book.directory.fields.names()).items} if numbers else set()
    gone = [number for number in numbers if number not in known]
    for number in gone:
        del wanted[custom_key(number)]
    labels = [await book.directory.fields.label(number) for number in gone]
    return [f"Left out, because Heymarket has no such fields any more: {', '.join(labels)}."] if gone else []


async def _drop_what_is_gone(book: Book, wanted: Values) -> list[str]:
    """Leave out what Heymarket would refuse: tags, fields and an owner that are no more, and tags beyond what a contact may have. Says so."""
    notes = await _drop_fields_that_are_gone(book, wanted)
    tags = wanted.get("tags")
    if isinstance(tags, list):
        known = {tag.id for tag in (await book.directory.tags.names()).items}
        kept = [tag for tag in tags if tag in known][:MOST_TAGS]
        left_out = [await book.directory.tags.label(tag) for tag in tags if tag not in kept]
        wanted["tags"] = kept
        notes += [f"Left out, because Heymarket would not take them: tags {', '.join(left_out)}."] if left_out else []
    if wanted.get("assignee") and all(
        member.id != wanted["assignee"] for member in (await book.directory.members.names()).items
    ):
        del wanted["assignee"]
        notes.append("It is not assigned to anybody, because its owner is not in the team any more.")
    return notes


def _why_opted_out(book: Book, entry: Entry) -> str:
    """Why the deleted contact comes back opted out of texts; empty where it does not."""
    if entry.before.get("is_opted_out"):
        return "It is opted out of texts, as it was."
    if entry.before.get("is_opted_out") is None:
        return "Whether it was opted out of texts was not known, so it is opted out now. To opt in, use update_contact with consent."
    if any(
        later.before.get("is_opted_out") is not False
        for later in book.journal.departures_from(str(entry.before.get("phone")), after=entry.change_id)
    ):
        return "It is opted out of texts, because another contact that had this phone since was."
    return ""


async def _undo_create(book: Book, entry: Entry, token: str) -> Outcome:
    assert entry.contact_id is not None
    if entry.rev_after > 1:  # Heymarket may have put the values into one that was there (`heymarket-api.md` 4.2)
        raise Refused(
            f"Change {entry.change_id} was not taken back: the contact may have been there before, and what it was then is not known. "
            "Decide with the person what it should be, and use update_contact or delete_contact."
        )
    async with held(book, Who(entry.contact_id)) as contact:
        await _refuse_if_moved(book, entry, values_of(contact), instead="delete_contact")
        outcome = await delete_held(book, contact, token, undoes=entry.change_id)
    if outcome.status != "deleted":
        return outcome
    return replace(
        outcome,
        status="undone",
        notes=["The contact was deleted, as it had been created by that change.", *outcome.notes],
    )


_UNDO = {"create": _undo_create, "update": _undo_update, "delete": _undo_delete}


def _made_by(entry: Entry) -> Pairs:
    """What the change itself changed: asked for, and seen afterwards."""
    asked = differences(entry.before, entry.wanted)
    made = differences(entry.before, entry.after, among=asked)
    opted_in = entry.wanted.get("is_opted_out") is False and entry.before.get("is_opted_out") is not False
    if opted_in and is_hidden(
        "is_opted_out", entry.after
    ):  # it cannot be seen, and is taken back all the same: that harms nobody
        made["is_opted_out"] = (True, None)
    return made


async def _refuse_if_moved(
    book: Book, entry: Entry, now: Values, *, among: Sequence[str] | None = None, instead: str = "update_contact"
) -> None:
    moved = differences(entry.after, now, among=among)
    if not moved:
        return
    described = [
        f"{await field_name(key, book.directory)} was left as {await _quoted(book, key, left)} and is {await _quoted(book, key, is_now)}"
        for key, (left, is_now) in moved.items()
    ]
    raise Refused(
        f"Change {entry.change_id} was not taken back, because the contact was changed since: {'; '.join(described)}. "
        f"Decide with the person what it should be, and use {instead}."
    )


async def _quoted(book: Book, key: str, value: Value) -> str:
    text = await shown(key, value, book.directory)
    if is_empty(text):
        return "empty"
    return quoted(", ".join(text) if isinstance(text, list) else str(text))


def _keep_opted_out(restored: Values, entry: Entry, contact: Contact) -> list[str]:
    """Drop what would opt the contact in; says so."""
    if restored.get("is_opted_out") is not True:
        restored.pop("is_opted_out", None)
    opted_out = entry.wanted.get("is_opted_out") is True and entry.before.get("is_opted_out") is not True
    if opted_out and contact.is_opted_out is not False:
        return [
            "The opt-out was left as it is: nobody is opted in by an undo. To opt in, use update_contact with consent."
        ]
    return []


async def _shown_changes(book: Book, entry: Entry) -> list[Change]:
    after = entry.after if entry.state == "done" else entry.wanted
    asked = differences(entry.before, entry.wanted)
    return await changes_between(entry.before, after, book.directory, among=asked)


async def settle(book: Book) -> None:
    """Complete the entries that were left unfinished, as far as looking tells in time. Never fails: what cannot be settled stays as it is."""
    with (
        suppress(ContactsError),
        anyio.move_on_after(SETTLING),
    ):  # the journal or the service cannot be reached; there will be another time
        for entry in book.journal.unfinished()[:MOST_SETTLED]:
            async with book.locks.if_free(entry.contact_id, str(entry.wanted.get("phone", ""))) as is_held:
                if is_held:
                    await _settle_held(book, entry.change_id)


async def _settle_held(book: Book, change_id: int) -> None:
    entry = book.journal.get(change_id)
    if entry is None or entry.state not in ("begun", "unknown"):
        return
    try:
        found = await _SETTLE[entry.action](book, entry)
    except (BadAnswer, Rejected, Forbidden):  # this one cannot be read; the others may
        return
    if found.state == "not_done" and book.journal.may_still_arrive(entry):
        found = replace(entry, state="unknown")
    book.journal.looked_at(found)


async def _settle_create(book: Book, entry: Entry) -> Entry:
    found = await book.api.find_contact(str(entry.wanted["phone"]))
    if book.journal.departures_from(str(entry.wanted["phone"]), after=entry.change_id):
        return replace(entry, state="unknown")  # what was deleted, or given another phone, may have been ours
    if found is None or book.journal.creation_of(found.id):  # made by another change, which had found nobody
        return replace(entry, state="not_done")
    now = values_of(found)
    if not is_as_created(entry.wanted, now):
        return replace(entry, state="unknown")  # somebody's contact, perhaps ours and changed since
    return replace(entry, state="done", contact_id=found.id, after=now, rev_after=found.rev)


async def _settle_update(book: Book, entry: Entry) -> Entry:
    seen = await _seen_after(book, entry)
    if seen is None:
        return replace(entry, state="unknown")
    rev, now = seen
    if rev and rev == entry.rev_before:  # every write makes it grow
        return replace(entry, state="not_done")
    telling = _shown(now, differences(entry.before, entry.wanted))
    if telling and not differences(entry.wanted, now, among=telling):
        return replace(entry, state="done", after=now, rev_after=rev)
    is_untouched = telling and not differences(entry.before, now, among=telling)
    return replace(entry, state="not_done" if is_untouched else "unknown")


async def _settle_delete(book: Book, entry: Entry) -> Entry:
    return replace(entry, state="done" if await _seen_after(book, entry) is None else "not_done")


async def _seen_after(book: Book, entry: Entry) -> tuple[int, Values] | None:
    """`rev` and values of the contact after `entry`: as the next change found it, or as it is now; None where it is gone."""
    later = book.journal.next_after(entry)
    if later is not None:
        return later.rev_before, later.before
    assert entry.contact_id is not None
    found = await book.api.get_contact(entry.contact_id)
    return (found.rev, values_of(found)) if found else None


_SETTLE = {"create": _settle_create, "update": _settle_update, "delete": _settle_delete}


def _shown(now: Values, keys: Iterable[str]) -> list[str]:
    """Those of `keys` that looking tells about; an opt-out that the service does not show is not among them."""
    return [key for key in keys if not is_hidden(key, now)]
