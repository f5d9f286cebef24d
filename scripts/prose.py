"""Counts faults of the source that may only become fewer, by room. Called by `scripts/prose`.

| count | what it is |
|---|---|
| long-sentences | sentences of docstrings over 25 words |
| semicolons | semicolons in docstrings |
| what-clauses | clauses of docstrings with a "what ..." or "whoever ..." clause as their subject |
| long-lines | lines over 120 columns |
| long-functions | functions over 45 lines, the docstring not counted |
| complex-functions | functions with more than 12 ways through them (cyclomatic complexity) |
| bare-suppressions | `noqa` and `type: ignore` without a reason after them |

A room is a folder of the package, or another folder of Python. Exits 1 where a count is higher than its record in
`scripts/prose.toml`. `--lower` writes lower counts into the record, and `--show ROOM` lists every place of a room.
"""

from __future__ import annotations

import argparse
import ast
import io
import itertools
import re
import sys
import tokenize
import tomllib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent
RECORD = Path(__file__).with_suffix(".toml")
FOLDERS = ("contacts_mcp", "benchmarks", "scripts", "tests")

LONGEST_SENTENCE = 25
LONGEST_LINE = 120
LONGEST_FUNCTION = 45
MOST_COMPLEX = 12
DRAWN = ("|", "│", "├", "└")  # how the lines of tables and trees begin

HEADER = """\
# The most that each room may have of each kind; `scripts/prose.py` says what is counted.
# The numbers may only fall: run `scripts/prose --lower` after they did.
"""

_SENTENCE_END = re.compile(r"""(?<!e\.g)(?<!i\.e)(?<=[.!?])["')]*\s+""")
_SUBJECT_CLAUSE = re.compile(
    r"^(?:what|whatever|whoever)\b|(?:[;:]|,\s+(?:and|but|so|or))\s+(?:what|whoever)\b", re.IGNORECASE
)
_CODE = re.compile(r"(`+)[^`]+\1")
_LIST_ITEM = re.compile(r"^\s*(?:[-*]|\d+\.)\s+")
_SUPPRESSION = re.compile(r"#\s*(?:noqa|type:\s*ignore)(?::\s*[A-Z]+\d+(?:,\s*[A-Z]+\d+)*|\[[\w\-, ]+\])?")

Functions = ast.FunctionDef | ast.AsyncFunctionDef
Counts = dict[str, dict[str, int]]


class Spot(NamedTuple):
    """One place of what is counted."""

    kind: str
    path: Path
    line: int
    text: str

    @property
    def room(self) -> str:
        folder, *inside = self.path.relative_to(ROOT).parts
        if folder != "contacts_mcp":
            return folder
        return f"{folder}/{inside[0]}" if len(inside) > 1 else folder

    def __str__(self) -> str:
        return f"{self.path.relative_to(ROOT)}:{self.line}: {self.kind}: {self.text}"


def spots() -> list[Spot]:
    """Every place of everything counted."""
    return [spot for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py")) for spot in spots_of(path)]


def spots_of(path: Path) -> Iterator[Spot]:
    """The places in one file."""
    source = path.read_text(encoding="utf-8")
    tree = ast.parse(source)
    found = itertools.chain(
        ((number, "long-lines", f"{len(line)} columns") for number, line in _long_lines(source)),
        ((node.lineno, kind, text) for node in docstrings(tree) for kind, text in faults_of(str(node.value))),
        ((node.lineno, kind, text) for node in functions(tree) for kind, text in faults_of_function(node)),
        ((number, "bare-suppressions", comment) for number, comment in _comments(source) if is_bare(comment)),
    )
    for line, kind, text in found:
        yield Spot(kind, path, line, text)


def _long_lines(source: str) -> Iterator[tuple[int, str]]:
    return ((number, line) for number, line in enumerate(source.splitlines(), 1) if len(line) > LONGEST_LINE)


def _comments(source: str) -> Iterator[tuple[int, str]]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string


def functions(tree: ast.Module) -> Iterator[Functions]:
    return (node for node in ast.walk(tree) if isinstance(node, Functions))


def faults_of_function(function: Functions) -> Iterator[tuple[str, str]]:
    """The kind and the text of everything about a function that is counted."""
    if (lines := length_of(function)) > LONGEST_FUNCTION:
        yield "long-functions", f"{function.name} has {lines} lines"
    if (ways := complexity_of(function)) > MOST_COMPLEX:
        yield "complex-functions", f"{function.name} has {ways} ways through it"


def docstrings(tree: ast.Module) -> Iterator[ast.Constant]:
    """The docstrings, and the texts that stand under a name as one."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield node.value


def faults_of(docstring: str) -> Iterator[tuple[str, str]]:
    """The kind and the text of everything in a docstring that is counted."""
    for sentence in sentences(docstring):
        words = [word for word in sentence.split() if re.search(r"\w", word)]
        if len(words) > LONGEST_SENTENCE:
            yield "long-sentences", f"{len(words)} words: {sentence}"
        for _ in range(sentence.count(";")):
            yield "semicolons", sentence
        for _ in _SUBJECT_CLAUSE.finditer(sentence):
            yield "what-clauses", sentence


def sentences(docstring: str) -> Iterator[str]:
    """The sentences of the prose. Tables and trees are none, and code counts as one word."""
    for paragraph in re.split(r"\n\s*\n", _CODE.sub("`code`", docstring)):
        items: list[str] = [""]
        for line in paragraph.splitlines():
            if line.lstrip().startswith(DRAWN):
                continue
            if _LIST_ITEM.match(line):
                items.append("")
            items[-1] += f" {_LIST_ITEM.sub('', line).strip()}"
        for item in items:
            yield from (sentence for sentence in _SENTENCE_END.split(item.strip()) if sentence)


def length_of(function: Functions) -> int:
    """The lines from `def` to the end, without the docstring."""
    docstring = function.body[0] if ast.get_docstring(function, clean=False) is not None else None
    lines = _lines(function)
    return lines - _lines(docstring) if docstring else lines


def _lines(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def is_bare(comment: str) -> bool:
    """True for a comment with a `noqa` or `type: ignore` that gives no reason after it."""
    rest = _SUPPRESSION.sub("", comment)
    return rest != comment and not re.search(r"\w{2}", rest)


def complexity_of(function: Functions) -> int:
    """The ways through a function: one, and one more for every branch, loop, handler, filter, `and` and `or`.

    A function inside it is counted by itself. An assert is no branch.
    """
    ways = 1
    nodes: list[ast.AST] = [*function.body]
    while nodes:
        node = nodes.pop()
        if isinstance(node, Functions):
            continue
        ways += _ways_of(node)
        nodes += ast.iter_child_nodes(node)
    return ways


def _ways_of(node: ast.AST) -> int:
    match node:
        case ast.BoolOp():
            return len(node.values) - 1
        case ast.comprehension():
            return 1 + len(node.ifs)
        case ast.Match():
            return len(node.cases)
        case ast.If() | ast.IfExp() | ast.For() | ast.AsyncFor() | ast.While() | ast.ExceptHandler() | ast.Lambda():
            return 1
        case _:
            return 0


def counted(found: list[Spot]) -> Counts:
    """How many there are, by room and kind."""
    counts: Counts = {}
    for (room, kind), number in sorted(Counter((spot.room, spot.kind) for spot in found).items()):
        counts.setdefault(room, {})[kind] = number
    return counts


def differences(counts: Counts, record: Counts) -> tuple[list[str], list[str]]:
    """One line for each count over its record, and one for each under it."""
    over: list[str] = []
    under: list[str] = []
    for room in sorted(counts.keys() | record.keys()):
        now, most = counts.get(room, {}), record.get(room, {})
        for kind in sorted(now.keys() | most.keys()):
            have, may = now.get(kind, 0), most.get(kind, 0)
            line = f"{room}: {have} {kind}, and the record is {may}"
            (over if have > may else under if have < may else []).append(line)
    return over, under


def lowered(counts: Counts, record: Counts) -> Counts:
    """The record, with every count that has fallen."""
    fallen: Counts = {}
    for room, kinds in record.items():
        for kind, most in kinds.items():
            if least := min(most, counts.get(room, {}).get(kind, 0)):
                fallen.setdefault(room, {})[kind] = least
    return fallen


def written(record: Counts) -> str:
    """The record as the file has it."""
    rooms = (
        f'["{room}"]\n' + "".join(f"{kind} = {number}\n" for kind, number in sorted(kinds.items()))
        for room, kinds in sorted(record.items())
    )
    return "\n".join([HEADER, *rooms])


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--lower", action="store_true", help="write the counts that have fallen into the record")
    parser.add_argument("--show", metavar="ROOM", help="list every place of a room")
    chosen = parser.parse_args()
    found = spots()
    if chosen.show:
        print(*(spot for spot in found if spot.room == chosen.show), sep="\n")
        return 0
    counts = counted(found)
    record: Counts = tomllib.loads(RECORD.read_text(encoding="utf-8"))
    over, under = differences(counts, record)
    if chosen.lower:
        RECORD.write_text(written(lowered(counts, record)), encoding="utf-8", newline="\n")
        under = []
    print(*over, *under, sep="\n")
    if under:
        print(f"{len(under)} counts have fallen: scripts/prose --lower writes them down.")
    if over:
        print("Some counts have risen: `scripts/prose --show ROOM` lists the places. The record is never raised.")
    return int(bool(over))


if __name__ == "__main__":
    sys.exit(main())
