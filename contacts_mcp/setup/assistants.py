"""The assistants we can be added to: where each keeps its list of servers, and how it writes one down.

- Every place is computed from a `Machine` (platform, home, environment), so that all platforms can be tested on one.
- Only the user's own file is named, never a project's: a project's file is shared, and ours holds credentials.
- A folder that an environment variable names counts only if the client reads that variable too, and if it is absolute.
- The source is each client's own documentation. Windows redirects the files of the packaged Claude Desktop into the
  package's folder: anthropics/claude-code issue 26073.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Machine:
    """The facts that decide where files are. `platform` is as `sys.platform` has it."""

    platform: str
    home: Path
    variables: Mapping[str, str] = field(default_factory=dict)

    def folder(self, variable: str, default: Path) -> Path:
        """The folder that `variable` names, or `default` where it is not set or not absolute."""
        named = self.variables.get(variable, "")
        return Path(named) if named and Path(named).is_absolute() else default

    @property
    def xdg_config(self) -> Path:
        return self.folder("XDG_CONFIG_HOME", self.home / ".config")

    @property
    def roaming(self) -> Path:
        return self.folder("APPDATA", self.home / "AppData" / "Roaming")

    @property
    def application_data(self) -> Path:
        """Where desktop applications keep their settings on this platform."""
        match self.platform:
            case "darwin":
                return self.home / "Library" / "Application Support"
            case "win32":
                return self.roaming
            case _:
                return self.xdg_config


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """One assistant, and how it writes a server down."""

    key: str
    title: str
    place: Callable[[Machine], Path]
    format: str = "json"
    servers: str = "mcpServers"  # the member of its file that holds all servers by name
    constants: Mapping[str, object] = field(default_factory=dict)  # members that it expects in each of them
    command: str = "command"
    environment: str = "env"
    names_itself: bool = False
    afterwards: str


def _claude_desktop(machine: Machine) -> Path:
    return _claude_folder(machine) / "claude_desktop_config.json"


def _claude_folder(machine: Machine) -> Path:
    plain = machine.application_data / "Claude"
    if machine.platform != "win32":
        return plain
    packages = machine.folder("LOCALAPPDATA", machine.home / "AppData" / "Local") / "Packages"
    redirected = sorted(package / "LocalCache" / "Roaming" / "Claude" for package in packages.glob("Claude_*"))
    in_use = [folder for folder in redirected if folder.is_dir()]
    return next(iter(in_use or redirected), plain)


def _claude_code(machine: Machine) -> Path:
    return machine.folder("CLAUDE_CONFIG_DIR", machine.home) / ".claude.json"


def _cursor(machine: Machine) -> Path:
    return machine.home / ".cursor" / "mcp.json"


def _vscode(machine: Machine) -> Path:
    return machine.application_data / "Code" / "User" / "mcp.json"


def _codex(machine: Machine) -> Path:
    return machine.folder("CODEX_HOME", machine.home / ".codex") / "config.toml"


def _gemini(machine: Machine) -> Path:
    return machine.folder("GEMINI_CLI_HOME", machine.home) / ".gemini" / "settings.json"


def _goose(machine: Machine) -> Path:
    if machine.platform == "win32":
        return machine.roaming / "Block" / "goose" / "config" / "config.yaml"
    return machine.xdg_config / "goose" / "config.yaml"


def _windsurf(machine: Machine) -> Path:
    return machine.home / ".codeium" / "windsurf" / "mcp_config.json"


CLIENTS: tuple[Client, ...] = (
    Client(
        key="claude-desktop",
        title="Claude Desktop",
        place=_claude_desktop,
        afterwards="Quit Claude Desktop completely and open it again.",
    ),
    Client(
        key="claude-code",
        title="Claude Code",
        place=_claude_code,
        constants={"type": "stdio"},
        afterwards="Start a new session; /mcp shows whether it is connected.",
    ),
    Client(
        key="cursor",
        title="Cursor",
        place=_cursor,
        constants={"type": "stdio"},
        afterwards="Switch it on under Settings > MCP, if it is not already.",
    ),
    Client(
        key="vscode",
        title="VS Code",
        place=_vscode,
        servers="servers",
        constants={"type": "stdio"},
        afterwards='Start it with "MCP: List Servers". Where Settings Sync is on, leave MCP servers out of it: '
        "the file holds the credentials.",
    ),
    Client(
        key="codex",
        title="Codex",
        place=_codex,
        format="toml",
        servers="mcp_servers",
        afterwards="Start a new session; /mcp shows whether it is connected.",
    ),
    Client(
        key="gemini",
        title="Gemini CLI",
        place=_gemini,
        afterwards="Start a new session in a folder that you trust; /mcp shows whether it is connected.",
    ),
    Client(
        key="goose",
        title="Goose",
        place=_goose,
        format="yaml",
        servers="extensions",
        constants={"type": "stdio", "description": "Contacts of a Heymarket account", "enabled": True, "timeout": 300},
        command="cmd",
        environment="envs",
        names_itself=True,
        afterwards="Start a new session.",
    ),
    Client(
        key="windsurf",
        title="Windsurf",
        place=_windsurf,
        afterwards="Press the refresh button above Cascade's list of MCP servers.",
    ),
)

BY_KEY = {client.key: client for client in CLIENTS}
