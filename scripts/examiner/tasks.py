"""A task, and how it is read from `tests/exam/tasks/*.toml`.

- `say` is what the person says. `before` is done first: edits behind the server (`add`, `touch`, ...) and calls of an
  earlier hour (`call`).
- `writes` are the calls that change something or ask for a confirmation, each with its alternatives (`or`). `who =
  1002` means that contact by its id or its phone. Arguments that are not named must not be there. Reading is free up
  to `most` calls.
- `other_writes` are the calls of another right way, instead of `writes`: one change of many instead of many changes.
- `turns` are what the person says next: `answer` to a question that matches `asks`, or a new `request`. `after_turn`
  binds a write to a yes.
- `after` is what is different then. Everything that it does not name must be as it was, everywhere.
- `calls` is the stated number: `solution`, the way of the reference, takes exactly so many.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any, Self, TypeVar

TASKS = Path(__file__).resolve().parents[2] / "tests" / "exam" / "tasks"
TODAY = "2026-11-01"  # the day on which the sandbox's book ends
SPARE_CALLS = 3

Row = dict[str, Any]
# A text to be found in what an assistant says, a `/pattern/`, or several of which one must be there.
Phrase = str | tuple[str, ...]


class BadTask(Exception):
    """A task is not written as it must be."""


@dataclass(frozen=True)
class _FromRow:
    """Something read from a TOML table whose keys are its fields."""

    @classmethod
    def read(cls, row: Row) -> Self:
        """Raises BadTask for a key that is unknown or missing."""
        known = {field.name: field for field in fields(cls)}
        given = {_RENAMED.get(key, key): value for key, value in row.items()}
        required = {
            name for name, field in known.items() if field.default is MISSING and field.default_factory is MISSING
        }
        if wrong := (given.keys() - known.keys()) | (required - given.keys()):
            raise BadTask(f"{cls.__name__}: unknown or missing {', '.join(sorted(wrong))} in {row}")
        return cls(**{name: _READERS.get(name, _as_it_is)(value) for name, value in given.items()})


@dataclass(frozen=True, kw_only=True)
class Write(_FromRow):
    """One right call that changes something."""

    tool: str
    arguments: Row
    after_turn: int = 0
    # May be left out.
    optional: bool = False
    alternatives: tuple[Write, ...] = ()

    @property
    def ways(self) -> tuple[Write, ...]:
        return (self, *self.alternatives)


@dataclass(frozen=True, kw_only=True)
class Turn(_FromRow):
    """The next words of the person: an answer to a question, or a new request."""

    answer: str = ""
    request: str = ""
    asks: tuple[Phrase, ...] = ()
    # The task can be right without the question.
    optional: bool = False
    # What somebody else does before the person says it.
    meanwhile: tuple[Row, ...] = ()

    @property
    def text(self) -> str:
        return self.answer or self.request


@dataclass(frozen=True, kw_only=True)
class Told(_FromRow):
    """The phrases that the last word must have, and the phrases that no word may have."""

    says: tuple[Phrase, ...] = ()
    never: tuple[Phrase, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Task(_FromRow):
    """One sentence of a person, and everything that makes an answer to it right."""

    id: str
    say: str
    calls: int
    solution: tuple[Row, ...]
    # The rule the task examines, in a few words.
    about: str
    theme: str = ""
    # How many people are in the book.
    book: int = 60
    before: tuple[Row, ...] = ()
    most: int = 0
    writes: tuple[Write, ...] = ()
    other_writes: tuple[Write, ...] = ()
    turns: tuple[Turn, ...] = ()
    after: tuple[Row, ...] = ()
    told: Told = Told()
    # Tools that may not even be tried.
    forbidden: tuple[str, ...] = ()

    def __str__(self) -> str:
        return self.id

    @property
    def most_calls(self) -> int:
        return self.most or self.calls + SPARE_CALLS


Read = TypeVar("Read", bound=_FromRow)


def load(directory: Path = TASKS) -> list[Task]:
    """Every task, theme by theme. Raises BadTask."""
    tasks = [task for path in sorted(directory.glob("*.toml")) for task in _in_file(path)]
    doubled = {task.id for task in tasks if sum(other.id == task.id for other in tasks) > 1}
    if doubled:
        raise BadTask(f"two tasks are called {', '.join(sorted(doubled))}")
    return tasks


def chosen(tasks: Iterable[Task], names: Iterable[str]) -> list[Task]:
    """The tasks with these ids or themes, all where none is named. Raises BadTask for a name that is neither."""
    tasks, names = list(tasks), list(names)
    unknown = [name for name in names if not any(name in (task.id, task.theme) for task in tasks)]
    if unknown:
        raise BadTask(f"there is no task or theme {', '.join(unknown)}")
    return [task for task in tasks if not names or task.id in names or task.theme in names]


def _in_file(path: Path) -> list[Task]:
    rows = tomllib.loads(path.read_text(encoding="utf-8"))["task"]
    return [Task.read({"theme": path.stem.split("-", 1)[-1], **row}) for row in rows]


def _as_it_is(value: Any) -> Any:
    return value


def _each(kind: type[Read]) -> Any:
    return lambda rows: tuple(kind.read(row) for row in rows)


def _phrases(values: Iterable[str | list[str]]) -> tuple[Phrase, ...]:
    return tuple(value if isinstance(value, str) else tuple(value) for value in values)


_RENAMED: Mapping[str, str] = {"or": "alternatives"}
_READERS: Mapping[str, Any] = {
    "alternatives": _each(Write),
    "writes": _each(Write),
    "other_writes": _each(Write),
    "turns": _each(Turn),
    "told": Told.read,
    "says": _phrases,
    "never": _phrases,
    "asks": _phrases,
    "before": tuple,
    "meanwhile": tuple,
    "after": tuple,
    "solution": tuple,
    "forbidden": tuple,
}
