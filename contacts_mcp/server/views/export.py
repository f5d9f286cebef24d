"""The answers of an export, and the picture of the book as a small table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from pydantic import BaseModel

from contacts_mcp.server.views.fitting import CUTS, Answer, Facts, Shown, fitted, noted
from contacts_mcp.words.display import LABEL, Cut, inert, quoted, visible, word

if TYPE_CHECKING:
    from contacts_mcp.book import Exported, Picture

MOST_TAGS = 40


class ExportResult(BaseModel):
    """Answer of export_contacts."""

    contacts: int | None = None  # left out where nothing could be counted
    complete: bool
    file: str | None = None
    text: str | None = None  # of the file, where the answer holds it
    counts: list[Facts] | None = None  # of the picture
    notes: list[str]
    note_kinds: list[str] | None = None


class Count(NamedTuple):
    """One line of the picture."""

    part: str
    name: str
    contacts: int | None


def written(exported: Exported) -> Answer:
    """The answer to an export."""

    notes = list(dict.fromkeys(exported.notes))  # the mirror and the reading may give the same reason

    def shown(_: Cut) -> Shown:
        facts = ExportResult(
            contacts=exported.contacts,
            complete=exported.complete,
            file=exported.path or None,
            text=exported.text or None,
            **noted(notes),
        )
        many = f"{exported.contacts:,} contact{'' if exported.contacts == 1 else 's'}"
        where = f"Wrote {many} into {quoted(exported.path, limit=400)}" if exported.path else f"{many} as text"
        ending = f"{where}; complete: {'true' if exported.complete else 'false'}."
        content = [inert(line) for line in exported.text.splitlines()]
        return [*content, ending, *notes], facts

    return fitted(shown, cuts=CUTS[1:])


def pictured(picture: Picture) -> Answer:
    """The book in counts: a line each, part by part."""

    def shown(cut: Cut) -> Shown:
        known, counts = picture.account.known, [*_counts(picture)]
        total = picture.account.counts.get("contacts")
        facts = ExportResult(
            contacts=total,
            complete=known.complete,
            counts=[
                {"part": one.part, "name": visible(one.name, limit=cut.value), "contacts": one.contacts}
                for one in counts
            ],
            **noted(known.notes),
        )
        return [*_table(counts, total), *_ending(picture), *known.notes], facts

    return fitted(shown, cuts=CUTS[1:])


def _counts(picture: Picture) -> Iterator[Count]:
    """Completeness, opt-outs, tags, the values of the field, and months."""
    counts = picture.account.counts
    if not counts:
        return
    total = counts["contacts"]
    yield Count("filled", "name", total - counts["without_name"])
    yield Count("filled", "e-mail", counts["with_email"])
    yield Count("filled", "tags", total - counts["without_tags"])
    yield Count("filled", "assignee", total - counts["without_assignee"])
    for one in picture.account.fields:
        yield Count("filled", one.name, one.contacts)
    yield Count("opted out", "yes", counts["opted_out"])
    yield Count("opted out", "not known", counts["opt_out_unknown"])
    for name, count in picture.account.tags[:MOST_TAGS]:
        yield Count("tag", name, count)
    filled = sum(count for _, count in picture.values)
    for text, count in picture.values:
        yield Count(picture.field, text, count)
    if picture.field and picture.other_values:
        yield Count(picture.field, f"{picture.other_values} further values", None)
    if picture.field and not filled:
        yield Count(picture.field, "no value", total)
    for month, count in picture.months:
        yield Count("created", month, count)
    if picture.earlier:
        yield Count("created", "before", picture.earlier)


def _table(counts: Sequence[Count], total: int | None) -> list[str]:
    """The counts as a table in Markdown."""
    if not counts:
        return []
    rows = [(_cell(one.part), _cell(one.name), _number(one.contacts), _share(one.contacts, total)) for one in counts]
    return ["| what | which | contacts | share |", "|---|---|---:|---:|", *map(_row, rows)]


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(text: str) -> str:
    return word(text, limit=LABEL).replace("|", "\\|")


def _number(count: int | None) -> str:
    return f"{count:,}" if count is not None else ""


def _share(count: int | None, total: int | None) -> str:
    return f"{count / total:.0%}" if total and count is not None else ""


def _ending(picture: Picture) -> list[str]:
    known = picture.account.known
    if not known.is_there:
        return ["The counts come from the local index of contacts, which is not in use."]
    of = f" of {known.of:,}" if known.of is not None else ""
    whole = f"all {known.searched:,} contacts" if known.complete else f"{known.searched:,}{of} contacts"
    complete = "true" if known.complete else "false"
    return [f"Counted from {whole}; complete: {complete}; as of {known.as_of or 'now'}."]
