"""Expressions of the search in `words`. They are put together here alone, so that no text of a stranger becomes one.

- FTS5 takes a word with any sign in it for a phrase, which `detail = column` refuses ("l.r." did). Only words of
  letters, digits and marks get in.
- A clause is a list of alternatives. All clauses must match.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from contacts_mcp.state.row import EVERYBODY, storable


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """Conditions on a contact's record that are no words. None means any."""

    created_from: int | None = None  # microseconds since 1970; included
    created_before: int | None = None  # not included
    updated_from: int | None = None
    updated_before: int | None = None
    phone_prefixes: tuple[str, ...] = ()  # digits with the country; one of them is enough

    @property
    def conditions(self) -> list[tuple[str, Sequence[int | str]]]:
        """SQL conditions on the table `contact c`, each with its values."""
        since = max(filter(None, (self.updated_from, self.created_from)), default=None)
        numbers: list[tuple[str, int | None]] = [
            ("c.created >= ?", self.created_from),
            ("c.created < ?", self.created_before),
            ("c.updated >= ?", since),  # none is created after it was updated, and updates have an index
            ("c.updated < ?", self.updated_before),
        ]
        found: list[tuple[str, Sequence[int | str]]] = [(test, [value]) for test, value in numbers if value is not None]
        if self.phone_prefixes:
            any_prefix = " OR ".join("substr(c.phone, 1, ?) = ?" for _ in self.phone_prefixes)
            values = [value for prefix in self.phone_prefixes for value in (len(prefix), prefix)]
            found.append((f"({any_prefix})", values))
        return found


def word(text: str) -> str:
    """The whole word in any column."""
    return f'"{text}"' if _is_word(text) else ""


def beginning(text: str) -> str:
    """Every word that begins so."""
    return f'"{text}" *' if _is_word(text) else ""


def in_name(alternatives: Iterable[str]) -> str:
    """One of these words in the column of names."""
    joined = " OR ".join(filter(None, map(word, alternatives)))
    return f"{{n}} : ({joined})" if joined else ""


def in_name_beginning(text: str) -> str:
    """Every word of a name that begins so."""
    return f'{{n}} : "{text}" *' if _is_word(text) else ""


def in_email(text: str) -> str:
    """The whole word in an e-mail address."""
    return f'{{e}} : "{text}"' if _is_word(text) else ""


def expression(clauses: Iterable[Sequence[str]], *, without: Iterable[str] = ()) -> str:
    """All clauses, each of which is a list of alternatives, and none of the words of `without`.

    It is "" where nothing can match, because a clause has no alternative.
    """
    wanted = [[alternative for alternative in clause if alternative] for clause in clauses]
    unwanted = [text for each in without if (text := word(each))]
    if not all(wanted):
        return ""
    if not wanted:
        wanted = [[word(mark) for mark in EVERYBODY]]
    joined = " AND ".join(f"({' OR '.join(clause)})" for clause in wanted)
    return f"({joined}) NOT ({' OR '.join(unwanted)})" if unwanted else joined


def trigrams(text: str) -> str:
    """The trigrams of a text in a row of `parts` or `inword`, "" for a text shorter than one.

    The candidates must be compared with the text, because the trigrams may stand apart.
    """
    clean = storable(text.replace("\0", ""))
    found = dict.fromkeys(clean[at : at + 3].replace('"', '""') for at in range(len(clean) - 2))
    return " AND ".join(f'"{each}"' for each in found)


def _is_word(text: str) -> bool:
    """Letters, digits, and everything beyond ASCII: the tokenizer parts words at ASCII signs alone."""
    last_of_ascii = "\x7f"
    return bool(text) and storable(text) == text and all(char.isalnum() or char > last_of_ascii for char in text)
