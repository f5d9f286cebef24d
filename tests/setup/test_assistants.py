"""Where each assistant keeps its servers, on all platforms, computed on this one."""

from __future__ import annotations

from pathlib import Path

import pytest

from contacts_mcp.setup.assistants import BY_KEY, CLIENTS, Machine
from contacts_mcp.setup.config_files import FORMATS

PLACES = {
    "claude-desktop": {
        "darwin": "Library/Application Support/Claude/claude_desktop_config.json",
        "win32": "AppData/Roaming/Claude/claude_desktop_config.json",
        "linux": ".config/Claude/claude_desktop_config.json",
    },
    "claude-code": dict.fromkeys(("darwin", "win32", "linux"), ".claude.json"),
    "cursor": dict.fromkeys(("darwin", "win32", "linux"), ".cursor/mcp.json"),
    "vscode": {
        "darwin": "Library/Application Support/Code/User/mcp.json",
        "win32": "AppData/Roaming/Code/User/mcp.json",
        "linux": ".config/Code/User/mcp.json",
    },
    "codex": dict.fromkeys(("darwin", "win32", "linux"), ".codex/config.toml"),
    "gemini": dict.fromkeys(("darwin", "win32", "linux"), ".gemini/settings.json"),
    "goose": {
        "darwin": ".config/goose/config.yaml",
        "win32": "AppData/Roaming/Block/goose/config/config.yaml",
        "linux": ".config/goose/config.yaml",
    },
    "windsurf": dict.fromkeys(("darwin", "win32", "linux"), ".codeium/windsurf/mcp_config.json"),
}

MOVED = [
    ("claude-desktop", "win32", "APPDATA", "Claude/claude_desktop_config.json"),
    ("claude-desktop", "linux", "XDG_CONFIG_HOME", "Claude/claude_desktop_config.json"),
    ("vscode", "linux", "XDG_CONFIG_HOME", "Code/User/mcp.json"),
    ("claude-code", "darwin", "CLAUDE_CONFIG_DIR", ".claude.json"),
    ("codex", "linux", "CODEX_HOME", "config.toml"),
    ("gemini", "linux", "GEMINI_CLI_HOME", ".gemini/settings.json"),
    ("goose", "darwin", "XDG_CONFIG_HOME", "goose/config.yaml"),
]


@pytest.mark.parametrize("platform", ["darwin", "win32", "linux"])
@pytest.mark.parametrize("key", PLACES)
def test_each_clients_file_is_where_the_client_looks_for_it(key: str, platform: str, tmp_path: Path) -> None:
    home = tmp_path / "a home with späces"
    assert BY_KEY[key].place(Machine(platform, home)) == home / PLACES[key][platform]


def test_the_table_of_places_has_every_client() -> None:
    assert PLACES.keys() == BY_KEY.keys()
    assert {client.format for client in CLIENTS} <= FORMATS.keys()


@pytest.mark.parametrize(("key", "platform", "variable", "rest"), MOVED)
def test_a_folder_named_by_a_variable_the_client_reads_counts(
    key: str, platform: str, variable: str, rest: str, tmp_path: Path
) -> None:
    machine = Machine(platform, tmp_path / "home", {variable: str(tmp_path / "else where")})
    assert BY_KEY[key].place(machine) == tmp_path / "else where" / rest


@pytest.mark.parametrize("named", ["", "relative/folder"])
def test_a_folder_that_is_empty_or_relative_does_not_count(named: str, tmp_path: Path) -> None:
    assert (
        BY_KEY["codex"].place(Machine("linux", tmp_path, {"CODEX_HOME": named})) == tmp_path / ".codex" / "config.toml"
    )


def test_the_packaged_claude_desktop_of_windows_reads_its_own_copy(tmp_path: Path) -> None:
    """Windows redirects the package's writes to %APPDATA%. It never reads a file that somebody else put there."""
    package = tmp_path / "AppData" / "Local" / "Packages" / "Claude_pzs8sxrjxfjjc"
    package.mkdir(parents=True)
    place = BY_KEY["claude-desktop"].place(Machine("win32", tmp_path))
    assert place == package / "LocalCache" / "Roaming" / "Claude" / "claude_desktop_config.json"


def test_of_two_packages_the_one_that_has_been_used_counts(tmp_path: Path) -> None:
    packages = tmp_path / "AppData" / "Local" / "Packages"
    (packages / "Claude_aaa").mkdir(parents=True)
    used = packages / "Claude_bbb" / "LocalCache" / "Roaming" / "Claude"
    used.mkdir(parents=True)
    assert BY_KEY["claude-desktop"].place(Machine("win32", tmp_path)).parent == used
