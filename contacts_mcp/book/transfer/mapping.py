"""Columns -> fields of a contact, by their headers.

1. Our own export is known by its exact header, and read without any guess.
2. A header is looked up in the vocabulary (`headers`), then among the account's custom fields by name. If both know it,
   the contact's own field is taken, and the plan asks.
3. Some headers change their meaning beside others: "Nom" beside "Prénom", "Nombre" beside "Apellidos". "Name" beside a
   first name is the last name, unless its texts hold the first one.
4. Of several columns for one field the first that says something counts. For a single file that is the first column,
   for JSON lines each object may call it otherwise.
5. If no header names the phones, a single column whose texts are phones is taken, and the plan says so.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping as Table
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from contacts_mcp.book.transfer.cells import USUAL_DEFAULTS, plain, region_of
from contacts_mcp.book.transfer.headers import KIND_ORDER, Known, known
from contacts_mcp.book.transfer.sources import cards
from contacts_mcp.book.transfer.sources.source import Record, Source
from contacts_mcp.errors import InvalidArgument, UnknownName
from contacts_mcp.words.display import quoted, word
from contacts_mcp.words.folding import caseless, fold
from contacts_mcp.words.names import Names
from contacts_mcp.words.note import Note

SAMPLE_ROWS = 200

FROM_FULL = "full"  # the kind of a display name that is the full name of a row without its parts

SINGLE = ("first", "last", "middle", "prefix", "suffix", "full", "display", "company", "assignee", "country", "avatar")
_OWN_FIELDS = frozenset(["first", "last", "full", "display", "phone", "email", "tags", "opt_out", "assignee"])

# Targets as they are shown and may be given.
SHOWN = {
    "first": "first",
    "last": "last",
    "full": "full name",
    "display": "display_name",
    "phone": "phone",
    "email": "email",
    "tags": "tags",
    "tags_if_wanted": "tags, if wanted",
    "opt_out": "is_opted_out",
    "assignee": "assignee",
    "country": "country of the phone",
    "custom": "custom",
}
_GIVEN = {shown: target for target, shown in SHOWN.items()} | {"other": "other", "skip": "other", "country": "country"}

_OURS = {
    "phone": Known("phone", "main"),
    "first": Known("first"),
    "last": Known("last"),
    "display_name": Known("display"),
    "email": Known("email"),
    "tags": Known("tags"),
    "assignee": Known("assignee"),
    "opted out": Known("opt_out"),
    "avatar": Known("avatar"),
}

_PHONE_SHAPE = re.compile(r"\+\d[\d ().\-/]{6,}|\(?\d{2,5}[) ./-]+\d[\d ./-]{4,}")
_BARE_PHONE = re.compile(r"\+?\d{10,13}")
_MOST_SHARE = 0.8
_LABEL_WORDS = re.compile(r"label|type|value|number|typ|kind")
_COUNTRY_DOMAINS = {"uk": "GB"}
_NO_COUNTRIES = frozenset(["io", "co", "me", "tv", "ai", "eu", "cc", "to", "ly", "fm", "us"])


class Column(NamedTuple):
    """One column of a file."""

    header: str
    target: str  # a target of headers.toml, "custom", "avatar", "id" or "other"
    kind: str = ""
    field: str = ""  # the label of a custom field
    label: str = ""  # of a phone: the header of the column that says its kind
    is_given: bool = False  # the caller named the target


@dataclass(frozen=True, slots=True, kw_only=True)
class Mapping:
    """The columns of one file, ready for its rows."""

    columns: tuple[Column, ...]
    single: Table[str, tuple[str, ...]]  # target -> headers, for the targets of one text; the first that says something
    full_names: frozenset[str]  # columns whose text is split where a row has no parts of a name
    phones: tuple[Column, ...]  # the likeliest first
    emails: tuple[str, ...]
    tags: tuple[str, ...]
    opt_outs: tuple[Column, ...]
    custom: Table[str, str]  # header -> label of the custom field
    consents: frozenset[str]  # columns about consent to texts
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
        shown = {}
        for column in self.columns:
            if column.target == "email" and column.header != self.emails[0]:
                shown[column.header] = "other"
            elif column.target in SHOWN and column.kind != "never":
                shown[column.header] = SHOWN[column.target]
        return shown

    def said(self, target: str, cells: Table[str, str]) -> tuple[str, str]:
        """The first column of a single target that says something in a row, and its cell. Two empty texts for none."""
        return next(
            ((header, cell) for header in self.single.get(target, ()) if (cell := cells.get(header, ""))), ("", "")
        )

    @property
    def has_phones(self) -> bool:
        return any(column.kind != "never" for column in self.phones)


def mapping_of(
    source: Source, *, fields: Names | None = None, given: Table[str, str] | None = None, region: str = "US"
) -> Mapping:
    """The proposal for a file. `given` names the targets of some headers. Raises InvalidArgument, UnknownName."""
    sample = list(islice(source.records(), SAMPLE_ROWS))
    questions: list[Note] = []
    columns = [_column(header, source, fields, questions) for header in source.headers]
    columns = _with_given(columns, given or {}, fields)
    notes: list[Note] = []
    if not source.is_ours and source.format != "vcard":
        columns = _in_company(columns, sample)
        columns = _guessed(columns, sample, notes, has_header=source.header_line > 0 or source.format == "jsonl")
        columns = _with_labels(columns)
    return _assembled(source, columns, sample, notes, questions, region)


@lru_cache(maxsize=1024)
def kind_of_label(text: str) -> str:
    """The kind of a phone by the label beside it: "Mobile", "* Work Fax", "_$!<Main>!$_"."""
    label = text.strip().lstrip("* ").strip()
    if not label:
        return "main"
    found = known(f"phone {label}")
    return found.kind if found and found.target == "phone" else "other"


# The meaning of one header


def _column(header: str, source: Source, fields: Names | None, questions: list[Note]) -> Column:
    if source.format == "vcard":
        found = cards.meaning(header)
        return Column(header, *(found or Known("other")))
    label = _custom_label(header, fields)
    if source.is_ours:
        return (
            Column(header, *_OURS[header])
            if header in _OURS
            else Column(header, "custom" if label else "other", field=label)
        )
    meaning = known(header)
    if meaning and meaning.target in _OWN_FIELDS:
        if label:
            text = f"{quoted(header, limit=40)} may be the contact's own field or the custom field {word(label)}; the own one was taken."
            questions.append(Note("own_or_custom", text))
        return Column(header, *meaning)
    if label and (meaning is None or meaning.target != "country"):
        kind = meaning.target if meaning and meaning.target in ("consent", "id") else ""
        return Column(header, "custom", kind, field=label)
    return Column(header, *(meaning or Known("other", "unknown")))


def _custom_label(header: str, fields: Names | None) -> str:
    if fields is None or header.strip().isdecimal():
        return ""
    try:
        return fields.label(fields.resolve(header, argument="columns").id)
    except UnknownName:
        return ""


def _with_given(columns: list[Column], given: Table[str, str], fields: Names | None) -> list[Column]:
    unknown = [header for header in given if header not in {column.header for column in columns}]
    if unknown:
        there = ", ".join(word(column.header, limit=40) for column in columns[:20])
        raise InvalidArgument(
            "columns", f"there is no column {quoted(unknown[0], limit=40)}.", expected=f"Columns: {there}."
        )
    return [
        _given_column(column, given[column.header], fields) if column.header in given else column for column in columns
    ]


def _given_column(column: Column, target: str, fields: Names | None) -> Column:
    if target.strip().casefold() == "not is_opted_out":
        return Column(column.header, "opt_out", "inverse", is_given=True)
    own_target = _GIVEN.get(target.strip().casefold())
    if own_target and own_target != "custom":
        kind = (column.kind if column.kind in KIND_ORDER[:-1] else "main") if own_target == "phone" else ""
        return Column(column.header, "tags" if own_target == "tags_if_wanted" else own_target, kind, is_given=True)
    if fields is None:
        raise InvalidArgument(
            "columns", f"{quoted(target, limit=40)} is no field of a contact.", expected=f"Fields: {', '.join(_GIVEN)}."
        )
    label = fields.label(fields.resolve(target, argument="columns").id)
    return Column(column.header, "custom", field=label, is_given=True)


# The meaning of headers beside each other


def _in_company(columns: list[Column], sample: Sequence[Record]) -> list[Column]:
    targets = {(column.target, column.kind) for column in columns}
    has_first = any(target == "first" and kind != "given_or_full" for target, kind in targets)
    has_last = any(target == "last" and kind != "last_or_full" for target, kind in targets)
    has_given, has_family = ("first", "given_or_full") in targets, ("last", "last_or_full") in targets
    replaced = []
    for column in columns:
        if column.kind == "given_or_full":
            is_given = has_last or has_family
            column = column._replace(target="first" if is_given else "full", kind="")  # noqa: PLW2901 -- the same column
        elif column.kind == "last_or_full":
            column = column._replace(target="last" if has_first or has_given else "full", kind="")  # noqa: PLW2901
        replaced.append(column)
    first = next((column.header for column in replaced if column.target == "first"), "")
    has_last = any(column.target == "last" for column in replaced)
    return [_beside_names(column, first, has_last, sample) for column in replaced]


def _beside_names(column: Column, first: str, has_last: bool, sample: Sequence[Record]) -> Column:
    if column.target != "full" or column.is_given or not (first or has_last):
        return column
    if has_last or not first:
        return column._replace(target="display", kind=FROM_FULL)
    pairs = [(row.cells.get(first, "").strip(), row.cells.get(column.header, "").strip()) for row in sample]
    both = [(one, whole) for one, whole in pairs if one and whole]
    holding = sum(caseless(one) in caseless(whole) for one, whole in both)
    is_last = column.kind != "weak" and both and holding * 2 < len(both)
    return column._replace(target="last", kind="") if is_last else column._replace(target="display", kind=FROM_FULL)


def _guessed(columns: list[Column], sample: Sequence[Record], notes: list[Note], *, has_header: bool) -> list[Column]:
    """With a phone column, even if no header names one. Without a header, names and e-mails are found as well."""
    if any(column.target == "phone" and column.kind != "never" for column in columns):
        return columns
    unnamed = [column for column in columns if (column.target, column.kind) == ("other", "unknown")]
    shapes = (_PHONE_SHAPE,) if has_header else (_PHONE_SHAPE, _BARE_PHONE)
    found = [column for column in unnamed if _share(column, sample, shapes) >= _MOST_SHARE]
    guesses = {found[0].header: Known("phone", "main")} if found and (len(found) == 1 or not has_header) else {}
    if not has_header and guesses:
        emails = [
            c
            for c in unnamed
            if c.header not in guesses and _share(c, sample, (re.compile(r"\S+@\S+\.\w+"),)) >= _MOST_SHARE
        ]
        guesses |= {emails[0].header: Known("email")} if emails else {}
        names = [
            c
            for c in unnamed
            if c.header not in guesses and _share(c, sample, (re.compile(r"[^\d@]*[^\W\d]{2}[^\d@]*"),)) >= _MOST_SHARE
        ]
        guesses |= {names[0].header: Known("full")} if names else {}
    for header, meaning in guesses.items():
        text = f"{quoted(header, limit=40)} was taken for the {SHOWN[meaning.target]}, by its texts."
        notes.append(Note("guessed_column", text))
    return [Column(c.header, *guesses[c.header]) if c.header in guesses else c for c in columns]


def _share(column: Column, sample: Sequence[Record], shapes: Sequence[re.Pattern[str]]) -> float:
    texts = [text for row in sample if (text := plain(row.cells.get(column.header, "")))]
    fitting = sum(any(shape.fullmatch(text) for shape in shapes) for text in texts)
    return fitting / len(texts) if texts else 0.0


def _with_labels(columns: list[Column]) -> list[Column]:
    labels = {
        _LABEL_WORDS.sub("", fold(column.header)): column.header for column in columns if column.target == "phone_label"
    }
    return [
        column._replace(label=labels.get(_LABEL_WORDS.sub("", fold(column.header)), ""))
        if column.target == "phone"
        else column
        for column in columns
    ]


def _assembled(
    source: Source,
    columns: list[Column],
    sample: Sequence[Record],
    notes: list[Note],
    questions: list[Note],
    region: str,
) -> Mapping:
    def headers(target: str) -> tuple[str, ...]:
        return tuple(column.header for column in columns if column.target == target)

    phones = [column for column in columns if column.target == "phone"]
    country = next(iter(headers("country")), "")
    in_turn = sorted(columns, key=lambda column: (not column.is_given, column.kind == "weak"))
    regions = _regions(sample, country, headers("email"), region)
    return Mapping(
        columns=tuple(columns),
        single={
            target: found for target in SINGLE if (found := tuple(c.header for c in in_turn if c.target == target))
        },
        full_names=frozenset(c.header for c in columns if c.target == "full" or c.kind == FROM_FULL),
        phones=tuple(sorted(phones, key=lambda column: KIND_ORDER.index(column.kind or "main"))),
        emails=headers("email"),
        tags=headers("tags"),
        opt_outs=tuple(column for column in columns if column.target == "opt_out"),
        custom={column.header: column.field for column in columns if column.target == "custom"},
        consents=frozenset(
            c.header for c in columns if c.target == "consent" or (c.target, c.kind) == ("custom", "consent")
        ),
        ids=frozenset(c.header for c in columns if c.target == "id" or (c.target, c.kind) == ("custom", "id")),
        defaults=_defaults(columns, sample),
        regions=regions,
        is_ours=source.is_ours,
        is_cards=source.format == "vcard",
        notes=tuple(notes),
        questions=(*questions, *_on_other_consents(columns)),
    )


def _on_other_consents(columns: Sequence[Column]) -> list[Note]:
    others = [word(column.header, limit=40) for column in columns if column.target == "consent_other"]
    if not others:
        return []
    return [
        Note(
            "other_consent",
            f"{', '.join(others)}: about e-mails or calls, so nobody is opted out of texts by it. Right?",
        )
    ]


def _regions(sample: Sequence[Record], country: str, emails: Sequence[str], region: str) -> tuple[str, ...]:
    """Countries other than the region that the file names, or that most of its e-mails end in."""
    named = Counter(region_of(text) for row in sample if country and (text := row.cells.get(country, "").strip()))
    domains = Counter(
        text.rpartition(".")[2].lower()
        for row in sample
        for header in emails
        if "@" in (text := row.cells.get(header, "").strip())
    )
    ending = [
        _COUNTRY_DOMAINS.get(domain, domain.upper())
        for domain, count in domains.items()
        if len(domain) == 2 and domain not in _NO_COUNTRIES and count * 2 >= domains.total()  # noqa: PLR2004
    ]
    return tuple(dict.fromkeys(found for found in (*named, *ending) if found and found != region))


def _defaults(columns: Sequence[Column], sample: Sequence[Record]) -> frozenset[str]:
    if len(sample) < 2:  # noqa: PLR2004 -- one row proves nothing
        return frozenset()
    found = set()
    for column in columns:
        if column.target != "other":
            continue
        texts = {caseless(row.cells.get(column.header, "")) for row in sample}
        if len(texts) == 1 and texts <= USUAL_DEFAULTS:
            found.add(column.header)
    return frozenset(found)
