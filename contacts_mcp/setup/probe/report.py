"""The table of a probe, for people, and the same as Markdown for the maintainers. Neither holds a value of a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from contacts_mcp import __version__
from contacts_mcp.setup.probe.questions import QUESTIONS
from contacts_mcp.state.profile import Seen

HEADINGS = ("question", "seen", "expected", "what follows")
NOT_TOLD = "cannot tell"


def table(found: Mapping[str, Seen]) -> str:
    """A line a question, in columns. The reason stands under what cannot be told."""
    rows = [HEADINGS, *_rows(found)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(HEADINGS))]
    lines = [" | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    rule = "-+-".join("-" * width for width in widths)
    unclear = [f"{one.asks} {_reason(found[one.name])}" for one in QUESTIONS if not found[one.name].position]
    return "\n".join([lines[0], rule, *lines[1:], *(["", "Why it cannot be told:"] if unclear else []), *unclear])


def _rows(found: Mapping[str, Seen]) -> list[tuple[str, str, str, str]]:
    return [
        (
            one.asks,
            found[one.name].position or NOT_TOLD,
            one.expected,
            one.consequence(found[one.name].position),
        )
        for one in QUESTIONS
    ]


def markdown(found: Mapping[str, Seen], notes: Sequence[str]) -> str:
    """The table with the evidence for each line, to send to the maintainers."""
    head = ["question", "seen", "expected", "evidence"]
    rows = [
        [one.asks, found[one.name].position or NOT_TOLD, one.expected, found[one.name].evidence] for one in QUESTIONS
    ]
    lines = [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows]
    return "\n".join(
        [
            f"**contacts-mcp {__version__} probe**",
            "",
            *(f"- {note}" for note in notes),
            "",
            f"| {' | '.join(head)} |",
            f"|{' --- |' * len(head)}",
            *lines,
        ]
    )


def _reason(seen: Seen) -> str:
    return f"{seen.evidence or 'no clear answer came'}."


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
