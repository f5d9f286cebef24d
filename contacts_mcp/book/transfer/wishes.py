"""A row of a file -> the edit it asks for, in the ids of the account. The rules are those of a single request.

1. An unknown tag is told and left out: tags are made in Heymarket. So is an unknown colleague, unless the caller named
   the column of the assignee. The row is refused then.
2. An opt-out that says yes is carried out. One that says no is nothing: no file opts anybody in.
3. Rows of our own export are taken as they are, blanks at the ends too.
"""

from __future__ import annotations

from collections.abc import Mapping as Table
from collections.abc import Sequence
from dataclasses import dataclass, field

from contacts_mcp.book.fields import MOST_TAGS
from contacts_mcp.book.people.requests import SETTABLE_TEXTS, Edit, Wanted, resolve, resolve_custom
from contacts_mcp.book.transfer.reading import Row
from contacts_mcp.book.values import custom_key
from contacts_mcp.book.vocabulary import Snapshot
from contacts_mcp.errors import InvalidArgument, UnknownName
from contacts_mcp.models import Values
from contacts_mcp.words.names import Names

AMBIGUOUS = "ambiguous"
_NO_COLLEAGUE = {AMBIGUOUS: "may mean several colleagues."}
_CLEAN = tuple(name for name in SETTABLE_TEXTS if name != "avatar")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """One row as `deciding.decide` takes it."""

    line: int
    edit: Edit = field(default_factory=lambda: Edit({}))
    refused: str = ""  # the reason why it cannot be imported
    problem: str = ""  # in words
    unknown: tuple[tuple[str, str], ...] = ()  # ("tag", "assignee" or "ambiguous", text), left out
    says_in: bool = False  # the opt-out says no

    @property
    def phone(self) -> str:
        return str(self.edit.values.get("phone", ""))

    @property
    def email(self) -> str:
        return str(self.edit.values.get("email", ""))


def wish_of(
    row: Row, names: Snapshot, *, is_exact: bool = False, needs_assignee: bool = False, more_tags: Sequence[int] = ()
) -> Wish:
    """The edit of a row. `more_tags` are given to every row. `is_exact` is for our own export."""
    if row.refused:
        return Wish(line=row.line, refused=row.refused, problem=row.problem)
    tags, unknown = _tags(row.tags, names)
    assignee = row.assignee
    if assignee and (kind := _unknown("assignee", assignee, names.members)):
        if needs_assignee:
            problem = (
                "may mean several colleagues." if kind == AMBIGUOUS else "names a colleague who is not in the team."
            )
            return Wish(line=row.line, refused="unknown_assignee", problem=problem)
        unknown.append((kind, assignee))
        assignee = ""
    try:
        values, notes = _exact(row, names, assignee) if is_exact else _cleaned(row, names, assignee)
    except InvalidArgument as error:
        return Wish(line=row.line, refused=_reason(error), problem=str(error))
    added = tuple(dict.fromkeys([*tags, *more_tags]))
    if len(added) > MOST_TAGS:
        problem = f"has {len(added)} tags, and Heymarket allows {MOST_TAGS}."
        return Wish(line=row.line, refused="too_many_tags", problem=problem)
    edit = Edit(values, add_tags=added, notes=notes)
    return Wish(line=row.line, edit=edit, unknown=tuple(unknown), says_in=row.opt_out is False)


def _cleaned(row: Row, names: Snapshot, assignee: str) -> tuple[Values, tuple[str, ...]]:
    """The row's names and e-mail are clean by now. Everything else goes the way of a single request."""
    if assignee or row.avatar:
        edit = resolve(Wanted(custom_fields=row.custom, assignee=assignee or None, avatar=row.avatar or None), names)
    else:
        edit = resolve_custom(row.custom, names)
    return {**_plain(row), **edit.values}, edit.notes


def _plain(row: Row) -> Values:
    values: Values = {"phone": row.phone}
    values |= {name: text for name in _CLEAN if (text := getattr(row, name))}
    if row.opt_out:
        values["is_opted_out"] = True
    return values


def _exact(row: Row, names: Snapshot, assignee: str) -> tuple[Values, tuple[str, ...]]:
    values = _plain(row) | _custom(row.custom, names)
    values |= {"avatar": row.avatar} if row.avatar else {}
    values |= {"assignee": names.members.resolve(assignee, argument="assignee").id} if assignee else {}
    return values, ()


def _custom(texts: Table[str, str], names: Snapshot) -> Values:
    found = {names.fields.resolve(label, argument="custom_fields").id: text for label, text in texts.items()}
    return {custom_key(number): text for number, text in found.items()}


def _tags(texts: Sequence[str], names: Snapshot) -> tuple[list[int], list[tuple[str, str]]]:
    found = [(text, _unknown("tag", text, names.tags)) for text in texts]
    known = [names.tags.resolve(text, argument="tags").id for text, kind in found if not kind]
    return known, [(kind, text) for text, kind in found if kind]


def _unknown(kind: str, text: str, among: Names) -> str:
    """Why a name is left out: its kind, where nobody has it, or that it means several. "" for one that is known."""
    try:
        among.resolve(text, argument=kind)
    except UnknownName as error:
        return AMBIGUOUS if error.is_ambiguous else kind
    return ""


def _reason(error: InvalidArgument) -> str:
    return f"unreadable_{error.argument}" if error.argument in SETTABLE_TEXTS else "unreadable_value"
