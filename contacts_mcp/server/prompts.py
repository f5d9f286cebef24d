"""The prompts, read from `prompts/*.md`. The file's name is the prompt's name.

A file has TOML front matter (title, description, arguments) between two lines of `+++`, and then the body, a template.
`${name}` in the body stands for the argument of that name. An argument that was not given is empty.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from string import Template

from contacts_mcp.words.display import quoted

_FENCE = "+++\n"
LONGEST_ARGUMENT = 20_000


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a prompt."""

    name: str
    description: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class PromptFile:
    """One prompt as it stands in its file."""

    name: str
    title: str
    description: str
    arguments: tuple[Argument, ...]
    body: Template

    def problem_with(self, given: Iterable[str]) -> str:
        """The problem with these argument names, or ""."""
        known, names = {argument.name for argument in self.arguments}, set(given)
        missing = [argument.name for argument in self.arguments if argument.required and argument.name not in names]
        unknown = sorted(names - known)
        if missing:
            return f"The prompt {self.name} needs {', '.join(missing)}."
        if unknown:
            takes = ", ".join(sorted(known)) or "no arguments"
            return f"The prompt {self.name} takes {takes}; got {quoted(unknown[0], limit=60)}."
        return ""

    def render(self, **given: str) -> str:
        """The text for the assistant."""
        empty = dict.fromkeys((argument.name for argument in self.arguments), "")
        return self.body.substitute(empty | {name: str(value)[:LONGEST_ARGUMENT] for name, value in given.items()})


def load_prompts() -> list[PromptFile]:
    """All prompts, by name. They lie in the package in a wheel, and beside it in a checkout."""
    return [
        _read(file) for file in sorted(_folder().iterdir(), key=lambda file: file.name) if file.name.endswith(".md")
    ]


def _folder() -> Traversable:
    packaged = files("contacts_mcp").joinpath("prompts")
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "prompts"


def _read(file: Traversable) -> PromptFile:
    _, front, body = file.read_text(encoding="utf-8").split(_FENCE, 2)
    described = tomllib.loads(front)
    arguments = tuple(Argument(**argument) for argument in described.get("arguments", []))
    return PromptFile(
        file.name.removesuffix(".md"), described["title"], described["description"], arguments, Template(body.strip())
    )
