"""The verdict on one attempt: a list of its problems, empty for a pass.

Nothing here guesses: the same attempt always gets the same verdict.
Refused calls count as calls and are otherwise forgiven. An error says what to do, and doing it is right.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .matching import is_said, is_who, matches
from .office import Contacts, Office
from .tasks import Row, Task, Write


@dataclass(frozen=True)
class Made:
    """One call, whether it was refused, and the number of answers the person had given by then."""

    tool: str
    arguments: Row
    is_error: bool
    turns: int


@dataclass
class Attempt:
    """Everything that happened in one room."""

    task: Task
    before: Contacts
    # name -> its defaults, of the tools that change something
    writers: dict[str, Row]
    calls: list[Made] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    turns: int = 0
    # What ended the attempt before its time.
    broken: str = ""
    received: int = 0
    sent: int = 0

    @property
    def tokens(self) -> int:
        """The bytes that the agent read and wrote, divided by four."""
        return (self.received + self.sent) // 4

    def outstanding(self) -> list[Write]:
        """The writes that must still be made."""
        return [write for write in self._paired()[0] if not write.optional]

    def strangers(self) -> list[Made]:
        """Changing calls that are none of the right ones."""
        return self._paired()[1]

    def _paired(self) -> tuple[list[Write], list[Made]]:
        """The open writes and the strangers, of the way that fits the calls better."""
        ways = [self._paired_with(writes) for writes in (self.task.writes, self.task.other_writes)]
        return min(ways[: 2 if self.task.other_writes else 1], key=lambda way: (len(way[1]), len(way[0])))

    def _paired_with(self, writes: Sequence[Write]) -> tuple[list[Write], list[Made]]:
        open_writes, strangers = list(writes), []
        for made in self.calls:
            if made.tool not in self.writers or made.is_error:
                continue
            fitting = next((write for write in open_writes if self._fits(write, made)), None)
            if fitting is None:
                strangers.append(made)
            else:
                open_writes.remove(fitting)
        return open_writes, strangers

    def _fits(self, write: Write, made: Made) -> bool:
        return made.turns >= write.after_turn and any(self._is_way(way, made) for way in write.ways)

    def _is_way(self, way: Write, made: Made) -> bool:
        if way.tool != made.tool:
            return False
        expected, given = dict(way.arguments), self._without_defaults(made)
        if "who" in expected:
            if not is_who(self.before[expected.pop("who")], given):
                return False
            given = {name: value for name, value in given.items() if name not in _WHO}
        return not given.keys() - expected.keys() and all(
            matches(value, given.get(name)) for name, value in expected.items()
        )

    def _without_defaults(self, made: Made) -> Row:
        defaults = self.writers[made.tool]
        return {name: value for name, value in made.arguments.items() if not _says_nothing(value, defaults.get(name))}


_WHO = ("contact_id", "phone", "name")  # the tool itself checks the name, and refuses that of somebody else


def _says_nothing(value: Any, default: Any) -> bool:
    return value is None or value in ([], {}) or value == default


def problems(attempt: Attempt, office: Office) -> Iterator[str]:
    """The problems of an attempt, in words."""
    if attempt.broken:
        yield attempt.broken
    yield from _problems_of_calls(attempt)
    for turn in attempt.task.turns[attempt.turns :]:
        if not turn.optional:
            yield f'not asked, so "{turn.text}" was never said'
    yield from office.problems(attempt.before, list(attempt.task.after))
    yield from _problems_of_words(attempt)


def _problems_of_calls(attempt: Attempt) -> Iterator[str]:
    task, called = attempt.task, {made.tool for made in attempt.calls}
    if len(attempt.calls) > task.most_calls:
        yield f"{len(attempt.calls)} calls, at most {task.most_calls} are right"
    yield from (f"{tool} must not be called" for tool in task.forbidden if tool in called)
    yield from (f"not a right call: {_shown(made.tool, made.arguments)}" for made in attempt.strangers())
    yield from (f"not called: {_shown(write.tool, write.arguments)}" for write in attempt.outstanding())


def _problems_of_words(attempt: Attempt) -> Iterator[str]:
    told, last = attempt.task.told, attempt.words[-1] if attempt.words else ""
    yield from (f"the last word does not say {phrase!r}" for phrase in told.says if not is_said(phrase, last))
    for phrase in told.never:
        if any(is_said(phrase, words) for words in attempt.words):
            yield f"it was said: {phrase!r}"


def _shown(tool: str, arguments: Row) -> str:
    return f"{tool}({', '.join(f'{name}={value!r}' for name, value in arguments.items())})"
