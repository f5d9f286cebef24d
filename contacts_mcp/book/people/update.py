"""Changing a contact: only what was asked, and opting somebody in again only with their consent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from contacts_mcp.book.book import Book, Outcome, deed_for
from contacts_mcp.book.cards import card_of, changes_between
from contacts_mcp.book.confirmations import REASONS, digest_of
from contacts_mcp.book.people.lookup import held, who_is
from contacts_mcp.book.people.requests import Edit, Wanted, resolve
from contacts_mcp.book.values import NAMES, differences, values_of
from contacts_mcp.book.writing.notes import notes_on
from contacts_mcp.book.writing.write import write
from contacts_mcp.errors import InvalidArgument, Refused
from contacts_mcp.models import Contact, Values
from contacts_mcp.words.display import quoted, word


async def update(
    book: Book,
    wanted: Wanted,
    *,
    contact_id: int | None = None,
    phone: str | None = None,
    new_phone: str | None = None,
    consent: str = "",
    confirm_token: str = "",
) -> Outcome:
    """Change what `wanted` mentions of one contact.

    `status` is updated, unchanged or needs_confirmation. Raises InvalidArgument, ContactNotFound, Refused, UpstreamError, OutcomeUnknown.
    """
    who = who_is(book, contact_id=contact_id, phone=phone, changes=True)
    moved = book.phone(new_phone, argument="new_phone") if new_phone is not None else None
    edit = await resolve(replace(wanted, phone=moved.digits if moved else None), book.directory)
    if edit == Edit({}):
        raise InvalidArgument(
            "update_contact",
            "nothing to change was given.",
            expected='Name at least one field, for example last: "Rivera"; to empty a field, name it in clear.',
        )
    notes = [*who.notes, *(moved.notes if moved else [])]
    async with book.locks.phones(*who.phones, *((moved.digits,) if moved else ())), held(book, who) as before:
        if moved and moved.digits != before.phone:
            await check_free(book, moved.digits)
        return await change(book, before, edit, notes=notes, consent=consent, confirm_token=confirm_token)


async def change(
    book: Book,
    before: Contact,
    edit: Edit,
    *,
    notes: Sequence[str] = (),
    consent: str = "",
    confirm_token: str = "",
    undoes: int | None = None,
) -> Outcome:
    """Apply `edit` to `before`, which the caller holds."""
    had = values_of(before)
    wanted = edit.applied_to(had)
    if not wanted.get("phone"):
        raise Refused(
            "This contact has no phone, and Heymarket changes none without. Give one as new_phone in the same call. Nothing was changed."
        )
    if not differences(had, wanted):
        return Outcome(
            status="unchanged",
            card=await card_of(before, book.directory),
            notes=[*notes, "Everything is so already; nothing was sent."],
        )
    if _opts_in(had, wanted):
        pending = await _unconfirmed_opt_in(book, before, wanted, consent=consent, token=confirm_token)
        if pending:
            return pending
    written = await write(
        book,
        before,
        wanted,
        overwrite=edit.replace_custom,
        consent=consent,
        token=digest_of(confirm_token) if _opts_in(had, wanted) else "",
        undoes=undoes,
    )
    after = values_of(written.after)
    return Outcome(
        status="updated",
        card=await card_of(written.after, book.directory),
        changes=await changes_between(had, after, book.directory, among=differences(had, wanted)),
        notes=[
            *notes,
            *_on_moved_opt_out(had, after),
            *([] if undoes else _on_display_name(had, after)),
            *await notes_on(book, written),
        ],
        change_id=written.change_id,
    )


def _opts_in(had: Values, wanted: Values) -> bool:
    """Whether this would let texts reach somebody who is, or may be, opted out."""
    return wanted.get("is_opted_out") is False and had.get("is_opted_out") is not False


async def _unconfirmed_opt_in(
    book: Book, before: Contact, wanted: Values, *, consent: str, token: str
) -> Outcome | None:
    """What to answer instead of opting `before` in; None where there is consent and it was confirmed."""
    if not _says_when_and_how(consent):
        raise Refused(
            "consent is needed: opting a person back in to texts is a legal act. Ask when and how they agreed, and pass that as consent, for example "
            '"Asked for texts again by phone on 2026-03-04". Nothing was changed.'
        )
    if wanted["phone"] != before.phone:
        raise Refused(
            "Opting in and changing the number are two calls: consent is for one number. Nothing was changed."
        )
    if not book.confirms:
        return None
    deed = deed_for("opt in", before, {"wanted": wanted, "consent": consent})
    reason = (
        (REASONS["used"] if book.journal.by_token(digest_of(token)) else book.confirmations.refusal(token, deed))
        if token
        else ""
    )
    if token and not reason:
        book.confirmations.use(token)
        return None
    card = await card_of(before, book.directory)
    changes = await changes_between(values_of(before), wanted, book.directory)
    others = ", ".join(word(one.field) for one in changes if one.field != "is_opted_out")
    besides = f". This also changes: {others}." if others else ""
    state = "is opted out of texts" if before.is_opted_out else "may be opted out of texts (Heymarket does not say)"
    return Outcome(
        status="needs_confirmation",
        card=card,
        changes=changes,
        notes=[f"Not done: {reason}. Here is a new one."] if reason else [],
        confirm_token=book.confirmations.token_for(deed),
        question=f"{quoted(card.name, limit=60) if card.name else 'This contact'} ({card.phone}) {state}. Opt in again? Consent given: {quoted(consent)}{besides}",
    )


def _says_when_and_how(consent: str) -> bool:
    """A bare "yes" is no record of anything; what is one, a person judges."""
    return len(consent.split()) >= _LEAST_WORDS or len(consent.strip()) >= _LEAST_LETTERS


_LEAST_WORDS, _LEAST_LETTERS = 2, 8  # the latter for scripts that put no spaces between words


async def check_free(book: Book, phone: str) -> None:
    """Raises Refused where somebody has `phone` already."""
    holder = await book.api.find_contact(phone)
    if holder is not None:
        raise Refused(
            f"The phone belongs to another contact already (contact_id {holder.id}). What Heymarket does with two contacts of one number is not known, "
            "so nothing was changed. Look at that contact first."
        )


def _on_moved_opt_out(had: Values, after: Values) -> list[str]:
    """The opt-out goes with the contact, and the phone it was given for is free for anybody."""
    if had.get("is_opted_out") and had["phone"] and had["phone"] != after["phone"]:
        return [
            f"The opt-out went with this contact to the new number; a new contact with +{had['phone']} could be texted."
        ]
    return []


def _on_display_name(had: Values, after: Values) -> list[str]:
    """A display name that was made of the old names stays; people expect it to follow, so it is said."""
    first, last, shown = (str(had.get(name) or "") for name in NAMES)
    follows = shown and shown == " ".join(part for part in (first, last) if part)
    renamed = (first, last) != (after.get("first"), after.get("last"))
    if follows and renamed and after.get("display_name") == shown:
        return [
            f"display_name still reads {quoted(shown, limit=60)}, because it was not mentioned; pass display_name to change it too."
        ]
    return []
