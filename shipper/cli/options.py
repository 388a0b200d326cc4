"""Options of commands, made from the declared settings."""

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from shipper.cli.completion_values import complete_schemes
from shipper.config import Configuration, Refused, flag, read
from shipper.config.settings import Settings

METAVARS: dict[str, str | None] = {
    "inputs": "TYPE:GLOB",
    "output": "URL",
    "state_dir": "DIR",
    "listen": "HOST:PORT",
    "log_format": None,
}
"""Settings that have a flag, with what the help calls the value."""
Command = Callable[..., Any]


def configured(*names: str, refused: Callable[..., Any] | None = None) -> Callable[[Command], Command]:
    """Give a command --config and the flags of the settings `names`, and call it with `settings` first.

    `refused` is called with the problems and the command's other options where the configuration is refused, for a
    command that has its own way to show them; elsewhere the refusal is raised.
    """

    def decorate(function: Command) -> Command:
        @wraps(function)
        def command(settings: Configuration, **given: Any) -> Any:  # noqa: ANN401 -- click's values
            return function(settings.settings, **given)

        return from_configuration(*names, refused=refused)(command)

    return decorate


def from_configuration(*names: str, refused: Callable[..., Any] | None = None) -> Callable[[Command], Command]:
    """`configured`, for a command that also wants to know where each setting comes from: it gets a Configuration."""

    def decorate(function: Command) -> Command:
        @wraps(function)
        def command(*, config: Path | None, **given: Any) -> Any:  # noqa: ANN401 -- click's values
            flags = {name: given.pop(name) for name in names}
            try:
                found = read(config, os.environ, _chosen(flags))
            except Refused as refusal:
                if refused is None:
                    raise
                return refused(refusal.problems, **given)
            return function(found, **given)

        decorated: Command = command
        for name in reversed(names):
            decorated = _option(name)(decorated)
        return click.option(
            "--config",
            type=click.Path(path_type=Path, dir_okay=False),
            envvar="SHIPPER_CONFIG",
            help="Configuration file (YAML).",
        )(decorated)

    return decorate


def _chosen(flags: dict[str, Any]) -> dict[str, Any]:
    """The flags that were given; an empty text is given, and refused where it means nothing."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in flags.items()
        if value not in (None, ())
    }


def _option(name: str) -> Callable[[Command], Command]:
    field = Settings.model_fields[name]
    default = field.get_default(call_default_factory=True)
    text = f"{field.description}"
    shown = default if isinstance(default, str | Path) else None
    help_text = f"{text[:1].upper()}{text[1:]}." + (f" [default: {shown}]" if shown else "")
    if name == "inputs":
        return click.option(
            flag(name),
            name,
            metavar=METAVARS[name],
            multiple=True,
            help=f"{help_text} Repeatable.",
            shell_complete=complete_schemes,
        )
    if name == "log_format":
        return click.option(flag(name), name, type=click.Choice(["console", "json"]), help=help_text)
    complete = None if name == "state_dir" else complete_schemes
    return click.option(flag(name), name, metavar=METAVARS[name], help=help_text, shell_complete=complete)
