"""Prints the README's one-click links for Cursor and VS Code. A test holds that the README has them.

Both open the client on the reader's machine with `contacts-mcp serve` filled in. Links are https, because code hosts
drop others. Sources: cursor.com/docs/mcp/install-links, the README of github/github-mcp-server for VS Code.
"""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote, urlencode

from contacts_mcp.setup.install import SECRET_ID, SECRET_KEY

NAME = "contacts"
START: dict[str, Any] = {"command": "contacts-mcp", "args": ["serve"]}
INPUTS = {"secret_id": (SECRET_ID, "Heymarket API secret: id"), "secret_key": (SECRET_KEY, "Heymarket API secret: key")}


def cursor() -> str:
    """The variables are left empty for the reader to fill in, and an empty one counts as not set."""
    config = START | {"env": {variable: "" for variable, _ in INPUTS.values()}}
    packed = base64.b64encode(_compact(config).encode()).decode()
    return f"https://cursor.com/en/install-mcp?{urlencode({'name': NAME, 'config': packed})}"


def vscode() -> str:
    """VS Code asks for the inputs when the server is first started, and keeps them among its secrets."""
    inputs = [
        {"type": "promptString", "id": key, "description": text, "password": True} for key, (_, text) in INPUTS.items()
    ]
    config = START | {"env": {variable: f"${{input:{key}}}" for key, (variable, _) in INPUTS.items()}}
    query = urlencode({"name": NAME, "inputs": _compact(inputs), "config": _compact(config)}, quote_via=quote)
    return f"https://insiders.vscode.dev/redirect/mcp/install?{query}"


def markdown() -> str:
    return f"[Add to Cursor]({cursor()}) · [Add to VS Code]({vscode()})"


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


if __name__ == "__main__":
    print(markdown())
