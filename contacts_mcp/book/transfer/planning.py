"""Rows and the book -> a stored plan, which is what a person confirms and what runs.

1. The rows are read, looked up some hundred at a time and decided. A stored row is never worked out again.
2. The digest covers every row in order: its line, its decision, the contact and its state, the wanted values. It covers
   the columns, the switches and the file's own digest besides.
3. A plan that cannot be read to its end is no plan.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from contacts_mcp.api.pace import bulk_work
from contacts_mcp.book.book import Book
from contacts_mcp.book.people.requests import Edit
from contacts_mcp.book.people.suppressions import arrives_opted_out
from contacts_mcp.book.transfer.batches import are_known, may_carry
from contacts_mcp.book.transfer.deciding import RUNNING, Switches, decide
from contacts_mcp.book.transfer.limits import LARGE_ROWS, MOST_ROWS, unreadable
from contacts_mcp.book.transfer.looking import AT_ONCE, Judged, in_parts, judged, look
from contacts_mcp.book.transfer.mapping import Mapping as Columns
from contacts_mcp.book.transfer.mapping import mapping_of
from contacts_mcp.book.transfer.reading import Row, Tally, rows_of
from contacts_mcp.book.transfer.report import questions_of
from contacts_mcp.book.transfer.sources.source import Record, Source
from contacts_mcp.book.transfer.twins import Earlier, SeenInFile, Together, likeness
from contacts_mcp.book.transfer.verdicts import ACTIONS
from contacts_mcp.book.transfer.wishes import Wish, wish_of
from contacts_mcp.book.vocabulary import Snapshot
from contacts_mcp.models import Contact
from contacts_mcp.state.imports import StoredPlan, StoredRow
from contacts_mcp.state.scratch import Scratch

_LOOKED_UP = 8 * AT_ONCE  # rows decided together
_TOLD_CELLS = ("invalid", "conflict", "duplicate")  # decisions whose rows go into the problems file as they came


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The choices of the person who imports."""

    switches: Switches = field(default_factory=Switches)
    tags: Sequence[str] = ()  # given to every contact
    columns: Mapping[str, str] = field(default_factory=dict)  # header -> target
    large: bool = False  # a file of up to a million rows

    @property
    def most_rows(self) -> int:
        return LARGE_ROWS if self.large else MOST_ROWS

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self.switches), "tags": list(self.tags), "columns": dict(self.columns)}


def switches_of(plan: StoredPlan) -> Switches:
    return Switches(existing=plan.switches["existing"], twice=plan.switches["twice"])


# A file


async def plan_file(book: Book, plan: int, source: Source, asked: Asked) -> StoredPlan:
    """Fill `plan`, which was begun for that source. Raises Refused, InvalidArgument, UnknownName, UpstreamError."""
    token = bulk_work.set(True)
    try:
        async with book.imports.filling(plan):
            return await _Planning(book, plan, asked).of(source)
    finally:
        bulk_work.reset(token)


@dataclass(frozen=True, slots=True)
class _Read:
    """One row on its way to a decision."""

    row: Row
    wish: Wish
    earlier: Earlier | None
    cells: dict[str, str]


class _Planning:
    def __init__(self, book: Book, plan: int, asked: Asked) -> None:
        self._book = book
        self._plan = plan
        self._asked = asked
        self._counts = Counts(book)

    async def of(self, source: Source) -> StoredPlan:
        names = await self._book.vocabulary.read("fields", "tags", "members")
        columns = mapping_of(source, fields=names.fields, given=self._asked.columns, region=self._book.region)
        if not columns.has_phones:
            raise unreadable(
                "no_phone_column",
                f"No column of the file holds phones. Its columns are: {', '.join(source.headers[:20])}.",
                'Name the one that does in columns, for example {"Contact no": "phone"}.',
            )
        tags = [names.tags.resolve(tag, argument="tags").id for tag in self._asked.tags]
        tally = Tally()
        with closing(Scratch()) as scratch:
            for part in in_parts(self._read(source, columns, names, tags, tally, scratch), _LOOKED_UP):
                await self._decide(part, columns)
        facts = await self._facts(source, columns, tally)
        return await self._stored(facts)

    def _read(
        self,
        source: Source,
        columns: Columns,
        names: Snapshot,
        tags: Sequence[int],
        tally: Tally,
        scratch: Scratch,
    ) -> Iterator[_Read]:
        seen = SeenInFile(scratch)
        needs_assignee = any(column.target == "assignee" and column.is_given for column in columns.columns)
        fills = self._asked.switches.twice == "merge"

        def wished(row: Row) -> Wish:
            return wish_of(row, names, is_exact=columns.is_ours, needs_assignee=needs_assignee, more_tags=tags)

        region, most = self._book.region, self._asked.most_rows
        together = Together(scratch, source, columns, wished, region=region, fills=fills, most=most)
        kept: list[Record] = []

        def records() -> Iterator[Record]:
            for record in source.records():
                kept[:] = [record]
                yield record

        for came in rows_of(replace(source, records=records), columns, region=region, most=most, tally=tally):
            own = wished(came)
            came.refused = own.refused  # also for its values: a later row of this phone is no duplicate of it
            earlier = seen.first_with(came)
            row = came if earlier else together.first(came)
            yield _Read(row, own if row is came else wished(row), earlier, kept[0].cells)

    async def _decide(self, part: Sequence[_Read], columns: Columns) -> None:
        asked = [one.wish for one in part if not one.wish.refused and one.earlier is None]
        looked = await look(self._book, [wish.phone for wish in asked], [wish.email for wish in asked])
        rows = []
        for one in part:
            found = await judged(self._book, one.wish, looked, one.earlier, self._asked.switches)
            row = _stored_row(one, found, columns)
            is_read = row.decision not in ("invalid", "duplicate")
            self._counts.add(row, one.row, _left_of(one, columns) if is_read else ())
            rows.append(row)
        await self._book.imports.add(self._plan, rows)

    async def _facts(self, source: Source, columns: Columns, tally: Tally) -> dict[str, Any]:
        plan = await self._book.imports.plan(self._plan)
        assert plan is not None
        return plan.facts | {
            "format": source.format,
            "encoding": source.encoding,
            "delimiter": source.delimiter,
            "sheet": source.sheet,
            "header_line": source.header_line,
            "region": self._book.region,
            "headers": list(source.headers),
            "columns": {} if columns.is_cards else columns.proposal,
            "custom": dict(columns.custom),
            "not_contacts": source.not_contacts,
            "questions": [str(note) for note in questions_of(columns, tally)],
            "assumptions": [str(note) for note in (*source.assumptions, *columns.notes)],
        }

    async def _stored(self, facts: Mapping[str, Any]) -> StoredPlan:
        await self._book.imports.set(self._plan, facts=facts, counts=self._counts.as_json())
        return await sealed(self._book, self._plan)


def _left_of(one: _Read, columns: Columns) -> list[str]:
    """The headers of texts that become no part of the contact: a second phone, the notes of a card."""
    taken = {columns.said(target, one.cells)[0] for target in ("assignee", "avatar", "country")}
    return [header for header in one.row.other if header not in taken]


def _stored_row(one: _Read, found: Judged, columns: Columns) -> StoredRow:
    row, wish, decision = one.row, one.wish, found.decision
    runs = decision.decision in RUNNING
    shown: dict[str, Any] = {
        "name": row.display_name or " ".join(filter(None, (row.first, row.last))),
        "value": row.value if row.refused else "",
        "problem": wish.problem,
        "conflicts": decision.conflicts,
        "left_tags": list(decision.left_tags),
        "unknown": list(wish.unknown),
        "notes": list(row.notes),
        "opted_out": decision.opted_out,
        "arrived_opted_out": decision.decision == "new" and arrives_opted_out(wish.edit.values, decision.wanted),
        "says_in": wish.says_in,
    }
    if one.earlier:
        kind, has_other_name = likeness(row, one.earlier, columns.ids)
        shown |= {"of_line": one.earlier.line, "likeness": "other_name" if has_other_name else kind}
    if runs or decision.decision in _TOLD_CELLS:
        shown["cells"] = one.cells
    return _row_of(wish, found, number=row.number, phone=row.phone, contact_id=decision.contact_id, shown=shown)


def _row_of(
    wish: Wish, found: Judged, *, number: int, phone: str, contact_id: int | None, shown: Mapping[str, Any]
) -> StoredRow:
    """The row of a plan. Only one that runs keeps what it needs for that."""
    decision = found.decision
    runs = decision.decision in RUNNING
    return StoredRow(
        row=number,
        line=wish.line,
        phone=phone,
        decision=decision.decision,
        reason=decision.reason,
        contact_id=contact_id,
        state="planned" if runs else "",
        wish=wish_as_json(wish) if runs else {},
        expected=found.state,
        before=decision.before if runs else {},
        wanted=decision.wanted,
        shown={name: value for name, value in shown.items() if value},
    )


# One change for many


async def plan_update(book: Book, plan: int, contacts: Sequence[Contact], edit: Edit) -> StoredPlan:
    """Fill `plan` with one row for each of these contacts, all with the same edit."""
    counts, rows = Counts(book), []
    if len(contacts) > MOST_ROWS:
        raise unreadable("too_many_rows", f"These are more than {MOST_ROWS:,} contacts.", "Narrow the filters.")
    for number, contact in enumerate(contacts, start=1):
        row = _update_row(number, contact, edit)
        counts.add(row)
        rows.append(row)
    await book.imports.add(plan, rows)
    await book.imports.set(plan, counts=counts.as_json())
    return await sealed(book, plan)


def _update_row(number: int, contact: Contact, edit: Edit) -> StoredRow:
    wish = Wish(line=number, edit=replace(edit, values={**edit.values, "phone": contact.phone}))
    if not contact.phone:
        wish = replace(wish, refused="no_phone", problem="has no phone, and Heymarket changes no contact without.")
    found = Judged(decide(wish, [contact], [], None, Switches(existing="overwrite")), (contact,))
    shown = {"name": contact.name, "problem": wish.problem, "left_tags": list(found.decision.left_tags)}
    return _row_of(wish, found, number=number, phone=contact.phone, contact_id=contact.id, shown=shown)


# What both store


_COUNTED = ("decisions", "changes", "reasons", "notes", "likeness", "unknown", "conflicts", "marks", "keys", "left")
_MOST_COUNTED = 5_000  # different texts of one kind, such as unknown tags


class Counts:
    """The counts over all rows of a plan."""

    def __init__(self, book: Book) -> None:
        self._with_batches = are_known(book.profile)
        self._counters: dict[str, Counter[str]] = {name: Counter() for name in _COUNTED}
        self._changed: Counter[tuple[str, ...]] = Counter()  # a decision and the keys of its changes

    def add(self, row: StoredRow, read: Row | None = None, left: Sequence[str] = ()) -> None:
        decision, shown = row.decision, row.shown
        changed = [key for key, value in row.wanted.items() if row.before.get(key) != value]
        self._count("decisions", decision)
        self._changed[(decision, *changed)] += 1
        if len(self._changed) >= _MOST_COUNTED:
            self._sum_up()
        if row.reason:
            self._count("reasons", f"{decision} {row.reason}")
        if read:
            self._count("notes", *read.notes)
            self._count("left", *left)
        if conflicts := shown.get("conflicts"):
            self._count("conflicts", *conflicts)
            self._count("keys", *conflicts)
        self._count("unknown", *[f"{kind} {text}"[:80] for kind, text in shown.get("unknown", ())])
        self._count("marks", *self._marks_of(row))
        if "likeness" in shown:
            self._count("likeness", shown["likeness"])

    def _marks_of(self, row: StoredRow) -> list[str]:
        marks = [name for name in ("opted_out", "arrived_opted_out", "says_in", "left_tags") if row.shown.get(name)]
        is_update = ACTIONS.get(row.decision) == "update"
        in_batch = self._with_batches and is_update and may_carry(row.before, row.wanted)
        return [*marks, "in_batch"] if in_batch else marks

    def _count(self, name: str, *found: str, times: int = 1) -> None:
        counter = self._counters[name]
        for one in found:
            if one in counter or len(counter) < _MOST_COUNTED:
                counter[one] += times

    def _sum_up(self) -> None:
        """Few rows differ in the keys that they change, so the keys are counted together first."""
        for (decision, *keys), times in self._changed.items():
            self._count("changes", *[f"{decision} {key}" for key in keys], times=times)
            self._count("keys", *keys, times=times)
        self._changed.clear()

    def as_json(self) -> dict[str, dict[str, int]]:
        self._sum_up()
        return {name: dict(counter.most_common(50)) for name, counter in self._counters.items() if counter}


async def sealed(book: Book, plan: int) -> StoredPlan:
    """The plan, ready to be confirmed."""
    stored = await book.imports.plan(plan)
    assert stored is not None
    await book.imports.set(plan, digest=await digest_of_plan(book, stored), state="planned")
    ready = await book.imports.plan(plan)
    assert ready is not None
    return ready


async def digest_of_plan(book: Book, plan: StoredPlan) -> str:
    """BLAKE2b of 128 bits over everything that a person confirms, read back from the file."""
    found = hashlib.blake2b(digest_size=16)
    head = [plan.kind, plan.switches, plan.facts.get("digest"), plan.facts.get("columns"), plan.facts.get("edit")]
    found.update(json.dumps(head, sort_keys=True).encode("utf-8", "surrogatepass"))
    async for row in book.imports.confirmed(plan.plan):
        found.update(repr(row).encode())
    return found.hexdigest()


def wish_as_json(wish: Wish) -> dict[str, Any]:
    edit = wish.edit
    return {
        "values": edit.values,
        "add": list(edit.add_tags),
        "remove": list(edit.remove_tags),
        "replace": edit.replace_custom,
    }


def wish_from(row: StoredRow) -> Wish:
    stored = row.wish
    edit = Edit(stored["values"], stored["replace"], add_tags=tuple(stored["add"]), remove_tags=tuple(stored["remove"]))
    return Wish(line=row.line, edit=edit)
