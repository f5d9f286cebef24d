"""How much of the account the mirror holds, as an answer tells it. Pure: from the state of the index alone.

- The mirror is complete if a walk saw every contact, all later changes were read, and no doubt is left.
- Only then an empty answer means that nobody fits. Otherwise the answer says how many contacts were searched.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from contacts_mcp.errors import ContactsError
from contacts_mcp.words.note import Note

if TYPE_CHECKING:
    from contacts_mcp.state.word_index import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """How much of the account a search covers."""

    is_there: bool = True  # False: there is no index to search, and the notes say why
    complete: bool = False  # whether everybody is in it; only then "nobody" is an answer
    searched: int = 0  # contacts in the index
    of: int | None = None  # contacts of the account; None where that is not known
    as_of: str = ""  # RFC 3339; changes after this moment are not known. "" before the first contact.
    notes: tuple[Note, ...] = ()  # why it is not complete, or not fresh; each a sentence for the reader
    failure: ContactsError | None = None  # what stopped the reading of the account, until it goes on


OFF = Known(
    is_there=False,
    notes=(Note("index_off", "The local index of contacts is switched off (CONTACTS_MCP_INDEX=off)."),),
)


def without_index(error: ContactsError) -> Known:
    """The account is not mirrored, because the index cannot be used."""
    return Known(is_there=False, notes=(Note("index_unavailable", str(error)),), failure=error)


def known_from(state: State) -> Known:
    """The account as the index knows it. The index does not know who is filling it."""
    doubts = doubts_in(state)
    is_whole = state.complete_since is not None and not state.needs_rebuild
    count = int(number_in(state, "count", otherwise=-1))
    complete = is_whole and not doubts and not state.started_over
    moment = number_in(state, "as_of") or number_in(state, "began")
    return Known(
        complete=complete,
        searched=state.contacts,
        of=state.contacts if complete else max(count, state.contacts) if count >= 0 else None,
        as_of=written(moment) if moment else "",
        notes=(*_told(state), *doubts),
    )


def with_notes(known: Known, notes: Iterable[Note], failure: ContactsError | None = None) -> Known:
    return replace(known, notes=(*known.notes, *notes), failure=failure)


def doubts_in(state: State) -> list[Note]:
    """The reasons why somebody may be missing although a walk came to its end."""
    text = (state.notes or {}).get("doubts")
    try:
        return [Note(str(kind), str(doubt)) for kind, doubt in json.loads(text or "[]")]
    except (ValueError, TypeError):  # a damaged file
        return [Note("index_damaged", "A part of the local index of contacts cannot be read.")]


def number_in(state: State, name: str, *, otherwise: float = 0.0) -> float:
    """A number that was written down under that name."""
    try:
        return float((state.notes or {}).get(name, otherwise))
    except ValueError:  # a damaged file
        return otherwise


def written_doubts(doubts: Iterable[Note]) -> str | None:
    """The text that `doubts_in` reads, None for no doubt."""
    told = [(doubt.kind, str(doubt)) for doubt in doubts]
    return json.dumps(told) if told else None


def written(moment: float) -> str:
    """Unix seconds as RFC 3339."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _told(state: State) -> list[Note]:
    notes = []
    if state.started_over:
        text = "The local index of contacts could not be read and was thrown away. It is being filled again."
        notes.append(Note("index_started_over", text))
    if state.needs_rebuild:
        text = "The local index of contacts is being renewed for this version."
        notes.append(Note("index_renewing", text))
    return notes
