"""A write as one value, and the one judge of whether it was carried out.

The live write, settling after a crash and undo all ask `Plan.proof`. Everything here is pure.

- A *look* is one read of the contact. Its result is a `Sight`.
- A look counts only if it is not older than all that is known about the contact. `rev` tells the age first, then
  `updated`, then the last change of our own.
- A write is atomic. A single asked value that shows proves that all of it was carried out, unless somebody else may
  have written that one.
- `done` needs a sight that shows the write. `not_done` needs a sight of the contact itself. By then nothing of the
  write can arrive any more, and no read can lag behind it.
- Everything else is `unknown`. A moved `rev` with the old values is `unknown`: somebody may have set them back.
- A create is never sent twice, because "not there" is no proof and a second create could make a second contact. An
  opt-in is never sent twice, because its second copy could land after a later STOP.

| action | seen | outcome |
|---|---|---|
| create | nobody has the phone | `not_done` once it is over, else `unknown` |
| create | a contact that the journal knows from another change | as nobody |
| create | the contact whose id the reply names, with the phone | `done` |
| create | the same, but the reply says that it was there before, and it does not show what was sent | `unknown` |
| create | no such id: a contact with all sent values, and no name, e-mail, tag or custom value besides | `done` |
| create | any other contact | `unknown` |
| update | older than what is known | `unknown` |
| update | some asked values are so, others not, no reply, and more than one write may have come | `unknown` |
| update | the opt-out is so, others not, and no reply: it may be a STOP of the person | `unknown` |
| update | an asked value is so | `done` |
| update | `rev` has moved to that of the service's reply, no asked value is so | `done` |
| update | `rev` or `updated` has moved otherwise: that may be somebody else's write | `unknown` |
| update | unmoved, no asked value is so | `not_done` once over, or if the reply names the old `rev`; else `unknown` |
| update | neither `rev` nor `updated` tells, no asked value is so | `unknown` |
| update | by `updated` unmoved, but it was updated in about the same second already | `unknown` |
| update | the contact is gone | `unknown` |
| delete | gone | `done`, unless reads may lag behind the contact's creation and the service did not accept it |
| delete | still there, but older than what is known | `unknown` |
| delete | still there | `not_done` once it is over, else `unknown` |
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Literal

from contacts_mcp.book.values import (
    body_for,
    differences,
    field_id,
    is_empty,
    is_hidden,
    is_text,
    nothing_for,
    values_of,
)
from contacts_mcp.models import Contact, Value, Values, WriteReply, instant
from contacts_mcp.state.journal import Entry
from contacts_mcp.words.renumbering import other_forms

Action = Literal["create", "update", "delete"]
Proof = Literal["done", "not_done", "unknown"]
Age = Literal["older", "same", "newer", "undated"]
Pairs = dict[str, tuple[Value, Value]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """The result of one look. `values` is None where the service says that the contact is not there."""

    values: Values | None
    contact_id: int | None = None
    rev: int = 0  # 0 where the service did not say
    updated: str = ""

    @classmethod
    def of(cls, contact: Contact | None) -> Sight:
        if contact is None:
            return cls(values=None)
        return cls(values=values_of(contact), contact_id=contact.id, rev=contact.rev, updated=contact.updated)


@dataclass(frozen=True, slots=True, kw_only=True)
class LastChange:
    """The newest change of our own to a contact."""

    before: Values
    after: Values
    rev: int = 0
    updated: str = ""
    is_recent: bool = True  # made within the last minute, so that reads may be behind it

    def is_newer_than(self, seen: Sight) -> bool:
        """Whether `seen` shows the contact as it was before this change.

        An undated look does so if every old value shows, and nobody can have set them back since.
        """
        if seen.values is None:
            return False
        if seen.rev and self.rev:
            return seen.rev < self.rev
        now, then = instant(seen.updated), instant(self.updated)
        if now and then and now != then:
            return now < then
        if not self.is_recent:
            return False
        made = differences(self.before, self.after)
        old = {key: value for key, (value, _) in made.items() if not is_hidden(key, seen.values)}
        return bool(old) and not differences(old, seen.values, among=old)


@dataclass(frozen=True, slots=True, kw_only=True)
class Circumstances:
    """The knowledge besides a sight."""

    reply: WriteReply | None = None  # of a service that accepted the write
    is_over: bool = False  # nothing of the write can arrive any more, and every read shows it
    is_young: bool = False  # the contact was created so lately that a read may still lag behind that
    is_fresh: bool = False  # it was updated so shortly before the write that both may have one `updated`
    explained: frozenset[int] = frozenset()  # contacts that the journal knows from other changes
    last_change: LastChange | None = None

    @property
    def _reply_rev(self) -> int:
        return self.reply.rev or 0 if self.reply else 0

    def says_unmoved(self, rev_before: int) -> bool:
        """Whether the service accepted the write and says itself that `rev` did not move."""
        return 0 < self._reply_rev == rev_before

    @property
    def says_merged(self) -> bool:
        """Whether the service says that the contact of a create was there before."""
        return self._reply_rev > 1

    def is_ahead_of(self, seen: Sight) -> bool:
        """Whether the service's reply names a later `rev` than `seen` shows."""
        return 0 < seen.rev < self._reply_rev

    def has_moved(self, rev_before: int, *, to: Sight) -> bool:
        """Whether the service says that the write moved `rev`, and `to` shows the contact right after that."""
        return rev_before < self._reply_rev == to.rev


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """How the asked values came out, by what was read back."""

    kept: tuple[str, ...] = ()  # asked and so
    unkept: Pairs = field(default_factory=dict)  # key -> (asked, found)
    unseen: tuple[str, ...] = ()  # asked, and the service does not show it
    disturbed: Pairs = field(default_factory=dict)  # key -> (before, after) of what nobody asked for
    may_still_come: bool = False  # a copy without an answer may still set the unkept values
    someone_else: bool = False  # somebody else wrote at the same time
    may_have_set_back: bool = False  # somebody else may have written before us, and values were sent along as read
    sent_names: bool = True  # whether the names were among these. The phone always is


@dataclass(frozen=True, kw_only=True)
class Plan:
    """One write: the state it starts from and the state that is wanted."""

    action: Action
    before: Values  # {} for a create
    wanted: Values  # {} for a delete
    contact_id: int | None = None  # None for a create
    rev_before: int = 0
    updated_before: str = ""
    overwrite: bool = False  # whether the custom values are replaced as a whole

    def entry(self, **more: Any) -> Entry:
        """The journal's entry of this write, with `more` of its members."""
        return Entry(
            action=self.action,
            contact_id=self.contact_id,
            before=self.before,
            wanted=self.wanted,
            rev_before=self.rev_before,
            updated_before=self.updated_before,
            **more,
        )

    @cached_property
    def asked(self) -> Pairs:
        """key -> (before, wanted) of everything that the write changes."""
        return differences(self.before, self.wanted)

    @property
    def opts_in(self) -> bool:
        """Whether it would let texts reach a person who is, or may be, opted out."""
        is_asked = self.wanted.get("is_opted_out") is False
        return self.action == "update" and is_asked and self.before.get("is_opted_out") is not False

    def body(self, *, empty: str | None = "", keeps_names: bool = False) -> dict[str, Any]:
        """The body of the request. An emptied text is sent as `empty`.

        `keeps_names` leaves names out of an update that it does not change.
        """
        changed = {key: after for key, (_, after) in self.asked.items()}
        keeps = keeps_names and self.action == "update"
        return body_for(self.wanted, changed, overwrite=self.overwrite, empty=empty, keeps_names=keeps)

    def proof(self, seen: Sight, given: Circumstances) -> Proof:
        """The proof that `seen` gives about this write."""
        judge = {"create": self._proof_of_create, "update": self._proof_of_update, "delete": self._proof_of_delete}
        return judge[self.action](seen, given)

    def may_be_sent_again(self, seen: Sight, given: Circumstances) -> bool:
        """Whether a second copy can do no harm, after a first one without a clear answer that `seen` does not show."""
        if self.action == "create" or self.opts_in or seen.values is None:
            return False
        return self.action == "delete" or self._age(seen, given) in ("same", "undated")

    def _proof_of_create(self, seen: Sight, given: Circumstances) -> Proof:
        if seen.values is None or seen.contact_id in given.explained:
            return "not_done" if given.is_over else "unknown"
        if given.reply is not None and given.reply.id is not None:
            is_named = given.reply.id == seen.contact_id and self._has_phone(seen.values)
            return "done" if is_named and self._shows_merged(seen, given) else "unknown"
        return "done" if is_as_created(self.wanted, seen.values) else "unknown"

    def _has_phone(self, seen: Values) -> bool:
        """Whether it is the wanted phone, in any form. A reply may name the id of somebody else's contact."""
        phone = str(self.wanted["phone"])
        return seen.get("phone") in (phone, *other_forms(phone))

    def _shows_merged(self, seen: Sight, given: Circumstances) -> bool:
        """Whether `seen` is not older than the create, which the service may have put into a contact that was there."""
        if seen.rev or not given.says_merged:
            return not given.is_ahead_of(seen)
        shown = seen.values or {}
        sent = [key for key in self.wanted if not is_hidden(key, shown)]
        return not differences(self.wanted, shown, among=sent)

    def _proof_of_update(self, seen: Sight, given: Circumstances) -> Proof:
        if seen.values is None:
            return "unknown"
        age = self._age(seen, given)
        if age == "same" and (given.is_over or given.says_unmoved(self.rev_before)):
            return "done" if self._shows_some(seen.values) else "not_done"
        if age == "older" or given.is_ahead_of(seen):
            return "unknown"
        # With another `rev` than that of the reply, or without any, somebody else's write may have moved the contact.
        is_ours = age == "newer" and given.has_moved(self.rev_before, to=seen)
        is_shown = self._shows_some(seen.values) and not self._may_be_somebody_elses(seen, given)
        return "done" if is_shown or is_ours else "unknown"

    def _proof_of_delete(self, seen: Sight, given: Circumstances) -> Proof:
        if seen.values is None:
            return "unknown" if given.is_young and not given.reply and not given.is_over else "done"
        return "not_done" if given.is_over and self._age(seen, given) != "older" else "unknown"

    def _age(self, seen: Sight, given: Circumstances) -> Age:
        """How old `seen` is, compared with the state that this write started from."""
        if seen.rev and self.rev_before:
            return _compared(seen.rev, self.rev_before)
        now, then = instant(seen.updated), instant(self.updated_before)
        if now and then and now != then:
            return _compared(now, then)
        if given.last_change and given.last_change.is_newer_than(seen):  # timestamps may be whole seconds
            return "older"
        return "same" if now and then and not given.is_fresh else "undated"

    def _shows_some(self, seen: Values) -> bool:
        """Whether at least one asked value is so."""
        return any(seen.get(key, nothing_for(key)) == value for key, (_, value) in self._visible_in(seen).items())

    def _may_be_somebody_elses(self, seen: Sight, given: Circumstances) -> bool:
        """Whether somebody else may have written the asked values that show, because others do not.

        Without a reply only the `rev` tells that no second write came. That one may be a STOP of the person, where
        nothing but the opt-out shows. Emptied texts may stand whoever wrote.
        """
        values = seen.values or {}
        missing = self.unkept(values).keys() - {*self.left_standing(values)}
        shown = self._visible_in(values).keys() - missing
        is_one_write = 0 < self.rev_before == seen.rev - 1 and shown != {"is_opted_out"}
        return given.reply is None and not is_one_write and bool(missing)

    def _visible_in(self, seen: Values) -> Pairs:
        return {key: pair for key, pair in self.asked.items() if not is_hidden(key, seen)}

    def unkept(self, seen: Values) -> Pairs:
        """key -> (asked, found) of the asked values that are not so. A hidden opt-out cannot be told either way."""
        found = differences(self.wanted, seen, among=self.asked)
        return {key: pair for key, pair in found.items() if not is_hidden(key, seen)}

    def left_standing(self, seen: Values) -> list[str]:
        """The texts that should be empty and are not."""
        return [
            key
            for key, (_, value) in self.asked.items()
            if is_text(key) and is_empty(value) and not is_empty(seen.get(key, nothing_for(key)))
        ]

    def report(
        self, seen: Sight, reply: WriteReply | None, *, writes: int = 1, unanswered: int = 0, is_out: bool = False
    ) -> Report:
        """How the write came out, once it is done.

        `writes` is how many of our own moved `rev`. `unanswered` is how many more of them may have moved it.
        `is_out` says that one of all may still arrive.
        """
        now = seen.values or {}
        unkept = self.unkept(now)
        unseen = tuple(key for key in self.asked if is_hidden(key, now))
        reply_rev = (reply and reply.rev) or 0
        own = (self.rev_before + writes if self.rev_before else reply_rev) + unanswered
        return Report(
            kept=tuple(key for key in self.asked if key not in {*unkept, *unseen}),
            unkept=unkept,
            unseen=unseen,
            may_still_come=is_out and bool(unkept),
            disturbed=self.disturbed(now),
            someone_else=0 < own < seen.rev,
            may_have_set_back=self.action == "update" and 0 < self.rev_before < reply_rev - 1,
        )

    def disturbed(self, now: Values) -> Pairs:
        """key -> (before, now) of the values that changed, although this update did not ask for it."""
        if self.action != "update":
            return {}
        others = [key for key in {**self.before, **now} if key not in self.asked and not is_hidden(key, now)]
        return differences(self.before, now, among=others)


def update_of(contact: Contact, wanted: Values, *, overwrite: bool = False) -> Plan:
    """The plan that turns `contact` into `wanted`."""
    return Plan(
        action="update",
        contact_id=contact.id,
        before=values_of(contact),
        wanted=wanted,
        rev_before=contact.rev,
        updated_before=contact.updated,
        overwrite=overwrite,
    )


def deletion_of(contact: Contact) -> Plan:
    """The plan that deletes `contact`."""
    return replace(update_of(contact, {}), action="delete")


def is_as_created(wanted: Values, found: Values) -> bool:
    """Whether a contact may be the one created as `wanted`.

    It has all of that, and no name, e-mail, tag or custom value besides.
    """
    given = [key for key in found if key in ("first", "last", "email", "tags") or field_id(key) is not None]
    return not differences(wanted, found, among=[*(key for key in wanted if not is_hidden(key, found)), *given])


def _compared(one: Any, other: Any) -> Age:
    return "older" if one < other else "newer" if one > other else "same"
