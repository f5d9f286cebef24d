"""Compares a given value with the expected one, by the rules of people.

A phone is its digits, a name its letters, a list a set. A matcher is a table with one of these keys:

    {any = [...]}  {phone = "1510..."}  {folded = "vip"}  {matches = "regex"}
    {optional = ...}  {absent = true}  {given = true}

Any other value must be equal. Any other table is one of custom fields.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from contacts_mcp.errors import InvalidPhone
from contacts_mcp.words.folding import fold
from contacts_mcp.words.phones import parse_phone

from .tasks import Phrase, Row


def matches(expected: Any, given: Any) -> bool:
    """Whether `given` (None where nothing was given) is what `expected` describes."""
    rule = _rule(expected)
    if rule is not None:
        return rule(expected[next(iter(expected))], given)
    if given is None:
        return False
    if isinstance(expected, Mapping):
        return _is_table(expected, _decoded(given))
    if isinstance(expected, list):
        return _is_set(expected, _decoded(given))
    if isinstance(expected, bool):
        return str(given).casefold() == str(expected).casefold()
    return str(given).strip() == str(expected)


def is_said(phrase: Phrase, text: str) -> bool:
    """Whether `text` says it, whatever its case, quotes and emphasis."""
    if not isinstance(phrase, str):
        return any(is_said(one, text) for one in phrase)
    plain = _plain(text)
    if len(phrase) > 2 and phrase[0] == phrase[-1] == "/":  # noqa: PLR2004 - two slashes and something between
        return re.search(phrase[1:-1], plain) is not None
    return _plain(phrase) in plain


def digits_of(phone: Any) -> str:
    """The digits of a phone as people write it, and an empty text for anything else."""
    try:
        return parse_phone(str(phone)).digits
    except InvalidPhone:
        return ""


def is_who(expected: Row, arguments: Row) -> bool:
    """Whether `arguments` mean the contact `expected`, by its id or its phone and not by both, or by its full name."""
    by_id, by_phone = arguments.get("contact_id"), arguments.get("phone")
    if by_id is None and by_phone is None:
        return _words(str(arguments.get("name", ""))) in [_words(name) for name in _names_of(expected)]
    if by_id is not None and by_phone is not None:
        return False
    return str(by_id) == str(expected["id"]) if by_phone is None else digits_of(by_phone) == expected["phone"]


def _names_of(contact: Row) -> list[str]:
    """The full names of a contact that has one."""
    names = (contact.get("display_name", ""), f"{contact.get('first', '')} {contact.get('last', '')}")
    return [name for name in names if name.strip()]


def _words(name: str) -> list[str]:
    return sorted(filter(None, map(fold, name.split())))


def _rule(expected: Any) -> Callable[[Any, Any], bool] | None:
    return _RULES.get(next(iter(expected))) if isinstance(expected, Mapping) and len(expected) == 1 else None


def _is_table(expected: Mapping[str, Any], given: Any) -> bool:
    """Custom fields with the same keys, whatever their case and spacing.

    The number that tells two fields of one name apart may be there or not.
    """
    if not isinstance(given, Mapping):
        return False
    by_name = {fold(re.sub(r"\s*\(\d+\)\s*$", "", name)): value for name, value in given.items()}
    wanted = {fold(name): value for name, value in expected.items()}
    return (
        len(by_name) == len(given)
        and not by_name.keys() - wanted.keys()
        and all(matches(wanted[name], by_name.get(name)) for name in wanted)
    )


def _is_set(expected: list[Any], given: Any) -> bool:
    items = given if isinstance(given, list) else [given]
    return {fold(str(item)) for item in expected} == {fold(str(item)) for item in items}


def _decoded(given: Any) -> Any:
    """Some clients send objects and arrays as JSON text."""
    if isinstance(given, str) and given.lstrip()[:1] in ("[", "{"):
        try:
            return json.loads(given)
        except ValueError:
            return given
    return given


def _plain(text: str) -> str:
    return " ".join(text.translate(_MARKS).casefold().split())


_MARKS = str.maketrans(
    {"\u2019": "'", "\u2018": "'", "\u201c": '"', "\u201d": '"', "\u2011": "-", "\u00a0": " ", "*": None, "`": None}
)

_RULES: Mapping[str, Callable[[Any, Any], bool]] = {
    "any": lambda expected, given: any(matches(one, given) for one in expected),
    "phone": lambda expected, given: digits_of(given) == expected,
    "folded": lambda expected, given: given is not None and fold(str(given)) == fold(expected),
    "matches": lambda expected, given: given is not None and re.search(expected, str(given), re.IGNORECASE) is not None,
    "optional": lambda expected, given: given is None or matches(expected, given),
    "absent": lambda _, given: given is None,
    "given": lambda _, given: bool(given),
}
