"""Columns -> fields of a contact: the proposal for one file, ready for its rows.

Of several columns for one field the first that says something counts. In a table that is the first column, and each
object of JSON lines may call it otherwise. Of phones and e-mails all are kept, in the order to try them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Mapping as Table
from dataclasses import dataclass
from itertools import islice

from contacts_mcp.book.transfer.cells import USUAL_DEFAULTS, region_of
from contacts_mcp.book.transfer.columns import SHOWN, Column, columns_of, rank
from contacts_mcp.book.transfer.day_order import DayOrder, Shown, day_order
from contacts_mcp.book.transfer.neighbours import (
    CALLING,
    FROM_FULL,
    with_calling_codes,
    with_guesses,
    with_labels,
    with_names,
)
from contacts_mcp.book.transfer.sources.source import Record, Source
from contacts_mcp.words.dates import looks_like_date_field
from contacts_mcp.words.display import quoted, word
from contacts_mcp.words.folding import caseless
from contacts_mcp.words.names import Names
from contacts_mcp.words.note import Note

SAMPLE_ROWS = 200
SINGLE = (
    "first",
    "last",
    "middle",
    "infix",
    "prefix",
    "suffix",
    "full",
    "display",
    "company",
    "assignee",
    "country",
    "avatar",
)

_DOMAIN_OF_COUNTRY = 2  # letters
_COUNTRY_DOMAINS = {"uk": "GB"}
_NO_COUNTRIES = frozenset(["io", "co", "me", "tv", "ai", "eu", "cc", "to", "ly", "fm", "us"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """The columns of one file."""

    columns: tuple[Column, ...]
    single: Table[str, tuple[str, ...]]  # target -> headers, for the targets of one text
    full_names: frozenset[str]  # columns whose text is split where a row has no parts of a name
    phones: tuple[Column, ...]  # the likeliest first
    emails: tuple[str, ...]
    tags: tuple[str, ...]
    opt_outs: tuple[Column, ...]
    custom: Table[str, str]  # header -> label of the custom field
    day_orders: Table[str, DayOrder]  # header of a custom field of dates -> the order that its texts show
    consents: tuple[str, ...]  # columns about consent to texts
    ids: frozenset[str]  # columns that number things
    defaults: frozenset[str]  # columns that hold a default in every row
    regions: tuple[str, ...]  # other countries that the file speaks of
    is_ours: bool = False
    is_cards: bool = False
    notes: tuple[Note, ...] = ()  # assumptions
    questions: tuple[Note, ...] = ()

    @property
    def proposal(self) -> dict[str, str]:
        """Header -> field, of the columns that become part of a contact. A further e-mail is "other"."""
        shown = {column.header: SHOWN[column.target] for column in self.columns if column.target in SHOWN}
        others = dict.fromkeys(self.emails[1:], "other")
        never = {column.header for column in self.phones if not column.is_phone}
        return {header: field for header, field in (shown | others).items() if header not in never}

    @property
    def has_phones(self) -> bool:
        return any(column.is_phone for column in self.phones)

    def said(self, target: str, cells: Table[str, str]) -> tuple[str, str]:
        """The first column of a single target that says something in a row, and its cell. Two empty texts for none."""
        for header in self.single.get(target, ()):
            if cell := cells.get(header, ""):
                return header, cell
        return _NOTHING


_NOTHING = ("", "")


def mapping_of(
    source: Source, *, fields: Names | None = None, given: Table[str, str] | None = None, region: str = "US"
) -> Mapping:
    """The proposal for a file. `given` names the targets of some headers. Raises InvalidArgument, UnknownName."""
    sample = list(islice(source.records(), SAMPLE_ROWS))
    questions: list[Note] = []
    notes: list[Note] = []
    columns = columns_of(source, fields, given or {}, questions)
    if not source.is_ours and source.format != "vcard":
        has_header = source.header_line > 0 or source.format == "jsonl"
        columns = with_guesses(with_names(columns, sample), sample, notes, has_header=has_header)
        columns = with_labels(with_calling_codes(columns, sample))
    return _assembled(source, columns, sample, notes, [*questions, *_on_other_consents(columns)], region)


def _assembled(
    source: Source,
    columns: Sequence[Column],
    sample: Sequence[Record],
    notes: Sequence[Note],
    questions: Sequence[Note],
    region: str,
) -> Mapping:
    def of(target: str) -> list[Column]:
        return [column for column in columns if column.target == target]

    def also_custom(target: str) -> tuple[str, ...]:
        return tuple(c.header for c in columns if target in (c.target, c.kind if c.target == "custom" else ""))

    emails = tuple(column.header for column in of("email"))
    orders = {} if source.is_ours else _day_orders(of("custom"), sample)
    return Mapping(
        columns=tuple(columns),
        single={target: _in_turn(found) for target in SINGLE if (found := of(target))},
        full_names=_headers([*of("full"), *(column for column in of("display") if column.kind == FROM_FULL)]),
        phones=tuple(sorted(of("phone"), key=lambda column: rank(column.kind))),
        emails=emails,
        tags=tuple(column.header for column in of("tags")),
        opt_outs=tuple(of("opt_out")),
        custom={column.header: column.field for column in of("custom")},
        day_orders={header: shown.order for header, shown in orders.items()},
        consents=also_custom("consent"),
        ids=frozenset(also_custom("id")),
        defaults=_defaults(of("other"), sample),
        regions=_regions(sample, of("country"), emails, region),
        is_ours=source.is_ours,
        is_cards=source.format == "vcard",
        notes=(*notes, *(_on_order(header, shown) for header, shown in orders.items())),
        questions=tuple(questions),
    )


def _headers(columns: Sequence[Column] | Iterator[Column]) -> frozenset[str]:
    return frozenset(column.header for column in columns)


def _in_turn(columns: Sequence[Column]) -> tuple[str, ...]:
    """The given column first, then a country that is a calling code. A weak name is last."""
    turns = sorted(columns, key=lambda one: (not one.is_given, one.kind != CALLING, one.kind == "weak"))
    return tuple(column.header for column in turns)


def _on_other_consents(columns: Sequence[Column]) -> list[Note]:
    others = [word(column.header, limit=40) for column in columns if column.target == "consent_other"]
    text = f"{', '.join(others)}: about e-mails or calls, so nobody is opted out of texts by it. Right?"
    return [Note("other_consent", text)] if others else []


def _day_orders(columns: Sequence[Column], sample: Sequence[Record]) -> dict[str, Shown]:
    dates = [column.header for column in columns if looks_like_date_field(column.field)]
    found = {header: day_order(_texts(sample, [header])) for header in dates}
    return {header: shown for header, shown in found.items() if shown}


def _on_order(header: str, shown: Shown) -> Note:
    return Note("day_order", f"{word(header, limit=40)}: the {shown.order}, as in {quoted(shown.text, limit=40)}.")


def _regions(
    sample: Sequence[Record], countries: Sequence[Column], emails: Sequence[str], region: str
) -> tuple[str, ...]:
    """Countries other than the region that the file names, or that most of its e-mails end in."""
    named = [region_of(text) for text in _texts(sample, [column.header for column in countries])]
    domains = Counter(text.rpartition(".")[2].lower() for text in _texts(sample, emails) if "@" in text)
    ending = [
        _COUNTRY_DOMAINS.get(domain, domain.upper())
        for domain, count in domains.items()
        if len(domain) == _DOMAIN_OF_COUNTRY and domain not in _NO_COUNTRIES and 2 * count >= domains.total()
    ]
    return tuple(found for found in dict.fromkeys([*named, *ending]) if found not in ("", region))


def _defaults(columns: Sequence[Column], sample: Sequence[Record]) -> frozenset[str]:
    """Columns that say one known default in each of several rows."""
    found = {column.header: {caseless(row.cells.get(column.header, "")) for row in sample} for column in columns}
    is_proof = len(sample) > 1
    return frozenset(
        header for header, texts in found.items() if is_proof and len(texts) == 1 and texts <= USUAL_DEFAULTS
    )


def _texts(sample: Sequence[Record], headers: Sequence[str]) -> Iterator[str]:
    return (text for row in sample for header in headers if (text := row.cells.get(header, "").strip()))
