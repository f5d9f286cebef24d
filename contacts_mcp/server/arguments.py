"""Reading the arguments of a call.

- An argument that the tool does not have is refused, because dropping a misspelt one would lose data.
- A null counts as not given. So does an empty placeholder ("", 0, [], {}) for an optional argument.
- An empty value is kept where it could mean "empty this" or "without a value": `ToolEntry.keeps_empty` names those.
- The types of `tools/parameters.py` say what else is understood, such as an array that comes as JSON text.
- The refusal is written for the assistant: the argument, what came, what is expected.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from contacts_mcp.errors import InvalidArgument
from contacts_mcp.server.tools.aliases import ACCEPTED, advice, advice_on_value, right_parameters
from contacts_mcp.server.tools.entry import ToolEntry
from contacts_mcp.server.tools.parameters import from_json, is_nothing
from contacts_mcp.server.tools.schemas import arguments_model
from contacts_mcp.words.display import visible

LONGEST_ECHO = 80  # characters of a wrong value that are said back
MOST_UNKNOWN = 5  # arguments that are told in one error


def read_arguments(tool: ToolEntry, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments as the tool's function takes them. Raises InvalidArgument."""
    model = arguments_model(tool.function)
    given = _with_own_names(tool, given)
    if unknown := [name for name in given if name not in model.model_fields]:
        raise UnknownArgument(tool, unknown, list(model.model_fields))
    try:
        return dict(model.model_validate(_meant(tool, model, given)))
    except ValidationError as error:
        raise _refusal(tool, error.errors(include_url=False)) from None  # it holds the values


def _with_own_names(tool: ToolEntry, given: Mapping[str, Any]) -> Mapping[str, Any]:
    """`given` under the tool's own names."""
    accepted = ACCEPTED.get(tool.name)
    if not accepted:
        return given
    others = {other: own for other, own in accepted.items() if own not in given}
    return {others.get(name, name): value for name, value in given.items()}


def _meant(tool: ToolEntry, model: type[BaseModel], given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments that the caller means: `given` without nulls and placeholders."""
    return {
        name: value
        for name, value in given.items()
        if value is not None and not (_is_placeholder(value, model.model_fields[name]) and name not in tool.keeps_empty)
    }


def _is_placeholder(value: object, field: FieldInfo) -> bool:
    if not (_is_zero(value) or is_nothing(from_json(value))):
        return False  # as nearly all are, so the kinds are not looked at
    kinds = [getattr(kind, "__origin__", kind) for kind in get_args(field.annotation)]
    is_zero = _is_zero(value) and bool not in kinds
    return not field.is_required() and (is_zero or is_nothing(value if str in kinds else from_json(value)))


def _is_zero(value: object) -> bool:
    """Zero as a number. False is an answer, and so is 0 in place of it."""
    return isinstance(value, int | float) and not isinstance(value, bool) and value == 0


class UnknownArgument(InvalidArgument):
    """The tool has no arguments of these names. `candidates` are the ones that the first may have meant."""

    kind = "unknown_argument"

    def __init__(self, tool: ToolEntry, names: Sequence[str], known: Sequence[str]) -> None:
        self.candidates = right_parameters(tool.name, names[0], known)
        told = ""
        for name in names[:MOST_UNKNOWN]:
            way = advice(tool.name, name, known)
            told += f" {visible(name, limit=60)}: there is no such argument.{'' if way in told else f' {way}'}"
        argument = visible(names[0], limit=60)
        super().__init__(argument, told.removeprefix(f" {argument}: "), expected="Nothing was changed.")


class MissingArgument(InvalidArgument):
    """A required argument was not given."""

    kind = "missing_argument"


def _refusal(tool: ToolEntry, problems: Sequence[Any]) -> InvalidArgument:
    """One error for all problems. Its kind and its argument are those of the first one."""
    kind = MissingArgument if problems[0]["type"] == "missing" else InvalidArgument
    (name, problem), *others = [(_name(problem), _problem(problem)) for problem in problems]
    ways = [way for problem in problems if (way := advice_on_value(tool.name, _name(problem), problem["input"]))]
    expected = [*dict.fromkeys(ways), *(f"{other}: {wrong}" for other, wrong in others), "Nothing was changed."]
    return kind(name, problem, expected=" ".join(expected))


def _name(problem: Any) -> str:
    return ".".join(str(part) for part in problem["loc"])


def _problem(problem: Any) -> str:
    if problem["type"] == "missing":
        return "is required and was not given."
    limits = problem.get("ctx", {})
    message = problem["msg"].removeprefix("Value error, ")
    expected = _EXPECTED.get(problem["type"], "{message}").format(message=message, **limits)
    return f"{expected}; got {visible(_as_json(problem['input']), limit=LONGEST_ECHO)}."


# The type checker's errors in the words of people and of JSON.
_WHOLE_NUMBER, _YES_OR_NO = "should be a whole number", "should be true or false"
_EXPECTED = {
    "string_type": "should be a text",
    "int_type": _WHOLE_NUMBER,
    "int_parsing": _WHOLE_NUMBER,
    "int_parsing_size": _WHOLE_NUMBER,
    "int_from_float": _WHOLE_NUMBER,
    "bool_type": _YES_OR_NO,
    "bool_parsing": _YES_OR_NO,
    "dict_type": 'should be an object that says each name once, as {{"Field": "value"}}',
    "list_type": "should be an array",
    "literal_error": "should be {expected}",
    "greater_than_equal": "should be at least {ge}",
    "less_than_equal": "should be at most {le}",
    "less_than": "is too large",
    "string_too_long": "should have at most {max_length} characters",
    "too_short": "should name at least {min_length}",
    "too_long": "should have at most {max_length} items",
}


def _as_json(value: Any) -> str:
    """As the caller wrote it."""
    try:
        return json.dumps(value, ensure_ascii=False)
    except (TypeError, ValueError, RecursionError):
        return repr(value)
