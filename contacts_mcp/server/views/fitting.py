"""The shape of every answer, and how it is kept within its budget.

- An answer says the same facts twice: as lines that stand alone, and as a structure for programs.
- Texts from contacts are data written by strangers. Each one passes `safe`: it shows hidden characters and cuts with
  a mark.
- A view is tried with one `Cut` after the other, from the most to the least, until both forms fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import BaseModel, WithJsonSchema
from pydantic_core import to_json

from contacts_mcp.words.display import Cut

NAME = 60  # characters of a name
ANSWER = 60_000  # bytes of a whole answer, about 15,000 tokens
ENDING = 12_000  # bytes of its last lines, which say how to go on

Facts = Annotated[dict[str, Any], WithJsonSchema({"type": "object"})]


def with_members(**types: str) -> Any:
    """An object in the published structure, and the JSON types of the members that a program may count on."""
    members = {name: {"type": kind} for name, kind in types.items()}
    return WithJsonSchema({"type": "object", "properties": members})


# Of a contact, as every answer shows it. A full one has more members. Empty ones are left out.
ContactFacts = Annotated[dict[str, Any], with_members(contact_id="integer", name="string", phone="string")]


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer of a tool. The rim turns it into the protocol's result, or into the output of a command."""

    lines: Sequence[str]  # for people and models
    facts: dict[str, Any]  # for programs; of an error: `kind`, `message` and what helps
    is_error: bool = False

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def with_note(self, note: str) -> Answer:
        """The same answer with one more note, in both its forms."""
        facts = self.facts | {name: [*self.facts.get(name, []), *added] for name, added in noted([note]).items()}
        return replace(self, lines=[*self.lines, note], facts=facts)


def noted(notes: Sequence[str]) -> dict[str, Any]:
    """The notes of an answer and, in the same order, the kind of each. A plain text is of the kind `note`."""
    kinds = [getattr(note, "kind", "note") for note in notes]
    return {"notes": list(notes)} | ({"note_kinds": kinds} if kinds else {})


# From the most that is shown of one contact to the little that keeps a page of the longest ones within an answer.
CUTS = (Cut(value=2_000), Cut(), Cut(value=NAME, items=20), Cut(value=20, items=5))

Shown = tuple[list[str], BaseModel]  # the lines, and the structure


def fitted(shown: Callable[[Cut], Shown], *, cuts: Sequence[Cut] = CUTS) -> Answer:
    """The answer that `shown` gives, cut as little as its length allows."""
    for cut in cuts:
        lines, model = shown(cut)
        facts = model.model_dump(mode="json", exclude_none=True)
        fits = _size("\n".join(lines)) <= ANSWER
        if fits and len(to_json(facts)) <= ANSWER:
            break
    return Answer(lines if fits else _without_middle(lines), facts)


def _size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _without_middle(lines: list[str]) -> list[str]:
    """`lines` without as many in the middle as are too much: the last ones say how to go on."""
    last = _fitting(lines[::-1], ENDING)[::-1]
    first = _fitting(lines[: len(lines) - len(last)], ANSWER - ENDING)
    return [*first, f"… ({len(lines) - len(first) - len(last)} lines left out; ask for less) …", *last]


def _fitting(lines: Sequence[str], most: int) -> list[str]:
    kept: list[str] = []
    for line in lines:
        most -= _size(line) + 1
        if most < 0:
            break
        kept.append(line)
    return kept


def completeness(is_complete: bool) -> str:
    """Whether everybody was looked at, in the words of the structure."""
    return f"complete: {'true' if is_complete else 'false'}"


def going_on(next_cursor: str) -> str:
    """How to get the next page, in the words of the structure."""
    return f"to go on, repeat this call with cursor = next_cursor: {next_cursor}"
