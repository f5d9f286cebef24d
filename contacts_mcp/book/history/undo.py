"""Taking changes back.

- An undo restores exactly the fields that its change changed, and only while they still are as the change left them.
  Otherwise it is refused, showing the difference.
- A deleted contact is created again: with a new id, without its conversation. A created contact is deleted, after a
  confirmation.
- Nobody is opted in by an undo. An opt-out stays, whatever it was before, and so does one that is bound to the number
  by now.
- A merge is taken back as a whole, whichever of its changes is named. The contacts that it deleted get new ids.
- An undo is a change like any other. Taking it back puts the first change in force again, which can then be taken back
  once more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from contacts_mcp.book.book import Book, Outcome
from contacts_mcp.book.cards import card_for, card_of, changes_between, field_name, in_quotes
from contacts_mcp.book.fields import MOST_TAGS
from contacts_mcp.book.people.create import MERGED, write_new
from contacts_mcp.book.people.delete import delete_held
from contacts_mcp.book.people.holding import ContactRef, locked_contact, locked_phone
from contacts_mcp.book.people.requests import Edit
from contacts_mcp.book.people.suppressions import note_on_arrival
from contacts_mcp.book.people.update import change, refuse_taken_phone
from contacts_mcp.book.values import custom_key, differences, field_id, is_empty, is_hidden, nothing_for, values_of
from contacts_mcp.book.vocabulary import ListName, Snapshot
from contacts_mcp.book.writing.notes import notes_on
from contacts_mcp.book.writing.plan import Pairs
from contacts_mcp.book.writing.settle import plan_of, settle
from contacts_mcp.errors import ContactNotFound, ContactsError, Refused
from contacts_mcp.models import Contact, Value, Values
from contacts_mcp.state.journal import Entry
from contacts_mcp.words.display import word
from contacts_mcp.words.note import Note
from contacts_mcp.words.renumbering import other_forms


async def undo(book: Book, change_id: int, *, confirm_token: str = "") -> Outcome:
    """Take one change back.

    `status` is undone, unchanged or needs_confirmation. Raises Refused where it cannot be, UpstreamError,
    OutcomeUnknown.
    """
    await settle(book)
    found = await book.journal.get(change_id)
    parts = await book.journal.of_merge(found.merge) if found else []
    async with book.locks.change(parts[0].change_id if parts else change_id):
        if found and await book.journal.of_merge(found.merge):
            return await _undo_merge(book, found)
        entry = _undoable(await book.journal.get(change_id), change_id)
        assert entry.action != "import"  # taken back by a plan of its own (`transfer/undoing.py`)
        return await _undone_before(book, entry) or await _UNDO[entry.action](book, entry, confirm_token)


async def _undone_before(book: Book, entry: Entry) -> Outcome | None:
    """The answer where the change was taken back already, and None where it was not.

    It is asked for again under the lock, because an undo that was lost may be settled while its contact is waited for.
    """
    fresh = await book.journal.get(entry.change_id)
    if fresh is None or not fresh.undone_by:
        return None
    before = f"Change {entry.change_id} was taken back already, by change {fresh.undone_by}."
    return Outcome(status="unchanged", notes=[Note("undone_before", before)])


def _undoable(entry: Entry | None, change_id: int) -> Entry:
    if entry is None:
        raise Refused(
            f"There is no change {change_id} in the journal (entries are kept for 30 days). "
            "Call list_changes to see what there is.",
            kind="no_such_change",
        )
    if entry.state == "not_done":
        raise Refused(
            f"Change {change_id} was not carried out, so there is nothing to take back.", kind="change_not_done"
        )
    if entry.state != "done":
        raise Refused(
            f"It is not known whether change {change_id} was carried out. Look the contact up first.",
            kind="change_unknown",
        )
    return entry


async def _undo_update(book: Book, entry: Entry, token: str) -> Outcome:
    assert entry.contact_id is not None
    restored = _restored_by(entry)
    gone = _drop_missing(restored, await _names_for(book, restored))
    phone = str(restored.get("phone") or "")
    async with locked_contact(book, ContactRef(entry.contact_id), phones=[phone]) as contact:
        if before := await _undone_before(book, entry):
            return before
        await _refuse_if_moved(book, entry, values_of(contact), among=_left_of(restored, contact))
        opt_out_kept = _keep_opted_out(restored, entry)
        if not restored:
            notes = [*gone, *(_on_kept_opt_out(contact) if opt_out_kept else [])]
            return await _nothing_left(book, entry, contact, notes)
        if phone and phone != contact.phone:
            await refuse_taken_phone(book, phone, mover=contact.id)
        edit = Edit(restored)
        outcome = await change(book, contact, edit, notes=gone, confirm_token=token, undoes=entry.change_id)
    return _undone(outcome, opt_out_kept=opt_out_kept) if outcome.status == "updated" else outcome


async def _undo_merge(book: Book, entry: Entry) -> Outcome:
    """Take a whole merge back: the deleted contacts first, so that nothing is lost where this stops in the middle.

    A merge that was taken back in part goes on. Nothing is done where the kept contact was changed since. A contact
    with the number of the kept one is not created beside it.
    """
    parts = [_undoable(part, part.change_id) for part in await book.journal.of_merge(entry.merge)]
    left = [part for part in parts if not part.undone_by]
    if not left:
        before = await _undone_before(book, parts[0])
        assert before
        return before
    phone = await _phone_of_kept(book, entry, left)
    beside = [part for part in left if part.action == "delete" and _is_same_number(part.before.get("phone"), phone)]
    done = await _undo_parts(book, entry, [part for part in left if part not in beside])
    return _as_one(done, notes=[_on_same_number(part) for part in beside])


async def _undo_parts(book: Book, entry: Entry, parts: Sequence[Entry]) -> list[Outcome]:
    """Take these changes of a merge back, the deletions first. An error says which ones were taken back before it."""
    done: list[Outcome] = []
    for part in sorted(parts, key=lambda each: (each.action == "update", each.change_id)):
        try:
            done.append(await _UNDO[part.action](book, part, ""))
        except ContactsError as error:
            if done:
                error.tell_of(_partly_undone(done, entry))
            raise
    return done


def _as_one(done: Sequence[Outcome], *, notes: Sequence[str]) -> Outcome:
    """The outcomes of the parts of a merge as one. The card and its changes are those of the kept contact, the last.

    A note tells of each contact that was created again.
    """
    said = dict.fromkeys(note for outcome in done for note in outcome.notes)
    is_undone = any(outcome.status == "undone" for outcome in done)
    return Outcome(
        status="undone" if is_undone else "unchanged",
        card=done[-1].card if done else None,
        changes=done[-1].changes if done else [],
        notes=[*said, *notes],
        change_id=done[0].change_id if done else None,
    )


async def _phone_of_kept(book: Book, entry: Entry, left: Sequence[Entry]) -> str:
    """The phone of the contact that a merge kept, "" where it is no more. Raises Refused where it was changed since."""
    kept = int(entry.merge.partition(":")[0])
    updates = [part for part in left if part.action == "update"]
    try:
        async with locked_contact(book, ContactRef(kept)) as contact:
            for update in updates:
                among = _left_of(_restored_by(update), contact)
                await _refuse_if_moved(book, update, values_of(contact), among=among)
            return contact.phone
    except ContactNotFound:
        if updates:
            raise
        return ""


def _is_same_number(phone: Value, other: str) -> bool:
    return bool(other) and phone in (other, *other_forms(other))


def _on_same_number(entry: Entry) -> Note:
    return Note(
        "not_created_again",
        f"Contact {entry.contact_id} was not created again, because the kept contact has the same number, and what "
        "Heymarket does with two contacts of one number is not known. Its data are in the answer of list_changes.",
    )


def _partly_undone(done: Sequence[Outcome], entry: Entry) -> str:
    back = ", ".join(f"contact {outcome.card.contact_id}" for outcome in done if outcome.card)
    return f"The merge was taken back in part: {back} is there again. Call undo_change {entry.change_id} to go on."


def _restored_by(entry: Entry) -> Values:
    """The old values that taking an update back restores."""
    return {key: old for key, (old, _) in _made_by(entry).items()}


def _left_of(restored: Values, contact: Contact) -> list[str]:
    """The keys that are not so yet."""
    now = values_of(contact)
    return [key for key, old in restored.items() if now.get(key, nothing_for(key)) != old]


def _undone(outcome: Outcome, *, opt_out_kept: bool) -> Outcome:
    stays = opt_out_kept and outcome.card and outcome.card.is_opted_out is not False
    return replace(outcome, status="undone", notes=[*outcome.notes, *([OPT_OUT_STAYS] if stays else [])])


async def _nothing_left(book: Book, entry: Entry, contact: Contact, notes: Sequence[str]) -> Outcome:
    text = f"Change {entry.change_id} left nothing that could be taken back; nothing was sent."
    card = await card_for(contact, book.vocabulary)
    return Outcome(status="unchanged", card=card, notes=[*notes] or [Note("nothing_to_undo", text)])


async def _undo_delete(book: Book, entry: Entry, token: str) -> Outcome:  # noqa: ARG001 -- the shape of the three
    wanted = {key: value for key, value in entry.before.items() if not is_empty(value) and value is not False}
    phone = str(wanted.get("phone", ""))
    if not phone:
        raise Refused(
            "The deleted contact had no phone, and Heymarket creates none without. "
            "Its data are in the answer of list_changes.",
            kind="no_phone",
        )
    names = await _names_for(book, wanted)
    gone = _drop_missing(wanted, names)
    async with locked_phone(book, phone):
        if before := await _undone_before(book, entry):
            return before
        await refuse_taken_phone(book, phone)
        written, left = await write_new(book, wanted, undoes=entry.change_id)
    assert written.after is not None
    after = values_of(written.after)
    names = await book.vocabulary.naming(wanted, after)
    new_id = (
        f"The contact was created again and has a new id: {written.after.id} (it was {entry.contact_id}). "
        f"{_lost_for_good(entry)}"
    )
    return Outcome(
        status="undone",
        card=card_of(written.after, names),
        changes=changes_between({}, after, names, among=wanted),
        notes=[
            Note("created_again", new_id),
            *([note_on_arrival(left, written.after)] if left else []),
            *([MERGED] if written.rev > 1 else []),
            *gone,
            *notes_on(written, names),
        ],
        change_id=written.change_id,
    )


def _lost_for_good(entry: Entry) -> str:
    """The parts that Heymarket lets nobody write."""
    notes = entry.record.get("note")
    many = f", its {len(notes)} note{'s' if len(notes) > 1 else ''}" if isinstance(notes, list) and notes else ""
    return f"Its conversation{many} and the day on which it was first created cannot be brought back."


async def _undo_create(book: Book, entry: Entry, token: str) -> Outcome:
    assert entry.contact_id is not None
    if entry.rev_after > 1:  # Heymarket may have put the values into one that was there (`heymarket-api.md` 4.2)
        raise Refused(
            f"Change {entry.change_id} was not taken back: the contact may have been there before, "
            "and what it was then is not known. "
            "Decide with the person what it should be, and use update_contact or delete_contact.",
            kind="change_moved",
        )
    async with locked_contact(book, ContactRef(entry.contact_id)) as contact:
        if before := await _undone_before(book, entry):
            return before
        await _refuse_if_moved(book, entry, values_of(contact))
        outcome = await delete_held(book, contact, token, undoes=entry.change_id)
    if outcome.status != "deleted":
        return outcome
    undone = Note("undone_by_deleting", "The contact was deleted, as it had been created by that change.")
    return replace(outcome, status="undone", notes=[undone, *outcome.notes])


_UNDO = {"create": _undo_create, "update": _undo_update, "delete": _undo_delete}


async def _names_for(book: Book, table: Values) -> Snapshot:
    """The lists that this table mentions.

    Raises ContactsError where one cannot be had, because an id must not be sent blindly.
    """
    mentioned: dict[ListName, bool] = {
        "fields": any(field_id(key) is not None for key in table),
        "tags": bool(table.get("tags")),
        "members": bool(table.get("assignee")),
    }
    return await book.vocabulary.read(*(name for name, is_mentioned in mentioned.items() if is_mentioned))


def _drop_missing(wanted: Values, names: Snapshot) -> list[str]:
    """Leave out of `wanted` the fields, tags and owner that are no more. Answers a note on each."""
    return [*_drop_fields(wanted, names), *_drop_tags(wanted, names), *_drop_owner(wanted, names)]


def _drop_fields(wanted: Values, names: Snapshot) -> list[str]:
    gone = [number for key in wanted if (number := field_id(key)) is not None and number not in names.fields]
    for number in gone:
        del wanted[custom_key(number)]
    labels = ", ".join(word(names.fields.label(number)) for number in gone)
    return [Note("left_out", f"Left out, because Heymarket has no such fields any more: {labels}.")] if gone else []


def _drop_tags(wanted: Values, names: Snapshot) -> list[str]:
    """Tags beyond the limit are left out, too."""
    tags = wanted.get("tags")
    if not isinstance(tags, list) or not tags:
        return []
    kept = [tag for tag in tags if tag in names.tags][:MOST_TAGS]
    labels = ", ".join(word(names.tags.label(tag)) for tag in tags if tag not in kept)
    wanted["tags"] = kept
    return [Note("left_out", f"Left out, because Heymarket would not take them: tags {labels}.")] if labels else []


def _drop_owner(wanted: Values, names: Snapshot) -> list[str]:
    owner = wanted.get("assignee")
    if not isinstance(owner, int) or owner in names.members:
        return []
    del wanted["assignee"]
    return [Note("left_out", "It is not assigned to anybody, because its owner is not in the team any more.")]


def _made_by(entry: Entry) -> Pairs:
    """The differences that the change itself made: asked for, and seen afterwards."""
    plan = plan_of(entry)
    made = differences(entry.before, entry.after, among=plan.asked)
    if plan.opts_in and is_hidden("is_opted_out", entry.after):
        # It cannot be seen, and is taken back all the same: that harms nobody.
        made["is_opted_out"] = (True, None)
    return made


async def _refuse_if_moved(book: Book, entry: Entry, now: Values, *, among: Sequence[str] | None = None) -> None:
    moved = differences(entry.after, now, among=among)
    if not moved:
        return
    names = await book.vocabulary.naming(entry.after, now)
    described = [
        f"{word(field_name(key, names))} was left as {in_quotes(key, left, names)} "
        f"and is {in_quotes(key, is_now, names)}"
        for key, (left, is_now) in moved.items()
    ]
    raise Refused(
        f"Change {entry.change_id} was not taken back, because the contact was changed since: {'; '.join(described)}. "
        "Decide with the person what it should be now.",
        kind="change_moved",
    )


OPT_OUT_STAYS = Note(
    "opt_out_stays",
    "The opt-out was left as it is: nobody is opted in by an undo. To opt in, use update_contact with consent.",
)


def _keep_opted_out(restored: Values, entry: Entry) -> bool:
    """Drop from `restored` what would opt the contact in. Answers whether the change itself had opted it out."""
    if restored.get("is_opted_out") is not True:
        restored.pop("is_opted_out", None)
    return entry.wanted.get("is_opted_out") is True and entry.before.get("is_opted_out") is not True


def _on_kept_opt_out(contact: Contact) -> list[str]:
    return [] if contact.is_opted_out is False else [OPT_OUT_STAYS, Note("nothing_sent", "Nothing was sent.")]
