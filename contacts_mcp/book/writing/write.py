"""The one way anything is written.

- The journal has the before-image before anything is sent.
- A write that got no clear answer is never simply sent again: the contact is looked up, and what was found decides
  (`heymarket-api.md` section 5). It is sent a second time, once, where looking shows that it was not carried out; a create only if the
  service had answered, because a create still on its way could make a second contact.
- Looking tells three things apart: carried out, not carried out, and no telling (`Look`). A write is atomic: where one asked value shows,
  it was carried out, and what of it did not stick is told. `rev` grows by one with every write, so an unmoved one proves that there was none.
- Afterwards the contact is read back. Reported is what was seen there: asked values that did not stick, values that changed although
  nobody asked, and that somebody else wrote at the same time.

A read right after a write may show the contact as it was before, so every look is repeated a few times before it counts as a no; and
what is still older than the answer to the write said is not taken for what came of it.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import anyio

from contacts_mcp.api.retries import AMBIGUOUS
from contacts_mcp.book.book import Book
from contacts_mcp.book.values import body_for, differences, field_id, is_empty, is_hidden, nothing_for, values_of
from contacts_mcp.errors import (
    AccountError,
    AnswerLost,
    ContactNotFound,
    ContactsError,
    NotDone,
    OutcomeUnknown,
    RateLimited,
    Refused,
    Rejected,
    Unreachable,
    UpstreamError,
)
from contacts_mcp.models import Contact, Value, Values, WriteReply
from contacts_mcp.state.journal import Entry

LOOKS = (0.0, 0.3, 0.9)  # seconds before each look

Pairs = dict[str, tuple[Value, Value]]
Look = Callable[[], Awaitable[bool | None]]
"""Looks whether a write was carried out; None where that cannot be told."""


@dataclass(frozen=True, slots=True)
class Sent:
    """How a write went out. `reply` is None where its answer was lost and looking showed that it was carried out."""

    reply: WriteReply | None
    sent_again: bool = False

    @property
    def answer_lost(self) -> bool:
        return self.reply is None


@dataclass(frozen=True, slots=True)
class Written:
    """A finished write and what was seen afterwards.

    `kept` are the keys of what was asked and is so; `unkept`: key -> (asked, found) of what did not stick; `disturbed`: key -> (before, after) of what changed unasked;
    `unseen`: asked, and the service does not show it.
    """

    after: Contact
    change_id: int
    sent: Sent
    rev: int = 0
    unkept: Pairs = field(default_factory=dict)
    kept: tuple[str, ...] = ()
    unseen: tuple[str, ...] = ()
    disturbed: Pairs = field(default_factory=dict)
    someone_else: bool = False


async def write_new(book: Book, wanted: Values, *, undoes: int | None = None) -> Written:
    """Create a contact with `wanted`. The caller holds the phone's lock and has seen that nobody has that phone.

    Raises OutcomeUnknown where it may have been created and looking did not settle it; another ContactsError where it was not.
    """
    phone = str(wanted["phone"])
    _refuse_while_another_may_arrive(book, phone)
    entry = book.journal.begin(Entry(action="create", before={}, wanted=wanted, undoes=undoes))
    async with _settling(book, entry):

        async def send() -> WriteReply:
            return await book.api.create_contact(body_for({}, wanted))

        async def is_there() -> bool:
            return await book.api.find_contact(phone) is not None

        sent = await _send(send, is_there, what="create", may_still_arrive=(AnswerLost,))
        async with _looking_back("create"):
            after = await _see_new(book, phone, sent.reply, wanted)
        if sent.answer_lost and not is_as_created(wanted, values_of(after)):
            raise OutcomeUnknown(
                f"The create got no answer, and contact_id {after.id} has this phone now, but other values than were sent: it may be somebody else's. Look the contact up."
            )
    return _conclude(book, entry, after, sent)


def _refuse_while_another_may_arrive(book: Book, phone: str) -> None:
    """An earlier create that got no answer can still be carried out; a second one beside it could make two contacts."""
    for earlier in book.journal.unfinished():
        if (
            earlier.action == "create"
            and earlier.wanted.get("phone") == phone
            and book.journal.may_still_arrive(earlier)
        ):
            raise Refused(
                f"Not created: an earlier create of this phone (change {earlier.change_id}) got no answer and may still arrive. Nothing was sent. "
                "Look the phone up in a minute; if it is not there then, create it again."
            )


async def write(
    book: Book,
    before: Contact,
    wanted: Values,
    *,
    overwrite: bool = False,
    consent: str = "",
    token: str = "",
    undoes: int | None = None,
) -> Written:
    """Turn `before` into `wanted`. The caller holds the contact's lock and read `before` under it.

    Raises OutcomeUnknown where it may have been changed and looking did not settle it; another ContactsError where it was not.
    """
    entry = book.journal.begin(
        Entry(
            action="update",
            contact_id=before.id,
            before=values_of(before),
            wanted=wanted,
            rev_before=before.rev,
            consent=consent,
            token=token,
            undoes=undoes,
        )
    )
    async with _settling(book, entry):
        sent = await _put(book, before, wanted, overwrite=overwrite, empty="")
        async with _looking_back("update"):
            after = await _read_back(book, before, wanted, sent)
        left = _left_standing(before, wanted, after)
        again = await _empty_with_null(book, after, left) if left else None
        if again:
            async with _looking_back("update"):
                after = await _read_back(book, after, wanted, again)
    return _conclude(book, entry, after, again or sent, writes=2 if again else 1)


async def remove(book: Book, contact: Contact, *, token: str = "", undoes: int | None = None) -> tuple[int, Sent]:
    """Delete `contact` and see that it is gone; answers the change's id. The caller holds its lock.

    Raises OutcomeUnknown where looking did not settle it; another ContactsError where it is still there.
    """
    record = contact.model_dump(mode="json", by_alias=True)
    entry = book.journal.begin(
        Entry(
            action="delete",
            contact_id=contact.id,
            before=values_of(contact),
            wanted={},
            rev_before=contact.rev,
            record=record,
            token=token,
            undoes=undoes,
        )
    )
    async with _settling(book, entry):

        async def send() -> WriteReply:
            await book.api.delete_contact(contact.id)
            return WriteReply()

        async def is_gone() -> bool:
            return await book.api.get_contact(contact.id) is None

        sent = await _send(send, is_gone, what="delete")
        async with _looking_back("delete"):
            if not sent.answer_lost and not await _repeatedly(is_gone):
                raise OutcomeUnknown(
                    "Heymarket said the contact was deleted, but it is still there when looked up. Look it up again before trying again."
                )
    book.journal.finish(replace(entry, state="done"))
    return entry.change_id, sent


@asynccontextmanager
async def _settling(book: Book, entry: Entry) -> AsyncIterator[None]:
    """Whatever ends the write early, the journal says so: `not_done` only where that is certain."""
    try:
        yield
    except OutcomeUnknown as unknown:
        book.journal.finish(replace(entry, state="unknown", rev_after=unknown.rev))
        raise OutcomeUnknown(f"{unknown} (It is change {entry.change_id} in list_changes.)") from unknown.__cause__
    except ContactsError:
        book.journal.finish(replace(entry, state="not_done"))
        raise
    except BaseException:  # cancelled or crashed: it may have been carried out
        book.journal.finish(replace(entry, state="unknown"))
        raise


@asynccontextmanager
async def _looking_back(what: str) -> AsyncIterator[None]:
    """The write was accepted; when looking at it fails, that is not a failure of the write."""
    try:
        yield
    except OutcomeUnknown:
        raise
    except ContactsError as blind:
        raise OutcomeUnknown(
            f"Heymarket accepted the {what}, but what came of it could not be seen, because {_why_blind(blind)}. Look the contact up before anything else."
        ) from None


def _why_blind(blind: ContactsError) -> str:
    """Why a look failed, without the advice of its own text: here something was sent, and trying again is not the next step."""
    why = next((words for kind, words in _BLIND.items() if isinstance(blind, kind)), "looking it up failed")
    request_id = getattr(blind, "request_id", "")
    return f"{why} (X-Request-Id {request_id})" if request_id else why


_BLIND: dict[type[ContactsError], str] = {
    Unreachable: "Heymarket cannot be reached",
    AnswerLost: "Heymarket does not answer",
    RateLimited: "Heymarket's rate limit is used up",
    AccountError: "Heymarket no longer lets this account look",
    UpstreamError: "Heymarket failed to show it",
    ContactNotFound: "the contact is not there when looked up",
}


async def _send(
    send: Callable[[], Awaitable[WriteReply]],
    look: Look,
    *,
    what: str,
    may_still_arrive: tuple[type[ContactsError], ...] = (),
) -> Sent:
    """Send once, and once more only where looking shows that the first was not carried out.

    After a failure of `may_still_arrive` it is not sent again: looking cannot show what is still on its way.
    """
    try:
        return Sent(await send())
    except AMBIGUOUS as failure:
        first: ContactsError = failure
    is_done = await _find_out(look, first, what)
    if is_done:
        return Sent(None)
    if is_done is None or isinstance(first, may_still_arrive):
        raise _unseen(first, what, is_done=is_done)
    try:
        return Sent(await send(), sent_again=True)
    except ContactsError as failure:
        second = failure
    if isinstance(second, (*AMBIGUOUS, Rejected)):
        is_done = await _find_out(look, second, what)
        if is_done:
            return Sent(None, sent_again=True)
    lost = isinstance(first, AnswerLost) or isinstance(
        second, AnswerLost | Rejected
    )  # a refusal may be of what the first has already done
    if is_done is None or lost:
        raise _unseen(second, what, is_done=is_done)
    raise NotDone(
        f"The {what} was not carried out: tried twice and looked each time, nothing was changed. {second}"
    ) from second


async def _find_out(look: Look, failure: ContactsError, what: str) -> bool | None:
    try:
        return await _repeatedly(look)
    except ContactNotFound as gone:
        raise OutcomeUnknown(f"The {what} may or may not have been carried out: {failure}. {gone}") from None
    except ContactsError as blind:
        raise OutcomeUnknown(
            f"The {what} may or may not have been carried out: {failure}. Looking it up failed as well, because {_why_blind(blind)}. Look the contact up before trying again."
        ) from None


def _unseen(failure: ContactsError, what: str, *, is_done: bool | None) -> OutcomeUnknown:
    if is_done is None:
        return OutcomeUnknown(
            f"The {what} may or may not have been carried out: {failure}. Looked it up {len(LOOKS)} times, and what Heymarket shows does not tell. "
            "Look the contact up and decide with the person before trying again."
        )
    return OutcomeUnknown(
        f"The {what} got no answer ({failure}). Looked it up {len(LOOKS)} times: not carried out so far, but it may still arrive. "
        "Look the contact up again before trying once more."
    )


async def _repeatedly(look: Look) -> bool | None:
    """The first yes, or the last answer."""
    found: bool | None = False
    for pause in LOOKS:
        await anyio.sleep(pause)
        found = await look()
        if found:
            break
    return found


async def _put(book: Book, before: Contact, wanted: Values, *, empty: str | None, overwrite: bool = False) -> Sent:
    had = values_of(before)
    body = body_for(had, wanted, overwrite=overwrite, empty=empty)

    async def send() -> WriteReply:
        return await book.api.update_contact(before.id, body, overwrite=overwrite)

    async def is_done() -> bool | None:
        return _is_carried_out(before, wanted, await _existing(book, before.id))

    return await _send(send, is_done, what="update")


def _is_carried_out(before: Contact, wanted: Values, now: Contact) -> bool | None:
    """Whether the update of `before` to `wanted` shows in `now`."""
    asked, shown = differences(values_of(before), wanted), values_of(now)
    if any(shown.get(key, nothing_for(key)) == value for key, (_, value) in asked.items() if not is_hidden(key, shown)):
        return True
    if before.rev and now.rev:
        return False if now.rev == before.rev else None
    return None if any(is_hidden(key, shown) for key in asked) else False


async def _empty_with_null(book: Book, contact: Contact, keys: Sequence[str]) -> Sent | None:
    """The service may want null where "" did nothing; nobody knows which (`heymarket-api.md` 3.3). None where that was not carried out.

    What was written before stands either way, so this is no failure of the update: what is not empty is told as not cleared.
    """
    try:
        return await _put(book, contact, values_of(contact) | dict.fromkeys(keys, ""), empty=None)
    except OutcomeUnknown:
        raise
    except ContactsError:
        return None


async def _read_back(book: Book, before: Contact, wanted: Values, sent: Sent) -> Contact:
    """The contact once it shows the write, or as it is after the last look. Raises OutcomeUnknown where that is certainly older than the write."""
    contact = before
    for pause in LOOKS:
        await anyio.sleep(pause)
        contact = await _existing(book, before.id)
        if _shows(contact, before, sent, wanted):
            break
    _refuse_stale(contact, sent.reply)
    return contact


def _refuse_stale(contact: Contact, reply: WriteReply | None) -> None:
    if reply and reply.rev and contact.rev and contact.rev < reply.rev:
        raise OutcomeUnknown(
            f"Heymarket accepted the change (rev {reply.rev}) and still shows the contact as it was before (rev {contact.rev}). Look the contact up in a minute.",
            rev=reply.rev,
        )


def _shows(contact: Contact, before: Contact, sent: Sent, wanted: Values) -> bool:
    if sent.reply and sent.reply.rev and contact.rev:
        return contact.rev >= sent.reply.rev
    if contact.rev and before.rev:
        return contact.rev > before.rev
    return not _unkept(values_of(before), wanted, contact)


async def _existing(book: Book, contact_id: int) -> Contact:
    contact = await book.api.get_contact(contact_id)
    if contact is None:
        raise ContactNotFound(f"Contact {contact_id} is not there any more; somebody else deleted it meanwhile.")
    return contact


async def _see_new(book: Book, phone: str, reply: WriteReply | None, wanted: Values) -> Contact:
    """The new contact: by id where the reply gave one, else by phone. Looks again while it cannot be seen or seems half-written."""
    contact = None
    for pause in LOOKS:
        await anyio.sleep(pause)
        contact = await (book.api.get_contact(reply.id) if reply and reply.id else book.api.find_contact(phone))
        if contact is not None and _is_whole(contact, reply, wanted):
            return contact
    if contact is None:
        raise ContactNotFound("it is not there when looked up")
    _refuse_stale(contact, reply)
    return contact


def is_as_created(wanted: Values, found: Values) -> bool:
    """Whether a contact may be the one that was created as `wanted`: with all of that, and nothing of what only a person gives."""
    given = [key for key in found if key in ("first", "last", "email", "tags") or field_id(key) is not None]
    return not differences(wanted, found, among=[*(key for key in wanted if not is_hidden(key, found)), *given])


def _is_whole(contact: Contact, reply: WriteReply | None, wanted: Values) -> bool:
    if contact.rev and reply and reply.rev:
        return contact.rev >= reply.rev
    return contact.rev > 0 or not _unkept({}, wanted, contact)


def _left_standing(before: Contact, wanted: Values, after: Contact) -> list[str]:
    """The texts that should be empty and are not."""
    had, now = values_of(before), values_of(after)
    asked = differences(had, wanted)
    return [
        key
        for key, (_, value) in asked.items()
        if value == "" and not is_empty(now.get(key)) and (field_id(key) is not None or isinstance(now.get(key), str))
    ]


def _unkept(before: Mapping[str, Value], wanted: Values, after: Contact) -> Pairs:
    """key -> (asked, found) of what was asked and is not so. An opt-out the service does not show cannot be told either way."""
    found = differences(wanted, values_of(after), among=differences(before, wanted))
    return {key: pair for key, pair in found.items() if not is_hidden(key, values_of(after))}


def _conclude(book: Book, entry: Entry, after: Contact, sent: Sent, *, writes: int = 1) -> Written:
    now = values_of(after)
    asked = differences(entry.before, entry.wanted)
    disturbed = (
        {key: pair for key, pair in differences(entry.before, now).items() if key not in asked}
        if entry.action == "update"
        else {}
    )
    own = entry.rev_before + writes if entry.rev_before else (sent.reply.rev if sent.reply else None)
    rev = (sent.reply.rev if sent.reply else 0) or after.rev  # a read may be behind the reply, or ahead of it
    book.journal.finish(replace(entry, state="done", contact_id=after.id, after=now, rev_after=rev))
    unkept, unseen = _unkept(entry.before, entry.wanted, after), tuple(key for key in asked if is_hidden(key, now))
    return Written(
        after,
        entry.change_id,
        sent,
        rev=rev,
        kept=tuple(key for key in asked if key not in unkept and key not in unseen),
        unkept=unkept,
        unseen=unseen,
        disturbed={key: pair for key, pair in disturbed.items() if not is_hidden(key, now)},
        someone_else=bool(own and after.rev > own),
    )
