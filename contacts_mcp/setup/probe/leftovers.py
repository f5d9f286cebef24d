"""The contacts that a probe made, deleted at its end, or at the next run where it was killed.

Only a contact that shows a mark of that very run is deleted. The journal knows the runs, their phones and ids.
A create may have gone into a contact that was there. Its first look then shows a `rev` above 1, and it is left alone.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import anyio

from contacts_mcp.api.client import Call, find_call, get_call, path_of, search_call
from contacts_mcp.api.facts import Row
from contacts_mcp.api.retries import Kind
from contacts_mcp.book.book import Book
from contacts_mcp.book.writing.plan import deletion_of
from contacts_mcp.errors import RateLimited, UpstreamError
from contacts_mcp.models import Contact
from contacts_mcp.setup.probe.asking import Asker, told_by
from contacts_mcp.setup.probe.findings import Findings
from contacts_mcp.setup.probe.reading import contacts_in, missing_as
from contacts_mcp.setup.probe.writing import LOOK_PAUSES, is_mark
from contacts_mcp.state.journal import Entry

TRIES = 3  # copies of a deletion


@dataclass(slots=True)
class Cleaned:
    """The end of the probe's contacts."""

    deleted: list[int] = field(default_factory=list)
    left: list[str] = field(default_factory=list)  # a sentence for each contact that is or may be left
    kept: list[str] = field(default_factory=list)  # ... for each that may be somebody's, and is never deleted


async def clean(book: Book, asker: Asker, findings: Findings, known: Mapping[int, Row]) -> Cleaned:
    """Delete all that probes left. `known` are contacts of this run, as its last look showed them.

    Raises CredentialsRefused, RateLimited, OutOfRequests.
    """
    done, seen = Cleaned(), set[Any]()
    entries = await book.journal.made_by_probe()
    new = _new_ones(entries)
    for entry in entries:
        own = known.get(entry.contact_id or 0)
        rows = [own] if own else await _found(book, asker, entry)
        if rows is None:
            done.left.append(f"It could not be seen whether the contact of {_when(entry)} is there.")
            continue
        ours = _marked(entry, rows)
        for row in _not_yet(seen, ours):
            if _may_have_been_there(entry, row, new):
                done.kept.append(_kept(entry, row))
            else:
                await _delete_and_tell(book, asker, findings, row, done)
        if not ours:
            await _nothing_there(book, done, entry)
    return done


def _new_ones(entries: Sequence[Entry]) -> set[int]:
    """The contacts that nobody seems to have had before their create."""
    return {entry.contact_id for entry in entries if entry.contact_id is not None and entry.rev_after <= 1}


def _marked(entry: Entry, rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if is_mark(row.get("email"), str(entry.record["probe"]))]


def _not_yet(seen: set[Any], rows: Sequence[Row]) -> list[Row]:
    """Those of `rows` that are not in `seen`, each once. They are in it afterwards."""
    fresh = {row["id"]: row for row in rows if row["id"] not in seen}
    seen |= fresh.keys()
    return [*fresh.values()]


def _may_have_been_there(entry: Entry, row: Row, new: Collection[int]) -> bool:
    """Whether the create of `entry` may have gone into somebody's contact. `new` are those that were made."""
    rev = entry.rev_after if entry.contact_id is not None else row.get("rev")
    return int(row["id"]) not in new and isinstance(rev, int) and rev > 1


def _kept(entry: Entry, row: Row) -> str:
    return (
        f"Contact {int(row['id'])} has the e-mail of {_when(entry)}, and may have been there before. "
        "It is left alone. Look at it, and delete it yourself if it is the probe's."
    )


async def _delete_and_tell(book: Book, asker: Asker, findings: Findings, row: Row, done: Cleaned) -> None:
    if await _delete(book, asker, findings, row):
        done.deleted.append(int(row["id"]))
    else:
        done.left.append(f"Contact {int(row['id'])} could not be deleted.")


async def _found(book: Book, asker: Asker, entry: Entry) -> list[Row] | None:
    """The contacts that may be the one of an entry. Several looks, where one may be behind."""
    rows: list[Row] | None = None
    for pause in LOOK_PAUSES if _is_young(book, entry) else LOOK_PAUSES[:1]:
        await anyio.sleep(pause)
        rows = await _rows_of(asker, entry)
        if rows:
            break
    return rows


def _is_young(book: Book, entry: Entry) -> bool:
    """Whether a look may still be behind the create of that entry."""
    return entry.contact_id is None and book.journal.may_still_arrive(entry)


async def _nothing_there(book: Book, done: Cleaned, entry: Entry) -> None:
    """No contact of that entry is there. Its deletion may have been under way when a run was killed."""
    if entry.contact_id is not None:
        for other in await book.journal.unfinished():
            if other.contact_id == entry.contact_id and other.action == "delete":
                await book.journal.finish(replace(other, state="done"))
        return
    if book.journal.may_still_arrive(entry):
        done.left.append(f"The create of {_when(entry)} got no answer and may still arrive within a minute.")
    else:
        await book.journal.finish(replace(entry, state="not_done"))


def _when(entry: Entry) -> str:
    return f"run {entry.record['probe']} (change {entry.change_id})"


async def _rows_of(asker: Asker, entry: Entry) -> list[Row] | None:
    """The contacts that may be the one of an entry. None where no clear answer came."""
    if entry.contact_id is not None:
        told = await asker.read(get_call(entry.contact_id))
        return None if told is None else contacts_in(told)
    phone = str(entry.wanted["phone"])
    told = await asker.read(search_call(phones=[phone]))
    if told is None or told.is_refused:
        told = await asker.read(find_call(phone))
    return None if told is None else contacts_in(told)


async def _delete(book: Book, asker: Asker, findings: Findings, row: Row) -> bool:
    """Delete one contact, and look. True where it is gone."""
    contact = Contact.model_validate(row)
    entry = await book.journal.begin(deletion_of(contact).entry(record=contact.model_dump(mode="json")))
    for _ in range(TRIES):
        answer = None
        with suppress(RateLimited, UpstreamError):  # the look tells
            answer = told_by(await asker.once(Call("DELETE", path_of(contact.id), kind=Kind.WRITE)))
        is_accepted = answer is not None and not answer.is_refused
        for pause in LOOK_PAUSES:
            await anyio.sleep(pause)
            told = await asker.read(get_call(contact.id), believes=is_accepted)
            said = missing_as(told)
            if said:
                findings.add("deleted_look", said, "a contact was deleted and asked for")
                await book.journal.finish(replace(entry, state="done"))
                book.mirror.noticed_gone(contact.id)
                return True
            if not is_accepted:
                break
    await book.journal.finish(replace(book.journal.given_up(entry), state="unknown"))
    return False
