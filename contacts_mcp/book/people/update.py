"""Changing a contact: only what was asked, and opting a person in again only with their consent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from contacts_mcp.book.book import Book, Outcome, confirmed, risky
from contacts_mcp.book.cards import card_for, card_of, changes_between, field_name
from contacts_mcp.book.confirmations import digest_of
from contacts_mcp.book.fields import NAMES
from contacts_mcp.book.people.holding import ContactRef, holder_of, locked_contact, read, refuse_other_name
from contacts_mcp.book.people.lookup import ref_of
from contacts_mcp.book.people.new_tags import resolved_with_new_tags, telling_of
from contacts_mcp.book.people.requests import Edit, Wanted, excess_tags, too_many_tags
from contacts_mcp.book.people.suppressions import leaves_number, left_opted_out, note_on_arrival, notes_on_departure
from contacts_mcp.book.search.remarks import on_values
from contacts_mcp.book.values import is_unread, values_of
from contacts_mcp.book.vocabulary import Snapshot
from contacts_mcp.book.writing.notes import notes_on
from contacts_mcp.book.writing.plan import Plan, update_of
from contacts_mcp.book.writing.write import Origin, carry_out
from contacts_mcp.errors import InvalidArgument, Refused
from contacts_mcp.models import Contact, Values
from contacts_mcp.state.journal import Entry
from contacts_mcp.words.display import quoted, word
from contacts_mcp.words.note import Note
from contacts_mcp.words.phones import Phone, show
from contacts_mcp.words.phones import notes_on as phone_notes
from contacts_mcp.words.renumbering import other_forms


async def update(
    book: Book,
    wanted: Wanted,
    *,
    contact_id: int | None = None,
    phone: str | None = None,
    name: str | None = None,
    new_phone: str | None = None,
    consent: str = "",
    confirm_token: str = "",
) -> Outcome:
    """Change what `wanted` mentions of one contact, if that is the person called `name`.

    `status` is updated, unchanged or needs_confirmation.
    Raises InvalidArgument, ContactNotFound, Refused, UpstreamError, OutcomeUnknown.
    """
    ref = ref_of(book, contact_id=contact_id, phone=phone, name=name, changes=True)
    moved = book.phone(new_phone, argument="new_phone") if new_phone is not None else None
    wanted = replace(wanted, phone=moved.digits if moved else None)

    async def besides(edit: Edit) -> int | None:
        if moved or edit.values.get("is_opted_out") is False:
            raise InvalidArgument(
                "create_missing_tags",
                "goes with no change that may need a confirmation.",
                expected="Nothing was changed. Set the tags in a call of their own.",
            )
        contact = await read(book, ref)
        if contact is None:
            return None
        refuse_other_name(contact, name)
        tags = edit.applied_to(values_of(contact)).get("tags") or []
        return len(tags) if isinstance(tags, list) else None

    edit, made = await resolved_with_new_tags(book, wanted, besides=besides)
    if edit == Edit({}):
        raise InvalidArgument(
            "update_contact",
            "nothing to change was given.",
            expected='Name at least one field, for example last: "Rivera". To empty a field, name it in clear.',
        )
    notes = [*phone_notes(*(number for number in (ref.phone, moved) if number)), *edit.notes, *made]
    notes += await on_values(book, edit.values)
    with telling_of(made):
        return await _change_of(book, ref, edit, moved, notes, name=name, consent=consent, confirm_token=confirm_token)


async def _change_of(
    book: Book,
    ref: ContactRef,
    edit: Edit,
    moved: Phone | None,
    notes: Sequence[str],
    *,
    name: str | None,
    consent: str,
    confirm_token: str,
) -> Outcome:
    async with locked_contact(book, ref, phones=[moved.digits] if moved else []) as before:
        refuse_other_name(before, name)
        if moved and moved.digits != before.phone:
            await refuse_taken_phone(book, moved.digits, mover=before.id)
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
    plan, left = await _planned(book, before, edit)
    if not plan.asked:
        nothing = Note("nothing_to_change", "Nothing to change; nothing was sent.")
        return Outcome(status="unchanged", card=await card_for(before, book.vocabulary), notes=[*notes, nothing])
    is_risky = plan.opts_in or (before.is_opted_out is not False and leaves_number(before, str(plan.wanted["phone"])))
    if is_risky:
        names = await book.vocabulary.naming(plan.before, plan.wanted)
        pending = await _unconfirmed(book, before, plan, names, consent=consent, token=confirm_token, notes=notes)
        if pending:
            return pending
    origin = Origin(consent=consent, token=digest_of(confirm_token) if is_risky else "", undoes=undoes)
    written = await carry_out(book, plan, origin=origin)
    assert written.after is not None
    after = values_of(written.after)
    names = await book.vocabulary.naming(plan.before, plan.wanted, after)
    arrival = [note_on_arrival(left, written.after)] if left else []
    display_name = [] if undoes else _on_display_name(plan.before, after)
    return Outcome(
        status="updated",
        card=card_of(written.after, names),
        changes=changes_between(plan.before, after, names, among=plan.asked),
        notes=[
            *notes,
            *arrival,
            *notes_on_departure(before, written.after),
            *display_name,
            *notes_on(written, names),
        ],
        change_id=written.change_id,
    )


async def _planned(book: Book, before: Contact, edit: Edit) -> tuple[Plan, Entry | None]:
    """The write that `edit` means, and the change that left its number opted out. Raises InvalidArgument, Refused."""
    had = values_of(before)
    wanted = edit.applied_to(had)
    if excess := excess_tags(had, wanted):
        names = await book.vocabulary.naming(had)
        raise too_many_tags(had, excess, before.name, names, added=bool(edit.add_tags))
    if not wanted.get("phone"):
        raise Refused(
            "This contact has no phone, and Heymarket changes none without. Give one as new_phone in the same call. "
            "Nothing was changed.",
            kind="no_phone",
        )
    refuse_losses(before, edit)
    moves = wanted["phone"] != before.phone
    is_same_number = not leaves_number(before, str(wanted["phone"]))
    left = (
        await left_opted_out(book, str(wanted["phone"]), mover=before.id if is_same_number else None) if moves else None
    )
    opts_in = edit.values.get("is_opted_out") is False and before.is_opted_out is not False  # refused with a new number
    if left and not opts_in:
        wanted["is_opted_out"] = True
    plan = update_of(before, wanted, overwrite=edit.replace_custom)
    await _refuse_unknown_differences(book, before, edit, plan)
    return plan, left


def refuse_losses(before: Contact, edit: Edit) -> None:
    """Refuse a change that would lose a value which cannot be read. Raises Refused.

    An update sends the names along. Tags are written as a whole, and so are custom values that are replaced.
    """
    if names := [name for name in NAMES if name not in edit.values and name in {*before.unread, *before.damaged}]:
        way = f"Give {' and '.join(names)} with update_contact in the same call, or change the contact in Heymarket."
        raise _unreadable(" and ".join(names), "and this change would lose it", way)
    if (edit.add_tags or edit.remove_tags) and "tags" in before.unread:
        way = "Give all its tags as tags, after the person has looked them up in Heymarket."
        raise _unreadable("some tags", "and this change would lose them", way)
    if edit.replace_custom and _unread_custom(before) - {key.replace(":", ".") for key in edit.values}:
        way = "Leave replace_custom_fields out, or change the contact in Heymarket."
        raise _unreadable("some custom values", "and this change would lose them", way)


def _unread_custom(contact: Contact) -> set[str]:
    return {name for name in contact.unread if name.partition(".")[0] == "custom"}


async def _refuse_unknown_differences(book: Book, before: Contact, edit: Edit, plan: Plan) -> None:
    """Refuse to call a value unchanged that cannot be read. Raises Refused."""
    unsure = [key for key in edit.values if is_unread(key, before) and key not in plan.asked]
    if unsure:
        names = await book.vocabulary.naming(edit.values)
        told = " and ".join(word(field_name(key, names)) for key in unsure)
        way = "Change the contact in Heymarket, or give another value."
        raise _unreadable(told, "so whether this change is needed is not known", way)


def _unreadable(which: str, why: str, way: str) -> Refused:
    text = f"Heymarket shows {which} of this contact in a form that cannot be read, {why}. Nothing was changed. {way}"
    return Refused(text, kind="unreadable_member")


async def _unconfirmed(
    book: Book, before: Contact, plan: Plan, names: Snapshot, *, consent: str, token: str, notes: Sequence[str]
) -> Outcome | None:
    """The answer that asks for a confirmation of a risky change. It is None if that was confirmed. Raises Refused."""
    if plan.opts_in:
        _check_consent(before, plan, consent)
    card = card_of(before, names)
    changes = changes_between(plan.before, plan.wanted, names)
    name, question = (
        ("opt in", "Opt in again? Consent given: {consent}")
        if plan.opts_in
        else ("move", "Change the number to {phone}? Another contact could get the old number then, and be texted")
    )
    own = "is_opted_out" if plan.opts_in else "phone"
    others = ", ".join(word(one.field) for one in changes if one.field != own)
    besides = f". This also changes: {others}." if others else "" if plan.opts_in else "."
    state = "is opted out of texts" if before.is_opted_out else "may be opted out of texts (Heymarket does not say)"
    who = quoted(card.name, limit=60) if card.name else "This contact"
    asked = question.format(consent=quoted(consent), phone=show(str(plan.wanted["phone"])))
    return await confirmed(
        book,
        risky(name, before, {"wanted": plan.wanted, "consent": consent, "overwrite": plan.overwrite}),
        token,
        card=card,
        question=f"{who} ({card.phone or 'no phone'}) {state}. {asked}{besides}",
        changes=changes,
        notes=notes,
    )


def _check_consent(before: Contact, plan: Plan, consent: str) -> None:
    if not _says_when_and_how(consent):
        raise Refused(
            "consent is needed: opting a person back in to texts is a legal act. "
            "Ask when and how they agreed, and pass that "
            'as consent, for example "Asked for texts again by phone on 2026-03-04". Nothing was changed.',
            kind="consent_needed",
        )
    if plan.wanted["phone"] != before.phone:
        raise Refused(
            "Opting in and changing the number are two calls: consent is for one number. Nothing was changed.",
            kind="consent_for_one_number",
        )


def _says_when_and_how(consent: str) -> bool:
    """A bare "yes" is no record of anything. A person judges what is one."""
    return len(consent.split()) >= _LEAST_WORDS or len(consent.strip()) >= _LEAST_LETTERS


_LEAST_WORDS, _LEAST_LETTERS = 2, 8  # the latter for scripts that put no spaces between words


async def refuse_taken_phone(book: Book, phone: str, *, mover: int | None = None) -> None:
    """Raises Refused where somebody else than `mover` has `phone` already, in whatever form."""
    holder = await holder_of(book, phone, other_forms(phone))
    if holder is not None and holder.id != mover:
        raise Refused(
            f"The phone belongs to another contact already (contact_id {holder.id}). "
            "What Heymarket does with two contacts of one number is not known, so nothing was changed. "
            "Look at that contact first.",
            kind="phone_taken",
        )


def _on_display_name(had: Values, after: Values) -> list[str]:
    """A display name that was made of the old names stays, and people expect it to follow."""
    first, last, shown = (str(had.get(name) or "") for name in NAMES)
    follows = shown and shown == " ".join(part for part in (first, last) if part)
    is_renamed = (first, last) != (after.get("first"), after.get("last"))
    if not (follows and is_renamed and after.get("display_name") == shown):
        return []
    why = "because it was not mentioned. Pass display_name to change it too."
    return [Note("display_name_stays", f"display_name still reads {quoted(shown, limit=60)}, {why}")]
