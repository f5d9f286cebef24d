"""Rows of one file with the same phone: the first counts, and each later one is told with the difference it makes."""

from __future__ import annotations

import json
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Literal, NamedTuple

from contacts_mcp.book.fields import MOST_TAGS
from contacts_mcp.book.transfer.reading import Row
from contacts_mcp.words.folding import caseless

Likeness = Literal["identical", "same_values_but_ids", "knows_more", "says_otherwise"]


class Earlier(NamedTuple):
    """The first row with a phone."""

    line: int
    said: str  # its facts as JSON, which takes a fifth of the memory

    @classmethod
    def of(cls, row: Row) -> Earlier:
        return cls(row.line, json.dumps(facts_of(row), ensure_ascii=False))

    @property
    def facts(self) -> dict[str, str]:
        """As `facts_of`."""
        facts: dict[str, str] = json.loads(self.said)
        return facts


class SeenInFile:
    """The first row of each phone and e-mail, in memory. A plan in a database keeps them there."""

    def __init__(self) -> None:
        self._by_phone: dict[str, Earlier] = {}
        self._phone_of_email: dict[str, str] = {}

    def first_with(self, row: Row) -> Earlier | None:
        """The earlier row with the phone of `row`, which is remembered if it is the first."""
        if not row.phone or row.refused:
            return None
        earlier = self._by_phone.get(row.phone)
        if earlier is None:
            self._by_phone[row.phone] = Earlier.of(row)
        if row.email and self._phone_of_email.setdefault(caseless(row.email), row.phone) != row.phone:
            row.notes.append("same_email_as_another_row")
        return earlier


def facts_of(row: Row) -> dict[str, str]:
    """Everything that a row says, for comparing."""
    texts = {"first": row.first, "last": row.last, "display_name": row.display_name, "email": row.email}
    texts |= {"tags": "\n".join(sorted(row.tags)), "opt_out": "" if row.opt_out is None else str(row.opt_out)}
    texts |= {f"custom {name}": text for name, text in row.custom.items()}
    texts |= {f"column {name}": text for name, text in row.other.items()}
    return {name: text for name, text in texts.items() if text}


def likeness(row: Row, earlier: Earlier, ids: AbstractSet[str]) -> tuple[Likeness, bool]:
    """How a later row differs from the first one, and whether it has another name. `ids` are columns that number."""
    facts, known = facts_of(row), earlier.facts
    numbering = {f"column {header}" for header in ids}
    differing = {name for name, text in facts.items() if name in known and caseless(text) != caseless(known[name])}
    more = facts.keys() - known.keys() - numbering
    other_name = bool(differing & {"first", "last"})
    if differing - numbering:
        return "says_otherwise", other_name
    if more:
        return "knows_more", other_name
    return ("same_values_but_ids" if differing else "identical"), other_name


def merged(first: Row, later: Row, *, fills: bool) -> Row:
    """The first row with a later one of its phone. An opt-out of either counts. `fills` lets it fill the blanks."""
    opt_out = True if later.opt_out else first.opt_out
    if not fills:
        return replace(first, opt_out=opt_out)
    named = first if first.first or first.last or first.display_name else later
    return replace(
        first,
        first=named.first,
        last=named.last,
        display_name=named.display_name,
        email=first.email or later.email,
        avatar=first.avatar or later.avatar,
        assignee=first.assignee or later.assignee,
        tags=tuple(dict.fromkeys([*first.tags, *later.tags]))[: max(MOST_TAGS, len(first.tags))],
        opt_out=later.opt_out if opt_out is None else opt_out,
        custom={**later.custom, **first.custom},
        other={**later.other, **first.other},
    )
