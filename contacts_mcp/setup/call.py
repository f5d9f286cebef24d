"""One tool call from the shell: the same tools, boundary and confirmations as over MCP, without the protocol."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterable, Mapping
from typing import Any

import anyio
import click

from contacts_mcp.config import Settings
from contacts_mcp.server.boundary import Deadline, call
from contacts_mcp.server.confirming import Question, Reply, Returned, converse
from contacts_mcp.server.explain import no_such_tool
from contacts_mcp.server.jobs import Jobs
from contacts_mcp.server.tools import TOOLS, enabled_tools
from contacts_mcp.server.tools.entry import App, ToolEntry
from contacts_mcp.server.tools.schemas import input_schema
from contacts_mcp.server.views.fitting import Answer
from contacts_mcp.words.display import visible
from contacts_mcp.workspace import Workspace

WIDEST = 40  # characters of one cell
NARROWEST = 8  # characters that a column keeps where the terminal is narrow
WHOLE = ("contact_id", "phone", "field_id")  # columns that are never cut: a part of them would be another one
GAP = "  "
TABLES = ("list_contacts", "search_contacts", "list_contact_fields")  # tools whose answers are shown as a table
DONE = {"create": "added", "update": "changed", "delete": "deleted"}


def call_tool(settings: Settings, name: str, arguments: Mapping[str, Any]) -> Answer:
    """The tool's answer. A confirmation is asked for on the terminal, where there is one.

    Raises AccountError for an unknown tool in the settings.
    """
    tools = {tool.name: tool for tool in enabled_tools(settings)}
    tool = tools.get(name)
    if tool is None:
        return no_such_tool(name, [*tools])

    async def run() -> Answer:
        async with Workspace(settings, for_one_call=True) as workspace:
            return await _answer(tool, Jobs(workspace), settings, arguments)

    return anyio.run(run)


async def _answer(
    tool: ToolEntry, app: App, settings: Settings, arguments: Mapping[str, Any], returned: Returned | None = None
) -> Answer:
    """A person at a terminal has all the time they want: their reply is followed by a call of its own."""
    deadline = Deadline(settings.call_timeout)
    said = await converse(
        lambda given: call(tool, app, given, deadline=deadline, announce=_announce),
        arguments,
        ask=_ask_afterwards if settings.confirm == "auto" and sys.stdin.isatty() else None,
        returned=returned,
    )
    if isinstance(said, Answer):
        return said
    approves = await anyio.to_thread.run_sync(click.confirm, said.text)
    return await _answer(tool, app, settings, arguments, Returned(said, Reply.YES if approves else Reply.NO))


async def _ask_afterwards(_: Question) -> Reply | None:
    return None


async def _announce(text: str, done: float = 0, total: float | None = None) -> None:  # noqa: ARG001 -- of all callers
    click.echo(text, err=True)


def tool_names() -> list[str]:
    return [tool.name for tool in TOOLS]


# What is printed


def help_for(name: str) -> str:
    """The description and the parameters of a tool, as text for a terminal."""
    (tool,) = (tool for tool in TOOLS if tool.name == name)
    schema = input_schema(tool.function)
    rows = [
        (f"  {parameter}", _about(described, is_required=parameter in schema.get("required", ())))
        for parameter, described in schema["properties"].items()
    ]
    formatter = click.HelpFormatter(width=min(shutil.get_terminal_size().columns, 100))
    formatter.write_usage(f"contacts-mcp call {name}", "[NAME=VALUE]...")
    formatter.write_paragraph()
    formatter.write_text(tool.description)
    if rows:
        formatter.write_paragraph()
        formatter.write_dl(rows)
    return formatter.getvalue().rstrip("\n")


def _about(described: Mapping[str, Any], *, is_required: bool) -> str:
    """The description of a parameter with its type and default."""
    one_of = " or ".join(map(str, described.get("enum", ())))
    default = f"default {described['default']}" if "default" in described else ""
    facts = filter(None, ("required" if is_required else "", one_of or str(described.get("type", "")), default))
    return f"{described.get('description', '')} [{', '.join(facts)}]"


def printed(tool: str, answer: Answer, *, as_json: bool, width: int | None = None) -> tuple[str, str]:
    """The texts for stdout and for stderr. `width` is the terminal's, None where stdout is none."""
    error = answer.text if answer.is_error else ""
    if as_json:
        return json.dumps(answer.facts, ensure_ascii=False, indent=2), error
    if answer.is_error:
        return "", error
    if tool == "list_changes" and answer.facts.get("changes"):
        return "\n".join(map(sentence, answer.facts["changes"])), "\n".join(_ending(answer.facts))
    listed = table(answer.facts, width=width) if tool in TABLES else ""
    return (listed, "\n".join(_ending(answer.facts))) if listed else (answer.text, "")


def table(facts: Mapping[str, Any], *, width: int | None = None) -> str:
    """The list of an answer (contacts, fields) in aligned columns, or "". Where it is too wide, texts are cut."""
    rows: list[dict[str, Any]] = next((value for value in facts.values() if _is_list_of_rows(value)), [])
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [columns, *([_cell(row.get(name, "")) for name in columns] for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]
    least = [wide if name in WHOLE else min(wide, NARROWEST) for name, wide in zip(columns, widths, strict=True)]
    widths = _fitted(widths, least, width)
    return "\n".join(_line(row, widths) for row in cells)


def _is_list_of_rows(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _line(texts: Iterable[str], widths: Iterable[int]) -> str:
    """The cells of one row in their columns. A column of no width is left out."""
    return GAP.join(_cut(text, wide).ljust(wide) for text, wide in zip(texts, widths, strict=True) if wide).rstrip()


def _fitted(widths: list[int], least: list[int], most: int | None) -> list[int]:
    """The widths of columns that fit into `most`: the widest give way, then the last are left out (0)."""
    fitted = list(widths)
    while most is not None and sum(fitted) + len(GAP) * (sum(map(bool, fitted)) - 1) > most:
        shown = [at for at, wide in enumerate(fitted) if wide]
        narrower = [at for at in shown if fitted[at] > least[at]]
        if narrower:
            fitted[max(narrower, key=lambda at: fitted[at])] -= 1
        elif len(shown) > 1:
            fitted[shown[-1]] = 0
        else:
            break
    return fitted


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        value = ", ".join(f"{name}: {_cell(item)}" for name, item in value.items())
    if isinstance(value, list):
        value = ", ".join(map(_cell, value))
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return _cut(visible(text), WIDEST)


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def sentence(change: Mapping[str, Any]) -> str:
    """One change of list_changes: "Change 2, 2026-11-25T23:46:45Z: Avery Brooks (1301) was changed. ..."."""
    if change["action"] == "import":
        return f"Change {change['change_id']}, {change['at']}: {change['about']}.{_undoing(change)}"
    number = change.get("contact_id", "without an id yet")
    who = f"{_cell(change['name'])} ({number})" if change.get("name") else f"contact {number}"
    parts = [f"Change {change['change_id']}, {change['at']}: {who} {_outcome(change)}."]
    details = [f"{one['field']} from {_told(one['before'])} to {_told(one['after'])}" for one in change["changes"]]
    if details and change["action"] == "update":
        parts.append(f"{', '.join(details)}.")
    return " ".join(parts) + _undoing(change)


def _undoing(change: Mapping[str, Any]) -> str:
    took = f" This took back change {change['undoes']}." if change.get("undoes") else ""
    return took + (f" Change {change['undone_by']} took it back." if change.get("undone_by") else "")


def _outcome(change: Mapping[str, Any]) -> str:
    done = DONE.get(change["action"], change["action"])
    match change["state"]:
        case "done":
            return f"was {done}"
        case "not_done":
            return f"was not {done}"
        case _:
            return f"may have been {done}; that is not known"


def _told(value: Any) -> str:
    return _cell(value) or "nothing"


def _ending(facts: Mapping[str, Any]) -> list[str]:
    """The parts of an answer that a table has no place for: how to go on, and each note once."""
    of_all = (
        f"{len(facts['contacts'])} of {facts['total']} contacts. "
        if facts.get("total") and facts.get("next_cursor")
        else ""
    )
    more = [f"{of_all}More: add cursor={facts['next_cursor']}"] if facts.get("next_cursor") else []
    return list(dict.fromkeys([*more, *facts.get("notes", [])]))
