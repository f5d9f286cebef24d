"""`scripts/prose.py` counts the faults it names, and its record only falls."""

from __future__ import annotations

import ast

import prose
import pytest

LONG = " ".join(["word"] * 26) + "."


@pytest.mark.parametrize(
    ("docstring", "kinds"),
    [
        pytest.param("The caller gets the contact. It is as it was seen.", [], id="plain"),
        pytest.param(LONG, ["long-sentences"], id="26 words"),
        pytest.param(f"{LONG[:-10]}. {LONG[:-10]}.", [], id="twice 24 words"),
        pytest.param("Short.\n\n" + "A line of a paragraph\n" * 6, ["long-sentences"], id="a sentence over lines"),
        pytest.param("Rules:\n" + "- a rule of five words\n" * 6, [], id="items of a list"),
        pytest.param("| a table | with cells |\n" * 9, [], id="a table"),
        pytest.param("Nothing is lost; nothing is doubled.", ["semicolons"], id="a semicolon"),
        pytest.param("├── a tree │ with branches\n" * 9, [], id="a tree"),
        pytest.param("Code such as `a; b; what is; c` is code.", [], id="code"),
        pytest.param("What is not seen is not claimed.", ["what-clauses"], id="what"),
        pytest.param("Whoever waits is told.", ["what-clauses"], id="whoever"),
        pytest.param("It is sent, and what comes back is read.", ["what-clauses"], id="in the middle"),
        pytest.param("The answer says what to do, whatever happens.", [], id="an object"),
        pytest.param("One. tomlkit is next, e.g. here.", [], id="a name begins a sentence"),
        pytest.param(f"It exits 0. {LONG[:-10]}.", [], id="a number ends a sentence"),
    ],
)
def test_docstrings_are_counted(docstring: str, kinds: list[str]) -> None:
    assert [kind for kind, _ in prose.faults_of(docstring)] == kinds


@pytest.mark.parametrize(
    ("comment", "counts"),
    [
        ("# noqa: S310", True),
        ("# noqa", True),
        ("# type: ignore[arg-type]", True),
        ("# type: ignore[arg-type, misc]", True),
        ("# noqa: S310 -- this machine only", False),
        ("# type: ignore[arg-type] # it only asks for a transport", False),
        ("# a comment", False),
    ],
)
def test_a_suppression_needs_a_reason(comment: str, counts: bool) -> None:
    assert prose.is_bare(comment) is counts


def test_the_length_of_a_function_leaves_its_docstring_out() -> None:
    source = 'def f():\n    """One.\n\n    Two.\n    """\n    return (\n        1\n    )\n'
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)
    assert prose.length_of(function) == 4


@pytest.mark.parametrize(
    ("body", "ways"),
    [
        ("return 1", 1),
        ("if a:\n  b\nelif c:\n  d\nelse:\n  e", 3),
        ("return a and b and c or d", 4),
        ("return [x for x in y if x if z]", 4),
        ("for x in y:\n  while z:\n    pass", 3),
        ("try:\n  a\nexcept A:\n  b\nexcept B:\n  c", 3),
        ("match a:\n  case 1:\n    b\n  case _:\n    c", 3),
        ("return sorted(y, key=lambda x: a if x else b)", 3),
        ("assert a\ndef g():\n  if a:\n    b", 1),
    ],
)
def test_ways_through_a_function_are_counted(body: str, ways: int) -> None:
    (function,) = ast.parse("async def f():\n" + "\n".join(f"  {line}" for line in body.splitlines())).body
    assert isinstance(function, ast.AsyncFunctionDef)
    assert prose.complexity_of(function) == ways


def test_a_count_over_its_record_is_named_and_one_under_it_too() -> None:
    counts = {"book": {"semicolons": 2}, "words": {"long-lines": 1}}
    record = {"book": {"semicolons": 1}, "words": {"long-lines": 3}}
    over, under = prose.differences(counts, record)
    assert over == ["book: 2 semicolons, and the record is 1"]
    assert under == ["words: 1 long-lines, and the record is 3"]


def test_the_record_only_falls() -> None:
    counts = {"book": {"semicolons": 2, "long-lines": 9}, "new": {"semicolons": 1}}
    record = {"book": {"semicolons": 1, "long-lines": 10, "what-clauses": 4}, "gone": {"semicolons": 3}}
    assert prose.lowered(counts, record) == {"book": {"semicolons": 1, "long-lines": 9}}
