"""Rows of a file -> rows of contacts. Pure: no account, no request.

1. Nothing is dropped in silence. A row is a contact or is refused with one reason, and every text is used or kept.
2. A contact has one phone: a mobile before an unlabelled one, before work, before home, before others. A fax is never
   taken. The first that reads is taken, the others are kept.
3. Given parts of a name are taken as they are. A title, a middle name or a suffix goes into the display name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from contacts_mcp.book.transfer import own
from contacts_mcp.book.transfer.cells import (
    NEVER_VALUES,
    USUAL_DEFAULTS,
    PhoneCell,
    TextCell,
    email_of,
    is_error,
    name_of,
    one_phone_of_several,
    opt_out_of,
    phone_of,
    plain,
    region_of,
    tags_of,
)
from contacts_mcp.book.transfer.columns import INVERSE, Column, kind_of_label, rank
from contacts_mcp.book.transfer.full_names import is_title, split_name
from contacts_mcp.book.transfer.limits import LONGEST_SHOWN, MOST_ROWS, unreadable
from contacts_mcp.book.transfer.mapping import Mapping
from contacts_mcp.book.transfer.sources.source import Record, Source
from contacts_mcp.words.folding import caseless, fold
from contacts_mcp.words.phones import Phone, trunk_prefix


@dataclass(slots=True)
class Row:
    """One row of a file, as a contact. `refused` is the reason why it is none."""

    number: int  # from 1
    line: int
    phone: str = ""  # E.164 digits
    variants: tuple[str, ...] = ()  # other digits that the number may be stored under
    refused: str = ""
    value: str = ""  # the text that was refused
    problem: str = ""  # why, in words
    first: str = ""
    last: str = ""
    display_name: str = ""
    email: str = ""
    avatar: str = ""
    assignee: str = ""
    tags: tuple[str, ...] = ()
    opt_out: bool | None = None
    custom: dict[str, str] = field(default_factory=dict)  # label of a field -> text
    other: dict[str, str] = field(default_factory=dict)  # header -> text; kept to be told, and not imported
    notes: list[str] = field(default_factory=list)  # kinds


@dataclass(slots=True)
class Tally:
    """Counts over the rows that were read."""

    rows: int = 0
    consents: dict[str, Counter[str]] = field(default_factory=dict)  # column about consent -> its texts


def rows_of(
    source: Source, mapping: Mapping, *, region: str, most: int = MOST_ROWS, tally: Tally | None = None
) -> Iterator[Row]:
    """The rows of a file in order. Raises Refused for more than `most`."""
    for number, record in enumerate(source.records(), start=1):
        if number > most:
            raise unreadable("too_many_rows", f"The file has more than {most:,} rows.", "Import it in parts.")
        row = _ours(number, record, mapping, region) if mapping.is_ours else row_of(number, record, mapping, region)
        if tally is not None:
            tally.rows = number
            for header in mapping.consents:
                if text := plain(record.cells.get(header, "")):
                    tally.consents.setdefault(header, Counter())[text[:40]] += 1
        yield row


def row_of(number: int, record: Record, mapping: Mapping, region: str) -> Row:
    """One row, read by the mapping."""
    row = Row(number, record.line, refused=record.refused, value=record.value[:LONGEST_SHOWN], notes=list(record.notes))
    used: set[str] = set()
    _read_phone(row, record, mapping, region, used)
    _read_names(row, record, mapping, used)
    _read_email(row, record, mapping, used)
    _read_tags(row, record, mapping, used)
    _read_opt_out(row, record, mapping, used)
    _read_others(row, record, mapping, used)
    return row


# The phone


def _read_phone(row: Row, record: Record, mapping: Mapping, region: str, used: set[str]) -> None:
    country = plain(mapping.said("country", record.cells)[1])
    written = region_of(country) if country else ""
    if country and not written:
        row.notes.append("country_unreadable")
    failed: tuple[PhoneCell, str] | None = None
    kept = False
    for column, cell in _candidates(record, mapping):
        if row.phone:
            kept = True
            continue
        texts = one_phone_of_several(cell)
        for at, text in enumerate(texts):
            found = phone_of(text, written or region)
            if found.phone:
                _take_phone(row, found.phone, text, mapping, written, region)
                used.add(column.header)
                _keep_others(row, column.header, texts[:at] + texts[at + 1 :])
                break
            failed = failed or (found, text)
    if row.phone:
        row.notes.extend(
            kind for kind, applies in (("first_choice_unreadable", failed), ("more_numbers", kept)) if applies
        )
    elif not row.refused:
        reason, text = failed or (PhoneCell(None, "no_phone", "has no phone."), "")
        row.refused, row.value, row.problem = reason.reason, plain(text)[:LONGEST_SHOWN], reason.problem


def _keep_others(row: Row, header: str, texts: Sequence[str]) -> None:
    if texts:
        row.other[header] = " ::: ".join(texts)
        row.notes.append("more_numbers")


def _candidates(record: Record, mapping: Mapping) -> list[tuple[Column, str]]:
    """The cells that may hold the phone, the likeliest first."""
    cells = record.cells
    columns = mapping.phones if not mapping.is_cards else _in_order_of(cells, mapping.phones)
    found = [
        (kind_of_label(cells.get(column.label, "")) if column.label else column.kind, column, cell)
        for column in columns
        if (cell := cells.get(column.header, "")) and plain(cell)
    ]
    if mapping.is_cards or any(column.label for _, column, _ in found):
        found.sort(key=lambda one: rank(one[0]))
    return [(column, cell) for kind, column, cell in found if kind != "never"]


def _in_order_of(cells: dict[str, str], columns: Sequence[Column]) -> list[Column]:
    """The columns of a card, in which preferred values come first."""
    by_header = {column.header: column for column in columns}
    return [by_header[header] for header in cells if header in by_header]


def _take_phone(row: Row, phone: Phone, text: str, mapping: Mapping, written: str, region: str) -> None:
    row.phone, row.variants = phone.digits, phone.variants
    kinds = [note.kind for note in phone.notes]
    if written and written != region and phone.assumed_region:
        kinds = ["country_from_column" if kind == "assumed_country" else kind for kind in kinds]
    elif phone.assumed_region and not written and mapping.regions and _reads_elsewhere(text, phone, mapping.regions):
        kinds.append("suspicious_country")
    if phone.assumed_region and _lost_zero(text, phone.assumed_region):
        kinds.append("lost_zero")
    row.notes.extend(kind for kind in kinds if kind != "spreadsheet_number")


def _reads_elsewhere(text: str, phone: Phone, regions: Sequence[str]) -> bool:
    """Whether bare digits are a number of another country of the file as well. Written apart, they show their own."""
    if not plain(text).isdecimal():
        return False
    others = (phone_of(text, region).phone for region in regions)
    return any(other and other.digits != phone.digits and other.verified for other in others)


def _lost_zero(text: str, region: str) -> bool:
    digits = plain(text)
    return trunk_prefix(region) == "0" and digits.isdecimal() and not digits.startswith("0")


# The other fields


def _read_names(row: Row, record: Record, mapping: Mapping, used: set[str]) -> None:
    parts: dict[str, str] = {}
    for target in ("first", "last", "middle", "suffix", "full", "display", "company"):
        header, cell = mapping.said(target, record.cells)
        if not header:
            continue
        parts[target] = _noted(row, name_of(cell, is_last=target == "last"))
        if target not in ("middle", "suffix", "company"):
            used.add(header)
        if target == "display" and header in mapping.full_names and not (parts.get("first") or parts.get("last")):
            parts["full"] = parts.pop("display")
    prefix = plain(mapping.said("prefix", record.cells)[1])
    row.first, row.last = parts.get("first", ""), parts.get("last", "")
    whole = parts.get("display") or parts.get("full") or ""
    if row.first or row.last:
        title = prefix if is_title(prefix) else ""
        given = (title, row.first, parts.get("middle", ""), row.last, parts.get("suffix", ""))
        row.display_name = whole or " ".join(filter(None, given))
    elif parts.get("full") and not parts.get("display"):
        _split_name(row, whole, parts.get("company", ""))
    else:
        row.display_name = whole or parts.get("company", "")
    if caseless(row.display_name) == caseless(f"{row.first} {row.last}"):
        row.display_name = ""
    if not (row.first or row.last or row.display_name) and not row.refused:
        row.notes.append("no_name")


def _split_name(row: Row, whole: str, company: str) -> None:
    if company and fold(whole) in (fold(company), fold(company.split(",", maxsplit=1)[0])):
        row.display_name = whole
        return
    name = split_name(whole)
    row.first, row.last = name.first, name.last
    row.display_name = whole if name.is_whole else ""
    row.notes.append("name_split" if name.first else "name_unsure")


def _read_email(row: Row, record: Record, mapping: Mapping, used: set[str]) -> None:
    for header in mapping.emails:
        cell = record.cells.get(header, "")
        if not cell or not plain(cell):
            continue
        found = email_of(cell)
        if found.text:
            row.email = found.text
            used.add(header)
            return
        _noted(row, found)
        if "error_value" in found.notes or not found.notes:
            used.add(header)


def _read_tags(row: Row, record: Record, mapping: Mapping, used: set[str]) -> None:
    used.update(mapping.tags)
    found = [tag for header in mapping.tags for tag in tags_of(record.cells.get(header, ""))]
    row.tags = tuple(dict.fromkeys(found))


def _read_opt_out(row: Row, record: Record, mapping: Mapping, used: set[str]) -> None:
    """The opt-outs of all columns about it: one that says yes counts."""
    said: list[bool] = []
    for column in mapping.opt_outs:
        cell = record.cells.get(column.header, "")
        try:
            value = opt_out_of(cell) if cell else None
        except ValueError:
            if not row.refused:
                row.refused, row.value = "opt_out_unclear", plain(cell)[:LONGEST_SHOWN]
                row.problem = "is neither yes nor no."
            continue
        used.add(column.header)
        if column.kind == INVERSE:
            value = True if value is False else None
        said += [value] if value is not None else []
    row.opt_out = any(said) if said else None


def _read_others(row: Row, record: Record, mapping: Mapping, used: set[str]) -> None:
    for header, cell in record.cells.items():
        if not cell or header in used or cell.isspace():
            continue
        text = plain(cell)
        if is_error(text):
            row.notes.append("error_value")
            continue
        if not text or text in NEVER_VALUES or (header in mapping.defaults and caseless(text) in USUAL_DEFAULTS):
            continue
        if header in mapping.custom:
            row.custom[mapping.custom[header]] = text
        else:
            row.other[header] = str(text)
        if header in mapping.consents:
            row.notes.append("consent_column")
    row.assignee = plain(mapping.said("assignee", record.cells)[1])
    row.avatar = plain(mapping.said("avatar", record.cells)[1])
    row.notes = list(dict.fromkeys(row.notes))


def _noted(row: Row, cell: TextCell) -> str:
    row.notes.extend(cell.notes)
    return cell.text


# Our own export


def _ours(number: int, record: Record, mapping: Mapping, region: str) -> Row:
    """A row that our export wrote: every text is as it stood in the book, blanks at its ends too."""
    cells = {header: own.unguarded(cell) for header, cell in record.cells.items() if cell}
    row = Row(number, record.line, refused=record.refused, value=record.value[:LONGEST_SHOWN], notes=list(record.notes))
    found = phone_of(cells.get("phone", ""), region) if cells.get("phone") else PhoneCell(None, "no_phone")
    if found.phone:
        row.phone, row.variants = found.phone.digits, found.phone.variants
    elif not row.refused:
        row.refused, row.value, row.problem = found.reason, cells.get("phone", "")[:LONGEST_SHOWN], found.problem
    for name in ("first", "last", "display_name", "email", "assignee", "avatar"):
        setattr(row, name, cells.get(name, ""))
    row.tags = tuple(own.parted_tags(cells.get("tags", "")))
    try:
        row.opt_out = opt_out_of(cells.get("opted out", ""))
    except ValueError:
        row.refused = row.refused or "opt_out_unclear"
        row.value = cells["opted out"][:LONGEST_SHOWN]
    row.custom = {mapping.custom[header]: text for header, text in cells.items() if header in mapping.custom}
    row.other = {
        header: text
        for header, text in cells.items()
        if header not in mapping.custom and header not in own.FIRST_COLUMNS
    }
    return row
