"""Expressions of a text search, for every engine. Each index writes them in its own language.

- An expression is clauses, which must all match, and words that must not. A clause is a list of alternatives.
- They are put together here alone, so that no text of a stranger becomes a part of that language. Only words of
  letters, digits and marks get in: FTS5 takes a word with any sign in it for a phrase ("l.r." did).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, NamedTuple

from contacts_mcp.state.row import EVERYBODY, storable

Place = Literal["", "n", "e"]  # anywhere, in names, in e-mail addresses


class Term(NamedTuple):
    """One alternative of a clause."""

    text: str
    place: Place = ""
    is_beginning: bool = False  # of a word; else the whole word


class Expression(NamedTuple):
    """Clauses, each a choice of terms, and words of which a contact may have none. Without a clause nobody matches."""

    clauses: tuple[tuple[Term, ...], ...] = ()
    without: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.clauses)


NOBODY = Expression()

Clause = Sequence[Term | None]  # None is a text that is no word


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Conditions on a contact's record that are no words. None means any."""

    created_from: int | None = None  # microseconds since 1970; included
    created_before: int | None = None  # not included
    updated_from: int | None = None
    updated_before: int | None = None
    phone_prefixes: tuple[str, ...] = ()  # digits with the country; one of them is enough

    @property
    def changed_from(self) -> int | None:
        """The earliest last change. Nothing is created after it was updated, and updates have an index."""
        return max(filter(None, (self.updated_from, self.created_from)), default=None)


def word(text: str) -> Term | None:
    """The whole word in any place."""
    return _term(text, "", is_beginning=False)


def beginning(text: str) -> Term | None:
    """Every word that begins so."""
    return _term(text, "", is_beginning=True)


def in_name(alternatives: Iterable[str]) -> list[Term]:
    """One of these words in a name."""
    return [term for text in alternatives if (term := _term(text, "n", is_beginning=False))]


def in_name_beginning(text: str) -> Term | None:
    """Every word of a name that begins so."""
    return _term(text, "n", is_beginning=True)


def in_email(text: str) -> Term | None:
    """The whole word in an e-mail address."""
    return _term(text, "e", is_beginning=False)


def in_email_beginning(text: str) -> Term | None:
    """Every word of an e-mail address that begins so."""
    return _term(text, "e", is_beginning=True)


@lru_cache(maxsize=8_192)
def _term(text: str, place: Place, *, is_beginning: bool) -> Term | None:
    return Term(text, place, is_beginning) if _is_word(text) else None


def expression(clauses: Iterable[Clause], *, without: Iterable[str] = ()) -> Expression:
    """All clauses, each of which is a list of alternatives, and none of the words of `without`.

    It is `NOBODY` where nothing can match, because a clause has no alternative.
    """
    wanted = tuple([tuple(filter(None, clause)) for clause in clauses])
    if not all(wanted):
        return NOBODY
    everybody = (tuple(map(Term, EVERYBODY)),)
    return Expression(wanted or everybody, tuple(each for each in without if word(each)))


def _is_word(text: str) -> bool:
    """Letters, digits, and everything beyond ASCII: the tokenizer parts words at ASCII signs alone."""
    last_of_ascii = "\x7f"
    return bool(text) and storable(text) == text and all(char.isalnum() or char > last_of_ascii for char in text)
