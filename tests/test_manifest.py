"""The public description of the server: server.json for the registry, and the README's line and one-click links."""

from __future__ import annotations

import base64
import json
import re
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr

from contacts_mcp import __version__
from contacts_mcp.config import Settings, variable_of
from contacts_mcp.setup.assistants import BY_KEY
from contacts_mcp.setup.install import runs_us

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
SERVER: dict[str, Any] = json.loads((ROOT / "server.json").read_text(encoding="utf-8"))
(PACKAGE,) = SERVER["packages"]
VARIABLES: list[dict[str, Any]] = PACKAGE["environmentVariables"]

SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"

# That schema, for what we use: members required, and members known.
SHAPES = [
    (SERVER, "name description version", "$schema title packages repository websiteUrl icons remotes _meta"),
    (
        PACKAGE,
        "registryType identifier transport",
        "version runtimeHint packageArguments runtimeArguments environmentVariables fileSha256 registryBaseUrl",
    ),
    (PACKAGE["transport"], "type", ""),
    *(
        (variable, "name", "description isRequired isSecret format default placeholder choices value variables")
        for variable in VARIABLES
    ),
    *((argument, "type value", "isRepeated valueHint description") for argument in PACKAGE["packageArguments"]),
]

# Where in the document, and what its text must match (lengths included).
TEXTS = [
    (SERVER["$schema"], re.escape(SCHEMA)),
    (SERVER["name"], r"(?=.{3,200}$)[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+"),
    (SERVER["title"], r".{1,100}"),
    (SERVER["description"], r".{1,100}"),
    (SERVER["version"], r"[0-9]+\.[0-9]+\.[0-9]+[0-9a-z.-]*"),
    (PACKAGE["transport"]["type"], "stdio"),
    (PACKAGE["registryType"], "pypi"),
    *((argument["type"], "positional") for argument in PACKAGE["packageArguments"]),
    *((variable.get("format", "string"), "string|number|boolean|filepath") for variable in VARIABLES),
    *((variable.get("default", ""), r".*") for variable in VARIABLES),
]


@pytest.mark.parametrize(("value", "required", "known"), SHAPES)
def test_server_json_has_what_the_schema_requires_and_nothing_it_does_not_know(
    value: dict[str, Any], required: str, known: str
) -> None:
    assert set(required.split()) <= value.keys() <= {*required.split(), *known.split()}


@pytest.mark.parametrize(("text", "pattern"), TEXTS)
def test_texts_in_server_json_have_the_form_the_schema_wants(text: str, pattern: str) -> None:
    assert re.fullmatch(pattern, text)


def test_all_versions_are_the_same() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {project["version"], __version__, SERVER["version"], PACKAGE["version"]} == {__version__}
    assert project["name"] == PACKAGE["identifier"]


def test_the_variables_are_our_settings_as_we_describe_them() -> None:
    fields = {variable_of(name): field for name, field in Settings.model_fields.items()}
    for variable in VARIABLES:
        field = fields[variable["name"]]
        assert variable["description"] == field.description
        assert variable.get("isSecret", False) is (SecretStr.__name__ in str(field.annotation))
        assert variable.get("default") in (None, str(field.default).lower(), field.default)


def test_the_readme_has_the_line_the_registry_looks_for() -> None:
    """The line proves that package and entry have one publisher. A boundary must follow the name."""
    assert f"<!-- mcp-name: {SERVER['name']} -->" in README


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
