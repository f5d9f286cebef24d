"""A question to the index, and its answer."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from pydantic import TypeAdapter

from contacts_mcp.book.cursors import Number, packed, unpacked
from contacts_mcp.book.search.filters import Filters
from contacts_mcp.errors import InvalidArgument
from contacts_mcp.state.row import Row

SURE = 0.95
LIKELY = 0.8

Sort = Literal["best", "newest_change", "newest_contact", "name"]
Match = Literal["sure", "likely", "guess"]
How = Literal[
    "same", "other_spelling", "nickname", "begins_with", "misspelled", "sounds_like", "inside",
    "phone", "phone_begins_with", "phone_ends_with", "phone_has", "email", "email_has",
]  # fmt: skip
Where = Literal["name", "field", "email", "phone"]

_GUESSES = ("nickname", "begins_with", "misspelled", "sounds_like", "inside")
_VERSION = 1  # of a cursor; one of another version is refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Whom somebody looks for. Without a query, the filters alone count."""

    query: str = ""
    filters: Filters = field(default_factory=Filters)
    sort: Sort = "best"
    limit: int = 25
    cursor: str = ""
    account: str = ""  # whose cursor it is
    country: str = "1"  # the calling code of numbers without one
    optional: tuple[str, ...] = ()  # texts that a contact need not have, such as the names of fields: "the gold plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Why:
    """Why a contact was found: one word that was said, and the contact's word for it."""

    said: str
    found: str  # folded, or the phone or address
    how: How
    where: Where = "name"
    field_id: int | None = None  # of a custom value
    edits: int = 0  # of a misspelled word


@dataclass(frozen=True, slots=True, kw_only=True)
class Hit:
    """A contact that was found."""

    row: Row
    score: float  # 0 to 1
    why: tuple[Why, ...] = ()  # empty where the filters alone found it

    @property
    def match(self) -> Match:
        """How certain it is. A nickname, a misspelling or another guess is never sure."""
        return match_of(self.score, self.why)


def match_of(score: float, why: Sequence[Why]) -> Match:
    """How certain a hit of that score is. A nickname, a misspelling or another guess is never sure."""
    if score >= SURE and not any(each.how in _GUESSES for each in why):
        return "sure"
    return "likely" if score >= LIKELY else "guess"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The contacts that match, or one page of them."""

    hits: tuple[Hit, ...] = ()
    total: int = 0  # contacts that match
    is_exact: bool = True  # whether the total is exact; else it is at least so many
    is_sorted: bool = True  # whether the order holds for all matches; else for the newest of them
    ignored: tuple[str, ...] = ()  # words that no hit has
    cursor: str = ""  # of the next page, "" on the last one


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where the next page of an answer begins. It names ids and moments, and no other contact data."""

    below: Number | None = None  # only contacts with lower ids come now
    moment: Number | None = None  # only contacts that were updated before come now
    last: Number = 0  # the id that was shown last in the ranked list
    shown: Number = 0  # how many of that list were shown


_HELD = TypeAdapter(tuple[int, str, Number, Position])  # the version, the digest of the question, the generation


def sealed(position: Position, question: Question, generation: int) -> str:
    """The cursor of a position. It is good for the same question, until the account was read anew."""
    held = _HELD.dump_json((_VERSION, _digest(question), generation, position), exclude_defaults=True)
    return packed(held, question.account)


def opened(question: Question, generation: int) -> Position:
    """The position of the question's cursor. Raises InvalidArgument for a cursor of another question."""
    if not question.cursor:
        return Position()
    try:
        version, digest, its_generation, position = _HELD.validate_json(
            unpacked(question.cursor, question.account), strict=True
        )
    except ValueError:
        raise _not_ours("is not a cursor of this tool") from None
    if version != _VERSION or digest != _digest(question):
        raise _not_ours("belongs to another question")
    if its_generation != generation:
        raise _not_ours("is too old, because all contacts were read again since")
    return position


def _digest(question: Question) -> str:
    asked = repr((question.query, question.filters, question.sort, question.country, question.optional))
    return hashlib.sha256(asked.encode("utf-8", "replace")).hexdigest()[:12]


def _not_ours(problem: str) -> InvalidArgument:
    return InvalidArgument("cursor", f"{problem}.", expected="Ask again without a cursor.")
