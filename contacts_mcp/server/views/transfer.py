"""The answers about many contacts at once: the plan, the progress of its run, and the outcomes of its rows.

A plan of any length is told in about 600 tokens: counts, columns, assumptions, a few examples. Rows are shown a page at
a time, where they are asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel

from contacts_mcp.server.views.fitting import Answer, ContactFacts, Facts, going_on, noted
from contacts_mcp.words.display import quoted, shortened, visible, word
from contacts_mcp.words.note import Note
from contacts_mcp.words.phones import show

if TYPE_CHECKING:
    from contacts_mcp.book.vocabulary import Snapshot
    from contacts_mcp.state.imports import StoredPlan, StoredRow

VALUE = 40  # characters of a text from a file
MOST_LISTED = 8
MOST_EXAMPLES = 8
MOST_REMARKS = 6  # assumptions and questions about the file

Status = Literal["needs_confirmation", "planned", "planning", "running", "stopped", "done", "declined"]


class PlanResult(BaseModel):
    """Answer of a tool that plans and carries out. A field that does not apply is left out."""

    status: Status
    plan: int | None = None
    about: Facts | None = None  # the source, its columns and what is not imported
    counts: Facts | None = None  # decision -> rows
    outcomes: Facts | None = None  # state -> rows, once the run was begun
    change_id: int | None = None
    question: str | None = None
    confirm_token: str | None = None
    notes: list[str]
    note_kinds: list[str] | None = None


class StatusResult(BaseModel):
    """Answer of import_status."""

    status: Literal["planned", "planning", "running", "stopped", "done"]
    plan: int
    about: Facts | None = None
    counts: Facts | None = None
    outcomes: Facts | None = None
    shown: list[Facts] | None = None
    next_cursor: str | None = None  # of the rows that were asked for; empty at the end
    complete: bool | None = None
    change_id: int | None = None
    notes: list[str]
    note_kinds: list[str] | None = None


class UndoResult(PlanResult):
    """Answer of undo_change: about one contact, or about a whole run."""

    status: Literal[  # type: ignore[assignment]  # those of one contact as well
        "undone", "unchanged", "planned", "planning", "running", "stopped", "done", "declined", "needs_confirmation"
    ]
    contact: ContactFacts | None = None
    changes: list[Facts] | None = None


# Each decision, behind the number of its rows.
TOLD = {
    "new": "to create",
    "fill": "to fill, empty fields only",
    "update": "to change",
    "same": "already as wanted",
    "skip": "in the book already, so left alone",
    "conflict": "left out: contradicts the book",
    "duplicate": "left out: an earlier line has the same phone",
    "invalid": "left out: not valid",
    "delete": "to delete with the conversation, because the run created it",
    "restore": "to restore",
    "create_again": "to create again, because the run deleted it",
    "kept": "kept: changed since, gone, or an opt-out that stays",
}
# What a yes to the question does to the contacts of each decision.
ASKED = {
    "new": "create {}",
    "fill": "fill empty fields of {}",
    "update": "change {}",
    "delete": "delete {} that the run created, with the conversations",
    "restore": "restore {}",
    "create_again": "create {} again",
}
OUTCOMES = {
    "done": "done",
    "told": "done with a remark",
    "moved": "left alone, because the contact was changed after the plan was made",
    "failed": "failed",
    "planned": "not reached yet",
    "sending": "sent, outcome not seen yet",
}


def requests_of(plan: StoredPlan) -> int:
    """About how many requests the run takes."""
    from contacts_mcp.book.transfer.running import requests_for

    in_batches = plan.counts.get("marks", {}).get("in_batch", 0)
    return requests_for(plan.counts.get("decisions", {}), updates_in_batches=in_batches)


def planned(
    plan: StoredPlan,
    examples: Sequence[StoredRow],
    names: Snapshot,
    *,
    token: str,
    per_minute: int,
    notes: Sequence[str] = (),
) -> Answer:
    """The plan, and the call that carries it out. Without a token there is nothing to do.

    `per_minute` is how many requests the account may make in a minute.
    """
    counts, facts = _named(plan.counts, names), plan.facts
    decisions = counts.get("decisions", {})
    question = _question(plan) if token else ""
    rows = sum(decisions.values())
    about = {
        "source": _text(facts.get("file", "")),
        "rows": rows,
        "fields": _fields(counts),
        "columns": {_text(header): target for header, target in _first(facts.get("columns", {})).items()},
        "not_imported": _not_imported(facts),
        "refused": counts.get("reasons"),
        "requests": requests_of(plan),
    }
    result = PlanResult(
        status="needs_confirmation" if token else "planned",
        plan=plan.plan,
        about={name: value for name, value in about.items() if value},
        counts=decisions,
        question=question or None,
        confirm_token=token or None,
        **noted([*_remarks(plan, counts), *notes, *([] if decisions else [_NO_ROWS[plan.kind]])]),
    )
    lines = [
        f"{result.status}: plan {plan.plan}, {_source(plan)}, {_counted(plan, rows)}. Nothing is changed yet.",
        *(f"- {count:,} {TOLD.get(name, name)}{_with(name, counts)}" for name, count in decisions.items()),
        *_column_lines(facts),
        *(f"- {_example(plan, row, names)}" for row in examples[:MOST_EXAMPLES]),
        *result.notes,
        *_next_lines(plan, token, question, per_minute),
    ]
    return Answer(lines, result.model_dump(mode="json", exclude_none=True))


_NO_ROWS = {
    "file": Note("no_rows", "There are no rows, so there is nothing to do."),
    "update": Note("no_rows", "Nobody is meant by that. search_contacts finds ids, and the values in use."),
    "undo": Note("no_rows", "There is nothing to take back."),
}


def _named(counts: Mapping[str, Any], names: Snapshot) -> dict[str, Any]:
    """The counts with the fields under the names that people give them."""
    from contacts_mcp.book.cards import field_name

    def label(key: str) -> str:
        decision, space, name = key.rpartition(" ")
        return f"{decision}{space}{field_name(name, names)}"

    told = ("changes", "conflicts")
    return {
        name: {label(key): count for key, count in table.items()} if name in told else table
        for name, table in counts.items()
    }


def _next_lines(plan: StoredPlan, token: str, question: str, per_minute: int) -> list[str]:
    rows = f"To see rows call {_call_for_rows(plan)}."
    if not plan.counts.get("decisions"):
        return []
    if not token:
        return ["There is nothing to do.", rows]
    requests = requests_of(plan)
    takes = "some seconds" if requests < per_minute else f"about {max(1, round(requests / per_minute))} min"
    return [
        f"It takes about {requests:,} requests, {takes}. {rows}",
        f'Ask the person: {question} After a yes call {call_for(plan)}, confirm_token="{token}") within an hour.',
    ]


def _call_for_rows(plan: StoredPlan) -> str:
    """The call that shows the rows which are left out, or those of the first decision."""
    show = _show_left_out(plan, {}) or next(iter(plan.counts.get("decisions", {})), "problems")
    return f'import_status(plan={plan.plan}, show="{show}")'


def _show_left_out(plan: StoredPlan, outcomes: Mapping[str, int]) -> str:
    """The value of `show` for the rows that were not carried out as they stand. "" where there are none."""
    found = {*plan.counts.get("decisions", {}), *(state for state, count in outcomes.items() if count)}
    if found & {"conflict", "invalid", "told", "moved", "failed"}:
        return "problems"
    return "kept" if "kept" in found else ""


def _question(plan: StoredPlan) -> str:
    decisions = plan.counts.get("decisions", {})
    parts = [text.format(_contacts(decisions[name])) for name, text in ASKED.items() if decisions.get(name)]
    return f"Carry out plan {plan.plan} ({_source(plan)}): {', '.join(parts)}?"


def _contacts(count: int) -> str:
    return f"{count:,} contact{'' if count == 1 else 's'}"


def _counted(plan: StoredPlan, rows: int) -> str:
    return f"{rows:,} row{'' if rows == 1 else 's'}" if plan.kind == "file" else _contacts(rows)


def _source(plan: StoredPlan) -> str:
    facts = plan.facts
    name = quoted(str(facts.get("file", "")), limit=60)
    if plan.kind == "undo":
        return f"taking back change {facts.get('undoes')}"
    if plan.kind == "update":
        change = shortened(str(facts.get("change", "")), limit=200)
        return f"{change} for {name}"
    how = ", ".join(word(str(facts[key]), limit=60) for key in ("format", "encoding", "sheet") if facts.get(key))
    return f"{name} ({how})"


def _fields(counts: Mapping[str, Any]) -> dict[str, int]:
    return {key: count for key, count in list(counts.get("changes", {}).items())[:MOST_LISTED] if "new " not in key}


def _with(decision: str, counts: Mapping[str, Any]) -> str:
    """The fields that this decision writes, or the reasons for it, with their numbers."""
    if decision == "new":
        return ""
    table = {**counts.get("changes", {}), **counts.get("reasons", {})}
    if decision == "duplicate":
        table = {f"duplicate {kind}": count for kind, count in counts.get("likeness", {}).items()}
    found = {key.partition(" ")[2]: count for key, count in table.items() if key.partition(" ")[0] == decision}
    parts = [f"{_reason(name)} {count:,}" for name, count in list(found.items())[:MOST_LISTED]]
    return f" ({', '.join(parts)})" if parts else ""


def _reason(name: str) -> str:
    """A field as it is called, and a reason in words."""
    from contacts_mcp.book.transfer.problems import REASONS

    return f"{REASONS[name]}:" if name in REASONS else word(name.replace("_", " "), limit=VALUE)


def _first(table: Mapping[str, str]) -> dict[str, str]:
    return dict(list(table.items())[:20])


def _not_imported(facts: Mapping[str, Any]) -> list[str]:
    columns = facts.get("columns", {})
    return [_text(header) for header in facts.get("headers", []) if columns.get(header) in (None, "other")][:20]


def _column_lines(facts: Mapping[str, Any]) -> list[str]:
    columns = [
        f"{quoted(header, limit=VALUE)} -> {'custom field' if target == 'custom' else target}"
        for header, target in _first(facts.get("columns", {})).items()
    ]
    others = [quoted(header, limit=VALUE) for header in _not_imported(facts)]
    return [
        *([f"Columns: {', '.join(columns)}."] if columns else []),
        *([_told_of_others(others)] if others and columns else []),
    ]


def _told_of_others(others: Sequence[str]) -> str:
    named = f"{', '.join(others[:MOST_LISTED])}{_more(others)}"
    way = f'columns={{{others[0]}: "NAME OF A FIELD"}}'
    return f"Not imported: {named}. To import one, plan again with {way}."


def _more(items: Sequence[Any]) -> str:
    return f" and {len(items) - MOST_LISTED} more" if len(items) > MOST_LISTED else ""


def _remarks(plan: StoredPlan, counts: Mapping[str, Any]) -> list[str]:
    facts = plan.facts
    questions = [Note("question", shortened(text, limit=200)) for text in facts.get("questions", [])[:MOST_REMARKS]]
    room = MOST_REMARKS - len(questions)
    told: list[str] = [
        *(Note("assumption", shortened(text, limit=200)) for text in facts.get("assumptions", [])[:room]),
        *questions,
        *_switches_told(plan),
    ]
    for table, name, text in _COUNTED:
        if count := counts.get(table, {}).get(name):
            told.append(Note(name, text.format(f"{count:,}", region=facts.get("region"))))
    told += _left_out(counts, facts)
    if conflicts := counts.get("conflicts"):
        parts = ", ".join(f"{word(name, limit=VALUE)} {count:,}" for name, count in list(conflicts.items())[:5])
        way = 'To take the values of the file, plan again with existing="overwrite".'
        text = f"The file and the book differ, and the book stays as it is: {parts}. {way}"
        told.append(Note("book_stays", text))
    return told


# Where a plan counts it, the kind of the note, and its words.
_COUNTED = (
    ("notes", "assumed_country", "Phones without a country code, read as {region}: {}."),
    ("notes", "name_split", "Full names split into first and last: {}."),
    ("marks", "opted_out", "Contacts that are opted out of texts, and stay so: {}."),
    (
        "marks",
        "arrived_opted_out",
        "New contacts that arrive opted out, because an opted-out contact left, or may have left, their number: {}.",
    ),
    ("marks", "says_in", "Rows that say not opted out: {}. That is not imported, because nobody is opted in."),
    ("marks", "left_tags", "Contacts without room for all tags (at most 5 each): {}."),
)


def _left_out(counts: Mapping[str, Any], facts: Mapping[str, Any]) -> list[Note]:
    """Notes on texts that no contact gets: unknown names, and a second value where a contact has one."""
    kinds: dict[str, dict[str, int]] = {}
    for name, count in counts.get("unknown", {}).items():
        kind, _, text = name.partition(" ")
        kinds.setdefault("ambiguous" if kind == "ambiguous" else "unknown", {})[text] = count
    is_tag = any(name.startswith("tag ") for name in counts.get("unknown", {}))
    way = " update_contact makes a tag with create_missing_tags. Then plan again." if is_tag else ""
    columns = facts.get("headers", []) if facts.get("columns") else []
    told = {header for header in columns if facts["columns"].get(header) in (None, "other")}
    kinds["left"] = {header: count for header, count in counts.get("left", {}).items() if header not in told}
    sentences = (
        ("unknown", "unknown_names", "Left out, because the account does not have them: {}." + way),
        ("ambiguous", "ambiguous_names", "Left out, because each may mean several: {}."),
        ("left", "texts_left", "Not imported, because a contact has one of each, or no place for it: {}."),
    )
    return [Note(note, text.format(_numbered(found))) for kind, note, text in sentences if (found := kinds.get(kind))]


def _numbered(names: Mapping[str, int]) -> str:
    told = [f"{quoted(name, limit=VALUE)} {count:,}" for name, count in list(names.items())[:MOST_LISTED]]
    return f"{', '.join(told)}{_more([*names])}"


def _switches_told(plan: StoredPlan) -> list[Note]:
    """The choices of the call that are not the usual ones, as they change values."""
    tags = ", ".join(quoted(tag, limit=VALUE) for tag in plan.switches.get("tags", ()))
    is_overwriting = plan.switches.get("existing") == "overwrite"
    replacing = Note("overwrites", "Values of the file replace those in the book. Blanks erase nothing.")
    return [
        *([replacing] if is_overwriting else []),
        *([Note("tags_given", f"Tags of this import: {tags}.")] if tags else []),
    ]


def _example(plan: StoredPlan, row: StoredRow, names: Snapshot) -> str:
    name = quoted(str(row.shown["name"]), limit=VALUE) if row.shown.get("name") else ""
    contact = f"contact {row.contact_id}" if row.contact_id and plan.kind == "file" else ""
    who = " ".join(filter(None, (contact, name, show(row.phone) if row.phone else "")))
    why = _changes(row, names) if row.state == "planned" else _why(row, names)
    known = f"contact {row.contact_id}" if row.contact_id else "new contact"
    place = f"line {row.line}" if plan.kind == "file" else known
    return f"{place}, {row.decision}: {who}{f' ({why})' if why else ''}"


def _changes(row: StoredRow, names: Snapshot) -> str:
    """The changes that a planned row would make to a contact."""
    if row.shown.get("arrived_opted_out"):
        return "arrives opted out, because of a contact that left the number"
    if not row.before or not row.wanted:
        return ""
    pairs = {key: (row.before.get(key), value) for key, value in row.wanted.items() if row.before.get(key) != value}
    return _pairs(pairs, names)


def _pairs(pairs: Mapping[str, Sequence[Any]], names: Snapshot, *, words: str = "{} {} -> {}") -> str:
    from contacts_mcp.book.cards import field_name, in_quotes

    told = [
        words.format(word(field_name(key, names), limit=VALUE), in_quotes(key, had, names), in_quotes(key, said, names))
        for key, (had, said) in list(pairs.items())[:3]
    ]
    return shortened("; ".join(told), limit=200)


def _why(row: StoredRow, names: Snapshot) -> str:
    from contacts_mcp.book.cards import with_names

    if row.outcome:
        return shortened(with_names(row.outcome, names), limit=200)
    if pairs := row.shown.get("conflicts"):
        return _pairs(pairs, names, words="{}: the book has {}, the file {}")
    if row.decision == "duplicate":
        return f"line {row.shown.get('of_line')}, {str(row.shown.get('likeness', '')).replace('_', ' ')}"
    if problem := row.shown.get("problem"):
        return shortened(str(problem), limit=160)
    value = quoted(str(row.shown["value"]), limit=VALUE) if row.shown.get("value") else ""
    return " ".join(filter(None, (value, row.reason.replace("_", " "))))


def progress(
    plan: StoredPlan,
    states: Mapping[str, int],
    *,
    status: Status,
    problems_file: str = "",
) -> Answer:
    """The progress of a run, or its outcome."""
    lines, facts = _progress(plan, states, status, problems_file)
    return Answer(lines, PlanResult(**facts).model_dump(mode="json", exclude_none=True))


def rows_shown(
    plan: StoredPlan,
    states: Mapping[str, int],
    rows: Sequence[StoredRow] | None,
    names: Snapshot,
    *,
    status: Status,
    is_more: bool,
    problems_file: str = "",
) -> Answer:
    """How far a run is, and a page of its rows where they were asked for."""
    cursor = str(rows[-1].row) if rows and is_more else ""
    lines, facts = _progress(plan, states, status, problems_file)
    if rows is not None:
        facts |= {
            "shown": [_row_facts(plan, row, names) for row in rows],
            "next_cursor": cursor,
            "complete": not cursor,
        }
        lines += [f"- {_example(plan, row, names)}" for row in rows] or ["There are no such rows."]
        lines.append(f"complete: false; {going_on(cursor)}" if cursor else "complete: true.")
    return Answer(lines, StatusResult(**facts).model_dump(mode="json", exclude_none=True))


def _progress(
    plan: StoredPlan, states: Mapping[str, int], status: Status, problems_file: str
) -> tuple[list[str], dict[str, Any]]:
    """The progress of a run, as lines and as members of the answer."""
    found = {state: count for state, count in states.items() if state}
    lines, notes = _progress_lines(plan, found, status, problems_file)
    return lines, {
        "status": status,
        "plan": plan.plan,
        "about": _about_progress(plan, found, problems_file),
        "counts": plan.counts.get("decisions") or None,
        "outcomes": found,
        "change_id": plan.change_id,
        **noted(notes),
    }


def _left(found: Mapping[str, int]) -> int:
    return found.get("planned", 0) + found.get("sending", 0)


def _about_progress(plan: StoredPlan, found: Mapping[str, int], problems_file: str) -> dict[str, Any]:
    total = sum(found.values())
    about = {"source": _text(plan.facts.get("file", "")), "problems_file": problems_file}
    return {name: value for name, value in about.items() if value} | {"finished": total - _left(found), "total": total}


def _progress_lines(
    plan: StoredPlan, found: Mapping[str, int], status: Status, problems_file: str
) -> tuple[list[str], list[str]]:
    """The lines, and those among them that are notes."""
    total = sum(found.values())
    notes: list[str] = []
    if problems_file:
        place = quoted(problems_file, limit=400)
        text = f"The rows that were not imported are in {place}, with the reasons. Correct them there, and import it."
        notes.append(Note("problems_file", text))
    elif status == "done" and (show := _show_left_out(plan, found)):
        notes.append(Note("rows_to_see", f'For the reasons call import_status(plan={plan.plan}, show="{show}").'))
    if status == "done" and plan.change_id:
        whole = (
            f"The whole run is change {plan.change_id}. To take it back call undo_change(change_id={plan.change_id})."
        )
        notes.append(Note("one_change", whole))
    if plan.problem and status == "stopped":
        notes.append(Note("stopped", plan.problem))
    outcomes = [f"- {count:,} {OUTCOMES.get(state, state)}" for state, count in found.items()]
    decisions = plan.counts.get("decisions", {})
    others = [f"- {count:,} {TOLD.get(name, name)}" for name, count in decisions.items() if name not in ASKED]
    return [_headline(plan, status, total - _left(found), total), *outcomes, *others, *notes], notes


def call_for(plan: StoredPlan) -> str:
    """The beginning of the call that carries this plan out, or goes on with it."""
    if plan.kind == "undo":
        return f"undo_change(change_id={plan.facts.get('undoes')}"
    tool = "update_contacts" if plan.kind == "update" else "import_contacts"
    return f"{tool}(plan={plan.plan}"


def _headline(plan: StoredPlan, status: Status, finished: int, total: int) -> str:
    name = f"{status}: plan {plan.plan} ({_source(plan)})"
    match status:
        case "planning":
            return f"{name} is still being made. Call import_status(plan={plan.plan}) in a minute."
        case "running":
            return f"{name}, {finished:,} of {_counted(plan, total)}. Call import_status(plan={plan.plan}) in a minute."
        case "stopped":
            return f"{name} at {finished:,} of {_counted(plan, total)}. To go on call {call_for(plan)})."
        case "planned":
            return (
                f"{name} was not begun. {f'For its question call {call_for(plan)}).' if total else 'It does nothing.'}"
            )
        case _:
            return f"{name}, {finished:,} of {_counted(plan, total)}."


def _row_facts(plan: StoredPlan, row: StoredRow, names: Snapshot) -> dict[str, Any]:
    facts = {
        "line": row.line if plan.kind == "file" else None,
        "decision": row.decision,
        "state": row.state,
        "name": _text(row.shown.get("name", "")),
        "phone": row.phone,
        "contact_id": row.contact_id,
        "why": _changes(row, names) if row.state == "planned" else _why(row, names),
    }
    return {name: value for name, value in facts.items() if value}


def _text(text: object) -> str:
    return visible(str(text), limit=VALUE)
