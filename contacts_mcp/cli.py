"""The command `contacts-mcp`: another face of the same address book, with no rules of its own.

What only one command needs is imported inside that command: `serve` must be quick.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from contacts_mcp import __version__
from contacts_mcp.config import Settings, variable_of
from contacts_mcp.errors import ContactsError


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="contacts-mcp")
def main() -> None:
    """Keep the contacts of a Heymarket account from any chat assistant."""


FLAGS: dict[str, Any] = {
    "sandbox": {"is_flag": True, "default": None},
    "sandbox_file": {"metavar": "FILE"},
    "base_url": {"metavar": "URL"},
    "default_region": {"metavar": "REGION"},
    "read_only": {"is_flag": True, "default": None},
    "tools": {"metavar": "NAMES"},
    "requests_per_minute": {"type": int},
    "timeout": {"type": float},
    "call_timeout": {"type": float},
    "confirm": {"type": click.Choice(["auto", "token", "off"])},
    "journal": {"is_flag": True, "default": None, "names": "--journal/--no-journal"},
    "data_dir": {"metavar": "DIR"},
    "log_level": {"metavar": "LEVEL"},
}
"""Settings that are also flags, by the same name; secrets are not, because a command line can be seen by others."""


def with_settings(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the flags of `FLAGS`, each described as the setting is."""
    for field, options in reversed(FLAGS.items()):
        names = options.get("names", f"--{field.replace('_', '-')}")
        description = f"{Settings.model_fields[field].description} [{variable_of(field)}]"
        command = click.option(names, field, help=description, **{name: value for name, value in options.items() if name != "names"})(
            command
        )
    return command


def load(flags: dict[str, Any]) -> Settings:
    """The settings, or a message and exit 2."""
    try:
        return Settings.load(**flags)
    except ContactsError as error:
        raise click.UsageError(str(error)) from None


@main.command()
@with_settings
def serve(**flags: Any) -> None:
    """Serve an assistant over stdin and stdout."""
    from contacts_mcp.server import build_server  # noqa: PLC0415

    settings = load(flags)
    try:
        server = build_server(settings)
    except ContactsError as error:
        raise click.UsageError(str(error)) from None
    server.run("stdio")


@main.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8765, show_default=True, help="Port to listen on; 0 takes a free one.")
@click.option("--file", "path", metavar="FILE", help="Database file, kept between runs; in memory by default.")
@click.option("--contacts", default=300, show_default=True, help="How many contacts a new one is given.")
@click.option("--control", is_flag=True, help="Offer /_sandbox/... for tests: faults, behaviour, reset.")
def sandbox(host: str, port: int, path: str | None, contacts: int, control: bool) -> None:
    """Serve the sandbox, a local stand-in of the Heymarket API, over HTTP."""
    import anyio  # noqa: PLC0415

    from contacts_mcp.sandbox import open_sandbox, serve  # noqa: PLC0415

    here = open_sandbox(path, contacts=contacts, control=control)
    click.echo(f"Sandbox for HEYMARKET_BASE_URL=http://{host}:{port} HEYMARKET_API_KEY=sandbox-api-key", err=True)
    try:
        anyio.run(serve, here, host, port)
    finally:
        here.close()


if __name__ == "__main__":
    sys.exit(main())
