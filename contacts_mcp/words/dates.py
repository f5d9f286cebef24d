"""Dates as people write them -> YYYY-MM-DD, if they can be read in one way only.

1. `looks_like_date_field` judges by the values that a field has: most of them must be YYYY-MM-DD. If none are known,
   the field's name decides.
2. A date with one reading is converted, and a note says so. It has its month in words, a day over 12, or the year
   first.
3. A date with two readings is refused with both ("03/04/2027"). A day that does not exist is refused, and a date
   without its year or day or with two digits of the year. So are days as machines count them, and days that depend on
   today.
4. A date in other words is refused, because nobody reads it for certain ("15 stycznia 2027", "2027-01-15 or later").
   It holds a year, and the number of a day or the name of a month.
5. Any other text is no date and stays as it is ("never", "see notes").
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from datetime import date
from functools import cache, lru_cache
from typing import NamedTuple

from contacts_mcp.errors import InvalidArgument
from contacts_mcp.words.cleaning import Cleaned
from contacts_mcp.words.display import quoted
from contacts_mcp.words.folding import unaccented
from contacts_mcp.words.note import Note

MOST = 0.8  # of a field's known values are dates, if it is a field of dates
FIRST_YEAR, LAST_YEAR = 1800, 2199
LONGEST = 60  # characters of a date in words
_DIGITS_OF_YEAR = 4
_LAST_BUDDHIST = 2750
_LAST_DAY = 31
_LEAD = re.compile(r"^(?:on |am )?(?:the |den |le |el |il )?(?=.*\d)")
_EAST_ASIAN = r"\d ?[年\ub144].*\d ?[月\uc6d4].*\d ?[日号\uc77c]"

_ISO = re.compile(r"\d{4}-\d\d-\d\d")

_MONTHS = {
    name: number
    for number, names in enumerate(
        (
            "january jan januar janner jaenner janvier janv enero ene gennaio gen janeiro januari",
            "february feb februar februari fevrier fevr fev febrero febbraio fevereiro",
            "march mar marz maerz mrz mars marzo marco maart mrt",
            "april apr avril avr abril abr aprile",
            "may mai mayo maggio mag maio mei",
            "june jun juni juin junio giugno giu junho",
            "july jul juli juillet juil julio luglio lug julho",
            "august aug aout agosto ago augustus",
            "september sept sep septembre septiembre settembre set setembro",
            "october oct oktober okt octobre octubre ottobre ott outubro out",
            "november nov novembre noviembre novembro",
            "december dec dezember dez decembre diciembre dic dicembre dezembro",
        ),
        start=1,
    )
    for name in names.split()
}
_WEEKDAYS = {
    name: number
    for number, names in enumerate(
        (
            "monday mon montag lundi lunes lunedi maandag segunda-feira",
            "tuesday tue tues dienstag mardi martes martedi dinsdag terca-feira",
            "wednesday wed mittwoch mercredi miercoles mercoledi woensdag quarta-feira",
            "thursday thu thur thurs donnerstag jeudi jueves giovedi donderdag quinta-feira",
            "friday fri freitag vendredi viernes venerdi vrijdag sexta-feira",
            "saturday sat samstag sonnabend samedi sabado sabato zaterdag",
            "sunday sun sonntag dimanche domingo domenica zondag",
        )
    )
    for name in names.split()
}
_SAY_DATE = frozenset(  # anywhere in the name of a field
    [
        "date",
        "dob",
        "birthday",
        "birthdate",
        "anniversary",
        "deadline",
        "datum",
        "geburtstag",
        "geburtsdatum",
        "fecha",
        "cumpleanos",
        "naissance",
        "anniversaire",
        "compleanno",
        "nascimento",
        "aniversario",
    ]
)
_END_IN_DATE = frozenset(
    ["renewal", "expiry", "expires", "expiration", "due", "since", "until"]
)  # "Policy renewal", not "Renewal fee"


def looks_like_date_field(name: str, known_values: Collection[str] = ()) -> bool:
    """Whether a field holds days: most of its known values are YYYY-MM-DD, or none are known and its name says so."""
    known = [value.strip() for value in known_values if value.strip()]
    if known:
        return sum(_ISO.fullmatch(value) is not None for value in known) >= MOST * len(known)
    return _name_says_date(name)


@lru_cache(maxsize=256)  # a file asks for the same fields in every row
def _name_says_date(name: str) -> bool:
    words = re.findall(r"[a-z0-9]+", unaccented(re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)))
    return not _SAY_DATE.isdisjoint(words) or not _END_IN_DATE.isdisjoint(words[-1:])


def read_date(text: str, *, argument: str, field: str = "") -> Cleaned:
    """The day in `text` as YYYY-MM-DD, and a note if it was written otherwise. Text that is no date stays as it is.

    Raises InvalidArgument for a date that cannot be read in one way. `field` names the field of dates.
    """
    given = text.strip()
    found = _reading(_plain(given)) if len(given) <= LONGEST else None
    if found is None:
        return Cleaned(given, [])
    if found.fault or len(found.days) > 1:
        fault = found.fault or f"can be {' or '.join(map(str, found.days))}"
        where = f" for {field}" if field else ""
        raise InvalidArgument(argument, f"{quoted(given)}{where} {fault}.", expected="Write it as YYYY-MM-DD.")
    day = str(found.days[0])
    without_time = ", without its time" if found.has_time else ""
    note = Note("date_converted", f"{field or argument}: {quoted(given)} was read as {day}{without_time}.")
    return Cleaned(day, [note] if day != given else [])


def days_of(text: str) -> tuple[str, ...]:
    """The days that a text can mean as YYYY-MM-DD, or the month as YYYY-MM. Empty where it is neither."""
    plain = _plain(text) if len(text) <= LONGEST else ""
    if month := _match(_MONTH_OF_YEAR, plain):
        return (f"{month['year']}-{_MONTHS[month['month']]:02d}",)
    found = _whole_day(plain)
    return tuple(map(str, found.days)) if found else ()


def is_day(text: str) -> bool:
    """Whether a text is a whole day, in any form that can be read."""
    return any(_ISO.fullmatch(day) for day in days_of(text))


class _Reading(NamedTuple):
    """The days that a text can mean. `fault` says why it is none that can be stored."""

    days: tuple[date, ...] = ()
    fault: str = ""
    has_time: bool = False


def _reading(text: str) -> _Reading | None:
    """The days that `text` can mean, None for a text that is no date."""
    if (timed := _match(_TIMED, text)) and (inner := _reading(timed["date"])):
        return inner._replace(has_time=True)
    if (named := _match(_ON_WEEKDAY, text)) and (inner := _reading(named["date"])):
        return _on(_WEEKDAYS[named["weekday"]], inner)
    return (
        _whole_day(text)
        or next((_Reading(fault=fault) for form, fault in _FAULTS if _match(form, text)), None)
        or (_Reading(fault="is a date in a form that is not read for certain") if _holds_date(text) else None)
    )


def _holds_date(text: str) -> bool:
    """Whether a text holds a year, and a number or a month that is no part of it."""
    numbers = re.findall(r"\d+", text)
    has_year = any(len(number) == _DIGITS_OF_YEAR and FIRST_YEAR <= int(number) <= _LAST_BUDDHIST for number in numbers)
    has_day = any(1 <= int(number) <= _LAST_DAY for number in numbers if len(number) <= 2)  # noqa: PLR2004 -- of "15"
    has_month = not _MONTHS.keys().isdisjoint(re.findall(r"[^\W\d_]+", text))
    return (has_year and (has_day or has_month)) or bool(_pattern(_EAST_ASIAN).search(text))


def _whole_day(text: str) -> _Reading | None:
    """The days of a date with all of its parts."""
    for form, order in _FORMS:
        if found := _match(form, text):
            days = {day for parts in order(found) if (day := _day(*parts))}
            return _Reading(tuple(sorted(days))) if days else _Reading(fault="is a day that does not exist")
    return None


def _match(form: str, text: str) -> re.Match[str] | None:
    return _pattern(form).fullmatch(text)


@cache
def _pattern(form: str) -> re.Pattern[str]:
    """Compiled on the first date: the names of months make it slow."""
    return re.compile(form)


def _on(weekday: int, found: _Reading) -> _Reading:
    """Of several readings, the ones on that day of the week."""
    days = tuple(day for day in found.days if day.weekday() == weekday)
    return found._replace(days=days) if days or found.fault else _Reading(fault="is another day of the week")


def _day(year: int, month: int, day: int) -> date | None:
    try:
        return date(year, month, day) if FIRST_YEAR <= year <= LAST_YEAR else None
    except ValueError:
        return None


def _plain(text: str) -> str:
    """Small letters without accents, ASCII digits and dashes, single spaces, no full stop or comma behind."""
    digits = "".join(str(unicodedata.digit(char)) if char.isdecimal() else char for char in text)
    dashes = "".join("-" if unicodedata.category(char) == "Pd" or char == "\u2212" else char for char in digits)
    plain = unicodedata.normalize("NFC", unaccented(dashes))  # puts the syllables of Korean together again
    return _LEAD.sub("", plain).rstrip(" .,")


# The forms of dates, in the plain text. Each gives the days that it can mean as (year, month, day).

_Parts = Iterator[tuple[int, int, int]]


def _by_name(found: re.Match[str]) -> _Parts:
    yield int(found["year"]), _MONTHS[found["month"]], int(found["day"])


def _year_first(found: re.Match[str]) -> _Parts:
    yield int(found[1]), int(found[2]), int(found[3])


def _year_last(found: re.Match[str]) -> _Parts:
    one, other, year = map(int, found.groups())
    yield from ((year, one, other), (year, other, one))


def _eight_digits(found: re.Match[str]) -> _Parts:
    for form, order in ((r"(\d{4})(\d\d)(\d\d)", _year_first), (r"(\d\d)(\d\d)(\d{4})", _year_last)):
        if parts := re.fullmatch(form, found[0]):
            yield from order(parts)


def _any_of(names: Iterable[str]) -> str:
    return f"(?:{'|'.join(sorted(names, key=len, reverse=True))})"


_MONTH = _any_of(_MONTHS)
_NAME_OF_DAY = _any_of(_WEEKDAYS)
_DAY = r"\d{1,2}(?:st|nd|rd|th|er|o|a|e|\.)?"
_GAP = r"[ ,./-]*"
_OF = rf"(?:{_GAP}(?:of|de|du|del)\b)?{_GAP}"
_SHORT_YEAR = r"'?\d\d"
_CLOCK = r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)? ?(?:[ap]\.?m\.?|uhr)? ?(?:z|utc|gmt|[+-]\d\d:?\d\d)?"

_MONTH_OF_YEAR = rf"(?P<month>{_MONTH}){_OF}(?P<year>\d{{4}})"
_TIMED = rf"(?P<date>.*?\d)(?:t|[ ,]+(?:(?:at|um) )?){_CLOCK}"
_ON_WEEKDAY = rf"(?P<weekday>{_NAME_OF_DAY})[.,]? (?:(?:den|the|le|il|el) )?(?P<date>.+)"

_FORMS = (
    (r"(\d{4}) ?[-/.] ?(\d{1,2}) ?[-/.] ?(\d{1,2})", _year_first),
    (r"(\d{4}) ?年 ?(\d{1,2}) ?月 ?(\d{1,2}) ?[日号]?", _year_first),
    (r"(\d{4}) ?\ub144 ?(\d{1,2}) ?\uc6d4 ?(\d{1,2}) ?\uc77c", _year_first),  # Korean
    (r"(\d{1,2}) ?[-/. ] ?(\d{1,2}) ?[-/. ] ?(\d{4})", _year_last),
    (rf"(?P<month>{_MONTH}){_GAP}(?P<day>\d{{1,2}})(?:st|nd|rd|th)?[ ,./-]+(?P<year>\d{{4}})", _by_name),
    (rf"(?P<day>\d{{1,2}})(?:st|nd|rd|th|er|o|a|e)?{_OF}(?P<month>{_MONTH}){_OF}(?P<year>\d{{4}})", _by_name),
    (rf"(?P<year>\d{{4}}){_GAP}(?P<month>{_MONTH}){_GAP}(?P<day>\d{{1,2}})(?:st|nd|rd|th)?", _by_name),
    (r"\d{8}", _eight_digits),
)

_UNIT = r"(?:day|week|weekend|month|quarter|year)s?"

# Dates of which a part is missing, dates of machines, and days that depend on today.
_FAULTS = tuple(
    (form, fault)
    for fault, forms in {
        "has a year of two digits": (
            rf"{_MONTH}{_GAP}{_DAY}[ ,./-]+{_SHORT_YEAR}",
            rf"{_DAY}{_OF}{_MONTH}{_OF}{_SHORT_YEAR}",
            rf"\d{{1,2}} ?[-/.] ?\d{{1,2}} ?[-/.] ?{_SHORT_YEAR}",
        ),
        "has no year": (
            rf"{_MONTH}{_GAP}{_DAY}",
            rf"{_DAY}{_OF}{_MONTH}",
            r"\d{1,2} ?[-/.] ?\d{1,2}",
        ),
        "has no day": (
            rf"{_MONTH}(?:{_OF}\d{{4}})?",
            rf"\d{{4}}{_GAP}{_MONTH}",
            r"\d{4} ?[-/.] ?\d{1,2}",
            r"\d{1,2} ?[-/.] ?\d{4}",
            r"(?:19|20)\d\d",
            r"q[1-4][ /-]?\d{4}|\d{4}[ /-]?q[1-4]",
            r"\d{4}-?w\d\d?(?:-?\d)?",
        ),
        "is the number of a day in its year": (r"\d{4}-\d{3}",),
        "is the number that a spreadsheet has for a day": (r"[2-7]\d{4}(?:\.\d+)?",),
        "is a moment of a computer's clock": (r"1\d{9}|1\d{12}",),
        "depends on today": (
            r"today|tomorrow|yesterday|tonight|now|heute|morgen|gestern",
            _NAME_OF_DAY,
            rf"(?:next|last|this|coming|on) (?:{_UNIT}|{_NAME_OF_DAY}|{_MONTH})",
            rf"in (?:a|an|one|two|three|\d+) {_UNIT}|(?:a|an|one|two|three|\d+) {_UNIT} (?:from now|ago)",
            rf"(?:the )?(?:end|beginning|middle|start) of (?:(?:the|next|this) )?(?:{_UNIT}|{_MONTH})(?: \d{{4}})?",
        ),
    }.items()
    for form in forms
)
