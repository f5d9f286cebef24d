"""Words of a sentence that mean a filter, a date or a logic, and not a person: "opted out", "last week", "but not".

A query looks for people by words. It cannot carry these out, so an answer that rests on guesses, or on nothing, says
which parameter does. Without that, "who is unassigned" would be answered with nobody. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Collection

from contacts_mcp.words.display import quoted
from contacts_mcp.words.note import Note

_ALONE = r"(?<![\w@./-])(?:{})(?![\w@/-]|\.\w)"  # not as a part of an address
_EMAIL = r"e-?mails?(?:\s+address(?:es)?)?"
_TIME = r"days?|weeks?|months?|quarter|years?"
_PARAMETERS = tuple(
    (re.compile(_ALONE.format(pattern), re.IGNORECASE), parameter)
    for pattern, parameter in (
        (r"opt(?:ed|ing|s)?[\s-]?(?:out|in)s?|(?:un)?subscribed", "opted_out"),
        (rf"(?:with|without|have|has|no|missing|lacks?)\s+(?:(?:an?|any|their|no)\s+)*{_EMAIL}", "has_email"),
        (rf"{_EMAIL}\s+(?:is\s+|are\s+)?missing", "has_email"),
        (r"(?:(?:no|without|any)\s+)*(?:(?:un)?tagged|tags?)", 'tag, "none" for those without'),
        (r"(?:un)?assigned(?:\s+to)?|owned\s+by|no\s+owner|assignees?", 'assignee, "none" for nobody'),
        (r"changed|updated|edited", "updated_after or updated_before"),
        (rf"yesterday|today|(?:last|past|this)\s+(?:\d+\s+)?(?:{_TIME})", "created_after or updated_after"),
        (r"(?:newly|recently|just)\s+added|newest|latest|most\s+recent|oldest", "sort"),
        (r"abroad|international|foreign|overseas", "country"),
    )
)
_LOGIC = re.compile(_ALONE.format("not|no|without|except|excluding|but|isn't|aren't|don't|or"), re.IGNORECASE)


def filters_said(query: str, found: Collection[str]) -> list[Note]:
    """A note on all that the query says beside words to look for. `found` are words of it that are somebody's name."""
    has = {each.casefold() for each in found}
    said = {part: parameter for pattern, parameter in _PARAMETERS for part in _said(pattern, query, has)}
    texts = [f"For {quoted(part, limit=40)} give {parameter}." for part, parameter in said.items()]
    if logic := ", ".join(map(quoted, _said(_LOGIC, query, has.union(*map(str.split, said))))):
        texts.append(f"{logic} cannot be carried out: ask for each value by itself, or for all and those to leave out.")
    return [Note("said_beside_words", f"The query looks for words alone. {' '.join(texts)}")] if texts else []


def _said(pattern: re.Pattern[str], query: str, has: Collection[str]) -> list[str]:
    """The parts of the query that the pattern finds, without those that are explained by the words of `has`."""
    parts = dict.fromkeys(part[0].casefold() for part in pattern.finditer(query))
    return [part for part in parts if not set(part.split()) <= {*has}]
