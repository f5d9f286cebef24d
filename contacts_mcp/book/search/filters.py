"""Exact filters: as words that the index finds, and as a test of one row. Both must agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from contacts_mcp.state.match import Bounds, Clause, Term, beginning, word
from contacts_mcp.state.row import (
    EVERYBODY,
    HAS_EMAIL,
    PHONE_MARK,
    Row,
    assignee_mark,
    field_mark,
    phone_mark,
    tag_mark,
    value_mark,
)
from contacts_mcp.words.folding import unaccented

FieldKind = Literal["is", "any", "none"]


@dataclass(frozen=True, slots=True)
class FieldFilter:
    """A condition on one custom field."""

    field_id: int
    kind: FieldKind = "is"
    value: str = ""  # of "is"; case, accents and width are forgiven


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """The wanted contacts. None, and empty, mean any."""

    tags: tuple[int, ...] = ()  # 0 is "no tags"
    any_tag: bool = False  # one of `tags` is enough
    assignee: int | None = None  # 0 is nobody
    fields: tuple[FieldFilter, ...] = ()
    is_opted_out: bool | None = None  # contacts of unknown opt-out pass neither
    has_email: bool | None = None
    phone_prefixes: tuple[str, ...] = ()  # digits with the country code; one of them is enough
    created_from: int | None = None  # microseconds since 1970, included
    created_before: int | None = None  # not included
    updated_from: int | None = None
    updated_before: int | None = None

    @property
    def are_none(self) -> bool:
        return self == _NONE

    @property
    def clauses(self) -> list[Clause]:
        """The clauses for the index, each a list of alternatives."""
        given = (
            *self._tag_marks(),
            [assignee_mark(self.assignee)] if self.assignee is not None else [],
            [EVERYBODY[self.is_opted_out]] if self.is_opted_out is not None else [],
            [HAS_EMAIL] if self.has_email else [],
            *([_mark(each)] for each in self.fields if each.kind != "none"),
        )
        phones = [_phone_mark(prefix) for prefix in self.phone_prefixes]
        return [clause for clause in (*([*map(word, marks)] for marks in given), phones) if clause]

    def _tag_marks(self) -> list[list[str]]:
        marks = [tag_mark(tag) for tag in self.tags]
        return [marks] if self.any_tag else [[mark] for mark in marks]

    @property
    def without(self) -> list[str]:
        """The marks that no wanted contact has."""
        fields = [field_mark(each.field_id) for each in self.fields if each.kind == "none"]
        return [*fields, HAS_EMAIL] if self.has_email is False else fields

    @property
    def bounds(self) -> Bounds:
        """The conditions on the record."""
        return Bounds(
            created_from=self.created_from,
            created_before=self.created_before,
            updated_from=self.updated_from,
            updated_before=self.updated_before,
            phone_prefixes=self.phone_prefixes if max(map(len, self.phone_prefixes), default=0) > PHONE_MARK else (),
        )

    def passes(self, row: Row) -> bool:
        """Whether the row is one of the wanted contacts."""
        return all(passes for _, passes in self._tests(row))

    def may_pass(self, row: Row) -> bool:
        """Whether the row may be one of them: each member that speaks against it cannot be read."""
        return all(passes or is_unread(member, row) for member, passes in self._tests(row))

    def failed(self, row: Row) -> list[str]:
        """The members for which the row is not wanted, custom ones as `custom.<field id>`."""
        return [member for member, passes in self._tests(row) if not passes]

    def _tests(self, row: Row) -> Iterator[tuple[str, bool]]:
        """Each condition: the member that decides, and whether the row passes."""
        yield "tags", self._passes_tags(row)
        yield "assigned_user_id", self.assignee in (None, row.assignee or 0)
        yield "is_opted_out", self.is_opted_out in (None, row.is_opted_out)
        yield "email", self.has_email in (None, bool(row.email))
        for each in self.fields:
            yield f"custom.{each.field_id}", _passes(each, row)
        yield "phone", not self.phone_prefixes or row.phone.startswith(self.phone_prefixes)
        yield "created", _is_between(row.created, self.created_from, self.created_before)
        yield "updated", _is_between(row.updated, self.updated_from, self.updated_before)

    def _passes_tags(self, row: Row) -> bool:
        has = [tag in (row.tags or (0,)) for tag in self.tags]
        return not has or (any(has) if self.any_tag else all(has))


_NONE = Filters()


def is_unread(member: str, row: Row) -> bool:
    """Whether the service shows this member of the contact in a form that cannot be read."""
    return member in row.unread or (member.startswith("custom.") and "custom" in row.unread)


def _mark(each: FieldFilter) -> str:
    return field_mark(each.field_id) if each.kind == "any" else value_mark(each.field_id, each.value)


def _phone_mark(prefix: str) -> Term | None:
    """The contacts whose phone begins so, or more where the prefix is longer than the mark."""
    mark = phone_mark(prefix)
    return word(mark) if len(prefix) >= PHONE_MARK else beginning(mark)


def _passes(each: FieldFilter, row: Row) -> bool:
    value = row.custom.get(each.field_id, "")
    if each.kind == "is":
        return bool(value) and unaccented(value) == unaccented(each.value)
    return bool(value) is (each.kind == "any")


def _is_between(value: int | None, start: int | None, end: int | None) -> bool:
    if start is None and end is None:
        return True
    return value is not None and (start is None or value >= start) and (end is None or value < end)
