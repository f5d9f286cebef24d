"""Tags that the account does not have, made where the caller asks for that (`create_missing_tags`).

- No request deletes a tag. So all the rest of the call is checked before a tag is made.
- A change that may wait for a confirmation makes none, because nothing may be done before the yes.
- The answer names every tag that was made, and so does an error that follows.
- A tag is asked for once a minute, whatever a list shows meanwhile. The request may still arrive, and a list may lag.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import anyio

from contacts_mcp.api.retries import AMBIGUOUS
from contacts_mcp.book.book import Book
from contacts_mcp.book.fields import MOST_TAGS
from contacts_mcp.book.people.requests import Edit, Wanted, resolved
from contacts_mcp.book.vocabulary import EVERYTHING, NOBODY
from contacts_mcp.book.writing.write import LOOK_DELAYS
from contacts_mcp.errors import ContactsError, InvalidArgument, Refused, Rejected, UnknownName
from contacts_mcp.state.journal import IN_FLIGHT
from contacts_mcp.state.uptime import passed, uptime
from contacts_mcp.words.cleaning import clean_value
from contacts_mcp.words.display import quoted
from contacts_mcp.words.folding import fold
from contacts_mcp.words.names import Names
from contacts_mcp.words.note import Note

NAME = 60  # characters of a tag in a sentence

Besides = Callable[[Edit], Awaitable[int | None]]
"""How many tags the contact has beside the new ones after an edit, None where no tag should be made."""


async def resolved_with_new_tags(book: Book, wanted: Wanted, *, besides: Besides) -> tuple[Edit, list[Note]]:
    """`wanted` in ids, and notes on the tags that were made for it.

    Raises InvalidArgument, UnknownName, Refused, UpstreamError.
    """
    missing = await _missing(book, wanted)
    if not missing:
        return await resolved(wanted, book.vocabulary), []
    edit = await resolved(_without(wanted, missing), book.vocabulary)
    others = await besides(edit)
    if others is None:
        return edit, []
    if others + len(missing) > MOST_TAGS:
        problem = f"would make it {others + len(missing)} tags, and Heymarket allows {MOST_TAGS} a contact."
        raise InvalidArgument("create_missing_tags", problem, expected="Nothing was changed, and no tag was made.")
    made = await _made(book, missing)
    with telling_of(made):
        return await resolved(wanted, book.vocabulary), made


@contextmanager
def telling_of(made: Sequence[Note]) -> Iterator[None]:
    """Within this, an error tells of the tags that were made before it."""
    try:
        yield
    except ContactsError as error:
        if made:
            error.tell_of(" ".join(made))
        raise


async def _missing(book: Book, wanted: Wanted) -> list[str]:
    """The names of tags that the account does not have."""
    asked = [*(wanted.tags or ()), *wanted.add_tags] if wanted.create_missing_tags else []
    if not asked or not _those_missing(asked, (await book.vocabulary.read("tags")).tags):
        return []
    return _those_missing(asked, (await book.vocabulary.read("tags", no_older_than=0.0)).tags)


def _those_missing(asked: Sequence[str], names: Names) -> list[str]:
    """Each as it is to be called, and once."""
    if names.unread:  # it may be among the rows that could not be read
        return []
    found: dict[str, str] = {}  # of two spellings the first counts
    for text in asked:
        if _is_missing(text, names):
            found.setdefault(fold(text), clean_value(text, argument="tags").text)
    return [*found.values()]


def _is_missing(text: str, names: Names) -> bool:
    plain = text.strip().casefold()
    if not plain or plain.isdecimal() or plain in NOBODY | EVERYTHING:
        return False
    try:
        names.resolve(text, argument="tags")
    except UnknownName as unknown:
        return not unknown.is_ambiguous
    return False


def _without(wanted: Wanted, missing: Sequence[str]) -> Wanted:
    names = {*map(fold, missing)}
    tags, added = (
        [text for text in asked or () if fold(text) not in names] for asked in (wanted.tags, wanted.add_tags)
    )
    return replace(wanted, tags=tags or None, add_tags=added)


async def _made(book: Book, missing: Sequence[str]) -> list[Note]:
    """Make the tags, and look whether they are there."""
    near = (await book.vocabulary.read("tags")).tags.nearest
    notes: list[Note] = []
    lost: list[str] = []
    for name in missing:
        nearest = ", ".join(quoted(one.name, limit=NAME) for one in near(name)[:3])
        others = f" Like it are {nearest}." if nearest else ""
        with telling_of(notes):
            if await _make(book, name):
                text = f"The tag {quoted(name, limit=NAME)} was made; an undo leaves it.{others}"
                notes.append(Note("tag_made", text))
            else:
                lost.append(name)
    with telling_of(notes):
        await _look_for(book, missing)
    lost_notes = [
        Note("tag_made", f"The tag {quoted(name, limit=NAME)} is there now; an undo leaves it.") for name in lost
    ]
    return [*notes, *lost_notes]


async def _make(book: Book, name: str) -> bool:
    """Ask for one tag. Answers whether the service said that it was made.

    Raises Refused where it was asked for within the minute, and where it is not certain to be missing.
    """
    async with book.locks.tag(fold(name)) as making:
        left = IN_FLIGHT - passed(await making.last(), uptime())
        if left > 0:
            if not _is_missing(name, (await book.vocabulary.read("tags", no_older_than=0.0)).tags):
                return False  # another call made it
            raise Refused(
                f"The tag {quoted(name, limit=NAME)} was asked for less than a minute ago, and does not show yet. "
                f"The contact was not changed. Repeat this call in {left:.0f} seconds.",
                kind="may_still_arrive",
            )
        await making.note()
        try:
            await book.api.create_tag(name)
        except AMBIGUOUS:
            return False  # the list says
        except Rejected:  # somebody else made it: the list says
            await making.forget()
            return False
        except ContactsError:
            await making.forget()
            raise
    return True


async def _look_for(book: Book, made: Sequence[str]) -> None:
    """Raises Refused where a tag does not show."""
    absent = list(made)
    for pause in LOOK_DELAYS:
        await anyio.sleep(pause)
        names = (await book.vocabulary.read("tags", no_older_than=0.0)).tags
        absent = [name for name in made if _is_missing(name, names)]
        if not absent:
            return
    told = ", ".join(quoted(name, limit=NAME) for name in absent)
    raise Refused(
        f"Heymarket does not show the tag {told}, which was asked for. It may still come. The contact was not changed. "
        f"Repeat this call in {IN_FLIGHT:.0f} seconds.",
        kind="tag_not_made",
    )
