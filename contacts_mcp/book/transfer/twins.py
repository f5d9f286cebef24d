"""Rows of one file with the same phone: the first counts, and each later one is told with the difference it makes."""

from __future__ import annotations

import json
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from dataclasses import fields, replace
from typing import Literal, NamedTuple

from contacts_mcp.book.fields import MOST_TAGS
from contacts_mcp.book.transfer.limits import MOST_ROWS
from contacts_mcp.book.transfer.mapping import Mapping
from contacts_mcp.book.transfer.reading import Row, opted_out_phones, rows_of
from contacts_mcp.book.transfer.sources.source import Source
from contacts_mcp.book.transfer.wishes import Wish
from contacts_mcp.state.database import json_text
from contacts_mcp.state.scratch import Scratch
from contacts_mcp.words.folding import caseless

Likeness = Literal["identical", "same_values_but_ids", "knows_more", "says_otherwise"]


class Earlier(NamedTuple):
    """The first row with a phone."""

    line: int
    facts: dict[str, str]  # as `facts_of`


class SeenInFile:
    """The first row of each phone and e-mail of one file."""

    def __init__(self, scratch: Scratch) -> None:
        self._scratch = scratch

    def first_with(self, row: Row) -> Earlier | None:
        """The earlier row with the phone of `row`, which is remembered if it is the first."""
        if not row.phone or row.refused:
            return None
        said = self._scratch.keep(f"phone {row.phone}", json_text([row.line, facts_of(row)]))
        if row.email and self._scratch.keep(f"email {caseless(row.email)}", row.phone) not in (None, row.phone):
            row.notes.append("same_email_as_another_row")
        return Earlier(*json.loads(said)) if said else None


class Together:
    """The changes that later rows of a phone make to its first one: their opt-outs, and their values if they fill.

    The file is read once more for it, and only where that can make a difference. A row that cannot be imported, for its
    phone or for its values as `wished` tells, fills nothing.
    """

    def __init__(
        self,
        scratch: Scratch,
        source: Source,
        mapping: Mapping,
        wished: Callable[[Row], Wish],
        *,
        region: str,
        fills: bool,
        most: int = MOST_ROWS,
    ) -> None:
        self._scratch = scratch
        self._wished = wished
        self._fills = fills
        may_opt_out = bool(mapping.opt_outs) or mapping.is_ours
        self._changes = fills or may_opt_out
        if fills:
            for row in rows_of(source, mapping, region=region, most=most):
                self._add(row)
        elif may_opt_out:
            for phone in opted_out_phones(source, mapping, region=region):
                scratch.put(f"out {phone}", "")

    def _add(self, row: Row) -> None:
        key = f"row {row.phone}"
        known = None if self._wished(row).refused else self._scratch.keep(key, _as_text(row))
        if known is not None:
            self._scratch.put(key, _as_text(merged(_from_text(known), row)))

    def first(self, row: Row) -> Row:
        """The first row of a phone, together with the later ones."""
        if row.refused or not self._changes:
            return row
        if not self._fills:
            is_out = not row.opt_out and self._scratch.get(f"out {row.phone}") is not None
            return replace(row, opt_out=True) if is_out else row
        known = self._scratch.get(f"row {row.phone}")
        return replace(_from_text(known), notes=row.notes) if known else row


def _as_text(row: Row) -> str:
    return json_text({field.name: getattr(row, field.name) for field in fields(row)})


def _from_text(text: str) -> Row:
    values = json.loads(text)
    return Row(**values | {name: tuple(values[name]) for name in ("variants", "tags")})


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


def merged(first: Row, later: Row) -> Row:
    """The first row, its blanks filled from a later one of its phone. An opt-out of either counts."""
    opt_out = True if later.opt_out else first.opt_out
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
