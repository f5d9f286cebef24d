"""What was done, and taking it back.

- An undo restores exactly the fields its change changed, and only while they still are as the change left them; else it is refused, showing
  what is different now.
- A deleted contact is created again: with a new id, without its conversation. A created one is deleted, which needs a confirmation.
- Nobody is opted in by an undo: an opt-out stays, whatever it was before.
- Entries that were never completed are settled by looking, when nobody holds their contact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from contacts_mcp.book.book import Book, Outcome
from contacts_mcp.book.cards import Change, card_of, changes_between, field_name, shown
from contacts_mcp.book.delete import delete_held
from contacts_mcp.book.edits import Edit
from contacts_mcp.book.journal import Entry
from contacts_mcp.book.lookup import Who, held
from contacts_mcp.book.telling import notes_on
from contacts_mcp.book.update import change, check_free
from contacts_mcp.book.values import Values, differences, is_empty, values_of
from contacts_mcp.book.writing import Pairs, write_new
from contacts_mcp.errors import ContactsError, Refused
from contacts_mcp.models import Contact

MOST_SETTLED = 20


@dataclass(frozen=True, slots=True)
class Told:
    """One change as people read it."""

    entry: Entry
    changes: list[Change]


async def changes_of(book: Book, *, contact_id: int | None = None, before: int | None = None, limit: int = 25) -> list[Told]:
    """What this server did, newest first, unfinished entries settled where that is possible; `before` is a change_id to go on below."""
    await settle(book)
    entries = book.journal.entries(contact_id=contact_id, before=before, limit=limit)
    return [Told(entry, await _shown_changes(book, entry)) for entry in entries]


async def undo(book: Book, change_id: int, *, confirm_token: str = "") -> Outcome:
    """Take one change back.

    `status` is undone, unchanged or needs_confirmation. Raises Refused where it cannot be, UpstreamError, OutcomeUnknown.
    """
    await settle(book)
    entry = _undoable(book.journal.get(change_id), change_id)
    if entry.undone_by:
        return Outcome(status="unchanged", notes=[f"Change {change_id} was taken back already, by change {entry.undone_by}."])
    outcome = await _UNDO[entry.action](book, entry, confirm_token)
    if outcome.change_id:
        book.journal.mark_undone(change_id, by=outcome.change_id)
    return outcome


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
    phones = [str(phone)] if (phone := restored.get("phone")) else []
    async with book.locks.phones(*phones), held(book, Who(entry.contact_id)) as contact:
        now = values_of(contact)
        await _refuse_if_moved(book, entry, now, among=[key for key, old in restored.items() if now.get(key) != old])
        notes = _keep_opted_out(restored, contact)
        if phones and phones[0] != contact.phone:
            await check_free(book, phones[0])
        outcome = await change(book, contact, Edit(restored), notes=notes, undoes=entry.change_id)
    return replace(outcome, status="undone") if outcome.status == "updated" else outcome


async def _undo_delete(book: Book, entry: Entry, token: str) -> Outcome:  # noqa: ARG001 -- the shape of the three
    wanted = {key: value for key, value in entry.before.items() if not is_empty(value) and value is not False}
    phone = str(wanted.get("phone", ""))
    if not phone:
        raise Refused("The deleted contact had no phone, and Heymarket creates none without. Its data are in the answer of list_changes.")
    async with book.locks.phones(phone):
        await check_free(book, phone)
        written = await write_new(book, wanted, undoes=entry.change_id)
    return Outcome(
        status="undone",
        card=await card_of(written.after, book.directory),
        changes=await changes_between({}, values_of(written.after), book.directory, among=wanted),
        notes=[
            f"The contact was created again and has a new id: {written.after.id} (it was {entry.contact_id}). Its conversation cannot be brought back.",
            *(["Whether it was opted out was not known, so that was not set."] if entry.before.get("is_opted_out") is None else []),
            *await notes_on(book, written),
        ],
        change_id=written.change_id,
    )


async def _undo_create(book: Book, entry: Entry, token: str) -> Outcome:
    assert entry.contact_id is not None
    async with held(book, Who(entry.contact_id)) as contact:
        await _refuse_if_moved(book, entry, values_of(contact), among=[*entry.after])
        outcome = await delete_held(book, contact, token, undoes=entry.change_id)
    return replace(outcome, status="undone") if outcome.status == "deleted" else outcome


_UNDO = {"create": _undo_create, "update": _undo_update, "delete": _undo_delete}


def _made_by(entry: Entry) -> Pairs:
    """What the change itself changed: asked for, and seen afterwards."""
    asked = differences(entry.before, entry.wanted)
    return differences(entry.before, entry.after, among=asked)


async def _refuse_if_moved(book: Book, entry: Entry, now: Values, *, among: Sequence[str]) -> None:
    moved = differences(entry.after, now, among=among)
    if not moved:
        return
    described = [
        f"{await field_name(key, book.directory)} was left as {await shown(key, left, book.directory)!r} and is {await shown(key, is_now, book.directory)!r}"
        for key, (left, is_now) in moved.items()
    ]
    raise Refused(
        f"Change {entry.change_id} was not taken back, because the contact was changed since: {'; '.join(described)}. "
        "Decide with the person what it should be, and use update_contact."
    )


def _keep_opted_out(restored: Values, contact: Contact) -> list[str]:
    """Drop what would opt the contact in; says so."""
    if "is_opted_out" in restored and restored["is_opted_out"] is not True:
        del restored["is_opted_out"]
        if contact.is_opted_out is not False:
            return ["The opt-out was left as it is: nobody is opted in by an undo. To opt in, use update_contact with consent."]
    return []


async def _shown_changes(book: Book, entry: Entry) -> list[Change]:
    after = entry.after if entry.state == "done" else entry.wanted
    asked = differences(entry.before, entry.wanted)
    return await changes_between(entry.before, after, book.directory, among=asked)


async def settle(book: Book) -> None:
    """Complete the entries that were left unfinished, as far as looking tells. Never fails: what cannot be settled stays as it is."""
    for entry in book.journal.unfinished()[:MOST_SETTLED]:
        async with book.locks.if_free(entry.contact_id, str(entry.wanted.get("phone", ""))) as is_held:
            if not is_held:
                continue
            latest = book.journal.get(entry.change_id)
            try:
                if latest is not None and latest.state in ("begun", "unknown"):
                    book.journal.finish(await _SETTLE[latest.action](book, latest))
            except ContactsError:
                return


async def _settle_create(book: Book, entry: Entry) -> Entry:
    found = await book.api.find_contact(str(entry.wanted["phone"]))
    if found is None:
        return replace(entry, state="not_done")
    if differences(entry.wanted, values_of(found), among=entry.wanted):
        return replace(entry, state="unknown")  # somebody's contact, perhaps ours and changed since
    return _done(entry, found)


async def _settle_update(book: Book, entry: Entry) -> Entry:
    assert entry.contact_id is not None
    found = await book.api.get_contact(entry.contact_id)
    if found is None:
        return replace(entry, state="unknown")
    asked = differences(entry.before, entry.wanted)
    now = values_of(found)
    if not differences(entry.wanted, now, among=asked):
        return _done(entry, found)
    return replace(entry, state="unknown" if differences(entry.before, now, among=asked) else "not_done")


async def _settle_delete(book: Book, entry: Entry) -> Entry:
    assert entry.contact_id is not None
    is_gone = await book.api.get_contact(entry.contact_id) is None
    return replace(entry, state="done" if is_gone else "not_done")


_SETTLE = {"create": _settle_create, "update": _settle_update, "delete": _settle_delete}


def _done(entry: Entry, found: Contact) -> Entry:
    return replace(entry, state="done", contact_id=found.id, after=values_of(found), rev_after=found.rev)
