"""The meaning of columns beside each other, and by the texts in them.

1. "Nom" is the last name beside "Prénom", "Nombre" the first beside "Apellidos". Alone they are the full name.
2. A full name beside a first name is a display name. If its texts do not hold the first one, it is the last name.
3. A column "Home" is of phones if its texts are. A column "Phone 1 - Label" says the kind of "Phone 1 - Value", row by
   row.
4. A single column of calling codes ("+44") is the country of the phones.
5. If no header names the phones, a single column whose texts are phones is taken, and the plan says so. A table without
   a header is read by its texts alone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from contacts_mcp.book.transfer.cells import plain, region_of
from contacts_mcp.book.transfer.columns import SHOWN, UNKNOWN, Column
from contacts_mcp.book.transfer.headers import Known, known
from contacts_mcp.book.transfer.sources.source import Record
from contacts_mcp.words.display import quoted
from contacts_mcp.words.folding import caseless, fold
from contacts_mcp.words.note import Note

CALLING = "calling"  # the kind of a country that is a calling code
GIVEN_OR_FULL, LAST_OR_FULL = "given_or_full", "last_or_full"  # kinds of headers.toml
FROM_FULL = "full"  # the kind of a display name that is the full name of a row without its parts

_MOST = 0.8  # of the texts must fit
_DATE = r"(?!(?:\d{4}([-/.])\d{1,2}\1\d{1,2}|\d{1,2}([-/. ])\d{1,2}\2(?:\d{4}|\d\d))(?:\D|$))"
_PHONE = re.compile(_DATE + r"(?:\+\d[\d ().\-/]{6,}|\(?\d{2,5}[) ./-]+\d[\d ./-]{4,})")
_BARE_PHONE = re.compile(r"\+?\d{10,13}|" + _PHONE.pattern)
_BY_TEXT = (  # without a header, in this order
    (Known("phone", "main"), _BARE_PHONE),
    (Known("email"), re.compile(r"\S+@\S+\.\w+")),
    (Known("full"), re.compile(r"[^\d@]*[^\W\d]{2}[^\d@]*")),
)
_CALLING_CODE = re.compile(r"(?:\+|00)\d{1,3}")
_MAY_BE_CODES = ("country", "prefix", "id", "other")
_FREE = (UNKNOWN, Known("full", "weak"))  # "Contact" may be the name or the phone
_NUMBER = Known("id", "number")  # "Number": of a customer, or a phone
_BY_TEXT_BESIDE_HEADER = ((Known("phone", "main"), _PHONE),)
_LABEL_WORDS = re.compile(r"label|type|value|number|typ|kind")


def with_names(columns: Sequence[Column], sample: Sequence[Record]) -> list[Column]:
    """The columns with the names told apart."""
    told = _in_company(columns)
    first = next((column.header for column in told if column.target == "first"), "")
    has_last = "last" in {column.target for column in told}
    if not first and not has_last:
        return told
    part = "" if has_last else first
    return [_beside_parts(column, part, sample) if column.target == "full" else column for column in told]


def _in_company(columns: Sequence[Column]) -> list[Column]:
    """The columns whose headers mean a part of a name beside the other part, and the full name without it."""
    targets = {column.target for column in columns}
    meanings = {
        GIVEN_OR_FULL: "first" if "last" in targets else "full",
        LAST_OR_FULL: "last" if "first" in targets else "full",
    }
    return [
        column._replace(target=meanings[column.kind], kind="") if column.kind in meanings else column
        for column in columns
    ]


def _beside_parts(column: Column, first: str, sample: Sequence[Record]) -> Column:
    """A full name beside parts of it. `first` is the first name's header if there is no last name."""
    if first and column.kind != "weak" and not column.is_given and not _holds(column.header, first, sample):
        return column._replace(target="last", kind="")
    return column if column.is_given else column._replace(target="display", kind=FROM_FULL)


def _holds(whole: str, part: str, sample: Sequence[Record]) -> bool:
    """Whether the texts of one column hold those of another, in half of the rows that have both."""
    pairs = [(caseless(row.cells.get(part, "")), caseless(row.cells.get(whole, ""))) for row in sample]
    both = [one in other for one, other in pairs if one and other]
    return not both or 2 * sum(both) >= len(both)


def with_labels(columns: Sequence[Column]) -> list[Column]:
    """The phones with the columns that say their kind."""
    labels = {_numbered(column): column.header for column in columns if column.target == "phone_label"}
    return [
        column._replace(label=labels.get(_numbered(column), "")) if column.target == "phone" else column
        for column in columns
    ]


def _numbered(column: Column) -> str:
    return _LABEL_WORDS.sub("", fold(column.header))


def with_calling_codes(columns: Sequence[Column], sample: Sequence[Record]) -> list[Column]:
    """The columns with the one of calling codes as the country. Two of them are each about another phone."""
    found = [
        column.header
        for column in columns
        if column.target in _MAY_BE_CODES and not column.is_given and _are_calling_codes(column, sample)
    ]
    return [Column(column.header, "country", CALLING) if [column.header] == found else column for column in columns]


def _are_calling_codes(column: Column, sample: Sequence[Record]) -> bool:
    texts = {plain(row.cells.get(column.header, "")) for row in sample} - {""}
    return bool(texts) and all(_CALLING_CODE.fullmatch(text) and region_of(text) for text in texts)


def with_guesses(
    columns: Sequence[Column], sample: Sequence[Record], notes: list[Note], *, has_header: bool
) -> list[Column]:
    """The columns with a phone among them, as far as the texts tell one."""
    columns = [_of_kind(column, sample) for column in columns]
    if any(column.is_phone for column in columns):
        return columns
    most = 1 if has_header else len(columns)  # beside a header, only a single column is certain
    told = [*columns]
    for meaning, shape in _BY_TEXT_BESIDE_HEADER if has_header else _BY_TEXT:
        fitting = _fitting(told, sample, _BARE_PHONE, (_NUMBER,)) or _fitting(told, sample, shape, _FREE)
        if 0 < len(fitting) <= most:
            told[fitting[0]] = Column(told[fitting[0]].header, *meaning)
            notes.append(_guess_note(told[fitting[0]].header, meaning))
    return told


def _of_kind(column: Column, sample: Sequence[Record]) -> Column:
    """A column of phones whose header says the kind alone: "Home", "Work"."""
    kind = known(f"phone {column.header}")
    is_kind = kind and kind.target == "phone" and column[1:3] == UNKNOWN and _are(column, sample, _BARE_PHONE)
    return Column(column.header, *kind) if kind and is_kind else column


def _guess_note(header: str, meaning: Known) -> Note:
    text = f"{quoted(header, limit=40)} was taken for the {SHOWN[meaning.target]}, by its texts."
    return Note("guessed_column", text)


def _fitting(
    columns: Sequence[Column], sample: Sequence[Record], shape: re.Pattern[str], meanings: Sequence[Known]
) -> list[int]:
    """The places of the columns of these meanings that hold texts of that shape."""
    return [at for at, column in enumerate(columns) if column[1:3] in meanings and _are(column, sample, shape)]


def _are(column: Column, sample: Sequence[Record], shape: re.Pattern[str]) -> bool:
    """Whether most of a column's texts have that shape."""
    texts = [text for row in sample if (text := plain(row.cells.get(column.header, "")))]
    return bool(texts) and sum(shape.fullmatch(text) is not None for text in texts) >= _MOST * len(texts)
