"""One phone number under several forms: countries change their numbering, and address books keep the old form.

A contact under the old form is the same person, so all forms are looked for before a contact is created.
A rule says: behind the head, the old part became the new one, and the tail stayed. It is read both ways.
No rule leads to somebody else's number: one of the forms is out of use, or both reach the same line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import NamedTuple


class _Rule(NamedTuple):
    head: str  # a pattern: the country code, and the area where it comes first
    old: str
    new: str
    tail: str  # a pattern


# The areas of Argentina with three digits. Buenos Aires has two, all others have four.
_AREAS_OF_ARGENTINA = "22[013]|23[067]|249|26[01346]|280|29[14789]|336|34[12358]|35[138]|36[24]|37[069]|38[013578]"

_RULES = (
    # Mexico, 2020: mobiles no longer take a 1
    _Rule("52", "1", "", r"[2-9]\d{9}"),
    # Brazil, 2012 to 2016: mobiles got a ninth digit
    _Rule("55[1-9][1-9]", "", "9", r"[6-9]\d{7}"),
    # Argentina: a mobile has a 9 when called from abroad, and a 15 behind its area at home
    _Rule("54", "", "9", r"(?:11|[23]\d)\d{8}"),
    _Rule("5411", "15", "", r"\d{8}"),
    _Rule(f"54(?:{_AREAS_OF_ARGENTINA})", "15", "", r"\d{7}"),
    _Rule(rf"54(?!{_AREAS_OF_ARGENTINA})[23]\d{{3}}", "15", "", r"\d{6}"),
    # Ivory Coast, 2021: the operator comes first, mobile and fixed
    _Rule("225", "", "01", r"[04-9][0-3]\d{6}"),
    _Rule("225", "", "05", r"[04-9][4-6]\d{6}"),
    _Rule("225", "", "07", r"[04-9][7-9]\d{6}"),
    _Rule("225", "", "21", r"[23]\d8\d{5}"),
    _Rule("225", "", "25", r"[23]\d0\d{5}"),
    _Rule("225", "", "27", r"[23]\d[1-79]\d{5}"),
    # Benin, 2024
    _Rule("229", "", "01", r"[24-9]\d{7}"),
    # Gabon, 2019: the old form was written with and without its 0
    *(
        _Rule("241", old, new, tail)
        for old in ("0", "")
        for new, tail in (("6", r"[256]\d{6}"), ("7", r"[47]\d{6}"), ("1", r"1\d{6}"))
    ),
    # Cameroon, 2014: mobile and fixed
    _Rule("237", "", "6", r"[79]\d{7}"),
    _Rule("237", "", "2", r"[23]\d{7}"),
    # Mauritius, 2013: mobiles
    _Rule("230", "", "5", r"[79]\d{6}"),
    # Ecuador, 2012: mobiles
    _Rule("593", "", "9", r"[89]\d{7}"),
    # Colombia, 2021: fixed lines
    _Rule("57", "", "60", r"[1-8]\d{7}"),
    # Vietnam, 2018: mobiles of eleven digits
    *(
        _Rule("84", old, new, r"\d{7}")
        for old, new in {
            "120": "70",
            "121": "79",
            "122": "77",
            "126": "76",
            "128": "78",
            "123": "83",
            "124": "84",
            "125": "85",
            "127": "81",
            "129": "82",
            "162": "32",
            "163": "33",
            "164": "34",
            "165": "35",
            "166": "36",
            "167": "37",
            "168": "38",
            "169": "39",
            "186": "56",
            "188": "58",
            "199": "59",
        }.items()
    ),
    # Palestine: mobiles can be called under both codes
    _Rule("", "972", "970", r"5[69]\d{7}"),
    # Italy, 1998: the 0 of Milan and Rome belongs to the number, also from abroad
    _Rule("39", "", "0", r"[26]\d{5,9}"),
    # Russia: a mobile with the 8 that is dialled at home
    _Rule("", "8", "7", r"9\d{9}"),
)


@lru_cache(maxsize=1024)  # one write asks several times for the same number
def other_forms(digits: str) -> tuple[str, ...]:
    """The other forms of one number, E.164 digits without the plus: old ones, new ones, both sides of a change.

    Nearly every number has none. If b is a form of a, then a is one of b.
    """
    forms = [digits]
    for form in forms:  # grows while it is read: a form may have forms
        forms.extend(other for other in _one_step(form) if other not in forms)
    return tuple(forms[1:])


def _one_step(digits: str) -> Iterator[str]:
    if not _any_form().fullmatch(digits):  # nearly every number
        return
    for rule in _RULES:
        for part, other in ((rule.old, rule.new), (rule.new, rule.old)):
            if match := _pattern(rule.head, part, rule.tail).fullmatch(digits):
                yield f"{match[1]}{other}{match[2]}"


@cache
def _any_form() -> re.Pattern[str]:
    """Every number that some rule is about, before or after the change."""
    parts = ((rule, part) for rule in _RULES for part in (rule.old, rule.new))
    return re.compile("|".join(f"{rule.head}{part}{rule.tail}" for rule, part in parts))


@cache
def _pattern(head: str, part: str, tail: str) -> re.Pattern[str]:
    return re.compile(f"({head}){part}({tail})")
