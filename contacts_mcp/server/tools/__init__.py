"""`TOOLS`: the table of all tools, in the order shown.

A tool is a few lines over `book`. It has no rules of its own and catches nothing.
"""

from __future__ import annotations

from contacts_mcp.config import Settings
from contacts_mcp.errors import AccountError
from contacts_mcp.server.tools import changes, contacts, doubles, export, fields, search, transfer
from contacts_mcp.server.tools.entry import ToolEntry
from contacts_mcp.words.display import quoted

TOOLS: tuple[ToolEntry, ...] = (
    *contacts.TOOLS,
    *search.TOOLS,
    *doubles.TOOLS,
    *fields.TOOLS,
    *changes.TOOLS,
    *transfer.TOOLS,
    *export.TOOLS,
)


def enabled_tools(settings: Settings) -> list[ToolEntry]:
    """The tools that these settings leave on. Raises AccountError for an unknown name in `CONTACTS_MCP_TOOLS`."""
    known = {name for tool in TOOLS for name in (tool.name, tool.group)}
    unknown = next((name for name in settings.tools if name not in known), None)
    if unknown is not None:
        raise AccountError(
            f"CONTACTS_MCP_TOOLS names {quoted(unknown, limit=60)}, which is neither a tool nor a group. "
            f"Known: {', '.join(sorted(known))}."
        )
    return [
        tool
        for tool in TOOLS
        if (tool.reads_only or not settings.read_only)
        and (not settings.tools or {tool.name, tool.group} & {*settings.tools})
    ]
