"""An assistant that calls tools, and the text it reads."""

from __future__ import annotations

from typing import Any

from mcp.client import Client
from mcp_types import CallToolResult


class Assistant:
    """Calls tools through a connected client."""

    client: Client

    async def call(self, tool: str, /, **arguments: Any) -> CallToolResult:
        """The answer of a tool, whatever it is."""
        result = await self.client.call_tool(tool, arguments)
        assert isinstance(result, CallToolResult)
        return result

    async def ok(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """The structured answer of a call that must succeed."""
        result = await self.call(tool, **arguments)
        assert not result.is_error, text_of(result)
        assert result.structured_content is not None
        return result.structured_content

    async def text(self, tool: str, /, **arguments: Any) -> str:
        """The text of a call that must succeed."""
        result = await self.call(tool, **arguments)
        assert not result.is_error, text_of(result)
        return text_of(result)

    async def refusal(self, tool: str, /, **arguments: Any) -> dict[str, Any]:
        """The structured answer of a call that must be refused, with its `kind` and the advice."""
        result = await self.call(tool, **arguments)
        assert result.is_error, text_of(result)
        assert result.structured_content is not None
        return result.structured_content

    async def kind_of(self, tool: str, /, **arguments: Any) -> str:
        """The status of the answer of a call, or the kind of its error."""
        facts = (await self.call(tool, **arguments)).structured_content
        assert facts is not None
        return str(facts.get("kind") or facts["status"])

    async def refused(self, tool: str, /, **arguments: Any) -> str:
        """The text of a call that must be refused."""
        result = await self.call(tool, **arguments)
        assert result.is_error, text_of(result)
        return text_of(result)


def text_of(result: CallToolResult) -> str:
    """The one text of an answer."""
    (block,) = result.content
    assert block.type == "text"
    return block.text
