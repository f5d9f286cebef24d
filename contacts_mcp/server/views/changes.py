"""Changes as people read them: one field before and after, and the list of what this server did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from contacts_mcp.server.views.fitting import (
    CUTS,
    NAME,
    Answer,
    Facts,
    Shown,
    fitted,
    going_on,
)
from contacts_mcp.words.display import VALUE, Cut, lines_of, quoted, safe_rows, visible

if TYPE_CHECKING:
    from contacts_mcp.book import Change, Entry, ShownChange


class ChangesResult(BaseModel):
    """Answer of list_changes."""

    changes: list[Facts]
    next_cursor: str  # empty at the end
    complete: bool


def changes_listed(told: Sequence[ShownChange], *, is_more: bool) -> Answer:
    """The answer to a question for changes. `is_more` says that there are older ones."""
    cursor = str(told[-1].entry.change_id) if is_more else ""
    ending = f"complete: false; {going_on(cursor)}" if cursor else "complete: true."
    nothing = (
        "The journal holds no such change. It goes back 30 days, and knows only the changes that its own servers made."
    )

    def shown(cut: Cut) -> Shown:
        facts = ChangesResult(changes=[_told_facts(one, cut) for one in told], next_cursor=cursor, complete=not cursor)
        return [*(_told_line(one, cut) for one in told), *([] if told else [nothing]), ending], facts

    return fitted(shown, cuts=CUTS[1:])


def change_facts(changes: Sequence[Change], cut: Cut) -> list[dict[str, Any]]:
    sides = safe_rows(({"before": change.before, "after": change.after} for change in changes), cut)
    return [{"field": change.field, **side} for change, side in zip(changes, sides, strict=True)]


def change_lines(changes: Sequence[Change], cut: Cut) -> list[str]:
    return lines_of([(change.field, change.before, change.after) for change in changes], cut)


def _told_facts(one: ShownChange, cut: Cut) -> dict[str, Any]:
    entry = one.entry
    facts = {
        "change_id": entry.change_id,
        "at": one.at,
        "action": entry.action,
        "state": entry.state,
        "who": visible(entry.who, limit=NAME),
        "contact_id": entry.contact_id,
        "name": visible(_name_in(entry), limit=NAME),
        "changes": change_facts(one.changes[: cut.items], cut),
        "consent": visible(entry.consent, limit=VALUE),
        "about": _about_run(entry) if entry.action == "import" else "",
        "undoes": entry.undoes,
        "undone_by": entry.undone_by,
    }
    return {name: value for name, value in facts.items() if value not in (None, "", [])}


def _told_line(one: ShownChange, cut: Cut) -> str:
    entry = one.entry
    begun = f"change {entry.change_id}, {one.at}{_by(entry)}"
    undone = f"; taken back by {entry.undone_by}" if entry.undone_by else ""
    undoes = f"; takes back {entry.undoes}" if entry.undoes else ""
    about = f"contact {entry.contact_id or '(no id yet)'} {quoted(_name_in(entry), limit=NAME)}"
    if entry.action == "import":
        return f"{begun}: {_about_run(entry)}{_STATES[entry.state]}{undoes}{undone}"
    consent = f"; consent given: {quoted(entry.consent, limit=VALUE)}" if entry.consent else ""
    more = f"; … (+{len(one.changes) - cut.items} more)" if len(one.changes) > cut.items else ""
    changes = "; ".join(change_lines(one.changes[: cut.items], cut))
    return f"{begun}: {entry.action} {about}{_STATES[entry.state]}{undoes}{undone}: {changes}{more}{consent}"


def _by(entry: Entry) -> str:
    return f", by {quoted(entry.who, limit=NAME)}" if entry.who else ""


def _about_run(entry: Entry) -> str:
    """A run of many rows on one line: its source, what was planned, and how many rows came out how."""
    record = entry.record
    kinds = {"file": "import of", "update": "one change for many:", "undo": "taking back a run:"}
    counts = ", ".join(f"{count} {decision}" for decision, count in record.get("counts", {}).items())
    outcomes = ", ".join(f"{count} {_OUTCOMES.get(state, state)}" for state, count in entry.after.items())
    told = "; ".join(filter(None, (counts, outcomes)))
    what = f"{kinds.get(record.get('kind', ''), 'run of')} {quoted(str(record.get('file', '')), limit=NAME)}"
    return f"{what} (plan {record.get('plan')}{f': {told}' if told else ''})"


_OUTCOMES = {"told": "done with a remark", "moved": "left alone", "planned": "not reached"}
_STATES = {
    "done": "",
    "not_done": " (not carried out)",
    "begun": " (under way)",
    "unknown": " (not known whether it was carried out)",
}


def _name_in(entry: Entry) -> str:
    known = entry.before or entry.after or entry.wanted
    return str(known.get("display_name") or " ".join(str(known[name]) for name in ("first", "last") if known.get(name)))
