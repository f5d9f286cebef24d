"""Making one contact of several: one is kept and filled, the others are deleted.

- The values of the kept contact win. Its empty fields are filled from the others, in the order given. Tags are united,
  up to the limit. First and last name are filled from one contact, so that nobody gets a name made of two people's.
- Nothing is thrown away silently: every value that is not kept is named, and so is the conversation of each other.
- The most restrictive opt-out wins, and one that is not known counts as one. An opt-out belongs to its number: the
  numbers of the others become free, and stay opted out (`people/suppressions.py`).
- The kept contact is written and read back first. The others are deleted one by one after that, each read again just
  before: if somebody has changed it since the plan, the merge stops.
- The journal has each step under the name of the merge. A merge that stopped is finished by the same call, and is taken
  back as a whole by an undo of any of its changes.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

from contacts_mcp.book.book import Book, confirmed, risky
from contacts_mcp.book.cards import Card, Change, card_of, changes_between, field_name, shown
from contacts_mcp.book.confirmations import digest_of
from contacts_mcp.book.fields import MOST_TAGS, SHOWN_ONLY
from contacts_mcp.book.people.delete import delete_for_good, warnings_on_deletion
from contacts_mcp.book.people.holding import locked_contacts
from contacts_mcp.book.people.requests import Edit
from contacts_mcp.book.people.update import refuse_losses
from contacts_mcp.book.values import custom_key, differences, is_empty, is_unread, values_of
from contacts_mcp.book.vocabulary import Snapshot
from contacts_mcp.book.writing.notes import notes_on
from contacts_mcp.book.writing.plan import update_of
from contacts_mcp.book.writing.settle import settle
from contacts_mcp.book.writing.write import Origin, Written, carry_out
from contacts_mcp.errors import ContactNotFound, ContactsError, InvalidArgument, Refused
from contacts_mcp.models import Contact, Value, Values
from contacts_mcp.state.journal import Entry
from contacts_mcp.words.alignment import aligned, names_of
from contacts_mcp.words.display import in_line, quoted, word
from contacts_mcp.words.emails import same_email
from contacts_mcp.words.note import Note
from contacts_mcp.words.phones import show

MOST_OTHERS = 9
SAME_PART = 0.7  # likeness of the first name from which on a last name may be taken along, and the reverse

Status = Literal["merged", "needs_confirmation", "unchanged"]
Reason = Literal["conflict", "too_many_tags", "number", "unreadable", "cannot_be_written"]


@dataclass(frozen=True, slots=True)
class Source:
    """One value of the kept contact afterwards, and the contact that it comes from."""

    field: str  # as people call it
    value: Any  # as people read it
    contact_id: int


@dataclass(frozen=True, slots=True)
class Loss:
    """One value of a contact that is deleted, which the kept one does not get."""

    field: str
    value: Any
    contact_id: int
    reason: Reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The result of a merge, or its plan where a confirmation is needed."""

    status: Status
    card: Card | None = None  # the kept contact: as it is before in a plan, as it was read back afterwards
    others: tuple[Card, ...] = ()  # as they are or were
    sources: tuple[Source, ...] = ()  # every value of the kept contact
    losses: tuple[Loss, ...] = ()
    changes: tuple[Change, ...] = ()  # of the kept contact
    deleted: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()  # each a Note
    change_id: int | None = None  # of the first change, for undo of the whole
    confirm_token: str = ""
    question: str = ""


@dataclass(slots=True)
class Plan:
    """A merge worked out: the table that the kept contact should have, and where each value goes."""

    wanted: Values
    source: dict[str, int]  # key -> contact
    losses: list[tuple[str, Value, int, Reason]] = field(default_factory=list)
    unread: list[tuple[str, Any, int]] = field(default_factory=list)  # members of the others as they came, lost too

    @property
    def unread_fields(self) -> Values:
        """The custom fields of members that cannot be read, without values."""
        return {key: "" for name, _, _ in self.unread if (key := _key_of(name))}


async def merge(book: Book, keep: int, others: Sequence[int], *, confirm_token: str = "") -> Merged:
    """Show the plan and ask for a confirmation, or with one carry the merge out. Arguments are contact ids.

    `status` is needs_confirmation, merged, or unchanged where it was done before.
    Raises InvalidArgument, ContactNotFound, Refused, UpstreamError, OutcomeUnknown. An error in the middle tells what
    was done. The same call finishes it.
    """
    _check(keep, others)
    await settle(book)
    before = [entry for each in others if (entry := await _merged_before(book, keep, each))]
    left = [each for each in dict.fromkeys(others) if all(entry.contact_id != each for entry in before)]
    if not left:
        return await _done_before(book, keep, before)
    async with locked_contacts(book, [keep, *left]) as (kept, *rest):
        return await _merge_held(book, kept, rest, before, confirm_token)


def _check(keep: int, others: Sequence[int]) -> None:
    if not others or keep in others:
        problem = "names the contact that is kept." if others else "is empty."
        raise InvalidArgument("others", problem, expected="Give the ids of the other contacts, which are deleted.")
    if len(others) > MOST_OTHERS:
        raise InvalidArgument("others", f"has {len(others)} contacts.", expected=f"At most {MOST_OTHERS} in one call.")


async def _merged_before(book: Book, keep: int, contact_id: int) -> Entry | None:
    entry = await book.journal.deleted(contact_id)
    return entry if entry and entry.merge.startswith(f"{keep}:") else None


async def _done_before(book: Book, keep: int, before: Sequence[Entry]) -> Merged:
    card = None
    with suppress(ContactNotFound):  # it was deleted since
        async with locked_contacts(book, [keep]) as (contact,):
            card = card_of(contact, await book.vocabulary.naming(values_of(contact)))
    parts = await book.journal.of_merge(before[0].merge)
    return Merged(
        status="unchanged",
        card=card,
        deleted=tuple(entry.contact_id for entry in before if entry.contact_id),
        notes=(Note("done_before", "This merge was done already; nothing was sent again."),),
        change_id=parts[0].change_id,
    )


async def _merge_held(
    book: Book, kept: Contact, rest: Sequence[Contact], before: Sequence[Entry], token: str
) -> Merged:
    plan = plan_of(kept, rest)
    if differences(values_of(kept), plan.wanted):
        _refuse_unwritable(kept)
    named = [values_of(kept), plan.wanted, plan.unread_fields, *map(values_of, rest)]
    names = await book.vocabulary.naming(*named)
    shown_plan = _shown(kept, rest, plan, names)
    notes = [*_resumed(before), *(note for each in rest for note in _on_number(each, kept))]
    pending = await confirmed(
        book,
        risky("merge", kept, {"keep": kept.id, "others": [each.id for each in rest]}, others=rest),
        token,
        card=card_of(kept, names),
        question=_question(kept, rest, shown_plan),
        notes=notes,
    )
    if pending:
        return _merged(
            "needs_confirmation",
            shown_plan,
            card=pending.card,
            notes=tuple(pending.notes),
            confirm_token=pending.confirm_token,
            question=pending.question,
        )
    name = before[0].merge if before else f"{kept.id}:{secrets.token_hex(8)}"
    steps = _Steps(book, kept, rest, Origin(token=digest_of(token), merge=name))
    await steps.run(plan)
    after = steps.after
    now = await book.vocabulary.naming(values_of(after), plan.wanted)
    return _merged(
        "merged",
        shown_plan,
        card=card_of(after, now),
        changes=tuple(changes_between(values_of(kept), values_of(after), now)),
        deleted=tuple(steps.deleted),
        notes=(*notes, *(note for written in steps.written for note in notes_on(written, now))),
        change_id=before[0].change_id if before and not steps.change_id else steps.change_id,
    )


# Planning


def plan_of(kept: Contact, others: Sequence[Contact]) -> Plan:
    """The values of the kept contact after the merge. Pure."""
    plan = Plan(wanted=values_of(kept), source={})
    plan.source = {key: kept.id for key, value in plan.wanted.items() if not is_empty(value)}
    for other in others:
        _take_names(plan, kept, other)
        for key, value in values_of(other).items():
            if key not in ("phone", "first", "last", "display_name", "tags", "is_opted_out") and not is_empty(value):
                _take(plan, kept, key, value, other.id)
        _take_tags(plan, kept, other)
        _take_opt_out(plan, other)
        _lose_the_rest(plan, kept, other)
    return plan


def _take(plan: Plan, kept: Contact, key: str, value: Value, source: int) -> None:
    """Fill `key` where it is empty, or name the value that is lost."""
    has = plan.wanted.get(key)
    if has == value or (key == "email" and same_email(str(has), str(value))):
        return
    if not is_empty(has):
        plan.losses.append((key, value, source, "conflict"))
    elif is_unread(key, kept):
        plan.losses.append((key, value, source, "unreadable"))
    else:
        plan.wanted[key] = value
        plan.source[key] = source


def _take_names(plan: Plan, kept: Contact, other: Contact) -> None:
    first, last = plan.wanted["first"], plan.wanted["last"]
    fits = (not first or _is_like(str(first), other.first)) and (not last or _is_like(str(last), other.last))
    for key, value in (("first", other.first), ("last", other.last)):
        if value and fits:
            _take(plan, kept, key, value, other.id)
        elif value and value != plan.wanted[key]:
            plan.losses.append((key, value, other.id, "conflict"))
    own = _words(str(plan.wanted["first"]), str(plan.wanted["last"]))
    if other.display_name and sorted(_words(other.display_name)) != sorted(own):
        _take(plan, kept, "display_name", other.display_name, other.id)


def _is_like(one: str, other: str) -> bool:
    return aligned(_words(one), _words(other)).likeness >= SAME_PART


def _words(*parts: str) -> list[str]:
    return [word for name in names_of(*parts)[:1] for word in name.words]


def _take_tags(plan: Plan, kept: Contact, other: Contact) -> None:
    has = plan.wanted["tags"]
    assert isinstance(has, list)
    new = [tag for tag in other.tags if tag not in has]
    room = max(0, MOST_TAGS - len(has)) if "tags" not in kept.unread else 0
    if new[:room]:
        plan.wanted["tags"] = sorted([*has, *new[:room]])
        plan.source["tags"] = other.id
    if new[room:]:
        plan.losses.append(("tags", new[room:], other.id, "too_many_tags"))


def _take_opt_out(plan: Plan, other: Contact) -> None:
    """Nobody who is, or may be, opted out can be texted through the kept contact."""
    has = plan.wanted["is_opted_out"]
    is_stricter = other.is_opted_out or (other.is_opted_out is None and has is False)
    if has is not True and is_stricter:
        plan.wanted["is_opted_out"] = True
        plan.source["is_opted_out"] = other.id


def _lose_the_rest(plan: Plan, kept: Contact, other: Contact) -> None:
    """The number, and the members that nobody can write."""
    if other.phone and other.phone != kept.phone:
        plan.losses.append(("phone", other.phone, other.id, "number"))
    members = {each.name: getattr(other, each.member) for each in SHOWN_ONLY} | (other.model_extra or {})
    own = kept.model_extra or {}
    for name, value in members.items():
        if value not in (None, "", [], {}, 0, False) and value != own.get(name):
            plan.losses.append((name, value, other.id, "cannot_be_written"))
    plan.unread.extend((name, value, other.id) for name, value in other.unread.items())


def _refuse_unwritable(kept: Contact) -> None:
    if not kept.phone:
        raise Refused(
            f"Contact {kept.id} has no phone, and Heymarket changes none without. Keep one of the others instead. "
            "Nothing was changed.",
            kind="no_phone",
        )
    refuse_losses(kept, Edit({}))


# Carrying out


class _Steps:
    """The writes of one merge, one after the other."""

    def __init__(self, book: Book, kept: Contact, others: Sequence[Contact], origin: Origin) -> None:
        self._book = book
        self._kept = kept
        self._others = others
        self._origin = origin
        self.after = kept
        self.written: list[Written] = []
        self.deleted: list[int] = []

    @property
    def change_id(self) -> int | None:
        return next((written.change_id for written in self.written if written.change_id), None)

    async def run(self, plan: Plan) -> None:
        """Raises ContactsError. In the middle of the merge, its text says what was done and what is left."""
        try:
            await self._fill(plan)
            for other in self._others:
                await self._refuse_if_moved(other)
                self.written.append(await delete_for_good(self._book, other, origin=self._origin))
                self.deleted.append(other.id)
        except ContactsError as error:
            if self.written:
                error.tell_of(self._so_far())
            raise

    async def _fill(self, plan: Plan) -> None:
        """Write the kept contact, and see that it has everything before anything is deleted. Raises Refused."""
        update = update_of(self._kept, plan.wanted)
        if not update.asked:
            return
        written = await carry_out(self._book, update, origin=self._origin)
        assert written.after is not None
        self.written.append(written)
        self.after = written.after
        missing = differences(plan.wanted, values_of(written.after), among=update.asked)
        if missing:
            names = await self._book.vocabulary.naming(plan.wanted)
            fields = ", ".join(word(field_name(key, names)) for key in missing)
            raise Refused(
                f"Nothing was deleted, because contact {self._kept.id} does not have all values when looked up: "
                f"{fields}.",
                kind="merge_stopped",
            )

    async def _refuse_if_moved(self, other: Contact) -> None:
        """A last look at a contact before it is deleted. Raises Refused."""
        if not self.written:  # it was read a moment ago
            return
        now = await self._book.api.get_contact(other.id)
        is_behind = now is not None and 0 < now.rev < other.rev
        is_same = now is not None and (now.rev, values_of(now)) == (other.rev, values_of(other))
        if not (is_behind or is_same):
            raise Refused(
                f"Contact {other.id} was changed by somebody else meanwhile, and was not deleted.", kind="merge_stopped"
            )

    def _so_far(self) -> str:
        left = ", ".join(str(each.id) for each in self._others if each.id not in self.deleted)
        deleted = f" Deleted so far: {', '.join(map(str, self.deleted))}." if self.deleted else ""
        back = f", or undo_change with {self.change_id} to take it back" if self.change_id else ""
        return (
            f"The merge stopped in the middle: contact {self._kept.id} was filled.{deleted} Not deleted: {left}. "
            f"Call merge_contacts again to finish it{back}."
        )


# Showing


def _merged(status: Status, plan: Merged, **found: Any) -> Merged:
    given = {name: getattr(plan, name) for name in ("others", "sources", "losses", "changes")}
    return Merged(status=status, **(given | found))


def _shown(kept: Contact, others: Sequence[Contact], plan: Plan, names: Snapshot) -> Merged:
    return Merged(
        status="needs_confirmation",
        others=tuple(card_of(each, names) for each in others),
        sources=tuple(
            Source(field_name(key, names), shown(key, plan.wanted.get(key), names), source)
            for key, source in plan.source.items()
        ),
        losses=tuple(
            Loss(field_name(key, names), shown(key, value, names), source, reason)
            for key, value, source, reason in plan.losses
        )
        + tuple(
            Loss(field_name(_key_of(name) or name, names), value, source, "unreadable")
            for name, value, source in plan.unread
        ),
        changes=tuple(changes_between(values_of(kept), plan.wanted, names)),
    )


def _key_of(member: str) -> str:
    """The key of the field in a member that cannot be read, as "custom:31" of "custom.31". "" for any other member."""
    kind, _, number = member.partition(".")
    return custom_key(int(number)) if kind == "custom" and number.isascii() and number.isdigit() else ""


def _question(kept: Contact, others: Sequence[Contact], plan: Merged) -> str:
    deleted = " and ".join(f"{_called(each)}" for each in others)
    filled = [f"{word(each.field)} from {each.contact_id}" for each in plan.sources if each.contact_id != kept.id]
    takes = f" It gets {', '.join(filled)}." if filled else " It gets nothing new."
    lost = [f"{word(each.field)} {in_line(each.value, limit=60)} of {each.contact_id}" for each in plan.losses]
    loses = f" Lost: {'; '.join(lost)}." if lost else ""
    conversations = "the whole conversation of each" if len(others) > 1 else "the whole conversation"
    return f"Keep {_called(kept)}, and delete {deleted} for good, with {conversations}?{takes}{loses}"


def _called(contact: Contact) -> str:
    phone = show(contact.phone) if contact.phone else "no phone"
    name = quoted(contact.name, limit=60) if contact.name else "a contact without a name"
    return f"{name} ({phone}, id {contact.id})"


def _resumed(before: Sequence[Entry]) -> list[str]:
    if not before:
        return []
    ids = ", ".join(str(entry.contact_id) for entry in before)
    return [Note("merge_resumed", f"An earlier call of this merge has deleted {ids} already.")]


def _on_number(other: Contact, kept: Contact) -> list[str]:
    """The opt-out on the number that becomes free."""
    return warnings_on_deletion(other) if other.phone and other.phone != kept.phone else []
