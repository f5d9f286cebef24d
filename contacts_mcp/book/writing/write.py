"""The one way anything is written.

- The journal has the before-image before the first request goes out.
- A write without a clear answer is looked up, and the sight decides (`plan.py`). A second copy goes out, once, only
  where it can do no harm.
- Afterwards the contact is read back. Only what was read there is reported.
- The single attempt is shielded from cancellation in the client. The journal says what is known, however early the call
  ends.
- A read right after a write may be behind it, so every look is repeated a few times.
"""

from __future__ import annotations

import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import anyio.lowlevel

from contacts_mcp.api.client import Trace
from contacts_mcp.api.retries import AMBIGUOUS
from contacts_mcp.book.book import Book
from contacts_mcp.book.values import is_hidden, values_of
from contacts_mcp.book.writing.known import (
    first_way_to_clear,
    keeps_names,
    lost_names,
    other_way_to_clear,
    refused_as_known,
)
from contacts_mcp.book.writing.plan import (
    Circumstances,
    LastChange,
    Plan,
    Proof,
    Report,
    Sight,
    is_as_created,
    update_of,
)
from contacts_mcp.errors import (
    AccountError,
    AnswerLost,
    ContactsError,
    Forbidden,
    NotDone,
    OutcomeUnknown,
    RateLimited,
    Rejected,
    Unreachable,
    UpstreamError,
)
from contacts_mcp.models import Contact, WriteReply, instant
from contacts_mcp.state.journal import IN_FLIGHT, Entry

LOOK_DELAYS = (0.0, 0.3, 0.9)  # seconds before each look
SAME_MOMENT = 2.0  # seconds between two writes that may have one timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Where a write comes from, for the journal."""

    consent: str = ""  # the words with which a person opted in again
    token: str = ""  # digest of the confirmation that allowed it
    undoes: int | None = None  # the change that it takes back
    merge: str = ""  # the name of the merge that it belongs to


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """A finished write and its result, as it was read back."""

    after: Contact | None  # None for a deletion
    change_id: int | None  # None where no later call knows it
    rev: int = 0
    answer_lost: bool = False  # its answer never came, and looking showed that it was carried out
    sent_again: bool = False
    doubles: Sequence[Contact] = ()  # other contacts with the same phone
    news: Sequence[str] = ()  # about the account's profile, which an answer contradicted
    report: Report = field(default_factory=Report)


@dataclass(frozen=True, slots=True)
class _Sent:
    """How a write went out. `reply` is None where its answer was lost."""

    reply: WriteReply | None
    again: bool = False


async def carry_out(
    book: Book, plan: Plan, *, record: dict[str, Any] | None = None, origin: Origin | None = None
) -> Written:
    """Carry out `plan`. The caller holds the contact's or phone's lock and read the contact under it.

    `record` is the whole contact, for a deletion. Raises OutcomeUnknown where it may have been carried out and looking
    did not settle it, and another ContactsError where it was not.
    """
    return await _Write(book, plan, record or {}, origin or Origin()).run()


class _Write:
    """One write on its way."""

    def __init__(self, book: Book, plan: Plan, record: dict[str, Any], origin: Origin) -> None:
        self._book = book
        self._plan = plan
        self._record = record
        self._origin = origin
        self._trace = Trace(before_each=self._write_down)
        self._entry: Entry | None = None
        self._doubles: list[Contact] = []
        self._may_have_set_back = False  # by a second write of an update
        # An opt-in is never sent twice, so it goes out in the usual form.
        self._may_use_profile = plan.action == "update" and not plan.opts_in
        self._leaves_names_out = self._may_use_profile and keeps_names(book.profile)
        self._reply: WriteReply | None = None  # the last one

    async def run(self) -> Written:
        async with self._settling():
            sent, empty = await self._send_as_known()
            self._reply = sent.reply
            after = await self._read_back(self._plan, sent)
            writes = 1
            if after and self._leaves_names_out:  # first, because a failure of the rest must not keep them lost
                after, more = await self._give_names_back(after)
                writes += more
            left = self._plan.left_standing(values_of(after)) if after and self._plan.action == "update" else []
            other = other_way_to_clear(self._book.profile, empty) if left else None
            if after and other:
                after, more = await self._write_again(after, dict.fromkeys(left, ""), empty=other[0])
                writes += more
            return await self._conclude(after, sent, writes)

    async def _write_down(self) -> None:
        """The journal has the copy before it goes out, and the locks still hold. Raises AccountError otherwise."""
        with anyio.CancelScope(shield=True):  # else an entry may stay open that nobody here knows of
            await self._write_entry()
        await anyio.lowlevel.checkpoint_if_cancelled()  # nobody waits for the copy any more, so it does not go out
        self._book.locks.refuse_if_lost()

    async def _write_entry(self) -> None:
        """Before the first copy goes out, the journal has the entry. Raises AccountError where it cannot be written.

        A later copy may arrive for as long as the first one, so the entry is made as young as it is. It does not go out
        where the entry cannot say so, because settling would take one copy for both.
        """
        journal, plan, origin = self._book.journal, self._plan, self._origin
        if self._entry is not None:
            self._entry = journal.given_up(self._entry)
            if not await journal.finish(self._entry):
                raise AccountError("Nothing was changed: the journal that makes changes undoable cannot be written.")
            return
        self._entry = await journal.begin(
            plan.entry(
                record=self._record,
                consent=origin.consent,
                token=origin.token,
                undoes=origin.undoes,
                merge=origin.merge,
            )
        )

    @asynccontextmanager
    async def _settling(self) -> AsyncIterator[None]:
        """The journal gets an outcome however early the write ends, and `not_done` only if that is certain."""
        try:
            yield
        except OutcomeUnknown as unknown:
            await self._finish("unknown", rev_after=unknown.rev)
            if self._entry is None or not self._book.remembers:
                raise
            raise OutcomeUnknown(
                f"{unknown} (It is change {self._entry.change_id} in list_changes.)",
                rev=unknown.rev,
                change_id=self._entry.change_id,
            ) from unknown.__cause__
        except NotDone:
            await self._finish("not_done")
            raise
        except BaseException:  # refused, cancelled or crashed
            await self._finish("unknown" if self._trace.may_have_been_carried_out else "not_done")
            raise

    async def _finish(self, state: Proof, **found: Any) -> int:
        """Write the outcome down. Returns how many copies of the request may still arrive."""
        journal, unanswered = self._book.journal, self._trace.unanswered
        if self._entry is not None:
            entry = journal.given_up(self._entry) if unanswered else self._entry
            with anyio.CancelScope(shield=True):  # a call that was cancelled has an outcome, too
                await journal.finish(replace(entry, state=state, unanswered=unanswered > 0, **found))
        return unanswered

    # Sending

    async def _send_as_known(self) -> tuple[_Sent, str | None]:
        """Send in the form that the profile tells, and in the usual one where the service refuses that.

        Returns the value that emptied texts were sent as, too.
        """
        plan, profile, leaves_out = self._plan, self._book.profile, self._leaves_names_out
        empty = first_way_to_clear(profile) if self._may_use_profile else ""
        try:
            return await self._send(plan, empty=empty), empty
        except Rejected:
            if not self._may_use_profile or plan.body(empty=empty, keeps_names=leaves_out) == plan.body():
                raise
        self._leaves_names_out = False
        sent = await self._send(plan, empty="")
        refused_as_known(profile, plan, empty=empty, leaves_names_out=leaves_out)
        return sent, ""

    async def _send(self, plan: Plan, *, empty: str | None = "") -> _Sent:
        """Send once, and once more only where a second copy can do no harm."""
        try:
            return _Sent(await self._copy(plan, empty=empty))
        except AMBIGUOUS as failure:
            first: ContactsError = failure
        seen, proof = await self._find_out(plan, first)
        if proof == "done":
            return _Sent(None)
        if not await self._may_go_again(plan, seen):
            raise _not_seen(first, plan, seen)
        try:
            return _Sent(await self._copy(plan, empty=empty), again=True)
        except (*AMBIGUOUS, Rejected) as failure:  # a refusal may be of what the first copy has already done
            seen, proof = await self._find_out(plan, failure)
            if proof == "done":
                return _Sent(None, again=True)
            raise _not_seen(failure, plan, seen) from failure
        except ContactsError as failure:
            raise _not_seen(first, plan, seen) from failure

    async def _may_go_again(self, plan: Plan, seen: Sight) -> bool:
        """Whether a second copy can do no harm. Where the journal cannot be asked any more, it could."""
        try:
            return plan.may_be_sent_again(seen, await self._given(plan))
        except AccountError:
            return False

    async def _copy(self, plan: Plan, *, empty: str | None) -> WriteReply:
        api, contact_id = self._book.api, plan.contact_id
        if plan.action == "create":
            return await api.create_contact(plan.body(), trace=self._trace)
        assert contact_id is not None
        if plan.action == "update":
            body = plan.body(empty=empty, keeps_names=self._leaves_names_out)
            return await api.update_contact(contact_id, body, overwrite=plan.overwrite, trace=self._trace)
        await api.delete_contact(contact_id, trace=self._trace)
        return WriteReply()

    # Looking

    async def _look(self, plan: Plan, reply: WriteReply | None) -> Contact | None:
        """The contact as it is now. One that gets a phone is looked for by that phone, so that a double is seen too."""
        if plan.contact_id is not None and (plan.action == "delete" or "phone" not in plan.asked):
            return await self._book.api.get_contact(plan.contact_id)
        known = plan.contact_id or (reply.id if reply else None)
        found = await with_phone(self._book, str(plan.wanted["phone"]), new_id=known, needs_journal=reply is None)
        ours = next(iter([contact for contact in found if await self._may_be_ours(contact, plan, known)]), None)
        self._doubles = [contact for contact in found if contact is not ours]
        return ours or (next(iter(found), None) if known is None else None)

    async def _may_be_ours(self, contact: Contact, plan: Plan, known: int | None) -> bool:
        if known is not None:
            return contact.id == known
        is_ours = is_as_created(plan.wanted, values_of(contact))
        return is_ours and not await is_explained(self._book, contact.id, besides=self._entry)

    async def _given(
        self, plan: Plan, reply: WriteReply | None = None, contact: Contact | None = None
    ) -> Circumstances:
        assert self._entry is not None
        return await circumstances(self._book, plan, self._entry, reply=reply, contact=contact)

    async def _find_out(self, plan: Plan, failure: ContactsError) -> tuple[Sight, Proof]:
        """The last look after a copy without a clear answer, and its proof."""
        seen, proof = Sight(values=None), "unknown"
        try:
            for pause in LOOK_DELAYS:
                await anyio.sleep(pause)
                contact = await self._look(plan, None)
                seen = Sight.of(contact)
                proof = plan.proof(seen, await self._given(plan, contact=contact))
                if proof == "done":
                    break
        except ContactsError as blind:
            raise OutcomeUnknown(
                f"The {plan.action} may or may not have been carried out: {failure}. "
                f"Looking it up failed as well, because {_why_blind(blind)}. Look the contact up before trying again."
            ) from None
        return seen, "done" if proof == "done" else "unknown"

    async def _read_back(self, plan: Plan, sent: _Sent) -> Contact | None:
        """The contact once it shows the write.

        Raises OutcomeUnknown where it does not, NotDone where nothing was carried out.
        """
        contact, proof, is_whole = None, "unknown", False
        try:
            for pause in LOOK_DELAYS:
                await anyio.sleep(pause)
                contact = await self._look(plan, sent.reply)
                proof = plan.proof(Sight.of(contact), await self._given(plan, sent.reply, contact))
                is_whole = contact is None or contact.rev > 0 or not plan.unkept(values_of(contact))
                if proof == "done" and is_whole:
                    break
        except ContactsError as blind:
            raise _accepted_unseen(plan, _why_blind(blind)) from None
        if proof == "not_done" and not self._trace.may_be_out:
            raise NotDone(
                f"Heymarket accepted the {plan.action} and changed nothing: "
                "looked at the contact, and it is as it was before"
            )
        if proof != "done":
            raise _accepted_but(plan, sent, contact)
        return contact

    async def _give_names_back(self, contact: Contact) -> tuple[Contact, int]:
        """The profile said that names stay if they are not sent. Names that did not stay are written again."""
        lost = lost_names(self._book.profile, self._plan, Sight.of(contact))
        if not lost:
            return contact, 0
        self._leaves_names_out = False
        return await self._write_again(contact, lost, empty="")

    async def _write_again(self, contact: Contact, wanted: dict[str, Any], *, empty: str | None) -> tuple[Contact, int]:
        """Another write for what the first one left undone, and whether it counts as one.

        The service may want null where "" did nothing, and nobody knows which (`heymarket-api.md` 3.3).
        The first write stands either way, so a failure here is no failure of the update. Texts that are not
        empty are told as not cleared.
        """
        plan = update_of(contact, values_of(contact) | wanted)
        if not contact.rev and self._reply:  # the service told it, though reads do not
            plan = replace(plan, rev_before=self._reply.rev or 0)
        try:
            again = await self._send(plan, empty=empty)
        except OutcomeUnknown:
            raise
        except ContactsError:
            return contact, 0
        self._reply = again.reply
        try:
            after = await self._read_back(plan, again)
        except NotDone:
            return contact, 0
        except OutcomeUnknown as unknown:
            raise OutcomeUnknown(f"{_PARTLY_SEEN} {_LOOK_LATER}", rev=unknown.rev) from unknown.__cause__
        self._may_have_set_back |= plan.report(Sight.of(after), again.reply).may_have_set_back
        return after or contact, 1

    async def _conclude(self, after: Contact | None, sent: _Sent, writes: int) -> Written:
        assert self._entry is not None
        seen, lost = Sight.of(after), sent.reply is None
        reply_rev = sent.reply.rev or 0 if sent.reply else 0
        rev = reply_rev + writes - 1 if reply_rev else seen.rev  # a read may be behind the reply, or ahead of it
        found: dict[str, Any] = {"rev_after": rev}
        if after is not None:
            found |= {"contact_id": after.id, "after": seen.values, "updated_after": after.updated}
        unanswered = await self._finish("done", **found)
        if after is not None:
            self._book.mirror.noticed(after)
        elif self._plan.contact_id is not None:
            self._book.mirror.noticed_gone(self._plan.contact_id)
        report = self._plan.report(seen, sent.reply, writes=writes, unanswered=unanswered - lost, is_out=unanswered > 0)
        return Written(
            after=after,
            change_id=self._entry.change_id if self._book.remembers else None,
            rev=rev,
            answer_lost=lost,
            sent_again=sent.again,
            doubles=self._doubles,
            news=self._book.profile.news() if self._book.profile.untold else [],
            report=replace(
                report,
                may_have_set_back=report.may_have_set_back or self._may_have_set_back,
                sent_names=not self._leaves_names_out,
            ),
        )


async def with_phone(book: Book, phone: str, *, new_id: int | None = None, needs_journal: bool = True) -> list[Contact]:
    """Every contact with `phone`, among them the one with `new_id`, which a search may not find yet.

    An empty search is no proof, because not every account may search: the contact is then asked for by its id or phone.
    A search may also find a contact that has left the phone already. The journal knows those. `needs_journal` False
    keeps them where the journal cannot be asked.
    """
    try:
        found = [contact for contact in await book.api.search_contacts(phones=[phone]) if contact.phone == phone]
    except (Forbidden, Rejected):
        found = []
    if new_id is not None and all(contact.id != new_id for contact in found):
        found += filter(None, [await book.api.get_contact(new_id)])
    found = found or list(filter(None, [await book.api.find_contact(phone)]))
    try:
        return [contact for contact in found if not await has_left(book, contact, phone)]
    except AccountError:
        if needs_journal:
            raise
        return found


async def has_left(book: Book, contact: Contact, phone: str) -> bool:
    """Whether the journal knows better than a look that shows `contact` with `phone`.

    The contact was deleted, or a newer change of our own gave it another phone.
    """
    newest = await last_change(book, contact.id)
    moved = newest is not None and newest.after.get("phone") != phone and newest.is_newer_than(Sight.of(contact))
    return moved or await book.journal.deleted(contact.id) is not None


async def is_explained(book: Book, contact_id: int, *, besides: Entry | None) -> bool:
    """Whether the journal knows that contact from another change: as deleted, or as created by it."""
    known = (await book.journal.creation_of(contact_id), await book.journal.deleted(contact_id))
    own = besides.change_id if besides else 0
    return any(entry is not None and entry.change_id != own for entry in known)


async def circumstances(
    book: Book,
    plan: Plan,
    entry: Entry,
    *,
    reply: WriteReply | None = None,
    contact: Contact | None = None,
    is_over: bool = False,
    is_in_journal: bool = True,
) -> Circumstances:
    """The knowledge of the journal besides a look at `contact`, for the write that `entry` describes.

    `is_in_journal` False says that the journal has no entry of the contact, which a look at many asks at once.
    A write that the service accepted is judged without the journal where that cannot be asked any more.
    """
    try:
        return await _known(book, plan, entry, reply, contact, is_over=is_over, is_in_journal=is_in_journal)
    except AccountError:
        if reply is None:
            raise
        unnamed = [contact.id] if contact and contact.id != reply.id else []  # it may be anybody's
        return Circumstances(reply=reply, is_over=is_over, is_young=True, is_fresh=True, explained=frozenset(unnamed))


async def _known(
    book: Book,
    plan: Plan,
    entry: Entry,
    reply: WriteReply | None,
    contact: Contact | None,
    *,
    is_over: bool,
    is_in_journal: bool,
) -> Circumstances:
    contact_id = plan.contact_id
    if contact_id is None:
        explained = contact is not None and is_in_journal and await is_explained(book, contact.id, besides=entry)
        return Circumstances(
            reply=reply, is_over=is_over, explained=frozenset({contact.id} if contact and explained else ())
        )
    return Circumstances(
        reply=reply,
        is_over=is_over,
        is_young=plan.action == "delete" and await _is_young(book, contact_id, entry.record),
        is_fresh=await _is_fresh(book, entry),
        last_change=await last_change(book, contact_id) if plan.action == "update" else None,
    )


async def _is_young(book: Book, contact_id: int, record: dict[str, Any]) -> bool:
    """Whether the contact may have been created within the minute, so that a read may not show it yet."""
    creation = await book.journal.creation_of(contact_id)
    if creation is not None:
        return book.journal.may_still_arrive(creation)
    created = instant(str(record.get("created") or ""))
    return created is None or book.journal.seconds_since(created.timestamp()) < IN_FLIGHT


async def _is_fresh(book: Book, entry: Entry) -> bool:
    """Whether the contact may have been written right before this write, so that `updated` is the same for both.

    Our own changes are compared by the uptime too, because the time of day may have been set in between. A time of day
    that is behind the service's tells nothing.
    """
    earlier = await book.journal.entries(contact_id=entry.contact_id, before=entry.change_id, limit=1)
    updated = instant(entry.updated_before)
    ages = [entry.at - updated.timestamp()] if updated else []
    ages += [age for one in earlier for age in (abs(entry.at - one.at), _uptime_between(one, entry))]
    return any(age < SAME_MOMENT for age in ages)


def _uptime_between(earlier: Entry, later: Entry) -> float:
    """The seconds that the machine ran between two changes, infinite where it was started again or does not say."""
    known = earlier.uptime is not None and later.uptime is not None and earlier.uptime <= later.uptime
    return (later.uptime or 0) - (earlier.uptime or 0) if known else math.inf


async def last_change(book: Book, contact_id: int, *, is_recent: bool = False) -> LastChange | None:
    """The newest change of our own to that contact. `is_recent` says that it was found just now, however old it is."""
    entry = await book.journal.last_after(contact_id)
    if entry is None:
        return None
    return LastChange(
        before=entry.before,
        after=entry.after,
        rev=entry.rev_after,
        updated=entry.updated_after,
        is_recent=is_recent or book.journal.may_still_arrive(entry),
    )


# The reader's next step, where an accepted write cannot be seen.
_LOOK_FIRST = "Look the contact up before anything else."
_LOOK_LATER = "Look the contact up in a minute."
_PARTLY_SEEN = (
    "The update was carried out, but it could not be seen whether every text that it clears is empty, "
    "and every other name is as it was."
)


def _accepted_unseen(plan: Plan, why: str) -> OutcomeUnknown:
    return OutcomeUnknown(
        f"Heymarket accepted the {plan.action}, but its result could not be seen, because {why}. {_LOOK_FIRST}"
    )


def _accepted_but(plan: Plan, sent: _Sent, contact: Contact | None) -> OutcomeUnknown:
    """The error on a look that shows no result, although the service accepted the write or a look before showed it."""
    if plan.action == "delete":
        return OutcomeUnknown(
            "Heymarket said the contact was deleted, but it is still there when looked up. "
            "Look it up again before trying again."
        )
    if contact is None:
        return _accepted_unseen(plan, "the contact is not there when looked up")
    if plan.action == "create":
        return OutcomeUnknown(
            f"The create may or may not have been carried out: {_other_has_phone(contact.id)}. {_LOOK_FIRST}"
        )
    shown = values_of(contact)
    if all(is_hidden(key, shown) for key in plan.asked):
        return _accepted_unseen(plan, f"Heymarket does not show {', '.join(plan.asked)}")
    rev = sent.reply.rev or 0 if sent.reply else 0
    revs = f" (rev {contact.rev}, and {rev} was written)" if rev and contact.rev else ""
    if contact.rev > rev > 0:
        text = f", and somebody changed the contact again after it{revs}. {_LOOK_FIRST}"
    else:
        text = f" and still shows the contact as it was before{revs}. {_LOOK_LATER}"
    return OutcomeUnknown(f"Heymarket accepted the {plan.action}{text}", rev=rev)


def _other_has_phone(contact_id: int | None) -> str:
    return f"contact {contact_id} has this phone now, and it may be somebody else's"


def _not_seen(failure: ContactsError, plan: Plan, seen: Sight) -> OutcomeUnknown:
    """The error on a copy without a clear answer that no look showed."""
    if plan.action == "create" and seen.values is not None:
        found = _other_has_phone(seen.contact_id)
    elif plan.action == "update" and seen.values is None:
        found = "the contact is not there any more"
    else:
        found = "not carried out so far, but it may still arrive"
    return OutcomeUnknown(
        f"The {plan.action} may or may not have been carried out: {failure}. "
        f"Looked it up {len(LOOK_DELAYS)} times: {found}. "
        f"Look the contact up again in {IN_FLIGHT:.0f} seconds, before trying once more."
    )


def _why_blind(blind: ContactsError) -> str:
    """Why a look failed, without the advice of its own text: trying again is not the next step after a write."""
    why = next((words for kind, words in _BLIND.items() if isinstance(blind, kind)), "looking it up failed")
    if blind.kind == "database_away":  # an AccountError whose owner is another one
        why = "the journal cannot be asked"
    request_id = getattr(blind, "request_id", "")
    return f"{why} (X-Request-Id {request_id})" if request_id else why


_BLIND: dict[type[ContactsError], str] = {
    Unreachable: "Heymarket cannot be reached",
    AnswerLost: "Heymarket does not answer",
    RateLimited: "Heymarket's rate limit is used up",
    AccountError: "Heymarket no longer lets this account look",
    UpstreamError: "Heymarket failed to show it",
}
