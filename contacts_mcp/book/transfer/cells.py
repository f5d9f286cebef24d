"""One cell -> one value. The rules that a file needs beyond those of `words`.

1. A guard is no data: an apostrophe before a sign or a digit, `="..."`, the `p:` of a lead's phone.
2. An error of a sheet (`#N/A`) is no value. Neither are "N/A" as a name and "-" or "Unknown" as a last name.
3. A phone that a spreadsheet stored as a number is a whole number, or nothing. A fraction, a negative and a rounded one
   are refused. `510555010.0` is nine digits, whatever a parser of phones would read.
"""

from __future__ import annotations

import csv
import re
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

from contacts_mcp.book.transfer.own import parted_tags
from contacts_mcp.book.transfer.sources.source import NumberText
from contacts_mcp.errors import InvalidArgument, InvalidPhone
from contacts_mcp.words.cleaning import clean_line
from contacts_mcp.words.emails import read_email
from contacts_mcp.words.folding import fold
from contacts_mcp.words.phones import Phone, is_region, parse_phone, region_of_code

_GUARD = re.compile(r"'(?=[=+\-@\d(\t\r])")
_TEXT_FORMULA = re.compile(r'="([^"]*)"')
_LEAD = re.compile(r"(?:p|tel|phone|ph|mobile|cell)\s*:\s*(?=[+(\d])", re.IGNORECASE)
_ERROR = re.compile(
    r"#(?:N/?[AVD]|REF!|VALUE!|NAME\?|NUM!|NULL!|DIV/0!|SPILL!|CALC!|FIELD!|GETTING_DATA|ERROR!|BEZUG!|WERT!|ZAHL!|"
    r"NOM\s?\?|VALEUR!|NOMBRE!|¡REF!|¡VALOR!|¿NOMBRE\?|RIF!|VALORE!|SKÄRNING!|VÄRDEFEL!|REFERENS!|SAKNAS!)"
)
_HASHES = re.compile(r"#{3,}")
_DIALLED = re.compile(r"\+?[\d(][\d ()-]*", re.ASCII)  # plainly a phone, and none of the others here
_NEGATIVE = re.compile(r"[-\u2212]\s?\d+(?:[.,]\d+)?")
_WHOLE_FLOAT = re.compile(r"(\+?\d+)[.,]0+")
_FRACTION = re.compile(r"\d+[.,]\d{1,3}")
_NO_NAMES = frozenset(
    [
        "n/a",
        "na",
        "n.a.",
        "-",
        "--",
        "\u2013",
        "\u2014",
        ".",
        "?",
        "[not provided]",
        "(not provided)",
        "not provided",
        "(blank)",
        "(none)",
        "(empty)",
        "(no name)",
        "no name",
        "[no name]",
    ]
)
_NO_LAST_NAMES = _NO_NAMES - {"na"} | {"unknown", "(unknown)", "[unknown]", "xx", "xxx", "lnu"}
_NO_PHONES = _NO_LAST_NAMES | {"none", "no", "no phone", "keine", "aucun", "ninguno", "nessuno", "geen"}
_NO_VALUES = frozenset(["null", "NULL", "nan", "NaN", "undefined", "\\N"])  # written by programs, in this case alone
NEVER_VALUES = frozenset(["0/0/00", "0.0.00", "00/00/0000", "00/00/00", "0000-00-00"])  # no date
USUAL_DEFAULTS = frozenset(
    [
        "unspecified",
        "keine angabe",
        "normal",
        "false",
        "falsch",
        "non specifie",
        "non spécifié",
        "faux",
        "sin especificar",
        "no especificado",
    ]
)

_OUT = frozenset(["optout", "optedout", "unsubscribed", "unsubscribe", "abgemeldet", "desabonne", "desinscrit"])
_IN = frozenset(["optin", "optedin", "subscribed", "notoptedout"])
_YES = frozenset(
    [
        "yes",
        "y",
        "true",
        "t",
        "1",
        "x",
        "checked",
        "ja",
        "j",
        "oui",
        "o",
        "si",
        "sí",
        "s",
        "sim",
        "da",
        "да",
        "tak",
        "evet",
        "wahr",
        "vrai",
        "verdadero",
        "vero",
        "on",
        "ano",
        "igen",
        "kyllä",
        "так",
        "はい",
        "是",
        "예",
        "כן",
        "نعم",
        "✓",
        "✔",
        "☑",
        "optout",
        "optedout",
    ]
)
_NO = frozenset(
    [
        "no",
        "n",
        "false",
        "f",
        "0",
        "unchecked",
        "nein",
        "non",
        "nao",
        "não",
        "net",
        "нет",
        "nie",
        "hayir",
        "falsch",
        "faux",
        "falso",
        "off",
        "nee",
        "nej",
        "nei",
        "ei",
        "nem",
        "ні",
        "いいえ",
        "否",
        "아니오",
        "לא",
        "لا",
        "✗",
        "✘",
        "☐",
        "notoptedout",
    ]
)

_CALLING_CODE = re.compile(r"(?:\+|00)?(\d{1,3})")
_REASONS = {"extension", "several", "letters", "local", "short_code", "digits_lost"}
_SYSTEM_TAG = re.compile(r"\*\s")


class PhoneCell(NamedTuple):
    """The phone of a cell, or the reason why there is none."""

    phone: Phone | None = None
    reason: str = ""  # as published
    problem: str = ""  # in words


def plain(cell: str) -> str:
    """A cell trimmed and without its guards. A number stays one."""
    if isinstance(cell, NumberText):
        return cell
    text = cell.strip()
    if text.startswith(("'", "=")):
        text = _GUARD.sub("", text, count=1) if _GUARD.match(text) else text
        if formula := _TEXT_FORMULA.fullmatch(text):
            text = formula[1].strip()
    return "" if text in _NO_VALUES else text


def is_error(text: str) -> bool:
    return text.startswith("#") and _ERROR.fullmatch(text) is not None


def phone_of(cell: str, region: str) -> PhoneCell:
    """The phone of a cell that is not empty."""
    text = plain(cell)
    if not _DIALLED.fullmatch(text):
        fault = _number_fault(text)
        if fault:
            return fault
        whole = _WHOLE_FLOAT.fullmatch(text)
        text = whole[1] if whole else _LEAD.sub("", text, count=1)
    try:
        return PhoneCell(parse_phone(text, region=region))
    except InvalidPhone as invalid:
        reason = "no_phone" if invalid.reason == "empty" else invalid.reason
        return PhoneCell(None, reason if reason in _REASONS | {"no_phone"} else "invalid_or_length", invalid.problem)


def _number_fault(text: str) -> PhoneCell | None:
    if is_error(text):
        return PhoneCell(None, "error_value", "is an error of a spreadsheet.")
    if _HASHES.fullmatch(text):
        return PhoneCell(None, "digits_lost", "was shown in a column too narrow; its digits are lost.")
    if text.startswith("=") and not _TEXT_FORMULA.fullmatch(text):
        return PhoneCell(None, "formula_without_value", "is a formula without a value.")
    is_number = isinstance(text, NumberText) and not text.isdecimal()
    if is_number or _NEGATIVE.fullmatch(text) or (_FRACTION.fullmatch(text) and not _WHOLE_FLOAT.fullmatch(text)):
        return PhoneCell(None, "invalid_or_length", "is a number with a sign or a fraction, and no phone.")
    return None


def says_phone(cell: str) -> bool:
    """Whether a cell of phones says anything: "n/a" and "unknown" do not."""
    text = plain(cell)
    return bool(text) and text.casefold() not in _NO_PHONES


def one_phone_of_several(cell: str) -> list[str]:
    """The texts of a cell that says plainly to hold several: Google's " ::: "."""
    return [part.strip() for part in cell.split(" ::: ")] if " ::: " in cell else [cell]


class TextCell(NamedTuple):
    """A text, and the kinds of the notes on it."""

    text: str
    notes: tuple[str, ...] = ()


@lru_cache(maxsize=4096, typed=True)  # many people have the same first name
def name_of(cell: str, *, is_last: bool = False) -> TextCell:
    """A part of a name. Placeholders are no names."""
    text = plain(cell)
    if not text:
        return TextCell("")
    if is_error(text):
        return TextCell("", ("error_value",))
    if text.casefold() in (_NO_LAST_NAMES if is_last else _NO_NAMES):
        return TextCell("", ("placeholder_last_name",) if is_last else ())
    try:
        clean = clean_line(text, argument="name")
    except InvalidArgument:
        return TextCell("", ("broken_text",))
    return TextCell(clean.text, tuple(note.kind for note in clean.notes if isinstance(note, object)))


def email_of(cell: str) -> TextCell:
    """The address of a cell. The note `email_unreadable` says that there is none in it."""
    text = plain(cell)
    if not text or text.casefold() in _NO_NAMES:
        return TextCell("")
    if is_error(text):
        return TextCell("", ("error_value",))
    try:
        return TextCell(read_email(text).text)
    except InvalidArgument:
        return TextCell("", ("email_unreadable",))


@lru_cache(maxsize=1024, typed=True)  # a file has few tags
def tags_of(cell: str) -> tuple[str, ...]:
    """The tags of a cell. It is a list in quotes, or is cut at " ::: ", lines, semicolons, bars or commas."""
    text = plain(cell)
    if not text or is_error(text):
        return ()
    found = _cut(text)
    names = (name.strip() for name in found)
    return tuple(dict.fromkeys(name for name in names if name and not _is_system_tag(name)))


def _cut(text: str) -> list[str]:
    if " ::: " in text:
        return text.split(" ::: ")
    if text.startswith("[") and text.endswith("]"):
        text = text[1:-1] if '"' in text else text[1:-1].replace("'", '"')
    if '"' in text:
        return _cut_quoted(text)
    separator = next((sign for sign in ("\n", ";", "|", ",") if sign in text), "\n")
    return text.split(separator)


def _cut_quoted(text: str) -> list[str]:
    """A list in quotes, by semicolons or commas."""
    is_by_semicolons = re.search(r'"\s*;', text) or (";" in text and "," not in text)
    if is_by_semicolons:
        return parted_tags(text)
    return next(csv.reader([text.replace("\n", ",")], skipinitialspace=True), [])


def _is_system_tag(name: str) -> bool:
    return _SYSTEM_TAG.match(name) is not None or name.casefold() in ("mycontacts", "my contacts")


@lru_cache(maxsize=256, typed=True)
def opt_out_of(cell: str, *, yes_is_out: bool = True) -> bool | None:
    """Whether a cell of an opt-out says out, not out or nothing. Raises ValueError for any other text.

    `yes_is_out` False is for a column that asks the other way: "Accepts texts".
    """
    text = plain(cell)
    if not text or is_error(text):
        return None
    if whole := _WHOLE_FLOAT.fullmatch(text):
        text = whole[1]
    word = text.casefold() if len(text) == 1 else (fold(text) or text)
    if word in _OUT | _IN:
        return word in _OUT
    if word in _YES or text.casefold() in _YES:
        return yes_is_out
    if word in _NO or text.casefold() in _NO:
        return not yes_is_out
    msg = "neither yes nor no"
    raise ValueError(msg)


@cache
def _countries() -> dict[str, str]:
    import tomllib

    table = tomllib.loads((Path(__file__).parent / "countries.toml").read_text(encoding="utf-8"))
    return {fold(name): region for region, names in table.items() for name in names}


@lru_cache(maxsize=1024)
def region_of(text: str) -> str:
    """The region that a country's name, code or calling code means, "" if nobody knows."""
    code = text.strip().upper()
    if len(code) == 2 and code.isascii() and is_region(code):  # noqa: PLR2004 -- ISO 3166 alpha-2
        return code
    if calling := _CALLING_CODE.fullmatch(code):
        return region_of_code(int(calling[1]))
    return _countries().get(fold(text), "")
