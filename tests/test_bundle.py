"""The bundle for desktop assistants has a valid manifest, and its server starts."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters

from bundle import build, project
from contacts_mcp import __version__
from contacts_mcp.config import Settings, variable_of
from contacts_mcp.server.tools import TOOLS

ROOT = Path(__file__).parent.parent
VALIDATOR = "@anthropic-ai/mcpb@2.1.2"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("bundle"))


@pytest.fixture(scope="module")
def unpacked(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("unpacked in a folder with späces")
    with zipfile.ZipFile(built) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def manifest(unpacked: Path) -> dict[str, Any]:
    return json.loads((unpacked / "manifest.json").read_text(encoding="utf-8"))


# The published schema of manifest 0.4 (modelcontextprotocol/mcpb), for the parts we use: members required, and members
# allowed. All are strict.
SHAPES: dict[str, tuple[str, str]] = {
    "": (
        "manifest_version name version description author server",
        "display_name long_description license keywords icon prompts_generated compatibility user_config tools",
    ),
    "author": ("name", "email url"),
    "server": ("type entry_point mcp_config", ""),
    "server.mcp_config": ("command", "args env platform_overrides"),
    "compatibility": ("", "claude_desktop platforms runtimes"),
    "compatibility.runtimes": ("", "python node"),
}
OPTION = ("type title description", "required default multiple sensitive min max")


def at(value: Any, path: str) -> Any:
    for name in filter(None, path.split(".")):
        value = value[name]
    return value


@pytest.mark.parametrize("path", SHAPES)
def test_the_manifest_has_what_the_schema_requires_and_nothing_it_does_not_know(
    path: str, manifest: dict[str, Any]
) -> None:
    required, optional = (set(names.split()) for names in SHAPES[path])
    assert required <= at(manifest, path).keys() <= required | optional


def test_each_user_setting_and_tool_has_the_shape_of_the_schema(manifest: dict[str, Any]) -> None:
    required, optional = (set(names.split()) for names in OPTION)
    assert all(required <= option.keys() <= required | optional for option in manifest["user_config"].values())
    assert {option["type"] for option in manifest["user_config"].values()} <= {
        "string",
        "number",
        "boolean",
        "directory",
        "file",
    }
    assert all(tool.keys() == {"name", "description"} for tool in manifest["tools"])
    assert (manifest["manifest_version"], manifest["server"]["type"]) == ("0.4", "uv")


def test_the_publishers_own_validator_accepts_it(unpacked: Path) -> None:
    npx = shutil.which("npx")
    command = [npx or "npx", "-y", VALIDATOR, "validate", str(unpacked / "manifest.json")]
    if (
        npx is None
        or subprocess.run([*command[:3], "--version"], capture_output=True, check=False, timeout=120).returncode
    ):
        pytest.skip("THE BUNDLE WAS NOT VALIDATED: npx cannot run the validator here")
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def test_version_and_tools_come_from_the_code(manifest: dict[str, Any]) -> None:
    assert manifest["version"] == __version__
    assert [tool["name"] for tool in manifest["tools"]] == [offer.name for offer in TOOLS]


def test_every_user_setting_reaches_the_server_and_every_secret_is_kept_as_one(manifest: dict[str, Any]) -> None:
    environment = manifest["server"]["mcp_config"]["env"]
    fields = {variable_of(name): name for name in Settings.model_fields}
    assert {f"${{user_config.{name}}}" for name in manifest["user_config"]} == set(environment.values())
    for variable, placeholder in environment.items():
        option = manifest["user_config"][placeholder.removeprefix("${user_config.").removesuffix("}")]
        is_secret = "SecretStr" in str(Settings.model_fields[fields[variable]].annotation)
        assert option.get("sensitive", False) is is_secret
        assert option["required"] is False  # the sandbox needs none of them


def test_files_it_names_are_in_it(built: Path, unpacked: Path, manifest: dict[str, Any]) -> None:
    assert (unpacked / manifest["server"]["entry_point"]).is_file()
    assert list((unpacked / "contacts_mcp" / "prompts").glob("*.md"))
    with zipfile.ZipFile(built) as archive:  # the folder gets compiled files as soon as the server was started there
        assert not [name for name in archive.namelist() if name.endswith(".pyc")]


def test_the_icon_is_a_small_square_png(unpacked: Path, manifest: dict[str, Any]) -> None:
    data = (unpacked / manifest["icon"]).read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (512, 512)
    assert len(data) < 20_000


def test_the_same_source_gives_the_same_bytes(built: Path, tmp_path: Path) -> None:
    assert build(tmp_path).read_bytes() == built.read_bytes()


def started(unpacked: Path, manifest: dict[str, Any], data: Path, *, way: str) -> StdioServerParameters:
    """Started as a desktop assistant does: only the placeholders that the user gave a value for are filled in."""
    config = manifest["server"]["mcp_config"]
    given = {"${user_config.sandbox}": "true", "${user_config.read_only}": "false"}
    environment = {name: given.get(value, value) for name, value in config["env"].items()}
    words = [config["command"], *(word.replace("${__dirname}", str(unpacked)) for word in config["args"])]
    if way == "python":
        words = [sys.executable, *words[words.index("-m") :]]
    return StdioServerParameters(
        command=words[0], args=words[1:], env=environment | {"CONTACTS_MCP_DATA_DIR": str(data)}, cwd=unpacked
    )


@pytest.mark.parametrize("way", ["uv", "python"])
async def test_the_unpacked_bundle_starts_and_works(
    unpacked: Path, manifest: dict[str, Any], tmp_path: Path, way: str
) -> None:
    """From its own source: the package there is found before any that is installed."""
    if way == "uv" and shutil.which("uv") is None:
        pytest.skip(
            "THE BUNDLE WAS NOT STARTED AS ITS MANIFEST SAYS: this machine has no uv; it was started with Python"
        )
    async with Client(started(unpacked, manifest, tmp_path / "data", way=way)) as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == [tool["name"] for tool in manifest["tools"]]
        assert (await client.list_prompts()).prompts
        assert not (await client.call_tool("list_contacts", {"limit": 1})).is_error


def test_what_runs_in_the_bundle_is_the_bundle(unpacked: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import contacts_mcp; print(contacts_mcp.__file__)"],
        cwd=unpacked,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert Path(done.stdout.strip()).is_relative_to(unpacked)


def test_the_bundle_asks_for_what_the_package_needs(unpacked: Path) -> None:
    text = (unpacked / "pyproject.toml").read_text(encoding="utf-8")
    assert all(f'"{need}"' in text for need in project()["dependencies"])
    assert re.search(r"^package = false$", text, re.MULTILINE)
