"""Options of commands, made from the declared settings."""

import os
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from shipper.configuration import load
from shipper.settings import Settings

FLAGS: dict[str, tuple[str, str | None]] = {
    "inputs": ("--input", "TYPE:GLOB"),
    "output": ("--output", "URL"),
    "state_dir": ("--state-dir", "DIR"),
    "listen": ("--listen", "HOST:PORT"),
    "log_format": ("--log-format", None),
}


def configured(*names: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Give a command --config and the flags of the settings `names`, and call it with `settings` first."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def command(*, config: Path | None, **given: Any) -> Any:  # noqa: ANN401 -- click's values
            flags = {name: given.pop(name) for name in names}
            chosen = {
                name: list(value) if isinstance(value, tuple) else value for name, value in flags.items() if value
            }
            return function(load(config, os.environ, chosen), **given)

        decorated: Callable[..., Any] = command
        for name in reversed(names):
            decorated = _option(name)(decorated)
        return click.option(
            "--config",
            type=click.Path(path_type=Path, dir_okay=False),
            envvar="SHIPPER_CONFIG",
            help="Configuration file (YAML).",
        )(decorated)

    return decorate


def _option(name: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    flag, metavar = FLAGS[name]
    field = Settings.model_fields[name]
    default = field.get_default(call_default_factory=True)
    text = f"{field.description}"
    shown = default if isinstance(default, str | Path) else None
    help_text = f"{text[:1].upper()}{text[1:]}." + (f" [default: {shown}]" if shown else "")
    if name == "inputs":
        return click.option(flag, name, metavar=metavar, multiple=True, help=f"{help_text} Repeatable.")
    if name == "log_format":
        return click.option(flag, name, type=click.Choice(["console", "json"]), help=help_text)
    return click.option(flag, name, metavar=metavar, help=help_text)
