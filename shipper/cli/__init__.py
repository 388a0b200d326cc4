"""The command line. Commands are imported when called, so that `--help` answers immediately."""

import errno
import gc
import os
import sys
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from shipper.system.errors import ShipperError
from shipper_processors.sanitize import printable

COMMANDS = {
    "run": "Follow container logs; count and store every event.",
    "setup": "Prepare Elasticsearch: templates, lifecycle, Kibana objects.",
    "replay": "Backfill the index from log files, beside a running agent.",
    "search": "Find events by correlation id, event, level, text or time.",
    "tail": "Follow entries live, as they are written.",
    "explain": "Show how each line is parsed, validated, counted and stored.",
    "test": "Run tests of your rules: log lines and expected results.",
    "check": "Validate configuration, permissions and connectivity.",
    "status": "Show followed files, offsets, lag and the state of the output.",
    "top": "Watch a running agent live: rates, lag, counters, files.",
    "hash": "Compute the keyed hash of a value, to search for masked data.",
    "quarantine": "List, show and release quarantined entries.",
    "config": "Show the effective configuration and its JSON schema.",
    "completion": "Print the shell completion script.",
}
"""Commands in the order of first use, each with its line in the overview."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Errors of a full disk behind the standard output; other writers report their own errors."""
EXIT_CODES = {
    0: "done, including an orderly stop by SIGTERM or SIGINT",
    1: "failed, with the reason and a hint on the standard error; also problems found by `check`, and an interrupted"
    " replay",
    2: "usage error: unknown command, option or value",
}
"""Exit codes and their meaning."""


def _print_version(ctx: click.Context) -> None:
    from shipper.system.version import description  # noqa: PLC0415 -- commands are imported when they are called

    click.echo("\n".join(description()))
    ctx.exit()


class Lazy(click.Group):
    """A group whose commands are separate modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """List the commands in the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import and return the command."""
        if cmd_name not in COMMANDS:
            return None
        os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # looking for some reads all installed packages
        gc.disable()  # modules live as long as the process: searching them for garbage costs 4 % of the start
        try:
            command = getattr(import_module(f"shipper.cli.commands.{cmd_name}"), cmd_name)
        finally:
            gc.freeze()
            gc.enable()
        assert isinstance(command, click.Command)  # noqa: S101 -- a module and its command share a name
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Resolve the command; suggest the nearest name where it does not exist."""
        if args[0] not in COMMANDS:
            from difflib import get_close_matches  # noqa: PLC0415 -- needed for a typing error alone

            if near := get_close_matches(args[0], COMMANDS, 1):
                ctx.fail(f"No such command '{printable(args[0])}'. Did you mean '{near[0]}'?")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete command names without importing the commands; then the options of the group."""
        items = [CompletionItem(name, help=text) for name, text in COMMANDS.items() if name.startswith(incomplete)]
        return items or click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the overview without importing the commands."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, _, enabled: _print_version(ctx) if enabled else None,
    help="Show the version, build and optional dependencies, and exit.",
)
@click.option(
    "--no-color", is_flag=True, is_eager=True, expose_value=False, callback=lambda _ctx, _, enabled: no_color(enabled),
    help="Disable colours; the variable NO_COLOR does the same.",
)  # fmt: skip
def cli() -> None:
    """Follow container logs, keep exact counters, store each event exactly once.

    \b
    Start:   shipper run --input 'docker:/var/lib/docker/containers/*/*-json.log'
    Look:    shipper search CORRELATION_ID
    """  # noqa: D301 -- click reads the \b


def no_color(enabled: bool) -> None:
    """Disable colours in everything this process prints."""
    if enabled:
        os.environ["NO_COLOR"] = "1"


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; exit 0 when done, 1 on failure, 2 on a usage error."""
    try:
        outcome: Any = cli.main(arguments, prog_name="shipper", standalone_mode=False)
        click.echo(nl=False)  # flush, so that a failed write is reported
        sys.exit(outcome if isinstance(outcome, int) else 0)
    except click.exceptions.Abort:
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ShipperError as error:
        print_error(error)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        if error.errno not in FULL:
            raise
        print_error(ShipperError(f"cannot write the output: {error.strerror}", "free space where it is stored"))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # the buffered rest would fail again at exit
        sys.exit(1)


def print_error(error: ShipperError) -> None:
    """Print an error and its hint to the standard error."""
    plain = bool(os.environ.get("NO_COLOR"))
    click.secho("error: ", fg=None if plain else "red", bold=not plain, err=True, nl=False)
    click.echo(printable(str(error), newlines=True), err=True)
