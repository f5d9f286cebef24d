"""One row of an import and the contacts it meets -> one decision. Pure, and the only place that decides.

The planner, the runner after a drift, the resumed run and undo all ask `decide`. One row has one decision, and the
decisions of a file add up to its rows.

| decision | when | it runs |
|---|---|---|
| `invalid` | the row cannot be read, or has a value that no contact can have | nothing |
| `duplicate` | the phone stood on an earlier line | nothing |
| `new` | nobody has the phone, and nobody the e-mail | a create |
| `conflict` | nobody has the phone, but somebody the e-mail; or two contacts have the phone | nothing |
| `conflict` | existing = fill, nothing is left to fill, and the file says otherwise | nothing |
| `same` | everything wanted is so | nothing |
| `fill` | existing = fill: empty fields are filled, tags are added up to five | an update |
| `update` | existing = overwrite: the file's texts are set, and its blanks change nothing | an update |
| `skip` | existing = skip | nothing |

- Nobody is ever opted in. An opt-out is carried out whatever `existing` says, also by an `update` of a skipped contact.
- The parts of a name are one thing. A contradiction in one of them, and none is filled.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from contacts_mcp.book.fields import MOST_TAGS, NAMES
from contacts_mcp.book.people.requests import Edit
from contacts_mcp.book.transfer.twins import Earlier
from contacts_mcp.book.transfer.wishes import Wish
from contacts_mcp.book.values import differences, is_empty, values_of
from contacts_mcp.models import Contact, Value, Values
from contacts_mcp.words.emails import same_email
from contacts_mcp.words.folding import caseless

DecisionName = Literal["invalid", "duplicate", "new", "conflict", "same", "fill", "update", "skip"]
RUNNING: tuple[DecisionName, ...] = ("new", "fill", "update")
Pairs = dict[str, tuple[Value, Value]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """The choices of the person who imports. None of them opts anybody in."""

    existing: Literal["fill", "overwrite", "skip"] = "fill"  # what to do with contacts that are there
    twice: Literal["tell", "merge"] = "tell"  # whether later rows of a phone fill the blanks of the first


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """The decision on one row."""

    decision: DecisionName
    reason: str = ""  # a stable kind: of the reader, another_number, two_contacts, says_otherwise, unreadable_member
    contact_id: int | None = None
    rev: int = 0  # of the contact
    before: Values = field(default_factory=dict)  # {} where there is no contact, or several
    wanted: Values = field(default_factory=dict)  # the whole table afterwards, {} where nothing runs
    conflicts: Pairs = field(default_factory=dict)  # key -> (in the book, in the file): told, not written
    left_tags: tuple[int, ...] = ()  # tags for which there was no room
    opted_out: bool = False  # the contact is opted out, and stays so

    @property
    def changes(self) -> Pairs:
        """key -> (before, wanted) of everything that would be written."""
        return differences(self.before, self.wanted) if self.wanted else {}


def decide(
    wish: Wish,
    with_that_phone: Sequence[Contact],
    with_that_email: Sequence[Contact],
    seen_in_file: Earlier | None,
    switches: Switches,
) -> Decision:
    """The decision on one row. The contacts are those that have its phone (in any form) and its e-mail now."""
    opted_out = any(contact.is_opted_out for contact in with_that_phone)
    if wish.refused:
        return Decision(decision="invalid", reason=wish.refused)
    if seen_in_file is not None:
        return Decision(decision="duplicate", reason="seen_in_file", opted_out=opted_out)
    if len({contact.id for contact in with_that_phone}) > 1:
        return Decision(decision="conflict", reason="two_contacts", opted_out=opted_out)
    if with_that_phone:
        return replace(_on_existing(wish, with_that_phone[0], switches), opted_out=opted_out)
    if with_that_email:
        other = with_that_email[0]
        conflicts: Pairs = {"phone": (other.phone, wish.phone)}
        return Decision(decision="conflict", reason="another_number", contact_id=other.id, conflicts=conflicts)
    return Decision(decision="new", wanted=wish.edit.applied_to({}))


def _on_existing(wish: Wish, contact: Contact, switches: Switches) -> Decision:
    """The decision on a row whose phone one contact has."""
    before = values_of(contact)
    found = Decision(decision="same", contact_id=contact.id, rev=contact.rev, before=before)
    edit, conflicts = _EDITS[switches.existing](wish, before)
    edit = _with_opt_out(edit, wish, before)
    edit, left_tags = _with_room(edit, before)
    wanted = edit.applied_to(before)
    changed = differences(before, wanted)
    told = replace(found, conflicts=conflicts, left_tags=left_tags)
    if not changed:
        if switches.existing == "skip":
            return replace(told, decision="skip")
        return replace(told, decision="conflict", reason="says_otherwise") if conflicts else told
    if any(name in contact.unread for name in (*NAMES, *changed)):
        return replace(told, decision="conflict", reason="unreadable_member")  # a write would blank it
    is_fill = switches.existing == "fill" and all(
        is_empty(value) or key == "tags" for key, (value, _) in changed.items()
    )
    return replace(told, decision="fill" if is_fill else "update", wanted=wanted)


def _with_opt_out(edit: Edit, wish: Wish, before: Values) -> Edit:
    opts_out = wish.edit.values.get("is_opted_out") is True and before.get("is_opted_out") is not True
    return replace(edit, values={**edit.values, "is_opted_out": True}) if opts_out else edit


def _with_room(edit: Edit, before: Values) -> tuple[Edit, tuple[int, ...]]:
    """The edit with as many of its tags as the contact has room for, and those left out."""
    had = before.get("tags") or []
    assert isinstance(had, list)
    new = [tag for tag in edit.add_tags if tag not in had]
    room = max(MOST_TAGS - len(had), 0)
    return replace(edit, add_tags=tuple(new[:room])), tuple(new[room:])


# What an edit leaves of itself, by the switch


def _skipping(wish: Wish, before: Values) -> tuple[Edit, Pairs]:  # noqa: ARG001 -- one shape for the table
    return Edit({}), {}


def _overwriting(wish: Wish, before: Values) -> tuple[Edit, Pairs]:
    """Everything that the file says. The stored form of the phone stays."""
    texts = {key: value for key, value in wish.edit.values.items() if key not in ("phone", "is_opted_out")}
    if same_email(str(texts.get("email", "")), str(before.get("email", ""))):
        texts.pop("email", None)
    return replace(wish.edit, values=texts), {}


def _filling(wish: Wish, before: Values) -> tuple[Edit, Pairs]:
    """The file's values for empty fields, and the contradictions in the others."""
    filled, conflicts = _filled_names(wish.edit.values, before)
    for key, value in wish.edit.values.items():
        if key in ("phone", "is_opted_out", *NAMES):
            continue
        had = before.get(key)
        if is_empty(had):
            filled[key] = value
        elif not _is_same(key, had, value):
            conflicts[key] = (had, value)
    return replace(wish.edit, values=filled), conflicts


_EDITS: dict[str, Callable[[Wish, Values], tuple[Edit, Pairs]]] = {
    "fill": _filling,
    "overwrite": _overwriting,
    "skip": _skipping,
}


def _filled_names(given: Values, before: Values) -> tuple[Values, Pairs]:
    """The parts of the name to fill, or the contradictions."""
    said, had = _names_in(given), _names_in(before)
    if not had or not said:
        return said, {}
    contradictions = {
        key: (had[key], told) for key, told in said.items() if not _is_same(key, had.get(key, told), told)
    }
    if contradictions:
        return {}, contradictions
    if had.keys().isdisjoint(said) and "display_name" in had | said:
        known, told = _whole(had), _whole(said)
        if caseless(known) != caseless(told):
            return {}, {"display_name": (known, told)}
        if "display_name" in said:  # the parts that are there say as much
            return {}, {}
    return {key: value for key, value in said.items() if key not in had}, {}


def _names_in(values: Values) -> Values:
    return {key: values[key] for key in NAMES if values.get(key)}


def _whole(names: Values) -> str:
    parts = (str(names[key]) for key in ("first", "last") if names.get(key))
    return str(names.get("display_name") or " ".join(parts))


def _is_same(key: str, one: Value, other: Value) -> bool:
    """Whether two values say the same: e-mails without case, other texts without case and the kind of blanks."""
    if key == "email":
        return same_email(str(one), str(other))
    return caseless(one) == caseless(other) if isinstance(one, str) and isinstance(other, str) else one == other
