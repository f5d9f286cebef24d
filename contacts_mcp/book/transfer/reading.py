"""Rows of a file -> rows of contacts. Pure: no account, no request.

1. Nothing is dropped in silence. A row is a contact or is refused with one reason, and every text is used or kept.
2. A contact has one phone: a mobile before an unlabelled one, before work, before home, before others. A fax is never
   taken. The first that reads is taken, the others are kept.
3. Given parts of a name are taken as they are. A title, a middle name or a suffix goes into the display name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from contacts_mcp.book.transfer import own
from contacts_mcp.book.transfer.cells import (
    NEVER_VALUES,
    USUAL_DEFAULTS,
    TextCell,
    email_of,
    is_error,
    name_of,
    opt_out_of,
    plain,
    tags_of,
)
from contacts_mcp.book.transfer.columns import INVERSE
from contacts_mcp.book.transfer.day_order import in_iso
from contacts_mcp.book.transfer.full_names import is_title, split_name
from contacts_mcp.book.transfer.limits import LARGE_ROWS, LONGEST_SHOWN, MOST_ROWS, smaller, unreadable
from contacts_mcp.book.transfer.mapping import Mapping
from contacts_mcp.book.transfer.phone_choice import chosen_phone
from contacts_mcp.book.transfer.sources.source import Record, Source
from contacts_mcp.words.folding import caseless, fold

Cells = dict[str, str]
_MOST_CONSENTS = 1_000  # different texts of one column


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
    notes: Counter[str] = field(default_factory=Counter)  # kinds of notes

    def count(self, header: str, text: str) -> None:
        """Count a text about consent. Of a column with a text of its own in every row, the first ones are enough."""
        counter = self.consents.setdefault(header, Counter())
        if text in counter or len(counter) < _MOST_CONSENTS:
            counter[text] += 1


def rows_of(
    source: Source, mapping: Mapping, *, region: str, most: int = MOST_ROWS, tally: Tally | None = None
) -> Iterator[Row]:
    """The rows of a file in order. Raises Refused for more than `most`."""
    for number, record in enumerate(source.records(), start=1):
        if number > most:
            advice = smaller(is_large=most >= LARGE_ROWS)
            raise unreadable("too_many_rows", f"The file has more than {most:,} rows.", advice)
        row = _ours(number, record, mapping, region) if mapping.is_ours else row_of(number, record, mapping, region)
        if tally is not None:
            tally.rows = number
            tally.notes.update(row.notes)
            for header in mapping.consents:
                if text := plain(record.cells.get(header, "")):
                    tally.count(header, text[:40])
        yield row


def opted_out_phones(source: Source, mapping: Mapping, *, region: str) -> Iterator[str]:
    """The phones of the rows that opt out. Nothing else of the rows is read."""
    for record in source.records():
        row = Row(0, record.line, refused=record.refused)
        _read_opt_out(row, record.cells, mapping, set())
        if row.opt_out:
            _read_phone(row, record.cells, mapping, region, set())
            if not row.refused:
                yield row.phone


def row_of(number: int, record: Record, mapping: Mapping, region: str) -> Row:
    """One row, read by the mapping."""
    row = Row(number, record.line, refused=record.refused, value=record.value[:LONGEST_SHOWN], notes=list(record.notes))
    used: set[str] = set()
    _read_phone(row, record.cells, mapping, region, used)
    _read_names(row, record.cells, mapping, used)
    _read_email(row, record.cells, mapping, used)
    _read_tags(row, record.cells, mapping, used)
    _read_opt_out(row, record.cells, mapping, used)
    _read_others(row, record.cells, mapping, used)
    return row


def _read_phone(row: Row, cells: Cells, mapping: Mapping, region: str, used: set[str]) -> None:
    choice = chosen_phone(cells, mapping, region)
    row.notes.extend(choice.notes)
    if choice.phone:
        row.phone, row.variants = choice.phone.digits, choice.phone.variants
        used.add(choice.header)
        if choice.rest:
            row.other[choice.header] = choice.rest
    elif not row.refused:
        row.refused, row.problem = choice.failed.reason, choice.failed.problem
        row.value = choice.failed_text[:LONGEST_SHOWN]


def _read_names(row: Row, cells: Cells, mapping: Mapping, used: set[str]) -> None:
    parts = _parts_of_name(row, cells, mapping, used)
    row.first, row.last = parts["first"], parts["last"]
    if parts["to_split"] and not (row.first or row.last):
        _split_name(row, parts["to_split"], parts["company"])
        if parts["display"] != parts["to_split"]:
            _keep_both(row, parts["display"])
    else:
        row.display_name = _display_of(parts)
    if row.display_name and caseless(row.display_name) == caseless(f"{row.first} {row.last}"):
        row.display_name = ""
    if not any((row.first, row.last, row.display_name, row.refused)):
        row.notes.append("no_name")


_IN_ORDER = ("prefix", "first", "middle", "last", "suffix")
_TAKEN = ("first", "last", "infix", "full", "display")  # the others are kept besides
_NAMING = (*_IN_ORDER, "infix", "full", "display", "company")


def _parts_of_name(row: Row, cells: Cells, mapping: Mapping, used: set[str]) -> dict[str, str]:
    """The texts about the name. `to_split` is the full name, to be split if that is certain."""
    parts = dict.fromkeys((*_IN_ORDER, *_TAKEN, "company", "to_split"), "")
    for target in _NAMING:
        if target not in mapping.single:
            continue
        header, cell = mapping.said(target, cells)
        if header:
            parts[target] = _noted(row, name_of(cell, is_last=target == "last"))
            used.update({header} if target in _TAKEN else ())
        if header in mapping.full_names:
            parts["to_split"] = parts["to_split"] or parts[target]
    parts["last"] = " ".join(filter(None, (parts["infix"], parts["last"])))
    if not is_title(parts["prefix"]):  # a title of a job
        parts["prefix"] = ""
    return parts


def _display_of(parts: dict[str, str]) -> str:
    """The whole name where nothing is split: as it is given, else its parts in order, else the company."""
    if whole := parts["display"] or parts["full"]:
        return whole
    in_order = " ".join(filter(None, (parts[target] for target in _IN_ORDER)))
    return in_order if parts["first"] or parts["last"] else parts["company"]


def _keep_both(row: Row, display: str) -> None:
    """Keep a display name beside a full one. A full name that was not split stays whole in front of it."""
    row.display_name = (
        f"{row.display_name} ({display})" if row.display_name and display else row.display_name or display
    )


def _split_name(row: Row, whole: str, company: str) -> None:
    if company and fold(whole) in (fold(company), fold(company.split(",", maxsplit=1)[0])):
        row.display_name = whole
        return
    name = split_name(whole)
    row.first, row.last = name.first, name.last
    row.display_name = whole if name.is_whole else ""
    row.notes.append("name_split" if name.first else "name_unsure")


def _read_email(row: Row, cells: Cells, mapping: Mapping, used: set[str]) -> None:
    for header in mapping.emails:
        cell = cells.get(header, "")
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


def _read_tags(row: Row, cells: Cells, mapping: Mapping, used: set[str]) -> None:
    used.update(mapping.tags)
    found = [tag for header in mapping.tags for tag in tags_of(cells.get(header, ""))]
    row.tags = tuple(dict.fromkeys(found))


def _read_opt_out(row: Row, cells: Cells, mapping: Mapping, used: set[str]) -> None:
    """The opt-outs of all columns about it: one that says yes counts."""
    said: list[bool] = []
    for column in mapping.opt_outs:
        cell = cells.get(column.header, "")
        try:
            value = opt_out_of(cell, yes_is_out=column.kind != INVERSE) if cell else None
        except ValueError:
            if not row.refused:
                row.refused, row.value = "opt_out_unclear", plain(cell)[:LONGEST_SHOWN]
                row.problem = "is neither yes nor no."
            continue
        used.add(column.header)
        said += [value] if value is not None else []
    row.opt_out = any(said) if said else None


def _read_others(row: Row, cells: Cells, mapping: Mapping, used: set[str]) -> None:
    for header, cell in cells.items():
        if header in used or not (text := plain(cell)):
            continue
        if is_error(text):
            row.notes.append("error_value")
        elif not _is_default(header, text, mapping):
            _keep(row, header, text, mapping)
    row.assignee = plain(mapping.said("assignee", cells)[1])
    row.avatar = plain(mapping.said("avatar", cells)[1])
    row.notes = list(dict.fromkeys(row.notes))


def _is_default(header: str, text: str, mapping: Mapping) -> bool:
    return text in NEVER_VALUES or (header in mapping.defaults and caseless(text) in USUAL_DEFAULTS)


def _keep(row: Row, header: str, text: str, mapping: Mapping) -> None:
    """Keeps the text of a custom field to be written, any other to be told."""
    if label := mapping.custom.get(header):
        order = mapping.day_orders.get(header)
        row.custom[label] = in_iso(text, order) if order else text
    else:
        row.other[header] = str(text)
    if header in mapping.consents:
        row.notes.append("consent_column")


def _noted(row: Row, cell: TextCell) -> str:
    row.notes.extend(cell.notes)
    return cell.text


# Our own export


def _ours(number: int, record: Record, mapping: Mapping, region: str) -> Row:
    """A row that our export wrote: every text is as it stood in the book, blanks at its ends too."""
    cells = {header: cell for header, cell in record.cells.items() if cell}
    row = Row(
        number,
        record.line,
        refused=record.refused,
        value=record.value[:LONGEST_SHOWN],
        first=cells.get("first", ""),
        last=cells.get("last", ""),
        display_name=cells.get("display_name", ""),
        email=cells.get("email", ""),
        avatar=cells.get("avatar", ""),
        assignee=cells.get("assignee", ""),
        notes=list(record.notes),
        tags=tuple(own.parted_tags(cells.get("tags", ""))),
        custom={mapping.custom[header]: text for header, text in cells.items() if header in mapping.custom},
        other={header: text for header, text in cells.items() if header not in (*mapping.custom, *own.FIRST_COLUMNS)},
    )
    _read_phone(row, cells, mapping, region, set())
    _read_opt_out(row, cells, mapping, set())
    return row
