"""Command options generated from the declared settings."""

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from shipper.cli.completion_values import complete_schemes
from shipper.config import Configuration, InvalidConfiguration, flag, read
from shipper.config.settings import Settings

METAVARS: dict[str, str | None] = {
    "inputs": "TYPE:GLOB",
    "output": "URL",
    "state_dir": "DIR",
    "listen": "HOST:PORT",
    "log_format": None,
}
"""Settings that have a flag, and the placeholder of the value in the help."""
Command = Callable[..., Any]


def configured(*names: str, on_invalid: Callable[..., Any] | None = None) -> Callable[[Command], Command]:
    """Add --config and the flags of the settings `names` to a command, and call it with `settings` first.

    If the configuration is invalid, `on_invalid` is called with the problems and the command's other options. Without
    it the error is raised.
    """

    def decorate(function: Command) -> Command:
        @wraps(function)
        def command(settings: Configuration, **options: Any) -> Any:  # noqa: ANN401 -- click's values
            return function(settings.settings, **options)

        return from_configuration(*names, on_invalid=on_invalid)(command)

    return decorate


def from_configuration(*names: str, on_invalid: Callable[..., Any] | None = None) -> Callable[[Command], Command]:
    """Like `configured`, for a command that needs the origin of each setting: it gets a Configuration."""

    def decorate(function: Command) -> Command:
        @wraps(function)
        def command(*, config: Path | None, **options: Any) -> Any:  # noqa: ANN401 -- click's values
            flags = {name: options.pop(name) for name in names}
            try:
                configuration = read(config, os.environ, _chosen(flags))
            except InvalidConfiguration as error:
                if on_invalid is None:
                    raise
                return on_invalid(error.problems, **options)
            return function(configuration, **options)

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
    """Return the flags on the command line; an empty text counts, and is rejected where it is not valid."""
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
