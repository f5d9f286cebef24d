"""The server that a look-up is measured against: the same GET with one pooled httpx client, its JSON passed on."""

import os
from typing import Any

import httpx
from mcp.server.mcpserver import MCPServer

server = MCPServer("ten-lines-get", log_level="WARNING")
http = httpx.AsyncClient(
    base_url=os.environ["HEYMARKET_BASE_URL"], headers={"Authorization": f"Bearer {os.environ['HEYMARKET_API_KEY']}"}
)


@server.tool()
async def lookup_contact(contact_id: int) -> dict[str, Any]:
    """Get a contact by its id."""
    found: dict[str, Any] = (await http.get(f"/v1/contact/{contact_id}")).json()
    return found


if __name__ == "__main__":
    server.run("stdio")
