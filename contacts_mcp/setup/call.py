"""One tool call from the shell: the same tools, boundary and confirmations as over MCP, without the protocol."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

import anyio
import click

from contacts_mcp.config import Settings
from contacts_mcp.server.boundary import Deadline, call
from contacts_mcp.server.confirming import Question, Reply, Returned, converse
from contacts_mcp.server.explain import no_such_tool
from contacts_mcp.server.tools import TOOLS, enabled_tools
from contacts_mcp.server.tools.entry import App, ToolEntry
from contacts_mcp.server.views.fitting import Answer
from contacts_mcp.workspace import Workspace

WIDEST = 40  # characters of one cell
TABLES = ("list_contacts", "list_contact_fields", "list_changes")  # tools whose answers are shown as a table


def call_tool(settings: Settings, name: str, arguments: Mapping[str, Any]) -> Answer:
    """The tool's answer. A confirmation is asked for on the terminal, where there is one.

    Raises AccountError for an unknown tool in the settings.
    """
    tools = {tool.name: tool for tool in enabled_tools(settings)}
    tool = tools.get(name)
    if tool is None:
        return no_such_tool(name, [*tools])

    async def run() -> Answer:
        workspace = Workspace(settings, for_one_call=True)
        try:
            return await _answer(tool, workspace, settings, arguments)
        finally:
            with anyio.CancelScope(shield=True):
                await workspace.aclose()

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


async def _announce(text: str) -> None:
    click.echo(text, err=True)


def tool_names() -> list[str]:
    return [tool.name for tool in TOOLS]


# What is printed


def printed(tool: str, answer: Answer, *, as_json: bool) -> tuple[str, str]:
    """The texts for stdout and for stderr."""
    error = answer.text if answer.is_error else ""
    if as_json:
        return json.dumps(answer.facts, ensure_ascii=False, indent=2), error
    if answer.is_error:
        return "", error
    if tool in TABLES:
        return table(answer.facts) or answer.text, "\n".join(_ending(answer.facts))
    return answer.text, ""


def table(facts: Mapping[str, Any]) -> str:
    """The list of an answer (contacts, fields, changes) in aligned columns, or ""."""
    rows = next(
        (value for value in facts.values() if isinstance(value, list) and value and isinstance(value[0], dict)), []
    )
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [columns, *([_cell(row.get(name, "")) for name in columns] for row in rows)]
    widths = [max(len(row[at]) for row in cells) for at in range(len(columns))]
    return "\n".join(
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in cells
    )


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        value = ", ".join(f"{name}: {item}" for name, item in value.items())
    if isinstance(value, list):
        value = ", ".join(map(_cell, value))
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


def _ending(facts: Mapping[str, Any]) -> list[str]:
    """The parts of an answer that a table has no place for: how to go on, and the notes."""
    of_all = (
        f"{len(facts['contacts'])} of {facts['total']} contacts. "
        if facts.get("total") and facts.get("next_cursor")
        else ""
    )
    more = [f"{of_all}More: add cursor={facts['next_cursor']}"] if facts.get("next_cursor") else []
    return [*more, *facts.get("notes", [])]
