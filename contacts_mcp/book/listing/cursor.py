"""The cursor of `list_contacts`: where a listing stands between two calls, as a text that only this module reads.

A cursor holds contact ids, moments and counts, and no other contact data. It is good for its own filters only.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter

from contacts_mcp.book.cursors import Number, packed, unpacked
from contacts_mcp.book.listing.filters import Filters
from contacts_mcp.book.listing.walk import MOST_PAGES, Walk
from contacts_mcp.errors import InvalidArgument
from contacts_mcp.models import instant

_VERSION = 3  # of what is sealed; a cursor of another version is refused


@dataclass(frozen=True, slots=True)
class Watch:
    """How the account looked when the walk began. If it looks the same at the end, nobody changed anything between."""

    head: str  # a digest of the first page
    newest: str = ""  # its first `updated`
    count: Number | None = None  # the account's own, before the second page; None where not needed or not told
    is_late: bool = False  # whether it was taken by a later call than the first page


@dataclass(frozen=True, slots=True)
class Position:
    """Where a listing stands."""

    walk: Walk
    seen: Number = 0  # contacts looked through that were there when the walk began, each counted once
    added: Number = 0  # contacts that were created since then
    changed: Number = 0  # contacts met at another look at the head, which an earlier call may have seen already
    unread: frozenset[str] = frozenset()  # digests of the rows that could not be read
    has_changes: bool = False  # whether another look at the head showed anything new
    given: Number = 0  # contacts that passed the filters, in all calls together
    is_below: bool = False  # whether the range of dates was left at its lower end
    refuses_size: bool = False  # whether the service refuses to be told how many contacts a page should have
    watch: Watch | None = None
    size: Number = 0  # rows to ask for in each page, 0 for the usual number


@dataclass(frozen=True, slots=True)
class _Sealed:
    """The contents of a cursor."""

    version: int
    filters: str
    position: Position


_SEALED = TypeAdapter(_Sealed)


def sealed(position: Position, filters: Filters, account: str = "") -> str:
    """The cursor that lets a later call go on from `position`, in the same account."""
    held = _SEALED.dump_json(_Sealed(_VERSION, fingerprint(filters), position), exclude_defaults=True)
    return packed(held, account)


def opened(cursor: str, filters: Filters, account: str = "") -> Position:
    """The position that `cursor` holds. Raises InvalidArgument for a text that is no cursor of these filters."""
    try:
        held = _SEALED.validate_json(unpacked(cursor, account), strict=True)
    except ValueError:
        raise _not_ours() from None
    if held.version != _VERSION or not _is_sound(held.position.walk):
        raise _not_ours()
    if held.filters != fingerprint(filters):
        raise InvalidArgument(
            "cursor",
            "was given for other filters.",
            expected="Repeat the filters of the first call together with its next_cursor, or leave cursor out.",
        )
    return held.position


def fingerprint(filters: Filters) -> str:
    """A short digest of `filters`, by which a cursor knows its own."""
    return hashlib.blake2b(json.dumps(asdict(filters), sort_keys=True).encode(), digest_size=6).hexdigest()


def _not_ours() -> InvalidArgument:
    return InvalidArgument(
        "cursor",
        "is not one that list_contacts gave.",
        expected="Pass next_cursor exactly as it was answered, or leave cursor out to start at the top.",
    )


def _is_sound(walk: Walk) -> bool:
    """Whether a walk can stand there. Its dates go to the service, so they must be moments, and its pages real ones."""
    if walk.ask is None:
        return False
    asks = (walk.ask, walk.start)
    dates = [ask.date for ask in asks if ask.date is not None]
    pages = [ask.page for ask in asks if ask.page is not None]
    return all(map(instant, (*dates, *_moments(walk)))) and all(1 <= page <= MOST_PAGES for page in pages)


def _moments(walk: Walk) -> list[str]:
    """Every moment that a walk has met."""
    marks = [mark for mark in (walk.mark, walk.until) if mark]
    return [*filter(None, (walk.settled, walk.last)), *(text for mark in marks for text in (mark.head, mark.floor))]
