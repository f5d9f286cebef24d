"""The server that a start is measured against: two tools in the fewest lines."""

from mcp.server.mcpserver import MCPServer

server = MCPServer("ten-lines", log_level="WARNING")


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@server.tool()
def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


if __name__ == "__main__":
    server.run("stdio")
