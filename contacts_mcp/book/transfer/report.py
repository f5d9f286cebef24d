"""A reading as JSON lines: first the file, then its rows in order.

`contacts-mcp import FILE --dry-run --json` prints it.

Without an account every row is new, invalid or a duplicate. A plan gives its own decisions.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from collections.abc import Mapping as Table
from contextlib import closing
from typing import Any, NamedTuple

from contacts_mcp.book.transfer.cells import opt_out_of
from contacts_mcp.book.transfer.headers import words_of
from contacts_mcp.book.transfer.mapping import Mapping
from contacts_mcp.book.transfer.reading import Row, Tally, rows_of
from contacts_mcp.book.transfer.sources.source import Source
from contacts_mcp.book.transfer.twins import Earlier, SeenInFile, likeness
from contacts_mcp.state.scratch import Scratch
from contacts_mcp.words.display import quoted, word
from contacts_mcp.words.note import Note

MOST_VALUES = 5  # of a column about consent, in a question
_OUT_WORDS = frozenset(["optout", "optedout", "unsubscribe", "unsubscribed", "donottext"])


class Decided(NamedTuple):
    """A plan's decision on one row, and of an invalid one the reason, as a kind and in words."""

    decision: str
    reason: str = ""
    problem: str = ""


def report(
    source: Source,
    mapping: Mapping,
    *,
    name: str,
    region: str,
    decided: Table[int, Decided] | None = None,
) -> Iterator[str]:
    """The lines, without line ends. `decided` are the decisions of a plan by the numbers of its rows.

    The rows are held until the counts are known, so this is for files of `limits.MOST_ROWS`.
    """
    tally, counts = Tally(), Counter[str]()
    lines = []
    with closing(Scratch()) as scratch:
        seen = SeenInFile(scratch)
        for row in rows_of(source, mapping, region=region, tally=tally):
            planned = (decided or {}).get(row.number)
            if planned and planned.decision == "invalid" and not row.refused:  # for its values
                row.refused, row.value = planned.reason, planned.problem
            earlier = seen.first_with(row)
            decision = planned.decision if planned else _without_account(row, earlier)
            counts[decision] += 1
            lines.append(_json(_row(row, earlier, mapping) | {"decision": decision}))
    yield _json(_file(source, mapping, name, region, tally, counts))
    yield from lines


def _without_account(row: Row, earlier: Earlier | None) -> str:
    """The decision on a row in an empty account."""
    return "invalid" if row.refused else "duplicate" if earlier else "new"


def questions_of(mapping: Mapping, tally: Tally) -> list[Note]:
    """The questions that only a person can answer."""
    on_consent = [_on_consent(header, found) for header, found in tally.consents.items()]
    return [*on_consent, *_on_countries(mapping, tally), *mapping.questions]


def _file(
    source: Source, mapping: Mapping, name: str, region: str, tally: Tally, counts: Counter[str]
) -> dict[str, Any]:
    refused, duplicates = counts["invalid"], counts["duplicate"]
    facts: dict[str, Any] = {
        "file": name,
        "format": source.format,
        "encoding": source.encoding,
        "delimiter": source.delimiter,
        "sheet": source.sheet,
        "header_line": source.header_line,
        "region": region,
        "columns": {} if mapping.is_cards else mapping.proposal,
        "refused": "" if mapping.has_phones else "no_phone_column",
        "not_contacts": source.not_contacts,
        "questions": [str(question) for question in questions_of(mapping, tally)],
        "assumptions": [str(note) for note in (*source.assumptions, *mapping.notes)],
    }
    numbers = {
        "rows": tally.rows,
        "contacts": tally.rows - refused - duplicates,
        "refused_rows": refused,
        "duplicates": duplicates,
        "counts": dict(counts),
    }
    return {key: value for key, value in facts.items() if value} | numbers


def _row(row: Row, earlier: Earlier | None, mapping: Mapping) -> dict[str, Any]:
    notes = list(row.notes)
    if earlier:
        kind, has_other_name = likeness(row, earlier, mapping.ids)
        notes += [kind, *(["other_name_under_this_phone"] if has_other_name else [])]
    shown: dict[str, Any] = {"phone": row.phone} if not row.refused else {"refused": row.refused, "value": row.value}
    shown |= {
        "first": row.first,
        "last": row.last,
        "display_name": row.display_name,
        "email": row.email,
        "tags": list(row.tags),
        "opt_out": row.opt_out,
        "other": {**row.other, **row.custom},
    }
    shown |= {"notes": notes} if notes else {}
    shown |= {"duplicate_of_line": earlier.line} if earlier else {}
    return {"row": row.number, "line": row.line, **shown}


def _on_consent(header: str, found: Counter[str]) -> Note:
    """The question about a column of consents, with its values and the one that may mean an opt-out."""
    values = ", ".join(
        " ".join((word(text, limit=40), str(count))) for text, count in list(found.items())[:MOST_VALUES]
    )
    means_out = bool(_OUT_WORDS & {*words_of(header)})
    out = next((text for text in found if _is_out(text, yes_is_out=means_out)), "")
    mark = f"; mark the {quoted(out, limit=40)} as opted out?" if out else "."
    return Note("consent", f"{word(header, limit=60)}: {values}. Consent is not imported{mark}")


def _on_countries(mapping: Mapping, tally: Tally) -> list[Note]:
    """The question about numbers that are valid at home and in a country of which the file speaks."""
    count = tally.notes["suspicious_country"]
    text = (
        f"{count} numbers without a country are also numbers of {' or '.join(mapping.regions)}. Which country is meant?"
    )
    return [Note("suspicious_country", text)] if count else []


def _is_out(text: str, *, yes_is_out: bool) -> bool:
    try:
        return opt_out_of(text, yes_is_out=yes_is_out) is True
    except ValueError:
        return False


def _json(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False)
