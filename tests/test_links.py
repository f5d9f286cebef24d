"""The one-click links in the README start this server, and the versions agree.

There is no entry in a registry and no package in an index, so nothing here names one.
"""

from __future__ import annotations

import base64
import json
import re
import tomllib
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from contacts_mcp import __version__
from contacts_mcp.config import Settings, variable_of
from contacts_mcp.setup.assistants import BY_KEY
from contacts_mcp.setup.install import runs_us

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_version_is_said_once_more_and_the_same() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert project["version"] == __version__


def test_no_registry_and_no_index_is_promised() -> None:
    """Until there is an entry, a file or a line that names one would be untrue."""
    assert not (ROOT / "server.json").exists()
    for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")]:
        text = page.read_text(encoding="utf-8")
        for promise in ("mcp-name:", "pip install contacts", "uvx contacts", "pipx install contacts", "pypi.org"):
            assert promise not in text, (page.name, promise)


def link(host: str) -> dict[str, str]:
    (url,) = re.findall(rf"\]\((https://{re.escape(host)}/[^)]+)\)", README)
    return {name: value for name, (value,) in parse_qs(urlsplit(url).query, keep_blank_values=True).items()}


def test_the_cursor_link_adds_a_server_that_starts_us() -> None:
    given = link("cursor.com")
    entry = json.loads(base64.b64decode(given["config"], validate=True))
    assert given["name"] == "contacts"
    assert runs_us(BY_KEY["cursor"], entry)
    assert entry["args"] == ["serve"]
    assert set(entry["env"].values()) == {""}  # counts as not set
    assert set(entry["env"]) <= {variable_of(name) for name in Settings.model_fields}


def test_the_vs_code_link_asks_for_the_credentials_as_secrets() -> None:
    given = link("insiders.vscode.dev")
    entry, inputs = json.loads(given["config"]), json.loads(given["inputs"])
    assert runs_us(BY_KEY["vscode"], entry)
    assert list(entry["env"].values()) == [f"${{input:{each['id']}}}" for each in inputs]
    assert all(each["type"] == "promptString" and each["password"] for each in inputs)
    assert set(entry["env"]) <= {variable_of(name) for name in Settings.model_fields}
