"""The search of the index in a file, as SQLite and its FTS5 understand it."""

from __future__ import annotations

from collections.abc import Sequence

from contacts_mcp.state.match import Bounds, Expression, Term
from contacts_mcp.state.row import storable


def query_of(wanted: Expression) -> str:
    """The expression for MATCH in `words`."""
    joined = " AND ".join([f"({' OR '.join([_alternative(term) for term in clause])})" for clause in wanted.clauses])
    unwanted = " OR ".join([f'"{text}"' for text in wanted.without])
    return f"({joined}) NOT ({unwanted})" if unwanted else joined


def _alternative(term: Term) -> str:
    text, place, is_beginning = term
    quoted = f'"{text}" *' if is_beginning else f'"{text}"'
    return f"{{{place}}} : {quoted}" if place else quoted


def trigrams(text: str) -> str:
    """The trigrams of a text in a row of `parts` or `inword`, "" for a text shorter than one.

    The candidates must be compared with the text, because the trigrams may stand apart.
    """
    clean = storable(text.replace("\0", ""))
    found = dict.fromkeys(clean[at : at + 3].replace('"', '""') for at in range(len(clean) - 2))
    return " AND ".join(f'"{each}"' for each in found)


def conditions(bounds: Bounds | None) -> tuple[str, list[int | str]]:
    """The conditions on the table `contact c` with an AND before each, and their values."""
    if bounds is None:
        return "", []
    numbers: list[tuple[str, int | None]] = [
        ("c.created >= ?", bounds.created_from),
        ("c.created < ?", bounds.created_before),
        ("c.updated >= ?", bounds.changed_from),
        ("c.updated < ?", bounds.updated_before),
    ]
    found: list[tuple[str, Sequence[int | str]]] = [(test, [value]) for test, value in numbers if value is not None]
    if bounds.phone_prefixes:
        any_prefix = " OR ".join("substr(c.phone, 1, ?) = ?" for _ in bounds.phone_prefixes)
        found.append((f"({any_prefix})", [part for each in bounds.phone_prefixes for part in (len(each), each)]))
    return "".join(f" AND {test}" for test, _ in found), [value for _, values in found for value in values]
