"""The command line. Commands are imported when they are called, so that `--help` answers at once."""

import difflib
import errno
import os
import sys
from importlib import import_module
from typing import Any

import click
from click.shell_completion import CompletionItem

from shipper.system.errors import ShipperError
from shipper_processors.sanitize import printable

COMMANDS = {
    "run": "Follow container logs, count and store every event.",
    "setup": "Prepare Elasticsearch: templates, lifecycle, Kibana objects.",
    "replay": "Index the logs in files, beside whatever agent is running.",
    "search": "Find events by correlation id, event, level, text and time.",
    "tail": "Follow entries as they are written.",
    "explain": "Show what each step makes of each line, and why.",
    "test": "Run tests of rules: given lines, expected events and counters.",
    "check": "Look for every problem before the agent meets it.",
    "status": "Show files followed, positions, lag and the output.",
    "top": "Watch a running agent: rates, lag, counters, files.",
    "hash": "Find the hash that stands for a value, under each key.",
    "quarantine": "List, show and release what was refused.",
    "config": "Show the configuration and its schema.",
    "completion": "Print what teaches a shell to complete all of this.",
}
"""Commands in the order people meet them, with the line that the overview shows."""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""Refusals of the file that the standard output is; what else the shipper writes is told by who writes it."""
EXIT_CODES = {
    0: "done, also where it was ended by SIGTERM or SIGINT in order",
    1: "refused or failed, with what happened and what to do on the standard error; a problem that `check` found;"
    " an interrupted replay",
    2: "the command line is wrong: an unknown command, option or value",
}
"""What the shell is told."""


def _tell_version(ctx: click.Context) -> None:
    from shipper.system.version import description  # noqa: PLC0415 -- commands are imported when they are called

    click.echo("\n".join(description()))
    ctx.exit()


class Lazy(click.Group):
    """A group whose commands live in modules of their own."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 -- click's signature
        """In the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command, imported now."""
        if cmd_name not in COMMANDS:
            return None
        command = getattr(import_module(f"shipper.cli.commands.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)  # noqa: S101 -- a module and its command share a name
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that was asked for; where there is none, the nearest is named."""
        near = difflib.get_close_matches(args[0], COMMANDS, 1)
        if args[0] not in COMMANDS and near:
            ctx.fail(f"No such command '{printable(args[0])}'. Did you mean '{near[0]}'?")
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Commands by their names, without importing what is listed; and our own options."""
        found = [CompletionItem(name, help=told) for name, told in COMMANDS.items() if name.startswith(incomplete)]
        return found or click.Command.shell_complete(self, ctx, incomplete)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The overview, without importing what it lists."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=Lazy, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=lambda ctx, _, asked: _tell_version(ctx) if asked else None,
    help="Show the version, its build and optional parts, and exit.",
)
@click.option(
    "--no-color", is_flag=True, is_eager=True, expose_value=False, callback=lambda _ctx, _, asked: no_color(asked),
    help="Print without colours; so does the variable NO_COLOR.",
)  # fmt: skip
def cli() -> None:
    """Follow container logs, keep exact counters, store each event once.

    \b
    Start:   shipper run --input 'docker:/var/lib/docker/containers/*/*-json.log'
    Look:    shipper search CORRELATION_ID
    """  # noqa: D301 -- click reads the \b


def no_color(asked: bool) -> None:
    """Leave colours out of all that this process prints."""
    if asked:
        os.environ["NO_COLOR"] = "1"


def main(arguments: list[str] | None = None) -> None:
    """Run the command line: exit 0 done, 1 refused or failed, 2 usage."""
    try:
        outcome: Any = cli.main(arguments, prog_name="shipper", standalone_mode=False)
        click.echo(nl=False)  # writes what is kept back, so that its failure is told
        sys.exit(outcome if isinstance(outcome, int) else 0)
    except click.exceptions.Abort:
        sys.exit(1)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except ShipperError as error:
        tell(error)
        sys.exit(1)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        if error.errno not in FULL:
            raise
        tell(ShipperError(f"what was found cannot be written: {error.strerror}", "free space where it goes"))
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what is left of it would fail again at the exit
        sys.exit(1)


def tell(error: ShipperError) -> None:
    """Say on the standard error what happened and what to do."""
    plain = bool(os.environ.get("NO_COLOR"))
    click.secho("error: ", fg=None if plain else "red", bold=not plain, err=True, nl=False)
    click.echo(printable(str(error), newlines=True), err=True)
