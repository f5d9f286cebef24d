"""The reference agent: solves each task the way its `solution` writes down,
which proves that the task can be solved in its stated calls.

A child process that speaks the exam's lines: `scripts/exam --agent "python tests/exam/reference.py"`.
A solution is a list of `call`s (`with` their arguments) and `say`s.
A value `"$2.contacts.0.contact_id"` is taken from the structured answer of the second call.
"""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

Line = dict[str, Any]


def solutions() -> dict[str, list[Line]]:
    """Task id -> its steps. The files are read here anew: an agent shares no code with its examiner."""
    files = sorted((Path(__file__).parent / "tasks").glob("*.toml"))
    return {
        task["id"]: task["solution"]
        for path in files
        for task in tomllib.loads(path.read_text(encoding="utf-8"))["task"]
    }


class Reference:
    """One conversation."""

    def __init__(self, written: dict[str, list[Line]]) -> None:
        self._written = written
        self._steps: Iterator[Line] = iter(())
        self._answers: list[Any] = []

    def __call__(self, line: Line) -> Line:
        """The next line of the solution."""
        if line["type"] == "start":
            self._steps = iter(self._written[line["task"]])
        if line["type"] == "result":
            self._answers.append(line["structured"])
        step = next(self._steps, {"say": ""})
        if "say" in step:
            return {"type": "say", "text": step["say"]}
        return {"type": "call", "tool": step["call"], "arguments": self._filled(step["with"])}

    def _filled(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {name: self._filled(item) for name, item in value.items()}
        if isinstance(value, str) and value.startswith("$"):
            number, *path = value[1:].split(".")
            return _at(self._answers[int(number) - 1], path)
        return value


def _at(value: Any, path: list[str]) -> Any:
    for part in path:
        value = value[int(part)] if isinstance(value, list) else value[part]
    return value


def main() -> None:
    agent = Reference(solutions())
    for text in sys.stdin:
        line = json.loads(text)
        if line["type"] == "end":
            return
        print(json.dumps(agent(line)), flush=True)


if __name__ == "__main__":
    main()
