"""`shipper config`: the JSON schema of the file, and the effective configuration."""

from collections.abc import Iterator
from typing import Any

import click
import orjson
import yaml

from shipper.cli.completion_values import complete_keys
from shipper.cli.options import from_configuration
from shipper.cli.terminal.json_output import as_json
from shipper.config import Configuration
from shipper.config.layers import file_of
from shipper.config.option_tree import SECRETS
from shipper.config.settings import Settings
from shipper.system.errors import ConfigurationError
from shipper.system.url_secrets import without_secrets
from shipper_processors.sanitize import printable

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@click.group()
def config() -> None:
    """Show the effective configuration and its JSON schema."""


@config.command()
def schema() -> None:
    """Print the JSON schema of the configuration file."""
    click.echo(as_json({"$schema": DIALECT, **Settings.model_json_schema(by_alias=True)}))


@config.command()
@click.argument("key", required=False, shell_complete=complete_keys)
@click.option("--format", "form", type=click.Choice(["yaml", "json"]), default="yaml", show_default=True)
@from_configuration("inputs", "output", "state_dir", "listen", "log_format")
def show(configuration: Configuration, *, key: str | None, form: str) -> None:
    """Print the effective configuration, or the value of KEY (such as tail.batch_age); secrets are masked.

    A comment names the source of a value; values without one are defaults. The output is a valid configuration file
    once the secrets are filled in.
    """
    values = effective(configuration.settings)
    if key is not None:
        click.echo(value_of(values, key, form))
    elif form == "json":
        click.echo(as_json(values))
    else:
        click.echo(annotated(values, configuration))


def value_of(values: dict[str, Any], key: str, form: str) -> str:
    """Return the value of one key. Raises ConfigurationError."""
    value: Any = values
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            raise ConfigurationError(f"unknown key {printable(key)}", "`shipper config schema` lists every key")
        value = value[part]
    if form == "json" or value is None:
        return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()
    text: str = yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=float("inf"))
    return printable(text.removesuffix("...\n").rstrip("\n"), newlines=True)


def effective(settings: Settings) -> dict[str, Any]:
    """Return all settings in the form of the file; a secret is `**********`, or named by its file."""
    values = settings.model_dump(mode="json", by_alias=True)
    for secret in SECRETS:
        section = values
        for key in secret[:-1]:
            section = section[key]
        if section[file_of(secret)[-1]] is not None:
            section[secret[-1]] = None
    return {name: masked(value) for name, value in values.items()}


def masked(value: Any) -> Any:  # noqa: ANN401 -- any JSON
    """Return a value with the secrets of the URLs in it masked."""
    if isinstance(value, str):
        return without_secrets(value)
    if isinstance(value, dict):
        return {name: masked(inner) for name, inner in value.items()}
    return [masked(inner) for inner in value] if isinstance(value, list) else value


def annotated(values: dict[str, Any], configuration: Configuration) -> str:
    """Return settings as YAML; each value that is not a default has a comment with its source."""
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=float("inf"))
    lines = text.splitlines()
    notes = dict(_notes(yaml.compose(text), (), configuration))
    return "\n".join(f"{line}  # {notes[number]}" if number in notes else line for number, line in enumerate(lines))


def _notes(node: yaml.Node | None, above: tuple[str, ...], configuration: Configuration) -> Iterator[tuple[int, str]]:
    """Yield line numbers, from 0, with the comment for each."""
    assert isinstance(node, yaml.MappingNode)  # noqa: S101 -- settings are one
    for key, value in node.value:
        path = (*above, key.value)
        if isinstance(value, yaml.MappingNode) and value.value:
            yield from _notes(value, path, configuration)
        elif (origin := configuration.origin(path)) is not None:
            yield (
                key.start_mark.line if isinstance(value, yaml.CollectionNode) else value.end_mark.line,
                printable(origin),
            )
