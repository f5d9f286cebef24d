"""The side that an assistant sees: tools, prompts and resources over MCP."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from contacts_mcp.server.server import build_server

__all__ = ["build_server"]


def __getattr__(name: str) -> Any:
    """Hands on `build_server` at first use. Importing one view must not import the whole server."""
    if name != "build_server":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from contacts_mcp.server.server import build_server

    return build_server
