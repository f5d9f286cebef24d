"""Draws assets/conversation.svg: a conversation with the server on its sandbox, in its own words.

Every answer in the picture is the text that the server gave, cut after a few lines. `--check` draws nothing, and exits
1 where the picture is not current. All people in it are invented.
"""

from __future__ import annotations

import sys
import tempfile
import textwrap
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from xml.sax.saxutils import escape

import anyio
from mcp.client import Client
from mcp_types import TextContent

from contacts_mcp.config import Settings
from contacts_mcp.sandbox import open_sandbox
from contacts_mcp.server.server import build_server
from contacts_mcp.workspace import Workspace

PICTURE = Path(__file__).parent.parent / "assets" / "conversation.svg"

# The words of a person, and the call that an assistant makes of them.
STEPS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (
        "Add Avery Brooks, (510) 555-3344, plan Premium, tag VIP.",
        "create_contact",
        {
            "phone": "(510) 555-3344",
            "first": "Avery",
            "last": "Brooks",
            "custom_fields": {"plan": "Premium"},
            "tags": ["vip"],
        },
    ),
    (
        "Gold, after all. And Avery is a lead too.",
        "update_contact",
        {"phone": "+1 510 555 3344", "custom_fields": {"plan": "Gold"}, "add_tags": ["Lead"]},
    ),
    ("No, take that back.", "undo_change", {"change_id": 2}),
)

COLUMNS = 76
MOST_LINES = 7
WIDTH, MARGIN, LINE, LETTER = 760, 24, 22, 8.6  # pixels
PERSON, CALL, ANSWER = "person", "call", "answer"
STYLE = f"""
rect.paper {{ fill: #ffffff; stroke: #d0d7de }} text {{ font: 14px ui-monospace, Menlo, Consolas, monospace }}
.{PERSON} {{ fill: #0b6b5d; font-weight: bold }} .{CALL} {{ fill: #6e7781 }} .{ANSWER} {{ fill: #1f2328 }}
@media (prefers-color-scheme: dark) {{
  rect.paper {{ fill: #0d1117; stroke: #30363d }}
  .{PERSON} {{ fill: #4cc3ae }} .{CALL} {{ fill: #8d96a0 }} .{ANSWER} {{ fill: #e6edf3 }}
}}"""


class Line(NamedTuple):
    """A line of the picture. An empty text is a gap."""

    kind: str
    text: str


async def conversation() -> list[Line]:
    """The lines, from a server in this process on a fresh sandbox. Raises RuntimeError where a call is refused."""
    lines: list[Line] = []
    with tempfile.TemporaryDirectory() as home, closing(open_sandbox()) as sandbox:
        settings = Settings.load(sandbox=True, data_dir=home)
        workspace = Workspace(settings, sandbox=sandbox)
        async with Client(build_server(settings, workspace=workspace)) as client:
            for words, tool, arguments in STEPS:
                result = await client.call_tool(tool, arguments)
                text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
                if result.is_error:
                    raise RuntimeError(text)
                lines += step(words, tool, text)
        await workspace.aclose()
    return lines[:-1]


def step(words: str, tool: str, answer: str) -> Iterator[Line]:
    """The lines of one call, and a gap."""
    yield Line(PERSON, f"You: {words}")
    yield Line(CALL, f"  {tool}")
    folded = [part for line in answer.splitlines() for part in textwrap.wrap(line, COLUMNS, subsequent_indent="  ")]
    for line in folded[:MOST_LINES]:
        yield Line(ANSWER, f"  {line}")
    yield Line(ANSWER, "")


def drawn(lines: list[Line]) -> str:
    """The picture. It follows the reader's light or dark theme."""
    height = 2 * MARGIN + LINE * len(lines)
    said = escape(" / ".join(line.text for line in lines if line.kind == PERSON), {'"': "&quot;"})
    texts = [
        f'<text class="{line.kind}" x="{MARGIN + LETTER * (len(line.text) - len(line.text.lstrip())):g}" '
        f'y="{MARGIN + LINE * number - 6}">{escape(line.text.lstrip())}</text>'
        for number, line in enumerate(lines, 1)
        if line.text
    ]
    size = f'viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}"'
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{said}">',
            f"<style>{STYLE}\n</style>",
            f'<rect class="paper" x="0.5" y="0.5" width="{WIDTH - 1}" height="{height - 1}" rx="10"/>',
            *texts,
            "</svg>\n",
        ]
    )


def main() -> int:
    picture = drawn(anyio.run(conversation))
    if "--check" not in sys.argv:
        PICTURE.write_text(picture, encoding="utf-8", newline="\n")
        return 0
    is_current = PICTURE.exists() and PICTURE.read_text(encoding="utf-8") == picture
    if not is_current:
        print("assets/conversation.svg is not current; run scripts/picture")
    return int(not is_current)


if __name__ == "__main__":
    sys.exit(main())
