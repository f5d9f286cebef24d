"""The sentences about a finished write, beyond "done as asked".

Every one is made from the result that was read back.
"""

from __future__ import annotations

from contacts_mcp.book.cards import field_name, in_quotes
from contacts_mcp.book.values import is_empty
from contacts_mcp.book.vocabulary import Snapshot
from contacts_mcp.book.writing.plan import Report
from contacts_mcp.book.writing.write import Written
from contacts_mcp.words.display import word
from contacts_mcp.words.note import Note
from contacts_mcp.words.phones import show


def notes_on(written: Written, names: Snapshot) -> list[str]:
    """Everything about `written` that the reader would not expect."""
    # Of a contact that is gone there are no values to speak of.
    on_values = notes_on_values(written.report, names) if written.after else []
    return [*_how_it_went(written), *_on_doubles(written), *on_values, *written.news]


def notes_on_values(report: Report, names: Snapshot) -> list[str]:
    """How the asked values came out, where they are not simply as asked."""
    notes: list[str] = [_on_somebody_else(report, names)] if report.someone_else else []
    if report.may_have_set_back:
        notes.append(_on_set_back(report))
    for key, (asked, found) in report.unkept.items():
        name, seen = word(field_name(key, names)), in_quotes(key, found, names)
        if is_empty(asked):
            notes.append(Note("not_cleared", f"Not cleared: Heymarket kept {name} as {seen}."))
        elif report.may_still_come:
            sent = in_quotes(key, asked, names)
            text = f"Not so yet: {name} was sent as {sent} and is {seen} now. It may still change within a minute."
            notes.append(Note("not_kept", text))
        else:
            sent = in_quotes(key, asked, names)
            notes.append(Note("not_kept", f"Not kept by Heymarket: {name} was sent as {sent} and is {seen} now."))
    notes += [
        Note("not_shown", f"Heymarket does not show {word(field_name(key, names))}, so it could not be checked.")
        for key in report.unseen
    ]
    for key, (before, after) in report.disturbed.items():
        name, old, new = word(field_name(key, names)), in_quotes(key, before, names), in_quotes(key, after, names)
        text = f"Also different now, and not by this request: {name} was {old} and is {new}."
        notes.append(Note("disturbed", text))
    return notes


def _on_set_back(report: Report) -> Note:
    sent, perhaps = (
        ("phone, first, last and display_name along as they were read", "number or name. Check them")
        if report.sent_names
        else ("phone along as it was read", "number. Check it")
    )
    return Note(
        "may_have_set_back",
        f"Somebody else may have changed this contact just before. This change sent {sent}, "
        f"so it may have set back a new {perhaps} with the person.",
    )


def _how_it_went(written: Written) -> list[str]:
    if written.answer_lost:
        seen = "the contact is gone" if written.after is None else "the change was made"
        return [Note("answer_lost", f"Heymarket's answer got lost. A look at the contact showed that {seen}.")]
    if written.sent_again:
        return [Note("sent_again", "The first try got no clear answer and did not show, so it was sent once more.")]
    return []


def _on_doubles(written: Written) -> list[str]:
    if not written.doubles or written.after is None:
        return []
    others = ", ".join(f"contact {contact.id}" for contact in written.doubles)
    return [
        Note(
            "doubles",
            f"Two contacts have the phone {show(written.after.phone)} now: contact {written.after.id} and {others}. "
            "Another program gave it out at the same moment. Ask the person which one to keep.",
        )
    ]


def _on_somebody_else(report: Report, names: Snapshot) -> str:
    """Which of our values survived. Those that did not are told one by one."""
    kept = [word(field_name(key, names)) for key in report.kept]
    survived = (
        f"of this request, {', '.join(kept)} {'is' if len(kept) == 1 else 'are'} as asked"
        if kept
        else "nothing of this request is as asked"
    )
    return Note("someone_else", f"Somebody else changed this contact at the same time. Now {survived}.")
