"""The command `contacts-mcp`: another face of the same address book, with no rules of its own.

Each command imports the modules that it alone needs, because `serve` must start quickly.
"""

from __future__ import annotations

import gc
import io
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from contacts_mcp import __version__
from contacts_mcp.config import Settings, environment, is_this_machine, variable_of
from contacts_mcp.errors import ContactsError

if TYPE_CHECKING:
    from contacts_mcp.setup.assistants import Machine


class Command(click.Command):
    """A command that says where a flag goes which is not its own."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with _pointing(ctx, [*args]):  # parsing empties the list
            return super().parse_args(ctx, args)


class Commands(click.Group):
    """The same for a command with commands of its own."""

    command_class = Command
    group_class = type

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        with _pointing(ctx, [*args]):  # parsing empties the list
            return super().parse_args(ctx, args)


@contextmanager
def _pointing(ctx: click.Context, args: list[str]) -> Iterator[None]:
    try:
        yield
    except click.NoSuchOption as error:
        group = ctx.find_root().command
        assert isinstance(group, click.Group)
        flag = error.option_name
        if ctx.command is call and (parameter := _parameter_of_a_tool(flag, args)):
            text = f"{parameter} is a parameter of the tool, written without dashes: {parameter}=VALUE."
            raise click.UsageError(text, ctx=ctx) from None
        takers = [name for name, one in group.commands.items() if any(flag in param.opts for param in one.params)]
        takers.sort(key=lambda name: name not in args)  # the one that was meant first
        if not takers:
            raise
        others = f" (also of {', '.join(takers[1:])})" if takers[1:] else ""
        raise click.UsageError(
            f"{flag} goes behind the command that it belongs to: contacts-mcp {takers[0]} {flag}{others}.", ctx=ctx
        ) from None


def _parameter_of_a_tool(flag: str, args: list[str]) -> str:
    """The parameter that a flag is called like, "" where the tool among `args` has none."""
    from contacts_mcp.server.tools import TOOLS
    from contacts_mcp.server.tools.schemas import arguments_model

    name = flag.lstrip("-").replace("-", "_")
    tool = next((tool for tool in TOOLS if tool.name in args), None)
    return name if tool and name in arguments_model(tool.function).model_fields else ""


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="contacts-mcp")
def main() -> None:
    """Keep the contacts of a Heymarket account from any chat assistant."""
    _speak_utf8()


def _speak_utf8() -> None:
    """Speak UTF-8 under any code page or locale. A byte that cannot be decoded is marked."""
    for stream, errors in ((sys.stdin, "replace"), (sys.stdout, "backslashreplace"), (sys.stderr, "backslashreplace")):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8", errors=errors)


FLAGS: dict[str, Any] = {
    "sandbox": {"is_flag": True, "default": None},
    "sandbox_file": {"metavar": "FILE"},
    "base_url": {"metavar": "URL"},
    "api_key_scheme": {"type": click.Choice(["bearer", "basic"])},
    "default_region": {"metavar": "REGION"},
    "time_zone": {"metavar": "NAME"},
    "read_only": {"is_flag": True, "default": None},
    "tools": {"metavar": "NAMES"},
    "requests_per_minute": {"type": int},
    "timeout": {"type": float},
    "call_timeout": {"type": float},
    "confirm": {"type": click.Choice(["auto", "token", "off"])},
    "journal": {"is_flag": True, "default": None, "names": "--journal/--no-journal"},
    "index": {"type": click.Choice(["disk", "memory", "off"])},
    "view": {"is_flag": True, "default": None, "names": "--view/--no-view"},
    "files": {"metavar": "DIRS"},
    "data_dir": {"metavar": "DIR"},
    "log_level": {"metavar": "LEVEL"},
    "log_file": {"metavar": "FILE"},
}
"""Settings that are also flags, by the same name. Secrets are not, because others can see a command line."""


HOSTING: dict[str, Any] = {
    "accounts": {"metavar": "FILE"},
    "public_url": {"metavar": "URL"},
    "allowed_hosts": {"metavar": "NAMES"},
    "allowed_origins": {"metavar": "URLS"},
    "proxies": {"metavar": "NETWORKS"},
    "replicas_most": {"type": int},
    "metrics": {"metavar": "HOST:PORT"},
    "log_format": {"type": click.Choice(["text", "json"])},
}
"""The same for settings of a hosted server, which only `serve` takes."""


def with_flags(flags: Mapping[str, Any]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Give a command these flags, each described as the setting is."""

    def given(command: Callable[..., None]) -> Callable[..., None]:
        for field, options in reversed([*flags.items()]):
            names = options.get("names", f"--{field.replace('_', '-')}")
            description = f"{Settings.model_fields[field].description} [{variable_of(field)}]"
            command = click.option(
                names, field, help=description, **{name: value for name, value in options.items() if name != "names"}
            )(command)
        return command

    return given


with_settings = with_flags(FLAGS)


def for_one_account(command: Callable[..., None]) -> Callable[..., None]:
    """The same for a command that acts on one account, which may be one of several."""
    named = click.option("--account", metavar="NAME", help="Which account of the file CONTACTS_MCP_ACCOUNTS.")
    return named(with_settings(command))


def load(flags: dict[str, Any]) -> Settings:
    """The settings, or a message and exit 2."""
    try:
        return Settings.load(**flags)
    except ContactsError as error:
        raise click.UsageError(str(error)) from None


def load_one(flags: dict[str, Any]) -> Settings:
    """The settings of one account, or a message and exit 2."""
    from contacts_mcp.accounts import settings_of_one

    name = flags.pop("account")
    try:
        return settings_of_one(load(flags), name)
    except ContactsError as error:
        raise click.UsageError(str(error)) from None


@main.command()
@click.option(
    "--http", "address", metavar="HOST:PORT", help="Serve streamable HTTP at this address instead, under /mcp."
)
@with_settings
@with_flags(HOSTING)
def serve(address: str | None, **flags: Any) -> None:
    """Serve an assistant over stdin and stdout, or a team over HTTP.

    An address that others can reach needs --accounts: the file that says who may come in.
    """
    place = _place(address) if address is not None else None
    if place is not None:
        _serve_over_http(place, flags)
        return
    with _starting_quickly():
        from contacts_mcp.server.server import build_server

        settings = load(flags)
        try:
            _set_up_the_log(settings)
            server = build_server(settings)
        except ContactsError as error:
            raise click.UsageError(str(error)) from None
    from contacts_mcp.server import stdio

    if os.isatty(0):
        click.echo(
            "Serving on stdin and stdout, where an assistant is expected; see `contacts-mcp install`. Ctrl-C ends it.",
            err=True,
        )
    stdio.serve(server)


def _serve_over_http(place: tuple[str, int], flags: dict[str, Any]) -> None:
    """Serve one person on this machine, or a team."""
    host, port = place
    with _starting_quickly():
        from contacts_mcp.server import http
        from contacts_mcp.server.logs import announcement
        from contacts_mcp.server.seeing import telemetry
        from contacts_mcp.server.server import build_server

        # Callers may be anywhere: their days are not this machine's, and neither are their files.
        settings = load(flags)
        settings = settings.model_copy(update={"time_zone": settings.time_zone or "UTC", "files": []})
        is_hosted = bool(settings.accounts or settings.public_url or settings.shares_state) or not is_this_machine(host)
        try:
            _set_up_the_log(settings)
            if is_hosted:
                from contacts_mcp.server.hosting import hosted

                serving = partial(http.serve_hosted, hosted(settings, host, port))
            else:
                serving = partial(http.serve, build_server(settings).streamable_http_app(host=host))
        except ContactsError as error:
            raise click.UsageError(str(error)) from None
    shown = f"[{host}]" if ":" in host else host
    ready = announcement(f"Serving at http://{shown}:{port}/mcp", settings.log_format)
    try:
        with telemetry(settings):
            serving(host, port, ready=lambda: click.echo(ready, err=True))
    except ContactsError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.ClickException(
            f"{shown}:{port} cannot be used ({error.strerror or error}). Choose another address."
        ) from None


def _set_up_the_log(settings: Settings) -> None:
    """The log of a process that serves. Raises AccountError."""
    from contacts_mcp.server.logs import log_all_that_is_unhandled, set_up_logging
    from contacts_mcp.workspace import signing_keys

    form = settings.log_format
    set_up_logging(settings.log_level, settings.log_file, form=form, key=lambda: signing_keys(settings)[0])
    log_all_that_is_unhandled()


@contextmanager
def _starting_quickly() -> Iterator[None]:
    """Collect no garbage while modules are imported: it takes a tenth of the start, and every object stays."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def _place(address: str) -> tuple[str, int]:
    """Host and port of an address to serve at."""
    host, _, port = address.rpartition(":")
    is_host = re.fullmatch(r"[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\]", host)
    if not is_host or not (port.isascii() and port.isdigit() and 0 < int(port[:6]) <= HIGHEST_PORT):
        raise click.UsageError(
            f"--http takes an address with a port from 1 to {HIGHEST_PORT}, such as 127.0.0.1:8000; got {address}."
        )
    return host.strip("[]"), int(port)


HIGHEST_PORT = 65_535


@main.command()
@click.argument("name")
@click.option("--scopes", default="contacts:read,contacts:write", show_default=True, help="Comma separated.")
def token(name: str, scopes: str) -> None:
    """Make a bearer token for a person called NAME, who comes in over HTTP without a log-in elsewhere.

    Prints the token once, and the lines for the accounts file, which hold only its hash.
    """
    from contacts_mcp.setup.token import NoToken, lines_for, new_token

    made = new_token()
    try:
        lines = lines_for(name, made, [scope.strip() for scope in scopes.split(",")])
    except NoToken as error:
        raise click.UsageError(str(error)) from None
    click.echo("The token, for that person alone. It is shown this once:", err=True)
    click.echo(made)
    click.echo("For the accounts file, with the name of an account in place of NAME:", err=True)
    click.echo(lines)


@main.group(invoke_without_command=True)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8765, show_default=True, help="Port to listen on; 0 takes a free one.")
@click.option("--file", "path", metavar="FILE", help="Database file, kept between runs; in memory by default.")
@click.option("--contacts", default=300, show_default=True, help="How many contacts a new one is given.")
@click.option("--control", is_flag=True, help="Offer /_sandbox/... for tests: faults, behaviour, reset.")
@click.pass_context
def sandbox(ctx: click.Context, host: str, port: int, path: str | None, contacts: int, control: bool) -> None:
    """Serve the sandbox, a local stand-in of the Heymarket API, over HTTP."""
    if ctx.invoked_subcommand:
        return
    import sqlite3

    import anyio

    from contacts_mcp.sandbox import open_sandbox, serve

    try:
        here = open_sandbox(path, contacts=contacts, control=control)
    except (OSError, ValueError, sqlite3.Error) as error:
        raise click.ClickException(f"The sandbox cannot be opened: {error}.") from None

    async def run() -> None:
        async with anyio.create_task_group() as tasks:
            url = await tasks.start(serve, here, host, port)
            click.echo(
                f"The sandbox is ready. Use it with:\n  HEYMARKET_BASE_URL={url} HEYMARKET_API_KEY=sandbox-api-key"
            )

    try:
        anyio.run(run)
    except* (OSError, OverflowError) as errors:
        reason = errors.exceptions[0]
        raise click.ClickException(
            f"Port {port} of {host} cannot be used ({reason}). Choose another with --port; 0 takes a free one."
        ) from None
    finally:
        here.close()


@sandbox.command("reset")
@click.option("--sandbox-file", metavar="FILE", help="The sandbox's file, where it is not the usual one.")
@click.option("--data-dir", metavar="DIR", help="The data directory, where it is not the usual one.")
@click.confirmation_option(prompt="Put the sandbox's contacts back as they were at first?")
def reset_sandbox(sandbox_file: str | None, data_dir: str | None) -> None:
    """Put the sandbox of `serve --sandbox` back as it was at first, also for servers that run."""
    import anyio

    from contacts_mcp.workspace import reset_sandbox

    try:
        settings = load({"sandbox": True, "sandbox_file": sandbox_file, "data_dir": data_dir})
        click.echo(f"Done: {anyio.run(reset_sandbox, settings)} is as it was at first.")
    except ContactsError as error:
        raise click.ClickException(str(error)) from None


@main.command(add_help_option=False)
@click.argument("tool", required=False)
@click.argument("arguments", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--json", "as_json", is_flag=True, help="Print the structured answer.")
@click.option("-h", "--help", "for_help", is_flag=True, help="Show this message; behind a TOOL, its parameters.")
@for_one_account
def call(tool: str | None, arguments: tuple[str, ...], as_json: bool, for_help: bool, **flags: Any) -> None:
    """Call one tool, as an assistant would: contacts-mcp call lookup_contact phone="(510) 555-0100".

    Objects and arrays are written as JSON: custom_fields='{"Plan": "Gold"}'. Exits 1 where the tool refuses.
    """
    if for_help and tool is None:
        click.echo(click.get_current_context().get_help())
        return
    from contacts_mcp.server.logs import set_up_logging
    from contacts_mcp.setup.call import call_tool, help_for, printed, tool_names

    if tool is None:
        raise click.UsageError(f"Which tool? There are: {', '.join(tool_names())}.")
    if for_help:
        if tool not in tool_names():
            raise click.UsageError(f"There is no tool {tool}. There are: {', '.join(tool_names())}.")
        click.echo(help_for(tool))
        return
    given, settings = _arguments(arguments), load_one(flags)
    try:
        set_up_logging(settings.log_level, settings.log_file)
        answer = call_tool(settings, tool, given)
    except ContactsError as error:
        raise click.UsageError(str(error)) from None
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    output, errors = printed(tool, answer, as_json=as_json, width=width)
    if output:
        click.echo(output)
    if errors:
        click.echo(errors, err=True)
    if answer.is_error:
        raise SystemExit(1)


def _arguments(written: tuple[str, ...]) -> dict[str, str]:
    return _each_once(written, 'several values are written as JSON: {}=\'["a", "b"]\'.')


_ONE_FILTER = "a filter counts once. Several tags, all of which must be there: tag=VIP,Lead."
_ONE_FIELD = "a column holds one field."


def _each_once(written: tuple[str, ...], otherwise: str) -> dict[str, str]:
    """The pairs by name. Raises UsageError for a name that is there twice, since one value would be dropped unsaid."""
    given: dict[str, str] = {}
    for argument in written:
        name, value = _pair(argument)
        if name in given:
            raise click.UsageError(f"{name} is given twice; {otherwise.format(name)}")
        given[name] = value
    return given


def _pair(argument: str) -> tuple[str, str]:
    name, separator, value = argument.partition("=")
    if not separator:
        raise click.UsageError(f"Arguments are written NAME=VALUE; got {argument}.")
    return name, value


@main.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--existing",
    type=click.Choice(["fill", "overwrite", "skip"]),
    default="fill",
    show_default=True,
    help="Contacts that are there: fill their empty fields, overwrite with the file, or leave them alone.",
)
@click.option(
    "--twice",
    type=click.Choice(["tell", "merge"]),
    default="tell",
    show_default=True,
    help="Later rows of a phone: only tell, or fill the blanks of the first.",
)
@click.option("--tag", "tags", multiple=True, metavar="TAG", help="Give every contact this tag; may be repeated.")
@click.option(
    "--column", "columns", multiple=True, metavar="HEADER=FIELD", help="What a column holds; may be repeated."
)
@click.option("--encoding", default="", metavar="NAME", help="The file's encoding, where the guess is wrong.")
@click.option("--sheet", default="", metavar="NAME", help="The sheet of a workbook.")
@click.option("--large", is_flag=True, help="Take up to 1,000,000 rows and 500 MB, not 200,000 and 50.")
@click.option("--dry-run", is_flag=True, help="Only show the plan.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="With --dry-run: print the plan as JSON lines.")
@for_one_account
def import_file(
    file: Path,
    existing: Any,
    twice: Any,
    tags: tuple[str, ...],
    columns: tuple[str, ...],
    encoding: str,
    sheet: str,
    large: bool,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    **flags: Any,
) -> None:
    """Import the contacts of FILE: CSV in any form, XLSX, vCard or JSON lines.

    Shows the plan, asks, and writes the rows that could not be imported into FILE.problems.csv. Nobody is opted in.
    """
    from contacts_mcp.book.transfer.deciding import Switches
    from contacts_mcp.book.transfer.planning import Asked
    from contacts_mcp.server.logs import set_up_logging
    from contacts_mcp.setup import transfer

    if as_json and not dry_run:
        raise click.UsageError("--json prints a plan: give --dry-run with it.")
    settings = load_one(flags)
    switches = Switches(existing=existing, twice=twice)
    asked = Asked(switches=switches, tags=tags, columns=_each_once(columns, _ONE_FIELD), large=large)
    chosen = transfer.FileToImport(path=file, asked=asked, encoding=encoding, sheet=sheet)
    try:
        set_up_logging(settings.log_level, settings.log_file)
        if as_json:
            for line in transfer.as_json_lines(settings, chosen):
                click.echo(line)
            return
        is_well = transfer.import_file(settings, chosen, _terminal(), dry_run=dry_run, yes=yes)
    except ContactsError as error:
        raise click.ClickException(str(error)) from None
    if not is_well:
        raise SystemExit(1)


@main.command("update")
@click.option("--where", "where", multiple=True, metavar="NAME=VALUE", help="Which contacts; several combine.")
@click.option("--set", "changes", multiple=True, metavar="NAME=VALUE", help="What to set; may be repeated.")
@click.option("--dry-run", is_flag=True, help="Only show the plan.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@for_one_account
def update_many(where: tuple[str, ...], changes: tuple[str, ...], dry_run: bool, yes: bool, **flags: Any) -> None:
    """Make one change to many contacts: contacts-mcp update --where Region=Oakland --set Plan=Gold.

    --where takes name, tag, assignee, opted_out, has_email, area_code, country, created_after, created_before,
    updated_after, updated_before, or a custom field. Several tags are written tag=VIP,Lead. --set takes assignee,
    add_tag, remove_tag, is_opted_out=true, clear, or a custom field.
    """
    from contacts_mcp.server.logs import set_up_logging
    from contacts_mcp.setup import transfer

    settings = load_one(flags)
    try:
        set_up_logging(settings.log_level, settings.log_file)
        wanted = transfer.wanted_of([_pair(one) for one in changes])
        chosen = _each_once(where, _ONE_FILTER)
        is_well = transfer.update_many(settings, chosen, wanted, _terminal(), dry_run=dry_run, yes=yes)
    except ContactsError as error:
        raise click.ClickException(str(error)) from None
    if not is_well:
        raise SystemExit(1)


def _terminal() -> Any:
    from contacts_mcp.setup.transfer import Terminal

    return Terminal(say=click.echo, confirm=_confirm, progress=_progress)


@main.command("export")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--where", "where", multiple=True, metavar="NAME=VALUE", help="Which contacts; several combine.")
@click.option(
    "--format", "kind", type=click.Choice(["csv", "xlsx", "vcard", "vcard4", "jsonl"]), help="By the ending of FILE."
)
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
@for_one_account
def export_file(file: Path, where: tuple[str, ...], kind: Any, overwrite: bool, **flags: Any) -> None:
    """Write contacts into FILE: .csv, .xlsx, .vcf (vCard) or .jsonl. contacts-mcp export vips.xlsx --where tag=VIP

    --where takes name, tag, assignee, opted_out, has_email, area_code, country, created_after, created_before,
    updated_after, updated_before, or a custom field. Several tags are written tag=VIP,Lead. Exits 1 where only a part
    could be read.
    """
    from contacts_mcp.server.logs import set_up_logging
    from contacts_mcp.setup.export import export_file, told

    settings = load_one(flags)
    try:
        set_up_logging(settings.log_level, settings.log_file)
        with _progress("Contacts") as announce:
            chosen = _each_once(where, _ONE_FILTER)
            exported = export_file(settings, file, chosen, kind=kind, overwrite=overwrite, announce=announce)
    except ContactsError as error:
        raise click.ClickException(str(error)) from None
    click.echo(told(exported))
    if not exported.complete:
        raise SystemExit(1)


@main.command()
@click.argument("field", required=False, default="")
@for_one_account
def describe(field: str, **flags: Any) -> None:
    """Show the whole book in counts: by tag, by the values of a custom FIELD, opted out, by month, what is filled."""
    from contacts_mcp.server.logs import set_up_logging
    from contacts_mcp.setup.export import book_in_counts, in_bars

    settings = load_one(flags)
    try:
        set_up_logging(settings.log_level, settings.log_file)
        with _progress("Contacts") as announce:
            answer = book_in_counts(settings, field, announce)
    except ContactsError as error:
        raise click.ClickException(str(error)) from None
    click.echo("\n".join(in_bars(answer, shutil.get_terminal_size().columns)))


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int | None], None]]:
    """A bar on stderr, where that is a terminal."""
    with click.progressbar(length=1, label=label, file=sys.stderr, hidden=not sys.stderr.isatty()) as bar:

        def announce(done: int, of: int | None) -> None:
            bar.length = max(of or 0, done, 1)
            bar.update(done - bar.pos)

        yield announce


@main.command()
@click.argument("client", required=False)
@click.option("--print", "only_print", is_flag=True, help="Only print what to paste into the client's file by hand.")
@click.option("--uninstall", is_flag=True, help="Take this server out again.")
@click.option("--sandbox", is_flag=True, help="Set it up on the built-in sandbox; no account needed.")
@click.option("--name", default="contacts", show_default=True, help="What the server is called in the client.")
@click.option("--yes", is_flag=True, help="Do not ask before writing.")
def install(client: str | None, only_print: bool, uninstall: bool, sandbox: bool, name: str, yes: bool) -> None:
    """Add this server to an assistant: claude-desktop, claude-code, cursor, vscode, codex, gemini, goose or windsurf.

    Without a name it says which of them are on this machine. Shows the change, asks, and keeps a backup.
    Credentials are taken from the environment, or asked for without echo.
    """
    from contacts_mcp.setup import install as installing

    if only_print and uninstall:
        raise click.UsageError("--print shows what to paste, --uninstall takes it out: give one of them.")
    if client is None and (only_print or uninstall):
        raise click.UsageError("Which assistant? `contacts-mcp install` lists them.")
    if client is None:
        click.echo(installing.overview(_this_machine()))
        return
    talk = installing.Talk(say=click.echo, ask=_ask_secretly if sys.stdin.isatty() else None, confirm=_confirm)
    try:
        chosen = installing.client_named(client)
        if only_print:
            click.echo(f"For {chosen.place(_this_machine())}:", err=True)
            click.echo(installing.paste(chosen, name=name, sandbox=sandbox), nl=False)
        elif uninstall:
            installing.remove(chosen, _this_machine(), talk, name=name, yes=yes)
        else:
            installing.add(chosen, _this_machine(), load({}), talk, name=name, sandbox=sandbox, yes=yes)
    except ContactsError as error:
        raise click.ClickException(str(error)) from None


def _ask_secretly(question: str) -> str:
    answer: str = click.prompt(question, hide_input=True, default="", show_default=False)
    return answer


def _confirm(question: str) -> bool:
    try:
        return click.confirm(question)
    except click.Abort:
        raise click.ClickException("Nothing was changed: nobody answered. Add --yes where nobody can.") from None


def _this_machine() -> Machine:
    from contacts_mcp.setup.assistants import Machine

    try:
        return Machine(sys.platform, Path.home(), environment())
    except RuntimeError:
        raise click.ClickException(
            "There is no telling where your home folder is. Set HOME (on Windows USERPROFILE)."
        ) from None


@main.command()
@click.option("--report", "as_report", is_flag=True, help="Print it as text to paste into an issue.")
@click.option("--all", "everything", is_flag=True, help="Print the settings that nobody set, too.")
@for_one_account
def doctor(as_report: bool, everything: bool, **flags: Any) -> None:
    """Examine this installation, and say what to do where something is wrong.

    Changes nothing and tells nothing secret or personal. Exits 1 where there is a problem.
    """
    from contacts_mcp.setup import doctor as examining

    account = flags.pop("account")
    given = frozenset(name for name, value in flags.items() if value is not None)
    patient = examining.with_credentials(examining.patient_of(flags, given, account, _this_machine()))
    findings = examining.examine(patient)
    told = examining.told(findings, patient, everything=everything)
    click.echo(examining.report(findings, patient) if as_report else told)
    if not examining.is_well(findings):
        raise SystemExit(1)


@main.command()
@click.option("--write", "writes", is_flag=True, help="Also make a contact, change it and delete it.")
@click.option("--phone", default="", metavar="PHONE", help="With --write: a phone of your own for that contact.")
@click.option(
    "--report", "as_report", is_flag=True, help="Print Markdown for the maintainers, without any person's data."
)
@click.option("--record", type=click.Path(dir_okay=False, path_type=Path), metavar="FILE", help="Keep the exchange.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@for_one_account
def probe(writes: bool, phone: str, as_report: bool, record: Path | None, yes: bool, **flags: Any) -> None:
    """Find out how the service of this account behaves, in at most 60 requests, and keep that as its profile.

    Without --write it reads, and deletes only contacts of an earlier probe that was broken off. FILE gets every request
    and answer, with all values of people replaced. Exits 1 where a contact of the probe may be left.
    """
    from contacts_mcp.server.logs import set_up_logging
    from contacts_mcp.setup.probe import report, running
    from contacts_mcp.setup.probe.asking import MOST_REQUESTS

    if phone and not writes:
        raise click.UsageError("--phone is for the contact that --write makes.")
    settings, plan = load_one(flags), running.Plan(writes=writes, phone=phone, record=record)
    try:
        set_up_logging(settings.log_level, settings.log_file)
        click.echo(running.announcement(settings, plan), err=True)
        if not yes and not _confirm("Begin?"):
            return
        with _progress("Requests") as announce:
            probed = running.run(settings, plan, lambda done: announce(done, MOST_REQUESTS))
    except ContactsError as error:
        raise click.ClickException(str(error)) from None
    told = report.markdown(probed.found, probed.notes) if as_report else report.table(probed.found)
    click.echo(told)
    if not as_report:
        click.echo("\n".join(["", *probed.notes, f"{probed.requests} requests were sent."]))
    if not probed.is_clean:
        raise SystemExit(1)


@main.group()
def journal() -> None:
    """The journal of changes that undo works from."""


@journal.command("clear")
@click.option("--data-dir", metavar="DIR", help="The data directory, where it is not the usual one.")
@click.confirmation_option(prompt="Forget all changes? They can then no longer be taken back.")
def clear_journal(data_dir: str | None) -> None:
    """Forget all finished changes of all accounts, before-images and plans of imports included."""
    import anyio

    from contacts_mcp.workspace import forget_changes

    try:
        count = anyio.run(forget_changes, load({"data_dir": data_dir}))
    except ContactsError as error:
        raise click.ClickException(str(error)) from None
    click.echo(f"Forgot {count} changes.")


@main.group()
def index() -> None:
    """The local index of contacts, in which searches find them."""


@index.command("status")
@click.option("--check", is_flag=True, help="Read every page of the file, and say whether it is sound.")
@for_one_account
def index_status(check: bool, **flags: Any) -> None:
    """Say where the index is, how much is in it, and as of when. Nothing is sent or changed."""
    from contacts_mcp.setup.index import described

    try:
        click.echo("\n".join(described(load_one(flags), check=check)))
    except ContactsError as error:
        raise click.ClickException(str(error)) from None


@index.command("build")
@for_one_account
def build_index(**flags: Any) -> None:
    """Fill the index now, as the first search would. Ctrl-C stops it, and the next time goes on from there."""
    from contacts_mcp.server.logs import set_up_logging
    from contacts_mcp.setup.index import build, told

    settings = load_one(flags)
    set_up_logging(settings.log_level, settings.log_file)
    try:
        known = build(settings, lambda text: click.echo(text, err=True))
    except ContactsError as error:
        raise click.ClickException(str(error)) from None
    except KeyboardInterrupt:
        raise click.ClickException("Stopped. The next time goes on from here.") from None
    click.echo("\n".join(told(known)))
    if not known.complete:
        raise SystemExit(1)


@index.command("forget")
@click.option("--data-dir", metavar="DIR", help="The data directory, where it is not the usual one.")
@click.confirmation_option(prompt="Delete the local index of all accounts? Heymarket keeps every contact.")
def forget_index(data_dir: str | None) -> None:
    """Delete the index of all accounts. A server fills it again at its next search, unless CONTACTS_MCP_INDEX=off."""
    import anyio

    from contacts_mcp.setup.index import forget

    try:
        count = anyio.run(forget, load({"data_dir": data_dir}))
        click.echo(f"Deleted {count} index{'' if count == 1 else 'es'}.")
    except ContactsError as error:
        raise click.ClickException(str(error)) from None


if __name__ == "__main__":
    main()
