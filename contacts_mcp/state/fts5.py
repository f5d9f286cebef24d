"""The search of the index in a file, as SQLite and its FTS5 understand it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from contacts_mcp.state.match import Bounds, Expression, Term
from contacts_mcp.state.row import storable

_NEVER = "§"  # no contact has that word


def query_of(wanted: Expression, common: Mapping[str, int] | None = None) -> str:
    """The expression for MATCH in `words`. `common` is how many contacts have a mark, where they are many."""
    unwanted = " OR ".join([f'"{text}"' for text in wanted.without])
    joined = _joined(wanted.clauses, common) if common else " AND ".join(map(_choice, wanted.clauses))
    return f"({joined}) NOT ({unwanted})" if unwanted else joined


def _joined(clauses: Sequence[tuple[Term, ...]], common: Mapping[str, int]) -> str:
    """The clauses, the rarest first.

    FTS5 moves on in every list of an AND wherever two of them differ. So the list of a common mark is moved on in for
    those alone who have the rest: it stands outside. FTS5 makes one AND of two unless something is between them.
    """
    counts = {clause: sum(common.get(term.text, 0) for term in clause) for clause in clauses}
    first, *others = sorted(counts, key=counts.__getitem__)
    joined, is_one = _choice(first), True
    for clause in others:
        inner = joined if is_one or not counts[clause] else f'(({joined}) NOT "{_NEVER}")'
        joined, is_one = f"{inner} AND {_choice(clause)}", False
    return joined


def _choice(clause: tuple[Term, ...]) -> str:
    return f"({' OR '.join([_alternative(term) for term in clause])})"


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
