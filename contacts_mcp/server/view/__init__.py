"""The chat view: one page that draws the answers of the tools, in assistants that show screens (MCP Apps, SEP-1865).

- The page is package data, and is served as it stands in `view.html`. Its address holds a part of its hash, so a host
  never shows an old copy. An old address in a chat that runs gives the page of today.
- The answers do not change. An assistant that shows no screens has the same text.
- The page and the tools carry the content policy, because hosts read it from either.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any

from mcp_types import ClientCapabilities, Resource, ResourceTemplate, TextResourceContents

EXTENSION = "io.modelcontextprotocol/ui"
MIME_TYPE = "text/html;profile=mcp-app"
_ADDRESS = "ui://contacts-mcp/"
_META: dict[str, Any] = {"ui": {"csp": {}}}  # the page asks no other address
_TITLE = "Contacts view"
_ABOUT = "Draws the answers of the tools as screens, in assistants that show them."


@cache
def page() -> str:
    """The page."""
    return files(__package__).joinpath("view.html").read_text(encoding="utf-8")


@cache
def uri() -> str:
    """The address of the page as it is now. It is short, because each tool with a screen names it."""
    return f"{_ADDRESS}{hashlib.sha256(page().encode()).hexdigest()[:8]}"


def meta_of_tool() -> dict[str, Any]:
    """The `_meta` of a tool whose answers have a screen."""
    return {"ui": {"resourceUri": uri()}}


def resource() -> Resource:
    return Resource(uri=uri(), name="view", title=_TITLE, description=_ABOUT, mime_type=MIME_TYPE, _meta=_META)


def template() -> ResourceTemplate:
    """Any address that the page had in an earlier version."""
    address = f"{_ADDRESS}{{name}}"
    return ResourceTemplate(
        uri_template=address, name="view", title=_TITLE, description=_ABOUT, mime_type=MIME_TYPE, _meta=_META
    )


def contents(address: str) -> TextResourceContents:
    """The page as the answer to reading it."""
    return TextResourceContents(uri=address, text=page(), mime_type=MIME_TYPE, _meta=_META)


def is_at(address: str) -> bool:
    return address.startswith(_ADDRESS)


def is_shown_by(client: ClientCapabilities | None) -> bool:
    """Whether the client says that it shows screens."""
    declared = ((client and client.extensions) or {}).get(EXTENSION) or {}
    kinds = declared.get("mimeTypes")
    return isinstance(kinds, list | tuple) and MIME_TYPE in kinds
