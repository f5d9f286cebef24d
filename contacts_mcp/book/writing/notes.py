"""What a finished write is worth telling: the sentences every changing operation adds to its answer."""

from __future__ import annotations

from contacts_mcp.book.book import Book
from contacts_mcp.book.cards import field_name, shown
from contacts_mcp.book.values import is_empty
from contacts_mcp.book.writing.write import Written
from contacts_mcp.words.display import quoted, word


async def notes_on(book: Book, written: Written) -> list[str]:
    """Everything about `written` that is not simply "done as asked"."""
    notes = _how_it_went(written)
    if written.someone_else:
        notes.append(await _on_somebody_else(book, written))
    for key, (asked, found) in written.unkept.items():
        name = word(await field_name(key, book.directory))
        seen = await shown(key, found, book.directory)
        if is_empty(asked):
            notes.append(f"Not cleared: Heymarket kept {name} as {_quoted(seen)}.")
        else:
            notes.append(
                f"Not kept by Heymarket: {name} was sent as {_quoted(await shown(key, asked, book.directory))} and is {_quoted(seen)} now."
            )
    notes += [
        f"Heymarket does not show {word(await field_name(key, book.directory))}, so it could not be checked."
        for key in written.unseen
    ]
    for key, (before, after) in written.disturbed.items():
        name = word(await field_name(key, book.directory))
        old, new = await shown(key, before, book.directory), await shown(key, after, book.directory)
        notes.append(f"Also different now, and not by this request: {name} was {_quoted(old)} and is {_quoted(new)}.")
    return notes


def _how_it_went(written: Written) -> list[str]:
    notes = []
    if written.sent.answer_lost:
        notes.append("Heymarket's answer got lost; looked the contact up and saw that the change was made.")
    elif written.sent.sent_again:
        notes.append(
            "The first try failed; looked the contact up, saw that nothing had been changed, and sent it once more."
        )
    return notes


async def _on_somebody_else(book: Book, written: Written) -> str:
    """Which of our values survived; those that did not are told one by one."""
    kept = [word(await field_name(key, book.directory)) for key in written.kept]
    survived = (
        f"of this request, {', '.join(kept)} {'is' if len(kept) == 1 else 'are'} as asked"
        if kept
        else "nothing of this request is as asked"
    )
    return f"Somebody else changed this contact at the same time; {survived}."


def _quoted(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_quoted, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return quoted(str(value)) if value else "empty"
